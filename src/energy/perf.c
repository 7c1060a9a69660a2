/* SPDX-License-Identifier: Apache-2.0 */
/* RAPL through perf: the PMU `power` of /sys/bus/event_source/devices.
 *
 * Facts (arch/x86/events/rapl.c of Linux, perf_event_open(2)): events energy-pkg, -ram, -psys,
 * -cores and -gpu; one CPU of each package counts (file cpumask); counts of 2^-32 J that the
 * kernel accumulates in 64 bits, so that there is no wrap to undo; system-wide only, which
 * needs CAP_PERFMON or kernel.perf_event_paranoid of at most 0. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/syscall.h>
#endif

#include "energy/meter_parts.h"

__extension__ typedef unsigned __int128 wide;

#define PMU "/sys/bus/event_source/devices/power"

enum { MAX_CPUS = 256 }; /* packages of one machine */

static const char denied_fix[] =
    "setcap cap_perfmon=ep \"$(command -v tern)\"    # as root; or, for every program:\n"
    "sysctl kernel.perf_event_paranoid=0    # as root; lasts until the next start\n";

static int open_on_this_kernel(void *ctx, uint32_t type, uint64_t config, int cpu)
{
    (void)ctx;
#ifdef __linux__
    struct perf_event_attr attr = {.type = type, .size = sizeof attr, .config = config};
    long fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
#else
    (void)type;
    (void)config;
    (void)cpu;
    return -ENOSYS;
#endif
}

static int open_event(const ti_meter_env *env, uint32_t type, uint64_t config, int cpu)
{
    if (env->perf_open) {
        return env->perf_open(env->perf_ctx, type, config, cpu);
    }
    /* Files of another machine say nothing about this kernel. */
    return env->sysroot ? -ENODEV : open_on_this_kernel(NULL, type, config, cpu);
}

/* What the files of one event say. */
typedef struct event {
    uint32_t type;
    uint64_t config, scale;
    unsigned shift;
} event;

/* Reads <root>PMU/<name> with the text after it. */
static int read_pmu(const char *root, const char *name, const char *suffix,
                    char text[TI_SYS_TEXT], size_t *len)
{
    static const char pmu[] = PMU "/";
    size_t n = strlen(root), m = strlen(name), k = strlen(suffix);
    char *path = malloc(n + sizeof pmu + m + k);
    if (!path) {
        return ENOMEM;
    }
    memcpy(path, root, n);
    memcpy(path + n, pmu, sizeof pmu - 1);
    memcpy(path + n + sizeof pmu - 1, name, m);
    memcpy(path + n + sizeof pmu - 1 + m, suffix, k + 1);
    int errnum = ti_sys_read(path, text, len);
    free(path);
    return errnum;
}

/* 0, errno, or EBADMSG for files that make no sense. */
static int read_event(event *out, const ti_meter_env *env, const char *name)
{
    const char *root = env->sysroot ? env->sysroot : "";
    char text[TI_SYS_TEXT], file[64];
    size_t len = 0;
    uint64_t type = 0;
    static const char folder[] = "events/";
    size_t n = strlen(name);
    if (n + sizeof folder > sizeof file) {
        return EBADMSG;
    }
    memcpy(file, folder, sizeof folder - 1);
    memcpy(file + sizeof folder - 1, name, n + 1);
    int errnum = read_pmu(root, "type", "", text, &len);
    if (errnum || !ti_sys_parse_u64(text, len, &type) || type > UINT32_MAX) {
        return errnum ? errnum : EBADMSG;
    }
    out->type = (uint32_t)type;
    errnum = read_pmu(root, file, "", text, &len);
    if (errnum || !ti_sys_parse_event(text, len, &out->config)) {
        return errnum ? errnum : EBADMSG;
    }
    errnum = read_pmu(root, file, ".unit", text, &len);
    if (errnum || strcmp(text, "Joules") != 0) {
        return errnum ? errnum : EBADMSG;
    }
    errnum = read_pmu(root, file, ".scale", text, &len);
    if (errnum || !ti_sys_joule_scale(text, len, &out->scale, &out->shift)) {
        return errnum ? errnum : EBADMSG;
    }
    return 0;
}

/* Tries it once. */
static tern_status probe(ti_lister *lister, ti_meter_info *info, int event_errnum,
                         const event *e, uint32_t cpu)
{
    int fd =
        event_errnum ? -event_errnum : open_event(lister->env, e->type, e->config, (int)cpu);
    if (fd >= 0) {
        close(fd);
        return TERN_OK;
    }
    if (fd == -ENOMEM) {
        return TERN_NOMEM;
    }
    info->state = TI_METER_BROKEN;
    info->fix = "";
    if (fd == -EACCES || fd == -EPERM) {
        info->state = TI_METER_DENIED;
        info->reason = "this user may not count events of the whole system";
        info->fix = denied_fix;
    } else if (!event_errnum && lister->env->sysroot && !lister->env->perf_open) {
        info->state = TI_METER_OFF;
        info->reason = "events are counted by a running kernel, not by files";
    } else if (fd == -EBADMSG) {
        info->reason = "the files that describe the event make no sense";
    } else {
        tern_err err;
        (void)ti_fail_errno(&err, -fd, "energy", "the event cannot be opened");
        info->reason = ti_lister_text(lister, "%s", err.message);
    }
    return TERN_OK;
}

