/* SPDX-License-Identifier: Apache-2.0 */
#include "device/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

enum { BLOCK = 1 << 14, NO_COLUMN = -1 };

struct ti_csv {
    ti_csv_read_fn read;
    void *user;
    const char *name;
    ti_dates dates;
    char block[BLOCK]; /* what was read and not yet used: [at, end) */
    size_t at, end;
    bool eof;
    char *line; /* [TI_CSV_LINE + 1] */
    size_t len;
    uint64_t number;   /* of the line */
    uint64_t offset;   /* of its first byte in the input */
    uint64_t consumed; /* bytes of all lines so far */
    char separator;
    ti_str fields[TI_CSV_FIELDS];
    size_t n_fields, n_wanted;
    int time, clock, value; /* columns */
    char *heading;
    char time_name[TI_CSV_NAME], value_name[TI_CSV_NAME];
    bool pending; /* the first row of data is in `line` and was not given out */
};

/* --- lines -------------------------------------------------------------------------------- */

static tern_status fail(const ti_csv *csv, const char *why, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "csv", csv->offset, "%.80s line %llu: %s", csv->name,
                   (unsigned long long)csv->number, why);
}

static tern_status fail_field(const ti_csv *csv, const char *column, ti_str field,
                              const char *why, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "csv", csv->offset,
                   "%.80s line %llu, column '%s': '%.*s' %s", csv->name,
                   (unsigned long long)csv->number, column,
                   (int)(field.len < 40 ? field.len : 40), field.data, why);
}

static tern_status fill(ti_csv *csv, tern_err *err)
{
    size_t n = 0;
    TI_TRY(csv->read(csv->user, csv->block, sizeof csv->block, &n, err));
    csv->at = 0;
    csv->end = n;
    csv->eof = n == 0;
    return TERN_OK;
}

/* The next line as it stands; *more false at the end. */
static tern_status raw_line(ti_csv *csv, bool *more, tern_err *err)
{
    bool ended = false, any = false;
    csv->len = 0;
    csv->offset = csv->consumed;
    csv->number++;
    while (!ended) {
        if (csv->at == csv->end && !csv->eof) {
            TI_TRY(fill(csv, err));
        }
        if (csv->at == csv->end) {
            break;
        }
        any = true;
        const char *from = csv->block + csv->at;
        size_t have = csv->end - csv->at;
        const char *newline = memchr(from, '\n', have);
        size_t take = newline ? (size_t)(newline - from) : have;
        if (take > TI_CSV_LINE - csv->len) {
            return ti_fail(err, TERN_LIMIT, "csv", csv->offset,
                           "%.80s line %llu has more than %d bytes", csv->name,
                           (unsigned long long)csv->number, TI_CSV_LINE);
        }
        memcpy(csv->line + csv->len, from, take);
        csv->len += take;
        csv->at += take + (newline != NULL);
        csv->consumed += take + (newline != NULL);
        ended = newline != NULL;
    }
    *more = any;
    if (csv->len > 0 && csv->line[csv->len - 1] == '\r') {
        csv->len--;
    }
    csv->line[csv->len] = '\0';
    return any && memchr(csv->line, '\0', csv->len) ? fail(csv, "has a byte that is zero", err)
                                                    : TERN_OK;
}

/* The next line that is no comment and not empty; a mark of byte order is skipped. */
static tern_status next_line(ti_csv *csv, bool *more, tern_err *err)
{
    do {
        TI_TRY(raw_line(csv, more, err));
        if (csv->number == 1 && csv->len >= 3 && memcmp(csv->line, "\xef\xbb\xbf", 3) == 0) {
            memmove(csv->line, csv->line + 3, csv->len - 2);
            csv->len -= 3;
        }
    } while (*more && (csv->len == 0 || csv->line[0] == '#'));
    return TERN_OK;
}

/* --- fields ------------------------------------------------------------------------------- */

/* The mark that occurs most outside of quotes. */
static char find_separator(const char *line)
{
    static const char marks[] = ",;\t|";
    size_t counts[sizeof marks] = {0}, best = 0;
    bool quoted = false;
    for (const char *p = line; *p; p++) {
        const char *mark = strchr(marks, *p);
        quoted ^= *p == '"';
        if (mark && !quoted) {
            counts[mark - marks]++;
        }
    }
    for (size_t i = 1; i < sizeof marks - 1; i++) {
        best = counts[i] > counts[best] ? i : best;
    }
    return marks[best];
}

static ti_str trim(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t')) {
        from++;
    }
    while (from < to && (to[-1] == ' ' || to[-1] == '\t')) {
        to--;
    }
    return (ti_str){from, (size_t)(to - from)};
}

/* A field in quotes: its text is what stands between them (doubled quotes stay doubled: no
 * number and no moment has any).  Returns what follows it, NULL when the quotes do not close.
 */
