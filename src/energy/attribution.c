/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/attribution.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "energy/units.h"

enum { REQUESTS_MAX = 65536, REQUESTS_AT_FIRST = 16 };

/* Work of a request may not exceed this, so that REQUESTS_MAX of them sum up in 64 bits. */
static const uint64_t work_max = UINT64_MAX / REQUESTS_MAX;

typedef struct request {
    ti_share share;
    uint64_t work; /* weighted, in the open interval and those that wait */
    bool active;
} request;

struct ti_attribution {
    ti_work_weights weights;
    request *requests; /* [cap]; handles are indices */
    /* [cap] each, for the division among active requests. */
    uint64_t *weight, *part;
    uint32_t *order, *active;
    size_t cap, n_active;
    uint64_t waiting_uj;
    ti_attribution_sum sum;
};

/* --- largest remainders ---------------------------------------------------------------------
 * The remainder of part i is kept in part[i] until the parts are known: order decides. */

/* The order of the sorted list: larger remainders first, then lower indices. */
static bool comes_later(const uint64_t *remainder, uint32_t a, uint32_t b)
{
    return remainder[a] != remainder[b] ? remainder[a] < remainder[b] : a > b;
}

/* Sifts order[at] down a heap of n whose top comes last. */
static void sift(uint32_t *order, size_t at, size_t n, const uint64_t *remainder)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) {
            return;
        }
        if (child + 1 < n && comes_later(remainder, order[child + 1], order[child])) {
            child++;
        }
        if (!comes_later(remainder, order[child], order[at])) {
            return;
        }
        uint32_t swap = order[at];
        order[at] = order[child];
        order[child] = swap;
        at = child;
    }
}

/* Heap sort: largest remainder first.  qsort() may allocate, and has no context. */
static void sort_by_remainder(uint32_t *order, size_t n, const uint64_t *remainder)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift(order, i, n, remainder);
    }
    for (size_t end = n; end-- > 1;) {
        uint32_t least = order[0];
        order[0] = order[end];
        order[end] = least;
        sift(order, 0, end, remainder);
    }
}

bool ti_divide(uint64_t *part, uint32_t *order, const uint64_t *weight, size_t n,
               uint64_t total)
{
    uint64_t sum = 0, given = 0;
    for (size_t i = 0; i < n; i++) {
        bool fits = ti_add_u64(sum, weight[i], &sum);
        TI_ASSERT(fits);
    }
    if (sum == 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        ti_u128 product = (ti_u128)total * weight[i];
        given += (uint64_t)(product / sum);
        part[i] = (uint64_t)(product % sum);
        order[i] = (uint32_t)i;
    }
    sort_by_remainder(order, n, part);
    for (size_t i = 0; i < n; i++) {
        part[i] = (uint64_t)((ti_u128)total * weight[i] / sum);
    }
    for (size_t i = 0; given < total; i++, given++) {
        TI_ASSERT(i < n);
        part[order[i]]++;
    }
    return true;
}

/* --- requests -------------------------------------------------------------------------------
 */

/* Makes room for `cap` requests: all arrays or none. */
static tern_status grow(ti_attribution *a, size_t cap, tern_err *err)
{
    request *requests = ti_calloc(cap, sizeof *requests);
    uint64_t *weight = ti_calloc(cap, sizeof *weight), *part = ti_calloc(cap, sizeof *part);
    uint32_t *order = ti_calloc(cap, sizeof *order), *active = ti_calloc(cap, sizeof *active);
    if (!requests || !weight || !part || !order || !active) {
        free(requests);
        free(weight);
        free(part);
        free(order);
        free(active);
        return ti_fail_nomem(err, "attribution", cap * sizeof *requests, "requests");
    }
    if (a->cap > 0) {
        memcpy(requests, a->requests, a->cap * sizeof *requests);
    }
    free(a->requests);
    free(a->weight);
    free(a->part);
    free(a->order);
    free(a->active);
    a->requests = requests;
    a->weight = weight;
    a->part = part;
    a->order = order;
    a->active = active;
    a->cap = cap;
    return TERN_OK;
}

tern_status ti_attribution_create(ti_attribution **out, ti_work_weights weights, tern_err *err)
{
    if (weights.prefill == 0 || weights.decode == 0) {
        return ti_fail(err, TERN_USAGE, "attribution", TI_NO_OFFSET, "a weight is 0");
    }
    ti_attribution *a = ti_calloc(1, sizeof *a);
    if (!a) {
        return ti_fail_nomem(err, "attribution", sizeof *a, "the accounts");
    }
    a->weights = weights;
    tern_status status = grow(a, REQUESTS_AT_FIRST, err);
    if (status != TERN_OK) {
        free(a);
        return status;
    }
    *out = a;
    return TERN_OK;
}

