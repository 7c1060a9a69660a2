/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/queue_parts.h - what queue.c and queue_rows.c share. */
#ifndef TI_JOBS_QUEUE_PARTS_H
#define TI_JOBS_QUEUE_PARTS_H

#include <sqlite3.h>

#include "jobs/queue.h"

struct ti_queue {
    sqlite3 *db;
    sqlite3_stmt *plan; /* of ti_queue_plan(), kept: a whole queue is planned at once */
    const char *name;   /* for messages */
    char *file;         /* owned */
    bool shared;
};

/* The columns of a job in the order of ti_row_read() and ti_row_bind(); the first is id. */
extern const char ti_row_columns[];
enum { TI_ROW_COLUMNS = 48 };

/* Reads a row into a zeroed job.  Errors: TERN_NOMEM. */
tern_status ti_row_read(ti_job *out, sqlite3_stmt *row, tern_err *err);

/* Binds all columns but the id, ?2 and on. */
void ti_row_bind(sqlite3_stmt *s, const ti_job *job);

/* From SQLite's code to ours. */
tern_status ti_queue_failed(const ti_queue *queue, int code, tern_err *err);

#endif
