/* SPDX-License-Identifier: Apache-2.0 */
/* kern/ceiling.h - what this machine can do at most: bytes read and int8 products a second.
 *
 * A speed means little without the limit that the same machine has in the same minute, so
 * `tern bench` measures both and prints fractions. */
#ifndef TI_KERN_CEILING_H
#define TI_KERN_CEILING_H

#include "base/err.h"
#include "kern/kern.h"

typedef struct ti_ceilings {
    double read_bytes_per_s;     /* all threads together, from memory, not from a cache */
    double int8_mac_per_s;       /* multiply-accumulates, all threads, operands in registers */
    const char *mac_instruction; /* what they were made with; static */
} ti_ceilings;

/* Measures with `threads` threads (0 = all CPUs) and the instructions that `kern` uses for
 * prompts.  The best of five or more short passes each.  Takes about 0.6 s and up to 512 MB
 * (at most a quarter of the machine's memory) while it runs.  A last-level cache that is not
 * small against that makes the bandwidth look better than memory is.
 * Errors: TERN_NOMEM, and
 * those of ti_pool_create(). */
tern_status ti_ceiling_measure(ti_ceilings *out, uint32_t threads, const ti_kern *kern,
                               tern_err *err);

#endif
