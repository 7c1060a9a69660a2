/* SPDX-License-Identifier: Apache-2.0 */
/* The feed-forward: gate, up, activation, down.
 *
 * Behind a gate that is zero, neither the up-row nor the down-column changes anything.  A model
 * whose matrices were packed for it skips them when a single vector goes through: exactly, and
 * as long as few enough gates are open for that to be faster (weights.h, sparse_limit). */
#include <string.h>

#include "model/forward.h"

/* Whether rows and columns can be skipped in this pass. */
static bool can_skip(const ti_worker *w, const ti_layer *layer)
{
    return w->p->m == 1 && layer->down_t.data;
}

/* y = the up-row for each of a list of rows in [begin, end), and zeros for the others. */
static void listed_up(const ti_worker *w, const ti_layer *layer, const ti_act *act,
                      const uint32_t *list, size_t n, size_t begin, size_t end)
{
    float *up = w->p->b->up;
    memset(up + begin, 0, (end - begin) * sizeof *up);
    w->p->kern->t2_rows(up, &layer->up, act, list, n);
}

/* x += W act with those of n candidate columns whose input is not zero; all columns when there
 * are no candidates.  `candidates` may be this thread's list. */
static void sparse_down(const ti_worker *w, const ti_layer *layer, const ti_act *act,
                        const uint32_t *candidates, size_t n_candidates, size_t counter)
{
    tern_batch *b = w->p->b;
    const ti_mat *mat = &layer->down, *columns = &layer->down_t;
    uint32_t *list = w->own->list;
    size_t n = 0, begin, end;
    for (size_t i = 0; i < n_candidates; i++) {
        uint32_t c = candidates ? candidates[i] : (uint32_t)i;
        list[n] = c;
        n += act->q[c] != 0;
    }
    if (n > w->p->model->sparse_limit) { /* the same for every thread */
        ti_multiply_into_stream(w, mat, act, counter);
        return;
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
    ti_barrier(w);
}

/* --- all gates ---------------------------------------------------------------------------- */

/* The up-rows of output rows [r0, r1), or those of them whose gate is open. */
static void up_rows(const ti_worker *w, const ti_layer *layer, const ti_act *act, size_t r0,
                    size_t r1)
{
    tern_batch *b = w->p->b;
    size_t n = 0, n_ff = w->p->model->config.n_ff;
    if (can_skip(w, layer)) {
        uint32_t *list = w->own->list;
        for (size_t r = r0; r < r1; r++) {
            list[n] = (uint32_t)r;
            n += b->gate[r] > 0.0f;
        }
        if (n * n_ff <= (uint64_t)w->p->model->sparse_limit * (r1 - r0)) {
            listed_up(w, layer, act, list, n, r0, r1);
            return;
        }
    }
    ti_product(w, b->up, n_ff, &layer->up, act, r0, r1, 0);
}

static void all_gates(const ti_worker *w, const ti_layer *layer, size_t l, const ti_act *act)
{
    const ti_config *c = &w->p->model->config;
    const ti_kern *kern = w->p->kern;
    tern_batch *b = w->p->b;
    size_t n_ff = c->n_ff, m = w->p->m, piece, r0, r1;
    /* Pieces of the matrix with the larger grain fit the other one too. */
    bool by_up = ti_layout_grain(layer->up.layout) > ti_layout_grain(layer->gate.layout);
    const ti_mat *cut = by_up ? &layer->up : &layer->gate;
    while (ti_take_piece(w, ti_counter_of(l, TI_COUNT_FF), ti_n_pieces(cut, m), &piece)) {
        ti_piece_range(cut, m, piece, &r0, &r1);
        ti_product(w, b->gate, n_ff, &layer->gate, act, r0, r1, 0);
        up_rows(w, layer, act, r0, r1);
        for (size_t i = 0; i < m; i++) {
            size_t at = i * n_ff + r0;
            (c->relu2 ? kern->relu2_mul : kern->silu_mul)(b->gate + at, b->up + at, r1 - r0);
        }
    }
    ti_barrier(w);
}

/* --- the largest gates -------------------------------------------------------------------- */

/* Activations of all gates, in b->gate; ends at a barrier. */
static void activations(const ti_worker *w, const ti_layer *layer, size_t l, const ti_act *act)
{
    const ti_config *c = &w->p->model->config;
    const ti_kern *kern = w->p->kern;
    tern_batch *b = w->p->b;
    size_t m = w->p->m, piece, r0, r1, n = ti_n_pieces(&layer->gate, m);
    while (ti_take_piece(w, ti_counter_of(l, TI_COUNT_FF), n, &piece)) {
        ti_piece_range(&layer->gate, m, piece, &r0, &r1);
        ti_product(w, b->gate, c->n_ff, &layer->gate, act, r0, r1, 0);
        for (size_t i = 0; i < m; i++) {
            (c->relu2 ? kern->relu2 : kern->silu)(b->gate + i * c->n_ff + r0, r1 - r0);
        }
    }
    ti_barrier(w);
}

/* Zeroes the activations that are not among the largest. */
static void close_gates(const ti_worker *w, float *gate)
{
    const ti_config *c = &w->p->model->config;
    const uint32_t *list = w->own->list;
    size_t n = w->p->kern->top_k(w->own->list, gate, c->n_ff, c->top_k), from = 0;
    for (size_t i = 0; i <= n; i++) {
        size_t to = i < n ? list[i] : c->n_ff;
        memset(gate + from, 0, (to - from) * sizeof *gate);
        from = to + 1;
    }
}

/* b->up = activation * up for all rows. */
static void gated_up(const ti_worker *w, const ti_layer *layer, size_t l, const ti_act *act)
{
    tern_batch *b = w->p->b;
    size_t m = w->p->m, n_ff = w->p->model->config.n_ff, piece, r0, r1;
    for (size_t i = w->id; i < m; i += w->n) {
        close_gates(w, b->gate + i * n_ff);
    }
    ti_barrier(w);
    while (
        ti_take_piece(w, ti_counter_of(l, TI_COUNT_UP), ti_n_pieces(&layer->up, m), &piece)) {
        ti_piece_range(&layer->up, m, piece, &r0, &r1);
        ti_product(w, b->up, n_ff, &layer->up, act, r0, r1, 0);
        for (size_t i = 0; i < m; i++) {
            w->p->kern->gate(b->up + i * n_ff + r0, b->gate + i * n_ff + r0, r1 - r0);
        }
    }
    ti_barrier(w);
}

/* The same for one vector and the largest gates only, which each thread finds for itself: that
 * is cheaper than to wait for another.  Returns their number; they are in this thread's list.
 */
static size_t listed_gated_up(const ti_worker *w, const ti_layer *layer, const ti_act *act)
{
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    const uint32_t *list = w->own->list;
    size_t n = w->p->kern->top_k(w->own->list, b->gate, c->n_ff, c->top_k), begin, end;
    /* Shares of the list, and of the rows from one of its entries to another. */
    ti_pool_share(n, 1, w->id, w->n, &begin, &end);
    size_t from = begin == 0 ? 0 : begin == n ? c->n_ff : list[begin];
    size_t to = end == 0 ? 0 : end == n ? c->n_ff : list[end];
    if (n == 0) {
        ti_pool_share(c->n_ff, 1, w->id, w->n, &from, &to);
    }
    listed_up(w, layer, act, list + begin, end - begin, from, to);
    for (size_t i = begin; i < end; i++) {
        b->up[list[i]] = b->gate[list[i]] * b->up[list[i]];
    }
    ti_barrier(w);
    return n;
}

/* --- both --------------------------------------------------------------------------------- */

void ti_feed_forward(const ti_worker *w, const ti_layer *layer, size_t l)
{
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    size_t n_ff = c->n_ff, n = n_ff, down = ti_counter_of(l, TI_COUNT_DOWN);
    unsigned kinds = ti_kind_bit(&layer->gate) | ti_kind_bit(&layer->up);
    const float *hidden = c->top_k ? b->up : b->gate;
    const uint32_t *candidates = NULL;
    ti_act act = ti_prepare(w, b->x, c->n_embd, c->n_embd, layer->ffn_norm, kinds);
    if (!c->top_k) {
        all_gates(w, layer, l, &act);
    } else {
        activations(w, layer, l, &act);
        if (can_skip(w, layer)) {
            n = listed_gated_up(w, layer, &act);
            candidates = w->own->list;
        } else {
            gated_up(w, layer, l, &act);
        }
    }
    act = ti_prepare(w, hidden, n_ff, n_ff, layer->ffn_sub_norm, ti_kind_bit(&layer->down));
    if (can_skip(w, layer)) {
        sparse_down(w, layer, &act, candidates, n, down);
    } else {
        ti_multiply_into_stream(w, &layer->down, &act, down);
    }
}
