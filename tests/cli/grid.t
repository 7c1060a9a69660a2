# SPDX-License-Identifier: Apache-2.0
# tern grid on this machine alone: tables, files, what is said when nothing is known.  Services
# are in grid.sh.

$ tern grid now --zone DE --source yearly
> zone       DE
> intensity  381 g/kWh, mean of the year
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)

# Several are put in order.
$ tern grid now --zone DE --zone FR --zone SE --source yearly
> SE                 40.7 g/kWh  yearly, mean of 2023
> FR                 56.0 g/kWh  yearly, mean of 2023
> DE                  381 g/kWh  yearly, mean of 2023

# A trace of forty days in which each hour has its value, and each day one of three more.
$ awk 'BEGIN { print "time,intensity"; for (i = 0; i < 40 * 24; i++) printf "2026-%s-%02dT%02d:00Z,%d\n", int(i / 24) < 31 ? "01" : "02", int(i / 24) < 31 ? int(i / 24) + 1 : int(i / 24) - 30, i % 24, 200 + 10 * (i % 24 < 12 ? i % 24 : 24 - i % 24) + int(i / 24) % 3 }' >t.csv; wc -l <t.csv
> 961

$ tern grid now --zone XX --file t.csv --basis average/life-cycle/location --at 2026-02-05T12:12Z
> zone       XX
> intensity  322 g/kWh, 2026-02-05T12:00Z to 13:00Z, forecast
> basis      average/life-cycle/location
> from       file t.csv

$ TERN_GRID_FILE=t.csv TERN_GRID_BASIS=average/life-cycle/location tern grid now --zone XX --at 2026-02-05T12:12Z --json
> {"schema":"tern.grid/1","kind":"now","now":"2026-02-05T12:12:00Z","zones":[{"zone":"XX","source":"file","basis":"average/life-cycle/location","how":"live","place":"t.csv","licence":"that of the file","obtained":"2026-02-05T12:12:00Z","issued":"2026-02-05T12:12:00Z","estimated":0,"none":0,"refused":0,"slots":[{"start":"2026-02-05T12:00:00Z","end":"2026-02-05T13:00:00Z","kind":"forecast","intensity_mg_kwh":322000}]}]}

$ tern grid history --zone XX --file t.csv --basis average/life-cycle/location --from 2026-01-31T22:00Z --to 2026-02-01T02:00Z --table
> zone       XX
> 2026-01-31T22:00Z     60 min     220 g/kWh  actual
> 2026-01-31T23:00Z     60 min     210 g/kWh  actual
> 2026-02-01T00:00Z     60 min     201 g/kWh  actual
> 2026-02-01T01:00Z     60 min     211 g/kWh  actual
> cleanest   201 g/kWh at 2026-02-01T00:00Z
> dirtiest   220 g/kWh at 2026-01-31T22:00Z
> basis      average/life-cycle/location
> from       file t.csv

$ LC_ALL=C tern grid history --zone XX --file t.csv --basis average/life-cycle/location --at 2026-02-05T12:12Z
> zone       XX
>    500
>
>    375
>        ###########                                                    #########
>    250 #############################               ############################
>        ########################################################################
>    125 ########################################################################
>        ########################################################################
>    UTC                  18:00             00:00             06:00
> cleanest   202 g/kWh at 2026-02-05T00:00Z
> dirtiest   322 g/kWh at 2026-02-05T12:00Z
> basis      average/life-cycle/location
> from       file t.csv

# The file ends: what comes is made from what was, with the error that this would have had.
$ tern grid forecast --zone XX --hours 6 --table --file t.csv --basis average/life-cycle/location --at 2026-02-10T00:12Z
> zone       XX
> 2026-02-10T00:12Z     48 min     200 g/kWh  derived +- 0.2 g/kWh
> 2026-02-10T01:00Z     60 min     210 g/kWh  derived +- 0.2 g/kWh
> 2026-02-10T02:00Z     60 min     220 g/kWh  derived +- 0.2 g/kWh
> 2026-02-10T03:00Z     60 min     230 g/kWh  derived +- 0.3 g/kWh
> 2026-02-10T04:00Z     60 min     240 g/kWh  derived +- 0.3 g/kWh
> 2026-02-10T05:00Z     60 min     250 g/kWh  derived +- 0.3 g/kWh
> 2026-02-10T06:00Z     60 min     260 g/kWh  derived +- 0.8 g/kWh
> cleanest   200 g/kWh at 2026-02-10T00:12Z
> dirtiest   260 g/kWh at 2026-02-10T06:00Z
> basis      average/life-cycle/location
> from       file t.csv, derived
> why        file: it has values from 2026-01-01T00:00Z to 2026-02-10T00:00Z only

