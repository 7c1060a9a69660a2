/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobd.h"

#include <stdio.h>
#include <string.h>

#include "jobs/schedule.h"

typedef struct round {
    ti_jobd *d;
    int64_t now_s, wake_s;
    uint32_t running;
    bool acted; /* something is not as it was */
} round_state;

static void tell(const ti_jobd *d, const ti_job *job, ti_act act, const tern_err *err)
{
    if (d->io->tell) {
        d->io->tell(d->io->self, job, act, err);
    }
}

static void wake_at(round_state *r, int64_t time_s)
{
    r->wake_s = time_s < r->wake_s ? time_s : r->wake_s;
}

/* --- planning -------------------------------------------------------------------------------
 */

/* Decides for one job.  Where no forecast is to be had, an old plan stays (it keeps the
 * deadline whatever happens on the grid); without one the job starts. */
static tern_status decide(ti_jobd *d, ti_job *job, int64_t now_s, uint32_t ran_s, bool *changed,
                          tern_err *err)
{
    ti_planner *planner;
    const char *source;
    tern_err local = {.status = TERN_OK};
    *changed = true;
    tern_status status = d->io->planner(d->io->self, job, &planner, &source, &local);
    if (status == TERN_OK) {
        status = ti_job_decide(job, planner, source, now_s, ran_s, &d->places, &local);
    }
    if (status == TERN_OK) {
        return TERN_OK;
    }
    if (status == TERN_NOMEM) {
        return ti_fail(err, status, local.module, local.offset, "%s", local.message);
    }
    if (job->plan.made_s) {
        *changed = false;
        return TERN_OK;
    }
    char why[TI_WHY_TEXT];
    snprintf(why, sizeof why, "no forecast: %.120s", local.message);
    return ti_job_decide_now(job, now_s, why, err);
}

/* Decides anew and takes the place; *changed = false where the same is decided again. */
static tern_status decide_again(ti_jobd *d, ti_job *job, int64_t now_s, uint32_t ran_s,
                                bool *changed, tern_err *err)
{
    const ti_job_plan *p = &job->plan;
    bool whole = !(job->flags & TI_JOB_INTERRUPTIBLE);
    int64_t made_s = p->made_s, start_s = p->start_s, end_s = p->end_s;
    uint32_t mean_mg = p->mean_mg_kwh;
    TI_TRY(decide(d, job, now_s, ran_s, changed, err));
    if (whole && made_s && job->state == TI_JOB_PLANNED && start_s == p->start_s &&
        end_s == p->end_s && mean_mg == p->mean_mg_kwh) {
        *changed = false;
    }
    if (whole) {
        ti_places_take(&d->places, p->start_s, p->end_s);
    }
    return TERN_OK;
}

/* Anew where others run and are planned. */
static tern_status open_places(ti_jobd *d, int64_t now_s, bool running, tern_err *err)
{
    ti_places_close(&d->places);
    TI_TRY(ti_places_open(&d->places, d->parallel, now_s, err));
    return ti_queue_places(d->queue, &d->places, now_s, running, err);
}

/* Decides for jobs of a page, until `until_s` of the clock; *n of them. */
static tern_status decide_page(ti_jobd *d, ti_jobs *page, bool *changed, size_t *n,
                               int64_t now_s, int64_t until_s, tern_err *err)
{
    for (*n = 0; *n < page->n; ++*n) {
        ti_job *job = &page->items[*n];
        ti_job_view view = {.now_s = now_s};
        changed[*n] = false;
        if (*n > 0 && until_s != INT64_MAX && d->io->now(d->io->self) >= until_s) {
            break;
        }
        if (ti_job_is_active(job->state)) {
            ti_job_run run = {0};
            if (!(job->flags & TI_JOB_INTERRUPTIBLE)) {
                continue;
            }
            d->io->look(d->io->self, job, &view, &run);
        }
        TI_TRY(decide_again(d, job, now_s, view.ran_s, &changed[*n], err));
    }
    return TERN_OK;
}

