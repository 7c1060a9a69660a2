/* SPDX-License-Identifier: Apache-2.0 */
/* Whose energy it was: conservation to the microjoule under thousands of random histories of
 * overlapping requests, batches and gaps, and the rules of the division one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "energy/attribution.h"
#include "energy/meter.h"
#include "energy/units.h"
#include "oom.h"

enum { SEEDS = 4000, STEPS = 60, ACTIVE_MAX = 40 };

/* --- the division --------------------------------------------------------------------------
 */

static void check_division(const uint64_t *weight, size_t n, uint64_t total)
{
    uint64_t part[64], given = 0;
    uint32_t order[64];
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += weight[i];
    }
    assert_true(ti_divide(part, order, weight, n, total));
    for (size_t i = 0; i < n; i++) {
        ti_u128 product = (ti_u128)total * weight[i];
        uint64_t low = (uint64_t)(product / sum);
        bool exact = product % sum == 0;
        assert_true(part[i] == low || (part[i] == low + 1 && !exact));
        given += part[i];
        for (size_t j = 0; j < i; j++) { /* nobody is rounded up before a larger remainder */
            uint64_t other = (uint64_t)((ti_u128)total * weight[j] % sum);
            uint64_t mine = (uint64_t)(product % sum);
            bool up_i = part[i] > low;
            bool up_j = part[j] > (uint64_t)((ti_u128)total * weight[j] / sum);
            assert_false(up_i && !up_j && other >= mine);
            assert_false(up_j && !up_i && mine > other);
        }
    }
    assert_true(given == total);
}

static void test_division_by_largest_remainders(void **state)
{
    uint64_t part[3];
    uint32_t order[3];
    (void)state;
    assert_true(ti_divide(part, order, (const uint64_t[]){1, 1, 1}, 3, 10));
    assert_int_equal(part[0], 4); /* equal remainders: the first */
    assert_int_equal(part[1], 3);
    assert_int_equal(part[2], 3);
    assert_true(ti_divide(part, order, (const uint64_t[]){1, 2, 4}, 3, 9));
    assert_int_equal(part[0], 1); /* 1.29 2.57 5.14 */
    assert_int_equal(part[1], 3);
    assert_int_equal(part[2], 5);
    memset(part, 0x5a, sizeof part);
    assert_false(ti_divide(part, order, (const uint64_t[]){0, 0, 0}, 3, 9));
    assert_false(ti_divide(part, order, NULL, 0, 9));
    assert_true(ti_divide(part, order, (const uint64_t[]){0, 7, 0}, 3, UINT64_MAX));
    assert_true(part[0] == 0 && part[1] == UINT64_MAX && part[2] == 0);
}

static void test_division_at_random(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        ti_rng rng;
        ti_rng_seed(&rng, seed);
        uint64_t weight[64];
        size_t n = 1 + ti_rng_next(&rng) % 64;
        unsigned bits = (unsigned)(ti_rng_next(&rng) % 58);
        for (size_t i = 0; i < n; i++) {
            weight[i] = ti_rng_next(&rng) >> (64 - 1 - bits) >> 1;
        }
        weight[ti_rng_next(&rng) % n] |= 1;
        check_division(weight, n, ti_rng_next(&rng) >> (ti_rng_next(&rng) % 64));
    }
}

/* --- one request after the other ------------------------------------------------------------
 */

static ti_attribution *fresh(void)
{
    ti_attribution *a = NULL;
    assert_int_equal(ti_attribution_create(&a, TI_WORK_WEIGHTS_DEFAULT, NULL), TERN_OK);
    return a;
}

static void expect(const ti_attribution *a, uint64_t metered, uint64_t requests, uint64_t idle,
                   uint64_t waiting)
{
    ti_attribution_sum s = ti_attribution_total(a);
    assert_true(s.metered_uj == metered);
    assert_true(s.requests_uj == requests);
    assert_true(s.idle_uj == idle);
    assert_true(s.waiting_uj == waiting);
}

