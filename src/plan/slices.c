/* SPDX-License-Identifier: Apache-2.0 */
/* A job that may be cut anywhere: the cheapest slots, the last of them in part.  That is the
 * best there is, because seconds can be exchanged freely. */
#include <stdlib.h>

#include "plan/curve.h"

/* Start and length of what a slot has between earliest and deadline; 0 when nothing. */
static uint32_t clip(int64_t *start_s, const ti_slot *slot, const ti_plan_job *job)
{
    int64_t end = ti_slot_end(slot);
    *start_s = slot->start_s > job->earliest_s ? slot->start_s : job->earliest_s;
    end = end < job->deadline_s ? end : job->deadline_s;
    return *start_s < end ? (uint32_t)(end - *start_s) : 0;
}

static bool joins(const ti_series *s, const unsigned char *marks, size_t i, size_t next)
{
    return next < s->n && marks[next] && ti_slot_end(&s->slots[i]) == s->slots[next].start_s;
}

/* Appends a slice, or makes the last one longer. */
static size_t append(ti_slice *slices, size_t n, int64_t start_s, uint32_t length_s)
{
    if (n > 0 && slices[n - 1].start_s + slices[n - 1].length_s == start_s) {
        slices[n - 1].length_s += length_s;
        return n;
    }
    slices[n] = (ti_slice){.start_s = start_s, .length_s = length_s};
    return n + 1;
}

/* Marks the cheapest slots.  Returns what is still missing: nothing, when they suffice;
 * `partial` is the slot that is needed for `*rest` seconds only. */
static uint32_t choose(unsigned char *marks, const ti_curve *curve, const ti_plan_job *job,
                       size_t *partial, uint32_t *rest, uint64_t *cost)
{
    const ti_series *s = curve->series;
    uint32_t need = ti_job_longest(job);
    *partial = s->n;
    *rest = 0;
    *cost = 0;
    for (size_t k = 0; k < s->n && need > 0; k++) {
        size_t i = curve->order[k];
        int64_t start;
        uint32_t length = clip(&start, &s->slots[i], job);
        if (length == 0) {
            continue;
        }
        if (length > need) {
            length = need;
            *partial = i;
            *rest = need;
        }
        marks[i] = 1;
        need -= length;
        *cost += (uint64_t)length * s->slots[i].intensity_mg_kwh;
    }
    return need;
}

tern_status ti_slices_free(ti_option *out, ti_planner *planner, size_t *n, size_t zone,
                           const ti_plan_job *job, tern_err *err)
{
    const ti_curve *curve = &planner->curves[zone];
    const ti_series *s = curve->series;
    size_t first = ti_series_find(s, job->earliest_s), partial, found = 0;
    uint32_t rest;
    uint64_t cost;
    *out = (ti_option){0};
    TI_TRY(ti_planner_marks(planner, s->n, err));
    TI_TRY(ti_planner_slices(planner, s->n - first + 1, err));
    uint32_t missing = choose(planner->marks, curve, job, &partial, &rest, &cost);
    for (size_t i = first; i < s->n && s->slots[i].start_s < job->deadline_s; i++) {
        int64_t start;
        uint32_t length = clip(&start, &s->slots[i], job);
        if (!planner->marks[i]) {
            continue;
        }
        if (i == partial) { /* its end, when the next one is taken too: one slice less */
            start += joins(s, planner->marks, i, i + 1) ? length - rest : 0;
            length = rest;
        }
        found = append(planner->slices, found, start, length);
    }
    for (size_t i = first; i < s->n && s->slots[i].start_s < job->deadline_s; i++) {
        planner->marks[i] = 0;
    }
    if (missing > 0) {
        return TERN_OK;
    }
    *out = (ti_option){.there = true,
                       .zone = zone,
                       .start_s = planner->slices[0].start_s,
                       .cost = cost,
                       .run_s = ti_job_longest(job)};
    *n = found;
    return TERN_OK;
}
