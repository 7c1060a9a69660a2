#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tern claims: its verdicts follow from what it computes, and docs/claims.md says the same.
# TERN_SOURCE and TERN_BUILD as for all tests.
set -u
tern=$TERN_BUILD/tern
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

fault()
{
    echo "$1"
    bad=1
}

"$tern" claims >"$work/lines" || fault "tern claims: exit status $?"
"$tern" claims --markdown >"$work/markdown" || fault "tern claims --markdown: exit status $?"
"$tern" claims --json >"$work/json" || fault "tern claims --json: exit status $?"
sed -n '/^<!-- begin generated: tern claims --markdown -->$/,/^<!-- end generated -->$/p' \
    "$TERN_SOURCE/docs/claims.md" | sed '1d;$d' >"$work/docs"
cmp "$work/markdown" "$work/docs" || {
    diff "$work/docs" "$work/markdown" | head -n 20
    fault "docs/claims.md is out of date: put what 'tern claims --markdown' prints into it"
}

# All forms have the same rows and verdicts.
rows=$(grep -c '^| ' "$work/markdown")
parts=$(grep -c '^### ' "$work/markdown")
for verdict in reproduced corrected refuted unmeasured; do
    table=$(grep -c "| $verdict |" "$work/markdown")
    document=$(grep -o "\"verdict\":\"$verdict\"" "$work/json" | wc -l)
    lines=$(grep -c "  $verdict\$" "$work/lines")
    [ "$table" -gt 0 ] && [ "$table" -eq "$document" ] && [ "$table" -eq "$lines" ] ||
        fault "$verdict: $table rows in Markdown, $document in JSON, $lines in text"
    grep -q "\"$verdict\":$table[,}]" "$work/json" || fault "$verdict: the sum is another"
    rows=$((rows - table))
done
# What is left are the heads of the tables and the lines under them.
[ $rows -eq $((2 * parts)) ] || fault "$rows lines of Markdown have no verdict"
grep -q '"ok":true}$' "$work/json" || fault "the document does not say ok"
grep -q '"stands":false' "$work/json" && fault "a verdict does not stand"

"$tern" claims --json --markdown >/dev/null 2>"$work/err"
[ $? -eq 2 ] || fault "two forms at once were accepted"
exit $bad
