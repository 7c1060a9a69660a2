/* SPDX-License-Identifier: Apache-2.0 */
/* How surprising tokens are, against the logits after each; logits of many tokens and of many
 * sessions at once, which the output head computes in groups. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine.h"
#include "oom.h"

enum { N = 150, CONTEXT = 256, SESSIONS = 27 };

static const tiny_spec specs[] = {
    {.arch = "smdr",
     .type = "iq2_bn",
     .embd = "q8_0",
     .n_layer = 2,
     .n_embd = 64,
     .n_ff = 128,
     .n_head = 2,
     .n_head_kv = 1,
     .head_dim = 32,
     .n_ctx = CONTEXT,
     .smdr = {.kinds = "torus,window", .side = 17, .radius = 2, .budget = 7, .top_k = 20}},
    {.arch = "llama",
     .type = "q4_0",
     .embd = "q4_0",
     .n_layer = 1,
     .n_embd = 96,
     .n_ff = 160,
     .n_head = 3,
     .n_head_kv = 1,
     .head_dim = 32,
     .n_ctx = CONTEXT},
};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

static tern_token tokens[N + 1], targets[N];

static void score(tern_session *s, size_t from, size_t n, double *nats)
{
    tern_err err;
    want(tern_session_score(s, tokens + from, targets + from, n, nats, &err), TERN_OK, &err);
}

/* -ln p of a token, from logits. */
static double surprise(const float *logits, tern_token token)
{
    double most = -HUGE_VAL, sum = 0.0;
    for (size_t v = 0; v < ENGINE_VOCAB; v++) {
        most = (double)logits[v] > most ? (double)logits[v] : most;
    }
    for (size_t v = 0; v < ENGINE_VOCAB; v++) {
        sum += exp((double)logits[v] - most);
    }
    return most + log(sum) - (double)logits[token];
}

static void test_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SPECS; i++) {
        tern_model *model = open_spec(&specs[i], NULL);
        tern_session *s = open_session(model, NULL), *direct = open_session(model, NULL);
        double nats[N];
        tern_err err;
        score(s, 0, N, nats);
        assert_int_equal(count(s), N);
        for (size_t t = 0; t < N; t++) {
            feed(direct, tokens + t, 1);
            double right = surprise(tern_session_logits(direct, &err), targets[t]);
            assert_true(fabs(nats[t] - right) <= 1e-6 * (1 + right));
        }
        assert_true(logits_hash(s) == logits_hash(direct));
        /* Nobody asked for some of them; the others are the same bits. */
        double few[N];
        tern_token kept[N];
        memcpy(kept, targets, sizeof kept);
        for (size_t t = 0; t < N; t++) {
            targets[t] = t % 3 == 0 ? kept[t] : TERN_TOKEN_NONE;
        }
        want(tern_session_truncate(s, 0, &err), TERN_OK, &err);
        score(s, 0, N, few);
        for (size_t t = 0; t < N; t++) {
            assert_true(few[t] == (t % 3 == 0 ? nats[t] : 0.0));
        }
        memcpy(targets, kept, sizeof kept);
        tern_session_destroy(s);
        tern_session_destroy(direct);
        tern_model_close(model);
    }
}

