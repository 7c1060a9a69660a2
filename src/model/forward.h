/* SPDX-License-Identifier: Apache-2.0 */
/* model/forward.h - the memory of the forward pass. */
#ifndef TI_MODEL_FORWARD_H
#define TI_MODEL_FORWARD_H

#include <stdatomic.h>

#include "model/session.h"

/* Vectors that go through the output head together. */
enum { TI_HEAD_ROWS = 8 };

/* Products of a layer whose rows are handed out piece by piece. */
enum { TI_COUNTERS_PER_LAYER = 4 };

/* Memory for input vectors of any width that the model has. */
typedef struct ti_act_memory {
    float *f, *row_scale, *block_scale;
    int8_t *q;
    int32_t *row_sum, *half_sum;
} ti_act_memory;

/* What each thread has for itself. */
typedef struct ti_thread_memory {
    ti_act_memory act;  /* TI_HEAD_ROWS vectors of two rows */
    ti_act_memory head; /* one attention head */
    float *vector;      /* [widest vector] */
    float *scores;      /* [n_ctx of the model] */
    uint32_t *list;     /* [n_ff] */
    void *scratch;      /* of matrix products */
} ti_thread_memory;

struct tern_batch {
    const tern_model *model;
    ti_pool *pool;
    uint32_t max_rows;
    float *x, *y;     /* [max_rows][n_embd] residual stream; output of a product */
    float *q, *o;     /* [max_rows][n_head * head_dim] */
    float *k, *v;     /* [max_rows][n_head_kv * head_dim] */
    float *gate, *up; /* [max_rows][n_ff] */
    float *logits;    /* [TI_HEAD_ROWS][n_vocab] */
    int32_t *sums;    /* [n_embd padded] exact sparsity */
    /* Two rows of results for each vector with 16-bit inputs: [2 * max_rows][wide_stride] for
     * the layers, [2 * TI_HEAD_ROWS][n_vocab] for the head. */
    float *wide, *head_wide;
    size_t wide_stride;
    ti_act_memory act; /* [max_rows] of two rows */
    ti_thread_memory *threads;
    atomic_size_t *next; /* [n_next] next piece of each product of a pass */
    size_t n_next;
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

#endif
