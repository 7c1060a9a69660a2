/* SPDX-License-Identifier: Apache-2.0 */
/* A request, from its copy to its last event. */
#include <stdlib.h>
#include <string.h>

#include "model/sampler.h"
#include "serve/engine_parts.h"

static const char module[] = "serve";

/* --- taking it ------------------------------------------------------------------------------
 */

static tern_status check_request(const ti_serve_engine *e, const ti_serve_request *r,
                                 tern_err *err)
{
    ti_sampler sampler;
    int prompts = (r->n_tokens > 0) + (r->n_messages > 0) + (r->text.len > 0);
    if (prompts != 1) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       prompts ? "more than one prompt" : "the prompt is empty");
    }
    if (r->choices > e->opts.slots) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "%u choices, at most %u are made at once", r->choices, e->opts.slots);
    }
    if (r->n_bias > TI_SERVE_BIAS_MAX || r->n_top > TI_SERVE_TOP_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "at most %d biases and %d alternatives", TI_SERVE_BIAS_MAX,
                       TI_SERVE_TOP_MAX);
    }
    for (size_t i = 0; i < r->n_bias; i++) {
        /* Sums of finite logits and these stay finite. */
        const float most = 1e30F;
        if (!(r->bias[i].bias >= -most && r->bias[i].bias <= most)) {
            return ti_fail(err, TERN_USAGE, module, i, "a bias is not finite");
        }
    }
    return ti_sampler_init(&sampler, &r->sampler, err);
}

static void *copy(ti_arena *arena, const void *from, size_t n, size_t size, bool *failed)
{
    void *to = n > 0 ? ti_arena_calloc(arena, n, size) : NULL;
    if (to) {
        memcpy(to, from, n * size);
    } else {
        *failed |= n > 0;
    }
    return to;
}

static const char *copy_text(ti_arena *arena, const char *text, bool *failed)
{
    const char *to = ti_arena_strndup(arena, text, strlen(text));
    *failed |= !to;
    return to;
}

static bool copy_request(ti_serve_job *job, const ti_serve_request *r)
{
    bool failed = false;
    ti_arena *a = &job->arena;
    ti_serve_request *to = &job->request;
    *to = *r;
    if (r->file) {
        job->file = *r->file;
        to->file = &job->file;
    }
    to->tokens = copy(a, r->tokens, r->n_tokens, sizeof *r->tokens, &failed);
    to->bias = copy(a, r->bias, r->n_bias, sizeof *r->bias, &failed);
    to->text.data = r->text.len > 0 ? ti_arena_strndup(a, r->text.data, r->text.len) : NULL;
    failed |= r->text.len > 0 && !to->text.data;
    tern_message *messages = copy(a, r->messages, r->n_messages, sizeof *messages, &failed);
    for (size_t i = 0; i < r->n_messages && !failed; i++) {
        messages[i].role = copy_text(a, r->messages[i].role, &failed);
        messages[i].content = copy_text(a, r->messages[i].content, &failed);
    }
    to->messages = messages;
    const char **stops = ti_arena_calloc(a, r->n_stops + 1, sizeof(void *));
    failed |= !stops;
    for (size_t i = 0; i < r->n_stops && !failed; i++) {
        stops[i] = copy_text(a, r->stops[i], &failed);
    }
    to->stops = stops;
    return !failed;
}

tern_status ti_job_create(ti_serve_job **out, ti_serve_engine *e,
                          const ti_serve_request *request, tern_err *err)
{
    TI_TRY(check_request(e, request, err));
    uint32_t n = request->choices ? request->choices : 1;
    ti_serve_job *job = ti_calloc(1, sizeof *job);
    ti_choice *choices = ti_calloc(n, sizeof *choices);
    if (!job || !choices) {
        free(job);
        free(choices);
        return ti_fail_nomem(err, module, n * sizeof *choices, "a request");
    }
    job->choices = choices;
    job->n_choices = n;
    job->engine = e;
    job->submitted_ns = job->sign_ns = ti_engine_now();
    atomic_init(&job->refs, 1);
    atomic_init(&job->cancelled, false);
    atomic_fetch_add(&e->refs, 1);
    bool copied = copy_request(job, request);
    for (uint32_t i = 0; i < n && copied; i++) {
        choices[i] = (ti_choice){.job = job, .index = i};
        choices[i].held = ti_arena_calloc(&job->arena, request->n_bias + 1, sizeof(float));
        copied = choices[i].held != NULL;
    }
    if (!copied) {
        ti_serve_release(job);
        return ti_fail_nomem(err, module, sizeof *job, "a request");
    }
    *out = job;
    return TERN_OK;
}

/* --- tokens ---------------------------------------------------------------------------------
 */

