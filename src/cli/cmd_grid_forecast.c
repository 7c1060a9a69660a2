/* SPDX-License-Identifier: Apache-2.0 */
/* tern grid forecast, tern grid history: a series, drawn, listed or as JSON. */
#include <string.h>

#include "carbon/stamp.h"
#include "cli/chart.h"
#include "cli/cmd.h"
#include "cli/desks.h"
#include "cli/grid_show.h"
#include "cli/out.h"

enum { HOURS_MAX = 24 * 366 };

typedef struct series_args {
    const char *zone, *from, *to;
    uint32_t hours;
    ti_desk_args desk;
    bool table, json;
} series_args;

static const series_args forecast_defaults = {.hours = 48, .desk = TI_DESK_DEFAULTS};
static const series_args history_defaults = {.hours = 24, .desk = TI_DESK_DEFAULTS};

/* clang-format off */
#define OPT_ZONE                                                                               \
    {.type = TI_OPT_STR, .name = "zone", .metavar = "ZONE",                                    \
     .help = "which grid, or SOURCE:ZONE",                                                     \
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME",                     \
     .offset = offsetof(series_args, zone)}
#define OPTS_SHAPE                                                                             \
    {.type = TI_OPT_FLAG, .name = "table", .help = "print every value instead of a chart",     \
     .offset = offsetof(series_args, table)},                                                  \
    {.type = TI_OPT_FLAG, .name = "json",                                                      \
     .help = "print one JSON document, schema tern.grid/1",                                    \
     .offset = offsetof(series_args, json)}
/* clang-format on */

static const ti_opt forecast_opts[] = {
    OPT_ZONE,
    {.type = TI_OPT_U32,
     .name = "hours",
     .metavar = "N",
     .help = "how far ahead",
     .min = 1,
     .max = 24 * 14,
     .offset = offsetof(series_args, hours)},
    TI_OPTS_DESK(series_args, desk),
    OPTS_SHAPE,
    {0},
};

static const ti_opt history_opts[] = {
    OPT_ZONE,
    {.type = TI_OPT_U32,
     .name = "hours",
     .metavar = "N",
     .help = "how far back, where no --from is given",
     .min = 1,
     .max = HOURS_MAX,
     .offset = offsetof(series_args, hours)},
    {.type = TI_OPT_STR,
     .name = "from",
     .metavar = "MOMENT",
     .help = "its beginning (2026-01-31, 2026-01-31T12:00Z; UTC)",
     .offset = offsetof(series_args, from)},
    {.type = TI_OPT_STR,
     .name = "to",
     .metavar = "MOMENT",
     .help = "its end",
     .fallback = "now",
     .offset = offsetof(series_args, to)},
    TI_OPTS_DESK(series_args, desk),
    OPTS_SHAPE,
    {0},
};

static void print_table(ti_buf *out, const ti_series *s)
{
    static const char *const kinds[] = {"actual", "forecast", "derived"};
    char start[TI_STAMP_TEXT], grams[TI_GRAMS_TEXT], error[TI_GRAMS_TEXT];
    for (size_t i = 0; i < s->n; i++) {
        const ti_slot *slot = &s->slots[i];
        bool known = slot->error_mg_kwh != TI_ERROR_UNKNOWN && slot->error_mg_kwh > 0;
        ti_buf_addf(out, "%s  %5u min  %12s  %s%s%s\n", ti_stamp_minutes(start, slot->start_s),
                    (unsigned)(slot->length_s / 60),
                    ti_show_grams(grams, slot->intensity_mg_kwh), kinds[slot->kind],
                    known ? " +- " : "", known ? ti_show_grams(error, slot->error_mg_kwh) : "");
    }
}

/* The cleanest and the dirtiest slot. */
static void print_ends(ti_buf *out, const ti_series *s)
{
    const ti_slot *low = &s->slots[0], *high = low;
    char grams[TI_GRAMS_TEXT], at[TI_STAMP_TEXT];
    for (size_t i = 1; i < s->n; i++) {
        low = s->slots[i].intensity_mg_kwh < low->intensity_mg_kwh ? &s->slots[i] : low;
        high = s->slots[i].intensity_mg_kwh > high->intensity_mg_kwh ? &s->slots[i] : high;
    }
    if (low->intensity_mg_kwh == high->intensity_mg_kwh) {
        ti_buf_addf(out, "all        %s\n", ti_show_grams(grams, low->intensity_mg_kwh));
        return;
    }
    ti_buf_addf(out, "cleanest   %s at %s\n", ti_show_grams(grams, low->intensity_mg_kwh),
                ti_stamp_minutes(at, low->start_s));
    ti_buf_addf(out, "dirtiest   %s at %s\n", ti_show_grams(grams, high->intensity_mg_kwh),
                ti_stamp_minutes(at, high->start_s));
}

static tern_status print(const series_args *args, const ti_feed *feed, const ti_skill *skill,
                         const ti_desk *desk, int64_t from_s, int64_t to_s, tern_err *err)
{
    ti_buf out = {0};
    tern_status status = TERN_OK;
    if (args->json) {
        ti_json_grid(&out, skill ? "forecast" : "history", desk->now_s);
        ti_json_feed(&out, "series", feed);
        if (skill) {
            ti_json_skill(&out, "error", skill);
        }
        ti_json_close(&out, '}');
        status = ti_print_json(&out, err);
    } else {
        ti_buf_addf(&out, "zone       %s\n", feed->series.zone);
        if (args->table) {
            print_table(&out, &feed->series);
        } else {
            ti_chart_draw(&out, &feed->series, from_s, to_s, ti_chart_utf8());
        }
        print_ends(&out, &feed->series);
        ti_show_origin(&out, feed, desk->now_s);
        if (skill && feed->how < TI_HOW_DERIVED) {
            ti_show_skill(&out, skill);
        }
        ti_print(out.failed ? "" : out.data);
        status = out.failed ? ti_fail_nomem(err, "grid", out.len, "text") : TERN_OK;
    }
    ti_buf_free(&out);
    return status;
}

static tern_status run_forecast(const void *values, const ti_operands *given, tern_err *err)
{
    const series_args *args = values;
    ti_open_desk d;
    ti_feed feed;
    ti_skill skill;
    (void)given;
    TI_TRY(ti_desk_open(&d, &args->desk, args->zone, err));
    int64_t to_s = d.desk.now_s + (int64_t)args->hours * TI_HOUR_S;
    tern_status status = ti_desk_forecast(&feed, &skill, &d.desk, d.zone, to_s, err);
    if (status == TERN_OK) {
        status = print(args, &feed, &skill, &d.desk, d.desk.now_s, to_s, err);
        ti_feed_free(&feed);
    }
    ti_desk_close(&d);
    return status;
}

static tern_status read_moment(int64_t *out, const char *text, int64_t fallback, tern_err *err)
{
    *out = fallback;
    if (text && !ti_stamp_parse(out, text, strlen(text))) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                       "'%.40s' is not as 2026-01-31T12:00Z", text);
    }
    return TERN_OK;
}

