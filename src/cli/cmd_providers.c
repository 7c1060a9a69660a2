/* SPDX-License-Identifier: Apache-2.0 */
/* tern providers: who answers for the fewest grams, as far as anybody can know. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/stamp.h"
#include "carbon/units.h"
#include "cli/cmd.h"
#include "cli/desks.h"
#include "cli/grams.h"
#include "cli/moment.h"
#include "cli/out.h"
#include "cli/providers.h"

enum { LOOK_AHEAD_S = 14 * TI_DAY_S, TOKENS_MAX = 4096 };

typedef struct providers_args {
    const char *params, *hour, *zone, *local, *catalogue;
    uint32_t tokens;
    ti_desk_args desk;
    bool hardware, json;
} providers_args;

static const providers_args defaults = {.tokens = 64, .desk = TI_DESK_DEFAULTS};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "model-params",
     .metavar = "N[/ALL]",
     .help = "billions of parameters of the model: active for a token, and all of them if more",
     .fallback = "8",
     .offset = offsetof(providers_args, params)},
    {.type = TI_OPT_STR,
     .name = "hour",
     .metavar = "MOMENT",
     .help = "when: 18:00, 6pm, noon, 'tomorrow 9:00', 12h from now; the hour that begins then",
     .fallback = "now",
     .offset = offsetof(providers_args, hour)},
    {.type = TI_OPT_STR,
     .name = "local",
     .metavar = "MODEL",
     .help = "run that model on this machine, and rank what it took as well",
     .words = TI_WORDS_MODEL,
     .offset = offsetof(providers_args, local)},
    {.type = TI_OPT_U32,
     .name = "tokens",
     .letter = 'n',
     .metavar = "N",
     .help = "with --local: how many tokens are generated",
     .min = 1,
     .max = TOKENS_MAX,
     .offset = offsetof(providers_args, tokens)},
    {.type = TI_OPT_STR,
     .name = "zone",
     .metavar = "ZONE",
     .help = "the grid here, for this machine and for --hardware",
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME",
     .offset = offsetof(providers_args, zone)},
    {.type = TI_OPT_FLAG,
     .name = "hardware",
     .help = "list what a token took on some hardware instead",
     .offset = offsetof(providers_args, hardware)},
    {.type = TI_OPT_STR,
     .name = "catalogue",
     .metavar = "FILE",
     .help = "a catalogue in the form of share/providers.json",
     .fallback = "providers.json below TERN_SHARE, else the one built in",
     .words = TI_WORDS_FILE,
     .offset = offsetof(providers_args, catalogue)},
    TI_OPTS_DESK(providers_args, desk),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.providers-ranking/1",
     .offset = offsetof(providers_args, json)},
    {0},
};

typedef struct asking {
    const providers_args *args;
    ti_providers catalogue;
    ti_grid grid; /* for the range of a grid that nobody names */
    ti_ranking ranking;
} asking;

/* --- what is asked ------------------------------------------------------------------------ */

static tern_status read_billions(double *out, const char *text, size_t len, tern_err *err)
{
    uint64_t milli;
    TI_TRY(ti_decimal_parse(&milli, text, len, 1000, "model-params", err));
    *out = (double)milli / 1000;
    return TERN_OK;
}

static tern_status estimate(asking *a, tern_err *err)
{
    const char *text = a->args->params ? a->args->params : "8";
    const char *slash = strchr(text, '/');
    ti_ranking *r = &a->ranking;
    TI_TRY(
        read_billions(&r->active_b, text, slash ? (size_t)(slash - text) : strlen(text), err));
    r->total_b = r->active_b;
    if (slash) {
        TI_TRY(read_billions(&r->total_b, slash + 1, strlen(slash + 1), err));
    }
    ti_remote_ask ask = {.active_b = r->active_b,
                         .total_b = r->total_b,
                         .tokens = TI_PER_TOKENS,
                         .pue_permille = TI_PERMILLE};
    return ti_remote_estimate(&r->remote, &ask, err);
}

static tern_status read_hour(asking *a, tern_err *err)
{
    ti_ranking *r = &a->ranking;
    TI_TRY(ti_desk_clock(&r->now_s, &a->args->desk, err));
    ti_moment_ask ask = {.what = "hour", .now_s = r->now_s, .after_s = r->now_s};
    r->hour_s = r->now_s;
    if (a->args->hour) {
        ti_zone_check();
        TI_TRY(ti_moment_typed(&r->hour_s, a->args->hour, ask, err));
    }
    if (r->hour_s < r->now_s || r->hour_s > r->now_s + LOOK_AHEAD_S - TI_HOUR_S) {
        return ti_fail(err, TERN_USAGE, "providers", TI_NO_OFFSET,
                       "hour: %.40s is not within 14 days from now", a->args->hour);
    }
    return TERN_OK;
}

