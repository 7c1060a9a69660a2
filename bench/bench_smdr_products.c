/* SPDX-License-Identifier: Apache-2.0 */
/* One vector times a matrix of 2048 x 2048 on one core: ternary weights against int8 and
 * float32, each by the tree's own kernel for this CPU, the rounding of the input included.
 *
 * Once with a single matrix, which the caches keep as far as it fits, and once with so many
 * copies in turns that each comes from memory, as the layers of a model do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bench_smdr.h"
#include "kern/pack.h"

enum { SIDE = 2048, CACHED = 0, MEMORY = 1, PLACES = 2 };

/* Enough that no last-level cache keeps them. */
#define MEMORY_BYTES ((size_t)192 << 20)

typedef struct product {
    const ti_kern *kern;
    ti_mat mat;
    size_t step, copies, at;
    ti_act x;
    const float *f;
    float *y;
    void *scratch;
} product;

static const struct {
    ti_layout layout;
    const char *name;
} kinds[] = {
    {TI_L_F32, "float32"}, {TI_L_F16, "float16"},        {TI_L_G8, "int8"},
    {TI_L_G4, "int4"},     {TI_L_T2, "ternary, 2 bits"}, {TI_L_T5, "ternary, 1.67 bits"}};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static product products[N_KINDS][PLACES];
static size_t numbers[N_KINDS][PLACES];

static void multiply(void *ctx)
{
    product *p = ctx;
    ti_mat mat = p->mat;
    mat.data = (const uint8_t *)mat.data + p->at * p->step;
    p->at = p->at + 1 < p->copies ? p->at + 1 : 0;
    ti_act_kind kind = ti_layout_act(mat.layout);
    if (kind == TI_ACT_TOKEN) {
        p->kern->quant_token(&p->x, 0, p->f);
    } else if (kind == TI_ACT_BLOCK) {
        p->kern->quant_block(&p->x, 0, p->f);
    } else {
        memcpy(p->x.f, p->f, SIDE * sizeof(float));
    }
    p->kern->matmul[mat.layout](p->y, SIDE, &mat, &p->x, 0, SIDE, p->scratch);
}

static void *room(size_t bytes)
{
    void *p = ti_alloc_pages(bytes);
    if (!p) {
        bench_stop("no memory", NULL);
    }
    return p;
}

static ti_act make_input(void)
{
    return (ti_act){.m = 1,
                    .k = SIDE,
                    .stride = SIDE,
                    .f = room(SIDE * sizeof(float)),
                    .q = room((size_t)TI_PANEL * SIDE),
                    .row_scale = room(sizeof(float)),
                    .row_sum = room(sizeof(int32_t)),
                    .block_scale = room(SIDE / TI_BLOCK * sizeof(float)),
                    .half_sum = room(SIDE / 16 * sizeof(int32_t))};
}

static float centred(ti_rng *rng)
{
    return 2.0f * ti_rng_unit(rng) - 1.0f;
}

/* The first copy of random weights. */
static ti_mat make_matrix(ti_layout layout, void *data, size_t bytes, uint32_t kp)
{
    ti_mat mat = {
        .layout = layout, .rows = SIDE, .k = SIDE, .kp = kp, .data = data, .bytes = bytes};
    ti_rng rng;
    ti_rng_seed(&rng, 5);
    if (layout == TI_L_T2 || layout == TI_L_T5) {
        uint8_t *codes = room((size_t)SIDE * SIDE);
        float *scales = room(SIDE * sizeof *scales);
        for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
            codes[i] = (uint8_t)(ti_rng_next(&rng) % 3);
        }
        for (size_t i = 0; i < SIDE; i++) {
            scales[i] = 0.02f;
        }
        ti_pack_codes(layout, data, kp, codes, SIDE, 0, SIDE);
        mat.scales = scales;
        ti_free_pages(codes, (size_t)SIDE * SIDE);
        return mat;
    }
    float *weights = room((size_t)SIDE * SIDE * sizeof *weights);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        weights[i] = centred(&rng);
    }
    uint16_t *halves = room((size_t)SIDE * SIDE * sizeof *halves);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        halves[i] = ti_f32_to_f16(weights[i]);
    }
    bool half = layout == TI_L_F16;
    const ti_source from = {.type = ti_type_by_name(half ? "F16" : "F32"),
                            .data = half ? (const void *)halves : weights,
                            .rows = SIDE,
                            .k = SIDE};
    tern_err err;
    if (ti_pack_rows(layout, data, NULL, &from, 0, SIDE, &err) != TERN_OK) {
        bench_stop("packing", &err);
    }
    ti_free_pages(weights, (size_t)SIDE * SIDE * sizeof *weights);
    ti_free_pages(halves, (size_t)SIDE * SIDE * sizeof *halves);
    return mat;
}

void bench_products(bench *b, const ti_kern *kern)
{
    float *f = room(SIDE * sizeof *f);
    ti_rng rng;
    ti_rng_seed(&rng, 6);
    for (size_t i = 0; i < SIDE; i++) {
        f[i] = centred(&rng);
    }
    for (size_t i = 0; i < N_KINDS; i++) {
        uint32_t kp;
        size_t bytes = ti_pack_bytes(kinds[i].layout, SIDE, SIDE, &kp);
        size_t step = ti_round_up(bytes, TI_ALIGN), copies = MEMORY_BYTES / step;
        uint8_t *data = room(step * copies);
        ti_mat mat = make_matrix(kinds[i].layout, data, bytes, kp);
        for (size_t c = 1; c < copies; c++) {
            memcpy(data + c * step, data, bytes);
        }
        for (size_t place = 0; place < PLACES; place++) {
            products[i][place] = (product){.kern = kern,
                                           .mat = mat,
                                           .step = step,
                                           .copies = place == MEMORY ? copies : 1,
                                           .x = make_input(),
                                           .f = f,
                                           .y = room(SIDE * sizeof(float)),
                                           .scratch = room(ti_matmul_scratch(1, SIDE))};
            numbers[i][place] =
                bench_add(b, "one vector times 2048 x 2048", multiply, &products[i][place],
                          "%s, %.1f MB, %s", kinds[i].name, (double)bytes / 1e6,
                          place == MEMORY ? "from memory" : "the same again");
        }
    }
}

/* The faster one of two. */
static size_t faster(const bench *b, size_t i, size_t j)
{
    return bench_us(b, i) < bench_us(b, j) ? i : j;
}

size_t bench_product_goals(const bench *b, bench_goal *goals)
{
    static const char *const where[PLACES] = {"the same matrix again", "from memory"};
    size_t n = 0;
    for (size_t place = 0; place < PLACES; place++) {
        size_t ternary = faster(b, numbers[4][place], numbers[5][place]);
        size_t floats = numbers[0][place], bytes = numbers[2][place];
        goals[n] = (bench_goal){.value = bench_ratio(b, floats, ternary), .goal = 8.0};
        snprintf(goals[n].what, sizeof goals[n].what, "float32 / ternary, %s", where[place]);
        goals[++n] = (bench_goal){.value = bench_ratio(b, bytes, ternary), .goal = 2.5};
        snprintf(goals[n].what, sizeof goals[n].what, "int8 / ternary, %s", where[place]);
        n++;
    }
    return n;
}
