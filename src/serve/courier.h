/* SPDX-License-Identifier: Apache-2.0 */
/* serve/courier.h - requests to other servers: one thread that carries all of them, with
 * libcurl.
 *
 * It connects, sends, and hands over what comes, event by event where it is a stream; four
 * clocks end what takes too long.  It follows no redirection, keeps no cookie, tries nothing
 * again, and sends a key over https or to this machine, else not at all.
 *
 *     ti_courier_open(&courier, err);
 *     ti_courier_send(courier, &errand, err);    never waits
 *         ... errand.on_event(), ..., errand.on_end() once, in the courier's thread
 *     ti_courier_stop(courier);                  everything ends with TI_FATE_STOPPED
 *     ti_courier_close(courier);
 *
 * THREADS.  send may be called by any thread, also in callbacks; the others by one.  Callbacks
 * must not wait: everybody else's bytes do meanwhile. */
#ifndef TI_SERVE_COURIER_H
#define TI_SERVE_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "serve/upstreams.h"

enum {
    TI_COURIER_MAX = 1024,            /* errands at once, those that wait included */
    TI_COURIER_ANSWER_MAX = 16 << 20, /* bytes of an answer, streams included */
    TI_COURIER_WHY = 160
};

typedef struct ti_courier ti_courier;

typedef enum ti_fate {
    TI_FATE_DONE = 0, /* 2xx, to its end */
    TI_FATE_STATUS,   /* another status */
    TI_FATE_CONNECT,  /* nothing was sent: no such name, no connection, TLS */
    TI_FATE_LATE,     /* one of the clocks */
    TI_FATE_BROKEN,   /* closed early, too large, no stream of events, or on_event said so */
    TI_FATE_GONE,     /* nobody waits for it any more */
    TI_FATE_STOPPED
} ti_fate;

typedef struct ti_errand_end {
    ti_fate fate;
    long code;                /* of HTTP; 0 = none came */
    uint32_t retry_after_s;   /* 0 = not said */
    ti_str body;              /* not of a stream that was DONE */
    char why[TI_COURIER_WHY]; /* one line, without addresses' queries, keys or bodies */
} ti_errand_end;

typedef struct ti_errand {
    const char *url; /* NULL: nothing is sent; it ends with DONE after delay_ms */
    const char *key; /* a bearer token; copied, and wiped at the end.  NULL = none */
    ti_buf body;     /* JSON; taken over by a send that succeeds */
    bool stream;     /* events are awaited */
    ti_upstream_times times;
    uint64_t delay_ms; /* before anything is done */
    void *user;
    bool (*gone)(void *user); /* asked every 100 ms */
    bool (*on_event)(void *user, ti_str data);
    void (*on_end)(void *user, const ti_errand_end *end);
} ti_errand;

/* Starts libcurl and the thread.  Errors: TERN_UNAVAILABLE, TERN_NOMEM. */
tern_status ti_courier_open(ti_courier **out, tern_err *err);

/* Errors: TERN_UNAVAILABLE (stopped, or TI_COURIER_MAX), TERN_USAGE (a key would be sent in the
 * clear), TERN_NOMEM.  Then nothing is called. */
tern_status ti_courier_send(ti_courier *courier, ti_errand *errand, tern_err *err);

/* Ends everything, and waits for that. */
void ti_courier_stop(ti_courier *courier);

/* Stops and frees.  NULL is allowed. */
void ti_courier_close(ti_courier *courier);

#endif
