# SPDX-License-Identifier: Apache-2.0
# tern edge: readings through the detector, from a CSV to firmware, and readings that are signed.

# The same core as on the device, row after row: what cannot be used is said, and is not an error.
$ printf '%s\n' time,value '2024-10-27 01:00,100' '2024-10-27 02:00,110' '2024-10-27 02:00,105' '2024-10-27 03:00,nan' '2024-10-27 04:00,-5' '2024-10-27 05:00,99999' '2024-10-27 08:00,120' >day.csv; tern edge run --interval 3600 --scale 1 --max 10000 day.csv
> # time                   reading     score threshold  status
> 2024-10-27T01:00:00        100    0.0000    8.0000  warming-up
> 2024-10-27T02:00:00        110    0.0000    8.0000  warming-up
> 2024-10-27T02:00:00        105    0.0000    0.0000  out-of-order
> 2024-10-27T03:00:00          -    0.0000    0.0000  missing
> 2024-10-27T04:00:00         -5    0.0000    0.0000  negative
> 2024-10-27T05:00:00      99999    0.0000    0.0000  saturated
> 2024-10-27T08:00:00        120    0.0000    8.0000  gap warming-up
! column 'value', times 1; a reading every 3600 s
! 7 readings, 4 refused, 0 alarms

$ tern edge run --interval 3600 --scale 1 --json - <day.csv | sed -n 4p
> {"schema":"tern.edge-reading/1","line":5,"time":"2024-10-27T03:00:00","score":0,"threshold":0,"z":0,"predicted":0,"status":["missing"]}
! column 'value', times 1; a reading every 3600 s
! 7 readings, 3 refused, 0 alarms

# A month, two weeks and a day are so of the interval that is given.
$ for i in $(seq 0 1343); do echo $((1700000000 + i * 900)),$((100 + i % 7)); done >quarter.csv; echo $((1700000000 + 1344 * 900)),100 >>quarter.csv; tern edge run -q --interval 900 --scale 1 quarter.csv | grep -c warming-up
> 1344

$ tern edge run -q --interval 900 quarter.csv | grep -c warming-up
> 1344

$ tern edge run -q --interval 900 --scale 1 --warm-up 10 quarter.csv | grep -c warming-up
> 10

$ tern edge run -q --interval 1 --scale 1 quarter.csv | wc -l
> 1346
! tern: warning: one false alarm in 65535 readings, the most there is, is one in 18 hours

# Another shape is an error that names line and column.
$ printf '%s\n' 'time,value' '2024-10-27 01:00,100' '2024-10-27 02:00,12x' >bad.csv; tern edge run bad.csv
! tern: csv: bad.csv line 3, column 'value': '12x' is no number (at offset 32)
? 4

$ printf '%s\n' 'time;a;b' '1/2/2024 1:00;1;2' >two.csv; tern edge run two.csv
! tern: csv: two.csv line 2: several columns hold numbers, and none is called value: which one has to be said (at offset 9)
! hint: --time, --value and --dates say what the columns are
? 4

$ tern edge run --dates mdy two.csv
! tern: csv: two.csv line 2: several columns hold numbers, and none is called value: which one has to be said (at offset 9)
! hint: --time, --value and --dates say what the columns are
? 4

$ tern edge run --dates mdy --value b --interval 900 --scale 10 -q two.csv
> # time                   reading     score threshold  status
> 2024-01-02T01:00:00         20    0.0000    8.0000  warming-up

$ tern edge run --value watts day.csv
! tern: csv: day.csv has no column 'watts'
? 2

$ tern edge run nothing.csv
! tern: edge: cannot open 'nothing.csv': No such file or directory
? 5

# From a CSV to firmware.
$ cp "$TERN_SOURCE/tests/data/meter/household.csv" house.csv; tern edge fit --value Global_active_power house.csv -o house.edge
> readings      2016, one every 3600 s, column 'Global_active_power' times 10
>~ settings      full scale 15272, smallest deviation */16, 720 for a false alarm, 336 to warm up, 24 to an event, 24 equal ones
>~ held out      * readings; mean error * deviations by the seasonal baseline, * with the best network
>~ network       * rows over * readings back

$ tern edge size house.edge
>~ flash         * bytes: code *, weights, layers and settings *
>~ RAM           * bytes: state *, history *, scratch *, stack *
>~ instructions  * a reading at most, for * multiply-accumulates
>~ cycles        *, modelled: 1.404 an instruction
>~ energy        * to * uJ a reading, modelled: 279 to 322 pJ a cycle
> budget        kept: 16384 bytes of flash, 4096 of RAM, 20000 instructions

