/* SPDX-License-Identifier: Apache-2.0 */
/* http/server.h - an HTTP/1.1 server: routes, limits, answers whole or bit by bit.
 *
 * Sockets and HTTP are libmicrohttpd's; this is the port above it.  One thread, the one that
 * calls ti_web_run(), holds all connections and sleeps while nothing happens; handlers run in
 * worker threads of the server, so that they may wait for disks and other servers.
 *
 *     static void health(void *user, const ti_web_request *request, ti_web_reply *reply)
 *     {
 *         ti_web_reply_text(reply, 200, "text/plain", "good\n");
 *     }
 *     static const ti_web_route routes[] = {{"GET", "/health", health}, {0}};
 *     ti_web_opts opts = {.listen = "127.0.0.1:8080", .routes = routes};
 *     TI_TRY(ti_web_open(&web, &opts, err));
 *     status = ti_web_run(web, err);      until ti_web_stop(), or opts.stop says so
 *     ti_web_close(web);
 *
 * THREADS.  Handlers are called by several threads at once: what `user` points to must be safe
 * for that (threads = 1 makes it one at a time).  A request belongs to its reply: it lives, and
 * does not change, until the reply has ended (but for ti_web_reply_forget()).  A reply is used
 * by one thread at a time; only ti_web_reply_gone() may be called by any thread at any moment.
 *
 * LATER ANSWERS.  A handler that returns has answered - unless it called ti_web_reply_keep():
 * then any thread may go on with the reply after the handler has returned, and somebody must
 * call ti_web_reply_end() exactly once.  No thread is held meanwhile.  So a queue of jobs, each
 * with its reply, needs as many threads as it has workers, not as it has clients.
 *
 * CLIENTS THAT LEAVE are noticed at once while their answer is awaited: ti_web_reply_gone()
 * becomes true, writes fail with TERN_CANCELLED.  A client that closes only its sending side
 * counts as gone while it is waited for; an answer that is ready is sent to it all the same.
 *
 * WHAT IS REFUSED by the server itself: 400 (malformed), 403 (a page of another site), 404,
 * 405 with Allow, 408 (too slow), 413 (body), 414 and 431 (head), 421 (a host's name that is
 * not ours), 501, 505; 503 while it stops.  Bodies of 400 to 421 and 503 are made by `error`.
 */
#ifndef TI_HTTP_SERVER_H
#define TI_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

typedef struct ti_web ti_web;
typedef struct ti_web_reply ti_web_reply;

typedef struct ti_web_request {
    const char *method; /* "GET", "HEAD", "POST", ... */
    const char *path;   /* as sent, from '/' on, without '?'; printable ASCII.  Escapes are as
                           they came: ti_web_unescape() */
    const char *rest;   /* what the route's '*' stands for; "" where it has none */
    const char *query;  /* what follows '?'; "" when there is nothing */
    ti_str body;        /* data is never NULL */
} ti_web_request;

/* Answers a request; see the top of this file for threads. */
typedef void (*ti_web_fn)(void *user, const ti_web_request *request, ti_web_reply *reply);

/* A path, and who answers there.  The first route that fits counts; several may have the same
 * path and other methods. */
typedef struct ti_web_route {
    const char
        *methods; /* "GET" (HEAD comes with it), "POST", "GET, POST"; NULL ends the list */
    const char
        *path; /* "/health"; one '*' takes any characters, also none: "/files/" and '*' */
    ti_web_fn answer;
    size_t body_max; /* of a request's body; 0 = ti_web_opts.body_max */
} ti_web_route;

/* Strings live as long as the server. */
typedef struct ti_web_opts {
    const char *listen; /* ADDRESS:PORT or [ADDRESS]:PORT, in digits, or localhost:PORT; port 0
                           takes a free one.  The caller's default should be loopback */
    const ti_web_route *routes;
    void *user; /* of all functions here */

    const char *hosts;   /* "a.example, b.example": the names by which the server may be called;
                            "*" = any.  Addresses in digits and localhost always may, as another
                            site's page can only come with a name (DNS rebinding) */
    const char *origins; /* "https://a.example, ...": sites whose pages may read answers and
                            send requests (CORS); "*" = all; NULL = none but our own */

    /* Whether a request may be answered, before its body is read: for tokens.  False, after
     * filling the reply, if not.  Called in the thread of ti_web_run(); must not wait.  NULL =
     * yes.  Not asked about preflights of CORS. */
    bool (*admit)(void *user, const ti_web_request *request, ti_web_reply *reply);

    /* Makes the body of the server's own refusals and names its type.  `why` is one line or
     * NULL.  NULL = "404 Not Found\n" as text.  Called by any thread.
     *   target  what was asked for, perhaps with a query, as it came; "" if that is not known
     */
    const char *(*error)(void *user, ti_buf *body, const char *target, unsigned code,
                         const char *why);

    /* Asked after each signal and event whether to stop; NULL = only ti_web_stop() does. */
    bool (*stop)(void *user);

    size_t body_max;      /* bytes of a body; 0 = 64 KiB */
    size_t head_max;      /* bytes of request line and headers; 0 = 16 KiB */
    unsigned connections; /* at once, 0 = 256.  When all are taken, the one that has been
                             silent between requests for longest gives way.  Less where the
                             process may have fewer open files */
    unsigned threads;     /* that run handlers; 0 = 4 */
    unsigned request_ms;  /* for a request to come in whole; 0 = 30000 */
    unsigned idle_ms;     /* between requests, and without a byte taken from us; 0 = 60000 */
    unsigned finish_ms;   /* that running requests get when the server stops; 0 = 5000 */
    size_t backlog_max;   /* bytes of a stream that a client has not taken; 0 = 1 MiB */
} ti_web_opts;

