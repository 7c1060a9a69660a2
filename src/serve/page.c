/* SPDX-License-Identifier: Apache-2.0 */
/* The page of `tern serve`: the files of web/, compiled in, and the answers that they ask for.
 *
 * The files hold nothing of anybody and are sent without a token, so that the page can ask its
 * reader for one; everything that it shows needs the token as any other answer does. */
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "serve/api_parts.h"
#include "serve/router.h"
#include "tern/tern.h"

/* --- files ----------------------------------------------------------------------------------
 */

/* Made by tern_embed() in src/CMakeLists.txt. */
#define EMBEDDED(symbol)                 \
    extern const unsigned char symbol[]; \
    extern const size_t symbol##_len
EMBEDDED(ti_web_index_html);
EMBEDDED(ti_web_style_css);
EMBEDDED(ti_web_icon_svg);
EMBEDDED(ti_web_app_js);
EMBEDDED(ti_web_charts_js);
EMBEDDED(ti_web_format_js);
EMBEDDED(ti_web_parts_js);
EMBEDDED(ti_web_server_js);
EMBEDDED(ti_web_verify_js);

static const char html_type[] = "text/html; charset=utf-8";
static const char css_type[] = "text/css; charset=utf-8";
static const char js_type[] = "text/javascript; charset=utf-8";
static const char svg_type[] = "image/svg+xml";

typedef struct page_file {
    const char *name, *type;
    const unsigned char *bytes;
    const size_t *len;
} page_file;

/* The first one is what "/" answers. */
static const page_file files[] = {
    {"index.html", html_type, ti_web_index_html, &ti_web_index_html_len},
    {"style.css", css_type, ti_web_style_css, &ti_web_style_css_len},
    {"icon.svg", svg_type, ti_web_icon_svg, &ti_web_icon_svg_len},
    {"app.js", js_type, ti_web_app_js, &ti_web_app_js_len},
    {"charts.js", js_type, ti_web_charts_js, &ti_web_charts_js_len},
    {"format.js", js_type, ti_web_format_js, &ti_web_format_js_len},
    {"parts.js", js_type, ti_web_parts_js, &ti_web_parts_js_len},
    {"server.js", js_type, ti_web_server_js, &ti_web_server_js_len},
    {"verify.js", js_type, ti_web_verify_js, &ti_web_verify_js_len},
};

/* A page of files that came with it and talks to nobody but its own server: whatever might get
 * into it can neither load nor send anything else.  Source: W3C, Content Security Policy 3. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

enum { TAG_BYTES = 8, TAG_TEXT = 2 * TAG_BYTES + 3 };

/* A file's entity tag: the beginning of its SHA-256, in quotes. */
static void tag_of(char tag[TAG_TEXT], const page_file *file)
{
    static const char digits[] = "0123456789abcdef";
    enum { NIBBLE = 4, LOW = 15 };
    uint8_t digest[TI_SHA256_BYTES];
    ti_sha256_of(digest, file->bytes, *file->len);
    tag[0] = tag[TAG_TEXT - 2] = '"';
    tag[TAG_TEXT - 1] = '\0';
    for (size_t i = 0; i < TAG_BYTES; i++) {
        tag[1 + 2 * i] = digits[digest[i] >> NIBBLE];
        tag[2 + 2 * i] = digits[digest[i] & LOW];
    }
}

static void send_file(const page_file *file, const ti_web_request *request, ti_web_reply *reply)
{
    char tag[TAG_TEXT];
    const char *known = ti_web_header(request, "If-None-Match");
    ti_buf body = {0};
    bool same;
    tag_of(tag, file);
    same = known && (strstr(known, tag) || strcmp(known, "*") == 0);
    /* Another version of tern may answer at the same address tomorrow: always ask, and be told
     * in a few bytes that nothing has changed. */
    ti_web_reply_header(reply, "Cache-Control", "no-cache");
    ti_web_reply_header(reply, "ETag", tag);
    ti_web_reply_header(reply, "Vary", "Accept");
    ti_web_reply_header(reply, "Content-Security-Policy", policy);
    ti_web_reply_header(reply, "X-Content-Type-Options", "nosniff");
    ti_web_reply_header(reply, "Referrer-Policy", "no-referrer");
    ti_web_reply_header(reply, "Cross-Origin-Opener-Policy", "same-origin");
    ti_web_reply_head(reply, same ? 304 : 200, file->type);
    if (!same) {
        ti_buf_add(&body, file->bytes, *file->len);
        ti_web_reply_body(reply, &body);
    }
}

void ti_page_root(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    const char *accept = ti_web_header(request, "Accept");
    ti_buf text = {0};
    (void)user;
    if (accept && strstr(accept, "text/html")) { /* a browser */
        send_file(&files[0], request, reply);
        return;
    }
    ti_buf_addf(&text, "tern %s is running\n", tern_version());
    ti_web_reply_header(reply, "Vary", "Accept");
    ti_web_reply_head(reply, 200, "text/plain; charset=utf-8");
    ti_web_reply_body(reply, &text);
}

