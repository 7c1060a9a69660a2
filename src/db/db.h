/* SPDX-License-Identifier: Apache-2.0 */
/* db/db.h - what all users of SQLite share. */
#ifndef TI_DB_DB_H
#define TI_DB_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Fails with what a code of SQLite means: TERN_NOMEM, TERN_CORRUPT (also when the file has
 * other tables than ours), else TERN_IO.  The message is "KIND 'NAME': " and SQLite's own
 * words; `db` may be NULL. */
tern_status ti_db_failed(sqlite3 *db, int code, const char *module, const char *kind,
                         const char *name, tern_err *err);

/* Makes the file of a database when it is not there, for its owner only (SQLite would make it
 * for everybody to read; what it puts beside it has the mode of this).  `kind` names it in
 * messages. Errors: TERN_IO, also for a symbolic link. */
tern_status ti_db_make_private(const char *file, const char *module, const char *kind,
                               tern_err *err);

/* Sets the journal: "WAL" or "DELETE".  While the mode of a new file changes, everybody else is
 * told that it is locked, whatever their sqlite3_busy_timeout(): it is tried again for
 * `wait_ms`. Returns SQLite's code. */
int ti_db_set_journal(sqlite3 *db, const char *mode, int wait_ms);

/* True where other machines may have the same files open (NFS, SMB, and whatever else is no
 * disk of this one): SQLite's write-ahead log needs memory that all its users share. */
bool ti_db_is_shared(const char *path);

/* The same for a type of file system, statfs(2), f_type. */
bool ti_db_is_shared_type(uint32_t type);

#endif
