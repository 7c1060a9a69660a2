/* SPDX-License-Identifier: Apache-2.0 */
/* cli/grid_metrics.h - intensities in Prometheus' text format: all samples of a metric
 * together, after its HELP and TYPE. */
#ifndef TI_CLI_GRID_METRICS_H
#define TI_CLI_GRID_METRICS_H

#include "base/buf.h"
#include "carbon/feed.h"
#include "carbon/skill.h"
#include "cli/desks.h"

enum { TI_METRICS = 5 };

/* Samples that are collected, a buffer for each metric.  Zeroed is empty. */
typedef struct ti_metrics {
    ti_buf samples[TI_METRICS];
} ti_metrics;

/* Adds the samples of one zone and frees the feed (of one slot: now).  Errors: TERN_NOMEM. */
tern_status ti_metrics_add(ti_metrics *metrics, ti_feed *feed, const ti_skill *skill,
                           tern_err *err);

/* Appends the whole text. */
void ti_metrics_text(ti_buf *out, const ti_metrics *metrics);

/* Frees the buffers; zeroed ones are allowed. */
void ti_metrics_free(ti_metrics *metrics);

/* Asks for the intensity now of all zones ("ZONE", "SOURCE:ZONE", "NAME=ZONE"; without any, the
 * user's) and appends their metrics.  A zone that nothing is known of is a warning and has no
 * metric, never 0.  Errors: TERN_UNAVAILABLE when nothing is known of any; as ti_desk_now(). */
tern_status ti_metrics_of(ti_buf *out, const ti_desk_args *desk, const ti_opt_list *zones,
                          tern_err *err);

#endif
