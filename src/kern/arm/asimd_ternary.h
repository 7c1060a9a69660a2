/* SPDX-License-Identifier: Apache-2.0 */
/* kern/arm/asimd_ternary.h - ternary products (template: kern/arm/asimd.h).
 *
 * Lanes are columns.  Few input vectors (generation): codes are decoded in registers and
 * multiplied at once.  Many (prompts): rows are unpacked to bytes once, and a block of four
 * rows x four inputs stays in registers.
 *
 * All sums are of code * q with codes 0..2, and the sum of q is subtracted at the end.  In
 * int32 they are exact for 2^31 / (2 * 127) = 8.4 million columns.  In int16 a step of sixteen
 * columns adds at most 2 * 2 * 127 = 508 to a lane: 64 steps, 1024 columns, are 32512. */
#ifndef TI_KERN_ARM_ASIMD_TERNARY_H
#define TI_KERN_ARM_ASIMD_TERNARY_H

#include "kern/arm/asimd.h"

enum {
    AHEAD = 16,         /* rows that prefetching is ahead */
    DIRECT_MAX = 4,     /* inputs that are multiplied while rows are decoded */
    UNPACK_MIN = 9,     /* inputs from which unpacking pays */
    SUM_COLUMNS = 1024, /* what int16 lanes hold */
    T2_COLUMNS = 1024,  /* unpacked together: 16 rows of 1 KB */
    T5_COLUMNS = 512,   /* 48 rows of 512 bytes */
    T5_ROWS = 48,
    T5_DIRECT_MAX = 4,
    T5_UNPACK_MIN = 5
};

/* y = (float)(dots - sum of q) * (scales * scale of q) for n rows from r. */
TI_ASIMD_INLINE void finish(float *y, const int32_t *dots, const ti_mat *w, const ti_act *x,
                            size_t i, size_t r, size_t n)
{
    size_t j = 0;
    for (; j + 4 <= n; j += 4) {
        float32x4_t scale =
            vmulq_f32(vld1q_f32(w->scales + r + j), vdupq_n_f32(x->row_scale[i]));
        int32x4_t dot = vsubq_s32(vld1q_s32(dots + j), vdupq_n_s32(x->row_sum[i]));
        vst1q_f32(y + r + j, vmulq_f32(vcvtq_f32_s32(dot), scale));
    }
    for (; j < n; j++) {
        y[r + j] = (float)(dots[j] - x->row_sum[i]) * (w->scales[r + j] * x->row_scale[i]);
    }
}

/* --- T2, few vectors ---------------------------------------------------------------------- */

/* Sums of `rows` rows by m inputs, rows * m <= 4: lane row * m + input.  `ahead` are the rows
 * that will be wanted soon. */
TI_ASIMD_INLINE int32x4_t t2_sums(const uint8_t *const row[4], const uint8_t *const ahead[4],
                                  size_t row_bytes, const int8_t *q, size_t stride,
                                  const int rows, const int m)
{
    int32x4_t total[4];
    TI_UNROLL
    for (int v = 0; v < 4; v++) {
        total[v] = vdupq_n_s32(0);
    }
    for (size_t at = 0; at < row_bytes;) {
        size_t end = row_bytes - at < SUM_COLUMNS / 4 ? row_bytes : at + SUM_COLUMNS / 4;
        col_sum sum[4];
        TI_UNROLL
        for (int v = 0; v < rows * m; v++) {
            sum[v] = col_zero();
        }
        for (; at < end; at += 16) {
            const int8_t *a = q + at / 64 * 256 + at % 64;
            TI_UNROLL
            for (int v = 0; v < rows; v++) {
                uint8x16_t codes[4];
                t2_decode(codes, row[v] + at);
                __builtin_prefetch(ahead[v] + at, 0, 2);
                TI_UNROLL
                for (int i = 0; i < m; i++) {
                    TI_UNROLL
                    for (size_t s = 0; s < 4; s++) {
                        int8x16_t b = vld1q_s8(a + (size_t)i * stride + 64 * s);
                        sum[v * m + i] = col_add(sum[v * m + i], codes[s], b);
                    }
                }
            }
        }
        TI_UNROLL
        for (int v = 0; v < rows * m; v++) {
            total[v] = vaddq_s32(total[v], col_widen(sum[v]));
        }
    }
    return reduce4(total);
}