static void test_idle_is_its_own_line(void **state)
{
    ti_attribution *a = fresh();
    ti_share share;
    uint32_t id;
    (void)state;
    ti_attribution_interval(a, 1000, 400, 0); /* nobody was there: all of it is idle */
    expect(a, 1000, 0, 1000, 0);
    assert_int_equal(ti_attribution_begin(a, &id, NULL), TERN_OK);
    ti_attribution_work(a, id, 0, 3);
    ti_attribution_interval(a, 1000, 400, TI_DELTA_GAP);
    expect(a, 2000, 600, 1400, 0);
    ti_attribution_work(a, id, 0, 1);
    ti_attribution_interval(a, 100, 400, 0); /* less than idle: never negative */
    ti_attribution_end(a, id, &share);
    assert_int_equal(share.energy_uj, 600);
    assert_int_equal(share.idle_uj, 500);
    assert_int_equal(share.flags, TI_DELTA_GAP);
    expect(a, 2100, 600, 1500, 0);
    ti_attribution_destroy(a);
}

static void test_prefill_and_decode_are_weighted(void **state)
{
    ti_attribution *a = fresh();
    ti_share x, y;
    uint32_t id[2];
    (void)state;
    assert_int_equal(ti_attribution_begin(a, &id[0], NULL), TERN_OK);
    assert_int_equal(ti_attribution_begin(a, &id[1], NULL), TERN_OK);
    ti_attribution_work(a, id[0], 12, 0);
    ti_attribution_work(a, id[1], 0, 1); /* one token generated counts as four read */
    ti_attribution_interval(a, 1601, 0, 0);
    x = ti_attribution_share(a, id[0]);
    y = ti_attribution_share(a, id[1]);
    assert_int_equal(x.energy_uj, 1201);
    assert_int_equal(y.energy_uj, 400);
    ti_attribution_end(a, id[0], &x);
    ti_attribution_end(a, id[1], &y);
    ti_attribution_destroy(a);
}

/* A long prompt reports at its end: the energy until then is kept for it. */
static void test_energy_waits_for_the_report(void **state)
{
    ti_attribution *a = fresh();
    ti_share x, y;
    uint32_t id[2];
    (void)state;
    assert_int_equal(ti_attribution_begin(a, &id[0], NULL), TERN_OK);
    ti_attribution_interval(a, 500, 100, 0);
    ti_attribution_interval(a, 500, 100, 0);
    expect(a, 1000, 0, 200, 800);
    ti_attribution_work(a, id[0], 2000, 0);
    ti_attribution_interval(a, 500, 100, 0);
    expect(a, 1500, 1200, 300, 0);
    /* Two that never say anything: the last one takes it. */
    assert_int_equal(ti_attribution_begin(a, &id[1], NULL), TERN_OK);
    ti_attribution_interval(a, 301, 100, 0);
    ti_attribution_end(a, id[0], &x);
    assert_int_equal(x.energy_uj, 1200);
    assert_int_equal(x.idle_uj, 350);
    ti_attribution_end(a, id[1], &y);
    assert_int_equal(y.energy_uj, 201);
    assert_int_equal(y.idle_uj, 50);
    expect(a, 1801, 1401, 400, 0);
    ti_attribution_destroy(a);
}

/* --- many ----------------------------------------------------------------------------------
 */

typedef struct history {
    ti_rng rng;
    ti_attribution *a;
    uint32_t active[ACTIVE_MAX];
    size_t n_active;
    uint64_t metered, ended, ended_idle, alone;
} history;

static void conserved(const history *h)
{
    ti_attribution_sum s = ti_attribution_total(h->a);
    uint64_t requests = h->ended, idle = h->ended_idle + h->alone;
    for (size_t i = 0; i < h->n_active; i++) {
        ti_share share = ti_attribution_share(h->a, h->active[i]);
        requests += share.energy_uj;
        idle += share.idle_uj;
    }
    assert_true(s.metered_uj == h->metered);
    assert_true(s.requests_uj == requests);
    assert_true(s.idle_uj == idle);
    assert_true(s.metered_uj == s.requests_uj + s.idle_uj + s.waiting_uj);
    assert_true(h->n_active > 0 || s.waiting_uj == 0);
}

static void close_interval(history *h)
{
    uint64_t r = ti_rng_next(&h->rng);
    uint64_t energy = r % 8 == 0 ? 0 : ti_rng_next(&h->rng) >> (24 + r % 40);
    uint64_t idle = ti_rng_next(&h->rng) >> (24 + r % 40);
    h->metered += energy;
    h->alone += h->n_active ? 0 : energy;
    ti_attribution_interval(h->a, energy, idle, r % 8 == 0 ? TI_DELTA_WRAPS : 0);
}

