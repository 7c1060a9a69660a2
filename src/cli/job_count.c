/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_count.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"
#include "cli/job_receipt.h"
#include "cli/out.h"
#include "jobs/account.h"

/* --- grams ----------------------------------------------------------------------------------
 */

bool ti_job_account_now(ti_job_account *out, const ti_job *job)
{
    *out = job->account;
    if (job->account.state != TI_ACCOUNT_OPEN || job->account.has_grams) {
        return job->account.has_grams;
    }
    if (!job->run.has_energy || job->plan.mean_mg_kwh == 0) {
        return false;
    }
    uint64_t energy_uj = job->run.energy_uj + job->run.idle_uj;
    out->has_grams = out->expected = true;
    out->mean_mg_kwh = job->plan.mean_mg_kwh;
    out->co2_ug = ti_job_grams(energy_uj, out->mean_mg_kwh);
    out->has_now = job->plan.now_mg_kwh > 0;
    out->now_mg_kwh = job->plan.now_mg_kwh;
    out->now_co2_ug = ti_job_grams(energy_uj, out->now_mg_kwh);
    snprintf(out->source, sizeof out->source, "%s", job->plan.source);
    return true;
}

static void set_source(ti_job_account *a, const ti_feed *feed)
{
    char basis[TI_BASIS_TEXT];
    const ti_series *s = &feed->series;
    snprintf(a->source, sizeof a->source, "%.40s, %.40s, %s, %s", s->zone, s->source,
             ti_how_text(feed->how), ti_basis_text(basis, s->basis));
}

/* What has not ended is not what happened: a file may have rows of the future, a service gives
 * the slot that is under way. */
static void leave_future(ti_series *series, int64_t now_s)
{
    while (series->n > 0 && series->slots[series->n - 1].start_s +
                                    (int64_t)series->slots[series->n - 1].length_s >
                                now_s) {
        series->n--;
    }
}

/* Of a zone that has nothing but a yearly figure. */
static bool count_by_year(ti_job_account *a, const ti_job *job, const ti_job_status *s,
                          ti_open_desk *d, int64_t from_s, int64_t to_s)
{
    ti_feed feed;
    bool counted = false;
    if (ti_desk_now(&feed, &d->desk, d->zone, NULL) != TERN_OK) {
        return false;
    }
    if (feed.how == TI_HOW_YEARLY && feed.series.n == 1) {
        ti_slot all = feed.slots[0];
        all.start_s = from_s - TI_HOUR_S;
        all.length_s = (uint32_t)(to_s - from_s) + 2 * TI_HOUR_S;
        feed.series.slots = &all;
        counted = ti_job_count(a, job, s->pieces, s->n_pieces, &feed.series);
        set_source(a, &feed);
    }
    ti_feed_free(&feed);
    return counted;
}

/* When the last piece ended: a job that was interrupted has no other end. */
static int64_t end_of(const ti_job_status *s)
{
    int64_t end_ms = s->run.ended_s * 1000;
    for (size_t i = 0; i < s->n_pieces; i++) {
        end_ms = s->pieces[i].end_ms > end_ms ? s->pieces[i].end_ms : end_ms;
    }
    return end_ms / 1000 + 1;
}

/* By what happened.  False when that is not known (yet). */
static bool count_by_history(ti_job_account *a, ti_job_counter *c, const ti_job *job,
                             const ti_job_status *s, int64_t now_s)
{
    ti_open_desk d;
    ti_feed feed;
    const ti_desk_args *args;
    bool counted = false;
    int64_t began_s = s->run.started_s, ended_s = end_of(s);
    int64_t from_s = job->earliest_s < began_s ? job->earliest_s : began_s;
    int64_t at_once_s = job->earliest_s + (ended_s - began_s);
    int64_t to_s = (at_once_s > ended_s ? at_once_s : ended_s) + 2;
    if (ti_job_grid_enter(&c->grids, &args, c->place->dir, job, c->desk, c->own_first, NULL) !=
        TERN_OK) {
        return false;
    }
    if (ti_desk_open(&d, args, job->zone, NULL) == TERN_OK) {
        if (ti_desk_history(&feed, &d.desk, d.zone, from_s - TI_HOUR_S, to_s, NULL) ==
            TERN_OK) {
            leave_future(&feed.series, now_s);
            counted = ti_job_count(a, job, s->pieces, s->n_pieces, &feed.series);
            if (counted) {
                set_source(a, &feed);
            }
            ti_feed_free(&feed);
        }
        counted = counted || count_by_year(a, job, s, &d, from_s, to_s);
    }
    ti_desk_close(&d);
    ti_job_grid_leave(&c->grids);
    return counted;
}

