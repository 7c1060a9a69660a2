/* SPDX-License-Identifier: Apache-2.0 */
/* One request after the other feeds a cli/part.h.  A response is judged when the first byte of
 * its body arrives: 206 continues, 200 starts over, anything else is not written. */
#include "cli/fetch.h"

#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/out.h"
#include "cli/part.h"
#include "tern/version.h"

enum { REDIRECTS_MAX = 5, BACKOFF_MAX_S = 16 };

const char *ti_url_public(char *out, size_t cap, const char *url)
{
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end ? scheme_end + 3 : url;
    size_t host_len = strcspn(host, "/?#");
    const char *at = host;
    for (size_t i = 0; i < host_len; i++) {
        if (host[i] == '@') {
            at = host + i + 1;
        }
    }
    snprintf(out, cap, "%.*s%.*s", (int)(host - url), url, (int)strcspn(at, "?#"), at);
    return out;
}

/* --- one request -------------------------------------------------------------------------- */

typedef enum verdict {
    VERDICT_NONE = 0, /* no byte of the body yet */
    VERDICT_WRITE,
    VERDICT_IGNORE /* an error page */
} verdict;

typedef struct transfer {
    CURL *curl;
    ti_part *file;
    const ti_fetch_opts *opts;
    ti_progress progress;
    verdict verdict;
    long code;            /* of the last response */
    char tag[TI_TAG_MAX]; /* its strong entity tag, or "" */
    uint64_t range_begin; /* of its Content-Range */
    uint64_t range_total; /* of its Content-Range, 0 = not given */
    bool has_range;
    bool replaced;      /* it is a part of another version: the server did not heed If-Range */
    uint64_t total;     /* size of the whole file as the server says, 0 = it does not */
    tern_status status; /* why a callback stopped the transfer */
    tern_err err;
} transfer;

/* "Name: value" with that name (lower case)?  Returns the value, else NULL. */
static const char *header_value(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0) {
        return NULL;
    }
    const char *value = line + n + 1;
    return value + strspn(value, " \t");
}

/* Reads a decimal number at *text and moves past it; false when there is none. */
static bool read_number(const char **text, uint64_t *out)
{
    char *end;
    if (**text < '0' || **text > '9') {
        return false;
    }
    *out = strtoull(*text, &end, 10);
    *text = end;
    return true;
}

/* The range that was sent, "bytes 100-199/200"; with 416 the size alone, after a star.  The
 * size may be a star too. */
static void read_content_range(transfer *t, const char *value)
{
    uint64_t begin = 0, end = 0, total = 0;
    if (strncmp(value, "bytes ", 6) != 0) {
        return;
    }
    value += 6;
    bool range = read_number(&value, &begin) && *value++ == '-' && read_number(&value, &end);
    if (!range && *value == '*') {
        value++;
    }
    if (*value == '/') {
        value++;
        (void)read_number(&value, &total);
    }
    t->has_range = range;
    t->range_begin = begin;
    t->range_total = total;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    transfer *t = user;
    char line[TI_TAG_MAX + 32];
    size_t len = size * count;
    size_t n = len < sizeof line - 1 ? len : sizeof line - 1;
    memcpy(line, data, n);
    while (n > 0 && isspace((unsigned char)line[n - 1])) {
        n--;
    }
    line[n] = '\0';
    const char *value;
    if (strncmp(line, "HTTP/", 5) == 0) { /* a new response: of a redirection, or the last */
        t->tag[0] = '\0';
        t->has_range = false;
        t->range_begin = t->range_total = 0;
    } else if ((value = header_value(line, n, "etag")) != NULL) {
        /* Weak tags (W/"...") do not promise the same bytes. */
        if (value[0] == '"' && strlen(value) < sizeof t->tag && len < sizeof line - 1) {
            snprintf(t->tag, sizeof t->tag, "%s", value);
        }
    } else if ((value = header_value(line, n, "content-range")) != NULL) {
        read_content_range(t, value);
    }
    return len;
}

