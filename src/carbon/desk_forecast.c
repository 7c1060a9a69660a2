/* SPDX-License-Identifier: Apache-2.0 */
/* Forecasts: the source's own with the error that was learnt, and what stands in behind it. */
#include <inttypes.h>
#include <string.h>

#include "carbon/desk.h"
#include "carbon/desk_parts.h"
#include "carbon/stamp.h"

enum {
    HISTORY_DAYS = 28,               /* that plan/forecast.h looks at */
    HISTORY_AGE_S = 6 * TI_HOUR_S,   /* a history that ends longer ago is completed */
    FREE_HISTORY_S = 23 * TI_HOUR_S, /* what also those plans give that have little */
};

/* The source's forecast, fresh from the cache, live, or kept; TERN_UNAVAILABLE with `reasons`
 * when there is none. */
static tern_status issued(ti_feed *out, ti_desk *desk, const ti_kept *kept, const char *zone,
                          int64_t to_s, ti_feed *reasons, tern_err *err)
{
    ti_query query = {.what = TI_ASK_FORECAST,
                      .zone = zone,
                      .now_s = desk->now_s,
                      .from_s = desk->now_s,
                      .to_s = to_s};
    const ti_feed *newest = ti_kept_newest(kept);
    tern_err why = {0};
    bool goes_on = newest && ti_series_end(&newest->series) > desk->now_s;
    if (goes_on && ti_desk_is_fresh(newest, desk)) {
        return ti_desk_from_cache(out, newest, desk, true, err);
    }
    tern_status status = ti_desk_ask(out, desk, &query, &why);
    if (status == TERN_OK || !ti_desk_may_stand_in(desk, status)) {
        if (status != TERN_OK && err) {
            *err = why;
        }
        return status;
    }
    ti_desk_note(reasons, &why);
    if (goes_on && newest->series.issued_s >= desk->now_s - TI_STALE_FORECAST_S) {
        return ti_desk_from_cache(out, newest, desk, false, err);
    }
    return TERN_UNAVAILABLE;
}

/* --- the history behind it ---------------------------------------------------------------- */

/* Asks for history and puts it into what is kept, which is made when there is none. */
static tern_status complete(ti_kept **kept, ti_desk *desk, const char *zone, int64_t from_s,
                            tern_err *err)
{
    ti_query query = {.what = TI_ASK_HISTORY,
                      .zone = zone,
                      .now_s = desk->now_s,
                      .from_s = from_s,
                      .to_s = desk->now_s};
    ti_feed more;
    TI_TRY(ti_desk_ask(&more, desk, &query, err));
    if (!*kept) {
        *kept = ti_calloc(1, sizeof **kept);
        if (*kept) {
            ti_feed_init(&(*kept)->history, zone, more.series.source, more.series.basis);
        }
    }
    tern_status status = *kept ? ti_kept_add(*kept, &more, desk->now_s, err)
                               : ti_fail_nomem(err, "grid", sizeof **kept, "a history");
    ti_feed_free(&more);
    return status;
}

/* Completes what is kept to four weeks of history that end now: forecasts are made of it, and
 * compared with it.  Not asked again when the source has just said all that it has. */
static ti_kept *with_history(ti_desk *desk, ti_kept *kept, const char *zone, ti_feed *reasons)
{
    const ti_feed *h = kept && kept->history.series.n > 0 ? &kept->history : NULL;
    int64_t wanted = desk->now_s - (int64_t)HISTORY_DAYS * TI_DAY_S;
    int64_t from = h ? h->slots[0].start_s : desk->now_s;
    int64_t end = h ? ti_series_end(&h->series) : wanted;
    bool is_long = from <= wanted + TI_DAY_S;
    bool ends_now = end >= desk->now_s - HISTORY_AGE_S;
    bool just_asked = h && h->obtained_s >= desk->now_s - HISTORY_AGE_S &&
                      from <= desk->now_s - (int64_t)TI_DERIVED_DAYS_MIN * TI_DAY_S;
    tern_err why = {0};
    if (ends_now && (is_long || just_asked)) {
        return kept;
    }
    if (complete(&kept, desk, zone, is_long && end > wanted ? end : wanted, &why) == TERN_OK ||
        desk->offline) {
        return kept;
    }
    if (ti_desk_may_stand_in(desk, why.status)) {
        ti_desk_note(reasons, &why);
        (void)complete(&kept, desk, zone, desk->now_s - FREE_HISTORY_S, NULL);
    }
    return kept;
}

