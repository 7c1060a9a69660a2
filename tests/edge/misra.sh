#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: misra.sh CORE - cppcheck's misra addon over the core.  Rules that the core deviates from,
# with the reasons, are in docs/edge.md; any other violation is an error.
set -eu
deviations='2\.4 2\.5 8\.9 10\.6 10\.8 11\.3 12\.1 15\.5 17\.8 20\.7 20\.10'
if ! command -v cppcheck >/dev/null 2>&1; then
    echo "SKIPPED: no cppcheck"
    exit 77
fi
found=$(cppcheck --addon=misra --std=c11 --quiet --template='{file}:{line}: {id}' -I "$1" "$1"/*.c 2>&1 ||
    :)
case $found in
    *misra-c2012-*) ;;
    *)
        printf 'SKIPPED: cppcheck has no misra addon here\n%s\n' "$found"
        exit 77
        ;;
esac
pattern=$(printf '%s' "$deviations" | sed 's/ /|/g')
bad=$(printf '%s\n' "$found" | grep -vE "misra-c2012-($pattern)$" || :)
printf '%s\n' "$found" | grep -c misra | sed 's/$/ deviations of documented kinds or worse/'
[ -z "$bad" ] || {
    printf '%s\n' "$bad"
    exit 1
}
