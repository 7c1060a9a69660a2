/* SPDX-License-Identifier: Apache-2.0 */
/* Routing: what a decision promises, on worlds drawn at random and on chosen ones; breakers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "carbon/basis.h"
#include "plan/route.h"

enum { WORLDS = 20000, MANY = 7, HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static const int64_t NOW = 1763812800; /* 2025-11-22T12:00Z */
static const ti_basis AVERAGE = {TI_AVERAGE, TI_LIFE_CYCLE, TI_LOCATION};
static const ti_basis MARGINAL = {TI_MARGINAL, TI_OPERATIONAL, TI_LOCATION};

typedef struct world {
    ti_route_request request;
    ti_route_policy policy;
    ti_route_candidate c[MANY];
    size_t n;
} world;

static uint32_t below(ti_rng *rng, uint32_t n)
{
    return (uint32_t)(ti_rng_next(rng) % n);
}

/* This machine: 4 J a token, 10 tokens a second, Germany, for thin tasks. */
static ti_route_candidate here(void)
{
    return (ti_route_candidate){
        .local = true,
        .context_tokens = 4096,
        .energy = {TI_WORD_MEASURED, 400000000, 4000000000, 950, 1050},
        .speed = {TI_WORD_MEASURED, 0, 10000000, 100000000},
        .price = {.known = true},
        .pue_permille = 1000,
        .grid = {true, 342000, {TI_AVERAGE, TI_LIFE_CYCLE, TI_LOCATION}},
    };
}

/* Somebody else's, for all tasks: 0.4 J a token, fast, in Sweden. */
static ti_route_candidate there(void)
{
    return (ti_route_candidate){
        .thick = true,
        .context_tokens = 131072,
        .energy = {TI_WORD_MODELLED, 0, 400000000, 100, 10000},
        .speed = {TI_WORD_DECLARED, 300000, 500000, 20000000},
        .price = {true, 200000, 200000},
        .pue_permille = 1200,
        .grid = {true, 21000, {TI_AVERAGE, TI_LIFE_CYCLE, TI_LOCATION}},
    };
}

static world usual(void)
{
    return (world){
        .request = {TI_ROUTE_THIN, 100, 200, NOW, 0},
        .policy = {TI_ROUTE_LOCAL_FIRST, TI_ROUTE_NO_LIMIT, TI_ROUTE_NO_LIMIT, {0}},
        .c = {here(), there()},
        .n = 2,
    };
}

static ti_route decide(const world *w)
{
    ti_route r;
    assert_int_equal(ti_route_decide(&r, &w->request, w->c, w->n, &w->policy, NULL), TERN_OK);
    return r;
}

static const ti_route_why *why(const ti_route *r, ti_route_code code)
{
    for (uint32_t i = 0; i < r->n_whys; i++) {
        if (r->whys[i].code == code) {
            return &r->whys[i];
        }
    }
    return NULL;
}

/* --- chosen ones -------------------------------------------------------------------------- */

static void thin_stays_here_and_thick_leaves(void **state)
{
    world w = usual();
    ti_route r = decide(&w);
    (void)state;
    assert_int_equal(r.action, TI_ROUTE_LOCAL);
    assert_int_equal(r.n_order, 2);
    assert_int_equal(r.order[0], 0);
    assert_int_equal(r.order[1], 1);
    /* 100 x 0.4 J + 200 x 4 J = 840 J, x 342 g/kWh; 200 x 0.4 J = 80 J, x 21 g/kWh x 1.2. */
    assert_int_equal(r.rows[0].energy_uj, 840000000);
    assert_int_equal(r.rows[0].co2_ug, 79800);
    assert_int_equal(r.rows[1].energy_uj, 80000000);
    assert_int_equal(r.rows[1].co2_ug, 560);
    assert_int_equal(r.rows[1].co2_low_ug, 56);
    assert_int_equal(r.rows[1].co2_high_ug, 5600);
    assert_int_equal(r.rows[0].time_us, 21000000);
    assert_int_equal(r.rows[1].price_pusd, 300 * UINT64_C(200000));
    assert_non_null(why(&r, TI_RWHY_LOCAL_FIRST));
    assert_int_equal(why(&r, TI_RWHY_LOCAL_COSTS)->b, 79800 - 560);
    assert_null(why(&r, TI_RWHY_OVERLAP));

    w.request.task = TI_ROUTE_THICK;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_UPSTREAM);
    assert_int_equal(r.rows[0].against, TI_AGAINST_TASK);
    assert_non_null(why(&r, TI_RWHY_ONLY_ONE));

    w = usual();
    w.policy.first = TI_ROUTE_FEWEST_GRAMS;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_UPSTREAM);
    assert_int_equal(why(&r, TI_RWHY_FEWEST_GRAMS)->b, 79800 - 560);
}

