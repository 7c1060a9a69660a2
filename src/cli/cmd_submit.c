/* SPDX-License-Identifier: Apache-2.0 */
/* tern submit: a command for the cleanest hour before its deadline. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/grams.h"
#include "cli/job_daemon.h"
#include "cli/job_grid.h"
#include "cli/job_plans.h"
#include "cli/job_show.h"
#include "cli/job_via.h"
#include "cli/moment.h"
#include "cli/out.h"
#include "jobs/schedule.h"
#include "jobs/spec.h"

extern char **environ;

static const ti_submit_args defaults = {.desk = TI_DESK_DEFAULTS};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "for",
     .metavar = "LENGTH",
     .help = "how long it takes (90min, 2h), or a range (1h..3h): the deadline holds for the "
             "longer",
     .offset = offsetof(ti_submit_args, length)},
    {.type = TI_OPT_STR,
     .name = "by",
     .metavar = "MOMENT",
     .help = "when it must have ended: 18:00, 6pm, noon, 'tomorrow 9:00', 12h from now, "
             "2026-01-31T12:00Z",
     .fallback = "24h",
     .offset = offsetof(ti_submit_args, by)},
    {.type = TI_OPT_STR,
     .name = "from",
     .metavar = "MOMENT",
     .help = "the earliest start",
     .fallback = "now",
     .offset = offsetof(ti_submit_args, from)},
    {.type = TI_OPT_STR,
     .name = "zone",
     .metavar = "ZONE",
     .help = "which grid, or SOURCE:ZONE",
     .fallback =
         "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME; none: it starts at once",
     .offset = offsetof(ti_submit_args, zone)},
    {.type = TI_OPT_STR,
     .name = "name",
     .metavar = "NAME",
     .help = "what it is called in lists",
     .fallback = "its command",
     .offset = offsetof(ti_submit_args, name)},
    {.type = TI_OPT_FLAG,
     .name = "interruptible",
     .help = "it may be suspended and go on later",
     .offset = offsetof(ti_submit_args, interruptible)},
    {.type = TI_OPT_STR,
     .name = "min-slice",
     .metavar = "LENGTH",
     .help = "with --interruptible: no piece is planned shorter",
     .offset = offsetof(ti_submit_args, min_slice)},
    {.type = TI_OPT_FLAG,
     .name = "restartable",
     .help = "it may begin again from the start when the machine went down under it",
     .offset = offsetof(ti_submit_args, restartable)},
    {.type = TI_OPT_FLAG,
     .name = "skip-late",
     .help = "do not start it once its deadline cannot be kept any more",
     .offset = offsetof(ti_submit_args, skip_late)},
    {.type = TI_OPT_FLAG,
     .name = "shell",
     .help = "COMMAND is a line for /bin/sh",
     .offset = offsetof(ti_submit_args, shell)},
    {.type = TI_OPT_CHOICE,
     .name = "via",
     .metavar = "WHO",
     .help = "who starts it: tern's own daemon, a timer of systemd, or Slurm; windows prints a "
             "task for its scheduler, which is in no queue and is not counted",
     .choices = "jobd|systemd|slurm|windows",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(ti_submit_args, via)},
    {.type = TI_OPT_STR,
     .name = "array",
     .metavar = "LIST",
     .help = "with --via slurm: its tasks, as sbatch --array takes them",
     .offset = offsetof(ti_submit_args, array)},
    {.type = TI_OPT_STR,
     .name = "dependency",
     .metavar = "LIST",
     .help = "with --via slurm: what must have ended before, as sbatch --dependency takes it",
     .offset = offsetof(ti_submit_args, dependency)},
    {.type = TI_OPT_LIST,
     .name = "sbatch",
     .metavar = "OPTION",
     .help = "with --via slurm: another option for sbatch, for example --sbatch=--mem=4G",
     .offset = offsetof(ti_submit_args, sbatch)},
    {.type = TI_OPT_FLAG,
     .name = "no-daemon",
     .help = "start no daemon when none is there",
     .offset = offsetof(ti_submit_args, no_daemon)},
    TI_OPT_QUEUE(ti_submit_args, queue),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.jobs/1",
     .offset = offsetof(ti_submit_args, json)},
    {.help = "Forecasts: kept with the job, for who plans and counts it later"},
    TI_OPTS_DESK(ti_submit_args, desk),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "COMMAND", .help = "the program to run", .words = TI_WORDS_FILE},
    {.metavar = "ARG",
     .help = "its arguments",
     .words = TI_WORDS_FILE,
     .optional = true,
     .repeated = true},
    {0},
};

/* --- what is asked --------------------------------------------------------------------------
 */

