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
#include <stdlib.h>
#include <string.h>

#include "model/forward.h"

static void barrier(const ti_worker *w)
{
    ti_pool_barrier(w->p->b->pool);
}

/* --- inputs of matrix products ------------------------------------------------------------ */

static unsigned kind_bit(const ti_mat *mat)
{
    return 1u << ti_layout_act(mat->layout);
}

/* Vector i of `act`: normalised if there is a norm, in every form that `kinds` asks for. */
static void prepare_vector(const ti_worker *w, ti_act *act, size_t i, const float *v,
                           const float *norm, unsigned kinds)
{
    const ti_kern *kern = w->p->kern;
    size_t n = act->k;
    if (norm) {
        kern->rmsnorm(w->own->vector, v, norm, n, w->p->model->config.rms_eps);
        v = w->own->vector;
    }
    if (kinds & 1u << TI_ACT_F32) {
        float *f = act->f + i * act->stride;
        memcpy(f, v, n * sizeof *f);
        memset(f + n, 0, (ti_round_up(n, TI_LANES) - n) * sizeof *f);
    }
    if (kinds & 1u << TI_ACT_TOKEN) {
        kern->quant_token(act, i, v);
    } else if (kinds & 1u << TI_ACT_BLOCK) {
        (w->p->model->act == TERN_ACT_16 ? kern->quant_block16 : kern->quant_block)(act, i, v);
    }
}

/* y = W act for rows [r0, r1) of W.  Inputs of 16 bits are two rows each for the kernels, whose
 * results meet in `wide`; matrices that threads work on at the same time have different
 * columns there, from `column` on. */
static void product(const ti_worker *w, float *y, size_t ldy, const ti_mat *mat,
                    const ti_act *act, size_t r0, size_t r1, size_t column)
{
    ti_matmul_fn matmul = w->p->kern->matmul[mat->layout];
    if (ti_layout_act(mat->layout) != TI_ACT_BLOCK || w->p->model->act != TERN_ACT_16) {
        matmul(y, ldy, mat, act, r0, r1, w->own->scratch);
        return;
    }
    ti_act halves = *act;
    halves.m = 2 * act->m;
    bool head = mat == &w->p->model->head;
    float *wide = head ? w->p->b->head_wide : w->p->b->wide + column;
    size_t ld = head ? mat->rows : w->p->b->wide_stride;
    matmul(wide, ld, mat, &halves, r0, r1, w->own->scratch);
    for (size_t i = 0; i < act->m; i++) {
        const float *high = wide + 2 * i * ld, *low = high + ld;
        for (size_t r = r0; r < r1; r++) {
            y[i * ldy + r] = high[r] + low[r];
        }
    }
}

/* All vectors v[i * ld], of k numbers.  A single one is prepared by every thread for itself. */
static ti_act prepare(const ti_worker *w, const float *v, size_t ld, size_t k,
                      const float *norm, unsigned kinds)
{
    size_t m = w->p->m;
    if (m == 1) {
        ti_act act = ti_act_view(&w->own->act, 1, k);
        prepare_vector(w, &act, 0, v, norm, kinds);
        return act;
    }
    ti_act act = ti_act_view(&w->p->b->act, m, k);
    size_t begin, end;
    ti_pool_share(m, 1, w->id, w->n, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        prepare_vector(w, &act, i, v + i * ld, norm, kinds);
    }
    barrier(w);
    return act;
}

/* --- division of a product ---------------------------------------------------------------- */

/* The output rows of a matrix are taken piece by piece, by whichever thread is free: memory
 * does not serve all threads alike, and with equal shares the faster ones would wait at every
 * barrier.  A piece is long enough to stream, and has whole grains. */
static size_t piece_rows(const ti_mat *mat, size_t m)
{
    enum { PIECE_BYTES = 128 * 1024, FEW = 8 };
    size_t grain = ti_layout_grain(mat->layout);
    if (m > FEW) { /* bound by arithmetic: two grains, the width of the tile kernels */
        return 2 * grain;
    }
    size_t rows = PIECE_BYTES / ((size_t)mat->bytes / mat->rows + 1) / grain * grain;
    return rows > grain ? rows : grain;
}

static size_t n_pieces(const ti_mat *mat, size_t m)
{
    size_t rows = piece_rows(mat, m);
    return (mat->rows + rows - 1) / rows;
}

