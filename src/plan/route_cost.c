/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/route_parts.h"

enum { PER_TOKENS = 1000, PERMILLE = 1000, US_PER_S = 1000000, RANGE_MAX_PERMILLE = 1000000 };

/* ug = uJ x mg/kWh x PUE: a kWh is 3.6e12 uJ, a mg 1000 ug, and PUE is in thousandths. */
#define UJ_MG_PERMILLE_PER_UG UINT64_C(3600000000000)

__extension__ typedef unsigned __int128 wide;

static tern_status wrong(tern_err *err, size_t i, const char *what)
{
    return ti_fail(err, TERN_USAGE, "route", TI_NO_OFFSET, "candidate %zu: %s", i, what);
}

tern_status ti_route_check_request(const ti_route_request *request, tern_err *err)
{
    uint64_t in = request->in_tokens, out = request->out_tokens;
    if (in > TI_ROUTE_TOKENS_MAX || out > TI_ROUTE_TOKENS_MAX || in + out == 0) {
        return ti_fail(err, TERN_USAGE, "route", TI_NO_OFFSET, "a request without tokens");
    }
    if (request->now_s < 0 || request->deadline_s < 0) {
        return ti_fail(err, TERN_USAGE, "route", TI_NO_OFFSET, "a time before 1970");
    }
    return TERN_OK;
}

static bool is_rate(uint64_t in, uint64_t out)
{
    return in <= TI_ROUTE_RATE_MAX && out <= TI_ROUTE_RATE_MAX;
}

tern_status ti_route_check_candidate(const ti_route_candidate *c, size_t i, tern_err *err)
{
    if (!is_rate(c->energy.in_uj, c->energy.out_uj) ||
        !is_rate(c->speed.in_us, c->speed.out_us) || !is_rate(c->speed.start_us, 0) ||
        !is_rate(c->price.in_micro_usd, c->price.out_micro_usd)) {
        return wrong(err, i, "a rate above 10^15");
    }
    if (c->pue_permille < PERMILLE || c->pue_permille > TI_ROUTE_PUE_MAX_PERMILLE) {
        return wrong(err, i, "a PUE that is not from 1 to 10");
    }
    if (c->energy.word != TI_WORD_UNKNOWN &&
        (c->energy.low_permille > PERMILLE || c->energy.high_permille < PERMILLE ||
         c->energy.high_permille > RANGE_MAX_PERMILLE)) {
        return wrong(err, i, "a range that does not hold its middle");
    }
    if (c->grid.known && c->grid.intensity_mg_kwh > TI_INTENSITY_MAX_MG_KWH) {
        return wrong(err, i, "an intensity above 5 kg/kWh");
    }
    return TERN_OK;
}

/* num / den, rounded half up, into 64 bits. */
static bool put(uint64_t *out, wide num, uint64_t den)
{
    wide q = (num + den / 2) / den;
    if (q > UINT64_MAX) {
        return false;
    }
    *out = (uint64_t)q;
    return true;
}

static bool grams(uint64_t *ug, uint64_t energy_uj, const ti_route_candidate *c)
{
    return put(ug, (wide)energy_uj * c->grid.intensity_mg_kwh * c->pue_permille,
               UJ_MG_PERMILLE_PER_UG);
}

/* At most 10^9 x 10^15 x 2 before the division: 81 bits. */
static bool rated(uint64_t *out, const ti_route_request *r, uint64_t in, uint64_t per_out)
{
    return put(out, (wide)r->in_tokens * in + (wide)r->out_tokens * per_out, PER_TOKENS);
}

static bool energy(ti_route_row *row, const ti_route_request *r, const ti_route_candidate *c)
{
    const ti_route_energy *e = &c->energy;
    row->energy_known = e->word != TI_WORD_UNKNOWN;
    if (!row->energy_known) {
        return true;
    }
    if (!rated(&row->energy_uj, r, e->in_uj, e->out_uj) ||
        !put(&row->energy_low_uj, (wide)row->energy_uj * e->low_permille, PERMILLE) ||
        !put(&row->energy_high_uj, (wide)row->energy_uj * e->high_permille, PERMILLE)) {
        return false;
    }
    row->grams_known = c->grid.known;
    return !row->grams_known || (grams(&row->co2_ug, row->energy_uj, c) &&
                                 grams(&row->co2_low_ug, row->energy_low_uj, c) &&
                                 grams(&row->co2_high_ug, row->energy_high_uj, c));
}

static bool time_and_price(ti_route_row *row, const ti_route_request *r,
                           const ti_route_candidate *c)
{
    uint64_t work_us;
    row->time_known = c->speed.word != TI_WORD_UNKNOWN;
    if (row->time_known &&
        (!rated(&work_us, r, c->speed.in_us, c->speed.out_us) ||
         __builtin_add_overflow(work_us, c->speed.start_us, &row->time_us))) {
        return false;
    }
    row->price_known = c->price.known;
    /* A token costs micro-USD of a million of them: millionths of a micro-USD. */
    return !row->price_known || put(&row->price_pusd,
                                    (wide)r->in_tokens * c->price.in_micro_usd +
                                        (wide)r->out_tokens * c->price.out_micro_usd,
                                    1);
}

static bool is_above(bool known, uint64_t value, uint64_t limit)
{
    return limit != TI_ROUTE_NO_LIMIT && (!known || value > limit);
}

/* Would it end after the deadline?  Whose speed is not known is not said to. */
static bool is_late(const ti_route_row *row, const ti_route_request *r)
{
    if (r->deadline_s == 0) {
        return false;
    }
    uint64_t needed_s =
        row->time_known ? row->time_us / US_PER_S + (row->time_us % US_PER_S > 0) : 0;
    int64_t left = r->deadline_s - r->now_s;
    return left < 0 || needed_s > (uint64_t)left;
}

void ti_route_cost(ti_route_row *row, const ti_route_request *request,
                   const ti_route_candidate *c, const ti_route_policy *policy)
{
    *row = (ti_route_row){0};
    if (!energy(row, request, c) || !time_and_price(row, request, c)) {
        *row = (ti_route_row){.against = TI_AGAINST_LIMIT};
    }
    if (c->unready) {
        row->against |= TI_AGAINST_UNREADY;
    }
    if (request->task == TI_ROUTE_THICK && !c->thick) {
        row->against |= TI_AGAINST_TASK;
    }
    if (c->context_tokens > 0 && request->in_tokens + request->out_tokens > c->context_tokens) {
        row->against |= TI_AGAINST_ROOM;
    }
    if (is_above(row->time_known, row->time_us, policy->time_max_us)) {
        row->against |= TI_AGAINST_TIME;
    }
    if (is_above(row->price_known, row->price_pusd, policy->price_max_pusd)) {
        row->against |= TI_AGAINST_PRICE;
    }
    if (is_late(row, request)) {
        row->against |= TI_AGAINST_DEADLINE;
    }
    if (ti_breaker_state_at(&c->breaker, request->now_s) == TI_BREAKER_OPEN) {
        row->against |= TI_AGAINST_BREAKER;
    }
}
