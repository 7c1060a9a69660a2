/* SPDX-License-Identifier: Apache-2.0 */
/* cli/digest.h - SHA-256 of files, as hexadecimal text. */
#ifndef TI_CLI_DIGEST_H
#define TI_CLI_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

enum { TI_SHA256_HEX = 64 };

/* True when text is 64 hexadecimal digits. */
bool ti_is_sha256(const char *text);

/* Adds the first `bytes` bytes of an open file to a digest, with a progress bar.  `path` is
 * for messages.  Errors: TERN_IO, TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_sha256_add_file(ti_sha256 *hash, int fd, uint64_t bytes, const char *path,
                               tern_err *err);

/* Writes the digest of what was added; the state can go on being used. */
void ti_sha256_hex(char hex[TI_SHA256_HEX + 1], const ti_sha256 *hash);

/* The digest of a text. */
void ti_sha256_text(char hex[TI_SHA256_HEX + 1], const char *text);

/* The digest of a whole file.  Errors: TERN_IO, TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_sha256_file(char hex[TI_SHA256_HEX + 1], const char *path, tern_err *err);

#endif
