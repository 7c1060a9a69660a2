#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: matrix.sh [NAME ...]
#
# Builds test_bitexact with each compiler, optimised and not, and for other CPUs, and runs it:
# the hashes of its table must be what all of them compute.  Says what is not to be had here.
#   gcc-O0 gcc-O3 clang-O0 clang-O3   native, every kernel set of this CPU
#   haswell nehalem                   the gcc build in qemu-x86_64: AVX2, scalar
#   aarch64                           cross-built by gcc, in qemu-aarch64; PCRE2 for ARM is
#                                     taken from the sysroot that `./dev setup all` fills
# TERN_SOURCE is the repository, TERN_BUILD the directory of a build; works below it.
set -u
src=${TERN_SOURCE:-$(dirname -- "$(readlink -f -- "$0")")/../..}
work=${TERN_BUILD:-$src/build}/matrix
mkdir -p "$work" || exit 1
passed=0
failed=0
skipped=0

have()
{
    command -v "$1" >/dev/null 2>&1
}

skip()
{
    echo "SKIPPED $1: $2"
    skipped=$((skipped + 1))
}

# build NAME COMPILER FLAGS: a static list of sources is not kept here; CMake knows it.
build()
{
    dir=$work/$1
    compiler=$2
    shift 2
    cmake -G Ninja -S "$src" -B "$dir" -DCMAKE_BUILD_TYPE=None -DTERN_PROGRAM=OFF \
        -DCMAKE_C_COMPILER="$compiler" "$@" >"$dir.log" 2>&1 &&
        cmake --build "$dir" --target test_bitexact -j 2 >>"$dir.log" 2>&1 || {
        tail -n 20 "$dir.log"
        return 1
    }
}

# run NAME COMMAND...: one line of output, the program's own on failure.
run()
{
    name=$1
    shift
    began=$(date +%s)
    if "$@" >"$work/$name.out" 2>&1; then
        passed=$((passed + 1))
        word=passed
    else
        failed=$((failed + 1))
        word=FAILED
        grep -v 'qemu.*warning: TCG' "$work/$name.out" | head -n 20
    fi
    echo "$word $name ($(($(date +%s) - began)) s): $(tail -n 2 "$work/$name.out" | tr '\n' ';')"
}

native()
{
    compiler=$2
    have "$compiler" || {
        skip "$1" "no $compiler"
        return
    }
    if build "$1" "$compiler" "-DCMAKE_C_FLAGS=$3"; then
        run "$1" "$work/$1/tests/model/test_bitexact" --quick
    else
        failed=$((failed + 1))
    fi
}

# emulated NAME CPU SET: the optimised build of gcc as another CPU runs it.
emulated()
{
    program=$work/gcc-O3/tests/model/test_bitexact
    if ! have qemu-x86_64-static; then
        skip "$1" "no qemu-x86_64-static"
    elif [ "$(uname -m)" != x86_64 ]; then
        skip "$1" "this is no x86-64 machine"
    elif ! build gcc-O3 gcc -DCMAKE_C_FLAGS=-O3; then
        failed=$((failed + 1))
    else
        run "$1" env "TERN_CPU=$3" qemu-x86_64-static -cpu "$2" "$program" --quick
    fi
}

aarch64()
{
    sysroot=${TERN_SYSROOT:-$src/build/sysroot-aarch64}
    if ! have aarch64-linux-gnu-gcc || ! have qemu-aarch64-static; then
        skip aarch64 "no cross compiler, or no qemu-aarch64-static"
    elif [ ! -d "$sysroot" ]; then
        skip aarch64 "no sysroot: ./dev test aarch64 makes one"
    elif build aarch64 aarch64-linux-gnu-gcc -DCMAKE_C_FLAGS=-O2 -DTERN_SYSROOT="$sysroot" \
        -DCMAKE_TOOLCHAIN_FILE="$src/cmake/toolchain-aarch64.cmake"; then
        lib=$sysroot/usr/lib/aarch64-linux-gnu
        run aarch64 qemu-aarch64-static -cpu max,pauth-impdef=on -L /usr/aarch64-linux-gnu \
            -E LD_LIBRARY_PATH="$lib" "$work/aarch64/tests/model/test_bitexact" --quick
    else
        failed=$((failed + 1))
    fi
}

[ $# -gt 0 ] || set -- gcc-O0 gcc-O3 clang-O0 clang-O3 haswell nehalem aarch64
clang=clang-14
have $clang || clang=clang
for name in "$@"; do
    case $name in
        gcc-O0) native gcc-O0 gcc -O0 ;;
        gcc-O3) native gcc-O3 gcc -O3 ;;
        clang-O0) native clang-O0 $clang -O0 ;;
        clang-O3) native clang-O3 $clang -O3 ;;
        haswell) emulated haswell Haswell avx2 ;;
        nehalem) emulated nehalem Nehalem scalar ;;
        aarch64) aarch64 ;;
        *)
            echo "matrix.sh: no such build: $name" >&2
            exit 2
            ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
