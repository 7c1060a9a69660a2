/* SPDX-License-Identifier: Apache-2.0 */
/* energy/host.h - which processor this is, as far as the model of its power needs to know. */
#ifndef TI_ENERGY_HOST_H
#define TI_ENERGY_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TI_HOST_NAME_MAX = 128 };

/* What the system's files say; whatever they do not say is empty, 0 or false. */
typedef struct ti_host {
    char cpu[TI_HOST_NAME_MAX];  /* "AMD Ryzen 7 7840HS w/ Radeon 780M Graphics" */
    char name[TI_HOST_NAME_MAX]; /* the same normalised: "amd ryzen 7 7840hs" */
    char vendor[16];             /* "amd", "intel", "" */
    uint32_t family, model, stepping;
    uint32_t threads;     /* processors that the system counts; at least 1 */
    uint32_t packages;    /* sockets; at least 1 */
    bool virtual_machine; /* then the processor is shared with others, and not all of it ours */
    uint64_t memory_bytes;
} ti_host;

/* Reads /proc/cpuinfo and /proc/meminfo under `sysroot` (NULL = this machine).  Never fails.
 * Costs one pass over these files. */
void ti_host_read(ti_host *out, const char *sysroot);

/* Brings a processor's name into the form of the tables: lower case; without "(R)", "(TM)",
 * "CPU", "Processor", "N-Core", "Nth Gen" in front, the clock after "@", and what follows
 * " w/ " or " with ".  out[cap] is cut if need be. */
void ti_host_normalise(char *out, size_t cap, const char *name);

#endif
