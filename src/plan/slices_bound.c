/* SPDX-License-Identifier: Apache-2.0 */
/* Slices with a least length, and interruptions that cost time.
 *
 * A table over steps of time and steps of work done.  It is exact when all edges and lengths
 * are multiples of the step: for given slices, the cost is linear in their starts and ends, all
 * conditions but one tie two of these to a fixed distance, and the one on their sum moves a
 * tied group by whole steps, so that an optimum is on the grid.  Where that step would need too
 * large a table a longer one is taken, its slices are polished (slices_polish.c), and it is
 * said. */
#include <stdlib.h>

#include "base/mem.h"
#include "plan/curve.h"

enum { CELLS_MAX = 1 << 20, STEPS_MAX = 8192 };

#define NEVER UINT64_MAX

enum { IDLE_RAN = 1, RUN_BEGAN = 2 }; /* how a cell was reached */

typedef struct table {
    int64_t origin_s;                 /* where the first step begins */
    uint32_t step_s, n_times, n_work; /* cells: (n_times + 1) * (n_work + 1) */
    uint32_t least, overhead;         /* in steps */
    uint64_t *price;                  /* [n_times]: of a step; NEVER in a gap */
    uint64_t *idle;                   /* [times][work]: cheapest way to be here and not run */
    uint64_t *run;                    /* the same, running and free to stop */
    unsigned char *how;
    bool exact;
} table;

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static uint32_t steps(uint32_t seconds, uint32_t step)
{
    return (uint32_t)(((uint64_t)seconds + step - 1) / step);
}

/* The longest step of which everything is a multiple. */
static uint64_t common_step(const ti_series *s, const ti_plan_job *job)
{
    uint64_t step = gcd(ti_job_longest(job), gcd(job->min_slice_s, job->overhead_s));
    for (size_t i = ti_series_find(s, job->earliest_s);
         i < s->n && s->slots[i].start_s < job->deadline_s; i++) {
        int64_t edges[2] = {s->slots[i].start_s, ti_slot_end(&s->slots[i])};
        for (int k = 0; k < 2; k++) {
            if (edges[k] > job->earliest_s) {
                step = gcd(step, (uint64_t)(edges[k] - job->earliest_s));
            }
        }
    }
    return step;
}

static bool fits(uint64_t span, uint64_t work, uint64_t step)
{
    uint64_t times = span / step, needed = work / step + 1;
    return times <= STEPS_MAX && (times + 1) * (needed + 1) <= CELLS_MAX;
}

/* A step for which the table is small enough: one of which an hour is a multiple, as slots are,
 * and if that is not much longer also least length and overhead, which are not rounded then. */
static uint64_t coarse_step(uint64_t span, const ti_plan_job *job)
{
    static const uint16_t parts[] = {60,  72,  75,  80,  90,   100,  120, 144,
                                     150, 180, 200, 225, 240,  300,  360, 400,
                                     450, 600, 720, 900, 1200, 1800, 3600};
    uint64_t work = ti_job_longest(job), first = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!fits(span, work, parts[i])) {
            continue;
        }
        first = first > 0 ? first : parts[i];
        if (parts[i] <= 2 * first && job->min_slice_s % parts[i] == 0 &&
            job->overhead_s % parts[i] == 0) {
            return parts[i];
        }
    }
    for (uint64_t step = first > 0 ? first : 7200;; step *= 2) {
        if (fits(span, work, step)) {
            return step;
        }
    }
}

static uint64_t price_of(const ti_series *s, int64_t from_s, uint32_t step_s)
{
    uint64_t sum;
    return ti_series_sum(&sum, s, from_s, from_s + step_s) ? sum : NEVER;
}

static void release(table *t)
{
    free(t->price);
    free(t->idle);
    free(t->run);
    free(t->how);
}

static tern_status prepare(table *t, const ti_series *s, const ti_plan_job *job, tern_err *err)
{
    uint64_t span = (uint64_t)(job->deadline_s - job->earliest_s);
    uint64_t longest = ti_job_longest(job), step = common_step(s, job);
    *t = (table){.exact = fits(span, longest, step)};
    step = t->exact ? step : coarse_step(span, job);
    t->step_s = (uint32_t)step;
    t->origin_s = job->earliest_s;
    if (!t->exact) { /* long steps begin where a slot ends: most slots end there then */
        size_t first = ti_series_find(s, job->earliest_s);
        int64_t edge = first < s->n ? ti_slot_end(&s->slots[first]) : job->earliest_s;
        t->origin_s += (edge - job->earliest_s) % (int64_t)step;
    }
    t->n_times = (uint32_t)(t->origin_s < job->deadline_s
                                ? (job->deadline_s - t->origin_s) / (int64_t)step
                                : 0);
    t->n_work = steps(ti_job_longest(job), t->step_s);
    t->least = steps(job->min_slice_s, t->step_s);
    t->least = t->least < 1 ? 1 : t->least;
    t->least = t->least < t->n_work ? t->least : t->n_work;
    t->overhead = steps(job->overhead_s, t->step_s);
    size_t cells = (size_t)(t->n_times + 1) * (t->n_work + 1);
    t->price = ti_calloc(t->n_times + 1, sizeof *t->price);
    t->idle = ti_calloc(cells, sizeof *t->idle);
    t->run = ti_calloc(cells, sizeof *t->run);
    t->how = ti_calloc(cells, 1);
    if (!t->price || !t->idle || !t->run || !t->how) {
        release(t);
        return ti_fail_nomem(err, "plan", cells * 17, "slices");
    }
    for (uint32_t i = 0; i < t->n_times; i++) {
        t->price[i] = price_of(s, t->origin_s + (int64_t)i * t->step_s, t->step_s);
    }
    return TERN_OK;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a == NEVER || b == NEVER ? NEVER : a + b;
}

