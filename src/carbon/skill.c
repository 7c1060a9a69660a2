/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/skill.h"

#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"

enum { LEAD_MAX_S = 366 * TI_DAY_S }; /* where the last class ends */

typedef struct pairs {
    uint32_t *distance; /* [cap] */
    size_t n;
    int64_t sum; /* of forecast less actual */
} pairs;

static void add(pairs *p, uint32_t forecast, uint32_t actual)
{
    p->distance[p->n++] = forecast > actual ? forecast - actual : actual - forecast;
    p->sum += (int64_t)forecast - (int64_t)actual;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The smallest distance that at least `permille` of all do not exceed. */
static uint32_t quantile(const pairs *p, size_t permille)
{
    size_t rank = (p->n * permille + 999) / 1000;
    return p->distance[rank > 0 ? rank - 1 : 0];
}

static void sum_up(ti_skill_row *row, pairs *p)
{
    enum { HALF = 500, TWO_OF_THREE = TI_SIGMA_PERMILLE, NINE_TENTHS = 900 };
    uint64_t sum = 0;
    row->n = p->n;
    if (p->n == 0) {
        return;
    }
    qsort(p->distance, p->n, sizeof *p->distance, ascending);
    for (size_t i = 0; i < p->n; i++) {
        sum += p->distance[i];
    }
    row->mae_mg = (uint32_t)((sum + p->n / 2) / p->n);
    row->bias_mg = p->sum / (int64_t)p->n;
    row->p50_mg = quantile(p, HALF);
    row->p68_mg = quantile(p, TWO_OF_THREE);
    row->p90_mg = quantile(p, NINE_TENTHS);
}

/* The mean of what happened; false when a part of it is not known, or only expected. */
static bool happened(uint32_t *mean, const ti_series *history, int64_t from_s, int64_t to_s)
{
    for (size_t i = ti_series_find(history, from_s);
         i < history->n && history->slots[i].start_s < to_s; i++) {
        if (history->slots[i].kind != TI_SLOT_ACTUAL) {
            return false;
        }
    }
    return ti_series_mean(mean, history, from_s, to_s);
}

static size_t collect(pairs *leads, pairs *all, const ti_feed *forecast,
                      const ti_series *history)
{
    size_t n = 0;
    for (size_t i = 0; i < forecast->series.n; i++) {
        const ti_slot *s = &forecast->slots[i];
        int64_t lead = s->start_s + s->length_s / 2 - forecast->series.issued_s;
        uint32_t actual;
        if (s->kind != TI_SLOT_FORECAST || lead < 0 ||
            !happened(&actual, history, s->start_s, s->start_s + s->length_s)) {
            continue;
        }
        add(&leads[ti_lead_of(lead)], s->intensity_mg_kwh, actual);
        add(all, s->intensity_mg_kwh, actual);
        n++;
    }
    return n;
}

tern_status ti_skill_of(ti_skill *out, const ti_feed *forecasts, size_t n,
                        const ti_series *history, tern_err *err)
{
    ti_skill skill = {0};
    pairs p[TI_SKILL_LEADS + 1] = {{0}};
    size_t total = 0, cells;
    for (size_t i = 0; i < n; i++) {
        if (!ti_basis_equal(forecasts[i].series.basis, history->basis)) {
            return ti_fail(err, TERN_USAGE, "skill", TI_NO_OFFSET,
                           "a forecast and a history on two bases cannot be compared");
        }
        total += forecasts[i].series.n;
    }
    if (!ti_mul_size(total + 1, TI_SKILL_LEADS + 1, &cells)) {
        return ti_fail_nomem(err, "skill", total, "pairs");
    }
    uint32_t *memory = ti_calloc(cells, sizeof *memory);
    if (!memory) {
        return ti_fail_nomem(err, "skill", cells * sizeof *memory, "pairs");
    }
    for (size_t i = 0; i <= TI_SKILL_LEADS; i++) {
        p[i].distance = memory + i * (total + 1);
    }
    for (size_t i = 0; i < n; i++) {
        skill.n_forecasts += collect(p, &p[TI_SKILL_LEADS], &forecasts[i], history) > 0;
    }
    for (size_t i = 0; i < TI_SKILL_LEADS; i++) {
        skill.leads[i].from_s = i > 0 ? ti_lead_end_s((uint32_t)i - 1) : 0;
        skill.leads[i].to_s = i + 1 < TI_SKILL_LEADS ? ti_lead_end_s((uint32_t)i) : LEAD_MAX_S;
        sum_up(&skill.leads[i], &p[i]);
    }
    skill.all.to_s = LEAD_MAX_S;
    sum_up(&skill.all, &p[TI_SKILL_LEADS]);
    free(memory);
    *out = skill;
    return TERN_OK;
}
