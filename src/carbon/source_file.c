/* SPDX-License-Identifier: Apache-2.0 */
/* The sources that are files, and the table that is shipped. */
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
        return ti_fail(err, TERN_UNAVAILABLE, source->kind->name, TI_NO_OFFSET,
                       "it needs a file");
    }
    return TERN_OK;
}

/* JSON of the Carbon Aware SDK, or a table. */
static tern_status file_get(ti_source *source, ti_feed *feed, const ti_query *q, tern_err *err)
{
    char *text;
    size_t len;
    TI_TRY(ti_read_file(&text, &len, source->set.file, FILE_MAX, err));
    size_t at = strspn(text, " \t\r\n");
    tern_status status = text[at] == '{' || text[at] == '['
                             ? ti_parse_casdk(feed, text, len, err)
                             : ti_parse_csv(feed, text, len, source->set.column, err);
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
    .zones = "the file's locations; a table is about whichever zone is named",
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

static tern_status co2js_get(ti_source *source, ti_feed *feed, const ti_query *q, tern_err *err)
{
    char *text;
    size_t len;
    ti_yearly yearly;
    TI_TRY(ti_read_file(&text, &len, source->set.file, FILE_MAX, err));
    tern_status status = ti_parse_yearly(&yearly, q->zone, source->set.file, text, len, err);
    free(text);
    TI_TRY(status);
    feed->series.basis = yearly.basis;
    return flat(feed, q, yearly.intensity_mg_kwh, yearly.year, err);
}

const ti_source_kind ti_source_co2js = {
    .name = "co2js",
    .about = "a yearly file of @tgwf/co2 (Ember, UNFCCC, Electricity Maps)",
    .zones = "the file's (DEU, or DE)",
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
