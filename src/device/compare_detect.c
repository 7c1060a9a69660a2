/* SPDX-License-Identifier: Apache-2.0 */
/* The detectors that are compared. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/compare.h"
#include "tern_edge.h"

static const char MODULE[] = "edge";

enum {
    HOUR_S = 3600,
    DAY_S = 86400,
    WEEK_S = 604800,
    DAYS = 28,         /* that baselines look back */
    WEEKS = 8,         /* the same hour of so many weeks */
    SCALE_BITS = 15,   /* of the largest reading */
    FROZEN_HOURS = 12, /* of one value, which the meter calls frozen */
    NEAR_SHIFT = 5,    /* of hours: a day and a third */
    FAR_SHIFT = 9,     /* three weeks */
    BUDGET_DAYS = 30
};

/* What nothing is divided by: far below any unit of a meter. */
#define LEAST 1e-9

const char *const ti_contender_names[TI_CONTENDERS] = {"meter",     "watch",        "level",
                                                       "all three", "seasonal MAD", "z-score"};

double ti_binary_scale(const double *values, uint32_t n)
{
    double largest = 0;
    int exponent = 0;
    for (uint32_t i = 0; i < n; i++) {
        largest = fabs(values[i]) > largest ? fabs(values[i]) : largest;
    }
    frexp(largest > 0 ? largest : 1.0, &exponent);
    return ldexp(1.0, SCALE_BITS - exponent);
}

int32_t ti_scaled(double value, double scale)
{
    const double most = TERN_EDGE_MAX_VALUE - 1, x = floor(value * scale + 0.5);
    if (isnan(value)) {
        return TERN_EDGE_MISSING;
    }
    return (int32_t)(x > most ? most : x < -most ? -most : x);
}

static void by_meter(double *scores, const ti_readings *r, double scale)
{
    static const uint16_t month = BUDGET_DAYS * 24;
    const uint32_t hour = HOUR_S / r->interval_s;
    const struct tern_edge_config config = {.max_value = TERN_EDGE_MAX_VALUE,
                                            .min_deviation = 16 << (SCALE_BITS - 5),
                                            .interval_s = r->interval_s,
                                            .budget = month,
                                            .frozen_limit = (uint16_t)(FROZEN_HOURS * hour),
                                            .adapt = 4,
                                            .two_way = 1};
    struct tern_edge_meter meter;
    struct tern_edge_result result;
    TI_ASSERT(tern_edge_meter_init(&meter, &config, NULL, NULL, NULL));
    for (uint32_t i = 0; i < r->n; i++) {
        tern_edge_meter_step(&meter, r->time_s[i], ti_scaled(r->values[i], scale), &result);
        scores[i] = (result.status & TERN_EDGE_FROZEN) != 0 ? 16384.0 : result.score;
    }
}

static void by_watch(double *scores, const ti_readings *r, double scale)
{
    static const struct tern_edge_watch_config config = {
        .max_value = TERN_EDGE_MAX_VALUE, .threshold = 1, .two_way = 1};
    struct tern_edge_watch watch;
    struct tern_edge_watch_result result;
    TI_ASSERT(tern_edge_watch_init(&watch, &config));
    for (uint32_t i = 0; i < r->n; i++) {
        tern_edge_watch_step(&watch, r->time_s[i], ti_scaled(r->values[i], scale), &result);
        scores[i] = result.score;
    }
}

static void by_level(double *scores, const ti_readings *r, double scale)
{
    struct tern_edge_level level = {0};
    uint32_t more = 0; /* powers of two of readings in an hour */
    while ((HOUR_S / r->interval_s) >> (more + 1) != 0) {
        more++;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        const int32_t x = ti_scaled(r->values[i], scale);
        scores[i] = x == TERN_EDGE_MISSING
                        ? 0
                        : fabs((double)tern_edge_level_step(&level, x, NEAR_SHIFT + more,
                                                            FAR_SHIFT + more, 16));
    }
}

/* The last values, in the order in which they came and by size. */
typedef struct last_values {
    double *ring, *sorted;
    uint32_t room, n, next;
} last_values;

static bool last_open(last_values *v, uint32_t room)
{
    *v = (last_values){.room = room};
    v->ring = ti_calloc(room, sizeof *v->ring);
    v->sorted = ti_calloc((size_t)room + 1, sizeof *v->sorted);
    return v->ring && v->sorted;
}

