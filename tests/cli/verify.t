# SPDX-License-Identifier: Apache-2.0
# Receipts: tern run writes them, tern verify checks them, tern verify --rerun runs again.

$ tern model synth tiny-llama -o tiny.gguf && tern model synth tiny-llama --seed 9 -o other.gguf

# --- written unasked, for the owner only, without the prompt

$ tern run -m tiny.gguf -n 8 "Once upon a time" >out; ls "$HOME/.local/share/tern/receipts" | sed 's/^[0-9A-Z]*//' | sort
> .json
> .json.private

$ stat -c %a "$HOME/.local/share/tern/receipts" "$HOME/.config/tern/receipt.key" "$HOME"/.local/share/tern/receipts/*.private
> 700
> 600
> 600

$ grep -c input_tokens "$HOME"/.local/share/tern/receipts/*.private
> 0
? 1

# By its id; then the prompt is needed to run it again.
$ tern verify "$(basename "$HOME"/.local/share/tern/receipts/*.json .json)" | sed 1d | cut -c3-17 | tr -s ' '
> signature ok
> statement ok
> claims op
> output op
> inclusion op

$ tern verify --rerun -m tiny.gguf "$(basename "$HOME"/.local/share/tern/receipts/*.json .json)"
! tern: verify: the prompt was not kept beside the receipt
! hint: --prompt FILE gives it
? 3

$ echo "Once upon a time" >prompt; tern verify --rerun -m tiny.gguf --prompt prompt -o out "$(basename "$HOME"/.local/share/tern/receipts/*.json .json)" | sed 1d | cut -c1-60
>~   signature    ok    by tern-receipt+*
>~   statement    ok    receipt *
>~   claims       open  8 tokens *
>~   output       ok    * bytes, the receipt's text
>   inclusion    open  --proof FILE or --log DIR shows that it
>~   model        ok    *
>~   input        ok    * tokens, as committed to
>~   rerun        ok    8 tokens, * bytes: the same output

$ echo "Once upon a tide" >prompt; tern verify --rerun -m tiny.gguf --prompt prompt "$(basename "$HOME"/.local/share/tern/receipts/*.json .json)" | grep input
>   input        no    the prompt is not the one that the receipt was given for

$ tern run -m tiny.gguf -n 8 --no-receipt "Once upon a time" | cmp - out; ls "$HOME"/.local/share/tern/receipts/*.json | wc -l
> 1

$ tern run -m tiny.gguf --no-receipt --receipt x hello
! tern: receipt: --no-receipt leaves nothing for --receipt
? 2

# --- written where it is asked for: with everything that running it again needs

$ tern run -m tiny.gguf -n 12 --temp 0.8 --seed 7 --stop "zzzz" --trace --receipt r.json hello >out 2>err; sed 's/ J .*receipt/ J receipt/; s/receipt .*/receipt/; s/ . [0-9.]* [mk]*J / J /' err | tr -cd '\n -~' | cut -c1-9; ls
>~ 12 tokens
> err
> other.gguf
> out
> prompt
> r.json
> r.json.private
> r.json.trace
> tiny.gguf

$ tern verify --rerun -m tiny.gguf r.json | sed -n '/  model /,$p'
>   model        ok    synthetic tiny-llama
>~   input        ok    * tokens, as committed to
>~   rerun        ok    12 tokens, * bytes: the same output
>~   trace        ok    * tokens of * layers: the same bits everywhere

$ tern verify --rerun -m tiny.gguf --cpu scalar --threads 1 r.json | grep -c ' ok '
> 6

# Every setting that changes bits is in the receipt.
$ for o in "--kv i8" "--act 8" "--head q4_0" --raw "--ctx 32 -n 0" "-n 1" "--temp 1 --top-k 9 --top-p 0.9 --min-p 0.01 --repeat-penalty 1.1 --presence-penalty 0.5 --frequency-penalty 0.2 --penalty-last-n 8 --seed 18446744073709551615"; do tern run -q -m tiny.gguf -n 6 $o --trace --receipt o.json "hi there" >out2 2>err; tern verify --rerun -m tiny.gguf -o out2 o.json | head -n 1; done | uniq -c
>~ *7 o.json: verified

$ tern verify --json r.json | grep -o '"schema":"[^"]*"\|"verified":[a-z]*'
> "schema":"tern.verify/1"
> "verified":true
> "verified":true

# A grammar is part of what was asked: its digest is in the receipt, its text beside it.
$ echo '{"type":"array","items":{"type":"boolean"},"minItems":3}' >form.json; tern run -q -m tiny.gguf -n 30 --json-schema form.json --temp 2 --seed 3 --trace --receipt f.json hello >out2 2>err; tern verify --rerun -m tiny.gguf -o out2 f.json | grep -c ' ok '
> 7

