/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as people type them, on days on which clocks change too.  Time zones are said as
 * POSIX rules, so that no database of zones is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "carbon/stamp.h"
#include "cli/moment.h"

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0" /* changes by half an hour */

static int64_t utc(const char *text)
{
    int64_t t = 0;
    assert_true(ti_stamp_parse(&t, text, strlen(text)));
    return t;
}

static void in_zone(const char *tz)
{
    assert_int_equal(setenv("TZ", tz, 1), 0);
}

/* `text`, said at `now` (UTC), is `wanted` (UTC). */
static void is(const char *now, const char *text, const char *wanted)
{
    char got[TI_STAMP_TEXT];
    int64_t t = 0;
    tern_err err;
    ti_moment_ask ask = {.what = "by", .now_s = utc(now), .after_s = utc(now)};
    if (ti_moment_parse(&t, text, &ask, &err) != TERN_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    if (t != utc(wanted)) {
        fail_msg("%s at %s: %s, not %s", text, now, ti_stamp_text(got, t), wanted);
    }
}

static void refused(const char *text)
{
    tern_err err;
    int64_t t = 7;
    ti_moment_ask ask = {.what = "by", .now_s = utc("2026-11-22"), .after_s = 0};
    if (ti_moment_parse(&t, text, &ask, &err) != TERN_USAGE) {
        fail_msg("'%s' was taken", text);
    }
    assert_int_equal(t, 7);
    assert_non_null(strstr(err.message, "by"));
}

static void words_mean_local_time(void **state)
{
    (void)state;
    in_zone(BERLIN);
    is("2026-11-22T09:18Z", "18:00", "2026-11-22T17:00Z");
    is("2026-11-22T09:18Z", "6:30", "2026-11-23T05:30Z");
    is("2026-11-22T09:18Z", "10:18", "2026-11-23T09:18Z"); /* now is not the next one */
    is("2026-11-22T09:18Z", "10:18:01", "2026-11-22T09:18:01Z");
    is("2026-11-22T09:18Z", "today 23:59", "2026-11-22T22:59Z");
    is("2026-11-22T09:18Z", "tomorrow 00:00", "2026-11-22T23:00Z");
    is("2026-11-22T23:30Z", "tomorrow 8:00", "2026-11-24T07:00Z"); /* it is Monday already */
    is("2026-11-22T09:18Z", "TOMORROW", "2026-11-23T09:18Z");
    is("2026-11-22T09:18Z", "Fri 9:00", "2026-11-27T08:00Z");
    is("2026-11-22T09:18Z", "sunday 9:00", "2026-11-29T08:00Z"); /* is over today */
    is("2026-11-22T09:18Z", "sun 12:00", "2026-11-22T11:00Z");
    is("2026-11-22T09:18Z", "wednesday", "2026-11-25T09:18Z");
    is("2026-11-22T09:18Z", "2026-12-01 18:00", "2026-12-01T17:00Z");
    is("2026-11-22T09:18Z", "2026-12-01T18:00", "2026-12-01T17:00Z");
    is("2026-11-22T09:18Z", "2026-12-01T18:00Z", "2026-12-01T18:00Z");
    is("2026-11-22T09:18Z", "2026-12-01T18:00-05:00", "2026-12-01T23:00Z");
    is("2026-11-22T09:18Z", "2026-12-01", "2026-12-01T09:18Z");
    is("2026-11-22T09:18Z", "now", "2026-11-22T09:18Z");
    is("2026-11-22T09:18Z", "6pm", "2026-11-22T17:00Z");
    is("2026-11-22T09:18Z", "6:30 PM", "2026-11-22T17:30Z");
    is("2026-11-22T09:18Z", "12am", "2026-11-22T23:00Z");
    is("2026-11-22T09:18Z", "12pm", "2026-11-22T11:00Z");
    is("2026-11-22T09:18Z", "noon", "2026-11-22T11:00Z");
    is("2026-11-22T09:18Z", "Midnight", "2026-11-22T23:00Z");
    is("2026-11-22T09:18Z", "tomorrow 6am", "2026-11-23T05:00Z");
    is("2026-11-22T09:18Z", "fri noon", "2026-11-27T11:00Z");
    is("2026-11-22T09:18Z", "12h", "2026-11-22T21:18Z");
    is("2026-11-22T09:18Z", "1d 30min", "2026-11-23T09:48Z");
}

static void clocks_change(void **state)
{
    (void)state;
    in_zone(BERLIN);
    /* 2026-03-29: 02:00 is 03:00.  A time that is skipped is the moment of the change. */
    is("2026-03-28T20:00Z", "1:59", "2026-03-29T00:59Z");
    is("2026-03-28T20:00Z", "2:00", "2026-03-29T01:00Z");
    is("2026-03-28T20:00Z", "2:30", "2026-03-29T01:00Z");
    is("2026-03-28T20:00Z", "3:00", "2026-03-29T01:00Z");
    is("2026-03-28T20:00Z", "18:00", "2026-03-29T16:00Z");
    is("2026-03-28T11:00Z", "tomorrow", "2026-03-29T10:00Z"); /* noon to noon: 23 hours */
    is("2026-03-28T11:00Z", "24h", "2026-03-29T11:00Z");
    /* 2026-10-25: 03:00 is 02:00.  A time that comes twice is the first of the two. */
    is("2026-10-24T20:00Z", "2:00", "2026-10-25T00:00Z");
    is("2026-10-24T20:00Z", "2:30", "2026-10-25T00:30Z");
    is("2026-10-24T20:00Z", "3:00", "2026-10-25T02:00Z");
    is("2026-10-24T10:00Z", "tomorrow", "2026-10-25T11:00Z"); /* 25 hours */
    /* In the hour that comes again the first 2:30 is over: the second is the next one. */
    is("2026-10-25T01:00Z", "2026-10-25T02:30+01:00", "2026-10-25T01:30Z");
    is("2026-10-25T01:00Z", "2:30", "2026-10-25T01:30Z");
    is("2026-10-25T01:00Z", "2:30am", "2026-10-25T01:30Z");
    is("2026-10-25T01:00Z", "today 2:30", "2026-10-25T01:30Z");
    is("2026-10-25T01:00Z", "sunday 2:30", "2026-10-25T01:30Z");
    is("2026-10-25T01:00Z", "2026-10-25 02:30", "2026-10-25T01:30Z");
    is("2026-10-25T00:45Z", "2:30", "2026-10-25T01:30Z"); /* it is 2:45, for the first time */
    is("2026-10-25T01:30Z", "2:30", "2026-10-26T01:30Z"); /* both are over */

    in_zone(NEW_YORK);
    is("2026-03-08T05:00Z", "2:30", "2026-03-08T07:00Z");
    is("2026-11-01T04:00Z", "1:30", "2026-11-01T05:30Z");
    in_zone(LORD_HOWE);
    is("2026-10-03T12:00Z", "2:15", "2026-10-03T15:30Z");
    is("2026-04-04T12:00Z", "1:45", "2026-04-04T14:45Z");
    in_zone("UTC0");
    is("2026-03-28T20:00Z", "2:30", "2026-03-29T02:30Z");
    in_zone("GMT0BST,M3.5.0/1,M10.5.0");
    is("2024-10-27T00:50Z", "01:45", "2024-10-27T01:45Z");
    is("2024-03-31T00:30Z", "01:30", "2024-03-31T01:00Z");
    is("2024-03-31T01:00Z", "01:30", "2024-04-01T00:30Z"); /* was skipped this very moment */
    /* Where clocks go back over midnight, the end of a day comes again on the next. */
    in_zone("<-03>3<-02>,M3.2.0/0,M11.1.0/0");
    is("2026-11-01T02:10Z", "23:30", "2026-11-01T02:30Z");
    is("2026-11-01T01:50Z", "23:30", "2026-11-01T02:30Z"); /* it is 23:50 for the first time */
    is("2026-11-01T01:10Z", "23:30", "2026-11-01T01:30Z");
}

static void what_changes_did_is_told(void **state)
{
    static const struct {
        const char *now, *text;
        ti_moment_clock clock;
    } rows[] = {
        {"2026-10-24T20:00Z", "2:30", TI_CLOCK_FIRST},
        {"2026-10-25T01:00Z", "2:30", TI_CLOCK_SECOND},
        {"2026-10-25T01:00Z", "3:30", TI_CLOCK_ONCE},
        {"2026-03-28T20:00Z", "2:30", TI_CLOCK_SKIPPED},
        {"2026-03-28T20:00Z", "12h", TI_CLOCK_ONCE},
    };
    (void)state;
    in_zone(BERLIN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ti_moment_clock clock = TI_CLOCK_SKIPPED;
        int64_t t, now = utc(rows[i].now);
        ti_moment_ask ask = {.what = "by", .now_s = now, .after_s = now, .clock = &clock};
        assert_int_equal(ti_moment_parse(&t, rows[i].text, &ask, NULL), TERN_OK);
        assert_int_equal(clock, rows[i].clock);
    }
}

/* Whatever the day, the clock shows what was asked for, or it was skipped; and it was not shown
 * before on that day. */
static void every_hour_of_a_year(void **state)
{
    static const char *const zones[] = {BERLIN, NEW_YORK, LORD_HOWE};
    (void)state;
    for (size_t z = 0; z < 3; z++) {
        in_zone(zones[z]);
        for (int64_t now = utc("2026-01-01"); now < utc("2027-01-01"); now += 7 * TI_HOUR_S) {
            ti_moment_ask ask = {.what = "by", .now_s = now, .after_s = now};
            int64_t t;
            assert_int_equal(ti_moment_parse(&t, "2:15", &ask, NULL), TERN_OK);
            int64_t clock = (t + ti_local_offset(t)) % TI_DAY_S;
            bool exact = clock == 2 * TI_HOUR_S + 15 * 60;
            bool jumped =
                ti_local_offset(t) > ti_local_offset(t - 1) && clock > 2 * TI_HOUR_S + 15 * 60;
            assert_true(exact || jumped);
            assert_true(t > now && t <= now + 26 * TI_HOUR_S);
        }
    }
}

static void a_day_may_begin_where_work_starts(void **state)
{
    int64_t t;
    (void)state;
    in_zone(BERLIN);
    ti_moment_ask ask = {.what = "from",
                         .now_s = utc("2026-11-22T09:18Z"),
                         .after_s = utc("2026-11-22T09:18Z"),
                         .day_begins = true};
    assert_int_equal(ti_moment_parse(&t, "tomorrow", &ask, NULL), TERN_OK);
    assert_int_equal(t, utc("2026-11-22T23:00Z"));
    assert_int_equal(ti_moment_parse(&t, "2026-12-01", &ask, NULL), TERN_OK);
    assert_int_equal(t, utc("2026-11-30T23:00Z"));
    /* "06:00" after a start at 22:00 is the next morning's. */
    ask.after_s = utc("2026-11-23T21:00Z");
    assert_int_equal(ti_moment_parse(&t, "06:00", &ask, NULL), TERN_OK);
    assert_int_equal(t, utc("2026-11-24T05:00Z"));
}

static void what_is_no_moment(void **state)
{
    static const char *const texts[] = {
        "",          "24:00",      "18:60",     "18:",         "18",  "1800",        ":30",
        "18:00:",    "18:0",       "13pm",      "yesterday",   "to",  "tom",         "fri9",
        "fri 24:00", "2026-02-30", "12 hours?", "2026-12-01T", "-2h", "tomorrow 2h", "tonight",
        "0am",       "pm",         "6:3pm",     "noonish"};
    (void)state;
    in_zone(BERLIN);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        refused(texts[i]);
    }
}

