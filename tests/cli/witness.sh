#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Logs and witnesses over HTTP: what litewitness' own test asks, cosigning, verifying by policy,
# an old copy of a log and one with another history, witnesses that are killed.
# TERN_BUILD and TERN_SOURCE as for all tests; TERN_ROUNDS, TERN_SEED for the last part.
set -u
tern=$TERN_BUILD/tern
script=$TERN_SOURCE/tests/cli/witness.py
work=$(mktemp -d)
servers=
trap 'for p in $servers; do kill "$p" 2>/dev/null; done; rm -rf "$work"' EXIT
cd "$work" || exit 1
TERN_STATE=$work/state
HOME=$work/home
export TERN_STATE HOME
mkdir home
command -v python3 >/dev/null || { echo "SKIPPED: python3 is not there"; exit 77; }
command -v curl >/dev/null || { echo "SKIPPED: curl is not there"; exit 77; }
bad=0

fault()
{
    echo "$1"
    bad=1
}

# serve NAME DIR [OPTION]...: starts a witness; its address goes into NAME.url.
serve()
{
    name=$1
    shift
    rm -f "$name.url"
    "$tern" witness serve --listen 127.0.0.1:0 "$@" >"$name.url" 2>"$name.err" &
    servers="$servers $!"
    echo $! >"$name.pid"
    i=0
    while [ ! -s "$name.url" ] && [ $i -lt 200 ]; do
        sleep 0.05
        i=$((i + 1))
    done
}

stop()
{
    kill "$(cat "$1.pid")"
    wait "$(cat "$1.pid")"
    [ $? -eq 143 ] || fault "$1: exit status after SIGTERM"
}

# --- the requests of litewitness' test

"$tern" witness init -q --name example.com/witness lite >/dev/null || exit 1
"$tern" witness add lite "$(python3 "$script" key)" || fault "cannot add the log"
serve lite lite
python3 "$script" hurl "$TERN_SOURCE/tests/data/ledger/add-checkpoint.hurl" "$(cat lite.url)" ||
    fault "the answers are not those of litewitness"
url=$(cat lite.url)
curl -s -m 20 -o got -w '%{http_code} %{content_type}\n' "${url}add-checkpoint" |
    grep -qx '405 text/plain.*' || fault "GET add-checkpoint"
[ "$(curl -s -m 20 -o got -w '%{http_code}' -d nonsense "${url}add-checkpoint")" = 400 ] ||
    fault "a request that is none"
[ "$(head -c 200000 /dev/zero | curl -s -m 20 -o got -w '%{http_code}' --data-binary @- \
    "${url}add-checkpoint")" = 413 ] || fault "a request that is too large"
[ "$(curl -s -m 20 -o got -w '%{http_code}' -H 'Host: rebound.example' -d x \
    "${url}add-checkpoint")" = 421 ] || fault "a request for another host"
stop lite

# --- two witnesses, one policy

"$tern" log init -q --origin example.com/log log >/dev/null || exit 1
for w in one two; do
    "$tern" witness init -q --name "example.com/$w" $w >/dev/null || exit 1
    "$tern" witness add $w log/vkey || fault "cannot add the log to $w"
    serve $w $w
done

policy()
{
    echo "log $(cat log/vkey)"
    echo "witness one $(cat one/vkey) $(cat one.url)"
    echo "witness two $(cat two/vkey) $(cat two.url)"
    echo "group both all one two"
    echo "quorum $1"
}
policy both >both
policy one >any

echo first >entry
"$tern" log append log entry >/dev/null || exit 1
"$tern" log cosign --policy both log >said || fault "not cosigned: $(cat said)"
"$tern" log fsck log >said || fault "after cosigning: $(cat said)"
if command -v openssl >/dev/null; then
    python3 "$script" cosigned log/checkpoint one/vkey two/vkey || fault "OpenSSL disagrees"
else
    echo "SKIPPED: openssl is not there to check the cosignatures"
fi
"$tern" model synth -q tiny-llama -o tiny.gguf &&
    "$tern" run -q -m tiny.gguf -n 4 --receipt r.json hello >/dev/null || exit 1
"$tern" log append log --policy both r.json --proof >/dev/null || fault "append --policy"
"$tern" verify --proof r.json.tlog-proof --policy both r.json >said || fault "$(cat said)"
grep -q 'witnesses *ok *cosigned by one, two, first 20' said || fault "verify: $(cat said)"
"$tern" verify --log log --policy any r.json >said || fault "$(cat said)"
{
    policy both | sed /quorum/d
    echo "witness three $(cat lite/vkey)"
    echo "group more all both three"
    echo "quorum more"
} >more
"$tern" verify --proof r.json.tlog-proof --policy more r.json >said && fault "a witness is missing"
grep -q "witnesses *no *the quorum 'more' is not reached; cosigned by one, two" said ||
    fault "verify: $(cat said)"
