/* SPDX-License-Identifier: Apache-2.0 */
/* serve/metrics.h - counts and histograms of answers, in Prometheus' text format.
 *
 * Names and bucket boundaries of gen_ai_... are those of OpenTelemetry's semantic conventions
 * for generative AI (gen-ai-metrics), written as Prometheus writes them: dots become
 * underscores, the unit goes to the end.  tern_... is what they have no name for. */
#ifndef TI_SERVE_METRICS_H
#define TI_SERVE_METRICS_H

#include "serve/render.h"

enum { TI_BUCKETS_MAX = 17, TI_CODES_MAX = 24 };

typedef struct ti_histogram {
    uint64_t counts[TI_BUCKETS_MAX]; /* of each bucket alone; the last one has no bound */
    uint64_t n;
    double sum;
} ti_histogram;

typedef struct ti_metrics_all {
    /* [0] chat, [1] text_completion, [2] embeddings */
    ti_histogram duration_s[3], first_s[2], per_token_s[2], input_tokens[3], output_tokens[2];
    uint64_t energy_uj, idle_uj, co2_ug; /* of answers, the parts that were given to them */
    uint64_t receipts;
    struct {
        unsigned code;
        uint64_t n;
    } codes[TI_CODES_MAX]; /* answers by HTTP status */
} ti_metrics_all;

/* Counts an answer that has ended.  `operation` as above. */
void ti_metrics_answer(ti_metrics_all *m, int operation, const ti_serve_usage *usage,
                       const ti_cost *cost);

/* Counts a status that was sent. */
void ti_metrics_code(ti_metrics_all *m, unsigned code);

/* Appends all of it.  `total` and `source` may be NULL: nobody measures. */
void ti_metrics_render(ti_buf *out, const ti_metrics_all *m, const ti_serve_stats *stats,
                       const ti_served *model, const ti_attribution_sum *total,
                       const ti_energy_source *source);

#endif
