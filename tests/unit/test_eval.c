/* SPDX-License-Identifier: Apache-2.0 */
/* Bits a byte against logits after every token, each window read by a session of its own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/common.h"
#include "cli/eval.h"
#include "model/engine.h"
#include "oom.h"

enum { TEXT_BYTES = 700, NO_ID = -1 };

static char text[TEXT_BYTES];

/* Of all bytes, with words that the vocabulary has among them; no UTF-8. */
static void make_text(void)
{
    static const char words[] = "the and in on that he was ";
    uint32_t state = 7;
    for (size_t i = 0; i < sizeof text; i++) {
        state = state * 1664525u + 1013904223u;
        bool word = i % 100 < 50;
        text[i] = word ? words[i % (sizeof words - 1)] : (char)(uint8_t)(state >> 24);
    }
}

static tern_model *open_model(bool with_bos)
{
    tiny_spec spec = BITNET;
    if (!with_bos) {
        spec.keys[0] = (tiny_key){"tokenizer.ggml.bos_token_id", NULL, 0, (uint32_t)NO_ID};
    }
    return open_spec(&spec, NULL);
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

/* The tokens from `at` on, as many as have room behind what they may see; returns where the
 * next window begins. */
static size_t read_window(const ti_eval *e, const tern_token *tokens, size_t n, size_t at,
                          double *nats)
{
    const tern_session_opts opts = {.n_ctx = e->window, .threads = 1};
    tern_session *s = open_session(e->model, &opts);
    size_t begin = at > e->overlap ? at - e->overlap : 0;
    tern_err err;
    if (e->bos != TERN_TOKEN_NONE) {
        feed(s, &e->bos, 1);
    }
    if (at > begin) {
        feed(s, tokens + begin, at - begin);
    }
    for (; at < n; at++) {
        *nats += surprise(tern_session_logits(s, &err), tokens[at]);
        if (count(s) == e->window) {
            at++;
            break;
        }
        feed(s, tokens + at, 1);
    }
    tern_session_destroy(s);
    return at;
}

static void check(const tern_model *model, uint32_t window, uint32_t overlap, size_t size)
{
    const tern_session_opts opts = {.n_ctx = window, .threads = 2, .chunk = 9};
    tern_session *s = open_session(model, &opts);
    ti_eval_score got = {.path = "a text"};
    tern_token *tokens = NULL;
    size_t n = 0;
    tern_err err;
    ti_eval e;
    want(ti_eval_begin(&e, model, s, window, overlap, &err), TERN_OK, &err);
    want(ti_eval_text(&e, text, size, &got, &err), TERN_OK, &err);
    want(ti_tokenize(&tokens, &n, model, text, size, 0, &err), TERN_OK, &err);
    bool bos = e.bos != TERN_TOKEN_NONE;
    double nats = bos ? 0.0 : log(ENGINE_VOCAB);
    uint64_t windows = 0;
    for (size_t at = bos ? 0 : 1; at < n; windows++) {
        at = read_window(&e, tokens, n, at, &nats);
    }
    assert_int_equal(got.tokens, n);
    assert_int_equal(got.bytes, size);
    assert_int_equal(got.windows, windows);
    assert_true(fabs(got.nats - nats) <= 1e-6 * nats);
    double bits = nats / log(2.0) / (double)size;
    assert_true(fabs(ti_eval_bits_per_byte(&got) - bits) <= 1e-6 * bits);
    /* Four parts of 64 tokens make an interval. */
    assert_int_equal(isnan(got.low) != 0, n < 256);
    if (n >= 256) {
        assert_true(got.low < bits && bits < got.high);
    }
    free(tokens);
    ti_eval_end(&e);
    tern_session_destroy(s);
}

static void test_direct(void **state)
{
    (void)state;
    static const struct {
        uint32_t window, overlap;
        size_t size;
    } cases[] = {
        {64, TI_EVAL_HALF, TEXT_BYTES}, {64, 1, TEXT_BYTES}, {64, 63, 150}, {17, 16, 100},
        {5, TI_EVAL_HALF, 90},          {64, 20, 1},         {64, 40, 30},  {2, 1, 40},
        {1, TI_EVAL_HALF, 25}};
    for (int bos = 0; bos < 2; bos++) {
        tern_model *model = open_model(bos == 1);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            check(model, cases[i].window, cases[i].overlap, cases[i].size);
        }
        tern_model_close(model);
    }
    tern_model *model = open_model(true);
    check(model, 64, 0, 300);
    tern_model_close(model);
}

