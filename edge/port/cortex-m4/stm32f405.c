/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F405 (RM0090), QEMU's netduinoplus2. */
#include "board.h"

/* TIM2, 32 bits.  QEMU feeds it 1 GHz: with -icount shift=0, 1 ns an instruction, a tick is
 * one. */
#define TIM2 ((volatile uint32_t *)0x40000000u)
enum { CR1 = 0, EGR = 5, CNT = 9, PSC = 10, ARR = 11 };

void board_count_start(void)
{
    TIM2[PSC] = 0;
    TIM2[ARR] = 0xffffffffu;
    TIM2[CR1] = 1;
}

uint32_t board_count(void)
{
    return TIM2[CNT];
}