# A cosignature that was changed counts for nothing, and spoils the rest.
sed '/example.com\/two /s/A/B/2' r.json.tlog-proof >changed
"$tern" verify --proof changed --policy any r.json >said && fault "a changed cosignature"
"$tern" witness show one --json | grep -q '"size":2' || fault "show: $("$tern" witness show one)"
stop two
echo third | "$tern" log append log --policy both 2>err >/dev/null && fault "published without quorum"
grep -q "quorum 'both' is not reached" err || fault "no reason: $(cat err)"
"$tern" log show log --json | grep -q '"size":2' || fault "it was published all the same"
"$tern" log cosign --policy any log >said || fault "one of two: $(cat said)"
"$tern" log show log --json | grep -q '"size":3' || fault "it was not published then"
serve two two
policy both >both
"$tern" log cosign --policy both log >said || fault "after it came back: $(cat said)"

# --- an old copy of the log, and another history

cp -r log old && cp -r state old-state
echo fourth | "$tern" log append log --policy both >/dev/null || fault "append"
"$tern" log prove log --since 3 >step || exit 1
"$tern" log cosign --policy both old >said 2>&1 && fault "an old copy was cosigned"
grep -q 'an old copy: 4 entries were signed, 3 are here' said || fault "an old copy: $(cat said)"
sed -i "s|.*|$work/old-state/locks|" old/state/store # its lock store was restored with it
"$tern" log cosign --policy both old >said 2>&1 && fault "an old copy was cosigned"
[ "$(grep -c 'it has seen 4 entries' said)" = 2 ] || fault "an old copy: $(cat said)"
printf 'other\n' >other
for i in 1 2; do
    "$tern" log append old other >/dev/null || fault "the other history was not made"
done
"$tern" log cosign --policy both old >said 2>&1 && fault "another history was cosigned"
[ "$(grep -c '422: the consistency proof does not hold' said)" = 2 ] ||
    fault "another history: $(cat said)"
for w in one two; do
    "$tern" witness show $w --json | grep -q '"size":4' || fault "$w has moved"
done
stop one
stop two

# --- a witness that cannot write: nothing is cosigned, and it ends

"$tern" witness init -q broken >/dev/null || exit 1
"$tern" witness add broken log/vkey || exit 1
serve broken broken
mv broken elsewhere
"$tern" log prove log --since 0 |
    curl -s -m 20 -o got -w '%{http_code}' --data-binary @- "$(cat broken.url)add-checkpoint" |
    grep -qx 500 || fault "a witness without its directory"
wait "$(cat broken.pid)"
[ $? -eq 5 ] || fault "exit status of a witness that cannot write"
grep -q 'nothing more is cosigned' broken.err || fault "no reason: $(cat broken.err)"
"$tern" witness show elsewhere | grep -q 'nothing cosigned yet' || fault "it has cosigned"

# --- witnesses that answer what they should not: nothing of it is published

python3 "$script" lie >lie.url 2>lie.err &
servers="$servers $!"
i=0
while [ ! -s lie.url ] && [ $i -lt 200 ]; do
    sleep 0.05
    i=$((i + 1))
done
{
    for kind in other empty large size huge changing moved escape; do
        "$tern" witness init -q --name "example.com/$kind" "liar-$kind" >key
        echo "witness $kind $(cat key) $(cat lie.url)/$kind/"
    done
    echo "group some any other empty large size huge changing moved escape"
    echo "quorum some"
} >liars
"$tern" log cosign --policy liars log >said 2>&1 && fault "lies were believed: $(cat said)"
cat >wanted <<'END'
other                 no   not signed by example.com/other
empty                 no   no signatures after an empty line
large                 no   URL/large/add-checkpoint: an answer of more than 65536 bytes
size                  no   409: -1
huge                  no   409: 99999999999999999999999
changing              no   what it has seen changes all the time
moved                 no   302
escape                no   500: ?[2J
tern: cosign: 0 of 8 witnesses have cosigned; the quorum is not reached
END
sed "s|$(cat lie.url)|URL|" said | diff wanted - || fault "lies"
[ "$(grep -c '^. ' log/checkpoint)" = 1 ] || fault "lies were published: $(cat log/checkpoint)"

# --- killed witnesses

"$tern" log init -q --origin example.com/killed k >/dev/null || exit 1
"$tern" witness init -q w >/dev/null || exit 1
"$tern" witness add w k/vkey || exit 1
i=0
while [ $i -lt 20 ]; do
    echo $i | "$tern" log append k >/dev/null || exit 1
    "$tern" log prove k --since $i >"$(printf 'step.%03d' $i)" || exit 1
    [ $i -ne 4 ] || { cp -r k f; cp -r state f-state; }
    i=$((i + 1))
done
sed -i "s|.*|$work/f-state/locks|" f/state/store
while [ $i -lt 50 ]; do
    echo other
    i=$((i + 1))
done | "$tern" log append f --lines >/dev/null || exit 1
"$tern" log prove f --since 5 >fork || exit 1
hash=$(printf %s example.com/killed | sha256sum | cut -c1-64)
python3 "$script" crash "$tern" w "$hash" fork step.* || fault "after kill -9"
exit $bad
