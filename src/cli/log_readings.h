/* SPDX-License-Identifier: Apache-2.0 */
/* cli/log_readings.h - signed readings before they are appended to a log. */
#ifndef TI_CLI_LOG_READINGS_H
#define TI_CLI_LOG_READINGS_H

#include "base/err.h"
#include "ledger/reading.h"

/* Checks that every record of the files is signed by that key (a public key, or a file with
 * one), that they follow each other, and that the first follows the last one of this device in
 * the log, of which all entries are read.  Errors: TERN_NO for a signature or a number that is
 * wrong, TERN_CORRUPT for another length, those of the log and of ti_key_public(). */
tern_status ti_log_readings_check(const char *dir, const char *key, char **files, int n,
                                  tern_err *err);

#endif
