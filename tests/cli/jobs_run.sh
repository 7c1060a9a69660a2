#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern submit, queue, logs, report and jobd on a made-up grid: waiting, suspending and going on,
# cancelling, counting, and receipts in a log; units for systemd, a task for Windows.
# TERN_BUILD as for all tests.
set -u
. "${0%/*}/jobs.sh"
TERN_GRID_FILE=$work/grid.csv TERN_GRID_BASIS=average/life-cycle/location TERN_LOG=$work/log
export TERN_GRID_FILE TERN_GRID_BASIS TERN_LOG
tern log init -q --lock-store locks log >/dev/null || exit 1

# A job waits for the clean hour, and says so; one without a zone starts.
grid grid.csv 5 3600
tern jobd --foreground 2>said &
daemon=$!
tern submit --for 10min --by 2h --zone file:XX --no-daemon -- touch early >answer || fault "not submitted"
grep -q 'is planned for' answer && grep -q 'waiting .* min saves' answer || fault "$(cat answer)"
tern submit --for 1s --by 1h --shell 'echo out; echo err >&2; kill -9 $$' >answer
grep -q 'starts now' answer || fault "$(cat answer)"
expect 2 failed
[ "$(field 2 signal)" = 9 ] || fault "job 2: signal $(field 2 signal)"
[ "$(tern logs 2)$(tern logs 2 -e)" = outerr ] || fault "job 2 wrote $(tern logs 2)"
is 1 planned || fault "job 1 is $(field 1 state)"