static void last_close(last_values *v)
{
    free(v->ring);
    free(v->sorted);
}

/* Where x stands or would stand in the sorted ones. */
static uint32_t place(const last_values *v, double x)
{
    uint32_t low = 0, high = v->n;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (v->sorted[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void last_add(last_values *v, double x)
{
    TI_ASSERT(v->room > 0);
    if (v->n == v->room) {
        const uint32_t gone = place(v, v->ring[v->next]);
        v->n--;
        memmove(&v->sorted[gone], &v->sorted[gone + 1], (v->n - gone) * sizeof *v->sorted);
    }
    const uint32_t at = place(v, x);
    memmove(&v->sorted[at + 1], &v->sorted[at], (v->n - at) * sizeof *v->sorted);
    v->sorted[at] = x;
    v->n++;
    v->ring[v->next] = x;
    v->next = (v->next + 1) % v->room;
}

static double last_median(const last_values *v)
{
    return v->n == 0 ? 0 : (v->sorted[v->n / 2] + v->sorted[(v->n - 1) / 2]) / 2;
}

static tern_status by_mad(double *scores, const ti_readings *r, tern_err *err)
{
    const uint32_t slots = WEEK_S / r->interval_s;
    last_values distances = {0}, *of_slot = ti_calloc(slots, sizeof *of_slot);
    bool good = of_slot && last_open(&distances, DAYS * (DAY_S / r->interval_s));
    for (uint32_t i = 0; good && i < slots; i++) {
        good = last_open(&of_slot[i], WEEKS);
    }
    for (uint32_t i = 0; good && i < r->n; i++) {
        const double x = r->values[i];
        last_values *slot = &of_slot[r->time_s[i] % WEEK_S / r->interval_s];
        scores[i] = 0;
        if (isnan(x)) {
            continue;
        }
        if (slot->n > 0) {
            const double distance = fabs(x - last_median(slot));
            scores[i] = distance / (last_median(&distances) + LEAST);
            last_add(&distances, distance);
        }
        last_add(slot, x);
    }
    for (uint32_t i = 0; of_slot && i < slots; i++) {
        last_close(&of_slot[i]);
    }
    free(of_slot);
    last_close(&distances);
    return good ? TERN_OK : ti_fail_nomem(err, MODULE, slots * sizeof *of_slot, "a detector");
}

static tern_status by_z(double *scores, const ti_readings *r, tern_err *err)
{
    const uint32_t room = DAYS * (DAY_S / r->interval_s);
    double *ring = ti_calloc(room, sizeof *ring), sum = 0, squares = 0;
    if (!ring) {
        return ti_fail_nomem(err, MODULE, room * sizeof *ring, "a detector");
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        const double x = r->values[i], used = n < room ? n : room;
        scores[i] = 0;
        if (isnan(x)) {
            continue;
        }
        if (n > 1) {
            const double mean = sum / used, variance = squares / used - mean * mean;
            scores[i] = fabs(x - mean) / (sqrt(variance > 0 ? variance : 0) + LEAST);
        }
        const double gone = n < room ? 0 : ring[n % room];
        sum += x - gone;
        squares += x * x - gone * gone;
        ring[n % room] = x;
        n++;
    }
    free(ring);
    return TERN_OK;
}

tern_status ti_contender_scores(double *scores, ti_contender which, const ti_readings *readings,
                                tern_err *err)
{
    const uint32_t first = DAYS * (DAY_S / readings->interval_s);
    const double scale =
        ti_binary_scale(readings->values, first < readings->n ? first : readings->n);
    switch (which) {
    case TI_CONTENDER_METER:
        by_meter(scores, readings, scale);
        return TERN_OK;
    case TI_CONTENDER_WATCH:
        by_watch(scores, readings, scale);
        return TERN_OK;
    case TI_CONTENDER_LEVEL:
        by_level(scores, readings, scale);
        return TERN_OK;
    case TI_CONTENDER_MAD:
        return by_mad(scores, readings, err);
    case TI_CONTENDER_Z:
        return by_z(scores, readings, err);
    default:
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET, "no scores of its own");
    }
}
