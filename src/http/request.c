/* SPDX-License-Identifier: Apache-2.0 */
/* The library's callbacks: a request is read, looked at, and handed to the workers.  All run in
 * the thread of ti_web_run(). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http/parts.h"
#include "http/text.h"

/* A body that is too long is read to its end all the same if that is not far: a client that is
 * still sending when the connection closes may never see the answer. */
enum { BODY_BYTES = 64 << 10, FORGET_BYTES = 1 << 20 };

uint64_t ti_web_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static ti_web_link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* --- connections -------------------------------------------------------------------------- */

void ti_web_on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode how)
{
    ti_web *web = user;
    ti_web_link *link = *context;
    if (how == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        link = info ? calloc(1, sizeof *link) : NULL;
        if (!link) {
            return; /* its requests are not answered */
        }
        link->fd = info->connect_fd;
        link->since_ms = ti_web_now_ms();
        link->next = web->links;
        if (link->next) {
            link->next->prev = link;
        }
        web->links = link;
        web->n_links++;
        *context = link;
    } else if (link) {
        *(link->prev ? &link->prev->next : &web->links) = link->next;
        if (link->next) {
            link->next->prev = link->prev;
        }
        web->n_links--;
        free(link);
        *context = NULL;
    }
}

/* The request line is there; what comes back is the request's state from now on. */
void *ti_web_on_target(void *user, const char *target, struct MHD_Connection *connection)
{
    ti_web *web = user;
    ti_web_link *link = link_of(connection);
    ti_web_reply *reply = link ? ti_web_reply_new(web) : NULL;
    if (!reply) {
        return NULL;
    }
    reply->connection = connection;
    reply->link = link;
    ti_buf_add(&reply->target, target, strlen(target) + 1);
    link->reply = reply;
    link->phase = TI_WEB_READING;
    link->since_ms = ti_web_now_ms();
    return reply;
}

void ti_web_on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    ti_web *web = user;
    ti_web_reply *reply = *state;
    (void)connection;
    (void)how;
    if (!reply) {
        return;
    }
    pthread_mutex_lock(&web->mutex);
    reply->gone = reply->lost = true;
    pthread_mutex_unlock(&web->mutex);
    reply->link->reply = NULL;
    reply->link->phase = TI_WEB_IDLE;
    reply->link->since_ms = ti_web_now_ms();
    reply->link = NULL;
    reply->connection = NULL;
    *state = NULL;
    ti_web_reply_drop(reply);
}

/* --- the head ----------------------------------------------------------------------------- */

typedef struct head_count {
    ti_web_reply *reply;
    unsigned hosts, lengths, codings;
    bool other_coding;
} head_count;

