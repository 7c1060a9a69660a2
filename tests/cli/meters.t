# SPDX-License-Identifier: Apache-2.0
# tern meter list and the meters of tern doctor, on made-up trees.

$ zone() { d=tree/sys/class/powercap/$1; mkdir -p $d; echo $2 >$d/name; echo $3 >$d/energy_uj; echo 262143328850 >$d/max_energy_range_uj; echo 1 >$d/enabled; }; zone intel-rapl:0 package-0 1000; zone intel-rapl:0:0 core 10; zone intel-rapl:0:1 dram 20; zone intel-rapl-mmio:0 package-0 1000; zone intel-rapl:1 psys 0; b=tree/sys/class/power_supply/BAT0; mkdir -p $b; echo Battery >$b/type; echo Charging >$b/status; echo 5000000 >$b/power_now; mkdir empty

$ tern meter list --sysroot tree
> METER                       HOLDS     READS   STATE    ROLE       LABEL
> powercap/intel-rapl-mmio:0  package   energy  works    duplicate  package-0
> powercap/intel-rapl:0       package   energy  works    counted    package-0
> powercap/intel-rapl:0:0     core      energy  works    part       core
> powercap/intel-rapl:0:1     dram      energy  works    counted    dram
> powercap/intel-rapl:1       psys      energy  broken   unusable   psys
> perf                        -         -       absent   -          -
> hwmon                       -         -       absent   -          -
> nvml                        -         -       absent   -          -
> battery/BAT0                battery   power   off      unusable   BAT0
>
> Counted: package + dram (measured).
>
> powercap/intel-rapl:1: the counter stands at zero: this firmware does not fill it
>
> perf: the kernel has no PMU 'power'
>     modprobe rapl    # as root
>
> hwmon: there are no chips in /sys/class/hwmon
>
> nvml: cards are asked through a driver, not through files
>
> battery/BAT0: the battery gives the machine's draw only while it discharges; it says 'Charging'

$ tern meter list --sysroot tree --json | tr ',' '\n' | grep -A2 -e '"schema"' -e '"covers"'
> {"schema":"tern.meter-list/1"
> "evidence":"measured"
> "boundary":"package"
> "covers":["package"
> "dram"]
>~ "meters":*

$ tern meter list --sysroot tree --json | grep -o '"name":"powercap/intel-rapl:0",[^}]*"range_uj":[0-9]*'
>~ "name":"powercap/intel-rapl:0","kind":"powercap","state":"works","role":"counted",*,"unit":"uJ","range_uj":262143328850

# A battery that discharges is the machine, and holds the packages.
$ echo Discharging >tree/sys/class/power_supply/BAT0/status; tern meter list --sysroot tree --boundary battery | sed -n -e '/BAT0/p' -e '/rapl:0 /p' -e '/^Counted/p'
> powercap/intel-rapl:0       package   energy  works    part       package-0
> battery/BAT0                battery   power   works    counted    BAT0
> Counted: battery (measured).

# Nothing there: 1, and the model is announced.
$ tern meter list --sysroot empty | sed -n -e '/^None/p' -e '/^powercap:/,/^$/p'
> None is counted: energy is modelled from CPU time.
> powercap: there is no /sys/class/powercap
>     modprobe intel_rapl_msr    # as root; AMD processors from Zen on use the same module
>

$ tern meter list --sysroot empty >/dev/null
? 1

$ tern meter list --sysroot empty --json | cut -c1-69
> {"schema":"tern.meter-list/1","evidence":"modelled","covers":[],"mete

# There, but closed: 3, with the rule that would open it.  Permissions do not stop root, so root
# becomes somebody else first, who may not be able to go where tern was built.
$ echo Charging >tree/sys/class/power_supply/BAT0/status; chmod -R go+rX ..; chmod 0000 tree/sys/class/powercap/*/energy_uj; if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid=65534 --regid=65534 --clear-groups; else set --; fi; cp "$(command -v tern)" t; chmod 0755 t; "$@" ./t meter list --sysroot tree >out 2>err; echo $?; grep -v ^profiling: err; sed -n '/mmio:0: /,/^$/p' out
> 3
> tern: meter: there are energy meters, but this user may not read them
> powercap/intel-rapl-mmio:0: this user may not read 'tree/sys/class/powercap/intel-rapl-mmio:0/energy_uj' (and 4 others like it)
>     # /etc/udev/rules.d/70-tern-energy-powercap.rules
>     SUBSYSTEM=="powercap", ACTION=="add|change", KERNEL=="*-rapl*:*", RUN+="/bin/sh -c 'chgrp energy /sys%p/energy_uj && chmod 0440 /sys%p/energy_uj'"
>     # and then, as root (members of the group may read after their next login):
>     groupadd --system --force energy && usermod --append --groups energy "$SUDO_USER"
>     udevadm control --reload && udevadm trigger --action=change --subsystem-match=powercap --settle
>

# --- doctor

$ chmod 0600 tree/sys/class/powercap/*/energy_uj; tern doctor --sysroot tree | sed -n '/energy meters/,$p'
> ok      energy meters  package + dram, measured ('tern meter list' names them)
>           powercap/intel-rapl:1: the counter stands at zero: this firmware does not fill it
>           perf: the kernel has no PMU 'power'
>               modprobe rapl    # as root
>           hwmon: there are no chips in /sys/class/hwmon
>           nvml: cards are asked through a driver, not through files
>           battery/BAT0: the battery gives the machine's draw only while it discharges; it says 'Charging'

$ tern doctor --sysroot empty | grep 'energy meters'
> note    energy meters  none works: energy is modelled from CPU time

$ tern doctor --sysroot tree --json | grep -o '"energy":{"evidence":"measured","boundary":"package","covers":\["package","dram"\]'
> "energy":{"evidence":"measured","boundary":"package","covers":["package","dram"]