/* Stores n of them: what was changed by others meanwhile stays as they have it. */
static tern_status store_page(ti_jobd *d, ti_jobs *page, const bool *changed, size_t n,
                              tern_err *err)
{
    bool done;
    TI_TRY(ti_queue_begin(d->queue, err));
    tern_status status = TERN_OK;
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        status = changed[i] ? ti_queue_plan(d->queue, &done, &page->items[i], err) : TERN_OK;
    }
    if (status == TERN_OK) {
        status = ti_queue_commit(d->queue, err);
    }
    if (status != TERN_OK) {
        ti_queue_rollback(d->queue);
    }
    return status;
}

/* One page of jobs of a kind; *more when there may be others. */
static tern_status plan_page(ti_jobd *d, ti_which which, int64_t after, int64_t *last,
                             bool *more, size_t *counted, int64_t now_s, int64_t until_s,
                             tern_err *err)
{
    enum { PAGE = 4096 };
    bool changed[PAGE];
    ti_jobs page;
    size_t n = 0;
    TI_TRY(ti_queue_list(d->queue, &page, which, now_s, after, PAGE, err));
    tern_status status = decide_page(d, &page, changed, &n, now_s, until_s, err);
    if (status == TERN_OK) {
        status = store_page(d, &page, changed, n, err);
    }
    if (status == TERN_OK) {
        *more = page.n == PAGE || n < page.n;
        *last = n > 0 ? page.items[n - 1].id : after;
        *counted += n;
    }
    ti_jobs_free(&page);
    return status;
}

/* Goes on planning all, until `until_s` of the clock. */
static tern_status replan(ti_jobd *d, int64_t now_s, int64_t until_s, size_t *n, tern_err *err)
{
    if (d->phase == TI_JOBS_ALL) {
        TI_TRY(open_places(d, now_s, true, err));
        d->phase = TI_JOBS_WAITING;
        d->cursor = 0;
        d->replanned_s = now_s;
    }
    while (d->phase != TI_JOBS_ALL) {
        bool more;
        TI_TRY(plan_page(d, d->phase, d->cursor, &d->cursor, &more, n, now_s, until_s, err));
        if (!more) {
            d->phase = d->phase == TI_JOBS_WAITING ? TI_JOBS_ACTIVE : TI_JOBS_ALL;
            d->cursor = 0;
        }
        if (until_s != INT64_MAX && d->io->now(d->io->self) >= until_s) {
            break;
        }
    }
    return TERN_OK;
}

tern_status ti_jobd_replan(ti_jobd *d, int64_t now_s, size_t *n, tern_err *err)
{
    size_t counted = 0;
    d->phase = TI_JOBS_ALL;
    TI_TRY(replan(d, now_s, INT64_MAX, &counted, err));
    if (n) {
        *n = counted;
    }
    return TERN_OK;
}

void ti_jobd_close(ti_jobd *d)
{
    ti_places_close(&d->places);
}

/* Plans what has no plan, then goes on with all when their turn has come.  *some: there is
 * something new; *left: it took long, and is not done. */
static tern_status plan(round_state *r, bool *some, bool *left, tern_err *err)
{
    ti_jobd *d = r->d;
    int64_t age_s = r->now_s - d->replanned_s, until_s = r->now_s + TI_JOBD_BUSY_S, last;
    uint64_t n;
    size_t counted = 0;
    bool more = false;
    TI_TRY(ti_queue_count(d->queue, &n, TI_JOBS_UNPLANNED, r->now_s, err));
    if (n > 0) {
        TI_TRY(d->phase == TI_JOBS_ALL ? open_places(d, r->now_s, false, err) : TERN_OK);
        TI_TRY(
            plan_page(d, TI_JOBS_UNPLANNED, 0, &last, &more, &counted, r->now_s, until_s, err));
    }
    bool due = d->phase != TI_JOBS_ALL || age_s >= TI_JOBD_REPLAN_S ||
               age_s < 0; /* or the clock went back */
    if (due && !more && d->io->now(d->io->self) < until_s) {
        TI_TRY(replan(d, r->now_s, until_s, &counted, err));
        due = d->phase != TI_JOBS_ALL;
    }
    *some = counted > 0;
    *left = more || due;
    return TERN_OK;
}

/* --- doing ----------------------------------------------------------------------------------
 */

