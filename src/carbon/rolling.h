/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/rolling.h - means over a window that moves in steps: what the Carbon Aware SDK calls
 * rolling averages.
 *
 *     ti_rolling r = {.series = &s, .window_s = 600, .tick_s = 300, .at_s = from, .to_s = to};
 *     while (ti_rolling_next(&r)) { ... r.start_s, r.mean_mg_kwh ... } */
#ifndef TI_CARBON_ROLLING_H
#define TI_CARBON_ROLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/series.h"

typedef struct ti_rolling {
    const ti_series *series;
    uint32_t window_s, tick_s; /* > 0 */
    int64_t at_s, to_s;        /* the first window begins at at_s; none ends after to_s */
    int64_t start_s;           /* of the window that was found */
    uint32_t mean_mg_kwh;      /* half up */
} ti_rolling;

/* Finds the next window; one of which a part is not known is left out.  False at the end.
 * Cost: O(log n + slots of the window) for each window. */
bool ti_rolling_next(ti_rolling *rolling);

#endif
