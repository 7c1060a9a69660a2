/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/seed.h - the energy tables of the note that started the project, worked out again.
 *
 * Every printed number stands beside what follows from the figures printed next to it, with
 * units carried all the way, and the reason where the two differ. */
#ifndef TI_CARBON_SEED_H
#define TI_CARBON_SEED_H

#include <stddef.h>
#include <stdint.h>

/* What can be said of a printed number. */
typedef enum ti_verdict {
    TI_REPRODUCED = 0, /* it follows from the figures beside it */
    TI_CORRECTED,      /* another number follows from them */
    TI_REFUTED,        /* the comparison does not hold, whatever the numbers */
    TI_UNMEASURED      /* nothing beside it that it could follow from */
} ti_verdict;

typedef enum ti_seed_table {
    TI_SEED_INFERENCE = 0, /* energy per inference */
    TI_SEED_YEAR,          /* 1M inferences a day, for a year */
    TI_SEED_VALIDATOR,     /* one validator */
    TI_SEED_VALIDATORS,    /* a thousand of them */
    TI_SEED_CONTEXT,       /* the figures of its introduction */
    TI_SEED_TABLES
} ti_seed_table;

typedef struct ti_seed_row {
    ti_seed_table table;
    const char *item, *unit;
    uint64_t printed_milli;  /* thousandths of the unit */
    uint64_t computed_milli; /* the same; what follows */
    ti_verdict verdict;
    const char *reason;
    uint64_t energy_wh; /* of rows in tonnes: what they were worked out from; else 0 */
} ti_seed_row;

/* The factor that the note uses everywhere, without source or place. */
#define TI_SEED_INTENSITY_MG_KWH UINT64_C(500000)

enum { TI_SEED_ROWS = 27 };

/* Works all rows out into out[TI_SEED_ROWS]. */
void ti_seed_rows(ti_seed_row out[TI_SEED_ROWS]);

/* Thousandths of a tonne that such an energy emits at an intensity, rounded half up. */
uint64_t ti_seed_milli_tonnes(uint64_t energy_wh, uint64_t intensity_mg_kwh);

/* "energy per inference" and so on; "reproduced" and so on. */
const char *ti_seed_table_name(ti_seed_table table);
const char *ti_verdict_name(ti_verdict verdict);

#endif
