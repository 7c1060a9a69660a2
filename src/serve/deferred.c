/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/deferred.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deaf.h"
#include "base/mem.h"

enum {
    LOOK_MS = 500,      /* whether a client has left */
    REPLAN_S = 30 * 60, /* forecasts get better */
    NS_PER_MS = 1000000,
    MS = 1000
};

typedef struct waiting {
    struct waiting *next;
    ti_call *call;
    const char *zone;
    int64_t deadline_s, planned_s, sign_s; /* 0: not yet */
    uint64_t id, tokens;
} waiting;

struct ti_deferred {
    ti_api *api;
    pthread_mutex_t mutex; /* of all below; a call that is planned is out of the list */
    pthread_cond_t wake;
    pthread_t thread;
    waiting *first;
    size_t n; /* in the list, and the one that is looked at */
    bool closing, joined;
};

/* --- when -----------------------------------------------------------------------------------
 */

/* Tokens at the pace of the last answers. */
static uint64_t seconds_of(const ti_api *api, uint64_t tokens)
{
    const uint64_t unknown_ns = 20000000, ns = 1000000000;
    ti_serve_stats stats;
    ti_serve_get_stats(api->opts.engine, &stats);
    return tokens * (stats.step_ns > 0 ? stats.step_ns : unknown_ns) / ns + 1;
}

void ti_put_off_decide(ti_put_off *out, ti_api *api, const char *zone, uint64_t id,
                       int64_t deadline_s, uint64_t tokens)
{
    const ti_api_port *port = &api->opts.port;
    tern_err err = {.message = "nobody is asked"};
    ti_put_off p = {0};
    tern_status status = port->defer
                             ? port->defer(port->user, &p.start_s, p.why, sizeof p.why, zone,
                                           id, deadline_s, seconds_of(api, tokens), &err)
                             : TERN_NO;
    if (status != TERN_OK) {
        p.start_s = ti_wall_s();
        snprintf(p.why, sizeof p.why, "at once: %.200s", err.message);
    }
    *out = p;
}

bool ti_deadline_read(int64_t *deadline_s, const ti_api *api, const char *text,
                      uint64_t now_unix_ms, ti_refusal *why)
{
    const ti_api_port *port = &api->opts.port;
    tern_err err = {.message = "this server knows no deadlines"};
    *deadline_s = 0;
    if (!text || (port->moment && port->moment(port->user, deadline_s, text,
                                               (int64_t)(now_unix_ms / MS), &err) == TERN_OK)) {
        return true;
    }
    return ti_refuse(why, "tern.deadline", "invalid_value", "%.200s", err.message);
}

/* --- waiting --------------------------------------------------------------------------------
 */

static void resume(ti_call *c, ti_resume how)
{
    if (how == TI_RESUME_START) {
        c->started_unix_ms = ti_wall_ms(); /* for the receipt: nothing was computed before */
    }
    if (c->routed) {
        ti_routed_resume(c, how);
    } else if (how == TI_RESUME_START) {
        ti_call_submit(c);
    } else {
        c->cancelled = true;
        ti_call_ended(c);
    }
}

static void give_sign(waiting *w)
{
    int64_t now = ti_wall_s();
    if (ti_call_takes_signs(w->call) && now - w->sign_s >= TI_SIGN_S) {
        ti_call_sign(w->call, w->call->put_off.why);
        w->sign_s = now;
    }
}

/* Looks at one that is out of the list, without the mutex.  True: it was handed on. */
static bool look(ti_deferred *d, waiting *w)
{
    ti_call *c = w->call;
    if (ti_call_gone(c) || c->lost) {
        resume(c, TI_RESUME_GONE);
        return true;
    }
    if (w->planned_s == 0 || ti_wall_s() - w->planned_s >= REPLAN_S) {
        ti_put_off_decide(&c->put_off, d->api, w->zone, w->id, w->deadline_s, w->tokens);
        w->planned_s = ti_wall_s();
    }
    if (c->put_off.start_s <= ti_wall_s()) {
        resume(c, TI_RESUME_START);
        return true;
    }
    give_sign(w);
    return false;
}

