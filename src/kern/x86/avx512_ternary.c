/* SPDX-License-Identifier: Apache-2.0 */
/* Ternary products with AVX-512 VNNI.
 *
 * Few input vectors (generation): codes are decoded in registers and multiplied at once; the
 * loop is bound by memory.  Sums of 16 rows are reduced together by a transpose.
 * Many input vectors (prompts): 48 rows are unpacked once to bytes in the order that the dot
 * product wants - a register holds four columns of sixteen rows, so that a lane is a row and
 * nothing is reduced - and a 48 x 8 block of results stays in 24 registers.
 *
 * Sums are of code * q with codes 0..2, minus the sum of q: exact in int32 for any k below
 * 2^31 / (128 * 127 * 4) * 256 columns, 8 million. */
#if defined(__x86_64__)
#include "kern/x86/avx512.h"

#include <immintrin.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "kern/pack.h"

enum { GROUP = 48, TILES = GROUP / 16, T5_VECTORS = 2, BLOCK_M = 8 };

/* Up to how many vectors weights are decoded for each few of them: unpacking comes to pay. */
enum { T5_DIRECT_MAX = 12, T2_DIRECT_MAX = 4 };

TI_AVX512_INLINE __m512i load(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* out[l] = sum of the lanes of a[l]. */
TI_AVX512_INLINE __m512i reduce16(const __m512i *a)
{
    __m512i b[8], c[4];
    TI_UNROLL
    for (int i = 0; i < 8; i++) {
        b[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]),
                                _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]));
    }
    TI_UNROLL
    for (int i = 0; i < 4; i++) {
        c[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(b[2 * i], b[2 * i + 1]),
                                _mm512_unpackhi_epi64(b[2 * i], b[2 * i + 1]));
    }
    __m512i d0 = _mm512_add_epi32(_mm512_shuffle_i32x4(c[0], c[1], 0x88),
                                  _mm512_shuffle_i32x4(c[0], c[1], 0xdd));
    __m512i d1 = _mm512_add_epi32(_mm512_shuffle_i32x4(c[2], c[3], 0x88),
                                  _mm512_shuffle_i32x4(c[2], c[3], 0xdd));
    return _mm512_add_epi32(_mm512_shuffle_i32x4(d0, d1, 0x88),
                            _mm512_shuffle_i32x4(d0, d1, 0xdd));
}

/* Scales sixteen integer sums and stores those of rows below `limit`. */
TI_AVX512_INLINE void finish16(float *y, __m512i dot, const ti_mat *w, const ti_act *x,
                               size_t i, size_t r, size_t limit)
{
    __mmask16 mask = limit - r >= 16 ? 0xffff : (__mmask16)((1u << (limit - r)) - 1);
    __m512 sums = _mm512_cvtepi32_ps(_mm512_sub_epi32(dot, _mm512_set1_epi32(x->row_sum[i])));
    __m512 scale = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, w->scales + r),
                                 _mm512_set1_ps(x->row_scale[i]));
    _mm512_mask_storeu_ps(y + r, mask, _mm512_mul_ps(sums, scale));
}

/* --- T5, few vectors ---------------------------------------------------------------------- */

/* Digit j of every five-bit code, for vpermb (index taken modulo 64). */
TI_AVX512_INLINE void t5_tables(__m512i table[3])
{
    uint8_t digit[3][64];
    for (int i = 0; i < 64; i++) {
        int code = i % 32;
        digit[0][i] = (uint8_t)(code % 3);
        digit[1][i] = (uint8_t)(code / 3 % 3);
        digit[2][i] = (uint8_t)(code / 9);
    }
    for (int j = 0; j < 3; j++) {
        table[j] = load(digit[j]);
    }
}

/* The codes of 128 columns of a panel: `low` for the first 64, `high` for the others. */
TI_AVX512_INLINE void t5_index(__m512i *low, __m512i *high, const uint8_t *panel, size_t kp,
                               size_t block)
{
    const __m512i nibble = _mm512_set1_epi8(15), sixteen = _mm512_set1_epi8(16);
    uint64_t bits[2];
    memcpy(bits, panel + kp / 2 + block * 16, sizeof bits);
    __m512i n = load(panel + block * 64);
    *low = _mm512_and_si512(n, nibble);
    *high = _mm512_and_si512(_mm512_srli_epi16(n, 4), nibble);
    *low = _mm512_mask_add_epi8(*low, bits[0], *low, sixteen);
    *high = _mm512_mask_add_epi8(*high, bits[1], *high, sixteen);
}

