/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration of routing: refused, or who is in it can be decided about. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "serve/upstreams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ti_route_candidate candidates[TI_ROUTE_MAX];
    static ti_route route;
    ti_upstreams u;
    tern_err err;
    if (ti_upstreams_parse(&u, (const char *)data, size, NULL, &err) != TERN_OK) {
        TI_ASSERT(err.offset <= size || err.offset == TI_NO_OFFSET);
        return 0;
    }
    for (size_t i = 0; i < u.n; i++) {
        TI_ASSERT(u.items[i].name && u.items[i].model);
        TI_ASSERT(u.items[i].candidate.local == !u.items[i].base_url);
        candidates[i] = u.items[i].candidate;
        candidates[i].grid = (ti_route_grid){.known = i % 2 == 0, .intensity_mg_kwh = 300000};
    }
    const ti_route_request request = {TI_ROUTE_THIN, 1000, u.answer_tokens, 1000000, 0};
    TI_ASSERT(ti_route_decide(&route, &request, candidates, u.n, &u.policy, &err) == TERN_OK);
    TI_ASSERT(route.n_whys > 0 && route.n == u.n);
    ti_upstreams_free(&u);
    return 0;
}
