/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/freezer.h"
#include "cli/job_daemon.h"
#include "cli/out.h"
#include "cli/process.h"
#include "cli/receipts.h"
#include "jobs/spec.h"

extern char **environ;

enum {
    NOT_FOUND = 127, /* as POSIX has them for sh and env */
    NOT_RUN = 126,
    BY_SIGNAL = 128,
    PIECE_S = 300, /* energy is written down so often: intensities change no faster */
    GRACE_S = 10,
    RETRY_S = 10,
    LOOK_S =
        60, /* a clock may be set, a machine may sleep: while suspended it is asked again */
    NS_PER_MS = 1000000
};
static const uint64_t ns_per_s = 1000000000;

typedef struct keeper {
    const ti_keeper_ask *ask;
    ti_job_spec spec;
    char *status_path;
    sigset_t waited, before;
    ti_energy *energy; /* NULL = none */
    uint32_t energy_id;
    ti_job_status status;
    ti_freezer freezer; /* where the machine has one for us; else signals do */
    pid_t child;
    bool piece_open;
    uint64_t piece_ns, ran_ns; /* when the piece began; sum of those before */
    int64_t piece_ms;
    uint64_t kill_ns; /* when patience ends; 0 = nobody asked */
    int exit_status;
} keeper;

/* --- the mark -------------------------------------------------------------------------------
 */

