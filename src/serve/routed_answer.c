/* SPDX-License-Identifier: Apache-2.0 */
/* What an upstream says, on its way to the client. */
#include <stdio.h>
#include <string.h>

#include "serve/router_parts.h"

enum { EARLY_MAX = 1 << 16 };

/* --- in the courier's thread ----------------------------------------------------------------
 */

static bool complain(ti_routed *r, const char *why)
{
    snprintf(r->why, sizeof r->why, "%.*s", TI_COURIER_WHY - 1, why);
    return false;
}

/* Sends what is ready; false when nobody takes it. */
static bool send_ready(ti_routed *r)
{
    ti_call *c = r->call;
    if (r->early.failed) {
        return complain(r, "there is no memory for its answer");
    }
    if (r->early.len == 0) {
        return true;
    }
    if (!c->begun) {
        ti_call_begin_stream(c);
    }
    c->lost = ti_web_reply_write(c->reply, r->early.data, r->early.len, NULL) != TERN_OK;
    ti_buf_clear(&r->early);
    return !c->lost;
}

static bool is_ollama(const ti_routed *r)
{
    return r->call->kind >= TI_ASK_OLLAMA_CHAT;
}

/* What Ollama's answers have in common; the times are as they were seen from here. */
static ti_told told_of(const ti_routed *r, ti_serve_usage *usage)
{
    ti_told told = ti_call_told(r->call);
    uint64_t begun = r->call->started_ns;
    *usage = (ti_serve_usage){.queued_ns = r->sent_ns - begun,
                              .prompt_ns = r->first_ns > 0 ? r->first_ns - r->sent_ns : 0,
                              .total_ns = ti_steady_ns() - begun};
    told.model = r->router->opts.upstreams->items[r->to].model;
    told.usage = usage;
    return told;
}

/* Makes a piece of the stream ready; with a cost, its last one. */
static void add_event(ti_routed *r, const ti_relay_piece *piece, ti_relay_usage usage,
                      const ti_relay_cost *cost)
{
    ti_buf json = {0}, *out = &r->early;
    if (is_ollama(r)) {
        ti_serve_usage times;
        ti_told told = told_of(r, &times);
        if (cost) {
            ti_relay_ollama_end(out, &told, piece, cost, false);
        } else {
            ti_relay_ollama_piece(out, &told, piece);
        }
        return;
    }
    ti_relay_write(&json, piece, usage, cost);
    ti_buf_adds(out, "data: ");
    ti_buf_add(out, json.data, json.len);
    ti_buf_adds(out, "\n\n");
    out->failed |= json.failed;
    ti_buf_free(&json);
}

static void keep(ti_buf *to, ti_str text)
{
    ti_buf_clear(to);
    ti_buf_add(to, text.data, text.len);
}

/* The object that ends a choice waits for the cost; if another one comes, that does. */
static void hold(ti_routed *r, ti_str data)
{
    ti_arena arena = {0};
    ti_relay_piece old;
    if (r->held.len > 0 &&
        ti_relay_piece_read(&old, &arena, r->held.data, r->held.len, NULL) == TERN_OK) {
        add_event(r, &old, TI_RELAY_USAGE_DROP, NULL);
    }
    ti_arena_free(&arena);
    keep(&r->held, data);
}

static bool take_piece(ti_routed *r, const ti_relay_piece *piece, ti_str data)
{
    r->said += piece->text_bytes;
    if (r->said > 0 && r->first_ns == 0) {
        r->first_ns = ti_steady_ns();
    }
    if (piece->has_usage) {
        keep(&r->usage, data);
    }
    if (piece->ends) {
        hold(r, data);
    } else if (piece->has_choices) {
        add_event(r, piece, TI_RELAY_USAGE_DROP, NULL);
    }
    if (r->held.failed || r->usage.failed) {
        return complain(r, "there is no memory for its answer");
    }
    /* Until something was said, somebody else could still answer. */
    return (r->said == 0 && r->early.len < EARLY_MAX) || send_ready(r);
}

static bool on_event(void *user, ti_str data)
{
    ti_routed *r = user;
    ti_arena arena = {0};
    ti_relay_piece piece;
    tern_err err = {0};
    if (r->done) {
        return true; /* nothing counts after the end */
    }
    if (data.len == 6 && memcmp(data.data, "[DONE]", 6) == 0) {
        r->done = true;
        return true;
    }
    bool good = ti_relay_piece_read(&piece, &arena, data.data, data.len, &err) == TERN_OK;
    if (!good) {
        (void)complain(r, err.status == TERN_UNAVAILABLE ? "it reports an error in its answer"
                                                         : "its answer makes no sense");
    }
    good = good && take_piece(r, &piece, data);
    ti_arena_free(&arena);
    return good;
}

