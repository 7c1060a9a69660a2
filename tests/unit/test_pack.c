/* SPDX-License-Identifier: Apache-2.0 */
/* Packing.  The oracle is the type's own decode (ti_type_to_f32): a product of the packed
 * matrix with a vector that is 1 in one column and 0 elsewhere is that column, computed by the
 * scalar kernels, which define how a layout is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "base/mem.h"
#include "kern/pack.h"

static uint32_t random_state = 1;

static uint32_t rnd(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static ti_kern scalar;

static int setup(void **state)
{
    (void)state;
    ti_kern_init_scalar(&scalar);
    return 0;
}

static void *must(void *p)
{
    assert_non_null(p);
    return p;
}

/* --- sources ----------------------------------------------------------------------------- */

/* How the rows of a random ternary matrix are scaled. */
typedef enum scaling { ONE_A_ROW, ONE_A_BLOCK, NO_MATTER } scaling;

static bool tensor_scale(ti_type type)
{
    return type == TI_I2_S || type == TI_I2_S_ARM;
}

/* Random codes as I2_S; the ARM layout has 64 weights in 16 bytes, highest bits first. */
static void make_i2s(uint8_t *data, ti_type type, uint64_t k, uint64_t rows)
{
    size_t n = (size_t)(k * rows);
    uint8_t *codes = must(malloc(n));
    for (size_t i = 0; i < n; i++) {
        codes[i] = (uint8_t)(rnd() % 3);
    }
    if (type == TI_I2_S) {
        ti_i2s_encode(data, codes, k, rows, 0.37f);
    } else {
        for (size_t b = 0; b < n / 64; b++) {
            for (size_t j = 0; j < 16; j++) {
                const uint8_t *c = codes + 64 * b + j;
                data[16 * b + j] = (uint8_t)(c[0] << 6 | c[16] << 4 | c[32] << 2 | c[48]);
            }
        }
        memset(data + n / 4, 0, 32);
        ti_store_f32(data + n / 4, 0.37f);
    }
    free(codes);
}

/* Fills one row with numbers that suit the type. */
static void make_row(float *x, const ti_type_info *info, uint64_t k, scaling how)
{
    float row_scale = (float)(1 + rnd() % 200) / 64.0f, scale = row_scale;
    for (uint64_t c = 0; c < k; c++) {
        if (!info->ternary) {
            x[c] = ((float)(rnd() % 20001) - 10000.0f) / 7000.0f;
            continue;
        }
        if (c % info->block == 0 && how == ONE_A_BLOCK) {
            scale = (float)(1 + rnd() % 200) / 64.0f;
        }
        float trit = (float)(rnd() % 3) - 1.0f;
        if (info->type == TI_Q1_0) {
            trit = rnd() % 2 ? 1.0f : -1.0f;
        } else if (c % info->block == 0) {
            trit = 1.0f; /* no block is all zero: its scale would be lost */
        }
        x[c] = scale * trit;
    }
}

static ti_source make_source(ti_type type, uint64_t k, uint64_t rows, scaling how)
{
    const ti_type_info *info = ti_type_info_of(type);
    uint64_t bytes;
    assert_true(ti_type_tensor_bytes(info, k, rows, &bytes));
    uint8_t *data = must(malloc((size_t)bytes));
    if (tensor_scale(type)) {
        make_i2s(data, type, k, rows);
    } else {
        float *x = must(malloc((size_t)k * sizeof *x));
        for (uint64_t r = 0; r < rows; r++) {
            make_row(x, info, k, how);
            assert_true(ti_type_from_f32(data + r * (bytes / rows), info, x, k));
        }
        free(x);
    }
    return (ti_source){info, data, rows, k};
}

static void free_source(ti_source *src)
{
    void *data;
    memcpy(&data, &src->data, sizeof data);
    free(data);
}

/* --- packed matrices -----------------------------------------------------------------------
 */

typedef struct packed {
    void *data;
    float *scales;
    size_t bytes;
    ti_mat mat;
} packed;

