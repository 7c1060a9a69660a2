/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/courier.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/deaf.h"
#include "serve/sse.h"
#include "tern/version.h"

enum { LOOK_MS = 100, REST_MS = 3600000, MS = 1000, OK_FIRST = 200, OK_LAST = 299 };

typedef struct trip {
    struct trip *next;
    ti_errand errand;
    char *url, *bearer; /* "Authorization: Bearer ..." */
    CURL *curl;         /* NULL: it has not begun */
    struct curl_slist *headers;
    uint64_t begin_ms, started_ms, last_ms; /* last_ms 0: no byte has come */
    ti_buf body;
    ti_sse sse;
    size_t bytes;
    ti_fate fate; /* DONE: nothing has ended it yet */
    char why[TI_COURIER_WHY], error[CURL_ERROR_SIZE];
} trip;

struct ti_courier {
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t mutex; /* of the four below */
    trip *fresh;
    size_t n;
    bool stopping, joined;
    trip *trips; /* the thread's own */
};

static uint64_t now_ms(void)
{
    const uint64_t ns_per_ms = 1000000;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * MS + (uint64_t)t.tv_nsec / ns_per_ms;
}

/* --- a trip ---------------------------------------------------------------------------------
 */

static void wipe(char *text)
{
    volatile char *c = text;
    for (size_t i = 0; c && c[i]; i++) {
        c[i] = 'x';
    }
    free(text);
}

static void free_trip(trip *t)
{
    if (t) {
        for (struct curl_slist *h = t->headers; h; h = h->next) { /* libcurl has copied it */
            for (volatile char *c = h->data; *c; c++) {
                *c = 'x';
            }
        }
        curl_slist_free_all(t->headers);
        wipe(t->bearer);
        free(t->url);
        ti_buf_free(&t->errand.body);
        ti_buf_free(&t->body);
        ti_sse_free(&t->sse);
        free(t);
    }
}

/* Why a trip has ended; the first reason counts. */
static void end_with(trip *t, ti_fate fate, const char *why)
{
    if (t->fate == TI_FATE_DONE) {
        t->fate = fate;
        snprintf(t->why, sizeof t->why, "%.*s", TI_COURIER_WHY - 1, why);
    }
}

static bool is_good(const trip *t)
{
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    return code >= OK_FIRST && code <= OK_LAST;
}

static bool is_stream(const trip *t)
{
    static const char type[] = "text/event-stream";
    char *said = NULL;
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &said);
    return said && strncasecmp(said, type, sizeof type - 1) == 0;
}

static bool on_event(void *user, ti_str data)
{
    trip *t = user;
    return t->errand.on_event(t->errand.user, data);
}

static size_t on_bytes(char *data, size_t size, size_t count, void *user)
{
    trip *t = user;
    tern_err err = {0};
    size_t len = size * count;
    t->last_ms = now_ms();
    t->bytes += len;
    if (t->bytes > TI_COURIER_ANSWER_MAX) {
        end_with(t, TI_FATE_BROKEN, "its answer is too large");
        return 0;
    }
    if (!t->errand.stream || !is_good(t)) {
        ti_buf_add(&t->body, data, len);
        if (t->body.failed) {
            end_with(t, TI_FATE_BROKEN, "there is no memory for its answer");
        }
        return t->body.failed ? 0 : len;
    }
    if (!is_stream(t)) {
        end_with(t, TI_FATE_BROKEN, "its answer is no stream of events");
        return 0;
    }
    tern_status status = ti_sse_feed(&t->sse, data, len, on_event, t, &err);
    if (status != TERN_OK) {
        end_with(t, TI_FATE_BROKEN,
                 status == TERN_CANCELLED ? "its answer makes no sense" : err.message);
    }
    return status == TERN_OK ? len : 0;
}

static bool is_http(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0;
}

static bool add_header(trip *t, const char *text)
{
    struct curl_slist *more = curl_slist_append(t->headers, text);
    t->headers = more ? more : t->headers;
    return more != NULL;
}

static bool configure(trip *t)
{
    CURL *c = t->curl;
    bool good = add_header(t, "Content-Type: application/json") && add_header(t, "Expect:") &&
                add_header(t, t->errand.stream ? "Accept: text/event-stream"
                                               : "Accept: application/json") &&
                (!t->bearer || add_header(t, t->bearer));
    curl_easy_setopt(c, CURLOPT_URL, t->url);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "tern/" TERN_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)t->errand.times.connect_s * MS);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->errand.body.len);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->errand.body.data);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    if (is_http(t->url)) { /* a proxy would read what is for this machine alone */
        curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    }
    return good;
}

