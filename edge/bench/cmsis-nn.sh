#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: cmsis-nn.sh CHECKOUT OUT - instructions a multiply-accumulate of ARM's CMSIS-NN on the
# network ad01: CHECKOUT is a checkout of github.com/ARM-software/CMSIS-NN, OUT a folder for what is
# compiled.  arm_fully_connected_s8 is called layer by layer and counted as build.sh and run.sh
# count the kernels of this project; with the compiler's -O2, as they are, and with -O3.
# Nothing of that library is in this project.
set -eu
checkout=$(cd "$1" && pwd)
out=$2
bench=$(cd "$(dirname "$0")" && pwd)
edge=$(dirname "$bench")
port=$edge/port/cortex-m4
sh "$port/build.sh" "$out"
mkdir -p "$out/none"
# There is no C library: two functions are all that the library wants of it.
cat >"$out/none/string.h" <<'END'
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
END
gcc="arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -std=c11 -fno-tree-loop-distribute-patterns
    -ffunction-sections -fdata-sections -isystem $out/none -isystem $checkout/Include
    -I$edge/core -I$port -I$bench"
for level in O2 O3; do
    for source in FullyConnectedFunctions/arm_fully_connected_s8 \
        NNSupportFunctions/arm_nn_vec_mat_mult_t_s8; do
        $gcc -$level -c "$checkout/Source/$source.c" -o "$out/${source##*/}.o"
    done
    $gcc -O2 -c "$bench/cmsis/count.c" -o "$out/cmsis-count.o"
    $gcc -nostdlib -Wl,--gc-sections -T "$port/an386.ld" "$out/start.o" "$out/semihost.o" \
        "$out/an386.o" "$out/edge_pack.o" "$out/ad01.o" "$out/cmsis-count.o" \
        "$out/arm_fully_connected_s8.o" "$out/arm_nn_vec_mat_mult_t_s8.o" \
        -o "$out/cmsis-an386.elf"
    sh "$port/run.sh" an386 "$out/cmsis-an386.elf" >"$out/cmsis.txt" || {
        cat "$out/cmsis.txt"
        exit 1
    }
    awk -v level=$level '
        { v[$1] = $2 }
        END {
            printf "-%s: %d instructions for %d multiply-accumulates, %.3f each\n", level,
                v["instructions"], v["macs"], v["instructions"] / v["macs"]
        }' "$out/cmsis.txt"
done
