/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/fetch.h"
#include "cli/out.h"
#include "tern/version.h"

enum {
    REDIRECTS_MAX = 3,
    PAUSE_MAX_S = 8, /* a longer Retry-After is not waited for */
    CONNECT_PART = 3,
    TOO_MANY = 429,
    SERVER_ERROR = 500
};

/* One answer on its way. */
typedef struct transfer {
    ti_buf *body;
    size_t begin, limit; /* bytes of `body` in front of it; most that may come */
    bool too_large;
} transfer;

tern_status ti_client_open(ti_client *out, tern_err *err)
{
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an error, not the end */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ti_fail(err, TERN_INTERNAL, "http", TI_NO_OFFSET, "libcurl cannot start");
    }
    CURL *curl = curl_easy_init();
    if (!curl) {
        curl_global_cleanup();
        return ti_fail_nomem(err, "http", 0, "a connection");
    }
    *out = (ti_client){
        .curl = curl, .retries = TI_CLIENT_RETRIES, .timeout_s = TI_CLIENT_TIMEOUT_S};
    return TERN_OK;
}

void ti_client_close(ti_client *client)
{
    if (client->curl) {
        curl_easy_cleanup(client->curl);
        curl_global_cleanup();
    }
    memset(client, 0, sizeof *client);
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    transfer *t = user;
    size_t len = size * count;
    if (t->body->len - t->begin + len > t->limit) {
        t->too_large = true;
        return 0;
    }
    ti_buf_add(t->body, data, len);
    return t->body->failed ? 0 : len;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    (void)user;
    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    return ti_interrupted() ? 1 : 0;
}

/* --- where a secret may go ---------------------------------------------------------------- */

static bool has_secret(const ti_http_request *r)
{
    return r->url_is_secret || r->header || r->user || r->password;
}

/* The part of an address in a new string (curl_free()), or NULL. */
static char *part_of(const char *url, CURLUPart what)
{
    char *part = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
        (void)curl_url_get(u, what, &part, CURLU_DEFAULT_PORT);
    }
    curl_url_cleanup(u);
    return part;
}

static bool same_part(const char *a, const char *b, CURLUPart what)
{
    char *x = part_of(a, what), *y = part_of(b, what);
    bool same = x && y && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return same;
}

static bool same_origin(const char *a, const char *b)
{
    return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
           same_part(a, b, CURLUPART_PORT);
}

static bool is_https(const char *url)
{
    return strncasecmp(url, "https:", 6) == 0;
}

static bool is_this_machine(const char *url)
{
    char *host = part_of(url, CURLUPART_HOST);
    bool local = host && (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                          strncmp(host, "127.", 4) == 0);
    curl_free(host);
    return local;
}

/* --- one request -------------------------------------------------------------------------- */

static struct curl_slist *configure(const ti_client *client, const ti_http_request *r,
                                    const char *url, transfer *t, char *error)
{
    CURL *c = client->curl;
    struct curl_slist *headers = NULL;
    char accept[80];
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "tern/" TERN_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); /* judged here */
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, ""); /* what the limit counts is unpacked */
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)client->timeout_s);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)(client->timeout_s / CONNECT_PART + 1));
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (r->user) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, r->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, r->password ? r->password : "");
    }
    if (r->accept) {
        snprintf(accept, sizeof accept, "Accept: %s", r->accept);
        headers = curl_slist_append(headers, accept);
    }
    if (r->header) {
        struct curl_slist *more = curl_slist_append(headers, r->header);
        headers = more ? more : headers;
    }
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    return headers;
}

static tern_status failure(CURLcode code, const char *error, const char *shown,
                           const transfer *t, tern_err *err)
{
    const char *why = *error ? error : curl_easy_strerror(code);
    if (t->too_large) {
        return ti_fail(err, TERN_LIMIT, "http", TI_NO_OFFSET,
                       "%s: an answer of more than %zu bytes", shown, t->limit);
    }
    if (t->body->failed || code == CURLE_OUT_OF_MEMORY) {
        return ti_fail_nomem(err, "http", t->body->len, "an answer");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK && ti_interrupted()) {
        return ti_fail(err, TERN_CANCELLED, "http", TI_NO_OFFSET, "interrupted");
    }
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
        return ti_fail(err, TERN_USAGE, "http", TI_NO_OFFSET, "'%s' is not an address", shown);
    }
    return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET, "%s: %s", shown, why);
}

/* Performs one request.  *next becomes where it is redirected to (free()), or NULL. */
static tern_status perform(const ti_client *client, ti_buf *body, int *code,
                           const ti_http_request *r, const char *url, char **next,
                           tern_err *err)
{
    char error[CURL_ERROR_SIZE] = "", shown[128];
    transfer t = {.body = body, .begin = body->len, .limit = r->limit};
    ti_url_public(shown, sizeof shown, url);
    *next = NULL;
    if (has_secret(r) && !is_https(url) && !is_this_machine(url)) {
        return ti_fail(err, TERN_USAGE, "http", TI_NO_OFFSET,
                       "%s: a key is not sent without https", shown);
    }
    struct curl_slist *headers = configure(client, r, url, &t, error);
    CURLcode result = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    if (result != CURLE_OK) {
        return failure(result, error, shown, &t, err);
    }
    long status = 0;
    char *to = NULL;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(client->curl, CURLINFO_REDIRECT_URL, &to);
    *code = (int)status;
    if (!to) {
        return TERN_OK;
    }
    bool bad = (has_secret(r) && !same_origin(url, to)) || (is_https(url) && !is_https(to));
    if (bad) {
        return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET,
                       "%s: it sends elsewhere, which is not followed", shown);
    }
    *next = strdup(to);
    return *next ? TERN_OK : ti_fail_nomem(err, "http", strlen(to), "an address");
}

/* The same with redirections. */
static tern_status attempt(const ti_client *client, ti_buf *body, int *code,
                           const ti_http_request *r, tern_err *err)
{
    char *url = NULL, *next = NULL;
    size_t begin = body->len;
    tern_status status = perform(client, body, code, r, r->url, &next, err);
    for (int hops = 1; status == TERN_OK && next; hops++) {
        free(url);
        url = next;
        next = NULL;
        body->len = begin;
        status = hops > REDIRECTS_MAX ? ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET,
                                                "it sends from one address to the next")
                                      : perform(client, body, code, r, url, &next, err);
    }
    free(url);
    free(next);
    return status;
}

/* Sleeps, unless the user is impatient. */
static void pause_for(uint32_t seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};
    if (!ti_interrupted()) {
        (void)nanosleep(&t, NULL);
    }
}

tern_status ti_client_get(void *self, ti_buf *body, int *code, const ti_http_request *request,
                          tern_err *err)
{
    ti_client *client = self;
    uint32_t wait_s = 1;
    size_t begin = body->len;
    for (uint32_t tries = 0;; tries++) {
        curl_off_t asked_s = 0;
        tern_status status = attempt(client, body, code, request, err);
        bool busy = status == TERN_OK && (*code == TOO_MANY || *code >= SERVER_ERROR);
        if (status == TERN_OK && busy) {
            curl_easy_getinfo(client->curl, CURLINFO_RETRY_AFTER, &asked_s);
        }
        bool again = busy || status == TERN_UNAVAILABLE;
        if (!again || tries >= client->retries || ti_interrupted() || asked_s > PAUSE_MAX_S) {
            return status;
        }
        pause_for(asked_s > 0 ? (uint32_t)asked_s : wait_s);
        wait_s *= 2;
        body->len = begin;
    }
}
