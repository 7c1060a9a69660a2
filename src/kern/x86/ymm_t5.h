/* SPDX-License-Identifier: Apache-2.0 */
/* kern/x86/ymm_t5.h - products with the layout T5 (template: kern/x86/ymm.h).
 *
 * A byte of five bits is looked up in two tables of sixteen, which give the codes of the three
 * rows in one byte: t0 at bits 0, t1 at 2, t2 at 4.
 *
 * In a tile (kern/x86/ymm_ternary.h) a lane is a panel.  Three tiles make 48 rows: lane l of
 * tile j is row 3 * l + j.
 *
 * In int16: t1 is left four times as large, so that an addition is at most 2032, and 16 fit. */
#ifndef TI_KERN_X86_YMM_T5_H
#define TI_KERN_X86_YMM_T5_H

#include "kern/x86/ymm_ternary.h"

enum {
    T5_ROWS = 48,         /* rows of three tiles */
    T5_AHEAD = 8,         /* panels that prefetching is ahead */
    T5_DIRECT_MAX = 2,    /* inputs that are multiplied while a panel is decoded */
    T5_TILE_MIN = 5,      /* inputs from which unpacking to tiles pays */
    T5_TILE_COLUMNS = 512 /* unpacked together: three tiles of 8 KB */
};

typedef struct t5_tables {
    __m256i low, high; /* of codes 0..15 and 16..26 */
} t5_tables;

TI_YMM_INLINE t5_tables t5_make_tables(void)
{
#define T5_CODES(five) ((five) % 3 | (five) / 3 % 3 << 2 | (five) / 9 << 4)
#define T5_CODES_4(five) \
    T5_CODES(five), T5_CODES((five) + 1), T5_CODES((five) + 2), T5_CODES((five) + 3)
    const __m128i low =
        _mm_setr_epi8(T5_CODES_4(0), T5_CODES_4(4), T5_CODES_4(8), T5_CODES_4(12));
    const __m128i high =
        _mm_setr_epi8(T5_CODES_4(16), T5_CODES_4(20), T5_CODES_4(24), 0, 0, 0, 0);
    return (t5_tables){_mm256_broadcastsi128_si256(low), _mm256_broadcastsi128_si256(high)};
}

/* The three codes of each byte.  The highest bit of a byte of `fifth` says which table. */
TI_YMM_INLINE __m256i t5_lookup(const t5_tables *t, __m256i nibbles, __m256i fifth)
{
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(t->low, nibbles),
                              _mm256_shuffle_epi8(t->high, nibbles), fifth);
}

/* 0xff in byte i of 32 where bit i is set. */
TI_YMM_INLINE __m256i t5_spread(const uint8_t *bits)
{
    const __m256i bytes =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i b = _mm256_shuffle_epi8(repeat4((const int8_t *)bits), bytes);
    return _mm256_cmpeq_epi8(_mm256_and_si256(b, bit), bit);
}

/* --- few vectors -------------------------------------------------------------------------- */

typedef struct t5_sums {
    __m256i acc[T5_DIRECT_MAX][3];
} t5_sums;

/* Adds 32 columns of a panel. */
TI_YMM_INLINE void t5_step(t5_sums *s, const t5_tables *t, __m256i nibbles, const uint8_t *bits,
                           const int8_t *q, size_t stride, const int m)
{
    const __m256i one = _mm256_set1_epi8(3), four = _mm256_set1_epi8(12);
    __m256i codes =
        t5_lookup(t, _mm256_and_si256(nibbles, _mm256_set1_epi8(15)), t5_spread(bits));
    __m256i row0 = _mm256_and_si256(codes, one), row1 = _mm256_and_si256(codes, four);
    __m256i row2 = _mm256_and_si256(_mm256_srli_epi16(codes, 4), one);
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        __m256i a = load32(q + (size_t)i * stride);
        s->acc[i][0] = dot_add(s->acc[i][0], row0, a);
        s->acc[i][1] = dot_add(s->acc[i][1], row1, a);
        s->acc[i][2] = dot_add(s->acc[i][2], row2, a);
    }
}

