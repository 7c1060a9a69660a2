/* SPDX-License-Identifier: Apache-2.0 */
/* energy/sampler.h - a thread that reads meters often enough, and sleeps otherwise.
 *
 * Counters wrap: after 234 s at the worst of the machines that are known.  So meters are read
 * at least every range / (2 * maximum power), however long a request takes.  Each sample closes
 * an interval; what could not be read in it is flagged, never guessed, and comes with the next
 * good reading where the counter still knows it.
 *
 * A sample is a few reads of small files; at one a second that is far under 0.1 % of a core
 * (the test measures it). */
#ifndef TI_ENERGY_SAMPLER_H
#define TI_ENERGY_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "energy/meter.h"

/* A meter as the sampler sees it. */
typedef struct ti_meter_sampler_port {
    const ti_meter_info *info; /* must live as long as the sampler */
    void (*read)(void *ctx, ti_time now, ti_reading *out);
    void *ctx;
} ti_meter_sampler_port;

/* The port of an opened meter. */
ti_meter_sampler_port ti_meter_sampler_port_of(ti_meter *meter);

/* All meters over one piece of time. */
typedef struct ti_interval {
    ti_time end;
    uint64_t dt_ns;     /* awake */
    uint64_t slept_ns;  /* the machine slept in it */
    uint64_t energy_uj; /* of all meters for which it is known */
    uint32_t flags;     /* TI_DELTA_... of all meters */
} ti_interval;

typedef struct ti_meter_sampler_opts {
    uint64_t period_ns; /* between samples; shortened where a meter needs it; 0 = 1 s */
    /* Called at the end of each interval, by the thread that took the sample, under the lock of
     * the sampler: it must not call the sampler.  NULL = nobody. */
    void (*on_interval)(void *ctx, const ti_interval *interval);
    void *ctx;
    ti_time (*now)(void *now_ctx); /* NULL = ti_time_now() */
    void *now_ctx;
} ti_meter_sampler_opts;

/* Everything since the first sample. */
typedef struct ti_meter_sampler_sum {
    uint64_t energy_uj, time_ns, slept_ns;
    uint64_t n_samples, n_flagged; /* intervals; those of which something is not known */
    uint32_t flags;
    uint32_t
        recent_flags; /* since sums were asked for by ti_meter_sampler_sample() the last time */
} ti_meter_sampler_sum;

typedef struct ti_meter_sampler ti_meter_sampler;

/* Creates a sampler and reads all meters once.  The ports are copied.
 * Errors: TERN_USAGE (no port), TERN_NOMEM, TERN_IO (no lock to be had). */
tern_status ti_meter_sampler_create(ti_meter_sampler **out, const ti_meter_sampler_port *ports,
                                    size_t n, const ti_meter_sampler_opts *opts, tern_err *err);

/* Starts the thread.  It catches no signals.  Errors: TERN_IO (no thread to be had). */
tern_status ti_meter_sampler_start(ti_meter_sampler *sampler, tern_err *err);

/* Takes a sample now, which closes the interval; *out (or NULL) receives the sums with it.
 * From any thread; some microseconds a meter. */
void ti_meter_sampler_sample(ti_meter_sampler *sampler, ti_meter_sampler_sum *out);

/* The sums as of the last sample. */
ti_meter_sampler_sum ti_meter_sampler_total(ti_meter_sampler *sampler);

/* How long it lets pass between two samples. */
uint64_t ti_meter_sampler_period_ns(const ti_meter_sampler *sampler);

/* CPU time that the thread has used; 0 when there is none. */
uint64_t ti_meter_sampler_cost_ns(ti_meter_sampler *sampler);

/* Ends the thread and frees.  NULL is allowed. */
void ti_meter_sampler_destroy(ti_meter_sampler *sampler);

#endif
