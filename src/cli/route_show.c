/* SPDX-License-Identifier: Apache-2.0 */
/* A decision in words and as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "carbon/units.h"
#include "cli/moment.h"
#include "cli/route.h"

enum { SHA_TEXT = 2 * TI_SHA256_BYTES + 1, AMOUNT = 48, US_PER_MS = 1000, WHY_TEXT = 200 };

static const double PUSD_PER_USD = 1e12, US_PER_S = 1e6;

static const char *const against_names[] = {"task",    "room",   "time",  "price", "deadline",
                                            "breaker", "budget", "grams", "limit", "unready"};

static const char *const against_words[] = {"model not good enough",
                                            "does not fit",
                                            "too slow or speed unknown",
                                            "too dear or price unknown",
                                            "too late",
                                            "paused",
                                            "over the budget",
                                            "its grams cannot be counted",
                                            "a figure is too large",
                                            "its key is not set"};

enum { N_AGAINST = sizeof against_names / sizeof *against_names };

static const char *const code_names[TI_RWHY_CODES] = {
    "local-first", "local-costs", "fewest-grams", "only-known",  "only-one",   "overlap",
    "no-grams",    "other-basis", "trial",        "budget-left", "budget-end", "smaller",
    "never-fits",  "wait-budget", "wait-breaker", "no-time",     "nobody"};

static const char *name_at(const ti_route_asked *a, int64_t i)
{
    return a->upstreams.items[i].name;
}

static const char *task_name(ti_route_task task)
{
    return task == TI_ROUTE_THIN ? "thin" : "thick";
}

static void add_percent(ti_buf *out, uint32_t permille)
{
    ti_buf_addf(out, "%u.%u %%", permille / 10, permille % 10);
}

static const char *usd_text(char out[AMOUNT], uint64_t pusd)
{
    snprintf(out, AMOUNT, "$%.3g", (double)pusd / PUSD_PER_USD);
    return out;
}

static const char *seconds_text(char out[AMOUNT], uint64_t us)
{
    snprintf(out, AMOUNT, "%.3g s", (double)us / US_PER_S);
    return out;
}

/* --- reasons ------------------------------------------------------------------------------ */

static void list_against(ti_buf *out, uint32_t against)
{
    const char *comma = "";
    for (uint32_t i = 0; i < N_AGAINST; i++) {
        if (against & 1u << i) {
            ti_buf_addf(out, "%s%s", comma, against_words[i]);
            comma = ", ";
        }
    }
}

static const char *moment(char out[TI_MOMENT_TEXT], const ti_route_asked *a, int64_t time_s)
{
    return ti_moment_text(out, time_s, a->request.now_s);
}

static const char *grams(char out[TI_AMOUNT_TEXT], int64_t ug)
{
    return ti_grams_text(out, (uint64_t)ug);
}

/* Reasons of the budget, and of waiting. */
static void add_waiting(ti_buf *out, const ti_route_asked *a, const ti_route_why *w)
{
    char x[TI_AMOUNT_TEXT], y[TI_AMOUNT_TEXT], when[TI_MOMENT_TEXT];
    switch (w->code) {
    case TI_RWHY_BUDGET_LEFT:
        ti_buf_addf(out, "%s of today's budget are left, %s after it", grams(x, w->a),
                    grams(y, w->b));
        return;
    case TI_RWHY_BUDGET_END:
        ti_buf_addf(out, "%s of today's budget are left, and it would take %s", grams(x, w->a),
                    grams(y, w->b));
        return;
    case TI_RWHY_SMALLER:
        ti_buf_addf(out, "at the budget's end %s has it, for the fewest grams",
                    name_at(a, w->a));
        return;
    case TI_RWHY_NEVER_FITS:
        ti_buf_addf(out, "%s are more than the budget of a whole day, %s", grams(x, w->a),
                    grams(y, w->b));
        return;
    case TI_RWHY_WAIT_BUDGET:
        ti_buf_addf(out, "the next day's budget begins %s, before the deadline",
                    moment(when, a, w->a));
        return;
    case TI_RWHY_WAIT_BREAKER:
        ti_buf_addf(out, "%s failed; it is tried again %s", name_at(a, w->b),
                    moment(when, a, w->a));
        return;
    case TI_RWHY_NO_TIME:
        ti_buf_addf(out, "%s: it could be tried again %s",
                    w->b ? "the deadline does not allow to wait" : "somebody is waiting for it",
                    moment(when, a, w->a));
        return;
    default:
        ti_buf_adds(out, w->a ? "nobody may have it: " : "nobody is there to have it");
        list_against(out, (uint32_t)w->a);
    }
}

