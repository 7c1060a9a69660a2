#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: names.sh LIBTERN.so MODULE.a ...
#
# What the linker sees must keep the promises of the design: names have the project's prefix,
# libtern.so shows nothing but the public interface, what computes logits calls no libm (its
# results differ between systems), and the library neither prints nor exits.
set -eu
shared=$1
shift
bad=0

fault()
{
    printf '%s\n' "$2" | sed "s|^|$1: |"
    bad=1
}

exported=$(nm -D --defined-only "$shared" | awk '{ print $NF }')
odd=$(printf '%s\n' "$exported" | grep -v '^tern_' || :)
[ -z "$odd" ] || fault "libtern.so exports" "$odd"

# Both directions: what the headers announce must be there, what is there must be announced.
announced=$(cat "$TERN_SOURCE"/include/tern/*.h | tr '\n' ' ' |
    grep -o 'TERN_API [^;]*;' | grep -o 'tern_[a-z0-9_]*(' | tr -d '(' | sort -u)
absent=$(for name in $announced; do
    printf '%s\n' "$exported" | grep -qx "$name" || echo "$name"
done)
[ -z "$absent" ] || fault "announced, but not in libtern.so" "$absent"
extra=$(for name in $exported; do
    printf '%s\n' "$announced" | grep -qx "$name" || echo "$name"
done)
[ -z "$extra" ] || fault "in libtern.so, but not announced" "$extra"

libm='^(a?(sin|cos|tan)h?|a?tan2|exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|cbrt|hypot|erf|erfc|fma|lgamma|tgamma)[fl]?$'
library=0
for archive in "$@"; do
    name=$(basename "$archive" .a)
    name=${name#lib}
    odd=$(nm --defined-only --extern-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' |
        grep -vE '^(tern|ti)_' || :)
    [ -z "$odd" ] || fault "$name defines a name without prefix" "$odd"
    case $name in
        ti_cli | ti_convert) continue ;;
    esac
    library=$((library + 1))
    wanted=$(nm --undefined-only "$archive" 2>/dev/null | awk 'NF == 2 { print $2 }' | sort -u)
    odd=$(printf '%s\n' "$wanted" | grep -E "$libm" || :)
    [ -z "$odd" ] || fault "$name calls libm" "$odd"
    odd=$(printf '%s\n' "$wanted" |
        grep -E '^(exit|_exit|_Exit|quick_exit|printf|__printf_chk|puts|putchar|perror|stdout|system|popen|srand|rand|setlocale)$' ||
        :)
    [ -z "$odd" ] || fault "$name prints, exits or has hidden state" "$odd"
    # An assertion that fails is the one thing that speaks and ends; it lives in base/err.c.
    if [ "$name" != ti_base ]; then
        odd=$(printf '%s\n' "$wanted" | grep -E '^(abort|stderr|__assert_fail)$' || :)
        [ -z "$odd" ] || fault "$name aborts by itself" "$odd"
    fi
    # Data that changes is shared by every model and session of a process.  Allowed: the kernel
    # sets, which are filled once, under call_once, and then only read (kern/table.c).
    odd=$(nm --defined-only --format=sysv "$archive" 2>/dev/null | awk -F'|' '
        { gsub(/ /, "", $1); gsub(/[ \t]/, "", $7) }
        $4 ~ /OBJECT|TLS/ && $7 ~ /^\.(data|bss|tdata|tbss)/ && $7 !~ /^\.data\.rel\.ro/ { print $1 }
    ' | grep -vE '^DW\.ref' || :)
    [ "$name" != ti_kern ] || odd=$(printf '%s\n' "$odd" | grep -vE '^(levels|names\.[0-9]+|once|table|features\.[0-9]+)?$' || :)
    [ -z "$odd" ] || fault "$name has mutable global data" "$odd"
done
echo "$(printf '%s\n' "$exported" | wc -l) exported names, $library modules checked"
[ $bad -eq 0 ] && [ $library -gt 0 ]
