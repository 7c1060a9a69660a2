/* SPDX-License-Identifier: Apache-2.0 */
/* cli/spawn.h - runs another program in the foreground, as a shell does, and says what it took.
 */
#ifndef TI_CLI_SPAWN_H
#define TI_CLI_SPAWN_H

#include <stdint.h>

#include "base/err.h"

typedef struct ti_spawned {
    int exit_code;   /* its own; 128 + signal when a signal ended it */
    int signal;      /* that ended it, or 0 */
    uint64_t cpu_ns; /* user and system time, of its descendants that it waited for too */
} ti_spawned;

/* Runs argv[0] (looked for in PATH) with its arguments, which NULL ends, and waits.  Meanwhile
 * the keyboard's signals are the program's alone, and SIGTERM and SIGHUP are passed on to it.
 * Errors: TERN_UNAVAILABLE when it cannot be run; then out->exit_code is 127 (not found) or
 * 126, and nothing else is set. */
tern_status ti_spawn(ti_spawned *out, char *const *argv, tern_err *err);

#endif
