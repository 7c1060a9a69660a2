/* SPDX-License-Identifier: Apache-2.0 */
/* energy/meter.h - reading what hardware says about energy: one port for every kind of meter.
 *
 * ti_meter_list() says which meters a machine has, which of them work, and for the others why
 * not and what would change it.  ti_meter_select() picks those that together are the machine's
 * energy without counting anything twice.  ti_meter_open() and ti_meter_read() give readings;
 * two readings become energy in ti_meter_delta(), which is pure.  A failed read never becomes
 * energy: it is a flag, and the next good read covers the gap.
 *
 * Nothing here keeps state outside of the objects below, prints, or changes the machine. */
#ifndef TI_ENERGY_METER_H
#define TI_ENERGY_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* How a figure is known.  No figure is shown without it. */
typedef enum ti_evidence {
    TI_EVIDENCE_MEASURED = 0, /* a hardware counter or sensor, named */
    TI_EVIDENCE_MODELLED,     /* a model, named, with its error */
    TI_EVIDENCE_DECLARED,     /* somebody else's word, with source and date */
    TI_EVIDENCE_REPLAYED      /* from a recording */
} ti_evidence;

/* Where the reading comes from.  In this order one kind is preferred to another that measures
 * the same thing. */
typedef enum ti_meter_kind {
    TI_METER_POWERCAP = 0, /* Linux /sys/class/powercap: RAPL of Intel and AMD */
    TI_METER_PERF,         /* Linux perf, PMU `power` */
    TI_METER_EMI,          /* Windows Energy Meter Interface */
    TI_METER_HWMON,        /* Linux /sys/class/hwmon */
    TI_METER_NVML,         /* NVIDIA's library */
    TI_METER_BATTERY,      /* Linux /sys/class/power_supply, while discharging */
    TI_METER_KINDS
} ti_meter_kind;

/* What the reading holds. */
typedef enum ti_boundary {
    TI_BOUNDARY_PACKAGE = 0, /* a processor package: cores, caches, integrated graphics */
    TI_BOUNDARY_DRAM,        /* memory of a package; not in the package's reading */
    TI_BOUNDARY_CORE,        /* part of a package */
    TI_BOUNDARY_UNCORE,      /* part of a package: integrated graphics, the rest */
    TI_BOUNDARY_PSYS,   /* the platform behind the power supply, packages and memory included */
    TI_BOUNDARY_GPU,    /* a card of its own */
    TI_BOUNDARY_SYSTEM, /* the whole machine, power supply included */
    TI_BOUNDARY_BATTERY, /* the whole machine, from its battery */
    TI_BOUNDARY_OTHER,   /* a rail that we cannot place: shown, never counted */
    TI_BOUNDARIES
} ti_boundary;

typedef enum ti_meter_state {
    TI_METER_WORKS = 0,
    TI_METER_ABSENT, /* the kind is not on this machine (one entry for the whole kind) */
    TI_METER_DENIED, /* there, but this user may not read it; `fix` says what would */
    TI_METER_OFF,    /* switched off (enabled = 0), or a battery that is not discharging */
    TI_METER_BROKEN, /* there, but what it says makes no sense */
    TI_METER_STATES
} ti_meter_state;

/* One meter.  Texts live as long as the set that it came from; they are never NULL in entries
 * that ti_meter_list() makes. */
typedef struct ti_meter_info {
    const char *name;   /* "powercap/intel-rapl:0": unique in a set, stable between starts */
    const char *label;  /* what the hardware calls it: "package-0" */
    const char *path;   /* file that is read, sysroot included; or a device's name; or "" */
    const char *reason; /* why it does not work; "" when it does */
    const char *fix;    /* exact text that would make it work, many lines; "" when none known */
    const char *device; /* meters of one device share it: "intel-rapl:0", "hwmon3" */
    const char *unit;   /* unit of the raw reading: "uJ", "uW", "2^-32 J", "pWh", "mJ", "mW" */
    ti_meter_kind kind;
    ti_boundary boundary;
    ti_evidence evidence;
    ti_meter_state state;
    bool is_power;         /* reads power_uw, which must be integrated; else a counter */
    bool is_twin;          /* a second way (MMIO) to a counter that may also be there as MSR */
    uint32_t socket;       /* package, GPU or channel number */
    uint64_t range_uj;     /* largest value of a counter that wraps; 0 = it does not wrap */
    uint64_t max_power_uw; /* more than this is not believed; > 0 */
} ti_meter_info;

/* The meters of a machine, in a stable order.  Zeroed = empty. */
typedef struct ti_meter_set {
    ti_meter_info *items; /* [n], in `arena` */
    size_t n;
    ti_arena arena;
} ti_meter_set;

