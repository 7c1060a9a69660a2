/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/tally.h"

#include "carbon/basis.h"
#include "serve/render.h"

void ti_tally_begin(ti_tally *out, const ti_upstreams *list, const bool *served)
{
    const ti_route_budget *budget = &list->policy.budget;
    *out =
        (ti_tally){.alone = TI_TALLY_NOBODY, .has_basis = budget->set, .basis = budget->basis};
    for (size_t i = 0; i < list->n && out->alone == TI_TALLY_NOBODY; i++) {
        const ti_route_candidate *c = &list->items[i].candidate;
        if (c->thick && (!c->local || served[i])) {
            out->alone = (uint32_t)i;
        }
    }
}

/* --- sums -----------------------------------------------------------------------------------
 */

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void add(ti_tally_grams *sum, const ti_route_row *row)
{
    sum->co2_ug = plus(sum->co2_ug, row->co2_ug);
    sum->low_ug = plus(sum->low_ug, row->co2_low_ug);
    sum->high_ug = plus(sum->high_ug, row->co2_high_ug);
}

/* Whether its grams can be added to the others'. */
static bool fits(ti_tally *t, const ti_tally_figure *f)
{
    if (!f || !f->row->grams_known) {
        return false;
    }
    if (!t->has_basis) {
        t->has_basis = true;
        t->basis = f->basis;
    }
    return ti_basis_equal(t->basis, f->basis);
}

/* The words are in the order of their strength. */
static ti_route_word weaker(ti_route_word a, ti_route_word b)
{
    return a > b ? a : b;
}

static void compare(ti_tally *t, const ti_tally_figure *took, const ti_tally_figure *alone)
{
    t->moved++;
    add(&t->took, took->row);
    add(&t->alone_took, alone->row);
    t->word = weaker(t->word, weaker(took->word, alone->word));
}

void ti_tally_add(ti_tally *t, uint32_t to, const ti_tally_figure *took,
                  const ti_tally_figure *alone)
{
    ti_tally_one *one = &t->by[to];
    bool known = fits(t, took);
    one->answers++;
    one->unknown += !known;
    if (took->row->energy_known) {
        one->energy_uj = plus(one->energy_uj, took->row->energy_uj);
    }
    if (known) {
        add(&one->took, took->row);
    }
    if (t->alone == TI_TALLY_NOBODY) {
        return;
    }
    if (to == t->alone) {
        t->compared++;
    } else if (known && fits(t, alone)) {
        t->compared++;
        compare(t, took, alone);
    } else {
        t->not_compared++;
    }
}

/* a - b - c, cut to 64 bits. */
static int64_t less(uint64_t a, uint64_t b, uint64_t c)
{
    __extension__ typedef __int128 wide;
    wide value = (wide)a - b - c;
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

ti_tally_saved ti_tally_saved_of(const ti_tally *t)
{
    return (ti_tally_saved){.co2_ug = less(t->alone_took.co2_ug, t->took.co2_ug, t->failed_ug),
                            .low_ug = less(t->alone_took.low_ug, t->took.high_ug, t->failed_ug),
                            .high_ug =
                                less(t->alone_took.high_ug, t->took.low_ug, t->failed_ug)};
}

/* --- JSON -----------------------------------------------------------------------------------
 */

static void add_grams(ti_buf *out, const ti_tally_grams *g)
{
    ti_json_uint(out, "co2_ug", g->co2_ug);
    ti_json_uint(out, "co2_low_ug", g->low_ug);
    ti_json_uint(out, "co2_high_ug", g->high_ug);
}

static void add_basis(ti_buf *out, bool known, ti_basis basis)
{
    char text[TI_BASIS_TEXT];
    if (known) {
        ti_json_str(out, "basis", ti_basis_text(text, basis));
    } else {
        ti_json_null(out, "basis");
    }
}

static void add_budget(ti_buf *out, const ti_routing *r)
{
    static const char *const ends[] = {"queue", "refuse", "smaller"};
    const ti_route_budget *b = &r->list->policy.budget;
    if (!b->set) {
        ti_json_null(out, "budget");
        return;
    }
    ti_json_open(out, "budget", '{');
    ti_json_uint(out, "day_ug", b->day_ug);
    ti_json_uint(out, "used_ug", r->used_ug);
    ti_json_uint(out, "reserve_ug", b->reserve_ug);
    ti_json_str(out, "at_end", ends[b->end]);
    ti_json_int(out, "renews_unix_s", r->renews_s);
    add_basis(out, true, b->basis);
    ti_json_close(out, '}');
}

static void add_one(ti_buf *out, const ti_routing *r, size_t i)
{
    const ti_upstream *u = &r->list->items[i];
    const ti_tally_one *one = &r->tally.by[i];
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "name", u->name);
    ti_json_str(out, "model", u->model);
    ti_json_bool(out, "local", u->candidate.local);
    if (u->zone) {
        ti_json_str(out, "zone", u->zone);
    } else {
        ti_json_null(out, "zone");
    }
    ti_json_uint(out, "answers", one->answers);
    ti_json_uint(out, "failures", r->failed[i]);
    ti_json_uint(out, "unknown", one->unknown);
    ti_json_uint(out, "energy_uj", one->energy_uj);
    add_grams(out, &one->took);
    ti_json_bool(out, "paused", r->paused[i]);
    ti_json_bool(out, "ready", !r->unready[i]);
    ti_json_close(out, '}');
}

static void add_savings(ti_buf *out, const ti_routing *r)
{
    const ti_tally *t = &r->tally;
    ti_tally_saved saved = ti_tally_saved_of(t);
    if (t->alone == TI_TALLY_NOBODY) {
        ti_json_null(out, "savings");
        return;
    }
    ti_json_open(out, "savings", '{');
    ti_json_str(out, "alone", r->list->items[t->alone].name);
    ti_json_uint(out, "compared", t->compared);
    ti_json_uint(out, "moved", t->moved);
    ti_json_uint(out, "not_compared", t->not_compared);
    ti_json_open(out, "took", '{');
    add_grams(out, &t->took);
    ti_json_close(out, '}');
    ti_json_open(out, "alone_took", '{');
    add_grams(out, &t->alone_took);
    ti_json_close(out, '}');
    ti_json_int(out, "co2_ug", saved.co2_ug);
    ti_json_int(out, "co2_low_ug", saved.low_ug);
    ti_json_int(out, "co2_high_ug", saved.high_ug);
    ti_json_str(out, "evidence", ti_route_word_name(t->word));
    ti_json_close(out, '}');
}

void ti_json_routing(ti_buf *out, const ti_routing *r)
{
    if (!r) {
        ti_json_null(out, "routing");
        return;
    }
    ti_json_open(out, "routing", '{');
    ti_json_str(out, "first",
                r->list->policy.first == TI_ROUTE_LOCAL_FIRST ? "local" : "grams");
    add_basis(out, r->tally.has_basis, r->tally.basis);
    add_budget(out, r);
    ti_json_open(out, "by", '[');
    for (size_t i = 0; i < r->list->n; i++) {
        add_one(out, r, i);
    }
    ti_json_close(out, ']');
    ti_json_uint(out, "failed_ug", r->tally.failed_ug);
    add_savings(out, r);
    ti_json_close(out, '}');
}
