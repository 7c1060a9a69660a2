/* SPDX-License-Identifier: Apache-2.0 */
/* The draw of a whole laptop from its battery, while it discharges: Linux's
 * /sys/class/power_supply (Documentation/ABI/testing/sysfs-class-power: uW, uWh, uA, uV, uAh).
 *
 * A battery tells at best one of these; the first that it tells is used:
 *   power_now                           power
 *   current_now * voltage_now           power
 *   energy_now                          energy since full; steps of some 10 mWh
 *   charge_now * voltage_min_design     the same; at the nominal voltage, because the product
 *                                       with the present one would rise and fall by itself
 * Signs are dropped: drivers do not agree whether discharging is negative. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "energy/meter_parts.h"

__extension__ typedef unsigned __int128 wide;

enum { UJ_PER_UWH = 3600, MICRO = 1000000 };

typedef enum mode { BY_POWER, BY_CURRENT, BY_ENERGY, BY_CHARGE, MODES } mode;

static const char *const mode_files[MODES] = {"power_now", "current_now", "energy_now",
                                              "charge_now"};
static const char *const mode_units[MODES] = {"uW", "uA * uV", "uWh", "uAh"};

static const char *battery_path(ti_lister *lister, const char *battery, const char *file)
{
    return ti_lister_path(lister, "/sys/class/power_supply/%s/%s", battery, file);
}

static bool tells(ti_lister *lister, const char *battery, const char *file, int *errnum)
{
    char text[TI_SYS_TEXT];
    size_t len = 0;
    uint64_t value = 0;
    *errnum = ti_sys_read(battery_path(lister, battery, file), text, &len);
    return *errnum == 0 && ti_sys_parse_magnitude(text, len, &value);
}

/* Which way works; BY_POWER when none does. */
static mode find_mode(ti_lister *lister, const char *battery, bool *found)
{
    int errnum = 0;
    *found = true;
    for (mode m = BY_POWER; m < MODES; m++) {
        const char *voltage = m == BY_CURRENT  ? "voltage_now"
                              : m == BY_CHARGE ? "voltage_min_design"
                                               : NULL;
        if (tells(lister, battery, mode_files[m], &errnum) &&
            (!voltage || tells(lister, battery, voltage, &errnum))) {
            return m;
        }
    }
    *found = false;
    return BY_POWER;
}

/* Batteries of mice and pens say that they are a device's. */
static bool is_of_the_machine(ti_lister *lister, const char *battery)
{
    char text[TI_SYS_TEXT];
    size_t len = 0;
    uint64_t present = 1;
    if (ti_sys_read(battery_path(lister, battery, "type"), text, &len) != 0 ||
        strcmp(text, "Battery") != 0) {
        return false;
    }
    if (ti_sys_read(battery_path(lister, battery, "scope"), text, &len) == 0 &&
        strcmp(text, "Device") == 0) {
        return false;
    }
    return ti_sys_read_u64(battery_path(lister, battery, "present"), &present) != 0 ||
           present != 0;
}

static tern_status add_battery(ti_lister *lister, const char *battery, uint32_t number,
                               tern_err *err)
{
    bool found = false;
    mode m = find_mode(lister, battery, &found);
    ti_meter_info info = {
        .name = ti_lister_text(lister, "battery/%s", battery),
        .label = battery,
        .path = battery_path(lister, battery, mode_files[m]),
        .device = battery,
        .unit = mode_units[m],
        .fix = "",
        .kind = TI_METER_BATTERY,
        .boundary = TI_BOUNDARY_BATTERY,
        .is_power = m == BY_POWER || m == BY_CURRENT,
        .socket = number,
    };
    const char *status = ti_lister_label(lister, battery_path(lister, battery, "status"));
    if (!found) {
        info.state = TI_METER_BROKEN;
        info.reason = "the battery tells neither power, current and voltage, nor energy";
    } else if (!status || strcmp(status, "Discharging") != 0) {
        info.state = TI_METER_OFF;
        info.reason = ti_lister_text(lister,
                                     "the battery gives the machine's draw only while it "
                                     "discharges; it says '%s'",
                                     status ? status : "");
    }
    return ti_lister_add(lister, &info, err);
}

