/* SPDX-License-Identifier: Apache-2.0 */
/* kern/arm/asimd_blocks.h - products with block-scaled layouts (template: kern/arm/asimd.h).
 *
 * Sixteen rows of a panel are four registers of four rows x four columns; four columns of a
 * vector are repeated for all rows.
 *
 * What int16 lanes hold, where there is no dot product (one column of one row each):
 *   G2, codes to 3     8 additions of   3 * 127 =  3048
 *   G4, G4M, K4, to 15 8 additions of  15 * 127 = 15240
 *   K6, to 63          4 additions of  63 * 127 = 32004
 *   G8, -128..127      2 additions of 128 * 127 = 32512
 * In int32: K6 sums 16 products of at most 32 * 127 and multiplies by a scale of at most 128:
 * 2 * 16 * 32 * 127 * 128 = 16.6 million; the others sum 32 products of at most 128 * 127. */
#ifndef TI_KERN_ARM_ASIMD_BLOCKS_H
#define TI_KERN_ARM_ASIMD_BLOCKS_H

#include "kern/arm/asimd.h"

enum { BLOCK_M = 2 };

/* Sums of sixteen rows; lanes are rows, or columns of rows before they are widened. */
#ifdef TI_ASIMD_DOT
typedef struct row_sums {
    int32x4_t s[4];
} row_sums;
#else
typedef struct row_sums {
    int16x8_t s[8]; /* two rows in each */
} row_sums;
#endif

/* Sums of a block for each input, four rows to a register. */
typedef struct block_dots {
    int32x4_t sum[BLOCK_M][4];
} block_dots;

/* The inputs' columns of one block, and what the formulas need of them. */
typedef struct block_input {
    const int8_t *q;         /* + i * stride */
    const int32_t *half_sum; /* + i * (stride / 16) */
    const float *scale;      /* + i * (stride / 32) */
    size_t stride;
} block_input;

/* --- dot products ------------------------------------------------------------------------- */

TI_ASIMD_INLINE void rows_zero(row_sums *r)
{
    TI_UNROLL
    for (size_t j = 0; j < sizeof r->s / sizeof r->s[0]; j++) {
#ifdef TI_ASIMD_DOT
        r->s[j] = vdupq_n_s32(0);
#else
        r->s[j] = vdupq_n_s16(0);
#endif
    }
}

/* Adds four columns, which begin at q; w: sixteen rows of them. */
TI_ASIMD_INLINE void rows_add(row_sums *r, const int8x16_t w[4], const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, sizeof four);
    int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(four));
    TI_UNROLL
    for (int j = 0; j < 4; j++) {
#ifdef TI_ASIMD_DOT
        r->s[j] = TI_ASIMD_DOT(r->s[j], w[j], a);
#else
        r->s[2 * j] = vmlal_s8(r->s[2 * j], vget_low_s8(w[j]), vget_low_s8(a));
        r->s[2 * j + 1] = vmlal_high_s8(r->s[2 * j + 1], w[j], a);
#endif
    }
}

/* out += the sums. */
TI_ASIMD_INLINE void rows_widen(int32x4_t out[4], const row_sums *r)
{
    TI_UNROLL
    for (int j = 0; j < 4; j++) {
#ifdef TI_ASIMD_DOT
        out[j] = vaddq_s32(out[j], r->s[j]);
#else
        out[j] = vaddq_s32(out[j],
                           vpaddq_s32(vpaddlq_s16(r->s[2 * j]), vpaddlq_s16(r->s[2 * j + 1])));
#endif
    }
}

TI_ASIMD_INLINE void dots_zero(block_dots *d, const int m)
{
    TI_UNROLL
    for (int i = 0; i < 4 * m; i++) {
        d->sum[i / 4][i % 4] = vdupq_n_s32(0);
    }
}

