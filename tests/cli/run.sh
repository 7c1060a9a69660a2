#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: run.sh TRANSCRIPT
#
# Runs the commands of a transcript and compares what they print and how they exit.
#   $ COMMAND      run by sh in an empty directory, with tern first in PATH
#   > TEXT         a line of standard output       >~ PATTERN   the same, a sh pattern
#   ! TEXT         a line of standard error        !~ PATTERN
#   >... or !...   any lines from here on
#   ? CODE         exit status (0 when it is not given)
#   # TEXT         ignored, like empty lines
# TERN_BUILD is the directory that tern was built in.
set -u
transcript=$(readlink -f -- "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/dir" "$work/home"
PATH=$TERN_BUILD:$TERN_BUILD/tests/cli:$PATH
HOME=$work/home
TERN_CACHE=$work/cache
DATA=${TERN_DATA:-}
export PATH HOME TERN_CACHE DATA
unset NO_COLOR TERN_CPU TERN_RECEIPTS TERN_ZONE TERN_SHARE
unset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
LC_ALL=C.UTF-8
export LC_ALL
cd "$work/dir" || exit 1
failed=0
commands=0

# compare WANTED GOT: lines of WANTED begin with "=" (text), "~" (pattern) or "." (anything).
compare()
{
    exec 3<"$1" 4<"$2"
    same=0
    while IFS= read -r want <&3; do
        if [ "$want" = . ]; then
            exec 3<&- 4<&-
            return 0
        fi
        IFS= read -r got <&4 || { same=1; break; }
        pattern=${want#?}
        case $want in
            =*) [ "$got" = "$pattern" ] || { same=1; break; } ;;
            ~*) case $got in $pattern) ;; *) same=1; break ;; esac ;;
        esac
    done
    [ $same -ne 0 ] || { ! IFS= read -r got <&4; } || same=1
    exec 3<&- 4<&-
    return $same
}

check()
{
    [ -n "$command" ] || return 0
    commands=$((commands + 1))
    sh -c "$command" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    # A last line without newline would be lost by read.
    for file in out err; do
        [ -z "$(tail -c1 "$work/$file")" ] || echo '(no newline)' >>"$work/$file"
    done
    bad=
    compare "$work/want_out" "$work/out" || bad="$bad stdout"
    compare "$work/want_err" "$work/err" || bad="$bad stderr"
    [ "$code" -eq "$wanted_code" ] || bad="$bad exit status ($code, not $wanted_code)"
    if [ -n "$bad" ]; then
        failed=$((failed + 1))
        printf '%s:%s: differs:%s\n  $ %s\n' "$1" "$line_of_command" "$bad" "$command"
        sed 's/^/  > /' "$work/out"
        sed 's/^/  ! /' "$work/err"
    fi
}

begin()
{
    command=$1
    line_of_command=$number
    wanted_code=0
    : >"$work/want_out"
    : >"$work/want_err"
}

number=0
begin ''
while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    case $line in
        '$ '*)
            check "$transcript"
            begin "${line#??}"
            ;;
        '>...') echo . >>"$work/want_out" ;;
        '!...') echo . >>"$work/want_err" ;;
        '>~ '*) printf '~%s\n' "${line#???}" >>"$work/want_out" ;;
        '!~ '*) printf '~%s\n' "${line#???}" >>"$work/want_err" ;;
        '> '*) printf '=%s\n' "${line#??}" >>"$work/want_out" ;;
        '! '*) printf '=%s\n' "${line#??}" >>"$work/want_err" ;;
        '>') echo = >>"$work/want_out" ;;
        '!') echo = >>"$work/want_err" ;;
        '? '*) wanted_code=${line#??} ;;
        '#'* | '') ;;
        *)
            printf '%s:%s: not a line of a transcript: %s\n' "$transcript" "$number" "$line"
            failed=$((failed + 1))
            ;;
    esac
done <"$transcript"
check "$transcript"
if [ $commands -eq 0 ]; then
    echo "$transcript: no commands"
    exit 1
fi
echo "$((commands - failed)) passed, $failed failed"
[ $failed -eq 0 ]