$ tern edge run -q -m house.edge house.csv | sed -n 2,3p
> 2006-12-16T17:00:00       1520    0.0000    8.0000  warming-up
>~ 2006-12-16T18:00:00       2179 * warming-up

$ tern edge export house.edge -o firmware --name house
> firmware/house.h
> firmware/house.c

$ tern edge export house.edge --name 7up
! tern: edge: '7up' cannot begin identifiers: small letters, digits and _, at most 32, and not tern_edge
? 2

$ tern edge export house.edge --name tern_edge
! tern: edge: 'tern_edge' cannot begin identifiers: small letters, digits and _, at most 32, and not tern_edge
? 2

$ head -c 100 house.edge >cut.edge; tern edge size cut.edge
! tern: edge model: not as long as it says (at offset 12)
? 4

$ tern edge fit day.csv -o none.edge; ls none.edge
! tern: warning: of 7 readings 1 are missing, 0 beyond the full scale and 0 negative: the detector uses none of these
! tern: edge: 0 usable readings after warming up; a network needs 1000
! ls: cannot access 'none.edge': No such file or directory
? 2

$ tern edge fit house.csv --value 2
! tern: edge: -o MODEL is missing
? 2

$ tern edge fit --no-network --budget 1000 house.csv --value 2 -o settings.edge
> readings      2016, one every 3600 s, column 'Global_active_power' times 10
>~ settings      full scale 15272, smallest deviation */16, 1000 for a false alarm, 336 to warm up, 24 to an event, 24 equal ones
> network       none was asked for

# All rows tell the scale, but for one in a thousand; one that is asked for and does not fit makes no
# model.
$ for i in $(seq 0 469); do echo $((1700000000 + i * 3600)),$([ $i -lt 70 ] && echo 0.004 || echo $((30 + i % 10))); done >late.csv; tern edge fit --no-network late.csv -o late.edge; tern edge fit --no-network --scale 1e6 late.csv -o later.edge; ls later.edge
> readings      470, one every 3600 s, column 'column 2' times 100
>~ settings      full scale 15600, *
> network       none was asked for
! tern: edge: 400 of 470 readings, times 1e+06, are beyond the full scale of 16000
! hint: --scale says what readings are multiplied by
! ls: cannot access 'later.edge': No such file or directory
? 2

$ (cat late.csv; echo $((1700000000 + 470 * 3600)),999999; seq 471 3000 | awk '{ print 1700000000 + $1 * 3600 "," ($1 % 5 ? 35 : "nan") }') >codes.csv; tern edge fit --no-network --scale 0.1 codes.csv -o codes.edge; tern edge fit --no-network codes.csv -o codes.edge | head -n 1; tern edge fit -q --no-network --scale 0.1 late.csv -o tenth.edge >tenth.txt; tern edge export tenth.edge -o firmware --name tenth; grep -o 'times [0-9.]*' firmware/tenth.h
> readings      3001, one every 3600 s, column 'column 2' times 0.1
>~ settings      *
> network       none was asked for
> readings      3001, one every 3600 s, column 'column 2' times 100
> firmware/tenth.h
> firmware/tenth.c
> times 0.1
! tern: warning: of 3001 readings 506 are missing, 0 beyond the full scale and 0 negative: the detector uses none of these
!~ tern: warning: of 3001 readings 506 are missing, * beyond the full scale and 0 negative: the detector uses none of these

# A name that is longer than what a model keeps of it is found again.
$ long=$(printf %075d 7); sed "s/Global_active_power/$long/; s/\$/,1/; 1s/,1\$/,value/" house.csv >long.csv; tern edge fit -q --no-network --value 2 long.csv -o long.edge >/dev/null; tern edge run -q -m long.edge long.csv | sed -n 2p
> 2006-12-16T17:00:00       1520    0.0000    8.0000  warming-up

# Faults: the same seed, the same places.
$ tern edge inject house.csv --value 2 --kinds spike,stuck --after 0 --seed 3 -o faulty.csv
! tern: inject: 2 faults do not fit into 2016 readings after the first 0: each has 56 days
? 4

$ tern edge inject house.csv --value 2 --kinds stuck --after 0 --seed 3 -o faulty.csv; cat faulty.csv.labels.csv; diff house.csv faulty.csv | grep -c '^>'
> kind,begin,end,first,readings,amount
> stuck,2007-01-01T02:00:00,2007-01-03T01:00:00,369,48,0
> 48
! 1 faults in 2016 readings, labels in faulty.csv.labels.csv

