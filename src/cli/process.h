/* SPDX-License-Identifier: Apache-2.0 */
/* cli/process.h - who a process is: its number, when it started, in which boot, and on which
 * machine.  A number alone is given to somebody else later; and a home may be shared. */
#ifndef TI_CLI_PROCESS_H
#define TI_CLI_PROCESS_H

#include <stdbool.h>

#include "jobs/job.h"

/* The identity of a process of this machine.  False when there is none of that number (one that
 * ended and was not waited for is still there). */
bool ti_process_look(ti_job_process *out, int64_t pid);

/* False when it is of another machine, where nobody can look from here. */
bool ti_process_is_here(const ti_job_process *process);

enum { TI_PROCESS_TEXT = 200 };

/* As a line of text. */
void ti_process_write(char out[TI_PROCESS_TEXT], const ti_job_process *process);

/* Back from such a line; false for any other text. */
bool ti_process_read(ti_job_process *out, const char *line);

/* "NAME" of "NAME/MACHINE-ID", into out; returns out. */
const char *ti_process_host(char out[TI_JOB_HOST_MAX + 1], const ti_job_process *process);

/* True while that very process runs (not when it has ended and only its number is still taken).
 */
bool ti_process_lives(const ti_job_process *process);

/* Sends it a signal.  False when it is not there any more. */
bool ti_process_signal(const ti_job_process *process, int number);

#endif
