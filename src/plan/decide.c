/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: options of all zones against running now, and the reasons. */
#include "plan/curve.h"

enum { PERMILLE = 1000, TENTHS = 10, SIGMA_MILLI = 1000, UG_PER_MG = 1000, S_PER_HOUR = 3600 };

/* What is being decided, so that steps need few arguments. */
typedef struct deciding {
    ti_planner *planner;
    ti_plan_job job;                  /* with one duration when it is interruptible */
    uint64_t weight, weighted_s, now; /* `now` = cost as in ti_point */
    uint32_t longest;
    size_t n_slices, n_points; /* of the option that was looked at last */
    ti_decision out;
} deciding;

static tern_status wrong(const char *what, tern_err *err)
{
    return ti_fail(err, TERN_USAGE, "plan", TI_NO_OFFSET, "%s", what);
}

static tern_status check(const ti_plan_job *job, tern_err *err)
{
    uint32_t weight = 0;
    if (job->n_durations < 1 || job->n_durations > TI_DURATIONS_MAX) {
        return wrong("a job has one to eight durations", err);
    }
    for (uint32_t i = 0; i < job->n_durations; i++) {
        const ti_duration *d = &job->durations[i];
        if (d->duration_s == 0 || d->weight == 0 || d->weight > TI_WEIGHTS_MAX) {
            return wrong("a duration or its weight is 0, or a weight above 1000", err);
        }
        if (i > 0 && d->duration_s <= d[-1].duration_s) {
            return wrong("durations must ascend", err);
        }
        weight += d->weight;
    }
    if (weight > TI_WEIGHTS_MAX) {
        return wrong("weights of durations above 1000 in all", err);
    }
    if (ti_job_longest(job) > TI_SERIES_SPAN_S || job->min_slice_s > TI_SERIES_SPAN_S ||
        job->overhead_s > TI_SERIES_SPAN_S) {
        return wrong("a duration of more than fifty years", err);
    }
    if (job->earliest_s < 0 || job->earliest_s > TI_TIME_MAX_S || job->deadline_s < 0 ||
        job->deadline_s > TI_TIME_MAX_S) {
        return wrong("a time before 1970 or after 9999", err);
    }
    if (job->confidence_permille >= PERMILLE || job->band_permille > PERMILLE) {
        return wrong("a confidence of 100 % or more, or a band above 100 %", err);
    }
    return TERN_OK;
}

static void why(ti_decision *d, ti_why_code code, int64_t a, int64_t b)
{
    if (d->n_whys < TI_WHYS_MAX) {
        d->whys[d->n_whys++] = (ti_why){.code = code, .a = a, .b = b};
    }
}

/* x / den * num, rounded half up, for num < 2^16 and den < 2^40. */
static uint64_t scaled(uint64_t x, uint64_t num, uint64_t den)
{
    return x / den * num + (x % den * num + den / 2) / den;
}

static ti_plan_cost cost_of(uint64_t cost, uint64_t weight, uint64_t weighted_s)
{
    /* mg s/kWh at 1 kW is mg/3600. */
    uint64_t ug = scaled(cost, UG_PER_MG, S_PER_HOUR * weight);
    return (ti_plan_cost){.co2_ug_per_kw = ug,
                          .mean_mg_kwh = (uint32_t)scaled(cost, 1, weighted_s)};
}

bool ti_plan_cost_of(ti_plan_cost *out, const ti_series *series, const ti_slice *slices,
                     size_t n)
{
    uint64_t sum = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t part;
        if (!ti_series_sum(&part, series, slices[i].start_s,
                           slices[i].start_s + slices[i].length_s)) {
            return false;
        }
        sum += part;
        length += slices[i].length_s;
    }
    if (length == 0) {
        return false;
    }
    *out = cost_of(sum, 1, length);
    return true;
}

/* Cost of starting at once in zone 0; false when it is not known to the end. */
static bool cost_now(uint64_t *cost, const ti_series *series, const ti_plan_job *job)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->n_durations; i++) {
        uint64_t part;
        if (!ti_series_sum(&part, series, job->earliest_s,
                           job->earliest_s + job->durations[i].duration_s)) {
            return false;
        }
        sum += part * job->durations[i].weight;
    }
    *cost = sum;
    return true;
}

