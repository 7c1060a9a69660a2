/* SPDX-License-Identifier: Apache-2.0 */
/* The life of what keeps files and batches, and what answers about them have in common. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deaf.h"
#include "serve/batch_parts.h"

/* --- answers --------------------------------------------------------------------------------
 */

void ti_batch_refuse(ti_api *api, ti_web_reply *reply, const ti_refusal *why)
{
    ti_api_refuse(api, TI_ASK_OPENAI_TEXT, reply, why);
}

void ti_batch_refuse_status(ti_api *api, ti_web_reply *reply, tern_status status,
                            const tern_err *err)
{
    enum { TOO_MANY = 429 };
    ti_refusal why;
    if (status == TERN_LIMIT) {
        ti_refuse(&why, NULL, "rate_limit_exceeded", "%.200s", err->message);
        why.http = TOO_MANY;
        why.type = "rate_limit_error";
    } else {
        ti_refusal_of(&why, status, err);
    }
    ti_batch_refuse(api, reply, &why);
}

void ti_batch_not_found(ti_api *api, ti_web_reply *reply, const char *what, const char *id)
{
    enum { NOT_FOUND = 404 };
    ti_refusal why;
    ti_refuse(&why, "id", "not_found", "there is no %s '%.40s'", what, id);
    why.http = NOT_FOUND;
    ti_batch_refuse(api, reply, &why);
}

void ti_batch_send(ti_api *api, ti_web_reply *reply, ti_buf *json)
{
    ti_api_send(reply, json);
    ti_api_count(api, 200);
}

/* With the mutex held where it is true; false: it was refused. */
bool ti_batch_enter(ti_api *api, ti_web_reply *reply, bool make)
{
    tern_err err = {.message = "this server keeps no files"};
    ti_batches *b = api->batches;
    tern_status status = b ? TERN_OK : TERN_UNAVAILABLE;
    if (b) {
        pthread_mutex_lock(&b->mutex);
        status = ti_batch_store_open(b, make, &err);
        if (status == TERN_OK) {
            return true;
        }
        pthread_mutex_unlock(&b->mutex);
    }
    ti_batch_refuse_status(api, reply, status, &err);
    return false;
}

void ti_batch_leave(ti_api *api)
{
    pthread_mutex_unlock(&api->batches->mutex);
}

void ti_batch_end_list(ti_buf *json, const char *first, const char *last, bool more)
{
    ti_json_close(json, ']');
    if (first) {
        ti_json_str(json, "first_id", first);
        ti_json_str(json, "last_id", last);
    } else {
        ti_json_null(json, "first_id");
        ti_json_null(json, "last_id");
    }
    ti_json_bool(json, "has_more", more);
    ti_json_close(json, '}');
}

void ti_batch_begin_list(ti_buf *json)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "object", "list");
    ti_json_open(json, "data", '[');
}

/* Splits "ID" or "ID/what"; false where the id is none. */
bool ti_batch_split(const char *rest, char id[TI_BATCH_ID + 1], const char **what)
{
    size_t n = strcspn(rest, "/");
    if (n == 0 || n > TI_BATCH_ID) {
        return false;
    }
    memcpy(id, rest, n);
    id[n] = '\0';
    *what = rest[n] ? rest + n + 1 : "";
    return true;
}

/* --- beginning and end ----------------------------------------------------------------------
 */

static void free_all(ti_batches *b)
{
    for (size_t i = 0; i < b->n; i++) {
        ti_batch_free(b->items[i]);
    }
    if (b->lock_fd >= 0) {
        close(b->lock_fd); /* which unlocks */
    }
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->mutex);
    free(b->dir);
    free(b);
}

tern_status ti_batches_open(ti_batches **out, ti_api *api, const char *dir, tern_err *err)
{
    ti_batches *b = ti_calloc(1, sizeof *b);
    if (!b || pthread_mutex_init(&b->mutex, NULL) != 0) {
        free(b);
        return ti_fail_nomem(err, "batch", sizeof *b, "batches");
    }
    b->lock_fd = -1;
    b->api = api;
    if (pthread_cond_init(&b->wake, NULL) != 0) {
        pthread_mutex_destroy(&b->mutex);
        free(b);
        return ti_fail_nomem(err, "batch", sizeof *b, "a lock");
    }
    b->dir = strdup(dir);
    tern_status status = b->dir ? ti_batch_store_open(b, false, err)
                                : ti_fail_nomem(err, "batch", strlen(dir), "a path");
    if (status != TERN_OK && status != TERN_NOMEM) { /* another server has them, or the disk is
                                                        damaged: all else is answered */
        if (api->opts.port.warn) {
            api->opts.port.warn(api->opts.port.user, err);
        }
        status = TERN_OK;
    }
    if (status == TERN_OK && ti_start_deaf(&b->thread, ti_batches_run, b) != 0) {
        status = ti_fail(err, TERN_UNAVAILABLE, "batch", TI_NO_OFFSET, "no thread to be had");
    }
    if (status != TERN_OK) {
        free_all(b);
        return status;
    }
    *out = b;
    return TERN_OK;
}

void ti_batches_stop(ti_batches *b)
{
    if (b) {
        pthread_mutex_lock(&b->mutex);
        b->closing = true;
        pthread_cond_broadcast(&b->wake);
        pthread_mutex_unlock(&b->mutex);
        pthread_join(b->thread, NULL);
    }
}

void ti_batches_close(ti_batches *b)
{
    if (b) {
        if (!b->closing) {
            ti_batches_stop(b);
        }
        free_all(b);
    }
}