/* Rows [*r0, *r1) of a piece. */
static void piece_range(const ti_mat *mat, size_t m, size_t piece, size_t *r0, size_t *r1)
{
    size_t rows = piece_rows(mat, m);
    *r0 = piece * rows;
    *r1 = mat->rows - *r0 < rows ? mat->rows : *r0 + rows;
}

/* Counters: five for a layer, then one for each group of vectors at the head. */
enum { COUNT_QKV = 0, COUNT_ATTEND, COUNT_O, COUNT_FF, COUNT_DOWN };

static size_t counter_of(size_t layer, size_t product)
{
    return layer * TI_COUNTERS_PER_LAYER + product;
}

/* The outputs of matrices that have the same input. */
typedef struct output {
    const ti_mat *mat;
    float *y;
    size_t ldy;
} output;

static void multiply(const ti_worker *w, const output *outputs, size_t n, const ti_act *act,
                     size_t counter)
{
    size_t total = 0, piece;
    for (size_t i = 0; i < n; i++) {
        total += n_pieces(outputs[i].mat, act->m);
    }
    while (ti_take_piece(w, counter, total, &piece)) {
        size_t i = 0, column = 0, r0, r1;
        for (; i + 1 < n && piece >= n_pieces(outputs[i].mat, act->m); i++) {
            piece -= n_pieces(outputs[i].mat, act->m);
            column += outputs[i].mat->rows;
        }
        piece_range(outputs[i].mat, act->m, piece, &r0, &r1);
        product(w, outputs[i].y, outputs[i].ldy, outputs[i].mat, act, r0, r1, column);
    }
}

/* x += W act, each thread for the rows it computes. */
static void multiply_into_stream(const ti_worker *w, const ti_mat *mat, const ti_act *act,
                                 size_t counter)
{
    tern_batch *b = w->p->b;
    size_t n_embd = w->p->model->config.n_embd, piece, r0, r1;
    while (ti_take_piece(w, counter, n_pieces(mat, act->m), &piece)) {
        piece_range(mat, act->m, piece, &r0, &r1);
        product(w, b->y, n_embd, mat, act, r0, r1, 0);
        for (size_t i = 0; i < w->p->m; i++) {
            w->p->kern->add(b->x + i * n_embd + r0, b->y + i * n_embd + r0, r1 - r0);
        }
    }
    barrier(w);
}

/* --- attention ---------------------------------------------------------------------------- */

static void attention(const ti_worker *w, const ti_layer *layer, size_t l)
{
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    size_t n_embd = c->n_embd, d = c->head_dim, q_dim = c->n_head * d,
           kv_dim = c->n_head_kv * d;
    unsigned kinds = kind_bit(&layer->q) | kind_bit(&layer->k) | kind_bit(&layer->v);
    ti_act act = prepare(w, b->x, n_embd, n_embd, layer->attn_norm, kinds);
    const output qkv[3] = {
        {&layer->q, b->q, q_dim}, {&layer->k, b->k, kv_dim}, {&layer->v, b->v, kv_dim}};
    multiply(w, qkv, 3, &act, counter_of(l, COUNT_QKV));
    barrier(w);
    ti_keys_and_values(w, layer, l);
    barrier(w);
    ti_attend(w, l, counter_of(l, COUNT_ATTEND));
    barrier(w);
    act = prepare(w, b->o, q_dim, q_dim, layer->attn_sub_norm, kind_bit(&layer->o));
    multiply_into_stream(w, &layer->o, &act, counter_of(l, COUNT_O));
}

/* --- feed-forward ------------------------------------------------------------------------- */

/* Behind a gate that is zero, neither the up-row nor the down-column changes anything. */
static void sparse_up(const ti_worker *w, const ti_layer *layer, const ti_act *act,
                      size_t begin, size_t end)
{
    tern_batch *b = w->p->b;
    uint32_t *list = w->own->list;
    size_t n = 0;
    for (size_t r = begin; r < end; r++) {
        list[n] = (uint32_t)r;
        n += b->gate[r] > 0.0f;
        b->up[r] = 0.0f;
    }
    w->p->kern->t2_rows(b->up, &layer->up, act, list, n);
}

