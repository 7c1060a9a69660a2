# SPDX-License-Identifier: Apache-2.0
# tern route: who would answer, with all the numbers; nobody is asked anything but grids, and those offline.

$ printf '%s\n' '{"schema":"tern.routing/1","answer_tokens":200,' '"policy":{"time_max_s":60,"budget":{"g_per_day":1,"reserve_g":0.1,"at_end":"queue"}},' '"local":[{"name":"laptop","model":"tern-books","context":4096,"energy":{"in_j_per_token":0.4,"out_j_per_token":4,"low":0.9,"high":1.1,"word":"measured","source":"an example"},"speed":{"in_tokens_s":100,"out_tokens_s":10,"word":"measured"}}],' '"upstreams":[{"name":"paris","model":"llama-3.1-8b","base_url":"https://api.example.org/v1","provider":"scaleway/fr-par-2","params":{"active_b":8.03},"context":131072,"speed":{"start_s":0.3,"in_tokens_s":2000,"out_tokens_s":60},"price":{"in_usd":0.2,"out_usd":0.2}},' '{"name":"warsaw","model":"llama-3.1-8b","base_url":"https://api.example.org/v1","provider":"scaleway/pl-waw-2","params":{"active_b":8.03},"key_env":"WARSAW_KEY"}]}' >r.json

$ printf 'tern route --config r.json --zone DE --offline --at 2026-11-22T12:00Z "$@"\n' >route; TZ=UTC0; export TZ

# A thin task stays here, though it takes more grams, which is said.
$ sh route "wake me up at seven tomorrow" | sed '/^ .*score lower/d; /^ .*exam questions/d; s/, score.*//'
> text      28 bytes, 6 words, about 7 tokens; 200 are expected as the answer
> task      thin: most like 'alarm'
> decision  local: laptop, model tern-books
>           laptop is here, good enough and fast enough
>           paris would take 84.0 mg less
>           1.00 g of today's budget are left, 0.92 g after it
>
> laptop (here, for thin tasks): yes
>     85.0 mg CO2e (76.5 mg .. 93.4 mg), 0.80 kJ measured (an example); 20.1 s measured; $0
>     DE, 381 g/kWh, mean of 2023; PUE 1.00
> paris (upstream, for all tasks): yes
>     0.97 mg CO2e (97 ug .. 9.66 mg), 53.5 J modelled (EcoLogits v0.9); 3.64 s declared; $4.14e-05
>     FR, 56.0 g/kWh, mean of 2023; PUE 1.16
> warsaw (upstream, for all tasks): no, too slow or speed unknown, its key is not set
>     13.0 mg CO2e (1.30 mg .. 0.13 g), 53.5 J modelled (EcoLogits v0.9); time unknown; price unknown
>     PL, 662 g/kWh, mean of 2023; PUE 1.32

# A thick one goes where it is allowed to; a key is looked for and never shown.
$ WARSAW_KEY=k-1234 sh route "write a proof that there are infinitely many primes and explain each step of it" --json >j; grep -c k-1234 j; grep -o '"class":"[a-z]*"\|"action":"[a-z]*"\|"order":[^]]*]\|"against":[^]]*]' j
> 0
> "class":"thick"
> "action":"upstream"
> "order":["paris"]
> "against":["task"]
> "against":[]
> "against":["time"]

# At the budget's end: refused, since somebody waits; queued, with a deadline after midnight.
$ sh route --used 0.9995 "write a proof that there are infinitely many primes" | sed -n '/^decision/,/^$/p'
> decision  refuse until Mon 23 Nov 00:00 UTC
>           0.50 mg of today's budget are left, and it would take 0.97 mg
>           somebody is waiting for it: it could be tried again Mon 23 Nov 00:00 UTC
>

$ sh route --used 0.9995 --deadline 20h "write a proof that there are infinitely many primes" | sed -n '/^decision/,/^$/p'
> decision  queue until Mon 23 Nov 00:00 UTC
>           0.50 mg of today's budget are left, and it would take 0.97 mg
>           the next day's budget begins Mon 23 Nov 00:00 UTC, before the deadline
>

# A smaller model, out of the reserve.
$ sed 's/"queue"/"smaller"/' r.json >s.json; tern route --config s.json --zone SE --offline --at 2026-11-22T12:00Z --used 1 --answer-tokens 10 "write a proof that there are infinitely many primes" | sed -n '/^decision/,/^$/p'
> decision  upstream: paris, model llama-3.1-8b
>           0 ug of today's budget are left, and it would take 48 ug
>           at the budget's end paris has it, for the fewest grams
>           0 ug of today's budget are left, 0 ug after it
>

# Standard input; counts that are given; the same integers however the text comes.
$ printf 'wake me up at seven tomorrow' | sh route --prompt-tokens 9 --json - | tr ',{' '\n\n' | grep -c '"in_tokens":9$\|"in_tokens_by":"given"$\|"class":"thin"$'
> 3

# Without a configuration there is nobody; with --local, this machine.
$ tern route "tell me a joke" | sed -n '/^decision/,$p'
> decision  refuse
>           nobody is there to have it

$ tern model synth tiny-llama -o tiny.gguf >/dev/null 2>&1; tern route --local tiny.gguf -n 8 --zone SE --offline "tell me a joke" | grep -c '^decision  local: this machine, model \|^this machine (here, for thin tasks): yes$'
> 2

# What cannot be done.
$ tern route ""
! tern: route: the text is empty
? 2

$ printf '{"schema":"tern.routing/1","upstreams":[{"name":"a","model":"m","base_url":"http://far.example/v1","key_env":"K"}]}' >bad.json; tern route --config bad.json hello
!~ tern: routing: 'base_url' would carry a key over plain HTTP (at offset *)
? 4

$ tern route --used 1 hello
! tern: route: --used needs a budget in the configuration
? 2

$ tern model synth tiny-llama -o other.gguf >/dev/null 2>&1; tern route --classifier other.gguf hello
! tern: thin: not a classifier: its architecture is 'llama'
? 4
