/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of the architecture smdr: rings against caches that keep everything, the network
 * against the one in float64, skipping against dense products. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/verify_parts.h"
#include "oom.h"
#include "smdr_spec.h"

/* --- rings -------------------------------------------------------------------------------- */

static const tiny_spec ringed[] = {
    {SMALL, .smdr = {.kinds = "torus,torus", .side = 18, .radius = 3, .sinks = 2}},
    {SMALL, .smdr = {.kinds = "torus,full", .side = 16, .radius = 2, .top_k = 20}},
    {SMALL, .smdr = {.kinds = "window,strided", .budget = 12, .stride = 9}},
    {SMALL, .smdr = {.kinds = "window,window", .budget = 1, .sinks = 1, .activation = "silu"}},
    {SMALL, .smdr = {.kinds = "random,window", .budget = 5, .seed = 12, .top_k = 128}},
};
enum { N_RINGED = sizeof ringed / sizeof ringed[0] };

/* Gives a session a cache that keeps everything. */
static void unbind(tern_session *s, void *memory[4])
{
    const ti_config *c = &s->model->config;
    ti_kv *kv = &s->kv;
    size_t vectors = (size_t)c->n_layer * c->n_head_kv * s->n_ctx;
    for (size_t i = 0; i < 4; i++) {
        memory[i] = calloc(vectors * (i < 2 ? kv->stride * 2 : sizeof(float)), 1);
        assert_non_null(memory[i]);
    }
    for (uint32_t l = 0; l < c->n_layer; l++) {
        kv->layers[l] = (ti_kv_layer){.first = (size_t)l * c->n_head_kv * s->n_ctx,
                                      .rows = s->n_ctx,
                                      .linear = s->n_ctx,
                                      .ring = 1};
    }
    kv->k = memory[0];
    kv->v = memory[1];
    kv->k_scale = kv->k_scale ? memory[2] : NULL;
    kv->v_scale = kv->v_scale ? memory[3] : NULL;
    kv->has_ring = false;
}

static void test_rings(void **state)
{
    (void)state;
    tern_token tokens[N];
    tiny_tokens(tokens, N, 5);
    unsigned rings = 0;
    for (size_t i = 0; i < 2 * (size_t)N_RINGED; i++) {
        tern_model *model = open_spec(&ringed[i / 2], NULL);
        const tern_session_opts opts = {
            .threads = 1, .kv = i % 2 ? TERN_KV_I8 : TERN_KV_F16, .chunk = 96};
        tern_session *small = open_session(model, &opts), *big = open_session(model, &opts);
        void *memory[4];
        rings += small->kv.has_ring;
        unbind(big, memory);
        feed(small, tokens, 150);
        feed(big, tokens, 150);
        for (size_t j = 150; j < N; j++) {
            assert_int_equal(logits_hash(small), logits_hash(big));
            feed(small, tokens + j, 1);
            feed(big, tokens + j, 1);
        }
        assert_int_equal(logits_hash(small), logits_hash(big));
        tern_session_destroy(small);
        tern_session_destroy(big);
        for (size_t j = 0; j < 4; j++) {
            free(memory[j]);
        }
        tern_model_close(model);
    }
    assert_true(rings >= 8);
}

