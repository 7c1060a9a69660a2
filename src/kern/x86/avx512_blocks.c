/* SPDX-License-Identifier: Apache-2.0 */
/* Products with block-scaled weights, AVX-512 VNNI.  A lane is a row of the 16-row panel: eight
 * registers hold the codes of 32 columns, each is multiplied with four broadcast activations,
 * and the integer sum is scaled once a block.  Codes are decoded once for up to eight vectors.
 *
 * Integer ranges of a block: 32 * 255 * 127 = 1,036,320 for G8; K6: two halves of
 * 16 * 63 * 127 + 32 * 16 * 127 times a scale of at most 128, below 2^26. */
#if defined(__x86_64__)
#include "kern/x86/avx512.h"

#include <immintrin.h>
#include <string.h>

#include "kern/pack.h"

enum { MAX_M = 8 };

/* 32 columns of 16 rows, decoded. */
typedef struct block {
    __m512i code[8]; /* [column / 4], unsigned bytes */
    __m512 scale;    /* of each row */
    __m512 minimum;  /* G4M: m; K4: dmin * mn */
    __m512i part[2]; /* K6: integer scales of the two halves */
} block;

TI_AVX512_INLINE __m512i load(const void *p)
{
    return _mm512_loadu_si512(p);
}

TI_AVX512_INLINE __m512 halves(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

TI_AVX512_INLINE __m512i bytes_u(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

TI_AVX512_INLINE __m512i bytes_s(const uint8_t *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

TI_AVX512_INLINE void nibbles(__m512i code[8], const uint8_t *p)
{
    const __m512i mask = _mm512_set1_epi8(15);
    TI_UNROLL
    for (int g = 0; g < 4; g++) {
        __m512i n = load(p + 64 * g);
        code[g] = _mm512_and_si512(n, mask);
        code[g + 4] = _mm512_and_si512(_mm512_srli_epi16(n, 4), mask);
    }
}

TI_AVX512_INLINE void pairs(__m512i code[8], const uint8_t *p)
{
    const __m512i mask = _mm512_set1_epi8(3);
    TI_UNROLL
    for (int g = 0; g < 2; g++) {
        __m512i n = load(p + 64 * g);
        code[g] = _mm512_and_si512(n, mask);
        code[g + 2] = _mm512_and_si512(_mm512_srli_epi16(n, 2), mask);
        code[g + 4] = _mm512_and_si512(_mm512_srli_epi16(n, 4), mask);
        code[g + 6] = _mm512_and_si512(_mm512_srli_epi16(n, 6), mask);
    }
}

/* Low nibble of `low` with bits 4 and 5 of `high`; the two above are cleared. */
TI_AVX512_INLINE __m512i join(__m512i low, __m512i high)
{
    enum { SELECT_A_WHERE_C = 0xe4 }; /* (c & a) | (~c & b) */
    __m512i both = _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi8(15), SELECT_A_WHERE_C);
    return _mm512_and_si512(both, _mm512_set1_epi8(63));
}

TI_AVX512_INLINE void six_bits(__m512i code[8], const uint8_t *nibble, const uint8_t *pair)
{
    __m512i high[8];
    TI_UNROLL
    for (int g = 0; g < 2; g++) {
        __m512i n = load(pair + 64 * g);
        high[g] = _mm512_slli_epi16(n, 4);
        high[g + 2] = _mm512_slli_epi16(n, 2);
        high[g + 4] = n;
        high[g + 6] = _mm512_srli_epi16(n, 2);
    }
    TI_UNROLL
    for (int g = 0; g < 4; g++) {
        __m512i n = load(nibble + 64 * g);
        code[g] = join(n, high[g]);
        code[g + 4] = join(_mm512_srli_epi16(n, 4), high[g + 4]);
    }
}

/* Bytes of 32 columns of a panel; those of the K layouts share the head of their 256. */
TI_AVX512_INLINE size_t block_bytes(const ti_layout layout)
{
    switch (layout) {
    case TI_L_G8:
        return TI_G8_BYTES;
    case TI_L_G4:
        return TI_G4_BYTES;
    case TI_L_G4M:
        return TI_G4M_BYTES;
    case TI_L_G2:
        return TI_G2_BYTES / 2;
    case TI_L_K4:
        return TI_K4_BYTES / 8;
    default:
        return TI_K6_BYTES / 8;
    }
}

/* Every line of the block that comes TI_PREFETCH_BYTES later: one that is left out costs as
 * much as all the others (Zen 4, two threads: 23 GB/s where 35 are to be had). */
TI_AVX512_INLINE void prefetch_block(const uint8_t *p, const ti_layout layout)
{
    TI_UNROLL
    for (size_t at = 0; at < block_bytes(layout); at += 64) {
        TI_PREFETCH(p + at);
    }
}

TI_AVX512_INLINE void decode(block *b, const uint8_t *panel, size_t i, const ti_layout layout)
{
    const uint8_t *p, *sub;
    switch (layout) {
    case TI_L_G8:
        p = panel + i * TI_G8_BYTES;
        b->scale = halves(p);
        TI_UNROLL
        for (int g = 0; g < 8; g++) {
            b->code[g] = load(p + 32 + 64 * g);
        }
        break;
    case TI_L_G4:
        p = panel + i * TI_G4_BYTES;
        b->scale = halves(p);
        nibbles(b->code, p + 32);
        break;
    case TI_L_G4M:
        p = panel + i * TI_G4M_BYTES;
        b->scale = halves(p);
        b->minimum = halves(p + 32);
        nibbles(b->code, p + 64);
        break;
    case TI_L_G2:
        p = panel + i / 2 * TI_G2_BYTES;
        b->scale = halves(p);
        pairs(b->code, p + 32 + i % 2 * 128);
        break;
    case TI_L_K4:
        p = panel + i / 8 * TI_K4_BYTES;
        sub = p + 64 + i % 8 * 288;
        b->scale = _mm512_mul_ps(halves(p), _mm512_cvtepi32_ps(bytes_u(sub)));
        b->minimum = _mm512_mul_ps(halves(p + 32), _mm512_cvtepi32_ps(bytes_u(sub + 16)));
        nibbles(b->code, sub + 32);
        break;
    default: /* K6 */
        p = panel + i / 8 * TI_K6_BYTES;
        sub = p + 32 + i % 8 * 416;
        b->scale = halves(p);
        b->part[0] = bytes_s(sub);
        b->part[1] = bytes_s(sub + 16);
        six_bits(b->code, sub + 32, sub + 288);
    }
}

TI_AVX512_INLINE __m512i dot4(__m512i sum, const block *b, const int8_t *q, const int g0)
{
    TI_UNROLL
    for (int g = g0; g < g0 + 4; g++) {
        int32_t four;
        memcpy(&four, q + 4 * g, sizeof four);
        sum = _mm512_dpbusd_epi32(sum, b->code[g], _mm512_set1_epi32(four));
    }
    return sum;
}

/* sum + this block's part, as kern.h defines it. */
TI_AVX512_INLINE __m512 accumulate(__m512 sum, const block *b, const int8_t *q,
                                   const int32_t half_sum[2], float x_scale,
                                   const ti_layout layout)
{
    const int offset = layout == TI_L_G8   ? 128
                       : layout == TI_L_G4 ? 8
                       : layout == TI_L_G2 ? 1
                                           : 0;
    const __m512 xs = _mm512_set1_ps(x_scale);
    __m512 scaled = _mm512_mul_ps(b->scale, xs);
    if (layout == TI_L_K6) {
        __m512i i0 = dot4(_mm512_set1_epi32(-32 * half_sum[0]), b, q, 0);
        __m512i i1 = dot4(_mm512_set1_epi32(-32 * half_sum[1]), b, q, 4);
        __m512i dot = _mm512_add_epi32(_mm512_mullo_epi32(i0, b->part[0]),
                                       _mm512_mullo_epi32(i1, b->part[1]));
        return _mm512_add_ps(sum, _mm512_mul_ps(scaled, _mm512_cvtepi32_ps(dot)));
    }
    int32_t total = half_sum[0] + half_sum[1];
    __m512i low = dot4(_mm512_set1_epi32(-offset * total), b, q, 0);
    __m512i high = dot4(_mm512_setzero_si512(), b, q, 4);
    __m512 dot = _mm512_cvtepi32_ps(_mm512_add_epi32(low, high));
    sum = _mm512_add_ps(sum, _mm512_mul_ps(scaled, dot));
    if (layout == TI_L_G4M || layout == TI_L_K4) {
        __m512 shift = _mm512_mul_ps(b->minimum, _mm512_set1_ps(x_scale * (float)total));
        sum = layout == TI_L_G4M ? _mm512_add_ps(sum, shift) : _mm512_sub_ps(sum, shift);
    }
    return sum;
}

/* Sixteen rows, m vectors from vector i on. */
TI_AVX512_INLINE void panel_product(float *y, size_t ldy, const uint8_t *panel, size_t n_blocks,
                                    const ti_act *x, size_t i, __mmask16 mask, const int m,
                                    const ti_layout layout)
{
    __m512 sum[MAX_M];
    TI_UNROLL
    for (int j = 0; j < m; j++) {
        sum[j] = _mm512_setzero_ps();
    }
    const int8_t *q = x->q + i * x->stride;
    const float *scale = x->block_scale + i * (x->stride / 32);
    const int32_t *half_sum = x->half_sum + i * (x->stride / 16);
    for (size_t b = 0; b < n_blocks; b++) {
        block w;
        prefetch_block(panel + b * block_bytes(layout), layout);
        decode(&w, panel, b, layout);
        TI_UNROLL
        for (int j = 0; j < m; j++) {
            size_t row = (size_t)j * x->stride;
            sum[j] = accumulate(sum[j], &w, q + row + b * 32, half_sum + row / 16 + b * 2,
                                scale[row / 32 + b], layout);
        }
    }
    TI_UNROLL
    for (int j = 0; j < m; j++) {
        _mm512_mask_storeu_ps(y + (i + (size_t)j) * ldy, mask, sum[j]);
    }
}

TI_AVX512_INLINE void matmul_blocks(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                    size_t r0, size_t r1, const ti_layout layout)
{
    size_t n_blocks = w->kp / 32;
    size_t panel_bytes = w->bytes / (((size_t)w->rows + 15) / 16);
    for (size_t r = r0; r < r1; r += 16) {
        const uint8_t *panel = (const uint8_t *)w->data + r / 16 * panel_bytes;
        __mmask16 mask = r1 - r >= 16 ? 0xffff : (__mmask16)((1u << (r1 - r)) - 1);
        size_t i = 0;
        for (; i + MAX_M <= x->m; i += MAX_M) {
            panel_product(y + r, ldy, panel, n_blocks, x, i, mask, MAX_M, layout);
        }
        for (; i + 2 <= x->m; i += 2) {
            panel_product(y + r, ldy, panel, n_blocks, x, i, mask, 2, layout);
        }
        if (i < x->m) {
            panel_product(y + r, ldy, panel, n_blocks, x, i, mask, 1, layout);
        }
    }
}

#define MATMUL_BLOCKS(name, layout)                                                           \
    TI_AVX512 static void matmul_##name(float *y, size_t ldy, const ti_mat *w,                \
                                        const ti_act *x, size_t r0, size_t r1, void *scratch) \
    {                                                                                         \
        (void)scratch;                                                                        \
        matmul_blocks(y, ldy, w, x, r0, r1, layout);                                          \
    }
MATMUL_BLOCKS(g2, TI_L_G2)
MATMUL_BLOCKS(g4, TI_L_G4)
MATMUL_BLOCKS(g4m, TI_L_G4M)
MATMUL_BLOCKS(g8, TI_L_G8)
MATMUL_BLOCKS(k4, TI_L_K4)
MATMUL_BLOCKS(k6, TI_L_K6)

void ti_avx512_init_blocks(ti_kern *k)
{
    k->matmul[TI_L_G2] = matmul_g2;
    k->matmul[TI_L_G4] = matmul_g4;
    k->matmul[TI_L_G4M] = matmul_g4m;
    k->matmul[TI_L_G8] = matmul_g8;
    k->matmul[TI_L_K4] = matmul_k4;
    k->matmul[TI_L_K6] = matmul_k6;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
