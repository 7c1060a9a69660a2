/* SPDX-License-Identifier: Apache-2.0 */
/* Finding records in files: one a line, or in the elements <signedData> and <publicKey> of
 * S.A.F.E.'s XML.  Of XML only that is understood: start tags with attributes, text with
 * character references, CDATA. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "ledger/ocmf_parts.h"

static const char module[] = "ocmf";

typedef struct finder {
    ti_ocmf *out;
    size_t cap;
    const char *text;
    size_t len, pos;
    tern_err *err;
} finder;

static tern_status bad(finder *f, size_t at, const char *what)
{
    return ti_fail(f->err, TERN_CORRUPT, module, at, "at byte %zu: %s", at, what);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static ti_str trim(ti_str s)
{
    while (s.len > 0 && is_space(*s.data)) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

static bool starts(ti_str s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data, with, n) == 0;
}

/* Position of `what` in text[from..to), or `to`. */
static size_t find(const finder *f, size_t from, size_t to, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = from; i + n <= to; i++) {
        if (f->text[i] == what[0] && memcmp(f->text + i, what, n) == 0) {
            return i;
        }
    }
    return to;
}

static tern_status add_record(finder *f, size_t at, ti_str bytes)
{
    ti_ocmf *out = f->out;
    if (out->n == TI_OCMF_RECORDS_MAX) {
        return ti_fail(f->err, TERN_LIMIT, module, at, "more than %d records",
                       TI_OCMF_RECORDS_MAX);
    }
    if (out->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 8;
        ti_ocmf_record *records = realloc(out->records, cap * sizeof *records);
        if (!records) {
            return ti_fail_nomem(f->err, module, cap * sizeof *records, "records");
        }
        out->records = records;
        f->cap = cap;
    }
    out->records[out->n] = (ti_ocmf_record){.at = at, .bytes = bytes};
    return ti_ocmf_record_parse(&out->records[out->n++], &out->arena, f->err);
}

/* --- lines ----------------------------------------------------------------------------------
 */

static tern_status read_lines(finder *f)
{
    while (f->pos < f->len) {
        const char *line = f->text + f->pos;
        const char *end = memchr(line, '\n', f->len - f->pos);
        size_t n = end ? (size_t)(end - line) : f->len - f->pos;
        ti_str record = trim((ti_str){.data = line, .len = n});
        if (record.len > 0) {
            TI_TRY(add_record(f, (size_t)(record.data - f->text), record));
        }
        f->pos += n + 1;
    }
    return TERN_OK;
}

/* --- XML ------------------------------------------------------------------------------------
 */

