/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/jval.h"
#include "carbon/stamp.h"
#include "cli/job_away.h"
#include "cli/job_count.h"
#include "cli/job_daemon.h"
#include "cli/metering.h"
#include "cli/moment.h"
#include "cli/out.h"
#include "jobs/schedule.h"

enum { COMMAND_SHOWN = 40, GRAMS_TEXT = 32 };

const char *ti_human_grams(char out[32], uint64_t co2_ug)
{
    double ug = (double)co2_ug;
    if (ug < 1e3) {
        snprintf(out, GRAMS_TEXT, "%.0f ug", ug);
    } else if (ug < 1e6) {
        snprintf(out, GRAMS_TEXT, "%.2f mg", ug / 1e3);
    } else if (ug < 1e9) {
        snprintf(out, GRAMS_TEXT, "%.2f g", ug / 1e6);
    } else {
        snprintf(out, GRAMS_TEXT, "%.2f kg", ug / 1e9);
    }
    return out;
}

/* --- JSON -----------------------------------------------------------------------------------
 */

static void json_moment(ti_buf *json, const char *key, int64_t time_s)
{
    char text[TI_STAMP_TEXT];
    if (time_s > 0) {
        ti_json_str(json, key, ti_stamp_text(text, time_s));
    }
}

static void json_run(ti_buf *json, const ti_job *job)
{
    const ti_job_run *r = &job->run;
    json_moment(json, "started", r->started_s);
    json_moment(json, "ended", r->ended_s);
    if (r->started_s > 0) {
        ti_json_uint(json, "ran_s", r->ran_s);
    }
    if (r->ended_s > 0) {
        ti_json_int(json, "exit_code", r->exit_code);
        ti_json_int(json, "signal", r->signal);
        ti_json_uint(json, "cpu_ns", r->cpu_ns);
    }
    if (r->has_energy) {
        ti_json_open(json, "energy", '{');
        ti_json_uint(json, "energy_uj", r->energy_uj);
        ti_json_uint(json, "idle_uj", r->idle_uj);
        ti_json_str(json, "evidence", r->evidence);
        ti_json_str(json, "meter", r->meter);
        ti_json_uint(json, "error_permille", r->error_permille);
        ti_json_close(json, '}');
    }
}

static void json_account(ti_buf *json, const ti_job *job)
{
    ti_job_account a;
    if (!ti_job_account_now(&a, job)) {
        return;
    }
    ti_json_open(json, "carbon", '{');
    ti_json_uint(json, "co2_ug", a.co2_ug);
    ti_json_uint(json, "mean_mg_kwh", a.mean_mg_kwh);
    if (a.has_now) {
        ti_json_uint(json, "now_co2_ug", a.now_co2_ug);
        ti_json_uint(json, "now_mean_mg_kwh", a.now_mg_kwh);
    }
    ti_json_str(json, "known", a.expected ? "forecast" : "actual");
    ti_json_bool(json, "final", job->account.state != TI_ACCOUNT_OPEN);
    ti_json_str(json, "source", a.source);
    ti_json_close(json, '}');
    if (job->account.log_index >= 0) {
        ti_json_int(json, "log_index", job->account.log_index);
    }
}

static void json_plan(ti_buf *json, const ti_job *job)
{
    const ti_job_plan *p = &job->plan;
    if (!p->made_s) {
        return;
    }
    ti_json_open(json, "plan", '{');
    json_moment(json, "made", p->made_s);
    json_moment(json, "start", p->start_s);
    json_moment(json, "end", p->end_s);
    if (p->mean_mg_kwh > 0) {
        ti_json_uint(json, "mean_mg_kwh", p->mean_mg_kwh);
        ti_json_uint(json, "now_mean_mg_kwh", p->now_mg_kwh);
        ti_json_str(json, "source", p->source);
    }
    ti_job_json_why(json, "why", job);
    ti_json_close(json, '}');
}