static const char *quoted_field(const char *p, const char *end, ti_str *out)
{
    const char *from = ++p;
    while (p < end && !(*p == '"' && (p + 1 == end || p[1] != '"'))) {
        p += *p == '"' ? 2 : 1;
    }
    if (p >= end) {
        return NULL;
    }
    *out = trim(from, p);
    return p + 1;
}

static tern_status split(ti_csv *csv, tern_err *err)
{
    const char *p = csv->line, *end = csv->line + csv->len;
    csv->n_fields = 0;
    for (;;) {
        if (csv->n_fields == TI_CSV_FIELDS) {
            return ti_fail(err, TERN_LIMIT, "csv", csv->offset,
                           "%.80s line %llu has more than %d fields", csv->name,
                           (unsigned long long)csv->number, TI_CSV_FIELDS);
        }
        ti_str *field = &csv->fields[csv->n_fields++];
        if (p < end && *p == '"') {
            p = quoted_field(p, end, field);
            if (!p) {
                return fail(csv, "a quote is not closed", err);
            }
            if (p < end && *p != csv->separator) {
                return fail(csv, "something follows a closing quote", err);
            }
        } else {
            const char *mark = memchr(p, csv->separator, (size_t)(end - p));
            const char *to = mark ? mark : end;
            *field = trim(p, to);
            p = to;
        }
        if (p == end) {
            return TERN_OK;
        }
        p++;
    }
}

static bool decimal_comma(const ti_csv *csv)
{
    return csv->separator != ',';
}

/* --- columns ------------------------------------------------------------------------------ */

static bool same_word(ti_str s, const char *word)
{
    return strlen(word) == s.len && strncasecmp(word, s.data, s.len) == 0;
}

