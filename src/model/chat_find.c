/* SPDX-License-Identifier: Apache-2.0 */
/* Which chat template a model has.
 *
 * Templates are Jinja programs.  tern does not run programs that come with a model file; it
 * knows the few formats that they write, and reads from the program only which of them it is
 * and a few of its constants.  For that the program is brought into a plain form in which equal
 * things look equal:
 *   - white space outside strings is dropped, and so are comments;
 *   - both kinds of quotes become the byte QUOTE, escapes are decoded, and strings that are
 *     added to each other are joined: 'a' + "\n" -> QUOTE a newline QUOTE;
 *   - .content and .role become ['content'] and ['role'].
 * A template that is not recognised is refused when it is used, not guessed. */
#include <string.h>

#include "model/vocab.h"

#define QUOTE '\1'
#define Q "\1"
#define CONTENT "[" Q "content" Q "]"
#define ROLE "[" Q "role" Q "]"

/* --- plain form -----------------------------------------------------------------------------
 */

struct lexer {
    const char *at, *end;
    ti_buf out;
    size_t closed; /* length of `out` after the last closing quote, 0 = none */
    size_t raw;    /* length of `out` where the text after the last bracket starts */
    bool raw_starts_line;
};

static bool starts(const struct lexer *x, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(x->end - x->at) >= len && memcmp(x->at, word, len) == 0;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* A string, from its opening to its closing quote. */
static void string(struct lexer *x)
{
    char quote = *x->at++;
    bool joins = x->closed > 0 && x->out.len == x->closed + 1 && x->out.data[x->closed] == '+';
    if (joins) {
        x->out.len -= 2; /* the closing quote and the plus */
    } else {
        ti_buf_addc(&x->out, QUOTE);
    }
    while (x->at < x->end && *x->at != quote) {
        char c = *x->at++;
        if (c == '\\' && x->at < x->end) {
            c = *x->at++;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        ti_buf_addc(&x->out, c);
    }
    x->at += x->at < x->end;
    ti_buf_addc(&x->out, QUOTE);
    x->closed = x->out.len;
}

/* .content and .role, if they stand here. */
static bool attribute(struct lexer *x)
{
    static const char *const names[] = {"content", "role"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(names[i]);
        const char *after = x->at + 1 + len;
        if (x->end - x->at > (ptrdiff_t)len && memcmp(x->at + 1, names[i], len) == 0 &&
            (after == x->end || !is_word(*after))) {
            ti_buf_adds(&x->out, "[" Q);
            ti_buf_adds(&x->out, names[i]);
            ti_buf_adds(&x->out, Q "]");
            x->at = after;
            return true;
        }
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes white space away from the text before a bracket: all of it, or the indentation. */
static void trim_before(struct lexer *x, bool all)
{
    size_t len = x->out.len;
    while (len > x->raw &&
           (all ? is_blank(x->out.data[len - 1])
                : x->out.data[len - 1] == ' ' || x->out.data[len - 1] == '\t')) {
        len--;
    }
    bool line = len > x->raw ? x->out.data[len - 1] == '\n' : x->raw_starts_line;
    if (all || line) {
        x->out.len = len;
    }
}

/* Skips a closing bracket and the white space that goes with it. */
static void close_bracket(struct lexer *x, bool dash, bool expression)
{
    x->at += dash ? 3 : 2;
    const char *from = x->at;
    while (dash && x->at < x->end && is_blank(*x->at)) {
        x->at++;
    }
    if (!dash && !expression && x->at < x->end && *x->at == '\n') {
        x->at++;
    }
    x->raw = x->out.len;
    x->raw_starts_line = x->at > from && x->at[-1] == '\n';
}

/* A statement or an expression, from after its opening to after its closing bracket. */
static void block(struct lexer *x, const char *close)
{
    while (x->at < x->end) {
        char c = *x->at;
        bool dash = c == '-' && x->end - x->at > 2;
        if (strncmp(x->at + dash, close, 2) == 0) {
            ti_buf_adds(&x->out, close);
            close_bracket(x, dash, close[0] == '}');
            return;
        }
        if (c == '\'' || c == '"') {
            string(x);
        } else if (is_blank(c)) {
            x->at++;
        } else if (c != '.' || !attribute(x)) {
            ti_buf_addc(&x->out, c);
            x->at++;
        }
    }
}

static void comment(struct lexer *x)
{
    while (x->at < x->end && !starts(x, "#}")) {
        x->at++;
    }
    if (x->at < x->end) {
        bool dash = x->at[-1] == '-';
        x->at -= dash;
        close_bracket(x, dash, false);
    }
}

/* White space around brackets is treated as by Jinja with trim_blocks and lstrip_blocks, which
 * is how chat templates are meant. */
static void plain_form(struct lexer *x)
{
    x->raw_starts_line = true;
    while (x->at < x->end) {
        bool expression = starts(x, "{{");
        bool remark = starts(x, "{#");
        if (!expression && !remark && !starts(x, "{%")) {
            ti_buf_addc(&x->out, *x->at++);
            continue;
        }
        const char *open = expression ? "{{" : "{%";
        x->at += 2;
        bool dash = x->at < x->end && *x->at == '-';
        x->at += dash;
        if (dash || !expression) {
            trim_before(x, dash);
        }
        if (remark) {
            comment(x);
        } else {
            ti_buf_adds(&x->out, open);
            block(x, expression ? "}}" : "%}");
        }
    }
}

/* --- recognition ----------------------------------------------------------------------------
 */

/* What the find_...() below work on. */
struct finder {
    const char *form; /* plain form, NUL-terminated */
    ti_vocab *vocab;
    ti_chat *chat;
    bool failed; /* no memory */
};

static bool has(const struct finder *f, const char *text)
{
    return strstr(f->form, text) != NULL;
}

static const char *keep(struct finder *f, const char *text, size_t len)
{
    const char *copy = ti_arena_strndup(&f->vocab->arena, text, len);
    f->failed = f->failed || !copy;
    return copy;
}

/* Constant text from `at` to `stop`, or NULL if anything that is computed comes before it.
 * stop "" = up to the end of the constant. */
static const char *constant(struct finder *f, const char *at, const char *stop)
{
    size_t len = strcspn(at, Q "{");
    const char *end = at + len;
    if (*stop) {
        end = strstr(at, stop);
        if (!end || end > at + len) {
            return NULL;
        }
    }
    return keep(f, at, (size_t)(end - at));
}

/* Whether all of a NULL-terminated list is in the template. */
static bool has_all(const struct finder *f, const char *const *texts)
{
    bool all = true;
    for (; *texts; texts++) {
        all = all && has(f, *texts);
    }
    return all;
}

/* What makes Qwen 3 the kind that thinks: the running answer is written with its thoughts.
 * Copies of the template differ in how they take an answer apart, not in what they write. */
static const char *const qwen3_thinking[] = {
    "last_query_index", "{%ifloop.lastor(notloop.lastand", "split(" Q "</think>" Q ")",
    ROLE "+" Q "\n<think>\n" Q "+reasoning_content.strip(" Q "\n" Q ")+" Q "\n</think>\n\n" Q
         "+content.lstrip(" Q "\n" Q ")",
    NULL};

static bool begins(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* Finds the system text that the template has for conversations without one.  Returns false
 * when the template makes one in a way that is not known. */
static bool find_system(struct finder *f)
{
    static const char turn[] = "<|im_start|>system\n";
    static const char tools[] = "{%iftools%}{{" Q;
    for (const char *p = f->form; (p = strstr(p, turn)); p++) {
        const char *after = p + sizeof turn - 1;
        const char *text = constant(f, after, "<|im_end|>");
        bool message = begins(after, Q "+messages[0]" CONTENT);
        bool for_tools = (size_t)(p - f->form) >= sizeof tools - 1 &&
                         begins(p - (sizeof tools - 1), tools) && begins(after, Q "}}");
        if (!text && !message && !for_tools) {
            return false;
        }
        f->chat->system = text ? text : f->chat->system;
    }
    return true;
}

static ti_chat_family find_chatml(struct finder *f)
{
    ti_chat *c = f->chat;
    bool turns = has(f, "<|im_start|>" Q "+message" ROLE "+" Q "\n" Q "+message" CONTENT "+" Q
                        "<|im_end|>\n" Q) ||
                 has(f, "<|im_start|>{{message" ROLE "}}\n{{message" CONTENT "}}<|im_end|>\n");
    c->think_last = has_all(f, qwen3_thinking);
    if (!turns || (has(f, "</think>") && !c->think_last) || !find_system(f)) {
        return TI_CHAT_UNKNOWN;
    }
    c->has_system = true;
    c->answer = "<|im_start|>assistant\n";
    const char *prompt = NULL;
    for (const char *p = f->form; (p = strstr(p, "add_generation_prompt")); p++) {
        prompt = p;
    }
    const char *opening = prompt ? strstr(prompt, c->answer) : NULL;
    if (opening) {
        c->answer = constant(f, opening, "");
    }
    return TI_CHAT_CHATML;
}

static ti_chat_family find_llama3(struct finder *f)
{
    static const char turn[] =
        "<|start_header_id|>" Q "+message" ROLE "+" Q "<|end_header_id|>\n\n" Q
        "+message" CONTENT "|trim+" Q "<|eot_id|>" Q;
    static const char dates[] = Q "Cutting Knowledge Date: December 2023\n" Q "}}{{" Q
                                  "Today Date: " Q "+date_string+" Q "\n\n" Q "}}";
    ti_chat *c = f->chat;
    c->dated = has(f, dates) && has(f, "date_string=" Q "26 Jul 2024" Q);
    if (!has(f, turn) || (!c->dated && has(f, "<|start_header_id|>system"))) {
        return TI_CHAT_UNKNOWN;
    }
    c->has_system = true;
    c->trim = true;
    c->answer = "<|start_header_id|>assistant<|end_header_id|>\n\n";
    return TI_CHAT_LLAMA3;
}

/* BitNet b1.58 2B-4T.  Its own GGUF file carries a placeholder ("Human: ... BITNETAssistant:")
 * under which the model never stops; the format that it was trained with is that of its
 * tokenizer_config.json. */
static ti_chat_family find_bitnet(struct finder *f)
{
    static const char eot[] = "<|eot_id|>";
    ti_chat *c = f->chat;
    size_t at;
    bool placeholder = has(f, "BITNETAssistant");
    bool eot_known =
        ti_special_next(f->vocab, eot, sizeof eot - 1, 0, true, NULL, 0, &at) != TI_VOCAB_NO_ID;
    if (strncmp(f->form, "System:", 7) == 0 || (placeholder && !eot_known)) {
        return TI_CHAT_UNKNOWN;
    }
    c->has_system = true;
    c->trim = placeholder || has(f, "|trim");
    c->answer = has(f, Q "Assistant:" Q) ? "Assistant:" : "Assistant: ";
    return TI_CHAT_BITNET;
}

/* Llama 2 and the first Mistral. */
static ti_chat_family find_inst(struct finder *f)
{
    ti_chat *c = f->chat;
    bool stripped = has(f, Q "[INST] " Q "+content.strip()+" Q " [/INST]" Q "}}");
    bool as_is = has(f, "{{" Q "[INST] " Q "+message" CONTENT "+" Q " [/INST]" Q "}}");
    bool spaced = has(f, "{{" Q " " Q "+content.strip()+" Q " " Q "+eos_token}}");
    const char *preset = strstr(f->form, "setsystem_message=" Q);
    bool no_preset = !preset || preset[strlen("setsystem_message=" Q)] == QUOTE ||
                     has(f, "{%eliffalse==true");
    if (stripped == as_is || !no_preset || (stripped && !spaced) ||
        (as_is && !has(f, "{{message" CONTENT "+eos_token}}"))) {
        return TI_CHAT_UNKNOWN;
    }
    c->has_system = stripped && has(f, Q "<<SYS>>\n" Q "+system_message+" Q "\n<</SYS>>\n\n" Q
                                         "+message" CONTENT);
    c->bos_each_turn = has(f, "{{bos_token+" Q "[INST] " Q);
    c->trim = stripped;
    c->spaces = spaced;
    c->answer = "";
    return TI_CHAT_INST;
}

/* Evaluates what a template adds after a content: constants and eos_token.  `at` is after the
 * content.  NULL when it is anything else. */
static const char *suffix(struct finder *f, const char *at)
{
    ti_buf text = {0};
    const char *result = NULL;
    for (;;) {
        if (strncmp(at, "+eos_token", 10) == 0) {
            uint32_t eos = f->vocab->eos;
            ti_str word =
                eos == TI_VOCAB_NO_ID ? (ti_str){"", 0} : ti_vocab_text(f->vocab, eos);
            ti_buf_add(&text, word.data, word.len);
            at += 10;
        } else if (at[0] == '+' && at[1] == QUOTE && strchr(at + 2, QUOTE)) {
            size_t len = strcspn(at + 2, Q);
            ti_buf_add(&text, at + 2, len);
            at += len + 3;
        } else {
            break;
        }
    }
    if (at[0] == '}' && at[1] == '}') {
        if (at[2] == '\n') { /* a line break after an expression is text */
            ti_buf_addc(&text, '\n');
        }
        result = keep(f, text.data ? text.data : "", text.len);
    }
    f->failed = f->failed || text.failed;
    ti_buf_free(&text);
    return result;
}

/* The suffix after the content in the n-th place where `opening` is written before it. */
static const char *suffix_after(struct finder *f, const char *opening, unsigned nth)
{
    const char *p = f->form;
    for (; (p = strstr(p, opening)); p++) {
        const char *at = p + strlen(opening);
        const char *content = strstr(at, CONTENT);
        bool direct =
            strncmp(at, "+", 1) == 0 && content && content == at + 1 + strcspn(at + 1, "[+}");
        if (direct && nth-- == 0) {
            return suffix(f, content + strlen(CONTENT));
        }
    }
    return NULL;
}

/* Phi-3, Zephyr, Falcon 3 (which is Tulu's): "<|role|>\n", the text, and an end that differs.
 */
static ti_chat_family find_tags(struct finder *f)
{
    static const char assistant[] = "<|assistant|>\n";
    ti_chat *c = f->chat;
    const char *any = suffix_after(f, "]+" Q "|>\n" Q, 0);
    c->end = any ? any : suffix_after(f, "<|user|>\n" Q, 0);
    c->answer_end = any ? any : suffix_after(f, "<|assistant|>\n" Q, 0);
    c->last_end = any ? any : suffix_after(f, "<|assistant|>\n" Q, 1);
    if (!c->end || !has(f, "<|assistant|>")) {
        return TI_CHAT_UNKNOWN;
    }
    size_t len = strlen(c->end);
    if (len >= sizeof assistant - 1 &&
        strcmp(c->end + len - (sizeof assistant - 1), assistant) == 0) {
        /* the user's turn opens the assistant's: taken away here, added by the answer */
        c->end = keep(f, c->end, len - (sizeof assistant - 1));
        c->answer_end = c->end;
    }
    if (!c->answer_end) {
        return TI_CHAT_UNKNOWN;
    }
    if (!c->last_end || !has(f, "loop.last")) {
        c->last_end = c->answer_end;
    }
    c->has_system = any || has(f, "<|system|>");
    c->answer = assistant;
    return TI_CHAT_TAGS;
}

static ti_chat_family find_gemma(struct finder *f)
{
    f->chat->trim = true;
    f->chat->answer = "<start_of_turn>model\n";
    return has(f, Q "<start_of_turn>" Q "+role+" Q "\n" Q "+message" CONTENT "|trim+" Q
                    "<end_of_turn>\n" Q)
               ? TI_CHAT_GEMMA
               : TI_CHAT_UNKNOWN;
}

static ti_chat_family find_family(struct finder *f)
{
    if (has(f, "<|im_start|>")) {
        return find_chatml(f);
    }
    if (has(f, "<|start_header_id|>")) {
        return find_llama3(f);
    }
    if (has(f, "BITNETAssistant") || (has(f, "|capitalize") && has(f, "<|eot_id|>"))) {
        return find_bitnet(f);
    }
    if (has(f, "[INST]")) {
        return find_inst(f);
    }
    if (has(f, "<start_of_turn>")) {
        return find_gemma(f);
    }
    if (has(f, "<|user|>") || has(f, Q "<|" Q)) {
        return find_tags(f);
    }
    return TI_CHAT_UNKNOWN;
}

tern_status ti_chat_find(ti_vocab *v, const ti_gguf *gguf, tern_err *err)
{
    ti_str text = {NULL, 0};
    TI_TRY(ti_gguf_get_str(gguf, "tokenizer.chat_template", false, &text, err));
    if (!text.data || text.len == 0) {
        return TERN_OK;
    }
    v->chat.family = TI_CHAT_UNKNOWN;
    size_t shown = text.len < sizeof v->chat.start - 1 ? text.len : sizeof v->chat.start - 1;
    memcpy(v->chat.start, text.data, shown);
    if (text.len > TI_VOCAB_MAX_TEMPLATE_BYTES || memchr(text.data, '\0', text.len) ||
        memchr(text.data, QUOTE, text.len)) {
        return TERN_OK;
    }
    struct lexer x = {.at = text.data, .end = text.data + text.len};
    plain_form(&x);
    struct finder f = {x.out.data, v, &v->chat, x.out.failed};
    if (!f.failed && x.out.data) {
        v->chat.family = find_family(&f);
        v->chat.bos = v->bos != TI_VOCAB_NO_ID && (v->add_bos || has(&f, "bos_token"));
    }
    ti_buf_free(&x.out);
    if (f.failed) {
        return ti_fail_nomem(err, "tokenizer", text.len, "the chat template");
    }
    return TERN_OK;
}
