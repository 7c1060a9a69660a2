/* SPDX-License-Identifier: Apache-2.0 */
/* device/csv.h - readings of a meter from a CSV, row by row.
 *
 * Comma, semicolon, tab or bar between fields, found from the first line; fields in quotes
 * (RFC 4180) without line ends in them; with or without a line of names; lines that begin with
 * '#' are comments; LF or CR LF.  Where semicolons, tabs or bars separate, numbers may have a
 * decimal comma: the first mark that a value has is that of all.  Nothing is guessed twice:
 * what was found from the first rows holds to the end, and a row of another shape is an error
 * that names its line. */
#ifndef TI_DEVICE_CSV_H
#define TI_DEVICE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "device/when.h"

enum {
    TI_CSV_LINE = 1 << 16, /* bytes of a line */
    TI_CSV_FIELDS = 256,   /* fields in one */
    TI_CSV_NAME = 64       /* bytes of a column's name, with its NUL */
};

/* Gives the next bytes: *n of at most `cap`, 0 at the end. */
typedef tern_status (*ti_csv_read_fn)(void *user, char *to, size_t cap, size_t *n,
                                      tern_err *err);

typedef struct ti_csv_opts {
    const char *time;      /* column: its name or its number from 1; "A+B": date and clock;
                              NULL: found */
    const char *value;     /* the same, without '+' */
    const char *preferred; /* name of the value's column if there is one so called; or NULL */
    ti_dates dates;
    bool keep; /* lines that are no rows, for ti_csv_before() */
} ti_csv_opts;

typedef struct ti_csv_row {
    uint64_t line; /* from 1 */
    ti_when when;
    bool missing; /* the value is empty, nan, null, na, n/a, none, ? or - */
    double value; /* finite; 0 when missing */
} ti_csv_row;

typedef struct ti_csv ti_csv;

/* Reads up to the first row of data and finds the columns.
 *   name  what messages call it
 * Errors: TERN_CORRUPT with the line (no rows; columns that are not there or could be several;
 * dates that leave open what is the month), TERN_USAGE (a column that was asked for is not
 * there), TERN_LIMIT, TERN_NOMEM, those of `read`. */
tern_status ti_csv_open(ti_csv **out, ti_csv_read_fn read, void *user, const char *name,
                        const ti_csv_opts *opts, tern_err *err);

/* The next row; *more becomes false, and *row stays, at the end.  A row needs as many fields
 * as the first.  Errors: TERN_CORRUPT naming line and column, TERN_LIMIT, those of `read`. */
tern_status ti_csv_next(ti_csv *csv, ti_csv_row *row, bool *more, tern_err *err);

/* The line that the last row came from, without its end, as it stands; and where in it the
 * value's field is.  For who writes the file again with other values.  Valid until the next
 * row. */
const char *ti_csv_line(const ti_csv *csv, size_t *len, size_t *value_at, size_t *value_len);

/* The decimal mark of the values so far, '.' or ','; '\0' when none had any. */
char ti_csv_mark(const ti_csv *csv);

/* With `keep`: the lines between the row before and the last one, or from the beginning: names,
 * comments, empty ones, each with its end.  Valid until the next row. */
ti_str ti_csv_before(const ti_csv *csv);

/* Names of the columns that were found ("column 2" where there are no names). */
const char *ti_csv_time_name(const ti_csv *csv);
const char *ti_csv_value_name(const ti_csv *csv);

/* NULL is allowed. */
void ti_csv_close(ti_csv *csv);

/* Reads a decimal number ("-1.5e3", at most 15 digits count; a comma for the point when
 * `comma`), the same double on every machine; cut to +-1e15.  False for anything else. */
bool ti_csv_number(double *out, const char *text, size_t len, bool comma);

/* True for what stands where a value is missing: ti_csv_row says which words. */
bool ti_csv_is_missing(ti_str field);

#endif
