/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/mix.h - what plants of a kind emit, and which area a zone is, for ENTSO-E.
 *
 * Life-cycle medians of the IPCC in g/kWh: Fifth Assessment Report, Working Group III, Annex
 * III, table A.III.2 (2014); oil, which that table does not have, from the Special Report on
 * Renewable Energy Sources, Annex II, table A.II.4 (2011).  Kinds for which neither has a
 * figure (waste, other, storage: its factor is that of what filled it) have none here, and are
 * left out of both sides of the mean. */
#ifndef TI_CARBON_MIX_H
#define TI_CARBON_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TI_PLANT_KINDS = 20, TI_EIC_LEN = 16 };

typedef struct ti_plant_kind {
    const char *name;
    uint32_t g_kwh; /* 0 = no figure */
    const char *source;
} ti_plant_kind;

/* By ENTSO-E's psrType: B01 is [0], B20 is [19]. */
extern const ti_plant_kind ti_plant_kinds[TI_PLANT_KINDS];

/* Index of "B01" to "B20", or -1. */
int ti_plant_kind_find(const char *psr_type);

/* Parts of generation without a figure that are borne: above 25 % the mean of the others would
 * be a guess, and there is none. */
#define TI_MIX_UNKNOWN_MAX 0.25

/* *g_kwh = the mean of a mix, mw[TI_PLANT_KINDS] (all at least 0).  False when nothing is
 * generated or more than TI_MIX_UNKNOWN_MAX of it has no figure. */
bool ti_mix_intensity(double *g_kwh, const double *mw);

/* The area's code (EIC) of a zone: "DE", "SE-SE3", or a code of 16 characters itself.  NULL for
 * another. */
const char *ti_entsoe_area(const char *zone);

/* The i-th zone of the table, or NULL; its code goes to *eic. */
const char *ti_entsoe_zone_at(size_t i, const char **eic);

/* True for a code whose last character is the check character of the other fifteen. */
bool ti_eic_is_valid(const char *eic);

#endif
