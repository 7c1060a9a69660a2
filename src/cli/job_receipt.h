/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_receipt.h - the signed receipt of a job, and its place in a log. */
#ifndef TI_CLI_JOB_RECEIPT_H
#define TI_CLI_JOB_RECEIPT_H

#include "jobs/account.h"

/* How the file `words` in a job's directory begins; then, each with a NUL behind it, the salt
 * in hexadecimal and the words of the command. */
#define TI_JOB_WORDS "tern.job-words/1"

/* Reads such a file: the salt, and job->command, which stays in `text` (do not free it).  False
 * when it is damaged. */
bool ti_job_words_read(uint8_t salt[TI_JOB_SALT], ti_job *job, char *text, size_t len);

/* Signs what is known of a job that is over into receipt.json in its directory, once: a second
 * call takes what is there.  Appends it, once too, to the log of TERN_LOG, else to tern/log in
 * $XDG_DATA_HOME, where one of them is a log; then account->log_index says where, and
 * account->state is TI_ACCOUNT_LOGGED.  One process at a time for a queue (cli/job_count.c).
 * Errors: those of keys and logs (another process writes the log: try again), TERN_IO,
 * TERN_NOMEM. */
tern_status ti_job_receipt(ti_job_account *account, const char *queue, const ti_job *job,
                           tern_err *err);

#endif
