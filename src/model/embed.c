/* SPDX-License-Identifier: Apache-2.0 */
/* Texts to sparse representations: tokens, their final hidden states, the winners. */
#include "model/embed.h"

#include <stdlib.h>

#include "model/sdr.h"
#include "model/session.h"

static const char module[] = "embed";

/* Tokens whose states are kept at once. */
enum { PIECE = 256 };

struct tern_embedder {
    const tern_model *model;
    tern_session *session;
    tern_token begin; /* that stands before each window, or TERN_TOKEN_NONE */
    float *states;    /* [PIECE][width] */
    ti_sdr_pool pool;
    bool (*go_on)(void *user, size_t n_tokens); /* NULL = always */
    void *user;
};

/* The token that the vocabulary puts before a text, if any. */
static tern_status find_begin(tern_embedder *e, tern_err *err)
{
    tern_token tokens[4];
    size_t n = 0;
    TI_TRY(tern_model_tokenize(e->model, tokens, 4, &n, "", 0, TERN_TOKENIZE_BOS, err));
    e->begin = n > 0 ? tokens[0] : TERN_TOKEN_NONE;
    return TERN_OK;
}

static tern_status prepare(tern_embedder *e, const tern_session_opts *opts, tern_err *err)
{
    TI_TRY(tern_session_create(&e->session, e->model, opts, err));
    size_t width = e->model->config.n_embd;
    if (width > TI_SDR_WIDTH_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "the model is %zu wide; representations are made up to %d", width,
                       TI_SDR_WIDTH_MAX);
    }
    TI_TRY(find_begin(e, err));
    e->states = ti_calloc(PIECE * width, sizeof *e->states);
    if (!e->states) {
        return ti_fail_nomem(err, module, PIECE * width * sizeof *e->states, "hidden states");
    }
    return ti_sdr_init(&e->pool, width, ti_sdr_scale(e->model->output_norm, width), err);
}

tern_status tern_embedder_create(tern_embedder **out, const tern_model *model,
                                 const tern_session_opts *opts, tern_err *err)
{
    tern_embedder *e = ti_calloc(1, sizeof *e);
    if (!e) {
        return ti_fail_nomem(err, module, sizeof *e, "an embedder");
    }
    e->model = model;
    tern_status status = prepare(e, opts, err);
    if (status != TERN_OK) {
        tern_embedder_destroy(e);
        return status;
    }
    *out = e;
    return TERN_OK;
}

void tern_embedder_destroy(tern_embedder *embedder)
{
    if (embedder) {
        tern_session_destroy(embedder->session);
        free(embedder->states);
        ti_sdr_free(&embedder->pool);
        free(embedder);
    }
}

void ti_embedder_watch(tern_embedder *embedder, bool (*go_on)(void *user, size_t n_tokens),
                       void *user)
{
    embedder->go_on = go_on;
    embedder->user = user;
}

/* Reads one window into the pool: at most what the session holds behind the first token. */
static tern_status read_window(tern_embedder *e, const tern_token *tokens, size_t n,
                               tern_err *err)
{
    TI_TRY(tern_session_truncate(e->session, 0, err));
    if (e->begin != TERN_TOKEN_NONE) {
        TI_TRY(tern_session_hidden(e->session, &e->begin, 1, e->states, err));
    }
    for (size_t at = 0, piece; at < n; at += piece) {
        piece = n - at < PIECE ? n - at : PIECE;
        TI_TRY(tern_session_hidden(e->session, tokens + at, piece, e->states, err));
        for (size_t i = 0; i < piece; i++) {
            ti_sdr_add(&e->pool, e->states + i * e->pool.width);
        }
        if (e->go_on && !e->go_on(e->user, piece)) {
            return ti_fail(err, TERN_CANCELLED, module, TI_NO_OFFSET, "nobody wants the rest");
        }
    }
    return TERN_OK;
}

static tern_status read_tokens(tern_embedder *e, const tern_token *tokens, size_t n,
                               tern_err *err)
{
    size_t room = e->session->n_ctx - (e->begin != TERN_TOKEN_NONE);
    if (room == 0) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "a context of one token is taken by the one that begins a text");
    }
    ti_sdr_clear(&e->pool);
    for (size_t at = 0; at < n; at += room) {
        TI_TRY(read_window(e, tokens + at, n - at < room ? n - at : room, err));
    }
    return TERN_OK;
}

tern_status tern_embedder_text(tern_embedder *embedder, tern_sdr *out, const char *text,
                               size_t len, size_t *n_tokens, tern_err *err)
{
    tern_embedder *e = embedder;
    tern_token *tokens = NULL;
    size_t n = 0;
    tern_status status = tern_model_tokenize(e->model, NULL, 0, &n, text, len, 0, err);
    if (status == TERN_LIMIT && n > 0) { /* they are counted */
        tokens = ti_calloc(n, sizeof *tokens);
        status = tokens ? tern_model_tokenize(e->model, tokens, n, &n, text, len, 0, err)
                        : ti_fail_nomem(err, module, n * sizeof *tokens, "tokens");
    }
    if (status == TERN_OK && n == 0) {
        status = ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "the text is empty");
    }
    if (status == TERN_OK) {
        status = read_tokens(e, tokens, n, err);
    }
    if (status == TERN_OK) {
        ti_sdr_winners(&e->pool, out);
        if (n_tokens) {
            *n_tokens = n;
        }
    }
    free(tokens);
    return status;
}
