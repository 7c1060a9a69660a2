/* SPDX-License-Identifier: Apache-2.0 */
/* RAPL through Linux's powercap tree: /sys/class/powercap/CONTROL:ZONE[:SUBZONE]/energy_uj.
 *
 * Facts (Documentation/power/powercap/powercap.rst and drivers/powercap of Linux): counters of
 * 32 bits in units of 2^-14 or 2^-16 J, shown as microjoules that start again after
 * max_energy_range_uj.  AMD's packages appear under the name intel-rapl, too.  Client
 * processors show one package twice: through its MSR (intel-rapl) and through memory
 * (intel-rapl-mmio).
 *
 * `enabled` is 0 where the *power limit* is off or locked by the firmware: the usual state of
 * cores and memory.  It says nothing about the counter, so a zone is off only when it is
 * disabled and its counter stands at zero. */
#include <errno.h>
#include <string.h>

#include "energy/meter_parts.h"

static const char absent_fix[] =
    "modprobe intel_rapl_msr    # as root; AMD processors from Zen on use the same module\n";

static ti_boundary boundary_of(const char *name)
{
    static const struct {
        const char *prefix;
        ti_boundary boundary;
    } table[] = {
        {"package", TI_BOUNDARY_PACKAGE}, {"dram", TI_BOUNDARY_DRAM},
        {"core", TI_BOUNDARY_CORE},       {"uncore", TI_BOUNDARY_UNCORE},
        {"psys", TI_BOUNDARY_PSYS},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strncmp(name, table[i].prefix, strlen(table[i].prefix)) == 0) {
            return table[i].boundary;
        }
    }
    return TI_BOUNDARY_OTHER;
}

/* Twice the highest limit that the zone tells, if that is more than what is believed anyway;
 * within what can be a limit. */
static uint64_t max_power_uw(ti_lister *lister, const char *zone, ti_boundary boundary)
{
    static const char *const files[] = {"power_limit_uw", "max_power_uw"};
    enum { CONSTRAINTS = 3, TIMES = 2 };
    const uint64_t absurd_uw = UINT64_C(20000000000);
    uint64_t most_uw = ti_meter_max_power_uw[boundary];
    for (unsigned k = 0; k < CONSTRAINTS; k++) {
        for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
            uint64_t limit_uw = 0;
            const char *path = ti_lister_path(lister, "/sys/class/powercap/%s/constraint_%u_%s",
                                              zone, k, files[f]);
            if (ti_sys_read_u64(path, &limit_uw) == 0 && limit_uw <= absurd_uw &&
                TIMES * limit_uw > most_uw) {
                most_uw = TIMES * limit_uw;
            }
        }
    }
    return most_uw;
}

/* A counter that can be read may still be none. */
static void judge(ti_lister *lister, ti_meter_info *info, const char *zone, uint64_t energy_uj)
{
    uint64_t enabled = 1;
    const char *path = ti_lister_path(lister, "/sys/class/powercap/%s/enabled", zone);
    bool off = ti_sys_read_u64(path, &enabled) == 0 && enabled == 0;
    info->fix = "";
    if (info->range_uj > 0 && energy_uj > info->range_uj) {
        info->state = TI_METER_BROKEN;
        info->reason = "the counter is past its own range";
    } else if (energy_uj == 0 && off) {
        info->state = TI_METER_OFF;
        info->reason = "the zone is disabled and its counter stands at zero";
    } else if (energy_uj == 0 && info->boundary == TI_BOUNDARY_PSYS) {
        info->state = TI_METER_BROKEN;
        info->reason = "the counter stands at zero: this firmware does not fill it";
    }
}

/* `parent_name` is the name of the zone that this one lies in, or NULL. */
static tern_status add_zone(ti_lister *lister, const char *zone, const char *label,
                            const char *parent_name, tern_err *err)
{
    uint64_t energy_uj = 0;
    size_t control = strcspn(zone, ":");
    ti_meter_info info = {
        .name = ti_lister_text(lister, "powercap/%s", zone),
        .label = label,
        .path = ti_lister_path(lister, "/sys/class/powercap/%s/energy_uj", zone),
        .device = zone,
        .unit = "uJ",
        .kind = TI_METER_POWERCAP,
        .boundary = boundary_of(label),
        .is_twin = control > strlen("-mmio") &&
                   strncmp(zone + control - strlen("-mmio"), "-mmio", strlen("-mmio")) == 0,
    };
    if (!info.path) {
        return ti_fail_nomem(err, "energy", 0, "a path");
    }
    info.socket = ti_sys_number_in(parent_name ? parent_name : label,
                                   ti_sys_number_in(zone + control, 0));
    info.max_power_uw = max_power_uw(lister, zone, info.boundary);
    const char *range =
        ti_lister_path(lister, "/sys/class/powercap/%s/max_energy_range_uj", zone);
    if (ti_sys_read_u64(range, &info.range_uj) != 0) {
        info.range_uj = 0; /* a wrap will look like a reset: lost and flagged */
    }
    int errnum = ti_sys_read_u64(info.path, &energy_uj);
    if (errnum) {
        ti_lister_explain(lister, &info, errnum, "powercap", "KERNEL==\"*-rapl*:*\"",
                          "energy_uj");
    } else {
        judge(lister, &info, zone, energy_uj);
    }
    return ti_lister_add(lister, &info, err);
}

static tern_status add_absence(ti_lister *lister, bool tree_there, tern_err *err)
{
    const char *why = lister->is_virtual
                          ? "this is a virtual machine, and hypervisors do not pass energy "
                            "counters on"
                      : tree_there ? "/sys/class/powercap has no RAPL zones"
                                   : "there is no /sys/class/powercap";
    return ti_lister_absent(lister, TI_METER_POWERCAP, why,
                            lister->is_virtual ? "" : absent_fix, err);
}

static tern_status list(ti_lister *lister, tern_err *err)
{
    const char **zones = NULL, *parent = "", *parent_name = NULL;
    size_t n = 0, found = 0;
    int errnum = 0;
    TI_TRY(ti_sys_names(&zones, &n, &errnum, &lister->set.arena,
                        ti_lister_path(lister, "/sys/class/powercap%s", ""), "", err));
    for (size_t i = 0; i < n; i++) {
        const char *zone = zones[i];
        size_t control = strcspn(zone, ":");
        if (!zone[control] || !strstr(zone, "rapl")) {
            continue; /* a control type itself, or one that is no energy counter */
        }
        /* Sorted: a zone stands right before those in it. */
        size_t depth = strlen(parent);
        bool inside = depth > 0 && strncmp(zone, parent, depth) == 0 && zone[depth] == ':';
        const char *label = ti_lister_label(
            lister, ti_lister_path(lister, "/sys/class/powercap/%s/name", zone));
        if (!label) {
            return ti_fail_nomem(err, "energy", 0, "a zone's name");
        }
        TI_TRY(add_zone(lister, zone, label, inside ? parent_name : NULL, err));
        if (!inside) {
            parent = zone;
            parent_name = label;
        }
        found++;
    }
    return found > 0 ? TERN_OK : add_absence(lister, errnum == 0, err);
}

static tern_status open_zone(ti_meter *meter, const ti_meter_env *env, tern_err *err)
{
    (void)env;
    (void)err;
    meter->files[0].path = meter->info->path;
    return TERN_OK;
}

static void close_zone(ti_meter *meter)
{
    (void)meter;
}

const ti_meter_driver ti_meter_powercap = {list, open_zone, ti_meter_read_number, close_zone};
