#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: run.sh BOARD PROGRAM.elf - runs a program under QEMU; its status is the program's.
# QEMU gives what a program writes to stderr; here it goes to stdout.
# -icount makes virtual time instructions times a constant; board.h says how it is read.
set -eu
case $1 in
    an386) machine='mps2-an386 -icount shift=10' ;;
    stm32f405) machine='netduinoplus2 -icount shift=0' ;;
    *)
        echo "boards: an386 stm32f405" >&2
        exit 2
        ;;
esac
exec qemu-system-arm -M $machine -nographic -monitor none -serial none \
    -semihosting-config enable=on,target=native -kernel "$2" 2>&1
