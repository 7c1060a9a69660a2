/* SPDX-License-Identifier: Apache-2.0 */
/* cli/decision.h - a decision of plan/plan.h in words and as JSON. */
#ifndef TI_CLI_DECISION_H
#define TI_CLI_DECISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "carbon/feed.h"
#include "plan/plan.h"

/* A decision and what it was made from.  Nothing is owned. */
typedef struct ti_decided {
    const ti_decision *decision;
    const ti_plan_job *job;
    const ti_feed *feeds; /* [n_feeds], in the planner's order; the first is where it is now */
    size_t n_feeds;
    int64_t now_s;
    uint64_t power_uw; /* that the job draws; 0 = not said */
} ti_decided;

/* Lines "start", "run" (slices), "zone", "expected", "carbon" (where the power is known),
 * "sure" and "because", in local time. */
void ti_add_decision(ti_buf *out, const ti_decided *d);

/* One sentence for a reason, in local time. */
void ti_add_why(ti_buf *out, const ti_decided *d, const ti_why *why);

/* "later", "under-error": the reason's name in JSON.  Static. */
const char *ti_why_name(ti_why_code code);

/* Adds {wait, zone, start, end, slices, cost, now, gain_ug_per_kw, error_mg_kwh,
 * confidence_permille, reasons}; with a power also co2_ug, now_co2_ug and saved_ug. */
void ti_json_decision(ti_buf *json, const char *key, const ti_decided *d);

/* Adds {id, earliest, deadline, durations, interruptible, min_slice_s, overhead_s,
 * band_permille, confidence_permille, power_uw}. */
void ti_json_job(ti_buf *json, const char *key, const ti_decided *d);

#endif
