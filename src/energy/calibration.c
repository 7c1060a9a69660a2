/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/calibration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jval.h"

enum { FILE_MAX_BYTES = 65536, THREADS_MAX = 65536 };

static const char schema[] = "tern.calibration/1";

const char *ti_covers_name(unsigned bit)
{
    static const char *const names[] = {"package", "dram", "gpu", "platform", "psu"};
    return bit < sizeof names / sizeof *names ? names[bit] : NULL;
}

void ti_json_covers(ti_buf *json, const char *key, uint32_t covers)
{
    ti_json_open(json, key, '[');
    for (unsigned i = 0; ti_covers_name(i); i++) {
        if (covers & 1u << i) {
            ti_json_str(json, NULL, ti_covers_name(i));
        }
    }
    ti_json_close(json, ']');
}

/* --- reading --------------------------------------------------------------------------------
 */

static tern_status bad(const ti_jval *v, const char *what, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "calibration", v ? v->at : 0, "%s", what);
}

static tern_status get_text(char *out, size_t cap, const ti_jval *root, const char *key,
                            tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, key);
    if (!v || v->type != TI_JSTR || v->u.str.len >= cap) {
        return ti_fail(err, TERN_CORRUPT, "calibration", v ? v->at : root->at,
                       "'%s' is no text of under %zu bytes", key, cap);
    }
    memcpy(out, v->u.str.data, v->u.str.len);
    out[v->u.str.len] = '\0';
    return TERN_OK;
}

static tern_status get_number(uint64_t *out, const ti_jval *root, const char *key, uint64_t max,
                              tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, key);
    if (!ti_jval_uint(v, max, out)) {
        return ti_fail(err, TERN_CORRUPT, "calibration", v ? v->at : root->at,
                       "'%s' is no whole number up to %llu", key, (unsigned long long)max);
    }
    return TERN_OK;
}

static tern_status get_covers(uint32_t *out, const ti_jval *root, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, "covers");
    if (!v || v->type != TI_JARRAY || v->n == 0) {
        return bad(v ? v : root, "'covers' is no list of names", err);
    }
    for (uint32_t i = 0; i < v->n; i++) {
        unsigned bit = 0;
        while (ti_covers_name(bit) && !ti_jval_is(&v->u.items[i], ti_covers_name(bit))) {
            bit++;
        }
        if (!ti_covers_name(bit)) {
            return bad(&v->u.items[i], "'covers' holds a name that is not known", err);
        }
        *out |= 1u << bit;
    }
    return TERN_OK;
}

static tern_status get_evidence(ti_evidence *out, const ti_jval *root, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, "evidence");
    if (ti_jval_is(v, "measured")) {
        *out = TI_EVIDENCE_MEASURED;
    } else if (ti_jval_is(v, "declared")) {
        *out = TI_EVIDENCE_DECLARED;
    } else {
        return bad(v ? v : root, "'evidence' is neither measured nor declared", err);
    }
    return TERN_OK;
}

static tern_status from_tree(ti_calibration *out, const ti_jval *root, tern_err *err)
{
    ti_calibration c = {0};
    uint64_t threads = 0;
    if (root->type != TI_JOBJECT || !ti_jval_get(root, "schema")) {
        return bad(root, "there is no 'schema'", err);
    }
    if (!ti_jval_is(ti_jval_get(root, "schema"), schema)) {
        return ti_fail(err, TERN_UNSUPPORTED, "calibration", ti_jval_get(root, "schema")->at,
                       "its schema is not %s", schema);
    }
    TI_TRY(get_text(c.cpu, sizeof c.cpu, root, "cpu", err));
    TI_TRY(get_text(c.meter, sizeof c.meter, root, "meter", err));
    TI_TRY(get_number(&threads, root, "threads", THREADS_MAX, err));
    TI_TRY(get_number(&c.idle_uw, root, "idle_uw", TI_CALIBRATION_MAX_UW, err));
    TI_TRY(get_number(&c.full_uw, root, "full_uw", TI_CALIBRATION_MAX_UW, err));
    TI_TRY(get_number(&c.time_s, root, "time_s", INT64_MAX / 1000, err));
    TI_TRY(get_covers(&c.covers, root, err));
    TI_TRY(get_evidence(&c.evidence, root, err));
    if (c.idle_uw >= c.full_uw) {
        return bad(root, "idle_uw is not under full_uw", err);
    }
    c.threads = (uint32_t)threads;
    *out = c;
    return TERN_OK;
}

tern_status ti_calibration_parse(ti_calibration *out, const char *text, size_t len,
                                 tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    tern_status status = ti_jval_parse(&root, &arena, text, len, "calibration", err);
    if (status == TERN_OK) {
        status = from_tree(out, &root, err);
    }
    ti_arena_free(&arena);
    return status;
}

tern_status ti_calibration_load(ti_calibration *out, const char *path, tern_err *err)
{
    char *text = NULL;
    size_t len = 0;
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return ti_fail(err, TERN_UNAVAILABLE, "calibration", TI_NO_OFFSET, "'%s' is not there",
                       path);
    }
    TI_TRY(ti_read_file(&text, &len, path, FILE_MAX_BYTES, err));
    tern_status status = ti_calibration_parse(out, text, len, err);
    free(text);
    return status;
}

/* --- writing --------------------------------------------------------------------------------
 */

void ti_calibration_print(ti_buf *out, const ti_calibration *c)
{
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "schema", schema);
    ti_json_str(out, "cpu", c->cpu);
    ti_json_uint(out, "threads", c->threads);
    ti_json_uint(out, "idle_uw", c->idle_uw);
    ti_json_uint(out, "full_uw", c->full_uw);
    ti_json_covers(out, "covers", c->covers);
    ti_json_str(out, "evidence", c->evidence == TI_EVIDENCE_MEASURED ? "measured" : "declared");
    ti_json_str(out, "meter", c->meter);
    ti_json_uint(out, "time_s", c->time_s);
    ti_json_close(out, '}');
    ti_buf_addc(out, '\n');
}

tern_status ti_calibration_store(const ti_calibration *c, const char *path, tern_err *err)
{
    if (c->idle_uw >= c->full_uw || c->full_uw > TI_CALIBRATION_MAX_UW) {
        return ti_fail(err, TERN_USAGE, "calibration", TI_NO_OFFSET,
                       "%llu uW idle and %llu uW loaded are no two readings of a machine",
                       (unsigned long long)c->idle_uw, (unsigned long long)c->full_uw);
    }
    ti_buf text = {0};
    ti_out out = {0};
    ti_calibration_print(&text, c);
    tern_status status = text.failed ? ti_fail_nomem(err, "calibration", sizeof *c, "the text")
                                     : ti_out_open(&out, path, err);
    if (status == TERN_OK) {
        /* What is not written is seen by the stream's error flag, which commit looks at. */
        (void)fwrite(text.data, 1, text.len, out.stream);
        status = ti_out_commit(&out, err);
    }
    ti_buf_free(&text);
    return status;
}
