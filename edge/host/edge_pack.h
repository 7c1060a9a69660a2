/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ternary weights into the bytes that edge/core reads.  For tools and tests: a firmware holds
 * packed weights and does not need this.  Freestanding too, so that tests run on the target.
 */
#ifndef TERN_EDGE_PACK_H
#define TERN_EDGE_PACK_H

#include "tern_edge.h"

/* The byte of a fully connected layer for five weights of -1, 0, 1. */
uint8_t tern_edge_pack_code(const int8_t *weights);

/* weights: [n_out, n_in] row-major, each -1, 0 or 1 (for a temporal convolution n_in is
 * taps * channels, the newest column first); codes: TERN_EDGE_FC_CODES(n_in, n_out) bytes. */
void tern_edge_pack_fc(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *codes);

/* weights: [n_out, taps], the newest value first; codes: TERN_EDGE_DW_CODES(n_out, taps). */
void tern_edge_pack_depthwise(const int8_t *weights, uint32_t n_out, uint32_t taps,
                              uint8_t *codes);

#endif
