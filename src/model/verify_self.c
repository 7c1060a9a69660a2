/* SPDX-License-Identifier: Apache-2.0 */
/* The self-test.  One model is open at a time: what is compared later is kept as logits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/detmath.h"
#include "model/verify_parts.h"
#include "tern/session.h"

static const char module[] = "verify";

enum {
    TOKENS = 12,
    TOKENS_OF_BIG = 4, /* scalar kernels take a second for each */
    SHORT_TOKENS = 64, /* for the reference with both activations */
    /* Both for attention by a pattern: what it leaves out, and rings that go round, show only
     * in a longer text. */
    PATTERN_TOKENS = 256,
    MAX_PARAGRAPH = 512, /* above what any vocabulary needs */
    MAX_KEPT = 1 << 24   /* logits that are kept in doubles: 128 MB */
};
static const uint64_t big_macs = 1000000000;        /* weights that a token meets */
static const uint64_t reference_macs = 30000000000; /* about ten seconds on two threads */
static const uint64_t compared_macs = 1000000000;   /* by every kernel set */

/* Of single precision, relative, after a few operations. */
static const double rounding_error = 1e-6;

/* How much better the other activation must be to be called better, bits a byte. */
static const double clearly_better = 0.1;

typedef struct self {
    const char *path;
    const tern_model_opts *model_opts;
    const ti_verify_opts *opts;
    ti_verify_report *out;
    tern_token *tokens; /* of the paragraph */
    size_t n_tokens, n_short, n_compared;
    size_t n_vocab;
    float *first;                  /* [n_compared][n_vocab] of the first run */
    double *reference;             /* [n_short][n_vocab] */
    uint64_t bytes[MAX_PARAGRAPH]; /* of each token in the text */
} self;

/* --- opening and running ------------------------------------------------------------------ */

static bool opening(void *user, uint64_t done, uint64_t total)
{
    const ti_verify_opts *opts = user;
    return !opts->progress || opts->progress(opts->progress_user, "opening", done, total);
}

static tern_status open_with(const self *s, tern_model **model, const tern_model_opts *how,
                             tern_err *err)
{
    tern_model_opts with = *how;
    with.vocab_only = false;
    with.progress = opening;
    with.progress_user = (void *)(uintptr_t)s->opts;
    return tern_model_open(model, s->path, &with, err);
}

/* As the caller wants it, but the head as the file has it. */
static tern_model_opts exact_opts(const self *s)
{
    tern_model_opts how = *s->model_opts;
    how.head = "own";
    how.act = TERN_ACT_16;
    return how;
}

static tern_status new_session(const self *s, tern_session **session, const tern_model *model,
                               tern_err *err)
{
    const tern_session_opts how = {.n_ctx = (uint32_t)s->n_tokens,
                                   .threads = s->model_opts->threads};
    return tern_session_create(session, model, &how, err);
}

/* Feeds one token and returns the logits after it, or NULL. */
static const float *step(tern_session *session, tern_token token, tern_err *err)
{
    return tern_session_feed(session, &token, 1, err) == TERN_OK
               ? tern_session_logits(session, err)
               : NULL;
}

/* Runs the compared tokens one by one and then all at once.  The first run is kept, later ones
 * are compared with it. */
static tern_status run_both_ways(self *s, tern_session *session, ti_verify_run *run,
                                 tern_err *err)
{
    size_t bytes = s->n_vocab * sizeof(float), n = s->n_compared;
    bool first = s->out->n_runs == 0;
    run->same_steps = true;
    for (size_t i = 0; i < n; i++) {
        const float *logits = step(session, s->tokens[i], err);
        if (!logits) {
            return err->status;
        }
        if (first) {
            memcpy(s->first + i * s->n_vocab, logits, bytes);
        }
        run->same_steps &= memcmp(s->first + i * s->n_vocab, logits, bytes) == 0;
        TI_TRY(ti_verify_step(s->opts, "running", i + 1, n + 1, err));
    }
    TI_TRY(tern_session_truncate(session, 0, err));
    TI_TRY(tern_session_feed(session, s->tokens, n, err));
    const float *logits = tern_session_logits(session, err);
    if (!logits) {
        return err->status;
    }
    run->same_prompt = memcmp(s->first + (n - 1) * s->n_vocab, logits, bytes) == 0;
    return ti_verify_step(s->opts, "running", n + 1, n + 1, err);
}