/* Decides what to do with the body that is about to come. */
static tern_status judge(transfer *t, tern_err *err)
{
    ti_part *file = t->file;
    curl_off_t length = -1;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->code);
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (t->code != 200 && t->code != 206) {
        t->verdict = VERDICT_IGNORE;
        return TERN_OK;
    }
    if (t->code == 206 && t->tag[0] && file->tag[0] && strcmp(t->tag, file->tag) != 0) {
        t->verdict = VERDICT_IGNORE;
        t->replaced = true;
        return TERN_OK;
    }
    t->verdict = VERDICT_WRITE;
    if (t->code == 206 && (!t->has_range || t->range_begin != file->size)) {
        return ti_fail(err, TERN_IO, "pull", file->size,
                       "the server sent another part than was asked for");
    }
    if (t->code == 200 && file->size > 0) { /* another version, or it cannot do ranges */
        TI_TRY(ti_part_restart(file, err));
    }
    uint64_t more = length > 0 ? (uint64_t)length : 0;
    t->total = more ? file->size + more : 0;
    if (t->opts->bytes && t->total && t->total != t->opts->bytes) {
        ti_hint("the file at that address has changed; nothing was kept");
        ti_part_discard(file);
        return ti_fail(err, TERN_CORRUPT, "pull", TI_NO_OFFSET,
                       "the server offers %" PRIu64 " bytes, and %" PRIu64 " were expected",
                       t->total, t->opts->bytes);
    }
    if (t->total > t->opts->limit) {
        return ti_fail(err, TERN_LIMIT, "pull", TI_NO_OFFSET,
                       "the file has %" PRIu64 " bytes, the limit is %" PRIu64, t->total,
                       t->opts->limit);
    }
    TI_TRY(ti_part_check_space(file, more, err));
    if (file->size == 0) {
        TI_TRY(ti_part_set_tag(file, t->tag, err));
    }
    return TERN_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    transfer *t = user;
    size_t len = size * count;
    if (t->verdict == VERDICT_NONE) {
        t->status = judge(t, &t->err);
    }
    if (t->status == TERN_OK && t->verdict == VERDICT_WRITE) {
        if (t->file->size + len > t->opts->limit) {
            t->status = ti_fail(&t->err, TERN_LIMIT, "pull", t->file->size,
                                "more than %" PRIu64 " bytes arrive", t->opts->limit);
        } else {
            t->status = ti_part_write(t->file, data, len, &t->err);
        }
    }
    return t->status == TERN_OK ? len : 0;
}

/* Called at least once a second, also when nothing arrives. */
static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    transfer *t = user;
    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    return ti_progress_step(&t->progress, t->file->size, t->total) ? 0 : 1;
}

static void configure(transfer *t, struct curl_slist **headers, char *error)
{
    CURL *c = t->curl;
    const ti_fetch_opts *o = t->opts;
    bool tls = strncasecmp(o->url, "https:", 6) == 0;
    char line[TI_TAG_MAX + 32];
    curl_easy_setopt(c, CURLOPT_URL, o->url);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "tern/" TERN_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    /* What began encrypted stays encrypted. */
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)o->limit);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)o->timeout_s);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)o->timeout_s);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (o->ca_file) {
        curl_easy_setopt(c, CURLOPT_CAINFO, o->ca_file);
    }
    if (t->file->size > 0) {
        /* Not CURLOPT_RESUME_FROM: that one takes a full answer for an error. */
        snprintf(line, sizeof line, "%" PRIu64 "-", t->file->size);
        curl_easy_setopt(c, CURLOPT_RANGE, line);
        if (t->file->tag[0]) {
            snprintf(line, sizeof line, "If-Range: %s", t->file->tag);
            *headers = curl_slist_append(*headers, line);
        }
    }
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
}

/* --- what came of it ---------------------------------------------------------------------- */

/* What an attempt means for the next one. */
typedef enum outcome {
    OUTCOME_DONE,  /* all bytes are there */
    OUTCOME_AGAIN, /* may work later: `err` says what happened */
    OUTCOME_FAILED
} outcome;

static outcome fail(tern_err *err, outcome what, tern_status status, const char *format, ...)
    TI_PRINTF(4, 5);

static outcome fail(tern_err *err, outcome what, tern_status status, const char *format, ...)
{
    char text[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)ti_fail(err, status, "pull", TI_NO_OFFSET, "%s", text);
    return what;
}

/* A response that brought no file. */
static outcome judge_code(transfer *t, const char *url, tern_err *err)
{
    ti_part *file = t->file;
    if (t->code == 416 && file->size > 0 && t->range_total == file->size) {
        return OUTCOME_DONE; /* it was complete already */
    }
    if (t->replaced || (t->code == 416 && file->size > 0)) {
        tern_status status = ti_part_restart(file, err);
        return status == TERN_OK ? fail(err, OUTCOME_AGAIN, TERN_IO, "the file was replaced")
                                 : OUTCOME_FAILED;
    }
    if (t->code == 401 || t->code == 403) {
        ti_hint("the server wants an account or a licence to be accepted; download it with a "
                "browser and give its path with -m");
        return fail(err, OUTCOME_FAILED, TERN_UNAVAILABLE, "%s: access denied (HTTP %ld)", url,
                    t->code);
    }
    if (t->code == 404 || t->code == 410) {
        ti_hint("check the address");
        return fail(err, OUTCOME_FAILED, TERN_UNAVAILABLE,
                    "%s: there is no such file (HTTP %ld)", url, t->code);
    }
    bool busy = t->code == 408 || t->code == 429 || t->code >= 500;
    return fail(err, busy ? OUTCOME_AGAIN : OUTCOME_FAILED, TERN_UNAVAILABLE,
                "%s: the server answers HTTP %ld", url, t->code);
}

