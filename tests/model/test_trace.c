/* SPDX-License-Identifier: Apache-2.0 */
/* What a session shows of its layers: everything once, the same bits however it is computed,
 * and nothing changes because somebody looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine.h"

enum { PROMPT = 19, ANSWER = 6, LAYERS = 2 };

/* Hashes of what was shown.  Slots are apart, so that threads need no lock. */
typedef struct seen {
    uint64_t hash[ENGINE_CONTEXT][LAYERS];
    unsigned calls[ENGINE_CONTEXT][LAYERS];
    tern_token token[ENGINE_CONTEXT];
} seen;

static void look(void *user, uint32_t position, tern_token token, uint32_t layer,
                 const float *x, size_t n)
{
    seen *s = user;
    s->hash[position][layer] = tiny_hash(TINY_HASH, x, n);
    s->calls[position][layer]++;
    s->token[position] = token;
}

/* Reads a prompt and answers, with a look or without; returns a hash of the last logits. */
static uint64_t run_it(const tern_model *model, uint32_t threads, uint32_t chunk, seen *s,
                       tern_token *said)
{
    tern_err err;
    tern_session *session = NULL;
    tern_token tokens[PROMPT];
    tern_session_opts opts = {.n_ctx = ENGINE_CONTEXT, .threads = threads, .chunk = chunk};
    tiny_tokens(tokens, PROMPT, 1);
    want(tern_session_create(&session, model, &opts, &err), TERN_OK, &err);
    tern_session_set_trace(session, s ? look : NULL, s);
    want(tern_session_feed(session, tokens, PROMPT, &err), TERN_OK, &err);
    for (size_t i = 0; i < ANSWER; i++) {
        want(tern_session_next(session, &said[i], &err), TERN_OK, &err);
    }
    const float *logits = tern_session_logits(session, &err);
    assert_non_null(logits);
    uint64_t hash = tiny_hash(TINY_HASH, logits, ENGINE_VOCAB);
    tern_session_destroy(session);
    return hash;
}

static void test_same(void **state)
{
    (void)state;
    static const char *const sets[] = {"scalar", NULL};
    static seen first, again;
    tern_token said[ANSWER], other[ANSWER];
    uint64_t plain = 0;
    for (size_t set = 0; set < sizeof sets / sizeof *sets; set++) {
        tern_model_opts opts = {.cpu = sets[set]};
        tern_model *model = open_spec(&BITNET, &opts);
        if (set == 0) {
            plain = run_it(model, 1, 0, NULL, said);
            assert_true(run_it(model, 1, 0, &first, other) == plain);
            assert_memory_equal(said, other, sizeof said);
        }
        for (uint32_t threads = 1; threads <= 3; threads++) {
            for (uint32_t chunk = 1; chunk <= PROMPT; chunk += 6) {
                memset(&again, 0, sizeof again);
                assert_true(run_it(model, threads, chunk, &again, other) == plain);
                assert_memory_equal(&again, &first, sizeof first);
            }
        }
        tern_model_close(model);
    }
    for (size_t p = 0; p < ENGINE_CONTEXT; p++) {
        for (size_t l = 0; l < LAYERS; l++) {
            assert_int_equal(first.calls[p][l], p < PROMPT + ANSWER);
            /* No two layers or tokens look the same. */
            assert_true(p == 0 || p >= PROMPT + ANSWER ||
                        first.hash[p][l] != first.hash[p - 1][l]);
        }
        if (p >= PROMPT && p < PROMPT + ANSWER) {
            assert_int_equal(first.token[p], said[p - PROMPT]);
        }
    }
}

/* In a step of several sessions, each shows its own, and those that do not want to, nothing. */
static void test_batch(void **state)
{
    (void)state;
    static seen alone, together[3];
    tern_err err;
    tern_token tokens[3][PROMPT], said[ANSWER];
    tern_session *sessions[3] = {NULL};
    tern_batch_item items[3];
    tern_batch *batch = NULL;
    tern_model *model = open_spec(&BITNET, NULL);
    (void)run_it(model, 1, 0, &alone, said);
    want(tern_batch_create(&batch, model, 2, 3 * PROMPT, &err), TERN_OK, &err);
    for (size_t i = 0; i < 3; i++) {
        tern_session_opts opts = {.n_ctx = ENGINE_CONTEXT, .threads = 1};
        want(tern_session_create(&sessions[i], model, &opts, &err), TERN_OK, &err);
        tiny_tokens(tokens[i], PROMPT, (uint32_t)i);
        items[i] = (tern_batch_item){.session = sessions[i], .tokens = tokens[i], .n = PROMPT};
        if (i != 2) {
            tern_session_set_trace(sessions[i], look, &together[i]);
        }
    }
    want(tern_batch_step(batch, items, 3, &err), TERN_OK, &err);
    for (size_t p = 0; p < PROMPT; p++) {
        for (size_t l = 0; l < LAYERS; l++) {
            assert_true(together[1].hash[p][l] == alone.hash[p][l]);
            assert_int_equal(together[0].calls[p][l], 1);
            assert_int_equal(together[2].calls[p][l], 0);
        }
    }
    /* It can be ended, and a session that was cut back shows the new tokens. */
    tern_session_set_trace(sessions[0], NULL, NULL);
    want(tern_session_feed(sessions[0], tokens[1], 1, &err), TERN_OK, &err);
    assert_int_equal(together[0].calls[PROMPT][0], 0);
    want(tern_session_truncate(sessions[1], 5, &err), TERN_OK, &err);
    want(tern_session_feed(sessions[1], tokens[1] + 5, 3, &err), TERN_OK, &err);
    assert_int_equal(together[1].calls[4][0], 1);
    assert_int_equal(together[1].calls[5][0], 2);
    assert_true(together[1].hash[7][LAYERS - 1] == alone.hash[7][LAYERS - 1]);
    for (size_t i = 0; i < 3; i++) {
        tern_session_destroy(sessions[i]);
    }
    tern_batch_destroy(batch);
    tern_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