/* --- its error ---------------------------------------------------------------------------- */

static tern_status learn(ti_skill *out, const ti_kept *kept, tern_err *err)
{
    if (!kept || kept->n_forecasts == 0) {
        memset(out, 0, sizeof *out);
        return TERN_OK;
    }
    return ti_skill_of(out, kept->forecasts, kept->n_forecasts, &kept->history.series, err);
}

/* Errors that the kept forecasts of the source turned out to have, else those that the keyless
 * one would have had: a source that is asked for the first time is taken to be no better. */
static void stamp(ti_feed *feed, const ti_kept *kept, const ti_desk *desk)
{
    ti_errors errors = {0};
    size_t known = 0, unknown = 0;
    if (!kept) {
        return;
    }
    for (size_t i = 0; i < kept->n_forecasts; i++) {
        (void)ti_errors_learn(&errors, &kept->forecasts[i].series, &kept->history.series);
    }
    /* The slot that holds now has begun before it was forecast: the shortest lead. */
    int64_t issued_s = feed->series.issued_s;
    if (feed->series.n > 0 && feed->slots[0].start_s < issued_s) {
        issued_s = feed->slots[0].start_s;
    }
    ti_errors_stamp(&errors, feed->slots, feed->series.n, issued_s);
    for (size_t i = 0; i < feed->series.n; i++) {
        bool is_unknown = feed->slots[i].kind != TI_SLOT_ACTUAL &&
                          feed->slots[i].error_mg_kwh == TI_ERROR_UNKNOWN;
        unknown += is_unknown;
        known += !is_unknown;
    }
    if (unknown == 0 || ti_desk_backtest(&errors, &kept->history.series, desk->now_s) == 0) {
        return;
    }
    ti_errors_stamp(&errors, feed->slots, feed->series.n, issued_s);
    ti_feed_because(feed, "its error is that of the keyless forecast%s, until its own is known",
                    known > 0 ? " in part" : "");
}

/* --- together ----------------------------------------------------------------------------- */

/* Appends the derived hours behind the end of what there is. */
static tern_status extend(ti_feed *feed, const ti_kept *kept, const ti_desk *desk, int64_t to_s,
                          tern_err *err)
{
    ti_feed derived;
    char from[TI_STAMP_TEXT];
    int64_t end = ti_series_end(&feed->series);
    if (!kept || end >= to_s) {
        return TERN_OK;
    }
    tern_status status =
        ti_desk_derive(&derived, &kept->history.series, desk->now_s, end, to_s, NULL);
    if (status != TERN_OK) {
        return status == TERN_NOMEM ? ti_fail_nomem(err, "grid", 0, "a forecast") : TERN_OK;
    }
    for (size_t i = 0; status == TERN_OK && i < derived.series.n; i++) {
        status = ti_feed_add(feed, &derived.slots[i], err);
    }
    ti_feed_free(&derived);
    if (status == TERN_OK) {
        feed->series.slots = feed->slots;
        ti_feed_because(feed, "from %s on made from what was", ti_stamp_minutes(from, end));
    }
    return status;
}

/* When the source gave nothing: the forecast from what was, else the year. */
static tern_status stand_in(ti_feed *out, const ti_desk *desk, const ti_kept *kept,
                            const char *zone, int64_t to_s, ti_feed *reasons, tern_err *err)
{
    ti_query query = {.what = TI_ASK_FORECAST,
                      .zone = zone,
                      .now_s = desk->now_s,
                      .from_s = ti_stamp_floor(desk->now_s, TI_DERIVED_STEP_S),
                      .to_s = to_s};
    tern_err why = {0};
    if (kept && kept->history.series.n > 0) {
        tern_status status =
            ti_desk_derive(out, &kept->history.series, desk->now_s, desk->now_s, to_s, &why);
        if (status == TERN_OK) {
            memcpy(out->place, kept->history.place, sizeof out->place);
            memcpy(out->licence, kept->history.licence, sizeof out->licence);
            return TERN_OK;
        }
        ti_desk_note(reasons, &why);
    }
    tern_status status = ti_desk_yearly(out, desk, &query, &why);
    if (status == TERN_OK || !(ti_desk_may_stand_in(desk, status) || status == TERN_USAGE)) {
        if (status != TERN_OK && err) {
            *err = why;
        }
        return status;
    }
    ti_desk_note(reasons, &why);
    return ti_desk_nothing(reasons, zone, err);
}

