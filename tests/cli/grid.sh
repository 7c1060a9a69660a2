#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern grid` against services that are replayed on this machine: every provider, and servers that
# refuse, hang, lie and break off.  No key is ever seen.  TERN_BUILD is the directory that tern was
# built in.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
. "$here/replay.sh"
LC_ALL=C.UTF-8
export LC_ALL
replay
TERN_ELECTRICITYMAPS_KEY=emaps-secret
TERN_ENTSOE_KEY=entsoe-secret
TERN_WATTTIME_USER=ann
TERN_WATTTIME_PASSWORD=watt-secret
export TERN_ELECTRICITYMAPS_KEY TERN_ENTSOE_KEY TERN_WATTTIME_USER TERN_WATTTIME_PASSWORD

# mode NAME: from now on all services behave so.
mode()
{
    TERN_NESO_URL=$base/$1/neso
    TERN_ELECTRICITYMAPS_URL=$base/$1/emaps
    TERN_WATTTIME_URL=$base/$1/watttime
    TERN_ENTSOE_URL=$base/$1/entsoe
    export TERN_NESO_URL TERN_ELECTRICITYMAPS_URL TERN_WATTTIME_URL TERN_ENTSOE_URL
    rm -rf "$TERN_CACHE"
}

# grid CODE ARGUMENTS...: runs tern grid at the services' time and expects that exit status.
grid()
{
    wanted=$1
    shift
    what="tern grid $*"
    tern grid "$@" --at 2026-01-01T12:12Z >out 2>err
    got=$?
    cat out err >>seen
    check "exit status $got, not $wanted" [ $got -eq "$wanted" ]
}

# lacks TEXT: neither holds it.
lacks()
{
    if grep -qF -- "$1" out err; then
        check "says '$1'" false
    else
        check "" true
    fi
}

# --- each service as it should be

mode ok
grid 0 now --zone GB
says "211 g/kWh"
says "neso, live"
lacks "why"
grid 0 now --zone GB-3 --json
says '"zone":"GB-3","source":"neso","basis":"average/operational/location","how":"live"'
grid 0 now --zone GB-RG10 --json
says '"intensity_mg_kwh":211000'
grid 0 history --zone GB --hours 2 --table
says "2026-01-01T11:30Z     30 min     206 g/kWh  actual"
grid 0 forecast --zone GB --hours 24 --table
says "2026-01-02T12:00Z     30 min     212 g/kWh  forecast +- "
says "not known yet"
grid 0 now --zone DE --source electricitymaps
says "302 g/kWh"
lacks "why"
grid 0 now --zone DE --source entsoe
says "213 g/kWh, 2026-01-01T11:45Z to 12:00Z"
grid 0 now --zone CAISO_NORTH --source watttime
says "395 g/kWh"
says "marginal/operational/location"
check "two logins, as the first token is refused" [ "$(grep -c '/watttime/login' log)" = 2 ]
check "the password goes to the login alone" \
    [ "$(grep -v /login log | grep -c 'Basic')" = 0 ]
grid 0 export --zone GB --zone watttime:CAISO_NORTH
says 'tern_grid_intensity_grams_per_kwh{zone="GB",source="neso",basis="average/operational/location",how="'
says 'grid_intensity_carbon_marginal{provider="watttime",location="CAISO_NORTH",units="gCO2e per kWh",is_estimated="false"} 394.625'

# --- traps

# A zone that Electricity Maps does not know is answered with that of the caller's address.
grid 3 now --zone electricitymaps:XX
says "it answered about 'US-CAL-CISO' and not about 'XX'"
# A percentile is no gram.
grid 3 now --zone watttime:PERCENT
says "a percentile is not grams"
# Bases never mix: the error names both.
grid 2 now --zone neso:GB --zone electricitymaps:DE
says "average/operational/location"
says "average/life-cycle/location"
says "hint: GB is from neso and DE from electricitymaps"
# No forecasts in that plan, and one day of history: the year's mean, which says why.
grid 0 forecast --zone electricitymaps:DE --hours 2 --table
says "the key is refused (HTTP 403): not in your plan"
says "from       yearly"

# --- servers that misbehave; what they are asked for is in no cache

mode busy
grid 0 now --zone GB
says "neso, live"
mode hiccup
grid 0 now --zone GB
says "neso, live"
mode slow
grid 0 now --zone GB
says "neso, live"
for how in 401 403 429 500 cut html empty huge zero stale; do
    mode $how
    grid 0 now --zone GB --retries 0
    says "from       yearly, year 2023"
    says "why        "
    grid 3 now --zone GB-3 --retries 0
done
for how in 401 500 html empty; do
    mode $how
    grid 0 now --zone electricitymaps:DE --retries 0
    grid 0 forecast --zone entsoe:DE --retries 0 --hours 2
    grid 3 now --zone watttime:CAISO_NORTH --retries 0
done
mode hang
grid 0 now --zone GB --retries 0 --timeout 1
says "why        http: $base/hang/neso/intensity: "
mode away
grid 0 now --zone electricitymaps:FR --retries 0
says "it sends elsewhere, which is not followed"
mode 401
grid 0 now --zone electricitymaps:DE --retries 0
says "the key is refused (HTTP 401): wrong key: ***"

# A key goes to this machine or over https, never in the clear.
TERN_ELECTRICITYMAPS_URL=http://192.0.2.1 grid 2 now --zone electricitymaps:DE --retries 0
says "a key is not sent without https"

# --- what was said is kept, and stands in

mode ok
grid 0 forecast --zone GB --hours 48
TERN_NESO_URL=$base/500/neso
grid 0 now --zone GB --retries 0 --refresh
says "neso, cache"
grid 0 forecast --zone GB --hours 60 --retries 0 --refresh --table
says "derived"
says "it is down (HTTP 500)"
check "the cache is its owner's" [ "$(find "$TERN_CACHE/grid" -maxdepth 0 -perm 700)" ]

# --- keys from a file

unset TERN_ELECTRICITYMAPS_KEY
mode ok
grid 0 now --zone electricitymaps:DE
says "it needs a key"
mkdir -p .config/tern
echo 'TERN_ELECTRICITYMAPS_KEY=emaps-secret' >.config/tern/keys
chmod 640 .config/tern/keys
grid 2 now --zone electricitymaps:DE
says "can be read by others, so it is not used"
chmod 600 .config/tern/keys
grid 0 now --zone electricitymaps:DE
says "302 g/kWh"

# --- no secret was ever seen or kept

what="secrets"
for secret in emaps-secret entsoe-secret watt-secret token-1 token-2; do
    check "'$secret' was printed" [ "$(grep -cF $secret seen)" = 0 ]
    check "'$secret' was kept" [ "$(grep -rlF $secret "$TERN_CACHE" | wc -l)" = 0 ]
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
