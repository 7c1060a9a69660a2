/* SPDX-License-Identifier: Apache-2.0 */
/* tern eval: bits a byte of texts (cli/eval.h). */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/eval.h"
#include "cli/out.h"

#define TEXT_MAX ((size_t)1 << 31)

typedef struct eval_args {
    ti_model_args model;
    ti_session_args session;
    uint32_t overlap;
    uint64_t bytes;
    bool json;
} eval_args;

static const eval_args defaults = {.overlap = TI_EVAL_HALF};

static const ti_opt opts[] = {
    TI_OPT_MODEL(eval_args, model),
    {.type = TI_OPT_U32,
     .name = "ctx",
     .metavar = "N",
     .help = "tokens of a window",
     .fallback = "the model's context, at most 4096",
     .offset = offsetof(eval_args, session.ctx)},
    {.type = TI_OPT_U32,
     .name = "overlap",
     .metavar = "N",
     .help = "tokens of a window that were scored in the one before and are context only",
     .fallback = "half of the window",
     .offset = offsetof(eval_args, overlap)},
    {.type = TI_OPT_U64,
     .name = "bytes",
     .metavar = "N",
     .help = "measure only the first N bytes of each file",
     .fallback = "all",
     .offset = offsetof(eval_args, bytes)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.eval/1",
     .offset = offsetof(eval_args, json)},
    {.type = TI_OPT_HEADING, .help = "Engine"},
    TI_OPTS_ENGINE(eval_args, model),
    {.type = TI_OPT_CHOICE,
     .name = "kv",
     .metavar = "TYPE",
     .help = "how keys and values are kept; i8 takes half the memory",
     .choices = "f16|i8",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(eval_args, session.kv)},
    {.type = TI_OPT_U32,
     .name = "chunk",
     .metavar = "N",
     .help = "tokens read together",
     .fallback = "512",
     .max = 65536,
     .offset = offsetof(eval_args, session.chunk)},
    TI_OPTS_READING(eval_args, model),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "FILE", .help = "texts; any bytes", .words = TI_WORDS_FILE, .repeated = true},
    {0},
};

typedef struct eval {
    const eval_args *args;
    tern_model *model;
    tern_session *session;
    tern_model_desc desc;
    ti_eval core;
} eval;

/* --- what is printed ---------------------------------------------------------------------- */

static void json_score(ti_buf *json, const ti_eval_score *s)
{
    ti_json_uint(json, "bytes", s->bytes);
    ti_json_uint(json, "tokens", s->tokens);
    ti_json_uint(json, "windows", s->windows);
    ti_json_num(json, "nats", s->nats, 12);
    ti_json_num(json, "bits_per_byte", ti_eval_bits_per_byte(s), 9);
    if (!isnan(s->low)) {
        ti_json_open(json, "bits_per_byte_95", '[');
        ti_json_num(json, NULL, s->low, 9);
        ti_json_num(json, NULL, s->high, 9);
        ti_json_close(json, ']');
    }
    ti_json_num(json, "nats_per_token", s->nats / (double)s->tokens, 9);
    ti_json_num(json, "perplexity", exp(s->nats / (double)s->tokens), 9);
    ti_json_num(json, "bytes_per_token", (double)s->bytes / (double)s->tokens, 6);
    ti_json_num(json, "seconds", s->seconds, 6);
    ti_json_num(json, "tokens_per_s", (double)s->tokens / s->seconds, 6);
}

static tern_status print_document(const eval *e, const ti_eval_score *scores, size_t n,
                                  const ti_eval_score *all, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.eval/1");
    ti_json_model(&json, &e->desc);
    ti_json_uint(&json, "context", e->core.window);
    ti_json_uint(&json, "overlap", e->core.overlap);
    ti_json_bool(&json, "bos", e->core.bos != TERN_TOKEN_NONE);
    ti_json_open(&json, "files", '[');
    for (size_t i = 0; i < n; i++) {
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "path", scores[i].path);
        json_score(&json, &scores[i]);
        ti_json_close(&json, '}');
    }
    ti_json_close(&json, ']');
    ti_json_open(&json, "all", '{');
    json_score(&json, all);
    ti_json_close(&json, '}');
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static void print_score(const ti_eval_score *s)
{
    char interval[64] = "too short for an interval";
    if (!isnan(s->low)) {
        snprintf(interval, sizeof interval, "95 %%: %.4f to %.4f", s->low, s->high);
    }
    ti_printf("%s%.4f bits/byte%s (%s), %.4f nats/token, %" PRIu64 " bytes in %" PRIu64
              " tokens, %.1f tokens/s  %s\n",
              ti_bold(), ti_eval_bits_per_byte(s), ti_plain(), interval,
              s->nats / (double)s->tokens, s->bytes, s->tokens, (double)s->tokens / s->seconds,
              s->path);
}

