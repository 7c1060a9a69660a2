/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions, the budget, breakers: what all routed requests share. */
#include "serve/router.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/router_parts.h"

static int64_t now_s(void)
{
    return (int64_t)time(NULL);
}

/* --- breakers and retries -------------------------------------------------------------------
 */

bool ti_router_take(ti_router *router, uint32_t to)
{
    pthread_mutex_lock(&router->mutex);
    bool taken = ti_breaker_take(&router->breakers[to], now_s());
    pthread_mutex_unlock(&router->mutex);
    return taken;
}

void ti_router_report(ti_router *router, uint32_t to, ti_outcome outcome)
{
    const ti_breaker_policy policy = TI_BREAKER_DEFAULT;
    pthread_mutex_lock(&router->mutex);
    ti_breaker *b = &router->breakers[to];
    router->answered[to] += outcome == TI_OUTCOME_GOOD;
    router->failed[to] += outcome == TI_OUTCOME_BAD;
    if (outcome == TI_OUTCOME_GOOD) {
        ti_breaker_succeeded(b);
    } else if (outcome == TI_OUTCOME_BAD) {
        ti_breaker_failed(b, &policy, now_s());
    } else {
        ti_breaker_taken_back(b);
    }
    pthread_mutex_unlock(&router->mutex);
}

bool ti_router_retry(ti_router *router)
{
    pthread_mutex_lock(&router->mutex);
    bool good = router->retries >= TI_RETRY_COST;
    router->retries -= good ? TI_RETRY_COST : 0;
    pthread_mutex_unlock(&router->mutex);
    return good;
}

/* --- decisions ------------------------------------------------------------------------------
 */

static void fill(ti_routed *r)
{
    const ti_upstreams *list = r->router->opts.upstreams;
    const ti_router_port *port = &r->router->opts.port;
    ti_route_grid grids[TI_ROUTE_MAX];
    memset(grids, 0, sizeof grids);
    port->grids(port->user, grids, list->n);
    for (size_t i = 0; i < list->n; i++) {
        const ti_upstream *u = &list->items[i];
        ti_route_candidate *c = &r->candidates[i];
        *c = u->candidate;
        c->grid = grids[i];
        c->breaker = r->router->breakers[i];
        bool key = !u->key_name || port->key(port->user, u->key_name);
        bool here = !c->local || (r->router->opts.served[i] && r->not_here.http == 0);
        c->unready = !r->allowed[i] || !key || !here;
        c->thick |= r->pinned; /* who names a model says that it will do */
    }
}

tern_status ti_router_decide(ti_routed *r, tern_err *err)
{
    ti_router *router = r->router;
    ti_route_policy policy = router->opts.upstreams->policy;
    pthread_mutex_lock(&router->mutex);
    r->request.now_s = now_s();
    router->retries += router->retries < TI_RETRY_MAX ? 1 : 0;
    fill(r);
    if (router->ration) {
        ti_ration_look(router->ration, r->request.now_s, &policy.budget.used_ug,
                       &policy.budget.renews_s);
    }
    tern_status status = ti_route_decide(&r->route, &r->request, r->candidates,
                                         router->opts.upstreams->n, &policy, err);
    if (status == TERN_OK && router->ration && r->route.n_order > 0) {
        status = ti_ration_take(router->ration, &r->share, r->request.now_s,
                                r->route.rows[r->route.order[0]].co2_ug, err);
    }
    pthread_mutex_unlock(&router->mutex);
    return status;
}

bool ti_router_recharge(ti_routed *r, uint32_t to)
{
    ti_router *router = r->router;
    const ti_route_budget *b = &router->opts.upstreams->policy.budget;
    uint64_t used, others, ug = r->failed_ug + r->route.rows[to].co2_ug;
    int64_t renews;
    bool room = true;
    if (!router->ration) {
        return true;
    }
    pthread_mutex_lock(&router->mutex);
    ti_ration_look(router->ration, now_s(), &used, &renews);
    others = used > r->share.ug ? used - r->share.ug : 0;
    uint64_t most = b->day_ug + (b->end == TI_ROUTE_END_SMALLER ? b->reserve_ug : 0);
    room = others <= most && ug <= most - others &&
           ti_ration_settle(router->ration, &r->share, ug, NULL) == TERN_OK;
    pthread_mutex_unlock(&router->mutex);
    return room;
}

