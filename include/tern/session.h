/* SPDX-License-Identifier: Apache-2.0 */
/* tern/session.h - a session: tokens, their key/value cache, a sampler.
 *
 * A session is used by one thread at a time; different sessions of one model may be used by
 * different threads at once.  tern_batch advances several sessions together: the answers are
 * the same bits as if each had been alone. */
#ifndef TERN_SESSION_H
#define TERN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tern/model.h"
#include "tern/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tern_session tern_session;
typedef struct tern_batch tern_batch;

/* How keys and values are kept. */
typedef enum tern_kv_type {
    TERN_KV_F16 = 0, /* half precision */
    TERN_KV_I8       /* int8 with one scale for each head and token: half the memory */
} tern_kv_type;

/* Options of tern_session_create().  Zero-initialise; every zero is the default. */
typedef struct tern_session_opts {
    uint32_t n_ctx;   /* tokens the session can hold; 0 = the model's, at most 4096 */
    uint32_t threads; /* threads that compute; 0 = all CPUs of this process */
    uint32_t chunk;   /* prompt tokens read together; 0 = 512 */
    tern_kv_type kv;  /* type of the key/value cache */
} tern_session_opts;

/* How the next token is chosen.  Zero-initialise: the default is greedy. */
typedef struct tern_sampler_opts {
    float temperature;       /* 0 = greedy: the most likely token, lowest id on a tie */
    uint32_t top_k;          /* keep the k most likely tokens; 0 = all */
    float top_p;             /* keep the likeliest tokens that sum to p; 0 or 1 = all */
    float min_p;             /* drop tokens under min_p x the likeliest; 0 = none */
    float repeat_penalty;    /* divide (multiply if negative) logits of recent tokens; 0 or
                                1 = off */
    float presence_penalty;  /* subtract from logits of recent tokens */
    float frequency_penalty; /* subtract for each occurrence of a recent token */
    uint32_t penalty_last_n; /* how many tokens are recent; 0 = 64 */
    uint64_t seed;           /* the same seed gives the same text on every machine */
} tern_sampler_opts;

/* Writes what the model's file recommends (keys general.sampling.*); all zero, which is greedy,
 * where it recommends nothing.  A session does not use it unasked. */
TERN_API void tern_model_recommended_sampler(const tern_model *model, tern_sampler_opts *out);

/* Creates a session.  Memory: n_ctx times the key/value bytes of a token, plus scratch for one
 * chunk; tern_session_bytes() tells.  All of it is allocated here: generating a token
 * allocates nothing.
 * Errors: TERN_NOMEM; TERN_LIMIT when n_ctx is more than the model was trained for;
 * TERN_USAGE for a vocab_only model; TERN_IO when a thread cannot be started. */
TERN_API TERN_MUST_USE tern_status tern_session_create(tern_session **out,
                                                       const tern_model *model,
                                                       const tern_session_opts *opts,
                                                       tern_err *err);

/* Destroys a session.  NULL is allowed. */
TERN_API void tern_session_destroy(tern_session *session);

/* Returns the bytes of memory that a session holds. */
TERN_API uint64_t tern_session_bytes(const tern_session *session);

/* Sets how tokens are chosen and restarts the random sequence at the seed.
 * Errors: TERN_USAGE when a value is not finite or out of its range. */
TERN_API TERN_MUST_USE tern_status tern_session_set_sampler(tern_session *session,
                                                            const tern_sampler_opts *opts,
                                                            tern_err *err);

/* Returns how tokens are chosen.  It belongs to the session. */
TERN_API const tern_sampler_opts *tern_session_sampler(const tern_session *session);

/* Reads tokens: appends them and computes the logits of the last one.  Bit-equal for every
 * division of a text into calls.  Cost: one forward pass for each chunk.
 * Errors: TERN_LIMIT when the context is full; TERN_USAGE for a token that is not in the
 * vocabulary; TERN_IO when the model's file shrank while it was mapped.  On failure the
 * session keeps the tokens it had. */
TERN_API TERN_MUST_USE tern_status tern_session_feed(tern_session *session,
                                                     const tern_token *tokens, size_t n,
                                                     tern_err *err);

/* Tokenizes NUL-terminated text (TERN_TOKENIZE_BOS for the first text of a session, and
 * TERN_TOKENIZE_SPECIAL) and feeds it.  Errors: those of both. */
TERN_API TERN_MUST_USE tern_status tern_session_feed_text(tern_session *session,
                                                          const char *text, tern_err *err);

/* Chooses the next token from the logits, appends it and returns it.  The forward pass of the
 * chosen token is made by the next call that needs it.
 * Errors: TERN_USAGE when nothing was fed; TERN_LIMIT when the context is full. */
TERN_API TERN_MUST_USE tern_status tern_session_next(tern_session *session, tern_token *token,
                                                     tern_err *err);

/* Returns the logits after the last token, [n_vocab], computing them if needed, or NULL on
 * failure (then `err` says why).  They belong to the session, until its next call. */
