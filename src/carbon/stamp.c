/* SPDX-License-Identifier: Apache-2.0 */
/* Days are counted with the proleptic Gregorian calendar from 1 March, where leap days come
 * last (the well-known civil-from-days arithmetic). */
#include "carbon/stamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    YEAR_MIN = 1970,
    YEAR_MAX = 2199,
    DAYS_PER_ERA = 146097, /* 400 years */
    EPOCH_DAYS = 719468,   /* from 0000-03-01 to 1970-01-01 */
    MINUTE_S = 60,
    OFFSET_MAX_H = 15,
    SPAN_MAX_DAYS = 366
};

static int64_t days_from_civil(int year, unsigned month, unsigned day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400;
    unsigned of_era = (unsigned)(y - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (int64_t)era * DAYS_PER_ERA + days - EPOCH_DAYS;
}

typedef struct civil {
    int year;
    unsigned month, day, hour, minute, second;
} civil;

static civil civil_of(int64_t time_s)
{
    civil c;
    int64_t t = time_s < 0 ? 0 : time_s > TI_STAMP_MAX_S ? TI_STAMP_MAX_S : time_s;
    unsigned of_day = (unsigned)(t % TI_DAY_S);
    unsigned days = (unsigned)(t / TI_DAY_S) + EPOCH_DAYS;
    unsigned era = days / DAYS_PER_ERA, of_era = days % DAYS_PER_ERA;
    unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153;
    c.day = of_year - (153 * m + 2) / 5 + 1;
    c.month = m < 10 ? m + 3 : m - 9;
    c.year = (int)(y + era * 400 + (c.month <= 2));
    c.hour = of_day / TI_HOUR_S;
    c.minute = of_day % TI_HOUR_S / MINUTE_S;
    c.second = of_day % MINUTE_S;
    return c;
}

/* --- reading ------------------------------------------------------------------------------ */

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool take(cursor *c, char wanted)
{
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static bool is_digit(const cursor *c)
{
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

/* Exactly n digits. */
static bool digits(cursor *c, unsigned n, unsigned *out)
{
    unsigned value = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!is_digit(c)) {
            return false;
        }
        value = value * 10 + (unsigned)(*c->at++ - '0');
    }
    *out = value;
    return true;
}

static bool days_fit(int year, unsigned month, unsigned day)
{
    static const unsigned char of_month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= of_month[month - 1] + (unsigned)(month == 2 && leap);
}

/* hh:mm[:ss[.f...]] */
static bool read_clock(cursor *c, civil *t)
{
    if (!digits(c, 2, &t->hour) || !take(c, ':') || !digits(c, 2, &t->minute)) {
        return false;
    }
    if (take(c, ':')) {
        if (!digits(c, 2, &t->second)) {
            return false;
        }
        if (take(c, '.')) {
            if (!is_digit(c)) {
                return false;
            }
            while (is_digit(c)) {
                c->at++;
            }
        }
    }
    return t->hour < 24 && t->minute < 60 && t->second < 60;
}

/* Z, an offset, or nothing. */
static bool read_offset(cursor *c, int64_t *offset_s)
{
    unsigned h, m = 0;
    *offset_s = 0;
    if (c->at == c->end || take(c, 'Z') || take(c, 'z')) {
        return true;
    }
    bool minus = take(c, '-');
    if ((!minus && !take(c, '+')) || !digits(c, 2, &h)) {
        return false;
    }
    if (c->at < c->end) {
        (void)take(c, ':');
        if (!digits(c, 2, &m)) {
            return false;
        }
    }
    int64_t s = (int64_t)h * TI_HOUR_S + (int64_t)m * MINUTE_S;
    *offset_s = minus ? -s : s;
    return h < OFFSET_MAX_H && m < 60;
}

bool ti_stamp_parse(int64_t *time_s, const char *text, size_t len)
{
    cursor c = {.at = text, .end = text + len};
    civil t = {0};
    unsigned year;
    int64_t offset_s = 0;
    if (!digits(&c, 4, &year) || !take(&c, '-') || !digits(&c, 2, &t.month) || !take(&c, '-') ||
        !digits(&c, 2, &t.day)) {
        return false;
    }
    if (year < YEAR_MIN || year > YEAR_MAX || !days_fit((int)year, t.month, t.day)) {
        return false;
    }
    if ((take(&c, 'T') || take(&c, ' ')) &&
        !(read_clock(&c, &t) && read_offset(&c, &offset_s))) {
        return false;
    }
    int64_t s = days_from_civil((int)year, t.month, t.day) * TI_DAY_S +
                (int64_t)t.hour * TI_HOUR_S + (int64_t)t.minute * MINUTE_S + t.second -
                offset_s;
    if (c.at != c.end || s < 0 || s > TI_STAMP_MAX_S) {
        return false;
    }
    *time_s = s;
    return true;
}

/* --- writing ------------------------------------------------------------------------------ */

const char *ti_stamp_text(char out[TI_STAMP_TEXT], int64_t time_s)
{
    civil c = civil_of(time_s);
    snprintf(out, TI_STAMP_TEXT, "%04d-%02u-%02uT%02u:%02u:%02uZ", c.year, c.month, c.day,
             c.hour, c.minute, c.second);
    return out;
}

const char *ti_stamp_minutes(char out[TI_STAMP_TEXT], int64_t time_s)
{
    civil c = civil_of(time_s);
    snprintf(out, TI_STAMP_TEXT, "%04d-%02u-%02uT%02u:%02uZ", c.year, c.month, c.day, c.hour,
             c.minute);
    return out;
}

const char *ti_stamp_compact(char out[TI_STAMP_TEXT], int64_t time_s)
{
    civil c = civil_of(time_s);
    snprintf(out, TI_STAMP_TEXT, "%04d%02u%02u%02u%02u", c.year, c.month, c.day, c.hour,
             c.minute);
    return out;
}

const char *ti_stamp_offset(char out[TI_STAMP_TEXT], int64_t time_s)
{
    civil c = civil_of(time_s);
    snprintf(out, TI_STAMP_TEXT, "%04d-%02u-%02uT%02u:%02u:%02u+00:00", c.year, c.month, c.day,
             c.hour, c.minute, c.second);
    return out;
}

/* --- lengths of time ---------------------------------------------------------------------- */

/* One to six digits. */
static bool some_digits(cursor *c, unsigned *out)
{
    unsigned value = 0, n = 0;
    while (n < 6 && is_digit(c)) {
        value = value * 10 + (unsigned)(*c->at++ - '0');
        n++;
    }
    *out = value;
    return n > 0;
}

/* P[nD][T[nH][nM][nS]], after the P. */
static bool iso_span(cursor *c, uint64_t *span_s)
{
    static const struct {
        char unit;
        bool clock;
        uint32_t of_s;
    } units[] = {
        {'D', false, TI_DAY_S}, {'H', true, TI_HOUR_S}, {'M', true, 60}, {'S', true, 1}};
    bool clock = false;
    size_t next = 0;
    while (c->at < c->end) {
        unsigned n;
        if (!clock && take(c, 'T')) {
            clock = true;
            continue;
        }
        if (!some_digits(c, &n) || c->at == c->end) {
            return false;
        }
        while (next < 4 && (units[next].unit != *c->at || units[next].clock != clock)) {
            next++;
        }
        if (next == 4) {
            return false;
        }
        *span_s += (uint64_t)n * units[next++].of_s;
        c->at++;
    }
    return true;
}

/* [d.]hh:mm[:ss[.f]] */
static bool net_span(cursor *c, uint64_t *span_s)
{
    civil t = {0};
    unsigned days = 0;
    const char *dot = memchr(c->at, '.', (size_t)(c->end - c->at));
    const char *colon = memchr(c->at, ':', (size_t)(c->end - c->at));
    if (dot && colon && dot < colon && (!some_digits(c, &days) || !take(c, '.'))) {
        return false;
    }
    if (!read_clock(c, &t)) {
        return false;
    }
    *span_s = (uint64_t)days * TI_DAY_S + (uint64_t)t.hour * TI_HOUR_S +
              (uint64_t)t.minute * MINUTE_S + t.second;
    return c->at == c->end;
}

bool ti_span_parse(uint32_t *span_s, const char *text, size_t len)
{
    cursor c = {.at = text, .end = text + len};
    uint64_t s = 0;
    if (len == 0 || !(take(&c, 'P') ? iso_span(&c, &s) : net_span(&c, &s)) || s == 0 ||
        s > (uint64_t)SPAN_MAX_DAYS * TI_DAY_S) {
        return false;
    }
    *span_s = (uint32_t)s;
    return true;
}

const char *ti_span_text(char out[TI_STAMP_TEXT], uint32_t span_s)
{
    unsigned of_day = span_s % TI_DAY_S, days = span_s / TI_DAY_S;
    char before[16] = "";
    if (days > 0) {
        snprintf(before, sizeof before, "%u.", days);
    }
    snprintf(out, TI_STAMP_TEXT, "%s%02u:%02u:%02u", before, of_day / TI_HOUR_S,
             of_day % TI_HOUR_S / MINUTE_S, of_day % MINUTE_S);
    return out;
}

int64_t ti_stamp_floor(int64_t time_s, int64_t step_s)
{
    int64_t rest = time_s % step_s;
    return time_s - (rest < 0 ? rest + step_s : rest);
}