/* Nibbles [4 g][16 r][4]. */
TI_ASIMD_INLINE void dots_nibbles(block_dots *d, const uint8_t *p, const block_input *x,
                                  const int m)
{
    row_sums rows[BLOCK_M];
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        rows_zero(&rows[i]);
    }
    TI_UNROLL
    for (size_t g = 0; g < 4; g++) {
        int8x16_t low[4], high[4];
        TI_UNROLL
        for (size_t j = 0; j < 4; j++) {
            uint8x16_t bytes = vld1q_u8(p + g * 64 + j * 16);
            low[j] = vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
            high[j] = vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
        }
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            const int8_t *q = x->q + (size_t)i * x->stride + g * 4;
            rows_add(&rows[i], low, q);
            rows_add(&rows[i], high, q + 16);
        }
    }
    dots_zero(d, m);
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        rows_widen(d->sum[i], &rows[i]);
    }
}

/* Pairs [2 g][16 r][4]. */
TI_ASIMD_INLINE void dots_pairs(block_dots *d, const uint8_t *p, const block_input *x,
                                const int m)
{
    row_sums rows[BLOCK_M];
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        rows_zero(&rows[i]);
    }
    TI_UNROLL
    for (size_t g = 0; g < 2; g++) {
        uint8x16_t bytes[4];
        TI_UNROLL
        for (size_t j = 0; j < 4; j++) {
            bytes[j] = vld1q_u8(p + g * 64 + j * 16);
        }
        TI_UNROLL
        for (size_t b = 0; b < 4; b++) {
            int8x16_t w[4];
            TI_UNROLL
            for (size_t j = 0; j < 4; j++) {
                w[j] = vreinterpretq_s8_u8(vandq_u8(bytes[j], vdupq_n_u8(3)));
                bytes[j] = vshrq_n_u8(bytes[j], 2);
            }
            TI_UNROLL
            for (int i = 0; i < m; i++) {
                rows_add(&rows[i], w, x->q + (size_t)i * x->stride + (g + 2 * b) * 4);
            }
        }
    }
    dots_zero(d, m);
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        rows_widen(d->sum[i], &rows[i]);
    }
}

/* Bytes [8 g][16 r][4], biased by 128: with the highest bit turned they are int8. */
TI_ASIMD_INLINE void dots_bytes(block_dots *d, const uint8_t *p, const block_input *x,
                                const int m)
{
    dots_zero(d, m);
    TI_UNROLL
    for (size_t g = 0; g < 8; g += 2) {
        int8x16_t w[2][4];
        TI_UNROLL
        for (size_t j = 0; j < 8; j++) {
            uint8x16_t bytes = veorq_u8(vld1q_u8(p + g * 64 + j * 16), vdupq_n_u8(0x80));
            w[j / 4][j % 4] = vreinterpretq_s8_u8(bytes);
        }
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            const int8_t *q = x->q + (size_t)i * x->stride + g * 4;
            row_sums rows;
            rows_zero(&rows);
            rows_add(&rows, w[0], q);
            rows_add(&rows, w[1], q + 4);
            rows_widen(d->sum[i], &rows);
        }
    }
}

/* Six-bit codes of sixteen rows, four columns: group g (0..7) of the block. */
TI_ASIMD_INLINE void six_bits(int8x16_t w[4], const uint8_t *p, size_t g)
{
    TI_UNROLL
    for (size_t j = 0; j < 4; j++) {
        uint8x16_t low = vld1q_u8(p + g % 4 * 64 + j * 16);
        uint8x16_t high = vld1q_u8(p + 256 + g % 2 * 64 + j * 16);
        low = g < 4 ? vandq_u8(low, vdupq_n_u8(15)) : vshrq_n_u8(low, 4);
        high = g < 2   ? vshlq_n_u8(high, 4)
               : g < 4 ? vshlq_n_u8(high, 2)
               : g < 6 ? high
                       : vshrq_n_u8(high, 2);
        w[j] = vreinterpretq_s8_u8(vorrq_u8(low, vandq_u8(high, vdupq_n_u8(0x30))));
    }
}