$ tern run -q -m tiny.gguf --json-object -n 20 --temp 2 --receipt g.json hello >out2 2>err; tern verify --rerun -m tiny.gguf -o out2 g.json | grep -c ' rerun *ok '
> 1

$ sed -i 's/,"input_tokens".*/}/' f.json.private; echo hello >prompt; tern verify --rerun -m tiny.gguf --prompt prompt f.json >out2
! tern: verify: the grammar (json-schema) was not kept beside the receipt
! hint: --grammar FILE gives it
? 3

$ tern verify --rerun -m tiny.gguf --prompt prompt --grammar form.json f.json | grep -c ' rerun *ok '
> 1

$ echo '{}' >form2.json; tern verify --rerun -m tiny.gguf --prompt prompt --grammar form2.json f.json >out2
! tern: verify: the grammar is not the one of the receipt: another digest
? 2

$ tern verify --rerun -m other.gguf r.json | grep -v ' ok \|open'
> r.json: NOT verified
>   model        no    'other.gguf' is not the model of the receipt: another digest

$ tern verify -o prompt r.json | grep output
>~   output       no    * bytes, another text

# --- somebody else's

$ HOME=$PWD/stranger tern verify r.json
>~ r.json: NOT verified
>~   signature    no    by tern-receipt+*, which is not trusted; --key trusts it
>...
? 1

$ HOME=$PWD/stranger tern verify --key "$HOME/.config/tern/receipt.key.pub" r.json | sed -n 1,2p
> r.json: verified
>~   signature    ok    by tern-receipt+*

$ HOME=$PWD/stranger tern verify --any-key r.json | sed -n 2p
>~   signature    ok    by tern-receipt+*, for whom nothing vouches

$ HOME=$PWD/stranger tern verify --key nonsense r.json
!~ tern: file: *
? 5

# --- damaged

$ sed 's/"payload":"eyJ/"payload":"eyK/' r.json >bad.json; tern verify bad.json
!~ tern: receipt: *
? 4

$ sed 's/"sig":"..../"sig":"AAAA/' r.json >bad.json; tern verify bad.json | sed -n 1,2p
> bad.json: NOT verified
>   signature    no    wrong, or by a key that is not given

$ head -c 300 r.json >bad.json; tern verify bad.json
!~ tern: dsse: JSON at byte 57: string without end *
? 4

$ chmod 644 "$HOME/.config/tern/receipt.key"; tern run -m tiny.gguf -n 1 --receipt s.json hello >out2
!~ tern: key: others may read the private key *
? 2

$ tern run -m tiny.gguf -n 1 hello >out2; chmod 600 "$HOME/.config/tern/receipt.key"
!~ tern: warning: no receipt: key: others may read *

# --- a lie: another model answered, the receipt names the first one

$ tern run -m other.gguf -n 12 --trace --receipt lie.json hello >out2 2>err; grep -c . "$TERN_CACHE/digests"
> 2

$ awk '{ d[NR] = $1; $1 = ""; r[NR] = $0 } END { print d[2] r[1]; print d[1] r[2] }' "$TERN_CACHE/digests" >d && cp d "$TERN_CACHE/digests" && tern run -m other.gguf -n 12 --trace --receipt lie.json hello >out2 2>err; rm "$TERN_CACHE/digests"; tern verify --rerun -m tiny.gguf lie.json | sed -n '/  model /,$p'
>   model        ok    synthetic tiny-llama
>   input        ok    5 tokens, as committed to
>~   rerun        no    differs: first at token 0 (of the prompt, 0), layer 0 of *

# Without the hashes, the tokens that were kept tell where; without those, nothing does.
$ rm lie.json.trace; tern verify --rerun -m tiny.gguf lie.json | grep rerun
>   rerun        no    differs: first at token 5 (of the answer, number 1)

$ rm lie.json.private; echo hello >prompt; tern verify --rerun -m tiny.gguf --prompt prompt lie.json | sed -n '/  model /,$p'
>   model        ok    synthetic tiny-llama
>   input        open  the salt is not known, so that the prompt cannot be compared
>~   rerun        no    differs: another text of * bytes

# --- in a log

