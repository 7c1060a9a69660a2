/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in readings, and detectors side by side: definitions, counting, memory that fails. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/compare.h"
#include "oom.h"

enum { WEEKS = 60, HOURS = WEEKS * 168, MONDAY = 1700438400 };

static tern_err err;
static uint32_t times[HOURS];
static double values[HOURS], copy[HOURS];
static const ti_readings house = {HOURS, 3600, times, values};

/* A household: nights, days, evenings, noise. */
static int make_house(void **state)
{
    (void)state;
    uint32_t noise = 1;
    for (uint32_t i = 0; i < HOURS; i++) {
        const uint32_t of_day = i % 24;
        const double base = of_day < 6 ? 0.15 : of_day < 17 ? 0.4 : of_day < 23 ? 0.9 : 0.3;
        noise = noise * 1664525u + 1013904223u;
        times[i] = MONDAY + 3600 * i;
        values[i] = base * (0.9 + 0.2 * (noise >> 8) / 16777216.0);
    }
    values[100] = (double)NAN;
    return 0;
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-12)) {
        fail_msg("%.12g is not %.12g", a, b);
    }
}

/* The definitions of faults.h. */
static void faults_are_as_defined(void **state)
{
    (void)state;
    static const struct {
        uint32_t rows;
        double least, most;
    } wanted[TI_FAULT_KINDS] = {
        {336, 0.3, 0.7}, {48, 0, 0}, {72, 0.28, 0.38}, {672, 0.3, 0.6}, {1, 0, 0}};
    ti_fault faults[64], again[64];
    for (ti_fault_kind kind = 0; kind < TI_FAULT_KINDS; kind++) {
        const uint32_t n = ti_fault_plan(faults, 64, kind, 7, &house, 672, 1344);
        assert_int_equal(n, 7); /* 56 weeks, each 8 */
        assert_int_equal(ti_fault_plan(again, 64, kind, 7, &house, 672, 1344), n);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(faults[i].first, again[i].first);
            assert_near(faults[i].amount, again[i].amount);
        }
        assert_int_equal(ti_fault_plan(again, 2, kind, 7, &house, 672, 1344), 2);
        ti_fault_plan(again, 64, kind, 8, &house, 672, 1344);
        assert_true(faults[0].first != again[0].first || faults[1].first != again[1].first);
        for (uint32_t i = 0; i < n; i++) {
            const ti_fault *f = &faults[i];
            assert_int_equal(f->n, wanted[kind].rows);
            assert_in_range(f->first, 672 + 1344 * i, 672 + 1344 * i + 671);
            if (kind != TI_FAULT_SPIKE && kind != TI_FAULT_STUCK) {
                assert_true(f->amount >= wanted[kind].least && f->amount < wanted[kind].most);
            }
        }
        memcpy(copy, values, sizeof copy);
        ti_fault_apply(copy, &house, &faults[1]);
        const uint32_t at = faults[1].first, last = at + faults[1].n - 1;
        assert_near(copy[at - 1], values[at - 1]);
        assert_near(copy[last + 1], values[last + 1]);
        const double a = faults[1].amount;
        assert_near(copy[last], kind == TI_FAULT_STUCK   ? values[at - 1]
                                : kind == TI_FAULT_SPIKE ? values[last] + a
                                                         : values[last] * (1 - a));
        if (kind == TI_FAULT_DRIFT) {
            assert_near(copy[at + 335], values[at + 335] * (1 - a / 2));
        }
    }
    /* A spike is 2 to 6 times what 1 % of the readings are over: that is an evening. */
    ti_fault_plan(faults, 64, TI_FAULT_SPIKE, 1, &house, 672, 1344);
    assert_true(faults[0].amount > 2 * 0.9 && faults[0].amount < 6 * 0.99);
    /* Missing readings stay so; a stuck register shows the last that was there. */
    const ti_fault stuck = {TI_FAULT_STUCK, 101, 5, 0};
    memcpy(copy, values, sizeof copy);
    ti_fault_apply(copy, &house, &stuck);
    assert_near(copy[103], values[99]);
    const ti_fault over = {TI_FAULT_STUCK, 98, 5, 0};
    memcpy(copy, values, sizeof copy);
    ti_fault_apply(copy, &house, &over);
    assert_true(isnan(copy[100]));
    assert_near(copy[101], values[97]);
}

