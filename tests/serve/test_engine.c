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
#include <unistd.h>

#include "heard.h"
#include "model/engine.h"
#include "serve/engine.h"
#include "tern/grammar.h"

enum { MANY = 8 };

static heard ears[MANY + 4];

static heard *hearer(size_t i)
{
    heard_init(&ears[i]);
    return &ears[i];
}

static char path[TINY_PATH_BYTES * 2];

/* A ternary model with room for some hundred tokens. */
static const char *tiny_model(uint64_t seed)
{
    tiny_spec spec = BITNET;
    spec.n_ctx = 256;
    spec.seed = seed;
    snprintf(path, sizeof path, "%s", tiny_path("served.gguf"));
    tiny_write(&spec, path);
    return path;
}

static const char *books_model(void)
{
    const char *source = getenv("TERN_SOURCE");
    snprintf(path, sizeof path, "%s/models/tern-books.gguf", source ? source : ".");
    return path;
}

static ti_serve_engine *open_engine(const ti_serve_opts *opts)
{
    ti_serve_engine *e = NULL;
    tern_err err;
    want(ti_serve_open(&e, opts, &err), TERN_OK, &err);
    return e;
}

static ti_serve_stats stats_of(ti_serve_engine *e)
{
    ti_serve_stats s;
    ti_serve_get_stats(e, &s);
    return s;
}

/* --- alone -----------------------------------------------------------------------------------
 */

/* What a session answers when there is nothing else: the way of `tern run`. */
static void alone(heard *h, const ti_serve_request *r, uint32_t choice)
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

static void assert_same(const heard *h, const ti_serve_request *r)
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

/* --- together --------------------------------------------------------------------------------
 */

static ti_str str(const char *text)
{
    return (ti_str){text, strlen(text)};
}

static const char *const stops[] = {"the sea", " and the", "\n\n"};

