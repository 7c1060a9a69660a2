/* SPDX-License-Identifier: Apache-2.0 */
/* The architecture smdr: patterns against the definitions, rings against caches that keep
 * everything, the network against the one in float64, and keys that contradict themselves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "engine.h"
#include "model/verify_parts.h"
#include "oom.h"

enum { N = 190, CONTEXT = 256 };

#define SMALL                                                                                  \
    .arch = "smdr", .type = "iq2_bn", .embd = "q8_0", .n_layer = 2, .n_embd = 64, .n_ff = 128, \
    .n_head = 2, .n_head_kv = 1, .head_dim = 32, .n_ctx = CONTEXT

/* --- patterns ----------------------------------------------------------------------------- */

/* The definitions once more, of the places themselves and with nothing precomputed. */
static bool defined_to_see(const ti_config *c, ti_attn_kind kind, const bool *random, int i,
                           int j)
{
    const ti_attn *a = &c->attn;
    int side = (int)a->torus_side, budget = (int)a->key_budget, o = i - j, near_by, found;
    if (j > i) {
        return false;
    }
    switch (kind) {
    case TI_ATTN_TORUS: {
        int x = abs(i % side - j % side), y = abs(i / side % side - j / side % side);
        x = x > side - x ? side - x : x;
        y = y > side - y ? side - y : y;
        return o < side * side && x + y <= (int)a->torus_radius;
    }
    case TI_ATTN_WINDOW:
        return o < budget;
    case TI_ATTN_STRIDED:
        near_by = (budget + 1) / 2;
        if (o < near_by) {
            return true;
        }
        found = 0; /* multiples beyond, up to o */
        for (int m = near_by; m <= o; m++) {
            found += m % (int)a->stride == 0;
        }
        return o % (int)a->stride == 0 && found <= budget - near_by;
    case TI_ATTN_RANDOM:
        return random[o];
    default:
        return true;
    }
}

/* SplitMix64 as its authors print it. */
static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void random_offsets(const ti_config *c, bool *chosen)
{
    uint64_t state = c->attn.random_seed;
    memset(chosen, 0, c->n_ctx * sizeof *chosen);
    chosen[0] = true;
    for (uint32_t n = 1; n < c->attn.key_budget;) {
        uint64_t o = 1 + splitmix(&state) % (c->n_ctx - 1);
        n += !chosen[o];
        chosen[o] = true;
    }
}

static void check_pattern(const ti_config *c, ti_attn_kind kind)
{
    static bool random[1 << 12];
    static uint8_t other[1 << 12];
    ti_arena arena = {0};
    ti_pattern p;
    tern_err err;
    want(ti_pattern_build(&p, c, kind, &arena, &err), TERN_OK, &err);
    if (kind == TI_ATTN_RANDOM) {
        random_offsets(c, random);
        ti_ref_random_offsets(c, other);
    }
    size_t most = 0;
    uint32_t reach = 0;
    for (uint32_t i = 0; i < c->n_ctx; i++) {
        uint32_t at = p.first[i % p.n_lists], end = p.first[i % p.n_lists + 1];
        size_t keys = 0;
        for (uint32_t j = 0; j <= i; j++) {
            bool sees = defined_to_see(c, kind, random, (int)i, (int)j), listed = false;
            while (at < end && p.offsets[at] > i - j) {
                at++;
            }
            if (at < end && p.offsets[at] == i - j) {
                listed = true;
                at++;
            }
            if (sees != listed) {
                fail_msg("kind %d: %u %s %u", (int)kind, i, sees ? "must see" : "sees", j);
            }
            ti_config one = *c;
            one.attn.kind[0] = (uint8_t)kind;
            one.attn.sink_tokens = 0;
            if (ti_ref_sees(&one, 0, other, i, j) != sees) {
                fail_msg("kind %d: the reference errs about %u and %u", (int)kind, i, j);
            }
            keys += sees;
            reach = sees && i - j + 1 > reach ? i - j + 1 : reach;
        }
        assert_int_equal(at, end == at ? end : at);
        most = keys > most ? keys : most;
    }
    assert_true(most <= p.most_keys);
    assert_int_equal(ti_pattern_reach(&p, c->n_ctx), reach);
    ti_arena_free(&arena);
}

