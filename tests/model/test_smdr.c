/* SPDX-License-Identifier: Apache-2.0 */
/* The architecture smdr as a file has it: patterns against the definitions, and keys that
 * contradict themselves or each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "model/verify_parts.h"
#include "oom.h"
#include "smdr_spec.h"

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
    uint64_t h = spec_hash(&spec, NULL);
    const tiny_spec whole = {SMALL};
    assert_int_not_equal(h, spec_hash(&whole, NULL));
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
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
