/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec/attention.h - scores of keys, mixtures of values (template: kern/vec.h).
 *
 * Of all rows, or of listed ones: what happens to a row is the same text, so that a pattern
 * that lists every row gives the bits that no pattern gives. */
#ifndef TI_KERN_VEC_ATTENTION_H
#define TI_KERN_VEC_ATTENTION_H

#include "kern/vec/base.h"

/* Where row j of those that are looked at lies. */
TI_VEC_INLINE size_t row_at(const uint32_t *rows, size_t j, size_t stride, const bool listed)
{
    return (listed ? rows[j] : j) * stride;
}

TI_VEC_INLINE void halves_scores(float *s, const float *q, ti_kv_view k, const uint32_t *rows,
                                 size_t n, size_t d, float scale, const bool listed)
{
    for (size_t j = 0; j < n; j++) {
        const uint16_t *row = (const uint16_t *)k.data + row_at(rows, j, k.stride, listed);
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

TI_VEC_FN void TI_VEC_NAME(qk_f16)(float *s, const float *q, ti_kv_view k, size_t n, size_t d,
                                   float scale)
{
    halves_scores(s, q, k, NULL, n, d, scale, false);
}

TI_VEC_FN void TI_VEC_NAME(qk_list_f16)(float *s, const float *q, ti_kv_view k,
                                        const uint32_t *rows, size_t n, size_t d, float scale)
{
    halves_scores(s, q, k, rows, n, d, scale, true);
}

TI_VEC_INLINE void bytes_scores(float *s, const int8_t *q, float qscale, ti_kv_view k,
                                const uint32_t *rows, size_t n, size_t d, const bool listed)
{
    for (size_t j = 0; j < n; j++) {
        const int8_t *row = (const int8_t *)k.data + row_at(rows, j, k.stride, listed);
        int32_t sum = 0;
        for (size_t c = 0; c < d; c++) {
            sum += (int32_t)q[c] * row[c];
        }
        s[j] = (float)sum * (qscale * k.scale[row_at(rows, j, 1, listed)]);
    }
}

TI_VEC_FN void TI_VEC_NAME(qk_i8)(float *s, const int8_t *q, float qscale, ti_kv_view k,
                                  size_t n, size_t d)
{
    bytes_scores(s, q, qscale, k, NULL, n, d, false);
}

TI_VEC_FN void TI_VEC_NAME(qk_list_i8)(float *s, const int8_t *q, float qscale, ti_kv_view k,
                                       const uint32_t *rows, size_t n, size_t d)
{
    bytes_scores(s, q, qscale, k, rows, n, d, true);
}

/* What is mixed, and how it lies. */
typedef struct TI_VEC_NAME(mixture) {
    const float *p;
    ti_kv_view v;
    const uint32_t *rows;
    size_t n;
} TI_VEC_NAME(mixture);

/* Numbers c .. c + parts * WIDTH of all values, parts <= 8.  The sums stay in registers. */
TI_VEC_INLINE void mix(float *o, const TI_VEC_NAME(mixture) * m, size_t c, const int parts,
                       const bool bytes, const bool listed)
{
    ti_vf sum[8];
    TI_UNROLL
    for (int i = 0; i < parts; i++) {
        sum[i] = all_lanes(0.0f);
    }
    for (size_t j = 0; j < m->n; j++) {
        size_t at = row_at(m->rows, j, m->v.stride, listed) + c;
        float p = m->p[j];
        ti_vf weight = all_lanes(bytes ? p * m->v.scale[row_at(m->rows, j, 1, listed)] : p);
        TI_UNROLL
        for (int i = 0; i < parts; i++) {
            ti_vf value = bytes ? byte_load((const int8_t *)m->v.data + at + i * WIDTH)
                                : half_load((const uint16_t *)m->v.data + at + i * WIDTH);
            sum[i] = sum[i] + weight * value;
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

TI_VEC_INLINE void mix_all(float *o, const TI_VEC_NAME(mixture) * m, size_t d, const bool bytes,
                           const bool listed)
{
    size_t dp = (d + 15) & ~(size_t)15;
    for (size_t c = 0; c < dp; c += (size_t)mix_parts(dp - c) * WIDTH) {
        switch (mix_parts(dp - c)) {
        case 8:
            mix(o, m, c, 8, bytes, listed);
            break;
        case 4:
            mix(o, m, c, 4, bytes, listed);
            break;
        default:
            mix(o, m, c, PARTS, bytes, listed);
            break;
        }
    }
}

TI_VEC_FN void TI_VEC_NAME(pv_f16)(float *o, const float *p, ti_kv_view v, size_t n, size_t d)
{
    const TI_VEC_NAME(mixture) m = {p, v, NULL, n};
    mix_all(o, &m, d, false, false);
}

TI_VEC_FN void TI_VEC_NAME(pv_i8)(float *o, const float *p, ti_kv_view v, size_t n, size_t d)
{
    const TI_VEC_NAME(mixture) m = {p, v, NULL, n};
    mix_all(o, &m, d, true, false);
}

TI_VEC_FN void TI_VEC_NAME(pv_list_f16)(float *o, const float *p, ti_kv_view v,
                                        const uint32_t *rows, size_t n, size_t d)
{
    const TI_VEC_NAME(mixture) m = {p, v, rows, n};
    mix_all(o, &m, d, false, true);
}

TI_VEC_FN void TI_VEC_NAME(pv_list_i8)(float *o, const float *p, ti_kv_view v,
                                       const uint32_t *rows, size_t n, size_t d)
{
    const TI_VEC_NAME(mixture) m = {p, v, rows, n};
    mix_all(o, &m, d, true, true);
}

#endif
