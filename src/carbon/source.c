/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/json.h"
#include "carbon/mix.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"

enum { SPAN_MAX_DAYS = 400, ZONE_NAME_MAX = 40, FORECAST_SLACK_S = TI_DAY_S };

enum { KINDS = 8 };

static const ti_source_kind *const kinds[KINDS] = {
    &ti_source_neso,  &ti_source_emaps, &ti_source_watttime, &ti_source_entsoe,
    &ti_source_casdk, &ti_source_file,  &ti_source_co2js,    &ti_source_yearly,
};

const char *ti_ask_text(ti_ask what)
{
    static const char *const names[] = {"now", "history", "forecast"};
    return names[what];
}

const ti_source_kind *ti_source_kind_at(size_t i)
{
    return i < KINDS ? kinds[i] : NULL;
}

const ti_source_kind *ti_source_kind_find(const char *name)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

bool ti_zone_is_name(const char *zone)
{
    size_t n = strlen(zone);
    if (n == 0 || n > ZONE_NAME_MAX || zone[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = zone[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              strchr("._-", c))) {
            return false;
        }
    }
    return true;
}

static tern_status choose_basis(ti_source *source, const char *name, tern_err *err)
{
    const ti_basis *declared = source->set.basis;
    char has[TI_BASIS_TEXT], wanted[TI_BASIS_TEXT];
    if (source->kind->basis_declared) {
        if (!declared) {
            return ti_fail(err, TERN_USAGE, name, TI_NO_OFFSET,
                           "it does not say what its figures count: a basis must be given");
        }
        source->basis = *declared;
        return TERN_OK;
    }
    source->basis = source->kind->basis;
    bool other_ok = source->kind == &ti_source_emaps || source->kind == &ti_source_watttime;
    if (!declared || ti_basis_equal(*declared, source->basis)) {
        return TERN_OK;
    }
    /* Electricity Maps also has direct factors, WattTime an average. */
    ti_basis other = {.kind = TI_AVERAGE, .scope = TI_OPERATIONAL, .method = TI_LOCATION};
    if (other_ok && ti_basis_equal(*declared, other)) {
        source->basis = other;
        return TERN_OK;
    }
    return ti_fail(err, TERN_USAGE, name, TI_NO_OFFSET,
                   "its figures are on the basis %s, not %s", ti_basis_text(has, source->basis),
                   ti_basis_text(wanted, *declared));
}

tern_status ti_source_open(ti_source *out, const char *name, const ti_source_settings *settings,
                           const ti_http *http, tern_err *err)
{
    ti_source source = {.kind = ti_source_kind_find(name), .set = *settings};
    if (!source.kind) {
        return ti_fail(err, TERN_USAGE, "source", TI_NO_OFFSET, "there is no source '%.40s'",
                       name);
    }
    if (http) {
        source.http = *http;
    }
    TI_TRY(choose_basis(&source, name, err));
    *out = source;
    return TERN_OK;
}

static void forget(char *secret)
{
    for (volatile char *c = secret; c && *c; c++) {
        *c = 0;
    }
    free(secret);
}

void ti_source_close(ti_source *source)
{
    forget(source->token);
    memset(source, 0, sizeof *source);
}

void ti_source_hide(tern_err *err, const char *secret)
{
    enum { TELLING = 4 }; /* so many of its first bytes tell something */
    size_t n = secret ? strlen(secret) : 0;
    char *at;
    if (!err || n < 3) {
        return;
    }
    while ((at = strstr(err->message, secret)) != NULL) {
        memcpy(at, "***", 3);
        memmove(at + 3, at + n, strlen(at + n) + 1);
    }
    /* Others' words are cut: what they end with may be the beginning of it. */
    size_t len = strlen(err->message);
    for (size_t k = n - 1; k >= TELLING; k--) {
        if (k <= len && memcmp(err->message + len - k, secret, k) == 0) {
            memcpy(err->message + len - k, "***", 4);
            return;
        }
    }
}

static void hide_all(const ti_source *source, tern_err *err)
{
    ti_source_hide(err, source->set.key);
    ti_source_hide(err, source->set.password);
    ti_source_hide(err, source->token);
}

void ti_source_url(const ti_source *source, ti_buf *url)
{
    const char *base = source->set.url ? source->set.url : source->kind->url;
    size_t n = base ? strlen(base) : 0;
    while (n > 0 && base[n - 1] == '/') {
        n--;
    }
    ti_buf_add(url, base ? base : "", n);
}

/* The words of an error body that are fit for a message, or "". */
static const char *words_of(char *out, size_t cap, const ti_buf *body)
{
    static const char *const names[] = {"detail", "message", "error", "title"};
    ti_arena arena = {0};
    ti_jval root;
    out[0] = '\0';
    if (body->len > 0 &&
        ti_jval_parse(&root, &arena, body->data, body->len, "http", NULL) == TERN_OK) {
        const ti_jval *inner = ti_jval_get(&root, "error");
        for (size_t i = 0; i < 4 && !out[0]; i++) {
            ti_answer_text(out, cap, ti_jval_get(&root, names[i]));
        }
        if (!out[0] && inner) {
            ti_answer_text(out, cap, ti_jval_get(inner, "message"));
        }
    }
    ti_arena_free(&arena);
    return out;
}

