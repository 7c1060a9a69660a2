# SPDX-License-Identifier: Apache-2.0
# tern eval, with small models of random weights: bits are near those of a guess, and always the same.

$ tern model synth tiny-smdr -o tiny.gguf -q; tern model synth tiny-llama -o llama.gguf -q

# Any bytes are a text.
$ i=0; while [ $i -lt 60 ]; do echo "line $i: the quick brown fox jumps over the lazy dog"; i=$((i + 1)); done >text; printf 'no \377\376 UTF-8 \300, and a \0 in it' >bytes

$ tern eval -m tiny.gguf text
> synthetic tiny-smdr, smdr; windows of 1024 tokens, 512 of them scored before, each begun by the token that begins a text
>~ 7.???? bits/byte (95 %: *.???? to *.????), 6.???? nats/token, 3170 bytes in 2* tokens, *.? tokens/s  text

$ tern eval -m tiny.gguf bytes
>~ synthetic tiny-smdr, smdr; *
>~ *.???? bits/byte (too short for an interval), *.???? nats/token, 28 bytes in * tokens, *.? tokens/s  bytes

# SentencePiece's own blank before a text is no byte of it, the text's own is.
$ printf ' once upon  a time' >blank; tern eval -m llama.gguf blank
>~ synthetic tiny-llama, llama; *
>~ *.???? bits/byte (too short for an interval), *.???? nats/token, 18 bytes in 14 tokens, *  blank

$ tern eval -m tiny.gguf text bytes | tail -n 1
>~ *.???? bits/byte (95 %: *), *.???? nats/token, 3198 bytes in * tokens, *  all

$ tern eval -m tiny.gguf --bytes 5 --ctx 8 --overlap 0 text
>~ synthetic tiny-smdr, smdr; windows of 8 tokens, 0 of them scored before, *
>~ * 5 bytes in * tokens, *  text

# The same on every kernel set, with every number of threads, with every chunk.
$ tern eval -m tiny.gguf --json --bytes 400 text bytes | grep -o '"nats":[^,]*' >a; tern eval -m tiny.gguf --json -t 3 --chunk 7 --bytes 400 text bytes | grep -o '"nats":[^,]*' | cmp - a; tern eval -m tiny.gguf --json -t 1 --cpu scalar --layout t2 --bytes 400 text bytes | grep -o '"nats":[^,]*' | cmp - a; wc -l <a
> 3

$ tern eval -m llama.gguf --json -t 2 --bytes 900 text | grep -o '"nats":[^,]*' >a; tern eval -m llama.gguf --json -t 1 --chunk 50 --bytes 900 text | grep -o '"nats":[^,]*' | cmp - a

$ tern eval -m tiny.gguf --json --ctx 64 --overlap 10 bytes | grep -o '"schema":"[^"]*"\|"context":.*"bos":[a-z]*\|"path":"[^"]*","bytes":[0-9]*'
> "schema":"tern.eval/1"
> "context":64,"overlap":10,"bos":true
> "path":"bytes","bytes":28

# One number that everything else of the document follows from.
$ tern eval -m tiny.gguf --json text | sed 's/.*"all"//' | tr ',{' '\n\n' | awk -F: '/"nats"/ {n = $2} /"bytes"/ {b = $2} /"tokens"/ {t = $2} /"bits_per_byte"/ {x = $2} /"perplexity"/ {p = $2} END {d = x - n / log(2) / b; q = p / exp(n / t); print (d * d < 1e-12), (q > 0.99999 && q < 1.00001)}'
> 1 1

# What cannot be measured.
$ : >empty; tern eval -m tiny.gguf empty
! tern: eval: 'empty' is empty
? 2

$ tern eval -m tiny.gguf nothing
! tern: file: cannot open 'nothing': No such file or directory
? 5

$ tern eval -m tiny.gguf
! tern: eval: FILE is missing
!~ hint: *
? 2

$ tern eval -m tiny.gguf --ctx 64 --overlap 64 text
! tern: eval: --overlap 64: must be 0 to 63 in windows of 64
? 2

$ tern eval -m tiny.gguf --ctx 4096 text
!~ tern: session: a context of 4096 tokens: the model was trained for 1024
? 4
