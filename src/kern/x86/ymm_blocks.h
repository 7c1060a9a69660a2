/* SPDX-License-Identifier: Apache-2.0 */
/* kern/x86/ymm_blocks.h - products with block-scaled layouts (template: kern/x86/ymm.h).
 *
 * Sixteen rows of a panel are two registers whose lanes are rows; four columns of a vector are
 * repeated in all lanes.  Up to BLOCK_M vectors share the decoding.
 *
 * What int16 lanes hold (one addition is at most 2 * code * 127):
 *   G2, codes to 3     8 additions of    762 =  6096
 *   G4, G4M, K4, to 15 8 additions of   3810 = 30480
 *   K6, to 63          2 additions of  16002 = 32004
 *   G8                 weights are taken as -128..127, their magnitude times the vector with
 *                      the weight's sign: one product, 2 * 128 * 127 = 32512
 * In int32: K6 sums 16 products of at most 32 * 127 and multiplies by a scale of at most 128:
 * 2 * 16 * 32 * 127 * 128 = 16.6 million; the others sum 32 products of at most 255 * 127. */
#ifndef TI_KERN_X86_YMM_BLOCKS_H
#define TI_KERN_X86_YMM_BLOCKS_H

#include "kern/x86/ymm.h"

enum { BLOCK_M = 4 };

/* Dot products of a block: sixteen rows in two registers, for each input. */
typedef struct block_dots {
    __m256i sum[BLOCK_M][2];
} block_dots;

/* The inputs' columns of one block, and what the formulas need of them. */
typedef struct block_input {
    const int8_t *q;         /* + i * stride */
    const int32_t *half_sum; /* + i * (stride / 16) */
    const float *scale;      /* + i * (stride / 32) */
    size_t stride;
} block_input;

/* --- dot products ------------------------------------------------------------------------- */

TI_YMM_INLINE void dots_zero(block_dots *d, const int m)
{
    TI_UNROLL
    for (int i = 0; i < 2 * m; i++) {
        d->sum[i / 2][i % 2] = _mm256_setzero_si256();
    }
}

/* Adds four columns: c is the first of them in the block. */
TI_YMM_INLINE void dots_add(block_dots *d, __m256i rows0, __m256i rows8, const block_input *x,
                            size_t c, const int m)
{
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        __m256i q = repeat4(x->q + (size_t)i * x->stride + c);
        d->sum[i][0] = dot_add(d->sum[i][0], rows0, q);
        d->sum[i][1] = dot_add(d->sum[i][1], rows8, q);
    }
}

TI_YMM_INLINE void dots_widen(block_dots *d, const int m)
{
    TI_UNROLL
    for (int i = 0; i < 2 * m; i++) {
        d->sum[i / 2][i % 2] = dot_widen(d->sum[i / 2][i % 2]);
    }
}

/* Nibbles [4 g][16 r][4]. */
TI_YMM_INLINE void dots_nibbles(block_dots *d, const uint8_t *p, const block_input *x,
                                const int m)
{
    const __m256i mask = _mm256_set1_epi8(15);
    dots_zero(d, m);
    TI_UNROLL
    for (size_t g = 0; g < 4; g++) {
        __m256i rows0 = load32(p + g * 64), rows8 = load32(p + g * 64 + 32);
        dots_add(d, _mm256_and_si256(rows0, mask), _mm256_and_si256(rows8, mask), x, g * 4, m);
        rows0 = _mm256_and_si256(_mm256_srli_epi16(rows0, 4), mask);
        rows8 = _mm256_and_si256(_mm256_srli_epi16(rows8, 4), mask);
        dots_add(d, rows0, rows8, x, 16 + g * 4, m);
    }
    dots_widen(d, m);
}

/* Pairs [2 g][16 r][4]. */
TI_YMM_INLINE void dots_pairs(block_dots *d, const uint8_t *p, const block_input *x,
                              const int m)
{
    const __m256i mask = _mm256_set1_epi8(3);
    dots_zero(d, m);
    TI_UNROLL
    for (size_t g = 0; g < 2; g++) {
        __m256i rows0 = load32(p + g * 64), rows8 = load32(p + g * 64 + 32);
        TI_UNROLL
        for (size_t j = 0; j < 4; j++) {
            dots_add(d, _mm256_and_si256(rows0, mask), _mm256_and_si256(rows8, mask), x,
                     (g + 2 * j) * 4, m);
            rows0 = _mm256_srli_epi16(rows0, 2);
            rows8 = _mm256_srli_epi16(rows8, 2);
        }
    }
    dots_widen(d, m);
}

