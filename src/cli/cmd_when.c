/* SPDX-License-Identifier: Apache-2.0 */
/* tern when: the cleanest time, and place, for work that can wait. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"
#include "carbon/units.h"
#include "cli/chart.h"
#include "cli/cmd.h"
#include "cli/decision.h"
#include "cli/desks.h"
#include "cli/grid_show.h"
#include "cli/moment.h"
#include "cli/out.h"

enum {
    MINUTE_S = 60,
    LONGEST_S = 14 * TI_DAY_S, /* of a job */
    AHEAD_S = 2 * LONGEST_S,   /* that is looked at */
    ZONES_MAX = 32,
    RANGE_POINTS = 5, /* lengths between the two of a range, as likely as each other */
    PERMILLE_PER_PERCENT = 10,
    POWER_MAX_W = 100000000
};

typedef struct when_args {
    const char *length, *by, *from, *zone, *any_of, *power, *min_slice, *overhead;
    uint64_t id;
    uint32_t confidence, band;
    ti_desk_args desk;
    bool interruptible, json;
} when_args;

static const when_args defaults = {
    .confidence = TI_CONFIDENCE_PERMILLE / PERMILLE_PER_PERCENT,
    .band = TI_BAND_PERMILLE / PERMILLE_PER_PERCENT,
    .desk = TI_DESK_DEFAULTS,
};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "for",
     .metavar = "LENGTH",
     .help = "how long the work takes (90min, 2h), or a range when that is not known (1h..3h)",
     .offset = offsetof(when_args, length)},
    {.type = TI_OPT_STR,
     .name = "by",
     .metavar = "MOMENT",
     .help = "when it must have ended: 18:00, 6pm, 'tomorrow 9:00', 12h from now, "
             "2026-01-31T12:00Z",
     .fallback = "24h",
     .offset = offsetof(when_args, by)},
    {.type = TI_OPT_STR,
     .name = "from",
     .metavar = "MOMENT",
     .help = "the earliest start",
     .fallback = "now",
     .offset = offsetof(when_args, from)},
    {.type = TI_OPT_STR,
     .name = "zone",
     .metavar = "ZONE",
     .help = "the grid here, or SOURCE:ZONE",
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME",
     .offset = offsetof(when_args, zone)},
    {.type = TI_OPT_STR,
     .name = "any-of",
     .metavar = "ZONE,...",
     .help = "grids where it could run as well; without --zone it is in the first of them now",
     .offset = offsetof(when_args, any_of)},
    {.type = TI_OPT_STR,
     .name = "power",
     .metavar = "W",
     .help = "what the work draws (450, 1.2kW): grams are shown",
     .offset = offsetof(when_args, power)},
    {.type = TI_OPT_FLAG,
     .name = "interruptible",
     .help = "it may be suspended and go on later",
     .offset = offsetof(when_args, interruptible)},
    {.type = TI_OPT_STR,
     .name = "min-slice",
     .metavar = "LENGTH",
     .help = "with --interruptible: no piece is shorter",
     .offset = offsetof(when_args, min_slice)},
    {.type = TI_OPT_STR,
     .name = "overhead",
     .metavar = "LENGTH",
     .help = "with --interruptible: what each interruption costs (saving, loading)",
     .offset = offsetof(when_args, overhead)},
    {.type = TI_OPT_U32,
     .name = "confidence",
     .metavar = "PERCENT",
     .help = "wait only when it is so likely to be cleaner; 0 asks for any expected gain",
     .max = 99,
     .offset = offsetof(when_args, confidence)},
    {.type = TI_OPT_U64,
     .name = "id",
     .metavar = "N",
     .help = "spread jobs: each number starts at another of the starts that are nearly as good",
     .fallback = "the best start",
     .offset = offsetof(when_args, id)},
    {.type = TI_OPT_U32,
     .name = "band",
     .metavar = "PERCENT",
     .help = "with --id: how much dirtier than the best start is nearly as good",
     .max = 100,
     .offset = offsetof(when_args, band)},
    TI_OPTS_DESK(when_args, desk),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.when/1",
     .offset = offsetof(when_args, json)},
    {0},
};