static void end_one(history *h)
{
    ti_share share;
    size_t i = ti_rng_next(&h->rng) % h->n_active;
    close_interval(h);
    ti_attribution_end(h->a, h->active[i], &share);
    h->ended += share.energy_uj;
    h->ended_idle += share.idle_uj;
    h->active[i] = h->active[--h->n_active];
}

static void step(history *h)
{
    uint64_t what = ti_rng_next(&h->rng) % 8;
    if (what < 2 && h->n_active < ACTIVE_MAX) {
        assert_int_equal(ti_attribution_begin(h->a, &h->active[h->n_active], NULL), TERN_OK);
        h->n_active++;
    } else if (what == 2 && h->n_active > 0) {
        end_one(h);
    } else if (what < 6) { /* a batch: some of them work, with prompts among them */
        for (size_t i = 0; i < h->n_active; i++) {
            uint64_t r = ti_rng_next(&h->rng);
            ti_attribution_work(h->a, h->active[i], r % 5 == 0 ? r >> 52 : 0,
                                r >> 8 & r >> 9 & 1);
        }
        close_interval(h);
    } else {
        close_interval(h); /* a gap */
    }
    conserved(h);
}

static void test_conserves_every_microjoule(void **state)
{
    (void)state;
    uint64_t given = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        history h = {.a = fresh()};
        ti_rng_seed(&h.rng, seed);
        for (int i = 0; i < STEPS; i++) {
            step(&h);
        }
        while (h.n_active > 0) {
            end_one(&h);
        }
        conserved(&h);
        given += h.ended;
        ti_attribution_destroy(h.a);
    }
    assert_true(given > 0);
}

/* Handles that are reused, work beyond all bounds, many requests. */
static void test_limits(void **state)
{
    ti_attribution *a = fresh();
    uint32_t id, first = 0;
    ti_share share;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ti_attribution_begin(a, &id, NULL), TERN_OK);
        assert_int_equal(id, i);
        ti_attribution_work(a, id, UINT64_MAX, UINT64_MAX);
        ti_attribution_work(a, id, UINT64_MAX, UINT64_MAX);
    }
    ti_attribution_interval(a, UINT64_MAX / 2, 0, 0);
    ti_attribution_sum s = ti_attribution_total(a);
    assert_true(s.requests_uj == UINT64_MAX / 2 && s.waiting_uj == 0);
    ti_attribution_end(a, first, &share);
    assert_true(share.energy_uj == UINT64_MAX / 2 / 1000 + 1);
    assert_int_equal(ti_attribution_begin(a, &id, NULL), TERN_OK);
    assert_int_equal(id, first);
    share = ti_attribution_share(a, id);
    assert_true(share.energy_uj == 0);
    ti_attribution_destroy(a);
    ti_attribution_destroy(NULL);
    a = NULL;
    assert_int_equal(ti_attribution_create(&a, (ti_work_weights){.decode = 1}, NULL),
                     TERN_USAGE);
    assert_null(a);
}

static void test_memory_that_is_not_there(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        ti_attribution *a = NULL;
        uint32_t id = 77;
        oom_fail_at(n);
        tern_status status = ti_attribution_create(&a, TI_WORK_WEIGHTS_DEFAULT, NULL);
        for (int i = 0; status == TERN_OK && i < 40; i++) {
            status = ti_attribution_begin(a, &id, NULL);
        }
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        if (a) { /* what had begun is still right */
            ti_attribution_interval(a, 100, 0, 0);
            oom_fail_at(0);
            ti_attribution_interval(a, 100, 0, 0); /* allocates nothing */
            assert_false(oom_disarm());
        }
        ti_attribution_destroy(a);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_division_by_largest_remainders),
        cmocka_unit_test(test_division_at_random),
        cmocka_unit_test(test_idle_is_its_own_line),
        cmocka_unit_test(test_prefill_and_decode_are_weighted),
        cmocka_unit_test(test_energy_waits_for_the_report),
        cmocka_unit_test(test_conserves_every_microjoule),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_memory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
