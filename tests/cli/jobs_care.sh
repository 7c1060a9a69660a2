#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a queue is spared: a daemon in another environment, or killed while a job is suspended;
# keepers of other machines; schedulers that fail; receipts that cannot be logged or checked.
# TERN_BUILD as for all tests.
set -u
. "${0%/*}/jobs.sh"

# --- where intensities come from is kept with the job -------------------------------------------

# By a variable and by an option, both relative; the daemon knows neither, and is elsewhere.
mkdir here
grid here/env.csv 5 -7200
grid here/opt.csv 5 -7200
in_here()
{
    (cd here && TERN_GRID_BASIS=average/life-cycle/location TERN_ELECTRICITYMAPS_KEY=a-secret-key "$@")
}
begin()
{
    (cd / && exec tern jobd --foreground --parallel 0 2>>"$work/said") &
    daemon=$!
    within 5 test -p queue/wake || fault "no daemon"
}
loop='while [ ! -e stop ]; do echo tick; sleep 0.05; done'
TERN_GRID_FILE=env.csv in_here tern submit --no-daemon --for 30min --by 2h --zone file:XX --interruptible \
    --shell "$loop" >/dev/null 2>&1 || fault "not submitted"
in_here tern submit --no-daemon --for 30min --by 2h --zone file:XX --file opt.csv --interruptible \
    --shell "$loop" >/dev/null 2>&1 || fault "not submitted"
tern queue --json 2>warning | grep -q '"daemon":false' || fault "a daemon that is not there"
grep -q 'no daemon serves this queue' warning || fault "no word of the daemon: $(cat warning)"
grep -aq a-secret-key queue/queue.db* && fault "a key is in the queue"
begin
within 5 is 1 running || fault "job 1 is $(field 1 state)"
within 5 is 2 running || fault "job 2 is $(field 2 state)"
tern queue --json 2>warning | grep -q '"daemon":true' || fault "the daemon is not seen"
[ -s warning ] && fault "warned: $(cat warning)"
kill "$daemon"
wait "$daemon" 2>/dev/null
grid here/env.csv 5 3600
grid here/opt.csv 5 3600
begin
within 5 is 1 suspended || fault "job 1 was planned without its variables: $(field 1 state)"
within 5 is 2 suspended || fault "job 2 was planned without its options: $(field 2 state)"

# The same words in two directories are two grids.
mkdir a b
grid a/g.csv 60 3600
sed 's/,400$/,990/; s/,100$/,700/' a/g.csv >b/g.csv
for dir in a b; do
    (cd $dir && TERN_GRID_BASIS=average/life-cycle/location TERN_GRID_FILE=g.csv tern submit \
        --queue ../two --no-daemon --for 10min --by 2h --zone file:XX -- true >/dev/null 2>&1) || fault "not submitted"
done
tern jobd --once --foreground --queue two 2>>said || fault "$(cat said)"
means=$(tern queue --queue two --json 2>/dev/null | grep -o '"mean_mg_kwh":[0-9]*' | tr '\n' ' ')
case $means in
'"mean_mg_kwh":1'?????' "mean_mg_kwh":'[7-9]?????' ') ;;
*) fault "the grids of two directories: $means" ;;
esac

# --- a keeper is told when it must go on, and does so by itself ---------------------------------

keeper=$(keeper_of queue/1/status.1)
tr '\0' ' ' <"/proc/$keeper/cmdline" | grep -q -- '--end-by [0-9]* --length 1800' ||
    fault "the keeper does not know its deadline"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
