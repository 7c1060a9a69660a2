/* SPDX-License-Identifier: Apache-2.0 */
/* The API's own documentation (carbon-intensity.github.io/api-definitions) and its clients show
 * four shapes of the same; all of them are taken apart by what members an object has. */
#include <stdlib.h>
#include <string.h>

#include "carbon/json.h"
#include "carbon/parse.h"

#define MODULE "neso"

bool ti_neso_zone_parse(ti_neso_zone *out, const char *zone)
{
    ti_neso_zone z = {0};
    bool digit = false, letter = false;
    if (strcmp(zone, "GB") == 0) {
        *out = z;
        return true;
    }
    if (strncmp(zone, "GB-", 3) != 0) {
        return false;
    }
    const char *part = zone + 3;
    size_t n = strlen(part);
    if (n < 1 || n > TI_NESO_POSTCODE_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool is_digit = part[i] >= '0' && part[i] <= '9';
        if (!is_digit && !(part[i] >= 'A' && part[i] <= 'Z')) {
            return false;
        }
        digit |= is_digit;
        letter |= !is_digit;
    }
    if (!letter) {
        z.region = (uint32_t)strtoul(part, NULL, 10);
        *out = z;
        return z.region >= 1 && z.region <= TI_NESO_REGIONS && part[0] != '0';
    }
    memcpy(z.postcode, part, n + 1);
    *out = z;
    return digit && part[0] >= 'A';
}

static tern_status add_moment(ti_feed *feed, const ti_jval *when, const ti_jval *intensity,
                              tern_err *err)
{
    int64_t from, to;
    double actual = 0, forecast = 0;
    bool has_actual, has_forecast;
    uint32_t mg;
    TI_TRY(ti_answer_time(&from, ti_jval_get(when, "from"), MODULE, err));
    TI_TRY(ti_answer_time(&to, ti_jval_get(when, "to"), MODULE, err));
    if (to <= from || to - from > UINT32_MAX) {
        return ti_answer_bad(ti_jval_get(when, "to"), MODULE, "end after its beginning", err);
    }
    uint32_t length = (uint32_t)(to - from);
    TI_TRY(
        ti_answer_number(&actual, &has_actual, ti_jval_get(intensity, "actual"), MODULE, err));
    TI_TRY(ti_answer_number(&forecast, &has_forecast, ti_jval_get(intensity, "forecast"),
                            MODULE, err));
    if (has_actual && ti_grams_to_mg(&mg, actual, feed->series.basis)) {
        return ti_feed_add_grams(feed, from, length, actual, TI_SLOT_ACTUAL, 0, err);
    }
    feed->n_refused += has_actual; /* it was 0 for hours in June 2023 */
    if (!has_forecast) {
        feed->n_none++;
        return TERN_OK;
    }
    return ti_feed_add_grams(feed, from, length, forecast, TI_SLOT_FORECAST, TI_ERROR_UNKNOWN,
                             err);
}

/* A moment with a list of regions. */
static tern_status add_from_regions(ti_feed *feed, const ti_jval *moment, uint32_t region,
                                    tern_err *err)
{
    const ti_jval *regions = ti_jval_get(moment, "regions");
    uint64_t id;
    if (region == 0) {
        return ti_answer_bad(regions, MODULE, "national value: it answered about regions", err);
    }
    if (regions->type != TI_JARRAY) {
        return ti_answer_bad(regions, MODULE, "list of regions", err);
    }
    for (uint32_t i = 0; i < regions->n; i++) {
        const ti_jval *r = &regions->u.items[i];
        if (ti_jval_uint(ti_jval_get(r, "regionid"), UINT32_MAX, &id) && id == region) {
            return add_moment(feed, moment, ti_jval_get(r, "intensity"), err);
        }
    }
    feed->n_none++;
    return TERN_OK;
}

/* A region with moments in it: is it the one that was asked for? */
static tern_status check_region(const ti_jval *region, const ti_neso_zone *zone, tern_err *err)
{
    const ti_jval *postcode = ti_jval_get(region, "postcode");
    uint64_t id;
    if (zone->region == 0 && !zone->postcode[0]) {
        return ti_answer_bad(region, MODULE, "national value: it answered about a region", err);
    }
    if (zone->postcode[0] && !ti_jval_none(postcode) && !ti_jval_is(postcode, zone->postcode)) {
        return ti_answer_bad(postcode, MODULE, "answer about the postcode that was asked for",
                             err);
    }
    if (zone->region && !(ti_jval_uint(ti_jval_get(region, "regionid"), UINT32_MAX, &id) &&
                          id == zone->region)) {
        return ti_answer_bad(region, MODULE, "answer about the region that was asked for", err);
    }
    return TERN_OK;
}

static tern_status add_item(ti_feed *feed, const ti_jval *item, const ti_neso_zone *zone,
                            tern_err *err)
{
    const ti_jval *inner = ti_jval_get(item, "data");
    if (item->type != TI_JOBJECT) {
        return ti_answer_bad(item, MODULE, "object", err);
    }
    if (ti_jval_get(item, "regions")) {
        return add_from_regions(feed, item, zone->region, err);
    }
    if (!inner) {
        if (zone->region || zone->postcode[0]) {
            return ti_answer_bad(item, MODULE, "regional value: it answered about the country",
                                 err);
        }
        return add_moment(feed, item, ti_jval_get(item, "intensity"), err);
    }
    TI_TRY(check_region(item, zone, err));
    if (inner->type == TI_JOBJECT) {
        return add_moment(feed, inner, ti_jval_get(inner, "intensity"), err);
    }
    if (inner->type != TI_JARRAY) {
        return ti_answer_bad(inner, MODULE, "list", err);
    }
    for (uint32_t i = 0; i < inner->n; i++) {
        const ti_jval *moment = &inner->u.items[i];
        TI_TRY(add_moment(feed, moment, ti_jval_get(moment, "intensity"), err));
    }
    return TERN_OK;
}

static tern_status add_all(ti_feed *feed, const ti_jval *root, tern_err *err)
{
    ti_neso_zone zone;
    char message[128];
    const ti_jval *data = ti_jval_get(root, "data"), *error = ti_jval_get(root, "error");
    if (error) {
        return ti_fail(err, TERN_UNAVAILABLE, MODULE, TI_NO_OFFSET, "it refuses: %s",
                       ti_answer_text(message, sizeof message, ti_jval_get(error, "message")));
    }
    if (!ti_neso_zone_parse(&zone, feed->series.zone)) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "'%s' is no zone of Great Britain", feed->series.zone);
    }
    if (data && data->type == TI_JOBJECT) {
        return add_item(feed, data, &zone, err);
    }
    if (!data || data->type != TI_JARRAY) {
        return ti_answer_bad(data ? data : root, MODULE, "member 'data' with a list", err);
    }
    for (uint32_t i = 0; i < data->n; i++) {
        TI_TRY(add_item(feed, &data->u.items[i], &zone, err));
    }
    return TERN_OK;
}

tern_status ti_parse_neso(ti_feed *feed, const char *text, size_t len, tern_err *err)
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
