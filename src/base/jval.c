/* SPDX-License-Identifier: Apache-2.0 */
/* A recursive descent, at most TI_JVAL_MAX_DEPTH deep.  Children are collected on one stack
 * that all levels share and are moved into the arena when their bracket closes, so that an
 * array or object is one block without anybody knowing its length beforehand. */
#include "base/jval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
    MAX_NUMBER_CHARS = 127, /* more digits than any double has */
    MAX_INT_DIGITS = 18     /* always fit in int64_t */
};

typedef struct parser {
    const char *text;
    size_t len, pos;
    ti_arena *arena;
    ti_jmember *stack; /* [cap], the first n in use */
    size_t n, cap;
    size_t values; /* seen so far */
    unsigned depth;
    const char *module;
    tern_err *err;
} parser;

static tern_status corrupt(parser *p, const char *what)
{
    return ti_fail(p->err, TERN_CORRUPT, p->module, p->pos, "JSON at byte %zu: %s", p->pos,
                   what);
}

static void skip_space(parser *p)
{
    while (p->pos < p->len) {
        char c = p->text[p->pos];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        }
        p->pos++;
    }
}

/* The next byte, or NUL at the end: NUL is no JSON anywhere, so both are refused alike. */
static char peek(const parser *p)
{
    return p->pos < p->len ? p->text[p->pos] : '\0';
}

static tern_status push(parser *p, const ti_jmember *m)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        ti_jmember *stack = realloc(p->stack, cap * sizeof *stack);
        if (!stack) {
            return ti_fail_nomem(p->err, p->module, cap * sizeof *stack, "JSON");
        }
        p->stack = stack;
        p->cap = cap;
    }
    p->stack[p->n++] = *m;
    return TERN_OK;
}

/* --- strings ----------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The four digits of \uXXXX; -1 when they are not all there. */
static int32_t hex4(parser *p)
{
    if (p->len - p->pos < 4) {
        return -1;
    }
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p->text[p->pos + (size_t)i]);
        if (digit < 0) {
            return -1;
        }
        code = code << 4 | digit;
    }
    p->pos += 4;
    return code;
}

/* What stands after "\u", surrogate pairs joined; 0 when it is no character to be had. */
static uint32_t escaped_code(parser *p)
{
    int32_t high = hex4(p);
    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return 0;
    }
    if (high < 0xd800 || high > 0xdbff) {
        return (uint32_t)high;
    }
    if (p->len - p->pos < 2 || p->text[p->pos] != '\\' || p->text[p->pos + 1] != 'u') {
        return 0;
    }
    p->pos += 2;
    int32_t low = hex4(p);
    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }
    return 0x10000u + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

/* Copies one escape sequence, of which the backslash was read, to `to`.  It never becomes
 * longer than it was. */
static tern_status unescape(parser *p, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = peek(p);
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        *(*to)++ = into[found - from];
        p->pos++;
        return TERN_OK;
    }
    if (c != 'u') {
        return corrupt(p, "unknown escape in a string");
    }
    p->pos++;
    uint32_t code = escaped_code(p);
    if (code == 0) {
        return corrupt(p, "\\u that is no character");
    }
    *to += ti_utf8_encode(code, *to);
    return TERN_OK;
}

/* Finds the end of the string at pos and whether it has escapes.  Everything but the escapes
 * is checked here. */
static tern_status scan_string(parser *p, size_t *end, bool *escapes)
{
    size_t i = p->pos;
    *escapes = false;
    while (i < p->len && p->text[i] != '"') {
        unsigned char c = (unsigned char)p->text[i];
        size_t step = 1;
        if (c == '\\') {
            *escapes = true;
            step = 2; /* what follows is looked at by unescape(); a quote is not the end */
        } else if (c >= 0x80) {
            uint32_t code;
            step = ti_utf8_decode(p->text + i, p->len - i, &code);
        }
        if (c < 0x20 || step == 0) {
            p->pos = i;
            return corrupt(p, step ? "control character in a string" : "string is not UTF-8");
        }
        i += step;
    }
    if (i >= p->len) {
        return corrupt(p, "string without end");
    }
    *end = i;
    return TERN_OK;
}

/* Reads a string, of which the opening quote was read. */
static tern_status parse_string(parser *p, ti_str *out)
{
    size_t end = 0;
    bool escapes = false;
    TI_TRY(scan_string(p, &end, &escapes));
    if (!escapes) {
        *out = (ti_str){.data = p->text + p->pos, .len = end - p->pos};
        p->pos = end + 1;
        return TERN_OK;
    }
    char *copy = ti_arena_alloc(p->arena, end - p->pos + 1);
    if (!copy) {
        return ti_fail_nomem(p->err, p->module, end - p->pos + 1, "a JSON string");
    }
    char *to = copy;
    while (p->pos < end) {
        char c = p->text[p->pos++];
        if (c == '\\') {
            TI_TRY(unescape(p, &to));
        } else {
            *to++ = c;
        }
    }
    p->pos = end + 1;
    *out = (ti_str){.data = copy, .len = (size_t)(to - copy)};
    return TERN_OK;
}

