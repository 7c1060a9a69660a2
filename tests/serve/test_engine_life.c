/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of tern serve: clients that leave, the end, the model's file, joules, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>
#include <stdatomic.h>
#include <unistd.h>

#include "alone.h"

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

static atomic_bool told_to_stop;

/* In the engine's thread: the answer goes on once the engine was told to stop, so that it
 * cannot have ended before, however slow the other thread is. */
static void until_stop(heard *h, const ti_serve_event *event)
{
    const struct timespec t = {.tv_sec = 0, .tv_nsec = 1000000};
    (void)h;
    while (event->kind == TI_SERVE_TEXT && !atomic_load(&told_to_stop)) {
        nanosleep(&t, NULL);
    }
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
        heard *first = hearer(0);
        first->then = until_stop;
        atomic_store(&told_to_stop, false);
        want(ask(e, first, r, &err), TERN_OK, &err);
        want(ask(e, hearer(1), r, &err), TERN_OK, &err);
        ti_serve_stop(e, drain ? UINT64_C(600000000000) : 0);
        atomic_store(&told_to_stop, true);
        want_text(ask(e, hearer(2), r, &err), TERN_UNAVAILABLE, &err, "stopping");
        const tern_model *model;
        want(ti_serve_acquire(e, NULL, &model, &err), TERN_UNAVAILABLE, &err);
        ti_serve_end(e);
        assert_true(ears[0].done && ears[1].done);
        /* who has receipts to write still can */
        ti_serve_stats s = stats_of(e);
        assert_int_equal(s.requests, 2);
        if (drain) {
            want(ti_serve_acquire_open(e, NULL, &model, &err), TERN_OK, &err);
            tern_model_desc desc;
            tern_model_describe(model, &desc);
            assert_int_equal(desc.n_vocab, ENGINE_VOCAB);
            ti_serve_give_back(e);
        }
        want(ti_serve_acquire(e, NULL, &model, &err), TERN_UNAVAILABLE, &err);
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

static atomic_bool both_there;

/* In the engine's thread: every pass takes longer than a sign. */
static void slowly(heard *h, const ti_serve_event *event)
{
    (void)h;
    (void)event;
    do {
        nap(2);
    } while (!atomic_load(&both_there));
}

/* Who waits for room or for the prompt to be read is told so, until the first token; who did
 * not ask for it is not. */
static void test_signs(void **state)
{
    (void)state;
    enum { PROMPT = 200, CHUNK = 8, TALK = 12 };
    const ti_serve_opts opts = {
        .path = tiny_model(8), .slots = 1, .chunk = CHUNK, .chunk_fixed = true};
    ti_serve_engine *e = open_engine(&opts);
    tern_token tokens[PROMPT];
    tern_err err;
    tiny_tokens(tokens, PROMPT, 2);
    ti_serve_request r = {.tokens = tokens,
                          .n_tokens = 2,
                          .max_tokens = TALK,
                          .ignore_end = true,
                          .logprobs = true,
                          .private_prompt = true};
    heard *talker = hearer(0), *waiter = hearer(1);
    talker->then = waiter->then = slowly;
    atomic_store(&both_there, false);
    want(ask(e, talker, r, &err), TERN_OK, &err);
    r.n_tokens = PROMPT;
    r.sign_ms = 1;
    want(ask(e, waiter, r, &err), TERN_OK, &err);
    atomic_store(&both_there, true);
    assert_true(heard_done(talker) && heard_done(waiter));
    assert_false(talker->broken || waiter->broken);
    assert_int_equal(talker->n_waits, 0);
    /* once a pass, each of which was longer than that */
    assert_in_range(waiter->n_waits, (TALK - 2) + (PROMPT / CHUNK - 2),
                    TALK + PROMPT / CHUNK + 2);
    heard_free(talker);
    heard_free(waiter);
    ti_serve_close(e);
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
    want(ti_serve_acquire(e, NULL, &model, &err), TERN_OK, &err);
    nap(80); /* held: it stays */
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    assert_int_equal(desc.n_vocab, ENGINE_VOCAB);
    assert_true(stats_of(e).loaded);
    ti_serve_give_back(e);
    ti_serve_close(e);
}

/* Who asks may say how long it stays open. */
static void test_keep(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(10), .threads = 1, .unload_ns = 30000000};
    ti_serve_engine *e = open_engine(&opts);
    ti_serve_keep(e, TI_SERVE_FOREVER);
    answer_one(e, 1);
    nap(80);
    assert_true(stats_of(e).loaded);
    assert_true(stats_of(e).unload_in_ns == UINT64_MAX);
    ti_serve_keep(e, UINT64_MAX / 2); /* as good as for ever: no sum runs over */
    nap(20);
    assert_true(stats_of(e).loaded);
    ti_serve_keep(e, 0); /* at once: it is idle */
    for (int i = 0; i < 1000 && stats_of(e).loaded; i++) {
        nap(10);
    }
    assert_false(stats_of(e).loaded);
    ti_serve_keep(e, UINT64_C(60000000000));
    answer_one(e, 1);
    nap(80);
    assert_true(stats_of(e).loaded && stats_of(e).unload_in_ns > UINT64_C(50000000000));
    ti_serve_keep(e, TI_SERVE_USUAL);
    for (int i = 0; i < 1000 && stats_of(e).loaded; i++) {
        nap(10);
    }
    assert_false(stats_of(e).loaded);
    ti_serve_close(e);
}

