/* SPDX-License-Identifier: Apache-2.0 */
/* A completion: from a request to the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/api_parts.h"
#include "serve/deferred.h"
#include "serve/form.h"

/* --- on its way to the engine ---------------------------------------------------------------
 */

void ti_call_free(ti_call *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->n_parts; i++) {
        ti_part *p = &c->parts[i];
        for (size_t j = 0; p->output && j < c->ask.choices; j++) {
            free(p->output[j]);
        }
        free(p->output);
        free(p->n_output);
        free(p->prompt);
    }
    for (size_t i = 0; i < c->n_choices; i++) {
        ti_choice_free(&c->choices[i]);
    }
    tern_grammar_destroy(c->form);
    ti_routed_free(c->routed);
    ti_buf_free(&c->piece);
    ti_buf_free(&c->body);
    ti_arena_free(&c->arena);
    free(c);
}

/* Messages for a model without a template: their texts, with an empty line between; it goes on
 * where they end, as `tern run` lets it. */
static tern_status join_messages(ti_call *c, ti_str *out, tern_err *err)
{
    ti_buf all = {0};
    for (size_t i = 0; i < c->ask.n_messages; i++) {
        ti_buf_adds(&all, i ? "\n\n" : "");
        ti_buf_adds(&all, c->ask.messages[i].content);
    }
    char *copy =
        all.failed ? NULL : ti_arena_strndup(&c->arena, all.data ? all.data : "", all.len);
    *out = (ti_str){copy, all.len};
    ti_buf_free(&all);
    return copy ? TERN_OK : ti_fail_nomem(err, "serve", out->len, "a prompt");
}

/* The engine's request for a prompt. */
static tern_status make_request(ti_call *c, ti_part *p, ti_serve_request *out, tern_err *err)
{
    enum { MS = 1000 };
    const ti_ask *a = &c->ask;
    *out = (ti_serve_request){.choices = a->choices,
                              .max_tokens = a->max_tokens,
                              .sampler = c->sampler,
                              .stops = a->stops,
                              .n_stops = a->n_stops,
                              .logprobs = a->logprobs,
                              .n_top = a->top_logprobs,
                              .grammar = c->form,
                              .file = &c->served.file,
                              .user = p,
                              .sign_ms = ti_call_takes_signs(c) ? TI_SIGN_S * MS : 0,
                              .on_event = ti_part_event,
                              .gone = ti_part_gone};
    out->sampler.seed += p->first;
    if (a->n_bias > 0) {
        ti_serve_bias *bias = ti_arena_calloc(&c->arena, a->n_bias, sizeof *bias);
        if (!bias) {
            return ti_fail_nomem(err, "serve", a->n_bias * sizeof *bias, "biases");
        }
        for (size_t i = 0; i < a->n_bias; i++) {
            bias[i] = (ti_serve_bias){a->bias[i].token, a->bias[i].bias};
        }
        out->bias = bias;
        out->n_bias = a->n_bias;
    }
    if (a->n_messages > 0 && c->served.has_chat) {
        out->messages = a->messages;
        out->n_messages = a->n_messages;
        return TERN_OK;
    }
    if (a->n_messages > 0) { /* from strangers: markers in it are text */
        out->text_flags = TERN_TOKENIZE_BOS;
        return join_messages(c, &out->text, err);
    }
    const ti_ask_input *input = &a->inputs[p - c->parts];
    out->tokens = input->tokens;
    out->n_tokens = input->n_tokens;
    out->text = input->text;
    out->text_flags = TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL;
    return TERN_OK;
}

/* Why the engine did not take it. */
static void not_taken(ti_refusal *why, tern_status status, const tern_err *err,
                      uint32_t wait_ms)
{
    enum { MS = 1000 };
    ti_refusal_of(why, status, err);
    if (status == TERN_UNAVAILABLE && wait_ms > 0) {
        ti_refuse(why, NULL, "rate_limit_exceeded",
                  "there is no room for this request now; try again in %u s",
                  (wait_ms + MS - 1) / MS);
        why->http = 429;
        why->type = "rate_limit_error";
        why->retry_s = (wait_ms + MS - 1) / MS;
    }
}

