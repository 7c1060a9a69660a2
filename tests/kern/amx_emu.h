/* SPDX-License-Identifier: Apache-2.0 */
/* amx_emu.h - runs compiled AMX code on x86-64 CPUs that have no AMX.
 *
 * A CPU without AMX raises an invalid-opcode fault at each of its instructions, which Linux
 * delivers as SIGILL.  The handler decodes the instruction, does what it says to a tile state
 * of its own, and goes on behind it.  So the machine code that other CPUs run is what is
 * tested: the kernel's loops, its addresses and strides, the compiler's choice of registers and
 * its stores to the tile configuration (gcc 12 drops them in some forms of the source).
 *
 * What it proves: the bits, and that no instruction is used in a way for which the manual has
 * an exception - those end the process with a message and SIGABRT.  Under the address sanitizer
 * the rows that tiles load and store are checked as well.  What it does not: speed (about 10 us
 * an instruction), and what two threads do to one another.
 *
 * Where the CPU has AMX and the system allows it there is no fault, and the handler is idle. */
#ifndef TESTS_KERN_AMX_EMU_H
#define TESTS_KERN_AMX_EMU_H

#include <stdbool.h>
#include <stdint.h>

/* Installs the handler, for all threads; each thread has its own tiles.  A SIGILL that is not
 * from AMX ends the process as before.  Returns false where it cannot work (not x86-64 Linux).
 */
bool amx_emu_install(void);

/* How many instructions were emulated in this thread; 0 = the CPU ran them. */
uint64_t amx_emu_count(void);

#endif
