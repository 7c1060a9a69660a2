/* SPDX-License-Identifier: Apache-2.0 */
/* The engine without memory, and how it paces prompts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"
#include "heard.h"
#include "model/engine.h"
#include "oom.h"
#include "serve/engine.h"
#include "serve/pace.h"

/* --- memory ----------------------------------------------------------------------------------
 */

static char path[TINY_PATH_BYTES];
static heard ears[3];

/* Three requests, the last of which goes on where the first ended.  Returns whether all that
 * could be done was done; whatever fails is TERN_NOMEM. */
static bool work(tern_token answers[3][8])
{
    const ti_serve_opts opts = {.path = path, .threads = 1, .slots = 2};
    ti_serve_engine *e = NULL;
    tern_token tokens[3][40];
    bool whole = true;
    tern_err err = {.status = TERN_OK};
    tern_status status = ti_serve_open(&e, &opts, &err);
    if (status != TERN_OK) {
        assert_int_equal(status, TERN_NOMEM);
        assert_null(e);
        return false;
    }
    for (uint32_t i = 0; i < 3; i++) {
        const char *const stops[] = {"never said"};
        const ti_serve_bias bias = {3, -1};
        heard *h = &ears[i];
        heard_init(h);
        tiny_tokens(tokens[i], 40, i % 2);
        const ti_serve_request r = {.tokens = tokens[i],
                                    .n_tokens = i == 2 ? 40 : 20,
                                    .choices = 1 + i % 2,
                                    .max_tokens = 8,
                                    .stops = stops,
                                    .n_stops = 1,
                                    .bias = &bias,
                                    .n_bias = 1,
                                    .ignore_end = true};
        status = ask(e, h, r, &err);
        if (status != TERN_OK) {
            assert_int_equal(status, TERN_NOMEM);
            assert_null(h->job);
            whole = false;
            continue;
        }
        assert_true(heard_done(h));
        assert_false(h->broken);
        if (h->reason == TI_SERVE_ERROR) {
            assert_int_equal(h->status, TERN_NOMEM);
            whole = false;
        } else {
            assert_int_equal(h->output_n[0], 8);
            memcpy(answers[i], h->output[0], sizeof answers[i]);
        }
    }
    ti_serve_close(e);
    for (uint32_t i = 0; i < 3; i++) {
        heard_free(&ears[i]);
    }
    return whole;
}

/* Whichever request for memory fails: those who can be answered get the right answer, the
 * others a clear error, and nothing is left over (the address sanitizer looks). */
static void test_without_memory(void **state)
{
    (void)state;
    tern_token right[3][8], answers[3][8];
    snprintf(path, sizeof path, "%s", tiny_path("poor.gguf"));
    tiny_write(&BITNET, path);
    assert_true(work(right));
    long n = 0, failed = 0;
    for (bool more = true; more; n++) {
        memcpy(answers, right, sizeof right);
        oom_fail_at(n);
        bool whole = work(answers);
        more = oom_disarm();
        assert_true(whole || more);
        assert_memory_equal(answers, right, sizeof right);
        failed += !whole;
    }
    assert_true(n > 50 && failed > 30);
}

/* --- pace ------------------------------------------------------------------------------------
 */

/* A machine on which a pass takes base + rows * each, give or take a tenth, and now and then
 * much longer because somebody else had the CPU. */
typedef struct machine {
    double base_ns, row_ns;
    ti_rng rng;
} machine;