static packed new_packed(ti_layout layout, const ti_source *src)
{
    packed p;
    uint32_t kp = 0;
    p.bytes = ti_pack_bytes(layout, src->rows, src->k, &kp);
    assert_true(p.bytes > 0 && kp >= src->k);
    p.data = must(ti_alloc_aligned(p.bytes));
    memset(p.data, 0, p.bytes);
    p.scales = must(calloc(src->rows, sizeof *p.scales));
    p.mat =
        (ti_mat){layout, (uint32_t)src->rows, (uint32_t)src->k, kp, p.data, p.scales, p.bytes};
    return p;
}

static void free_packed(packed *p)
{
    free(p->data);
    free(p->scales);
}

static packed pack(ti_layout layout, const ti_source *src)
{
    packed p = new_packed(layout, src);
    tern_err err = {0};
    tern_status s = ti_pack_rows(layout, p.data, p.scales, src, 0, src->rows, &err);
    if (s != TERN_OK) {
        fail_msg("%s as %s: %s", src->type->name, ti_layout_name(layout), err.message);
    }
    return p;
}

/* The input that is 1 in one column, of all kinds at once. */
typedef struct one_hot {
    ti_act act;
    float row_scale;
    int32_t row_sum;
} one_hot;

static void one_hot_init(one_hot *x, size_t k)
{
    size_t stride = ti_round_up(k, TI_K_PAD);
    x->row_scale = 1.0f;
    x->row_sum = 1;
    x->act = (ti_act){.m = 1,
                      .k = k,
                      .stride = stride,
                      .f = must(calloc(stride, sizeof(float))),
                      .q = must(calloc(16, stride)),
                      .row_scale = &x->row_scale,
                      .row_sum = &x->row_sum,
                      .block_scale = must(calloc(stride / 32, sizeof(float))),
                      .half_sum = must(calloc(stride / 16, sizeof(int32_t)))};
    for (size_t b = 0; b < stride / 32; b++) {
        x->act.block_scale[b] = 1.0f;
    }
}

static void one_hot_set(one_hot *x, size_t column, int value)
{
    x->act.f[column] = (float)value;
    x->act.q[column] = (int8_t)value;
    x->act.half_sum[column / 16] = value;
}

static void one_hot_free(one_hot *x)
{
    free(x->act.f);
    free(x->act.q);
    free(x->act.block_scale);
    free(x->act.half_sum);
}

/* --- what every packing must give -----------------------------------------------------------
 */

/* The matrix that the layout should hold: the source, or what quantising it gives. */
static float *expected(ti_layout layout, const ti_source *src)
{
    size_t k = (size_t)src->k;
    ti_type via = layout == TI_L_G8 ? TI_Q8_0 : layout == TI_L_G4 ? TI_Q4_0 : src->type->type;
    float *w = must(malloc((size_t)src->rows * k * sizeof *w));
    const ti_type_info *info = ti_type_info_of(via);
    size_t padded = ti_round_up(k, 32);
    float *x = must(calloc(padded, sizeof *x));
    uint8_t *block = must(malloc(padded * 5));
    for (uint64_t r = 0; r < src->rows; r++) {
        ti_type_to_f32(w + r * k, src->type, src->data, k, src->rows, r, 0, k);
        if (via != src->type->type) {
            memcpy(x, w + r * k, k * sizeof *x);
            assert_true(ti_type_from_f32(block, info, x, padded));
            float *back = must(malloc(padded * sizeof *back));
            ti_type_to_f32(back, info, block, padded, 1, 0, 0, padded);
            memcpy(w + r * k, back, k * sizeof *back);
            free(back);
        }
    }
    free(x);
    free(block);
    return w;
}

/* Columns to look at: all of a small matrix, the edges and some others of a large one. */
static size_t next_column(size_t c, size_t k)
{
    if (k <= 256) {
        return c + 1;
    }
    size_t edge = (c / 64 + 1) * 64;
    return c % 64 == 63 ? c + 1 : c % 64 == 0 ? c + 1 + rnd() % 61 : edge - 1;
}

