/* SPDX-License-Identifier: Apache-2.0 */
/* A chat that is routed: from the request to who answers it, and to the next when that fails.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/deferred.h"
#include "serve/router_parts.h"

enum {
    HTTP_BAD = 400,
    HTTP_TOO_LARGE = 413,
    HTTP_UNPROCESSABLE = 422,
    HTTP_TOO_MANY = 429,
    HTTP_GATEWAY = 502,
    HTTP_UNAVAILABLE = 503,
    HTTP_LATE = 504,
    RETRY_PAUSE_MS = 250,
    RETRY_AFTER_MAX_S = 5, /* a longer Retry-After is not waited for */
    MS = 1000
};

void ti_routed_free(ti_routed *r)
{
    if (r) {
        ti_buf_free(&r->body);
        ti_buf_free(&r->early);
        ti_buf_free(&r->held);
        ti_buf_free(&r->usage);
        free(r);
    }
}

/* --- the end --------------------------------------------------------------------------------
 */

static bool end(ti_routed *r, unsigned code, uint64_t ug)
{
    ti_call *c = r->call;
    ti_router_settle(r, ug);
    ti_routed_note(r, code, ug);
    ti_web_reply_end(c->reply);
    ti_call_free(c);
    return true;
}

/* Nobody waits for it any more. */
static bool give_up(ti_routed *r)
{
    ti_call_give_up(r->call);
    return end(r, TI_CLIENT_GONE, 0);
}

static bool refuse(ti_routed *r)
{
    ti_call *c = r->call;
    if (c->route && !c->begun) {
        ti_web_reply_header(c->reply, "X-Tern-Route", c->route);
    }
    ti_call_send_error(c);
    return end(r, c->why.http, 0);
}

/* Nobody may have it: what that is to a client. */
static void why_nobody(ti_routed *r)
{
    ti_refusal *why = &r->call->why;
    const ti_route *d = &r->route;
    bool budget = false, pause = false;
    uint32_t against = 0;
    for (uint32_t i = 0; i < d->n_whys; i++) {
        ti_route_code code = d->whys[i].code;
        budget |= code == TI_RWHY_BUDGET_END || code == TI_RWHY_NEVER_FITS;
        pause |= code == TI_RWHY_WAIT_BREAKER;
    }
    for (size_t i = 0; i < d->n; i++) {
        against |= r->allowed[i] ? d->rows[i].against : 0;
    }
    pause |= (against & TI_AGAINST_BREAKER) != 0;
    if (budget) {
        ti_refuse(why, NULL, "carbon_budget_exceeded",
                  "today's carbon budget has no room for it");
        why->http = HTTP_TOO_MANY;
        why->type = "rate_limit_error";
    } else if (r->not_here.http && !pause && !(against & ~(uint32_t)TI_AGAINST_UNREADY)) {
        *why = r->not_here;
    } else {
        ti_refuse(why, NULL, "no_route", "nobody may answer it%s%s%s%s%s%s",
                  against & TI_AGAINST_TASK ? "; not good enough" : "",
                  against & TI_AGAINST_ROOM ? "; no room" : "",
                  against & TI_AGAINST_TIME ? "; too slow" : "",
                  against & TI_AGAINST_PRICE ? "; too dear" : "",
                  against & TI_AGAINST_GRAMS ? "; grams are not known" : "",
                  against & TI_AGAINST_UNREADY ? "; a key or model is not there" : "");
        if (pause) {
            ti_refuse(why, NULL, "upstream_paused",
                      "who could answer it fails too often, and is left alone for a while");
        }
        why->http = HTTP_UNAVAILABLE;
        why->type = "server_error";
    }
    if (d->until_s > r->request.now_s && d->until_s - r->request.now_s < UINT32_MAX) {
        why->retry_s = (uint32_t)(d->until_s - r->request.now_s);
    }
}

/* --- one after the other --------------------------------------------------------------------
 */

