/* SPDX-License-Identifier: Apache-2.0 */
/* Life of the engine, and what any thread may call. */
#include "serve/engine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deaf.h"
#include "serve/engine_parts.h"

static const char module[] = "serve";

enum {
    DEFAULT_SLOTS = 8,
    DEFAULT_QUEUE = 64,
    DEFAULT_CHUNK = 256,
    WAIT_LEAST_MS = 1000,
    WAIT_MOST_MS = 120000
};

uint64_t ti_engine_now(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

const char *ti_serve_reason_name(ti_serve_reason reason)
{
    static const char *const names[] = {"stop",    "sequence",  "length",
                                        "context", "cancelled", "error"};
    return names[reason];
}

/* --- life -----------------------------------------------------------------------------------
 */

static void unref(ti_serve_engine *e)
{
    if (atomic_fetch_sub(&e->refs, 1) == 1) {
        pthread_cond_destroy(&e->wake);
        pthread_cond_destroy(&e->changed);
        pthread_mutex_destroy(&e->lock);
        free(e);
    }
}

static tern_status set_options(ti_serve_engine *e, const ti_serve_opts *opts, tern_err *err)
{
    e->opts = *opts;
    e->keep_ns = opts->unload_ns ? opts->unload_ns : TI_SERVE_FOREVER;
    ti_serve_opts *o = &e->opts;
    o->slots = o->slots ? o->slots : DEFAULT_SLOTS;
    o->queue = o->queue ? o->queue : DEFAULT_QUEUE;
    o->chunk = o->chunk ? o->chunk : DEFAULT_CHUNK;
    if (o->slots > TI_SERVE_SLOTS_MAX || o->queue > TI_SERVE_QUEUE_MAX ||
        o->chunk > TI_SERVE_CHUNK_MAX || o->kv > TERN_KV_I8) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "slots must be at most %d, queue %d, chunk %d", TI_SERVE_SLOTS_MAX,
                       TI_SERVE_QUEUE_MAX, TI_SERVE_CHUNK_MAX);
    }
    TI_TRY(ti_file_look(&e->state, o->path, err));
    ti_pace_init(&e->pace, o->chunk, o->chunk_fixed);
    e->stats.slots = o->slots;
    e->stats.queue = o->queue;
    return TERN_OK;
}

static tern_status make_lists(ti_serve_engine *e, tern_err *err)
{
    uint32_t n = e->opts.slots;
    e->active = ti_calloc(n, sizeof(void *));
    e->parts = ti_calloc(n, sizeof *e->parts);
    e->picks = ti_calloc(n, sizeof(void *));
    e->reading = ti_calloc(n, sizeof *e->reading);
    if (!e->active || !e->parts || !e->picks || !e->reading) {
        return ti_fail_nomem(err, module, n * sizeof *e->parts, "lists of requests");
    }
    return TERN_OK;
}

/* Locks: all or none. */
static bool make_locks(ti_serve_engine *e)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0) {
        return false;
    }
    bool made = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
                pthread_mutex_init(&e->lock, NULL) == 0;
    if (made && pthread_cond_init(&e->wake, &attr) != 0) {
        pthread_mutex_destroy(&e->lock);
        made = false;
    }
    if (made && pthread_cond_init(&e->changed, &attr) != 0) {
        pthread_cond_destroy(&e->wake);
        pthread_mutex_destroy(&e->lock);
        made = false;
    }
    pthread_condattr_destroy(&attr);
    return made;
}

static void free_lists(ti_serve_engine *e)
{
    free(e->active);
    free(e->parts);
    free(e->picks);
    free(e->reading);
}

tern_status ti_serve_open(ti_serve_engine **out, const ti_serve_opts *opts, tern_err *err)
{
    ti_serve_engine *e = ti_calloc(1, sizeof *e);
    if (!e) {
        return ti_fail_nomem(err, module, sizeof *e, "an engine");
    }
    atomic_init(&e->refs, 1);
    tern_status status = set_options(e, opts, err);
    if (status == TERN_OK) {
        status = make_lists(e, err);
    }
    if (status == TERN_OK && !make_locks(e)) {
        status = ti_fail(err, TERN_IO, module, TI_NO_OFFSET, "no lock to be had");
    }
    if (status != TERN_OK) {
        free_lists(e);
        free(e);
        return status;
    }
    e->idle_since_ns = ti_engine_now();
    if (ti_start_deaf(&e->thread, ti_engine_main, e) != 0) {
        free_lists(e);
        unref(e);
        return ti_fail(err, TERN_IO, module, TI_NO_OFFSET, "no thread to be had");
    }
    *out = e;
    return TERN_OK;
}

