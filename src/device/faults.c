/* SPDX-License-Identifier: Apache-2.0 */
#include "device/faults.h"

#include <math.h>

#include "base/err.h"

enum { DAY_S = 86400 };

const char *const ti_fault_names[TI_FAULT_KINDS] = {"theft", "stuck", "phase", "drift",
                                                    "spike"};

static const struct {
    uint32_t days; /* 0: a reading */
    double least, most;
} shapes[TI_FAULT_KINDS] = {
    {14, 0.3, 0.7}, {2, 0, 0}, {3, 0.28, 0.38}, {28, 0.3, 0.6}, {0, 2, 6},
};

/* splitmix64, by Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014)
 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Evenly in [0, 1), in steps of 2^-32: no rounding that could differ. */
static double share(uint64_t *state)
{
    return (double)(next_random(state) >> 32) / 4294967296.0;
}

/* The least value that at most 1 % of the readings are over.  Counted down from the largest, as
 * only those few need be gone through. */
static double one_percent(const ti_readings *r)
{
    uint32_t known = 0, over = 0;
    double least = (double)INFINITY;
    for (uint32_t i = 0; i < r->n; i++) {
        known += !isnan(r->values[i]) ? 1u : 0u;
    }
    while (over <= known / 100) {
        double next = -(double)INFINITY;
        for (uint32_t i = 0; i < r->n; i++) {
            next = r->values[i] < least && r->values[i] > next ? r->values[i] : next;
        }
        if (isinf(next)) {
            break;
        }
        for (uint32_t i = 0; i < r->n; i++) {
            over += r->values[i] >= next && r->values[i] < least ? 1u : 0u;
        }
        least = next;
    }
    return isinf(least) ? 0 : least;
}

uint32_t ti_fault_plan(ti_fault *out, uint32_t room, ti_fault_kind kind, uint64_t seed,
                       const ti_readings *readings, uint32_t from, uint32_t every)
{
    TI_ASSERT(kind < TI_FAULT_KINDS && every > 1 && readings->interval_s > 0);
    const uint32_t days = shapes[kind].days;
    const uint32_t rows = days ? days * DAY_S / readings->interval_s : 1;
    const double top = kind == TI_FAULT_SPIKE ? one_percent(readings) : 1.0;
    uint64_t state = seed * TI_FAULT_KINDS + (uint64_t)kind;
    uint32_t n = 0;
    for (uint64_t at = from; n < room && at + every / 2 + rows <= readings->n; at += every) {
        const double a = shapes[kind].least, b = shapes[kind].most;
        const uint64_t half = every / 2; /* where in it a fault begins */
        out[n].kind = kind;
        out[n].first = (uint32_t)at + (uint32_t)(share(&state) * (double)half);
        out[n].n = rows;
        out[n].amount = (a + (b - a) * share(&state)) * top;
        n++;
    }
    return n;
}

void ti_fault_apply(double *values, const ti_readings *readings, const ti_fault *fault)
{
    double before = 0;
    for (uint32_t i = fault->first; i > 0; i--) {
        if (!isnan(values[i - 1])) {
            before = values[i - 1];
            break;
        }
    }
    for (uint32_t i = 0; i < fault->n && fault->first + i < readings->n; i++) {
        double *x = &values[fault->first + i];
        switch (fault->kind) {
        case TI_FAULT_STUCK:
            *x = isnan(*x) ? *x : before;
            break;
        case TI_FAULT_DRIFT:
            *x *= 1.0 - fault->amount * (i + 1.0) / fault->n;
            break;
        case TI_FAULT_SPIKE:
            *x += fault->amount;
            break;
        default:
            *x *= 1.0 - fault->amount;
            break;
        }
    }
}