static void check_values(const packed *p, const ti_source *src, const float *want)
{
    size_t grain = ti_layout_grain(p->mat.layout);
    size_t padded = (size_t)(src->rows + grain - 1) / grain * grain;
    float *y = must(malloc(padded * sizeof *y));
    float *scales = must(calloc(padded, sizeof *scales));
    memcpy(scales, p->scales, (size_t)src->rows * sizeof *scales);
    ti_mat all = p->mat; /* with the padding rows */
    all.rows = (uint32_t)padded;
    all.scales = scales;
    one_hot x;
    one_hot_init(&x, p->mat.kp);
    for (size_t c = 0; c < p->mat.kp; c = next_column(c, p->mat.kp)) {
        one_hot_set(&x, c, 1);
        scalar.matmul[all.layout](y, padded, &all, &x.act, 0, padded, NULL);
        one_hot_set(&x, c, 0);
        for (size_t r = 0; r < padded; r++) {
            float w = r < src->rows && c < src->k ? want[r * src->k + c] : 0.0f;
            if (!(y[r] == w)) {
                fail_msg("%s as %s, %zu x %zu: row %zu, column %zu is %.9g, not %.9g",
                         src->type->name, ti_layout_name(all.layout), (size_t)src->rows,
                         (size_t)src->k, r, c, (double)y[r], (double)w);
            }
        }
    }
    one_hot_free(&x);
    free(scales);
    free(y);
}

/* Packing in pieces, the last first, gives the same bytes. */
static void check_ranges(const packed *whole, const ti_source *src)
{
    packed parts = new_packed(whole->mat.layout, src);
    size_t grain = ti_layout_grain(whole->mat.layout);
    uint64_t r1 = src->rows;
    while (r1 > 0) {
        uint64_t r0 = (r1 - 1) / grain * grain;
        r0 = r0 >= grain && rnd() % 2 ? r0 - grain : r0;
        assert_int_equal(TERN_OK, ti_pack_rows(whole->mat.layout, parts.data, parts.scales, src,
                                               r0, r1, NULL));
        r1 = r0;
    }
    assert_memory_equal(parts.data, whole->data, whole->bytes);
    assert_memory_equal(parts.scales, whole->scales, src->rows * sizeof(float));
    free_packed(&parts);
}

/* Codes of T2 and T5, read back and packed again. */
static void check_codes(const packed *p, const ti_source *src)
{
    size_t k = (size_t)src->k, rows = (size_t)src->rows;
    uint8_t *codes = must(malloc(rows * k)), *row = must(malloc(k));
    float *scales = must(malloc((k / 64 + 1) * sizeof *scales));
    uint32_t run;
    for (size_t r = 0; r < rows; r++) {
        ti_unpack_codes(codes + r * k, &p->mat, r);
        assert_true(
            ti_type_to_trits(row, scales, &run, src->type, src->data, k, rows, r, 0, k));
        assert_memory_equal(row, codes + r * k, k);
        assert_true(p->scales[r] == scales[0]);
    }
    packed again = new_packed(p->mat.layout, src);
    size_t grain = ti_layout_grain(p->mat.layout);
    size_t cut = rows > grain ? grain : 0;
    ti_pack_codes(p->mat.layout, again.data, p->mat.kp, codes + cut * k, k, cut, rows - cut);
    ti_pack_codes(p->mat.layout, again.data, p->mat.kp, codes, k, 0, cut);
    assert_memory_equal(again.data, p->data, p->bytes);
    free_packed(&again);
    free(codes);
    free(row);
    free(scales);
}

static void check(ti_layout layout, const ti_source *src)
{
    packed p = pack(layout, src);
    float *want = expected(layout, src);
    check_values(&p, src, want);
    check_ranges(&p, src);
    if (layout == TI_L_T2 || layout == TI_L_T5) {
        check_codes(&p, src);
    }
    free(want);
    free_packed(&p);
}

/* --- every type and layout ------------------------------------------------------------------
 */

static const uint32_t row_counts[] = {1, 2, 3, 47, 48, 49};

static void check_shapes(ti_type type, ti_layout layout, scaling how, const uint32_t *ks,
                         size_t n_ks)
{
    const ti_type_info *info = ti_type_info_of(type);
    for (size_t i = 0; i < n_ks; i++) {
        for (size_t j = 0; j < sizeof row_counts / sizeof row_counts[0]; j++) {
            if (ks[i] % info->block == 0 && (ks[i] < 500 || row_counts[j] == 49)) {
                ti_source src = make_source(type, ks[i], row_counts[j], how);
                check(layout, &src);
                free_source(&src);
            }
        }
    }
}

