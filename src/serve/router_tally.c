/* SPDX-License-Identifier: Apache-2.0 */
/* What routed answers took, beside what one of those who may answer alone would have taken. */
#include <time.h>

#include "serve/router_parts.h"

enum { PERMILLE = 1000, PER_TOKENS = 1000 };

static void count(ti_routed *r, const ti_route_row *row, ti_route_word word, uint64_t in_tokens,
                  uint64_t out_tokens)
{
    ti_router *router = r->router;
    uint32_t alone = router->tally.alone; /* never changes */
    const ti_route_candidate *by = &r->candidates[r->to];
    const ti_tally_figure took = {row, word, by->grid.basis};
    ti_route_row other = {0};
    ti_tally_figure counter = {.row = &other};
    if (alone != TI_TALLY_NOBODY) {
        const ti_route_candidate *c = &r->candidates[alone];
        counter.word = c->energy.word;
        counter.basis = c->grid.basis;
        (void)ti_router_row(&other, r, alone, in_tokens, out_tokens);
    }
    pthread_mutex_lock(&router->mutex);
    ti_tally_add(&router->tally, r->to, &took, &counter);
    pthread_mutex_unlock(&router->mutex);
}

void ti_router_count_remote(ti_routed *r, const ti_relay_cost *cost)
{
    count(r, cost->row, cost->candidate->energy.word, cost->tokens.in, cost->tokens.out);
}

static ti_route_word word_of(ti_evidence evidence)
{
    return evidence == TI_EVIDENCE_MEASURED   ? TI_WORD_MEASURED
           : evidence == TI_EVIDENCE_MODELLED ? TI_WORD_MODELLED
                                              : TI_WORD_DECLARED;
}

/* The meter's joules, the part of idle included, on the grid by which the others are counted:
 * as if a thousand tokens had taken them, so that there is one formula. */
static bool metered(ti_route_row *row, const ti_routed *r, const ti_energy_figure *e)
{
    const ti_route_policy policy = {.price_max_pusd = TI_ROUTE_NO_LIMIT,
                                    .time_max_us = TI_ROUTE_NO_LIMIT};
    const ti_route_request request = {.task = TI_ROUTE_THICK, .out_tokens = PER_TOKENS};
    uint32_t error = e->error_permille < PERMILLE ? e->error_permille : PERMILLE;
    ti_route_candidate c = r->candidates[r->to];
    ti_route route;
    c.energy = (ti_route_energy){.word = word_of(e->evidence),
                                 .out_uj = e->energy_uj + e->idle_uj,
                                 .low_permille = PERMILLE - error,
                                 .high_permille = PERMILLE + error};
    if (ti_route_decide(&route, &request, &c, 1, &policy, NULL) != TERN_OK) {
        return false;
    }
    *row = route.rows[0];
    return true;
}

void ti_router_count_local(ti_routed *r, const ti_cost *cost)
{
    const ti_call *c = r->call;
    uint64_t in = 0, out = 0;
    ti_route_row row = {0};
    for (size_t i = 0; i < c->n_parts; i++) {
        in += c->parts[i].usage.prompt_tokens;
        out += c->parts[i].usage.output_tokens;
    }
    if (cost->has_energy && metered(&row, r, &cost->energy)) {
        count(r, &row, word_of(cost->energy.evidence), in, out);
        return;
    }
    (void)ti_router_row(&row, r, r->to, in, out);
    count(r, &row, r->candidates[r->to].energy.word, in, out);
}

void ti_router_view(ti_routing *out, ti_router *router)
{
    const ti_upstreams *list = router->opts.upstreams;
    const ti_router_port *port = &router->opts.port;
    int64_t now_s = (int64_t)time(NULL);
    *out = (ti_routing){.list = list};
    pthread_mutex_lock(&router->mutex);
    out->tally = router->tally;
    for (size_t i = 0; i < list->n; i++) {
        out->failed[i] = router->failed[i];
        out->paused[i] = ti_breaker_state_at(&router->breakers[i], now_s) == TI_BREAKER_OPEN;
    }
    pthread_mutex_unlock(&router->mutex);
    for (size_t i = 0; i < list->n; i++) {
        const ti_upstream *u = &list->items[i];
        out->unready[i] = u->candidate.local
                              ? !router->opts.served[i]
                              : u->key_name && !port->key(port->user, u->key_name);
    }
    if (router->ration) {
        ti_ration_look(router->ration, now_s, &out->used_ug, &out->renews_s);
    }
}