static void test_patterns(void **state)
{
    static const struct {
        ti_attn_kind kind;
        uint32_t n_ctx, a, b; /* side and radius, or budget and stride or seed */
    } cases[] = {
        {TI_ATTN_TORUS, 9, 3, 1},      {TI_ATTN_TORUS, 144, 12, 2},
        {TI_ATTN_TORUS, 100, 12, 5},   {TI_ATTN_TORUS, 81, 9, 4},
        {TI_ATTN_TORUS, 7, 20, 3},     {TI_ATTN_TORUS, 260, 17, 1},
        {TI_ATTN_WINDOW, 40, 1, 0},    {TI_ATTN_WINDOW, 40, 40, 0},
        {TI_ATTN_WINDOW, 300, 13, 0},  {TI_ATTN_STRIDED, 200, 13, 10},
        {TI_ATTN_STRIDED, 200, 14, 1}, {TI_ATTN_STRIDED, 200, 1, 3},
        {TI_ATTN_STRIDED, 50, 30, 7},  {TI_ATTN_STRIDED, 90, 9, 1000},
        {TI_ATTN_STRIDED, 300, 29, 5}, {TI_ATTN_RANDOM, 200, 13, 1},
        {TI_ATTN_RANDOM, 50, 50, 4},   {TI_ATTN_RANDOM, 1, 1, 0},
        {TI_ATTN_RANDOM, 2, 2, 9},     {TI_ATTN_RANDOM, 300, 2, 0xffffffff},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ti_config c = {.n_ctx = cases[i].n_ctx};
        c.attn.torus_side = c.attn.key_budget = cases[i].a;
        c.attn.torus_radius = c.attn.stride = c.attn.random_seed = cases[i].b;
        check_pattern(&c, cases[i].kind);
    }
    /* The neighbours of the middle of a torus of side 64: three rows up, none down. */
    ti_config c = {.n_ctx = 4096, .attn = {.torus_side = 64, .torus_radius = 3}};
    ti_arena arena = {0};
    ti_pattern p;
    tern_err err;
    want(ti_pattern_build(&p, &c, TI_ATTN_TORUS, &arena, &err), TERN_OK, &err);
    const uint32_t *o = p.offsets + p.first[32];
    size_t seen = 0;
    for (size_t j = 0; o[j] != 0 || j == 0; j++) {
        seen += o[j] <= 32 * 64 + 32;
    }
    assert_int_equal(seen + 1, 3 * 3 + 3 + 1); /* r^2 + r + 1 with itself */
    ti_arena_free(&arena);
    /* With G (G - r) >= context nothing looks round the torus: few positions are kept. */
    c.attn.torus_side = 66;
    want(ti_pattern_build(&p, &c, TI_ATTN_TORUS, &arena, &err), TERN_OK, &err);
    assert_int_equal(ti_pattern_reach(&p, 4096), 3 * 66 + 1);
    ti_arena_free(&arena);
}

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

static uint64_t spec_hash(const tiny_spec *spec)
{
    tern_token tokens[N];
    tiny_tokens(tokens, N, 9);
    tern_model *model = open_spec(spec, NULL);
    uint64_t h = hash_of(model, TERN_KV_F16, tokens, N);
    tern_model_close(model);
    return h;
}

/* A pattern that leaves nothing out is attention to all; gates of which all may stay open are
 * gates; and bitnet is smdr without any of it. */