tern_status ti_source_fetch(const ti_source *source, ti_buf *body,
                            const ti_http_request *request, bool *unauthorized, tern_err *err)
{
    const char *name = source->kind->name;
    char words[100];
    int code = 0;
    if (!source->http.get) {
        return ti_fail(err, TERN_UNAVAILABLE, name, TI_NO_OFFSET, "not asked: offline");
    }
    TI_TRY(source->http.get(source->http.self, body, &code, request, err));
    if (code == 200) {
        return TERN_OK;
    }
    if (unauthorized && (code == 401 || code == 403)) {
        *unauthorized = true;
        return TERN_OK;
    }
    words_of(words, sizeof words, body);
    const char *why = code == 401 || code == 403   ? "the key is refused"
                      : code == 404 || code == 204 ? "it knows nothing about that"
                      : code == 429                ? "asked too often"
                      : code >= 500                ? "it is down"
                                                   : "it refuses";
    return ti_fail(err, TERN_UNAVAILABLE, name, TI_NO_OFFSET, "%s (HTTP %d)%s%s", why, code,
                   words[0] ? ": " : "", words);
}

tern_status ti_source_ready(const ti_source *source, const char *zone, tern_err *err)
{
    if (!ti_zone_is_name(zone)) {
        return ti_fail(err, TERN_USAGE, source->kind->name, TI_NO_OFFSET,
                       "'%.40s' is no name of a zone", zone);
    }
    return source->kind->ready(source, zone, err);
}

static bool fits(const ti_query *q)
{
    return q->now_s >= 0 && q->now_s <= TI_STAMP_MAX_S &&
           (q->what == TI_ASK_NOW ||
            (q->from_s >= 0 && q->to_s > q->from_s && q->to_s <= TI_STAMP_MAX_S &&
             q->to_s - q->from_s <= (int64_t)SPAN_MAX_DAYS * TI_DAY_S));
}

/* One request after the other over the interval. */
static tern_status get_pieces(ti_source *source, ti_feed *feed, const ti_query *query,
                              tern_err *err)
{
    ti_query piece = *query;
    int64_t span = source->kind->span_s;
    if (query->what != TI_ASK_HISTORY || span == 0 || query->to_s - query->from_s <= span) {
        return source->kind->get(source, feed, query, err);
    }
    for (int64_t at = query->from_s; at < query->to_s; at += span) {
        ti_feed more;
        ti_feed_init(&more, feed->series.zone, feed->series.source, feed->series.basis);
        piece.from_s = at;
        piece.to_s = at + span < query->to_s ? at + span : query->to_s;
        tern_status status = source->kind->get(source, &more, &piece, err);
        if (status == TERN_OK) {
            more.n_none += feed->n_none;
            more.n_refused += feed->n_refused;
            more.n_estimated += feed->n_estimated;
            status = ti_feed_merge(feed, &more, 0, TI_SERIES_SLOTS_MAX, err);
        }
        ti_feed_free(&more);
        TI_TRY(status);
    }
    return TERN_OK;
}

/* An address without user, password, query, and slash at its end. */
static void public_address(char *out, size_t cap, const char *url)
{
    const char *at = strrchr(url, '@'), *scheme = strstr(url, "://");
    const char *rest = at && scheme ? at + 1 : url;
    size_t n = strcspn(rest, "?#");
    while (n > 0 && rest[n - 1] == '/') {
        n--;
    }
    snprintf(out, cap, "%.*s%.*s", rest == url ? 0 : (int)(scheme + 3 - url), url, (int)n,
             rest);
}

static void say_where_from(const ti_source *source, ti_feed *feed, int64_t now_s)
{
    const char *url = source->set.url ? source->set.url : source->kind->url;
    feed->obtained_s = now_s;
    if (feed->series.issued_s == 0 || feed->series.issued_s > now_s) {
        feed->series.issued_s = now_s;
    }
    snprintf(feed->licence, sizeof feed->licence, "%s", source->kind->licence);
    if (source->set.file && !source->kind->network) {
        snprintf(feed->place, sizeof feed->place, "%s", source->set.file);
    } else if (source->kind->network && url) {
        public_address(feed->place, sizeof feed->place, url);
    }
}

