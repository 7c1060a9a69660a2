/* SPDX-License-Identifier: Apache-2.0 */
/* Chats of Ollama's API that others answer: in OpenAI's words there, in Ollama's back.
 * Sources: docs/api.md of Ollama; OpenAI's API reference for chat completions. */
#include <string.h>

#include "serve/relay.h"

/* --- there ----------------------------------------------------------------------------------
 */

bool ti_relay_can_say(const ti_ask *ask)
{
    return ask->n_messages > 0 && !ask->raw && !ask->logprobs;
}

static void say_messages(ti_buf *out, const ti_ask *ask)
{
    ti_json_open(out, "messages", '[');
    for (size_t i = 0; i < ask->n_messages; i++) {
        ti_json_open(out, NULL, '{');
        ti_json_str(out, "role", ask->messages[i].role);
        ti_json_str(out, "content", ask->messages[i].content);
        ti_json_close(out, '}');
    }
    ti_json_close(out, ']');
}

static void say_number(ti_buf *out, const char *key, float value)
{
    const int digits = 7; /* what a float has */
    ti_json_num(out, key, (double)value, digits);
}

static void say_sampler(ti_buf *out, const ti_ask *ask)
{
    const tern_sampler_opts *s = &ask->sampler;
    if (ask->gave & TI_GAVE_TEMPERATURE) {
        say_number(out, "temperature", s->temperature);
    }
    if (ask->gave & TI_GAVE_TOP_P) {
        say_number(out, "top_p", s->top_p);
    }
    if (ask->gave & TI_GAVE_SEED) {
        ti_json_int(out, "seed", (int64_t)s->seed);
    }
    if (ask->gave & TI_GAVE_MAX) {
        ti_json_uint(out, "max_tokens", ask->max_tokens);
    }
    if (s->presence_penalty != 0) {
        say_number(out, "presence_penalty", s->presence_penalty);
    }
    if (s->frequency_penalty != 0) {
        say_number(out, "frequency_penalty", s->frequency_penalty);
    }
}

static void say_stops(ti_buf *out, const ti_ask *ask)
{
    if (ask->n_stops == 0) {
        return;
    }
    ti_json_open(out, "stop", '[');
    for (size_t i = 0; i < ask->n_stops; i++) {
        ti_json_str(out, NULL, ask->stops[i]);
    }
    ti_json_close(out, ']');
}

static void say_format(ti_buf *out, const ti_ask *ask)
{
    if (ask->format == TI_ASK_TEXT) {
        return;
    }
    ti_json_open(out, "response_format", '{');
    if (ask->format == TI_ASK_JSON) {
        ti_json_str(out, "type", "json_object");
    } else {
        ti_json_str(out, "type", "json_schema");
        ti_json_open(out, "json_schema", '{');
        ti_json_str(out, "name", "answer");
        ti_json_raw(out, "schema", ask->schema.data, ask->schema.len);
        ti_json_close(out, '}');
    }
    ti_json_close(out, '}');
}

void ti_relay_say(ti_buf *out, const ti_ask *ask)
{
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "model", ask->model);
    say_messages(out, ask);
    ti_json_bool(out, "stream", ask->stream);
    say_sampler(out, ask);
    say_stops(out, ask);
    say_format(out, ask);
    if (ask->deadline) {
        ti_json_open(out, "tern", '{');
        ti_json_str(out, "deadline", ask->deadline);
        ti_json_close(out, '}');
    }
    ti_json_close(out, '}');
}

/* --- and back -------------------------------------------------------------------------------
 */

static const ti_jval *first_choice(const ti_relay_piece *piece)
{
    const ti_jval *list = ti_jval_get(&piece->root, "choices");
    return list && list->type == TI_JARRAY && list->n > 0 ? &list->u.items[0] : NULL;
}

/* What was said in it; of what a model thinks by itself, nothing. */
static ti_str text_of(const ti_relay_piece *piece)
{
    const ti_jval *choice = first_choice(piece);
    const ti_jval *message = ti_jval_get(choice, "delta");
    message = ti_jval_none(message) ? ti_jval_get(choice, "message") : message;
    const ti_jval *text = ti_jval_get(message, "content");
    return text && text->type == TI_JSTR ? text->u.str : (ti_str){"", 0};
}

void ti_relay_ollama_piece(ti_buf *out, const ti_told *told, const ti_relay_piece *piece)
{
    ti_str text = text_of(piece);
    if (text.len > 0) {
        ti_ollama_piece(out, told, NULL, text);
    }
}

static void add_cost(ti_buf *out, const void *cost)
{
    ti_relay_add_cost(out, cost);
}

void ti_relay_ollama_end(ti_buf *out, const ti_told *told, const ti_relay_piece *piece,
                         const ti_relay_cost *cost, bool whole)
{
    ti_str text = text_of(piece);
    ti_serve_usage usage = *told->usage;
    ti_choice choice = {.reason = TI_SERVE_STOP};
    ti_told end = *told;
    if (ti_jval_is(ti_jval_get(first_choice(piece), "finish_reason"), "length")) {
        choice.reason = TI_SERVE_LENGTH;
    }
    usage.prompt_tokens = cost->tokens.in;
    usage.output_tokens = cost->tokens.out;
    end.usage = &usage;
    end.choices = &choice;
    end.n_choices = 1;
    end.add_cost = add_cost;
    end.add_cost_of = cost;
    end.put_off = cost->put_off;
    if (whole) {
        ti_buf_add(&choice.text, text.data, text.len);
        ti_ollama_whole(out, &end);
        out->failed |= choice.text.failed;
    } else {
        ti_relay_ollama_piece(out, told, piece);
        ti_ollama_end(out, &end);
    }
    ti_choice_free(&choice);
}
