/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/error.h"

#include <stdlib.h>
#include <string.h>

enum { HOUR_S = 3600, PERMILLE = 1000 };

/* Upper ends of the classes but the last, in hours. */
static const int64_t ends_h[TI_LEADS - 1] = {1, 3, 6, 12, 18, 24, 36};

uint32_t ti_lead_of(int64_t lead_s)
{
    uint32_t i = 0;
    while (i < TI_LEADS - 1 && lead_s > ends_h[i] * HOUR_S) {
        i++;
    }
    return i;
}

int64_t ti_lead_end_s(uint32_t lead)
{
    return lead < TI_LEADS - 1 ? ends_h[lead] * HOUR_S : INT64_MAX;
}

void ti_errors_add(ti_errors *errors, int64_t lead_s, uint32_t forecast_mg_kwh,
                   uint32_t actual_mg_kwh)
{
    uint32_t lead = ti_lead_of(lead_s), at = errors->next[lead];
    errors->miss_mg_kwh[lead][at] = forecast_mg_kwh > actual_mg_kwh
                                        ? forecast_mg_kwh - actual_mg_kwh
                                        : actual_mg_kwh - forecast_mg_kwh;
    errors->next[lead] = (at + 1) % TI_ERRORS_KEPT;
    errors->n[lead] += errors->n[lead] < TI_ERRORS_KEPT;
}

size_t ti_errors_learn(ti_errors *errors, const ti_series *forecast, const ti_series *actual)
{
    size_t learnt = 0, at = 0;
    ti_series past = *actual;
    while (at < past.n && past.slots[at].kind == TI_SLOT_ACTUAL) {
        at++;
    }
    past.n = at;
    for (size_t i = 0; i < forecast->n; i++) {
        const ti_slot *slot = &forecast->slots[i];
        int64_t end = slot->start_s + slot->length_s;
        uint32_t mean;
        if (slot->kind != TI_SLOT_ACTUAL && end > forecast->issued_s &&
            ti_series_mean(&mean, &past, slot->start_s, end)) {
            int64_t middle = slot->start_s + slot->length_s / 2;
            ti_errors_add(errors, middle - forecast->issued_s, slot->intensity_mg_kwh, mean);
            learnt++;
        }
    }
    return learnt;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t band_of(const ti_errors *errors, uint32_t lead, uint32_t permille)
{
    uint32_t sorted[TI_ERRORS_KEPT];
    while (lead < TI_LEADS - 1 && errors->n[lead] == 0) {
        lead++;
    }
    uint32_t n = errors->n[lead];
    n = n < TI_ERRORS_KEPT ? n : TI_ERRORS_KEPT;
    uint32_t rank = ((n + 1) * permille + PERMILLE - 1) / PERMILLE; /* from 1 */
    if (rank < 1 || rank > n) {
        return TI_ERROR_UNKNOWN;
    }
    memcpy(sorted, errors->miss_mg_kwh[lead], n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    return sorted[rank - 1];
}

uint32_t ti_errors_band(const ti_errors *errors, int64_t lead_s, uint32_t permille)
{
    return band_of(errors, ti_lead_of(lead_s), permille < PERMILLE ? permille : PERMILLE);
}

void ti_errors_stamp(const ti_errors *errors, ti_slot *slots, size_t n, int64_t issued_s)
{
    uint32_t bands[TI_LEADS];
    for (uint32_t i = 0; i < TI_LEADS; i++) {
        bands[i] = band_of(errors, i, TI_SIGMA_PERMILLE);
    }
    for (size_t i = 0; i < n; i++) {
        int64_t middle = slots[i].start_s + slots[i].length_s / 2;
        if (slots[i].error_mg_kwh == TI_ERROR_UNKNOWN && middle > issued_s) {
            slots[i].error_mg_kwh = bands[ti_lead_of(middle - issued_s)];
        }
    }
}
