/* SPDX-License-Identifier: Apache-2.0 */
/* cli/grid_show.h - a feed of intensities as text and as JSON: what `tern grid` prints. */
#ifndef TI_CLI_GRID_SHOW_H
#define TI_CLI_GRID_SHOW_H

#include <stdbool.h>

#include "base/buf.h"
#include "carbon/feed.h"
#include "carbon/skill.h"

enum { TI_GRAMS_TEXT = 24 };

/* "152 g/kWh", "38.5 g/kWh" under 100. */
const char *ti_show_grams(char out[TI_GRAMS_TEXT], uint32_t mg);

/* "3 min", "5 h", "2 days". */
void ti_show_age(ti_buf *out, int64_t age_s);

/* Lines "basis", "from" and, where there is one, "why". */
void ti_show_origin(ti_buf *out, const ti_feed *feed, int64_t now_s);

/* A line "error": how far forecasts were off, or that it is not known yet. */
void ti_show_skill(ti_buf *out, const ti_skill *skill);

/* Adds {zone, source, basis, how, why, place, licence, obtained, issued, year, estimated, none,
 * refused, slots: [{start, end, kind, intensity_mg_kwh, error_mg_kwh}]}. */
void ti_json_feed(ti_buf *json, const char *key, const ti_feed *feed);

/* Adds {pairs, forecasts, bias_mg_kwh, mae_mg_kwh, p50.., leads: [...]}. */
void ti_json_skill(ti_buf *json, const char *key, const ti_skill *skill);

/* Begins {"schema":"tern.grid/1","kind":KIND,"now":...; the caller closes it. */
void ti_json_grid(ti_buf *json, const char *kind, int64_t now_s);

#endif
