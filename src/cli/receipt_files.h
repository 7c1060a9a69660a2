/* SPDX-License-Identifier: Apache-2.0 */
/* cli/receipt_files.h - where receipts and what belongs to them lie, and how they are written.
 */
#ifndef TI_CLI_RECEIPT_FILES_H
#define TI_CLI_RECEIPT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* "<file><suffix>" in a new string: ".private", ".trace".  Errors: TERN_NOMEM. */
tern_status ti_receipt_beside(char **out, const char *file, const char *suffix, tern_err *err);

/* "<directory>/<id>.json" in a new string.  Errors: TERN_NOMEM. */
tern_status ti_receipt_in(char **out, const char *directory, const char *id, tern_err *err);

/* The file of a receipt in the user's own directory, which is made if `make` is set.
 * Errors: TERN_NOMEM, TERN_IO and those of ti_place_path(). */
tern_status ti_receipt_kept(char **out, const char *id, bool make, tern_err *err);

/* How many receipts that directory keeps, unless TERN_RECEIPTS says another number (0 = all).
 */
enum { TI_RECEIPTS_KEPT = 10000 };

/* Removes the oldest receipts there, with what belongs to them, beyond the number to be kept;
 * never the one with the id `but`, and no file of another kind of name.  Listing takes longer
 * than writing a receipt, so it is done at one call in n / 64 on average, for n to be kept.
 * That something cannot be removed is no error. */
void ti_receipts_prune(const char *but);

/* Where a receipt is: `name` itself, or its file in that directory when it is an id.
 * Errors: TERN_NOMEM and those of ti_place_path(). */
tern_status ti_receipt_file(char **out, const char *name, tern_err *err);

/* The file of the secret key of receipts, in a directory that is made if `make` is set. */
tern_status ti_receipt_key_file(char **out, bool make, tern_err *err);

/* Writes a file anew; `secret`: mode 0600.  It is not synced.  Errors: TERN_IO. */
tern_status ti_receipt_write_file(const char *path, const char *data, size_t len, bool secret,
                                  tern_err *err);

#endif