/* dots[i * 16 + r] for sixteen rows and m inputs, m <= DIRECT_MAX. */
TI_ASIMD_INLINE void t2_panel(int32_t *dots, const uint8_t *data, size_t row_bytes,
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
        vst1q_s32(sums, t2_sums(row, ahead, row_bytes, q, stride, rows, m));
        for (int v = 0; v < rows; v++) {
            for (int i = 0; i < m; i++) {
                dots[i * 16 + r + v] = sums[v * m + i];
            }
        }
    }
}

TI_ASIMD_FN void t2_direct(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
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
                t2_panel(dots, data, row_bytes, q, x->stride, 1);
                break;
            case 2:
                t2_panel(dots, data, row_bytes, q, x->stride, 2);
                break;
            case 3:
                t2_panel(dots, data, row_bytes, q, x->stride, 3);
                break;
            default:
                t2_panel(dots, data, row_bytes, q, x->stride, 4);
                break;
            }
            for (size_t j = 0; j < m; j++) {
                finish(y + (i + j) * ldy, dots + j * 16, w, x, i + j, r,
                       r1 - r < 16 ? r1 - r : 16);
            }
        }
    }
}

TI_ASIMD_FN void t2_rows(float *y, const ti_mat *w, const ti_act *x, const uint32_t *rows,
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
        vst1q_s32(dots, t2_sums(row, ahead, row_bytes, x->q, 0, 4, 1));
        for (size_t v = 0; v < 4 && j + v < n; v++) {
            finish(y, dots + v, w, x, 0, rows[j + v], 1);
        }
    }
}

/* --- T5: decoding ------------------------------------------------------------------------- */

/* The codes of a five-bit byte: t0 at bits 0, t1 at 2, t2 at 4; the last five do not occur. */
static const uint8_t t5_table[32] = {0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09,
                                     0x0a, 0x10, 0x11, 0x12, 0x14, 0x15, 0x16, 0x18,
                                     0x19, 0x1a, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26,
                                     0x28, 0x29, 0x2a, 0,    0,    0,    0,    0};

/* Sixteen columns of three rows: nibbles, and the fifth bits of two bytes. */
TI_ASIMD_INLINE void t5_decode(uint8x16_t codes[3], uint8x16x2_t table, uint8x16_t nibbles,
                               const uint8_t *bits)
{
    static const uint8_t single[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                       1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t mask = vdupq_n_u8(3);
    uint8x16_t both = vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1]));
    uint8x16_t fifth = vandq_u8(vtstq_u8(both, vld1q_u8(single)), vdupq_n_u8(16));
    uint8x16_t packed = vqtbl2q_u8(table, vorrq_u8(nibbles, fifth));
    codes[0] = vandq_u8(packed, mask);
    codes[1] = vandq_u8(vshrq_n_u8(packed, 2), mask);
    codes[2] = vshrq_n_u8(packed, 4);
}

TI_ASIMD_INLINE uint8x16x2_t t5_load_table(void)
{
    uint8x16x2_t table = {{vld1q_u8(t5_table), vld1q_u8(t5_table + 16)}};
    return table;
}

/* Columns c + j and c + 64 + j of a panel, j < 16: codes[0] and codes[1]. */
TI_ASIMD_INLINE void t5_decode_two(uint8x16_t codes[2][3], uint8x16x2_t table,
                                   const uint8_t *panel, size_t kp, size_t c)
{
    uint8x16_t bytes = vld1q_u8(panel + c / 128 * 64 + c % 64);
    const uint8_t *bits = panel + kp / 2 + c / 8;
    t5_decode(codes[0], table, vandq_u8(bytes, vdupq_n_u8(15)), bits);
    t5_decode(codes[1], table, vshrq_n_u8(bytes, 4), bits + 8);
}

/* --- T5, few vectors ---------------------------------------------------------------------- */

