/* SPDX-License-Identifier: Apache-2.0 */
/* base/basis.h - what a gram per kilowatt-hour counts.
 *
 * A value only, here so that who plans and who looks intensities up mean the same by it; how
 * it is written, read and refused is in carbon/basis.h. */
#ifndef TI_BASE_BASIS_H
#define TI_BASE_BASIS_H

#include <stdbool.h>
#include <stdint.h>

/* Which plants: all that run, or those that run because of this load. */
typedef enum ti_basis_kind { TI_AVERAGE = 0, TI_MARGINAL } ti_basis_kind;

/* How much of a plant's life: all of it (built, fuelled, run), or what leaves it as it runs. */
typedef enum ti_basis_scope { TI_LIFE_CYCLE = 0, TI_OPERATIONAL } ti_basis_scope;

/* Whose electricity: that of the place, or of the contracts and certificates bought (the two
 * methods of the GHG Protocol's scope 2 guidance). */
typedef enum ti_basis_method { TI_LOCATION = 0, TI_MARKET } ti_basis_method;

typedef struct ti_basis {
    ti_basis_kind kind;
    ti_basis_scope scope;
    ti_basis_method method;
} ti_basis;

/* More than three times what the dirtiest grid emits: beyond it, a unit was mistaken. */
#define TI_INTENSITY_MAX_MG_KWH UINT64_C(5000000)

/* True when both count the same thing. */
static inline bool ti_basis_equal(ti_basis a, ti_basis b)
{
    return a.kind == b.kind && a.scope == b.scope && a.method == b.method;
}

#endif
