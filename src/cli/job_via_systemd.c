/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that a timer of the user's systemd starts: a service and a timer for each. */
#include <limits.h>
#include <time.h>

#include "cli/call.h"
#include "cli/job_via_parts.h"
#include "cli/jobd_io.h"
#include "cli/out.h"
#include "cli/systemd.h"
#include "jobs/batch.h"
#include "jobs/step.h"

enum { MARK_PATIENCE_S = 60 };

static tern_status start_timer(const char *name, tern_err *err)
{
    TI_TRY(ti_systemctl("daemon-reload", "", "", true, err));
    return ti_systemctl("enable", name, ".timer", true, err);
}

static tern_status write_timer(const ti_job *job, bool wake, tern_err *err)
{
    ti_buf timer = {0};
    tern_status status = ti_systemd_timer(&timer, job, wake, err);
    if (status == TERN_OK) {
        status = ti_systemd_write(job->external, ".timer", &timer, err);
    }
    ti_buf_free(&timer);
    return status;
}

tern_status ti_via_systemd_submit(const ti_job_place *place, ti_job *job, tern_err *err)
{
    char tern[PATH_MAX];
    ti_buf service = {0};
    tern_err local;
    TI_TRY(ti_own_path(tern, sizeof tern, err));
    ti_batch_keeper keeper = {.tern = tern, .dir = place->dir, .id = job->id};
    ti_systemd_job_name(job->external, place->dir, job->id);
    if (ti_systemd_has(job->external, ".service")) {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "there is a unit %s.service already, of a job that is not this one",
                       job->external);
    }
    tern_status status = ti_systemd_service(&service, &keeper, err);
    if (status == TERN_OK) {
        status = ti_systemd_write(job->external, ".service", &service, err);
    }
    ti_buf_free(&service);
    if (status == TERN_OK) {
        status = write_timer(job, true, err);
    }
    if (status == TERN_OK && start_timer(job->external, &local) != TERN_OK) {
        /* Waking the machine needs a right that user managers seldom have. */
        status = write_timer(job, false, err);
        if (status == TERN_OK) {
            status = start_timer(job->external, err);
        }
        if (status == TERN_OK) {
            ti_warn("the timer does not wake the machine: %s", local.message);
        }
    }
    if (status != TERN_OK) {
        ti_systemd_remove(job->external);
    }
    return status;
}

/* A submission that was cut off may have made its units and not stored their name. */
static const char *unit_of(char name[TI_JOB_EXTERNAL_MAX + 1], const ti_job_place *place,
                           const ti_job *job)
{
    if (*job->external) {
        return job->external;
    }
    ti_systemd_job_name(name, place->dir, job->id);
    return name;
}

tern_status ti_via_systemd_cancel(const ti_job_place *place, const ti_job *job, tern_err *err)
{
    char name[TI_JOB_EXTERNAL_MAX + 1];
    const char *unit = unit_of(name, place, job);
    (void)ti_systemctl("disable", unit, ".timer", false, NULL);
    (void)ti_systemctl("stop", unit, ".timer", false, NULL);
    tern_status status = ti_systemctl("stop", unit, ".service", false, err);
    ti_systemd_remove(unit);
    (void)ti_systemctl("daemon-reload", "", "", false, NULL);
    return status;
}

void ti_via_systemd_forget(const ti_job_place *place, const ti_job *job)
{
    char name[TI_JOB_EXTERNAL_MAX + 1];
    const char *unit = unit_of(name, place, job);
    if (ti_systemd_has(unit, ".timer")) {
        (void)ti_systemctl("disable", unit, ".timer", false, NULL);
        ti_systemd_remove(unit);
        (void)ti_systemctl("daemon-reload", "", "", false, NULL);
    }
}

void ti_via_systemd_refresh(ti_job_place *place, ti_job *job)
{
    ti_job_status s;
    ti_job_mark mark = {.made_s = 0};
    ti_job_view view = {.now_s = (int64_t)time(NULL)};
    ti_job_run run = {0};
    ti_job look = *job;
    look.attempt = 1;
    if (ti_job_status_load(&s, place->dir, job->id, 1, NULL, NULL) == TERN_OK) {
        look.keeper = s.keeper;
        ti_job_status_free(&s);
    } else if (ti_job_mark_load(&mark, place->dir, job->id, 1, NULL, NULL) == TERN_OK) {
        look.keeper = mark.keeper; /* it is just starting, or died before its first word */
    }
    ti_jobd_look(place->dir, &look, &view, &run);
    switch (view.keeper) {
    case TI_KEEPER_ALIVE:
    case TI_KEEPER_ELSEWHERE:
        ti_via_note_state(place, job, TI_JOB_RUNNING);
        break;
    case TI_KEEPER_ENDED:
        ti_via_note_state(place, job, ti_job_end_state(job, run.exit_code));
        ti_via_systemd_forget(place, job);
        break;
    case TI_KEEPER_GONE:
        /* A mark that does not say whose it is may be of one that is just starting. */
        if (look.keeper.pid != 0 || view.now_s - mark.made_s > MARK_PATIENCE_S) {
            ti_via_note_state(place, job, job->cancel ? TI_JOB_CANCELLED : TI_JOB_INTERRUPTED);
            ti_via_systemd_forget(place, job);
        }
        break;
    case TI_KEEPER_NONE:
    case TI_KEEPER_UNBORN:
        if (job->cancel) {
            ti_via_note_state(place, job, TI_JOB_CANCELLED);
        }
        break;
    }
}
