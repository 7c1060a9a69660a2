#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern log append while the system fails it: each sync, each write, each rename in turn answers
# EIO or ENOSPC, once or from then on, or is the last thing that the process does (strace -e
# inject).  What was acknowledged stays, under its index; what fails says why and acknowledges
# nothing; afterwards the log goes on and is sound.
# TERN_BUILD as for all tests.
set -u
tern=$TERN_BUILD/tern
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
TERN_STATE=$work/state
export TERN_STATE
command -v strace >/dev/null || { echo "SKIPPED: strace is not there"; exit 77; }
strace -qq -o said -e trace=fsync -e inject=fsync:error=EIO true 2>why ||
    { echo "SKIPPED: processes cannot be traced here: $(tail -n 1 why)"; exit 77; }
bad=0 injected=0 failed=0

fault()
{
    echo "$1"
    bad=1
}

# Whatever happened: readers see all that was acknowledged, the next writer finishes what was
# begun, the log is sound, and it begins with what was signed before.
goes_on()
{
    while read -r index entry; do
        [ "$("$tern" log show log "$index")" = "$entry" ] || fault "$1: entry $index is lost"
    done <fresh
    index=$(echo "after $1" | "$tern" log append log 2>said) ||
        fault "$1: no entry can be appended afterwards: $(cat said)"
    echo "$index after $1" >fresh
    echo "$index after $1" >>acknowledged
    "$tern" log fsck log >said 2>&1 || fault "$1: $(cat said)"
    "$tern" log prove log --since "$size" >/dev/null || fault "$1: not from $size on"
    size=$((index + 1))
}

# inject CALL FAULT WHEN TEXT COMMAND...: false once the call is made less often than that.
inject()
{
    call=$1 fault=$2 when=$3 text=$4 name="$1 $2 $3"
    shift 4
    { # its shell would say "Killed"
        "$@" | strace -f -qq -o trace -e "trace=$call" -e "inject=$call:$fault:when=$when" \
            "$tern" log append log --lines >out 2>err
    } 2>/dev/null
    code=$?
    grep -Eq 'INJECTED|killed by SIGKILL' trace || return 1
    injected=$((injected + 1))
    if [ $code -eq 0 ]; then
        # A file that is only a convenience may stay behind; the entries may not.
        index=$(sed -n '$p' out)
        "$@" | tail -n 1 | sed "s/^/$index /" >fresh
        cat fresh >>acknowledged
        size=$((index + 1))
    else
        failed=$((failed + 1))
        [ ! -s out ] || fault "$name: failed, and acknowledged $(cat out)"
        if [ "$fault" != signal=KILL ]; then
            [ $code -eq 5 ] || fault "$name: exit status $code, not 5"
            grep -q "^tern: log: .*$text" err || fault "$name: it says $(cat err)"
        fi
    fi
    goes_on "$name"
}

# all CALL FAULT TEXT COMMAND...: the 1st, the 2nd, ... until there is no other.
all()
{
    one=$1 why=$2 says=$3
    shift 3
    n=1
    while inject "$one" "$why" $n "$says" "$@"; do
        n=$((n + 1))
    done
    [ $n -gt 1 ] || fault "$one is never called"
}

"$tern" log init -q log >/dev/null || exit 1
seq 250 | "$tern" log append log --lines >/dev/null || exit 1
size=250
echo "249 250" >fresh
cp fresh acknowledged
all fdatasync error=EIO 'Input/output error' echo a
all fsync error=EIO 'Input/output error' echo b
all pwrite64 error=ENOSPC 'No space left' echo c
all pwrite64 error=EIO 'Input/output error' echo d
all rename error=EIO 'Input/output error' echo e
all syncfs error=EIO 'Input/output error' seq -f 'many %g' 20000
all fdatasync signal=KILL '' echo f
all rename signal=KILL '' echo g
for n in 1 2 4 6; do
    inject pwrite64 error=ENOSPC "$n+" 'No space left' echo h
    inject fdatasync error=EIO "$n+" 'Input/output error' echo i
done
# What cannot be said is not acknowledged, and is not forgotten either.
if [ -c /dev/full ]; then
    echo unsaid | "$tern" log append log >/dev/full 2>err &&
        fault "an index that nobody saw is no error"
    grep -q 'No space left' err || fault "/dev/full: it says $(cat err)"
    [ "$("$tern" log show log "$size")" = unsaid ] || fault "what was durable is gone"
fi
while read -r index entry; do
    [ "$("$tern" log show log "$index")" = "$entry" ] || fault "entry $index is not '$entry'"
done <acknowledged
echo "$injected faults, $failed fatal; $(wc -l <acknowledged) acknowledged entries are there"
[ $failed -gt 20 ] || fault "too few faults were noticed"
exit $bad
