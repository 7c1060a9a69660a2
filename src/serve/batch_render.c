/* SPDX-License-Identifier: Apache-2.0 */
/* Files and batches as JSON, for clients and for the disk.
 * Source of the members: OpenAI's API reference, Files and Batch. */
#include <stdlib.h>
#include <string.h>

#include "base/jval.h"
#include "serve/batch_parts.h"

const char *const ti_batch_status_names[TI_BATCH_STATUSES] = {
    "validating", "in_progress", "finalizing", "cancelling",
    "completed",  "failed",      "expired",    "cancelled"};

const ti_batch_endpoint ti_batch_endpoints[TI_BATCH_ENDPOINTS] = {
    {"/v1/chat/completions", TI_ASK_OPENAI_CHAT}, {"/v1/completions", TI_ASK_OPENAI_TEXT}};

bool ti_batch_is_final(ti_batch_status status)
{
    return status >= TI_BATCH_COMPLETED;
}

/* --- writing --------------------------------------------------------------------------------
 */

void ti_batch_render_file(ti_buf *out, const ti_batch_file *f)
{
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "id", f->id);
    ti_json_str(out, "object", "file");
    ti_json_uint(out, "bytes", f->bytes);
    ti_json_int(out, "created_at", f->created_s);
    ti_json_str(out, "filename", f->name);
    ti_json_str(out, "purpose", f->output ? "batch_output" : "batch");
    ti_json_str(out, "status", "processed");
    ti_json_close(out, '}');
}

static void add_time(ti_buf *out, const char *key, int64_t time_s)
{
    if (time_s > 0) {
        ti_json_int(out, key, time_s);
    } else {
        ti_json_null(out, key);
    }
}

static void add_id(ti_buf *out, const char *key, const char *id, bool there)
{
    if (there) {
        ti_json_str(out, key, id);
    } else {
        ti_json_null(out, key);
    }
}

static void add_metadata(ti_buf *out, const char *text)
{
    ti_arena arena = {0};
    ti_jval root;
    if (!text || ti_jval_parse(&root, &arena, text, strlen(text), "batch", NULL) != TERN_OK) {
        ti_json_null(out, "metadata");
        ti_arena_free(&arena);
        return;
    }
    ti_json_open(out, "metadata", '{');
    for (uint32_t i = 0; i < root.n; i++) {
        const ti_jmember *m = &root.u.members[i];
        const char *key = ti_arena_strndup(&arena, m->key.data, m->key.len);
        out->failed |= !key;
        ti_json_strn(out, key ? key : "", m->value.u.str.data, m->value.u.str.len);
    }
    ti_json_close(out, '}');
    ti_arena_free(&arena);
}

static void add_errors(ti_buf *out, const ti_batch *b)
{
    if (b->status != TI_BATCH_FAILED) {
        ti_json_null(out, "errors");
        return;
    }
    ti_json_open(out, "errors", '{');
    ti_json_str(out, "object", "list");
    ti_json_open(out, "data", '[');
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "code", b->error_code);
    ti_json_str(out, "message", b->error);
    ti_json_null(out, "param");
    if (b->error_line > 0) {
        ti_json_uint(out, "line", b->error_line);
    } else {
        ti_json_null(out, "line");
    }
    ti_json_close(out, '}');
    ti_json_close(out, ']');
    ti_json_close(out, '}');
}

void ti_batch_render(ti_buf *out, const ti_batch *b, bool kept)
{
    bool final = ti_batch_is_final(b->status);
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "id", b->id);
    ti_json_str(out, "object", "batch");
    ti_json_str(out, "endpoint", ti_batch_endpoints[b->endpoint].path);
    add_errors(out, b);
    ti_json_str(out, "input_file_id", b->input);
    char window[16];
    snprintf(window, sizeof window, "%uh", b->window_h);
    ti_json_str(out, "completion_window", window);
    ti_json_str(out, "status", ti_batch_status_names[b->status]);
    add_id(out, "output_file_id", b->output, kept || (final && b->completed > 0));
    add_id(out, "error_file_id", b->failures, kept || (final && b->failed > 0));
    ti_json_int(out, "created_at", b->created_s);
    add_time(out, "in_progress_at", b->begun_s);
    add_time(out, "expires_at", b->expires_s);
    add_time(out, "finalizing_at", b->finalizing_s);
    for (int s = TI_BATCH_COMPLETED; s < TI_BATCH_STATUSES; s++) {
        char key[24];
        snprintf(key, sizeof key, "%s_at", ti_batch_status_names[s]);
        add_time(out, key, (int)b->status == s ? b->ended_s : 0);
    }
    add_time(out, "cancelling_at", b->cancelling_s);
    ti_json_open(out, "request_counts", '{');
    ti_json_uint(out, "total", b->total);
    ti_json_uint(out, "completed", b->completed);
    ti_json_uint(out, "failed", b->failed);
    ti_json_close(out, '}');
    add_metadata(out, b->metadata);
    ti_json_open(out, "tern", '{');
    add_time(out, "start_at", b->put_off.start_s);
    ti_json_str(out, "why", b->put_off.why);
    ti_json_close(out, '}');
    ti_json_close(out, '}');
}