/* The engine is there as long as the API: one that has ended says so, as an answer that fails.
 */
static void start_local(ti_routed *r)
{
    r->stage = TI_STAGE_LOCAL;
    r->local_tried = true; /* its parts are used up */
    ti_call_submit(r->call);
}

/* Asks r->to.  False: it could not be asked. */
static bool attempt(ti_routed *r, uint64_t delay_ms)
{
    tern_err err = {0};
    ti_call *c = r->call;
    const ti_upstreams *list = r->router->opts.upstreams;
    bool local = list->items[r->to].candidate.local;
    r->attempts++;
    r->tries++;
    c->why = (ti_refusal){0};
    atomic_store(&c->failed, false);
    ti_relay_header(r->header, &r->route, list, r->to, r->request.task, r->attempts);
    c->route = r->header;
    if (local) {
        start_local(r);
        return true;
    }
    if (ti_routed_send(r, delay_ms, &err) == TERN_OK) {
        return true;
    }
    snprintf(r->why, sizeof r->why, "%.*s", TI_COURIER_WHY - 1, err.message);
    ti_router_report(r->router, r->to, TI_OUTCOME_NONE);
    return false;
}

/* Asks those who are left in the order.  False: nobody is. */
static bool go_on(ti_routed *r)
{
    for (; r->at < r->route.n_order; r->at++) {
        uint32_t to = r->route.order[r->at];
        bool local = r->candidates[to].local;
        if ((local && r->local_tried) || !ti_router_take(r->router, to)) {
            continue;
        }
        if ((r->at > 0 || r->attempts > 0) && !ti_router_recharge(r, to)) {
            ti_router_report(r->router, to, TI_OUTCOME_NONE);
            continue;
        }
        r->to = to;
        r->tries = 0;
        r->at++;
        if (attempt(r, 0)) {
            return true;
        }
        r->at--;
    }
    return false;
}

/* Why all attempts came to nothing, in r->call->why. */
static void why_failed(ti_routed *r, const ti_refusal *last)
{
    ti_refusal *why = &r->call->why;
    if (r->stage == TI_STAGE_LOCAL && last && last->http) {
        *why = *last;
        return;
    }
    bool busy = r->fate == TI_FATE_STATUS && r->code == HTTP_TOO_MANY;
    bool late = r->fate == TI_FATE_LATE;
    ti_refuse(why, NULL,
              busy   ? "upstream_busy"
              : late ? "upstream_timeout"
                     : "upstream_error",
              "%.63s: %.150s%s", r->router->opts.upstreams->items[r->to].name, r->why,
              r->attempts > 1 ? " (the last of several who were asked)" : "");
    why->http = busy ? HTTP_TOO_MANY : late ? HTTP_LATE : HTTP_GATEWAY;
    why->type = busy ? "rate_limit_error" : "server_error";
    why->retry_s = busy ? r->retry_after_s : 0;
}

/* Whether it could wait, and has not been asked for its hour yet. */
static bool can_wait(const ti_routed *r)
{
    return !r->put_off && r->request.deadline_s > 0 && r->route.n_order > 0;
}

/* Lets it wait for a cleaner hour of who would answer first; then it is decided again, and
 * charged.  False: there is no room to wait. */
static bool put_off(ti_routed *r)
{
    const ti_upstream *first = &r->router->opts.upstreams->items[r->route.order[0]];
    ti_router_settle(r, 0);
    r->put_off = true;
    r->stage = TI_STAGE_WAIT;
    return ti_deferred_add(r->call->api->deferred, r->call, first->zone, r->request.deadline_s,
                           r->request.in_tokens + r->request.out_tokens);
}

