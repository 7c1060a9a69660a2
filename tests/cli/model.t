# SPDX-License-Identifier: Apache-2.0
# tern model ..., tern bench.

$ tern model synth tiny-qwen3 --type i2_s --head f16 --seed 3 -o a.gguf && tern model synth tiny-qwen3 --type i2_s --head f16 --seed 3 -o b.gguf && cmp a.gguf b.gguf

$ tern model synth tiny-qwen3 --seed 4 -o b.gguf; cmp -s a.gguf b.gguf
? 1

$ tern model synth tiny-qwen -o c.gguf
!~ tern: *
? 2

$ tern model synth tiny-qwen3
! tern: model synth: the output is missing: -o FILE
? 2

$ tern model synth tiny-qwen3 -o missing/c.gguf
!~ tern: file: *
? 5

# --- info

$ tern model info a.gguf | sed -n '1,5p'
> a.gguf
>~   GGUF version 3, * tensors, * weights, * bits a weight
>
> Types
>~   *

$ tern model info a.gguf --tensors | grep 'blk.0.ffn_up'
>~   blk.0.ffn_up.weight *I2_S * 256 x 512 * B at *

$ tern model info a.gguf --json | grep -o '"schema":"[^"]*"\|{"key":"general.architecture"[^}]*}'
> "schema":"tern.model-info/1"
> {"key":"general.architecture","type":"string","value":"qwen3"}

# A file that is cut is shown as far as that is possible.
$ head -c 20000 a.gguf >cut.gguf; tern model info cut.gguf | head -n 1
> cut.gguf
!~ tern: warning: *

$ echo >bad.gguf; tern model info bad.gguf
!~ tern: gguf: *
? 4

# What a terminal would obey does not reach it.
$ set_key a.gguf evil.gguf general.name "$(printf 'a\033[2Jb\nc')" && tern model info evil.gguf | grep general.name | sed 's/  */ /g'
>  general.name a.[2Jb.c

# --- verify

$ tern model verify a.gguf | head -n 1
>~ ok *file *

$ tern model verify cut.gguf
!~ tern: *
? 4

$ tern model verify a.gguf --json | cut -c1-30
> {"schema":"tern.model-verify/1

# Random weights are said to be such, and are no fault.
$ tern model verify a.gguf --selftest | sed 's/  .*//;' | tr '\n' ' '; echo
>~ ok ok ok ok ok note*

$ tern model verify a.gguf --selftest --json | grep -o '"same_bits":false\|"synthetic":true'
> "synthetic":true

# --- pack

$ tern model pack a.gguf
! tern: model pack: the output is missing: -o FILE
? 2

$ tern model pack a.gguf -q -o packed.gguf && tern run -m packed.gguf -n 20 hello >a; tern run -m a.gguf -n 20 hello | cmp - a && test -s a

# --- convert

$ tern model convert
! tern: model convert: INPUT is missing
! hint: 'tern model convert --help' shows how it is used
? 2

$ tern model convert a.gguf -o c.gguf
! tern: convert: 'a.gguf' is a GGUF file already
? 2

# --- bench: figures of a run on a machine that does other things too, so only their form

$ tern bench --synth tiny-bitnet --reps 2 --prompt 16 --generate 4 --json 2>/dev/null >j; grep -o '"[a-z0-9_]*":' j | tr -d '":' | tr '\n' ' ' | fold -s -w 90 | sed 's/ $//'; echo
> schema model name architecture weight_type layout kernel n_params file_bytes
> resident_bytes cpu kernel threads kv reps seed prompt tokens tokens_per_s min max
> peak_fraction cpu_s_per_token generate tokens tokens_per_s min max bandwidth_fraction
> cpu_s_per_token bytes_per_token macs_per_token ceilings read_bytes_per_s int8_mac_per_s
> mac_instruction lowest read_bytes_per_s int8_mac_per_s highest read_bytes_per_s
> int8_mac_per_s load_s session_bytes process load_peak_bytes resident_bytes

# It was made once.
$ ls "$TERN_CACHE/synth"
> tiny-bitnet-default-default-1.gguf
$ tern bench --synth tiny-bitnet --reps 1 --prompt 0 --generate 4 --threads 1 | grep -c '^prompt'
> 0
? 1

$ tern bench --synth tiny-bitnet --reps 0
! tern: bench: option '--reps': '0' is not a whole number from 1 to 1000
? 2
