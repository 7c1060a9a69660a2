/* SPDX-License-Identifier: Apache-2.0 */
/* The notation of rules that llama.cpp calls GBNF (grammars/README.md there is the
 * description): name ::= "text" [a-z] [^"] . ( | ) * + ? {m,n} and comments behind #.
 *
 * A rule ends where the next name ::= begins, so that alternatives may stand on lines of their
 * own.  Names of tokens, <...>, are refused: they would tie a grammar to one vocabulary. */
#include <string.h>

#include "base/utf8.h"
#include "model/grammar.h"

static const char module[] = "grammar";

enum { MAX_NAME = 128, MAX_RANGES = 1024 };

typedef struct gbnf {
    ti_gbuild *b;
    const char *text;
    size_t len, pos;
    unsigned depth;
    tern_err *err;
} gbnf;

static tern_status corrupt_at(const gbnf *p, size_t at, const char *what)
{
    size_t line = 1;
    for (size_t i = 0; i < at && i < p->len; i++) {
        line += p->text[i] == '\n';
    }
    return ti_fail(p->err, TERN_CORRUPT, module, at, "line %zu: %s", line, what);
}

static tern_status corrupt(const gbnf *p, const char *what)
{
    return corrupt_at(p, p->pos, what);
}

/* The next byte; NUL at the end, which is nothing that a grammar may hold. */
static char peek(const gbnf *p)
{
    return p->pos < p->len ? p->text[p->pos] : '\0';
}

static void skip_space(gbnf *p)
{
    for (; p->pos < p->len; p->pos++) {
        char c = p->text[p->pos];
        if (c == '#') {
            while (p->pos + 1 < p->len && p->text[p->pos + 1] != '\n') {
                p->pos++;
            }
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        }
    }
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

/* --- names ----------------------------------------------------------------------------------
 */

static size_t word_length(const gbnf *p)
{
    size_t n = 0;
    while (p->pos + n < p->len && is_word(p->text[p->pos + n])) {
        n++;
    }
    return n;
}

/* Whether a name and ::= stand here, which begins the next rule. */
static bool at_rule(const gbnf *p)
{
    gbnf ahead = *p;
    size_t n = word_length(p);
    ahead.pos += n;
    skip_space(&ahead);
    return n > 0 && ahead.len - ahead.pos >= 3 && memcmp(ahead.text + ahead.pos, "::=", 3) == 0;
}

/* The number of a name, which is new when nobody has used it. */
static tern_status take_name(gbnf *p, uint32_t *rule)
{
    size_t n = word_length(p);
    if (n == 0) {
        return corrupt(p, "the name of a rule is expected");
    }
    if (n > MAX_NAME) {
        return corrupt(p, "a name has more than 128 characters");
    }
    const char *name = p->text + p->pos;
    size_t i = 0;
    while (i < p->b->n_rules &&
           (strncmp(p->b->rules[i].name, name, n) != 0 || p->b->rules[i].name[n] != '\0')) {
        i++;
    }
    *rule = i < p->b->n_rules ? (uint32_t)i : ti_grule_new(p->b, name, n, p->pos);
    p->pos += n;
    return TERN_OK;
}

/* --- characters -----------------------------------------------------------------------------
 */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static tern_status take_hex(gbnf *p, size_t digits, uint32_t *code)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++, p->pos++) {
        int digit = hex(peek(p));
        if (digit < 0) {
            return corrupt(p, "a hexadecimal digit is expected");
        }
        value = value << 4 | (uint32_t)digit;
    }
    if (value == 0 || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return corrupt(p, "an escape stands for no character");
    }
    *code = value;
    return TERN_OK;
}

static tern_status take_escape(gbnf *p, uint32_t *code)
{
    char c = peek(p);
    p->pos++;
    switch (c) {
    case 'x':
        return take_hex(p, 2, code);
    case 'u':
        return take_hex(p, 4, code);
    case 'U':
        return take_hex(p, 8, code);
    case 'n':
        *code = '\n';
        return TERN_OK;
    case 'r':
        *code = '\r';
        return TERN_OK;
    case 't':
        *code = '\t';
        return TERN_OK;
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
    case '^':
        *code = (unsigned char)c;
        return TERN_OK;
    default:
        p->pos--;
        return corrupt(p, "no such escape: \\x41 \\u0041 \\U00000041 \\n \\r \\t \\\\ \\\" \\[ "
                          "\\] \\- \\^ exist");
    }
}

