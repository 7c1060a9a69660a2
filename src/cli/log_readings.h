/* SPDX-License-Identifier: Apache-2.0 */
/* cli/log_readings.h - signed readings before they are appended to a log. */
#ifndef TI_CLI_LOG_READINGS_H
#define TI_CLI_LOG_READINGS_H

#include "base/buf.h"
#include "base/err.h"
#include "ledger/reading.h"

/* Checks that every record of the files is signed by that key (a public key, or a file with
 * one), that they follow each other, and that they follow the last one of this device in the
 * log, of which all entries are read.  A file may begin with records that the log has: those
 * are left out if the log's last one is among them, and something follows it.  `out` receives
 * the records to append, TI_READING_BYTES each: what was checked, whatever becomes of the
 * files. Errors: TERN_NO for a signature or a number that is wrong, TERN_CORRUPT for another
 * length, TERN_NOMEM, those of the log and of ti_key_public(). */
tern_status ti_log_readings_check(ti_buf *out, const char *dir, const char *key, char **files,
                                  int n, tern_err *err);

#endif