static tern_status start(round_state *r, ti_job *job, tern_err *err)
{
    ti_jobd *d = r->d;
    ti_job_process keeper;
    tern_err local = {.status = TERN_OK};
    bool done = false;
    if (d->io->prepare(d->io->self, job, job->attempt + 1, &keeper, &local) != TERN_OK) {
        tell(d, job, TI_ACT_START, &local);
        wake_at(r, r->now_s + TI_JOBD_RETRY_S);
        return local.status == TERN_CANCELLED
                   ? ti_fail(err, TERN_CANCELLED, "jobs", TI_NO_OFFSET, "%s", local.message)
                   : TERN_OK;
    }
    tern_status status = ti_queue_claim(d->queue, &done, job, &keeper, err);
    d->io->release(d->io->self, status == TERN_OK && done);
    TI_TRY(status);
    if (done) {
        r->running++;
        r->acted = true;
        tell(d, job, TI_ACT_START, NULL);
    }
    return TERN_OK;
}

static tern_status move(round_state *r, ti_job *job, ti_act act, ti_job_state state,
                        tern_err *err)
{
    bool done;
    TI_TRY(ti_queue_move(r->d->queue, &done, job, state, err));
    if (done) {
        r->acted = true;
        tell(r->d, job, act, NULL);
    }
    wake_at(r, r->now_s); /* a place may be free now, or a job due */
    return TERN_OK;
}

static tern_status signal_keeper(round_state *r, ti_job *job, ti_act act, tern_err *err)
{
    tern_err local = {.status = TERN_OK};
    bool done;
    ti_job_state next = act == TI_ACT_SUSPEND  ? TI_JOB_SUSPENDED
                        : act == TI_ACT_RESUME ? TI_JOB_RUNNING
                                               : job->state;
    tern_status status = r->d->io->signal(r->d->io->self, job, act, &local);
    wake_at(r, r->now_s + TI_JOBD_RETRY_S); /* to see that it was obeyed */
    if (status != TERN_OK) {
        tell(r->d, job, act, &local);
        return status == TERN_CANCELLED
                   ? ti_fail(err, status, "jobs", TI_NO_OFFSET, "%s", local.message)
                   : TERN_OK;
    }
    if (next != job->state) {
        r->running = next == TI_JOB_RUNNING ? r->running + 1 : r->running - (r->running > 0);
        TI_TRY(ti_queue_move(r->d->queue, &done, job, next, err));
        tell(r->d, job, act, NULL);
    }
    return TERN_OK;
}

/* Puts a job back: what its last attempt left behind is forgotten. */
static tern_status requeue(round_state *r, ti_job *job, tern_err *err)
{
    job->plan.made_s = 0;
    job->keeper = (ti_job_process){0};
    job->run = (ti_job_run){0};
    return move(r, job, TI_ACT_REQUEUE, TI_JOB_WAITING, err);
}

/* A keeper that stopped or went on by itself, or whose stopping the last daemon did not live to
 * note: the queue says what is. */
static tern_status agree(round_state *r, ti_job *job, const ti_job_view *view, tern_err *err)
{
    ti_job_state seen = view->suspended ? TI_JOB_SUSPENDED : TI_JOB_RUNNING;
    bool done;
    if (!ti_job_is_active(job->state) || view->keeper != TI_KEEPER_ALIVE ||
        seen == job->state) {
        return TERN_OK;
    }
    if (seen == TI_JOB_RUNNING) {
        r->running++;
    } else {
        r->running -= r->running > 0;
    }
    return ti_queue_move(r->d->queue, &done, job, seen, err);
}

static tern_status act_on(round_state *r, ti_job *job, const ti_job_view *view, ti_act act,
                          tern_err *err)
{
    switch (act) {
    case TI_ACT_START:
        return start(r, job, err);
    case TI_ACT_SUSPEND:
    case TI_ACT_RESUME:
    case TI_ACT_TERMINATE:
        return signal_keeper(r, job, act, err);
    case TI_ACT_FINISH:
        return move(r, job, act, ti_job_end_state(job, job->run.exit_code), err);
    case TI_ACT_REQUEUE:
        return requeue(r, job, err);
    case TI_ACT_INTERRUPT:
        return move(r, job, act, TI_JOB_INTERRUPTED, err);
    case TI_ACT_CANCEL:
        return move(r, job, act, TI_JOB_CANCELLED, err);
    case TI_ACT_MISS:
        return move(r, job, act, TI_JOB_MISSED, err);
    case TI_ACT_PLAN: /* plan() does */
    case TI_ACT_NONE:
        return agree(r, job, view, err);
    }
    return TERN_OK;
}

