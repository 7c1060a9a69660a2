/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/forecast.h"

enum {
    HOUR_S = 3600,
    DAY_S = TI_FORECAST_DAY_S,
    WEEK_DAYS = 7,
    STALE_S = 7 * DAY_S, /* older history says nothing about this week */
    MONTH_DAYS = 28,
    RECENT_HOURS = 6, /* the sixth weighs 1/150 of the first */
    LEARN_ORIGINS = 48,
    LEARN_APART_H = 7, /* no divisor of 24, so that all hours of the day come up */
    LEARN_STEPS = 48,
    HOURS_MAX = TI_FORECAST_SPAN_S / HOUR_S + 1
};

/* In parts of 2^16. */
enum {
    ONE = 65536,
    A_DAY_OLDER = 62259,   /* 0.95 */
    AN_HOUR_OLDER = 24109, /* exp(-1) */
    AN_HOUR_AHEAD = 63741, /* exp(-1/36) */
    GOES_ON = 58982,       /* 0.9 */
    OTHER_KIND = ONE / 4
};

typedef struct maker {
    const ti_series *history; /* actual slots only */
    const ti_forecast_ask *ask;
    int64_t known_s; /* end of what is known, at most made_s */
    uint32_t low, high;
} maker;

/* 1970-01-01 was a Thursday: day 2 of the count is a Saturday. */
static bool is_weekend(const maker *m, int64_t time_s)
{
    int64_t local = time_s + m->ask->utc_offset_s;
    int64_t day = local >= 0 ? local / DAY_S : (local - DAY_S + 1) / DAY_S;
    int64_t weekday = (day % 7 + 7) % 7;
    return weekday == 2 || weekday == 3;
}

/* Mean over the days before at the same time of day.  The first of them is `first` days back.
 * False when none has a value. */
static bool same_time(int64_t *out, maker *m, int64_t from_s, uint32_t length_s, int64_t first)
{
    bool plain = m->ask->kind == TI_FORECAST_WEEK, weekend = is_weekend(m, from_s);
    int64_t days = plain ? WEEK_DAYS : MONTH_DAYS;
    uint64_t sum = 0, weights = 0, age = ONE;
    for (int64_t j = 0; j < days; j++) {
        int64_t at = from_s - (first + j) * DAY_S;
        uint32_t mean;
        if (ti_series_mean(&mean, m->history, at, at + length_s)) {
            uint64_t weight = plain ? ONE : age;
            if (!plain && is_weekend(m, at) != weekend) {
                weight = weight * OTHER_KIND / ONE;
            }
            sum += weight * mean;
            weights += weight;
            m->low = mean < m->low ? mean : m->low;
            m->high = mean > m->high ? mean : m->high;
        }
        age = age * A_DAY_OLDER / ONE;
    }
    if (weights == 0) {
        return false;
    }
    *out = (int64_t)((sum + weights / 2) / weights);
    return true;
}

/* What the days before missed in the last hours; 0 when nothing is known of these. */
static int64_t recent_miss(maker *m)
{
    int64_t sum = 0, weights = 0, weight = ONE;
    for (int64_t r = 1; r <= RECENT_HOURS; r++) {
        int64_t from = m->known_s - r * HOUR_S, expected;
        uint32_t mean;
        if (ti_series_mean(&mean, m->history, from, from + HOUR_S) &&
            same_time(&expected, m, from, HOUR_S, 1)) {
            sum += weight * (mean - expected);
            weights += weight;
        }
        weight = weight * AN_HOUR_OLDER / ONE;
    }
    return weights == 0 ? 0 : sum / weights;
}

static void fill_fade(int64_t fade[HOURS_MAX + 1])
{
    fade[0] = (int64_t)GOES_ON * AN_HOUR_AHEAD / ONE;
    for (int h = 0; h < HOURS_MAX; h++) {
        fade[h + 1] = fade[h] * AN_HOUR_AHEAD / ONE;
    }
}

/* Straight between whole hours. */
static int64_t faded(const int64_t fade[HOURS_MAX + 1], int64_t lead_s)
{
    int64_t h = lead_s / HOUR_S, rest = lead_s % HOUR_S;
    h = h < HOURS_MAX ? h : HOURS_MAX - 1;
    return fade[h] + (fade[h + 1] - fade[h]) * rest / HOUR_S;
}

