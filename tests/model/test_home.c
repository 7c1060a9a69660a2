/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with a common home: the same logits as sessions of their own; copies of what others
 * have read, whether caches are rings or not; passes with parts of prompts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine.h"
#include "oom.h"
#include "smdr_spec.h"

static const tiny_spec torus = {
    SMALL, .seed = 5, .smdr = {.kinds = "torus,full", .side = 18, .radius = 3, .sinks = 2}};
static const tiny_spec window = {
    SMALL, .seed = 6, .smdr = {.kinds = "window,strided", .budget = 12, .stride = 9}};
static const tiny_spec *const specs[] = {&BITNET, &torus, &window};

static ti_home make_home(const tern_model *model, uint32_t rows, uint32_t n_ctx)
{
    ti_home home;
    tern_err err;
    want(ti_home_create(&home, model, 2, rows, n_ctx, &err), TERN_OK, &err);
    return home;
}

static tern_session *guest(const ti_home *home, uint32_t n_ctx, tern_kv_type kv)
{
    tern_session *s = NULL;
    tern_err err;
    want(ti_home_session(&s, home, n_ctx, kv, &err), TERN_OK, &err);
    assert_true(tern_session_bytes(s) <= ti_home_session_bytes(home, n_ctx, kv));
    return s;
}

/* From and to sessions of many lengths, at every point, with and without more behind it: what
 * follows has the bits that it has without a copy. */
static void test_copies(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {64, 96, 200, 256};
    tern_token tokens[CONTEXT];
    size_t copied = 0, refused = 0, rings = 0;
    tern_err err;
    tiny_tokens(tokens, CONTEXT, 4);
    for (size_t i = 0; i < 24; i++) {
        const tern_kv_type kv = i / 3 % 2 ? TERN_KV_I8 : TERN_KV_F16;
        tern_model *model = open_spec(specs[i % 3], NULL);
        uint32_t most = i % 3 ? CONTEXT : ENGINE_CONTEXT;
        uint32_t a = i % 3 ? sizes[i % 4] : most, b = i % 3 ? sizes[i / 6] : most;
        ti_home home = make_home(model, 70, most);
        tern_session *from = guest(&home, a, kv);
        size_t read = a - 3, n = i % 2 ? read : read - 20;
        n = n < b - 4 ? n : b - 4;
        feed(from, tokens, read);
        tern_session *to = guest(&home, b, kv);
        rings += from->kv.has_ring;
        size_t got = ti_session_adopt(to, from, n);
        assert_true(got == n || got == 0);
        assert_int_equal(count(to), got);
        copied += got > 0;
        refused += got == 0;
        if (got > 0) {
            assert_int_equal(to->has_logits, got == read);
            assert_true(logits_hash(to) == hash_of(model, kv, tokens, got));
        }
        feed(to, tokens + got, b - 2 - got);
        assert_true(logits_hash(to) == hash_of(model, kv, tokens, b - 2));
        feed(from, tokens + read, 1); /* whoever was copied goes on */
        assert_true(logits_hash(from) == hash_of(model, kv, tokens, read + 1));
        want(tern_session_truncate(to, 5, &err), TERN_OK, &err); /* back into the copy */
        assert_true(logits_hash(to) == hash_of(model, kv, tokens, 5));
        tern_session_destroy(from);
        tern_session_destroy(to);
        ti_home_destroy(&home);
        tern_model_close(model);
    }
    assert_true(copied >= 12 && refused >= 1 && rings >= 4);
}

/* Rows of prompts and of answers in one pass, with logits where they are asked for only. */
static void test_parts(void **state)
{
    (void)state;
    tern_model *model = open_spec(&BITNET, NULL);
    ti_home home = make_home(model, 12, ENGINE_CONTEXT);
    tern_session *reader = guest(&home, 40, TERN_KV_F16),
                 *writer = guest(&home, 40, TERN_KV_F16);
    tern_token tokens[40], chosen;
    void *scratch = malloc(ti_sampler_scratch_bytes(ENGINE_VOCAB));
    tern_err err;
    assert_non_null(scratch);
    tiny_tokens(tokens, 40, 2);
    feed(writer, tokens, 3);
    writer->sampler_scratch = scratch;
    for (size_t at = 0; at < 30; at += 10) {
        chosen = next(writer); /* waits in the session */
        const ti_batch_part parts[] = {
            {.session = writer, .logits = true},
            {.session = reader, .tokens = tokens + at, .n = 10, .logits = at == 20}};
        want(ti_batch_run(home.batch, parts, 2, &err), TERN_OK, &err);
        assert_true(writer->has_logits);
        assert_int_equal(reader->has_logits, at == 20);
        size_t n = count(writer);
        assert_int_equal(tern_session_tokens(writer, &n)[n - 1], chosen);
        assert_true(logits_hash(writer) == hash_of(model, TERN_KV_F16, writer->tokens, n));
    }
    assert_true(logits_hash(reader) == hash_of(model, TERN_KV_F16, tokens, 30));
    const ti_batch_part nothing = {.session = reader};
    want_text(ti_batch_run(home.batch, &nothing, 1, &err), TERN_USAGE, &err, "no tokens");
    const ti_batch_part many = {.session = reader, .tokens = tokens, .n = 10};
    const ti_batch_part twice[] = {many, many};
    want_text(ti_batch_run(home.batch, twice, 2, &err), TERN_USAGE, &err, "same session");
    free(scratch);
    tern_session_destroy(reader);
    tern_session_destroy(writer);
    ti_home_destroy(&home);
    tern_model_close(model);
}

static void test_without_memory(void **state)
{
    (void)state;
    tern_model *model = open_spec(&torus, NULL);
    bool failed = true;
    for (long n = 0; failed; n++) {
        ti_home home = {.model = NULL};
        tern_session *s = NULL;
        tern_err err = {.status = TERN_OK};
        oom_fail_at(n);
        tern_status status = ti_home_create(&home, model, 1, 8, 64, &err);
        if (status == TERN_OK) {
            status = ti_home_session(&s, &home, 64, TERN_KV_I8, &err);
        }
        failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        assert_true((s != NULL) == !failed);
        tern_session_destroy(s);
        ti_home_destroy(&home);
        assert_true(!failed || n < 1000);
    }
    tern_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
