/* SPDX-License-Identifier: Apache-2.0 */
/* plan/curve.h - a series with its running sums; inside of plan only. */
#ifndef TI_PLAN_CURVE_H
#define TI_PLAN_CURVE_H

#include "plan/plan.h"

struct ti_curve {
    const ti_series *series;
    uint64_t *sums;  /* [n + 1]: intensity times seconds of the slots before */
    uint32_t *order; /* [n]: slots from the cleanest to the dirtiest, earlier ones first */
};

/* A start at which the cost of a window bends, and how the cost goes on until the next one. */
struct ti_point {
    int64_t time_s;
    uint64_t cost;     /* mg s / kWh, times the sum of weights */
    int64_t slope;     /* of cost, a second; 0 at the last of a run */
    uint32_t length_s; /* seconds until the next point; 1 at the last of a run */
};

/* One way to run a job in one zone. */
typedef struct ti_option {
    bool there;
    size_t zone;
    int64_t start_s;
    uint64_t cost;     /* as in ti_point */
    uint32_t run_s;    /* with overhead; of the longest duration */
    uint32_t coarse_s; /* steps of a search that was not exact, else 0 */
} ti_option;

/* Sum of the job's weights, and of weight times duration. */
uint64_t ti_job_weight(const ti_plan_job *job);
uint64_t ti_job_weighted_s(const ti_plan_job *job);
uint32_t ti_job_longest(const ti_plan_job *job);

static inline int64_t ti_slot_end(const ti_slot *slot)
{
    return slot->start_s + slot->length_s;
}

/* Running sum up to a moment that is inside of slot i, at its start, or in the gap before it.
 */
static inline uint64_t ti_curve_at(const ti_curve *curve, size_t i, int64_t time_s)
{
    const ti_series *s = curve->series;
    if (i == s->n || time_s <= s->slots[i].start_s) {
        return curve->sums[i];
    }
    return curve->sums[i] +
           (uint64_t)(time_s - s->slots[i].start_s) * s->slots[i].intensity_mg_kwh;
}

/* Makes room for n points, slices or marks.  Errors: TERN_NOMEM. */
tern_status ti_planner_points(ti_planner *planner, size_t n, tern_err *err);
tern_status ti_planner_slices(ti_planner *planner, size_t n, tern_err *err);
tern_status ti_planner_marks(ti_planner *planner, size_t n, tern_err *err);

/* Puts all bending points of the job in that zone into planner->points; *n of them, ascending.
 * Errors: TERN_NOMEM. */
tern_status ti_window_points(ti_planner *planner, size_t *n, size_t zone,
                             const ti_plan_job *job, tern_err *err);

/* The cheapest of n points, the earliest of equals. */
ti_option ti_window_best(const ti_planner *planner, size_t n, size_t zone,
                         const ti_plan_job *job);

/* Chooses by the job's id among all seconds at which the cost is at most `limit`; `best` when
 * there is no other. */
ti_option ti_window_spread(const ti_planner *planner, size_t n, const ti_option *best,
                           const ti_plan_job *job, uint64_t limit);

/* The cheapest slots, one of them in part.  Fills planner->slices, *n of them. */
tern_status ti_slices_free(ti_option *out, ti_planner *planner, size_t *n, size_t zone,
                           const ti_plan_job *job, tern_err *err);

/* The same where slices have a least length or interruptions a price. */
tern_status ti_slices_bound(ti_option *out, ti_planner *planner, size_t *n, size_t zone,
                            const ti_plan_job *job, tern_err *err);

/* Moves slices that were found in coarse steps to where they are cheapest; the option's start,
 * run and cost follow. */
void ti_slices_polish(ti_option *option, ti_slice *slices, size_t *n, const ti_series *series,
                      const ti_plan_job *job);

/* Error (one sigma, mg/kWh of the mean) of the difference between running in `slices` in zone
 * `zone` and in [now_s, now_s + now_len_s) in zone 0.  Errors are taken as wholly dependent
 * inside each of the two (an upper bound) and independent between them; what both have in
 * common cancels.  TI_ERROR_UNKNOWN when a slot's is. */
uint32_t ti_gain_error(const ti_planner *planner, size_t zone, const ti_slice *slices, size_t n,
                       int64_t now_s, uint32_t now_len_s);

/* The error of a gain where that of the forecasts is not known: TI_ASSUMED_PERCENT of both
 * intensities, independent of each other. */
uint32_t ti_gain_assumed(uint64_t now_mg, uint64_t later_mg);

#endif
