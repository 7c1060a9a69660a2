/* SPDX-License-Identifier: Apache-2.0 */
/* Final hidden states: the residual stream through output_norm, what the output head makes
 * logits of; the same bits however they are asked for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine.h"
#include "oom.h"

enum { N = 180, CONTEXT = 256, WIDTH = 64 };

#define SMALL                                                                       \
    .arch = "smdr", .type = "iq2_bn", .embd = "f32", .n_layer = 2, .n_embd = WIDTH, \
    .n_ff = 128, .n_head = 2, .n_head_kv = 1, .head_dim = 32, .n_ctx = CONTEXT

/* One without rings, two whose caches go round, one whose width is no multiple of a vector. */
static const tiny_spec specs[] = {
    {SMALL},
    {SMALL,
     .smdr = {.kinds = "torus,window", .side = 17, .radius = 2, .budget = 9, .sinks = 1}},
    {SMALL, .smdr = {.kinds = "window,full", .budget = 5, .top_k = 30, .activation = "silu"}},
    {.arch = "llama",
     .type = "f16",
     .embd = "f32",
     .n_layer = 1,
     .n_embd = 40,
     .n_ff = 64,
     .n_head = 2,
     .n_head_kv = 2,
     .head_dim = 20,
     .n_ctx = CONTEXT},
};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

static tern_token tokens[N];

static void hidden(tern_session *s, const tern_token *some, size_t n, float *out)
{
    tern_err err;
    want(tern_session_hidden(s, some, n, out, &err), TERN_OK, &err);
}

/* All states of a model's text, read by one session in calls of `step` tokens. */
static float *states(const tern_model *model, const tern_session_opts *opts, size_t step)
{
    size_t width = model->config.n_embd;
    float *all = malloc(N * width * sizeof *all);
    tern_session *s = open_session(model, opts);
    assert_non_null(all);
    for (size_t at = 0; at < N; at += step) {
        hidden(s, tokens + at, N - at < step ? N - at : step, all + at * width);
    }
    assert_int_equal(count(s), N);
    tern_session_destroy(s);
    return all;
}

/* --- what they are ------------------------------------------------------------------------ */

/* The last layer's output of each token. */
static void keep(void *user, uint32_t position, tern_token token, uint32_t layer,
                 const float *x, size_t n)
{
    (void)token, (void)layer;
    memcpy((float *)user + position * n, x, n * sizeof *x);
}

static void test_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SPECS; i++) {
        const tern_model_opts own = {.head = "own"};
        tern_model *model = open_spec(&specs[i], &own);
        const ti_config *c = &model->config;
        size_t d = c->n_embd;
        static float stream[N * WIDTH], row[WIDTH];
        tern_session *s = open_session(model, NULL);
        tern_session_set_trace(s, keep, stream);
        feed(s, tokens, N);
        tern_err err;
        const float *logits = tern_session_logits(s, &err);
        float *h = states(model, NULL, N);
        for (size_t t = 0; t < N; t++) {
            double squares = 0.0;
            for (size_t e = 0; e < d; e++) {
                squares += (double)stream[t * d + e] * (double)stream[t * d + e];
            }
            double by = 1.0 / sqrt(squares / (double)d + (double)c->rms_eps);
            for (size_t e = 0; e < d; e++) {
                double right = (double)stream[t * d + e] * by * (double)model->output_norm[e];
                assert_true(fabs((double)h[t * d + e] - right) <= 1e-5 * (1 + fabs(right)));
            }
        }
        /* The output head is tied to the embedding, which is of floats. */
        const ti_gguf_tensor *t = model->token_embd;
        for (size_t v = 0; v < ENGINE_VOCAB; v++) {
            double sum = 0.0;
            ti_type_to_f32(row, t->type, t->data, t->dims[0], t->rows, v, 0, d);
            for (size_t e = 0; e < d; e++) {
                sum += (double)row[e] * (double)h[(N - 1) * d + e];
            }
            assert_true(fabs(sum - (double)logits[v]) <= 1e-4 * (1 + fabs(sum)));
        }
        free(h);
        tern_session_destroy(s);
        tern_model_close(model);
    }
}

/* --- the same bits ------------------------------------------------------------------------ */

