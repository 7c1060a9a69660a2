/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spawn.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { NOT_FOUND = 127, NOT_RUN = 126, BY_SIGNAL = 128 }; /* as POSIX has them for sh and env */

/* From the keyboard both get them: the program decides.  The others are sent to one process. */
static const int ours[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
enum { N_OURS = sizeof ours / sizeof *ours, N_IGNORED = 2 };

static volatile sig_atomic_t child;   /* 0 = none */
static volatile sig_atomic_t arrived; /* before there was one */

static void pass_on(int number)
{
    int e = errno;
    if (child > 0) {
        kill((pid_t)child, number);
    } else {
        arrived = number;
    }
    errno = e;
}

/* Sets our handling and keeps the earlier one; *reset receives those that the program must have
 * as usual, because it does not inherit them as they were. */
static void take_signals(struct sigaction *before, sigset_t *reset)
{
    sigemptyset(reset);
    for (size_t i = 0; i < N_OURS; i++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART;
        action.sa_handler = i < N_IGNORED ? SIG_IGN : pass_on;
        sigaction(ours[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) { /* else it stays ignored, for both: nohup */
            sigaddset(reset, ours[i]);
            sigaction(ours[i], &action, NULL);
        }
    }
}

static void give_signals_back(const struct sigaction *before)
{
    for (size_t i = 0; i < N_OURS; i++) {
        sigaction(ours[i], &before[i], NULL);
    }
}

static uint64_t ns_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_usec * 1000;
}

static int start(pid_t *pid, char *const *argv, const sigset_t *reset)
{
    posix_spawnattr_t attr;
    int e = posix_spawnattr_init(&attr);
    if (e != 0) {
        return e;
    }
    posix_spawnattr_setsigdefault(&attr, reset);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    e = posix_spawnp(pid, argv[0], NULL, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    return e;
}

/* Waits for its end; a stop (^Z) is not one. */
static int wait_for(pid_t pid, int *status, struct rusage *usage)
{
    pid_t got;
    do {
        got = wait4(pid, status, 0, usage);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? errno : 0;
}

tern_status ti_spawn(ti_spawned *out, char *const *argv, tern_err *err)
{
    struct sigaction before[N_OURS];
    struct rusage usage;
    sigset_t reset;
    pid_t pid = 0;
    int status = 0;
    arrived = 0;
    take_signals(before, &reset);
    int e = start(&pid, argv, &reset);
    if (e != 0) {
        give_signals_back(before);
        out->exit_code = e == ENOENT ? NOT_FOUND : NOT_RUN;
        return ti_fail(err, TERN_UNAVAILABLE, "meter", TI_NO_OFFSET, "cannot run '%.128s': %s",
                       argv[0], strerror(e));
    }
    child = (sig_atomic_t)pid;
    if (arrived) {
        kill(pid, arrived);
    }
    e = wait_for(pid, &status, &usage);
    child = 0;
    give_signals_back(before);
    if (e != 0) {
        return ti_fail_errno(err, e, "meter", "cannot wait for '%.128s'", argv[0]);
    }
    out->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    out->exit_code = out->signal ? BY_SIGNAL + out->signal : WEXITSTATUS(status);
    out->cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
    return TERN_OK;
}
