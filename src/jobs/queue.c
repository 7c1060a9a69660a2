/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "db/db.h"
#include "jobs/queue_parts.h"

enum { VERSION = 2, BUSY_MS = 30000 };

/* When a waiting job of jobd may have to start. */
#define DUE_AT "min(latest, CASE WHEN plan_made = 0 THEN latest ELSE plan_start END)"
#define JOBD_WAITING "state <= 1 AND via = 0"

/* Version 1; what later ones changed comes behind. */
static const char schema[] =
    "CREATE TABLE job (id INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
    " via INTEGER NOT NULL, flags INTEGER NOT NULL, cancel INTEGER NOT NULL, name TEXT NOT "
    "NULL,"
    " zone TEXT NOT NULL, external TEXT NOT NULL, submitted INTEGER NOT NULL,"
    " earliest INTEGER NOT NULL, deadline INTEGER NOT NULL, shortest INTEGER NOT NULL,"
    " longest INTEGER NOT NULL, min_slice INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " keeper_pid INTEGER NOT NULL, keeper_start INTEGER NOT NULL, keeper_boot TEXT NOT NULL,"
    " plan_made INTEGER NOT NULL, plan_start INTEGER NOT NULL, plan_end INTEGER NOT NULL,"
    " plan_mean INTEGER NOT NULL, plan_now INTEGER NOT NULL, plan_source TEXT NOT NULL,"
    " plan_details TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " ran INTEGER NOT NULL, exit_code INTEGER NOT NULL, signal INTEGER NOT NULL,"
    " energy INTEGER, idle INTEGER NOT NULL, cpu INTEGER NOT NULL, error INTEGER NOT NULL,"
    " evidence TEXT NOT NULL, meter TEXT NOT NULL, account INTEGER NOT NULL,"
    " expected INTEGER NOT NULL, co2 INTEGER, now_co2 INTEGER, account_mean INTEGER NOT NULL,"
    " account_now INTEGER NOT NULL, account_source TEXT NOT NULL, log_index INTEGER,"
    " command BLOB NOT NULL, latest INTEGER NOT NULL) STRICT;"
    "CREATE INDEX by_state ON job (state, via);"
    "CREATE INDEX start ON job (plan_start) WHERE " JOBD_WAITING ";"
    "CREATE INDEX latest ON job (latest) WHERE " JOBD_WAITING ";"
    "CREATE INDEX submitted ON job (submitted) WHERE " JOBD_WAITING ";";

static const char upgrade[] =
    "ALTER TABLE job ADD COLUMN keeper_host TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE job ADD COLUMN grid TEXT NOT NULL DEFAULT '';"
    "DROP INDEX IF EXISTS due;"
    "DROP INDEX IF EXISTS uncounted;"
    "CREATE INDEX due ON job (" DUE_AT ") WHERE " JOBD_WAITING ";"
    "CREATE INDEX unplanned ON job (latest) WHERE " JOBD_WAITING " AND plan_made = 0;"
    "CREATE INDEX uncounted ON job (id) WHERE state >= 4 AND account IN (0, 4);"
    "PRAGMA user_version = 2;";

/* --- SQLite ---------------------------------------------------------------------------------
 */

tern_status ti_queue_failed(const ti_queue *queue, int code, tern_err *err)
{
    return ti_db_failed(queue->db, code, "jobs", "queue", queue->name, err);
}