TERN_API const float *tern_session_logits(tern_session *session, tern_err *err);

/* Reads tokens as tern_session_feed() does and says how surprised the model was by what came
 * next: nats[i] = -ln p(targets[i]), after everything up to tokens[i]; 0 where targets[i] is
 * TERN_TOKEN_NONE.  To measure a text t, feed it with targets[i] = t[i + 1].  Bit-equal for
 * every division into calls.  Memory during the call: logits of some hundred tokens, 16 MB or
 * 8 * n_vocab floats.
 * Errors: those of tern_session_feed(), and TERN_NOMEM; `nats` is untouched then. */
TERN_API TERN_MUST_USE tern_status tern_session_score(tern_session *session,
                                                      const tern_token *tokens,
                                                      const tern_token *targets, size_t n,
                                                      double *nats, tern_err *err);

/* Reads tokens as tern_session_feed() does and gives the final hidden state of each: the
 * residual stream after the last block, through output_norm, which is what the output head
 * gets.  hidden [n][n_embd], the caller's, one row for each of `tokens` and nothing between;
 * n_embd is that of tern_model_describe().  Bit-equal for every division into calls, chunk,
 * number of threads and CPU.  The head is not computed, so a text costs less than by
 * tern_session_feed(); logits of the last token are made when somebody asks for them.  Memory
 * during the call: as much as `hidden`.
 * Errors: those of tern_session_feed(), TERN_CORRUPT when a state is not finite, and
 * TERN_NOMEM; `hidden` is untouched then and the session keeps the tokens it had. */
TERN_API TERN_MUST_USE tern_status tern_session_hidden(tern_session *session,
                                                       const tern_token *tokens, size_t n,
                                                       float *hidden, tern_err *err);

/* Returns the tokens of the session and their number in `n`.  They belong to the session. */
TERN_API const tern_token *tern_session_tokens(const tern_session *session, size_t *n);

/* Forgets all tokens after the first `n`.  Cost: nothing.  Errors: TERN_USAGE when the session
 * has fewer. */
TERN_API TERN_MUST_USE tern_status tern_session_truncate(tern_session *session, size_t n,
                                                         tern_err *err);

/* Writes the session (tokens, cache, sampler) to a file that tern_session_load() of the same
 * model reads.  Crash-safe: the file is whole or is not there.  Errors: TERN_IO, TERN_NOMEM. */
TERN_API TERN_MUST_USE tern_status tern_session_save(const tern_session *session,
                                                     const char *path, tern_err *err);

/* Replaces the session's state by a saved one; what follows is bit-equal to what would have
 * followed the save.  Errors: TERN_IO; TERN_CORRUPT; TERN_USAGE when the file belongs to
 * another model or kind of cache; TERN_LIMIT when it holds more tokens than n_ctx.  On failure
 * the session is unchanged. */
TERN_API TERN_MUST_USE tern_status tern_session_load(tern_session *session, const char *path,
                                                     tern_err *err);

/* --- traces ------------------------------------------------------------------------------ */

/* Receives the residual stream after block `layer` (from 0) for the token at `position`: x [n],
 * n = the model's n_embd, valid during the call only.  Called by the threads that compute, by
 * several at once for different (position, layer); for one position in order of layers unless
 * the session is cut back and goes on.  It must not call the session. */
typedef void (*tern_trace_fn)(void *user, uint32_t position, tern_token token, uint32_t layer,
                              const float *x, size_t n);

/* Shows every layer's output of every token that is computed from now on to `fn`; NULL ends it.
 * Off by default and then without cost.  The bits are the same on every machine, and the
 * results of the session do not change. */
TERN_API void tern_session_set_trace(tern_session *session, tern_trace_fn fn, void *user);

/* --- several sessions at once ------------------------------------------------------------ */

/* One session's part of a step. */
typedef struct tern_batch_item {
    tern_session *session;    /* not twice in one step */
    const tern_token *tokens; /* [n] tokens to append, owned by the caller */
    size_t n;                 /* at least 1 */
} tern_batch_item;

/* Creates the threads and scratch that advance up to `max_rows` tokens at a time, for sessions
 * of `model`.  threads 0 = all CPUs.  Errors: TERN_NOMEM, TERN_IO, TERN_USAGE. */
TERN_API TERN_MUST_USE tern_status tern_batch_create(tern_batch **out, const tern_model *model,
                                                     uint32_t threads, uint32_t max_rows,
                                                     tern_err *err);

/* Destroys a batch, not its sessions.  NULL is allowed. */
TERN_API void tern_batch_destroy(tern_batch *batch);

/* Appends each item's tokens to its session in one forward pass and computes the logits of its
 * last one.  All sessions advance or none does.  Errors: those of tern_session_feed(), and
 * TERN_LIMIT when the items have more than max_rows tokens together. */
TERN_API TERN_MUST_USE tern_status tern_batch_step(tern_batch *batch,
                                                   const tern_batch_item *items, size_t n,
                                                   tern_err *err);

#ifdef __cplusplus
}
#endif

#endif
