/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/route.h"

#include "plan/route_parts.h"

/* A decision that is being made. */
typedef struct deciding {
    ti_route *out;
    const ti_route_request *request;
    const ti_route_candidate *candidates;
    const ti_route_policy *policy;
} deciding;

const char *ti_route_word_name(ti_route_word word)
{
    static const char *const names[] = {"unknown", "measured", "modelled", "declared"};
    return names[word];
}

const char *ti_route_action_name(ti_route_action action)
{
    static const char *const names[] = {"local", "upstream", "queue", "refuse"};
    return names[action];
}

/* Reasons and numbers; one too many is left out, which no path can reach. */
static void because(ti_route *out, ti_route_code code, int64_t a, int64_t b)
{
    TI_ASSERT(out->n_whys < TI_ROUTE_WHYS_MAX);
    out->whys[out->n_whys++] = (ti_route_why){code, a, b};
}

/* A count of micrograms as a reason has it. */
static int64_t shown(uint64_t ug)
{
    return ug > INT64_MAX ? INT64_MAX : (int64_t)ug;
}

/* --- the order ---------------------------------------------------------------------------- */

static bool is_comparable(const ti_route_row *row)
{
    return row->grams_known && !row->other_basis;
}

/* -1, 0, 1: what is known stands before what is not, the smaller before the larger. */
static int order_of(bool a_known, uint64_t a, bool b_known, uint64_t b)
{
    if (a_known != b_known) {
        return a_known ? -1 : 1;
    }
    return !a_known || a == b ? 0 : a < b ? -1 : 1;
}

static int compare_costs(const ti_route_row *a, const ti_route_row *b)
{
    int order = order_of(is_comparable(a), a->co2_ug, is_comparable(b), b->co2_ug);
    order =
        order ? order : order_of(a->energy_known, a->energy_uj, b->energy_known, b->energy_uj);
    order =
        order ? order : order_of(a->price_known, a->price_pusd, b->price_known, b->price_pusd);
    return order ? order : order_of(a->time_known, a->time_us, b->time_known, b->time_us);
}

/* True when candidate i is tried before candidate k; the caller's order decides between equals.
 */
static bool is_before(const deciding *d, uint32_t i, uint32_t k)
{
    bool i_local = d->candidates[i].local, k_local = d->candidates[k].local;
    if (d->policy->first == TI_ROUTE_LOCAL_FIRST && i_local != k_local) {
        return i_local;
    }
    int order = compare_costs(&d->out->rows[i], &d->out->rows[k]);
    return order < 0 || (order == 0 && i < k);
}

/* Adds candidate i where it belongs. */
static void insert(const deciding *d, uint32_t i)
{
    ti_route *out = d->out;
    size_t at = out->n_order++;
    for (; at > 0 && is_before(d, i, out->order[at - 1]); at--) {
        out->order[at] = out->order[at - 1];
    }
    out->order[at] = i;
}

/* Of all candidates but those in `except`, the one with the fewest comparable grams that has
 * nothing against it besides `allowed`; n when there is none. */
static uint32_t fewest(const deciding *d, uint32_t allowed, uint32_t except)
{
    uint32_t best = (uint32_t)d->out->n;
    for (uint32_t i = 0; i < d->out->n; i++) {
        const ti_route_row *row = &d->out->rows[i];
        if (i == except || (row->against & ~allowed) || !is_comparable(row)) {
            continue;
        }
        if (best == d->out->n || row->co2_ug < d->out->rows[best].co2_ug) {
            best = i;
        }
    }
    return best;
}

/* --- bases and the budget ----------------------------------------------------------------- */

static void choose_basis(const deciding *d)
{
    ti_route *out = d->out;
    int64_t others = 0;
    out->compared = d->policy->budget.set;
    out->basis = d->policy->budget.basis;
    for (size_t i = 0; i < out->n; i++) {
        if (!out->rows[i].grams_known) {
            continue;
        }
        ti_basis own = d->candidates[i].grid.basis;
        out->basis = out->compared ? out->basis : own;
        out->compared = true;
        out->rows[i].other_basis = !ti_basis_equal(own, out->basis);
        others += out->rows[i].other_basis;
    }
    if (others > 0) {
        because(out, TI_RWHY_OTHER_BASIS, others, 0);
    }
}

