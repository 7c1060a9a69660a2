// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tessera pins the program that the test builds.
package tessera

import _ "github.com/transparency-dev/tessera/cmd/fsck"