void ti_call_submit(ti_call *c)
{
    tern_err err = {0};
    ti_serve_stats stats;
    ti_serve_get_stats(c->api->opts.engine, &stats);
    c->loads = stats.loads;
    atomic_store(&c->pending, 1); /* the submitter is one */
    for (size_t i = 0; i < c->n_parts && !atomic_load(&c->failed); i++) {
        ti_serve_request request;
        uint32_t wait_ms = 0;
        atomic_fetch_add(&c->pending, 1);
        tern_status status = make_request(c, &c->parts[i], &request, &err);
        if (status == TERN_OK) {
            status = ti_serve_submit(c->api->opts.engine, &request, NULL, &wait_ms, &err);
        }
        if (status != TERN_OK) {
            ti_refusal why;
            not_taken(&why, status, &err, wait_ms);
            ti_call_fail(c, &why);
            atomic_fetch_sub(&c->pending, 1); /* never the last */
        }
    }
    ti_call_end_part(c);
}

/* Makes room for choices, and parts that know where theirs are. */
static bool make_parts(ti_call *c)
{
    c->n_parts = c->ask.n_messages > 0 ? 1 : c->ask.n_inputs;
    size_t n = c->n_parts * c->ask.choices;
    c->parts = ti_arena_calloc(&c->arena, c->n_parts, sizeof *c->parts);
    c->choices = ti_arena_calloc(&c->arena, n, sizeof *c->choices);
    c->begun_choice = ti_arena_calloc(&c->arena, n, sizeof *c->begun_choice);
    if (!c->parts || !c->choices || !c->begun_choice) {
        c->n_parts = 0;
        return false;
    }
    c->n_choices = n;
    for (size_t i = 0; i < c->n_parts; i++) {
        c->parts[i].call = c;
        c->parts[i].first = (uint32_t)i * c->ask.choices;
        for (size_t j = 0; c->ask.echo && j < c->ask.choices; j++) {
            c->choices[c->parts[i].first + j].echo = c->ask.inputs[i].text;
        }
    }
    return true;
}

/* Ollama: nothing to answer means that the model should be read, or with keep_alive 0 that it
 * should go. */
static void load_only(ti_call *c)
{
    bool unload = c->ask.gave_keep_alive && c->ask.keep_alive_s == 0;
    const tern_model *model;
    tern_err err = {0};
    ti_refusal why;
    ti_buf json = {0};
    char time[TI_TIME_TEXT];
    ti_api_keep(c->api, &c->ask);
    tern_status status =
        unload ? TERN_OK : ti_serve_acquire(c->api->opts.engine, &c->served.file, &model, &err);
    if (status != TERN_OK) {
        ti_refusal_of(&why, status, &err);
        ti_api_refuse(c->api, c->kind, c->reply, &why);
        return;
    }
    if (!unload) {
        ti_serve_give_back(c->api->opts.engine);
    }
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "model", c->served.id);
    ti_json_str(&json, "created_at", ti_time_text(time, (int64_t)c->started_unix_ms * 1000000));
    if (c->kind == TI_ASK_OLLAMA_CHAT) {
        ti_json_open(&json, "message", '{');
        ti_json_str(&json, "role", "assistant");
        ti_json_str(&json, "content", "");
        ti_json_close(&json, '}');
    } else {
        ti_json_str(&json, "response", "");
    }
    ti_json_bool(&json, "done", true);
    ti_json_str(&json, "done_reason", unload ? "unload" : "load");
    ti_json_close(&json, '}');
    ti_api_send(c->reply, &json);
}

/* Whether it can be tried: what needs a look at the model, but not the model. */
static bool acceptable(ti_call *c, ti_refusal *why)
{
    if (c->ask.echo && c->ask.inputs[0].tokens) {
        return ti_refuse(why, "echo", "unsupported_value",
                         "'echo' is not supported for prompts of tokens");
    }
    ti_serve_stats stats;
    ti_serve_get_stats(c->api->opts.engine, &stats);
    if (c->ask.choices > stats.slots) {
        /* unsupported here, which others need not be (routed.c) */
        return ti_refuse(why, "n", "unsupported_value", "'n' can be at most %u here",
                         stats.slots);
    }
    if (c->ask.n_inputs > stats.queue) { /* they come at once, so it would never have room */
        return ti_refuse(why, "prompt", "invalid_value",
                         "'prompt' can have at most %u items here", stats.queue);
    }
    if (c->ask.format != TI_ASK_TEXT) {
        return ti_form_open(&c->form, &c->ask, c->kind, why);
    }
    return true;
}

