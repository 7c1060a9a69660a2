# SPDX-License-Identifier: Apache-2.0
# tern embed, with a small model of random weights: what it says means little, but always the same.

$ tern model synth tiny-smdr -o tiny.gguf -q; tern model synth tiny-llama -o llama.gguf -q

$ tern embed -m tiny.gguf "once upon a time" | awk '{print length($0), gsub(/[^0-9a-f]/, "")}'
> 512 0

$ tern embed -m tiny.gguf --form indices "once upon a time" | awk '{for (i = 2; i <= NF; i++) if ($i <= $(i - 1) || $i > 2047) print "bad"; print NF}'
> 41

# Both forms say the same: the lowest bit that is on.
$ tern embed -m tiny.gguf --form indices hello >i; tern embed -m tiny.gguf hello | awk -v first="$(cut -d' ' -f1 i)" '{ at = int(first / 8); byte = substr($0, 2 * at + 1, 2); head = substr($0, 1, 2 * at); gsub(/0/, "", head); print (head == "" && byte != "00") }'
> 1

# The same on every kernel set, with every number of threads; of a text, a line, several.
$ tern embed -m tiny.gguf hello "to you" >a; tern embed -m tiny.gguf --cpu scalar -t 1 --layout t2 hello "to you" | cmp - a; printf 'hello\nto you' | tern embed -m tiny.gguf -t 3 - | cmp - a; printf 'to you\n' | tern embed -m tiny.gguf hello - | cmp - a; sort -u a | wc -l
> 2

$ tern embed -m llama.gguf -t 1 hello >a; tern embed -m llama.gguf -t 2 hello | cmp - a

$ tern embed -m tiny.gguf --compare hello hello
> 41 of 41 bits (1.000)

$ tern embed -m tiny.gguf --compare hello "quite another thing"
>~ [0-9]* of 41 bits (0.???)

$ tern embed -m tiny.gguf --compare --json hello hello | grep -o '"schema":"[^"]*"\|"bits":2048,"texts":\[{"tokens":[0-9]*,"on":\[[0-9]*,\|"overlap":.*'
> "schema":"tern.embed/1"
>~ "bits":2048,"texts":[{"tokens":[0-9]*,"on":[[0-9]*,
> "overlap":41,"similarity":1}

$ tern embed -m tiny.gguf --json --ctx 4 "a text of more than one window" | tr '{' '\n' | grep -c '"tokens":'
> 1

# What cannot be done.
$ tern embed -m tiny.gguf ""
! tern: embed: the text is empty
? 2

$ printf 'a\n\nb\n' | tern embed -m tiny.gguf - >/dev/null
! tern: embed: line 2 of standard input is empty
? 2

$ tern embed -m tiny.gguf --compare one
! tern: embed: --compare takes two texts, not 1
? 2

$ tern embed -m tiny.gguf --compare one two three
! tern: embed: --compare takes two texts, not more
? 2

$ tern embed -m tiny.gguf
! tern: embed: TEXT is missing
!~ hint: *
? 2
