/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/jobd.h - one round of the daemon: looks at the queue, does what jobs/step.h says.
 *
 * Clock, processes and forecasts are functions that are handed in, so that tests can end the
 * world between any two of them.  A round that fails in the middle may be made again: nothing
 * is begun twice.  What runs and what is due comes first; then plans are made, of which each
 * question to a network holds up the rest for as long as it takes.  To begin a job is three
 * steps: a keeper is started, which waits at a gate; the job is claimed in the queue, with the
 * keeper's identity; the gate is opened.  A keeper whose gate is closed, or whose starter is
 * gone, ends without a trace. */
#ifndef TI_JOBS_JOBD_H
#define TI_JOBS_JOBD_H

#include "jobs/queue.h"
#include "jobs/step.h"

enum {
    TI_JOBD_REPLAN_S = 900,
    TI_JOBD_PAGE = 256,
    TI_JOBD_RETRY_S = 10,
    TI_JOBD_WATCH_S = 60, /* a keeper that was killed tells nobody: it is looked for */
    TI_JOBD_BUSY_S = 2    /* planning that took so long lets what is due go before */
};

typedef struct ti_jobd_io {
    void *self;
    /* The clock. */
    int64_t (*now)(void *self);
    /* What is to be seen of a job's keeper: keeper, suspended, ran_s of *view, and how it ran
     * so far. */
    void (*look)(void *self, const ti_job *job, ti_job_view *view, ti_job_run *run);
    /* Starts a keeper for that attempt, which waits at its gate. */
    tern_status (*prepare)(void *self, const ti_job *job, uint32_t attempt,
                           ti_job_process *keeper, tern_err *err);
    /* Opens the gate of the last one that was prepared, or closes it. */
    void (*release)(void *self, bool go);
    /* TI_ACT_SUSPEND, TI_ACT_RESUME or TI_ACT_TERMINATE to the keeper. */
    tern_status (*signal)(void *self, const ti_job *job, ti_act act, tern_err *err);
    /* The planner for what comes in a job's zone until its deadline, by its own sources; valid
     * until the next call.  It may ask the network, so no transaction is open.  A failure is a
     * reason, no end. */
    tern_status (*planner)(void *self, const ti_job *job, ti_planner **out, const char **source,
                           tern_err *err);
    /* Something was done, or could not be (err not NULL). */
    void (*tell)(void *self, const ti_job *job, ti_act act, const tern_err *err);
} ti_jobd_io;

typedef struct ti_jobd {
    ti_queue *queue;
    const ti_jobd_io *io;
    uint32_t parallel;   /* jobs at a time, but for those that must start; 0 = any number */
    int64_t replanned_s; /* when planning them all was last begun; 0 = never */
    int64_t cursor;      /* until which job that went, and which of TI_JOBS_... */
    ti_which phase;      /* TI_JOBS_ALL = it is done */
    ti_places places;    /* as far as it went; ti_jobd_close() frees it */
} ti_jobd;

/* Frees what rounds have made.  Zeroed is allowed. */
void ti_jobd_close(ti_jobd *jobd);

/* Makes a round.  *wake_s = when the next one is due if nothing happens before.
 * Errors: those of the queue, TERN_NOMEM; what fails for one job is told and tried again. */
tern_status ti_jobd_round(ti_jobd *jobd, int64_t *wake_s, tern_err *err);

/* Plans all that wait, and interruptible ones that run, anew; stored page by page.
 *   n  receives how many (NULL allowed)
 * Cost: measured in docs/scheduling.md.  Errors: as above. */
tern_status ti_jobd_replan(ti_jobd *jobd, int64_t now_s, size_t *n, tern_err *err);

#endif
