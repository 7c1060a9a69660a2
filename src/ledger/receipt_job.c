/* SPDX-License-Identifier: Apache-2.0 */
/* Reading receipts of jobs (docs/formats/jobs.md). */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/jval.h"
#include "ledger/receipt_parts.h"

static const char module[] = "receipt";

/* The first fault, so that a statement is read without a check at each member. */
typedef struct reader {
    bool bad;
    uint64_t at;
    const char *key;
} reader;

static void fault(reader *r, const ti_jval *in, const ti_jval *v, const char *key)
{
    if (!r->bad) {
        *r = (reader){true, v ? v->at : in ? in->at : 0, key};
    }
}

static const ti_jval *object(reader *r, const ti_jval *in, const char *key)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (!v || v->type != TI_JOBJECT) {
        fault(r, in, v, key);
        return NULL;
    }
    return v;
}

static uint64_t number(reader *r, const ti_jval *in, const char *key, uint64_t max)
{
    const ti_jval *v = ti_jval_get(in, key);
    uint64_t n = 0;
    if (!ti_jval_uint(v, max, &n)) {
        fault(r, in, v, key);
    }
    return n;
}

/* A text; one that is too long for its field is cut: it is only shown. */
static void text(reader *r, char *out, size_t cap, const ti_jval *in, const char *key)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (!v || v->type != TI_JSTR) {
        fault(r, in, v, key);
        return;
    }
    size_t len = v->u.str.len < cap ? v->u.str.len : cap - 1;
    memcpy(out, v->u.str.data, len);
    out[len] = '\0';
}

static void digest(reader *r, uint8_t out[TI_SHA256], const ti_jval *in, const char *key)
{
    const ti_jval *v = ti_jval_get(in, key);
    size_t n = 0;
    if (!v || v->type != TI_JSTR || v->u.str.len != (size_t)2 * TI_SHA256 ||
        sodium_hex2bin(out, TI_SHA256, v->u.str.data, v->u.str.len, NULL, &n, NULL) != 0 ||
        n != TI_SHA256) {
        fault(r, in, v, key);
    }
}

static void read_figures(reader *r, ti_receipt *out, const ti_jval *p)
{
    const ti_jval *in = ti_jval_get(p, "energy"), *evidence;
    out->has_energy = in != NULL;
    if (in) {
        in = object(r, p, "energy");
        out->energy.energy_uj = number(r, in, "energy_uj", INT64_MAX);
        out->energy.idle_uj = number(r, in, "idle_uj", INT64_MAX);
        out->energy.error_permille = number(r, in, "error_permille", UINT32_MAX);
        text(r, out->energy.meter, sizeof out->energy.meter, in, "meter");
        evidence = ti_jval_get(in, "evidence");
        size_t i = 0;
        while (ti_receipt_evidences[i] && !ti_jval_is(evidence, ti_receipt_evidences[i])) {
            i++;
        }
        if (!ti_receipt_evidences[i]) {
            fault(r, in, evidence, "evidence");
        }
        out->energy.evidence = (ti_receipt_evidence)i;
    }
    in = ti_jval_get(p, "carbon");
    out->has_carbon = in != NULL;
    if (in) {
        in = object(r, p, "carbon");
        out->carbon.co2_ug = number(r, in, "co2_ug", INT64_MAX);
        out->job.mean_mg_kwh = number(r, in, "mean_mg_kwh", UINT32_MAX);
        text(r, out->carbon.source, sizeof out->carbon.source, in, "source");
    }
}

static void read_statement(reader *r, ti_receipt *out, const ti_jval *root)
{
    enum { MS = 1000, SECONDS_MAX_BITS = 40 };
    const uint64_t seconds_max = UINT64_C(1) << SECONDS_MAX_BITS;
    const ti_jval *subject = ti_jval_get(root, "subject");
    if (!subject || subject->type != TI_JARRAY || subject->n != 1) {
        fault(r, root, subject, "subject");
    } else {
        subject = &subject->u.items[0];
        text(r, out->job.output, sizeof out->job.output, subject, "name");
        digest(r, out->output.sha256, object(r, subject, "digest"), "sha256");
    }
    const ti_jval *p = object(r, root, "predicate");
    text(r, out->id, sizeof out->id, p, "id");
    text(r, out->tern_version, sizeof out->tern_version, p, "tern_version");
    out->job.number = number(r, p, "job", INT64_MAX);
    text(r, out->job.state, sizeof out->job.state, p, "state");
    digest(r, out->job.command, p, "command_commitment");
    out->job.exit_code = number(r, p, "exit_code", UINT8_MAX);
    out->job.ran_s = number(r, p, "ran_s", UINT32_MAX);
    out->time.started_unix_ms = MS * number(r, p, "started_s", seconds_max);
    out->time.ended_unix_ms = MS * number(r, p, "ended_s", seconds_max);
    read_figures(r, out, p);
}

tern_status ti_receipt_read_job(ti_receipt *out, const char *statement, size_t len,
                                tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    ti_receipt made = {.is_job = true};
    reader r = {.bad = false};
    if (len > TI_RECEIPT_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_RECEIPT_MAX, "statement is over %d bytes",
                       TI_RECEIPT_MAX);
    }
    tern_status status = ti_jval_parse(&root, &arena, statement, len, module, err);
    if (status == TERN_OK &&
        (!ti_jval_is(ti_jval_get(&root, "_type"), TI_STATEMENT_TYPE) ||
         !ti_jval_is(ti_jval_get(&root, "predicateType"), TI_PREDICATE_JOB))) {
        status = ti_fail(err, TERN_UNSUPPORTED, module, root.at, "is no statement of a job");
    }
    if (status == TERN_OK) {
        read_statement(&r, &made, &root);
    }
    ti_arena_free(&arena);
    if (status == TERN_OK && r.bad) {
        status = ti_fail(err, TERN_CORRUPT, module, r.at,
                         "statement at byte %llu: '%s' is not as jobs have it",
                         (unsigned long long)r.at, r.key);
    }
    if (status == TERN_OK) {
        snprintf(made.model.name, sizeof made.model.name, "job %llu",
                 (unsigned long long)made.job.number);
        *out = made;
    }
    return status;
}
