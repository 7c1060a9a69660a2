/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of tern serve: answers are those of a lone session, to the bit, whoever else is
 * there and whatever is kept; nobody waits for more than a chunk of another one's prompt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#include "alone.h"

/* Everything takes ten times as long with the thread sanitizer: once is enough there. */
#if defined(__SANITIZE_THREAD__)
enum { SLOW = 1 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { SLOW = 1 };
#else
enum { SLOW = 0 };
#endif
#else
enum { SLOW = 0 };
#endif

/* --- together --------------------------------------------------------------------------------
 */

static ti_str str(const char *text)
{
    return (ti_str){text, strlen(text)};
}

/* Two of the texts begin with it. */
#define BEST \
    "It was the best of times, it was the worst of times, and everybody knew that the old "

static const char *const stops[] = {"the sea", " and the", "\n\n"};

/* Texts of different lengths, all kinds of choosing. */
static ti_serve_request request_of(uint32_t i)
{
    static const char *const texts[MANY] = {
        "Once upon a time there was",
        BEST
        "captain had been at the window since the morning, looking at the grey water and at "
        "the "
        "ships which came and went, as ships do, without a word to anybody of where they had "
        "been or what they had seen there.",
        "The king said to his daughter",
        BEST "woman",
        "A",
        "In the garden stood a tree. Under the tree sat a boy, and the boy",
        "Chapter I.\n\n",
        "\"No,\" said the"};
    static const tern_sampler_opts samplers[MANY] = {
        {.temperature = 0},
        {.temperature = 0.8F, .seed = 7},
        {.temperature = 1.0F, .top_k = 40, .seed = 1},
        {.temperature = 0},
        {.temperature = 1.2F, .top_p = 0.9F, .seed = 99, .repeat_penalty = 1.2F},
        {.temperature = 0.7F, .min_p = 0.1F, .seed = 5, .presence_penalty = 0.5F},
        {.temperature = 0, .frequency_penalty = 0.7F, .penalty_last_n = 16},
        {.temperature = 0.9F, .top_k = 20, .top_p = 0.8F, .min_p = 0.02F, .seed = 12345}};
    return (ti_serve_request){.text = str(texts[i]),
                              .text_flags = TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL,
                              .max_tokens = 14 + 2 * i,
                              .sampler = samplers[i],
                              .stops = i % 2 ? stops : NULL,
                              .n_stops = i % 2 ? 3 : 0,
                              .logprobs = i % 3 == 0,
                              .n_top = i % 3};
}

/* Eight requests, each of which comes when the one before has said something. */
static void test_together_as_alone(void **state)
{
    (void)state;
    static const uint32_t chunks[] = {0, 3, 64}; /* 0: as the pace has it */
    for (size_t k = SLOW; k < (SLOW ? 2 : 3); k++) {
        const ti_serve_opts opts = {.path = books_model(),
                                    .threads = 1 + (uint32_t)k % 2,
                                    .slots = MANY,
                                    .chunk = chunks[k],
                                    .chunk_fixed = chunks[k] > 0};
        ti_serve_engine *e = open_engine(&opts);
        tern_err err;
        for (uint32_t i = 0; i < MANY; i++) {
            heard *h = hearer(i);
            want(ask(e, h, request_of(i), &err), TERN_OK, &err);
            assert_true(heard_wait(h, i % 3));
        }
        for (uint32_t i = 0; i < MANY; i++) {
            ti_serve_request r = request_of(i);
            assert_true(heard_done(&ears[i]));
            assert_same(&ears[i], &r);
            heard_free(&ears[i]);
        }
        ti_serve_close(e);
    }
}

/* Three answers to a prompt are those of three seeds; a stop that lies across tokens; the
 * context's end; biases. */
static void test_choices(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = books_model(), .threads = 2, .slots = 4};
    ti_serve_engine *e = open_engine(&opts);
    ti_serve_request r = request_of(1);
    tern_err err;
    r.choices = 3;
    heard *h = hearer(0), *other = hearer(1);
    ti_serve_request two = request_of(5);
    two.choices = 2; /* waits: three and two are more than four */
    want(ask(e, h, r, &err), TERN_OK, &err);
    want(ask(e, other, two, &err), TERN_OK, &err);
    assert_true(heard_done(h) && heard_done(other));
    assert_same(h, &r);
    assert_same(other, &two);
    assert_true(h->len[0] != h->len[1] || memcmp(h->text[0], h->text[1], h->len[0]) != 0);
    assert_int_equal(h->usage.output_tokens, h->output_n[0] + h->output_n[1] + h->output_n[2]);
    heard_free(h);
    heard_free(other);
    r.choices = 5;
    want_text(ask(e, hearer(0), r, &err), TERN_LIMIT, &err, "5 choices");
    ti_serve_close(e);
}

