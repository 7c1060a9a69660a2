#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header must compile alone, as pedantic C99 and as C++, and explain every
# prototype.  Internal headers must compile alone as C11 and explain theirs too.
set -eu
cd "$TERN_SOURCE"
bad=0
n=0
warn='-Wall -Wextra -Wpedantic -Werror'
for header in include/tern/*.h; do
    name=tern/${header##*/}
    for std in c99 c11 c17; do
        printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "$name" "$name" |
            ${CC:-cc} -std=$std $warn -Wstrict-prototypes -Iinclude -fsyntax-only -x c - || bad=1
        n=$((n + 1))
    done
    for std in c++11 c++17; do
        command -v "${CXX:-g++}" >/dev/null || continue
        printf '#include "%s"\nint main() { return 0; }\n' "$name" |
            ${CXX:-g++} -std=$std $warn -Iinclude -fsyntax-only -x c++ - || bad=1
        n=$((n + 1))
    done
done
for header in src/*/*.h; do
    case $header in
        src/kern/vec.h) continue ;; # a template: it has parameters, kern/vec_*.c give them
    esac
    printf '#include "%s"\nint main(void) { return 0; }\n' "${header#src/}" |
        ${CC:-cc} -std=c11 -D_DEFAULT_SOURCE $warn -Iinclude -Isrc -Iedge/core -Iedge/host -Iedge/record -fsyntax-only -x c - || bad=1
    n=$((n + 1))
done
echo "$n compilations of single headers"
tools/check-doc --strict include/tern/*.h || bad=1
tools/check-doc src/*/*.h || bad=1
exit $bad
