/* SPDX-License-Identifier: Apache-2.0 */
/* device/faults.h - faults of meters put into readings that have none, and how many of them a
 * detector finds.
 *
 * No set of readings of real meters with known faults can be had freely; so faults are made,
 * and these are their definitions.  x is a reading, f the number of readings since the fault
 * began divided by those that it lasts, a its amount, drawn evenly from the range that is
 * given:
 *
 *   theft       14 days   x (1 - a)              a from 0.3 to 0.7: a bypass
 *   stuck        2 days   the reading before it  the register stands still
 *   phase loss   3 days   x (1 - a)              a from 0.28 to 0.38: one phase of three
 *   drift       28 days   x (1 - a f)            a from 0.3 to 0.6: a sensor that fades
 *   spike     1 reading   x + a p                a from 2 to 6, p what 1 % of readings are over
 */
#ifndef TI_DEVICE_FAULTS_H
#define TI_DEVICE_FAULTS_H

#include <stdint.h>

#include "base/err.h"

typedef enum ti_fault_kind {
    TI_FAULT_THEFT = 0,
    TI_FAULT_STUCK,
    TI_FAULT_PHASE,
    TI_FAULT_DRIFT,
    TI_FAULT_SPIKE,
    TI_FAULT_KINDS
} ti_fault_kind;

/* "theft", "stuck", "phase", "drift", "spike" */
extern const char *const ti_fault_names[TI_FAULT_KINDS];

/* Readings of one meter at one interval, in order of time. */
typedef struct ti_readings {
    uint32_t n;
    uint32_t interval_s;
    const uint32_t *time_s; /* [n], local */
    const double *values;   /* [n]; NAN where one is missing */
} ti_readings;

typedef struct ti_fault {
    ti_fault_kind kind;
    uint32_t first, n; /* rows */
    double amount;
} ti_fault;

/* Draws faults of one kind: the first at or after row `from`, then one in each `every` rows, at
 * a row of the first half of these; as many as fit whole, at most `room`.  The same on every
 * machine.  Returns how many.  x_p: see above. */
uint32_t ti_fault_plan(ti_fault *out, uint32_t room, ti_fault_kind kind, uint64_t seed,
                       const ti_readings *readings, uint32_t from, uint32_t every);

/* Puts a fault into values[n of the readings], which the caller copied. */
void ti_fault_apply(double *values, const ti_readings *readings, const ti_fault *fault);

#endif
