/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes as in the service's documentation of v3 (portal.electricitymaps.com/docs). */
#include <string.h>

#include "carbon/basis.h"
#include "carbon/json.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"

#define MODULE "electricitymaps"

/* What of an answer holds for the moments in it. */
typedef struct context {
    ti_feed *feed;
    ti_slot_kind kind;
    uint32_t length_s; /* 0 = from the distances */
    tern_err *err;
} context;

/* The slots' length; 0 where it is not said, or not known. */
static uint32_t length_of(const ti_jval *object)
{
    static const struct {
        const char *name;
        uint32_t s;
    } known[] = {
        {"hourly", 3600}, {"15_minutes", 900}, {"5_minutes", 300}, {"daily", TI_DAY_S}};
    const ti_jval *v = ti_jval_get(object, "temporalGranularity");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (ti_jval_is(v, known[i].name)) {
            return known[i].s;
        }
    }
    return 0;
}

/* Zone and emission factors, where the object says them, must be those that were asked for. */
static tern_status check(const context *c, const ti_jval *object, bool zone_is_due)
{
    const ti_jval *zone = ti_jval_get(object, "zone");
    const ti_jval *factors = ti_jval_get(object, "emissionFactorType");
    char got[TI_ZONE_MAX + 1];
    if ((zone || zone_is_due) && !ti_jval_is(zone, c->feed->series.zone)) {
        return ti_fail(c->err, TERN_CORRUPT, MODULE, zone ? zone->at : TI_NO_OFFSET,
                       "it answered about '%s' and not about '%s' (for a zone that it does not "
                       "know it takes where the caller is)",
                       ti_answer_text(got, sizeof got, zone), c->feed->series.zone);
    }
    const char *wanted = c->feed->series.basis.scope == TI_LIFE_CYCLE ? "lifecycle" : "direct";
    if (!ti_jval_none(factors) && !ti_jval_is(factors, wanted)) {
        return ti_fail(c->err, TERN_CORRUPT, MODULE, factors->at,
                       "emission factors '%s', and '%s' was asked for",
                       ti_answer_text(got, sizeof got, factors), wanted);
    }
    return TERN_OK;
}

static tern_status add_moment(const context *c, const ti_jval *moment)
{
    int64_t start;
    double grams;
    bool there;
    const ti_jval *estimated = ti_jval_get(moment, "isEstimated");
    TI_TRY(check(c, moment, false));
    TI_TRY(ti_answer_time(&start, ti_jval_get(moment, "datetime"), MODULE, c->err));
    TI_TRY(ti_answer_number(&grams, &there, ti_jval_get(moment, "carbonIntensity"), MODULE,
                            c->err));
    if (!there) {
        c->feed->n_none++;
        return TERN_OK;
    }
    bool guess = c->kind != TI_SLOT_ACTUAL ||
                 (estimated && estimated->type == TI_JBOOL && estimated->u.boolean);
    c->feed->n_estimated += guess && c->kind == TI_SLOT_ACTUAL;
    uint32_t length = length_of(moment);
    length = length ? length : c->length_s;
    return ti_feed_add_grams(c->feed, start, length, grams, c->kind,
                             guess ? TI_ERROR_UNKNOWN : 0, c->err);
}

/* What it says instead of an answer, with its own words. */
static tern_status refused(const ti_jval *root, tern_err *err)
{
    char words[128];
    const ti_jval *v = ti_answer_get(root, "error", "message");
    ti_answer_text(words, sizeof words,
                   v && v->type == TI_JSTR ? v : ti_jval_get(root, "message"));
    if (ti_jval_get(root, "carbonIntensity") || !v) {
        return TERN_OK;
    }
    return ti_fail(err, TERN_UNAVAILABLE, MODULE, TI_NO_OFFSET, "it refuses: %s", words);
}

static tern_status add_all(ti_feed *feed, const ti_jval *root, tern_err *err)
{
    static const char *const lists[] = {"history", "data", "forecast"};
    context c = {.feed = feed, .kind = TI_SLOT_ACTUAL, .length_s = length_of(root), .err = err};
    const ti_jval *list = NULL, *updated = ti_jval_get(root, "updatedAt");
    TI_TRY(refused(root, err));
    TI_TRY(check(&c, root, true));
    for (size_t i = 0; i < 3 && !list; i++) {
        list = ti_jval_get(root, lists[i]);
        c.kind = i == 2 ? TI_SLOT_FORECAST : TI_SLOT_ACTUAL;
    }
    if (!list) {
        c.kind = TI_SLOT_ACTUAL;
        TI_TRY(add_moment(&c, root));
    } else if (list->type != TI_JARRAY) {
        return ti_answer_bad(list, MODULE, "list", err);
    } else {
        for (uint32_t i = 0; i < list->n; i++) {
            TI_TRY(add_moment(&c, &list->u.items[i]));
        }
    }
    if (updated && updated->type == TI_JSTR) {
        (void)ti_stamp_parse(&feed->series.issued_s, updated->u.str.data, updated->u.str.len);
    }
    bool lengths_given = true;
    for (size_t i = 0; i < feed->series.n; i++) {
        lengths_given &= feed->slots[i].length_s > 0;
    }
    if (!lengths_given) {
        ti_feed_set_lengths(feed, TI_HOUR_S);
    }
    return TERN_OK;
}

tern_status ti_parse_emaps(ti_feed *feed, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    tern_status status = ti_answer_parse(&root, &arena, text, len, MODULE, err);
    if (status == TERN_OK) {
        status = add_all(feed, &root, err);
    }
    ti_arena_free(&arena);
    return ti_answer_done(feed, status, false, err);
}

tern_status ti_parse_emaps_zones(ti_buf *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    tern_status status = ti_answer_parse(&root, &arena, text, len, MODULE, err);
    if (status == TERN_OK) {
        status = refused(&root, err);
    }
    if (status == TERN_OK && root.type != TI_JOBJECT) {
        status = ti_answer_bad(&root, MODULE, "object of zones", err);
    }
    for (uint32_t i = 0; status == TERN_OK && i < root.n; i++) {
        char name[TI_ZONE_MAX + 1];
        const ti_jmember *m = &root.u.members[i];
        ti_buf_add(out, m->key.data, m->key.len);
        ti_buf_addf(out, " %s\n",
                    ti_answer_text(name, sizeof name, ti_jval_get(&m->value, "zoneName")));
    }
    ti_arena_free(&arena);
    return status;
}
