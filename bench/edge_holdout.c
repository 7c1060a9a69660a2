/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the watch of edge/core scores on series that it was not tuned on.  The series of the
 * Numenta Anomaly Benchmark are dealt into four parts by turns; on three of them its 20 numbers
 * are searched from a neutral start, by chance and steps, and with the threshold that is best
 * there scored on the fourth.
 *
 *   edge_holdout NAB [SETTINGS]     folder of the benchmark; settings to try for each part
 * (200)
 *
 * Prints the standard profile's score of each part, and their mean weighted by windows.  Chance
 * is a fixed seed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/compare.h"
#include "device/nab_data.h"

enum { NUMBERS = 20, PARTS = 4, SETTINGS = 200 };

static int32_t number[NUMBERS];

#include "watch_any.c" /* the core with these numbers; edge_holdout.sed makes it */

/* Round numbers that nobody looked for, and between which bounds they are searched. */
static const struct {
    int32_t start, low, high;
} ranges[NUMBERS] = {
    {4, 1, 6},          {7, 4, 9},        {6, 3, 9},   {4, 2, 6},   {10, 6, 13},
    {12, 8, 15},        {8, 5, 10},       {6, 4, 9},   {3, 1, 6},   {16, 4, 64},
    {20, 5, 100},       {8, 0, 16},       {16, 4, 64}, {16, 4, 64}, {2048, 1000, 4000},
    {32768, 0, 131072}, {1024, 64, 8192}, {10, 1, 16}, {10, 1, 16}, {10, 1, 16},
};

static uint32_t chance_state = 20261122;

static uint32_t chance(uint32_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 17;
    chance_state ^= chance_state << 5;
    return chance_state % below;
}

static void fail(const tern_err *err)
{
    fprintf(stderr, "edge_holdout: %s\n", err->message);
    exit(1);
}

/* The watch with `number` over the series of a part, or over those of all others. */
static void watch_all(ti_nab *nab, const ti_nab_set *set, uint32_t part, bool others)
{
    static const struct tern_edge_watch_config config = {
        .max_value = TERN_EDGE_MAX_VALUE, .threshold = 1, .two_way = 1};
    tern_err err;
    for (uint32_t i = 0; i < set->n; i++) {
        const ti_nab_series *s = &set->series[i];
        if ((i % PARTS != part) != others) {
            continue;
        }
        struct tern_edge_watch watch;
        struct tern_edge_watch_result result;
        const double scale = ti_binary_scale(s->values, ti_nab_probation(s->n_rows));
        double *scores = calloc(s->n_rows, sizeof *scores);
        if (!scores || !tern_edge_watch_init(&watch, &config)) {
            exit(1);
        }
        for (uint32_t row = 0; row < s->n_rows; row++) {
            tern_edge_watch_step(&watch, s->time_s[row], ti_scaled(s->values[row], scale),
                                 &result);
            scores[row] = result.score;
        }
        if (ti_nab_add(nab, scores, s->n_rows, s->windows, s->n_windows, &err) != TERN_OK) {
            fail(&err);
        }
        free(scores);
    }
}

static ti_nab_result best_of_others(const ti_nab_set *set, uint32_t part)
{
    ti_nab nab = {0};
    ti_nab_result r;
    tern_err err;
    watch_all(&nab, set, part, true);
    if (ti_nab_best(&r, &nab, &ti_nab_profiles[0], &err) != TERN_OK) {
        fail(&err);
    }
    ti_nab_free(&nab);
    return r;
}

/* A step of one number, by one or by up to a half of it. */
static void step(void)
{
    const uint32_t k = chance(NUMBERS);
    const int32_t by = 1 + (int32_t)chance((uint32_t)number[k] / 2 + 1);
    const int32_t next = number[k] + (chance(2) ? by : -by);
    number[k] = next < ranges[k].low    ? ranges[k].low
                : next > ranges[k].high ? ranges[k].high
                                        : next;
}

static void search(ti_nab_result *best, const ti_nab_set *set, uint32_t part, uint32_t settings)
{
    int32_t kept[NUMBERS];
    for (uint32_t k = 0; k < NUMBERS; k++) {
        number[k] = kept[k] = ranges[k].start;
    }
    *best = best_of_others(set, part);
    for (uint32_t i = 1; i < settings; i++) {
        memcpy(number, kept, sizeof kept);
        for (uint32_t n = 1 + chance(3); n > 0; n--) {
            step();
        }
        const ti_nab_result r = best_of_others(set, part);
        if (r.score > best->score) {
            *best = r;
            memcpy(kept, number, sizeof kept);
        }
    }
    memcpy(number, kept, sizeof kept);
}

int main(int argc, char **argv)
{
    ti_nab_set set;
    tern_err err;
    double sum = 0;
    uint32_t windows = 0;
    const uint32_t settings = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : SETTINGS;
    if (argc < 2 || settings == 0) {
        fprintf(stderr, "usage: edge_holdout NAB [SETTINGS]\n");
        return 2;
    }
    if (ti_nab_set_read(&set, argv[1], &err) != TERN_OK) {
        fail(&err);
    }
    for (uint32_t part = 0; part < PARTS; part++) {
        ti_nab nab = {0};
        ti_nab_result tuned, held;
        search(&tuned, &set, part, settings);
        watch_all(&nab, &set, part, false);
        if (ti_nab_at(&held, &nab, &ti_nab_profiles[0], tuned.threshold, &err) != TERN_OK) {
            fail(&err);
        }
        printf(
            "part %u: tuned on the others %.1f, held out %.1f (%u of %u windows, %u false)\n",
            part + 1, tuned.score, held.score, held.found, nab.n_windows, held.alarms);
        fflush(stdout);
        sum += held.score * nab.n_windows;
        windows += nab.n_windows;
        ti_nab_free(&nab);
    }
    printf("held out, weighted by windows: %.1f\n", sum / windows);
    ti_nab_set_free(&set);
    return 0;
}
