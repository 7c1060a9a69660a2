/* SPDX-License-Identifier: Apache-2.0 */
/* tern queue, tern cancel, tern report. */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "cli/cmd.h"
#include "cli/job_away.h"
#include "cli/job_count.h"
#include "cli/job_daemon.h"
#include "cli/job_show.h"
#include "cli/job_via.h"
#include "cli/moment.h"
#include "cli/out.h"
#include "cli/process.h"

enum { PAGE = 256 };

typedef struct queue_args {
    const char *queue;
    bool all, lost, json;
    ti_desk_args desk;
} queue_args;

static const queue_args defaults = {.desk = TI_DESK_DEFAULTS};

static const ti_opt queue_opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "all",
     .letter = 'a',
     .help = "list jobs that are over too",
     .offset = offsetof(queue_args, all)},
    TI_OPT_QUEUE(queue_args, queue),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.jobs/1",
     .offset = offsetof(queue_args, json)},
    {0},
};

static const ti_opt cancel_opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "lost",
     .help = "give up what runs on a machine that does not come back: it is interrupted",
     .offset = offsetof(queue_args, lost)},
    TI_OPT_QUEUE(queue_args, queue),
    {0},
};

static const ti_opt report_opts[] = {
    TI_OPT_QUEUE(queue_args, queue),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.jobs/1",
     .offset = offsetof(queue_args, json)},
    {.help = "What happened on the grid"},
    TI_OPTS_DESK(queue_args, desk),
    {0},
};

static const ti_operand cancel_operands[] = {
    {.metavar = "ID", .help = "the number of a job", .repeated = true},
    {0},
};

static const ti_operand report_operands[] = {
    {.metavar = "ID",
     .help = "the number of a job; all that are over when there is none",
     .optional = true,
     .repeated = true},
    {0},
};

typedef struct showing {
    ti_job_place *place;
    bool json, report;
    int64_t now_s;
    ti_buf out;
    size_t n;
    uint64_t co2_ug, now_co2_ug; /* of those that have both */
} showing;

static void begin(showing *s)
{
    s->now_s = (int64_t)time(NULL);
    if (s->json) {
        ti_json_open(&s->out, NULL, '{');
        ti_json_str(&s->out, "schema", "tern.jobs/1");
        ti_json_open(&s->out, "jobs", '[');
    }
}

static void show(showing *s, const ti_job *job)
{
    ti_job_account a;
    if (s->json) {
        ti_json_job_row(&s->out, NULL, s->place, job);
    } else if (s->report) {
        ti_add_job_report(&s->out, job, s->now_s);
    } else {
        if (s->n == 0) {
            ti_add_job_head(&s->out);
        }
        ti_add_job_line(&s->out, s->place, job, s->now_s);
    }
    if (ti_job_account_now(&a, job) && a.has_now) {
        s->co2_ug += a.co2_ug;
        s->now_co2_ug += a.now_co2_ug;
    }
    s->n++;
}

static tern_status end(showing *s, tern_err *err)
{
    char then[32], now[32];
    tern_status status;
    if (s->json) {
        ti_json_close(&s->out, ']');
        ti_json_daemon(&s->out, s->place);
        ti_json_uint(&s->out, "co2_ug", s->co2_ug);
        ti_json_uint(&s->out, "now_co2_ug", s->now_co2_ug);
        ti_json_close(&s->out, '}');
        status = ti_print_json(&s->out, err);
    } else {
        if (s->report && s->n > 1 && s->now_co2_ug > 0) {
            ti_buf_addf(&s->out, "together %s; at once it would have been %s\n",
                        ti_human_grams(then, s->co2_ug), ti_human_grams(now, s->now_co2_ug));
        }
        ti_print(s->out.failed || !s->out.data ? "" : s->out.data);
        status = s->out.failed ? ti_fail_nomem(err, "queue", 0, "text") : TERN_OK;
    }
    ti_buf_free(&s->out);
    return status;
}

/* All of a kind, or, for a report, all that are over. */
static tern_status show_all(showing *s, ti_which which, tern_err *err)
{
    int64_t after = 0;
    for (bool more = true; more;) {
        ti_jobs page;
        TI_TRY(ti_queue_list(s->place->queue, &page, which, s->now_s, after, PAGE, err));
        for (size_t i = 0; i < page.n; i++) {
            if (!s->report || ti_job_is_over(page.items[i].state)) {
                show(s, &page.items[i]);
            }
        }
        more = page.n == PAGE;
        after = page.n > 0 ? page.items[page.n - 1].id : after;
        ti_jobs_free(&page);
    }
    return TERN_OK;
}