static void scales(void **state)
{
    (void)state;
    static const double some[] = {0.5, -3, (double)NAN, 1};
    const double scale = ti_binary_scale(some, 4);
    assert_near(scale, 8192); /* 3 becomes 24576 */
    assert_int_equal(ti_scaled(-3, scale), -24576);
    assert_int_equal(ti_scaled(0.00007, scale), 1);
    assert_int_equal(ti_scaled(1e300, scale), 16777214);
    assert_int_equal(ti_scaled(-1e300, scale), -16777214);
    assert_int_equal(ti_scaled((double)NAN, scale), INT32_MIN);
    assert_near(ti_binary_scale(some, 0), ti_binary_scale((double[]){1}, 1));
}

/* The two that are no part of the core, on readings whose scores are plain. */
static void baselines(void **state)
{
    (void)state;
    static double scores[HOURS];
    assert_int_equal(ti_contender_scores(scores, TI_CONTENDER_Z, &house, &err), TERN_OK);
    double sum = 0, squares = 0;
    for (uint32_t i = 5000 - 672; i < 5000; i++) {
        sum += values[i];
        squares += values[i] * values[i];
    }
    const double mean = sum / 672, sd = sqrt(squares / 672 - mean * mean);
    assert_true(fabs(scores[5000] - fabs(values[5000] - mean) / sd) < 1e-6);
    assert_true(scores[100] == 0); /* is missing */
    assert_int_equal(ti_contender_scores(scores, TI_CONTENDER_MAD, &house, &err), TERN_OK);
    /* Usual readings lie at their median distance. */
    uint32_t above = 0;
    for (uint32_t i = 2000; i < HOURS; i++) {
        above += scores[i] > 1;
    }
    assert_in_range(above, (HOURS - 2000) * 4 / 10, (HOURS - 2000) * 6 / 10);
    assert_int_equal(ti_contender_scores(scores, TI_CONTENDER_ALL, &house, &err), TERN_USAGE);
}

static void side_by_side(void **state)
{
    (void)state;
    static ti_comparison c;
    assert_int_equal(ti_compare(&c, &house, 1, &err), TERN_OK);
    assert_int_equal(c.clean_days, (WEEKS - 4) * 7);
    for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
        assert_true(c.clean_alarms[d] <= c.clean_days / 30);
        for (ti_fault_kind k = 0; k < TI_FAULT_KINDS; k++) {
            const ti_found *f = &c.found[d][k];
            assert_true(f->faults == 7 && f->found <= 7 && f->days == c.clean_days);
            assert_true((f->found == 0) == (bool)isnan(f->delay_h));
        }
    }
    /* So clean a house has no secrets: what the core's three together are for, they find. */
    for (ti_fault_kind k = 0; k < TI_FAULT_KINDS; k++) {
        assert_int_equal(c.found[TI_CONTENDER_ALL][k].found, 7);
    }
    assert_int_equal(c.found[TI_CONTENDER_METER][TI_FAULT_STUCK].found, 7);
    assert_int_equal(c.found[TI_CONTENDER_LEVEL][TI_FAULT_PHASE].found, 7);
    assert_near(c.found[TI_CONTENDER_METER][TI_FAULT_SPIKE].delay_h, 0);
    assert_true(fabs(c.found[0][TI_FAULT_DRIFT].chance - (1 - exp(-28.0 / 30))) < 1e-9);

    ti_readings other = house;
    other.n = 168 * 16 - 1;
    assert_int_equal(ti_compare(&c, &other, 1, &err), TERN_USAGE);
    other = house;
    other.interval_s = 7200;
    assert_int_equal(ti_compare(&c, &other, 1, &err), TERN_USAGE);
    other.interval_s = 0;
    assert_int_equal(ti_compare(&c, &other, 1, &err), TERN_USAGE);
    assert_int_equal(ti_compare(&c, &house, 0, &err), TERN_USAGE);
}

static void memory_that_fails(void **state)
{
    (void)state;
    static ti_comparison c, before;
    ti_readings few = house;
    few.n = 168 * 16;
    memset(&c, 0x55, sizeof c);
    before = c;
    /* There are thousands of small rings: further and further apart. */
    for (long n = 0;; n += 1 + n / 2) {
        oom_fail_at(n);
        const tern_status status = ti_compare(&c, &few, 1, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
        assert_memory_equal(&c, &before, sizeof c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_as_defined),
        cmocka_unit_test(scales),
        cmocka_unit_test(baselines),
        cmocka_unit_test(side_by_side),
        cmocka_unit_test(memory_that_fails),
    };
    return cmocka_run_group_tests(tests, make_house, NULL);
}
