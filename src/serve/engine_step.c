/* SPDX-License-Identifier: Apache-2.0 */
/* A pass: one row of each answer, and as many rows of prompts as the pace allows, shared evenly
 * among those that are being read.  Then tokens are chosen and told. */
#include "serve/engine_parts.h"

/* Meters are read once in so long at most while passes go on. */
static const uint64_t sample_ns = 5000000;

/* --- leaving --------------------------------------------------------------------------------
 */

/* Takes job number `at` out of the list, in which the order stays, and ends it. */
static void leave(ti_serve_engine *e, uint32_t at, ti_serve_reason reason,
                  const tern_err *error)
{
    ti_serve_job *job = e->active[at];
    pthread_mutex_lock(&e->lock);
    e->n_choices -= job->n_choices;
    e->n_active--;
    for (uint32_t i = at; i < e->n_active; i++) {
        e->active[i] = e->active[i + 1];
    }
    pthread_mutex_unlock(&e->lock);
    for (uint32_t i = 0; i < job->n_choices; i++) {
        if (!job->choices[i].ended) {
            ti_job_end_choice(&job->choices[i], reason, error);
        }
    }
    ti_job_finish(job, reason, error);
}

static void drop_unwanted(ti_serve_engine *e)
{
    bool all = ti_engine_must_end(e);
    for (uint32_t i = e->n_active; i-- > 0;) {
        if (all || ti_job_unwanted(e->active[i])) {
            leave(e, i, TI_SERVE_CANCELLED, NULL);
        } else {
            ti_job_sign(e->active[i]);
        }
    }
}

/* --- what goes into the pass ----------------------------------------------------------------
 */

typedef struct pass {
    uint32_t n_parts, answers, prompt_rows;
} pass;

static bool reads(const ti_serve_job *job)
{
    return job->n_read < job->n_prompt;
}

static void add_answers(ti_serve_engine *e, pass *p)
{
    for (uint32_t i = 0; i < e->n_active; i++) {
        ti_serve_job *job = e->active[i];
        for (uint32_t c = 0; c < job->n_choices && !reads(job); c++) {
            if (!job->choices[c].ended) { /* its last token waits in the session */
                e->parts[p->n_parts++] =
                    (ti_batch_part){.session = job->choices[c].session, .logits = true};
                p->answers++;
            }
        }
    }
}

/* Every prompt gets the same number of rows, but for those that need less. */
static void add_prompts(ti_serve_engine *e, pass *p)
{
    uint64_t waiting = 0;
    uint32_t readers = 0;
    for (uint32_t i = 0; i < e->n_active; i++) {
        const ti_serve_job *job = e->active[i];
        e->reading[i] = 0;
        if (reads(job) && !ti_engine_follow(e, i)) {
            e->reading[i] = 1;
            waiting += job->n_prompt - job->n_read;
            readers++;
        }
    }
    uint32_t left = ti_pace_rows(&e->pace, p->answers, waiting);
    e->turn++;
    for (uint32_t k = 0; k < e->n_active; k++) {
        uint32_t i = (e->turn + k) % e->n_active;
        const ti_serve_job *job = e->active[i];
        if (e->reading[i] == 0) {
            continue;
        }
        TI_ASSERT(readers > 0);
        uint32_t share = (left + readers - 1) / readers;
        size_t rest = job->n_prompt - job->n_read;
        readers--;
        e->reading[i] = rest < share ? (uint32_t)rest : share;
        left -= e->reading[i];
        if (e->reading[i] > 0) {
            e->parts[p->n_parts++] = (ti_batch_part){.session = job->choices[0].session,
                                                     .tokens = job->prompt + job->n_read,
                                                     .n = e->reading[i],
                                                     .logits = rest == e->reading[i]};
            p->prompt_rows += e->reading[i];
        }
    }
}

/* --- after the pass -------------------------------------------------------------------------
 */

/* The other choices begin where the first one is. */
static void divide(ti_serve_job *job)
{
    for (uint32_t c = 1; c < job->n_choices; c++) {
        size_t n =
            ti_session_adopt(job->choices[c].session, job->choices[0].session, job->n_prompt);
        TI_ASSERT(n == job->n_prompt);
    }
    job->usage.prompt_ns = ti_engine_now() - job->active_ns;
}

static void account(ti_serve_engine *e)
{
    uint64_t now = ti_engine_now();
    for (uint32_t i = 0; i < e->n_active; i++) {
        ti_serve_job *job = e->active[i];
        uint64_t answers = 0, rows = e->reading[i];
        for (uint32_t c = 0; c < job->n_choices && !reads(job); c++) {
            answers += !job->choices[c].ended;
        }
        if (job->metered && rows + answers > 0) {
            ti_energy_work(e->opts.energy, job->energy_id, rows, answers);
        }
        job->n_read += rows;
        job->computed += rows;
        if (rows > 0 && !reads(job)) {
            divide(job);
        }
    }
    if (e->opts.energy && now - e->sampled_ns >= sample_ns) {
        (void)ti_energy_total(e->opts.energy, NULL);
        e->sampled_ns = now;
    }
}