static uint64_t left_of(const ti_route_budget *budget, uint64_t reserve_ug)
{
    uint64_t all;
    if (__builtin_add_overflow(budget->day_ug, reserve_ug, &all)) {
        all = UINT64_MAX;
    }
    return all > budget->used_ug ? all - budget->used_ug : 0;
}

static void apply_budget(const deciding *d)
{
    const ti_route_budget *budget = &d->policy->budget;
    for (size_t i = 0; i < d->out->n && budget->set; i++) {
        ti_route_row *row = &d->out->rows[i];
        if (!is_comparable(row)) {
            row->against |= TI_AGAINST_GRAMS;
        } else if (row->co2_ug > left_of(budget, 0)) {
            row->against |= TI_AGAINST_BUDGET;
        }
    }
}

/* --- somebody may have it ----------------------------------------------------------------- */

static bool overlaps(const ti_route_row *a, const ti_route_row *b)
{
    return a->co2_high_ug >= b->co2_low_ug && b->co2_high_ug >= a->co2_low_ug;
}

/* Why the first of the order stands there. */
static void explain_choice(const deciding *d)
{
    ti_route *out = d->out;
    uint32_t first = out->order[0];
    const ti_route_row *row = &out->rows[first];
    uint32_t next = fewest(d, 0, first);
    bool has_next = next < out->n && is_comparable(row);
    int64_t fewer = has_next ? shown(out->rows[next].co2_ug) - shown(row->co2_ug) : 0;
    if (d->candidates[first].local && d->policy->first == TI_ROUTE_LOCAL_FIRST) {
        because(out, TI_RWHY_LOCAL_FIRST, first, 0);
        if (fewer < 0) {
            because(out, TI_RWHY_LOCAL_COSTS, next, -fewer);
        }
    } else if (out->n_order == 1) {
        because(out, TI_RWHY_ONLY_ONE, first, 0);
    } else if (has_next) {
        because(out, TI_RWHY_FEWEST_GRAMS, first, fewer);
    } else if (is_comparable(row)) {
        because(out, TI_RWHY_ONLY_KNOWN, first, 0);
    }
    if (!is_comparable(row)) {
        because(out, TI_RWHY_NO_GRAMS, first, 0);
    }
    if (has_next && overlaps(row, &out->rows[next])) {
        because(out, TI_RWHY_OVERLAP, next, 0);
    }
}

static void send(const deciding *d)
{
    ti_route *out = d->out;
    uint32_t first = out->order[0];
    const ti_route_candidate *c = &d->candidates[first];
    out->action = c->local ? TI_ROUTE_LOCAL : TI_ROUTE_UPSTREAM;
    if (ti_breaker_state_at(&c->breaker, d->request->now_s) == TI_BREAKER_HALF_OPEN) {
        because(out, TI_RWHY_TRIAL, first, 0);
    }
    if (d->policy->budget.set) {
        uint64_t left = left_of(&d->policy->budget, 0), cost = out->rows[first].co2_ug;
        because(out, TI_RWHY_BUDGET_LEFT, shown(left), shown(left > cost ? left - cost : 0));
    }
}

/* --- nobody may, now ---------------------------------------------------------------------- */

/* Waits until `until_s` where the deadline leaves time for it and for candidate i, else refuses
 * and says when it could be tried again. */
static void wait_until(const deciding *d, int64_t until_s, uint32_t i, ti_route_code why)
{
    ti_route *out = d->out;
    ti_route_request later = *d->request;
    ti_route_row row;
    later.now_s = until_s > later.now_s ? until_s : later.now_s;
    ti_route_cost(&row, &later, &d->candidates[i], d->policy);
    out->until_s = later.now_s;
    if (later.deadline_s == 0 || (row.against & TI_AGAINST_DEADLINE)) {
        out->action = TI_ROUTE_REFUSE;
        because(out, TI_RWHY_NO_TIME, out->until_s, later.deadline_s);
        return;
    }
    out->action = TI_ROUTE_QUEUE;
    because(out, why, out->until_s, i);
}

