/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the router share. */
#ifndef TI_SERVE_ROUTER_PARTS_H
#define TI_SERVE_ROUTER_PARTS_H

#include "serve/api_parts.h"
#include "serve/courier.h"
#include "serve/ration.h"
#include "serve/relay.h"
#include "serve/router.h"

enum {
    TI_RETRY_COST = 10, /* a request earns one of these */
    TI_RETRY_MAX = 100
};

struct ti_router {
    ti_router_opts opts;
    ti_courier *courier;
    ti_ration *ration;     /* NULL: no budget */
    pthread_mutex_t mutex; /* of all below; held while a decision is made and charged */
    ti_breaker breakers[TI_ROUTE_MAX];
    uint64_t answered[TI_ROUTE_MAX], failed[TI_ROUTE_MAX]; /* attempts */
    uint32_t retries;
    ti_tally tally;
};

typedef enum ti_stage { TI_STAGE_WAIT = 0, TI_STAGE_LOCAL, TI_STAGE_REMOTE } ti_stage;

/* A chat that is routed.  One thread at a time has it: who takes the request, then the engine's
 * or the courier's, then the finisher. */
struct ti_routed {
    ti_call *call;
    ti_router *router;
    ti_relay_ask ask;
    ti_route_request request;
    ti_refusal not_here; /* why this machine cannot answer it; http 0: it can */
    bool allowed[TI_ROUTE_MAX];
    bool pinned; /* the client named who should answer */

    ti_route_candidate candidates[TI_ROUTE_MAX]; /* as they were when it was decided */
    ti_route route;
    size_t at;         /* in route.order */
    uint32_t to;       /* who is asked */
    uint32_t attempts; /* of all, and ... */
    uint32_t tries;    /* of this one */
    bool local_tried;
    bool put_off; /* once */
    ti_ration_share share;
    uint64_t failed_ug; /* of attempts that came to nothing */
    char header[TI_RELAY_HEADER_MAX];

    ti_stage stage;
    ti_fate fate; /* of what the courier did */
    long code;
    uint32_t retry_after_s;
    char why[TI_COURIER_WHY];
    ti_buf body;           /* of an answer that is not streamed, or of a refusal */
    ti_buf early;          /* of a stream: what came before any text, ready to be sent */
    ti_buf held;           /* the object that ends a choice, which waits for the cost */
    ti_buf usage;          /* the last object with a usage */
    size_t said;           /* bytes of text */
    uint64_t sent_ns;      /* when it was asked, and ... */
    uint64_t first_ns;     /* said something; 0: nothing yet */
    ti_recent_other other; /* who has answered, once that is known */
    ti_relay_tokens tokens;
    bool done; /* the stream has said so */
};

/* Decides, and charges what is expected.  On failure nothing is charged.
 * Errors: those of ti_route_decide() and ti_ration_take(). */
tern_status ti_router_decide(ti_routed *r, tern_err *err);

/* Before a fallback: charges what that one is expected to take, beside what failed; false when
 * the day has no room for it. */
bool ti_router_recharge(ti_routed *r, uint32_t to);

/* Puts down what it took in the end: grams of the answer beside what failed. */
void ti_router_settle(ti_routed *r, uint64_t answer_ug);

/* Grams and joules of so many tokens there.  False when they cannot be computed. */
bool ti_router_row(ti_route_row *out, const ti_routed *r, uint32_t to, uint64_t in_tokens,
                   uint64_t out_tokens);

/* Counts who gave an answer that was whole, and what it took; another machine's, or what the
 * meter of this one says. */
void ti_router_count_remote(ti_routed *r, const ti_relay_cost *cost);
void ti_router_count_local(ti_routed *r, const ti_cost *cost);

typedef enum ti_outcome { TI_OUTCOME_GOOD = 0, TI_OUTCOME_BAD, TI_OUTCOME_NONE } ti_outcome;

/* Whether candidate `to` may be asked, as its breaker says; who got true must report. */
bool ti_router_take(ti_router *router, uint32_t to);

/* What became of it. */
void ti_router_report(ti_router *router, uint32_t to, ti_outcome outcome);

/* True when the budget of retries has one more. */
bool ti_router_retry(ti_router *router);

/* Decides who is to answer, and asks them, waits or refuses; the chat may be gone afterwards.
 * Returns true: one or the other was done. */
bool ti_routed_decide(ti_routed *r);

/* Sends the attempt r->to on its way; the call is not to be touched after TERN_OK.
 * Errors: those of ti_courier_send(); TERN_UNAVAILABLE (stopped, no key). */
tern_status ti_routed_send(ti_routed *r, uint64_t delay_ms, tern_err *err);

/* Lets it wait; the same. */
tern_status ti_routed_wait(ti_routed *r, uint64_t delay_ms, tern_err *err);

/* Sends what ends an answer that was whole; false when it was none, with r->why.  The client's
 * reply is not ended.  *ug is what it took. */
bool ti_routed_conclude(ti_routed *r, uint64_t *ug);

/* What comes of it in the log and in the page's list. */
void ti_routed_note(const ti_routed *r, unsigned code, uint64_t ug);

#endif
