/* SPDX-License-Identifier: Apache-2.0 */
/* tern jobd: the daemon that starts what waits in the queue; with --keep the keeper of one job.
 */
#define _GNU_SOURCE /* ppoll */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/job_count.h"
#include "cli/job_daemon.h"
#include "cli/jobd_io.h"
#include "cli/keeper.h"
#include "cli/out.h"
#include "cli/systemd.h"

enum { COUNT_AGAIN_S = 3600, SHARED_LOOK_S = 60 };

typedef struct jobd_args {
    const char *queue, *keep, *task;
    uint32_t parallel, attempt;
    uint64_t end_by, length;
    bool foreground, once, until_idle, gate, install, uninstall;
    ti_desk_args desk;
    ti_metering_args metering;
} jobd_args;

static const jobd_args defaults = {
    .parallel = 1, .attempt = 1, .desk = TI_DESK_DEFAULTS, .metering = TI_METERING_DEFAULT};

static const ti_opt opts[] = {
    TI_OPT_QUEUE(jobd_args, queue),
    {.type = TI_OPT_FLAG,
     .name = "foreground",
     .help = "stay, and say on standard error what happens",
     .offset = offsetof(jobd_args, foreground)},
    {.type = TI_OPT_FLAG,
     .name = "once",
     .help = "do what is due now and end: for cron; jobs that run go on",
     .offset = offsetof(jobd_args, once)},
    {.type = TI_OPT_FLAG,
     .name = "until-idle",
     .help = "end when nothing waits or runs here, or is to be counted",
     .offset = offsetof(jobd_args, until_idle)},
    {.type = TI_OPT_U32,
     .name = "parallel",
     .metavar = "N",
     .help = "so many jobs at a time; one that must start to keep its deadline starts anyway; "
             "0: any number",
     .max = 4096,
     .offset = offsetof(jobd_args, parallel)},
    {.type = TI_OPT_FLAG,
     .name = "install",
     .help = "have the user's systemd run this daemon, now and from each login on",
     .offset = offsetof(jobd_args, install)},
    {.type = TI_OPT_FLAG,
     .name = "uninstall",
     .help = "stop that, and remove its unit; jobs that run go on",
     .offset = offsetof(jobd_args, uninstall)},
    {.help = "Keeping one job: what jobd, timers and batch systems start"},
    {.type = TI_OPT_STR,
     .name = "keep",
     .metavar = "ID",
     .help = "run this job now, measure it, write down how it ended, and exit with its code",
     .offset = offsetof(jobd_args, keep)},
    {.type = TI_OPT_U32,
     .name = "attempt",
     .metavar = "N",
     .help = "which start of the job it is; each is made once only",
     .min = 1,
     .max = 1000000,
     .offset = offsetof(jobd_args, attempt)},
    {.type = TI_OPT_STR,
     .name = "task",
     .metavar = "N",
     .help = "which task of an array",
     .offset = offsetof(jobd_args, task)},
    {.type = TI_OPT_FLAG,
     .name = "gate",
     .help = "begin when a byte comes on standard input, and not at all when it is closed",
     .offset = offsetof(jobd_args, gate)},
    {.type = TI_OPT_U64,
     .name = "end-by",
     .metavar = "SECONDS",
     .help =
         "its deadline, in seconds since 1970: suspended, it goes on by itself in time for it",
     .fallback = "none",
     .offset = offsetof(jobd_args, end_by)},
    {.type = TI_OPT_U64,
     .name = "length",
     .metavar = "SECONDS",
     .help = "how long it takes at most",
     .offset = offsetof(jobd_args, length)},
    TI_OPTS_METERING(jobd_args, metering),
    {.help = "Forecasts, for jobs that were submitted without such options"},
    TI_OPTS_DESK(jobd_args, desk),
    {0},
};

/* --- one daemon a queue ---------------------------------------------------------------------
 */

