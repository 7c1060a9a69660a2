/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse representations: the arithmetic against examples that were worked out elsewhere, and
 * whole texts, the same bits however they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine.h"
#include "model/embed.h"
#include "model/sdr.h"
#include "oom.h"

enum { CONTEXT = 32, WIDTH = 64 };

static const tiny_spec SMALL = {.arch = "smdr",
                                .type = "iq2_bn",
                                .embd = "f32",
                                .n_layer = 2,
                                .n_embd = WIDTH,
                                .n_ff = 128,
                                .n_head = 2,
                                .n_head_kv = 1,
                                .head_dim = 32,
                                .n_ctx = CONTEXT,
                                .smdr = {.kinds = "torus,full", .side = 7, .radius = 2}};

static const char text[] =
    "The quick brown fox jumps over the lazy dog; so it goes, and goes on, until nobody asks "
    "any more why foxes jump, or dogs are lazy, or what any of them had to do with letters.";

/* --- the arithmetic ----------------------------------------------------------------------- */

static void expect(const tern_sdr *sdr, const uint32_t *wanted)
{
    uint32_t on[TERN_SDR_ON];
    assert_int_equal(tern_sdr_indices(sdr, on), TERN_SDR_ON);
    for (size_t i = 0; i < TERN_SDR_ON; i++) {
        assert_int_equal(on[i], wanted[i]);
    }
}

/* docs/formats/sdr.md has these, made by a program of twenty lines in another language. */
static void test_example(void **state)
{
    (void)state;
    static const float tokens[3][8] = {
        {1, 2, 3, 4, 5, 6, 7, 8}, {-3, 1, -4, 1, -5, 9, -2, 6}, {2, 7, 1, 8, 2, 8, 1, 8}};
    static const uint32_t one[] = {
        4,    17,   22,   51,   70,   79,   94,   115,  151,  170,  236,  253,  413,  415,
        567,  596,  610,  644,  704,  763,  767,  833,  939,  992,  1017, 1129, 1197, 1240,
        1454, 1476, 1481, 1575, 1593, 1620, 1652, 1663, 1670, 1707, 1831, 1856, 1864};
    static const uint32_t three[] = {
        20,   45,   51,   152,  236,  253,  291,  293,  331,  364,  373,  413,  415,  552,
        567,  610,  704,  818,  834,  992,  1037, 1129, 1139, 1216, 1240, 1342, 1454, 1481,
        1575, 1593, 1634, 1652, 1663, 1670, 1687, 1747, 1799, 1831, 1924, 1953, 2009};
    static const int16_t signs[] = {0, 0, 0, -1, -1, 0, 1, 1,  0, -1, 0, 0, 0, 0,  0, 0,
                                    0, 0, 1, 0,  0,  0, 1, -1, 0, 0,  0, 1, 0, -1, 0, 0};
    ti_sdr_pool pool;
    tern_err err;
    tern_sdr sdr;
    want(ti_sdr_init(&pool, 8, 1.0, &err), TERN_OK, &err);
    assert_memory_equal(pool.signs, signs, sizeof signs);
    ti_sdr_add(&pool, tokens[0]);
    ti_sdr_winners(&pool, &sdr);
    expect(&sdr, one);
    ti_sdr_add(&pool, tokens[1]);
    ti_sdr_add(&pool, tokens[2]);
    ti_sdr_winners(&pool, &sdr);
    expect(&sdr, three);
    ti_sdr_clear(&pool);
    ti_sdr_add(&pool, tokens[0]);
    ti_sdr_winners(&pool, &sdr);
    expect(&sdr, one);
    ti_sdr_free(&pool);
}

static void test_rounding(void **state)
{
    (void)state;
    static const struct {
        float in;
        int16_t out;
    } cases[] = {{0.5f, 0},          {1.5f, 2},         {-0.5f, 0},     {-2.5f, -2},
                 {2.4999f, 2},       {32767.2f, 32767}, {1e30f, 32767}, {-1e30f, -32767},
                 {-32768.f, -32767}, {0.25f, 0},        {-7.75f, -8},   {12345.5f, 12346}};
    ti_sdr_pool pool;
    tern_err err;
    want(ti_sdr_init(&pool, 1, 1.0, &err), TERN_OK, &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ti_sdr_add(&pool, &cases[i].in);
        assert_int_equal(pool.state[0], cases[i].out);
    }
    ti_sdr_free(&pool);
}