static tern_status history(const series_args *args, ti_open_desk *d, tern_err *err)
{
    int64_t from_s, to_s;
    ti_feed feed;
    TI_TRY(read_moment(&to_s, args->to, d->desk.now_s, err));
    TI_TRY(read_moment(&from_s, args->from, to_s - (int64_t)args->hours * TI_HOUR_S, err));
    if (from_s >= to_s) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET, "it ends before it begins");
    }
    TI_TRY(ti_desk_history(&feed, &d->desk, d->zone, from_s, to_s, err));
    tern_status status = print(args, &feed, NULL, &d->desk, from_s, to_s, err);
    ti_feed_free(&feed);
    return status;
}

static tern_status run_history(const void *values, const ti_operands *given, tern_err *err)
{
    const series_args *args = values;
    ti_open_desk d;
    (void)given;
    TI_TRY(ti_desk_open(&d, &args->desk, args->zone, err));
    tern_status status = history(args, &d, err);
    ti_desk_close(&d);
    return status;
}

const ti_command ti_cmd_grid_forecast = {
    .name = "grid forecast",
    .summary = "draw what is expected, with its error",
    .description =
        "The source's own forecast where it has one; past its end, or without one, that "
        "which 'tern when' makes of four weeks of history.  Forecasts are kept, and compared "
        "with what then happened in that zone: that is the error that is shown.  Until it is "
        "known, it is the one that a forecast from history would have had.",
    .examples = "tern grid forecast --zone GB\n"
                "tern grid forecast --zone DE --source entsoe --hours 24 --table",
    .opts = forecast_opts,
    .defaults = &forecast_defaults,
    .size = sizeof forecast_defaults,
    .run = run_forecast,
};

const ti_command ti_cmd_grid_history = {
    .name = "grid history",
    .summary = "draw what happened",
    .description = "Moments without a value stay gaps.",
    .examples = "tern grid history --zone GB --hours 168\n"
                "tern grid history --zone DE --file trace.csv "
                "--basis average/life-cycle/location --from 2024-06-01 --to 2024-06-08",
    .opts = history_opts,
    .defaults = &history_defaults,
    .size = sizeof history_defaults,
    .run = run_history,
};
