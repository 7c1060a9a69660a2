/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/basis.h - grams and the basis that they were counted on, which never part.
 *
 * A gram of the average grid and a gram of the marginal plant answer different questions, as do
 * grams with and without the building of power stations, or with the contract's mix for the
 * place's.  Adding or comparing two of them is an error here, not a convention. */
#ifndef TI_CARBON_BASIS_H
#define TI_CARBON_BASIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/basis.h"
#include "base/err.h"

/* Emissions per energy.  At most TI_INTENSITY_MAX_MG_KWH. */
typedef struct ti_intensity {
    uint64_t intensity_mg_kwh;
    ti_basis basis;
} ti_intensity;

/* Emissions. */
typedef struct ti_carbon {
    uint64_t co2_ug;
    ti_basis basis;
} ti_carbon;

enum { TI_BASIS_TEXT = 40, TI_BASES = 8 };

/* 0 to TI_BASES - 1, for order; 0 is average, life-cycle, location. */
unsigned ti_basis_rank(ti_basis b);

/* Writes "average/life-cycle/location" and the like into out.  Returns out. */
const char *ti_basis_text(char out[TI_BASIS_TEXT], ti_basis b);

/* Reads such a text of `len` bytes; false when it is none. */
bool ti_basis_parse(ti_basis *out, const char *text, size_t len);

/* Emissions of an energy: energy x intensity x PUE (in thousandths; 1000 where nothing but the
 * machine was fed), rounded once, half up.  Errors: TERN_LIMIT (does not fit), TERN_USAGE (PUE
 * under 1, or an intensity above the limit). */
tern_status ti_carbon_of(ti_carbon *out, uint64_t energy_uj, const ti_intensity *intensity,
                         uint32_t pue_permille, tern_err *err);

/* *sum = a + b; `sum` may be one of them.  Errors: TERN_USAGE when the bases differ,
 * TERN_LIMIT. */
tern_status ti_carbon_add(ti_carbon *sum, const ti_carbon *a, const ti_carbon *b,
                          tern_err *err);

/* *order = -1, 0 or 1.  Errors: TERN_USAGE when the bases differ. */
tern_status ti_carbon_compare(int *order, const ti_carbon *a, const ti_carbon *b,
                              tern_err *err);
tern_status ti_intensity_compare(int *order, const ti_intensity *a, const ti_intensity *b,
                                 tern_err *err);

#endif