/* dots[i * T5_ROWS + j] for the three rows of a panel and m inputs. */
TI_YMM_INLINE void t5_panel(int32_t *dots, const uint8_t *panel, size_t kp, const int8_t *q,
                            size_t stride, const int m)
{
    const t5_tables t = t5_make_tables();
    const uint8_t *ahead = panel + T5_AHEAD * ti_t5_panel_bytes(kp);
#ifdef TI_YMM_DOT
    const size_t most = kp;
#else
    const size_t most = 512; /* 16 additions of 32 columns */
#endif
    __m256i total[T5_DIRECT_MAX][4];
    TI_UNROLL
    for (int i = 0; i < 4 * m; i++) {
        total[i / 4][i % 4] = _mm256_setzero_si256();
    }
    for (size_t c = 0; c < kp;) {
        size_t end = kp - c < most ? kp : c + most;
        t5_sums s;
        TI_UNROLL
        for (int i = 0; i < 3 * m; i++) {
            s.acc[i / 3][i % 3] = _mm256_setzero_si256();
        }
        for (; c < end; c += 128) {
            _mm_prefetch((const void *)(ahead + c / 2), _MM_HINT_T1);
            _mm_prefetch((const void *)(ahead + kp / 2 + c / 8), _MM_HINT_T1);
            TI_UNROLL
            for (size_t h = 0; h < 64; h += 32) {
                const uint8_t *bits = panel + kp / 2 + (c + h) / 8;
                __m256i n = load32(panel + c / 2 + h), high = _mm256_srli_epi16(n, 4);
                t5_step(&s, &t, n, bits, q + c + h, stride, m);
                t5_step(&s, &t, high, bits + 8, q + c + 64 + h, stride, m);
            }
            TI_UNROLL
            for (int i = 0; i < 3 * m; i++) {
                TI_YMM_KEEP(s.acc[i / 3][i % 3]);
            }
        }
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            __m256i *sum = total[i], zero = _mm256_setzero_si256();
            sum[0] = _mm256_add_epi32(sum[0], dot_widen(s.acc[i][0]));
            sum[1] = _mm256_add_epi32(sum[1], dot_widen_1_4(zero, s.acc[i][1]));
            sum[2] = _mm256_add_epi32(sum[2], dot_widen(s.acc[i][2]));
        }
    }
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        int32_t sums[4];
        _mm_storeu_si128((void *)sums, reduce4(total[i]));
        memcpy(dots + i * T5_ROWS, sums, 3 * sizeof *sums);
    }
}

/* Forty-eight rows, or as many as there are. */
TI_YMM_INLINE void t5_group(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t i,
                            size_t r, size_t n, const int m)
{
    int32_t dots[T5_DIRECT_MAX * T5_ROWS];
    size_t panel_bytes = ti_t5_panel_bytes(w->kp);
    const uint8_t *panel = (const uint8_t *)w->data + r / 3 * panel_bytes;
    for (size_t j = 0; j < n; j += 3, panel += panel_bytes) {
        t5_panel(dots + j, panel, w->kp, x->q + i * x->stride, x->stride, m);
    }
    for (size_t j = 0; j < (size_t)m; j++) {
        finish(y + (i + j) * ldy, dots + j * T5_ROWS, w, x, i + j, r, n);
    }
}

TI_YMM_FN void t5_direct(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                         size_t r1)
{
    for (size_t r = r0; r < r1; r += T5_ROWS) {
        size_t n = r1 - r < T5_ROWS ? r1 - r : T5_ROWS, i = 0;
        for (; i + 2 <= x->m; i += 2) {
            t5_group(y, ldy, w, x, i, r, n, 2);
        }
        if (i < x->m) {
            t5_group(y, ldy, w, x, i, r, n, 1);
        }
    }
}

/* --- many vectors ------------------------------------------------------------------------- */

