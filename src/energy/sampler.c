/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deaf.h"
#include "energy/units.h"

static const uint64_t ns_per_s = 1000000000;
static const uint64_t period_default_ns = 1000000000;
static const uint64_t period_least_ns = 1000000; /* counters change about once a millisecond */

struct ti_meter_sampler {
    ti_meter_sampler_opts opts;
    ti_meter_sampler_port *ports; /* [n] */
    ti_track *tracks;             /* [n] */
    size_t n;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t wake;  /* on the monotonic clock */
    pthread_t thread;
    bool started, stop;
    ti_time last;
    ti_meter_sampler_sum sum;
};

static void read_of_meter(void *ctx, ti_time now, ti_reading *out)
{
    ti_meter_read(ctx, now, out);
}

ti_meter_sampler_port ti_meter_sampler_port_of(ti_meter *meter)
{
    return (ti_meter_sampler_port){
        .info = ti_meter_of(meter), .read = read_of_meter, .ctx = meter};
}

/* --- one sample -----------------------------------------------------------------------------
 */

static ti_time clock_of(const ti_meter_sampler *s)
{
    return s->opts.now ? s->opts.now(s->opts.now_ctx) : ti_time_now();
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Reads all meters; the first sample only begins.  The lock is held. */
static void sample(ti_meter_sampler *s)
{
    ti_interval interval = {.end = clock_of(s)};
    for (size_t i = 0; i < s->n; i++) {
        ti_reading reading = {0};
        ti_delta delta;
        s->ports[i].read(s->ports[i].ctx, interval.end, &reading);
        ti_track_step(&s->tracks[i], s->ports[i].info, &reading, &delta);
        interval.energy_uj = ti_add_sat(interval.energy_uj, delta.energy_uj);
        interval.flags |= delta.flags;
    }
    if (s->sum.n_samples++ > 0) {
        uint64_t real_ns = less(interval.end.boot_ns, s->last.boot_ns);
        interval.dt_ns = less(interval.end.mono_ns, s->last.mono_ns);
        interval.slept_ns = interval.flags & TI_DELTA_SLEPT ? less(real_ns, interval.dt_ns) : 0;
        s->sum.energy_uj = ti_add_sat(s->sum.energy_uj, interval.energy_uj);
        s->sum.time_ns += interval.dt_ns;
        s->sum.slept_ns += interval.slept_ns;
        s->sum.flags |= interval.flags;
        s->sum.recent_flags |= interval.flags;
        s->sum.n_flagged += (interval.flags & TI_DELTA_LOST) != 0;
        if (s->opts.on_interval) {
            s->opts.on_interval(s->opts.ctx, &interval);
        }
    }
    s->last = interval.end;
}

void ti_meter_sampler_sample(ti_meter_sampler *sampler, ti_meter_sampler_sum *out)
{
    pthread_mutex_lock(&sampler->lock);
    sample(sampler);
    if (out) {
        *out = sampler->sum;
        sampler->sum.recent_flags = 0;
    }
    pthread_mutex_unlock(&sampler->lock);
}

ti_meter_sampler_sum ti_meter_sampler_total(ti_meter_sampler *sampler)
{
    pthread_mutex_lock(&sampler->lock);
    ti_meter_sampler_sum sum = sampler->sum;
    pthread_mutex_unlock(&sampler->lock);
    return sum;
}

uint64_t ti_meter_sampler_period_ns(const ti_meter_sampler *sampler)
{
    return sampler->opts.period_ns;
}

/* --- the thread -----------------------------------------------------------------------------
 */

static struct timespec after(struct timespec t, uint64_t ns)
{
    uint64_t sum = (uint64_t)t.tv_nsec + ns;
    t.tv_sec += (time_t)(sum / ns_per_s);
    t.tv_nsec = (long)(sum % ns_per_s);
    return t;
}

/* Sleeps a period at a time, counted from the last wake-up: samples that others take in between
 * do not matter, and time that was overslept is not made up for. */
static void *run(void *ctx)
{
    ti_meter_sampler *s = ctx;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        struct timespec until = after(now, s->opts.period_ns);
        int waited = 0;
        while (!s->stop && waited == 0) {
            waited = pthread_cond_timedwait(&s->wake, &s->lock, &until);
        }
        if (!s->stop) {
            sample(s);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

tern_status ti_meter_sampler_start(ti_meter_sampler *sampler, tern_err *err)
{
    TI_ASSERT(!sampler->started);
    int e = ti_start_deaf(&sampler->thread, run, sampler);
    if (e != 0) {
        return ti_fail_errno(err, e, "sampler", "cannot start a thread");
    }
    sampler->started = true;
    return TERN_OK;
}

uint64_t ti_meter_sampler_cost_ns(ti_meter_sampler *sampler)
{
    clockid_t clock;
    struct timespec t;
    if (!sampler->started || pthread_getcpuclockid(sampler->thread, &clock) != 0 ||
        clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (uint64_t)t.tv_sec * ns_per_s + (uint64_t)t.tv_nsec;
}

/* --- life -----------------------------------------------------------------------------------
 */

/* The wanted period, or the shortest that a meter asks for. */
static uint64_t choose_period(const ti_meter_sampler_opts *opts,
                              const ti_meter_sampler_port *ports, size_t n)
{
    uint64_t period = opts->period_ns ? opts->period_ns : period_default_ns;
    for (size_t i = 0; i < n; i++) {
        uint64_t most = ti_meter_period_ns(ports[i].info);
        if (ports[i].info->is_power) {
            most = TI_POWER_GAP_NS / 2; /* further apart they are not integrated */
        }
        period = most > 0 && most < period ? most : period;
    }
    return period < period_least_ns ? period_least_ns : period;
}

/* A lock, and a condition on the clock that does not jump.  Returns 0 or an errno. */
static int make_lock(ti_meter_sampler *s)
{
    pthread_condattr_t attr;
    int e = pthread_mutex_init(&s->lock, NULL);
    if (e != 0) {
        return e;
    }
    e = pthread_condattr_init(&attr);
    if (e == 0) {
        e = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        e = e ? e : pthread_cond_init(&s->wake, &attr);
        pthread_condattr_destroy(&attr);
    }
    if (e != 0) {
        pthread_mutex_destroy(&s->lock);
    }
    return e;
}

static void release(ti_meter_sampler *s)
{
    if (s) {
        free(s->ports);
        free(s->tracks);
        free(s);
    }
}

tern_status ti_meter_sampler_create(ti_meter_sampler **out, const ti_meter_sampler_port *ports,
                                    size_t n, const ti_meter_sampler_opts *opts, tern_err *err)
{
    if (n == 0) {
        return ti_fail(err, TERN_USAGE, "sampler", TI_NO_OFFSET, "there is no meter to read");
    }
    ti_meter_sampler *s = ti_calloc(1, sizeof *s);
    if (s) {
        s->ports = ti_calloc(n, sizeof *s->ports);
        s->tracks = ti_calloc(n, sizeof *s->tracks);
    }
    if (!s || !s->ports || !s->tracks) {
        release(s);
        return ti_fail_nomem(err, "sampler", n * sizeof *ports, "meters");
    }
    int e = make_lock(s);
    if (e != 0) {
        release(s);
        return ti_fail_errno(err, e, "sampler", "cannot make a lock");
    }
    memcpy(s->ports, ports, n * sizeof *ports);
    s->n = n;
    s->opts = opts ? *opts : (ti_meter_sampler_opts){0};
    s->opts.period_ns = choose_period(&s->opts, ports, n);
    ti_meter_sampler_sample(s, NULL);
    *out = s;
    return TERN_OK;
}

void ti_meter_sampler_destroy(ti_meter_sampler *sampler)
{
    if (!sampler) {
        return;
    }
    if (sampler->started) {
        pthread_mutex_lock(&sampler->lock);
        sampler->stop = true;
        pthread_cond_signal(&sampler->wake);
        pthread_mutex_unlock(&sampler->lock);
        pthread_join(sampler->thread, NULL);
    }
    pthread_cond_destroy(&sampler->wake);
    pthread_mutex_destroy(&sampler->lock);
    release(sampler);
}
