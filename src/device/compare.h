/* SPDX-License-Identifier: Apache-2.0 */
/* device/compare.h - detectors side by side on the same readings.
 *
 * Each gives a score to each reading, and at a threshold alarms: a score over it, when none was
 * within the day before.  Thresholds are the least with which a detector has no more than one
 * alarm in 30 days of readings as they are; so what is compared is what is found at the same
 * cost.  The first four weeks are not judged. */
#ifndef TI_DEVICE_COMPARE_H
#define TI_DEVICE_COMPARE_H

#include <stdint.h>

#include "base/err.h"
#include "device/faults.h"

typedef enum ti_contender {
    /* tern_edge_meter of edge/core, without a network: its score; "frozen" is an alarm too. */
    TI_CONTENDER_METER = 0,
    /* tern_edge_watch of edge/core: its surprise. */
    TI_CONTENDER_WATCH,
    /* tern_edge_level of edge/core: the last 32 hours beside the last 512. */
    TI_CONTENDER_LEVEL,
    /* The largest of these, each divided by its own threshold. */
    TI_CONTENDER_ALL,
    /* |x - median of this hour of the week in the last 8 weeks| / the median of these distances
     * in the last 28 days. */
    TI_CONTENDER_MAD,
    /* |x - mean of the last 28 days| / their standard deviation. */
    TI_CONTENDER_Z,
    TI_CONTENDERS
} ti_contender;

/* "meter", "watch", "level", "all three", "seasonal MAD", "z-score" */
extern const char *const ti_contender_names[TI_CONTENDERS];

typedef struct ti_found {
    uint32_t faults, found; /* found: an alarm while it lasts */
    uint32_t false_alarms;  /* neither while one lasts nor in the day after */
    uint32_t days;          /* that were judged, over all repetitions */
    double delay_h;         /* median, from the first faulty reading; NAN: none was found */
    double chance;          /* share of faults that alarms at random would meet */
} ti_found;

typedef struct ti_comparison {
    double thresholds[TI_CONTENDERS];
    uint32_t clean_alarms[TI_CONTENDERS]; /* on readings as they are */
    uint32_t clean_days;
    ti_found found[TI_CONTENDERS][TI_FAULT_KINDS];
} ti_comparison;

/* Compares all on one meter: `seeds` times, each kind by itself, a fault in each 8 weeks.  The
 * interval must divide an hour.  Cost: 26 * seeds runs of the readings.
 * Errors: TERN_USAGE when the readings are fewer than 16 weeks, TERN_NOMEM. */
tern_status ti_compare(ti_comparison *out, const ti_readings *readings, uint32_t seeds,
                       tern_err *err);

/* One detector's scores, for tests.  scores: [readings->n].  Errors: TERN_NOMEM. */
tern_status ti_contender_scores(double *scores, ti_contender which, const ti_readings *readings,
                                tern_err *err);

/* Finite values become readings of a detector of edge/core times a power of two: the largest
 * magnitude of the first `n` becomes 2^14 .. 2^15.  Returns it. */
double ti_binary_scale(const double *values, uint32_t n);

/* value * scale, rounded, cut to what a detector of edge/core takes; NAN: missing. */
int32_t ti_scaled(double value, double scale);

#endif
