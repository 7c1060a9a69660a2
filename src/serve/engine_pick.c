/* SPDX-License-Identifier: Apache-2.0 */
/* The next token of each answer: by the session's own sampler, so that it is the token that
 * tern_session_next() gives anybody.  Several answers are shared among the threads of the
 * pass, which would sleep meanwhile. */
#include <float.h>
#include <string.h>

#include "base/detmath.h"
#include "serve/engine_parts.h"

/* ln of the sum of exp(logit - top) over all tokens, in the order of their ids. */
static double log_sum(const float *logits, size_t n, float top)
{
    const double least = -50.0; /* e^-50 a million times is nothing beside 1 */
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)logits[i] - (double)top;
        sum += x > least ? ti_exp(x) : 0.0;
    }
    return ti_log(sum);
}

/* The likeliest tokens in order; of equal ones the lower id first. */
static void find_top(ti_choice *c, const float *logits, size_t n, size_t wanted)
{
    size_t have = 0;
    for (size_t i = 0; i < n && wanted > 0; i++) {
        if (have == wanted && logits[i] <= c->top[have - 1].logprob) {
            continue;
        }
        size_t at = have < wanted ? have++ : have - 1;
        for (; at > 0 && c->top[at - 1].logprob < logits[i]; at--) {
            c->top[at] = c->top[at - 1];
        }
        c->top[at] = (ti_serve_top){.token = (tern_token)i, .logprob = logits[i]};
    }
    c->n_top = have;
}

static void finish_top(ti_serve_top *t, const tern_model *model, float top, double log_of_sum)
{
    t->logprob = (float)((double)t->logprob - (double)top - log_of_sum);
    t->bytes.data = tern_model_token_bytes(model, t->token, &t->bytes.len);
}

/* Adds the biases, or puts back what was there. */
static void add_biases(ti_choice *c, bool undo)
{
    const ti_serve_request *r = &c->job->request;
    float *logits = c->session->logits;
    for (size_t i = undo ? r->n_bias : 0; undo && i-- > 0;) { /* a token may come twice */
        logits[r->bias[i].token] = c->held[i];
    }
    for (size_t i = 0; !undo && i < r->n_bias; i++) {
        float *logit = &logits[r->bias[i].token];
        c->held[i] = *logit;
        *logit += r->bias[i].bias;
    }
}

static void pick(ti_choice *c, void *scratch)
{
    tern_session *s = c->session;
    const tern_model *model = s->model;
    const ti_serve_request *r = &c->job->request;
    const size_t n_vocab = model->config.n_vocab;
    add_biases(c, false);
    s->sampler_scratch = scratch;
    c->status = tern_session_next(s, &c->token, &c->error);
    s->sampler_scratch = NULL;
    add_biases(c, true);
    c->n_top = 0;
    if (c->status == TERN_OK && r->logprobs) {
        ti_serve_top best;
        find_top(c, s->logits, n_vocab, r->n_top ? r->n_top : 1);
        best = c->top[0];
        double log_of_sum = log_sum(s->logits, n_vocab, best.logprob);
        c->own = (ti_serve_top){.token = c->token, .logprob = s->logits[c->token]};
        finish_top(&c->own, model, best.logprob, log_of_sum);
        for (size_t i = 0; i < c->n_top; i++) {
            finish_top(&c->top[i], model, best.logprob, log_of_sum);
        }
        c->n_top = r->n_top ? c->n_top : 0;
    }
}

typedef struct work {
    ti_serve_engine *e;
    uint32_t n;
} work;

static void share(void *ctx, uint32_t id, uint32_t n)
{
    const work *w = ctx;
    for (uint32_t i = id; i < w->n; i += n) {
        pick(w->e->picks[i], w->e->scratch[id]);
    }
}

void ti_engine_pick(ti_serve_engine *e, uint32_t n)
{
    work w = {.e = e, .n = n};
    if (n > 1) {
        ti_pool_run(ti_batch_pool(e->home.batch), share, &w);
    } else if (n == 1) {
        share(&w, 0, 1);
    }
}
