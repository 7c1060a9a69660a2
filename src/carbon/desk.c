/* SPDX-License-Identifier: Apache-2.0 */
/* Asking, what is kept, now, and history.  Forecasts are in desk_forecast.c, what stands in for
 * one in desk_derive.c. */
#include "carbon/desk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/desk_parts.h"
#include "carbon/stamp.h"

bool ti_desk_may_stand_in(const ti_desk *desk, tern_status status)
{
    bool silent = status == TERN_UNAVAILABLE || status == TERN_UNSUPPORTED;
    bool broken = status == TERN_CORRUPT || status == TERN_LIMIT || status == TERN_IO;
    return silent || (broken && desk->source->kind->network);
}

static int64_t slot_end(const ti_slot *slot)
{
    return slot->start_s + slot->length_s;
}

int64_t ti_series_end(const ti_series *s)
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
    if (what == TI_ASK_NOW && ti_series_end(&feed->series) <= desk->now_s - TI_STALE_NOW_S) {
        return "its newest value is more than three hours old";
    }
    if (what == TI_ASK_FORECAST && ti_series_end(&feed->series) <= desk->now_s) {
        return "its forecast has ended";
    }
    if (what == TI_ASK_FORECAST && desk->source->kind->network &&
        feed->series.issued_s < desk->now_s - TI_STALE_FORECAST_S) {
        return "its forecast is more than a day old";
    }
    return NULL;
}

/* Asks the source, judges the answer, and keeps it. */
tern_status ti_desk_ask(ti_feed *out, ti_desk *desk, const ti_query *query, tern_err *err)
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
ti_kept *ti_desk_load(ti_desk *desk, const char *zone)
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

void ti_desk_unload(ti_kept *kept)
{
    if (kept) {
        ti_kept_free(kept);
        free(kept);
    }
}

const ti_feed *ti_kept_newest(const ti_kept *kept)
{
    return kept && kept->n_forecasts > 0 ? &kept->forecasts[kept->n_forecasts - 1] : NULL;
}

/* A copy that says how old it is. */
tern_status ti_desk_from_cache(ti_feed *out, const ti_feed *kept, const ti_desk *desk,
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

bool ti_desk_is_fresh(const ti_feed *kept, const ti_desk *desk)
{
    int64_t age = desk->now_s - kept->obtained_s;
    return !desk->refresh && age >= 0 && age < (int64_t)desk->source->kind->step_s;
}

/* --- standing in ---------------------------------------------------------------------------
 */

/* The yearly figure of the very zone. */
tern_status ti_desk_yearly(ti_feed *out, const ti_desk *desk, const ti_query *query,
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
void ti_desk_explain(ti_feed *feed, const char *reasons)
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

void ti_desk_note(ti_feed *reasons, const tern_err *err)
{
    ti_feed_because(reasons, "%s: %s", err->module, err->message);
}

tern_status ti_desk_nothing(const ti_feed *reasons, const char *zone, tern_err *err)
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
    if (kept->series.n == 0 || ti_desk_from_cache(out, kept, desk, fresh, NULL) != TERN_OK) {
        return false;
    }
    if (keep_now(out, desk->now_s)) {
        return true;
    }
    ti_feed_free(out);
    return false;
}

/* From what is kept: the value of now, the newest forecast's, one from history. */
static bool now_from_kept(ti_feed *out, const ti_kept *kept, const ti_desk *desk)
{
    const ti_feed *forecast = ti_kept_newest(kept);
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
    if (status != TERN_OK && !ti_desk_may_stand_in(desk, status)) {
        return status;
    }
    ti_kept *kept = ti_desk_load(desk, zone);
    const ti_feed *history =
        kept && ti_desk_is_fresh(&kept->history, desk) ? &kept->history : NULL;
    if (history && ti_series_covered(&history->series, desk->now_s) > desk->now_s &&
        now_from(&feed, history, desk, true)) {
        status = TERN_OK;
    } else {
        status = ti_desk_ask(&feed, desk, &query, &why);
        if (status == TERN_OK && !keep_now(&feed, desk->now_s)) {
            ti_feed_free(&feed);
            status = ti_fail(&why, TERN_UNAVAILABLE, desk->source->kind->name, TI_NO_OFFSET,
                             "it has no value for now");
        }
    }
    if (status != TERN_OK && ti_desk_may_stand_in(desk, status)) {
        ti_desk_note(&reasons, &why);
        status = TERN_OK;
        if (!now_from_kept(&feed, kept, desk)) {
            status = ti_desk_yearly(&feed, desk, &query, &why);
            if (status != TERN_OK) {
                ti_desk_note(&reasons, &why);
                status = ti_desk_nothing(&reasons, zone, err);
            }
        }
    } else if (status != TERN_OK && err) {
        *err = why;
    }
    ti_desk_unload(kept);
    if (status == TERN_OK) {
        ti_desk_explain(&feed, reasons.why);
        *out = feed;
        out->series.slots = out->slots;
    }
    return status;
}

/* --- history ------------------------------------------------------------------------------ */

/* True when the source could say no more about that time than what is kept. */
static bool has_all(const ti_feed *history, const ti_desk *desk, int64_t from_s, int64_t to_s)
{
    int64_t covered = ti_series_covered(&history->series, from_s);
    return ti_desk_is_fresh(history, desk) && covered > from_s &&
           (covered >= to_s || (covered == ti_series_end(&history->series) &&
                                covered > desk->now_s - TI_STALE_NOW_S));
}

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
    tern_status status = ti_source_ready(desk->source, zone, err);
    if (status != TERN_OK && !ti_desk_may_stand_in(desk, status)) {
        return status;
    }
    ti_kept *kept = ti_desk_load(desk, zone);
    if (kept && has_all(&kept->history, desk, from_s, to_s)) {
        status = ti_desk_from_cache(out, &kept->history, desk, true, err);
        ti_desk_unload(kept);
        if (status == TERN_OK) {
            ti_feed_clip(out, from_s, to_s);
        }
        return status;
    }
    ti_desk_unload(kept);
    status = ti_desk_ask(out, desk, &query, &why);
    if (status == TERN_OK) {
        return TERN_OK;
    }
    if (!ti_desk_may_stand_in(desk, status)) {
        if (err) {
            *err = why;
        }
        return status;
    }
    ti_desk_note(&reasons, &why);
    kept = ti_desk_load(desk, zone);
    status = TERN_UNAVAILABLE;
    if (kept && kept->history.series.n > 0) {
        status = ti_desk_from_cache(out, &kept->history, desk, false, err);
        if (status == TERN_OK) {
            ti_feed_clip(out, from_s, to_s);
            if (out->series.n == 0) {
                ti_feed_free(out);
                status = TERN_UNAVAILABLE;
            }
        }
    }
    ti_desk_unload(kept);
    if (status == TERN_UNAVAILABLE) {
        return ti_desk_nothing(&reasons, zone, err);
    }
    if (status == TERN_OK) {
        ti_desk_explain(out, reasons.why);
    }
    return status;
}
