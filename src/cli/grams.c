/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/grams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "carbon/units.h"
#include "cli/out.h"
#include "cli/places.h"

enum { PUE_MAX_PERMILLE = 10000, LIFETIME_MAX_YEARS = 100 };

tern_status ti_pue_parse(uint32_t *pue_permille, const char *text, uint32_t fallback,
                         tern_err *err)
{
    uint64_t pue = fallback;
    if (text) {
        TI_TRY(ti_decimal_parse(&pue, text, strlen(text), TI_PERMILLE, "pue", err));
    }
    if (pue < TI_PERMILLE || pue > PUE_MAX_PERMILLE) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                       "pue: %.20s is not from 1 to 10", text ? text : "it");
    }
    *pue_permille = (uint32_t)pue;
    return TERN_OK;
}

tern_status ti_grams_table(ti_grid *out, const ti_grams_args *args, tern_err *err)
{
    const char *share = getenv("TERN_SHARE");
    ti_buf path = {0};
    if (args->grid) {
        return ti_grid_load(out, args->grid, err);
    }
    if (!share || !*share) {
        return ti_grid_builtin(out, err);
    }
    ti_buf_addf(&path, "%s/grid/yearly.csv", share);
    tern_status status = TERN_OK;
    if (path.failed) {
        status = ti_fail_nomem(err, "grid", strlen(share), "a path");
    } else if (access(path.data, F_OK) == 0) {
        status = ti_grid_load(out, path.data, err);
    } else {
        status = ti_grid_builtin(out, err);
    }
    ti_buf_free(&path);
    return status;
}

/* The first line of the user's file `zone`, into zone[cap]; "" when there is none. */
static tern_status zone_of_file(char *zone, size_t cap, tern_err *err)
{
    enum { FILE_MAX = 4096 };
    char *path, *text = NULL;
    size_t len;
    tern_err ignored;
    zone[0] = '\0';
    if (ti_place_path(&path, TI_PLACE_CONFIG, "zone", &ignored) != TERN_OK) {
        return TERN_OK; /* no home: no file */
    }
    tern_status status = TERN_OK;
    if (access(path, F_OK) == 0) {
        status = ti_read_file(&text, &len, path, FILE_MAX, err);
    }
    free(path);
    if (status == TERN_OK && text) {
        snprintf(zone, cap, "%.*s", (int)strcspn(text, " \t\r\n"), text);
    }
    free(text);
    return status;
}

tern_status ti_user_zone(char *zone, size_t cap, tern_err *err)
{
    const char *said = getenv("TERN_ZONE");
    if (!said || !*said) {
        return zone_of_file(zone, cap, err);
    }
    snprintf(zone, cap, "%s", said);
    return TERN_OK;
}

static tern_status find_row(ti_grams *grams, const ti_grams_args *args, const char *zone,
                            tern_err *err)
{
    ti_basis basis;
    ti_grid_want want = {.year = args->year};
    if (args->basis) {
        if (!ti_basis_parse(&basis, args->basis, strlen(args->basis))) {
            return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                           "basis: '%.60s' is not as average/life-cycle/location", args->basis);
        }
        want.basis = &basis;
    }
    TI_TRY(ti_grams_table(&grams->grid, args, err));
    tern_status status = ti_grid_find(&grams->row, &grams->grid, zone, &want, err);
    if (status != TERN_OK) {
        ti_hint("'tern footprint zones' lists them; --grid FILE brings others");
    }
    return status;
}

tern_status ti_grams_open(ti_grams *out, const ti_grams_args *args, tern_err *err)
{
    char buffer[TI_GRID_FIELD_MAX + 1];
    const char *zone = args->zone;
    ti_grams grams = {0};
    TI_TRY(ti_pue_parse(&grams.pue_permille, args->pue, TI_PERMILLE, err));
    if (!zone || !*zone) {
        TI_TRY(ti_user_zone(buffer, sizeof buffer, err));
        zone = buffer;
    }
    if (*zone) {
        tern_status status = find_row(&grams, args, zone, err);
        if (status != TERN_OK) {
            ti_grid_free(&grams.grid);
            return status;
        }
    }
    *out = grams;
    return TERN_OK;
}

