/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an answer: what it cost, its receipts, and the last bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/api_parts.h"

/* --- what it cost ---------------------------------------------------------------------------
 */

/* Of all prompts together.  Times are those of the longest. */
static void add_usage(ti_serve_usage *sum, const ti_serve_usage *u)
{
    const struct {
        uint64_t *sum;
        uint64_t more;
    } longest[] = {{&sum->queued_ns, u->queued_ns},
                   {&sum->prompt_ns, u->prompt_ns},
                   {&sum->total_ns, u->total_ns}};
    for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
        *longest[i].sum = *longest[i].sum > longest[i].more ? *longest[i].sum : longest[i].more;
    }
    if (u->first_ns > 0 && (sum->first_ns == 0 || u->first_ns < sum->first_ns)) {
        sum->first_ns = u->first_ns;
    }
    sum->prompt_tokens += u->prompt_tokens;
    sum->cached_tokens += u->cached_tokens;
    sum->output_tokens += u->output_tokens;
    if (u->has_energy && !sum->has_energy) {
        sum->has_energy = true;
        sum->energy = u->energy;
    } else if (u->has_energy) {
        sum->energy.energy_uj += u->energy.energy_uj;
        sum->energy.idle_uj += u->energy.idle_uj;
        sum->energy.flags |= u->energy.flags;
        if (u->energy.time_ns > sum->energy.time_ns) {
            sum->energy.time_ns = u->energy.time_ns;
        }
    }
}

static void price(const ti_call *c, ti_cost *cost)
{
    if (cost->has_energy && c->api->opts.port.carbon) {
        c->api->opts.port.carbon(c->api->opts.port.user, cost);
    }
}

/* --- receipts -------------------------------------------------------------------------------
 */

/* The choices of a prompt share its energy by their tokens; the parts add up to it. */
static void share(const ti_part *p, size_t n, uint64_t *energy_uj, uint64_t *idle_uj)
{
    uint64_t weights[TI_ASK_CHOICES];
    uint32_t order[TI_ASK_CHOICES];
    for (size_t i = 0; i < n; i++) {
        weights[i] = p->n_output[i] + 1;
    }
    (void)ti_divide(energy_uj, order, weights, n, p->usage.energy.energy_uj);
    (void)ti_divide(idle_uj, order, weights, n, p->usage.energy.idle_uj);
}

static void write_receipts(ti_call *c, const ti_part *p, uint32_t n_ctx)
{
    uint64_t energy_uj[TI_ASK_CHOICES] = {0}, idle_uj[TI_ASK_CHOICES] = {0};
    const ti_api_port *port = &c->api->opts.port;
    size_t n = c->ask.choices;
    share(p, n, energy_uj, idle_uj);
    for (size_t i = 0; i < n; i++) {
        ti_choice *choice = &c->choices[p->first + i];
        ti_cost cost = {.has_energy = p->usage.has_energy, .energy = p->usage.energy};
        tern_err err = {0};
        uint64_t reading = p->usage.queued_ns + p->usage.prompt_ns;
        cost.energy.energy_uj = energy_uj[i];
        cost.energy.idle_uj = idle_uj[i];
        price(c, &cost);
        ti_api_answer answer = {
            .model = &c->served,
            .prompt = p->prompt,
            .n_prompt = p->usage.prompt_tokens,
            .n_fed = i == 0 ? p->usage.prompt_tokens - p->usage.cached_tokens : 0,
            .output = p->output[i],
            .n_output = p->n_output[i],
            .text = {choice->text.data ? choice->text.data : "", choice->text.len},
            .stops = c->ask.stops,
            .n_stops = c->ask.n_stops,
            .sampler = c->sampler,
            .max_tokens = c->ask.max_tokens,
            .n_ctx = n_ctx,
            .chat = c->ask.n_messages > 0 && c->served.has_chat,
            .biased = c->ask.n_bias > 0,
            .form = c->form,
            .format = c->ask.format,
            .schema = c->ask.schema,
            .reason = choice->reason,
            .prompt_ns = p->usage.prompt_ns,
            .generate_ns = p->usage.total_ns > reading ? p->usage.total_ns - reading : 0,
            .started_unix_ms = c->started_unix_ms,
            .cost = &cost};
        answer.sampler.seed += p->first + i;
        if (port->receipt(port->user, choice->receipt, &answer, &err) != TERN_OK) {
            choice->receipt[0] = '\0';
            if (port->warn) {
                port->warn(port->user, &err);
            }
        }
    }
}

