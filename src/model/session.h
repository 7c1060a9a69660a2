/* SPDX-License-Identifier: Apache-2.0 */
/* model/session.h - the insides of sessions and batches.
 *
 * A session owns its tokens, its cache and its last logits.  A batch owns threads and scratch;
 * a session has a private one for tern_session_feed().  The forward pass (model/forward.c)
 * sees neither as such: it gets rows, each with a session and a position. */
#ifndef TI_MODEL_SESSION_H
#define TI_MODEL_SESSION_H

#include "base/pool.h"
#include "kern/kern.h"
#include "model/sampler.h"
#include "model/weights.h"
#include "tern/session.h"

/* Keys and values of all layers.  Layer l, head h, position p starts at number
 * ((l * n_head_kv + h) * n_ctx + p) * stride of `k` and `v`; its int8 scale at the same index
 * without the stride.  Numbers from head_dim to stride are zero. */
typedef struct ti_kv {
    tern_kv_type type;
    size_t stride; /* head_dim rounded up to 16 */
    size_t n_ctx;
    void *k, *v;              /* uint16_t or int8_t */
    float *k_scale, *v_scale; /* int8 only */
    void *memory;
    size_t bytes;
} ti_kv;

/* cos and sin of every position and pair, [n_ctx][rope_dim / 2] each. */
typedef struct ti_rope {
    float *cosine, *sine;
} ti_rope;

struct tern_session {
    const tern_model *model;
    tern_batch *batch; /* private */
    uint32_t n_ctx, chunk;
    tern_token *tokens; /* [n_ctx] */
    size_t n_tokens;    /* tokens of the session */
    size_t n_done;      /* of these, in the cache; the rest waits for the next pass */
    bool has_logits;    /* `logits` are those after token n_done - 1 == n_tokens - 1 */
    float *logits;      /* [n_vocab] */
    ti_kv kv;
    ti_rope rope;
    ti_sampler sampler;
    void *sampler_scratch;
    tern_trace_fn trace; /* or NULL */
    void *trace_user;
    ti_arena arena;
};

/* One token on its way through the network. */
typedef struct ti_row {
    tern_session *session;
    uint32_t position;
    tern_token token;
    bool wants_logits; /* the last token of its session in this pass */
} ti_row;

/* Runs rows through the network: fills their cache entries, and session->logits of those that
 * want them.  Rows of one session are in rising order of position and follow what is in its
 * cache.  n <= the batch's max_rows.  Errors: TERN_IO (the model's file shrank), TERN_CORRUPT
 * (logits are not finite). */
tern_status ti_forward(tern_batch *batch, const ti_row *rows, size_t n, tern_err *err);

/* Creates a batch for sessions of up to n_ctx tokens; shared by tern_batch_create() and
 * sessions. */
tern_status ti_batch_new(tern_batch **out, const tern_model *model, uint32_t threads,
                         uint32_t max_rows, uint32_t n_ctx, tern_err *err);

/* Checks that n tokens (n >= 1) are in the vocabulary and fit into the session's context. */
tern_status ti_session_check_tokens(const tern_session *s, const tern_token *tokens, size_t n,
                                    tern_err *err);

/* Writes the rows that bring the session up to date and past n more tokens; returns their
 * number, (n_tokens - n_done) + n.  Only the last one wants logits. */
size_t ti_session_rows(tern_session *s, const tern_token *tokens, size_t n, ti_row *rows);

/* After those rows were run: the tokens belong to the session, its logits are valid. */
void ti_session_commit(tern_session *s, const tern_token *tokens, size_t n);

/* Room for max_rows rows, for callers of ti_forward(). */
ti_row *ti_batch_rows(tern_batch *batch);

/* Bytes that a batch holds. */
uint64_t ti_batch_bytes(const tern_batch *batch);

#endif
