/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_count.h - grams of jobs that are over, and their receipts. */
#ifndef TI_CLI_JOB_COUNT_H
#define TI_CLI_JOB_COUNT_H

#include "cli/desks.h"
#include "cli/job_place.h"

/* What happened on a grid is known hours later; after so long nobody waits for it any more. */
enum { TI_COUNT_PATIENCE_S = 26 * 3600 };

/* Counts all jobs that are over and not counted yet, as far as their grids' past is known by
 * now, and signs and logs their receipts.  What fails is warned about and tried again later. */
void ti_job_count_all(ti_job_place *place, const ti_desk_args *desk, int64_t now_s);

/* What is known of a job's grams now: job->account when it is final; else, into *out, what the
 * forecast said, with `expected` set.  False when nothing is known. */
bool ti_job_account_now(ti_job_account *out, const ti_job *job);

#endif
