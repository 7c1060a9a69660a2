/* SPDX-License-Identifier: Apache-2.0 */
/* Saved sessions: what follows a load is what would have followed the save, bit for bit; and no
 * file, however damaged, changes a session or does worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine.h"

enum { N = 17, MORE = 12, MAX_FILE = 1 << 16 };

/* Places in the file (src/model/state.c). */
enum { AT_VERSION = 8, AT_TOKENS = 24, AT_DONE = 32, AT_SAMPLER_BYTES = 40, AT_SAMPLER = 48 };

static tern_model *model;
static tern_token tokens[ENGINE_CONTEXT];
static uint8_t file[MAX_FILE];

static int setup(void **state)
{
    (void)state;
    model = open_spec(&BITNET, NULL);
    tiny_tokens(tokens, ENGINE_CONTEXT, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tern_model_close(model);
    return 0;
}

static void save(const tern_session *s, const char *path)
{
    tern_err err;
    want(tern_session_save(s, path, &err), TERN_OK, &err);
}

static size_t read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(file, 1, sizeof file, f);
    assert_in_range(n, 1, sizeof file - 1);
    fclose(f);
    return n;
}

static void write_all(const char *path, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(file, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Makes the checksum fit what was changed, so that the checks behind it are reached. */
static void seal(size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n - 8; i++) {
        h = (h ^ file[i]) * 0x100000001b3u;
    }
    for (size_t i = 0; i < 8; i++) {
        file[n - 8 + i] = (uint8_t)(h >> (8 * i));
    }
}

/* --- what follows ---------------------------------------------------------------------------
 */

/* Tokens and logits that follow. */
static uint64_t follow(tern_session *s)
{
    uint64_t h = TINY_HASH;
    for (int i = 0; i < MORE; i++) {
        float token = (float)next(s);
        h = tiny_hash(h, &token, 1) ^ logits_hash(s);
    }
    return h;
}

static void check_round(tern_kv_type kv, bool pending)
{
    const tern_session_opts opts = {.threads = 1, .kv = kv},
                            other = {.threads = 2, .kv = kv, .n_ctx = N + MORE + 3, .chunk = 5};
    const tern_sampler_opts warm = {.temperature = 1.2f, .top_k = 50, .seed = 9};
    const char *path = tiny_path("session");
    tern_session *a = open_session(model, &opts), *b = open_session(model, &other);
    tern_err err;
    want(tern_session_set_sampler(a, &warm, &err), TERN_OK, &err);
    feed(a, tokens, N);
    (void)next(a);
    if (!pending) {
        (void)logits_hash(a);
    }
    save(a, path);
    uint64_t expected = follow(a);
    feed(b, tokens + 20, 9); /* forgotten by loading */
    for (int i = 0; i < 2; i++) {
        want(tern_session_load(b, path, &err), TERN_OK, &err);
        assert_int_equal(count(b), N + 1);
        assert_true(follow(b) == expected);
        assert_int_equal(count(b), N + 1 + MORE);
    }
    tern_session_destroy(a);
    tern_session_destroy(b);
}

static void test_continues(void **state)
{
    (void)state;
    for (int kv = TERN_KV_F16; kv <= TERN_KV_I8; kv++) {
        check_round((tern_kv_type)kv, false);
        check_round((tern_kv_type)kv, true);
    }
}

static void test_empty(void **state)
{
    (void)state;
    const char *path = tiny_path("empty");
    tern_session *a = open_session(model, NULL);
    tern_err err;
    save(a, path);
    feed(a, tokens, 3);
    want(tern_session_load(a, path, &err), TERN_OK, &err);
    assert_int_equal(count(a), 0);
    assert_null(tern_session_logits(a, &err));
    feed(a, tokens, N);
    assert_true(logits_hash(a) == hash_of(model, TERN_KV_F16, tokens, N));
    tern_session_destroy(a);
}

/* --- what is refused -------------------------------------------------------------------------
 */

/* The session stays as it was: its tokens, its logits, and its random sequence. */
static void load_fails(tern_session *s, const char *path, tern_status wanted, const char *text)
{
    uint64_t before = logits_hash(s);
    ti_sampler sampler = s->sampler;
    size_t n = count(s);
    tern_err err;
    want_text(tern_session_load(s, path, &err), wanted, &err, text);
    assert_int_equal(count(s), n);
    assert_true(logits_hash(s) == before);
    assert_memory_equal(&sampler, &s->sampler, sizeof sampler);
}

static void test_damaged(void **state)
{
    (void)state;
    const char *path = tiny_path("damaged");
    tern_session *a = open_session(model, NULL), *b = open_session(model, NULL);
    feed(a, tokens, N);
    feed(b, tokens + 9, 4);
    save(a, path);
    size_t n = read_all(path);
    uint64_t intact = logits_hash(a);
    for (size_t i = 0; i < n; i += 97) {
        file[i] ^= 0x40;
        write_all(path, n);
        load_fails(b, path, TERN_CORRUPT, "");
        file[i] ^= 0x40;
    }
    for (size_t i = n - 8; i < n; i++) { /* the checksum itself */
        file[i] ^= 1;
        write_all(path, n);
        load_fails(b, path, TERN_CORRUPT, "checksum");
        file[i] ^= 1;
    }
    for (size_t cut = 0; cut < n; cut += cut < 80 || cut + 80 > n ? 1 : 97) {
        write_all(path, cut);
        load_fails(b, path, TERN_CORRUPT, "");
    }
    write_all(path, n);
    tern_err err;
    want(tern_session_load(b, path, &err), TERN_OK, &err);
    assert_true(logits_hash(b) == intact);
    tern_session_destroy(a);
    tern_session_destroy(b);
}

/* Damage with a checksum that fits. */
static void test_forged(void **state)
{
    (void)state;
    const char *path = tiny_path("forged"), *forged = tiny_path("forgery");
    tern_session *a = open_session(model, NULL), *b = open_session(model, NULL);
    feed(a, tokens, N);
    feed(b, tokens + 9, 4);
    save(a, path);
    const size_t n = read_all(path);
    const size_t at_tokens = AT_SAMPLER + ti_round_up(sizeof(ti_sampler), 8);
    const struct {
        size_t at, bytes;
        uint64_t value;
        tern_status status;
        const char *text;
    } forgeries[] = {
        {0, 1, 'X', TERN_CORRUPT, "not a saved session"},
        {AT_VERSION, 4, 2, TERN_CORRUPT, "of this version"},
        {AT_SAMPLER_BYTES, 4, 4, TERN_CORRUPT, "of this version"},
        {AT_VERSION + 4, 4, TERN_KV_I8, TERN_USAGE, "another model or kind of cache"},
        {16, 8, 1, TERN_USAGE, "another model or kind of cache"},
        {AT_TOKENS, 8, ENGINE_CONTEXT + 1, TERN_LIMIT, "has 65 tokens, this one holds 64"},
        {AT_TOKENS, 8, UINT64_MAX, TERN_LIMIT, "this one holds"},
        {AT_TOKENS, 8, N - 1, TERN_CORRUPT, "lengths"},
        {AT_TOKENS, 8, N + 2, TERN_CORRUPT, "lengths"},
        {AT_DONE, 8, N - 1, TERN_CORRUPT, "lengths"},
        {AT_DONE, 8, N + 1, TERN_CORRUPT, "lengths"},
        {AT_DONE, 8, (uint64_t)1 << 60, TERN_CORRUPT, "lengths"},
        {AT_SAMPLER, 4, 0x7fc00000, TERN_CORRUPT, ""}, /* temperature: not a number */
        {at_tokens, 4, ENGINE_VOCAB, TERN_CORRUPT, "token 0 of the session"},
        {at_tokens + 4, 4, 0xffffffff, TERN_CORRUPT, "token 1 of the session"},
    };
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        assert_int_equal(read_all(path), n);
        for (size_t b8 = 0; b8 < forgeries[i].bytes; b8++) {
            file[forgeries[i].at + b8] = (uint8_t)(forgeries[i].value >> (8 * b8));
        }
        seal(n);
        write_all(forged, n);
        load_fails(b, forged, forgeries[i].status, forgeries[i].text);
    }
    tern_session_destroy(a);
    tern_session_destroy(b);
}

