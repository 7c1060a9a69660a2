/* SPDX-License-Identifier: Apache-2.0 */
/* The keyless forecast and what it learns about its error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "plan/forecast.h"

enum { HOUR = 3600, DAY = 86400, DAYS = 60, N = DAYS * 24 };

static const int64_t MONDAY = 1577664000; /* 2019-12-30T00:00Z */

static ti_slot slots[N];

/* Hourly values f(day, hour) in g. */
static ti_series history(uint32_t (*f)(int day, int hour))
{
    ti_series s = {.slots = slots, .n = N, .zone = "XX", .source = "test"};
    for (int i = 0; i < N; i++) {
        slots[i] = (ti_slot){MONDAY + (int64_t)i * HOUR, HOUR, 1000 * f(i / 24, i % 24), 0,
                             TI_SLOT_ACTUAL};
    }
    return s;
}

static uint32_t daily(int day, int hour)
{
    (void)day;
    return 100 + 10 * (uint32_t)hour;
}

static uint32_t weekly(int day, int hour)
{
    return (day % 7 >= 5 ? 100 : 300) + (uint32_t)hour;
}

static uint32_t stepped(int day, int hour) /* 50 g more in the last six hours of day 30 */
{
    return 200 + (day > 30 || (day == 30 && hour >= 18) ? 50 : 0);
}

static ti_forecast_ask ask_at(int64_t made_s, size_t n, ti_forecast_kind kind)
{
    return (ti_forecast_ask){
        .kind = kind, .made_s = made_s, .from_s = made_s, .step_s = HOUR, .n = n};
}

static void what_repeats_is_found_again(void **state)
{
    static const ti_forecast_kind kinds[] = {TI_FORECAST_WEEK, TI_FORECAST_DAYS};
    ti_series s = history(daily);
    ti_slot out[48];
    (void)state;
    for (int k = 0; k < 2; k++) {
        ti_forecast_ask ask = ask_at(MONDAY + 40 * DAY + 5 * HOUR, 48, kinds[k]);
        assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_OK);
        for (int i = 0; i < 48; i++) {
            assert_int_equal(out[i].start_s, ask.from_s + i * HOUR);
            assert_int_equal(out[i].intensity_mg_kwh, 1000 * daily(0, (5 + i) % 24));
            assert_int_equal(out[i].kind, TI_SLOT_DERIVED);
            assert_int_equal(out[i].error_mg_kwh, TI_ERROR_UNKNOWN);
        }
    }
    /* Half-hours of an hourly history, and slots that begin inside of an hour. */
    ti_forecast_ask ask = ask_at(MONDAY + 40 * DAY + HOUR / 2, 4, TI_FORECAST_WEEK);
    ask.step_s = HOUR / 2;
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_OK);
    assert_int_equal(out[0].intensity_mg_kwh, 100000);
    assert_int_equal(out[1].intensity_mg_kwh, 110000);
}

static void weekends_are_unlike_working_days(void **state)
{
    ti_series s = history(weekly);
    ti_slot week[24], days[24];
    (void)state;
    /* Friday midnight, for Saturday: the mean of a week is wrong by 143 g, a quarter's weight
     * for other days by less; a local time that is ahead moves the border. */
    ti_forecast_ask ask = ask_at(MONDAY + 33 * DAY, 24, TI_FORECAST_WEEK);
    assert_int_equal(ti_forecast_make(week, &s, &ask, NULL), TERN_OK);
    assert_int_equal(week[12].intensity_mg_kwh, 254857); /* (5 x 312 + 2 x 112) / 7 */
    ask.kind = TI_FORECAST_DAYS;
    assert_int_equal(ti_forecast_make(days, &s, &ask, NULL), TERN_OK);
    assert_true(days[12].intensity_mg_kwh < 210000);
    ask.utc_offset_s = -DAY; /* there it is still Friday */
    assert_int_equal(ti_forecast_make(days, &s, &ask, NULL), TERN_OK);
    assert_true(days[12].intensity_mg_kwh > 250000);
}

static void the_last_hours_go_on_and_fade(void **state)
{
    ti_series s = history(stepped);
    ti_slot out[72];
    (void)state;
    ti_forecast_ask ask = ask_at(MONDAY + 31 * DAY, 72, TI_FORECAST_DAYS);
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_OK);
    /* 45 g of the 50 go on, less 1/36 of a life an hour: 43.2 g in the middle of the first. */
    assert_in_range(out[0].intensity_mg_kwh, 243000, 243400);
    assert_in_range(out[17].intensity_mg_kwh, 226500, 227500);
    for (int i = 1; i < 18; i++) {
        assert_true(out[i].intensity_mg_kwh < out[i - 1].intensity_mg_kwh);
    }
    assert_true(out[17].intensity_mg_kwh <= 250000); /* never above what there was */
}

static void the_future_is_not_looked_at(void **state)
{
    ti_series s = history(weekly);
    ti_slot a[48], b[48];
    ti_errors x = {0}, y = {0};
    (void)state;
    ti_forecast_ask ask = ask_at(MONDAY + 40 * DAY + 7 * HOUR + 100, 48, TI_FORECAST_DAYS);
    assert_int_equal(ti_forecast_make(a, &s, &ask, NULL), TERN_OK);
    (void)ti_forecast_learn(&x, &s, &ask);
    for (int i = 40 * 24 + 7; i < N; i++) {
        slots[i].intensity_mg_kwh = 7;
    }
    assert_int_equal(ti_forecast_make(b, &s, &ask, NULL), TERN_OK);
    (void)ti_forecast_learn(&y, &s, &ask);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(&x, &y, sizeof x);
    /* Nor is somebody's forecast taken for what happened. */
    for (int i = 30 * 24; i < N; i++) {
        slots[i].kind = TI_SLOT_FORECAST;
    }
    assert_int_equal(ti_forecast_make(b, &s, &ask, NULL), TERN_UNAVAILABLE); /* ten days old */
}

