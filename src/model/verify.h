/* SPDX-License-Identifier: Apache-2.0 */
/* model/verify.h - is a model file sound, and does the engine run it right?
 *
 * Two stages.  The first reads all of the file: directory, shapes, every weight and scale, the
 * vocabulary.  The self-test then runs the model:
 *
 *  reference  The engine's logits against those of a second, simple implementation in float64.
 *  kernels    Every kernel set, packing and sparse mode of this CPU must give the same bits.
 *  fluency    How many bits the model needs for a byte of plain English.  A model that is run
 *             with a wrong activation, norm or rotation loads without complaint and prints
 *             nonsense; engine and reference may agree on it.  This notices.
 *  activation Whether the other activation (SiLU or ReLU^2) would predict the text better. */
#ifndef TI_MODEL_VERIFY_H
#define TI_MODEL_VERIFY_H

#include "tern/model.h"

enum {
    TI_VERIFY_MAX_CHECKS = 8,
    TI_VERIFY_MAX_RUNS = 16,
    TI_VERIFY_NAME_BYTES = 16,
    TI_VERIFY_TEXT_BYTES = 200
};

/* Bounds of the reference error: the root mean square of the logits' differences over that of
 * the logits.  Models without ternary matrices stay under 0.05 %.  Inputs of ternary matrices
 * are rounded to int8, and a number that lies between two steps may fall to either side in
 * single and in double precision: such flips make 1 % in a few layers of random weights, and
 * 5 % in thirty.  So the bound of a ternary model that is over its own is three times what
 * changes when the reference's inputs are disturbed as much as single precision would, at most
 * the last one.  A wrong activation, rotation or norm makes 20 % and more. */
#define TI_VERIFY_ERROR 0.002
#define TI_VERIFY_ERROR_TERNARY 0.03
#define TI_VERIFY_ERROR_MOST 0.18

/* Shares of the bits that a guess without any knowledge needs (log2 of the vocabulary's size
 * for each token): trained models need less than the first, nonsense more than the second. */
#define TI_VERIFY_FLUENT 0.6
#define TI_VERIFY_NONSENSE 0.8

typedef enum ti_verdict {
    TI_VERIFY_PASSED = 0,
    TI_VERIFY_NOTE, /* nothing that was checked, or nothing to complain about */
    TI_VERIFY_FAILED
} ti_verdict;

typedef struct ti_verify_check {
    const char *name; /* "file", "vocab", "engine", "reference", "kernels", ...; static */
    ti_verdict verdict;
    char text[TI_VERIFY_TEXT_BYTES]; /* one line */
} ti_verify_check;

/* One way of running the model. */
typedef struct ti_verify_run {
    char kernel[TI_VERIFY_NAME_BYTES], layout[TI_VERIFY_NAME_BYTES];
    bool sparse;
    bool same_steps;  /* the bits of the first run, token by token */
    bool same_prompt; /* and all tokens at once */
} ti_verify_run;

typedef struct ti_verify_report {
    ti_verify_check checks[TI_VERIFY_MAX_CHECKS];
    size_t n_checks;
    /* of the file */
    uint64_t n_tensors, n_weights;
    uint64_t n_ternary, n_zero; /* weights of ternary tensors; of these, zeros */
    uint32_t n_vocab, texts_passed, texts_tried;
    bool has_chat, synthetic;
    /* of the self-test */
    bool tested;
    uint32_t compared_tokens, same_choice; /* of these, how often both choose the same token */
    double rms_error, max_error;           /* relative to the root mean square of the logits */
    double error_bound;                    /* for the first of them */
    double sensitivity;       /* to a disturbance of the inputs; 0 when not measured */
    double default_rms_error; /* of the head that is used when nothing else is asked for */
    ti_verify_run runs[TI_VERIFY_MAX_RUNS];
    size_t n_runs;
    uint32_t text_tokens, text_bytes; /* that were predicted */
    double bits_per_byte, guess_bits_per_byte;
    uint32_t short_tokens; /* the beginning, in the reference, with both activations */
    double own_bits_per_byte, other_bits_per_byte;
} ti_verify_report;

/* Zero-initialise; zeros are the defaults. */
typedef struct ti_verify_opts {
    bool selftest;
    uint32_t tokens; /* compared with the reference; 0 = 12, 4 for models over a billion */
    /* Called often; `phase` is static text.  Return false to cancel.  NULL = none. */
    bool (*progress)(void *user, const char *phase, uint64_t done, uint64_t total);
    void *progress_user;
} ti_verify_opts;

/* Verifies a file.  The options of the model are those of tern_model_open(); the comparison
 * with the reference is always made with the head as the file has it.
 * Memory: that of the opened model; with self-test a few MB for each token more.  Cost: reading
 * all weights twice; the self-test opens the model once for each kernel set, and takes seconds
 * for a small model and a minute or two for one of two billion weights.
 * Returns TERN_OK; TERN_NO when a check failed (`out` is filled, `err` says which was first);
 * those of tern_model_open() for a file that cannot be used; TERN_CANCELLED. */
tern_status ti_verify(const char *path, const tern_model_opts *model_opts,
                      const ti_verify_opts *opts, ti_verify_report *out, tern_err *err);

#endif
