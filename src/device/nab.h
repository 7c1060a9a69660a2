/* SPDX-License-Identifier: Apache-2.0 */
/* device/nab.h - the scoring of the Numenta Anomaly Benchmark.
 *
 * The rules are those of Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms -
 * the Numenta Anomaly Benchmark" (2015), with the constants of NAB's config/profiles.json and
 * the details that its published result files settle:
 *   - a row whose score is at or over the threshold is a detection; one threshold serves all
 *     series, the one that gives the most;
 *   - the first 15 % of a series, of at most 5,000 rows, are not scored;
 *   - with s(y) = 2 / (1 + e^(5 y)) - 1, -1 above y = 3: a detection in a window of w rows,
 *     k rows before its end (the last row has k = 1), is worth s(-k / w) / s(-1); the earliest
 *     detection of a window counts, a window without one costs fn_weight;
 *   - any other detection is worth fp_weight s(k / (w - 1)), k rows after the end of the last
 *     window that had w rows, and -fp_weight before the first;
 *   - 100 is a detection at the first row of each window and no other, 0 is none at all. */
#ifndef TI_DEVICE_NAB_H
#define TI_DEVICE_NAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What a kind of mistake costs; a window found counts 1. */
typedef struct ti_nab_profile {
    const char *name;
    double fp_weight, fn_weight;
} ti_nab_profile;

enum { TI_NAB_PROFILES = 3 };
/* standard, reward_low_FP_rate, reward_low_FN_rate */
extern const ti_nab_profile ti_nab_profiles[TI_NAB_PROFILES];

/* Rows of a window, both ends included. */
typedef struct ti_nab_window {
    uint32_t first, last;
} ti_nab_window;

typedef struct ti_nab_point {
    double score;
    double gain;     /* within a window: of a detection here; else per unit of fp_weight */
    uint32_t window; /* counted over all series, or UINT32_MAX */
} ti_nab_point;

/* All series and their rows; zero-initialise. */
typedef struct ti_nab {
    ti_nab_point *points;
    size_t n_points, room;
    uint32_t n_windows;
} ti_nab;

typedef struct ti_nab_result {
    double score;     /* 0 as none, 100 as perfect */
    double raw;       /* before that */
    double threshold; /* INFINITY where detecting nothing is best */
    uint32_t found;   /* windows with a detection */
    uint32_t alarms;  /* detections outside windows */
} ti_nab_result;

/* Rows of `n_rows` that are not scored. */
uint32_t ti_nab_probation(uint32_t n_rows);

/* Adds a series: scores[n_rows], windows[n_windows] in order, within it and apart.
 * Errors: TERN_USAGE for windows that are not so or a score that is no number, TERN_NOMEM; *nab
 * is then as it was. */
tern_status ti_nab_add(ti_nab *nab, const double *scores, uint32_t n_rows,
                       const ti_nab_window *windows, uint32_t n_windows, tern_err *err);

/* The best threshold and what it gives.  Sorts the points: O(n log n).  No windows at all:
 * score is 0.  Errors: TERN_NOMEM. */
tern_status ti_nab_best(ti_nab_result *out, ti_nab *nab, const ti_nab_profile *profile,
                        tern_err *err);

/* What a given threshold gives.  Errors: TERN_NOMEM. */
tern_status ti_nab_at(ti_nab_result *out, ti_nab *nab, const ti_nab_profile *profile,
                      double threshold, tern_err *err);

/* Frees the rows; a zeroed one is allowed. */
void ti_nab_free(ti_nab *nab);

#endif
