# SPDX-License-Identifier: Apache-2.0
# Read by the tests of jobs (jobs_*.sh, ../jobs/slurm.sh) at their beginning: a home with a queue
# of its own, which is gone at the end with whatever still runs in it, and words to look at it
# with.  TERN_BUILD as for all tests.
#   work    that home, where the test is then
#   daemon  the daemon that is to be killed at the end, if any
#   bad     1 after a fault; the test ends with it
work=$(mktemp -d)
daemon= bad=0
finish()
{
    [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null
    for pid in $(sed -n 's/.*"keeper":{"pid":\([0-9]*\).*/\1/p' "$work"/queue/*/status.* 2>/dev/null); do
        grep -qs "$work" "/proc/$pid/cmdline" && kill -TERM "$pid"
    done
    rm -rf "$work"
}
trap finish EXIT
cd "$work" || exit 1
PATH=$TERN_BUILD:$PATH HOME=$work TERN_JOBS=$work/queue TERN_CACHE=$work/cache TZ=UTC TERN_STATE=$work/state
export PATH HOME TERN_JOBS TERN_CACHE TZ TERN_STATE
unset TERN_ZONE XDG_DATA_HOME XDG_CONFIG_HOME TERN_GRID_FILE TERN_GRID_BASIS TERN_LOG

fault()
{
    echo "$1"
    bad=1
}
# field ID NAME: of a job, from the list, which asks those who run it.
field()
{
    tern queue --all --json 2>/dev/null | sed 's/{"id":/\n"id":/g' | grep "^\"id\":$1," |
        sed -n "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}
# is ID STATE
is()
{
    [ "$(field "$1" state)" = "$2" ]
}
# within SECONDS COMMAND...: waits for it to succeed.
within()
{
    tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1 || [ $tries -le 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    [ $tries -gt 0 ]
}
# expect ID STATE: within ten seconds, or as many as `patience` says.
expect()
{
    within "${patience:-10}" is "$1" "$2" || fault "job $1 is $(field "$1" state), not $2"
}
# keeper_of STATUS, command_of STATUS: the number of a process.
keeper_of()
{
    sed -n 's/.*"keeper":{"pid":\([0-9]*\).*/\1/p' "$1"
}
command_of()
{
    sed -n 's/.*"command":{"pid":\([0-9]*\).*/\1/p' "$1"
}
# The number of receipts in the log.
receipts()
{
    tern log show log --json | sed -n 's/.*"size":\([0-9]*\).*/\1/p'
}
# grid FILE STEP EDGE: slots of STEP seconds, of which one begins now, dirty (400) until EDGE
# seconds from now, then clean (100).
now=$(date +%s)
grid()
{
    seq -f @%.0f $((now - 7200)) "$2" $((now + 10800)) >times
    {
        echo datetime,carbon_intensity
        date -u -f times +%Y-%m-%dT%H:%M:%SZ,%s |
            awk -F, -v edge=$((now + $3)) '{ print $1 "," ($2 < edge ? 400 : 100) }'
    } >"$1"
}
