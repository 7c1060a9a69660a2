/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/decision.h"

#include <inttypes.h>
#include <string.h>

#include "carbon/stamp.h"
#include "carbon/units.h"
#include "cli/grid_show.h"
#include "cli/moment.h"

enum { PERMILLE_PER_PERCENT = 10, PERCENT = 100, NEARLY_SURE = 990 };

static const char *const names[TI_WHY_CODES] = {
    "now-is-best", "later",   "zone", "under-error", "error-unknown", "no-slack", "too-late",
    "not-known",   "horizon", "gap",  "spread",      "slices",        "coarse",
};

const char *ti_why_name(ti_why_code code)
{
    return (unsigned)code < TI_WHY_CODES ? names[code] : "unknown";
}

/* Emissions at the job's power, of micrograms for each kW. */
static uint64_t at_power(const ti_decided *d, uint64_t ug_per_kw)
{
    uint64_t ug = 0;
    const uint64_t uw_per_kw = UINT64_C(1000000000);
    /* What does not fit is more than 10^13 g: the power has a limit far below that. */
    (void)ti_ratio_u64(&ug, (const uint64_t[]){ug_per_kw, d->power_uw}, 2, &uw_per_kw, 1);
    return ug;
}

static bool all_yearly(const ti_decided *d)
{
    bool yearly = true;
    for (size_t i = 0; i < d->n_feeds; i++) {
        yearly &= d->feeds[i].how == TI_HOW_YEARLY;
    }
    return yearly;
}

/* --- words -------------------------------------------------------------------------------- */

static void why_now(ti_buf *out, const ti_decided *d)
{
    const ti_feed *home = &d->feeds[0];
    if (all_yearly(d) && home->year > 0) {
        ti_buf_addf(out,
                    "nothing is known of hours, only the mean of the year %u, which is the "
                    "same at each of them: do not wait",
                    (unsigned)home->year);
    } else if (all_yearly(d)) {
        ti_buf_adds(out, "nothing is known of hours, only a yearly mean: do not wait");
    } else {
        ti_buf_addf(out, "no other start%s is expected to be cleaner",
                    d->n_feeds > 1 ? " or zone" : "");
    }
}

static void why_not_known(ti_buf *out, const ti_decided *d, const ti_why *why)
{
    char until[TI_MOMENT_TEXT], needed[TI_MOMENT_TEXT];
    if (why->a <= d->job->earliest_s) {
        ti_buf_addf(out, "nothing is known of %s then: do not wait", d->feeds[0].series.zone);
    } else {
        ti_buf_addf(out,
                    "%s is known until %s only, and the job needs it until %s: do not wait",
                    d->feeds[0].series.zone, ti_moment_short(until, why->a, d->now_s),
                    ti_moment_short(needed, why->b, d->now_s));
    }
}

static void why_under_error(ti_buf *out, const ti_decided *d, const ti_why *why)
{
    char gain[TI_GRAMS_TEXT], needed[TI_GRAMS_TEXT];
    bool known = d->decision->error_mg_kwh != TI_ERROR_UNKNOWN;
    ti_buf_addf(out,
                "waiting would gain %s, but %s that less than %s cannot be told from nothing "
                "(at %u %% confidence): do not wait",
                ti_show_grams(gain, (uint32_t)why->a),
                known ? "forecasts are so far off" : "these forecasts may be so far off",
                ti_show_grams(needed, (uint32_t)why->b),
                (unsigned)(d->job->confidence_permille / PERMILLE_PER_PERCENT));
}

static void why_error_unknown(ti_buf *out, const ti_decided *d, const ti_why *why)
{
    char needed[TI_GRAMS_TEXT];
    if (all_yearly(d)) {
        ti_buf_adds(out, "only means of a year are known");
        return;
    }
    ti_buf_addf(out,
                "how far these forecasts are off is not known: taken as %d %%, so that a gain "
                "of %s or more counts",
                TI_ASSUMED_PERCENT, ti_show_grams(needed, (uint32_t)why->b));
}