/* sums[i * sums_stride + row] for one panel of three rows and m vectors from `first` on. */
TI_AVX512_INLINE void t5_panel(__m512i *sums, size_t sums_stride, const uint8_t *panel,
                               size_t kp, const ti_act *x, size_t first, const __m512i table[3],
                               const int m)
{
    __m512i even[3][T5_VECTORS], odd[3][T5_VECTORS];
    TI_UNROLL
    for (int j = 0; j < 3; j++) {
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            even[j][i] = odd[j][i] = _mm512_setzero_si512();
        }
    }
    for (size_t block = 0; block < kp / 128; block++) {
        __m512i low, high;
        TI_PREFETCH(panel + block * 64);
        if (block % 4 == 0) {
            TI_PREFETCH(panel + kp / 2 + block * 16);
        }
        t5_index(&low, &high, panel, kp, block);
        TI_UNROLL
        for (int j = 0; j < 3; j++) {
            __m512i a = _mm512_permutexvar_epi8(low, table[j]);
            __m512i b = _mm512_permutexvar_epi8(high, table[j]);
            TI_UNROLL
            for (int i = 0; i < m; i++) {
                const int8_t *q = x->q + (first + (size_t)i) * x->stride + block * 128;
                even[j][i] = _mm512_dpbusd_epi32(even[j][i], a, load(q));
                odd[j][i] = _mm512_dpbusd_epi32(odd[j][i], b, load(q + 64));
            }
        }
    }
    TI_UNROLL
    for (int j = 0; j < 3; j++) {
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            sums[(size_t)i * sums_stride + (size_t)j] = _mm512_add_epi32(even[j][i], odd[j][i]);
        }
    }
}

/* Rows [r, r1) of one group, m vectors from vector i on. */
TI_AVX512_INLINE void t5_group(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r,
                               size_t r1, size_t i, const __m512i table[3], const int m)
{
    __m512i sums[T5_VECTORS * GROUP];
    size_t panel_bytes = ti_t5_panel_bytes(w->kp);
    size_t n = r1 - r < GROUP ? ti_round_up(r1 - r, 16) : GROUP;
    const uint8_t *panel = (const uint8_t *)w->data + r / 3 * panel_bytes;
    for (size_t j = 0; j < n; j += 3, panel += panel_bytes) {
        t5_panel(sums + j, GROUP, panel, w->kp, x, i, table, m);
    }
    for (int v = 0; v < m; v++) {
        for (size_t j = 0; j < n; j += 16) {
            finish16(y + (i + (size_t)v) * ldy, reduce16(sums + (size_t)v * GROUP + j), w, x,
                     i + (size_t)v, r + j, r1);
        }
    }
}

/* Two vectors at a time, all of them for 48 rows, which stay in the first-level cache: more at
 * a time do not fit the registers (Zen 4, G MAC/s: 152 with two, 148 with three, 90 with four).
 */
TI_AVX512 static void t5_direct(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                size_t r0, size_t r1)
{
    __m512i table[3];
    t5_tables(table);
    for (size_t r = r0; r < r1; r += GROUP) {
        size_t i = 0;
        for (; i + T5_VECTORS <= x->m; i += T5_VECTORS) {
            t5_group(y, ldy, w, x, r, r1, i, table, T5_VECTORS);
        }
        if (i < x->m) {
            t5_group(y, ldy, w, x, r, r1, i, table, 1);
        }
    }
}

/* --- T2, few vectors ---------------------------------------------------------------------- */

/* `rows` rows at a time share the loads of the activations.  Codes are not shifted down: the
 * four accumulators of a row count units of 1, 4, 16 and 64, which divide out exactly. */