/* Ends with running now. */
static tern_status run_now(deciding *d)
{
    ti_decision *out = &d->out;
    d->planner->slices[0] = (ti_slice){.start_s = d->job.earliest_s, .length_s = d->longest};
    d->n_slices = 1;
    out->wait = false;
    out->zone = 0;
    out->start_s = d->job.earliest_s;
    out->end_s = d->job.earliest_s + d->longest;
    out->gain_ug_per_kw = 0;
    out->cost = out->now;
    out->slices = d->planner->slices;
    out->n_slices = d->n_slices;
    return TERN_OK;
}

/* The best way in one zone; its slices are in the planner until the next call. */
static tern_status best_of(ti_option *best, deciding *d, size_t zone, tern_err *err)
{
    size_t n_slices = 1;
    TI_TRY(ti_window_points(d->planner, &d->n_points, zone, &d->job, err));
    *best = ti_window_best(d->planner, d->n_points, zone, &d->job);
    if (d->job.interruptible) {
        ti_option cut;
        bool bound = d->job.min_slice_s > 0 || d->job.overhead_s > 0;
        TI_TRY(bound ? ti_slices_bound(&cut, d->planner, &n_slices, zone, &d->job, err)
                     : ti_slices_free(&cut, d->planner, &n_slices, zone, &d->job, err));
        if (cut.there && (!best->there || cut.cost < best->cost)) {
            *best = cut;
            d->n_slices = n_slices;
            return TERN_OK;
        }
    }
    d->n_slices = 1;
    if (best->there) {
        d->planner->slices[0] = (ti_slice){.start_s = best->start_s, .length_s = best->run_s};
    }
    return TERN_OK;
}

static tern_status best_zone(ti_option *best, deciding *d, tern_err *err)
{
    size_t last = 0;
    *best = (ti_option){0};
    for (size_t zone = 0; zone < d->planner->n; zone++) {
        ti_option option;
        TI_TRY(best_of(&option, d, zone, err));
        last = zone;
        if (option.there && (!best->there || option.cost < best->cost)) {
            *best = option;
        }
    }
    if (best->there && best->zone != last) {
        return best_of(best, d, best->zone, err); /* its slices and points again */
    }
    return TERN_OK;
}

/* Says how far what is known reaches, when that is not the deadline. */
static void say_horizon(deciding *d)
{
    const ti_series *s = d->planner->curves[0].series;
    int64_t known = ti_series_covered(s, d->job.earliest_s);
    int64_t end = s->n > 0 ? ti_slot_end(&s->slots[s->n - 1]) : known;
    if (known < end && known < d->job.deadline_s) {
        why(&d->out, TI_WHY_GAP, known, end);
    }
    if (end < d->job.deadline_s) {
        why(&d->out, TI_WHY_HORIZON, end, d->job.deadline_s);
    }
}

/* False when waiting is not sure enough. */
static bool sure_enough(deciding *d, const ti_option *best)
{
    ti_decision *out = &d->out;
    int64_t gain = (int64_t)((d->now - best->cost) / d->weighted_s);
    uint32_t error = ti_gain_error(d->planner, best->zone, d->planner->slices, d->n_slices,
                                   d->job.earliest_s, d->longest);
    out->error_mg_kwh = error;
    bool known = error != TI_ERROR_UNKNOWN;
    if (known) {
        out->confidence_permille =
            error == 0 ? PERMILLE : ti_normal_permille(gain * TENTHS / (int64_t)error);
    } else {
        error = ti_gain_assumed(d->now / d->weighted_s, best->cost / d->weighted_s);
    }
    uint64_t sigmas = ti_normal_sigma(d->job.confidence_permille);
    int64_t needed = (int64_t)((sigmas * error + SIGMA_MILLI - 1) / SIGMA_MILLI);
    if (gain < needed) {
        why(out, TI_WHY_UNDER_ERROR, gain, needed);
    }
    if (!known) {
        why(out, TI_WHY_ERROR_UNKNOWN, gain, needed);
    }
    return gain >= needed;
}

