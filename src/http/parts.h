/* SPDX-License-Identifier: Apache-2.0 */
/* http/parts.h - what the files of the server share. */
#ifndef TI_HTTP_PARTS_H
#define TI_HTTP_PARTS_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http/server.h"

enum { TI_WEB_URL_MAX = 320 };

/* --- connections: known to the thread of ti_web_run() alone ------------------------------- */

typedef enum ti_web_phase {
    TI_WEB_IDLE,    /* nothing asked, or less than a request line */
    TI_WEB_READING, /* the rest of a request is awaited */
    TI_WEB_BUSY,    /* an answer is made or sent */
} ti_web_phase;

typedef struct ti_web_link {
    struct ti_web_link *next, *prev;
    int fd;
    ti_web_phase phase;
    bool closing;        /* shut down; the library will see it */
    uint64_t since_ms;   /* of the phase */
    ti_web_reply *reply; /* of the request under way, or NULL */
} ti_web_link;

/* --- a request and its answer ------------------------------------------------------------- */

struct ti_web_reply {
    ti_web_request request;
    ti_web *web;
    unsigned refs; /* guarded by web->mutex: its connection, the thread in its handler, who must
                      end it, the list of woken */

    /* Of the request; written before a handler sees it. */
    ti_buf target;  /* path and query, as they came; split by NULs */
    ti_buf rest;    /* of ti_web_request */
    ti_buf headers; /* "name\0value\0" ... */
    ti_buf body;
    const ti_web_route *route;
    size_t body_max;
    bool begun;    /* the head was looked at */
    bool too_long; /* the body; what comes is forgotten */
    bool early;    /* the answer is there before a handler was asked */
    bool handed;   /* to the workers */

    /* Of the answer; belongs to the handler until `ready`. */
    unsigned code;
    const char *type;
    ti_buf out_headers; /* "name\0value\0" ... */
    ti_buf out_body;
    ti_web_source source; /* read is NULL when there is none */
    bool kept, cached;

    /* Of the connection; the thread of ti_web_run(). */
    struct MHD_Connection *connection; /* NULL once it is done with */
    ti_web_link *link;
    bool suspended, queued; /* the library waits for us; has the answer */

    /* Guarded by web->mutex. */
    bool ready;   /* the head may be sent */
    bool stream;  /* the body is `chunk`, until `ended` */
    bool ended;   /* the handler is done */
    bool failed;  /* what was made is not whole */
    bool gone;    /* nobody waits any more, as far as can be seen */
    bool lost;    /* the connection is done with it */
    bool woken;   /* in web->woken */
    ti_buf chunk; /* bytes of the stream that are not sent */
    size_t sent;  /* of chunk */
    ti_web_reply *next_woken, *next_job;
};

struct ti_web {
    ti_web_opts opts;
    struct MHD_Daemon *daemon;
    char url[TI_WEB_URL_MAX];
    int poll; /* epoll: the library's, the pipe, sockets of clients that wait for an answer */
    int pipe[2]; /* wakes the loop */

    atomic_bool stop; /* ti_web_stop() was called */

    /* The thread of ti_web_run(). */
    ti_web_link *links;
    unsigned n_links;
    bool stopping;

    pthread_mutex_t mutex; /* guards from here */
    pthread_cond_t work;
    unsigned refs; /* the owner, and replies */
    bool end;      /* no more jobs will come */
    bool closed;   /* there is no loop any more */
    ti_web_reply *woken;
    ti_web_reply *jobs, **last_job;
    pthread_t *workers; /* [n_workers]; the opener's */
    unsigned n_workers;
};

/* --- listen.c ----------------------------------------------------------------------------- */

/* Listens on ADDRESS:PORT; *out is a socket that does not block.  url[TI_WEB_URL_MAX] receives
 * the address as people write it.  Errors: TERN_USAGE, TERN_IO. */
tern_status ti_web_listen(int *out, char *url, const char *where, tern_err *err);

/* --- reply.c ------------------------------------------------------------------------------ */

/* A new one, of a connection; NULL when there is no memory. */
ti_web_reply *ti_web_reply_new(ti_web *web);

/* Gives one reference back; the last frees. */
void ti_web_reply_drop(ti_web_reply *reply);
void ti_web_release(ti_web *web);

/* Makes the loop look at it.  With the mutex held. */
void ti_web_wake(ti_web_reply *reply);

/* Tells the loop that something has happened.  Async-signal-safe. */
void ti_web_poke(const ti_web *web);

/* The handler has returned: ends what was not kept, gives back the thread's reference. */
void ti_web_reply_returned(ti_web_reply *reply);

/* --- send.c: answers to the library ------------------------------------------------------- */

/* Queues the answer that is ready. */
enum MHD_Result ti_web_send(ti_web_reply *reply);

/* Queues a refusal. */
enum MHD_Result ti_web_refuse(ti_web_reply *reply, unsigned code, const char *why);

/* Lets the connection wait until ti_web_resume(); a client that leaves is noticed. */
void ti_web_suspend(ti_web_reply *reply);
void ti_web_resume(ti_web_reply *reply);

/* --- request.c: the library's callbacks --------------------------------------------------- */

/* A request line; a request's head, pieces of its body, its end, and its going on; its end,
 * good or bad; a connection's beginning and end.  `user` is the server. */
void *ti_web_on_target(void *user, const char *target, struct MHD_Connection *connection);
enum MHD_Result ti_web_on_request(void *user, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version,
                                  const char *bytes, size_t *len, void **state);
void ti_web_on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how);
void ti_web_on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode how);

/* Milliseconds of a clock that only goes forward. */
uint64_t ti_web_now_ms(void);

#endif
