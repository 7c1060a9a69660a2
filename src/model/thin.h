/* SPDX-License-Identifier: Apache-2.0 */
/* model/thin.h - will a small local model do?  A ternary classifier in whole numbers.
 *
 * "Thin" is what it has learnt to recognise: short everyday requests, of 150 kinds (its
 * intents). All else is "thick": it says nothing of how hard that is.  A second network guesses
 * how likely a weak and a strong model are right about a question; what it is worth is in
 * models/tern-thin.md.
 *
 * The file is a GGUF with the architecture "tern-thin".  For each of the networks NET = intent
 * and gain:
 *   tensor NET.rows [256, R]  ternary, R a power of two: what the features (model/thin_text.h)
 *                             add, row hash mod R
 *   tensor NET.head [256, N]  ternary, N outputs: the intents; 2 (weak and strong are right)
 *   key tern-thin.NET.bias [256], tern-thin.NET.head_bias [N]: int32
 * and the keys tern-thin.intent.names (N strings), tern-thin.threshold (int32 [1]),
 * tern-thin.known, tern-thin.other and tern-thin.gain.known (int32, rising): best scores of
 * sentences of the validation part that are in scope, that are not, and gains of prompts.
 *
 * An output is head x a + head_bias, where a = s / rms(s) + bias in 256ths, cut to 0 .. 4095,
 * and s is the sum of the rows: integers, so the same on every machine. */
#ifndef TI_MODEL_THIN_H
#define TI_MODEL_THIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"
#include "base/str.h"
#include "model/gguf.h"

enum {
    TI_THIN_WIDTH = 256,
    TI_THIN_ROWS_MAX = 1 << 20,
    TI_THIN_OUTPUTS_MAX = 4096,
    TI_THIN_SCORES_MAX = 4096 /* values in a list of scores */
};

typedef struct ti_thin_net {
    const ti_gguf_tensor *rows;
    uint32_t n_rows, n_outputs;
    int32_t bias[TI_THIN_WIDTH];
    int8_t *head;       /* [n_outputs][TI_THIN_WIDTH] */
    int32_t *head_bias; /* [n_outputs] */
} ti_thin_net;

/* Rising scores, to place another one among them. */
typedef struct ti_thin_scores {
    int32_t *values; /* [n] */
    uint32_t n;
} ti_thin_scores;

/* Immutable once it is open: any number of threads may ask it. */
typedef struct ti_thin {
    ti_gguf gguf;
    ti_arena arena;
    ti_thin_net intent, gain;
    ti_str *names; /* [intent.n_outputs] */
    int32_t threshold;
    ti_thin_scores known, other, gains;
    uint8_t sha256[TI_SHA256_BYTES]; /* of the file: which classifier said so */
} ti_thin;

typedef struct ti_thin_answer {
    bool thin;
    uint64_t words;
    uint32_t intent;          /* the likeliest, also of a thick text */
    int32_t score, threshold; /* thin: score >= threshold */
    uint32_t known_permille;  /* of validation sentences in scope, how many score lower */
    uint32_t other_permille;  /* of those out of scope */
    int32_t gain; /* log-odds that the strong model is right, less those of the weak */
    uint32_t gain_permille; /* of the validation prompts, how many have a smaller one */
} ti_thin_answer;

/* Opens the file; ti_thin_close() frees it.  Nothing in it is believed before it was checked.
 * Errors: those of ti_gguf_open(); TERN_CORRUPT, TERN_UNSUPPORTED (another architecture),
 * TERN_LIMIT, TERN_NOMEM. */
tern_status ti_thin_open(ti_thin *out, const char *path, tern_err *err);

/* The same for bytes in memory, which must live as long. */
tern_status ti_thin_parse(ti_thin *out, const void *data, uint64_t size, tern_err *err);

/* Zeroed is allowed. */
void ti_thin_close(ti_thin *thin);

/* Classifies `len` bytes, whatever they are.  Allocates nothing.  Cost: O(len), and about 130
 * rows of 256 weights for a short sentence. */
void ti_thin_ask(ti_thin_answer *out, const ti_thin *thin, const char *text, size_t len);

#endif
