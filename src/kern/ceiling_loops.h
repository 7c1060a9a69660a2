/* SPDX-License-Identifier: Apache-2.0 */
/* kern/ceiling_loops.h - the loops that kern/ceiling.c times. */
#ifndef TI_KERN_CEILING_LOOPS_H
#define TI_KERN_CEILING_LOOPS_H

#include <stddef.h>
#include <stdint.h>

#include "kern/kern.h"

/* Bytes that a read loop takes at a time: its sizes are multiples of it. */
enum { TI_CEILING_STEP = 256 };

typedef struct ti_ceiling_loops {
    /* Reads `bytes` at p, on a 64-byte boundary, in order, and returns a sum of them. */
    uint64_t (*read)(const void *p, size_t bytes);
    /* Computes rounds * macs multiply-accumulates of int8. */
    void (*mac)(uint64_t rounds);
    uint64_t macs;
    const char *instruction;
} ti_ceiling_loops;

/* Returns the loops of a level that this CPU has. */
ti_ceiling_loops ti_ceiling_loops_of(ti_isa isa);

#endif