/* With nothing to choose by, the lowest numbers win. */
static void test_ties(void **state)
{
    (void)state;
    static const float zero[4];
    uint32_t lowest[TERN_SDR_ON];
    ti_sdr_pool pool;
    tern_err err;
    tern_sdr sdr;
    want(ti_sdr_init(&pool, 4, 1.0, &err), TERN_OK, &err);
    ti_sdr_add(&pool, zero);
    ti_sdr_winners(&pool, &sdr);
    for (uint32_t i = 0; i < TERN_SDR_ON; i++) {
        lowest[i] = i;
    }
    expect(&sdr, lowest);
    ti_sdr_free(&pool);
}

static void test_scale(void **state)
{
    (void)state;
    static const float ones[] = {1, 1, 1, 1}, mixed[] = {0, 20, 0, 0}, none[] = {0, 0},
                       small[] = {0.001f}, large[] = {1000.f};
    assert_true(ti_sdr_scale(ones, 4) == 128);
    assert_true(ti_sdr_scale(mixed, 4) == 16); /* 10 in the root mean square */
    assert_true(ti_sdr_scale(none, 2) == 1);
    assert_true(ti_sdr_scale(small, 1) == 131072);
    assert_true(ti_sdr_scale(large, 1) == 0.25);
}

static void test_overlap(void **state)
{
    (void)state;
    tern_sdr a = {{0}}, b = {{0}};
    uint32_t on[TERN_SDR_ON];
    assert_int_equal(tern_sdr_overlap(&a, &b), 0);
    assert_int_equal(tern_sdr_indices(&a, on), 0);
    a.words[0] = 0xf0;
    a.words[31] = UINT64_C(1) << 63;
    b.words[0] = 0x3c;
    b.words[31] = UINT64_C(3) << 62;
    assert_int_equal(tern_sdr_overlap(&a, &b), 3);
    assert_int_equal(tern_sdr_indices(&a, on), 5);
    assert_int_equal(on[4], 2047);
    memset(&b, 0xff, sizeof b);
    assert_int_equal(tern_sdr_indices(&b, on), TERN_SDR_ON);
}

/* --- texts -------------------------------------------------------------------------------- */

static tern_sdr embed(const tern_model *model, const tern_session_opts *opts, const char *s,
                      size_t len, size_t *n)
{
    tern_embedder *e = NULL;
    tern_sdr sdr;
    tern_err err;
    want(tern_embedder_create(&e, model, opts, &err), TERN_OK, &err);
    want(tern_embedder_text(e, &sdr, s, len, n, &err), TERN_OK, &err);
    tern_embedder_destroy(e);
    return sdr;
}

/* What the header says it is: states of the tokens behind the first one, window for window. */
static void test_meaning(void **state)
{
    (void)state;
    tern_model *model = open_spec(&SMALL, NULL);
    static tern_token tokens[256];
    static float states[CONTEXT * WIDTH];
    tern_err err;
    size_t n, told;
    ti_sdr_pool pool;
    tern_sdr right;
    want(tern_model_tokenize(model, tokens, 256, &n, text, sizeof text - 1, TERN_TOKENIZE_BOS,
                             &err),
         TERN_OK, &err);
    assert_true(n > 2 * CONTEXT); /* three windows */
    size_t bos = 0, plain;
    want(tern_model_tokenize(model, NULL, 0, &plain, text, sizeof text - 1, 0, &err),
         TERN_LIMIT, &err);
    bos = n - plain;
    tern_session *s = open_session(model, NULL);
    want(ti_sdr_init(&pool, WIDTH, ti_sdr_scale(model->output_norm, WIDTH), &err), TERN_OK,
         &err);
    for (size_t at = bos; at < n; at += CONTEXT - bos) {
        size_t part = n - at < CONTEXT - bos ? n - at : CONTEXT - bos;
        want(tern_session_truncate(s, 0, &err), TERN_OK, &err);
        if (bos) {
            feed(s, tokens, 1);
        }
        want(tern_session_hidden(s, tokens + at, part, states, &err), TERN_OK, &err);
        for (size_t i = 0; i < part; i++) {
            ti_sdr_add(&pool, states + i * WIDTH);
        }
    }
    ti_sdr_winners(&pool, &right);
    tern_sdr got = embed(model, NULL, text, sizeof text - 1, &told);
    assert_int_equal(told, plain);
    assert_memory_equal(&got, &right, sizeof got);
    ti_sdr_free(&pool);
    tern_session_destroy(s);
    tern_model_close(model);
}

