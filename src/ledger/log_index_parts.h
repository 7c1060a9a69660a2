/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/log_index_parts.h - what log_index.c and log_index_db.c share: the table. */
#ifndef TI_LEDGER_LOG_INDEX_PARTS_H
#define TI_LEDGER_LOG_INDEX_PARTS_H

#include <sqlite3.h>

#include "ledger/log_index.h"

/* An open database.  Zeroed = none. */
typedef struct ti_index_db {
    sqlite3 *db;
    sqlite3_stmt *insert;
    const char *name; /* for messages */
} ti_index_db;

/* Opens a file of mode 0600 (made when `make` is set), or, when it is NULL, memory.
 * Errors: TERN_IO, TERN_NOMEM, TERN_CORRUPT when it is no database. */
tern_status ti_index_db_open(ti_index_db *out, const char *file, bool make, tern_err *err);

/* A zeroed one is allowed. */
void ti_index_db_close(ti_index_db *db);

/* Makes the table.  Errors: as above. */
tern_status ti_index_db_create(ti_index_db *db, tern_err *err);

/* What is written between these is there as a whole, and fast. */
tern_status ti_index_db_begin(ti_index_db *db, tern_err *err);
tern_status ti_index_db_commit(ti_index_db *db, tern_err *err);

/* Adds a receipt.  Errors: as above. */
tern_status ti_index_db_add(ti_index_db *db, uint64_t index, const ti_receipt *receipt,
                            tern_err *err);

/* How many there are. */
tern_status ti_index_db_count(ti_index_db *db, uint64_t *out, tern_err *err);

/* The indexes of those that match, ascending; free *out with free(). */
tern_status ti_index_db_select(ti_index_db *db, const ti_log_query *query, uint64_t **out,
                               size_t *n, tern_err *err);

#endif