daemon=
tern submit --no-daemon --for 1s --by 1h --shell "$loop" >/dev/null 2>&1
tern jobd --keep 3 --end-by $(($(date +%s) + 8)) --length 1 2>>said &
keeper=$!
within 5 test -s queue/3/out || fault "job 3 does not run"
kill -TSTP $keeper
within 2 grep -qs '"suspended":true' queue/3/status.1 || fault "job 3 is not suspended"
ticks=$(wc -l <queue/3/out)
within 5 grep -qs '"suspended":false' queue/3/status.1 || fault "job 3 stays suspended past its time"
sleep 0.3
[ "$(wc -l <queue/3/out)" -gt "$ticks" ] || fault "job 3 did not go on"
# One that was told to end is not suspended while it does.
tern submit --queue told --no-daemon --for 1s --by 1h \
    --shell 'trap "sleep 1; touch cleaned; exit 0" TERM; touch begun; while :; do sleep 0.05; done' >/dev/null 2>&1
tern jobd --queue told --keep 1 2>>said &
told=$!
within 5 test -e begun || fault "the job that is told to end does not run"
kill -TERM $told
kill -TSTP $told
within 5 test -e cleaned || fault "what was told to end was suspended"
wait $told
mv here/env.csv away.csv # whoever counts in between knows nothing of job 1's hours yet
touch here/stop stop
wait $keeper
for id in 1 2; do # woken by hand: no daemon is there
    kill -CONT "$(keeper_of queue/$id/status.1)"
    within 5 grep -qs '"ended":true' queue/$id/status.1 || fault "job $id does not end"
done

# One that runs is ended without a daemon.
tern submit --no-daemon --for 1s --by 1h -- sleep 77 >/dev/null 2>&1
tern jobd --once 2>>said
within 5 test -e queue/4/status.1 || fault "job 4 does not run"
tern cancel 4 || fault "not cancelled"
within 5 grep -qs '"ended":true' queue/4/status.1 || fault "job 4 runs on"
tern jobd --once 2>>said
within 5 is 4 cancelled || fault "job 4 is $(field 4 state)"

# --- what happened is what has ended ------------------------------------------------------------

tern log init -q --lock-store locks log >/dev/null || exit 1
mv locks away # nothing can be logged now, whoever counts
mv away.csv here/env.csv
grid here/hours.csv 3600 -7200
in_here tern submit --no-daemon --for 1s --by 1h --zone file:XX --file hours.csv -- true >/dev/null 2>&1
TERN_LOG=$work/log tern jobd --until-idle --foreground 2>>said &
daemon=$!
within 5 is 5 done || fault "job 5 is $(field 5 state)"
TERN_LOG=$work/log tern report 5 >report 2>/dev/null
kill $daemon
wait $daemon 2>/dev/null
daemon=
case $(field 5 final) in
    true) fault "the hour of job 5 is under way, and its grams are final" ;;
esac
# The figures are stored before they are logged: what is logged later is the same.
cannot_log()
{
    TERN_LOG=$work/log tern report 1 >/dev/null 2>warning
    grep -q 'job 1 is not counted' warning
}
within 7 cannot_log || fault "a log that cannot be written: $(cat warning)"
mean=$(field 1 mean_mg_kwh)
[ "$(field 1 final)" = true ] || fault "job 1 is not counted"
mv away locks
grid here/env.csv 5 7200
rm queue/1/receipt.json
TERN_LOG=$work/log tern report 1 >/dev/null 2>warning || fault "$(cat warning)"
[ "$(field 1 mean_mg_kwh)" = "$mean" ] || fault "job 1 was counted twice: $mean, $(field 1 mean_mg_kwh)"
[ "$(field 1 log_index)" ] || fault "job 1 is not logged"
[ -e queue/5/spec ] || fault "the environment of job 5, which is not counted, is gone"
[ ! -e queue/1/spec ] || fault "the environment of job 1 is kept"

# --- receipts are checked and found, and do not tell the command --------------------------------

tern verify queue/1/receipt.json >checks || fault "$(cat checks)"
for line in 'signature *ok' 'statement *ok  *job 1: done' 'output *ok' 'command *ok .*while' 'carbon *ok'; do
    grep -q "$line" checks || fault "no '$line': $(cat checks)"
