/* SPDX-License-Identifier: Apache-2.0 */
/* Planning: against brute force over every second, published vectors, and what it promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "oom.h"
#include "plan/plan.h"

enum { SLOTS = 64, MIN = 60, HOUR = 3600 };

typedef struct world {
    ti_slot slots[SLOTS];
    ti_series series;
} world;

static const int64_t EPOCH = 1577836800; /* 2020-01-01T00:00Z */

static void add(world *w, int64_t start_s, uint32_t length_s, uint32_t mg, uint32_t error)
{
    w->slots[w->series.n++] = (ti_slot){start_s, length_s, mg, error, TI_SLOT_FORECAST};
    w->series.slots = w->slots;
}

static void name(world *w, const char *zone)
{
    *w = (world){0};
    snprintf(w->series.zone, sizeof w->series.zone, "%s", zone);
    snprintf(w->series.source, sizeof w->series.source, "test");
}

static uint32_t below(ti_rng *rng, uint32_t n)
{
    return (uint32_t)(ti_rng_next(rng) % n);
}

/* Slots of 1 to 12 units, gaps now and then. */
static void random_world(world *w, ti_rng *rng, uint32_t n, uint32_t unit_s, bool gaps)
{
    int64_t at = EPOCH;
    name(w, "XX");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t length = (1 + below(rng, 12)) * unit_s;
        at += gaps && below(rng, 8) == 0 ? unit_s * (1 + below(rng, 3)) : 0;
        add(w, at, length, 20000 + below(rng, 500) * 1000, 0);
        at += length;
    }
    assert_int_equal(ti_series_check(&w->series, NULL), TERN_OK);
}

static ti_plan_job job_of(int64_t from_s, int64_t deadline_s, uint32_t duration_s)
{
    return (ti_plan_job){.earliest_s = from_s,
                         .deadline_s = deadline_s,
                         .n_durations = 1,
                         .durations = {{duration_s, 1}}};
}

static ti_decision decide(const world *w, const ti_plan_job *job, ti_planner *planner)
{
    const ti_series *series[] = {&w->series};
    ti_decision d;
    assert_int_equal(ti_plan_open(planner, series, 1, NULL), TERN_OK);
    assert_int_equal(ti_plan_decide(&d, planner, job, NULL), TERN_OK);
    return d;
}

static bool has(const ti_decision *d, ti_why_code code)
{
    for (uint32_t i = 0; i < d->n_whys; i++) {
        if (d->whys[i].code == code) {
            return true;
        }
    }
    return false;
}

/* Weighted cost of a start, or UINT64_MAX where it is not covered. */
static uint64_t brute_cost(const world *w, const ti_plan_job *job, int64_t start_s)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->n_durations; i++) {
        uint64_t part;
        if (!ti_series_sum(&part, &w->series, start_s,
                           start_s + job->durations[i].duration_s)) {
            return UINT64_MAX;
        }
        sum += part * job->durations[i].weight;
    }
    return sum;
}

/* --- sums -----------------------------------------------------------------------------------
 */

/* The unit tests of the Carbon Aware SDK's rolling average: 10, 20, 30, 40 of five minutes
 * each; window and tick in minutes. */
