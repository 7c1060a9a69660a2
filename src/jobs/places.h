/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/places.h - when all the places in which jobs may run are taken, to the minute: with few
 * places the plans of many jobs must not all name the same hour. */
#ifndef TI_JOBS_PLACES_H
#define TI_JOBS_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { TI_PLACES_STEP_S = 60, TI_PLACES_STEPS = 14 * 24 * 60 };

/* Zeroed: any number of places. */
typedef struct ti_places {
    uint32_t parallel; /* 0 = any number */
    int64_t from_s;
    uint16_t *taken; /* [TI_PLACES_STEPS], owned; NULL with parallel 0 */
} ti_places;

/* All are free, from `from_s` on.  Errors: TERN_NOMEM. */
tern_status ti_places_open(ti_places *out, uint32_t parallel, int64_t from_s, tern_err *err);

/* Zeroed is allowed. */
void ti_places_close(ti_places *places);

/* A job has one from start_s to end_s; what is outside of the table is left out. */
void ti_places_take(ti_places *places, int64_t start_s, int64_t end_s);

/* True when somewhere between the two all are taken; then *from_s and *to_s are the whole time
 * around it in which they are. */
bool ti_places_full(const ti_places *places, int64_t start_s, int64_t end_s, int64_t *from_s,
                    int64_t *to_s);

#endif
