/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec/group.h - attention of up to sixteen queries at once (template: kern/vec.h).
 *
 * The queries of a group lie across the lanes of a register, so that a score has no sum across
 * lanes, and keys and values are turned into floats once for all of them.  What happens in one
 * lane is what kern/vec/attention.h and softmax() do for one query, in the same order. */
#ifndef TI_KERN_VEC_GROUP_H
#define TI_KERN_VEC_GROUP_H

#include "kern/vec/base.h"

/* Of what is much code there is one copy, for halves and bytes. */
#define TI_VEC_ONCE static __attribute__((noinline)) TI_VEC_TARGET

/* SPAN keys or values are in floats at a time; of TILE keys the products are summed together,
 * enough chains of additions to hide how long one takes. */
enum { SPAN = 16, TILE = 4 };

/* --- operands as floats ------------------------------------------------------------------- */

/* Numbers c .. c + 3 of a row of d. */
TI_VEC_INLINE ti_v4f four_numbers(const void *row, size_t c, size_t d, const bool bytes)
{
    ti_v4f v = {0};
    size_t n = d - c < 4 ? d - c : 4;
    if (!bytes && n == 4) {
        memcpy(&v, (const float *)row + c, sizeof v);
        return v;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = bytes ? (float)((const int8_t *)row)[c + i] : ((const float *)row)[c + i];
    }
    return v;
}

/* The queries as columns, to[d padded][TI_GROUP], the padding zero.  Lanes without a query get
 * the last one again. */
TI_VEC_INLINE void columns(float *to, const ti_group *g, const bool bytes)
{
    size_t d = g->d, dp = (d + 15) & ~(size_t)15;
    memset(to + d * TI_GROUP, 0, (dp - d) * TI_GROUP * sizeof *to);
    for (size_t i = 0; i < TI_GROUP; i += 4) {
        const void *row[4];
        for (size_t r = 0; r < 4; r++) {
            size_t lane = i + r < g->m ? i + r : g->m - 1;
            row[r] = bytes ? (const void *)g->q8[lane] : (const void *)g->q[lane];
        }
        for (size_t c = 0; c < d; c += 4) {
            ti_v4f a = four_numbers(row[0], c, d, bytes), b = four_numbers(row[1], c, d, bytes);
            ti_v4f e = four_numbers(row[2], c, d, bytes), f = four_numbers(row[3], c, d, bytes);
            ti_v4f ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
            ti_v4f ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            ti_v4f ef_low = __builtin_shufflevector(e, f, 0, 4, 1, 5);
            ti_v4f ef_high = __builtin_shufflevector(e, f, 2, 6, 3, 7);
            ti_v4f out[4] = {__builtin_shufflevector(ab_low, ef_low, 0, 1, 4, 5),
                             __builtin_shufflevector(ab_low, ef_low, 2, 3, 6, 7),
                             __builtin_shufflevector(ab_high, ef_high, 0, 1, 4, 5),
                             __builtin_shufflevector(ab_high, ef_high, 2, 3, 6, 7)};
            for (size_t r = 0; r < 4 && c + r < d; r++) {
                memcpy(to + (c + r) * TI_GROUP + i, &out[r], sizeof out[r]);
            }
        }
    }
}

/* Rows j .. j + n, n <= SPAN, to[n][dp]. */
TI_VEC_INLINE void rows_as_floats(float *to, ti_kv_view kv, size_t j, size_t n, size_t dp,
                                  const bool bytes)
{
    for (size_t i = 0; i < n; i++, to += dp) {
        size_t row = (j + i) * kv.stride;
        for (size_t c = 0; c < dp; c += WIDTH) {
            store(to + c, bytes ? byte_load((const int8_t *)kv.data + row + c)
                                : half_load((const uint16_t *)kv.data + row + c));
        }
    }
}

/* --- scores ------------------------------------------------------------------------------- */

/* Partial sums l and l + 8 of WIDTH queries with TILE keys, and their sum.  A sum that starts
 * with its first product instead of 0 + product may be -0 where it would be +0, and so may
 * what it is added to; scores() puts that right at the end. */
