/* SPDX-License-Identifier: Apache-2.0 */
/* tern-books, the model that comes with tern: the engine computes what PyTorch computed with
 * the network that was trained (tests/data/tern-books.parity, written by `./dev train parity`).
 *
 * The networks are the same and the roundings to int8 are, but PyTorch sums floats in another
 * order, and the engine rounds the input of the head to 8 bits as well.  Where two sums fall on
 * different sides of a half, an activation differs by 1/127 of the largest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#include "golden.h"
#include "tern/session.h"

enum { PROMPTS = 3, GREEDY = 200, TOKENS_MAX = 520, LOGIT_STEP = 16, LOGITS = 256 };

/* Tolerances: a few times what was seen (in brackets). */
static const double NATS_MEAN = 0.002; /* of the mean over a text */
static const double NATS_RMS = 0.05;   /* over its tokens */
static const double LOGIT_RMS = 0.05;  /* over the vocabulary; logits spread by about 4 */

static char parity[32768];

static tern_model *open_books(const tern_model_opts *opts)
{
    const char *source = getenv("TERN_SOURCE");
    char path[1024];
    tern_model *model = NULL;
    tern_err err = {.message = ""};
    snprintf(path, sizeof path, "%s/models/tern-books.gguf", source ? source : ".");
    if (tern_model_open(&model, path, opts, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    golden_read("tern-books.parity", parity, sizeof parity);
    return model;
}

static tern_session *open_session(const tern_model *model, const tern_session_opts *opts)
{
    tern_session *s = NULL;
    tern_err err = {.message = ""};
    if (tern_session_create(&s, model, opts, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    return s;
}

/* Goes to the line after the remarks that begin here. */
static void skip_remarks(const char **at)
{
    while (**at == '#') {
        *at = strchr(*at, '\n') + 1;
    }
}

/* Takes numbers with commas between them, and what ends them; returns how many. */
static size_t take_numbers(const char **at, double *out, size_t cap)
{
    size_t n = 0;
    while (**at != '|' && n < cap) {
        char *end;
        out[n++] = strtod(*at, &end);
        assert_ptr_not_equal(end, *at);
        *at = end + (*end == ',');
    }
    assert_true(**at == '|');
    *at += 2;
    return n;
}

static void tell(const tern_model *model, const tern_session_opts *opts, const char *at)
{
    tern_err err = {.message = ""};
    for (int prompt = 0; prompt < PROMPTS; prompt++) {
        tern_token ids[TOKENS_MAX], expected[TOKENS_MAX], token;
        skip_remarks(&at);
        size_t n = golden_ids(&at, ids, TOKENS_MAX);
        assert_int_equal(golden_ids(&at, expected, TOKENS_MAX), GREEDY);
        tern_session *s = open_session(model, opts);
        assert_int_equal(tern_session_feed(s, ids, n, &err), TERN_OK);
        for (int i = 0; i < GREEDY; i++) {
            assert_int_equal(tern_session_next(s, &token, &err), TERN_OK);
            if (token != expected[i]) {
                fail_msg("prompt %d: token %d is %d, must be %d", prompt, i, (int)token,
                         (int)expected[i]);
            }
        }
        tern_session_destroy(s);
    }
}

static void test_greedy(void **state)
{
    (void)state;
    tern_model *model = open_books(NULL);
    tell(model, NULL, parity);
    tern_model_close(model);
}

/* What was measured, in tokens, nats and logits. */
static void test_text(void **state)
{
    (void)state;
    tern_token ids[TOKENS_MAX];
    double nats[TOKENS_MAX], expected[TOKENS_MAX], logits[LOGITS];
    double sum = 0, squares = 0;
    tern_err err = {.message = ""};
    tern_model *model = open_books(NULL);
    const char *at = parity;
    for (int prompt = 0; prompt < PROMPTS; prompt++) {
        skip_remarks(&at);
        golden_ids(&at, ids, TOKENS_MAX);
        golden_ids(&at, ids, TOKENS_MAX);
    }
    skip_remarks(&at);
    size_t n = golden_ids(&at, ids, TOKENS_MAX) - 1;
    at++;
    assert_int_equal(take_numbers(&at, expected, TOKENS_MAX), n);
    assert_true(n > 500);
    tern_session *s = open_session(model, NULL);
    assert_int_equal(tern_session_score(s, ids, ids + 1, n, nats, &err), TERN_OK);
    for (size_t i = 0; i < n; i++) {
        double off = nats[i] - expected[i] / 1e6;
        sum += off;
        squares += off * off;
    }
    double mean = sum / (double)n, rms = sqrt(squares / (double)n);
    print_message("nats: off by %.5f on average, %.5f rms\n", mean, rms);
    assert_true(fabs(mean) < NATS_MEAN);
    assert_true(rms < NATS_RMS);

    skip_remarks(&at);
    assert_int_equal(take_numbers(&at, logits, LOGITS), LOGITS);
    const float *found = tern_session_logits(s, &err);
    assert_non_null(found);
    squares = 0;
    for (size_t i = 0; i < LOGITS; i++) {
        double off = (double)found[i * LOGIT_STEP] - logits[i] / 1e6;
        squares += off * off;
    }
    rms = sqrt(squares / LOGITS);
    print_message("logits: off by %.5f rms\n", rms);
    assert_true(rms < LOGIT_RMS);
    tern_session_destroy(s);
    tern_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
