#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `tern pull` against a server on this machine that breaks off, hangs, lies and changes its mind.
# TERN_BUILD is the directory that tern was built in.
set -u
here=$(dirname -- "$(readlink -f -- "$0")")
if ! command -v python3 >/dev/null; then
    echo "SKIPPED: python3 is not there"
    exit 77
fi
work=$(mktemp -d)
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null; done; rm -rf "$work"' EXIT
PATH=$TERN_BUILD:$PATH
HOME=$work
TERN_CACHE=$work/cache
no_proxy='*'
export PATH HOME TERN_CACHE no_proxy
unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY NO_COLOR
cd "$work" || exit 1
passed=0
failed=0

# serve DIRECTORY [CERTIFICATE KEY]: starts a server; DIRECTORY receives what server.py says.
serve()
{
    mkdir "$1"
    dir=$1
    shift
    python3 "$here/server.py" "$dir" "$names" "$@" 2>"$dir/err" &
    pids="$pids $!"
    tries=0
    while [ ! -e "$dir/port" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ]; then
            echo "the server did not start"
            cat "$dir/err"
            exit 1
        fi
        sleep 0.1
    done
}

# sha NAME[@1]: the digest of a file that the server has.
sha()
{
    cat "served/sha-$1"
}

# pull CODE ARGUMENTS...: runs it and expects that exit status.
pull()
{
    wanted=$1
    shift
    what="tern pull $*"
    tern pull "$@" >out 2>err
    got=$?
    expect "exit status $got, not $wanted" [ $got -eq "$wanted" ]
}

expect()
{
    text=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s: %s\n' "$what" "$text"
        sed 's/^/  > /' out
        sed 's/^/  ! /' err
    fi
}

says()
{
    expect "stderr does not say '$1'" grep -qF -- "$1" err
}

# is FILE NAME: the file is whole and nothing else is left beside it.
is()
{
    expect "wrong bytes in $1" [ "$(sha256sum <"$1" | cut -c1-64)" = "$(sha "$2")" ]
    expect "something is left beside $1" [ "$(find . -name "$1.*" | wc -l)" -eq 0 ]
}

absent()
{
    expect "$1 is there" [ ! -e "$1" ]
}

# Waits until FILE has 100,000 bytes.
wait_for()
{
    tries=0
    while [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -lt 100000 ]; do
        tries=$((tries + 1))
        if [ $tries -gt 200 ]; then
            what="waiting for $1"
            expect "nothing arrives" false
            return
        fi
        sleep 0.05
    done
}

# The requests for a name, so far.
asked()
{
    grep "/$1 " served/log
}

names=a,b,c,d,e,f,g,h,h2,i,j,k,l,l2,m,n,o,p,w,other
serve served
base=http://127.0.0.1:$(cat served/port)

# --- it works

pull 0 "$base/ok/a" -o a
is a a
expect "stdout is not the path" [ "$(cat out)" = a ]
says "SHA-256 of what arrived: $(sha a)"

pull 0 "$base/ok/a" -o a2 --sha256 "$(sha a)" --json
expect "stdout is no document" grep -q '^{"schema":"tern.pull/1","path":"a2","bytes":300000,' out

pull 0 "$base/ok/in-cache.gguf?token=secret"
expect "not in the cache" [ "$(cat out)" = "$TERN_CACHE/models/in-cache.gguf" ]
expect "a secret is shown" [ "$(grep -c secret out err | cut -d: -f2 | paste -sd+)" = 0+0 ]

pull 0 "$base/move/b" -o b
is b b
pull 0 "$base/plain/c" -o c
is c c
pull 0 "$base/unsized/d" -o d
is d d

# --- it continues

pull 0 "$base/cut/e" -o e --retries 1
is e e
expect "it did not continue" [ "$(asked e | tail -n 1)" = \
    '/cut/e range=bytes=100000- if-range="e-0"' ]

pull 5 "$base/cut/f" -o f --retries 0
says "continues after the 100000 bytes"
absent f
expect "what arrived is gone" [ "$(stat -c %s f.part)" -eq 100000 ]
pull 0 "$base/cut/f" -o f --json
is f f
expect "it does not tell" grep -q '"resumed_bytes":100000' out

pull 0 "$base/cut-always/g" -o g --retries 5
is g g

pull 5 "$base/changed/h" -o h --retries 0
pull 0 "$base/changed/h" -o h --json
is h h@1
expect "it says that it continued" grep -q '"resumed_bytes":0' out

pull 5 "$base/heedless/h2" -o h2 --retries 0
pull 0 "$base/heedless/h2" -o h2 --retries 1
is h2 h2@1

pull 0 "$base/no-ranges/i" -o i --retries 1
is i i

# Without a tag that promises the same bytes only a known digest allows to continue.
pull 5 "$base/cut-untagged/j" -o j --retries 0
pull 0 "$base/cut-untagged/j" -o j
is j j
expect "it continued without a tag" [ "$(asked j | tail -n 1)" = \
    '/cut-untagged/j range=- if-range=-' ]
