/* SPDX-License-Identifier: Apache-2.0 */
/* tern footprint seed: the tables of the note that started the project, worked out again. */

#include "carbon/seed.h"
#include "carbon/units.h"
#include "cli/cmd.h"
#include "cli/grams.h"
#include "cli/out.h"

typedef struct seed_args {
    ti_grams_args grams;
    bool json;
} seed_args;

static const seed_args defaults = {0};

static const ti_opt opts[] = {
    TI_OPTS_GRAMS(seed_args, grams),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.footprint/1",
     .offset = offsetof(seed_args, json)},
    {0},
};

/* Energy with the building's share, for rows in tonnes; false where it makes no sense. */
static bool tonnes_in_zone(uint64_t *milli, const ti_seed_row *row, const ti_grams *grams)
{
    const uint64_t whole = TI_PERMILLE;
    uint64_t wh;
    if (!row->energy_wh || !grams->row ||
        !ti_ratio_u64(&wh, (const uint64_t[]){row->energy_wh, grams->pue_permille}, 2, &whole,
                      1)) {
        return false;
    }
    *milli = ti_seed_milli_tonnes(wh, grams->row->intensity.intensity_mg_kwh);
    return true;
}

static void print_row(const ti_seed_row *row, const ti_grams *grams)
{
    char printed[TI_AMOUNT_TEXT], computed[TI_AMOUNT_TEXT], zone[TI_AMOUNT_TEXT];
    uint64_t milli;
    bool derived = row->computed_milli > 0;
    ti_printf("  %-26s %12s %14s %-5s  %s\n", row->item,
              ti_milli_text(printed, row->printed_milli),
              derived ? ti_milli_text(computed, row->computed_milli) : "-", row->unit,
              ti_verdict_name(row->verdict));
    ti_printf("      %s\n", row->reason);
    if (tonnes_in_zone(&milli, row, grams)) {
        ti_printf("      %s t on the grid of %.*s (%u)\n", ti_milli_text(zone, milli),
                  (int)grams->row->zone.len, grams->row->zone.data, (unsigned)grams->row->year);
    }
}

static void print_lines(const ti_seed_row *rows, const ti_grams *grams)
{
    ti_printf("%s  %-26s %12s %14s %-5s  %s%s\n", ti_bold(), "", "printed", "follows", "unit",
              "verdict", ti_plain());
    for (size_t i = 0; i < TI_SEED_ROWS; i++) {
        if (i == 0 || rows[i].table != rows[i - 1].table) {
            ti_printf("%s%s%s%s\n", i ? "\n" : "", ti_bold(), ti_seed_table_name(rows[i].table),
                      ti_plain());
        }
        print_row(&rows[i], grams);
    }
    ti_print("\nreproduced: follows from the figures printed beside it.  corrected: another "
             "number follows.\nrefuted: the comparison does not hold, whatever the numbers.  "
             "unmeasured: nothing to follow\nfrom.  No figure of these tables was measured.  "
             "Tonnes are at the note's 0.5 kg/kWh, which has\nno source, year or place; --zone "
             "shows a sourced one beside it.\n");
}

static void json_row(ti_buf *json, const ti_seed_row *row, const ti_grams *grams)
{
    uint64_t milli;
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "table", ti_seed_table_name(row->table));
    ti_json_str(json, "item", row->item);
    ti_json_str(json, "unit", row->unit);
    ti_json_uint(json, "printed_milli", row->printed_milli);
    if (row->computed_milli) {
        ti_json_uint(json, "follows_milli", row->computed_milli);
    }
    ti_json_str(json, "verdict", ti_verdict_name(row->verdict));
    ti_json_str(json, "reason", row->reason);
    if (row->energy_wh) {
        ti_json_uint(json, "energy_wh", row->energy_wh);
    }
    if (tonnes_in_zone(&milli, row, grams)) {
        ti_json_uint(json, "zone_milli", milli);
    }
    ti_json_close(json, '}');
}

static tern_status print_document(const ti_seed_row *rows, const ti_grams *grams, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.footprint/1");
    ti_json_str(&json, "kind", "seed");
    if (grams->row) {
        ti_json_strn(&json, "zone", grams->row->zone.data, grams->row->zone.len);
        ti_json_uint(&json, "year", grams->row->year);
        ti_json_uint(&json, "intensity_mg_kwh", grams->row->intensity.intensity_mg_kwh);
        ti_json_uint(&json, "pue_permille", grams->pue_permille);
    }
    ti_json_open(&json, "rows", '[');
    for (size_t i = 0; i < TI_SEED_ROWS; i++) {
        json_row(&json, &rows[i], grams);
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const seed_args *args = values;
    ti_seed_row rows[TI_SEED_ROWS];
    ti_grams grams;
    (void)given;
    TI_TRY(ti_grams_open(&grams, &args->grams, err));
    ti_seed_rows(rows);
    tern_status status = TERN_OK;
    if (args->json) {
        status = print_document(rows, &grams, err);
    } else {
        print_lines(rows, &grams);
    }
    ti_grams_close(&grams);
    return status;
}

const ti_command ti_cmd_footprint_seed = {
    .name = "footprint seed",
    .summary = "work the tables of the project's first note out again",
    .description =
        "Shows each printed number of the note's energy tables beside what follows from the "
        "figures next to it, with units carried all the way, and the reason where the two "
        "differ.  docs/claims.md has the same verdicts with the rest of its claims.",
    .examples = "tern footprint seed\n"
                "tern footprint seed --zone FR --pue 1.2",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
