/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/grid_metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/units.h"
#include "cli/out.h"

enum { INTENSITY, TIME, ERROR, GO_AVERAGE, GO_MARGINAL };

static const struct {
    const char *name, *help;
} metrics_of[TI_METRICS] = {
    [INTENSITY] = {"tern_grid_intensity_grams_per_kwh", "Grams of CO2 equivalent per kWh, now"},
    [TIME] = {"tern_grid_intensity_timestamp_seconds",
              "End of the span that the intensity is about"},
    [ERROR] = {"tern_grid_forecast_error_grams_per_kwh",
               "Mean distance of kept forecasts from what then happened"},
    [GO_AVERAGE] = {"grid_intensity_carbon_average", "As grid-intensity-go calls it"},
    [GO_MARGINAL] = {"grid_intensity_carbon_marginal", "As grid-intensity-go calls it"},
};

/* A value of a label: quotes, backslashes and newlines escaped. */
static void add_label(ti_buf *out, const char *name, const char *value, bool first)
{
    ti_buf_addf(out, "%s%s=\"", first ? "" : ",", name);
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\') {
            ti_buf_addc(out, '\\');
        }
        ti_buf_addc(out, *c);
    }
    ti_buf_addc(out, '"');
}

static void add_own(ti_buf *out, int metric, const ti_feed *feed)
{
    char basis[TI_BASIS_TEXT];
    ti_buf_addf(out, "%s{", metrics_of[metric].name);
    add_label(out, "zone", feed->series.zone, true);
    add_label(out, "source", feed->series.source, false);
    add_label(out, "basis", ti_basis_text(basis, feed->series.basis), false);
    add_label(out, "how", ti_how_text(feed->how), false);
    ti_buf_adds(out, "} ");
}

tern_status ti_metrics_add(ti_metrics *metrics, ti_feed *feed, const ti_skill *skill,
                           tern_err *err)
{
    char grams[TI_AMOUNT_TEXT];
    const ti_slot *slot = &feed->slots[0];
    ti_buf *b = metrics->samples;
    int go = feed->series.basis.kind == TI_MARGINAL ? GO_MARGINAL : GO_AVERAGE;
    bool estimated = slot->kind != TI_SLOT_ACTUAL || feed->n_estimated > 0;
    add_own(&b[INTENSITY], INTENSITY, feed);
    ti_buf_addf(&b[INTENSITY], "%s\n", ti_milli_text(grams, slot->intensity_mg_kwh));
    add_own(&b[TIME], TIME, feed);
    ti_buf_addf(&b[TIME], "%" PRId64 "\n", slot->start_s + slot->length_s);
    if (skill->all.n >= TI_SKILL_ENOUGH) {
        add_own(&b[ERROR], ERROR, feed);
        ti_buf_addf(&b[ERROR], "%s\n", ti_milli_text(grams, skill->all.mae_mg));
    }
    ti_buf_addf(&b[go], "%s{", metrics_of[go].name);
    add_label(&b[go], "provider", feed->series.source, true);
    add_label(&b[go], "location", feed->series.zone, false);
    add_label(&b[go], "units", "gCO2e per kWh", false);
    add_label(&b[go], "is_estimated", estimated ? "true" : "false", false);
    ti_buf_addf(&b[go], "} %s\n", ti_milli_text(grams, slot->intensity_mg_kwh));
    ti_feed_free(feed);
    for (size_t i = 0; i < TI_METRICS; i++) {
        if (b[i].failed) {
            return ti_fail_nomem(err, "grid", b[i].len, "metrics");
        }
    }
    return TERN_OK;
}

void ti_metrics_text(ti_buf *out, const ti_metrics *metrics)
{
    for (size_t i = 0; i < TI_METRICS; i++) {
        const ti_buf *b = &metrics->samples[i];
        if (b->len > 0) {
            ti_buf_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", metrics_of[i].name,
                        metrics_of[i].help, metrics_of[i].name);
            ti_buf_add(out, b->data, b->len);
        }
    }
}

void ti_metrics_free(ti_metrics *metrics)
{
    for (size_t i = 0; i < TI_METRICS; i++) {
        ti_buf_free(&metrics->samples[i]);
    }
    ti_buf_free(&metrics->seen);
}

/* True the second time that it is called with the same zone of the same source. */
static bool is_repeated(ti_metrics *metrics, const ti_open_desk *d)
{
    char line[TI_ZONE_MAX * 2 + 4];
    const ti_buf *seen = &metrics->seen;
    snprintf(line, sizeof line, "\n%s:%s\n", d->source.kind->name, d->zone);
    if (seen->len > 0 && !seen->failed && strstr(seen->data, line)) {
        return true;
    }
    ti_buf_adds(&metrics->seen, line);
    return false;
}

/* One zone: what is now, and how far forecasts were off. */
static tern_status collect(ti_metrics *metrics, const ti_desk_args *args, const char *zone,
                           tern_err *err)
{
    ti_open_desk d;
    ti_skill skill = {0};
    ti_feed feed;
    TI_TRY(ti_desk_open(&d, args, zone, err));
    tern_status status = TERN_OK;
    if (!is_repeated(metrics, &d)) {
        status = ti_desk_now(&feed, &d.desk, d.zone, err);
        if (status == TERN_OK) {
            (void)ti_desk_skill(&skill, &d.desk, d.zone, NULL);
            status = ti_metrics_add(metrics, &feed, &skill, err);
        }
    }
    ti_desk_close(&d);
    return status;
}

/* The same, in its turn. */
static tern_status collect_in_turn(ti_metrics *metrics, const ti_desk_args *args,
                                   const char *zone, const ti_metrics_turn *turn, tern_err *err)
{
    if (!turn) {
        return collect(metrics, args, zone, err);
    }
    if (!turn->begin(turn->user)) {
        return ti_fail(err, TERN_CANCELLED, "grid", TI_NO_OFFSET,
                       "nobody waits for the answer");
    }
    tern_status status = collect(metrics, args, zone, err);
    turn->end(turn->user);
    return status;
}

tern_status ti_metrics_of(ti_buf *out, const ti_desk_args *desk, const ti_opt_list *zones,
                          const ti_metrics_turn *turn, tern_err *err)
{
    ti_metrics metrics = {0};
    size_t n = zones->n > 0 ? zones->n : 1, failed = 0, name;
    tern_status status = TERN_OK;
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        const char *zone = zones->n > 0 ? ti_location_zone(zones->items[i], &name) : NULL;
        status = collect_in_turn(&metrics, desk, zone, turn, err);
        bool others = status != TERN_NOMEM && status != TERN_CANCELLED;
        if (status != TERN_OK && others && ++failed < n) {
            ti_warn("%s", err->message);
            status = TERN_OK;
        }
    }
    if (status == TERN_OK) {
        ti_metrics_text(out, &metrics);
        status = out->failed ? ti_fail_nomem(err, "grid", out->len, "metrics") : TERN_OK;
    }
    ti_metrics_free(&metrics);
    return status;
}
