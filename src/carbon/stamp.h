/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/stamp.h - moments as the providers of intensities write them.
 *
 * Inside, a moment is whole seconds since 1970-01-01T00:00:00Z.  Everything is UTC: no time
 * zone of the machine is ever asked, so that a clock change on it moves nothing. */
#ifndef TI_CARBON_STAMP_H
#define TI_CARBON_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TI_STAMP_TEXT = 32, TI_HOUR_S = 3600, TI_DAY_S = 86400 };

/* The moments that can be written: 1970-01-01 to 2199-12-31. */
#define TI_STAMP_MAX_S INT64_C(7258118399)

/* Reads a moment of ISO 8601: date, then 'T' or a blank and hh:mm[:ss[.fraction]], then Z,
 * +hh:mm, +hhmm, +hh or nothing; without a time it is midnight, without an offset UTC (which is
 * what the published traces mean).  A fraction of a second is dropped.  False for anything
 * else, a day that the month does not have included; *time_s is then untouched. */
bool ti_stamp_parse(int64_t *time_s, const char *text, size_t len);

/* Write "2018-01-20T12:00:00Z", "2018-01-20T12:00Z", "201801201200" (ENTSO-E),
 * "2018-01-20T12:00:00+00:00" (.NET, WattTime) into out; return out.  A moment outside the
 * range is taken as its nearest end. */
const char *ti_stamp_text(char out[TI_STAMP_TEXT], int64_t time_s);
const char *ti_stamp_minutes(char out[TI_STAMP_TEXT], int64_t time_s);
const char *ti_stamp_compact(char out[TI_STAMP_TEXT], int64_t time_s);
const char *ti_stamp_offset(char out[TI_STAMP_TEXT], int64_t time_s);

/* Reads a length of time as .NET and ISO 8601 write it: "01:00" and "00:05:00" (hours first),
 * "1.00:00:00" (a day before it), "PT15M", "PT60M", "PT1H", "P1D".  False for anything else,
 * for nothing at all, and above 366 days. */
bool ti_span_parse(uint32_t *span_s, const char *text, size_t len);

/* Writes "00:05:00" or "1.00:00:00" into out; returns out. */
const char *ti_span_text(char out[TI_STAMP_TEXT], uint32_t span_s);

/* Rounds down to a multiple of `step_s` (> 0). */
int64_t ti_stamp_floor(int64_t time_s, int64_t step_s);

#endif