TI_VEC_INLINE void sum_pair(ti_vf sum[TILE], const float *q, const float *k, size_t dp,
                            const size_t l)
{
    ti_vf low[TILE], high[TILE];
    ti_vf ql = load(q + l * TI_GROUP), qh = load(q + (l + 8) * TI_GROUP);
    TI_UNROLL
    for (size_t t = 0; t < TILE; t++) {
        low[t] = ql * k[t * dp + l];
        high[t] = qh * k[t * dp + l + 8];
    }
    for (size_t c = l + TI_LANES; c < dp; c += TI_LANES) {
        ql = load(q + c * TI_GROUP);
        qh = load(q + (c + 8) * TI_GROUP);
        TI_UNROLL
        for (size_t t = 0; t < TILE; t++) {
            low[t] = low[t] + ql * k[t * dp + c];
            high[t] = high[t] + qh * k[t * dp + c + 8];
        }
    }
    TI_UNROLL
    for (size_t t = 0; t < TILE; t++) {
        sum[t] = low[t] + high[t];
    }
}

/* The next levels of the tree: + 4, + 2, + 1. */
TI_VEC_INLINE void sum_four(ti_vf sum[TILE], const float *q, const float *k, size_t dp,
                            const size_t l)
{
    ti_vf other[TILE];
    sum_pair(sum, q, k, dp, l);
    sum_pair(other, q, k, dp, l + 4);
    TI_UNROLL
    for (size_t t = 0; t < TILE; t++) {
        sum[t] = sum[t] + other[t];
    }
}

TI_VEC_INLINE void sum_eight(ti_vf sum[TILE], const float *q, const float *k, size_t dp,
                             const size_t l)
{
    ti_vf other[TILE];
    sum_four(sum, q, k, dp, l);
    sum_four(other, q, k, dp, l + 2);
    TI_UNROLL
    for (size_t t = 0; t < TILE; t++) {
        sum[t] = sum[t] + other[t];
    }
}

TI_VEC_INLINE void sum_all(ti_vf sum[TILE], const float *q, const float *k, size_t dp)
{
    ti_vf other[TILE];
    sum_eight(sum, q, k, dp, 0);
    sum_eight(other, q, k, dp, 1);
    TI_UNROLL
    for (size_t t = 0; t < TILE; t++) {
        /* + 0 makes +0 of -0, which is what the sum is that starts with 0. */
        sum[t] = (sum[t] + other[t]) + 0.0f;
    }
}

/* Keys that a query does not see get the score -infinity, whose weight is +0. */
TI_VEC_INLINE void hide(const ti_group *g)
{
    uint32_t n[TI_GROUP], last = g->n[g->m - 1];
    for (size_t i = 0; i < TI_GROUP; i++) {
        n[i] = g->n[i < g->m ? i : g->m - 1];
    }
    for (uint32_t j = n[0]; j < last; j++) {
        float *s = g->s + (size_t)j * TI_GROUP;
        for (size_t i = 0; i < g->m; i += WIDTH) {
            ti_vi seen;
            memcpy(&seen, n + i, sizeof seen);
            store(s + i, choose(seen > (int32_t)j, load(s + i), all_lanes(-__builtin_inff())));
        }
    }
}

/* Scores of `some` keys from j on, which lie as floats in `keys`. */
TI_VEC_ONCE void score_span(const ti_group *g, const float *scale, const float *key_scale,
                            size_t j, size_t some)
{
    size_t dp = (g->d + 15) & ~(size_t)15;
    const float *turned = g->scratch, *keys = turned + TI_GROUP * dp;
    for (size_t i = 0; i < g->m; i += WIDTH) {
        for (size_t t = 0; t < some; t += TILE) {
            ti_vf sum[TILE];
            sum_all(sum, turned + i, keys + t * dp, dp);
            TI_UNROLL
            for (size_t u = 0; u < TILE; u++) {
                ti_vf factor = load(scale + i) * key_scale[t + u];
                store(g->s + (j + t + u) * TI_GROUP + i, sum[u] * factor);
            }
        }
    }
}

/* Products of int8 are summed as floats too: whole numbers up to 2^24, which no order of
 * summing rounds.  Halves have the scale 1, by which the product is exact. */
