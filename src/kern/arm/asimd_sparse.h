/* SPDX-License-Identifier: Apache-2.0 */
/* kern/arm/asimd_sparse.h - sums of columns and scores of int8 keys (template:
 * kern/arm/asimd.h).
 *
 * What int16 lanes hold in sums of columns: one addition is at most 2 * 127 = 254; 128 of them
 * are 32512. */
#ifndef TI_KERN_ARM_ASIMD_SPARSE_H
#define TI_KERN_ARM_ASIMD_SPARSE_H

#include "kern/arm/asimd.h"

enum { COLUMNS = 128, COLUMNS_AHEAD = 8 };

/* The 64 rows whose codes are in sixteen bytes from `at` on: rows 64 * i + 0..15 of the block
 * of 256 that acc points into. */
TI_ASIMD_INLINE void add_columns(int32_t *acc, const ti_mat *wt, const int8_t *q,
                                 const uint32_t *cols, size_t n, size_t at)
{
    size_t row_bytes = ti_t2_row_bytes(wt->kp);
    int32_t sum = 0;
    int16x8_t s[4][2];
    TI_UNROLL
    for (int i = 0; i < 8; i++) {
        s[i / 2][i % 2] = vdupq_n_s16(0);
    }
    for (size_t j = 0; j < n; j++) {
        const uint8_t *data = (const uint8_t *)wt->data + at;
        uint8x16_t codes[4];
        int8x16_t a = vdupq_n_s8(q[cols[j]]);
        __builtin_prefetch(
            data + cols[j + COLUMNS_AHEAD < n ? j + COLUMNS_AHEAD : j] * row_bytes, 0, 3);
        t2_decode(codes, data + cols[j] * row_bytes);
        sum += q[cols[j]];
        TI_UNROLL
        for (int i = 0; i < 4; i++) {
            int8x16_t w = vreinterpretq_s8_u8(codes[i]);
            s[i][0] = vmlal_s8(s[i][0], vget_low_s8(w), vget_low_s8(a));
            s[i][1] = vmlal_high_s8(s[i][1], w, a);
        }
    }
    int32x4_t bias = vdupq_n_s32(sum);
    for (int i = 0; i < 8; i++) {
        int32_t *out = acc + 64 * (i / 2) + 8 * (i % 2);
        int32x4_t low = vsubq_s32(vmovl_s16(vget_low_s16(s[i / 2][i % 2])), bias);
        int32x4_t high = vsubq_s32(vmovl_high_s16(s[i / 2][i % 2]), bias);
        vst1q_s32(out, vaddq_s32(vld1q_s32(out), low));
        vst1q_s32(out + 4, vaddq_s32(vld1q_s32(out + 4), high));
    }
}

TI_ASIMD_FN void t2_cols(int32_t *acc, const ti_mat *wt, const int8_t *q, const uint32_t *cols,
                         size_t n, size_t r0, size_t r1)
{
    for (size_t i = 0; i < n; i += COLUMNS) {
        size_t some = n - i < COLUMNS ? n - i : COLUMNS;
        for (size_t r = r0; r < r1; r += 256) {
            for (size_t part = 0; part < 64; part += 16) {
                add_columns(acc + r + part, wt, q, cols + i, some, r / 4 + part);
            }
        }
    }
}

/* sum + products of sixteen int8, -128 included. */
TI_ASIMD_INLINE int32x4_t add_products(int32x4_t sum, int8x16_t a, int8x16_t b)
{
#ifdef TI_ASIMD_DOT
    return TI_ASIMD_DOT(sum, a, b);
#else
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sum, vmull_high_s8(a, b));
#endif
}

/* Four keys at a time; when fewer are left, the last one is taken again. */
TI_ASIMD_INLINE void scores_i8(float *s, const int8_t *q, float qscale, ti_kv_view k,
                               const uint32_t *rows, size_t n, size_t d, const bool listed)
{
    for (size_t j = 0; j < n; j += 4) {
        const int8_t *row[4];
        size_t at[4];
        int32x4_t sum[4];
        TI_UNROLL
        for (size_t i = 0; i < 4; i++) {
            size_t key = j + i < n ? j + i : n - 1;
            /* cppcheck-suppress nullPointer ; no list, no rows */
            at[i] = listed ? rows[key] : key;
            row[i] = (const int8_t *)k.data + at[i] * k.stride;
            sum[i] = vdupq_n_s32(0);
        }
        for (size_t c = 0; c < d; c += 16) {
            int8x16_t a = vld1q_s8(q + c);
            TI_UNROLL
            for (int i = 0; i < 4; i++) {
                sum[i] = add_products(sum[i], a, vld1q_s8(row[i] + c));
            }
        }
        int32_t dots[4];
        vst1q_s32(dots, reduce4(sum));
        for (size_t i = 0; i < 4 && j + i < n; i++) {
            s[j + i] = (float)dots[i] * (qscale * k.scale[at[i]]);
        }
    }
}

TI_ASIMD_FN void qk_i8(float *s, const int8_t *q, float qscale, ti_kv_view k, size_t n,
                       size_t d)
{
    scores_i8(s, q, qscale, k, NULL, n, d, false);
}

TI_ASIMD_FN void qk_list_i8(float *s, const int8_t *q, float qscale, ti_kv_view k,
                            const uint32_t *rows, size_t n, size_t d)
{
    scores_i8(s, q, qscale, k, rows, n, d, true);
}

#endif