done
sed 's/.*"payload":"\([^"]*\)".*/\1/' queue/1/receipt.json | base64 -d >statement
grep -q tick statement && fault "the command is in the receipt"
mkdir alone
cp queue/1/receipt.json alone
tern verify alone/receipt.json --output queue/1/out --log log >checks || fault "$(cat checks)"
grep -q 'command *open' checks && grep -q 'inclusion *ok' checks || fault "$(cat checks)"
tern verify alone/receipt.json --output here/env.csv >/dev/null && fault "another output"
{ cat queue/1/words && printf 'x\0'; } >alone/words
tern verify alone/receipt.json >checks && fault "another command"
tern verify --rerun queue/1/receipt.json 2>/dev/null && fault "a job is not run again"
at=$(field 1 log_index)
tern log query log 2>/dev/null | grep -q "^$at .* done, " || fault "not found: $(tern log query log 2>&1)"
tern log query log --json 2>/dev/null | grep -q '"job":1,"state":"done"' || fault "$(tern log query log --json)"

# --- systemd, with a systemctl of our own -------------------------------------------------------

mkdir bin
printf '#!/bin/sh\necho "$*" >>"$HOME/called"\n[ ! -e "$HOME/broken" ]\n' >bin/systemctl
chmod +x bin/systemctl
PATH=$work/bin:$PATH
unit=.config/systemd/user/tern-jobd-$(printf %s "$(realpath queue)" | sha256sum | cut -c1-8).service
tern jobd --install --parallel 3 2>/dev/null || fault "not installed"
grep -qx "ExecStart=\"$(realpath "$TERN_BUILD/tern")\" jobd --foreground --parallel 3 --queue \"$(realpath queue)\"" "$unit" ||
    fault "the unit: $(cat "$unit")"
grep -q -- "enable ${unit##*/}" called || fault "not enabled: $(cat called)"
if command -v systemd-analyze >/dev/null; then
    ! systemd-analyze verify --user --man=no "$PWD/$unit" 2>&1 | grep tern-jobd || fault "systemd does not take the unit"
else
    echo "SKIPPED a part: systemd-analyze is not there"
fi
tern jobd --uninstall || fault "not uninstalled"
[ ! -e "$unit" ] || fault "the unit stays"
tern jobd --uninstall 2>/dev/null && fault "uninstalled twice"
touch broken
tern jobd --install 2>/dev/null && fault "installed by a broken systemctl"
[ ! -e "$unit" ] || fault "a unit that does not run stays"
# What cannot be handed over leaves nothing.
tern submit --via systemd --for 1s --by 1h -- true >/dev/null 2>&1 && fault "submitted"
[ "$(field 6 state)" = "" ] && [ ! -e queue/6 ] || fault "job 6 is $(field 6 state)"
rm broken
# A keeper that died before its first word; one on another machine.
for id in 7 8; do
    tern submit --via systemd --for 1s --by 1h -- true >/dev/null 2>&1 || fault "not submitted"
done
cp queue/1/mark.1 queue/7/mark.1
awk '{ print $1, $2, "00000000-0000-0000-0000-000000000000", "other/00000000000000000000000000000000" }' \
    queue/1/mark.1 >queue/8/mark.1
