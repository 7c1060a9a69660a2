/* SPDX-License-Identifier: Apache-2.0 */
/* plan/route.h - who answers a request: this machine or somebody else, and why.
 *
 * No clock, no file, no socket: the same values give the same decision, so that one which was
 * logged can be repeated.  Whole numbers throughout; what is not known is said to be unknown
 * and never taken for zero; grams on different bases are never compared or added.
 *
 * What a decision promises, in this order:
 *   1. nobody is chosen whose model is not good enough for the task, who cannot be asked, has
 * no room for it, is too slow, too dear, or paused by a circuit breaker (but see 3);
 *   2. what the carbon budget counts never exceeds it: a candidate whose expected grams do not
 *      fit into what is left of the day is not chosen, nor one whose grams are not known;
 *   3. at the budget's end the request waits, is refused, or a smaller model has it, as the
 *      policy says;
 *   4. of those who are left: local ones first where the policy says so, then the fewest
 *      expected grams, then the fewest joules, the lowest price, the shortest time, the
 *      caller's order.
 *
 * Who acts on it sends to order[0], and when that fails to order[1], and so on. */
#ifndef TI_PLAN_ROUTE_H
#define TI_PLAN_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/basis.h"
#include "base/err.h"
#include "plan/breaker.h"

enum {
    TI_ROUTE_MAX = 64, /* candidates */
    TI_ROUTE_WHYS_MAX = 12,
    TI_ROUTE_PUE_MAX_PERMILLE = 10000
};
#define TI_ROUTE_TOKENS_MAX UINT64_C(1000000000)
#define TI_ROUTE_RATE_MAX UINT64_C(1000000000000000) /* uJ, us or micro-USD in a rate */
#define TI_ROUTE_NO_LIMIT UINT64_MAX

/* What a request asks for: a small model will do, or not (model/thin.h tells). */
typedef enum ti_route_task { TI_ROUTE_THIN = 0, TI_ROUTE_THICK } ti_route_task;

/* Whose word a figure is. */
typedef enum ti_route_word {
    TI_WORD_UNKNOWN = 0,
    TI_WORD_MEASURED, /* by a meter, or a clock */
    TI_WORD_MODELLED, /* a formula, with its range */
    TI_WORD_DECLARED  /* somebody else's */
} ti_route_word;

/* "unknown", "measured", "modelled", "declared". */
const char *ti_route_word_name(ti_route_word word);

typedef struct ti_route_request {
    ti_route_task task;
    uint64_t in_tokens, out_tokens; /* of the prompt; of the answer, as many as are expected */
    int64_t now_s;
    int64_t deadline_s; /* it may wait until then; 0 = somebody is waiting for it */
} ti_route_request;

/* Energy of the machines, without PUE. */
typedef struct ti_route_energy {
    ti_route_word word;                   /* UNKNOWN: nothing below counts */
    uint64_t in_uj, out_uj;               /* of 1,000 tokens that are read; that are written */
    uint32_t low_permille, high_permille; /* the range, as parts of it: 1000 and 1000 = exact */
} ti_route_energy;

typedef struct ti_route_speed {
    ti_route_word word;
    uint64_t start_us;      /* before anything is read: connection, queue */
    uint64_t in_us, out_us; /* for 1,000 tokens */
} ti_route_speed;

typedef struct ti_route_price {
    bool known;
    uint64_t in_micro_usd, out_micro_usd; /* of a million tokens */
} ti_route_price;

typedef struct ti_route_grid {
    bool known;
    uint64_t intensity_mg_kwh;
    ti_basis basis;
} ti_route_grid;

typedef struct ti_route_candidate {
    bool local;
    bool unready;            /* cannot be asked: its key is not set, its model is not there */
    bool thick;              /* its model is good enough for a thick task too */
    uint64_t context_tokens; /* prompt and answer together; 0 = not known */
    ti_route_energy energy;
    ti_route_speed speed;
    ti_route_price price;
    uint32_t pue_permille; /* 1000 for a machine that nobody cools */
    ti_route_grid grid;
    ti_breaker breaker;
} ti_route_candidate;

typedef enum ti_route_first { TI_ROUTE_LOCAL_FIRST = 0, TI_ROUTE_FEWEST_GRAMS } ti_route_first;

/* At the budget's end. */
typedef enum ti_route_end {
    TI_ROUTE_END_QUEUE = 0, /* wait for the next day's, where the deadline allows it */
    TI_ROUTE_END_REFUSE,
    TI_ROUTE_END_SMALLER /* the fewest grams, good enough or not, within `reserve_ug` more */
} ti_route_end;

typedef struct ti_route_budget {
    bool set; /* else nothing below counts */
    uint64_t day_ug, used_ug;
    uint64_t reserve_ug; /* beyond day_ug, for TI_ROUTE_END_SMALLER only */
    ti_basis basis;      /* what it counts */
    int64_t renews_s;    /* when a new day begins */
    ti_route_end end;
} ti_route_budget;

typedef struct ti_route_policy {
    ti_route_first first;
    uint64_t price_max_pusd; /* millionths of a millionth of a dollar; TI_ROUTE_NO_LIMIT */
    uint64_t time_max_us;    /* until the answer is whole; TI_ROUTE_NO_LIMIT */
    ti_route_budget budget;
} ti_route_policy;

