/* SPDX-License-Identifier: Apache-2.0 */
/* What both dialects share. */
#include "serve/render.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/le.h"
#include "ledger/base64.h"

static bool is_openai(ti_ask_kind kind)
{
    return kind < TI_ASK_OLLAMA_CHAT;
}

void ti_json_put_off(ti_buf *out, const ti_put_off *put_off)
{
    if (put_off && put_off->start_s > 0) {
        ti_json_open(out, "tern", '{');
        ti_json_int(out, "start_at", put_off->start_s);
        ti_json_str(out, "why", put_off->why);
        ti_json_close(out, '}');
    }
}

void ti_json_null(ti_buf *out, const char *key)
{
    ti_json_num(out, key, (double)INFINITY, 1); /* which JSON cannot say */
}

void ti_json_cost(ti_buf *out, const ti_cost *cost)
{
    enum { DAY_S = 86400 };
    if (cost->has_energy) {
        ti_json_energy(out, "energy", &cost->energy);
    } else {
        ti_json_null(out, "energy");
    }
    if (!cost->has_carbon) {
        ti_json_null(out, "carbon");
        return;
    }
    ti_json_footprint(out, "carbon", &cost->carbon);
    if (!out->failed) { /* one member more */
        out->data[--out->len] = '\0';
        ti_json_int(out, "age_days", cost->carbon_age_s / DAY_S);
        ti_json_close(out, '}');
    }
}

void ti_choice_free(ti_choice *c)
{
    ti_buf *all[] = {&c->text,           &c->logprobs, &c->tokens,
                     &c->token_logprobs, &c->top,      &c->offsets};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ti_buf_free(all[i]);
    }
}

void ti_json_told_cost(ti_buf *out, const ti_told *t)
{
    const char *receipt = t->n_choices > 0 ? t->choices[0].receipt : "";
    if (t->add_cost) {
        t->add_cost(out, t->add_cost_of);
    } else {
        ti_json_cost(out, t->cost);
        if (*receipt) {
            ti_json_str(out, "receipt", receipt);
        } else {
            ti_json_null(out, "receipt");
        }
    }
    ti_json_put_off(out, t->put_off);
}

const char *ti_finish_reason(ti_serve_reason reason)
{
    return reason == TI_SERVE_LENGTH || reason == TI_SERVE_CONTEXT ? "length" : "stop";
}

/* --- logprobs -------------------------------------------------------------------------------
 */

/* The bytes of a token; some have none. */
static ti_str bytes_of(const ti_serve_top *top)
{
    return top->bytes.data ? top->bytes : (ti_str){"", 0};
}

static void add_top(ti_buf *out, const ti_serve_top *top)
{
    ti_str bytes = bytes_of(top);
    ti_json_strn(out, "token", bytes.data, bytes.len);
    ti_json_num(out, "logprob", (double)top->logprob, 9);
    ti_json_open(out, "bytes", '[');
    for (size_t i = 0; i < bytes.len; i++) {
        ti_json_uint(out, NULL, (unsigned char)bytes.data[i]);
    }
    ti_json_close(out, ']');
}

/* Moves an item to the end of a list, whose brackets come later. */
static void add_item(ti_buf *list, ti_buf *item)
{
    ti_buf_adds(list, list->len ? "," : "");
    ti_buf_add(list, item->data, item->len);
    list->failed |= item->failed;
    ti_buf_clear(item);
}

/* {token, logprob, bytes, top_logprobs}: what chats have. */
static void add_chat_item(ti_choice *c, const ti_serve_event *event)
{
    ti_buf item = {0};
    ti_json_open(&item, NULL, '{');
    add_top(&item, &event->logprob);
    ti_json_open(&item, "top_logprobs", '[');
    for (size_t i = 0; i < event->n_top; i++) {
        ti_json_open(&item, NULL, '{');
        add_top(&item, &event->top[i]);
        ti_json_close(&item, '}');
    }
    ti_json_close(&item, ']');
    ti_json_close(&item, '}');
    add_item(&c->logprobs, &item);
    ti_buf_free(&item);
}

static size_t characters(ti_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
    }
    return n;
}

/* {"token": logprob, ...}.  Two tokens may have the same bytes, or none; a name comes once. */
static void add_alternatives(ti_buf *item, const ti_serve_event *event)
{
    ti_json_open(item, NULL, '{');
    for (size_t i = 0; i < event->n_top; i++) {
        ti_str own = bytes_of(&event->top[i]);
        ti_buf name = {0};
        bool again = memchr(own.data, '\0', own.len) != NULL;
        for (size_t j = 0; j < i && !again; j++) {
            ti_str other = bytes_of(&event->top[j]);
            again = own.len == other.len && memcmp(own.data, other.data, own.len) == 0;
        }
        ti_buf_add(&name, own.data, own.len);
        ti_buf_adds(&name, "");
        if (!again && name.data) {
            ti_json_num(item, name.data, (double)event->top[i].logprob, 9);
        }
        item->failed |= name.failed;
        ti_buf_free(&name);
    }
    ti_json_close(item, '}');
}