static void rolling_averages_of_the_sdk(void **state)
{
    static const struct {
        uint32_t window, tick, from;
        uint32_t n, means[5];
    } cases[] = {
        {5, 5, 0, 4, {10, 20, 30, 40}}, {10, 5, 0, 3, {15, 25, 35}},
        {2, 5, 0, 4, {10, 20, 30, 40}}, {5, 4, 0, 4, {10, 18, 26, 34}},
        {10, 4, 0, 3, {15, 23, 31}},    {2, 4, 0, 5, {10, 15, 20, 30, 40}},
        {5, 7, 0, 3, {10, 24, 38}},     {10, 7, 0, 2, {15, 29}},
        {2, 7, 0, 3, {10, 20, 35}},     {5, 5, 2, 3, {14, 24, 34}},
    };
    world w;
    uint32_t mean;
    (void)state;
    name(&w, "IL");
    for (uint32_t i = 0; i < 4; i++) {
        add(&w, EPOCH + i * 5 * MIN, 5 * MIN, (i + 1) * 10, 0);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t at = EPOCH + cases[i].from * MIN;
        for (uint32_t k = 0; k < cases[i].n; k++, at += cases[i].tick * MIN) {
            assert_true(ti_series_mean(&mean, &w.series, at, at + cases[i].window * MIN));
            assert_int_equal(mean, cases[i].means[k]);
        }
        assert_false(ti_series_mean(&mean, &w.series, at, at + cases[i].window * MIN));
    }
    /* Averages over a period, in hundredths: intensities times 100. */
    for (uint32_t i = 0; i < 4; i++) {
        w.slots[i].intensity_mg_kwh *= 100;
    }
    assert_true(ti_series_mean(&mean, &w.series, EPOCH, EPOCH + 20 * MIN));
    assert_int_equal(mean, 2500);
    assert_true(ti_series_mean(&mean, &w.series, EPOCH + 4 * MIN, EPOCH + 20 * MIN));
    assert_int_equal(mean, 2875);
    assert_true(ti_series_mean(&mean, &w.series, EPOCH, EPOCH + 16 * MIN));
    assert_int_equal(mean, 2125);
    assert_false(ti_series_mean(&mean, &w.series, EPOCH - 1, EPOCH + 16 * MIN));
    w.slots[2].start_s += 1; /* a gap of a second */
    w.slots[2].length_s -= 1;
    assert_false(ti_series_mean(&mean, &w.series, EPOCH, EPOCH + 16 * MIN));
    assert_int_equal(ti_series_covered(&w.series, EPOCH), EPOCH + 10 * MIN);
}

/* CATS joins points by lines; a line is constant slots of a second at its midpoints.  Vector:
 * points 26, 40, 50, 60, 25 from 08:30, 70 minutes from 09:15 have the mean 49.97024. */
static void lines_of_cats(void **state)
{
    static const uint32_t points[] = {26, 40, 50, 60, 25};
    static ti_slot slots[4 * 1800];
    ti_series s = {.slots = slots, .n = 7200, .zone = "GB", .source = "test"};
    uint64_t sum;
    (void)state;
    for (uint32_t i = 0; i < 7200; i++) {
        uint32_t a = points[i / 1800], b = points[i / 1800 + 1], k = i % 1800;
        /* (a + (b - a) (k + 1/2) / 1800) g is exact in units of 1/3600 g. */
        uint32_t value = a * (3600 - 2 * k - 1) + b * (2 * k + 1);
        slots[i] = (ti_slot){EPOCH + i, 1, value, 0, TI_SLOT_FORECAST};
    }
    assert_true(ti_series_sum(&sum, &s, EPOCH + 45 * MIN, EPOCH + 115 * MIN));
    double mean = (double)sum / 3600 / (70 * MIN);
    assert_true(mean > 49.970235 && mean < 49.970245);
}

/* --- one piece
 * -------------------------------------------------------------------------------- */

static void windows_equal_brute_force(void **state)
{
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 5);
    for (int round = 0; round < 300; round++) {
        world w;
        ti_planner planner;
        random_world(&w, &rng, 1 + below(&rng, 20), 7, round % 3 == 0);
        const ti_slot *last = &w.slots[w.series.n - 1];
        int64_t end = last->start_s + last->length_s;
        ti_plan_job job = job_of(EPOCH + below(&rng, 40), end - below(&rng, 60) + 20, 1);
        job.n_durations = 1 + below(&rng, 3);
        for (uint32_t i = 0, d = 0; i < job.n_durations; i++) {
            d += 1 + below(&rng, 120);
            job.durations[i] = (ti_duration){d, 1 + below(&rng, 9)};
        }
        uint32_t longest = job.durations[job.n_durations - 1].duration_s;
        uint64_t best = UINT64_MAX, now = brute_cost(&w, &job, job.earliest_s);
        int64_t at = 0;
        for (int64_t t = job.earliest_s; t + longest <= job.deadline_s; t++) {
            uint64_t cost = brute_cost(&w, &job, t);
            if (cost < best) {
                best = cost;
                at = t;
            }
        }
        ti_decision d = decide(&w, &job, &planner);
        assert_int_equal(d.has_now, now != UINT64_MAX);
        if (now == UINT64_MAX || best == UINT64_MAX) {
            assert_false(d.wait);
            assert_int_equal(d.start_s, job.earliest_s);
        } else {
            assert_int_equal(d.start_s, at);
            assert_int_equal(brute_cost(&w, &job, d.start_s), best);
            assert_int_equal(d.wait, at > job.earliest_s);
            assert_true(d.end_s <= job.deadline_s);
        }
        ti_plan_close(&planner);
    }
}

