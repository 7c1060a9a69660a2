/* SPDX-License-Identifier: Apache-2.0 */
/* A local clock is asked only how far it is from UTC at a moment; all else is arithmetic on
 * dates, so that what happens when clocks change does not depend on mktime's guesses. */
#include "cli/moment.h"

#include <string.h>
#include <strings.h>

#include "carbon/stamp.h"
#include "carbon/units.h"
#include "cli/out.h"

enum { MINUTE_S = 60, WEEK_DAYS = 7, EPOCH_WEEKDAY = 4 /* 1970-01-01 was a Thursday */ };

static const char *const days[] = {"sunday",   "monday", "tuesday", "wednesday",
                                   "thursday", "friday", "saturday"};

/* --- the local clock ---------------------------------------------------------------------- */

/* What the local clock shows, as if it were UTC. */
static int64_t shown(int64_t time_s)
{
    return time_s + ti_local_offset(time_s);
}

/* The first moment in (low, high] at which the offset is that of `high`. */
static int64_t change_between(int64_t low, int64_t high)
{
    int32_t after = ti_local_offset(high);
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (ti_local_offset(mid) == after) {
            high = mid;
        } else {
            low = mid;
        }
    }
    return high;
}

/* The moment at which the local clock shows `clock_s` (as if it were UTC), or jumps over it.
 * Where it shows that twice: the first, unless only the second is after `after_s`. */
static int64_t moment_of(int64_t clock_s, const ti_moment_ask *ask)
{
    int64_t before = clock_s - ti_local_offset(clock_s - TI_DAY_S);
    int64_t after = clock_s - ti_local_offset(clock_s + TI_DAY_S);
    int64_t first = before < after ? before : after, second = before < after ? after : before;
    bool has_first = shown(first) == clock_s, has_second = shown(second) == clock_s;
    ti_moment_clock how = TI_CLOCK_ONCE;
    int64_t moment = has_first ? first : second;
    if (has_first && has_second && first != second) {
        bool is_second = first <= ask->after_s && second > ask->after_s;
        how = is_second ? TI_CLOCK_SECOND : TI_CLOCK_FIRST;
        moment = is_second ? second : first;
    } else if (!has_first && !has_second) {
        how = TI_CLOCK_SKIPPED;
        moment = change_between(clock_s - TI_DAY_S, clock_s + TI_DAY_S);
    }
    if (ask->clock) {
        *ask->clock = how;
    }
    return moment;
}

/* Start of the local day that holds a moment, as the clock shows it. */
static int64_t day_of(int64_t time_s)
{
    return ti_stamp_floor(shown(time_s), TI_DAY_S);
}

/* The next moment at which the clock shows that time of a day.  The day before counts as well:
 * where clocks go back over midnight, its end comes again. */
static int64_t next_shown(int64_t clock_s, const ti_moment_ask *ask)
{
    int64_t moment, day_s = day_of(ask->after_s) - TI_DAY_S;
    do {
        moment = moment_of(day_s + clock_s, ask);
        day_s += TI_DAY_S;
    } while (moment <= ask->after_s);
    return moment;
}

static int weekday_of(int64_t day_s)
{
    return (int)((day_s / TI_DAY_S + EPOCH_WEEKDAY) % WEEK_DAYS);
}

/* --- lengths ------------------------------------------------------------------------------ */

static uint32_t unit_of(const char *text, size_t len)
{
    static const struct {
        const char *name;
        uint32_t unit_s;
    } units[] = {{"s", 1},
                 {"sec", 1},
                 {"m", MINUTE_S},
                 {"min", MINUTE_S},
                 {"h", TI_HOUR_S},
                 {"hour", TI_HOUR_S},
                 {"hours", TI_HOUR_S},
                 {"d", TI_DAY_S},
                 {"day", TI_DAY_S},
                 {"days", TI_DAY_S},
                 {"w", WEEK_DAYS * TI_DAY_S}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) == len && strncasecmp(units[i].name, text, len) == 0) {
            return units[i].unit_s;
        }
    }
    return 0;
}

static size_t span(const char *text, size_t len, const char *set)
{
    size_t n = 0;
    while (n < len && strchr(set, text[n])) {
        n++;
    }
    return n;
}

static size_t letters(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len &&
           ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z'))) {
        n++;
    }
    return n;
}

