# SPDX-License-Identifier: Apache-2.0
# tern when: decisions with their reasons, in local time; from files of the past, and from nothing.

# Four days of a grid that is clean at noon (300 g; 100 g from 11 to 15 h UTC), made up.
$ for d in 20 21 22 23; do for h in 00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do case $h in 11 | 12 | 13 | 14) g=100;; 10 | 15) g=200;; *) g=300;; esac; echo "2024-06-${d}T${h}:00Z,$g"; done; done >rows; { echo time,intensity; cat rows; } >noon.csv

# The clock's rules and the basis are the same in all.
$ printf '%s\n' '#!/bin/sh' 'TZ=CET-1CEST,M3.5.0,M10.5.0/3 exec tern when --basis average/life-cycle/location "$@"' >when; chmod +x when

$ LC_ALL=C ./when --for 2h --by 20:00 --zone DE --file noon.csv --at 2024-06-22T06:12:30Z --power 450
>    500
>
>    375
>        #######################                                    ############
>    250 #######################                                    ############
>        #############################                        ##################
>    125 #############################                        ##################
>        #######################################################################
>    run                              ^^^^^^^^^^^^
>   CEST                        12:00                               18:00
> start      Sat 22 Jun 13:00 CEST, in 4 h 47 min; ends 15:00
> zone       DE
> expected   100 g/kWh; now it would be 300 g/kWh: 67 % less CO2e
> carbon     90.0 g CO2e instead of 0.27 kg
> sure       over 99 % that it is cleaner: 200 g/kWh less, give or take 0.0 g/kWh
> because    waiting 4 h 47 min saves 0.40 kg for each kW
> basis      average/life-cycle/location
> from       file noon.csv
> why        its error is that of the keyless forecast, until its own is known

# Nothing to gain; no slack; too late; a deadline of the past.
$ ./when --for 2h --by 5h --zone DE --file noon.csv --at 2024-06-22T17:00Z | sed -n '/^start/,/^because/p'
> start      now, Sat 22 Jun 19:00 CEST; ends 21:00
> zone       DE
> expected   300 g/kWh
> because    no other start is expected to be cleaner

$ ./when --for 2h --by 2h --zone DE --file noon.csv --at 2024-06-22T06:00Z | sed -n '/^start/,/^because/p'
> start      now, Sat 22 Jun 08:00 CEST; ends 10:00
> zone       DE
> expected   300 g/kWh
> because    the deadline leaves no other start

$ ./when --for 3h --by 2h --zone DE --file noon.csv --at 2024-06-22T06:00Z | sed -n '/^start/,/^because/p'
> start      now, Sat 22 Jun 08:00 CEST; ends 11:00
> zone       DE
> expected   300 g/kWh
> because    the deadline cannot be kept: it may end 1 h after it

$ ./when --for 2h --by 'today 7:00' --zone DE --file noon.csv --at 2024-06-22T06:00Z
! tern: when: by: today 7:00 is over
? 2

$ ./when --for 2h --from 20:00 --by 18:00 --zone DE --file noon.csv --at 2024-06-22T16:30Z | sed -n '/^start/,/^because/p'
> start      Sun 23 Jun 13:00 CEST, in 18 h 30 min; ends 15:00
> zone       DE
> expected   100 g/kWh; at the earliest it would be 300 g/kWh: 67 % less CO2e
> sure       over 99 % that it is cleaner: 200 g/kWh less, give or take 0.0 g/kWh
> because    waiting 17 h saves 0.40 kg for each kW

$ ./when --for 2h --from 20:00 --by 3h --zone DE --file noon.csv --at 2024-06-22T06:00Z
! tern: when: by: 3h is before the earliest start
? 2

