/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes as the Carbon Aware SDK writes them: its WebAPI in camelCase, its data file in
 * PascalCase; durations are "hh:mm", "hh:mm:ss" or a number of minutes. */
#include <string.h>
#include <strings.h>

#include "carbon/json.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"

#define MODULE "carbon-aware-sdk"

enum { MINUTE_S = 60, MINUTES_MAX = 366 * 24 * 60 };

/* A length; 0 where none is given. */
static tern_status read_length(uint32_t *length_s, const ti_jval *v, tern_err *err)
{
    uint64_t minutes;
    *length_s = 0;
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    if (ti_jval_uint(v, MINUTES_MAX, &minutes)) {
        *length_s = (uint32_t)minutes * MINUTE_S;
        return TERN_OK;
    }
    if (v->type == TI_JSTR && (ti_span_parse(length_s, v->u.str.data, v->u.str.len) ||
                               (v->u.str.len >= 5 && memcmp(v->u.str.data, "00:00", 5) == 0))) {
        return TERN_OK; /* no length at all is said as zero */
    }
    return ti_answer_bad(v, MODULE, "length of time such as 00:05:00", err);
}

static tern_status add_rating(ti_feed *feed, const ti_jval *time, const ti_jval *value,
                              const ti_jval *duration, ti_slot_kind kind, tern_err *err)
{
    int64_t start;
    double grams;
    bool there;
    uint32_t length;
    TI_TRY(ti_answer_time(&start, time, MODULE, err));
    TI_TRY(ti_answer_number(&grams, &there, value, MODULE, err));
    TI_TRY(read_length(&length, duration, err));
    if (!there) {
        feed->n_none++;
        return TERN_OK;
    }
    return ti_feed_add_grams(feed, start, length, grams, kind,
                             kind == TI_SLOT_ACTUAL ? 0 : TI_ERROR_UNKNOWN, err);
}

/* Lengths that were left out come from the distances. */
static void complete(ti_feed *feed)
{
    for (size_t i = 0; i < feed->series.n; i++) {
        if (feed->slots[i].length_s == 0) {
            ti_feed_set_lengths(feed, TI_HOUR_S);
            return;
        }
    }
}

/* RFC 7807: {"title","detail","status"}. */
static tern_status refused(const ti_jval *root, tern_err *err)
{
    char words[128];
    const ti_jval *v = ti_answer_get(root, "detail", "title");
    if (root->type != TI_JOBJECT || !v) {
        return TERN_OK;
    }
    return ti_fail(err, TERN_UNAVAILABLE, MODULE, TI_NO_OFFSET, "it refuses: %s",
                   ti_answer_text(words, sizeof words, v));
}

/* The list of emissions in a document. */
static tern_status emissions_of(const ti_jval **list, const ti_jval *root, tern_err *err)
{
    TI_TRY(refused(root, err));
    *list = root->type == TI_JOBJECT ? ti_answer_get(root, "Emissions", "emissions") : root;
    if (!*list || (*list)->type != TI_JARRAY) {
        return ti_answer_bad(*list ? *list : root, MODULE, "list of emissions", err);
    }
    return TERN_OK;
}

static tern_status add_emissions(ti_feed *feed, const ti_jval *root, tern_err *err)
{
    const ti_jval *list;
    TI_TRY(emissions_of(&list, root, err));
    for (uint32_t i = 0; i < list->n; i++) {
        const ti_jval *item = &list->u.items[i];
        if (item->type != TI_JOBJECT) {
            return ti_answer_bad(item, MODULE, "object", err);
        }
        if (!ti_jval_is(ti_answer_get(item, "location", "Location"), feed->series.zone)) {
            continue;
        }
        TI_TRY(add_rating(feed, ti_answer_get(item, "time", "Time"),
                          ti_answer_get(item, "rating", "Rating"),
                          ti_answer_get(item, "duration", "Duration"), TI_SLOT_ACTUAL, err));
    }
    complete(feed);
    return TERN_OK;
}

static tern_status add_forecast(ti_feed *feed, const ti_jval *root, tern_err *err)
{
    TI_TRY(refused(root, err));
    if (root->type != TI_JARRAY) {
        return ti_answer_bad(root, MODULE, "list of forecasts", err);
    }
    for (uint32_t i = 0; i < root->n; i++) {
        const ti_jval *item = &root->u.items[i];
        const ti_jval *points = ti_jval_get(item, "forecastData");
        const ti_jval *generated = ti_jval_get(item, "generatedAt");
        if (!ti_jval_is(ti_jval_get(item, "location"), feed->series.zone)) {
            continue;
        }
        if (!points || points->type != TI_JARRAY) {
            return ti_answer_bad(points ? points : item, MODULE, "list 'forecastData'", err);
        }
        TI_TRY(ti_answer_time(&feed->series.issued_s, generated, MODULE, err));
        for (uint32_t k = 0; k < points->n; k++) {
            const ti_jval *p = &points->u.items[k];
            TI_TRY(add_rating(feed, ti_jval_get(p, "timestamp"), ti_jval_get(p, "value"),
                              ti_jval_get(p, "duration"), TI_SLOT_FORECAST, err));
        }
    }
    complete(feed);
    return TERN_OK;
}

static tern_status parse(ti_feed *feed, const char *text, size_t len,
                         tern_status (*add)(ti_feed *, const ti_jval *, tern_err *),
                         tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    tern_status status = ti_answer_parse(&root, &arena, text, len, MODULE, err);
    if (status == TERN_OK) {
        status = add(feed, &root, err);
    }
    ti_arena_free(&arena);
    return ti_answer_done(feed, status, true, err);
}

tern_status ti_parse_casdk(ti_feed *feed, const char *text, size_t len, tern_err *err)
{
    return parse(feed, text, len, add_emissions, err);
}

tern_status ti_parse_casdk_forecast(ti_feed *feed, const char *text, size_t len, tern_err *err)
{
    return parse(feed, text, len, add_forecast, err);
}

tern_status ti_parse_casdk_zones(ti_buf *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    size_t n = 0;
    const ti_jval *list = NULL;
    tern_status status = ti_answer_parse(&root, &arena, text, len, MODULE, err);
    if (status == TERN_OK) {
        status = emissions_of(&list, &root, err);
    }
    for (uint32_t i = 0; status == TERN_OK && i < list->n; i++) {
        const ti_jval *v = ti_answer_get(&list->u.items[i], "location", "Location");
        if (v && v->type == TI_JSTR) {
            ti_zone_list_add(out, &n, v->u.str.data, v->u.str.len);
        }
    }
    ti_arena_free(&arena);
    return status;
}