$ tern log init -q log >key; tern log append log r.json --proof out; tern verify --log log r.json | grep inclusion
> 0
> 1
>~   inclusion    ok    entry 0 of 2 in tern-log/*

$ tern verify --proof r.json.tlog-proof --log-key log/vkey r.json | grep inclusion
>~   inclusion    ok    entry 0 of 2 in tern-log/*

$ cp log/checkpoint kept; seq 300 | tern log append log --lines >indexes; tern verify --log log --since kept r.json | grep 'inclusion\|consistency'
>~   inclusion    ok    entry 0 of 302 in tern-log/*
>   consistency  ok    2 entries are the first of these 302

$ tern verify --log log --since log/checkpoint r.json | grep consistency
>   consistency  ok    302 entries are the first of these 302

# Another file, a proof of another entry, another log, a log that was made anew.
$ tern verify --log log lie.json --any-key | grep inclusion
>~   inclusion    no    *

$ tern log prove log 1 -o wrong.tlog-proof; tern verify --proof wrong.tlog-proof --log-key log/vkey r.json | grep inclusion
>~   inclusion    no    *

$ tern log init -q log2 >key2; tern log append log2 r.json >indexes; tern verify --log log2 --since kept r.json | grep 'inclusion\|consistency'
>~   inclusion    ok    entry 0 of 1 in tern-log/*
>~   consistency  no    *

$ tern verify --log log2 --log-key log/vkey r.json
!~ tern: log: 'log2/checkpoint': not signed by *
? 4

$ tern verify --log missing r.json
!~ tern: *
? 5

# --- what witnesses say (those that answer are in witness.sh)

$ tern witness init -q w >w.pub; (echo "log $(cat log/vkey)"; echo quorum none) >policy; (echo "log $(cat log/vkey)"; echo "witness w $(cat w.pub)"; echo quorum w) >strict

$ tern verify --proof r.json.tlog-proof --policy policy r.json | grep 'witnesses\|inclusion'
>   witnesses    ok    the policy asks for none
>~   inclusion    ok    entry 0 of 2 in tern-log/*

$ tern verify --log log --policy strict r.json | grep 'witnesses\|inclusion'
>   witnesses    no    the quorum 'w' is not reached; cosigned by none of the witnesses
>~   inclusion    ok    entry 0 of 302 in tern-log/*

$ tern verify --log log2 --policy policy r.json | grep witnesses
>~   witnesses    no    'tern-log/*' is not one of the policy's logs

$ tern verify --policy policy r.json
! tern: verify: --policy needs --proof or --log
? 2

# --- usage

$ tern verify
!~ tern: verify: *
!...
? 2

$ tern verify --proof p r.json
! tern: verify: --proof needs --log-key or --policy: a proof cannot vouch for its own log
? 2

$ tern verify --model tiny.gguf r.json
! tern: verify: --model, --prompt, --system, --stop and --grammar are for --rerun
? 2

$ tern verify missing.json
!~ tern: file: *
? 5

# --- signed records of meters

$ cp "$TERN_SOURCE"/tests/data/ocmf/*.xml .; tern verify test_ocmf_ebee_01.xml
> test_ocmf_ebee_01.xml: verified
>   signature    ok    meter 000033022620 T28, by the key in the file: compare it with the meter's
>   signature    ok    meter 000033022620 T29, by the key in the file: compare it with the meter's
>   pages        ok    2 records, none missing between them
>   energy       ok    0 kWh between first and last reading

$ tern verify --key "$(sed -n 's/.*hex">\(.*\)<.*/\1/p' test_ocmf_keba_kcp30.xml)" test_ocmf_keba_kcp30.xml | sed -n 2p
>   signature    ok    meter 17619300 T32, by a key that was given

$ tern verify test_ocmf_keba_kcp30_fail.xml | sed -n 1,2p; tern verify test_ocmf_keba_kcp30_fail.xml >out
> test_ocmf_keba_kcp30_fail.xml: NOT verified
>   signature    no    record at byte 175: the signature is wrong
? 1

$ tern verify second_key_fail_ocmf.xml | grep ' no '
>   signature    no    record at byte 981: signed with secp256k1, but the key is of prime256v1

$ tern verify isa-edl-40p-ok.xml
!~ tern: ocmf: at byte 117: a signed record that is not OCMF*
? 4

# Receipts against a meter: less than its last digit, which is 0.36 MJ, cannot be seen.
$ tern verify --meter test_ocmf_keba_kcp30.xml r.json | sed -n '/keba/,$p'
> test_ocmf_keba_kcp30.xml: verified
>   signature    ok    meter 17619300 T32, by the key in the file: compare it with the meter's
>   pages        ok    1 records, none missing between them
>   energy       ok    0.0001 kWh between first and last reading
>~   sum          ok    1 receipts: * uJ given out, 360000000 uJ counted, which agree within *