/* The cache of a pattern does not grow with the context. */
static void test_cache_size(void **state)
{
    (void)state;
    uint64_t bytes[2];
    for (uint32_t i = 0; i < 2; i++) {
        tiny_spec spec = {SMALL, .smdr = {.kinds = "window,window", .budget = 12}};
        spec.n_ctx = i ? 4096 : 512;
        tern_model *model = open_spec(&spec, NULL);
        tern_session *s = open_session(model, NULL);
        bytes[i] = s->kv.bytes;
        tern_session_destroy(s);
        tern_model_close(model);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_true(bytes[0] <= (uint64_t)2 * 2 * (12 + TI_KV_STEP) * 32 * 2 + 128);
}

static void test_taken_back(void **state)
{
    (void)state;
    tern_token tokens[N];
    tiny_tokens(tokens, N, 5);
    for (size_t i = 0; i < N_RINGED; i++) {
        tern_model *model = open_spec(&ringed[i], NULL);
        tern_session *s = open_session(model, NULL), *loaded = open_session(model, NULL);
        char path[TINY_PATH_BYTES * 2];
        tern_err err;
        snprintf(path, sizeof path, "%s", tiny_path("session"));
        feed(s, tokens, N);
        static const size_t cuts[] = {N - 1, N - 60, N - 64, N - 66, 100, 3, 0};
        for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
            size_t n = cuts[c];
            want(tern_session_truncate(s, n, &err), TERN_OK, &err);
            if (n > 0) {
                uint64_t alone = hash_of(model, TERN_KV_F16, tokens, n);
                /* saved before anything was run again, too */
                want(tern_session_save(s, path, &err), TERN_OK, &err);
                assert_int_equal(logits_hash(s), alone);
                want(tern_session_load(loaded, path, &err), TERN_OK, &err);
                assert_int_equal(logits_hash(loaded), alone);
                want(tern_session_save(s, path, &err), TERN_OK, &err);
                want(tern_session_load(loaded, path, &err), TERN_OK, &err);
                assert_int_equal(loaded->n_done, n);
                feed(loaded, tokens + n, 1);
                assert_int_equal(logits_hash(loaded),
                                 hash_of(model, TERN_KV_F16, tokens, n + 1));
            }
            feed(s, tokens + n, N - n);
            assert_int_equal(logits_hash(s), hash_of(model, TERN_KV_F16, tokens, N));
        }
        tern_session_destroy(s);
        tern_session_destroy(loaded);
        tern_model_close(model);
    }
}

/* Sessions whose cache was partly overwritten, in a step with others. */
static void test_batch_after_truncation(void **state)
{
    (void)state;
    enum { ROWS = 8 };
    tern_token tokens[N];
    tiny_tokens(tokens, N, 5);
    tern_model *model = open_spec(&ringed[2], NULL);
    tern_session *s[2] = {open_session(model, NULL), open_session(model, NULL)};
    tern_batch *batch = NULL;
    tern_err err;
    want(tern_batch_create(&batch, model, 2, ROWS, &err), TERN_OK, &err);
    feed(s[0], tokens, N);
    feed(s[1], tokens, 80);
    want(tern_session_truncate(s[0], 70, &err), TERN_OK, &err);
    const tern_batch_item items[2] = {{.session = s[0], .tokens = tokens + 70, .n = 4},
                                      {.session = s[1], .tokens = tokens + 80, .n = 4}};
    want(tern_batch_step(batch, items, 2, &err), TERN_OK, &err);
    assert_int_equal(logits_hash(s[0]), hash_of(model, TERN_KV_F16, tokens, 74));
    assert_int_equal(logits_hash(s[1]), hash_of(model, TERN_KV_F16, tokens, 84));
    tern_batch_destroy(batch);
    tern_session_destroy(s[0]);
    tern_session_destroy(s[1]);
    tern_model_close(model);
}

static void test_no_allocation(void **state)
{
    (void)state;
    tern_token tokens[N];
    tiny_tokens(tokens, N, 5);
    for (size_t i = 0; i < N_RINGED; i++) {
        const tern_model_opts opts = {.sparse = TERN_SPARSE_ON};
        tern_model *model = open_spec(&ringed[i], &opts);
        tern_session *s = open_session(model, NULL);
        feed(s, tokens, 100);
        oom_fail_at(0);
        for (size_t j = 0; j < 20; j++) {
            (void)next(s);
        }
        feed(s, tokens + 100, 60);
        assert_false(oom_disarm());
        assert_int_equal(oom_count(), 0);
        tern_session_destroy(s);
        tern_model_close(model);
    }
}

/* --- the network -------------------------------------------------------------------------- */

/* A pattern that leaves nothing out is attention to all; gates of which all may stay open are
 * gates; and bitnet is smdr without any of it. */
