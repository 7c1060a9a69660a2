#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Files and batches of `tern serve`: their answers, what is refused, a server that is killed in the
# middle, and an hour that is awaited.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
. "$here/replay.sh"
LC_ALL=C.UTF-8
export LC_ALL
unset XDG_DATA_HOME XDG_CONFIG_HOME TERN_SERVE_TOKEN TERN_CPU TERN_SHARE TERN_ZONE
python3 "$here/serve_batches.py"
