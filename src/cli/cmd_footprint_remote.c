/* SPDX-License-Identifier: Apache-2.0 */
/* tern footprint remote: what a request to somebody else's model may have cost. */
#include <string.h>

#include "carbon/ecologits.h"
#include "carbon/units.h"
#include "cli/cmd.h"
#include "cli/grams.h"
#include "cli/out.h"

typedef struct remote_args {
    ti_grams_args grams;
    const char *params, *latency;
    uint64_t tokens;
    bool json;
} remote_args;

static const remote_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "model-params",
     .metavar = "N[/ALL]",
     .help = "billions of parameters: active for a token, and all of them if more",
     .offset = offsetof(remote_args, params)},
    {.type = TI_OPT_U64,
     .name = "tokens",
     .letter = 'n',
     .metavar = "N",
     .help = "tokens of the answer",
     .offset = offsetof(remote_args, tokens)},
    {.type = TI_OPT_STR,
     .name = "latency",
     .metavar = "SECONDS",
     .help = "how long the answer took, where that was measured",
     .offset = offsetof(remote_args, latency)},
    TI_OPTS_GRAMS(remote_args, grams),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.footprint/1",
     .offset = offsetof(remote_args, json)},
    {0},
};

typedef struct result {
    ti_remote_ask ask;
    ti_remote remote;
    bool has_carbon;
    ti_footprint low, mid, high;
} result;

/* Reads "44/440" billions. */
static tern_status read_params(ti_remote_ask *ask, const char *text, tern_err *err)
{
    uint64_t active = 0, total = 0;
    const double milli = 1000;
    if (!text) {
        return ti_fail(err, TERN_USAGE, "remote", TI_NO_OFFSET,
                       "how large is the model? (--model-params)");
    }
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    TI_TRY(ti_decimal_parse(&active, text, len, 1000, "model-params", err));
    total = active;
    if (slash) {
        TI_TRY(
            ti_decimal_parse(&total, slash + 1, strlen(slash + 1), 1000, "model-params", err));
    }
    ask->active_b = (double)active / milli;
    ask->total_b = (double)total / milli;
    return TERN_OK;
}

static tern_status estimate(result *r, const remote_args *args, tern_err *err)
{
    uint64_t latency_ns = 0;
    TI_TRY(read_params(&r->ask, args->params, err));
    TI_TRY(ti_pue_parse(&r->ask.pue_permille, args->grams.pue, TI_REMOTE_PUE_PERMILLE, err));
    if (args->latency) {
        TI_TRY(ti_decimal_parse(&latency_ns, args->latency, strlen(args->latency), TI_NS_PER_S,
                                "latency", err));
    }
    r->ask.latency_s = (double)latency_ns / (double)TI_NS_PER_S;
    r->ask.tokens = args->tokens;
    return ti_remote_estimate(&r->remote, &r->ask, err);
}

static tern_status carbon(result *r, const remote_args *args, tern_err *err)
{
    ti_grams grams;
    TI_TRY(ti_grams_open(&grams, &args->grams, err));
    grams.pue_permille = TI_PERMILLE; /* it is in the estimate */
    tern_status status = TERN_OK;
    if (grams.row) {
        r->has_carbon = true;
        status = ti_grams_of(&r->low, &grams, r->remote.energy_low_uj, err);
    }
    if (status == TERN_OK && grams.row) {
        status = ti_grams_of(&r->mid, &grams, r->remote.energy_uj, err);
    }
    if (status == TERN_OK && grams.row) {
        status = ti_grams_of(&r->high, &grams, r->remote.energy_high_uj, err);
    }
    ti_grams_close(&grams);
    return status;
}

static void print_lines(const result *r)
{
    const ti_remote *e = &r->remote;
    char low[TI_AMOUNT_TEXT], high[TI_FOOTPRINT_TEXT];
    ti_printf("estimate  %s, declared, not measured: a range of %d times each way\n",
              TI_REMOTE_METHOD, TI_REMOTE_RANGE);
    ti_printf("energy    %s .. %s (%u cards of 80 GB, PUE %u.%03u)\n",
              ti_joules_text(low, e->energy_low_uj), ti_joules_text(high, e->energy_high_uj),
              (unsigned)e->gpus, (unsigned)(r->ask.pue_permille / TI_PERMILLE),
              (unsigned)(r->ask.pue_permille % TI_PERMILLE));
    if (r->has_carbon) {
        ti_printf("carbon    %s .. %s\n", ti_grams_text(low, r->low.co2_ug),
                  ti_footprint_text(high, &r->high));
    } else {
        ti_note("no grams without a grid: " TI_GRAMS_HINT);
    }
    ti_printf("hardware  %s .. %s CO2e\n", ti_grams_text(low, e->embodied_low_ug),
              ti_grams_text(high, e->embodied_high_ug));
}

static void json_range(ti_buf *json, const char *key, uint64_t low, uint64_t mid, uint64_t high)
{
    ti_json_open(json, key, '{');
    ti_json_uint(json, "low", low);
    ti_json_uint(json, "formula", mid);
    ti_json_uint(json, "high", high);
    ti_json_close(json, '}');
}

static tern_status print_document(const result *r, tern_err *err)
{
    const ti_remote *e = &r->remote;
    const int digits = 6;
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.footprint/1");
    ti_json_str(&json, "kind", "remote");
    ti_json_str(&json, "method", TI_REMOTE_METHOD);
    ti_json_str(&json, "evidence", "declared");
    ti_json_num(&json, "active_b", r->ask.active_b, digits);
    ti_json_num(&json, "total_b", r->ask.total_b, digits);
    ti_json_uint(&json, "tokens", r->ask.tokens);
    ti_json_uint(&json, "pue_permille", r->ask.pue_permille);
    ti_json_uint(&json, "gpus", e->gpus);
    ti_json_num(&json, "latency_s", e->latency_s, digits);
    ti_json_num(&json, "energy_kwh", e->energy_kwh, digits);
    json_range(&json, "energy_uj", e->energy_low_uj, e->energy_uj, e->energy_high_uj);
    json_range(&json, "embodied_ug", e->embodied_low_ug, e->embodied_ug, e->embodied_high_ug);
    if (r->has_carbon) {
        json_range(&json, "co2_ug", r->low.co2_ug, r->mid.co2_ug, r->high.co2_ug);
        ti_json_footprint(&json, "carbon", &r->mid);
    }
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const remote_args *args = values;
    result r = {0};
    (void)given;
    TI_TRY(estimate(&r, args, err));
    TI_TRY(carbon(&r, args, err));
    if (args->json) {
        return print_document(&r, err);
    }
    print_lines(&r);
    return TERN_OK;
}

const ti_command ti_cmd_footprint_remote = {
    .name = "footprint remote",
    .summary = "estimate what an answer of a model elsewhere took",
    .description =
        "Follows the formula of EcoLogits v0.9: output tokens, a batch of 64, 16-bit weights "
        "on "
        "cards of 80 GB, their server, PUE (1.2 unless --pue says another).  Sizes of closed "
        "models are guesses, batches are not told, and between its versions 0.8 and 0.9 "
        "results "
        "moved by a factor of 44: so the answer is always a range, from a tenth to ten times.",
    .examples = "tern footprint remote --model-params 70 --tokens 400 --zone US\n"
                "tern footprint remote --model-params 44/440 --tokens 400 --json",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