static tern_status execute(ti_queue *queue, const char *sql, tern_err *err)
{
    int code = sqlite3_exec(queue->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? TERN_OK : ti_queue_failed(queue, code, err);
}

static tern_status compile(ti_queue *queue, sqlite3_stmt **out, const char *sql, tern_err *err)
{
    int code = sqlite3_prepare_v2(queue->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? TERN_OK : ti_queue_failed(queue, code, err);
}

/* Runs a statement that gives no rows, and ends it. */
static tern_status finish(ti_queue *queue, sqlite3_stmt *s, bool *changed, tern_err *err)
{
    int code = sqlite3_step(s);
    tern_status status = code == SQLITE_DONE ? TERN_OK : ti_queue_failed(queue, code, err);
    (void)sqlite3_finalize(s);
    if (status == TERN_OK && changed) {
        *changed = sqlite3_changes(queue->db) > 0;
    }
    return status;
}

/* One number. */
static tern_status ask(ti_queue *queue, const char *sql, int64_t bound, int64_t *out,
                       bool *none, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    TI_TRY(compile(queue, &s, sql, err));
    (void)sqlite3_bind_int64(s, 1, bound);
    int code = sqlite3_step(s);
    tern_status status = code == SQLITE_ROW ? TERN_OK : ti_queue_failed(queue, code, err);
    if (code == SQLITE_ROW) {
        *none = sqlite3_column_type(s, 0) == SQLITE_NULL;
        *out = sqlite3_column_int64(s, 0);
    }
    (void)sqlite3_finalize(s);
    return status;
}

/* --- opening --------------------------------------------------------------------------------
 */

/* Commands and environments are nobody else's business.  A directory that somebody opened to
 * others may be meant for something else: it is not changed. */
static tern_status check_private(const char *dir, tern_err *err)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        return ti_fail_errno(err, errno, "jobs", "cannot look at '%s'", dir);
    }
    if (st.st_uid != geteuid()) {
        return ti_fail(err, TERN_USAGE, "jobs", TI_NO_OFFSET, "'%s' is another user's", dir);
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return ti_fail(err, TERN_USAGE, "jobs", TI_NO_OFFSET,
                       "others may enter '%s': 'chmod 700' it, or take another directory", dir);
    }
    return TERN_OK;
}

static tern_status make_tables(ti_queue *queue, tern_err *err)
{
    int64_t version = 0;
    bool none;
    TI_TRY(execute(queue, "BEGIN IMMEDIATE", err));
    tern_status status = ask(queue, "PRAGMA user_version", 0, &version, &none, err);
    if (status == TERN_OK && version == 0) {
        status = execute(queue, schema, err);
    }
    if (status == TERN_OK && version < VERSION) {
        status = execute(queue, upgrade, err);
    } else if (status == TERN_OK && version != VERSION) {
        status = ti_fail(err, TERN_UNSUPPORTED, "jobs", TI_NO_OFFSET,
                         "queue '%s' was made by a newer tern", queue->name);
    }
    if (status == TERN_OK) {
        status = execute(queue, "COMMIT", err);
    }
    if (status != TERN_OK) {
        ti_queue_rollback(queue);
    }
    return status;
}

static tern_status open_file(ti_queue *queue, const char *dir, tern_err *err)
{
    if (dir) {
        TI_TRY(check_private(dir, err));
        TI_TRY(ti_queue_path(&queue->file, dir, 0, "queue.db", err));
        queue->name = queue->file;
        TI_TRY(ti_db_make_private(queue->file, "jobs", "queue", err));
    }
    int code =
        sqlite3_open_v2(dir ? queue->file : ":memory:", &queue->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return ti_queue_failed(queue, code, err);
    }
    (void)sqlite3_busy_timeout(queue->db, BUSY_MS);
    TI_TRY(execute(queue,
                   "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                   "PRAGMA synchronous=FULL;"
                   "PRAGMA cache_size=-65536;", /* 64 MiB at most: a large queue planned anew */
                   err));
    queue->shared = dir && ti_db_is_shared(dir);
    code = ti_db_set_journal(queue->db, queue->shared ? "DELETE" : "WAL", BUSY_MS);
    if (code != SQLITE_OK) {
        return ti_queue_failed(queue, code, err);
    }
    return make_tables(queue, err);
}

