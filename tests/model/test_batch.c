/* SPDX-License-Identifier: Apache-2.0 */
/* Several sessions: in one step, and on several threads at the same time. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine.h"

enum { MAX = 8, ROWS = 24, STEPS = 6 };

static tern_model *model;
static tern_token tokens[MAX][ENGINE_CONTEXT];

static int setup(void **state)
{
    (void)state;
    model = open_spec(&BITNET, NULL);
    for (uint32_t i = 0; i < MAX; i++) {
        tiny_tokens(tokens[i], ENGINE_CONTEXT, i);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tern_model_close(model);
    return 0;
}

static tern_batch *open_batch(uint32_t threads, uint32_t rows)
{
    tern_batch *batch = NULL;
    tern_err err;
    want(tern_batch_create(&batch, model, threads, rows, &err), TERN_OK, &err);
    return batch;
}

static tern_session *open_one(void)
{
    const tern_session_opts opts = {.threads = 1, .chunk = 4};
    return open_session(model, &opts);
}

/* --- steps ----------------------------------------------------------------------------------
 */

/* All sessions answer together; each answer is what the session says when it is alone. */
static void test_answers_are_those_of_one(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= MAX; n++) {
        tern_session *sessions[MAX];
        tern_batch *batch = open_batch(1 + n % 3, ROWS);
        tern_batch_item items[MAX];
        tern_err err;
        for (uint32_t i = 0; i < n; i++) {
            sessions[i] = open_one();
            items[i] = (tern_batch_item){sessions[i], tokens[i], 1 + i % 3};
        }
        want(tern_batch_step(batch, items, n, &err), TERN_OK, &err);
        for (int step = 0; step < STEPS; step++) {
            tern_token chosen[MAX];
            for (uint32_t i = 0; i < n; i++) { /* chosen alone, appended by the step */
                chosen[i] = next(sessions[i]);
                want(tern_session_truncate(sessions[i], count(sessions[i]) - 1, &err), TERN_OK,
                     &err);
                items[i] = (tern_batch_item){sessions[i], &chosen[i], 1};
            }
            want(tern_batch_step(batch, items, n, &err), TERN_OK, &err);
        }
        for (uint32_t i = 0; i < n; i++) {
            size_t length;
            const tern_token *own = tern_session_tokens(sessions[i], &length);
            assert_int_equal(length, 1 + i % 3 + STEPS);
            assert_true(logits_hash(sessions[i]) == hash_of(model, TERN_KV_F16, own, length));
            tern_session_destroy(sessions[i]);
        }
        tern_batch_destroy(batch);
    }
}

/* A token that was chosen but not run goes along, before the tokens of the item. */
static void test_waiting_tokens(void **state)
{
    (void)state;
    tern_session *a = open_one(), *b = open_one();
    tern_batch *batch = open_batch(2, 6);
    tern_err err;
    feed(a, tokens[0], 4);
    feed(b, tokens[1], 2);
    (void)next(a);
    (void)next(a); /* runs the first, leaves the second */
    (void)next(b);
    const tern_batch_item items[] = {{a, tokens[2], 2}, {b, tokens[3], 2}};
    want(tern_batch_step(batch, items, 2, &err), TERN_OK, &err); /* six rows, all there is */
    assert_int_equal(count(a), 8);
    assert_int_equal(count(b), 5);
    size_t n;
    const tern_token *own = tern_session_tokens(a, &n);
    assert_true(logits_hash(a) == hash_of(model, TERN_KV_F16, own, n));
    own = tern_session_tokens(b, &n);
    assert_true(logits_hash(b) == hash_of(model, TERN_KV_F16, own, n));
    /* now one waits again, and seven rows do not fit */
    (void)next(a);
    want_text(tern_batch_step(batch, (tern_batch_item[]){{a, tokens[2], 4}, {b, tokens[3], 2}},
                              2, &err),
              TERN_LIMIT, &err, "7 tokens in a step, the batch was made for 6");
    assert_int_equal(count(a), 9);
    assert_int_equal(count(b), 5);
    tern_session_destroy(a);
    tern_session_destroy(b);
    tern_batch_destroy(batch);
}

/* --- errors ---------------------------------------------------------------------------------
 */

