# SPDX-License-Identifier: Apache-2.0
# tern log query, tern log index: a log of receipts and other things.

$ tern model synth tiny-llama -o tiny.gguf -q

$ tern log init -q --lock-store locks l >/dev/null

$ for i in 1 2 3; do tern run -q -m tiny.gguf -n 5 --temp 1 --seed $i --receipt r$i.json "hi" >/dev/null && tern log append l r$i.json && echo other | tern log append l; done
> 0
> 1
> 2
> 3
> 4
> 5

$ tern log query l
>~ 0 ?????????????????????????? 20*Z 5 tokens, * synthetic tiny-llama
>~ 2 ?????????????????????????? 20*Z 5 tokens, * synthetic tiny-llama
>~ 4 ?????????????????????????? 20*Z 5 tokens, * synthetic tiny-llama
! (the index was made anew: there was none)

$ stat -c %a l/state/index l/state/index.sum l/state/index.lock
> 600
> 600
> 600

$ tern log fsck l
>~ ok: 6 entries in * files, 0 faults

# --- questions

$ tern log query l --id $(tern log query l | sed -n 2p | cut -d' ' -f2) | cut -d" " -f1
> 2

$ tern log query l --model $(sha256sum tiny.gguf | cut -c1-12) | wc -l
> 3

$ tern log query l --output $(tern log query l --json | sed 's/.*"index":4//; s/.*"output_sha256":"\([0-9a-f]*\)".*/\1/') | cut -d" " -f1
> 4

$ tern log query l --model 0123
! tern: log: there is no such receipt
? 1

$ tern log query l --from 2000-01-01 --until 2000-01-02T12:00Z --json
>~ {"schema":"tern.log-query/1","log_origin":"tern-log/*","log_size":6,"receipts":[[]]}
! tern: log: there is no such receipt
? 1

$ tern log query l --from 2000-01-01 --scan | wc -l
> 3

$ tern log query l --from yesterday
! tern: log: --from: 'yesterday' is no time like 2026-11-22 or 2026-11-22T07:30Z
? 2

$ tern log query l --model xyz
! tern: log: --model: 'xyz' is no beginning of a SHA-256 digest
? 2

$ tern log query l --id 01
! tern: log: --id: '01' is no id of a receipt
? 2

# --- the log grew; the index was damaged, lost, or cannot be kept

$ tern log append l r1.json; tern log index l
> 6
> 4 receipts among 7 entries, 1 of them new

$ printf X | dd of=l/state/index bs=1 seek=8192 conv=notrunc 2>/dev/null; tern log query l | wc -l
> 4
! (the index was made anew: it was damaged)

$ rm l/state/index*; tern log query l -q | wc -l
> 4

$ tern log index l --rebuild
> 4 receipts among 7 entries, 7 of them new; made anew: it was asked for

$ mkdir copy; cp -r l/checkpoint l/vkey l/tile copy; tern log query copy | wc -l
> 4
! (no index can be kept in 'copy/state': all entries are read)

$ tern log query copy --index here >/dev/null && tern log index copy --index here --json
> {"schema":"tern.log-index/1","file":"here","entries":7,"added":0,"receipts":4,"made_anew":false}
! (the index was made anew: there was none)

$ tern log index copy
!~ tern: log: cannot lock 'copy/state/index.lock': *
? 5
