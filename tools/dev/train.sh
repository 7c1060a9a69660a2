# SPDX-License-Identifier: Apache-2.0
# Part of ./dev: training.  Expects what setup.sh defines.  shellcheck shell=sh

tools_train="$tools_torch
git git
xz xz-utils
/usr/lib/python3/dist-packages/pip python3-pip"

# Runs `python3 -m smdr ARGUMENTS`, or `python3 -m route ...` for `train route ...`, with Debian's
# PyTorch.  Without a better BLAS it takes the reference one, whose float32 products are 30 times
# slower than OpenBLAS's (2.8 and 98 GFLOP/s on a Zen 4 core); the serial one, because each core
# has a process of its own.  Its CPU allocator gives every large tensor back to the system and
# faults it in again; with these two settings of glibc it keeps them (a pass over 6 MB took 16 ms
# without and 0.6 ms with them).
train()
{
    need "$tools_train"
    part=smdr
    if [ "${1:-}" = route ]; then
        part=route
        shift
    fi
    MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 \
        PYTHONPATH="$root/train${PYTHONPATH:+:$PYTHONPATH}" TERN_RUNS="${TERN_RUNS:-$build/runs}" \
        exec /usr/bin/python3 -m $part "$@"
}
