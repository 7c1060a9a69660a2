# SPDX-License-Identifier: Apache-2.0
# tern meter: any command, a machine made of files, the model, its calibration.  The commands that
# are measured move the counters themselves, so that every microjoule is known.

$ printf '%s\n' 'd=s/sys/class/powercap/$1' 'mkdir -p $d' 'echo $2 >$d/name' 'echo $3 >$d/energy_uj' 'echo ${4-262143328850} >$d/max_energy_range_uj' 'echo ${5-1} >$d/enabled' >zone
$ printf '%s\n' 'z=s/sys/class/powercap' 'tern meter --sysroot s --json -o r.json "$@"' 'grep -o "\"total_uj\":[0-9]*\|\"evidence\":\"[a-z]*\"\|\"meter\":\"[^\"]*\"\|\"flags\":[^]]*." r.json | head -n 4 | sed "s/,*\"short\"//" | paste -s -d " "' >measure
$ printf '%s\n' 'while [ $# -gt 0 ]; do echo $2 >s/sys/class/powercap/$1/energy_uj; shift 2; done' >count

# --- the counters

$ sh zone intel-rapl:0 package-0 1000; sh measure -- sh count intel-rapl:0 1400
> "evidence":"measured" "meter":"powercap package-0" "total_uj":400 "flags":[]

# One wrap, of each of the two ranges.
$ sh zone intel-rapl:0 package-0 262143328000; sh measure -- sh count intel-rapl:0 672
> "evidence":"measured" "meter":"powercap package-0" "total_uj":1522 "flags":["wrap"]

$ sh zone intel-rapl:0 package-0 65532610000 65532610987; sh measure -- sh count intel-rapl:0 13
> "evidence":"measured" "meter":"powercap package-0" "total_uj":1000 "flags":["wrap"]

# A counter that starts again: nothing is known, nothing is invented.
$ sh zone intel-rapl:0 package-0 100000000000; sh measure -- sh count intel-rapl:0 5
> "evidence":"measured" "meter":"powercap package-0" "total_uj":0 "flags":["reset"]

# More than any processor draws is not believed.
$ sh zone intel-rapl:0 package-0 1000; sh measure -- sh count intel-rapl:0 200000000000
> "evidence":"measured" "meter":"powercap package-0" "total_uj":0 "flags":["jump"]

# A read that fails is not a wrap, and the next is not the whole counter.
$ sh zone intel-rapl:0 package-0 1000; sh measure -- sh -c 'echo >s/sys/class/powercap/intel-rapl:0/energy_uj'
> "evidence":"measured" "meter":"powercap package-0" "total_uj":0 "flags":["failed"]

$ for text in -1 123456789012345678901234567890 1e9 0x10 '5 W'; do sh zone intel-rapl:0 package-0 1000; sh measure -- sh -c "echo '$text' >s/sys/class/powercap/intel-rapl:0/energy_uj"; done | sort -u
> "evidence":"measured" "meter":"powercap package-0" "total_uj":0 "flags":["failed"]

# --- what is added up

# Two sockets, even when both have the same name.
$ sh zone intel-rapl:0 package-0 10; sh zone intel-rapl:1 package-0 20; sh measure -- sh count intel-rapl:0 110 intel-rapl:1 1020
> "evidence":"measured" "meter":"powercap package-0 + package-0" "total_uj":1100 "flags":[]

# One of them fails: the other's energy is not lost with it.
$ sh zone intel-rapl:0 package-0 10; sh measure -- sh -c 'sh count intel-rapl:0 110; echo >s/sys/class/powercap/intel-rapl:1/energy_uj'
> "evidence":"measured" "meter":"powercap package-0 + package-0" "total_uj":100 "flags":["failed"]

# Memory is added to the package; cores and the rest of it are in it.
$ rm -r s; sh zone intel-rapl:0 package-0 0; sh zone intel-rapl:0:0 core 0; sh zone intel-rapl:0:1 uncore 0; sh zone intel-rapl:0:2 dram 0; sh measure -- sh count intel-rapl:0 100 intel-rapl:0:0 60 intel-rapl:0:1 30 intel-rapl:0:2 7
> "evidence":"measured" "meter":"powercap package-0 + dram" "total_uj":107 "flags":[]

# The same package by another way counts once.
$ rm -r s; sh zone intel-rapl:0 package-0 0; sh zone intel-rapl-mmio:0 package-0 0; sh measure -- sh count intel-rapl:0 100 intel-rapl-mmio:0 100
> "evidence":"measured" "meter":"powercap package-0" "total_uj":100 "flags":[]