static tern_status no_length(const char *text, size_t len, const char *what, tern_err *err)
{
    return ti_fail(err, TERN_USAGE, "time", TI_NO_OFFSET,
                   "%s: '%.*s' is not a length of time with its unit, as 90min, 2h or 1d", what,
                   (int)(len < 40 ? len : 40), text);
}

tern_status ti_length_parse(uint32_t *length_s, const char *text, size_t len, const char *what,
                            tern_err *err)
{
    uint64_t sum = 0;
    uint32_t iso;
    if (len > 0 && (*text == 'P' || *text == 'p') && ti_span_parse(&iso, text, len)) {
        *length_s = iso;
        return TERN_OK;
    }
    for (size_t at = 0; at < len;) {
        size_t n = span(text + at, len - at, "0123456789.");
        size_t name = at + n + span(text + at + n, len - at - n, " ");
        size_t letter = letters(text + name, len - name);
        uint32_t unit_s = unit_of(text + name, letter);
        uint64_t milli;
        if (n == 0 || unit_s == 0) {
            return no_length(text, len, what, err);
        }
        TI_TRY(ti_decimal_parse(&milli, text + at, n, 1000, what, err));
        if (milli / 1000 > TI_LENGTH_MAX_S) {
            sum = (uint64_t)TI_LENGTH_MAX_S + 1;
            break;
        }
        sum += (milli * unit_s + 500) / 1000;
        at = name + letter;
        at += span(text + at, len - at, " ");
    }
    if (sum > TI_LENGTH_MAX_S) {
        return ti_fail(err, TERN_LIMIT, "time", TI_NO_OFFSET, "%s: more than a year", what);
    }
    if (sum == 0) {
        return no_length(text, len, what, err);
    }
    *length_s = (uint32_t)sum;
    return TERN_OK;
}

/* --- moments ------------------------------------------------------------------------------ */

/* Reads up to three numbers with colons between them; returns how many, 0 for what is none. */
static size_t numbers(unsigned part[3], const char *text, size_t len)
{
    size_t at = 0, n = 0;
    while (n < 3 && at < len) {
        size_t digits = span(text + at, len - at, "0123456789");
        if (digits == 0 || digits > 2 || (n > 0 && digits != 2)) {
            return 0;
        }
        part[n] = 0;
        for (size_t i = 0; i < digits; i++) {
            part[n] = part[n] * 10 + (unsigned)(text[at + i] - '0');
        }
        at += digits;
        n++;
        if (at < len && text[at++] != ':') {
            return 0;
        }
    }
    return at == len && len > 0 && text[len - 1] != ':' ? n : 0;
}

/* Reads "18:00", "6:30", "18:00:30", "6pm", "6:30 pm", "noon", "midnight" of `len` bytes into
 * seconds of the day. */
static bool clock_of(int64_t *out, const char *text, size_t len)
{
    enum { NOON = 12, HOURS = 24, SIXTY = 60 };
    unsigned part[3] = {0, 0, 0};
    if ((len == 4 && strncasecmp(text, "noon", len) == 0) ||
        (len == 8 && strncasecmp(text, "midnight", len) == 0)) {
        *out = len == 4 ? NOON * TI_HOUR_S : 0;
        return true;
    }
    bool am = len > 2 && strncasecmp(text + len - 2, "am", 2) == 0;
    bool pm = len > 2 && strncasecmp(text + len - 2, "pm", 2) == 0;
    if (am || pm) {
        len -= 2;
        len -= text[len - 1] == ' ';
    }
    size_t n = numbers(part, text, len);
    if (am || pm) {
        if (n == 0 || part[0] < 1 || part[0] > NOON) {
            return false;
        }
        part[0] = part[0] % NOON + (pm ? NOON : 0);
    } else if (n < 2) {
        return false;
    }
    *out = (int64_t)part[0] * TI_HOUR_S + part[1] * MINUTE_S + part[2];
    return part[0] < HOURS && part[1] < SIXTY && part[2] < SIXTY;
}

