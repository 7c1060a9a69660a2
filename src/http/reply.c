/* SPDX-License-Identifier: Apache-2.0 */
/* The side of a reply that handlers see.  What the loop must know goes through web->mutex. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/parts.h"

enum { BACKLOG_BYTES = 1 << 20 };

/* --- life --------------------------------------------------------------------------------- */

ti_web_reply *ti_web_reply_new(ti_web *web)
{
    ti_web_reply *reply = calloc(1, sizeof *reply);
    if (reply) {
        reply->web = web;
        reply->refs = 1;
        reply->code = 200;
        reply->type = "text/plain; charset=utf-8";
        pthread_mutex_lock(&web->mutex);
        web->refs++;
        pthread_mutex_unlock(&web->mutex);
    }
    return reply;
}

void ti_web_release(ti_web *web)
{
    pthread_mutex_lock(&web->mutex);
    bool last = --web->refs == 0;
    pthread_mutex_unlock(&web->mutex);
    if (last) {
        (void)pthread_cond_destroy(&web->work);
        (void)pthread_mutex_destroy(&web->mutex);
        for (int i = 0; i < 2; i++) {
            if (web->pipe[i] >= 0) {
                close(web->pipe[i]);
            }
        }
        free(web);
    }
}

/* Gives n references back; the last frees. */
static void drop(ti_web_reply *reply, unsigned n)
{
    ti_web *web = reply->web;
    pthread_mutex_lock(&web->mutex);
    reply->refs -= n;
    bool last = reply->refs == 0;
    pthread_mutex_unlock(&web->mutex);
    if (!last) {
        return;
    }
    if (reply->source.done) {
        reply->source.done(reply->source.user);
    }
    ti_buf_free(&reply->target);
    ti_buf_free(&reply->rest);
    ti_buf_free(&reply->headers);
    ti_buf_free(&reply->body);
    ti_buf_free(&reply->out_headers);
    ti_buf_free(&reply->out_body);
    ti_buf_free(&reply->chunk);
    free(reply);
    ti_web_release(web);
}

void ti_web_reply_drop(ti_web_reply *reply)
{
    drop(reply, 1);
}

void ti_web_poke(const ti_web *web)
{
    int before = errno;
    ssize_t n = write(web->pipe[1], "", 1); /* a full pipe wakes as well */
    (void)n;
    errno = before;
}

void ti_web_wake(ti_web_reply *reply)
{
    ti_web *web = reply->web;
    if (!reply->woken && !web->closed) {
        reply->woken = true;
        reply->refs++;
        reply->next_woken = web->woken;
        web->woken = reply;
        ti_web_poke(web);
    }
}

/* --- what handlers call ------------------------------------------------------------------- */

const char *ti_web_header(const ti_web_request *request, const char *name)
{
    const ti_web_reply *reply =
        (const ti_web_reply *)(const void *)request; /* its first field */
    const char *at = reply->headers.data, *end = at ? at + reply->headers.len : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) {
            return value;
        }
        at = value + strlen(value) + 1;
    }
    return NULL;
}

void ti_web_reply_forget(ti_web_reply *reply)
{
    ti_buf_free(&reply->body);
    reply->request.body = (ti_str){"", 0};
}

void ti_web_reply_head(ti_web_reply *reply, unsigned code, const char *type)
{
    reply->code = code;
    reply->type = type;
}

void ti_web_reply_header(ti_web_reply *reply, const char *name, const char *value)
{
    ti_buf *out = &reply->out_headers;
    reply->cached = reply->cached || strcasecmp(name, "Cache-Control") == 0;
    ti_buf_add(out, name, strlen(name) + 1);
    for (const char *p = value; *p; p++) {
        bool control = (unsigned char)*p < ' ' || *p == 0x7f;
        ti_buf_addc(out, control ? ' ' : *p);
    }
    ti_buf_addc(out, '\0');
}