static void limits_of_time_price_and_room(void **state)
{
    world w = usual();
    (void)state;
    w.policy.time_max_us = 20999999;
    ti_route r = decide(&w);
    assert_int_equal(r.rows[0].against, TI_AGAINST_TIME);
    assert_int_equal(r.action, TI_ROUTE_UPSTREAM);
    w.policy.time_max_us = 21000000;
    assert_int_equal(decide(&w).action, TI_ROUTE_LOCAL);
    w.c[0].speed.word = TI_WORD_UNKNOWN; /* with a limit, unknown is not fast enough */
    assert_int_equal(decide(&w).action, TI_ROUTE_UPSTREAM);

    w = usual();
    w.request.task = TI_ROUTE_THICK;
    w.policy.price_max_pusd = 300 * UINT64_C(200000);
    assert_int_equal(decide(&w).action, TI_ROUTE_UPSTREAM);
    w.policy.price_max_pusd--;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_REFUSE);
    assert_int_equal(why(&r, TI_RWHY_NOBODY)->a, TI_AGAINST_TASK | TI_AGAINST_PRICE);

    w = usual();
    w.request.in_tokens = 4096 - 200;
    assert_int_equal(decide(&w).action, TI_ROUTE_LOCAL);
    w.request.in_tokens++;
    r = decide(&w);
    assert_int_equal(r.rows[0].against, TI_AGAINST_ROOM);

    w = usual();
    w.c[0].unready = true;
    assert_int_equal(decide(&w).rows[0].against, TI_AGAINST_UNREADY);

    w = usual();
    w.request.deadline_s = NOW + 20;
    assert_int_equal(decide(&w).rows[0].against, TI_AGAINST_DEADLINE);
    w.request.deadline_s = NOW + 21;
    assert_int_equal(decide(&w).rows[0].against, 0);
}

static void bases_are_never_mixed(void **state)
{
    world w = usual();
    (void)state;
    w.policy.first = TI_ROUTE_FEWEST_GRAMS;
    w.c[1].grid.basis = MARGINAL; /* far fewer, but of another kind */
    ti_route r = decide(&w);
    assert_true(r.rows[1].other_basis);
    assert_int_equal(r.order[0], 0);
    assert_int_equal(why(&r, TI_RWHY_OTHER_BASIS)->a, 1);
    w.policy.budget = (ti_route_budget){
        .set = true, .day_ug = 1000000, .basis = MARGINAL, .renews_s = NOW + DAY_S};
    r = decide(&w);
    assert_int_equal(r.rows[0].against, TI_AGAINST_GRAMS);
    assert_int_equal(r.order[0], 1);
}