# A year's mean is flat, and says so.
$ tern grid forecast --zone DE --source yearly --hours 2 --table --at 2026-02-10T00:12Z
> zone       DE
> 2026-02-10T00:12Z    120 min     381 g/kWh  derived
> all        381 g/kWh
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)

# Whoever names a file must say what it counts.
$ tern grid now --zone XX --file t.csv
! tern: file: it does not say what its figures count: a basis must be given
? 2

$ tern grid now --zone XX --file t.csv --basis grams
! tern: grid: basis: 'grams' is not as average/life-cycle/location
? 2

# Nothing is known, and nothing is guessed.
$ tern grid now --zone XX --file t.csv --basis average/life-cycle/location --at 2026-02-22T12:12Z
! tern: grid: no intensity of XX: file: it has values from 2026-01-01T00:00Z to 2026-02-10T00:00Z only; grid: no zone 'XX' in the table; near it: MX (Mexico)
? 3

$ tern grid now --zone neso:GB-13 --offline
! tern: grid: no intensity of GB-13: neso: not asked: offline; grid: no zone 'GB-13' in the table; near it: GB (United Kingdom)
? 3

$ tern grid forecast --zone neso:GB-13 --offline
! tern: grid: no intensity of GB-13: neso: not asked: offline; grid: no zone 'GB-13' in the table; near it: GB (United Kingdom)
? 3

$ tern grid history --zone neso:GB --offline
! tern: grid: no intensity of GB: neso: not asked: offline
? 3

$ tern grid now --zone ZZ
! tern: grid: no source that is set up knows the zone 'ZZ'
! hint: 'tern grid sources' says what each needs
? 2

$ tern grid now
! tern: grid: in which zone is this machine? (--zone DE)
!~ hint: 'tern grid zones WORD' finds its code; a line in '*/.config/tern/zone' says it for all commands
? 2

$ tern grid now --zone electricitymaps:DE
> zone       DE
> intensity  381 g/kWh, mean of the year
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)
> why        electricitymaps: it needs a key

# The country's yearly figure stands in for the country, and says what it counts.
$ tern grid now --zone neso:GB --offline
> zone       GB
> intensity  238 g/kWh, mean of the year
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)
> why        neso: not asked: offline; on the basis average/life-cycle/location, not average/operational/location

# Without a network, not even a forecast of GB is more than a year's mean.
$ tern grid forecast --zone neso:GB --offline --hours 1 --table --at 2026-02-10T00:12Z
> zone       GB
> 2026-02-10T00:00Z     72 min     238 g/kWh  derived
> all        238 g/kWh
> basis      average/life-cycle/location
> from       yearly, year 2023 (CC BY 4.0)
> why        neso: not asked: offline; on the basis average/life-cycle/location, not average/operational/location

# A table with a damaged row is refused whole, and nothing stands in for it.
$ printf 'time,intensity\n2026-01-01T00:00Z,302,5\n' >comma.csv; tern grid history --zone XX --file comma.csv --basis average/life-cycle/location --from 2026-01-01 --to 2026-01-02
! tern: csv: line 2: more columns than the header has (a decimal comma?) (at offset 39)
? 4

$ tern grid now --zone DE --file comma.csv --basis average/life-cycle/location --at 2026-01-01T00:30Z
! tern: csv: line 2: more columns than the header has (a decimal comma?) (at offset 39)
? 4

$ tern grid now --zone DE --file nothing.csv --basis average/life-cycle/location
! tern: file: cannot open 'nothing.csv': No such file or directory
? 5

$ tern grid now --zone DE --file t.csv --column grams --basis average/life-cycle/location
! tern: csv: no column 'grams' among: time, intensity
? 4

$ tern grid now --zone DE --source file --basis average/life-cycle/location
! tern: file: it needs a file (--file or TERN_GRID_FILE)
? 2

