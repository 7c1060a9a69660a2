/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs here need of a board under QEMU. */
#ifndef TERN_EDGE_BOARD_H
#define TERN_EDGE_BOARD_H

#include <stddef.h>
#include <stdint.h>

/* Starts the counter of instructions.  Works under `qemu-system-arm -icount` with the shift
 * that run.sh gives for the board: virtual time is then instructions times a constant. */
void board_count_start(void);

/* Executed instructions since some moment, modulo what fits; differences are exact. */
uint32_t board_count(void);

/* Semihosting: what the debugger, or QEMU, does for a program. */
void board_write(const char *text);
int32_t board_open(const char *name);                     /* for reading; < 0: cannot */
size_t board_read(int32_t file, char *data, size_t size); /* bytes that were read */
_Noreturn void board_exit(int status);

/* Fills the unused stack with a pattern; the second says how many bytes of it were used since,
 * from the caller's frame down. */
void board_stack_paint(void);
size_t board_stack_used(void);

/* Numbers as text. */
void board_write_u32(uint32_t value);
void board_write_i32(int32_t value);

int main(void);

#endif
