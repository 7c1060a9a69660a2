/* SPDX-License-Identifier: Apache-2.0 */
/* cli/serve_log.h - the log that `tern serve --log-dir` shows: read only, each file checked
 * against the signed root before it is sent. */
#ifndef TI_CLI_SERVE_LOG_H
#define TI_CLI_SERVE_LOG_H

#include "base/buf.h"
#include "base/err.h"

/* The log's origin in a new string, free with free(): that there is one, and that its
 * checkpoint is signed.  Errors: those of ti_log_view_open(). */
tern_status ti_serve_log_name(char **out, const char *dir, tern_err *err);

/* Appends "checkpoint", "tile/...", "vkey", or for "find/ID" the index of the entry that is the
 * receipt ID of this user, or "none", a line; searching reads all tiles at worst.
 * Errors: TERN_NO when there is no such thing, those of ti_log_view_file(). */
tern_status ti_serve_log_file(ti_buf *out, const char *dir, const char *path, tern_err *err);

#endif