void ti_serve_stop(ti_serve_engine *e, uint64_t drain_ns)
{
    uint64_t now = ti_engine_now();
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    e->stop_ns = drain_ns > UINT64_MAX - now ? UINT64_MAX : now + drain_ns;
    pthread_cond_signal(&e->wake);
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void ti_serve_end(ti_serve_engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->lock);
    if (!stopping) {
        ti_serve_stop(e, 0);
    }
    pthread_mutex_lock(&e->lock);
    while (!e->ended) {
        pthread_cond_wait(&e->changed, &e->lock);
    }
    pthread_mutex_unlock(&e->lock);
}

void ti_serve_close(ti_serve_engine *e)
{
    if (!e) {
        return;
    }
    ti_serve_end(e);
    pthread_mutex_lock(&e->lock);
    e->closing = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    pthread_join(e->thread, NULL);
    free_lists(e);
    unref(e);
}

/* --- the model ------------------------------------------------------------------------------
 */

/* Under the lock: whether somebody outside may use the model that is open. */
static bool usable(const ti_serve_engine *e)
{
    return e->model && (!e->stale || e->n_active > 0);
}

/* Under the lock: whether it is of that file. */
static bool is_of(const ti_serve_engine *e, const ti_file_state *file)
{
    return !file || ti_file_same(&e->state, file);
}

bool ti_engine_is_current(const ti_serve_engine *e)
{
    ti_file_state now;
    return ti_file_look(&now, e->opts.path, NULL) != TERN_OK || ti_file_same(&now, &e->state);
}

/* Under the lock: waits for a model that may be used and is of the file, as long as the next
 * one that is read may be it. */
static void wait_for_model(ti_serve_engine *e, const ti_file_state *file)
{
    uint64_t failures = e->load_failures, generation = e->generation;
    e->waiting++;
    while (!(usable(e) && is_of(e, file)) && !e->stopping && e->load_failures == failures &&
           (e->generation == generation || !usable(e))) {
        if (e->model && !is_of(e, file)) {
            if (ti_engine_is_current(e)) {
                break; /* what is meant is not there any more */
            }
            e->stale = true;
        }
        e->wanted = true;
        pthread_cond_signal(&e->wake);
        pthread_cond_wait(&e->changed, &e->lock);
    }
    e->waiting--;
}

tern_status ti_serve_acquire(ti_serve_engine *e, const ti_file_state *file,
                             const tern_model **out, tern_err *err)
{
    tern_status status = TERN_OK;
    pthread_mutex_lock(&e->lock);
    wait_for_model(e, file);
    if (e->stopping) {
        status = ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET, "the engine is stopping");
    } else if (e->model && !is_of(e, file)) {
        status = ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET, TI_MODEL_REPLACED);
    } else if (!usable(e)) {
        status = ti_fail(err, e->load_error.status, e->load_error.module, e->load_error.offset,
                         "%s", e->load_error.message);
    } else {
        e->users++;
        *out = e->model;
    }
    pthread_cond_signal(&e->wake); /* nobody may be left who waits */
    pthread_mutex_unlock(&e->lock);
    return status;
}

tern_status ti_serve_acquire_open(ti_serve_engine *e, const ti_file_state *file,
                                  const tern_model **out, tern_err *err)
{
    pthread_mutex_lock(&e->lock);
    bool open = usable(e) && is_of(e, file);
    if (open) {
        e->users++;
        *out = e->model;
    }
    pthread_mutex_unlock(&e->lock);
    return open ? TERN_OK
                : ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET, "no model is open");
}

void ti_serve_give_back(ti_serve_engine *e)
{
    pthread_mutex_lock(&e->lock);
    TI_ASSERT(e->users > 0);
    e->users--;
    e->idle_since_ns = ti_engine_now();
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
}

/* --- requests -------------------------------------------------------------------------------
 */

/* Under the lock: when a place in the queue is likely to be free. */
static uint32_t estimate_wait_ms(const ti_serve_engine *e)
{
    enum { NS_PER_MS = 1000000 };
    uint64_t ms = e->between_ns / NS_PER_MS;
    return (uint32_t)(ms < WAIT_LEAST_MS  ? WAIT_LEAST_MS
                      : ms > WAIT_MOST_MS ? WAIT_MOST_MS
                                          : ms);
}