static void gaps_and_what_is_refused(void **state)
{
    ti_series s = history(daily);
    ti_slot out[48];
    (void)state;
    s.n = 30; /* a day and six hours: enough for a day */
    ti_forecast_ask ask = ask_at(MONDAY + 30 * HOUR, 24, TI_FORECAST_DAYS);
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_OK);
    assert_int_equal(out[0].intensity_mg_kwh, 160000);
    s.n = 20;
    ask.made_s = ask.from_s = MONDAY + 20 * HOUR;
    memset(out, 0x5a, sizeof out);
    ti_slot before = out[0];
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_UNAVAILABLE);
    assert_memory_equal(&before, &out[0], sizeof before);
    s.n = 0;
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_UNAVAILABLE);
    s.n = N;
    ask = ask_at(MONDAY + 30 * DAY, 24, TI_FORECAST_DAYS);
    ask.step_s = 2 * HOUR;
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_USAGE);
    ask.step_s = HOUR;
    ask.from_s--;
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_USAGE);
    ask.from_s++;
    ask.n = SIZE_MAX;
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_USAGE);
    /* A hole in every day at noon. */
    ask.n = 24;
    for (int i = 12; i < N; i += 24) {
        slots[i].length_s = HOUR / 2;
    }
    assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_UNAVAILABLE);
}

static void bands_are_ranks_of_errors(void **state)
{
    ti_errors e = {0};
    (void)state;
    assert_int_equal(ti_errors_band(&e, 0, 500), TI_ERROR_UNKNOWN);
    ti_errors_add(&e, HOUR, 100, 130);
    assert_int_equal(ti_errors_band(&e, HOUR, 500), 30);
    assert_int_equal(ti_errors_band(&e, HOUR, 683), TI_ERROR_UNKNOWN); /* needs two */
    ti_errors_add(&e, HOUR, 130, 100 - 20);
    assert_int_equal(ti_errors_band(&e, HOUR, 660), 50);
    for (uint32_t i = 3; i <= 99; i++) {
        ti_errors_add(&e, HOUR, 1000, 1000 + i);
    }
    /* 99 errors: rank 0.9 x 100 of 3 to 99, 30, 50. */
    assert_int_equal(ti_errors_band(&e, HOUR, 900), 90);
    assert_int_equal(ti_errors_band(&e, HOUR, 1000), TI_ERROR_UNKNOWN);
    assert_int_equal(ti_errors_band(&e, 5 * DAY, 500), TI_ERROR_UNKNOWN); /* no longer lead */
    ti_errors_add(&e, 5 * DAY, 10, 0);
    assert_int_equal(ti_errors_band(&e, 20 * HOUR, 500), 10); /* of a longer lead */
    /* Old ones fall out. */
    for (int i = 0; i < TI_ERRORS_KEPT; i++) {
        ti_errors_add(&e, HOUR, 7, 0);
    }
    assert_int_equal(ti_errors_band(&e, HOUR, 10), 7);
    assert_int_equal(ti_errors_band(&e, HOUR, 990), 7);
}

static void leads(void **state)
{
    (void)state;
    assert_int_equal(ti_lead_of(-5), 0);
    assert_int_equal(ti_lead_of(HOUR), 0);
    assert_int_equal(ti_lead_of(HOUR + 1), 1);
    assert_int_equal(ti_lead_of(24 * HOUR), 5);
    assert_int_equal(ti_lead_of(36 * HOUR), 6);
    assert_int_equal(ti_lead_of(INT64_MAX), 7);
}

/* Errors of a known distribution: the learnt band holds as often as it says, on values that it
 * has not seen. */
static void a_band_holds_as_often_as_it_says(void **state)
{
    ti_series s = history(daily);
    ti_slot out[24];
    ti_errors e = {0};
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 3);
    for (int i = 0; i < N; i++) {
        slots[i].intensity_mg_kwh += (uint32_t)(ti_rng_next(&rng) % 40000);
    }
    ti_forecast_ask ask = ask_at(MONDAY + 35 * DAY, 24, TI_FORECAST_WEEK);
    assert_true(ti_forecast_learn(&e, &s, &ask) > 1000);
    uint32_t inside = 0, all = 0;
    for (int day = 35; day < DAYS - 1; day++) {
        ask.made_s = ask.from_s = MONDAY + (int64_t)day * DAY;
        assert_int_equal(ti_forecast_make(out, &s, &ask, NULL), TERN_OK);
        ti_errors_stamp(&e, out, 24, ask.made_s);
        for (int i = 0; i < 24; i++) {
            int64_t miss =
                (int64_t)out[i].intensity_mg_kwh - slots[day * 24 + i].intensity_mg_kwh;
            inside += (miss < 0 ? -miss : miss) <= out[i].error_mg_kwh;
            all++;
        }
    }
    assert_in_range(inside * 1000 / all, 600, 760);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_repeats_is_found_again),
        cmocka_unit_test(weekends_are_unlike_working_days),
        cmocka_unit_test(the_last_hours_go_on_and_fade),
        cmocka_unit_test(the_future_is_not_looked_at),
        cmocka_unit_test(gaps_and_what_is_refused),
        cmocka_unit_test(bands_are_ranks_of_errors),
        cmocka_unit_test(leads),
        cmocka_unit_test(a_band_holds_as_often_as_it_says),
    };
    return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
