/* SPDX-License-Identifier: Apache-2.0 */
/* How well a model predicts texts, in bits a byte: the logarithm of the probability of every
 * token, each once, over the bytes of the file, each once.
 *
 * A text is read in windows of the context.  A window begins with tokens that were scored
 * before and are context only; where the vocabulary has a token that begins a text, that token
 * stands before them in every window.  The first token of a text has nothing before it when
 * there is no such token: it costs log2(vocabulary), as a guess does. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/detmath.h"
#include "base/file.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/out.h"

/* How many parts of a text are compared to say how sure the result is, and their least size. */
enum { BLOCKS = 100, BLOCK_TOKENS = 64 };
#define TEXT_MAX ((size_t)1 << 31)

static const double ln_2 = 0.69314718055994530942;

typedef struct eval_args {
    ti_model_args model;
    ti_session_args session;
    uint32_t overlap;
    uint64_t bytes;
    bool json;
} eval_args;

static const uint32_t half_of_context = UINT32_MAX;
static const eval_args defaults = {.overlap = UINT32_MAX};

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

/* One text, or all together. */
typedef struct score {
    const char *path;
    uint64_t bytes, tokens, windows;
    double nats;
    double low, high; /* bits a byte, 95 % */
    double seconds;   /* of the forward passes and what belongs to them */
} score;

/* A part of a text. */
typedef struct block {
    double nats, bytes;
} block;

typedef struct eval {
    const eval_args *args;
    tern_model *model;
    tern_session *session;
    tern_model_desc desc;
    uint32_t ctx, overlap;
    tern_token bos; /* or TERN_TOKEN_NONE */
    tern_token *inputs, *targets;
    double *nats; /* [ctx] */
    block *blocks;
    size_t n_blocks, blocks_room;
    uint64_t done, total; /* bytes, for the progress bar */
    ti_progress progress;
} eval;

/* --- statistics --------------------------------------------------------------------------- */

/* Student's t for a two-sided 95 % and n - 1 degrees of freedom: Cornish and Fisher's expansion
 * in 1 / (n - 1), within 1 % from n = 4 on. */
static double student(size_t n)
{
    double z = 1.959963984540054, z2 = z * z, v = (double)(n - 1);
    double first = z * (z2 + 1) / 4, second = z * (5 * z2 * z2 + 16 * z2 + 3) / 96;
    double third = z * (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / 384;
    return z + first / v + second / (v * v) + third / (v * v * v);
}

/* The interval of a quotient of sums, bits over bytes, from its blocks (linearised): they are
 * taken as independent, which neighbours in a text almost are at this size. */
static void find_interval(score *s, const block *blocks, size_t n)
{
    double ratio = s->nats / (double)s->bytes, squares = 0.0;
    s->low = s->high = NAN;
    if (n < 4) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double off = blocks[i].nats - ratio * blocks[i].bytes;
        squares += off * off;
    }
    double error = sqrt(squares * (double)n / (double)(n - 1)) / (double)s->bytes;
    s->low = (ratio - student(n) * error) / ln_2;
    s->high = (ratio + student(n) * error) / ln_2;
}

static tern_status add_block(eval *e, block b, tern_err *err)
{
    if (e->n_blocks == e->blocks_room) {
        size_t room = e->blocks_room ? 2 * e->blocks_room : 2 * (size_t)BLOCKS;
        block *more = realloc(e->blocks, room * sizeof *more);
        if (!more) {
            return ti_fail_nomem(err, "eval", room * sizeof *more, "blocks");
        }
        e->blocks = more;
        e->blocks_room = room;
    }
    e->blocks[e->n_blocks++] = b;
    return TERN_OK;
}

/* --- tokens and bytes --------------------------------------------------------------------- */

/* A text, its tokens, and how many of its bytes each token spells. */
typedef struct text {
    char *data;
    size_t size;
    tern_token *tokens;
    uint32_t *bytes; /* [n] */
    double *nats;    /* [n] */
    size_t n;
} text;

static void free_text(text *t)
{
    free(t->data);
    free(t->tokens);
    free(t->bytes);
    free(t->nats);
    *t = (text){0};
}

/* The tokens must spell the text, or bits would be counted for other bytes than those of the
 * file.  SentencePiece puts a blank before a text, which is not counted. */
static tern_status count_bytes(text *t, const tern_model *model, const char *path,
                               tern_err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t len;
        const char *spelled = tern_model_token_bytes(model, t->tokens[i], &len);
        bool matches = len <= t->size - at && memcmp(t->data + at, spelled, len) == 0;
        if (!matches && i == 0 && len > 0 && spelled[0] == ' ' && len - 1 <= t->size &&
            memcmp(t->data, spelled + 1, len - 1) == 0) {
            matches = true;
            len--;
        }
        if (!matches) {
            return ti_fail(err, TERN_UNSUPPORTED, "eval", at,
                           "'%s': the vocabulary cannot spell this text", path);
        }
        t->bytes[i] = (uint32_t)len;
        at += len;
    }
    if (at != t->size) {
        return ti_fail(err, TERN_UNSUPPORTED, "eval", at,
                       "'%s': the vocabulary cannot spell this text", path);
    }
    return TERN_OK;
}

