/* SPDX-License-Identifier: Apache-2.0 */
/* tern footprint zones: the table that zones are looked up in. */
#include <string.h>
#include <strings.h>

#include "carbon/units.h"
#include "cli/cmd.h"
#include "cli/grams.h"
#include "cli/out.h"

typedef struct zones_args {
    ti_grams_args grams;
    bool json;
} zones_args;

static const zones_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "grid",
     .metavar = "FILE",
     .help = "list this table",
     .fallback = "grid/yearly.csv below TERN_SHARE, else the one built in",
     .words = TI_WORDS_FILE,
     .offset = offsetof(zones_args, grams.grid)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.footprint/1",
     .offset = offsetof(zones_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "WORD", .help = "only zones that have it in code or name", .optional = true},
    {0},
};

static bool holds(ti_str text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len; i++) {
        if (strncasecmp(text.data + i, word, n) == 0) {
            return true;
        }
    }
    return false;
}

static void print_row(const ti_grid_row *row)
{
    char basis[TI_BASIS_TEXT], grams[TI_AMOUNT_TEXT];
    ti_printf("%-12.*s  %-32.*s  %u  %9s g/kWh  %s  %.*s\n", (int)row->zone.len, row->zone.data,
              (int)row->name.len, row->name.data, (unsigned)row->year,
              ti_milli_text(grams, row->intensity.intensity_mg_kwh),
              ti_basis_text(basis, row->intensity.basis), (int)row->source.len,
              row->source.data);
}

static void json_row(ti_buf *json, const ti_grid_row *row)
{
    char basis[TI_BASIS_TEXT];
    ti_json_open(json, NULL, '{');
    ti_json_strn(json, "zone", row->zone.data, row->zone.len);
    ti_json_strn(json, "alias", row->alias.data, row->alias.len);
    ti_json_strn(json, "name", row->name.data, row->name.len);
    ti_json_uint(json, "year", row->year);
    ti_json_uint(json, "intensity_mg_kwh", row->intensity.intensity_mg_kwh);
    ti_json_str(json, "basis", ti_basis_text(basis, row->intensity.basis));
    ti_json_strn(json, "source", row->source.data, row->source.len);
    ti_json_strn(json, "licence", row->licence.data, row->licence.len);
    ti_json_close(json, '}');
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const zones_args *args = values;
    const char *word = given->n > 0 ? given->items[0] : "";
    ti_grid grid;
    ti_buf json = {0};
    size_t n = 0;
    TI_TRY(ti_grams_table(&grid, &args->grams, err));
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.footprint/1");
    ti_json_str(&json, "kind", "zones");
    ti_json_open(&json, "zones", '[');
    for (size_t i = 0; i < grid.n; i++) {
        const ti_grid_row *row = &grid.rows[i];
        if (!holds(row->zone, word) && !holds(row->name, word) && !holds(row->alias, word)) {
            continue;
        }
        n++;
        if (args->json) {
            json_row(&json, row);
        } else {
            print_row(row);
        }
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    tern_status status = args->json ? ti_print_json(&json, err) : TERN_OK;
    ti_buf_free(&json);
    ti_grid_free(&grid);
    return status == TERN_OK && n == 0 ? TERN_NO : status;
}

const ti_command ti_cmd_footprint_zones = {
    .name = "footprint zones",
    .summary = "list the grids whose yearly intensity is known",
    .description = "Lists zone, name, year, intensity, basis and source of the table.  Exits "
                   "with 1 when none has WORD.",
    .examples = "tern footprint zones united\n"
                "tern footprint zones --grid own.csv",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