static void one_duration_costs_what_hindsight_says(void **state)
{
    world w;
    ti_planner planner;
    ti_plan_cost cost;
    (void)state;
    name(&w, "DE");
    add(&w, EPOCH, HOUR, 400000, 0);
    add(&w, EPOCH + HOUR, HOUR, 200000, 0);
    add(&w, EPOCH + 2 * HOUR, 2 * HOUR, 100000, 0);
    ti_plan_job job = job_of(EPOCH, EPOCH + 4 * HOUR, HOUR);
    ti_decision d = decide(&w, &job, &planner);
    assert_int_equal(d.start_s, EPOCH + 2 * HOUR);
    assert_int_equal(d.cost.mean_mg_kwh, 100000);
    assert_int_equal(d.cost.co2_ug_per_kw, 100000000); /* 1 kWh: 100 g */
    assert_int_equal(d.now.co2_ug_per_kw, 400000000);
    assert_int_equal(d.gain_ug_per_kw, 300000000);
    assert_int_equal(d.confidence_permille, 1000);
    assert_true(has(&d, TI_WHY_LATER));
    assert_true(ti_plan_cost_of(&cost, &w.series, d.slices, d.n_slices));
    assert_int_equal(cost.co2_ug_per_kw, d.cost.co2_ug_per_kw);
    ti_plan_close(&planner);
}

/* The footprint that CATS tests with: 16 W for an hour, 200 g/kWh now and 150 later, are 3.2 g,
 * 2.4 g and 0.8 g saved. */
static void footprint_of_cats(void **state)
{
    enum { POWER_W = 1 * 2 + 2 * 3 + 8 * 1, W_PER_KW = 1000 };
    world w;
    ti_planner planner;
    (void)state;
    name(&w, "GB");
    add(&w, EPOCH, HOUR, 200000, 0);
    add(&w, EPOCH + HOUR, HOUR, 150000, 0);
    ti_plan_job job = job_of(EPOCH, EPOCH + 2 * HOUR, HOUR);
    ti_decision d = decide(&w, &job, &planner);
    assert_int_equal(d.now.co2_ug_per_kw * POWER_W / W_PER_KW, 3200000);
    assert_int_equal(d.cost.co2_ug_per_kw * POWER_W / W_PER_KW, 2400000);
    assert_int_equal(d.gain_ug_per_kw * POWER_W / W_PER_KW, 800000);
    ti_plan_close(&planner);
}

/* --- the deadline, and doubt
 * ------------------------------------------------------------------ */

static void doubt_runs_now(void **state)
{
    world w;
    ti_planner planner;
    (void)state;
    name(&w, "DE");
    add(&w, EPOCH, HOUR, 400000, 0);
    add(&w, EPOCH + HOUR, HOUR, 100000, 0);

    ti_plan_job job = job_of(EPOCH, EPOCH + HOUR, 2 * HOUR);
    ti_decision d = decide(&w, &job, &planner);
    assert_false(d.wait);
    assert_true(has(&d, TI_WHY_TOO_LATE) && d.whys[0].a == HOUR);
    ti_plan_close(&planner);

    job = job_of(EPOCH, EPOCH + 2 * HOUR, 2 * HOUR);
    d = decide(&w, &job, &planner);
    assert_false(d.wait);
    assert_true(has(&d, TI_WHY_NO_SLACK));
    ti_plan_close(&planner);

    job = job_of(EPOCH, EPOCH + 24 * HOUR, 3 * HOUR); /* longer than what is known */
    d = decide(&w, &job, &planner);
    assert_false(d.wait || d.has_now);
    assert_true(has(&d, TI_WHY_NOT_COVERED) && d.whys[0].a == EPOCH + 2 * HOUR);
    ti_plan_close(&planner);

    job = job_of(EPOCH + 24 * HOUR, EPOCH + 48 * HOUR, HOUR); /* a forecast that is too old */
    d = decide(&w, &job, &planner);
    assert_false(d.wait || d.has_now);
    assert_int_equal(d.start_s, EPOCH + 24 * HOUR);
    ti_plan_close(&planner);

    job = job_of(EPOCH, EPOCH + 24 * HOUR, HOUR);
    d = decide(&w, &job, &planner);
    assert_true(d.wait && has(&d, TI_WHY_HORIZON));
    ti_plan_close(&planner);

    /* The longest duration keeps the deadline although it is unlikely. */
    job.n_durations = 2;
    job.durations[0] = (ti_duration){HOUR / 2, 999};
    job.durations[1] = (ti_duration){2 * HOUR, 1};
    job.deadline_s = EPOCH + 2 * HOUR;
    d = decide(&w, &job, &planner);
    assert_false(d.wait);
    assert_int_equal(d.end_s, EPOCH + 2 * HOUR);
    ti_plan_close(&planner);
}

