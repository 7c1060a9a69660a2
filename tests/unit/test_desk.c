/* SPDX-License-Identifier: Apache-2.0 */
/* The desk in front of a service that is up, down, stale, and lies: what stands in, what is
 * kept, and what is learnt. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "carbon/desk.h"
#include "carbon/parse.h"
#include "carbon/rolling.h"
#include "carbon/stamp.h"
#include "carbon/zone_time.h"
#include "oom.h"

enum { T0 = 1767268800, HALF = 1800, HOUR = 3600, DAY = 86400 }; /* 2026-01-01T12:00Z */

/* --- a service ---------------------------------------------------------------------------- */

typedef enum mode {
    UP,
    DOWN,
    STALE,
    CONSTANT,
    ZERO,
    NOT_A_NUMBER,
    HUGE_VALUES,
    NEGATIVE,
    CUT
} mode;

typedef struct service {
    mode mode;
    bool no_forecast;
    int64_t now_s, stops_s; /* its clock; no forecast after stops_s */
    int bias;               /* of its forecasts, in grams */
    int asked, asked_forecast, asked_history;
} service;

/* What really happens: a day like any other, but a little different. */
static int truth(int64_t t)
{
    int64_t hour = t / HOUR % 24, day = t / DAY;
    return 150 + (int)(hour < 12 ? 5 * hour : 5 * (24 - hour)) + (int)(day * 7 % 11);
}

static void add_moment(ti_buf *out, const service *s, int64_t t)
{
    static const char *const lies[] = {[ZERO] = "0", [HUGE_VALUES] = "1e9", [NEGATIVE] = "-3"};
    char from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    int value = s->mode == CONSTANT ? 200 : truth(t);
    ti_buf_addf(out, "%s{\"from\":\"%s\",\"to\":\"%s\",\"intensity\":{",
                out->data[out->len - 1] == '[' ? "" : ",", ti_stamp_minutes(from, t),
                ti_stamp_minutes(to, t + HALF));
    if (s->mode >= ZERO && s->mode <= NEGATIVE && s->mode != NOT_A_NUMBER) {
        ti_buf_addf(out, "\"forecast\":%s,\"actual\":%s}}", lies[s->mode], lies[s->mode]);
    } else if (s->mode == NOT_A_NUMBER) {
        ti_buf_adds(out, "\"forecast\":NaN,\"actual\":NaN}}");
    } else if (t + HALF <= s->now_s) {
        ti_buf_addf(out, "\"forecast\":%d,\"actual\":%d}}", value + s->bias, value);
    } else {
        ti_buf_addf(out, "\"forecast\":%d,\"actual\":null}}", value + s->bias);
    }
}

static int64_t moment_after(const char *text, const char *mark)
{
    int64_t t;
    const char *at = strstr(text, mark);
    assert_non_null(at);
    assert_true(ti_stamp_parse(&t, at + strlen(mark), 17));
    return t;
}

static tern_status serve(void *self, ti_buf *body, int *code, const ti_http_request *r,
                         tern_err *err)
{
    service *s = self;
    bool forecast = strstr(r->url, "fw48h") != NULL;
    bool history = !forecast && strstr(r->url, "/intensity/");
    int64_t now = s->now_s - s->now_s % HALF, from = now, to = now + HALF;
    long armed = atomic_exchange(&oom_left, -1); /* the service has memory of its own */
    s->asked++;
    s->asked_forecast += forecast;
    s->asked_history += history;
    if (s->mode == STALE) {
        from -= 5 * HOUR;
        to -= 5 * HOUR;
    }
    if (forecast) {
        from = moment_after(r->url, "/intensity/");
        to = s->stops_s ? s->stops_s : from + 2 * DAY;
    } else if (history) {
        from = moment_after(r->url, "/intensity/");
        to = moment_after(strstr(r->url, "/intensity/") + 11, "/");
    }
    tern_status status = TERN_OK;
    if (s->mode == DOWN) {
        status = ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET, "no connection");
    } else if (forecast && s->no_forecast) {
        *code = 404;
    } else {
        *code = 200;
        ti_buf_adds(body, "{\"data\":[");
        for (int64_t t = from; t < to && t < s->now_s + 3 * DAY; t += HALF) {
            add_moment(body, s, t);
        }
        ti_buf_adds(body, s->mode == CUT ? "" : "]}");
    }
    atomic_store(&oom_left, armed);
    return status;
}

