/* SPDX-License-Identifier: Apache-2.0 */
/* Embeddings: the representations of `tern embed`, as vectors.
 *
 * One request at a time, in the thread that asked: each uses all CPUs.  Who leaves ends his. */
#include <stdlib.h>

#include "model/embed.h"
#include "serve/api_parts.h"

typedef struct ti_embedding {
    ti_api *api;
    const ti_ask *ask;
    const tern_model *model;
    tern_embedder *embedder;
    tern_sdr *sdrs; /* [ask->n_inputs] */
    size_t n_tokens;
    uint32_t energy_id;
    bool counted; /* its joules are */
    ti_web_reply *reply;
} embedding;

/* Tokens as the text that they stand for: what is embedded is a text. */
static tern_status text_of(ti_buf *out, const tern_model *model, const ti_ask_input *input,
                           tern_err *err)
{
    for (size_t i = 0; i < input->n_tokens; i++) {
        size_t len;
        const char *bytes = tern_model_token_bytes(model, input->tokens[i], &len);
        if (!bytes) {
            return ti_fail(err, TERN_USAGE, "serve", TI_NO_OFFSET,
                           "token %d is not in the vocabulary", (int)input->tokens[i]);
        }
        ti_buf_add(out, bytes, len);
    }
    return out->failed ? ti_fail_nomem(err, "serve", out->len, "a text") : TERN_OK;
}

static tern_status embed_one(embedding *e, const ti_ask_input *input, tern_sdr *out,
                             tern_err *err)
{
    size_t n = 0;
    ti_buf text = {0};
    tern_status status;
    if (input->tokens) {
        status = text_of(&text, e->model, input, err);
        if (status == TERN_OK) {
            status = tern_embedder_text(e->embedder, out, text.data ? text.data : "", text.len,
                                        &n, err);
        }
        ti_buf_free(&text);
    } else {
        status =
            tern_embedder_text(e->embedder, out, input->text.data, input->text.len, &n, err);
    }
    e->n_tokens += n;
    return status;
}

/* After each piece of a text: its work, as joules of a moment go to those who worked in it; and
 * whether anybody waits for the rest. */
static bool go_on(void *user, size_t n_tokens)
{
    embedding *e = user;
    if (e->counted) {
        ti_energy_work(e->api->opts.energy, e->energy_id, n_tokens, 0);
    }
    return !ti_web_reply_gone(e->reply);
}

static tern_status embed_all(embedding *e, tern_err *err)
{
    TI_TRY(tern_embedder_create(&e->embedder, e->model, &e->api->opts.session, err));
    tern_status status = TERN_OK;
    ti_embedder_watch(e->embedder, go_on, e);
    for (size_t i = 0; i < e->ask->n_inputs && status == TERN_OK; i++) {
        status = embed_one(e, &e->ask->inputs[i], &e->sdrs[i], err);
    }
    tern_embedder_destroy(e->embedder);
    return status;
}

static void render(ti_buf *out, ti_ask_kind kind, const embedding *e, const ti_served *served,
                   const ti_serve_usage *usage, const ti_cost *cost)
{
    bool openai = kind == TI_ASK_OPENAI_EMBED;
    ti_json_open(out, NULL, '{');
    if (kind == TI_ASK_OLLAMA_EMBED_ONE) {
        ti_json_vector(out, "embedding", &e->sdrs[0], false);
        ti_json_close(out, '}');
        return;
    }
    if (openai) {
        ti_json_str(out, "object", "list");
    }
    ti_json_str(out, "model", served->id);
    ti_json_open(out, openai ? "data" : "embeddings", '[');
    for (size_t i = 0; i < e->ask->n_inputs; i++) {
        if (!openai) {
            ti_json_vector(out, NULL, &e->sdrs[i], false);
            continue;
        }
        ti_json_open(out, NULL, '{');
        ti_json_str(out, "object", "embedding");
        ti_json_uint(out, "index", i);
        ti_json_vector(out, "embedding", &e->sdrs[i], e->ask->base64);
        ti_json_close(out, '}');
    }
    ti_json_close(out, ']');
    if (openai) {
        ti_json_open(out, "usage", '{');
        ti_json_uint(out, "prompt_tokens", usage->prompt_tokens);
        ti_json_uint(out, "total_tokens", usage->prompt_tokens);
        ti_json_close(out, '}');
    } else {
        ti_json_uint(out, "total_duration", usage->total_ns);
        ti_json_uint(out, "load_duration", 0);
        ti_json_uint(out, "prompt_eval_count", usage->prompt_tokens);
    }
    ti_json_cost(out, cost);
    ti_json_close(out, '}');
}