/* Somebody asks for the model at the very moment of its unload: while what is kept is
 * forgotten, which is the engine's first step after its decision and without its lock. */
static struct {
    ti_serve_engine *engine; /* NULL = nobody asks */
    pthread_t thread;
    atomic_bool has;
    tern_status status;
} late;

void __real_ti_engine_forget(ti_serve_engine *e);
void __wrap_ti_engine_forget(ti_serve_engine *e);

static void *ask_late(void *user)
{
    const tern_model *model;
    tern_err err;
    late.status = ti_serve_acquire(user, NULL, &model, &err);
    atomic_store(&late.has, true);
    return NULL;
}

void __wrap_ti_engine_forget(ti_serve_engine *e)
{
    if (late.engine == e) {
        late.engine = NULL;
        assert_int_equal(pthread_create(&late.thread, NULL, ask_late, e), 0);
        for (int i = 0; i < 10 && !atomic_load(&late.has); i++) {
            nap(10); /* it must wait for the model that is read next */
        }
    }
    __real_ti_engine_forget(e);
}

static void test_unload_while_asked(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(10), .threads = 1, .unload_ns = 30000000};
    ti_serve_engine *e = open_engine(&opts);
    late.engine = e;
    answer_one(e, 1);
    for (int i = 0; i < 1000 && !atomic_load(&late.has); i++) {
        nap(10);
    }
    assert_true(atomic_load(&late.has));
    pthread_join(late.thread, NULL);
    assert_int_equal(late.status, TERN_OK);
    assert_true(stats_of(e).loaded && stats_of(e).loads == 2);
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

static ti_file_state state_of(const char *file)
{
    ti_file_state state;
    assert_int_equal(ti_file_look(&state, file, NULL), TERN_OK);
    return state;
}

/* Who means one file gets its model, or is told that there is another one now. */
static void test_meant_file(void **state)
{
    (void)state;
    const ti_serve_opts opts = {.path = tiny_model(14), .threads = 1};
    ti_serve_engine *e = open_engine(&opts);
    const ti_file_state old = state_of(path);
    const tern_model *model;
    tern_token tokens[16];
    tern_err err;
    tiny_tokens(tokens, 16, 3);
    ti_serve_request r = {
        .tokens = tokens, .n_tokens = 16, .max_tokens = 8, .ignore_end = true, .file = &old};
    want(ti_serve_acquire(e, &old, &model, &err), TERN_OK, &err);
    ti_serve_give_back(e);
    heard *h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_same(h, &r);
    heard_free(h);
    assert_int_equal(stats_of(e).loads, 1);
    tiny_model(15); /* in its place; no request has come that would have seen it */
    const ti_file_state now = state_of(path);
    assert_false(ti_file_same(&old, &now));
    want(ti_serve_acquire_open(e, &now, &model, &err), TERN_UNAVAILABLE, &err);
    want(ti_serve_acquire(e, &now, &model, &err), TERN_OK, &err);
    ti_serve_give_back(e);
    assert_int_equal(stats_of(e).loads, 2);
    want_text(ti_serve_acquire(e, &old, &model, &err), TERN_UNAVAILABLE, &err, "replaced");
    assert_int_equal(stats_of(e).loads, 2); /* nothing is read again for who is too late */
    h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_int_equal(h->reason, TI_SERVE_ERROR);
    assert_int_equal(h->status, TERN_UNAVAILABLE);
    assert_non_null(strstr(h->message, "replaced"));
    heard_free(h);
    r.file = &now;
    h = hearer(0);
    want(ask(e, h, r, &err), TERN_OK, &err);
    assert_true(heard_done(h));
    assert_same(h, &r);
    heard_free(h);
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
    want(ti_serve_acquire(e, NULL, &model, &err), TERN_CORRUPT, &err);
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
        cmocka_unit_test(test_cancel),   cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_signs),    cmocka_unit_test(test_unload_while_asked),
        cmocka_unit_test(test_unload),   cmocka_unit_test(test_keep),
        cmocka_unit_test(test_idle),     cmocka_unit_test(test_meant_file),
        cmocka_unit_test(test_replaced), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_energy),   cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
