/* SPDX-License-Identifier: Apache-2.0 */
/* cli/desks.h - from options and environment to a carbon/desk.h: what all commands that ask for
 * intensities share.
 *
 * A zone is as its source calls it.  "SOURCE:ZONE" names both.  Without a source it is the
 * first that knows the zone and has what it needs: the file of TERN_GRID_FILE, NESO for GB,
 * Electricity Maps, ENTSO-E, the yearly table.  The cache is the directory grid in the cache
 * (TERN_CACHE). */
#ifndef TI_CLI_DESKS_H
#define TI_CLI_DESKS_H

#include "base/buf.h"
#include "carbon/desk.h"
#include "cli/http.h"
#include "cli/keys.h"
#include "cli/opt.h"

typedef struct ti_desk_args {
    const char *source, *file, *column, *basis, *grid, *at;
    bool offline, refresh;
    uint32_t retries, timeout_s;
} ti_desk_args;

#define TI_SOURCE_NAMES \
    "neso|electricitymaps|watttime|entsoe|carbon-aware-sdk|file|co2js|yearly"

/* clang-format off */
#define TI_OPT_SOURCE(S, m)                                                                    \
    {.type = TI_OPT_STR, .name = "source", .metavar = "NAME",                                  \
     .help = "who is asked; 'tern grid sources' explains them",                                \
     .fallback = "TERN_GRID_SOURCE, else the first that knows the zone",                       \
     .choices = TI_SOURCE_NAMES, .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.source)}

#define TI_OPTS_DESK(S, m)                                                                     \
    TI_OPT_SOURCE(S, m),                                                                       \
    {.type = TI_OPT_STR, .name = "file", .metavar = "FILE",                                    \
     .help = "the file of the sources 'file' and 'co2js'", .fallback = "TERN_GRID_FILE",       \
     .words = TI_WORDS_FILE, .offset = offsetof(S, m.file)},                                   \
    {.type = TI_OPT_STR, .name = "column", .metavar = "NAME",                                  \
     .help = "the column of a table that holds g/kWh",                                         \
     .fallback = "the first that is called after intensity", .offset = offsetof(S, m.column)}, \
    {.type = TI_OPT_STR, .name = "basis", .metavar = "BASIS",                                  \
     .help = "what the figures count, where the source does not say it or has several",        \
     .fallback = "TERN_GRID_BASIS, else the source's", .offset = offsetof(S, m.basis)},        \
    {.type = TI_OPT_STR, .name = "grid", .metavar = "FILE",                                    \
     .help = "a table of yearly intensities in the form of share/grid/yearly.csv",             \
     .fallback = "grid/yearly.csv below TERN_SHARE, else the one built in",                    \
     .words = TI_WORDS_FILE, .offset = offsetof(S, m.grid)},                                   \
    {.type = TI_OPT_FLAG, .name = "offline",                                                   \
     .help = "ask nobody: what is kept, and tables", .offset = offsetof(S, m.offline)},        \
    {.type = TI_OPT_FLAG, .name = "refresh",                                                   \
     .help = "ask also when what is kept is fresh", .offset = offsetof(S, m.refresh)},         \
    {.type = TI_OPT_U32, .name = "retries", .metavar = "N",                                    \
     .help = "how often to ask again when a service does not answer", .max = 10,               \
     .offset = offsetof(S, m.retries)},                                                        \
    {.type = TI_OPT_U32, .name = "timeout", .metavar = "SECONDS",                              \
     .help = "how long a service may take for an answer", .min = 1, .max = 600,                \
     .offset = offsetof(S, m.timeout_s)},                                                      \
    {.type = TI_OPT_STR, .name = "at", .metavar = "MOMENT",                                    \
     .help = "take this for now (2026-01-31T12:00Z); for files of the past",                   \
     .fallback = "the clock", .offset = offsetof(S, m.at)}
/* clang-format on */

/* Where parsing starts. */
#define TI_DESK_DEFAULTS                                               \
    {                                                                  \
        .retries = TI_CLIENT_RETRIES, .timeout_s = TI_CLIENT_TIMEOUT_S \
    }

/* A desk and all that it stands on.  Not to be copied. */
typedef struct ti_open_desk {
    ti_desk desk;
    ti_source source;
    ti_client client;
    ti_http http;
    ti_grid grid;
    ti_keys keys;
    ti_basis basis;
    char *cache_dir;
    char zone[TI_ZONE_MAX + 1];
} ti_open_desk;

/* The zone of a location that is said as "NAME=ZONE" or "ZONE", and how long its name is (the
 * zone's own in the second form).  Points into `item`. */
const char *ti_location_zone(const char *item, size_t *name_len);

/* Opens one for `zone` ("ZONE" or "SOURCE:ZONE"; NULL = the user's).  Close it also when only
 * the zone was wrong.  Errors: TERN_USAGE (no zone, no such source or basis, a moment), those
 * of ti_keys_open() and ti_grams_table(), TERN_NOMEM. */
tern_status ti_desk_open(ti_open_desk *out, const ti_desk_args *args, const char *zone,
                         tern_err *err);

/* Zeroed is allowed.  Warns once when the cache could not be used. */
void ti_desk_close(ti_open_desk *desk);

/* Makes the settings of one kind from arguments and environment. */
void ti_desk_settings(ti_source_settings *out, const ti_source_kind *kind,
                      const ti_desk_args *args, const ti_keys *keys, const ti_grid *grid,
                      const ti_basis *basis);

/* The clock, or what --at says.  Errors: TERN_USAGE. */
tern_status ti_desk_clock(int64_t *now_s, const ti_desk_args *args, tern_err *err);

#endif
