/* SPDX-License-Identifier: Apache-2.0 */
/* cli/eval.h - how well a model predicts texts, in bits a byte: the logarithm of the
 * probability of every token, each once, over the bytes of the text, each once.
 *
 * A text is read in windows.  A window begins with tokens that were scored before and are
 * context only; where the vocabulary has a token that begins a text, that token stands before
 * them in every window.  The first token of a text has nothing before it when there is no such
 * token: it costs log2(vocabulary), as a guess does. */
#ifndef TI_CLI_EVAL_H
#define TI_CLI_EVAL_H

#include <stdint.h>

#include "tern/session.h"

/* What was measured of one text, or of several together. */
typedef struct ti_eval_score {
    const char *path; /* of a text, the caller's */
    uint64_t bytes, tokens, windows;
    double nats;      /* sum of -ln p */
    double low, high; /* 95 % of the bits a byte; NAN when the text is too short for it */
    double seconds;   /* of tokenizing and of the forward passes */
} ti_eval_score;

/* A part of a text. */
typedef struct ti_eval_block {
    double nats, bytes;
} ti_eval_block;

typedef struct ti_eval {
    const tern_model *model;
    tern_session *session;
    uint32_t n_vocab, window, overlap;
    tern_token bos;            /* what begins every window, or TERN_TOKEN_NONE */
    tern_progress_fn progress; /* gets bytes; false ends it with TERN_CANCELLED; or NULL */
    void *progress_user;
    tern_token *inputs, *targets; /* [window] */
    double *nats;                 /* [window] */
    ti_eval_block *blocks;        /* of all texts */
    size_t n_blocks, blocks_room;
} ti_eval;

/* For `overlap`: half of the window, as far as the vocabulary allows it. */
#define TI_EVAL_HALF UINT32_MAX

/* Prepares for texts that `session`, which holds `window` tokens and is borrowed, will read;
 * `overlap` tokens of a window were scored in the one before.  ti_eval_end() afterwards, also
 * after a failure.
 * Errors: TERN_USAGE for an overlap that leaves nothing to score; TERN_NOMEM. */
tern_status ti_eval_begin(ti_eval *e, const tern_model *model, tern_session *session,
                          uint32_t window, uint32_t overlap, tern_err *err);

/* Scores a text of any bytes; out->path is kept.  What was in the session is forgotten.
 * Errors: TERN_USAGE for an empty text, TERN_UNSUPPORTED when the vocabulary cannot spell it,
 * TERN_CANCELLED, TERN_NOMEM, those of tern_session_score(). */
tern_status ti_eval_text(ti_eval *e, const char *data, size_t size, ti_eval_score *out,
                         tern_err *err);

/* The scores of n texts, all that were scored since ti_eval_begin(), together. */
void ti_eval_sum(const ti_eval *e, const ti_eval_score *scores, size_t n, ti_eval_score *all);

/* Bits for a byte: nats / ln 2 / bytes. */
double ti_eval_bits_per_byte(const ti_eval_score *s);

/* Frees the memory; the session and the model are the caller's. */
void ti_eval_end(ti_eval *e);

#endif