typedef struct daemon_state {
    const jobd_args *args;
    ti_job_place place;
    ti_jobd_hands hands;
    ti_jobd_io io;
    ti_jobd jobd;
    int lock, wake, timer;
    bool shared; /* other machines may submit, whose bytes do not come through the pipe */
    ti_job_counter counter;
    uint64_t left;     /* jobs that could not be counted the last time */
    int64_t counted_s; /* when that was */
} daemon_state;

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static tern_status take_lock(daemon_state *d, tern_err *err)
{
    char *path;
    TI_TRY(ti_queue_path(&path, d->place.dir, 0, "jobd.lock", err));
    d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    int e = errno;
    free(path);
    if (d->lock < 0) {
        return ti_fail_errno(err, e, "jobs", "cannot lock the queue");
    }
    if (flock(d->lock, LOCK_EX | LOCK_NB) != 0) {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "a daemon serves this queue already");
    }
    return ti_job_daemon_sign(d->lock, d->args->parallel, err);
}

/* The pipe that others write a byte into.  Open for both, so that it never is at its end. */
static tern_status open_wake(daemon_state *d, tern_err *err)
{
    char *path;
    TI_TRY(ti_queue_path(&path, d->place.dir, 0, "wake", err));
    bool made = mkfifo(path, S_IRUSR | S_IWUSR) == 0 || errno == EEXIST;
    d->wake = made ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
    int e = errno;
    free(path);
    return d->wake >= 0 ? TERN_OK
                        : ti_fail_errno(err, e, "jobs", "cannot open the pipe 'wake'");
}

/* Set to a moment of the clock on the wall: it also fires after a sleep, and is cancelled when
 * somebody sets the clock. */
static void set_timer(const daemon_state *d, int64_t wake_s)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)wake_s}};
    if (wake_s != INT64_MAX) {
        (void)timerfd_settime(d->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
                              NULL);
    }
}

static void drain(int fd)
{
    char bytes[256];
    while (read(fd, bytes, sizeof bytes) > 0) {
    }
}

static void on_child(int number)
{
    (void)number; /* that it came ends the sleep */
}

/* Sleeps until the moment, a byte, a signal, or the end of a keeper that this daemon started.
 * What comes between the last look and the sleep must not be slept over: signals are let in by
 * ppoll() only. */
static void sleep_until(const daemon_state *d, int64_t wake_s)
{
    struct pollfd fds[] = {{.fd = d->wake, .events = POLLIN},
                           {.fd = d->timer, .events = POLLIN}};
    sigset_t ends, before, asleep;
    int64_t soon_s = (int64_t)time(NULL) + SHARED_LOOK_S;
    set_timer(d, d->shared && wake_s > soon_s ? soon_s : wake_s);
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, &before);
    asleep = before;
    sigdelset(&asleep, SIGINT);
    sigdelset(&asleep, SIGTERM);
    sigdelset(&asleep, SIGCHLD);
    if (!ti_interrupted()) {
        (void)ppoll(fds, 2, NULL, &asleep);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    drain(d->wake);
    drain(d->timer);
}

/* From here on a keeper's end is kept until the next sleep. */
static void hold_children(void)
{
    struct sigaction action;
    sigset_t child;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_child;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
}