static tern_status read_text(text *t, const eval *e, const char *path, tern_err *err)
{
    TI_TRY(ti_read_file(&t->data, &t->size, path, TEXT_MAX, err));
    if (e->args->bytes && e->args->bytes < t->size) {
        t->size = (size_t)e->args->bytes;
    }
    if (t->size == 0) {
        return ti_fail(err, TERN_USAGE, "eval", TI_NO_OFFSET, "'%s' is empty", path);
    }
    TI_TRY(ti_tokenize(&t->tokens, &t->n, e->model, t->data, t->size, 0, err));
    t->bytes = malloc((t->n + 1) * sizeof *t->bytes);
    t->nats = malloc((t->n + 1) * sizeof *t->nats);
    if (!t->bytes || !t->nats) {
        return ti_fail_nomem(err, "eval", t->n * sizeof *t->nats, "a text");
    }
    return count_bytes(t, e->model, path, err);
}

/* --- windows ------------------------------------------------------------------------------ */

/* Scores the tokens from `at` on that one window holds; returns in *end where it ends. */
static tern_status score_window(eval *e, text *t, size_t at, size_t *end, tern_err *err)
{
    size_t begin = at > e->overlap ? at - e->overlap : 0, n = 0;
    if (e->bos != TERN_TOKEN_NONE) { /* before token `begin`, which is a target too */
        e->inputs[0] = e->bos;
        e->targets[0] = begin >= at ? t->tokens[begin] : TERN_TOKEN_NONE;
        n = 1;
    }
    size_t i = begin, first = begin + (e->bos == TERN_TOKEN_NONE);
    for (; n < e->ctx && i + 1 < t->n; n++, i++) {
        e->inputs[n] = t->tokens[i];
        e->targets[n] = i + 1 >= at ? t->tokens[i + 1] : TERN_TOKEN_NONE;
    }
    TI_TRY(tern_session_truncate(e->session, 0, err));
    TI_TRY(tern_session_score(e->session, e->inputs, e->targets, n, e->nats, err));
    for (size_t j = 0; j < n; j++) {
        if (first + j >= at) {
            t->nats[first + j] = e->nats[j];
        }
    }
    *end = first + n;
    return TERN_OK;
}

static tern_status score_tokens(eval *e, text *t, score *s, tern_err *err)
{
    size_t at = 0;
    if (e->bos == TERN_TOKEN_NONE) {
        t->nats[0] = ti_log((double)e->desc.n_vocab);
        at = 1;
        e->done += t->bytes[0];
    }
    while (at < t->n) {
        size_t end;
        TI_TRY(score_window(e, t, at, &end, err));
        s->windows++;
        for (; at < end; at++) {
            e->done += t->bytes[at];
        }
        if (!ti_progress_step(&e->progress, e->done, e->total)) {
            return ti_fail(err, TERN_CANCELLED, "eval", TI_NO_OFFSET, "interrupted");
        }
    }
    return TERN_OK;
}

/* Adds the sums of a text, and its blocks. */
static tern_status sum_up(eval *e, const text *t, score *s, tern_err *err)
{
    size_t first = e->n_blocks, size = (t->n + BLOCKS - 1) / BLOCKS;
    size = size > BLOCK_TOKENS ? size : BLOCK_TOKENS;
    for (size_t i = 0; i < t->n;) {
        block b = {0};
        /* What is left at the end joins the last block. */
        size_t end = t->n - i < 2 * size ? t->n : i + size;
        for (; i < end; i++) {
            b.nats += t->nats[i];
            b.bytes += t->bytes[i];
        }
        s->nats += b.nats;
        TI_TRY(add_block(e, b, err));
    }
    s->bytes = t->size;
    s->tokens = t->n;
    find_interval(s, e->blocks + first, e->n_blocks - first);
    return TERN_OK;
}

static tern_status score_file(eval *e, score *s, tern_err *err)
{
    text t = {0};
    tern_status status = read_text(&t, e, s->path, err);
    uint64_t start = ti_now_ns();
    if (status == TERN_OK) {
        e->total = t.size;
        e->done = 0;
        ti_progress_begin(&e->progress, "scoring", "B");
        status = score_tokens(e, &t, s, err);
        ti_progress_end(&e->progress);
        s->seconds = (double)(ti_now_ns() - start) / 1e9;
    }
    if (status == TERN_OK) {
        status = sum_up(e, &t, s, err);
    }
    free_text(&t);
    return status;
}

/* --- what is printed ---------------------------------------------------------------------- */

static double bits_per_byte(const score *s)
{
    return s->nats / ln_2 / (double)s->bytes;
}

