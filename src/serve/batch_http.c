/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to /v1/batches. */
#include <stdlib.h>
#include <string.h>

#include "base/jval.h"
#include "serve/batch_parts.h"

enum { MS = 1000, HOUR_S = 3600, WINDOW_MAX_H = 168, LIST_MAX = 100, LIST_DEFAULT = 20 };

/* --- batches --------------------------------------------------------------------------------
 */

/* "24h". */
static bool read_window(uint32_t *hours, const ti_jval *v, ti_refusal *why)
{
    *hours = 0;
    if (v && v->type == TI_JSTR && v->u.str.len >= 2 && v->u.str.len <= 4) {
        for (size_t i = 0; i < v->u.str.len; i++) {
            char c = v->u.str.data[i];
            bool last = i + 1 == v->u.str.len;
            if (last ? c != 'h' : c < '0' || c > '9') {
                *hours = 0;
                break;
            }
            *hours = last ? *hours : *hours * 10 + (uint32_t)(c - '0');
        }
    }
    if (*hours == 0 || *hours > WINDOW_MAX_H) {
        return ti_refuse(
            why, "completion_window", v ? "invalid_value" : "missing_required_parameter",
            "'completion_window' must be hours, as 24h, at most %dh", WINDOW_MAX_H);
    }
    return true;
}

static bool read_metadata(char **out, const ti_jval *v, ti_refusal *why)
{
    ti_buf text = {0};
    char key[TI_BATCH_KEY + 1];
    *out = NULL;
    if (ti_jval_none(v)) {
        return true;
    }
    bool good = v->type == TI_JOBJECT && v->n <= TI_BATCH_PAIRS;
    ti_json_open(&text, NULL, '{');
    for (uint32_t i = 0; good && i < v->n; i++) {
        const ti_jmember *m = &v->u.members[i];
        good = m->key.len <= TI_BATCH_KEY && m->value.type == TI_JSTR &&
               m->value.u.str.len <= TI_BATCH_VALUE;
        if (good) {
            memcpy(key, m->key.data, m->key.len);
            key[m->key.len] = '\0';
            ti_json_strn(&text, key, m->value.u.str.data, m->value.u.str.len);
        }
    }
    ti_json_close(&text, '}');
    if (!good || text.failed) {
        ti_buf_free(&text);
        return ti_refuse(
            why, "metadata", "invalid_value",
            "'metadata' must have at most %d strings of %d bytes, with names of %d",
            TI_BATCH_PAIRS, TI_BATCH_VALUE, TI_BATCH_KEY);
    }
    *out = text.data;
    return true;
}

static bool read_create(ti_batch *b, const ti_jval *root, ti_refusal *why)
{
    const ti_jval *input = ti_jval_get(root, "input_file_id");
    const ti_jval *endpoint = ti_jval_get(root, "endpoint");
    if (!input || input->type != TI_JSTR || input->u.str.len > TI_BATCH_ID) {
        return ti_refuse(why, "input_file_id", "missing_required_parameter",
                         "'input_file_id' must be a file's id");
    }
    memcpy(b->input, input->u.str.data, input->u.str.len);
    while (b->endpoint < TI_BATCH_ENDPOINTS &&
           !ti_jval_is(endpoint, ti_batch_endpoints[b->endpoint].path)) {
        b->endpoint++;
    }
    if (b->endpoint == TI_BATCH_ENDPOINTS) {
        return ti_refuse(why, "endpoint", "unsupported_value",
                         "'endpoint' must be /v1/chat/completions or /v1/completions");
    }
    return read_window(&b->window_h, ti_jval_get(root, "completion_window"), why) &&
           read_metadata(&b->metadata, ti_jval_get(root, "metadata"), why);
}

static bool parse_create(ti_batch *b, ti_str body, ti_refusal *why)
{
    ti_arena arena = {0};
    ti_jval root;
    tern_err err = {0};
    bool good = ti_jval_parse(&root, &arena, body.data, body.len, "request", &err) == TERN_OK;
    good = good ? read_create(b, &root, why)
                : ti_refuse(why, NULL, "invalid_json", "the body is not JSON: %.200s",
                            err.message);
    ti_arena_free(&arena);
    return good;
}

