/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* pipe2 */
#include "cli/jobd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "carbon/stamp.h"
#include "cli/job_daemon.h"
#include "cli/out.h"
#include "cli/process.h"

static int64_t now(void *self)
{
    (void)self;
    return (int64_t)time(NULL);
}

/* --- looking --------------------------------------------------------------------------------
 */

/* What the keeper wrote; *ended only if it says so. */
static tern_status read_status(bool *ended, const char *dir, const ti_job *job,
                               ti_job_view *view, ti_job_run *run)
{
    ti_job_status s;
    *ended = false;
    TI_TRY(ti_job_status_load(&s, dir, job->id, job->attempt, NULL, NULL));
    view->suspended = s.suspended;
    view->ran_s = s.run.ran_s;
    if (s.since_ms > 0) {
        int64_t more_s = view->now_s - s.since_ms / 1000;
        view->ran_s += more_s > 0 && more_s < TI_JOB_DURATION_MAX_S ? (uint32_t)more_s : 0;
    }
    *run = s.run;
    *ended = s.ended;
    ti_job_status_free(&s);
    return TERN_OK;
}

/* Of a keeper that is gone without an account.  What cannot be read is looked at again. */
static ti_keeper_state look_at_mark(const char *dir, const ti_job *job)
{
    ti_job_mark mark;
    tern_status status = ti_job_mark_load(&mark, dir, job->id, job->attempt, NULL, NULL);
    return status == TERN_OK   ? TI_KEEPER_GONE
           : status == TERN_NO ? TI_KEEPER_UNBORN
                               : TI_KEEPER_ALIVE;
}

void ti_jobd_look(const char *dir, const ti_job *job, ti_job_view *view, ti_job_run *run)
{
    bool ended;
    if (read_status(&ended, dir, job, view, run) == TERN_OK && ended) {
        view->keeper = TI_KEEPER_ENDED;
        return;
    }
    bool here = ti_process_is_here(&job->keeper);
    if (!here || ti_process_lives(&job->keeper)) {
        view->keeper = here ? TI_KEEPER_ALIVE : TI_KEEPER_ELSEWHERE;
        return;
    }
    /* It may have ended between the two looks. */
    tern_status status = read_status(&ended, dir, job, view, run);
    if (status == TERN_OK) {
        view->keeper = ended ? TI_KEEPER_ENDED : look_at_mark(dir, job);
    } else if (status == TERN_NO) {
        view->keeper = look_at_mark(dir, job);
    } else {
        /* A text that is damaged stays so.  What cannot be read now (no memory, no descriptor,
         * a home that is away) may say later that the job is done: nothing is decided. */
        view->keeper = status == TERN_CORRUPT ? TI_KEEPER_GONE : TI_KEEPER_ALIVE;
    }
}

static void look(void *self, const ti_job *job, ti_job_view *view, ti_job_run *run)
{
    const ti_jobd_hands *h = self;
    ti_jobd_look(h->dir, job, view, run);
}

/* --- starting -------------------------------------------------------------------------------
 */

static tern_status prepare(void *self, const ti_job *job, uint32_t attempt,
                           ti_job_process *keeper, tern_err *err)
{
    ti_jobd_hands *h = self;
    char id[32], nth[16], by[32], longest[16],
        name[] = "tern", jobd[] = "jobd", keep[] = "--keep", at[] = "--attempt",
        queue[] = "--queue", gate[] = "--gate", end[] = "--end-by", length[] = "--length";
    bool some = job->flags & TI_JOB_INTERRUPTIBLE;
    char *dir = strdup(h->dir);
    int ends[2];
    pid_t pid = 0;
    if (!dir) {
        return ti_fail_nomem(err, "jobs", strlen(h->dir), "a path");
    }
    snprintf(id, sizeof id, "%lld", (long long)job->id);
    snprintf(nth, sizeof nth, "%u", (unsigned)attempt);
    snprintf(by, sizeof by, "%lld", (long long)job->deadline_s);
    snprintf(longest, sizeof longest, "%u", (unsigned)job->longest_s);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        free(dir);
        return ti_fail_errno(err, errno, "jobs", "cannot make a gate");
    }
    char *argv[] = {name, jobd,   keep,    id,  at, nth, queue, dir, gate, some ? end : NULL,
                    by,   length, longest, NULL};
    tern_status status = ti_job_spawn_self(&pid, argv, dir, ends[0], err);
    free(dir);
    close(ends[0]);
    if (status == TERN_OK && !ti_process_look(keeper, pid)) {
        status = ti_fail_errno(err, ESRCH, "jobs", "cannot start a keeper");
    }
    if (status != TERN_OK) {
        close(ends[1]);
        return status;
    }
    h->gate = ends[1];
    return TERN_OK;
}

static void release(void *self, bool go)
{
    ti_jobd_hands *h = self;
    if (h->gate >= 0) {
        if (go) {
            (void)!write(h->gate, "", 1); /* a keeper that is gone is seen at the next look */
        }
        close(h->gate);
        h->gate = -1;
    }
}

static tern_status signal_keeper(void *self, const ti_job *job, ti_act act, tern_err *err)
{
    int number = act == TI_ACT_SUSPEND ? SIGTSTP : act == TI_ACT_RESUME ? SIGCONT : SIGTERM;
    (void)self;
    return ti_process_signal(&job->keeper, number)
               ? TERN_OK
               : ti_fail(err, TERN_IO, "jobs", TI_NO_OFFSET,
                         "its keeper is not there any more");
}

static tern_status planner(void *self, const ti_job *job, ti_planner **out, const char **source,
                           tern_err *err)
{
    ti_jobd_hands *h = self;
    return ti_job_planner(&h->plans, job, out, source, err);
}

/* --- telling --------------------------------------------------------------------------------
 */

static void tell(void *self, const ti_job *job, ti_act act, const tern_err *err)
{
    static const char *const words[] = {[TI_ACT_NONE] = "?",
                                        [TI_ACT_PLAN] = "planned",
                                        [TI_ACT_START] = "started",
                                        [TI_ACT_SUSPEND] = "suspended",
                                        [TI_ACT_RESUME] = "continued",
                                        [TI_ACT_TERMINATE] = "ended by its owner",
                                        [TI_ACT_FINISH] = "ended",
                                        [TI_ACT_REQUEUE] = "waits again",
                                        [TI_ACT_INTERRUPT] = "was interrupted",
                                        [TI_ACT_CANCEL] = "cancelled",
                                        [TI_ACT_MISS] = "missed its deadline"};
    const ti_jobd_hands *h = self;
    char at[TI_STAMP_TEXT];
    long long id = job->id;
    if (!h->talk) {
        return;
    }
    ti_stamp_text(at, (int64_t)time(NULL));
    if (err) {
        ti_note("%s job %lld: not %s: %s", at, id, words[act], err->message);
    } else if (act == TI_ACT_FINISH) {
        ti_note("%s job %lld %s (%s, exit code %d)", at, id, words[act],
                ti_job_state_name(job->state), (int)job->run.exit_code);
    } else {
        ti_note("%s job %lld %s", at, id, words[act]);
    }
}

void ti_jobd_hands_io(ti_jobd_io *out, ti_jobd_hands *hands)
{
    hands->gate = -1;
    *out = (ti_jobd_io){.self = hands,
                        .now = now,
                        .look = look,
                        .prepare = prepare,
                        .release = release,
                        .signal = signal_keeper,
                        .planner = planner,
                        .tell = tell};
}