static void add_why(ti_buf *out, const ti_route_asked *a, const ti_route_why *w)
{
    char x[TI_AMOUNT_TEXT];
    switch (w->code) {
    case TI_RWHY_LOCAL_FIRST:
        ti_buf_addf(out, "%s is here, good enough and fast enough", name_at(a, w->a));
        return;
    case TI_RWHY_LOCAL_COSTS:
        ti_buf_addf(out, "%s would take %s less", name_at(a, w->a), grams(x, w->b));
        return;
    case TI_RWHY_FEWEST_GRAMS:
        ti_buf_addf(out, "%s takes the fewest grams, %s less than the next", name_at(a, w->a),
                    grams(x, w->b));
        return;
    case TI_RWHY_ONLY_KNOWN:
        ti_buf_addf(out, "nobody's grams but those of %s can be compared", name_at(a, w->a));
        return;
    case TI_RWHY_ONLY_ONE:
        ti_buf_addf(out, "nobody but %s may have it", name_at(a, w->a));
        return;
    case TI_RWHY_OVERLAP:
        ti_buf_addf(out, "not certain: the range of %s overlaps", name_at(a, w->a));
        return;
    case TI_RWHY_NO_GRAMS:
        ti_buf_addf(out, "the grams of %s are not known", name_at(a, w->a));
        return;
    case TI_RWHY_OTHER_BASIS:
        ti_buf_addf(out, "%" PRId64 " on another basis %s not compared", w->a,
                    w->a == 1 ? "is" : "are");
        return;
    case TI_RWHY_TRIAL:
        ti_buf_addf(out, "%s failed before: this is a trial", name_at(a, w->a));
        return;
    default:
        add_waiting(out, a, w);
    }
}

/* --- for people --------------------------------------------------------------------------- */

static void add_task(ti_buf *out, const ti_route_asked *a)
{
    const ti_thin_answer *t = &a->answer;
    ti_str intent = a->thin.names[t->intent];
    ti_buf_addf(out,
                "text      %zu bytes, %" PRIu64 " words, %s%" PRIu64 " tokens; %" PRIu64
                " are expected as the answer\n",
                a->bytes, t->words, a->counted ? "" : "about ", a->request.in_tokens,
                a->request.out_tokens);
    ti_buf_addf(
        out, "task      %s: most like '%.*s', score %" PRId32 ", thin from %" PRId32 " on\n",
        task_name(a->request.task), (int)intent.len, intent.data, t->score, t->threshold);
    ti_buf_adds(out, "          of known requests ");
    add_percent(out, t->known_permille);
    ti_buf_adds(out, " score lower, of others ");
    add_percent(out, t->other_permille);
    ti_buf_adds(out, "\n          a larger model helps more than with ");
    add_percent(out, t->gain_permille);
    ti_buf_adds(out, " of school and exam questions\n");
}

static void add_decision(ti_buf *out, const ti_route_asked *a)
{
    const ti_route *r = &a->route;
    char when[TI_MOMENT_TEXT];
    ti_buf_addf(out, "decision  %s", ti_route_action_name(r->action));
    if (r->n_order > 0) {
        const ti_upstream *u = &a->upstreams.items[r->order[0]];
        ti_buf_addf(out, ": %s, model %s", u->name, u->model);
    } else if (r->until_s > 0) {
        ti_buf_addf(out, " until %s", moment(when, a, r->until_s));
    }
    ti_buf_addc(out, '\n');
    for (uint32_t i = 0; i < r->n_whys; i++) {
        ti_buf_adds(out, "          ");
        add_why(out, a, &r->whys[i]);
        ti_buf_addc(out, '\n');
    }
}

