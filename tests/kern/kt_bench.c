/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of the kernels, one thread.  Matrices of one layer of a model with 2560 wide vectors:
 * 6912 rows of 2560 columns, and again with so many rows that no cache holds them. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kt.h"

enum { COLUMNS = 2560, ROWS = 6912, MANY_ROWS = ROWS * 16, MAX_INPUTS = 512 };

/* What is timed. */
typedef struct job {
    const ti_kern *k;
    const ti_mat *w;
    const ti_act *x;
    float *y;
    void *scratch;
    const uint32_t *list;
    size_t n;
    uint16_t *halves;
    int8_t *bytes;
    const ti_group *group;
} job;

/* Of this thread, so that other programs count only for the caches that they take. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Shortest of many runs, each of at least 0.5 ms: what the kernel can do, not what the rest of
 * the machine leaves it. */
static double best_time(void (*run)(const job *j), const job *j)
{
    double best = 1e9, total = 0.0;
    for (int i = 0; i < 1000 && (i < 5 || total < 0.5); i++) {
        double start = seconds(), elapsed;
        int count = 0;
        do {
            run(j);
            count++;
            elapsed = seconds() - start;
        } while (elapsed < 0.0005);
        total += elapsed;
        best = elapsed / count < best ? elapsed / count : best;
    }
    return best;
}

static void line(const job *j, const char *entry, const char *what, double time, double bytes,
                 double products)
{
    printf("%-12s %-13s %-17s %10.1f us", j->k->name, entry, what, time * 1e6);
    if (bytes > 0) {
        printf(" %8.2f GB/s", bytes / time * 1e-9);
    }
    if (products > 0) {
        printf(" %8.1f Gprod/s", products / time * 1e-9);
    }
    printf("\n");
    fflush(stdout);
}

static void run_matmul(const job *j)
{
    j->k->matmul[j->w->layout](j->y, j->w->rows, j->w, j->x, 0, j->w->rows, j->scratch);
}

static void bench_matmul(const ti_kern *k, ti_layout layout, const char *name)
{
    static const size_t inputs[] = {0, 1, 2, 4, 8, 12, 16, 32, 64, 128, 512};
    const char *entry = ti_layout_name(layout);
    if (strncmp(entry, name, strlen(name)) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        size_t m = inputs[i] ? inputs[i] : 1;
        bool slow = k->isa == TI_ISA_SCALAR || ti_layout_act(layout) == TI_ACT_F32;
        uint32_t rows = !inputs[i] ? MANY_ROWS : m <= (slow ? 1 : 16) ? ROWS : ROWS / 16;
        if (slow && (m > 16 || (rows == MANY_ROWS && layout < TI_L_T2))) {
            continue;
        }
        kt_matrix w = kt_matrix_make(layout, rows, COLUMNS, KT_SPARSE);
        kt_input x = kt_input_make(ti_layout_act(layout), m, COLUMNS, KT_RANDOM);
        kt_buf y = kt_alloc(m * rows * sizeof(float), 64);
        kt_buf scratch = kt_alloc(ti_matmul_scratch(m, w.mat.kp), 64);
        job j = {.k = k, .w = &w.mat, .x = &x.act, .y = y.p, .scratch = scratch.p};
        char what[32];
        snprintf(what, sizeof what, "m=%zu%s", m, inputs[i] ? "" : " memory");
        double time = best_time(run_matmul, &j);
        line(&j, entry, what, time, (double)w.data.bytes, (double)rows * COLUMNS * (double)m);
        kt_free(&w.data);
        kt_free(&w.scales);
        kt_input_free(&x);
        kt_free(&y);
        kt_free(&scratch);
    }
}

static void run_rows(const job *j)
{
    j->k->t2_rows(j->y, j->w, j->x, j->list, j->n);
}

static void run_cols(const job *j)
{
    j->k->t2_cols((int32_t *)(void *)j->y, j->w, j->x->q, j->list, j->n, 0, j->w->kp);
}

