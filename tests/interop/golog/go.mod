// SPDX-License-Identifier: Apache-2.0

module tern.example/golog

go 1.17

require golang.org/x/mod v0.7.0
