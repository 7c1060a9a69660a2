# SPDX-License-Identifier: Apache-2.0
# tern audit: a sample that anybody can draw again, receipts run again, a report that is logged.

$ tern model synth tiny-llama -o tiny.gguf && tern model synth tiny-llama --seed 9 -o other.gguf
$ for i in 1 2 3 4 5 6 7 8; do tern run -q -m tiny.gguf -n 4 --receipt r$i.json "question $i"; done >out 2>err

$ tern audit --count 3 --seed-from text:dice -m tiny.gguf r*.json
> 3 of 8 receipts run again: 3 the same, 0 not, 0 unanswered
> had 1 been false, one would have been met with 37.5 %

# The same seed and list, in any order and with repetitions: the same sample.  Another: another.
$ tern audit --json --count 3 --seed-from text:dice -m tiny.gguf r*.json | grep -o '"number":[0-9]*' >a; tern audit --json --count 3 --seed-from text:dice -m tiny.gguf r8.json r3.json r*.json | grep -o '"number":[0-9]*' | cmp - a; for i in 1 2 3; do tern audit --json --count 3 --seed-from hex:0$i -m tiny.gguf r*.json | grep -o '"number":[0-9]*' | cmp -s - a || echo another; done | sort -u
> another

$ tern audit --fraction 0.5 --seed-from random -m tiny.gguf r*.json | head -n 1
> 4 of 8 receipts run again: 4 the same, 0 not, 0 unanswered

# --- lies, and what cannot be answered

$ rm r1.json.private; tern audit --count 8 --seed-from text:dice -m tiny.gguf r*.json
>~ receipt *: unanswered: the prompt was not kept beside the receipt
> 8 of 8 receipts run again: 7 the same, 0 not, 1 unanswered
> had 1 been false, one would have been met with 100 %
? 1

$ tern run -q -m other.gguf -n 4 --receipt x.json "question 1" >out 2>err; awk '{ d[NR] = $1; $1 = ""; r[NR] = $0 } END { print d[2] r[1]; print d[1] r[2] }' "$TERN_CACHE/digests" >d && cp d "$TERN_CACHE/digests" && tern run -q -m other.gguf -n 4 --receipt x.json "question 1" >out 2>err; rm "$TERN_CACHE/digests"; tern audit --count 9 --seed-from text:dice -m tiny.gguf x.json r*.json | grep ' no: \|again'
>~ receipt *: no: differs: first at token * (of the answer, number 1)
> 9 of 9 receipts run again: 7 the same, 1 not, 1 unanswered

$ echo '{}' >bad.json; tern audit --count 1 --seed-from text:dice -m tiny.gguf bad.json | head -n 1
> receipt ?: unanswered: envelope at byte 0: 'payloadType' is not there or is no string

# --- in a log

$ tern log init -q log >key; tern log append log r2.json r3.json r4.json >indexes; echo other | tern log append log >indexes
$ mkdir kept; for i in 2 3 4; do id=$(tern verify r$i.json | sed -n 's/.*receipt \([0-9A-Z]*\):.*/\1/p'); cp r$i.json.private kept/$id.json.private; done

$ tern audit --count 2 --seed-from text:dice --log log --receipts kept -m tiny.gguf --append -o report
> the report is entry 4 of the log
> 2 of 3 receipts run again: 2 the same, 0 not, 0 unanswered
> had 1 been false, one would have been met with 66.67 %

$ tern log show log 4 | cmp - report; grep -o '"payloadType":"[^"]*"' report
> "payloadType":"application/vnd.tern.audit+json"

$ tern audit --count 3 --seed-from text:dice --log log -m tiny.gguf | tail -n 2 | head -n 1
> 3 of 3 receipts run again: 0 the same, 0 not, 3 unanswered

# --- usage

$ tern audit --count 1 -m tiny.gguf r2.json
! tern: audit: --seed-from is missing: what is drawn must not be anybody's choice
? 2

$ tern audit --count 1 --fraction 0.1 --seed-from random r2.json
! tern: audit: either --count or --fraction says how many
? 2

$ tern audit --count 1 --seed-from random
! tern: audit: either --log or receipts say what to draw from
? 2

$ tern audit --count 1 --seed-from dice r2.json
! tern: audit: 'dice' is no source: file:PATH, hex:DIGITS, text:WORDS or random
? 2

$ tern audit --count 1 --seed-from text: r2.json
! tern: audit: 'text:' is empty
? 2

$ tern audit --count 1 --seed-from hex:0 r2.json
! tern: audit: '0' is not hexadecimal
? 2