static void test_nothing_left_out(void **state)
{
    (void)state;
    const tiny_spec full = {SMALL},
                    window = {SMALL, .smdr = {.kinds = "window,window", .budget = CONTEXT}};
    tiny_spec bitnet = {SMALL}, open = {SMALL, .smdr = {.top_k = 128}};
    bitnet.arch = "bitnet-b1.58";
    uint64_t h = spec_hash(&full, NULL);
    assert_int_equal(spec_hash(&window, NULL), h);
    assert_int_equal(spec_hash(&bitnet, NULL), h);
    assert_int_equal(spec_hash(&open, NULL), h);
    tiny_spec silu = {SMALL, .smdr = {.activation = "silu"}};
    uint64_t other = spec_hash(&silu, NULL);
    assert_int_not_equal(other, h);
    silu.smdr.top_k = 128;
    assert_int_equal(spec_hash(&silu, NULL), other);
    silu.smdr.top_k = 127;
    assert_int_not_equal(spec_hash(&silu, NULL), other);
    const tiny_spec narrow = {SMALL, .smdr = {.kinds = "window,full", .budget = 100}};
    assert_int_not_equal(spec_hash(&narrow, NULL), h);
}

/* The relative error of the engine against the reference, whose keys `change` may make others
 * than the file's. */
static double error_of(const tiny_spec *spec, void (*change)(ti_config *c))
{
    enum { SOME = 90 };
    static double expected[SOME * ENGINE_VOCAB];
    tern_token tokens[SOME];
    tiny_tokens(tokens, SOME, 2);
    const tern_model_opts opts = {.head = "own"};
    tern_model *model = open_spec(spec, &opts);
    ti_pool *pool = NULL;
    tern_err err;
    want(ti_pool_create(&pool, 1, &err), TERN_OK, &err);
    const ti_verify_opts quiet = {0};
    ti_config config = model->config;
    if (change) {
        change(&config);
    }
    const ti_ref ref = {
        .gguf = &model->gguf, .config = &config, .pool = pool, .opts = &quiet, .phase = ""};
    want(ti_ref_logits(expected, &ref, tokens, SOME, &err), TERN_OK, &err);
    tern_session *s = open_session(model, NULL);
    double squares = 0.0, size = 0.0;
    for (size_t i = 0; i < SOME; i++) {
        feed(s, tokens + i, 1);
        const float *logits = tern_session_logits(s, &err);
        for (size_t v = 0; v < ENGINE_VOCAB; v++) {
            double want = expected[i * ENGINE_VOCAB + v], off = (double)logits[v] - want;
            squares += off * off;
            size += want * want;
        }
    }
    tern_session_destroy(s);
    ti_pool_destroy(pool);
    tern_model_close(model);
    return sqrt(squares / size);
}

/* One key or place more, or another one. */
static void other_keys(ti_config *c)
{
    c->attn.torus_radius++;
    c->attn.key_budget++;
    c->attn.random_seed++;
}

static void test_reference(void **state)
{
    /* Floats only, so that nothing but keys and values is rounded; wrong keys, or one gate too
     * many, are errors of a few hundredths at least. */
    tiny_spec specs[] = {
        {SMALL, .smdr = {.kinds = "torus,full", .side = 16, .radius = 3}},
        {SMALL, .smdr = {.kinds = "torus,torus", .side = 16, .radius = 2, .sinks = 3}},
        {SMALL, .smdr = {.kinds = "window,strided", .budget = 9, .stride = 7, .top_k = 13}},
        {SMALL, .smdr = {.kinds = "random,random", .budget = 8, .seed = 3, .bare = true}},
        {SMALL,
         .smdr = {.kinds = "full,window", .budget = 4, .top_k = 64, .activation = "silu"}}};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        specs[i].type = specs[i].embd = "f32";
        /* With the largest gates only, rounding of keys may put another one first. */
        double error = error_of(&specs[i], NULL), bound = specs[i].smdr.top_k ? 1e-2 : 2e-4;
        if (!(error < bound)) {
            fail_msg("model %zu: relative error %g", i, error);
        }
        /* ... and it would notice. */
        error = error_of(&specs[i], other_keys);
        if (!(error > 2e-2)) {
            fail_msg("model %zu with another key: relative error %g", i, error);
        }
    }
}

