/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing series: running sums, and slots in the order of their intensity. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plan/curve.h"

uint64_t ti_job_weight(const ti_plan_job *job)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->n_durations; i++) {
        sum += job->durations[i].weight;
    }
    return sum;
}

uint64_t ti_job_weighted_s(const ti_plan_job *job)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->n_durations; i++) {
        sum += (uint64_t)job->durations[i].weight * job->durations[i].duration_s;
    }
    return sum;
}

uint32_t ti_job_longest(const ti_plan_job *job)
{
    return job->durations[job->n_durations - 1].duration_s;
}

/* An array of at least n items of `size` bytes in *items, zeroed where it is new. */
static tern_status grow(void *items, size_t *cap, size_t n, size_t size, tern_err *err)
{
    void **at = items;
    if (n <= *cap) {
        return TERN_OK;
    }
    size_t want = n + n / 2;
    void *more = ti_calloc(want, size);
    if (!more) {
        return ti_fail_nomem(err, "plan", (uint64_t)want * size, "a decision");
    }
    free(*at);
    *at = more;
    *cap = want;
    return TERN_OK;
}

tern_status ti_planner_points(ti_planner *planner, size_t n, tern_err *err)
{
    return grow(&planner->points, &planner->points_cap, n, sizeof *planner->points, err);
}

tern_status ti_planner_slices(ti_planner *planner, size_t n, tern_err *err)
{
    return grow(&planner->slices, &planner->slices_cap, n, sizeof *planner->slices, err);
}

tern_status ti_planner_marks(ti_planner *planner, size_t n, tern_err *err)
{
    return grow(&planner->marks, &planner->marks_cap, n, 1, err);
}

/* Intensity above, index below: sorting these sorts by intensity, then by time. */
static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static tern_status fill(ti_curve *curve, const ti_series *series, tern_err *err)
{
    size_t n = series->n;
    uint64_t *keys = ti_calloc(n + 1, sizeof *keys);
    curve->series = series;
    curve->sums = ti_calloc(n + 1, sizeof *curve->sums);
    curve->order = ti_calloc(n + 1, sizeof *curve->order);
    if (!keys || !curve->sums || !curve->order) {
        free(keys);
        return ti_fail_nomem(err, "plan", n * 20, "a series");
    }
    for (size_t i = 0; i < n; i++) {
        const ti_slot *slot = &series->slots[i];
        curve->sums[i + 1] = curve->sums[i] + (uint64_t)slot->length_s * slot->intensity_mg_kwh;
        keys[i] = (uint64_t)slot->intensity_mg_kwh << 32 | i;
    }
    qsort(keys, n, sizeof *keys, by_key);
    for (size_t i = 0; i < n; i++) {
        curve->order[i] = (uint32_t)keys[i];
    }
    free(keys);
    return TERN_OK;
}

/* The parts of a basis in words, for the one message that needs them here. */
static const char *kind_of(ti_basis b)
{
    return b.kind == TI_MARGINAL ? "marginal" : "average";
}

static const char *scope_of(ti_basis b)
{
    return b.scope == TI_OPERATIONAL ? "operational" : "life-cycle";
}

static const char *method_of(ti_basis b)
{
    return b.method == TI_MARKET ? "market" : "location";
}

static tern_status check(const ti_series *const *series, size_t n, tern_err *err)
{
    if (n == 0 || n > TI_PLAN_ZONES_MAX) {
        return ti_fail(err, TERN_USAGE, "plan", TI_NO_OFFSET, "%zu zones: 1 to %d are allowed",
                       n, TI_PLAN_ZONES_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        ti_basis a = series[0]->basis, b = series[i]->basis;
        TI_TRY(ti_series_check(series[i], err));
        if (!ti_basis_equal(a, b)) {
            return ti_fail(err, TERN_USAGE, "plan", TI_NO_OFFSET,
                           "zone %s is on the basis %s/%s/%s and zone %s on %s/%s/%s: they "
                           "cannot be compared",
                           series[0]->zone, kind_of(a), scope_of(a), method_of(a),
                           series[i]->zone, kind_of(b), scope_of(b), method_of(b));
        }
    }
    return TERN_OK;
}

tern_status ti_plan_open(ti_planner *out, const ti_series *const *series, size_t n,
                         tern_err *err)
{
    ti_planner planner = {0};
    TI_TRY(check(series, n, err));
    planner.curves = ti_calloc(n, sizeof *planner.curves);
    if (!planner.curves) {
        return ti_fail_nomem(err, "plan", n * sizeof *planner.curves, "zones");
    }
    for (planner.n = 0; planner.n < n; planner.n++) {
        tern_status status = fill(&planner.curves[planner.n], series[planner.n], err);
        if (status != TERN_OK) {
            planner.n++;
            ti_plan_close(&planner);
            return status;
        }
    }
    *out = planner;
    return TERN_OK;
}

void ti_plan_close(ti_planner *planner)
{
    for (size_t i = 0; i < planner->n; i++) {
        free(planner->curves[i].sums);
        free(planner->curves[i].order);
    }
    free(planner->curves);
    free(planner->points);
    free(planner->slices);
    free(planner->marks);
    *planner = (ti_planner){0};
}
