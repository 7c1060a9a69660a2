/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/series.h"

#include <string.h>

static int64_t slot_end(const ti_slot *slot)
{
    return slot->start_s + slot->length_s;
}

static tern_status bad(size_t at, const char *what, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "series", at, "slot %zu: %s", at, what);
}

static tern_status check_slot(const ti_series *series, size_t i, tern_err *err)
{
    const ti_slot *slot = &series->slots[i];
    if (slot->start_s < 0 || slot->start_s > TI_TIME_MAX_S - slot->length_s) {
        return bad(i, "a time before 1970 or after 9999", err);
    }
    if (slot->length_s == 0) {
        return bad(i, "no length", err);
    }
    if (slot->intensity_mg_kwh > TI_INTENSITY_MAX_MG_KWH) {
        return bad(i, "an intensity above 5 kg/kWh: was a unit mistaken?", err);
    }
    if ((unsigned)slot->kind > TI_SLOT_DERIVED) {
        return bad(i, "no such kind", err);
    }
    if (i > 0 && slot->start_s < slot_end(slot - 1)) {
        return bad(i, "begins before the one in front of it ends", err);
    }
    if (slot_end(slot) - series->slots[0].start_s > TI_SERIES_SPAN_S) {
        return bad(i, "more than fifty years after the first", err);
    }
    return TERN_OK;
}

static bool is_name(const char *name, size_t cap)
{
    size_t n = 0;
    while (n < cap && name[n] != 0) {
        unsigned char c = (unsigned char)name[n];
        if (c <= ' ' || c > '~') {
            return false;
        }
        n++;
    }
    return n > 0 && n < cap;
}

tern_status ti_series_check(const ti_series *series, tern_err *err)
{
    if (!is_name(series->zone, sizeof series->zone) ||
        !is_name(series->source, sizeof series->source)) {
        return ti_fail(err, TERN_CORRUPT, "series", TI_NO_OFFSET,
                       "zone and source must be named in printable ASCII");
    }
    if (series->n > TI_SERIES_SLOTS_MAX) {
        return ti_fail(err, TERN_LIMIT, "series", TI_NO_OFFSET, "more than %d slots",
                       TI_SERIES_SLOTS_MAX);
    }
    if ((unsigned)series->basis.kind > TI_MARGINAL ||
        (unsigned)series->basis.scope > TI_OPERATIONAL ||
        (unsigned)series->basis.method > TI_MARKET) {
        return ti_fail(err, TERN_CORRUPT, "series", TI_NO_OFFSET, "no such basis");
    }
    for (size_t i = 0; i < series->n; i++) {
        TI_TRY(check_slot(series, i, err));
    }
    return TERN_OK;
}

size_t ti_series_find(const ti_series *series, int64_t time_s)
{
    size_t low = 0, high = series->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (slot_end(&series->slots[mid]) > time_s) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

bool ti_series_sum(uint64_t *sum_mg_s, const ti_series *series, int64_t from_s, int64_t to_s)
{
    uint64_t sum = 0;
    int64_t at = from_s;
    if (from_s > to_s) {
        return false;
    }
    for (size_t i = ti_series_find(series, from_s); at < to_s; i++) {
        if (i == series->n || series->slots[i].start_s > at) {
            return false;
        }
        int64_t end = slot_end(&series->slots[i]);
        if (end > to_s) {
            end = to_s;
        }
        sum += (uint64_t)(end - at) * series->slots[i].intensity_mg_kwh;
        at = end;
    }
    *sum_mg_s = sum;
    return true;
}

bool ti_series_mean(uint32_t *mean_mg_kwh, const ti_series *series, int64_t from_s,
                    int64_t to_s)
{
    uint64_t sum;
    if (from_s >= to_s || !ti_series_sum(&sum, series, from_s, to_s)) {
        return false;
    }
    uint64_t length = (uint64_t)(to_s - from_s);
    *mean_mg_kwh = (uint32_t)((sum + length / 2) / length);
    return true;
}

int64_t ti_series_covered(const ti_series *series, int64_t from_s)
{
    int64_t at = from_s;
    for (size_t i = ti_series_find(series, from_s);
         i < series->n && series->slots[i].start_s <= at; i++) {
        at = slot_end(&series->slots[i]);
    }
    return at;
}