# Pieces, and a length that is not known.
$ ./when --for 5h --by tomorrow --interruptible --zone DE --file noon.csv --at 2024-06-22T12:00Z | sed -n '/^start/,$p'
> start      now, Sat 22 Jun 14:00 CEST; ends Sun 23 Jun 14:00
> run        14:00 to 18:00
>            Sun 23 Jun 13:00 to 14:00
> zone       DE
> expected   120 g/kWh; now it would be 160 g/kWh: 25 % less CO2e
> sure       over 99 % that it is cleaner: 40.0 g/kWh less, give or take 0.0 g/kWh
> because    2 pieces are cleaner than one
> basis      average/life-cycle/location
> from       file noon.csv
> why        its error is that of the keyless forecast, until its own is known

$ ./when --for 5h --by tomorrow --interruptible --overhead 1h --zone DE --file noon.csv --at 2024-06-22T12:00Z | sed -n '/^start/,/^because/p'
> start      now, Sat 22 Jun 14:00 CEST; ends 19:00
> zone       DE
> expected   160 g/kWh
> because    no other start is expected to be cleaner

$ ./when --for 1h..3h --by 16:00 --zone DE --file noon.csv --at 2024-06-22T06:00Z | sed -n '/^start/,/^because/p'
> start      Sat 22 Jun 13:00 CEST, in 5 h; ends 16:00 at the latest
> zone       DE
> expected   100 g/kWh; now it would be 300 g/kWh: 67 % less CO2e
> sure       over 99 % that it is cleaner: 200 g/kWh less, give or take 0.0 g/kWh
> because    waiting 5 h saves 0.40 kg for each kW

# Many jobs do not all start in the same second; the same number always starts at the same one.
$ for id in 1 2 2; do ./when --for 1h --by 20:00 --id $id --zone DE --file noon.csv --at 2024-06-22T06:00Z | sed -n '/^start/p;/spreads/p'; done
> start      Sat 22 Jun 13:20:51 CEST, in 5 h 20 min; ends 14:20:51
>            20 min later than the best start, which is within 5 %: its number spreads
> start      Sat 22 Jun 15:53:32 CEST, in 7 h 53 min; ends 16:53:32
>            2 h 53 min later than the best start, which is within 5 %: its number spreads
> start      Sat 22 Jun 15:53:32 CEST, in 7 h 53 min; ends 16:53:32
>            2 h 53 min later than the best start, which is within 5 %: its number spreads

# Grids with the same words are compared, others are not.
$ printf '%s\n' '{"Date":"2024-06-22T00:00:00Z","Emissions":[' >two.json; for z in A B; do [ $z = A ] && g=300 || g=90; for h in 06 07 08 09 10 11; do printf '{"Location":"%s","Time":"2024-06-22T%s:00:00+00:00","Rating":%s,"Duration":"01:00"},\n' $z $h $g; done; done >>two.json; sed -i '$ s/,$/]}/' two.json; ./when --for 2h --by 6h --any-of A,B --file two.json --at 2024-06-22T06:00Z --power 1.2kW | sed -n '/^start/,$p'
> start      now, Sat 22 Jun 08:00 CEST; ends 10:00
> zone       B
> expected   90.0 g/kWh; now in A it would be 300 g/kWh: 70 % less CO2e
> carbon     0.22 kg CO2e instead of 0.72 kg
> sure       not known
> because    B is expected to be cleaner than A
>            how far these forecasts are off is not known: taken as 36 %, so that a gain
>            of 28.5 g/kWh or more counts
> basis      average/life-cycle/location
> from       file two.json
> why        file: it has values from 2024-06-22T06:00Z to 2024-06-22T12:00Z only

$ tern when --for 2h --by 6h --any-of file:A,yearly:FR --file two.json --at 2024-06-22T06:00Z --basis average/operational/location
! tern: yearly: its figures are on the basis average/life-cycle/location, not average/operational/location
? 2

