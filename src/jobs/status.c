/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jval.h"
#include "base/mem.h"

#define SCHEMA "tern.job-status/1"

/* Beyond the year 9999 is damage. */
#define MS_MAX (UINT64_C(1000) * (uint64_t)TI_TIME_MAX_S)

void ti_job_status_free(ti_job_status *status)
{
    free(status->pieces);
    *status = (ti_job_status){0};
}

tern_status ti_job_status_add(ti_job_status *s, const ti_job_piece *piece, tern_err *err)
{
    if (s->n_pieces == TI_PIECES_MAX) {
        ti_job_piece *last = &s->pieces[s->n_pieces - 1];
        last->end_ms = piece->end_ms > last->end_ms ? piece->end_ms : last->end_ms;
        last->energy_uj += piece->energy_uj;
        last->idle_uj += piece->idle_uj;
        return TERN_OK;
    }
    if (s->n_pieces == s->pieces_cap) {
        size_t cap = s->pieces_cap ? 2 * s->pieces_cap : 8;
        ti_job_piece *more = realloc(s->pieces, cap * sizeof *more);
        if (!more) {
            return ti_fail_nomem(err, "jobs", cap * sizeof *more, "pieces of a run");
        }
        s->pieces = more;
        s->pieces_cap = cap;
    }
    s->pieces[s->n_pieces++] = *piece;
    return TERN_OK;
}

/* --- writing --------------------------------------------------------------------------------
 */

static void add_process(ti_buf *out, const char *key, const ti_job_process *p)
{
    ti_json_open(out, key, '{');
    ti_json_int(out, "pid", p->pid);
    ti_json_uint(out, "start", p->start);
    ti_json_str(out, "boot", p->boot);
    ti_json_str(out, "host", p->host);
    ti_json_close(out, '}');
}

tern_status ti_job_status_write(ti_buf *out, const ti_job_status *s, tern_err *err)
{
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "schema", SCHEMA);
    add_process(out, "keeper", &s->keeper);
    add_process(out, "command", &s->command);
    ti_json_bool(out, "suspended", s->suspended);
    ti_json_bool(out, "ended", s->ended);
    ti_json_int(out, "since_ms", s->since_ms);
    ti_json_int(out, "started_s", s->run.started_s);
    ti_json_int(out, "ended_s", s->run.ended_s);
    ti_json_uint(out, "ran_s", s->run.ran_s);
    ti_json_int(out, "exit_code", s->run.exit_code);
    ti_json_int(out, "signal", s->run.signal);
    ti_json_uint(out, "cpu_ns", s->run.cpu_ns);
    if (s->run.has_energy) {
        ti_json_open(out, "energy", '{');
        ti_json_uint(out, "energy_uj", s->run.energy_uj);
        ti_json_uint(out, "idle_uj", s->run.idle_uj);
        ti_json_str(out, "evidence", s->run.evidence);
        ti_json_uint(out, "error_permille", s->run.error_permille);
        ti_json_str(out, "meter", s->run.meter);
        ti_json_close(out, '}');
    }
    ti_json_open(out, "pieces", '[');
    for (size_t i = 0; i < s->n_pieces; i++) {
        ti_json_open(out, NULL, '[');
        ti_json_int(out, NULL, s->pieces[i].start_ms);
        ti_json_int(out, NULL, s->pieces[i].end_ms);
        ti_json_uint(out, NULL, s->pieces[i].energy_uj);
        ti_json_uint(out, NULL, s->pieces[i].idle_uj);
        ti_json_close(out, ']');
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
    ti_buf_addc(out, '\n');
    return out->failed ? ti_fail_nomem(err, "jobs", out->len, "a status") : TERN_OK;
}

/* --- reading --------------------------------------------------------------------------------
 */

/* Remembers the first fault, so that a document is read without a check at each member. */
typedef struct reader {
    bool bad;
    uint64_t at;
} reader;

static const ti_jval *member(reader *r, const ti_jval *object, const char *key)
{
    const ti_jval *v = ti_jval_get(object, key);
    if (!v && !r->bad) {
        r->bad = true;
        r->at = object ? object->at : 0;
    }
    return v;
}

static uint64_t number(reader *r, const ti_jval *v, uint64_t max)
{
    uint64_t n = 0;
    if (v && !ti_jval_uint(v, max, &n) && !r->bad) {
        r->bad = true;
        r->at = v->at;
    }
    return n;
}

static uint64_t get(reader *r, const ti_jval *object, const char *key, uint64_t max)
{
    return number(r, member(r, object, key), max);
}

static bool flag(reader *r, const ti_jval *object, const char *key)
{
    const ti_jval *v = member(r, object, key);
    if (v && v->type != TI_JBOOL && !r->bad) {
        r->bad = true;
        r->at = v->at;
    }
    return v && v->type == TI_JBOOL && v->u.boolean;
}