static tern_status take_char(gbnf *p, uint32_t *code)
{
    if (peek(p) == '\\') {
        p->pos++;
        return take_escape(p, code);
    }
    size_t n = ti_utf8_decode(p->text + p->pos, p->len - p->pos, code);
    if (n == 0 || *code == 0) {
        return corrupt(p, p->pos >= p->len ? "the grammar ends too early" : "no UTF-8");
    }
    p->pos += n;
    return TERN_OK;
}

static tern_status take_literal(gbnf *p, ti_gexpr *into)
{
    char bytes[256]; /* longer ones come in parts */
    size_t n = 0;
    p->pos++;
    while (peek(p) != '"') {
        uint32_t code;
        TI_TRY(take_char(p, &code));
        n += ti_utf8_encode(code, bytes + n);
        if (n > sizeof bytes - 4) {
            ti_gx_add(p->b, into, ti_gx_text(p->b, bytes, n));
            n = 0;
        }
    }
    p->pos++;
    ti_gx_add(p->b, into, ti_gx_text(p->b, bytes, n));
    return TERN_OK;
}

static tern_status take_set(gbnf *p, ti_gexpr **out)
{
    ti_grange ranges[MAX_RANGES];
    size_t n = 0;
    p->pos++;
    bool negated = peek(p) == '^';
    p->pos += negated;
    while (peek(p) != ']') {
        ti_grange r;
        TI_TRY(take_char(p, &r.lo));
        r.hi = r.lo;
        if (peek(p) == '-' && p->pos + 1 < p->len && p->text[p->pos + 1] != ']') {
            p->pos++;
            TI_TRY(take_char(p, &r.hi));
        }
        if (r.hi < r.lo) {
            return corrupt(p, "a range ends before it begins");
        }
        if (n == MAX_RANGES) {
            return corrupt(p, "a set has more than 1,024 ranges");
        }
        ranges[n++] = r;
    }
    p->pos++;
    *out = ti_gx_set(p->b, ranges, n, negated);
    return TERN_OK;
}

/* --- repetitions ----------------------------------------------------------------------------
 */

static tern_status take_count(gbnf *p, uint32_t *out)
{
    uint32_t n = 0;
    size_t start = p->pos;
    for (; peek(p) >= '0' && peek(p) <= '9'; p->pos++) {
        n = n * 10 + (uint32_t)(peek(p) - '0');
        if (n > TI_GRAMMAR_MAX_REPEAT) {
            return corrupt(p, "a count is over 65,536");
        }
    }
    *out = n;
    return p->pos > start ? TERN_OK : corrupt(p, "a count is expected");
}

/* {m} {m,} {m,n} {,n} */
static tern_status take_braces(gbnf *p, uint32_t *min, uint32_t *max)
{
    p->pos++;
    skip_space(p);
    *min = 0;
    if (peek(p) != ',') {
        TI_TRY(take_count(p, min));
        skip_space(p);
    }
    *max = *min;
    if (peek(p) == ',') {
        p->pos++;
        skip_space(p);
        *max = TI_GX_FOREVER;
        if (peek(p) != '}') {
            TI_TRY(take_count(p, max));
            skip_space(p);
        }
    }
    if (peek(p) != '}') {
        return corrupt(p, "'}' is expected");
    }
    if (*max < *min) {
        return corrupt(p, "a repetition ends before it begins");
    }
    p->pos++;
    return TERN_OK;
}

/* What may follow a part: the part, repeated. */
static tern_status take_repeats(gbnf *p, ti_gexpr **part)
{
    unsigned times = 0;
    for (;;) {
        uint32_t min = 0, max = TI_GX_FOREVER;
        skip_space(p);
        switch (peek(p)) {
        case '*':
            p->pos++;
            break;
        case '+':
            p->pos++;
            min = 1;
            break;
        case '?':
            p->pos++;
            max = 1;
            break;
        case '{':
            TI_TRY(take_braces(p, &min, &max));
            break;
        default:
            return TERN_OK;
        }
        if (++times > TI_GRAMMAR_MAX_NESTING) {
            return corrupt(p, "repetitions of repetitions");
        }
        *part = ti_gx_repeat(p->b, *part, min, max);
    }
}

/* --- rules ----------------------------------------------------------------------------------
 */

static tern_status take_alternatives(gbnf *p, ti_gexpr **out);

