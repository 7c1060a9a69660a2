/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec/attention.h - scores of keys, mixtures of values (template: kern/vec.h). */
#ifndef TI_KERN_VEC_ATTENTION_H
#define TI_KERN_VEC_ATTENTION_H

#include "kern/vec/base.h"

TI_VEC_FN void TI_VEC_NAME(qk_f16)(float *s, const float *q, ti_kv_view k, size_t n, size_t d,
                                   float scale)
{
    const uint16_t *row = k.data;
    for (size_t j = 0; j < n; j++, row += k.stride) {
        ti_vf sum[PARTS] = {{0}};
        for (size_t c = 0; c < d; c += TI_LANES) {
            TI_UNROLL
            for (int p = 0; p < PARTS; p++) {
                size_t at = c + (size_t)p * WIDTH;
                sum[p] = sum[p] + load(q + at) * half_load(row + at);
            }
        }
        s[j] = tree(sum) * scale;
    }
}

TI_VEC_FN void TI_VEC_NAME(qk_i8)(float *s, const int8_t *q, float qscale, ti_kv_view k,
                                  size_t n, size_t d)
{
    const int8_t *row = k.data;
    for (size_t j = 0; j < n; j++, row += k.stride) {
        int32_t sum = 0;
        for (size_t c = 0; c < d; c++) {
            sum += (int32_t)q[c] * row[c];
        }
        s[j] = (float)sum * (qscale * k.scale[j]);
    }
}

/* Numbers c .. c + parts * WIDTH of all values, parts <= 8.  The sums stay in registers. */
TI_VEC_INLINE void mix_f16(float *o, const float *p, ti_kv_view v, size_t n, size_t c,
                           const int parts)
{
    const uint16_t *row = (const uint16_t *)v.data + c;
    ti_vf sum[8];
    TI_UNROLL
    for (int i = 0; i < parts; i++) {
        sum[i] = all_lanes(0.0f);
    }
    for (size_t j = 0; j < n; j++, row += v.stride) {
        ti_vf weight = all_lanes(p[j]);
        TI_UNROLL
        for (int i = 0; i < parts; i++) {
            sum[i] = sum[i] + weight * half_load(row + i * WIDTH);
        }
    }
    TI_UNROLL
    for (int i = 0; i < parts; i++) {
        store(o + c + (size_t)i * WIDTH, sum[i]);
    }
}

TI_VEC_INLINE void mix_i8(float *o, const float *p, ti_kv_view v, size_t n, size_t c,
                          const int parts)
{
    const int8_t *row = (const int8_t *)v.data + c;
    ti_vf sum[8];
    TI_UNROLL
    for (int i = 0; i < parts; i++) {
        sum[i] = all_lanes(0.0f);
    }
    for (size_t j = 0; j < n; j++, row += v.stride) {
        ti_vf weight = all_lanes(p[j] * v.scale[j]);
        TI_UNROLL
        for (int i = 0; i < parts; i++) {
            sum[i] = sum[i] + weight * byte_load(row + i * WIDTH);
        }
    }
    TI_UNROLL
    for (int i = 0; i < parts; i++) {
        store(o + c + (size_t)i * WIDTH, sum[i]);
    }
}

/* How many registers to take of those that are left: enough chains of additions to keep the
 * adders busy, and whole groups of sixteen lanes. */
TI_VEC_INLINE int mix_parts(size_t left)
{
    return left >= 8 * WIDTH ? 8 : left >= 4 * WIDTH ? 4 : PARTS;
}

TI_VEC_FN void TI_VEC_NAME(pv_f16)(float *o, const float *p, ti_kv_view v, size_t n, size_t d)
{
    size_t dp = (d + 15) & ~(size_t)15;
    for (size_t c = 0; c < dp; c += (size_t)mix_parts(dp - c) * WIDTH) {
        switch (mix_parts(dp - c)) {
        case 8:
            mix_f16(o, p, v, n, c, 8);
            break;
        case 4:
            mix_f16(o, p, v, n, c, 4);
            break;
        default:
            mix_f16(o, p, v, n, c, PARTS);
            break;
        }
    }
}

TI_VEC_FN void TI_VEC_NAME(pv_i8)(float *o, const float *p, ti_kv_view v, size_t n, size_t d)
{
    size_t dp = (d + 15) & ~(size_t)15;
    for (size_t c = 0; c < dp; c += (size_t)mix_parts(dp - c) * WIDTH) {
        switch (mix_parts(dp - c)) {
        case 8:
            mix_i8(o, p, v, n, c, 8);
            break;
        case 4:
            mix_i8(o, p, v, n, c, 4);
            break;
        default:
            mix_i8(o, p, v, n, c, PARTS);
            break;
        }
    }
}

#endif