# The words are the words: no shell, this directory, this environment, no input.
mkdir -p 'a b'
(cd 'a b' && SECRET=x tern submit --for 1s --by 1h -- sh -c 'echo "$0|$1|$PWD|$SECRET"; cat' '$HOME' 'it'\''s') >/dev/null
expect 3 done
[ "$(tern logs 3)" = "\$HOME|it's|$work/a b|x" ] || fault "job 3 wrote $(tern logs 3)"

# One that waits is cancelled.
tern cancel 1 || fault "not cancelled"
is 1 cancelled || fault "job 1 is $(field 1 state)"

# An interruptible one begins in a clean minute; the forecast changes: it is suspended; it
# changes back, and it goes on.  (A new daemon asks anew.)
again()
{
    kill "$daemon"
    wait "$daemon" 2>/dev/null
    tern jobd --foreground --parallel 0 2>>said &
    daemon=$!
}
grid grid.csv 5 -7200
tern submit --for 30min --by 2h --zone file:XX --interruptible --shell \
    'while [ ! -e stop ]; do echo tick; sleep 0.05; done' >/dev/null
expect 4 running
grid grid.csv 5 3600
again
expect 4 suspended
sleep 0.3
ticks=$(tern logs 4 | wc -l)
sleep 0.3
[ "$(tern logs 4 | wc -l)" = "$ticks" ] || fault "job 4 ticks while it is suspended"
grid grid.csv 5 -7200
again
expect 4 running
touch stop
expect 4 done
[ "$(tern logs 4 | wc -l)" -ge "$ticks" ] || fault "job 4 did not go on"
grep -q 'job 4 suspended' said && grep -q 'job 4 continued' said || fault "the daemon said: $(cat said)"

# Counted by what happened: about 100 then; at once, an hour before, it had been about 100 too.
is_logged()
{
    tern report
    [ "$(field "$1" log_index)" ]
}
within 5 is_logged 4
[ "$(field 4 known)" = actual ] && [ "$(field 4 final)" = true ] || fault "job 4 is counted as $(field 4 known)"
mean=$(field 4 mean_mg_kwh)
[ "$mean" = 100000 ] || fault "job 4: $mean mg/kWh"
tern report 4 >report || fault "no report"
grep -q 'energy .* above idle' report && grep -q 'at once ' report || fault "$(cat report)"
n=$(receipts)
[ "$n" = 3 ] || fault "$n receipts of three jobs that ran"
tern log show log "$(field 4 log_index)" | cmp -s - queue/4/receipt.json || fault "another receipt is in the log"
tern report >/dev/null && [ "$(receipts)" = 3 ] ||
    fault "receipts were appended again"

# Cancelling one that runs.
tern submit --for 1h --by 3h -- sleep 77 >/dev/null
expect 5 running
tern cancel 5
expect 5 cancelled
tern cancel 5 || fault "a second cancel is refused"
tern cancel 3 2>refusal && fault "cancelled what had ended"
grep -q 'is over' refusal || fault "$(cat refusal)"
tern cancel 99 2>/dev/null && fault "there is no job 99"
tern cancel x 2>/dev/null && fault "x is no number"
# The deadline is kept although others run.
kill "$daemon"
wait "$daemon" 2>/dev/null
daemon=
tern submit --for 1s --by 1h --no-daemon -- touch once 2>/dev/null >&2
tern jobd --once 2>/dev/null || fault "jobd --once"
expect 6 running
ends()
{
    is "$1" done || { tern jobd --once; false; }
}
within 5 ends 6
[ -e once ] || fault "jobd --once did not start it"
# looks N: so many rounds of a daemon.
looks()
{
    for i in $(seq "$1"); do
        tern jobd --once 2>>said
        sleep 0.1
    done
}
# until_there FILE: within five seconds.
until_there()
{
    within 5 test -e "$1" || fault "no $1"
}
# A status that cannot be read decides nothing.
tern submit --for 1s --by 1h --no-daemon -- true 2>/dev/null >&2
looks 1
within 5 grep -qs '"ended":true' queue/7/status.1
mv queue/7/status.1 away
ln -s status.1 queue/7/status.1
looks 2
is 7 running || fault "job 7 with a status that cannot be read is $(field 7 state)"
mv away queue/7/status.1
looks 1
is 7 done || fault "job 7 is $(field 7 state)"
# An end that cannot be written down is tried again.
tern submit --for 1s --by 1h --no-daemon -- touch unwritten 2>/dev/null >&2
mkdir queue/8/status.1
looks 1
until_there unwritten
sleep 0.3
looks 1
is 8 running || fault "job 8 without an account is $(field 8 state)"
rmdir queue/8/status.1
for line in /proc/[0-9]*/cmdline; do
    tr '\0' ' ' 2>/dev/null <"$line" | grep -q "^tern jobd --keep 8 .*$work" && kill -CONT "$(basename "${line%/cmdline}")"
done
until_there queue/8/status.1
looks 1
is 8 done || fault "job 8 is $(field 8 state)"
# Without a place for its output a command does not run.
tern submit --for 1s --by 1h --no-daemon -- touch unheard 2>/dev/null >&2
mkdir queue/9/out
looks 1
until_there queue/9/status.1
looks 5
is 9 failed || fault "job 9 is $(field 9 state)"
[ ! -e unheard ] || fault "job 9 ran without its output"
# Files of another job are not taken for those of this one; a spec alone is no job.
mkdir queue/10
touch queue/10/mark.1
tern submit --for 1s --by 1h -- true 2>refusal >&2 && fault "the files of another job were accepted"
grep -q 'of another job' refusal || fault "$(cat refusal)"
mv queue/10/mark.1 queue/10/spec
# Without one that lives, submit starts a daemon, which goes when nothing is left.
tern submit --for 1s --by 1h -- touch started >/dev/null || fault "no daemon"
expect 10 done
[ -e started ] || fault "job 10 did not run"
tern submit --for 2h --by 1h -- true 2>/dev/null && fault "it cannot end by then"
tern submit --by 1h -- true 2>/dev/null && fault "no length"
tern submit --for 1h --array 3 -- true 2>/dev/null && fault "--array without Slurm"
tern submit --for 1h --zone "file:$(printf %0200d 1)" -- true 2>/dev/null && fault "a zone of 200 digits"

# --- systemd: with a systemctl of our own, which may not wake machines --------------------------

mkdir bin
cat >bin/systemctl <<'END'
#!/bin/sh
echo "$*" >>"$HOME/called"
case $* in *enable*) ! grep -q WakeSystem "$HOME"/.config/systemd/user/tern-job-*.timer ;; esac
END
chmod +x bin/systemctl
PATH=$work/bin:$PATH
grid grid.csv 5 3600
tern submit --via systemd --for 10min --by 2h --zone file:XX -- touch 'by timer' >answer 2>warning || fault "$(cat warning)"
units=.config/systemd/user
id=11
# A name of this queue's own: each queue counts from 1.
hex=$(printf %s "$(cd queue && pwd -P)" | sha256sum | cut -c1-8)
unit=tern-job-$hex-$id
grep -q "$unit" answer || fault "$(cat answer)"
grep -q 'does not wake' warning || fault "no word of waking"
for line in Persistent=true AccuracySec=1s; do
    grep -qx $line $units/$unit.timer || fault "no $line"
