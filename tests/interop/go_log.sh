#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A log of 70,000 entries that tern wrote, checked by Go's own packages for transparency logs
# (golang.org/x/mod/sumdb), which must also refuse it once it is damaged.  TERN_SOURCE and
# TERN_BUILD as for all tests.  Without Go or these packages: SKIPPED.
set -u
tern=$TERN_BUILD/tern
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TERN_STATE=$work/state
export TERN_STATE
bad=0

. "$TERN_SOURCE/tests/interop/make_log.sh"

command -v go >/dev/null || skip "there is no Go compiler"
GOCACHE=${GOCACHE:-$TERN_BUILD/gocache}
export GOCACHE
mkdir "$work/src"
cp "$TERN_SOURCE"/tests/interop/golog/* "$work/src"
cd "$work/src" || exit 1
# Debian's packages lie in a GOPATH of their own; else the module, from the cache or a proxy.
if [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then
    GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS='' go build -o "$work/golog" . ||
        fault "golog cannot be built with Debian's packages"
else
    GOFLAGS=-mod=readonly timeout 120 go build -o "$work/golog" . 2>"$work/go.log" ||
        skip "golang.org/x/mod is not there: $(tail -n 1 "$work/go.log")"
fi
[ $bad -eq 0 ] || exit 1
cd "$work" || exit 1

make_log
for index in 0 255 256 65535 65536 70006; do
    "$tern" log prove log $index -o $index.tlog-proof || exit 1
done
"$work/golog" "$vkey" log ./*.tlog-proof || fault "Go refuses tern's log"

# refused WHAT FILE OFFSET: one byte of a file is changed, and put back.
refused()
{
    damage "$2" "$3"
    "$work/golog" "$vkey" log >/dev/null 2>&1 && fault "Go does not notice a damaged $1"
    "$tern" log fsck -q log >/dev/null 2>&1 && fault "tern does not notice a damaged $1"
    cp saved "$2"
}
refused tile log/tile/0/100 100
refused bundle log/tile/entries/017 40
refused checkpoint log/checkpoint 25
"$tern" log fsck -q log || fault "tern's own check fails"

# The other way round: a log that other software wrote.
golden=${TERN_DATA:-}/ledger/transparency-dev_tessera/testdata/log
if [ -d "$golden" ]; then
    "$work/golog" "$(cat "$golden/vkey")" "$golden" || fault "Go refuses Tessera's log"
    "$tern" log show "$golden" 14 >/dev/null || fault "tern refuses Tessera's log"
fi
exit $bad
