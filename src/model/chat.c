/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations in the formats that models were trained with.  The writers do what the models'
 * Jinja templates do; tests compare with what those wrote.
 *
 * A writer keeps apart what the template says and what people said.  ti_vocab_chat_tokens()
 * uses that: markers count only in the template's part, so a user who types "<|im_end|>" types
 * ten characters and does not end a turn.  (Formats without marker tokens, such as [INST] in
 * most vocabularies, cannot be protected in this way.) */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/vocab.h"

#define MODULE "chat"

struct writer {
    const ti_vocab *vocab;
    const ti_chat *chat;
    const tern_message *messages;
    size_t n;
    ti_buf text;
    ti_span *plain; /* parts of `text` that are contents, in order */
    size_t n_plain, cap_plain;
    bool failed; /* no memory for `plain` */
};

/* Template text. */
static void put(struct writer *w, const char *text)
{
    ti_buf_adds(&w->text, text);
}

static void put_token(struct writer *w, uint32_t id)
{
    if (id != TI_VOCAB_NO_ID) {
        ti_str text = ti_vocab_text(w->vocab, id);
        ti_buf_add(&w->text, text.data, text.len);
    }
}

/* Text from a message. */
static void say(struct writer *w, ti_str text)
{
    if (text.len == 0) {
        return;
    }
    if (w->n_plain == w->cap_plain) {
        size_t cap = w->cap_plain ? 2 * w->cap_plain : 16;
        ti_span *plain = realloc(w->plain, cap * sizeof *plain);
        if (!plain) {
            w->failed = true;
            return;
        }
        w->plain = plain;
        w->cap_plain = cap;
    }
    w->plain[w->n_plain++] = (ti_span){w->text.len, w->text.len + text.len};
    ti_buf_add(&w->text, text.data, text.len);
}

/* White space as Python's str.strip() has it, which is what Jinja's trim uses. */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

static ti_str trim_left(ti_str s)
{
    uint32_t code;
    size_t n;
    while (s.len > 0 && (n = ti_utf8_decode(s.data, s.len, &code)) > 0 && is_space(code)) {
        s.data += n;
        s.len -= n;
    }
    return s;
}

static ti_str trim_right(ti_str s)
{
    for (size_t n = 1; n <= 3 && n <= s.len;) { /* no white space has more than 3 bytes */
        uint32_t code;
        if (ti_utf8_decode(s.data + s.len - n, n, &code) == n && is_space(code)) {
            s.len -= n;
            n = 1;
        } else {
            n++;
        }
    }
    return s;
}

static ti_str trim(ti_str s)
{
    return trim_right(trim_left(s));
}

static ti_str trim_newlines(ti_str s, bool left, bool right)
{
    while (left && s.len > 0 && s.data[0] == '\n') {
        s.data++;
        s.len--;
    }
    while (right && s.len > 0 && s.data[s.len - 1] == '\n') {
        s.len--;
    }
    return s;
}

/* --- access to messages ---------------------------------------------------------------------
 */

static ti_str content(const struct writer *w, size_t i)
{
    const char *text = w->messages[i].content;
    return (ti_str){text, strlen(text)};
}

/* The content as most templates want it. */
static ti_str trimmed(const struct writer *w, size_t i)
{
    return w->chat->trim ? trim(content(w, i)) : content(w, i);
}

static bool is_role(const struct writer *w, size_t i, const char *role)
{
    return strcmp(w->messages[i].role, role) == 0;
}

/* --- writers --------------------------------------------------------------------------------
 */

/* The last place where `what` stands, or NULL. */
static const char *find_last(ti_str s, const char *what)
{
    size_t len = strlen(what);
    for (size_t i = s.len + 1; i-- > 0;) {
        if (s.len - i >= len && memcmp(s.data + i, what, len) == 0) {
            return s.data + i;
        }
    }
    return NULL;
}

/* An answer of a model that thinks aloud before it speaks: <think>...</think>.  `running`: the
 * answer to the last question, which keeps its thoughts. */
