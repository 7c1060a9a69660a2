# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Read by the tests that show a log of tern's to other software: expects $tern, a current
# directory that may be filled, and `bad`.  Makes ./log of 70,007 entries and sets $vkey.

fault()
{
    echo "$1"
    bad=1
}

skip()
{
    echo "SKIPPED: $1"
    exit 77
}

make_log()
{
    vkey=$("$tern" log init -q --origin example.com/interop log) || exit 1
    # Several calls: partial tiles of many widths come and go.
    seq 1 1000 | "$tern" log append log --lines >/dev/null || exit 1
    seq 1001 65536 | sed 's/^/{"entry":/; s/$/}/' | "$tern" log append log --lines >/dev/null ||
        exit 1
    printf '' >empty
    head -c 65535 /dev/zero >largest
    "$tern" log append log empty largest --proof >/dev/null || exit 1
    seq 65539 70007 | "$tern" log append log --lines >/dev/null || exit 1
}

# damage FILE OFFSET: changes one byte; `cp saved FILE` puts it back.
damage()
{
    cp "$1" saved
    chmod u+w "$1"
    printf '\001' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
    if cmp -s saved "$1"; then
        printf '\002' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
    fi
}