/* Several texts: sums, and an interval of all their parts. */
static void test_sum(void **state)
{
    (void)state;
    tern_model *model = open_model(true);
    const tern_session_opts opts = {.threads = 1};
    tern_session *s = open_session(model, &opts);
    ti_eval_score scores[3] = {{0}}, all;
    tern_err err;
    ti_eval e;
    want(ti_eval_begin(&e, model, s, ENGINE_CONTEXT, TI_EVAL_HALF, &err), TERN_OK, &err);
    want(ti_eval_text(&e, text, 650, &scores[0], &err), TERN_OK, &err);
    want(ti_eval_text(&e, text + 30, 670, &scores[1], &err), TERN_OK, &err);
    want(ti_eval_text(&e, text, 20, &scores[2], &err), TERN_OK, &err);
    ti_eval_sum(&e, scores, 3, &all);
    assert_int_equal(all.bytes, 650 + 670 + 20);
    assert_int_equal(all.tokens, scores[0].tokens + scores[1].tokens + scores[2].tokens);
    assert_true(all.nats == scores[0].nats + scores[1].nats + scores[2].nats);
    assert_true(isnan(scores[2].low));
    double bits = ti_eval_bits_per_byte(&all);
    assert_true(all.low < bits && bits < all.high);
    assert_true(all.high - all.low < scores[0].high - scores[0].low);
    ti_eval_end(&e);
    tern_session_destroy(s);
    tern_model_close(model);
}

static bool stop_at_once(void *user, uint64_t done, uint64_t total)
{
    *(uint64_t *)user = done;
    return done == total;
}

static void test_failures(void **state)
{
    (void)state;
    tern_model *model = open_model(false);
    const tern_session_opts opts = {.threads = 1, .n_ctx = 16};
    tern_session *s = open_session(model, &opts);
    ti_eval_score score = {.path = "name", .bytes = 5};
    tern_err err;
    ti_eval e;
    want_text(ti_eval_begin(&e, model, s, 16, 0, &err), TERN_USAGE, &err, "must be 1 to 16");
    ti_eval_end(&e);
    want_text(ti_eval_begin(&e, model, s, 16, 17, &err), TERN_USAGE, &err, "--overlap 17");
    ti_eval_end(&e);
    want(ti_eval_begin(&e, model, s, 16, TI_EVAL_HALF, &err), TERN_OK, &err);
    want_text(ti_eval_text(&e, text, 0, &score, &err), TERN_USAGE, &err, "'name' is empty");
    uint64_t done = 0;
    e.progress = stop_at_once;
    e.progress_user = &done;
    want(ti_eval_text(&e, text, 200, &score, &err), TERN_CANCELLED, &err);
    assert_true(done > 0 && done < 200);
    assert_int_equal(score.bytes, 5);
    e.progress = NULL;
    for (long i = 0;; i++) {
        oom_fail_at(i);
        tern_status status = ti_eval_text(&e, text, 200, &score, &err);
        if (!oom_disarm()) {
            want(status, TERN_OK, &err);
            assert_true(i > 5);
            break;
        }
        if (status != TERN_OK) { /* the tokenizer can do without some */
            want(status, TERN_NOMEM, &err);
            assert_int_equal(score.bytes, 5);
        }
    }
    ti_eval_end(&e);
    tern_session_destroy(s);
    tern_model_close(model);
}

static int setup(void **state)
{
    (void)state;
    make_text();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
