/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of /v1/...: chat completions, completions, embeddings.
 * Source of the fields: OpenAI's API reference; top_k, min_p and repeat_penalty are what local
 * servers add to them. */
#include <float.h>

#include "serve/ask_parts.h"

/* What OpenAI defines and changes the answer, but is not here: saying nothing of it would be an
 * answer to another question.  `empty`: a value that asks for nothing. */
static bool refuse_unsupported(ti_reading *r)
{
    static const char *const lists[] = {"tools", "functions"};
    static const char *const values[] = {"audio", "web_search_options", "prediction"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const ti_jval *v = ti_jval_get(r->root, lists[i]);
        if (!ti_jval_none(v) && !(v->type == TI_JARRAY && v->n == 0)) {
            return ti_refuse(r->why, lists[i], "unsupported_parameter",
                             "'%s' is not supported: no tools are called here", lists[i]);
        }
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (!ti_jval_none(ti_jval_get(r->root, values[i]))) {
            return ti_refuse(r->why, values[i], "unsupported_parameter",
                             "'%s' is not supported", values[i]);
        }
    }
    const ti_jval *modes = ti_jval_get(r->root, "modalities");
    if (!ti_jval_none(modes) && !(modes->type == TI_JARRAY && modes->n == 1 &&
                                  ti_jval_is(&modes->u.items[0], "text"))) {
        return ti_refuse(r->why, "modalities", "unsupported_value",
                         "'modalities' can only be [\"text\"]");
    }
    return true;
}

static bool read_sampler(ti_reading *r)
{
    static const ti_sampler_ranges ranges = {.temperature = 2, .penalty = 2, .repeat = 10};
    tern_sampler_opts *s = &r->ask->sampler;
    if (!ti_read_sampler(r, r->root, &ranges)) {
        return false;
    }
    if (r->ask->gave & TI_GAVE_TOP_P && s->top_p <= 0) {
        s->top_p = FLT_MIN; /* the likeliest token; 0 would be no limit to the sampler */
    }
    return true;
}

static bool read_max(ti_reading *r, const char *key)
{
    bool given = false;
    if (!ti_read_u32(r, r->root, key, 1, TI_ASK_TOKENS_MAX, &r->ask->max_tokens, &given)) {
        return false;
    }
    r->ask->gave |= given ? TI_GAVE_MAX : 0;
    return true;
}

/* {"123": -100, ...}: numbers of tokens, and what is added to their scores. */
static bool read_bias(ti_reading *r)
{
    enum { DIGITS = 9, BIAS_MAX = 100 };
    const ti_jval *v = ti_jval_get(r->root, "logit_bias");
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JOBJECT || v->n > TI_ASK_BIASES) {
        return ti_refuse(r->why, "logit_bias", "invalid_value",
                         "'logit_bias' must be an object of at most %d tokens", TI_ASK_BIASES);
    }
    ti_ask_bias *all = ti_arena_calloc(r->arena, v->n + (v->n == 0), sizeof *all);
    if (!all) {
        return ti_no_memory(r);
    }
    for (size_t i = 0; i < v->n; i++) {
        const ti_jmember *m = &v->u.members[i];
        double bias;
        bool number = m->key.len > 0 && m->key.len <= DIGITS;
        for (size_t j = 0; number && j < m->key.len; j++) {
            number = m->key.data[j] >= '0' && m->key.data[j] <= '9';
            all[i].token = all[i].token * 10 + (m->key.data[j] - '0');
        }
        if (!number || !ti_jval_num(&m->value, &bias) || bias < -BIAS_MAX || bias > BIAS_MAX) {
            return ti_refuse(r->why, "logit_bias", "invalid_value",
                             "'logit_bias' must have numbers of tokens and values from -%d to "
                             "%d",
                             BIAS_MAX, BIAS_MAX);
        }
        all[i].bias = (float)bias;
    }
    r->ask->bias = all;
    r->ask->n_bias = v->n;
    return true;
}

static bool read_format(ti_reading *r)
{
    const ti_jval *format = ti_jval_get(r->root, "response_format");
    const ti_jval *type = ti_jval_get(format, "type");
    if (ti_jval_none(format) || ti_jval_is(type, "text")) {
        return true;
    }
    if (ti_jval_is(type, "json_object")) {
        r->ask->format = TI_ASK_JSON;
        return true;
    }
    if (!ti_jval_is(type, "json_schema")) {
        return ti_refuse(r->why, "response_format", "unsupported_value",
                         "'response_format.type' must be text, json_object or json_schema");
    }
    const ti_jval *schema = ti_jval_get(ti_jval_get(format, "json_schema"), "schema");
    if (ti_jval_none(schema)) {
        return ti_refuse(r->why, "response_format", "missing_required_parameter",
                         "'response_format.json_schema.schema' is missing");
    }
    r->ask->format = TI_ASK_SCHEMA;
    if (schema->type != TI_JOBJECT) {
        return ti_refuse(r->why, "response_format", "invalid_type",
                         "'response_format.json_schema.schema' must be an object");
    }
    return ti_text_of(r, schema, &r->ask->schema);
}

