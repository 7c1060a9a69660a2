#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: target.sh HOST_TESTS HOST_READINGS - the core on a Cortex-M4 under QEMU: the same tests
# with the same results as on the host, readings answered alike, the firmware through its serial
# port, the counter of instructions against QEMU's own trace, and the budgets.
set -eu
host_tests=$1
host_readings=$2
for tool in arm-none-eabi-gcc qemu-system-arm; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "SKIPPED: no $tool (Debian: gcc-arm-none-eabi, qemu-system-arm)"
        exit 77
    fi
done
port=$TERN_SOURCE/edge/port/cortex-m4
out=$TERN_BUILD/edge-target
rm -rf "$out"
sh "$port/build.sh" "$out"
cd "$out"
bad=0

fault()
{
    echo "WRONG: $*"
    bad=1
}

# The same tests on the host and on two boards: every line, and so every hash, must be equal.
"$host_tests" >host.txt || fault "tests on the host"
for board in an386 stm32f405; do
    timeout 120 sh "$port/run.sh" $board tests-$board.elf >tests-$board.txt || fault "tests on $board"
    diff host.txt tests-$board.txt || fault "$board and host differ"
done
tail -n 1 host.txt

# Readings of 90 days with noise, faults, and lines that are none.
awk 'BEGIN {
    srand(7)
    print "time,value"
    for (i = 0; i < 2160; i++) {
        h = i % 24
        v = (h < 6 ? 150 : h < 17 ? 400 : h < 23 ? 900 : 300) * (0.9 + 0.2 * rand())
        if (i % 700 == 650) v = 9000
        if (i >= 1900 && i < 2000) v *= 0.5
        text = sprintf("%.2f", v)
        if (i % 100 == 20) text = "nan"
        if (i % 100 == 21) text = ""
        if (i % 100 == 22) text = "-5"
        if (i % 100 == 23) text = "99999999999"
        t = 1700438400 + 3600 * i
        if (i % 100 == 24) t -= 36000
        if (i % 300 == 25) continue
        printf "%d,%s\n", t, text
        if (i % 500 == 30) print "torn li"
    }
}' >readings.csv
"$host_readings" <readings.csv >answers.txt
for board in an386 stm32f405; do
    timeout 60 sh "$port/run.sh" $board meter-$board.elf >meter-$board.txt || fault "meter on $board"
    grep -v '^most' meter-$board.txt | cut -d' ' -f1-4 | cmp - answers.txt || fault "answers of $board"
done
cmp meter-an386.txt meter-stm32f405.txt || fault "boards count differently"
[ "$(awk 'int($2 / 128) % 2' answers.txt | wc -l)" -ge 2 ] || fault "no alarms in the readings"

# The firmware: no semihosting, readings come and answers go through USART2.
head -n 300 readings.csv >serial.csv
head -n 200 answers.txt >wanted.txt
mkfifo serial
: >firmware.txt
qemu-system-arm -M netduinoplus2 -nographic -monitor none -serial null -serial stdio \
    -kernel firmware.elf <serial >firmware.txt 2>/dev/null &
emulator=$!
trap 'kill $emulator 2>/dev/null || :' EXIT
exec 3>serial
# Waits until there are as many lines; what is sent before the port is open is lost.
lines()
{
    tries=0
    while [ "$(wc -l <firmware.txt)" -lt "$1" ] && [ $((tries += 1)) -le 200 ]; do
        sleep 0.1
    done
}
lines 1
cat serial.csv >&3
lines 201
exec 3>&-
kill $emulator 2>/dev/null || :
wait $emulator 2>/dev/null || :
trap - EXIT
sed 1d firmware.txt | head -n 200 | cmp - wanted.txt || fault "answers of the firmware"

# The counter against QEMU's trace of single instructions: what it counts is what ran in the core
# and the same few instructions of the call for each reading.
mkdir trace
head -n 61 readings.csv >trace/readings.csv
(cd trace && timeout 60 qemu-system-arm -M mps2-an386 -icount shift=10 -nographic -monitor none \
    -serial none -semihosting-config enable=on,target=native -singlestep -d exec,nochain \
    -D trace.log -kernel ../meter-an386.elf >counts.txt 2>&1)
# (A line "Stopped" takes the one before it back.)
awk '
    FNR == NR {
        inside = $NF == "tern_edge_meter_step"
        if (inside) traced[n + 1] += /^Trace/ ? 1 : -1
        else if ((n + 1) in traced) n++
        next
    }
    /^most/ { next }
    { m++; differences[$5 - traced[m]]++; counted += $5; last = $5 - traced[m] }
    END {
        printf "counted %d in %d readings, of which %d each for the call\n", counted, m, last
        exit !(m >= 50 && m == n && differences[last] == m && last >= 1 && last <= 8)
    }' trace/trace.log trace/counts.txt || fault "the counter"

# The budgets.  `value NAME` is a figure of the bench.
timeout 120 sh "$port/run.sh" an386 bench-an386.elf >bench.txt || fault bench
timeout 120 sh "$port/run.sh" an386 bench-an386.elf | cmp - bench.txt || fault "two runs differ"
cat bench.txt

value()
{
    sed -n "s/^$1: //p" bench.txt | grep . || echo 999999999
}

# at_most WHAT VALUE LIMIT
at_most()
{
    echo "$1: $2, at most $3"
    [ "$2" -le "$3" ] || fault "$1"
}

# The whole network by the trace, too: what is counted beyond it is the call.
sh "$TERN_SOURCE/edge/bench/cycles.sh" "$out" >cycles.txt
cat cycles.txt
call=$(($(value 'ad01 instructions') - $(sed -n 's/^instructions //p' cycles.txt)))
[ $call -ge 1 ] && [ $call -le 12 ] || fault "ad01 counted and traced differ by $call"

macs=$(value 'ad01 macs')
[ "$macs" -eq 264192 ] || fault "ad01 has other multiplications"
at_most "instructions of ad01" "$(value 'ad01 instructions')" "$macs"
at_most "bits of weights, in tenths" $(($(value 'ad01 bytes of codes') * 80)) $((macs * 17))
at_most "RAM of ad01" $(($(value 'ad01 bytes of input and output') +
    $(value 'ad01 bytes of scratch') + $(value 'ad01 bytes of stack'))) 4096
at_most "instructions of a reading" "$(value 'meter: most instructions of a reading')" 20000
at_most "instructions of a watch's reading" "$(value 'watch: most instructions of a reading')" 1500
at_most "instructions of a level's reading" "$(value 'level: most instructions of a reading')" 400
# One device that does all of it.
at_most "instructions of a reading by all three" $((
    $(value 'meter: most instructions of a reading') +
    $(value 'watch: most instructions of a reading') +
    $(value 'level: most instructions of a reading'))) 20000
at_most "RAM of all three" $(($(value 'meter: bytes of RAM') + $(value 'meter: bytes of stack') +
    $(value 'watch: bytes of RAM') + $(value 'level: bytes of RAM'))) 4096
at_most "RAM of the meter" $(($(value 'meter: bytes of RAM') +
    $(value 'meter: bytes of stack'))) 4096
code=$(arm-none-eabi-size tern_edge.o tern_edge_nn.o | awk '/^ *[0-9]/ { n += $1 } END { print n }')
echo "bytes of the core: $code"
at_most "flash of the meter" $((code +
    $(value 'meter: bytes of flash for weights and layers'))) 16384
exit $bad
