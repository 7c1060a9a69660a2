/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/batch.h - the texts that other schedulers take and give: systemd's units, Slurm's script
 * and lists, a task of Windows.  Pure functions; src/cli runs the programs. */
#ifndef TI_JOBS_BATCH_H
#define TI_JOBS_BATCH_H

#include "base/str.h"
#include "jobs/job.h"

/* What every one of them starts: tern's keeper. */
typedef struct ti_batch_keeper {
    const char *tern; /* path of the program */
    const char *dir;  /* of the queue */
    int64_t id;
} ti_batch_keeper;

/* --- systemd (systemd.unit(5), systemd.timer(5), systemd.time(7)) ---------------------------
 */

/* The .service file.  Errors: TERN_USAGE (a path with a newline), TERN_NOMEM. */
tern_status ti_systemd_service(ti_buf *out, const ti_batch_keeper *keeper, tern_err *err);

/* A word of a unit, in quotes: quotes and backslashes stand for themselves only when escaped, %
 * for other things everywhere, $ in a command (ExecStart=) only.  It must have no newline.
 * Source: systemd.syntax(7), systemd.service(5). */
void ti_systemd_word(ti_buf *out, const char *word, bool command);

/* The .service file of the daemon of the queue k->dir; `options` as " --parallel 2".
 * Errors: as above. */
tern_status ti_systemd_daemon(ti_buf *out, const ti_batch_keeper *k, const char *options,
                              tern_err *err);

/* The .timer file: at the planned start in UTC, to the second; a start that was slept through
 * is made up for (Persistent=), and the machine is woken for it if `wake` (WakeSystem=, which
 * user managers may not be allowed).  Errors: TERN_NOMEM. */
tern_status ti_systemd_timer(ti_buf *out, const ti_job *job, bool wake, tern_err *err);

/* --- Slurm (sbatch(1), squeue(1), sacct(1)) -------------------------------------------------
 */

/* The batch script.  Each restart is another attempt; each task of an array its own.
 * Errors: TERN_NOMEM. */
tern_status ti_slurm_script(ti_buf *out, const ti_batch_keeper *keeper, tern_err *err);

/* "now+7200": --begin counted from the present, so that neither the zone of the submitting
 * machine nor a change of its clock shifts it. */
void ti_slurm_begin(char out[32], int64_t start_s, int64_t now_s);

/* A job of a list: squeue -h -o '%T', or sacct -n -P -X -o State,ExitCode.  Several lines are
 * the tasks of an array. */
typedef struct ti_slurm_seen {
    size_t lines;       /* that were understood */
    ti_job_state state; /* of all together; valid with lines > 0 */
    int32_t exit_code;  /* the first that is not 0 */
} ti_slurm_seen;

/* Reads such a list: "STATE" or "STATE|CODE:SIGNAL" a line ("CANCELLED by 0" too).  Pending
 * tasks do not make a job pending that has others running.  Lines that are not understood are
 * left out. */
void ti_slurm_read(ti_slurm_seen *out, const char *text, size_t len);

/* The number that sbatch --parsable prints ("17" or "17;cluster") into out.  False for any
 * other text. */
bool ti_slurm_id(char out[TI_JOB_EXTERNAL_MAX + 1], const char *text);

/* --- Windows (Task Scheduler schema 1.2) ----------------------------------------------------
 */

/* The task in UTF-8, lines ended by CR LF: in UTC (a local time would be read in the zone and
 * format of whoever imports it), also on battery, made up for when the machine was off, waking
 * it.  Errors: TERN_USAGE (a word that is no UTF-8, or has a character that XML cannot hold),
 * TERN_NOMEM. */
tern_status ti_windows_task(ti_buf *out, const ti_job *job, tern_err *err);

/* UTF-8 to UTF-16, little-endian, with a byte order mark: what the file must be.
 * Errors: TERN_NOMEM. */
tern_status ti_windows_encode(ti_buf *out, const char *text, size_t len, tern_err *err);

#endif
