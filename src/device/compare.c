/* SPDX-License-Identifier: Apache-2.0 */
#include "device/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/detmath.h"
#include "base/mem.h"

static const char MODULE[] = "edge";

enum {
    DAY_S = 86400,
    WEEK_S = 604800,
    FIRST_WEEKS = 4,   /* not judged */
    LEAST_WEEKS = 16,  /* with fewer there is next to no fault */
    EVERY_WEEKS = 8,   /* a fault */
    MONTH_DAYS = 30,   /* of one false alarm */
    FAULTS_ROOM = 4096 /* of one kind in one repetition */
};

/* What all repetitions share. */
typedef struct work {
    const ti_readings *readings;
    uint32_t from, day; /* rows */
    double *values;     /* with faults */
    double *scores[TI_CONTENDERS];
    double *sorted; /* scores */
    ti_fault *faults;
    double *delays; /* of a detector and kind, in hours: [detector][kind][room] */
    uint32_t room;
} work;

/* The next row at or after `row` where an alarm begins, or n; *last: row of the one before. */
static uint32_t next_alarm(const work *w, const double *scores, double threshold, uint32_t row,
                           uint32_t *last)
{
    for (; row < w->readings->n; row++) {
        if (scores[row] > threshold && (*last == UINT32_MAX || row - *last >= w->day)) {
            *last = row;
            break;
        }
    }
    return row;
}

static uint32_t count_alarms(const work *w, const double *scores, double threshold)
{
    uint32_t n = 0, last = UINT32_MAX;
    for (uint32_t row = w->from; row < w->readings->n; row++) {
        row = next_alarm(w, scores, threshold, row, &last);
        n += row < w->readings->n;
    }
    return n;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* By bisection over the scores themselves. */
static double find_threshold(work *w, const double *scores, uint32_t alarms)
{
    const uint32_t n = w->readings->n - w->from;
    memcpy(w->sorted, scores + w->from, n * sizeof *scores);
    qsort(w->sorted, n, sizeof *w->sorted, ascending);
    uint32_t low = 0, high = n - 1; /* at the largest score there is no alarm */
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (count_alarms(w, scores, w->sorted[middle]) <= alarms) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return w->sorted[high];
}

static tern_status detect_all(work *w, const double *values, const double *thresholds,
                              tern_err *err)
{
    ti_readings r = *w->readings;
    r.values = values;
    for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
        if (d != TI_CONTENDER_ALL) {
            TI_TRY(ti_contender_scores(w->scores[d], d, &r, err));
        }
    }
    for (uint32_t i = 0; i < r.n && thresholds; i++) {
        double most = 0;
        for (ti_contender d = 0; d < TI_CONTENDER_ALL; d++) {
            most = fmax(most, w->scores[d][i] / thresholds[d]);
        }
        w->scores[TI_CONTENDER_ALL][i] = most;
    }
    return TERN_OK;
}

static tern_status find_thresholds(ti_comparison *out, work *w, tern_err *err)
{
    const uint32_t days = (w->readings->n - w->from) / w->day;
    out->clean_days = days;
    TI_TRY(detect_all(w, w->readings->values, NULL, err));
    for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
        if (d == TI_CONTENDER_ALL) { /* its parts are known */
            TI_TRY(detect_all(w, w->readings->values, out->thresholds, err));
        }
        const double t = find_threshold(w, w->scores[d], days / MONTH_DAYS);
        out->thresholds[d] = t > 0 ? t : 1; /* divides */
        out->clean_alarms[d] = count_alarms(w, w->scores[d], out->thresholds[d]);
    }
    return TERN_OK;
}

/* Compares the alarms of one repetition with its faults. */
static void judge(ti_found *found, double *delays, const work *w, const double *scores,
                  double threshold, uint32_t n_faults)
{
    uint32_t last = UINT32_MAX, k = 0;
    bool met = false;
    found->faults += n_faults;
    found->days += (w->readings->n - w->from) / w->day;
    for (uint32_t row = w->from; row < w->readings->n; row++) {
        row = next_alarm(w, scores, threshold, row, &last);
        while (k < n_faults && row >= w->faults[k].first + w->faults[k].n + w->day) {
            k++;
            met = false;
        }
        if (row == w->readings->n) {
            break;
        }
        if (k == n_faults || row < w->faults[k].first) {
            found->false_alarms++;
        } else if (!met && row < w->faults[k].first + w->faults[k].n) {
            met = true;
            delays[found->found++] =
                (row - w->faults[k].first) * (w->readings->interval_s / 3600.0);
        } else {
            /* the same fault again, or its end */
        }
    }
}

