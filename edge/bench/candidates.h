/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to multiply a ternary matrix with a vector of int8 on a Cortex-M4, of which edge/core
 * has the one that won.  All give the same sums; docs/edge.md has what they cost.
 */
#ifndef TERN_EDGE_CANDIDATES_H
#define TERN_EDGE_CANDIDATES_H

#include <stdint.h>

/* Shapes are multiples of 40 inputs or of 32 inputs (each says which), rows of 8. */
struct candidate {
    const char *name;
    uint32_t bits_x100; /* of a weight in flash, for many inputs */
    /* weights [n_out, n_in] -> packed (at most n_in * n_out bytes) */
    void (*pack)(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed);
    /* packed, x [n_in] -> sums [n_out]; work: 16 KB, aligned to 4 */
    void (*run)(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                int32_t *sums, void *work);
};

extern const struct candidate candidates[];
extern const uint32_t n_candidates;

/* The candidate that wants inputs by four and rows by five. */
void candidate_bucket_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                          int32_t *sums, void *work);

/* Writes the table that one candidate decodes by, which a device would have in flash, to the
 * begin of work (2916 bytes).  To be called before each run. */
void candidate_decode_table(void *work);

#endif
