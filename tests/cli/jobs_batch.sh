#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern submit, queue and cancel with programs of our own in place of Slurm's: what its answers,
# and its silence, make of jobs.  With a real Slurm: tests/jobs/slurm.sh.
# TERN_BUILD as for all tests.
set -u
. "${0%/*}/jobs.sh"
PATH=$work/bin:$PATH

submit()
{
    tern submit --via slurm --for 1s --by 2h "$@" >answer 2>&1 || fault "$(cat answer)"
}
# slurm ANSWER: what squeue says of job 17 from now on.
slurm()
{
    echo "$1" >slurm
}

mkdir bin
cat >bin/sbatch <<'END'
#!/bin/sh
head -c 300000 /dev/zero | tr '\0' x >&2
tern queue --all >/dev/null # somebody looks before the number is known
echo 17
END
cat >bin/squeue <<'END'
#!/bin/sh
case $* in *--jobs=17*) ;; *) echo COMPLETED; exit ;; esac
read -r answer <"$HOME/slurm"
case $answer in
forgot) echo 'slurm_load_jobs error: Invalid job id specified' >&2 ;;
silent) echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2 ;;
*) echo "$answer"; exit ;;
esac
exit 1
END
printf '#!/bin/sh\necho "Slurm accounting storage is disabled" >&2\nexit 1\n' >bin/sacct
cp bin/sacct bin/scancel
chmod +x bin/*

# One that ran while nobody looked: silence decides nothing; that it is forgotten does.
slurm PENDING
submit -- sh -c 'exit 3'
is 1 planned || fault "job 1 is $(field 1 state) before it began"
[ "$(field 1 external)" = 17 ] || fault "job 1 is '$(field 1 external)' in Slurm"
# A daemon that ends when it is idle does not wait for what others run.
timeout 10 tern jobd --until-idle --foreground 2>said || fault "jobd waits for Slurm's job: $(cat said)"
sh queue/1/batch
slurm silent
is 1 planned || fault "job 1 is $(field 1 state), and nobody said so"
slurm forgot
is 1 failed || fault "job 1, which ended unseen, is $(field 1 state)"
[ "$(field 1 exit_code)" = 3 ] || fault "job 1: exit code $(field 1 exit_code)"

# An array is over when all its tasks are.
slurm RUNNING
submit --array 0-2:2%1 -- true
SLURM_ARRAY_TASK_ID=0 sh queue/2/batch
is 2 running || fault "job 2 is $(field 2 state) with one task of two"
slurm forgot
is 2 running || fault "job 2 is $(field 2 state) after one task of two"
SLURM_ARRAY_TASK_ID=2 sh queue/2/batch
is 2 done || fault "job 2 is $(field 2 state) after both tasks"

# What Slurm does not know, its owner can give up.
submit -- true
tern cancel 3 2>/dev/null && fault "scancel failed, and tern cancel did not say so"
is 3 cancelled || fault "job 3, which its owner and Slurm gave up, is $(field 3 state)"

# A submission that was killed before sbatch said its number.  A job that ran has ended; one that
# did not run can be given up once nobody can be handing it over any more.
cat >bin/sbatch <<'END'
#!/bin/sh
kill -9 $PPID
END
submit_killed()
{
    tern submit --via slurm --for 1s --by 2h -- "$@" >/dev/null 2>&1 && fault "sbatch did not kill it"
    [ -z "$(field $id external)" ] || fault "job $id is '$(field $id external)' in Slurm"
}
id=4
submit_killed sh -c 'exit 4'
is 4 planned || fault "job 4 is $(field 4 state) before it began"
sh queue/4/batch
is 4 failed || fault "job 4, whose number is not known, is $(field 4 state)"
[ "$(field 4 exit_code)" = 4 ] || fault "job 4: exit code $(field 4 exit_code)"
id=5
submit_killed touch ran
tern cancel 5 2>/dev/null && fault "what is being handed over was cancelled"
is 5 planned || fault "job 5 is $(field 5 state), and somebody may be handing it over"
touch -d '1 hour ago' queue/5/batch
tern cancel 5 2>/dev/null || fault "job 5 cannot be given up"
is 5 cancelled || fault "job 5, which was given up, is $(field 5 state)"
[ ! -e queue/5/spec ] || fault "its command stays"
sh queue/5/batch 2>/dev/null && fault "what was given up can be run"
[ ! -e ran ] || fault "job 5 ran"
id=6
submit_killed sh -c 'trap "exit 7" TERM; touch runs; while :; do sleep 0.1; done'
touch -d '1 hour ago' queue/6/batch
sh queue/6/batch &
within 10 test -e runs
is 6 running || fault "job 6 is $(field 6 state), and its command runs"
tern cancel 6 || fault "job 6 cannot be ended"
wait
is 6 cancelled || fault "job 6, which was cancelled, is $(field 6 state)"

# A task that runs again says nothing of the others: one of them failed, for good.
cat >bin/sbatch <<'END'
#!/bin/sh
echo 17
END
slurm RUNNING
submit --restartable --array 5,7 -- sh -c '[ "$SLURM_ARRAY_TASK_ID" = 5 ] || exit 9'
SLURM_ARRAY_TASK_ID=7 sh queue/7/batch
SLURM_ARRAY_TASK_ID=5 sh queue/7/batch
SLURM_ARRAY_TASK_ID=5 SLURM_RESTART_COUNT=1 sh queue/7/batch
slurm forgot
is 7 failed || fault "job 7, one task of which failed, is $(field 7 state)"
[ "$(field 7 exit_code)" = 9 ] || fault "job 7: exit code $(field 7 exit_code)"
# But one that failed first and then did not is done.
slurm RUNNING
submit --restartable --array 5,7 -- sh -c '[ "$SLURM_ARRAY_TASK_ID" = 5 ] || [ -n "$SLURM_RESTART_COUNT" ] || exit 9'
for task in 5 7; do SLURM_ARRAY_TASK_ID=$task sh queue/8/batch; done
SLURM_ARRAY_TASK_ID=7 SLURM_RESTART_COUNT=1 sh queue/8/batch
slurm forgot
is 8 done || fault "job 8, whose second attempt succeeded, is $(field 8 state)"

# Whoever counts, each of the six that ran has one receipt.
TERN_LOG=$work/log
export TERN_LOG
tern log init -q --lock-store locks log >/dev/null || exit 1
for i in 1 2 3 4 5 6; do
    tern report >/dev/null 2>&1 &
done
wait
tern report >/dev/null || fault "no report"
n=$(receipts)
[ "$n" = 6 ] || fault "$n receipts of six jobs that ran"
exit $bad