static uint64_t run(machine *m, uint32_t rows)
{
    double noise = 0.9 + 0.2 * (double)ti_rng_unit(&m->rng);
    double slow = ti_rng_next(&m->rng) % 500 == 0 ? 3.0 : 1.0;
    return (uint64_t)((m->base_ns + m->row_ns * rows) * noise * slow);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* On machines of all kinds, with any number of answers: prompts go on, and 99 of 100 passes
 * take at most twice a pass without prompts. */
static void test_pace(void **state)
{
    (void)state;
    enum { PASSES = 3000 };
    static const double bases[] = {0, 1e5, 2.8e7, 1e8}, rows[] = {1e5, 2e6, 7e6};
    for (size_t k = 0; k < 12; k++) {
        for (uint32_t answers = 1; answers <= 64; answers *= 4) {
            static uint64_t took[PASSES];
            machine m = {.base_ns = bases[k % 4], .row_ns = rows[k / 4]};
            ti_pace pace;
            uint64_t read = 0;
            ti_rng_seed(&m.rng, k);
            ti_pace_init(&pace, 256, false);
            for (size_t i = 0; i < PASSES; i++) {
                uint32_t n = ti_pace_rows(&pace, answers, 100000);
                took[i] = run(&m, answers + n);
                ti_pace_note(&pace, answers, n, took[i]);
                read += n;
            }
            double lean = m.base_ns + m.row_ns * answers;
            qsort(took, PASSES, sizeof took[0], by_size);
            /* one row is the least, and what it costs varies as well */
            double least = 1.1 * (lean + m.row_ns), twice = 2 * lean;
            if (!((double)took[PASSES / 100 * 99] <= (least > twice ? least : twice))) {
                fail_msg("base %g row %g answers %u: %g of %g", m.base_ns, m.row_ns, answers,
                         (double)took[PASSES / 100 * 99], lean);
            }
            /* at least half of what the target allows */
            double most = 0.8 * lean / m.row_ns;
            most = most > 256 ? 256 : most < 1 ? 1 : most;
            if (!((double)read / PASSES > most * 0.5)) {
                fail_msg("base %g row %g answers %u: %g of %g rows", m.base_ns, m.row_ns,
                         answers, (double)read / PASSES, most);
            }
        }
    }
}

/* Without answers a pass may be long, but not so long that a cancel waits for it; fixed is
 * fixed; answers are measured alone first. */
static void test_pace_edges(void **state)
{
    (void)state;
    ti_pace pace;
    ti_pace_init(&pace, 256, false);
    assert_int_equal(ti_pace_rows(&pace, 0, 1000), 256);
    assert_int_equal(ti_pace_rows(&pace, 0, 7), 7);
    assert_int_equal(ti_pace_rows(&pace, 3, 1000), 0);
    assert_int_equal(ti_pace_rows(&pace, 3, 0), 0);
    ti_pace_note(&pace, 3, 0, 1000000);
    assert_int_equal(ti_pace_rows(&pace, 3, 1000), 8);
    assert_int_equal(ti_pace_rows(&pace, 300, 1000), 0);
    for (int i = 0; i < 50; i++) {
        ti_pace_note(&pace, 0, 100, UINT64_C(1000000000)); /* 10 ms a row */
    }
    assert_in_range(ti_pace_rows(&pace, 0, 1000), 38, 42);
    for (int i = 0; i < 50; i++) {
        ti_pace_note(&pace, 0, 10, UINT64_C(10000000000)); /* a second */
    }
    assert_int_equal(ti_pace_rows(&pace, 0, 1000), 16);
    for (int i = 0; i < 32; i++) { /* what answers take has been measured long ago */
        assert_int_equal(ti_pace_rows(&pace, 3, 1000) > 0, true);
        ti_pace_note(&pace, 3, 1, 1000000);
    }
    assert_int_equal(ti_pace_rows(&pace, 3, 1000), 0);
    ti_pace_init(&pace, 5, true);
    assert_int_equal(ti_pace_rows(&pace, 9, 1000), 5);
    assert_int_equal(ti_pace_rows(&pace, 0, 1000), 5);
    assert_int_equal(ti_pace_rows(&pace, 0, 3), 3);
    assert_int_equal(ti_pace_median(&pace.lean_recent), 0);
    for (uint64_t i = 1; i <= 100; i++) {
        ti_pace_note(&pace, 1, 0, i);
    }
    assert_int_equal(ti_pace_median(&pace.lean_recent), 85); /* of 70 to 100 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_pace_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