/* --- a desk in front of it ---------------------------------------------------------------- */

static char dir[64];
static service up;
static ti_source source;
static ti_grid grid;
static ti_desk desk;
static ti_feed feed;
static ti_skill skill;
static tern_err err;

static void empty_dir(void)
{
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d)) != NULL) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    if (d) {
        closedir(d);
    }
}

static void at(int64_t now_s)
{
    desk.now_s = up.now_s = now_s;
}

static int begin(void **state)
{
    ti_source_settings settings = {.url = "http://127.0.0.1"};
    ti_http http = {.get = serve, .self = &up};
    (void)state;
    empty_dir();
    up = (service){0};
    if (ti_source_open(&source, "neso", &settings, &http, NULL) != TERN_OK) {
        return 1;
    }
    desk = (ti_desk){.source = &source, .cache_dir = dir, .grid = &grid};
    at(T0 + 720);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    ti_feed_free(&feed);
    ti_source_close(&source);
    return 0;
}

static tern_status now(const char *zone)
{
    ti_feed_free(&feed);
    return ti_desk_now(&feed, &desk, zone, &err);
}

static tern_status forecast(const char *zone, int64_t hours)
{
    ti_feed_free(&feed);
    tern_status status =
        ti_desk_forecast(&feed, &skill, &desk, zone, desk.now_s + hours * HOUR, &err);
    if (status == TERN_OK) {
        assert_int_equal(ti_series_check(&feed.series, NULL), TERN_OK);
        assert_ptr_equal(feed.series.slots, feed.slots);
        for (size_t i = 0; i < feed.series.n; i++) {
            assert_true(feed.slots[i].intensity_mg_kwh > 0);
        }
    }
    return status;
}

/* --- now ---------------------------------------------------------------------------------- */

static void now_live_then_kept_while_fresh(void **state)
{
    (void)state;
    assert_int_equal(now("GB"), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_LIVE);
    assert_int_equal(feed.series.n, 1);
    assert_int_equal(feed.slots[0].start_s, T0);
    assert_int_equal(feed.slots[0].intensity_mg_kwh, truth(T0) * 1000);
    assert_int_equal(feed.slots[0].kind, TI_SLOT_FORECAST);
    assert_string_equal(feed.why, "");
    assert_int_equal(up.asked, 1);
}

static void now_down_says_what_stands_in(void **state)
{
    (void)state;
    assert_int_equal(forecast("GB", 48), TERN_OK); /* fills the cache */
    up.mode = DOWN;
    at(T0 + 5 * HOUR);
    assert_int_equal(now("GB"), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_CACHE);
    assert_non_null(strstr(feed.why, "no connection"));
    assert_non_null(strstr(feed.why, "kept since 288 min"));
    assert_int_equal(feed.slots[0].intensity_mg_kwh, truth(T0 + 5 * HOUR) * 1000);
    at(T0 + 4 * DAY); /* the forecast has ended; what happened before goes on */
    assert_int_equal(now("GB"), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_DERIVED);
    assert_true(feed.slots[0].error_mg_kwh != TI_ERROR_UNKNOWN);
    assert_in_range(feed.slots[0].intensity_mg_kwh, 205000, 222000); /* noon */
    at(T0 + 60 * DAY);
    assert_int_equal(now("GB"), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_YEARLY);
    assert_non_null(strstr(feed.why, "on the basis average/life-cycle/location, not "
                                     "average/operational/location"));
    assert_int_equal(now("GB-13"), TERN_UNAVAILABLE); /* no part with the country's figure */
    assert_non_null(strstr(err.message, "no connection"));
}

static void now_does_not_believe_everything(void **state)
{
    static const struct {
        mode lie;
        const char *why;
    } lies[] = {{STALE, "more than three hours old"},
                {ZERO, "0 empty, 2 impossible"},
                {NOT_A_NUMBER, "neso: "},
                {HUGE_VALUES, "0 empty, 2 impossible"},
                {NEGATIVE, "0 empty, 2 impossible"},
                {CUT, "neso: "}};
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        up.mode = lies[i].lie;
        assert_int_equal(now("GB"), TERN_OK);
        assert_int_equal(feed.how, TI_HOW_YEARLY);
        assert_non_null(strstr(feed.why, lies[i].why));
        assert_int_equal(now("GB-3"), TERN_UNAVAILABLE);
    }
    desk.grid = NULL;
    assert_int_equal(now("GB"), TERN_UNAVAILABLE);
    assert_int_equal(now("DE"), TERN_USAGE);
}

