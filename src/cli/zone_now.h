/* SPDX-License-Identifier: Apache-2.0 */
/* cli/zone_now.h - how clean a grid is in one hour, and the catalogue of providers: what `tern
 * providers` and `tern route` share. */
#ifndef TI_CLI_ZONE_NOW_H
#define TI_CLI_ZONE_NOW_H

#include "carbon/basis.h"
#include "carbon/feed.h"
#include "carbon/providers.h"
#include "cli/desks.h"

typedef struct ti_zone_now {
    char zone[TI_ZONE_MAX + 1];
    bool known;
    ti_intensity intensity;
    ti_how how;
    uint32_t year;                /* of a yearly mean, else 0 */
    char source[TI_ZONE_MAX + 1]; /* who says it */
    char why[200];                /* why it is not known */
} ti_zone_now;

typedef struct ti_zone_ask {
    const ti_desk_args *desk;
    int64_t now_s, hour_s; /* the hour that begins at hour_s */
} ti_zone_ask;

/* Looks into zeroed *z.  A grid of which nothing can be learnt is one that is not known.
 * Errors: TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_zone_look(ti_zone_now *z, const char *zone, const ti_zone_ask *ask,
                         tern_err *err);

/* "FR, 56.0 g/kWh, mean of 2023"; z NULL: "grid unknown". */
void ti_add_zone(ti_buf *out, const ti_zone_now *z);

/* The catalogue in that file; NULL: providers.json below TERN_SHARE, else the one built in.
 * Errors: those of ti_providers_load(). */
tern_status ti_catalogue_open(ti_providers *out, const char *path, tern_err *err);

#endif
