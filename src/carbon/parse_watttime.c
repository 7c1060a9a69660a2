/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes as in the service's documentation of v3 (docs.watttime.org). */
#include <stdio.h>
#include <string.h>

#include "carbon/json.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"

#define MODULE "watttime"

/* The signal that counts what the feed's basis counts. */
static const char *signal_of(ti_basis basis)
{
    return basis.kind == TI_MARGINAL ? "co2_moer" : "co2_aoer";
}

static tern_status check_meta(const ti_feed *feed, const ti_jval *meta, tern_err *err)
{
    const ti_jval *units = ti_jval_get(meta, "units"), *region = ti_jval_get(meta, "region");
    const ti_jval *signal = ti_jval_get(meta, "signal_type");
    char got[64];
    if (!meta || meta->type != TI_JOBJECT) {
        return ti_answer_bad(meta, MODULE, "member 'meta', without which no unit is known",
                             err);
    }
    if (!ti_jval_is(units, "lbs_co2_per_mwh")) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, units ? units->at : TI_NO_OFFSET,
                       "unit '%s' is no emission per energy%s",
                       ti_answer_text(got, sizeof got, units),
                       ti_jval_is(units, "percentile") ? ": a percentile is not grams" : "");
    }
    if (!ti_jval_is(signal, signal_of(feed->series.basis))) {
        return ti_fail(err, TERN_CORRUPT, MODULE, signal ? signal->at : TI_NO_OFFSET,
                       "signal '%s', and %s was asked for",
                       ti_answer_text(got, sizeof got, signal), signal_of(feed->series.basis));
    }
    if (!ti_jval_is(region, feed->series.zone)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, region ? region->at : TI_NO_OFFSET,
                       "it answered about '%s' and not about '%s'",
                       ti_answer_text(got, sizeof got, region), feed->series.zone);
    }
    return TERN_OK;
}

static tern_status add_moment(ti_feed *feed, const ti_jval *moment, uint32_t length_s,
                              ti_slot_kind kind, tern_err *err)
{
    int64_t start;
    double pounds;
    bool there;
    TI_TRY(ti_answer_time(&start, ti_jval_get(moment, "point_time"), MODULE, err));
    TI_TRY(ti_answer_number(&pounds, &there, ti_jval_get(moment, "value"), MODULE, err));
    if (!there) {
        feed->n_none++;
        return TERN_OK;
    }
    return ti_feed_add_pounds(feed, start, length_s, pounds, kind, err);
}

static tern_status refused(const ti_jval *root, tern_err *err)
{
    char words[128];
    const ti_jval *v = ti_answer_get(root, "error", "message");
    if (!v || ti_jval_get(root, "data")) {
        return TERN_OK;
    }
    const ti_jval *text = ti_jval_get(root, "message");
    return ti_fail(err, TERN_UNAVAILABLE, MODULE, TI_NO_OFFSET, "it refuses: %s",
                   ti_answer_text(words, sizeof words, text ? text : v));
}

static tern_status add_all(ti_feed *feed, const ti_jval *root, ti_slot_kind kind, tern_err *err)
{
    const ti_jval *data = ti_jval_get(root, "data"), *meta = ti_jval_get(root, "meta");
    const ti_jval *generated = ti_jval_get(meta, "generated_at");
    uint64_t length = 0;
    TI_TRY(refused(root, err));
    TI_TRY(check_meta(feed, meta, err));
    if (!data || data->type != TI_JARRAY) {
        return ti_answer_bad(data ? data : root, MODULE, "member 'data' with a list", err);
    }
    (void)ti_jval_uint(ti_jval_get(meta, "data_point_period_seconds"), TI_DAY_S, &length);
    for (uint32_t i = 0; i < data->n; i++) {
        TI_TRY(add_moment(feed, &data->u.items[i], (uint32_t)length, kind, err));
    }
    if (generated && generated->type == TI_JSTR) {
        (void)ti_stamp_parse(&feed->series.issued_s, generated->u.str.data,
                             generated->u.str.len);
    }
    if (length == 0) {
        enum { FIVE_MINUTES_S = 300 };
        ti_feed_set_lengths(feed, FIVE_MINUTES_S);
    }
    return TERN_OK;
}

tern_status ti_parse_watttime(ti_feed *feed, const char *text, size_t len, ti_slot_kind kind,
                              tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    tern_status status = ti_answer_parse(&root, &arena, text, len, MODULE, err);
    if (status == TERN_OK) {
        status = add_all(feed, &root, kind, err);
    }
    ti_arena_free(&arena);
    return ti_answer_done(feed, status, false, err);
}

tern_status ti_parse_watttime_login(char *token, size_t cap, const char *text, size_t len,
                                    tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    tern_status status = ti_jval_parse(&root, &arena, text, len, MODULE, NULL);
    const ti_jval *v = status == TERN_OK ? ti_jval_get(&root, "token") : NULL;
    bool good = v && v->type == TI_JSTR && v->u.str.len > 0 && v->u.str.len < cap;
    for (size_t i = 0; good && i < v->u.str.len; i++) {
        good = v->u.str.data[i] > ' ' && v->u.str.data[i] <= '~'; /* it goes into a header */
    }
    if (good) {
        snprintf(token, cap, "%.*s", (int)v->u.str.len, v->u.str.data);
    }
    ti_arena_free(&arena);
    if (status == TERN_NOMEM) {
        return ti_fail_nomem(err, MODULE, len, "the answer to a login");
    }
    return good ? TERN_OK
                : ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                          "the answer to the login holds no token");
}
