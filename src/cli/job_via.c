/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_via.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/capture.h"
#include "cli/jobd_io.h"
#include "cli/models.h"
#include "cli/out.h"
#include "cli/process.h"
#include "jobs/batch.h"

enum { PATIENCE_S = 30, WORDS_MAX = 96, NAME_TRIES = 10 };

/* A command line that grows.  What does not fit is noticed at the end. */
typedef struct words {
    char *items[WORDS_MAX];
    size_t n;
    bool failed;
} words;

static void add(words *w, const char *format, ...) TI_PRINTF(2, 3);
static void add(words *w, const char *format, ...)
{
    va_list args;
    char text[PATH_MAX + 64];
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = len >= 0 && (size_t)len < sizeof text ? strdup(text) : NULL;
    if (!copy || w->n + 1 >= WORDS_MAX) {
        w->failed = true;
        free(copy);
        return;
    }
    w->items[w->n++] = copy;
}

/* Runs it and frees the words.  That it fails is an error, with what it said. */
static tern_status call(ti_captured *out, words *w, bool must, tern_err *err)
{
    tern_status status = w->failed ? ti_fail(err, TERN_LIMIT, "jobs", TI_NO_OFFSET,
                                             "too many or too long options")
                                   : ti_capture(out, w->items, PATIENCE_S, err);
    if (status == TERN_OK && must && out->exit_code != 0) {
        status = ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET, "%s: %s", w->items[0],
                         *out->said ? out->said : "it failed");
        ti_captured_free(out);
    }
    for (size_t i = 0; i < w->n; i++) {
        free(w->items[i]);
    }
    return status;
}

static tern_status own_path(char out[PATH_MAX], tern_err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n < 0) {
        return ti_fail_errno(err, errno, "jobs", "where is this program?");
    }
    out[n] = '\0';
    return TERN_OK;
}

/* --- systemd --------------------------------------------------------------------------------
 */

static tern_status unit_path(char **out, const char *name, const char *suffix, bool make,
                             tern_err *err)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    ti_buf path = {0};
    if (xdg && *xdg == '/') {
        ti_buf_addf(&path, "%s/systemd/user", xdg);
    } else if (home && *home) {
        ti_buf_addf(&path, "%s/.config/systemd/user", home);
    } else {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "neither XDG_CONFIG_HOME nor HOME is set");
    }
    tern_status status = TERN_OK;
    if (make && !path.failed) {
        status = ti_make_directories(path.data, err);
    }
    ti_buf_addf(&path, "/%s%s", name, suffix);
    if (status == TERN_OK && path.failed) {
        status = ti_fail_nomem(err, "jobs", 0, "a path");
    }
    if (status != TERN_OK) {
        ti_buf_free(&path);
        return status;
    }
    *out = path.data;
    return TERN_OK;
}

static tern_status write_unit(const char *name, const char *suffix, const ti_buf *text,
                              tern_err *err)
{
    char *path;
    TI_TRY(unit_path(&path, name, suffix, true, err));
    tern_status status = ti_job_write(path, text->data, text->len, err);
    free(path);
    return status;
}

static void remove_units(const char *name)
{
    static const char *const suffixes[] = {".timer", ".service"};
    for (size_t i = 0; i < 2; i++) {
        char *path;
        if (unit_path(&path, name, suffixes[i], false, NULL) == TERN_OK) {
            (void)unlink(path);
            free(path);
        }
    }
}

static tern_status systemctl(const char *what, const char *name, const char *suffix, bool must,
                             tern_err *err)
{
    words w = {0};
    ti_captured said;
    add(&w, "systemctl");
    add(&w, "--user");
    add(&w, "--quiet");
    if (strcmp(what, "enable") == 0) {
        add(&w, "--now");
    }
    add(&w, "%s", what);
    if (*name) {
        add(&w, "%s%s", name, suffix);
    }
    TI_TRY(call(&said, &w, must, err));
    ti_captured_free(&said);
    return TERN_OK;
}

static tern_status start_timer(const char *name, tern_err *err)
{
    TI_TRY(systemctl("daemon-reload", "", "", true, err));
    return systemctl("enable", name, ".timer", true, err);
}

static tern_status write_timer(const ti_job *job, bool wake, tern_err *err)
{
    ti_buf timer = {0};
    tern_status status = ti_systemd_timer(&timer, job, wake, err);
    if (status == TERN_OK) {
        status = write_unit(job->external, ".timer", &timer, err);
    }
    ti_buf_free(&timer);
    return status;
}

static tern_status submit_systemd(const ti_job_place *place, ti_job *job, tern_err *err)
{
    char tern[PATH_MAX];
    ti_buf service = {0};
    tern_err local;
    TI_TRY(own_path(tern, err));
    ti_batch_keeper keeper = {.tern = tern, .dir = place->dir, .id = job->id};
    ti_systemd_name(job->external, job->id);
    tern_status status = ti_systemd_service(&service, &keeper, err);
    if (status == TERN_OK) {
        status = write_unit(job->external, ".service", &service, err);
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
        remove_units(job->external);
    }
    return status;
}

