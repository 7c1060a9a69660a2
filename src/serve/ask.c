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

bool ti_text_of(ti_reading *r, const ti_jval *v, ti_str *out)
{
    size_t at = (size_t)v->at, depth = 0;
    bool quoted = false;
    for (; at < r->len; at++) {
        char c = r->text[at];
        if (quoted) {
            at += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            at++;
            break;
        }
    }
    out->len = at - (size_t)v->at;
    out->data = ti_copy_text(r, (ti_str){r->text + v->at, out->len});
    return out->data != NULL;
}

/* --- single fields --------------------------------------------------------------------------
 */

bool ti_read_bool(ti_reading *r, const ti_jval *object, const char *key, bool *out)
{
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JBOOL) {
        return ti_refuse(r->why, key, "invalid_type", "'%s' must be true or false", key);
    }
    *out = v->u.boolean;
    return true;
}

bool ti_read_u32(ti_reading *r, const ti_jval *object, const char *key, uint32_t min,
                 uint32_t max, uint32_t *out, bool *given)
{
    uint64_t value;
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (!ti_jval_uint(v, max, &value) || value < min) {
        return ti_refuse(r->why, key, "invalid_value",
                         "'%s' must be a whole number from %u to %u", key, min, max);
    }
    *out = (uint32_t)value;
    if (given) {
        *given = true;
    }
    return true;
}

bool ti_read_f32(ti_reading *r, const ti_jval *object, const char *key, double min, double max,
                 float *out, bool *given)
{
    double value;
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (!ti_jval_num(v, &value) || value < min || value > max) {
        return ti_refuse(r->why, key, "invalid_value", "'%s' must be a number from %g to %g",
                         key, min, max);
    }
    *out = (float)value;
    if (given) {
        *given = true;
    }
    return true;
}

bool ti_read_text(ti_reading *r, const ti_jval *object, const char *key, const char **out)
{
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JSTR) {
        return ti_refuse(r->why, key, "invalid_type", "'%s' must be a string", key);
    }
    *out = ti_copy_text(r, v->u.str);
    return *out != NULL;
}

bool ti_read_seed(ti_reading *r, const ti_jval *object)
{
    const ti_jval *v = ti_jval_get(object, "seed");
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JINT) {
        return ti_refuse(r->why, "seed", "invalid_value",
                         "'seed' must be a whole number of at most 18 digits");
    }
    r->ask->sampler.seed = (uint64_t)v->u.integer;
    r->ask->gave |= TI_GAVE_SEED;
    return true;
}

/* --- stops ----------------------------------------------------------------------------------
 */

static bool read_stop(ti_reading *r, const ti_jval *v, const char **out)
{
    if (v->type != TI_JSTR || v->u.str.len == 0 || v->u.str.len > TI_ASK_STOP_BYTES) {
        return ti_refuse(r->why, "stop", "invalid_value",
                         "'stop' must be a string of 1 to %d bytes, or a list of at most %d",
                         TI_ASK_STOP_BYTES, TI_ASK_STOPS);
    }
    *out = ti_copy_text(r, v->u.str);
    return *out != NULL;
}

bool ti_read_stops(ti_reading *r, const ti_jval *object)
{
    const ti_jval *v = ti_jval_get(object, "stop");
    if (!v || v->type == TI_JNULL) {
        return true;
    }
    bool one = v->type == TI_JSTR;
    size_t n = one ? 1 : v->type == TI_JARRAY ? v->n : 0;
    if (v->type == TI_JARRAY && n == 0) {
        return true;
    }
    if ((!one && v->type != TI_JARRAY) || n > TI_ASK_STOPS) {
        return ti_refuse(r->why, "stop", "invalid_value",
                         "'stop' must be a string, or a list of at most %d", TI_ASK_STOPS);
    }
    const char **stops = ti_arena_calloc(r->arena, n, sizeof *stops);
    if (!stops) {
        return ti_no_memory(r);
    }
    for (size_t i = 0; i < n; i++) {
        if (!read_stop(r, one ? v : &v->u.items[i], &stops[i])) {
            return false;
        }
    }
    r->ask->stops = stops;
    r->ask->n_stops = n;
    return true;
}

/* --- messages -------------------------------------------------------------------------------
 */

/* A list of parts is their texts, one after the other. */
static bool read_parts(ti_reading *r, const ti_jval *parts, size_t number, const char **out)
{
    size_t len = 0, at = 0;
    if (parts->n > TI_ASK_PARTS) {
        return ti_refuse(r->why, "messages", "invalid_value",
                         "message %zu has more than %d parts", number, TI_ASK_PARTS);
    }
    for (size_t i = 0; i < parts->n; i++) {
        const ti_jval *part = &parts->u.items[i], *text = ti_jval_get(part, "text");
        if (!ti_jval_is(ti_jval_get(part, "type"), "text") || !text || text->type != TI_JSTR) {
            return ti_refuse(r->why, "messages", "unsupported_value",
                             "message %zu: part %zu is not of type 'text', and there is no "
                             "model here for anything else",
                             number, i + 1);
        }
        len += text->u.str.len; /* of pieces of one body: no wrap */
    }
    char *all = ti_arena_alloc(r->arena, len + 1);
    if (!all) {
        return ti_no_memory(r);
    }
    for (size_t i = 0; i < parts->n; i++) {
        ti_str text = ti_jval_get(&parts->u.items[i], "text")->u.str;
        if (text.len > 0) {
            memcpy(all + at, text.data, text.len);
        }
        at += text.len;
    }
    *out = all;
    return true;
}