/* Two answers with a form beside one without. */
static void test_grammar(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = books_model(), .threads = 2};
    ti_serve_engine *e = open_engine(&opts);
    tern_grammar *grammar = NULL;
    tern_err err;
    want(tern_grammar_create(&grammar, TERN_GRAMMAR_JSON, NULL, 0, &err), TERN_OK, &err);
    ti_serve_request r = request_of(4), plain = request_of(5);
    r.grammar = grammar;
    r.choices = 2;
    r.max_tokens = 24;
    heard *h = hearer(0), *other = hearer(1);
    want(ask(e, h, r, &err), TERN_OK, &err);
    want(ask(e, other, plain, &err), TERN_OK, &err);
    assert_true(heard_done(h) && heard_done(other));
    assert_same(h, &r);
    assert_same(other, &plain);
    for (size_t c = 0; c < 2; c++) {
        assert_int_equal(h->reasons[c], TI_SERVE_STOP);
        assert_true(h->text[c][0] == '{' && h->text[c][h->len[c] - 1] == '}');
    }
    heard_free(h);
    heard_free(other);
    ti_serve_close(e);
    tern_grammar_destroy(grammar);
}

static void test_stop_across_tokens(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = books_model(), .threads = 1};
    ti_serve_engine *e = open_engine(&opts);
    ti_serve_request r = request_of(0);
    tern_err err;
    static heard whole;
    char middle[8] = "";
    const char *const stop[] = {middle};
    alone(&whole, &r, 0);
    for (size_t at = 3; at < (SLOW ? 4 : 8); at++) { /* wherever the borders of tokens are */
        memcpy(middle, whole.text[0] + at, 5);
        r.stops = stop;
        r.n_stops = 1;
        heard *h = hearer(0);
        want(ask(e, h, r, &err), TERN_OK, &err);
        assert_true(heard_done(h));
        assert_same(h, &r);
        assert_int_equal(h->reason, TI_SERVE_SEQUENCE);
        assert_true(h->len[0] <= at);
        heard_free(h);
    }
    heard_free(&whole);
    ti_serve_close(e);
}

static void test_context_and_biases(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(1), .threads = 1};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[256];
    tern_err err;
    tiny_tokens(tokens, 256, 1);
    ti_serve_request r = {.tokens = tokens, .n_tokens = 250, .ignore_end = true};
    heard *h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_same(h, &r);
    assert_int_equal(h->reason, TI_SERVE_CONTEXT);
    assert_int_equal(h->output_n[0], 6);
    heard_free(h);
    const ti_serve_bias bias[] = {{77, 1e6F}, {77, 1e6F}, {5, -10}};
    r = (ti_serve_request){.tokens = tokens,
                           .n_tokens = 5,
                           .max_tokens = 4,
                           .bias = bias,
                           .n_bias = 3,
                           .ignore_end = true,
                           .logprobs = true};
    h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(h->output[0][i], 77);
        assert_true(h->logprob[i] < 0); /* by the model alone */
    }
    heard_free(h);
    ti_serve_close(e);
}

