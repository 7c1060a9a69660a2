/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_via.h - jobs that somebody else starts: systemd's timers, Slurm, Windows. */
#ifndef TI_CLI_JOB_VIA_H
#define TI_CLI_JOB_VIA_H

#include "cli/desks.h"
#include "cli/job_place.h"

typedef enum ti_submit_via {
    TI_SUBMIT_JOBD = 0,
    TI_SUBMIT_SYSTEMD,
    TI_SUBMIT_SLURM,
    TI_SUBMIT_WINDOWS
} ti_submit_via;

/* Options of `tern submit`. */
typedef struct ti_submit_args {
    const char *length, *by, *from, *zone, *name, *min_slice, *array, *dependency, *queue;
    ti_opt_list sbatch;
    uint32_t via; /* ti_submit_via */
    bool interruptible, restartable, skip_late, shell, no_daemon, json;
    ti_desk_args desk;
} ti_submit_args;

/* Hands a job that is in the queue over, and notes under which name.  When that fails it is
 * taken out of the queue again.  Errors: TERN_UNAVAILABLE with what was said, TERN_IO,
 * TERN_NOMEM. */
tern_status ti_via_submit(ti_job_place *place, ti_job *job, const ti_submit_args *args,
                          tern_err *err);

/* Takes a job back that was handed over.  Errors: as above. */
tern_status ti_via_cancel(ti_job_place *place, const ti_job *job, tern_err *err);

/* Takes away what was left with systemd for a job that is over; nothing for others. */
void ti_via_forget(const ti_job_place *place, const ti_job *job);

/* Reads back what became of all jobs that were handed over.  What fails is warned about. */
void ti_via_refresh(ti_job_place *place);

/* Prints the task for Windows' scheduler.  Errors: TERN_USAGE (a command that is no text),
 * TERN_NOMEM. */
tern_status ti_via_windows(const ti_job *job, tern_err *err);

#endif