static void offline_asks_nobody(void **state)
{
    (void)state;
    desk.offline = true;
    assert_int_equal(now("GB"), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_YEARLY);
    assert_int_equal(forecast("GB", 24), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_YEARLY);
    assert_non_null(strstr(feed.why, "offline"));
    assert_int_equal(up.asked, 0);
}

/* --- forecasts ---------------------------------------------------------------------------- */

static void a_first_forecast_has_the_keyless_error(void **state)
{
    (void)state;
    assert_int_equal(forecast("GB", 24), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_LIVE);
    assert_int_equal(feed.series.n, 49);
    assert_true(feed.slots[0].start_s <= desk.now_s);
    assert_int_equal(ti_series_covered(&feed.series, desk.now_s), T0 + 24 * HOUR + HALF);
    for (size_t i = 0; i < feed.series.n; i++) {
        assert_in_range(feed.slots[i].error_mg_kwh, 1, 12000); /* days differ by up to 10 g */
    }
    assert_non_null(strstr(feed.why, "keyless"));
    assert_int_equal(skill.all.n, 0);
    int before = up.asked;
    at(T0 + 900);
    assert_int_equal(forecast("GB", 24), TERN_OK); /* fresh: nobody is asked again */
    assert_int_equal(up.asked, before);
    at(T0 + 2 * HOUR);
    assert_int_equal(forecast("GB", 24), TERN_OK);
    assert_int_equal(up.asked_forecast, 2);
    assert_int_equal(up.asked_history, 2); /* four weeks were two requests, once */
}

static void errors_are_learnt_for_each_zone(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) { /* every six hours, three days long */
        at(T0 + 720 + i * 6 * HOUR);
        up.bias = 30;
        assert_int_equal(forecast("GB", 24), TERN_OK);
    }
    assert_true(skill.all.n >= TI_SKILL_ENOUGH);
    assert_int_equal(skill.all.bias_mg, 30000);
    assert_int_equal(skill.all.mae_mg, 30000);
    assert_int_equal(skill.all.p50_mg, 30000);
    assert_int_equal(skill.all.p90_mg, 30000);
    assert_int_equal(skill.n_forecasts, 11); /* the newest has not come true */
    for (size_t i = 0; i < feed.series.n; i++) {
        assert_int_equal(feed.slots[i].error_mg_kwh, 30000);
    }
    assert_null(strstr(feed.why, "keyless"));
    ti_skill kept;
    assert_int_equal(ti_desk_skill(&kept, &desk, "GB", NULL), TERN_OK);
    assert_int_equal(kept.all.n, skill.all.n);
    up.bias = 0; /* another zone learns nothing from this one */
    assert_int_equal(ti_desk_skill(&kept, &desk, "GB-3", NULL), TERN_OK);
    assert_int_equal(kept.all.n, 0);
}

static void without_a_forecast_what_was_makes_one(void **state)
{
    (void)state;
    up.no_forecast = true;
    assert_int_equal(forecast("GB", 48), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_DERIVED);
    assert_string_equal(feed.licence, "CC BY 4.0");
    assert_int_equal(feed.slots[0].start_s, desk.now_s);
    assert_int_equal(feed.slots[1].start_s, T0 + HOUR);
    assert_int_equal(ti_series_covered(&feed.series, desk.now_s), T0 + 49 * HOUR);
    for (size_t i = 0; i < feed.series.n; i++) {
        const ti_slot *s = &feed.slots[i];
        int64_t off = (int64_t)s->intensity_mg_kwh - truth(s->start_s) * 1000;
        assert_int_equal(s->kind, TI_SLOT_DERIVED);
        assert_in_range(s->error_mg_kwh, 1, 12000);
        assert_in_range(off < 0 ? -off : off, 0, 12000);
    }
    /* The forecast is that of plan/forecast.h, to the gram. */
    ti_feed direct;
    assert_int_equal(ti_desk_history(&direct, &desk, "GB", T0 - 28 * DAY, desk.now_s, &err),
                     TERN_OK);
    ti_feed again;
    assert_int_equal(ti_desk_derive(&again, &direct.series, desk.now_s, desk.now_s,
                                    desk.now_s + 48 * HOUR, &err),
                     TERN_OK);
    assert_int_equal(again.series.n, feed.series.n);
    assert_memory_equal(again.slots, feed.slots, again.series.n * sizeof *again.slots);
    ti_feed_free(&again);
    direct.series.n = 4 * 24; /* two days: that is no history */
    direct.series.slots = direct.slots + (28 * 48 - 4 * 24);
    assert_int_equal(ti_desk_derive(&again, &direct.series, desk.now_s, desk.now_s,
                                    desk.now_s + 48 * HOUR, &err),
                     TERN_UNAVAILABLE);
    direct.series.slots = direct.slots;
    ti_feed_free(&direct);
}

