/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/step.h"

bool ti_job_clock_is_odd(const ti_job *job, int64_t now_s)
{
    return now_s < job->submitted_s - TI_JOB_CLOCK_S;
}

ti_job_state ti_job_end_state(const ti_job *job, int32_t exit_code)
{
    return exit_code == 0 ? TI_JOB_DONE : job->cancel ? TI_JOB_CANCELLED : TI_JOB_FAILED;
}

static void wake_at(int64_t *wake_s, int64_t time_s)
{
    if (time_s < *wake_s) {
        *wake_s = time_s;
    }
}

static ti_act step_waiting(const ti_job *job, const ti_job_view *v, int64_t *wake_s)
{
    int64_t latest_s = ti_job_latest_s(job, 0);
    if (job->cancel) {
        return TI_ACT_CANCEL;
    }
    if (ti_job_clock_is_odd(job, v->now_s)) {
        return TI_ACT_START;
    }
    if ((job->flags & TI_JOB_SKIP_LATE) && v->now_s > job->deadline_s - job->shortest_s) {
        return TI_ACT_MISS;
    }
    if (v->now_s < job->earliest_s) {
        wake_at(wake_s, job->earliest_s);
        return job->plan.made_s ? TI_ACT_NONE : TI_ACT_PLAN;
    }
    if (v->now_s >= latest_s) {
        return TI_ACT_START;
    }
    wake_at(wake_s, latest_s);
    if (!job->plan.made_s) {
        return TI_ACT_PLAN;
    }
    if (v->now_s >= job->plan.start_s) {
        return v->place ? TI_ACT_START : TI_ACT_NONE;
    }
    wake_at(wake_s, job->plan.start_s);
    return TI_ACT_NONE;
}

/* Of a job whose keeper is gone: whether it may begin again. */
static ti_act step_gone(const ti_job *job, bool may_again)
{
    if (job->cancel) {
        return TI_ACT_CANCEL;
    }
    return may_again && job->attempt < TI_JOB_ATTEMPTS_MAX ? TI_ACT_REQUEUE : TI_ACT_INTERRUPT;
}

/* Whether an interruptible job should be running. */
static bool should_run(const ti_job *job, const ti_job_view *v, int64_t *wake_s)
{
    int64_t latest_s = ti_job_latest_s(job, v->ran_s);
    if (ti_job_clock_is_odd(job, v->now_s) || v->ran_s >= job->longest_s ||
        v->now_s >= latest_s || !job->plan.made_s) {
        return true;
    }
    wake_at(wake_s, latest_s);
    if (v->slice_end_s > v->now_s) {
        wake_at(wake_s, v->slice_end_s);
    }
    return v->in_slice && (v->place || !v->suspended);
}

static ti_act step_active(const ti_job *job, const ti_job_view *v, int64_t *wake_s)
{
    switch (v->keeper) {
    case TI_KEEPER_ENDED:
        return TI_ACT_FINISH;
    case TI_KEEPER_NONE:
    case TI_KEEPER_UNBORN:
        return step_gone(job, true);
    case TI_KEEPER_GONE:
        return step_gone(job, job->flags & TI_JOB_RESTARTABLE);
    case TI_KEEPER_ELSEWHERE:
        return TI_ACT_NONE;
    case TI_KEEPER_ALIVE:
        break;
    }
    if (job->cancel) {
        return TI_ACT_TERMINATE;
    }
    if (!(job->flags & TI_JOB_INTERRUPTIBLE)) {
        return v->suspended ? TI_ACT_RESUME : TI_ACT_NONE;
    }
    bool run = should_run(job, v, wake_s);
    if (run == v->suspended) {
        return run ? TI_ACT_RESUME : TI_ACT_SUSPEND;
    }
    return TI_ACT_NONE;
}

ti_act ti_job_step(const ti_job *job, const ti_job_view *view, int64_t *wake_s)
{
    int64_t ignored;
    wake_s = wake_s ? wake_s : &ignored;
    *wake_s = INT64_MAX;
    if (ti_job_is_over(job->state)) {
        return TI_ACT_NONE;
    }
    return ti_job_is_active(job->state) ? step_active(job, view, wake_s)
                                        : step_waiting(job, view, wake_s);
}