bool ti_routed_decide(ti_routed *r)
{
    const uint64_t wait_max_ms = UINT64_C(366) * 86400 * MS;
    tern_err err = {0};
    ti_call *c = r->call;
    tern_status status = ti_router_decide(r, &err);
    if (status == TERN_OK && can_wait(r)) {
        if (put_off(r)) {
            return true;
        }
        status = ti_router_decide(r, &err);
    }
    if (status == TERN_OK && r->route.action == TI_ROUTE_QUEUE) {
        int64_t wait_s = r->route.until_s - r->request.now_s;
        uint64_t wait_ms = wait_s > 0 ? (uint64_t)wait_s * MS : MS;
        r->stage = TI_STAGE_WAIT;
        status = ti_routed_wait(r, wait_ms < wait_max_ms ? wait_ms : wait_max_ms, &err);
        if (status == TERN_OK) {
            return true;
        }
    }
    if (status != TERN_OK) {
        ti_refusal_of(&c->why, status, &err);
        return refuse(r);
    }
    if (r->route.n_order == 0) {
        why_nobody(r);
        return refuse(r);
    }
    r->at = 0;
    if (!go_on(r)) {
        ti_refuse(&c->why, NULL, "upstream_paused", "nobody can be asked at this moment");
        c->why.http = HTTP_UNAVAILABLE;
        c->why.type = "server_error";
        return refuse(r);
    }
    return true;
}

/* --- what came of an attempt ----------------------------------------------------------------
 */

/* Grams of an attempt that failed: what was read and written there, as far as anybody can know;
 * who never began to answer may have done it all. */
static void charge_failure(ti_routed *r)
{
    ti_route_row row;
    if (r->fate == TI_FATE_CONNECT || r->fate == TI_FATE_STATUS) {
        return; /* it has computed nothing */
    }
    ti_relay_tokens tokens = ti_relay_count(&r->ask, NULL, r->said);
    uint64_t out = r->fate == TI_FATE_LATE && r->said == 0 ? r->request.out_tokens : tokens.out;
    if (ti_router_row(&row, r, r->to, r->request.in_tokens, out) && row.grams_known) {
        r->failed_ug += row.co2_ug;
    }
}

/* 400 and the like: it is the request, and others would say the same. */
static bool is_our_fault(const ti_routed *r)
{
    return r->fate == TI_FATE_STATUS &&
           (r->code == HTTP_BAD || r->code == HTTP_TOO_LARGE || r->code == HTTP_UNPROCESSABLE);
}

static void pass_refusal(ti_routed *r)
{
    const ti_upstream *u = &r->router->opts.upstreams->items[r->to];
    const ti_router_port *port = &r->router->opts.port;
    const char *key = u->key_name ? port->key(port->user, u->key_name) : NULL;
    ti_arena arena = {0};
    ti_relay_piece piece;
    tern_err err = {0};
    tern_status status = ti_relay_piece_read(&piece, &arena, r->body.data ? r->body.data : "",
                                             r->body.len, &err);
    bool told = status == TERN_UNAVAILABLE && !(key && strstr(err.message, key));
    ti_arena_free(&arena);
    ti_refuse(&r->call->why, NULL, "upstream_refused", "%.63s: %.200s", u->name,
              told ? err.message : r->why);
    r->call->why.http = (unsigned)r->code;
}

/* Whether the same one should be asked again, and when. */
static bool again(ti_routed *r, uint64_t *pause_ms)
{
    bool passing =
        r->fate == TI_FATE_CONNECT ||
        (r->fate == TI_FATE_STATUS &&
         (r->code == HTTP_TOO_MANY || (r->code >= HTTP_GATEWAY && r->code <= HTTP_LATE)));
    *pause_ms = r->retry_after_s > 0 ? (uint64_t)r->retry_after_s * MS : RETRY_PAUSE_MS;
    return passing && r->tries == 1 && r->at >= r->route.n_order &&
           r->retry_after_s <= RETRY_AFTER_MAX_S && ti_router_retry(r->router) &&
           ti_router_take(r->router, r->to);
}