tern_status ti_queue_open(ti_queue **out, const char *dir, tern_err *err)
{
    ti_queue *queue = ti_calloc(1, sizeof *queue);
    if (!queue) {
        return ti_fail_nomem(err, "jobs", sizeof *queue, "a queue");
    }
    queue->name = "in memory";
    tern_status status = open_file(queue, dir, err);
    if (status != TERN_OK) {
        ti_queue_close(queue);
        return status;
    }
    *out = queue;
    return TERN_OK;
}

bool ti_queue_is_shared(const ti_queue *queue)
{
    return queue->shared;
}

void ti_queue_close(ti_queue *queue)
{
    if (queue) {
        (void)sqlite3_finalize(queue->plan);
        (void)sqlite3_close(queue->db);
        free(queue->file);
        free(queue);
    }
}

tern_status ti_queue_path(char **out, const char *dir, int64_t id, const char *below,
                          tern_err *err)
{
    ti_buf path = {0};
    ti_buf_adds(&path, dir);
    if (id > 0) {
        ti_buf_addf(&path, "/%lld", (long long)id);
    }
    ti_buf_addf(&path, "%s%s", *below ? "/" : "", below);
    if (path.failed) {
        ti_buf_free(&path);
        return ti_fail_nomem(err, "jobs", strlen(dir), "a path");
    }
    *out = path.data;
    return TERN_OK;
}

tern_status ti_queue_begin(ti_queue *queue, tern_err *err)
{
    return execute(queue, "BEGIN IMMEDIATE", err);
}

tern_status ti_queue_commit(ti_queue *queue, tern_err *err)
{
    return execute(queue, "COMMIT", err);
}