/* Four columns of eight panels: the bits at 4 * g % 32 of each lane, spread to its bytes. */
TI_YMM_INLINE __m256i t5_spread4(__m256i words, size_t g)
{
    const __m256i bit = _mm256_set1_epi32(g % 2 ? (int)0x80402010 : 0x08040201);
    const __m256i lanes = _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12,
                                           0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    __m256i b =
        _mm256_shuffle_epi8(words, _mm256_add_epi8(lanes, _mm256_set1_epi8((char)(g / 2))));
    return _mm256_cmpeq_epi8(_mm256_and_si256(b, bit), bit);
}

/* Writes four columns of eight panels to the three tiles. */
TI_YMM_INLINE void t5_store(uint8_t *out, const t5_tables *t, __m256i nibbles, __m256i fifth)
{
    const __m256i three = _mm256_set1_epi8(3);
    __m256i codes = t5_lookup(t, _mm256_and_si256(nibbles, _mm256_set1_epi8(15)), fifth);
    for (int j = 0; j < 3; j++) {
        _mm256_store_si256((void *)(out + j * T5_TILE_COLUMNS * 16),
                           _mm256_and_si256(codes, three));
        codes = _mm256_srli_epi16(codes, 2);
    }
}

/* Unpacks columns c .. c + columns of sixteen panels to three tiles. */
TI_YMM_FN void t5_unpack(uint8_t *tiles, const uint8_t *panels, size_t kp, size_t c,
                         size_t columns)
{
    const t5_tables t = t5_make_tables();
    size_t panel_bytes = ti_t5_panel_bytes(kp);
    for (size_t b = 0; b < columns; b += 128) {
        for (size_t lanes = 0; lanes < 2; lanes++) {
            const uint8_t *p = panels + lanes * 8 * panel_bytes;
            uint8_t *out = tiles + b * 16 + lanes * 32;
            __m256i bits[4], n[4];
            transpose8x4(bits, p + kp / 2 + (c + b) / 8, panel_bytes);
            for (size_t g = 0; g < 16; g++) { /* groups of four columns, and those 64 further */
                if (g % 4 == 0) {
                    transpose8x4(n, p + (c + b) / 2 + g * 4, panel_bytes);
                }
                t5_store(out + g * 64, &t, n[g % 4], t5_spread4(bits[g / 8], g % 8));
                t5_store(out + (g + 16) * 64, &t, _mm256_srli_epi16(n[g % 4], 4),
                         t5_spread4(bits[2 + g / 8], g % 8));
            }
        }
    }
}

TI_YMM_FN void t5_tiled(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                        size_t r1, void *scratch)
{
    uint8_t *tiles = scratch;
    int32_t *dots = (int32_t *)(void *)(tiles + 3 * T5_TILE_COLUMNS * 16);
    size_t panel_bytes = ti_t5_panel_bytes(w->kp), dots_tile = x->m * 16;
    for (size_t r = r0; r < r1; r += T5_ROWS) {
        const uint8_t *panels = (const uint8_t *)w->data + r / 3 * panel_bytes;
        size_t n = r1 - r < T5_ROWS ? r1 - r : T5_ROWS;
        memset(dots, 0, 3 * dots_tile * sizeof *dots);
        for (size_t c = 0; c < w->kp; c += T5_TILE_COLUMNS) {
            size_t columns = w->kp - c < T5_TILE_COLUMNS ? w->kp - c : T5_TILE_COLUMNS;
            t5_unpack(tiles, panels, w->kp, c, columns);
            for (size_t j = 0; j < 3; j++) {
                tile_products(dots + j * dots_tile, tiles + j * T5_TILE_COLUMNS * 16, x, c,
                              columns);
            }
        }
        for (size_t i = 0; i < x->m; i++) {
            int32_t rows[T5_ROWS];
            for (size_t j = 0; j < T5_ROWS; j++) {
                rows[j] = dots[j % 3 * dots_tile + i * 16 + j / 3];
            }
            finish(y + i * ldy, rows, w, x, i, r, n);
        }
    }
}

TI_YMM_FN void matmul_t5(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                         size_t r1, void *scratch)
{
    if (x->m < T5_TILE_MIN) {
        t5_direct(y, ldy, w, x, r0, r1);
    } else {
        t5_tiled(y, ldy, w, x, r0, r1, scratch);
    }
}

#endif