static tern_status check(const ti_forecast_ask *ask, tern_err *err)
{
    bool good =
        ask->step_s > 0 && ask->step_s <= HOUR_S && ask->made_s >= 0 &&
        ask->made_s <= TI_TIME_MAX_S - TI_FORECAST_SPAN_S && ask->from_s >= ask->made_s &&
        ask->from_s <= ask->made_s + TI_FORECAST_SPAN_S && ask->n <= TI_FORECAST_SPAN_S &&
        ask->from_s - ask->made_s + (int64_t)(ask->n * ask->step_s) <= TI_FORECAST_SPAN_S;
    if (!good || ask->utc_offset_s > DAY_S || ask->utc_offset_s < -DAY_S) {
        return ti_fail(err, TERN_USAGE, "forecast", TI_NO_OFFSET,
                       "at most 14 days ahead, in steps of at most an hour");
    }
    return TERN_OK;
}

/* The part of a series that had happened at made_s. */
static ti_series happened(const ti_series *history, int64_t made_s, int64_t *known_s)
{
    ti_series past = *history;
    past.n = ti_series_find(history, made_s);
    while (past.n > 0 && past.slots[past.n - 1].kind != TI_SLOT_ACTUAL) {
        past.n--;
    }
    const ti_slot *last = past.n > 0 ? &past.slots[past.n - 1] : NULL;
    *known_s = last ? last->start_s + last->length_s : made_s;
    return past;
}

tern_status ti_forecast_make(ti_slot *out, const ti_series *history, const ti_forecast_ask *ask,
                             tern_err *err)
{
    int64_t fade[HOURS_MAX + 1];
    maker m = {.ask = ask, .low = UINT32_MAX};
    TI_TRY(check(ask, err));
    ti_series past = happened(history, ask->made_s, &m.known_s);
    m.history = &past;
    if (past.n == 0 || ask->made_s - m.known_s > STALE_S) {
        return ti_fail(err, TERN_UNAVAILABLE, "forecast", TI_NO_OFFSET,
                       past.n == 0 ? "nothing has happened before that moment"
                                   : "the history ends more than seven days before");
    }
    int64_t miss = ask->kind == TI_FORECAST_DAYS ? recent_miss(&m) : 0;
    fill_fade(fade);
    for (int pass = 0; pass < 2; pass++) { /* nothing is written unless all can be */
        for (size_t i = 0; i < ask->n; i++) {
            int64_t at = ask->from_s + (int64_t)(i * ask->step_s), value;
            int64_t ahead = at + ask->step_s - m.known_s;
            if (!same_time(&value, &m, at, ask->step_s, (ahead + DAY_S - 1) / DAY_S)) {
                return ti_fail(err, TERN_UNAVAILABLE, "forecast", TI_NO_OFFSET,
                               "a time of day has no value in the %d days before",
                               ask->kind == TI_FORECAST_WEEK ? WEEK_DAYS : MONTH_DAYS);
            }
            if (pass == 0) {
                continue;
            }
            value += miss * faded(fade, at + ask->step_s / 2 - m.known_s) / ONE;
            value = value < m.low ? m.low : value > m.high ? m.high : value;
            out[i] = (ti_slot){.start_s = at,
                               .length_s = ask->step_s,
                               .intensity_mg_kwh = (uint32_t)value,
                               .error_mg_kwh = TI_ERROR_UNKNOWN,
                               .kind = TI_SLOT_DERIVED};
        }
    }
    return TERN_OK;
}

size_t ti_forecast_learn(ti_errors *errors, const ti_series *history,
                         const ti_forecast_ask *ask)
{
    ti_slot slots[LEARN_STEPS];
    int64_t known;
    size_t learnt = 0;
    ti_series past = happened(history, ask->made_s, &known), made = past;
    made.slots = slots;
    made.n = LEARN_STEPS;
    for (int64_t i = LEARN_ORIGINS; i >= 1; i--) {
        ti_forecast_ask then = *ask;
        then.made_s = then.from_s = known - i * LEARN_APART_H * HOUR_S;
        then.step_s = HOUR_S;
        then.n = LEARN_STEPS;
        if (then.made_s >= 0 && ti_forecast_make(slots, &past, &then, NULL) == TERN_OK) {
            made.issued_s = then.made_s;
            learnt += ti_errors_learn(errors, &made, &past);
        }
    }
    return learnt;
}