void ti_add_why(ti_buf *out, const ti_decided *d, const ti_why *why)
{
    char a[TI_MOMENT_TEXT], b[TI_MOMENT_TEXT], grams[TI_AMOUNT_TEXT], length[TI_LENGTH_TEXT];
    switch (why->code) {
    case TI_WHY_NOW_IS_BEST:
        why_now(out, d);
        break;
    case TI_WHY_LATER:
        ti_buf_addf(out, "waiting %s saves %s for each kW", ti_length_text(length, why->b),
                    ti_grams_text(grams, why->a > 0 ? (uint64_t)why->a : 0));
        break;
    case TI_WHY_ZONE:
        ti_buf_addf(out, "%s is expected to be cleaner than %s",
                    d->feeds[d->decision->zone].series.zone, d->feeds[0].series.zone);
        break;
    case TI_WHY_UNDER_ERROR:
        why_under_error(out, d, why);
        break;
    case TI_WHY_ERROR_UNKNOWN:
        why_error_unknown(out, d, why);
        break;
    case TI_WHY_NO_SLACK:
        ti_buf_adds(out, "the deadline leaves no other start");
        break;
    case TI_WHY_TOO_LATE:
        ti_buf_addf(out, "the deadline cannot be kept: it may end %s after it",
                    ti_length_text(length, why->a));
        break;
    case TI_WHY_NOT_COVERED:
        why_not_known(out, d, why);
        break;
    case TI_WHY_HORIZON:
        ti_buf_addf(out, "nothing is known after %s: planned until then",
                    ti_moment_short(a, why->a, d->now_s));
        break;
    case TI_WHY_GAP:
        ti_buf_addf(out, "what is known has gaps between %s and %s, which were stepped over",
                    ti_moment_short(a, why->a, d->now_s), ti_moment_short(b, why->b, d->now_s));
        break;
    case TI_WHY_SPREAD:
        ti_buf_addf(out,
                    "%s %s than the best start, which is within %u %%: its number "
                    "spreads jobs",
                    ti_length_text(length, why->a < 0 ? -why->a : why->a),
                    why->a < 0 ? "earlier" : "later",
                    (unsigned)(d->job->band_permille / PERMILLE_PER_PERCENT));
        break;
    case TI_WHY_SLICES:
        ti_buf_addf(out, "%" PRId64 " pieces are cleaner than one", why->a);
        if (why->b > 0) {
            ti_buf_addf(out, ", with %s more for interruptions",
                        ti_length_text(length, why->b));
        }
        break;
    case TI_WHY_COARSE:
        ti_buf_addf(out, "pieces were looked for in steps of %s",
                    ti_length_text(length, why->a));
        break;
    case TI_WHY_CODES:
        break;
    }
}

/* Adds a text behind `label`, wrapped between words. */
static void add_wrapped(ti_buf *out, const char *label, const char *text)
{
    enum { INDENT = 11, WIDTH = 88 };
    ti_buf_addf(out, "%-10s", label);
    for (size_t column = INDENT - 1; *text;) {
        size_t word = strcspn(text, " ");
        if (column + 1 + word > WIDTH) {
            ti_buf_addf(out, "\n%*s", INDENT - 1, "");
            column = INDENT - 1;
        }
        ti_buf_addc(out, ' ');
        ti_buf_add(out, text, word);
        column += 1 + word;
        text += word + strspn(text + word, " ");
    }
    ti_buf_addc(out, '\n');
}

/* Reasons that say how much is known; the others say what was decided, and stand first. */
static bool is_about_knowing(ti_why_code code)
{
    return code == TI_WHY_ERROR_UNKNOWN || code == TI_WHY_HORIZON || code == TI_WHY_GAP ||
           code == TI_WHY_COARSE;
}

static void add_whys(ti_buf *out, const ti_decided *d)
{
    const char *label = "because";
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < d->decision->n_whys; i++) {
            const ti_why *why = &d->decision->whys[i];
            ti_buf text = {0};
            if (is_about_knowing(why->code) != (pass == 1)) {
                continue;
            }
            ti_add_why(&text, d, why);
            add_wrapped(out, label, text.data ? text.data : "");
            out->failed |= text.failed;
            ti_buf_free(&text);
            label = "";
        }
    }
}

