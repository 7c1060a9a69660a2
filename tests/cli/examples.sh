#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples run, and say what the command says.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
HOME=$work
export HOME
unset XDG_CONFIG_HOME XDG_DATA_HOME
tern=$TERN_BUILD/tern
examples=$TERN_BUILD/examples
model=$work/tiny.gguf
text="Once upon a time"
bad=0

fault()
{
    echo "FAILED: $1"
    bad=1
}

"$tern" model synth tiny-llama -o "$model" || exit 1

# hello writes the bytes of tokens as they are, the command whole characters: compare what
# both have.
plain()
{
    LC_ALL=C tr -cd '\40-\176'
}
"$examples/example_hello" "$model" "$text" >"$work/hello" || fault hello
"$tern" run -m "$model" -n 64 --raw "$text" >"$work/run" || fault run
plain <"$work/hello" >"$work/hello.text"
plain <"$work/run" >"$work/run.text"
cmp "$work/hello.text" "$work/run.text" || fault "hello and run differ"
[ -s "$work/hello.text" ] || fault "hello says nothing"

"$examples/example_stream" "$model" "$text" >"$work/stream" || fault stream
"$tern" run -m "$model" -n 64 --raw --temp 0.8 --top-p 0.95 --seed 1 "$text" >"$work/run" ||
    fault run
cmp "$work/stream" "$work/run" || fault "stream and run differ"

"$examples/example_batch" "$model" "$text" "Another prompt, which is longer" || fault batch

echo '{"properties":{"mood":{"enum":["good","bad"]},"stars":{"type":"integer","minimum":1,"maximum":5}},"required":["mood","stars"]}' >"$work/schema"
"$examples/example_json" "$model" "$text" >"$work/json" || fault json
"$tern" run -m "$model" -n 64 --raw --json-schema "$work/schema" "$text" >"$work/run" || fault run
cmp "$work/json" "$work/run" || fault "json and run differ"

"$examples/example_hello" "$work/nothing.gguf" 2>"$work/err"
[ $? -eq 5 ] || fault "hello without a model"
grep -q 'cannot open' "$work/err" || fault "hello does not say why"
exit $bad
