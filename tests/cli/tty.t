# SPDX-License-Identifier: Apache-2.0
# What is different on a terminal.  `script` makes one; it joins both streams and writes \r\n.

$ tern model synth tiny-llama -o tiny.gguf && set_key tiny.gguf chat.gguf tokenizer.chat_template "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

# A line about the answer, only there.
$ script -qec 'tern run -m tiny.gguf -n 4 hello' /dev/null </dev/null | tail -n 2 | tr -d '\r'
>~ 4 tokens, * tokens/s; prompt 5 tokens, * tokens/s; ended by: length
>~ 4 tokens * receipt *
$ tern run -m tiny.gguf -n 4 hello >/dev/null
$ script -qec 'tern run -q -m tiny.gguf -n 4 hello' /dev/null </dev/null | grep -c 'ended by'
> 0
? 1

# Random bytes do not reach it: with a high temperature a vocabulary of bytes says all of them.
$ tern run -m tiny.gguf --temp 100 -n 400 hello | LC_ALL=C tr -d '\n\t' | LC_ALL=C grep -c '[[:cntrl:]]'
> 1
$ script -qec 'tern run -q -m tiny.gguf --temp 100 -n 400 hello' /dev/null </dev/null | LC_ALL=C tr -d '\n\t\r' | LC_ALL=C grep -c '[[:cntrl:]]'
> 0
? 1

# Colour, unless somebody minds.
$ script -qec 'tern rnu' /dev/null </dev/null | od -c | head -n 1
> 0000000 033   [   1   ;   3   1   m   t   e   r   n   : 033   [   0   m
$ NO_COLOR=1 script -qec 'tern rnu' /dev/null </dev/null | head -n 1 | tr -d '\r'
> tern: unknown command 'rnu'
$ TERM=dumb script -qec 'tern rnu' /dev/null </dev/null | head -n 1 | tr -d '\r'
> tern: unknown command 'rnu'
$ script -qec 'tern --quiet --color never rnu' /dev/null </dev/null | head -n 1 | tr -d '\r'
> tern: options stand after the command 'rnu'

# A prompt for a person; mistakes do not end the conversation.
$ printf 'hello\n/hepl\n/quit\n' | script -qec 'tern chat -m chat.gguf -n 4' /dev/null | tr -d '\r' | grep -o '^> \|unknown command\|Ctrl-D ends' | sed 's/^> $/prompt/' | sort | uniq -c | sed 's/^ *//'
> 1 Ctrl-D ends
> 3 prompt
> 1 unknown command

# While an answer is given the last line says what it takes; then the terminal is as before.
$ set_key "$TERN_SOURCE/models/tern-books.gguf" books.gguf tokenizer.chat_template "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
$ echo 'Once upon a time' | TERM=xterm TERN_ZONE=DE script -qec 'stty rows 24 cols 120; tern chat -m books.gguf -n 120 --seed 1 --threads 1' /dev/null >live; grep -q "$(printf '\033')\[24;1H.*[0-9] tokens/s .*[0-9] [mu]*J [a-z]* .*g CO2e (DE" live && echo shown
> shown
$ grep -o '\[1;23r' live | wc -l; grep -o "$(printf '\033')\[r" live | wc -l
> 1
> 1
$ tr -d '\r' <live | grep -o 'tokens/s; prompt [0-9]* tokens'
> tokens/s; prompt 37 tokens
$ for how in 'TERM=dumb tern chat' 'tern chat -q' 'stty rows 3; tern chat'; do echo 'Once upon a time' | TERM=xterm script -qec "stty rows 24 cols 120; $how -m books.gguf -n 60 --seed 1" /dev/null | grep -c '\[1;[0-9]*r'; done
> 0
> 0
> 0
? 1
$ echo 'Once upon a time' | TERM=xterm tern chat -m books.gguf -n 60 --seed 1 2>/dev/null | grep -c "$(printf '\033')"
> 0
? 1
