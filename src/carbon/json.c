/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/stamp.h"

tern_status ti_answer_parse(ti_jval *out, ti_arena *arena, const char *text, size_t len,
                            const char *module, tern_err *err)
{
    size_t at = 0;
    while (at < len && strchr(" \t\r\n", text[at]) && text[at]) {
        at++;
    }
    if (at == len) {
        return ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET,
                       "an empty answer: it does not know that zone or time");
    }
    return ti_jval_parse(out, arena, text, len, module, err);
}

const ti_jval *ti_answer_get(const ti_jval *object, const char *name, const char *other)
{
    const ti_jval *v = ti_jval_get(object, name);
    return v ? v : ti_jval_get(object, other);
}

tern_status ti_answer_bad(const ti_jval *value, const char *module, const char *expected,
                          tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, module, value ? value->at : TI_NO_OFFSET, "no %s%s",
                   expected, value ? "" : " where one must be");
}

tern_status ti_answer_time(int64_t *time_s, const ti_jval *value, const char *module,
                           tern_err *err)
{
    if (!value || value->type != TI_JSTR ||
        !ti_stamp_parse(time_s, value->u.str.data, value->u.str.len)) {
        return ti_answer_bad(value, module, "moment such as 2026-01-31T12:00Z", err);
    }
    return TERN_OK;
}

/* A decimal number and nothing else. */
static bool number_of(double *out, ti_str s)
{
    enum { DIGITS_MAX = 30 };
    char copy[DIGITS_MAX + 1];
    bool digit = false;
    if (s.len == 0 || s.len > DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        bool is_digit = s.data[i] >= '0' && s.data[i] <= '9';
        if (!is_digit && s.data[i] != '.' && !(s.data[i] == '-' && i == 0)) {
            return false;
        }
        digit |= is_digit;
    }
    memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    char *end;
    *out = strtod(copy, &end);
    return digit && *end == '\0' && isfinite(*out);
}

tern_status ti_answer_number(double *out, bool *there, const ti_jval *value, const char *module,
                             tern_err *err)
{
    *there = !ti_jval_none(value);
    if (!*there || ti_jval_num(value, out) ||
        (value->type == TI_JSTR && number_of(out, value->u.str))) {
        return TERN_OK;
    }
    return ti_answer_bad(value, module, "number", err);
}

const char *ti_answer_text(char *out, size_t cap, const ti_jval *value)
{
    out[0] = '\0';
    if (value && value->type == TI_JSTR) {
        int n = value->u.str.len < cap ? (int)value->u.str.len : (int)cap - 1;
        snprintf(out, cap, "%.*s", n, value->u.str.data);
    }
    return out;
}

void ti_zone_list_add(ti_buf *list, size_t *n, const char *name, size_t len)
{
    const char *line = list->failed || !list->data ? "" : list->data;
    while (*line) {
        size_t had = strcspn(line, "\n");
        if (had == len && memcmp(line, name, len) == 0) {
            return;
        }
        line += had + 1;
    }
    if (*n < TI_ZONE_LIST_MAX && !memchr(name, '\n', len)) {
        ti_buf_add(list, name, len);
        ti_buf_addc(list, '\n');
        ++*n;
    }
}

tern_status ti_answer_done(ti_feed *feed, tern_status status, bool may_cut, tern_err *err)
{
    if (status == TERN_OK) {
        status = ti_feed_close(feed, may_cut, err);
    }
    if (status != TERN_OK) {
        ti_feed_free(feed);
    }
    return status;
}
