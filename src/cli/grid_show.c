/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/grid_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/source.h"
#include "carbon/stamp.h"

enum { MG_PER_G = 1000, MINUTE_S = 60 };

const char *ti_show_grams(char out[TI_GRAMS_TEXT], uint32_t mg)
{
    if (mg < 100 * MG_PER_G) {
        uint32_t tenths = (mg + 50) / 100;
        snprintf(out, TI_GRAMS_TEXT, "%u.%u g/kWh", (unsigned)(tenths / 10),
                 (unsigned)(tenths % 10));
    } else {
        snprintf(out, TI_GRAMS_TEXT, "%u g/kWh", (unsigned)((mg + 500) / MG_PER_G));
    }
    return out;
}

void ti_show_age(ti_buf *out, int64_t age_s)
{
    age_s = age_s < 0 ? 0 : age_s;
    if (age_s < 2 * TI_HOUR_S) {
        ti_buf_addf(out, "%" PRId64 " min", age_s / MINUTE_S);
    } else if (age_s < 2 * TI_DAY_S) {
        ti_buf_addf(out, "%" PRId64 " h", age_s / TI_HOUR_S);
    } else {
        ti_buf_addf(out, "%" PRId64 " days", age_s / TI_DAY_S);
    }
}

void ti_show_origin(ti_buf *out, const ti_feed *feed, int64_t now_s)
{
    char basis[TI_BASIS_TEXT];
    ti_buf_addf(out, "basis      %s\n", ti_basis_text(basis, feed->series.basis));
    ti_buf_addf(out, "from       %s", feed->series.source);
    bool is_file = strcmp(feed->series.source, ti_source_file.name) == 0;
    if (is_file && feed->place[0]) {
        ti_buf_addf(out, " %s", feed->place);
    }
    if (feed->how != TI_HOW_YEARLY && !(is_file && feed->how == TI_HOW_LIVE)) {
        ti_buf_addf(out, ", %s", ti_how_text(feed->how));
    }
    if (feed->how == TI_HOW_CACHE) {
        ti_buf_adds(out, ", ");
        ti_show_age(out, now_s - feed->obtained_s);
        ti_buf_adds(out, " old");
    }
    if (feed->year) {
        ti_buf_addf(out, ", year %u", (unsigned)feed->year);
    }
    if (feed->n_estimated) {
        ti_buf_adds(out, ", estimated by the source");
    }
    if (feed->licence[0] && !is_file) {
        ti_buf_addf(out, " (%s)", feed->licence);
    }
    ti_buf_addc(out, '\n');
    if (feed->n_none || feed->n_refused) {
        ti_buf_addf(out, "left out   %zu without a value, %zu that cannot be true\n",
                    feed->n_none, feed->n_refused);
    }
    if (feed->why[0]) {
        ti_buf_addf(out, "why        %s\n", feed->why);
    }
}

void ti_show_skill(ti_buf *out, const ti_skill *skill)
{
    char mae[TI_GRAMS_TEXT], most[TI_GRAMS_TEXT];
    if (skill->all.n < TI_SKILL_ENOUGH) {
        ti_buf_adds(out, "error      not known yet: it is learnt as forecasts come true\n");
        return;
    }
    ti_buf_addf(out, "error      %s on average, nine of ten within %s",
                ti_show_grams(mae, skill->all.mae_mg), ti_show_grams(most, skill->all.p90_mg));
    ti_buf_addf(out, " (%zu forecasts, %zu values)\n", skill->n_forecasts, skill->all.n);
}

static void json_time(ti_buf *json, const char *key, int64_t time_s)
{
    char text[TI_STAMP_TEXT];
    ti_json_str(json, key, ti_stamp_text(text, time_s));
}

static void json_slot(ti_buf *json, const ti_slot *slot)
{
    static const char *const kinds[] = {"actual", "forecast", "derived"};
    ti_json_open(json, NULL, '{');
    json_time(json, "start", slot->start_s);
    json_time(json, "end", slot->start_s + slot->length_s);
    ti_json_str(json, "kind", kinds[slot->kind]);
    ti_json_uint(json, "intensity_mg_kwh", slot->intensity_mg_kwh);
    if (slot->error_mg_kwh != TI_ERROR_UNKNOWN) {
        ti_json_uint(json, "error_mg_kwh", slot->error_mg_kwh);
    }
    ti_json_close(json, '}');
}

void ti_json_feed(ti_buf *json, const char *key, const ti_feed *feed)
{
    char basis[TI_BASIS_TEXT];
    ti_json_open(json, key, '{');
    ti_json_str(json, "zone", feed->series.zone);
    ti_json_str(json, "source", feed->series.source);
    ti_json_str(json, "basis", ti_basis_text(basis, feed->series.basis));
    ti_json_str(json, "how", ti_how_text(feed->how));
    if (feed->why[0]) {
        ti_json_str(json, "why", feed->why);
    }
    if (feed->place[0]) {
        ti_json_str(json, "place", feed->place);
    }
    ti_json_str(json, "licence", feed->licence);
    json_time(json, "obtained", feed->obtained_s);
    json_time(json, "issued", feed->series.issued_s);
    if (feed->year) {
        ti_json_uint(json, "year", feed->year);
    }
    ti_json_uint(json, "estimated", feed->n_estimated);
    ti_json_uint(json, "none", feed->n_none);
    ti_json_uint(json, "refused", feed->n_refused);
    ti_json_open(json, "slots", '[');
    for (size_t i = 0; i < feed->series.n; i++) {
        json_slot(json, &feed->slots[i]);
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}

static void json_row(ti_buf *json, const ti_skill_row *row)
{
    ti_json_uint(json, "pairs", row->n);
    ti_json_int(json, "bias_mg_kwh", row->bias_mg);
    ti_json_uint(json, "mae_mg_kwh", row->mae_mg);
    ti_json_uint(json, "p50_mg_kwh", row->p50_mg);
    ti_json_uint(json, "p68_mg_kwh", row->p68_mg);
    ti_json_uint(json, "p90_mg_kwh", row->p90_mg);
}

void ti_json_skill(ti_buf *json, const char *key, const ti_skill *skill)
{
    ti_json_open(json, key, '{');
    ti_json_uint(json, "forecasts", skill->n_forecasts);
    json_row(json, &skill->all);
    ti_json_open(json, "leads", '[');
    for (size_t i = 0; i < TI_SKILL_LEADS; i++) {
        const ti_skill_row *row = &skill->leads[i];
        if (row->n == 0) {
            continue;
        }
        ti_json_open(json, NULL, '{');
        ti_json_int(json, "from_s", row->from_s);
        ti_json_int(json, "to_s", row->to_s);
        json_row(json, row);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}

void ti_json_grid(ti_buf *json, const char *kind, int64_t now_s)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "schema", "tern.grid/1");
    ti_json_str(json, "kind", kind);
    json_time(json, "now", now_s);
}
