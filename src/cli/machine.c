/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/machine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Copies the value of the first line "key : value" of a file; the value loses its newline. */
static bool find_line(char *out, size_t cap, const char *path, const char *key)
{
    char line[512];
    bool found = false;
    FILE *f = fopen(path, "re");
    if (!f) {
        return false;
    }
    while (!found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0) {
            continue;
        }
        char *value = colon + 1 + strspn(colon + 1, " \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, cap, "%s", value);
        found = true;
    }
    fclose(f);
    return found;
}

/* First line of a file, without its newline. */
static bool read_line(char *out, size_t cap, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        return false;
    }
    bool ok = fgets(out, (int)cap, f) != NULL;
    if (ok) {
        out[strcspn(out, "\n")] = '\0';
    }
    fclose(f);
    return ok;
}

/* "always [madvise] never": the word in brackets. */
static void read_huge_pages(ti_machine *m)
{
    char line[64];
    if (!read_line(line, sizeof line, "/sys/kernel/mm/transparent_hugepage/enabled")) {
        return;
    }
    char *open = strchr(line, '[');
    char *close = open ? strchr(open, ']') : NULL;
    if (close) {
        *close = '\0';
        snprintf(m->huge_pages, sizeof m->huge_pages, "%.15s", open + 1);
    }
}

static void read_memory(ti_machine *m)
{
    char text[64];
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) {
        m->memory_bytes = (uint64_t)pages * (uint64_t)page;
    }
    if (find_line(text, sizeof text, "/proc/meminfo", "MemAvailable")) {
        m->available_bytes = strtoull(text, NULL, 10) * 1024;
    }
    /* In a container the limit of the control group counts, not the machine. */
    if (read_line(text, sizeof text, "/sys/fs/cgroup/memory.max") && text[0] != 'm') {
        uint64_t limit = strtoull(text, NULL, 10);
        if (limit > 0 && limit < m->memory_bytes) {
            m->memory_bytes = limit;
        }
    }
    if (m->available_bytes > m->memory_bytes) {
        m->available_bytes = m->memory_bytes;
    }
}

static char cpu[sizeof((ti_machine *)NULL)->cpu];

static void read_cpu(void)
{
    if (!find_line(cpu, sizeof cpu, "/proc/cpuinfo", "model name")) {
        (void)find_line(cpu, sizeof cpu, "/proc/cpuinfo", "Model");
    }
}

const char *ti_machine_cpu(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_cpu);
    return cpu;
}

void ti_machine_look(ti_machine *out)
{
    struct utsname name;
    *out = (ti_machine){0};
    snprintf(out->cpu, sizeof out->cpu, "%s", ti_machine_cpu());
    if (uname(&name) == 0) {
        snprintf(out->system, sizeof out->system, "%.40s %.60s %.40s", name.sysname,
                 name.release, name.machine);
    }
    read_huge_pages(out);
    read_memory(out);
}

uint64_t ti_peak_memory(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

uint64_t ti_resident_memory(void)
{
    char line[128];
    long page = sysconf(_SC_PAGESIZE);
    if (page <= 0 || !read_line(line, sizeof line, "/proc/self/statm")) {
        return 0;
    }
    char *second = strchr(line, ' '); /* pages: size, resident, ... */
    return second ? strtoull(second, NULL, 10) * (uint64_t)page : 0;
}
