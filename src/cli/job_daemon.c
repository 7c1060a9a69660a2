/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* POSIX_SPAWN_SETSID */
#include "cli/job_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/process.h"

/* --- whether it is there --------------------------------------------------------------------
 */

/* The pipe has a reader only while a daemon of this machine lives; -1 = none. */
static int open_wake(const char *dir)
{
    char *path;
    if (ti_queue_path(&path, dir, 0, "wake", NULL) != TERN_OK) {
        return -1;
    }
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    free(path);
    return fd;
}

bool ti_job_wake(const char *dir)
{
    int fd = open_wake(dir);
    if (fd < 0) {
        return false; /* nobody reads */
    }
    (void)!write(fd, "", 1); /* a full pipe wakes as well */
    close(fd);
    return true;
}

/* What the lock file says, and whether somebody holds the lock. */
static void look_at_lock(ti_job_daemon *out, const char *dir, bool is_here)
{
    char *path, text[TI_PROCESS_TEXT + 16] = "";
    ti_job_process who;
    if (ti_queue_path(&path, dir, 0, "jobd.lock", NULL) != TERN_OK) {
        return;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    free(path);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (n > 0 && ti_process_read(&who, text)) {
        const char *second = strchr(text, '\n');
        unsigned long parallel = second ? strtoul(second + 1, NULL, 10) : 1;
        /* The lock of another machine is asked for only where one has signed: who holds it for
         * a moment keeps a daemon that begins from getting it. */
        if (!is_here && !ti_process_is_here(&who)) {
            out->there = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
            ti_process_host(out->host, &who);
        }
        out->parallel = is_here || out->there ? (uint32_t)parallel : 1;
    }
    if (fd >= 0) {
        close(fd);
    }
}

void ti_job_daemon_look(ti_job_daemon *out, const char *dir)
{
    *out = (ti_job_daemon){.parallel = 1};
    int fd = open_wake(dir);
    out->there = fd >= 0;
    if (fd >= 0) {
        close(fd);
    }
    look_at_lock(out, dir, out->there);
}

tern_status ti_job_daemon_sign(int lock, uint32_t parallel, tern_err *err)
{
    ti_job_process self = {0};
    char text[TI_PROCESS_TEXT + 16];
    (void)ti_process_look(&self, getpid());
    ti_process_write(text, &self);
    size_t len = strlen(text);
    snprintf(text + len, sizeof text - len, "%u\n", (unsigned)parallel);
    len = strlen(text);
    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, len, 0) != (ssize_t)len) {
        return ti_fail_errno(err, errno, "jobs", "cannot write 'jobd.lock'");
    }
    return TERN_OK;
}

bool ti_job_daemon_warn(const ti_job_place *place)
{
    ti_job_daemon d;
    uint64_t open = 0;
    ti_job_daemon_look(&d, place->dir);
    if (!d.there && ti_queue_count(place->queue, &open, TI_JOBS_OWN, 0, NULL) == TERN_OK &&
        open > 0) {
        ti_warn("no daemon serves this queue: nothing starts ('tern jobd' starts one, 'tern "
                "jobd --install' has systemd do so)");
    }
    return d.there;
}

/* --- starting it ----------------------------------------------------------------------------
 */

static int spawn(pid_t *pid, char *const *argv, const char *log, int input)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t all, none;
    int e = posix_spawnattr_init(&attr);
    if (e != 0) {
        return e;
    }
    e = posix_spawn_file_actions_init(&files);
    if (e == 0) {
        sigfillset(&all);
        sigemptyset(&none);
        posix_spawnattr_setsigdefault(&attr, &all);
        posix_spawnattr_setsigmask(&attr, &none);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                            POSIX_SPAWN_SETSIGMASK);
        if (input >= 0) {
            posix_spawn_file_actions_adddup2(&files, input, 0);
        } else {
            posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        }
        posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND,
                                         S_IRUSR | S_IWUSR);
        posix_spawn_file_actions_adddup2(&files, 1, 2);
        e = posix_spawn(pid, "/proc/self/exe", &files, &attr, argv, environ);
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attr);
    return e;
}

tern_status ti_job_spawn_self(pid_t *pid, char *const *argv, const char *dir, int input,
                              tern_err *err)
{
    char *log;
    TI_TRY(ti_queue_path(&log, dir, 0, "jobd.log", err));
    int e = spawn(pid, argv, log, input);
    free(log);
    return e == 0 ? TERN_OK : ti_fail_errno(err, e, "jobs", "cannot start a process");
}

tern_status ti_job_start_daemon(const char *dir, bool until_idle, tern_err *err)
{
    enum { TRIES = 100, TRY_NS = 50000000 };
    char name[] = "tern", jobd[] = "jobd", front[] = "--foreground", queue[] = "--queue",
         idle[] = "--until-idle";
    char *copy = strdup(dir);
    char *argv[] = {name, jobd, front, queue, copy, until_idle ? idle : NULL, NULL};
    pid_t pid = -1;
    int ended = 0;
    tern_status status = copy ? ti_job_spawn_self(&pid, argv, dir, -1, err)
                              : ti_fail_nomem(err, "jobs", strlen(dir), "a path");
    free(copy);
    TI_TRY(status);
    for (int i = 0; i < TRIES; i++) {
        struct timespec wait = {.tv_nsec = TRY_NS};
        if (ti_job_wake(dir)) {
            return TERN_OK;
        }
        /* With short jobs it may have come and gone between two looks. */
        if (waitpid(pid, &ended, WNOHANG) == pid) {
            if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) {
                return TERN_OK;
            }
            break;
        }
        nanosleep(&wait, NULL);
    }
    return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                   "the daemon does not start: see jobd.log in the queue's directory");
}