/* dots[i * T5_ROWS + j] for the three rows of a panel and m inputs. */
TI_ASIMD_INLINE void t5_panel(int32_t *dots, const uint8_t *panel, size_t kp, const int8_t *q,
                              size_t stride, const int m)
{
    const uint8x16x2_t table = t5_load_table();
    int32x4_t total[T5_DIRECT_MAX][4];
    TI_UNROLL
    for (int i = 0; i < 4 * m; i++) {
        total[i / 4][i % 4] = vdupq_n_s32(0);
    }
    for (size_t c = 0; c < kp;) {
        size_t end = kp - c < SUM_COLUMNS ? kp : c + SUM_COLUMNS;
        col_sum sum[T5_DIRECT_MAX][3];
        TI_UNROLL
        for (int i = 0; i < 3 * m; i++) {
            sum[i / 3][i % 3] = col_zero();
        }
        for (; c < end; c += 128) {
            for (size_t h = 0; h < 64; h += 16) {
                uint8x16_t codes[2][3];
                t5_decode_two(codes, table, panel, kp, c + h);
                TI_UNROLL
                for (int i = 0; i < m; i++) {
                    const int8_t *a = q + (size_t)i * stride + c + h;
                    TI_UNROLL
                    for (int j = 0; j < 3; j++) {
                        sum[i][j] = col_add(sum[i][j], codes[0][j], vld1q_s8(a));
                        sum[i][j] = col_add(sum[i][j], codes[1][j], vld1q_s8(a + 64));
                    }
                }
            }
        }
        TI_UNROLL
        for (int i = 0; i < 3 * m; i++) {
            total[i / 3][i % 3] = vaddq_s32(total[i / 3][i % 3], col_widen(sum[i / 3][i % 3]));
        }
    }
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        int32_t sums[4];
        vst1q_s32(sums, reduce4(total[i]));
        memcpy(dots + i * T5_ROWS, sums, 3 * sizeof *sums);
    }
}