# A gain that cannot be told from the error is none, unless one wants to wait for it anyway.
$ { echo time,intensity; awk 'BEGIN { for (i = 0; i < 768; i++) { d = int(i / 24); h = i % 24; printf "2024-05-%02dT%02d:00Z,%d\n", d + 1, h, (d % 2 ? 200 : 300) - (h == 12 ? 10 : 0) } }' | grep -v '05-3[2-9]'; } >moody.csv; ./when --for 1h --by 12h --zone DE --file moody.csv --at 2024-05-31T06:00Z | sed -n '/^start/,$p'
> start      now, Fri 31 May 08:00 CEST; ends 09:00
> zone       DE
> expected   300 g/kWh
> because    waiting would gain 10.0 g/kWh, but forecasts are so far off that less than
>            22.0 g/kWh cannot be told from nothing (at 60 % confidence): do not wait
> basis      average/life-cycle/location
> from       file moody.csv
> why        its error is that of the keyless forecast, until its own is known

$ ./when --for 1h --by 12h --confidence 0 --zone DE --file moody.csv --at 2024-05-31T06:00Z | sed -n '/^start/,/^because/p'
> start      Fri 31 May 14:00 CEST, in 6 h; ends 15:00
> zone       DE
> expected   290 g/kWh; now it would be 300 g/kWh: 3 % less CO2e
> sure       54 % that it is cleaner: 10.0 g/kWh less, give or take 87.0 g/kWh
> because    waiting 6 h saves 10.0 g for each kW

# Nothing is known of hours: no key, no network.
$ ./when --for 2h --zone DE --at 2026-11-22T08:00Z --offline
> start      now, Sun 22 Nov 09:00 CET; ends 11:00
> zone       DE
> expected   381 g/kWh
> because    nothing is known of hours, only the mean of the year 2023, which is the same
>            at each of them: do not wait
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)

$ ./when --for 2h --zone GB --at 2026-11-22T08:00Z --offline
> start      now, Sun 22 Nov 09:00 CET; ends 11:00
> zone       GB
> expected   238 g/kWh
> because    nothing is known of hours, only the mean of the year 2023, which is the same
>            at each of them: do not wait
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)

$ ./when --for 2h --any-of DE,FR --at 2026-11-22T08:00Z --offline --power 100
> start      now, Sun 22 Nov 09:00 CET; ends 11:00
> zone       FR
> expected   56.0 g/kWh; now in DE it would be 381 g/kWh: 85 % less CO2e
> carbon     11.2 g CO2e instead of 76.2 g
> sure       not known
> because    FR is expected to be cleaner than DE
>            only means of a year are known
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)

$ ./when --for 2h --zone US-CAL-CISO --source electricitymaps --at 2026-11-22T08:00Z --offline
> start      now, Sun 22 Nov 09:00 CET; ends 11:00
> zone       US-CAL-CISO
> expected   not known
> because    nothing is known of US-CAL-CISO then: do not wait
! tern: warning: no intensity of US-CAL-CISO: electricitymaps: not asked: offline; grid: no zone 'US-CAL-CISO' in the table; near it: US (United States)

# The forecast ends before the deadline; a job that is longer than what is known.
$ ./when --for 2h --by 7d --zone A --file two.json --at 2024-06-22T06:00Z | sed -n '/^start/,$p'
> start      now, Sat 22 Jun 08:00 CEST; ends 10:00
> zone       A
> expected   300 g/kWh
> because    no other start is expected to be cleaner
>            nothing is known after 14:00: planned until then
> basis      average/life-cycle/location
> from       file two.json
> why        file: it has values from 2024-06-22T06:00Z to 2024-06-22T12:00Z only

$ ./when --for 12h --by 7d --zone A --file two.json --at 2024-06-22T06:00Z | sed -n '/^start/,$p'
> start      now, Sat 22 Jun 08:00 CEST; ends 20:00
> zone       A
> expected   not known
> because    A is known until 14:00 only, and the job needs it until 20:00: do not wait
> basis      average/life-cycle/location
> from       file two.json
> why        file: it has values from 2024-06-22T06:00Z to 2024-06-22T12:00Z only