static void collect_keepers(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

/* --- rounds ---------------------------------------------------------------------------------
 */

/* Counts what has ended since the last time, and each hour what could not be counted then.  A
 * grid that takes long to answer must not hold up what is due: some at a time. */
static tern_status count(daemon_state *d, int64_t now_s, int64_t *wake_s, tern_err *err)
{
    uint64_t left;
    bool more = false;
    TI_TRY(ti_queue_count(d->place.queue, &left, TI_JOBS_UNCOUNTED, now_s, err));
    if (left == 0) {
        return TERN_OK;
    }
    bool again = now_s - d->counted_s >= COUNT_AGAIN_S || now_s < d->counted_s;
    if (left != d->left || again) {
        more = ti_job_count_all(&d->counter, now_s, TI_JOBD_BUSY_S);
        TI_TRY(ti_queue_count(d->place.queue, &left, TI_JOBS_UNCOUNTED, now_s, err));
        d->left = more ? UINT64_MAX : left;
        d->counted_s = now_s;
    }
    int64_t next_s = more ? now_s : d->counted_s + COUNT_AGAIN_S;
    *wake_s = left > 0 && next_s < *wake_s ? next_s : *wake_s;
    return TERN_OK;
}

/* Rounds until nothing is due.  *wake_s = INT64_MAX when nothing is left to do. */
static tern_status work(daemon_state *d, int64_t *wake_s, tern_err *err)
{
    int64_t now_s;
    uint64_t open;
    do {
        collect_keepers();
        TI_TRY(ti_jobd_round(&d->jobd, wake_s, err));
        now_s = (int64_t)time(NULL);
    } while (*wake_s <= now_s && !ti_interrupted());
    TI_TRY(ti_queue_count(d->place.queue, &open, TI_JOBS_OWN, now_s, err));
    *wake_s = open > 0 ? *wake_s : INT64_MAX;
    return count(d, now_s, wake_s, err);
}

static tern_status serve(daemon_state *d, tern_err *err)
{
    int64_t wake_s;
    TI_TRY(take_lock(d, err));
    TI_TRY(open_wake(d, err));
    do {
        tern_status status = work(d, &wake_s, err);
        if (status != TERN_OK && d->args->once) {
            return status;
        }
        if (status != TERN_OK) { /* a full disk, no memory: it may pass, and jobs must start */
            ti_queue_rollback(d->place.queue);
            ti_report(err);
            wake_s = (int64_t)time(NULL) + TI_JOBD_RETRY_S;
        }
        if (d->args->once || (d->args->until_idle && wake_s == INT64_MAX)) {
            break;
        }
        if (!ti_interrupted()) {
            sleep_until(d, wake_s);
        }
    } while (!ti_interrupted());
    return TERN_OK;
}

static void let_go(daemon_state *d)
{
    close_fd(
        &d->wake); /* first: who wakes nobody starts another daemon, which needs the lock */
    close_fd(&d->lock);
}

/* What came in after the last look and before the door was closed must not be left alone. */
static tern_status serve_all(daemon_state *d, tern_err *err)
{
    uint64_t open = 0;
    d->timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (d->timer < 0) {
        return ti_fail_errno(err, errno, "jobs", "cannot make a timer");
    }
    ti_interrupt_catch();
    (void)signal(SIGHUP, SIG_IGN); /* the terminal that it was started from may go */
    (void)signal(SIGPIPE, SIG_IGN);
    hold_children();
    for (bool again = false;; again = true) {
        tern_status status = serve(d, err);
        let_go(d);
        if (status == TERN_UNAVAILABLE && again) {
            return TERN_OK; /* another daemon has come */
        }
        TI_TRY(status);
        if (!d->args->until_idle || d->args->once || ti_interrupted()) {
            return TERN_OK;
        }
        TI_TRY(ti_queue_count(d->place.queue, &open, TI_JOBS_OWN, 0, err));
        if (open == 0) {
            return TERN_OK;
        }
    }
}

static tern_status run_daemon(const jobd_args *args, tern_err *err)
{
    daemon_state d = {.args = args, .lock = -1, .wake = -1, .timer = -1};
    TI_TRY(ti_job_place_open(&d.place, args->queue, true, err));
    d.shared = ti_queue_is_shared(d.place.queue);
    d.hands = (ti_jobd_hands){.dir = d.place.dir, .talk = args->foreground};
    d.hands.plans.args = &args->desk;
    d.hands.plans.dir = d.place.dir;
    d.counter = (ti_job_counter){.place = &d.place, .desk = &args->desk};
    ti_jobd_hands_io(&d.io, &d.hands);
    d.jobd = (ti_jobd){.queue = d.place.queue, .io = &d.io, .parallel = args->parallel};
    tern_status status = serve_all(&d, err);
    let_go(&d);
    close_fd(&d.timer);
    ti_jobd_close(&d.jobd);
    ti_job_plans_free(&d.hands.plans);
    ti_job_counter_free(&d.counter);
    ti_job_place_close(&d.place);
    return status;
}

static tern_status install(const jobd_args *args, tern_err *err)
{
    ti_job_place place;
    char options[32] = "";
    if (args->parallel != defaults.parallel) {
        snprintf(options, sizeof options, " --parallel %u", (unsigned)args->parallel);
    }
    TI_TRY(ti_job_place_open(&place, args->queue, true, err));
    tern_status status = ti_systemd_install(place.dir, options, err);
    ti_job_place_close(&place);
    if (status == TERN_OK) {
        ti_hint("'loginctl enable-linger' lets it live on when you log out");
    }
    return status;
}

static tern_status uninstall(const jobd_args *args, tern_err *err)
{
    char *dir;
    TI_TRY(ti_job_directory(&dir, args->queue, false, err));
    tern_status status = ti_systemd_uninstall(dir, err);
    free(dir);
    return status;
}

static tern_status start_in_background(const jobd_args *args, tern_err *err)
{
    ti_job_place place;
    TI_TRY(ti_job_place_open(&place, args->queue, true, err));
    tern_status status = ti_job_wake(place.dir)
                             ? ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                                       "a daemon serves this queue already")
                             : ti_job_start_daemon(place.dir, args->until_idle, err);
    ti_job_place_close(&place);
    return status;
}