TI_VEC_INLINE void scores(const ti_group *g, const float *scale, ti_kv_view k, const bool bytes)
{
    size_t dp = (g->d + 15) & ~(size_t)15, n = g->n[g->m - 1];
    float *keys = g->scratch + TI_GROUP * dp, key_scale[SPAN];
    for (size_t i = 0; i < SPAN; i++) {
        key_scale[i] = 1.0f;
    }
    columns(g->scratch, g, bytes);
    for (size_t j = 0; j < n; j += SPAN) {
        size_t some = n - j < SPAN ? n - j : SPAN;
        rows_as_floats(keys, k, j, some, dp, bytes);
        memset(keys + some * dp, 0, (SPAN - some) * dp * sizeof *keys); /* for whole tiles */
        if (bytes) {
            memcpy(key_scale, k.scale + j, some * sizeof *key_scale);
        }
        score_span(g, scale, key_scale, j, some);
    }
    hide(g);
}

TI_VEC_FN void TI_VEC_NAME(group_qk_f16)(const ti_group *g, ti_kv_view k, float scale)
{
    float all[TI_GROUP];
    for (size_t i = 0; i < TI_GROUP; i++) {
        all[i] = scale;
    }
    scores(g, all, k, false);
}

TI_VEC_FN void TI_VEC_NAME(group_qk_i8)(const ti_group *g, ti_kv_view k)
{
    scores(g, g->qscale, k, true);
}

/* --- weights ------------------------------------------------------------------------------ */

/* Largest score of each lane, by several chains of comparisons. */
TI_VEC_INLINE ti_vf max_scores(const float *s, size_t n)
{
    enum { CHAINS = 4 };
    ti_vf top[CHAINS];
    TI_UNROLL
    for (int t = 0; t < CHAINS; t++) {
        top[t] = load(s);
    }
    size_t j = 0;
    for (; j + CHAINS <= n; j += CHAINS) {
        TI_UNROLL
        for (size_t t = 0; t < CHAINS; t++) {
            top[t] = larger(load(s + (j + t) * TI_GROUP), top[t]);
        }
    }
    for (; j < n; j++) {
        top[0] = larger(load(s + j * TI_GROUP), top[0]);
    }
    return larger(larger(top[1], top[0]), larger(top[3], top[2]));
}

TI_VEC_FN void TI_VEC_NAME(group_softmax)(const ti_group *g)
{
    size_t n = g->n[g->m - 1];
    for (size_t i = 0; i < g->m; i += WIDTH) {
        float *s = g->s + i;
        ti_vf max = max_scores(s, n), sum[TI_LANES] = {{0}};
        for (size_t j = 0; j < n; j++) {
            ti_vf e = exp_of(load(s + j * TI_GROUP) - max);
            store(s + j * TI_GROUP, e);
            sum[j % TI_LANES] = sum[j % TI_LANES] + e;
        }
        for (size_t half = TI_LANES / 2; half > 0; half /= 2) {
            for (size_t l = 0; l < half; l++) {
                sum[l] = sum[l] + sum[l + half];
            }
        }
        ti_vf inverse = 1.0f / sum[0];
        for (size_t j = 0; j < n; j++) {
            store(s + j * TI_GROUP, load(s + j * TI_GROUP) * inverse);
        }
    }
}

/* --- mixtures ----------------------------------------------------------------------------- */

