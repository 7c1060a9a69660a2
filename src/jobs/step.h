/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/step.h - what comes next for a job: a value in, a value out; no clock, no process.
 *
 * The rules, in this order:
 *   1. A job is begun once.  Its keeper leaves a mark on the disk, once for each attempt,
 * before the command starts; whoever finds the mark does not start it.
 *   2. What had begun and whose keeper died without a word is `interrupted`.  It begins again
 *      only if its owner said that it may (TI_JOB_RESTARTABLE), at most TI_JOB_ATTEMPTS_MAX
 *      times.  A keeper that died before its mark changed nothing: the job waits as before,
 *      but not for ever: an attempt is an attempt.
 *   3. A job that must start now to keep its deadline starts: whatever the plan says, however
 *      many others run.  After its deadline it starts too, as soon as somebody looks (the
 *      machine was off), unless its owner said that late is too late.
 *   4. Without a plan it starts; a clock that is behind the moment when the job was submitted
 * is not believed, and it starts.
 *   5. A keeper on another machine is not judged: only what it wrote down counts.
 *   6. A suspended job goes on in its slices, where a place is free, and when it must; one that
 * took longer than was said is not suspended any more. */
#ifndef TI_JOBS_STEP_H
#define TI_JOBS_STEP_H

#include "jobs/job.h"

/* What is to be seen of a keeper. */
typedef enum ti_keeper_state {
    TI_KEEPER_NONE = 0,  /* none was started in this attempt */
    TI_KEEPER_ALIVE,     /* there, with or without its mark */
    TI_KEEPER_ELSEWHERE, /* on another machine: what became of it cannot be seen from here */
    TI_KEEPER_ENDED,     /* gone, and left its account */
    TI_KEEPER_UNBORN,    /* gone, before its mark: the command was never started */
    TI_KEEPER_GONE       /* gone, after its mark, without an account */
} ti_keeper_state;

typedef struct ti_job_view {
    int64_t now_s;
    ti_keeper_state keeper;
    bool suspended;      /* the keeper says that the processes are stopped */
    uint32_t ran_s;      /* so far, as the keeper says */
    bool place;          /* fewer jobs run than may */
    bool in_slice;       /* the plan has it run now */
    int64_t slice_end_s; /* when that changes; 0 = not known */
} ti_job_view;

typedef enum ti_act {
    TI_ACT_NONE = 0,
    TI_ACT_PLAN, /* decide, then ask again */
    TI_ACT_START,
    TI_ACT_SUSPEND,
    TI_ACT_RESUME,
    TI_ACT_TERMINATE, /* ask the keeper to end the command */
    TI_ACT_FINISH,    /* write down how it ended */
    TI_ACT_REQUEUE,   /* it waits again */
    TI_ACT_INTERRUPT, /* it is interrupted, for good */
    TI_ACT_CANCEL,    /* it is cancelled, for good */
    TI_ACT_MISS       /* it is missed, for good */
} ti_act;

/* What is to be done now.  *wake_s (if not NULL) receives when to ask again at the latest, or
 * INT64_MAX when only news change anything. */
ti_act ti_job_step(const ti_job *job, const ti_job_view *view, int64_t *wake_s);

/* True when the clock contradicts the job. */
bool ti_job_clock_is_odd(const ti_job *job, int64_t now_s);

/* The state that a job has after it ended with that code. */
ti_job_state ti_job_end_state(const ti_job *job, int32_t exit_code);

#endif