static tern_status cancel_systemd(const ti_job *job, tern_err *err)
{
    (void)systemctl("disable", job->external, ".timer", false, NULL);
    (void)systemctl("stop", job->external, ".timer", false, NULL);
    tern_status status = systemctl("stop", job->external, ".service", false, err);
    remove_units(job->external);
    (void)systemctl("daemon-reload", "", "", false, NULL);
    return status;
}

/* --- Slurm ----------------------------------------------------------------------------------
 */

static void add_sbatch_words(words *w, const ti_job *job, const ti_submit_args *args)
{
    char begin[32];
    ti_slurm_begin(begin, job->plan.start_s, (int64_t)time(NULL));
    add(w, "sbatch");
    add(w, "--parsable");
    add(w, "--begin=%s", begin);
    add(w, "--job-name=%s", *job->name ? job->name : "tern");
    add(w, "--output=/dev/null"); /* the keeper opens files of its own */
    add(w, "--error=/dev/null");
    add(w, "%s", job->flags & TI_JOB_RESTARTABLE ? "--requeue" : "--no-requeue");
    if (args->array) {
        add(w, "--array=%s", args->array);
    }
    if (args->dependency) {
        add(w, "--dependency=%s", args->dependency);
    }
    for (size_t i = 0; i < args->sbatch.n; i++) {
        add(w, "%s", args->sbatch.items[i]);
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
    words w = {0};
    ti_captured said;
    ti_buf text = {0};
    TI_TRY(own_path(tern, err));
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
        add(&w, "%s", script);
        status = call(&said, &w, true, err);
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

static tern_status cancel_slurm(const ti_job *job, tern_err *err)
{
    words w = {0};
    ti_captured said;
    if (!*job->external) {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "job %lld is still being handed to Slurm: try again",
                       (long long)job->id);
    }
    add(&w, "scancel");
    add(&w, "%s", job->external);
    TI_TRY(call(&said, &w, true, err));
    ti_captured_free(&said);
    return TERN_OK;
}

typedef enum slurm_answer {
    SLURM_SEEN,   /* it says what it knows of the job */
    SLURM_FORGOT, /* it says that it knows nothing of it */
    SLURM_SILENT  /* it could not be asked */
} slurm_answer;

/* Who runs it now or did a moment ago. */
static slurm_answer ask_squeue(ti_slurm_seen *seen, const ti_job *job)
{
    words w = {0};
    ti_captured said;
    add(&w, "squeue");
    add(&w, "--noheader");
    add(&w, "--states=all");
    add(&w, "--array");
    add(&w, "--format=%%T");
    add(&w, "--jobs=%s", job->external);
    if (call(&said, &w, false, NULL) != TERN_OK) {
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
    words w = {0};
    ti_captured said;
    add(&w, "sacct");
    add(&w, "--noheader");
    add(&w, "--parsable2");
    add(&w, "--allocations");
    add(&w, "--format=State,ExitCode");
    add(&w, "--jobs=%s", job->external);
    if (call(&said, &w, true, NULL) != TERN_OK) {
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

static void refresh_slurm(ti_job_place *place, ti_job *job)
{
    ti_slurm_seen seen;
    ti_job look = *job; /* note_state() needs the job as it is in the queue */
    if (!*job->external) {
        return; /* sbatch has not said its number yet, and of none Slurm tells all */
    }
    switch (ask_slurm(&seen, job)) {
    case SLURM_SEEN:
        note_state(place, job, seen.state);
        break;
    case SLURM_FORGOT:
        /* What its keepers wrote last counts, once all of them have. */
        if (read_runs(place, &look) && all_began(place, job->id)) {
            note_state(place, job, look.run.exit_code == 0 ? TI_JOB_DONE : TI_JOB_FAILED);
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
    ti_job_view view = {.now_s = (int64_t)time(NULL)};
    ti_job_run run = {0};
    ti_job look = *job;
    look.attempt = 1;
    if (ti_job_status_load(&s, place->dir, job->id, 1, NULL, NULL) == TERN_OK) {
        look.keeper = s.keeper;
        ti_job_status_free(&s);
    }
    ti_jobd_look(place->dir, &look, &view, &run);
    switch (view.keeper) {
    case TI_KEEPER_ALIVE:
        note_state(place, job, TI_JOB_RUNNING);
        break;
    case TI_KEEPER_ENDED:
        note_state(place, job, run.exit_code == 0 ? TI_JOB_DONE : TI_JOB_FAILED);
        remove_units(job->external);
        break;
    case TI_KEEPER_GONE:
        /* A mark without a status is a keeper that is just starting. */
        if (look.keeper.pid != 0) {
            note_state(place, job, job->cancel ? TI_JOB_CANCELLED : TI_JOB_INTERRUPTED);
            remove_units(job->external);
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
        (void)ti_queue_move(place->queue, &done, job, TI_JOB_CANCELLED, NULL);
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
    tern_status status =
        job->via == TI_VIA_SLURM ? cancel_slurm(job, err) : cancel_systemd(job, err);
    ti_via_refresh(place); /* also when it cannot be cancelled: it may be over, or forgotten */
    return status;
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
