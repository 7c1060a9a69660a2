/* SPDX-License-Identifier: Apache-2.0 */
/* energy/meter_parts.h - what the kinds of meters have in common, for energy/ alone. */
#ifndef TI_ENERGY_METER_PARTS_H
#define TI_ENERGY_METER_PARTS_H

#include "energy/meter.h"
#include "energy/nvml.h"
#include "energy/sysfs.h"

/* The largest power that is believed, where nothing better is known, per boundary. */
extern const uint64_t ti_meter_max_power_uw[TI_BOUNDARIES];

/* A list of meters that is being made. */
typedef struct ti_lister {
    ti_meter_set set;
    size_t cap;
    const ti_meter_env *env;
    bool is_virtual; /* the machine says that it runs under a hypervisor */
    bool failed;     /* a text had no memory: the list will not be given out */
} ti_lister;

/* Formats a text into the list's arena; NULL, and lister->failed, when there is no memory. */
const char *ti_lister_text(ti_lister *lister, const char *format, ...) TI_PRINTF(2, 3);

/* Path of a file of the machine that is looked at: `format` begins with '/'. */
#define ti_lister_path(lister, format, ...)                                                   \
    ti_lister_text(lister, "%s" format, (lister)->env->sysroot ? (lister)->env->sysroot : "", \
                   __VA_ARGS__)

/* Reads a file that holds a name, unprintable bytes replaced; "" when it cannot be read, NULL
 * when there is no memory (or `path` is NULL). */
const char *ti_lister_label(ti_lister *lister, const char *path);

/* Copies an entry into the list.  A text that is NULL is a failed allocation (reason and fix of
 * entries that work are not looked at); max_power_uw 0 = the boundary's.
 * Errors: TERN_NOMEM, TERN_LIMIT. */
tern_status ti_lister_add(ti_lister *lister, const ti_meter_info *info, tern_err *err);

/* Adds the one entry of a kind that is not there. */
tern_status ti_lister_absent(ti_lister *lister, ti_meter_kind kind, const char *reason,
                             const char *fix, tern_err *err);

/* Sets state, reason and fix of an entry whose file could not be read: errnum of
 * ti_sys_read().  `rule` is what a udev rule matches its device by, `file` the name of the file
 * in the device's directory, `subsystem` the device's. */
void ti_lister_explain(ti_lister *lister, ti_meter_info *info, int errnum,
                       const char *subsystem, const char *rule, const char *file);

enum { TI_METER_FILES = 3 };

struct ti_meter {
    const ti_meter_info *info;
    const struct ti_meter_driver *driver;
    ti_sys_file files[TI_METER_FILES]; /* of kinds that read files */
    char *paths[TI_METER_FILES];       /* of those whose path is not info->path */
    int fd;                            /* perf */
    uint64_t scale;                    /* perf: raw * scale >> shift = microjoules */
    unsigned shift;
    uint32_t mode; /* battery: how it is read */
    ti_nvml nvml;
    void *gpu;
    void *device; /* Windows: what emi_win.c keeps */
};

typedef struct ti_meter_driver {
    tern_status (*list)(ti_lister *lister, tern_err *err);
    /* Only info is set and fd is -1. */
    tern_status (*open)(ti_meter *meter, const ti_meter_env *env, tern_err *err);
    /* Sets flags, or energy_uj or power_uw. */
    void (*read)(ti_meter *meter, ti_reading *out);
    void (*close)(ti_meter *meter); /* also after a failed open */
} ti_meter_driver;

/* `read` of meters that are one file with one number: files[0]. */
void ti_meter_read_number(ti_meter *meter, ti_reading *out);

extern const ti_meter_driver ti_meter_powercap, ti_meter_perf, ti_meter_emi, ti_meter_hwmon,
    ti_meter_nvml, ti_meter_battery;

#endif
