/* SPDX-License-Identifier: Apache-2.0 */
/* cli/keeper.h - the process that runs one job: it starts the command, measures it, stops and
 * continues it, and writes down how it ended.  Whoever started it may die meanwhile.
 *
 *     SIGTSTP  suspends the command's process group       SIGCONT  continues it
 *              (it goes on by itself when its deadline says so)
 *     SIGTERM, SIGINT, SIGHUP  end it; after ten seconds with SIGKILL
 *
 * An end that cannot be written down is tried again every ten seconds, and at a SIGCONT, until
 * it can be or one of the last three comes. */
#ifndef TI_CLI_KEEPER_H
#define TI_CLI_KEEPER_H

#include "base/err.h"
#include "cli/metering.h"

typedef struct ti_keeper_ask {
    const char *dir; /* of the queue */
    int64_t id;
    uint32_t attempt;
    const char *task;              /* of an array, or "" */
    bool gate;                     /* begin only when a byte comes on standard input */
    int64_t deadline_s, longest_s; /* when it goes on by itself; 0 = only when it is told */
    const ti_metering_args *metering;
} ti_keeper_ask;

/* Runs the job; returns when it has ended, with its exit code in *exit_code.
 * Errors: TERN_NO when this attempt was begun before (nothing was done); TERN_CANCELLED when
 * the gate was closed; TERN_IO, TERN_CORRUPT, TERN_NOMEM. */
tern_status ti_keeper_run(int *exit_code, const ti_keeper_ask *ask, tern_err *err);

#endif
