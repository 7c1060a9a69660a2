/* SPDX-License-Identifier: Apache-2.0 */
/* From reset to main() on any Cortex-M: the table of vectors, data and bss.  No C library. */
#include "board.h"

extern uint32_t link_data_load[], link_data_start[], link_data_end[];
extern uint32_t link_bss_start[], link_bss_end[], link_stack_top[];

void start_reset(void);
void start_fault(void);

void start_reset(void)
{
    const uint32_t *from = link_data_load;
    for (uint32_t *to = link_data_start; (uintptr_t)to < (uintptr_t)link_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = link_bss_start; (uintptr_t)to < (uintptr_t)link_bss_end; to++) {
        *to = 0;
    }
    board_exit(main());
}

void start_fault(void)
{
    board_write("fault\n");
    board_exit(70);
}

/* Stack, reset, then NMI, HardFault, MemManage, BusFault, UsageFault.  No interrupt is enabled.
 */
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)link_stack_top, (uintptr_t)start_reset, (uintptr_t)start_fault,
    (uintptr_t)start_fault,    (uintptr_t)start_fault, (uintptr_t)start_fault,
    (uintptr_t)start_fault,
};
