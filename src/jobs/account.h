/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/account.h - grams of a run at the hours when it really ran, what running at once would
 * have cost, and the statement that a receipt of a job signs. */
#ifndef TI_JOBS_ACCOUNT_H
#define TI_JOBS_ACCOUNT_H

#include "base/sha256.h"
#include "jobs/status.h"

/* The type of the predicate; another version is another type.  A name, not an address. */
#define TI_JOB_PREDICATE "urn:tern:job:v2"

/* Counts by a series of what happened (or of what is expected, then the caller says so).  Each
 * piece's joules are counted with the mean intensity while it ran; `now` are the same pieces,
 * moved so that the first begins at job->earliest_s and none waits for another.  False, with
 * *out untouched, when the series does not cover both.  Sums are exact, rounded once.
 *   pieces  [n], by their starts; those of several tasks may overlap */
bool ti_job_count(ti_job_account *out, const ti_job *job, const ti_job_piece *pieces, size_t n,
                  const ti_series *series);

/* Micrograms of an energy at an intensity, rounded half up; UINT64_MAX when it does not fit. */
uint64_t ti_job_grams(uint64_t energy_uj, uint32_t intensity_mg_kwh);

/* What the job wrote: the statement's subject. */
typedef struct ti_job_output {
    char name[32];   /* "stdout"; "SHA256SUMS" over those of an array's tasks */
    char sha256[65]; /* hexadecimal */
} ti_job_output;

enum { TI_JOB_SALT = 32 };

/* What the command was, for who has its words and the salt: in a log the words themselves, with
 * whatever stands in them, would be everybody's.  Hexadecimal
 * SHA-256("tern.command/1" || salt || words, each with a NUL behind it). */
void ti_job_commit(char hex[2 * TI_SHA256_BYTES + 1], const uint8_t salt[TI_JOB_SALT],
                   const ti_job *job);

/* Appends the in-toto statement of a job that is over (docs/formats/jobs.md).
 *   id          of the receipt
 *   commitment  of ti_job_commit()
 * Errors: TERN_NOMEM. */
tern_status ti_job_statement(ti_buf *out, const ti_job *job, const char *id,
                             const char *tern_version, const ti_job_output *output,
                             const char *commitment, tern_err *err);

#endif