static tern_status take_part(gbnf *p, ti_gexpr **out)
{
    char c = peek(p);
    if (c == '"') {
        *out = ti_gx_list(p->b, TI_GX_SEQ);
        return take_literal(p, *out);
    }
    if (c == '[') {
        return take_set(p, out);
    }
    if (c == '.') {
        p->pos++;
        *out = ti_gx_set(p->b, NULL, 0, true);
        return TERN_OK;
    }
    if (c == '(') {
        if (++p->depth > TI_GRAMMAR_MAX_NESTING) {
            return corrupt(p, "more than 64 parentheses inside each other");
        }
        p->pos++;
        TI_TRY(take_alternatives(p, out));
        if (peek(p) != ')') {
            return corrupt(p, "')' is expected");
        }
        p->pos++;
        p->depth--;
        return TERN_OK;
    }
    if (c == '<' || c == '!') {
        return ti_fail(p->err, TERN_UNSUPPORTED, module, p->pos,
                       "tokens (<...>, !) are not supported in grammars");
    }
    uint32_t rule = 0;
    TI_TRY(take_name(p, &rule));
    *out = ti_gx_rule(p->b, rule);
    return TERN_OK;
}

static tern_status take_sequence(gbnf *p, ti_gexpr **out)
{
    *out = ti_gx_list(p->b, TI_GX_SEQ);
    for (;;) {
        ti_gexpr *part = NULL;
        skip_space(p);
        if (p->pos >= p->len || peek(p) == '|' || peek(p) == ')' || at_rule(p)) {
            return TERN_OK;
        }
        TI_TRY(take_part(p, &part));
        TI_TRY(take_repeats(p, &part));
        ti_gx_add(p->b, *out, part);
        if (p->b->failed || p->b->too_many) {
            return TERN_OK; /* said at the end */
        }
    }
}

static tern_status take_alternatives(gbnf *p, ti_gexpr **out)
{
    *out = ti_gx_list(p->b, TI_GX_ALT);
    for (;;) {
        ti_gexpr *one = NULL;
        TI_TRY(take_sequence(p, &one));
        ti_gx_add(p->b, *out, one);
        if (peek(p) != '|' || p->b->failed) {
            return TERN_OK;
        }
        p->pos++;
    }
}

static tern_status take_rule(gbnf *p)
{
    uint32_t rule = 0;
    ti_gexpr *body = NULL;
    size_t start = p->pos;
    TI_TRY(take_name(p, &rule));
    if (p->b->failed || p->b->too_many) {
        return TERN_OK;
    }
    skip_space(p);
    if (p->len - p->pos < 3 || memcmp(p->text + p->pos, "::=", 3) != 0) {
        return corrupt(p, "'::=' is expected");
    }
    p->pos += 3;
    if (p->b->rules[rule].body) {
        return corrupt_at(p, start, "a rule of this name stands above");
    }
    TI_TRY(take_alternatives(p, &body));
    p->b->rules[rule].body = body;
    if (peek(p) == ')') {
        return corrupt(p, "')' without '('");
    }
    return TERN_OK;
}

tern_status ti_gbnf_body(ti_gbuild *b, uint32_t rule, const char *text, tern_err *err)
{
    gbnf p = {.b = b, .text = text, .len = strlen(text), .err = err};
    ti_gexpr *body = NULL;
    TI_TRY(take_alternatives(&p, &body));
    b->rules[rule].body = body;
    return b->failed ? ti_fail_nomem(err, module, b->arena.bytes, "a grammar") : TERN_OK;
}

tern_status ti_gbnf_read(ti_gbuild *b, const char *text, size_t len, tern_err *err)
{
    gbnf p = {.b = b, .text = text, .len = len, .err = err};
    (void)ti_grule_new(b, "root", 4, TI_NO_OFFSET);
    for (;;) {
        skip_space(&p);
        if (p.pos >= len || b->failed || b->too_many) {
            break;
        }
        TI_TRY(take_rule(&p));
    }
    if (b->failed) {
        return ti_fail_nomem(err, module, b->arena.bytes, "a grammar");
    }
    if (b->too_many) {
        return ti_fail(err, TERN_LIMIT, module, p.pos, "more than %d rules",
                       TI_GRAMMAR_MAX_RULES);
    }
    for (size_t i = 0; i < b->n_rules; i++) {
        const ti_grule *rule = &b->rules[i];
        if (!rule->body && rule->at == TI_NO_OFFSET) {
            return ti_fail(err, TERN_CORRUPT, module, len, "there is no rule 'root'");
        }
        if (!rule->body) {
            return ti_fail(err, TERN_CORRUPT, module, rule->at, "there is no rule '%s'",
                           rule->name);
        }
    }
    return TERN_OK;
}