/* --- the log --------------------------------------------------------------------------------
 */

static void add_texts(ti_buf *line, const ti_call *c)
{
    ti_json_open(line, "input", '[');
    for (size_t i = 0; i < c->ask.n_messages; i++) {
        ti_json_str(line, NULL, c->ask.messages[i].content);
    }
    for (size_t i = 0; i < c->ask.n_inputs; i++) {
        ti_str text = c->ask.inputs[i].text;
        ti_json_strn(line, NULL, text.data ? text.data : "", text.len);
    }
    ti_json_close(line, ']');
    ti_json_open(line, "output", '[');
    for (size_t i = 0; i < c->n_choices; i++) {
        const ti_buf *text = &c->choices[i].text;
        ti_json_strn(line, NULL, text->data ? text->data : "", text->len);
    }
    ti_json_close(line, ']');
}

static void note(const ti_call *c, unsigned code, const ti_serve_usage *u, const ti_cost *cost)
{
    const ti_api_port *port = &c->api->opts.port;
    const double ms = 1e6;
    ti_buf line = {0};
    if (!port->note) {
        return;
    }
    ti_json_open(&line, NULL, '{');
    ti_json_str(&line, "id", c->id);
    ti_json_uint(&line, "status", code);
    ti_json_num(&line, "ms", (double)(ti_steady_ns() - c->started_ns) / ms, 6);
    ti_json_uint(&line, "prompt_tokens", u->prompt_tokens);
    ti_json_uint(&line, "output_tokens", u->output_tokens);
    if (cost->has_energy) {
        ti_json_uint(&line, "energy_uj", cost->energy.energy_uj);
    }
    if (c->n_choices > 0 && c->choices[0].receipt[0]) {
        ti_json_str(&line, "receipt", c->choices[0].receipt);
    }
    if (c->why.http) {
        ti_json_str(&line, "error", c->why.message);
    } else if (c->cancelled) {
        ti_json_bool(&line, "client_gone", true);
    }
    if (c->api->opts.log_prompts) {
        add_texts(&line, c);
    }
    ti_json_close(&line, '}');
    if (!line.failed) {
        port->note(port->user, line.data);
    }
    ti_buf_free(&line);
}

/* --- the last bytes -------------------------------------------------------------------------
 */

static void send_rest(ti_call *c, const ti_told *told)
{
    ti_buf body = {0};
    if (!c->ask.stream) {
        ti_render_whole(&body, told);
        if (!c->reply) {
            c->code = 200;
            c->body = body;
            return;
        }
        if (c->route) {
            ti_web_reply_header(c->reply, "X-Tern-Route", c->route);
        }
        ti_web_reply_header(c->reply, "X-Request-Id", c->id);
        ti_api_send(c->reply, &body);
        return;
    }
    ti_render_end(&body, told);
    if (!body.failed) {
        (void)ti_web_reply_write(c->reply, body.data, body.len, NULL);
    } else {
        ti_web_reply_fail(c->reply);
    }
    ti_buf_free(&body);
}

/* An error, as the state of the answer allows it. */
void ti_call_send_error(ti_call *c)
{
    ti_buf body = {0};
    if (!c->reply) {
        c->code = c->why.http;
        ti_render_error(&c->body, c->kind, &c->why);
        return;
    }
    if (!c->begun) {
        ti_api_refuse(c->api, c->kind, c->reply, &c->why);
        return;
    }
    ti_render_stream_error(&body, c->kind, &c->why);
    if (!body.failed) {
        (void)ti_web_reply_write(c->reply, body.data, body.len, NULL);
    }
    ti_buf_free(&body);
}

void ti_call_give_up(ti_call *c)
{
    ti_refusal why;
    if (!c->reply) {
        c->code = TI_CLIENT_GONE;
    } else if (!c->begun) {
        ti_refuse_gone(&why);
        ti_api_refuse(c->api, c->kind, c->reply, &why);
    } else {
        ti_web_reply_fail(c->reply); /* the stream is not whole */
    }
}

