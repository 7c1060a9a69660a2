/* SPDX-License-Identifier: Apache-2.0 */
/* cli/grams.h - which grid and which hardware: what commands that show grams share.
 *
 * The zone is what --zone says, else TERN_ZONE, else the file `zone` in $XDG_CONFIG_HOME/tern;
 * where none of them is there, grams are left out, never guessed. */
#ifndef TI_CLI_GRAMS_H
#define TI_CLI_GRAMS_H

#include "base/buf.h"
#include "carbon/footprint.h"
#include "carbon/sci.h"
#include "cli/opt.h"

typedef struct ti_grams_args {
    const char *zone, *grid, *basis, *pue;
    uint32_t year;
} ti_grams_args;

typedef struct ti_embodied_args {
    const char *hardware, *lifetime, *share;
} ti_embodied_args;

/* clang-format off */
#define TI_OPTS_GRAMS(S, m)                                                                    \
    {.type = TI_OPT_STR, .name = "zone", .metavar = "CODE",                                    \
     .help = "the grid that the electricity comes from, for example DE",                       \
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME; none: no grams",     \
     .offset = offsetof(S, m.zone)},                                                           \
    {.type = TI_OPT_STR, .name = "grid", .metavar = "FILE",                                    \
     .help = "a table of yearly intensities in the form of share/grid/yearly.csv",             \
     .fallback = "grid/yearly.csv below TERN_SHARE, else the one built in",                    \
     .words = TI_WORDS_FILE, .offset = offsetof(S, m.grid)},                                   \
    {.type = TI_OPT_U32, .name = "year", .metavar = "YEAR",                                    \
     .help = "the year of the table's row", .fallback = "the newest",                          \
     .min = 0, .max = TI_GRID_YEAR_MAX, .offset = offsetof(S, m.year)},                        \
    {.type = TI_OPT_STR, .name = "basis", .metavar = "BASIS",                                  \
     .help = "what the intensity counts: average|marginal, life-cycle|operational and "        \
             "location|market, with slashes between",                                          \
     .fallback = "average/life-cycle/location, or what the zone has",                          \
     .offset = offsetof(S, m.basis)},                                                          \
    {.type = TI_OPT_STR, .name = "pue", .metavar = "X",                                        \
     .help = "energy of the building for each joule of the machine",                           \
     .fallback = "1", .offset = offsetof(S, m.pue)}

#define TI_OPTS_EMBODIED(S, m)                                                                 \
    {.type = TI_OPT_STR, .name = "embodied", .metavar = "WHAT",                                \
     .help = "what making the machine emitted: '286kg', or parts as 'cpu=178,ram=16@1.25,"     \
             "ssd=512@50,board' (die in mm2, GB@GB/cm2)",                                      \
     .offset = offsetof(S, m.hardware)},                                                       \
    {.type = TI_OPT_STR, .name = "lifetime", .metavar = "YEARS",                               \
     .help = "how long it is expected to last", .fallback = "4",                               \
     .offset = offsetof(S, m.lifetime)},                                                       \
    {.type = TI_OPT_STR, .name = "share", .metavar = "N/ALL",                                  \
     .help = "how much of it was taken, for example 4/16 threads", .fallback = "all of it",    \
     .offset = offsetof(S, m.share)}
/* clang-format on */

/* A grid that was chosen. */
typedef struct ti_grams {
    ti_grid grid;
    const ti_grid_row *row; /* NULL: no zone was said, so that there are no grams */
    uint32_t pue_permille;
} ti_grams;

/* The zone of who asks: TERN_ZONE, else the first word of the file `zone` in the configuration;
 * "" when neither is there.  Into zone[cap], cut.  Errors: TERN_IO, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_user_zone(char *zone, size_t cap, tern_err *err);

/* Chooses.  Close with ti_grams_close(), also without a row.
 * Errors: TERN_USAGE (no such zone, year or basis, with near ones; a PUE that is none), those
 * of ti_grid_load(), TERN_NOMEM. */
tern_status ti_grams_open(ti_grams *out, const ti_grams_args *args, tern_err *err);

/* Zeroed is allowed. */
void ti_grams_close(ti_grams *grams);

/* Grams of an energy; there must be a row.  Errors: TERN_LIMIT. */
tern_status ti_grams_of(ti_footprint *out, const ti_grams *grams, uint64_t energy_uj,
                        tern_err *err);

/* Reads a PUE such as "1.2" into thousandths; NULL gives `fallback`.  Errors: TERN_USAGE. */
tern_status ti_pue_parse(uint32_t *pue_permille, const char *text, uint32_t fallback,
                         tern_err *err);

/* The table that `args` name.  Errors: those of ti_grid_load(). */
tern_status ti_grams_table(ti_grid *out, const ti_grams_args *args, tern_err *err);

/* What to say where grams are missing for want of a zone. */
#define TI_GRAMS_HINT \
    "--zone CODE or TERN_ZONE says which grid; 'tern footprint zones' lists them"

/* M of the hardware for a time; *given = false and 0 when none was described.  Errors: those
 * of ti_hardware_parse() and ti_embodied_share(). */
tern_status ti_embodied_of(uint64_t *embodied_ug, bool *given, const ti_embodied_args *args,
                           uint64_t time_ns, tern_err *err);

/* "8.90 ug CO2e per token (ISO/IEC 21031, with hardware)" into the buffer. */
void ti_add_sci(ti_buf *out, const ti_sci *sci);

/* Adds {operational_ug, embodied_ug, total_ug, per, n_milli, per_unit_ng, basis}. */
void ti_json_sci(ti_buf *json, const char *key, const ti_sci *sci);

#endif