static void test_create_errors(void **state)
{
    (void)state;
    tern_batch *batch = NULL;
    tern_err err;
    want_text(tern_batch_create(&batch, model, 1, 0, &err), TERN_USAGE, &err, "max_rows 0");
    want(tern_batch_create(&batch, model, 1, 1 << 20, &err), TERN_USAGE, &err);
    want(tern_batch_create(&batch, model, 5000, 8, &err), TERN_LIMIT, &err);
    assert_null(batch);
    tern_batch_destroy(NULL);
    const tern_model_opts opts = {.vocab_only = true};
    tern_model *words = NULL;
    want(tern_model_open(&words, tiny_path("model.gguf"), &opts, &err), TERN_OK, &err);
    tern_session *s = NULL;
    want_text(tern_batch_create(&batch, words, 1, 8, &err), TERN_USAGE, &err,
              "vocabulary only");
    want_text(tern_session_create(&s, words, NULL, &err), TERN_USAGE, &err, "vocabulary only");
    assert_null(batch);
    assert_null(s);
    tern_model_close(words);
}

/* A step that fails advances nobody. */
static void test_step_errors(void **state)
{
    (void)state;
    tern_model *other = open_spec(&FLOATS, NULL);
    tern_session *a = open_one(), *b = open_one(), *strange = open_session(other, NULL);
    tern_batch *batch = open_batch(2, ROWS);
    feed(a, tokens[0], 5);
    feed(b, tokens[1], 60);
    uint64_t before_a = logits_hash(a), before_b = logits_hash(b);
    const tern_token bad[] = {3, ENGINE_VOCAB};
    const struct {
        tern_batch_item items[2];
        size_t n;
        tern_status status;
        const char *text;
    } cases[] = {
        {{{a, tokens[0], 1}, {a, tokens[0], 1}}, 2, TERN_USAGE, "items 0 and 1"},
        {{{a, tokens[0], 1}, {strange, tokens[0], 1}}, 2, TERN_USAGE, "item 1: the session is"},
        {{{a, tokens[0], 1}, {b, tokens[0], 5}}, 2, TERN_LIMIT, "5 tokens do not fit"},
        {{{a, tokens[0], 1}, {b, bad, 2}}, 2, TERN_USAGE, "token 331 is not"},
        {{{a, tokens[0], 1}, {b, tokens[0], 0}}, 2, TERN_USAGE, "no tokens"},
        {{{a, tokens[0], ROWS}, {b, tokens[0], 1}}, 2, TERN_LIMIT, "25 tokens in a step"},
        {{{a, tokens[0], 1}, {b, tokens[0], 1}}, 0, TERN_USAGE, "a step without tokens"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tern_err err;
        want_text(tern_batch_step(batch, cases[i].items, cases[i].n, &err), cases[i].status,
                  &err, cases[i].text);
        assert_int_equal(count(a), 5);
        assert_int_equal(count(b), 60);
        assert_true(logits_hash(a) == before_a);
        assert_true(logits_hash(b) == before_b);
    }
    tern_batch_destroy(batch);
    tern_session_destroy(strange);
    tern_session_destroy(a);
    tern_session_destroy(b);
    tern_model_close(other);
}

/* --- threads --------------------------------------------------------------------------------
 */

typedef struct speaker {
    const tern_token *prompt;
    tern_kv_type kv;
    uint64_t hash;
    bool failed;
} speaker;

/* No assertions here: those of cmocka belong to the main thread. */
static void *speak(void *arg)
{
    speaker *sp = arg;
    const tern_session_opts opts = {.threads = 2, .chunk = 8, .kv = sp->kv};
    const tern_sampler_opts warm = {.temperature = 1, .seed = 3};
    tern_session *s = NULL;
    tern_token token;
    sp->hash = TINY_HASH;
    sp->failed = tern_session_create(&s, model, &opts, NULL) != TERN_OK ||
                 tern_session_set_sampler(s, &warm, NULL) != TERN_OK ||
                 tern_session_feed(s, sp->prompt, 20, NULL) != TERN_OK;
    for (int i = 0; i < 20 && !sp->failed; i++) {
        sp->failed = tern_session_next(s, &token, NULL) != TERN_OK;
        const float *logits = sp->failed ? NULL : tern_session_logits(s, NULL);
        sp->hash = logits ? tiny_hash(sp->hash, logits, ENGINE_VOCAB) : 0;
        sp->failed |= !logits;
    }
    tern_session_destroy(s);
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    enum { SPEAKERS = 3 };
    speaker alone[SPEAKERS], together[SPEAKERS];
    pthread_t threads[SPEAKERS];
    for (uint32_t i = 0; i < SPEAKERS; i++) {
        alone[i] = (speaker){.prompt = tokens[i], .kv = i ? TERN_KV_F16 : TERN_KV_I8};
        together[i] = alone[i];
        speak(&alone[i]);
        assert_false(alone[i].failed);
    }
    for (uint32_t i = 0; i < SPEAKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, speak, &together[i]), 0);
    }
    for (uint32_t i = 0; i < SPEAKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (uint32_t i = 0; i < SPEAKERS; i++) {
        assert_false(together[i].failed);
        assert_true(together[i].hash == alone[i].hash);
    }
    assert_true(alone[0].hash != alone[1].hash);
}

