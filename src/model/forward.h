/* SPDX-License-Identifier: Apache-2.0 */
/* model/forward.h - the memory of the forward pass, and what its parts share. */
#ifndef TI_MODEL_FORWARD_H
#define TI_MODEL_FORWARD_H

#include <stdatomic.h>

#include "model/session.h"

/* Vectors that go through the output head together. */
enum { TI_HEAD_ROWS = 8 };

/* Products of a layer whose rows are handed out piece by piece, and its attention: below. */
enum { TI_COUNTERS_PER_LAYER = 6 };

/* Memory for input vectors of any width that the model has. */
typedef struct ti_act_memory {
    float *f, *row_scale, *block_scale;
    int8_t *q;
    int32_t *row_sum, *half_sum;
} ti_act_memory;

/* What each thread has for itself. */
typedef struct ti_thread_memory {
    ti_act_memory act;  /* TI_HEAD_ROWS vectors of two rows */
    ti_act_memory head; /* one attention head of TI_GROUP queries */
    float *vector;      /* [widest vector] */
    float *scores;      /* [n_ctx rounded up to 16][TI_GROUP] */
    float *group;       /* [ti_group_scratch()] */
    uint32_t *list;     /* [n_ff + 1] */
    uint32_t *keys;     /* [model->most_listed] rows of the cache that a query looks at */
    void *scratch;      /* of matrix products */
} ti_thread_memory;

/* Rows that follow each other in a session. */
typedef struct ti_span {
    uint32_t first, n;
} ti_span;

struct tern_batch {
    const tern_model *model;
    ti_pool *pool;
    uint32_t max_rows, n_ctx; /* of each session at most */
    float *x, *y;             /* [max_rows][n_embd] residual stream; output of a product */
    float *q, *o;             /* [max_rows][n_head * head_dim] */
    float *k, *v;             /* [max_rows][n_head_kv * head_dim] */
    float *gate, *up;         /* [max_rows][n_ff] */
    float *logits;            /* [TI_HEAD_ROWS][n_vocab] */
    int32_t *sums;            /* [n_embd padded] exact sparsity */
    /* Two rows of results for each vector with 16-bit inputs: [2 * max_rows][wide_stride] for
     * the layers, [2 * TI_HEAD_ROWS][n_vocab] for the head. */
    float *wide, *head_wide;
    size_t wide_stride;
    ti_act_memory act; /* [max_rows] of two rows */
    ti_thread_memory *threads;
    atomic_size_t *next; /* [n_next] next piece of each product of a pass */
    size_t n_next;
    /* How the rows of a pass are divided in attention: [max_rows] each. */
    ti_span *groups;
    uint32_t *alone;
    size_t n_groups, n_alone;
    /* The rows once more, for layers that keep few keys: step s is rows order[steps[s]] up to
     * steps[s + 1], of each session at most TI_KV_STEP that follow each other. */
    uint32_t *order, *steps;
    size_t n_steps;
    ti_row *rows; /* [max_rows] for callers of ti_forward() */
    void *memory;
    size_t bytes;
};

/* `m` vectors of k numbers in that memory. */
static inline ti_act ti_act_view(const ti_act_memory *memory, size_t m, size_t k)
{
    return (ti_act){.m = m,
                    .k = k,
                    .stride = ti_round_up(k, TI_K_PAD),
                    .f = memory->f,
                    .q = memory->q,
                    .row_scale = memory->row_scale,
                    .row_sum = memory->row_sum,
                    .block_scale = memory->block_scale,
                    .half_sum = memory->half_sum};
}

/* One run of the forward pass. */
typedef struct ti_pass {
    tern_batch *b;
    const tern_model *model;
    const ti_kern *kern;
    const ti_row *rows;
    size_t m;
} ti_pass;

/* What one thread works with. */
typedef struct ti_worker {
    const ti_pass *p;
    ti_thread_memory *own;
    uint32_t id, n;
} ti_worker;

/* Takes the next piece of `n` for this thread; false when all are taken. */
static inline bool ti_take_piece(const ti_worker *w, size_t counter, size_t n, size_t *piece)
{
    *piece = atomic_fetch_add_explicit(&w->p->b->next[counter], 1, memory_order_relaxed);
    return *piece < n;
}

/* Waits for the other threads. */
static inline void ti_barrier(const ti_worker *w)
{
    ti_pool_barrier(w->p->b->pool);
}

/* Counters: those of a layer, then one for each group of vectors at the head. */
enum { TI_COUNT_QKV = 0, TI_COUNT_ATTEND, TI_COUNT_O, TI_COUNT_FF, TI_COUNT_UP, TI_COUNT_DOWN };

static inline size_t ti_counter_of(size_t layer, size_t product)
{
    return layer * TI_COUNTERS_PER_LAYER + product;
}

/* --- products (product.c) ----------------------------------------------------------------- */

static inline unsigned ti_kind_bit(const ti_mat *mat)
{
    return 1u << ti_layout_act(mat->layout);
}

/* Vector i of `act`: normalised if there is a norm, in every form that `kinds` asks for. */
void ti_prepare_vector(const ti_worker *w, ti_act *act, size_t i, const float *v,
                       const float *norm, unsigned kinds);

/* All vectors v[i * ld], of k numbers.  A single one is prepared by every thread for itself;
 * of more, each thread prepares its share, and all meet at a barrier. */
ti_act ti_prepare(const ti_worker *w, const float *v, size_t ld, size_t k, const float *norm,
                  unsigned kinds);

/* y = W act for rows [r0, r1) of W.  Inputs of 16 bits are two rows each for the kernels, whose
 * results meet in `wide`; matrices that threads work on at the same time have different
 * columns there, from `column` on. */
void ti_product(const ti_worker *w, float *y, size_t ldy, const ti_mat *mat, const ti_act *act,
                size_t r0, size_t r1, size_t column);

/* Into how many pieces the rows of a product with m vectors are cut; rows [*r0, *r1) of one. */
size_t ti_n_pieces(const ti_mat *mat, size_t m);
void ti_piece_range(const ti_mat *mat, size_t m, size_t piece, size_t *r0, size_t *r1);

/* The outputs of matrices that have the same input. */
typedef struct ti_output {
    const ti_mat *mat;
    float *y;
    size_t ldy;
} ti_output;

/* This thread's pieces of the products.  No barrier. */
void ti_multiply(const ti_worker *w, const ti_output *outputs, size_t n, const ti_act *act,
                 size_t counter);

/* x += W act, each thread for the rows it computes; a barrier. */
void ti_multiply_into_stream(const ti_worker *w, const ti_mat *mat, const ti_act *act,
                             size_t counter);

/* --- the parts of a layer ----------------------------------------------------------------- */

/* Attention (attention.c).  Divides the rows of a pass, before its threads start. */
void ti_attention_plan(tern_batch *b, const ti_row *rows, size_t n);

/* Turns the queries b->q and keys b->k of layer l, puts keys and values b->v into the caches,
 * and makes b->o of them; ends at a barrier. */
void ti_attend(const ti_worker *w, const ti_layer *layer, size_t l, size_t counter);

/* x += the feed-forward of x (feed_forward.c); ends at a barrier. */
void ti_feed_forward(const ti_worker *w, const ti_layer *layer, size_t l);

#endif
