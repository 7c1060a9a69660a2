/* SPDX-License-Identifier: Apache-2.0 */
/* tern footprint of 3.1J: grams, the hardware's share, a score. */
#include <string.h>

#include "carbon/units.h"
#include "cli/cmd.h"
#include "cli/grams.h"
#include "cli/out.h"

typedef struct of_args {
    ti_grams_args grams;
    ti_embodied_args embodied;
    const char *time, *per;
    bool json;
} of_args;

static const of_args defaults = {0};

static const ti_opt opts[] = {
    TI_OPTS_GRAMS(of_args, grams),
    TI_OPTS_EMBODIED(of_args, embodied),
    {.type = TI_OPT_STR,
     .name = "time",
     .metavar = "SECONDS",
     .help = "how long the hardware was taken",
     .offset = offsetof(of_args, time)},
    {.type = TI_OPT_STR,
     .name = "per",
     .metavar = "UNIT[:N]",
     .help = "score for each of N tokens, requests, runs or hours, as token:42",
     .offset = offsetof(of_args, per)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.footprint/1",
     .offset = offsetof(of_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "ENERGY", .help = "a number with J, kJ, MJ, mJ, uJ, Wh, kWh or MWh"},
    {0},
};

typedef struct result {
    uint64_t energy_uj, embodied_ug;
    bool has_carbon, has_embodied, has_sci;
    ti_footprint carbon;
    ti_sci sci;
} result;

static tern_status hardware(result *r, const of_args *args, tern_err *err)
{
    uint64_t time_ns = 0;
    if (args->embodied.hardware && !args->time) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                       "the hardware's share needs the time that it was taken (--time)");
    }
    if (args->time) {
        TI_TRY(ti_decimal_parse(&time_ns, args->time, strlen(args->time), TI_NS_PER_S, "time",
                                err));
    }
    return ti_embodied_of(&r->embodied_ug, &r->has_embodied, &args->embodied, time_ns, err);
}

static tern_status score(result *r, const of_args *args, tern_err *err)
{
    ti_per per;
    if (!args->per) {
        return TERN_OK;
    }
    TI_TRY(ti_per_parse(&per, args->per, err));
    if (!r->has_carbon) {
        ti_hint(TI_GRAMS_HINT);
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET, "a score needs a grid");
    }
    ti_carbon operational = ti_footprint_carbon(&r->carbon);
    r->has_sci = true;
    return ti_sci_of(&r->sci, &operational, r->embodied_ug, per, err);
}

static tern_status compute(result *r, const of_args *args, const char *energy, tern_err *err)
{
    ti_grams grams;
    TI_TRY(ti_energy_parse(&r->energy_uj, energy, err));
    TI_TRY(hardware(r, args, err));
    TI_TRY(ti_grams_open(&grams, &args->grams, err));
    tern_status status = TERN_OK;
    if (grams.row) {
        r->has_carbon = true;
        status = ti_grams_of(&r->carbon, &grams, r->energy_uj, err);
    }
    ti_grams_close(&grams);
    return status == TERN_OK ? score(r, args, err) : status;
}

static void print_lines(const result *r)
{
    char text[TI_FOOTPRINT_TEXT], hours[TI_AMOUNT_TEXT];
    bool large = r->energy_uj >= TI_UJ_PER_WH;
    uint64_t unit_uj = large ? TI_UJ_PER_WH / 1000 : TI_UJ_PER_WH / 1000000;
    ti_printf("energy    %s (%s %s)\n", ti_joules_text(text, r->energy_uj),
              ti_milli_text(hours, r->energy_uj / unit_uj), large ? "Wh" : "mWh");
    if (r->has_carbon) {
        ti_printf("carbon    %s\n", ti_footprint_text(text, &r->carbon));
    } else {
        ti_note("no grams without a grid: " TI_GRAMS_HINT);
    }
    if (r->has_embodied) {
        ti_printf("hardware  %s CO2e\n", ti_grams_text(text, r->embodied_ug));
    }
    if (r->has_sci) {
        ti_buf line = {0};
        ti_add_sci(&line, &r->sci);
        ti_printf("score     %s\n", line.failed ? "" : line.data);
        ti_buf_free(&line);
    }
}

static tern_status print_document(const result *r, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.footprint/1");
    ti_json_str(&json, "kind", "of");
    ti_json_uint(&json, "energy_uj", r->energy_uj);
    if (r->has_carbon) {
        ti_json_footprint(&json, "carbon", &r->carbon);
    }
    if (r->has_embodied) {
        ti_json_uint(&json, "embodied_ug", r->embodied_ug);
    }
    if (r->has_sci) {
        ti_json_sci(&json, "sci", &r->sci);
    }
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const of_args *args = values;
    result r = {0};
    TI_TRY(compute(&r, args, given->items[0], err));
    if (args->json) {
        return print_document(&r, err);
    }
    print_lines(&r);
    return TERN_OK;
}

const ti_command ti_cmd_footprint_of = {
    .name = "footprint of",
    .summary = "grams of an energy, the hardware's share, a score",
    .description =
        "Multiplies an energy with the yearly intensity of a grid.  With --embodied and --time "
        "adds the share of what making the hardware emitted (Boavizta's figures for parts); "
        "with --per gives the Software Carbon Intensity of ISO/IEC 21031.\n\n"
        "Without a zone there are no grams: none is assumed.  A zone that is not in the table "
        "is refused, with those that look alike.",
    .examples = "tern footprint of 3.1J --zone DE --per token:42\n"
                "tern footprint of 0.5kWh --zone FR --pue 1.2\n"
                "tern footprint of 90J --zone SE --embodied cpu=178,board --time 6 --per run",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