static void length_is(const char *text, uint32_t wanted)
{
    uint32_t s = 0;
    assert_int_equal(ti_length_parse(&s, text, strlen(text), "for", NULL), TERN_OK);
    assert_int_equal(s, wanted);
}

static void lengths(void **state)
{
    static const char *const wrong[] = {"",    "2",  "h",   "2x", "1h30",
                                        "-1h", "0s", "2h,", ".",  "PT"};
    uint32_t s = 7;
    tern_err err;
    (void)state;
    length_is("90min", 5400);
    length_is("90m", 5400);
    length_is("1.5h", 5400);
    length_is("1h30min", 5400);
    length_is("1 h", 3600);
    length_is("2 H 5 Min", 7500);
    length_is("PT1H30M", 5400);
    length_is("3d", 259200);
    length_is("1w", 604800);
    length_is("45s", 45);
    length_is("366d", TI_LENGTH_MAX_S);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (ti_length_parse(&s, wrong[i], strlen(wrong[i]), "for", &err) != TERN_USAGE) {
            fail_msg("'%s' was taken", wrong[i]);
        }
    }
    assert_int_equal(ti_length_parse(&s, "367d", 4, "for", &err), TERN_LIMIT);
    assert_int_equal(ti_length_parse(&s, "99999999999999w", 15, "for", &err), TERN_LIMIT);
    assert_int_equal(s, 7);
}