/* --- the grids ---------------------------------------------------------------------------- */

/* The zone of that name, asked about when it is new. */
static tern_status zone_of(asking *a, const ti_zone_now **out, const char *zone, tern_err *err)
{
    ti_ranking *r = &a->ranking;
    for (size_t i = 0; i < r->n_zones; i++) {
        if (strcmp(r->zones[i].zone, zone) == 0) {
            *out = &r->zones[i];
            return TERN_OK;
        }
    }
    ti_zone_now *z = &r->zones[r->n_zones];
    const ti_zone_ask ask = {&a->args->desk, r->now_s, r->hour_s};
    TI_TRY(ti_zone_look(z, zone, &ask, err));
    r->n_zones++;
    *out = z;
    return TERN_OK;
}

static tern_status find_home(asking *a, tern_err *err)
{
    char user[TI_ZONE_MAX * 2] = "";
    const char *zone = a->args->zone;
    if (!zone) {
        TI_TRY(ti_user_zone(user, sizeof user, err));
        zone = user;
    }
    return *zone ? zone_of(a, &a->ranking.home, zone, err) : TERN_OK;
}

/* --- grams -------------------------------------------------------------------------------- */

static tern_status grams(uint64_t *ug, uint64_t energy_uj, const ti_intensity *intensity,
                         uint32_t pue, tern_err *err)
{
    ti_carbon carbon;
    TI_TRY(ti_carbon_of(&carbon, energy_uj, intensity, pue, err));
    *ug = carbon.co2_ug;
    return TERN_OK;
}

/* The cleanest and the dirtiest grid of the table, on its first basis: all that can be said of
 * one that nobody names. */
static void extremes(const ti_grid *grid, ti_intensity *low, ti_intensity *high)
{
    *low = *high = grid->rows[0].intensity;
    for (size_t i = 1; i < grid->n; i++) {
        const ti_intensity *v = &grid->rows[i].intensity;
        if (!ti_basis_equal(v->basis, low->basis)) {
            continue;
        }
        *low = v->intensity_mg_kwh < low->intensity_mg_kwh ? *v : *low;
        *high = v->intensity_mg_kwh > high->intensity_mg_kwh ? *v : *high;
    }
}

static tern_status provider_row(asking *a, ti_provider_row *row, const ti_provider *p,
                                tern_err *err)
{
    const ti_remote *e = &a->ranking.remote;
    ti_intensity low, high;
    *row = (ti_provider_row){.provider = p};
    row->pue_low = p->pue.source ? p->pue.low_milli : TI_PERMILLE;
    row->pue_high = p->pue.source ? p->pue.high_milli : a->catalogue.unknown_pue.high_milli;
    row->pue_mid = p->pue.source ? (row->pue_low + row->pue_high) / 2 : row->pue_high;
    if (p->zone.len > 0) {
        char zone[TI_ZONE_MAX + 1];
        snprintf(zone, sizeof zone, "%.*s", (int)p->zone.len, p->zone.data);
        TI_TRY(zone_of(a, &row->zone, zone, err));
    }
    row->ranked = row->zone && row->zone->known;
    if (row->ranked) {
        low = high = row->zone->intensity;
        TI_TRY(grams(&row->mid_ug, e->energy_uj, &low, row->pue_mid, err));
    } else {
        extremes(&a->grid, &low, &high);
    }
    TI_TRY(grams(&row->low_ug, e->energy_low_uj, &low, row->pue_low, err));
    return grams(&row->high_ug, e->energy_high_uj, &high, row->pue_high, err);
}

static tern_status local_row(asking *a, ti_provider_row *row, tern_err *err)
{
    const ti_local *l = &a->ranking.local;
    *row = (ti_provider_row){.zone = a->ranking.home,
                             .pue_low = TI_PERMILLE,
                             .pue_mid = TI_PERMILLE,
                             .pue_high = TI_PERMILLE};
    if (!l->measured || !row->zone || !row->zone->known) {
        return TERN_OK;
    }
    row->ranked = ti_is_near((double)l->n_params / 1e9, &a->ranking);
    row->other_size = !row->ranked;
    uint64_t off = l->uj_per_tokens / TI_PERMILLE * l->figure.error_permille;
    const ti_intensity *at = &row->zone->intensity;
    TI_TRY(grams(&row->mid_ug, l->uj_per_tokens, at, TI_PERMILLE, err));
    TI_TRY(grams(&row->low_ug, l->uj_per_tokens - off, at, TI_PERMILLE, err));
    return grams(&row->high_ug, l->uj_per_tokens + off, at, TI_PERMILLE, err);
}

/* Ranked ones first, the cleanest in front; equals as in the catalogue. */
static bool before(const ti_provider_row *a, const ti_provider_row *b)
{
    return a->ranked != b->ranked ? a->ranked : a->ranked && a->mid_ug < b->mid_ug;
}