void ti_router_settle(ti_routed *r, uint64_t answer_ug)
{
    tern_err err = {0};
    const ti_api_port *port = &r->call->api->opts.port;
    pthread_mutex_lock(&r->router->mutex);
    r->router->tally.failed_ug += r->failed_ug;
    pthread_mutex_unlock(&r->router->mutex);
    if (r->router->ration &&
        ti_ration_settle(r->router->ration, &r->share, r->failed_ug + answer_ug, &err) !=
            TERN_OK &&
        port->warn) {
        port->warn(port->user, &err);
    }
}

bool ti_router_row(ti_route_row *out, const ti_routed *r, uint32_t to, uint64_t in_tokens,
                   uint64_t out_tokens)
{
    const ti_route_policy policy = {.price_max_pusd = TI_ROUTE_NO_LIMIT,
                                    .time_max_us = TI_ROUTE_NO_LIMIT};
    const ti_route_request request = {.task = TI_ROUTE_THICK,
                                      .in_tokens = in_tokens,
                                      .out_tokens = out_tokens,
                                      .now_s = r->request.now_s};
    ti_route route;
    if (ti_route_decide(&route, &request, &r->candidates[to], 1, &policy, NULL) != TERN_OK) {
        return false;
    }
    *out = route.rows[0];
    return true;
}

/* --- figures --------------------------------------------------------------------------------
 */

static void add_counter(ti_buf *out, const ti_upstreams *list, const char *name,
                        const char *help, const uint64_t *values)
{
    ti_buf_addf(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
    for (size_t i = 0; i < list->n; i++) {
        ti_buf_addf(out, "%s{to=\"", name);
        for (const char *c = list->items[i].name; *c; c++) { /* printable ASCII */
            ti_buf_adds(out, *c == '"' || *c == '\\' ? "\\" : "");
            ti_buf_addc(out, *c);
        }
        ti_buf_addf(out, "\"} %" PRIu64 "\n", values[i]);
    }
}

void ti_router_metrics(ti_buf *out, ti_router *router)
{
    const ti_upstreams *list = router->opts.upstreams;
    uint64_t used;
    int64_t renews;
    pthread_mutex_lock(&router->mutex);
    add_counter(out, list, "tern_route_answers_total", "Chats that somebody answered.",
                router->answered);
    add_counter(out, list, "tern_route_failures_total", "Attempts that came to nothing.",
                router->failed);
    pthread_mutex_unlock(&router->mutex);
    if (router->ration) {
        ti_ration_look(router->ration, now_s(), &used, &renews);
        ti_buf_addf(
            out,
            "# HELP tern_route_budget_used_micrograms What today's budget was charged.\n"
            "# TYPE tern_route_budget_used_micrograms gauge\n"
            "tern_route_budget_used_micrograms %" PRIu64 "\n",
            used);
    }
}

/* --- beginning and end ----------------------------------------------------------------------
 */

tern_status ti_router_open(ti_router **out, const ti_router_opts *opts, tern_err *err)
{
    const ti_route_budget *budget = &opts->upstreams->policy.budget;
    ti_router *router = ti_calloc(1, sizeof *router);
    if (!router || pthread_mutex_init(&router->mutex, NULL) != 0) {
        free(router);
        return ti_fail_nomem(err, "routing", sizeof *router, "a router");
    }
    router->opts = *opts;
    router->retries = TI_RETRY_MAX;
    ti_tally_begin(&router->tally, opts->upstreams, opts->served);
    tern_status status = ti_courier_open(&router->courier, err);
    if (status == TERN_OK && budget->set) {
        status =
            ti_ration_open(&router->ration, opts->budget_path, budget->basis, now_s(), err);
    }
    if (status != TERN_OK) {
        ti_router_close(router);
        return status;
    }
    *out = router;
    return TERN_OK;
}

const ti_upstreams *ti_router_upstreams(const ti_router *router)
{
    return router->opts.upstreams;
}

void ti_router_stop(ti_router *router)
{
    if (router) {
        ti_courier_stop(router->courier);
    }
}

void ti_router_close(ti_router *router)
{
    if (router) {
        ti_courier_close(router->courier);
        ti_ration_close(router->ration);
        pthread_mutex_destroy(&router->mutex);
        free(router);
    }
}
