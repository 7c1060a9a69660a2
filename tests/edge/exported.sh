#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A model that tern edge export wrote compiles without a warning (here, and for a Cortex-M4 where
# the compiler is) and gives, in a program that has only the core, the scores of tern edge run.
set -eu
tern=$TERN_BUILD/tern
edge=$TERN_SOURCE/edge
out=$TERN_BUILD/edge-exported
rm -rf "$out"
mkdir -p "$out"
cd "$out"
bad=0
cp "$TERN_SOURCE/tests/data/meter/household.csv" house.csv
"$tern" edge fit --value 2 house.csv -o house.edge
"$tern" edge export house.edge -o firmware --name house
warn='-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror'
${CC:-cc} -O2 $warn -Ifirmware -I"$edge/core" firmware/house.c "$edge"/core/*.c \
    "$TERN_SOURCE/tests/edge/exported_main.c" -o device

# The reading, and in sixteenths what was said of it, from the JSON of the same rows.
number='\([-0-9.]*\)'
"$tern" edge run -q -m house.edge --json house.csv >run.json
sed -n 's/.*"time":"\([^"]*\)","reading":\([-0-9]*\),.*/\1 \2/p' run.json | tr 'T' ' ' |
    while read -r day clock reading; do
        echo "$day $clock $reading"
    done | awk '{ # days from 1970-01-01; the readings have no offset
        split($1, d, "-"); split($2, c, ":")
        y = d[2] <= 2 ? d[1] - 1 : d[1]; e = int(y / 400); y2 = y - e * 400
        m = d[2] > 2 ? d[2] - 3 : d[2] + 9
        days = e * 146097 + y2 * 365 + int(y2 / 4) - int(y2 / 100) + int((153 * m + 2) / 5) + d[3] - 1 - 719468
        printf "%d,%d\n", days * 86400 + c[1] * 3600 + c[2] * 60 + c[3], $3
    }' >readings.txt
./device <readings.txt >device.txt
sed -n "s/.*\"score\":$number,\"threshold\":$number,\"z\":$number,\"predicted\":$number,.*/\1 \2 \3 \4/p" \
    run.json | awk '{ print $1 * 16, $2 * 16, $3 * 16, $4 * 16 }' >wanted.txt
cut -d' ' -f2- device.txt >got.txt
cmp wanted.txt got.txt || bad=1
[ "$(wc -l <got.txt)" -eq 2016 ] || { echo "not all readings were answered"; bad=1; }
[ "$(awk '$4 != 0' got.txt | wc -l)" -gt 1000 ] || { echo "the network says nothing"; bad=1; }

if command -v arm-none-eabi-gcc >/dev/null 2>&1; then
    arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O2 -ffreestanding $warn -Ifirmware -I"$edge/core" \
        -c firmware/house.c -o house.o
    arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O2 -ffreestanding \
        -fno-tree-loop-distribute-patterns $warn -I"$edge/core" \
        -c "$edge/record/tern_edge_record.c" -o record.o
    [ -z "$(arm-none-eabi-nm record.o | grep ' U ')" ] || { echo "records need others"; bad=1; }
    # What the budget says of weights and layers is what the compiler makes of them.
    said=$(sed -n 's/.* of code, \([0-9]*\) of weights.*/\1/p' firmware/house.h)
    made=$(arm-none-eabi-size house.o | awk 'NR == 2 { print $1 + $2 + $3 }')
    [ "$made" -ge "$said" ] && [ "$made" -le $((said + 16)) ] ||
        { echo "$made bytes, said are $said"; bad=1; }
else
    echo "SKIPPED in part: no arm-none-eabi-gcc (Debian: gcc-arm-none-eabi)"
fi
exit $bad
