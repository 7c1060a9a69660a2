/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of /api/...  Source of the shapes: docs/api.md of Ollama. */
#include <string.h>

#include "serve/render.h"

/* When it was made, to the second that the request came in. */
static void add_head(ti_buf *out, const ti_told *t)
{
    enum { NS = 1000000000 };
    char time[TI_TIME_TEXT];
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "model", t->model);
    ti_json_str(out, "created_at", ti_time_text(time, t->created_s * NS));
}

static void add_text(ti_buf *out, const ti_told *t, ti_choice *c, ti_str text)
{
    const char *data = text.data ? text.data : "";
    if (t->kind == TI_ASK_OLLAMA_CHAT) {
        ti_json_open(out, "message", '{');
        ti_json_str(out, "role", "assistant");
        ti_json_strn(out, "content", data, text.len);
        ti_json_close(out, '}');
    } else {
        ti_json_strn(out, "response", data, text.len);
    }
    if (t->ask->logprobs && c && c->logprobs.len > 0) {
        ti_json_open(out, "logprobs", '[');
        ti_buf_add(out, c->logprobs.data, c->logprobs.len);
        ti_json_close(out, ']');
    }
}

/* What the last object says besides. */
static void add_end(ti_buf *out, const ti_told *t)
{
    const ti_serve_usage *u = t->usage;
    const ti_choice *c = t->n_choices > 0 ? &t->choices[0] : NULL;
    uint64_t reading = u->queued_ns + u->prompt_ns;
    ti_json_bool(out, "done", true);
    ti_json_str(out, "done_reason", ti_finish_reason(c ? c->reason : TI_SERVE_STOP));
    ti_json_uint(out, "total_duration", u->total_ns);
    ti_json_uint(out, "load_duration", t->load_ns);
    ti_json_uint(out, "prompt_eval_count", u->prompt_tokens);
    ti_json_uint(out, "prompt_eval_duration", u->prompt_ns);
    ti_json_uint(out, "eval_count", u->output_tokens);
    ti_json_uint(out, "eval_duration", u->total_ns > reading ? u->total_ns - reading : 0);
    ti_json_told_cost(out, t);
    ti_json_close(out, '}');
}

void ti_ollama_whole(ti_buf *out, const ti_told *t)
{
    ti_choice none = {.reason = TI_SERVE_STOP};
    const ti_choice *c = t->n_choices > 0 ? &t->choices[0] : &none;
    ti_choice *lists = (ti_choice *)(uintptr_t)c; /* only read */
    add_head(out, t);
    add_text(out, t, lists, (ti_str){c->text.data, c->text.len});
    add_end(out, t);
}

void ti_ollama_piece(ti_buf *out, const ti_told *t, ti_choice *c, ti_str text)
{
    ti_buf json = {0};
    add_head(&json, t);
    add_text(&json, t, c, text);
    ti_json_bool(&json, "done", false);
    ti_json_close(&json, '}');
    ti_buf_add(out, json.data, json.len);
    ti_buf_addc(out, '\n');
    out->failed |= json.failed;
    ti_buf_free(&json);
}

void ti_ollama_end(ti_buf *out, const ti_told *t)
{
    ti_buf json = {0};
    add_head(&json, t);
    add_text(&json, t, NULL, (ti_str){"", 0});
    add_end(&json, t);
    ti_buf_add(out, json.data, json.len);
    ti_buf_addc(out, '\n');
    out->failed |= json.failed;
    ti_buf_free(&json);
}

/* --- models ---------------------------------------------------------------------------------
 */

/* "6.1M", "2.4B" */
static void add_size(ti_buf *out, uint64_t n)
{
    double million = 1e6, billion = 1e9;
    ti_buf text = {0};
    if ((double)n < billion) {
        ti_buf_addf(&text, "%.1fM", (double)n / million);
    } else {
        ti_buf_addf(&text, "%.1fB", (double)n / billion);
    }
    ti_json_str(out, "parameter_size", text.data ? text.data : "");
    ti_buf_free(&text);
}

static void add_details(ti_buf *out, const ti_served *m)
{
    ti_json_open(out, "details", '{');
    ti_json_str(out, "parent_model", "");
    ti_json_str(out, "format", "gguf");
    ti_json_str(out, "family", m->architecture);
    ti_json_open(out, "families", '[');
    ti_json_str(out, NULL, m->architecture);
    ti_json_close(out, ']');
    add_size(out, m->n_params);
    ti_json_str(out, "quantization_level", m->weight_type);
    ti_json_close(out, '}');
}

