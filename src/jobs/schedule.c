/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jval.h"
#include "base/rng.h"
#include "carbon/stamp.h"

const char *ti_why_text(char out[TI_WHY_TEXT], const ti_why *why)
{
    char at[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    long long a = why->a, b = why->b;
    switch (why->code) {
    case TI_WHY_NOW_IS_BEST:
        snprintf(out, TI_WHY_TEXT, "no later start is cleaner");
        break;
    case TI_WHY_LATER:
        snprintf(out, TI_WHY_TEXT, "waiting %lld min saves %.1f g for each kW drawn", b / 60,
                 (double)a / 1e6);
        break;
    case TI_WHY_ZONE:
        snprintf(out, TI_WHY_TEXT, "another zone is cleaner");
        break;
    case TI_WHY_UNDER_ERROR:
        snprintf(out, TI_WHY_TEXT,
                 "the gain of %.1f g/kWh is below the forecast's error (%.1f needed)",
                 (double)a / 1e3, (double)b / 1e3);
        break;
    case TI_WHY_ERROR_UNKNOWN:
        snprintf(out, TI_WHY_TEXT, "the forecast's error is not known");
        break;
    case TI_WHY_NO_SLACK:
        snprintf(out, TI_WHY_TEXT, "the deadline leaves no other start");
        break;
    case TI_WHY_TOO_LATE:
        snprintf(out, TI_WHY_TEXT, "the deadline cannot be kept: %lld s too late", a);
        break;
    case TI_WHY_NOT_COVERED:
        snprintf(out, TI_WHY_TEXT, "intensities are known until %s only",
                 ti_stamp_minutes(at, a));
        break;
    case TI_WHY_HORIZON:
        snprintf(out, TI_WHY_TEXT, "nothing is known from %s to %s", ti_stamp_minutes(at, a),
                 ti_stamp_minutes(to, b));
        break;
    case TI_WHY_GAP:
        snprintf(out, TI_WHY_TEXT, "hours without a value were stepped over");
        break;
    case TI_WHY_SPREAD:
        snprintf(out, TI_WHY_TEXT, "spread by %lld s, so that jobs do not all start at once",
                 a);
        break;
    case TI_WHY_SLICES:
        snprintf(out, TI_WHY_TEXT, "in %lld pieces", a);
        break;
    case TI_WHY_COARSE:
        snprintf(out, TI_WHY_TEXT, "pieces were looked for in steps of %lld s", a);
        break;
    case TI_WHY_CODES:
    default:
        snprintf(out, TI_WHY_TEXT, "-");
        break;
    }
    return out;
}

/* --- deciding -------------------------------------------------------------------------------
 */

static void set_source(ti_job_plan *plan, const char *source)
{
    size_t len = strlen(source);
    len = len < sizeof plan->source ? len : sizeof plan->source - 1;
    memcpy(plan->source, source, len);
    plan->source[len] = '\0';
}

static char *describe(const ti_decision *d, const char *more)
{
    ti_buf json = {0};
    char text[TI_WHY_TEXT];
    ti_json_open(&json, NULL, '{');
    ti_json_open(&json, "why", '[');
    for (uint32_t i = 0; i < d->n_whys; i++) {
        ti_json_str(&json, NULL, ti_why_text(text, &d->whys[i]));
    }
    if (*more) {
        ti_json_str(&json, NULL, more);
    }
    ti_json_close(&json, ']');
    ti_json_int(&json, "gain_ug_per_kw", d->gain_ug_per_kw);
    if (d->error_mg_kwh != TI_ERROR_UNKNOWN) {
        ti_json_uint(&json, "error_mg_kwh", d->error_mg_kwh);
        ti_json_uint(&json, "confidence_permille", d->confidence_permille);
    }
    if (d->n_slices > 1) {
        ti_json_open(&json, "slices", '[');
        for (size_t i = 0; i < d->n_slices; i++) {
            ti_json_open(&json, NULL, '[');
            ti_json_int(&json, NULL, d->slices[i].start_s);
            ti_json_uint(&json, NULL, d->slices[i].length_s);
            ti_json_close(&json, ']');
        }
        ti_json_close(&json, ']');
    }
    ti_json_close(&json, '}');
    if (json.failed) {
        ti_buf_free(&json);
        return NULL;
    }
    return json.data;
}

static uint64_t mixed(int64_t id)
{
    uint64_t state = (uint64_t)id;
    return ti_splitmix64(&state);
}

/* False when there is nothing to decide. */
static bool make_plan_job(ti_plan_job *out, const ti_job *job, int64_t now_s, uint32_t ran_s)
{
    bool some = job->flags & TI_JOB_INTERRUPTIBLE;
    uint32_t done_s = some ? ran_s : 0, left_s = job->longest_s - done_s;
    if (done_s >= job->longest_s) {
        return false;
    }
    *out = (ti_plan_job){
        .id = mixed(job->id),
        .earliest_s = now_s > job->earliest_s ? now_s : job->earliest_s,
        .deadline_s = job->deadline_s - TI_JOB_LEAD_S,
        .n_durations = 1,
        .durations = {{.duration_s = left_s, .weight = 1}},
        .interruptible = some,
        .min_slice_s = some ? (job->min_slice_s < left_s ? job->min_slice_s : left_s) : 0,
        .band_permille = TI_BAND_PERMILLE,
        .confidence_permille = TI_CONFIDENCE_PERMILLE,
    };
    if (!some && job->shortest_s < job->longest_s && job->shortest_s > 0) {
        out->n_durations = 2;
        out->durations[0] = (ti_duration){.duration_s = job->shortest_s, .weight = 1};
        out->durations[1] = (ti_duration){.duration_s = left_s, .weight = 1};
    }
    return out->deadline_s > out->earliest_s;
}

/* The best time with a place that was found. */
typedef struct room {
    bool found;
    int64_t from_s, to_s; /* deciding between these gives it */
    uint64_t cost;
} room;

/* Looks between `from_s` and `to_s`; where the best start has no place, before and behind the
 * time that is full. */
static tern_status look_for_room(room *best, ti_planner *planner, const ti_plan_job *job,
                                 const ti_places *places, int64_t from_s, int64_t to_s,
                                 int depth, tern_err *err)
{
    ti_plan_job ask = *job;
    ti_decision d;
    int64_t full_s, free_s;
    ask.earliest_s = from_s;
    ask.deadline_s = to_s;
    if (to_s - from_s < (int64_t)ask.durations[ask.n_durations - 1].duration_s) {
        return TERN_OK;
    }
    TI_TRY(ti_plan_decide(&d, planner, &ask, err));
    if (!ti_places_full(places, d.start_s, d.end_s, &full_s, &free_s)) {
        if (!best->found || d.cost.co2_ug_per_kw < best->cost) {
            *best = (room){true, from_s, to_s, d.cost.co2_ug_per_kw};
        }
        return TERN_OK;
    }
    if (depth == 0) {
        return TERN_OK;
    }
    TI_TRY(look_for_room(best, planner, job, places, from_s, full_s, depth - 1, err));
    return look_for_room(best, planner, job, places, free_s, to_s, depth - 1, err);
}

/* Decides among the times that have a place; *now is what it would cost at once in any case. */
static tern_status decide(ti_decision *out, ti_plan_cost *now, const char **more,
                          ti_planner *planner, ti_plan_job *ask, const ti_places *places,
                          tern_err *err)
{
    enum { DEPTH = 3 };
    room best = {0};
    int64_t full_s, free_s;
    TI_TRY(ti_plan_decide(out, planner, ask, err));
    *now = out->has_now ? out->now : (ti_plan_cost){0};
    if (!places || ask->interruptible ||
        !ti_places_full(places, out->start_s, out->end_s, &full_s, &free_s)) {
        return TERN_OK;
    }
    TI_TRY(look_for_room(&best, planner, ask, places, ask->earliest_s, ask->deadline_s, DEPTH,
                         err));
    *more = best.found ? "others have the places at a better time"
                       : "others have all places until its deadline: it starts when one is "
                         "free, or when it must";
    ask->earliest_s = best.found ? best.from_s : ask->earliest_s;
    ask->deadline_s = best.found ? best.to_s : ask->deadline_s;
    return ti_plan_decide(out, planner, ask, err); /* again: its slices are in the planner */
}

tern_status ti_job_decide(ti_job *job, ti_planner *planner, const char *source, int64_t now_s,
                          uint32_t ran_s, const ti_places *places, tern_err *err)
{
    ti_plan_job ask;
    ti_decision d;
    ti_plan_cost now;
    const char *more = "";
    if (!make_plan_job(&ask, job, now_s, ran_s)) {
        return ti_job_decide_now(job, now_s, "the deadline leaves no other start", err);
    }
    TI_TRY(decide(&d, &now, &more, planner, &ask, places, err));
    char *details = describe(&d, more);
    if (!details) {
        return ti_fail_nomem(err, "jobs", 0, "a plan");
    }
    free(job->plan.details);
    job->plan.details = details;
    job->plan.made_s = now_s;
    job->plan.start_s = d.start_s;
    job->plan.end_s = d.end_s;
    /* What the first plan expected of running at once stays: that is the counterfactual. */
    job->plan.now_mg_kwh = job->plan.now_mg_kwh ? job->plan.now_mg_kwh : now.mean_mg_kwh;
    job->plan.mean_mg_kwh = d.cost.mean_mg_kwh;
    set_source(&job->plan, source);
    return TERN_OK;
}

tern_status ti_job_decide_now(ti_job *job, int64_t now_s, const char *why, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_open(&json, "why", '[');
    ti_json_str(&json, NULL, why);
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    if (json.failed) {
        ti_buf_free(&json);
        return ti_fail_nomem(err, "jobs", strlen(why), "a plan");
    }
    free(job->plan.details);
    job->plan.details = json.data;
    job->plan.made_s = now_s;
    job->plan.start_s = now_s > job->earliest_s ? now_s : job->earliest_s;
    job->plan.end_s = job->plan.start_s + job->longest_s;
    return TERN_OK;
}

/* --- reading a plan -------------------------------------------------------------------------
 */

static void look_at_slices(ti_job_view *view, const ti_jval *slices)
{
    for (uint32_t i = 0; i < slices->n; i++) {
        const ti_jval *v = &slices->u.items[i];
        uint64_t start, length;
        if (v->type != TI_JARRAY || v->n != 2 ||
            !ti_jval_uint(&v->u.items[0], (uint64_t)TI_TIME_MAX_S, &start) ||
            !ti_jval_uint(&v->u.items[1], UINT32_MAX, &length)) {
            view->in_slice = true;
            return;
        }
        if (view->now_s < (int64_t)start) {
            view->slice_end_s = (int64_t)start;
            return;
        }
        if (view->now_s < (int64_t)(start + length)) {
            view->in_slice = true;
            view->slice_end_s = (int64_t)(start + length);
            return;
        }
    }
    view->in_slice = true; /* past the last one there is no reason to wait */
}

void ti_job_look_at_plan(ti_job_view *view, const ti_job *job)
{
    ti_arena arena = {0};
    ti_jval v;
    const ti_jval *slices = NULL;
    view->in_slice = false;
    view->slice_end_s = 0;
    if (job->plan.details &&
        ti_jval_parse(&v, &arena, job->plan.details, strlen(job->plan.details), "jobs", NULL) ==
            TERN_OK) {
        slices = ti_jval_get(&v, "slices");
    }
    if (slices && slices->type == TI_JARRAY) {
        look_at_slices(view, slices);
    } else {
        view->in_slice = view->now_s >= job->plan.start_s;
        view->slice_end_s = view->in_slice ? 0 : job->plan.start_s;
    }
    ti_arena_free(&arena);
}

void ti_job_json_why(ti_buf *out, const char *key, const ti_job *job)
{
    ti_arena arena = {0};
    ti_jval v;
    const ti_jval *why = NULL;
    if (job->plan.details &&
        ti_jval_parse(&v, &arena, job->plan.details, strlen(job->plan.details), "jobs", NULL) ==
            TERN_OK) {
        why = ti_jval_get(&v, "why");
    }
    ti_json_open(out, key, '[');
    for (uint32_t i = 0; why && why->type == TI_JARRAY && i < why->n; i++) {
        const ti_jval *text = &why->u.items[i];
        if (text->type == TI_JSTR) {
            ti_json_strn(out, NULL, text->u.str.data, text->u.str.len);
        }
    }
    ti_json_close(out, ']');
    ti_arena_free(&arena);
}
