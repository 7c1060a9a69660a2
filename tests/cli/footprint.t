# SPDX-License-Identifier: Apache-2.0
# tern footprint: grams with their basis, scores, estimates, the first note's tables.

$ tern footprint of 3.1J --zone DE
> energy    3.10 J (0.861 mWh)
> carbon    0.33 mg CO2e (DE, yearly 2023, life-cycle)

$ tern footprint of 2kWh --zone france --pue 1.2
> energy    7.20 MJ (2000 Wh)
> carbon    0.13 kg CO2e (FR, yearly 2023, life-cycle)

# The zone of the environment, and of the user's file; what is nearer wins.
$ TERN_ZONE=SE tern footprint of 1kWh | tail -n 1
> carbon    40.7 g CO2e (SE, yearly 2023, life-cycle)

$ mkdir -p c/tern; echo POL >c/tern/zone; XDG_CONFIG_HOME=$PWD/c tern footprint of 1kWh | tail -n 1
> carbon    0.66 kg CO2e (PL, yearly 2023, life-cycle)

$ XDG_CONFIG_HOME=$PWD/c TERN_ZONE=SE tern footprint of 1kWh --zone DE | tail -n 1
> carbon    0.38 kg CO2e (DE, yearly 2023, life-cycle)

# No zone, no grams.
$ tern footprint of 3.1J
> energy    3.10 J (0.861 mWh)
! no grams without a grid: --zone CODE or TERN_ZONE says which grid; 'tern footprint zones' lists them

$ tern footprint of 3.1J --json
> {"schema":"tern.footprint/1","kind":"of","energy_uj":3100000}

$ tern footprint of 3.1J --per run
! tern: carbon: a score needs a grid
! hint: --zone CODE or TERN_ZONE says which grid; 'tern footprint zones' lists them
? 2

# No other zone than the one that was asked for.
$ tern footprint of 3.1J --zone Germny
! tern: grid: no zone 'Germny' in the table; near it: DE (Germany)
! hint: 'tern footprint zones' lists them; --grid FILE brings others
? 2

$ tern footprint of 3.1J --zone US-CAL-CISO
! tern: grid: no zone 'US-CAL-CISO' in the table; near it: US (United States)
! hint: 'tern footprint zones' lists them; --grid FILE brings others
? 2

$ tern footprint of 3.1J --zone DE --year 1999
! tern: grid: zone DE has no such year; there is 2023, average/life-cycle/location
! hint: 'tern footprint zones' lists them; --grid FILE brings others
? 2

# --- joules without a unit, and other slips

$ tern footprint of 3.1
! tern: carbon: energy: '3.1' is not a number with J, kJ, MJ, mJ, uJ, Wh, kWh or MWh
? 2

$ tern footprint of 6000MWh
! tern: carbon: energy: 6000 is too large
? 4

$ tern footprint of 1J --zone DE --pue 0.9
! tern: carbon: pue: 0.9 is not from 1 to 10
? 2

$ tern footprint of 1J --zone DE --basis average
! tern: carbon: basis: 'average' is not as average/life-cycle/location
? 2

$ tern footprint of 1J --zone DE --embodied 286kg
! tern: carbon: the hardware's share needs the time that it was taken (--time)
? 2

$ tern footprint of 1J --zone DE --embodied gpu=1 --time 1
! tern: carbon: hardware: 'gpu=1' is none of NUMBERkg, cpu, ram, ssd, board, rack, blade
? 2

# --- scores

$ tern footprint of 90J --zone SE --embodied cpu=178,board --time 6 --share 4/16 --per token:42
> energy    90.0 J (25 mWh)
> carbon    1.02 mg CO2e (SE, yearly 2023, life-cycle)
> hardware  0.94 mg CO2e
> score     46.5 ug CO2e per token (ISO/IEC 21031, with hardware)

$ tern footprint of 90J --zone SE --per hour:0.5 --json
> {"schema":"tern.footprint/1","kind":"of","energy_uj":90000000,"carbon":{"co2_ug":1017,"energy_uj":90000000,"pue_permille":1000,"zone":"SE","intensity_mg_kwh":40695,"basis":"average/life-cycle/location","period":"yearly","year":2023,"source":"owid"},"sci":{"operational_ug":1017,"embodied_ug":0,"total_ug":1017,"per":"hour","n_milli":500,"per_unit_ng":2034000,"basis":"average/life-cycle/location"}}

# --- tables of one's own

$ mkdir -p share/grid; { printf 'zone,alias,name,year,intensity_mg_kwh,basis,source,licence\n'; printf 'US-CAL-CISO,-,California,%s,own,none\n' 2024,215000,average/life-cycle/location 2025,208000,average/life-cycle/location 2025,50000,average/life-cycle/market 2025,430000,marginal/operational/location 2025,0,x; } >all.csv; sed '$d' all.csv >share/grid/yearly.csv; tern footprint zones --grid share/grid/yearly.csv
> US-CAL-CISO   California                        2024        215 g/kWh  average/life-cycle/location  own
> US-CAL-CISO   California                        2025        208 g/kWh  average/life-cycle/location  own
> US-CAL-CISO   California                        2025         50 g/kWh  average/life-cycle/market  own
> US-CAL-CISO   California                        2025        430 g/kWh  marginal/operational/location  own

$ TERN_SHARE=$PWD/share tern footprint of 1kWh --zone us-cal-ciso | tail -n 1
> carbon    0.21 kg CO2e (US-CAL-CISO, yearly 2025, life-cycle)

