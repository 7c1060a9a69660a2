/* SPDX-License-Identifier: Apache-2.0 */
/* cli/model_digest.h - SHA-256 of model files, computed once.
 *
 * A model of 800 MB takes half a second to hash, with the CPU's instructions for it, and three
 * without; a receipt must not cost that each time.  <cache>/digests remembers the digest of a
 * file by its path, device, inode, size and times of modification and change.  Who can write
 * there can make receipts lie; so can who can write the model. */
#ifndef TI_CLI_MODEL_DIGEST_H
#define TI_CLI_MODEL_DIGEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

/* What tells whether a file has changed. */
typedef struct ti_file_state {
    uint64_t device, inode, bytes;
    int64_t modified_ns, changed_ns;
} ti_file_state;

/* Looks at a file.  Errors: TERN_IO. */
tern_status ti_file_look(ti_file_state *out, const char *path, tern_err *err);

/* True when nothing has changed. */
bool ti_file_same(const ti_file_state *a, const ti_file_state *b);

/* The digest of a whole file, from the cache or else computed, with a progress bar.
 *   state  receives what the file was like; it was so before and after the reading
 * That the cache cannot be read or written is no error.
 * Errors: TERN_IO, also when the file changes meanwhile; TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_model_digest(uint8_t digest[32], ti_file_state *state, const char *path,
                            tern_err *err);

#endif
