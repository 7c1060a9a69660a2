# SPDX-License-Identifier: Apache-2.0
# tern submit, queue, cancel, logs, report: what they say, without a daemon.

$ export TZ=UTC; tern submit --no-daemon --for 1h --by 3h --name first -- make 'a b'
> job 1 starts now
>   no forecast: no zone was said
! tern: warning: no daemon is there: 'tern jobd' starts one

$ TZ=UTC tern submit --no-daemon -q --for 1h..2h --from 5h --by 20h --shell 'x | y' 2>/dev/null | sed 's/for .*/for .../'
> job 2 is planned for ...
>   no forecast: no zone was said

$ tern queue | awk '{ print $1, $2 }'
> ID STATE
> 1 planned
> 2 planned

$ TZ=UTC tern queue | sed 's/.*UTC   //' | sed 1d
> first
> /bin/sh -c 'x | y'

$ tern queue --json | grep -o '"shortest_s":[0-9]*,"longest_s":[0-9]*'
> "shortest_s":3600,"longest_s":3600
> "shortest_s":3600,"longest_s":7200

$ stat -c %a $HOME/.local/share/tern/jobs $HOME/.local/share/tern/jobs/queue.db $HOME/.local/share/tern/jobs/1/spec
> 700
> 600
> 600

$ tern logs 1

$ tern logs 3
! tern: jobs: there is no job 3
? 1

$ tern cancel 1 2

$ tern queue

$ tern queue --all | awk '{ print $1, $2 }'
> ID STATE
> 1 cancelled
> 2 cancelled

$ tern report 1
> job 1  cancelled  first
>   ran      not yet
>   because
>            no forecast: no zone was said

$ tern submit -- true
! tern: submit: how long does it take? (--for 2h)
? 2

$ tern submit --for 2h --by 1h -- true
! tern: submit: by: it cannot have ended by then
? 2

$ tern submit --for 2x -- true
! tern: time: for: '2x' is not a length of time with its unit, as 90min, 2h or 1d
? 2

$ tern submit --for 1h --via slurm --interruptible -- true
! tern: submit: only jobd suspends jobs: --interruptible is for it alone
? 2

$ tern submit --for 1h --zone nowhere:XX -- true
!...
? 2

$ tern jobd --at 2026-01-01T00:00Z
! tern: jobs: jobd goes by the clock, not --at
? 2

$ tern cancel 7
! tern: jobs: there is no job 7
? 1

$ tern report seven
! tern: jobs: 'seven' is no number of a job
? 2

# A job runs, and what it wrote and how it ended is known.
$ tern submit --no-daemon -q --for 1s --by 1h -- sh -c 'echo it ran; exit 4' 2>/dev/null >&2; tern jobd --until-idle --foreground -q; tern logs 3; tern queue --all | sed -n '4s/ *\(3  [a-z]*\).*/\1/p'
> it ran
> 3  failed
