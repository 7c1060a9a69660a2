# SPDX-License-Identifier: Apache-2.0
# Help, mistakes, exit codes: nothing here needs a model.

$ tern
> Usage: tern COMMAND [OPTION]...
>
>...

$ tern --version
>~ tern [0-9]*.[0-9]*.[0-9]*

$ tern version --json
>~ {"schema":"tern.version/1","version":"[0-9]*.[0-9]*.[0-9]*"}

$ tern run --help | head -n 1
> Usage: tern run [OPTION]... [PROMPT]...

$ tern help run >a; tern run --help >b; tern run -h >c; cmp a b && cmp a c

$ tern help model info | head -n 1
> Usage: tern model info [OPTION]... MODEL

$ tern run --help=json | cut -c1-48
> {"schema":"tern.help/1","command":"run","summary

# --- commands

$ tern rnu
! tern: unknown command 'rnu'
! hint: did you mean 'tern run'?
? 2

$ tern model inof
! tern: model: unknown command 'inof'
! hint: did you mean 'tern model info'?
? 2

$ tern model
! tern: model: a command is missing
! hint: 'tern model --help' lists the commands
? 2

$ tern xyzzy
! tern: unknown command 'xyzzy'
! hint: 'tern --help' lists the commands
? 2

$ tern help nothing
! tern: unknown command 'nothing'
! hint: 'tern --help' lists the commands
? 2

$ tern help run fast
! tern: help: 'tern run' has no command 'fast' below it
? 2

# --- options

$ tern run --tepm 1
! tern: run: unknown option '--tepm'
! hint: did you mean '--temp'?
? 2

$ tern run -Z
! tern: run: unknown option '-Z'
! hint: 'tern run --help' lists the options
? 2

$ tern run -n
! tern: run: option '--tokens' needs a value (N)
? 2

$ tern run -n -5 x
! tern: run: option '--tokens': '-5' is not a whole number up to 4294967295
? 2

$ tern run -n 12x x
! tern: run: option '--tokens': '12x' is not a whole number up to 4294967295
? 2

$ tern run -n 4294967296 x
! tern: run: option '--tokens': '4294967296' is not a whole number up to 4294967295
? 2

$ tern run --temp nan x
! tern: run: option '--temp': 'nan' is not a number from 0 to 100
? 2

$ tern run --top-p 1.5 x
! tern: run: option '--top-p': '1.5' is not a number from 0 to 1
? 2

$ tern run --kv f32 x
! tern: run: option '--kv': 'f32' is not one of f16|i8
? 2

$ tern run --raw=yes x
! tern: run: option '--raw' takes no value
? 2

$ tern run --help=xml
! tern: run: option '--help': 'xml' is not json
? 2

$ tern model info
! tern: model info: MODEL is missing
! hint: 'tern model info --help' shows how it is used
? 2

$ tern model info a b
! tern: model info: 'b' is one argument too many
! hint: 'tern model info --help' shows how it is used
? 2

$ tern completion tcsh
! tern: completion: there is no completion for 'tcsh'
! hint: one of bash, zsh, fish
? 2

# --- models that are not there

$ tern run -m smollm2-135m-instruct hello
! tern: models: the model 'smollm2-135m-instruct' is not on this machine
! hint: 'tern pull smollm2-135m-instruct' obtains it (98.4 MB, licence Apache-2.0)
? 3

$ tern run -m smolm2-135m-instruct hello
! tern: models: 'smolm2-135m-instruct' is neither a file nor the name of a model
! hint: did you mean 'smollm2-135m-instruct'?
? 3

$ tern run -m quux hello
! tern: models: 'quux' is neither a file nor the name of a model
! hint: 'tern model list' lists the models that are here or can be obtained
? 3

$ tern run -m ./nothing.gguf hello
!~ tern: *: cannot open './nothing.gguf': No such file or directory
? 5

$ HOME= TERN_CACHE= tern run -m mine hello
! tern: models: there is no cache directory: neither TERN_CACHE, XDG_CACHE_HOME nor HOME is set
! hint: set TERN_CACHE to a directory, or give a path with -m
? 3

$ echo no model >bad.gguf; tern run -m bad.gguf hello
!~ tern: gguf: *
? 4

# --- where things go

$ tern help >/dev/full
! tern: stdout: cannot write the result: No space left on device
? 5

$ tern help --color always | head -n 1 | od -c | head -n 1
> 0000000 033   [   1   m   U   s   a   g   e   : 033   [   0   m       t

$ NO_COLOR=1 tern help | head -n 1
> Usage: tern COMMAND [OPTION]...

$ tern --quiet run
! tern: options stand after the command 'run'
? 2

# --- doctor and lists

$ tern doctor | grep '^ok *libraries' | cut -c1-17
> ok      libraries

$ tern doctor >/dev/null

$ tern doctor --json | cut -c1-36
> {"schema":"tern.doctor/1","ok":true,

$ TERN_CPU=z80 tern doctor >/dev/null
? 1

$ TERN_CPU=z80 tern doctor | grep kernels
>~ missing kernels        TERN_CPU=z80 is not for this processor; there are scalar*

$ mkdir -p "$TERN_CACHE/models"; touch "$TERN_CACHE/models/mine.gguf" "$TERN_CACHE/models/.gguf"; tern model list --names
> tern-books
> mine

$ tern model list | cut -c1-24 | sed 's/ *$//'
> tern-books
> mine
> smollm2-135m-instruct
>...

# What can be obtained, with its licence and what it is for.
$ tern pull | cut -c1-65 | sed 's/ *$//'
>~ tern-books * MB  here  Apache-2.0  continues
> mine                            0 B  here
> smollm2-135m-instruct       98.4 MB  pull  Apache-2.0  simple cha
> bitnet-b1.58-2b-4t                   pull  MIT         general ch
$ tern pull --list | head -n 1 | cut -c1-10; tern pull --json | grep -o '"schema":"[^"]*"\|"name":"smol[^}]*"licence":"[^"]*"'
> tern-books
> "schema":"tern.model-list/1"
> "name":"smollm2-135m-instruct","here":false,"bytes":98362432,"about":"simple chats in English (SmolLM2 135M); small enough for any machine; 4 bits, not ternary","licence":"Apache-2.0"
$ tern pull --force
! tern: pull: which model?
! hint: 'tern pull' alone lists the names
? 2
$ tern pull --list tern-books
! tern: pull: --list downloads nothing
? 2
