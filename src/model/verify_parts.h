/* SPDX-License-Identifier: Apache-2.0 */
/* model/verify_parts.h - what the files of model verification share; private to them.
 *
 *   verify.c       the checks in order, and what is said about them
 *   verify_rows.c  rows of tensors of every type, and whether their codes are valid
 *   verify_text.c  the tokenizer, how well a text is predicted, how far logits are apart
 *   verify_ref.c   the network in float64
 *   verify_smdr.c  what smdr adds to that
 *   verify_self.c  the engine against that, kernel sets against each other */
#ifndef TI_MODEL_VERIFY_PARTS_H
#define TI_MODEL_VERIFY_PARTS_H

#include "model/verify.h"
#include "model/weights.h"

/* --- rows --------------------------------------------------------------------------------- */

/* A tensor whose rows can be had as floats. */
typedef struct ti_rows {
    const ti_gguf_tensor *tensor;
    ti_mat mat;   /* a packed one; data NULL for the types of others */
    float factor; /* of all weights: its `.scale` tensor */
    bool ternary; /* its products take int8 inputs, one scale a token */
} ti_rows;

/* Room for one row of a tensor; one for each thread. */
typedef struct ti_row_room {
    float *values, *scales;
    uint8_t *codes;
} ti_row_room;

/* Allocates room for rows of k weights; free both with ti_row_room_free().  False: no memory.
 */
bool ti_row_room_new(ti_row_room *room, uint64_t k);
void ti_row_room_free(ti_row_room *room);

/* Prepares a tensor.  Errors: TERN_UNSUPPORTED for a type without floats, TERN_CORRUPT. */
tern_status ti_rows_open(ti_rows *rows, const ti_gguf *gguf, const ti_gguf_tensor *t,
                         tern_err *err);

/* Puts row r into room->values. */
void ti_rows_get(const ti_rows *rows, uint64_t r, ti_row_room *room);

/* Puts row r into room->values and looks at it.  Returns NULL, or what is wrong with it. */
const char *ti_rows_check(const ti_rows *rows, uint64_t r, ti_row_room *room);

/* --- the reference ------------------------------------------------------------------------ */

typedef struct ti_ref {
    const ti_gguf *gguf;
    const ti_config *config;
    ti_pool *pool;
    bool other_activation; /* SiLU for ReLU^2 and the other way round */
    double disturbance;    /* relative, of the embeddings, to see what rounding may do */
    const ti_verify_opts *opts;
    const char *phase; /* for its progress function */
} ti_ref;

/* Computes the logits [n][n_vocab] after each of n tokens, in double precision, from the
 * tensors as they are in the file.  Shares with the engine: the formats' conversions to float,
 * exp, log, sin and cos.  Inputs of ternary matrices are rounded to int8 as kern/kern.h has it,
 * keys and values to halves as the cache does; everything else is as exact as double is.
 * Memory: about n * (n_vocab + 4 n_ff) doubles.  Cost: about 1 s for a billion weights x tokens
 * and thread.  Errors: TERN_CORRUPT, TERN_UNSUPPORTED, TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_ref_logits(double *logits, const ti_ref *ref, const tern_token *tokens, size_t n,
                          tern_err *err);

/* Whether the query at position i of a layer sees the key at j.  `random` is what
 * ti_ref_random_offsets() made; NULL where no layer has that kind. */
bool ti_ref_sees(const ti_config *c, size_t layer, const uint8_t *random, uint64_t i,
                 uint64_t j);

/* chosen[o] = 1 for the offsets of the kind `random`, else 0, o < c->n_ctx. */
void ti_ref_random_offsets(const ti_config *c, uint8_t *chosen);

/* Zeroes all but the k of n numbers that have the largest magnitude, of equal ones the first.
 * Errors: TERN_NOMEM. */
tern_status ti_ref_keep_largest(double *x, size_t n, size_t k, tern_err *err);

/* --- text --------------------------------------------------------------------------------- */

/* Tokenizes some texts and back.  *passed of *tried came back as they were. */
tern_status ti_verify_round_trips(const tern_model *model, uint32_t *passed, uint32_t *tried,
                                  tern_err *err);

/* Tokens of a paragraph of English, at most `cap`, with the begin-of-text token where the model
 * wants one; free(*tokens). */
tern_status ti_verify_paragraph(const tern_model *model, tern_token **tokens, size_t *n,
                                size_t cap, tern_err *err);

/* -log2 of the probability that n logits, `f` or else `d`, give to a token. */
double ti_verify_bits(const float *f, const double *d, size_t n, tern_token token);

/* Index of the largest of n logits, the first of equal ones. */
size_t ti_verify_best(const float *f, const double *d, size_t n);

/* Root mean square of the difference, and in `max` its maximum, both relative to the root mean
 * square of the reference `d`. */
double ti_verify_error(const float *f, const double *d, size_t n, double *max);

/* --- the self-test ------------------------------------------------------------------------ */

/* Adds its checks to the report.  Errors: those of opening the model; TERN_CANCELLED. */
tern_status ti_verify_self(const char *path, const tern_model_opts *model_opts,
                           const ti_verify_opts *opts, ti_verify_report *out, tern_err *err);

/* Adds a check to the report. */
void ti_verify_add(ti_verify_report *out, const char *name, ti_verdict verdict,
                   const char *format, ...) TI_PRINTF(4, 5);

/* Adds what the figures in the report say about fluency, and about the runs. */
void ti_verify_say_fluency(ti_verify_report *out);
void ti_verify_say_kernels(ti_verify_report *out);

/* Reports progress; TERN_CANCELLED when the caller wants to stop. */
tern_status ti_verify_step(const ti_verify_opts *opts, const char *phase, uint64_t done,
                           uint64_t total, tern_err *err);

#endif
