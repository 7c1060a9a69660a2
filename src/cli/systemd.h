/* SPDX-License-Identifier: Apache-2.0 */
/* cli/systemd.h - units of the user's own systemd: their files, and systemctl. */
#ifndef TI_CLI_SYSTEMD_H
#define TI_CLI_SYSTEMD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "jobs/job.h"

/* What a job's units are called: "tern-job-7" in the user's queue, "tern-job-1a2b3c4d-7" in one
 * elsewhere (the beginning of its path's SHA-256), because each queue counts from 1. */
void ti_systemd_job_name(char out[TI_JOB_EXTERNAL_MAX + 1], const char *queue, int64_t id);

/* Writes NAME SUFFIX into systemd/user of $XDG_CONFIG_HOME, whole.  Errors: TERN_UNAVAILABLE
 * (no home), TERN_IO, TERN_NOMEM. */
tern_status ti_systemd_write(const char *name, const char *suffix, const ti_buf *text,
                             tern_err *err);

/* Whether it is there. */
bool ti_systemd_has(const char *name, const char *suffix);

/* Removes NAME.timer and NAME.service. */
void ti_systemd_remove(const char *name);

/* systemctl --user WHAT NAME SUFFIX; "enable" and "disable" start and stop it too.  NAME may be
 * "".  Errors: those of ti_call(). */
tern_status ti_systemctl(const char *what, const char *name, const char *suffix, bool must,
                         tern_err *err);

/* Writes a service, and has the user's systemd run it now and from each login on; or not any
 * more, and removes it.  On failure of the first nothing is left.
 * Errors: TERN_UNAVAILABLE with what systemctl said, TERN_NO (there is none to be removed),
 * TERN_IO, TERN_NOMEM. */
tern_status ti_systemd_put(const char *name, const ti_buf *unit, tern_err *err);
tern_status ti_systemd_take_away(const char *name, tern_err *err);

/* Has the user's systemd run `tern jobd` for a queue, now and from each login on; or not any
 * more.  On failure nothing is left.
 *   options  for the daemon, "" or as " --parallel 2"
 * Errors: TERN_UNAVAILABLE with what systemctl said, TERN_USAGE (a path with a newline),
 * TERN_NO (there is none to be removed), TERN_IO, TERN_NOMEM. */
tern_status ti_systemd_install(const char *queue, const char *options, tern_err *err);
tern_status ti_systemd_uninstall(const char *queue, tern_err *err);

#endif
