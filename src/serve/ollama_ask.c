/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of /api/...  Source of the fields: docs/api.md of Ollama. */
#include <stdlib.h>
#include <string.h>

#include "serve/ask_parts.h"

/* How far back repetitions are looked for: -1 is the whole context, 0 not at all. */
static void read_last_n(ti_reading *r, const ti_jval *options)
{
    ti_ask *a = r->ask;
    tern_sampler_opts *s = &a->sampler;
    const ti_jval *v = ti_jval_get(options, "repeat_last_n");
    if (!v || v->type != TI_JINT) {
        return;
    }
    if (v->u.integer == 0) {
        s->repeat_penalty = 1;
        s->presence_penalty = s->frequency_penalty = 0;
        a->gave |= TI_GAVE_REPEAT;
        return;
    }
    bool some = v->u.integer > 0 && v->u.integer < TI_ASK_TOKENS_MAX;
    s->penalty_last_n = some ? (uint32_t)v->u.integer : TI_ASK_TOKENS_MAX;
    a->gave |= TI_GAVE_LAST_N;
}

/* How long an answer may be; below 0: no limit. */
static bool read_predict(ti_reading *r, const ti_jval *options)
{
    ti_ask *a = r->ask;
    const ti_jval *v = ti_jval_get(options, "num_predict");
    if (!v || v->type != TI_JINT || v->u.integer < 0) {
        return true;
    }
    if (v->u.integer == 0) {
        return ti_refuse(r->why, "num_predict", "invalid_value",
                         "'num_predict' must be above 0, or -1 for no limit");
    }
    a->max_tokens =
        v->u.integer < TI_ASK_TOKENS_MAX ? (uint32_t)v->u.integer : TI_ASK_TOKENS_MAX;
    a->gave |= TI_GAVE_MAX;
    return true;
}

/* Members of "options".  Those that say how another engine should compute (num_gpu, num_batch,
 * use_mmap, ...) change no answer and are ignored. */
static bool read_options(ti_reading *r)
{
    static const ti_sampler_ranges ranges = {.temperature = 100, .penalty = 100, .repeat = 100};
    const ti_jval *o = ti_jval_get(r->root, "options");
    if (ti_jval_none(o)) {
        return true;
    }
    if (o->type != TI_JOBJECT) {
        return ti_refuse(r->why, "options", "invalid_type", "'options' must be an object");
    }
    if (!ti_read_sampler(r, o, &ranges)) {
        return false;
    }
    read_last_n(r, o);
    return read_predict(r, o) && ti_read_stops(r, o);
}

/* "format": "json", or a schema. */
static bool read_format(ti_reading *r)
{
    const ti_jval *format = ti_jval_get(r->root, "format");
    if (ti_jval_none(format) || ti_jval_is(format, "")) {
        return true;
    }
    if (ti_jval_is(format, "json")) {
        r->ask->format = TI_ASK_JSON;
        return true;
    }
    if (format->type != TI_JOBJECT) {
        return ti_refuse(r->why, "format", "invalid_value",
                         "'format' must be \"json\" or a JSON schema");
    }
    r->ask->format = TI_ASK_SCHEMA;
    return ti_text_of(r, format, &r->ask->schema);
}

/* A time as "5m", "1h30m", "300ms" or a number of seconds; negative is for ever. */
static bool parse_duration(const char *text, int64_t *seconds)
{
    enum { MINUTE = 60, HOUR = 3600, MS = 1000 };
    bool negative = *text == '-';
    int64_t sum_ms = 0;
    const char *at = text + negative;
    if (!*at) {
        return false;
    }
    if (strcmp(at, "0") == 0) { /* needs no unit */
        *seconds = 0;
        return true;
    }
    while (*at) {
        char *end = NULL;
        double value = *at >= '0' && *at <= '9' ? strtod(at, &end) : -1;
        if (!end || value < 0 || value > 1e9) {
            return false;
        }
        int64_t unit_ms;
        if (strncmp(end, "ms", 2) == 0) {
            unit_ms = 1;
            end += 2;
        } else if (*end == 's' || *end == 'm' || *end == 'h') {
            unit_ms = (int64_t)MS * (*end == 's' ? 1 : *end == 'm' ? MINUTE : HOUR);
            end++;
        } else {
            return false;
        }
        sum_ms += (int64_t)(value * (double)unit_ms);
        if (sum_ms > (int64_t)1e15) {
            return false;
        }
        at = end;
    }
    *seconds = negative ? -1 : (sum_ms + MS - 1) / MS;
    return true;
}