/* --- the server --------------------------------------------------------------------------- */

/* Listens, and starts the threads for handlers; requests are answered from ti_web_run() on.
 * Those who connect before wait.
 * Errors: TERN_USAGE (listen), TERN_IO (address in use, ...), TERN_NOMEM, TERN_UNAVAILABLE (no
 * threads, or not this system). */
tern_status ti_web_open(ti_web **out, const ti_web_opts *opts, tern_err *err);

/* "http://127.0.0.1:8080/": where it listens, with the real port.  Lives until the close. */
const char *ti_web_url(const ti_web *web);

/* Serves until it is told to stop.  SIGINT and SIGTERM interrupt its sleep (opts.stop is then
 * asked); all other threads of the server block them.  At the end no connection is accepted,
 * running requests get opts.finish_ms, and those that are left lose their client.
 * Errors: TERN_IO. */
tern_status ti_web_run(ti_web *web, tern_err *err);

/* Makes ti_web_run() return.  Any thread, also in a signal handler, also before the run. */
void ti_web_stop(ti_web *web);

/* Waits for handlers that still run (they should look at ti_web_reply_gone()), and frees.
 * Replies that were kept may be ended later; nothing else of them or of their requests may be
 * used but ti_web_reply_gone() and writes, which fail.  NULL is allowed. */
void ti_web_close(ti_web *web);

/* --- what was asked ----------------------------------------------------------------------- */

/* The header's value ("content-type" and "Content-Type" are the same); NULL when there is none.
 * The first, when there are several.  Lives as long as the request. */
const char *ti_web_header(const ti_web_request *request, const char *name);

/* Appends the value of NAME in the query ("a=1&b=2"), unescaped, to out ('+' is a space).
 * False when it is not there, or has a wrong escape or a NUL: then out is as before. */
bool ti_web_query(const ti_web_request *request, const char *name, ti_buf *out);

/* Appends text with %XX replaced; `plus`: and '+' by a space.  False for a wrong escape and for
 * %00: then out is as before. */
bool ti_web_unescape(ti_buf *out, const char *text, size_t len, bool plus);

/* --- the answer --------------------------------------------------------------------------- */

/* Frees the body of the request, which is empty from now on: for answers that take long, once
 * what is needed of it was copied.  In the handler. */
void ti_web_reply_forget(ti_web_reply *reply);

/* Status and Content-Type (static strings); 200 and text/plain are what a reply starts with.
 * Before the body or stream begins. */
void ti_web_reply_head(ti_web_reply *reply, unsigned code, const char *type);

/* Adds a header, before the body or stream begins.  The value is copied; control characters in
 * it become spaces.  Cache-Control is "no-store" where none is given. */
void ti_web_reply_header(ti_web_reply *reply, const char *name, const char *value);

/* The whole body; the buffer is taken over and left empty.  One that has failed is 500. */
void ti_web_reply_body(ti_web_reply *reply, ti_buf *body);

/* ti_web_reply_head() and a body. */
void ti_web_reply_text(ti_web_reply *reply, unsigned code, const char *type, const char *text);

/* A refusal as the server itself would make it; `why` is one line, or NULL.  Any code with a
 * reason in HTTP. */
void ti_web_reply_error(ti_web_reply *reply, unsigned code, const char *why);

/* A body that comes from a function: files, and what can be made again at any offset.
 *   size  bytes there will be, or UINT64_MAX when only `read` knows
 *   read  puts up to cap bytes from offset `at` on into out, and their number into *n; 0 is the
 *         end.  A failure cuts the connection, so that the client knows.  Called in the thread
 *         of ti_web_run(): it must not wait for others
 *   done  called once at the end, also when nothing was read; NULL is allowed */
typedef struct ti_web_source {
    uint64_t size;
    void *user;
    tern_status (*read)(void *user, uint64_t at, void *out, size_t cap, size_t *n);
    void (*done)(void *user);
} ti_web_source;

/* Makes that the body; the struct is copied. */
void ti_web_reply_source(ti_web_reply *reply, const ti_web_source *source);

/* The answer goes on after the handler: see LATER ANSWERS. */
void ti_web_reply_keep(ti_web_reply *reply);

/* Sends bytes of an answer that is made bit by bit (server-sent events, long exports): the
 * first call begins the answer with the head as it is then.  Copies and never waits.
 * Errors: TERN_CANCELLED when the client has gone or the server stops, TERN_LIMIT when the
 * client has not taken opts.backlog_max bytes (it loses its connection), TERN_NOMEM. */
tern_status ti_web_reply_write(ti_web_reply *reply, const void *bytes, size_t len,
                               tern_err *err);

/* Like the end of a stream whose making has failed: the connection is cut, so that the client
 * does not take what it has for the whole.  Before anything was sent: 500. */
void ti_web_reply_fail(ti_web_reply *reply);

/* Ends a reply that was kept, and gives it back: the pointer is then nobody's.  An answer that
 * never began is sent as it is, with its head and what was given as body. */
void ti_web_reply_end(ti_web_reply *reply);

/* True once nobody waits for the answer any more.  Any thread. */
bool ti_web_reply_gone(const ti_web_reply *reply);

#endif
