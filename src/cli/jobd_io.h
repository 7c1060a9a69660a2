/* SPDX-License-Identifier: Apache-2.0 */
/* cli/jobd_io.h - the daemon's hands: clock, keepers, forecasts (jobs/jobd.h). */
#ifndef TI_CLI_JOBD_IO_H
#define TI_CLI_JOBD_IO_H

#include "cli/job_plans.h"
#include "jobs/jobd.h"

typedef struct ti_jobd_hands {
    const char *dir;
    ti_job_plans plans;
    int gate;  /* the writing end of the last keeper's gate, or -1 */
    bool talk; /* say on stderr what happens */
} ti_jobd_hands;

/* Fills the table of functions for these hands. */
void ti_jobd_hands_io(ti_jobd_io *out, ti_jobd_hands *hands);

/* What is to be seen of the keeper of a job's current attempt, from the files in `dir`.  Where
 * they cannot be read now, it counts as alive: somebody looks again. */
void ti_jobd_look(const char *dir, const ti_job *job, ti_job_view *view, ti_job_run *run);

#endif
