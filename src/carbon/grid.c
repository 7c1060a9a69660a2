/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/grid.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Made by cmake/embed.cmake from share/grid. */
extern const unsigned char ti_grid_yearly_csv[];
extern const size_t ti_grid_yearly_csv_len;

#define HEADER "zone,alias,name,year,intensity_mg_kwh,basis,source,licence\n"

enum { ZONE, ALIAS, NAME, YEAR, INTENSITY, BASIS, SOURCE, LICENCE, FIELDS };

typedef struct reader {
    const char *text;
    size_t len, at; /* `at` = start of the next row */
    size_t row_at;  /* start of the one that was read last */
    size_t line;    /* of that row, from 1 */
    ti_str field[FIELDS];
    tern_err *err;
} reader;

/* `where` points at the byte that is wrong. */
static tern_status bad(const reader *r, const char *where, const char *what)
{
    size_t offset = (size_t)(where - r->text);
    return ti_fail(r->err, TERN_CORRUPT, "grid", offset, "line %zu, column %zu: %s", r->line,
                   offset - r->row_at + 1, what);
}

static tern_status check_text(const reader *r, ti_str s)
{
    if (s.len == 0) {
        return bad(r, s.data, "an empty field");
    }
    if (s.len > TI_GRID_FIELD_MAX) {
        return bad(r, s.data, "a field of more than 63 bytes");
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < ' ' || s.data[i] > '~' || s.data[i] == '"') {
            return bad(r, s.data + i, "a byte that is no plain text");
        }
    }
    if (s.data[0] == ' ' || s.data[s.len - 1] == ' ') {
        return bad(r, s.data, "blanks around a field");
    }
    return TERN_OK;
}

static tern_status check_code(const reader *r, ti_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')) {
            return bad(r, s.data + i, "a code is of capital letters, digits and hyphens");
        }
    }
    return TERN_OK;
}

/* Splits the next row into its fields. */
static tern_status next_row(reader *r)
{
    r->row_at = r->at;
    r->line++;
    const char *at = r->text + r->at;
    const char *end = memchr(at, '\n', r->len - r->at);
    if (!end) {
        return bad(r, at, "the last row does not end with a newline");
    }
    for (size_t i = 0; i < FIELDS; i++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        if (!comma && i + 1 < FIELDS) {
            return bad(r, end, "a row of fewer than 8 fields");
        }
        if (comma && i + 1 == FIELDS) {
            return bad(r, comma, "a row of more than 8 fields");
        }
        const char *stop = comma ? comma : end;
        r->field[i] = (ti_str){.data = at, .len = (size_t)(stop - at)};
        TI_TRY(check_text(r, r->field[i]));
        at = stop + 1;
    }
    r->at = (size_t)(end + 1 - r->text);
    return TERN_OK;
}

static tern_status number(const reader *r, size_t field, uint64_t min, uint64_t max,
                          uint64_t *out)
{
    ti_str s = r->field[field];
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || (i == 0 && s.len > 1 && s.data[i] == '0')) {
            return bad(r, s.data + i, "no whole number");
        }
        n = n * 10 + (uint64_t)(s.data[i] - '0');
        if (n > max) {
            break; /* before it can overflow */
        }
    }
    if (n < min || n > max) {
        return bad(r, s.data,
                   field == YEAR ? "a year that is not from 1990 to 2100"
                                 : "an intensity that is not from 1 to 5000000");
    }
    *out = n;
    return TERN_OK;
}

static tern_status fill(const reader *r, ti_grid_row *row)
{
    uint64_t year, mg;
    *row = (ti_grid_row){.zone = r->field[ZONE],
                         .alias = r->field[ALIAS],
                         .name = r->field[NAME],
                         .source = r->field[SOURCE],
                         .licence = r->field[LICENCE]};
    TI_TRY(check_code(r, row->zone));
    TI_TRY(check_code(r, row->alias));
    TI_TRY(number(r, YEAR, TI_GRID_YEAR_MIN, TI_GRID_YEAR_MAX, &year));
    TI_TRY(number(r, INTENSITY, 1, TI_INTENSITY_MAX_MG_KWH, &mg));
    ti_str basis = r->field[BASIS];
    if (!ti_basis_parse(&row->intensity.basis, basis.data, basis.len)) {
        return bad(r, basis.data,
                   "no basis as average|marginal/life-cycle|operational/location|market");
    }
    row->year = (uint32_t)year;
    row->intensity.intensity_mg_kwh = mg;
    return TERN_OK;
}

static int compare(ti_str a, ti_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = memcmp(a.data, b.data, n);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* True when row b may follow row a. */
static bool ascends(const ti_grid_row *a, const ti_grid_row *b)
{
    int c = compare(a->zone, b->zone);
    unsigned x = ti_basis_rank(a->intensity.basis), y = ti_basis_rank(b->intensity.basis);
    return c < 0 || (c == 0 && (x < y || (x == y && a->year < b->year)));
}

static tern_status read_rows(ti_grid *grid, reader *r)
{
    while (r->at < r->len) {
        ti_grid_row *row = &grid->rows[grid->n];
        TI_TRY(next_row(r));
        TI_TRY(fill(r, row));
        if (grid->n > 0 && !ascends(row - 1, row)) {
            return bad(r, row->zone.data, "rows are not in order of zone, basis and year");
        }
        grid->n++;
    }
    return TERN_OK;
}

tern_status ti_grid_parse(ti_grid *out, const char *text, size_t len, tern_err *err)
{
    reader r = {.text = text, .len = len, .err = err};
    ti_grid grid = {0};
    size_t header = strlen(HEADER), rows = 0;
    if (len < header || memcmp(text, HEADER, header) != 0) {
        r.line = 1;
        return bad(&r, text, "the first row is not the header that is expected");
    }
    r.at = header;
    r.line = 1;
    for (size_t i = header; i < len; i++) {
        rows += text[i] == '\n';
    }
    if (rows > TI_GRID_ROWS_MAX || len > TI_GRID_BYTES_MAX) {
        return ti_fail(err, TERN_LIMIT, "grid", TI_NO_OFFSET,
                       "%zu rows in %zu bytes; the limits are %d and %d", rows, len,
                       TI_GRID_ROWS_MAX, TI_GRID_BYTES_MAX);
    }
    grid.rows = ti_arena_calloc(&grid.arena, rows + 1, sizeof *grid.rows);
    if (!grid.rows) {
        return ti_fail_nomem(err, "grid", rows * sizeof *grid.rows, "the table");
    }
    tern_status status = read_rows(&grid, &r);
    if (status != TERN_OK) {
        ti_grid_free(&grid);
        return status;
    }
    *out = grid;
    return TERN_OK;
}

tern_status ti_grid_builtin(ti_grid *out, tern_err *err)
{
    return ti_grid_parse(out, (const char *)ti_grid_yearly_csv, ti_grid_yearly_csv_len, err);
}

tern_status ti_grid_load(ti_grid *out, const char *path, tern_err *err)
{
    char *text;
    size_t len;
    ti_grid grid;
    TI_TRY(ti_read_file(&text, &len, path, TI_GRID_BYTES_MAX, err));
    tern_status status = ti_grid_parse(&grid, text, len, err);
    if (status != TERN_OK) {
        free(text);
        return status;
    }
    grid.text = text;
    *out = grid;
    return TERN_OK;
}

void ti_grid_free(ti_grid *grid)
{
    ti_arena_free(&grid->arena);
    free(grid->text);
    *grid = (ti_grid){0};
}