static void as_people_read_them(void **state)
{
    char out[TI_MOMENT_TEXT], length[TI_LENGTH_TEXT];
    int64_t now = utc("2026-11-22T09:18Z");
    (void)state;
    in_zone(BERLIN);
    assert_string_equal(ti_moment_text(out, utc("2026-11-22T17:00Z"), now),
                        "Sun 22 Nov 18:00 CET");
    assert_string_equal(ti_moment_text(out, utc("2026-07-01T17:00:05Z"), now),
                        "Wed 1 Jul 19:00:05 CEST");
    assert_string_equal(ti_moment_text(out, utc("2027-01-01T17:00Z"), now),
                        "Fri 1 Jan 2027 18:00 CET");
    assert_string_equal(ti_moment_short(out, utc("2026-11-22T22:30Z"), now), "23:30");
    assert_string_equal(ti_moment_short(out, utc("2026-11-22T23:30Z"), now),
                        "Mon 23 Nov 00:30");
    assert_string_equal(ti_length_text(length, 5400), "1 h 30 min");
    assert_string_equal(ti_length_text(length, 7200), "2 h");
    assert_string_equal(ti_length_text(length, 59), "59 s");
    assert_string_equal(ti_length_text(length, 183600), "2 days 3 h");
    assert_string_equal(ti_length_text(length, 86400), "1 day");
    assert_string_equal(ti_length_text(length, -5), "0 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_mean_local_time),
        cmocka_unit_test(clocks_change),
        cmocka_unit_test(what_changes_did_is_told),
        cmocka_unit_test(every_hour_of_a_year),
        cmocka_unit_test(a_day_may_begin_where_work_starts),
        cmocka_unit_test(what_is_no_moment),
        cmocka_unit_test(lengths),
        cmocka_unit_test(as_people_read_them),
    };
    return cmocka_run_group_tests_name("moment", tests, NULL, NULL);
}
