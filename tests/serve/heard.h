/* SPDX-License-Identifier: Apache-2.0 */
/* heard.h - a requester for tests of the engine: writes down what it is told.
 * Included after cmocka.h. */
#ifndef TESTS_SERVE_HEARD_H
#define TESTS_SERVE_HEARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/engine.h"

enum { HEARD_CHOICES = 4, HEARD_BYTES = 8192, HEARD_TOKENS = 512, HEARD_TOPS = 20 };

typedef struct heard {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    ti_serve_engine *engine;
    ti_serve_job *job;
    char text[HEARD_CHOICES][HEARD_BYTES];
    size_t len[HEARD_CHOICES];
    tern_token output[HEARD_CHOICES][HEARD_TOKENS]; /* as DONE has them */
    size_t output_n[HEARD_CHOICES];
    float logprob[HEARD_TOKENS]; /* of choice 0 */
    tern_token logprob_of[HEARD_TOKENS];
    ti_serve_top top[HEARD_TOKENS][HEARD_TOPS];
    size_t n_top, n_logprobs;
    uint64_t passes[HEARD_TOKENS]; /* of the engine, when text number i came */
    size_t n_texts, n_waits;
    bool ended[HEARD_CHOICES], done, broken; /* broken: an event that may not come then */
    ti_serve_reason reasons[HEARD_CHOICES], reason;
    ti_serve_usage usage;
    tern_status status; /* of the error */
    char message[256];
    size_t leave_after; /* texts after which on_event says no; 0 = never */
    bool gone;          /* what gone() says; the lock's */
    void (*then)(struct heard *h, const ti_serve_event *event); /* in the engine's thread */
    void *user;
} heard;

static inline void heard_init(heard *h)
{
    memset(h, 0, sizeof *h);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
}

static inline void heard_free(heard *h)
{
    ti_serve_release(h->job);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
}

static inline void hear_text(heard *h, const ti_serve_event *e)
{
    uint32_t c = e->choice;
    if (c >= HEARD_CHOICES || h->len[c] + e->text.len >= HEARD_BYTES || h->ended[c]) {
        h->broken = true;
        return;
    }
    memcpy(h->text[c] + h->len[c], e->text.data, e->text.len);
    h->len[c] += e->text.len;
    if (e->kind == TI_SERVE_TEXT && c == 0 && e->has_logprob && h->n_logprobs < HEARD_TOKENS) {
        h->logprob[h->n_logprobs] = e->logprob.logprob;
        h->logprob_of[h->n_logprobs] = e->token;
        memcpy(h->top[h->n_logprobs++], e->top, e->n_top * sizeof *e->top);
        h->n_top = e->n_top;
        h->broken |= e->logprob.token != e->token;
    }
}

static inline void hear_done(heard *h, const ti_serve_event *e)
{
    size_t choices = 0;
    while (choices < HEARD_CHOICES && h->ended[choices]) {
        choices++;
    }
    for (size_t c = 0; e->output && c < choices; c++) {
        size_t n = e->output_n[c] < HEARD_TOKENS ? e->output_n[c] : HEARD_TOKENS;
        memcpy(h->output[c], e->output[c], n * sizeof **h->output);
        h->output_n[c] = n;
    }
    h->usage = *e->usage;
    h->reason = e->reason;
    if (e->error) {
        h->status = e->error->status;
        memcpy(h->message, e->error->message, sizeof e->error->message);
    }
    h->done = true;
}

static inline bool hear(void *user, const ti_serve_event *e)
{
    heard *h = user;
    ti_serve_stats stats = {.passes = 0};
    if (h->engine) {
        ti_serve_get_stats(h->engine, &stats);
    }
    pthread_mutex_lock(&h->lock);
    h->broken |= h->done;
    if (e->kind == TI_SERVE_WAIT) {
        h->n_waits++;
        h->broken |= h->n_texts > 0;
    } else if (e->kind != TI_SERVE_DONE) {
        hear_text(h, e);
    }
    if (e->kind == TI_SERVE_TEXT && h->n_texts < HEARD_TOKENS) {
        h->passes[h->n_texts++] = stats.passes;
    }
    if (e->kind == TI_SERVE_END && e->choice < HEARD_CHOICES) {
        h->ended[e->choice] = true;
        h->reasons[e->choice] = e->reason;
    }
    if (e->kind == TI_SERVE_DONE) {
        hear_done(h, e);
    }
    bool stay = h->leave_after == 0 || h->n_texts < h->leave_after;
    /* after DONE is known, h may be somebody else */
    void (*then)(heard *, const ti_serve_event *) = e->kind == TI_SERVE_DONE ? NULL : h->then;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    if (then) {
        then(h, e);
    }
    return stay;
}

static inline bool heard_gone(void *user)
{
    heard *h = user;
    pthread_mutex_lock(&h->lock);
    bool gone = h->gone;
    pthread_mutex_unlock(&h->lock);
    return gone;
}

/* Waits for so many texts, or for DONE; false after a minute. */
static inline bool heard_wait(heard *h, size_t texts)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    int failed = 0;
    pthread_mutex_lock(&h->lock);
    while (!h->done && h->n_texts < texts && failed == 0) {
        failed = pthread_cond_timedwait(&h->changed, &h->lock, &until);
    }
    pthread_mutex_unlock(&h->lock);
    return failed == 0;
}

static inline bool heard_done(heard *h)
{
    return heard_wait(h, SIZE_MAX);
}

/* Submits; the request's user and functions are h's. */
static inline tern_status ask(ti_serve_engine *engine, heard *h, ti_serve_request request,
                              tern_err *err)
{
    h->engine = engine;
    request.user = h;
    request.on_event = hear;
    request.gone = heard_gone;
    return ti_serve_submit(engine, &request, &h->job, NULL, err);
}

#endif