/* For the page: what is known of it, without a word of its texts. */
static void remember(ti_call *c, unsigned code, const ti_serve_usage *usage,
                     const ti_cost *cost)
{
    ti_recent_item item = {.ended_unix_ms = ti_wall_ms(),
                           .kind = c->kind,
                           .status = code,
                           .usage = *usage,
                           .cost = *cost};
    for (size_t i = 0; i < c->n_choices; i++) {
        const char *id = c->choices[i].receipt;
        if (id[0] && item.n_receipts++ == 0) {
            memcpy(item.receipt, id, sizeof item.receipt);
        }
    }
    pthread_mutex_lock(&c->api->mutex);
    ti_recent_add(&c->api->recent, &item);
    pthread_mutex_unlock(&c->api->mutex);
}

static int operation_of(ti_ask_kind kind)
{
    return kind == TI_ASK_OPENAI_CHAT || kind == TI_ASK_OLLAMA_CHAT ? 0 : 1;
}

/* Sums and receipts of what came to its end. */
static void account(ti_call *c, ti_serve_usage *usage, ti_cost *cost)
{
    ti_api *api = c->api;
    ti_serve_stats stats;
    bool answered = !c->cancelled && c->why.http == 0;
    uint64_t receipts = 0;
    ti_serve_get_stats(api->opts.engine, &stats);
    for (size_t i = 0; i < c->n_parts; i++) {
        add_usage(usage, &c->parts[i].usage);
        if (answered && api->opts.port.receipt && c->parts[i].told) {
            write_receipts(c, &c->parts[i], stats.n_ctx);
        }
    }
    *cost = (ti_cost){.has_energy = usage->has_energy, .energy = usage->energy};
    price(c, cost);
    for (size_t i = 0; i < c->n_choices; i++) {
        receipts += c->choices[i].receipt[0] != '\0';
    }
    pthread_mutex_lock(&api->mutex);
    api->metrics.receipts += receipts;
    ti_metrics_answer(&api->metrics, operation_of(c->kind), usage, cost);
    if (answered) {
        ti_metrics_code(&api->metrics, 200);
    }
    pthread_mutex_unlock(&api->mutex);
}

void ti_call_end(ti_call *c)
{
    if (c->reply) {
        ti_web_reply_end(c->reply);
    } else {
        c->sink.done(c->sink.user, c->code, c->id, &c->body);
    }
    ti_call_free(c);
}

void ti_api_keep(ti_api *api, const ti_ask *ask)
{
    const int64_t ns = 1000000000;
    bool forever = ask->keep_alive_s < 0 || ask->keep_alive_s > INT64_MAX / ns;
    ti_serve_keep(api->opts.engine, !ask->gave_keep_alive ? TI_SERVE_USUAL
                                    : forever             ? TI_SERVE_FOREVER
                                              : (uint64_t)ask->keep_alive_s * (uint64_t)ns);
}

void ti_call_finish(ti_call *c)
{
    ti_serve_usage usage = {0};
    ti_cost cost;
    ti_serve_stats stats;
    if (c->routed && ti_routed_finish(c)) {
        return;
    }
    account(c, &usage, &cost);
    if (c->routed) {
        ti_routed_account(c, &cost);
    }
    ti_serve_get_stats(c->api->opts.engine, &stats);
    ti_told told = ti_call_told(c);
    told.usage = &usage;
    told.cost = &cost;
    told.put_off = &c->put_off;
    told.load_ns = stats.loads != c->loads ? stats.load_ns : 0;
    unsigned code = c->why.http ? c->why.http : 200;
    if (c->why.http) {
        ti_call_send_error(c);
    } else if (c->cancelled && (c->lost || ti_call_gone(c))) {
        code = TI_CLIENT_GONE;
        ti_call_give_up(c);
    } else if (c->cancelled) { /* the server stops, and there was no time left */
        ti_refuse(&c->why, NULL, "unavailable", "the server stops");
        c->why.http = code = 503;
        c->why.type = "server_error";
        ti_call_send_error(c);
    } else {
        send_rest(c, &told);
    }
    note(c, code, &usage, &cost);
    remember(c, code, &usage, &cost);
    ti_api_keep(c->api, &c->ask);
    ti_call_end(c);
}
