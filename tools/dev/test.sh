# SPDX-License-Identifier: Apache-2.0
# Part of ./dev: the checks and their totals.  Expects what setup.sh defines.
# shellcheck shell=sh
#
# A variant is one build of everything with its test programs, or one tool run over the tree.
# All variants run even when one fails; the exit status tells.

all_variants='gcc asan clang tsan aarch64 fuzz lint'
fuzz_smoke_seconds=5

# Where the log of a variant goes; a variant run alone is shown as it goes.
log_of()
{
    printf '%s/log/%s.log' "$build" "$1"
}

# Runs the tests of a CMake preset.  Extra arguments go to ctest.
preset_tests()
{
    preset=$1
    shift
    rm -f "$build/$preset/junit.xml"
    compile "$preset" || return 1
    # Address space randomisation as some kernels have it is more than tsan of gcc 12 bears.
    fixed=
    if [ "$preset" = tsan ] && setarch -R true 2>/dev/null; then
        fixed='setarch -R'
    fi
    (cd "$root" && $fixed ctest --preset "$preset" --output-junit "$build/$preset/junit.xml" "$@")
}

source_files()
{
    find "$root/include" "$root/src" "$root/tests" "$root/fuzz" "$root/bench" "$root/examples" \
        "$root/tools" "$root/docs" "$root/edge" -name '*.[ch]' -print
}

lint()
{
    status=0
    echo "clang-format:"
    source_files | xargs clang-format-14 --dry-run -Werror || status=1
    echo "cppcheck:"
    cppcheck --quiet --std=c11 --inline-suppr --enable=warning,performance,portability \
        --suppressions-list="$root/tools/cppcheck.txt" --error-exitcode=1 -j 2 \
        -I "$root/include" -I "$root/src" "$root/src" || status=1
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 \
        --suppressions-list="$root/tools/cppcheck.txt" -I "$root/edge/core" -I "$root/edge/host" \
        -I "$root/edge/bench" -I "$root/edge/port" -I "$root/edge/port/cortex-m4" \
        "$root/edge" || status=1
    echo "clang-tidy:"
    configure clang
    find "$root/src" -name '*.c' ! -name '*_win.c' -print | xargs -P 2 -n 4 clang-tidy-14 --quiet \
        -p "$build/clang" 2>"$build/log/clang-tidy.err" || status=1
    echo "mandoc:"
    for page in "$root"/docs/man/*.[1-8]; do
        [ ! -e "$page" ] || mandoc -Tlint -Wwarning "$page" || status=1
    done
    return $status
}

# fuzz SECONDS [TARGET]: new inputs are kept in build/fuzz-corpora, crashes in build/fuzz.
fuzz()
{
    status=0
    for program in "$build"/fuzz/fuzz/fuzz_*; do
        [ -f "$program" ] && [ -x "$program" ] || continue
        name=${program##*/fuzz_}
        [ -z "${2:-}" ] || [ "$2" = "$name" ] || [ "$2" = "fuzz_$name" ] || continue
        found=$build/fuzz-corpora/$name
        mkdir -p "$found" "$root/fuzz/corpora/$name"
        echo "fuzz $name: $1 s"
        "$program" -max_total_time="$1" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 \
            -artifact_prefix="$build/fuzz/$name-" "$found" "$root/fuzz/corpora/$name" \
            >"$build/log/fuzz-$name.log" 2>&1 || {
            tail -n 40 "$build/log/fuzz-$name.log"
            status=1
        }
        grep -E '^stat::(number_of_executed_units|new_units_added)' "$build/log/fuzz-$name.log"
    done
    return $status
}

# Line coverage of the parts that read what strangers wrote, and of what all stands on.
coverage()
{
    find "$build/coverage" -name '*.gcda' -delete 2>/dev/null || :
    preset_tests coverage || return 1
    status=0
    for part in 'base src/base/' 'model src/model/(gguf|tok|bpe|spm|pretok|chat|stream|vocab)'; do
        echo "coverage of ${part%% *}:"
        gcovr --root "$root" --object-directory "$build/coverage" --filter "${part#* }" \
            --exclude-throw-branches --fail-under-line 90 "$build/coverage" || status=1
    done
    return $status
}

