/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_place.h - where the queue of jobs is, and its files. */
#ifndef TI_CLI_JOB_PLACE_H
#define TI_CLI_JOB_PLACE_H

#include "cli/opt.h"
#include "jobs/queue.h"
#include "jobs/status.h"

/* clang-format off */
#define TI_OPT_QUEUE(S, m)                                                                     \
    {.type = TI_OPT_STR, .name = "queue", .metavar = "DIR",                                    \
     .help = "the directory of the queue",                                                     \
     .fallback = "TERN_JOBS, else $XDG_DATA_HOME/tern/jobs", .words = TI_WORDS_FILE,           \
     .offset = offsetof(S, m)}
/* clang-format on */

/* A queue that is open, and its directory. */
typedef struct ti_job_place {
    char *dir; /* absolute */
    ti_queue *queue;
} ti_job_place;

/* The queue's directory in a new string, as realpath(3) has it; it is made if `make` is set,
 * and may else be missing.  Errors: TERN_UNAVAILABLE (no home), TERN_IO, TERN_NOMEM. */
tern_status ti_job_directory(char **out, const char *given, bool make, tern_err *err);

/* Opens the queue.  Without `make` nothing is made: where there is none it is empty.
 * Errors: those of ti_job_directory() and ti_queue_open(). */
tern_status ti_job_place_open(ti_job_place *out, const char *given, bool make, tern_err *err);

/* Zeroed is allowed. */
void ti_job_place_close(ti_job_place *place);

/* Reads the number of a job.  Errors: TERN_USAGE. */
tern_status ti_job_id(int64_t *out, const char *text, tern_err *err);

/* "mark.2", "status.2"; with the task of an array "status.2.7".  `task` may be NULL or "".  In
 * a new string, with the directory.  Errors: TERN_NOMEM. */
tern_status ti_job_file(char **out, const char *dir, int64_t id, const char *name,
                        uint32_t attempt, const char *task, tern_err *err);

/* What a keeper leaves before it starts the command. */
typedef struct ti_job_mark {
    ti_job_process
        keeper; /* pid 0: it does not say (an older one, or one torn by a power cut) */
    int64_t made_s;
} ti_job_mark;

/* Errors: TERN_NO when there is none, TERN_IO, TERN_NOMEM. */
tern_status ti_job_mark_load(ti_job_mark *out, const char *dir, int64_t id, uint32_t attempt,
                             const char *task, tern_err *err);

/* What the keeper of that attempt wrote down last.  Errors: TERN_NO when there is nothing,
 * TERN_IO, those of ti_job_status_read(). */
tern_status ti_job_status_load(ti_job_status *out, const char *dir, int64_t id,
                               uint32_t attempt, const char *task, tern_err *err);

/* What all keepers of a job wrote down together: joules and pieces of every attempt and every
 * task, by their starts; times from the first start to the last end; the rest from the newest
 * attempt, whose number goes to *attempt.  `ended` only if all tasks of that attempt have.
 * Errors: TERN_NO when there is nothing, TERN_IO, TERN_NOMEM. */
tern_status ti_job_status_sum(ti_job_status *out, const char *dir, int64_t id,
                              uint32_t *attempt, tern_err *err);

/* Removes a job's directory and the files in it.  False when something stays. */
bool ti_job_remove_files(const char *dir, int64_t id);

/* Writes a text into a file of mode 0600, whole or not at all, synced.  Errors: TERN_IO. */
tern_status ti_job_write(const char *path, const char *text, size_t len, tern_err *err);

#endif