static double *delays_of(const work *w, ti_contender d, ti_fault_kind kind)
{
    return &w->delays[((size_t)d * TI_FAULT_KINDS + kind) * w->room];
}

static tern_status repeat(ti_comparison *out, work *w, uint64_t seed, tern_err *err)
{
    const ti_readings *r = w->readings;
    for (ti_fault_kind kind = 0; kind < TI_FAULT_KINDS; kind++) {
        const uint32_t n = ti_fault_plan(w->faults, FAULTS_ROOM, kind, seed, r, w->from,
                                         EVERY_WEEKS * WEEK_S / r->interval_s);
        memcpy(w->values, r->values, r->n * sizeof *w->values);
        for (uint32_t i = 0; i < n; i++) {
            ti_fault_apply(w->values, r, &w->faults[i]);
        }
        TI_TRY(detect_all(w, w->values, out->thresholds, err));
        for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
            judge(&out->found[d][kind], delays_of(w, d, kind), w, w->scores[d],
                  out->thresholds[d], n);
            const double length_days = n > 0 ? (double)w->faults[0].n / w->day : 0;
            out->found[d][kind].chance = 1.0 - ti_exp(-length_days / MONTH_DAYS);
        }
    }
    return TERN_OK;
}

static void close_work(work *w)
{
    for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
        free(w->scores[d]);
    }
    free(w->values);
    free(w->sorted);
    free(w->faults);
    free(w->delays);
}

static tern_status open_work(work *w, const ti_readings *r, uint32_t seeds, tern_err *err)
{
    const uint32_t every = EVERY_WEEKS * (WEEK_S / r->interval_s);
    *w = (work){.readings = r,
                .from = FIRST_WEEKS * (WEEK_S / r->interval_s),
                .day = DAY_S / r->interval_s,
                .room = (r->n / every + 1) * seeds};
    bool good = true;
    for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
        w->scores[d] = ti_calloc(r->n, sizeof *w->scores[d]);
        good = good && w->scores[d];
    }
    w->values = ti_calloc(r->n, sizeof *w->values);
    w->sorted = ti_calloc(r->n, sizeof *w->sorted);
    w->faults = ti_calloc(FAULTS_ROOM, sizeof *w->faults);
    w->delays = ti_calloc((size_t)w->room * TI_CONTENDERS * TI_FAULT_KINDS, sizeof *w->delays);
    if (!good || !w->values || !w->sorted || !w->faults || !w->delays) {
        close_work(w);
        return ti_fail_nomem(err, MODULE, (uint64_t)r->n * sizeof *w->values, "readings");
    }
    return TERN_OK;
}

tern_status ti_compare(ti_comparison *out, const ti_readings *readings, uint32_t seeds,
                       tern_err *err)
{
    if (readings->interval_s == 0 || 3600 % readings->interval_s != 0) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "one reading in %u s: the interval must divide an hour",
                       readings->interval_s);
    }
    if (seeds == 0 || seeds > 1000) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "%u repetitions: 1 to 1000 are possible", seeds);
    }
    if (readings->n / LEAST_WEEKS < WEEK_S / readings->interval_s) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "%u readings, one in %u s, are less than the %d weeks that are needed",
                       readings->n, readings->interval_s, LEAST_WEEKS);
    }
    work w;
    ti_comparison all = {0};
    TI_TRY(open_work(&w, readings, seeds, err));
    tern_status status = find_thresholds(&all, &w, err);
    for (uint32_t seed = 1; seed <= seeds && status == TERN_OK; seed++) {
        status = repeat(&all, &w, seed, err);
    }
    for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
        for (ti_fault_kind kind = 0; kind < TI_FAULT_KINDS; kind++) {
            ti_found *f = &all.found[d][kind];
            double *delays = delays_of(&w, d, kind);
            qsort(delays, f->found, sizeof *delays, ascending);
            f->delay_h = f->found ? delays[f->found / 2] : (double)NAN;
        }
    }
    if (status == TERN_OK) {
        *out = all;
    }
    close_work(&w);
    return status;
}