/* A third of the rows of the up projection, of the columns of the down projection. */
static void bench_sparse(const ti_kern *k, const char *name)
{
    kt_matrix w = kt_matrix_make(TI_L_T2, ROWS, COLUMNS, KT_SPARSE);
    kt_input x = kt_input_make(TI_ACT_TOKEN, 1, ROWS, KT_RANDOM);
    kt_buf y = kt_alloc(ROWS * sizeof(float), 64),
           list = kt_alloc(ROWS / 3 * sizeof(uint32_t), 64);
    for (uint32_t i = 0; i < ROWS / 3; i++) {
        ((uint32_t *)list.p)[i] = 3 * i + kt_below(3);
    }
    job j = {.k = k, .w = &w.mat, .x = &x.act, .y = y.p, .list = list.p, .n = ROWS / 3};
    double n = (double)j.n * COLUMNS;
    if (strncmp("t2_rows", name, strlen(name)) == 0) {
        line(&j, "t2_rows", "1/3", best_time(run_rows, &j), n / 4, n);
    }
    memset(y.p, 0, y.bytes);
    if (strncmp("t2_cols", name, strlen(name)) == 0) {
        line(&j, "t2_cols", "1/3", best_time(run_cols, &j), n / 4, n);
    }
    kt_free(&w.data);
    kt_free(&w.scales);
    kt_input_free(&x);
    kt_free(&y);
    kt_free(&list);
}

/* --- vectors ----------------------------------------------------------------------------- */

enum { HEAD = 128, KEYS = 512 };

static void run_rmsnorm(const job *j)
{
    j->k->rmsnorm(j->y, j->x->f, j->x->f + ROWS, ROWS, 1e-5f);
}

static void run_add(const job *j)
{
    j->k->add(j->y, j->x->f, ROWS);
}

static void run_relu2(const job *j)
{
    j->k->relu2_mul(j->y, j->x->f, ROWS);
}

static void run_silu(const job *j)
{
    j->k->silu_mul(j->y, j->x->f, ROWS);
}

static void run_softmax(const job *j)
{
    memcpy(j->y, j->x->f, ROWS * sizeof(float));
    j->k->softmax(j->y, ROWS);
}

static void run_rope(const job *j)
{
    for (size_t i = 0; i < ROWS / HEAD; i++) {
        j->k->rope(j->y + i * HEAD, j->x->f, j->x->f + HEAD, HEAD, false);
    }
}

static void run_rope_interleaved(const job *j)
{
    for (size_t i = 0; i < ROWS / HEAD; i++) {
        j->k->rope(j->y + i * HEAD, j->x->f, j->x->f + HEAD, HEAD, true);
    }
}

static void run_to_f16(const job *j)
{
    j->k->to_f16(j->halves, j->x->f, ROWS);
}

static void quant_act(const job *j, ti_act *x)
{
    x->m = 1;
    x->k = ROWS;
    x->stride = ROWS;
    x->q = j->bytes;
    x->row_scale = j->y;
    x->row_sum = (int32_t *)(void *)(j->y + 16);
    x->block_scale = j->y + 32;
    x->half_sum = (int32_t *)(void *)(j->y + ROWS / 2);
}

static void run_quant_token(const job *j)
{
    ti_act x = {0};
    quant_act(j, &x);
    j->k->quant_token(&x, 0, j->x->f);
}

static void run_quant_block(const job *j)
{
    ti_act x = {0};
    quant_act(j, &x);
    j->k->quant_block(&x, 0, j->x->f);
}

static void run_quant_block16(const job *j)
{
    ti_act x = {0};
    quant_act(j, &x);
    x.stride = ROWS / 2 / TI_K_PAD * TI_K_PAD; /* two rows of half the width */
    x.k = x.stride;
    j->k->quant_block16(&x, 0, j->x->f);
}

static void run_qk_f16(const job *j)
{
    j->k->qk_f16(j->y, j->x->f, (ti_kv_view){j->halves, NULL, HEAD}, KEYS, HEAD, 0.1f);
}

static void run_pv_f16(const job *j)
{
    j->k->pv_f16(j->y, j->x->f, (ti_kv_view){j->halves, NULL, HEAD}, KEYS, HEAD);
}

static void run_qk_i8(const job *j)
{
    j->k->qk_i8(j->y, j->bytes, 0.1f, (ti_kv_view){j->bytes, j->x->f, HEAD}, KEYS, HEAD);
}

static void run_pv_i8(const job *j)
{
    j->k->pv_i8(j->y, j->x->f, (ti_kv_view){j->bytes, j->x->f, HEAD}, KEYS, HEAD);
}

/* Sixteen queries: a time of one query would be a sixteenth. */
static void run_group_qk_f16(const job *j)
{
    j->k->group_qk_f16(j->group, (ti_kv_view){j->halves, NULL, HEAD}, 0.1f);
}