/* ln p as anybody computes it from the logits of a session. */
static void test_logprobs(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(2), .threads = 2};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[32];
    tern_err err;
    tiny_tokens(tokens, 32, 3);
    const ti_serve_request r = {.tokens = tokens,
                                .n_tokens = 9,
                                .max_tokens = 12,
                                .ignore_end = true,
                                .logprobs = true,
                                .n_top = 5,
                                .sampler = {.temperature = 2, .seed = 3}};
    heard *h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_same(h, &r);
    assert_int_equal(h->n_logprobs, 12);
    assert_int_equal(h->n_top, 5);
    tern_model *model = NULL;
    want(tern_model_open(&model, path, NULL, &err), TERN_OK, &err);
    tern_session *s = open_session(model, NULL);
    feed(s, tokens, 9);
    for (size_t i = 0; i < 12; i++) {
        const float *logits = tern_session_logits(s, &err);
        double sum = 0;
        for (size_t t = 0; t < ENGINE_VOCAB; t++) {
            sum += exp((double)logits[t]);
        }
        tern_token chosen = h->output[0][i];
        assert_int_equal(h->logprob_of[i], chosen);
        assert_true(fabs((double)h->logprob[i] - ((double)logits[chosen] - log(sum))) < 1e-5);
        for (size_t k = 0; k < 5; k++) {
            const ti_serve_top *top = &h->top[i][k];
            size_t better = 0;
            for (size_t t = 0; t < ENGINE_VOCAB; t++) {
                better += logits[t] > logits[top->token] ||
                          (logits[t] == logits[top->token] && (tern_token)t < top->token);
            }
            assert_int_equal(better, k);
            assert_true(fabs((double)top->logprob - ((double)logits[top->token] - log(sum))) <
                        1e-5);
        }
        feed(s, &chosen, 1);
    }
    tern_session_destroy(s);
    tern_model_close(model);
    heard_free(h);
    ti_serve_close(e);
}

/* --- what is kept ----------------------------------------------------------------------------
 */

static uint64_t computed(ti_serve_engine *e)
{
    return stats_of(e).computed_tokens;
}

/* The same prompt again, one that goes on, and one that shares a beginning: the same answers
 * as alone, and only what is new is computed. */
static void test_prefix(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = books_model(), .threads = 2};
    ti_serve_engine *e = open_engine(&opts);
    tern_err err;
    static const uint32_t order[] = {1, 1, 3, 1, 3};
    uint64_t before = 0;
    for (size_t i = 0; i < 5; i++) {
        ti_serve_request r = request_of(order[i]);
        r.sampler.seed = i;
        heard *h = hearer(0);
        want(ask(e, h, r, &err), TERN_OK, &err);
        assert_true(heard_done(h));
        assert_same(h, &r);
        uint64_t now = computed(e);
        assert_int_equal(now - before, h->usage.prompt_tokens - h->usage.cached_tokens);
        assert_true(i == 0 ? h->usage.cached_tokens == 0 : h->usage.cached_tokens > 10);
        if (i == 1 || i >= 3) {
            assert_int_equal(h->usage.cached_tokens, h->usage.prompt_tokens - 1);
        }
        before = now;
        heard_free(h);
    }
    ti_serve_request r = request_of(1);
    r.private_prompt = true;
    heard *h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_same(h, &r);
    assert_int_equal(h->usage.cached_tokens, 0);
    heard_free(h);
    ti_serve_close(e);
}

