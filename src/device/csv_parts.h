/* SPDX-License-Identifier: Apache-2.0 */
/* device/csv_parts.h - what the files of the reader of tables share. */
#ifndef TI_DEVICE_CSV_PARTS_H
#define TI_DEVICE_CSV_PARTS_H

#include "base/buf.h"
#include "base/str.h"
#include "device/csv.h"

enum { TI_CSV_BLOCK = 1 << 14, TI_CSV_NONE = -1 /* no column */ };

struct ti_csv {
    ti_csv_read_fn read;
    void *user;
    const char *name;
    ti_dates dates;
    char block[TI_CSV_BLOCK]; /* what was read and not yet used: [at, end) */
    size_t at, end;
    bool eof;
    char *line; /* [TI_CSV_LINE + 1] */
    size_t len;
    uint64_t number;   /* of the line */
    uint64_t offset;   /* of its first byte in the input */
    uint64_t consumed; /* bytes of all lines so far */
    char separator;
    bool keep;
    ti_buf before; /* lines that are no rows */
    char mark;     /* of decimals: the first that a value had; '\0': none had any */
    ti_str fields[TI_CSV_FIELDS];
    size_t n_fields, n_wanted;
    int time, clock, value; /* columns */
    char *heading;
    char time_name[TI_CSV_NAME], value_name[TI_CSV_NAME];
    bool pending; /* the first row of data is in `line` and was not given out */
};

/* Fails with TERN_CORRUPT: "NAME line N: WHY". */
tern_status ti_csv_fail(const ti_csv *csv, const char *why, tern_err *err);

/* True where numbers may have a decimal comma. */
static inline bool ti_csv_comma(const ti_csv *csv)
{
    return csv->separator != ',';
}

/* True for that word, in small or large letters. */
bool ti_csv_same(ti_str s, const char *word);

/* The moment of a row in the columns `time` and `clock` (or TI_CSV_NONE). */
ti_when_found ti_csv_row_time(const ti_csv *csv, ti_when *out, int time, int clock);

/* True when nothing in the line could be data: a line of names. */
bool ti_csv_is_heading(const ti_csv *csv);

/* Finds the columns by the names (NULL: there are none) and by the row that was split, and
 * keeps how they are called.  Errors: TERN_USAGE, TERN_CORRUPT. */
tern_status ti_csv_find_columns(ti_csv *csv, const ti_str *names, const ti_csv_opts *opts,
                                tern_err *err);

#endif