static outcome judge_failure(const transfer *t, CURLcode code, const char *error,
                             const char *url, tern_err *err)
{
    const char *why = *error ? error : curl_easy_strerror(code);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        ti_hint("is this machine online?  Behind a proxy, set https_proxy");
        return fail(err, OUTCOME_AGAIN, TERN_UNAVAILABLE, "%s: %s", url, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        ti_hint("the certificate is not trusted; --ca-file FILE names other authorities");
        return fail(err, OUTCOME_FAILED, TERN_UNAVAILABLE, "%s: %s", url, why);
    case CURLE_URL_MALFORMAT:
        return fail(err, OUTCOME_FAILED, TERN_USAGE, "'%s' is not an address", url);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
        return fail(err, OUTCOME_FAILED, TERN_UNAVAILABLE, "%s: redirection refused: %s", url,
                    why);
    case CURLE_FILESIZE_EXCEEDED:
        return fail(err, OUTCOME_FAILED, TERN_LIMIT,
                    "%s: the file is larger than the limit, %" PRIu64 " bytes", url,
                    t->opts->limit);
    case CURLE_OUT_OF_MEMORY:
        return fail(err, OUTCOME_FAILED, TERN_NOMEM, "out of memory");
    default:
        if (t->file->size > 0) {
            ti_hint("call again: it continues after the %" PRIu64 " bytes that are there",
                    t->file->size);
        }
        return fail(err, OUTCOME_AGAIN, TERN_IO, "%s: %s", url, why);
    }
}

static outcome attempt(ti_part *file, const ti_fetch_opts *opts, tern_err *err)
{
    char error[CURL_ERROR_SIZE] = "", url[TI_FETCH_URL_MAX];
    struct curl_slist *headers = NULL;
    transfer t = {.file = file, .opts = opts, .curl = curl_easy_init()};
    if (!t.curl) {
        return fail(err, OUTCOME_FAILED, TERN_NOMEM, "out of memory");
    }
    ti_url_public(url, sizeof url, opts->url);
    configure(&t, &headers, error);
    ti_progress_begin(&t.progress, "downloading", "B");
    CURLcode code = curl_easy_perform(t.curl);
    if (code == CURLE_OK && t.verdict == VERDICT_NONE) { /* a response without a body */
        t.status = judge(&t, &t.err);
    } else {
        curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &t.code);
    }
    ti_progress_end(&t.progress);
    curl_easy_cleanup(t.curl);
    curl_slist_free_all(headers);
    if (t.status != TERN_OK) {
        *err = t.err;
        return OUTCOME_FAILED;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        ti_hint("call again: it continues where it stopped");
        return fail(err, OUTCOME_FAILED, TERN_CANCELLED, "interrupted after %" PRIu64 " bytes",
                    file->size);
    }
    if (code != CURLE_OK) {
        return judge_failure(&t, code, error, url, err);
    }
    return t.verdict == VERDICT_WRITE ? OUTCOME_DONE : judge_code(&t, url, err);
}

/* Sleeps, unless the user is impatient. */
static void pause_before_retry(uint32_t seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};
    if (!ti_interrupted()) {
        (void)nanosleep(&t, NULL);
    }
}

static tern_status fetch_into(ti_part *file, const ti_fetch_opts *opts, tern_err *err)
{
    uint32_t wait_s = 1;
    for (uint32_t tries = 0;; tries++) {
        switch (attempt(file, opts, err)) {
        case OUTCOME_DONE:
            return TERN_OK;
        case OUTCOME_FAILED:
            return err->status;
        case OUTCOME_AGAIN:
            break;
        }
        if (tries >= opts->retries || ti_interrupted()) {
            return err->status;
        }
        ti_note("%s; trying again in %u s", err->message, (unsigned)wait_s);
        pause_before_retry(wait_s);
        wait_s = wait_s < BACKOFF_MAX_S ? wait_s * 2 : wait_s;
    }
}

tern_status ti_fetch(ti_fetch_result *out, const ti_fetch_opts *opts, tern_err *err)
{
    ti_part file;
    tern_err own = {.offset = TI_NO_OFFSET};
    ti_fetch_result result = {0};
    if (strlen(opts->url) >= TI_FETCH_URL_MAX) {
        return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET, "the address is too long");
    }
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an error, not the end */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ti_fail(err, TERN_INTERNAL, "pull", TI_NO_OFFSET, "libcurl cannot start");
    }
    tern_status status = ti_part_open(&file, opts, &own);
    if (status == TERN_OK && !(opts->bytes && file.size == opts->bytes)) {
        status = fetch_into(&file, opts, &own);
    }
    if (status == TERN_OK) {
        result.bytes = file.size;
        result.resumed = file.resumed;
        status = ti_part_finish(&file, opts, result.sha256, &own);
    }
    ti_part_close(&file);
    curl_global_cleanup();
    if (status != TERN_OK) {
        if (err) {
            *err = own;
        }
        return status;
    }
    ti_hint("%s", ""); /* of an attempt that failed, before the one that did not */
    *out = result;
    return TERN_OK;
}
