/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/desk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"

/* Failures that another answer may stand in for; the rest are the caller's, or the machine's.
 */
static bool is_bearable(tern_status status)
{
    return status == TERN_UNAVAILABLE || status == TERN_CORRUPT || status == TERN_LIMIT ||
           status == TERN_UNSUPPORTED || status == TERN_IO;
}

static int64_t slot_end(const ti_slot *slot)
{
    return slot->start_s + slot->length_s;
}

static int64_t series_end(const ti_series *s)
{
    return s->n > 0 ? slot_end(&s->slots[s->n - 1]) : 0;
}

/* --- the source --------------------------------------------------------------------------- */

/* Why an answer is not to be believed, or NULL. */
static const char *distrust(const ti_feed *feed, const ti_desk *desk, ti_ask what)
{
    if (feed->how == TI_HOW_YEARLY) {
        return NULL;
    }
    if (feed->n_refused > feed->series.n) {
        return "most of its values cannot be true";
    }
    if (ti_feed_is_constant(feed, TI_CONSTANT_SLOTS, TI_CONSTANT_S)) {
        return "it says the same value for a day and longer";
    }
    if (what == TI_ASK_NOW && series_end(&feed->series) <= desk->now_s - TI_STALE_NOW_S) {
        return "its newest value is more than three hours old";
    }
    if (what == TI_ASK_FORECAST && series_end(&feed->series) <= desk->now_s) {
        return "its forecast has ended";
    }
    if (what == TI_ASK_FORECAST && desk->source->kind->network &&
        feed->series.issued_s < desk->now_s - TI_STALE_FORECAST_S) {
        return "its forecast is more than a day old";
    }
    return NULL;
}

/* Asks the source, judges the answer, and keeps it. */
static tern_status ask(ti_feed *out, ti_desk *desk, const ti_query *query, tern_err *err)
{
    const ti_source_kind *kind = desk->source->kind;
    if (desk->offline && kind->network) {
        return ti_fail(err, TERN_UNAVAILABLE, kind->name, TI_NO_OFFSET, "not asked: offline");
    }
    TI_TRY(ti_source_get(desk->source, out, query, err));
    const char *why = distrust(out, desk, query->what);
    if (why) {
        ti_feed_free(out);
        return ti_fail(err, TERN_UNAVAILABLE, kind->name, TI_NO_OFFSET, "not believed: %s",
                       why);
    }
    if (desk->cache_dir && kind->network) {
        tern_err trouble;
        if (ti_cache_add(desk->cache_dir, out, desk->now_s, &trouble) != TERN_OK) {
            desk->trouble = trouble;
        }
    }
    return TERN_OK;
}

/* --- the cache ---------------------------------------------------------------------------- */

/* What is kept, on the heap (it is large); NULL when there is none. */
static ti_kept *load(ti_desk *desk, const char *zone)
{
    tern_err trouble;
    if (!desk->cache_dir || !desk->source->kind->network) {
        return NULL;
    }
    ti_kept *kept = ti_calloc(1, sizeof *kept);
    if (!kept) {
        return NULL;
    }
    if (ti_cache_load(kept, desk->cache_dir, desk->source->kind->name, zone,
                      desk->source->basis, &trouble) != TERN_OK) {
        desk->trouble = trouble;
        free(kept);
        return NULL;
    }
    return kept;
}

static void unload(ti_kept *kept)
{
    if (kept) {
        ti_kept_free(kept);
        free(kept);
    }
}

static const ti_feed *newest_forecast(const ti_kept *kept)
{
    return kept && kept->n_forecasts > 0 ? &kept->forecasts[kept->n_forecasts - 1] : NULL;
}

/* A copy that says how old it is. */
static tern_status from_cache(ti_feed *out, const ti_feed *kept, const ti_desk *desk,
                              bool fresh, tern_err *err)
{
    int64_t age = desk->now_s - kept->obtained_s;
    TI_TRY(ti_feed_copy(out, kept, err));
    out->series.slots = out->slots;
    out->how = TI_HOW_CACHE;
    if (!fresh) {
        ti_feed_because(out, "kept since %" PRId64 " min", (age < 0 ? 0 : age) / 60);
    }
    return TERN_OK;
}