# On the day that has 23 hours, "noon to noon" is one hour less.
$ TZ=CET-1CEST,M3.5.0,M10.5.0/3 tern when --for 23h --by tomorrow --zone DE --offline --at 2026-03-28T11:00Z | sed -n '/^start/p;/^because/p'
> start      now, Sat 28 Mar 12:00 CET; ends Sun 29 Mar 12:00
> because    the deadline leaves no other start

$ TZ=CET-1CEST,M3.5.0,M10.5.0/3 tern when --for 24h --by tomorrow --zone DE --offline --at 2026-03-28T11:00Z | sed -n '/^start/p;/^because/p'
> start      now, Sat 28 Mar 12:00 CET; ends Sun 29 Mar 13:00
> because    the deadline cannot be kept: it may end 1 h after it

# On the day that clocks go back, 01:45 comes twice: what is still to come is meant, and told.
$ printf '%s\n' '#!/bin/sh' 'TZ=GMT0BST,M3.5.0/1,M10.5.0 exec tern when --offline --zone GB --source yearly "$@"' >uk; chmod +x uk; ./uk --for 10min --by 01:45 --at 2024-10-27T00:50Z --json | grep -o '"deadline":"[^"]*"'
> "deadline":"2024-10-27T01:45:00Z"
! by: clocks show '01:45' twice on that day: the second is meant, Sun 27 Oct 01:45 GMT

$ ./uk --for 10min --from 01:45 --at 2024-10-27T00:50Z --json | grep -o '"earliest":"[^"]*"'
> "earliest":"2024-10-27T01:45:00Z"
! from: clocks show '01:45' twice on that day: the second is meant, Sun 27 Oct 01:45 GMT

$ ./uk --for 10min --by 01:30 --at 2024-03-31T00:30Z --json | grep -o '"deadline":"[^"]*"'
> "deadline":"2024-03-31T01:00:00Z"
! by: clocks skip '01:30' on that day: Sun 31 Mar 02:00 BST is meant

# Where no error is known, a small gain is none; a large one counts, and any that is asked for.
$ printf 'time,intensity\n2024-06-22T06:00Z,300\n2024-06-22T07:00Z,290\n' >small.csv; ./when --for 1h --by 2h --zone DE --file small.csv --at 2024-06-22T06:00Z | sed -n '/^start/p;/^because/,/^basis/p'
> start      now, Sat 22 Jun 08:00 CEST; ends 09:00
> because    waiting would gain 10.0 g/kWh, but these forecasts may be so far off that
>            less than 38.0 g/kWh cannot be told from nothing (at 60 % confidence): do not
>            wait
>            how far these forecasts are off is not known: taken as 36 %, so that a gain
>            of 38.0 g/kWh or more counts
> basis      average/life-cycle/location

$ sed -i 's/290/200/' small.csv; ./when --for 1h --by 2h --zone DE --file small.csv --at 2024-06-22T06:00Z | sed -n '/^start/p;/^sure/p'
> start      Sat 22 Jun 09:00 CEST, in 1 h; ends 10:00
> sure       not known

$ sed -i 's/200/290/' small.csv; ./when --for 1h --by 2h --confidence 0 --zone DE --file small.csv --at 2024-06-22T06:00Z | sed -n '/^start/p'
> start      Sat 22 Jun 09:00 CEST, in 1 h; ends 10:00

# What is longest is looked at to its end.
$ { echo time,intensity; awk 'BEGIN { for (i = 0; i < 720; i++) { d = int(i / 24); h = i % 24; printf "2024-05-%02dT%02d:00Z,%d\n", d + 1, h, 200 + h } }'; } >month.csv; ./when --for 14d --by 15d --zone DE --file month.csv --at 2024-05-31T00:00:30Z | grep -c 'is known until'
> 0
? 1

# --- JSON: the decision, and all that it was made from

