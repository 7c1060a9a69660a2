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
! tern: warning: no daemon serves this queue: nothing starts ('tern jobd' starts one, 'tern jobd --install' has systemd do so)

$ TZ=UTC tern queue | sed 's/.*UTC   *//' | sed 1d
> first
> /bin/sh -c 'x | y'
! tern: warning: no daemon serves this queue: nothing starts ('tern jobd' starts one, 'tern jobd --install' has systemd do so)

$ tern queue --json 2>/dev/null | grep -o '"daemon":[a-z]*'
> "daemon":false

$ tern queue --json 2>/dev/null | grep -o '"shortest_s":[0-9]*,"longest_s":[0-9]*'
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

$ tern submit --for 1h --min-slice 10min -- true
! tern: submit: --min-slice is for --interruptible: else it runs in one piece
? 2

$ tern submit --for 1h --zone nowhere:XX -- true
!...
? 2

# What clocks do is told as by 'tern when'; here they skip two o'clock tomorrow.
$ n=$(($(date -u -d tomorrow +%-j) - 1)); TZ="STD0DST,$n/2,$(((n + 100) % 365))/2" tern submit --queue clocks --no-daemon --for 1h --by 'tomorrow 2:30' -- true 2>&1 >/dev/null | sed -n '/clocks/s/day: .* 03:00/day: 03:00/p'
> by: clocks skip 'tomorrow 2:30' on that day: 03:00 DST is meant

$ TZ=Nonsense tern submit --queue clocks --no-daemon --for 1h --by noon -- true 2>&1 >/dev/null | grep TZ
> tern: warning: TZ: this machine knows no time zone 'Nonsense': times are UTC

# A task for Windows is in no queue, and that is said.
$ tern submit --via windows --queue none --for 1h -- x.exe >task.xml; tern queue --queue none --all; test ! -e none
! (not in the queue, and never counted; on Windows: schtasks /create /tn NAME /xml FILE)

$ tern cancel --lost 7
! tern: jobs: there is no job 7
? 1

$ tern cancel --lost 1
! tern: jobs: job 1 is over: cancelled
? 1


$ tern submit --queue clocks -q --no-daemon --for 1h --from 5h --by 20h -- true >/dev/null 2>&1; tern cancel --queue clocks --lost 3
! tern: jobs: job 3 does not run on another machine: 'tern cancel 3' ends it
? 1

$ tern jobd --at 2026-01-01T00:00Z
! tern: jobs: jobd goes by the clock, not --at
? 2

$ tern cancel 7
! tern: jobs: there is no job 7
? 1

$ tern report seven
! tern: jobs: 'seven' is no number of a job
? 2

# Who only looks makes nothing; what others may enter is refused, not changed.
$ tern queue --queue none; tern report --queue none; tern queue --queue none --all --json; test ! -e none
> {"schema":"tern.jobs/1","jobs":[],"daemon":false,"co2_ug":0,"now_co2_ug":0}

$ mkdir open; chmod 755 open; tern submit --queue open --no-daemon --for 1h -- true
!~ tern: jobs: others may enter '*/open': 'chmod 700' it, or take another directory
? 2

$ stat -c %a open; ls open
> 755

# A path with "..", and from another directory, is one queue.
$ mkdir a b; (cd a && tern submit -q --queue ../b/../c --no-daemon --for 1s --by 1h -- touch there >/dev/null 2>&1); tern jobd --queue c --until-idle --foreground -q; ls a
> there

# A job runs, and what it wrote and how it ended is known.
$ tern submit --no-daemon -q --for 1s --by 1h -- sh -c 'echo it ran; exit 4' 2>/dev/null >&2; tern jobd --until-idle --foreground -q; tern logs 3; tern queue --all | sed -n '4s/ *\(3  [a-z]*\).*/\1/p'
> it ran
> 3  failed