static void the_budgets_end(void **state)
{
    world w = usual();
    (void)state;
    w.request.task = TI_ROUTE_THICK;
    w.policy.budget = (ti_route_budget){.set = true,
                                        .day_ug = 10000,
                                        .used_ug = 9440,
                                        .basis = AVERAGE,
                                        .renews_s = NOW + HOUR_S,
                                        .end = TI_ROUTE_END_QUEUE};
    ti_route r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_UPSTREAM); /* 560 are left, and 560 are needed */
    assert_int_equal(why(&r, TI_RWHY_BUDGET_LEFT)->b, 0);

    w.policy.budget.used_ug++;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_REFUSE); /* somebody is waiting: no queue */
    assert_int_equal(r.until_s, NOW + HOUR_S);
    w.request.deadline_s = NOW + HOUR_S + 4; /* it takes 4.35 s */
    assert_int_equal(decide(&w).action, TI_ROUTE_REFUSE);
    w.request.deadline_s = NOW + HOUR_S + 5;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_QUEUE);
    assert_int_equal(why(&r, TI_RWHY_WAIT_BUDGET)->a, NOW + HOUR_S);
    w.policy.budget.end = TI_ROUTE_END_REFUSE;
    assert_int_equal(decide(&w).action, TI_ROUTE_REFUSE);
    w.policy.budget.day_ug = 559;
    assert_non_null(why((r = decide(&w), &r), TI_RWHY_NEVER_FITS));

    /* A smaller model: this machine, made small enough. */
    w.policy.budget.day_ug = 10000;
    w.policy.budget.end = TI_ROUTE_END_SMALLER;
    w.c[0].energy.in_uj = 0;
    w.c[0].energy.out_uj = 20000000; /* 4 J in all: 380 ug */
    r = decide(&w);
    assert_int_equal(r.rows[0].co2_ug, 380);
    assert_int_equal(r.action, TI_ROUTE_LOCAL);
    assert_non_null(why(&r, TI_RWHY_SMALLER));
    w.policy.budget.used_ug = 10000;
    assert_int_equal(decide(&w).action, TI_ROUTE_QUEUE);
    w.policy.budget.reserve_ug = 380;
    assert_int_equal(decide(&w).action, TI_ROUTE_LOCAL);
}

static void what_is_not_known_is_not_zero(void **state)
{
    world w = usual();
    (void)state;
    w.policy.first = TI_ROUTE_FEWEST_GRAMS;
    w.c[1].grid.known = false;
    ti_route r = decide(&w);
    assert_int_equal(r.order[0], 0);
    assert_int_equal(r.order[1], 1);
    w.request.task = TI_ROUTE_THICK;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_UPSTREAM);
    assert_non_null(why(&r, TI_RWHY_NO_GRAMS));
    w.policy.budget = (ti_route_budget){.set = true, .day_ug = UINT64_MAX, .basis = AVERAGE};
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_REFUSE);
    assert_int_equal(r.rows[1].against, TI_AGAINST_GRAMS);
}

static void nonsense_is_refused(void **state)
{
    world w = usual();
    ti_route r;
    (void)state;
    memset(&r, 7, sizeof r);
    const ti_route before = r;
    for (int i = 0; i < 7; i++) {
        w = usual();
        w.request.in_tokens = i == 0 ? TI_ROUTE_TOKENS_MAX + 1 : 100;
        w.c[1].energy.out_uj = i == 1 ? TI_ROUTE_RATE_MAX + 1 : 1;
        w.c[1].pue_permille = i == 2 ? 999 : 1000;
        w.c[1].energy.low_permille = i == 3 ? 1001 : 1000;
        w.c[1].grid.intensity_mg_kwh = i == 4 ? TI_INTENSITY_MAX_MG_KWH + 1 : 1;
        w.request.deadline_s = i == 5 ? -1 : 0;
        w.n = i == 6 ? TI_ROUTE_MAX + 1 : 2;
        assert_int_equal(ti_route_decide(&r, &w.request, w.c, w.n, &w.policy, NULL),
                         i == 6 ? TERN_LIMIT : TERN_USAGE);
        assert_memory_equal(&r, &before, sizeof r);
    }
    w = usual();
    w.n = 0;
    assert_int_equal(decide(&w).action, TI_ROUTE_REFUSE);
}

/* --- worlds at random --------------------------------------------------------------------- */

