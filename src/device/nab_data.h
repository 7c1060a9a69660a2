/* SPDX-License-Identifier: Apache-2.0 */
/* device/nab_data.h - the files of the Numenta Anomaly Benchmark: series, labels, results. */
#ifndef TI_DEVICE_NAB_DATA_H
#define TI_DEVICE_NAB_DATA_H

#include "device/nab.h"

typedef struct ti_nab_series {
    char *name; /* "realTweets/Twitter_volume_FB.csv" */
    uint32_t n_rows, n_windows;
    uint32_t *time_s; /* [n_rows], as written: a local time */
    double *values;   /* [n_rows] */
    ti_nab_window *windows;
} ti_nab_series;

typedef struct ti_nab_set {
    ti_nab_series *series;
    uint32_t n;
} ti_nab_set;

/* Reads labels/combined_windows.json below `dir` and, for each series that it names, the file
 * below data/.  Free with ti_nab_set_free(), also after a failure.
 * Errors: TERN_IO, TERN_CORRUPT (with the line), TERN_LIMIT, TERN_NOMEM. */
tern_status ti_nab_set_read(ti_nab_set *out, const char *dir, tern_err *err);

/* Reads the scores that a detector gave a series: the column anomaly_score of
 * DIR/<folder>/<detector>_<file>, where <detector> is the last part of DIR, as NAB's own
 * results are laid out.  scores: [series->n_rows].  Errors as above; TERN_CORRUPT when there
 * are more or fewer rows. */
tern_status ti_nab_results_read(double *scores, const char *dir, const ti_nab_series *series,
                                tern_err *err);

/* Gives a series to the watch of edge/core (tern_edge_watch), all series with the same setting:
 * values times a power of two, chosen by the largest of the rows that are not scored, become
 * readings.  A row that it refuses has score 0.  scores: [series->n_rows]. */
void ti_nab_watch(double *scores, const ti_nab_series *series);

/* A zeroed one is allowed. */
void ti_nab_set_free(ti_nab_set *set);

#endif
