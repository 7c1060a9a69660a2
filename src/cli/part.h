/* SPDX-License-Identifier: Apache-2.0 */
/* cli/part.h - a file that grows until it is whole: lock, digest, disk, and where it is from.
 * For cli/fetch.c, whose header says what lies on the disk. */
#ifndef TI_CLI_PART_H
#define TI_CLI_PART_H

#include "cli/digest.h"
#include "cli/fetch.h"

enum { TI_TAG_MAX = 256 }; /* longer entity tags are not kept: then there is no resuming */

typedef struct ti_part {
    char *path, *part_path, *from_path;
    int fd;
    bool locked;      /* it is ours */
    uint64_t size;    /* bytes that are in it and in `hash` */
    uint64_t resumed; /* of those, how many were there when it was opened */
    ti_sha256 hash;
    char tag[TI_TAG_MAX]; /* strong entity tag of what is in it, or "" */
    char url_hex[TI_SHA256_HEX + 1];
} ti_part;

/* Opens and locks what an earlier attempt left, and hashes it if it can be continued: with a
 * tag the server can tell whether it still has that version; without one only an expected
 * digest can.  Else empties it.  ti_part_close() is due also after a failure.
 * Errors: TERN_UNAVAILABLE when somebody else has it, TERN_IO, TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_part_open(ti_part *part, const ti_fetch_opts *opts, tern_err *err);

/* Empties it: nothing of what is there can be used.  Errors: TERN_IO. */
tern_status ti_part_restart(ti_part *part, tern_err *err);

/* Remembers which version is about to arrive; "" = the server does not say.
 * Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_part_set_tag(ti_part *part, const char *tag, tern_err *err);

/* Refuses with TERN_IO, before the first byte, what the disk cannot hold. */
tern_status ti_part_check_space(const ti_part *part, uint64_t more, tern_err *err);

/* Appends.  Errors: TERN_IO. */
tern_status ti_part_write(ti_part *part, const char *data, size_t len, tern_err *err);

/* Checks size and digest, syncs, and gives the file its name.  What is wrong is removed.
 * Errors: TERN_CORRUPT, TERN_IO. */
tern_status ti_part_finish(ti_part *part, const ti_fetch_opts *opts,
                           char hex[TI_SHA256_HEX + 1], tern_err *err);

/* Removes what is there, if it is ours. */
void ti_part_discard(ti_part *part);

/* Closes it; what arrived stays for the next attempt, nothing stays when nothing did. */
void ti_part_close(ti_part *part);

#endif