/* Bytes [8 g][16 r][4]. */
TI_YMM_INLINE void dots_bytes(block_dots *d, const uint8_t *p, const block_input *x,
                              const int m)
{
    dots_zero(d, m);
    TI_UNROLL
    for (size_t g = 0; g < 8; g++) {
        __m256i rows0 = load32(p + g * 64), rows8 = load32(p + g * 64 + 32);
#ifdef TI_YMM_DOT
        dots_add(d, rows0, rows8, x, g * 4, m);
#else
        const __m256i sign = _mm256_set1_epi8((char)0x80), ones = _mm256_set1_epi16(1);
        rows0 = _mm256_xor_si256(rows0, sign);
        rows8 = _mm256_xor_si256(rows8, sign);
        __m256i size0 = _mm256_abs_epi8(rows0), size8 = _mm256_abs_epi8(rows8);
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            __m256i q = repeat4(x->q + (size_t)i * x->stride + g * 4);
            __m256i p0 = _mm256_maddubs_epi16(size0, _mm256_sign_epi8(q, rows0));
            __m256i p8 = _mm256_maddubs_epi16(size8, _mm256_sign_epi8(q, rows8));
            d->sum[i][0] = _mm256_add_epi32(d->sum[i][0], _mm256_madd_epi16(p0, ones));
            d->sum[i][1] = _mm256_add_epi32(d->sum[i][1], _mm256_madd_epi16(p8, ones));
        }
#endif
    }
}

/* Six-bit codes of four columns, those of group g (0..7) of the block, for eight rows. */
TI_YMM_INLINE __m256i six_bits(const uint8_t *p, size_t g)
{
    __m256i low = load32(p + g % 4 * 64), high = load32(p + 256 + g % 2 * 64);
    low = g < 4 ? low : _mm256_srli_epi16(low, 4);
    high = g < 2   ? _mm256_slli_epi16(high, 4)
           : g < 4 ? _mm256_slli_epi16(high, 2)
           : g < 6 ? high
                   : _mm256_srli_epi16(high, 2);
    return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)),
                           _mm256_and_si256(high, _mm256_set1_epi8(0x30)));
}

/* A sub-block of K6: scales [2][16], codes. */
TI_YMM_INLINE void dots_k6(block_dots *d, const uint8_t *sub, const block_input *x, const int m)
{
    dots_zero(d, m);
    TI_UNROLL
    for (size_t half = 0; half < 2; half++) {
        block_dots sums, part;
        dots_zero(&sums, m);
        TI_UNROLL
        for (size_t g = half * 4; g < half * 4 + 4; g += 2) {
            dots_zero(&part, m);
            dots_add(&part, six_bits(sub + 32, g), six_bits(sub + 64, g), x, g * 4, m);
            dots_add(&part, six_bits(sub + 32, g + 1), six_bits(sub + 64, g + 1), x, g * 4 + 4,
                     m);
            dots_widen(&part, m);
            TI_UNROLL
            for (int i = 0; i < 2 * m; i++) {
                sums.sum[i / 2][i % 2] =
                    _mm256_add_epi32(sums.sum[i / 2][i % 2], part.sum[i / 2][i % 2]);
            }
        }
        TI_UNROLL
        for (int i = 0; i < 2 * m; i++) {
            __m128i bytes =
                _mm_loadl_epi64((const void *)(sub + half * 16 + (size_t)(i % 2) * 8));
            int32_t bias = 32 * x->half_sum[(size_t)(i / 2) * (x->stride / 16) + half];
            __m256i s = _mm256_sub_epi32(sums.sum[i / 2][i % 2], _mm256_set1_epi32(bias));
            s = _mm256_mullo_epi32(s, _mm256_cvtepi8_epi32(bytes));
            d->sum[i / 2][i % 2] = _mm256_add_epi32(d->sum[i / 2][i % 2], s);
        }
    }
}

/* --- formulas ----------------------------------------------------------------------------- */

/* Eight halves. */
TI_YMM_INLINE __m256 halves8(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}

/* Eight bytes as numbers. */
TI_YMM_INLINE __m256 bytes8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)));
}

/* What is subtracted from a code, times the sum of q, where it is not done by then. */
TI_YMM_INLINE int32_t code_bias(const ti_layout layout)
{
    switch (layout) {
    case TI_L_G2:
        return 1;
    case TI_L_G4:
        return 8;
    case TI_L_G8:
#ifdef TI_YMM_DOT
        return 128;
#endif
    default:
        return 0;
    }
}