# A value that is infinite is no value, and is counted; the others count.
$ printf 'time,intensity\n2026-01-01T00:00Z,302\n2026-01-01T01:00Z,inf\n2026-01-01T02:00Z,100\n2026-01-01T03:00Z,90\n' >inf.csv; tern grid history --zone XX --file inf.csv --basis average/life-cycle/location --from 2026-01-01 --to 2026-01-02 --table
> zone       XX
> 2026-01-01T00:00Z     60 min     302 g/kWh  actual
> 2026-01-01T02:00Z     60 min     100 g/kWh  actual
> 2026-01-01T03:00Z     60 min    90.0 g/kWh  actual
> cleanest   90.0 g/kWh at 2026-01-01T03:00Z
> dirtiest   302 g/kWh at 2026-01-01T00:00Z
> basis      average/life-cycle/location
> from       file inf.csv
> left out   0 without a value, 1 that cannot be true

# A table of several zones is about the one that is named, and says which it has.
$ printf 'time,zone,intensity\n2026-01-01T00:00Z,DE,400\n2026-01-01T00:00Z,FR,50\n2026-01-01T01:00Z,DE,300\n2026-01-01T01:00Z,FR,40\n' >zones.csv; tern grid now --zone de --zone FR --file zones.csv --basis average/life-cycle/location --at 2026-01-01T01:30Z
> FR                 40.0 g/kWh  file, live
> de                  300 g/kWh  file, live

$ tern grid now --zone GB --file zones.csv --basis average/life-cycle/location --at 2026-01-01T01:30Z
! tern: file: 'zones.csv' has no zone 'GB'; it has DE, FR
? 2

$ tern grid zones --file zones.csv
> DE
> FR

$ tern grid zones --file t.csv
! tern: file: 't.csv' does not say which zone it is about: any name will do
? 4

# A short time has hours below it too.
$ LC_ALL=C tern grid history --zone XX --file t.csv --hours 6 --basis average/life-cycle/location --at 2026-02-05T12:12Z | sed -n '/^ *UTC/p'
>    UTC                       08:00                   10:00

# The newest value may be about a time that is over: how long is said.
$ tern grid now --zone DE --file zones.csv --basis average/life-cycle/location --at 2026-01-01T04:30Z
> zone       DE
> intensity  300 g/kWh, 2026-01-01T01:00Z to 02:00Z, over since 2 h
> basis      average/life-cycle/location
> from       file zones.csv

# A country's other code finds it in a yearly file too.
$ echo '{"data":{"DEU":342.06,"FRA":44.18}}' >average-2024.json; for z in DE DEU; do tern grid now --source co2js --zone $z --file average-2024.json | sed -n '/^intensity/p'; done; tern grid zones --source co2js --file average-2024.json
> intensity  342 g/kWh, mean of the year
> intensity  342 g/kWh, mean of the year
> DEU
> FRA

# A name in the file of keys that no setting has is a slip; others' names may be upstreams' keys.
$ mkdir -p "$HOME/.config/tern"; printf '%s\n' TERN_NESO_ULR=http://127.0.0.1 TERN_SERVE_TOKEN=x MY_KEY=y >"$HOME/.config/tern/keys"; chmod 600 "$HOME/.config/tern/keys"; tern grid now --zone DE --zone FR --source yearly; rm "$HOME/.config/tern/keys"
> FR                 56.0 g/kWh  yearly, mean of 2023
> DE                  381 g/kWh  yearly, mean of 2023
! tern: warning: keys: line 1: no setting is called 'TERN_NESO_ULR'

$ tern grid history --zone XX --file t.csv --basis average/life-cycle/location --from 2026-02-01 --to 2026-01-01
! tern: grid: it ends before it begins
? 2

$ tern grid history --zone XX --file t.csv --basis average/life-cycle/location --from yesterday
! tern: grid: 'yesterday' is not as 2026-01-31T12:00Z
? 2

# Yearly files of @tgwf/co2, and data files of the Carbon Aware SDK.
$ printf '{"data":{"DEU":342.06}}' >average-2025.json; tern grid now --zone DEU --source co2js --file average-2025.json
> zone       DEU
> intensity  342 g/kWh, mean of the year
> basis      average/life-cycle/location
> from       co2js, year 2025 (CC BY-SA 4.0 or ODbL: that of the file)

$ printf '{"Date":"x","Emissions":[{"Location":"eastus","Time":"2026-01-01T00:00:00+00:00","Rating":90,"Duration":"01:00"}]}' >sdk.json; tern grid now --zone eastus --file sdk.json --basis average/life-cycle/location --at 2026-01-01T00:30Z
> zone       eastus
> intensity  90.0 g/kWh, 2026-01-01T00:00Z to 01:00Z, forecast
> basis      average/life-cycle/location
> from       file sdk.json

