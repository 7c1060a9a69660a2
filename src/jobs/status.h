/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/status.h - what a keeper writes down while its job runs and when it has ended: JSON of
 * schema tern.job-status/1, replaced as a whole (docs/formats/jobs.md). */
#ifndef TI_JOBS_STATUS_H
#define TI_JOBS_STATUS_H

#include "jobs/job.h"

enum { TI_STATUS_MAX = 1 << 24, TI_PIECES_MAX = 1 << 16 };

/* A piece of the run between two looks at the meter. */
typedef struct ti_job_piece {
    int64_t start_ms, end_ms; /* since 1970 */
    uint64_t energy_uj, idle_uj;
} ti_job_piece;

typedef struct ti_job_status {
    ti_job_process keeper, command; /* command.pid is its process group too; 0 = not started */
    bool suspended, ended;
    int64_t since_ms;     /* when the piece that is under way began; 0 = none is */
    ti_job_run run;       /* up to there */
    ti_job_piece *pieces; /* [n_pieces], owned; ascending and apart */
    size_t n_pieces, pieces_cap;
} ti_job_status;

/* Zeroed is allowed. */
void ti_job_status_free(ti_job_status *status);

/* Adds a piece; beyond TI_PIECES_MAX the last one is made longer.  Errors: TERN_NOMEM. */
tern_status ti_job_status_add(ti_job_status *status, const ti_job_piece *piece, tern_err *err);

/* Appends the document.  Errors: TERN_NOMEM. */
tern_status ti_job_status_write(ti_buf *out, const ti_job_status *status, tern_err *err);

/* Reads one.  Errors: TERN_CORRUPT with the offset, TERN_NOMEM. */
tern_status ti_job_status_read(ti_job_status *out, const char *text, size_t len, tern_err *err);

#endif
