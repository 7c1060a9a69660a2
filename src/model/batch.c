/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: threads and scratch for the forward pass, and steps of several sessions. */
#include <stdlib.h>

#include "model/forward.h"

static const char module[] = "batch";

/* Memory is laid out twice by the same code: first to learn its size, then in place. */
typedef struct bump {
    uint8_t *base; /* NULL while measuring */
    size_t used;
    bool overflow;
} bump;

static void *take(bump *b, size_t n, size_t size)
{
    size_t bytes, end;
    if (b->overflow || !ti_mul_size(n, size, &bytes) || bytes > SIZE_MAX - TI_ALIGN ||
        __builtin_add_overflow(b->used, ti_round_up(bytes, TI_ALIGN), &end)) {
        b->overflow = true;
        return NULL;
    }
    void *p = b->base ? b->base + b->used : NULL;
    b->used = end;
    return p;
}

static void take_act(bump *b, ti_act_memory *act, size_t m, size_t k, bool floats)
{
    size_t stride = ti_round_up(k, TI_K_PAD);
    act->f = take(b, floats ? m * stride : 0, sizeof(float));
    act->q = take(b, ti_round_up(m, 16) * stride, 1);
    act->row_scale = take(b, m, sizeof(float));
    act->row_sum = take(b, m, sizeof(int32_t));
    act->block_scale = take(b, m * (stride / TI_BLOCK), sizeof(float));
    act->half_sum = take(b, m * (stride / 16), sizeof(int32_t));
}

static bool has_float_matrix(const tern_model *model)
{
    bool any = model->head.layout <= TI_L_BF16;
    for (uint32_t i = 0; i < model->config.n_layer; i++) {
        const ti_layer *l = &model->layers[i];
        const ti_mat *mats[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        for (size_t j = 0; j < sizeof mats / sizeof mats[0]; j++) {
            any |= mats[j]->layout <= TI_L_BF16;
        }
    }
    return any;
}

static void lay_out(tern_batch *b, bump *at)
{
    const ti_config *c = &b->model->config;
    size_t m = b->max_rows, q_dim = (size_t)c->n_head * c->head_dim;
    size_t kv_dim = (size_t)c->n_head_kv * c->head_dim;
    size_t widest = c->n_ff > q_dim ? c->n_ff : q_dim;
    widest = widest > c->n_embd ? widest : c->n_embd;
    bool floats = has_float_matrix(b->model);
    b->x = take(at, m * c->n_embd, sizeof(float));
    b->y = take(at, m * c->n_embd, sizeof(float));
    b->q = take(at, m * q_dim, sizeof(float));
    b->o = take(at, m * q_dim, sizeof(float));
    b->k = take(at, m * kv_dim, sizeof(float));
    b->v = take(at, m * kv_dim, sizeof(float));
    b->gate = take(at, m * c->n_ff, sizeof(float));
    b->up = take(at, m * c->n_ff, sizeof(float));
    b->logits = take(at, (size_t)TI_HEAD_ROWS * c->n_vocab, sizeof(float));
    /* The head sees at most TI_HEAD_ROWS vectors, the other matrices max_rows; queries, keys
     * and values are computed at the same time. */
    size_t rows = q_dim + 2 * kv_dim;
    rows = rows > c->n_ff ? rows : c->n_ff;
    rows = rows > c->n_embd ? rows : c->n_embd;
    b->wide_stride = rows;
    b->wide = take(at, 2 * m * rows, sizeof(float));
    b->head_wide = take(at, 2 * (size_t)TI_HEAD_ROWS * c->n_vocab, sizeof(float));
    b->sums = take(at, ti_round_up(c->n_embd, TI_K_PAD), sizeof(int32_t));
    b->n_next = (size_t)c->n_layer * TI_COUNTERS_PER_LAYER + m / TI_HEAD_ROWS + 1;
    b->next = take(at, b->n_next, sizeof *b->next);
    b->rows = take(at, m, sizeof(ti_row));
    b->groups = take(at, m, sizeof *b->groups);
    b->alone = take(at, m, sizeof *b->alone);
    b->order = take(at, m, sizeof *b->order);
    b->steps = take(at, m / TI_KV_STEP + 2, sizeof *b->steps);
    take_act(at, &b->act, 2 * m, widest, floats);
    for (uint32_t i = 0; i < ti_pool_threads(b->pool); i++) {
        ti_thread_memory *t = &b->threads[i];
        take_act(at, &t->act, 2 * (size_t)TI_HEAD_ROWS, widest, floats);
        take_act(at, &t->head, TI_GROUP, c->head_dim, false);
        t->vector = take(at, widest + TI_MAX_HEAD_DIM, sizeof(float));
        t->scores = take(at, ti_round_up(b->n_ctx, TI_LANES), TI_GROUP * sizeof(float));
        t->group = take(at, ti_group_scratch(c->head_dim), sizeof(float));
        t->list = take(at, (size_t)c->n_ff + 1, sizeof(uint32_t));
        t->keys = take(at, b->model->most_listed, sizeof(uint32_t));
        t->scratch = take(at,
                          ti_matmul_scratch(2 * (m > TI_HEAD_ROWS ? m : TI_HEAD_ROWS),
                                            ti_round_up(widest, TI_K_PAD)),
                          1);
    }
}

tern_status ti_batch_new(tern_batch **out, const tern_model *model, uint32_t threads,
                         uint32_t max_rows, uint32_t n_ctx, tern_err *err)
{
    tern_batch *b = ti_calloc(1, sizeof *b);
    if (!b) {
        return ti_fail_nomem(err, module, sizeof *b, "a batch");
    }
    *b = (tern_batch){.model = model, .max_rows = max_rows, .n_ctx = n_ctx};
    tern_status status = ti_pool_create(&b->pool, threads, err);
    if (status != TERN_OK) {
        goto fail;
    }
    uint32_t n = ti_pool_threads(b->pool);
    b->threads = ti_calloc(n, sizeof *b->threads);
    if (!b->threads) {
        status = ti_fail_nomem(err, module, n * sizeof *b->threads, "threads");
        goto fail;
    }
    bump measure = {0};
    lay_out(b, &measure);
    if (!measure.overflow) {
        b->bytes = measure.used;
        b->memory = ti_alloc_pages(b->bytes);
    }
    if (!b->memory) {
        status = ti_fail_nomem(err, module, measure.used, "scratch of the forward pass");
        goto fail;
    }
    bump place = {.base = b->memory};
    lay_out(b, &place);
    *out = b;
    return TERN_OK;
fail:
    tern_batch_destroy(b);
    return status;
}

tern_status tern_batch_create(tern_batch **out, const tern_model *model, uint32_t threads,
                              uint32_t max_rows, tern_err *err)
{
    enum { MAX_ROWS = 1 << 16 };
    if (model->vocab_only) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "the model was opened for its vocabulary only");
    }
    if (max_rows < 1 || max_rows > MAX_ROWS) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "max_rows %u, must be 1 to %d",
                       max_rows, MAX_ROWS);
    }
    return ti_batch_new(out, model, threads, max_rows, model->config.n_ctx, err);
}

