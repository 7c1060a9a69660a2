/* SPDX-License-Identifier: Apache-2.0 */
/* kern/x86/ymm_ternary.h - ternary products with 256-bit registers (template: kern/x86/ymm.h).
 *
 * Few input vectors (generation): codes are decoded in registers and multiplied at once, with
 * the columns in the lanes.  Many (prompts): tiles of sixteen rows are unpacked to bytes in the
 * order [column / 4][row][4], so that a lane is a row and nothing is reduced, and a block of
 * 16 rows x TILE_M inputs stays in registers.
 *
 * All sums are of code * q with codes 0..2, and the sum of q is subtracted at the end.  In
 * int32 they are exact for 2^31 / (2 * 127) = 8.4 million columns.  In int16 one addition is at
 * most 508, four times that where codes were not shifted down: 64 additions of codes     64 *
 * 508 = 32512 < 32768 16 additions of 4 * codes 16 * 2032 = 32512, divided by 4 before it is
 * added to as many of codes: 16 * 508 + 8128 = 16256 */
#ifndef TI_KERN_X86_YMM_TERNARY_H
#define TI_KERN_X86_YMM_TERNARY_H

#include "kern/x86/ymm.h"

#ifdef TI_YMM_DOT
enum { TILE_M = 6 };
#else
enum { TILE_M = 4 };
#endif

enum {
    AHEAD = 16,          /* rows that prefetching is ahead */
    DIRECT_MAX = 4,      /* inputs that are multiplied while rows are decoded */
    TILE_MIN = 13,       /* inputs from which unpacking to tiles pays */
    TILE_COLUMNS = 1024, /* unpacked together: 16 KB, half of a first-level cache */
    SUM_COLUMNS = 256    /* 64 steps of four: what int16 lanes hold */
};

/* y = (float)(dots - sum of q) * (scales * scale of q) for eight rows from r. */
TI_YMM_INLINE void finish8(float *y, const int32_t *dots, const ti_mat *w, const ti_act *x,
                           size_t i, size_t r)
{
    __m256 scale =
        _mm256_mul_ps(_mm256_loadu_ps(w->scales + r), _mm256_set1_ps(x->row_scale[i]));
    __m256i dot = _mm256_sub_epi32(load32(dots), _mm256_set1_epi32(x->row_sum[i]));
    _mm256_storeu_ps(y + r, _mm256_mul_ps(_mm256_cvtepi32_ps(dot), scale));
}

/* The same for any number of rows. */
TI_YMM_INLINE void finish(float *y, const int32_t *dots, const ti_mat *w, const ti_act *x,
                          size_t i, size_t r, size_t n)
{
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        finish8(y, dots + j, w, x, i, r + j);
    }
    for (; j < n; j++) {
        y[r + j] = (float)(dots[j] - x->row_sum[i]) * (w->scales[r + j] * x->row_scale[i]);
    }
}

/* --- T2, few vectors ---------------------------------------------------------------------- */

/* The codes of 128 columns: of the columns that are at bits 0, 2, 4, 6 of the 32 bytes; the
 * second and the fourth are left four times as large. */
TI_YMM_INLINE void t2_decode(__m256i codes[4], __m256i bytes)
{
    const __m256i one = _mm256_set1_epi8(3), four = _mm256_set1_epi8(12);
    __m256i upper = _mm256_srli_epi16(bytes, 4);
    codes[0] = _mm256_and_si256(bytes, one);
    codes[1] = _mm256_and_si256(bytes, four);
    codes[2] = _mm256_and_si256(upper, one);
    codes[3] = _mm256_and_si256(upper, four);
}

/* Sums of `rows` rows by m inputs, rows * m <= 4: lane row * m + input.  `ahead` are the rows
 * that will be wanted soon: the CPU's own prefetching does not follow four rows at a time well
 * (Zen 4, from memory: 6 GB/s without these prefetches into the second level, 24 with them, 9
 * when they go to the first level, which has too few miss buffers). */
