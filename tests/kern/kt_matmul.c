/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products of all layouts, and the two sparse products. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kt.h"

typedef struct shape {
    uint32_t rows, k;
    size_t m;
} shape;

/* Numbers of rows around the panels of 3 and 16 and the grain of 48; columns around the blocks
 * of 16 to 256; input vectors around all register blocks.  k beyond 2048 and 4096, because a
 * 16-bit sum of ternary products holds 64 pairs. */
static const shape shapes[] = {
    {1, 1, 1},     {16, 256, 1},   {17, 300, 1},   {48, 512, 1},  {97, 1000, 1},  {5, 33, 2},
    {16, 128, 2},  {49, 640, 2},   {33, 257, 3},   {96, 384, 3},  {3, 64, 4},     {50, 768, 4},
    {47, 96, 5},   {64, 1024, 5},  {18, 31, 6},    {35, 544, 7},  {48, 288, 8},   {15, 2304, 8},
    {19, 700, 9},  {51, 320, 11},  {100, 160, 12}, {31, 480, 13}, {32, 2100, 16}, {20, 416, 17},
    {48, 256, 31}, {53, 224, 33},  {64, 800, 48},  {80, 96, 64},  {17, 4352, 1},  {23, 6912, 2},
    {18, 4400, 5}, {16, 8192, 16},
};

enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct product {
    const ti_mat *w;
    const ti_act *x;
    const float *want; /* [m][rows] */
    float *y;          /* [m][ldy] */
    size_t ldy;
} product;

/* Computes rows [r0, r1) into canaries; checks them, and that the rest are canaries still. */
static void check_range(const ti_kern *k, const product *p, size_t r0, size_t r1)
{
    const ti_mat *w = p->w;
    size_t m = p->x->m, n = (m - 1) * p->ldy + w->rows;
    memset(p->y, KT_CANARY, n * sizeof *p->y);
    kt_buf scratch = kt_alloc(ti_matmul_scratch(m, w->kp), 64);
    k->matmul[w->layout](p->y, p->ldy, w, p->x, r0, r1, scratch.p);
    kt_free(&scratch);

    static const uint8_t canary[4] = {KT_CANARY, KT_CANARY, KT_CANARY, KT_CANARY};
    char what[96];
    bool clean = true;
    for (size_t i = 0; i < m; i++) {
        const float *row = p->y + i * p->ldy;
        for (size_t r = 0; r < p->ldy && (i + 1 < m || r < w->rows); r++) {
            clean = clean && ((r >= r0 && r < r1) || memcmp(row + r, canary, 4) == 0);
        }
        snprintf(what, sizeof what, "%u x %u, input %zu of %zu, rows %zu to %zu", w->rows, w->k,
                 i, m, r0, r1);
        kt_same_floats(row + r0, p->want + i * w->rows + r0, r1 - r0, what);
    }
    kt_check(clean, "%u x %u, %zu inputs: wrote outside of rows %zu to %zu", w->rows, w->k, m,
             r0, r1);
}

static void check_shape(const ti_kern *k, ti_layout layout, shape s, kt_fill weights,
                        kt_fill inputs)
{
    kt_matrix w = kt_matrix_make(layout, s.rows, s.k, weights);
    kt_input x = kt_input_make(ti_layout_act(layout), s.m, s.k, inputs);
    size_t ldy = s.rows + kt_below(3) * 5, grain = ti_layout_grain(layout);
    kt_buf y = kt_alloc(((s.m - 1) * ldy + s.rows) * sizeof(float), sizeof(float));
    float *want = malloc(s.m * s.rows * sizeof *want);
    if (!want) {
        abort();
    }
    kt_ref_matmul(want, s.rows, &w.mat, &x.act);
    product p = {&w.mat, &x.act, want, y.p, ldy};
    p.ldy = s.m == 1 ? s.rows : ldy;

    check_range(k, &p, 0, s.rows);
    size_t grains = (s.rows + grain - 1) / grain;
    if (grains > 1) {
        size_t split = (1 + kt_below((uint32_t)grains - 1)) * grain;
        check_range(k, &p, 0, split);
        check_range(k, &p, split, s.rows);
        check_range(k, &p, split - grain, split);
    }
    free(want);
    kt_free(&y);
    kt_input_free(&x);
    kt_matrix_free(&w);
}

/* A shape with the extremes that make partial sums as large as they get. */
static void check_extremes(const ti_kern *k, ti_layout layout, shape s)
{
    for (int weights = 0; weights < KT_FILLS; weights++) {
        for (int inputs = 0; inputs < KT_FILLS; inputs++) {
            check_shape(k, layout, s, (kt_fill)weights, (kt_fill)inputs);
        }
    }
}