/* --- reading back ---------------------------------------------------------------------------
 */

static tern_status damaged(tern_err *err, const char *key)
{
    return ti_fail(err, TERN_CORRUPT, "batch", TI_NO_OFFSET, "'%s' is missing or wrong", key);
}

static tern_status text_of(const ti_jval *in, const char *key, char *out, size_t size,
                           tern_err *err)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (!v || v->type != TI_JSTR || v->u.str.len >= size) {
        return damaged(err, key);
    }
    memcpy(out, v->u.str.data, v->u.str.len);
    out[v->u.str.len] = '\0';
    return TERN_OK;
}

/* A text for people; cut where it is longer than it can have been written. */
static tern_status words_of(const ti_jval *in, const char *key, char *out, size_t size,
                            tern_err *err)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (!v || v->type != TI_JSTR) {
        return damaged(err, key);
    }
    size_t n = v->u.str.len < size ? v->u.str.len : size - 1;
    memcpy(out, v->u.str.data, n);
    out[n] = '\0';
    return TERN_OK;
}

/* A name of ours, which becomes a file's: nothing else may be in it. */
static tern_status id_of(const ti_jval *in, const char *key, char out[TI_BATCH_ID + 1],
                         tern_err *err)
{
    TI_TRY(text_of(in, key, out, TI_BATCH_ID + 1, err));
    size_t n = strlen(out);
    return n > 0 && strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n
               ? TERN_OK
               : damaged(err, key);
}

static tern_status time_of(const ti_jval *in, const char *key, int64_t *out, tern_err *err)
{
    const uint64_t most = UINT64_C(1) << 40;
    const ti_jval *v = ti_jval_get(in, key);
    uint64_t time = 0;
    if (!ti_jval_none(v) && !ti_jval_uint(v, most, &time)) {
        return damaged(err, key);
    }
    *out = (int64_t)time;
    return TERN_OK;
}

static tern_status count_of(const ti_jval *in, const char *key, uint32_t *out, tern_err *err)
{
    uint64_t n;
    if (!ti_jval_uint(ti_jval_get(in, key), TI_BATCH_LINES, &n)) {
        return damaged(err, key);
    }
    *out = (uint32_t)n;
    return TERN_OK;
}

static tern_status read_times(ti_batch *b, const ti_jval *in, tern_err *err)
{
    char key[24];
    TI_TRY(time_of(in, "created_at", &b->created_s, err));
    TI_TRY(time_of(in, "in_progress_at", &b->begun_s, err));
    TI_TRY(time_of(in, "expires_at", &b->expires_s, err));
    TI_TRY(time_of(in, "finalizing_at", &b->finalizing_s, err));
    TI_TRY(time_of(in, "cancelling_at", &b->cancelling_s, err));
    TI_TRY(time_of(ti_jval_get(in, "tern"), "start_at", &b->put_off.start_s, err));
    if (ti_batch_is_final(b->status)) {
        snprintf(key, sizeof key, "%s_at", ti_batch_status_names[b->status]);
        TI_TRY(time_of(in, key, &b->ended_s, err));
    }
    return TERN_OK;
}