static bool gone(void *user)
{
    const ti_routed *r = user;
    return ti_web_reply_gone(r->call->reply);
}

static void on_end(void *user, const ti_errand_end *end)
{
    ti_routed *r = user;
    r->fate = end->fate;
    r->code = end->code;
    r->retry_after_s = end->retry_after_s;
    if (!r->why[0]) {
        memcpy(r->why, end->why, sizeof r->why);
    }
    ti_buf_add(&r->body, end->body.data, end->body.len);
    ti_call_ended(r->call);
}

/* --- sending --------------------------------------------------------------------------------
 */

static void forget_attempt(ti_routed *r)
{
    ti_buf *all[] = {&r->body, &r->early, &r->held, &r->usage};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ti_buf_free(all[i]);
    }
    r->said = 0;
    r->first_ns = 0;
    r->sent_ns = ti_steady_ns();
    r->done = false;
    r->code = 0;
    r->retry_after_s = 0;
    r->why[0] = '\0';
}

tern_status ti_routed_send(ti_routed *r, uint64_t delay_ms, tern_err *err)
{
    const ti_upstream *u = &r->router->opts.upstreams->items[r->to];
    const ti_router_port *port = &r->router->opts.port;
    ti_buf url = {0};
    forget_attempt(r);
    r->stage = TI_STAGE_REMOTE;
    r->fate = TI_FATE_CONNECT; /* until it is known better */
    ti_errand errand = {.key = u->key_name ? port->key(port->user, u->key_name) : NULL,
                        .stream = r->ask.stream,
                        .times = u->times,
                        .delay_ms = delay_ms,
                        .user = r,
                        .gone = gone,
                        .on_event = on_event,
                        .on_end = on_end};
    if (u->key_name && !errand.key) {
        return ti_fail(err, TERN_UNAVAILABLE, "upstream", TI_NO_OFFSET, "its key is not set");
    }
    ti_buf_addf(&url, "%s/chat/completions", u->base_url);
    ti_relay_request(&errand.body, &r->ask, u->model);
    errand.url = url.data;
    tern_status status = url.failed || errand.body.failed
                             ? ti_fail_nomem(err, "upstream", errand.body.len, "a request")
                             : ti_courier_send(r->router->courier, &errand, err);
    ti_buf_free(&url);
    ti_buf_free(&errand.body);
    return status;
}

tern_status ti_routed_wait(ti_routed *r, uint64_t delay_ms, tern_err *err)
{
    ti_errand errand = {.delay_ms = delay_ms, .user = r, .gone = gone, .on_end = on_end};
    forget_attempt(r);
    return ti_courier_send(r->router->courier, &errand, err);
}

/* --- the end, in the finisher's thread ------------------------------------------------------
 */

/* For the page. */
static void know(ti_routed *r, const ti_relay_cost *cost)
{
    const ti_route_row *row = cost->row;
    const ti_route_candidate *c = cost->candidate;
    ti_recent_other *o = &r->other;
    *o = (ti_recent_other){.evidence = ti_route_word_name(c->energy.word),
                           .energy_known = row->energy_known,
                           .grams_known = row->grams_known,
                           .reported = cost->tokens.reported,
                           .energy_uj = row->energy_uj,
                           .energy_low_uj = row->energy_low_uj,
                           .energy_high_uj = row->energy_high_uj,
                           .co2_ug = row->co2_ug,
                           .co2_low_ug = row->co2_low_ug,
                           .co2_high_ug = row->co2_high_ug,
                           .pue_permille = c->pue_permille,
                           .intensity_mg_kwh = c->grid.intensity_mg_kwh,
                           .basis = c->grid.basis};
    const char *zone = cost->upstream->zone;
    snprintf(o->name, sizeof o->name, "%s", cost->upstream->name);
    snprintf(o->zone, sizeof o->zone, "%s", zone ? zone : "");
    r->tokens = cost->tokens;
}

/* Fills *cost from what was told and seen, of an answer that was whole. */
static uint64_t count(ti_relay_cost *cost, ti_route_row *row, ti_routed *r,
                      const ti_relay_piece *usage)
{
    *row = (ti_route_row){0};
    *cost = (ti_relay_cost){.upstream = &r->router->opts.upstreams->items[r->to],
                            .candidate = &r->candidates[r->to],
                            .row = row,
                            .tokens = ti_relay_count(&r->ask, usage, r->said),
                            .put_off = &r->call->put_off};
    (void)ti_router_row(row, r, r->to, cost->tokens.in, cost->tokens.out);
    know(r, cost);
    ti_router_count_remote(r, cost);
    return row->grams_known ? row->co2_ug : 0;
}

