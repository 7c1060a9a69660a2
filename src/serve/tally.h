/* SPDX-License-Identifier: Apache-2.0 */
/* serve/tally.h - who answered chats that were routed, what that took, and what one of them
 * alone would have taken.  Sums only: values in, JSON out.
 *
 * THE COUNTERFACTUAL of routing is a client that has one address: the first of the list that is
 * good for every task, which is this machine where it is.  For each answer that somebody else
 * gave, its grams are compared with what that one is expected to take for the same tokens, in
 * the same minute, on the same basis.  What attempts took that came to nothing is subtracted.
 * Both sides keep their ranges: the saving's lower end is the counterfactual's less the upper
 * end of what was taken.  An answer that the counterfactual itself gave saves nothing. */
#ifndef TI_SERVE_TALLY_H
#define TI_SERVE_TALLY_H

#include "base/buf.h"
#include "serve/upstreams.h"

#define TI_TALLY_NOBODY UINT32_MAX

typedef struct ti_tally_grams {
    uint64_t co2_ug, low_ug, high_ug;
} ti_tally_grams;

typedef struct ti_tally_one {
    uint64_t answers;
    uint64_t unknown;   /* of these, whose grams are not known on the basis of the sums */
    uint64_t energy_uj; /* of those whose joules are known */
    ti_tally_grams took;
} ti_tally_one;

/* Zeroed, it is empty but for `alone`, which ti_tally_begin() sets. */
typedef struct ti_tally {
    uint32_t alone; /* who the counterfactual is; TI_TALLY_NOBODY: nobody does every task */
    ti_tally_one by[TI_ROUTE_MAX];
    uint64_t failed_ug; /* of attempts that came to nothing */
    bool has_basis;     /* what all grams here count: the budget's, or the first answer's */
    ti_basis basis;
    uint64_t compared, moved;        /* answers; of these, not by the counterfactual itself */
    uint64_t not_compared;           /* one side is not known, or counts something else */
    ti_tally_grams took, alone_took; /* of the moved ones */
    ti_route_word word;              /* the weakest word behind them */
} ti_tally;

/* What an answer took, or would have. */
typedef struct ti_tally_figure {
    const ti_route_row *row;
    ti_route_word word; /* whose word its joules are */
    ti_basis basis;     /* of its grams */
} ti_tally_figure;

/* Begins.  served  [list->n]: which local ones can answer at all. */
void ti_tally_begin(ti_tally *out, const ti_upstreams *list, const bool *served);

/* Counts an answer by candidate `to`.  alone: what the counterfactual would have taken for the
 * same tokens; NULL where there is none. */
void ti_tally_add(ti_tally *tally, uint32_t to, const ti_tally_figure *took,
                  const ti_tally_figure *alone);

/* Less, or more, than the counterfactual: micrograms, cut to 64 bits. */
typedef struct ti_tally_saved {
    int64_t co2_ug, low_ug, high_ug;
} ti_tally_saved;

/* Of all answers that were counted. */
ti_tally_saved ti_tally_saved_of(const ti_tally *tally);

/* What a page is told of routing.  Nothing is owned. */
typedef struct ti_routing {
    const ti_upstreams *list;
    ti_tally tally;
    uint64_t failed[TI_ROUTE_MAX]; /* attempts */
    bool paused[TI_ROUTE_MAX];     /* by its circuit breaker */
    bool unready[TI_ROUTE_MAX];    /* its key or model is not there */
    uint64_t used_ug;              /* of the day's budget, where the policy has one */
    int64_t renews_s;
} ti_routing;

/* Adds it under "routing"; NULL: null.  docs/serve.md has the members. */
void ti_json_routing(ti_buf *out, const ti_routing *routing);

#endif
