/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to /v1/files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/batch_parts.h"
#include "serve/form_data.h"

enum { MS = 1000 };

/* --- files ----------------------------------------------------------------------------------
 */

/* What a client called it: printable, and no longer than we keep. */
static void copy_name(char out[TI_BATCH_NAME + 1], ti_str name)
{
    size_t n = name.len < TI_BATCH_NAME ? name.len : TI_BATCH_NAME;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name.data[i];
        out[i] = c < ' ' || c > '~' ? '_' : (char)c;
    }
    out[n] = '\0';
}

static bool read_upload(ti_batch_file *f, ti_str *data, const ti_web_request *request,
                        ti_refusal *why)
{
    enum { PARTS = 16 };
    ti_form_part parts[PARTS];
    size_t n;
    if (!ti_form_data_read(parts, PARTS, &n, ti_web_header(request, "Content-Type"),
                           request->body)) {
        return ti_refuse(why, NULL, "invalid_form", "the body is no multipart/form-data");
    }
    const ti_form_part *purpose = ti_form_data_get(parts, n, "purpose");
    const ti_form_part *file = ti_form_data_get(parts, n, "file");
    if (!purpose || !file) {
        const char *what = purpose ? "file" : "purpose";
        return ti_refuse(why, what, "missing_required_parameter", "'%s' is missing", what);
    }
    if (purpose->data.len != 5 || memcmp(purpose->data.data, "batch", 5) != 0) {
        return ti_refuse(why, "purpose", "unsupported_value", "'purpose' can only be batch");
    }
    if (file->data.len == 0 || file->data.len > TI_BATCH_FILE_BYTES) {
        return ti_refuse(why, "file", "invalid_value", "'file' must have 1 to %d bytes",
                         TI_BATCH_FILE_BYTES);
    }
    copy_name(f->name, file->filename.len > 0 ? file->filename : (ti_str){"batch.jsonl", 11});
    f->bytes = file->data.len;
    *data = file->data;
    return true;
}

void ti_batch_upload(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_batch_file f = {.created_s = (int64_t)(ti_wall_ms() / MS)};
    ti_refusal why;
    tern_err err = {0};
    ti_str data = {"", 0};
    ti_buf json = {0};
    if (!read_upload(&f, &data, request, &why)) {
        ti_batch_refuse(api, reply, &why);
        return;
    }
    if (!ti_batch_enter(api, reply, true)) {
        return;
    }
    ti_batch_name(api->batches, f.id, "file-");
    tern_status status = ti_batch_add_file(api->batches, &f, data.data, &err);
    ti_batch_leave(api);
    if (status != TERN_OK) {
        ti_batch_refuse_status(api, reply, status, &err);
        return;
    }
    ti_batch_render_file(&json, &f);
    ti_batch_send(api, reply, &json);
}

void ti_batch_files(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_buf json = {0}, purpose = {0};
    const char *first = NULL, *last = NULL;
    bool all = !ti_web_query(request, "purpose", &purpose);
    if (!ti_batch_enter(api, reply, false)) {
        ti_buf_free(&purpose);
        return;
    }
    ti_batches *b = api->batches;
    ti_batch_begin_list(&json);
    for (size_t i = b->n_files; i > 0; i--) { /* the newest first */
        const ti_batch_file *f = &b->files[i - 1];
        const char *own = f->output ? "batch_output" : "batch";
        if (all || (purpose.data && strcmp(purpose.data, own) == 0)) {
            ti_batch_render_file(&json, f);
            first = first ? first : f->id;
            last = f->id;
        }
    }
    ti_batch_end_list(&json, first, last, false);
    ti_batch_leave(api);
    ti_buf_free(&purpose);
    ti_batch_send(api, reply, &json);
}

/* A file that is sent while it is read. */
static tern_status read_some(void *user, uint64_t at, void *out, size_t cap, size_t *n)
{
    const int *fd = user;
    ssize_t got = pread(*fd, out, cap, (off_t)at);
    *n = got > 0 ? (size_t)got : 0;
    return got < 0 ? TERN_IO : TERN_OK;
}

static void close_file(void *user)
{
    int *fd = user;
    close(*fd);
    free(fd);
}

static void send_content(ti_api *api, ti_web_reply *reply, const ti_batch_file *f)
{
    tern_err err = {0};
    int *fd = ti_calloc(1, sizeof *fd);
    char *path = ti_batch_path(api->batches, f->id, ".jsonl");
    if (!fd || !path) {
        ti_fail_nomem(&err, "batch", sizeof *fd, "a file");
        ti_batch_refuse_status(api, reply, TERN_NOMEM, &err);
        free(fd);
    } else if ((*fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
        ti_batch_refuse_status(api, reply,
                               ti_fail_errno(&err, errno, "batch", "cannot open a file"), &err);
        free(fd);
    } else {
        ti_web_reply_head(reply, 200, "application/octet-stream");
        ti_web_reply_source(
            reply, &(ti_web_source){
                       .size = f->bytes, .user = fd, .read = read_some, .done = close_file});
        ti_api_count(api, 200);
    }
    free(path);
}

/* Whether a batch that has not ended reads it. */
static bool is_used(const ti_batches *b, const char *id)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!ti_batch_is_final(b->items[i]->status) && strcmp(b->items[i]->input, id) == 0) {
            return true;
        }
    }
    return false;
}

static void delete_file(ti_api *api, ti_web_reply *reply, const ti_batch_file *f)
{
    ti_batches *b = api->batches;
    ti_refusal why;
    ti_buf json = {0};
    if (is_used(b, f->id)) {
        ti_refuse(&why, "id", "file_in_use", "a batch that has not ended needs this file");
        ti_batch_refuse(api, reply, &why);
        return;
    }
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "id", f->id);
    ti_json_str(&json, "object", "file");
    ti_json_bool(&json, "deleted", true);
    ti_json_close(&json, '}');
    ti_batch_remove_file(b, (size_t)(f - b->files));
    ti_batch_send(api, reply, &json);
}

void ti_batch_file_one(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    char id[TI_BATCH_ID + 1];
    const char *what = "";
    ti_buf json = {0};
    bool named = ti_batch_split(request->rest, id, &what);
    if (!ti_batch_enter(api, reply, false)) {
        return;
    }
    const ti_batch_file *f = named ? ti_batch_file_get(api->batches, id) : NULL;
    bool remove = strcmp(request->method, "DELETE") == 0;
    if (!f || (*what && (remove || strcmp(what, "content") != 0))) {
        ti_batch_not_found(api, reply, "file", request->rest);
    } else if (remove) {
        delete_file(api, reply, f);
    } else if (*what) {
        send_content(api, reply, f);
    } else {
        ti_batch_render_file(&json, f);
        ti_batch_send(api, reply, &json);
    }
    ti_batch_leave(api);
}