TI_YMM_INLINE __m128i t2_sums(const uint8_t *const row[4], const uint8_t *const ahead[4],
                              size_t row_bytes, const int8_t *q, size_t stride, const int rows,
                              const int m)
{
#ifdef TI_YMM_DOT
    const size_t most = row_bytes;
#else
    const size_t most = 256; /* 16 additions of 4 * codes */
#endif
    __m256i total[4];
    TI_UNROLL
    for (int v = 0; v < 4; v++) {
        total[v] = _mm256_setzero_si256();
    }
    for (size_t at = 0; at < row_bytes;) {
        size_t end = row_bytes - at < most ? row_bytes : at + most;
        __m256i one[4], four[4];
        TI_UNROLL
        for (int v = 0; v < rows * m; v++) {
            one[v] = four[v] = _mm256_setzero_si256();
        }
        for (; at < end; at += 32) {
            const int8_t *a = q + at / 64 * 256 + at % 64;
            TI_UNROLL
            for (int v = 0; v < rows; v++) {
                __m256i codes[4];
                t2_decode(codes, load32(row[v] + at));
                _mm_prefetch((const void *)(ahead[v] + at), _MM_HINT_T1);
                TI_UNROLL
                for (int i = 0; i < m; i++) {
                    const int8_t *b = a + (size_t)i * stride;
                    int s = v * m + i;
                    one[s] = dot_add(one[s], codes[0], load32(b));
                    four[s] = dot_add(four[s], codes[1], load32(b + 64));
                    one[s] = dot_add(one[s], codes[2], load32(b + 128));
                    four[s] = dot_add(four[s], codes[3], load32(b + 192));
                }
            }
            TI_UNROLL
            for (int v = 0; v < rows * m; v++) {
                TI_YMM_KEEP(one[v]);
                TI_YMM_KEEP(four[v]);
            }
        }
        TI_UNROLL
        for (int v = 0; v < rows * m; v++) {
            total[v] = _mm256_add_epi32(total[v], dot_widen_1_4(one[v], four[v]));
        }
    }
    return reduce4(total);
}

/* dots[i * 16 + r] for sixteen rows and m inputs, m <= DIRECT_MAX. */
TI_YMM_INLINE void t2_tile(int32_t *dots, const uint8_t *data, size_t row_bytes,
                           const int8_t *q, size_t stride, const int m)
{
    const int rows = m == 1 ? 4 : m == 2 ? 2 : 1;
    for (int r = 0; r < 16; r += rows) {
        const uint8_t *row[4], *ahead[4];
        int32_t sums[4];
        for (int v = 0; v < rows; v++) {
            row[v] = data + (size_t)(r + v) * row_bytes;
            ahead[v] = row[v] + AHEAD * row_bytes;
        }
        _mm_storeu_si128((void *)sums, t2_sums(row, ahead, row_bytes, q, stride, rows, m));
        for (int v = 0; v < rows; v++) {
            for (int i = 0; i < m; i++) {
                dots[i * 16 + r + v] = sums[v * m + i];
            }
        }
    }
}

TI_YMM_FN void t2_direct(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                         size_t r1)
{
    size_t row_bytes = ti_t2_row_bytes(w->kp);
    for (size_t r = r0; r < r1; r += 16) {
        const uint8_t *data = (const uint8_t *)w->data + r * row_bytes;
        for (size_t i = 0; i < x->m; i += DIRECT_MAX) {
            const int8_t *q = x->q + i * x->stride;
            size_t m = x->m - i < DIRECT_MAX ? x->m - i : DIRECT_MAX;
            int32_t dots[DIRECT_MAX * 16];
            switch (m) {
            case 1:
                t2_tile(dots, data, row_bytes, q, x->stride, 1);
                break;
            case 2:
                t2_tile(dots, data, row_bytes, q, x->stride, 2);
                break;
            case 3:
                t2_tile(dots, data, row_bytes, q, x->stride, 3);
                break;
            default:
                t2_tile(dots, data, row_bytes, q, x->stride, 4);
                break;
            }
            for (size_t j = 0; j < m; j++) {
                finish(y + (i + j) * ldy, dots + j * 16, w, x, i + j, r,
                       r1 - r < 16 ? r1 - r : 16);
            }
        }
    }
}

TI_YMM_FN void t2_rows(float *y, const ti_mat *w, const ti_act *x, const uint32_t *rows,
                       size_t n)
{
    size_t row_bytes = ti_t2_row_bytes(w->kp);
    for (size_t j = 0; j < n; j += 4) {
        const uint8_t *row[4], *ahead[4];
        int32_t dots[4];
        for (size_t v = 0; v < 4; v++) {
            size_t now = j + v < n ? j + v : n - 1, soon = j + v + 8 < n ? j + v + 8 : n - 1;
            row[v] = (const uint8_t *)w->data + rows[now] * row_bytes;
            ahead[v] = (const uint8_t *)w->data + rows[soon] * row_bytes;
        }
        _mm_storeu_si128((void *)dots, t2_sums(row, ahead, row_bytes, x->q, 0, 4, 1));
        for (size_t v = 0; v < 4 && j + v < n; v++) {
            finish(y, dots + v, w, x, 0, rows[j + v], 1);
        }
    }
}

/* --- many vectors ------------------------------------------------------------------------- */

