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
    ti_buf seen; /* lines "SOURCE:ZONE": a sample that comes twice is refused by Prometheus */
} ti_metrics;

/* Adds the samples of one zone and frees the feed (of one slot: now).  Errors: TERN_NOMEM. */
tern_status ti_metrics_add(ti_metrics *metrics, ti_feed *feed, const ti_skill *skill,
                           tern_err *err);

/* Appends the whole text. */
void ti_metrics_text(ti_buf *out, const ti_metrics *metrics);

/* Frees the buffers; zeroed ones are allowed. */
void ti_metrics_free(ti_metrics *metrics);

/* What surrounds the asking for each zone; begin() says no when nobody waits any more. */
typedef struct ti_metrics_turn {
    bool (*begin)(void *user);
    void (*end)(void *user);
    void *user;
} ti_metrics_turn;

/* Asks for the intensity now of all zones ("ZONE", "SOURCE:ZONE", "NAME=ZONE"; without any, the
 * user's) and appends their metrics, once for each source and zone.  A zone that nothing is
 * known of is a warning and has no metric, never 0.
 *   turn  may be NULL
 * Errors: TERN_UNAVAILABLE or TERN_USAGE when nothing is known of any, TERN_CANCELLED when
 * nobody waits; as ti_desk_now(). */
tern_status ti_metrics_of(ti_buf *out, const ti_desk_args *desk, const ti_opt_list *zones,
                          const ti_metrics_turn *turn, tern_err *err);

#endif