void ti_attribution_destroy(ti_attribution *a)
{
    if (a) {
        free(a->requests);
        free(a->weight);
        free(a->part);
        free(a->order);
        free(a->active);
        free(a);
    }
}

tern_status ti_attribution_begin(ti_attribution *a, uint32_t *id, tern_err *err)
{
    size_t i = 0;
    while (i < a->cap && a->requests[i].active) {
        i++;
    }
    if (i == REQUESTS_MAX) {
        return ti_fail(err, TERN_LIMIT, "attribution", TI_NO_OFFSET,
                       "%d requests are active already", REQUESTS_MAX);
    }
    if (i == a->cap) {
        TI_TRY(grow(a, 2 * a->cap, err));
    }
    a->requests[i] = (request){.active = true};
    a->n_active++;
    *id = (uint32_t)i;
    return TERN_OK;
}

static request *of(const ti_attribution *a, uint32_t id)
{
    TI_ASSERT(id < a->cap && a->requests[id].active);
    return &a->requests[id];
}

void ti_attribution_work(ti_attribution *a, uint32_t id, uint64_t prefill_tokens,
                         uint64_t decode_tokens)
{
    request *r = of(a, id);
    ti_u128 work = (ti_u128)r->work + (ti_u128)prefill_tokens * a->weights.prefill +
                   (ti_u128)decode_tokens * a->weights.decode;
    r->work = work > work_max ? work_max : (uint64_t)work;
}

/* --- intervals ------------------------------------------------------------------------------
 */

/* Lists the active requests; returns how many. */
static size_t list_active(ti_attribution *a)
{
    size_t n = 0;
    for (size_t i = 0; n < a->n_active; i++) {
        if (a->requests[i].active) {
            a->active[n++] = (uint32_t)i;
        }
    }
    return n;
}

static void take_idle(ti_attribution *a, size_t n, uint64_t idle_uj)
{
    a->sum.idle_uj += idle_uj;
    for (size_t i = 0; i < n; i++) {
        a->weight[i] = 1;
    }
    if (ti_divide(a->part, a->order, a->weight, n, idle_uj)) {
        for (size_t i = 0; i < n; i++) {
            a->requests[a->active[i]].share.idle_uj += a->part[i];
        }
    }
}

/* Gives what waits to those that worked; false when nobody did. */
static bool give_to_work(ti_attribution *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        a->weight[i] = a->requests[a->active[i]].work;
    }
    if (!ti_divide(a->part, a->order, a->weight, n, a->waiting_uj)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        request *r = &a->requests[a->active[i]];
        r->share.energy_uj += a->part[i];
        r->work = 0;
    }
    a->sum.requests_uj += a->waiting_uj;
    a->waiting_uj = 0;
    return true;
}

void ti_attribution_interval(ti_attribution *a, uint64_t energy_uj, uint64_t idle_uj,
                             uint32_t flags)
{
    size_t n = list_active(a);
    uint64_t idle = idle_uj < energy_uj ? idle_uj : energy_uj;
    a->sum.metered_uj += energy_uj;
    for (size_t i = 0; i < n; i++) {
        a->requests[a->active[i]].share.flags |= flags;
    }
    if (n == 0) {
        a->sum.idle_uj += energy_uj; /* nobody else was there */
        return;
    }
    take_idle(a, n, idle);
    a->waiting_uj += energy_uj - idle;
    (void)give_to_work(a, n); /* else it waits */
}

void ti_attribution_end(ti_attribution *a, uint32_t id, ti_share *out)
{
    request *r = of(a, id);
    if (a->n_active == 1) {
        r->share.energy_uj += a->waiting_uj;
        a->sum.requests_uj += a->waiting_uj;
        a->waiting_uj = 0;
    }
    *out = r->share;
    *r = (request){0};
    a->n_active--;
}

ti_share ti_attribution_share(const ti_attribution *a, uint32_t id)
{
    return of(a, id)->share;
}

ti_attribution_sum ti_attribution_total(const ti_attribution *a)
{
    ti_attribution_sum sum = a->sum;
    sum.waiting_uj = a->waiting_uj;
    return sum;
}