variant()
{
    case $1 in
        quick) preset_tests gcc -LE slow ;;
        gcc | asan | clang | tsan) preset_tests "$1" ;;
        aarch64)
            obtain_sysroot || {
                echo "SKIPPED: the libraries for ARM could not be had"
                return 77
            }
            preset_tests aarch64
            ;;
        fuzz) compile fuzz && fuzz "$fuzz_smoke_seconds" ;;
        lint) lint ;;
        cov) coverage ;;
        *) die "test knows: quick $all_variants cov" ;;
    esac
}

# Adds up what a variant did.  Prints: programs failed cases skipped.
count()
{
    junit=
    case $1 in
        quick) dir=$build/gcc ;;
        cov) dir=$build/coverage ;;
        *) dir=$build/$1 ;;
    esac
    [ ! -f "$dir/junit.xml" ] || junit=$dir/junit.xml
    if [ -z "$junit" ]; then
        echo "1 $(($2 != 0)) 1 0"
        return
    fi
    awk -v status="$2" '
        FILENAME ~ /junit.xml$/ {
            if (match($0, /[ \t]tests="[0-9]+"/)) { split(substr($0, RSTART), q, "\""); n = q[2] }
            if (match($0, /[ \t]failures="[0-9]+"/)) { split(substr($0, RSTART), q, "\""); f = q[2] }
            next
        }
        /\[  PASSED  \] [0-9]+ test/ { cases += $4 }
        /\[  SKIPPED \] [0-9]+ test/ { skipped += $4 }
        END { if (status && !f) f = 1; print n + 0, f + 0, cases + 0, skipped + 0 }
    ' "$junit" "$dir/Testing/Temporary/LastTest.log"
}

run_tests()
{
    if [ "${1:-}" = quick ]; then
        need "$tools_build"
    else
        need "$tools_build
$tools_test"
    fi
    mkdir -p "$build/log"
    if [ $# -eq 0 ]; then
        set -- $all_variants
        (prepare yes) || say "tests that need the chat model will be skipped"
        obtain_sysroot || say "tests on 64-bit ARM will be skipped"
    fi
    total=0 failures=0 table=
    for name in "$@"; do
        began=$(date +%s)
        status=0
        if [ $# -eq 1 ]; then
            (variant "$name") || status=$?
        else
            say "checking: $name"
            (variant "$name") >"$(log_of "$name")" 2>&1 || status=$?
        fi
        seconds=$(($(date +%s) - began))
        if [ $status -eq 77 ]; then
            table="$table$name skipped - - - $seconds
"
            continue
        fi
        numbers=$(count "$name" $status)
        table="$table$name $numbers $seconds
"
        total=$((total + ${numbers%% *}))
        rest=${numbers#* }
        failures=$((failures + ${rest%% *}))
        if [ $status -ne 0 ] && [ $# -gt 1 ]; then
            say "FAILED: $name (the end of $(log_of "$name"):)"
            tail -n 60 "$(log_of "$name")" >&2
        fi
    done
    printf '%s' "$table" | awk '
        BEGIN { printf "\n%-10s %9s %7s %7s %8s %8s\n", "variant", "programs", "failed", "cases",
                       "skipped", "seconds" }
        { printf "%-10s %9s %7s %7s %8s %8s\n", $1, $2, $3, $4, $5, $6 }'
    [ "$total" -gt 0 ] || total=1 failures=1
    printf '\n%d%% tests passed, %d tests failed out of %d\n' \
        $(((total - failures) * 100 / total)) "$failures" "$total"
    printf '%d passed, %d failed\n' $((total - failures)) "$failures"
    [ "$failures" -eq 0 ]
}
