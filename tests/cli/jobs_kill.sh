#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern jobd, killed at random moments (kill -9) while it starts, suspends and ends jobs: none is
# lost, none runs twice, each end is known.  Then what a keeper that is killed leaves.
# TERN_BUILD as for all tests; TERN_ROUNDS (default 8) kills, TERN_JOBS_N (default 12) jobs.
set -u
. "${0%/*}/jobs.sh"
rounds=${TERN_ROUNDS:-8} jobs=${TERN_JOBS_N:-12} seed=$$ killed=0

begin()
{
    tern jobd --foreground --parallel 3 2>>said &
    daemon=$!
}

nap()
{
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    ms=$((seed / 65536 % $1))
    sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
}

submit()
{
    tern submit --no-daemon --for 1s --by 1h "$@" >/dev/null 2>&1 || fault "not submitted: $*"
}

i=0
while [ $i -lt "$jobs" ]; do
    i=$((i + 1))
    submit --shell "echo $i >>ran; sleep 0.2; echo $i >>ended; exit $((i % 3))"
done
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    begin
    nap 800
    kill -9 "$daemon" && killed=$((killed + 1))
    wait "$daemon" 2>/dev/null
done
daemon=
timeout 60 tern jobd --foreground --until-idle --parallel 3 2>>said || fault "it does not end"

[ $killed -gt 0 ] || fault "nothing was killed"
i=0
while [ $i -lt "$jobs" ]; do
    i=$((i + 1))
    [ "$(grep -cx $i ran)" = 1 ] || fault "job $i ran $(grep -cx $i ran) times"
    [ "$(grep -cx $i ended)" = 1 ] || fault "job $i ended $(grep -cx $i ended) times"
    want=failed
    [ $((i % 3)) -ne 0 ] || want=done
    [ "$(field $i state)" = $want ] || fault "job $i is $(field $i state), not $want"
    [ "$(field $i exit_code)" = $((i % 3)) ] || fault "job $i: another exit code"
done
echo "$killed kills, $i jobs, $(wc -l <ran) starts"

# A keeper that is killed takes its command with it; the job is interrupted, or begins again.
: >again
submit --shell 'echo once >>again; exec sleep 60'
submit --restartable --shell 'echo twice >>again; [ $(grep -c twice again) = 2 ] || exec sleep 60'
both()
{
    [ "$(wc -l <again)" -ge 2 ]
}
begin
within 5 both
for id in $((jobs + 1)) $((jobs + 2)); do
    keeper=$(keeper_of queue/$id/status.1)
    command=$(command_of queue/$id/status.1)
    kill -9 "$keeper" || fault "job $id: no keeper"
    sleep 0.1
    state=$(sed 's/.*) //; s/ .*//' "/proc/$command/stat" 2>/dev/null || echo gone)
    case $state in
        gone | Z | X | '') ;;
        *) fault "job $id: its command outlives its keeper ($state)" ;;
    esac
done
# The daemon hears of it at once.
within 5 is $((jobs + 1)) interrupted || fault "job $((jobs + 1)), whose keeper is dead, is $(field $((jobs + 1)) state)"
kill "$daemon"
wait "$daemon" 2>/dev/null
daemon=
timeout 60 tern jobd --foreground --until-idle --parallel 3 2>>said || fault "it does not end"
[ "$(field $((jobs + 1)) state)" = interrupted ] || fault "not interrupted"
[ "$(grep -c once again)" = 1 ] || fault "what may not restart was started again"
[ "$(field $((jobs + 2)) state)" = done ] || fault "not restarted: $(field $((jobs + 2)) state)"
[ "$(grep -c twice again)" = 2 ] || fault "restarted $(grep -c twice again) times"

# What only a run needs is not kept: the environment may hold keys.
[ ! -e queue/1/spec ] || fault "the environment of job 1 is kept"
# An attempt is begun once, whoever asks.
tern jobd --keep 1 --attempt 1 2>/dev/null && fault "an attempt was begun twice"
[ "$(grep -cx 1 ran)" = 1 ] || fault "job 1 ran again"
# A keeper whose gate is closed does nothing.
tern submit --no-daemon --for 1s --by 1h -- touch never >/dev/null 2>&1
tern jobd --keep $((jobs + 3)) --gate </dev/null 2>/dev/null && fault "the gate was closed"
[ ! -e never ] || fault "it ran behind a closed gate"
[ "$(stat -c %a queue queue/queue.db queue/1/out | tr '\n' ' ')" = "700 600 600 " ] ||
    fault "others may read the queue"
[ $bad -eq 0 ] || cat said
exit $bad
