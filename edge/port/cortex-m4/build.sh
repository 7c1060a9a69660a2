#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: build.sh OUT [CORE_FLAGS] - compiles what runs on a Cortex-M4 into the folder OUT:
#   tests-BOARD.elf meter-BOARD.elf bench-an386.elf (under QEMU), firmware.elf firmware.bin.
# A compiler and nothing else is needed: no C library, no vendor's package.
set -eu
out=$1
port=$(cd "$(dirname "$0")" && pwd)
edge=$(dirname "$(dirname "$port")")
tests=$(dirname "$edge")/tests/edge
gcc=arm-none-eabi-gcc
flags="-mcpu=cortex-m4 -mthumb -std=c11 -ffreestanding -fno-tree-loop-distribute-patterns
    -ffunction-sections -fdata-sections -Wall -Wextra -Wpedantic -Wstrict-prototypes
    -Wmissing-prototypes -Wundef -Wvla -Werror -ffile-prefix-map=$edge=edge
    -I$edge/core -I$edge/host -I$edge/port -I$port -I$edge/bench -I$tests"
mkdir -p "$out"

# object NAME SOURCE [FLAGS]
object()
{
    name=$1 source=$2
    shift 2
    $gcc $flags -O2 "$@" -c "$source" -o "$out/$name.o"
}

# program NAME SCRIPT OBJECT...
program()
{
    name=$1 script=$2
    shift 2
    objects=
    for one in "$@"; do
        objects="$objects $out/$one.o"
    done
    $gcc $flags -nostdlib -Wl,--gc-sections -Wl,--fatal-warnings -T "$port/$script.ld" $objects \
        -o "$out/$name.elf"
}

for file in "$edge"/core/*.c "$edge"/host/edge_pack.c "$edge"/bench/*.c "$edge"/port/readings.c \
    "$port"/*.c "$tests"/edge_tests.c "$tests"/test_layers.c "$tests"/test_meter.c \
    "$tests"/target_main.c; do
    name=${file##*/}
    object "${name%.c}" "$file"
done
# The C paths of the core once more, beside the others.
object portable "$edge/core/tern_edge_nn.c" -DTERN_EDGE_PORTABLE
arm-none-eabi-objcopy --prefix-symbols=portable_ "$out/portable.o"

core='tern_edge tern_edge_nn'
for board in an386 stm32f405; do
    program tests-$board $board start semihost $board $core edge_pack ad01 edge_tests \
        test_layers test_meter target_main
    program meter-$board $board start semihost $board $core readings meter
done
program bench-an386 an386 start semihost an386 $core portable edge_pack ad01 candidates bench
program once-an386 an386 start semihost an386 $core edge_pack ad01 once
program cost-an386 an386 start semihost an386 $core edge_pack ad01 cost
program firmware stm32f405 start $core readings firmware
arm-none-eabi-objcopy -O binary "$out/firmware.elf" "$out/firmware.bin"
