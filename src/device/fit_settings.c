/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "device/fit.h"

enum {
    DAY_S = 86400,
    MONTH_DAYS = 30,
    WEEKS_S = 14 * DAY_S,
    MOST_CHANGES = 1 << 16,
    FEW = 100
};

static uint32_t within(uint64_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : (uint32_t)value;
}

static bool is_usable(int32_t value)
{
    return value >= -TERN_EDGE_MAX_VALUE && value <= TERN_EDGE_MAX_VALUE;
}

static int by_size(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The median of how much readings differ from those a day before; 0 when nothing is known. */
static int32_t median_change(const ti_fit_series *r, size_t day)
{
    size_t n = 0;
    int32_t *changes = calloc(MOST_CHANGES, sizeof *changes);
    if (!changes) {
        return 0; /* the least is then taken, which is good too */
    }
    for (size_t i = day; i < r->n && n < MOST_CHANGES; i++) {
        const int64_t change = (int64_t)r->value[i] - r->value[i - day];
        if (is_usable(r->value[i]) && is_usable(r->value[i - day])) {
            changes[n++] = (int32_t)(change < 0 ? -change : change);
        }
    }
    qsort(changes, n, sizeof *changes, by_size);
    int32_t median = n ? changes[n / 2] : 0;
    free(changes);
    return median;
}

void ti_fit_settings(struct tern_edge_config *config, const ti_fit_series *r)
{
    const uint32_t day = within(DAY_S / config->interval_s, 1, 65535);
    uint32_t run = 1, longest = 1;
    int32_t largest = 0;
    size_t negative = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!is_usable(r->value[i])) {
            continue;
        }
        largest = abs(r->value[i]) > largest ? abs(r->value[i]) : largest;
        negative += r->value[i] < 0;
        run = i > 0 && r->value[i] == r->value[i - 1] ? run + 1 : 1;
        longest = run > longest ? run : longest;
    }
    config->two_way = negative > r->n / FEW;
    ti_settings_times(config);
    if (2 * (uint64_t)longest > config->frozen_limit) {
        config->frozen_limit = (uint16_t)within(2 * (uint64_t)longest, 2, 65535);
    }
    config->max_value = (int32_t)within(4 * (uint64_t)largest, 16, TERN_EDGE_MAX_VALUE);
    config->min_deviation =
        (int32_t)within((uint64_t)median_change(r, day) * TERN_EDGE_UNIT / 4, 1, 1048576);
}