/* A session that holds less than the model was trained for: fewer of its keys are in reach. */
static void test_short_sessions(void **state)
{
    (void)state;
    tern_token tokens[N];
    tiny_tokens(tokens, N, 5);
    for (size_t i = 0; i < N_RINGED; i++) {
        tern_model *model = open_spec(&ringed[i], NULL);
        static const uint32_t sizes[] = {1, 2, 17, 40, 100, N};
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            const tern_session_opts opts = {.threads = 1, .n_ctx = sizes[j]};
            tern_session *s = open_session(model, &opts);
            feed(s, tokens, sizes[j]);
            assert_int_equal(logits_hash(s), hash_of(model, TERN_KV_F16, tokens, sizes[j]));
            tern_session_destroy(s);
        }
        tern_model_close(model);
    }
}

/* --- skipping ----------------------------------------------------------------------------- */

/* Few gates: packed for skipping without being asked.  Many: not.  A file that promises fewer
 * open gates than there are: dense products, step by step.  The bits are the same. */
static void test_skipping(void **state)
{
    (void)state;
    const tern_model_opts off = {.sparse = TERN_SPARSE_OFF}, on = {.sparse = TERN_SPARSE_ON};
    const tern_session_opts one = {.threads = 1};
    static const struct {
        uint32_t top_k;
        float promise;
        bool skips;
    } cases[] = {{1, 0, true},  {12, 0, true},    {100, 0, false},    {128, 0, false},
                 {0, 0, false}, {0, 0.01f, true}, {100, 0.01f, true}, {12, 0.9f, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tiny_spec spec = {SMALL, .smdr = {.kinds = "window,torus",
                                          .side = 17,
                                          .radius = 2,
                                          .budget = 7,
                                          .top_k = cases[i].top_k}};
        if (cases[i].promise > 0) {
            spec.keys[0] = (tiny_key){"tern.ffn_active_fraction", NULL, cases[i].promise, 0};
        }
        tern_model *model = open_spec(&spec, NULL);
        assert_int_equal(model->sparse, cases[i].skips);
        assert_int_equal(model->layers[0].down_t.data != NULL, cases[i].skips);
        tern_model_close(model);
        uint64_t h = spec_hash(&spec, NULL);
        /* Token by token, so that the products of one vector are made. */
        uint64_t steps[3];
        for (size_t way = 0; way < 3; way++) {
            model = open_spec(&spec, way == 0 ? NULL : way == 1 ? &off : &on);
            tern_session *s = open_session(model, &one);
            tern_token tokens[N];
            tiny_tokens(tokens, N, 9);
            for (size_t t = 0; t < N; t++) {
                feed(s, tokens + t, 1);
            }
            steps[way] = logits_hash(s);
            tern_session_destroy(s);
            tern_model_close(model);
        }
        assert_true(steps[0] == h && steps[1] == h && steps[2] == h);
    }
}

/* --- the self-test ------------------------------------------------------------------------ */

/* It reads so much text that patterns leave keys out. */
static void test_verified(void **state)
{
    (void)state;
    static const char *const kinds[] = {"torus,torus", "window,full", "random,strided"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const tiny_spec spec = {SMALL, .smdr = {.kinds = kinds[i],
                                                .side = 18,
                                                .radius = 3,
                                                .budget = 13,
                                                .stride = 18,
                                                .seed = 2,
                                                .sinks = 1,
                                                .top_k = 40}};
        const ti_verify_opts how = {.selftest = true};
        const tern_model_opts one = {.threads = 1};
        const char *path = tiny_path("verified.gguf");
        ti_verify_report r;
        tern_err err;
        tiny_write(&spec, path);
        (void)ti_verify(path, &one, &how, &r, &err); /* random weights are not fluent */
        assert_true(r.tested);
        assert_in_range(r.compared_tokens, 150, 256);
        for (size_t c = 0; c < r.n_checks; c++) {
            bool about = strcmp(r.checks[c].name, "reference") == 0 ||
                         strcmp(r.checks[c].name, "kernels") == 0;
            if (about && r.checks[c].verdict != TI_VERIFY_PASSED) {
                fail_msg("%s: %s", kinds[i], r.checks[c].text);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rings),          cmocka_unit_test(test_cache_size),
        cmocka_unit_test(test_taken_back),     cmocka_unit_test(test_batch_after_truncation),
        cmocka_unit_test(test_no_allocation),  cmocka_unit_test(test_nothing_left_out),
        cmocka_unit_test(test_short_sessions), cmocka_unit_test(test_reference),
        cmocka_unit_test(test_skipping),       cmocka_unit_test(test_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
