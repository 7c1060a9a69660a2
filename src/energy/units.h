/* SPDX-License-Identifier: Apache-2.0 */
/* energy/units.h - products that do not fit into 64 bits on their way. */
#ifndef TI_ENERGY_UNITS_H
#define TI_ENERGY_UNITS_H

#include <stdint.h>

#include "base/err.h"

__extension__ typedef unsigned __int128 ti_u128;

/* a * b / c, rounded to the nearest (halves up); UINT64_MAX when it does not fit.  c > 0. */
static inline uint64_t ti_mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    TI_ASSERT(c > 0);
    ti_u128 q = ((ti_u128)a * b + c / 2) / c;
    return q > UINT64_MAX ? UINT64_MAX : (uint64_t)q;
}

/* a + b, or UINT64_MAX. */
static inline uint64_t ti_add_sat(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Energy of a power over a time: 1 uW for 1 s is 1 uJ. */
static inline uint64_t ti_energy_uj_of(uint64_t power_uw, uint64_t time_ns)
{
    return ti_mul_div(power_uw, time_ns, UINT64_C(1000000000));
}

/* Mean power of an energy over a time; 0 when no time passed. */
static inline uint64_t ti_power_uw_of(uint64_t energy_uj, uint64_t time_ns)
{
    return time_ns ? ti_mul_div(energy_uj, UINT64_C(1000000000), time_ns) : 0;
}

#endif