static bool is_fresh(const ti_feed *kept, const ti_desk *desk)
{
    int64_t age = desk->now_s - kept->obtained_s;
    return !desk->refresh && age >= 0 && age < (int64_t)desk->source->kind->step_s;
}

/* --- standing in -------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* One hour from the same hours before it; false when too few are known. */
static bool derive_hour(ti_slot *out, const ti_series *history, int64_t now_s, int64_t start_s)
{
    uint32_t values[TI_DERIVED_DAYS], distance[TI_DERIVED_DAYS];
    uint64_t sum = 0;
    size_t n = 0;
    int64_t end_s = start_s + TI_DERIVED_STEP_S;
    int64_t back = (end_s - now_s + TI_DAY_S - 1) / TI_DAY_S; /* days until it has happened */
    back = back < 1 ? 1 : back;
    for (int64_t d = back; d < back + TI_DERIVED_DAYS; d++) {
        uint32_t mean;
        if (ti_series_mean(&mean, history, start_s - d * TI_DAY_S, end_s - d * TI_DAY_S)) {
            values[n++] = mean;
            sum += mean;
        }
    }
    if (n < TI_DERIVED_DAYS_MIN) {
        return false;
    }
    uint32_t mean = (uint32_t)((sum + n / 2) / n);
    for (size_t i = 0; i < n; i++) {
        distance[i] = values[i] > mean ? values[i] - mean : mean - values[i];
    }
    qsort(distance, n, sizeof *distance, ascending);
    /* A new day against the mean of n: its variance is 1 + 1/n of theirs, and theirs about
     * their own mean is 1 - 1/n of the true one; so (n + 1)/(n - 1), under a root. */
    uint64_t two_of_three = distance[(2 * n + 2) / 3 - 1];
    uint64_t wide = two_of_three * two_of_three * (n + 1) / (n - 1), root = two_of_three;
    while (root * root < wide) {
        root++;
    }
    *out = (ti_slot){.start_s = start_s,
                     .length_s = TI_DERIVED_STEP_S,
                     .intensity_mg_kwh = mean,
                     .error_mg_kwh = (uint32_t)root,
                     .kind = TI_SLOT_DERIVED};
    return mean > 0;
}

tern_status ti_desk_derive(ti_feed *out, const ti_series *history, int64_t now_s,
                           int64_t from_s, int64_t to_s, tern_err *err)
{
    ti_feed feed;
    ti_feed_init(&feed, history->zone, history->source, history->basis);
    for (int64_t at = ti_stamp_floor(from_s, TI_DERIVED_STEP_S); at < to_s;
         at += TI_DERIVED_STEP_S) {
        ti_slot slot;
        if (!derive_hour(&slot, history, now_s, at)) {
            continue;
        }
        tern_status status = ti_feed_add(&feed, &slot, err);
        if (status != TERN_OK) {
            ti_feed_free(&feed);
            return status;
        }
    }
    if (feed.series.n == 0) {
        return ti_fail(err, TERN_UNAVAILABLE, history->source, TI_NO_OFFSET,
                       "fewer than %d days are known of %s", TI_DERIVED_DAYS_MIN,
                       history->zone);
    }
    feed.how = TI_HOW_DERIVED;
    feed.obtained_s = feed.series.issued_s = now_s;
    *out = feed;
    out->series.slots = out->slots;
    return TERN_OK;
}

/* The yearly figure of the very zone. */
static tern_status yearly(ti_feed *out, const ti_desk *desk, const ti_query *query,
                          tern_err *err)
{
    ti_source table;
    char has[TI_BASIS_TEXT], wanted[TI_BASIS_TEXT];
    ti_source_settings settings = {.grid = desk->grid};
    if (!desk->grid) {
        return ti_fail(err, TERN_UNAVAILABLE, "grid", TI_NO_OFFSET, "there is no yearly table");
    }
    TI_TRY(ti_source_open(&table, "yearly", &settings, NULL, err));
    tern_status status = ti_source_get(&table, out, query, err);
    ti_source_close(&table);
    if (status == TERN_OK && !ti_basis_equal(out->series.basis, desk->source->basis)) {
        ti_feed_because(out, "on the basis %s, not %s", ti_basis_text(has, out->series.basis),
                        ti_basis_text(wanted, desk->source->basis));
    }
    return status;
}

