/* SPDX-License-Identifier: Apache-2.0 */
/* cli/serve_routes.h - what the router of `tern serve` asks of files, keys and grids
 * (serve/router.h).
 *
 * Grids are asked at the beginning and then every ten minutes, by a thread of its own: no
 * request waits for them.  The day's budget is in the file tern/budget.json of
 * $XDG_DATA_HOME. */
#ifndef TI_CLI_SERVE_ROUTES_H
#define TI_CLI_SERVE_ROUTES_H

#include <pthread.h>

#include "cli/keys.h"
#include "serve/router.h"

typedef struct ti_serve_routes {
    const ti_keys *keys;
    ti_upstreams upstreams;
    ti_thin thin;
    bool served[TI_ROUTE_MAX];
    char *budget_path;
    ti_router *router; /* what it is all for */
    pthread_t thread;  /* asks for grids */
    bool has_thread, has_locks;
    pthread_mutex_t mutex; /* of the two below */
    pthread_cond_t wake;
    bool closing;
    ti_route_grid grids[TI_ROUTE_MAX];
} ti_serve_routes;

typedef struct ti_serve_routes_args {
    const char *file, *classifier;
    const char *zone;       /* the grid here; NULL = the user's */
    const char *model_path; /* of the model that is served */
} ti_serve_routes_args;

/* Reads the file and opens the router.  Not to be moved afterwards.  Close it also when it
 * failed.  Errors: those of ti_upstreams_load(), ti_classifier_open(), ti_router_open();
 * TERN_UNAVAILABLE (no thread), TERN_CANCELLED. */
tern_status ti_serve_routes_open(ti_serve_routes *s, const ti_serve_routes_args *args,
                                 const ti_keys *keys, tern_err *err);

/* After the API was closed, and the router stopped.  Zeroed is allowed. */
void ti_serve_routes_close(ti_serve_routes *s);

#endif