static void add_start(ti_buf *out, const ti_decided *d)
{
    char start[TI_MOMENT_TEXT], end[TI_MOMENT_TEXT], in[TI_LENGTH_TEXT];
    const ti_decision *c = d->decision;
    ti_moment_text(start, c->start_s, d->now_s);
    ti_moment_short(end, c->end_s, c->start_s);
    if (c->start_s <= d->now_s) {
        ti_buf_addf(out, "start      now, %s; ", start);
    } else {
        ti_buf_addf(out, "start      %s, in %s; ", start,
                    ti_length_text(in, c->start_s - d->now_s));
    }
    ti_buf_addf(out, "ends %s%s\n", end, d->job->n_durations > 1 ? " at the latest" : "");
    for (size_t i = 0; c->n_slices > 1 && i < c->n_slices; i++) {
        const ti_slice *s = &c->slices[i];
        ti_buf_addf(out, "%-10s %s to ", i == 0 ? "run" : "",
                    ti_moment_short(start, s->start_s, d->now_s));
        ti_buf_addf(out, "%s\n", ti_moment_short(end, s->start_s + s->length_s, s->start_s));
    }
    ti_buf_addf(out, "zone       %s\n", d->feeds[c->zone].series.zone);
}

static void add_expected(ti_buf *out, const ti_decided *d)
{
    char then[TI_GRAMS_TEXT], now[TI_GRAMS_TEXT];
    const ti_decision *c = d->decision;
    if (!c->has_now) {
        ti_buf_adds(out, "expected   not known\n");
        return;
    }
    ti_buf_addf(out, "expected   %s", ti_show_grams(then, c->cost.mean_mg_kwh));
    if (c->wait) {
        uint64_t saved = (uint64_t)c->gain_ug_per_kw;
        uint64_t all = c->now.co2_ug_per_kw > 0 ? c->now.co2_ug_per_kw : 1;
        ti_buf_addf(out, "; %s%s%s it would be %s: %u %% less CO2e",
                    d->job->earliest_s > d->now_s ? "at the earliest" : "now",
                    c->zone != 0 ? " in " : "", c->zone != 0 ? d->feeds[0].series.zone : "",
                    ti_show_grams(now, c->now.mean_mg_kwh),
                    (unsigned)((saved * PERCENT + all / 2) / all));
    }
    ti_buf_addc(out, '\n');
    if (d->power_uw > 0) {
        char grams[TI_AMOUNT_TEXT];
        ti_buf_addf(out, "carbon     %s CO2e",
                    ti_grams_text(grams, at_power(d, c->cost.co2_ug_per_kw)));
        if (c->wait) {
            ti_buf_addf(out, " instead of %s",
                        ti_grams_text(grams, at_power(d, c->now.co2_ug_per_kw)));
        }
        ti_buf_addc(out, '\n');
    }
}

void ti_add_decision(ti_buf *out, const ti_decided *d)
{
    char gain[TI_GRAMS_TEXT], error[TI_GRAMS_TEXT];
    const ti_decision *c = d->decision;
    add_start(out, d);
    add_expected(out, d);
    if (c->wait && c->error_mg_kwh == TI_ERROR_UNKNOWN) {
        ti_buf_adds(out, "sure       not known\n");
    } else if (c->wait) {
        uint32_t less = c->now.mean_mg_kwh > c->cost.mean_mg_kwh
                            ? c->now.mean_mg_kwh - c->cost.mean_mg_kwh
                            : 0;
        bool nearly = c->confidence_permille >= NEARLY_SURE;
        ti_buf_addf(
            out, "sure       %s%u %% that it is cleaner: %s less, give or take %s\n",
            nearly ? "over " : "",
            (unsigned)((nearly ? NEARLY_SURE : c->confidence_permille) / PERMILLE_PER_PERCENT),
            ti_show_grams(gain, less), ti_show_grams(error, c->error_mg_kwh));
    }
    add_whys(out, d);
}

