/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, and the threads that run handlers. */
#include "http/server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/deaf.h"
#include "base/mem.h"
#include "http/parts.h"

enum {
    CONNECTIONS = 256,
    THREADS = 4,
    THREADS_MAX = 256,
    IDLE_MS = 60000,
    REQUEST_MS = 30000,
    FINISH_MS = 5000,
    HEAD_BYTES = 16 << 10,
    ANSWER_BYTES = 20 << 10, /* of the library's memory of a connection: an answer's head, and
                                the block of a body that is made bit by bit */
    OWN_FILES = 64,          /* that the rest of the process may have open */
    CONNECTIONS_MIN = 4,
};

/* --- workers ------------------------------------------------------------------------------ */

static void *work(void *user)
{
    ti_web *web = user;
    pthread_mutex_lock(&web->mutex);
    for (;;) {
        while (!web->jobs && !web->end) {
            pthread_cond_wait(&web->work, &web->mutex);
        }
        ti_web_reply *reply = web->jobs;
        if (!reply) {
            break;
        }
        web->jobs = reply->next_job;
        web->last_job = web->jobs ? web->last_job : &web->jobs;
        bool lost = reply->lost;
        pthread_mutex_unlock(&web->mutex);
        if (!lost) { /* else there is nobody to answer */
            reply->route->answer(web->opts.user, &reply->request, reply);
        }
        ti_web_reply_returned(reply);
        pthread_mutex_lock(&web->mutex);
    }
    pthread_mutex_unlock(&web->mutex);
    return NULL;
}

static tern_status start_workers(ti_web *web, tern_err *err)
{
    tern_status status = TERN_OK;
    unsigned n = web->opts.threads;
    web->workers = ti_calloc(n, sizeof *web->workers);
    if (!web->workers) {
        return ti_fail_nomem(err, "http", n * sizeof *web->workers, "threads");
    }
    while (web->n_workers < n && status == TERN_OK) {
        int e = ti_start_deaf(&web->workers[web->n_workers], work, web);
        if (e == 0) {
            web->n_workers++;
        } else {
            status = ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET,
                             "cannot start thread %u of %u", web->n_workers + 1, n);
        }
    }
    return status;
}

/* --- opening ------------------------------------------------------------------------------ */

static void fill_defaults(ti_web_opts *o)
{
    struct rlimit files;
    unsigned most = UINT32_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < most) {
        most = files.rlim_cur > OWN_FILES + CONNECTIONS_MIN
                   ? (unsigned)files.rlim_cur - OWN_FILES
                   : CONNECTIONS_MIN;
    }
    o->connections = o->connections ? o->connections : CONNECTIONS;
    o->connections = o->connections < most ? o->connections : most;
    o->threads = o->threads ? o->threads : THREADS;
    o->threads = o->threads < THREADS_MAX ? o->threads : THREADS_MAX;
    o->idle_ms = o->idle_ms ? o->idle_ms : IDLE_MS;
    o->request_ms = o->request_ms ? o->request_ms : REQUEST_MS;
    o->finish_ms = o->finish_ms ? o->finish_ms : FINISH_MS;
    o->head_max = o->head_max ? o->head_max : HEAD_BYTES;
}

/* Paths stay as they were sent, so that what is compared is what was said. */
static size_t keep_escapes(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user;
    (void)connection;
    return strlen(text);
}

static tern_status start_library(ti_web *web, tern_err *err)
{
    int fd;
    const ti_web_opts *o = &web->opts;
    TI_TRY(ti_web_listen(&fd, web->url, o->listen, err));
    web->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, ti_web_on_request, web,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, o->connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (o->idle_ms + 999) / 1000,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->head_max + (size_t)ANSWER_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, ti_web_on_target, web,
        MHD_OPTION_NOTIFY_COMPLETED, ti_web_on_completed, web, MHD_OPTION_NOTIFY_CONNECTION,
        ti_web_on_connection, web, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_END);
    if (!web->daemon) {
        close(fd);
        return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET, "cannot serve on '%s'",
                       o->listen);
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct epoll_event library = {.events = EPOLLIN, .data.ptr = NULL};
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = web->pipe};
    web->poll = epoll_create1(EPOLL_CLOEXEC);
    if (!info || web->poll < 0 || pipe(web->pipe) != 0 ||
        fcntl(web->pipe[0], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(web->pipe[1], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(web->pipe[0], F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(web->pipe[1], F_SETFD, FD_CLOEXEC) != 0 ||
        epoll_ctl(web->poll, EPOLL_CTL_ADD, info->epoll_fd, &library) != 0 ||
        epoll_ctl(web->poll, EPOLL_CTL_ADD, web->pipe[0], &wake) != 0) {
        return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET,
                       "the system gives nothing to wait with");
    }
    return TERN_OK;
}

tern_status ti_web_open(ti_web **out, const ti_web_opts *opts, tern_err *err)
{
    ti_web *web = calloc(1, sizeof *web);
    if (!web) {
        return ti_fail_nomem(err, "http", sizeof *web, "a server");
    }
    web->opts = *opts;
    web->refs = 1;
    web->poll = web->pipe[0] = web->pipe[1] = -1;
    web->last_job = &web->jobs;
    fill_defaults(&web->opts);
    if (pthread_mutex_init(&web->mutex, NULL) != 0 ||
        pthread_cond_init(&web->work, NULL) != 0) { /* glibc's cannot fail with NULL */
        free(web);
        return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET, "no mutex");
    }
    tern_status status = start_library(web, err);
    if (status == TERN_OK) {
        status = start_workers(web, err);
    }
    if (status != TERN_OK) {
        ti_web_close(web);
        return status;
    }
    *out = web;
    return TERN_OK;
}

const char *ti_web_url(const ti_web *web)
{
    return web->url;
}

void ti_web_stop(ti_web *web)
{
    atomic_store(&web->stop, true);
    ti_web_poke(web);
}

/* --- closing ------------------------------------------------------------------------------ */

/* The library wants no connection to be suspended, and then closes all. */
static void stop_library(ti_web *web)
{
    pthread_mutex_lock(&web->mutex);
    for (ti_web_link *link = web->links; link; link = link->next) {
        if (link->reply) {
            link->reply->gone = link->reply->lost = true;
        }
    }
    pthread_mutex_unlock(&web->mutex);
    for (ti_web_link *link = web->links; link; link = link->next) {
        if (link->reply) {
            ti_web_resume(link->reply);
        }
    }
    if (web->daemon) {
        MHD_stop_daemon(web->daemon);
        web->daemon = NULL;
    }
}

static void stop_workers(ti_web *web)
{
    pthread_mutex_lock(&web->mutex);
    web->end = true;
    pthread_cond_broadcast(&web->work);
    pthread_mutex_unlock(&web->mutex);
    for (unsigned i = 0; i < web->n_workers; i++) {
        (void)pthread_join(web->workers[i], NULL);
    }
    free(web->workers);
}

void ti_web_close(ti_web *web)
{
    if (!web) {
        return;
    }
    stop_library(web);
    stop_workers(web); /* they end the jobs that are left: all are gone */
    pthread_mutex_lock(&web->mutex);
    ti_web_reply *woken = web->woken;
    web->woken = NULL;
    web->closed = true;
    pthread_mutex_unlock(&web->mutex);
    while (woken) {
        ti_web_reply *next = woken->next_woken;
        ti_web_reply_drop(woken);
        woken = next;
    }
    if (web->poll >= 0) {
        close(web->poll);
    }
    ti_web_release(web);
}