# A model that finds no alarm in these readings finds the one fault.
$ tern edge run -q -m house.edge --alarms house.csv | tail -n +2; tern edge inject -q house.csv --value 2 --kinds spike --after 0 -o spike.csv; tail -n 1 spike.csv.labels.csv; tern edge run -q -m house.edge --alarms spike.csv | tail -n +2
> spike,2007-01-14T08:00:00,2007-01-14T08:00:00,687,1,1414.29
>~ 2007-01-14T08:00:00 * alarm

$ tern edge inject house.csv --value 2 --kinds fire -o faulty.csv
! tern: inject: 'fire' is no kind of fault: theft, stuck, phase, drift, spike
? 2

# What is no row stays where it is.
$ (echo '# of house 7'; head -n 900 house.csv; echo; echo '# a new meter'; tail -n +901 house.csv; echo '# end') >notes.csv; tern edge inject -q notes.csv --value 2 --kinds stuck --after 0 --seed 3 -o noted.csv; diff notes.csv noted.csv | grep -c '^>'; grep -n '^#' noted.csv
> 48
> 1:# of house 7
> 903:# a new meter
> 2021:# end

# A decimal comma stays one, and 12.345 after 1234,5 is not guessed at.
$ tr ',.' ';,' <house.csv >comma.csv; tern edge inject comma.csv --value 2 --kinds spike -n 1 --after 0 --seed 3 -o spiked.csv; diff comma.csv spiked.csv | grep -c '^>.*,'; grep -c '[.]' spiked.csv
> 1
> 0
! 1 faults in 2016 readings, labels in spiked.csv.labels.csv
? 1

$ printf '%s\n' 'time;value' '2024-10-27 01:00;1234,5' '2024-10-27 02:00;12.345' >mixed.csv; tern edge run mixed.csv
! tern: csv: mixed.csv line 3, column 'value': '12.345' has another decimal mark than values before it (at offset 35)
? 4

# Signed readings: a log takes each once, in order, by the key that is given.
$ tern edge run -q --value 2 --records a.rec --key device --device house-7 house.csv >all.txt; tern verify --key device.pub a.rec
> a.rec: verified
>   signature    ok    2016 readings of house-7, by a key that was given
>   order        ok    numbers 1 to 2016, none missing between them
>~   statement    ok    2006-12-16T17:00:00Z to 2007-03-10T16:00:00Z, counter 152000 to 181800300 mWh, * alarms
! tern: warning: times do not say how far from UTC they are, and are signed as UTC; --local takes them for this machine's clock (TZ)

$ tern log init log 2>/dev/null >/dev/null; tern log append log --readings device.pub a.rec | tail -n 1
> 2015

# The next day: rows that were signed only teach, the others follow; a log takes what is new.
$ tern edge run -q --value 2 --records a.rec --key device --device house-7 house.csv >again.txt; cmp all.txt again.txt; tern verify --key device.pub a.rec | sed -n 3p
>   order        ok    numbers 1 to 2016, none missing between them
! tern: warning: times do not say how far from UTC they are, and are signed as UTC; --local takes them for this machine's clock (TZ)

$ cp a.rec b.rec; (cat house.csv; tail -n 1 house.csv | sed 's/^[^,]*,/2007-03-10 17:00:00,/') >more.csv; tern edge run --alarms --value 2 --records b.rec --key device --device house-7 more.csv >more.txt; tern log append log --readings device.pub b.rec
> 2016
!~ column 'Global_active_power', times 10; a reading every 3600 s
! tern: warning: times do not say how far from UTC they are, and are signed as UTC; --local takes them for this machine's clock (TZ)
! 2016 records were there, 1 are new
!~ 2017 readings, * refused, * alarms

$ tern edge run -q --value 2 --records b.rec --key device --device house-8 more.csv
! tern: edge: 'b.rec' has records of another device
? 2

$ tern edge run -q --value 2 --records b.rec --key another --device house-7 more.csv
! tern: reading: reading 1: the signature is wrong, or by another key
? 1

# The counter counts what stands still, and both of the hours that come twice; a time that nobody
# believes is not signed.
$ for i in $(seq 0 99); do echo $((1700000000 + i * 3600)),10; done >flat.csv; tern edge run -q --interval 3600 --scale 1 --records flat.rec --key device flat.csv >flat.txt; tern verify --key device.pub flat.rec | sed -n 4p
>   statement    ok    2023-11-14T22:13:20Z to 2023-11-19T01:13:20Z, counter 10000 to 1000000 mWh, 0 alarms