# The platform holds the package.
$ rm -r s; sh zone intel-rapl:0 package-0 0; sh zone intel-rapl:1 psys 50; sh measure -- sh count intel-rapl:0 100 intel-rapl:1 350
> "evidence":"measured" "meter":"powercap psys" "total_uj":300 "flags":["no-idle"]

$ sh zone intel-rapl:0 package-0 0; sh zone intel-rapl:1 psys 50; sh measure --boundary package -- sh count intel-rapl:0 100 intel-rapl:1 300
> "evidence":"measured" "meter":"powercap package-0" "total_uj":100 "flags":[]

# --- no counter

$ rm -r s; mkdir -p s/proc; sh measure --terms cpu -- true | sed 's/"total_uj":[0-9]*/N/'
> "evidence":"modelled" "meter":"cpu-time u^0.7, unknown processor, 4 W a thread" N "flags":[]

$ sh zone intel-rapl:0 package-0 0 262143328850 0; sh measure -- true | cut -d' ' -f1
> "evidence":"modelled"

$ tern meter --sysroot s --boundary package -- true
! tern: energy: no meter of 'package' works here
! hint: without --boundary the best meter is taken, or the model
? 3

$ sh zone intel-rapl:0 package-0 1000; sh measure --model -- true | cut -d' ' -f1
> "evidence":"modelled"

$ printf 'processor: 0\nvendor_id: AuthenticAMD\ncpu family: 25\nmodel: 116\nmodel name: AMD Ryzen 7 7840HS w/ Radeon 780M Graphics\n' >s/proc/cpuinfo; tern meter --model --sysroot s -o - -- sleep 0.2
>~   energy * J
>~    added *J   above idle
>~    idle * J   drawn anyway
>~   power * W   mean
>~   time *0.[2-9]* s
>~   cpu *0.0* s
>~   evidence modelled *35 % (cpu-time u^0.7, 54 W design power (amd ryzen 7 7840hs))
>...

# 5.4 W idle for a fifth of a second: never less than it is.
$ tern meter --model --terms cpu --sysroot s --json -o r.json -- sleep 0.2; grep -o '"idle_uj":[0-9]*' r.json | head -n 1 | cut -d: -f2 >idle; test "$(cat idle)" -ge 1080000

# --- the command's own

$ tern meter --sysroot s -o r -- echo hello
> hello

$ tern meter --sysroot s -o r -- sh -c 'echo wrong >&2; exit 7'
! wrong
? 7

$ tern meter --sysroot s -o r -- sh -c 'kill -TERM $$'
? 143

$ tern meter --sysroot s -o r -- ./nothing
! tern: meter: cannot run './nothing': No such file or directory
? 127

$ tern meter --sysroot s -o r -- ./s
! tern: meter: cannot run './s': Permission denied
? 126

# What ends tern ends the command first.
$ tern meter --sysroot s -o r -- sleep 30 & p=$!; sleep 0.3; kill -TERM $p; wait $p
? 143

# Its options are its own, and so are its standard streams.
$ printf a | tern meter --sysroot s -o r -r 1 sh -c 'cat; echo "$@"' x -r -- --json
> a-r -- --json

$ tern meter --sysroot s -- true
!~   energy *J
!...

$ tern meter --sysroot s -o missing/r -- true
!~ tern: meter: cannot write 'missing/r': *
? 5

# --- again and again

$ sh zone intel-rapl:0 package-0 0; printf '%s\n' 'read n <n; n=$((n * 10)); echo $n >n; read e <s/sys/class/powercap/intel-rapl:0/energy_uj; echo $((e + n)) >s/sys/class/powercap/intel-rapl:0/energy_uj' >more; echo 1 >n; tern meter --sysroot s -r 3 --json -o r.json -- sh more; grep -o '"total_uj":[0-9]*' r.json | paste -s -d ' '
> "total_uj":10 "total_uj":100 "total_uj":1000 "total_uj":100 "total_uj":10 "total_uj":1000

$ tern meter --sysroot s -r 3 -o - -- true | head -n 1
>   median of 3 runs, and the range

# The first that fails is the last.
$ echo 0 >n; tern meter --sysroot s -r 5 --json -o r.json -- sh -c 'read n <n; echo $((n + 1)) >n; test $n -lt 2'; code=$?; cat n; grep -o '"exit_code":[0-9]*' r.json | paste -s -d ' '; exit $code
> 3
> "exit_code":0 "exit_code":0 "exit_code":1
? 1

# --- watch

$ tern meter watch --sysroot s --interval 100 -n 2
! measured (powercap package-0)
>         time        power       energy
>~      0.1* s       0.00 W         0 uJ
>~      0.[2-9]* s       0.00 W         0 uJ