void ti_queue_rollback(ti_queue *queue)
{
    if (queue->db && !sqlite3_get_autocommit(queue->db)) {
        (void)sqlite3_exec(queue->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* --- reading --------------------------------------------------------------------------------
 */

void ti_jobs_free(ti_jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++) {
        ti_job_free(&jobs->items[i]);
    }
    free(jobs->items);
    *jobs = (ti_jobs){0};
}

/* ?1 is now, ?2 an id, ?3 a number of rows. */
static const char *const conditions[] = {
    [TI_JOBS_ALL] = "1",
    [TI_JOBS_OPEN] = "state < 4",
    [TI_JOBS_ACTIVE] = "state IN (2, 3) AND via = 0",
    [TI_JOBS_EXTERNAL] = "state < 4 AND via <> 0",
    [TI_JOBS_OWN] = "state < 4 AND via = 0",
    [TI_JOBS_DUE] = (JOBD_WAITING " AND (" DUE_AT " <= ?1 OR submitted > ?1 + 60)"),
    [TI_JOBS_UNPLANNED] = (JOBD_WAITING " AND plan_made = 0"),
    /* In the order of their ids, page after page: an index would be sorted for each. */
    [TI_JOBS_WAITING] = "+state <= 1 AND +via = 0",
    [TI_JOBS_UNCOUNTED] = "state >= 4 AND account IN (0, 4)",
};

/* Room for one more. */
static tern_status grow(ti_jobs *jobs, size_t *cap, tern_err *err)
{
    if (jobs->n < *cap) {
        return TERN_OK;
    }
    size_t more = *cap ? 2 * *cap : 16;
    ti_job *items = realloc(jobs->items, more * sizeof *items);
    if (!items) {
        return ti_fail_nomem(err, "jobs", more * sizeof *items, "jobs");
    }
    jobs->items = items;
    *cap = more;
    return TERN_OK;
}

tern_status ti_queue_list(ti_queue *queue, ti_jobs *out, ti_which which, int64_t now_s,
                          int64_t after, size_t max, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    ti_buf sql = {0};
    ti_jobs found = {0};
    size_t cap = 0;
    bool by_urgency = which == TI_JOBS_DUE || which == TI_JOBS_UNPLANNED;
    ti_buf_addf(&sql, "SELECT %s FROM job WHERE id > ?2 AND %s ORDER BY %s LIMIT ?3",
                ti_row_columns, conditions[which], by_urgency ? "latest, id" : "id");
    tern_status status = sql.failed ? ti_fail_nomem(err, "jobs", sql.len, "a question")
                                    : compile(queue, &s, sql.data, err);
    ti_buf_free(&sql);
    if (status == TERN_OK) {
        (void)sqlite3_bind_int64(s, 1, now_s);
        (void)sqlite3_bind_int64(s, 2, after);
        (void)sqlite3_bind_int64(s, 3, (sqlite3_int64)max);
    }
    int code = SQLITE_DONE;
    while (status == TERN_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        status = grow(&found, &cap, err);
        if (status == TERN_OK) {
            found.items[found.n] = (ti_job){0};
            status = ti_row_read(&found.items[found.n], s, err);
            found.n += status == TERN_OK;
        }
    }
    if (status == TERN_OK && code != SQLITE_DONE) {
        status = ti_queue_failed(queue, code, err);
    }
    (void)sqlite3_finalize(s);
    if (status != TERN_OK) {
        ti_jobs_free(&found);
        return status;
    }
    *out = found;
    return TERN_OK;
}

tern_status ti_queue_get(ti_queue *queue, ti_job *out, int64_t id, tern_err *err)
{
    ti_jobs found;
    TI_TRY(ti_queue_list(queue, &found, TI_JOBS_ALL, 0, id - 1, 1, err));
    if (found.n == 0 || found.items[0].id != id) {
        ti_jobs_free(&found);
        return ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "there is no job %lld",
                       (long long)id);
    }
    *out = found.items[0];
    free(found.items);
    return TERN_OK;
}

tern_status ti_queue_count(ti_queue *queue, uint64_t *out, ti_which which, int64_t now_s,
                           tern_err *err)
{
    ti_buf sql = {0};
    int64_t n = 0;
    bool none;
    /* ?1 is named, so that it is always there to be bound. */
    ti_buf_addf(&sql, "SELECT count(*) FROM job WHERE ?1 IS NOT NULL AND %s",
                conditions[which]);
    tern_status status = sql.failed ? ti_fail_nomem(err, "jobs", sql.len, "a question")
                                    : ask(queue, sql.data, now_s, &n, &none, err);
    ti_buf_free(&sql);
    if (status == TERN_OK) {
        *out = (uint64_t)n;
    }
    return status;
}

tern_status ti_queue_wake(ti_queue *queue, int64_t *wake_s, int64_t now_s, tern_err *err)
{
    static const char *const questions[] = {
        ("SELECT min(plan_start) FROM job WHERE " JOBD_WAITING " AND plan_start > ?1"),
        ("SELECT min(latest) FROM job WHERE " JOBD_WAITING " AND latest > ?1"),
    };
    int64_t wake = INT64_MAX;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        int64_t at = 0;
        bool none = false;
        TI_TRY(ask(queue, questions[i], now_s, &at, &none, err));
        wake = none || at > wake ? wake : at;
    }
    *wake_s = wake;
    return TERN_OK;
}

tern_status ti_queue_places(ti_queue *queue, ti_places *places, int64_t now_s, bool running,
                            tern_err *err)
{
    /* 60 s for one that takes longer than was said; flags & 1 = TI_JOB_INTERRUPTIBLE */
    static const char sql[] =
        "SELECT CASE WHEN state = 2 THEN ?1 ELSE plan_start END,"
        " CASE WHEN state = 2 THEN max(?1 + 60, plan_start + longest) ELSE plan_end END"
        " FROM job WHERE via = 0 AND plan_made > 0 AND"
        " (state = 2 OR (?2 = 0 AND state <= 1 AND flags & 1 = 0))";
    sqlite3_stmt *s = NULL;
    int code;
    if (!places->taken) {
        return TERN_OK;
    }
    TI_TRY(compile(queue, &s, sql, err));
    (void)sqlite3_bind_int64(s, 1, now_s);
    (void)sqlite3_bind_int64(s, 2, running);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        ti_places_take(places, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
    }
    tern_status status = code == SQLITE_DONE ? TERN_OK : ti_queue_failed(queue, code, err);
    (void)sqlite3_finalize(s);
    return status;
}