/* An attempt has failed before anything was sent: the next, or the end. */
static bool fail_over(ti_routed *r, const ti_refusal *last)
{
    uint64_t pause_ms;
    if (go_on(r)) {
        return true;
    }
    if (r->stage == TI_STAGE_REMOTE && again(r, &pause_ms) && attempt(r, pause_ms)) {
        return true;
    }
    why_failed(r, last);
    return refuse(r);
}

static bool stop(ti_routed *r)
{
    ti_refusal *why = &r->call->why;
    ti_refuse(why, NULL, "unavailable", "the server stops");
    why->http = HTTP_UNAVAILABLE;
    why->type = "server_error";
    return refuse(r);
}

static bool remote_over(ti_routed *r)
{
    ti_call *c = r->call;
    uint64_t ug = 0;
    bool gone = r->fate == TI_FATE_GONE || c->lost || (c->begun && ti_web_reply_gone(c->reply));
    if (r->fate == TI_FATE_DONE && ti_routed_conclude(r, &ug)) {
        ti_router_report(r->router, r->to, TI_OUTCOME_GOOD);
        ti_api_count(c->api, 200);
        return end(r, 200, ug);
    }
    if (r->fate == TI_FATE_DONE) {
        r->fate = TI_FATE_BROKEN;
    }
    charge_failure(r);
    if (gone || r->fate == TI_FATE_STOPPED) {
        ti_router_report(r->router, r->to, TI_OUTCOME_NONE);
        return gone ? give_up(r) : stop(r);
    }
    ti_router_report(r->router, r->to, is_our_fault(r) ? TI_OUTCOME_GOOD : TI_OUTCOME_BAD);
    if (is_our_fault(r)) {
        pass_refusal(r);
        return refuse(r);
    }
    if (c->begun) {
        why_failed(r, NULL);
        return refuse(r);
    }
    return fail_over(r, NULL);
}

/* This machine has ended; true when somebody else goes on. */
static bool local_over(ti_routed *r)
{
    ti_call *c = r->call;
    bool failed = c->why.http != 0;
    ti_router_report(r->router, r->to,
                     failed         ? TI_OUTCOME_BAD
                     : c->cancelled ? TI_OUTCOME_NONE
                                    : TI_OUTCOME_GOOD);
    if (!failed || c->begun || c->cancelled || ti_web_reply_gone(c->reply)) {
        return false;
    }
    const ti_refusal last = c->why;
    return fail_over(r, &last);
}

void ti_routed_resume(ti_call *c, ti_resume how)
{
    static const ti_fate fates[] = {[TI_RESUME_START] = TI_FATE_DONE,
                                    [TI_RESUME_GONE] = TI_FATE_GONE,
                                    [TI_RESUME_STOP] = TI_FATE_STOPPED};
    c->routed->fate = fates[how];
    ti_call_ended(c);
}

bool ti_routed_finish(ti_call *c)
{
    ti_routed *r = c->routed;
    if (r->stage == TI_STAGE_LOCAL) {
        return local_over(r);
    }
    if (r->stage == TI_STAGE_REMOTE) {
        return remote_over(r);
    }
    if (r->fate == TI_FATE_DONE) {
        return ti_routed_decide(r);
    }
    return r->fate == TI_FATE_GONE ? give_up(r) : stop(r);
}

void ti_routed_account(ti_call *c, const ti_cost *cost)
{
    ti_routed *r = c->routed;
    const ti_route_budget *b = &r->router->opts.upstreams->policy.budget;
    uint64_t ug = r->route.rows[r->to].co2_ug; /* what was expected, where nobody measured */
    if (cost->has_carbon && ti_basis_equal(cost->carbon.basis, b->basis)) {
        ug = cost->carbon.co2_ug;
    }
    if (!c->cancelled && c->why.http == 0) {
        ti_router_count_local(r, cost);
    }
    ti_router_settle(r, ug);
}