static void json_score(ti_buf *json, const score *s)
{
    ti_json_uint(json, "bytes", s->bytes);
    ti_json_uint(json, "tokens", s->tokens);
    ti_json_uint(json, "windows", s->windows);
    ti_json_num(json, "nats", s->nats, 12);
    ti_json_num(json, "bits_per_byte", bits_per_byte(s), 9);
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

static tern_status print_document(const eval *e, const score *scores, size_t n,
                                  const score *all, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.eval/1");
    ti_json_model(&json, &e->desc);
    ti_json_uint(&json, "context", e->ctx);
    ti_json_uint(&json, "overlap", e->overlap);
    ti_json_bool(&json, "bos", e->bos != TERN_TOKEN_NONE);
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

static void print_score(const score *s)
{
    char interval[64] = "too short for an interval";
    if (!isnan(s->low)) {
        snprintf(interval, sizeof interval, "95 %%: %.4f to %.4f", s->low, s->high);
    }
    ti_printf("%s%.4f bits/byte%s (%s), %.4f nats/token, %" PRIu64 " bytes in %" PRIu64
              " tokens, %.1f tokens/s  %s\n",
              ti_bold(), bits_per_byte(s), ti_plain(), interval, s->nats / (double)s->tokens,
              s->bytes, s->tokens, (double)s->tokens / s->seconds, s->path);
}

static void print_lines(const eval *e, const score *scores, size_t n, const score *all)
{
    ti_printf("%s, %s; windows of %u tokens, %u of them scored before%s\n",
              *e->desc.name ? e->desc.name : "(no name)", e->desc.architecture, e->ctx,
              e->overlap,
              e->bos != TERN_TOKEN_NONE ? ", each begun by the token that begins a text"
                                        : "; the first token costs a guess");
    for (size_t i = 0; i < n; i++) {
        print_score(&scores[i]);
    }
    if (n > 1) {
        print_score(all);
    }
}

/* --- the command -------------------------------------------------------------------------- */

/* The token that the vocabulary puts before every text. */
static tern_status find_bos(eval *e, tern_err *err)
{
    tern_token *tokens = NULL;
    size_t n = 0;
    e->bos = TERN_TOKEN_NONE;
    TI_TRY(ti_tokenize(&tokens, &n, e->model, "", 0, TERN_TOKENIZE_BOS, err));
    if (n > 0) {
        e->bos = tokens[0];
    }
    free(tokens);
    return TERN_OK;
}

static tern_status open_all(eval *e, tern_err *err)
{
    const tern_sampler_opts greedy = {0};
    TI_TRY(ti_open_model(&e->model, &e->args->model, err));
    tern_model_describe(e->model, &e->desc);
    e->ctx = ti_context_of(e->model, &e->args->session);
    e->overlap = e->args->overlap == half_of_context ? e->ctx - e->ctx / 2 : e->args->overlap;
    TI_TRY(find_bos(e, err));
    uint32_t least = e->bos == TERN_TOKEN_NONE; /* what a window sees before its first target */
    if (e->args->overlap == half_of_context && e->overlap >= e->ctx) {
        e->overlap = least;
    }
    if (e->overlap < least || e->overlap >= e->ctx + least) {
        return ti_fail(err, TERN_USAGE, "eval", TI_NO_OFFSET,
                       "--overlap %u: must be %u to %u in windows of %u", e->overlap, least,
                       e->ctx + least - 1, e->ctx);
    }
    TI_TRY(ti_open_session(&e->session, e->model, &e->args->model, &e->args->session, &greedy,
                           err));
    e->inputs = malloc((size_t)e->ctx * sizeof *e->inputs);
    e->targets = malloc((size_t)e->ctx * sizeof *e->targets);
    e->nats = malloc((size_t)e->ctx * sizeof *e->nats);
    return e->inputs && e->targets && e->nats
               ? TERN_OK
               : ti_fail_nomem(err, "eval", e->ctx * sizeof *e->nats, "a window");
}

static tern_status score_files(eval *e, const ti_operands *given, score *scores, tern_err *err)
{
    size_t n = (size_t)given->n;
    score all = {.path = "all"};
    for (size_t i = 0; i < n; i++) {
        scores[i].path = given->items[i];
        TI_TRY(score_file(e, &scores[i], err));
        all.bytes += scores[i].bytes;
        all.tokens += scores[i].tokens;
        all.windows += scores[i].windows;
        all.nats += scores[i].nats;
        all.seconds += scores[i].seconds;
    }
    find_interval(&all, e->blocks, e->n_blocks);
    if (e->args->json) {
        return print_document(e, scores, n, &all, err);
    }
    print_lines(e, scores, n, &all);
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    eval e = {.args = values};
    score *scores = calloc((size_t)given->n, sizeof *scores);
    if (!scores) {
        return ti_fail_nomem(err, "eval", (size_t)given->n * sizeof *scores, "figures");
    }
    ti_interrupt_catch();
    tern_status status = open_all(&e, err);
    if (status == TERN_OK) {
        status = score_files(&e, given, scores, err);
    }
    free(scores);
    free(e.inputs);
    free(e.targets);
    free(e.nats);
    free(e.blocks);
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
