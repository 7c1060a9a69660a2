/* SPDX-License-Identifier: Apache-2.0 */
/* kern/quantize.h - what kern/quantize.c and kern/quantize_k.c share. */
#ifndef TI_KERN_QUANTIZE_H
#define TI_KERN_QUANTIZE_H

#include <stdint.h>

/* Rounds halves away from zero, into [low, high]; NaN gives 0. */
int ti_round_away(float x, int low, int high);

/* One block of 256 weights as Q4_K (144 bytes) and Q6_K (210 bytes).  The scales are found by
 * least squares over a few roundings each; about 5 us a block. */
void ti_quantize_q4_k(uint8_t *out, const float *x);
void ti_quantize_q6_k(uint8_t *out, const float *x);

#endif
