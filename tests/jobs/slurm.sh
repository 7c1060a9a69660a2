#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern submit --via slurm, with a real Slurm: munge, one controller and two node daemons on
# loopback, all of it the user's own and gone afterwards.  Jobs are submitted, delayed, run,
# cancelled, killed with their node, restarted, and accounted for.
# TERN_BUILD as for all tests.
set -u
PATH=$PATH:/usr/sbin:/sbin
skip()
{
    echo "SKIPPED: $*"
    exit 77
}

for program in munged mungekey slurmctld slurmd sbatch squeue scancel scontrol; do
    command -v $program >/dev/null || skip "$program is not there (slurm-wlm, munge)"
done
. "${0%/*}/../cli/jobs.sh"
chmod 755 "$work"
pids= patience=20 user=$(id -un)
# Ends what it started, by number: slurmd goes into the background by itself.
finish()
{
    for pid in $pids $(cat "$work"/*.pid 2>/dev/null); do
        kill -9 "$pid" 2>/dev/null
    done
    # Steps of jobs that still run are children of nobody by now.
    for pid in $(sed -n 's/.*"\(keeper\|command\)":{"pid":\([0-9]*\).*/\2/p' \
        "$work"/queue/*/status.* 2>/dev/null); do
        grep -q "$work" "/proc/$pid/environ" 2>/dev/null && kill -9 "$pid"
    done
    [ "${keep:-}" ] || rm -rf "$work"
}
# Slurm has local times: those of a clock that is not UTC's.
TZ=NST3:30NDT,M3.2.0,M11.1.0 SLURM_CONF=$work/slurm.conf
export TZ SLURM_CONF

# --- a cluster ------------------------------------------------------------------------------

base=$((20000 + $$ % 20000))
cat >slurm.conf <<END
ClusterName=tern
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$work/munge.sock,cred_expire=5
SlurmctldPort=$base
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.%n.log
SlurmdSpoolDir=$work/spool.%n
StateSaveLocation=$work/saved
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/linear
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
ReturnToService=2
SlurmdTimeout=4
SlurmctldTimeout=10
MessageTimeout=5
KillWait=2
MinJobAge=300
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((base + 1)) CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((base + 2)) CPUs=1 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
mkdir saved spool.n1 spool.n2
mungekey --create --keyfile="$work/munge.key" 2>>said || skip "no key for munge: $(cat said)"
munged --foreground --force --key-file="$work/munge.key" --socket="$work/munge.sock" \
    --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munged.seed" \
    2>>said &
pids=$!
within 5 test -S munge.sock || skip "munge does not start: $(cat said)"
slurmctld -D 2>>said &
pids="$pids $!"
node()
{
    slurmd -N "$1" -D 2>>said &
    eval "$1=\$!"
    pids="$pids $!"
}
node n1
node n2
nodes_idle()
{
    [ "$(sinfo -h -N -o '%n %t' | grep -c ' idle$')" = 2 ]
}
within 12 nodes_idle || {
    skip "Slurm does not start: $(sinfo -h -N -o '%n %t' 2>&1; tail -n 3 said slurmctld.log)"
}

# --- jobs -----------------------------------------------------------------------------------

submit()
{
    tern submit --via slurm --for 10s --by 1h "$@" >answer 2>&1 || fault "$(cat answer)"
}

submit --shell 'echo "task $SLURM_JOB_ID in $PWD"; echo e >&2; exit 5' # 1
submit --restartable -- sh -c 'echo x >>starts; sleep 4; echo end >>starts' # 2: its node dies
submit --array 1-3 --sbatch=--comment=three -- sh -c 'echo "$SLURM_ARRAY_TASK_ID" >>tasks' # 3
grep -q 'slurm: [0-9]' answer || fault "no number of Slurm: $(cat answer)"
submit --dependency "afterok:$(field 3 external)" -- sh -c 'sort tasks >sorted' # 4
submit --from 1h --by 3h -- touch never # 5: delayed
# The node of job 2 goes down under it: Slurm starts it again on the other one.
within 8 test -s starts || fault "job 2 does not start"
dead=$(squeue -h -j "$(field 2 external)" -o %N)
case $dead in n1 | n2) ;; *) fault "job 2 runs on '$dead'" ;; esac
eval "kill -9 \$$dead"
# All of Slurm on that node first, so that nothing is left to report an exit.
for pid in $(grep -lsx slurmstepd /proc/[0-9]*/comm | cut -d/ -f3); do
    grep -qs "\[$(field 2 external)[.]" "/proc/$pid/cmdline" &&
        grep -qs "$work" "/proc/$pid/environ" && kill -9 "$pid"
done
keeper=$(keeper_of queue/2/status.1)
command=$(command_of queue/2/status.1)
kill -9 "$keeper"
gone()
{
    case $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) in '' | Z | X) ;; *) return 1 ;; esac
}
within 2 gone "$command" || fault "the command of job 2 outlives its keeper"
scontrol update nodename="$dead" state=down reason=killed 2>>said
expect 1 failed
[ "$(field 1 exit_code)" = 5 ] || fault "job 1: exit code $(field 1 exit_code)"
case $(tern logs 1) in "task $(field 1 external) in $work") ;; *) fault "job 1 wrote: $(tern logs 1)" ;; esac
[ "$(tern logs -e 1)" = e ] || fault "job 1: standard error"

expect 3 done
[ "$(sort tasks | tr '\n' ' ')" = "1 2 3 " ] || fault "tasks: $(cat tasks)"
[ "$(ls queue/3/status.1.* | wc -l)" = 3 ] || fault "no status for each task"
expect 4 done
[ -s sorted ] || fault "job 4 did not run"
[ "$(field 5 state)" = planned ] || fault "job 5 is $(field 5 state)"
start=$(scontrol show job -o "$(field 5 external)" | sed 's/.*StartTime=\([^ ]*\).*/\1/')
late=$(($(date -d "$start" +%s) - $(date +%s)))
{ [ $late -gt 3300 ] && [ $late -lt 3700 ]; } || fault "job 5 is to start in $late s"
expect 2 done
[ "$(grep -c x starts)" = 2 ] || fault "job 2 started $(grep -c x starts) times"
[ "$(grep -c end starts)" = 1 ] || fault "job 2 ended $(grep -c end starts) times"
[ "$(field 2 attempt)" = 2 ] || fault "job 2: attempt $(field 2 attempt)"
submit -- sleep 60 # 6: cancelled
expect 6 running
tern cancel 6 5 2>>said || fault "not cancelled: $(tail -n 1 said)"
expect 6 cancelled
expect 5 cancelled
[ ! -e never ] || fault "job 5 ran"

# What cannot be submitted is said, and is not in the queue.
tern submit --via slurm --for 10s --by 1h --sbatch=--partition=none -- true 2>refusal &&
    fault "submitted to a partition that does not exist"
grep -q sbatch refusal || fault "refused with: $(cat refusal)"
[ -z "$(field 7 state)" ] || fault "job 7 is in the queue: $(field 7 state)"

# Accounts: joules for each, the three tasks of the array together.
tern report 1 2 3 >report 2>>said || fault "no report"
[ "$(grep -c 'energy .*above idle' report)" = 3 ] || fault "report: $(cat report)"
tern report 3 --json | grep -q '"energy_uj":' || fault "no joules of job 3"
[ $bad -eq 0 ] || { tail -n 5 said; cat report; }
echo "6 jobs on $(scontrol --version), two nodes, one of them killed"
exit $bad
