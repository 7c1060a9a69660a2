/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "carbon/stamp.h"
#include "carbon/units.h"
#include "cli/metering.h"
#include "cli/moment.h"
#include "cli/providers.h"

enum { BILLION_M = 1000, NEAR_PERCENT = 25, PERCENT = 100 };

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
    ti_buf_adds(
        out,
        "\nsources       --json has the source of every figure, with its address and date as "
        "far as they are known\n");
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

static ti_tier tier_of_hardware(const ti_provider_hardware *h, const ti_ranking *r)
{
    return h->known && is_near(h, r) ? ti_tier_of(h->energy_uj, best_hardware(r))
                                     : TI_TIER_NONE;
}

static void add_hardware(ti_buf *out, const ti_provider_hardware *h, const ti_ranking *r)
{
    char text[128], joules[TI_AMOUNT_TEXT];
    add_padded(out, ti_tier_name(tier_of_hardware(h, r)), 6);
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

/* --- JSON --------------------------------------------------------------------------------- */

static void json_source(ti_buf *json, const char *key, const ti_provider_source *s)
{
    if (!s) {
        return;
    }
    ti_json_open(json, key, '{');
    ti_json_strn(json, "title", s->title.data, s->title.len);
    ti_json_strn(json, "url", s->url.data, s->url.len);
    ti_json_strn(json, "date", s->date.data, s->date.len);
    ti_json_strn(json, "checked", s->checked.data, s->checked.len);
    ti_json_close(json, '}');
}

static void json_figure(ti_buf *json, const char *key, const ti_provider_figure *f)
{
    if (!f->source) {
        return;
    }
    ti_json_open(json, key, '{');
    ti_json_uint(json, "low_milli", f->low_milli);
    ti_json_uint(json, "high_milli", f->high_milli);
    if (f->kind.len > 0) {
        ti_json_strn(json, "kind", f->kind.data, f->kind.len);
    }
    json_source(json, "source", f->source);
    ti_json_close(json, '}');
}

static void json_zone(ti_buf *json, const ti_zone_now *z)
{
    char basis[TI_BASIS_TEXT];
    if (!z) {
        return;
    }
    ti_json_open(json, "grid", '{');
    ti_json_str(json, "zone", z->zone);
    if (z->known) {
        ti_json_uint(json, "intensity_mg_kwh", z->intensity.intensity_mg_kwh);
        ti_json_str(json, "basis", ti_basis_text(basis, z->intensity.basis));
        ti_json_str(json, "how", ti_how_text(z->how));
        ti_json_str(json, "source", z->source);
        if (z->year > 0) {
            ti_json_uint(json, "year", z->year);
        }
    } else {
        ti_json_str(json, "why", z->why);
    }
    ti_json_close(json, '}');
}

static void json_provider(ti_buf *json, const ti_provider *p)
{
    ti_json_strn(json, "name", p->name.data, p->name.len);
    ti_json_strn(json, "region", p->region.data, p->region.len);
    ti_json_strn(json, "api", p->api.data, p->api.len);
    ti_json_strn(json, "base_url", p->base_url.data, p->base_url.len);
    ti_json_strn(json, "note", p->note.data, p->note.len);
    json_source(json, "zone_source", p->zone_source);
    json_figure(json, "pue", &p->pue);
    json_figure(json, "wue_l_kwh", &p->wue);
    json_figure(json, "heat_reuse", &p->heat);
    json_figure(json, "renewable_market", &p->renewable);
    ti_json_open(json, "models", '[');
    for (size_t i = 0; i < p->n_models; i++) {
        const ti_provider_model *m = &p->models[i];
        ti_json_open(json, NULL, '{');
        ti_json_strn(json, "name", m->name.data, m->name.len);
        ti_json_uint(json, "micro_usd_in", m->in_micro_usd);
        ti_json_uint(json, "micro_usd_out", m->out_micro_usd);
        json_source(json, "source", m->source);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
}

static void json_local(ti_buf *json, const ti_local *l)
{
    ti_json_str(json, "name", "this machine");
    ti_json_bool(json, "measured", l->measured);
    if (l->measured) {
        ti_json_str(json, "model", l->model);
        ti_json_uint(json, "n_params", l->n_params);
        ti_json_uint(json, "n_tokens", l->n_tokens);
        ti_json_energy(json, "energy", &l->figure);
    }
}

static void json_row(ti_buf *json, const ti_provider_row *row, const ti_ranking *r)
{
    ti_json_open(json, NULL, '{');
    ti_json_bool(json, "ranked", row->ranked);
    ti_json_str(json, "tier", ti_tier_name(row->tier));
    if (row->ranked || row->provider || row->other_size) {
        ti_json_open(json, "co2_ug", '{');
        ti_json_uint(json, "low", row->low_ug);
        if (row->ranked || row->other_size) {
            ti_json_uint(json, "middle", row->mid_ug);
        }
        ti_json_uint(json, "high", row->high_ug);
        ti_json_close(json, '}');
    }
    json_zone(json, row->zone);
    if (row->provider) {
        json_provider(json, row->provider);
    } else {
        json_local(json, &r->local);
    }
    ti_json_close(json, '}');
}

static void json_hardware(ti_buf *json, const ti_provider_hardware *h, const ti_ranking *r)
{
    ti_json_open(json, NULL, '{');
    ti_json_strn(json, "name", h->name.data, h->name.len);
    ti_json_strn(json, "model", h->model.data, h->model.len);
    ti_json_uint(json, "params_millions", h->params_m);
    ti_json_uint(json, "streams", h->streams);
    if (h->known) {
        ti_json_uint(json, "energy_uj", h->energy_uj);
    }
    ti_json_str(json, "tier", ti_tier_name(tier_of_hardware(h, r)));
    ti_json_strn(json, "covers", h->covers.data, h->covers.len);
    ti_json_strn(json, "evidence", h->evidence.data, h->evidence.len);
    ti_json_strn(json, "note", h->note.data, h->note.len);
    json_source(json, "source", h->source);
    ti_json_close(json, '}');
}

void ti_providers_document(ti_buf *json, const ti_ranking *r)
{
    char hour[TI_STAMP_TEXT];
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "schema", "tern.providers-ranking/1");
    ti_json_str(json, "hour", ti_stamp_text(hour, r->hour_s));
    ti_json_num(json, "active_b", r->active_b, 6);
    ti_json_num(json, "total_b", r->total_b, 6);
    ti_json_uint(json, "tokens", TI_PER_TOKENS);
    ti_json_str(json, "method", TI_REMOTE_METHOD);
    ti_json_open(json, "energy_uj", '{');
    ti_json_uint(json, "low", r->remote.energy_low_uj);
    ti_json_uint(json, "formula", r->remote.energy_uj);
    ti_json_uint(json, "high", r->remote.energy_high_uj);
    ti_json_close(json, '}');
    json_figure(json, "unknown_pue", &r->catalogue->unknown_pue);
    ti_json_open(json, "providers", '[');
    for (size_t i = 0; i < r->n; i++) {
        json_row(json, &r->rows[i], r);
    }
    ti_json_close(json, ']');
    ti_json_open(json, "hardware", '[');
    for (size_t i = 0; i < r->catalogue->n_hardware; i++) {
        json_hardware(json, &r->catalogue->hardware[i], r);
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}