static tern_status show_these(showing *s, const ti_operands *given, tern_err *err)
{
    for (int i = 0; i < given->n; i++) {
        ti_job job;
        int64_t id;
        TI_TRY(ti_job_id(&id, given->items[i], err));
        TI_TRY(ti_queue_get(s->place->queue, &job, id, err));
        show(s, &job);
        ti_job_free(&job);
    }
    return TERN_OK;
}

static tern_status list(showing *s, const queue_args *args, const ti_operands *given,
                        tern_err *err)
{
    begin(s);
    tern_status status =
        s->report && given->n > 0
            ? show_these(s, given, err)
            : show_all(s, s->report || args->all ? TI_JOBS_ALL : TI_JOBS_OPEN, err);
    if (status != TERN_OK) {
        ti_buf_free(&s->out);
        return status;
    }
    return end(s, err);
}

static tern_status run_list(const queue_args *args, const ti_operands *given, bool report,
                            tern_err *err)
{
    ti_job_place place;
    TI_TRY(ti_job_place_open(&place, args->queue, false, err));
    showing s = {.place = &place, .json = args->json, .report = report};
    ti_via_refresh(&place);
    if (report) {
        ti_job_counter counter = {.place = &place, .desk = &args->desk, .own_first = true};
        (void)ti_job_count_all(&counter, (int64_t)time(NULL), 0);
        ti_job_counter_free(&counter);
    }
    tern_status status = list(&s, args, given, err);
    (void)ti_job_daemon_warn(&place);
    ti_job_place_close(&place);
    return status;
}

static tern_status run_queue(const void *values, const ti_operands *given, tern_err *err)
{
    return run_list(values, given, false, err);
}

static tern_status run_report(const void *values, const ti_operands *given, tern_err *err)
{
    return run_list(values, given, true, err);
}

/* True, and told, for a job that nobody can end from here. */
static bool is_away(const ti_job_place *place, const ti_job *job)
{
    ti_job_away away;
    if (!ti_job_away_look(&away, place->dir, job)) {
        return false;
    }
    ti_warn(
        "job %lld runs on %s: 'tern cancel' there ends it, 'tern cancel --lost' gives it up",
        (long long)job->id, away.host);
    return true;
}

static tern_status cancel(ti_job_place *place, const char *text, tern_err *err)
{
    ti_job job;
    int64_t id;
    tern_status status = TERN_OK;
    TI_TRY(ti_job_id(&id, text, err));
    TI_TRY(ti_queue_cancel(place->queue, &job, id, err));
    if (job.via != TI_VIA_JOBD && !ti_job_is_over(job.state)) {
        (void)is_away(place, &job);
        status = ti_via_cancel(place, &job, err);
    } else if (job.via == TI_VIA_JOBD && ti_job_is_active(job.state)) {
        /* The keeper is told at once, whether a daemon is there or not: who finds that it ended
         * knows that its owner wanted it to.  Gone: the next look sees that. */
        if (!is_away(place, &job)) {
            (void)ti_process_signal(&job.keeper, SIGTERM);
        }
    } else if (job.state != TI_JOB_CANCELLED && ti_job_is_over(job.state)) {
        status = ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "job %lld is over: %s",
                         (long long)id, ti_job_state_name(job.state));
    }
    ti_job_free(&job);
    return status;
}

static tern_status give_up(ti_job_place *place, const char *text, tern_err *err)
{
    ti_job job;
    int64_t id;
    TI_TRY(ti_job_id(&id, text, err));
    TI_TRY(ti_queue_get(place->queue, &job, id, err));
    tern_status status = ti_job_give_up(place, &job, err);
    ti_job_free(&job);
    return status;
}

static tern_status run_cancel(const void *values, const ti_operands *given, tern_err *err)
{
    const queue_args *args = values;
    ti_job_place place;
    tern_status status = TERN_OK;
    TI_TRY(ti_job_place_open(&place, args->queue, false, err));
    if (args->lost) {
        ti_via_refresh(&place); /* it may have written that it is over */
    }
    for (int i = 0; i < given->n && status == TERN_OK; i++) {
        status = args->lost ? give_up(&place, given->items[i], err)
                            : cancel(&place, given->items[i], err);
    }
    (void)ti_job_wake(place.dir);
    ti_job_place_close(&place);
    return status;
}

/* --- removing old ones ----------------------------------------------------------------------
 */

typedef struct prune_args {
    const char *queue, *older;
} prune_args;

