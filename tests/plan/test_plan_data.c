/* SPDX-License-Identifier: Apache-2.0 */
/* Planning on real traces: published figures again, and the goals of docs/scheduling.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plan/eval.h"

enum { HOUR = 3600, HALF = 1800, PATH = 512 };

static void load(trace *out, const char *name)
{
    if (!eval_load(out, name)) {
        print_message("SKIPPED: no trace %s in TERN_DATA/carbon\n", name);
        skip();
    }
}

static void near(double value, double expected, double tolerance)
{
    if (value < expected - tolerance || value > expected + tolerance) {
        fail_msg("%.3f is not %.3f +- %.3f", value, expected, tolerance);
    }
}

static void at_least(double value, double bound)
{
    if (value < bound) {
        fail_msg("%.3f is below %.3f", value, bound);
    }
}

/* P. Wiesner et al., Middleware 2021, next workday; with exact forecasts. */
static void lets_wait_awhile(void **state)
{
    static const struct {
        const char *name;
        double piece, slices;
    } cases[] = {{"DE-2020", 5.92, 8.04}, {"GB-2020", 6.66, 9.23}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        trace t;
        lwa_result r = {0};
        load(&t, cases[i].name);
        assert_true(eval_lwa(&r, &t));
        near(r.piece, cases[i].piece, 0.01);
        near(r.slices, cases[i].slices, 0.01);
        free(t.slots);
    }
}

/* A year that no constant was fitted to: what is got of an oracle's saving with the deadline a
 * day after the arrival, and a day after the job could have ended. */
static void a_year_without_a_key(const char *name, double goal, int32_t offset_s)
{
    trace t;
    load(&t, name);
    for (uint32_t deadline = 24; deadline <= 28; deadline += 4) {
        keyless_result week = {0}, days = {0};
        assert_true(eval_keyless(&week, &t, TI_FORECAST_WEEK, deadline, offset_s));
        assert_true(eval_keyless(&days, &t, TI_FORECAST_DAYS, deadline, offset_s));
        at_least(days.share, goal);
        at_least(days.share, week.share);
        at_least(week.mae_g, 1.3 * days.mae_g);
        near(days.inside68, 68.3, 3);
        near(days.inside90, 90, 3);
        /* Whoever waits at 80 % is right that often. */
        assert_int_equal(days.gates[3].confidence, 800);
        at_least(days.gates[3].right, 80);
    }
    free(t.slots);
}

static void without_a_key(void **state)
{
    (void)state;
    a_year_without_a_key("GB-2024", 76, 0);
    a_year_without_a_key("DE-2024", 86, HOUR);
    a_year_without_a_key("CA-2024", 97, -8 * HOUR);
}

static void the_band_keeps_the_saving(void **state)
{
    static const char *const names[] = {"GB-2020", "DE-2020", "GB-2024", "DE-2024", "CA-2024"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        trace t, hourly;
        load(&t, names[i]);
        eval_hourly(&hourly, &t);
        for (uint32_t slack = 12; slack <= 48; slack *= 2) {
            band_result r = {0};
            assert_true(eval_band(&r, &hourly, slack, TI_BAND_PERMILLE));
            at_least(r.kept, 89);
            assert_int_equal(r.dirtier, 0);
            assert_true(r.jobs > 1700);
        }
        free(hourly.slots);
        free(t.slots);
    }
}

/* NESO's own forecast of 2023-03-14 against what happened on that day. */
static void a_forecast_that_was_issued(void **state)
{
    trace forecast, actual;
    char path[PATH];
    regret_result r;
    (void)state;
    eval_path(path, sizeof path, "uk-forecasts/national_fw48h_2023-03-14T0331Z.csv");
    if (!eval_load_csv(&forecast, path, 1, HALF, 0)) {
        print_message("SKIPPED: no %s\n", path);
        skip();
    }
    eval_path(path, sizeof path, "uk-forecasts/national_pt24h_2023-03-15T0331Z.csv");
    assert_true(eval_load_csv(&actual, path, 2, HALF, 0));
    assert_int_equal(forecast.series.n, 96);
    assert_true(eval_regret(&r, &forecast, &actual, 4, 0));
    near(r.mae_g, 13.1, 0.1);
    near(r.bias_g, -12.1, 0.1);
    assert_true(r.best <= r.chosen && r.chosen < r.now); /* it helped, and less than it could */
    near(r.regret, 1.73, 0.01);
    free(forecast.slots);
    free(actual.slots);
}

/* The file that CATS tests with: 180 minutes from its first point are best at 12:00 the next
 * day, with a mean of 7.3333 by its trapezoids.  A line between two points is constant slots of
 * a second at its midpoints, in units of 1/3600 g. */
static void the_file_of_cats(void **state)
{
    enum { DURATION = 180 * 60 };
    trace points;
    char path[PATH];
    uint64_t best = UINT64_MAX;
    int64_t at = 0;
    (void)state;
    eval_path(path, sizeof path, "cats/carbon_intensity_24h.csv");
    if (!eval_load_csv(&points, path, 3, HALF, 0)) {
        print_message("SKIPPED: no %s\n", path);
        skip();
    }
    size_t n = (points.series.n - 1) * HALF;
    ti_slot *lines = calloc(n, sizeof *lines);
    assert_non_null(lines);
    for (size_t i = 0; i < n; i++) {
        const ti_slot *a = &points.slots[i / HALF], *b = a + 1;
        uint32_t k = (uint32_t)(i % HALF);
        uint32_t value = a->intensity_mg_kwh / 1000 * (2 * HALF - 2 * k - 1) +
                         b->intensity_mg_kwh / 1000 * (2 * k + 1);
        lines[i] = (ti_slot){a->start_s + k, 1, value, 0, TI_SLOT_FORECAST};
    }
    ti_series s = points.series;
    s.slots = lines;
    s.n = n;
    for (size_t i = 0; i + 6 < points.series.n; i++) {
        uint64_t sum;
        int64_t start = points.slots[i].start_s;
        assert_true(ti_series_sum(&sum, &s, start, start + DURATION));
        if (sum < best) {
            best = sum;
            at = start;
        }
    }
    assert_int_equal(at, 1683288000); /* 2023-05-05T12:00Z */
    near((double)best / (2 * HALF) / DURATION, 22.0 / 3, 1e-9);

    /* Free to start in between, the planner finds as good or better. */
    const ti_series *series[] = {&s};
    ti_planner planner;
    ti_decision d;
    ti_plan_cost cost;
    ti_plan_job job = {.earliest_s = points.slots[0].start_s,
                       .deadline_s = lines[n - 1].start_s + 1,
                       .n_durations = 1,
                       .durations = {{DURATION, 1}}};
    ti_slice theirs = {at, DURATION};
    assert_int_equal(ti_plan_open(&planner, series, 1, NULL), TERN_OK);
    assert_int_equal(ti_plan_decide(&d, &planner, &job, NULL), TERN_OK);
    assert_true(ti_plan_cost_of(&cost, &s, &theirs, 1));
    assert_true(d.cost.co2_ug_per_kw <= cost.co2_ug_per_kw);
    assert_true(llabs((long long)(d.start_s - at)) < HALF);
    ti_plan_close(&planner);
    free(lines);
    free(points.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_wait_awhile),
        cmocka_unit_test(without_a_key),
        cmocka_unit_test(the_band_keeps_the_saving),
        cmocka_unit_test(a_forecast_that_was_issued),
        cmocka_unit_test(the_file_of_cats),
    };
    return cmocka_run_group_tests_name("plan_data", tests, NULL, NULL);
}