/* Asks what comes next and does it. */
static tern_status attend(round_state *r, ti_job *job, tern_err *err)
{
    ti_job_view view = {.now_s = r->now_s};
    int64_t wake_s;
    if (ti_job_is_active(job->state)) {
        ti_job_run run = job->run;
        r->d->io->look(r->d->io->self, job, &view, &run);
        job->run = run;
        wake_at(r, r->now_s + TI_JOBD_WATCH_S);
    }
    if (job->flags & TI_JOB_INTERRUPTIBLE) {
        ti_job_look_at_plan(&view, job);
    }
    view.place = r->d->parallel == 0 || r->running < r->d->parallel;
    ti_act act = ti_job_step(job, &view, &wake_s);
    wake_at(r, wake_s);
    return act_on(r, job, &view, act, err);
}

static tern_status attend_all(round_state *r, ti_which which, tern_err *err)
{
    int64_t after = 0;
    for (bool more = true; more;) {
        ti_jobs page;
        tern_status status = TERN_OK;
        TI_TRY(ti_queue_list(r->d->queue, &page, which, r->now_s, after, TI_JOBD_PAGE, err));
        for (size_t i = 0; i < page.n && status == TERN_OK; i++) {
            status = attend(r, &page.items[i], err);
        }
        /* Due jobs come by urgency, so that there is no next page of them; the next round,
         * where this one made room for others in the page. */
        more = page.n == TI_JOBD_PAGE && which != TI_JOBS_DUE;
        after = page.n > 0 ? page.items[page.n - 1].id : after;
        if (which == TI_JOBS_DUE && page.n == TI_JOBD_PAGE && r->acted) {
            wake_at(r, r->now_s + 1);
        }
        ti_jobs_free(&page);
        TI_TRY(status);
    }
    return TERN_OK;
}

/* Before any of them is asked about: a place is free or not whatever the order. */
static tern_status count_running(round_state *r, tern_err *err)
{
    int64_t after = 0;
    for (bool more = true; more;) {
        ti_jobs page;
        TI_TRY(ti_queue_list(r->d->queue, &page, TI_JOBS_ACTIVE, r->now_s, after, TI_JOBD_PAGE,
                             err));
        for (size_t i = 0; i < page.n; i++) {
            r->running += page.items[i].state == TI_JOB_RUNNING;
        }
        more = page.n == TI_JOBD_PAGE;
        after = page.n > 0 ? page.items[page.n - 1].id : after;
        ti_jobs_free(&page);
    }
    return TERN_OK;
}

tern_status ti_jobd_round(ti_jobd *jobd, int64_t *wake_s, tern_err *err)
{
    round_state r = {.d = jobd, .now_s = jobd->io->now(jobd->io->self), .wake_s = INT64_MAX};
    int64_t queue_s;
    bool some, left;
    TI_TRY(jobd->parallel > 0 ? count_running(&r, err) : TERN_OK);
    TI_TRY(attend_all(&r, TI_JOBS_ACTIVE, err));
    TI_TRY(attend_all(&r, TI_JOBS_DUE, err));
    TI_TRY(plan(&r, &some, &left, err));
    if (some) { /* for some of them that moment may be this one */
        r.now_s = jobd->io->now(jobd->io->self);
        TI_TRY(attend_all(&r, TI_JOBS_ACTIVE, err));
        TI_TRY(attend_all(&r, TI_JOBS_DUE, err));
    }
    TI_TRY(ti_queue_wake(jobd->queue, &queue_s, r.now_s, err));
    wake_at(&r, queue_s);
    wake_at(&r, left ? r.now_s : jobd->replanned_s + TI_JOBD_REPLAN_S);
    *wake_s = r.wake_s;
    return TERN_OK;
}
