/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "carbon/stamp.h"
#include "carbon/units.h"
#include "cli/metering.h"
#include "cli/moment.h"
#include "cli/providers.h"

enum { BILLION_M = 1000, NEAR_PERCENT = 25, PERCENT = 100, MICRO = 1000000 };

const char *ti_tier_name(ti_tier tier)
{
    static const char *const names[] = {"-", "gold", "silver", "bronze"};
    return names[tier];
}

ti_tier ti_tier_of(uint64_t value, uint64_t best)
{
    if (best == 0) {
        return TI_TIER_NONE;
    }
    uint64_t times = value / best + (value % best > 0);
    return times <= TI_GOLD_TIMES     ? TI_TIER_GOLD
           : times <= TI_SILVER_TIMES ? TI_TIER_SILVER
                                      : TI_TIER_BRONZE;
}

bool ti_is_near(double params_b, const ti_ranking *r)
{
    double off = r->total_b * NEAR_PERCENT / PERCENT;
    return params_b >= r->total_b - off && params_b <= r->total_b + off;
}

static void add_str(ti_buf *out, ti_str text)
{
    ti_buf_add(out, text.data, text.len);
}

static void add_padded(ti_buf *out, const char *text, size_t width)
{
    ti_buf_addf(out, "%-*s  ", (int)width, text);
}

/* --- words -------------------------------------------------------------------------------- */

static void name_of(char *out, size_t cap, const ti_provider_row *row)
{
    const ti_provider *p = row->provider;
    if (!p) {
        snprintf(out, cap, "this machine");
        return;
    }
    snprintf(out, cap, "%.*s%s%.*s", (int)p->name.len, p->name.data, p->region.len ? " " : "",
             (int)p->region.len, p->region.data);
}

static void pue_text(char *out, size_t cap, const ti_provider_row *row)
{
    const ti_provider *p = row->provider;
    if (!p) {
        snprintf(out, cap, "1");
    } else if (!p->pue.source) {
        snprintf(out, cap, "unknown");
    } else if (row->pue_low == row->pue_high) {
        snprintf(out, cap, "%u.%02u", row->pue_low / 1000, row->pue_low % 1000 / 10);
    } else {
        snprintf(out, cap, "%u.%02u-%u.%02u", row->pue_low / 1000, row->pue_low % 1000 / 10,
                 row->pue_high / 1000, row->pue_high % 1000 / 10);
    }
}

static void add_row(ti_buf *out, const ti_provider_row *row, size_t rank)
{
    char name[64], mid[TI_AMOUNT_TEXT], low[TI_AMOUNT_TEXT], range[80], pue[32];
    bool has_range = row->ranked || row->provider || row->other_size;
    name_of(name, sizeof name, row);
    pue_text(pue, sizeof pue, row);
    if (row->ranked) {
        ti_buf_addf(out, "%2zu  ", rank);
    } else {
        ti_buf_adds(out, " -  ");
    }
    add_padded(out, ti_tier_name(row->tier), 6);
    add_padded(out, name, 21);
    add_padded(out,
               row->ranked || row->other_size ? ti_grams_text(mid, row->mid_ug) : "unknown", 8);
    snprintf(range, sizeof range, "not measured");
    if (has_range) {
        ti_grams_text(mid, row->high_ug);
        snprintf(range, sizeof range, "%s .. %s", ti_grams_text(low, row->low_ug), mid);
    }
    add_padded(out, range, 20);
    add_padded(out, pue, 9);
    ti_add_zone(out, row->zone);
    if (row->other_size) {
        ti_buf_adds(out, "; a model of another size");
    }
    ti_buf_addc(out, '\n');
}

static void add_local(ti_buf *out, const ti_local *l)
{
    char joules[TI_AMOUNT_TEXT];
    if (!l->measured) {
        ti_buf_adds(out,
                    "this machine  not measured: --local MODEL runs one and measures it\n");
        return;
    }
    ti_buf_addf(out, "this machine  %s (%.3g billion), %u tokens, %s for 1000: ", l->model,
                (double)l->n_params / 1e9, (unsigned)l->n_tokens,
                ti_joules_text(joules, l->uj_per_tokens));
    if (l->figure.evidence == TI_EVIDENCE_MODELLED) {
        ti_buf_addf(out, "modelled +-%u %%", l->figure.error_permille / 10);
    } else {
        ti_buf_adds(out, "measured");
    }
    ti_buf_addf(out, " (%s); nothing of its making, nor its power supply's losses\n",
                l->figure.meter);
}

static void add_head(ti_buf *out, const ti_ranking *r)
{
    char hour[TI_MOMENT_TEXT];
    ti_buf_addf(out, "model         %.4g", r->active_b);
    if (r->total_b > r->active_b) {
        ti_buf_addf(out, " of %.4g", r->total_b);
    }
    ti_buf_addf(out, " billion parameters, grams CO2e for %d tokens of the answer\n",
                TI_PER_TOKENS);
    ti_buf_addf(out, "hour          %s\n", ti_moment_text(hour, r->hour_s, r->now_s));
}

/* --- prices ------------------------------------------------------------------------------- */

/* 3.6, 0.0104: no more digits than are told, two where there are fewer. */
static void price_text(char *out, size_t cap, uint64_t micro)
{
    snprintf(out, cap, "%llu.%06llu", (unsigned long long)(micro / MICRO),
             (unsigned long long)(micro % MICRO));
    for (size_t n = strlen(out); out[n - 1] == '0' && out[n - 3] != '.'; n--) {
        out[n - 1] = '\0';
    }
}

