/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "carbon/grid.h"

enum { NEAR_MAX = 4, FAR = 100 };

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool same(ti_str a, const char *b, size_t len)
{
    if (a.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (lower(a.data[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

static bool is_called(const ti_grid_row *row, const char *zone, size_t len)
{
    return same(row->zone, zone, len) || same(row->name, zone, len) ||
           (same(row->alias, zone, len) && !same(row->alias, "-", 1));
}

/* True when the first `len` letters of `text` are those of `word`. */
static bool begins(ti_str text, const char *word, size_t len)
{
    return text.len >= len && same((ti_str){.data = text.data, .len = len}, word, len);
}

/* Insertions, deletions and replacements between two texts of at most TI_GRID_FIELD_MAX. */
static unsigned edits(ti_str a, const char *b, size_t len)
{
    unsigned row[TI_GRID_FIELD_MAX + 1];
    for (size_t j = 0; j <= len; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= len; j++) {
            unsigned replace = corner + (lower(a.data[i - 1]) != lower(b[j - 1]));
            unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            corner = row[j];
            row[j] = replace < other ? replace : other;
        }
    }
    return row[len];
}

/* How far a zone is from what was typed; FAR when nobody would mean it. */
static unsigned distance(const ti_grid_row *row, const char *zone, size_t len)
{
    size_t country = strcspn(zone, "-");
    if (len > TI_GRID_FIELD_MAX || len == 0) {
        return FAR;
    }
    if (country < len && same(row->zone, zone, country)) {
        return 0; /* a part of a country whose whole is there */
    }
    if (len >= 3 && begins(row->name, zone, len)) {
        return 1;
    }
    unsigned name = edits(row->name, zone, len), code = edits(row->zone, zone, len);
    if (name <= len / 3) {
        return name + 1;
    }
    return len <= 3 && code <= 1 ? code + 2 : FAR;
}

/* Collects the nearest zones, nearest first; returns how many. */
static size_t nearest(const ti_grid_row *near[NEAR_MAX], const ti_grid *grid, const char *zone,
                      size_t len)
{
    unsigned far[NEAR_MAX];
    size_t n = 0;
    for (size_t i = 0; i < grid->n; i++) {
        const ti_grid_row *row = &grid->rows[i];
        unsigned d = distance(row, zone, len);
        bool seen = i > 0 && same(row->zone, row[-1].zone.data, row[-1].zone.len);
        if (d == FAR || seen || (n == NEAR_MAX && d >= far[n - 1])) {
            continue;
        }
        size_t at = n < NEAR_MAX ? n++ : n - 1;
        for (; at > 0 && far[at - 1] > d; at--) {
            far[at] = far[at - 1];
            near[at] = near[at - 1];
        }
        far[at] = d;
        near[at] = row;
    }
    return n;
}

/* Appends to a line of fixed size; what does not fit is left out. */
static void append(char *line, size_t cap, size_t *at, ti_str text)
{
    if (*at + text.len < cap) {
        memcpy(line + *at, text.data, text.len);
        *at += text.len;
        line[*at] = '\0';
    }
}

static ti_str str(const char *text)
{
    return (ti_str){.data = text, .len = strlen(text)};
}

static tern_status unknown(const ti_grid *grid, const char *zone, size_t len, tern_err *err)
{
    const ti_grid_row *near[NEAR_MAX];
    size_t n = nearest(near, grid, zone, len), at = 0;
    char line[160] = "";
    for (size_t i = 0; i < n; i++) {
        append(line, sizeof line, &at, str(i ? ", " : "; near it: "));
        append(line, sizeof line, &at, near[i]->zone);
        append(line, sizeof line, &at, str(" ("));
        append(line, sizeof line, &at, near[i]->name);
        append(line, sizeof line, &at, str(")"));
    }
    return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET, "no zone '%.*s' in the table%s",
                   len < 40 ? (int)len : 40, zone, line);
}

tern_status ti_grid_find(const ti_grid_row **row, const ti_grid *grid, const char *zone,
                         const ti_grid_want *want, tern_err *err)
{
    const ti_grid_row *found = NULL, *first = NULL, *last = NULL;
    size_t len = strlen(zone);
    for (size_t i = 0; i < grid->n; i++) {
        const ti_grid_row *r = &grid->rows[i];
        if (!is_called(r, zone, len)) {
            continue;
        }
        const ti_basis *basis =
            want && want->basis ? want->basis : &(first ? first : r)->intensity.basis;
        first = first ? first : r;
        if (!ti_basis_equal(r->intensity.basis, *basis)) {
            continue;
        }
        last = r; /* the newest so far */
        if (!want || want->year == 0 || r->year == want->year) {
            found = r;
        }
    }
    if (!first) {
        return unknown(grid, zone, len, err);
    }
    if (!found) {
        char basis[TI_BASIS_TEXT];
        const ti_grid_row *near = last ? last : first;
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                       "zone %.*s has no such %s; there is %u, %s", (int)near->zone.len,
                       near->zone.data, last ? "year" : "basis", (unsigned)near->year,
                       ti_basis_text(basis, near->intensity.basis));
    }
    *row = found;
    return TERN_OK;
}