static void print_lines(const eval *e, const ti_eval_score *scores, size_t n,
                        const ti_eval_score *all)
{
    ti_printf("%s, %s; windows of %u tokens, %u of them scored before%s\n",
              *e->desc.name ? e->desc.name : "(no name)", e->desc.architecture, e->core.window,
              e->core.overlap,
              e->core.bos != TERN_TOKEN_NONE ? ", each begun by the token that begins a text"
                                             : "; the first token costs a guess");
    for (size_t i = 0; i < n; i++) {
        print_score(&scores[i]);
    }
    if (n > 1) {
        print_score(all);
    }
}

/* --- the command -------------------------------------------------------------------------- */

static tern_status open_all(eval *e, tern_err *err)
{
    const tern_sampler_opts greedy = {0};
    TI_TRY(ti_open_model(&e->model, &e->args->model, err));
    tern_model_describe(e->model, &e->desc);
    TI_TRY(ti_open_session(&e->session, e->model, &e->args->model, &e->args->session, &greedy,
                           err));
    return ti_eval_begin(&e->core, e->model, e->session,
                         ti_context_of(e->model, &e->args->session), e->args->overlap, err);
}

static tern_status score_file(eval *e, ti_eval_score *s, tern_err *err)
{
    char *data = NULL;
    size_t size = 0;
    ti_progress progress;
    TI_TRY(ti_read_file(&data, &size, s->path, TEXT_MAX, err));
    if (e->args->bytes && e->args->bytes < size) {
        size = (size_t)e->args->bytes;
    }
    ti_progress_begin(&progress, "scoring", "B");
    e->core.progress = ti_progress_step;
    e->core.progress_user = &progress;
    tern_status status = ti_eval_text(&e->core, data, size, s, err);
    ti_progress_end(&progress);
    free(data);
    return status;
}

static tern_status score_files(eval *e, const ti_operands *given, ti_eval_score *scores,
                               tern_err *err)
{
    size_t n = (size_t)given->n;
    ti_eval_score all;
    for (size_t i = 0; i < n; i++) {
        scores[i].path = given->items[i];
        TI_TRY(score_file(e, &scores[i], err));
    }
    ti_eval_sum(&e->core, scores, n, &all);
    if (e->args->json) {
        return print_document(e, scores, n, &all, err);
    }
    print_lines(e, scores, n, &all);
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    eval e = {.args = values};
    ti_eval_score *scores = calloc((size_t)given->n, sizeof *scores);
    if (!scores) {
        return ti_fail_nomem(err, "eval", (size_t)given->n * sizeof *scores, "figures");
    }
    ti_interrupt_catch();
    tern_status status = open_all(&e, err);
    if (status == TERN_OK) {
        status = score_files(&e, given, scores, err);
    }
    free(scores);
    ti_eval_end(&e.core);
    tern_session_destroy(e.session);
    tern_model_close(e.model);
    return status;
}

const ti_command ti_cmd_eval = {
    .name = "eval",
    .summary = "measure how well a model predicts texts, in bits a byte",
    .description =
        "Reads texts and adds up how surprised the model is by each token: bits for a byte of "
        "the file, which can be compared between models with other vocabularies, and with what "
        "a compressor needs.  Every token counts once, and so does every byte.\n\n"
        "A text is read in windows of the context.  By default the first half of a window was "
        "scored in the one before, so that every token but the first ones of a text is "
        "predicted from at least half a context.  A vocabulary with a token that begins a text "
        "has that token before every window; without one the first token of a text costs "
        "log2(vocabulary) bits.",
    .examples = "tern eval -m model.gguf book.txt\n"
                "tern eval -m model.gguf --overlap 1 --json *.txt | jq .all.bits_per_byte",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
