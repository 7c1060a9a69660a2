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

/* Where a layer keeps its vectors: for each head `rows` of them, from `first` on.  Position p
 * is row p below `linear`, and behind that a ring of `ring` rows keeps the latest.
 *
 * A layer whose queries look back over W positions has a ring of W + TI_KV_STEP - 1: so many
 * rows of a pass are stored before the first of them is attended to (model/attention.c). */
typedef struct ti_kv_layer {
    size_t first, rows;
    uint32_t linear, ring;
} ti_kv_layer;

enum { TI_KV_STEP = 64 };

/* Keys and values of all layers.  The vector in row r of head h of a layer is at index
 * layer.first + h * layer.rows + r: it starts at number index * stride of `k` and `v`, its
 * int8 scale is number `index`.  Numbers from head_dim to stride are zero. */
typedef struct ti_kv {
    tern_kv_type type;
    size_t stride; /* head_dim rounded up to 16 */
    size_t n_ctx;
    ti_kv_layer *layers;      /* [n_layer] */
    bool has_ring;            /* of at least one layer */
    size_t reached;           /* positions below this were stored since position 0 was */
    void *k, *v;              /* uint16_t or int8_t */
    float *k_scale, *v_scale; /* int8 only */
    void *memory;
    size_t bytes;
} ti_kv;

/* Index of the first row of a head. */
static inline size_t ti_kv_index(const ti_kv *kv, size_t layer, size_t head)
{
    return kv->layers[layer].first + head * kv->layers[layer].rows;
}

/* Row of a position. */
static inline size_t ti_kv_row(const ti_kv_layer *layer, size_t p)
{
    return p < layer->linear ? p : layer->linear + (p - layer->linear) % layer->ring;
}

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
    float *logits; /* where those after the token go, [n_vocab]; NULL = nobody wants them */
    float *hidden; /* where its state after output_norm goes, [n_embd]; NULL likewise */
} ti_row;

/* Runs rows through the network: fills their cache entries, and the logits and states of those
 * that want them.  Rows of one session are in rising order of position and follow what is in
 * its cache.  n <= the batch's max_rows.  Errors: TERN_IO (the model's file shrank),
 * TERN_CORRUPT (logits or states are not finite). */
tern_status ti_forward(tern_batch *batch, const ti_row *rows, size_t n, tern_err *err);

/* Creates a batch for sessions of up to n_ctx tokens; shared by tern_batch_create() and
 * sessions. */
tern_status ti_batch_new(tern_batch **out, const tern_model *model, uint32_t threads,
                         uint32_t max_rows, uint32_t n_ctx, tern_err *err);

/* Checks that n tokens (n >= 1) are in the vocabulary and fit into the session's context. */
tern_status ti_session_check_tokens(const tern_session *s, const tern_token *tokens, size_t n,
                                    tern_err *err);

/* Makes sure that every key that the next token needs is still there: when more was taken back
 * than a ring keeps, the session's tokens run again from the first one.  Called before rows are
 * made.  Errors: those of ti_forward(). */
tern_status ti_session_settle(tern_session *s, tern_err *err);

/* Whether keys that the token at n_done needs were overwritten. */
static inline bool ti_kv_lost(const ti_kv *kv, size_t n_done)
{
    return kv->has_ring && kv->reached > n_done + TI_KV_STEP;
}

/* Notes that positions up to `end` are stored now, whatever becomes of the pass. */
static inline void ti_kv_note(ti_kv *kv, size_t end)
{
    kv->reached = end > kv->reached ? end : kv->reached;
}

/* Writes the rows that bring the session up to date and past n more tokens; returns their
 * number, (n_tokens - n_done) + n.  Only the last one wants logits, session->logits. */
size_t ti_session_rows(tern_session *s, const tern_token *tokens, size_t n, ti_row *rows);

/* After those rows were run: the tokens belong to the session (NULL: they are in s->tokens
 * already), its logits are valid. */
void ti_session_commit(tern_session *s, const tern_token *tokens, size_t n);

/* Room for max_rows rows, for callers of ti_forward(). */
ti_row *ti_batch_rows(tern_batch *batch);

/* Bytes that a batch holds. */
uint64_t ti_batch_bytes(const tern_batch *batch);

#endif