void tern_batch_destroy(tern_batch *batch)
{
    if (batch) {
        ti_pool_destroy(batch->pool);
        ti_free_pages(batch->memory, batch->bytes);
        free(batch->threads);
        free(batch);
    }
}

ti_row *ti_batch_rows(tern_batch *batch)
{
    return batch->rows;
}

uint64_t ti_batch_bytes(const tern_batch *batch)
{
    return batch->bytes + sizeof *batch + ti_pool_threads(batch->pool) * sizeof *batch->threads;
}

ti_pool *ti_batch_pool(tern_batch *batch)
{
    return batch->pool;
}

/* --- steps ----------------------------------------------------------------------------------
 */

/* What a pass is made of: items as the public interface has them, or parts. */
typedef struct plan {
    const tern_batch_item *items;
    const ti_batch_part *parts;
    size_t n;
} plan;

static ti_batch_part part_of(const plan *p, size_t i)
{
    if (p->parts) {
        return p->parts[i];
    }
    TI_ASSERT(p->items);
    const tern_batch_item *item = &p->items[i];
    return (ti_batch_part){
        .session = item->session, .tokens = item->tokens, .n = item->n, .logits = true};
}

/* Checks one part and counts its rows: those of its tokens, and of a token that was chosen but
 * not yet run. */
static tern_status check_part(const tern_batch *batch, const plan *p, size_t i, size_t *n_rows,
                              tern_err *err)
{
    ti_batch_part part = part_of(p, i);
    const tern_session *s = part.session;
    if (s->model != batch->model) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "item %zu: the session is of another model", i);
    }
    for (size_t j = 0; j < i; j++) {
        if (part_of(p, j).session == s) {
            return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                           "items %zu and %zu have the same session", j, i);
        }
    }
    if (p->items || part.n > 0 || s->n_done == s->n_tokens) {
        TI_TRY(ti_session_check_tokens(s, part.tokens, part.n, err));
    }
    TI_TRY(ti_session_settle(part.session, err));
    *n_rows += part.n + (s->n_tokens - s->n_done);
    return TERN_OK;
}

static tern_status run_plan(tern_batch *batch, const plan *p, tern_err *err)
{
    size_t n_rows = 0, at = 0;
    for (size_t i = 0; i < p->n; i++) {
        TI_TRY(check_part(batch, p, i, &n_rows, err));
    }
    if (n_rows == 0) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "a step without tokens");
    }
    if (n_rows > batch->max_rows) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "%zu tokens in a step, the batch was made for %u", n_rows,
                       batch->max_rows);
    }
    for (size_t i = 0; i < p->n; i++) {
        ti_batch_part part = part_of(p, i);
        at += ti_session_rows(part.session, part.tokens, part.n, batch->rows + at);
        if (!part.logits) {
            batch->rows[at - 1].logits = NULL;
        }
        part.session->has_logits = false;
    }
    TI_TRY(ti_forward(batch, batch->rows, n_rows, err));
    for (size_t i = 0; i < p->n; i++) {
        ti_batch_part part = part_of(p, i);
        ti_session_commit(part.session, part.n > 0 ? part.tokens : NULL, part.n);
        part.session->has_logits = part.logits;
    }
    return TERN_OK;
}

tern_status tern_batch_step(tern_batch *batch, const tern_batch_item *items, size_t n,
                            tern_err *err)
{
    return run_plan(batch, &(plan){.items = items, .n = n}, err);
}

tern_status ti_batch_run(tern_batch *batch, const ti_batch_part *parts, size_t n, tern_err *err)
{
    return run_plan(batch, &(plan){.parts = parts, .n = n}, err);
}
