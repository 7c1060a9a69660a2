/* SPDX-License-Identifier: Apache-2.0 */
/* tern queue, tern cancel, tern report. */
#include <string.h>
#include <time.h>

#include "cli/cmd.h"
#include "cli/job_count.h"
#include "cli/job_place.h"
#include "cli/job_show.h"
#include "cli/job_via.h"
#include "cli/out.h"

enum { PAGE = 256 };

typedef struct queue_args {
    const char *queue;
    bool all, json;
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
        ti_add_job_line(&s->out, job, s->now_s);
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
    TI_TRY(ti_job_place_open(&place, args->queue, err));
    showing s = {.place = &place, .json = args->json, .report = report};
    ti_via_refresh(&place);
    if (report) {
        ti_job_count_all(&place, &args->desk, (int64_t)time(NULL));
    }
    tern_status status = list(&s, args, given, err);
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

static tern_status cancel(ti_job_place *place, const char *text, tern_err *err)
{
    ti_job job;
    int64_t id;
    tern_status status = TERN_OK;
    TI_TRY(ti_job_id(&id, text, err));
    TI_TRY(ti_queue_cancel(place->queue, &job, id, err));
    if (job.via != TI_VIA_JOBD && !ti_job_is_over(job.state)) {
        status = ti_via_cancel(place, &job, err);
    } else if (job.state != TI_JOB_CANCELLED && ti_job_is_over(job.state)) {
        status = ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "job %lld is over: %s",
                         (long long)id, ti_job_state_name(job.state));
    }
    ti_job_free(&job);
    return status;
}

static tern_status run_cancel(const void *values, const ti_operands *given, tern_err *err)
{
    const queue_args *args = values;
    ti_job_place place;
    tern_status status = TERN_OK;
    TI_TRY(ti_job_place_open(&place, args->queue, err));
    for (int i = 0; i < given->n && status == TERN_OK; i++) {
        status = cancel(&place, given->items[i], err);
    }
    if (!ti_job_wake(place.dir)) {
        ti_jobs active;
        if (ti_queue_list(place.queue, &active, TI_JOBS_ACTIVE, 0, 0, 1, NULL) == TERN_OK) {
            if (active.n > 0 && active.items[0].cancel) {
                ti_warn("it runs: 'tern jobd --once' ends it, no daemon is there");
            }
            ti_jobs_free(&active);
        }
    }
    ti_job_place_close(&place);
    return status;
}

const ti_command ti_cmd_queue = {
    .name = "queue",
    .summary = "list jobs that wait or run",
    .description = "Lists the jobs of 'tern submit', with the start that is planned.",
    .examples = "tern queue\n"
                "tern queue --all --json",
    .opts = queue_opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run_queue,
};

const ti_command ti_cmd_cancel = {
    .name = "cancel",
    .summary = "take jobs out of the queue, and end them if they run",
    .description = "A job that runs gets SIGTERM, and after ten seconds SIGKILL.",
    .examples = "tern cancel 7",
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