/* With the mutex: takes the batch over, or refuses. */
static void add(ti_api *api, ti_web_reply *reply, ti_batch *batch)
{
    ti_batches *b = api->batches;
    tern_err err = {0};
    ti_refusal why;
    ti_buf json = {0};
    const ti_batch_file *input = ti_batch_file_get(b, batch->input);
    if (!input || input->output) {
        ti_refuse(&why, "input_file_id", "invalid_value", "there is no uploaded file '%.40s'",
                  batch->input);
        ti_batch_refuse(api, reply, &why);
        ti_batch_free(batch);
        return;
    }
    ti_batch_name(b, batch->id, "batch_");
    ti_batch_name(b, batch->output, "file-");
    ti_batch_name(b, batch->failures, "file-");
    tern_status status = ti_batch_add(b, batch, &err);
    if (status != TERN_OK) {
        ti_batch_refuse_status(api, reply, status, &err);
        ti_batch_free(batch);
        return;
    }
    pthread_cond_broadcast(&b->wake);
    ti_batch_render(&json, batch, false);
    ti_batch_send(api, reply, &json);
}

void ti_batch_create(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_refusal why;
    ti_batch *batch = ti_calloc(1, sizeof *batch);
    if (!batch) {
        ti_web_reply_error(reply, 503, NULL);
        return;
    }
    if (!parse_create(batch, request->body, &why)) {
        ti_batch_free(batch);
        ti_batch_refuse(api, reply, &why);
        return;
    }
    batch->created_s = (int64_t)(ti_wall_ms() / MS);
    batch->expires_s = batch->created_s + (int64_t)batch->window_h * HOUR_S;
    if (!ti_batch_enter(api, reply, false)) {
        ti_batch_free(batch);
        return;
    }
    add(api, reply, batch);
    ti_batch_leave(api);
}

/* A number in the query from 1 to LIST_MAX. */
static size_t limit_of(const ti_web_request *request)
{
    ti_buf text = {0};
    size_t limit = LIST_DEFAULT;
    if (ti_web_query(request, "limit", &text) && text.data) {
        unsigned long n = strtoul(text.data, NULL, 10);
        limit = n < 1 ? 1 : n > LIST_MAX ? LIST_MAX : (size_t)n;
    }
    ti_buf_free(&text);
    return limit;
}

void ti_batch_list(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_buf json = {0}, after = {0};
    const char *first = NULL, *last = NULL;
    size_t n = 0, limit = limit_of(request);
    bool begun = !ti_web_query(request, "after", &after), more = false;
    if (!ti_batch_enter(api, reply, false)) {
        ti_buf_free(&after);
        return;
    }
    const ti_batches *b = api->batches;
    ti_batch_begin_list(&json);
    for (size_t i = b->n; i > 0 && !more; i--) { /* the newest first */
        const ti_batch *one = b->items[i - 1];
        if (!begun) {
            begun = after.data && strcmp(after.data, one->id) == 0;
        } else if (n == limit) {
            more = true;
        } else {
            ti_batch_render(&json, one, false);
            first = first ? first : one->id;
            last = one->id;
            n++;
        }
    }
    ti_batch_end_list(&json, first, last, more);
    ti_batch_leave(api);
    ti_buf_free(&after);
    ti_batch_send(api, reply, &json);
}

/* A batch as it is, after a cancel if that is what is asked. */
static void one_batch(ti_api *api, const ti_web_request *request, ti_web_reply *reply,
                      const char *verb)
{
    char id[TI_BATCH_ID + 1];
    const char *what = "";
    ti_buf json = {0};
    tern_err err = {0};
    bool named = ti_batch_split(request->rest, id, &what);
    if (!ti_batch_enter(api, reply, false)) {
        return;
    }
    ti_batches *b = api->batches;
    ti_batch *batch = named && strcmp(what, verb) == 0 ? ti_batch_get(b, id) : NULL;
    if (!batch) {
        ti_batch_not_found(api, reply, "batch", request->rest);
        ti_batch_leave(api);
        return;
    }
    if (*verb && !ti_batch_is_final(batch->status) && batch->status != TI_BATCH_CANCELLING) {
        batch->status = TI_BATCH_CANCELLING;
        batch->cancelling_s = (int64_t)(ti_wall_ms() / MS);
        if (ti_batch_save(b, batch, &err) != TERN_OK && api->opts.port.warn) {
            api->opts.port.warn(api->opts.port.user, &err); /* it is cancelled all the same */
        }
        pthread_cond_broadcast(&b->wake);
    }
    ti_batch_render(&json, batch, false);
    ti_batch_leave(api);
    ti_batch_send(api, reply, &json);
}

void ti_batch_one(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    one_batch(user, request, reply, "");
}

void ti_batch_change(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    one_batch(user, request, reply, "cancel");
}
