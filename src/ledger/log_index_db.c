/* SPDX-License-Identifier: Apache-2.0 */
/* The index's table in SQLite. */
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "ledger/log_index_parts.h"

/* SQLite's integers have 63 bits and a sign. */
static sqlite3_int64 signed_of(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (sqlite3_int64)value;
}

static tern_status failed(const ti_index_db *db, int code, tern_err *err)
{
    return ti_db_failed(db->db, code, "log", "index", db->name, err);
}

static tern_status execute(ti_index_db *db, const char *sql, tern_err *err)
{
    int code = sqlite3_exec(db->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? TERN_OK : failed(db, code, err);
}

tern_status ti_index_db_open(ti_index_db *out, const char *file, bool make, tern_err *err)
{
    ti_index_db made = {.name = file ? file : "in memory"};
    if (file && make) {
        TI_TRY(ti_db_make_private(file, "log", "index", err));
    }
    int code =
        sqlite3_open_v2(file ? file : ":memory:", &made.db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    /* No journal and no syncing: a file that was cut short is not what its sum says, and is
     * made anew. */
    tern_status status = code == SQLITE_OK
                             ? execute(&made,
                                       "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                                       "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;",
                                       err)
                             : failed(&made, code, err);
    if (status != TERN_OK) {
        ti_index_db_close(&made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

void ti_index_db_close(ti_index_db *db)
{
    (void)sqlite3_finalize(db->insert);
    (void)sqlite3_close(db->db);
    *db = (ti_index_db){0};
}

tern_status ti_index_db_create(ti_index_db *db, tern_err *err)
{
    return execute(db,
                   "CREATE TABLE receipt (entry INTEGER PRIMARY KEY, id TEXT NOT NULL,"
                   " model BLOB NOT NULL, output BLOB NOT NULL, ended INTEGER NOT NULL,"
                   " evidence INTEGER NOT NULL) STRICT;"
                   "CREATE INDEX by_id ON receipt (id);"
                   "CREATE INDEX by_model ON receipt (model, ended);"
                   "CREATE INDEX by_output ON receipt (output);"
                   "CREATE INDEX by_ended ON receipt (ended);",
                   err);
}

tern_status ti_index_db_begin(ti_index_db *db, tern_err *err)
{
    return execute(db, "BEGIN", err);
}

tern_status ti_index_db_commit(ti_index_db *db, tern_err *err)
{
    return execute(db, "COMMIT", err);
}

static int evidence_of(const ti_receipt *r)
{
    return r->has_energy ? (int)r->energy.evidence : TI_QUERY_NO_ENERGY;
}

bool ti_log_query_matches(const ti_log_query *q, const ti_receipt *r)
{
    return (q->id[0] == '\0' || strcmp(q->id, r->id) == 0) &&
           memcmp(r->model.sha256, q->model.low, TI_SHA256) >= 0 &&
           memcmp(r->model.sha256, q->model.high, TI_SHA256) <= 0 &&
           memcmp(r->output.sha256, q->output.low, TI_SHA256) >= 0 &&
           memcmp(r->output.sha256, q->output.high, TI_SHA256) <= 0 &&
           r->time.ended_unix_ms >= q->from_unix_ms &&
           r->time.ended_unix_ms < q->until_unix_ms && (q->evidence >> evidence_of(r) & 1) != 0;
}

tern_status ti_index_db_add(ti_index_db *db, uint64_t index, const ti_receipt *r, tern_err *err)
{
    static const char sql[] = "INSERT INTO receipt (entry, id, model, output, ended, evidence)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    int code = SQLITE_OK;
    if (!db->insert) {
        code = sqlite3_prepare_v2(db->db, sql, sizeof sql, &db->insert, NULL);
    }
    sqlite3_stmt *s = db->insert;
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_int64(s, 1, signed_of(index));
        (void)sqlite3_bind_text(s, 2, r->id, -1, SQLITE_STATIC);
        (void)sqlite3_bind_blob(s, 3, r->model.sha256, TI_SHA256, SQLITE_STATIC);
        (void)sqlite3_bind_blob(s, 4, r->output.sha256, TI_SHA256, SQLITE_STATIC);
        (void)sqlite3_bind_int64(s, 5, signed_of(r->time.ended_unix_ms));
        (void)sqlite3_bind_int(s, 6, evidence_of(r));
        code = sqlite3_step(s); /* what could not be bound is NULL, which the table refuses */
        (void)sqlite3_reset(s);
    }
    return code == SQLITE_DONE ? TERN_OK : failed(db, code, err);
}

tern_status ti_index_db_count(ti_index_db *db, uint64_t *out, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(db->db, "SELECT count(*) FROM receipt", -1, &s, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(s);
    }
    uint64_t n = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    tern_status status = code == SQLITE_ROW ? TERN_OK : failed(db, code, err);
    (void)sqlite3_finalize(s);
    if (status == TERN_OK) {
        *out = n;
    }
    return status;
}

/* Only the conditions that exclude something, so that an index serves each. */
static tern_status prepare(sqlite3_stmt **out, ti_index_db *db, const ti_log_query *q,
                           tern_err *err)
{
    ti_log_query all;
    ti_buf sql = {0};
    ti_log_query_all(&all);
    ti_buf_adds(&sql, "SELECT entry FROM receipt WHERE 1");
    ti_buf_adds(&sql, q->id[0] ? " AND id = ?1" : "");
    ti_buf_adds(&sql, memcmp(&q->model, &all.model, sizeof q->model) != 0
                          ? " AND model BETWEEN ?2 AND ?3"
                          : "");
    ti_buf_adds(&sql, memcmp(&q->output, &all.output, sizeof q->output) != 0
                          ? " AND output BETWEEN ?4 AND ?5"
                          : "");
    ti_buf_adds(&sql, q->from_unix_ms > 0 ? " AND ended >= ?6" : "");
    ti_buf_adds(&sql, q->until_unix_ms < all.until_unix_ms ? " AND ended < ?7" : "");
    ti_buf_adds(&sql, q->evidence != all.evidence ? " AND (?8 >> evidence) & 1" : "");
    ti_buf_adds(&sql, " ORDER BY entry");
    if (sql.failed) {
        ti_buf_free(&sql);
        return ti_fail_nomem(err, "log", sizeof all, "a query");
    }
    int code = sqlite3_prepare_v2(db->db, sql.data, -1, out, NULL);
    ti_buf_free(&sql);
    if (code != SQLITE_OK) {
        return failed(db, code, err);
    }
    /* A parameter that is not in the text is refused: nothing to be done about it. */
    (void)sqlite3_bind_text(*out, 1, q->id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(*out, 2, q->model.low, TI_SHA256, SQLITE_STATIC);
    (void)sqlite3_bind_blob(*out, 3, q->model.high, TI_SHA256, SQLITE_STATIC);
    (void)sqlite3_bind_blob(*out, 4, q->output.low, TI_SHA256, SQLITE_STATIC);
    (void)sqlite3_bind_blob(*out, 5, q->output.high, TI_SHA256, SQLITE_STATIC);
    (void)sqlite3_bind_int64(*out, 6, signed_of(q->from_unix_ms));
    (void)sqlite3_bind_int64(*out, 7, signed_of(q->until_unix_ms));
    (void)sqlite3_bind_int64(*out, 8, q->evidence);
    return TERN_OK;
}

tern_status ti_index_db_select(ti_index_db *db, const ti_log_query *query, uint64_t **out,
                               size_t *n, tern_err *err)
{
    sqlite3_stmt *s = NULL;
    uint64_t *found = NULL;
    size_t cap = 0, used = 0;
    int code = SQLITE_ROW;
    tern_status status = prepare(&s, db, query, err);
    while (status == TERN_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        if (used == cap) {
            cap = cap ? 2 * cap : 64;
            uint64_t *more = realloc(found, cap * sizeof *more);
            if (!more) {
                status = ti_fail_nomem(err, "log", cap * sizeof *more, "what was found");
                break;
            }
            found = more;
        }
        found[used++] = (uint64_t)sqlite3_column_int64(s, 0);
    }
    if (status == TERN_OK && code != SQLITE_DONE) {
        status = failed(db, code, err);
    }
    (void)sqlite3_finalize(s);
    if (status != TERN_OK) {
        free(found);
        return status;
    }
    *out = found;
    *n = used;
    return TERN_OK;
}