void ti_json_job_row(ti_buf *json, const char *key, const ti_job_place *place,
                     const ti_job *job)
{
    char *dir = NULL;
    ti_job_away away;
    ti_json_open(json, key, '{');
    ti_json_int(json, "id", job->id);
    ti_json_str(json, "state", ti_job_state_name(job->state));
    ti_json_str(json, "via", ti_job_via_name(job->via));
    ti_json_str(json, "name", job->name);
    ti_json_open(json, "command", '[');
    for (const char *word = ti_job_word(job, NULL); word; word = ti_job_word(job, word)) {
        ti_json_str(json, NULL, word);
    }
    ti_json_close(json, ']');
    ti_json_str(json, "zone", job->zone);
    ti_json_str(json, "external", job->external);
    json_moment(json, "submitted", job->submitted_s);
    json_moment(json, "earliest", job->earliest_s);
    json_moment(json, "deadline", job->deadline_s);
    json_moment(json, "latest_start", ti_job_latest_s(job, 0));
    ti_json_uint(json, "shortest_s", job->shortest_s);
    ti_json_uint(json, "longest_s", job->longest_s);
    ti_json_bool(json, "interruptible", job->flags & TI_JOB_INTERRUPTIBLE);
    ti_json_bool(json, "restartable", job->flags & TI_JOB_RESTARTABLE);
    ti_json_bool(json, "skip_late", job->flags & TI_JOB_SKIP_LATE);
    ti_json_uint(json, "attempt", job->attempt);
    if (ti_job_away_look(&away, place->dir, job)) {
        ti_json_str(json, "host", away.host);
        json_moment(json, "heard", away.heard_s);
    }
    json_plan(json, job);
    json_run(json, job);
    json_account(json, job);
    if (ti_queue_path(&dir, place->dir, job->id, "", NULL) == TERN_OK) {
        ti_json_str(json, "directory", dir);
        free(dir);
    }
    ti_json_close(json, '}');
}

void ti_json_daemon(ti_buf *json, const ti_job_place *place)
{
    ti_job_daemon d;
    ti_job_daemon_look(&d, place->dir);
    ti_json_bool(json, "daemon", d.there);
    if (d.there && *d.host) {
        ti_json_str(json, "daemon_host", d.host);
    }
}