static void count_pass(ti_serve_engine *e, const pass *p, uint64_t ns)
{
    ti_pace_note(&e->pace, p->answers, p->prompt_rows, ns);
    pthread_mutex_lock(&e->lock);
    ti_serve_stats *s = &e->stats;
    s->passes++;
    s->computed_tokens += p->prompt_rows;
    s->step_ns = ti_pace_median(&e->pace.lean_recent);
    s->mixed_ns = ti_pace_median(&e->pace.mixed_recent);
    s->chunk = e->pace.rows;
    pthread_mutex_unlock(&e->lock);
}

/* --- telling --------------------------------------------------------------------------------
 */

/* Whether a choice that took a token has come to an end, and which. */
static bool is_over(const ti_choice *c, bool stopped, ti_serve_reason *reason)
{
    const ti_serve_request *r = &c->job->request;
    if (stopped) {
        *reason = TI_SERVE_SEQUENCE;
    } else if (r->max_tokens && c->n_output >= r->max_tokens) {
        *reason = TI_SERVE_LENGTH;
    } else if (c->session->n_tokens >= c->session->n_ctx) {
        *reason = TI_SERVE_CONTEXT;
    } else {
        return false;
    }
    return true;
}

/* A token was chosen, or could not be. */
static void tell(ti_choice *c)
{
    ti_serve_job *job = c->job;
    const ti_serve_request *r = &job->request;
    bool stopped = false;
    ti_serve_reason reason;
    if (c->status != TERN_OK) {
        ti_job_end_choice(c, TI_SERVE_ERROR, &c->error);
        return;
    }
    c->n_output++;
    job->usage.output_tokens++;
    if (job->usage.first_ns == 0) {
        job->usage.first_ns = ti_engine_now() - job->submitted_ns;
    }
    bool ends = tern_model_token_ends(c->session->model, c->token);
    if (ends && (r->grammar || !r->ignore_end)) { /* nothing can follow in a grammar */
        ti_job_end_choice(c, TI_SERVE_STOP, NULL);
        return;
    }
    ti_serve_event event = {.kind = TI_SERVE_TEXT,
                            .choice = c->index,
                            .token = c->token,
                            .has_logprob = r->logprobs,
                            .logprob = c->own,
                            .top = c->top,
                            .n_top = c->n_top};
    event.text.data = tern_stream_push(c->stream, c->token, &event.text.len, &stopped);
    if (event.text.len > 0 || r->logprobs) {
        ti_job_tell(job, &event);
    }
    if (is_over(c, stopped, &reason)) {
        ti_job_end_choice(c, reason, NULL);
    }
}

static bool all_ended(const ti_serve_job *job)
{
    for (uint32_t c = 0; c < job->n_choices; c++) {
        if (!job->choices[c].ended) {
            return false;
        }
    }
    return true;
}

/* Chooses tokens where there are logits, and tells. */
static void answer(ti_serve_engine *e)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n_active; i++) {
        ti_serve_job *job = e->active[i];
        for (uint32_t c = 0; c < job->n_choices && !reads(job); c++) {
            if (!job->choices[c].ended) {
                e->picks[n++] = &job->choices[c];
            }
        }
    }
    ti_engine_pick(e, n);
    pthread_mutex_lock(&e->lock);
    e->stats.output_tokens += n;
    pthread_mutex_unlock(&e->lock);
    for (uint32_t i = 0; i < n; i++) {
        tell(e->picks[i]);
    }
    for (uint32_t i = e->n_active; i-- > 0;) {
        const ti_serve_job *job = e->active[i];
        if (all_ended(job)) {
            const ti_choice *first = &job->choices[0];
            leave(e, i, first->reason, first->reason == TI_SERVE_ERROR ? &first->error : NULL);
        }
    }
}

/* A pass that failed is nobody's fault but the model's: what is active ends, and the file is
 * read anew for the next request. */
static void fail(ti_serve_engine *e, const tern_err *err)
{
    pthread_mutex_lock(&e->lock);
    e->stale = true;
    pthread_mutex_unlock(&e->lock);
    while (e->n_active > 0) {
        leave(e, 0, TI_SERVE_ERROR, err);
    }
}

void ti_engine_step(ti_serve_engine *e)
{
    pass p = {0};
    tern_err err;
    drop_unwanted(e);
    if (e->n_active == 0) {
        return;
    }
    add_answers(e, &p);
    add_prompts(e, &p);
    uint64_t begun = ti_engine_now();
    if (ti_batch_run(e->home.batch, e->parts, p.n_parts, &err) != TERN_OK) {
        fail(e, &err);
        return;
    }
    count_pass(e, &p, ti_engine_now() - begun);
    account(e);
    answer(e);
}