static tern_status read_lengths(ti_job *job, const ti_submit_args *args, tern_err *err)
{
    const char *text = args->length;
    if (!text) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET,
                       "how long does it take? (--for 2h)");
    }
    const char *dots = strstr(text, "..");
    size_t len = dots ? (size_t)(dots - text) : strlen(text);
    TI_TRY(ti_length_parse(&job->shortest_s, text, len, "for", err));
    job->longest_s = job->shortest_s;
    if (dots) {
        TI_TRY(ti_length_parse(&job->longest_s, dots + 2, strlen(dots + 2), "for", err));
    }
    if (job->shortest_s > job->longest_s || job->shortest_s == 0) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET, "for: '%.40s' is no length",
                       text);
    }
    if (args->min_slice && !args->interruptible) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET,
                       "--min-slice is for --interruptible: else it runs in one piece");
    }
    if (args->min_slice) {
        TI_TRY(ti_length_parse(&job->min_slice_s, args->min_slice, strlen(args->min_slice),
                               "min-slice", err));
    }
    return TERN_OK;
}

static tern_status read_times(ti_job *job, const ti_submit_args *args, tern_err *err)
{
    int64_t now_s = (int64_t)time(NULL);
    job->submitted_s = job->earliest_s = now_s;
    ti_zone_check();
    ti_moment_ask from = {.what = "from", .now_s = now_s, .after_s = now_s, .day_begins = true};
    if (args->from) {
        TI_TRY(ti_moment_typed(&job->earliest_s, args->from, from, err));
        job->earliest_s = job->earliest_s < now_s ? now_s : job->earliest_s;
    }
    ti_moment_ask by = {.what = "by", .now_s = now_s, .after_s = job->earliest_s};
    TI_TRY(ti_moment_typed(&job->deadline_s, args->by ? args->by : "24h", by, err));
    if (job->deadline_s < job->earliest_s + job->longest_s) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET,
                       "by: it cannot have ended by then");
    }
    return TERN_OK;
}

/* The zone of who submits: a daemon that runs later may know another one. */
static tern_status read_zone(ti_job *job, const ti_submit_args *args, tern_err *err)
{
    if (args->zone && strlen(args->zone) >= sizeof job->zone) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET, "zone: '%.40s' is too long",
                       args->zone);
    }
    if (args->zone) {
        snprintf(job->zone, sizeof job->zone, "%s", args->zone);
        return TERN_OK;
    }
    return ti_user_zone(job->zone, sizeof job->zone, err);
}

static tern_status read_command(ti_job *job, const ti_submit_args *args,
                                const ti_operands *given, tern_err *err)
{
    ti_buf line = {0};
    if (!args->shell) {
        return ti_job_set_command(job, given->items, (size_t)given->n, err);
    }
    for (int i = 0; i < given->n; i++) {
        ti_buf_addf(&line, "%s%s", i > 0 ? " " : "", given->items[i]);
    }
    if (line.failed) {
        ti_buf_free(&line);
        return ti_fail_nomem(err, "submit", 0, "a command");
    }
    char sh[] = "/bin/sh", c[] = "-c", *words[] = {sh, c, line.data};
    tern_status status = ti_job_set_command(job, words, 3, err);
    ti_buf_free(&line);
    return status;
}

static tern_status read_job(ti_job *job, const ti_submit_args *args, const ti_operands *given,
                            tern_err *err)
{
    bool slurm = args->via == TI_SUBMIT_SLURM;
    if (!slurm && (args->array || args->dependency || args->sbatch.n > 0)) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET,
                       "--array, --dependency and --sbatch are for --via slurm");
    }
    if (args->via != TI_SUBMIT_JOBD && args->interruptible) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET,
                       "only jobd suspends jobs: --interruptible is for it alone");
    }
    if (args->desk.at) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET,
                       "jobs go by the clock, not --at");
    }
    TI_TRY(read_lengths(job, args, err));
    TI_TRY(read_times(job, args, err));
    TI_TRY(read_zone(job, args, err));
    TI_TRY(read_command(job, args, given, err));
    job->flags = (args->interruptible ? (uint32_t)TI_JOB_INTERRUPTIBLE : 0) |
                 (args->restartable ? (uint32_t)TI_JOB_RESTARTABLE : 0) |
                 (args->skip_late ? (uint32_t)TI_JOB_SKIP_LATE : 0);
    job->via = args->via == TI_SUBMIT_SYSTEMD ? TI_VIA_SYSTEMD
               : slurm                        ? TI_VIA_SLURM
                                              : TI_VIA_JOBD;
    if (args->name && strlen(args->name) >= sizeof job->name) {
        return ti_fail(err, TERN_USAGE, "submit", TI_NO_OFFSET, "name: more than %d bytes",
                       TI_JOB_NAME_MAX);
    }
    snprintf(job->name, sizeof job->name, "%s", args->name ? args->name : "");
    return TERN_OK;
}