static void gains_below_the_error_do_not_wait(void **state)
{
    world w;
    ti_planner planner;
    (void)state;
    name(&w, "DE");
    add(&w, EPOCH, HOUR, 300000, 0);
    add(&w, EPOCH + HOUR, HOUR, 290000, 30000);
    ti_plan_job job = job_of(EPOCH, EPOCH + 2 * HOUR, HOUR);
    ti_decision d = decide(&w, &job, &planner);
    assert_true(d.wait); /* any expected gain */
    assert_int_equal(d.error_mg_kwh, 30000);
    assert_int_equal(d.confidence_permille, 618); /* a third of a sigma, in steps of a tenth */
    ti_plan_close(&planner);

    job.confidence_permille = 800;
    d = decide(&w, &job, &planner);
    assert_false(d.wait);
    assert_true(has(&d, TI_WHY_UNDER_ERROR));
    assert_int_equal(d.whys[0].a, 10000);
    assert_in_range(d.whys[0].b, 25000, 25500); /* 0.8416 sigma */
    assert_int_equal(d.gain_ug_per_kw, 0);
    ti_plan_close(&planner);

    /* Not known how far off: a gain must be so large that 36 % of both would allow it. */
    w.slots[1].error_mg_kwh = TI_ERROR_UNKNOWN;
    d = decide(&w, &job, &planner);
    assert_true(!d.wait && has(&d, TI_WHY_UNDER_ERROR) && has(&d, TI_WHY_ERROR_UNKNOWN));
    assert_int_equal(d.whys[1].a, 10000);
    assert_in_range(d.whys[1].b, 126000, 127000); /* 0.8416 * 0.36 * |(300, 290)| */
    assert_int_equal(d.confidence_permille, 0);
    assert_int_equal(d.error_mg_kwh, TI_ERROR_UNKNOWN);
    ti_plan_close(&planner);
    w.slots[1].intensity_mg_kwh = 150000;
    d = decide(&w, &job, &planner);
    assert_true(d.wait && has(&d, TI_WHY_ERROR_UNKNOWN));
    assert_int_equal(d.confidence_permille, 0);
    ti_plan_close(&planner);
    w.slots[1].intensity_mg_kwh = 290000;
    job.confidence_permille = 0; /* whoever asks for any expected gain gets it */
    d = decide(&w, &job, &planner);
    assert_true(d.wait && has(&d, TI_WHY_ERROR_UNKNOWN));
    ti_plan_close(&planner);

    /* What both runs have in common does not count: half an hour later, with an error of 60 g
     * in the first half hour alone, which only "now" has. */
    name(&w, "DE");
    add(&w, EPOCH, HOUR / 2, 300000, 60000);
    add(&w, EPOCH + HOUR / 2, HOUR / 2, 300000, 50000);
    add(&w, EPOCH + HOUR, HOUR / 2, 200000, 0);
    job = job_of(EPOCH, EPOCH + HOUR * 3 / 2, HOUR);
    d = decide(&w, &job, &planner);
    assert_true(d.wait);
    assert_int_equal(d.error_mg_kwh, 30000);
    ti_plan_close(&planner);
}

static void the_normal_distribution(void **state)
{
    (void)state;
    assert_int_equal(ti_normal_permille(0), 500);
    assert_int_equal(ti_normal_permille(10), 841);
    assert_int_equal(ti_normal_permille(-10), 159);
    assert_int_equal(ti_normal_permille(1000000), 1000);
    assert_int_equal(ti_normal_sigma(300), 0);
    assert_int_equal(ti_normal_sigma(841), 1000);
    assert_in_range(ti_normal_sigma(975), 1930, 1980);
    for (uint32_t p = 1; p < 1000; p++) {
        assert_true(ti_normal_sigma(p) >= ti_normal_sigma(p - 1));
    }
}

