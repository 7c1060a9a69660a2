#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The completion scripts parse, and complete.  Shells that are not there are skipped.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$TERN_BUILD:$PATH
HOME=$work
TERN_CACHE=$work/cache
export PATH HOME TERN_CACHE
unset XDG_CONFIG_HOME XDG_DATA_HOME
mkdir -p "$TERN_CACHE/models"
touch "$TERN_CACHE/models/mine.gguf"
cd "$work" || exit 1
passed=0
failed=0

# is WHAT GOT WANTED
is()
{
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  got:    %s\n  wanted: %s\n' "$1" "$2" "$3"
    fi
}

# in_bash WORD ...: what bash offers for the last word.
in_bash()
{
    bash -c '. ./tern.bash
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _tern
        printf "%s\n" "${COMPREPLY[@]}"' - "$@" | sort | tr '\n' ' '
}

# in_fish LINE: what fish offers.
in_fish()
{
    fish -c 'source ./tern.fish; complete -C "$argv[1]"' "$1" | cut -f1 | sort | tr '\n' ' '
}

tern completion bash >tern.bash && tern completion zsh >_tern && tern completion fish >tern.fish
is "three scripts" $? 0
if command -v bash >/dev/null; then
    bash -n tern.bash
    is "bash parses it" $? 0
    is "commands" "$(in_bash tern ru)" "run "
    is "subcommands" "$(in_bash tern model v)" "verify "
    is "subcommands of grid" "$(in_bash tern grid s)" "serve sources "
    is "names of sources" "$(in_bash tern grid now --source ca)" "carbon-aware-sdk "
    is "options" "$(in_bash tern run --repeat)" "--repeat-penalty "
    is "options of a subcommand" "$(in_bash tern model info --te)" "--tensors "
    is "values" "$(in_bash tern run --kv '')" "f16 i8 "
    is "shapes" "$(in_bash tern model synth tiny)" "tiny-bitnet tiny-llama tiny-qwen3 tiny-smdr "
    is "the catalogue" "$(in_bash tern pull smol)" "smollm2-135m-instruct "
    is "names of models" "$(in_bash tern run -m mi)" "mine "
    is "files" "$(in_bash tern model info tern.)" "tern.bash tern.fish "
    is "kinds of cache" "$(in_bash tern eval --kv '')" "f16 i8 "
    is "texts to measure" "$(in_bash tern eval tern.)" "tern.bash tern.fish "
    is "commands to explain" "$(in_bash tern help do)" "doctor "
fi
if command -v zsh >/dev/null; then
    zsh -n _tern
    is "zsh parses it" $? 0
else
    echo "SKIPPED: no zsh"
fi
if command -v fish >/dev/null; then
    fish -n tern.fish
    is "fish parses it" $? 0
    is "commands" "$(in_fish 'tern ru')" "run "
    is "subcommands" "$(in_fish 'tern model v')" "verify "
    is "options" "$(in_fish 'tern run --repeat')" "--repeat-penalty "
    is "values" "$(in_fish 'tern run --kv ')" "f16 i8 "
    is "the catalogue" "$(in_fish 'tern pull smol')" "smollm2-135m-instruct "
    is "names of models" "$(in_fish 'tern run -m mi')" "mine "
else
    echo "SKIPPED: no fish"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
