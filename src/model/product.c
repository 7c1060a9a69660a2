/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products of the forward pass: their inputs, and how their rows are divided. */
#include <string.h>

#include "model/forward.h"

/* --- inputs of matrix products ------------------------------------------------------------ */

/* Vector i of `act`: normalised if there is a norm, in every form that `kinds` asks for. */
void ti_prepare_vector(const ti_worker *w, ti_act *act, size_t i, const float *v,
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
void ti_product(const ti_worker *w, float *y, size_t ldy, const ti_mat *mat, const ti_act *act,
                size_t r0, size_t r1, size_t column)
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
ti_act ti_prepare(const ti_worker *w, const float *v, size_t ld, size_t k, const float *norm,
                  unsigned kinds)
{
    size_t m = w->p->m;
    if (m == 1) {
        ti_act act = ti_act_view(&w->own->act, 1, k);
        ti_prepare_vector(w, &act, 0, v, norm, kinds);
        return act;
    }
    ti_act act = ti_act_view(&w->p->b->act, m, k);
    size_t begin, end;
    ti_pool_share(m, 1, w->id, w->n, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        ti_prepare_vector(w, &act, i, v + i * ld, norm, kinds);
    }
    ti_barrier(w);
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

size_t ti_n_pieces(const ti_mat *mat, size_t m)
{
    size_t rows = piece_rows(mat, m);
    return (mat->rows + rows - 1) / rows;
}

/* Rows [*r0, *r1) of a piece. */
void ti_piece_range(const ti_mat *mat, size_t m, size_t piece, size_t *r0, size_t *r1)
{
    size_t rows = piece_rows(mat, m);
    *r0 = piece * rows;
    *r1 = mat->rows - *r0 < rows ? mat->rows : *r0 + rows;
}

void ti_multiply(const ti_worker *w, const ti_output *outputs, size_t n, const ti_act *act,
                 size_t counter)
{
    size_t total = 0, piece;
    for (size_t i = 0; i < n; i++) {
        total += ti_n_pieces(outputs[i].mat, act->m);
    }
    while (ti_take_piece(w, counter, total, &piece)) {
        size_t i = 0, column = 0, r0, r1;
        for (; i + 1 < n && piece >= ti_n_pieces(outputs[i].mat, act->m); i++) {
            piece -= ti_n_pieces(outputs[i].mat, act->m);
            column += outputs[i].mat->rows;
        }
        ti_piece_range(outputs[i].mat, act->m, piece, &r0, &r1);
        ti_product(w, outputs[i].y, outputs[i].ldy, outputs[i].mat, act, r0, r1, column);
    }
}

/* x += W act, each thread for the rows it computes. */
void ti_multiply_into_stream(const ti_worker *w, const ti_mat *mat, const ti_act *act,
                             size_t counter)
{
    tern_batch *b = w->p->b;
    size_t n_embd = w->p->model->config.n_embd, piece, r0, r1;
    while (ti_take_piece(w, counter, ti_n_pieces(mat, act->m), &piece)) {
        ti_piece_range(mat, act->m, piece, &r0, &r1);
        ti_product(w, b->y, n_embd, mat, act, r0, r1, 0);
        for (size_t i = 0; i < w->p->m; i++) {
            w->p->kern->add(b->x + i * n_embd + r0, b->y + i * n_embd + r0, r1 - r0);
        }
    }
    ti_barrier(w);
}
