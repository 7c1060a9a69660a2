/* SPDX-License-Identifier: Apache-2.0 */
/* The integer kernels in plain C: the definition of what the others must return, and the set
 * for CPUs that have nothing better.  Written to be read. */
#include <string.h>

#include "base/err.h"
#include "kern/dtype.h"
#include "kern/pack.h"

#define TI_VEC_TARGET
#define TI_VEC_NAME(x) scalar_##x
#define TI_VEC_WIDTH 4
#include "kern/vec.h"

/* Code of column c in a T2 row. */
static int t2_code(const uint8_t *row, size_t c)
{
    return row[c / 256 * 64 + c % 64] >> (c % 256 / 64 * 2) & 3;
}

/* Codes of column c of the three rows of a T5 panel. */
static void t5_codes(int code[3], const uint8_t *panel, size_t kp, size_t c)
{
    const uint8_t *bits = panel + kp / 2;
    int low = panel[c / 128 * 64 + c % 64] >> (c % 128 / 64 * 4) & 15;
    int five = low | (bits[c / 8] >> c % 8 & 1) << 4;
    code[0] = five % 3;
    code[1] = five / 3 % 3;
    code[2] = five / 9;
}

static void matmul_t2(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                      size_t r1, void *scratch)
{
    (void)scratch;
    for (size_t r = r0; r < r1; r++) {
        const uint8_t *row = (const uint8_t *)w->data + r * ti_t2_row_bytes(w->kp);
        for (size_t i = 0; i < x->m; i++) {
            const int8_t *q = x->q + i * x->stride;
            int32_t dot = 0;
            for (size_t c = 0; c < w->kp; c++) {
                dot += t2_code(row, c) * q[c];
            }
            y[i * ldy + r] = (float)(dot - x->row_sum[i]) * (w->scales[r] * x->row_scale[i]);
        }
    }
}

static void matmul_t5(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                      size_t r1, void *scratch)
{
    (void)scratch;
    for (size_t r = r0; r < r1; r += 3) {
        const uint8_t *panel = (const uint8_t *)w->data + r / 3 * ti_t5_panel_bytes(w->kp);
        for (size_t i = 0; i < x->m; i++) {
            const int8_t *q = x->q + i * x->stride;
            int32_t dot[3] = {0, 0, 0};
            for (size_t c = 0; c < w->kp; c++) {
                int code[3];
                t5_codes(code, panel, w->kp, c);
                for (size_t j = 0; j < 3; j++) {
                    dot[j] += code[j] * q[c];
                }
            }
            for (size_t j = 0; j < 3 && r + j < r1; j++) {
                y[i * ldy + r + j] =
                    (float)(dot[j] - x->row_sum[i]) * (w->scales[r + j] * x->row_scale[i]);
            }
        }
    }
}

static float half_at(const uint8_t *p, size_t i)
{
    uint16_t h;
    memcpy(&h, p + 2 * i, sizeof h);
    return ti_f16_to_f32(h);
}

/* Code of column c < 32 of row r in [8][16][4] bytes, [4][16][4] nibbles, [2][16][4] pairs. */
static int code8(const uint8_t *block, size_t r, size_t c)
{
    return block[c / 4 * 64 + r * 4 + c % 4];
}

static int code4(const uint8_t *block, size_t r, size_t c)
{
    return block[c % 16 / 4 * 64 + r * 4 + c % 4] >> (c / 16 * 4) & 15;
}

static int code2(const uint8_t *block, size_t r, size_t c)
{
    return block[c % 8 / 4 * 64 + r * 4 + c % 4] >> (c / 8 * 2) & 3;
}

/* One 32-column block of one row: adds its part to the sum. */
typedef struct block_input {
    const int8_t *q;         /* [32] */
    const int32_t *half_sum; /* [2] */
    float scale;
} block_input;

typedef float (*block_fn)(float sum, const uint8_t *panel, size_t b, size_t r, block_input x);

static float block_g8(float sum, const uint8_t *panel, size_t b, size_t r, block_input x)
{
    const uint8_t *p = panel + b * TI_G8_BYTES;
    int32_t dot = -128 * (x.half_sum[0] + x.half_sum[1]);
    for (size_t c = 0; c < 32; c++) {
        dot += code8(p + 32, r, c) * x.q[c];
    }
    return sum + (half_at(p, r) * x.scale) * (float)dot;
}

static float block_g4(float sum, const uint8_t *panel, size_t b, size_t r, block_input x)
{
    const uint8_t *p = panel + b * TI_G4_BYTES;
    int32_t dot = -8 * (x.half_sum[0] + x.half_sum[1]);
    for (size_t c = 0; c < 32; c++) {
        dot += code4(p + 32, r, c) * x.q[c];
    }
    return sum + (half_at(p, r) * x.scale) * (float)dot;
}