/* &quot; and the like at `in`; returns its length, 0 when it is none. */
static size_t reference(const char *in, size_t len, char out[4], size_t *n)
{
    static const struct {
        const char *name;
        char c;
    } named[] = {
        {"&quot;", '"'}, {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&apos;", '\''}};
    enum { HEX = 16, DECIMAL = 10, DIGITS = 8 };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        size_t k = strlen(named[i].name);
        if (len >= k && memcmp(in, named[i].name, k) == 0) {
            out[0] = named[i].c;
            *n = 1;
            return k;
        }
    }
    if (len < 4 || in[1] != '#') {
        return 0;
    }
    size_t i = in[2] == 'x' ? 3 : 2, first = i;
    uint32_t code = 0;
    for (; i < len && i - first < DIGITS && in[i] != ';'; i++) {
        const char *digits = "0123456789abcdef", *d;
        char c = in[i] >= 'A' && in[i] <= 'F' ? (char)(in[i] - 'A' + 'a') : in[i];
        d = c ? strchr(digits, c) : NULL;
        if (!d || d - digits >= (first == 3 ? HEX : DECIMAL)) {
            return 0;
        }
        code = code * (first == 3 ? HEX : DECIMAL) + (uint32_t)(d - digits);
    }
    if (i == first || i >= len || in[i] != ';' || code == 0 || code > 0x10ffff ||
        (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    *n = ti_utf8_encode(code, out);
    return i + 1;
}

/* The text of an element [from, to): as it stands in the file, or, where something in it is
 * spelled otherwise, a copy. */
static tern_status content(finder *f, size_t from, size_t to, ti_str *out)
{
    static const char open[] = "<![CDATA[", close[] = "]]>";
    ti_str raw = trim((ti_str){.data = f->text + from, .len = to - from});
    if (!memchr(raw.data, '&', raw.len) && !memchr(raw.data, '<', raw.len)) {
        *out = raw;
        return TERN_OK;
    }
    char *copy = ti_arena_alloc(&f->out->arena, raw.len + 1);
    size_t n = 0;
    if (!copy) {
        return ti_fail_nomem(f->err, module, raw.len, "a record");
    }
    for (size_t i = 0; i < raw.len;) {
        size_t at = (size_t)(raw.data - f->text) + i, took, made = 1;
        ti_str rest = {.data = raw.data + i, .len = raw.len - i};
        if (starts(rest, open)) {
            size_t begin = at + sizeof open - 1, end = find(f, begin, to, close);
            if (end == to) {
                return bad(f, at, "CDATA does not end");
            }
            memcpy(copy + n, f->text + begin, end - begin);
            n += end - begin;
            i += end + sizeof close - 1 - at;
            continue;
        }
        if (*rest.data == '<') {
            return bad(f, at, "an element inside of a record");
        }
        if (*rest.data == '&') {
            took = reference(rest.data, rest.len, copy + n, &made);
            if (took < made || took == 0) {
                return bad(f, at, "a character reference that is not known");
            }
        } else {
            copy[n] = *rest.data;
            took = 1;
        }
        n += made;
        i += took;
    }
    *out = trim((ti_str){.data = copy, .len = n});
    return TERN_OK;
}

/* Whether the start tag text[from..to) has an attribute name="value" with another value than
 * `wanted` (letters of either case). */
static bool differs(const finder *f, size_t from, size_t to, const char *name,
                    const char *wanted)
{
    size_t at = find(f, from, to, name) + strlen(name), n = strlen(wanted);
    if (at >= to) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (at + i >= to || (f->text[at + i] | 0x20) != (wanted[i] | 0x20)) {
            return true;
        }
    }
    return at + n >= to || f->text[at + n] != '"';
}

static tern_status element(finder *f, const char *name, const char *end_tag, size_t limit,
                           ti_str *out, size_t *begins)
{
    size_t tag = find(f, f->pos, limit, name), open = find(f, tag, limit, ">");
    size_t close = find(f, open, limit, end_tag);
    if (close == limit) {
        return bad(f, tag, "an element that does not end");
    }
    if (differs(f, tag, open, "format=\"", "OCMF")) {
        return ti_fail(f->err, TERN_UNSUPPORTED, module, tag,
                       "at byte %zu: a signed record that is not OCMF", tag);
    }
    if (name[1] == 's' && differs(f, tag, open, "encoding=\"", "plain")) {
        return ti_fail(f->err, TERN_UNSUPPORTED, module, tag,
                       "at byte %zu: a record in an encoding that is not known", tag);
    }
    TI_TRY(content(f, open + 1, close, out));
    *begins = open + 1;
    f->pos = close + strlen(end_tag);
    return TERN_OK;
}

static tern_status read_xml(finder *f)
{
    static const char data_tag[] = "<signedData", key_tag[] = "<publicKey";
    ti_str text;
    size_t at;
    while (find(f, f->pos, f->len, data_tag) < f->len) {
        TI_TRY(element(f, data_tag, "</signedData>", f->len, &text, &at));
        TI_TRY(add_record(f, at, text));
        size_t next = find(f, f->pos, f->len, data_tag);
        if (find(f, f->pos, next, key_tag) < next) {
            ti_ocmf_record *record = &f->out->records[f->out->n - 1];
            TI_TRY(element(f, key_tag, "</publicKey>", next, &text, &at));
            TI_TRY(ti_ec_key_parse(&record->key, text.data, text.len, f->err));
            record->has_key = true;
        }
    }
    return TERN_OK;
}

bool ti_ocmf_is(const char *text, size_t len)
{
    ti_str s = trim((ti_str){.data = text, .len = len});
    finder f = {.text = text, .len = len};
    return starts(s, "OCMF|") || (starts(s, "<") && find(&f, 0, len, "<signedData") < len);
}

tern_status ti_ocmf_parse(ti_ocmf *out, const char *text, size_t len, tern_err *err)
{
    ti_ocmf made = {0};
    finder f = {.out = &made, .text = text, .len = len, .err = err};
    if (len > TI_OCMF_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_OCMF_MAX, "is over %d bytes", TI_OCMF_MAX);
    }
    ti_str all = trim((ti_str){.data = text, .len = len});
    tern_status status = starts(all, "<") ? read_xml(&f) : read_lines(&f);
    if (status == TERN_OK && made.n == 0) {
        status = ti_fail(err, TERN_CORRUPT, module, 0, "has no signed records");
    }
    if (status != TERN_OK) {
        ti_ocmf_free(&made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

void ti_ocmf_free(ti_ocmf *ocmf)
{
    free(ocmf->records);
    ti_arena_free(&ocmf->arena);
    *ocmf = (ti_ocmf){0};
}
