# SPDX-License-Identifier: Apache-2.0
# tern providers: a ranking with ranges, and unknown where nobody has published anything.

$ TZ=UTC0 tern providers --at 2026-11-22T12:00Z
> model         8 billion parameters, grams CO2e for 1000 tokens of the answer
> hour          Sun 22 Nov 12:00 UTC
> estimate      EcoLogits v0.9 for those elsewhere: the middle, and a range of 10 times each way
> this machine  not measured: --local MODEL runs one and measures it
> unknown PUE   from 1 to 1.56, the world's mean (Uptime Institute, Global Data Center Survey 2024, as Green Algorithms 3.0 has it)
>
>  #  tier    who                    grams     range                 PUE        grid
>  1  gold    atnorth Iceland        2.26 mg   0.21 mg .. 24.7 mg    1.00-1.20  IS, 27.7 g/kWh, mean of 2022
>  2  gold    infomaniak Geneva D4   2.72 mg   0.26 mg .. 28.5 mg    1.00-1.10  CH, 34.8 g/kWh, mean of 2023
>  3  gold    exoscale Switzerland   4.04 mg   0.26 mg .. 40.4 mg    unknown    CH, 34.8 g/kWh, mean of 2023
>  4  silver  atnorth Sweden         4.72 mg   0.30 mg .. 47.2 mg    unknown    SE, 40.7 g/kWh, mean of 2023
>  5  silver  scaleway fr-par-2      4.83 mg   0.48 mg .. 48.3 mg    1.16       FR, 56.0 g/kWh, mean of 2023
>  6  silver  ovhcloud GRA           5.33 mg   0.53 mg .. 53.3 mg    1.28       FR, 56.0 g/kWh, mean of 2023
>  7  silver  scaleway Paris         5.45 mg   0.48 mg .. 60.8 mg    1.16-1.46  FR, 56.0 g/kWh, mean of 2023
>  8  silver  scaleway fr-par-3      6.00 mg   0.60 mg .. 60.0 mg    1.44       FR, 56.0 g/kWh, mean of 2023
>  9  silver  scaleway fr-par-1      6.08 mg   0.61 mg .. 60.8 mg    1.46       FR, 56.0 g/kWh, mean of 2023
> 10  silver  hetzner Finland        9.17 mg   0.59 mg .. 91.7 mg    unknown    FI, 79.2 g/kWh, mean of 2023
> 11  bronze  exoscale Austria       12.8 mg   0.82 mg .. 0.13 g     unknown    AT, 111 g/kWh, mean of 2023
> 12  bronze  scaleway nl-ams-3      23.9 mg   2.39 mg .. 0.24 g     1.20       NL, 268 g/kWh, mean of 2023
> 13  bronze  scaleway nl-ams-1      27.4 mg   2.74 mg .. 0.27 g     1.38       NL, 268 g/kWh, mean of 2023
> 14  bronze  scaleway nl-ams-2      27.8 mg   2.78 mg .. 0.28 g     1.40       NL, 268 g/kWh, mean of 2023
> 15  bronze  leafcloud              31.0 mg   1.99 mg .. 0.31 g     unknown    NL, 268 g/kWh, mean of 2023
> 16  bronze  hetzner Germany        44.2 mg   2.83 mg .. 0.44 g     unknown    DE, 381 g/kWh, mean of 2023
> 17  bronze  exoscale Germany       44.2 mg   2.83 mg .. 0.44 g     unknown    DE, 381 g/kWh, mean of 2023
> 18  bronze  scaleway pl-waw-2      64.9 mg   6.49 mg .. 0.65 g     1.32       PL, 662 g/kWh, mean of 2023
> 19  bronze  scaleway pl-waw-3      70.3 mg   7.03 mg .. 0.70 g     1.43       PL, 662 g/kWh, mean of 2023
> 20  bronze  scaleway pl-waw-1      74.3 mg   7.43 mg .. 0.74 g     1.51       PL, 662 g/kWh, mean of 2023
>  -  -       aki.io                 unknown   0.15 mg .. 1.51 g     unknown    grid unknown
>  -  -       akash                  unknown   0.15 mg .. 1.51 g     unknown    grid unknown
>  -  -       gensyn                 unknown   0.15 mg .. 1.51 g     unknown    grid unknown
>  -  -       green-ai-cloud         unknown   0.15 mg .. 1.51 g     unknown    grid unknown
>  -  -       this machine           unknown   not measured          1          grid unknown
>
> prices        unknown, but for these, as their pages have them
>   ovhcloud GRA      gpt-oss-20b            0.05 in, 0.18 out  USD for a million tokens  secondary
>   ovhcloud GRA      gpt-oss-120b           0.09 in, 0.47 out  USD for a million tokens  secondary
>   ovhcloud GRA      Llama-3.3-70B          0.74 in, 0.74 out  USD for a million tokens  secondary
>   ovhcloud GRA      l4-90, NVIDIA L4       0.75               EUR for an hour           secondary
>   scaleway Paris    mistral-small-3.2-24b  0.15 in, 0.35 out  EUR for a million tokens  published
>   scaleway Paris    qwen3.5-397b-a17b      0.60 in, 3.60 out  EUR for a million tokens  published
>   hetzner Finland   GEX45, RTX PRO 4000    214.00             EUR for a month           secondary
>   leafcloud         NVIDIA A30 24 GB       0.60               EUR for an hour           published
>   leafcloud         NVIDIA A100 80 GB      2.15               EUR for an hour           published
>   hetzner Germany   CX33, 4 vCPU, no card  0.0104             EUR for an hour           secondary
>   akash             NVIDIA H100 80 GB      2.71               USD for an hour           secondary
>   akash             NVIDIA A100 80 GB      1.71               USD for an hour           secondary
>   akash             NVIDIA RTX 4090        0.39               USD for an hour           secondary
>
> sources       --json has the source of every figure, with its address, and its date as far as it is known

