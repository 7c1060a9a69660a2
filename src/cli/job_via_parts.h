/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_via_parts.h - inside of cli/job_via.h: the parts for systemd and for Slurm, and what
 * both read of keepers. */
#ifndef TI_CLI_JOB_VIA_PARTS_H
#define TI_CLI_JOB_VIA_PARTS_H

#include "cli/job_via.h"

/* Looks at what keepers wrote: for arrays at every task, for restarted jobs at every attempt.
 * True when all that began have ended; then, or when some have begun, job->run, keeper and
 * attempt are theirs. */
bool ti_via_read_runs(const ti_job_place *place, ti_job *job);

/* Stores that state, and what keepers wrote, where either is news.  What fails is warned
 * about. */
void ti_via_note_state(ti_job_place *place, ti_job *job, ti_job_state state);

/* Hand a job over, with job->external as its name there; take it back; read back what became
 * of it.  Errors: TERN_UNAVAILABLE with what was said, TERN_IO, TERN_NOMEM. */
tern_status ti_via_systemd_submit(const ti_job_place *place, ti_job *job, tern_err *err);
tern_status ti_via_systemd_cancel(const ti_job_place *place, const ti_job *job, tern_err *err);
void ti_via_systemd_refresh(ti_job_place *place, ti_job *job);
tern_status ti_via_slurm_submit(const ti_job_place *place, ti_job *job,
                                const ti_submit_args *args, tern_err *err);
tern_status ti_via_slurm_cancel(const ti_job_place *place, const ti_job *job, tern_err *err);
void ti_via_slurm_refresh(ti_job_place *place, ti_job *job);

/* Of a job that is over: files alone would leave a link, and a timer in systemd's memory. */
void ti_via_systemd_forget(const ti_job_place *place, const ti_job *job);

#endif