static void name_call(ti_call *c)
{
    static const char *const prefixes[TI_ASK_KINDS] = {"chatcmpl-", "cmpl-"};
    const char *prefix = prefixes[c->kind] ? prefixes[c->kind] : "call-";
    snprintf(c->id, sizeof c->id, "%s%016llx", prefix,
             (unsigned long long)ti_api_number(c->api));
}

ti_call *ti_call_new(ti_api *api, ti_ask_kind kind, ti_web_reply *reply)
{
    ti_call *c = calloc(1, sizeof *c);
    if (c) {
        *c = (ti_call){.api = api,
                       .reply = reply,
                       .kind = kind,
                       .started_unix_ms = ti_wall_ms(),
                       .started_ns = ti_steady_ns()};
        name_call(c);
    }
    return c;
}

bool ti_call_prepare(ti_call *c, ti_refusal *why)
{
    const uint64_t seed_max = (UINT64_C(1) << 53) - 1;
    c->sampler = ti_ask_sampler(&c->ask, c->kind, &c->served.recommended,
                                ti_api_number(c->api) & seed_max);
    if (!acceptable(c, why)) {
        return false;
    }
    if (!make_parts(c)) {
        ti_refusal_of(why, TERN_NOMEM, NULL);
        return false;
    }
    return true;
}

void ti_call_run(ti_api *api, ti_ask_kind kind, ti_str text, const ti_call_sink *sink)
{
    ti_refusal why = {0};
    ti_call *c = ti_call_new(api, kind, NULL);
    if (!c) {
        sink->done(sink->user, 503, "", &(ti_buf){0});
        return;
    }
    c->sink = *sink;
    bool good = ti_api_understand(api, kind, text, &c->arena, &c->ask, &c->served, &why);
    if (good && c->ask.deadline) {
        good = ti_refuse(&why, "tern.deadline", "unsupported_value",
                         "a request of a batch has the batch's completion_window");
    }
    if (good && c->ask.stream) {
        good = ti_refuse(&why, "stream", "unsupported_value",
                         "'stream' must be false where nobody waits for an answer");
    }
    if (!good || !ti_call_prepare(c, &why)) {
        c->why = why;
        ti_call_send_error(c);
        ti_call_end(c);
        return;
    }
    ti_call_submit(c);
}

/* What it takes, roughly: four bytes a token, and those of the answer. */
static uint64_t tokens_of(const ti_ask *a)
{
    enum { BYTES_A_TOKEN = 4, EXPECTED = 256 };
    uint64_t bytes = 0, n = a->n_messages > 0 ? 1 : a->n_inputs;
    for (size_t i = 0; i < a->n_messages; i++) {
        bytes += strlen(a->messages[i].content);
    }
    for (size_t i = 0; i < a->n_inputs; i++) {
        bytes += a->inputs[i].text.len + a->inputs[i].n_tokens * BYTES_A_TOKEN;
    }
    return bytes / BYTES_A_TOKEN +
           n * a->choices * (a->max_tokens > 0 ? a->max_tokens : EXPECTED);
}

void ti_call_start(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                   ti_web_reply *reply)
{
    ti_refusal why = {0};
    ti_call *c = ti_call_new(api, kind, reply);
    if (!c) {
        ti_web_reply_error(reply, 503, NULL);
        return;
    }
    if (!ti_api_read(api, kind, request, reply, &c->arena, &c->ask, &c->served)) {
        ti_call_free(c);
        return;
    }
    if (c->ask.n_messages == 0 && c->ask.n_inputs == 0) {
        if (ti_api_enter_slow(api, kind, reply)) {
            load_only(c);
            ti_api_leave_slow(api);
        }
        ti_call_free(c);
        return;
    }
    int64_t deadline_s;
    if (!ti_call_prepare(c, &why) ||
        !ti_deadline_read(&deadline_s, api, c->ask.deadline, c->started_unix_ms, &why)) {
        ti_api_refuse(api, kind, reply, &why);
        ti_call_free(c);
        return;
    }
    ti_web_reply_keep(reply);
    if (deadline_s == 0 ||
        !ti_deferred_add(api->deferred, c, NULL, deadline_s, tokens_of(&c->ask))) {
        ti_call_submit(c); /* where there is no room to wait, it need not */
    }
}