pull 5 "$base/cut-weak/k" -o k --retries 0 --sha256 "$(sha k)"
pull 0 "$base/cut-weak/k" -o k --sha256 "$(sha k)"
is k k
expect "it did not continue" [ "$(asked k | tail -n 1)" = \
    '/cut-weak/k range=bytes=100000- if-range=-' ]

# A part of something else is not continued.
pull 5 "$base/cut/l" -o l --retries 0
pull 0 "$base/ok/l2" -o l
is l l2

# All bytes were there, only the name was missing.
pull 5 "$base/cut/m" -o m --retries 0
tern pull -q "$base/ok/m" -o m.whole >out
tail -c +100001 m.whole >>m.part
rm m.whole
pull 0 "$base/cut/m" -o m
is m m

# --- it dies

(exec tern pull "$base/stall/n" -o n >/dev/null 2>&1) &
victim=$!
wait_for n.part
pull 3 "$base/ok/n" -o n
says "another tern is downloading 'n'"
kill -9 $victim
wait $victim 2>/dev/null
absent n
pull 0 "$base/stall/n" -o n
is n n
expect "it did not continue" [ "$(asked n | tail -n 1)" = \
    '/stall/n range=bytes=100000- if-range="n-0"' ]

tern pull "$base/stall/o" -o o >out 2>err &
victim=$!
wait_for o.part
kill -TERM $victim
wait $victim
code=$?
what="tern pull, ended by SIGTERM"
expect "exit status $code, not 143" [ $code -eq 143 ]
absent o
expect "what arrived is gone" [ "$(stat -c %s o.part)" -eq 100000 ]

pull 5 "$base/stall/p" -o p --timeout 1 --retries 0
says "continues after the 100000 bytes"

# --- it is not what was expected

zeros=$(printf '%064d' 0)
pull 4 "$base/ok/q" -o q --sha256 "$zeros"
says "SHA-256 differs"
absent q
absent q.part
absent q.part.from
pull 4 "$base/empty/r" -o r
says "empty file"
absent r.part
pull 5 "$base/cut/s" -o s --retries 0
pull 5 "$base/wrong-part/t" -o t --retries 0
pull 5 "$base/wrong-part/t" -o t --retries 0
says "another part than was asked for"
pull 4 "$base/huge/u" -o u --retries 0
says "larger than the limit"
absent u.part

# --- it is there already

pull 0 "$base/ok/other" -o a --sha256 "$(sha a)"
says "is there already, and its SHA-256 is right"
pull 4 "$base/ok/other" -o a --sha256 "$zeros"
says "--force replaces it"
is a a
pull 0 "$base/ok/other" -o a
says "--force replaces it"
is a a
pull 0 "$base/ok/other" -o a --force
is a other

# --- the server says no

pull 3 "$base/404/v" -o v
says "there is no such file (HTTP 404)"
absent v.part
pull 3 "$base/403/v" -o v
says "access denied (HTTP 403)"
pull 3 "$base/500/v" -o v --retries 0
says "the server answers HTTP 500"
pull 0 "$base/busy/w" -o w --retries 1
is w w
pull 3 "$base/loop/x" -o x
says "redirection refused"
pull 3 "$base/ftp/x" -o x
says "redirection refused"
pull 3 http://127.0.0.1:9/x -o x --retries 0
says "is this machine online?"
pull 2 ftp://127.0.0.1/x
says "only http and https"
pull 2 "$base/"
says "-o FILE says where to put it"
pull 2 no-such-model
says "is no model that tern knows"
pull 2 smollm2-135-instruct
says "did you mean 'smollm2-135m-instruct'?"
pull 2 "$base/ok/x" --sha256 12
says "64 hexadecimal digits"

# --- the disk says no

pull 5 "$base/ok/y" -o missing/y
says "cannot create 'missing/y.part'"
what="tern pull with a limit on the size of files"
(trap '' XFSZ; ulimit -f 200; exec tern pull "$base/ok/z" -o z >out 2>err)
code=$?
expect "exit status $code, not 5" [ $code -eq 5 ]
says "cannot write 'z.part'"
absent z

# --- what began encrypted stays encrypted, and with whom it should be

if command -v openssl >/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -days 2 \
    -keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    2>/dev/null; then
    serve served_tls cert.pem key.pem
    base=https://127.0.0.1:$(cat served_tls/port)
    pull 3 "$base/ok/tls" -o tls --retries 0
    says "--ca-file"
    pull 0 "$base/ok/tls" -o tls --ca-file cert.pem
    expect "wrong size" [ "$(stat -c %s tls)" -eq 300000 ]
    pull 3 "$base/downgrade/tls" -o tls2 --ca-file cert.pem
    says "redirection refused"
    absent tls2.part
else
    echo "SKIPPED: encrypted transfers: no openssl"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