static enum MHD_Result keep_header(void *user, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    head_count *count = user;
    ti_buf *out = &count->reply->headers;
    (void)kind;
    value = value ? value : "";
    ti_buf_add(out, name, strlen(name) + 1);
    ti_buf_add(out, value, strlen(value) + 1);
    count->hosts += strcasecmp(name, "Host") == 0;
    count->lengths += strcasecmp(name, "Content-Length") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        count->codings++;
        count->other_coding = strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

/* Where a request ends must be clear, also to a proxy before us; 0 = nothing is wrong. */
static unsigned bad_head(ti_web_reply *reply, const char *version, const char **why)
{
    head_count count = {.reply = reply};
    (void)MHD_get_connection_values(reply->connection, MHD_HEADER_KIND, keep_header, &count);
    if (reply->headers.failed || reply->target.failed) {
        return 500;
    }
    if (strncmp(version, "HTTP/1.", 7) != 0) {
        return 505;
    }
    if (reply->headers.len + reply->target.len > reply->web->opts.head_max) {
        return 431;
    }
    if (count.other_coding) {
        return 501;
    }
    bool hosts = count.hosts == 1 || (count.hosts == 0 && strcmp(version, "HTTP/1.0") == 0);
    if (count.lengths > 1 || count.codings > 1 || (count.lengths && count.codings)) {
        *why = "two lengths";
        return 400;
    }
    if (!hosts || !ti_web_target_valid(reply->target.data)) {
        *why = hosts ? "not a path" : "no host";
        return 400;
    }
    return 0;
}

static void split_target(ti_web_reply *reply)
{
    char *mark = strchr(reply->target.data, '?');
    reply->request.path = reply->target.data;
    reply->request.query = "";
    if (mark) {
        *mark = '\0';
        reply->request.query = mark + 1;
    }
    reply->request.rest = "";
    reply->request.body = (ti_str){"", 0};
}

/* Who may ask at all; 0 = this one. */
static unsigned bad_sender(const ti_web_reply *reply, const char **why)
{
    const ti_web_opts *opts = &reply->web->opts;
    const ti_web_request *request = &reply->request;
    const char *host = ti_web_header(request, "Host");
    const char *origin = ti_web_header(request, "Origin");
    bool listed, reads = ti_web_method_in("GET, OPTIONS", request->method);
    if (host && !ti_web_host_ours(host, opts->hosts)) {
        *why = "not a name of this server";
        return 421;
    }
    if (origin && !reads && !ti_web_origin_ours(origin, host, opts->origins, &listed)) {
        *why = "a page of another site may not send this";
        return 403;
    }
    return 0;
}

/* Sends an answer that needs no body of the request.  Where one is on its way, the connection
 * ends with it; else it goes on. */
static enum MHD_Result send_early(ti_web_reply *reply)
{
    const char *length = ti_web_header(&reply->request, "Content-Length");
    bool body = (length && strcmp(length, "0") != 0) ||
                ti_web_header(&reply->request, "Transfer-Encoding");
    if (body) {
        return ti_web_send(reply);
    }
    reply->early = true; /* in the call that says that nothing follows */
    return MHD_YES;
}

static enum MHD_Result answer_options(ti_web_reply *reply, const char *allow)
{
    const ti_web_request *request = &reply->request;
    const char *wanted = ti_web_header(request, "Access-Control-Request-Headers");
    ti_web_reply_text(reply, 204, reply->type, "");
    ti_web_reply_header(reply, "Allow", allow);
    if (reply->web->opts.origins && ti_web_header(request, "Access-Control-Request-Method")) {
        ti_web_reply_header(reply, "Access-Control-Allow-Methods", allow);
        if (wanted) {
            ti_web_reply_header(reply, "Access-Control-Allow-Headers", wanted);
        }
        ti_web_reply_header(reply, "Access-Control-Max-Age", "600");
    }
    return send_early(reply);
}

/* Finds who answers; no body has been read.  True when it goes on. */
static bool find_route(ti_web_reply *reply, enum MHD_Result *result)
{
    char allow[TI_WEB_ALLOW_MAX];
    ti_str rest;
    ti_web *web = reply->web;
    ti_web_request *request = &reply->request;
    reply->route =
        ti_web_route_find(web->opts.routes, request->method, request->path, &rest, allow);
    if (!reply->route && allow[0] && strcmp(request->method, "OPTIONS") == 0) {
        *result = answer_options(reply, allow);
        return false;
    }
    if (!reply->route) {
        if (allow[0]) {
            ti_web_reply_header(reply, "Allow", allow);
        }
        ti_web_reply_error(reply, allow[0] ? 405 : 404, NULL);
        *result = send_early(reply);
        return false;
    }
    ti_buf_add(&reply->rest, rest.data, rest.len);
    request->rest = reply->rest.data ? reply->rest.data : "";
    if (reply->rest.failed) {
        *result = ti_web_refuse(reply, 500, NULL);
        return false;
    }
    if (web->opts.admit && !web->opts.admit(web->opts.user, request, reply)) {
        *result = send_early(reply);
        return false;
    }
    return true;
}

static enum MHD_Result begin(ti_web_reply *reply, const char *method, const char *version)
{
    const char *why = NULL;
    enum MHD_Result result = MHD_YES;
    ti_web *web = reply->web;
    reply->begun = true;
    reply->request.method = method;
    unsigned bad = bad_head(reply, version, &why);
    if (!bad) {
        split_target(reply);
        bad = bad_sender(reply, &why);
    }
    if (!bad && web->stopping) {
        bad = 503;
    }
    if (bad) {
        ti_web_reply_header(reply, "Connection", "close");
        return ti_web_refuse(reply, bad, why);
    }
    if (!find_route(reply, &result)) {
        return result;
    }
    const char *length = ti_web_header(&reply->request, "Content-Length");
    uint64_t size = length ? strtoull(length, NULL, 10) : 0;
    reply->body_max = reply->route->body_max    ? reply->route->body_max
                      : web->opts.body_max != 0 ? web->opts.body_max
                                                : (size_t)BODY_BYTES;
    reply->too_long = size > reply->body_max;
    if (size > (uint64_t)reply->body_max + FORGET_BYTES) {
        return ti_web_refuse(reply, 413, NULL);
    }
    return MHD_YES;
}

/* --- the body ----------------------------------------------------------------------------- */

static enum MHD_Result receive(ti_web_reply *reply, const char *bytes, size_t len)
{
    if (reply->too_long || len > reply->body_max - reply->body.len) {
        /* From now on `sent` counts what is forgotten; nothing of an answer exists yet. */
        reply->too_long = true;
        reply->sent += len;
        ti_buf_free(&reply->body);
        return reply->sent > FORGET_BYTES + reply->body_max ? MHD_NO : MHD_YES;
    }
    ti_buf_add(&reply->body, bytes, len);
    return MHD_YES;
}

/* The request is whole: the connection waits while a worker answers. */
static enum MHD_Result hand_over(ti_web_reply *reply)
{
    ti_web *web = reply->web;
    if (reply->too_long || reply->body.failed) {
        return ti_web_refuse(reply, reply->too_long ? 413 : 500, NULL);
    }
    if (reply->body.data) {
        reply->request.body = (ti_str){reply->body.data, reply->body.len};
    }
    reply->handed = true;
    reply->link->phase = TI_WEB_BUSY;
    ti_web_suspend(reply);
    pthread_mutex_lock(&web->mutex);
    reply->refs += 2; /* the thread's, and the one that ti_web_reply_end() gives back */
    reply->next_job = NULL;
    *web->last_job = reply;
    web->last_job = &reply->next_job;
    pthread_mutex_unlock(&web->mutex);
    pthread_cond_signal(&web->work); /* who wakes up finds the lock free */
    return MHD_YES;
}

/* The connection was resumed: there is an answer, or the end of the server. */
static enum MHD_Result go_on(ti_web_reply *reply)
{
    pthread_mutex_lock(&reply->web->mutex);
    bool ready = reply->ready;
    bool over = reply->lost || (reply->stream && (reply->gone || reply->failed));
    pthread_mutex_unlock(&reply->web->mutex);
    if (over) {
        return MHD_NO;
    }
    if (ready) {
        return ti_web_send(reply);
    }
    ti_web_suspend(reply);
    return MHD_YES;
}

enum MHD_Result ti_web_on_request(void *user, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version,
                                  const char *bytes, size_t *len, void **state)
{
    ti_web_reply *reply = *state;
    (void)user;
    (void)connection;
    (void)url;
    if (!reply) {
        return MHD_NO;
    }
    if (!reply->begun) {
        return begin(reply, method, version);
    }
    if (*len > 0) {
        size_t n = *len;
        *len = 0;
        return receive(reply, bytes, n);
    }
    if (reply->early) {
        return ti_web_send(reply);
    }
    if (!reply->handed) {
        return hand_over(reply);
    }
    return go_on(reply);
}