static tern_status add_run(self *s, const tern_model *model, tern_err *err)
{
    ti_verify_run run = {.sparse = model->sparse};
    tern_session *session = NULL;
    snprintf(run.kernel, sizeof run.kernel, "%s", model->desc.kernel);
    snprintf(run.layout, sizeof run.layout, "%s", model->desc.layout);
    if (s->out->n_runs == TI_VERIFY_MAX_RUNS) {
        return TERN_OK;
    }
    TI_TRY(new_session(s, &session, model, err));
    tern_status status = run_both_ways(s, session, &run, err);
    tern_session_destroy(session);
    if (status == TERN_OK) {
        s->out->runs[s->out->n_runs++] = run;
    }
    return status;
}

/* --- what is run -------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static tern_status prepare(self *s, const tern_model *model, tern_err *err)
{
    size_t cap = least(MAX_PARAGRAPH, model->desc.n_ctx_train);
    uint64_t macs = model->desc.macs_per_token ? model->desc.macs_per_token : 1;
    TI_TRY(ti_verify_paragraph(model, &s->tokens, &s->n_tokens, cap, err));
    if (s->n_tokens < 2) {
        return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                       "the vocabulary makes %zu tokens of a text", s->n_tokens);
    }
    for (size_t i = 0; i < s->n_tokens; i++) {
        size_t len;
        (void)tern_model_token_bytes(model, s->tokens[i], &len);
        s->bytes[i] = len;
    }
    s->n_vocab = model->desc.n_vocab;
    size_t wanted = s->opts->tokens   ? s->opts->tokens
                    : macs > big_macs ? TOKENS_OF_BIG
                                      : TOKENS;
    size_t longest = SHORT_TOKENS;
    if (model->most_listed > 0 && !s->opts->tokens) {
        size_t more = least((size_t)(compared_macs / macs), PATTERN_TOKENS);
        longest = PATTERN_TOKENS;
        wanted = more > wanted ? more : wanted;
    }
    size_t affordable = least((size_t)(reference_macs / macs), MAX_KEPT / s->n_vocab);
    s->n_short = least(least(affordable, longest), s->n_tokens);
    s->n_short = s->n_short < 2 ? 2 : s->n_short;
    s->n_compared = least(wanted, s->n_short);
    s->first = ti_calloc(s->n_compared * s->n_vocab, sizeof *s->first);
    s->reference = ti_calloc(s->n_short * s->n_vocab, sizeof *s->reference);
    if (!s->first || !s->reference) {
        return ti_fail_nomem(err, module, s->n_short * s->n_vocab * sizeof(double), "logits");
    }
    return TERN_OK;
}

static double short_bits_per_byte(const self *s, const double *logits)
{
    double bits = 0.0;
    uint64_t bytes = 0;
    for (size_t i = 1; i < s->n_short; i++) {
        bits += ti_verify_bits(NULL, logits + (i - 1) * s->n_vocab, s->n_vocab, s->tokens[i]);
        bytes += s->bytes[i];
    }
    return bits / (double)(bytes ? bytes : 1);
}

/* What rounding errors do to the logits of this network, measured on the reference. */
static tern_status measure_sensitivity(self *s, ti_ref ref, tern_err *err)
{
    size_t n = s->n_compared * s->n_vocab;
    double *disturbed = ti_calloc(n, sizeof *disturbed);
    if (!disturbed) {
        return ti_fail_nomem(err, module, n * sizeof *disturbed, "logits");
    }
    ref.disturbance = rounding_error;
    ref.phase = "sensitivity";
    tern_status status = ti_ref_logits(disturbed, &ref, s->tokens, s->n_compared, err);
    double off = 0.0, all = 0.0;
    for (size_t i = 0; i < n; i++) {
        off += (disturbed[i] - s->reference[i]) * (disturbed[i] - s->reference[i]);
        all += s->reference[i] * s->reference[i];
    }
    s->out->sensitivity = __builtin_sqrt(off / (all > 0.0 ? all : 1.0));
    free(disturbed);
    return status;
}