static void put_thinker(struct writer *w, size_t i, bool running)
{
    static const char open[] = "<think>";
    static const char shut[] = "</think>";
    ti_str all = content(w, i);
    ti_str thought = {"", 0};
    ti_str spoken = all;
    const char *end = find_last(all, shut);
    if (end) {
        spoken.data = end + sizeof shut - 1;
        spoken.len = (size_t)(all.data + all.len - spoken.data);
        spoken = trim_newlines(spoken, true, false);
        const char *first = strstr(all.data, shut);
        thought = trim_newlines((ti_str){all.data, (size_t)(first - all.data)}, false, true);
        const char *start = find_last(thought, open);
        if (start) {
            thought.len -= (size_t)(start + sizeof open - 1 - thought.data);
            thought.data = start + sizeof open - 1;
        }
        thought = trim_newlines(thought, true, true);
    }
    put(w, "<|im_start|>assistant\n");
    if (running && (i + 1 == w->n || thought.len > 0)) {
        put(w, "<think>\n");
        say(w, thought);
        put(w, "\n</think>\n\n");
        spoken = trim_newlines(spoken, true, false);
    }
    say(w, spoken);
    put(w, "<|im_end|>\n");
}

static bool starts_and_ends(ti_str s, const char *start, const char *end)
{
    size_t a = strlen(start);
    size_t b = strlen(end);
    return s.len >= a && s.len >= b && memcmp(s.data, start, a) == 0 &&
           memcmp(s.data + s.len - b, end, b) == 0;
}

static void write_chatml(struct writer *w)
{
    size_t question = w->n - 1; /* the last that is no result of a tool */
    for (size_t i = w->n; i-- > 0;) {
        if (is_role(w, i, "user") &&
            !starts_and_ends(content(w, i), "<tool_response>", "</tool_response>")) {
            question = i;
            break;
        }
    }
    if (w->chat->system && !is_role(w, 0, "system")) {
        put(w, "<|im_start|>system\n");
        put(w, w->chat->system);
        put(w, "<|im_end|>\n");
    }
    for (size_t i = 0; i < w->n; i++) {
        if (w->chat->think_last && is_role(w, i, "assistant")) {
            put_thinker(w, i, i > question);
            continue;
        }
        put(w, "<|im_start|>");
        put(w, w->messages[i].role);
        put(w, "\n");
        say(w, content(w, i));
        put(w, "<|im_end|>\n");
    }
}

static void llama3_turn(struct writer *w, const char *role)
{
    put(w, "<|start_header_id|>");
    put(w, role);
    put(w, "<|end_header_id|>\n\n");
}

static void write_llama3(struct writer *w)
{
    size_t i = 0;
    if (w->chat->dated) { /* the dates are the template's own when nobody tells it another */
        llama3_turn(w, "system");
        put(w, "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
        if (is_role(w, 0, "system")) {
            say(w, trimmed(w, i++));
        }
        put(w, "<|eot_id|>");
    }
    for (; i < w->n; i++) {
        llama3_turn(w, w->messages[i].role);
        say(w, trimmed(w, i));
        put(w, "<|eot_id|>");
    }
}

static void write_bitnet(struct writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        put(w, is_role(w, i, "system")      ? "System: "
               : is_role(w, i, "assistant") ? "Assistant: "
                                            : "User: ");
        say(w, trimmed(w, i));
        put(w, "<|eot_id|>");
    }
}

static void write_inst(struct writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (is_role(w, i, "assistant")) {
            put(w, w->chat->spaces ? " " : "");
            say(w, trimmed(w, i));
            put(w, w->chat->spaces ? " " : "");
            put_token(w, w->vocab->eos);
            continue;
        }
        if (w->chat->bos_each_turn && i > 0) {
            put_token(w, w->vocab->bos);
        }
        put(w, "[INST] ");
        if (is_role(w, i, "system")) { /* the first message; a user's follows */
            put(w, "<<SYS>>\n");
            say(w, content(w, i));
            put(w, "\n<</SYS>>\n\n");
            i++;
            say(w, w->chat->trim ? trim_right(content(w, i)) : content(w, i));
        } else {
            say(w, trimmed(w, i));
        }
        put(w, " [/INST]");
    }
}

static void write_tags(struct writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        put(w, "<|");
        put(w, w->messages[i].role);
        put(w, "|>\n");
        say(w, trimmed(w, i));
        put(w, !is_role(w, i, "assistant") ? w->chat->end
               : i + 1 == w->n             ? w->chat->last_end
                                           : w->chat->answer_end);
    }
}

static void write_gemma(struct writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        put(w, is_role(w, i, "assistant") ? "<start_of_turn>model\n" : "<start_of_turn>user\n");
        say(w, trimmed(w, i));
        put(w, "<end_of_turn>\n");
    }
}

