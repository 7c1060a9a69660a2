/* SPDX-License-Identifier: Apache-2.0 */
/* Ternary products for prompts on AMX (Sapphire Rapids and later).
 *
 * A tile is 16 rows of 64 bytes.  The unpacked weights are already in the form that the unit
 * wants for its second operand (16 x 4 columns of 16 rows: 1 KB in a row), activations are its
 * first as they lie.  Columns go in blocks of 512 so that the weights of two tiles (16 KB) and
 * the activations of 32 vectors (16 KB) stay in the first-level cache while 2 x 2 result tiles
 * take them: without the blocks, a prototype reached 18 % of the tile peak, with them 70 %.
 * Results of a column block are kept as int32 in scratch until the last one. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "base/mem.h"
#include "kern/x86/avx512.h"

#define TI_AMX             \
    __attribute__((target( \
        "amx-tile,amx-int8,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni,avx2")))

enum { GROUP = 96, TILE_ROWS = 16, TILE_BYTES = 1024, MIN_M = 16 };

/* The 64 bytes that LDTILECFG reads: palette 1, all eight tiles of 16 rows x 64 bytes. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

TI_AMX static void configure(void)
{
    static const tile_config config = {.palette = 1,
                                       .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                       .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    /* gcc 12 tells the optimiser that LDTILECFG reads 8 bytes and drops the stores to the
     * others; a constant has no stores to drop. */
    _tile_loadconfig(&config);
}

/* 32 vectors x 32 rows: C tiles 0..3, A tiles 4 and 5, B tiles 6 and 7. */
TI_AMX static void step_2x2(int32_t *c, const int8_t *q, size_t stride, const uint8_t *b0,
                            const uint8_t *b1, size_t n_cols)
{
    const long c_stride = GROUP * (long)sizeof *c;
    int32_t *c1 = c + TILE_ROWS * GROUP;
    _tile_loadd(0, c, c_stride);
    _tile_loadd(1, c + 16, c_stride);
    _tile_loadd(2, c1, c_stride);
    _tile_loadd(3, c1 + 16, c_stride);
    for (size_t k = 0; k < n_cols; k += 64) {
        _tile_loadd(4, q + k, (long)stride);
        _tile_loadd(6, b0 + k * 16, 64);
        _tile_dpbsud(0, 4, 6);
        _tile_loadd(7, b1 + k * 16, 64);
        _tile_dpbsud(1, 4, 7);
        _tile_loadd(5, q + 16 * stride + k, (long)stride);
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
    }
    _tile_stored(0, c, c_stride);
    _tile_stored(1, c + 16, c_stride);
    _tile_stored(2, c1, c_stride);
    _tile_stored(3, c1 + 16, c_stride);
}

/* 16 vectors x 16 rows. */
TI_AMX static void step_1x1(int32_t *c, const int8_t *q, size_t stride, const uint8_t *b,
                            size_t n_cols)
{
    const long c_stride = GROUP * (long)sizeof *c;
    _tile_loadd(0, c, c_stride);
    for (size_t k = 0; k < n_cols; k += 64) {
        _tile_loadd(4, q + k, (long)stride);
        _tile_loadd(6, b + k * 16, 64);
        _tile_dpbsud(0, 4, 6);
    }
    _tile_stored(0, c, c_stride);
}

/* One block of columns for all vectors and `n` rows. */
TI_AMX static void column_block(int32_t *c, const ti_act *x, size_t c0, size_t n_cols,
                                const uint8_t *tiles, size_t n)
{
    const size_t tile_stride = TI_TILE_COLUMNS * 16;
    size_t m16 = ti_round_up(x->m, TILE_ROWS);
    for (size_t i = 0; i < m16;) {
        const int8_t *q = x->q + i * x->stride + c0;
        size_t vectors = m16 - i >= 32 ? 32 : 16;
        size_t r = 0;
        for (; vectors == 32 && r + 32 <= n; r += 32) {
            const uint8_t *b = tiles + r / 16 * tile_stride;
            step_2x2(c + i * GROUP + r, q, x->stride, b, b + tile_stride, n_cols);
        }
        for (; r < n; r += 16) {
            for (size_t v = 0; v < vectors; v += 16) {
                step_1x1(c + (i + v) * GROUP + r, q + v * x->stride, x->stride,
                         tiles + r / 16 * tile_stride, n_cols);
            }
        }
        i += vectors;
    }
}

TI_AMX static void finish(float *y, size_t ldy, const int32_t *c, const ti_mat *w,
                          const ti_act *x, size_t r, size_t n)
{
    for (size_t i = 0; i < x->m; i++) {
        __m512 row_scale = _mm512_set1_ps(x->row_scale[i]);
        __m512i row_sum = _mm512_set1_epi32(x->row_sum[i]);
        for (size_t j = 0; j < n; j += 16) {
            __mmask16 mask = n - j >= 16 ? 0xffff : (__mmask16)((1u << (n - j)) - 1);
            __m512i dot = _mm512_sub_epi32(_mm512_loadu_si512(c + i * GROUP + j), row_sum);
            __m512 scale =
                _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, w->scales + r + j), row_scale);
            _mm512_mask_storeu_ps(y + i * ldy + r + j, mask,
                                  _mm512_mul_ps(_mm512_cvtepi32_ps(dot), scale));
        }
    }
}

TI_AMX static void matmul_tiles(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                size_t r0, size_t r1, void *scratch)
{
    uint8_t *tiles = scratch, *rows = tiles + GROUP * TI_TILE_COLUMNS;
    int32_t *c = (int32_t *)(void *)(rows + GROUP * TI_TILE_COLUMNS);
    const size_t unit = w->layout == TI_L_T5 ? 48 : 16;
    configure();
    for (size_t r = r0; r < r1; r += GROUP) {
        size_t left = r1 - r < GROUP ? r1 - r : GROUP, n = (left + unit - 1) / unit * unit;
        memset(c, 0, ti_round_up(x->m, TILE_ROWS) * GROUP * sizeof *c);
        for (size_t c0 = 0; c0 < w->kp; c0 += TI_TILE_COLUMNS) {
            size_t n_cols = w->kp - c0 < TI_TILE_COLUMNS ? w->kp - c0 : TI_TILE_COLUMNS;
            ti_avx512_unpack(tiles, TI_TILE_COLUMNS * 16, w, r, n, c0, n_cols, rows);
            column_block(c, x, c0, n_cols, tiles, ti_round_up(left, 16));
        }
        finish(y, ldy, c, w, x, r, left);
    }
    _tile_release();
}

static void matmul_t2(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                      size_t r1, void *scratch)
{
    (x->m >= MIN_M ? matmul_tiles : ti_avx512_matmul_t2)(y, ldy, w, x, r0, r1, scratch);
}

static void matmul_t5(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                      size_t r1, void *scratch)
{
    (x->m >= MIN_M ? matmul_tiles : ti_avx512_matmul_t5)(y, ldy, w, x, r0, r1, scratch);
}

void ti_kern_init_amx(ti_kern *k)
{
    k->matmul[TI_L_T2] = matmul_t2;
    k->matmul[TI_L_T5] = matmul_t5;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
