/* SPDX-License-Identifier: Apache-2.0 */
/* A chat that is routed: from the request to the decision. */
#include <string.h>

#include "serve/deferred.h"
#include "serve/router_parts.h"

enum { HTTP_NOT_FOUND = 404, HTTP_UNAVAILABLE = 503 };

static bool same(const char *said, const ti_upstream *u)
{
    return ti_same_name(said, u->name) || (!u->candidate.local && ti_same_name(said, u->model));
}

/* Who is meant by a name.  False: nobody. */
static bool choose(ti_routed *r, const ti_served *served)
{
    const ti_upstreams *list = r->router->opts.upstreams;
    const char *said = r->ask.model;
    bool any = !*said || ti_same_name(said, "auto"), found = any;
    for (size_t i = 0; i < list->n; i++) {
        r->allowed[i] = any || same(said, &list->items[i]);
        found |= r->allowed[i];
    }
    if (!found && ti_is_served(r->call->api, served, said)) {
        for (size_t i = 0; i < list->n; i++) {
            r->allowed[i] = list->items[i].candidate.local && r->router->opts.served[i];
        }
        found = true; /* here, also where the configuration has nobody here */
    }
    r->pinned = !any;
    return found;
}

static void classify(ti_routed *r)
{
    const ti_upstreams *list = r->router->opts.upstreams;
    uint64_t expected = list->answer_tokens;
    ti_thin_answer answer;
    ti_thin_ask(&answer, r->router->opts.thin, r->ask.question.data, r->ask.question.len);
    if (r->ask.max_tokens > 0 && r->ask.max_tokens < expected) {
        expected = r->ask.max_tokens;
    }
    r->request.task = answer.thin ? TI_ROUTE_THIN : TI_ROUTE_THICK;
    r->request.in_tokens = ti_relay_count(&r->ask, NULL, 0).in;
    r->request.out_tokens = expected * r->ask.choices;
}

/* Whether what this machine refuses may be another's to answer; else nobody could. */
static bool others_may(const ti_refusal *why)
{
    return why->code && (strcmp(why->code, "unavailable") == 0 ||
                         strcmp(why->code, "unsupported_value") == 0 ||
                         strcmp(why->code, "unsupported_parameter") == 0);
}

/* Reads a chat of Ollama's API, and puts it into OpenAI's words.  Errors: TERN_NO (it has none
 * for it: this machine alone can answer), TERN_USAGE (refused). */
static tern_status translate(ti_routed *r, ti_str *text, ti_refusal *why)
{
    ti_call *c = r->call;
    ti_buf said = {0};
    if (!ti_ask_read(&c->ask, &c->arena, c->kind, text->data, text->len, why)) {
        return TERN_USAGE;
    }
    if (!ti_relay_can_say(&c->ask)) {
        return TERN_NO;
    }
    ti_relay_say(&said, &c->ask);
    const char *copy = said.failed ? NULL : ti_arena_strndup(&c->arena, said.data, said.len);
    *text = (ti_str){copy, said.len};
    ti_buf_free(&said);
    if (!copy) {
        ti_refusal_of(why, TERN_NOMEM, NULL);
    }
    return copy ? TERN_OK : TERN_USAGE;
}

/* Everything up to the decision.  False: refused.
 *   chat    in OpenAI's words
 *   *plain  this machine is meant, and the configuration says nothing of it */
static bool prepare(ti_routed *r, ti_str chat, bool *plain, ti_refusal *why)
{
    ti_call *c = r->call;
    bool here = false;
    if (!ti_relay_read(&r->ask, &c->arena, chat.data, chat.len, why) ||
        !ti_deadline_read(&r->request.deadline_s, c->api, r->ask.deadline, c->started_unix_ms,
                          why)) {
        return false;
    }
    bool read = (c->kind != TI_ASK_OPENAI_CHAT || /* else translate() has read it */
                 ti_ask_read(&c->ask, &c->arena, c->kind, chat.data, chat.len, &r->not_here)) &&
                ti_api_know(c->api, &c->served, &r->not_here) &&
                ti_call_prepare(c, &r->not_here);
    ti_served served = c->served;
    tern_err err = {0};
    if (!read && ti_api_look(c->api, &served, true, &err) != TERN_OK) {
        ti_refusal_of(why, TERN_UNAVAILABLE, &err);
        return false;
    }
    if (!choose(r, &served)) {
        ti_refuse(why, "model", "model_not_found",
                  "the model '%.80s' is not served here; /v1/models lists those that are",
                  r->ask.model);
        why->http = HTTP_NOT_FOUND;
        return false;
    }
    for (size_t i = 0; i < r->router->opts.upstreams->n; i++) {
        here |= r->allowed[i];
    }
    *plain = !here;
    if (!read && (*plain || !others_may(&r->not_here))) {
        *why = r->not_here;
        return false;
    }
    c->ask.stream = r->ask.stream;
    classify(r);
    return true;
}

void ti_routed_start(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                     ti_web_reply *reply)
{
    ti_refusal why = {0};
    bool plain = false;
    tern_status status = TERN_OK;
    ti_call *c = ti_call_new(api, kind, reply);
    ti_routed *r = c ? ti_calloc(1, sizeof *r) : NULL;
    if (!r) {
        ti_call_free(c);
        ti_web_reply_error(reply, HTTP_UNAVAILABLE, NULL);
        return;
    }
    r->call = c;
    r->router = api->opts.router;
    c->routed = r;
    ti_str chat = {ti_arena_strndup(&c->arena, request->body.data, request->body.len),
                   request->body.len};
    if (!chat.data) {
        ti_refusal_of(&why, TERN_NOMEM, NULL);
        status = TERN_NOMEM;
    } else if (kind != TI_ASK_OPENAI_CHAT) {
        status = translate(r, &chat, &why);
    }
    if (status == TERN_NO) {
        ti_call_free(c);
        ti_call_start(api, kind, request, reply);
        return;
    }
    ti_web_reply_forget(reply);
    if (status != TERN_OK || !prepare(r, chat, &plain, &why)) {
        ti_api_refuse(api, c->kind, reply, &why);
        ti_call_free(c);
        return;
    }
    ti_web_reply_keep(reply);
    if (plain) {
        c->routed = NULL;
        ti_routed_free(r);
        ti_call_submit(c);
        return;
    }
    (void)ti_routed_decide(r);
}