/* --- the band
 * --------------------------------------------------------------------------------- */

static void the_band_spreads_and_is_never_dirtier_than_now(void **state)
{
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 9);
    for (int round = 0; round < 60; round++) {
        world w;
        ti_planner planner;
        random_world(&w, &rng, 12, 300, false);
        ti_plan_job job = job_of(EPOCH, w.slots[11].start_s, 40 * MIN);
        ti_decision best = decide(&w, &job, &planner);
        uint64_t lowest = brute_cost(&w, &job, best.start_s);
        uint64_t now = brute_cost(&w, &job, job.earliest_s);
        uint64_t limit = lowest + lowest / 20 < now ? lowest + lowest / 20 : now;
        int64_t first = INT64_MAX, last = 0;
        job.band_permille = TI_BAND_PERMILLE;
        for (uint64_t id = 0; id < 200; id++) {
            ti_decision d, again;
            job.id = id;
            assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_OK);
            assert_true(brute_cost(&w, &job, d.start_s) <= limit);
            assert_true(d.end_s <= job.deadline_s);
            assert_int_equal(ti_plan_decide(&again, &planner, &job, NULL), TERN_OK);
            assert_int_equal(again.start_s, d.start_s);
            first = d.start_s < first ? d.start_s : first;
            last = d.start_s > last ? d.start_s : last;
        }
        if (best.wait) {
            assert_true(last > first); /* a cost that is continuous leaves some room */
        }
        ti_plan_close(&planner);
    }
}

static void the_band_is_used_evenly(void **state)
{
    world w;
    ti_planner planner;
    uint32_t hours[4] = {0};
    (void)state;
    name(&w, "DE");
    add(&w, EPOCH, HOUR, 400000, 0);
    add(&w, EPOCH + HOUR, 5 * HOUR, 100000, 0);
    ti_plan_job job = job_of(EPOCH, EPOCH + 6 * HOUR, HOUR);
    job.band_permille = TI_BAND_PERMILLE;
    (void)decide(&w, &job, &planner);
    for (uint64_t id = 0; id < 4000; id++) {
        ti_decision d;
        job.id = id;
        assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_OK);
        int64_t after = d.start_s - EPOCH - HOUR;
        assert_true(after >= -60 &&
                    after <= 4 * HOUR); /* a minute of the dirty hour is < 5 % */
        hours[after < 0 ? 0 : after == 4 * HOUR ? 3 : after / HOUR]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(hours[i], 900, 1100);
    }
    ti_plan_close(&planner);
}

/* --- slices
 * ----------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void free_slices_equal_brute_force(void **state)
{
    static uint32_t seconds[SLOTS * 12 * 7];
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 11);
    for (int round = 0; round < 200; round++) {
        world w;
        ti_planner planner;
        random_world(&w, &rng, 2 + below(&rng, 30), 7, round % 2 == 0);
        const ti_slot *tail = &w.slots[w.series.n - 1];
        ti_plan_job job =
            job_of(EPOCH + 30, tail->start_s + tail->length_s, 1 + below(&rng, 90));
        size_t n = 0;
        uint64_t best = 0, sum = 0, work = 0;
        job.interruptible = true;
        for (int64_t t = job.earliest_s; t < job.deadline_s; t++) {
            uint64_t value;
            if (ti_series_sum(&value, &w.series, t, t + 1)) {
                seconds[n++] = (uint32_t)value;
            }
        }
        qsort(seconds, n, sizeof *seconds, ascending);
        for (uint32_t i = 0; i < job.durations[0].duration_s && i < n; i++) {
            best += seconds[i];
        }
        ti_decision d = decide(&w, &job, &planner);
        for (size_t i = 0; i < d.n_slices; i++) {
            uint64_t part = 0;
            work += d.slices[i].length_s;
            assert_true(i == 0 || d.slices[i].start_s >
                                      d.slices[i - 1].start_s + d.slices[i - 1].length_s);
            if (d.has_now) {
                assert_true(ti_series_sum(&part, &w.series, d.slices[i].start_s,
                                          d.slices[i].start_s + d.slices[i].length_s));
            }
            sum += part;
        }
        assert_int_equal(work, job.durations[0].duration_s);
        if (d.has_now && !has(&d, TI_WHY_TOO_LATE)) {
            assert_int_equal(sum, best);
        }
        ti_plan_close(&planner);
    }
}

/* All ways to run `left` more units from `at` on; `least` and `load` in units. */
static uint64_t brute_slices(const uint32_t *price, int n, int at, int left, int least,
                             int load, bool begun)
{
    uint64_t best = UINT64_MAX;
    if (left == 0) {
        return 0;
    }
    for (int start = at; start < n; start++) {
        uint64_t sum = 0;
        int lost = begun ? load : 0;
        for (int stop = start + 1; stop <= n && stop - start - lost <= left; stop++) {
            sum += price[stop - 1];
            int work = stop - start - lost;
            if (work >= least) {
                uint64_t rest = brute_slices(price, n, stop, left - work, least, load, true);
                if (rest != UINT64_MAX && sum + rest < best) {
                    best = sum + rest;
                }
            }
        }
    }
    return best;
}

