/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "device/csv_parts.h"

bool ti_csv_same(ti_str s, const char *word)
{
    return strlen(word) == s.len && strncasecmp(word, s.data, s.len) == 0;
}

/* The moment of a row in the columns `time` and `clock` (or TI_CSV_NONE). */
ti_when_found ti_csv_row_time(const ti_csv *csv, ti_when *out, int time, int clock)
{
    char both[96];
    ti_str a = csv->fields[time];
    if (clock == TI_CSV_NONE) {
        return ti_when_parse(out, a.data, a.len, csv->dates);
    }
    ti_str b = csv->fields[clock];
    if (a.len > 40 || b.len > 40) {
        return TI_WHEN_NONE;
    }
    int n = snprintf(both, sizeof both, "%.*s %.*s", (int)a.len, a.data, (int)b.len, b.data);
    return ti_when_parse(out, both, (size_t)n, csv->dates);
}

/* True when nothing in the line could be data: a line of names. */
bool ti_csv_is_heading(const ti_csv *csv)
{
    for (size_t i = 0; i < csv->n_fields; i++) {
        ti_when when;
        double value;
        ti_str f = csv->fields[i];
        if (f.len > 0 && (ti_when_parse(&when, f.data, f.len, csv->dates) != TI_WHEN_NONE ||
                          ti_csv_number(&value, f.data, f.len, ti_csv_comma(csv)))) {
            return false;
        }
    }
    return true;
}

/* The column called so: by the names of the heading, else by its number. */
static tern_status named(const ti_csv *csv, const ti_str *names, size_t n, ti_str wanted,
                         int *column, tern_err *err)
{
    for (size_t i = 0; names && i < n; i++) {
        if (names[i].len == wanted.len &&
            strncasecmp(names[i].data, wanted.data, wanted.len) == 0) {
            *column = (int)i;
            return TERN_OK;
        }
    }
    unsigned value = 0;
    bool digits = wanted.len > 0 && wanted.len < 4;
    for (size_t i = 0; i < wanted.len && digits; i++) {
        digits = wanted.data[i] >= '0' && wanted.data[i] <= '9';
        value = value * 10 + (unsigned)(wanted.data[i] - '0');
    }
    if (!digits || value < 1 || value > n) {
        return ti_fail(err, TERN_USAGE, "csv", TI_NO_OFFSET, "%.80s has no column '%.*s'",
                       csv->name, (int)(wanted.len < 40 ? wanted.len : 40), wanted.data);
    }
    *column = (int)value - 1;
    return TERN_OK;
}

static const char *const time_words[] = {"timestamp", "datetime", "date_time",  "time",
                                         "date",      "utc_time", "local_time", "ts"};
static const char *const value_words[] = {"value", "consumption", "energy", "wh",     "kwh",
                                          "power", "load",        "usage",  "reading"};

static int find_word(const ti_str *names, size_t n, const char *const *words, size_t n_words)
{
    for (size_t w = 0; w < n_words; w++) {
        for (size_t i = 0; names && i < n; i++) {
            if (ti_csv_same(names[i], words[w])) {
                return (int)i;
            }
        }
    }
    return TI_CSV_NONE;
}

static tern_status find_time(ti_csv *csv, const ti_str *names, const char *wanted,
                             tern_err *err)
{
    ti_when when;
    size_t n = csv->n_fields;
    if (wanted) {
        const char *plus = strchr(wanted, '+');
        ti_str first = {wanted, plus ? (size_t)(plus - wanted) : strlen(wanted)};
        TI_TRY(named(csv, names, n, first, &csv->time, err));
        return plus ? named(csv, names, n, (ti_str){plus + 1, strlen(plus + 1)}, &csv->clock,
                            err)
                    : TERN_OK;
    }
    csv->time = find_word(names, n, time_words, sizeof time_words / sizeof *time_words);
    int date = TI_CSV_NONE, clock = TI_CSV_NONE;
    for (size_t i = 0; names && i < n; i++) {
        date = ti_csv_same(names[i], "date") ? (int)i : date;
        clock = ti_csv_same(names[i], "time") ? (int)i : clock;
    }
    if (date != TI_CSV_NONE && clock != TI_CSV_NONE) {
        csv->time = date;
        csv->clock = clock;
    }
    for (size_t i = 0; csv->time == TI_CSV_NONE && i < n; i++) {
        if (ti_csv_row_time(csv, &when, (int)i, TI_CSV_NONE) != TI_WHEN_NONE) {
            csv->time = (int)i;
        }
    }
    return csv->time != TI_CSV_NONE ? TERN_OK
                                    : ti_csv_fail(csv, "no column holds moments", err);
}

/* As much of a name as is kept: whole letters of UTF-8. */
static ti_str kept(ti_str name)
{
    if (name.len > TI_CSV_NAME - 1) {
        name.len = TI_CSV_NAME - 1;
        while (name.len > 0 && ((unsigned char)name.data[name.len] & 0xc0) == 0x80) {
            name.len--;
        }
    }
    return name;
}

static tern_status find_value(ti_csv *csv, const ti_str *names, const ti_csv_opts *opts,
                              tern_err *err)
{
    const size_t n = csv->n_fields;
    if (opts->value) {
        const ti_str wanted = {opts->value, strlen(opts->value)};
        return named(csv, names, n, wanted, &csv->value, err);
    }
    if (opts->preferred) {
        for (size_t i = 0; names && i < n && csv->value == TI_CSV_NONE; i++) {
            csv->value = ti_csv_same(kept(names[i]), opts->preferred) ? (int)i : TI_CSV_NONE;
        }
    }
    if (csv->value == TI_CSV_NONE) {
        csv->value = find_word(names, n, value_words, sizeof value_words / sizeof *value_words);
    }
    if (csv->value != TI_CSV_NONE && csv->value != csv->time && csv->value != csv->clock) {
        return TERN_OK;
    }
    unsigned candidates = 0;
    for (size_t i = 0; i < csv->n_fields; i++) {
        double value;
        ti_str f = csv->fields[i];
        if ((int)i != csv->time && (int)i != csv->clock &&
            (ti_csv_is_missing(f) || ti_csv_number(&value, f.data, f.len, ti_csv_comma(csv)))) {
            csv->value = (int)i;
            candidates++;
        }
    }
    if (candidates == 1) {
        return TERN_OK;
    }
    return ti_csv_fail(csv,
                       candidates == 0
                           ? "no column beside that of the time holds numbers"
                           : "several columns hold numbers, and none is called value: "
                             "which one has to be said",
                       err);
}

static void keep_name(char out[TI_CSV_NAME], const ti_str *names, int column)
{
    if (names) {
        ti_str s = kept(names[column]);
        snprintf(out, TI_CSV_NAME, "%.*s", (int)s.len, s.data);
    } else {
        snprintf(out, TI_CSV_NAME, "column %d", column + 1);
    }
}

tern_status ti_csv_find_columns(ti_csv *csv, const ti_str *names, const ti_csv_opts *opts,
                                tern_err *err)
{
    csv->time = csv->clock = csv->value = TI_CSV_NONE;
    TI_TRY(find_time(csv, names, opts->time, err));
    TI_TRY(find_value(csv, names, opts, err));
    keep_name(csv->time_name, names, csv->time);
    keep_name(csv->value_name, names, csv->value);
    return TERN_OK;
}