static void add_cost(ti_buf *out, const ti_route_asked *a, size_t i)
{
    const ti_route_row *row = &a->route.rows[i];
    const ti_upstream *u = &a->upstreams.items[i];
    char x[TI_AMOUNT_TEXT], y[TI_AMOUNT_TEXT], text[AMOUNT];
    if (row->grams_known) {
        ti_buf_addf(out, "    %s CO2e", ti_grams_text(x, row->co2_ug));
        ti_buf_addf(out, " (%s .. %s)", ti_grams_text(x, row->co2_low_ug),
                    ti_grams_text(y, row->co2_high_ug));
    } else {
        ti_buf_adds(out, "    grams unknown");
    }
    if (row->energy_known) {
        ti_buf_addf(out, ", %s %s", ti_joules_text(x, row->energy_uj),
                    ti_route_word_name(u->candidate.energy.word));
        ti_buf_addf(out, "%s%s%s", u->energy_by ? " (" : "", u->energy_by ? u->energy_by : "",
                    u->energy_by ? ")" : "");
    } else {
        ti_buf_adds(out, ", joules unknown");
    }
    ti_buf_addf(out, "; %s",
                row->time_known ? seconds_text(text, row->time_us) : "time unknown");
    if (row->time_known) {
        ti_buf_addf(out, " %s", ti_route_word_name(u->candidate.speed.word));
    }
    ti_buf_addf(out, "; %s\n",
                row->price_known ? usd_text(text, row->price_pusd) : "price unknown");
}

static void add_candidate(ti_buf *out, const ti_route_asked *a, size_t i)
{
    const ti_upstream *u = &a->upstreams.items[i];
    uint32_t pue = u->candidate.pue_permille;
    ti_buf_addf(out, "%s (%s, for %s tasks): ", u->name,
                u->candidate.local ? "here" : "upstream", u->candidate.thick ? "all" : "thin");
    if (a->route.rows[i].against) {
        ti_buf_adds(out, "no, ");
        list_against(out, a->route.rows[i].against);
    } else {
        ti_buf_adds(out, "yes");
    }
    ti_buf_addc(out, '\n');
    add_cost(out, a, i);
    ti_buf_adds(out, "    ");
    ti_add_zone(out, a->grids[i]);
    ti_buf_addf(out, "; PUE %u.%02u\n", pue / 1000, pue % 1000 / 10);
}

void ti_route_text(ti_buf *out, const ti_route_asked *a)
{
    add_task(out, a);
    add_decision(out, a);
    if (a->upstreams.n > 0) {
        ti_buf_addc(out, '\n');
    }
    for (size_t i = 0; i < a->upstreams.n; i++) {
        add_candidate(out, a, i);
    }
}

/* --- as JSON ------------------------------------------------------------------------------ */

static void json_task(ti_buf *json, const ti_route_asked *a)
{
    char sha[SHA_TEXT];
    const ti_thin_answer *t = &a->answer;
    ti_str intent = a->thin.names[t->intent];
    for (size_t i = 0; i < TI_SHA256_BYTES; i++) {
        snprintf(sha + 2 * i, 3, "%02x", a->thin.sha256[i]);
    }
    ti_json_open(json, "task", '{');
    ti_json_str(json, "class", task_name(a->request.task));
    ti_json_strn(json, "intent", intent.data, intent.len);
    ti_json_int(json, "score", t->score);
    ti_json_int(json, "threshold", t->threshold);
    ti_json_uint(json, "known_below_permille", t->known_permille);
    ti_json_uint(json, "other_below_permille", t->other_permille);
    ti_json_int(json, "gain", t->gain);
    ti_json_uint(json, "gain_below_permille", t->gain_permille);
    ti_json_str(json, "classifier_sha256", sha);
    ti_json_close(json, '}');
}

static void json_decision(ti_buf *json, const ti_route_asked *a)
{
    const ti_route *r = &a->route;
    char basis[TI_BASIS_TEXT];
    ti_json_open(json, "decision", '{');
    ti_json_str(json, "action", ti_route_action_name(r->action));
    ti_json_open(json, "order", '[');
    for (size_t i = 0; i < r->n_order; i++) {
        ti_json_str(json, NULL, name_at(a, r->order[i]));
    }
    ti_json_close(json, ']');
    if (r->until_s > 0) {
        ti_json_int(json, "until_s", r->until_s);
    }
    if (r->compared) {
        ti_json_str(json, "basis", ti_basis_text(basis, r->basis));
    }
    ti_json_open(json, "because", '[');
    for (uint32_t i = 0; i < r->n_whys; i++) {
        ti_buf text = {0};
        add_why(&text, a, &r->whys[i]);
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "code", code_names[r->whys[i].code]);
        ti_json_int(json, "a", r->whys[i].a);
        ti_json_int(json, "b", r->whys[i].b);
        ti_json_str(json, "text", text.failed || !text.data ? "" : text.data);
        ti_json_close(json, '}');
        json->failed = json->failed || text.failed;
        ti_buf_free(&text);
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}