/* Puts reasons in front of what the feed itself says. */
static void explain(ti_feed *feed, const char *reasons)
{
    char own[TI_FEED_WHY_MAX + 1];
    memcpy(own, feed->why, sizeof own);
    feed->why[0] = '\0';
    if (reasons[0]) {
        ti_feed_because(feed, "%s", reasons);
    }
    if (own[0]) {
        ti_feed_because(feed, "%s", own);
    }
}

static void note(ti_feed *reasons, const tern_err *err)
{
    ti_feed_because(reasons, "%s: %s", err->module, err->message);
}

static tern_status nothing(const ti_feed *reasons, const char *zone, tern_err *err)
{
    return ti_fail(err, TERN_UNAVAILABLE, "grid", TI_NO_OFFSET, "no intensity of %s: %s", zone,
                   reasons->why);
}

/* --- now ---------------------------------------------------------------------------------- */

/* Keeps the one slot that holds `now_s`, else the newest one before; false when there is none
 * that is young enough. */
static bool keep_now(ti_feed *feed, int64_t now_s)
{
    size_t i = ti_series_find(&feed->series, now_s);
    if (i < feed->series.n && feed->slots[i].start_s <= now_s) {
        feed->slots[0] = feed->slots[i];
    } else if (i > 0 && slot_end(&feed->slots[i - 1]) > now_s - TI_STALE_NOW_S) {
        feed->slots[0] = feed->slots[i - 1];
    } else {
        return false;
    }
    feed->series.n = 1;
    return true;
}

static bool now_from(ti_feed *out, const ti_feed *kept, const ti_desk *desk, bool fresh)
{
    if (kept->series.n == 0 || from_cache(out, kept, desk, fresh, NULL) != TERN_OK) {
        return false;
    }
    if (keep_now(out, desk->now_s)) {
        return true;
    }
    ti_feed_free(out);
    return false;
}

/* From what is kept: the value of now, the newest forecast's, the same hours before. */
static bool now_from_kept(ti_feed *out, const ti_kept *kept, const ti_desk *desk)
{
    const ti_feed *forecast = newest_forecast(kept);
    if (!kept) {
        return false;
    }
    if (forecast && forecast->series.issued_s > desk->now_s - 2 * TI_STALE_FORECAST_S &&
        ti_series_covered(&forecast->series, desk->now_s) > desk->now_s &&
        now_from(out, forecast, desk, false)) {
        return true;
    }
    if (now_from(out, &kept->history, desk, false)) {
        return true;
    }
    return ti_desk_derive(out, &kept->history.series, desk->now_s, desk->now_s, desk->now_s + 1,
                          NULL) == TERN_OK;
}

tern_status ti_desk_now(ti_feed *out, ti_desk *desk, const char *zone, tern_err *err)
{
    ti_query query = {.what = TI_ASK_NOW, .zone = zone, .now_s = desk->now_s};
    ti_feed feed, reasons = {0};
    tern_err why = {0};
    tern_status status = ti_source_ready(desk->source, zone, err);
    if (status != TERN_OK && !is_bearable(status)) {
        return status;
    }
    ti_kept *kept = load(desk, zone);
    const ti_feed *history = kept && is_fresh(&kept->history, desk) ? &kept->history : NULL;
    if (history && ti_series_covered(&history->series, desk->now_s) > desk->now_s &&
        now_from(&feed, history, desk, true)) {
        status = TERN_OK;
    } else {
        status = ask(&feed, desk, &query, &why);
        if (status == TERN_OK && !keep_now(&feed, desk->now_s)) {
            ti_feed_free(&feed);
            status = ti_fail(&why, TERN_UNAVAILABLE, desk->source->kind->name, TI_NO_OFFSET,
                             "it has no value for now");
        }
    }
    if (status != TERN_OK && is_bearable(status)) {
        note(&reasons, &why);
        status = TERN_OK;
        if (!now_from_kept(&feed, kept, desk)) {
            status = yearly(&feed, desk, &query, &why);
            if (status != TERN_OK) {
                note(&reasons, &why);
                status = nothing(&reasons, zone, err);
            }
        }
    } else if (status != TERN_OK && err) {
        *err = why;
    }
    unload(kept);
    if (status == TERN_OK) {
        explain(&feed, reasons.why);
        *out = feed;
        out->series.slots = out->slots;
    }
    return status;
}

