/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_count.h - grams of jobs that are over, and their receipts. */
#ifndef TI_CLI_JOB_COUNT_H
#define TI_CLI_JOB_COUNT_H

#include "cli/job_grid.h"
#include "cli/job_place.h"

/* What happened on a grid is known hours later; after so long nobody waits for it any more. */
enum { TI_COUNT_PATIENCE_S = 26 * 3600 };

/* Who counts. */
typedef struct ti_job_counter {
    ti_job_place *place;
    const ti_desk_args *desk; /* what a job does not say of its sources; */
    bool own_first;           /* or what is taken instead of what it says */
    int64_t after;            /* the job up to which it came */
    ti_job_grids grids;
} ti_job_counter;

/* Counts the jobs that are over and not counted yet, as far as their grids' past is known by
 * now, and signs and logs their receipts.  What fails is warned about and tried again later.
 *   budget_s  ends when that took so long; 0 = when all are done
 * Returns whether there is more to be done: call it again. */
bool ti_job_count_all(ti_job_counter *counter, int64_t now_s, int64_t budget_s);

/* Zeroed is allowed. */
void ti_job_counter_free(ti_job_counter *counter);

/* What is known of a job's grams now: job->account when it is final; else, into *out, what the
 * forecast said, with `expected` set.  False when nothing is known. */
bool ti_job_account_now(ti_job_account *out, const ti_job *job);

#endif