/* The roles that templates have; "developer" is what OpenAI calls "system" now. */
static const char *role_of(const ti_jval *v)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (ti_jval_is(v, roles[i])) {
            return roles[i];
        }
    }
    return ti_jval_is(v, "developer") ? "system" : NULL;
}

static bool read_message(ti_reading *r, const ti_jval *v, size_t number, bool ollama,
                         tern_message *out)
{
    const ti_jval *role = ti_jval_get(v, "role"), *content = ti_jval_get(v, "content");
    const ti_jval *images = ti_jval_get(v, "images"), *calls = ti_jval_get(v, "tool_calls");
    if (v->type != TI_JOBJECT || !role || role->type != TI_JSTR) {
        return ti_refuse(r->why, "messages", "invalid_type", "message %zu has no 'role'",
                         number);
    }
    out->role = role_of(role);
    if (!out->role) {
        return ti_refuse(r->why, "messages", "unsupported_value",
                         "message %zu: roles are system, developer, user and assistant; tools "
                         "are not supported",
                         number);
    }
    if ((calls && calls->type == TI_JARRAY && calls->n > 0) ||
        (images && images->type == TI_JARRAY && images->n > 0)) {
        return ti_refuse(r->why, "messages", "unsupported_value",
                         "message %zu: images and tool calls are not supported", number);
    }
    if (content && content->type == TI_JARRAY && !ollama) {
        return read_parts(r, content, number, &out->content);
    }
    if (ti_jval_none(content) && strcmp(out->role, "assistant") == 0) {
        out->content = ""; /* a refusal, or a call of a tool, in an earlier answer */
        return true;
    }
    if (!content || content->type != TI_JSTR) {
        return ti_refuse(r->why, "messages", "invalid_type",
                         "message %zu: 'content' must be a string%s", number,
                         ollama ? "" : " or a list of parts");
    }
    out->content = ti_copy_text(r, content->u.str);
    return out->content != NULL;
}

bool ti_read_messages(ti_reading *r, bool ollama)
{
    const ti_jval *list = ti_jval_get(r->root, "messages");
    if (ti_jval_none(list) || list->type != TI_JARRAY) {
        return ti_refuse(r->why, "messages",
                         ti_jval_none(list) ? "missing_required_parameter" : "invalid_type",
                         "'messages' must be a list");
    }
    if (list->n == 0 && !ollama) {
        return ti_refuse(r->why, "messages", "invalid_value", "'messages' is empty");
    }
    if (list->n > TI_ASK_MESSAGES) {
        return ti_refuse(r->why, "messages", "invalid_value", "there are more than %d messages",
                         TI_ASK_MESSAGES);
    }
    tern_message *messages =
        ti_arena_calloc(r->arena, list->n + (list->n == 0), sizeof *messages);
    if (!messages) {
        return ti_no_memory(r);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (!read_message(r, &list->u.items[i], i + 1, ollama, &messages[i])) {
            return false;
        }
    }
    r->ask->messages = messages;
    r->ask->n_messages = list->n;
    return true;
}

/* --- prompts and texts ----------------------------------------------------------------------
 */

static bool all_numbers(const ti_jval *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->u.items[i].type != TI_JINT) {
            return false;
        }
    }
    return list->n > 0;
}

static bool read_tokens(ti_reading *r, const char *key, const ti_jval *list, ti_ask_input *out)
{
    tern_token *tokens = ti_arena_calloc(r->arena, list->n, sizeof *tokens);
    if (!tokens) {
        return ti_no_memory(r);
    }
    for (size_t i = 0; i < list->n; i++) {
        uint64_t id;
        if (!ti_jval_uint(&list->u.items[i], INT32_MAX, &id)) {
            return ti_refuse(r->why, key, "invalid_value", "'%s': %zu is no number of a token",
                             key, i + 1);
        }
        tokens[i] = (tern_token)id;
    }
    *out = (ti_ask_input){.text = {"", 0}, .tokens = tokens, .n_tokens = list->n};
    return true;
}

static bool read_input(ti_reading *r, const char *key, const ti_jval *v, bool tokens_too,
                       ti_ask_input *out)
{
    if (v->type == TI_JSTR) {
        const char *copy = ti_copy_text(r, v->u.str);
        *out = (ti_ask_input){.text = {copy, v->u.str.len}};
        return copy != NULL;
    }
    if (tokens_too && v->type == TI_JARRAY && all_numbers(v)) {
        return read_tokens(r, key, v, out);
    }
    return ti_refuse(r->why, key, "invalid_type", "'%s' must be a string or a list of %s", key,
                     tokens_too ? "strings, of tokens, or of lists of tokens" : "strings");
}

bool ti_read_inputs(ti_reading *r, const char *key, size_t max, bool tokens_too)
{
    const ti_jval *v = ti_jval_get(r->root, key);
    if (ti_jval_none(v)) {
        return ti_refuse(r->why, key, "missing_required_parameter", "'%s' is missing", key);
    }
    bool many = v->type == TI_JARRAY && !(tokens_too && all_numbers(v));
    size_t n = many ? v->n : 1;
    if (n == 0 || n > max) {
        return ti_refuse(r->why, key, "invalid_value", "'%s' must have 1 to %zu items", key,
                         max);
    }
    ti_ask_input *inputs = ti_arena_calloc(r->arena, n, sizeof *inputs);
    if (!inputs) {
        return ti_no_memory(r);
    }
    for (size_t i = 0; i < n; i++) {
        if (!read_input(r, key, many ? &v->u.items[i] : v, tokens_too, &inputs[i])) {
            return false;
        }
    }
    r->ask->inputs = inputs;
    r->ask->n_inputs = n;
    return true;
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