tern_status ti_print_job_json(const ti_job_place *place, const ti_job *job, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.jobs/1");
    ti_json_open(&json, "jobs", '[');
    ti_json_job_row(&json, NULL, place, job);
    ti_json_close(&json, ']');
    ti_json_daemon(&json, place);
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

/* --- people ---------------------------------------------------------------------------------
 */

/* The reasons of its plan, each on a line. */
static void add_reasons(ti_buf *out, const ti_job *job, const char *indent)
{
    ti_arena arena = {0};
    ti_buf json = {0};
    ti_jval v;
    ti_job_json_why(&json, NULL, job);
    if (!json.failed &&
        ti_jval_parse(&v, &arena, json.data, json.len, "jobs", NULL) == TERN_OK) {
        for (uint32_t i = 0; i < v.n; i++) {
            ti_str text = v.u.items[i].u.str;
            ti_buf_addf(out, "%s%.*s\n", indent, (int)text.len, text.data);
        }
    }
    ti_arena_free(&arena);
    ti_buf_free(&json);
}

tern_status ti_print_submitted(const ti_job *job, tern_err *err)
{
    ti_buf out = {0};
    char at[TI_MOMENT_TEXT];
    int64_t now_s = (int64_t)time(NULL);
    bool at_once = job->plan.start_s <= now_s + 1;
    ti_buf_addf(&out, "job %lld %s%s\n", (long long)job->id,
                at_once ? "starts now" : "is planned for ",
                at_once ? "" : ti_moment_text(at, job->plan.start_s, now_s));
    add_reasons(&out, job, "  ");
    if (*job->external) {
        ti_buf_addf(&out, "  %s: %s\n", ti_job_via_name(job->via), job->external);
    }
    if (!out.failed) {
        ti_print(out.data);
    }
    bool failed = out.failed;
    ti_buf_free(&out);
    return failed ? ti_fail_nomem(err, "submit", 0, "text") : TERN_OK;
}

static void add_what(ti_buf *out, const ti_job *job)
{
    ti_buf command = {0};
    ti_job_add_command(&command, job);
    const char *what = *job->name ? job->name : command.failed ? "?" : command.data;
    /* It may hold anything: a terminal shows no more than a line of it. */
    for (int i = 0; i < COMMAND_SHOWN && what[i]; i++) {
        ti_buf_addc(out, (unsigned char)what[i] < ' ' || what[i] == 0x7f ? '?' : what[i]);
    }
    ti_buf_adds(out, strlen(what) > COMMAND_SHOWN ? "..." : "");
    ti_buf_free(&command);
}

void ti_add_job_head(ti_buf *out)
{
    ti_buf_addf(out, "%5s  %-11s  %-24s  %-24s  %s\n", "ID", "STATE", "START", "DEADLINE",
                "COMMAND");
}

/* A job elsewhere runs for whoever looks from here until its machine says otherwise. */
static void add_away(ti_buf *out, const ti_job_place *place, const ti_job *job, int64_t now_s)
{
    ti_job_away away;
    char heard[TI_MOMENT_TEXT];
    if (!ti_job_away_look(&away, place->dir, job)) {
        return;
    }
    ti_buf_addf(out, "  (on %s", away.host);
    if (now_s - away.heard_s >= TI_AWAY_QUIET_S) {
        ti_buf_addf(out, ", not heard of since %s", ti_moment_text(heard, away.heard_s, now_s));
    }
    ti_buf_addc(out, ')');
}

void ti_add_job_line(ti_buf *out, const ti_job_place *place, const ti_job *job, int64_t now_s)
{
    char start[TI_MOMENT_TEXT], by[TI_MOMENT_TEXT];
    int64_t start_s = job->run.started_s ? job->run.started_s : job->plan.start_s;
    ti_buf_addf(out, "%5lld  %-11s  %-24s  %-24s  ", (long long)job->id,
                ti_job_state_name(job->state),
                start_s ? ti_moment_text(start, start_s, now_s) : "-",
                ti_moment_text(by, job->deadline_s, now_s));
    add_what(out, job);
    add_away(out, place, job, now_s);
    ti_buf_addc(out, '\n');
}

static void add_ends(ti_buf *out, const ti_job *job, int64_t now_s)
{
    char start[TI_MOMENT_TEXT], end[TI_MOMENT_TEXT], ran[TI_LENGTH_TEXT];
    const ti_job_run *r = &job->run;
    if (r->started_s == 0) {
        ti_buf_adds(out, "  ran      not yet\n");
        return;
    }
    ti_buf_addf(out, "  ran      %s, %s%s%s\n", ti_length_text(ran, r->ran_s),
                ti_moment_text(start, r->started_s, now_s), r->ended_s ? " to " : "",
                r->ended_s ? ti_moment_short(end, r->ended_s, r->started_s) : "");
    if (r->ended_s && r->signal) {
        ti_buf_addf(out, "  ended    by signal %d\n", (int)r->signal);
    } else if (r->ended_s) {
        ti_buf_addf(out, "  ended    with exit code %d%s\n", (int)r->exit_code,
                    r->ended_s > job->deadline_s ? ", after its deadline" : "");
    }
}

static void add_energy(ti_buf *out, const ti_job *job)
{
    const ti_job_run *r = &job->run;
    char energy[TI_FIGURE_MAX], idle[TI_FIGURE_MAX];
    if (!r->has_energy) {
        ti_buf_adds(out, "  energy   not known\n");
        return;
    }
    ti_buf_addf(out, "  energy   %s above idle, %s idle, %s",
                ti_human_joules(energy, r->energy_uj), ti_human_joules(idle, r->idle_uj),
                r->evidence);
    if (r->error_permille > 0) {
        ti_buf_addf(out, " \302\261%.0f %%", r->error_permille / 10.0);
    }
    ti_buf_addf(out, " (%s)\n", r->meter);
}

static void add_carbon(ti_buf *out, const ti_job *job)
{
    ti_job_account a;
    char now[GRAMS_TEXT], then[GRAMS_TEXT];
    if (!ti_job_account_now(&a, job)) {
        ti_buf_addf(out, "  carbon   %s\n",
                    *job->zone ? "not known" : "no zone was said (--zone, TERN_ZONE)");
        return;
    }
    ti_buf_addf(out, "  carbon   %s at %.1f g/kWh%s\n", ti_human_grams(then, a.co2_ug),
                a.mean_mg_kwh / 1e3, a.expected ? ", by the forecast" : "");
    if (a.has_now) {
        double part =
            a.now_co2_ug > 0 ? 100.0 * ((double)a.co2_ug / (double)a.now_co2_ug - 1.0) : 0.0;
        ti_buf_addf(out, "  at once  %s at %.1f g/kWh (%+.1f %%)\n",
                    ti_human_grams(now, a.now_co2_ug), a.now_mg_kwh / 1e3, part);
    }
    ti_buf_addf(out, "  grid     %s\n", a.source);
    if (job->account.state == TI_ACCOUNT_OPEN) {
        ti_buf_adds(out,
                    "  note     counted again when it is known what happened on the grid\n");
    }
    if (job->account.log_index >= 0) {
        ti_buf_addf(out, "  receipt  entry %lld of the log\n",
                    (long long)job->account.log_index);
    }
}

void ti_add_job_report(ti_buf *out, const ti_job *job, int64_t now_s)
{
    ti_buf_addf(out, "job %lld  %s  ", (long long)job->id, ti_job_state_name(job->state));
    add_what(out, job);
    ti_buf_addc(out, '\n');
    add_ends(out, job, now_s);
    if (job->run.started_s) {
        add_energy(out, job);
        add_carbon(out, job);
    }
    ti_buf_adds(out, job->plan.made_s ? "  because\n" : "");
    add_reasons(out, job, "           ");
}