void ti_page_file(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    (void)user;
    for (size_t i = 1; i < sizeof files / sizeof files[0]; i++) {
        if (strcmp(request->rest, files[i].name) == 0) {
            send_file(&files[i], request, reply);
            return;
        }
    }
    ti_web_reply_error(reply, 404, NULL);
}

bool ti_page_is_public(const char *path)
{
    static const char folder[] = "/ui/";
    return strcmp(path, "/") == 0 || strncmp(path, folder, sizeof folder - 1) == 0;
}

/* --- what the page asks for -----------------------------------------------------------------
 */

static uint64_t since_of(const ti_web_request *request)
{
    ti_buf text = {0};
    uint64_t since = 0;
    enum { BASE = 10 };
    if (ti_web_query(request, "since", &text) && text.data) {
        since = strtoull(text.data, NULL, BASE);
    }
    ti_buf_free(&text);
    return since;
}

static void refuse(ti_api *api, ti_web_reply *reply, tern_status status, const tern_err *err)
{
    ti_refusal why;
    ti_refusal_of(&why, status, err);
    ti_api_refuse(api, TI_ASK_OPENAI_CHAT, reply, &why);
}

/* Everything under the lock, copied; NULL without memory. */
typedef struct page_copy {
    ti_recent recent;
    ti_metrics_all metrics;
    ti_routing routing;
} page_copy;

static page_copy *copy_of(ti_api *api)
{
    page_copy *copy = malloc(sizeof *copy);
    if (copy) {
        pthread_mutex_lock(&api->mutex);
        copy->recent = api->recent;
        copy->metrics = api->metrics;
        pthread_mutex_unlock(&api->mutex);
        if (api->opts.router) {
            ti_router_view(&copy->routing, api->opts.router);
        }
    }
    return copy;
}

void ti_page_state(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    const ti_api_opts *o = &api->opts;
    ti_served served;
    ti_serve_stats stats;
    ti_attribution_sum total = {0};
    ti_cost grid = {.has_energy = true};
    tern_err err = {0};
    ti_buf json = {0};
    tern_status status = ti_api_look(api, &served, true, &err);
    page_copy *copy = status == TERN_OK ? copy_of(api) : NULL;
    if (!copy) {
        refuse(api, reply, status == TERN_OK ? TERN_NOMEM : TERN_UNAVAILABLE, &err);
        return;
    }
    ti_serve_get_stats(o->engine, &stats);
    if (o->energy) {
        total = ti_energy_total(o->energy, NULL);
    }
    if (o->port.carbon) {
        o->port.carbon(o->port.user, &grid);
    }
    const ti_state state = {.now_unix_ms = ti_wall_ms(),
                            .started_unix_ms = api->started_unix_ms,
                            .steady_ns = ti_steady_ns(),
                            .model = &served,
                            .stats = &stats,
                            .metrics = &copy->metrics,
                            .source = o->energy ? ti_energy_of(o->energy) : NULL,
                            .total = o->energy ? &total : NULL,
                            .grid = &grid,
                            .recent = &copy->recent,
                            .since = since_of(request),
                            .receipts = o->port.receipt != NULL,
                            .routing = o->router ? &copy->routing : NULL,
                            .log_name = o->port.log_name};
    ti_state_render(&json, &state);
    ti_api_send(reply, &json);
    ti_api_count(api, 200);
    free(copy);
}

void ti_page_outlook(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    const ti_api_port *port = &api->opts.port;
    ti_buf json = {0};
    tern_err err = {0};
    (void)request;
    tern_status status =
        port->outlook ? port->outlook(port->user, &json, &err)
                      : ti_fail(&err, TERN_NO, "serve", TI_NO_OFFSET, "no grid is known");
    if (status != TERN_OK) {
        ti_buf_free(&json);
        ti_buf_addf(&json, "{\"schema\":\"tern.outlook/1\"");
        ti_json_str(&json, "why", err.message);
        ti_json_close(&json, '}');
    }
    ti_api_send(reply, &json);
    ti_api_count(api, 200);
}

/* Tiles never change, but another log may be behind the same address tomorrow, and a tile of
 * this one would look like a forgery then: browsers keep none of it ("no-store"). */
void ti_page_log(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_api *api = user;
    const ti_api_port *port = &api->opts.port;
    ti_buf bytes = {0};
    tern_err err = {0};
    tern_status status =
        port->log_name ? port->log_file(port->user, &bytes, request->rest, &err) : TERN_NO;
    if (status == TERN_OK) {
        bool tile = strncmp(request->rest, "tile/", 5) == 0;
        ti_web_reply_head(reply, 200,
                          tile ? "application/octet-stream" : "text/plain; charset=utf-8");
        ti_web_reply_body(reply, &bytes);
        ti_api_count(api, 200);
        return;
    }
    ti_buf_free(&bytes);
    if (status == TERN_NO) {
        ti_web_reply_error(reply, 404, NULL);
    } else {
        refuse(api, reply, TERN_UNAVAILABLE, &err);
    }
}