/* Texts of different lengths, all kinds of choosing. */
static ti_serve_request request_of(uint32_t i)
{
    static const char *const texts[MANY] = {
        "Once upon a time there was",
        "It was the best of times, it was the worst of times, and everybody knew that the old "
        "captain had been at the window since the morning, looking at the grey water and at "
        "the "
        "ships which came and went, as ships do, without a word to anybody of where they had "
        "been or what they had seen there.",
        "The king said to his daughter",
        "It was the best of times, it was the worst of times, and everybody knew that the old "
        "woman",
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
    for (size_t k = 0; k < 3; k++) {
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
    for (size_t at = 3; at < 8; at++) { /* wherever the borders of tokens are */
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
    want(ti_serve_acquire(e, &model, &err), TERN_OK, &err);
    ti_serve_give_back(e);
    uint64_t context = stats_of(e).kv_limit; /* of one context */
    ti_serve_close(e);
    const ti_serve_opts opts = {
        .path = path, .threads = 1, .slots = 4, .kv_bytes = context + context / 2};
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

/* --- leaving ---------------------------------------------------------------------------------
 */

static void cancel_own(heard *h, const ti_serve_event *event)
{
    if (event->kind == TI_SERVE_TEXT && h->n_texts == 3) {
        ti_serve_cancel(h->user ? ((heard *)h->user)->job : h->job);
    }
}

/* While it is answered, read, or waiting; by cancel, `gone`, or on_event. */
static void test_cancel(void **state)
{
    (void)state;
    const ti_serve_opts opts = {
        .path = tiny_model(8), .threads = 2, .slots = 2, .chunk = 2, .chunk_fixed = true};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[256];
    tern_err err;
    tiny_tokens(tokens, 256, 2);
    ti_serve_request r = {.tokens = tokens,
                          .n_tokens = 6,
                          .max_tokens = 200,
                          .ignore_end = true,
                          .logprobs = true,
                          .private_prompt = true};
    ti_serve_request reading = r;
    reading.n_tokens = 240;
    reading.max_tokens = 10;
    heard *talker = hearer(0), *reader = hearer(1), *waiter = hearer(2), *left = hearer(3);
    talker->user = reader; /* cancels the reader after three tokens, in the engine's thread */
    talker->leave_after = 9;
    talker->then = cancel_own;
    want(ask(e, reader, reading, &err), TERN_OK, &err);
    want(ask(e, talker, r, &err), TERN_OK, &err);
    want(ask(e, waiter, r, &err), TERN_OK, &err);
    want(ask(e, left, r, &err), TERN_OK, &err);
    ti_serve_cancel(waiter->job);
    pthread_mutex_lock(&left->lock);
    left->gone = true;
    pthread_mutex_unlock(&left->lock);
    heard *all[] = {talker, reader, waiter, left};
    for (size_t i = 0; i < 4; i++) {
        assert_true(heard_done(all[i]));
        assert_int_equal(all[i]->reason, TI_SERVE_CANCELLED);
        assert_false(all[i]->broken);
    }
    assert_int_equal(talker->output_n[0], 9); /* not one more */
    assert_int_equal(reader->output_n[0], 0);
    assert_true(reader->usage.cached_tokens == 0 && reader->usage.first_ns == 0);
    ti_serve_stats s = stats_of(e);
    assert_int_equal(s.cancelled, 4);
    assert_true(s.computed_tokens < 6 + 240);
    assert_true(s.tokens_not_made >= 191 + 10 && s.tokens_not_made <= 191 + 10 + 400);
    for (size_t i = 0; i < 4; i++) {
        ti_serve_cancel(all[i]->job); /* of one that has ended: nothing */
        heard_free(all[i]);
    }
    heard *h = hearer(0); /* and the engine is whole */
    r.max_tokens = 5;
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_same(h, &r);
    heard_free(h);
    ti_serve_close(e);
}

/* A stop with time lets answers end, one without cancels; jobs outlive the engine. */
static void test_shutdown(void **state)
{
    (void)state;
    tern_token tokens[8];
    tern_err err;
    tiny_tokens(tokens, 8, 2);
    const ti_serve_request r = {
        .tokens = tokens, .n_tokens = 8, .max_tokens = 100, .ignore_end = true};
    for (int drain = 0; drain < 2; drain++) {
        const ti_serve_opts opts = {.path = tiny_model(9), .threads = 1, .slots = 1};
        ti_serve_engine *e = open_engine(&opts);
        want(ask(e, hearer(0), r, &err), TERN_OK, &err);
        want(ask(e, hearer(1), r, &err), TERN_OK, &err);
        ti_serve_stop(e, drain ? UINT64_C(60000000000) : 0);
        want_text(ask(e, hearer(2), r, &err), TERN_UNAVAILABLE, &err, "stopping");
        const tern_model *model;
        want(ti_serve_acquire(e, &model, &err), TERN_UNAVAILABLE, &err);
        ti_serve_close(e);
        for (size_t i = 0; i < 2; i++) {
            assert_true(ears[i].done);
            assert_int_equal(ears[i].reason, drain ? TI_SERVE_LENGTH : TI_SERVE_CANCELLED);
            ti_serve_cancel(ears[i].job);
            heard_free(&ears[i]);
        }
    }
    const ti_serve_opts opts = {.path = path, .threads = 1};
    ti_serve_close(open_engine(&opts));
    ti_serve_close(NULL);
}

/* --- the model's file ------------------------------------------------------------------------
 */

static void nap(long ms)
{
    const struct timespec t = {.tv_sec = 0, .tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

static void answer_one(ti_serve_engine *e, tern_token first)
{
    tern_token tokens[16];
    tern_err err;
    tiny_tokens(tokens, 16, 3);
    tokens[0] = first;
    const ti_serve_request r = {
        .tokens = tokens, .n_tokens = 16, .max_tokens = 8, .ignore_end = true};
    heard *h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_same(h, &r);
    heard_free(h);
}

static void test_unload(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(10), .threads = 2, .unload_ns = 30000000};
    ti_serve_engine *e = open_engine(&opts);
    const tern_model *model;
    tern_err err;
    assert_false(stats_of(e).loaded);
    for (uint64_t round = 1; round <= 2; round++) {
        answer_one(e, 1);
        assert_int_equal(stats_of(e).loads, round);
        for (int i = 0; i < 1000 && stats_of(e).loaded; i++) {
            nap(10);
        }
        assert_false(stats_of(e).loaded);
        assert_int_equal(stats_of(e).kv_bytes, 0);
    }
    want(ti_serve_acquire(e, &model, &err), TERN_OK, &err);
    nap(80); /* held: it stays */
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    assert_int_equal(desc.n_vocab, ENGINE_VOCAB);
    assert_true(stats_of(e).loaded);
    ti_serve_give_back(e);
    ti_serve_close(e);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Nothing to do is nothing done. */
static void test_idle(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(11), .threads = 2};
    ti_serve_engine *e = open_engine(&opts);
    answer_one(e, 1);
    nap(50);
    uint64_t before = cpu_ns();
    nap(300);
    assert_true(cpu_ns() - before < 3000000);
    ti_serve_close(e);
}

/* Another file under the same name: who is being answered goes on with the old one. */
static void test_replaced(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(12), .threads = 2};
    char old[sizeof path], renamed[sizeof path + 8];
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[16];
    tern_err err;
    tiny_tokens(tokens, 16, 3);
    const ti_serve_request r = {
        .tokens = tokens, .n_tokens = 16, .max_tokens = 200, .ignore_end = true};
    heard *h = hearer(1);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_wait(h, 2));
    memcpy(old, path, sizeof old);
    snprintf(renamed, sizeof renamed, "%s.old", old);
    assert_int_equal(rename(old, renamed), 0);
    tiny_model(13);
    answer_one(e, 2); /* by the new one */
    assert_true(heard_done(h));
    snprintf(path, sizeof path, "%s", renamed);
    assert_same(h, &r);
    heard_free(h);
    snprintf(path, sizeof path, "%s", old);
    assert_int_equal(stats_of(e).loads, 2);
    /* a file that is no model: an error, and the next good one works */
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("not a model", f);
    fclose(f);
    h = hearer(1);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_int_equal(h->reason, TI_SERVE_ERROR);
    assert_int_equal(h->status, TERN_CORRUPT);
    heard_free(h);
    const tern_model *model;
    want(ti_serve_acquire(e, &model, &err), TERN_CORRUPT, &err);
    tiny_model(14);
    answer_one(e, 3);
    ti_serve_close(e);
    assert_int_equal(remove(renamed), 0);
}

static void truncate_file(heard *h, const ti_serve_event *event)
{
    if (event->kind == TI_SERVE_TEXT && h->n_texts == 3) {
        h->broken |= truncate(path, 64) != 0;
    }
}

static void test_truncated(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(15), .threads = 2};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[16];
    tern_err err;
    tiny_tokens(tokens, 16, 3);
    const ti_serve_request r = {.tokens = tokens,
                                .n_tokens = 16,
                                .max_tokens = 100,
                                .ignore_end = true,
                                .logprobs = true};
    heard *h = hearer(1);
    h->then = truncate_file;
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_int_equal(h->reason, TI_SERVE_ERROR);
    assert_int_equal(h->status, TERN_IO);
    assert_non_null(strstr(h->message, "shrank"));
    assert_int_equal(h->output_n[0], 3);
    heard_free(h);
    tiny_model(15);
    answer_one(e, 3);
    ti_serve_close(e);
}

/* --- joules ----------------------------------------------------------------------------------
 */

/* Every microjoule is a request's or the idle line's. */
static void test_energy(void **state)
{
    (void)state;
    ti_energy *energy = NULL;
    ti_energy_opts eo = TI_ENERGY_OPTS_DEFAULT;
    tern_err err;
    eo.model_only = true;
    eo.period_ns = UINT64_C(60000000000);
    want(ti_energy_open(&energy, &eo, &err), TERN_OK, &err);
    const ti_serve_opts opts = {.path = tiny_model(16), .threads = 2, .energy = energy};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[4][32];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 4; i++) {
        tiny_tokens(tokens[i], 32, i);
        const ti_serve_request r = {.tokens = tokens[i],
                                    .n_tokens = 32,
                                    .max_tokens = 100 + 20 * i,
                                    .ignore_end = true};
        want(ask(e, hearer(i), r, &err), TERN_OK, &err);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(heard_done(&ears[i]));
        assert_true(ears[i].usage.has_energy);
        assert_int_equal(ears[i].usage.energy.evidence, TI_EVIDENCE_MODELLED);
        sum += ears[i].usage.energy.energy_uj;
        heard_free(&ears[i]);
    }
    ti_serve_close(e);
    ti_attribution_sum total = ti_energy_total(energy, NULL);
    assert_int_equal(total.waiting_uj, 0);
    assert_int_equal(total.requests_uj, sum);
    assert_int_equal(total.metered_uj, sum + total.idle_uj);
    assert_true(sum > 0);
    ti_energy_close(energy);
}

/* --- what cannot be -------------------------------------------------------------------------
 */

static void test_refused(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(17), .threads = 1, .n_ctx = 64};
    tern_token tokens[128], strange = ENGINE_VOCAB;
    tern_err err;
    const char *const empty[] = {""};
    const ti_serve_bias far[] = {{ENGINE_VOCAB, 1}}, wild[] = {{1, INFINITY}};
    tiny_tokens(tokens, 128, 1);
    const struct {
        ti_serve_request r;
        tern_status status;
        const char *text;
        bool model; /* must be open for it to be seen */
    } cases[] = {
        {{.max_tokens = 1}, TERN_USAGE, "empty", false},
        {{.tokens = tokens, .n_tokens = 1, .text = {"a", 1}},
         TERN_USAGE,
         "more than one",
         false},
        {{.tokens = tokens, .n_tokens = 1, .sampler = {.top_p = 2}},
         TERN_USAGE,
         "top_p",
         false},
        {{.tokens = tokens, .n_tokens = 1, .n_top = 21}, TERN_LIMIT, "alternatives", false},
        {{.tokens = tokens, .n_tokens = 1, .bias = wild, .n_bias = 1},
         TERN_USAGE,
         "bias",
         false},
        {{.tokens = tokens, .n_tokens = 64}, TERN_LIMIT, "has 64 tokens", true},
        {{.tokens = tokens, .n_tokens = 128}, TERN_LIMIT, "has 128 tokens", true},
        {{.tokens = &strange, .n_tokens = 1}, TERN_USAGE, "token 331", true},
        {{.tokens = tokens, .n_tokens = 1, .bias = far, .n_bias = 1}, TERN_USAGE, "331", true},
        {{.tokens = tokens, .n_tokens = 1, .stops = empty, .n_stops = 1},
         TERN_USAGE,
         "stop",
         true},
    };
    for (int open = 0; open < 2; open++) {
        ti_serve_engine *e = open_engine(&opts);
        if (open) {
            answer_one(e, 1);
        }
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            heard *h = hearer(0);
            tern_status status = ask(e, h, cases[i].r, &err);
            if (cases[i].model && !open) { /* it is known later */
                want(status, TERN_OK, &err);
                assert_true(heard_done(h));
                assert_int_equal(h->status, cases[i].status);
                assert_non_null(strstr(h->message, cases[i].text));
                ti_serve_close(e);
                e = open_engine(&opts);
            } else {
                want_text(status, cases[i].status, &err, cases[i].text);
            }
            heard_free(h);
        }
        ti_serve_close(e);
    }
    ti_serve_engine *none = NULL;
    want(ti_serve_open(&none, &(ti_serve_opts){.path = "/nowhere/m.gguf"}, &err), TERN_IO,
         &err);
    want(ti_serve_open(&none, &(ti_serve_opts){.path = path, .slots = 1000}, &err), TERN_USAGE,
         &err);
    assert_null(none);
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
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_unload),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_energy),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