static float block_g4m(float sum, const uint8_t *panel, size_t b, size_t r, block_input x)
{
    const uint8_t *p = panel + b * TI_G4M_BYTES;
    int32_t dot = 0;
    for (size_t c = 0; c < 32; c++) {
        dot += code4(p + 64, r, c) * x.q[c];
    }
    float total = x.scale * (float)(x.half_sum[0] + x.half_sum[1]);
    sum = sum + (half_at(p, r) * x.scale) * (float)dot;
    return sum + half_at(p + 32, r) * total;
}

static float block_g2(float sum, const uint8_t *panel, size_t b, size_t r, block_input x)
{
    const uint8_t *p = panel + b / 2 * TI_G2_BYTES;
    int32_t dot = -(x.half_sum[0] + x.half_sum[1]);
    for (size_t c = 0; c < 32; c++) {
        dot += code2(p + 32 + b % 2 * 128, r, c) * x.q[c];
    }
    return sum + (half_at(p, r) * x.scale) * (float)dot;
}

static float block_k4(float sum, const uint8_t *panel, size_t b, size_t r, block_input x)
{
    const uint8_t *p = panel + b / 8 * TI_K4_BYTES, *sub = p + 64 + b % 8 * 288;
    int32_t dot = 0;
    for (size_t c = 0; c < 32; c++) {
        dot += code4(sub + 32, r, c) * x.q[c];
    }
    float total = x.scale * (float)(x.half_sum[0] + x.half_sum[1]);
    sum = sum + ((half_at(p, r) * (float)sub[r]) * x.scale) * (float)dot;
    return sum - (half_at(p + 32, r) * (float)sub[16 + r]) * total;
}

static float block_k6(float sum, const uint8_t *panel, size_t b, size_t r, block_input x)
{
    const uint8_t *p = panel + b / 8 * TI_K6_BYTES, *sub = p + 32 + b % 8 * 416;
    int32_t half[2];
    for (size_t h = 0; h < 2; h++) {
        half[h] = -32 * x.half_sum[h];
        for (size_t c = 16 * h; c < 16 * h + 16; c++) {
            int code = code4(sub + 32, r, c) | code2(sub + 288, r, c) << 4;
            half[h] += code * x.q[c];
        }
    }
    int32_t dot = (int8_t)sub[r] * half[0] + (int8_t)sub[16 + r] * half[1];
    return sum + (half_at(p, r) * x.scale) * (float)dot;
}

static void matmul_blocks(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                          size_t r1, block_fn block)
{
    size_t n_blocks = w->kp / 32;
    size_t panel_bytes = w->bytes / ((w->rows + 15) / 16);
    for (size_t r = r0; r < r1; r++) {
        const uint8_t *panel = (const uint8_t *)w->data + r / 16 * panel_bytes;
        for (size_t i = 0; i < x->m; i++) {
            float sum = 0.0f;
            for (size_t b = 0; b < n_blocks; b++) {
                block_input in = {.q = x->q + i * x->stride + b * 32,
                                  .half_sum = x->half_sum + i * (x->stride / 16) + b * 2,
                                  .scale = x->block_scale[i * (x->stride / 32) + b]};
                sum = block(sum, panel, b, r % 16, in);
            }
            y[i * ldy + r] = sum;
        }
    }
}

#define MATMUL_BLOCKS(name)                                                           \
    static void matmul_##name(float *y, size_t ldy, const ti_mat *w, const ti_act *x, \
                              size_t r0, size_t r1, void *scratch)                    \
    {                                                                                 \
        (void)scratch;                                                                \
        matmul_blocks(y, ldy, w, x, r0, r1, block_##name);                            \
    }
MATMUL_BLOCKS(g2)
MATMUL_BLOCKS(g4)
MATMUL_BLOCKS(g4m)
MATMUL_BLOCKS(g8)
MATMUL_BLOCKS(k4)
MATMUL_BLOCKS(k6)

static void t2_rows(float *y, const ti_mat *w, const ti_act *x, const uint32_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        matmul_t2(y, 0, w, x, rows[i], rows[i] + 1, NULL);
    }
}

static void t2_cols(int32_t *acc, const ti_mat *wt, const int8_t *q, const uint32_t *cols,
                    size_t n, size_t r0, size_t r1)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *col = (const uint8_t *)wt->data + cols[i] * ti_t2_row_bytes(wt->kp);
        for (size_t r = r0; r < r1; r++) {
            acc[r] += (t2_code(col, r) - 1) * q[cols[i]];
        }
    }
}

void ti_kern_init_scalar(ti_kern *k)
{
    k->name = "scalar";
    k->isa = TI_ISA_SCALAR;
    k->ternary = TI_L_T2;
    scalar_vec_init(k);
    k->matmul[TI_L_T2] = matmul_t2;
    k->matmul[TI_L_T5] = matmul_t5;
    k->matmul[TI_L_G2] = matmul_g2;
    k->matmul[TI_L_G4] = matmul_g4;
    k->matmul[TI_L_G4M] = matmul_g4m;
    k->matmul[TI_L_G8] = matmul_g8;
    k->matmul[TI_L_K4] = matmul_k4;
    k->matmul[TI_L_K6] = matmul_k6;
    k->t2_rows = t2_rows;
    k->t2_cols = t2_cols;
}
