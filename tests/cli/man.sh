#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages say what the option tables say, every command has one, and mandoc has no
# complaint.  TERN_SOURCE and TERN_BUILD as for all tests.
set -u
cd "$TERN_SOURCE" || exit 1
tern=$TERN_BUILD/tern
bad=0
tools/man-blocks --check "$tern" docs/man/*.1 || bad=1

# Names of the commands below the one named by the arguments, from the JSON of its table.
below()
{
    "$tern" help --json "$@" | grep -o '"commands":\[[^]]*\]' | grep -o '"name":"[a-z]*"' |
        cut -d'"' -f4
}

n=0
for command in $(below); do
    for sub in '' $(below "$command"); do
        name=$command${sub:+ $sub}
        n=$((n + 1))
        case $name in
            version | model | footprint | grid | log | witness | edge) continue ;; # in tern(1); only what is below it has options
        esac
        grep -qx ".\\\\\" begin generated: --man-options $name" "docs/man/tern-$command.1" || {
            echo "docs/man/tern-$command.1 has no options of 'tern $name'"
            bad=1
        }
    done
done
[ $n -gt 10 ] || { echo "only $n commands found"; bad=1; }

if command -v mandoc >/dev/null; then
    mandoc -Tlint -Wwarning docs/man/*.1 || bad=1
else
    echo "SKIPPED: mandoc is not there"
fi
exit $bad
