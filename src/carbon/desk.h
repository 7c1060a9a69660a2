/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/desk.h - asking for intensities and always getting an answer that says what it is.
 *
 * A desk is a source, the cache beside it, and the yearly table behind both.  When the source
 * is down, silent, stale or says what cannot be, the next best thing stands in, and feed.how
 * and feed.why say which and why:
 *   live     the source, just now; or the cache while that is as fresh as the source's own step
 *   cache    what the source said earlier
 *   derived  the keyless forecast of plan/forecast.h from four weeks of history, with the error
 *            that it would have had at moments of these weeks
 *   yearly   the yearly table's figure of the very zone: flat, and possibly on another basis,
 *            which the feed says; never compared or merged with the others
 * Never 0 g, never another zone, and nothing at all (TERN_UNAVAILABLE) rather than a guess.
 * Nothing stands in for a file that is missing, broken, or about other zones.
 *
 *     ti_desk desk = {.source = &source, .cache_dir = dir, .grid = &grid, .now_s = time};
 *     ti_desk_forecast(&feed, &skill, &desk, "GB", now + 48 * 3600, &err);
 *     ... feed.series: slots from now on, ascending, each with kind and error ...
 *     ti_feed_free(&feed); */
#ifndef TI_CARBON_DESK_H
#define TI_CARBON_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "carbon/cache.h"
#include "carbon/skill.h"
#include "carbon/source.h"

enum {
    TI_STALE_NOW_S = 10800,      /* a value that ended longer ago is not `now` */
    TI_STALE_FORECAST_S = 86400, /* a forecast that was issued longer ago is not used */
    TI_CONSTANT_SLOTS = 24,      /* so many equal values ... */
    TI_CONSTANT_S = 86400,       /* ... over so long: something hangs */
    TI_DERIVED_DAYS_MIN = 3,     /* of history, without which no forecast is made of it */
    TI_DERIVED_STEP_S = 3600
};

typedef struct ti_desk {
    ti_source *source;     /* whom to ask */
    const char *cache_dir; /* where what was said is kept, or NULL */
    const ti_grid *grid;   /* the yearly table, or NULL: no last resort */
    int64_t now_s;         /* the clock */
    bool offline;          /* do not ask */
    bool refresh;          /* ask also when what is kept is fresh */
    tern_err trouble;      /* status not TERN_OK: the cache could not be written or read */
} ti_desk;

/* The intensity now: one slot, which holds now_s, or ended at most TI_STALE_NOW_S ago (the
 * newest that there is).  Errors: TERN_UNAVAILABLE when nothing at all can stand in, with every
 * reason; TERN_USAGE (zone, basis), TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_desk_now(ti_feed *out, ti_desk *desk, const char *zone, tern_err *err);

/* What happened in [from_s, to_s), as far as it is known; gaps stay gaps.  Errors: as
 * ti_desk_now(); there is no derived history, and no yearly one.  While what is kept is fresh
 * and has no gap, nobody is asked. */
tern_status ti_desk_history(ti_feed *out, ti_desk *desk, const char *zone, int64_t from_s,
                            int64_t to_s, tern_err *err);

/* What is expected from now to `to_s`: the source's forecast, and past its end the derived one.
 * The first slot holds now_s.  Errors of slots are those that the zone's kept forecasts of that
 * lead turned out to have (plan/error.h; `skill`, which may be NULL, sums them up for people),
 * and while there are none, those of the keyless forecast.  Four weeks of history are asked for
 * when they are not kept: forecasts are compared with them.
 * Errors: as ti_desk_now(). */
tern_status ti_desk_forecast(ti_feed *out, ti_skill *skill, ti_desk *desk, const char *zone,
                             int64_t to_s, tern_err *err);

/* What was expected at `then_s`, a moment of the past, up to `to_s`: the forecast that had been
 * issued last and was kept, of the day before, else what would have been made of what had
 * happened by then; with the error of the keyless forecast, learnt from nothing later.
 * Errors: as ti_desk_now(). */
tern_status ti_desk_forecast_then(ti_feed *out, ti_desk *desk, const char *zone, int64_t then_s,
                                  int64_t to_s, tern_err *err);

/* The forecast of plan/forecast.h for [from_s, to_s), in hours (the first is what is left of
 * one), at most 14 days ahead, from what had happened by now_s; working days are those of the
 * zone's own clock, as far as its name tells (carbon/zone_time.h).  Hours of which nothing is
 * known stay gaps.  Pure.  Errors: TERN_NOMEM, TERN_UNAVAILABLE (not one hour, or a history of
 * fewer than TI_DERIVED_DAYS_MIN days). */
tern_status ti_desk_derive(ti_feed *out, const ti_series *history, int64_t now_s,
                           int64_t from_s, int64_t to_s, tern_err *err);

/* How far the source's kept forecasts were from what happened.  Errors: TERN_UNAVAILABLE
 * (nothing is kept), TERN_NOMEM. */
tern_status ti_desk_skill(ti_skill *out, ti_desk *desk, const char *zone, tern_err *err);

#endif
