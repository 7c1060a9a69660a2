/* SPDX-License-Identifier: Apache-2.0 */
/* ARM MPS2 with the image AN386 (a Cortex-M4 at 25 MHz), QEMU's mps2-an386. */
#include "board.h"

/* CMSDK APB timer 0 (ARM DDI 0479): counts down at the clock of the system. */
#define TIMER ((volatile uint32_t *)0x40000000u)
enum { CONTROL = 0, VALUE = 1, RELOAD = 2 };

static uint32_t last, ticks, count;

void board_count_start(void)
{
    TIMER[RELOAD] = 0xffffffffu;
    TIMER[VALUE] = 0xffffffffu;
    TIMER[CONTROL] = 1;
    last = TIMER[VALUE];
}

/* -icount shift=10: 1024 ns an instruction, 40 ns a tick: 25.6 ticks.  The remainder is
 * carried, so that no rounding adds up. */
uint32_t board_count(void)
{
    const uint32_t now = TIMER[VALUE];
    ticks += last - now;
    last = now;
    const uint32_t whole = ticks / 128;
    count += whole * 5;
    ticks %= 128;
    return count + (ticks * 5 + 64) / 128;
}