$ ./when --for 1h --by 4h --zone A --file two.json --at 2024-06-22T06:00Z --power 450 --json
> {"schema":"tern.when/1","now":"2024-06-22T06:00:00Z","job":{"id":0,"earliest":"2024-06-22T06:00:00Z","deadline":"2024-06-22T10:00:00Z","durations":[{"duration_s":3600,"weight":1}],"interruptible":false,"min_slice_s":0,"overhead_s":0,"band_permille":0,"confidence_permille":600,"power_uw":450000000},"decision":{"wait":false,"zone":"A","start":"2024-06-22T06:00:00Z","end":"2024-06-22T07:00:00Z","slices":[{"start":"2024-06-22T06:00:00Z","length_s":3600}],"cost":{"mean_mg_kwh":300000,"co2_ug_per_kw":300000000},"now":{"mean_mg_kwh":300000,"co2_ug_per_kw":300000000},"gain_ug_per_kw":0,"co2_ug":135000000,"now_co2_ug":135000000,"saved_ug":0,"reasons":[{"code":"now-is-best","a":0,"b":0,"text":"no other start is expected to be cleaner"}]},"zones":[{"zone":"A","source":"file","basis":"average/life-cycle/location","how":"live","why":"file: it has values from 2024-06-22T06:00Z to 2024-06-22T12:00Z only","place":"two.json","licence":"that of the file","obtained":"2024-06-22T06:00:00Z","issued":"2024-06-22T06:00:00Z","estimated":0,"none":0,"refused":0,"slots":[{"start":"2024-06-22T06:00:00Z","end":"2024-06-22T07:00:00Z","kind":"forecast","intensity_mg_kwh":300000},{"start":"2024-06-22T07:00:00Z","end":"2024-06-22T08:00:00Z","kind":"forecast","intensity_mg_kwh":300000},{"start":"2024-06-22T08:00:00Z","end":"2024-06-22T09:00:00Z","kind":"forecast","intensity_mg_kwh":300000},{"start":"2024-06-22T09:00:00Z","end":"2024-06-22T10:00:00Z","kind":"forecast","intensity_mg_kwh":300000}]}]}

# --- slips

$ ./when --zone DE
! tern: when: how long does it take? (--for 2h)
? 2

$ ./when --zone DE --for 2
! tern: time: for: '2' is not a length of time with its unit, as 90min, 2h or 1d
? 2

$ ./when --zone DE --for 3h..1h
! tern: when: for: '3h..1h' begins with the longer one
? 2

$ ./when --zone DE --for 30d
! tern: when: for: more than 14 days
? 4

$ ./when --zone DE --for 2h --by sometime
! tern: time: by: 'sometime' is not as 18:00, 6pm, noon, midnight, 'tomorrow 9:00', 'fri 9:00', 12h or 2026-01-31T12:00Z
? 2

$ ./when --zone DE --for 2h --from 'today 00:00' --at 2024-06-22T06:00Z
! tern: when: from: today 00:00 is over
? 2

$ ./when --zone DE --for 2h --power 0
! tern: when: power: work draws more than 0 W
? 2

$ TZ=Nonsense tern when --zone DE --for 2h --offline --at 2024-06-22T06:00Z | sed -n '/^start/p'
>~ start      now, Sat 22 Jun 06:00 *; ends 08:00
! tern: warning: TZ: this machine knows no time zone 'Nonsense': times are UTC

$ ./when --zone DE --for 2h --power 5hp
! tern: carbon: power: '5hp' is not a number of at most 18 digits
? 2

$ ./when --zone DE --for 2h --overhead 5min
! tern: when: --min-slice and --overhead are about --interruptible work
? 2

$ ./when --for 2h
! tern: grid: in which zone is this machine? (--zone DE)
!~ hint: 'tern grid zones WORD' finds its code; a line in '*/.config/tern/zone' says it for all commands
? 2

$ ./when --for 2h --zone Atlantis --offline
! tern: grid: no source that is set up knows the zone 'Atlantis'
! hint: 'tern grid sources' says what each needs
? 2