/* A conversation: each prompt is the last one, its answer and something new. */
static void test_conversation(void **state)
{
    (void)state;
    for (int kv = 0; kv < 2; kv++) {
        const ti_serve_opts opts = {
            .path = tiny_model(3), .threads = 2, .kv = (tern_kv_type)kv};
        ti_serve_engine *e = open_engine(&opts);
        tern_token tokens[256], want_answer[16];
        size_t n = 20;
        tern_err err;
        tiny_tokens(tokens, 256, 5);
        tern_model *model = NULL;
        want(tern_model_open(&model, path, NULL, &err), TERN_OK, &err);
        for (int turn = 0; turn < 5; turn++) {
            const ti_serve_request r = {
                .tokens = tokens, .n_tokens = n, .max_tokens = 16, .ignore_end = true};
            heard *h = hearer(0);
            want(ask(e, h, r, &err), TERN_OK, &err);
            assert_true(heard_done(h));
            tern_session *s = open_session(model, &(tern_session_opts){.kv = (tern_kv_type)kv});
            feed(s, tokens, n);
            for (int i = 0; i < 16; i++) {
                want_answer[i] = next(s);
            }
            tern_session_destroy(s);
            assert_memory_equal(h->output[0], want_answer, sizeof want_answer);
            /* the last token of an answer is chosen and not run */
            assert_int_equal(h->usage.cached_tokens, turn == 0 ? 0 : n - 8 - 1);
            memmove(tokens + n, h->output[0], sizeof want_answer);
            n += 16 + 8;
            heard_free(h);
        }
        tern_model_close(model);
        ti_serve_close(e);
    }
}

/* Requests that come together with the same beginning: one reads it, the others copy. */
static void test_shared_beginning(void **state)
{
    (void)state;
    const ti_serve_opts opts = {
        .path = tiny_model(4), .threads = 2, .chunk = 16, .chunk_fixed = true};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[4][256];
    tern_err err;
    ti_serve_request r[4];
    for (uint32_t i = 0; i < 4; i++) {
        tiny_tokens(tokens[i], 120, 7);
        tiny_tokens(tokens[i] + 100, 20, 8 + i);
        r[i] = (ti_serve_request){
            .tokens = tokens[i], .n_tokens = 120, .max_tokens = 8, .ignore_end = true};
        want(ask(e, hearer(i), r[i], &err), TERN_OK, &err); /* the model is read meanwhile */
    }
    size_t cached = 0;
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(heard_done(&ears[i]));
        assert_same(&ears[i], &r[i]);
        cached += ears[i].usage.cached_tokens;
        heard_free(&ears[i]);
    }
    assert_in_range(cached, 300, 303); /* random ends may begin alike */
    assert_int_equal(computed(e) + cached, 480);
    ti_serve_close(e);
}

/* What is kept gives way, memory stays within its limit, and what can never fit is refused. */
static void test_memory(void **state)
{
    (void)state;
    const ti_serve_opts one = {.path = tiny_model(5), .threads = 1, .slots = 1};
    ti_serve_engine *e = open_engine(&one);
    const tern_model *model;
    tern_err err;
    want(ti_serve_acquire(e, NULL, &model, &err), TERN_OK, &err);
    ti_serve_give_back(e);
    uint64_t context = stats_of(e).kv_limit; /* of one context */
    ti_serve_close(e);
    const ti_serve_opts opts = {.path = path,
                                .threads = 1,
                                .slots = 4,
                                .kv_bytes = context + context / 2,
                                .cache_bytes = 2 * context};
    e = open_engine(&opts);
    tern_token tokens[4][64];
    ti_serve_request r[4];
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 4; i++) {
            tiny_tokens(tokens[i], 64, 20 + 4 * round + i);
            r[i] = (ti_serve_request){
                .tokens = tokens[i], .n_tokens = 60, .max_tokens = 30, .ignore_end = true};
            want(ask(e, hearer(i), r[i], &err), TERN_OK, &err);
        }
        for (uint32_t i = 0; i < 4; i++) {
            assert_true(heard_done(&ears[i]));
            assert_same(&ears[i], &r[i]);
            heard_free(&ears[i]);
            assert_true(stats_of(e).kv_bytes <= opts.kv_bytes);
        }
    }
    r[0].max_tokens = 0; /* a whole context each */
    r[0].choices = 2;
    want_text(ask(e, hearer(0), r[0], &err), TERN_LIMIT, &err, "2 choices of up to 256 tokens");
    r[0].choices = 1;
    want(ask(e, hearer(0), r[0], &err), TERN_OK, &err);
    assert_true(heard_done(&ears[0]));
    assert_same(&ears[0], &r[0]);
    heard_free(&ears[0]);
    ti_serve_close(e);
}

