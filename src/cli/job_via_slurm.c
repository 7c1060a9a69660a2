/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that Slurm starts: handing them over, asking for them, taking them back. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/call.h"
#include "cli/job_via_parts.h"
#include "cli/out.h"
#include "cli/process.h"
#include "jobs/batch.h"
#include "jobs/step.h"

static void add_sbatch_words(ti_call_words *w, const ti_job *job, const ti_submit_args *args)
{
    char begin[32];
    ti_slurm_begin(begin, job->plan.start_s, (int64_t)time(NULL));
    ti_call_add(w, "sbatch");
    ti_call_add(w, "--parsable");
    ti_call_add(w, "--begin=%s", begin);
    ti_call_add(w, "--job-name=%s", *job->name ? job->name : "tern");
    ti_call_add(w, "--output=/dev/null"); /* the keeper opens files of its own */
    ti_call_add(w, "--error=/dev/null");
    ti_call_add(w, "%s", job->flags & TI_JOB_RESTARTABLE ? "--requeue" : "--no-requeue");
    if (args->array) {
        ti_call_add(w, "--array=%s", args->array);
    }
    if (args->dependency) {
        ti_call_add(w, "--dependency=%s", args->dependency);
    }
    for (size_t i = 0; i < args->sbatch.n; i++) {
        ti_call_add(w, "%s", args->sbatch.items[i]);
    }
}

/* Which tasks there will be: Slurm forgets them. */
static tern_status write_tasks(const ti_job_place *place, const ti_job *job, const char *tasks,
                               tern_err *err)
{
    char *path;
    TI_TRY(ti_queue_path(&path, place->dir, job->id, "array", err));
    tern_status status = ti_job_write(path, tasks, strlen(tasks), err);
    free(path);
    return status;
}

tern_status ti_via_slurm_submit(const ti_job_place *place, ti_job *job,
                                const ti_submit_args *args, tern_err *err)
{
    char tern[PATH_MAX], *script = NULL;
    ti_call_words w = {0};
    ti_captured said;
    ti_buf text = {0};
    TI_TRY(ti_own_path(tern, sizeof tern, err));
    ti_batch_keeper keeper = {.tern = tern, .dir = place->dir, .id = job->id};
    tern_status status = ti_slurm_script(&text, &keeper, err);
    if (status == TERN_OK) {
        status = ti_queue_path(&script, place->dir, job->id, "batch", err);
    }
    if (status == TERN_OK) {
        status = ti_job_write(script, text.data, text.len, err);
    }
    ti_buf_free(&text);
    if (status == TERN_OK && args->array) {
        status = write_tasks(place, job, args->array, err);
    }
    if (status == TERN_OK) {
        add_sbatch_words(&w, job, args);
        ti_call_add(&w, "%s", script);
        status = ti_call(&said, &w, true, err);
    }
    free(script);
    TI_TRY(status);
    if (!ti_slurm_id(job->external, said.out.data)) {
        status =
            ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET, "sbatch did not say a number");
    }
    ti_captured_free(&said);
    return status;
}

typedef enum slurm_answer {
    SLURM_SEEN,   /* it says what it knows of the job */
    SLURM_FORGOT, /* it says that it knows nothing of it */
    SLURM_SILENT  /* it could not be asked */
} slurm_answer;

/* Who runs it now or did a moment ago. */
static slurm_answer ask_squeue(ti_slurm_seen *seen, const ti_job *job)
{
    ti_call_words w = {0};
    ti_captured said;
    ti_call_add(&w, "squeue");
    ti_call_add(&w, "--noheader");
    ti_call_add(&w, "--states=all");
    ti_call_add(&w, "--array");
    ti_call_add(&w, "--format=%%T");
    ti_call_add(&w, "--jobs=%s", job->external);
    if (ti_call(&said, &w, false, NULL) != TERN_OK) {
        return SLURM_SILENT;
    }
    slurm_answer answer = SLURM_SILENT;
    if (said.exit_code == 0) {
        ti_slurm_read(seen, said.out.data, said.out.len);
        answer = seen->lines > 0 ? SLURM_SEEN : said.out.len == 0 ? SLURM_FORGOT : SLURM_SILENT;
    } else if (strstr(said.said, "Invalid job id")) { /* ESLURM_INVALID_JOB_ID */
        answer = SLURM_FORGOT;
    }
    ti_captured_free(&said);
    return answer;
}

/* The accounts, which not every site keeps. */
static bool ask_sacct(ti_slurm_seen *seen, const ti_job *job)
{
    ti_call_words w = {0};
    ti_captured said;
    ti_call_add(&w, "sacct");
    ti_call_add(&w, "--noheader");
    ti_call_add(&w, "--parsable2");
    ti_call_add(&w, "--allocations");
    ti_call_add(&w, "--format=State,ExitCode");
    ti_call_add(&w, "--jobs=%s", job->external);
    if (ti_call(&said, &w, true, NULL) != TERN_OK) {
        return false;
    }
    ti_slurm_read(seen, said.out.data, said.out.len);
    ti_captured_free(&said);
    return seen->lines > 0;
}

static slurm_answer ask_slurm(ti_slurm_seen *seen, const ti_job *job)
{
    slurm_answer answer = ask_squeue(seen, job);
    return answer != SLURM_SEEN && ask_sacct(seen, job) ? SLURM_SEEN : answer;
}

static bool task_began(const ti_job_place *place, int64_t id, unsigned long task)
{
    char name[24];
    bool began = false;
    snprintf(name, sizeof name, "%lu", task);
    for (uint32_t attempt = 1; !began && attempt <= TI_JOB_ATTEMPTS_MAX; attempt++) {
        char *path;
        if (ti_job_file(&path, place->dir, id, "status", attempt, name, NULL) == TERN_OK) {
            began = access(path, F_OK) == 0;
            free(path);
        }
    }
    return began;
}