/* Adds a block to the sums of eight rows: acc[i][h], of which h says which eight. */
TI_YMM_INLINE void add_block(__m256 acc[BLOCK_M][2], const block_dots *d, const uint8_t *unit,
                             const uint8_t *sub, const block_input *x, const ti_layout layout,
                             const int m)
{
    TI_UNROLL
    for (size_t h = 0; h < 2; h++) {
        __m256 scale = halves8(unit + h * 16), minimum = scale;
        if (layout == TI_L_G4M) {
            minimum = halves8(unit + 32 + h * 16);
        } else if (layout == TI_L_K4) {
            scale = _mm256_mul_ps(scale, bytes8(sub + h * 8));
            minimum = _mm256_mul_ps(halves8(unit + 32 + h * 16), bytes8(sub + 16 + h * 8));
        }
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            const int32_t *half_sum = x->half_sum + (size_t)i * (x->stride / 16);
            int32_t sum = half_sum[0] + half_sum[1];
            float xs = x->scale[(size_t)i * (x->stride / 32)];
            __m256i dot = d->sum[i][h];
            if (code_bias(layout) != 0) {
                dot = _mm256_sub_epi32(dot, _mm256_set1_epi32(code_bias(layout) * sum));
            }
            __m256 term = _mm256_mul_ps(_mm256_mul_ps(scale, _mm256_set1_ps(xs)),
                                        _mm256_cvtepi32_ps(dot));
            acc[i][h] = _mm256_add_ps(acc[i][h], term);
            if (layout == TI_L_G4M || layout == TI_L_K4) {
                term = _mm256_mul_ps(minimum, _mm256_set1_ps(xs * (float)sum));
                acc[i][h] = layout == TI_L_G4M ? _mm256_add_ps(acc[i][h], term)
                                               : _mm256_sub_ps(acc[i][h], term);
            }
        }
    }
}

/* --- products ----------------------------------------------------------------------------- */

/* One panel by m inputs from the i-th on. */
TI_YMM_INLINE void panel_product(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                 const uint8_t *panel, size_t i0, size_t rows,
                                 const ti_layout layout, const int m)
{
    block_input in = {.q = x->q + i0 * x->stride,
                      .half_sum = x->half_sum + i0 * (x->stride / 16),
                      .scale = x->block_scale + i0 * (x->stride / 32),
                      .stride = x->stride};
    __m256 acc[BLOCK_M][2];
    TI_UNROLL
    for (int i = 0; i < 2 * m; i++) {
        acc[i / 2][i % 2] = _mm256_setzero_ps();
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
        float *out = y + (i0 + (size_t)i) * ldy;
        store_some(out, acc[i][0], rows);
        if (rows > 8) {
            store_some(out + 8, acc[i][1], rows - 8);
        }
    }
}

TI_YMM_INLINE void matmul_blocks(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                 size_t r0, size_t r1, const ti_layout layout)
{
    size_t panel_bytes = w->bytes / ((w->rows + TI_PANEL - 1) / TI_PANEL);
    for (size_t r = r0; r < r1; r += TI_PANEL) {
        const uint8_t *panel = (const uint8_t *)w->data + r / TI_PANEL * panel_bytes;
        size_t rows = r1 - r < TI_PANEL ? r1 - r : TI_PANEL, i = 0;
        for (; i + 4 <= x->m; i += 4) {
            panel_product(y + r, ldy, w, x, panel, i, rows, layout, 4);
        }
        if (i + 2 <= x->m) {
            panel_product(y + r, ldy, w, x, panel, i, rows, layout, 2);
            i += 2;
        }
        if (i < x->m) {
            panel_product(y + r, ldy, w, x, panel, i, rows, layout, 1);
        }
    }
}

#define TI_YMM_BLOCKS(name, layout)                                                      \
    TI_YMM_FN void matmul_##name(float *y, size_t ldy, const ti_mat *w, const ti_act *x, \
                                 size_t r0, size_t r1, void *scratch)                    \
    {                                                                                    \
        (void)scratch;                                                                   \
        matmul_blocks(y, ldy, w, x, r0, r1, layout);                                     \
    }
TI_YMM_BLOCKS(g2, TI_L_G2)
TI_YMM_BLOCKS(g4, TI_L_G4)
TI_YMM_BLOCKS(g4m, TI_L_G4M)
TI_YMM_BLOCKS(g8, TI_L_G8)
TI_YMM_BLOCKS(k4, TI_L_K4)
TI_YMM_BLOCKS(k6, TI_L_K6)

#endif