/* --- what belongs to it on the disk ---------------------------------------------------------
 */

static tern_status write_spec(const char *dir, const ti_job *job, tern_err *err)
{
    char here[PATH_MAX], *path = NULL;
    ti_buf text = {0};
    size_t argc = 0, n_env = 0;
    mode_t mask = umask(0);
    (void)umask(mask);
    if (!getcwd(here, sizeof here)) {
        return ti_fail_errno(err, errno, "submit", "in which directory is this?");
    }
    for (const char *word = ti_job_word(job, NULL); word; word = ti_job_word(job, word)) {
        argc++;
    }
    while (environ[n_env]) {
        n_env++;
    }
    char **argv = ti_calloc(argc + 1, sizeof *argv);
    if (!argv) {
        return ti_fail_nomem(err, "submit", argc * sizeof *argv, "a command");
    }
    argc = 0;
    for (const char *word = ti_job_word(job, NULL); word; word = ti_job_word(job, word)) {
        argv[argc++] = job->command + (word - job->command);
    }
    ti_job_spec spec = {.cwd = here,
                        .umask = (uint32_t)mask,
                        .argv = argv,
                        .argc = argc,
                        .envp = environ,
                        .n_env = n_env};
    tern_status status = ti_job_spec_write(&text, &spec, err);
    if (status == TERN_OK) {
        status = ti_queue_path(&path, dir, job->id, "spec", err);
    }
    if (status == TERN_OK) {
        status = ti_job_write(path, text.data, text.len, err);
    }
    ti_buf_free(&text);
    free(argv);
    free(path);
    return status;
}

/* --- doing it -------------------------------------------------------------------------------
 */

typedef struct submission {
    ti_job_place *place;
    ti_job *job;
    ti_job_plans plans;
    ti_places places;
    ti_planner *planner; /* NULL: no forecast, for the reason in `why` */
    const char *source;
    char why[TI_WHY_TEXT];
} submission;

/* Asks for the forecast.  That there is none is no error; a zone that does not exist is. */
static tern_status ask(submission *s, tern_err *err)
{
    tern_err local;
    tern_status status = ti_job_planner(&s->plans, s->job, &s->planner, &s->source, &local);
    if (status == TERN_USAGE) {
        return ti_fail(err, status, local.module, local.offset, "%s", local.message);
    }
    if (status != TERN_OK) {
        s->planner = NULL;
        snprintf(s->why, sizeof s->why, "no forecast: %.120s", local.message);
    }
    return TERN_OK;
}

/* Decides, so that the user is told; jobd decides again as forecasts change. */
static tern_status decide(submission *s, tern_err *err)
{
    return s->planner ? ti_job_decide(s->job, s->planner, s->source, s->job->submitted_s, 0,
                                      &s->places, err)
                      : ti_job_decide_now(s->job, s->job->submitted_s, s->why, err);
}

/* The directory of a number that nobody has: a submission that was cut off may have left its
 * spec there.  Anything else is of another job (of a queue.db that was lost, say), whose marks
 * and status would be taken for those of this one. */
static tern_status check_unused(const char *dir, tern_err *err)
{
    static const char ours[] = "spec";
    DIR *files = opendir(dir);
    if (!files) {
        return ti_fail_errno(err, errno, "submit", "cannot list '%s'", dir);
    }
    tern_status status = TERN_OK;
    struct dirent *e;
    while (status == TERN_OK && (e = readdir(files)) != NULL) {
        const char *name = e->d_name;
        bool known = strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
                     strcmp(name, ours) == 0 || strncmp(name, "spec.", sizeof ours) == 0;
        if (!known) {
            status = ti_fail(err, TERN_UNAVAILABLE, "submit", TI_NO_OFFSET,
                             "'%s' holds the files of another job: move it away", dir);
        }
    }
    closedir(files);
    return status;
}

static tern_status make_directory(const char *dir, tern_err *err)
{
    if (mkdir(dir, S_IRWXU) == 0) {
        return TERN_OK;
    }
    return errno == EEXIST ? check_unused(dir, err)
                           : ti_fail_errno(err, errno, "submit", "cannot make '%s'", dir);
}

/* The spec's name in the job's directory, and that directory's in the queue's. */
static tern_status sync_names(const char *queue, int64_t id, tern_err *err)
{
    char *path;
    TI_TRY(ti_queue_path(&path, queue, id, "spec", err));
    tern_status status = ti_sync_entry(path, err);
    if (status == TERN_OK) {
        path[strlen(path) - 1] = '\0'; /* it was cut to the directory and its slash */
        status = ti_sync_entry(path, err);
    }
    free(path);
    return status;
}

