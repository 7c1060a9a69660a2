/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec/dense.h - products with rows of float32, halves or bfloat16 (template: kern/vec.h).
 *
 * A sum has one order, so that only several sums at once can hide how long an addition takes:
 * four rows by one input, or two rows by two inputs. */
#ifndef TI_KERN_VEC_DENSE_H
#define TI_KERN_VEC_DENSE_H

#include "kern/vec/base.h"

TI_VEC_INLINE ti_vf weights(const void *row, size_t c, const ti_layout layout)
{
    if (layout == TI_L_F32) {
        return load((const float *)row + c);
    }
    const uint16_t *p = (const uint16_t *)row + c;
    if (layout == TI_L_F16) {
        return half_load(p);
    }
    ti_vh bits;
    memcpy(&bits, p, sizeof bits);
    return (ti_vf)(__builtin_convertvector(bits, ti_vu) << 16);
}

/* y[i * ldy + r] for `rows` rows and m inputs. */
TI_VEC_INLINE void dense_block(float *y, size_t ldy, const ti_mat *w, const float *f,
                               size_t stride, size_t r, const ti_layout layout, const int rows,
                               const int m)
{
    size_t row_bytes = (size_t)w->kp * (layout == TI_L_F32 ? 4 : 2);
    const char *data = (const char *)w->data + r * row_bytes;
    ti_vf sum[4][PARTS];
    TI_UNROLL
    for (int s = 0; s < rows * m * PARTS; s++) {
        sum[s / PARTS][s % PARTS] = all_lanes(0.0f);
    }
    for (size_t c = 0; c < w->kp; c += TI_LANES) {
        TI_UNROLL
        for (int p = 0; p < PARTS; p++) {
            size_t at = c + (size_t)p * WIDTH;
            TI_UNROLL
            for (int v = 0; v < rows; v++) {
                const void *row = data + (size_t)v * row_bytes;
                ti_vf a = weights(row, at, layout);
                TI_UNROLL
                for (int i = 0; i < m; i++) {
                    ti_vf *s = &sum[v * m + i][p];
                    *s = *s + a * load(f + (size_t)i * stride + at);
                }
            }
        }
    }
    TI_UNROLL
    for (int s = 0; s < rows * m; s++) {
        y[(size_t)(s % m) * ldy + r + (size_t)(s / m)] = tree(sum[s]);
    }
}

TI_VEC_INLINE void dense(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                         size_t r1, const ti_layout layout)
{
    size_t i = 0, r;
    for (; i + 2 <= x->m; i += 2) {
        for (r = r0; r + 2 <= r1; r += 2) {
            dense_block(y + i * ldy, ldy, w, x->f + i * x->stride, x->stride, r, layout, 2, 2);
        }
        if (r < r1) {
            dense_block(y + i * ldy, ldy, w, x->f + i * x->stride, x->stride, r, layout, 1, 2);
        }
    }
    if (i < x->m) {
        for (r = r0; r + 4 <= r1; r += 4) {
            dense_block(y + i * ldy, ldy, w, x->f + i * x->stride, x->stride, r, layout, 4, 1);
        }
        for (; r < r1; r++) {
            dense_block(y + i * ldy, ldy, w, x->f + i * x->stride, x->stride, r, layout, 1, 1);
        }
    }
}

TI_VEC_FN void TI_VEC_NAME(matmul_f32)(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                       size_t r0, size_t r1, void *scratch)
{
    (void)scratch;
    dense(y, ldy, w, x, r0, r1, TI_L_F32);
}

TI_VEC_FN void TI_VEC_NAME(matmul_f16)(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                       size_t r0, size_t r1, void *scratch)
{
    (void)scratch;
    dense(y, ldy, w, x, r0, r1, TI_L_F16);
}

TI_VEC_FN void TI_VEC_NAME(matmul_bf16)(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                        size_t r0, size_t r1, void *scratch)
{
    (void)scratch;
    dense(y, ldy, w, x, r0, r1, TI_L_BF16);
}

#endif
