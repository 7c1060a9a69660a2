#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern log append, killed at random moments (kill -9): what was acknowledged is there afterwards,
# under its index, the log is sound, and it begins with what every earlier head had signed.
# TERN_BUILD as for all tests; TERN_ROUNDS (default 12).
set -u
tern=$TERN_BUILD/tern
work=$(mktemp -d)
writer=
trap '[ -z "$writer" ] || kill -9 "$writer" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
TERN_STATE=$work/state
export TERN_STATE
command -v setsid >/dev/null || { echo "SKIPPED: setsid is not there"; exit 77; }
bad=0 rounds=${TERN_ROUNDS:-12} seed=$$

fault()
{
    echo "$1"
    bad=1
}

# One entry after the other, each with its index noted once it is acknowledged; then many at once.
cat >writer <<'END'
tern=$1 round=$2 i=0
while [ $i -lt 8 ]; do
    i=$((i + 1))
    index=$(echo "entry $round.$i" | "$tern" log append log) || exit 1
    echo "$index entry $round.$i" >>acknowledged
done
exec seq -f "$round/%g" 100000 | "$tern" log append log --lines >/dev/null
END

"$tern" log init -q log >/dev/null || exit 1
: >acknowledged
sizes=0 killed=0 round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    setsid sh writer "$tern" $round &
    writer=$!
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    ms=$((seed / 65536 % 1200))
    sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    kill -s KILL -- "-$writer" 2>/dev/null && killed=$((killed + 1))
    wait "$writer" 2>/dev/null
    tries=100 # what was killed holds its lock until it is gone
    while kill -s 0 -- "-$writer" 2>/dev/null && [ $tries -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.05
    done
    writer=
    "$tern" log append log </dev/null >/dev/null 2>&1 # recovers; an empty entry is one too
    "$tern" log fsck log >said 2>&1 || fault "round $round: $(cat said)"
    size=$("$tern" log show log --json | sed -n 's/.*"size":\([0-9]*\).*/\1/p')
    [ -n "$size" ] || fault "round $round: no size"
    for old in $sizes; do
        "$tern" log prove log --since "$old" >/dev/null || fault "round $round: not from $old on"
    done
    sizes=$size
done
while read -r index entry; do
    [ "$("$tern" log show log "$index")" = "$entry" ] || fault "entry $index is not '$entry'"
done <acknowledged
echo "$rounds rounds, $killed killed, $(wc -l <acknowledged) entries acknowledged one by one," \
    "$sizes in the log"
[ $killed -gt 0 ] || fault "nothing was killed"
exit $bad
