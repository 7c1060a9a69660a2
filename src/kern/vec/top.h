/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec/top.h - activations of their own, and the largest of them (template: kern/vec.h). */
#ifndef TI_KERN_VEC_TOP_H
#define TI_KERN_VEC_TOP_H

#include "kern/vec/base.h"

/* How many of n floats have a magnitude whose bits are `least` or more.  Bits of magnitudes are
 * in the order of the magnitudes, NaN above all. */
TI_VEC_INLINE size_t count_from(const float *a, size_t n, uint32_t least)
{
    enum { CHAINS = 4 };
    ti_vi sum[CHAINS] = {{0}};
    const ti_vi below = (ti_vi){0} + (int32_t)(least - 1); /* least >= 1 */
    size_t i = 0, count = 0;
    for (; i + CHAINS * WIDTH <= n; i += CHAINS * WIDTH) {
        TI_UNROLL
        for (size_t c = 0; c < CHAINS; c++) {
            ti_vi bits = (ti_vi)load(a + i + c * WIDTH) & 0x7fffffff;
            sum[c] = sum[c] - (ti_vi)(bits > below);
        }
    }
    int32_t lanes[WIDTH];
    ti_vi all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    memcpy(lanes, &all, sizeof lanes);
    for (size_t l = 0; l < WIDTH; l++) {
        count += (size_t)lanes[l];
    }
    for (; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, a + i, sizeof bits);
        count += (bits & 0x7fffffffu) >= least;
    }
    return count;
}

/* A threshold for the k largest of n, of which more than k are not zero: the bits from which on
 * there are k, or the highest from which on there are more because some are equal.
 *
 * Bisection, and no sort: a step is a pass over floats that are in the cache.  It begins below
 * the maximum, where the threshold is: activations that matter are within a few octaves. */
TI_VEC_INLINE uint32_t threshold(const float *a, size_t n, size_t k, bool *exact)
{
    enum { OCTAVE = 1 << 23 };
    uint32_t low = 1, high = 1u << 31; /* from `low` on more than k, from `high` on fewer */
    ti_vi top = {0};
    for (size_t i = 0; i + WIDTH <= n; i += WIDTH) {
        top = larger_int(top, (ti_vi)load(a + i) & 0x7fffffff);
    }
    uint32_t guess = OCTAVE;
    for (int l = 0; l < WIDTH; l++) {
        guess = (uint32_t)top[l] > guess ? (uint32_t)top[l] : guess;
    }
    for (uint32_t step = 2 * OCTAVE; high - low > 1; step *= 2) {
        uint32_t middle = low + (high - low) / 2;
        if (guess > low + step && step < 32u * OCTAVE) {
            middle = guess - step;
        } else {
            guess = 0;
        }
        size_t count = count_from(a, n, middle);
        if (count == k) {
            *exact = true;
            return middle;
        }
        if (count > k) {
            low = middle;
            guess = 0;
        } else {
            high = middle;
        }
    }
    *exact = false;
    return low;
}

TI_VEC_FN size_t TI_VEC_NAME(top_k)(uint32_t *list, const float *a, size_t n, size_t k)
{
    bool exact = true;
    uint32_t least = 1;
    size_t count = 0, ties = 0;
    if (count_from(a, n, 1) > k) {
        least = threshold(a, n, k, &exact);
    }
    if (!exact) { /* of those at the threshold only the first */
        ties = k - count_from(a, n, ++least);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, a + i, sizeof bits);
        bits &= 0x7fffffffu;
        list[count] = (uint32_t)i;
        bool tie = bits == least - 1 && ties > 0;
        ties -= tie;
        count += bits >= least || tie;
    }
    return count;
}

TI_VEC_FN void TI_VEC_NAME(relu2)(float *g, size_t n)
{
    const ti_vf zero = all_lanes(0.0f);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        ti_vf v = load(g + i);
        store(g + i, choose(v > zero, v * v, zero));
    }
    for (; i < n; i++) {
        float square = g[i] * g[i];
        g[i] = g[i] > 0.0f ? square : 0.0f;
    }
}

TI_VEC_FN void TI_VEC_NAME(gate)(float *u, const float *a, size_t n)
{
    const ti_vf zero = all_lanes(0.0f);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        ti_vf v = load(a + i);
        store(u + i, choose(v == zero, zero, v * load(u + i)));
    }
    for (; i < n; i++) {
        float product = a[i] * u[i];
        u[i] = a[i] == 0.0f ? 0.0f : product;
    }
}

#endif
