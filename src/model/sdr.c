/* SPDX-License-Identifier: Apache-2.0 */
/* k-winners of a fixed random ternary projection.  No number here depends on the order of a sum
 * or on the machine: states are rounded once, everything after that is integers. */
#include "model/sdr.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

static const char module[] = "sdr";

/* Any number will do, but it is part of the format. */
static const uint64_t seed = 2048;

/* A draw is split into digits to the base 6, which are nearly fair: 2^64 / 6^24 > 3.8.  One
 * digit in six is +1, one is -1: as sparse as the projections of Achlioptas (2003). */
enum { DRAWS_A_WORD = 24 };

static void draw_signs(int16_t *signs, size_t n)
{
    ti_rng rng;
    ti_rng_seed(&rng, seed);
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % DRAWS_A_WORD == 0) {
            word = ti_rng_next(&rng);
        }
        uint64_t digit = word % 6;
        word /= 6;
        signs[i] = (int16_t)((digit == 0) - (digit == 1));
    }
}

tern_status ti_sdr_init(ti_sdr_pool *pool, size_t width, double scale, tern_err *err)
{
    TI_ASSERT(width >= 1 && width <= TI_SDR_WIDTH_MAX);
    *pool = (ti_sdr_pool){.width = width, .scale = scale};
    pool->signs = ti_calloc(TERN_SDR_BITS * width, sizeof *pool->signs);
    pool->state = ti_calloc(width, sizeof *pool->state);
    pool->sum = ti_calloc(TERN_SDR_BITS, sizeof *pool->sum);
    pool->best = ti_calloc(TERN_SDR_BITS, sizeof *pool->best);
    if (!pool->signs || !pool->state || !pool->sum || !pool->best) {
        ti_sdr_free(pool);
        return ti_fail_nomem(err, module, (uint64_t)TERN_SDR_BITS * width * sizeof(int16_t),
                             "a projection");
    }
    draw_signs(pool->signs, TERN_SDR_BITS * width);
    return TERN_OK;
}

void ti_sdr_free(ti_sdr_pool *pool)
{
    free(pool->signs);
    free(pool->state);
    free(pool->sum);
    free(pool->best);
    *pool = (ti_sdr_pool){0};
}

double ti_sdr_scale(const float *gain, size_t n)
{
    double squares = 0.0, scale = 1.0;
    for (size_t i = 0; i < n; i++) {
        squares += (double)gain[i] * (double)gain[i];
    }
    double mean = squares / (double)n;
    if (!(mean > 0.0 && mean <= DBL_MAX)) {
        return scale;
    }
    while (mean < 16384.0) { /* until it is in [128^2, 256^2) */
        mean *= 4;
        scale *= 2;
    }
    while (mean >= 65536.0) {
        mean /= 4;
        scale /= 2;
    }
    return scale;
}

void ti_sdr_clear(ti_sdr_pool *pool)
{
    pool->n = 0;
}

static int32_t respond(const int16_t *signs, const int16_t *state, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += signs[i] * state[i];
    }
    return sum;
}

/* To the nearest integer, halves to the even one, within an int16.  A double of 2^52 to 2^53
 * has no fraction: adding one rounds. */
static int16_t round_state(double x)
{
    const double whole = 0x1.8p52;
    x = x > INT16_MAX ? INT16_MAX : x < -INT16_MAX ? -INT16_MAX : x;
    return (int16_t)(x + whole - whole);
}

void ti_sdr_add(ti_sdr_pool *pool, const float *state)
{
    for (size_t i = 0; i < pool->width; i++) {
        pool->state[i] = round_state((double)state[i] * pool->scale);
    }
    for (size_t u = 0; u < TERN_SDR_BITS; u++) {
        int32_t r = respond(pool->signs + u * pool->width, pool->state, pool->width);
        pool->best[u] = pool->n == 0 || r > pool->best[u] ? r : pool->best[u];
        pool->sum[u] = (pool->n == 0 ? 0 : pool->sum[u]) + r;
    }
    pool->n++;
}

void ti_sdr_winners(const ti_sdr_pool *pool, tern_sdr *out)
{
    TI_ASSERT(pool->n > 0);
    *out = (tern_sdr){0};
    for (int k = 0; k < TERN_SDR_ON; k++) {
        int64_t most = INT64_MIN;
        size_t winner = 0;
        for (size_t u = 0; u < TERN_SDR_BITS; u++) {
            /* 2 n times the response: |best| < 2^31, and no text has 2^31 tokens. */
            int64_t response = 2 * (int64_t)pool->n * pool->best[u] - pool->sum[u];
            if (response > most && !(out->words[u / 64] >> u % 64 & 1)) {
                most = response;
                winner = u;
            }
        }
        out->words[winner / 64] |= UINT64_C(1) << winner % 64;
    }
}

uint32_t tern_sdr_overlap(const tern_sdr *a, const tern_sdr *b)
{
    uint32_t n = 0;
    for (size_t i = 0; i < TERN_SDR_BITS / 64; i++) {
        n += (uint32_t)__builtin_popcountll(a->words[i] & b->words[i]);
    }
    return n;
}

uint32_t tern_sdr_indices(const tern_sdr *sdr, uint32_t *indices)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < TERN_SDR_BITS && n < TERN_SDR_ON; i++) {
        if (sdr->words[i / 64] >> i % 64 & 1) {
            indices[n++] = i;
        }
    }
    return n;
}
