/* SPDX-License-Identifier: Apache-2.0 */
/* plan/forecast.h - what comes, from what was: for grids whose forecast nobody gives away.
 *
 * Two ways, both from actual slots only and nothing after the moment they are made at:
 *   TI_FORECAST_WEEK  the mean of the same time of day over the last seven days that are known
 *   TI_FORECAST_DAYS  the mean over 28 days, recent ones heavier (0.95 a day), days of the
 * other kind (working day, weekend) at a quarter; plus the error that this made in the last
 * hours (weights 1/e an hour), of which 90 % are expected to go on and to fade with 36 hours
 * The four constants were fitted on Germany and Great Britain 2020 and shown on 2024 and
 * California (docs/scheduling.md).  Whole numbers throughout. */
#ifndef TI_PLAN_FORECAST_H
#define TI_PLAN_FORECAST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "plan/error.h"
#include "plan/series.h"

/* A day more than the longest job, which does not begin at this very moment. */
enum { TI_FORECAST_DAY_S = 86400, TI_FORECAST_SPAN_S = 15 * 86400 };

typedef enum ti_forecast_kind { TI_FORECAST_DAYS = 0, TI_FORECAST_WEEK } ti_forecast_kind;

typedef struct ti_forecast_ask {
    ti_forecast_kind kind;
    int64_t made_s;       /* nothing after this moment is looked at */
    int64_t from_s;       /* start of the first slot; not before made_s */
    uint32_t step_s;      /* length of each, at most an hour */
    size_t n;             /* slots; at most TI_FORECAST_SPAN_S in all, counted from made_s */
    int32_t utc_offset_s; /* local time of the grid, for its weekends */
} ti_forecast_ask;

/* Fills out[ask->n] with slots of kind TI_SLOT_DERIVED whose error is not known yet.  Values
 * stay within the lowest and highest of the days they are made of. Cost: O(28 n log slots).
 * Errors: TERN_USAGE; TERN_UNAVAILABLE when a time of day has no value in the days before. */
tern_status ti_forecast_make(ti_slot *out, const ti_series *history, const ti_forecast_ask *ask,
                             tern_err *err);

/* Makes such forecasts for moments of the past, as they would have been made then, and learns
 * from what happened: for a zone of which no past forecasts were kept.  48 moments, seven hours
 * apart, 48 hours each.  Returns how many pairs were learnt. */
size_t ti_forecast_learn(ti_errors *errors, const ti_series *history,
                         const ti_forecast_ask *ask);

#endif