void ti_web_reply_body(ti_web_reply *reply, ti_buf *body)
{
    ti_buf_free(&reply->out_body);
    reply->out_body = *body;
    *body = (ti_buf){0};
}

void ti_web_reply_text(ti_web_reply *reply, unsigned code, const char *type, const char *text)
{
    ti_buf body = {0};
    ti_buf_adds(&body, text);
    ti_web_reply_head(reply, code, type);
    ti_web_reply_body(reply, &body);
}

void ti_web_reply_error(ti_web_reply *reply, unsigned code, const char *why)
{
    const ti_web_opts *opts = &reply->web->opts;
    ti_buf body = {0};
    const char *type = "text/plain; charset=utf-8";
    if (opts->error) {
        type = opts->error(opts->user, &body, reply->target.data ? reply->target.data : "",
                           code, why);
    } else {
        ti_buf_addf(&body, "%u %s%s%s\n", code, MHD_get_reason_phrase_for(code),
                    why ? ": " : "", why ? why : "");
    }
    ti_web_reply_head(reply, code, type);
    ti_web_reply_body(reply, &body);
}

void ti_web_reply_source(ti_web_reply *reply, const ti_web_source *source)
{
    reply->source = *source;
}

void ti_web_reply_keep(ti_web_reply *reply)
{
    reply->kept = true;
}

/* Forgets what was sent, now and then: moving the rest each time would cost more. */
static void make_room(ti_web_reply *reply)
{
    ti_buf *chunk = &reply->chunk;
    if (reply->sent > 0 && reply->sent >= chunk->len / 2) {
        memmove(chunk->data, chunk->data + reply->sent, chunk->len - reply->sent);
        chunk->len -= reply->sent;
        reply->sent = 0;
    }
}

tern_status ti_web_reply_write(ti_web_reply *reply, const void *bytes, size_t len,
                               tern_err *err)
{
    ti_web *web = reply->web;
    size_t most = web->opts.backlog_max ? web->opts.backlog_max : (size_t)BACKLOG_BYTES;
    pthread_mutex_lock(&web->mutex);
    bool gone = reply->gone, full = len > most - (reply->chunk.len - reply->sent);
    reply->ready = reply->stream = true;
    if (!gone && !full) {
        make_room(reply);
        ti_buf_add(&reply->chunk, bytes, len);
    }
    bool failed = reply->chunk.failed;
    reply->failed = reply->failed || failed || full;
    ti_web_wake(reply);
    pthread_mutex_unlock(&web->mutex);
    if (gone) {
        return ti_fail(err, TERN_CANCELLED, "http", TI_NO_OFFSET, "the client has gone");
    }
    if (full) {
        return ti_fail(err, TERN_LIMIT, "http", TI_NO_OFFSET,
                       "the client has not taken %zu bytes", most);
    }
    return failed ? ti_fail_nomem(err, "http", len, "an answer") : TERN_OK;
}

void ti_web_reply_fail(ti_web_reply *reply)
{
    bool begun;
    pthread_mutex_lock(&reply->web->mutex);
    begun = reply->stream;
    reply->failed = true;
    pthread_mutex_unlock(&reply->web->mutex);
    if (!begun) {
        ti_web_reply_error(reply, 500, NULL);
    }
}

static void finish(ti_web_reply *reply)
{
    pthread_mutex_lock(&reply->web->mutex);
    reply->ready = reply->ended = true;
    ti_web_wake(reply);
    pthread_mutex_unlock(&reply->web->mutex);
}

void ti_web_reply_returned(ti_web_reply *reply)
{
    if (!reply->kept) {
        finish(reply);
    }
    drop(reply, reply->kept ? 1 : 2);
}

void ti_web_reply_end(ti_web_reply *reply)
{
    finish(reply);
    drop(reply, 1);
}

bool ti_web_reply_gone(const ti_web_reply *reply)
{
    pthread_mutex_lock(&reply->web->mutex);
    bool gone = reply->gone;
    pthread_mutex_unlock(&reply->web->mutex);
    return gone;
}