static void begin(ti_courier *courier, trip *t)
{
    t->curl = curl_easy_init();
    t->started_ms = now_ms();
    if (!t->curl || !configure(t) ||
        curl_multi_add_handle(courier->multi, t->curl) != CURLM_OK) {
        curl_easy_cleanup(t->curl);
        t->curl = NULL;
        end_with(t, TI_FATE_CONNECT, "there is no memory for a connection");
    }
}

/* --- the thread -----------------------------------------------------------------------------
 */

static void tell(ti_courier *courier, trip *t)
{
    ti_errand_end end = {.fate = t->fate,
                         .body = {t->body.data ? t->body.data : "", t->body.len}};
    curl_off_t after = 0;
    if (t->curl) {
        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &end.code);
        curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &after);
        end.retry_after_s = after > 0 && after < UINT32_MAX ? (uint32_t)after : 0;
        curl_multi_remove_handle(courier->multi, t->curl);
        curl_easy_cleanup(t->curl);
        t->curl = NULL;
    }
    memcpy(end.why, t->why, sizeof end.why);
    t->errand.on_end(t->errand.user, &end);
    free_trip(t);
    pthread_mutex_lock(&courier->mutex);
    courier->n--;
    pthread_mutex_unlock(&courier->mutex);
}

/* What libcurl's result means. */
static void judge(trip *t, CURLcode result)
{
    long code = 0;
    curl_off_t sent = 0;
    if (result == CURLE_OK) {
        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
        if (!is_good(t)) {
            char why[40];
            snprintf(why, sizeof why, "it answers %ld", code);
            end_with(t, TI_FATE_STATUS, why);
        } else if (t->errand.stream && (t->bytes == 0 || ti_sse_is_inside(&t->sse))) {
            end_with(t, TI_FATE_BROKEN, "its stream ends in the middle");
        }
        return;
    }
    curl_easy_getinfo(t->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    end_with(t, sent == 0 && t->last_ms == 0 ? TI_FATE_CONNECT : TI_FATE_BROKEN,
             result == CURLE_OPERATION_TIMEDOUT ? "it does not take connections in time"
                                                : curl_easy_strerror(result));
}

static void check_clocks(trip *t, uint64_t now)
{
    const ti_upstream_times *s = &t->errand.times;
    if (t->errand.gone && t->errand.gone(t->errand.user)) {
        end_with(t, TI_FATE_GONE, "the client has left");
    } else if (!t->curl) {
        return;
    } else if (now - t->started_ms > (uint64_t)s->whole_s * MS) {
        end_with(t, TI_FATE_LATE, "its answer takes too long");
    } else if (t->last_ms == 0 && now - t->started_ms > (uint64_t)s->first_byte_s * MS) {
        end_with(t, TI_FATE_LATE, "it does not begin to answer");
    } else if (t->last_ms > 0 && now - t->last_ms > (uint64_t)s->idle_s * MS) {
        end_with(t, TI_FATE_LATE, "it stops in the middle of its answer");
    }
}

/* One look at all trips; those that have ended leave the list.  Returns how long to sleep. */
static int look_at_all(ti_courier *courier, bool stopping)
{
    uint64_t now = now_ms();
    trip **at = &courier->trips;
    while (*at) {
        trip *t = *at;
        bool over = false;
        if (stopping) {
            end_with(t, TI_FATE_STOPPED, "the server stops");
        }
        check_clocks(t, now);
        if (t->fate == TI_FATE_DONE && !t->curl && now >= t->begin_ms) {
            over = t->url == NULL;
            if (t->url) {
                begin(courier, t);
            }
        }
        if (over || t->fate != TI_FATE_DONE) {
            *at = t->next;
            tell(courier, t);
        } else {
            at = &t->next;
        }
    }
    return courier->trips ? LOOK_MS : REST_MS;
}

/* Trips that libcurl has ended. */
static void collect(ti_courier *courier)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(courier->multi, &left)) != NULL) {
        trip *t = NULL;
        CURLcode result = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        judge(t, result);
        for (trip **at = &courier->trips; *at; at = &(*at)->next) {
            if (*at == t) {
                *at = t->next;
                break;
            }
        }
        tell(courier, t);
    }
}