/* --- changing -------------------------------------------------------------------------------
 */

/* "UPDATE job SET ..." of all columns but id and cancel, which another process may have set. */
static void add_update(ti_buf *sql)
{
    int n = 0;
    ti_buf_adds(sql, "UPDATE job SET ");
    for (const char *c = ti_row_columns; *c; n++) {
        size_t len = strcspn(c, ",");
        const char *name = c + strspn(c, " ");
        size_t name_len = len - (size_t)(name - c);
        if (n > 0 && !(name_len == 6 && memcmp(name, "cancel", 6) == 0)) {
            ti_buf_addf(sql, "%s%.*s = ?%d", n > 1 ? ", " : "", (int)name_len, name, n + 1);
        }
        c += len + (c[len] == ',');
    }
    ti_buf_addf(sql, " WHERE id = ?1 AND state = ?%d AND attempt = ?%d", TI_ROW_COLUMNS + 1,
                TI_ROW_COLUMNS + 2);
}

/* Stores *job over the row that still has that state and attempt. */
static tern_status store(ti_queue *queue, bool *done, const ti_job *job, ti_job_state state,
                         uint32_t attempt, const char *more, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    ti_buf sql = {0};
    add_update(&sql);
    ti_buf_adds(&sql, more);
    tern_status status = sql.failed ? ti_fail_nomem(err, "jobs", sql.len, "a change")
                                    : compile(queue, &s, sql.data, err);
    ti_buf_free(&sql);
    TI_TRY(status);
    ti_row_bind(s, job);
    (void)sqlite3_bind_int64(s, 1, job->id);
    (void)sqlite3_bind_int64(s, TI_ROW_COLUMNS + 1, state);
    (void)sqlite3_bind_int64(s, TI_ROW_COLUMNS + 2, attempt);
    return finish(queue, s, done, err);
}

static tern_status insert(ti_queue *queue, ti_job *job, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    ti_buf sql = {0};
    ti_buf_addf(&sql, "INSERT INTO job (%s) VALUES (NULL", ti_row_columns);
    for (int i = 2; i <= TI_ROW_COLUMNS; i++) {
        ti_buf_addf(&sql, ", ?%d", i);
    }
    ti_buf_addc(&sql, ')');
    tern_status status = sql.failed ? ti_fail_nomem(err, "jobs", sql.len, "a change")
                                    : compile(queue, &s, sql.data, err);
    ti_buf_free(&sql);
    TI_TRY(status);
    ti_row_bind(s, job);
    TI_TRY(finish(queue, s, NULL, err));
    job->id = sqlite3_last_insert_rowid(queue->db);
    return TERN_OK;
}

tern_status ti_queue_add(ti_queue *queue, ti_job *job,
                         tern_status (*prepare)(void *user, const ti_job *job, tern_err *err),
                         void *user, tern_err *err)
{
    bool alone = sqlite3_get_autocommit(queue->db) != 0;
    if (alone) {
        TI_TRY(ti_queue_begin(queue, err));
    }
    job->account.log_index = -1;
    tern_status status = insert(queue, job, err);
    if (status == TERN_OK && prepare) {
        status = prepare(user, job, err);
    }
    if (status == TERN_OK && alone) {
        status = ti_queue_commit(queue, err);
    }
    if (status != TERN_OK) {
        job->id = 0;
        if (alone) {
            ti_queue_rollback(queue);
        }
    }
    return status;
}

tern_status ti_queue_claim(ti_queue *queue, bool *done, ti_job *job,
                           const ti_job_process *keeper, tern_err *err)
{
    ti_job next = *job;
    next.state = TI_JOB_RUNNING;
    next.attempt++;
    next.keeper = *keeper;
    next.run = (ti_job_run){0};
    TI_TRY(store(queue, done, &next, job->state, job->attempt, " AND cancel = 0", err));
    if (*done) {
        *job = next;
    }
    return TERN_OK;
}

