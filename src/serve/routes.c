/* SPDX-License-Identifier: Apache-2.0 */
/* What is served where; and the answers that no engine is needed for. */
#include <string.h>

#include "serve/batch.h"
#include "serve/deferred.h"
#include "serve/router.h"
#include "tern/tern.h"

/* --- small routes ---------------------------------------------------------------------------
 */

/* Looks at the model; false: it was refused. */
static bool model_or_refuse(ti_api *api, ti_ask_kind kind, ti_web_reply *reply, ti_served *out)
{
    tern_err err = {0};
    ti_refusal why;
    if (ti_api_look(api, out, true, &err) == TERN_OK) {
        return true;
    }
    ti_refusal_of(&why, TERN_UNAVAILABLE, &err);
    ti_api_refuse(api, kind, reply, &why);
    return false;
}

static void send_json(ti_api *api, ti_web_reply *reply, ti_buf *json)
{
    ti_api_send(reply, json);
    ti_api_count(api, 200);
}

static void health(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_served served;
    ti_serve_stats stats;
    ti_buf json = {0};
    (void)request;
    if (!model_or_refuse(api, TI_ASK_OPENAI_CHAT, reply, &served)) {
        return;
    }
    ti_serve_get_stats(api->opts.engine, &stats);
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "status", "ok");
    ti_json_str(&json, "version", tern_version());
    ti_json_str(&json, "model", served.id);
    ti_json_bool(&json, "loaded", stats.loaded);
    ti_json_uint(&json, "active", stats.active);
    ti_json_uint(&json, "queued", stats.queued);
    ti_json_close(&json, '}');
    send_json(api, reply, &json);
}

/* A model that others have; its owner is who is asked. */
static void add_other(ti_buf *json, const char *id, const char *owner)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "id", id);
    ti_json_str(json, "object", "model");
    ti_json_int(json, "created", 0);
    ti_json_str(json, "owned_by", owner);
    ti_json_close(json, '}');
}

/* "auto", and what upstreams have; one that the file names several times is there once for
 * each. */
static void add_others(ti_buf *json, const ti_api *api)
{
    const ti_upstreams *list = ti_router_upstreams(api->opts.router);
    add_other(json, "auto", "tern");
    for (size_t i = 0; i < list->n; i++) {
        if (!list->items[i].candidate.local) {
            add_other(json, list->items[i].model, list->items[i].name);
        }
    }
}

/* The upstream that a client means by a model's name, or by its own; NULL: none. */
static const ti_upstream *other(const ti_api *api, const char *said)
{
    const ti_upstreams *list = api->opts.router ? ti_router_upstreams(api->opts.router) : NULL;
    for (size_t i = 0; list && i < list->n; i++) {
        const ti_upstream *u = &list->items[i];
        if (!u->candidate.local &&
            (strcmp(u->model, said) == 0 || strcmp(u->name, said) == 0)) {
            return u;
        }
    }
    return NULL;
}

static void models(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_served served;
    ti_buf json = {0};
    (void)request;
    if (!model_or_refuse(api, TI_ASK_OPENAI_CHAT, reply, &served)) {
        return;
    }
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "object", "list");
    ti_json_open(&json, "data", '[');
    ti_openai_model(&json, &served);
    if (api->opts.router) {
        add_others(&json, api);
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    send_json(api, reply, &json);
}

static void one_model(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_served served;
    ti_refusal why;
    ti_buf json = {0}, name = {0};
    if (!model_or_refuse(api, TI_ASK_OPENAI_CHAT, reply, &served)) {
        return;
    }
    bool valid = ti_web_unescape(&name, request->rest, strlen(request->rest), false);
    const ti_upstream *them = valid && name.data ? other(api, name.data) : NULL;
    if (them || (valid && api->opts.router && name.data && strcmp(name.data, "auto") == 0)) {
        add_other(&json, them ? them->model : "auto", them ? them->name : "tern");
        send_json(api, reply, &json);
    } else if (!valid || name.failed || !name.len || !ti_is_served(api, &served, name.data)) {
        (void)ti_no_such_model(&why, name.data ? name.data : "", &served);
        ti_api_refuse(api, TI_ASK_OPENAI_CHAT, reply, &why);
    } else {
        ti_openai_model(&json, &served);
        send_json(api, reply, &json);
    }
    ti_buf_free(&name);
}

