/* SPDX-License-Identifier: Apache-2.0 */
/* energy/power_model.h - what a machine without a meter draws, from CPU time.
 *
 *     P(u) = idle + (full - idle) * u^0.7,   u = CPU time / (time * threads)
 *
 * Power grows less than linearly with load.  On 86 readings of RAPL on four machines
 * (tests/data/ energy) this law is off by 33 % of the energy with 10 % and 100 % of the design
 * power as its ends, and by 15 % with the machine's own two readings; a cube law is off by 48
 * %.  So the ends matter more than the curve: `tern meter calibrate` asks for them. */
#ifndef TI_ENERGY_POWER_MODEL_H
#define TI_ENERGY_POWER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "energy/hw_table.h"
#include "energy/meter.h"

/* Where the two ends of the curve come from; the first that is there is taken. */
typedef enum ti_power_source {
    TI_POWER_CALIBRATED = 0, /* two readings of this machine */
    TI_POWER_TDP,            /* the processor's design power, by name */
    TI_POWER_SERVER,         /* watts a thread of servers with this processor, by family */
    TI_POWER_DEFAULT,        /* watts a thread of any processor */
    TI_POWER_SOURCES
} ti_power_source;

/* Expected error of a modelled energy, in thousandths of it.  For CALIBRATED and TDP: the mean
 * absolute error over the readings above, rounded up.  For the others no data is at hand that
 * the ends were not taken from: a stated guess, not less than what those readings show. */
enum {
    TI_POWER_ERROR_CALIBRATED = 160,
    TI_POWER_ERROR_TDP = 350,
    TI_POWER_ERROR_SERVER = 500,
    TI_POWER_ERROR_DEFAULT = 500
};

/* Two readings of a machine, idle and with all threads busy. */
typedef struct ti_calibration {
    char cpu[TI_HOST_NAME_MAX]; /* the machine that they belong to: ti_host.cpu, .threads */
    uint32_t threads;
    uint64_t idle_uw, full_uw; /* idle_uw < full_uw */
    uint32_t covers;           /* TI_COVERS_...: what the readings hold */
    ti_evidence evidence;      /* MEASURED, or DECLARED when somebody typed them in */
    char meter[96];            /* where they come from: a meter's name, "wall plug" */
    uint64_t time_s;           /* when, seconds since 1970 */
} ti_calibration;

typedef struct ti_power_model {
    ti_power_source source;
    uint64_t idle_uw, full_uw; /* ends of the curve, without the terms below */
    uint64_t memory_uw;        /* constant; 0 where `covers` had it already, or it is off */
    uint32_t psu_permille;     /* share of the plug's power that arrives; 1000 = not counted */
    uint32_t threads;
    uint32_t covers;         /* TI_COVERS_... that the result holds */
    uint32_t error_permille; /* of the result */
    char label[160];         /* "cpu-time u^0.7, 54 W design power (amd ryzen 7 7840hs)" */
} ti_power_model;

/* Makes the model of a machine.  Pure.
 *   table        NULL = as if nothing were in it
 *   calibration  NULL = none; one of another machine (cpu, threads) is not used
 *   want         TI_COVERS_DRAM and TI_COVERS_PSU add these terms unless the readings behind
 * the curve hold them already.  Memory: 0.392 W/GB (Cloud Carbon Footprint; Green Algorithms
 * has 0.3725).  Power supply: 88.5 % arrives (0.85 to 0.92 are usual). Never fails: an unknown
 * processor gives the default, which says so in its label. */
void ti_power_model_make(ti_power_model *out, const ti_host *host, const ti_hw_table *table,
                         const ti_calibration *calibration, uint32_t want);

/* True when the calibration is of this machine. */
bool ti_calibration_fits(const ti_calibration *calibration, const ti_host *host);

/* Power at load busy / (available): u is cut to [0, 1]; available 0 counts as idle.  The same
 * bits on every machine. */
uint64_t ti_power_at(const ti_power_model *model, uint64_t busy_ns, uint64_t available_ns);

/* Energy over `dt_ns` in which programs used `cpu_ns` of CPU time (of all threads together).
 *   energy_uj  above idle: what that work added
 *   idle_uj    what the machine would have drawn anyway */
void ti_power_energy(const ti_power_model *model, uint64_t cpu_ns, uint64_t dt_ns,
                     uint64_t *energy_uj, uint64_t *idle_uj);

/* "calibrated", "tdp", "server", "default".  Static. */
const char *ti_power_source_name(ti_power_source source);

#endif