static void test_nothing_left_out(void **state)
{
    (void)state;
    const tiny_spec full = {SMALL},
                    window = {SMALL, .smdr = {.kinds = "window,window", .budget = CONTEXT}};
    tiny_spec bitnet = {SMALL}, open = {SMALL, .smdr = {.top_k = 128}};
    bitnet.arch = "bitnet-b1.58";
    uint64_t h = spec_hash(&full);
    assert_int_equal(spec_hash(&window), h);
    assert_int_equal(spec_hash(&bitnet), h);
    assert_int_equal(spec_hash(&open), h);
    tiny_spec silu = {SMALL, .smdr = {.activation = "silu"}};
    uint64_t other = spec_hash(&silu);
    assert_int_not_equal(other, h);
    silu.smdr.top_k = 128;
    assert_int_equal(spec_hash(&silu), other);
    silu.smdr.top_k = 127;
    assert_int_not_equal(spec_hash(&silu), other);
    const tiny_spec narrow = {SMALL, .smdr = {.kinds = "window,full", .budget = 100}};
    assert_int_not_equal(spec_hash(&narrow), h);
}

static double error_of(const tiny_spec *spec)
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
    const ti_ref ref = {.gguf = &model->gguf,
                        .config = &model->config,
                        .pool = pool,
                        .opts = &quiet,
                        .phase = ""};
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
        double error = error_of(&specs[i]), bound = specs[i].smdr.top_k ? 1e-2 : 2e-4;
        if (!(error < bound)) {
            fail_msg("model %zu: relative error %g", i, error);
        }
    }
}

/* --- bad input ---------------------------------------------------------------------------- */

