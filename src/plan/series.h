/* SPDX-License-Identifier: Apache-2.0 */
/* plan/series.h - the intensity of one grid over time: what sources give and planning takes.
 *
 * A series is slots of constant intensity, ascending and apart; between them may be gaps, which
 * are unknown and never zero.  What has happened and what is expected are in one series: actual
 * slots first, then forecast ones.  Times are seconds of UTC since 1970 without leap seconds;
 * local time and its 23- and 25-hour days exist only where words are read and written.
 *
 * Sums are exact: intensity (at most 5e6 mg/kWh) times seconds (at most TI_SERIES_SPAN_S) stays
 * below 2^53, so 64 bits never wrap and a double would hold them too. */
#ifndef TI_PLAN_SERIES_H
#define TI_PLAN_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/basis.h"
#include "base/err.h"

enum {
    TI_ZONE_MAX = 63,             /* bytes of a zone's name */
    TI_SERIES_SLOTS_MAX = 1 << 20 /* ten years of five minutes */
};

/* From a series' first second to its last: fifty years. */
#define TI_SERIES_SPAN_S INT64_C(1577880000)

/* Times outside of years 1970 to 9999 are refused. */
#define TI_TIME_MAX_S INT64_C(253402300799)

/* The error of a slot is not known. */
#define TI_ERROR_UNKNOWN UINT32_MAX

/* Whose word a slot is. */
typedef enum ti_slot_kind {
    TI_SLOT_ACTUAL = 0, /* happened; an estimate by the source is one with an error */
    TI_SLOT_FORECAST,   /* the source's own forecast */
    TI_SLOT_DERIVED     /* forecast by plan/forecast.h from what had happened */
} ti_slot_kind;

typedef struct ti_slot {
    int64_t start_s;           /* UTC */
    uint32_t length_s;         /* > 0 */
    uint32_t intensity_mg_kwh; /* at most TI_INTENSITY_MAX_MG_KWH */
    uint32_t error_mg_kwh;     /* in two cases of three the truth is no farther away ("one
                                * sigma"); 0 = exact, or TI_ERROR_UNKNOWN */
    ti_slot_kind kind;
} ti_slot;

typedef struct ti_series {
    const ti_slot *slots; /* [n], not owned */
    size_t n;
    ti_basis basis;
    int64_t issued_s; /* when the source knew this: a forecast is as old as that */
    char zone[TI_ZONE_MAX + 1];
    char source[TI_ZONE_MAX + 1]; /* "neso", "file", "watttime": who says so */
} ti_series;

/* Checks all that planning relies on: order, lengths, limits, names, times.  Anything that came
 * from outside must pass here once.  Cost: O(n).
 * Errors: TERN_CORRUPT, with the index of the slot as offset; TERN_LIMIT (too many slots). */
tern_status ti_series_check(const ti_series *series, tern_err *err);

/* Index of the first slot that ends after `time_s`; n when there is none.  Cost: O(log n). */
size_t ti_series_find(const ti_series *series, int64_t time_s);

/* *sum_mg_s = intensity times seconds over [from_s, to_s), exactly.  False, with *sum_mg_s
 * untouched, when a part of it is not covered, or from_s > to_s.  Cost: O(log n + slots). */
bool ti_series_sum(uint64_t *sum_mg_s, const ti_series *series, int64_t from_s, int64_t to_s);

/* *mean_mg_kwh = the mean over [from_s, to_s), rounded half up; as ti_series_sum(), and false
 * for an empty interval. */
bool ti_series_mean(uint32_t *mean_mg_kwh, const ti_series *series, int64_t from_s,
                    int64_t to_s);

/* The last second (exclusive) up to which [from_s, ...) is covered without a gap; from_s when
 * it is not covered itself.  Cost: O(log n + slots). */
int64_t ti_series_covered(const ti_series *series, int64_t from_s);

#endif
