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

/* The grammar of the text that is being chosen (model/constrain.c). */
typedef struct ti_constraint ti_constraint;

struct tern_session {
    const tern_model *model;
    tern_batch *batch; /* private, or that of its home */
    bool guest;        /* batch, rope and sampler_scratch are its home's */
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
    ti_constraint *constraint; /* or NULL */
    tern_trace_fn trace;       /* or NULL */
    void *trace_user;
    ti_arena arena;
};

/* Frees a constraint.  NULL is allowed. */
void ti_constraint_free(ti_constraint *c);

/* Bytes that a constraint holds; 0 for NULL. */
uint64_t ti_constraint_bytes(const ti_constraint *c);

/* Tokens that may come next, as ti_matcher_mask() has them.  Errors: those, and TERN_USAGE
 * after the end. */
tern_status ti_constraint_mask(ti_constraint *c, const uint64_t **mask, tern_err *err);

/* Moves on by a token of that mask. */
tern_status ti_constraint_take(ti_constraint *c, const tern_model *model, tern_token token,
                               tern_err *err);

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

/* Positions [from, to) of a layer. */
typedef struct ti_kv_part {
    size_t from, to;
} ti_kv_part;

/* What a query at n - 1 or later can see of n positions: the first ones, and of a ring its last
 * ones. */
static inline void ti_kv_parts(ti_kv_part parts[2], const ti_kv_layer *layer, size_t n)
{
    size_t linear = n < layer->linear ? n : layer->linear;
    size_t reach = layer->ring - TI_KV_STEP + 1; /* of a ring; else the second part is empty */
    parts[0] = (ti_kv_part){0, linear};
    parts[1] = (ti_kv_part){n - linear > reach ? n - reach : linear, n};
}

/* Room for max_rows rows, for callers of ti_forward(). */
ti_row *ti_batch_rows(tern_batch *batch);

/* Bytes that a batch holds. */
uint64_t ti_batch_bytes(const tern_batch *batch);

/* The threads of a batch, for other work between two passes. */
ti_pool *ti_batch_pool(tern_batch *batch);

/* One session's part of a pass.  The tokens that it holds and has not run go first. */
typedef struct ti_batch_part {
    tern_session *session;    /* not twice in one pass */
    const tern_token *tokens; /* [n] to append, the caller's */
    size_t n;                 /* may be 0 when a token waits */
    bool logits;              /* whether those after the last one are wanted */
} ti_batch_part;

/* tern_batch_step() with parts. */
tern_status ti_batch_run(tern_batch *batch, const ti_batch_part *parts, size_t n,
                         tern_err *err);

/* --- many sessions of one thread (home.c) --------------------------------------------------
 */

/* What sessions that one thread advances need only once: threads and scratch for passes of
 * max_rows, and tables for up to n_ctx tokens. */
typedef struct ti_home {
    const tern_model *model;
    tern_batch *batch;
    ti_rope rope;
    uint32_t n_ctx;
    ti_arena arena;
} ti_home;

/* Creates a home.  n_ctx is at most what the model was trained for.  Errors: those of
 * tern_batch_create(). */
tern_status ti_home_create(ti_home *out, const tern_model *model, uint32_t threads,
                           uint32_t max_rows, uint32_t n_ctx, tern_err *err);

/* Frees it; its sessions are gone.  A zeroed one is allowed. */
void ti_home_destroy(ti_home *home);

/* Creates a session of up to n_ctx <= home->n_ctx tokens that has nothing of its own but
 * tokens, cache and logits.  It has no scratch for a sampler: who calls tern_session_next()
 * sets session->sampler_scratch before (ti_sampler_scratch_bytes()).  Errors: TERN_NOMEM. */
tern_status ti_home_session(tern_session **out, const ti_home *home, uint32_t n_ctx,
                            tern_kv_type kv, tern_err *err);

/* Bytes that such a session holds; UINT64_MAX where they do not fit 64 bits. */
uint64_t ti_home_session_bytes(const ti_home *home, uint32_t n_ctx, tern_kv_type kv);

/* Gives `to`, which is empty, the first n tokens of `from` with their keys and values (n <=
 * those that from has run, and what `to` holds; same model and kind of cache), and the logits
 * if they are those after the n-th: the bits that running them gives.  Cost: a copy, by the
 * home's threads. Returns n, or 0 when `from` does not have all that is needed any more; `to`
 * stays empty. */
size_t ti_session_adopt(tern_session *to, const tern_session *from, size_t n);

/* --- insides that home.c shares ------------------------------------------------------------
 */

/* Makes the tables of n_ctx positions in an arena.  Errors: TERN_NOMEM. */
tern_status ti_rope_create(ti_rope *out, const tern_model *model, uint32_t n_ctx,
                           ti_arena *arena, tern_err *err);

/* Makes the cache of a session whose n_ctx is set.  Errors: TERN_NOMEM, TERN_LIMIT. */
tern_status ti_kv_create(tern_session *s, tern_kv_type type, tern_err *err);

/* Divides a cache of n_ctx tokens between the layers [n_layer]; returns the number of vectors
 * in *vectors, and whether a layer has a ring. */
bool ti_kv_lay_out(ti_kv_layer *layers, const tern_model *model, uint32_t n_ctx,
                   uint64_t *vectors);

#endif