static tern_status tokenize(const ti_serve_request *r, const tern_model *model, tern_token *out,
                            size_t cap, size_t *n, tern_err *err)
{
    if (r->n_messages > 0) {
        return tern_model_chat_tokens(model, out, cap, n, r->messages, r->n_messages, true,
                                      err);
    }
    if (r->n_tokens == 0) {
        return tern_model_tokenize(model, out, cap, n, r->text.data, r->text.len, r->text_flags,
                                   err);
    }
    *n = r->n_tokens;
    if (r->n_tokens > cap) {
        return TERN_LIMIT;
    }
    for (size_t i = 0; i < r->n_tokens; i++) {
        if (r->tokens[i] < 0 || (uint32_t)r->tokens[i] >= model->config.n_vocab) {
            return ti_fail(err, TERN_USAGE, module, i,
                           "token %d is not in the vocabulary of %u", (int)r->tokens[i],
                           model->config.n_vocab);
        }
        out[i] = r->tokens[i];
    }
    return TERN_OK;
}

static tern_status check_biases(const ti_serve_request *r, const tern_model *model,
                                tern_err *err)
{
    for (size_t i = 0; i < r->n_bias; i++) {
        if (r->bias[i].token < 0 || (uint32_t)r->bias[i].token >= model->config.n_vocab) {
            return ti_fail(err, TERN_USAGE, module, i, "the bias of token %d: no such token",
                           (int)r->bias[i].token);
        }
    }
    return TERN_OK;
}

/* Whether it can run when it is alone. */
static tern_status check_size(ti_serve_job *job, size_t n, tern_err *err)
{
    const ti_serve_engine *e = job->engine;
    const ti_serve_request *r = &job->request;
    uint32_t n_ctx = e->home.n_ctx;
    if (n == 0) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "the prompt has no tokens");
    }
    if (n >= n_ctx) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "the prompt has %zu tokens, a prompt and its answer at most %u", n,
                       n_ctx);
    }
    size_t answer = r->max_tokens && r->max_tokens < n_ctx - n ? r->max_tokens : n_ctx - n;
    size_t rounded = ti_round_up(n + answer, TI_SERVE_ROUND);
    uint32_t capacity = (uint32_t)(rounded < n_ctx ? rounded : n_ctx);
    uint64_t bytes;
    if (!ti_mul_u64(ti_engine_session_bytes(e, capacity), job->n_choices, &bytes) ||
        bytes > e->kv_limit) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "%u choices of up to %u tokens do not fit into the %llu bytes for keys "
                       "and values",
                       job->n_choices, capacity, (unsigned long long)e->kv_limit);
    }
    job->capacity = capacity;
    return TERN_OK;
}

static void destroy_streams(ti_serve_job *job)
{
    for (uint32_t i = 0; i < job->n_choices; i++) {
        tern_stream_destroy(job->choices[i].stream);
        job->choices[i].stream = NULL;
    }
}

tern_status ti_job_prepare(ti_serve_job *job, const tern_model *model, uint64_t generation,
                           tern_err *err)
{
    size_t cap = job->engine->home.n_ctx, n = 0;
    const ti_serve_request *r = &job->request;
    destroy_streams(job);
    job->generation = 0;
    TI_TRY(check_biases(r, model, err));
    for (uint32_t i = 0; i < job->n_choices; i++) {
        TI_TRY(tern_stream_create(&job->choices[i].stream, model, r->stops, r->n_stops, err));
    }
    tern_token *tokens = realloc(job->prompt, cap * sizeof *tokens);
    if (!tokens) {
        return ti_fail_nomem(err, module, cap * sizeof *tokens, "a prompt");
    }
    job->prompt = tokens;
    tern_status status = tokenize(r, model, tokens, cap, &n, err);
    if (status != TERN_OK && !(status == TERN_LIMIT && n > cap)) {
        return status;
    }
    TI_TRY(check_size(job, n, err));
    tokens = realloc(job->prompt, n * sizeof *tokens);
    job->prompt = tokens ? tokens : job->prompt;
    job->n_prompt = n;
    job->usage.prompt_tokens = n;
    job->generation = generation;
    return TERN_OK;
}

bool ti_job_unwanted(const ti_serve_job *job)
{
    return atomic_load(&job->cancelled) ||
           (job->request.gone && job->request.gone(job->request.user));
}

/* --- telling --------------------------------------------------------------------------------
 */

void ti_job_tell(ti_serve_job *job, ti_serve_event *event)
{
    job->usage.total_ns = ti_engine_now() - job->submitted_ns;
    event->usage = &job->usage;
    event->model = job->engine->model;
    event->file = &job->engine->state;
    event->text.data = event->text.data ? event->text.data : "";
    if (!job->request.on_event(job->request.user, event)) {
        atomic_store(&job->cancelled, true);
    }
}