/* The smallest that fits into what is left and the reserve, good enough or not. */
static bool take_smaller(const deciding *d)
{
    uint32_t i = fewest(d, TI_AGAINST_TASK | TI_AGAINST_BUDGET, (uint32_t)d->out->n);
    const ti_route_budget *budget = &d->policy->budget;
    if (i == d->out->n || d->out->rows[i].co2_ug > left_of(budget, budget->reserve_ug)) {
        return false;
    }
    d->out->order[0] = i;
    d->out->n_order = 1;
    because(d->out, TI_RWHY_SMALLER, i, 0);
    send(d);
    return true;
}

/* Somebody would have it, but for the day's budget; i takes the fewest grams of them. */
static void end_of_budget(const deciding *d, uint32_t i)
{
    ti_route *out = d->out;
    const ti_route_budget *budget = &d->policy->budget;
    uint64_t needed = out->rows[i].co2_ug;
    because(out, TI_RWHY_BUDGET_END, shown(left_of(budget, 0)), shown(needed));
    if (budget->end == TI_ROUTE_END_SMALLER && take_smaller(d)) {
        return;
    }
    out->action = TI_ROUTE_REFUSE;
    if (needed > budget->day_ug) {
        because(out, TI_RWHY_NEVER_FITS, shown(needed), shown(budget->day_ug));
    } else if (budget->end == TI_ROUTE_END_REFUSE) {
        out->until_s = budget->renews_s;
        because(out, TI_RWHY_NO_TIME, budget->renews_s, d->request->deadline_s);
    } else {
        wait_until(d, budget->renews_s, i, TI_RWHY_WAIT_BUDGET);
    }
}

/* Of those who are only paused, the one whose pause ends first; n when there is none. */
static uint32_t first_back(const deciding *d)
{
    uint32_t best = (uint32_t)d->out->n;
    for (uint32_t i = 0; i < d->out->n; i++) {
        if (d->out->rows[i].against == TI_AGAINST_BREAKER &&
            (best == d->out->n ||
             d->candidates[i].breaker.until_s < d->candidates[best].breaker.until_s)) {
            best = i;
        }
    }
    return best;
}

static void nobody(const deciding *d)
{
    ti_route *out = d->out;
    uint32_t over = fewest(d, TI_AGAINST_BUDGET, (uint32_t)out->n);
    uint32_t paused = first_back(d);
    uint32_t all = 0;
    if (over < out->n) {
        end_of_budget(d, over);
        return;
    }
    if (paused < out->n) {
        wait_until(d, d->candidates[paused].breaker.until_s, paused, TI_RWHY_WAIT_BREAKER);
        return;
    }
    for (size_t i = 0; i < out->n; i++) {
        all |= out->rows[i].against;
    }
    out->action = TI_ROUTE_REFUSE;
    because(out, TI_RWHY_NOBODY, all, 0);
}

tern_status ti_route_decide(ti_route *out, const ti_route_request *request,
                            const ti_route_candidate *candidates, size_t n,
                            const ti_route_policy *policy, tern_err *err)
{
    if (n > TI_ROUTE_MAX) {
        return ti_fail(err, TERN_LIMIT, "route", TI_NO_OFFSET, "%zu candidates; at most %d", n,
                       TI_ROUTE_MAX);
    }
    TI_TRY(ti_route_check_request(request, err));
    for (size_t i = 0; i < n; i++) {
        TI_TRY(ti_route_check_candidate(&candidates[i], i, err));
    }
    *out = (ti_route){.n = n};
    deciding d = {out, request, candidates, policy};
    for (size_t i = 0; i < n; i++) {
        ti_route_cost(&out->rows[i], request, &candidates[i], policy);
    }
    choose_basis(&d);
    apply_budget(&d);
    for (uint32_t i = 0; i < n; i++) {
        if (out->rows[i].against == 0) {
            insert(&d, i);
        }
    }
    if (out->n_order == 0) {
        nobody(&d);
    } else {
        explain_choice(&d);
        send(&d);
    }
    return TERN_OK;
}
