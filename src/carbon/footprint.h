/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/footprint.h - from joules and a zone to grams that say where they come from.
 *
 * For `tern run`, `tern meter` and receipts: one value without pointers, to be copied, stored
 * and printed. */
#ifndef TI_CARBON_FOOTPRINT_H
#define TI_CARBON_FOOTPRINT_H

#include "base/buf.h"
#include "carbon/basis.h"
#include "carbon/grid.h"

enum { TI_FOOTPRINT_TEXT = 160 };

typedef struct ti_footprint {
    uint64_t energy_uj; /* of the machine, without PUE */
    uint32_t pue_permille;
    uint64_t co2_ug;
    uint64_t intensity_mg_kwh;
    ti_basis basis; /* of co2_ug and intensity_mg_kwh */
    uint32_t year;
    char zone[TI_GRID_FIELD_MAX + 1], source[TI_GRID_FIELD_MAX + 1];
} ti_footprint;

/* Emissions of an energy in a zone.  PUE is 1000 for a machine that nobody cools.
 * Errors: those of ti_carbon_of(). */
tern_status ti_footprint_of(ti_footprint *out, uint64_t energy_uj, const ti_grid_row *row,
                            uint32_t pue_permille, tern_err *err);

/* The emissions alone, with their basis, for sums and scores. */
ti_carbon ti_footprint_carbon(const ti_footprint *footprint);

/* Writes "0.12 g CO2e (DE, yearly 2023, life-cycle)" into out; the words marginal and
 * market-based follow where they apply.  Returns out. */
const char *ti_footprint_text(char out[TI_FOOTPRINT_TEXT], const ti_footprint *footprint);

/* Adds an object with all members: co2_ug, energy_uj, pue_permille, zone, intensity_mg_kwh,
 * basis, period ("yearly"), year, source. */
void ti_json_footprint(ti_buf *json, const char *key, const ti_footprint *footprint);

#endif
