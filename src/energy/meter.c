/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/meter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "energy/meter_parts.h"

/* NULL where a kind belongs to another system. */
static const ti_meter_driver *const drivers[TI_METER_KINDS] = {
#ifdef _WIN32
    [TI_METER_EMI] = &ti_meter_emi,
#else
    [TI_METER_POWERCAP] = &ti_meter_powercap, [TI_METER_PERF] = &ti_meter_perf,
    [TI_METER_HWMON] = &ti_meter_hwmon,       [TI_METER_NVML] = &ti_meter_nvml,
    [TI_METER_BATTERY] = &ti_meter_battery,
#endif
};

/* The largest processors sold in 2025 have a TDP of 500 W, graphics cards 1,200 W, battery
 * chargers 240 W; twice that is above every peak.  A machine behind one meter may be a rack's
 * node with eight cards.  Too large costs some more reads, too small would lose energy. */
const uint64_t ti_meter_max_power_uw[TI_BOUNDARIES] = {
    [TI_BOUNDARY_PACKAGE] = UINT64_C(1000000000), [TI_BOUNDARY_DRAM] = UINT64_C(500000000),
    [TI_BOUNDARY_CORE] = UINT64_C(1000000000),    [TI_BOUNDARY_UNCORE] = UINT64_C(1000000000),
    [TI_BOUNDARY_PSYS] = UINT64_C(4000000000),    [TI_BOUNDARY_GPU] = UINT64_C(2400000000),
    [TI_BOUNDARY_SYSTEM] = UINT64_C(40000000000), [TI_BOUNDARY_BATTERY] = UINT64_C(480000000),
    [TI_BOUNDARY_OTHER] = UINT64_C(40000000000),
};

/* --- words ------------------------------------------------------------------------------ */

const char *ti_meter_kind_name(ti_meter_kind kind)
{
    static const char *const names[TI_METER_KINDS] = {"powercap", "perf", "emi",
                                                      "hwmon",    "nvml", "battery"};
    return (unsigned)kind < TI_METER_KINDS ? names[kind] : "?";
}

const char *ti_boundary_name(ti_boundary boundary)
{
    static const char *const names[TI_BOUNDARIES] = {
        "package", "dram", "core", "uncore", "psys", "gpu", "system", "battery", "other"};
    return (unsigned)boundary < TI_BOUNDARIES ? names[boundary] : "?";
}

const char *ti_meter_state_name(ti_meter_state state)
{
    static const char *const names[TI_METER_STATES] = {"works", "absent", "denied", "off",
                                                       "broken"};
    return (unsigned)state < TI_METER_STATES ? names[state] : "?";
}

const char *ti_evidence_name(ti_evidence evidence)
{
    static const char *const names[] = {"measured", "modelled", "declared", "replayed"};
    return (unsigned)evidence < sizeof names / sizeof names[0] ? names[evidence] : "?";
}

const char *ti_meter_role_name(ti_meter_role role)
{
    static const char *const names[TI_ROLES] = {"counted", "unusable", "duplicate",
                                                "part",    "unused",   "other"};
    return (unsigned)role < TI_ROLES ? names[role] : "?";
}

/* --- the list --------------------------------------------------------------------------- */

const char *ti_lister_text(ti_lister *lister, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : ti_arena_alloc(&lister->set.arena, (size_t)len + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)len + 1, format, args);
        va_end(args);
    } else {
        lister->failed = true;
    }
    return text;
}

static tern_status grow(ti_lister *lister, tern_err *err)
{
    if (lister->set.n == TI_METERS_MAX) {
        return ti_fail(err, TERN_LIMIT, "energy", TI_NO_OFFSET,
                       "this machine has more than %d energy meters", TI_METERS_MAX);
    }
    size_t cap = lister->cap ? 2 * lister->cap : 32;
    ti_meter_info *items = ti_arena_calloc(&lister->set.arena, cap, sizeof *items);
    if (!items) {
        return ti_fail_nomem(err, "energy", cap * sizeof *items, "the list of meters");
    }
    if (lister->set.n > 0) {
        memcpy(items, lister->set.items, lister->set.n * sizeof *items);
    }
    lister->set.items = items;
    lister->cap = cap;
    return TERN_OK;
}

const char *ti_lister_label(ti_lister *lister, const char *path)
{
    char text[TI_SYS_TEXT];
    size_t len = 0;
    if (!path) {
        return NULL;
    }
    if (ti_sys_read(path, text, &len) != 0) {
        return "";
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
    }
    return ti_lister_text(lister, "%s", text);
}

tern_status ti_lister_add(ti_lister *lister, const ti_meter_info *info, tern_err *err)
{
    ti_meter_info entry = *info;
    if (!entry.name || !entry.label || !entry.path || !entry.device || !entry.unit ||
        (entry.state != TI_METER_WORKS && (!entry.reason || !entry.fix))) {
        return ti_fail_nomem(err, "energy", 0, "the description of a meter");
    }
    if (entry.state == TI_METER_WORKS) {
        entry.reason = "";
        entry.fix = "";
    }
    if (entry.max_power_uw == 0) {
        entry.max_power_uw = ti_meter_max_power_uw[entry.boundary];
    }
    if (lister->set.n == lister->cap) {
        TI_TRY(grow(lister, err));
    }
    lister->set.items[lister->set.n++] = entry;
    return TERN_OK;
}

