/* SPDX-License-Identifier: Apache-2.0 */
/* One piece: the cost of a window as a function of its start is piecewise linear.  It bends
 * where the start or one of the possible ends meets the edge of a slot, and nowhere else; so
 * its minimum is at such a point or at an end of the range, and is found exactly by visiting
 * them in order with one finger per start and end. */
#include "base/rng.h"
#include "plan/curve.h"

enum { FINGERS = TI_DURATIONS_MAX + 1 };

/* Where start and ends of the window are, as it moves over a run of slots without a gap. */
typedef struct fingers {
    const ti_curve *curve;
    const ti_plan_job *job;
    uint64_t weight;
    uint32_t n;               /* fingers: the start and each end */
    uint32_t offset[FINGERS]; /* seconds after the start */
    uint64_t factor[FINGERS]; /* weight of an end; not used for the start */
    size_t slot[FINGERS];     /* the first that ends after the finger */
} fingers;

static void place(fingers *f, const ti_curve *curve, const ti_plan_job *job, int64_t time_s)
{
    f->curve = curve;
    f->job = job;
    f->weight = ti_job_weight(job);
    f->n = job->n_durations + 1;
    f->offset[0] = 0;
    f->factor[0] = 0;
    for (uint32_t i = 1; i < f->n; i++) {
        f->offset[i] = job->durations[i - 1].duration_s;
        f->factor[i] = job->durations[i - 1].weight;
    }
    for (uint32_t i = 0; i < f->n; i++) {
        f->slot[i] = ti_series_find(curve->series, time_s + f->offset[i]);
    }
}

/* Intensity right of a finger; 0 where nothing is. */
static uint64_t right_of(const fingers *f, uint32_t i, int64_t time_s)
{
    const ti_series *s = f->curve->series;
    size_t at = f->slot[i];
    bool inside = at < s->n && s->slots[at].start_s <= time_s + f->offset[i];
    return inside ? s->slots[at].intensity_mg_kwh : 0;
}

static ti_point measure(const fingers *f, int64_t time_s)
{
    uint64_t ends = 0, rise = 0;
    for (uint32_t i = 1; i < f->n; i++) {
        ends += f->factor[i] * ti_curve_at(f->curve, f->slot[i], time_s + f->offset[i]);
        rise += f->factor[i] * right_of(f, i, time_s);
    }
    return (ti_point){
        .time_s = time_s,
        .cost = ends - f->weight * ti_curve_at(f->curve, f->slot[0], time_s),
        .slope = (int64_t)rise - (int64_t)(f->weight * right_of(f, 0, time_s)),
    };
}

/* The next start after time_s at which a finger meets an edge. */
static int64_t next_bend(const fingers *f)
{
    const ti_series *s = f->curve->series;
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->slot[i] < s->n) {
            int64_t edge = ti_slot_end(&s->slots[f->slot[i]]) - f->offset[i];
            next = edge < next ? edge : next;
        }
    }
    return next;
}

static void advance(fingers *f, int64_t time_s)
{
    const ti_series *s = f->curve->series;
    for (uint32_t i = 0; i < f->n; i++) {
        while (f->slot[i] < s->n &&
               ti_slot_end(&s->slots[f->slot[i]]) <= time_s + f->offset[i]) {
            f->slot[i]++;
        }
    }
}

/* Visits the starts from `low` to `high`, between which the window meets no gap. */
static size_t walk(ti_planner *planner, size_t n, const ti_curve *curve, const ti_plan_job *job,
                   int64_t low, int64_t high)
{
    fingers f;
    place(&f, curve, job, low);
    for (int64_t t = low;;) {
        ti_point *point = &planner->points[n++];
        *point = measure(&f, t);
        if (t == high) {
            point->slope = 0;
            point->length_s = 1;
            return n;
        }
        int64_t next = next_bend(&f);
        next = next < high ? next : high;
        point->length_s = (uint32_t)(next - t);
        t = next;
        advance(&f, t);
    }
}

tern_status ti_window_points(ti_planner *planner, size_t *n, size_t zone,
                             const ti_plan_job *job, tern_err *err)
{
    const ti_curve *curve = &planner->curves[zone];
    const ti_series *s = curve->series;
    uint32_t longest = ti_job_longest(job);
    size_t first = ti_series_find(s, job->earliest_s);
    size_t last = ti_series_find(s, job->deadline_s);
    size_t found = 0;
    /* A bend needs an edge; each finger meets each edge once, and a run has two ends. */
    TI_TRY(ti_planner_points(planner, (last - first + 2) * (job->n_durations + 3), err));
    for (size_t i = first; i < s->n && s->slots[i].start_s < job->deadline_s;) {
        int64_t start = s->slots[i].start_s, end = ti_slot_end(&s->slots[i]);
        for (i++; i < s->n && s->slots[i].start_s == end; i++) {
            end = ti_slot_end(&s->slots[i]);
            if (end >= job->deadline_s) {
                end = job->deadline_s;
                i = s->n;
                break;
            }
        }
        int64_t low = start > job->earliest_s ? start : job->earliest_s;
        int64_t high = (end < job->deadline_s ? end : job->deadline_s) - longest;
        if (low <= high) {
            found = walk(planner, found, curve, job, low, high);
        }
    }
    *n = found;
    return TERN_OK;
}

static ti_option option_at(size_t zone, const ti_plan_job *job, int64_t time_s, uint64_t cost)
{
    return (ti_option){.there = true,
                       .zone = zone,
                       .start_s = time_s,
                       .cost = cost,
                       .run_s = ti_job_longest(job)};
}

ti_option ti_window_best(const ti_planner *planner, size_t n, size_t zone,
                         const ti_plan_job *job)
{
    const ti_point *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!best || planner->points[i].cost < best->cost) {
            best = &planner->points[i];
        }
    }
    return best ? option_at(zone, job, best->time_s, best->cost) : (ti_option){0};
}

/* The seconds [*from, *from + count) after a point at which the cost is at most `limit`. */
static uint32_t within(const ti_point *p, uint64_t limit, uint32_t *from)
{
    *from = 0;
    if (p->slope >= 0) {
        if (p->cost > limit) {
            return 0;
        }
        if (p->slope == 0) {
            return p->length_s;
        }
        uint64_t count = (limit - p->cost) / (uint64_t)p->slope + 1;
        return count < p->length_s ? (uint32_t)count : p->length_s;
    }
    if (p->cost > limit) {
        uint64_t fall = (uint64_t)-p->slope;
        uint64_t skip = (p->cost - limit + fall - 1) / fall;
        *from = skip < p->length_s ? (uint32_t)skip : p->length_s;
    }
    return p->length_s - *from;
}

ti_option ti_window_spread(const ti_planner *planner, size_t n, const ti_option *best,
                           const ti_plan_job *job, uint64_t limit)
{
    uint64_t total = 0, seed = job->id;
    uint32_t from;
    for (size_t i = 0; i < n; i++) {
        total += within(&planner->points[i], limit, &from);
    }
    if (total == 0) {
        return *best;
    }
    /* The remainder favours some seconds by less than one part in 2^30: total is under 2^34. */
    uint64_t pick = ti_splitmix64(&seed) % total;
    for (size_t i = 0; i < n; i++) {
        const ti_point *p = &planner->points[i];
        uint32_t count = within(p, limit, &from);
        if (pick < count) {
            int64_t step = (int64_t)from + (int64_t)pick;
            return option_at(best->zone, job, p->time_s + step,
                             (uint64_t)((int64_t)p->cost + p->slope * step));
        }
        pick -= count;
    }
    return *best;
}
