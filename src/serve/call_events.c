/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine says of a completion on its way, and what of it goes to the client. */
#include <stdlib.h>
#include <string.h>

#include "serve/api_parts.h"

/* --- what comes of it -----------------------------------------------------------------------
 */

ti_told ti_call_told(const ti_call *c)
{
    enum { MS = 1000 };
    return (ti_told){.kind = c->kind,
                     .id = c->id,
                     .model = c->served.id,
                     .digest = c->served.digest,
                     .created_s = (int64_t)(c->started_unix_ms / MS),
                     .ask = &c->ask,
                     .choices = c->choices,
                     .n_choices = c->n_choices};
}

void ti_call_fail(ti_call *c, const ti_refusal *why)
{
    pthread_mutex_lock(&c->api->mutex);
    if (c->why.http == 0) {
        c->why = *why;
    }
    pthread_mutex_unlock(&c->api->mutex);
    atomic_store(&c->failed, true);
}

static void fail_memory(ti_call *c)
{
    tern_err err = {.message = "there is no memory for this answer"};
    ti_refusal why;
    ti_refusal_of(&why, TERN_NOMEM, &err);
    ti_call_fail(c, &why);
}

void ti_call_ended(ti_call *c)
{
    ti_api *api = c->api;
    pthread_mutex_lock(&api->mutex);
    c->next = NULL;
    if (api->last) {
        api->last->next = c;
    } else {
        api->first = c;
    }
    api->last = c;
    pthread_mutex_unlock(&api->mutex);
    pthread_cond_signal(&api->wake); /* who wakes up finds the lock free */
}

void ti_call_end_part(ti_call *c)
{
    if (atomic_fetch_sub(&c->pending, 1) == 1) {
        ti_call_ended(c);
    }
}

void ti_call_begin_stream(ti_call *c)
{
    c->begun = true;
    ti_web_reply_head(c->reply, 200,
                      c->kind < TI_ASK_OLLAMA_CHAT ? "text/event-stream"
                                                   : "application/x-ndjson");
    ti_web_reply_header(c->reply, "X-Request-Id", c->id);
    ti_web_reply_header(c->reply, "X-Accel-Buffering", "no"); /* proxies should not wait */
    if (c->route) {
        ti_web_reply_header(c->reply, "X-Tern-Route", c->route);
    }
}

bool ti_call_takes_signs(const ti_call *c)
{
    return c->ask.stream && !c->routed && c->kind < TI_ASK_OLLAMA_CHAT;
}

void ti_call_sign(ti_call *c, const char *words)
{
    if (!c->begun) {
        ti_call_begin_stream(c);
    }
    ti_buf_clear(&c->piece);
    ti_buf_addf(&c->piece, ": %s\n\n", words);
    c->lost |= c->piece.failed ||
               ti_web_reply_write(c->reply, c->piece.data, c->piece.len, NULL) != TERN_OK;
}

/* Sends a piece of a stream; false when nobody takes it. */
static bool send_piece(ti_call *c, uint32_t index, ti_str text)
{
    ti_told told = ti_call_told(c);
    bool first = !c->begun_choice[index];
    if (!c->begun) {
        ti_call_begin_stream(c);
    }
    c->begun_choice[index] = true;
    ti_buf_clear(&c->piece);
    if (first && c->choices[index].echo.len > 0) {
        ti_render_piece(&c->piece, &told, index, &c->choices[index], true,
                        c->choices[index].echo);
        first = false;
    }
    ti_render_piece(&c->piece, &told, index, &c->choices[index], first, text);
    if (c->piece.failed) {
        fail_memory(c);
        return false;
    }
    c->lost = ti_web_reply_write(c->reply, c->piece.data, c->piece.len, NULL) != TERN_OK;
    return !c->lost;
}

/* Text or the end of a choice. */
static bool take_text(ti_part *p, const ti_serve_event *e)
{
    ti_call *c = p->call;
    uint32_t index = p->first + e->choice;
    ti_choice *choice = &c->choices[index];
    bool ended = e->kind == TI_SERVE_END;
    ti_buf_add(&choice->text, e->text.data, e->text.len);
    if (e->has_logprob && !ended) {
        ti_add_logprob(choice, c->kind, e);
    }
    if (ended) {
        choice->reason = e->reason;
    }
    if (choice->text.failed || choice->logprobs.failed || choice->tokens.failed) {
        fail_memory(c);
        return false;
    }
    bool empty = e->text.len == 0 && !(e->has_logprob && !ended);
    bool silent = ended && (e->reason == TI_SERVE_CANCELLED || e->reason == TI_SERVE_ERROR);
    if (!c->ask.stream || silent || (empty && !(ended && !c->begun_choice[index]))) {
        return true;
    }
    return send_piece(c, index, e->text);
}

/* Keeps what the receipts need.  Without memory there is none; the answer stands. */
static void keep_tokens(ti_part *p, const ti_serve_event *e)
{
    size_t n = p->call->ask.choices;
    if (!e->prompt || !e->output || e->usage->prompt_tokens == 0) {
        return;
    }
    p->prompt = calloc(e->usage->prompt_tokens, sizeof *p->prompt);
    p->output = calloc(n, sizeof *p->output);
    p->n_output = calloc(n, sizeof *p->n_output);
    if (!p->prompt || !p->output || !p->n_output) {
        return;
    }
    memcpy(p->prompt, e->prompt, e->usage->prompt_tokens * sizeof *p->prompt);
    for (size_t i = 0; i < n; i++) {
        p->output[i] = calloc(e->output_n[i] + 1, sizeof **p->output);
        if (!p->output[i]) {
            return;
        }
        if (e->output_n[i] > 0) {
            memcpy(p->output[i], e->output[i], e->output_n[i] * sizeof **p->output);
        }
        p->n_output[i] = e->output_n[i];
    }
    p->told = true;
}

bool ti_part_event(void *user, const ti_serve_event *e)
{
    ti_part *p = user;
    ti_call *c = p->call;
    if (e->kind != TI_SERVE_DONE && atomic_load(&c->failed)) {
        return false;
    }
    if (e->kind == TI_SERVE_WAIT) {
        ti_call_sign(c, "no text yet");
        return !c->lost;
    }
    if (e->kind != TI_SERVE_DONE) {
        return take_text(p, e);
    }
    p->usage = *e->usage;
    keep_tokens(p, e);
    if (e->reason == TI_SERVE_ERROR) {
        ti_refusal why;
        ti_refusal_of(&why, e->error ? e->error->status : TERN_INTERNAL, e->error);
        ti_call_fail(c, &why);
    } else if (e->reason == TI_SERVE_CANCELLED) {
        c->cancelled = true;
    }
    ti_call_end_part(c);
    return true;
}

bool ti_part_gone(void *user)
{
    ti_part *p = user;
    return atomic_load(&p->call->failed) || ti_call_gone(p->call);
}

bool ti_call_gone(const ti_call *c)
{
    return c->reply ? ti_web_reply_gone(c->reply) : c->sink.gone(c->sink.user);
}
