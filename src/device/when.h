/* SPDX-License-Identifier: Apache-2.0 */
/* device/when.h - moments as exports of meters spell them.
 *
 * A detector wants the time that the clock on the wall shows, because habits follow it; so a
 * moment is that, and how far it is from UTC where the text says so. */
#ifndef TI_DEVICE_WHEN_H
#define TI_DEVICE_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which of 7/2/2010 is the month.  With points (2.7.2010) it is always the second. */
typedef enum ti_dates { TI_DATES_UNKNOWN = 0, TI_DATES_DMY, TI_DATES_MDY } ti_dates;

typedef struct ti_when {
    int64_t shown_s;  /* seconds from 1970-01-01 0:00 on the clock that wrote it */
    int32_t offset_s; /* of that clock from UTC */
    bool has_offset;  /* false: the text does not say */
} ti_when;

typedef enum ti_when_found {
    TI_WHEN_NONE = 0, /* no moment */
    TI_WHEN_OK,
    TI_WHEN_AMBIGUOUS, /* day or month first: it was not said */
} ti_when_found;

/* Reads a moment: ISO 8601 (2010-07-02T00:15:00, a blank for T, seconds and clock optional,
 * Z, +02:00, +0200, +02), the same with '/' or all digits (20100702001500), 2.7.2010 0:15:00,
 * 7/2/10 0:15 with the order of `dates` (of two digits 70 to 99 are 19..), seconds or
 * milliseconds since 1970 (9 or 10, and 13 digits; a fraction allowed), which are UTC.
 * From 1970 to 2105; *out is untouched unless TI_WHEN_OK is returned. */
ti_when_found ti_when_parse(ti_when *out, const char *text, size_t len, ti_dates dates);

#endif
