/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/ask.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "serve/ask_parts.h"

/* --- refusals ----------------------------------------------------------------------------- */

TI_PRINTF(2, 0)
static void set_message(ti_refusal *why, const char *format, va_list args)
{
    int n = vsnprintf(why->message, sizeof why->message, format, args);
    if (n >= (int)sizeof why->message) { /* not in the middle of a character */
        why->message[ti_utf8_complete(why->message, sizeof why->message - 1)] = '\0';
    }
}

bool ti_refuse(ti_refusal *why, const char *param, const char *code, const char *format, ...)
{
    va_list args;
    *why = (ti_refusal){.http = 400, .type = "invalid_request_error", .code = code};
    snprintf(why->param, sizeof why->param, "%s", param ? param : "");
    va_start(args, format);
    set_message(why, format, args);
    va_end(args);
    return false;
}

void ti_refusal_of(ti_refusal *why, tern_status status, const tern_err *err)
{
    enum { RETRY_S = 5 };
    const char *text = err ? err->message : "";
    switch (status) {
    case TERN_USAGE:
    case TERN_UNSUPPORTED:
        ti_refuse(why, NULL, status == TERN_USAGE ? "invalid_value" : "unsupported_value", "%s",
                  text);
        return;
    case TERN_LIMIT:
        ti_refuse(why, NULL, "context_length_exceeded", "%s", text);
        return;
    case TERN_UNAVAILABLE:
    case TERN_NOMEM:
        ti_refuse(why, NULL, "unavailable", "%s", text);
        why->http = 503;
        why->type = "server_error";
        why->retry_s = RETRY_S;
        return;
    default:
        ti_refuse(why, NULL, "internal_error", "%s", text);
        why->http = 500;
        why->type = "server_error";
    }
}

bool ti_no_memory(ti_reading *r)
{
    tern_err err = {.message = "there is no memory for this request"};
    ti_refusal_of(r->why, TERN_NOMEM, &err);
    return false;
}

const char *ti_copy_text(ti_reading *r, ti_str text)
{
    char *copy = ti_arena_strndup(r->arena, text.data, text.len);
    if (!copy) {
        ti_no_memory(r);
    }
    return copy;
}

/* --- the whole ------------------------------------------------------------------------------
 */

/* What is wrong with a text that is not JSON. */
static bool not_json(ti_refusal *why, tern_status status, const tern_err *err)
{
    if (status == TERN_NOMEM) {
        ti_refusal_of(why, status, err);
        return false;
    }
    if (err->offset == TI_NO_OFFSET) {
        return ti_refuse(why, NULL, "invalid_json", "the body is not JSON: %s", err->message);
    }
    return ti_refuse(why, NULL, "invalid_json", "the body is not JSON: at byte %llu: %s",
                     (unsigned long long)err->offset, err->message);
}

/* At least as many as the text has values.  A tree takes some 20 times the bytes of a text of
 * digits, so that is asked first. */
static bool too_many_values(const char *text, size_t len)
{
    size_t n = 1;
    bool quoted = false;
    for (size_t i = 0; i < len && n <= TI_ASK_VALUES; i++) {
        if (quoted) {
            quoted = text[i] != '"';
            i += text[i] == '\\'; /* what it escapes ends nothing */
        } else {
            quoted = text[i] == '"';
            n += text[i] == ',' || text[i] == '[' || text[i] == '{';
        }
    }
    return n > TI_ASK_VALUES;
}

static bool read_root(ti_reading *r, ti_ask_kind kind)
{
    if (r->root->type != TI_JOBJECT) {
        return ti_refuse(r->why, NULL, "invalid_json", "the body is no JSON object");
    }
    if (!ti_read_text(r, r->root, "model", &r->ask->model)) {
        return false;
    }
    return kind < TI_ASK_OLLAMA_CHAT ? ti_openai_ask(r, kind) : ti_ollama_ask(r, kind);
}

bool ti_ask_read(ti_ask *out, ti_arena *arena, ti_ask_kind kind, const char *text, size_t len,
                 ti_refusal *why)
{
    tern_err err = {.offset = TI_NO_OFFSET};
    ti_arena tree = {0}; /* not the ask's, which lives as long as the answer takes */
    ti_jval root;
    ti_reading r = {
        .ask = out, .arena = arena, .text = text, .len = len, .root = &root, .why = why};
    *out = (ti_ask){.model = "", .choices = 1};
    if (len > TI_ASK_BODY_MAX) {
        ti_refuse(why, NULL, "request_too_large", "the body has more than %d bytes",
                  TI_ASK_BODY_MAX);
        why->http = 413;
        return false;
    }
    if (too_many_values(text, len)) {
        ti_refuse(why, NULL, "request_too_large", "the body has more than %d values",
                  TI_ASK_VALUES);
        why->http = 413;
        return false;
    }
    tern_status status = ti_jval_parse(&root, &tree, text, len, "request", &err);
    bool good = status == TERN_OK ? read_root(&r, kind) : not_json(why, status, &err);
    ti_arena_free(&tree);
    return good;
}

/* --- the sampler ----------------------------------------------------------------------------
 */

static bool recommends(const tern_sampler_opts *s)
{
    return s->temperature > 0 || s->top_k > 0 || s->top_p > 0 || s->min_p > 0 ||
           s->repeat_penalty > 0;
}

tern_sampler_opts ti_ask_sampler(const ti_ask *ask, ti_ask_kind kind,
                                 const tern_sampler_opts *recommended, uint64_t seed)
{
    static const tern_sampler_opts openai = {.temperature = 1};
    static const tern_sampler_opts ollama = {
        .temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .repeat_penalty = 1.1F};
    const tern_sampler_opts *given = &ask->sampler;
    tern_sampler_opts s = *given;
    if (!(ask->gave & TI_GAVE_TEMPERATURE)) {
        const tern_sampler_opts *base = recommends(recommended)     ? recommended
                                        : kind < TI_ASK_OLLAMA_CHAT ? &openai
                                                                    : &ollama;
        s.temperature = base->temperature;
        s.top_k = ask->gave & TI_GAVE_TOP_K ? given->top_k : base->top_k;
        s.top_p = ask->gave & TI_GAVE_TOP_P ? given->top_p : base->top_p;
        s.min_p = ask->gave & TI_GAVE_MIN_P ? given->min_p : base->min_p;
        s.repeat_penalty =
            ask->gave & TI_GAVE_REPEAT ? given->repeat_penalty : base->repeat_penalty;
        s.penalty_last_n =
            ask->gave & TI_GAVE_LAST_N ? given->penalty_last_n : base->penalty_last_n;
    }
    s.seed = ask->gave & TI_GAVE_SEED ? given->seed : seed;
    return s;
}
