#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Rules about the text of the sources that no compiler checks.
set -u
cd "$TERN_SOURCE" || exit 1
list=$TERN_BUILD/style.list
report=$TERN_BUILD/style.report
: >"$report"
find include src tests fuzz bench examples edge tools cmake docs/reference .ci dev CMakeLists.txt \
    -type f ! -path 'tests/data/*' ! -path 'fuzz/corpora/*' ! -name '*.md' ! -name '*.go' \
    ! -name go.sum -print | sort >"$list"
files=$(cat "$list")
c_files=$(grep '\.[ch]$' "$list")

# rule TEXT: what comes in on stdin are violations.  (At the end of a pipe this is a process of
# its own: what it finds goes into a file.)
rule()
{
    found=$(cat)
    [ -z "$found" ] || printf '%s:\n%s\n' "$1" "$found" >>"$report"
}

for file in $files; do
    case $file in
        *.txt | *.json | *.in) ;;
        *) head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "  $file" ;;
    esac
done | rule "no SPDX line at the top"

grep -nP '\t| +$|\r' $files | cut -c1-120 | rule "tab, blank at the end of a line, or CR"
LC_ALL=C grep -nP '[^\x00-\x7f]' $files | cut -c1-120 | rule "not ASCII"
wc -l $c_files $(grep -E '\.(sh|awk|py)$|^dev$' "$list") |
    awk '$2 != "total" && $1 > 1000 { print "  " $2 ": " $1 }' | rule "file over 1000 lines"
tail -qc1 $files | tr -d '\n' | rule "no newline at the end of a file"

banned='strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|gets|strtok|alloca|atoi|atol'
banned="$banned|atoll|atof|sscanf|scanf|rand|srand|tmpnam|mktemp|tempnam|system|popen|setjmp|longjmp"
awk -v names=1 -f tools/strip-comments.awk $c_files >"$list.code"
grep -E "[^A-Za-z0-9_.>]($banned)[ \t]*\(" "$list.code" | rule "banned function"
# cmocka's expectations and assertions are its own.
grep -E '[^A-Za-z0-9_]assert[ \t]*\(' "$list.code" | grep -v '^tests/' |
    rule "assert() disappears with NDEBUG: TI_ASSERT does not"

# Written with brackets so that this file does not find itself.
grep -nE -e '-march=nativ[e]|-ffast-mat[h]|-Ofas[t]|-funsafe-mat[h]' $files |
    rule "flag that makes results depend on the machine"
grep -nE -e '/wor[k]/|/roo[t]/|/hom[e]/[a-z]|/User[s]/|C:\\\\User[s]' $files README.md \
    ARCHITECTURE.md CONTRIBUTING.md docs -r --include='*' 2>/dev/null | cut -c1-120 |
    rule "a path of one machine"
grep -nE '(^|[^A-Za-z])(TOD[O]|FIXM[E]|XX[X])([^A-Za-z]|$)' $files | rule "left over"
for file in $(grep -E '^(include|src)/.*\.h$' "$list"); do
    [ "$file" = src/kern/vec.h ] || echo "$file"
done >"$list.h"
awk 'FNR == 1 { guard = FILENAME; sub(/^include\/tern\//, "TERN_", guard); sub(/^src\//, "TI_", guard)
                gsub(/[\/.]/, "_", guard); guard = "#define " toupper(guard); want[FILENAME] = guard }
     $0 == want[FILENAME] { have[FILENAME] = 1 }
     END { for (f in want) if (!have[f]) print "  " f ": " want[f] }' $(cat "$list.h") |
    rule "include guard is not the file's name"

cat "$report"
echo "$(wc -l <"$list") files checked"
[ ! -s "$report" ]
