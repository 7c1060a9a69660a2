/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/queue.h - the queue: a directory that only its owner may enter.
 *
 *     DIR/queue.db         SQLite, every change synced before it counts
 *     DIR/ID/              of one job: spec, mark.N, status.N, out, err
 *     DIR/jobd.lock        held by the daemon while it lives
 *     DIR/wake             a FIFO: a byte makes the daemon look
 *
 * Any number of processes of the owner may use it at once.  Changes of state are conditional on
 * the state and attempt that they were decided from: who comes second changes nothing and is
 * told so. */
#ifndef TI_JOBS_QUEUE_H
#define TI_JOBS_QUEUE_H

#include "jobs/job.h"
#include "jobs/places.h"

typedef struct ti_queue ti_queue;

typedef struct ti_jobs {
    ti_job *items; /* [n] */
    size_t n;
} ti_jobs;

/* Zeroed is allowed. */
void ti_jobs_free(ti_jobs *jobs);

/* Which jobs. */
typedef enum ti_which {
    TI_JOBS_ALL = 0,
    TI_JOBS_OPEN,      /* not over */
    TI_JOBS_ACTIVE,    /* begun by jobd and not over */
    TI_JOBS_EXTERNAL,  /* somebody else's, not over */
    TI_JOBS_OWN,       /* jobd's, not over */
    TI_JOBS_DUE,       /* jobd's, waiting, and at `now_s` to be started or given up: its moment
                        * has come, or the clock is odd */
    TI_JOBS_UNPLANNED, /* jobd's, waiting, without a plan */
    TI_JOBS_WAITING,   /* jobd's, waiting or planned */
    TI_JOBS_UNCOUNTED  /* over, their grams or receipts not settled yet */
} ti_which;

/* Opens the queue in a directory, which must exist; makes what is not there.  A directory that
 * others may enter is refused, not changed.  NULL: in memory, for tests.
 * Errors: TERN_USAGE (it is another user's, or others may enter), TERN_UNSUPPORTED (of a newer
 * version), TERN_CORRUPT, TERN_IO, TERN_NOMEM. */
tern_status ti_queue_open(ti_queue **out, const char *dir, tern_err *err);

/* True when other machines may use it too: where they change it, nobody here is woken. */
bool ti_queue_is_shared(const ti_queue *queue);

/* NULL is allowed. */
void ti_queue_close(ti_queue *queue);

/* "DIR/ID/below", "DIR/ID" for "", "DIR/below" for id 0, in a new string.  Errors: TERN_NOMEM.
 */
tern_status ti_queue_path(char **out, const char *dir, int64_t id, const char *below,
                          tern_err *err);

/* Adds a job and sets its id.  `prepare` (NULL allowed) makes what belongs to it on the disk;
 * the job is in the queue only when that succeeded.  Errors: its, TERN_IO, TERN_NOMEM. */
tern_status ti_queue_add(ti_queue *queue, ti_job *job,
                         tern_status (*prepare)(void *user, const ti_job *job, tern_err *err),
                         void *user, tern_err *err);

/* One job; free with ti_job_free().  Errors: TERN_NO when there is none, TERN_IO, TERN_NOMEM.
 */
tern_status ti_queue_get(ti_queue *queue, ti_job *out, int64_t id, tern_err *err);

/* At most `max` jobs with ids after `after` (0 at first), ascending; those that are due
 * or unplanned come with the most urgent first, whatever their id.  Free with ti_jobs_free().
 * Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_queue_list(ti_queue *queue, ti_jobs *out, ti_which which, int64_t now_s,
                          int64_t after, size_t max, tern_err *err);

/* How many there are. */
tern_status ti_queue_count(ti_queue *queue, uint64_t *out, ti_which which, int64_t now_s,
                           tern_err *err);

/* The earliest moment after now_s at which a waiting job of jobd wants to be looked at, or
 * INT64_MAX. */
tern_status ti_queue_wake(ti_queue *queue, int64_t *wake_s, int64_t now_s, tern_err *err);

/* Takes the places of jobd's jobs: those that run until they are expected to end, those that
 * wait and are in one piece as planned (not if `running` is set). */
tern_status ti_queue_places(ti_queue *queue, ti_places *places, int64_t now_s, bool running,
                            tern_err *err);

/* What is changed between these is there as a whole.  A failure of anything between needs
 * ti_queue_rollback(). */
tern_status ti_queue_begin(ti_queue *queue, tern_err *err);
tern_status ti_queue_commit(ti_queue *queue, tern_err *err);
void ti_queue_rollback(ti_queue *queue);

/* The changes below are of a job as it was read: they happen if its state and attempt still are
 * those, and then are true for *job too; else *done = false and nothing happens. */

/* It begins: running, in its next attempt, under that keeper.  Not when it was cancelled. */
tern_status ti_queue_claim(ti_queue *queue, bool *done, ti_job *job,
                           const ti_job_process *keeper, tern_err *err);

/* Its state becomes `state`; with its `run`, `external` and `keeper`, as *job has them. */
tern_status ti_queue_move(ti_queue *queue, bool *done, ti_job *job, ti_job_state state,
                          tern_err *err);

/* The same for a job that others run: it was read in attempt `was`, and is in job->attempt now.
 */
tern_status ti_queue_follow(ti_queue *queue, bool *done, ti_job *job, ti_job_state state,
                            uint32_t was, tern_err *err);

/* job->plan is stored; a waiting job is then planned. */
tern_status ti_queue_plan(ti_queue *queue, bool *done, ti_job *job, tern_err *err);

/* It is taken out of the queue; its number is never given again, its files stay. */
tern_status ti_queue_remove(ti_queue *queue, bool *done, const ti_job *job, tern_err *err);

/* job->account is stored, and job->run. */
tern_status ti_queue_account(ti_queue *queue, bool *done, ti_job *job, tern_err *err);

/* Its owner wants it to end.  A job of jobd that has not begun is cancelled at once, others by
 * who runs them.  *out receives the job as it is then.  Errors: TERN_NO when there is none. */
tern_status ti_queue_cancel(ti_queue *queue, ti_job *out, int64_t id, tern_err *err);

#endif
