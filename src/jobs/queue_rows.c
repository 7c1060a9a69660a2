/* SPDX-License-Identifier: Apache-2.0 */
/* A job as a row of the table. */
#include <stdlib.h>
#include <string.h>

#include "jobs/queue_parts.h"

const char ti_row_columns[] =
    "id, state, via, flags, cancel, name, zone, external, submitted, earliest, deadline,"
    " shortest, longest, min_slice, attempt, keeper_pid, keeper_start, keeper_boot, "
    "keeper_host,"
    " plan_made, plan_start, plan_end, plan_mean, plan_now, plan_source, plan_details, "
    "started, ended, "
    "ran,"
    " exit_code, signal, energy, idle, cpu, error, evidence, meter, account, expected, co2,"
    " now_co2, account_mean, account_now, account_source, log_index, command, grid, latest";

typedef struct cursor {
    sqlite3_stmt *s;
    int at;
} cursor;

/* --- reading --------------------------------------------------------------------------------
 */

static int64_t get(cursor *c)
{
    return sqlite3_column_int64(c->s, c->at++);
}

static uint32_t get32(cursor *c)
{
    int64_t n = get(c);
    return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void get_text(cursor *c, char *out, size_t cap)
{
    const unsigned char *text = sqlite3_column_text(c->s, c->at++);
    size_t len = text ? strlen((const char *)text) : 0;
    len = len < cap ? len : cap - 1;
    memcpy(out, text ? (const char *)text : "", len);
    out[len] = '\0';
}

/* A copy with a NUL after it; false without memory. */
static bool get_blob(cursor *c, char **out, size_t *len)
{
    int column = c->at++;
    const void *data = sqlite3_column_blob(c->s, column);
    size_t n = data ? (size_t)sqlite3_column_bytes(c->s, column) : 0;
    *out = NULL;
    *len = 0;
    if (n == 0) {
        return true;
    }
    *out = malloc(n + 1);
    if (!*out) {
        return false;
    }
    memcpy(*out, data, n);
    (*out)[n] = '\0';
    *len = n;
    return true;
}

static void read_asked(ti_job *job, cursor *c)
{
    job->id = get(c);
    uint32_t state = get32(c), via = get32(c);
    job->state = state < TI_JOB_STATES ? (ti_job_state)state : TI_JOB_INTERRUPTED;
    job->via = via < TI_VIAS ? (ti_job_via)via : TI_VIA_JOBD;
    job->flags = get32(c);
    job->cancel = get(c) != 0;
    get_text(c, job->name, sizeof job->name);
    get_text(c, job->zone, sizeof job->zone);
    get_text(c, job->external, sizeof job->external);
    job->submitted_s = get(c);
    job->earliest_s = get(c);
    job->deadline_s = get(c);
    job->shortest_s = get32(c);
    job->longest_s = get32(c);
    job->min_slice_s = get32(c);
    job->attempt = get32(c);
    job->keeper.pid = get(c);
    job->keeper.start = (uint64_t)get(c);
    get_text(c, job->keeper.boot, sizeof job->keeper.boot);
    get_text(c, job->keeper.host, sizeof job->keeper.host);
}

static bool read_plan(ti_job_plan *plan, cursor *c)
{
    size_t len;
    plan->made_s = get(c);
    plan->start_s = get(c);
    plan->end_s = get(c);
    plan->mean_mg_kwh = get32(c);
    plan->now_mg_kwh = get32(c);
    get_text(c, plan->source, sizeof plan->source);
    return get_blob(c, &plan->details, &len);
}

static void read_run(ti_job_run *run, cursor *c)
{
    run->started_s = get(c);
    run->ended_s = get(c);
    run->ran_s = get32(c);
    run->exit_code = (int32_t)get(c);
    run->signal = (int32_t)get(c);
    run->has_energy = sqlite3_column_type(c->s, c->at) != SQLITE_NULL;
    run->energy_uj = (uint64_t)get(c);
    run->idle_uj = (uint64_t)get(c);
    run->cpu_ns = (uint64_t)get(c);
    run->error_permille = get32(c);
    get_text(c, run->evidence, sizeof run->evidence);
    get_text(c, run->meter, sizeof run->meter);
}

static void read_account(ti_job_account *a, cursor *c)
{
    uint32_t state = get32(c);
    a->state = state <= TI_ACCOUNT_COUNTED ? (ti_job_account_state)state : TI_ACCOUNT_OPEN;
    a->expected = get(c) != 0;
    a->has_grams = sqlite3_column_type(c->s, c->at) != SQLITE_NULL;
    a->co2_ug = (uint64_t)get(c);
    a->has_now = sqlite3_column_type(c->s, c->at) != SQLITE_NULL;
    a->now_co2_ug = (uint64_t)get(c);
    a->mean_mg_kwh = get32(c);
    a->now_mg_kwh = get32(c);
    get_text(c, a->source, sizeof a->source);
    a->log_index = sqlite3_column_type(c->s, c->at) == SQLITE_NULL
                       ? -1
                       : sqlite3_column_int64(c->s, c->at);
    c->at++;
}

tern_status ti_row_read(ti_job *out, sqlite3_stmt *row, tern_err *err)
{
    cursor c = {.s = row};
    size_t grid_len;
    read_asked(out, &c);
    bool enough = read_plan(&out->plan, &c);
    read_run(&out->run, &c);
    read_account(&out->account, &c);
    enough = get_blob(&c, &out->command, &out->command_len) && enough;
    enough = get_blob(&c, &out->grid, &grid_len) && enough;
    if (!enough) {
        ti_job_free(out);
        return ti_fail_nomem(err, "jobs", 0, "a job");
    }
    /* Every word ends inside of it. */
    if (out->command_len > 0 && out->command[out->command_len - 1] != '\0') {
        out->command_len++;
    }
    return TERN_OK;
}

/* --- writing: what cannot be bound is NULL, which the table refuses -------------------------
 */

static void put(cursor *c, int64_t value)
{
    (void)sqlite3_bind_int64(c->s, c->at++, value);
}

static void put_u64(cursor *c, uint64_t value)
{
    put(c, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static void put_text(cursor *c, const char *text)
{
    (void)sqlite3_bind_text(c->s, c->at++, text, -1, SQLITE_STATIC);
}

static void put_null(cursor *c)
{
    (void)sqlite3_bind_null(c->s, c->at++);
}

static void put_u64_if(cursor *c, bool known, uint64_t value)
{
    if (known) {
        put_u64(c, value);
    } else {
        put_null(c);
    }
}

static void bind_asked(cursor *c, const ti_job *job)
{
    put(c, job->state);
    put(c, job->via);
    put(c, job->flags);
    put(c, job->cancel);
    put_text(c, job->name);
    put_text(c, job->zone);
    put_text(c, job->external);
    put(c, job->submitted_s);
    put(c, job->earliest_s);
    put(c, job->deadline_s);
    put(c, job->shortest_s);
    put(c, job->longest_s);
    put(c, job->min_slice_s);
    put(c, job->attempt);
    put(c, job->keeper.pid);
    put_u64(c, job->keeper.start);
    put_text(c, job->keeper.boot);
    put_text(c, job->keeper.host);
}

void ti_row_bind(sqlite3_stmt *s, const ti_job *job)
{
    cursor c = {.s = s, .at = 2};
    bind_asked(&c, job);
    put(&c, job->plan.made_s);
    put(&c, job->plan.start_s);
    put(&c, job->plan.end_s);
    put(&c, job->plan.mean_mg_kwh);
    put(&c, job->plan.now_mg_kwh);
    put_text(&c, job->plan.source);
    put_text(&c, job->plan.details ? job->plan.details : "");
    put(&c, job->run.started_s);
    put(&c, job->run.ended_s);
    put(&c, job->run.ran_s);
    put(&c, job->run.exit_code);
    put(&c, job->run.signal);
    put_u64_if(&c, job->run.has_energy, job->run.energy_uj);
    put_u64(&c, job->run.idle_uj);
    put_u64(&c, job->run.cpu_ns);
    put(&c, job->run.error_permille);
    put_text(&c, job->run.evidence);
    put_text(&c, job->run.meter);
    put(&c, job->account.state);
    put(&c, job->account.expected);
    put_u64_if(&c, job->account.has_grams, job->account.co2_ug);
    put_u64_if(&c, job->account.has_now, job->account.now_co2_ug);
    put(&c, job->account.mean_mg_kwh);
    put(&c, job->account.now_mg_kwh);
    put_text(&c, job->account.source);
    put_u64_if(&c, job->account.log_index >= 0, (uint64_t)job->account.log_index);
    (void)sqlite3_bind_blob(s, c.at++, job->command ? job->command : "", (int)job->command_len,
                            SQLITE_STATIC);
    put_text(&c, job->grid ? job->grid : "");
    put(&c, ti_job_latest_s(job, 0));
    TI_ASSERT(c.at == TI_ROW_COLUMNS + 1);
}
