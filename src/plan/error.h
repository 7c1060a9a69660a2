/* SPDX-License-Identifier: Apache-2.0 */
/* plan/error.h - how far forecasts were from what happened, by how far ahead they looked.
 *
 * Learnt from pairs of forecast and actual, kept for each zone and source by whoever has a
 * disk; here are pure updates of a value.  The band is split-conformal over a window that
 * slides: of the last errors at that lead, the one that a share p of n + 1 is not above.  It
 * assumes no distribution, only that tomorrow's errors are like the last TI_ERRORS_KEPT ones
 * (V. Vovk et al., "Algorithmic Learning in a Random World", 2005; errors that follow each
 * other are not exchangeable, so the coverage is measured, in docs/scheduling.md, not
 * promised). */
#ifndef TI_PLAN_ERROR_H
#define TI_PLAN_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "plan/series.h"

enum {
    TI_LEADS = 8,         /* classes of lead, see ti_lead_of() */
    TI_ERRORS_KEPT = 256, /* of each class */
    TI_SIGMA_PERMILLE = 683
};

/* Zeroed is a valid, empty one.  No pointers: may be copied and stored as it is (8 KB). */
typedef struct ti_errors {
    uint32_t n[TI_LEADS];    /* kept, at most TI_ERRORS_KEPT */
    uint32_t next[TI_LEADS]; /* which is replaced next, below TI_ERRORS_KEPT */
    uint32_t miss_mg_kwh[TI_LEADS][TI_ERRORS_KEPT];
} ti_errors;

/* Class of a lead: up to 1, 3, 6, 12, 18, 24, 36 hours, and more. */
uint32_t ti_lead_of(int64_t lead_s);

/* The longest lead of a class, in seconds; INT64_MAX of the last one. */
int64_t ti_lead_end_s(uint32_t lead);

/* A forecast that was made lead_s before what it was about, and what happened. */
void ti_errors_add(ti_errors *errors, int64_t lead_s, uint32_t forecast_mg_kwh,
                   uint32_t actual_mg_kwh);

/* Adds all slots of `forecast` for which `actual` has values that happened; the forecast was
 * made at its issued_s.  Returns how many.  Cost: O(n log n). */
size_t ti_errors_learn(ti_errors *errors, const ti_series *forecast, const ti_series *actual);

/* Half-width of the band that holds with that probability; TI_ERROR_UNKNOWN when too few errors
 * are known for it.  A class without errors is answered by the next longer lead. */
uint32_t ti_errors_band(const ti_errors *errors, int64_t lead_s, uint32_t permille);

/* Writes the one-sigma band into slots that begin after issued_s and say that theirs is not
 * known.  Cost: O(n), and eight sorts. */
void ti_errors_stamp(const ti_errors *errors, ti_slot *slots, size_t n, int64_t issued_s);

#endif
