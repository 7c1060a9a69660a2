/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* pipe2 */
#include "cli/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/out.h"

enum { BY_SIGNAL = 128, LOOK_MS = 100, SAID_MAX = 4096 };
static const uint64_t ns_per_s = 1000000000;

void ti_captured_free(ti_captured *captured)
{
    ti_buf_free(&captured->out);
    *captured = (ti_captured){0};
}

static int start(pid_t *pid, char *const *argv, const int *ends)
{
    posix_spawn_file_actions_t files;
    int e = posix_spawn_file_actions_init(&files);
    if (e != 0) {
        return e;
    }
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
    posix_spawn_file_actions_adddup2(&files, ends[3], 2);
    e = posix_spawnp(pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    return e;
}

/* Reads both until they are closed; of what is said only the beginning is kept.  False when
 * time is up or it says too much. */
static bool read_both(ti_captured *c, ti_buf *said, int out, int bad, uint64_t until_ns)
{
    struct pollfd fds[] = {{.fd = out, .events = POLLIN}, {.fd = bad, .events = POLLIN}};
    ti_buf *const texts[] = {&c->out, said};
    while ((fds[0].fd >= 0 || fds[1].fd >= 0) && c->out.len <= TI_CAPTURE_MAX) {
        if (ti_now_ns() > until_ns) {
            return false;
        }
        (void)poll(fds, 2, LOOK_MS);
        for (int i = 0; i < 2; i++) {
            char bytes[4096];
            if (fds[i].fd < 0 || fds[i].revents == 0) {
                continue;
            }
            ssize_t n = read(fds[i].fd, bytes, sizeof bytes);
            if (n > 0 && i == 1 && said->len >= SAID_MAX) {
                continue;
            }
            if (n > 0) {
                ti_buf_add(texts[i], bytes, (size_t)n);
            } else if (n == 0 || errno != EINTR) {
                fds[i].fd = -1;
            }
        }
    }
    return c->out.len <= TI_CAPTURE_MAX;
}

/* Waits until it has ended.  False when time is up. */
static bool await_end(int *status, pid_t pid, uint64_t until_ns)
{
    enum { FIRST_NS = 1000000, LONGEST_NS = LOOK_MS * 1000000 };
    struct timespec pause = {.tv_nsec = FIRST_NS};
    for (;;) {
        pid_t n = waitpid(pid, status, WNOHANG);
        if (n == pid || (n < 0 && errno != EINTR)) {
            return true;
        }
        if (ti_now_ns() > until_ns) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
        pause.tv_nsec = pause.tv_nsec < LONGEST_NS / 2 ? pause.tv_nsec * 2 : LONGEST_NS;
    }
}

static tern_status finish(ti_captured *c, const ti_buf *said, pid_t pid, bool whole,
                          uint64_t until_ns, const char *name, tern_err *err)
{
    int status = 0;
    /* It may have closed both and go on. */
    if (!whole || !await_end(&status, pid, until_ns)) {
        whole = false;
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    if (!whole) {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "'%.40s' does not end, or says too much", name);
    }
    if (c->out.failed || said->failed) {
        return ti_fail_nomem(err, "jobs", c->out.len, "what a program says");
    }
    size_t n = said->data ? strcspn(said->data, "\n") : 0;
    n = n < sizeof c->said ? n : sizeof c->said - 1;
    memcpy(c->said, n ? said->data : "", n);
    c->said[n] = '\0';
    c->exit_code = WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
    ti_buf_adds(&c->out, ""); /* so that there is a NUL */
    return c->out.failed ? ti_fail_nomem(err, "jobs", 1, "what a program says") : TERN_OK;
}

tern_status ti_capture(ti_captured *out, char *const *argv, unsigned seconds, tern_err *err)
{
    ti_captured c = {0};
    ti_buf said = {0};
    int ends[4] = {-1, -1, -1, -1};
    pid_t pid;
    tern_status status = TERN_OK;
    if (pipe2(ends, O_CLOEXEC) != 0 || pipe2(ends + 2, O_CLOEXEC) != 0) {
        status = ti_fail_errno(err, errno, "jobs", "cannot make a pipe");
    }
    int e = status == TERN_OK ? start(&pid, argv, ends) : 0;
    if (e != 0) {
        status = ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET, "cannot run '%.40s': %s",
                         argv[0], strerror(e));
    }
    for (int i = 1; i < 4; i += 2) {
        if (ends[i] >= 0) {
            close(ends[i]);
        }
    }
    if (status == TERN_OK) {
        uint64_t until_ns = ti_now_ns() + seconds * ns_per_s;
        bool whole = read_both(&c, &said, ends[0], ends[2], until_ns);
        status = finish(&c, &said, pid, whole, until_ns, argv[0], err);
    }
    for (int i = 0; i < 4; i += 2) {
        if (ends[i] >= 0) {
            close(ends[i]);
        }
    }
    ti_buf_free(&said);
    if (status != TERN_OK) {
        ti_captured_free(&c);
        return status;
    }
    *out = c;
    return TERN_OK;
}