/* --- JSON --------------------------------------------------------------------------------- */

static void json_time(ti_buf *json, const char *key, int64_t time_s)
{
    char text[TI_STAMP_TEXT];
    ti_json_str(json, key, ti_stamp_text(text, time_s));
}

static void json_cost(ti_buf *json, const char *key, const ti_plan_cost *cost)
{
    ti_json_open(json, key, '{');
    ti_json_uint(json, "mean_mg_kwh", cost->mean_mg_kwh);
    ti_json_uint(json, "co2_ug_per_kw", cost->co2_ug_per_kw);
    ti_json_close(json, '}');
}

static void json_reasons(ti_buf *json, const ti_decided *d)
{
    ti_json_open(json, "reasons", '[');
    for (uint32_t i = 0; i < d->decision->n_whys; i++) {
        const ti_why *why = &d->decision->whys[i];
        ti_buf text = {0};
        ti_add_why(&text, d, why);
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "code", ti_why_name(why->code));
        ti_json_int(json, "a", why->a);
        ti_json_int(json, "b", why->b);
        ti_json_str(json, "text", text.data ? text.data : "");
        ti_json_close(json, '}');
        json->failed |= text.failed;
        ti_buf_free(&text);
    }
    ti_json_close(json, ']');
}

void ti_json_decision(ti_buf *json, const char *key, const ti_decided *d)
{
    const ti_decision *c = d->decision;
    ti_json_open(json, key, '{');
    ti_json_bool(json, "wait", c->wait);
    ti_json_str(json, "zone", d->feeds[c->zone].series.zone);
    json_time(json, "start", c->start_s);
    json_time(json, "end", c->end_s);
    ti_json_open(json, "slices", '[');
    for (size_t i = 0; i < c->n_slices; i++) {
        ti_json_open(json, NULL, '{');
        json_time(json, "start", c->slices[i].start_s);
        ti_json_uint(json, "length_s", c->slices[i].length_s);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
    if (c->has_now) {
        json_cost(json, "cost", &c->cost);
        json_cost(json, "now", &c->now);
        ti_json_int(json, "gain_ug_per_kw", c->gain_ug_per_kw);
    }
    if (c->has_now && d->power_uw > 0) {
        uint64_t cost = at_power(d, c->cost.co2_ug_per_kw);
        uint64_t now = at_power(d, c->now.co2_ug_per_kw);
        ti_json_uint(json, "co2_ug", cost);
        ti_json_uint(json, "now_co2_ug", now);
        ti_json_int(json, "saved_ug", (int64_t)now - (int64_t)cost);
    }
    if (c->error_mg_kwh != TI_ERROR_UNKNOWN) {
        ti_json_uint(json, "error_mg_kwh", c->error_mg_kwh);
        ti_json_uint(json, "confidence_permille", c->confidence_permille);
    }
    json_reasons(json, d);
    ti_json_close(json, '}');
}

void ti_json_job(ti_buf *json, const char *key, const ti_decided *d)
{
    const ti_plan_job *job = d->job;
    ti_json_open(json, key, '{');
    ti_json_uint(json, "id", job->id);
    json_time(json, "earliest", job->earliest_s);
    json_time(json, "deadline", job->deadline_s);
    ti_json_open(json, "durations", '[');
    for (uint32_t i = 0; i < job->n_durations; i++) {
        ti_json_open(json, NULL, '{');
        ti_json_uint(json, "duration_s", job->durations[i].duration_s);
        ti_json_uint(json, "weight", job->durations[i].weight);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
    ti_json_bool(json, "interruptible", job->interruptible);
    ti_json_uint(json, "min_slice_s", job->min_slice_s);
    ti_json_uint(json, "overhead_s", job->overhead_s);
    ti_json_uint(json, "band_permille", job->band_permille);
    ti_json_uint(json, "confidence_permille", job->confidence_permille);
    if (d->power_uw > 0) {
        ti_json_uint(json, "power_uw", d->power_uw);
    }
    ti_json_close(json, '}');
}
