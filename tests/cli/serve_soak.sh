#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Idle connections, readers that take nothing, and short requests at once; docs/serve.md has the long one.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
. "$here/replay.sh"
LC_ALL=C.UTF-8
export LC_ALL
unset XDG_DATA_HOME TERN_SERVE_TOKEN TERN_CPU TERN_SHARE
python3 "$here/serve_soak.py" "$@"