static void run_group_qk_i8(const job *j)
{
    j->k->group_qk_i8(j->group, (ti_kv_view){j->bytes, j->x->f, HEAD});
}

static void run_group_softmax(const job *j)
{
    j->k->group_softmax(j->group);
}

static void run_group_pv_f16(const job *j)
{
    j->k->group_pv_f16(j->group, (ti_kv_view){j->halves, NULL, HEAD});
}

static void run_group_pv_i8(const job *j)
{
    j->k->group_pv_i8(j->group, (ti_kv_view){j->bytes, j->x->f, HEAD});
}

static void bench_vectors(const ti_kern *k, const char *name)
{
    static const struct {
        const char *name;
        void (*run)(const job *j);
        double bytes; /* read */
    } entries[] = {{"rmsnorm", run_rmsnorm, ROWS * 8.0},
                   {"add", run_add, ROWS * 8.0},
                   {"relu2_mul", run_relu2, ROWS * 8.0},
                   {"silu_mul", run_silu, ROWS * 8.0},
                   {"softmax", run_softmax, ROWS * 4.0},
                   {"rope", run_rope, ROWS * 4.0},
                   {"rope_inter", run_rope_interleaved, ROWS * 4.0},
                   {"to_f16", run_to_f16, ROWS * 4.0},
                   {"quant_token", run_quant_token, ROWS * 4.0},
                   {"quant_block", run_quant_block, ROWS * 4.0},
                   {"quant_block16", run_quant_block16, ROWS * 2.0},
                   {"qk_f16", run_qk_f16, KEYS * HEAD * 2.0},
                   {"pv_f16", run_pv_f16, KEYS * HEAD * 2.0},
                   {"qk_i8", run_qk_i8, KEYS * HEAD},
                   {"pv_i8", run_pv_i8, KEYS * HEAD},
                   {"group_qk_f16", run_group_qk_f16, KEYS * HEAD * 2.0},
                   {"group_qk_i8", run_group_qk_i8, KEYS * HEAD},
                   {"group_softmax", run_group_softmax, KEYS * TI_GROUP * 4.0},
                   {"group_pv_f16", run_group_pv_f16, KEYS * HEAD * 2.0},
                   {"group_pv_i8", run_group_pv_i8, KEYS * HEAD}};
    kt_input x = kt_input_make(TI_ACT_F32, 2, ROWS, KT_RANDOM);
    kt_buf y = kt_alloc(ROWS * sizeof(float), 64);
    kt_buf halves = kt_alloc(KEYS * HEAD * 2, 64), bytes = kt_alloc(KEYS * HEAD, 64);
    kt_buf s = kt_alloc(KEYS * TI_GROUP * sizeof(float), 64);
    kt_buf scratch = kt_alloc(ti_group_scratch(HEAD) * sizeof(float), 64);
    ti_group group = {.m = TI_GROUP, .d = HEAD, .s = s.p, .scratch = scratch.p};
    for (uint32_t i = 0; i < TI_GROUP; i++) {
        group.n[i] = KEYS - TI_GROUP + 1 + i;
        group.q[i] = x.act.f + i * HEAD;
        group.q8[i] = (const int8_t *)bytes.p + i * HEAD;
        group.o[i] = (float *)y.p + i * HEAD;
    }
    memset(s.p, 0, s.bytes);
    memset(halves.p, 0, halves.bytes);
    memset(bytes.p, 0, bytes.bytes);
    memset(y.p, 0, y.bytes);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        job j = {.k = k,
                 .x = &x.act,
                 .y = y.p,
                 .halves = halves.p,
                 .bytes = bytes.p,
                 .group = &group};
        if (strncmp(entries[i].name, name, strlen(name)) == 0) {
            line(&j, entries[i].name, "", best_time(entries[i].run, &j), entries[i].bytes, 0);
        }
    }
    kt_input_free(&x);
    kt_free(&y);
    kt_free(&halves);
    kt_free(&bytes);
    kt_free(&s);
    kt_free(&scratch);
}

void kt_bench(const ti_kern *const *sets, size_t n_sets, const char *name)
{
    printf("%u x %u; Gprod/s = 10^9 weights times inputs a second; one thread\n", ROWS,
           COLUMNS);
    for (size_t i = 0; i < n_sets; i++) {
        for (int layout = 0; layout < TI_L_COUNT; layout++) {
            bench_matmul(sets[i], (ti_layout)layout, name);
        }
        bench_sparse(sets[i], name);
        bench_vectors(sets[i], name);
    }
}