static const uint32_t wide[] = {64, 128, 192, 256, 320, 512, 640, 768, 2560};

static void ternary(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_TQ1_0,    TI_TQ2_0,  TI_I2_S,   TI_Q1_0, TI_Q2_0,
                                    TI_I2_S_ARM, TI_IQ1_BN, TI_IQ2_BN, TI_PQ2_0};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        check_shapes(types[t], TI_L_T2, ONE_A_ROW, wide, sizeof wide / sizeof wide[0]);
        check_shapes(types[t], TI_L_T5, ONE_A_ROW, wide, sizeof wide / sizeof wide[0]);
    }
}

static void ternary_blocks(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_TQ1_0, TI_TQ2_0, TI_Q1_0, TI_Q2_0, TI_PQ2_0};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        check_shapes(types[t], TI_L_G2, ONE_A_BLOCK, wide, sizeof wide / sizeof wide[0]);
    }
}

static void blocks(void **state)
{
    (void)state;
    static const uint32_t ks[] = {32, 64, 96, 256, 288, 512, 768, 2560};
    static const struct {
        ti_type type;
        ti_layout layout;
    } pairs[] = {{TI_Q8_0, TI_L_G8},
                 {TI_Q4_0, TI_L_G4},
                 {TI_Q4_1, TI_L_G4M},
                 {TI_Q4_K, TI_L_K4},
                 {TI_Q6_K, TI_L_K6}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        check_shapes(pairs[i].type, pairs[i].layout, NO_MATTER, ks, sizeof ks / sizeof ks[0]);
    }
}

static void dense(void **state)
{
    (void)state;
    static const uint32_t ks[] = {1, 15, 16, 17, 100, 256, 2560};
    size_t n = sizeof ks / sizeof ks[0];
    check_shapes(TI_F32, TI_L_F32, NO_MATTER, ks, n);
    check_shapes(TI_F16, TI_L_F16, NO_MATTER, ks, n);
    check_shapes(TI_BF16, TI_L_BF16, NO_MATTER, ks, n);
}

static void quantised(void **state)
{
    (void)state;
    static const uint32_t ks[] = {1, 31, 33, 256, 300, 512};
    static const ti_type types[] = {TI_F32,  TI_F16,  TI_BF16, TI_Q8_0,  TI_Q4_0,
                                    TI_Q4_1, TI_Q4_K, TI_Q6_K, TI_TQ2_0, TI_I2_S};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        check_shapes(types[t], TI_L_G8, ONE_A_ROW, ks, sizeof ks / sizeof ks[0]);
        check_shapes(types[t], TI_L_G4, ONE_A_ROW, ks, sizeof ks / sizeof ks[0]);
    }
}

/* Random bytes in every field: all scales, all codes that a writer would never make. */
static void any_bytes(void **state)
{
    (void)state;
    static const struct {
        ti_type type;
        ti_layout layout;
    } pairs[] = {{TI_Q8_0, TI_L_G8}, {TI_Q4_0, TI_L_G4}, {TI_Q4_1, TI_L_G4M},
                 {TI_Q4_K, TI_L_K4}, {TI_Q6_K, TI_L_K6}, {TI_Q2_0, TI_L_G2},
                 {TI_PQ2_0, TI_L_G2}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        ti_source src = make_source(pairs[i].type, 512, 33, ONE_A_BLOCK);
        uint64_t bytes;
        assert_true(ti_type_tensor_bytes(src.type, src.k, src.rows, &bytes));
        uint8_t *data = must(malloc((size_t)bytes));
        for (size_t b = 0; b < bytes; b++) {
            data[b] = (uint8_t)rnd();
        }
        for (size_t b = 0; b < bytes; b += src.type->block_bytes) {
            size_t d = src.type->type == TI_Q6_K ? 208 : 0;
            data[b + d + 1] &= 0xbf; /* keeps the half below infinity */
            data[b + 3] &= 0xbf;     /* Q4_1, Q4_K: the second half; harmless in others */
        }
        ti_source noisy = {src.type, data, src.rows, src.k};
        check(pairs[i].layout, &noisy);
        free(data);
        free_source(&src);
    }
}

