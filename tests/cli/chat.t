# SPDX-License-Identifier: Apache-2.0
# tern chat, and tern run with a chat template.

$ tern model synth tiny-llama -o tiny.gguf && set_key tiny.gguf chat.gguf tokenizer.chat_template "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

$ tern chat -m tiny.gguf
! tern: chat: the model has no chat template that tern knows
! hint: 'tern run --raw' continues a text with it; 'tern pull' lists models that chat, for -m
? 4

# One line, one answer; the answer to the first is that of `run`.
$ printf 'hello\n' | tern chat -m chat.gguf -n 8 >a 2>/dev/null; tern run -m chat.gguf -n 8 hello >b; cmp a b && test -s a
$ printf 'hello\r\n\n\nhow are you\n' | tern chat -q -m chat.gguf -n 8 >c; printf 'hello\nhow are you' | tern chat -q -m chat.gguf -n 8 >d; cmp c d

# --raw and the template differ, a system message too.
$ tern run -m chat.gguf -n 8 --json hello | grep -o '"prompt_tokens":[0-9]*' >t; tern run -m chat.gguf -n 8 --json --raw hello | grep -o '"prompt_tokens":[0-9]*' >r; cmp -s t r
? 1
$ printf 'hello\n' | tern chat -q -m chat.gguf -n 8 -s "Be brief." >e; tern run -m chat.gguf -n 8 -s "Be brief." hello | cmp - e

# A line that ends in a backslash goes on in the next one.
$ printf 'hello\\\nthere\n/save two.json\n' | tern chat -q -m chat.gguf -n 8 >/dev/null; grep -o '"content":"hello[^"]*"' two.json
> "content":"hello\nthere"

# Saved, loaded, continued: the same as in one go.
$ printf 'one\ntwo\n' | tern chat -q -m chat.gguf -n 8 >whole; printf 'one\n/save talk.json\n' | tern chat -m chat.gguf -n 8 >part
! (cut after 8 tokens; -n sets the limit)
! (2 messages saved)
$ printf 'two\n' | tern chat -q -m chat.gguf -n 8 --load talk.json >>part; cmp whole part
$ printf '/load talk.json\ntwo\n/quit\nthree\n' | tern chat -q -m chat.gguf -n 8 >again; tail -n 1 whole | cmp - again
$ printf 'zero\n/reset\none\n' | tern chat -q -m chat.gguf -n 8 | sed -n '$p' >f; sed -n 1p whole | cmp - f

# Old messages are forgotten when the context is full.
$ for i in 1 2 3 4 5 6 7 8; do echo "message number $i, which is long enough to fill some context"; done | tern chat -m chat.gguf -n 8 --ctx 256 2>err | wc -l; sort -u err
>~ [0-9]*
> (cut after 8 tokens; -n sets the limit)
> (the context is full: the oldest messages are forgotten)

$ printf '/hepl\n' | tern chat -m chat.gguf
! tern: chat: unknown command '/hepl'
! hint: /help lists what there is
? 2

$ printf '/save\n' | tern chat -m chat.gguf
! tern: chat: /save needs a file name
? 2

$ printf '/help\n' | tern chat -m chat.gguf
! /reset        start over
!...

$ printf '/load nothing.json\n' | tern chat -m chat.gguf
!~ tern: file: cannot open 'nothing.json': *
? 5

$ echo '{"schema":"tern.chat/1","messages":[{"role":"king","content":"x"}]}' >bad.json; printf '/load bad.json\n' | tern chat -m chat.gguf
! tern: chat: 'bad.json': message 1 has no role that is known (at offset 44)
? 4

$ echo '{"messages":[]}' >bad.json; printf '/load bad.json\n' | tern chat -m chat.gguf
! tern: chat: 'bad.json' is not a saved conversation: no schema tern.chat/1
? 4

$ echo '{"schema"' >bad.json; printf '/load bad.json\n' | tern chat -m chat.gguf
! tern: chat: 'bad.json': JSON at byte 10: ':' expected (at offset 10)
? 4

$ tern run -m chat.gguf ""
! tern: run: the prompt is empty
! hint: tern run "Once upon a time"
? 2

$ printf 'a\0b' | tern run -m chat.gguf
! tern: run: the prompt has a NUL byte; --raw accepts it (at offset 1)
? 2

# A receipt for each answer.  Every one can be run again by itself: also the later ones, whose
# session held most of their input, and with tokens drawn at random.
$ printf 'one\ntwo\nthree\n' | tern chat -q -m chat.gguf -n 8 --temp 1.5 --seed 7 --no-receipt >said; ls ~/.local/share/tern/receipts/*.json >before; printf 'one\ntwo\nthree\n' | tern chat -q -m chat.gguf -n 8 --temp 1.5 --seed 7 --keep-input | cmp - said; ls ~/.local/share/tern/receipts/*.json | grep -vxFf before >new; grep -c . new
> 3
$ for r in $(cat new); do tern verify --rerun -q -m chat.gguf $r | grep -c 'verified'; done
> 1
> 1
> 1
$ for r in $(cat new); do sed 's/.*"payload":"\([^"]*\)".*/\1/' $r | base64 -d | grep -o '"seed":"[0-9]*"'; done
> "seed":"7"
> "seed":"8"
> "seed":"9"
$ tern chat -m chat.gguf --no-receipt --keep-input
! tern: receipt: --no-receipt leaves nothing for --keep-input
? 2

# The oldest are removed beyond a number, with what belongs to them; other files are not.
$ cd ~/.local/share/tern/receipts; touch keep.json 01J00000000000000000000000.txt; TERN_RECEIPTS=2 tern run -q -m "$OLDPWD/tiny.gguf" -n 1 --keep-input a >/dev/null; ls | sed 's/^01[^J]\(.\{23\}\)/ID/' | sort | uniq -c | sed 's/^ *//'
> 1 01J00000000000000000000000.txt
> 2 ID.json
> 2 ID.json.private
> 1 keep.json
