# SPDX-License-Identifier: Apache-2.0
# tern witness ..., tern log cosign, policies.  What needs a server is in witness.sh.

$ tern log init -q --origin example.com/log --lock-store locks l >log.vkey; tern witness init --name example.com/w w
>~ example.com/w+????????+B*
! the secret key is in w/key; what is above goes into policies

$ stat -c %a w/key w; ls w
> 600
> 700
> key
> lock
> logs
> vkey

$ tern witness init w
! tern: witness: 'w' is a witness already
? 2

$ tern witness init --name 'a b' v
! tern: witness: 'a b' cannot be the name of a witness
? 2

$ tern witness serve nothing
! tern: witness: 'nothing' is no witness
! hint: 'tern witness init nothing' makes one
? 2

$ tern witness serve --listen here w
! tern: warning: there is no log to cosign yet: 'tern witness add' adds one
! tern: http: 'here' is not ADDRESS:PORT
? 2

$ tern witness add w log.vkey && tern witness show w
>~ key      example.com/w+*
> log      example.com/log: nothing cosigned yet

$ tern witness add w log.vkey
!~ tern: witness: 'w/logs': line 3: this log's key was there already (at offset *
? 4

$ tern witness add w w/vkey
! tern: witness: 'example.com/w' is the key of a witness, not of a log
? 2

$ tern witness add w missing
! tern: file: cannot open 'missing': No such file or directory
? 5

$ tern witness show w --json
>~ {"schema":"tern.witness-show/1","vkey":"example.com/w+*","logs":[[]{"origin":"example.com/log"}]}

$ echo nonsense >>w/logs; tern witness show w
!~ tern: witness: 'w/logs': line 3: not 'log', 'witness', 'group' or 'quorum' but 'nonsense' (at offset *
? 4

# --- policies

$ (echo "log $(cat log.vkey)"; echo "witness w $(cat w/vkey) http://127.0.0.1:1"; echo "quorum w") >policy; echo one | tern log append l
> 0

$ tern log cosign l
! tern: log cosign: --policy FILE says which witnesses to ask
? 2

$ tern log cosign --policy policy l
>~ w                     no   http://127.0.0.1:1/add-checkpoint: *
! tern: cosign: 0 of 1 witnesses have cosigned; the quorum is not reached
? 1

$ tern log cosign --policy policy l --json
>~ {"schema":"tern.log-cosign/1","witnesses":[[]{"name":"w","cosigned":false,"why":"*"}],"quorum":false}
! tern: cosign: 0 of 1 witnesses have cosigned; the quorum is not reached
? 1

$ echo two | tern log append --policy policy l
!~ tern: warning: witness 'w': http://127.0.0.1:1/add-checkpoint: *
! tern: cosign: not published: 0 of 1 witnesses have cosigned, and the quorum 'w' is not reached
! hint: the entries are in the log; 'tern log cosign' or the next append publishes them
? 3

$ tern log show l | sed -n 2p; echo three | tern log append l; tern log show l | sed -n 2p
> entries  1
> 2
> entries  3

$ (cat policy; echo "quorum none") >bad; tern log cosign --policy bad l
!~ tern: policy: 'bad': line 4: a second quorum (at offset *
? 4

$ (cat log.vkey | sed 's/^/log /'; echo quorum none) >logs; tern log cosign --policy logs l
! tern: cosign: the policy names no witness with an address to ask
? 2
