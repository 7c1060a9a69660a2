/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_away.h - jobs that run on another machine: when they were heard of last, and giving
 * up those whose machine does not come back.
 *
 * What runs elsewhere cannot be seen from here, and is never judged (jobs/step.h): a machine
 * that is away for a week may come back with its job done.  So only its owner can say that it
 * does not. */
#ifndef TI_CLI_JOB_AWAY_H
#define TI_CLI_JOB_AWAY_H

#include "cli/job_place.h"

enum {
    /* A keeper that runs its command writes every five minutes (cli/keeper.c): silence begins
     * behind the third time. */
    TI_AWAY_QUIET_S = 900
};

typedef struct ti_job_away {
    char host[TI_JOB_HOST_MAX + 1];
    int64_t heard_s; /* when its keeper wrote last; 0 = it never did */
} ti_job_away;

/* True for a job whose keeper is on another machine.  Not for those of Slurm, which is asked
 * about its machines. */
bool ti_job_away_look(ti_job_away *out, const char *dir, const ti_job *job);

/* Gives such a job up: it is interrupted, for good, with what its keeper had written down.  A
 * keeper that lives after all writes on, and nobody reads it.
 * Errors: TERN_NO (it is over, has not begun, runs here, is Slurm's, or was heard of a moment
 * ago), TERN_UNAVAILABLE (others changed it meanwhile), TERN_IO, TERN_NOMEM. */
tern_status ti_job_give_up(ti_job_place *place, ti_job *job, tern_err *err);

#endif