static void receipt(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    const ti_api_port *port = &api->opts.port;
    const char *id = request->rest;
    bool key = strcmp(id, "key") == 0;
    ti_buf text = {0};
    ti_refusal why;
    tern_err err = {0};
    tern_status status = TERN_NO;
    if (key) {
        status = port->receipt_key(port->user, &text, &err);
    } else if (strlen(id) == TI_RECEIPT_ID &&
               strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == TI_RECEIPT_ID) {
        status = port->receipt_text(port->user, &text, id, &err);
    }
    if (status == TERN_OK) {
        ti_web_reply_head(reply, 200, key ? "text/plain; charset=utf-8" : ti_json_type);
        ti_web_reply_body(reply, &text);
        ti_api_count(api, 200);
        return;
    }
    ti_buf_free(&text);
    ti_refusal_of(&why, status, &err);
    if (status == TERN_NO) {
        ti_refuse(&why, NULL, "receipt_not_found", "there is no such receipt here");
        why.http = 404;
    }
    ti_api_refuse(api, TI_ASK_OPENAI_CHAT, reply, &why);
}

static void metrics(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_served served;
    ti_serve_stats stats;
    ti_attribution_sum total = {0};
    ti_buf text = {0};
    (void)request;
    if (!model_or_refuse(api, TI_ASK_OPENAI_CHAT, reply, &served)) {
        return;
    }
    ti_serve_get_stats(api->opts.engine, &stats);
    if (api->opts.energy) {
        total = ti_energy_total(api->opts.energy, NULL);
    }
    pthread_mutex_lock(&api->mutex);
    ti_metrics_all all = api->metrics;
    pthread_mutex_unlock(&api->mutex);
    ti_metrics_render(&text, &all, &stats, &served, api->opts.energy ? &total : NULL,
                      api->opts.energy ? ti_energy_of(api->opts.energy) : NULL);
    ti_buf_addf(&text,
                "# HELP tern_requests_put_off Requests that wait for a cleaner hour.\n"
                "# TYPE tern_requests_put_off gauge\n"
                "tern_requests_put_off %zu\n",
                ti_deferred_count(api->deferred));
    if (api->opts.router) {
        ti_router_metrics(&text, api->opts.router);
    }
    ti_web_reply_head(reply, 200, "text/plain; version=0.0.4; charset=utf-8");
    ti_web_reply_body(reply, &text);
}

/* --- Ollama's small routes ------------------------------------------------------------------
 */

/* Models that lie elsewhere: nothing is known of their files. */
static void tag_others(ti_buf *json, const ti_upstreams *list)
{
    ti_ollama_elsewhere(json, "auto", NULL);
    for (size_t i = 0; i < list->n; i++) {
        if (!list->items[i].candidate.local) {
            ti_ollama_elsewhere(json, list->items[i].model, list->items[i].base_url);
        }
    }
}

static void list_models(ti_api *api, ti_web_reply *reply, bool running)
{
    ti_served served;
    ti_serve_stats stats;
    ti_buf json = {0};
    if (!model_or_refuse(api, TI_ASK_OLLAMA_SHOW, reply, &served)) {
        return;
    }
    ti_serve_get_stats(api->opts.engine, &stats);
    ti_json_open(&json, NULL, '{');
    ti_json_open(&json, "models", '[');
    if (!running || stats.loaded) {
        ti_ollama_model(&json, &served, running ? &stats : NULL, ti_wall_s());
    }
    if (!running && api->opts.router) {
        tag_others(&json, ti_router_upstreams(api->opts.router));
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    send_json(api, reply, &json);
}

static void tags(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    (void)request;
    list_models(user, reply, false);
}

static void ps(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    (void)request;
    list_models(user, reply, true);
}

static void version(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_buf json = {0};
    (void)request;
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "version", tern_version());
    ti_json_close(&json, '}');
    send_json(user, reply, &json);
}

