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

# A prompt for a person; mistakes do not end the conversation.  A terminal that cannot move its
# cursor gets lines as they come.
$ printf 'hello\n/hepl\n/quit\n' | TERM=dumb script -qec 'tern chat -m chat.gguf -n 4' /dev/null | tr -d '\r' | grep -o '^> \|unknown command\|Ctrl-D ends' | sed 's/^> $/prompt/' | sort | uniq -c | sed 's/^ *//'
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

# Lines are edited, in whole characters; the arrow keys bring back what was said.  Nothing of it
# is kept on disk.
$ typist() { python3 "$TERN_SOURCE/tests/cli/typist.py" "$@"; }; TERM=xterm typist seen 'tern chat -q -m chat.gguf -n 2 --no-receipt' '4h> ' 'hello\r' '4h> ' '\e[A\e[D\e[DX\r' '4h> ' 'gr\xc3\xbc\xc3\xb1\xe4\xbd\xa0\x7f\x7fn\r' '4h> ' '\e[A\e[A\e[B\x01>\x05<\r' '4h> ' '/sa\tsaid.json\r' '4h> ' '\x04'
> exit 0
> the terminal is as before
$ grep -o '"user","content":"[^"]*"' said.json | sed "s/$(printf '\303\274')/U+00FC/"
> "user","content":"hello"
> "user","content":"helXlo"
> "user","content":"grU+00FCn"
> "user","content":">grU+00FCn<"
$ ls ~/.local/share/tern 2>/dev/null | grep -c hist
> 0
? 1

# With --history it is, for the owner only, and the next conversation has it; also Ctrl-R.
$ for keys in 'first\r' '\e[A second\r' '\x12fir\x1b\e[F third\r'; do TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -q -m chat.gguf -n 2 --no-receipt --history' '4h> ' "$keys" '4h> ' '\x04'; done | sort | uniq -c | sed 's/^ *//'
> 3 exit 0
> 3 the terminal is as before
$ cd ~/.local/share/tern; stat -c %a chat_history.json; cat chat_history.json
> 600
> {"schema":"tern.chat-history/1","typed":[
> "first",
> "first second",
> "first second third"]}
$ echo '{}' >~/.local/share/tern/chat_history.json; TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -q -m chat.gguf -n 2 --history'; tr -d '\r' <seen | grep -o 'is no history of chats: no schema tern.chat-history/1'; cat ~/.local/share/tern/chat_history.json
> exit 4
> the terminal is as before
> is no history of chats: no schema tern.chat-history/1
> {}
$ rm ~/.local/share/tern/chat_history.json; printf 'hello\n' | tern chat -q -m chat.gguf -n 2 --no-receipt --history >/dev/null; ls ~/.local/share/tern | grep -c hist
> 0
? 1

# What is pasted is one message, with its lines; Alt-Return and a backslash begin a new line, too.
$ TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -q -m chat.gguf -n 2 --no-receipt' '4h> ' '\e[200~one\rtwo\r\nthree\r\e[201~' 'three' '\r' '4h> ' 'four\e\rfive\r' '4h> ' 'six\\\r' '4h. ' 'seven\r' '4h> ' '\e[A!\r' '4h> ' '/save said.json\r' '4h> ' '\x04'
> exit 0
> the terminal is as before
$ grep -o '"user","content":"[^"]*"' said.json
> "user","content":"one\ntwo\nthree"
> "user","content":"four\nfive"
> "user","content":"six\nseven"
> "user","content":"six\nseven!"

# A text that is higher than the window (libedit's own keys that move the cursor end the program here).
$ many=$(seq -s '\r' 25); wide=$(printf '%0120d' 0); TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -q -m chat.gguf -n 2 --no-receipt' '4h> ' "\\e[200~$many\\e[201~\\x01\\x05$wide!" '!' '\e[D\e[1;5D\x01<\x05>' '>' '\x03' '4h> ' '\x04'
> exit 0
> the terminal is as before

# Ctrl-C takes a line back, or what was begun with a backslash; in an empty one it ends the program.
$ TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -q -m chat.gguf -n 2 --no-receipt' '4h> ' 'not this' 'this' '\x03' '4h> ' 'nor\\\r' '4h. ' '\x03' '4h> ' 'but\r' '4h> ' '/save said.json\r' '4h> ' '\x03'
> exit 130
> the terminal is as before
$ grep -o '"user","content":"[^"]*"' said.json
> "user","content":"but"

# Ctrl-D counts also when it was typed before there was a prompt.
$ printf 'hello\n' | TERM=xterm script -qec 'tern chat -q -m chat.gguf -n 2 --no-receipt' /dev/null | tr -d '\r' | grep -c '4h> '
> 2

# The window changes, and the program is stopped and continued (here nobody would continue it, so
# the system does not stop it): the line is drawn again.
$ TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -q -m chat.gguf -n 2 --no-receipt' '4h> ' 'abc' 'abc' 'resize:50' '\e[J> abc' 'signal:TSTP' '4l' '' '\e[J> abc' '\r' '4h> ' '\x04'
> exit 0
> the terminal is as before

# A signal that ends it leaves the terminal as it was, while a line is edited and in an answer.
$ for signal in TERM HUP QUIT; do TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -q -m chat.gguf' '4h> ' 'abc' 'abc' signal:$signal; TERM=xterm python3 "$TERN_SOURCE/tests/cli/typist.py" seen 'tern chat -m books.gguf -n 0 --no-receipt' '4h> ' 'Once upon a time\r' 'tokens/s' signal:$signal; done
> exit 143
> the terminal is as before
> exit 143
> the terminal is as before
> ended by SIGHUP
> the terminal is as before
> ended by SIGHUP
> the terminal is as before
> ended by SIGQUIT
> the terminal is as before
> ended by SIGQUIT
> the terminal is as before
