/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/units.h - exact products of units, and numbers as people write them.
 *
 * Accounting is in whole numbers: energy_uj (microjoules), co2_ug (micrograms of CO2
 * equivalent), intensity_mg_kwh (milligrams per kilowatt-hour), time_ns.  A result is rounded
 * once, at its end, to the nearest whole number; a half goes up.  A result that does not fit is
 * a failure, never a wrapped or cut number. */
#ifndef TI_CARBON_UNITS_H
#define TI_CARBON_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TI_UJ_PER_J UINT64_C(1000000)
#define TI_UJ_PER_WH UINT64_C(3600000000)
#define TI_UJ_PER_KWH UINT64_C(3600000000000)
#define TI_UG_PER_G UINT64_C(1000000)
#define TI_UG_PER_KG UINT64_C(1000000000)
#define TI_NS_PER_S UINT64_C(1000000000)
#define TI_HOURS_PER_YEAR UINT64_C(8760) /* 365 days, as footprints are usually given */
#define TI_PERMILLE UINT32_C(1000)

enum { TI_RATIO_MAX = 6, TI_AMOUNT_TEXT = 32 };

/* The product of num[0..n_num) over the product of den[0..n_den), rounded half up.  Factors are
 * cancelled first, so that only a result near 2^64 can be out of reach.  Returns false when it
 * does not fit, or its products do not fit into 128 bits; *out is then untouched.  At most
 * TI_RATIO_MAX factors on a side, none of `den` 0. */
bool ti_ratio_u64(uint64_t *out, const uint64_t *num, size_t n_num, const uint64_t *den,
                  size_t n_den);

/* Reads a number without sign or exponent ("12", "0.35", at most 18 digits) in units of
 * 1/scale: "0.35" with scale 1000 is 350.  Digits behind the last that counts are rounded half
 * up.  `what` names it in messages.  Errors: TERN_USAGE (no such number), TERN_LIMIT (too
 * large). */
tern_status ti_decimal_parse(uint64_t *out, const char *text, size_t len, uint64_t scale,
                             const char *what, tern_err *err);

/* Reads an energy with its unit: "3.1J", "12.5 kJ", "1MJ", "0.4Wh", "2kWh", "1MWh".
 * Errors as ti_decimal_parse(); TERN_USAGE also without a unit: joules and watt-hours differ by
 * 3600, and mistaking them is the oldest error of the field. */
tern_status ti_energy_parse(uint64_t *energy_uj, const char *text, tern_err *err);

/* Write an amount with three digits or so into out[TI_AMOUNT_TEXT], in the unit that suits it:
 * "850 ug", "12.4 mg", "0.12 g", "1.47 t"; "3.10 J", "2.00 kJ".  Return out. */
const char *ti_grams_text(char out[TI_AMOUNT_TEXT], uint64_t co2_ug);
const char *ti_joules_text(char out[TI_AMOUNT_TEXT], uint64_t energy_uj);

/* Writes value/1000 without needless zeros: "1.5", "202777.778". */
const char *ti_milli_text(char out[TI_AMOUNT_TEXT], uint64_t milli);

#endif