static tern_status wait_at_gate(tern_err *err)
{
    char byte;
    ssize_t n;
    do {
        n = read(STDIN_FILENO, &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1 ? TERN_OK
                  : ti_fail(err, TERN_CANCELLED, "jobs", TI_NO_OFFSET, "the gate was closed");
}

/* The command was not started: whoever comes next may. */
static void take_mark(const keeper *k)
{
    char *path;
    if (ti_job_file(&path, k->ask->dir, k->ask->id, "mark", k->ask->attempt, k->ask->task,
                    NULL) == TERN_OK) {
        (void)unlink(path); /* if it stays, the job is interrupted */
        ti_sync_directory(path);
        free(path);
    }
}

/* Whoever makes this file is the one who starts the command.  It must outlive a power cut. */
static tern_status leave_mark(const keeper *k, tern_err *err)
{
    char *path;
    TI_TRY(ti_job_file(&path, k->ask->dir, k->ask->id, "mark", k->ask->attempt, k->ask->task,
                       err));
    tern_status status = TERN_OK;
    char who[TI_PROCESS_TEXT];
    ti_process_write(who, &k->status.keeper);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    ssize_t len = (ssize_t)strlen(who);
    if (fd < 0 && errno == EEXIST) {
        status = ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "job %lld was begun already",
                         (long long)k->ask->id);
    } else if (fd < 0 || write(fd, who, (size_t)len) != len || fsync(fd) != 0) {
        status = ti_fail_errno(err, errno, "jobs", "cannot write '%s'", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (status == TERN_OK) {
        status = ti_sync_entry(path, err);
    }
    if (fd >= 0 && status != TERN_OK) {
        take_mark(k);
    }
    free(path);
    return status;
}

/* --- what is written down -------------------------------------------------------------------
 */

static int64_t wall_ms(void)
{
    return (int64_t)ti_unix_ms();
}

/* A failure is no reason to end the command. */
static bool write_status(keeper *k)
{
    ti_buf text = {0};
    tern_err err;
    k->status.since_ms = k->piece_open ? k->piece_ms : 0;
    k->status.run.ran_s = (uint32_t)((k->ran_ns + ns_per_s / 2) / ns_per_s);
    tern_status status = ti_job_status_write(&text, &k->status, &err);
    if (status == TERN_OK) {
        status = ti_job_write(k->status_path, text.data, text.len, &err);
    }
    if (status != TERN_OK) {
        ti_warn("job %lld: %s", (long long)k->ask->id, err.message);
    }
    ti_buf_free(&text);
    (void)ti_job_wake(k->ask->dir);
    return status == TERN_OK;
}

/* Nobody else knows how it ended, and who finds no end begins again what may: a full disk, say,
 * is waited for.  SIGCONT asks at once; what ends others ends this too. */
static void write_end(keeper *k)
{
    const struct timespec wait = {.tv_sec = RETRY_S};
    while (!write_status(k)) {
        int number = sigtimedwait(&k->waited, NULL, &wait);
        if (number == SIGTERM || number == SIGINT || number == SIGHUP) {
            return;
        }
    }
}

static void open_piece(keeper *k)
{
    int64_t last_ms =
        k->status.n_pieces ? k->status.pieces[k->status.n_pieces - 1].end_ms : INT64_MIN;
    k->piece_ns = ti_now_ns();
    k->piece_ms = wall_ms();
    k->piece_ms = k->piece_ms < last_ms ? last_ms : k->piece_ms; /* the clock went back */
    k->piece_open = true;
    if (k->energy && ti_energy_begin(k->energy, &k->energy_id, NULL) != TERN_OK) {
        ti_energy_close(k->energy);
        k->energy = NULL;
    }
}

static void close_piece(keeper *k)
{
    if (!k->piece_open) {
        return;
    }
    uint64_t ns = ti_now_ns() - k->piece_ns;
    /* A machine that slept did not work: time of the clock that stands still with it. */
    ti_job_piece piece = {.start_ms = k->piece_ms,
                          .end_ms = k->piece_ms + (int64_t)(ns / NS_PER_MS)};
    if (k->energy) {
        ti_energy_figure figure;
        ti_energy_end(k->energy, k->energy_id, &figure);
        piece.energy_uj = figure.energy_uj;
        piece.idle_uj = figure.idle_uj;
    }
    k->ran_ns += ns;
    k->piece_open = false;
    if (ti_job_status_add(&k->status, &piece, NULL) != TERN_OK) {
        ti_warn("job %lld: no memory for a piece of its run", (long long)k->ask->id);
    }
}

/* --- the command ----------------------------------------------------------------------------
 */

/* In the child: what it writes must not go elsewhere. */
static void open_as(int fd, const char *path, int flags)
{
    int got = open(path, flags, S_IRUSR | S_IWUSR);
    if (got < 0 || (got != fd && dup2(got, fd) < 0)) {
        dprintf(STDERR_FILENO, "tern: cannot open '%s': %s\n", path, strerror(errno));
        _exit(NOT_RUN);
    }
    if (got != fd) {
        close(got);
    }
}

/* What a batch system tells its jobs is not in the environment of who submitted. */
static bool is_told(const char *variable)
{
    static const char *const told[] = {
        "SLURM", "CUDA_VISIBLE_DEVICES=", "ROCR_VISIBLE_DEVICES=", "GPU_DEVICE_ORDINAL="};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        if (strncmp(variable, told[i], strlen(told[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The captured environment, with what this run is told. */
static tern_status make_environment(keeper *k, tern_err *err)
{
    size_t n = 0;
    while (environ[n]) {
        n++;
    }
    char **all = ti_arena_calloc(&k->spec.arena, n + k->spec.n_env + 1, sizeof *all);
    if (!all) {
        return ti_fail_nomem(err, "jobs", n * sizeof *all, "an environment");
    }
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_told(environ[i])) {
            all[used++] = environ[i];
        }
    }
    for (size_t i = 0; i < k->spec.n_env; i++) {
        if (!is_told(k->spec.envp[i])) {
            all[used++] = k->spec.envp[i];
        }
    }
    k->spec.envp = all;
    return TERN_OK;
}

/* In the child: never returns. */
static _Noreturn void become(const keeper *k, const char *out, const char *err, pid_t parent)
{
    struct sigaction usual;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    for (int i = 1; i < NSIG; i++) {
        (void)sigaction(i, &usual, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* without its keeper nobody would know of it */
    if (getppid() != parent) {
        _exit(NOT_RUN);
    }
    ti_freezer_enter(&k->freezer);
    open_as(STDIN_FILENO, "/dev/null", O_RDONLY);
    open_as(STDERR_FILENO, err, O_WRONLY | O_CREAT | O_APPEND);
    open_as(STDOUT_FILENO, out, O_WRONLY | O_CREAT | O_APPEND);
    (void)umask((mode_t)k->spec.umask);
    if (chdir(k->spec.cwd) != 0) {
        dprintf(STDERR_FILENO, "tern: cannot enter '%s': %s\n", k->spec.cwd, strerror(errno));
        _exit(NOT_RUN);
    }
    environ = k->spec.envp;
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execvp(k->spec.argv[0], k->spec.argv);
    int e = errno;
    dprintf(STDERR_FILENO, "tern: cannot run '%s': %s\n", k->spec.argv[0], strerror(e));
    _exit(e == ENOENT ? NOT_FOUND : NOT_RUN);
}

static tern_status start(keeper *k, tern_err *err)
{
    char *out = NULL, *bad = NULL;
    const ti_keeper_ask *a = k->ask;
    pid_t parent = getpid();
    tern_status status = ti_job_file(&out, a->dir, a->id, "out", 0, a->task, err);
    if (status == TERN_OK) {
        status = ti_job_file(&bad, a->dir, a->id, "err", 0, a->task, err);
    }
    if (status == TERN_OK) {
        open_piece(k);
        k->status.run.started_s = wall_ms() / 1000;
        k->child = fork();
        if (k->child == 0) {
            become(k, out, bad, parent);
        }
        if (k->child < 0) {
            status = ti_fail_errno(err, errno, "jobs", "cannot start a process");
        }
    }
    if (status == TERN_OK) {
        (void)setpgid(k->child, k->child); /* both do: whoever is first */
        (void)ti_process_look(&k->status.command, k->child);
    }
    free(out);
    free(bad);
    return status;
}

static void signal_group(const keeper *k, int number)
{
    (void)kill(-k->child, number);
}

static void suspend(keeper *k)
{
    if (!k->status.suspended) {
        if (!ti_freezer_set(&k->freezer, true)) {
            signal_group(k, SIGSTOP);
        }
        close_piece(k);
        k->status.suspended = true;
        (void)write_status(k);
    }
}

static void resume(keeper *k)
{
    if (k->status.suspended) {
        open_piece(k);
        (void)ti_freezer_set(&k->freezer, false);
        signal_group(k, SIGCONT);
        k->status.suspended = false;
        (void)write_status(k);
    }
}

static void terminate(keeper *k)
{
    if (k->kill_ns == 0) {
        k->kill_ns = ti_now_ns() + GRACE_S * ns_per_s;
        signal_group(k, SIGTERM);
        resume(k); /* what is stopped cannot end */
    }
}

/* Collects what has ended, also children of the command that outlived their parents; true when
 * the command itself is among them. */
static bool collect(keeper *k)
{
    bool ended = false;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == k->child) {
            k->exit_status = status;
            ended = true;
        }
    }
    return ended;
}

/* When it must go on to keep its deadline. */
static int64_t latest_s(const keeper *k)
{
    const ti_job job = {.deadline_s = k->ask->deadline_s, .longest_s = k->ask->longest_s};
    return ti_job_latest_s(&job, (uint32_t)(k->ran_ns / ns_per_s));
}

/* The daemon that suspended it may be gone: it goes on by itself when it must, and when the
 * clock cannot be right. */
static bool must_go_on(const keeper *k)
{
    int64_t now_s = wall_ms() / 1000;
    return k->status.suspended && k->ask->deadline_s > 0 &&
           (now_s >= latest_s(k) || now_s < k->status.run.started_s - TI_JOB_CLOCK_S);
}

/* Until when to wait for a signal. */
static struct timespec patience(const keeper *k)
{
    uint64_t now = ti_now_ns(), until = now + PIECE_S * ns_per_s;
    if (k->piece_open && k->piece_ns + PIECE_S * ns_per_s < until) {
        until = k->piece_ns + PIECE_S * ns_per_s;
    }
    if (k->kill_ns && k->kill_ns < until) {
        until = k->kill_ns;
    }
    if (k->status.suspended && k->ask->deadline_s > 0) {
        int64_t left_s = latest_s(k) - wall_ms() / 1000;
        left_s = left_s < 0 ? 0 : left_s < LOOK_S ? left_s : LOOK_S;
        uint64_t look = now + (uint64_t)left_s * ns_per_s;
        until = look < until ? look : until;
    }
    uint64_t left = until > now ? until - now : 0;
    return (struct timespec){.tv_sec = (time_t)(left / ns_per_s),
                             .tv_nsec = (long)(left % ns_per_s)};
}

static void watch(keeper *k)
{
    while (!collect(k)) {
        struct timespec wait = patience(k);
        int number = sigtimedwait(&k->waited, NULL, &wait);
        uint64_t now = ti_now_ns();
        if (number == SIGTSTP && k->kill_ns == 0) { /* what is stopped cannot end */
            suspend(k);
        } else if (number == SIGCONT || (number < 0 && must_go_on(k))) {
            resume(k);
        } else if (number == SIGTERM || number == SIGINT || number == SIGHUP) {
            terminate(k);
        } else if (k->piece_open && now - k->piece_ns >= PIECE_S * ns_per_s) {
            close_piece(k);
            open_piece(k);
            (void)write_status(k);
        }
        if (k->kill_ns && now >= k->kill_ns) {
            signal_group(k, SIGKILL);
            k->kill_ns = now + GRACE_S * ns_per_s;
        }
    }
}

/* --- the account ----------------------------------------------------------------------------
 */

/* What the model says goes by CPU time, which is known at the end: pieces get theirs by their
 * length. */
static void share_out(keeper *k, uint64_t energy_uj, uint64_t idle_uj)
{
    uint64_t ms = 0, done = 0;
    for (size_t i = 0; i < k->status.n_pieces; i++) {
        ms += (uint64_t)(k->status.pieces[i].end_ms - k->status.pieces[i].start_ms);
    }
    uint64_t energy_before = 0, idle_before = 0;
    for (size_t i = 0; i < k->status.n_pieces; i++) {
        ti_job_piece *p = &k->status.pieces[i];
        bool last = i + 1 == k->status.n_pieces;
        done += (uint64_t)(p->end_ms - p->start_ms);
        double part = ms > 0 ? (double)done / (double)ms : 1;
        uint64_t energy = last ? energy_uj : (uint64_t)((double)energy_uj * part);
        uint64_t idle = last ? idle_uj : (uint64_t)((double)idle_uj * part);
        p->energy_uj = energy - energy_before;
        p->idle_uj = idle - idle_before;
        energy_before = energy;
        idle_before = idle;
    }
}

static void account_energy(keeper *k)
{
    ti_job_run *run = &k->status.run;
    if (!k->energy) {
        return;
    }
    const ti_energy_source *source = ti_energy_of(k->energy);
    const ti_power_model *model = ti_energy_model(k->energy);
    if (model) {
        uint64_t energy_uj, idle_uj;
        ti_power_energy(model, run->cpu_ns, k->ran_ns, &energy_uj, &idle_uj);
        share_out(k, energy_uj, idle_uj);
    }
    for (size_t i = 0; i < k->status.n_pieces; i++) {
        run->energy_uj += k->status.pieces[i].energy_uj;
        run->idle_uj += k->status.pieces[i].idle_uj;
    }
    run->has_energy = true;
    run->error_permille = source->error_permille;
    snprintf(run->evidence, sizeof run->evidence, "%s", ti_evidence_name(source->evidence));
    snprintf(run->meter, sizeof run->meter, "%s", source->meter);
}

static void finish(keeper *k)
{
    struct rusage usage;
    ti_job_run *run = &k->status.run;
    int s = k->exit_status;
    close_piece(k);
    if (getrusage(RUSAGE_CHILDREN, &usage) == 0) {
        run->cpu_ns =
            ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * ns_per_s +
            ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000;
    }
    run->ended_s = wall_ms() / 1000;
    run->ended_s = run->ended_s < run->started_s ? run->started_s : run->ended_s;
    run->signal = WIFSIGNALED(s) ? WTERMSIG(s) : 0;
    run->exit_code = run->signal ? BY_SIGNAL + run->signal : WEXITSTATUS(s);
    account_energy(k);
    k->status.ended = true;
    k->status.suspended = false;
    write_end(k);
}

/* --- all of it ------------------------------------------------------------------------------
 */

/* All threads that come later have them blocked too. */
static void take_signals(keeper *k)
{
    static const int ours[] = {SIGTSTP, SIGCONT, SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigemptyset(&k->waited);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        sigaddset(&k->waited, ours[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &k->waited, &k->before);
}

static tern_status read_spec(keeper *k, tern_err *err)
{
    char *path, *text;
    size_t len;
    TI_TRY(ti_queue_path(&path, k->ask->dir, k->ask->id, "spec", err));
    tern_status status = ti_read_file(&text, &len, path, TI_SPEC_MAX, err);
    free(path);
    TI_TRY(status);
    status = ti_job_spec_read(&k->spec, text, len, err);
    free(text);
    return status;
}

static void make_group(keeper *k)
{
    char name[64];
    snprintf(name, sizeof name, "tern-job-%lld-%u", (long long)k->ask->id, (unsigned)getpid());
    (void)ti_freezer_open(&k->freezer, "/sys/fs/cgroup", "/proc/self/cgroup", name);
}

static tern_status keep(keeper *k, tern_err *err)
{
    tern_err local;
    const ti_keeper_ask *a = k->ask;
    TI_TRY(a->gate ? wait_at_gate(err) : TERN_OK);
    TI_TRY(read_spec(k, err));
    TI_TRY(ti_job_file(&k->status_path, a->dir, a->id, "status", a->attempt, a->task, err));
    (void)ti_process_look(&k->status.keeper, getpid());
    TI_TRY(leave_mark(k, err));
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (ti_metering_open(&k->energy, a->metering, TI_METERING_CALIBRATED, NULL, NULL, &local) !=
        TERN_OK) {
        ti_warn("job %lld: no energy: %s", (long long)a->id, local.message);
        k->energy = NULL;
    }
    tern_status status = make_environment(k, err);
    if (status == TERN_OK) {
        make_group(k);
        status = start(k, err);
    }
    if (status != TERN_OK) {
        const struct timespec wait = {.tv_sec = RETRY_S}; /* attempts are few */
        take_mark(k);
        (void)(a->gate && sigtimedwait(&k->waited, NULL, &wait));
        return status;
    }
    (void)write_status(k);
    watch(k);
    finish(k);
    return TERN_OK;
}

tern_status ti_keeper_run(int *exit_code, const ti_keeper_ask *ask, tern_err *err)
{
    keeper k = {.ask = ask};
    take_signals(&k);
    tern_status status = keep(&k, err);
    *exit_code = k.status.run.exit_code;
    ti_energy_close(k.energy);
    ti_freezer_close(&k.freezer);
    ti_job_spec_free(&k.spec);
    ti_job_status_free(&k.status);
    free(k.status_path);
    (void)sigprocmask(SIG_SETMASK, &k.before, NULL);
    return status;
}