/* What is asked, and what was learnt for it. */
typedef struct asking {
    const when_args *args;
    int64_t now_s; /* the clock; the job is planned from the next whole minute on */
    ti_plan_job job;
    uint64_t power_uw;
    char *zones[ZONES_MAX]; /* into `list`; NULL = the user's */
    size_t n;
    char *list;
    ti_feed feeds[ZONES_MAX];
} asking;

/* --- the job ------------------------------------------------------------------------------ */

static tern_status read_length(ti_plan_job *job, const char *text, tern_err *err)
{
    if (!text) {
        return ti_fail(err, TERN_USAGE, "when", TI_NO_OFFSET,
                       "how long does it take? (--for 2h)");
    }
    uint32_t low, high;
    const char *dots = strstr(text, "..");
    size_t len = dots ? (size_t)(dots - text) : strlen(text);
    TI_TRY(ti_length_parse(&low, text, len, "for", err));
    high = low;
    if (dots) {
        TI_TRY(ti_length_parse(&high, dots + 2, strlen(dots + 2), "for", err));
    }
    if (high > LONGEST_S) {
        return ti_fail(err, TERN_LIMIT, "when", TI_NO_OFFSET, "for: more than 14 days");
    }
    if (low > high) {
        return ti_fail(err, TERN_USAGE, "when", TI_NO_OFFSET,
                       "for: '%.40s' begins with the longer one", text);
    }
    /* A range of fewer seconds than points would name one of them twice. */
    uint32_t points = high - low < RANGE_POINTS ? 1 : RANGE_POINTS;
    job->n_durations = points;
    for (uint32_t i = 0; i < points; i++) {
        uint32_t s = points == 1 ? high : low + (high - low) / (RANGE_POINTS - 1) * i;
        job->durations[i] =
            (ti_duration){.duration_s = i == points - 1 ? high : s, .weight = 1};
    }
    return TERN_OK;
}

static tern_status read_optional(uint32_t *length_s, const char *text, const char *what,
                                 tern_err *err)
{
    *length_s = 0;
    return text ? ti_length_parse(length_s, text, strlen(text), what, err) : TERN_OK;
}

static tern_status read_power(uint64_t *power_uw, const char *text, tern_err *err)
{
    uint64_t scale = 1000000;
    *power_uw = 0;
    if (!text) {
        return TERN_OK;
    }
    size_t len = strlen(text);
    if (len > 2 && strcmp(text + len - 2, "kW") == 0) {
        scale *= 1000;
        len -= 2;
    } else if (len > 1 && text[len - 1] == 'W') {
        len--;
    }
    TI_TRY(ti_decimal_parse(power_uw, text, len, scale, "power", err));
    if (*power_uw == 0) {
        return ti_fail(err, TERN_USAGE, "when", TI_NO_OFFSET,
                       "power: work draws more than 0 W");
    }
    if (*power_uw / 1000000 > POWER_MAX_W) {
        return ti_fail(err, TERN_LIMIT, "when", TI_NO_OFFSET, "power: more than 100 MW");
    }
    return TERN_OK;
}

static tern_status read_times(asking *a, tern_err *err)
{
    /* People plan in minutes: from the next whole one on. */
    int64_t start = ti_stamp_floor(a->now_s + MINUTE_S - 1, MINUTE_S);
    ti_zone_check();
    ti_moment_ask from = {.what = "from", .now_s = start, .after_s = start, .day_begins = true};
    a->job.earliest_s = start;
    if (a->args->from) {
        TI_TRY(ti_moment_typed(&a->job.earliest_s, a->args->from, from, err));
    }
    ti_moment_ask by = {.what = "by", .now_s = start, .after_s = a->job.earliest_s};
    TI_TRY(ti_moment_typed(&a->job.deadline_s, a->args->by ? a->args->by : "24h", by, err));
    if (a->job.earliest_s < start) {
        return ti_fail(err, TERN_USAGE, "when", TI_NO_OFFSET, "from: %.40s is over",
                       a->args->from);
    }
    if (a->job.deadline_s <= a->job.earliest_s) {
        return ti_fail(err, TERN_USAGE, "when", TI_NO_OFFSET, "by: %.40s is %s",
                       a->args->by ? a->args->by : "24h",
                       a->job.deadline_s <= start ? "over" : "before the earliest start");
    }
    return TERN_OK;
}

