/* SPDX-License-Identifier: Apache-2.0 */
/* The sources that are files, and the table that is shipped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "carbon/parse.h"
#include "carbon/source.h"
#include "carbon/stamp.h"

#define ALL_ASKS (1U << TI_ASK_NOW | 1U << TI_ASK_HISTORY | 1U << TI_ASK_FORECAST)

enum { FILE_MAX = 256 << 20 };

static tern_status file_ready(const ti_source *source, const char *zone, tern_err *err)
{
    (void)zone;
    if (!source->set.file) {
        return ti_fail(err, TERN_USAGE, source->kind->name, TI_NO_OFFSET,
                       "it needs a file (--file or TERN_GRID_FILE)");
    }
    return TERN_OK;
}

static bool is_json(const char *text)
{
    char first = text[strspn(text, " \t\r\n")];
    return first == '{' || first == '[';
}

static tern_status read_text(char **text, size_t *len, const ti_source *source, tern_err *err)
{
    TI_TRY(ti_read_file(text, len, source->set.file, FILE_MAX, err));
    if (*len == 0) {
        free(*text);
        return ti_fail(err, TERN_CORRUPT, source->kind->name, TI_NO_OFFSET, "'%.80s' is empty",
                       source->set.file);
    }
    return TERN_OK;
}

static tern_status zones_in(ti_buf *out, const ti_source *source, const char *text, size_t len,
                            tern_err *err)
{
    return source->kind == &ti_source_co2js ? ti_parse_yearly_zones(out, text, len, err)
           : is_json(text)                  ? ti_parse_casdk_zones(out, text, len, err)
                                            : ti_parse_csv_zones(out, text, len, err);
}

tern_status ti_source_file_zones(ti_source *source, ti_buf *out, tern_err *err)
{
    char *text;
    size_t len;
    TI_TRY(file_ready(source, "", err));
    TI_TRY(read_text(&text, &len, source, err));
    tern_status status = zones_in(out, source, text, len, err);
    free(text);
    if (status == TERN_OK && out->len == 0) {
        status = ti_fail(err, TERN_UNSUPPORTED, source->kind->name, TI_NO_OFFSET,
                         "'%.80s' does not say which zone it is about: any name will do",
                         source->set.file);
    }
    return status;
}

/* Nothing in the file is about that zone: says what it is about, where it says so. */
static tern_status no_such_zone(const ti_source *source, const char *zone, const char *text,
                                size_t len, tern_err *err)
{
    enum { SHOWN = 100 };
    ti_buf zones = {0}, list = {0};
    tern_status status = zones_in(&zones, source, text, len, err);
    if (status == TERN_OK && zones.len > 0 && !zones.failed) {
        for (const char *at = zones.data; *at && list.len < SHOWN;) {
            size_t n = strcspn(at, "\n");
            ti_buf_adds(&list, list.len > 0 ? ", " : "");
            ti_buf_add(&list, at, n);
            at += n + 1;
            ti_buf_adds(&list, *at && list.len >= SHOWN ? ", ..." : "");
        }
        status = ti_fail(err, TERN_USAGE, source->kind->name, TI_NO_OFFSET,
                         "'%.80s' has no zone '%s'; it has %s", source->set.file, zone,
                         list.data && !list.failed ? list.data : "others");
    }
    ti_buf_free(&list);
    ti_buf_free(&zones);
    return status;
}

/* True when it holds something of the time that was asked about. */
static bool is_about(const ti_feed *feed, const ti_query *q)
{
    int64_t from = q->what == TI_ASK_NOW ? q->now_s - TI_DAY_S : q->from_s;
    int64_t to = q->what == TI_ASK_NOW ? q->now_s + 1 : q->to_s;
    size_t i = ti_series_find(&feed->series, from);
    return i < feed->series.n && feed->slots[i].start_s < to;
}

static tern_status not_then(const ti_source *source, const ti_feed *feed, tern_err *err)
{
    char from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    const ti_slot *last = &feed->slots[feed->series.n - 1];
    ti_stamp_minutes(from, feed->slots[0].start_s);
    return ti_fail(err, TERN_UNAVAILABLE, source->kind->name, TI_NO_OFFSET,
                   "it has values from %s to %s only", from,
                   ti_stamp_minutes(to, last->start_s + last->length_s));
}

/* JSON of the Carbon Aware SDK, or a table. */
static tern_status file_get(ti_source *source, ti_feed *feed, const ti_query *q, tern_err *err)
{
    char *text;
    size_t len;
    TI_TRY(read_text(&text, &len, source, err));
    tern_status status = is_json(text) ? ti_parse_casdk(feed, text, len, err)
                                       : ti_parse_csv(feed, text, len, source->set.column, err);
    if (status == TERN_OK && feed->series.n + feed->n_none + feed->n_refused == 0) {
        status = no_such_zone(source, q->zone, text, len, err);
    } else if (status == TERN_OK && feed->series.n > 0 && !is_about(feed, q)) {
        status = not_then(source, feed, err);
    }
    free(text);
    if (status == TERN_OK && q->what == TI_ASK_NOW) {
        ti_feed_clip(feed, q->now_s - TI_DAY_S, q->now_s + 1);
    }
    for (size_t i = 0; status == TERN_OK && i < feed->series.n; i++) {
        ti_slot *s = &feed->slots[i];
        if (s->start_s + s->length_s > q->now_s) { /* it cannot have happened yet */
            s->kind = TI_SLOT_FORECAST;
            s->error_mg_kwh = TI_ERROR_UNKNOWN;
        }
    }
    return status;
}

