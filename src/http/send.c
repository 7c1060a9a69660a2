/* SPDX-License-Identifier: Apache-2.0 */
/* Answers on their way to the library, in the thread of ti_web_run(). */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "http/parts.h"
#include "http/text.h"

enum { BLOCK_BYTES = 16 << 10 };

/* --- waiting ------------------------------------------------------------------------------ */

/* The library does not look at a suspended connection; we do. */
void ti_web_suspend(ti_web_reply *reply)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = reply};
    TI_ASSERT(!reply->suspended);
    reply->suspended = true;
    MHD_suspend_connection(reply->connection);
    /* Where it fails a client that leaves is noticed when something is sent to it. */
    (void)epoll_ctl(reply->web->poll, EPOLL_CTL_ADD, reply->link->fd, &event);
}

void ti_web_resume(ti_web_reply *reply)
{
    if (reply->suspended) {
        reply->suspended = false;
        (void)epoll_ctl(reply->web->poll, EPOLL_CTL_DEL, reply->link->fd, NULL);
        MHD_resume_connection(reply->connection);
    }
}

/* --- bodies ------------------------------------------------------------------------------- */

static ssize_t read_stream(void *user, uint64_t at, char *out, size_t cap)
{
    ti_web_reply *reply = user;
    ssize_t n = 0;
    (void)at;
    pthread_mutex_lock(&reply->web->mutex);
    size_t left = reply->chunk.len - reply->sent;
    bool wait = false;
    if (reply->failed || reply->gone) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (left > 0) {
        size_t take = left < cap ? left : cap;
        memcpy(out, reply->chunk.data + reply->sent, take);
        reply->sent += take;
        n = (ssize_t)take;
    } else if (reply->ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        wait = true;
    }
    pthread_mutex_unlock(&reply->web->mutex);
    if (wait) {
        ti_web_suspend(reply); /* only this thread resumes, so nothing is missed */
    }
    return n;
}

static ssize_t read_source(void *user, uint64_t at, char *out, size_t cap)
{
    ti_web_reply *reply = user;
    size_t n = 0;
    tern_status status = reply->source.read(reply->source.user, at, out, cap, &n);
    if (status != TERN_OK || n > cap) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    bool early = n == 0 && reply->source.size != UINT64_MAX; /* less than was promised */
    return n > 0
               ? (ssize_t)n
               : (early ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM);
}

static void let_go(void *user)
{
    ti_web_reply_drop(user);
}

static struct MHD_Response *whole(ti_web_reply *reply)
{
    ti_buf *body = &reply->out_body;
    if (body->len == 0) {
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *r =
        MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
    if (r) {
        *body = (ti_buf){0};
    }
    return r;
}

static struct MHD_Response *response_of(ti_web_reply *reply, bool stream)
{
    MHD_ContentReaderCallback read = stream ? read_stream : read_source;
    uint64_t size =
        stream || reply->source.size == UINT64_MAX ? MHD_SIZE_UNKNOWN : reply->source.size;
    if (!stream && !reply->source.read) {
        return whole(reply);
    }
    struct MHD_Response *r =
        MHD_create_response_from_callback(size, BLOCK_BYTES, read, reply, let_go);
    if (r) { /* let_go() gives it back */
        pthread_mutex_lock(&reply->web->mutex);
        reply->refs++;
        pthread_mutex_unlock(&reply->web->mutex);
    }
    return r;
}

/* --- heads -------------------------------------------------------------------------------- */

static bool add_headers(struct MHD_Response *r, const ti_buf *headers)
{
    const char *at = headers->data, *end = at ? at + headers->len : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (MHD_add_response_header(r, at, value) != MHD_YES) {
            return false;
        }
        at = value + strlen(value) + 1;
    }
    return true;
}

/* Pages of those sites may read it. */
static bool add_origin(struct MHD_Response *r, const ti_web_reply *reply)
{
    static const char name[] = "Access-Control-Allow-Origin";
    bool listed;
    const char *origins = reply->web->opts.origins;
    const char *origin = ti_web_header(&reply->request, "Origin");
    if (!origins || strcmp(origins, "*") == 0) {
        return !origins || MHD_add_response_header(r, name, "*") == MHD_YES;
    }
    (void)MHD_add_response_header(r, "Vary", "Origin");
    return !origin || !ti_web_origin_ours(origin, NULL, origins, &listed) ||
           MHD_add_response_header(r, name, origin) == MHD_YES;
}

static bool add_head(struct MHD_Response *r, const ti_web_reply *reply)
{
    return MHD_add_response_header(r, "Content-Type", reply->type) == MHD_YES &&
           (reply->cached ||
            MHD_add_response_header(r, "Cache-Control", "no-store") == MHD_YES) &&
           MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") == MHD_YES &&
           add_origin(r, reply) && add_headers(r, &reply->out_headers);
}

enum MHD_Result ti_web_send(ti_web_reply *reply)
{
    pthread_mutex_lock(&reply->web->mutex);
    bool stream = reply->stream, bad = reply->out_headers.failed || reply->out_body.failed;
    pthread_mutex_unlock(&reply->web->mutex);
    if (bad && stream) {
        return MHD_NO;
    }
    if (bad) {
        reply->source.read = NULL; /* its done() is called all the same */
        ti_buf_free(&reply->out_headers);
        ti_web_reply_error(reply, 500, NULL);
        if (reply->out_body.failed) {
            ti_buf_free(&reply->out_body);
        }
    }
    struct MHD_Response *r = response_of(reply, stream);
    if (!r) {
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_NO;
    if (add_head(r, reply)) {
        queued = MHD_queue_response(reply->connection, reply->code, r);
    }
    MHD_destroy_response(r);
    reply->queued = queued == MHD_YES;
    reply->link->phase = TI_WEB_BUSY;
    return queued;
}

enum MHD_Result ti_web_refuse(ti_web_reply *reply, unsigned code, const char *why)
{
    ti_web_reply_error(reply, code, why);
    return ti_web_send(reply);
}