done
at=$(sed -n 's/^OnCalendar=//p' $units/$unit.timer)
planned=$(field $id start)
[ "$(date -u -d "$at" +%Y-%m-%dT%H:%M:%SZ)" = "$planned" ] || fault "$at is not $planned"
if command -v systemd-analyze >/dev/null; then
    ! systemd-analyze verify --user --man=no "$PWD/$units/$unit.timer" 2>&1 |
        grep "tern-job" || fault "systemd does not take the units"
    systemd-analyze calendar "$at" >/dev/null || fault "systemd does not take '$at'"
else
    echo "SKIPPED a part: systemd-analyze is not there"
fi
sed -n 's/^ExecStart=//p' $units/$unit.service | tr -d '"' >start
sh ./start || fault "the unit's command fails"
is $id done || fault "job $id is $(field $id state)"
[ -e 'by timer' ] || fault "job $id did not run"
[ ! -e $units/$unit.timer ] || fault "the timer stays"
[ "$(tail -n 2 called | tr '\n' ' ')" = "--user --quiet --now disable $unit.timer --user --quiet daemon-reload " ] ||
    fault "systemd keeps the timer: $(tail -n 2 called)"
tern submit --via systemd --for 10min --by 2h --zone file:XX -- true >/dev/null 2>&1
tern cancel 12 || fault "the timer was not cancelled"
is 12 cancelled || fault "job 12 is $(field 12 state)"
grep -q "stop tern-job-$hex-12.service" called || fault "$(cat called)"

for queue in qa qb; do
    tern submit --queue $queue --via systemd --for 10min --by 2h --zone file:XX -- echo $queue >answer 2>&1 ||
        fault "$(cat answer)"
done
for queue in qa qb; do
    hex=$(printf %s "$(cd $queue && pwd -P)" | sha256sum | cut -c1-8)
    grep -q "$work/$queue" $units/tern-job-$hex-1.service || fault "the unit of $queue is not its own"
done
tern cancel --queue qb 1 || fault "job 1 of qb was not cancelled"
[ "$(ls $units | wc -l)" = 2 ] || fault "the units of qa went with those of qb: $(ls $units)"
echo 'of somebody else' >$units/tern-job-$hex-2.service
tern submit --queue qb --via systemd --for 10min --by 2h --zone file:XX -- true >answer 2>&1 &&
    fault "a unit was overwritten"
grep -q "already" answer || fault "$(cat answer)"
grep -q 'of somebody else' $units/tern-job-$hex-2.service || fault "the unit is another one"

# --- Windows ------------------------------------------------------------------------------------

tern submit --via windows --for 10min --by 2h --zone file:XX -- 'C:\a b\x.exe' 'say "hi"' 'a\' '<&>' >task.xml 2>note ||
    fault "no task"
grep -q 'not in the queue, and never counted' note || fault "it is not said that nobody counts it: $(cat note)"
[ "$(od -An -tx1 -N2 task.xml | tr -d ' ')" = fffe ] || fault "no byte order mark"
command -v python3 >/dev/null || echo 'SKIPPED a part: python3 is not there'
! command -v python3 >/dev/null || python3 - <<'END' || fault "the task is not right"
import re, xml.dom.minidom
text = open("task.xml", "rb").read().decode("utf-16")
x = xml.dom.minidom.parseString(text.replace("UTF-16", "UTF-8", 1).encode())
get = lambda n: x.getElementsByTagName(n)[0].firstChild.data
assert get("Command") == "C:\\a b\\x.exe", get("Command")
assert get("Arguments") == '"say \\"hi\\"" a\\ <&>', get("Arguments")
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", get("StartBoundary"))
assert get("StartBoundary") < get("EndBoundary")
for name, value in {"StartWhenAvailable": "true", "WakeToRun": "true",
                    "DisallowStartIfOnBatteries": "false", "StopIfGoingOnBatteries": "false"}.items():
    assert get(name) == value, name
END
[ ! -e early ] || fault "job 1 ran"
[ "$(tern queue --all | wc -l)" = 13 ] || fault "a task is no job of the queue: $(tern queue --all)"
[ $bad -eq 0 ] || cat said
exit $bad
