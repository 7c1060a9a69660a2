/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and whole numbers of a schema as expressions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "model/schema.h"

enum { MAX_DIGITS = 18, MAX_NAME_CHARS = 256 };

static ti_gexpr *pair(ti_gbuild *b, ti_gexpr *first, ti_gexpr *second)
{
    ti_gexpr *seq = ti_gx_list(b, TI_GX_SEQ);
    ti_gx_add(b, seq, first);
    ti_gx_add(b, seq, second);
    return seq;
}

static ti_gexpr *range(ti_gbuild *b, uint32_t lo, uint32_t hi)
{
    const ti_grange r = {lo, hi};
    return ti_gx_set(b, &r, 1, false);
}

/* --- whole numbers --------------------------------------------------------------------------
 */

static bool all_are(const char *digits, size_t n, char c)
{
    for (size_t i = 0; i < n; i++) {
        if (digits[i] != c) {
            return false;
        }
    }
    return true;
}

/* n digits between those of lo and hi: a first digit whose rest is bounded below, first digits
 * with any rest, one whose rest is bounded above. */
static ti_gexpr *digits_between(ti_gbuild *b, const char *lo, const char *hi, size_t n)
{
    static const char zeros[] = "000000000000000000", nines[] = "999999999999999999";
    if (all_are(lo, n, '0') && all_are(hi, n, '9')) {
        return ti_gx_repeat(b, range(b, '0', '9'), (uint32_t)n, (uint32_t)n);
    }
    if (lo[0] == hi[0]) {
        return pair(b, ti_gx_text(b, lo, 1), digits_between(b, lo + 1, hi + 1, n - 1));
    }
    ti_gexpr *alt = ti_gx_list(b, TI_GX_ALT);
    unsigned from = (unsigned char)lo[0], to = (unsigned char)hi[0];
    if (!all_are(lo + 1, n - 1, '0')) {
        ti_gx_add(b, alt,
                  pair(b, ti_gx_text(b, lo, 1), digits_between(b, lo + 1, nines, n - 1)));
        from++;
    }
    if (!all_are(hi + 1, n - 1, '9')) {
        ti_gx_add(b, alt,
                  pair(b, ti_gx_text(b, hi, 1), digits_between(b, zeros, hi + 1, n - 1)));
        to--;
    }
    if (from <= to) {
        ti_gx_add(b, alt, pair(b, range(b, from, to), digits_between(b, zeros, nines, n - 1)));
    }
    return alt;
}

static size_t write_digits(char out[MAX_DIGITS + 1], uint64_t value)
{
    size_t n = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10) {
        n++;
    }
    for (size_t i = n; i-- > 0; value /= 10) {
        out[i] = (char)('0' + value % 10);
    }
    return n;
}

/* 1 <= lo <= hi < 10^18 */
static void add_positive(ti_gbuild *b, ti_gexpr *alt, uint64_t lo, uint64_t hi, bool minus)
{
    uint64_t power = 1; /* 10^(n - 1) */
    for (size_t n = 1; n <= MAX_DIGITS; n++, power *= 10) {
        uint64_t from = lo > power ? lo : power, to = power * 10 - 1;
        to = to < hi ? to : hi;
        if (from > to) {
            continue;
        }
        char first[MAX_DIGITS + 1], last[MAX_DIGITS + 1];
        (void)write_digits(first, from);
        (void)write_digits(last, to);
        ti_gexpr *digits = digits_between(b, first, last, n);
        ti_gx_add(b, alt, minus ? pair(b, ti_gx_lit(b, "-"), digits) : digits);
    }
}

ti_gexpr *ti_gx_integer(ti_gbuild *b, int64_t lo, int64_t hi)
{
    ti_gexpr *alt = ti_gx_list(b, TI_GX_ALT);
    if (lo < 0 && lo <= hi) {
        add_positive(b, alt, hi < 0 ? (uint64_t)-hi : 1, (uint64_t)-lo, true);
    }
    if (lo <= 0 && hi >= 0) {
        ti_gx_add(b, alt, ti_gx_lit(b, "0"));
    }
    if (hi > 0 && lo <= hi) {
        add_positive(b, alt, lo > 0 ? (uint64_t)lo : 1, (uint64_t)hi, false);
    }
    return alt;
}