/* The four lists that completions have. */
static void add_text_items(ti_choice *c, const ti_serve_event *event)
{
    ti_buf item = {0};
    ti_str own = bytes_of(&event->logprob);
    ti_json_strn(&item, NULL, own.data, own.len);
    add_item(&c->tokens, &item);
    ti_json_num(&item, NULL, (double)event->logprob.logprob, 9);
    add_item(&c->token_logprobs, &item);
    add_alternatives(&item, event);
    add_item(&c->top, &item);
    ti_json_uint(&item, NULL, c->offset);
    add_item(&c->offsets, &item);
    c->offset += characters(own);
    ti_buf_free(&item);
}

void ti_add_logprob(ti_choice *choice, ti_ask_kind kind, const ti_serve_event *event)
{
    if (kind == TI_ASK_OPENAI_TEXT) {
        add_text_items(choice, event);
    } else {
        add_chat_item(choice, event);
    }
}

/* --- answers --------------------------------------------------------------------------------
 */

void ti_render_error(ti_buf *out, ti_ask_kind kind, const ti_refusal *why)
{
    ti_json_open(out, NULL, '{');
    if (!is_openai(kind)) {
        ti_json_str(out, "error", why->message);
        ti_json_close(out, '}');
        return;
    }
    ti_json_open(out, "error", '{');
    ti_json_str(out, "message", why->message);
    ti_json_str(out, "type", why->type);
    if (why->param[0]) {
        ti_json_str(out, "param", why->param);
    } else {
        ti_json_null(out, "param");
    }
    if (why->code) {
        ti_json_str(out, "code", why->code);
    } else {
        ti_json_null(out, "code");
    }
    ti_json_close(out, '}');
    ti_json_close(out, '}');
}

void ti_render_whole(ti_buf *out, const ti_told *told)
{
    if (is_openai(told->kind)) {
        ti_openai_whole(out, told);
    } else {
        ti_ollama_whole(out, told);
    }
}

void ti_render_piece(ti_buf *out, const ti_told *told, uint32_t index, ti_choice *choice,
                     bool first, ti_str text)
{
    if (is_openai(told->kind)) {
        ti_openai_piece(out, told, index, choice, first, text);
    } else {
        ti_ollama_piece(out, told, choice, text);
    }
    ti_buf *sent[] = {&choice->logprobs, &choice->tokens, &choice->token_logprobs, &choice->top,
                      &choice->offsets};
    for (size_t i = 0; i < sizeof sent / sizeof sent[0]; i++) {
        ti_buf_clear(sent[i]);
    }
}

void ti_render_end(ti_buf *out, const ti_told *told)
{
    if (is_openai(told->kind)) {
        ti_openai_end(out, told);
    } else {
        ti_ollama_end(out, told);
    }
}

void ti_render_stream_error(ti_buf *out, ti_ask_kind kind, const ti_refusal *why)
{
    ti_buf json = {0};
    ti_render_error(&json, kind, why);
    ti_buf_adds(out, is_openai(kind) ? "data: " : "");
    ti_buf_add(out, json.data, json.len);
    ti_buf_adds(out, is_openai(kind) ? "\n\n" : "\n");
    out->failed |= json.failed;
    ti_buf_free(&json);
}

/* --- embeddings -----------------------------------------------------------------------------
 */

void ti_json_vector(ti_buf *out, const char *key, const tern_sdr *sdr, bool base64)
{
    const float on = 0x1.3fd808p-3f; /* 1/sqrt(41), the nearest float */
    uint8_t bytes[TERN_SDR_BITS * sizeof(float)];
    if (!base64) {
        ti_json_open(out, key, '[');
    }
    for (size_t i = 0; i < TERN_SDR_BITS; i++) {
        bool set = sdr->words[i / 64] >> (i % 64) & 1;
        if (base64) {
            ti_store_f32(bytes + i * sizeof(float), set ? on : 0);
        } else if (set) {
            ti_json_num(out, NULL, (double)on, 9);
        } else {
            ti_json_uint(out, NULL, 0);
        }
    }
    if (!base64) {
        ti_json_close(out, ']');
        return;
    }
    ti_buf text = {0};
    ti_base64_write(&text, bytes, sizeof bytes);
    ti_json_str(out, key, text.data ? text.data : "");
    out->failed |= text.failed;
    ti_buf_free(&text);
}

/* --- time -----------------------------------------------------------------------------------
 */

const char *ti_time_text(char out[TI_TIME_TEXT], int64_t unix_ns)
{
    enum { NS = 1000000000 };
    char day[TI_TIME_TEXT];
    struct tm parts;
    time_t seconds = (time_t)(unix_ns / NS);
    if (!gmtime_r(&seconds, &parts) ||
        strftime(day, sizeof day - 16, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        memcpy(out, "1970-01-01T00:00:00Z", 21);
        return out;
    }
    snprintf(out, TI_TIME_TEXT, "%.24s.%09dZ", day, (int)(unix_ns % NS));
    return out;
}
