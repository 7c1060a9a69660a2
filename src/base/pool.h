/* SPDX-License-Identifier: Apache-2.0 */
/* base/pool.h - threads that compute together and sleep when there is nothing to do.
 *
 * A wait spins for a bounded time, because the phases of a forward pass are a few
 * microseconds apart, and then sleeps, because a pool that goes on spinning costs more energy
 * than the work (measured: 15-20 times the CPU time between short regions). */
#ifndef TI_BASE_POOL_H
#define TI_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TI_POOL_MAX_THREADS = 256 };

typedef struct ti_pool ti_pool;

/* The part of a job that thread `id` of `n` does.  Thread 0 is the caller. */
typedef void (*ti_pool_fn)(void *ctx, uint32_t id, uint32_t n);

/* Returns how many threads this process can keep running: the CPUs it may run on, or the CPU
 * time that its control group allows it if that is less; 1 to TI_POOL_MAX_THREADS. */
uint32_t ti_cpu_count(void);

/* Returns how many of n CPUs a control group's limit (its file cpu.max: "QUOTA PERIOD" or
 * "max PERIOD") leaves, rounded up. */
uint32_t ti_cpu_quota(const char *cpu_max, uint32_t n);

/* Creates a pool of n threads, the caller's included; 0 = ti_cpu_count().
 * Errors: TERN_NOMEM; TERN_LIMIT over TI_POOL_MAX_THREADS; TERN_IO (no thread to be had). */
tern_status ti_pool_create(ti_pool **out, uint32_t n, tern_err *err);

/* Ends the threads.  NULL is allowed.  No job may be running. */
void ti_pool_destroy(ti_pool *pool);

/* Number of threads, the caller's included. */
uint32_t ti_pool_threads(const ti_pool *pool);

/* Runs fn once on every thread and returns when all have returned.  One caller at a time, and
 * not from inside a job of the same pool. */
void ti_pool_run(ti_pool *pool, ti_pool_fn fn, void *ctx);

/* Inside a job: waits until all threads of the pool have come here.  What a thread wrote
 * before is visible to all after. */
void ti_pool_barrier(ti_pool *pool);

/* The share [*begin, *end) of `count` items, in multiples of `grain`, that thread id of n
 * has.  The shares are contiguous, in order, cover all items, and differ by one grain at most.
 * No product or sum in it can overflow. */
void ti_pool_share(size_t count, size_t grain, uint32_t id, uint32_t n, size_t *begin,
                   size_t *end);

#endif
