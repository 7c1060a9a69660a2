/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with a grammar: tern-books, which never saw JSON, writes some; the same with every
 * number of threads and in a batch; what can go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/jval.h"
#include "model/session.h"
#include "oom.h"
#include "tern/grammar.h"

enum { TOKENS = 48, CONTEXT = 96 };

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":12},"
    "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":120},\"tags\":{\"type\":\"array\","
    "\"items\":{\"enum\":[\"old\",\"new\"]},\"maxItems\":3}},\"required\":[\"name\",\"age\"]}";

static tern_model *model;
static tern_grammar *grammar;

static int set_up(void **state)
{
    const char *source = getenv("TERN_SOURCE");
    char path[1024];
    (void)state;
    snprintf(path, sizeof path, "%s/models/tern-books.gguf", source ? source : ".");
    return tern_model_open(&model, path, NULL, NULL) ||
           tern_grammar_create(&grammar, TERN_GRAMMAR_SCHEMA, schema, strlen(schema), NULL);
}

static int tear_down(void **state)
{
    (void)state;
    tern_grammar_destroy(grammar);
    tern_model_close(model);
    return 0;
}

static tern_session *begin(uint32_t threads, uint64_t seed, const char *prompt)
{
    const tern_session_opts opts = {.n_ctx = CONTEXT, .threads = threads};
    const tern_sampler_opts sampler = {
        .temperature = 1.5f, .top_p = 0.95f, .repeat_penalty = 1.2f, .seed = seed};
    tern_session *s = NULL;
    assert_int_equal(tern_session_create(&s, model, &opts, NULL), TERN_OK);
    assert_int_equal(tern_session_set_sampler(s, &sampler, NULL), TERN_OK);
    assert_int_equal(tern_session_feed_text(s, prompt, NULL), TERN_OK);
    return s;
}

/* One token; true when it ends the answer. */
static bool step(tern_session *s, ti_buf *text)
{
    tern_token token;
    tern_err err = {.message = ""};
    size_t n;
    if (tern_session_next(s, &token, &err) != TERN_OK) {
        fail_msg("after %s: %s", text->data ? text->data : "", err.message);
    }
    const char *bytes = tern_model_token_bytes(model, token, &n);
    bool ends = tern_model_token_ends(model, token);
    ti_buf_add(text, bytes, ends ? 0 : n);
    return ends;
}

static void check(const ti_buf *text)
{
    ti_arena arena = {0};
    ti_jval doc;
    tern_err err = {.message = ""};
    uint64_t age;
    if (ti_jval_parse(&doc, &arena, text->data, text->len, "test", &err) != TERN_OK) {
        fail_msg("%s: %s", text->data, err.message);
    }
    const ti_jval *name = ti_jval_get(&doc, "name");
    assert_true(name && name->type == TI_JSTR);
    assert_true(ti_jval_uint(ti_jval_get(&doc, "age"), 120, &age));
    ti_arena_free(&arena);
}

static void answer(ti_buf *text, tern_session *s)
{
    unsigned n = 0;
    assert_int_equal(tern_session_set_grammar(s, grammar, NULL), TERN_OK);
    assert_int_equal(tern_session_grammar_rest(s), strlen("{\"name\":\"\",\"age\":0}"));
    tern_session_grammar_limit(s, TOKENS);
    while (!step(s, text)) {
        assert_true(++n < TOKENS);
    }
    assert_int_equal(tern_session_grammar_rest(s), 0);
}

static void test_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        ti_buf one = {0}, two = {0};
        tern_session *s = begin(1, seed, "The old man"), *t = begin(2, seed, "The old man");
        answer(&one, s);
        answer(&two, t);
        check(&one);
        assert_string_equal(one.data, two.data);
        tern_token token;
        tern_err err;
        assert_int_equal(tern_session_next(s, &token, &err), TERN_USAGE); /* it has ended */
        assert_int_equal(tern_session_set_grammar(s, NULL, NULL), TERN_OK);
        assert_int_equal(tern_session_next(s, &token, &err), TERN_OK); /* as without one */
        tern_session_grammar_limit(s, 1);
        tern_session_grammar_finish(s);
        ti_buf_free(&one);
        ti_buf_free(&two);
        tern_session_destroy(s);
        tern_session_destroy(t);
    }
}

/* Two answers of which one has a grammar, alone and together. */
static void test_batch(void **state)
{
    (void)state;
    enum { STEPS = 24 };
    ti_buf alone[2] = {{0}}, together[2] = {{0}};
    static const char *const prompts[] = {"The old man", "Once upon a time"};
    tern_session *s[2];
    tern_batch *batch = NULL;
    assert_int_equal(tern_batch_create(&batch, model, 2, CONTEXT, NULL), TERN_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            s[i] = begin(1, 9, prompts[i]);
            assert_int_equal(tern_session_set_grammar(s[i], i ? NULL : grammar, NULL), TERN_OK);
        }
        bool over[2] = {false, false};
        for (int n = 0; n < STEPS; n++) {
            tern_batch_item items[2];
            size_t used = 0;
            for (int i = 0; i < 2; i++) {
                over[i] = over[i] || step(s[i], round ? &together[i] : &alone[i]);
                size_t held;
                const tern_token *tokens = tern_session_tokens(s[i], &held);
                /* The token belongs to the session already: take it back and hand it over. */
                tern_token last = tokens[held - 1];
                if (round && !over[i]) {
                    static tern_token handed[2];
                    handed[i] = last;
                    assert_int_equal(tern_session_truncate(s[i], held - 1, NULL), TERN_OK);
                    items[used++] = (tern_batch_item){s[i], &handed[i], 1};
                }
            }
            assert_true(used == 0 || tern_batch_step(batch, items, used, NULL) == TERN_OK);
            if (over[0] || over[1]) {
                break;
            }
        }
        tern_session_destroy(s[0]);
        tern_session_destroy(s[1]);
    }
    for (int i = 0; i < 2; i++) {
        assert_string_equal(alone[i].data, together[i].data);
        ti_buf_free(&alone[i]);
        ti_buf_free(&together[i]);
    }
    tern_batch_destroy(batch);
}

static void test_finish(void **state)
{
    (void)state;
    ti_buf text = {0};
    tern_session *s = begin(1, 3, "The");
    assert_int_equal(tern_session_set_grammar(s, grammar, NULL), TERN_OK);
    for (int i = 0; i < 10; i++) {
        assert_false(step(s, &text));
    }
    uint64_t rest = tern_session_grammar_rest(s);
    tern_session_grammar_finish(s);
    for (uint64_t i = 0; !step(s, &text); i++) {
        assert_true(i < rest);
    }
    check(&text);
    ti_buf_free(&text);
    tern_session_destroy(s);
}

/* Failures leave what was there; choosing tokens asks for no memory. */
static void test_memory(void **state)
{
    (void)state;
    ti_buf text = {0};
    tern_session *s = begin(1, 5, "The");
    uint64_t bytes = tern_session_bytes(s);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        tern_status status = tern_session_set_grammar(s, grammar, NULL);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
        assert_int_equal(tern_session_bytes(s), bytes);
    }
    assert_true(tern_session_bytes(s) > bytes);
    ti_buf_adds(&text, "                                                              ");
    ti_buf_clear(&text);
    oom_fail_at(1L << 30);
    for (int i = 0; i < 8; i++) {
        assert_false(step(s, &text));
    }
    assert_int_equal(oom_count(), 0);
    (void)oom_disarm();
    ti_buf_free(&text);
    tern_session_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
