/* SPDX-License-Identifier: Apache-2.0 */
/* base/file.h - files: mapped to read, written whole or not at all. */
#ifndef TI_BASE_FILE_H
#define TI_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* A file mapped read-only. */
typedef struct ti_map {
    const uint8_t *data; /* NULL for an empty file */
    uint64_t size;
    int fd; /* kept open, so that a shrunk file can be noticed */
} ti_map;

/* Maps a regular file.  Errors: TERN_IO; TERN_UNSUPPORTED for a directory or a device. */
tern_status ti_map_open(ti_map *out, const char *path, tern_err *err);

/* Unmaps.  A zeroed or closed map is allowed. */
void ti_map_close(ti_map *map);

/* Fails with TERN_IO when the file is now shorter than what was mapped: reading past its new
 * end would raise SIGBUS.  Called before a mapping is read for a long time. */
tern_status ti_map_check(const ti_map *map, const char *path, tern_err *err);

/* What tells whether a file has changed. */
typedef struct ti_file_state {
    uint64_t device, inode, bytes;
    int64_t modified_ns, changed_ns;
} ti_file_state;

/* Looks at a file.  Errors: TERN_IO. */
tern_status ti_file_look(ti_file_state *out, const char *path, tern_err *err);

/* True when nothing has changed. */
bool ti_file_same(const ti_file_state *a, const ti_file_state *b);

/* A file that appears under its name only when it is complete: it is written beside `path`,
 * synced, and renamed.  Abandoned, it leaves nothing. */
typedef struct ti_out {
    FILE *stream; /* write here */
    char *path, *temporary;
} ti_out;

/* Starts writing.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_out_open(ti_out *out, const char *path, tern_err *err);

/* Syncs and renames; on failure removes the temporary file.  Errors: TERN_IO. */
tern_status ti_out_commit(ti_out *out, tern_err *err);

/* Removes the temporary file.  A zeroed, committed or abandoned ti_out is allowed. */
void ti_out_abandon(ti_out *out);

/* Syncs the directory that `path` is in, without which a name that was made, moved or removed
 * there may not survive a power cut; a file system that cannot is not an error.  Cuts `path` to
 * its directory, also on failure (so nothing is allocated).  Errors: TERN_IO. */
tern_status ti_sync_entry(char *path, tern_err *err);

/* The same where nothing relies on it: the file is whole either way. */
void ti_sync_directory(char *path);

/* Reads a whole file of at most `limit` bytes into *data (with a NUL after its *size bytes);
 * free with free().  Errors: TERN_IO, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_read_file(char **data, size_t *size, const char *path, size_t limit,
                         tern_err *err);

#endif