/* Sparse products and packing by several threads, for the thread sanitizer. */
static void test_sparse_threads(void **state)
{
    (void)state;
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        const tern_model_opts opts = {.threads = 3,
                                      .layout = i ? "t2" : "t5",
                                      .sparse = i ? TERN_SPARSE_ON : TERN_SPARSE_OFF};
        const tern_session_opts three = {.threads = 3};
        tern_model *m = open_spec(&BITNET, &opts);
        tern_session *s = open_session(m, &three);
        hashes[i] = TINY_HASH;
        for (int t = 0; t < 12; t++) {
            feed(s, &tokens[0][t], 1);
            hashes[i] ^= logits_hash(s);
        }
        tern_session_destroy(s);
        tern_model_close(m);
    }
    assert_true(hashes[0] == hashes[1]);
}

/* Attention takes rows and heads together as they come; every division has the bits of tokens
 * that are fed one by one. */
static void check_division(const tiny_spec *spec, tern_kv_type kv)
{
    enum { SESSIONS = 4, ALL = 128 };
    static const size_t before[SESSIONS] = {0, 3, 16, 0}, lengths[SESSIONS] = {40, 1, 17, 6};
    tern_model *m = open_spec(spec, NULL);
    tern_session *together[SESSIONS], *alone[SESSIONS];
    tern_batch_item items[SESSIONS];
    tern_batch *batch = NULL;
    tern_err err;
    want(tern_batch_create(&batch, m, 3, ALL, &err), TERN_OK, &err);
    for (size_t i = 0; i < SESSIONS; i++) {
        const tern_session_opts single = {.threads = 1, .chunk = 1, .kv = kv},
                                chunk = {.threads = 2, .chunk = 5, .kv = kv};
        alone[i] = open_session(m, &single);
        together[i] = open_session(m, &chunk);
        feed(alone[i], tokens[i], before[i] + lengths[i]);
        if (before[i]) {
            feed(together[i], tokens[i], before[i]);
        }
        items[i] = (tern_batch_item){together[i], tokens[i] + before[i], lengths[i]};
    }
    want(tern_batch_step(batch, items, SESSIONS, &err), TERN_OK, &err);
    for (size_t i = 0; i < SESSIONS; i++) {
        assert_true(logits_hash(together[i]) == logits_hash(alone[i]));
        tern_session_destroy(together[i]);
        tern_session_destroy(alone[i]);
    }
    tern_batch_destroy(batch);
    tern_model_close(m);
}

static void test_divisions_of_attention(void **state)
{
    (void)state;
    static const struct {
        uint32_t n_head, n_head_kv, head_dim;
    } shapes[] = {{1, 1, 16}, {3, 3, 16}, {4, 1, 24},  {10, 2, 8}, {14, 2, 8},
                  {9, 1, 32}, {16, 1, 8}, {17, 1, 16}, {40, 2, 8}, {33, 1, 4}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        tiny_spec spec = FLOATS;
        spec.n_head = shapes[i].n_head;
        spec.n_head_kv = shapes[i].n_head_kv;
        spec.head_dim = shapes[i].head_dim;
        check_division(&spec, TERN_KV_F16);
        check_division(&spec, TERN_KV_I8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_those_of_one),
        cmocka_unit_test(test_waiting_tokens),
        cmocka_unit_test(test_create_errors),
        cmocka_unit_test(test_step_errors),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_sparse_threads),
        cmocka_unit_test(test_divisions_of_attention),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