/* The work, with its account of joules; `cost` and `usage` are filled. */
static tern_status measured(embedding *e, ti_cost *cost, ti_serve_usage *usage, tern_err *err)
{
    ti_energy *energy = e->api->opts.energy;
    uint64_t start = ti_steady_ns();
    e->counted = energy && ti_energy_begin(energy, &e->energy_id, NULL) == TERN_OK;
    tern_status status = embed_all(e, err);
    if (e->counted) {
        ti_energy_end(energy, e->energy_id, &cost->energy);
        cost->has_energy = true;
        if (e->api->opts.port.carbon) {
            e->api->opts.port.carbon(e->api->opts.port.user, cost);
        }
    }
    usage->prompt_tokens = e->n_tokens;
    usage->total_ns = ti_steady_ns() - start;
    return status;
}

static tern_status answer(ti_api *api, ti_ask_kind kind, embedding *e, const ti_served *served,
                          tern_err *err)
{
    ti_cost cost = {0};
    ti_serve_usage usage = {0};
    ti_buf json = {0};
    e->sdrs = ti_calloc(e->ask->n_inputs, sizeof *e->sdrs);
    if (!e->sdrs) {
        return ti_fail_nomem(err, "serve", e->ask->n_inputs * sizeof *e->sdrs, "embeddings");
    }
    pthread_mutex_lock(&api->embedding);
    tern_status status = ti_serve_acquire(api->opts.engine, &served->file, &e->model, err);
    if (status == TERN_OK) {
        status = measured(e, &cost, &usage, err);
        ti_api_keep(api, e->ask);
        ti_serve_give_back(api->opts.engine);
    }
    pthread_mutex_unlock(&api->embedding);
    if (status == TERN_OK) {
        render(&json, kind, e, served, &usage, &cost);
        ti_api_send(e->reply, &json);
        const ti_recent_item item = {.ended_unix_ms = ti_wall_ms(),
                                     .kind = kind,
                                     .status = 200,
                                     .usage = usage,
                                     .cost = cost};
        pthread_mutex_lock(&api->mutex);
        ti_metrics_answer(&api->metrics, 2, &usage, &cost);
        ti_metrics_code(&api->metrics, 200);
        ti_recent_add(&api->recent, &item);
        pthread_mutex_unlock(&api->mutex);
    }
    free(e->sdrs);
    return status;
}

/* One text is bounded, so that nobody else waits for long. */
static bool short_enough(const ti_ask *ask, ti_refusal *why)
{
    for (size_t i = 0; i < ask->n_inputs; i++) {
        const ti_ask_input *input = &ask->inputs[i];
        if (input->text.len > TI_ASK_INPUT_BYTES || input->n_tokens > TI_ASK_INPUT_TOKENS) {
            return ti_refuse(why, "input", "invalid_value",
                             "text %zu has more than %d bytes or %d tokens", i + 1,
                             TI_ASK_INPUT_BYTES, TI_ASK_INPUT_TOKENS);
        }
    }
    return true;
}

void ti_embeddings(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                   ti_web_reply *reply)
{
    ti_arena arena = {0};
    ti_ask ask;
    ti_served served;
    ti_refusal why;
    tern_err err = {0};
    if (!ti_api_read(api, kind, request, reply, &arena, &ask, &served)) {
        ti_arena_free(&arena);
        return;
    }
    embedding e = {.api = api, .ask = &ask, .reply = reply};
    if (ask.dimensions && ask.dimensions != TERN_SDR_BITS) {
        ti_refuse(&why, "dimensions", "unsupported_value", "'dimensions' can only be %d",
                  TERN_SDR_BITS);
        ti_api_refuse(api, kind, reply, &why);
    } else if (!short_enough(&ask, &why)) {
        ti_api_refuse(api, kind, reply, &why);
    } else if (ti_api_enter_slow(api, kind, reply)) {
        tern_status status = answer(api, kind, &e, &served, &err);
        ti_api_leave_slow(api);
        if (status == TERN_CANCELLED) {
            ti_refuse_gone(&why);
            ti_api_refuse(api, kind, reply, &why);
        } else if (status != TERN_OK) {
            ti_refusal_of(&why, status, &err);
            ti_api_refuse(api, kind, reply, &why);
        }
    }
    ti_arena_free(&arena);
}