static void show(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    ti_arena arena = {0};
    ti_ask ask;
    ti_served served;
    ti_buf json = {0};
    if (ti_api_read(api, TI_ASK_OLLAMA_SHOW, request, reply, &arena, &ask, &served)) {
        ti_ollama_show(&json, &served);
        send_json(api, reply, &json);
    }
    ti_arena_free(&arena);
}

/* --- routes ---------------------------------------------------------------------------------
 */

#define CALL(name, kind)                                                             \
    static void name(void *user, const ti_web_request *request, ti_web_reply *reply) \
    {                                                                                \
        ti_call_start(user, kind, request, reply);                                   \
    }
#define CHAT(name, kind)                                                             \
    static void name(void *user, const ti_web_request *request, ti_web_reply *reply) \
    {                                                                                \
        ti_api *api = user;                                                          \
        if (api->opts.router) {                                                      \
            ti_routed_start(api, kind, request, reply);                              \
        } else {                                                                     \
            ti_call_start(api, kind, request, reply);                                \
        }                                                                            \
    }
#define EMBED(name, kind)                                                            \
    static void name(void *user, const ti_web_request *request, ti_web_reply *reply) \
    {                                                                                \
        ti_embeddings(user, kind, request, reply);                                   \
    }
CALL(openai_text, TI_ASK_OPENAI_TEXT)
EMBED(openai_embed, TI_ASK_OPENAI_EMBED)
EMBED(ollama_embed, TI_ASK_OLLAMA_EMBED)
EMBED(ollama_embed_one, TI_ASK_OLLAMA_EMBED_ONE)

CHAT(openai_chat, TI_ASK_OPENAI_CHAT)
CHAT(ollama_chat, TI_ASK_OLLAMA_CHAT)
CHAT(ollama_text, TI_ASK_OLLAMA_TEXT)

const ti_web_route ti_api_routes[] = {
    {"GET", "/", ti_page_root, 0},
    {"GET", "/ui/*", ti_page_file, 0},
    {"GET", "/tern/state", ti_page_state, 0},
    {"GET", "/tern/outlook", ti_page_outlook, 0},
    {"GET", "/tern/log/*", ti_page_log, 0},
    {"GET", "/health", health, 0},
    {"GET", "/metrics", metrics, 0},
    {"GET", "/v1/models", models, 0},
    {"GET", "/v1/models/*", one_model, 0},
    {"POST", "/v1/chat/completions", openai_chat, TI_ASK_BODY_MAX},
    {"POST", "/v1/completions", openai_text, TI_ASK_BODY_MAX},
    {"POST", "/v1/embeddings", openai_embed, TI_ASK_BODY_MAX},
    {"GET", "/v1/receipts/*", receipt, 0},
    {"GET", "/v1/files", ti_batch_files, 0},
    {"POST", "/v1/files", ti_batch_upload, TI_BATCH_BODY_MAX},
    {"GET, DELETE", "/v1/files/*", ti_batch_file_one, 0},
    {"GET", "/v1/batches", ti_batch_list, 0},
    {"POST", "/v1/batches", ti_batch_create, 0},
    {"GET", "/v1/batches/*", ti_batch_one, 0},
    {"POST", "/v1/batches/*", ti_batch_change, 0},
    {"POST", "/api/chat", ollama_chat, TI_ASK_BODY_MAX},
    {"POST", "/api/generate", ollama_text, TI_ASK_BODY_MAX},
    {"POST", "/api/embed", ollama_embed, TI_ASK_BODY_MAX},
    {"POST", "/api/embeddings", ollama_embed_one, TI_ASK_BODY_MAX},
    {"POST", "/api/show", show, 0},
    {"GET", "/api/tags", tags, 0},
    {"GET", "/api/ps", ps, 0},
    {"GET", "/api/version", version, 0},
    {0},
};