static void bound_slices_equal_brute_force(void **state)
{
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 13);
    for (int round = 0; round < 200; round++) {
        enum { UNITS = 11, UNIT = 300 };
        uint32_t price[UNITS], work = 1 + below(&rng, 6), least = below(&rng, 4);
        uint32_t load = below(&rng, 3);
        world w;
        ti_planner planner;
        name(&w, "XX");
        for (int i = 0; i < UNITS; i++) {
            price[i] = 1000 * (1 + below(&rng, 20));
            add(&w, EPOCH + i * UNIT, UNIT, price[i], 0);
        }
        ti_plan_job job = job_of(EPOCH, EPOCH + UNITS * UNIT, work * UNIT);
        job.interruptible = true;
        job.min_slice_s = least * UNIT;
        job.overhead_s = load * UNIT;
        ti_decision d = decide(&w, &job, &planner);
        int floor = least < 1 ? 1 : least < work ? (int)least : (int)work;
        uint64_t best =
            brute_slices(price, UNITS, 0, (int)work, floor, (int)load, false) * UNIT;
        uint64_t sum = 0, run = 0;
        for (size_t i = 0; i < d.n_slices; i++) {
            uint64_t part;
            uint32_t lost = i > 0 ? job.overhead_s : 0;
            assert_true(d.slices[i].length_s - lost >= (uint32_t)floor * UNIT);
            assert_true(ti_series_sum(&part, &w.series, d.slices[i].start_s,
                                      d.slices[i].start_s + d.slices[i].length_s));
            sum += part;
            run += d.slices[i].length_s;
        }
        assert_int_equal(sum, best);
        assert_int_equal(run, work * UNIT + (d.n_slices - 1) * job.overhead_s);
        assert_true(d.slices[0].start_s >= job.earliest_s && d.end_s <= job.deadline_s);
        assert_false(has(&d, TI_WHY_COARSE));
        ti_plan_close(&planner);
    }
}

/* Odd seconds make the exact table too large; what is found then is said to be coarse, and is
 * within 0.1 % of the best there is. */
static void coarse_slices_are_near(void **state)
{
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 17);
    for (int round = 0; round < 40; round++) {
        world w;
        ti_planner planner;
        name(&w, "XX");
        for (int i = 0; i < 48; i++) {
            add(&w, EPOCH + i * HOUR, HOUR, 100000 + 1000 * below(&rng, 300), 0);
        }
        uint32_t work = 1800 + below(&rng, 10 * HOUR);
        ti_plan_job job = job_of(EPOCH + below(&rng, 7200), EPOCH + 48 * HOUR, work);
        job.interruptible = true;
        ti_decision d = decide(&w, &job, &planner);
        uint64_t lowest = d.cost.co2_ug_per_kw;
        ti_plan_close(&planner);
        job.min_slice_s = 1;
        d = decide(&w, &job, &planner);
        assert_true(d.cost.co2_ug_per_kw >= lowest);
        assert_true(d.cost.co2_ug_per_kw <= lowest + lowest / 1000);
        assert_true(d.slices[0].start_s >= job.earliest_s && d.end_s <= job.deadline_s);
        ti_plan_close(&planner);
    }
}

/* The same with pieces of half an hour and more, and five minutes for each interruption: the
 * exact table knows the best for whole minutes; a second later it is too large. */