static tern_status check_error(self *s, const ti_ref *ref, tern_err *err)
{
    ti_verify_report *out = s->out;
    out->rms_error =
        ti_verify_error(s->first, s->reference, s->n_compared * s->n_vocab, &out->max_error);
    out->error_bound = out->n_ternary > 0 ? TI_VERIFY_ERROR_TERNARY : TI_VERIFY_ERROR;
    if (out->n_ternary == 0 || out->rms_error < out->error_bound) {
        return TERN_OK;
    }
    TI_TRY(measure_sensitivity(s, *ref, err));
    double bound = 3.0 * out->sensitivity;
    bound = bound < TI_VERIFY_ERROR_MOST ? bound : TI_VERIFY_ERROR_MOST;
    out->error_bound = bound > out->error_bound ? bound : out->error_bound;
    return TERN_OK;
}

static void say_reference(const self *s)
{
    ti_verify_report *out = s->out;
    out->compared_tokens = (uint32_t)s->n_compared;
    for (size_t i = 0; i < s->n_compared; i++) {
        size_t at = i * s->n_vocab;
        out->same_choice += ti_verify_best(s->first + at, NULL, s->n_vocab) ==
                            ti_verify_best(NULL, s->reference + at, s->n_vocab);
    }
    char why[64] = "";
    if (out->sensitivity > 0.0) {
        snprintf(why, sizeof why, ", as rounding alone makes %.2f %%",
                 100.0 * out->sensitivity);
    }
    /* also false for NaN */
    bool good = out->rms_error < out->error_bound;
    ti_verify_add(
        out, "reference", good ? TI_VERIFY_PASSED : TI_VERIFY_FAILED,
        "%u tokens, logits %.3f %% off a float64 run (worst %.2f %%; bound %.1f %%%s); "
        "the same choice %u times",
        out->compared_tokens, 100.0 * out->rms_error, 100.0 * out->max_error,
        100.0 * out->error_bound, why, out->same_choice);
}

/* The reference, with the model's activation and with the other one. */
static tern_status compare(self *s, const tern_model *model, tern_err *err)
{
    ti_verify_report *out = s->out;
    ti_ref ref = {
        .gguf = &model->gguf, .config = &model->config, .opts = s->opts, .phase = "reference"};
    TI_TRY(ti_pool_create(&ref.pool, s->model_opts->threads, err));
    tern_status status = ti_ref_logits(s->reference, &ref, s->tokens, s->n_short, err);
    out->short_tokens = (uint32_t)s->n_short;
    if (status == TERN_OK) {
        out->own_bits_per_byte = short_bits_per_byte(s, s->reference);
        status = check_error(s, &ref, err);
    }
    if (status == TERN_OK) {
        say_reference(s);
    }
    double *other = NULL;
    if (status == TERN_OK && !out->synthetic) {
        ref.other_activation = true;
        ref.phase = "other activation";
        other = ti_calloc(s->n_short * s->n_vocab, sizeof *other);
        status = other ? ti_ref_logits(other, &ref, s->tokens, s->n_short, err)
                       : ti_fail_nomem(err, module, s->n_short * s->n_vocab * sizeof *other,
                                       "logits");
    }
    if (other && status == TERN_OK) {
        out->other_bits_per_byte = short_bits_per_byte(s, other);
        bool worse = out->other_bits_per_byte > out->own_bits_per_byte - clearly_better;
        const char *own = model->config.relu2 ? "ReLU^2" : "SiLU";
        const char *not_own = model->config.relu2 ? "SiLU" : "ReLU^2";
        ti_verify_add(out, "activation", worse ? TI_VERIFY_PASSED : TI_VERIFY_FAILED,
                      "%s, as the architecture says: %.2f bits a byte; %s would need %.2f%s",
                      own, out->own_bits_per_byte, not_own, out->other_bits_per_byte,
                      worse ? "" : ": the file is not what it says it is");
    }
    free(other);
    ti_pool_destroy(ref.pool);
    return status;
}

/* --- other ways of running it ------------------------------------------------------------- */

static tern_status run_with(self *s, const tern_model_opts *how, tern_err *err)
{
    tern_model *model = NULL;
    TI_TRY(open_with(s, &model, how, err));
    tern_status status = add_run(s, model, err);
    tern_model_close(model);
    return status;
}

static tern_status run_kernel_sets(self *s, tern_err *err)
{
    char name[TI_VERIFY_NAME_BYTES];
    tern_model_opts how = exact_opts(s);
    for (const char *at = ti_kern_names(); *at;) {
        size_t len = strcspn(at, ", ");
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        at += len + strspn(at + len, ", ");
        how.cpu = name;
        if (strcmp(name, s->out->runs[0].kernel) != 0) {
            TI_TRY(run_with(s, &how, err));
        }
    }
    return TERN_OK;
}

