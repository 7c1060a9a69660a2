/* SPDX-License-Identifier: Apache-2.0 */
/* Slices that were found in coarse steps, moved to where they are cheapest: seconds that were
 * too many are cut off at the dirtiest edges, then seconds are carried from dirty edges to
 * clean ones, as far as both stay inside of a slot.  Every step lowers the cost or the run, so
 * it ends; which slices there are does not change, but for those that come to touch. */
#include "plan/curve.h"

enum { MOVES_MAX = 65536 };

/* A side of a slice: how far it could move, and the intensity there. */
typedef struct side {
    int64_t room_s; /* 0 = not at all */
    uint32_t mg_kwh;
} side;

typedef struct polish {
    const ti_series *series;
    const ti_plan_job *job;
    ti_slice *slices;
    size_t n;
} polish;

static int64_t end_of(const ti_slice *slice)
{
    return slice->start_s + slice->length_s;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The slot that holds a moment, or NULL in a gap. */
static const ti_slot *slot_at(const ti_series *s, int64_t time_s)
{
    size_t i = ti_series_find(s, time_s);
    return i < s->n && s->slots[i].start_s <= time_s ? &s->slots[i] : NULL;
}

/* Sides are numbered 2 i (the start of slice i) and 2 i + 1 (its end). */
static side grow(const polish *p, size_t k)
{
    const ti_slice *slice = &p->slices[k / 2];
    side out = {0};
    if (k % 2 == 0) {
        int64_t low = k == 0 ? p->job->earliest_s : end_of(slice - 1);
        const ti_slot *slot = slot_at(p->series, slice->start_s - 1);
        if (slot && low < slice->start_s) {
            out.room_s = slice->start_s - most(low, slot->start_s);
            out.mg_kwh = slot->intensity_mg_kwh;
        }
    } else {
        int64_t end = end_of(slice);
        int64_t high = k / 2 + 1 == p->n ? p->job->deadline_s : slice[1].start_s;
        const ti_slot *slot = slot_at(p->series, end);
        if (slot && end < high) {
            out.room_s = least(high, ti_slot_end(slot)) - end;
            out.mg_kwh = slot->intensity_mg_kwh;
        }
    }
    return out;
}

/* `bound`: the slice keeps its least length. */
static side shrink(const polish *p, size_t k, bool bound)
{
    const ti_slice *slice = &p->slices[k / 2];
    uint32_t longest = ti_job_longest(p->job), keep = p->job->min_slice_s;
    keep = keep < 1 ? 1 : keep < longest ? keep : longest;
    keep += k / 2 > 0 ? p->job->overhead_s : 0;
    int64_t spare = bound ? (int64_t)slice->length_s - keep : (int64_t)slice->length_s - 1;
    int64_t at = k % 2 == 0 ? slice->start_s : end_of(slice) - 1;
    const ti_slot *slot = slot_at(p->series, at);
    side out = {.mg_kwh = slot ? slot->intensity_mg_kwh : 0};
    int64_t inside = !slot ? 0 : k % 2 == 0 ? ti_slot_end(slot) - at : at + 1 - slot->start_s;
    out.room_s = spare > 0 ? least(spare, inside) : 0;
    return out;
}

/* Moves side k outwards by `by_s`, or inwards when that is negative. */
static void move(polish *p, size_t k, int64_t by_s)
{
    ti_slice *slice = &p->slices[k / 2];
    slice->start_s -= k % 2 == 0 ? by_s : 0;
    slice->length_s = (uint32_t)((int64_t)slice->length_s + by_s);
}

/* Joins slices that touch; what their interruption cost is then too much. */
static void join(polish *p)
{
    size_t n = 1;
    for (size_t i = 1; i < p->n; i++) {
        if (end_of(&p->slices[n - 1]) == p->slices[i].start_s) {
            p->slices[n - 1].length_s += p->slices[i].length_s;
        } else {
            p->slices[n++] = p->slices[i];
        }
    }
    p->n = n;
}

static uint64_t run_of(const polish *p)
{
    uint64_t run = 0;
    for (size_t i = 0; i < p->n; i++) {
        run += p->slices[i].length_s;
    }
    return run;
}

/* Cuts off at the dirtiest side what is more than the work and its interruptions. */
static void trim(polish *p)
{
    uint64_t needed = ti_job_longest(p->job) + (uint64_t)p->job->overhead_s * (p->n - 1),
             run = run_of(p);
    while (run > needed) {
        side best = {0};
        size_t at = 0;
        for (size_t k = 0; k < 2 * p->n; k++) {
            side s = shrink(p, k, true);
            if (s.room_s > 0 && (best.room_s == 0 || s.mg_kwh > best.mg_kwh)) {
                best = s;
                at = k;
            }
        }
        if (best.room_s == 0) {
            return; /* all are as short as they may be */
        }
        int64_t by = least(best.room_s, (int64_t)(run - needed));
        move(p, at, -by);
        run -= (uint64_t)by;
    }
}

/* The move that gains the most a second: from side *from to side *to.  False when there is
 * none. */
static bool best_move(const polish *p, size_t *from, size_t *to, int64_t *by_s)
{
    int64_t gain = 0;
    for (size_t k = 0; k < 2 * p->n; k++) {
        for (size_t g = 0; g < 2 * p->n; g++) {
            side in = grow(p, g), out = shrink(p, k, k / 2 != g / 2);
            int64_t more = (int64_t)out.mg_kwh - in.mg_kwh;
            if (k != g && in.room_s > 0 && out.room_s > 0 && more > gain) {
                gain = more;
                *from = k;
                *to = g;
                *by_s = least(in.room_s, out.room_s);
            }
        }
    }
    return gain > 0;
}

void ti_slices_polish(ti_option *option, ti_slice *slices, size_t *n, const ti_series *series,
                      const ti_plan_job *job)
{
    polish p = {.series = series, .job = job, .slices = slices, .n = *n};
    size_t from, to;
    int64_t by_s;
    join(&p);
    trim(&p);
    for (int i = 0; i < MOVES_MAX && best_move(&p, &from, &to, &by_s); i++) {
        size_t before = p.n;
        move(&p, from, -by_s);
        move(&p, to, by_s);
        join(&p);
        if (p.n < before) {
            trim(&p);
        }
    }
    *n = p.n;
    option->start_s = slices[0].start_s;
    option->run_s = (uint32_t)run_of(&p);
    option->cost = 0;
    for (size_t i = 0; i < p.n; i++) {
        uint64_t part = 0;
        /* They were covered, and have been moved inside of slots only. */
        bool covered = ti_series_sum(&part, series, slices[i].start_s, end_of(&slices[i]));
        TI_ASSERT(covered);
        option->cost += part;
    }
}
