/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/footprint.h"

#include <stdio.h>
#include <string.h>

#include "carbon/units.h"

static void keep(char out[TI_GRID_FIELD_MAX + 1], ti_str text)
{
    TI_ASSERT(text.len <= TI_GRID_FIELD_MAX);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
}

tern_status ti_footprint_of(ti_footprint *out, uint64_t energy_uj, const ti_grid_row *row,
                            uint32_t pue_permille, tern_err *err)
{
    ti_carbon carbon;
    TI_TRY(ti_carbon_of(&carbon, energy_uj, &row->intensity, pue_permille, err));
    *out = (ti_footprint){.energy_uj = energy_uj,
                          .pue_permille = pue_permille,
                          .co2_ug = carbon.co2_ug,
                          .intensity_mg_kwh = row->intensity.intensity_mg_kwh,
                          .basis = carbon.basis,
                          .year = row->year};
    keep(out->zone, row->zone);
    keep(out->source, row->source);
    return TERN_OK;
}

ti_carbon ti_footprint_carbon(const ti_footprint *f)
{
    return (ti_carbon){.co2_ug = f->co2_ug, .basis = f->basis};
}

const char *ti_footprint_text(char out[TI_FOOTPRINT_TEXT], const ti_footprint *f)
{
    char grams[TI_AMOUNT_TEXT];
    snprintf(out, TI_FOOTPRINT_TEXT, "%s CO2e (%s, yearly %u, %s%s%s)",
             ti_grams_text(grams, f->co2_ug), f->zone, (unsigned)f->year,
             f->basis.scope == TI_LIFE_CYCLE ? "life-cycle" : "operational",
             f->basis.kind == TI_MARGINAL ? ", marginal" : "",
             f->basis.method == TI_MARKET ? ", market-based" : "");
    return out;
}

void ti_json_footprint(ti_buf *json, const char *key, const ti_footprint *f)
{
    char basis[TI_BASIS_TEXT];
    ti_json_open(json, key, '{');
    ti_json_uint(json, "co2_ug", f->co2_ug);
    ti_json_uint(json, "energy_uj", f->energy_uj);
    ti_json_uint(json, "pue_permille", f->pue_permille);
    ti_json_str(json, "zone", f->zone);
    ti_json_uint(json, "intensity_mg_kwh", f->intensity_mg_kwh);
    ti_json_str(json, "basis", ti_basis_text(basis, f->basis));
    ti_json_str(json, "period", "yearly");
    ti_json_uint(json, "year", f->year);
    ti_json_str(json, "source", f->source);
    ti_json_close(json, '}');
}
