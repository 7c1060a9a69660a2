#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern log serve-dir: what it serves, what it does not, and that damage is not served.
# TERN_BUILD as for all tests.
set -u
tern=$TERN_BUILD/tern
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
TERN_STATE=$work/state
export TERN_STATE
command -v curl >/dev/null || { echo "SKIPPED: curl is not there"; exit 77; }
bad=0

fault()
{
    echo "$1"
    bad=1
}

"$tern" log init -q log >/dev/null || exit 1
seq 300 | "$tern" log append log --lines >/dev/null || exit 1
"$tern" log serve-dir --listen 127.0.0.1:0 log >url 2>err &
server=$!
i=0
while [ ! -s url ] && [ $i -lt 100 ]; do
    sleep 0.1
    i=$((i + 1))
done
url=$(cat url)

# is CODE PATH [FILE]: the status of a request, and what came.
is()
{
    code=$(curl -s -m 20 --path-as-is -o got -w '%{http_code}' "$url$2")
    [ "$code" = "$1" ] || fault "$2: $code, not $1"
    [ $# -lt 3 ] || cmp -s got "$3" || fault "$2: not the bytes of $3"
}
is 200 checkpoint log/checkpoint
is 200 tile/0/000 log/tile/0/000
is 200 tile/entries/000 log/tile/entries/000
is 200 tile/entries/001.p/44 log/tile/entries/001.p/44
is 200 tile/1/000.p/1 log/tile/1/000.p/1
for path in '' vkey state/key tile/ tile/0/002 tile/0/001.p/45 tile/../state/key ../log/vkey; do
    is 404 "$path"
done
curl -s -m 20 -I "${url}checkpoint" | grep -qi '^content-type: text/plain; charset=utf-8' ||
    fault "the checkpoint's type"

# has PATH HEADER
has()
{
    curl -s -m 20 -I "$url$1" | tr -d '\r' | grep -qix "$2" || fault "$1: no '$2'"
}
has checkpoint 'cache-control: no-cache'
has checkpoint 'access-control-allow-origin: \*'
has tile/0/000 'cache-control: public, max-age=31536000, immutable'
has tile/0/000 'content-type: application/octet-stream'
has tile/0/000 'content-length: 8192'
code=$(curl -s -m 20 -o got -D head -w '%{http_code}' -X POST "${url}checkpoint")
[ "$code" = 405 ] || fault "POST: $code"
tr -d '\r' <head | grep -qix 'allow: GET, HEAD' || fault "POST: no Allow"
echo more | "$tern" log append log >/dev/null || fault "cannot append while it is served"
is 200 checkpoint log/checkpoint
printf X | dd of=log/tile/entries/000 bs=1 seek=30 conv=notrunc 2>/dev/null
is 500 tile/entries/000
is 200 tile/entries/001.p/45 log/tile/entries/001.p/45
kill -TERM "$server"
wait "$server"
[ $? -eq 143 ] || fault "exit status after SIGTERM"
server=
grep -q "not served: 'tile/entries/000' is damaged" err || fault "no warning: $(cat err)"
exit $bad
