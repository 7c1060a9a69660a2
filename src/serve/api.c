/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/deaf.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "serve/api_parts.h"
#include "serve/batch.h"
#include "serve/deferred.h"

const char ti_json_type[] = "application/json";

uint64_t ti_wall_ms(void)
{
    enum { MS = 1000, NS_PER_MS = 1000000 };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * MS + (uint64_t)now.tv_nsec / NS_PER_MS;
}

int64_t ti_wall_s(void)
{
    const uint64_t ms_per_s = 1000;
    return (int64_t)(ti_wall_ms() / ms_per_s);
}

uint64_t ti_steady_ns(void)
{
    const uint64_t ns = 1000000000;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * ns + (uint64_t)now.tv_nsec;
}

/* --- answers in general ---------------------------------------------------------------------
 */

void ti_api_send(ti_web_reply *reply, ti_buf *json)
{
    ti_web_reply_head(reply, 200, ti_json_type);
    ti_web_reply_body(reply, json);
}

void ti_api_count(ti_api *api, unsigned code)
{
    pthread_mutex_lock(&api->mutex);
    ti_metrics_code(&api->metrics, code);
    pthread_mutex_unlock(&api->mutex);
}

void ti_api_refuse(ti_api *api, ti_ask_kind kind, ti_web_reply *reply, const ti_refusal *why)
{
    ti_buf json = {0};
    if (why->retry_s > 0) {
        ti_buf seconds = {0};
        ti_buf_addf(&seconds, "%u", why->retry_s);
        ti_web_reply_header(reply, "Retry-After", seconds.data ? seconds.data : "1");
        ti_buf_free(&seconds);
    }
    ti_render_error(&json, kind, why);
    ti_web_reply_head(reply, why->http, ti_json_type);
    ti_web_reply_body(reply, &json);
    ti_api_count(api, why->http);
}

bool ti_api_enter_slow(ti_api *api, ti_ask_kind kind, ti_web_reply *reply)
{
    enum { SLOW_MOST = 2, RETRY_S = 5 };
    pthread_mutex_lock(&api->mutex);
    bool room = api->slow < SLOW_MOST;
    api->slow += room;
    pthread_mutex_unlock(&api->mutex);
    if (!room) {
        ti_refusal why;
        ti_refuse(&why, NULL, "rate_limit_exceeded",
                  "one such request is computed, and one waits; try again in %d s", RETRY_S);
        why.http = 429;
        why.type = "rate_limit_error";
        why.retry_s = RETRY_S;
        ti_api_refuse(api, kind, reply, &why);
    }
    return room;
}

void ti_api_leave_slow(ti_api *api)
{
    pthread_mutex_lock(&api->mutex);
    api->slow--;
    pthread_mutex_unlock(&api->mutex);
}

void ti_refuse_gone(ti_refusal *why)
{
    ti_refuse(why, NULL, "client_closed_request",
              "the client closed its side of the connection, so there is no answer");
    why->http = TI_CLIENT_GONE;
}

/* Types and codes of what the web server itself refuses. */
const char *ti_api_error(void *user, ti_buf *body, const char *target, unsigned code,
                         const char *why)
{
    static const struct {
        unsigned code;
        const char *type, *name, *text;
    } rows[] = {
        {400, "invalid_request_error", "bad_request", "the request is malformed"},
        {401, "authentication_error", "invalid_api_key", "no token, or a wrong one"},
        {403, "permission_error", "forbidden", "not from here"},
        {404, "invalid_request_error", "not_found", "there is nothing at this path"},
        {405, "invalid_request_error", "method_not_allowed", "this path has other methods"},
        {408, "invalid_request_error", "timeout", "the request took too long to come in"},
        {413, "invalid_request_error", "request_too_large", "the body is too large"},
        {414, "invalid_request_error", "uri_too_long", "the request line is too long"},
        {421, "permission_error", "wrong_host", "the server is not called by this name"},
        {431, "invalid_request_error", "headers_too_large", "the headers are too large"},
        {503, "server_error", "unavailable", "the server stops, or has no memory"},
    };
    ti_refusal r = {.http = code, .type = "server_error", .code = "internal_error"};
    const char *text = "the server failed";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code) {
            r.type = rows[i].type;
            r.code = rows[i].name;
            text = rows[i].text;
        }
    }
    ti_buf_clear(body);
    ti_buf message = {0};
    ti_buf_addf(&message, "%s", why ? why : text);
    size_t n = message.len < sizeof r.message ? message.len : sizeof r.message - 1;
    memcpy(r.message, message.data ? message.data : "", message.data ? n : 0);
    ti_buf_free(&message);
    bool ollama = strncmp(target, "/api/", strlen("/api/")) == 0;
    ti_render_error(body, ollama ? TI_ASK_OLLAMA_CHAT : TI_ASK_OPENAI_CHAT, &r);
    ti_api_count(user, code);
    return ti_json_type;
}

