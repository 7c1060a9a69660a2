/* SPDX-License-Identifier: Apache-2.0 */
/* What upstreams send: the first byte says how the stream is cut.  However it is, the same
 * events come of it; an object that is taken can be written, and read again. */
#include <string.h>

#include "serve/relay.h"
#include "serve/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool add_event(void *user, ti_str data)
{
    ti_buf *all = user;
    ti_buf_add(all, data.data, data.len);
    ti_buf_addc(all, '\0');
    return true;
}

/* At most two lines, each with its end. */
static void as_ollama_has_it(const ti_relay_piece *piece, const ti_relay_cost *cost)
{
    static const ti_ask ask;
    static const ti_serve_usage times;
    const ti_told told = {
        .kind = TI_ASK_OLLAMA_CHAT, .model = "m", .ask = &ask, .usage = &times};
    ti_buf out = {0};
    ti_relay_ollama_end(&out, &told, piece, cost, false);
    TI_ASSERT(!out.failed && out.len > 0 && out.data[out.len - 1] == '\n');
    const char *first = memchr(out.data, '\n', out.len);
    const char *last = memchr(first + 1, '\n', (size_t)(out.data + out.len - first - 1));
    TI_ASSERT(!last || last == out.data + out.len - 1);
    ti_buf_free(&out);
}

static bool take(void *user, ti_str data)
{
    static const ti_route_row nothing;
    static const ti_upstream nobody = {.name = "nobody"};
    const ti_route_candidate *candidate = &nobody.candidate;
    const ti_relay_cost cost = {&nobody, candidate, &nothing, {1, 1, false}, NULL};
    ti_arena arena = {0};
    ti_relay_piece piece, again;
    ti_buf out = {0};
    (void)user;
    bool piece_is_read =
        ti_relay_piece_read(&piece, &arena, data.data, data.len, NULL) == TERN_OK;
    if (piece_is_read) {
        TI_ASSERT(piece.text_bytes <= data.len);
        ti_relay_write(&out, &piece, TI_RELAY_USAGE_KEEP, &cost);
        TI_ASSERT(!out.failed && !memchr(out.data, '\n', out.len));
        TI_ASSERT(ti_relay_piece_read(&again, &arena, out.data, out.len, NULL) == TERN_OK);
        TI_ASSERT(again.in == piece.in && again.out == piece.out && again.ends == piece.ends &&
                  again.text_bytes == piece.text_bytes);
    }
    ti_buf_free(&out);
    if (piece_is_read) {
        as_ollama_has_it(&piece, &cost);
    }
    ti_arena_free(&arena);
    return true;
}

static void a_request(const char *text, size_t len)
{
    ti_arena arena = {0};
    ti_relay_ask ask, again;
    ti_refusal why;
    ti_buf out = {0};
    if (ti_relay_read(&ask, &arena, text, len, &why)) {
        ti_relay_request(&out, &ask, "m");
        TI_ASSERT(!out.failed && ti_relay_read(&again, &arena, out.data, out.len, &why));
        TI_ASSERT(again.message_bytes == ask.message_bytes && again.choices == ask.choices &&
                  again.max_tokens == ask.max_tokens && !again.deadline);
    }
    ti_buf_free(&out);
    ti_arena_free(&arena);
}

/* What Ollama's API asks for can be read in OpenAI's words, and means as much. */
static void in_other_words(ti_ask_kind kind, const char *text, size_t len)
{
    ti_arena arena = {0};
    ti_ask ask;
    ti_relay_ask again;
    ti_refusal why;
    ti_buf out = {0};
    if (ti_ask_read(&ask, &arena, kind, text, len, &why) && ti_relay_can_say(&ask)) {
        ti_relay_say(&out, &ask);
        TI_ASSERT(!out.failed && ti_relay_read(&again, &arena, out.data, out.len, &why));
        TI_ASSERT(again.stream == ask.stream && again.choices == 1 &&
                  again.max_tokens == ask.max_tokens && !again.deadline == !ask.deadline);
    }
    ti_buf_free(&out);
    ti_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const char *text = (const char *)data + 1;
    size_t len = size - 1, step = data[0] + (size_t)1;
    ti_sse whole = {0}, cut = {0}, objects = {0};
    ti_buf a = {0}, b = {0};
    tern_status first = ti_sse_feed(&whole, text, len, add_event, &a, NULL);
    tern_status second = TERN_OK;
    for (size_t at = 0; at < len && second == TERN_OK; at += step) {
        second = ti_sse_feed(&cut, text + at, len - at < step ? len - at : step, add_event, &b,
                             NULL);
    }
    TI_ASSERT(first == second && a.len == b.len);
    TI_ASSERT(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
    (void)ti_sse_feed(&objects, text, len, take, NULL, NULL);
    (void)take(NULL, (ti_str){text, len});
    a_request(text, len);
    in_other_words(TI_ASK_OLLAMA_CHAT, text, len);
    in_other_words(TI_ASK_OLLAMA_TEXT, text, len);
    ti_sse_free(&whole);
    ti_sse_free(&cut);
    ti_sse_free(&objects);
    ti_buf_free(&a);
    ti_buf_free(&b);
    return 0;
}
