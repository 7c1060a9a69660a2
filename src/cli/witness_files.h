/* SPDX-License-Identifier: Apache-2.0 */
/* cli/witness_files.h - what the commands of `tern witness` share. */
#ifndef TI_CLI_WITNESS_FILES_H
#define TI_CLI_WITNESS_FILES_H

#include "base/buf.h"
#include "ledger/policy.h"

/* Appends "DIR/NAME".  Errors: TERN_NOMEM. */
tern_status ti_witness_path(ti_buf *out, const char *dir, const char *name, tern_err *err);

/* Reads the public key of the witness in DIR.
 * Errors: TERN_USAGE when there is none, with a hint; TERN_IO, TERN_CORRUPT, TERN_NOMEM. */
tern_status ti_witness_vkey(ti_note_key *out, const char *dir, tern_err *err);

/* Reads the logs that it cosigns: lines "log VKEY" of a policy, for which the line of the
 * quorum may be left out.  Free with ti_policy_free().
 *   file  NULL = DIR/logs
 * Errors: those of ti_policy_load(). */
tern_status ti_witness_logs(ti_policy *out, const char *dir, const char *file, tern_err *err);

/* The same from a text; `file` is for messages. */
tern_status ti_witness_logs_read(ti_policy *out, const char *text, size_t len, const char *file,
                                 tern_err *err);

#endif