static void coarse_slices_keep_their_bounds(void **state)
{
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 19);
    for (int round = 0; round < 40; round++) {
        world w;
        ti_planner planner;
        name(&w, "XX");
        for (int i = 0; i < 48; i++) {
            add(&w, EPOCH + i * HOUR, HOUR, 100000 + 1000 * below(&rng, 300), 0);
        }
        ti_plan_job job = job_of(EPOCH, EPOCH + 48 * HOUR, 300 * (6 + below(&rng, 120)));
        job.interruptible = true;
        job.min_slice_s = 1800;
        job.overhead_s = 300;
        ti_decision d = decide(&w, &job, &planner);
        uint64_t exact = d.cost.co2_ug_per_kw;
        assert_false(has(&d, TI_WHY_COARSE));
        ti_plan_close(&planner);
        job.deadline_s--; /* no step but a second divides all of it */
        job.earliest_s++;
        d = decide(&w, &job, &planner);
        assert_true(d.n_slices == 1 || has(&d, TI_WHY_COARSE));
        assert_true(d.cost.co2_ug_per_kw + 1 >= exact);
        assert_true(d.cost.co2_ug_per_kw <= exact + exact / 1000);
        uint64_t run = 0;
        for (size_t i = 0; i < d.n_slices; i++) {
            assert_true(d.slices[i].length_s >= job.min_slice_s + (i > 0 ? job.overhead_s : 0));
            run += d.slices[i].length_s;
        }
        assert_int_equal(run, job.durations[0].duration_s + (d.n_slices - 1) * job.overhead_s);
        assert_true(d.slices[0].start_s >= job.earliest_s && d.end_s <= job.deadline_s);
        ti_plan_close(&planner);
    }
}

/* --- zones
 * ------------------------------------------------------------------------------------ */

static void zones_are_compared_on_one_basis_only(void **state)
{
    world a, b;
    ti_planner planner;
    tern_err err;
    ti_decision d;
    const ti_series *series[] = {&a.series, &b.series};
    (void)state;
    name(&a, "DE");
    name(&b, "FR");
    add(&a, EPOCH, 4 * HOUR, 400000, 0);
    add(&b, EPOCH, HOUR, 80000, 0);
    add(&b, EPOCH + HOUR, 3 * HOUR, 50000, 0);
    ti_plan_job job = job_of(EPOCH, EPOCH + 4 * HOUR, HOUR);
    assert_int_equal(ti_plan_open(&planner, series, 2, NULL), TERN_OK);
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_OK);
    assert_true(d.wait && d.zone == 1 && d.start_s == EPOCH + HOUR);
    assert_true(has(&d, TI_WHY_ZONE) && has(&d, TI_WHY_LATER));
    assert_int_equal(d.now.mean_mg_kwh, 400000); /* where it is, not where it goes */
    b.slots[0].error_mg_kwh = b.slots[1].error_mg_kwh = 400000;
    job.confidence_permille = 900;
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_OK);
    assert_true(!d.wait && d.zone == 0);
    ti_plan_close(&planner);

    b.series.basis.kind = TI_MARGINAL;
    assert_int_equal(ti_plan_open(&planner, series, 2, &err), TERN_USAGE);
    assert_non_null(strstr(err.message, "marginal"));
    assert_int_equal(ti_plan_open(&planner, series, 0, NULL), TERN_USAGE);
}

/* --- what is refused
 * -------------------------------------------------------------------------- */

static void series_that_contradict_themselves(void **state)
{
    world w;
    tern_err err;
    (void)state;
    name(&w, "DE");
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_OK); /* nothing is known: fine */
    add(&w, EPOCH, HOUR, 1, 0);
    add(&w, EPOCH + HOUR - 1, HOUR, 1, 0);
    assert_int_equal(ti_series_check(&w.series, &err), TERN_CORRUPT);
    assert_int_equal(err.offset, 1);
    w.slots[1].start_s = EPOCH + HOUR;
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_OK);
    w.slots[1].length_s = 0;
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_CORRUPT);
    w.slots[1].length_s = 1;
    w.slots[1].intensity_mg_kwh = TI_INTENSITY_MAX_MG_KWH + 1;
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_CORRUPT);
    w.slots[1].intensity_mg_kwh = 1;
    w.slots[1].start_s = EPOCH + TI_SERIES_SPAN_S;
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_CORRUPT);
    w.slots[1].start_s = INT64_MAX;
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_CORRUPT);
    w.series.n = 1;
    w.slots[0].start_s = -1;
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_CORRUPT);
    w.slots[0].start_s = 0;
    snprintf(w.series.zone, sizeof w.series.zone, "a b");
    assert_int_equal(ti_series_check(&w.series, NULL), TERN_CORRUPT);
}

