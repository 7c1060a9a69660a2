/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/places.h"

#include <stdlib.h>

#include "base/mem.h"

tern_status ti_places_open(ti_places *out, uint32_t parallel, int64_t from_s, tern_err *err)
{
    ti_places p = {.parallel = parallel, .from_s = from_s - from_s % TI_PLACES_STEP_S};
    if (parallel > 0) {
        p.taken = ti_calloc(TI_PLACES_STEPS, sizeof *p.taken);
        if (!p.taken) {
            return ti_fail_nomem(err, "jobs", TI_PLACES_STEPS * sizeof *p.taken, "places");
        }
    }
    *out = p;
    return TERN_OK;
}

void ti_places_close(ti_places *places)
{
    free(places->taken);
    *places = (ti_places){0};
}

/* The steps that a time touches: [*first, *end), cut to the table. */
static void steps(const ti_places *p, int64_t start_s, int64_t end_s, int64_t *first,
                  int64_t *end)
{
    int64_t a = start_s - p->from_s, b = end_s - p->from_s;
    a = a < 0 ? 0 : a / TI_PLACES_STEP_S;
    b = b < 0 ? 0 : (b + TI_PLACES_STEP_S - 1) / TI_PLACES_STEP_S;
    *end = b < TI_PLACES_STEPS ? b : TI_PLACES_STEPS;
    *first = a < *end ? a : *end;
}

void ti_places_take(ti_places *places, int64_t start_s, int64_t end_s)
{
    int64_t at, end;
    if (!places->taken) {
        return;
    }
    for (steps(places, start_s, end_s, &at, &end); at < end; at++) {
        places->taken[at] += places->taken[at] < UINT16_MAX;
    }
}

bool ti_places_full(const ti_places *places, int64_t start_s, int64_t end_s, int64_t *from_s,
                    int64_t *to_s)
{
    int64_t at, end;
    if (!places->taken) {
        return false;
    }
    for (steps(places, start_s, end_s, &at, &end); at < end; at++) {
        if (places->taken[at] >= places->parallel) {
            break;
        }
    }
    if (at == end) {
        return false;
    }
    int64_t first = at;
    while (first > 0 && places->taken[first - 1] >= places->parallel) {
        first--;
    }
    while (at < TI_PLACES_STEPS && places->taken[at] >= places->parallel) {
        at++;
    }
    *from_s = places->from_s + first * TI_PLACES_STEP_S;
    *to_s = places->from_s + at * TI_PLACES_STEP_S;
    return true;
}
