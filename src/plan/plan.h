/* SPDX-License-Identifier: Apache-2.0 */
/* plan/plan.h - when and where a job runs: values in, a decision and its reasons out.
 *
 * No clock, no file, no socket: the same series and the same job give the same decision, so
 * that one which was logged can be repeated.  Sums are exact, rounded once, at the end.
 *
 * What a decision promises, in this order:
 *   1. the deadline is kept with the longest duration that was named; where that is in doubt
 *      (no data, no slack) the job runs now;
 *   2. nothing that is expected to be dirtier than running now is chosen;
 *   3. when the gain is below what the forecasts' error allows to believe at the confidence
 *      asked for, the job runs now; an error that is not known is taken to be a large one;
 *   4. else the fewest expected grams; among starts that are within a band of the best one the
 *      job's id chooses, so that many jobs do not all start in the same second. */
#ifndef TI_PLAN_PLAN_H
#define TI_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "plan/series.h"

enum {
    TI_DURATIONS_MAX = 8,        /* points of a distribution */
    TI_WEIGHTS_MAX = 1000,       /* sum of its weights */
    TI_PLAN_ZONES_MAX = 4096,    /* series in one planner */
    TI_WHYS_MAX = 8,             /* reasons in a decision */
    TI_ASSUMED_PERCENT = 36,     /* error of a forecast of which none is known: that of the mean
                                  * of seven days where it is worst, docs/scheduling.md */
    TI_BAND_PERMILLE = 50,       /* the usual band: 5 % above the best */
    TI_CONFIDENCE_PERMILLE = 600 /* saves nearly what any gain does, waits less in vain */
};

/* A duration and how likely it is, as a share of the sum of all weights. */
typedef struct ti_duration {
    uint32_t duration_s; /* > 0 */
    uint32_t weight;     /* > 0 */
} ti_duration;

/* What is to be run. */
typedef struct ti_plan_job {
    uint64_t id;          /* chooses within the band; the same id always chooses the same */
    int64_t earliest_s;   /* now, or later when it may not start at once */
    int64_t deadline_s;   /* it must have ended by then, whatever its duration */
    uint32_t n_durations; /* 1 when it is known */
    ti_duration durations[TI_DURATIONS_MAX]; /* ascending; the deadline holds for the last */
    bool interruptible;     /* may be cut into slices; planned for the longest duration */
    uint32_t min_slice_s;   /* work in a slice at least, 0 = any */
    uint32_t overhead_s;    /* run time lost by each interruption (saving, loading) */
    uint32_t band_permille; /* 0 = always the best start */
    uint32_t
        confidence_permille; /* with which waiting must gain; 0 = any expected gain will do */
} ti_plan_job;

/* A part of a run. */
typedef struct ti_slice {
    int64_t start_s;
    uint32_t length_s;
} ti_slice;

/* What a reason is about; `a` and `b` of ti_why. */
typedef enum ti_why_code {
    TI_WHY_NOW_IS_BEST = 0, /* no start is cleaner than the first one */
    TI_WHY_LATER,           /* a = gain in ug per kW, b = wait in s */
    TI_WHY_ZONE,            /* another zone than the first: a = gain in ug per kW, b = zone */
    TI_WHY_UNDER_ERROR,     /* runs now: a = gain, b = gain needed, in mg/kWh of the mean */
    TI_WHY_ERROR_UNKNOWN,   /* a forecast's error is not known, TI_ASSUMED_PERCENT was taken:
                             * a = gain, b = gain needed, in mg/kWh of the mean */
    TI_WHY_NO_SLACK,        /* the deadline leaves no other start */
    TI_WHY_TOO_LATE,        /* the deadline cannot be kept: a = s too late */
    TI_WHY_NOT_COVERED,     /* runs now: intensities are known until a only, b = needed until */
    TI_WHY_HORIZON,         /* nothing is known from a to the deadline b; planned until a */
    TI_WHY_GAP,             /* inside of what is known, gaps were stepped over */
    TI_WHY_SPREAD,          /* a = s from the best start to the one that the id chose */
    TI_WHY_SLICES,          /* a = number of slices, b = s of overhead */
    TI_WHY_COARSE,          /* slices were looked for in steps of a s, not exactly */
    TI_WHY_CODES
} ti_why_code;

typedef struct ti_why {
    ti_why_code code;
    int64_t a, b;
} ti_why;

/* Emissions of a run, expected over its durations. */
typedef struct ti_plan_cost {
    uint64_t co2_ug_per_kw; /* for each kW that the job draws; rounded half up */
    uint32_t mean_mg_kwh;   /* mean intensity while it runs; rounded half up */
} ti_plan_cost;

typedef struct ti_decision {
    bool wait;   /* it starts later than at earliest_s, or elsewhere than in zone 0 */
    size_t zone; /* index of the series */
    int64_t start_s, end_s; /* end with the longest duration */
    ti_plan_cost cost;
    bool has_now;                 /* `now` is known */
    ti_plan_cost now;             /* the counterfactual: zone 0, at earliest_s, in one piece */
    int64_t gain_ug_per_kw;       /* now - cost; never negative where `now` is known */
    uint32_t error_mg_kwh;        /* of the gain, one sigma, or TI_ERROR_UNKNOWN */
    uint32_t confidence_permille; /* that the chosen start (or the best one that was given up
                                   * for now) is cleaner; 0 when not known */
    const ti_slice *slices;       /* [n_slices], in the planner until its next decision */
    size_t n_slices;              /* 1 unless interruptible */
    uint32_t n_whys;
    ti_why whys[TI_WHYS_MAX];
} ti_decision;

typedef struct ti_curve ti_curve;
typedef struct ti_point ti_point;

/* Series prepared for many decisions, and the memory that these need.  One thread at a time. */
typedef struct ti_planner {
    ti_curve *curves; /* [n] */
    size_t n;
    ti_point *points; /* [points_cap] */
    size_t points_cap;
    ti_slice *slices; /* [slices_cap] */
    size_t slices_cap;
    unsigned char *marks; /* [marks_cap], zero between decisions */
    size_t marks_cap;
} ti_planner;

/* Prepares.  The first series is where the job is now; `series` and their slots must live as
 * long as the planner.  Cost: O(n log n) of all slots.
 * Errors: TERN_USAGE (none, too many, or bases that differ, by name: they are never compared),
 * those of ti_series_check(), TERN_NOMEM. */
tern_status ti_plan_open(ti_planner *out, const ti_series *const *series, size_t n,
                         tern_err *err);

/* Frees.  Zeroed is allowed. */
void ti_plan_close(ti_planner *planner);

/* Decides.  A job always gets a decision: what speaks against waiting is a reason, no error.
 * Cost: O(slots between earliest and deadline) a zone; with min_slice_s or overhead_s at most
 * 2^20 steps a zone.
 * Errors: TERN_USAGE (a job that contradicts itself), TERN_NOMEM. */
tern_status ti_plan_decide(ti_decision *out, ti_planner *planner, const ti_plan_job *job,
                           tern_err *err);

/* The cost in hindsight: what a run in these slices was, by a series of what happened.  False
 * when the series does not cover it. */
bool ti_plan_cost_of(ti_plan_cost *out, const ti_series *series, const ti_slice *slices,
                     size_t n);

/* Probability in permille that a normal value is below `tenths` tenths of sigma: 500 for 0. */
uint32_t ti_normal_permille(int64_t tenths);

/* Thousandths of a sigma below which a normal value is with that probability; 0 for 500 and
 * less, at most 4000. */
uint32_t ti_normal_sigma(uint32_t permille);

#endif