static tern_status read_job(asking *a, tern_err *err)
{
    const when_args *args = a->args;
    TI_TRY(ti_desk_clock(&a->now_s, &args->desk, err));
    TI_TRY(read_length(&a->job, args->length, err));
    TI_TRY(read_times(a, err));
    TI_TRY(read_power(&a->power_uw, args->power, err));
    TI_TRY(read_optional(&a->job.min_slice_s, args->min_slice, "min-slice", err));
    TI_TRY(read_optional(&a->job.overhead_s, args->overhead, "overhead", err));
    if (!args->interruptible && (args->min_slice || args->overhead)) {
        return ti_fail(err, TERN_USAGE, "when", TI_NO_OFFSET,
                       "--min-slice and --overhead are about --interruptible work");
    }
    a->job.interruptible = args->interruptible;
    a->job.id = args->id;
    a->job.band_permille = args->id > 0 ? args->band * PERMILLE_PER_PERCENT : 0;
    a->job.confidence_permille = args->confidence * PERMILLE_PER_PERCENT;
    return TERN_OK;
}

/* --- the zones ---------------------------------------------------------------------------- */

/* --zone first, then those of --any-of that are not it. */
static tern_status read_zones(asking *a, tern_err *err)
{
    const char *any = a->args->any_of ? a->args->any_of : "";
    const char *zone = a->args->zone ? a->args->zone : "";
    size_t cap = strlen(zone) + strlen(any) + 2;
    a->list = ti_calloc(1, cap);
    if (!a->list) {
        return ti_fail_nomem(err, "when", cap, "zones");
    }
    snprintf(a->list, cap, "%s,%s", zone, any);
    for (char *at = a->list; at;) {
        char *comma = strchr(at, ',');
        if (comma) {
            *comma = '\0';
        }
        bool known = *at == '\0';
        for (size_t i = 0; i < a->n; i++) {
            known |= strcmp(a->zones[i], at) == 0;
        }
        if (!known) {
            if (a->n == ZONES_MAX) {
                return ti_fail(err, TERN_LIMIT, "when", TI_NO_OFFSET, "more than %d zones",
                               ZONES_MAX);
            }
            a->zones[a->n++] = at;
        }
        at = comma ? comma + 1 : NULL;
    }
    a->n = a->n > 0 ? a->n : 1; /* the user's own, whose name is NULL */
    return TERN_OK;
}

/* A feed of which nothing is known, on the basis of the first, so that it is in nobody's way.
 */
static void know_nothing(asking *a, size_t i, const ti_open_desk *d, const tern_err *why)
{
    ti_basis basis = i > 0 ? a->feeds[0].series.basis : d->source.basis;
    ti_feed_init(&a->feeds[i], d->zone, d->source.kind->name, basis);
    ti_feed_because(&a->feeds[i], "%s", why->message);
    ti_warn("%s", why->message);
}

static tern_status ask(asking *a, size_t i, tern_err *err)
{
    ti_open_desk d;
    tern_err why = {0};
    TI_TRY(ti_desk_open(&d, &a->args->desk, a->zones[i], err));
    d.desk.now_s = a->now_s; /* the same for all */
    int64_t to_s = a->now_s + AHEAD_S;
    int64_t needed = a->job.earliest_s + a->job.durations[a->job.n_durations - 1].duration_s;
    needed = needed > a->job.deadline_s ? needed : a->job.deadline_s;
    to_s = needed < to_s ? needed : to_s;
    tern_status status = ti_desk_forecast(&a->feeds[i], NULL, &d.desk, d.zone, to_s, &why);
    if (status == TERN_UNAVAILABLE) {
        know_nothing(a, i, &d, &why);
        status = TERN_OK;
    } else if (status != TERN_OK) {
        *err = why;
    }
    ti_desk_close(&d);
    return status;
}

