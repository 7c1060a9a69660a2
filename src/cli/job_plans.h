/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_plans.h - planners for jobs: what desks say of their zones, by the sources that each
 * was submitted with, kept for a while. */
#ifndef TI_CLI_JOB_PLANS_H
#define TI_CLI_JOB_PLANS_H

#include "cli/job_grid.h"

enum { TI_JOB_ZONES_MAX = 64, TI_JOB_FRESH_S = 600 };

typedef struct ti_job_zone ti_job_zone;

typedef struct ti_job_plans {
    const ti_desk_args *args; /* what a job itself does not say */
    const char *dir;          /* of the queue */
    ti_job_grids grids;
    ti_job_zone *zones[TI_JOB_ZONES_MAX];
    size_t n;
} ti_job_plans;

/* A planner for what comes in a job's zone until its deadline, at most 14 days ahead, and whose
 * word it is.  Both live until the next call.  Asked again after TI_JOB_FRESH_S.
 * Errors: TERN_UNAVAILABLE (no zone, nothing known), those of desks, TERN_NOMEM. */
tern_status ti_job_planner(ti_job_plans *plans, const ti_job *job, ti_planner **out,
                           const char **source, tern_err *err);

/* Frees everything.  Zeroed is allowed. */
void ti_job_plans_free(ti_job_plans *plans);

#endif
