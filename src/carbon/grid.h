/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/grid.h - yearly intensities of grids, from a table with sources.
 *
 * Comma-separated rows under a fixed header, in ascending order of zone, basis and year:
 *     zone,alias,name,year,intensity_mg_kwh,basis,source,licence
 *     DE,DEU,Germany,2023,380950,average/life-cycle/location,owid,CC-BY-4.0
 * No quotes, no blanks around commas, printable ASCII, one newline after each row.  The table
 * is read strictly and refused whole: a gram from half a table is worse than none. */
#ifndef TI_CARBON_GRID_H
#define TI_CARBON_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "carbon/basis.h"

enum {
    TI_GRID_ROWS_MAX = 65536,
    TI_GRID_BYTES_MAX = 8 << 20,
    TI_GRID_FIELD_MAX = 63, /* bytes of a field */
    TI_GRID_YEAR_MIN = 1990,
    TI_GRID_YEAR_MAX = 2100
};

/* A zone in a year.  Texts point into the table's text. */
typedef struct ti_grid_row {
    ti_str zone;  /* "DE", "US-CAL-CISO": letters, digits and hyphens */
    ti_str alias; /* another code for the same, "DEU"; "-" when there is none */
    ti_str name;
    uint32_t year;
    ti_intensity intensity;
    ti_str source, licence;
} ti_grid_row;

typedef struct ti_grid {
    ti_grid_row *rows; /* [n], ascending by zone, rank of basis, year */
    size_t n;
    char *text; /* owned, or NULL */
    ti_arena arena;
} ti_grid;

/* Reads a table; its texts point into `text`, which must live as long.  Cost: O(len).
 * Errors: TERN_CORRUPT with line, column and offset; TERN_LIMIT; TERN_NOMEM. */
tern_status ti_grid_parse(ti_grid *out, const char *text, size_t len, tern_err *err);

/* The table that is built in (share/grid/yearly.csv); a file.  Errors: also TERN_IO. */
tern_status ti_grid_builtin(ti_grid *out, tern_err *err);
tern_status ti_grid_load(ti_grid *out, const char *path, tern_err *err);

/* Zeroed is allowed. */
void ti_grid_free(ti_grid *grid);

/* What is looked for besides the zone; zeroed: the newest year of the first basis. */
typedef struct ti_grid_want {
    const ti_basis *basis; /* or NULL for the zone's first in order of rank */
    uint32_t year;         /* or 0 for the newest */
} ti_grid_want;

/* Finds a zone by code, alias or name, in any case of letters.  *row points into the table.
 * `want` may be NULL.  Cost: O(n).
 * Errors: TERN_USAGE, naming up to four zones that look alike, or the years or bases that the
 * zone has.  Never answers with another zone than was asked for. */
tern_status ti_grid_find(const ti_grid_row **row, const ti_grid *grid, const char *zone,
                         const ti_grid_want *want, tern_err *err);

#endif