$ tern meter watch --sysroot s --interval 100 -n 3 --json | cut -c1-41 | sort | uniq -c
>       3 {"schema":"tern.meter-watch/1","time_ns":

# --- calibrate

$ tern meter calibrate --show
!~ tern: calibration: '*/.config/tern/meter.json' is not there
? 3

$ tern meter calibrate --sysroot s --idle-watts 9.5 --full-watts 71 | sed 's/  */ /g'
>  idle 9.50 W
>  loaded 71.00 W
>  evidence declared (wall plug)
>  machine AMD Ryzen 7 7840HS w/ Radeon 780M Graphics, 1 threads
>~  file */.config/tern/meter.json

$ tern meter calibrate --show --json | cut -d, -f1-6
> {"schema":"tern.calibration/1","cpu":"AMD Ryzen 7 7840HS w/ Radeon 780M Graphics","threads":1,"idle_uw":9500000,"full_uw":71000000,"covers":["package"

$ sh measure --model -- sleep 0.1 | cut -d'"' -f4,8
> modelled"cpu-time u^0.7, calibrated by wall plug

# Another machine's readings are not this one's.
$ sed -i 's/7840HS/7840U/' s/proc/cpuinfo; sh measure --model -- sleep 0.1 | cut -d'"' -f4,8
> modelled"cpu-time u^0.7, 28 W design power (amd ryzen 7 7840u)

$ tern meter calibrate --sysroot s --idle-watts 9.5
! tern: meter: --idle-watts and --full-watts belong together
? 2

$ tern meter calibrate --sysroot s --idle-watts 71 --full-watts 9.5
! tern: calibration: 71000000 uW idle and 9500000 uW loaded are no two readings of a machine
? 2

$ tern meter calibrate --idle-watts -3 --full-watts 9.5
!~ tern: meter calibrate: option '--idle-watts': '-3' is not a number *
? 2

# Measured: 5 W for a while, then 20 W.  The counter is overwritten in place: a file that is cut
# first would be empty for a moment.
$ printf '%s\n' 'e=1000000; i=0; while [ $i -lt 50 ]; do e=$((e + (i < 14 ? 500000 : 2000000))); echo $e 1<>s/sys/class/powercap/intel-rapl:0/energy_uj; i=$((i + 1)); sleep 0.1; done' >power; echo 1000000 >s/sys/class/powercap/intel-rapl:0/energy_uj; sh power & tern meter calibrate --sysroot s --seconds 1 | sed 's/  */ /g'; kill $!
! idle, 1 s: please leave the machine alone
! loaded, 1 s: 1 threads
>~  idle [1-5].* W
>~  loaded *.* W
>  evidence measured (powercap package-0)
>  machine AMD Ryzen 7 7840U w/ Radeon 780M Graphics, 1 threads
>~  file */.config/tern/meter.json

# Then it says what idle is.
$ sh zone intel-rapl:0 package-0 0; sh measure -- sh -c 'sh count intel-rapl:0 100000000; sleep 0.2' | cut -d' ' -f1; grep -o '"idle_by":"[a-z]*"' r.json
> "evidence":"measured"
> "idle_by":"calibrated"

# A machine that works meanwhile is not idle.
$ echo 'cpu  0 0 0 0 0 0 0 0' >s/proc/stat; (sleep 0.3; echo 'cpu  50 0 0 50 0 0 0 0' >s/proc/stat) & tern meter calibrate --sysroot s --seconds 1 -q
!~ tern: meter: the machine was not idle: [45]* % of its processors were busy
! hint: end what is running, and call it again
? 3

$ echo '{"schema":"tern.calibration/1","cpu":' >"$HOME/.config/tern/meter.json"; tern meter --sysroot s -- true
!~ tern: calibration: *(at offset 3[0-9])
!~ hint: 'tern meter calibrate' replaces it: */meter.json
? 4

$ rm -r s/sys; tern meter calibrate --sysroot s
! tern: meter: no meter works here
! hint: read a plug that shows watts, and give --idle-watts W --full-watts W
? 3

# --- mistakes

$ tern meter
! tern: meter: a command is missing
! hint: 'tern meter --help' lists the commands
? 2

$ tern meter wtach
! tern: meter: unknown command 'wtach'
! hint: did you mean 'tern meter watch'?
? 2

$ tern meter gzip
! tern: meter: unknown command 'gzip'
! hint: 'tern meter -- gzip' runs a program of that name
? 2

$ tern meter -r 0 -- true
! tern: meter: option '--repeat': '0' is not a whole number from 1 to 1000
? 2

$ tern meter --help | head -n 2
> Usage: tern meter [OPTION]... -- COMMAND [ARG]...
>        tern meter COMMAND [OPTION]...
