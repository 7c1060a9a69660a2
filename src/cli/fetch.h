/* SPDX-License-Identifier: Apache-2.0 */
/* cli/fetch.h - downloading a large file so that what has its name is whole and right.
 *
 * While it arrives it is FILE.part, locked against a second download, and FILE.part.from says
 * which version of which address it is:
 *   line 1  SHA-256 of the address (an address may hold a secret)
 *   line 2  the server's strong entity tag, or empty
 * A later attempt continues where the first stopped, if the server still offers the same
 * version (Range with If-Range); else it starts over.  The digest is computed while the bytes
 * pass; a wrong one removes everything. */
#ifndef TI_CLI_FETCH_H
#define TI_CLI_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/digest.h"

enum { TI_FETCH_URL_MAX = 4096 };

typedef struct ti_fetch_opts {
    const char *url;     /* http or https */
    const char *path;    /* where the file shall be; its directory exists */
    const char *sha256;  /* expected digest, 64 hexadecimal digits, or NULL */
    uint64_t bytes;      /* expected size, or 0 */
    uint64_t limit;      /* refuse more than this many bytes */
    uint32_t retries;    /* how often to try again when the connection fails */
    uint32_t timeout_s;  /* give up when nothing arrives for so long, and on connecting */
    const char *ca_file; /* certificates to trust instead of the system's, or NULL */
} ti_fetch_opts;

typedef struct ti_fetch_result {
    uint64_t bytes;                 /* of the file */
    uint64_t resumed;               /* of those, how many an earlier attempt had brought */
    char sha256[TI_SHA256_HEX + 1]; /* of the file */
} ti_fetch_result;

/* Downloads.  Shows a progress bar.  Sets hints.
 * Errors: TERN_USAGE (address), TERN_UNAVAILABLE (no such host, refused, 4xx, certificate not
 * trusted; another download of the same file runs), TERN_CORRUPT (digest or size differ),
 * TERN_LIMIT, TERN_IO (disk, or the connection broke: what arrived is kept), TERN_CANCELLED. */
tern_status ti_fetch(ti_fetch_result *out, const ti_fetch_opts *opts, tern_err *err);

/* Copies an address without what might be secret in it (user, query, fragment) into out[cap];
 * returns out. */
const char *ti_url_public(char *out, size_t cap, const char *url);

#endif
