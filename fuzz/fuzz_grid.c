/* SPDX-License-Identifier: Apache-2.0 */
/* A yearly table: refused, or every row of it keeps the promises and is found by its names. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "carbon/footprint.h"
#include "carbon/grid.h"

enum { LOOKED_UP_MAX = 64 }; /* looking up is linear; more teaches nothing */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const ti_grid *grid, const ti_grid_row *row)
{
    char name[TI_GRID_FIELD_MAX + 1], text[TI_FOOTPRINT_TEXT];
    const ti_grid_row *found;
    ti_footprint footprint;
    ti_grid_want want = {.basis = &row->intensity.basis, .year = row->year};
    memcpy(name, row->zone.data, row->zone.len);
    name[row->zone.len] = '\0';
    /* Another zone's name may be this one's code; then either is an answer or none has the
     * year. */
    if (ti_grid_find(&found, grid, name, &want, NULL) != TERN_OK) {
        TI_ASSERT(ti_grid_find(&found, grid, name, NULL, NULL) == TERN_OK);
    }
    tern_status status = ti_footprint_of(&footprint, UINT64_MAX, found, UINT32_MAX, NULL);
    TI_ASSERT(status == TERN_OK || status == TERN_LIMIT);
    if (status == TERN_OK) {
        TI_ASSERT(strlen(ti_footprint_text(text, &footprint)) > 10);
    }
    name[0] ^= 0x20;
    (void)ti_grid_find(&found, grid, name, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_grid grid;
    tern_err err;
    if (ti_grid_parse(&grid, (const char *)data, size, &err) != TERN_OK) {
        TI_ASSERT(err.offset <= size || err.status == TERN_LIMIT);
        return 0;
    }
    for (size_t i = 0; i < grid.n && i < LOOKED_UP_MAX; i++) {
        const ti_grid_row *row = &grid.rows[i];
        TI_ASSERT(row->zone.len > 0 && row->zone.len <= TI_GRID_FIELD_MAX);
        TI_ASSERT(row->intensity.intensity_mg_kwh > 0);
        TI_ASSERT(row->intensity.intensity_mg_kwh <= TI_INTENSITY_MAX_MG_KWH);
        look_up(&grid, row);
    }
    ti_grid_free(&grid);
    return 0;
}