static const prune_args prune_defaults = {0};

static const ti_opt prune_opts[] = {
    {.type = TI_OPT_STR,
     .name = "older",
     .metavar = "LENGTH",
     .help = "those that ended so long ago, or longer",
     .fallback = "30d",
     .offset = offsetof(prune_args, older)},
    TI_OPT_QUEUE(prune_args, queue),
    {0},
};

static bool is_settled(const ti_job *job, int64_t before_s)
{
    bool counted = job->run.started_s == 0 || (job->account.state != TI_ACCOUNT_OPEN &&
                                               job->account.state != TI_ACCOUNT_COUNTED);
    int64_t end_s = job->run.ended_s ? job->run.ended_s : job->submitted_s;
    return ti_job_is_over(job->state) && counted && end_s <= before_s;
}

static tern_status prune_all(ti_job_place *place, int64_t before_s, size_t *n, tern_err *err)
{
    int64_t after = 0;
    for (bool more = true; more;) {
        ti_jobs page;
        tern_status status = TERN_OK;
        TI_TRY(ti_queue_list(place->queue, &page, TI_JOBS_ALL, 0, after, PAGE, err));
        for (size_t i = 0; i < page.n && status == TERN_OK; i++) {
            const ti_job *job = &page.items[i];
            bool done = false;
            if (is_settled(job, before_s)) {
                status = ti_queue_remove(place->queue, &done, job, err);
            }
            if (done && !ti_job_remove_files(place->dir, job->id)) {
                ti_warn("files of job %lld stay in '%s/%lld'", (long long)job->id, place->dir,
                        (long long)job->id);
            }
            *n += done;
        }
        more = page.n == PAGE;
        after = page.n > 0 ? page.items[page.n - 1].id : after;
        ti_jobs_free(&page);
        TI_TRY(status);
    }
    return TERN_OK;
}

static tern_status run_prune(const void *values, const ti_operands *given, tern_err *err)
{
    const prune_args *args = values;
    const char *older = args->older ? args->older : "30d";
    ti_job_place place;
    uint32_t older_s;
    size_t n = 0;
    (void)given;
    TI_TRY(ti_length_parse(&older_s, older, strlen(older), "older", err));
    TI_TRY(ti_job_place_open(&place, args->queue, false, err));
    tern_status status = prune_all(&place, (int64_t)time(NULL) - older_s, &n, err);
    ti_job_place_close(&place);
    if (status == TERN_OK) {
        ti_printf("removed %zu job%s\n", n, n == 1 ? "" : "s");
    }
    return status;
}

const ti_command ti_cmd_queue_prune = {
    .name = "queue prune",
    .summary = "remove jobs that ended long ago",
    .description =
        "Removes jobs that are over, with what they wrote and their receipts; what is in a log "
        "stays there.  A job that is not counted yet is kept: 'tern report' counts it.",
    .examples = "tern queue prune\n"
                "tern queue prune --older 7d",
    .opts = prune_opts,
    .defaults = &prune_defaults,
    .size = sizeof prune_defaults,
    .run = run_prune,
};

static const ti_command *const queue_subs[] = {&ti_cmd_queue_prune, NULL};

const ti_command ti_cmd_queue = {
    .name = "queue",
    .summary = "list jobs that wait or run",
    .description = "Lists the jobs of 'tern submit', with the start that is planned.",
    .examples = "tern queue\n"
                "tern queue --all --json",
    .opts = queue_opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .subs = queue_subs,
    .run = run_queue,
};

const ti_command ti_cmd_cancel = {
    .name = "cancel",
    .summary = "take jobs out of the queue, and end them if they run",
    .description =
        "A job that runs gets SIGTERM, and after ten seconds SIGKILL.  What runs on a "
        "machine that does not come back is given up with --lost.",
    .examples = "tern cancel 7\n"
                "tern cancel --lost 7",
    .opts = cancel_opts,
    .operands = cancel_operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run_cancel,
};

const ti_command ti_cmd_report = {
    .name = "report",
    .summary = "say what jobs took: joules, grams, and grams had they run at once",
    .description =
        "Grams are counted by what happened on the grid at the hours when a job really ran; "
        "until that is known, by the forecast, which is said.  A job whose grams are known has "
        "a signed receipt, which is appended to the log of TERN_LOG, or tern/log in "
        "$XDG_DATA_HOME, when one is there.",
    .examples = "tern report\n"
                "tern report 7 --json",
    .opts = report_opts,
    .operands = report_operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run_report,
};