void ti_grams_close(ti_grams *grams)
{
    ti_grid_free(&grams->grid);
    *grams = (ti_grams){0};
}

tern_status ti_grams_of(ti_footprint *out, const ti_grams *grams, uint64_t energy_uj,
                        tern_err *err)
{
    TI_ASSERT(grams->row);
    return ti_footprint_of(out, energy_uj, grams->row, grams->pue_permille, err);
}

/* --- hardware -------------------------------------------------------------------------------
 */

/* Reads "4/16". */
static tern_status read_share(ti_hardware *h, const char *text, tern_err *err)
{
    const char *slash = strchr(text, '/');
    if (!slash) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET, "share: '%.40s' is not as 4/16",
                       text);
    }
    TI_TRY(ti_decimal_parse(&h->used, text, (size_t)(slash - text), 1, "share", err));
    return ti_decimal_parse(&h->all, slash + 1, strlen(slash + 1), 1, "share", err);
}

tern_status ti_embodied_of(uint64_t *embodied_ug, bool *given, const ti_embodied_args *args,
                           uint64_t time_ns, tern_err *err)
{
    const uint64_t year_ns = TI_HOURS_PER_YEAR * 3600 * TI_NS_PER_S;
    ti_hardware h = {.lifetime_ns = 4 * year_ns, .reserved_ns = time_ns, .used = 1, .all = 1};
    uint64_t ug = 0;
    if (args->hardware) {
        TI_TRY(ti_hardware_parse(&h.total_ug, args->hardware, err));
        if (args->lifetime) {
            TI_TRY(ti_decimal_parse(&h.lifetime_ns, args->lifetime, strlen(args->lifetime),
                                    year_ns, "lifetime", err));
        }
        if (args->share) {
            TI_TRY(read_share(&h, args->share, err));
        }
        if (h.lifetime_ns > LIFETIME_MAX_YEARS * year_ns) {
            return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                           "lifetime: more than %d years", LIFETIME_MAX_YEARS);
        }
        TI_TRY(ti_embodied_share(&ug, &h, err));
    } else if (args->lifetime || args->share) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                       "a lifetime or a share needs the hardware (--embodied)");
    }
    *embodied_ug = ug;
    *given = args->hardware != NULL;
    return TERN_OK;
}

/* --- scores ---------------------------------------------------------------------------------
 */

void ti_add_sci(ti_buf *out, const ti_sci *sci)
{
    const uint64_t ng_per_ug = 1000;
    char grams[TI_AMOUNT_TEXT];
    if (sci->per_unit_ng < 100 * ng_per_ug) { /* under a tenth of a milligram */
        ti_buf_addf(out, "%s ug", ti_milli_text(grams, sci->per_unit_ng));
    } else {
        ti_buf_adds(out, ti_grams_text(grams, (sci->per_unit_ng + ng_per_ug / 2) / ng_per_ug));
    }
    ti_buf_addf(out, " CO2e per %s (ISO/IEC 21031, %s hardware)", ti_per_name(sci->per.kind),
                sci->embodied_ug ? "with" : "without");
}

void ti_json_sci(ti_buf *json, const char *key, const ti_sci *sci)
{
    char basis[TI_BASIS_TEXT];
    ti_json_open(json, key, '{');
    ti_json_uint(json, "operational_ug", sci->operational_ug);
    ti_json_uint(json, "embodied_ug", sci->embodied_ug);
    ti_json_uint(json, "total_ug", sci->total_ug);
    ti_json_str(json, "per", ti_per_name(sci->per.kind));
    ti_json_uint(json, "n_milli", sci->per.n_milli);
    ti_json_uint(json, "per_unit_ng", sci->per_unit_ng);
    ti_json_str(json, "basis", ti_basis_text(basis, sci->basis));
    ti_json_close(json, '}');
}
