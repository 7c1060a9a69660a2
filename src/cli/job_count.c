/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_count.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"
#include "cli/job_receipt.h"
#include "cli/out.h"
#include "jobs/account.h"

typedef struct counting {
    ti_job_place *place;
    const ti_desk_args *desk;
    int64_t now_s;
} counting;

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

/* By what happened; where the zone has nothing but a yearly figure, by that.  False when it is
 * not known (yet). */
static bool count_by_history(ti_job_account *a, const counting *c, const ti_job *job,
                             const ti_job_status *s)
{
    ti_open_desk d;
    ti_feed feed;
    bool counted = false;
    int64_t from_s =
        job->earliest_s < job->run.started_s ? job->earliest_s : job->run.started_s;
    int64_t at_once_s = job->earliest_s + job->run.ran_s + 2;
    int64_t to_s = at_once_s > job->run.ended_s + 2 ? at_once_s : job->run.ended_s + 2;
    if (ti_desk_open(&d, c->desk, job->zone, NULL) != TERN_OK) {
        ti_desk_close(&d);
        return false;
    }
    if (ti_desk_history(&feed, &d.desk, d.zone, from_s - TI_HOUR_S, to_s, NULL) == TERN_OK) {
        counted = ti_job_count(a, job, s->pieces, s->n_pieces, &feed.series);
        if (counted) {
            set_source(a, &feed);
        }
        ti_feed_free(&feed);
    }
    if (!counted && ti_desk_now(&feed, &d.desk, d.zone, NULL) == TERN_OK) {
        if (feed.how == TI_HOW_YEARLY && feed.series.n == 1) {
            ti_slot all = feed.slots[0];
            all.start_s = from_s - TI_HOUR_S;
            all.length_s = (uint32_t)(to_s - from_s) + 2 * TI_HOUR_S;
            feed.series.slots = &all;
            counted = ti_job_count(a, job, s->pieces, s->n_pieces, &feed.series);
            set_source(a, &feed);
        }
        ti_feed_free(&feed);
    }
    ti_desk_close(&d);
    return counted;
}

static void count_grams(ti_job_account *a, const counting *c, const ti_job *job)
{
    ti_job_status s = {0};
    bool late = c->now_s - job->run.ended_s > TI_COUNT_PATIENCE_S;
    if (!job->run.has_energy || !*job->zone || job->run.started_s == 0) {
        a->state = TI_ACCOUNT_NONE;
        return;
    }
    uint32_t attempt;
    if (ti_job_status_sum(&s, c->place->dir, job->id, &attempt, NULL) != TERN_OK) {
        a->state = TI_ACCOUNT_NONE;
        return;
    }
    if (count_by_history(a, c, job, &s)) {
        a->state = TI_ACCOUNT_GRAMS;
        a->expected = false;
    } else if (late) {
        a->state = ti_job_account_now(a, job) ? TI_ACCOUNT_GRAMS : TI_ACCOUNT_NONE;
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

/* Makes the receipt and stores the account, unless another process has done so. */
static tern_status record(const counting *c, ti_job *job, tern_err *err)
{
    bool done;
    ti_job now;
    TI_TRY(ti_queue_get(c->place->queue, &now, job->id, err));
    done = now.account.state != TI_ACCOUNT_OPEN;
    ti_job_free(&now);
    if (done) {
        return TERN_OK;
    }
    if (job->run.started_s > 0) {
        TI_TRY(ti_job_receipt(&job->account, c->place->dir, job, err));
    }
    return ti_queue_account(c->place->queue, &done, job, err);
}

static tern_status count_one(const counting *c, ti_job *job, tern_err *err)
{
    int lock;
    count_grams(&job->account, c, job);
    if (job->account.state == TI_ACCOUNT_OPEN) {
        return TERN_OK;
    }
    TI_TRY(lock_counting(&lock, c->place->dir, err));
    tern_status status = record(c, job, err);
    close(lock);
    return status;
}

void ti_job_count_all(ti_job_place *place, const ti_desk_args *desk, int64_t now_s)
{
    enum { PAGE = 64 };
    const counting c = {.place = place, .desk = desk, .now_s = now_s};
    int64_t after = 0;
    for (bool more = true; more;) {
        ti_jobs page;
        tern_err err;
        if (ti_queue_list(place->queue, &page, TI_JOBS_UNCOUNTED, now_s, after, PAGE, &err) !=
            TERN_OK) {
            ti_warn("jobs are not counted: %s", err.message);
            return;
        }
        for (size_t i = 0; i < page.n; i++) {
            if (count_one(&c, &page.items[i], &err) != TERN_OK) {
                ti_warn("job %lld is not counted: %s", (long long)page.items[i].id,
                        err.message);
            }
        }
        more = page.n == PAGE;
        after = page.n > 0 ? page.items[page.n - 1].id : after;
        ti_jobs_free(&page);
    }
}