$ tern footprint of 1kWh --zone california --grid share/grid/yearly.csv --basis marginal/operational/location --year 2025 | tail -n 1
> carbon    0.43 kg CO2e (US-CAL-CISO, yearly 2025, operational, marginal)

# Certificates are shown, and kept out of scores.
$ tern footprint of 1kWh --zone california --grid share/grid/yearly.csv --basis average/life-cycle/market | tail -n 1
> carbon    50.0 g CO2e (US-CAL-CISO, yearly 2025, life-cycle, market-based)

$ tern footprint of 1kWh --zone california --grid share/grid/yearly.csv --basis average/life-cycle/market --per run
! tern: carbon: ISO/IEC 21031 allows no market-based intensity in a score
? 4

$ tern footprint of 1kWh --zone california --grid all.csv
! tern: grid: line 6, column 31: an intensity that is not from 1 to 5000000 (at offset 384)
? 4

$ tern footprint zones --grid nowhere.csv
!~ tern: *nowhere.csv*
? 5

$ tern footprint zones united k
! tern: footprint zones: 'k' is one argument too many
! hint: 'tern footprint zones --help' shows how it is used
? 2

$ tern footprint zones "united k"
> GB            United Kingdom                    2023    237.589 g/kWh  average/life-cycle/location  owid

$ tern footprint zones DEU --json
> {"schema":"tern.footprint/1","kind":"zones","zones":[{"zone":"DE","alias":"DEU","name":"Germany","year":2023,"intensity_mg_kwh":380950,"basis":"average/life-cycle/location","source":"owid","licence":"CC-BY-4.0"}]}

$ tern footprint zones atlantis
? 1

# --- models elsewhere

$ tern footprint remote --model-params 70 -n 400 --zone US
> estimate  EcoLogits v0.9, declared, not measured: a range of 10 times each way
> energy    94.7 J .. 9.47 kJ (4 cards of 80 GB, PUE 1.200)
> carbon    9.72 mg .. 0.97 g CO2e (US, yearly 2023, life-cycle)
> hardware  2.01 mg .. 0.20 g CO2e

$ tern footprint remote --model-params 44/440 --tokens 400 --json
> {"schema":"tern.footprint/1","kind":"remote","method":"EcoLogits v0.9","evidence":"declared","active_b":44,"total_b":440,"tokens":400,"pue_permille":1200,"gpus":16,"latency_s":27.7167,"energy_kwh":0.00085014,"energy_uj":{"low":306050284,"formula":3060502842,"high":30605028420},"embodied_ug":{"low":6420,"formula":64196,"high":641960}}

$ tern footprint remote -n 400
! tern: remote: how large is the model? (--model-params)
? 2

$ tern footprint remote --model-params 8
! tern: remote: an answer of no tokens
? 2

$ tern footprint remote --model-params 8/7 -n 1
! tern: remote: parameters: more than 0, and not more active than there are
? 2

# --- the first note

$ tern footprint seed | grep -E 'Cloud API|SMDR on edge|saved|as 50'
>   GPU cluster, as 50 cards         197100         197100 kWh    reproduced
>   Cloud API                        730000     202777.778 kWh    corrected
>   SMDR on edge                        548        152.083 kWh    corrected
>   Cloud API                           365        101.389 t CO2  corrected
>   SMDR on edge                        0.3          0.076 t CO2  corrected
>   saved                                84          83.75 %      reproduced
>   saved, consensus unchanged           84          71.25 %      corrected
>   saved                           2934600        2934600 kWh    reproduced
>   saved                              1465         1467.3 t CO2  corrected
>   saved, summary                     1500         1467.3 t CO2  reproduced

$ tern footprint seed --zone FR | grep -A 2 'Cloud API .*t CO2' | tail -n 1
>       11.363 t on the grid of FR (2023)

$ tern footprint seed --json --zone FR | grep -o '"zone_milli":[0-9]*' | head -n 1
> "zone_milli":1278

$ tern footprint seed --json | grep -o '"verdict":"[a-z]*"' | sort | uniq -c | tr -s ' '
>  9 "verdict":"corrected"
>  2 "verdict":"refuted"
>  14 "verdict":"reproduced"
>  2 "verdict":"unmeasured"

# --- beside the meter

$ tern meter --zone DE --embodied 286kg --json -o r.json -- true; grep -o '"carbon":{"co2_ug":[0-9]*\|"zone":"[A-Z]*"\|"per":"[a-z]*"' r.json | sed 's/:[0-9][0-9]*/:N/' | paste -s -d ' '
> "carbon":{"co2_ug":N "zone":"DE" "per":"run"

$ tern meter -o - -- true | grep carbon
>   carbon   no grid was said (--zone, TERN_ZONE)

$ TERN_ZONE=FR tern meter -o - -- true | grep 'carbon\|score' | sed 's/[0-9.]* [mu]*g/N/'
>   carbon   N CO2e (FR, yearly 2023, life-cycle)
>   score    N CO2e per run (ISO/IEC 21031, without hardware)

# What is wrong is said before the command is run.
$ tern meter --zone Germny -- touch ran; ls ran
! tern: grid: no zone 'Germny' in the table; near it: DE (Germany)
! hint: 'tern footprint zones' lists them; --grid FILE brings others
!~ ls: *ran*
? 2

$ tern meter --embodied 286kg -- true
! tern: carbon: a score needs a grid
! hint: --zone CODE or TERN_ZONE says which grid; 'tern footprint zones' lists them
? 2
