/* SPDX-License-Identifier: Apache-2.0 */
/* energy/calibration.h - the file that keeps the two readings of `tern meter calibrate`.
 *
 * One JSON object, schema tern.calibration/1, with all members: schema, cpu, threads, idle_uw,
 * full_uw, covers (names of what the readings hold), evidence, meter, time_s.  It is replaced
 * whole, and refused whole: a number that somebody cannot rely on is worse than none. */
#ifndef TI_ENERGY_CALIBRATION_H
#define TI_ENERGY_CALIBRATION_H

#include "base/buf.h"
#include "energy/power_model.h"

/* More than any one machine draws: what is above it is a slip of the hand. */
#define TI_CALIBRATION_MAX_UW UINT64_C(100000000000)

/* Reads a text.  Errors: TERN_CORRUPT (with offset), TERN_UNSUPPORTED (another version),
 * TERN_NOMEM. */
tern_status ti_calibration_parse(ti_calibration *out, const char *text, size_t len,
                                 tern_err *err);

/* Reads the file.  Errors: also TERN_UNAVAILABLE when it is not there, TERN_IO, TERN_LIMIT. */
tern_status ti_calibration_load(ti_calibration *out, const char *path, tern_err *err);

/* Writes the text, with a newline. */
void ti_calibration_print(ti_buf *out, const ti_calibration *calibration);

/* Replaces the file, whose directory must be there.  Errors: TERN_USAGE when the readings make
 * no sense (idle not under full, or above the limit), TERN_IO, TERN_NOMEM. */
tern_status ti_calibration_store(const ti_calibration *calibration, const char *path,
                                 tern_err *err);

/* Names of the bits TI_COVERS_...: "package", "dram", "gpu", "platform", "psu"; NULL past the
 * last one.  Bit i has name i. */
const char *ti_covers_name(unsigned bit);

/* Adds them as an array of strings. */
void ti_json_covers(ti_buf *json, const char *key, uint32_t covers);

#endif