static void *carry(void *user)
{
    ti_courier *courier = user;
    for (bool stopping = false; !stopping || courier->trips;) {
        int running = 0;
        pthread_mutex_lock(&courier->mutex);
        stopping = courier->stopping;
        while (courier->fresh) {
            trip *t = courier->fresh;
            courier->fresh = t->next;
            t->next = courier->trips;
            courier->trips = t;
        }
        pthread_mutex_unlock(&courier->mutex);
        int sleep_ms = look_at_all(courier, stopping);
        (void)curl_multi_perform(courier->multi, &running);
        collect(courier);
        if (!stopping) {
            (void)curl_multi_poll(courier->multi, NULL, 0, sleep_ms, NULL);
        }
    }
    return NULL;
}

/* --- for everybody --------------------------------------------------------------------------
 */

tern_status ti_courier_open(ti_courier **out, tern_err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ti_fail(err, TERN_UNAVAILABLE, "upstream", TI_NO_OFFSET, "libcurl cannot start");
    }
    ti_courier *c = ti_calloc(1, sizeof *c);
    CURLM *multi = c ? curl_multi_init() : NULL;
    if (!multi || pthread_mutex_init(&c->mutex, NULL) != 0) {
        curl_multi_cleanup(multi);
        free(c);
        curl_global_cleanup();
        return ti_fail_nomem(err, "upstream", sizeof *c, "connections");
    }
    c->multi = multi;
    if (ti_start_deaf(&c->thread, carry, c) != 0) {
        c->joined = true;
        ti_courier_close(c);
        return ti_fail(err, TERN_UNAVAILABLE, "upstream", TI_NO_OFFSET,
                       "a thread cannot be started");
    }
    *out = c;
    return TERN_OK;
}

static trip *make_trip(const ti_errand *errand)
{
    trip *t = ti_calloc(1, sizeof *t);
    if (!t) {
        return NULL;
    }
    t->errand = *errand;
    t->errand.body = (ti_buf){0};
    t->begin_ms = now_ms() + errand->delay_ms;
    t->url = errand->url ? strdup(errand->url) : NULL;
    bool good = !errand->url || t->url;
    if (good && errand->key) {
        static const char name[] = "Authorization: Bearer ";
        size_t n = sizeof name + strlen(errand->key);
        t->bearer = ti_calloc(n, 1);
        good = t->bearer != NULL;
        if (good) {
            snprintf(t->bearer, n, "%s%s", name, errand->key);
        }
    }
    if (!good) {
        free_trip(t);
        return NULL;
    }
    t->errand.url = t->errand.key = NULL;
    return t;
}

tern_status ti_courier_send(ti_courier *courier, ti_errand *errand, tern_err *err)
{
    if (errand->url && errand->key && is_http(errand->url) &&
        !ti_upstream_is_here(errand->url)) {
        return ti_fail(err, TERN_USAGE, "upstream", TI_NO_OFFSET,
                       "a key is not sent without https");
    }
    trip *t = make_trip(errand);
    if (!t) {
        return ti_fail_nomem(err, "upstream", sizeof *t, "a request");
    }
    pthread_mutex_lock(&courier->mutex);
    bool room = !courier->stopping && courier->n < TI_COURIER_MAX;
    if (room) {
        t->errand.body = errand->body;
        errand->body = (ti_buf){0};
        t->next = courier->fresh;
        courier->fresh = t;
        courier->n++;
    }
    pthread_mutex_unlock(&courier->mutex);
    if (!room) {
        free_trip(t);
        return ti_fail(err, TERN_UNAVAILABLE, "upstream", TI_NO_OFFSET,
                       "there are too many requests to others, or the server stops");
    }
    (void)curl_multi_wakeup(courier->multi);
    return TERN_OK;
}

void ti_courier_stop(ti_courier *courier)
{
    pthread_mutex_lock(&courier->mutex);
    courier->stopping = true;
    pthread_mutex_unlock(&courier->mutex);
    if (!courier->joined) {
        (void)curl_multi_wakeup(courier->multi);
        pthread_join(courier->thread, NULL);
        courier->joined = true;
    }
}

void ti_courier_close(ti_courier *courier)
{
    if (!courier) {
        return;
    }
    ti_courier_stop(courier);
    curl_multi_cleanup(courier->multi);
    pthread_mutex_destroy(&courier->mutex);
    free(courier);
    curl_global_cleanup();
}
