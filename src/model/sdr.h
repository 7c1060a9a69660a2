/* SPDX-License-Identifier: Apache-2.0 */
/* model/sdr.h - hidden states to k-winners, in integers (docs/formats/sdr.md).
 *
 * Each of 2,048 units has a row of -1, 0, +1, drawn from a fixed seed.  Its response to a token
 * is the product of that row with the token's state; its response to a text is the highest of
 * these, less half their mean.  The 41 units with the highest responses are on. */
#ifndef TI_MODEL_SDR_H
#define TI_MODEL_SDR_H

#include <stdint.h>

#include "base/err.h"
#include "tern/embed.h"

/* Wider states could overflow an int32: 65,536 * 32,767 < 2^31. */
enum { TI_SDR_WIDTH_MAX = 65536 };

typedef struct ti_sdr_pool {
    size_t width;
    double scale;   /* a power of two: states are rounded to multiples of 1 / scale */
    int16_t *signs; /* [TERN_SDR_BITS][width]: -1, 0, +1 */
    int16_t *state; /* [width] */
    int64_t *sum;   /* [TERN_SDR_BITS] of the responses to the tokens so far */
    int32_t *best;  /* [TERN_SDR_BITS] */
    uint64_t n;     /* tokens so far */
} ti_sdr_pool;

/* Makes the rows for states of `width` numbers, 1 to TI_SDR_WIDTH_MAX.  Errors: TERN_NOMEM;
 * *pool is empty then.  Free with ti_sdr_free(). */
tern_status ti_sdr_init(ti_sdr_pool *pool, size_t width, double scale, tern_err *err);
void ti_sdr_free(ti_sdr_pool *pool);

/* The scale for states whose root mean square is that of gain[n]: it becomes 128 to 255 units,
 * so that the clip at 32,767 is 128 times as much or more.  1 when all gains are 0. */
double ti_sdr_scale(const float *gain, size_t n);

/* Forgets all tokens. */
void ti_sdr_clear(ti_sdr_pool *pool);

/* Adds a token: its state, [width], finite.  Cost: TERN_SDR_BITS * width multiplications of 16
 * bits. */
void ti_sdr_add(ti_sdr_pool *pool, const float *state);

/* The winners, after at least one token: of equal responses the lower index wins. */
void ti_sdr_winners(const ti_sdr_pool *pool, tern_sdr *out);

#endif