/* --- turns -----------------------------------------------------------------------------------
 */

/* While a long prompt is read, every pass brings a token to who is being answered; and a short
 * prompt that comes later is not behind the long one. */
static void test_long_prompt_holds_nobody_up(void **state)
{
    (void)state;
    const ti_serve_opts opts = {
        .path = tiny_model(6), .threads = 2, .chunk = 4, .chunk_fixed = true};
    ti_serve_engine *e = open_engine(&opts);
    tern_token longs[256], shorts[64];
    tern_err err;
    tiny_tokens(longs, 256, 40);
    tiny_tokens(shorts, 64, 41);
    ti_serve_request r[3] = {{.tokens = shorts, .n_tokens = 3, .max_tokens = 200},
                             {.tokens = longs, .n_tokens = 240, .max_tokens = 4},
                             {.tokens = shorts + 20, .n_tokens = 8, .max_tokens = 4}};
    for (uint32_t i = 0; i < 3; i++) {
        r[i].ignore_end = true;
        r[i].logprobs = true; /* an event for each token, also for halves of characters */
        want(ask(e, hearer(i), r[i], &err), TERN_OK, &err);
        assert_true(heard_wait(&ears[0], 5));
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(heard_done(&ears[i]));
        assert_same(&ears[i], &r[i]);
    }
    for (size_t i = 1; i < ears[0].n_texts; i++) { /* in every pass, whoever else was in it */
        assert_int_equal(ears[0].passes[i], ears[0].passes[i - 1] + 1);
    }
    /* 240 tokens are 60 passes; 8 tokens at two of four rows a pass are four */
    assert_true(ears[2].passes[0] < ears[1].passes[0]);
    for (uint32_t i = 0; i < 3; i++) {
        heard_free(&ears[i]);
    }
    ti_serve_close(e);
}

static void test_full_queue(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(7), .threads = 1, .slots = 1, .queue = 2};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[8];
    tern_err err;
    uint32_t wait_ms = 7;
    tiny_tokens(tokens, 8, 1);
    ti_serve_request r = {
        .tokens = tokens, .n_tokens = 8, .max_tokens = 240, .ignore_end = true};
    want(ask(e, hearer(0), r, &err), TERN_OK, &err);
    assert_true(heard_wait(&ears[0], 1)); /* it is in */
    want(ask(e, hearer(1), r, &err), TERN_OK, &err);
    want(ask(e, hearer(2), r, &err), TERN_OK, &err);
    r.user = hearer(3);
    r.on_event = hear;
    ti_serve_job *job = NULL;
    tern_status status = ti_serve_submit(e, &r, &job, &wait_ms, &err);
    if (status != TERN_OK) { /* unless the first has ended meanwhile */
        want_text(status, TERN_UNAVAILABLE, &err, "2 requests are waiting already");
        assert_in_range(wait_ms, 1000, 120000);
        assert_null(job);
        assert_int_equal(stats_of(e).refused, 1);
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(heard_done(&ears[i]));
        assert_int_equal(ears[i].output_n[0], 240);
        heard_free(&ears[i]);
    }
    ti_serve_release(job);
    ti_serve_close(e);
    heard_free(&ears[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together_as_alone),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_stop_across_tokens),
        cmocka_unit_test(test_context_and_biases),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_shared_beginning),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_long_prompt_holds_nobody_up),
        cmocka_unit_test(test_full_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
