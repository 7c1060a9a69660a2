/* SPDX-License-Identifier: Apache-2.0 */
/* cli/machine.h - what can be learnt about the machine from the system's own files.
 * Whatever cannot be read is left empty or 0: nothing here fails. */
#ifndef TI_CLI_MACHINE_H
#define TI_CLI_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ti_machine {
    char cpu[128];            /* name of the processor, "" when it is not told */
    char system[160];         /* "Linux 6.1.0 x86_64" */
    char huge_pages[16];      /* "always", "madvise", "never", "" */
    uint64_t memory_bytes;    /* physical, or the control group's limit if that is less */
    uint64_t available_bytes; /* that could be taken now without swapping */
} ti_machine;

/* Fills *out.  Costs a few file reads. */
void ti_machine_look(ti_machine *out);

/* Name of the processor as above, read once: a process stays on its machine.  Any thread. */
const char *ti_machine_cpu(void);

/* Largest resident memory of this process so far, in bytes. */
uint64_t ti_peak_memory(void);

/* Resident memory of this process now, in bytes. */
uint64_t ti_resident_memory(void);

#endif
