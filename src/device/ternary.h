/* SPDX-License-Identifier: Apache-2.0 */
/* device/ternary.h - a linear function as a network of ternary weights.
 *
 * sum w_i x_i, with q_i = round(w_i H / max |w|), is about (max |w| / H) sum q_i x_i; and q_i
 * is spread over H rows of -1, 0, 1 whose partial sums follow i's share as closely as whole
 * numbers can (the error of a row is carried to the next).  The first layer has these rows,
 * over the last `taps` columns; the second adds them up. */
#ifndef TI_DEVICE_TERNARY_H
#define TI_DEVICE_TERNARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "tern_edge.h"

enum { TI_LINEAR_ROWS = 32, TI_LINEAR_INPUTS = 120 };

typedef struct ti_linear {
    const double *weights; /* [n], newest column first */
    uint32_t n, taps, rows;
    double scale;                                     /* max |w| / rows */
    int8_t matrix[TI_LINEAR_ROWS * TI_LINEAR_INPUTS]; /* [rows][n] */
    double largest; /* of the rows' sums that were seen, in size */
} ti_linear;

/* Fills `scale` and `matrix` from weights, n <= TI_LINEAR_INPUTS, rows <= TI_LINEAR_ROWS. */
void ti_linear_begin(ti_linear *linear);

/* Looks at inputs, so that the rows' sums fit int8 with room: sums is room for `rows`. */
void ti_linear_see(ti_linear *linear, const double *x, double *sums);

/* Makes the network; its parts are in the arena.  Errors: TERN_NOMEM. */
tern_status ti_linear_network(const ti_linear *linear, struct tern_edge_net *net,
                              ti_arena *arena, tern_err *err);

/* Codes of zeros for a fully connected layer. */
void ti_ternary_zeros(uint8_t *codes, uint32_t n_in, uint32_t n_out);

#endif