static bool read_keep_alive(ti_reading *r)
{
    const ti_jval *v = ti_jval_get(r->root, "keep_alive");
    double number;
    if (ti_jval_none(v)) {
        return true;
    }
    r->ask->gave_keep_alive = true;
    if (ti_jval_num(v, &number) && number < 1e9) {
        r->ask->keep_alive_s = number < 0 ? -1 : (int64_t)number;
        return true;
    }
    const char *text = v->type == TI_JSTR ? ti_copy_text(r, v->u.str) : "";
    if (!text) {
        return false;
    }
    if (parse_duration(text, &r->ask->keep_alive_s)) {
        return true;
    }
    return ti_refuse(r->why, "keep_alive", "invalid_value",
                     "'keep_alive' must be a number of seconds or a time such as \"5m\"");
}

/* Fields of both kinds of completion. */
static bool read_common(ti_reading *r)
{
    static const char *const unsupported[] = {"tools", "images"};
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        const ti_jval *v = ti_jval_get(r->root, unsupported[i]);
        if (!ti_jval_none(v) && !(v->type == TI_JARRAY && v->n == 0)) {
            return ti_refuse(r->why, unsupported[i], "unsupported_parameter",
                             "'%s' is not supported", unsupported[i]);
        }
    }
    const ti_jval *think = ti_jval_get(r->root, "think");
    if (!ti_jval_none(think) && !(think->type == TI_JBOOL && !think->u.boolean)) {
        return ti_refuse(r->why, "think", "unsupported_parameter", "'think' is not supported");
    }
    r->ask->stream = true;
    return ti_read_bool(r, r->root, "stream", &r->ask->stream) && read_options(r) &&
           read_format(r) && read_keep_alive(r) && ti_read_deadline(r) &&
           ti_read_bool(r, r->root, "logprobs", &r->ask->logprobs) &&
           ti_read_u32(r, r->root, "top_logprobs", 0, TI_ASK_TOP_LOGPROBS,
                       &r->ask->top_logprobs, NULL);
}

static bool read_chat(ti_reading *r)
{
    return ti_read_messages(r, true) && read_common(r);
}

/* /api/generate: a prompt, perhaps with a system message; without a prompt it loads the model.
 */
static bool read_text(ti_reading *r)
{
    static const char *const unsupported[] = {"suffix", "template", "context"};
    ti_ask *a = r->ask;
    const char *system = "", *prompt = "";
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        const ti_jval *v = ti_jval_get(r->root, unsupported[i]);
        if (!ti_jval_none(v) && !ti_jval_is(v, "") && !(v->type == TI_JARRAY && v->n == 0)) {
            return ti_refuse(r->why, unsupported[i], "unsupported_parameter",
                             "'%s' is not supported", unsupported[i]);
        }
    }
    if (!read_common(r) || !ti_read_text(r, r->root, "system", &system) ||
        !ti_read_text(r, r->root, "prompt", &prompt) ||
        !ti_read_bool(r, r->root, "raw", &a->raw)) {
        return false;
    }
    tern_message *messages = ti_arena_calloc(r->arena, 2, sizeof *messages);
    ti_ask_input *input = ti_arena_alloc(r->arena, sizeof *input);
    if (!messages || !input) {
        return ti_no_memory(r);
    }
    if (!*prompt) {
        return true; /* nothing to answer */
    }
    if (a->raw) {
        *input = (ti_ask_input){.text = {prompt, strlen(prompt)}};
        a->inputs = input;
        a->n_inputs = 1;
        return true;
    }
    if (*system) {
        messages[a->n_messages++] = (tern_message){.role = "system", .content = system};
    }
    messages[a->n_messages++] = (tern_message){.role = "user", .content = prompt};
    a->messages = messages;
    return true;
}

static bool read_embed(ti_reading *r)
{
    bool truncate = true;
    if (!ti_read_bool(r, r->root, "truncate", &truncate)) {
        return false;
    }
    r->ask->no_truncate = !truncate;
    return ti_read_inputs(r, "input", TI_ASK_INPUTS, false) &&
           ti_read_u32(r, r->root, "dimensions", 1, INT32_MAX, &r->ask->dimensions, NULL) &&
           read_keep_alive(r);
}

/* /api/show: {"model": ...}, once called "name". */
static bool read_show(ti_reading *r)
{
    const char *name = "";
    if (!ti_read_text(r, r->root, "name", &name)) {
        return false;
    }
    r->ask->model = *r->ask->model ? r->ask->model : name;
    return true;
}

bool ti_ollama_ask(ti_reading *r, ti_ask_kind kind)
{
    switch (kind) {
    case TI_ASK_OLLAMA_CHAT:
        return read_chat(r);
    case TI_ASK_OLLAMA_TEXT:
        return read_text(r);
    case TI_ASK_OLLAMA_EMBED:
        return read_embed(r);
    case TI_ASK_OLLAMA_EMBED_ONE:
        return ti_read_inputs(r, "prompt", 1, false) && read_keep_alive(r);
    default:
        return read_show(r);
    }
}