# Prices of a catalogue without any, and the amounts of one's own.
$ printf '%s\n' '{"schema":"tern.providers/1","sources":[{"id":"own","title":"an invoice","checked":"2026-11-22"}],"unknown_pue":{"value":1.5,"source":"own"},"providers":[{"name":"here","api":"own"}]}' >none.json; tern providers --catalogue none.json --at 2026-11-22T12:00Z | grep -A 1 '^prices'
> prices        unknown
>

$ sed 's/"api":"own"/"api":"own","price":[{"of":"m","per":"million tokens","in":1,"out":2.125,"currency":"CHF","basis":"published","source":"own"},{"of":"card","per":"hour","amount":0.000001,"currency":"EUR","basis":"secondary","source":"own"}]/' none.json >some.json; tern providers --catalogue some.json --at 2026-11-22T12:00Z | grep -A 2 '^prices'
> prices        unknown, but for these, as their pages have them
>   here              m                      1.00 in, 2.125 out  CHF for a million tokens  published
>   here              card                   0.000001           EUR for an hour           secondary

$ tern providers --catalogue some.json --at 2026-11-22T12:00Z --json | sed 's/.*"price":\[/[/; s/,"basis":[^{]*{[^}]*}//g; s/\].*/]/'
> [{"of":"m","currency":"CHF","per":"million tokens","micro_in":1000000,"micro_out":2125000},{"of":"card","currency":"EUR","per":"hour","micro":1}]

# Words for the hour are those of 'tern when', and so is what clocks make of them.
$ TZ=CET-1CEST,M3.5.0,M10.5.0/3 tern providers --at 2026-10-24T12:00Z --hour 'tomorrow 2:30' --json | grep -o '"hour":"[^"]*"'
> "hour":"2026-10-25T00:30:00Z"
! hour: clocks show 'tomorrow 2:30' twice on that day: the first is meant, Sun 25 Oct 02:30 CEST

$ TZ=Nonsense tern providers --at 2026-10-24T12:00Z --hour noon --json | grep -o '"hour":"[^"]*"'
> "hour":"2026-10-25T12:00:00Z"
! tern: warning: TZ: this machine knows no time zone 'Nonsense': times are UTC

# A larger model, another hour, of a catalogue and a grid of one's own.
$ printf '%s\n' '{"schema":"tern.providers/1","sources":[{"id":"own","title":"an invoice","checked":"2026-11-22"}],' '"unknown_pue":{"value":1.5,"source":"own"},"providers":[' '{"name":"here","api":"own","zone":"SE","zone_source":"own","pue":{"low":1.1,"high":1.3,"kind":"measured","source":"own"}},' '{"name":"there","api":"own","zone":"PL","zone_source":"own"},{"name":"nowhere","api":"own"}]}' >own.json; TZ=UTC0 tern providers --catalogue own.json --model-params 44/440 --at 2026-11-22T12:00Z --hour 18:00 | sed -n '/^ #/,/^$/p'
>  #  tier    who                    grams     range                 PUE        grid
>  1  gold    here                   86.5 mg   7.93 mg .. 0.94 g     1.10-1.30  SE, 40.7 g/kWh, mean of 2023
>  2  bronze  there                  1.76 g    0.12 g .. 17.6 g      unknown    PL, 662 g/kWh, mean of 2023
>  -  -       nowhere                unknown   3.54 mg .. 34.7 g     unknown    grid unknown
>  -  -       this machine           unknown   not measured          1          grid unknown
>