static void put_in_order(ti_ranking *r)
{
    for (size_t i = 1; i < r->n; i++) {
        for (size_t k = i; k > 0 && before(&r->rows[k], &r->rows[k - 1]); k--) {
            ti_provider_row swap = r->rows[k];
            r->rows[k] = r->rows[k - 1];
            r->rows[k - 1] = swap;
        }
    }
    for (size_t i = 0; i < r->n && r->rows[i].ranked; i++) {
        r->rows[i].tier = ti_tier_of(r->rows[i].mid_ug, r->rows[0].mid_ug);
    }
}

/* Grams on another basis than those of the first are not put in one order with them. */
static void keep_one_basis(ti_ranking *r)
{
    const ti_zone_now *first = NULL;
    for (size_t i = 0; i < r->n; i++) {
        ti_provider_row *row = &r->rows[i];
        if (!row->ranked) {
            continue;
        }
        first = first ? first : row->zone;
        if (!ti_basis_equal(first->intensity.basis, row->zone->intensity.basis)) {
            row->ranked = false;
            ti_warn("%s is on another basis than %s: not ranked", row->zone->zone, first->zone);
        }
    }
}

static tern_status rank(asking *a, tern_err *err)
{
    ti_ranking *r = &a->ranking;
    size_t most = a->catalogue.n_providers + 1;
    r->catalogue = &a->catalogue;
    r->rows = ti_calloc(most, sizeof *r->rows);
    r->zones = ti_calloc(most + 1, sizeof *r->zones);
    if (!r->rows || !r->zones) {
        return ti_fail_nomem(err, "providers", most * sizeof *r->rows, "rows");
    }
    for (size_t i = 0; i < a->catalogue.n_providers && !a->args->hardware; i++) {
        TI_TRY(provider_row(a, &r->rows[r->n], &a->catalogue.providers[i], err));
        r->n++;
    }
    TI_TRY(find_home(a, err));
    if (!a->args->hardware) {
        TI_TRY(local_row(a, &r->rows[r->n], err));
        r->n++;
    }
    keep_one_basis(r);
    put_in_order(r);
    return TERN_OK;
}

/* --- the command -------------------------------------------------------------------------- */

static tern_status answer(asking *a, tern_err *err)
{
    ti_buf out = {0};
    tern_status status = TERN_OK;
    if (a->args->json) {
        ti_providers_document(&out, &a->ranking);
        status = ti_print_json(&out, err);
    } else {
        if (a->args->hardware) {
            ti_hardware_text(&out, &a->ranking);
        } else {
            ti_providers_text(&out, &a->ranking);
        }
        ti_print(out.failed ? "" : out.data);
        status = out.failed ? ti_fail_nomem(err, "providers", out.len, "text") : TERN_OK;
    }
    ti_buf_free(&out);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    asking a = {.args = values};
    ti_grams_args table = {.grid = a.args->desk.grid};
    (void)given;
    ti_interrupt_catch();
    TI_TRY(ti_catalogue_open(&a.catalogue, a.args->catalogue, err));
    tern_status status = ti_grams_table(&a.grid, &table, err);
    if (status == TERN_OK && a.grid.n == 0) {
        status = ti_fail(err, TERN_CORRUPT, "providers", TI_NO_OFFSET, "the table is empty");
    }
    if (status == TERN_OK) {
        status = estimate(&a, err);
    }
    if (status == TERN_OK) {
        status = read_hour(&a, err);
    }
    if (status == TERN_OK && a.args->local) {
        status = ti_local_measure(&a.ranking.local, a.args->local, a.args->tokens, err);
    }
    if (status == TERN_OK) {
        status = rank(&a, err);
    }
    if (status == TERN_OK) {
        status = answer(&a, err);
    }
    free(a.ranking.rows);
    free(a.ranking.zones);
    ti_grid_free(&a.grid);
    ti_providers_free(&a.catalogue);
    return status;
}

const ti_command ti_cmd_providers = {
    .name = "providers",
    .summary = "rank who answers by grams, as far as it is known",
    .description =
        "Grams for 1,000 tokens of an answer of a model of that size: the estimate of "
        "'tern footprint remote', which is a range from a tenth to ten times, with the PUE of "
        "the place and the grid in that hour.  Every figure of the catalogue has a source; "
        "what nobody has published is unknown, and who does not say where its machines stand "
        "is not ranked.\n\n"
        "Gold, silver and bronze are names for results: within 2 and 5 times of the best, and "
        "beyond.  Contracts for renewable electricity are shown in the JSON and never counted.",
    .examples = "tern providers --model-params 8\n"
                "tern providers --model-params 70 --hour 'tomorrow 12:00' --json\n"
                "tern providers --local smollm2-135m-instruct --zone SE\n"
                "tern providers --hardware --model-params 7 --zone DE",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