/* Four of sixteen int8 as int32. */
TI_ASIMD_INLINE int32x4_t scales4(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    int8x8_t bytes = vreinterpret_s8_s32(vdup_n_s32(four));
    return vmovl_s16(vget_low_s16(vmovl_s8(bytes)));
}

/* A sub-block of K6: scales [2][16], codes. */
TI_ASIMD_INLINE void dots_k6(block_dots *d, const uint8_t *sub, const block_input *x,
                             const int m)
{
    dots_zero(d, m);
    TI_UNROLL
    for (size_t half = 0; half < 2; half++) {
        row_sums rows[BLOCK_M];
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            rows_zero(&rows[i]);
        }
        TI_UNROLL
        for (size_t g = half * 4; g < half * 4 + 4; g++) {
            int8x16_t w[4];
            six_bits(w, sub + 32, g);
            TI_UNROLL
            for (int i = 0; i < m; i++) {
                rows_add(&rows[i], w, x->q + (size_t)i * x->stride + g * 4);
            }
        }
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            int32_t bias = -32 * x->half_sum[(size_t)i * (x->stride / 16) + half];
            int32x4_t sum[4];
            TI_UNROLL
            for (int j = 0; j < 4; j++) {
                sum[j] = vdupq_n_s32(bias);
            }
            rows_widen(sum, &rows[i]);
            TI_UNROLL
            for (int j = 0; j < 4; j++) {
                int32x4_t scale = scales4(sub + half * 16 + (size_t)j * 4);
                d->sum[i][j] = vmlaq_s32(d->sum[i][j], sum[j], scale);
            }
        }
    }
}

/* --- formulas ----------------------------------------------------------------------------- */

/* Four halves. */
TI_ASIMD_INLINE float32x4_t halves4(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

/* Four bytes as numbers. */
TI_ASIMD_INLINE float32x4_t bytes4(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(four));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}

/* What is subtracted from a code, times the sum of q, where it is not done by then. */
TI_ASIMD_INLINE int32_t code_bias(const ti_layout layout)
{
    return layout == TI_L_G2 ? 1 : layout == TI_L_G4 ? 8 : 0;
}

/* Adds a block to the sums of sixteen rows. */
TI_ASIMD_INLINE void add_block(float32x4_t acc[BLOCK_M][4], const block_dots *d,
                               const uint8_t *unit, const uint8_t *sub, const block_input *x,
                               const ti_layout layout, const int m)
{
    TI_UNROLL
    for (size_t j = 0; j < 4; j++) {
        float32x4_t scale = halves4(unit + j * 8), minimum = scale;
        if (layout == TI_L_G4M) {
            minimum = halves4(unit + 32 + j * 8);
        } else if (layout == TI_L_K4) {
            scale = vmulq_f32(scale, bytes4(sub + j * 4));
            minimum = vmulq_f32(halves4(unit + 32 + j * 8), bytes4(sub + 16 + j * 4));
        }
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            const int32_t *half_sum = x->half_sum + (size_t)i * (x->stride / 16);
            int32_t sum = half_sum[0] + half_sum[1];
            float xs = x->scale[(size_t)i * (x->stride / 32)];
            int32x4_t dot = vsubq_s32(d->sum[i][j], vdupq_n_s32(code_bias(layout) * sum));
            float32x4_t term = vmulq_f32(vmulq_f32(scale, vdupq_n_f32(xs)), vcvtq_f32_s32(dot));
            acc[i][j] = vaddq_f32(acc[i][j], term);
            if (layout == TI_L_G4M || layout == TI_L_K4) {
                term = vmulq_f32(minimum, vdupq_n_f32(xs * (float)sum));
                acc[i][j] = layout == TI_L_G4M ? vaddq_f32(acc[i][j], term)
                                               : vsubq_f32(acc[i][j], term);
            }
        }
    }
}

/* --- products ----------------------------------------------------------------------------- */

