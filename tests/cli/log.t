# SPDX-License-Identifier: Apache-2.0
# tern log ...

$ tern log init --origin example.com/log --lock-store locks l
>~ example.com/log+????????+*
! the secret key is in l/state/key; keep what is above: it checks the log

$ stat -c %a l/state/key l/state
> 600
> 700

$ tern log init --lock-store locks l
! tern: log: 'l' is a log already
? 2

$ tern log init --origin 'a b' m
! tern: log: 'a b' cannot be the name of a log
? 2

$ tern log init -q --lock-store locks --json m
>~ {"schema":"tern.log-init/1","origin":"tern-log/????????????????","vkey":"tern-log/*"}

# --- append, show

$ printf 'one\ntwo\n\nfour' | tern log append l --lines
> 0
> 1
> 2
> 3

$ printf 'five\n' >5; tern log append l 5 --proof && ls 5*
> 4
> 5
> 5.tlog-proof

$ printf x | tern log append l --json
> {"schema":"tern.log-append/1","first":5,"entries":1}

$ tern log append l missing
! tern: log: cannot open 'missing': No such file or directory
? 5

$ head -c 65536 /dev/zero | tern log append l
! tern: log: an entry of 'standard input' has more than 65535 bytes
? 4

$ tern log append l --lines --proof
! tern: log: --proof needs FILEs, each of which is one entry
? 2

$ tern log show l
> origin   example.com/log
> entries  6
>~ root     *=
>~ key      example.com/log+*

$ tern log show l 4 0; echo
> five
> one

$ tern log show l 1 --json
> {"schema":"tern.log-show/1","entries":[{"index":1,"entry":"dHdv"}]}

$ tern log show l 6
! tern: log: there is no entry 6: the log has 6
? 1

$ tern log show l -- -1
! tern: log: '-1' is not an index
? 2

$ tern log show nothing
!~ tern: log: cannot open 'nothing/vkey'*
? 5

# --- prove

$ tern log prove l 2 | sed -n '1,2p;6,8p'
> c2sp.org/tlog-proof@v1
> index 2
>
> example.com/log
> 6

$ tern log prove l --entry 5 -o p && sed -n 2p p
> index 4

$ tern log prove l --since 2 | head -n 1
> old 2

$ tern log prove l --since 7
! tern: log: the log has 6 entries, not yet 7
? 1

$ printf no >no; tern log prove l --entry no
! tern: log: there is no such entry among 6
? 1

$ tern log prove l
! tern: log prove: one of INDEX, --entry and --since is needed
? 2

# --- fsck

$ tern log fsck l
>~ ok: 6 entries in * files, 0 faults

$ tern log fsck l --json
>~ {"schema":"tern.log-fsck/1","faults":[[]],"entries":6,"files":*,"bytes":*,"time_ns":*,"ok":true}

$ cp -r l old; printf 1 | tern log append l >/dev/null; mv l new; mv old l; printf 2 | tern log append l
!~ tern: log: an old copy: 7 entries were signed, 6 are here (lock store '*')
? 1

$ rm -r l; mv new l; printf 'X' | dd of=l/tile/entries/000.p/7 bs=1 seek=3 conv=notrunc 2>/dev/null; tern log fsck l | grep -v '000.p/[456]:'
> tile/entries/000.p/7: an entry is not what its hash in the tile says
>~ damaged: 7 entries in * files, 4 faults
$ tern log fsck l -q >/dev/null
? 1

$ tern log show l 0
!~ tern: log: 'tile/entries/000.p/7' is damaged: *
? 4

$ printf 3 | tern log append l
!~ tern: log: 'tile/entries/000.p/7' is damaged: *
? 4