tern_status ti_lister_absent(ti_lister *lister, ti_meter_kind kind, const char *reason,
                             const char *fix, tern_err *err)
{
    ti_meter_info info = {.name = ti_meter_kind_name(kind),
                          .label = "",
                          .path = "",
                          .device = "",
                          .unit = "",
                          .reason = reason,
                          .fix = fix,
                          .kind = kind,
                          .boundary = TI_BOUNDARY_OTHER,
                          .state = TI_METER_ABSENT};
    return ti_lister_add(lister, &info, err);
}

/* The kernel repeats the flags of the processor for each core; the first 8 KiB hold one. */
static bool is_virtual(ti_lister *lister)
{
    static const char flag[] = " hypervisor";
    char text[8192];
    const char *path = ti_lister_path(lister, "/proc/cpuinfo%s", "");
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!file) {
        return false;
    }
    size_t n = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    for (size_t i = 0; i + sizeof flag - 1 <= n; i++) {
        if (memcmp(text + i, flag, sizeof flag - 1) == 0) {
            return true;
        }
    }
    return false;
}

tern_status ti_meter_list(ti_meter_set *out, const ti_meter_env *env, tern_err *err)
{
    static const ti_meter_env this_machine = {0};
    ti_lister lister = {.env = env ? env : &this_machine};
    tern_status status = TERN_OK;
    lister.is_virtual = is_virtual(&lister);
    for (size_t k = 0; k < TI_METER_KINDS && status == TERN_OK; k++) {
        status = drivers[k] ? drivers[k]->list(&lister, err) : TERN_OK;
    }
    if (status == TERN_OK && lister.failed) {
        status = ti_fail_nomem(err, "energy", 0, "the list of meters");
    }
    if (status == TERN_OK) {
        *out = lister.set;
    } else {
        ti_meter_set_free(&lister.set);
    }
    return status;
}

void ti_meter_set_free(ti_meter_set *set)
{
    ti_arena_free(&set->arena);
    *set = (ti_meter_set){0};
}

const ti_meter_info *ti_meter_find(const ti_meter_set *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->items[i].name, name) == 0) {
            return &set->items[i];
        }
    }
    return NULL;
}

/* --- one meter -------------------------------------------------------------------------- */

static tern_status open_files(ti_meter *meter, tern_err *err)
{
    for (size_t i = 0; i < TI_METER_FILES; i++) {
        int errnum = meter->files[i].path ? ti_sys_file_open(&meter->files[i]) : 0;
        if (errnum) {
            return ti_fail_errno(err, errnum, "energy", "cannot open '%s'",
                                 meter->files[i].path);
        }
    }
    return TERN_OK;
}

void ti_meter_read_number(ti_meter *meter, ti_reading *out)
{
    char text[TI_SYS_TEXT];
    size_t len = 0;
    uint64_t value = 0;
    out->flags = ti_sys_flags(ti_sys_file_read(&meter->files[0], text, &len));
    if (out->flags) {
        return;
    }
    if (!ti_sys_parse_u64(text, len, &value)) {
        out->flags = TI_READ_GARBAGE;
    } else if (meter->info->is_power) {
        out->power_uw = value;
    } else {
        out->energy_uj = value;
    }
}

tern_status ti_meter_open(ti_meter **out, const ti_meter_info *info, const ti_meter_env *env,
                          tern_err *err)
{
    static const ti_meter_env this_machine = {0};
    if (info->state != TI_METER_WORKS || (unsigned)info->kind >= TI_METER_KINDS ||
        !drivers[info->kind]) {
        return ti_fail(err, TERN_UNAVAILABLE, "energy", TI_NO_OFFSET, "meter '%s' is %s%s%s",
                       info->name, ti_meter_state_name(info->state),
                       info->reason && *info->reason ? ": " : "",
                       info->reason ? info->reason : "");
    }
    ti_meter *meter = ti_calloc(1, sizeof *meter);
    if (!meter) {
        return ti_fail_nomem(err, "energy", sizeof *meter, "a meter");
    }
    meter->info = info;
    meter->driver = drivers[info->kind];
    meter->fd = -1;
    for (size_t i = 0; i < TI_METER_FILES; i++) {
        meter->files[i].fd = -1;
    }
    tern_status status = meter->driver->open(meter, env ? env : &this_machine, err);
    if (status == TERN_OK) {
        status = open_files(meter, err);
    }
    if (status != TERN_OK) {
        ti_meter_close(meter);
        return status;
    }
    *out = meter;
    return TERN_OK;
}

void ti_meter_read(ti_meter *meter, ti_time now, ti_reading *out)
{
    ti_reading reading = {.time = now};
    meter->driver->read(meter, &reading);
    if (meter->info->range_uj > 0 && reading.energy_uj > meter->info->range_uj) {
        reading.flags |= TI_READ_GARBAGE;
    }
    if (reading.flags) {
        reading.energy_uj = 0;
        reading.power_uw = 0;
    }
    *out = reading;
}

void ti_meter_close(ti_meter *meter)
{
    if (!meter) {
        return;
    }
    meter->driver->close(meter);
    for (size_t i = 0; i < TI_METER_FILES; i++) {
        ti_sys_file_close(&meter->files[i]);
        free(meter->paths[i]);
    }
    free(meter);
}

const ti_meter_info *ti_meter_of(const ti_meter *meter)
{
    return meter->info;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

ti_time ti_time_now(void)
{
#ifdef CLOCK_BOOTTIME
    return (ti_time){.mono_ns = clock_ns(CLOCK_MONOTONIC), .boot_ns = clock_ns(CLOCK_BOOTTIME)};
#else
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    return (ti_time){.mono_ns = now_ns, .boot_ns = now_ns};
#endif
}
