#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern serve` with the model that comes with tern, and a client that looks at every answer; its
# receipts, checked by `tern verify`; and how it begins and ends.
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
TERN_SERVE_TOKEN=a-secret-token
LC_ALL=C.UTF-8
export PATH HOME TERN_CACHE TERN_SERVE_TOKEN LC_ALL
unset http_proxy https_proxy all_proxy XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME TERN_ZONE TERN_CPU
cd "$work" || exit 1
failed=0

# start ARGUMENTS...: serves, and sets `url` and `pid`.
start()
{
    rm -f serving
    tern serve -p 0 --threads 2 "$@" >serving 2>err &
    pid=$!
    tries=0
    while [ ! -s serving ]; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { echo "the server did not start"; cat err; exit 1; }
        sleep 0.1
    done
    url=$(sed 's/^serving //; s:/$::' serving)
}

# Ends it; `code` is its exit status.
stop()
{
    kill -TERM $pid
    wait $pid
    code=$?
    pid=
}

start --zone DE --keep-input --alias gpt-test --log requests
python3 "$here/serve_client.py" "$url" "$TERN_SERVE_TOKEN" || failed=1

# Receipts: as they were sent, and as they were kept, with another run of the model.
tern verify --output output receipt.json >out 2>&1 || { echo "FAILED: verify"; cat out; failed=1; }
tern verify --rerun -m tern-books --output output "$(cat id)" >out 2>&1 || { echo "FAILED: rerun"; cat out; failed=1; }
tern verify --rerun -m tern-books --output form_output "$(cat form_id)" >>out 2>&1 ||
    { echo "FAILED: rerun of a schema"; cat out; failed=1; }
[ "$(grep -c 'the same output' out)" = 2 ] || { cat out; failed=1; }

stop
[ $code -eq 143 ] || { echo "FAILED: exit status $code"; failed=1; }
grep -v '^{"id":' err && failed=1 # nothing else is to be said
grep -q 'Once upon' err && { echo "FAILED: a prompt in the log"; failed=1; }
grep -q "$TERN_SERVE_TOKEN" err serving && { echo "FAILED: a secret"; failed=1; }

# More than it has room for.
unset TERN_SERVE_TOKEN
start --slots 1 --queue 1 --no-receipt
python3 "$here/serve_busy.py" "$url" || failed=1
stop

# Streams that wait.
start --slots 1 --queue 100 --no-receipt
python3 "$here/serve_sign.py" "$url" "$pid" || failed=1
stop

# Another file in the model's place.
cp "$TERN_SOURCE/models/tern-books.gguf" model.gguf
start -m ./model.gguf
python3 "$here/serve_replaced.py" "$url" || failed=1
stop

# What is wrong is said at once.
tern serve -p 0 -m nothing.gguf 2>err
[ $? -eq 3 ] || { echo "FAILED: no model"; cat err; failed=1; }
echo "not a model" >bad.gguf
tern serve -p 0 -m ./bad.gguf 2>err
[ $? -eq 4 ] || { echo "FAILED: a bad model"; cat err; failed=1; }
exit $failed