/* --- history ------------------------------------------------------------------------------ */

tern_status ti_desk_history(ti_feed *out, ti_desk *desk, const char *zone, int64_t from_s,
                            int64_t to_s, tern_err *err)
{
    ti_query query = {.what = TI_ASK_HISTORY,
                      .zone = zone,
                      .now_s = desk->now_s,
                      .from_s = from_s,
                      .to_s = to_s};
    tern_err why = {0};
    ti_feed reasons = {0};
    tern_status status = ask(out, desk, &query, &why);
    if (status == TERN_OK) {
        return TERN_OK;
    }
    if (!is_bearable(status)) {
        if (err) {
            *err = why;
        }
        return status;
    }
    note(&reasons, &why);
    ti_kept *kept = load(desk, zone);
    status = TERN_UNAVAILABLE;
    if (kept && kept->history.series.n > 0) {
        status = from_cache(out, &kept->history, desk, false, err);
        if (status == TERN_OK) {
            ti_feed_clip(out, from_s, to_s);
            if (out->series.n == 0) {
                ti_feed_free(out);
                status = TERN_UNAVAILABLE;
            }
        }
    }
    unload(kept);
    if (status == TERN_UNAVAILABLE) {
        return nothing(&reasons, zone, err);
    }
    if (status == TERN_OK) {
        explain(out, reasons.why);
    }
    return status;
}

/* --- forecast ----------------------------------------------------------------------------- */

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
    const ti_feed *newest = newest_forecast(kept);
    tern_err why = {0};
    if (newest && is_fresh(newest, desk) && series_end(&newest->series) > desk->now_s) {
        return from_cache(out, newest, desk, true, err);
    }
    tern_status status = ask(out, desk, &query, &why);
    if (status == TERN_OK || !is_bearable(status)) {
        if (status != TERN_OK && err) {
            *err = why;
        }
        return status;
    }
    note(reasons, &why);
    if (newest && newest->series.issued_s >= desk->now_s - TI_STALE_FORECAST_S &&
        series_end(&newest->series) > desk->now_s) {
        return from_cache(out, newest, desk, false, err);
    }
    return TERN_UNAVAILABLE;
}

/* A week of history that derives from: what is kept, completed by asking when it is too short.
 * Returns what is kept afterwards. */
static ti_kept *with_week(ti_desk *desk, ti_kept *kept, const char *zone, ti_feed *reasons)
{
    int64_t from = desk->now_s - (int64_t)(TI_DERIVED_DAYS + 1) * TI_DAY_S;
    ti_query query = {.what = TI_ASK_HISTORY,
                      .zone = zone,
                      .now_s = desk->now_s,
                      .from_s = from,
                      .to_s = desk->now_s};
    tern_err why = {0};
    ti_feed more;
    bool enough = kept && kept->history.series.n > 0 &&
                  kept->history.slots[0].start_s <= from + TI_DAY_S &&
                  series_end(&kept->history.series) >= desk->now_s - TI_DAY_S / 4;
    if (enough) {
        return kept;
    }
    if (ask(&more, desk, &query, &why) != TERN_OK) {
        if (is_bearable(why.status) && !desk->offline) {
            note(reasons, &why);
        }
        return kept;
    }
    if (!kept) {
        kept = ti_calloc(1, sizeof *kept);
        if (kept) {
            ti_feed_init(&kept->history, zone, more.series.source, more.series.basis);
        }
    }
    if (kept) {
        bool was_issued = more.issued;
        more.issued = false;
        (void)ti_kept_add(kept, &more, desk->now_s, NULL);
        more.issued = was_issued;
    }
    ti_feed_free(&more);
    return kept;
}

