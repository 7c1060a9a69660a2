/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: it is ours and not the library's, so that signals end it, nothing of the library is
 * used by two threads, and a request that takes too long as a whole is ended - the library's
 * own limit is one of silence, which a client that sends a byte now and then does not reach. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/parts.h"

enum { EVENTS = 64, EVICT_MS = 500 };

/* --- connections whose time is over ------------------------------------------------------- */

/* Tells a client why, in a connection in which nothing else is being sent. */
static void say(const ti_web *web, int fd, unsigned code)
{
    char head[256];
    ti_buf body = {0};
    const char *type = "text/plain; charset=utf-8";
    if (web->opts.error) {
        type = web->opts.error(web->opts.user, &body, "", code, NULL);
    } else {
        ti_buf_addf(&body, "%u %s\n", code, MHD_get_reason_phrase_for(code));
    }
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                     code, MHD_get_reason_phrase_for(code), type, body.len);
    if (n > 0 && (size_t)n < sizeof head && !body.failed) {
        /* What does not fit into the socket's buffer is not worth waiting for. */
        (void)!send(fd, head, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
        (void)!send(fd, body.data, body.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    ti_buf_free(&body);
}

static void hang_up(const ti_web *web, ti_web_link *link, unsigned code)
{
    if (code) {
        say(web, link->fd, code);
    }
    link->closing = true; /* the library sees the end, and closes */
    (void)shutdown(link->fd, SHUT_RDWR);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Ends what has lasted too long; returns after how many milliseconds the next will have,
 * UINT64_MAX when nobody has a limit. */
static uint64_t end_late(ti_web *web)
{
    uint64_t now = ti_web_now_ms(), next = UINT64_MAX;
    ti_web_link *oldest = NULL;
    unsigned left = web->n_links;
    for (ti_web_link *link = web->links; link; link = link->next) {
        uint64_t spent = now - link->since_ms;
        bool reading = link->phase == TI_WEB_READING;
        uint64_t limit = reading ? web->opts.request_ms : web->opts.idle_ms;
        if (link->closing) {
            left--;
        } else if (link->phase != TI_WEB_BUSY && spent >= limit) {
            hang_up(web, link, reading ? 408 : 0);
        } else if (link->phase != TI_WEB_BUSY) {
            next = least(next, limit - spent);
            bool older = !reading && (!oldest || link->since_ms < oldest->since_ms);
            oldest = older ? link : oldest;
        }
    }
    if (left >= web->opts.connections && oldest) { /* others wait to be accepted */
        uint64_t spent = now - oldest->since_ms;
        if (spent >= EVICT_MS) {
            hang_up(web, oldest, 0);
            next = 0;
        } else {
            next = least(next, EVICT_MS - spent);
        }
    }
    return next;
}

/* --- what has happened -------------------------------------------------------------------- */

/* A client has closed its side while it is waited for.  Whoever makes its answer can see that;
 * a whole answer is sent all the same, as the other side may be open. */
static void note_gone(ti_web_reply *reply)
{
    pthread_mutex_lock(&reply->web->mutex);
    reply->gone = true;
    bool stream = reply->stream;
    pthread_mutex_unlock(&reply->web->mutex);
    if (stream) {
        ti_web_resume(reply);
    }
}

/* Goes on with those who have something to say. */
static void run_woken(ti_web *web)
{
    pthread_mutex_lock(&web->mutex);
    ti_web_reply *reply = web->woken;
    web->woken = NULL;
    while (reply) {
        /* As long as it is `woken`, nobody else links it anywhere. */
        ti_web_reply *next = reply->next_woken;
        reply->woken = false;
        pthread_mutex_unlock(&web->mutex);
        if (reply->connection) {
            ti_web_resume(reply);
        }
        ti_web_reply_drop(reply);
        pthread_mutex_lock(&web->mutex);
        reply = next;
    }
    pthread_mutex_unlock(&web->mutex);
}

static void drain(const ti_web *web)
{
    char bytes[256];
    while (read(web->pipe[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes) {
    }
}

/* Sleeps until something is to be done, at most `most_ms`, and does it. */
static tern_status turn(ti_web *web, const sigset_t *mask, uint64_t most_ms, tern_err *err)
{
    struct epoll_event events[EVENTS];
    MHD_UNSIGNED_LONG_LONG library_ms;
    uint64_t wait_ms = least(most_ms, end_late(web));
    if (MHD_get_timeout(web->daemon, &library_ms) == MHD_YES) {
        wait_ms = least(wait_ms, library_ms);
    }
    int wait = wait_ms == UINT64_MAX ? -1 : (int)least(wait_ms, INT_MAX);
    int n = epoll_pwait(web->poll, events, EVENTS, wait, mask);
    if (n < 0 && errno != EINTR) {
        return ti_fail_errno(err, errno, "http", "cannot wait for requests");
    }
    for (int i = 0; i < n; i++) {
        void *what = events[i].data.ptr;
        if (what == web->pipe) {
            drain(web);
        } else if (what) {
            note_gone(what);
        }
    }
    run_woken(web);
    unsigned before = web->n_links;
    (void)MHD_run(web->daemon);
    if (web->n_links < before) { /* the library listens again in the run after a free place */
        (void)MHD_run(web->daemon);
    }
    return TERN_OK;
}

/* --- beginning and end -------------------------------------------------------------------- */

static bool told_to_stop(ti_web *web)
{
    return atomic_load(&web->stop) || (web->opts.stop && web->opts.stop(web->opts.user));
}

static bool busy(const ti_web *web)
{
    const ti_web_link *link = web->links;
    while (link && link->phase != TI_WEB_BUSY) {
        link = link->next;
    }
    return link != NULL;
}

/* Requests that came whole get their time, connections without one are closed. */
static tern_status finish(ti_web *web, const sigset_t *mask, tern_err *err)
{
    MHD_socket listening = MHD_quiesce_daemon(web->daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
    }
    web->stopping = true;
    uint64_t begun = ti_web_now_ms(), spent = 0, most = web->opts.finish_ms;
    for (; busy(web) && spent < most; spent = ti_web_now_ms() - begun) {
        TI_TRY(turn(web, mask, most - spent, err));
    }
    return TERN_OK;
}

tern_status ti_web_run(ti_web *web, tern_err *err)
{
    sigset_t ends, before;
    tern_status status = TERN_OK;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, &before);
    while (status == TERN_OK && !told_to_stop(web)) {
        status = turn(web, &before, UINT64_MAX, err);
    }
    if (status == TERN_OK) {
        status = finish(web, &before, err);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}
