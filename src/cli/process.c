/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads a small file of the kernel into out[cap].  False when it is not there. */
static bool read_small(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        return false;
    }
    size_t n = fread(out, 1, cap - 1, f);
    fclose(f);
    out[n] = '\0';
    return n > 0;
}

/* State and start of /proc/PID/stat: fields 3 and 22, behind the name, which may hold anything
 * (proc(5)). */
static bool read_stat(int64_t pid, char *state, uint64_t *start)
{
    enum { START = 22, AFTER_NAME = 3 };
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    if (!read_small(path, text, sizeof text)) {
        return false;
    }
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ') {
        return false;
    }
    at += 2;
    *state = *at;
    for (int field = AFTER_NAME; field < START; field++) {
        at = strchr(at, ' ');
        if (!at) {
            return false;
        }
        at++;
    }
    *start = strtoull(at, NULL, 10);
    return true;
}

static void read_boot(char out[TI_JOB_BOOT_MAX + 1])
{
    char text[TI_JOB_BOOT_MAX + 2];
    out[0] = '\0';
    if (read_small("/proc/sys/kernel/random/boot_id", text, sizeof text)) {
        text[strcspn(text, "\n")] = '\0';
        snprintf(out, TI_JOB_BOOT_MAX + 1, "%s", text);
    }
}

/* The name is for people; the machine-id(5) tells machines apart whose names are equal or
 * change. */
static void read_host(char out[TI_JOB_HOST_MAX + 1])
{
    enum { NAME_MAX_LEN = 64, ID = 32 };
    char name[NAME_MAX_LEN + 1] = "", id[ID + 2] = "";
    if (gethostname(name, sizeof name) != 0) {
        name[0] = '\0';
    }
    name[NAME_MAX_LEN] = '\0';
    for (char *c = name; *c; c++) {
        *c = *c <= ' ' || *c == '/' || *c == 0x7f ? '_' : *c;
    }
    if (!read_small("/etc/machine-id", id, sizeof id) || strspn(id, "0123456789abcdef") != ID) {
        id[0] = '\0';
    }
    snprintf(out, TI_JOB_HOST_MAX + 1, "%s/%.*s", name, ID, id);
}

bool ti_process_is_here(const ti_job_process *process)
{
    char host[TI_JOB_HOST_MAX + 1], boot[TI_JOB_BOOT_MAX + 1];
    read_boot(boot);
    if (!*process->host || (*boot && strcmp(boot, process->boot) == 0)) {
        return true; /* no two machines have the same boot; a container may have another name */
    }
    read_host(host);
    const char *mine = strchr(host, '/'), *its = strchr(process->host, '/');
    if (its && mine[1] && its[1]) {
        return strcmp(mine, its) == 0;
    }
    return strcmp(host, process->host) == 0;
}

void ti_process_write(char out[TI_PROCESS_TEXT], const ti_job_process *p)
{
    snprintf(out, TI_PROCESS_TEXT, "%lld %llu %s %s\n", (long long)p->pid,
             (unsigned long long)p->start, *p->boot ? p->boot : "-", p->host);
}

bool ti_process_read(ti_job_process *out, const char *line)
{
    ti_job_process p = {0};
    char *at;
    p.pid = strtoll(line, &at, 10);
    if (at == line || *at != ' ' || p.pid <= 0) {
        return false;
    }
    p.start = strtoull(at, &at, 10);
    size_t boot = *at == ' ' ? strcspn(at + 1, " \n") : 0;
    if (boot == 0 || boot > TI_JOB_BOOT_MAX || at[boot + 1] != ' ') {
        return false;
    }
    snprintf(p.boot, sizeof p.boot, "%.*s", (int)boot, at + 1);
    at += boot + 2;
    size_t host = strcspn(at, " \n");
    if (host > TI_JOB_HOST_MAX || !at[host]) {
        return false;
    }
    snprintf(p.host, sizeof p.host, "%.*s", (int)host, at);
    *out = p;
    return true;
}

const char *ti_process_host(char out[TI_JOB_HOST_MAX + 1], const ti_job_process *process)
{
    snprintf(out, TI_JOB_HOST_MAX + 1, "%.*s", (int)strcspn(process->host, "/"), process->host);
    return out;
}

bool ti_process_look(ti_job_process *out, int64_t pid)
{
    ti_job_process p = {.pid = pid};
    char state;
    if (!read_stat(pid, &state, &p.start)) {
        return false;
    }
    read_boot(p.boot);
    read_host(p.host);
    *out = p;
    return true;
}

bool ti_process_lives(const ti_job_process *process)
{
    char state, boot[TI_JOB_BOOT_MAX + 1];
    uint64_t start;
    if (process->pid <= 0 || !read_stat(process->pid, &state, &start)) {
        return false;
    }
    read_boot(boot);
    return start == process->start && strcmp(boot, process->boot) == 0 && state != 'Z' &&
           state != 'X';
}

bool ti_process_signal(const ti_job_process *process, int number)
{
#if defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)
    /* The handle is taken first: whoever has the number afterwards, it means this one. */
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)process->pid, 0);
    if (fd >= 0) {
        bool sent = ti_process_lives(process) &&
                    syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) == 0;
        close(fd);
        return sent;
    }
#endif
    return ti_process_lives(process) && kill((pid_t)process->pid, number) == 0;
}