/* What speaks against a candidate. */
enum {
    TI_AGAINST_TASK = 1u << 0,     /* its model is not good enough for the task */
    TI_AGAINST_ROOM = 1u << 1,     /* prompt and answer do not fit */
    TI_AGAINST_TIME = 1u << 2,     /* too slow, or not known where a limit is set */
    TI_AGAINST_PRICE = 1u << 3,    /* too dear, or not known where a limit is set */
    TI_AGAINST_DEADLINE = 1u << 4, /* would end after it */
    TI_AGAINST_BREAKER = 1u << 5,  /* paused */
    TI_AGAINST_BUDGET = 1u << 6,   /* its grams do not fit into what is left of the day */
    TI_AGAINST_GRAMS = 1u << 7,  /* a budget is set, and its grams are not known on its basis */
    TI_AGAINST_LIMIT = 1u << 8,  /* a figure does not fit into 64 bits */
    TI_AGAINST_UNREADY = 1u << 9 /* cannot be asked */
};

/* Expected figures of one candidate for this request. */
typedef struct ti_route_row {
    uint32_t against; /* TI_AGAINST_...; 0 = it may have the request */
    bool energy_known, grams_known, time_known, price_known;
    bool other_basis; /* grams are known, but on another basis than those that are compared */
    uint64_t energy_uj, energy_low_uj, energy_high_uj; /* of the machines */
    uint64_t co2_ug, co2_low_ug, co2_high_ug;          /* with PUE, on its own grid's basis */
    uint64_t time_us, price_pusd;
} ti_route_row;

typedef enum ti_route_action {
    TI_ROUTE_LOCAL = 0,
    TI_ROUTE_UPSTREAM,
    TI_ROUTE_QUEUE, /* try again at until_s */
    TI_ROUTE_REFUSE /* until_s: when it could be tried again, 0 = never as it is */
} ti_route_action;

/* "local", "upstream", "queue", "refuse". */
const char *ti_route_action_name(ti_route_action action);

/* What a reason is about; `a` and `b` of ti_route_why.  Candidates are numbers. */
typedef enum ti_route_code {
    TI_RWHY_LOCAL_FIRST = 0, /* local, good enough and fast enough: a = candidate */
    TI_RWHY_LOCAL_COSTS, /* ... though somebody else has fewer grams: a = candidate, b = ug more
                          */
    TI_RWHY_FEWEST_GRAMS, /* a = candidate, b = ug fewer than the next one */
    TI_RWHY_ONLY_KNOWN,   /* a = candidate: nobody else's grams can be compared */
    TI_RWHY_ONLY_ONE,     /* a = candidate: nobody else may have it */
    TI_RWHY_OVERLAP,      /* the ranges of the first, and of a, overlap: not certain */
    TI_RWHY_NO_GRAMS,     /* chosen without: a = candidate whose grams are not known */
    TI_RWHY_OTHER_BASIS,  /* a = how many were not compared because of their basis */
    TI_RWHY_TRIAL,        /* its circuit breaker is half open: a = candidate */
    TI_RWHY_BUDGET_LEFT,  /* a = ug left of the day before this request, b = after it */
    TI_RWHY_BUDGET_END,   /* a = ug left, b = fewest ug that it would take */
    TI_RWHY_SMALLER,      /* a = candidate that is not good enough, taken at the budget's end */
    TI_RWHY_NEVER_FITS,   /* a = fewest ug that it would take, b = ug of a whole day */
    TI_RWHY_WAIT_BUDGET,  /* a = when a new day begins */
    TI_RWHY_WAIT_BREAKER, /* a = when the first pause ends, b = candidate */
    TI_RWHY_NO_TIME,      /* a = when it could be tried again, b = the deadline, 0 = none */
    TI_RWHY_NOBODY,       /* a = TI_AGAINST_... of all candidates together */
    TI_RWHY_CODES
} ti_route_code;

typedef struct ti_route_why {
    ti_route_code code;
    int64_t a, b;
} ti_route_why;

typedef struct ti_route {
    ti_route_action action;
    int64_t until_s; /* of QUEUE and REFUSE */
    size_t n_order;  /* candidates who may have it, the best one first; 0 of QUEUE and REFUSE */
    uint32_t order[TI_ROUTE_MAX];
    ti_basis basis; /* on which grams were compared; meaningful with compared */
    bool compared;
    size_t n; /* candidates */
    ti_route_row rows[TI_ROUTE_MAX];
    uint32_t n_whys;
    ti_route_why whys[TI_ROUTE_WHYS_MAX];
} ti_route;

/* Decides.  A request always gets a decision; that nobody may have it is one.
 * Grams are compared on the basis of the budget, else of the first candidate whose grid is
 * known.  Cost: O(n^2) for n candidates, no memory.
 * Errors: TERN_USAGE (values that contradict themselves: a rate above its limit, a PUE under 1,
 * a range that does not hold its middle, a request without tokens; the candidate is named by
 * its number), TERN_LIMIT (more than TI_ROUTE_MAX). */
tern_status ti_route_decide(ti_route *out, const ti_route_request *request,
                            const ti_route_candidate *candidates, size_t n,
                            const ti_route_policy *policy, tern_err *err);

#endif
