/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - planning on real traces: what the tests assert and docs/scheduling.md reports.
 *
 * The traces are read from TERN_DATA/carbon.  Their licences do not allow to copy them here. */
#ifndef TESTS_PLAN_EVAL_H
#define TESTS_PLAN_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/forecast.h"
#include "plan/plan.h"

enum { EVAL_GATES = 5, EVAL_RELIABILITY = 5 };

/* A trace with its own memory; free with free(slots). */
typedef struct trace {
    ti_slot *slots;
    ti_series series;
} trace;

/* The traces, by name: "GB-2020", "DE-2020" (Let's Wait Awhile, half-hours), "GB-2024",
 * "DE-2024", "CA-2024" (hours).  False when the data is not there. */
bool eval_load(trace *out, const char *name);

/* Any file of lines "TIME,...": the value in column `column` (from 0), none where it is empty.
 * Only times of which the minute is a multiple of step_s / 60 are taken, from `from_s` on. */
bool eval_load_csv(trace *out, const char *path, int column, uint32_t step_s, int64_t from_s);

/* "TERN_DATA/carbon/NAME" into out; returns out. */
const char *eval_path(char *out, size_t cap, const char *name);

/* Means over hours. */
void eval_hourly(trace *out, const trace *in);

/* --- Let's Wait Awhile, scenario II, next workday, exact forecasts ---------------------- */

typedef struct lwa_result {
    double piece, slices; /* % saved against starting at once */
} lwa_result;

bool eval_lwa(lwa_result *out, const trace *t);

/* --- without a key ---------------------------------------------------------------------- */

/* A job of four hours that may wait until `slack_h` hours after it arrived (its end), every
 * five hours of a year, planned on a forecast of which it knows nothing but the past. */

typedef struct gate_result {
    uint32_t confidence; /* permille */
    double saving;       /* % of now, with the forecast */
    double waits;        /* % of jobs that waited */
    double right;        /* % of those for which waiting was cleaner */
} gate_result;

typedef struct keyless_result {
    double oracle, saving, share; /* %: best there was, what was got, got of best */
    double mae_g, mean_g;
    double inside68, inside90; /* % of hours inside of the bands learnt until then */
    gate_result gates[EVAL_GATES];
    double claimed[EVAL_RELIABILITY], held[EVAL_RELIABILITY]; /* %: confidence, and the truth */
    size_t counted[EVAL_RELIABILITY];
    size_t jobs;
} keyless_result;

bool eval_keyless(keyless_result *out, const trace *hourly, ti_forecast_kind kind,
                  uint32_t slack_h, int32_t utc_offset_s);

/* --- the band --------------------------------------------------------------------------- */

typedef struct band_result {
    double best, kept;    /* %: saving of the best start; share of it that the band keeps */
    size_t jobs, dirtier; /* jobs; of these, how many were sent to dirtier hours than now */
} band_result;

/* A job of an hour on exact forecasts, with another id every time. */
bool eval_band(band_result *out, const trace *hourly, uint32_t slack_h, uint32_t permille);

/* The same arrivals under another rule: any hour that is at most max(15 %, 30 g/kWh) above the
 * cleanest, at random (what a scheduler of 2026 does so that not all start together). */
bool eval_wide_band(band_result *out, const trace *hourly, uint32_t slack_h);

/* --- forecasts that were issued --------------------------------------------------------- */

typedef struct regret_result {
    size_t jobs, waited;
    double now, chosen, best; /* mean g/kWh that the jobs really had, or would have had */
    double regret;            /* % above the best */
    double mae_g, bias_g;
    size_t pairs;
} regret_result;

/* A forecast and what happened, half-hours: a job of `hours` that arrives at every half-hour
 * for which the forecast and the actuals leave it a choice, deadline at the end of the actuals.
 */
bool eval_regret(regret_result *out, const trace *forecast, const trace *actual, uint32_t hours,
                 uint32_t confidence);

#endif