is 7 interrupted || fault "job 7, whose keeper is gone, is $(field 7 state)"
is 8 running || fault "job 8, on another machine, is $(field 8 state)"
# Its owner gives up what runs on a machine that does not come back; nobody else does.
[ "$(field 8 host)" = other ] || fault "job 8 is said to be on '$(field 8 host)'"
tern queue 2>/dev/null | grep -q '^ *8 .* true  (on other)$' || fault "$(tern queue)"
tern cancel --lost 8 2>refusal && fault "given up a moment after it was heard of"
grep -q "heard of .* ago: 'tern cancel' on other" refusal || fault "$(cat refusal)"
touch -d '20 minutes ago' queue/8/mark.1
tern queue 2>/dev/null | grep -q '^ *8 .* true  (on other, not heard of since .*)$' || fault "$(tern queue)"
is 8 running || fault "job 8 was judged: $(field 8 state)"
tern cancel --lost 7 2>/dev/null && fault "given up what is over"
tern cancel --lost 8 || fault "not given up"
is 8 interrupted || fault "job 8, which was given up, is $(field 8 state)"
ls "${unit%/*}" | grep -q -- '-8[.]' && fault "the units of job 8 stay"
tern submit --queue timed --via systemd --for 1s --by 1h -- true >/dev/null 2>&1 || fault "not submitted"
cp queue/8/mark.1 timed/1/mark.1
tern queue --queue timed >/dev/null # sees that it began
tern cancel --queue timed 1 2>warning || fault "not cancelled: $(cat warning)"
grep -q "job 1 runs on other: .*cancel --lost' gives it up" warning || fault "$(cat warning)"
tern queue --queue timed | grep -q '^ *1  running ' || fault "judged: $(tern queue --queue timed --all)"
# The same of the daemon's own, with what its keeper had written down; and not again.
tern submit --queue away --no-daemon --restartable --for 1s --by 1h --shell 'sleep 2; exit 3' >/dev/null 2>&1
tern jobd --queue away --once 2>>said
within 5 test -s away/1/status.1 || fault "job 1 of away does not run"
tern cancel --queue away --lost 1 2>refusal && fault "given up what runs here"
grep -q "does not run on another machine" refusal || fault "$(cat refusal)"
within 7 grep -q '"ended":true' away/1/status.1 || fault "job 1 of away does not end"
[ "$(tern queue --queue away --json 2>/dev/null | grep -o '"host"')" = "" ] || fault "job 1 of away has a host"
elsewhere='import sqlite3
db = sqlite3.connect("away/queue.db")
db.execute("UPDATE job SET keeper_host = ?, keeper_boot = ?", ["other/" + "0" * 32, "0" * 36])
db.commit()'
if command -v python3 >/dev/null; then
    python3 -c "$elsewhere" || fault "the row of job 1 was not changed"
    sed 's/"ended":true/"ended":false/; s/"ended_s":[0-9]*/"ended_s":0/' away/1/status.1 >status
    mv status away/1/status.1
    touch -d '20 minutes ago' away/1/*.1
    tern jobd --queue away --once 2>>said
    away()
    {
        tern queue --queue away --all --json 2>/dev/null | grep -q "\"state\":\"$1\""
    }
    away running || fault "job 1 of away was judged"
    tern cancel --queue away 1 2>warning || fault "not cancelled"
    grep -q "cancel --lost' gives it up" warning || fault "$(cat warning)"
    away running || fault "job 1 of away was cancelled from here"
    tern cancel --queue away --lost 1 || fault "job 1 of away was not given up"
    tern jobd --queue away --once 2>>said
    away interrupted || fault "$(tern queue --queue away --all)"
    tern report --queue away 1 | grep -q '  ran  *[0-9]* s, ' || fault "$(tern report --queue away 1)"
else
    echo 'SKIPPED a part: python3 is not there'
fi

# --- old jobs -----------------------------------------------------------------------------------

tern submit --no-daemon --for 1s --from 30min --by 1h -- true >/dev/null 2>&1 # 9
tern report >/dev/null 2>&1
tern queue prune >answer || fault "not pruned"
grep -qx 'removed 0 jobs' answer || fault "$(cat answer)"
tern queue prune --older 1s >/dev/null || fault "not pruned"
[ "$(field 1 state)" = "" ] && [ ! -e queue/1 ] || fault "job 1 is there"
is 5 done || fault "what is not counted was removed"
is 9 planned || fault "what is not over was removed: $(field 9 state)"
tern submit --no-daemon --for 1s --by 1h -- true 2>/dev/null | grep -q 'job 10 ' || fault "a number was given again"
[ $bad -eq 0 ] || cat said
exit $bad
