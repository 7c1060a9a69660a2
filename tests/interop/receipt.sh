#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A receipt is checked by libraries from PyPI: securesystemslib, in-toto-attestation.  They are
# installed into $TERN_BUILD/interop-venv, once.  SKIPPED where that cannot be done.
set -u
venv=$TERN_BUILD/interop-venv
skip()
{
    echo "SKIPPED: $1"
    exit 77
}
if ! [ -e "$venv/ready" ]; then
    command -v python3 >/dev/null || skip "python3 is not there"
    rm -rf "$venv"
    python3 -m venv "$venv" >"$TERN_BUILD/interop.log" 2>&1 || skip "python3 cannot make a venv"
    timeout 240 "$venv/bin/pip" install -q --disable-pip-version-check \
        'securesystemslib[crypto]==1.6.0' 'in-toto-attestation==0.9.3' \
        >>"$TERN_BUILD/interop.log" 2>&1 ||
        skip "PyPI gave no securesystemslib and in-toto-attestation: $TERN_BUILD/interop.log"
    : >"$venv/ready"
fi
set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
HOME=$work
TERN_CACHE=$work/cache
export HOME TERN_CACHE
unset XDG_CONFIG_HOME XDG_DATA_HOME
cd "$work"
tern=$TERN_BUILD/tern
"$tern" model synth tiny-llama -o tiny.gguf
"$tern" run -m tiny.gguf -n 9 --stop "a stop" --stop "$(printf '\303\251')" --temp 0.7 --seed 5 \
    --trace --receipt r.json "Once upon a time" >out
"$venv/bin/python" "$TERN_SOURCE/tests/interop/receipt.py" r.json .config/tern/receipt.key.pub out
