/* SPDX-License-Identifier: Apache-2.0 */
/* convert/dir.h - files of a model's directory. */
#ifndef TI_CONVERT_DIR_H
#define TI_CONVERT_DIR_H

#include <stdbool.h>

#include "base/err.h"
#include "base/jval.h"
#include "base/mem.h"

/* Joins a directory and a name; NULL when there is no memory. */
char *ti_dir_path(ti_arena *arena, const char *dir, ti_str name);

/* Tells whether there is something with that name in a directory, and its path.
 * Errors: TERN_NOMEM. */
tern_status ti_dir_find(char **path, bool *there, ti_arena *arena, const char *dir,
                        const char *name, tern_err *err);

/* The path of something beside `path` (in the same directory).  Errors: TERN_NOMEM. */
tern_status ti_dir_find_beside(char **found, bool *there, ti_arena *arena, const char *path,
                               const char *name, tern_err *err);

/* Reads a file of at most `limit` bytes into the arena, with a NUL after them.
 * Errors: TERN_IO, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_dir_read(ti_str *out, ti_arena *arena, const char *path, size_t limit,
                        tern_err *err);

/* Reads and parses a JSON file.  Errors: those of ti_dir_read() and ti_jval_parse(). */
tern_status ti_dir_read_json(ti_jval *out, ti_arena *arena, const char *path, size_t limit,
                             const char *module, tern_err *err);

#endif