/* Joules, like grams, are those of every attempt and task: the run becomes that of all. */
static void count_grams(ti_job *job, ti_job_counter *c, int64_t now_s)
{
    ti_job_status s = {0};
    ti_job_account *a = &job->account;
    uint32_t attempt;
    if (job->run.started_s == 0 ||
        ti_job_status_sum(&s, c->place->dir, job->id, &attempt, NULL) != TERN_OK) {
        a->state = TI_ACCOUNT_COUNTED;
        return;
    }
    const ti_job_run last = job->run;
    job->run = s.run;
    job->run.ended_s = last.ended_s ? last.ended_s : s.run.ended_s;
    job->run.exit_code = last.exit_code;
    job->run.signal = last.signal;
    if (!job->run.has_energy || !*job->zone) {
        a->state = TI_ACCOUNT_COUNTED;
    } else if (count_by_history(a, c, job, &s, now_s)) {
        a->state = TI_ACCOUNT_COUNTED;
        a->expected = false;
    } else if (now_s - end_of(&s) > TI_COUNT_PATIENCE_S) {
        (void)ti_job_account_now(a, job);
        a->state = TI_ACCOUNT_COUNTED;
    }
    ti_job_status_free(&s);
}

/* --- all ------------------------------------------------------------------------------------
 */

/* One at a time: of two that make a receipt each would log its own. */
static tern_status lock_counting(int *lock, const char *dir, tern_err *err)
{
    char *path;
    TI_TRY(ti_queue_path(&path, dir, 0, "count.lock", err));
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR), e = errno;
    free(path);
    while (file >= 0 && flock(file, LOCK_EX) != 0) {
        if (errno != EINTR) {
            e = errno;
            close(file);
            file = -1;
        }
    }
    if (file < 0) {
        return ti_fail_errno(err, e, "jobs", "cannot lock the counting");
    }
    *lock = file;
    return TERN_OK;
}

/* What only a run needs: the command's environment, with whatever keys are in it. */
static void remove_spec(const ti_job_place *place, int64_t id)
{
    char *path;
    if (ti_queue_path(&path, place->dir, id, "spec", NULL) == TERN_OK) {
        (void)unlink(path);
        free(path);
    }
}

/* Stores the figures, then makes the receipt of them and logs it, then stores where: who comes
 * after a crash makes the same receipt. */
static tern_status record(const ti_job_counter *c, ti_job *job, tern_err *err)
{
    bool done = true;
    ti_job now;
    TI_TRY(ti_queue_get(c->place->queue, &now, job->id, err));
    ti_job_account_state state = now.account.state;
    if (state == TI_ACCOUNT_COUNTED) { /* by another process, which did not get further */
        job->account = now.account;
        job->run = now.run;
    }
    ti_job_free(&now);
    if (state != TI_ACCOUNT_OPEN && state != TI_ACCOUNT_COUNTED) {
        return TERN_OK;
    }
    if (state == TI_ACCOUNT_OPEN) {
        TI_TRY(ti_queue_account(c->place->queue, &done, job, err));
    }
    if (done && job->run.started_s > 0) {
        TI_TRY(ti_job_receipt(&job->account, c->place->dir, job, err));
    }
    if (job->account.state == TI_ACCOUNT_COUNTED) {
        job->account.state = job->account.has_grams ? TI_ACCOUNT_GRAMS : TI_ACCOUNT_NONE;
    }
    if (done) {
        TI_TRY(ti_queue_account(c->place->queue, &done, job, err));
    }
    if (done) {
        remove_spec(c->place, job->id);
    }
    return TERN_OK;
}

static tern_status count_one(ti_job_counter *c, ti_job *job, int64_t now_s, tern_err *err)
{
    int lock;
    if (job->account.state == TI_ACCOUNT_OPEN) {
        count_grams(job, c, now_s);
    }
    if (job->account.state == TI_ACCOUNT_OPEN) {
        return TERN_OK;
    }
    TI_TRY(lock_counting(&lock, c->place->dir, err));
    tern_status status = record(c, job, err);
    close(lock);
    return status;
}

bool ti_job_count_all(ti_job_counter *c, int64_t now_s, int64_t budget_s)
{
    enum { PAGE = 64 };
    const int64_t began_s = (int64_t)time(NULL);
    for (bool more = true; more;) {
        ti_jobs page;
        tern_err err;
        bool enough = false;
        if (ti_queue_list(c->place->queue, &page, TI_JOBS_UNCOUNTED, now_s, c->after, PAGE,
                          &err) != TERN_OK) {
            ti_warn("jobs are not counted: %s", err.message);
            break;
        }
        for (size_t i = 0; i < page.n && !enough; i++) {
            if (count_one(c, &page.items[i], now_s, &err) != TERN_OK) {
                ti_warn("job %lld is not counted: %s", (long long)page.items[i].id,
                        err.message);
            }
            c->after = page.items[i].id;
            enough = budget_s > 0 && (int64_t)time(NULL) - began_s >= budget_s;
        }
        more = page.n == PAGE;
        ti_jobs_free(&page);
        if (enough) {
            return true;
        }
    }
    c->after = 0;
    return false;
}

void ti_job_counter_free(ti_job_counter *counter)
{
    ti_job_grids_free(&counter->grids);
}
