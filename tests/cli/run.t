# SPDX-License-Identifier: Apache-2.0
# tern run, with a small model of random weights: what it says is nonsense, but always the same.

$ tern model synth tiny-llama -o tiny.gguf

$ tern run -m tiny.gguf -n 20 "Once upon a time" >a; tern run -m ./tiny.gguf -n 20 Once upon a time >b; printf 'Once upon a time\n' | tern run -m tiny.gguf -n 20 >c; printf 'Once upon a time' | tern run -m tiny.gguf -n 20 - >d; cmp a b && cmp a c && cmp a d && test -s a

# The same on every kernel set, with every number of threads, with every chunk.
$ tern run -m tiny.gguf -n 20 --cpu scalar --threads 1 --chunk 1 "Once upon a time" | cmp - a
$ tern run -m tiny.gguf -n 20 --threads 3 --layout t2 "Once upon a time" | cmp - a

$ tern run -m tiny.gguf -n 3 --json hello | grep -o '"prompt_tokens":[0-9]*,"tokens":\[[0-9]*,[0-9]*,[0-9]*\]' | cut -d, -f1
> "prompt_tokens":5

$ tern run -m tiny.gguf -n 3 --json hello | grep -o '"schema":"[^"]*"\|"stop_reason":"[^"]*"\|"architecture":"[^"]*"'
> "schema":"tern.run/1"
> "architecture":"llama"
> "stop_reason":"length"

$ tern run -m tiny.gguf --json --ctx 16 -n 0 "Once upon a time" | grep -o '"stop_reason":"[^"]*"'
>~ "stop_reason":"*"

# Seeds: the same one repeats itself, another one does not.
$ for seed in 1 1 2; do tern run -m tiny.gguf --raw -n 20 --temp 2 --seed $seed hello | cksum; done | uniq -c | wc -l
> 2

# A stop sequence ends the text before it.
$ tern run -m tiny.gguf -n 20 --json hello >j; stop=$(grep -o '"text":".[^"]*' j | cut -c9-); test -n "$stop"

$ tern run -m tiny.gguf -n 20 hello | head -c 1 >first; tern run -m tiny.gguf -n 20 --stop "$(tern run -m tiny.gguf -n 20 hello | head -c 400)" --json hello | grep -o '"stop_reason":"stop"\|"text":""'
> "text":""
> "stop_reason":"stop"

# Answers that have a form: docs/grammar.md.
$ echo '{"type":"object","properties":{"n":{"type":"integer","minimum":10,"maximum":12},"say":{"enum":["yes","no"]}},"required":["n","say"]}' >form.json; for s in 1 2 3 4; do tern run -q --no-receipt -m tiny.gguf --json-schema form.json --temp 2 --seed $s hello | tr -d '[:space:]'; echo; done | grep -cxE '\{"n":1[012],"say":"(yes|no)"\}'
> 4

$ for t in 1 3; do tern run -q --no-receipt -m tiny.gguf --threads $t --json-object -n 40 --temp 2 --seed 5 hello; done | uniq | wc -l
> 1

$ tern run -m tiny.gguf -n 40 --json-object --temp 2 --seed 7 --json hello | grep -o '"stop_reason":"[^"]*"'
> "stop_reason":"end"

$ echo 'root ::= "ja" | "nein"' | tern run -q --no-receipt -m tiny.gguf --grammar - hello | grep -cxE 'ja|nein'
> 1

# Too short for any: it comes as near to an end as it can.
$ echo '{"const":"a long text"}' | tern run -q --no-receipt -m tiny.gguf --json-schema - -n 1 --json hello | grep -o '"stop_reason":"[^"]*"'
> "stop_reason":"length"

$ echo '{"pattern":"a"}' | tern run -m tiny.gguf --json-schema - hello
! tern: schema: '-': keyword 'pattern' is not supported (at offset 11)
? 4

$ echo 'root ::= x' >form; tern run -m tiny.gguf --grammar form hello
! tern: grammar: 'form': there is no rule 'x' (at offset 9)
? 4

$ tern run -m tiny.gguf --grammar form --json-object hello
! tern: grammar: --json-object, --json-schema and --grammar exclude each other
? 2

$ echo x | tern run -m tiny.gguf --grammar -
! tern: run: the prompt and the form cannot both be read from standard input
? 2

# What cannot be done is said before anything is computed.
$ tern run -m tiny.gguf ""
>...

$ tern run -m tiny.gguf --system x hello
! tern: run: --system needs a model with a chat template
? 2

$ tern run -m tiny.gguf --system x --raw hello
! tern: run: --system cannot be used with --raw
? 2

$ tern run -m tiny.gguf --stop "" hello
!~ tern: stream: *
? 2

$ tern run -m tiny.gguf --ctx 999999 hello
!~ tern: session: *
? 4

$ tern run -m tiny.gguf --ctx 4 -n 4 "Once upon a time there was a model"
!~ tern: session: *
! hint: --ctx N makes room for a longer conversation
? 4

$ TERN_CPU=z80 tern run -m tiny.gguf hello
!~ tern: *
? 3

$ head -c 5000 tiny.gguf >cut.gguf; tern run -m cut.gguf hello
!~ tern: gguf: *
? 4

# Ctrl-C: what there is is printed, and the status says so.
$ mkfifo f; tern run -m tiny.gguf - <f & pid=$!; exec 9>f; sleep 0.3; kill -TERM $pid; wait $pid; echo $?
> 143

# A reader that goes away ends it.
$ tern run -m tiny.gguf -n 2000 hello | head -c 1 | wc -c
> 1
