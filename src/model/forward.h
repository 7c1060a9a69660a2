/* SPDX-License-Identifier: Apache-2.0 */
/* model/forward.h - the memory of the forward pass, and what its parts share. */
#ifndef TI_MODEL_FORWARD_H
#define TI_MODEL_FORWARD_H

#include <stdatomic.h>

#include "model/session.h"

/* Vectors that go through the output head together. */
enum { TI_HEAD_ROWS = 8 };

/* Products of a layer whose rows are handed out piece by piece, and its attention. */
enum { TI_COUNTERS_PER_LAYER = 5 };

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
    uint32_t *list;     /* [n_ff] */
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

/* Attention (attention.c).  Divides the rows of a pass, before its threads start. */
void ti_attention_plan(tern_batch *b, const ti_row *rows, size_t n);

/* This thread's part of turning the queries b->q and keys b->k of layer l, and of putting keys
 * and values b->v into the caches. */
void ti_keys_and_values(const ti_worker *w, const ti_layer *layer, size_t l);

/* This thread's part of b->o from b->q and the caches, which are complete. */
void ti_attend(const ti_worker *w, size_t l, size_t counter);

#endif
