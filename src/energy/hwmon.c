/* SPDX-License-Identifier: Apache-2.0 */
/* Energy and power of Linux's hardware monitoring: /sys/class/hwmon/hwmonN.
 *
 * Facts (Documentation/hwmon/sysfs-interface.rst and the drivers' pages): energyK_input counts
 * microjoules, powerK_average and powerK_input are microwatts, *_enable = 0 is a channel that
 * is switched off.  What a chip's channels belong to is known by the chip's name only; a chip
 * that is not in the table is shown and never counted. */
#include <errno.h>
#include <string.h>

#include "energy/meter_parts.h"

enum { MAX_DIGITS = 3 }; /* of a channel's number */

/* The chips whose place is known.  `label` = prefix of the channel's label, "" = any. */
static const struct chip {
    const char *chip, *label;
    ti_boundary boundary;
} chips[] = {
    {"amd_energy", "Esocket", TI_BOUNDARY_PACKAGE}, /* out of tree since Linux 5.13 */
    {"amd_energy", "Ecore", TI_BOUNDARY_CORE},
    {"fam15h_power", "", TI_BOUNDARY_PACKAGE},
    {"amdgpu", "", TI_BOUNDARY_GPU},
    {"radeon", "", TI_BOUNDARY_GPU},
    {"nouveau", "", TI_BOUNDARY_GPU},
    {"xe", "pkg", TI_BOUNDARY_UNCORE}, /* the chip on the card; "card" holds it */
    {"xe", "", TI_BOUNDARY_GPU},
    {"i915", "", TI_BOUNDARY_GPU},           /* its hwmon exists for cards of their own only */
    {"power_meter", "", TI_BOUNDARY_SYSTEM}, /* ACPI 4.0, section 10.4 */
};

/* Files of one chip are read through its path. */
typedef struct hwmon {
    const char *dir; /* "hwmon3" */
    const char *name;
} hwmon;

/* amdgpu of a processor with integrated graphics: it alone has the voltage of the northbridge
 * (Documentation/gpu/amdgpu/thermal.rst), and its power is the package's own. */
static bool is_integrated(ti_lister *lister, const hwmon *chip)
{
    const char *label = ti_lister_label(
        lister, ti_lister_path(lister, "/sys/class/hwmon/%s/in1_label", chip->dir));
    return label && strcmp(chip->name, "amdgpu") == 0 && strcmp(label, "vddnb") == 0;
}

static ti_boundary boundary_of(ti_lister *lister, const hwmon *chip, const char *label)
{
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        if (strcmp(chip->name, chips[i].chip) == 0 &&
            strncmp(label, chips[i].label, strlen(chips[i].label)) == 0) {
            bool inside = chips[i].boundary == TI_BOUNDARY_GPU && is_integrated(lister, chip);
            return inside ? TI_BOUNDARY_UNCORE : chips[i].boundary;
        }
    }
    return TI_BOUNDARY_OTHER;
}

/* Length of the channel's name in a file's, 8 of "energy12_input"; 0 for other files.  A
 * channel's average, if `files` has it, is preferred to its last sample. */
static size_t channel_of(const char *file, bool is_power, const char **files, size_t n)
{
    size_t kind = strlen(is_power ? "power" : "energy");
    size_t digits = strspn(file + kind, "0123456789"), len = kind + digits;
    if (digits == 0 || digits > MAX_DIGITS) {
        return 0;
    }
    if (is_power && strcmp(file + len, "_average") == 0) {
        return len;
    }
    for (size_t i = 0; i < n && is_power; i++) {
        if (strncmp(files[i], file, len) == 0 && strcmp(files[i] + len, "_average") == 0) {
            return 0;
        }
    }
    return strcmp(file + len, "_input") == 0 ? len : 0;
}