tern_status ti_source_get(ti_source *source, ti_feed *out, const ti_query *query, tern_err *err)
{
    ti_feed feed;
    const ti_source_kind *kind = source->kind;
    source->answered = false;
    TI_TRY(ti_source_ready(source, query->zone, err));
    if (!(kind->asks & 1U << query->what)) {
        return ti_fail(err, TERN_UNSUPPORTED, kind->name, TI_NO_OFFSET, "it has no %s",
                       query->what == TI_ASK_FORECAST ? "forecasts"
                       : query->what == TI_ASK_NOW    ? "value for now"
                                                      : "history");
    }
    if (!fits(query)) {
        return ti_fail(err, TERN_USAGE, kind->name, TI_NO_OFFSET,
                       "an interval must be from 1970 to 2199, of at most %d days",
                       SPAN_MAX_DAYS);
    }
    ti_feed_init(&feed, query->zone, kind->name, source->basis);
    tern_status status = get_pieces(source, &feed, query, err);
    /* A file that has nothing of that time has said so. */
    source->answered = status == TERN_OK || (status == TERN_UNAVAILABLE && !kind->network);
    if (status == TERN_OK && query->what != TI_ASK_NOW) {
        ti_feed_clip(&feed, query->from_s,
                     query->what == TI_ASK_FORECAST ? query->to_s + FORECAST_SLACK_S
                                                    : query->to_s);
    }
    if (status == TERN_OK && feed.series.n == 0) {
        status =
            ti_fail(err, TERN_UNAVAILABLE, kind->name, TI_NO_OFFSET,
                    "it has no usable value of %s for that time (%zu empty, %zu impossible)",
                    query->zone, feed.n_none, feed.n_refused);
    }
    if (status != TERN_OK) {
        hide_all(source, err);
        ti_feed_free(&feed);
        return status;
    }
    say_where_from(source, &feed, query->now_s);
    feed.issued = query->what == TI_ASK_FORECAST && kind->network;
    *out = feed;
    out->series.slots = out->slots;
    return TERN_OK;
}

/* --- zones -------------------------------------------------------------------------------- */

static void neso_zones(ti_buf *out)
{
    /* Numbered as in the service's documentation. */
    static const char *const names[TI_NESO_REGIONS] = {"North Scotland",
                                                       "South Scotland",
                                                       "North West England",
                                                       "North East England",
                                                       "Yorkshire",
                                                       "North Wales and Merseyside",
                                                       "South Wales",
                                                       "West Midlands",
                                                       "East Midlands",
                                                       "East England",
                                                       "South West England",
                                                       "South England",
                                                       "London",
                                                       "South East England",
                                                       "England",
                                                       "Scotland",
                                                       "Wales"};
    ti_buf_adds(out, "GB Great Britain\n");
    for (int i = 0; i < TI_NESO_REGIONS; i++) {
        ti_buf_addf(out, "GB-%d %s\n", i + 1, names[i]);
    }
    ti_buf_adds(out, "GB-POSTCODE the outward part of a postcode, as GB-RG10\n");
}

static tern_status emaps_zones(ti_source *source, ti_buf *out, tern_err *err)
{
    ti_buf url = {0}, body = {0};
    ti_source_url(source, &url);
    ti_buf_adds(&url, "/zones");
    ti_http_request request = {
        .url = url.data, .accept = "application/json", .limit = TI_ANSWER_MAX};
    tern_status status = url.failed ? ti_fail_nomem(err, "source", 0, "an address")
                                    : ti_source_fetch(source, &body, &request, NULL, err);
    if (status == TERN_OK) {
        status = body.failed
                     ? ti_fail_nomem(err, "source", body.len, "an answer")
                     : ti_parse_emaps_zones(out, body.data ? body.data : "", body.len, err);
    }
    ti_buf_free(&url);
    ti_buf_free(&body);
    return status;
}

tern_status ti_source_zones(ti_source *source, ti_buf *out, tern_err *err)
{
    const char *eic, *zone;
    if (source->kind == &ti_source_neso) {
        neso_zones(out);
    } else if (source->kind == &ti_source_entsoe) {
        for (size_t i = 0; (zone = ti_entsoe_zone_at(i, &eic)) != NULL; i++) {
            ti_buf_addf(out, "%s %s\n", zone, eic);
        }
    } else if (source->kind == &ti_source_emaps) {
        TI_TRY(emaps_zones(source, out, err));
    } else if (source->kind == &ti_source_file || source->kind == &ti_source_co2js) {
        TI_TRY(ti_source_file_zones(source, out, err));
    } else if (source->kind == &ti_source_yearly && source->set.grid) {
        for (size_t i = 0; i < source->set.grid->n; i++) {
            const ti_grid_row *row = &source->set.grid->rows[i];
            ti_buf_addf(out, "%.*s %.*s\n", (int)row->zone.len, row->zone.data,
                        (int)row->name.len, row->name.data);
        }
    } else {
        return ti_fail(err, TERN_UNSUPPORTED, source->kind->name, TI_NO_OFFSET,
                       "it does not list its zones: %s", source->kind->zones);
    }
    return out->failed ? ti_fail_nomem(err, "source", out->len, "zones") : TERN_OK;
}
