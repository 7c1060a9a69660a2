/* SPDX-License-Identifier: Apache-2.0 */
/* kern/quantize.h - encoding of trits, and what the files of the quantisers share. */
#ifndef TI_KERN_QUANTIZE_H
#define TI_KERN_QUANTIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/dtype.h"

/* Encodes one row of k ternary codes (0, 1, 2) as a block or row type; k is a multiple of the
 * block.  `scales` has one number for each block, or one for the row (IQ1_BN, IQ2_BN).  Q1_0
 * has no zero: code 1 becomes +.  Returns false for types that are not ternary, and for I2_S
 * (ti_i2s_encode). */
bool ti_type_from_trits(void *out, const ti_type_info *info, const uint8_t *codes,
                        const float *scales, uint64_t k);

/* Rounds halves away from zero, into [low, high]; NaN gives 0. */
int ti_round_away(float x, int low, int high);

/* One block of 256 weights as Q4_K (144 bytes) and Q6_K (210 bytes).  The scales are found by
 * least squares over a few roundings each; about 3 us a block. */
void ti_quantize_q4_k(uint8_t *out, const float *x);
void ti_quantize_q6_k(uint8_t *out, const float *x);

#endif