/* Takes a place in the queue, and the model if it is open. */
static tern_status enter(ti_serve_engine *e, const ti_serve_request *request,
                         const tern_model **model, uint64_t *generation, uint32_t *wait_ms,
                         tern_err *err)
{
    tern_status status = TERN_OK;
    pthread_mutex_lock(&e->lock);
    *wait_ms = 0;
    if (e->stopping) {
        status = ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET, "the engine is stopping");
    } else if (e->n_queued >= e->opts.queue) {
        *wait_ms = estimate_wait_ms(e);
        status = ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET,
                         "%u requests are waiting already", e->n_queued);
    } else {
        e->n_queued++;
        *model = e->model && !e->stale && is_of(e, request->file) ? e->model : NULL;
        *generation = e->generation;
        e->users += *model ? 1 : 0;
    }
    e->stats.refused += status != TERN_OK;
    pthread_mutex_unlock(&e->lock);
    return status;
}

/* Gives the model back, and puts the job into its place or gives that up as well. */
static void queue_up(ti_serve_engine *e, ti_serve_job *job, bool had_model)
{
    pthread_mutex_lock(&e->lock);
    e->users -= had_model ? 1 : 0;
    if (job) {
        *(e->last ? &e->last->next : &e->first) = job;
        e->last = job;
        e->stats.requests++;
    } else {
        e->n_queued--;
        e->stats.refused++;
    }
    pthread_mutex_unlock(&e->lock);
    pthread_cond_signal(&e->wake); /* who wakes up finds the lock free */
}

tern_status ti_serve_submit(ti_serve_engine *e, const ti_serve_request *request,
                            ti_serve_job **job, uint32_t *wait_ms, tern_err *err)
{
    const tern_model *model = NULL;
    uint64_t generation = 0;
    uint32_t wait = 0;
    ti_serve_job *made = NULL;
    tern_status status = enter(e, request, &model, &generation, &wait, err);
    if (wait_ms) {
        *wait_ms = wait;
    }
    if (status != TERN_OK) {
        return status;
    }
    status = ti_job_create(&made, e, request, err);
    if (status == TERN_OK && model) {
        status = ti_job_prepare(made, model, generation, err);
    }
    if (status != TERN_OK) {
        ti_serve_release(made);
        queue_up(e, NULL, model != NULL);
        return status;
    }
    if (job) {
        atomic_fetch_add(&made->refs, 1);
        *job = made;
    }
    queue_up(e, made, model != NULL);
    return TERN_OK;
}

void ti_serve_cancel(ti_serve_job *job)
{
    ti_serve_engine *e = job->engine;
    atomic_store(&job->cancelled, true);
    pthread_mutex_lock(&e->lock);
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
}

void ti_serve_release(ti_serve_job *job)
{
    if (job && atomic_fetch_sub(&job->refs, 1) == 1) {
        ti_serve_engine *e = job->engine;
        for (uint32_t i = 0; i < job->n_choices; i++) {
            tern_stream_destroy(job->choices[i].stream);
        }
        ti_arena_free(&job->arena);
        free(job->prompt);
        free(job->choices);
        free(job);
        unref(e);
    }
}

void ti_serve_get_stats(ti_serve_engine *e, ti_serve_stats *out)
{
    pthread_mutex_lock(&e->lock);
    *out = e->stats;
    out->queued = e->n_queued;
    out->n_ctx = e->n_ctx;
    out->unload_in_ns = UINT64_MAX;
    if (e->model && e->keep_ns != TI_SERVE_FOREVER && e->n_active == 0 && e->n_queued == 0) {
        uint64_t idle = ti_engine_now() - e->idle_since_ns;
        out->unload_in_ns = idle < e->keep_ns ? e->keep_ns - idle : 0;
    }
    pthread_mutex_unlock(&e->lock);
}

void ti_serve_keep(ti_serve_engine *e, uint64_t keep_ns)
{
    if (keep_ns == TI_SERVE_USUAL) {
        keep_ns = e->opts.unload_ns ? e->opts.unload_ns : TI_SERVE_FOREVER;
    }
    pthread_mutex_lock(&e->lock);
    if (e->keep_ns != keep_ns) {
        e->keep_ns = keep_ns;
        pthread_cond_signal(&e->wake);
    }
    pthread_mutex_unlock(&e->lock);
}
