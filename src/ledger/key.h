/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/key.h - the key that receipts are signed with, in a file.
 *
 * Keys have the text forms of ledger/note.h, so that one format serves receipts and logs. */
#ifndef TI_LEDGER_KEY_H
#define TI_LEDGER_KEY_H

#include <stdbool.h>

#include "ledger/note.h"

/* Reads a secret key from a file; wipe it with ti_note_signer_wipe().  Errors: TERN_IO;
 * TERN_CORRUPT; TERN_USAGE when others than its owner may read the file. */
tern_status ti_key_load(ti_note_signer *out, const char *path, tern_err *err);

/* The same; when there is no such file, makes a key called `name`, writes it (mode 0600, whole
 * or not at all, never over another one) and its public key to `path` with ".pub" added.  Two
 * processes that do this at once end with the same key.  The directory must exist.
 *   made  receives whether the key is new
 * Errors: those of ti_key_load(), TERN_NOMEM. */
tern_status ti_key_load_or_make(ti_note_signer *out, const char *path, const char *name,
                                bool *made, tern_err *err);

/* Reads a public key: `text` is one, or the name of a file that has one ('+' tells which).
 * Errors: TERN_IO, TERN_CORRUPT, TERN_UNSUPPORTED, TERN_NOMEM. */
tern_status ti_key_public(ti_note_key *out, const char *text, tern_err *err);

#endif
