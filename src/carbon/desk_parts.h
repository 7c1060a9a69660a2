/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/desk_parts.h - what the files of the desk share; for them alone. */
#ifndef TI_CARBON_DESK_PARTS_H
#define TI_CARBON_DESK_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "carbon/desk.h"
#include "plan/error.h"

/* Failures that another answer may stand in for; the rest are the caller's, or the machine's.
 * A file that cannot be read is the caller's: he named it. */
bool ti_desk_may_stand_in(const ti_desk *desk, tern_status status);

/* Asks the source, judges the answer, and keeps it.  Errors: as ti_source_get(), and
 * TERN_UNAVAILABLE for what is not believed. */
tern_status ti_desk_ask(ti_feed *out, ti_desk *desk, const ti_query *query, tern_err *err);

/* What is kept, on the heap (it is large); NULL when there is none, or no cache. */
ti_kept *ti_desk_load(ti_desk *desk, const char *zone);

/* Frees what ti_desk_load() gave; NULL is allowed. */
void ti_desk_unload(ti_kept *kept);

/* The forecast that was issued last, or NULL; NULL is allowed. */
const ti_feed *ti_kept_newest(const ti_kept *kept);

/* A copy of a kept feed that says how old it is, unless it is `fresh`.  Errors: TERN_NOMEM. */
tern_status ti_desk_from_cache(ti_feed *out, const ti_feed *kept, const ti_desk *desk,
                               bool fresh, tern_err *err);

/* True while the source cannot know more than what is kept. */
bool ti_desk_is_fresh(const ti_feed *kept, const ti_desk *desk);

/* The yearly figure of the very zone.  Errors: TERN_UNAVAILABLE (no table), TERN_USAGE (zone),
 * TERN_NOMEM. */
tern_status ti_desk_yearly(ti_feed *out, const ti_desk *desk, const ti_query *query,
                           tern_err *err);

/* Puts reasons in front of what the feed itself says. */
void ti_desk_explain(ti_feed *feed, const char *reasons);

/* Adds a failure to the reasons. */
void ti_desk_note(ti_feed *reasons, const tern_err *err);

/* Fails with TERN_UNAVAILABLE and all the reasons. */
tern_status ti_desk_nothing(const ti_feed *reasons, const char *zone, tern_err *err);

/* The end of the last slot; 0 of none. */
int64_t ti_series_end(const ti_series *series);

/* How far the keyless forecast would have been off on this history, had it been made at moments
 * of the past.  Returns how many pairs that are.  Cost: a few milliseconds. */
size_t ti_desk_backtest(ti_errors *out, const ti_series *history, int64_t now_s);

#endif