static void test_same_bits(void **state)
{
    (void)state;
    static const struct {
        const char *cpu;
        uint32_t threads, chunk;
        size_t step;
    } ways[] = {{"scalar", 1, 1, N}, {"scalar", 2, 70, 100}, {NULL, 1, 512, 1},
                {NULL, 2, 7, N},     {NULL, 3, 33, 59},      {NULL, 2, 128, N}};
    for (size_t i = 0; i < N_SPECS; i++) {
        for (size_t kv = 0; kv < 2; kv++) {
            tern_model *model = open_spec(&specs[i], NULL);
            size_t bytes = (size_t)N * model->config.n_embd * sizeof(float);
            const tern_session_opts plain = {.kv = (tern_kv_type)kv, .threads = 1};
            float *first = states(model, &plain, N);
            tern_model_close(model);
            for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
                const tern_model_opts set = {.cpu = ways[w].cpu};
                model = open_spec(&specs[i], &set);
                const tern_session_opts opts = {
                    .kv = (tern_kv_type)kv, .threads = ways[w].threads, .chunk = ways[w].chunk};
                float *again = states(model, &opts, ways[w].step);
                assert_memory_equal(again, first, bytes);
                free(again);
                tern_model_close(model);
            }
            free(first);
        }
    }
}

/* Between other calls: a chosen token that was not run yet, tokens taken back further than a
 * ring keeps, logits asked for afterwards. */
static void test_among_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SPECS; i++) {
        tern_model *model = open_spec(&specs[i], NULL);
        size_t d = model->config.n_embd, n;
        float *all = states(model, NULL, N), *some = malloc(N * d * sizeof *some);
        assert_non_null(some);
        tern_session *s = open_session(model, NULL), *same = open_session(model, NULL);
        tern_err err;
        feed(s, tokens, 100);
        hidden(s, tokens + 100, 60, some);
        assert_memory_equal(some, all + 100 * d, 60 * d * sizeof *some);
        assert_int_equal(logits_hash(s), hash_of(model, TERN_KV_F16, tokens, 160));
        want(tern_session_truncate(s, 20, &err), TERN_OK, &err);
        hidden(s, tokens + 20, N - 20, some);
        assert_memory_equal(some, all + 20 * d, (N - 20) * d * sizeof *some);
        (void)next(s);
        hidden(s, tokens, 5, some);
        const tern_token *own = tern_session_tokens(s, &n);
        assert_int_equal(n, N + 6);
        feed(same, own, n - 5);
        hidden(same, tokens, 5, all);
        assert_memory_equal(some, all, 5 * d * sizeof *some);
        assert_int_equal(logits_hash(s), hash_of(model, TERN_KV_F16, own, n));
        tern_session_destroy(s);
        tern_session_destroy(same);
        free(all);
        free(some);
        tern_model_close(model);
    }
}

/* --- failures ----------------------------------------------------------------------------- */

static void test_failures(void **state)
{
    (void)state;
    const tern_session_opts opts = {.n_ctx = 16, .threads = 1};
    tern_model *model = open_spec(&specs[1], NULL);
    tern_session *s = open_session(model, &opts);
    static float out[17 * WIDTH], before[17 * WIDTH];
    tern_token bad[2] = {1, ENGINE_VOCAB};
    tern_err err;
    memset(out, 0x5a, sizeof out);
    memcpy(before, out, sizeof out);
    want_text(tern_session_hidden(s, tokens, 0, out, &err), TERN_USAGE, &err, "no tokens");
    want_text(tern_session_hidden(s, tokens, 17, out, &err), TERN_LIMIT, &err, "17 tokens");
    want_text(tern_session_hidden(s, bad, 2, out, &err), TERN_USAGE, &err, "token 331");
    oom_fail_at(0);
    want(tern_session_hidden(s, tokens, 4, out, &err), TERN_NOMEM, &err);
    assert_true(oom_disarm());
    assert_int_equal(count(s), 0);
    assert_memory_equal(out, before, sizeof out);
    hidden(s, tokens, 16, out);
    assert_int_equal(count(s), 16);
    tern_session_destroy(s);
    tern_model_close(model);

    /* A scale that is no number shows in the states, not only in the logits. */
    tiny_spec damaged = specs[0];
    damaged.type = "q8_0";
    damaged.edits[0] = (tiny_edit){TINY_BYTES, "blk.0.ffn_up.weight", NULL, 0x7e00, 0};
    model = open_spec(&damaged, NULL);
    s = open_session(model, NULL);
    memcpy(out, before, sizeof out);
    want_text(tern_session_hidden(s, tokens, 3, out, &err), TERN_CORRUPT, &err,
              "states are not finite");
    assert_int_equal(count(s), 0);
    assert_memory_equal(out, before, sizeof out);
    tern_session_destroy(s);
    tern_model_close(model);
}

static int setup(void **state)
{
    (void)state;
    tiny_tokens(tokens, N, 3);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_among_others),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
