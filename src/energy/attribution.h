/* SPDX-License-Identifier: Apache-2.0 */
/* energy/attribution.h - whose energy it was: every microjoule of a meter goes to a request or
 * to the idle line, and none twice.
 *
 * Time is cut into intervals, at the ends of which the meter was read.  Of an interval's energy
 * the idle part (what the machine draws anyway) is its own line; the rest is shared by the work
 * that requests reported in the interval: tokens read and tokens generated, weighted.  While
 * requests run that have not reported anything yet (a long prompt), the rest waits for the
 * report.  Parts are whole microjoules by largest remainders, so that always
 *
 *     metered = sum over requests of energy_uj + idle line + waiting
 *
 * exactly, and waiting is 0 when no request is active.
 *
 * One thread at a time. */
#ifndef TI_ENERGY_ATTRIBUTION_H
#define TI_ENERGY_ATTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What a token costs against others.  The default is the ratio of the times that docs/
 * performance.md has for the 2B-4T shape (146.9 tokens/s read, 34.9 generated): 1 to 4. */
typedef struct ti_work_weights {
    uint32_t prefill, decode;
} ti_work_weights;

#define TI_WORK_WEIGHTS_DEFAULT ((ti_work_weights){.prefill = 1, .decode = 4})

/* What became of a request. */
typedef struct ti_share {
    uint64_t energy_uj; /* above idle */
    uint64_t idle_uj;   /* its part of the idle line: divided evenly among active requests */
    uint32_t flags;     /* TI_DELTA_... of the intervals that it was active in */
} ti_share;

/* All of it. */
typedef struct ti_attribution_sum {
    uint64_t metered_uj;  /* of all intervals */
    uint64_t requests_uj; /* to requests, above idle */
    uint64_t idle_uj;     /* the idle line, the parts in ti_share.idle_uj included */
    uint64_t waiting_uj;  /* not given to anybody yet */
} ti_attribution_sum;

typedef struct ti_attribution ti_attribution;

/* Creates one.  Errors: TERN_USAGE (a weight of 0), TERN_NOMEM. */
tern_status ti_attribution_create(ti_attribution **out, ti_work_weights weights, tern_err *err);

/* NULL is allowed. */
void ti_attribution_destroy(ti_attribution *a);

/* A request begins, at the end of the interval that was closed last; *id is its handle, reused
 * after ti_attribution_end().  Errors: TERN_NOMEM; TERN_LIMIT (65,536 at once). */
tern_status ti_attribution_begin(ti_attribution *a, uint32_t *id, tern_err *err);

/* It did work in the interval that is open.  Counts that add up to over 2^63 are cut there. */
void ti_attribution_work(ti_attribution *a, uint32_t id, uint64_t prefill_tokens,
                         uint64_t decode_tokens);

/* Closes the open interval, over which the meters counted `energy_uj`.  `idle_uj` of it is what
 * the machine would have drawn anyway; what is over energy_uj does not count.  `flags` are of
 * the meters' deltas; an interval of which nothing is known has energy 0 and says so there.
 * Allocates nothing.  Cost: O(n log n) in active requests. */
void ti_attribution_interval(ti_attribution *a, uint64_t energy_uj, uint64_t idle_uj,
                             uint32_t flags);

/* A request ends; close the interval first, so that all its work has energy.  The last active
 * one takes what is waiting along; other ones that never reported work leave it to them. */
void ti_attribution_end(ti_attribution *a, uint32_t id, ti_share *out);

/* A request's share so far. */
ti_share ti_attribution_share(const ti_attribution *a, uint32_t id);

/* What was handed in and where it went so far: the parts add up to the readings (C7). */
ti_attribution_sum ti_attribution_total(const ti_attribution *a);

/* Divides `total` by largest remainders: part[i] is total * weight[i] / sum, rounded down or
 * up, and the parts sum to total exactly; of equal remainders the first ones are rounded up.
 *   part, order  [n]; `order` is scratch
 *   weight       [n], whose sum fits 64 bits; if the sum is 0 nothing is given and false comes
 *                back */
bool ti_divide(uint64_t *part, uint32_t *order, const uint64_t *weight, size_t n,
               uint64_t total);

#endif
