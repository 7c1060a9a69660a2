#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libtern needs no build system: one compiler line over the sources of base, kern and model
# must give a library that a program can use (run-time dispatch is in the sources, not in the
# flags).  Also what an embedder without CMake would do.
set -eu
cd "$TERN_SOURCE"
out=$TERN_BUILD/direct
rm -rf "$out"
mkdir -p "$out"
cat >"$out/main.c" <<'END'
#include <stdio.h>
#include <string.h>
#include "tern/tern.h"
int main(void)
{
    puts(tern_version());
    return strcmp(tern_version(), TERN_VERSION) != 0;
}
END
${CC:-cc} -std=c11 -D_DEFAULT_SOURCE -O0 -ffp-contract=off -fno-math-errno -fvisibility=hidden -fPIC -shared \
    -Iinclude -Isrc $(find src/base src/kern src/model -name '*.c' | sort) \
    $(pkg-config --cflags --libs libpcre2-8) -lm -pthread -o "$out/libtern.so"
${CC:-cc} -std=c11 -Iinclude "$out/main.c" -L"$out" -ltern -Wl,-rpath,"$out" -o "$out/main"
"$out/main"