TI_AVX512_INLINE void t2_some(__m512i *sums, size_t sums_stride, const uint8_t *row,
                              size_t row_bytes, const ti_act *x, const int rows, const int m)
{
    const __m512i mask[4] = {_mm512_set1_epi8(3), _mm512_set1_epi8(12), _mm512_set1_epi8(48),
                             _mm512_set1_epi8((char)192)};
    __m512i acc[4][4];
    TI_UNROLL
    for (int v = 0; v < rows * m; v++) {
        TI_UNROLL
        for (int s = 0; s < 4; s++) {
            acc[v][s] = _mm512_setzero_si512();
        }
    }
    for (size_t at = 0; at < row_bytes; at += 64) {
        TI_UNROLL
        for (int v = 0; v < rows; v++) {
            const uint8_t *p = row + (size_t)v * row_bytes + at;
            __m512i n = load(p);
            TI_PREFETCH(p);
            TI_UNROLL
            for (int s = 0; s < 4; s++) {
                __m512i code = _mm512_and_si512(n, mask[s]);
                TI_UNROLL
                for (int i = 0; i < m; i++) {
                    const int8_t *q = x->q + (size_t)i * x->stride + at * 4 + (size_t)s * 64;
                    acc[v * m + i][s] = _mm512_dpbusd_epi32(acc[v * m + i][s], code, load(q));
                }
            }
        }
    }
    TI_UNROLL
    for (int v = 0; v < rows; v++) {
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            const __m512i *a = acc[v * m + i];
            __m512i low = _mm512_add_epi32(a[0], _mm512_srai_epi32(a[1], 2));
            __m512i high =
                _mm512_add_epi32(_mm512_srai_epi32(a[2], 4), _mm512_srai_epi32(a[3], 6));
            sums[(size_t)i * sums_stride + (size_t)v] = _mm512_add_epi32(low, high);
        }
    }
}

TI_AVX512_INLINE void t2_direct(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                size_t r0, size_t r1, const int m)
{
    const int step = m == 1 ? 4 : m == 2 ? 2 : 1;
    size_t row_bytes = ti_t2_row_bytes(w->kp);
    __m512i sums[T2_DIRECT_MAX * 16];
    for (size_t r = r0; r < r1; r += 16) {
        const uint8_t *row = (const uint8_t *)w->data + r * row_bytes;
        size_t j = 0, n = r1 - r < 16 ? r1 - r : 16;
        for (; j + (size_t)step <= n; j += (size_t)step) {
            t2_some(sums + j, 16, row + j * row_bytes, row_bytes, x, step, m);
        }
        for (; j < n; j++) {
            t2_some(sums + j, 16, row + j * row_bytes, row_bytes, x, 1, m);
        }
        for (; j < 16; j++) {
            for (int i = 0; i < m; i++) {
                sums[(size_t)i * 16 + j] = _mm512_setzero_si512();
            }
        }
        for (int i = 0; i < m; i++) {
            finish16(y + (size_t)i * ldy, reduce16(sums + (size_t)i * 16), w, x, (size_t)i, r,
                     r1);
        }
    }
}

/* --- unpacking ---------------------------------------------------------------------------- */

TI_AVX512_INLINE void t5_unpack_panel(uint8_t *rows, const uint8_t *panel, size_t kp, size_t c0,
                                      size_t n_cols, const __m512i table[3])
{
    for (size_t c = 0; c < n_cols; c += 128) {
        __m512i low, high;
        t5_index(&low, &high, panel, kp, (c0 + c) / 128);
        for (size_t j = 0; j < 3; j++) {
            uint8_t *out = rows + j * TI_TILE_COLUMNS + c;
            _mm512_storeu_si512(out, _mm512_permutexvar_epi8(low, table[j]));
            _mm512_storeu_si512(out + 64, _mm512_permutexvar_epi8(high, table[j]));
        }
    }
}

TI_AVX512_INLINE void t2_unpack_row(uint8_t *out, const uint8_t *row, size_t n_cols)
{
    const __m512i three = _mm512_set1_epi8(3);
    for (size_t c = 0; c < n_cols; c += 256) {
        __m512i n = load(row + c / 4);
        _mm512_storeu_si512(out + c, _mm512_and_si512(n, three));
        _mm512_storeu_si512(out + c + 64, _mm512_and_si512(_mm512_srli_epi16(n, 2), three));
        _mm512_storeu_si512(out + c + 128, _mm512_and_si512(_mm512_srli_epi16(n, 4), three));
        _mm512_storeu_si512(out + c + 192, _mm512_and_si512(_mm512_srli_epi16(n, 6), three));
    }
}

