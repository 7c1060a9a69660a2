/* SPDX-License-Identifier: Apache-2.0 */
/* tern grid now: one zone, or several in order. */
#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"
#include "cli/cmd.h"
#include "cli/desks.h"
#include "cli/grid_show.h"
#include "cli/out.h"

typedef struct now_args {
    ti_opt_list zones;
    ti_desk_args desk;
    bool json;
} now_args;

static const now_args defaults = {.desk = TI_DESK_DEFAULTS};

static const ti_opt opts[] = {
    {.type = TI_OPT_LIST,
     .name = "zone",
     .metavar = "ZONE",
     .help = "which grid, or SOURCE:ZONE; several are put in order",
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME",
     .offset = offsetof(now_args, zones)},
    TI_OPTS_DESK(now_args, desk),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.grid/1",
     .offset = offsetof(now_args, json)},
    {0},
};

static tern_status ask(ti_feed *feed, int64_t *now_s, const now_args *args, const char *zone,
                       tern_err *err)
{
    ti_open_desk desk;
    TI_TRY(ti_desk_open(&desk, &args->desk, zone, err));
    tern_status status = ti_desk_now(feed, &desk.desk, desk.zone, err);
    *now_s = desk.desk.now_s;
    ti_desk_close(&desk);
    return status;
}

static ti_intensity intensity_of(const ti_feed *feed)
{
    return (ti_intensity){.intensity_mg_kwh = feed->slots[0].intensity_mg_kwh,
                          .basis = feed->series.basis};
}

/* Puts them in order, the cleanest first.  On two bases that is an error. */
static tern_status put_in_order(ti_feed *feeds, size_t n, tern_err *err)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k > 0; k--) {
            int order;
            ti_intensity a = intensity_of(&feeds[k - 1]), b = intensity_of(&feeds[k]);
            tern_status status = ti_intensity_compare(&order, &a, &b, err);
            if (status == TERN_USAGE) {
                ti_hint("%s is from %s and %s from %s: SOURCE:ZONE names a source for each, "
                        "--source one for all",
                        feeds[k - 1].series.zone, feeds[k - 1].series.source,
                        feeds[k].series.zone, feeds[k].series.source);
            }
            TI_TRY(status);
            if (order <= 0) {
                break;
            }
            ti_feed swap = feeds[k - 1];
            feeds[k - 1] = feeds[k];
            feeds[k] = swap;
        }
    }
    return TERN_OK;
}

/* The newest value may be about a time that is over. */
static void add_end(ti_buf *out, const ti_slot *slot, int64_t now_s)
{
    int64_t age_s = now_s - slot->start_s - slot->length_s;
    if (age_s >= 0) {
        ti_buf_adds(out, ", over since ");
        ti_show_age(out, age_s);
    }
}

static void print_one(ti_buf *out, const ti_feed *feed, int64_t now_s)
{
    char grams[TI_GRAMS_TEXT], from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    const ti_slot *s = &feed->slots[0];
    static const char *const kinds[] = {"", ", forecast", ", derived"};
    ti_buf_addf(out, "zone       %s\n", feed->series.zone);
    ti_buf_addf(out, "intensity  %s", ti_show_grams(grams, s->intensity_mg_kwh));
    if (s->error_mg_kwh != TI_ERROR_UNKNOWN && s->error_mg_kwh > 0) {
        ti_buf_addf(out, " +- %s", ti_show_grams(grams, s->error_mg_kwh));
    }
    if (feed->how == TI_HOW_YEARLY) {
        ti_buf_addf(out, ", mean of %s\n", feed->year ? "the year" : "a year");
    } else {
        ti_buf_addf(out, ", %s to %s%s", ti_stamp_minutes(from, s->start_s),
                    ti_stamp_minutes(to, s->start_s + s->length_s) + 11, kinds[s->kind]);
        add_end(out, s, now_s);
        ti_buf_addc(out, '\n');
    }
    ti_show_origin(out, feed, now_s);
}

static void print_list(ti_buf *out, const ti_feed *feeds, size_t n, int64_t now_s)
{
    char grams[TI_GRAMS_TEXT];
    for (size_t i = 0; i < n; i++) {
        const ti_feed *f = &feeds[i];
        ti_buf_addf(out, "%-16s %12s  %s", f->series.zone,
                    ti_show_grams(grams, f->slots[0].intensity_mg_kwh), f->series.source);
        if (f->how != TI_HOW_YEARLY) {
            ti_buf_addf(out, ", %s", ti_how_text(f->how));
            add_end(out, &f->slots[0], now_s);
        } else if (f->year) {
            ti_buf_addf(out, ", mean of %u", (unsigned)f->year);
        }
        ti_buf_addf(out, "%s%s\n", f->why[0] ? ": " : "", f->why);
    }
}

static tern_status print(const now_args *args, const ti_feed *feeds, size_t n, int64_t now_s,
                         tern_err *err)
{
    ti_buf out = {0};
    tern_status status = TERN_OK;
    if (args->json) {
        ti_json_grid(&out, "now", now_s);
        ti_json_open(&out, "zones", '[');
        for (size_t i = 0; i < n; i++) {
            ti_json_feed(&out, NULL, &feeds[i]);
        }
        ti_json_close(&out, ']');
        ti_json_close(&out, '}');
        status = ti_print_json(&out, err);
    } else {
        if (n == 1) {
            print_one(&out, &feeds[0], now_s);
        } else {
            print_list(&out, feeds, n, now_s);
        }
        ti_print(out.failed ? "" : out.data);
        status = out.failed ? ti_fail_nomem(err, "grid", out.len, "text") : TERN_OK;
    }
    ti_buf_free(&out);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const now_args *args = values;
    size_t n = args->zones.n > 0 ? args->zones.n : 1, got = 0;
    int64_t now_s = 0;
    (void)given;
    ti_feed *feeds = calloc(n, sizeof *feeds);
    if (!feeds) {
        return ti_fail_nomem(err, "grid", n * sizeof *feeds, "answers");
    }
    tern_status status = TERN_OK;
    while (got < n && status == TERN_OK) {
        status =
            ask(&feeds[got], &now_s, args, args->zones.n ? args->zones.items[got] : NULL, err);
        got += status == TERN_OK;
    }
    if (status == TERN_OK) {
        status = put_in_order(feeds, n, err);
    }
    if (status == TERN_OK) {
        for (size_t i = 0; i < n; i++) {
            feeds[i].series.slots = feeds[i].slots; /* they were moved */
        }
        status = print(args, feeds, n, now_s, err);
    }
    for (size_t i = 0; i < got; i++) {
        ti_feed_free(&feeds[i]);
    }
    free(feeds);
    return status;
}

const ti_command ti_cmd_grid_now = {
    .name = "grid now",
    .summary = "print the intensity now",
    .description =
        "Asks the source; when it is down, stale or says what cannot be, what was kept "
        "stands in, then a forecast from what had happened, then the yearly figure, and "
        "the answer says which and why.  Several zones are put in order, if their "
        "figures count the same: bases are never mixed.",
    .examples = "tern grid now --zone GB\n"
                "tern grid now --zone GB-RG10 --json\n"
                "tern grid now --zone DE --zone FR --source yearly",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
