/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/zone_now.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carbon/stamp.h"
#include "cli/grid_show.h"

static void look(ti_zone_now *z, const ti_feed *feed, int64_t hour_s)
{
    uint32_t mg;
    if (!ti_series_mean(&mg, &feed->series, hour_s, hour_s + TI_HOUR_S)) {
        snprintf(z->why, sizeof z->why, "nothing is known of that hour");
        return;
    }
    z->known = true;
    z->intensity = (ti_intensity){.intensity_mg_kwh = mg, .basis = feed->series.basis};
    z->how = feed->how;
    z->year = feed->year;
    snprintf(z->source, sizeof z->source, "%s", feed->series.source);
}

/* Only memory and the user's Ctrl-C end the command. */
tern_status ti_zone_look(ti_zone_now *z, const char *zone, const ti_zone_ask *ask,
                         tern_err *err)
{
    ti_open_desk d;
    ti_feed feed;
    tern_err why = {0};
    snprintf(z->zone, sizeof z->zone, "%s", zone);
    tern_status status = ti_desk_open(&d, ask->desk, zone, &why);
    if (status == TERN_OK) {
        snprintf(z->zone, sizeof z->zone, "%s", d.zone);
        d.desk.now_s = ask->now_s;
        status = ti_desk_forecast(&feed, NULL, &d.desk, d.zone, ask->hour_s + TI_HOUR_S, &why);
        if (status == TERN_OK) {
            look(z, &feed, ask->hour_s);
            ti_feed_free(&feed);
        }
        ti_desk_close(&d);
    }
    if (status == TERN_NOMEM || status == TERN_CANCELLED) {
        *err = why;
        return status;
    }
    if (status != TERN_OK) {
        snprintf(z->why, sizeof z->why, "%.190s", why.message);
    }
    return TERN_OK;
}

void ti_add_zone(ti_buf *out, const ti_zone_now *z)
{
    char grams[TI_GRAMS_TEXT];
    if (!z) {
        ti_buf_adds(out, "grid unknown");
    } else if (!z->known) {
        ti_buf_addf(out, "%s, of which nothing is known", z->zone);
    } else if (z->how == TI_HOW_YEARLY) {
        ti_buf_addf(out, "%s, %s, mean of %u", z->zone,
                    ti_show_grams(grams, (uint32_t)z->intensity.intensity_mg_kwh),
                    (unsigned)z->year);
    } else {
        ti_buf_addf(out, "%s, %s, %s", z->zone,
                    ti_show_grams(grams, (uint32_t)z->intensity.intensity_mg_kwh), z->source);
    }
}

tern_status ti_catalogue_open(ti_providers *out, const char *path, tern_err *err)
{
    const char *share = getenv("TERN_SHARE");
    ti_buf below = {0};
    if (path) {
        return ti_providers_load(out, path, err);
    }
    if (share && *share) {
        ti_buf_addf(&below, "%s/providers.json", share);
    }
    bool there = below.data && access(below.data, F_OK) == 0;
    tern_status status = below.failed ? ti_fail_nomem(err, "providers", strlen(share), "a path")
                         : there      ? ti_providers_load(out, below.data, err)
                                      : ti_providers_builtin(out, err);
    ti_buf_free(&below);
    return status;
}
