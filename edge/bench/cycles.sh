#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: cycles.sh FOLDER - models the cycles of the network ad01 on a Cortex-M4: FOLDER is what
# build.sh made.  QEMU has no pipeline, so this is a model and no measurement: every instruction
# that ran, with the cycles of the table "Instruction set summary" of the processor's reference
# manual (ARM 100166): memory without wait states; a load or store is 2 cycles, 1 directly after
# another unless its address is what that loaded; n registers at once 1 + n; a taken branch 3 (the
# manual: 2 to 4); a division 12 (2 to 12); multiply-and-add 2; all else 1.
set -eu
cd "$1"
arm-none-eabi-objdump -d --no-show-raw-insn once-an386.elf >once.lst
# Where the core lies: the addresses that are traced.
range=$(arm-none-eabi-nm -n -S once-an386.elf | awk '
    $4 ~ /^(tern_edge_net_run|build_tables|gather|sum_chunk|copy|push|.*_run)$/ { print $1, $2 }' |
    sed 's/^/0x/; s/ /+0x/' | paste -sd, -)
qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -singlestep \
    -semihosting-config enable=on,target=native -d exec,nochain -dfilter "$range" -D once.log \
    -kernel once-an386.elf
awk '
    FNR == NR { # the listing: address, mnemonic, operands
        if ($1 ~ /^[0-9a-f]+:$/) {
            pc = $1
            sub(/:/, "", pc)
            while (length(pc) < 8) pc = "0" pc
            name[pc] = $2
            line = $0
            sub(/^[^\t]*\t[^\t]*\t?/, "", line)
            operands[pc] = line
        }
        next
    }
    /^Stopped/ { n--; next } # the line before did not run
    /^Trace/ {
        split($0, part, "/")
        pc = part[2]
        if (n > 0) account(last, pc)
        last = pc
        n++
    }
    function registers(list,   q, i, m, k, ends) {
        sub(/.*\{/, "", list)
        sub(/\}.*/, "", list)
        m = split(list, q, /, */)
        k = 0
        for (i = 1; i <= m; i++) {
            if (split(q[i], ends, "-") == 2) k += substr(ends[2], 2) - substr(ends[1], 2) + 1
            else k++
        }
        return k
    }
    function account(pc, next_pc,   op, cost, address, moved) {
        op = name[pc]
        moved = op ~ /^(b|bl|bx|blx|cbz|cbnz|b(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le))(\.[nw])?$/
        memory = 0
        if (op ~ /^(ldm|stm|push|pop)/) {
            cost = 1 + registers(operands[pc])
            if (operands[pc] ~ /pc/) cost += 2
        } else if (op ~ /^(ldrd|strd)/) {
            cost = 3
        } else if (op ~ /^(ldr|str)/) {
            memory = 1
            address = operands[pc]
            sub(/^[^[]*/, "", address)
            cost = was_memory && !(loaded != "" && address ~ ("[[ ]" loaded "[],]")) ? 1 : 2
            loaded = ""
            if (op ~ /^ldr/) { loaded = operands[pc]; sub(/,.*/, "", loaded) }
        } else if (op ~ /^[us]div/) cost = 12
        else if (op ~ /^ml[as]/) cost = 2
        else if (moved) cost = taken(pc, next_pc) ? 3 : 1
        else cost = 1
        was_memory = memory
        cycles += cost
        class = op ~ /^(ldm|stm|push|pop)/ ? "several registers" : memory ? "load or store" : moved ? "branch" : "other"
        count[class]++
        spent[class] += cost
    }
    function taken(pc, next_pc,   a, b) {
        a = number(pc)
        b = number(next_pc)
        return b < a || b > a + 4
    }
    function number(h,   i, v) {
        for (i = 1; i <= 8; i++) v = v * 16 + index("0123456789abcdef", substr(h, i, 1)) - 1
        return v
    }
    END {
        printf "instructions %d\nmodelled cycles %d\n", n, cycles
        for (c in count) printf "%s: %d instructions, %d cycles\n", c, count[c], spent[c] | "sort"
    }' once.lst once.log
rm -f once.log
