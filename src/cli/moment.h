/* SPDX-License-Identifier: Apache-2.0 */
/* cli/moment.h - moments and lengths of time as people type and read them.
 *
 * Words mean local time: the zone of TZ, else the machine's, with its clock changes.  A clock
 * time that a day has twice is the first of the two that is still to come, and one that it
 * skips is the moment of the change: both are never later than what was meant, so that no
 * deadline is missed.  Inside, everything is seconds of UTC. */
#ifndef TI_CLI_MOMENT_H
#define TI_CLI_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    TI_MOMENT_TEXT = 48,
    TI_LENGTH_TEXT = 32,
    TI_ZONE_TEXT = 11,
    TI_LENGTH_MAX_S = 366 * 86400
};

/* What happened to a clock's time on a day on which clocks change. */
typedef enum ti_moment_clock {
    TI_CLOCK_ONCE = 0, /* nothing */
    TI_CLOCK_FIRST,    /* it is shown twice: this is the first */
    TI_CLOCK_SECOND,   /* ... the second, the first being over */
    TI_CLOCK_SKIPPED   /* it is not shown: this is the moment of the change */
} ti_moment_clock;

/* How a moment is to be understood. */
typedef struct ti_moment_ask {
    const char *what; /* the option's name, for messages */
    int64_t now_s;    /* lengths count from here */
    int64_t after_s;  /* "18:00" is the next one after this; days count from its date */
    bool day_begins;  /* a day without a time is its first moment, else the time of now_s */
    ti_moment_clock *clock; /* receives what clock changes did to it; or NULL */
} ti_moment_ask;

/* Reads a moment:
 *     18:00, 6:30:00, 6pm        the next time that the clock shows it
 *     noon, midnight             the same, of 12:00 and 0:00
 *     tomorrow 18:00, fri 9:00   today, tomorrow, or the next such day of the week
 *     tomorrow, friday           see day_begins
 *     2026-11-23 18:00           a date (a T may stand for the blank) in local time
 *     2026-11-23T18:00Z, +01:00  the same, said exactly
 *     12h, 90min, 1h30min, 2d    from now on
 *     now
 * Errors: TERN_USAGE, with what is allowed. */
tern_status ti_moment_parse(int64_t *time_s, const char *text, const ti_moment_ask *ask,
                            tern_err *err);

/* ti_moment_parse() for what somebody typed: says also what clock changes made of it. */
tern_status ti_moment_typed(int64_t *time_s, const char *text, ti_moment_ask ask,
                            tern_err *err);

/* Tells people what clock changes did to `text`, which ask->clock (not NULL) holds; quiet where
 * they did nothing. */
void ti_moment_note(const ti_moment_ask *ask, const char *text, int64_t time_s);

/* Warns when TZ names a time zone that this machine does not know: its words would mean UTC. */
void ti_zone_check(void);

/* Reads a length of `len` bytes: one or more numbers, each with s, min, m, h, d or w behind
 * it ("90min", "1.5h", "1h30min"), or ISO 8601 ("PT1H30M").
 * Errors: TERN_USAGE (no number, no unit, nothing), TERN_LIMIT (more than 366 days). */
tern_status ti_length_parse(uint32_t *length_s, const char *text, size_t len, const char *what,
                            tern_err *err);

/* "Sun 22 Nov 13:00 CET", with seconds where there are any, and the year where it is not that
 * of `now_s`.  Into out; returns out. */
const char *ti_moment_text(char out[TI_MOMENT_TEXT], int64_t time_s, int64_t now_s);

/* "13:00", with seconds where there are any, when that is the same local day as day_of_s, else
 * as ti_moment_text() without the zone. */
const char *ti_moment_short(char out[TI_MOMENT_TEXT], int64_t time_s, int64_t day_of_s);

/* "4 h 43 min", "2 days 3 h", "50 s".  Into out; returns out. */
const char *ti_length_text(char out[TI_LENGTH_TEXT], int64_t length_s);

/* What the local clock calls its zone then: "CET", "+0530".  Into out; returns out. */
const char *ti_zone_text(char out[TI_ZONE_TEXT], int64_t time_s);

/* Seconds that the local clock is ahead of UTC then. */
int32_t ti_local_offset(int64_t time_s);

#endif