static bool read_streaming(ti_reading *r)
{
    const ti_jval *options = ti_jval_get(r->root, "stream_options");
    if (!ti_read_bool(r, r->root, "stream", &r->ask->stream)) {
        return false;
    }
    if (ti_jval_none(options)) {
        return true;
    }
    if (!r->ask->stream || options->type != TI_JOBJECT) {
        return ti_refuse(r->why, "stream_options", "invalid_value",
                         "'stream_options' is an object and only allowed with 'stream': true");
    }
    return ti_read_bool(r, options, "include_usage", &r->ask->include_usage);
}

/* Fields of both kinds of completion. */
static bool read_common(ti_reading *r)
{
    return refuse_unsupported(r) && read_sampler(r) && ti_read_stops(r, r->root) &&
           ti_read_u32(r, r->root, "n", 1, TI_ASK_CHOICES, &r->ask->choices, NULL) &&
           read_bias(r) && read_format(r) && read_streaming(r) && ti_read_deadline(r);
}

static bool read_chat(ti_reading *r)
{
    bool given = false;
    ti_ask *a = r->ask;
    if (!ti_read_messages(r, false) || !read_common(r) || !read_max(r, "max_tokens") ||
        !read_max(r, "max_completion_tokens") ||
        !ti_read_bool(r, r->root, "logprobs", &a->logprobs) ||
        !ti_read_u32(r, r->root, "top_logprobs", 0, TI_ASK_TOP_LOGPROBS, &a->top_logprobs,
                     &given)) {
        return false;
    }
    if (given && !a->logprobs) {
        return ti_refuse(r->why, "top_logprobs", "invalid_value",
                         "'top_logprobs' is only allowed with 'logprobs': true");
    }
    return true;
}

static bool read_text(ti_reading *r)
{
    enum { DEFAULT_TOKENS = 16, LOGPROBS_MAX = 5 }; /* as OpenAI has it */
    ti_ask *a = r->ask;
    uint32_t best_of = 0;
    a->max_tokens = DEFAULT_TOKENS;
    a->gave |= TI_GAVE_MAX;
    const ti_jval *suffix = ti_jval_get(r->root, "suffix");
    if (!ti_read_inputs(r, "prompt", TI_ASK_PROMPTS, true) || !read_common(r) ||
        !read_max(r, "max_tokens") ||
        !ti_read_u32(r, r->root, "logprobs", 0, LOGPROBS_MAX, &a->top_logprobs, &a->logprobs) ||
        !ti_read_u32(r, r->root, "best_of", 1, TI_ASK_CHOICES, &best_of, NULL) ||
        !ti_read_bool(r, r->root, "echo", &a->echo)) {
        return false;
    }
    if (!ti_jval_none(suffix) && !ti_jval_is(suffix, "")) {
        return ti_refuse(r->why, "suffix", "unsupported_parameter",
                         "'suffix' is not supported: no model here fills a gap");
    }
    if (best_of > a->choices) {
        return ti_refuse(r->why, "best_of", "unsupported_value",
                         "'best_of' above 'n' is not supported: every answer is given");
    }
    if (a->echo && a->logprobs) {
        return ti_refuse(r->why, "echo", "unsupported_value",
                         "'echo' with 'logprobs' is not supported: the prompt has none");
    }
    if (a->n_inputs * a->choices > TI_ASK_PROMPTS) {
        return ti_refuse(r->why, "n", "invalid_value", "prompts times 'n' must be at most %d",
                         TI_ASK_PROMPTS);
    }
    return true;
}

static bool read_embed(ti_reading *r)
{
    const ti_jval *encoding = ti_jval_get(r->root, "encoding_format");
    r->ask->base64 = ti_jval_is(encoding, "base64");
    if (!ti_jval_none(encoding) && !r->ask->base64 && !ti_jval_is(encoding, "float")) {
        return ti_refuse(r->why, "encoding_format", "invalid_value",
                         "'encoding_format' must be float or base64");
    }
    return ti_read_inputs(r, "input", TI_ASK_INPUTS, true) &&
           ti_read_u32(r, r->root, "dimensions", 1, INT32_MAX, &r->ask->dimensions, NULL);
}

bool ti_openai_ask(ti_reading *r, ti_ask_kind kind)
{
    return kind == TI_ASK_OPENAI_CHAT   ? read_chat(r)
           : kind == TI_ASK_OPENAI_TEXT ? read_text(r)
                                        : read_embed(r);
}