static void large_shapes(void **state)
{
    (void)state;
    static const struct {
        ti_type type;
        ti_layout layout;
        uint32_t rows, k;
    } shapes[] = {{TI_I2_S, TI_L_T2, 49, 6912},   {TI_I2_S, TI_L_T5, 49, 6912},
                  {TI_TQ2_0, TI_L_T5, 640, 2560}, {TI_TQ1_0, TI_L_T2, 640, 2560},
                  {TI_Q2_0, TI_L_G2, 17, 6912},   {TI_Q8_0, TI_L_G8, 640, 576},
                  {TI_Q6_K, TI_L_K6, 17, 6912},   {TI_Q4_1, TI_L_G4M, 640, 576}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ti_source src = make_source(shapes[i].type, shapes[i].k, shapes[i].rows,
                                    shapes[i].layout == TI_L_G2 ? ONE_A_BLOCK : ONE_A_ROW);
        check(shapes[i].layout, &src);
        free_source(&src);
    }
}

/* --- the choice -----------------------------------------------------------------------------
 */

static ti_layout chosen(ti_type type, scaling how, ti_layout ternary_layout)
{
    ti_source src = make_source(type, 512, 5, how);
    ti_layout layout = ti_pack_choose(&src, ternary_layout);
    free_source(&src);
    return layout;
}

static void choice(void **state)
{
    (void)state;
    assert_int_equal(TI_L_T2, chosen(TI_I2_S, ONE_A_ROW, TI_L_T2));
    assert_int_equal(TI_L_T5, chosen(TI_I2_S, ONE_A_ROW, TI_L_T5));
    assert_int_equal(TI_L_T5, chosen(TI_I2_S_ARM, ONE_A_ROW, TI_L_T5));
    assert_int_equal(TI_L_T5, chosen(TI_IQ1_BN, ONE_A_ROW, TI_L_T5));
    assert_int_equal(TI_L_T2, chosen(TI_IQ2_BN, ONE_A_ROW, TI_L_T2));
    static const ti_type block_scaled[] = {TI_TQ1_0, TI_TQ2_0, TI_Q1_0, TI_Q2_0, TI_PQ2_0};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(TI_L_T5, chosen(block_scaled[i], ONE_A_ROW, TI_L_T5));
        assert_int_equal(TI_L_G2, chosen(block_scaled[i], ONE_A_BLOCK, TI_L_T5));
    }
    assert_int_equal(TI_L_F32, chosen(TI_F32, NO_MATTER, TI_L_T2));
    assert_int_equal(TI_L_F16, chosen(TI_F16, NO_MATTER, TI_L_T2));
    assert_int_equal(TI_L_BF16, chosen(TI_BF16, NO_MATTER, TI_L_T2));
    assert_int_equal(TI_L_G8, chosen(TI_Q8_0, NO_MATTER, TI_L_T2));
    assert_int_equal(TI_L_G4, chosen(TI_Q4_0, NO_MATTER, TI_L_T2));
    assert_int_equal(TI_L_G4M, chosen(TI_Q4_1, NO_MATTER, TI_L_T2));
    assert_int_equal(TI_L_K4, chosen(TI_Q4_K, NO_MATTER, TI_L_T2));
    assert_int_equal(TI_L_K6, chosen(TI_Q6_K, NO_MATTER, TI_L_T2));
    static const ti_type none[] = {TI_I8, TI_I64, TI_F64, TI_PACK_T2, TI_PACK_G2};
    for (size_t i = 0; i < 5; i++) {
        ti_source src = {ti_type_info_of(none[i]), NULL, 1, 256};
        assert_int_equal(TI_L_COUNT, ti_pack_choose(&src, TI_L_T2));
    }
}

