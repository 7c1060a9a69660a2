/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec/quant.h - activations to int8, floats to halves (template: kern/vec.h). */
#ifndef TI_KERN_VEC_QUANT_H
#define TI_KERN_VEC_QUANT_H

#include "kern/vec/base.h"

/* Largest magnitude of n floats.  Taken on the bits, where NaN is above infinity and infinity
 * above all numbers, so that no bad value is lost. */
TI_VEC_INLINE float max_magnitude(const float *x, size_t n)
{
    ti_vi top[PARTS] = {{0}};
    ti_vf v[PARTS];
    for (size_t i = 0; i < n; i += TI_LANES) {
        load_lanes(v, x, i, n);
        TI_UNROLL
        for (int p = 0; p < PARTS; p++) {
            top[p] = larger_int(top[p], (ti_vi)v[p] & 0x7fffffff);
        }
    }
    TI_UNROLL
    for (int p = 1; p < PARTS; p++) {
        top[0] = larger_int(top[0], top[p]);
    }
    int32_t lanes[WIDTH];
    memcpy(lanes, &top[0], sizeof lanes);
    TI_UNROLL
    for (int l = 1; l < WIDTH; l++) {
        lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
    }
    float max;
    memcpy(&max, &lanes[0], sizeof max);
    return max;
}

/* q = v * factor, half to even, and the sum of the sixteen. */
TI_VEC_INLINE int32_t quant_lanes(int8_t *q, const ti_vf v[PARTS], float factor)
{
    ti_vi n[PARTS];
    TI_UNROLL
    for (int p = 0; p < PARTS; p++) {
        n[p] = whole_int(v[p] * factor);
    }
    byte_store_lanes(q, n);
    return sum_lanes(n);
}

/* Quantises n floats with one scale, which it returns.  A vector whose magnitude is not a
 * normal number gives zeros: with scale 0 when it is tiny (its inverse would overflow), with
 * scale NaN when it is not finite, so that the outputs show it. */
TI_VEC_INLINE float quant_run(int8_t *q, int32_t *half_sum, const float *f, size_t n)
{
    float max = max_magnitude(f, n);
    if (!(max >= 0x1p-120f && max <= 0x1p+120f)) {
        memset(q, 0, (n + 15) & ~(size_t)15);
        memset(half_sum, 0, (n + 15) / 16 * sizeof *half_sum);
        return max < 1.0f ? 0.0f : __builtin_nanf("");
    }
    float factor = 127.0f / max;
    ti_vf v[PARTS];
    for (size_t c = 0; c < n; c += TI_LANES) {
        load_lanes(v, f, c, n);
        half_sum[c / TI_LANES] = quant_lanes(q + c, v, factor);
    }
    return max / 127.0f;
}

TI_VEC_FN void TI_VEC_NAME(quant_token)(ti_act *x, size_t i, const float *f)
{
    int8_t *q = x->q + i * x->stride;
    int32_t *half_sum = x->half_sum + i * (x->stride / 16);
    float *block_scale = x->block_scale + i * (x->stride / 32);
    size_t used = (x->k + 15) & ~(size_t)15;
    float scale = quant_run(q, half_sum, f, x->k);
    memset(q + used, 0, x->stride - used);
    memset(half_sum + used / 16, 0, (x->stride - used) / 16 * sizeof *half_sum);
    int32_t sum = 0;
    for (size_t h = 0; h < used / 16; h++) {
        sum += half_sum[h];
    }
    for (size_t b = 0; b < x->stride / 32; b++) {
        block_scale[b] = scale;
    }
    x->row_scale[i] = scale;
    x->row_sum[i] = sum;
}

/* Where the parts of row i are. */
typedef struct TI_VEC_NAME(act_row) {
    int8_t *q;
    int32_t *half_sum;
    float *block_scale;
} TI_VEC_NAME(act_row);

/* Finds row i, and zeroes what follows its last whole block. */
TI_VEC_INLINE TI_VEC_NAME(act_row) clear_row(ti_act *x, size_t i)
{
    TI_VEC_NAME(act_row)
    row = {.q = x->q + i * x->stride,
           .half_sum = x->half_sum + i * (x->stride / 16),
           .block_scale = x->block_scale + i * (x->stride / 32)};
    size_t full = x->k & ~(size_t)31, rest = x->stride - full;
    memset(row.q + full, 0, rest);
    memset(row.half_sum + full / 16, 0, rest / 16 * sizeof *row.half_sum);
    memset(row.block_scale + full / 32, 0, rest / 32 * sizeof *row.block_scale);
    return row;
}

