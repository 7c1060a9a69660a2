/* SPDX-License-Identifier: Apache-2.0 */
#include "device/when.h"

#include <stdio.h>
#include <string.h>

#include "carbon/stamp.h"

enum {
    ISO_DATE = 10, /* "2010-07-02" */
    ISO_MAX = 48,
    EPOCH_DIGITS = 9,        /* from 1973 on */
    EPOCH_MILLI_DIGITS = 13, /* from 2001 on: 12 digits are a date and a clock */
    COMPACT_DATE = 8,
    COMPACT_MINUTES = 12,
    COMPACT_SECONDS = 14
};

/* A firmware counts seconds in 32 bits. */
#define LAST_S ((int64_t)UINT32_MAX)

static size_t count_digits(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] >= '0' && text[n] <= '9') {
        n++;
    }
    return n;
}

static unsigned number(const char *text, size_t len)
{
    unsigned value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value;
}

static bool in_range(const ti_when *when)
{
    return when->shown_s >= 0 && when->shown_s <= LAST_S;
}

/* ISO 8601 with its offset cut off and read for itself. */
static bool iso(ti_when *out, const char *text, size_t len)
{
    ti_when when = {0};
    size_t clock = len;
    int64_t utc_s;
    if (len < ISO_DATE || !ti_stamp_parse(&utc_s, text, len)) {
        return false;
    }
    for (size_t i = ISO_DATE; i < len; i++) {
        if (strchr("Zz+-", text[i])) {
            clock = i;
            break;
        }
    }
    if (!ti_stamp_parse(&when.shown_s, text, clock)) {
        return false;
    }
    when.has_offset = clock < len;
    when.offset_s = (int32_t)(when.shown_s - utc_s);
    *out = when;
    return in_range(out);
}

/* Seconds or milliseconds since 1970; what is behind a point is dropped. */
static bool epoch(ti_when *out, const char *text, size_t len)
{
    size_t n = count_digits(text, len);
    bool fraction = n < len && text[n] == '.' && len - n > 1 &&
                    count_digits(text + n + 1, len - n - 1) == len - n - 1;
    if (n < len && !fraction) {
        return false;
    }
    if (n != EPOCH_DIGITS && n != EPOCH_DIGITS + 1 && n != EPOCH_MILLI_DIGITS) {
        return false;
    }
    size_t whole = n == EPOCH_MILLI_DIGITS ? n - 3 : n;
    int64_t value = 0;
    for (size_t i = 0; i < whole; i++) {
        value = value * 10 + (text[i] - '0');
    }
    ti_when when = {.shown_s = value, .has_offset = true};
    *out = when;
    return in_range(out);
}

/* The date and the rest of a text as ISO 8601. */
static bool as_iso(ti_when *out, unsigned year, unsigned month, unsigned day, const char *rest,
                   size_t len)
{
    char text[ISO_MAX];
    /* An hour of one digit: " 0:15". */
    bool short_hour = len >= 3 && count_digits(rest + 1, len - 1) == 1;
    if (len > 0 && rest[0] != ' ' && rest[0] != 'T') {
        return false;
    }
    int n = snprintf(text, sizeof text, "%04u-%02u-%02u%s%.*s", year, month, day,
                     short_hour ? " 0" : "", (int)(len < 32 ? len : 32) - (int)short_hour,
                     rest + short_hour);
    return len <= 32 && n > 0 && (size_t)n < sizeof text && iso(out, text, (size_t)n);
}

/* 20100702, 201007020015, 20100702001500 */
static bool compact(ti_when *out, const char *text, size_t len)
{
    char rest[16] = "";
    if (count_digits(text, len) != len ||
        (len != COMPACT_DATE && len != COMPACT_MINUTES && len != COMPACT_SECONDS)) {
        return false;
    }
    int n =
        len == COMPACT_DATE ? 0
        : len == COMPACT_MINUTES
            ? snprintf(rest, sizeof rest, " %.2s:%.2s", text + 8, text + 10)
            : snprintf(rest, sizeof rest, " %.2s:%.2s:%.2s", text + 8, text + 10, text + 12);
    return as_iso(out, number(text, 4), number(text + 4, 2), number(text + 6, 2), rest,
                  (size_t)n);
}

/* Three numbers with `mark` between them.  Returns the length, 0 for none. */
static size_t three(const char *text, size_t len, char mark, unsigned parts[3], size_t width[3])
{
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        width[i] = count_digits(text + at, len - at);
        if (width[i] < 1 || width[i] > 4) {
            return 0;
        }
        parts[i] = number(text + at, width[i]);
        at += width[i];
        if (i < 2) {
            if (at == len || text[at] != mark) {
                return 0;
            }
            at++;
        }
    }
    return at;
}

static ti_when_found with_marks(ti_when *out, const char *text, size_t len, ti_dates dates)
{
    unsigned p[3];
    size_t w[3], n = three(text, len, '.', p, w);
    bool points = n > 0;
    n = points ? n : three(text, len, '/', p, w);
    if (n == 0) {
        return TI_WHEN_NONE;
    }
    ti_when when;
    if (w[0] == 4) {
        if (!as_iso(&when, p[0], p[1], p[2], text + n, len - n)) {
            return TI_WHEN_NONE;
        }
        *out = when;
        return TI_WHEN_OK;
    }
    if (w[0] > 2 || w[1] > 2 || (w[2] != 2 && w[2] != 4)) {
        return TI_WHEN_NONE;
    }
    unsigned year = w[2] == 4 ? p[2] : p[2] < 70 ? 2000 + p[2] : 1900 + p[2];
    bool day_first = points || dates == TI_DATES_DMY;
    if (!points && dates == TI_DATES_UNKNOWN) {
        return as_iso(&when, year, p[0], p[1], text + n, len - n) ||
                       as_iso(&when, year, p[1], p[0], text + n, len - n)
                   ? TI_WHEN_AMBIGUOUS
                   : TI_WHEN_NONE;
    }
    if (!as_iso(&when, year, p[day_first ? 1 : 0], p[day_first ? 0 : 1], text + n, len - n)) {
        return TI_WHEN_NONE;
    }
    *out = when;
    return TI_WHEN_OK;
}

ti_when_found ti_when_parse(ti_when *out, const char *text, size_t len, ti_dates dates)
{
    ti_when when;
    if (iso(&when, text, len) || epoch(&when, text, len) || compact(&when, text, len)) {
        *out = when;
        return TI_WHEN_OK;
    }
    return with_marks(out, text, len, dates);
}