static void get_text(reader *r, const ti_jval *object, const char *key, char *out, size_t cap)
{
    const ti_jval *v = member(r, object, key);
    if (v && (v->type != TI_JSTR || v->u.str.len >= cap)) {
        r->at = r->bad ? r->at : v->at;
        r->bad = true;
    } else if (v) {
        memcpy(out, v->u.str.data, v->u.str.len);
        out[v->u.str.len] = '\0';
    }
}

static void read_process(reader *r, const ti_jval *object, const char *key, ti_job_process *p)
{
    const ti_jval *v = member(r, object, key);
    p->pid = (int64_t)get(r, v, "pid", INT32_MAX);
    p->start = get(r, v, "start", INT64_MAX);
    get_text(r, v, "boot", p->boot, sizeof p->boot);
    if (ti_jval_get(v, "host")) { /* older ones have none */
        get_text(r, v, "host", p->host, sizeof p->host);
    }
}

static void read_energy(reader *r, const ti_jval *v, ti_job_run *run)
{
    run->has_energy = true;
    run->energy_uj = get(r, v, "energy_uj", INT64_MAX);
    run->idle_uj = get(r, v, "idle_uj", INT64_MAX);
    run->error_permille = (uint32_t)get(r, v, "error_permille", UINT32_MAX);
    get_text(r, v, "evidence", run->evidence, sizeof run->evidence);
    get_text(r, v, "meter", run->meter, sizeof run->meter);
}

static void read_run(reader *r, const ti_jval *v, ti_job_run *run)
{
    run->started_s = (int64_t)get(r, v, "started_s", (uint64_t)TI_TIME_MAX_S);
    run->ended_s = (int64_t)get(r, v, "ended_s", (uint64_t)TI_TIME_MAX_S);
    run->ran_s = (uint32_t)get(r, v, "ran_s", UINT32_MAX);
    run->exit_code = (int32_t)get(r, v, "exit_code", UINT8_MAX);
    run->signal = (int32_t)get(r, v, "signal", UINT8_MAX);
    run->cpu_ns = get(r, v, "cpu_ns", INT64_MAX);
    if (ti_jval_get(v, "energy")) {
        read_energy(r, ti_jval_get(v, "energy"), run);
    }
}

static tern_status read_pieces(reader *r, const ti_jval *object, ti_job_status *s,
                               tern_err *err)
{
    const ti_jval *list = member(r, object, "pieces");
    int64_t last_ms = 0;
    if (list && (list->type != TI_JARRAY || list->n > TI_PIECES_MAX)) {
        r->at = r->bad ? r->at : list->at;
        r->bad = true;
    }
    for (uint32_t i = 0; !r->bad && list && i < list->n; i++) {
        const ti_jval *v = &list->u.items[i];
        if (v->type != TI_JARRAY || v->n != 4) {
            r->bad = true;
            r->at = v->at;
            break;
        }
        ti_job_piece piece = {
            .start_ms = (int64_t)number(r, &v->u.items[0], MS_MAX),
            .end_ms = (int64_t)number(r, &v->u.items[1], MS_MAX),
            .energy_uj = number(r, &v->u.items[2], INT64_MAX),
            .idle_uj = number(r, &v->u.items[3], INT64_MAX),
        };
        r->at = r->bad ? r->at : v->at;
        r->bad = r->bad || piece.start_ms < last_ms || piece.end_ms < piece.start_ms;
        last_ms = piece.end_ms;
        TI_TRY(ti_job_status_add(s, &piece, err));
    }
    return TERN_OK;
}

tern_status ti_job_status_read(ti_job_status *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval v;
    ti_job_status s = {0};
    reader r = {0};
    tern_status status = ti_jval_parse(&v, &arena, text, len, "jobs", err);
    if (status == TERN_OK && !ti_jval_is(ti_jval_get(&v, "schema"), SCHEMA)) {
        status = ti_fail(err, TERN_CORRUPT, "jobs", 0, "no document of schema %s", SCHEMA);
    }
    if (status == TERN_OK) {
        read_process(&r, &v, "keeper", &s.keeper);
        read_process(&r, &v, "command", &s.command);
        s.suspended = flag(&r, &v, "suspended");
        s.ended = flag(&r, &v, "ended");
        s.since_ms = (int64_t)get(&r, &v, "since_ms", MS_MAX);
        read_run(&r, &v, &s.run);
        status = read_pieces(&r, &v, &s, err);
    }
    if (status == TERN_OK && r.bad) {
        status = ti_fail(err, TERN_CORRUPT, "jobs", r.at, "a damaged status of a job");
    }
    ti_arena_free(&arena);
    if (status != TERN_OK) {
        ti_job_status_free(&s);
        return status;
    }
    *out = s;
    return TERN_OK;
}