/* --- names that are not declared ------------------------------------------------------------
 */

/* Texts from position `at` of them on (all n agree before it) that are none of these.  As deep
 * as the names are long. */
static ti_gexpr *other_from(ti_gbuild *b, const ti_str *texts, size_t n, size_t at,
                            size_t depth)
{
    ti_gexpr *alt = ti_gx_list(b, TI_GX_ALT);
    ti_grange used[3 + 64];
    size_t n_used = 0;
    used[n_used++] = (ti_grange){0, 0x1f};
    used[n_used++] = (ti_grange){'"', '"'};
    used[n_used++] = (ti_grange){'\\', '\\'};
    size_t i = 0;
    if (n > 0 && texts[0].len == at) {
        i++; /* one ends here, sorted first */
    } else {
        ti_gx_add(b, alt, ti_gx_list(b, TI_GX_SEQ)); /* so may what is written */
    }
    while (i < n) {
        uint32_t code = 0;
        size_t size = ti_utf8_decode(texts[i].data + at, texts[i].len - at, &code), end = i + 1;
        while (end < n && texts[end].len >= at + size &&
               memcmp(texts[end].data + at, texts[i].data + at, size) == 0) {
            end++;
        }
        if (n_used == sizeof used / sizeof used[0] || depth == MAX_NAME_CHARS || size == 0) {
            b->too_many = true;
            return alt;
        }
        used[n_used++] = (ti_grange){code, code};
        if (code > 0x1f && code != '"' && code != '\\') {
            ti_gx_add(b, alt,
                      pair(b, ti_gx_text(b, texts[i].data + at, size),
                           other_from(b, texts + i, end - i, at + size, depth + 1)));
        }
        i = end;
    }
    ti_gexpr *rest = ti_gx_repeat(b, ti_gx_rule(b, TI_JR_PLAIN), 0, TI_GX_FOREVER);
    ti_gx_add(b, alt, pair(b, ti_gx_set(b, used, n_used, true), rest));
    return alt;
}

ti_gexpr *ti_gx_other_text(ti_gbuild *b, const ti_str *texts, size_t n)
{
    return other_from(b, texts, n, 0, 0);
}

/* --- values ---------------------------------------------------------------------------------
 */

/* As deep as the text of the schema. */
static void write_value(ti_buf *out, const char *key, const ti_jval *v)
{
    switch (v->type) {
    case TI_JBOOL:
        ti_json_bool(out, key, v->u.boolean);
        break;
    case TI_JINT:
        ti_json_int(out, key, v->u.integer);
        break;
    case TI_JNUM:
        ti_json_num(out, key, v->u.number, 17);
        break;
    case TI_JSTR:
        ti_json_strn(out, key, v->u.str.data, v->u.str.len);
        break;
    case TI_JARRAY:
        ti_json_open(out, key, '[');
        for (uint32_t i = 0; i < v->n; i++) {
            write_value(out, NULL, &v->u.items[i]);
        }
        ti_json_close(out, ']');
        break;
    case TI_JOBJECT:
        ti_json_open(out, key, '{');
        for (uint32_t i = 0; i < v->n; i++) {
            const ti_jmember *m = &v->u.members[i];
            char *name = strndup(m->key.data, m->key.len);
            out->failed = out->failed || !name;
            if (name) {
                write_value(out, name, &m->value);
            }
            free(name);
        }
        ti_json_close(out, '}');
        break;
    default:
        ti_json_num(out, key, (double)NAN, 1); /* null */
        break;
    }
}

ti_gexpr *ti_gx_value(ti_gbuild *b, const ti_jval *value)
{
    ti_buf out = {0};
    write_value(&out, NULL, value);
    ti_gexpr *x = ti_gx_text(b, out.data ? out.data : "", out.len);
    b->failed = b->failed || out.failed;
    ti_buf_free(&out);
    return x;
}