/* The moment of a row in the columns `time` and `clock` (or NO_COLUMN). */
static ti_when_found row_time(const ti_csv *csv, ti_when *out, int time, int clock)
{
    char both[96];
    ti_str a = csv->fields[time];
    if (clock == NO_COLUMN) {
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
static bool is_heading(const ti_csv *csv)
{
    for (size_t i = 0; i < csv->n_fields; i++) {
        ti_when when;
        double value;
        ti_str f = csv->fields[i];
        if (f.len > 0 && (ti_when_parse(&when, f.data, f.len, csv->dates) != TI_WHEN_NONE ||
                          ti_csv_number(&value, f.data, f.len, decimal_comma(csv)))) {
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
            if (same_word(names[i], words[w])) {
                return (int)i;
            }
        }
    }
    return NO_COLUMN;
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
    int date = NO_COLUMN, clock = NO_COLUMN;
    for (size_t i = 0; names && i < n; i++) {
        date = same_word(names[i], "date") ? (int)i : date;
        clock = same_word(names[i], "time") ? (int)i : clock;
    }
    if (date != NO_COLUMN && clock != NO_COLUMN) {
        csv->time = date;
        csv->clock = clock;
    }
    for (size_t i = 0; csv->time == NO_COLUMN && i < n; i++) {
        if (row_time(csv, &when, (int)i, NO_COLUMN) != TI_WHEN_NONE) {
            csv->time = (int)i;
        }
    }
    return csv->time != NO_COLUMN ? TERN_OK : fail(csv, "no column holds moments", err);
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
        csv->value = find_word(names, n, &opts->preferred, 1);
    }
    if (csv->value == NO_COLUMN) {
        csv->value = find_word(names, n, value_words, sizeof value_words / sizeof *value_words);
    }
    if (csv->value != NO_COLUMN && csv->value != csv->time && csv->value != csv->clock) {
        return TERN_OK;
    }
    unsigned candidates = 0;
    for (size_t i = 0; i < csv->n_fields; i++) {
        double value;
        ti_str f = csv->fields[i];
        if ((int)i != csv->time && (int)i != csv->clock &&
            (ti_csv_is_missing(f) ||
             ti_csv_number(&value, f.data, f.len, decimal_comma(csv)))) {
            csv->value = (int)i;
            candidates++;
        }
    }
    if (candidates == 1) {
        return TERN_OK;
    }
    return fail(csv,
                candidates == 0 ? "no column beside that of the time holds numbers"
                                : "several columns hold numbers, and none is called value: "
                                  "which one has to be said",
                err);
}

static void keep_name(char out[TI_CSV_NAME], const ti_str *names, int column)
{
    if (names) {
        ti_str s = names[column];
        snprintf(out, TI_CSV_NAME, "%.*s",
                 (int)(s.len < TI_CSV_NAME - 1 ? s.len : TI_CSV_NAME - 1), s.data);
    } else {
        snprintf(out, TI_CSV_NAME, "column %d", column + 1);
    }
}

/* --- rows --------------------------------------------------------------------------------- */

/* What the fields of `line` say. */
static tern_status read_row(ti_csv *csv, ti_csv_row *row, tern_err *err)
{
    ti_csv_row r = {.line = csv->number};
    if (csv->n_fields != csv->n_wanted) {
        return ti_fail(err, TERN_CORRUPT, "csv", csv->offset,
                       "%.80s line %llu has %zu fields where the others have %zu", csv->name,
                       (unsigned long long)csv->number, csv->n_fields, csv->n_wanted);
    }
    ti_when_found found = row_time(csv, &r.when, csv->time, csv->clock);
    if (found != TI_WHEN_OK) {
        return fail_field(csv, csv->time_name, csv->fields[csv->time],
                          found == TI_WHEN_AMBIGUOUS
                              ? "leaves open whether day or month is first"
                              : "is no moment",
                          err);
    }
    ti_str f = csv->fields[csv->value];
    r.missing = ti_csv_is_missing(f);
    if (!r.missing && !ti_csv_number(&r.value, f.data, f.len, decimal_comma(csv))) {
        return fail_field(csv, csv->value_name, f, "is no number", err);
    }
    *row = r;
    return TERN_OK;
}

/* After names, exports of one kind have two lines of types and flags ("datetime,float"). */
static bool is_types(const ti_csv *csv)
{
    return csv->n_fields > 0 && same_word(csv->fields[0], "datetime");
}

/* From the first line to the first row of data, which stays pending. */
static tern_status begin(ti_csv *csv, const ti_csv_opts *opts, tern_err *err)
{
    ti_str *names = NULL;
    size_t n_names = 0;
    bool more;
    tern_status status = next_line(csv, &more, err);
    if (status != TERN_OK) {
        return status;
    }
    if (!more) {
        return fail(csv, "there is nothing in it", err);
    }
    csv->separator = find_separator(csv->line);
    TI_TRY(split(csv, err));
    if (is_heading(csv)) {
        n_names = csv->n_fields;
        names = calloc(n_names, sizeof *names);
        csv->heading = strdup(csv->line);
        if (!names || !csv->heading) {
            free(names);
            return ti_fail_nomem(err, "csv", csv->len, "a line of names");
        }
        for (size_t i = 0; i < n_names; i++) { /* the line itself will be overwritten */
            names[i] =
                (ti_str){csv->heading + (csv->fields[i].data - csv->line), csv->fields[i].len};
        }
        status = next_line(csv, &more, err);
        status = status == TERN_OK && more ? split(csv, err) : status;
        for (int i = 0; i < 2 && status == TERN_OK && more && (i > 0 || is_types(csv)); i++) {
            status = next_line(csv, &more, err);
            status = status == TERN_OK && more ? split(csv, err) : status;
        }
        if (status == TERN_OK && !more) {
            status = fail(csv, "there are no rows under the names", err);
        } else if (status == TERN_OK && csv->n_fields != n_names) {
            status = fail(csv, "has not as many fields as there are names", err);
        }
    }
    csv->n_wanted = csv->n_fields;
    status = status == TERN_OK ? find_time(csv, names, opts->time, err) : status;
    status = status == TERN_OK ? find_value(csv, names, opts, err) : status;
    if (status == TERN_OK) {
        keep_name(csv->time_name, names, csv->time);
        keep_name(csv->value_name, names, csv->value);
        csv->pending = true;
    }
    free(names);
    return status;
}

tern_status ti_csv_open(ti_csv **out, ti_csv_read_fn read, void *user, const char *name,
                        const ti_csv_opts *opts, tern_err *err)
{
    ti_csv *csv = calloc(1, sizeof *csv);
    char *line = malloc(TI_CSV_LINE + 1);
    if (!csv || !line) {
        free(csv);
        free(line);
        return ti_fail_nomem(err, "csv", sizeof *csv + TI_CSV_LINE + 1, "a table");
    }
    csv->read = read;
    csv->user = user;
    csv->name = name;
    csv->dates = opts->dates;
    csv->line = line;
    csv->time = csv->clock = csv->value = NO_COLUMN;
    tern_status status = begin(csv, opts, err);
    if (status != TERN_OK) {
        ti_csv_close(csv);
        return status;
    }
    *out = csv;
    return TERN_OK;
}

tern_status ti_csv_next(ti_csv *csv, ti_csv_row *row, bool *more, tern_err *err)
{
    bool any = true;
    if (!csv->pending) {
        TI_TRY(next_line(csv, &any, err));
        if (any) {
            TI_TRY(split(csv, err));
        }
    }
    csv->pending = false;
    if (any) {
        TI_TRY(read_row(csv, row, err));
    }
    *more = any;
    return TERN_OK;
}

const char *ti_csv_line(const ti_csv *csv, size_t *len, size_t *value_at, size_t *value_len)
{
    ti_str value = csv->fields[csv->value];
    *len = csv->len;
    *value_at = (size_t)(value.data - csv->line);
    *value_len = value.len;
    return csv->line;
}

const char *ti_csv_heading(const ti_csv *csv)
{
    return csv->heading;
}

const char *ti_csv_time_name(const ti_csv *csv)
{
    return csv->time_name;
}

const char *ti_csv_value_name(const ti_csv *csv)
{
    return csv->value_name;
}

void ti_csv_close(ti_csv *csv)
{
    if (csv) {
        free(csv->heading);
        free(csv->line);
        free(csv);
    }
}
