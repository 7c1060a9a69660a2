#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern serve` talks with the official clients of OpenAI and Ollama, for Python and for node,
# which are installed into $TERN_BUILD/clients, once, at the versions and hashes of clients/.
# SKIPPED where that cannot be done.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")/clients
to=$TERN_BUILD/clients
log=$TERN_BUILD/clients.log
skip()
{
    echo "SKIPPED: $1"
    exit 77
}
command -v python3 >/dev/null || skip "python3 is not there"
if ! cmp -s "$here/requirements.txt" "$to/venv/ready"; then
    rm -rf "$to/venv"
    python3 -m venv "$to/venv" >"$log" 2>&1 || skip "python3 cannot make a venv"
    timeout 240 "$to/venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: \
        --require-hashes -r "$here/requirements.txt" >>"$log" 2>&1 ||
        skip "PyPI gave no openai and ollama: $log"
    cp "$here/requirements.txt" "$to/venv/ready"
fi
node=
if command -v node >/dev/null && command -v npm >/dev/null; then
    if ! cmp -s "$here/package-lock.json" "$to/node/ready"; then
        rm -rf "$to/node"
        mkdir -p "$to/node"
        cp "$here/package.json" "$here/package-lock.json" "$to/node"
        (cd "$to/node" && timeout 240 npm ci --ignore-scripts --no-audit --no-fund) >>"$log" 2>&1 &&
            cp "$here/package-lock.json" "$to/node/ready"
    fi
    [ ! -e "$to/node/ready" ] || node=yes
fi

work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
HOME=$work
TERN_CACHE=$work/cache
TERN_SERVE_TOKEN=a-secret-token
no_proxy='*'
export HOME TERN_CACHE TERN_SERVE_TOKEN no_proxy
unset XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME TERN_ZONE TERN_CPU
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
cd "$work" || exit 1
"$TERN_BUILD/tern" serve -p 0 --threads 2 >serving 2>err &
pid=$!
tries=0
while [ ! -s serving ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "the server did not start"; cat err; exit 1; }
    sleep 0.1
done
url=$(sed 's/^serving //; s:/$::' serving)
failed=0
for client in openai ollama; do
    "$to/venv/bin/python" -B "$here/${client}_client.py" "$url" "$TERN_SERVE_TOKEN" ||
        { echo "FAILED: $client for Python"; failed=1; }
done
if [ -n "$node" ]; then
    cp "$here/clients.mjs" "$to/node/clients.mjs"
    node "$to/node/clients.mjs" "$url" "$TERN_SERVE_TOKEN" || { echo "FAILED: node"; failed=1; }
else
    echo "SKIPPED: node and npm gave no openai and ollama: $log"
fi
[ ! -s err ] || { cat err; failed=1; }
exit $failed