static void sparse_down(const ti_worker *w, const ti_layer *layer, const ti_act *act)
{
    tern_batch *b = w->p->b;
    const ti_mat *mat = &layer->down, *columns = &layer->down_t;
    uint32_t *list = w->own->list;
    size_t n = 0, begin, end;
    for (size_t c = 0; c < mat->k; c++) {
        list[n] = (uint32_t)c;
        n += act->q[c] != 0;
    }
    ti_pool_share(columns->kp, TI_K_PAD, w->id, w->n, &begin, &end);
    memset(b->sums + begin, 0, (end - begin) * sizeof *b->sums);
    if (begin < end) {
        w->p->kern->t2_cols(b->sums, columns, act->q, list, n, begin, end);
    }
    end = end < mat->rows ? end : mat->rows;
    for (size_t r = begin; r < end; r++) {
        b->y[r] = (float)b->sums[r] * (mat->scales[r] * act->row_scale[0]);
    }
    if (begin < end) {
        w->p->kern->add(b->x + begin, b->y + begin, end - begin);
    }
    barrier(w);
}

/* Gate, up and activation of output rows [r0, r1). */
static void gated_rows(const ti_worker *w, const ti_layer *layer, const ti_act *act, size_t r0,
                       size_t r1, bool sparse)
{
    const ti_kern *kern = w->p->kern;
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    size_t n_ff = c->n_ff;
    product(w, b->gate, n_ff, &layer->gate, act, r0, r1, 0);
    if (sparse) {
        sparse_up(w, layer, act, r0, r1);
    } else {
        product(w, b->up, n_ff, &layer->up, act, r0, r1, 0);
    }
    for (size_t i = 0; i < w->p->m; i++) {
        size_t at = i * n_ff + r0;
        (c->relu2 ? kern->relu2_mul : kern->silu_mul)(b->gate + at, b->up + at, r1 - r0);
    }
}

static void feed_forward(const ti_worker *w, const ti_layer *layer, size_t l)
{
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    size_t n_ff = c->n_ff, m = w->p->m, piece, r0, r1;
    unsigned kinds = kind_bit(&layer->gate) | kind_bit(&layer->up);
    bool sparse = m == 1 && layer->down_t.data;
    /* Pieces of the matrix with the larger grain fit the other one too. */
    bool by_up = ti_layout_grain(layer->up.layout) > ti_layout_grain(layer->gate.layout);
    const ti_mat *cut = by_up ? &layer->up : &layer->gate;
    ti_act act = prepare(w, b->x, c->n_embd, c->n_embd, layer->ffn_norm, kinds);
    while (ti_take_piece(w, counter_of(l, COUNT_FF), n_pieces(cut, m), &piece)) {
        piece_range(cut, m, piece, &r0, &r1);
        gated_rows(w, layer, &act, r0, r1, sparse);
    }
    barrier(w);
    act = prepare(w, b->gate, n_ff, n_ff, layer->ffn_sub_norm, kind_bit(&layer->down));
    if (sparse) {
        sparse_down(w, layer, &act);
    } else {
        multiply_into_stream(w, &layer->down, &act, counter_of(l, COUNT_DOWN));
    }
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
    barrier(w);
}

/* Logits of up to TI_HEAD_ROWS vectors at a time. */
static void head(const ti_worker *w)
{
    const tern_model *model = w->p->model;
    const ti_config *c = &model->config;
    tern_batch *b = w->p->b;
    const ti_mat *mat = &model->head;
    size_t wanted[TI_HEAD_ROWS], i = 0, piece, r0, r1;
    size_t counter = counter_of(c->n_layer, 0);
    for (;; counter++) {
        size_t n = 0;
        for (; i < w->p->m && n < TI_HEAD_ROWS; i++) {
            if (w->p->rows[i].wants_logits) {
                wanted[n++] = i;
            }
        }
        if (n == 0) {
            return;
        }
        ti_act act = ti_act_view(&w->own->act, n, c->n_embd);
        for (size_t j = 0; j < n; j++) {
            prepare_vector(w, &act, j, b->x + wanted[j] * c->n_embd, model->output_norm,
                           kind_bit(mat));
        }
        while (ti_take_piece(w, counter, n_pieces(mat, n), &piece)) {
            piece_range(mat, n, piece, &r0, &r1);
            product(w, b->logits, c->n_vocab, mat, &act, r0, r1, 0);
            for (size_t j = 0; j < n; j++) {
                memcpy(w->p->rows[wanted[j]].session->logits + r0,
                       b->logits + j * c->n_vocab + r0, (r1 - r0) * sizeof(float));
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
        feed_forward(&w, &p->model->layers[l], l);
        show_trace(&w, l);
    }
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
        if (rows[i].wants_logits &&
            !all_finite(rows[i].session->logits, model->config.n_vocab)) {
            return ti_fail(err, TERN_CORRUPT, "session", TI_NO_OFFSET,
                           "logits are not finite: the model's weights are damaged");
        }
    }
    return TERN_OK;
}