/* One panel by m inputs from the i-th on. */
TI_ASIMD_INLINE void panel_product(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                   const uint8_t *panel, size_t i0, size_t rows,
                                   const ti_layout layout, const int m)
{
    block_input in = {.q = x->q + i0 * x->stride,
                      .half_sum = x->half_sum + i0 * (x->stride / 16),
                      .scale = x->block_scale + i0 * (x->stride / 32),
                      .stride = x->stride};
    float32x4_t acc[BLOCK_M][4];
    TI_UNROLL
    for (int i = 0; i < 4 * m; i++) {
        acc[i / 4][i % 4] = vdupq_n_f32(0.0f);
    }
    for (size_t b = 0; b < w->kp / TI_BLOCK; b++) {
        const uint8_t *unit = panel, *sub = panel;
        block_dots d;
        switch (layout) {
        case TI_L_G2:
            unit = panel + b / 2 * TI_G2_BYTES;
            dots_pairs(&d, unit + 32 + b % 2 * 128, &in, m);
            break;
        case TI_L_G4:
            unit = panel + b * TI_G4_BYTES;
            dots_nibbles(&d, unit + 32, &in, m);
            break;
        case TI_L_G4M:
            unit = panel + b * TI_G4M_BYTES;
            dots_nibbles(&d, unit + 64, &in, m);
            break;
        case TI_L_G8:
            unit = panel + b * TI_G8_BYTES;
            dots_bytes(&d, unit + 32, &in, m);
            break;
        case TI_L_K4:
            unit = panel + b / 8 * TI_K4_BYTES;
            sub = unit + 64 + b % 8 * 288;
            dots_nibbles(&d, sub + 32, &in, m);
            break;
        default:
            unit = panel + b / 8 * TI_K6_BYTES;
            sub = unit + 32 + b % 8 * 416;
            dots_k6(&d, sub, &in, m);
            break;
        }
        add_block(acc, &d, unit, sub, &in, layout, m);
        in.q += TI_BLOCK;
        in.half_sum += 2;
        in.scale++;
    }
    for (int i = 0; i < m; i++) {
        float all[TI_PANEL];
        for (int j = 0; j < 4; j++) {
            vst1q_f32(all + 4 * j, acc[i][j]);
        }
        memcpy(y + (i0 + (size_t)i) * ldy, all, rows * sizeof *all);
    }
}

TI_ASIMD_INLINE void matmul_blocks(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                   size_t r0, size_t r1, const ti_layout layout)
{
    size_t panel_bytes = w->bytes / ((w->rows + TI_PANEL - 1) / TI_PANEL);
    for (size_t r = r0; r < r1; r += TI_PANEL) {
        const uint8_t *panel = (const uint8_t *)w->data + r / TI_PANEL * panel_bytes;
        size_t rows = r1 - r < TI_PANEL ? r1 - r : TI_PANEL, i = 0;
        for (; i + 2 <= x->m; i += 2) {
            panel_product(y + r, ldy, w, x, panel, i, rows, layout, 2);
        }
        if (i < x->m) {
            panel_product(y + r, ldy, w, x, panel, i, rows, layout, 1);
        }
    }
}

#define TI_ASIMD_BLOCKS(name, layout)                                                      \
    TI_ASIMD_FN void matmul_##name(float *y, size_t ldy, const ti_mat *w, const ti_act *x, \
                                   size_t r0, size_t r1, void *scratch)                    \
    {                                                                                      \
        (void)scratch;                                                                     \
        matmul_blocks(y, ldy, w, x, r0, r1, layout);                                       \
    }
TI_ASIMD_BLOCKS(g2, TI_L_G2)
TI_ASIMD_BLOCKS(g4, TI_L_G4)
TI_ASIMD_BLOCKS(g4m, TI_L_G4M)
TI_ASIMD_BLOCKS(g8, TI_L_G8)
TI_ASIMD_BLOCKS(k4, TI_L_K4)
TI_ASIMD_BLOCKS(k6, TI_L_K6)

#endif
