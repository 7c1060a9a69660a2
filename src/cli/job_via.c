/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_via.h"

#include <stdio.h>
#include <string.h>

#include "cli/job_via_parts.h"
#include "cli/out.h"
#include "jobs/batch.h"

enum { NAME_TRIES = 10 };

bool ti_via_read_runs(const ti_job_place *place, ti_job *job)
{
    ti_job_status all;
    if (ti_job_status_sum(&all, place->dir, job->id, &job->attempt, NULL) != TERN_OK) {
        return false;
    }
    bool ended = all.ended;
    job->run = all.run;
    job->keeper = all.keeper;
    ti_job_status_free(&all);
    return ended;
}

void ti_via_note_state(ti_job_place *place, ti_job *job, ti_job_state state)
{
    bool done;
    tern_err err;
    const ti_job_run was = job->run;
    uint32_t attempt = job->attempt;
    (void)ti_via_read_runs(place, job);
    if (state == TI_JOB_FAILED && job->cancel) {
        state = TI_JOB_CANCELLED;
    }
    if (state == job->state && job->attempt == attempt && was.started_s == job->run.started_s &&
        was.ended_s == job->run.ended_s && was.ran_s == job->run.ran_s &&
        was.energy_uj == job->run.energy_uj) {
        return;
    }
    if (ti_queue_follow(place->queue, &done, job, state, attempt, &err) != TERN_OK) {
        ti_warn("job %lld: %s", (long long)job->id, err.message);
    }
}

void ti_via_refresh(ti_job_place *place)
{
    enum { PAGE = 64 };
    int64_t after = 0;
    for (bool more = true; more;) {
        ti_jobs page;
        tern_err err;
        if (ti_queue_list(place->queue, &page, TI_JOBS_EXTERNAL, 0, after, PAGE, &err) !=
            TERN_OK) {
            ti_warn("jobs of others are not looked at: %s", err.message);
            return;
        }
        for (size_t i = 0; i < page.n; i++) {
            if (page.items[i].via == TI_VIA_SLURM) {
                ti_via_slurm_refresh(place, &page.items[i]);
            } else {
                ti_via_systemd_refresh(place, &page.items[i]);
            }
        }
        more = page.n == PAGE;
        after = page.n > 0 ? page.items[page.n - 1].id : after;
        ti_jobs_free(&page);
    }
}

/* Stores under which name somebody else has it.  Its row may have been moved on since it was
 * read: it may have ended already. */
static tern_status note_name(ti_queue *queue, ti_job *job, tern_err *err)
{
    bool done = false;
    TI_TRY(ti_queue_move(queue, &done, job, TI_JOB_PLANNED, err));
    for (int i = 0; !done && i < NAME_TRIES; i++) {
        ti_job now;
        TI_TRY(ti_queue_get(queue, &now, job->id, err));
        memcpy(now.external, job->external, sizeof now.external);
        tern_status status = ti_queue_move(queue, &done, &now, now.state, err);
        if (status == TERN_OK && done) {
            job->state = now.state;
            job->attempt = now.attempt;
        }
        ti_job_free(&now);
        TI_TRY(status);
    }
    return done ? TERN_OK
                : ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                          "others change job %lld all the time", (long long)job->id);
}

tern_status ti_via_submit(ti_job_place *place, ti_job *job, const ti_submit_args *args,
                          tern_err *err)
{
    bool done;
    tern_status status = job->via == TI_VIA_SLURM ? ti_via_slurm_submit(place, job, args, err)
                                                  : ti_via_systemd_submit(place, job, err);
    if (status != TERN_OK) {
        /* Its files go too: a scheduler that took it and did not say so finds no command. */
        if (ti_queue_remove(place->queue, &done, job, NULL) == TERN_OK && done) {
            ti_job_remove_files(place->dir, job->id);
        }
        return status;
    }
    status = note_name(place->queue, job, err);
    if (status != TERN_OK) {
        ti_warn("%s has it as %s, but the queue does not know that", ti_job_via_name(job->via),
                job->external);
    }
    return status;
}

tern_status ti_via_cancel(ti_job_place *place, const ti_job *job, tern_err *err)
{
    tern_status status = job->via == TI_VIA_SLURM ? ti_via_slurm_cancel(place, job, err)
                                                  : ti_via_systemd_cancel(place, job, err);
    ti_via_refresh(place); /* also when it cannot be cancelled: it may be over, or forgotten */
    return status;
}

void ti_via_forget(const ti_job_place *place, const ti_job *job)
{
    if (job->via == TI_VIA_SYSTEMD) {
        ti_via_systemd_forget(place, job);
    }
}

tern_status ti_via_windows(const ti_job *job, tern_err *err)
{
    ti_buf text = {0}, encoded = {0};
    tern_status status = ti_windows_task(&text, job, err);
    if (status == TERN_OK) {
        status = ti_windows_encode(&encoded, text.data, text.len, err);
    }
    if (status == TERN_OK) {
        (void)fwrite(encoded.data, 1, encoded.len, stdout); /* main sees the stream's error */
    }
    ti_buf_free(&text);
    ti_buf_free(&encoded);
    return status;
}