/* --- the answer --------------------------------------------------------------------------- */

static void print_words(ti_buf *out, const asking *a, const ti_decided *d)
{
    const ti_feed *feed = &a->feeds[d->decision->zone];
    int64_t to_s = a->job.deadline_s;
    if (feed->series.n > 0 && feed->how != TI_HOW_YEARLY) {
        const ti_slot *last = &feed->slots[feed->series.n - 1];
        int64_t known = last->start_s + last->length_s;
        ti_chart_draw_run(out, &feed->series, a->now_s, known < to_s ? known : to_s,
                          ti_chart_utf8(), d->decision->slices, d->decision->n_slices);
    }
    ti_add_decision(out, d);
    if (feed->series.n > 0) {
        ti_show_origin(out, feed, a->now_s);
    }
}

static void print_json(ti_buf *json, const asking *a, const ti_decided *d)
{
    char now[TI_STAMP_TEXT];
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "schema", "tern.when/1");
    ti_json_str(json, "now", ti_stamp_text(now, a->now_s));
    ti_json_job(json, "job", d);
    ti_json_decision(json, "decision", d);
    ti_json_open(json, "zones", '[');
    for (size_t i = 0; i < a->n; i++) {
        ti_json_feed(json, NULL, &a->feeds[i]);
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}

static tern_status decide(asking *a, tern_err *err)
{
    const ti_series *series[ZONES_MAX];
    ti_planner planner;
    ti_decision decision;
    ti_buf out = {0};
    for (size_t i = 0; i < a->n; i++) {
        series[i] = &a->feeds[i].series;
    }
    TI_TRY(ti_plan_open(&planner, series, a->n, err));
    tern_status status = ti_plan_decide(&decision, &planner, &a->job, err);
    if (status == TERN_OK) {
        ti_decided d = {.decision = &decision,
                        .job = &a->job,
                        .feeds = a->feeds,
                        .n_feeds = a->n,
                        .now_s = ti_stamp_floor(a->now_s + MINUTE_S - 1, MINUTE_S),
                        .power_uw = a->power_uw};
        if (a->args->json) {
            print_json(&out, a, &d);
            status = ti_print_json(&out, err);
        } else {
            print_words(&out, a, &d);
            ti_print(out.failed ? "" : out.data);
            status = out.failed ? ti_fail_nomem(err, "when", out.len, "text") : TERN_OK;
        }
    }
    ti_buf_free(&out);
    ti_plan_close(&planner);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    asking *a = ti_calloc(1, sizeof *a);
    (void)given;
    if (!a) {
        return ti_fail_nomem(err, "when", sizeof *a, "a question");
    }
    a->args = values;
    tern_status status = read_job(a, err);
    if (status == TERN_OK) {
        status = read_zones(a, err);
    }
    for (size_t i = 0; status == TERN_OK && i < a->n; i++) {
        status = ask(a, i, err);
    }
    if (status == TERN_OK) {
        status = decide(a, err);
    }
    for (size_t i = 0; i < a->n; i++) {
        ti_feed_free(&a->feeds[i]);
    }
    free(a->list);
    free(a);
    return status;
}

const ti_command ti_cmd_when = {
    .name = "when",
    .summary = "say when work that can wait should start",
    .description =
        "Finds the start before a deadline at which the work is expected to emit the least, "
        "says what it would emit now, how sure that is, and why.  In doubt it says now: when "
        "nothing is known, when nothing is to be gained, or when the gain is less than what "
        "the forecasts are usually off by.\n\n"
        "Times are local.  Without a network and without a key it goes by what is kept of the "
        "days before; where nothing is, it says so and does not wait.",
    .examples = "tern when --for 2h --by 18:00 --zone GB\n"
                "tern when --for 1h..3h --by 'tomorrow 9:00' --any-of DE,FR --power 450\n"
                "tern when --for 8h --by 2d --interruptible --overhead 5min --json",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