static void json_figures(ti_buf *json, const ti_route_asked *a, size_t i)
{
    const ti_route_row *row = &a->route.rows[i];
    const ti_upstream *u = &a->upstreams.items[i];
    if (row->energy_known) {
        ti_json_open(json, "energy", '{');
        ti_json_uint(json, "energy_uj", row->energy_uj);
        ti_json_uint(json, "low_uj", row->energy_low_uj);
        ti_json_uint(json, "high_uj", row->energy_high_uj);
        ti_json_str(json, "evidence", ti_route_word_name(u->candidate.energy.word));
        if (u->energy_by) {
            ti_json_str(json, "source", u->energy_by);
        }
        ti_json_close(json, '}');
    }
    if (row->grams_known) {
        char basis[TI_BASIS_TEXT];
        ti_json_open(json, "carbon", '{');
        ti_json_uint(json, "co2_ug", row->co2_ug);
        ti_json_uint(json, "low_ug", row->co2_low_ug);
        ti_json_uint(json, "high_ug", row->co2_high_ug);
        ti_json_str(json, "basis", ti_basis_text(basis, u->candidate.grid.basis));
        ti_json_close(json, '}');
    }
    if (row->time_known) {
        ti_json_uint(json, "time_ms", (row->time_us + US_PER_MS / 2) / US_PER_MS);
        ti_json_str(json, "time_evidence", ti_route_word_name(u->candidate.speed.word));
    }
    if (row->price_known) {
        ti_json_num(json, "price_usd", (double)row->price_pusd / PUSD_PER_USD, 12);
    }
}

static void json_grid(ti_buf *json, const ti_zone_now *z)
{
    if (!z) {
        return;
    }
    ti_json_open(json, "grid", '{');
    ti_json_str(json, "zone", z->zone);
    if (z->known) {
        ti_json_uint(json, "intensity_mg_kwh", z->intensity.intensity_mg_kwh);
        ti_json_str(json, "source", z->source);
        ti_json_str(json, "how", ti_how_text(z->how));
        if (z->year) {
            ti_json_uint(json, "year", z->year);
        }
    } else {
        ti_json_str(json, "unknown", z->why);
    }
    ti_json_close(json, '}');
}

static void json_candidate(ti_buf *json, const ti_route_asked *a, size_t i)
{
    const ti_upstream *u = &a->upstreams.items[i];
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "name", u->name);
    ti_json_str(json, "model", u->model);
    ti_json_bool(json, "local", u->candidate.local);
    ti_json_str(json, "good_for", u->candidate.thick ? "thick" : "thin");
    ti_json_open(json, "against", '[');
    for (uint32_t k = 0; k < N_AGAINST; k++) {
        if (a->route.rows[i].against & 1u << k) {
            ti_json_str(json, NULL, against_names[k]);
        }
    }
    ti_json_close(json, ']');
    json_figures(json, a, i);
    ti_json_uint(json, "pue_permille", u->candidate.pue_permille);
    json_grid(json, a->grids[i]);
    ti_json_close(json, '}');
}

void ti_route_document(ti_buf *json, const ti_route_asked *a)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "schema", "tern.route/1");
    json_task(json, a);
    ti_json_open(json, "request", '{');
    ti_json_uint(json, "bytes", a->bytes);
    ti_json_uint(json, "words", a->answer.words);
    ti_json_uint(json, "in_tokens", a->request.in_tokens);
    ti_json_str(json, "in_tokens_by", a->counted ? "given" : "estimated");
    ti_json_uint(json, "out_tokens", a->request.out_tokens);
    ti_json_int(json, "now_s", a->request.now_s);
    if (a->request.deadline_s > 0) {
        ti_json_int(json, "deadline_s", a->request.deadline_s);
    }
    ti_json_close(json, '}');
    json_decision(json, a);
    ti_json_open(json, "candidates", '[');
    for (size_t i = 0; i < a->upstreams.n; i++) {
        json_candidate(json, a, i);
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}