/* NVML's functions; all return 0 for success (energy/nvml.h says how they are found). */
typedef struct ti_nvml ti_nvml;

/* Where to look.  Zeroed = this machine. */
typedef struct ti_meter_env {
    /* Directory that stands for "/", or NULL.  With a sysroot only files are read: the running
     * kernel's perf events and NVML are left out unless injected below. */
    const char *sysroot;
    const ti_nvml *nvml; /* NULL = dlopen("libnvidia-ml.so.1") */
    /* Opens a perf event on a CPU, system-wide; returns a descriptor, or -errno.  NULL = the
     * system call. */
    int (*perf_open)(void *ctx, uint32_t type, uint64_t config, int cpu);
    void *perf_ctx;
} ti_meter_env;

enum { TI_METERS_MAX = 4096 };

/* Finds all meters.  A kind that is not there gives one entry with TI_METER_ABSENT, so that
 * somebody can be told why.  Reads a few hundred small files at most, about a millisecond.
 * Errors: TERN_NOMEM, TERN_LIMIT (more than TI_METERS_MAX).  What cannot be read is no error.
 */
tern_status ti_meter_list(ti_meter_set *out, const ti_meter_env *env, tern_err *err);

/* Frees the set and the texts in it.  Zeroed is allowed. */
void ti_meter_set_free(ti_meter_set *set);

/* Returns the meter with that name, or NULL. */
const ti_meter_info *ti_meter_find(const ti_meter_set *set, const char *name);

/* Words for people and JSON: "powercap", "package", "works", "measured".  Static. */
const char *ti_meter_kind_name(ti_meter_kind kind);
const char *ti_boundary_name(ti_boundary boundary);
const char *ti_meter_state_name(ti_meter_state state);
const char *ti_evidence_name(ti_evidence evidence);

/* --- which meters are the machine's energy ---------------------------------------------- */

typedef enum ti_meter_role {
    TI_ROLE_COUNTED = 0, /* its energy is added */
    TI_ROLE_UNUSABLE,    /* does not work */
    TI_ROLE_DUPLICATE,   /* another meter in the set measures the same */
    TI_ROLE_PART,        /* inside of one that is counted, or of a kind that is always a part */
    TI_ROLE_UNUSED,      /* works, and holds something else than what is counted */
    TI_ROLE_OTHER,       /* cannot be placed */
    TI_ROLES
} ti_meter_role;

/* Words for people and JSON: "counted", "duplicate", ...  Static. */
const char *ti_meter_role_name(ti_meter_role role);

/* What the counted meters hold together (bits of ti_selection.covers). */
enum {
    TI_COVERS_PACKAGE = 1u << 0,
    TI_COVERS_DRAM = 1u << 1,
    TI_COVERS_GPU = 1u << 2,
    TI_COVERS_PLATFORM = 1u << 3, /* fans, disks, regulators ... */
    TI_COVERS_PSU = 1u << 4       /* losses of the power supply */
};

typedef struct ti_selection {
    ti_boundary boundary; /* PSYS, PACKAGE (+ DRAM + GPU), SYSTEM, BATTERY, GPU; OTHER = none */
    uint32_t covers;
    size_t n_counted;
} ti_selection;

/* Picks the meters that are added.  Exactly one of: psys; packages + memory + graphics cards;
 * a meter of the whole machine; the battery.
 *   roles  [n] receives what becomes of each meter
 *   infos  [n]
 *   want   PSYS, PACKAGE, SYSTEM, BATTERY or GPU to insist on one; TI_BOUNDARY_OTHER takes the
 *          first in this order that works: psys, packages, system, battery, graphics cards
 * Core and uncore are never added (a package holds them); memory always is to packages; a
 * counter that is seen twice (MSR and MMIO, powercap and perf) counts once, and two sockets
 * with the same name count twice.  Pure. */
void ti_meter_select(ti_selection *out, ti_meter_role *roles, const ti_meter_info *infos,
                     size_t n, ti_boundary want);

/* --- readings --------------------------------------------------------------------------- */

/* A moment on two clocks.  They differ by the time that the machine slept. */
typedef struct ti_time {
    uint64_t mono_ns; /* stands still while the machine sleeps */
    uint64_t boot_ns; /* since boot, sleep included: goes back only over a reboot */
} ti_time;

/* Returns both clocks now; thread-safe, some 50 ns. */
ti_time ti_time_now(void);