tern_status ti_queue_follow(ti_queue *queue, bool *done, ti_job *job, ti_job_state state,
                            uint32_t was, tern_err *err)
{
    ti_job_state before = job->state;
    job->state = state;
    tern_status status = store(queue, done, job, before, was, "", err);
    if (status != TERN_OK || !*done) {
        job->state = before;
    }
    return status;
}

tern_status ti_queue_move(ti_queue *queue, bool *done, ti_job *job, ti_job_state state,
                          tern_err *err)
{
    return ti_queue_follow(queue, done, job, state, job->attempt, err);
}

tern_status ti_queue_plan(ti_queue *queue, bool *done, ti_job *job, tern_err *err)
{
    static const char sql[] =
        "UPDATE job SET state = ?2, plan_made = ?3, plan_start = ?4, plan_end = ?5,"
        " plan_mean = ?6, plan_now = ?7, plan_source = ?8, plan_details = ?9"
        " WHERE id = ?1 AND state = ?10 AND attempt = ?11";
    const ti_job_plan *p = &job->plan;
    ti_job_state next = job->state == TI_JOB_WAITING ? TI_JOB_PLANNED : job->state;
    if (!queue->plan) {
        TI_TRY(compile(queue, &queue->plan, sql, err));
    }
    sqlite3_stmt *s = queue->plan;
    const int64_t numbers[] = {job->id,  next,           p->made_s,    p->start_s,
                               p->end_s, p->mean_mg_kwh, p->now_mg_kwh};
    for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++) {
        (void)sqlite3_bind_int64(s, i + 1, numbers[i]);
    }
    (void)sqlite3_bind_text(s, 8, p->source, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(s, 9, p->details ? p->details : "", -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 10, job->state);
    (void)sqlite3_bind_int64(s, 11, job->attempt);
    int code = sqlite3_step(s);
    tern_status status = code == SQLITE_DONE ? TERN_OK : ti_queue_failed(queue, code, err);
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s); /* what was bound is the caller's */
    TI_TRY(status);
    *done = sqlite3_changes(queue->db) > 0;
    job->state = *done ? next : job->state;
    return TERN_OK;
}

tern_status ti_queue_remove(ti_queue *queue, bool *done, const ti_job *job, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    TI_TRY(compile(queue, &s, "DELETE FROM job WHERE id = ?1 AND state = ?2 AND attempt = ?3",
                   err));
    (void)sqlite3_bind_int64(s, 1, job->id);
    (void)sqlite3_bind_int64(s, 2, job->state);
    (void)sqlite3_bind_int64(s, 3, job->attempt);
    return finish(queue, s, done, err);
}

tern_status ti_queue_account(ti_queue *queue, bool *done, ti_job *job, tern_err *err)
{
    return store(queue, done, job, job->state, job->attempt, "", err);
}

static tern_status cancel(ti_queue *queue, ti_job *out, int64_t id, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    TI_TRY(compile(queue, &s,
                   "UPDATE job SET cancel = 1, state = CASE WHEN " JOBD_WAITING
                   " THEN 6 ELSE state END WHERE id = ?1 AND state < 4",
                   err));
    (void)sqlite3_bind_int64(s, 1, id);
    TI_TRY(finish(queue, s, NULL, err));
    return ti_queue_get(queue, out, id, err);
}

tern_status ti_queue_cancel(ti_queue *queue, ti_job *out, int64_t id, tern_err *err)
{
    TI_TRY(ti_queue_begin(queue, err));
    tern_status status = cancel(queue, out, id, err);
    if (status == TERN_OK) {
        status = ti_queue_commit(queue, err);
        if (status != TERN_OK) {
            ti_job_free(out);
        }
    }
    if (status != TERN_OK) {
        ti_queue_rollback(queue);
    }
    return status;
}
