# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests that run tern against services that are replayed on this machine.  Makes a
# folder to work in, with no setting of the caller's, and counts checks.  Expects $here, the folder
# of the tests, and $TERN_BUILD, where tern was built.  shellcheck shell=sh
if ! command -v python3 >/dev/null; then
    echo "SKIPPED: python3 is not there"
    exit 77
fi
work=$(mktemp -d)
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null; done; rm -rf "$work"' EXIT
PATH=$TERN_BUILD:$PATH
HOME=$work
TERN_CACHE=$work/cache
no_proxy='*'
export PATH HOME TERN_CACHE no_proxy
unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY NO_COLOR TERN_ZONE XDG_CONFIG_HOME \
    XDG_CACHE_HOME TERN_GRID_SOURCE TERN_GRID_FILE TERN_GRID_BASIS
cd "$work" || exit 1
passed=0
failed=0

# replay [MOMENT]: starts grid_server.py and sets $base to its address.
replay()
{
    python3 "$here/grid_server.py" "$work" "$@" 2>server.err &
    pids="$pids $!"
    tries=0
    while [ ! -e port ]; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { echo "the server did not start"; cat server.err; exit 1; }
        sleep 0.1
    done
    base=http://127.0.0.1:$(cat port)
}

# check WHAT COMMAND...: counts whether it succeeds; $what is what was run, into out and err.
check()
{
    text=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s: %s\n' "$what" "$text"
        sed 's/^/  > /' out
        sed 's/^/  ! /' err
    fi
}

# says TEXT: stdout or stderr holds it.
says()
{
    check "does not say '$1'" grep -qF -- "$1" out err
}
