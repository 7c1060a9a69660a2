/* SPDX-License-Identifier: Apache-2.0 */
/* Published traces name their columns in a dozen ways; the lists below are those that were
 * seen: Let's Wait Awhile, the Glasgow traces, the archive of NESO's forecasts, CATS,
 * CarbonScaler, and Electricity Maps' yearly exports. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "carbon/json.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"

#define MODULE "csv"

enum { COLUMNS_MAX = 256, FIELD_MAX = 255, NO_COLUMN = -1 };

typedef struct reader {
    const char *text;
    size_t len, at;
    size_t line; /* from 1 */
    char separator;
    char field[COLUMNS_MAX][FIELD_MAX + 1];
    int n; /* fields of the row that was read last */
    tern_err *err;
} reader;

static tern_status bad(const reader *r, const char *what, const char *shown)
{
    return ti_fail(r->err, TERN_CORRUPT, MODULE, r->at, "line %zu: %s%s%.40s%s", r->line, what,
                   shown ? " '" : "", shown ? shown : "", shown ? "'" : "");
}

/* Reads one field up to its separator or the end of the row; *last tells which. */
static tern_status read_field(reader *r, char *out, bool *last)
{
    size_t n = 0;
    bool quoted = r->at < r->len && r->text[r->at] == '"';
    r->at += quoted;
    *last = true;
    while (r->at < r->len) {
        char c = r->text[r->at++];
        if (quoted && c == '"') {
            if (r->at < r->len && r->text[r->at] == '"') {
                r->at++;
            } else {
                quoted = false;
                continue;
            }
        } else if (!quoted && (c == r->separator || c == '\n')) {
            *last = c == '\n';
            out[n] = '\0';
            return TERN_OK;
        } else if (c == '\0') {
            return bad(r, "a NUL", NULL);
        }
        if (n == FIELD_MAX) {
            return bad(r, "a field of more than 255 bytes", NULL);
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return quoted ? bad(r, "a quote that is not closed", NULL) : TERN_OK;
}

static void trim(char *field)
{
    size_t n = strlen(field), from = strspn(field, " ");
    while (n > from && strchr(" \r", field[n - 1])) {
        n--;
    }
    memmove(field, field + from, n - from);
    field[n - from] = '\0';
}

static tern_status read_row(reader *r)
{
    bool last = false;
    r->n = 0;
    r->line++;
    while (!last) {
        if (r->n == COLUMNS_MAX) {
            return bad(r, "more than 256 columns", NULL);
        }
        TI_TRY(read_field(r, r->field[r->n], &last));
        trim(r->field[r->n++]);
    }
    return TERN_OK;
}

static int find(const reader *r, const char *name)
{
    for (int i = 0; i < r->n; i++) {
        if (strcasecmp(r->field[i], name) == 0) {
            return i;
        }
    }
    return NO_COLUMN;
}

static int find_any(const reader *r, const char *const *names)
{
    int at = NO_COLUMN;
    for (size_t i = 0; names[i] && at == NO_COLUMN; i++) {
        at = find(r, names[i]);
    }
    return at;
}

/* Electricity Maps puts a unit and the kind of factors behind its name. */
static int find_prefix(const reader *r, const char *prefix, const char *holds)
{
    size_t n = strlen(prefix);
    for (int i = 0; i < r->n; i++) {
        if (strncasecmp(r->field[i], prefix, n) == 0 && strstr(r->field[i], holds)) {
            return i;
        }
    }
    return NO_COLUMN;
}

typedef struct columns {
    int time, hour, value, forecast, zone;
    int n; /* of the header */
} columns;

/* A code is better than a name: both may be there. */
static int find_zone(const reader *r)
{
    static const char *const zones[] = {
        "zone id",      "zone_id",      "zone",         "location", "region",    "area",
        "country code", "country_code", "bidding zone", "country",  "zone name", NULL};
    return find_any(r, zones);
}

/* True when a cell names that zone: in whichever case, and a blank may be '-' or '_', as names
 * of zones have none. */
static bool is_zone(const char *cell, const char *zone)
{
    while (*cell && *zone) {
        bool blank = *cell == ' ' && (*zone == '-' || *zone == '_');
        if (!blank && strncasecmp(cell, zone, 1) != 0) {
            return false;
        }
        cell++;
        zone++;
    }
    return *cell == *zone;
}

/* Refuses a header, and says which columns it has. */
static tern_status no_column(const reader *r, const char *what)
{
    enum { SHOWN = 120 };
    char has[SHOWN + 8] = "";
    size_t at = 0;
    for (int i = 0; i < r->n; i++) {
        size_t n = strlen(r->field[i]);
        if (at + n + 2 > SHOWN) {
            memcpy(has + at, ", ...", sizeof ", ...");
            break;
        }
        memcpy(has + at, ", ", at > 0 ? 2 : 0);
        at += at > 0 ? 2 : 0;
        memcpy(has + at, r->field[i], n + 1);
        at += n;
    }
    return ti_fail(r->err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "no column %s among: %s", what,
                   has);
}

static tern_status find_columns(const reader *r, const char *wanted, ti_basis basis, columns *c)
{
    static const char *const times[] = {"time",       "from",      "datetime", "datetime (utc)",
                                        "point_time", "timestamp", "date",     NULL};
    static const char *const values[] = {"intensity.actual",
                                         "intensity_g_kwh",
                                         "intensity",
                                         "carbon_intensity_avg",
                                         "carbon_intensity",
                                         "carbon intensity",
                                         "ci",
                                         "rating",
                                         NULL};
    c->n = r->n;
    c->time = find_any(r, times);
    c->hour = c->time != NO_COLUMN && strcasecmp(r->field[c->time], "date") == 0
                  ? find(r, "hour")
                  : NO_COLUMN;
    if (c->time == NO_COLUMN) {
        return no_column(r, "of moments (time, datetime, from, date)");
    }
    c->zone = find_zone(r);
    c->forecast = NO_COLUMN;
    if (wanted) {
        c->value = find(r, wanted);
        char name[48];
        snprintf(name, sizeof name, "'%.40s'", wanted);
        return c->value == NO_COLUMN ? no_column(r, name) : TERN_OK;
    }
    c->value = find_any(r, values);
    if (c->value == NO_COLUMN) {
        c->value = find_prefix(r, "carbon intensity",
                               basis.scope == TI_LIFE_CYCLE ? "ife cycle" : "irect");
    }
    if (c->value != NO_COLUMN && strcasecmp(r->field[c->value], "intensity.actual") == 0) {
        c->forecast = find(r, "intensity.forecast");
    }
    return c->value == NO_COLUMN ? no_column(r, "of intensities (--column names it)") : TERN_OK;
}

/* What is infinite is a number, which the feed will count as one that cannot be true. */
static bool is_infinite(const char *field)
{
    field += *field == '-' || *field == '+';
    return strcasecmp(field, "inf") == 0 || strcasecmp(field, "infinity") == 0;
}

/* "302", "302.5"; with semicolons as separators also "302,5". */
static bool number(const reader *r, const char *field, double *out)
{
    char copy[FIELD_MAX + 1], *end;
    size_t n = strlen(field);
    memcpy(copy, field, n + 1);
    char *comma = r->separator == ';' ? strchr(copy, ',') : NULL;
    if (comma) {
        *comma = '.';
    }
    if (is_infinite(field)) {
        *out = (double)INFINITY;
        return true;
    }
    if (strspn(copy, "+-.0123456789eE") != n) {
        return false;
    }
    *out = strtod(copy, &end);
    return n > 0 && *end == '\0';
}

static tern_status read_time(const reader *r, const columns *c, int64_t *time_s)
{
    char both[2 * FIELD_MAX + 2];
    const char *time = r->field[c->time];
    size_t n = strlen(time), m = 0;
    memcpy(both, time, n);
    if (c->hour != NO_COLUMN) {
        both[n++] = ' ';
        m = strlen(r->field[c->hour]);
        memcpy(both + n, r->field[c->hour], m);
    }
    both[n + m] = '\0';
    if (!ti_stamp_parse(time_s, both, n + m)) {
        return bad(r, "no moment:", both);
    }
    return TERN_OK;
}

static tern_status add_row(ti_feed *feed, const reader *r, const columns *c)
{
    int64_t start;
    double grams;
    ti_slot_kind kind = TI_SLOT_ACTUAL;
    int most = c->time > c->value ? c->time : c->value;
    if (r->n <= most || r->n <= c->hour || r->n <= c->forecast || r->n <= c->zone) {
        return bad(r, "fewer columns than the header has", NULL);
    }
    for (int i = c->n; i < r->n; i++) {
        if (r->field[i][0]) {
            return bad(r, "more columns than the header has (a decimal comma?)", NULL);
        }
    }
    if (c->zone != NO_COLUMN && !is_zone(r->field[c->zone], feed->series.zone)) {
        return TERN_OK;
    }
    TI_TRY(read_time(r, c, &start));
    const char *value = r->field[c->value];
    if (!*value && c->forecast != NO_COLUMN) {
        value = r->field[c->forecast];
        kind = TI_SLOT_FORECAST;
    }
    if (!*value || strcasecmp(value, "nan") == 0 || strcasecmp(value, "null") == 0) {
        feed->n_none++;
        return TERN_OK;
    }
    if (!number(r, value, &grams)) {
        return bad(r, "no number:", value);
    }
    return ti_feed_add_grams(feed, start, 0, grams, kind,
                             kind == TI_SLOT_ACTUAL ? 0 : TI_ERROR_UNKNOWN, r->err);
}

static tern_status read_rows(ti_feed *feed, reader *r, const char *column)
{
    columns c;
    TI_TRY(read_row(r));
    TI_TRY(find_columns(r, column, feed->series.basis, &c));
    while (r->at < r->len) {
        TI_TRY(read_row(r));
        if (r->n == 1 && !r->field[0][0]) {
            continue; /* an empty line */
        }
        TI_TRY(add_row(feed, r, &c));
    }
    ti_feed_set_lengths(feed, TI_HOUR_S);
    return TERN_OK;
}

/* Begins to read; free it. */
static tern_status open_reader(reader **out, const char *text, size_t len, tern_err *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* spreadsheets put it in front */
    if (len == 0) {
        return ti_fail(err, TERN_UNAVAILABLE, MODULE, TI_NO_OFFSET, "an empty table");
    }
    reader *r = ti_calloc(1, sizeof *r);
    if (!r) {
        return ti_fail_nomem(err, MODULE, sizeof *r, "a row");
    }
    r->text = text;
    r->len = len;
    r->err = err;
    r->at = len >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    const char *end = memchr(text, '\n', len);
    size_t head = end ? (size_t)(end - text) : len;
    r->separator = memchr(text, ';', head) && !memchr(text, ',', head) ? ';' : ',';
    *out = r;
    return TERN_OK;
}

tern_status ti_parse_csv(ti_feed *feed, const char *text, size_t len, const char *column,
                         tern_err *err)
{
    reader *r;
    TI_TRY(open_reader(&r, text, len, err));
    tern_status status = read_rows(feed, r, column);
    free(r);
    return ti_answer_done(feed, status, false, err);
}

static tern_status list_zones(ti_buf *out, reader *r)
{
    size_t n = 0;
    TI_TRY(read_row(r));
    int zone = find_zone(r);
    while (zone != NO_COLUMN && r->at < r->len) {
        TI_TRY(read_row(r));
        char *name = r->n > zone ? r->field[zone] : NULL;
        for (char *c = name; c && *c; c++) {
            *c = (char)(*c == ' ' ? '-' : *c); /* as it can be said */
        }
        if (name && *name) {
            ti_zone_list_add(out, &n, name, strlen(name));
        }
    }
    return TERN_OK;
}

tern_status ti_parse_csv_zones(ti_buf *out, const char *text, size_t len, tern_err *err)
{
    reader *r;
    TI_TRY(open_reader(&r, text, len, err));
    tern_status status = list_zones(out, r);
    free(r);
    return status;
}
