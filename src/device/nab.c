/* SPDX-License-Identifier: Apache-2.0 */
#include "device/nab.h"

#include <math.h>
#include <stdlib.h>

#include "base/detmath.h"
#include "base/mem.h"

static const char MODULE[] = "nab";

enum {
    PROBATION_PERCENT = 15,
    PROBATION_ROWS = 5000, /* of a longer series, the share is taken of so many */
    FIRST_ROOM = 4096
};

/* config/profiles.json of NAB */
const ti_nab_profile ti_nab_profiles[TI_NAB_PROFILES] = {
    {"standard", 0.11, 1.0},
    {"reward_low_FP_rate", 0.22, 1.0},
    {"reward_low_FN_rate", 0.11, 2.0},
};

uint32_t ti_nab_probation(uint32_t n_rows)
{
    const uint32_t rows = n_rows < PROBATION_ROWS ? n_rows : PROBATION_ROWS;
    return rows * PROBATION_PERCENT / 100;
}

/* From 1 long before the end of a window to -1 long after it, 0 at the end. */
static double worth(double position)
{
    return position > 3.0 ? -1.0 : 2.0 / (1.0 + ti_exp(5.0 * position)) - 1.0;
}

static tern_status check(const double *scores, uint32_t n_rows, const ti_nab_window *windows,
                         uint32_t n_windows, tern_err *err)
{
    for (uint32_t i = 0; i < n_windows; i++) {
        if (windows[i].first > windows[i].last || windows[i].last >= n_rows ||
            (i > 0 && windows[i].first <= windows[i - 1].last)) {
            return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                           "window %u (rows %u to %u of %u) overlaps, or lies outside", i + 1,
                           windows[i].first, windows[i].last, n_rows);
        }
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        if (isnan(scores[i])) {
            return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                           "the score of row %u is no "
                           "number",
                           i + 1);
        }
    }
    return TERN_OK;
}

static tern_status make_room(ti_nab *nab, size_t more, tern_err *err)
{
    size_t room = nab->room ? nab->room : FIRST_ROOM;
    while (room - nab->n_points < more) {
        room *= 2;
    }
    if (room > nab->room) {
        size_t bytes;
        ti_nab_point *points =
            ti_mul_size(room, sizeof *points, &bytes) ? realloc(nab->points, bytes) : NULL;
        if (!points) {
            return ti_fail_nomem(err, MODULE, room * sizeof *points, "rows");
        }
        nab->points = points;
        nab->room = room;
    }
    return TERN_OK;
}

tern_status ti_nab_add(ti_nab *nab, const double *scores, uint32_t n_rows,
                       const ti_nab_window *windows, uint32_t n_windows, tern_err *err)
{
    TI_TRY(check(scores, n_rows, windows, n_windows, err));
    TI_TRY(make_room(nab, n_rows, err));
    uint32_t next = 0; /* the window that the row is in or before */
    for (uint32_t i = 0; i < n_rows; i++) {
        next += next < n_windows && i > windows[next].last;
        ti_nab_point p = {scores[i], -1.0, UINT32_MAX};
        if (next < n_windows && i >= windows[next].first) {
            const double rows = windows[next].last - windows[next].first + 1.0;
            p.gain = worth(-(windows[next].last - i + 1.0) / rows) / worth(-1.0);
            p.window = nab->n_windows + next;
        } else if (next > 0) {
            const ti_nab_window *before = &windows[next - 1];
            const double rows = before->last - before->first;
            p.gain = rows > 0 ? worth((i - before->last) / rows) : -1.0;
        }
        if (i >= ti_nab_probation(n_rows)) {
            nab->points[nab->n_points++] = p;
        }
    }
    nab->n_windows += n_windows;
    return TERN_OK;
}

static int by_score(const void *a, const void *b)
{
    const double x = ((const ti_nab_point *)a)->score, y = ((const ti_nab_point *)b)->score;
    return (x < y) - (x > y);
}

/* What counts so far of each window, as thresholds go down. */
typedef struct tally {
    double *best;
    ti_nab_result now;
} tally;

static void count(tally *t, const ti_nab_point *p, const ti_nab_profile *profile)
{
    if (p->window == UINT32_MAX) {
        t->now.raw += p->gain * profile->fp_weight;
        t->now.alarms++;
    } else if (p->gain > t->best[p->window]) {
        t->now.raw += p->gain - t->best[p->window];
        /* A gain is above 0, a window without a detection below it. */
        t->now.found += t->best[p->window] < 0;
        t->best[p->window] = p->gain;
    }
    t->now.threshold = p->score;
}

/* Goes down to `least`, and keeps the best on the way or, with `last`, where it ends. */
static tern_status sweep(ti_nab_result *out, ti_nab *nab, const ti_nab_profile *profile,
                         double least, bool last, tern_err *err)
{
    const double null = -profile->fn_weight * nab->n_windows;
    tally t = {.now = {.raw = null, .threshold = (double)INFINITY}};
    t.best = ti_calloc((size_t)nab->n_windows + 1, sizeof *t.best);
    if (!t.best) {
        return ti_fail_nomem(err, MODULE, nab->n_windows * sizeof *t.best, "windows");
    }
    for (uint32_t i = 0; i < nab->n_windows; i++) {
        t.best[i] = -profile->fn_weight;
    }
    if (nab->n_points > 0) {
        qsort(nab->points, nab->n_points, sizeof *nab->points, by_score);
    }
    ti_nab_result best = t.now;
    for (size_t i = 0; i < nab->n_points && nab->points[i].score >= least; i++) {
        count(&t, &nab->points[i], profile);
        const bool whole =
            i + 1 == nab->n_points || by_score(&nab->points[i], &nab->points[i + 1]) != 0;
        if (whole && (last || t.now.raw > best.raw)) {
            best = t.now;
        }
    }
    free(t.best);
    const double perfect = nab->n_windows;
    best.score = nab->n_windows ? 100.0 * (best.raw - null) / (perfect - null) : 0.0;
    *out = best;
    return TERN_OK;
}

tern_status ti_nab_best(ti_nab_result *out, ti_nab *nab, const ti_nab_profile *profile,
                        tern_err *err)
{
    return sweep(out, nab, profile, -(double)INFINITY, false, err);
}

tern_status ti_nab_at(ti_nab_result *out, ti_nab *nab, const ti_nab_profile *profile,
                      double threshold, tern_err *err)
{
    TI_TRY(sweep(out, nab, profile, threshold, true, err));
    out->threshold = threshold;
    return TERN_OK;
}

void ti_nab_free(ti_nab *nab)
{
    free(nab->points);
    *nab = (ti_nab){0};
}
