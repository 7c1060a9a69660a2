/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's thread: sleeps until there is something to do, opens and closes the model, lets
 * requests in. */
#include <stdlib.h>
#include <time.h>

#include "base/pool.h"
#include "model/sampler.h"
#include "serve/engine_parts.h"

static const char module[] = "serve";

enum { DEFAULT_CONTEXT = 4096 };

/* --- the model ------------------------------------------------------------------------------
 */

/* Under the lock: nobody can have it from now on. */
static tern_model *take_model(ti_serve_engine *e)
{
    TI_ASSERT(e->users == 0 && e->n_active == 0);
    tern_model *model = e->model;
    e->model = NULL;
    e->stale = false;
    e->stats.loaded = false;
    e->stats.resident_bytes = 0;
    e->stats.kv_bytes = 0;
    e->stats.cached_bytes = 0;
    e->stats.cached_sessions = 0;
    return model;
}

/* Without the lock: frees what was taken, and what was made for it. */
static void free_model(ti_serve_engine *e, tern_model *model)
{
    ti_engine_forget(e);
    for (uint32_t i = 0;
         e->scratch && model && i < ti_pool_threads(ti_batch_pool(e->home.batch)); i++) {
        free(e->scratch[i]);
    }
    free(e->scratch);
    e->scratch = NULL;
    ti_home_destroy(&e->home);
    tern_model_close(model);
}

/* Whether reading goes on: not when the engine ends meanwhile. */
static bool go_on(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return !ti_engine_must_end(user);
}

static tern_status make_scratch(void ***out, uint32_t n, size_t n_vocab, tern_err *err)
{
    size_t bytes = ti_sampler_scratch_bytes(n_vocab);
    void **scratch = ti_calloc(n, sizeof(void *));
    bool made = scratch != NULL;
    for (uint32_t i = 0; i < n && made; i++) {
        scratch[i] = ti_calloc(1, bytes);
        made = scratch[i] != NULL;
    }
    if (!made) {
        for (uint32_t i = 0; i < n && scratch; i++) {
            free(scratch[i]);
        }
        free(scratch);
        return ti_fail_nomem(err, module, n * bytes, "scratch for samplers");
    }
    *out = scratch;
    return TERN_OK;
}

static tern_status open_parts(ti_serve_engine *e, const tern_model *model, uint32_t *n_ctx,
                              tern_err *err)
{
    const ti_serve_opts *o = &e->opts;
    uint32_t trained = model->config.n_ctx, wanted = o->n_ctx ? o->n_ctx : DEFAULT_CONTEXT;
    *n_ctx = wanted < trained ? wanted : trained;
    TI_TRY(ti_home_create(&e->home, model, o->threads, o->slots + o->chunk, *n_ctx, err));
    tern_status status = make_scratch(
        &e->scratch, ti_pool_threads(ti_batch_pool(e->home.batch)), model->config.n_vocab, err);
    if (status != TERN_OK) {
        ti_home_destroy(&e->home);
        return status;
    }
    uint64_t one = ti_engine_session_bytes(e, *n_ctx), all;
    all = ti_mul_u64(one, o->slots, &all) ? all : UINT64_MAX;
    e->kv_limit = o->kv_bytes ? o->kv_bytes : all;
    return TERN_OK;
}

/* Opens the file; *state is what it was like before and after.  One that is replaced while it
 * is opened is opened again. */
static tern_status open_file(const char *path, const tern_model_opts *opts, tern_model **out,
                             ti_file_state *state, tern_err *err)
{
    enum { TRIES = 3 };
    for (int i = 0; i < TRIES; i++) {
        tern_model *model = NULL;
        ti_file_state after;
        TI_TRY(ti_file_look(state, path, err));
        TI_TRY(tern_model_open(&model, path, opts, err));
        if (ti_file_look(&after, path, NULL) != TERN_OK || ti_file_same(state, &after)) {
            *out = model;
            return TERN_OK;
        }
        tern_model_close(model);
    }
    return ti_fail(err, TERN_IO, module, TI_NO_OFFSET, "'%s' changes while it is opened", path);
}