static ti_route_candidate random_candidate(ti_rng *rng)
{
    ti_route_candidate c = {
        .local = below(rng, 3) == 0,
        .thick = below(rng, 3) > 0,
        .context_tokens = below(rng, 4) ? 1000 + below(rng, 8000) : 0,
        .energy = {below(rng, 5) ? TI_WORD_MODELLED : TI_WORD_UNKNOWN,
                   below(rng, 8) * UINT64_C(100000000), below(rng, 8) * UINT64_C(1000000000),
                   1000 - below(rng, 900), 1000 + below(rng, 9000)},
        .speed = {below(rng, 5) ? TI_WORD_DECLARED : TI_WORD_UNKNOWN, below(rng, 1000000),
                  below(rng, 5) * UINT64_C(1000000), below(rng, 5) * UINT64_C(10000000)},
        .price = {below(rng, 4) > 0, below(rng, 3) * UINT64_C(100000),
                  below(rng, 3) * UINT64_C(400000)},
        .pue_permille = 1000 + below(rng, 3) * 200,
        .grid = {below(rng, 5) > 0, below(rng, 8) * UINT64_C(90000),
                 below(rng, 5) ? AVERAGE : MARGINAL},
    };
    if (below(rng, 5) == 0) {
        c.breaker = (ti_breaker){.openings = 1, .until_s = NOW - 100 + below(rng, 4000)};
    }
    return c;
}

static world random_world(ti_rng *rng)
{
    world w = {
        .request = {below(rng, 2) ? TI_ROUTE_THICK : TI_ROUTE_THIN, 1 + below(rng, 3000),
                    below(rng, 3000), NOW, below(rng, 2) ? NOW + below(rng, 8000) : 0},
        .policy = {below(rng, 2) ? TI_ROUTE_FEWEST_GRAMS : TI_ROUTE_LOCAL_FIRST,
                   below(rng, 2) ? below(rng, 2000) * UINT64_C(1000000) : TI_ROUTE_NO_LIMIT,
                   below(rng, 2) ? below(rng, 60) * UINT64_C(1000000) : TI_ROUTE_NO_LIMIT,
                   {0}},
        .n = below(rng, MANY + 1),
    };
    w.policy.budget = (ti_route_budget){.set = below(rng, 2) == 0,
                                        .day_ug = below(rng, 2000000),
                                        .used_ug = below(rng, 2000000),
                                        .reserve_ug = below(rng, 200000),
                                        .basis = AVERAGE,
                                        .renews_s = NOW + below(rng, 4000),
                                        .end = (ti_route_end)below(rng, 3)};
    for (size_t i = 0; i < w.n; i++) {
        w.c[i] = random_candidate(rng);
    }
    return w;
}

/* Grams of every row are those that the accounting would book for its joules. */
static void check_figures(const world *w, const ti_route *r)
{
    for (size_t i = 0; i < w->n; i++) {
        const ti_route_row *row = &r->rows[i];
        if (!row->grams_known) {
            continue;
        }
        ti_intensity at = {w->c[i].grid.intensity_mg_kwh, w->c[i].grid.basis};
        ti_carbon carbon;
        assert_int_equal(ti_carbon_of(&carbon, row->energy_uj, &at, w->c[i].pue_permille, NULL),
                         TERN_OK);
        assert_int_equal(carbon.co2_ug, row->co2_ug);
        assert_true(row->co2_low_ug <= row->co2_ug && row->co2_ug <= row->co2_high_ug);
        assert_true(row->other_basis == !ti_basis_equal(at.basis, r->basis));
    }
}

/* Nobody better was passed over, and nobody who may not. */
static void check_order(const world *w, const ti_route *r, bool smaller)
{
    size_t may = 0;
    for (size_t i = 0; i < w->n; i++) {
        may += r->rows[i].against == 0;
    }
    assert_int_equal(r->n_order, smaller ? 1 : may);
    for (size_t k = 0; k < r->n_order; k++) {
        const ti_route_row *row = &r->rows[r->order[k]];
        assert_true(smaller || row->against == 0);
        for (size_t m = k + 1; m < r->n_order; m++) {
            const ti_route_row *after = &r->rows[r->order[m]];
            bool a = w->c[r->order[k]].local, b = w->c[r->order[m]].local;
            assert_int_not_equal(r->order[k], r->order[m]);
            if (w->policy.first == TI_ROUTE_LOCAL_FIRST && a != b) {
                assert_true(a);
            } else if (after->grams_known && !after->other_basis) {
                assert_true(row->grams_known && !row->other_basis);
                assert_true(row->co2_ug <= after->co2_ug);
            }
        }
    }
}