static void test_other(void **state)
{
    (void)state;
    const tern_session_opts int8 = {.threads = 1, .kv = TERN_KV_I8},
                            small = {.threads = 1, .n_ctx = N - 1};
    const char *path = tiny_path("other");
    tern_session *a = open_session(model, NULL), *b = open_session(model, &int8),
                 *c = open_session(model, &small);
    feed(a, tokens, N);
    feed(b, tokens, 2);
    feed(c, tokens, 2);
    save(a, path);
    load_fails(b, path, TERN_USAGE, "another model or kind of cache");
    load_fails(c, path, TERN_LIMIT, "has 17 tokens, this one holds 16");
    tiny_spec spec = BITNET;
    spec.seed = 77; /* the same shape, other weights */
    tern_model *stranger = open_spec(&spec, NULL);
    tern_session *d = open_session(stranger, NULL);
    feed(d, tokens, 2);
    load_fails(d, path, TERN_USAGE, "another model");
    tern_session_destroy(d);
    tern_model_close(stranger);
    load_fails(a, tiny_path("absent"), TERN_IO, "absent");
    tern_session_destroy(a);
    tern_session_destroy(b);
    tern_session_destroy(c);
}

static void test_cannot_be_written(void **state)
{
    (void)state;
    tern_session *a = open_session(model, NULL);
    tern_err err;
    feed(a, tokens, 3);
    uint64_t before = logits_hash(a);
    want(tern_session_save(a, tiny_path("none/session"), &err), TERN_IO, &err);
    assert_true(logits_hash(a) == before);
    tern_session_destroy(a);
}

/* A session of one packing, kernel set and number of threads is another one's too. */
static void test_other_packing(void **state)
{
    (void)state;
    const char *path = tiny_path("packing");
    const tern_model_opts opts = {
        .cpu = "scalar", .layout = "t2", .sparse = TERN_SPARSE_ON, .threads = 1};
    tern_session *a = open_session(model, NULL);
    feed(a, tokens, N);
    save(a, path);
    uint64_t expected = follow(a);
    tern_session_destroy(a);
    tern_model *same = open_spec(&BITNET, &opts);
    tern_session *b = open_session(same, NULL);
    tern_err err;
    want(tern_session_load(b, path, &err), TERN_OK, &err);
    assert_true(follow(b) == expected);
    tern_session_destroy(b);
    tern_model_close(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continues),     cmocka_unit_test(test_empty),
        cmocka_unit_test(test_damaged),       cmocka_unit_test(test_forged),
        cmocka_unit_test(test_other),         cmocka_unit_test(test_cannot_be_written),
        cmocka_unit_test(test_other_packing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
