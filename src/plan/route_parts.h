/* SPDX-License-Identifier: Apache-2.0 */
/* plan/route_parts.h - what a candidate is expected to cost; inside of routing only. */
#ifndef TI_PLAN_ROUTE_PARTS_H
#define TI_PLAN_ROUTE_PARTS_H

#include "plan/route.h"

/* Checks what the header of ti_route_decide() promises to refuse; i is for the message. */
tern_status ti_route_check_request(const ti_route_request *request, tern_err *err);
tern_status ti_route_check_candidate(const ti_route_candidate *c, size_t i, tern_err *err);

/* Figures of one candidate, and all of `against` but what the budget and bases have to say. */
void ti_route_cost(ti_route_row *row, const ti_route_request *request,
                   const ti_route_candidate *c, const ti_route_policy *policy);

#endif