/* Before the job is in the queue: from then on whoever sees it can run it. */
static tern_status make_files(void *user, const ti_job *job, tern_err *err)
{
    submission *s = user;
    char *dir;
    bool done;
    TI_TRY(ti_queue_path(&dir, s->place->dir, job->id, "", err));
    tern_status status = make_directory(dir, err);
    if (status == TERN_OK) {
        status = write_spec(s->place->dir, job, err);
    }
    if (status == TERN_OK) {
        status = sync_names(s->place->dir, job->id, err);
    }
    free(dir);
    TI_TRY(status);
    TI_TRY(decide(s, err)); /* its number spreads it */
    return ti_queue_plan(s->place->queue, &done, s->job, err);
}

static tern_status call_daemon(const ti_job_place *place, const ti_submit_args *args,
                               tern_err *err)
{
    tern_err local;
    ti_job_daemon d;
    if (ti_job_wake(place->dir)) {
        return TERN_OK;
    }
    ti_job_daemon_look(&d, place->dir);
    if (d.there) { /* no byte gets there: it looks by itself */
        ti_note("(the daemon on %s serves this queue)", d.host);
        return TERN_OK;
    }
    if (args->no_daemon) {
        ti_warn("no daemon is there: 'tern jobd' starts one");
        return TERN_OK;
    }
    if (ti_job_start_daemon(place->dir, true, &local) != TERN_OK) {
        ti_hint("it is in the queue: 'tern jobd --foreground' says what is wrong");
        return ti_fail(err, TERN_UNAVAILABLE, "submit", TI_NO_OFFSET, "%s", local.message);
    }
    return TERN_OK;
}

static tern_status submit(submission *s, const ti_submit_args *args, tern_err *err)
{
    ti_job *job = s->job;
    ti_job_daemon d;
    TI_TRY(ti_job_grid_make(&job->grid, &args->desk, err));
    if (job->via == TI_VIA_JOBD) {
        ti_job_daemon_look(&d, s->place->dir);
        TI_TRY(ti_places_open(&s->places, d.parallel, job->submitted_s, err));
        TI_TRY(ti_queue_places(s->place->queue, &s->places, job->submitted_s, false, err));
    }
    TI_TRY(ti_queue_add(s->place->queue, job, make_files, s, err));
    if (job->via == TI_VIA_JOBD) {
        TI_TRY(call_daemon(s->place, args, err));
    } else {
        TI_TRY(ti_via_submit(s->place, job, args, err));
    }
    return args->json ? ti_print_job_json(s->place, job, err) : ti_print_submitted(job, err);
}

static tern_status print_task(submission *s, tern_err *err)
{
    TI_TRY(decide(s, err));
    TI_TRY(ti_via_windows(s->job, err));
    /* What Windows does with it is told to nobody here. */
    ti_note("(not in the queue, and never counted; on Windows: schtasks /create /tn NAME /xml "
            "FILE)");
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const ti_submit_args *args = values;
    ti_job job = {0};
    ti_job_place place = {0};
    submission s = {.place = &place, .job = &job, .plans = {.args = &args->desk}};
    tern_status status = read_job(&job, args, given, err);
    if (status == TERN_OK) {
        status = ask(&s, err);
    }
    if (status == TERN_OK && args->via == TI_SUBMIT_WINDOWS) {
        status = print_task(&s, err);
    } else if (status == TERN_OK) {
        status = ti_job_place_open(&place, args->queue, true, err);
        if (status == TERN_OK) {
            status = submit(&s, args, err);
        }
    }
    ti_job_plans_free(&s.plans);
    ti_places_close(&s.places);
    ti_job_place_close(&place);
    ti_job_free(&job);
    return status;
}

const ti_command ti_cmd_submit = {
    .name = "submit",
    .summary = "run a command at the cleanest time before a deadline",
    .description =
        "Puts a command, with this directory and environment, into the queue.  It starts when "
        "the grid is expected to be cleanest, and in any case early enough to end in time: "
        "without a forecast at once.  Its output goes to files ('tern logs').  Afterwards "
        "'tern report' says what it took, and what running it at once would have cost.",
    .examples = "tern submit --for 4h --by 'tomorrow 8:00' -- make world\n"
                "tern submit --for 90min --by 18:00 --zone GB --shell 'gzip *.log'\n"
                "tern submit --for 12h --by 3d --interruptible -- python3 train.py\n"
                "tern submit --for 2h --by 24h --via slurm --array 1-8 -- ./simulate",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .runs_others = true,
    .run = run,
};