/* The other packing, and skipping, where the model has what they are about. */
static tern_status run_other_ways(self *s, bool skips, tern_err *err)
{
    tern_model_opts how = exact_opts(s);
    bool t5 = strcmp(s->out->runs[0].layout, "t5") == 0;
    if (t5 || strcmp(s->out->runs[0].layout, "t2") == 0) {
        how.layout = t5 ? "t2" : "t5";
        TI_TRY(run_with(s, &how, err));
        how.layout = s->model_opts->layout;
        if (skips) {
            how.sparse = s->out->runs[0].sparse ? TERN_SPARSE_OFF : TERN_SPARSE_ON;
            TI_TRY(run_with(s, &how, err));
        }
    }
    return TERN_OK;
}

/* --- fluency ------------------------------------------------------------------------------ */

/* As the model is run when nobody asks for anything else. */
static tern_status read_paragraph(self *s, tern_session *session, tern_err *err)
{
    ti_verify_report *out = s->out;
    double bits = 0.0, off = 0.0, all = 0.0;
    uint64_t bytes = 0;
    for (size_t i = 0; i + 1 < s->n_tokens; i++) {
        const float *logits = step(session, s->tokens[i], err);
        if (!logits) {
            return err->status;
        }
        bits += ti_verify_bits(logits, NULL, s->n_vocab, s->tokens[i + 1]);
        bytes += s->bytes[i + 1];
        const double *d = s->reference + i * s->n_vocab;
        for (size_t v = 0; i < s->n_compared && v < s->n_vocab; v++) {
            off += ((double)logits[v] - d[v]) * ((double)logits[v] - d[v]);
            all += d[v] * d[v];
        }
        TI_TRY(ti_verify_step(s->opts, "reading a text", i + 1, s->n_tokens - 1, err));
    }
    const double ln_2 = 0.69314718055994530942;
    double each = (double)(s->n_tokens - 1) * ti_log((double)s->n_vocab) / ln_2;
    out->text_tokens = (uint32_t)(s->n_tokens - 1);
    out->text_bytes = (uint32_t)bytes;
    out->bits_per_byte = bits / (double)(bytes ? bytes : 1);
    out->guess_bits_per_byte = each / (double)(bytes ? bytes : 1);
    out->default_rms_error = __builtin_sqrt(off / (all > 0.0 ? all : 1.0));
    return TERN_OK;
}

static tern_status check_fluency(self *s, tern_err *err)
{
    tern_model *model = NULL;
    tern_session *session = NULL;
    TI_TRY(open_with(s, &model, s->model_opts, err));
    tern_status status = new_session(s, &session, model, err);
    if (status == TERN_OK) {
        status = read_paragraph(s, session, err);
    }
    tern_session_destroy(session);
    tern_model_close(model);
    if (status == TERN_OK) {
        ti_verify_say_fluency(s->out);
    }
    return status;
}

static tern_status test_all(self *s, tern_err *err)
{
    tern_model *model = NULL;
    tern_model_opts how = exact_opts(s);
    TI_TRY(open_with(s, &model, &how, err));
    bool skips = model->config.relu2 || model->config.top_k > 0;
    tern_status status = prepare(s, model, err);
    if (status == TERN_OK) {
        status = add_run(s, model, err);
    }
    if (status == TERN_OK) {
        status = compare(s, model, err);
    }
    tern_model_close(model);
    TI_TRY(status);
    TI_TRY(run_kernel_sets(s, err));
    TI_TRY(run_other_ways(s, skips, err));
    ti_verify_say_kernels(s->out);
    return check_fluency(s, err);
}

tern_status ti_verify_self(const char *path, const tern_model_opts *model_opts,
                           const ti_verify_opts *opts, ti_verify_report *out, tern_err *err)
{
    tern_err own = {0}; /* NULL is allowed, and functions that return NULL speak through it */
    self *s = ti_calloc(1, sizeof *s);
    if (!s) {
        return ti_fail_nomem(err, module, sizeof *s, "the self-test");
    }
    *s = (self){.path = path, .model_opts = model_opts, .opts = opts, .out = out};
    tern_status status = test_all(s, &own);
    out->tested = status == TERN_OK;
    free(s->tokens);
    free(s->first);
    free(s->reference);
    free(s);
    if (status != TERN_OK && err) {
        *err = own;
    }
    return status;
}