/* Returns p, and keeps from the compiler that it is p. */
static inline __attribute__((always_inline)) const float *disguise(const float *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

/* Adds values of a span to `parts` registers of the sums of `rows` queries, each up to its
 * end, which are rising.
 *
 * With AVX-512 a factor that is one number in memory costs nothing, but a register filled with
 * it costs as much as a product (measured on Zen 4); the compilers would fill one for all
 * parts, did they know that the parts read the same number. */
TI_VEC_INLINE void mix_tile(float *sums, const float *p, const float *v, const uint32_t *end,
                            size_t dp, const size_t rows, const size_t parts)
{
    const float *weights[4] = {p, p, p, p};
    ti_vf sum[4][4], value[4];
#if TI_VEC_WIDTH == 16
    for (size_t i = 1; i < 4; i++) {
        weights[i] = disguise(p);
    }
#endif
    TI_UNROLL
    for (size_t i = 0; i < rows * parts; i++) {
        sum[i / parts][i % parts] = load(sums + i / parts * dp + i % parts * WIDTH);
    }
    for (size_t j = 0; j < end[0]; j++) {
        TI_UNROLL
        for (size_t i = 0; i < parts; i++) {
            value[i] = load(v + j * dp + i * WIDTH);
        }
        TI_UNROLL
        for (size_t i = 0; i < rows * parts; i++) {
            ti_vf *to = &sum[i / parts][i % parts];
            *to = *to + weights[i % parts][j * TI_GROUP + i / parts] * value[i % parts];
        }
    }
    TI_UNROLL
    for (size_t r = 1; r < rows; r++) {
        for (size_t j = end[0]; j < end[r]; j++) {
            TI_UNROLL
            for (size_t i = 0; i < parts; i++) {
                sum[r][i] = sum[r][i] + p[j * TI_GROUP + r] * load(v + j * dp + i * WIDTH);
            }
        }
    }
    TI_UNROLL
    for (size_t i = 0; i < rows * parts; i++) {
        store(sums + i / parts * dp + i % parts * WIDTH, sum[i / parts][i % parts]);
    }
}

TI_VEC_INLINE void mix_columns(float *sums, const float *p, const float *v, const uint32_t *end,
                               size_t m, size_t dp, const size_t parts)
{
    size_t i = 0;
    for (; i + 4 <= m; i += 4) {
        mix_tile(sums + i * dp, p + i, v, end + i, dp, 4, parts);
    }
    for (; i < m; i++) {
        mix_tile(sums + i * dp, p + i, v, end + i, dp, 1, parts);
    }
}

/* A span of values for all queries of the group. */
TI_VEC_ONCE void mix_span(float *sums, const float *p, const float *v, const uint32_t *end,
                          size_t m, size_t dp)
{
    size_t c = 0;
#if TI_VEC_WIDTH == 16 /* elsewhere the registers hold four sums of sixteen lanes, no more */
    for (; c + 4 * WIDTH <= dp; c += 4 * WIDTH) {
        mix_columns(sums + c, p, v + c, end, m, dp, 4);
    }
#endif
    for (; c < dp; c += TI_LANES) {
        mix_columns(sums + c, p, v + c, end, m, dp, PARTS);
    }
}

TI_VEC_INLINE void mixtures(const ti_group *g, ti_kv_view v, const bool bytes)
{
    size_t dp = (g->d + 15) & ~(size_t)15, n = g->n[g->m - 1];
    float *sums = g->scratch, *values = sums + TI_GROUP * dp, scaled[SPAN * TI_GROUP];
    memset(sums, 0, g->m * dp * sizeof *sums);
    for (size_t j = 0; j < n; j += SPAN) {
        size_t some = n - j < SPAN ? n - j : SPAN;
        const float *p = g->s + j * TI_GROUP;
        uint32_t end[TI_GROUP];
        for (size_t i = 0; i < g->m; i++) {
            end[i] = g->n[i] <= j ? 0 : g->n[i] - j < some ? (uint32_t)(g->n[i] - j) : some;
        }
        rows_as_floats(values, v, j, some, dp, bytes);
        for (size_t i = 0; bytes && i < some * TI_GROUP; i += WIDTH) {
            store(scaled + i, load(p + i) * v.scale[j + i / TI_GROUP]);
        }
        mix_span(sums, bytes ? scaled : p, values, end, g->m, dp);
    }
    for (size_t i = 0; i < g->m; i++) {
        memcpy(g->o[i], sums + i * dp, g->d * sizeof *sums);
    }
}

TI_VEC_FN void TI_VEC_NAME(group_pv_f16)(const ti_group *g, ti_kv_view v)
{
    mixtures(g, v, false);
}

TI_VEC_FN void TI_VEC_NAME(group_pv_i8)(const ti_group *g, ti_kv_view v)
{
    mixtures(g, v, true);
}

#endif
