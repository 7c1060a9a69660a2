#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The page of `tern serve` against a real server, with receipts, a log and a made-up grid: first
# its checks alone, in node; then all of it in Chromium.  playwright-core is installed into
# $TERN_BUILD/web, once, at the version and hash of package-lock.json.  SKIPPED where node or
# the others are not there.
# SCREENSHOTS=DIR keeps pictures of it.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
to=$TERN_BUILD/web
log=$TERN_BUILD/web.log
skip()
{
    echo "SKIPPED: $1"
    exit 77
}
command -v node >/dev/null || skip "node is not there"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' ||
    skip "node has no Ed25519 before version 20"

browser=
for name in chromium chromium-browser google-chrome; do
    [ -n "$browser" ] || browser=$(command -v $name)
done
why=
if [ -z "$browser" ]; then
    why="chromium is not there"
elif ! command -v npm >/dev/null; then
    why="npm is not there"
elif ! cmp -s "$here/package-lock.json" "$to/ready"; then
    rm -rf "$to"
    mkdir -p "$to"
    cp "$here/package.json" "$here/package-lock.json" "$to"
    if (cd "$to" && timeout 240 npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1; then
        cp "$here/package-lock.json" "$to/ready"
    else
        why="npm gave no playwright-core: $log"
    fi
fi

work=$(mktemp -d)
pid= others=
trap '[ -z "$pid$others" ] || kill $pid $others 2>/dev/null; rm -rf "$work"' EXIT
PATH=$TERN_BUILD:$PATH
HOME=$work
TERN_CACHE=$work/cache
TERN_GRID_FILE=$work/grid.csv
TERN_GRID_BASIS=average/operational/location
LC_ALL=C.UTF-8
no_proxy='*'
export PATH HOME TERN_CACHE TERN_GRID_FILE TERN_GRID_BASIS LC_ALL no_proxy
unset XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_STATE_HOME TERN_ZONE TERN_CPU
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY TERN_SERVE_TOKEN TERN_GRID_SOURCE
cd "$work" || exit 1

# Four weeks that all look alike: 100 g/kWh at four in the morning, 500 in the afternoon.
node "$here/grid.mjs" >grid.csv || exit 1
tern log init receipts.log >out 2>&1 || { cat out; exit 1; }

# start ARGUMENTS...: serves, and sets `url` and `pid`.
start()
{
    rm -f serving
    tern serve -p 0 --threads 2 -m tern-books "$@" >serving 2>>err &
    pid=$!
    tries=0
    while [ ! -s serving ]; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { echo "the server did not start"; cat err; exit 1; }
        sleep 0.1
    done
    url=$(sed 's/^serving //; s:/$::' serving)
}

start --zone DE --log-dir receipts.log
failed=0
node "$here/checks.mjs" "$url" "$work" || failed=1
if [ -z "$why" ]; then
    cp "$here/dashboard.mjs" "$to/dashboard.mjs"
    node "$to/dashboard.mjs" "$url" "$work" "$browser" "${SCREENSHOTS:-}" || failed=1
    kill "$pid"
    wait "$pid"
    node "$here/upstream.mjs" >routes.json & # answers chats in the place of another machine
    others=$!
    tries=0
    while ! grep -qs '^}' routes.json && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    start --zone DE --routes routes.json
    cp "$here/routes.mjs" "$to/routes.mjs"
    node "$to/routes.mjs" "$url" "$work" "$browser" "${SCREENSHOTS:-}" || failed=1
    kill "$pid"
    wait "$pid"
    TERN_SERVE_TOKEN=a-secret
    export TERN_SERVE_TOKEN
    unset TERN_GRID_FILE
    start --no-receipt # a server that knows little
    cp "$here/token.mjs" "$to/token.mjs"
    node "$to/token.mjs" "$url" "$browser" "$pid" "${SCREENSHOTS:-}" || failed=1
fi
[ ! -s err ] || { cat err; failed=1; }
[ $failed -eq 0 ] || exit 1
[ -z "$why" ] || skip "the page was not looked at: $why"