const ti_source_kind ti_source_file = {
    .name = "file",
    .about = "a table (CSV), or a data file of the Carbon Aware SDK (JSON)",
    .zones = "the file's; a table without a column of zones is about whichever is named",
    .needs = "--file or TERN_GRID_FILE, and the basis of its figures",
    .licence = "that of the file",
    .basis_declared = true,
    .asks = ALL_ASKS,
    .step_s = 0,
    .ready = file_ready,
    .get = file_get,
};

/* One slot over all that was asked for. */
static tern_status flat(ti_feed *feed, const ti_query *q, uint32_t mg, uint32_t year,
                        tern_err *err)
{
    int64_t from = q->what == TI_ASK_NOW ? ti_stamp_floor(q->now_s, TI_HOUR_S) : q->from_s;
    int64_t to = q->what == TI_ASK_NOW ? from + TI_HOUR_S : q->to_s;
    ti_slot slot = {.start_s = from,
                    .length_s = (uint32_t)(to - from),
                    .intensity_mg_kwh = mg,
                    .error_mg_kwh = TI_ERROR_UNKNOWN,
                    .kind = TI_SLOT_DERIVED};
    feed->how = TI_HOW_YEARLY;
    feed->year = year;
    TI_TRY(ti_feed_add(feed, &slot, err));
    return ti_feed_close(feed, false, err);
}

/* Its zones are codes of two letters, or of three: a country's other one will do as well. */
static tern_status find_yearly(ti_yearly *out, const ti_source *source, const char *zone,
                               const char *text, size_t len, tern_err *err)
{
    char code[TI_ZONE_MAX + 1];
    const ti_grid_row *row;
    tern_status status = ti_parse_yearly(out, zone, source->set.file, text, len, err);
    if (status != TERN_USAGE || !source->set.grid ||
        ti_grid_find(&row, source->set.grid, zone, NULL, NULL) != TERN_OK) {
        return status;
    }
    const ti_str codes[] = {row->zone, row->alias};
    for (size_t i = 0; i < 2; i++) {
        snprintf(code, sizeof code, "%.*s", (int)codes[i].len, codes[i].data);
        if (ti_parse_yearly(out, code, source->set.file, text, len, NULL) == TERN_OK) {
            return TERN_OK;
        }
    }
    return status;
}

static tern_status co2js_get(ti_source *source, ti_feed *feed, const ti_query *q, tern_err *err)
{
    char *text;
    size_t len;
    ti_yearly yearly;
    TI_TRY(read_text(&text, &len, source, err));
    tern_status status = find_yearly(&yearly, source, q->zone, text, len, err);
    free(text);
    TI_TRY(status);
    feed->series.basis = yearly.basis;
    return flat(feed, q, yearly.intensity_mg_kwh, yearly.year, err);
}

const ti_source_kind ti_source_co2js = {
    .name = "co2js",
    .about = "a yearly file of @tgwf/co2 (Ember, UNFCCC, Electricity Maps)",
    .zones = "the file's (DE or DEU)",
    .needs = "--file or TERN_GRID_FILE",
    .licence = "CC BY-SA 4.0 or ODbL: that of the file",
    .basis = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE, .method = TI_LOCATION},
    .asks = ALL_ASKS,
    .ready = file_ready,
    .get = co2js_get,
};

static tern_status yearly_ready(const ti_source *source, const char *zone, tern_err *err)
{
    const ti_grid_row *row;
    if (!source->set.grid) {
        return ti_fail(err, TERN_UNAVAILABLE, source->kind->name, TI_NO_OFFSET, "no table");
    }
    return ti_grid_find(&row, source->set.grid, zone, NULL, err);
}

static tern_status yearly_get(ti_source *source, ti_feed *feed, const ti_query *q,
                              tern_err *err)
{
    const ti_grid_row *row;
    TI_TRY(ti_grid_find(&row, source->set.grid, q->zone, NULL, err));
    feed->series.basis = row->intensity.basis;
    return flat(feed, q, (uint32_t)row->intensity.intensity_mg_kwh, row->year, err);
}

const ti_source_kind ti_source_yearly = {
    .name = "yearly",
    .about = "the shipped table of yearly averages (Our World in Data)",
    .zones = "211 countries (DE, DEU, Germany)",
    .needs = "",
    .licence = "CC BY 4.0",
    .basis = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE, .method = TI_LOCATION},
    .asks = ALL_ASKS,
    .ready = yearly_ready,
    .get = yearly_get,
};