static void test_same_bits(void **state)
{
    (void)state;
    static const struct {
        const char *cpu;
        uint32_t threads, chunk;
    } ways[] = {{"scalar", 1, 1}, {NULL, 1, 512}, {NULL, 3, 7}, {"scalar", 2, 30}};
    tern_sdr first = {{0}};
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        const tern_model_opts set = {.cpu = ways[w].cpu};
        const tern_session_opts opts = {.threads = ways[w].threads, .chunk = ways[w].chunk};
        tern_model *model = open_spec(&SMALL, &set);
        tern_sdr sdr = embed(model, &opts, text, sizeof text - 1, NULL);
        first = w == 0 ? sdr : first;
        assert_memory_equal(&sdr, &first, sizeof sdr);
        tern_model_close(model);
    }
}

static size_t watched, watched_most;

static bool watch(void *user, size_t n_tokens)
{
    (void)user;
    watched += n_tokens;
    return watched < watched_most;
}

/* A text is left in its middle when nobody wants the rest; the next one is whole. */
static void test_watching(void **state)
{
    (void)state;
    static char a_text[4096];
    tern_model *model = open_spec(&SMALL, NULL);
    tern_sdr whole, sdr;
    tern_embedder *e = NULL;
    size_t n = 0;
    tern_err err;
    memset(a_text, 'a', sizeof a_text);
    for (size_t i = 7; i < sizeof a_text; i += 8) {
        a_text[i] = ' ';
    }
    want(tern_embedder_create(&e, model, NULL, &err), TERN_OK, &err);
    watched_most = SIZE_MAX;
    ti_embedder_watch(e, watch, NULL);
    want(tern_embedder_text(e, &whole, a_text, sizeof a_text, &n, &err), TERN_OK, &err);
    assert_true(n > 600 && watched == n);
    watched = 0;
    watched_most = 257;
    want(tern_embedder_text(e, &sdr, a_text, sizeof a_text, NULL, &err), TERN_CANCELLED, &err);
    assert_true(watched > 256 && watched <= 512);
    ti_embedder_watch(e, NULL, NULL);
    want(tern_embedder_text(e, &sdr, a_text, sizeof a_text, NULL, &err), TERN_OK, &err);
    assert_memory_equal(&sdr, &whole, sizeof sdr);
    tern_embedder_destroy(e);
    tern_model_close(model);
}

/* An embedder has no memory of the text before. */
static void test_one_after_the_other(void **state)
{
    (void)state;
    tern_model *model = open_spec(&SMALL, NULL);
    tern_sdr alone = embed(model, NULL, "a cat", 5, NULL), sdr;
    tern_embedder *e = NULL;
    tern_err err;
    want(tern_embedder_create(&e, model, NULL, &err), TERN_OK, &err);
    want(tern_embedder_text(e, &sdr, text, sizeof text - 1, NULL, &err), TERN_OK, &err);
    assert_true(tern_sdr_overlap(&sdr, &alone) < TERN_SDR_ON);
    want(tern_embedder_text(e, &sdr, "a cat", 5, NULL, &err), TERN_OK, &err);
    assert_memory_equal(&sdr, &alone, sizeof sdr);
    tern_sdr before = sdr;
    want_text(tern_embedder_text(e, &sdr, "", 0, NULL, &err), TERN_USAGE, &err, "empty");
    assert_memory_equal(&sdr, &before, sizeof sdr);
    tern_embedder_destroy(e);
    tern_embedder_destroy(NULL);
    tern_model_close(model);
}

static void test_no_memory(void **state)
{
    (void)state;
    const tern_session_opts opts = {.threads = 1};
    tern_model *model = open_spec(&SMALL, NULL);
    tern_err err;
    for (long n = 0;; n++) {
        tern_embedder *e = NULL;
        tern_sdr sdr = {{0}};
        oom_fail_at(n);
        tern_status status = tern_embedder_create(&e, model, &opts, &err);
        if (status == TERN_OK) {
            status = tern_embedder_text(e, &sdr, text, sizeof text - 1, NULL, &err);
        }
        bool failed = oom_disarm();
        want(status, failed ? TERN_NOMEM : TERN_OK, &err);
        assert_int_equal(tern_sdr_overlap(&sdr, &sdr), failed ? 0 : TERN_SDR_ON);
        tern_embedder_destroy(e);
        if (!failed) {
            break;
        }
    }
    tern_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),   cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_ties),      cmocka_unit_test(test_scale),
        cmocka_unit_test(test_overlap),   cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_watching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
