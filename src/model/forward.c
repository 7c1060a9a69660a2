/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass.
 *
 * All threads walk through the layers together and meet at a barrier where one needs what
 * another made.  Work is divided by output rows of a matrix, by input vectors for norms and
 * quantisation, and by vectors and heads in attention: each number is computed whole by one
 * thread, in an order that does not depend on the division, so the result has the same bits
 * for every number of threads, batch and chunk.
 *
 * With a single input vector (generation) each thread normalises and quantises it for itself:
 * that is cheaper than waiting for another thread to do it. */
#include <string.h>

#include "model/forward.h"

/* --- attention ---------------------------------------------------------------------------- */

static void attention(const ti_worker *w, const ti_layer *layer, size_t l)
{
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    size_t n_embd = c->n_embd, d = c->head_dim, q_dim = c->n_head * d,
           kv_dim = c->n_head_kv * d;
    unsigned kinds = ti_kind_bit(&layer->q) | ti_kind_bit(&layer->k) | ti_kind_bit(&layer->v);
    ti_act act = ti_prepare(w, b->x, n_embd, n_embd, layer->attn_norm, kinds);
    const ti_output qkv[3] = {
        {&layer->q, b->q, q_dim}, {&layer->k, b->k, kv_dim}, {&layer->v, b->v, kv_dim}};
    ti_multiply(w, qkv, 3, &act, ti_counter_of(l, TI_COUNT_QKV));
    ti_barrier(w);
    ti_attend(w, layer, l, ti_counter_of(l, TI_COUNT_ATTEND));
    act = ti_prepare(w, b->o, q_dim, q_dim, layer->attn_sub_norm, ti_kind_bit(&layer->o));
    ti_multiply_into_stream(w, &layer->o, &act, ti_counter_of(l, TI_COUNT_O));
}

/* --- ends --------------------------------------------------------------------------------- */

static void embed(const ti_worker *w)
{
    const ti_gguf_tensor *t = w->p->model->token_embd;
    size_t n = w->p->model->config.n_embd;
    for (size_t i = w->id; i < w->p->m; i += w->n) {
        ti_type_to_f32(w->p->b->x + i * n, t->type, t->data, t->dims[0], t->rows,
                       (uint64_t)w->p->rows[i].token, 0, n);
    }
    ti_barrier(w);
}

/* The states that somebody wants, as the head gets them.  Nobody writes the stream behind the
 * last layer. */
static void keep_hidden(const ti_worker *w)
{
    const ti_config *c = &w->p->model->config;
    for (size_t i = w->id; i < w->p->m; i += w->n) {
        if (w->p->rows[i].hidden) {
            w->p->kern->rmsnorm(w->p->rows[i].hidden, w->p->b->x + i * c->n_embd,
                                w->p->model->output_norm, c->n_embd, c->rms_eps);
        }
    }
}

/* Logits of up to TI_HEAD_ROWS vectors at a time.  They go through b->logits, which belongs to
 * one group of vectors until every thread is done with it. */
static void head(const ti_worker *w)
{
    const tern_model *model = w->p->model;
    const ti_config *c = &model->config;
    tern_batch *b = w->p->b;
    const ti_mat *mat = &model->head;
    size_t wanted[TI_HEAD_ROWS], i = 0, piece, r0, r1;
    const size_t first = ti_counter_of(c->n_layer, 0);
    for (size_t counter = first;; counter++) {
        size_t n = 0;
        for (; i < w->p->m && n < TI_HEAD_ROWS; i++) {
            if (w->p->rows[i].logits) {
                wanted[n++] = i;
            }
        }
        if (n == 0) {
            return;
        }
        if (counter > first) {
            ti_barrier(w);
        }
        ti_act act = ti_act_view(&w->own->act, n, c->n_embd);
        for (size_t j = 0; j < n; j++) {
            ti_prepare_vector(w, &act, j, b->x + wanted[j] * c->n_embd, model->output_norm,
                              ti_kind_bit(mat));
        }
        while (ti_take_piece(w, counter, ti_n_pieces(mat, n), &piece)) {
            ti_piece_range(mat, n, piece, &r0, &r1);
            ti_product(w, b->logits, c->n_vocab, mat, &act, r0, r1, 0);
            for (size_t j = 0; j < n; j++) {
                memcpy(w->p->rows[wanted[j]].logits + r0, b->logits + j * c->n_vocab + r0,
                       (r1 - r0) * sizeof(float));
            }
        }
    }
}

/* Shows a layer's output to those who asked.  Nobody writes the stream before the barrier that
 * follows the next layer's first product, so this needs none of its own; and with one row, the
 * other threads take the pieces of that product meanwhile. */
static void show_trace(const ti_worker *w, size_t l)
{
    size_t n_embd = w->p->model->config.n_embd;
    for (size_t i = (w->id + l) % w->n; i < w->p->m; i += w->n) {
        const ti_row *row = &w->p->rows[i];
        if (row->session->trace) {
            row->session->trace(row->session->trace_user, row->position, row->token,
                                (uint32_t)l, w->p->b->x + i * n_embd, n_embd);
        }
    }
}

static void run(void *ctx, uint32_t id, uint32_t n)
{
    const ti_pass *p = ctx;
    ti_worker w = {.p = p, .own = &p->b->threads[id], .id = id, .n = n};
    embed(&w);
    for (size_t l = 0; l < p->model->config.n_layer; l++) {
        attention(&w, &p->model->layers[l], l);
        ti_feed_forward(&w, &p->model->layers[l], l);
        show_trace(&w, l);
    }
    keep_hidden(&w);
    head(&w);
}

static bool all_finite(const float *v, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, v + i, sizeof u);
        good &= (u & 0x7f800000u) != 0x7f800000u;
    }
    return good;
}

tern_status ti_forward(tern_batch *batch, const ti_row *rows, size_t n, tern_err *err)
{
    const tern_model *model = batch->model;
    TI_ASSERT(n > 0 && n <= batch->max_rows);
    TI_TRY(ti_map_check(&model->gguf.map, model->path, err));
    ti_pass p = {.b = batch, .model = model, .kern = model->kern, .rows = rows, .m = n};
    for (size_t i = 0; i < batch->n_next; i++) {
        atomic_store_explicit(&batch->next[i], 0, memory_order_relaxed);
    }
    ti_attention_plan(batch, rows, n);
    ti_pool_run(batch->pool, run, &p);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].logits && !all_finite(rows[i].logits, model->config.n_vocab)) {
            return ti_fail(err, TERN_CORRUPT, "session", TI_NO_OFFSET,
                           "logits are not finite: the model's weights are damaged");
        }
        if (rows[i].hidden && !all_finite(rows[i].hidden, model->config.n_embd)) {
            return ti_fail(err, TERN_CORRUPT, "session", TI_NO_OFFSET,
                           "states are not finite: the model's weights are damaged");
        }
    }
    return TERN_OK;
}