void ti_job_sign(ti_serve_job *job)
{
    const uint64_t ns_per_ms = 1000000;
    ti_serve_event event = {.kind = TI_SERVE_WAIT};
    if (job->request.sign_ms == 0 || job->usage.first_ns > 0) {
        return; /* as most are, in each pass: without a look at the clock */
    }
    uint64_t now = ti_engine_now();
    if (now - job->sign_ns >= job->request.sign_ms * ns_per_ms) {
        job->sign_ns = now;
        ti_job_tell(job, &event);
    }
}

void ti_job_end_choice(ti_choice *c, ti_serve_reason reason, const tern_err *error)
{
    ti_serve_event event = {
        .kind = TI_SERVE_END, .choice = c->index, .reason = reason, .error = error};
    c->ended = true;
    c->reason = reason;
    if (reason != TI_SERVE_SEQUENCE) { /* what follows a stop sequence is not wanted */
        event.text.data = tern_stream_flush(c->stream, &event.text.len);
    }
    ti_job_tell(c->job, &event);
}

/* --- the end --------------------------------------------------------------------------------
 */

size_t ti_serve_longest(const ti_serve_job *job)
{
    size_t room = job->generation ? job->capacity - job->n_prompt : 0,
           most = job->request.max_tokens;
    return most > 0 && most < room ? most : room;
}

/* Tokens that could still have been made. */
static uint64_t not_made(const ti_serve_job *job)
{
    uint64_t n = 0;
    size_t most = ti_serve_longest(job);
    for (uint32_t i = 0; i < job->n_choices; i++) {
        const ti_choice *c = &job->choices[i];
        bool cut = !c->ended || c->reason == TI_SERVE_CANCELLED;
        n += cut && c->n_output < most ? most - c->n_output : 0;
    }
    return n;
}

/* Adds up; `waiting`: others wait, so that the time between two ends says when the next is. */
static void count(ti_serve_job *job, ti_serve_reason reason)
{
    enum { OF_MEAN = 8 };
    ti_serve_engine *e = job->engine;
    const ti_serve_usage *u = &job->usage;
    const ti_work_weights w = TI_WORK_WEIGHTS_DEFAULT;
    uint64_t now = ti_engine_now();
    pthread_mutex_lock(&e->lock);
    ti_serve_stats *s = &e->stats;
    s->answered += reason < TI_SERVE_CANCELLED;
    s->cancelled += reason == TI_SERVE_CANCELLED;
    s->failed += reason == TI_SERVE_ERROR;
    s->prompt_tokens += u->prompt_tokens;
    s->cached_tokens += u->cached_tokens;
    if (u->has_energy) {
        e->energy_uj += u->energy.energy_uj;
        e->energy_work += job->computed * w.prefill + u->output_tokens * w.decode;
    }
    if (reason == TI_SERVE_CANCELLED) {
        uint64_t n = not_made(job);
        s->tokens_not_made += n;
        s->saved_uj += e->energy_work > 0 ? (uint64_t)((double)e->energy_uj * w.decode *
                                                       (double)n / (double)e->energy_work)
                                          : 0;
    }
    if (e->done_ns > 0) {
        uint64_t between = now - e->done_ns;
        e->between_ns =
            e->between_ns ? (e->between_ns * (OF_MEAN - 1) + between) / OF_MEAN : between;
    }
    e->done_ns = e->n_queued > 0 ? now : 0;
    e->idle_since_ns = now;
    pthread_mutex_unlock(&e->lock);
}

void ti_job_finish(ti_serve_job *job, ti_serve_reason reason, const tern_err *error)
{
    ti_serve_engine *e = job->engine;
    const tern_token *output[TI_SERVE_SLOTS_MAX];
    size_t output_n[TI_SERVE_SLOTS_MAX];
    ti_serve_event event = {.kind = TI_SERVE_DONE, .reason = reason, .error = error};
    if (job->metered) {
        ti_energy_end(e->opts.energy, job->energy_id, &job->usage.energy);
        job->usage.has_energy = true;
    }
    if (job->generation) {
        event.prompt = job->prompt;
    }
    for (uint32_t i = 0; i < job->n_choices && job->active; i++) {
        size_t n = 0;
        const ti_choice *c = &job->choices[i];
        const tern_token *tokens = tern_session_tokens(c->session, &n);
        output[i] = c->n_output > 0 ? tokens + job->n_prompt : tokens;
        output_n[i] = c->n_output;
    }
    if (job->active) {
        event.output = output;
        event.output_n = output_n;
    }
    count(job, reason);
    ti_job_tell(job, &event);
    if (job->active) {
        ti_engine_take_back(e, job, reason != TI_SERVE_ERROR);
    }
    destroy_streams(job);
    free(job->prompt);
    job->prompt = NULL;
    ti_arena_free(&job->arena);
    ti_serve_release(job);
}