/* Until somebody comes, or for the time of a look. */
static void sleep_a_while(ti_deferred *d)
{
    uint64_t until = ti_wall_ms() + LOOK_MS;
    const struct timespec t = {.tv_sec = (time_t)(until / MS),
                               .tv_nsec = (long)(until % MS) * NS_PER_MS};
    if (d->first) {
        (void)pthread_cond_timedwait(&d->wake, &d->mutex, &t);
    } else {
        (void)pthread_cond_wait(&d->wake, &d->mutex);
    }
}

/* With the mutex: looks at each that waits, and keeps those that go on waiting. */
static void look_at_all(ti_deferred *d)
{
    waiting *kept = NULL, **last = &kept;
    while (d->first && !d->closing) {
        waiting *w = d->first;
        d->first = w->next;
        w->next = NULL;
        pthread_mutex_unlock(&d->mutex);
        bool over = look(d, w);
        pthread_mutex_lock(&d->mutex);
        if (over) {
            free(w);
            d->n--;
        } else {
            *last = w;
            last = &w->next;
        }
    }
    *last = d->first;
    d->first = kept;
}

static void *run(void *user)
{
    ti_deferred *d = user;
    pthread_mutex_lock(&d->mutex);
    while (!d->closing) {
        look_at_all(d);
        if (!d->closing) {
            sleep_a_while(d);
        }
    }
    while (d->first) {
        waiting *w = d->first;
        d->first = w->next;
        d->n--;
        resume(w->call, TI_RESUME_STOP);
        free(w);
    }
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

bool ti_deferred_add(ti_deferred *d, ti_call *call, const char *zone, int64_t deadline_s,
                     uint64_t tokens)
{
    waiting *w = ti_calloc(1, sizeof *w);
    if (!w) {
        return false;
    }
    *w = (waiting){.call = call,
                   .zone = zone,
                   .deadline_s = deadline_s,
                   .id = ti_api_number(d->api),
                   .tokens = tokens};
    pthread_mutex_lock(&d->mutex);
    bool room = !d->closing && d->n < TI_DEFERRED_MOST;
    if (room) {
        d->n++;
        w->next = d->first;
        d->first = w;
        pthread_cond_signal(&d->wake);
    }
    pthread_mutex_unlock(&d->mutex);
    if (!room) {
        free(w);
    }
    return room;
}

size_t ti_deferred_count(ti_deferred *d)
{
    pthread_mutex_lock(&d->mutex);
    size_t n = d->n;
    pthread_mutex_unlock(&d->mutex);
    return n;
}

/* --- beginning and end ----------------------------------------------------------------------
 */

tern_status ti_deferred_open(ti_deferred **out, ti_api *api, tern_err *err)
{
    ti_deferred *d = ti_calloc(1, sizeof *d);
    if (!d || pthread_mutex_init(&d->mutex, NULL) != 0) {
        free(d);
        return ti_fail_nomem(err, "serve", sizeof *d, "a list of requests that wait");
    }
    d->api = api;
    if (pthread_cond_init(&d->wake, NULL) != 0) {
        pthread_mutex_destroy(&d->mutex);
        free(d);
        return ti_fail_nomem(err, "serve", sizeof *d, "a condition");
    }
    if (ti_start_deaf(&d->thread, run, d) != 0) {
        pthread_cond_destroy(&d->wake);
        pthread_mutex_destroy(&d->mutex);
        free(d);
        return ti_fail(err, TERN_UNAVAILABLE, "serve", TI_NO_OFFSET,
                       "a thread cannot be started");
    }
    *out = d;
    return TERN_OK;
}

void ti_deferred_hurry(ti_deferred *d)
{
    pthread_mutex_lock(&d->mutex);
    d->closing = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->mutex);
}

void ti_deferred_stop(ti_deferred *d)
{
    if (d && !d->joined) {
        ti_deferred_hurry(d);
        pthread_join(d->thread, NULL);
        d->joined = true;
    }
}

void ti_deferred_close(ti_deferred *d)
{
    if (d) {
        ti_deferred_stop(d);
        pthread_cond_destroy(&d->wake);
        pthread_mutex_destroy(&d->mutex);
        free(d);
    }
}