static void a_short_forecast_is_gone_on_with(void **state)
{
    (void)state;
    up.stops_s = T0 + 6 * HOUR + HALF;
    assert_int_equal(forecast("GB", 24), TERN_OK);
    assert_int_equal(ti_series_covered(&feed.series, desk.now_s), T0 + 25 * HOUR);
    assert_int_equal(feed.slots[12].kind, TI_SLOT_FORECAST);
    assert_int_equal(feed.slots[13].kind, TI_SLOT_DERIVED);
    assert_int_equal(feed.slots[13].length_s, HALF); /* what is left of the hour */
    assert_non_null(strstr(feed.why, "from 2026-01-01T18:30Z on"));
}

static void forecasts_that_are_not_believed(void **state)
{
    static const mode lies[] = {CONSTANT, ZERO, NOT_A_NUMBER, HUGE_VALUES, NEGATIVE, CUT, DOWN};
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        empty_dir();
        up.mode = lies[i];
        assert_int_equal(forecast("GB", 48), TERN_OK);
        assert_int_equal(feed.how, TI_HOW_YEARLY);
        assert_int_equal(forecast("GB-3", 48), TERN_UNAVAILABLE);
    }
    empty_dir();
    up.mode = UP;
    assert_int_equal(forecast("GB", 48), TERN_OK);
    up.mode = DOWN;
    at(T0 + 20 * HOUR);
    assert_int_equal(forecast("GB", 24), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_CACHE);
    at(T0 + 26 * HOUR); /* it would go on, but was issued more than a day ago */
    assert_int_equal(forecast("GB", 12), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_DERIVED);
    assert_int_equal(forecast("GB", 0), TERN_USAGE);
}

/* --- history and the cache ---------------------------------------------------------------- */

static void history_live_and_kept(void **state)
{
    (void)state;
    assert_int_equal(ti_desk_history(&feed, &desk, "GB", T0 - DAY, T0, &err), TERN_OK);
    assert_int_equal(feed.series.n, 48);
    assert_int_equal(feed.how, TI_HOW_LIVE);
    ti_feed_free(&feed);
    up.mode = DOWN;
    assert_int_equal(ti_desk_history(&feed, &desk, "GB", T0 - 2 * DAY, T0, &err), TERN_OK);
    assert_int_equal(feed.series.n, 48);
    assert_int_equal(feed.how, TI_HOW_CACHE);
    ti_feed_free(&feed);
    assert_int_equal(ti_desk_history(&feed, &desk, "GB", T0 - 9 * DAY, T0 - 8 * DAY, &err),
                     TERN_UNAVAILABLE);
    empty_dir();
    up.mode = CONSTANT;
    assert_int_equal(ti_desk_history(&feed, &desk, "GB", T0 - 2 * DAY, T0, &err),
                     TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "same value for a day"));
}

static void the_past_is_asked_about_once(void **state)
{
    (void)state;
    assert_int_equal(ti_desk_history(&feed, &desk, "GB", T0 - DAY, T0, &err), TERN_OK);
    ti_feed_free(&feed);
    assert_int_equal(up.asked, 1);
    at(T0 + 900);
    assert_int_equal(ti_desk_history(&feed, &desk, "GB", T0 - DAY / 2, T0, &err), TERN_OK);
    assert_int_equal(feed.series.n, 24);
    assert_int_equal(feed.how, TI_HOW_CACHE);
    assert_string_equal(feed.why, "");
    ti_feed_free(&feed);
    assert_int_equal(up.asked, 1);
    assert_int_equal(ti_desk_history(&feed, &desk, "GB", T0 - 2 * DAY, T0, &err), TERN_OK);
    assert_int_equal(feed.series.n, 96);
    assert_int_equal(up.asked, 2);
}

