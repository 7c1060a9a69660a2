/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/post.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "tern/version.h"

enum { CONNECT_S = 7 };

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    ti_buf *body = user;
    size_t len = size * count;
    if (body->len + len > TI_POST_ANSWER_MAX) {
        return 0;
    }
    ti_buf_add(body, data, len);
    return body->failed ? 0 : len;
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

static void configure(CURL *c, const char *url, struct curl_slist *headers, ti_str body,
                      ti_buf *answer, char *error)
{
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "tern/" TERN_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TI_POST_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.data);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

static tern_status failure(CURLcode code, const char *error, const char *url,
                           const ti_buf *answer, tern_err *err)
{
    if (answer->failed || code == CURLE_OUT_OF_MEMORY) {
        return ti_fail_nomem(err, "http", answer->len, "an answer");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK && ti_interrupted()) {
        return ti_fail(err, TERN_CANCELLED, "http", TI_NO_OFFSET, "interrupted");
    }
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
        return ti_fail(err, TERN_USAGE, "http", TI_NO_OFFSET, "'%.80s' is not an address", url);
    }
    if (code == CURLE_WRITE_ERROR) {
        return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET,
                       "%.80s: an answer of more than %d bytes", url, TI_POST_ANSWER_MAX);
    }
    return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET, "%.80s: %s", url,
                   *error ? error : curl_easy_strerror(code));
}

static tern_status send_it(ti_posted *out, CURL *c, const char *url, struct curl_slist *headers,
                           ti_str body, tern_err *err)
{
    char error[CURL_ERROR_SIZE] = "", *type = NULL;
    ti_posted answer = {0};
    configure(c, url, headers, body, &answer.body, error);
    CURLcode result = curl_easy_perform(c);
    if (result != CURLE_OK) {
        tern_status status = failure(result, error, url, &answer.body, err);
        ti_buf_free(&answer.body);
        return status;
    }
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &answer.code);
    curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    snprintf(answer.type, sizeof answer.type, "%s", type ? type : "");
    *out = answer;
    return TERN_OK;
}

tern_status ti_post(ti_posted *out, const char *url, const char *type, ti_str body,
                    tern_err *err)
{
    char header[80];
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an error, not the end */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ti_fail(err, TERN_INTERNAL, "http", TI_NO_OFFSET, "libcurl cannot start");
    }
    snprintf(header, sizeof header, "Content-Type: %s", type);
    CURL *c = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, header);
    tern_status status = c && headers ? send_it(out, c, url, headers, body, err)
                                      : ti_fail_nomem(err, "http", 0, "a connection");
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    curl_global_cleanup();
    return status;
}