static tern_status read_words(ti_batch *b, const ti_jval *in, tern_err *err)
{
    char window[16];
    const ti_jval *path = ti_jval_get(in, "endpoint"), *status = ti_jval_get(in, "status");
    for (b->endpoint = 0; b->endpoint < TI_BATCH_ENDPOINTS; b->endpoint++) {
        if (ti_jval_is(path, ti_batch_endpoints[b->endpoint].path)) {
            break;
        }
    }
    int s = 0;
    while (s < TI_BATCH_STATUSES && !ti_jval_is(status, ti_batch_status_names[s])) {
        s++;
    }
    if (b->endpoint == TI_BATCH_ENDPOINTS || s == TI_BATCH_STATUSES) {
        return damaged(err, s == TI_BATCH_STATUSES ? "status" : "endpoint");
    }
    b->status = (ti_batch_status)s;
    TI_TRY(text_of(in, "completion_window", window, sizeof window, err));
    b->window_h = (uint32_t)strtoul(window, NULL, 10);
    TI_TRY(
        words_of(ti_jval_get(in, "tern"), "why", b->put_off.why, sizeof b->put_off.why, err));
    if (b->status == TI_BATCH_FAILED) {
        const ti_jval *list = ti_jval_get(ti_jval_get(in, "errors"), "data");
        if (!list || list->type != TI_JARRAY || list->n != 1) {
            return damaged(err, "errors");
        }
        const ti_jval *first = &list->u.items[0];
        uint64_t line = 0;
        (void)ti_jval_uint(ti_jval_get(first, "line"), UINT32_MAX, &line);
        b->error_line = (uint32_t)line;
        TI_TRY(text_of(first, "code", b->error_code, sizeof b->error_code, err));
        TI_TRY(words_of(first, "message", b->error, sizeof b->error, err));
    }
    return TERN_OK;
}

static tern_status read_metadata(ti_batch *b, const ti_jval *in, tern_err *err)
{
    const ti_jval *v = ti_jval_get(in, "metadata");
    ti_buf text = {0};
    char key[TI_BATCH_KEY + 1];
    if (ti_jval_none(v) || v->type != TI_JOBJECT) {
        return TERN_OK;
    }
    ti_json_open(&text, NULL, '{');
    for (uint32_t i = 0; i < v->n; i++) {
        const ti_jmember *m = &v->u.members[i];
        if (m->key.len > TI_BATCH_KEY || m->value.type != TI_JSTR) {
            ti_buf_free(&text);
            return damaged(err, "metadata");
        }
        memcpy(key, m->key.data, m->key.len);
        key[m->key.len] = '\0';
        ti_json_strn(&text, key, m->value.u.str.data, m->value.u.str.len);
    }
    ti_json_close(&text, '}');
    if (text.failed) {
        ti_buf_free(&text);
        return ti_fail_nomem(err, "batch", text.len, "metadata");
    }
    b->metadata = text.data;
    return TERN_OK;
}

static tern_status read_batch(ti_batch *b, const ti_jval *in, tern_err *err)
{
    const ti_jval *counts = ti_jval_get(in, "request_counts");
    TI_TRY(id_of(in, "id", b->id, err));
    TI_TRY(id_of(in, "input_file_id", b->input, err));
    TI_TRY(id_of(in, "output_file_id", b->output, err));
    TI_TRY(id_of(in, "error_file_id", b->failures, err));
    TI_TRY(read_words(b, in, err));
    TI_TRY(read_times(b, in, err));
    TI_TRY(count_of(counts, "total", &b->total, err));
    TI_TRY(count_of(counts, "completed", &b->completed, err));
    TI_TRY(count_of(counts, "failed", &b->failed, err));
    return read_metadata(b, in, err);
}

tern_status ti_batch_parse(ti_batch *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    ti_batch b = {.id = ""};
    tern_status status = ti_jval_parse(&root, &arena, text, len, "batch", err);
    if (status == TERN_OK) {
        status = read_batch(&b, &root, err);
    }
    ti_arena_free(&arena);
    if (status == TERN_OK) {
        *out = b;
    }
    return status;
}

tern_status ti_batch_parse_file(ti_batch_file *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    ti_batch_file f = {.id = ""};
    tern_status status = ti_jval_parse(&root, &arena, text, len, "batch", err);
    if (status == TERN_OK) {
        status = id_of(&root, "id", f.id, err);
    }
    if (status == TERN_OK) {
        status = words_of(&root, "filename", f.name, sizeof f.name, err);
    }
    if (status == TERN_OK) {
        status = time_of(&root, "created_at", &f.created_s, err);
    }
    if (status == TERN_OK &&
        !ti_jval_uint(ti_jval_get(&root, "bytes"), UINT64_C(1) << 50, &f.bytes)) {
        status = damaged(err, "bytes");
    }
    f.output = status == TERN_OK && ti_jval_is(ti_jval_get(&root, "purpose"), "batch_output");
    ti_arena_free(&arena);
    if (status == TERN_OK) {
        *out = f;
    }
    return status;
}
