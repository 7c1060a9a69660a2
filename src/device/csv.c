/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/csv_parts.h"

/* --- lines -------------------------------------------------------------------------------- */

tern_status ti_csv_fail(const ti_csv *csv, const char *why, tern_err *err)
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
    return any && memchr(csv->line, '\0', csv->len)
               ? ti_csv_fail(csv, "has a byte that is zero", err)
               : TERN_OK;
}

/* Keeps the line for who writes the file again. */
static tern_status keep_line(ti_csv *csv, tern_err *err)
{
    if (csv->keep) {
        ti_buf_add(&csv->before, csv->line, csv->len);
        ti_buf_addc(&csv->before, '\n');
    }
    return csv->before.failed ? ti_fail_nomem(err, "csv", csv->len, "a line") : TERN_OK;
}

/* The next line that is no comment and not empty; a mark of byte order is skipped. */
static tern_status next_line(ti_csv *csv, bool *more, tern_err *err)
{
    bool skipped = false;
    do {
        if (skipped) {
            TI_TRY(keep_line(csv, err));
        }
        TI_TRY(raw_line(csv, more, err));
        if (csv->number == 1 && csv->len >= 3 && memcmp(csv->line, "\xef\xbb\xbf", 3) == 0) {
            memmove(csv->line, csv->line + 3, csv->len - 2);
            csv->len -= 3;
        }
        skipped = *more && (csv->len == 0 || csv->line[0] == '#');
    } while (skipped);
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
                return ti_csv_fail(csv, "a quote is not closed", err);
            }
            if (p < end && *p != csv->separator) {
                return ti_csv_fail(csv, "something follows a closing quote", err);
            }
        } else {
            const char *to = p;
            while (to < end && *to != csv->separator) {
                to++;
            }
            *field = trim(p, to);
            p = to;
        }
        if (p == end) {
            return TERN_OK;
        }
        p++;
    }
}

/* --- rows --------------------------------------------------------------------------------- */

/* The decimal mark of a number, or '\0'. */
static char mark_of(ti_str number)
{
    for (size_t i = 0; i < number.len; i++) {
        if (number.data[i] == '.' || number.data[i] == ',') {
            return number.data[i];
        }
    }
    return '\0';
}

/* What the fields of `line` say. */
static tern_status read_row(ti_csv *csv, ti_csv_row *row, tern_err *err)
{
    ti_csv_row r = {.line = csv->number};
    if (csv->n_fields != csv->n_wanted) {
        return ti_fail(err, TERN_CORRUPT, "csv", csv->offset,
                       "%.80s line %llu has %zu fields where the others have %zu", csv->name,
                       (unsigned long long)csv->number, csv->n_fields, csv->n_wanted);
    }
    ti_when_found found = ti_csv_row_time(csv, &r.when, csv->time, csv->clock);
    if (found != TI_WHEN_OK) {
        return fail_field(csv, csv->time_name, csv->fields[csv->time],
                          found == TI_WHEN_AMBIGUOUS
                              ? "leaves open whether day or month is first"
                              : "is no moment",
                          err);
    }
    ti_str f = csv->fields[csv->value];
    r.missing = ti_csv_is_missing(f);
    if (!r.missing && !ti_csv_number(&r.value, f.data, f.len, ti_csv_comma(csv))) {
        return fail_field(csv, csv->value_name, f, "is no number", err);
    }
    const char mark = r.missing ? '\0' : mark_of(f);
    if (mark && csv->mark && mark != csv->mark) { /* 12.345 may be thousands after 1234,5 */
        return fail_field(csv, csv->value_name, f,
                          "has another decimal mark than values before it", err);
    }
    csv->mark = csv->mark ? csv->mark : mark;
    *row = r;
    return TERN_OK;
}

/* After names, exports of one kind have two lines of types and flags ("datetime,float"). */
static bool is_types(const ti_csv *csv)
{
    return csv->n_fields > 0 && ti_csv_same(csv->fields[0], "datetime");
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
        return ti_csv_fail(csv, "there is nothing in it", err);
    }
    csv->separator = find_separator(csv->line);
    TI_TRY(split(csv, err));
    if (ti_csv_is_heading(csv)) {
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
        status = keep_line(csv, err);
        status = status == TERN_OK ? next_line(csv, &more, err) : status;
        status = status == TERN_OK && more ? split(csv, err) : status;
        for (int i = 0; i < 2 && status == TERN_OK && more && (i > 0 || is_types(csv)); i++) {
            status = keep_line(csv, err);
            status = status == TERN_OK ? next_line(csv, &more, err) : status;
            status = status == TERN_OK && more ? split(csv, err) : status;
        }
        if (status == TERN_OK && !more) {
            status = ti_csv_fail(csv, "there are no rows under the names", err);
        } else if (status == TERN_OK && csv->n_fields != n_names) {
            status = ti_csv_fail(csv, "has not as many fields as there are names", err);
        }
    }
    csv->n_wanted = csv->n_fields;
    status = status == TERN_OK ? ti_csv_find_columns(csv, names, opts, err) : status;
    csv->pending = status == TERN_OK;
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
    csv->keep = opts->keep;
    csv->line = line;
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
        ti_buf_clear(&csv->before);
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

char ti_csv_mark(const ti_csv *csv)
{
    return csv->mark;
}

ti_str ti_csv_before(const ti_csv *csv)
{
    return (ti_str){csv->before.len ? csv->before.data : "", csv->before.len};
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
        ti_buf_free(&csv->before);
        free(csv->heading);
        free(csv->line);
        free(csv);
    }
}