static tern_status open_model(ti_serve_engine *e, tern_model **out, ti_file_state *state,
                              uint32_t *n_ctx, tern_err *err)
{
    tern_model *model = NULL;
    tern_model_opts opts = e->opts.model;
    opts.progress = go_on;
    opts.progress_user = e;
    opts.threads = opts.threads ? opts.threads : e->opts.threads;
    opts.vocab_only = false;
    TI_TRY(open_file(e->opts.path, &opts, &model, state, err));
    tern_status status = open_parts(e, model, n_ctx, err);
    if (status != TERN_OK) {
        tern_model_close(model);
        return status;
    }
    *out = model;
    return TERN_OK;
}

/* Opens the model and tells those who wait for it how that went. */
static tern_status load(ti_serve_engine *e, tern_err *err)
{
    tern_model *model = NULL;
    uint32_t n_ctx = 0;
    ti_file_state state;
    tern_model_desc desc = {.resident_bytes = 0};
    uint64_t begun = ti_engine_now();
    pthread_mutex_lock(&e->lock);
    e->stats.loading = true;
    pthread_mutex_unlock(&e->lock);
    tern_status status = open_model(e, &model, &state, &n_ctx, err);
    if (status == TERN_OK) {
        tern_model_describe(model, &desc);
    }
    pthread_mutex_lock(&e->lock);
    e->stats.loading = false;
    e->wanted = false; /* who finds it closed again says so again */
    if (status == TERN_OK) {
        e->model = model;
        e->state = state;
        e->generation++;
        e->n_ctx = n_ctx;
        e->stats.loaded = true;
        e->stats.loads++;
        e->stats.load_ns = ti_engine_now() - begun;
        e->stats.resident_bytes = desc.resident_bytes;
        e->stats.kv_limit = e->kv_limit;
    } else {
        e->load_failures++;
        e->load_error = *err;
    }
    e->idle_since_ns = ti_engine_now();
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    return status;
}

/* --- the queue ------------------------------------------------------------------------------
 */

/* Takes the first one out; NULL when there is none. */
static ti_serve_job *take_first(ti_serve_engine *e)
{
    pthread_mutex_lock(&e->lock);
    ti_serve_job *job = e->first;
    if (job) {
        e->first = job->next;
        e->last = e->first ? e->last : NULL;
        e->n_queued--;
        job->next = NULL;
    }
    pthread_mutex_unlock(&e->lock);
    return job;
}

static void end_waiting(ti_serve_job *job, ti_serve_reason reason, const tern_err *error)
{
    job->usage.queued_ns = ti_engine_now() - job->submitted_ns;
    ti_job_finish(job, reason, error);
}

static void end_all_waiting(ti_serve_engine *e, ti_serve_reason reason, const tern_err *error)
{
    for (ti_serve_job *job; (job = take_first(e));) {
        end_waiting(job, reason, error);
    }
}

bool ti_engine_must_end(ti_serve_engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool now = e->stopping && ti_engine_now() >= e->stop_ns;
    pthread_mutex_unlock(&e->lock);
    return now;
}

/* Takes those out of the queue that nobody wants any more; only this thread takes any out, so
 * the list may be walked between two moments with the lock. */
static void sweep(ti_serve_engine *e)
{
    bool all = ti_engine_must_end(e);
    ti_serve_job *previous = NULL, *next;
    pthread_mutex_lock(&e->lock);
    ti_serve_job *job = e->first;
    pthread_mutex_unlock(&e->lock);
    for (; job; job = next) {
        bool unwanted = all || ti_job_unwanted(job);
        pthread_mutex_lock(&e->lock);
        next = job->next;
        if (unwanted) {
            *(previous ? &previous->next : &e->first) = next;
            e->last = e->last == job ? previous : e->last;
            e->n_queued--;
            job->next = NULL;
        }
        pthread_mutex_unlock(&e->lock);
        if (unwanted) {
            end_waiting(job, TI_SERVE_CANCELLED, NULL);
        } else {
            ti_job_sign(job);
            previous = job;
        }
    }
}

