/* SPDX-License-Identifier: Apache-2.0 */
/* The local clock, and moments and lengths as people read them. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "carbon/stamp.h"
#include "cli/moment.h"
#include "cli/out.h"

enum { MINUTE_S = 60 };

/* --- the local clock ---------------------------------------------------------------------- */

static struct tm local(int64_t time_s)
{
    time_t t = (time_t)time_s;
    struct tm out = {0};
    tzset();
    (void)localtime_r(&t, &out);
    return out;
}

int32_t ti_local_offset(int64_t time_s)
{
    return (int32_t)local(time_s).tm_gmtoff;
}

/* True for a rule as POSIX has it: a name of three letters or more, or <...>, and an offset. */
static bool is_zone_rule(const char *tz)
{
    size_t n = tz[0] == '<'
                   ? strcspn(tz, ">") + 1
                   : strspn(tz, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    const char *offset = tz + (n <= strlen(tz) ? n : 0);
    offset += *offset == '+' || *offset == '-';
    return n >= 3 && *offset >= '0' && *offset <= '9';
}

void ti_zone_check(void)
{
    static const char *const utc[] = {"", "UTC", "GMT", "Etc/UTC", "Universal", "Zulu"};
    const char *tz = getenv("TZ"), *dir = getenv("TZDIR");
    char path[PATH_MAX];
    if (!tz) {
        return;
    }
    tz += *tz == ':';
    for (size_t i = 0; i < sizeof utc / sizeof *utc; i++) {
        if (strcmp(tz, utc[i]) == 0) {
            return;
        }
    }
    snprintf(path, sizeof path, "%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", tz);
    if (!is_zone_rule(tz) && access(tz[0] == '/' ? tz : path, R_OK) != 0) {
        ti_warn("TZ: this machine knows no time zone '%.60s': times are UTC", tz);
    }
}

/* --- writing ------------------------------------------------------------------------------ */

const char *ti_length_text(char out[TI_LENGTH_TEXT], int64_t length_s)
{
    int64_t s = length_s < 0 ? 0 : length_s, d = s / TI_DAY_S, h = s % TI_DAY_S / TI_HOUR_S;
    int64_t min = s % TI_HOUR_S / MINUTE_S;
    if (d > 0) {
        int n = snprintf(out, TI_LENGTH_TEXT, "%" PRId64 " day%s", d, d == 1 ? "" : "s");
        if (h > 0) {
            snprintf(out + n, TI_LENGTH_TEXT - (size_t)n, " %" PRId64 " h", h);
        }
    } else if (h > 0 && min > 0) {
        snprintf(out, TI_LENGTH_TEXT, "%" PRId64 " h %" PRId64 " min", h, min);
    } else if (h > 0) {
        snprintf(out, TI_LENGTH_TEXT, "%" PRId64 " h", h);
    } else if (min > 0) {
        snprintf(out, TI_LENGTH_TEXT, "%" PRId64 " min", min);
    } else {
        snprintf(out, TI_LENGTH_TEXT, "%" PRId64 " s", s);
    }
    return out;
}

static bool is_same_day(int64_t a_s, int64_t b_s)
{
    struct tm a = local(a_s), b = local(b_s);
    return a.tm_year == b.tm_year && a.tm_yday == b.tm_yday;
}

static void add_clock(char *out, size_t cap, const struct tm *t)
{
    size_t n = strlen(out);
    if (t->tm_sec == 0) {
        snprintf(out + n, cap - n, "%02d:%02d", t->tm_hour, t->tm_min);
    } else {
        snprintf(out + n, cap - n, "%02d:%02d:%02d", t->tm_hour, t->tm_min, t->tm_sec);
    }
}

/* Without the zone.  Names are English whatever the locale is, as is the rest of the text. */
static void add_date(char *out, size_t cap, const struct tm *t, bool year)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const char *const short_days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    snprintf(out, cap, "%s %d %s ", short_days[t->tm_wday], t->tm_mday, months[t->tm_mon]);
    if (year) {
        size_t n = strlen(out);
        snprintf(out + n, cap - n, "%d ", t->tm_year + 1900);
    }
    add_clock(out, cap, t);
}

const char *ti_zone_text(char out[TI_ZONE_TEXT], int64_t time_s)
{
    struct tm t = local(time_s);
    snprintf(out, TI_ZONE_TEXT, "%s", t.tm_zone ? t.tm_zone : "");
    return out;
}

const char *ti_moment_text(char out[TI_MOMENT_TEXT], int64_t time_s, int64_t now_s)
{
    struct tm t = local(time_s), now = local(now_s);
    add_date(out, TI_MOMENT_TEXT, &t, t.tm_year != now.tm_year);
    char zone[TI_ZONE_TEXT];
    size_t n = strlen(out);
    snprintf(out + n, TI_MOMENT_TEXT - n, " %s", ti_zone_text(zone, time_s));
    return out;
}

const char *ti_moment_short(char out[TI_MOMENT_TEXT], int64_t time_s, int64_t day_of_s)
{
    struct tm t = local(time_s);
    if (is_same_day(time_s, day_of_s)) {
        out[0] = '\0';
        add_clock(out, TI_MOMENT_TEXT, &t);
    } else {
        add_date(out, TI_MOMENT_TEXT, &t, t.tm_year != local(day_of_s).tm_year);
    }
    return out;
}
