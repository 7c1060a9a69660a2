/* SPDX-License-Identifier: Apache-2.0 */
/* device/settings.h - what a detector is set to, and how values of a file become its readings.
 *
 * A reading is a whole number: the value of the file times `scale`, rounded. */
#ifndef TI_DEVICE_SETTINGS_H
#define TI_DEVICE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "device/csv.h"
#include "tern_edge.h"

/* The first rows of a file that tell its interval and the size of its values. */
enum { TI_SETTINGS_ROWS = 64 };

/* Values times this are readings: from a millionth to a million. */
#define TI_SCALE_MIN 1e-6
#define TI_SCALE_MAX 1e6

typedef struct ti_settings {
    struct tern_edge_config config;
    double scale;
} ti_settings;

/* What is taken unasked: any reading that fits, deviations of ten units, adapt 4, hourly
 * readings and what ti_settings_times() makes of that; scale 1. */
void ti_settings_default(ti_settings *out);

/* What follows from interval_s: one false alarm a month, two weeks to warm up, a day to an
 * event and for readings that stay the same; cut to what the detector takes. */
void ti_settings_times(struct tern_edge_config *config);

/* Bits of what ti_settings_look() found. */
enum { TI_SETTINGS_INTERVAL = 1, TI_SETTINGS_SCALE = 2 };

/* Sets interval_s to the difference that occurs most among the rows, and scale to what
 * ti_settings_scale() says of the largest value; then ti_settings_times().  What the rows do
 * not tell stays; returned is what they told. */
uint32_t ti_settings_look(ti_settings *settings, const ti_csv_row *rows, size_t n);

/* The power of ten that brings a size to 1,000 .. 9,999; size > 0. */
double ti_settings_scale(double size);

/* The reading of a row: TERN_EDGE_MISSING where there is none; values too large for a detector
 * are cut to +-(2^31 - 1), which it calls saturated. */
int32_t ti_reading_of(const ti_csv_row *row, double scale);

/* The time of a row as a detector takes it. */
uint32_t ti_reading_time(const ti_csv_row *row);

/* The words of the bits of a result's status, in the order of their bits: "missing",
 * "saturated", "negative", "out-of-order", "frozen", "gap", "warming-up", "alarm"; NULL past
 * the last one. */
const char *ti_status_word(size_t bit);

/* Appends "YYYY-MM-DDThh:mm:ss" of a clock, with its offset where it is known. */
void ti_when_text(ti_buf *out, const ti_when *when);

#endif