static void test_same_bits(void **state)
{
    (void)state;
    static const struct {
        const char *cpu;
        uint32_t threads, chunk;
        size_t step;
    } ways[] = {{"scalar", 1, 5, 40}, {NULL, 1, 512, 1}, {NULL, 2, 512, N}, {NULL, 3, 512, N},
                {NULL, 4, 100, N},    {NULL, 3, 33, 59}, {NULL, 2, 9, 64}};
    for (size_t i = 0; i < N_SPECS; i++) {
        tern_model *model = open_spec(&specs[i], NULL);
        const tern_session_opts one = {.threads = 1};
        tern_session *s = open_session(model, &one);
        double first[N], again[N];
        score(s, 0, N, first);
        tern_session_destroy(s);
        tern_model_close(model);
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
            const tern_model_opts set = {.cpu = ways[w].cpu};
            const tern_session_opts opts = {.threads = ways[w].threads, .chunk = ways[w].chunk};
            model = open_spec(&specs[i], &set);
            s = open_session(model, &opts);
            /* More than once: threads that hurry meet others only now and then. */
            for (size_t run = 0; run < (ways[w].threads > 1 ? 6 : 1); run++) {
                tern_err err;
                want(tern_session_truncate(s, 0, &err), TERN_OK, &err);
                for (size_t at = 0; at < N; at += ways[w].step) {
                    score(s, at, N - at < ways[w].step ? N - at : ways[w].step, again + at);
                }
                assert_memory_equal(again, first, sizeof first);
            }
            tern_session_destroy(s);
            tern_model_close(model);
        }
    }
}

/* A step of more sessions than the output head takes at once. */
static void test_many_sessions(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SPECS; i++) {
        tern_model *model = open_spec(&specs[i], NULL);
        tern_session *s[SESSIONS];
        tern_batch_item items[SESSIONS];
        uint64_t alone[SESSIONS];
        tern_batch *batch = NULL;
        tern_err err;
        const tern_session_opts opts = {.threads = 1, .n_ctx = 16};
        want(tern_batch_create(&batch, model, 3, 2 * SESSIONS, &err), TERN_OK, &err);
        for (size_t j = 0; j < SESSIONS; j++) {
            s[j] = open_session(model, &opts);
            items[j] = (tern_batch_item){s[j], tokens + j, 1 + j % 2};
            alone[j] = hash_of(model, TERN_KV_F16, tokens + j, 1 + j % 2);
        }
        for (size_t run = 0; run < 10; run++) {
            want(tern_batch_step(batch, items, SESSIONS, &err), TERN_OK, &err);
            for (size_t j = 0; j < SESSIONS; j++) {
                assert_true(logits_hash(s[j]) == alone[j]);
                want(tern_session_truncate(s[j], 0, &err), TERN_OK, &err);
            }
        }
        tern_batch_destroy(batch);
        for (size_t j = 0; j < SESSIONS; j++) {
            tern_session_destroy(s[j]);
        }
        tern_model_close(model);
    }
}

static void test_failures(void **state)
{
    (void)state;
    tern_model *model = open_spec(&specs[0], NULL);
    const tern_session_opts opts = {.threads = 1, .n_ctx = 16};
    tern_session *s = open_session(model, &opts);
    double nats[17], before[17];
    tern_token bad[2] = {1, ENGINE_VOCAB};
    tern_err err;
    memset(nats, 0x5a, sizeof nats);
    memcpy(before, nats, sizeof nats);
    want_text(tern_session_score(s, tokens, targets, 0, nats, &err), TERN_USAGE, &err, "no");
    want_text(tern_session_score(s, tokens, targets, 17, nats, &err), TERN_LIMIT, &err, "17");
    want_text(tern_session_score(s, tokens, bad, 2, nats, &err), TERN_USAGE, &err, "331");
    want_text(tern_session_score(s, bad, targets, 2, nats, &err), TERN_USAGE, &err, "331");
    for (long n = 0; n < 2; n++) {
        oom_fail_at(n);
        want(tern_session_score(s, tokens, targets, 5, nats, &err), TERN_NOMEM, &err);
        assert_true(oom_disarm());
    }
    assert_int_equal(count(s), 0);
    assert_memory_equal(nats, before, sizeof nats);
    score(s, 0, 16, nats);
    assert_int_equal(count(s), 16);
    tern_session_destroy(s);
    tern_model_close(model);
}

static int setup(void **state)
{
    (void)state;
    tiny_tokens(tokens, N + 1, 4);
    memcpy(targets, tokens + 1, sizeof targets);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_many_sessions),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
