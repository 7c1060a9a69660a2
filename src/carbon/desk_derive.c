/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in for a forecast that nobody gives: that of plan/forecast.h, hour by hour, so
 * that an hour of which nothing is known is a gap and not the end of all others. */
#include "carbon/desk.h"

#include <string.h>

#include "carbon/desk_parts.h"
#include "carbon/stamp.h"
#include "carbon/zone_time.h"
#include "plan/forecast.h"

size_t ti_desk_backtest(ti_errors *out, const ti_series *history, int64_t now_s)
{
    ti_forecast_ask ask = {.made_s = now_s,
                           .from_s = now_s,
                           .step_s = TI_DERIVED_STEP_S,
                           .utc_offset_s = ti_zone_utc_offset_s(history->zone)};
    memset(out, 0, sizeof *out);
    return ti_forecast_learn(out, history, &ask);
}

/* The hours of [from_s, to_s); the first may be what is left of one. */
static tern_status derive_hours(ti_feed *feed, const ti_series *history, int64_t now_s,
                                int64_t from_s, int64_t to_s, tern_err *err)
{
    tern_err why = {0};
    int64_t end_s;
    for (int64_t at = from_s; at < to_s && at < now_s + TI_FORECAST_SPAN_S; at = end_s) {
        ti_slot slot;
        end_s = ti_stamp_floor(at, TI_DERIVED_STEP_S) + TI_DERIVED_STEP_S;
        if (end_s > now_s + TI_FORECAST_SPAN_S) {
            end_s = now_s + TI_FORECAST_SPAN_S;
        }
        ti_forecast_ask ask = {.made_s = now_s,
                               .from_s = at,
                               .step_s = (uint32_t)(end_s - at),
                               .n = 1,
                               .utc_offset_s = ti_zone_utc_offset_s(history->zone)};
        tern_status status = ti_forecast_make(&slot, history, &ask, &why);
        if (status == TERN_OK) {
            status = ti_feed_add(feed, &slot, &why);
        }
        if (status != TERN_OK && status != TERN_UNAVAILABLE) {
            if (err) {
                *err = why;
            }
            return status;
        }
    }
    if (feed->series.n == 0) {
        return ti_fail(err, TERN_UNAVAILABLE, history->source, TI_NO_OFFSET, "%s",
                       why.status != TERN_OK ? why.message : "nothing to derive");
    }
    return TERN_OK;
}

tern_status ti_desk_derive(ti_feed *out, const ti_series *history, int64_t now_s,
                           int64_t from_s, int64_t to_s, tern_err *err)
{
    ti_feed feed;
    ti_errors errors;
    if (history->n == 0 ||
        history->slots[0].start_s > now_s - (int64_t)TI_DERIVED_DAYS_MIN * TI_DAY_S) {
        return ti_fail(err, TERN_UNAVAILABLE, history->source, TI_NO_OFFSET,
                       "fewer than %d days are known of %s", TI_DERIVED_DAYS_MIN,
                       history->zone);
    }
    ti_feed_init(&feed, history->zone, history->source, history->basis);
    tern_status status = derive_hours(&feed, history, now_s, from_s, to_s, err);
    if (status != TERN_OK) {
        ti_feed_free(&feed);
        return status;
    }
    (void)ti_desk_backtest(&errors, history, now_s);
    ti_errors_stamp(&errors, feed.slots, feed.series.n, now_s);
    feed.how = TI_HOW_DERIVED;
    feed.obtained_s = feed.series.issued_s = now_s;
    *out = feed;
    out->series.slots = out->slots;
    return TERN_OK;
}
