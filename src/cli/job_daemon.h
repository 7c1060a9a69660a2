/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_daemon.h - the daemon of a queue: whether it is there, waking it, starting it. */
#ifndef TI_CLI_JOB_DAEMON_H
#define TI_CLI_JOB_DAEMON_H

#include <sys/types.h>

#include "cli/job_place.h"

typedef struct ti_job_daemon {
    bool there; /* one serves this queue */
    char
        host[TI_JOB_HOST_MAX + 1]; /* the name of its machine, where it is another one; or "" */
    uint32_t parallel;             /* as it said; 1 when none is there */
} ti_job_daemon;

/* Who serves the queue in `dir`. */
void ti_job_daemon_look(ti_job_daemon *out, const char *dir);

/* Warns when jobs of the daemon are open and none is there.  Returns whether one is. */
bool ti_job_daemon_warn(const ti_job_place *place);

/* Writes into the lock file which process serves, and how many jobs at a time. */
tern_status ti_job_daemon_sign(int lock, uint32_t parallel, tern_err *err);

/* Makes the daemon look; false when none is there. */
bool ti_job_wake(const char *dir);

/* Starts this program anew in a session of its own, with `input` (-1: nothing) as its standard
 * input, no signal blocked, and what it says in jobd.log of the queue.
 * Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_job_spawn_self(pid_t *pid, char *const *argv, const char *dir, int input,
                              tern_err *err);

/* Starts a daemon in the background, which ends when nothing is left to do if `until_idle`.
 * Errors: TERN_UNAVAILABLE, TERN_NOMEM. */
tern_status ti_job_start_daemon(const char *dir, bool until_idle, tern_err *err);

#endif