/* --- the whole ------------------------------------------------------------------------------
 */

static tern_status check(const struct writer *w, tern_err *err)
{
    const ti_chat *c = w->chat;
    if (c->family == TI_CHAT_NONE) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                       "the model has no chat template");
    }
    if (c->family == TI_CHAT_UNKNOWN) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                       "the chat template that starts '%s' is not one that tern knows",
                       c->start);
    }
    if (w->n == 0) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET, "there is no message");
    }
    size_t total = 0;
    for (size_t i = 0; i < w->n; i++) {
        const tern_message *m = &w->messages[i];
        if (!m->role || !m->content) {
            return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                           "message %zu has no role or no content", i);
        }
        size_t len = strlen(m->content);
        bool system = strcmp(m->role, "system") == 0;
        if (!system && strcmp(m->role, "user") != 0 && strcmp(m->role, "assistant") != 0) {
            return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                           "message %zu has the role '%s', which tern does not know", i,
                           m->role);
        }
        bool misplaced = c->family == TI_CHAT_INST && /* it becomes part of the question */
                         (i > 0 || w->n < 2 || !w->messages[1].role || !is_role(w, 1, "user"));
        if (system && (!c->has_system || misplaced)) {
            return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                           c->has_system
                               ? "the chat template takes a system message only before the "
                                 "first of the user (message %zu)"
                               : "the chat template takes no system message (message %zu)",
                           i);
        }
        if (len > TI_TOK_MAX_TEXT_BYTES || total > TI_TOK_MAX_TEXT_BYTES - len) {
            return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                           "messages of more than %d bytes", (int)TI_TOK_MAX_TEXT_BYTES);
        }
        total += len;
    }
    return TERN_OK;
}

/* Writes the conversation into w->text; the caller frees text and plain. */
static tern_status write_chat(struct writer *w, bool answer, tern_err *err)
{
    static void (*const writers[])(struct writer *) = {
        [TI_CHAT_CHATML] = write_chatml, [TI_CHAT_LLAMA3] = write_llama3,
        [TI_CHAT_BITNET] = write_bitnet, [TI_CHAT_INST] = write_inst,
        [TI_CHAT_TAGS] = write_tags,     [TI_CHAT_GEMMA] = write_gemma,
    };
    TI_TRY(check(w, err));
    if (w->chat->bos) {
        put_token(w, w->vocab->bos);
    }
    writers[w->chat->family](w);
    if (answer) {
        put(w, w->chat->answer);
    }
    if (w->failed || w->text.failed) {
        return ti_fail_nomem(err, MODULE, w->text.len, "the conversation");
    }
    return TERN_OK;
}

bool ti_vocab_has_chat(const ti_vocab *v)
{
    return v->chat.family != TI_CHAT_NONE && v->chat.family != TI_CHAT_UNKNOWN;
}

tern_status ti_vocab_chat(const ti_vocab *v, char *out, size_t cap, size_t *len,
                          const tern_message *messages, size_t n, bool answer, tern_err *err)
{
    struct writer w = {.vocab = v, .chat = &v->chat, .messages = messages, .n = n};
    tern_status status = write_chat(&w, answer, err);
    if (status == TERN_OK) {
        *len = w.text.len;
        if (w.text.len >= cap) {
            status =
                ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                        "a conversation of %zu bytes does not fit into %zu", w.text.len, cap);
        } else {
            memcpy(out, w.text.data ? w.text.data : "", w.text.len + 1);
        }
    }
    ti_buf_free(&w.text);
    free(w.plain);
    return status;
}

tern_status ti_vocab_chat_tokens(const ti_vocab *v, tern_token *out, size_t cap, size_t *n,
                                 const tern_message *messages, size_t n_messages, bool answer,
                                 tern_err *err)
{
    struct writer w = {.vocab = v, .chat = &v->chat, .messages = messages, .n = n_messages};
    ti_tokens list = {0};
    tern_status status = write_chat(&w, answer, err);
    if (status == TERN_OK) {
        status = ti_tok_run(v, &list, w.text.data, w.text.len, TERN_TOKENIZE_SPECIAL, w.plain,
                            w.n_plain, err);
    }
    if (status == TERN_OK) {
        status = ti_tok_give(&list, out, cap, n, err);
    }
    free(list.items);
    ti_buf_free(&w.text);
    free(w.plain);
    return status;
}