/* Why a reading holds no value (bits of ti_reading.flags); 0 = it does. */
enum {
    TI_READ_IO = 1u << 0,      /* EIO and the like */
    TI_READ_DENIED = 1u << 1,  /* EACCES, EPERM */
    TI_READ_GONE = 1u << 2,    /* the zone or device vanished */
    TI_READ_GARBAGE = 1u << 3, /* no number, a negative one, one past the counter's range */
    TI_READ_OFF = 1u << 4      /* zone disabled, battery not discharging */
};

typedef struct ti_reading {
    ti_time time;
    uint32_t flags;
    uint64_t energy_uj; /* counters: value since some start */
    uint64_t power_uw;  /* power meters */
} ti_reading;

typedef struct ti_meter ti_meter;

/* Opens a meter for reading.  `info` and what it points to, and `env`'s tables, must live until
 * it is closed.  Files stay open, so that a program may give up privileges afterwards.
 * Errors: TERN_UNAVAILABLE when info->state says that it does not work, TERN_IO, TERN_NOMEM. */
tern_status ti_meter_open(ti_meter **out, const ti_meter_info *info, const ti_meter_env *env,
                          tern_err *err);

/* Reads it at `now`.  Never fails: what went wrong is in out->flags.  A file that went away is
 * looked for again at the next read.  Allocates nothing; some microseconds.  One thread at a
 * time per meter. */
void ti_meter_read(ti_meter *meter, ti_time now, ti_reading *out);

/* Closes it.  NULL is allowed. */
void ti_meter_close(ti_meter *meter);

/* What a meter was opened from. */
const ti_meter_info *ti_meter_of(const ti_meter *meter);

/* --- from readings to energy ------------------------------------------------------------ */

/* What happened in an interval (bits of ti_delta.flags).  Those of TI_DELTA_LOST mean that
 * energy_uj is 0 because it cannot be known; the others are remarks on a known value. */
enum {
    TI_DELTA_WRAP = 1u << 0,    /* the counter wrapped once; undone */
    TI_DELTA_GAP = 1u << 1,     /* reads failed in between; the value covers them too */
    TI_DELTA_SLEPT = 1u << 2,   /* the machine slept in between */
    TI_DELTA_FAILED = 1u << 8,  /* this read failed: the next good one covers the time */
    TI_DELTA_FIRST = 1u << 9,   /* there was no reading before */
    TI_DELTA_WRAPS = 1u << 10,  /* long enough for two wraps: their number is unknowable */
    TI_DELTA_RESET = 1u << 11,  /* the counter started again, or the machine did */
    TI_DELTA_JUMP = 1u << 12,   /* more than the meter's maximum power: not believed */
    TI_DELTA_CLOCK = 1u << 13,  /* no time passed, or it went back */
    TI_DELTA_SPARSE = 1u << 14, /* power readings too far apart to be integrated */
    TI_DELTA_LOST = 0xff00u     /* any of those that leave no value */
};

typedef struct ti_delta {
    uint64_t energy_uj;
    uint64_t dt_ns; /* of the monotonic clock; 0 with TI_DELTA_FIRST and TI_DELTA_CLOCK */
    uint32_t flags;
} ti_delta;

/* Power readings further apart than this are not integrated. */
#define TI_POWER_GAP_NS UINT64_C(60000000000)

/* Energy between two readings of one meter: `prev` a good one (the last good one, when reads
 * failed since), `cur` the newer one.  Counters: cur - prev, or (range - prev) + cur after one
 * wrap.  Power: mean of the two, times the time.  Pure; 128-bit inside; nothing overflows. */
void ti_meter_delta(ti_delta *out, const ti_meter_info *info, const ti_reading *prev,
                    const ti_reading *cur);

/* Longest time between two reads that cannot hide a wrap: range / (2 * max power), in ns; 0 for
 * meters that need no such care. */
uint64_t ti_meter_period_ns(const ti_meter_info *info);

/* Follows one meter: keeps the last good reading, so that a failed one costs nothing. */
typedef struct ti_track {
    ti_reading last;    /* good, when `has_last` */
    ti_reading suspect; /* did not fit to `last`, when `has_suspect`; the next one decides */
    bool has_last, has_suspect, failed_since;
    uint32_t flags;                     /* of all deltas together */
    uint64_t energy_uj;                 /* sum of all deltas */
    uint32_t n_failed, n_lost, n_wraps; /* reads that failed, deltas lost otherwise, wraps */
} ti_track;

/* Takes the next reading and says what it adds.  Zeroed track = nothing read yet.  A reading
 * that does not fit to the last good one (reset, jump, too long ago) adds nothing; when the
 * next one fits to the good one after all, it covers all the time since; else counting goes on
 * from the reading that did not fit. */
void ti_track_step(ti_track *track, const ti_meter_info *info, const ti_reading *reading,
                   ti_delta *out);

#endif
