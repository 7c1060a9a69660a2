/* SPDX-License-Identifier: Apache-2.0 */
/* One piece: the cost of a window as a function of its start is piecewise linear.  It bends
 * where the start or one of the possible ends meets the edge of a slot, and nowhere else; so
 * its minimum is at such a point or at an end of the range, and is found exactly by visiting
 * them in order with one finger per start and end. */
#include "base/rng.h"
#include "plan/curve.h"

enum { FINGERS = TI_DURATIONS_MAX + 1 };

/* The start of the window or one of its ends, as it moves over slots without a gap. */
typedef struct finger {
    uint32_t offset; /* seconds after the start */
    int64_t factor;  /* weight of an end; all weights, negative, for the start */
    size_t slot;     /* the first that ends after the finger */
    int64_t edge_s;  /* start of the window at which the finger is at that slot's end */
    int64_t rate;    /* what it adds to the cost, a second */
} finger;

static void look(finger *f, const ti_series *s, int64_t time_s)
{
    bool there = f->slot < s->n;
    bool inside = there && s->slots[f->slot].start_s <= time_s + f->offset;
    f->edge_s = there ? ti_slot_end(&s->slots[f->slot]) - f->offset : INT64_MAX;
    f->rate = inside ? f->factor * s->slots[f->slot].intensity_mg_kwh : 0;
}

/* Puts the fingers where they are for a start at time_s.  Returns the cost there. */
static uint64_t place(finger *f, const ti_curve *curve, const ti_plan_job *job, int64_t time_s)
{
    uint64_t ends = 0, starts = 0;
    f[0] = (finger){.factor = -(int64_t)ti_job_weight(job)};
    for (uint32_t i = 1; i <= job->n_durations; i++) {
        f[i] = (finger){.offset = job->durations[i - 1].duration_s,
                        .factor = job->durations[i - 1].weight};
    }
    for (uint32_t i = 0; i <= job->n_durations; i++) {
        f[i].slot = ti_series_find(curve->series, time_s + f[i].offset);
        look(&f[i], curve->series, time_s);
        uint64_t sum = ti_curve_at(curve, f[i].slot, time_s + f[i].offset);
        ends += i > 0 ? (uint64_t)f[i].factor * sum : 0;
        starts += i > 0 ? 0 : (uint64_t)-f[i].factor * sum;
    }
    return ends - starts;
}

/* Visits the starts from `low` to `high`, between which the window meets no gap.  The cost goes
 * on from point to point: whole numbers, so that nothing is lost on the way. */
static size_t walk(ti_planner *planner, size_t n, const ti_curve *curve, const ti_plan_job *job,
                   int64_t low, int64_t high)
{
    finger f[FINGERS];
    uint64_t cost = place(f, curve, job, low);
    for (int64_t t = low;;) {
        int64_t next = high, slope = 0;
        for (uint32_t i = 0; i <= job->n_durations; i++) {
            next = f[i].edge_s < next ? f[i].edge_s : next;
            slope += f[i].rate;
        }
        if (t == high) {
            planner->points[n] = (ti_point){.time_s = t, .cost = cost, .length_s = 1};
            return n + 1;
        }
        planner->points[n++] = (ti_point){
            .time_s = t, .cost = cost, .slope = slope, .length_s = (uint32_t)(next - t)};
        cost = (uint64_t)((int64_t)cost + slope * (next - t));
        t = next;
        for (uint32_t i = 0; i <= job->n_durations; i++) {
            if (f[i].edge_s == t) {
                f[i].slot++;
                look(&f[i], curve->series, t);
            }
        }
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
        if (p->cost - limit > fall * p->length_s) {
            return 0; /* most points: no division */
        }
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