/* Cuts the source's forecast to what was asked, gives it its error, and goes on behind it. */
static tern_status finish(ti_feed *feed, const ti_kept *kept, const ti_desk *desk, int64_t to_s,
                          tern_err *err)
{
    ti_feed_clip(feed, desk->now_s, to_s);
    if (feed->how == TI_HOW_YEARLY) {
        return TERN_OK;
    }
    stamp(feed, kept, desk);
    tern_status status = extend(feed, kept, desk, to_s, err);
    if (status != TERN_OK) {
        ti_feed_free(feed);
    }
    return status;
}

tern_status ti_desk_forecast(ti_feed *out, ti_skill *skill, ti_desk *desk, const char *zone,
                             int64_t to_s, tern_err *err)
{
    ti_feed feed = {0}, reasons = {0};
    ti_skill learnt = {0};
    tern_status status = ti_source_ready(desk->source, zone, err);
    if (status != TERN_OK && !ti_desk_may_stand_in(desk, status)) {
        return status;
    }
    if (to_s <= desk->now_s) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET, "a forecast of the past");
    }
    ti_kept *kept = ti_desk_load(desk, zone);
    status = issued(&feed, desk, kept, zone, to_s, &reasons, err);
    bool have = status == TERN_OK;
    if (have || status == TERN_UNAVAILABLE) {
        status = TERN_OK;
        if (!have || feed.how != TI_HOW_YEARLY) {
            kept = with_history(desk, kept, zone, &reasons);
            status = learn(&learnt, kept, err);
        }
        if (status == TERN_OK) {
            status = have ? finish(&feed, kept, desk, to_s, err)
                          : stand_in(&feed, desk, kept, zone, to_s, &reasons, err);
        } else if (have) {
            ti_feed_free(&feed);
        }
    }
    ti_desk_unload(kept);
    if (status != TERN_OK) {
        return status;
    }
    ti_desk_explain(&feed, reasons.why);
    *out = feed;
    out->series.slots = out->slots;
    if (skill) {
        *skill = learnt;
    }
    return TERN_OK;
}

/* The part of a feed that had happened by then. */
static void forget_after(ti_feed *feed, int64_t then_s)
{
    while (feed->series.n > 0 && ti_series_end(&feed->series) > then_s) {
        feed->series.n--;
    }
}

tern_status ti_desk_forecast_then(ti_feed *out, ti_desk *desk, const char *zone, int64_t then_s,
                                  int64_t to_s, tern_err *err)
{
    ti_feed feed = {0}, reasons = {0};
    const ti_feed *found = NULL;
    ti_errors errors;
    TI_TRY(ti_source_ready(desk->source, zone, err));
    if (then_s > desk->now_s || to_s <= then_s) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET, "it is not yet known then");
    }
    ti_kept *kept = with_history(desk, ti_desk_load(desk, zone), zone, &reasons);
    for (size_t i = 0; kept && i < kept->n_forecasts; i++) {
        const ti_series *s = &kept->forecasts[i].series;
        int64_t age = then_s - s->issued_s;
        bool held = age >= 0 && age < TI_STALE_FORECAST_S && ti_series_end(s) > then_s;
        found = held ? &kept->forecasts[i] : found;
    }
    tern_status status = TERN_UNAVAILABLE;
    if (kept) {
        forget_after(&kept->history, then_s);
    }
    if (found) {
        status = ti_desk_from_cache(&feed, found, desk, true, err);
        if (status == TERN_OK) {
            ti_feed_clip(&feed, then_s, to_s);
            (void)ti_desk_backtest(&errors, &kept->history.series, then_s);
            ti_errors_stamp(&errors, feed.slots, feed.series.n, feed.series.issued_s);
        }
    } else if (kept) {
        status = ti_desk_derive(&feed, &kept->history.series, then_s, then_s, to_s, err);
    } else {
        status = ti_desk_nothing(&reasons, zone, err);
    }
    ti_desk_unload(kept);
    if (status == TERN_OK) {
        *out = feed;
        out->series.slots = out->slots;
    }
    return status;
}

tern_status ti_desk_skill(ti_skill *out, ti_desk *desk, const char *zone, tern_err *err)
{
    ti_kept *kept = ti_desk_load(desk, zone);
    if (!kept) {
        return ti_fail(err, TERN_UNAVAILABLE, "grid", TI_NO_OFFSET, "nothing is kept of %s",
                       zone);
    }
    tern_status status = learn(out, kept, err);
    ti_desk_unload(kept);
    return status;
}