/* --- numbers and words ------------------------------------------------------------------- */

static size_t count_digits(const parser *p, size_t at)
{
    size_t n = 0;
    while (at + n < p->len && p->text[at + n] >= '0' && p->text[at + n] <= '9') {
        n++;
    }
    return n;
}

static tern_status parse_number(parser *p, ti_jval *out)
{
    size_t i = p->pos + (peek(p) == '-');
    size_t whole = count_digits(p, i);
    if (whole == 0 || (whole > 1 && p->text[i] == '0')) {
        return corrupt(p, "not a number");
    }
    i += whole;
    bool integer = true;
    if (i < p->len && p->text[i] == '.') {
        size_t fraction = count_digits(p, i + 1);
        if (fraction == 0) {
            return corrupt(p, "number ends with its point");
        }
        i += 1 + fraction;
        integer = false;
    }
    if (i < p->len && (p->text[i] == 'e' || p->text[i] == 'E')) {
        i++;
        i += i < p->len && (p->text[i] == '+' || p->text[i] == '-');
        size_t exponent = count_digits(p, i);
        if (exponent == 0) {
            return corrupt(p, "number without exponent after its e");
        }
        i += exponent;
        integer = false;
    }
    size_t len = i - p->pos;
    char copy[MAX_NUMBER_CHARS + 1];
    if (len > MAX_NUMBER_CHARS) {
        return ti_fail(p->err, TERN_LIMIT, p->module, p->pos,
                       "JSON at byte %zu: a number of %zu characters", p->pos, len);
    }
    memcpy(copy, p->text + p->pos, len);
    copy[len] = '\0';
    if (integer && whole <= MAX_INT_DIGITS) {
        out->type = TI_JINT;
        out->u.integer = strtoll(copy, NULL, 10);
    } else {
        /* The program never leaves the "C" locale, in which strtod() knows only points. */
        out->type = TI_JNUM;
        out->u.number = strtod(copy, NULL);
        if (!isfinite(out->u.number)) {
            return corrupt(p, "number is too large");
        }
    }
    p->pos = i;
    return TERN_OK;
}

static bool take_word(parser *p, const char *word)
{
    size_t len = strlen(word);
    if (p->len - p->pos < len || memcmp(p->text + p->pos, word, len) != 0) {
        return false;
    }
    p->pos += len;
    return true;
}

/* --- arrays and objects ------------------------------------------------------------------ */