static tern_status run_keeper(const jobd_args *args, tern_err *err)
{
    ti_keeper_ask ask = {.attempt = args->attempt,
                         .task = args->task ? args->task : "",
                         .gate = args->gate,
                         .deadline_s = (int64_t)(args->end_by & INT64_MAX),
                         .longest_s = args->length < TI_JOB_DURATION_MAX_S
                                          ? (int64_t)args->length
                                          : TI_JOB_DURATION_MAX_S,
                         .metering = &args->metering};
    char *dir;
    int code = 0;
    TI_TRY(ti_job_id(&ask.id, args->keep, err));
    if (ask.task[strspn(ask.task, "0123456789")] != '\0') {
        return ti_fail(err, TERN_USAGE, "jobs", TI_NO_OFFSET, "task: '%.40s' is no number",
                       ask.task);
    }
    TI_TRY(ti_job_directory(&dir, args->queue, false, err));
    ask.dir = dir;
    tern_status status = ti_keeper_run(&code, &ask, err);
    free(dir);
    if (status == TERN_OK) {
        ti_exit_with(code);
    }
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const jobd_args *args = values;
    (void)given;
    if (args->desk.at) {
        return ti_fail(err, TERN_USAGE, "jobs", TI_NO_OFFSET,
                       "jobd goes by the clock, not --at");
    }
    if (args->keep) {
        return run_keeper(args, err);
    }
    if (args->install || args->uninstall) {
        return args->install ? install(args, err) : uninstall(args, err);
    }
    return args->foreground || args->once ? run_daemon(args, err)
                                          : start_in_background(args, err);
}

const ti_command ti_cmd_jobd = {
    .name = "jobd",
    .summary = "start jobs of the queue when their time has come",
    .description =
        "The user's own daemon: starts jobs, suspends and continues those that may be "
        "interrupted, plans anew as forecasts change.  'tern submit' starts one when none is "
        "there, which goes when nothing is left; --install has systemd keep one.  It may be "
        "killed at "
        "any time: jobs go on, and the next one takes them over.",
    .examples = "tern jobd\n"
                "tern jobd --install\n"
                "tern jobd --foreground --parallel 2\n"
                "tern jobd --once",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