$ printf '%s\n' time,value '2024-10-27 01:00,100' '2024-10-27 02:00,110' '2024-10-27 02:00,105' '2024-10-27 02:00,105' '2024-10-27 03:00,90' '2099-01-01 00:00,5' '2024-10-27 04:00,80' >twice.csv; TZ=Europe/Berlin tern edge run -q --local --interval 3600 --scale 1 --records twice.rec --key device twice.csv; tern verify --key device.pub twice.rec | sed -n 4p
> # time                   reading     score threshold  status
> 2024-10-27T01:00:00+02:00        100    0.0000    8.0000  warming-up
> 2024-10-27T02:00:00+02:00        110    0.0000    8.0000  warming-up
> 2024-10-27T02:00:00+01:00        105    0.0000    0.0000  out-of-order
> 2024-10-27T02:00:00+01:00        105    0.0000    0.0000  out-of-order
> 2024-10-27T03:00:00+01:00         90    0.0000    8.0000  warming-up
> 2099-01-01T00:00:00+01:00          5    0.0000    0.0000  out-of-order gap
> 2024-10-27T04:00:00+01:00         80    0.0000    8.0000  warming-up
>   statement    ok    2024-10-26T23:00:00Z to 2024-10-27T03:00:00Z, counter 100000 to 490000 mWh, 0 alarms

$ tern log append log --readings device.pub a.rec
! tern: reading: reading 1 after 2017 was there before, or one with a later number was
? 1

$ head -c 160 a.rec >one.rec; tern verify --key device.pub --log log one.rec | cut -c 1-36
> one.rec: verified
>   signature    ok    1 readings of h
>   order        ok    numbers 1 to 1,
>   statement    ok    2006-12-16T17:0
>   inclusion    ok    entry 0 of 2017

$ head -c 400 a.rec >cut.rec; tern verify --key device.pub cut.rec
! tern: reading: no signed reading: 80 bytes, wanted are 160 that begin with TERNREC1
? 4

$ head -c 160 a.rec >gap.rec; tail -c 160 a.rec >>gap.rec; tern verify --key device.pub gap.rec
> gap.rec: NOT verified
>   order        no    reading 2016 after 1 does not follow: readings between are missing
? 1

$ tern verify one.rec
> one.rec: NOT verified
>   signature    no    there is no key to check it with; --key gives one
? 1

$ tern edge run -q --value 2 --records c.rec --key other --device house-7 house.csv >all.txt; tern log append log --readings device.pub c.rec
! tern: warning: times do not say how far from UTC they are, and are signed as UTC; --local takes them for this machine's clock (TZ)
! tern: reading: reading 1: the signature is wrong, or by another key
? 1

# A file is of one device, and a device has one key.
$ (head -c 160 a.rec; head -c 320 c.rec | tail -c 160) >forged.rec; tern verify --key device.pub --key other.pub forged.rec
>~ forged.rec: NOT verified
>~   signature    no    *
? 1

$ tern edge run --records d.rec house.csv
! tern: edge: --records and --key go together
? 2


# Scores of the benchmark: a series with one window, at whose middle something happens.
$ mkdir -p nab/labels nab/data/a; printf '{"a/x.csv": [["2014-04-02 23:00:00", "2014-04-03 01:00:00"]]}' >nab/labels/combined_windows.json; awk 'BEGIN { print "timestamp,value"; for (i = 0; i < 1000; i++) printf "2014-04-%02d %02d:%02d:00,%d\n", 1 + i / 480, i / 20 % 24, i % 20 * 3, i % 7 + (i == 960 ? 900 : 0) }' >nab/data/a/x.csv; tern edge score --nab nab
> # 1 series, 1 windows
> # profile                score   threshold  found  false alarms
> standard               93.4118        3113      1             0
> reward_low_FP_rate     93.4118        3113      1             0
> reward_low_FN_rate     95.6079        3113      1             0

$ tern edge score --nab nowhere
! tern: file: cannot open 'nowhere/labels/combined_windows.json': No such file or directory
? 5

# Faults need weeks to be in.
$ printf '%s\n' time,value '2024-10-27 01:00,100' '2024-10-27 02:00,110' >few.csv; tern edge score few.csv
! 2 readings, one in 3600 s; 0 left out that were not after the one before
! tern: edge: 2 readings, one in 3600 s, are less than the 16 weeks that are needed
? 2

$ tern edge score --nab nab few.csv
! tern: edge: either a file of readings or --nab DIR is wanted
? 2