/* The chosen option into the decision. */
static void finish(deciding *d, const ti_option *chosen, const ti_option *best)
{
    ti_decision *out = &d->out;
    const ti_slice *last;
    if (chosen != best) {
        d->planner->slices[0] =
            (ti_slice){.start_s = chosen->start_s, .length_s = chosen->run_s};
    }
    last = &d->planner->slices[d->n_slices - 1];
    out->cost = cost_of(chosen->cost, d->weight, d->weighted_s);
    if (d->n_slices > 1) { /* overhead runs too, so the mean is over more than the work */
        out->cost.mean_mg_kwh = (uint32_t)scaled(chosen->cost, 1, chosen->run_s);
    }
    out->zone = chosen->zone;
    out->start_s = chosen->start_s;
    out->end_s = last->start_s + last->length_s;
    out->wait = chosen->zone != 0 || chosen->start_s > d->job.earliest_s || d->n_slices > 1;
    out->gain_ug_per_kw = (int64_t)out->now.co2_ug_per_kw - (int64_t)out->cost.co2_ug_per_kw;
    out->slices = d->planner->slices;
    out->n_slices = d->n_slices;
    if (chosen->zone != 0) {
        why(out, TI_WHY_ZONE, out->gain_ug_per_kw, (int64_t)chosen->zone);
    }
    if (chosen->start_s > d->job.earliest_s) {
        why(out, TI_WHY_LATER, out->gain_ug_per_kw, chosen->start_s - d->job.earliest_s);
    }
    if (chosen->start_s != best->start_s) {
        why(out, TI_WHY_SPREAD, chosen->start_s - best->start_s, 0);
    }
    if (d->n_slices > 1) {
        why(out, TI_WHY_SLICES, (int64_t)d->n_slices, (int64_t)chosen->run_s - d->longest);
    }
    if (chosen->coarse_s > 0) {
        why(out, TI_WHY_COARSE, chosen->coarse_s, 0);
    }
}

/* The most that a start in the band may cost. */
static uint64_t band_limit(const deciding *d, uint64_t best)
{
    uint64_t band = d->job.band_permille;
    uint64_t limit = best + best / PERMILLE * band + best % PERMILLE * band / PERMILLE;
    return limit < d->now ? limit : d->now;
}

static tern_status choose(deciding *d, tern_err *err)
{
    ti_option best;
    TI_TRY(best_zone(&best, d, err));
    say_horizon(d);
    if (!best.there || best.cost >= d->now) {
        bool slack = d->job.earliest_s + d->longest < d->job.deadline_s || d->planner->n > 1;
        why(&d->out, slack ? TI_WHY_NOW_IS_BEST : TI_WHY_NO_SLACK, 0, 0);
        return run_now(d);
    }
    if (!sure_enough(d, &best)) {
        return run_now(d);
    }
    ti_option spread;
    const ti_option *chosen = &best;
    if (d->n_slices == 1 && d->job.band_permille > 0 && !d->job.interruptible) {
        spread =
            ti_window_spread(d->planner, d->n_points, &best, &d->job, band_limit(d, best.cost));
        chosen = &spread;
    }
    finish(d, chosen, &best);
    return TERN_OK;
}

tern_status ti_plan_decide(ti_decision *out, ti_planner *planner, const ti_plan_job *job,
                           tern_err *err)
{
    deciding d = {.planner = planner, .job = *job, .out = {.error_mg_kwh = TI_ERROR_UNKNOWN}};
    TI_TRY(check(job, err));
    TI_TRY(ti_planner_slices(planner, 1, err));
    d.longest = ti_job_longest(job);
    if (job->interruptible) {
        d.job.n_durations = 1;
        d.job.durations[0] = (ti_duration){.duration_s = d.longest, .weight = 1};
    }
    d.weight = ti_job_weight(&d.job);
    d.weighted_s = ti_job_weighted_s(&d.job);

    const ti_series *home = planner->curves[0].series;
    int64_t end = job->earliest_s + d.longest;
    d.out.has_now = cost_now(&d.now, home, &d.job);
    if (d.out.has_now) {
        d.out.now = cost_of(d.now, d.weight, d.weighted_s);
    }
    tern_status status;
    if (end > job->deadline_s) {
        why(&d.out, TI_WHY_TOO_LATE, end - job->deadline_s, 0);
        status = run_now(&d);
    } else if (!d.out.has_now) {
        why(&d.out, TI_WHY_NOT_COVERED, ti_series_covered(home, job->earliest_s), end);
        status = run_now(&d);
    } else {
        status = choose(&d, err);
    }
    if (status == TERN_OK) {
        *out = d.out;
    }
    return status;
}
