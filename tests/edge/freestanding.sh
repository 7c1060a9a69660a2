#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The core needs nothing: no undefined symbol, no data that changes, no name but its own, with
# every compiler that is here (those that are not are named), at every level of optimisation.
set -eu
core=$TERN_SOURCE/edge/core
out=$TERN_BUILD/edge-freestanding
rm -rf "$out"
mkdir -p "$out"
bad=0
checked=0
skipped=

fault()
{
    printf '%s\n' "$2" | sed "s|^|$1: |"
    bad=1
}

announced=$(tr '\n' ' ' <"$core/tern_edge.h" | grep -o 'tern_edge_[a-z_]*([a-z]' | sed 's/(.*//' |
    grep -v '^tern_edge_net_check$' | sort -u)
announced=$(printf '%s\ntern_edge_net_check\n' "$announced" | sort -u)

# compiler COMMAND TOOLS_PREFIX LEVELS FLAGS...
compiler()
{
    command=$1 prefix=$2 levels=$3
    shift 3
    if ! command -v "$command" >/dev/null 2>&1; then
        skipped="$skipped $command"
        return 0
    fi
    for level in $levels; do
        label="$command -O$level $*"
        "$command" -std=c11 -O$level -ffreestanding "$@" -Wall -Wextra -Wpedantic -Wconversion \
            -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes -Werror -nostdlib -r \
            "$core/tern_edge.c" "$core/tern_edge_nn.c" -o "$out/core.o"
        "${prefix}nm" "$out/core.o" >"$out/names"
        found=$(awk '$(NF - 1) == "U"' "$out/names")
        [ -z "$found" ] || fault "$label wants" "$found"
        found=$(awk '$(NF - 1) ~ /^[bBdDcCsSgG]$/' "$out/names")
        [ -z "$found" ] || fault "$label has data that changes" "$found"
        found=$(awk '$(NF - 1) ~ /^[A-TV-Z]$/ { print $NF }' "$out/names" | sort)
        [ "$found" = "$announced" ] || fault "$label: not the names of the header" "$found"
        checked=$((checked + 1))
    done
}

loops=-fno-tree-loop-distribute-patterns # gcc: loops stay loops, and are no calls of memset
arm='-mcpu=cortex-m4 -mthumb'
compiler gcc '' '0 2 3' $loops
compiler gcc '' 2 $loops -fno-pic -m32
compiler clang-14 '' 2
compiler aarch64-linux-gnu-gcc aarch64-linux-gnu- 2 $loops
compiler arm-none-eabi-gcc arm-none-eabi- '0 s 1 2 3' $loops $arm
compiler arm-none-eabi-gcc arm-none-eabi- 's 2' $loops $arm -DTERN_EDGE_PORTABLE
compiler arm-none-eabi-gcc arm-none-eabi- 2 $loops $arm -mfloat-abi=hard
compiler arm-none-eabi-gcc arm-none-eabi- 2 $loops -mcpu=cortex-m3 -mthumb
compiler arm-none-eabi-gcc arm-none-eabi- 2 $loops -mcpu=cortex-m33 -mthumb
compiler riscv64-unknown-elf-gcc riscv64-unknown-elf- 's 2' $loops -march=rv32imac -mabi=ilp32
compiler riscv64-unknown-elf-gcc riscv64-unknown-elf- 2 $loops -march=rv32imc -mabi=ilp32

found=$(grep -hE '^ *# *include' "$core"/*.[ch] |
    grep -vxE '#include (<stddef.h>|<stdint.h>|"tern_edge.h")' || :)
[ -z "$found" ] || fault "the core includes" "$found"
found=$(cd "$core" && ls)
[ "$found" = "$(printf 'tern_edge.c\ntern_edge.h\ntern_edge_nn.c')" ] || fault "the core has" "$found"
found=$(awk -f "$TERN_SOURCE/tools/strip-comments.awk" "$core"/*.[ch] |
    grep -wE 'float|double|malloc|free|goto' || :)
[ -z "$found" ] || fault "the core has" "$found"

for std in c99 c11 c17; do
    printf '#include "tern_edge.h"\n#include "tern_edge.h"\nint main(void) { return 0; }\n' |
        gcc -std=$std -Wall -Wextra -Wpedantic -Werror -I"$core" -fsyntax-only -x c - || bad=1
done
if command -v g++ >/dev/null 2>&1; then
    printf '#include "tern_edge.h"\nint main() { return 0; }\n' |
        g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -I"$core" -fsyntax-only -x c++ - || bad=1
fi
"$TERN_SOURCE/tools/check-doc" --strict "$core/tern_edge.h" || bad=1

[ -z "$skipped" ] || echo "SKIPPED: not installed:$skipped"
echo "$checked compilations of the core checked"
exit $bad