/* Every single scale counts, wherever it is. */
static void one_odd_scale(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_TQ1_0, TI_TQ2_0, TI_Q1_0, TI_Q2_0, TI_PQ2_0};
    for (size_t t = 0; t < 5; t++) {
        for (size_t odd = 0; odd < 6; odd++) {
            const ti_type_info *info = ti_type_info_of(types[t]);
            uint64_t k = 2 * info->block;
            float *x = must(malloc(6 * info->block * sizeof *x));
            for (size_t c = 0; c < 6 * info->block; c++) {
                x[c] = (c / info->block == odd ? 0.5f : 0.25f) * (c % 2 ? 1.0f : -1.0f);
            }
            uint8_t *data = must(malloc(6 * info->block_bytes));
            assert_true(ti_type_from_f32(data, info, x, 6 * info->block));
            ti_source src = {info, data, 3, k};
            assert_int_equal(TI_L_G2, ti_pack_choose(&src, TI_L_T2));
            packed p = new_packed(TI_L_T2, &src);
            tern_err err = {0};
            assert_int_equal(TERN_UNSUPPORTED,
                             ti_pack_rows(TI_L_T2, p.data, p.scales, &src, 0, 3, &err));
            assert_non_null(strstr(err.message, "more than one scale"));
            free_packed(&p);
            free(data);
            free(x);
        }
    }
}

/* A block of zeros has scale 0 and goes with any; so do codes under a scale of 0. */
static void zero_blocks(void **state)
{
    (void)state;
    const ti_type_info *info = ti_type_info_of(TI_TQ2_0);
    uint8_t data[6 * 66];
    for (size_t b = 0; b < 6; b++) {
        memset(data + 66 * b, 0xa9, 64); /* codes 1, 2, 2, 2 */
        bool zero = b == 0 || b == 3 || b > 3;
        ti_store_u16(data + 66 * b + 64, zero ? b == 3 ? 0x8000 : 0 : ti_f32_to_f16(0.75f));
    }
    ti_source src = {info, data, 3, 512};
    assert_int_equal(TI_L_T5, ti_pack_choose(&src, TI_L_T5));
    static const ti_layout layouts[] = {TI_L_T2, TI_L_T5, TI_L_G2};
    for (size_t i = 0; i < 3; i++) {
        packed p = pack(layouts[i], &src);
        float *want = expected(layouts[i], &src);
        check_values(&p, &src, want);
        if (layouts[i] != TI_L_G2) {
            assert_true(p.scales[0] == 0.75f && p.scales[1] == 0.75f && p.scales[2] == 0.0f);
        }
        free(want);
        free_packed(&p);
    }
}

static void code_three(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_Q2_0, TI_PQ2_0, TI_TQ2_0, TI_I2_S, TI_IQ2_BN};
    for (size_t t = 0; t < 5; t++) {
        ti_source src = make_source(types[t], 512, 4, ONE_A_ROW);
        uint64_t bytes;
        assert_true(ti_type_tensor_bytes(src.type, src.k, src.rows, &bytes));
        uint8_t *data = must(malloc((size_t)bytes));
        memcpy(data, src.data, (size_t)bytes);
        bool plus_two = types[t] == TI_Q2_0 || types[t] == TI_PQ2_0;
        size_t row_bytes = (size_t)(bytes - src.type->tensor_bytes) / 4;
        data[2 * row_bytes + (plus_two ? row_bytes - 1 : 8)] |= 0x0c;
        ti_source bad = {src.type, data, src.rows, src.k};
        assert_int_equal(plus_two ? TI_L_G2 : TI_L_T5, ti_pack_choose(&bad, TI_L_T5));
        packed p = new_packed(TI_L_T5, &bad);
        tern_err err = {0};
        assert_int_equal(TERN_CORRUPT,
                         ti_pack_rows(TI_L_T5, p.data, p.scales, &bad, 0, 4, &err));
        assert_non_null(strstr(err.message, "row 2"));
        free_packed(&p);
        if (plus_two) {
            check(TI_L_G2, &bad);
        } else if (types[t] == TI_TQ2_0) {
            packed g = new_packed(TI_L_G2, &bad);
            assert_int_equal(TERN_CORRUPT,
                             ti_pack_rows(TI_L_G2, g.data, NULL, &bad, 0, 4, &err));
            free_packed(&g);
        }
        free(data);
        free_source(&src);
    }
}