static tern_status list(ti_lister *lister, tern_err *err)
{
    const char **names = NULL;
    size_t n = 0;
    uint32_t found = 0;
    int errnum = 0;
    TI_TRY(ti_sys_names(&names, &n, &errnum, &lister->set.arena,
                        ti_lister_path(lister, "/sys/class/power_supply%s", ""), "", err));
    for (size_t i = 0; i < n; i++) {
        if (is_of_the_machine(lister, names[i])) {
            TI_TRY(add_battery(lister, names[i], found++, err));
        }
    }
    return found > 0
               ? TERN_OK
               : ti_lister_absent(lister, TI_METER_BATTERY, "there is no battery", "", err);
}

/* --- reading ---------------------------------------------------------------------------- */

/* The file `name` beside the one that info->path names. */
static char *beside(const ti_meter_info *info, const char *name)
{
    const char *slash = strrchr(info->path, '/');
    size_t dir = slash ? (size_t)(slash - info->path) + 1 : 0, n = strlen(name);
    char *path = malloc(dir + n + 1);
    if (path) {
        memcpy(path, info->path, dir);
        memcpy(path + dir, name, n + 1);
    }
    return path;
}

static mode mode_of(const ti_meter_info *info)
{
    const char *slash = strrchr(info->path, '/');
    for (mode m = BY_POWER; m < MODES; m++) {
        if (strcmp(slash ? slash + 1 : info->path, mode_files[m]) == 0) {
            return m;
        }
    }
    return BY_POWER;
}

/* files[0]: status; files[1]: the value; files[2]: the voltage. */
enum { STATUS, VALUE, VOLTAGE };

static tern_status open_battery(ti_meter *meter, const ti_meter_env *env, tern_err *err)
{
    (void)env;
    mode m = mode_of(meter->info);
    meter->mode = m;
    meter->paths[STATUS] = beside(meter->info, "status");
    meter->files[STATUS].path = meter->paths[STATUS];
    meter->files[VALUE].path = meter->info->path;
    if (m == BY_CURRENT || m == BY_CHARGE) {
        meter->paths[VOLTAGE] =
            beside(meter->info, m == BY_CURRENT ? "voltage_now" : "voltage_min_design");
        meter->files[VOLTAGE].path = meter->paths[VOLTAGE];
        if (!meter->paths[VOLTAGE]) {
            return ti_fail_nomem(err, "energy", 0, "a path");
        }
    }
    return meter->paths[STATUS] ? TERN_OK : ti_fail_nomem(err, "energy", 0, "a path");
}

static uint32_t read_magnitude(ti_sys_file *file, uint64_t *out)
{
    char text[TI_SYS_TEXT];
    size_t len = 0;
    uint32_t flags = ti_sys_flags(ti_sys_file_read(file, text, &len));
    return flags || ti_sys_parse_magnitude(text, len, out) ? flags : TI_READ_GARBAGE;
}

/* What is left, in microjoules, as a counter that grows while it is used: from the largest
 * value that a battery can have down to it. */
static void count_from(ti_reading *out, wide left_uj)
{
    /* 10^15 uJ are 278 kWh. */
    const uint64_t most_uj = UINT64_C(1000000000000000);
    if (left_uj > most_uj) {
        out->flags = TI_READ_GARBAGE;
    } else {
        out->energy_uj = most_uj - (uint64_t)left_uj;
    }
}

static void read_battery(ti_meter *meter, ti_reading *out)
{
    char status[TI_SYS_TEXT];
    size_t len = 0;
    uint64_t value = 0, voltage_uv = 0;
    out->flags = ti_sys_flags(ti_sys_file_read(&meter->files[STATUS], status, &len));
    if (!out->flags && strcmp(status, "Discharging") != 0) {
        out->flags = TI_READ_OFF;
    }
    if (!out->flags) {
        out->flags = read_magnitude(&meter->files[VALUE], &value);
    }
    if (!out->flags && meter->files[VOLTAGE].path) {
        out->flags = read_magnitude(&meter->files[VOLTAGE], &voltage_uv);
    }
    if (out->flags) {
        return;
    }
    wide product = (wide)value * voltage_uv / MICRO;
    switch ((mode)meter->mode) {
    case BY_CURRENT:
        out->power_uw = product > UINT64_MAX ? UINT64_MAX : (uint64_t)product;
        break;
    case BY_ENERGY:
        count_from(out, (wide)value * UJ_PER_UWH);
        break;
    case BY_CHARGE:
        count_from(out, product > UINT64_MAX ? product : product * UJ_PER_UWH);
        break;
    default:
        out->power_uw = value;
        break;
    }
}

static void close_battery(ti_meter *meter)
{
    (void)meter;
}

const ti_meter_driver ti_meter_battery = {list, open_battery, read_battery, close_battery};
