#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern when` against services that are replayed on this machine (grid_server.py), well and badly
# behaved: it always has an answer, and when in doubt the answer is now.  TERN_BUILD is the
# directory that tern was built in.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
. "$here/replay.sh"
TZ=UTC0
LC_ALL=C
TERN_ELECTRICITYMAPS_KEY=emaps-secret
export TZ LC_ALL TERN_ELECTRICITYMAPS_KEY
replay

mode()
{
    TERN_NESO_URL=$base/$1/neso
    TERN_ELECTRICITYMAPS_URL=$base/$1/emaps
    export TERN_NESO_URL TERN_ELECTRICITYMAPS_URL
}

# when CODE ARGUMENTS...: runs tern when at the services' time and expects that exit status.
when()
{
    wanted=$1
    shift
    what="($TERN_NESO_URL) tern when $*"
    tern when "$@" --at 2026-01-01T12:12Z >out 2>err
    got=$?
    check "exit status $got, not $wanted" [ $got -eq "$wanted" ]
}

# --- a forecast: the server's grid is cleanest at midnight

mode ok
when 0 --for 2h --by 24h --zone GB --confidence 0
says "start      Thu 1 Jan 23:00 UTC, in 10 h 48 min; ends Fri 2 Jan 01:00"
says "zone       GB"
says "neso, live"
says "because    waiting "
when 0 --for 2h --by 24h --zone GB --confidence 0 --json
check "the same in JSON" grep -q \
    '"wait":true,"zone":"GB","start":"2026-01-01T23:00:00Z","end":"2026-01-02T01:00:00Z"' out
check "it has what now would be" grep -q '"now":{"mean_mg_kwh":[0-9]' out

# --- what was kept is used when nobody can be asked

when 0 --for 2h --by 24h --zone GB --confidence 0 --offline
says "neso, cache"
says "because    waiting "

# --- two bases are not compared

when 2 --for 2h --by 6h --any-of neso:GB,electricitymaps:DE --offline
says "average/operational/location"
says "average/life-cycle/location"

# --- down, refusing, silent, cut off, no JSON, zeros, huge, old: an answer all the same, now

for how in 401 403 429 500 cut html empty zero huge stale; do
    mode $how
    rm -rf "$TERN_CACHE"
    when 0 --for 2h --by 24h --zone GB --retries 0 --power 100
    says "start      now"
    says "only the mean of the year 2023"
    check "never 0 g" [ "$(grep -cE '(^| )0(\.0)? (g|mg|ug)' out)" = 0 ]
    when 0 --for 2h --by 24h --zone GB-3 --retries 0
    says "start      now"
    says "nothing is known of GB-3 then: do not wait"
done
mode hang
when 0 --for 2h --by 24h --zone GB --retries 0 --timeout 1
says "start      now"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