/* What one would have known then, and nothing that came later. */
static void forecasts_as_of_a_moment_of_the_past(void **state)
{
    (void)state;
    up.bias = 30;
    assert_int_equal(forecast("GB", 48), TERN_OK);
    at(T0 + 720 + 10 * HOUR);
    up.bias = 50;
    assert_int_equal(forecast("GB", 48), TERN_OK);
    at(T0 + DAY);
    ti_feed_free(&feed);
    assert_int_equal(
        ti_desk_forecast_then(&feed, &desk, "GB", T0 + 9 * HOUR, T0 + 20 * HOUR, &err),
        TERN_OK);
    assert_int_equal(feed.slots[0].start_s, T0 + 9 * HOUR);
    assert_int_equal(feed.series.issued_s, T0 + 720);
    assert_int_equal(feed.slots[0].intensity_mg_kwh, (truth(T0 + 9 * HOUR) + 30) * 1000);
    ti_feed_free(&feed);
    assert_int_equal(
        ti_desk_forecast_then(&feed, &desk, "GB", T0 + 11 * HOUR, T0 + 20 * HOUR, &err),
        TERN_OK);
    assert_int_equal(feed.slots[0].intensity_mg_kwh, (truth(T0 + 11 * HOUR) + 50) * 1000);
    ti_feed_free(&feed);
    assert_int_equal(
        ti_desk_forecast_then(&feed, &desk, "GB", T0 - 3 * DAY, T0 - 2 * DAY, &err), TERN_OK);
    assert_int_equal(feed.how, TI_HOW_DERIVED); /* nothing was kept then */
    assert_int_equal(feed.series.n, 24);
    assert_int_equal(feed.series.issued_s, T0 - 3 * DAY);
    ti_feed_free(&feed);
    assert_int_equal(
        ti_desk_forecast_then(&feed, &desk, "GB", T0 + 2 * DAY, T0 + 3 * DAY, &err),
        TERN_USAGE);
}

static void clocks_of_zones(void **state)
{
    static const struct {
        const char *zone;
        int32_t minutes;
    } cases[] = {{"GB", 0},
                 {"GB-13", 0},
                 {"DE", 60},
                 {"DE-LU", 60},
                 {"US", -360},
                 {"US-CAL-CISO", -480},
                 {"US-MIDA-PJM", -300},
                 {"CAISO_NORTH", -480},
                 {"IN-DL", 330},
                 {"AU-NSW", 600},
                 {"AU-WA", 480},
                 {"eastus", 0},
                 {"DELHI", 0},
                 {"", 0},
                 {"D", 0},
                 {"10YFR-RTE------C", 60}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ti_zone_utc_offset_s(cases[i].zone), cases[i].minutes * 60);
    }
}

/* A grid that rests on Saturdays and Sundays of its own: ten hours before those of UTC. */
static void weekends_are_the_zones_own(void **state)
{
    enum { N = 28 * 24, MONDAY = 1767571200 }; /* 2026-01-05T00:00Z */
    ti_slot slots[N];
    ti_series s = {.slots = slots, .n = N, .zone = "AU-NSW", .source = "test"};
    ti_feed made;
    (void)state;
    for (int i = 0; i < N; i++) {
        int64_t start = MONDAY + (int64_t)i * HOUR, local = (start + 10 * HOUR) / DAY % 7;
        bool rests = local == 2 || local == 3; /* 1970-01-01 was a Thursday */
        slots[i] = (ti_slot){start, HOUR, rests ? 100000 : 300000, 0, TI_SLOT_ACTUAL};
    }
    int64_t friday = MONDAY + 25 * DAY + 10 * HOUR; /* 20:00 there: rest begins at 14:00Z */
    assert_int_equal(ti_desk_derive(&made, &s, friday, friday, friday + 12 * HOUR, &err),
                     TERN_OK);
    uint32_t before = made.slots[3].intensity_mg_kwh, after = made.slots[5].intensity_mg_kwh;
    ti_feed_free(&made);
    assert_true(before > 270000);
    assert_true(after < 230000); /* by the clock of UTC it would still be Friday */
}