/* dots[i * 16 + r] += products of a tile with m inputs, m <= TILE_M. */
TI_YMM_INLINE void tile_product(int32_t *dots, const uint8_t *tile, const int8_t *q,
                                size_t stride, size_t columns, const int m)
{
    const uint8_t *end = tile + columns * 16;
    while (tile < end) {
        const uint8_t *stop = end - tile < SUM_COLUMNS * 16 ? end : tile + SUM_COLUMNS * 16;
        __m256i acc[TILE_M][2];
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            acc[i][0] = acc[i][1] = _mm256_setzero_si256();
        }
        do {
            __m256i rows0 = load32(tile), rows8 = load32(tile + 32);
            TI_UNROLL
            for (int i = 0; i < m; i++) {
                __m256i four = repeat4(q + (size_t)i * stride);
                acc[i][0] = dot_add(acc[i][0], rows0, four);
                acc[i][1] = dot_add(acc[i][1], rows8, four);
            }
            TI_UNROLL
            for (int i = 0; i < m; i++) {
                TI_YMM_KEEP(acc[i][0]);
                TI_YMM_KEEP(acc[i][1]);
            }
            tile += 64;
            q += 4;
        } while (tile != stop);
        TI_UNROLL
        for (int i = 0; i < 2 * m; i++) {
            __m256i sum = dot_widen(acc[i / 2][i % 2]);
            _mm256_storeu_si256((void *)(dots + i * 8),
                                _mm256_add_epi32(sum, load32(dots + i * 8)));
        }
    }
}

/* All inputs of x with one tile. */
TI_YMM_FN void tile_products(int32_t *dots, const uint8_t *tile, const ti_act *x, size_t c0,
                             size_t columns)
{
    size_t i = 0;
    for (; i + TILE_M <= x->m; i += TILE_M) {
        tile_product(dots + i * 16, tile, x->q + i * x->stride + c0, x->stride, columns,
                     TILE_M);
    }
    const int8_t *q = x->q + i * x->stride + c0;
    dots += i * 16;
    switch (x->m - i) {
    case 1:
        tile_product(dots, tile, q, x->stride, columns, 1);
        break;
    case 2:
        tile_product(dots, tile, q, x->stride, columns, 2);
        break;
    case 3:
        tile_product(dots, tile, q, x->stride, columns, 3);
        break;
#ifdef TI_YMM_DOT
    case 4:
        tile_product(dots, tile, q, x->stride, columns, 4);
        break;
    case 5:
        tile_product(dots, tile, q, x->stride, columns, 5);
        break;
#endif
    default:
        break;
    }
}

/* Unpacks `columns` columns of sixteen rows; `data` is where the first column is. */
TI_YMM_FN void t2_unpack(uint8_t *tile, const uint8_t *data, size_t row_bytes, size_t columns)
{
    const __m256i mask = _mm256_set1_epi8(3);
    for (size_t at = 0; at < columns / 4; at += 16) {
        uint8_t *out = tile + at / 64 * (256 * 16) + at % 64 * 16;
        for (size_t r = at % 64 / 4; r < at % 64 / 4 + 4; r++) {
            _mm_prefetch((const void *)(data + at / 64 * 64 + (AHEAD + r) * row_bytes),
                         _MM_HINT_T1);
        }
        for (size_t g = 0; g < 2; g++, out += 32) {
            __m256i v[4];
            transpose8x4(v, data + at + g * 8 * row_bytes, row_bytes);
            for (size_t d = 0; d < 4; d++) {
                uint8_t *o = out + d * 64;
                _mm256_store_si256((void *)o, _mm256_and_si256(v[d], mask));
                _mm256_store_si256((void *)(o + 64 * 16),
                                   _mm256_and_si256(_mm256_srli_epi16(v[d], 2), mask));
                _mm256_store_si256((void *)(o + 128 * 16),
                                   _mm256_and_si256(_mm256_srli_epi16(v[d], 4), mask));
                _mm256_store_si256((void *)(o + 192 * 16),
                                   _mm256_and_si256(_mm256_srli_epi16(v[d], 6), mask));
            }
        }
    }
}

TI_YMM_FN void t2_tiled(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                        size_t r1, void *scratch)
{
    uint8_t *tile = scratch;
    int32_t *dots = (int32_t *)(void *)(tile + TILE_COLUMNS * 16);
    size_t row_bytes = ti_t2_row_bytes(w->kp);
    for (size_t r = r0; r < r1; r += 16) {
        const uint8_t *data = (const uint8_t *)w->data + r * row_bytes;
        memset(dots, 0, x->m * 16 * sizeof *dots);
        for (size_t c = 0; c < w->kp; c += TILE_COLUMNS) {
            size_t columns = w->kp - c < TILE_COLUMNS ? w->kp - c : TILE_COLUMNS;
            t2_unpack(tile, data + c / 4, row_bytes, columns);
            tile_products(dots, tile, x, c, columns);
        }
        for (size_t i = 0; i < x->m; i++) {
            finish(y + i * ldy, dots + i * 16, w, x, i, r, r1 - r < 16 ? r1 - r : 16);
        }
    }
}

TI_YMM_FN void matmul_t2(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                         size_t r1, void *scratch)
{
    if (x->m < TILE_MIN) {
        t2_direct(y, ldy, w, x, r0, r1);
    } else {
        t2_tiled(y, ldy, w, x, r0, r1, scratch);
    }
}

#endif