static void add_price(ti_buf *out, const ti_provider_row *row, const ti_provider_price *price)
{
    char text[64], in[32], sum[72];
    name_of(text, sizeof text, row);
    ti_buf_adds(out, "  ");
    add_padded(out, text, 16);
    snprintf(text, sizeof text, "%.*s", (int)price->of.len, price->of.data);
    add_padded(out, text, 21);
    price_text(in, sizeof in, price->in_micro);
    snprintf(sum, sizeof sum, "%s", in);
    if (price->by_tokens) {
        price_text(text, sizeof text, price->out_micro);
        snprintf(sum, sizeof sum, "%s in, %s out", in, text);
    }
    add_padded(out, sum, 17);
    snprintf(text, sizeof text, "%.*s for %s %.*s", (int)price->currency.len,
             price->currency.data, *price->per.data == 'h' ? "an" : "a", (int)price->per.len,
             price->per.data);
    add_padded(out, text, 24);
    add_str(out, price->basis);
    ti_buf_addc(out, '\n');
}

static void add_prices(ti_buf *out, const ti_ranking *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->catalogue->n_providers; i++) {
        n += r->catalogue->providers[i].n_prices;
    }
    ti_buf_addf(out, "\nprices        unknown%s\n",
                n > 0 ? ", but for these, as their pages have them" : "");
    for (size_t i = 0; i < r->n; i++) {
        const ti_provider *p = r->rows[i].provider;
        for (size_t k = 0; p && k < p->n_prices; k++) {
            add_price(out, &r->rows[i], &p->prices[k]);
        }
    }
}

void ti_providers_text(ti_buf *out, const ti_ranking *r)
{
    add_head(out, r);
    ti_buf_addf(out,
                "estimate      %s for those elsewhere: the middle, and a range of %d "
                "times each way\n",
                TI_REMOTE_METHOD, TI_REMOTE_RANGE);
    add_local(out, &r->local);
    ti_buf_addf(out, "unknown PUE   from 1 to %u.%02u, the world's mean (",
                r->catalogue->unknown_pue.high_milli / 1000,
                r->catalogue->unknown_pue.high_milli % 1000 / 10);
    add_str(out, r->catalogue->unknown_pue.source->title);
    ti_buf_adds(out, ")\n\n");
    ti_buf_adds(out, " #  ");
    add_padded(out, "tier", 6);
    add_padded(out, "who", 21);
    add_padded(out, "grams", 8);
    add_padded(out, "range", 20);
    add_padded(out, "PUE", 9);
    ti_buf_adds(out, "grid\n");
    for (size_t i = 0; i < r->n; i++) {
        add_row(out, &r->rows[i], i + 1);
    }
    add_prices(out, r);
    ti_buf_adds(
        out, "\nsources       --json has the source of every figure, with its address, and its "
             "date as far as it is known\n");
}

/* --- hardware ----------------------------------------------------------------------------- */

static bool is_near(const ti_provider_hardware *h, const ti_ranking *r)
{
    return h->params_m > 0 && ti_is_near((double)h->params_m / BILLION_M, r);
}

static uint64_t best_hardware(const ti_ranking *r)
{
    uint64_t best = 0;
    for (size_t i = 0; i < r->catalogue->n_hardware; i++) {
        const ti_provider_hardware *h = &r->catalogue->hardware[i];
        if (h->known && is_near(h, r) && (best == 0 || h->energy_uj < best)) {
            best = h->energy_uj;
        }
    }
    return best;
}

ti_tier ti_tier_of_hardware(const ti_provider_hardware *h, const ti_ranking *r)
{
    return h->known && is_near(h, r) ? ti_tier_of(h->energy_uj, best_hardware(r))
                                     : TI_TIER_NONE;
}

static void add_hardware(ti_buf *out, const ti_provider_hardware *h, const ti_ranking *r)
{
    char text[128], joules[TI_AMOUNT_TEXT];
    add_padded(out, ti_tier_name(ti_tier_of_hardware(h, r)), 6);
    snprintf(text, sizeof text, "%.*s", (int)h->name.len, h->name.data);
    add_padded(out, text, 20);
    snprintf(text, sizeof text, "%.*s", (int)h->model.len, h->model.data);
    add_padded(out, h->model.len ? text : "-", 17);
    snprintf(text, sizeof text, "%u", (unsigned)h->streams);
    add_padded(out, h->streams ? text : "-", 7);
    add_padded(out, h->known ? ti_joules_text(joules, h->energy_uj) : "unknown", 8);
    snprintf(text, sizeof text, "%.*s", (int)h->covers.len, h->covers.data);
    add_padded(out, h->known ? text : "-", 7);
    add_str(out, h->evidence);
    if (h->note.len > 0) {
        ti_buf_adds(out, ": ");
        add_str(out, h->note);
    }
    ti_buf_addc(out, '\n');
}

void ti_hardware_text(ti_buf *out, const ti_ranking *r)
{
    ti_buf_addf(out,
                "Joules for a token of the answer, as others have read them.  Tiers are "
                "among models of %.4g billion\nparameters, a quarter more or less; "
                "streams are requests at once, which matter most.\n\n",
                r->total_b);
    add_padded(out, "tier", 6);
    add_padded(out, "hardware", 20);
    add_padded(out, "model", 17);
    add_padded(out, "streams", 7);
    add_padded(out, "joules", 8);
    add_padded(out, "covers", 7);
    ti_buf_adds(out, "evidence\n");
    for (size_t i = 0; i < r->catalogue->n_hardware; i++) {
        add_hardware(out, &r->catalogue->hardware[i], r);
    }
}
