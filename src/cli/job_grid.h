/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_grid.h - where a job's intensities come from, kept with the job: who plans it anew or
 * counts it later is another process, with other options and another environment.
 *
 * The options of `tern submit` are in the queue (ti_job.grid, JSON).  What the environment said
 * of sources (addresses, files, keys, where the user's files are) stays in the job's spec,
 * which only its owner may read; the queue has no more of it than a digest, by which jobs that
 * would ask the same are known. */
#ifndef TI_CLI_JOB_GRID_H
#define TI_CLI_JOB_GRID_H

#include "cli/desks.h"
#include "jobs/job.h"

typedef struct ti_job_grid ti_job_grid;

/* What was read, kept: environments live as long as this.  Zeroed: nothing yet. */
typedef struct ti_job_grids {
    ti_job_grid **items; /* [n] */
    size_t n;
    char **outside; /* the environment meanwhile; NULL = nobody is in */
} ti_job_grids;

/* The settings of this process, for job->grid; paths made absolute.
 * Errors: TERN_USAGE (a text that is not UTF-8), TERN_LIMIT, TERN_NOMEM. */
tern_status ti_job_grid_make(char **out, const ti_desk_args *args, tern_err *err);

/* From here until ti_job_grid_leave() the environment is that in which the job was submitted,
 * as far as it says something of sources. args   receives the job's options, with the others
 * from `own`; lives as long as `grids` dir    of the queue first  where both say something,
 * `own` is taken A job without settings, or whose spec is not there any more, is asked for as
 * this process is. Not for two jobs at a time.  Errors: TERN_CORRUPT, TERN_NOMEM. */
tern_status ti_job_grid_enter(ti_job_grids *grids, const ti_desk_args **args, const char *dir,
                              const ti_job *job, const ti_desk_args *own, bool first,
                              tern_err *err);
void ti_job_grid_leave(ti_job_grids *grids);

/* Zeroed is allowed. */
void ti_job_grids_free(ti_job_grids *grids);

#endif