/* Transposes 16 rows of 16 dwords: out[d] has dword d of every row. */
TI_AVX512_INLINE void transpose16(uint8_t *out, const uint8_t *rows)
{
    __m512i a[16], b[16];
    TI_UNROLL
    for (int i = 0; i < 16; i++) {
        a[i] = load(rows + i * TI_TILE_COLUMNS);
    }
    TI_UNROLL
    for (int i = 0; i < 8; i++) {
        b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    }
    /* a[4q + j]: dword 4L + j of rows 4q..4q+3 in 128-bit lane L */
    TI_UNROLL
    for (int q = 0; q < 4; q++) {
        a[4 * q] = _mm512_unpacklo_epi64(b[4 * q], b[4 * q + 2]);
        a[4 * q + 1] = _mm512_unpackhi_epi64(b[4 * q], b[4 * q + 2]);
        a[4 * q + 2] = _mm512_unpacklo_epi64(b[4 * q + 1], b[4 * q + 3]);
        a[4 * q + 3] = _mm512_unpackhi_epi64(b[4 * q + 1], b[4 * q + 3]);
    }
    TI_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i p0 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
        __m512i p1 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
        __m512i p2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
        __m512i p3 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
        /* p0: lanes 0, 2 of rows 0-3 then 4-7; p1: lanes 1, 3; p2, p3: rows 8-15 */
        _mm512_storeu_si512(out + j * 64, _mm512_shuffle_i32x4(p0, p2, 0x88));
        _mm512_storeu_si512(out + (8 + j) * 64, _mm512_shuffle_i32x4(p0, p2, 0xdd));
        _mm512_storeu_si512(out + (4 + j) * 64, _mm512_shuffle_i32x4(p1, p3, 0x88));
        _mm512_storeu_si512(out + (12 + j) * 64, _mm512_shuffle_i32x4(p1, p3, 0xdd));
    }
}

TI_AVX512 void ti_avx512_unpack(uint8_t *tiles, size_t tile_stride, const ti_mat *w, size_t r0,
                                size_t n_rows, size_t c0, size_t n_cols, uint8_t *rows)
{
    if (w->layout == TI_L_T5) {
        __m512i table[3];
        t5_tables(table);
        size_t panel_bytes = ti_t5_panel_bytes(w->kp);
        const uint8_t *panel = (const uint8_t *)w->data + r0 / 3 * panel_bytes;
        for (size_t r = 0; r < n_rows; r += 3, panel += panel_bytes) {
            t5_unpack_panel(rows + r * TI_TILE_COLUMNS, panel, w->kp, c0, n_cols, table);
        }
    } else {
        size_t row_bytes = ti_t2_row_bytes(w->kp);
        for (size_t r = 0; r < n_rows; r++) {
            uint8_t *out = rows + r * TI_TILE_COLUMNS;
            if (r0 + r < w->rows) {
                t2_unpack_row(out, (const uint8_t *)w->data + (r0 + r) * row_bytes + c0 / 4,
                              n_cols);
            } else {
                memset(out, 0, n_cols);
            }
        }
    }
    for (size_t t = 0; t < n_rows / 16; t++) {
        for (size_t c = 0; c < n_cols; c += 64) {
            transpose16(tiles + t * tile_stride + c * 16, rows + t * 16 * TI_TILE_COLUMNS + c);
        }
    }
}

/* --- many vectors ------------------------------------------------------------------------- */

/* One block of columns of 48 rows: its tiles stay in the first-level cache (24 KB) while all
 * vectors pass by; sums[i][row] wait in the second-level cache for the next block. */
typedef struct column_block {
    const uint8_t *tiles; /* [TILES][n_cols / 4][16][4] */
    const int8_t *q;      /* column c0 of the first vector */
    size_t stride, n_cols;
    int32_t *sums; /* [m][GROUP] */
    bool first;
} column_block;

