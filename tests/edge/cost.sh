#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: cost.sh HOST_COST - what tern edge size says against exact counts under QEMU.
set -eu
host_cost=$1
for tool in arm-none-eabi-gcc qemu-system-arm; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "SKIPPED: no $tool (Debian: gcc-arm-none-eabi, qemu-system-arm)"
        exit 77
    fi
done
port=$TERN_SOURCE/edge/port/cortex-m4
out=$TERN_BUILD/edge-cost
rm -rf "$out"
sh "$port/build.sh" "$out"
cd "$out"
bad=0
timeout 120 sh "$port/run.sh" an386 cost-an386.elf >shapes.txt
"$host_cost" <shapes.txt || bad=1

# at_least WHAT SAID COUNTED SLACK: said is not below, and not far above.
at_least()
{
    echo "$1: said $2, counted $3"
    [ "$2" -ge "$3" ] && [ "$2" -le $(($3 + $4)) ] || { echo "WRONG: $1"; bad=1; }
}
said()
{
    "$TERN_BUILD/tern" edge size --json | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}
timeout 120 sh "$port/run.sh" an386 bench-an386.elf >bench.txt
value()
{
    sed -n "s/^$1: //p" bench.txt | grep . || echo 999999999
}
at_least "instructions of a reading" "$(said instructions)" \
    "$(value 'meter without network: most instructions of a reading')" 30
at_least "bytes of state" "$(said ram_state_bytes)" \
    "$(value 'meter without network: bytes of RAM')" 8
at_least "bytes of code" "$(said flash_code_bytes)" "$(arm-none-eabi-size tern_edge.o \
    tern_edge_nn.o | awk '/^ *[0-9]/ { n += $1 } END { print n }')" 256
stack=$(value 'meter: bytes of stack')
at_least "bytes of stack" "$(said ram_stack_bytes)" "$stack" 160
exit $bad