uint64_t ti_api_number(ti_api *api)
{
    pthread_mutex_lock(&api->mutex);
    uint64_t number = ti_splitmix64(&api->ids);
    pthread_mutex_unlock(&api->mutex);
    return number;
}

/* --- who may ask ----------------------------------------------------------------------------
 */

bool ti_api_admit(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    static const char scheme[] = "Bearer ";
    ti_api *api = user;
    uint8_t digest[TI_SHA256];
    const char *said = ti_web_header(request, "Authorization");
    if (!api->opts.token || strcmp(request->path, "/health") == 0 ||
        ti_page_is_public(request->path)) {
        return true;
    }
    /* Digests are compared, all of them: time tells nothing of the token, not even its length.
     */
    bool scheme_good = said && strncasecmp(said, scheme, sizeof scheme - 1) == 0;
    const char *token = scheme_good ? said + sizeof scheme - 1 : "";
    unsigned different = 0;
    ti_sha256_of(digest, token, strlen(token));
    for (size_t i = 0; i < sizeof digest; i++) {
        different |= (unsigned)(digest[i] ^ api->token_digest[i]);
    }
    if (different == 0) {
        return true;
    }
    ti_web_reply_error(reply, 401, NULL);
    ti_web_reply_header(reply, "WWW-Authenticate", "Bearer");
    return false;
}

/* --- the model's name -----------------------------------------------------------------------
 */

bool ti_same_name(const char *said, const char *name)
{
    size_t n = strlen(name);
    return strncmp(said, name, n) == 0 && (said[n] == '\0' || strcmp(said + n, ":latest") == 0);
}

bool ti_is_served(const ti_api *api, const ti_served *served, const char *said)
{
    if (!*said || ti_same_name(said, served->id)) {
        return true;
    }
    for (size_t i = 0; i < api->opts.n_aliases; i++) {
        if (strcmp(api->opts.aliases[i], "*") == 0 ||
            ti_same_name(said, api->opts.aliases[i])) {
            return true;
        }
    }
    return false;
}

tern_status ti_api_look(ti_api *api, ti_served *out, bool at_once, tern_err *err)
{
    return api->opts.port.model(api->opts.port.user, out, at_once, err);
}

bool ti_no_such_model(ti_refusal *why, const char *said, const ti_served *served)
{
    ti_refuse(why, "model", "model_not_found", "the model '%.80s' is not served here; '%s' is",
              said, served->id);
    why->http = 404;
    return false;
}

bool ti_api_know(ti_api *api, ti_served *served, ti_refusal *why)
{
    tern_err err = {0};
    tern_status status = ti_api_look(api, served, false, &err);
    if (status != TERN_OK) {
        ti_refusal_of(why, status == TERN_NOMEM ? status : TERN_UNAVAILABLE, &err);
    }
    return status == TERN_OK;
}

bool ti_api_understand(ti_api *api, ti_ask_kind kind, ti_str text, ti_arena *arena, ti_ask *ask,
                       ti_served *served, ti_refusal *why)
{
    return ti_ask_read(ask, arena, kind, text.data, text.len, why) &&
           ti_api_know(api, served, why) &&
           (ti_is_served(api, served, ask->model) || ti_no_such_model(why, ask->model, served));
}

