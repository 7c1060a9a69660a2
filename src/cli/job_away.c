/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_away.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/job_via_parts.h"
#include "cli/moment.h"
#include "cli/process.h"

/* systemd starts a job once, and the queue is not told by whom: its keeper's files say it. */
static uint32_t attempt_of(const ti_job *job)
{
    return job->via == TI_VIA_SYSTEMD ? 1 : job->attempt;
}

static ti_job_process keeper_of(const char *dir, const ti_job *job)
{
    ti_job_status s;
    ti_job_mark mark;
    if (job->keeper.pid != 0) {
        return job->keeper;
    }
    if (ti_job_status_load(&s, dir, job->id, attempt_of(job), NULL, NULL) == TERN_OK) {
        ti_job_process keeper = s.keeper;
        ti_job_status_free(&s);
        return keeper;
    }
    return ti_job_mark_load(&mark, dir, job->id, attempt_of(job), NULL, NULL) == TERN_OK
               ? mark.keeper
               : (ti_job_process){0};
}

static int64_t written_s(const char *dir, const ti_job *job, const char *name)
{
    struct stat st;
    char *path;
    if (ti_job_file(&path, dir, job->id, name, attempt_of(job), NULL, NULL) != TERN_OK) {
        return 0;
    }
    int64_t time_s = stat(path, &st) == 0 ? (int64_t)st.st_mtime : 0;
    free(path);
    return time_s;
}

bool ti_job_away_look(ti_job_away *out, const char *dir, const ti_job *job)
{
    if (!ti_job_is_active(job->state) || job->via == TI_VIA_SLURM) {
        return false;
    }
    const ti_job_process keeper = keeper_of(dir, job);
    if (keeper.pid == 0 || ti_process_is_here(&keeper)) {
        return false;
    }
    (void)ti_process_host(out->host, &keeper);
    const int64_t mark_s = written_s(dir, job, "mark");
    out->heard_s = written_s(dir, job, "status");
    out->heard_s = out->heard_s > mark_s ? out->heard_s : mark_s;
    return true;
}

static tern_status check(const ti_job_place *place, const ti_job *job, tern_err *err)
{
    ti_job_away away;
    char ago[TI_LENGTH_TEXT];
    const long long id = job->id;
    if (ti_job_is_over(job->state)) {
        return ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "job %lld is over: %s", id,
                       ti_job_state_name(job->state));
    }
    if (!ti_job_away_look(&away, place->dir, job)) {
        return ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET,
                       "job %lld does not run on another machine: 'tern cancel %lld' ends it",
                       id, id);
    }
    const int64_t quiet_s = (int64_t)time(NULL) - away.heard_s;
    if (quiet_s < TI_AWAY_QUIET_S) {
        return ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET,
                       "job %lld was heard of %s ago: 'tern cancel' on %s ends it", id,
                       ti_length_text(ago, quiet_s > 0 ? quiet_s : 0), away.host);
    }
    return TERN_OK;
}

tern_status ti_job_give_up(ti_job_place *place, ti_job *job, tern_err *err)
{
    bool done = false;
    const uint32_t was = job->attempt;
    TI_TRY(check(place, job, err));
    (void)ti_via_read_runs(place, job);
    job->attempt = job->attempt > was ? job->attempt : was; /* it may have died before a word */
    TI_TRY(ti_queue_follow(place->queue, &done, job, TI_JOB_INTERRUPTED, was, err));
    if (!done) {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "job %lld was changed a moment ago: look again", (long long)job->id);
    }
    ti_via_forget(place, job);
    return TERN_OK;
}
