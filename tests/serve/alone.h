/* SPDX-License-Identifier: Apache-2.0 */
/* alone.h - engines for tests, and what a session answers that is alone.
 * Included after cmocka.h. */
#ifndef TESTS_SERVE_ALONE_H
#define TESTS_SERVE_ALONE_H

#include <stdio.h>

#include "heard.h"
#include "model/engine.h"
#include "serve/engine.h"
#include "tern/grammar.h"

enum { MANY = 8 };

static heard ears[MANY + 4];

static inline heard *hearer(size_t i)
{
    heard_init(&ears[i]);
    return &ears[i];
}

static char path[TINY_PATH_BYTES * 2];

/* A ternary model with room for some hundred tokens. */
static inline const char *tiny_model(uint64_t seed)
{
    tiny_spec spec = BITNET;
    spec.n_ctx = 256;
    spec.seed = seed;
    snprintf(path, sizeof path, "%s", tiny_path("served.gguf"));
    tiny_write(&spec, path);
    return path;
}

static inline const char *books_model(void)
{
    const char *source = getenv("TERN_SOURCE");
    snprintf(path, sizeof path, "%s/models/tern-books.gguf", source ? source : ".");
    return path;
}

static inline ti_serve_engine *open_engine(const ti_serve_opts *opts)
{
    ti_serve_engine *e = NULL;
    tern_err err;
    want(ti_serve_open(&e, opts, &err), TERN_OK, &err);
    return e;
}

static inline ti_serve_stats stats_of(ti_serve_engine *e)
{
    ti_serve_stats s;
    ti_serve_get_stats(e, &s);
    return s;
}

/* --- alone -----------------------------------------------------------------------------------
 */

/* What a session answers when there is nothing else: the way of `tern run`. */
static inline void alone(heard *h, const ti_serve_request *r, uint32_t choice)
{
    tern_model *model = NULL;
    tern_session *s = NULL;
    tern_stream *stream = NULL;
    tern_err err;
    tern_sampler_opts sampler = r->sampler;
    sampler.seed += choice;
    want(tern_model_open(&model, path, &(tern_model_opts){.threads = 1}, &err), TERN_OK, &err);
    want(tern_session_create(&s, model, &(tern_session_opts){.threads = 1}, &err), TERN_OK,
         &err);
    want(tern_session_set_sampler(s, &sampler, &err), TERN_OK, &err);
    if (r->grammar) {
        want(tern_session_set_grammar(s, r->grammar, &err), TERN_OK, &err);
        tern_session_grammar_limit(s, r->max_tokens);
    }
    want(tern_stream_create(&stream, model, r->stops, r->n_stops, &err), TERN_OK, &err);
    if (r->n_tokens) {
        want(tern_session_feed(s, r->tokens, r->n_tokens, &err), TERN_OK, &err);
    } else {
        want(tern_session_feed_text(s, r->text.data, &err), TERN_OK, &err);
    }
    heard_init(h);
    for (bool over = false; !over;) {
        tern_token token;
        size_t len;
        bool stopped = false;
        tern_status status = tern_session_next(s, &token, &err);
        if (status == TERN_LIMIT) {
            h->reason = TI_SERVE_CONTEXT;
            break;
        }
        want(status, TERN_OK, &err);
        h->output[0][h->output_n[0]++] = token;
        if (tern_model_token_ends(model, token) && !r->ignore_end) {
            h->reason = TI_SERVE_STOP;
            break;
        }
        const char *text = tern_stream_push(stream, token, &len, &stopped);
        memcpy(h->text[0] + h->len[0], text, len);
        h->len[0] += len;
        over = stopped || h->output_n[0] == r->max_tokens;
        h->reason = stopped ? TI_SERVE_SEQUENCE : TI_SERVE_LENGTH;
    }
    if (h->reason != TI_SERVE_SEQUENCE) {
        size_t len;
        const char *text = tern_stream_flush(stream, &len);
        memcpy(h->text[0] + h->len[0], text, len);
        h->len[0] += len;
    }
    tern_stream_destroy(stream);
    tern_session_destroy(s);
    tern_model_close(model);
}

static inline void assert_same(const heard *h, const ti_serve_request *r)
{
    uint32_t n = r->choices ? r->choices : 1;
    assert_true(h->done);
    assert_false(h->broken);
    for (uint32_t c = 0; c < n; c++) {
        static heard lone;
        alone(&lone, r, c);
        assert_string_equal(ti_serve_reason_name(h->reasons[c]),
                            ti_serve_reason_name(lone.reason));
        assert_int_equal(h->output_n[c], lone.output_n[0]);
        assert_memory_equal(h->output[c], lone.output[0],
                            lone.output_n[0] * sizeof lone.output[0][0]);
        assert_int_equal(h->len[c], lone.len[0]);
        assert_memory_equal(h->text[c], lone.text[0], lone.len[0]);
        heard_free(&lone);
    }
}

#endif
