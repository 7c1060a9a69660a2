/* SPDX-License-Identifier: Apache-2.0 */
/* device/fit.h - settings and a network for a detector, from readings without labels.
 *
 * The network says what the next residual will be.  It is linear: rows of ternary weights over
 * what the core gives a network in the last hours, summed.  Its weights are a ridge regression,
 * closed form; each real weight becomes a count of rows that have it (+1 or -1), so that H rows
 * make 2 H + 1 levels of it.  Several numbers of taps and rows are tried, and measured on the
 * last fifth of the readings, which no regression saw, by the core itself; the best is taken,
 * and none where none is better than the seasonal baseline alone. */
#ifndef TI_DEVICE_FIT_H
#define TI_DEVICE_FIT_H

#include "device/model.h"

/* Readings in order, in memory. */
typedef struct ti_fit_series {
    uint32_t *time;
    int32_t *value;
    size_t n;
} ti_fit_series;

enum { TI_FIT_SERIES_MAX = 1 << 23 };

/* How well the best network of a fit, and none, said what came: means of the size of errors in
 * mean deviations (each cut at 16), over the held-out readings. */
typedef struct ti_fit_report {
    size_t n_fit, n_held; /* readings that the regression was to say, and that measured it */
    double error_none, error_net;
    uint32_t taps, rows; /* of the network that was taken; 0: none */
} ti_fit_report;

/* Settings that follow from readings of that interval: a month for a false alarm, two weeks to
 * warm up, a day for an event, equal readings for a day or twice as long as ever; full scale
 * four times the largest, and the smallest deviation a quarter of the median change in a day.
 */
void ti_fit_settings(struct tern_edge_config *config, const ti_fit_series *readings);

/* Fits a network to model->settings and puts it into the model, whose arena must be empty.
 * Errors: TERN_NO when there are too few usable readings (a thousand after warming up,
 * and a hundred in the last fifth);
 * TERN_NOMEM. */
tern_status ti_fit_network(ti_device_model *model, const ti_fit_series *readings,
                           ti_fit_report *report, tern_err *err);

#endif
