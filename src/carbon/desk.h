/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/desk.h - asking for intensities and always getting an answer that says what it is.
 *
 * A desk is a source, the cache beside it, and the yearly table behind both.  When the source
 * is down, silent, stale or says what cannot be, the next best thing stands in, and feed.how
 * and feed.why say which and why: live     the source, just now; or the cache while that is as
 * fresh as the source's own step cache    what the source said earlier derived  the mean of the
 * same hour on up to seven days before, with its spread as error yearly   the yearly table's
 * figure of the very zone: flat, and possibly on another basis, which the feed says; never
 * compared or merged with the others Never 0 g, never another zone, and nothing at all
 * (TERN_UNAVAILABLE) rather than a guess.
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
    TI_DERIVED_DAYS = 7,
    TI_DERIVED_DAYS_MIN = 3, /* of the same hour, without which there is no mean */
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
 * ti_desk_now(); there is no derived history, and no yearly one. */
tern_status ti_desk_history(ti_feed *out, ti_desk *desk, const char *zone, int64_t from_s,
                            int64_t to_s, tern_err *err);

/* What is expected from now to `to_s`: the source's forecast with the error that was learnt
 * (`skill`, may be NULL), and past its end the derived one.  The first slot holds now_s.
 * Errors: as ti_desk_now(). */
tern_status ti_desk_forecast(ti_feed *out, ti_skill *skill, ti_desk *desk, const char *zone,
                             int64_t to_s, tern_err *err);

/* The same hour's mean over the days before, for [from_s, to_s) in steps of an hour, from
 * actual slots that ended by now_s; error_mg_kwh is the distance from that mean which two of
 * three of those days kept (widened for their small number).  Hours with fewer than
 * TI_DERIVED_DAYS_MIN days stay gaps.  Pure.  Errors: TERN_NOMEM, TERN_UNAVAILABLE (not one
 * hour). */
tern_status ti_desk_derive(ti_feed *out, const ti_series *history, int64_t now_s,
                           int64_t from_s, int64_t to_s, tern_err *err);

/* How far the source's kept forecasts were from what happened.  Errors: TERN_UNAVAILABLE
 * (nothing is kept), TERN_NOMEM. */
tern_status ti_desk_skill(ti_skill *out, ti_desk *desk, const char *zone, tern_err *err);

#endif
