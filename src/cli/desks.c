/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/desks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"
#include "cli/grams.h"
#include "cli/models.h"
#include "cli/out.h"
#include "cli/places.h"

/* What settings are called in the environment, by kind. */
static const struct {
    const char *source, *url, *key, *user, *password;
} variables[] = {
    {"neso", "TERN_NESO_URL", NULL, NULL, NULL},
    {"electricitymaps", "TERN_ELECTRICITYMAPS_URL", "TERN_ELECTRICITYMAPS_KEY", NULL, NULL},
    {"watttime", "TERN_WATTTIME_URL", NULL, "TERN_WATTTIME_USER", "TERN_WATTTIME_PASSWORD"},
    {"entsoe", "TERN_ENTSOE_URL", "TERN_ENTSOE_KEY", NULL, NULL},
    {"carbon-aware-sdk", "TERN_CARBON_AWARE_SDK_URL", NULL, NULL, NULL},
};

static const char *get(const ti_keys *keys, const char *name)
{
    return name ? ti_keys_get(keys, name) : NULL;
}

void ti_desk_settings(ti_source_settings *out, const ti_source_kind *kind,
                      const ti_desk_args *args, const ti_keys *keys, const ti_grid *grid,
                      const ti_basis *basis)
{
    *out = (ti_source_settings){.column = args->column, .basis = basis, .grid = grid};
    if (!kind->network) {
        out->file = args->file ? args->file : get(keys, "TERN_GRID_FILE");
    }
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        if (strcmp(variables[i].source, kind->name) == 0) {
            out->url = get(keys, variables[i].url);
            out->key = get(keys, variables[i].key);
            out->user = get(keys, variables[i].user);
            out->password = get(keys, variables[i].password);
        }
    }
}

tern_status ti_desk_clock(int64_t *now_s, const ti_desk_args *args, tern_err *err)
{
    if (!args->at) {
        *now_s = (int64_t)time(NULL);
        return TERN_OK;
    }
    if (!ti_stamp_parse(now_s, args->at, strlen(args->at))) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                       "at: '%.40s' is not as 2026-01-31T12:00Z", args->at);
    }
    return TERN_OK;
}

const char *ti_location_zone(const char *item, size_t *name_len)
{
    *name_len = strcspn(item, "=");
    return item[*name_len] ? item + *name_len + 1 : item;
}

/* "neso:GB" is both. */
static const char *split(const char *zone, const ti_source_kind **kind)
{
    char name[32];
    const char *colon = strchr(zone, ':');
    if (colon && (size_t)(colon - zone) < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)(colon - zone), zone);
        const ti_source_kind *found = ti_source_kind_find(name);
        if (found) {
            *kind = found;
            return colon + 1;
        }
    }
    return zone;
}

/* --basis holds for every source, and one that has another says so; that of the environment
 * only for those that do not say theirs. */
static const ti_basis *basis_for(const ti_source_kind *kind, const ti_desk_args *args,
                                 const ti_basis *basis)
{
    return args->basis || kind->basis_declared ? basis : NULL;
}

/* True when a source of that kind could be asked about the zone. */
static bool is_ready(const ti_open_desk *d, const ti_desk_args *args,
                     const ti_source_kind *kind, const ti_basis *basis)
{
    ti_source source;
    ti_source_settings settings;
    ti_desk_settings(&settings, kind, args, &d->keys, &d->grid, basis_for(kind, args, basis));
    if (ti_source_open(&source, kind->name, &settings, NULL, NULL) != TERN_OK) {
        return false;
    }
    bool ready = ti_source_ready(&source, d->zone, NULL) == TERN_OK;
    ti_source_close(&source);
    return ready;
}

static tern_status choose(const ti_source_kind **kind, const ti_open_desk *d,
                          const ti_desk_args *args, const ti_basis *basis, tern_err *err)
{
    static const char *const order[] = {"file", "neso", "electricitymaps", "entsoe", "yearly"};
    const char *said = args->source ? args->source : ti_keys_get(&d->keys, "TERN_GRID_SOURCE");
    if (*kind) {
        return TERN_OK;
    }
    if (said) {
        *kind = ti_source_kind_find(said);
        return *kind ? TERN_OK
                     : ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                               "there is no source '%.40s'", said);
    }
    if (args->file) { /* whoever names a file means it: what it lacks is then said */
        *kind = &ti_source_file;
        return TERN_OK;
    }
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const ti_source_kind *candidate = ti_source_kind_find(order[i]);
        if (is_ready(d, args, candidate, basis)) {
            *kind = candidate;
            return TERN_OK;
        }
    }
    ti_hint("'tern grid sources' says what each needs");
    return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                   "no source that is set up knows the zone '%.40s'", d->zone);
}

