/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_via.h"

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
#include "cli/jobd_io.h"
#include "cli/out.h"
#include "cli/process.h"
#include "cli/systemd.h"
#include "jobs/batch.h"
#include "jobs/step.h"

enum { NAME_TRIES = 10, MARK_PATIENCE_S = 60 };

/* --- systemd --------------------------------------------------------------------------------
 */

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

static tern_status submit_systemd(const ti_job_place *place, ti_job *job, tern_err *err)
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

static tern_status cancel_systemd(const ti_job_place *place, const ti_job *job, tern_err *err)
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

/* Of a job that is over: files alone would leave a link, and a timer in systemd's memory. */
static void remove_units(const ti_job_place *place, const ti_job *job)
{
    char name[TI_JOB_EXTERNAL_MAX + 1];
    const char *unit = unit_of(name, place, job);
    if (ti_systemd_has(unit, ".timer")) {
        (void)ti_systemctl("disable", unit, ".timer", false, NULL);
        ti_systemd_remove(unit);
        (void)ti_systemctl("daemon-reload", "", "", false, NULL);
    }
}

/* --- Slurm ----------------------------------------------------------------------------------
 */

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

static tern_status submit_slurm(const ti_job_place *place, ti_job *job,
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

/* --- reading back ---------------------------------------------------------------------------
 */

/* Looks at what keepers wrote: for arrays at every task, for restarted jobs at every attempt.
 * True when all that began have ended. */
static bool read_runs(const ti_job_place *place, ti_job *job)
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
    if ((read_runs(place, &look) && all_began(place, job->id)) ||
        (look.keeper.pid != 0 && ti_process_is_here(&look.keeper) &&
         ti_process_signal(&look.keeper, SIGTERM))) {
        return TERN_OK; /* the next look sees its end */
    }
    ti_warn("its submission was cut off: 'squeue --me' says whether Slurm has it");
    return TERN_OK;
}

static tern_status cancel_slurm(const ti_job_place *place, const ti_job *job, tern_err *err)
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

static void note_state(ti_job_place *place, ti_job *job, ti_job_state state)
{
    bool done;
    tern_err err;
    const ti_job_run was = job->run;
    uint32_t attempt = job->attempt;
    (void)read_runs(place, job);
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

/* sbatch has not said its number yet, or nobody was left to hear it; of none Slurm tells all.
 * What its keepers wrote is all there is. */
static void refresh_unnamed(ti_job_place *place, ti_job *job)
{
    ti_job look = *job;
    bool ended = read_runs(place, &look);
    bool here = look.keeper.pid != 0 && ti_process_is_here(&look.keeper);
    if (ended && all_began(place, job->id)) {
        note_state(place, job, ti_job_end_state(job, look.run.exit_code));
    } else if (job->cancel && is_cut_off(place, job) &&
               !(here && ti_process_lives(&look.keeper))) {
        forget_command(place, job);
        note_state(place, job, TI_JOB_CANCELLED);
    } else if (look.keeper.pid != 0) {
        note_state(place, job, TI_JOB_RUNNING);
    }
}

static void refresh_slurm(ti_job_place *place, ti_job *job)
{
    ti_slurm_seen seen;
    ti_job look = *job; /* note_state() needs the job as it is in the queue */
    if (!*job->external) {
        refresh_unnamed(place, job);
        return;
    }
    switch (ask_slurm(&seen, job)) {
    case SLURM_SEEN:
        note_state(place, job, seen.state);
        break;
    case SLURM_FORGOT:
        /* What its keepers wrote last counts, once all of them have. */
        if (read_runs(place, &look) && all_began(place, job->id)) {
            note_state(place, job, ti_job_end_state(job, look.run.exit_code));
        } else if (job->cancel) {
            note_state(place, job, TI_JOB_CANCELLED);
        }
        break;
    case SLURM_SILENT:
        break; /* nothing is known: look again */
    }
}

static void refresh_systemd(ti_job_place *place, ti_job *job)
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
        note_state(place, job, TI_JOB_RUNNING);
        break;
    case TI_KEEPER_ENDED:
        note_state(place, job, ti_job_end_state(job, run.exit_code));
        remove_units(place, job);
        break;
    case TI_KEEPER_GONE:
        /* A mark that does not say whose it is may be of one that is just starting. */
        if (look.keeper.pid != 0 || view.now_s - mark.made_s > MARK_PATIENCE_S) {
            note_state(place, job, job->cancel ? TI_JOB_CANCELLED : TI_JOB_INTERRUPTED);
            remove_units(place, job);
        }
        break;
    case TI_KEEPER_NONE:
    case TI_KEEPER_UNBORN:
        if (job->cancel) {
            note_state(place, job, TI_JOB_CANCELLED);
        }
        break;
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
                refresh_slurm(place, &page.items[i]);
            } else {
                refresh_systemd(place, &page.items[i]);
            }
        }
        more = page.n == PAGE;
        after = page.n > 0 ? page.items[page.n - 1].id : after;
        ti_jobs_free(&page);
    }
}

/* --- all ------------------------------------------------------------------------------------
 */

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
    tern_status status = job->via == TI_VIA_SLURM ? submit_slurm(place, job, args, err)
                                                  : submit_systemd(place, job, err);
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
    tern_status status = job->via == TI_VIA_SLURM ? cancel_slurm(place, job, err)
                                                  : cancel_systemd(place, job, err);
    ti_via_refresh(place); /* also when it cannot be cancelled: it may be over, or forgotten */
    return status;
}

void ti_via_forget(const ti_job_place *place, const ti_job *job)
{
    if (job->via == TI_VIA_SYSTEMD) {
        remove_units(place, job);
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