/* Forty-eight rows, or as many as there are. */
TI_ASIMD_INLINE void t5_group(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t i,
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

TI_ASIMD_FN void t5_direct(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                           size_t r1)
{
    for (size_t r = r0; r < r1; r += T5_ROWS) {
        size_t n = r1 - r < T5_ROWS ? r1 - r : T5_ROWS, i = 0;
        for (; i + 4 <= x->m; i += 4) {
            t5_group(y, ldy, w, x, i, r, n, 4);
        }
        for (; i + 2 <= x->m; i += 2) {
            t5_group(y, ldy, w, x, i, r, n, 2);
        }
        if (i < x->m) {
            t5_group(y, ldy, w, x, i, r, n, 1);
        }
    }
}

/* --- many vectors ------------------------------------------------------------------------- */

/* dots[i * ld + v] += row v by input i, for four rows of bytes and m <= 4 inputs; `columns` is
 * at most SUM_COLUMNS. */
TI_ASIMD_INLINE void block_product(int32_t *dots, size_t ld, const uint8_t *rows,
                                   size_t row_stride, const int8_t *q, size_t stride,
                                   size_t columns, const int m)
{
    col_sum sum[4][4];
    TI_UNROLL
    for (int s = 0; s < 4 * m; s++) {
        sum[s / 4][s % 4] = col_zero();
    }
    for (size_t c = 0; c < columns; c += 16) {
        uint8x16_t w[4];
        TI_UNROLL
        for (size_t v = 0; v < 4; v++) {
            w[v] = vld1q_u8(rows + v * row_stride + c);
        }
        TI_UNROLL
        for (int i = 0; i < m; i++) {
            int8x16_t a = vld1q_s8(q + (size_t)i * stride + c);
            TI_UNROLL
            for (int v = 0; v < 4; v++) {
                sum[i][v] = col_add(sum[i][v], w[v], a);
            }
        }
    }
    TI_UNROLL
    for (int i = 0; i < m; i++) {
        int32x4_t wide[4];
        TI_UNROLL
        for (int v = 0; v < 4; v++) {
            wide[v] = col_widen(sum[i][v]);
        }
        int32_t *out = dots + (size_t)i * ld;
        vst1q_s32(out, vaddq_s32(vld1q_s32(out), reduce4(wide)));
    }
}

/* dots[i * n_rows + r] += all inputs by n_rows unpacked rows (a multiple of four); column c0 of
 * the inputs is column 0 of the rows. */
TI_ASIMD_FN void block_products(int32_t *dots, const uint8_t *rows, size_t n_rows,
                                size_t row_stride, const ti_act *x, size_t c0, size_t columns)
{
    for (size_t i = 0; i < x->m; i += 4) {
        const int8_t *q = x->q + i * x->stride + c0;
        for (size_t r = 0; r < n_rows; r += 4) {
            int32_t *out = dots + i * n_rows + r;
            const uint8_t *four = rows + r * row_stride;
            switch (x->m - i) {
            case 1:
                block_product(out, n_rows, four, row_stride, q, x->stride, columns, 1);
                break;
            case 2:
                block_product(out, n_rows, four, row_stride, q, x->stride, columns, 2);
                break;
            case 3:
                block_product(out, n_rows, four, row_stride, q, x->stride, columns, 3);
                break;
            default:
                block_product(out, n_rows, four, row_stride, q, x->stride, columns, 4);
                break;
            }
        }
    }
}

TI_ASIMD_FN void t2_unpacked(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                             size_t r1, void *scratch)
{
    uint8_t *rows = scratch;
    int32_t *dots = (int32_t *)(void *)(rows + 16 * T2_COLUMNS);
    size_t row_bytes = ti_t2_row_bytes(w->kp);
    for (size_t r = r0; r < r1; r += 16) {
        memset(dots, 0, x->m * 16 * sizeof *dots);
        for (size_t c = 0; c < w->kp; c += T2_COLUMNS) {
            size_t columns = w->kp - c < T2_COLUMNS ? w->kp - c : T2_COLUMNS;
            for (size_t v = 0; v < 16; v++) {
                const uint8_t *p = (const uint8_t *)w->data + (r + v) * row_bytes + c / 4;
                for (size_t at = 0; at < columns / 4; at += 16) {
                    uint8_t *out = rows + v * T2_COLUMNS + at / 64 * 256 + at % 64;
                    uint8x16_t codes[4];
                    t2_decode(codes, p + at);
                    for (size_t s = 0; s < 4; s++) {
                        vst1q_u8(out + 64 * s, codes[s]);
                    }
                }
            }
            block_products(dots, rows, 16, T2_COLUMNS, x, c, columns);
        }
        for (size_t i = 0; i < x->m; i++) {
            finish(y + i * ldy, dots + i * 16, w, x, i, r, r1 - r < 16 ? r1 - r : 16);
        }
    }
}

/* Unpacks columns c .. c + columns of sixteen panels. */
TI_ASIMD_FN void t5_unpack(uint8_t *rows, const uint8_t *panels, size_t kp, size_t c,
                           size_t columns)
{
    const uint8x16x2_t table = t5_load_table();
    for (size_t p = 0; p < T5_ROWS / 3; p++) {
        const uint8_t *panel = panels + p * ti_t5_panel_bytes(kp);
        for (size_t b = 0; b < columns; b += 128) {
            for (size_t h = 0; h < 64; h += 16) {
                uint8x16_t codes[2][3];
                t5_decode_two(codes, table, panel, kp, c + b + h);
                for (size_t j = 0; j < 3; j++) {
                    uint8_t *out = rows + (3 * p + j) * T5_COLUMNS + b + h;
                    vst1q_u8(out, codes[0][j]);
                    vst1q_u8(out + 64, codes[1][j]);
                }
            }
        }
    }
}

TI_ASIMD_FN void t5_unpacked(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                             size_t r1, void *scratch)
{
    uint8_t *rows = scratch;
    int32_t *dots = (int32_t *)(void *)(rows + T5_ROWS * T5_COLUMNS);
    size_t panel_bytes = ti_t5_panel_bytes(w->kp);
    for (size_t r = r0; r < r1; r += T5_ROWS) {
        const uint8_t *panels = (const uint8_t *)w->data + r / 3 * panel_bytes;
        memset(dots, 0, x->m * T5_ROWS * sizeof *dots);
        for (size_t c = 0; c < w->kp; c += T5_COLUMNS) {
            size_t columns = w->kp - c < T5_COLUMNS ? w->kp - c : T5_COLUMNS;
            t5_unpack(rows, panels, w->kp, c, columns);
            block_products(dots, rows, T5_ROWS, T5_COLUMNS, x, c, columns);
        }
        for (size_t i = 0; i < x->m; i++) {
            finish(y + i * ldy, dots + i * T5_ROWS, w, x, i, r,
                   r1 - r < T5_ROWS ? r1 - r : T5_ROWS);
        }
    }
}

TI_ASIMD_FN void matmul_t2(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                           size_t r1, void *scratch)
{
    if (x->m < UNPACK_MIN) {
        t2_direct(y, ldy, w, x, r0, r1);
    } else {
        t2_unpacked(y, ldy, w, x, r0, r1, scratch);
    }
}

TI_ASIMD_FN void matmul_t5(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                           size_t r1, void *scratch)
{
    if (x->m < T5_UNPACK_MIN) {
        t5_direct(y, ldy, w, x, r0, r1);
    } else {
        t5_unpacked(y, ldy, w, x, r0, r1, scratch);
    }
}

#endif
