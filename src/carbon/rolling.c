/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/rolling.h"

bool ti_rolling_next(ti_rolling *r)
{
    while (r->at_s + r->window_s <= r->to_s) {
        int64_t start = r->at_s;
        r->at_s += r->tick_s;
        if (ti_series_mean(&r->mean_mg_kwh, r->series, start, start + r->window_s)) {
            r->start_s = start;
            return true;
        }
    }
    return false;
}
