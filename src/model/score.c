/* SPDX-License-Identifier: Apache-2.0 */
/* How surprising a text is: the logits after every token, not only after the last one. */
#include <stdlib.h>
#include <string.h>

#include "base/detmath.h"
#include "model/session.h"

static const char module[] = "session";

/* Logits that are kept at a time: 16 MB, or eight rows. */
enum { KEPT_LOGITS = 1 << 22, LEAST_ROWS = 8 };

/* -ln of the probability that logits x[n] give to a token; x becomes the probabilities.
 *
 * The largest probability is 1 over the sum of the others' ratios to it, so its logarithm is
 * that of the sum, and no probability that is too small for a float is needed. */
static double surprise(const ti_kern *kern, float *x, size_t n, tern_token token)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    double below = (double)x[best] - (double)x[token];
    kern->softmax(x, n);
    return below - ti_log((double)x[best]);
}

static tern_status check_targets(const tern_session *s, const tern_token *targets, size_t n,
                                 tern_err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool known = targets[i] >= 0 && (uint32_t)targets[i] < s->model->config.n_vocab;
        if (!known && targets[i] != TERN_TOKEN_NONE) {
            return ti_fail(err, TERN_USAGE, module, i,
                           "token %d is not in the vocabulary of %u", (int)targets[i],
                           s->model->config.n_vocab);
        }
    }
    return TERN_OK;
}

/* n tokens at once; `room` has n vectors of logits. */
static tern_status score_chunk(tern_session *s, const tern_token *tokens,
                               const tern_token *targets, size_t n, float *room, double *nats,
                               tern_err *err)
{
    size_t n_vocab = s->model->config.n_vocab;
    ti_row *rows = ti_batch_rows(s->batch);
    for (size_t i = 0; i < n; i++) {
        float *own = targets[i] != TERN_TOKEN_NONE ? room + i * n_vocab : NULL;
        rows[i] = (ti_row){.session = s,
                           .position = (uint32_t)(s->n_tokens + i),
                           .token = tokens[i],
                           .logits = i + 1 < n ? own : s->logits};
    }
    s->has_logits = false;
    ti_kv_note(&s->kv, s->n_tokens + n);
    TI_TRY(ti_forward(s->batch, rows, n, err));
    for (size_t i = 0; i < n; i++) {
        nats[i] = 0.0;
        if (targets[i] != TERN_TOKEN_NONE) {
            float *x = room + i * n_vocab;
            if (i + 1 == n) {
                memcpy(x, s->logits, n_vocab * sizeof *x);
            }
            nats[i] = surprise(s->model->kern, x, n_vocab, targets[i]);
        }
    }
    memmove(s->tokens + s->n_tokens, tokens, n * sizeof *tokens);
    ti_session_commit(s, NULL, n);
    return TERN_OK;
}

tern_status tern_session_score(tern_session *session, const tern_token *tokens,
                               const tern_token *targets, size_t n, double *nats, tern_err *err)
{
    tern_session *s = session;
    size_t n_vocab = s->model->config.n_vocab, before = s->n_tokens;
    TI_TRY(ti_session_check_tokens(s, tokens, n, err));
    TI_TRY(check_targets(s, targets, n, err));
    if (s->n_tokens > 0 &&
        !tern_session_logits(s, err)) { /* what was fed is in the cache now */
        return err ? err->status : TERN_INTERNAL;
    }
    size_t most = KEPT_LOGITS / n_vocab;
    most = most < LEAST_ROWS ? LEAST_ROWS : most;
    most = most < s->chunk ? most : s->chunk;
    most = most < n ? most : n;
    float *room = ti_calloc(most * n_vocab, sizeof *room);
    double *made = ti_calloc(n, sizeof *made);
    tern_status status = TERN_OK;
    if (!room || !made) {
        status = ti_fail_nomem(err, module, most * n_vocab * sizeof *room, "logits");
    }
    for (size_t at = 0; status == TERN_OK && at < n; at += most) {
        size_t some = n - at < most ? n - at : most;
        status = score_chunk(s, tokens + at, targets + at, some, room, made + at, err);
    }
    if (status == TERN_OK) {
        memcpy(nats, made, n * sizeof *nats);
    } else if (s->n_tokens > before) {
        s->n_tokens = s->n_done = before;
        s->has_logits = false;
    }
    free(room);
    free(made);
    return status;
}