/* True when there is a status for each task of "1-7:2,9%4" (sbatch(1), --array). */
static bool tasks_began(const ti_job_place *place, int64_t id, const char *text)
{
    enum { TASK_MAX = 4000000 }; /* of MaxArraySize, slurm.conf(5) */
    for (const char *c = text; *c && *c != '%';) {
        char *end;
        unsigned long first = strtoul(c, &end, 10);
        unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
        unsigned long step = *end == ':' ? strtoul(end + 1, &end, 10) : 1;
        if (end == c || last > TASK_MAX || step == 0 || step > TASK_MAX ||
            !strchr(",%", *end)) {
            return false; /* nothing is known of it (strchr finds the NUL too) */
        }
        for (unsigned long task = first; task <= last; task += step) {
            if (!task_began(place, id, task)) {
                return false;
            }
        }
        c = end + (*end == ',');
    }
    return true;
}

/* True for what is no array, and when every task of one has begun. */
static bool all_began(const ti_job_place *place, int64_t id)
{
    enum { TASKS_MAX = 1 << 16 };
    char *path, *text = NULL;
    size_t len;
    if (ti_queue_path(&path, place->dir, id, "array", NULL) != TERN_OK) {
        return false;
    }
    bool began = access(path, F_OK) != 0 && errno == ENOENT;
    if (!began && ti_read_file(&text, &len, path, TASKS_MAX, NULL) == TERN_OK) {
        began = tasks_began(place, id, text);
        free(text);
    }
    free(path);
    return began;
}

/* Whether nobody hands it to Slurm any more: a submission that died did not store the number
 * that sbatch said, and of one that lives the script is young. */
static bool is_cut_off(const ti_job_place *place, const ti_job *job)
{
    enum { HAND_OVER_S = TI_CALL_PATIENCE_S + 10 };
    struct stat st;
    char *path;
    if (ti_queue_path(&path, place->dir, job->id, "batch", NULL) != TERN_OK) {
        return false;
    }
    int64_t since_s = stat(path, &st) == 0 ? (int64_t)st.st_mtime : job->submitted_s;
    free(path);
    return (int64_t)time(NULL) - since_s > HAND_OVER_S;
}

/* A job that Slurm may have under a number that nobody knows: its keeper is told if it runs
 * here; else the next look gives it up. */
static tern_status cancel_unnamed(const ti_job_place *place, const ti_job *job, tern_err *err)
{
    if (!is_cut_off(place, job)) {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "job %lld is still being handed to Slurm: try again",
                       (long long)job->id);
    }
    ti_job look = *job;
    if ((ti_via_read_runs(place, &look) && all_began(place, job->id)) ||
        (look.keeper.pid != 0 && ti_process_is_here(&look.keeper) &&
         ti_process_signal(&look.keeper, SIGTERM))) {
        return TERN_OK; /* the next look sees its end */
    }
    ti_warn("its submission was cut off: 'squeue --me' says whether Slurm has it");
    return TERN_OK;
}

tern_status ti_via_slurm_cancel(const ti_job_place *place, const ti_job *job, tern_err *err)
{
    ti_call_words w = {0};
    ti_captured said;
    if (!*job->external) {
        return cancel_unnamed(place, job, err);
    }
    ti_call_add(&w, "scancel");
    ti_call_add(&w, "%s", job->external);
    TI_TRY(ti_call(&said, &w, true, err));
    ti_captured_free(&said);
    return TERN_OK;
}

/* Its command goes, so that a keeper that comes after all finds nothing to run. */
static void forget_command(const ti_job_place *place, const ti_job *job)
{
    char *path;
    if (ti_queue_path(&path, place->dir, job->id, "spec", NULL) == TERN_OK) {
        (void)unlink(path);
        free(path);
    }
}

/* sbatch has not said its number yet, or nobody was left to hear it; of none Slurm tells all.
 * What its keepers wrote is all there is. */
static void refresh_unnamed(ti_job_place *place, ti_job *job)
{
    ti_job look = *job;
    bool ended = ti_via_read_runs(place, &look);
    bool here = look.keeper.pid != 0 && ti_process_is_here(&look.keeper);
    if (ended && all_began(place, job->id)) {
        ti_via_note_state(place, job, ti_job_end_state(job, look.run.exit_code));
    } else if (job->cancel && is_cut_off(place, job) &&
               !(here && ti_process_lives(&look.keeper))) {
        forget_command(place, job);
        ti_via_note_state(place, job, TI_JOB_CANCELLED);
    } else if (look.keeper.pid != 0) {
        ti_via_note_state(place, job, TI_JOB_RUNNING);
    }
}

void ti_via_slurm_refresh(ti_job_place *place, ti_job *job)
{
    ti_slurm_seen seen;
    ti_job look = *job; /* ti_via_note_state() needs the job as it is in the queue */
    if (!*job->external) {
        refresh_unnamed(place, job);
        return;
    }
    switch (ask_slurm(&seen, job)) {
    case SLURM_SEEN:
        ti_via_note_state(place, job, seen.state);
        break;
    case SLURM_FORGOT:
        /* What its keepers wrote last counts, once all of them have. */
        if (ti_via_read_runs(place, &look) && all_began(place, job->id)) {
            ti_via_note_state(place, job, ti_job_end_state(job, look.run.exit_code));
        } else if (job->cancel) {
            ti_via_note_state(place, job, TI_JOB_CANCELLED);
        }
        break;
    case SLURM_SILENT:
        break; /* nothing is known: look again */
    }
}
