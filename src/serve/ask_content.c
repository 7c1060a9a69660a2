/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked: messages, prompts, texts. */
#include <string.h>

#include "serve/ask_parts.h"

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
