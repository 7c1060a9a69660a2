/* SPDX-License-Identifier: Apache-2.0 */
/* cli/route.h - inside of `tern route`: what was asked, what was decided, and how it is said.
 */
#ifndef TI_CLI_ROUTE_H
#define TI_CLI_ROUTE_H

#include "base/buf.h"
#include "cli/providers.h"
#include "cli/zone_now.h"
#include "model/thin.h"
#include "plan/route.h"
#include "serve/upstreams.h"

typedef struct ti_route_asked {
    size_t bytes; /* of the text, which itself is never shown */
    ti_thin thin;
    ti_thin_answer answer;
    bool counted; /* in_tokens was given, else estimated from bytes */
    ti_route_request request;
    ti_upstreams upstreams; /* items[n] of them, with their candidates */
    ti_route_policy policy;
    const ti_zone_now *grids[TI_ROUTE_MAX]; /* of each candidate; NULL: not known */
    ti_zone_now *zones;                     /* [n_zones] */
    size_t n_zones;
    ti_local local; /* of --local */
    ti_route route;
} ti_route_asked;

/* For people: the task, the decision and its reasons, everybody's figures. */
void ti_route_text(ti_buf *out, const ti_route_asked *asked);

/* Schema tern.route/1. */
void ti_route_document(ti_buf *json, const ti_route_asked *asked);

#endif