static int compare_str(ti_str a, ti_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int compare_members(const void *a, const void *b)
{
    const ti_jmember *x = a, *y = b;
    return compare_str(x->key, y->key);
}

/* Moves the children above `base` from the stack into the arena. */
static tern_status close_bracket(parser *p, size_t base, ti_jval *out)
{
    size_t n = p->n - base;
    out->n = (uint32_t)n;
    p->n = base;
    if (out->type == TI_JARRAY) {
        ti_jval *items = ti_arena_calloc(p->arena, n, sizeof *items);
        if (!items) {
            return ti_fail_nomem(p->err, p->module, n * sizeof *items, "a JSON array");
        }
        for (size_t i = 0; i < n; i++) {
            items[i] = p->stack[base + i].value;
        }
        out->u.items = items;
        return TERN_OK;
    }
    ti_jmember *members = ti_arena_calloc(p->arena, n, sizeof *members);
    if (!members) {
        return ti_fail_nomem(p->err, p->module, n * sizeof *members, "a JSON object");
    }
    if (n > 0) {
        memcpy(members, p->stack + base, n * sizeof *members);
        qsort(members, n, sizeof *members, compare_members);
    }
    for (size_t i = 1; i < n; i++) {
        if (compare_members(&members[i - 1], &members[i]) == 0) {
            return ti_fail(p->err, TERN_CORRUPT, p->module, members[i].value.at,
                           "JSON: member '%.*s' is there twice",
                           (int)(members[i].key.len < 80 ? members[i].key.len : 80),
                           members[i].key.data);
        }
    }
    out->u.members = members;
    return TERN_OK;
}

static tern_status parse_value(parser *p, ti_jval *out);

static tern_status parse_children(parser *p, ti_jval *out)
{
    bool object = out->type == TI_JOBJECT;
    char closing = object ? '}' : ']';
    size_t base = p->n;
    p->pos++;
    skip_space(p);
    if (peek(p) == closing) {
        p->pos++;
        return close_bracket(p, base, out);
    }
    for (;;) {
        ti_jmember m = {0};
        skip_space(p);
        if (object) {
            if (peek(p) != '"') {
                return corrupt(p, "name of a member expected");
            }
            p->pos++;
            TI_TRY(parse_string(p, &m.key));
            skip_space(p);
            if (peek(p) != ':') {
                return corrupt(p, "':' expected");
            }
            p->pos++;
            skip_space(p);
        }
        TI_TRY(parse_value(p, &m.value));
        TI_TRY(push(p, &m));
        skip_space(p);
        char c = peek(p);
        if (c != ',' && c != closing) {
            return corrupt(p, object ? "',' or '}' expected" : "',' or ']' expected");
        }
        p->pos++;
        if (c == closing) {
            return close_bracket(p, base, out);
        }
    }
}

static tern_status parse_value(parser *p, ti_jval *out)
{
    out->at = p->pos;
    if (++p->values > TI_JVAL_MAX_VALUES) {
        return ti_fail(p->err, TERN_LIMIT, p->module, p->pos, "JSON has more than %d values",
                       TI_JVAL_MAX_VALUES);
    }
    switch (peek(p)) {
    case '{':
    case '[':
        if (p->depth == TI_JVAL_MAX_DEPTH) {
            return ti_fail(p->err, TERN_LIMIT, p->module, p->pos,
                           "JSON at byte %zu: more than %d brackets inside each other", p->pos,
                           TI_JVAL_MAX_DEPTH);
        }
        out->type = peek(p) == '{' ? TI_JOBJECT : TI_JARRAY;
        p->depth++;
        TI_TRY(parse_children(p, out));
        p->depth--;
        return TERN_OK;
    case '"':
        out->type = TI_JSTR;
        p->pos++;
        return parse_string(p, &out->u.str);
    case 't':
    case 'f':
        out->type = TI_JBOOL;
        out->u.boolean = peek(p) == 't';
        return take_word(p, out->u.boolean ? "true" : "false") ? TERN_OK
                                                               : corrupt(p, "unknown word");
    case 'n':
        out->type = TI_JNULL;
        return take_word(p, "null") ? TERN_OK : corrupt(p, "unknown word");
    default:
        return parse_number(p, out);
    }
}

tern_status ti_jval_parse(ti_jval *out, ti_arena *arena, const char *text, size_t len,
                          const char *module, tern_err *err)
{
    parser p = {.text = text, .len = len, .arena = arena, .module = module, .err = err};
    ti_jval root = {0};
    skip_space(&p);
    tern_status status = parse_value(&p, &root);
    if (status == TERN_OK) {
        skip_space(&p);
        if (p.pos != len) {
            status = corrupt(&p, "something after the end");
        }
    }
    free(p.stack);
    if (status == TERN_OK) {
        *out = root;
    }
    return status;
}

/* --- looking into the tree --------------------------------------------------------------- */

const ti_jval *ti_jval_getn(const ti_jval *object, ti_str key)
{
    if (!object || object->type != TI_JOBJECT) {
        return NULL;
    }
    ti_jmember wanted = {.key = key};
    const ti_jmember *m = bsearch(&wanted, object->u.members, object->n,
                                  sizeof *object->u.members, compare_members);
    return m ? &m->value : NULL;
}

const ti_jval *ti_jval_get(const ti_jval *object, const char *key)
{
    return ti_jval_getn(object, (ti_str){.data = key, .len = strlen(key)});
}

bool ti_jval_is(const ti_jval *v, const char *text)
{
    return v && v->type == TI_JSTR && v->u.str.len == strlen(text) &&
           memcmp(v->u.str.data, text, v->u.str.len) == 0;
}

bool ti_jval_none(const ti_jval *v)
{
    return !v || v->type == TI_JNULL;
}

/* How many bytes the value at the beginning of `text` has, which was parsed before. */
static size_t extent(const char *text, size_t len)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
            if (!quoted && depth == 0) {
                return i + 1;
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth > 0 && (c == '}' || c == ']')) {
            if (--depth == 0) {
                return i + 1;
            }
        } else if (depth == 0 && (strchr(",}] \t\r\n", c) || !c)) {
            return i;
        }
    }
    return len;
}

ti_str ti_jval_text(const ti_jval *v, ti_str text)
{
    const char *from = text.data + v->at;
    return (ti_str){from, extent(from, text.len - (size_t)v->at)};
}

bool ti_jval_uint(const ti_jval *v, uint64_t max, uint64_t *out)
{
    if (!v || v->type != TI_JINT || v->u.integer < 0 || (uint64_t)v->u.integer > max) {
        return false;
    }
    *out = (uint64_t)v->u.integer;
    return true;
}

bool ti_jval_num(const ti_jval *v, double *out)
{
    if (!v || (v->type != TI_JINT && v->type != TI_JNUM)) {
        return false;
    }
    *out = v->type == TI_JINT ? (double)v->u.integer : v->u.number;
    return true;
}
