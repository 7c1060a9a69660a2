/* SPDX-License-Identifier: Apache-2.0 */
/* serve/router.h - chats that this machine or somebody else answers: the decision is plan's
 * (plan/route.h), what comes of it is here.
 *
 *     ti_router_open(&router, &opts, err);     and ti_api_opts.router = router
 *     ... serve ...
 *     ti_router_stop(router);                  no upstream is asked any more
 *     ti_serve_end(engine);  ti_api_close(api);  ti_serve_close(engine);
 * ti_router_close(router);
 *
 * For each request: classify, decide, charge what is expected to the day's budget, ask the
 * first in the order; when that fails before a byte has gone to the client, the next.  What it
 * took, failed attempts included, is charged in the end.  A retry of the same upstream is only
 * made when nobody else is left, once, and out of a budget of one for each ten requests. */
#ifndef TI_SERVE_ROUTER_H
#define TI_SERVE_ROUTER_H

#include "base/buf.h"
#include "model/thin.h"
#include "serve/tally.h"
#include "serve/upstreams.h"

typedef struct ti_router ti_router;

/* Called by any thread, by several at once. */
typedef struct ti_router_port {
    void *user;
    /* A key by its name, or NULL when it is not set.  Lives as long as the router. */
    const char *(*key)(void *user, const char *name);
    /* Fills in all candidates' grids as they are known at this moment; must not wait. */
    void (*grids)(void *user, ti_route_grid *out, size_t n);
} ti_router_port;

/* Everything lives as long as the router. */
typedef struct ti_router_opts {
    const ti_upstreams *upstreams;
    const ti_thin *thin;
    const bool *served;      /* [upstreams->n]: a local one whose model is the one served */
    const char *budget_path; /* of the file of the day's budget, where there is one */
    ti_router_port port;
} ti_router_opts;

/* Errors: those of ti_ration_open() and ti_courier_open(); TERN_NOMEM. */
tern_status ti_router_open(ti_router **out, const ti_router_opts *opts, tern_err *err);

/* Who may answer, for lists of models. */
const ti_upstreams *ti_router_upstreams(const ti_router *router);

/* Appends counters for Prometheus. */
void ti_router_metrics(ti_buf *out, ti_router *router);

/* Who answered, what it took and saved, and the budget, as they are now. */
void ti_router_view(ti_routing *out, ti_router *router);

/* From now on nobody is asked any more; waits until all upstreams were left alone. */
void ti_router_stop(ti_router *router);

/* After the API was closed.  NULL is allowed. */
void ti_router_close(ti_router *router);

#endif