void ti_ollama_model(ti_buf *out, const ti_served *m, const ti_serve_stats *stats,
                     int64_t now_s)
{
    enum { NS = 1000000000, FOR_EVER_S = 1000000000 };
    char time[TI_TIME_TEXT];
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "name", m->id);
    ti_json_str(out, "model", m->id);
    if (!stats) {
        ti_json_str(out, "modified_at", ti_time_text(time, m->modified_s * NS));
    }
    ti_json_uint(out, "size", stats ? stats->resident_bytes : m->file_bytes);
    ti_json_str(out, "digest", m->digest);
    add_details(out, m);
    if (stats) {
        uint64_t left_s = stats->unload_in_ns / NS;
        int64_t until_s = now_s + (left_s < FOR_EVER_S ? (int64_t)left_s : FOR_EVER_S);
        ti_json_str(out, "expires_at", ti_time_text(time, until_s * NS));
        ti_json_uint(out, "size_vram", 0);
        ti_json_uint(out, "context_length", m->n_ctx);
    }
    ti_json_close(out, '}');
}

void ti_ollama_elsewhere(ti_buf *out, const char *name, const char *host)
{
    const ti_served unknown = {0};
    char time[TI_TIME_TEXT];
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "name", name);
    ti_json_str(out, "model", name);
    if (host) {
        ti_json_str(out, "remote_model", name);
        ti_json_str(out, "remote_host", host);
    }
    ti_json_str(out, "modified_at", ti_time_text(time, 0));
    ti_json_uint(out, "size", 0);
    ti_json_str(out, "digest", "");
    add_details(out, &unknown);
    ti_json_close(out, '}');
}

/* What the file recommends, as a Modelfile would have it. */
static void add_parameters(ti_buf *out, const tern_sampler_opts *s)
{
    ti_buf text = {0};
    const struct {
        const char *name;
        double value;
    } rows[] = {{"temperature", (double)s->temperature},
                {"top_k", s->top_k},
                {"top_p", (double)s->top_p},
                {"min_p", (double)s->min_p},
                {"repeat_penalty", (double)s->repeat_penalty},
                {"repeat_last_n", s->penalty_last_n}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value > 0) {
            ti_buf_addf(&text, "%s%s %.7g", text.len ? "\n" : "", rows[i].name, rows[i].value);
        }
    }
    ti_json_str(out, "parameters", text.data ? text.data : "");
    ti_buf_free(&text);
}

static void add_info(ti_buf *out, const ti_served *m, const char *member, uint64_t value)
{
    char key[TI_RECEIPT_WORD + TI_RECEIPT_WORD];
    size_t n = strlen(m->architecture), more = strlen(member);
    memcpy(key, m->architecture, n);
    memcpy(key + n, member, more + 1);
    ti_json_uint(out, key, value);
}

void ti_ollama_show(ti_buf *out, const ti_served *m)
{
    enum { NS = 1000000000 };
    char time[TI_TIME_TEXT];
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "modelfile", "");
    add_parameters(out, &m->recommended);
    ti_json_str(out, "template", m->has_chat ? "{{ .Prompt }}" : "");
    add_details(out, m);
    ti_json_open(out, "model_info", '{');
    ti_json_str(out, "general.architecture", m->architecture);
    ti_json_str(out, "general.name", m->name);
    ti_json_uint(out, "general.parameter_count", m->n_params);
    add_info(out, m, ".context_length", m->n_ctx_train);
    add_info(out, m, ".embedding_length", m->n_embd);
    add_info(out, m, ".block_count", m->n_layer);
    add_info(out, m, ".attention.head_count", m->n_head);
    add_info(out, m, ".attention.head_count_kv", m->n_head_kv);
    ti_json_close(out, '}');
    ti_json_open(out, "capabilities", '[');
    ti_json_str(out, NULL, "completion");
    ti_json_str(out, NULL, "embedding");
    ti_json_close(out, ']');
    ti_json_str(out, "modified_at", ti_time_text(time, m->modified_s * NS));
    ti_json_close(out, '}');
}