/* --- sizes and refusals ---------------------------------------------------------------------
 */

static size_t bytes_of(ti_layout layout, uint64_t rows, uint64_t k, uint32_t want_kp)
{
    uint32_t kp = 0;
    size_t bytes = ti_pack_bytes(layout, rows, k, &kp);
    assert_int_equal(want_kp, kp);
    return bytes;
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(16 * 640, bytes_of(TI_L_T2, 1, 2560, 2560));
    assert_int_equal(32 * 64, bytes_of(TI_L_T2, 17, 64, 256));
    assert_int_equal(16 * 1600, bytes_of(TI_L_T5, 48, 2560, 2560));
    assert_int_equal(32 * 128, bytes_of(TI_L_T5, 49, 64, 128));
    assert_int_equal(2 * 40 * 544, bytes_of(TI_L_G8, 17, 1280, 1280));
    assert_int_equal(40 * 288, bytes_of(TI_L_G4, 16, 1280, 1280));
    assert_int_equal(40 * 320, bytes_of(TI_L_G4M, 16, 1280, 1280));
    assert_int_equal(20 * 288, bytes_of(TI_L_G2, 16, 1280, 1280));
    assert_int_equal(5 * 2368, bytes_of(TI_L_K4, 16, 1280, 1280));
    assert_int_equal(5 * 3360, bytes_of(TI_L_K6, 16, 1280, 1280));
    assert_int_equal(4 * 32 * 4, bytes_of(TI_L_F32, 1, 17, 32));
    assert_int_equal(8 * 32 * 2, bytes_of(TI_L_F16, 5, 17, 32));
    assert_int_equal(8 * 32 * 2, bytes_of(TI_L_BF16, 5, 17, 32));
    uint32_t kp = 7;
    assert_int_equal(0, ti_pack_bytes(TI_L_T2, UINT64_MAX, 256, &kp));
    assert_int_equal(0, ti_pack_bytes(TI_L_T2, 16, UINT64_MAX, &kp));
    assert_int_equal(0, ti_pack_bytes(TI_L_T2, UINT32_MAX, 256, &kp));
    assert_int_equal(0, ti_pack_bytes(TI_L_T2, 16, UINT32_MAX, &kp));
    assert_int_equal(0, ti_pack_bytes(TI_L_F32, 0xf0000000u, 0xf0000000u, &kp));
    assert_int_equal(7, kp);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        ti_type type;
        ti_layout layout;
    } wrong[] = {{TI_F32, TI_L_T2},  {TI_Q8_0, TI_L_T5},  {TI_F16, TI_L_F32},
                 {TI_F32, TI_L_F16}, {TI_F32, TI_L_BF16}, {TI_Q6_K, TI_L_K4},
                 {TI_Q4_K, TI_L_K6}, {TI_Q4_0, TI_L_G4M}, {TI_I2_S, TI_L_G2},
                 {TI_Q8_0, TI_L_G2}, {TI_F32, TI_L_COUNT}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ti_source src = make_source(wrong[i].type, 256, 1, ONE_A_ROW);
        tern_err err = {0};
        assert_int_equal(TERN_UNSUPPORTED,
                         ti_pack_rows(wrong[i].layout, NULL, NULL, &src, 0, 1, &err));
        assert_non_null(strstr(err.message, src.type->name));
        free_source(&src);
    }
    ti_source empty = {ti_type_info_of(TI_F32), NULL, 0, 16};
    assert_int_equal(TERN_LIMIT, ti_pack_rows(TI_L_F32, NULL, NULL, &empty, 0, 0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ternary),     cmocka_unit_test(ternary_blocks),
        cmocka_unit_test(blocks),      cmocka_unit_test(dense),
        cmocka_unit_test(quantised),   cmocka_unit_test(any_bytes),
        cmocka_unit_test(choice),      cmocka_unit_test(one_odd_scale),
        cmocka_unit_test(code_three),  cmocka_unit_test(zero_blocks),
        cmocka_unit_test(sizes),       cmocka_unit_test(refusals),
        cmocka_unit_test(large_shapes)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