/* The ways to be running at `at`, where a slice that began with nothing done took `first`, and
 * a later one `later` (its overhead included). */
static void fill_row(table *t, uint32_t at, uint64_t first, uint64_t later)
{
    size_t width = t->n_work + 1, row = at * width;
    uint32_t took = t->least + t->overhead;
    for (uint32_t w = 0; w <= t->n_work; w++) {
        uint64_t run = NEVER, idle = at > 0 ? t->idle[row - width + w] : NEVER;
        unsigned char how = 0;
        if (at > 0 && w > 0) {
            run = plus(t->run[row - width + w - 1], t->price[at - 1]);
        }
        if (w == t->least && at >= t->least && first < run) {
            run = first; /* the first slice: nothing is loaded again */
            how |= RUN_BEGAN;
        } else if (w > t->least && at >= took) {
            uint64_t begun = plus(t->idle[(at - took) * width + w - t->least], later);
            if (begun < run) {
                run = begun;
                how |= RUN_BEGAN;
            }
        }
        if (at == 0 && w == 0) {
            idle = 0;
        }
        if (run < idle) {
            idle = run;
            how |= IDLE_RAN;
        }
        t->run[row + w] = run;
        t->idle[row + w] = idle;
        t->how[row + w] = how;
    }
}

/* Sums over the last `length` steps, as a window that moves; gaps are counted apart. */
typedef struct moving {
    uint64_t sum;
    uint32_t gaps, length;
} moving;

static uint64_t move(moving *m, const table *t, uint32_t at)
{
    uint64_t in = t->price[at - 1];
    m->gaps += in == NEVER;
    m->sum += in == NEVER ? 0 : in;
    if (at > m->length) {
        uint64_t out = t->price[at - 1 - m->length];
        m->gaps -= out == NEVER;
        m->sum -= out == NEVER ? 0 : out;
    }
    return m->gaps > 0 || at < m->length ? NEVER : m->sum;
}

static void fill_table(table *t)
{
    moving first = {.length = t->least}, later = {.length = t->least + t->overhead};
    fill_row(t, 0, NEVER, NEVER);
    for (uint32_t at = 1; at <= t->n_times; at++) {
        uint64_t a = move(&first, t, at), b = move(&later, t, at);
        fill_row(t, at, a, b);
    }
}

/* Walks back from the end.  Slices come out last first. */
static size_t trace(ti_slice *slices, const table *t, int64_t origin_s)
{
    size_t width = t->n_work + 1, n = 0;
    uint32_t at = t->n_times, w = t->n_work, end = 0;
    bool running = false;
    while (w > 0 || running) {
        unsigned char how = t->how[at * width + w];
        if (!running) {
            running = (how & IDLE_RAN) != 0;
            end = at;
            at -= running ? 0 : 1;
            continue;
        }
        if (!(how & RUN_BEGAN)) {
            at--;
            w--;
            continue;
        }
        at -= t->least + (w > t->least ? t->overhead : 0);
        w -= t->least;
        slices[n++] = (ti_slice){.start_s = origin_s + (int64_t)at * t->step_s,
                                 .length_s = (end - at) * t->step_s};
        running = false;
    }
    for (size_t i = 0; i < n / 2; i++) {
        ti_slice swap = slices[i];
        slices[i] = slices[n - 1 - i];
        slices[n - 1 - i] = swap;
    }
    return n;
}

tern_status ti_slices_bound(ti_option *out, ti_planner *planner, size_t *n, size_t zone,
                            const ti_plan_job *job, tern_err *err)
{
    const ti_series *s = planner->curves[zone].series;
    table t;
    *out = (ti_option){0};
    TI_TRY(prepare(&t, s, job, err));
    fill_table(&t);
    uint64_t best = t.idle[(size_t)(t.n_times + 1) * (t.n_work + 1) - 1];
    tern_status status = TERN_OK;
    if (best != NEVER) {
        status = ti_planner_slices(planner, t.n_work + 1, err);
        if (status == TERN_OK) {
            *n = trace(planner->slices, &t, t.origin_s);
            *out = (ti_option){.there = true,
                               .zone = zone,
                               .start_s = planner->slices[0].start_s,
                               .cost = best,
                               .coarse_s = t.exact ? 0 : t.step_s};
            for (size_t i = 0; i < *n; i++) {
                out->run_s += planner->slices[i].length_s;
            }
            if (!t.exact) {
                ti_slices_polish(out, planner->slices, n, s, job);
            }
        }
    }
    release(&t);
    return status;
}
