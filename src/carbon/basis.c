/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/basis.h"

#include <stdio.h>
#include <string.h>

#include "carbon/units.h"

static const char *const kinds[] = {"average", "marginal"};
static const char *const scopes[] = {"life-cycle", "operational"};
static const char *const methods[] = {"location", "market"};

unsigned ti_basis_rank(ti_basis b)
{
    return (unsigned)b.kind * 4 + (unsigned)b.scope * 2 + (unsigned)b.method;
}

const char *ti_basis_text(char out[TI_BASIS_TEXT], ti_basis b)
{
    snprintf(out, TI_BASIS_TEXT, "%s/%s/%s", kinds[b.kind], scopes[b.scope], methods[b.method]);
    return out;
}

bool ti_basis_parse(ti_basis *out, const char *text, size_t len)
{
    for (unsigned i = 0; i < TI_BASES; i++) {
        char name[TI_BASIS_TEXT];
        ti_basis b = {.kind = i & 4 ? TI_MARGINAL : TI_AVERAGE,
                      .scope = i & 2 ? TI_OPERATIONAL : TI_LIFE_CYCLE,
                      .method = i & 1 ? TI_MARKET : TI_LOCATION};
        ti_basis_text(name, b);
        if (strlen(name) == len && memcmp(name, text, len) == 0) {
            *out = b;
            return true;
        }
    }
    return false;
}

static tern_status refuse(const char *done, ti_basis a, ti_basis b, tern_err *err)
{
    char x[TI_BASIS_TEXT], y[TI_BASIS_TEXT];
    return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                   "emissions on the basis %s and on the basis %s cannot be %s",
                   ti_basis_text(x, a), ti_basis_text(y, b), done);
}

tern_status ti_carbon_of(ti_carbon *out, uint64_t energy_uj, const ti_intensity *intensity,
                         uint32_t pue_permille, tern_err *err)
{
    uint64_t ug;
    if (pue_permille < TI_PERMILLE) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                       "a PUE of %u/1000: a building cannot use less than what is in it",
                       (unsigned)pue_permille);
    }
    if (intensity->intensity_mg_kwh > TI_INTENSITY_MAX_MG_KWH) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                       "an intensity above %u kg/kWh: was a unit mistaken?",
                       (unsigned)(TI_INTENSITY_MAX_MG_KWH / 1000000));
    }
    /* mg/kWh x uJ = mg x (uJ/kWh); 1000 ug are in a mg, and 1000 permille in a whole. */
    const uint64_t num[] = {energy_uj, intensity->intensity_mg_kwh, 1000, pue_permille};
    const uint64_t den[] = {TI_UJ_PER_KWH, TI_PERMILLE};
    if (!ti_ratio_u64(&ug, num, 4, den, 2)) {
        return ti_fail(err, TERN_LIMIT, "carbon", TI_NO_OFFSET,
                       "emissions above 18 million tonnes");
    }
    *out = (ti_carbon){.co2_ug = ug, .basis = intensity->basis};
    return TERN_OK;
}

tern_status ti_carbon_add(ti_carbon *sum, const ti_carbon *a, const ti_carbon *b, tern_err *err)
{
    if (!ti_basis_equal(a->basis, b->basis)) {
        return refuse("added", a->basis, b->basis, err);
    }
    if (a->co2_ug > UINT64_MAX - b->co2_ug) {
        return ti_fail(err, TERN_LIMIT, "carbon", TI_NO_OFFSET,
                       "a sum of emissions above 18 million tonnes");
    }
    *sum = (ti_carbon){.co2_ug = a->co2_ug + b->co2_ug, .basis = a->basis};
    return TERN_OK;
}

tern_status ti_carbon_compare(int *order, const ti_carbon *a, const ti_carbon *b, tern_err *err)
{
    if (!ti_basis_equal(a->basis, b->basis)) {
        return refuse("compared", a->basis, b->basis, err);
    }
    *order = (a->co2_ug > b->co2_ug) - (a->co2_ug < b->co2_ug);
    return TERN_OK;
}

tern_status ti_intensity_compare(int *order, const ti_intensity *a, const ti_intensity *b,
                                 tern_err *err)
{
    if (!ti_basis_equal(a->basis, b->basis)) {
        return refuse("compared", a->basis, b->basis, err);
    }
    *order = (a->intensity_mg_kwh > b->intensity_mg_kwh) -
             (a->intensity_mg_kwh < b->intensity_mg_kwh);
    return TERN_OK;
}
