/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of /v1/...  Source of the shapes: OpenAI's API reference. */
#include <stdio.h>

#include "serve/render.h"

static bool is_chat(const ti_told *t)
{
    return t->kind == TI_ASK_OPENAI_CHAT;
}

static void add_lists(ti_buf *out, const ti_choice *c, bool chat)
{
    if (chat) {
        ti_json_open(out, "content", '[');
        ti_buf_add(out, c->logprobs.data, c->logprobs.len);
        ti_json_close(out, ']');
        ti_json_null(out, "refusal");
        return;
    }
    const struct {
        const char *key;
        const ti_buf *items;
    } lists[] = {{"tokens", &c->tokens},
                 {"token_logprobs", &c->token_logprobs},
                 {"top_logprobs", &c->top},
                 {"text_offset", &c->offsets}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        ti_json_open(out, lists[i].key, '[');
        ti_buf_add(out, lists[i].items->data, lists[i].items->len);
        ti_json_close(out, ']');
    }
}

/* "logprobs": the lists of a choice, or null. */
static void add_logprobs(ti_buf *out, const ti_told *t, const ti_choice *c)
{
    if (!t->ask->logprobs) {
        ti_json_null(out, "logprobs");
        return;
    }
    ti_json_open(out, "logprobs", '{');
    add_lists(out, c, is_chat(t));
    ti_json_close(out, '}');
}

static void add_usage(ti_buf *out, const ti_serve_usage *u)
{
    ti_json_open(out, "usage", '{');
    ti_json_uint(out, "prompt_tokens", u->prompt_tokens);
    ti_json_uint(out, "completion_tokens", u->output_tokens);
    ti_json_uint(out, "total_tokens", u->prompt_tokens + u->output_tokens);
    ti_json_open(out, "prompt_tokens_details", '{');
    ti_json_uint(out, "cached_tokens", u->cached_tokens);
    ti_json_close(out, '}');
    ti_json_close(out, '}');
}

/* The members that every object of an answer begins with. */
static void add_head(ti_buf *out, const ti_told *t, bool piece)
{
    enum { PRINT = 16 }; /* digits of the model's digest that name it */
    char fingerprint[4 + PRINT];
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "id", t->id);
    ti_json_str(out, "object",
                !is_chat(t) ? "text_completion"
                : piece     ? "chat.completion.chunk"
                            : "chat.completion");
    ti_json_int(out, "created", t->created_s);
    ti_json_str(out, "model", t->model);
    snprintf(fingerprint, sizeof fingerprint, "fp_%.*s", PRINT, t->digest);
    ti_json_str(out, "system_fingerprint", fingerprint);
}

/* --- whole ----------------------------------------------------------------------------------
 */

static void add_choice(ti_buf *out, const ti_told *t, size_t index)
{
    const ti_choice *c = &t->choices[index];
    const char *text = c->text.data ? c->text.data : "";
    ti_json_open(out, NULL, '{');
    ti_json_uint(out, "index", index);
    if (is_chat(t)) {
        ti_json_open(out, "message", '{');
        ti_json_str(out, "role", "assistant");
        ti_json_strn(out, "content", text, c->text.len);
        ti_json_null(out, "refusal");
        ti_json_close(out, '}');
    } else {
        ti_buf all = {0};
        ti_buf_add(&all, c->echo.data, c->echo.len);
        ti_buf_add(&all, text, c->text.len);
        ti_json_strn(out, "text", all.data ? all.data : "", all.len);
        out->failed |= all.failed;
        ti_buf_free(&all);
    }
    add_logprobs(out, t, c);
    ti_json_str(out, "finish_reason", ti_finish_reason(c->reason));
    if (t->n_choices > 1 && c->receipt[0]) {
        ti_json_str(out, "receipt", c->receipt);
    }
    ti_json_close(out, '}');
}

void ti_openai_whole(ti_buf *out, const ti_told *t)
{
    add_head(out, t, false);
    ti_json_open(out, "choices", '[');
    for (size_t i = 0; i < t->n_choices; i++) {
        add_choice(out, t, i);
    }
    ti_json_close(out, ']');
    add_usage(out, t->usage);
    ti_json_told_cost(out, t);
    ti_json_close(out, '}');
}