/* Appends the derived hours that begin at or after the end of what there is. */
static tern_status extend(ti_feed *feed, const ti_kept *kept, const ti_desk *desk, int64_t to_s,
                          tern_err *err)
{
    ti_feed derived;
    int64_t end = series_end(&feed->series);
    tern_status status =
        ti_desk_derive(&derived, &kept->history.series, desk->now_s, end, to_s, NULL);
    if (status != TERN_OK) {
        return status == TERN_NOMEM ? ti_fail_nomem(err, "grid", 0, "a forecast") : TERN_OK;
    }
    bool any = false;
    char from[TI_STAMP_TEXT];
    for (size_t i = 0; status == TERN_OK && i < derived.series.n; i++) {
        ti_slot s = derived.slots[i];
        int64_t s_end = slot_end(&s);
        if (s_end <= end) {
            continue;
        }
        s.start_s = s.start_s < end ? end : s.start_s;
        s.length_s = (uint32_t)(s_end - s.start_s);
        status = ti_feed_add(feed, &s, err);
        any = true;
    }
    ti_feed_free(&derived);
    if (status == TERN_OK && any) {
        ti_feed_because(feed, "from %s on the same hour's mean of the days before",
                        ti_stamp_minutes(from, end));
    }
    return status;
}

/* When the source gave nothing: the same hours before, else the year. */
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
        note(reasons, &why);
    }
    tern_status status = yearly(out, desk, &query, &why);
    if (status == TERN_OK || !(is_bearable(status) || status == TERN_USAGE)) {
        if (status != TERN_OK && err) {
            *err = why;
        }
        return status;
    }
    note(reasons, &why);
    return nothing(reasons, zone, err);
}

static tern_status learn(ti_skill *out, const ti_kept *kept, tern_err *err)
{
    if (!kept || kept->n_forecasts == 0) {
        memset(out, 0, sizeof *out);
        return TERN_OK;
    }
    return ti_skill_of(out, kept->forecasts, kept->n_forecasts, &kept->history.series, err);
}

tern_status ti_desk_forecast(ti_feed *out, ti_skill *skill, ti_desk *desk, const char *zone,
                             int64_t to_s, tern_err *err)
{
    ti_feed feed, reasons = {0};
    ti_skill learnt;
    tern_status status = ti_source_ready(desk->source, zone, err);
    if (status != TERN_OK && !is_bearable(status)) {
        return status;
    }
    if (to_s <= desk->now_s) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET, "a forecast of the past");
    }
    ti_kept *kept = load(desk, zone);
    status = learn(&learnt, kept, err);
    if (status == TERN_OK) {
        status = issued(&feed, desk, kept, zone, to_s, &reasons, err);
        bool have = status == TERN_OK;
        if (have || status == TERN_UNAVAILABLE) {
            if (!have || series_end(&feed.series) < to_s) {
                kept = with_week(desk, kept, zone, &reasons);
            }
            if (have) {
                ti_feed_clip(&feed, desk->now_s, to_s);
                (void)ti_skill_apply(&feed, &learnt);
                status = kept && feed.how != TI_HOW_YEARLY
                             ? extend(&feed, kept, desk, to_s, err)
                             : TERN_OK;
                if (status != TERN_OK) {
                    ti_feed_free(&feed);
                }
            } else {
                status = stand_in(&feed, desk, kept, zone, to_s, &reasons, err);
            }
        }
    }
    unload(kept);
    if (status != TERN_OK) {
        return status;
    }
    explain(&feed, reasons.why);
    *out = feed;
    out->series.slots = out->slots;
    if (skill) {
        *skill = learnt;
    }
    return TERN_OK;
}

tern_status ti_desk_skill(ti_skill *out, ti_desk *desk, const char *zone, tern_err *err)
{
    ti_kept *kept = load(desk, zone);
    if (!kept) {
        return ti_fail(err, TERN_UNAVAILABLE, "grid", TI_NO_OFFSET, "nothing is kept of %s",
                       zone);
    }
    tern_status status = learn(out, kept, err);
    unload(kept);
    return status;
}
