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

#include "base/file.h"

/* The digest of a whole file, from the cache or else computed, with a progress bar.
 *   state  receives what the file was like; it was so before and after the reading
 * That the cache cannot be read or written is no error.
 * Errors: TERN_IO, also when the file changes meanwhile; TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_model_digest(uint8_t digest[32], ti_file_state *state, const char *path,
                            tern_err *err);

#endif
