#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern grid serve` in front of a trace and of a service that is down: clients that check schemas,
# casing and status codes, and tern itself as a client.  TERN_BUILD is the directory that tern was
# built in.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
if ! command -v python3 >/dev/null; then
    echo "SKIPPED: python3 is not there"
    exit 77
fi
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
PATH=$TERN_BUILD:$PATH
HOME=$work
TERN_CACHE=$work/cache
no_proxy='*'
LC_ALL=C.UTF-8
export PATH HOME TERN_CACHE no_proxy LC_ALL
unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY NO_COLOR TERN_ZONE XDG_CONFIG_HOME \
    XDG_CACHE_HOME TERN_GRID_SOURCE TERN_GRID_FILE TERN_GRID_BASIS
cd "$work" || exit 1
failed=0

# Forty days in which each hour has its value, and each day one of three more.
awk 'BEGIN { print "time,intensity"; for (i = 0; i < 40 * 24; i++)
    printf "2026-%s-%02dT%02d:00Z,%d\n", int(i / 24) < 31 ? "01" : "02",
        int(i / 24) < 31 ? int(i / 24) + 1 : int(i / 24) - 30, i % 24,
        200 + 10 * (i % 24 < 12 ? i % 24 : 24 - i % 24) + int(i / 24) % 3 }' >trace.csv
cat >moer.json <<END
[{"location":"M","time":"2026-02-05T12:00:00Z","rating":400,"duration":"01:00"}]
END
# NESO, at whose address is nobody; and WattTime, which is marginal, replayed.
python3 "$here/grid_server.py" "$work" 2026-02-05T12:12Z 2>server.err &
service=$!
tries=0
while [ ! -e port ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "the service did not start"; cat server.err; exit 1; }
    sleep 0.1
done
trap 'kill $service $pid 2>/dev/null; rm -rf "$work"' EXIT
TERN_NESO_URL=http://127.0.0.1:1
TERN_WATTTIME_URL=http://127.0.0.1:$(cat port)/ok/watttime
TERN_WATTTIME_USER=ann
TERN_WATTTIME_PASSWORD=watt-secret
export TERN_NESO_URL TERN_WATTTIME_URL TERN_WATTTIME_USER TERN_WATTTIME_PASSWORD

# start ARGUMENTS...: serves, and sets `url` and `pid`.
start()
{
    tern grid serve --listen 127.0.0.1:0 --at 2026-02-05T12:12Z --retries 0 "$@" >serving 2>err &
    pid=$!
    tries=0
    while [ ! -s serving ]; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { echo "the server did not start"; cat err; exit 1; }
        sleep 0.1
    done
    url=$(sed 's/^serving //; s:/$::' serving)
}

start --file moer.json --basis marginal/operational/location
marginal=$pid
trap 'kill $service $marginal $pid 2>/dev/null; rm -rf "$work"' EXIT
TERN_CARBON_AWARE_SDK_URL=$url
export TERN_CARBON_AWARE_SDK_URL

# tern is a client of tern.
tern grid now --zone carbon-aware-sdk:M --basis marginal/operational/location \
    --at 2026-02-05T12:12Z >out 2>&1
grep -q '400 g/kWh, 2026-02-05T12:00Z to 13:00Z' out || { cat out; failed=1; }
grep -q 'carbon-aware-sdk, live' out || { cat out; failed=1; }

rm serving
TERN_GRID_BASIS=average/life-cycle/location
export TERN_GRID_BASIS
start --file trace.csv --location eastus=file:US --location uksouth=file:UK \
    --location again=file:US --location year=yearly:DE --location down=neso:GB-3 --location moer=watttime:CAISO_NORTH
TERN_CARBON_AWARE_SDK_URL=$url
python3 "$here/grid_client.py" "$url/" || failed=1
tern grid history --zone carbon-aware-sdk:eastus --at 2026-02-05T12:12Z --hours 3 --json >out 2>&1
grep -o '"intensity_mg_kwh":[0-9]*' out | tr -dc '0-9\n' | tr '\n' ' ' >got
[ "$(cat got)" = "292000 302000 312000 322000 " ] || { cat out; failed=1; }
tern grid forecast --zone carbon-aware-sdk:eastus --at 2026-02-05T12:12Z --hours 3 --table >out 2>&1
grep -q '2026-02-05T14:00Z     60 min     302 g/kWh  forecast' out || { cat out; failed=1; }

# Without locations any zone is one, and those of a file are listed; an unknown one is a 400.
one=$pid
rm serving
printf 'time,zone,intensity\n2026-02-05T12:00Z,DE,300\n2026-02-05T12:00Z,FR,40\n' >two.csv
start --file two.csv
trap 'kill $service $marginal $one $pid 2>/dev/null; rm -rf "$work"' EXIT
cat >ask.py <<END
import sys, urllib.request, urllib.error
try:
    with urllib.request.urlopen(sys.argv[1], timeout=float((sys.argv + [20])[2])) as r:
        print(r.status, r.read().decode())
except urllib.error.HTTPError as e:
    print(e.code)
END
[ "$(python3 ask.py "$url/locations")" = '200 {"DE":{"latitude":null,"longitude":null,"name":"DE"},"FR":{"latitude":null,"longitude":null,"name":"FR"}}' ] ||
    { python3 ask.py "$url/locations"; failed=1; }
[ "$(python3 ask.py "$url/emissions/bylocation?location=nowhere")" = 400 ] ||
    { echo "FAILED: an unknown zone"; failed=1; }
kill $pid

# Health is told while all workers wait for a service that hangs.
rm serving
TERN_NESO_URL=http://127.0.0.1:$(cat port)/hang/neso
start --location GB=neso:GB --timeout 2
trap 'kill $service $marginal $one $pid 2>/dev/null; rm -rf "$work"' EXIT
for i in 1 2 3 4 5 6; do
    python3 ask.py "$url/metrics" >/dev/null 2>&1 &
done
sleep 1
[ "$(python3 ask.py "$url/health" 2)" = "200 Healthy" ] ||
    { echo "FAILED: no health while others wait"; failed=1; }
kill $pid
wait $pid
pid=$one

kill -TERM $pid
wait $pid
code=$?
[ $code -eq 143 ] || { echo "FAILED: exit status $code"; failed=1; } # ended by that signal
pid=
# The one that is down is a warning of its metrics; nothing else is to be said.
grep -v 'warning: no intensity of GB-3: http' err && failed=1
grep -q watt-secret err serving out && { echo "FAILED: a secret"; failed=1; }
exit $failed