static void test_bad_keys(void **state)
{
#define TORUS .kinds = "torus,full", .side = 16, .radius = 2
#define RANDOM .kinds = "random,full", .budget = 5
    static const struct {
        tiny_smdr smdr;
        const char *name; /* of the key */
        tiny_key key;     /* put in addition */
    } cases[] = {
        {{.kinds = "torus,full", .side = 15, .radius = 2}, "smdr.attention.torus_side", {0}},
        {{.kinds = "torus,full", .side = 70000, .radius = 2}, "smdr.attention.torus_side", {0}},
        {{.kinds = "torus,full", .radius = 2}, "smdr.attention.torus_side", {0}},
        {{.kinds = "torus,full", .side = 16}, "smdr.attention.torus_radius", {0}},
        {{TORUS}, "smdr.attention.torus_radius", {"smdr.attention.torus_radius", NULL, 0, 0}},
        {{.kinds = "torus,full", .side = 16, .radius = 8}, "smdr.attention.torus_radius", {0}},
        {{TORUS}, "smdr.attention.torus_radius", {"smdr.attention.torus_radius", "x", 0, 0}},
        {{.kinds = "window,full"}, "smdr.attention.key_budget", {0}},
        {{RANDOM}, "smdr.attention.key_budget", {"smdr.attention.key_budget", NULL, 0, 0}},
        {{.kinds = "window,full", .budget = 257}, "smdr.attention.key_budget", {0}},
        {{.kinds = "random,full", .budget = 257, .seed = 1}, "smdr.attention.key_budget", {0}},
        {{.kinds = "strided,full", .budget = 5}, "smdr.attention.stride", {0}},
        {{.kinds = "strided,full", .budget = 5},
         "smdr.attention.stride",
         {"smdr.attention.stride", NULL, 0, 0}},
        {{RANDOM}, "smdr.attention.random_seed", {0}},
        {{TORUS, .sinks = 256}, "smdr.attention.sink_tokens", {0}},
        {{.kinds = "torus"}, "smdr.attention.kinds", {0}},
        {{.kinds = "torus,full,full", .side = 16, .radius = 2}, "smdr.attention.kinds", {0}},
        {{.kinds = "ring,full"}, "smdr.attention.kinds", {0}},
        {{.kinds = "Full,full"}, "smdr.attention.kinds", {0}},
        {{0}, "smdr.attention.kinds", {"smdr.attention.kinds", "full", 0, 0}},
        {{.top_k = 129}, "smdr.feed_forward.top_k", {0}},
        {{0}, "smdr.feed_forward.top_k", {"smdr.feed_forward.top_k", NULL, 0, 0}},
        {{.activation = "gelu"}, "smdr.feed_forward.activation", {0}},
        {{0}, "smdr.feed_forward.activation", {"smdr.feed_forward.activation", NULL, 0, 7}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tiny_spec spec = {SMALL, .smdr = cases[i].smdr, .keys = {cases[i].key}};
        char path[TINY_PATH_BYTES * 2];
        tern_model *model = NULL;
        tern_err err;
        snprintf(path, sizeof path, "%s", tiny_path("bad.gguf"));
        tiny_write(&spec, path);
        tern_status status = tern_model_open(&model, path, NULL, &err);
        if (status == TERN_OK || !strstr(err.message, cases[i].name)) {
            fail_msg("case %zu: '%s' does not name %s", i,
                     status == TERN_OK ? "opened" : err.message, cases[i].name);
        }
        assert_null(model);
        if (strcmp(cases[i].name, "smdr.attention.key_budget") != 0) {
            assert_true(status == TERN_CORRUPT || status == TERN_UNSUPPORTED);
        }
    }
    /* A list of offsets as large as memory: refused by its size. */
    ti_config c = {.n_ctx = 1 << 20, .attn = {.torus_side = 1 << 14, .torus_radius = 8000}};
    ti_arena arena = {0};
    ti_pattern p;
    tern_err err;
    want_text(ti_pattern_build(&p, &c, TI_ATTN_TORUS, &arena, &err), TERN_LIMIT, &err,
              "smdr.attention.torus_radius");
    ti_arena_free(&arena);
}

/* Norms may be absent, one by one; other tensors may not be there. */
static void test_tensors(void **state)
{
    (void)state;
    char path[TINY_PATH_BYTES * 2];
    tern_model *model = NULL;
    tern_err err;
    tiny_spec spec = {SMALL,
                      .edits = {{.change = TINY_DROP, .tensor = "blk.1.ffn_sub_norm.weight"},
                                {.change = TINY_DROP, .tensor = "blk.0.attn_sub_norm.weight"}}};
    uint64_t h = spec_hash(&spec);
    const tiny_spec whole = {SMALL};
    assert_int_not_equal(h, spec_hash(&whole));
    spec.edits[0] =
        (tiny_edit){.change = TINY_ADD, .tensor = "blk.0.attn_q_norm.weight", .value = 32};
    snprintf(path, sizeof path, "%s", tiny_path("bad.gguf"));
    tiny_write(&spec, path);
    want_text(tern_model_open(&model, path, NULL, &err), TERN_UNSUPPORTED, &err,
              "blk.0.attn_q_norm.weight");
}

static void test_no_memory(void **state)
{
    (void)state;
    char path[TINY_PATH_BYTES * 2];
    snprintf(path, sizeof path, "%s", tiny_path("oom.gguf"));
    const tiny_spec spec = {SMALL, .smdr = {.kinds = "random,torus",
                                            .side = 16,
                                            .radius = 2,
                                            .budget = 9,
                                            .seed = 4,
                                            .top_k = 5}};
    tiny_write(&spec, path);
    long last = -1;
    for (long n = 0;; n++) {
        tern_model *model = NULL;
        tern_session *s = NULL;
        tern_err err = {.status = TERN_OK};
        const tern_model_opts opts = {.threads = 1};
        const tern_session_opts one = {.threads = 1};
        oom_fail_at(n);
        tern_status status = tern_model_open(&model, path, &opts, &err);
        if (status == TERN_OK) {
            status = tern_session_create(&s, model, &one, &err);
        }
        bool failed = oom_disarm();
        if (failed && status == TERN_OK) {
            /* The tokenizer's expression is interpreted then; such requests follow each other.
             */
            assert_true(last < 0 || n == last + 1);
            last = n;
        } else if (failed) {
            want(status, TERN_NOMEM, &err);
            assert_null(s);
        } else {
            want(status, TERN_OK, &err);
        }
        tern_session_destroy(s);
        tern_model_close(model);
        if (!failed) {
            assert_true(n > 20);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_rings),
        cmocka_unit_test(test_cache_size),
        cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_batch_after_truncation),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_nothing_left_out),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
