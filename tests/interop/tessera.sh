#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A log of 70,007 entries that tern wrote, checked by Tessera's own fsck, which must also refuse it
# once it is damaged.  The program is built from the module at the version, and with the sums, in
# interop/tessera.  TERN_SOURCE and TERN_BUILD as for all tests.  Without Go 1.25, or where neither
# the modules nor Go's module proxy can be had: SKIPPED.
set -u
tern=$TERN_BUILD/tern
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TERN_STATE=$work/state
export TERN_STATE
bad=0
. "$TERN_SOURCE/tests/interop/make_log.sh"

command -v go >/dev/null || skip "there is no Go compiler"
case $(go env GOVERSION) in
    go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.20 | go1.20.*)
        skip "Tessera needs Go 1.25, here is $(go env GOVERSION), which cannot fetch it" ;;
esac
GOCACHE=${GOCACHE:-$TERN_BUILD/gocache} # half a minute of compiling, once
GOFLAGS=-mod=readonly
export GOCACHE GOFLAGS
mkdir "$work/src"
cp "$TERN_SOURCE"/tests/interop/tessera/* "$work/src"
cd "$work/src" || exit 1
timeout 60 go mod download >"$work/go.log" 2>&1 ||
    skip "Tessera's modules are not there: $(tail -n 1 "$work/go.log")"
go build -o "$work/fsck" github.com/transparency-dev/tessera/cmd/fsck >"$work/go.log" 2>&1 ||
    fault "Tessera's fsck cannot be built: $(tail -n 3 "$work/go.log")"
[ $bad -eq 0 ] || exit 1
cd "$work" || exit 1
make_log
echo "$vkey" >vkey

# Its exit status is 0 whatever it finds; what it says is not.  Each worker ends at its first
# finding, and 1.0.4 waits for ever when none is left: more workers than there are files.
holds()
{
    timeout 60 "$work/fsck" -N 512 --storage_url="file://$work/log" --public_key=vkey -ui=false \
        >said 2>&1
    grep -q "Successfully fsck'd log with size 70007 and root" said
}

# refused WHAT FILE OFFSET: one byte of a file is changed, and put back.
refused()
{
    damage "$2" "$3"
    holds && fault "Tessera does not notice a damaged $1"
    grep -q 'fsck failed: ' said || fault "a damaged $1: Tessera does not say what is wrong"
    cp saved "$2"
}

holds || fault "Tessera refuses tern's log: $(cat said)"
refused tile log/tile/0/100 100
refused "tile of nodes" log/tile/1/000 40
refused bundle log/tile/entries/017 40
refused checkpoint log/checkpoint 25
holds || fault "Tessera refuses what was put back: $(cat said)"
tail -n 1 said
exit $bad