void kt_test_matmul(const ti_kern *k)
{
    static const shape extremes[] = {{16, 2304, 1}, {48, 512, 4}, {16, 4352, 5}, {32, 512, 16}};
    for (int layout = 0; layout < TI_L_COUNT; layout++) {
        kt_subject(k->name, ti_layout_name((ti_layout)layout));
        for (int i = 0; i < N_SHAPES; i++) {
            check_shape(k, (ti_layout)layout, shapes[i], KT_RANDOM, KT_RANDOM);
        }
        for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
            check_extremes(k, (ti_layout)layout, extremes[i]);
        }
    }
}

/* --- sparse products --------------------------------------------------------------------- */

static void check_rows(const ti_kern *k, uint32_t rows, uint32_t columns, size_t n,
                       kt_fill fill)
{
    kt_matrix w = kt_matrix_make(TI_L_T2, rows, columns, fill);
    kt_input x = kt_input_make(TI_ACT_TOKEN, 1, columns, fill);
    kt_buf list = kt_alloc(n * sizeof(uint32_t), sizeof(uint32_t));
    kt_buf y = kt_alloc(rows * sizeof(float), sizeof(float));
    kt_buf want = kt_alloc(rows * sizeof(float), sizeof(float));
    kt_buf all = kt_alloc(rows * sizeof(float), sizeof(float));
    kt_ref_matmul(all.p, rows, &w.mat, &x.act);
    uint32_t *r = list.p;
    for (size_t i = 0; i < n; i++) {
        r[i] = kt_below(rows);
        ((float *)want.p)[r[i]] = ((float *)all.p)[r[i]];
    }
    k->t2_rows(y.p, &w.mat, &x.act, r, n);
    kt_check(memcmp(y.p, want.p, y.bytes) == 0, "%zu of %u rows, %u columns", n, rows, columns);
    kt_free(&list);
    kt_free(&y);
    kt_free(&want);
    kt_free(&all);
    kt_input_free(&x);
    kt_matrix_free(&w);
}

/* `wt` has `columns` rows of `rows` codes. */
static void check_cols(const ti_kern *k, uint32_t rows, uint32_t columns, size_t n,
                       kt_fill fill, kt_fill inputs)
{
    kt_matrix wt = kt_matrix_make(TI_L_T2, columns, rows, fill);
    kt_input x = kt_input_make(TI_ACT_TOKEN, 1, columns, inputs);
    size_t kp = wt.mat.kp, r0 = kt_below((uint32_t)(kp / 256)) * 256;
    size_t r1 = r0 + (1 + kt_below((uint32_t)((kp - r0) / 256))) * 256;
    kt_buf list = kt_alloc(n * sizeof(uint32_t), sizeof(uint32_t));
    kt_buf acc = kt_alloc(kp * sizeof(int32_t), sizeof(int32_t));
    int64_t *want = calloc(kp, sizeof *want);
    uint32_t *cols = list.p;
    int32_t *got = acc.p;
    if (!want) {
        abort();
    }
    for (size_t r = 0; r < kp; r++) {
        got[r] = (int32_t)kt_below(2000001) - 1000000;
        want[r] = got[r];
    }
    for (size_t i = 0; i < n; i++) {
        cols[i] = kt_below(columns);
        for (size_t r = r0; r < r1; r++) {
            want[r] += kt_ref_weight(&wt.mat, cols[i], r) * x.act.q[cols[i]];
        }
    }
    k->t2_cols(got, &wt.mat, x.act.q, cols, n, r0, r1);
    size_t wrong = 0;
    for (size_t r = 0; r < kp; r++) {
        wrong += (r < r0 || r >= r1 || r < rows) && got[r] != want[r];
    }
    kt_check(wrong == 0, "%zu of %u columns, rows %zu to %zu: %zu wrong", n, columns, r0, r1,
             wrong);
    free(want);
    kt_free(&list);
    kt_free(&acc);
    kt_input_free(&x);
    kt_matrix_free(&wt);
}

void kt_test_sparse(const ti_kern *k)
{
    static const uint32_t counts[] = {0,  1,  2,  3,  4,  5,   7,   8,   9,  31,
                                      32, 33, 63, 64, 65, 129, 258, 300, 517};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (int fill = 0; fill < KT_FILLS; fill++) {
            kt_subject(k->name, "t2_rows");
            check_rows(k, 1 + kt_below(100), 1 + kt_below(700), counts[i], (kt_fill)fill);
            kt_subject(k->name, "t2_cols");
            check_cols(k, 1 + kt_below(1500), 520, counts[i], (kt_fill)fill, KT_RANDOM);
            check_cols(k, 1 + kt_below(1500), 520, counts[i], (kt_fill)fill, (kt_fill)fill);
        }
    }
    kt_subject(k->name, "t2_rows");
    check_rows(k, 20, 4352, 9, KT_MAX);
}