/* --- letting in -----------------------------------------------------------------------------
 */

static void set_stale(ti_serve_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->stale = true;
    pthread_mutex_unlock(&e->lock);
}

static tern_status start_choices(ti_serve_job *job, tern_err *err)
{
    for (uint32_t i = 0; i < job->n_choices; i++) {
        tern_session *s = job->choices[i].session;
        tern_sampler_opts sampler = job->request.sampler;
        sampler.seed += i;
        TI_TRY(tern_session_set_sampler(s, &sampler, err));
        if (job->request.grammar) {
            TI_TRY(tern_session_set_grammar(s, job->request.grammar, err));
            tern_session_grammar_limit(s, ti_serve_longest(job));
        }
    }
    return TERN_OK;
}

static tern_status start_energy(ti_serve_engine *e, ti_serve_job *job, tern_err *err)
{
    if (e->opts.energy) {
        TI_TRY(ti_energy_begin(e->opts.energy, &job->energy_id, err));
        job->metered = true;
    }
    return TERN_OK;
}

/* Makes a job active.  *fits is false when it must wait. */
static tern_status begin(ti_serve_engine *e, ti_serve_job *job, bool *fits, tern_err *err)
{
    if (job->request.file && !ti_file_same(job->request.file, &e->state)) {
        return ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET, TI_MODEL_REPLACED);
    }
    if (job->generation != e->generation) {
        TI_TRY(ti_job_prepare(job, e->model, e->generation, err));
    }
    *fits = job->n_choices <= e->opts.slots - e->n_choices;
    if (!*fits) {
        return TERN_OK;
    }
    TI_TRY(ti_engine_make_sessions(e, job, fits, err));
    if (!*fits) {
        return TERN_OK;
    }
    tern_status status = start_choices(job, err);
    if (status == TERN_OK) {
        status = start_energy(e, job, err);
    }
    if (status != TERN_OK) {
        ti_engine_take_back(e, job, false);
        return status;
    }
    job->active_ns = ti_engine_now();
    job->usage.queued_ns = job->active_ns - job->submitted_ns;
    job->active = true;
    pthread_mutex_lock(&e->lock);
    e->active[e->n_active++] = job;
    e->n_choices += job->n_choices;
    pthread_mutex_unlock(&e->lock);
    return TERN_OK;
}

/* Lets requests in as they came: the first one that does not fit yet holds up the others, so
 * that a large one has its turn. */
static void admit(ti_serve_engine *e)
{
    for (;;) {
        pthread_mutex_lock(&e->lock);
        ti_serve_job *job = e->first;
        pthread_mutex_unlock(&e->lock);
        if (!job) {
            return;
        }
        if (!ti_engine_is_current(e)) {
            set_stale(e);
            return;
        }
        tern_err err = {.status = TERN_INTERNAL};
        bool fits = true;
        tern_status status = begin(e, job, &fits, &err);
        if (status == TERN_OK && !fits) {
            return;
        }
        (void)take_first(e);
        if (status != TERN_OK) {
            end_waiting(job, TI_SERVE_ERROR, &err);
        }
    }
}

/* --- the thread -----------------------------------------------------------------------------
 */

/* Under the lock: the model is wanted and must be read first. */
static bool must_load(const ti_serve_engine *e)
{
    return (e->first || e->wanted) && e->n_active == 0 && e->users == 0 &&
           (!e->model || e->stale);
}

/* Under the lock: there is a request that may be let in. */
static bool may_admit(const ti_serve_engine *e)
{
    return e->first && e->model && !e->stale;
}