static tern_status add_channel(ti_lister *lister, const hwmon *chip, const char *file,
                               const char *channel, bool is_power, tern_err *err)
{
    uint64_t value = 0, enabled = 1;
    ti_meter_info info = {
        .name = ti_lister_text(lister, "hwmon/%s/%s", chip->dir, channel),
        .label = ti_lister_label(
            lister, ti_lister_path(lister, "/sys/class/hwmon/%s/%s_label", chip->dir, channel)),
        .path = ti_lister_path(lister, "/sys/class/hwmon/%s/%s", chip->dir, file),
        .device = chip->dir,
        .unit = is_power ? "uW" : "uJ",
        .kind = TI_METER_HWMON,
        .is_power = is_power,
    };
    const char *enable =
        ti_lister_path(lister, "/sys/class/hwmon/%s/%s_enable", chip->dir, channel);
    const char *rule = ti_lister_text(lister, "ATTR{name}==\"%s\"", chip->name);
    if (!info.label || !info.path || !enable || !rule) {
        return ti_fail_nomem(err, "energy", 0, "a channel's name");
    }
    info.boundary = boundary_of(lister, chip, info.label);
    info.socket = ti_sys_number_in(info.label, 0);
    info.label =
        ti_lister_text(lister, "%s%s%s", chip->name, *info.label ? " " : "", info.label);
    int errnum = ti_sys_read_u64(info.path, &value);
    if (ti_sys_read_u64(enable, &enabled) == 0 && enabled == 0) {
        info.state = TI_METER_OFF;
        info.reason = "the channel is switched off";
        info.fix = "";
    } else if (errnum) {
        ti_lister_explain(lister, &info, errnum, "hwmon", rule, file);
    }
    return ti_lister_add(lister, &info, err);
}

static tern_status add_channels(ti_lister *lister, const hwmon *chip, bool is_power,
                                size_t *found, tern_err *err)
{
    const char **files = NULL;
    size_t n = 0;
    int errnum = 0;
    TI_TRY(ti_sys_names(&files, &n, &errnum, &lister->set.arena,
                        ti_lister_path(lister, "/sys/class/hwmon/%s", chip->dir),
                        is_power ? "power" : "energy", err));
    for (size_t i = 0; i < n; i++) {
        size_t len = channel_of(files[i], is_power, files, n);
        if (len > 0) {
            const char *channel = ti_arena_strndup(&lister->set.arena, files[i], len);
            if (!channel) {
                return ti_fail_nomem(err, "energy", len + 1, "a channel's name");
            }
            TI_TRY(add_channel(lister, chip, files[i], channel, is_power, err));
            ++*found;
        }
    }
    return TERN_OK;
}

/* Batteries and chargers show their figures here once more. */
static bool is_power_supply(ti_lister *lister, const char *dir)
{
    char text[TI_SYS_TEXT];
    size_t len = 0;
    const char *path = ti_lister_path(lister, "/sys/class/hwmon/%s/device/type", dir);
    return path && ti_sys_read(path, text, &len) == 0 &&
           (strcmp(text, "Battery") == 0 || strcmp(text, "Mains") == 0 ||
            strcmp(text, "USB") == 0);
}

static tern_status list(ti_lister *lister, tern_err *err)
{
    const char **dirs = NULL;
    size_t n = 0, found = 0;
    int errnum = 0;
    TI_TRY(ti_sys_names(&dirs, &n, &errnum, &lister->set.arena,
                        ti_lister_path(lister, "/sys/class/hwmon%s", ""), "hwmon", err));
    for (size_t i = 0; i < n; i++) {
        hwmon chip = {.dir = dirs[i],
                      .name = ti_lister_label(
                          lister, ti_lister_path(lister, "/sys/class/hwmon/%s/name", dirs[i]))};
        if (!chip.name) {
            return ti_fail_nomem(err, "energy", 0, "a chip's name");
        }
        if (!is_power_supply(lister, dirs[i])) {
            TI_TRY(add_channels(lister, &chip, false, &found, err));
            TI_TRY(add_channels(lister, &chip, true, &found, err));
        }
    }
    if (found > 0) {
        return TERN_OK;
    }
    return ti_lister_absent(lister, TI_METER_HWMON,
                            n > 0 ? "no chip of /sys/class/hwmon measures energy or power"
                                  : "there are no chips in /sys/class/hwmon",
                            "", err);
}

static tern_status open_channel(ti_meter *meter, const ti_meter_env *env, tern_err *err)
{
    (void)env;
    (void)err;
    meter->files[0].path = meter->info->path;
    return TERN_OK;
}

static void close_channel(ti_meter *meter)
{
    (void)meter;
}

const ti_meter_driver ti_meter_hwmon = {list, open_channel, ti_meter_read_number,
                                        close_channel};