/* The vectors of the Carbon Aware SDK's own tests: 10, 20, 30, 40 for five minutes each. */
static void rolling_means(void **state)
{
    static const struct {
        uint32_t window, tick, from, n, g[5];
    } cases[] = {
        {5, 5, 0, 4, {10, 20, 30, 40}},
        {10, 5, 0, 3, {15, 25, 35}},
        {2, 5, 0, 4, {10, 20, 30, 40}},
        {5, 4, 0, 4, {10, 18, 26, 34}},
        {10, 4, 0, 3, {15, 23, 31}},
        {2, 4, 0, 5, {10, 15, 20, 30, 40}},
        {5, 7, 0, 3, {10, 24, 38}},
        {10, 7, 0, 2, {15, 29}},
        {2, 7, 0, 3, {10, 20, 35}},
        {5, 5, 2, 3, {14, 24, 34}},
        {21, 5, 0, 0, {0}},
    };
    ti_slot slots[4];
    ti_series s = {.slots = slots, .n = 4, .zone = "x", .source = "x"};
    uint32_t mean;
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        slots[i] = (ti_slot){T0 + (int64_t)i * 300, 300, (i + 1) * 10000, 0, TI_SLOT_ACTUAL};
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_rolling r = {.series = &s,
                        .window_s = cases[i].window * 60,
                        .tick_s = cases[i].tick * 60,
                        .at_s = T0 + cases[i].from * 60,
                        .to_s = T0 + 1200};
        for (uint32_t k = 0; k < cases[i].n; k++) {
            assert_true(ti_rolling_next(&r));
            assert_int_equal(r.mean_mg_kwh, cases[i].g[k] * 1000);
            assert_int_equal(r.start_s, T0 + (cases[i].from + k * cases[i].tick) * 60);
        }
        assert_false(ti_rolling_next(&r));
    }
    assert_true(ti_series_mean(&mean, &s, T0, T0 + 1200));
    assert_int_equal(mean, 25000);
    assert_true(ti_series_mean(&mean, &s, T0 + 240, T0 + 1200));
    assert_int_equal(mean, 28750);
    assert_true(ti_series_mean(&mean, &s, T0, T0 + 960));
    assert_int_equal(mean, 21250);
    assert_false(ti_series_mean(&mean, &s, T0, T0 + 1201)); /* not covered */
    slots[1].start_s += 60;                                 /* a gap */
    slots[1].length_s -= 60;
    ti_rolling r = {
        .series = &s, .window_s = 300, .tick_s = 300, .at_s = T0, .to_s = T0 + 1200};
    assert_true(ti_rolling_next(&r) && r.start_s == T0);
    assert_true(ti_rolling_next(&r) && r.start_s == T0 + 600);
}

static void what_is_kept_survives_and_is_checked(void **state)
{
    ti_kept kept, again;
    ti_buf text = {0}, twice = {0};
    char path[128];
    (void)state;
    assert_int_equal(forecast("GB", 24), TERN_OK);
    assert_int_equal(ti_cache_load(&kept, dir, "neso", "GB", source.basis, &err), TERN_OK);
    assert_int_equal(kept.n_forecasts, 1);
    ti_kept_text(&text, &kept);
    assert_int_equal(ti_kept_parse(&again, text.data, text.len, &err), TERN_OK);
    ti_kept_text(&twice, &again);
    assert_string_equal(text.data, twice.data);
    ti_kept_free(&kept);
    ti_kept_free(&again);
    for (size_t n = 0; n + 2 < text.len; n += 97) { /* cut anywhere: nothing, never a part */
        assert_int_equal(ti_kept_parse(&kept, text.data, n, &err), TERN_CORRUPT);
    }
    /* Another basis is another file. */
    ti_basis whole = {0};
    assert_int_equal(ti_cache_load(&kept, dir, "neso", "GB", whole, &err), TERN_OK);
    assert_int_equal(kept.history.series.n + kept.n_forecasts, 0);
    ti_kept_free(&kept);
    snprintf(path, sizeof path, "%s/neso@GB@%u.json", dir, ti_basis_rank(source.basis));
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fputs("damaged", f);
    fclose(f);
    assert_int_equal(forecast("GB", 24), TERN_OK); /* asks again, and begins a new one */
    assert_int_equal(feed.how, TI_HOW_LIVE);
    assert_int_equal(ti_cache_load(&kept, dir, "neso", "GB", source.basis, &err), TERN_OK);
    assert_int_equal(kept.n_forecasts, 1);
    ti_kept_free(&kept);
    ti_buf_free(&text);
    ti_buf_free(&twice);
}

