/* SPDX-License-Identifier: Apache-2.0 */
/* cli/process.h - who a process is: its number, when it started, and in which boot.  A number
 * alone is given to somebody else later. */
#ifndef TI_CLI_PROCESS_H
#define TI_CLI_PROCESS_H

#include <stdbool.h>

#include "jobs/job.h"

/* The identity of a process of this machine.  False when there is none of that number (one that
 * ended and was not waited for is still there). */
bool ti_process_look(ti_job_process *out, int64_t pid);

/* True while that very process runs (not when it has ended and only its number is still taken).
 */
bool ti_process_lives(const ti_job_process *process);

/* Sends it a signal.  False when it is not there any more. */
bool ti_process_signal(const ti_job_process *process, int number);

#endif
