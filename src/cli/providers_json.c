/* SPDX-License-Identifier: Apache-2.0 */
/* The ranking as one JSON document: every figure with its source, null where nobody has
 * published one. */
#include <math.h>

#include "carbon/stamp.h"
#include "cli/metering.h"
#include "cli/moment.h"
#include "cli/providers.h"

/* What nobody has published. */
static void json_unknown(ti_buf *json, const char *key)
{
    ti_json_num(json, key, (double)NAN, 1); /* null */
}

static void json_source(ti_buf *json, const char *key, const ti_provider_source *s)
{
    if (!s) {
        json_unknown(json, key);
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
        json_unknown(json, key);
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

static void json_prices(ti_buf *json, const ti_provider *p)
{
    if (p->n_prices == 0) {
        json_unknown(json, "price");
        return;
    }
    ti_json_open(json, "price", '[');
    for (size_t i = 0; i < p->n_prices; i++) {
        const ti_provider_price *m = &p->prices[i];
        ti_json_open(json, NULL, '{');
        ti_json_strn(json, "of", m->of.data, m->of.len);
        ti_json_strn(json, "currency", m->currency.data, m->currency.len);
        ti_json_strn(json, "per", m->per.data, m->per.len);
        if (m->by_tokens) {
            ti_json_uint(json, "micro_in", m->in_micro);
            ti_json_uint(json, "micro_out", m->out_micro);
        } else {
            ti_json_uint(json, "micro", m->in_micro);
        }
        ti_json_strn(json, "basis", m->basis.data, m->basis.len);
        json_source(json, "source", m->source);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
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
    json_prices(json, p);
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
    } else {
        json_unknown(json, "energy_uj");
    }
    ti_json_str(json, "tier", ti_tier_name(ti_tier_of_hardware(h, r)));
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