# Keys are their owner's alone.
$ mkdir -p c/tern; echo 'TERN_ENTSOE_KEY=abc' >c/tern/keys; chmod 644 c/tern/keys; XDG_CONFIG_HOME=$PWD/c tern grid now --zone DE --offline
!~ tern: keys: '*/c/tern/keys' can be read by others, so it is not used
!~ hint: chmod 600 '*/c/tern/keys'
? 2

$ chmod 600 c/tern/keys; XDG_CONFIG_HOME=$PWD/c tern grid sources | grep -c 'not set up'
> 5

$ tern grid sources | grep -c 'not set up'
> 6

$ echo 'no key' >c/tern/keys; XDG_CONFIG_HOME=$PWD/c tern grid now --zone DE --offline
! tern: keys: line 1 is not NAME=VALUE
? 2

$ tern grid sources | head -n 6
> neso  National Energy System Operator's Carbon Intensity API
>     zones    GB, its 17 regions GB-1 to GB-17, and postcodes (GB-RG10)
>     basis    average/operational/location
>     answers  now, history, forecast
>     licence  CC BY 4.0
>     needs    nothing

# Zones.
$ tern grid zones united
> AE                United Arab Emirates
> GB                United Kingdom
> US                United States
> VI                United States Virgin Islands

$ tern grid zones --source entsoe SE-
> SE                10YSE-1--------K
> SE-SE1            10Y1001A1001A44P
> SE-SE2            10Y1001A1001A45N
> SE-SE3            10Y1001A1001A46L
> SE-SE4            10Y1001A1001A47J

$ tern grid zones --source neso London --json
> {"schema":"tern.grid/1","kind":"zones","source":"neso","zones":[{"zone":"GB-13","name":"London"}]}

$ tern grid zones Nowhere
? 1

$ tern grid zones --source watttime
! tern: watttime: it does not list its zones: WattTime's regions (CAISO_NORTH is free; others by plan)
? 4

# Metrics; one of which nothing is known has none.
$ tern grid export --zone DE --zone neso:GB-13 --source yearly --at 2026-02-10T00:12Z --offline
> # HELP tern_grid_intensity_grams_per_kwh Grams of CO2 equivalent per kWh, now
> # TYPE tern_grid_intensity_grams_per_kwh gauge
> tern_grid_intensity_grams_per_kwh{zone="DE",source="yearly",basis="average/life-cycle/location",how="yearly"} 380.95
> # HELP tern_grid_intensity_timestamp_seconds End of the span that the intensity is about
> # TYPE tern_grid_intensity_timestamp_seconds gauge
> tern_grid_intensity_timestamp_seconds{zone="DE",source="yearly",basis="average/life-cycle/location",how="yearly"} 1770685200
> # HELP grid_intensity_carbon_average As grid-intensity-go calls it
> # TYPE grid_intensity_carbon_average gauge
> grid_intensity_carbon_average{provider="yearly",location="DE",units="gCO2e per kWh",is_estimated="true"} 380.95
! tern: warning: no intensity of GB-13: neso: not asked: offline; grid: no zone 'GB-13' in the table; near it: GB (United Kingdom)

$ tern grid export --zone XX --file t.csv --basis marginal/operational/location --at 2026-02-05T12:12Z -o m.prom; grep -c marginal m.prom
> 5

# Twice the same is once; what nobody knows is a warning, and alone an error.
$ tern grid export --zone a=DE --zone DE --zone ZZ --source yearly | grep -c '^tern_grid_intensity_grams'
> 1
! tern: warning: no zone 'ZZ' in the table; near it: AZ (Azerbaijan), BZ (Belize), CZ (Czechia), DZ (Algeria)

$ tern grid export --zone ZZ
! tern: grid: no source that is set up knows the zone 'ZZ'
! hint: 'tern grid sources' says what each needs
? 2

$ tern grid serve --listen nowhere
! tern: http: 'nowhere' is not ADDRESS:PORT
? 2

$ tern grid serve --location =DE
! tern: grid: location: '=DE' is not NAME=ZONE
? 2

$ tern grid serve --location a=ZZ
! tern: grid: no source that is set up knows the zone 'ZZ'
! hint: 'tern grid sources' says what each needs
? 2