TI_VEC_FN void TI_VEC_NAME(quant_block)(ti_act *x, size_t i, const float *f)
{
    TI_VEC_NAME(act_row) row = clear_row(x, i);
    for (size_t c = 0; c < x->k; c += TI_BLOCK) {
        size_t n = x->k - c < TI_BLOCK ? x->k - c : TI_BLOCK;
        row.block_scale[c / TI_BLOCK] = quant_run(row.q + c, row.half_sum + c / 16, f + c, n);
    }
}

/* Sixteen numbers of 16 bits, split.  v is at most 32384 = 254 * 127 + 126: one more
 * would round to 128 * 254. */
TI_VEC_INLINE void split_lanes(TI_VEC_NAME(act_row) high, TI_VEC_NAME(act_row) low, size_t c,
                               const ti_vf x[PARTS], float factor)
{
    ti_vf h[PARTS], l[PARTS];
    TI_UNROLL
    for (int p = 0; p < PARTS; p++) {
        ti_vf v = whole(x[p] * factor);
        h[p] = whole(v * (1.0f / 254.0f));
        l[p] = v - h[p] * 254.0f;
    }
    high.half_sum[c / 16] = quant_lanes(high.q + c, h, 1.0f);
    low.half_sum[c / 16] = quant_lanes(low.q + c, l, 1.0f);
}

TI_VEC_FN void TI_VEC_NAME(quant_block16)(ti_act *x, size_t i, const float *f)
{
    TI_VEC_NAME(act_row) high = clear_row(x, 2 * i), low = clear_row(x, 2 * i + 1);
    ti_vf v[PARTS];
    for (size_t c = 0; c < x->k; c += TI_BLOCK) {
        size_t n = x->k - c < TI_BLOCK ? x->k - c : TI_BLOCK;
        float max = max_magnitude(f + c, n);
        if (!(max >= 0x1p-110f && max <= 0x1p+120f)) {
            memset(high.q + c, 0, TI_BLOCK);
            memset(low.q + c, 0, TI_BLOCK);
            memset(high.half_sum + c / 16, 0, 2 * sizeof *high.half_sum);
            memset(low.half_sum + c / 16, 0, 2 * sizeof *low.half_sum);
            low.block_scale[c / TI_BLOCK] = max < 1.0f ? 0.0f : __builtin_nanf("");
            high.block_scale[c / TI_BLOCK] = low.block_scale[c / TI_BLOCK];
            continue;
        }
        float factor = 32384.0f / max;
        for (size_t h = 0; h < n; h += TI_LANES) {
            load_lanes(v, f + c, h, n);
            split_lanes(high, low, c + h, v, factor);
        }
        low.block_scale[c / TI_BLOCK] = max / 32384.0f;
        high.block_scale[c / TI_BLOCK] = low.block_scale[c / TI_BLOCK] * 254.0f;
    }
}

/* --- halves ------------------------------------------------------------------------------ */

/* Stores WIDTH floats of magnitude up to 65504 as halves.  Without an instruction: to nearest
 * even by integers, the bits that are dropped decide.  Below 2^-14 halves are subnormal; then
 * adding 0.5 puts their unit at bit 0. */
TI_VEC_INLINE void half_store(uint16_t *p, ti_vf v)
{
#ifdef TI_VEC_F16_STORE
    TI_VEC_F16_STORE(p, v);
#else
    ti_vu u = (ti_vu)v, m = u & 0x7fffffffu, sign = u >> 16 & 0x8000u;
    ti_vu small = (ti_vu)((ti_vf)m + 0.5f) - 0x3f000000u;
    ti_vu normal = (m + 0xfffu + (m >> 13 & 1u) - 0x38000000u) >> 13;
    ti_vu mask = (ti_vu)((ti_vf)m < 0x1p-14f);
    ti_vh h = __builtin_convertvector(sign | (small & mask) | (normal & ~mask), ti_vh);
    memcpy(p, &h, sizeof h);
#endif
}

TI_VEC_FN void TI_VEC_NAME(to_f16)(uint16_t *out, const float *x, size_t n)
{
    const ti_vf top = all_lanes(65504.0f), bottom = -top;
    for (size_t i = 0; i < n; i += WIDTH) {
        size_t m = n - i < WIDTH ? n - i : WIDTH;
        ti_vf v = m == WIDTH ? load(x + i) : load_tail(x + i, m);
        v = choose(v > top, top, choose(v < bottom, bottom, v));
        if (m == WIDTH) {
            half_store(out + i, v);
        } else {
            uint16_t halves[WIDTH];
            half_store(halves, v);
            memcpy(out + i, halves, m * sizeof *out);
        }
    }
}

#endif