static void jobs_that_contradict_themselves(void **state)
{
    world w;
    ti_planner planner;
    ti_decision d;
    (void)state;
    name(&w, "DE");
    add(&w, EPOCH, HOUR, 1, 0);
    ti_plan_job good = job_of(EPOCH, EPOCH + HOUR, MIN), job = good;
    (void)decide(&w, &good, &planner);
    job.durations[0].duration_s = 0;
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_USAGE);
    job = good;
    job.n_durations = 9;
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_USAGE);
    job.n_durations = 2;
    job.durations[1] = job.durations[0];
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_USAGE);
    job.durations[1] = (ti_duration){2 * MIN, TI_WEIGHTS_MAX};
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_USAGE);
    job = good;
    job.confidence_permille = 1000;
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_USAGE);
    job = good;
    job.deadline_s = INT64_MAX;
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_USAGE);
    ti_plan_close(&planner);
}

/* The largest values there are: exact, no wrap (the sanitizers look too). */
static void extremes(void **state)
{
    world w;
    ti_planner planner;
    (void)state;
    name(&w, "DE");
    add(&w, 0, (uint32_t)TI_SERIES_SPAN_S - 10, (uint32_t)TI_INTENSITY_MAX_MG_KWH, 0);
    add(&w, TI_SERIES_SPAN_S - 10, 10, 1, UINT32_MAX - 1);
    ti_plan_job job = job_of(0, TI_SERIES_SPAN_S, (uint32_t)TI_SERIES_SPAN_S - 20);
    job.durations[0].weight = 1000;
    job.band_permille = 1000;
    job.id = UINT64_MAX;
    ti_decision d = decide(&w, &job, &planner);
    assert_true(d.wait);
    assert_int_equal(d.now.mean_mg_kwh, TI_INTENSITY_MAX_MG_KWH);
    assert_true(d.end_s <= job.deadline_s);
    job.interruptible = true;
    job.min_slice_s = 7;
    job.overhead_s = 3;
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_OK);
    ti_plan_close(&planner);
}

static void without_memory(void **state)
{
    world w;
    (void)state;
    name(&w, "DE");
    for (int i = 0; i < 6; i++) {
        add(&w, EPOCH + i * HOUR, HOUR, 400000 - 1000 * (uint32_t)i, 0);
    }
    const ti_series *series[] = {&w.series, &w.series};
    ti_plan_job job = job_of(EPOCH, EPOCH + 6 * HOUR, 2 * HOUR);
    job.interruptible = true;
    job.overhead_s = MIN;
    for (long n = 0;; n++) {
        ti_planner planner = {0};
        ti_decision d = {.start_s = 42};
        oom_fail_at(n);
        tern_status status = ti_plan_open(&planner, series, 2, NULL);
        if (status == TERN_OK) {
            status = ti_plan_decide(&d, &planner, &job, NULL);
        }
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        assert_int_equal(d.start_s, failed ? 42 : EPOCH + 4 * HOUR);
        ti_plan_close(&planner);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rolling_averages_of_the_sdk),
        cmocka_unit_test(lines_of_cats),
        cmocka_unit_test(windows_equal_brute_force),
        cmocka_unit_test(one_duration_costs_what_hindsight_says),
        cmocka_unit_test(footprint_of_cats),
        cmocka_unit_test(doubt_runs_now),
        cmocka_unit_test(gains_below_the_error_do_not_wait),
        cmocka_unit_test(the_normal_distribution),
        cmocka_unit_test(the_band_spreads_and_is_never_dirtier_than_now),
        cmocka_unit_test(the_band_is_used_evenly),
        cmocka_unit_test(free_slices_equal_brute_force),
        cmocka_unit_test(bound_slices_equal_brute_force),
        cmocka_unit_test(coarse_slices_are_near),
        cmocka_unit_test(coarse_slices_keep_their_bounds),
        cmocka_unit_test(zones_are_compared_on_one_basis_only),
        cmocka_unit_test(series_that_contradict_themselves),
        cmocka_unit_test(jobs_that_contradict_themselves),
        cmocka_unit_test(extremes),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