static void sleep_until(ti_serve_engine *e, uint64_t ns)
{
    const uint64_t ns_per_s = 1000000000;
    struct timespec until = {.tv_sec = (time_t)(ns / ns_per_s),
                             .tv_nsec = (long)(ns % ns_per_s)};
    if (ns == UINT64_MAX) {
        pthread_cond_wait(&e->wake, &e->lock);
    } else {
        (void)pthread_cond_timedwait(&e->wake, &e->lock, &until);
    }
}

/* Under the lock: when the model is to be closed; UINT64_MAX = not now. */
static uint64_t unload_at(const ti_serve_engine *e)
{
    bool idle = e->model && e->keep_ns != TI_SERVE_FOREVER && e->n_active == 0 &&
                e->n_queued == 0 && e->users == 0 && !e->wanted && e->waiting == 0;
    uint64_t at;
    return idle && !__builtin_add_overflow(e->idle_since_ns, e->keep_ns, &at) ? at : UINT64_MAX;
}

/* Sleeps until there is something to do.  *unload: a model whose time has come; it was taken
 * under the same hold of the lock that saw nobody use it.  False: it is all over. */
static bool wait_for_work(ti_serve_engine *e, tern_model **unload)
{
    bool over = false;
    *unload = NULL;
    pthread_mutex_lock(&e->lock);
    while (e->n_active == 0 && !may_admit(e) && !must_load(e)) {
        over = e->stopping && e->n_queued == 0;
        uint64_t until = unload_at(e), now = ti_engine_now();
        *unload = !over && until <= now ? take_model(e) : NULL;
        if (over || *unload || (e->stopping && e->first && now >= e->stop_ns)) {
            break;
        }
        if (e->stopping && e->first && e->stop_ns < until) {
            until = e->stop_ns;
        }
        sleep_until(e, until);
    }
    pthread_mutex_unlock(&e->lock);
    return !over;
}

/* Reads the model if that is what is needed.  Without one nobody can be let in. */
static void provide_model(ti_serve_engine *e)
{
    tern_err err;
    pthread_mutex_lock(&e->lock);
    bool load_now = must_load(e);
    tern_model *old = load_now && e->model ? take_model(e) : NULL;
    pthread_mutex_unlock(&e->lock);
    if (!load_now) {
        return;
    }
    if (old) {
        free_model(e, old);
    }
    tern_status status = load(e, &err);
    if (status == TERN_CANCELLED) { /* by go_on(): nothing is wrong with the model */
        end_all_waiting(e, TI_SERVE_CANCELLED, NULL);
    } else if (status != TERN_OK) {
        end_all_waiting(e, TI_SERVE_ERROR, &err);
    }
}

/* What others may know of it. */
static void note_state(ti_serve_engine *e)
{
    pthread_mutex_lock(&e->lock);
    ti_serve_stats *s = &e->stats;
    s->active = e->n_choices;
    s->kv_bytes = e->active_bytes + e->kept_bytes;
    s->cached_bytes = e->kept_bytes;
    s->cached_sessions = e->n_kept;
    pthread_mutex_unlock(&e->lock);
}

static void end_thread(ti_serve_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->ended = true;
    pthread_cond_broadcast(&e->changed);
    while (!e->closing || e->users > 0) { /* they were told that the model stays */
        pthread_cond_wait(&e->wake, &e->lock);
    }
    tern_model *model = take_model(e);
    pthread_mutex_unlock(&e->lock);
    free_model(e, model);
}

void *ti_engine_main(void *engine)
{
    ti_serve_engine *e = engine;
    tern_model *unload;
    while (wait_for_work(e, &unload)) {
        if (unload) {
            free_model(e, unload);
            note_state(e);
            continue;
        }
        sweep(e);
        provide_model(e);
        if (e->model && !e->stale) {
            admit(e);
        }
        if (e->n_active > 0) {
            ti_engine_step(e);
        }
        note_state(e);
    }
    end_thread(e);
    return NULL;
}