static bool conclude_whole(ti_routed *r, ti_arena *arena, uint64_t *ug)
{
    ti_call *c = r->call;
    ti_relay_piece piece;
    ti_relay_cost cost;
    ti_route_row row;
    ti_buf json = {0};
    if (r->body.failed ||
        ti_relay_piece_read(&piece, arena, r->body.data ? r->body.data : "", r->body.len,
                            NULL) != TERN_OK ||
        !piece.has_choices) {
        return complain(r, "its answer makes no sense");
    }
    r->said = piece.text_bytes;
    *ug = count(&cost, &row, r, &piece);
    if (is_ollama(r)) {
        ti_serve_usage times;
        ti_told told = told_of(r, &times);
        ti_relay_ollama_end(&json, &told, &piece, &cost, true);
    } else {
        ti_relay_write(&json, &piece,
                       cost.tokens.reported ? TI_RELAY_USAGE_KEEP : TI_RELAY_USAGE_COUNTED,
                       &cost);
    }
    ti_web_reply_header(c->reply, "X-Request-Id", c->id);
    ti_web_reply_header(c->reply, "X-Tern-Route", c->route);
    ti_api_send(c->reply, &json);
    return true;
}

/* The end of a stream: the held object, and the usage where it was asked for.  The last of them
 * has the cost. */
static bool conclude_stream(ti_routed *r, ti_arena *arena, uint64_t *ug)
{
    ti_relay_piece held, usage;
    ti_relay_cost cost;
    ti_route_row row;
    if (r->held.len == 0 ||
        ti_relay_piece_read(&held, arena, r->held.data, r->held.len, NULL) != TERN_OK) {
        return complain(r, "its stream ends in the middle");
    }
    bool told = r->usage.len > 0 && ti_relay_piece_read(&usage, arena, r->usage.data,
                                                        r->usage.len, NULL) == TERN_OK;
    *ug = count(&cost, &row, r, told ? &usage : NULL);
    bool apart = r->ask.include_usage && told && !usage.has_choices;
    ti_relay_usage what = !r->ask.include_usage  ? TI_RELAY_USAGE_DROP
                          : cost.tokens.reported ? TI_RELAY_USAGE_KEEP
                                                 : TI_RELAY_USAGE_COUNTED;
    if (apart) {
        add_event(r, &held, TI_RELAY_USAGE_DROP, NULL);
        add_event(r, &usage, what, &cost);
    } else {
        add_event(r, &held, what == TI_RELAY_USAGE_KEEP ? TI_RELAY_USAGE_COUNTED : what, &cost);
    }
    ti_buf_adds(&r->early, is_ollama(r) ? "" : "data: [DONE]\n\n");
    (void)send_ready(r); /* who has left, has left */
    return true;
}

bool ti_routed_conclude(ti_routed *r, uint64_t *ug)
{
    ti_arena arena = {0};
    bool good = r->ask.stream ? conclude_stream(r, &arena, ug) : conclude_whole(r, &arena, ug);
    ti_arena_free(&arena);
    return good;
}

/* Also of those that nobody has answered: then nobody knows what they took. */
static void add_recent(const ti_routed *r, unsigned code)
{
    const ti_call *c = r->call;
    ti_recent_item item = {
        .ended_unix_ms = ti_wall_ms(), .kind = c->kind, .status = code, .other = r->other};
    const ti_upstream *to = &r->router->opts.upstreams->items[r->to];
    if (!item.other.name[0] && r->attempts > 0 && !to->candidate.local) {
        snprintf(item.other.name, sizeof item.other.name, "%s", to->name);
    }
    item.usage.prompt_tokens = r->tokens.in;
    item.usage.output_tokens = r->tokens.out;
    item.usage.total_ns = ti_steady_ns() - c->started_ns;
    pthread_mutex_lock(&c->api->mutex);
    ti_recent_add(&c->api->recent, &item);
    pthread_mutex_unlock(&c->api->mutex);
}

void ti_routed_note(const ti_routed *r, unsigned code, uint64_t ug)
{
    const double ms = 1e6;
    const ti_call *c = r->call;
    add_recent(r, code);
    const ti_api_port *port = &c->api->opts.port;
    ti_buf line = {0};
    if (!port->note) {
        return;
    }
    ti_json_open(&line, NULL, '{');
    ti_json_str(&line, "id", c->id);
    ti_json_uint(&line, "status", code);
    ti_json_num(&line, "ms", (double)(ti_steady_ns() - c->started_ns) / ms, 6);
    if (r->attempts > 0) {
        ti_json_str(&line, "to", r->router->opts.upstreams->items[r->to].name);
        ti_json_uint(&line, "attempts", r->attempts);
    }
    ti_json_uint(&line, "co2_ug", ug + r->failed_ug);
    if (c->why.http) {
        ti_json_str(&line, "error", c->why.message);
    }
    ti_json_close(&line, '}');
    if (!line.failed) {
        port->note(port->user, line.data);
    }
    ti_buf_free(&line);
}
