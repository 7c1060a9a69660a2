/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h - short forms for tests of models and sessions: what must work, or the test fails.
 * Included after cmocka.h. */
#ifndef TESTS_MODEL_ENGINE_H
#define TESTS_MODEL_ENGINE_H

#include <stdlib.h>
#include <string.h>

#include "model/session.h"
#include "tiny.h"

enum { ENGINE_VOCAB = 331, ENGINE_CONTEXT = 64 };

/* Fails unless the status is the wanted one, and says what the message was. */
static inline void want(tern_status status, tern_status wanted, const tern_err *err)
{
    if (status != wanted) {
        fail_msg("%s instead of %s: %s", tern_status_name(status), tern_status_name(wanted),
                 status == TERN_OK ? "" : err->message);
    }
}

/* ... and the message contains a text. */
static inline void want_text(tern_status status, tern_status wanted, const tern_err *err,
                             const char *text)
{
    want(status, wanted, err);
    assert_int_equal(err->status, wanted);
    if (!strstr(err->message, text)) {
        fail_msg("'%s' does not say '%s'", err->message, text);
    }
}

/* A ternary model of two layers, and one of floats. */
static const tiny_spec BITNET = {.arch = "bitnet-b1.58",
                                 .type = "iq2_bn",
                                 .embd = "q8_0",
                                 .n_layer = 2,
                                 .n_embd = 64,
                                 .n_ff = 128,
                                 .n_head = 2,
                                 .n_head_kv = 1,
                                 .head_dim = 32,
                                 .n_ctx = ENGINE_CONTEXT};
static const tiny_spec FLOATS = {.arch = "llama",
                                 .type = "f16",
                                 .embd = "f16",
                                 .n_layer = 1,
                                 .n_embd = 48,
                                 .n_ff = 64,
                                 .n_head = 3,
                                 .n_head_kv = 3,
                                 .head_dim = 16,
                                 .n_ctx = ENGINE_CONTEXT};

static inline tern_model *open_spec(const tiny_spec *spec, const tern_model_opts *opts)
{
    char path[TINY_PATH_BYTES * 2];
    tern_model *model = NULL;
    tern_err err;
    snprintf(path, sizeof path, "%s", tiny_path("model.gguf"));
    tiny_write(spec, path);
    want(tern_model_open(&model, path, opts, &err), TERN_OK, &err);
    return model;
}

static inline tern_session *open_session(const tern_model *model, const tern_session_opts *opts)
{
    const tern_session_opts two = {.threads = 2};
    tern_session *s = NULL;
    tern_err err;
    want(tern_session_create(&s, model, opts ? opts : &two, &err), TERN_OK, &err);
    return s;
}

static inline void feed(tern_session *s, const tern_token *tokens, size_t n)
{
    tern_err err;
    want(tern_session_feed(s, tokens, n, &err), TERN_OK, &err);
}

static inline tern_token next(tern_session *s)
{
    tern_token token = -5;
    tern_err err;
    want(tern_session_next(s, &token, &err), TERN_OK, &err);
    assert_in_range(token, 0, ENGINE_VOCAB - 1);
    return token;
}

static inline uint64_t logits_hash(tern_session *s)
{
    tern_err err;
    const float *logits = tern_session_logits(s, &err);
    if (!logits) {
        fail_msg("no logits: %s", err.message);
    }
    return tiny_hash(TINY_HASH, logits, ENGINE_VOCAB);
}

static inline size_t count(const tern_session *s)
{
    size_t n;
    assert_non_null(tern_session_tokens(s, &n));
    return n;
}

/* The logits after n tokens, by a session that never saw anything else. */
static inline uint64_t hash_of(const tern_model *model, tern_kv_type kv,
                               const tern_token *tokens, size_t n)
{
    const tern_session_opts opts = {.threads = 1, .kv = kv};
    tern_session *s = open_session(model, &opts);
    feed(s, tokens, n);
    uint64_t h = logits_hash(s);
    tern_session_destroy(s);
    return h;
}

#endif
