#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts into a folder must be enough to build a program against libtern.
set -eu
out=$TERN_BUILD/install-test
rm -rf "$out"
cmake --install "$TERN_BUILD" --prefix "$out/usr" >/dev/null
pc=$(find "$out" -name tern.pc)
lib=$(dirname "$(dirname "$pc")")
printf '#include <tern/tern.h>\nint main(void) { return tern_version()[0] == 0; }\n' >"$out/a.c"
PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
${CC:-cc} -std=c99 "$out/a.c" $(pkg-config --define-variable=prefix="$out/usr" --cflags tern) \
    -I"$out/usr/include" -L"$lib" $(pkg-config --libs-only-l tern) -Wl,-rpath,"$lib" -o "$out/a"
"$out/a"
echo "installed, compiled, ran"