static tern_status read_basis(ti_open_desk *d, const ti_desk_args *args, const ti_basis **basis,
                              tern_err *err)
{
    const char *said = args->basis ? args->basis : ti_keys_get(&d->keys, "TERN_GRID_BASIS");
    *basis = NULL;
    if (said) {
        if (!ti_basis_parse(&d->basis, said, strlen(said))) {
            return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                           "basis: '%.60s' is not as average/life-cycle/location", said);
        }
        *basis = &d->basis;
    }
    return TERN_OK;
}

/* Where the user's zone can be said once and for all. */
static void say_where_zones_go(void)
{
    char *path;
    tern_err ignored;
    if (ti_place_path(&path, TI_PLACE_CONFIG, "zone", &ignored) != TERN_OK) {
        ti_hint("TERN_ZONE says it for all commands; 'tern grid zones' lists codes");
        return;
    }
    ti_hint("'tern grid zones WORD' finds its code; a line in '%s' says it for all commands",
            path);
    free(path);
}

static tern_status read_zone(ti_open_desk *d, const char *zone, const ti_source_kind **kind,
                             tern_err *err)
{
    char user[TI_ZONE_MAX * 2];
    if (!zone) {
        TI_TRY(ti_user_zone(user, sizeof user, err));
        zone = user;
    }
    if (!*zone) {
        say_where_zones_go();
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                       "in which zone is this machine? (--zone DE)");
    }
    zone = split(zone, kind);
    if (strlen(zone) > TI_ZONE_MAX) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET, "'%.40s' is no name of a zone",
                       zone);
    }
    snprintf(d->zone, sizeof d->zone, "%s", zone);
    return TERN_OK;
}

/* The directory of the cache; a machine without one is asked each time. */
static void find_cache(ti_open_desk *d)
{
    tern_err err;
    char *dir;
    if (ti_cache_path(&dir, "grid", &err) != TERN_OK) {
        return;
    }
    if (ti_make_private_directory(dir, &err) != TERN_OK) {
        ti_warn("nothing is kept: %s", err.message);
        free(dir);
        return;
    }
    d->cache_dir = dir;
}

static tern_status open_parts(ti_open_desk *d, const ti_desk_args *args, const char *zone,
                              tern_err *err)
{
    const ti_source_kind *kind = NULL;
    const ti_basis *basis;
    ti_source_settings settings;
    ti_grams_args table = {.grid = args->grid};
    TI_TRY(ti_keys_open(&d->keys, err));
    TI_TRY(ti_desk_clock(&d->desk.now_s, args, err));
    TI_TRY(read_basis(d, args, &basis, err));
    TI_TRY(ti_grams_table(&d->grid, &table, err));
    TI_TRY(read_zone(d, zone, &kind, err));
    TI_TRY(choose(&kind, d, args, basis, err));
    if (kind->network && !args->offline) {
        TI_TRY(ti_client_open(&d->client, err));
        d->client.retries = args->retries;
        d->client.timeout_s = args->timeout_s;
        d->http = (ti_http){.get = ti_client_get, .self = &d->client};
    }
    ti_desk_settings(&settings, kind, args, &d->keys, &d->grid, basis_for(kind, args, basis));
    TI_TRY(ti_source_open(&d->source, kind->name, &settings, &d->http, err));
    if (kind->network) {
        find_cache(d);
    }
    return TERN_OK;
}

tern_status ti_desk_open(ti_open_desk *out, const ti_desk_args *args, const char *zone,
                         tern_err *err)
{
    memset(out, 0, sizeof *out);
    tern_status status = open_parts(out, args, zone, err);
    if (status != TERN_OK) {
        ti_desk_close(out);
        return status;
    }
    out->desk.source = &out->source;
    out->desk.cache_dir = out->cache_dir;
    out->desk.grid = &out->grid;
    out->desk.offline = args->offline;
    out->desk.refresh = args->refresh;
    return TERN_OK;
}

void ti_desk_close(ti_open_desk *d)
{
    if (d->desk.trouble.status != TERN_OK) {
        ti_warn("grid cache: %s", d->desk.trouble.message);
    }
    ti_source_close(&d->source);
    ti_client_close(&d->client);
    ti_grid_free(&d->grid);
    ti_keys_close(&d->keys);
    free(d->cache_dir);
    memset(d, 0, sizeof *d);
}
