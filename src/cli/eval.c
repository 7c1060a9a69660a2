/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/detmath.h"
#include "cli/common.h"
#include "cli/out.h"

static const char module[] = "eval";

/* How many parts of a text are compared to say how sure the result is, and their least size. */
enum { BLOCKS = 100, BLOCK_TOKENS = 64 };

static const double ln_2 = 0.69314718055994530942;

double ti_eval_bits_per_byte(const ti_eval_score *s)
{
    return s->nats / ln_2 / (double)s->bytes;
}

/* --- how sure it is ----------------------------------------------------------------------- */

/* Student's t for a two-sided 95 % and n - 1 degrees of freedom: Cornish and Fisher's expansion
 * in 1 / (n - 1) (Abramowitz and Stegun 26.7.5), within 1 % from n = 4 on. */
static double student(size_t n)
{
    double z = 1.959963984540054, z2 = z * z, v = (double)(n - 1);
    double first = z * (z2 + 1) / 4, second = z * (5 * z2 * z2 + 16 * z2 + 3) / 96;
    double third = z * (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / 384;
    return z + first / v + second / (v * v) + third / (v * v * v);
}

/* The interval of a quotient of sums, bits over bytes, from its blocks (linearised): they are
 * taken as independent, which neighbours in a text almost are at this size. */
static void find_interval(ti_eval_score *s, const ti_eval_block *blocks, size_t n)
{
    double ratio = s->nats / (double)s->bytes, squares = 0.0;
    s->low = s->high = (double)NAN;
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

static tern_status add_block(ti_eval *e, ti_eval_block b, tern_err *err)
{
    if (e->n_blocks == e->blocks_room) {
        size_t room = e->blocks_room ? 2 * e->blocks_room : 2 * (size_t)BLOCKS;
        ti_eval_block *more = realloc(e->blocks, room * sizeof *more);
        if (!more) {
            return ti_fail_nomem(err, module, room * sizeof *more, "blocks");
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
    const char *data;
    size_t size;
    tern_token *tokens;
    uint32_t *bytes; /* [n] */
    double *nats;    /* [n] */
    size_t n;
} text;

static void free_text(text *t)
{
    free(t->tokens);
    free(t->bytes);
    free(t->nats);
}

/* The tokens must spell the text, or bits would be counted for other bytes than those of the
 * file.  SentencePiece puts a blank before a text, which is not counted. */
static tern_status count_bytes(text *t, const tern_model *model, const char *path,
                               tern_err *err)
{
    size_t sum = 0, at = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t len;
        (void)tern_model_token_bytes(model, t->tokens[i], &len);
        sum += len;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t len;
        const char *spelled = tern_model_token_bytes(model, t->tokens[i], &len);
        if (at == 0 && sum == t->size + 1 && len > 0 && spelled[0] == ' ') {
            spelled++;
            len--;
            sum--;
        }
        if (len > t->size - at || memcmp(t->data + at, spelled, len) != 0) {
            return ti_fail(err, TERN_UNSUPPORTED, module, at,
                           "'%s': the vocabulary cannot spell this text", path);
        }
        t->bytes[i] = (uint32_t)len;
        at += len;
    }
    if (at != t->size) {
        return ti_fail(err, TERN_UNSUPPORTED, module, at,
                       "'%s': the vocabulary cannot spell this text", path);
    }
    return TERN_OK;
}

static tern_status make_tokens(text *t, const ti_eval *e, const char *path, tern_err *err)
{
    if (t->size == 0) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "'%s' is empty", path);
    }
    TI_TRY(ti_tokenize(&t->tokens, &t->n, e->model, t->data, t->size, 0, err));
    t->bytes = malloc((t->n + 1) * sizeof *t->bytes);
    t->nats = malloc((t->n + 1) * sizeof *t->nats);
    if (!t->bytes || !t->nats) {
        return ti_fail_nomem(err, module, t->n * sizeof *t->nats, "a text");
    }
    return count_bytes(t, e->model, path, err);
}

/* --- windows ------------------------------------------------------------------------------ */

/* Scores the tokens from `at` on that one window holds; returns in *end where it ends. */
static tern_status score_window(ti_eval *e, text *t, size_t at, size_t *end, tern_err *err)
{
    size_t begin = at > e->overlap ? at - e->overlap : 0, n = 0;
    if (e->bos != TERN_TOKEN_NONE) { /* before token `begin`, which is a target too */
        e->inputs[0] = e->bos;
        e->targets[0] = begin >= at ? t->tokens[begin] : TERN_TOKEN_NONE;
        n = 1;
    }
    size_t i = begin, first = begin + (e->bos == TERN_TOKEN_NONE);
    for (; n < e->window && i + 1 < t->n; n++, i++) {
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

static tern_status score_tokens(ti_eval *e, text *t, ti_eval_score *s, tern_err *err)
{
    size_t at = 0;
    uint64_t done = 0;
    if (e->bos == TERN_TOKEN_NONE) {
        t->nats[0] = ti_log((double)e->n_vocab);
        at = 1;
        done = t->bytes[0];
    }
    while (at < t->n) {
        size_t end;
        TI_TRY(score_window(e, t, at, &end, err));
        s->windows++;
        for (; at < end; at++) {
            done += t->bytes[at];
        }
        if (e->progress && !e->progress(e->progress_user, done, t->size)) {
            return ti_fail(err, TERN_CANCELLED, module, TI_NO_OFFSET, "interrupted");
        }
    }
    return TERN_OK;
}

/* Adds the sums of a text, and its blocks. */
static tern_status sum_up(ti_eval *e, const text *t, ti_eval_score *s, tern_err *err)
{
    size_t first = e->n_blocks, size = (t->n + BLOCKS - 1) / BLOCKS;
    size = size > BLOCK_TOKENS ? size : BLOCK_TOKENS;
    for (size_t i = 0; i < t->n;) {
        ti_eval_block b = {0};
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

tern_status ti_eval_text(ti_eval *e, const char *data, size_t size, ti_eval_score *out,
                         tern_err *err)
{
    text t = {.data = data, .size = size};
    ti_eval_score s = {.path = out->path};
    uint64_t start = ti_now_ns();
    tern_status status = make_tokens(&t, e, s.path, err);
    if (status == TERN_OK) {
        status = score_tokens(e, &t, &s, err);
    }
    if (status == TERN_OK) {
        status = sum_up(e, &t, &s, err);
    }
    free_text(&t);
    if (status == TERN_OK) {
        s.seconds = (double)(ti_now_ns() - start) / 1e9;
        *out = s;
    }
    return status;
}

void ti_eval_sum(const ti_eval *e, const ti_eval_score *scores, size_t n, ti_eval_score *all)
{
    ti_eval_score sum = {.path = "all"};
    for (size_t i = 0; i < n; i++) {
        sum.bytes += scores[i].bytes;
        sum.tokens += scores[i].tokens;
        sum.windows += scores[i].windows;
        sum.nats += scores[i].nats;
        sum.seconds += scores[i].seconds;
    }
    find_interval(&sum, e->blocks, e->n_blocks);
    *all = sum;
}

/* --- begin and end ------------------------------------------------------------------------ */

/* The token that the vocabulary puts before every text. */
static tern_status find_bos(ti_eval *e, tern_err *err)
{
    tern_token *tokens = NULL;
    size_t n = 0;
    TI_TRY(ti_tokenize(&tokens, &n, e->model, "", 0, TERN_TOKENIZE_BOS, err));
    e->bos = n > 0 ? tokens[0] : TERN_TOKEN_NONE;
    free(tokens);
    return TERN_OK;
}

tern_status ti_eval_begin(ti_eval *e, const tern_model *model, tern_session *session,
                          uint32_t window, uint32_t overlap, tern_err *err)
{
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    *e = (ti_eval){
        .model = model, .session = session, .window = window, .n_vocab = desc.n_vocab};
    TI_TRY(find_bos(e, err));
    /* What a window sees before its first target, at least; its last input is no target. */
    uint32_t least = e->bos == TERN_TOKEN_NONE, most = window - 1 + least;
    e->overlap = overlap != TI_EVAL_HALF ? overlap : window - window / 2;
    if (overlap == TI_EVAL_HALF && e->overlap > most) {
        e->overlap = least;
    }
    if (e->overlap < least || e->overlap > most) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "--overlap %u: must be %u to %u in windows of %u", e->overlap, least,
                       most, window);
    }
    e->inputs = malloc((size_t)window * sizeof *e->inputs);
    e->targets = malloc((size_t)window * sizeof *e->targets);
    e->nats = malloc((size_t)window * sizeof *e->nats);
    return e->inputs && e->targets && e->nats
               ? TERN_OK
               : ti_fail_nomem(err, module, window * sizeof *e->nats, "a window");
}

void ti_eval_end(ti_eval *e)
{
    free(e->inputs);
    free(e->targets);
    free(e->nats);
    free(e->blocks);
    *e = (ti_eval){0};
}