static void bases_never_mix(void **state)
{
    ti_feed a, b;
    ti_slot slot = {.start_s = T0, .length_s = HOUR, .intensity_mg_kwh = 5};
    ti_basis whole = {0}, direct = {.scope = TI_OPERATIONAL};
    (void)state;
    ti_feed_init(&a, "GB", "neso", whole);
    ti_feed_init(&b, "GB", "neso", direct);
    assert_int_equal(ti_feed_add(&a, &slot, &err), TERN_OK);
    assert_int_equal(ti_feed_add(&b, &slot, &err), TERN_OK);
    assert_int_equal(ti_feed_merge(&a, &b, 0, 100, &err), TERN_USAGE);
    assert_non_null(strstr(err.message, "average/life-cycle/location and on the basis "
                                        "average/operational/location cannot be one series"));
    assert_int_equal(ti_skill_of(&skill, &a, 1, &b.series, &err), TERN_USAGE);
    assert_non_null(strstr(err.message, "two bases cannot be compared"));
    ti_feed_free(&a);
    ti_feed_free(&b);
}

static tern_status read_csv(ti_feed *out, const char *data, const char *name,
                            const char *column)
{
    char path[512], *text;
    size_t len;
    snprintf(path, sizeof path, "%s/carbon/uk-forecasts/%s", data, name);
    ti_feed_init(out, "GB", "neso", source.basis);
    if (ti_read_file(&text, &len, path, 1 << 20, &err) != TERN_OK) {
        return TERN_UNAVAILABLE;
    }
    tern_status status = ti_parse_csv(out, text, len, column, &err);
    free(text);
    return status;
}

/* A forecast as it was issued on 2023-03-14 at 03:31Z, and what then happened. */
static void a_real_forecast_is_judged(void **state)
{
    const char *data = getenv("TERN_DATA");
    ti_feed issued, actual;
    (void)state;
    if (!data ||
        read_csv(&issued, data, "national_fw48h_2023-03-14T0331Z.csv", NULL) != TERN_OK) {
        print_message("SKIPPED: carbon/uk-forecasts is not in TERN_DATA\n");
        skip();
    }
    assert_int_equal(read_csv(&actual, data, "national_pt24h_2023-03-15T0331Z.csv", NULL),
                     TERN_OK);
    issued.series.issued_s = 1678764660;
    assert_int_equal(ti_skill_of(&skill, &issued, 1, &actual.series, &err), TERN_OK);
    /* As a few lines of Python count it. */
    assert_int_equal(skill.all.n, 45);
    assert_int_equal(skill.all.bias_mg, -12111);
    assert_int_equal(skill.all.mae_mg, 13133);
    assert_int_equal(skill.all.p50_mg, 12000);
    assert_int_equal(skill.all.p68_mg, 16000);
    assert_int_equal(skill.all.p90_mg, 23000);
    ti_feed_free(&issued);
    ti_feed_free(&actual);
}

static void memory_runs_out_cleanly(void **state)
{
    (void)state;
    up.no_forecast = true;
    desk.cache_dir = NULL; /* what cannot be kept is not an error */
    for (long n = 0;; n++) {
        assert_true(n < 5000);
        ti_feed_free(&feed);
        oom_fail_at(n);
        tern_status status = ti_desk_forecast(&feed, NULL, &desk, "GB", desk.now_s + DAY, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            assert_int_equal(feed.how, TI_HOW_DERIVED);
            break;
        }
        assert_true(status == TERN_NOMEM || (status == TERN_OK && feed.series.n > 0));
    }
}

static int start(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_desk.XXXXXX");
    return mkdtemp(dir) && ti_grid_builtin(&grid, NULL) == TERN_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    empty_dir();
    ti_grid_free(&grid);
    return rmdir(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(now_live_then_kept_while_fresh),
        TEST(now_down_says_what_stands_in),
        TEST(now_does_not_believe_everything),
        TEST(offline_asks_nobody),
        TEST(a_first_forecast_has_the_keyless_error),
        TEST(errors_are_learnt_for_each_zone),
        TEST(without_a_forecast_what_was_makes_one),
        TEST(a_short_forecast_is_gone_on_with),
        TEST(forecasts_that_are_not_believed),
        TEST(history_live_and_kept),
        TEST(the_past_is_asked_about_once),
        TEST(forecasts_as_of_a_moment_of_the_past),
        TEST(clocks_of_zones),
        TEST(weekends_are_the_zones_own),
        TEST(rolling_means),
        TEST(what_is_kept_survives_and_is_checked),
        TEST(bases_never_mix),
        TEST(a_real_forecast_is_judged),
        TEST(memory_runs_out_cleanly),
    };
    return cmocka_run_group_tests(tests, start, end);
}