/* --- streams --------------------------------------------------------------------------------
 */

/* With include_usage, every chunk but the last says that there is none yet. */
static void end_chunk(ti_buf *out, const ti_told *t)
{
    if (t->ask->include_usage) {
        ti_json_null(out, "usage");
    }
    ti_json_close(out, '}');
}

void ti_openai_piece(ti_buf *out, const ti_told *t, uint32_t index, ti_choice *c, bool first,
                     ti_str text)
{
    ti_buf json = {0};
    add_head(&json, t, true);
    ti_json_open(&json, "choices", '[');
    ti_json_open(&json, NULL, '{');
    ti_json_uint(&json, "index", index);
    if (is_chat(t)) {
        ti_json_open(&json, "delta", '{');
        if (first) {
            ti_json_str(&json, "role", "assistant");
        }
        ti_json_strn(&json, "content", text.data ? text.data : "", text.len);
        ti_json_close(&json, '}');
    } else {
        ti_json_strn(&json, "text", text.data ? text.data : "", text.len);
    }
    add_logprobs(&json, t, c);
    ti_json_null(&json, "finish_reason");
    ti_json_close(&json, '}');
    ti_json_close(&json, ']');
    end_chunk(&json, t);
    ti_buf_adds(out, "data: ");
    ti_buf_add(out, json.data, json.len);
    ti_buf_adds(out, "\n\n");
    out->failed |= json.failed;
    ti_buf_free(&json);
}

static void add_end(ti_buf *json, const ti_told *t, size_t index)
{
    const ti_choice *c = &t->choices[index];
    bool last = index + 1 == t->n_choices;
    add_head(json, t, true);
    ti_json_open(json, "choices", '[');
    ti_json_open(json, NULL, '{');
    ti_json_uint(json, "index", index);
    if (is_chat(t)) {
        ti_json_open(json, "delta", '{');
        ti_json_close(json, '}');
    } else {
        ti_json_str(json, "text", "");
    }
    ti_json_null(json, "logprobs");
    ti_json_str(json, "finish_reason", ti_finish_reason(c->reason));
    if (t->n_choices > 1 && c->receipt[0]) {
        ti_json_str(json, "receipt", c->receipt);
    }
    ti_json_close(json, '}');
    ti_json_close(json, ']');
    if (last && !t->ask->include_usage) { /* whose clients expect no chunk without choices */
        ti_json_told_cost(json, t);
    }
    end_chunk(json, t);
}

void ti_openai_end(ti_buf *out, const ti_told *t)
{
    size_t n = t->n_choices + (t->ask->include_usage ? 1 : 0);
    for (size_t i = 0; i < n; i++) {
        ti_buf json = {0};
        if (i < t->n_choices) {
            add_end(&json, t, i);
        } else {
            add_head(&json, t, true);
            ti_json_open(&json, "choices", '[');
            ti_json_close(&json, ']');
            add_usage(&json, t->usage);
            ti_json_told_cost(&json, t);
            ti_json_close(&json, '}');
        }
        ti_buf_adds(out, "data: ");
        ti_buf_add(out, json.data, json.len);
        ti_buf_adds(out, "\n\n");
        out->failed |= json.failed;
        ti_buf_free(&json);
    }
    ti_buf_adds(out, "data: [DONE]\n\n");
}

/* --- models ---------------------------------------------------------------------------------
 */

void ti_openai_model(ti_buf *out, const ti_served *m)
{
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "id", m->id);
    ti_json_str(out, "object", "model");
    ti_json_int(out, "created", m->modified_s);
    ti_json_str(out, "owned_by", "tern");
    ti_json_open(out, "tern", '{');
    ti_json_str(out, "name", m->name);
    ti_json_str(out, "architecture", m->architecture);
    ti_json_str(out, "weight_type", m->weight_type);
    ti_json_str(out, "sha256", m->digest);
    ti_json_uint(out, "n_params", m->n_params);
    ti_json_uint(out, "context_tokens", m->n_ctx);
    ti_json_bool(out, "chat_template", m->has_chat);
    ti_json_close(out, '}');
    ti_json_close(out, '}');
}