/* The day that a word names, today or later.  *weekly: a day of the week, which comes again. */
static bool day_named(int64_t *day_s, bool *weekly, const char *text, size_t len,
                      const ti_moment_ask *ask)
{
    int64_t first = day_of(ask->after_s);
    *weekly = false;
    if (len == 5 && strncasecmp(text, "today", len) == 0) {
        *day_s = day_of(ask->now_s);
        return true;
    }
    if (len == 8 && strncasecmp(text, "tomorrow", len) == 0) {
        *day_s = day_of(ask->now_s) + TI_DAY_S;
        return true;
    }
    for (int i = 0; i < WEEK_DAYS; i++) {
        if (len >= 3 && len <= strlen(days[i]) && strncasecmp(text, days[i], len) == 0) {
            *day_s = first + (i - weekday_of(first) + WEEK_DAYS) % WEEK_DAYS * TI_DAY_S;
            *weekly = true;
            return true;
        }
    }
    return false;
}

/* A day in words, with a time or without. */
static bool day_and_clock(int64_t *out, const char *text, const ti_moment_ask *ask)
{
    size_t word = letters(text, strlen(text));
    const char *rest = text + word;
    int64_t day_s, clock_s = ask->day_begins ? 0 : shown(ask->now_s) - day_of(ask->now_s);
    bool weekly;
    if (!day_named(&day_s, &weekly, text, word, ask)) {
        return false;
    }
    rest += span(rest, strlen(rest), " ");
    if (*rest && !clock_of(&clock_s, rest, strlen(rest))) {
        return false;
    }
    *out = moment_of(day_s + clock_s, ask);
    if (weekly && *out <= ask->after_s) {
        *out = moment_of(day_s + WEEK_DAYS * TI_DAY_S + clock_s, ask);
    }
    return true;
}

/* A date, local unless an offset is said. */
static bool date(int64_t *out, const char *text, const ti_moment_ask *ask)
{
    enum { DATE = 10 };
    size_t len = strlen(text);
    int64_t as_utc, clock_s;
    if (!ti_stamp_parse(&as_utc, text, len)) {
        return false;
    }
    if (len == DATE) {
        clock_s = ask->day_begins ? 0 : shown(ask->now_s) - day_of(ask->now_s);
        *out = moment_of(as_utc + clock_s, ask);
    } else if (strpbrk(text + DATE + 1, "Zz+-")) {
        *out = as_utc;
    } else {
        *out = moment_of(as_utc, ask);
    }
    return true;
}

tern_status ti_moment_parse(int64_t *time_s, const char *text, const ti_moment_ask *ask,
                            tern_err *err)
{
    int64_t clock_s;
    uint32_t length_s;
    size_t len = strlen(text);
    if (ask->clock) {
        *ask->clock = TI_CLOCK_ONCE;
    }
    if (strcasecmp(text, "now") == 0) {
        *time_s = ask->now_s;
    } else if (clock_of(&clock_s, text, len)) {
        *time_s = next_shown(clock_s, ask);
    } else if (ti_length_parse(&length_s, text, len, ask->what, NULL) == TERN_OK) {
        *time_s = ask->now_s + length_s;
    } else if (!day_and_clock(time_s, text, ask) && !date(time_s, text, ask)) {
        return ti_fail(err, TERN_USAGE, "time", TI_NO_OFFSET,
                       "%s: '%.40s' is not as 18:00, 6pm, noon, midnight, 'tomorrow 9:00', "
                       "'fri 9:00', 12h or 2026-01-31T12:00Z",
                       ask->what, text);
    }
    return TERN_OK;
}

void ti_moment_note(const ti_moment_ask *ask, const char *text, int64_t time_s)
{
    char moment[TI_MOMENT_TEXT];
    ti_moment_text(moment, time_s, ask->now_s);
    if (*ask->clock == TI_CLOCK_SKIPPED) {
        ti_note("%s: clocks skip '%.40s' on that day: %s is meant", ask->what, text, moment);
    } else if (*ask->clock != TI_CLOCK_ONCE) {
        ti_note("%s: clocks show '%.40s' twice on that day: the %s is meant, %s", ask->what,
                text, *ask->clock == TI_CLOCK_FIRST ? "first" : "second", moment);
    }
}

tern_status ti_moment_typed(int64_t *time_s, const char *text, ti_moment_ask ask, tern_err *err)
{
    ti_moment_clock clock;
    ask.clock = &clock;
    TI_TRY(ti_moment_parse(time_s, text, &ask, err));
    ti_moment_note(&ask, text, *time_s);
    return TERN_OK;
}