/* Adds the block's part to the sums of `n_tiles` tiles and m vectors from vector i on. */
TI_AVX512_INLINE void block_product(const column_block *b, size_t i, const int n_tiles,
                                    const int m)
{
    __m512i acc[TILES][BLOCK_M];
    int32_t *sums = b->sums + i * GROUP;
    TI_UNROLL
    for (int t = 0; t < n_tiles; t++) {
        TI_UNROLL
        for (int j = 0; j < m; j++) {
            acc[t][j] = b->first ? _mm512_setzero_si512() : load(sums + j * GROUP + t * 16);
        }
    }
    const int8_t *q = b->q + i * b->stride;
    for (size_t c = 0; c < b->n_cols; c += 4) {
        __m512i codes[TILES];
        TI_UNROLL
        for (int t = 0; t < n_tiles; t++) {
            codes[t] = load(b->tiles + (size_t)t * TI_TILE_COLUMNS * 16 + c * 16);
        }
        TI_UNROLL
        for (int j = 0; j < m; j++) {
            int32_t four;
            memcpy(&four, q + (size_t)j * b->stride + c, sizeof four);
            __m512i v = _mm512_set1_epi32(four);
            TI_UNROLL
            for (int t = 0; t < n_tiles; t++) {
                acc[t][j] = _mm512_dpbusd_epi32(acc[t][j], codes[t], v);
            }
        }
    }
    TI_UNROLL
    for (int t = 0; t < n_tiles; t++) {
        TI_UNROLL
        for (int j = 0; j < m; j++) {
            _mm512_storeu_si512(sums + j * GROUP + t * 16, acc[t][j]);
        }
    }
}

TI_AVX512_INLINE void all_vectors(const column_block *b, size_t m, const int n_tiles)
{
    size_t i = 0;
    for (; i + BLOCK_M <= m; i += BLOCK_M) {
        block_product(b, i, n_tiles, BLOCK_M);
    }
    if (i + 4 <= m) {
        block_product(b, i, n_tiles, 4);
        i += 4;
    }
    if (i + 2 <= m) {
        block_product(b, i, n_tiles, 2);
        i += 2;
    }
    if (i < m) {
        block_product(b, i, n_tiles, 1);
    }
}

TI_AVX512 static void matmul_many(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                  size_t r0, size_t r1, void *scratch)
{
    uint8_t *tiles = scratch, *rows = tiles + GROUP * TI_TILE_COLUMNS;
    int32_t *sums = (int32_t *)(void *)(rows + GROUP * TI_TILE_COLUMNS);
    for (size_t r = r0; r < r1; r += GROUP) {
        bool whole = r1 - r >= GROUP || w->layout == TI_L_T5; /* its panels go in 48 rows */
        size_t n = whole ? GROUP : ti_round_up(r1 - r, 16);
        for (size_t c = 0; c < w->kp; c += TI_TILE_COLUMNS) {
            size_t n_cols = w->kp - c < TI_TILE_COLUMNS ? w->kp - c : TI_TILE_COLUMNS;
            ti_avx512_unpack(tiles, (size_t)TI_TILE_COLUMNS * 16, w, r, n, c, n_cols, rows);
            const column_block block = {.tiles = tiles,
                                        .q = x->q + c,
                                        .stride = x->stride,
                                        .n_cols = n_cols,
                                        .sums = sums,
                                        .first = c == 0};
            switch (n / 16) {
            case 3:
                all_vectors(&block, x->m, 3);
                break;
            case 2:
                all_vectors(&block, x->m, 2);
                break;
            default:
                all_vectors(&block, x->m, 1);
            }
        }
        for (size_t i = 0; i < x->m; i++) {
            for (size_t j = 0; j < n && r + j < r1; j += 16) {
                finish16(y + i * ldy, load(sums + i * GROUP + j), w, x, i, r + j, r1);
            }
        }
    }
}

TI_AVX512 void ti_avx512_matmul_t2(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                   size_t r0, size_t r1, void *scratch)
{
    switch (x->m) {
    case 1:
        t2_direct(y, ldy, w, x, r0, r1, 1);
        break;
    case 2:
        t2_direct(y, ldy, w, x, r0, r1, 2);
        break;
    case 3:
        t2_direct(y, ldy, w, x, r0, r1, 3);
        break;
    case 4:
        t2_direct(y, ldy, w, x, r0, r1, 4);
        break;
    default:
        matmul_many(y, ldy, w, x, r0, r1, scratch);
    }
}

TI_AVX512 void ti_avx512_matmul_t5(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                   size_t r0, size_t r1, void *scratch)
{
    if (x->m <= T5_DIRECT_MAX) {
        t5_direct(y, ldy, w, x, r0, r1);
    } else {
        matmul_many(y, ldy, w, x, r0, r1, scratch);
    }
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