static void check_promises(const world *w, const ti_route *r)
{
    const ti_route_budget *budget = &w->policy.budget;
    bool smaller = why(r, TI_RWHY_SMALLER) != NULL;
    bool sent = r->action == TI_ROUTE_LOCAL || r->action == TI_ROUTE_UPSTREAM;
    assert_true(r->n_whys > 0 && r->n_whys <= TI_ROUTE_WHYS_MAX);
    assert_int_equal(sent, r->n_order > 0);
    check_order(w, r, smaller);
    if (sent) {
        const ti_route_row *row = &r->rows[r->order[0]];
        assert_int_equal(r->action == TI_ROUTE_LOCAL, w->c[r->order[0]].local);
        assert_true(ti_breaker_state_at(&w->c[r->order[0]].breaker, NOW) != TI_BREAKER_OPEN);
        assert_true(w->policy.price_max_pusd == TI_ROUTE_NO_LIMIT ||
                    (row->price_known && row->price_pusd <= w->policy.price_max_pusd));
        assert_true(w->policy.time_max_us == TI_ROUTE_NO_LIMIT ||
                    (row->time_known && row->time_us <= w->policy.time_max_us));
        if (budget->set) {
            uint64_t most = budget->day_ug + (smaller ? budget->reserve_ug : 0);
            assert_true(row->grams_known && !row->other_basis);
            assert_true(row->co2_ug == 0 || budget->used_ug + row->co2_ug <= most);
        }
    }
    if (r->action == TI_ROUTE_QUEUE) {
        assert_true(r->until_s >= NOW && r->until_s <= w->request.deadline_s);
    }
    if (smaller || why(r, TI_RWHY_BUDGET_END)) {
        assert_true(budget->set);
    }
}

/* The same candidates in reverse: the same figures are chosen. */
static void check_reversed(const world *w, const ti_route *r)
{
    world v = *w;
    for (size_t i = 0; i < w->n; i++) {
        v.c[i] = w->c[w->n - 1 - i];
    }
    ti_route s = decide(&v);
    if (!w->policy.budget.set) {
        return; /* the first known grid says which basis is compared */
    }
    assert_int_equal(r->action, s.action);
    assert_int_equal(r->n_order, s.n_order);
    for (size_t k = 0; k < r->n_order; k++) {
        assert_int_equal(r->rows[r->order[k]].co2_ug, s.rows[s.order[k]].co2_ug);
    }
}

/* Looser limits never take a candidate away. */
static void check_looser(const world *w, const ti_route *r)
{
    world v = *w;
    v.policy.price_max_pusd = v.policy.time_max_us = TI_ROUTE_NO_LIMIT;
    v.policy.budget.used_ug = 0;
    ti_route s = decide(&v);
    for (size_t i = 0; i < w->n; i++) {
        assert_int_equal(s.rows[i].against & ~r->rows[i].against, 0);
    }
}

static void promises_hold_in_any_world(void **state)
{
    ti_rng rng;
    size_t seen[4] = {0}, smaller = 0;
    (void)state;
    ti_rng_seed(&rng, 20261122);
    for (int i = 0; i < WORLDS; i++) {
        world w = random_world(&rng);
        ti_route r = decide(&w), again = decide(&w);
        assert_memory_equal(&r, &again, sizeof r);
        check_figures(&w, &r);
        check_promises(&w, &r);
        check_reversed(&w, &r);
        check_looser(&w, &r);
        seen[r.action]++;
        smaller += why(&r, TI_RWHY_SMALLER) != NULL;
    }
    /* The worlds are such that everything happens. */
    for (size_t i = 0; i < 4; i++) {
        assert_true(seen[i] > WORLDS / 200);
    }
    assert_true(smaller > WORLDS / 1000);
}