/* One meter for each package's CPU. */
static tern_status add_event(ti_lister *lister, const char *name, ti_boundary boundary,
                             const uint32_t *cpus, size_t n_cpus, tern_err *err)
{
    event e = {0};
    int errnum = read_event(&e, lister->env, name);
    if (errnum == ENOENT) {
        return TERN_OK; /* this processor has no such counter */
    }
    for (size_t i = 0; i < n_cpus; i++) {
        ti_meter_info info = {
            .name = ti_lister_text(lister, "perf/%s/cpu%u", name, (unsigned)cpus[i]),
            .label = name,
            .path = ti_lister_path(lister, PMU "/events/%s", name),
            .device = "power",
            .unit = "2^-32 J",
            .kind = TI_METER_PERF,
            .boundary = boundary,
            .socket = (uint32_t)i,
        };
        if (probe(lister, &info, errnum, &e, cpus[i]) != TERN_OK) {
            return ti_fail_nomem(err, "energy", 0, "a perf event");
        }
        TI_TRY(ti_lister_add(lister, &info, err));
    }
    return TERN_OK;
}

static tern_status list(ti_lister *lister, tern_err *err)
{
    static const struct {
        const char *name;
        ti_boundary boundary;
    } events[] = {
        {"energy-pkg", TI_BOUNDARY_PACKAGE}, {"energy-ram", TI_BOUNDARY_DRAM},
        {"energy-psys", TI_BOUNDARY_PSYS},   {"energy-cores", TI_BOUNDARY_CORE},
        {"energy-gpu", TI_BOUNDARY_UNCORE},
    };
    const char *root = lister->env->sysroot ? lister->env->sysroot : "";
    char text[TI_SYS_TEXT];
    uint32_t cpus[MAX_CPUS];
    size_t len = 0, n_cpus = 0;
    int errnum = read_pmu(root, "cpumask", "", text, &len);
    if (errnum == ENOMEM) {
        return ti_fail_nomem(err, "energy", 0, "a path");
    }
    if (errnum || !ti_sys_parse_cpus(text, len, cpus, MAX_CPUS, &n_cpus)) {
        return ti_lister_absent(lister, TI_METER_PERF,
                                errnum == EACCES || errnum == EPERM
                                    ? "the files of the PMU 'power' may not be read"
                                : errnum ? "the kernel has no PMU 'power'"
                                         : "the PMU 'power' names no CPUs",
                                lister->is_virtual ? "" : "modprobe rapl    # as root\n", err);
    }
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        TI_TRY(add_event(lister, events[i].name, events[i].boundary, cpus, n_cpus, err));
    }
    return TERN_OK;
}

static tern_status open_meter(ti_meter *meter, const ti_meter_env *env, tern_err *err)
{
    event e = {0};
    const char *name = meter->info->label, *cpu = strrchr(meter->info->name, '/');
    int errnum = read_event(&e, env, name);
    if (errnum == ENOMEM) {
        return ti_fail_nomem(err, "energy", 0, "a path");
    }
    if (errnum) {
        return ti_fail_errno(err, errnum, "energy", "event '%s'", name);
    }
    int fd = open_event(env, e.type, e.config, (int)ti_sys_number_in(cpu ? cpu : "", 0));
    if (fd < 0) {
        return ti_fail_errno(err, -fd, "energy", "event '%s'", name);
    }
    meter->fd = fd;
    meter->scale = e.scale;
    meter->shift = e.shift;
    return TERN_OK;
}

static void read_meter(ti_meter *meter, ti_reading *out)
{
    uint64_t count = 0;
    ssize_t got = 0;
    do {
        got = read(meter->fd, &count, sizeof count);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof count) {
        /* 0 bytes: the event is in an error state, for example after its CPU went away. */
        out->flags = got < 0 ? ti_sys_flags(errno) : TI_READ_GONE;
        return;
    }
    wide energy_uj = (wide)count * meter->scale >> meter->shift;
    if (energy_uj > UINT64_MAX) {
        out->flags = TI_READ_GARBAGE;
        return;
    }
    out->energy_uj = (uint64_t)energy_uj;
}

static void close_meter(ti_meter *meter)
{
    if (meter->fd >= 0) {
        close(meter->fd);
    }
}

const ti_meter_driver ti_meter_perf = {list, open_meter, read_meter, close_meter};
