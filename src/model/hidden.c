/* SPDX-License-Identifier: Apache-2.0 */
/* What the network makes of each token, before the output head: for embeddings. */
#include <stdlib.h>
#include <string.h>

#include "model/session.h"

static const char module[] = "session";

/* Runs the tokens from n_done to `end`, which are in s->tokens already; the states of those
 * from `wanted` on go to hidden[]. */
static tern_status run_hidden(tern_session *s, size_t wanted, size_t end, float *hidden,
                              tern_err *err)
{
    size_t n_embd = s->model->config.n_embd;
    s->has_logits = false;
    for (size_t at = s->n_done, n; at < end; at += n) {
        ti_row *rows = ti_batch_rows(s->batch);
        n = end - at < s->chunk ? end - at : s->chunk;
        for (size_t i = 0; i < n; i++) {
            size_t p = at + i;
            rows[i] = (ti_row){.session = s,
                               .position = (uint32_t)p,
                               .token = s->tokens[p],
                               .hidden = p >= wanted ? hidden + (p - wanted) * n_embd : NULL};
        }
        ti_kv_note(&s->kv, at + n);
        TI_TRY(ti_forward(s->batch, rows, n, err));
    }
    return TERN_OK;
}

tern_status tern_session_hidden(tern_session *session, const tern_token *tokens, size_t n,
                                float *hidden, tern_err *err)
{
    tern_session *s = session;
    TI_TRY(ti_session_check_tokens(s, tokens, n, err));
    TI_TRY(ti_session_settle(s, err));
    size_t width = s->model->config.n_embd, count;
    float *made = ti_mul_size(n, width, &count) ? ti_calloc(count, sizeof *made) : NULL;
    if (!made) {
        return ti_fail_nomem(err, module, (uint64_t)n * width * sizeof *made, "hidden states");
    }
    memmove(s->tokens + s->n_tokens, tokens, n * sizeof *tokens);
    tern_status status = run_hidden(s, s->n_tokens, s->n_tokens + n, made, err);
    if (status == TERN_OK) {
        s->n_tokens += n;
        s->n_done = s->n_tokens;
        memcpy(hidden, made, count * sizeof *made);
    }
    free(made);
    return status;
}