static void figures_that_do_not_fit(void **state)
{
    world w = usual();
    (void)state;
    w.request.in_tokens = w.request.out_tokens = TI_ROUTE_TOKENS_MAX;
    w.c[0].context_tokens = 0;
    w.c[0].energy.in_uj = w.c[0].energy.out_uj = TI_ROUTE_RATE_MAX;
    ti_route r = decide(&w);
    assert_int_equal(r.rows[0].against, TI_AGAINST_LIMIT);
    assert_false(r.rows[0].energy_known);
}

/* --- breakers ----------------------------------------------------------------------------- */

static void a_breaker_opens_tries_and_closes(void **state)
{
    const ti_breaker_policy p = {.failures_to_open = 3, .pause_s = 10, .pause_max_s = 35};
    ti_breaker b = {0};
    (void)state;
    ti_breaker_failed(&b, &p, NOW);
    ti_breaker_failed(&b, &p, NOW);
    ti_breaker_succeeded(&b);
    ti_breaker_failed(&b, &p, NOW);
    ti_breaker_failed(&b, &p, NOW);
    assert_int_equal(ti_breaker_state_at(&b, NOW), TI_BREAKER_CLOSED);
    ti_breaker_failed(&b, &p, NOW);
    assert_false(ti_breaker_take(&b, NOW));
    ti_breaker_failed(&b, &p, NOW + 5); /* one that was under way: no longer pause */
    assert_int_equal(ti_breaker_state_at(&b, NOW + 9), TI_BREAKER_OPEN);
    assert_int_equal(ti_breaker_state_at(&b, NOW + 10), TI_BREAKER_HALF_OPEN);
    assert_true(ti_breaker_take(&b, NOW + 10)); /* one trial, not two */
    assert_false(ti_breaker_take(&b, NOW + 10));
    ti_breaker_taken_back(&b);
    assert_true(ti_breaker_take(&b, NOW + 10));
    static const int64_t pauses[] = {20, 35, 35, 35};
    int64_t now = NOW + 10;
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        ti_breaker_failed(&b, &p, now);
        assert_int_equal(b.until_s - now, pauses[i]);
        assert_false(ti_breaker_take(&b, b.until_s - 1));
        now = b.until_s;
        assert_true(ti_breaker_take(&b, now));
    }
    ti_breaker_succeeded(&b);
    assert_int_equal(ti_breaker_state_at(&b, now), TI_BREAKER_CLOSED);
    assert_int_equal(b.failures, 0);
}

static void a_pause_is_waited_for(void **state)
{
    world w = usual();
    (void)state;
    w.request.task = TI_ROUTE_THICK;
    w.c[1].breaker = (ti_breaker){.openings = 1, .until_s = NOW + 60};
    ti_route r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_REFUSE);
    assert_int_equal(r.until_s, NOW + 60);
    w.request.deadline_s = NOW + 65;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_QUEUE);
    assert_int_equal(why(&r, TI_RWHY_WAIT_BREAKER)->b, 1);
    w.c[1].breaker.until_s = NOW;
    r = decide(&w);
    assert_int_equal(r.action, TI_ROUTE_UPSTREAM);
    assert_non_null(why(&r, TI_RWHY_TRIAL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thin_stays_here_and_thick_leaves),
        cmocka_unit_test(limits_of_time_price_and_room),
        cmocka_unit_test(bases_are_never_mixed),
        cmocka_unit_test(the_budgets_end),
        cmocka_unit_test(what_is_not_known_is_not_zero),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(promises_hold_in_any_world),
        cmocka_unit_test(figures_that_do_not_fit),
        cmocka_unit_test(a_breaker_opens_tries_and_closes),
        cmocka_unit_test(a_pause_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
