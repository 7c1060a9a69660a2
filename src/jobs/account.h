/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/account.h - grams of a run at the hours when it really ran, what running at once would
 * have cost, and the statement that a receipt of a job signs. */
#ifndef TI_JOBS_ACCOUNT_H
#define TI_JOBS_ACCOUNT_H

#include "jobs/status.h"

/* The type of the predicate; another version is another type.  A name, not an address. */
#define TI_JOB_PREDICATE "urn:tern:job:v1"

/* Counts by a series of what happened (or of what is expected, then the caller says so).  Each
 * piece's joules are counted with the mean intensity while it ran; `now` are the same joules,
 * spread evenly over as long a run at once (at job->earliest_s).  False, with *out untouched,
 * when the series does not cover both.  Sums are exact, rounded once. */
bool ti_job_count(ti_job_account *out, const ti_job *job, const ti_job_piece *pieces, size_t n,
                  const ti_series *series);

/* Micrograms of an energy at an intensity, rounded half up; UINT64_MAX when it does not fit. */
uint64_t ti_job_grams(uint64_t energy_uj, uint32_t intensity_mg_kwh);

/* What the job wrote: the statement's subject. */
typedef struct ti_job_output {
    char name[32];   /* "stdout"; "SHA256SUMS" over those of an array's tasks */
    char sha256[65]; /* hexadecimal */
} ti_job_output;

/* Appends the in-toto statement of a job that is over (docs/formats/jobs.md).
 *   id  of the receipt
 * Errors: TERN_NOMEM. */
tern_status ti_job_statement(ti_buf *out, const ti_job *job, const char *id,
                             const char *tern_version, const ti_job_output *output,
                             tern_err *err);

#endif