bool ti_api_read(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                 ti_web_reply *reply, ti_arena *arena, ti_ask *ask, ti_served *served)
{
    ti_refusal why = {0};
    ti_str text = {request->body.data ? request->body.data : "", request->body.len};
    bool good = ti_api_understand(api, kind, text, arena, ask, served, &why);
    ti_web_reply_forget(reply); /* all of it that is needed was copied */
    if (!good) {
        ti_api_refuse(api, kind, reply, &why);
    }
    return good;
}

/* --- beginning and end ----------------------------------------------------------------------
 */

/* Finishes calls, one after the other; at the end those that are left. */
static void *finish_all(void *user)
{
    ti_api *api = user;
    pthread_mutex_lock(&api->mutex);
    while (!api->closing || api->first) {
        ti_call *call = api->first;
        if (!call) {
            pthread_cond_wait(&api->wake, &api->mutex);
            continue;
        }
        api->first = call->next;
        api->last = api->first ? api->last : NULL;
        pthread_mutex_unlock(&api->mutex);
        ti_call_finish(call);
        pthread_mutex_lock(&api->mutex);
    }
    pthread_mutex_unlock(&api->mutex);
    return NULL;
}

static bool make_locks(ti_api *api)
{
    if (pthread_mutex_init(&api->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_mutex_init(&api->embedding, NULL) != 0) {
        pthread_mutex_destroy(&api->mutex);
        return false;
    }
    if (pthread_cond_init(&api->wake, NULL) != 0) {
        pthread_mutex_destroy(&api->mutex);
        pthread_mutex_destroy(&api->embedding);
        return false;
    }
    return true;
}

static void free_locks(ti_api *api)
{
    pthread_cond_destroy(&api->wake);
    pthread_mutex_destroy(&api->embedding);
    pthread_mutex_destroy(&api->mutex);
}

tern_status ti_api_open(ti_api **out, const ti_api_opts *opts, tern_err *err)
{
    ti_api *api = calloc(1, sizeof *api);
    if (!api) {
        return ti_fail_nomem(err, "serve", sizeof *api, "the API");
    }
    api->opts = *opts;
    api->started_unix_ms = ti_wall_ms();
    api->ids = ti_steady_ns() ^ ti_wall_ms() << 20 ^ (uint64_t)getpid() << 44;
    if (opts->token) {
        ti_sha256_of(api->token_digest, opts->token, strlen(opts->token));
    }
    if (!make_locks(api)) {
        free(api);
        return ti_fail_nomem(err, "serve", sizeof *api, "locks");
    }
    if (ti_start_deaf(&api->finisher, finish_all, api) != 0) {
        free_locks(api);
        free(api);
        return ti_fail(err, TERN_UNAVAILABLE, "serve", TI_NO_OFFSET,
                       "a thread cannot be started");
    }
    tern_status status = ti_deferred_open(&api->deferred, api, err);
    if (status == TERN_OK && opts->batches) {
        status = ti_batches_open(&api->batches, api, opts->batches, err);
    }
    if (status != TERN_OK) {
        ti_api_close(api);
        return status;
    }
    *out = api;
    return TERN_OK;
}

void ti_api_hurry(ti_api *api)
{
    ti_deferred_hurry(api->deferred);
}

void ti_api_stop(ti_api *api)
{
    if (api) {
        ti_deferred_stop(api->deferred);
        ti_batches_stop(api->batches);
    }
}

void ti_api_close(ti_api *api)
{
    if (!api) {
        return;
    }
    ti_deferred_stop(api->deferred);
    pthread_mutex_lock(&api->mutex);
    api->closing = true;
    pthread_cond_signal(&api->wake);
    pthread_mutex_unlock(&api->mutex);
    pthread_join(api->finisher, NULL);
    ti_deferred_close(api->deferred);
    ti_batches_close(api->batches);
    free_locks(api);
    free(api);
}