# This machine's row is what a model took on it, and is not put in one order with models of another size.
$ tern model synth tiny-llama -o tiny.gguf 2>/dev/null >/dev/null; tern providers --catalogue own.json --local tiny.gguf -n 16 --zone SE --model-params 0.002 --at 2026-11-22T12:00Z | grep -c 'gold .*this machine'
> 1

$ tern providers --catalogue own.json --local tiny.gguf -n 16 --zone SE --at 2026-11-22T12:00Z | grep 'this machine .* another size' | cut -c1-24
>  -  -       this machine

$ tern providers --catalogue own.json --local tiny.gguf -n 16 --zone SE --at 2026-11-22T12:00Z | grep -cE '^this machine .*(measured|modelled \+-[0-9]+ %) \('
> 1

$ tern providers --hardware --model-params 7 | head -n 9
> Joules for a token of the answer, as others have read them.  Tiers are among models of 7 billion
> parameters, a quarter more or less; streams are requests at once, which matter most.
>
> tier    hardware              model              streams  joules    covers   evidence
> silver  NVIDIA H100           Llama-3.1-8B       64       0.12 J    card     measured: vLLM 0.11.1; it was 0.20 J with 0.5.4
> gold    NVIDIA H100           Mistral-7B         128      50.0 mJ   card     self-reported
> bronze  NVIDIA H100           Mistral-7B         1        2.64 J    card     self-reported
> bronze  AMD Radeon PRO W7900  Qwen-7B Q4_K_M     1        2.10 J    card     measured
> bronze  AMD Radeon PRO W7900  Qwen-7B Q4_K_M     4        1.06 J    card     measured

$ tern providers --json --catalogue own.json --at 2026-11-22T12:00Z
> {"schema":"tern.providers-ranking/1","hour":"2026-11-22T12:00:00Z","active_b":8,"total_b":8,"tokens":1000,"method":"EcoLogits v0.9","energy_uj":{"low":26745775,"formula":267457754,"high":2674577540},"unknown_pue":{"low_milli":1500,"high_milli":1500,"source":{"title":"an invoice","url":"","date":"","checked":"2026-11-22"}},"providers":[{"ranked":true,"tier":"gold","co2_ug":{"low":333,"middle":3628,"high":39304},"grid":{"zone":"SE","intensity_mg_kwh":40695,"basis":"average/life-cycle/location","how":"yearly","source":"yearly","year":2023},"name":"here","region":"","api":"own","base_url":"","note":"","zone_source":{"title":"an invoice","url":"","date":"","checked":"2026-11-22"},"pue":{"low_milli":1100,"high_milli":1300,"kind":"measured","source":{"title":"an invoice","url":"","date":"","checked":"2026-11-22"}},"wue_l_kwh":null,"heat_reuse":null,"renewable_market":null,"price":null},{"ranked":true,"tier":"bronze","co2_ug":{"low":4918,"middle":73766,"high":737655},"grid":{"zone":"PL","intensity_mg_kwh":661926,"basis":"average/life-cycle/location","how":"yearly","source":"yearly","year":2023},"name":"there","region":"","api":"own","base_url":"","note":"","zone_source":{"title":"an invoice","url":"","date":"","checked":"2026-11-22"},"pue":null,"wue_l_kwh":null,"heat_reuse":null,"renewable_market":null,"price":null},{"ranked":false,"tier":"-","co2_ug":{"low":149,"high":1455444},"name":"nowhere","region":"","api":"own","base_url":"","note":"","zone_source":null,"pue":null,"wue_l_kwh":null,"heat_reuse":null,"renewable_market":null,"price":null},{"ranked":false,"tier":"-","name":"this machine","measured":false}],"hardware":[]}

# --- slips

$ tern providers --model-params 0
! tern: remote: parameters: more than 0, and not more active than there are
? 2

$ tern providers --model-params 8b
! tern: carbon: model-params: '8b' is not a number of at most 18 digits
? 2

$ tern providers --hour 30d --at 2026-11-22T12:00Z
! tern: providers: hour: 30d is not within 14 days from now
? 2

$ sed 's/"own","zone":"PL"/"own","place":"PL"/' own.json >bad.json; tern providers --catalogue bad.json
! tern: providers: unknown member 'place' (at offset 315)
? 4

$ tern providers --hardware --json | tr '{' '\n' | grep '"name":"NVIDIA RTX 4090"' | grep -o '"energy_uj":[^,]*'
> "energy_uj":null

$ tern providers --local nothing.gguf
! tern: models: 'nothing.gguf' is neither a file nor the name of a model
! hint: 'tern model list' lists the models that are here or can be obtained
? 3
