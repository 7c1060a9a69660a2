#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern serve --routes`: chats that this machine or somebody else answers, with upstreams that
# behave well, and badly in many ways.  All of them are on this machine.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
. "$here/replay.sh"
LC_ALL=C.UTF-8
export LC_ALL
unset XDG_DATA_HOME TERN_SERVE_TOKEN TERN_CPU TERN_SHARE
python3 "$here/serve_routes.py"
