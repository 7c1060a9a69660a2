/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long a thread that waits stays awake: about 20 us (a pause is 40-140 cycles on x86), then
 * about 100 us in which it offers its CPU to others, one of which may be the thread that it
 * waits for.  Together longer than the gap between two phases of a step and than sampling
 * between two steps, far shorter than the gap between two requests.  Waking a thread costs 50
 * us and more where the CPU is a virtual one; without the offers, two threads on one CPU (the
 * other being busy with something else) took 250 us for each phase. */
enum { SPINS = 500, OFFERS = 200 };

/* A gate is where threads wait for a number to change: spin first, then sleep.  A sleeper
 * announces itself before it looks again; whoever changes the number looks for sleepers after
 * the change.  Both are sequentially consistent, so one of the two sees the other. */
typedef struct gate {
    _Alignas(64) atomic_uint value;
    atomic_uint sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} gate;

typedef struct worker {
    ti_pool *pool;
    pthread_t thread;
    uint32_t id;
} worker;

struct ti_pool {
    uint32_t n;
    gate start;   /* changes when there is a job */
    gate barrier; /* changes when all have come to a barrier */
    _Alignas(64) atomic_uint arrived;
    ti_pool_fn fn;
    void *ctx;
    bool quit;
    worker workers[TI_POOL_MAX_THREADS];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static bool gate_init(gate *g)
{
    atomic_init(&g->value, 0);
    atomic_init(&g->sleepers, 0);
    if (pthread_mutex_init(&g->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&g->changed, NULL) != 0) {
        pthread_mutex_destroy(&g->mutex);
        return false;
    }
    return true;
}

static void gate_fini(gate *g)
{
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->mutex);
}

static void gate_wait(gate *g, unsigned seen)
{
    for (int i = 0; i < SPINS + OFFERS; i++) {
        if (atomic_load_explicit(&g->value, memory_order_acquire) != seen) {
            return;
        }
        if (i < SPINS) {
            relax();
        } else {
            (void)sched_yield();
        }
    }
    pthread_mutex_lock(&g->mutex);
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->value) == seen) {
        pthread_cond_wait(&g->changed, &g->mutex);
    }
    atomic_fetch_sub(&g->sleepers, 1);
    pthread_mutex_unlock(&g->mutex);
}

static void gate_open(gate *g)
{
    atomic_fetch_add(&g->value, 1);
    if (atomic_load(&g->sleepers) > 0) {
        pthread_mutex_lock(&g->mutex);
        pthread_cond_broadcast(&g->changed);
        pthread_mutex_unlock(&g->mutex);
    }
}

uint32_t ti_cpu_quota(const char *cpu_max, uint32_t n)
{
    char *end;
    errno = 0;
    unsigned long quota = strtoul(cpu_max, &end, 10);
    if (end == cpu_max || *end != ' ') {
        return n; /* "max": no limit */
    }
    unsigned long period = strtoul(end, NULL, 10);
    if (errno != 0 || quota == 0 || period == 0) {
        return n;
    }
    unsigned long cpus = quota / period + (quota % period != 0);
    return cpus < n ? (uint32_t)cpus : n;
}

uint32_t ti_cpu_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        n = CPU_COUNT(&set);
    }
    uint32_t cpus = n > TI_POOL_MAX_THREADS ? TI_POOL_MAX_THREADS : n > 0 ? (uint32_t)n : 1;
    /* A container may see 64 CPUs and be allowed the time of two: 64 threads would then spend
     * most of each period stopped, with one of them holding up all others at a barrier. */
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file) {
        char line[64];
        if (fgets(line, sizeof line, file)) {
            cpus = ti_cpu_quota(line, cpus);
        }
        fclose(file);
    }
    return cpus;
}

void ti_pool_barrier(ti_pool *pool)
{
    if (pool->n == 1) {
        return;
    }
    unsigned seen = atomic_load_explicit(&pool->barrier.value, memory_order_relaxed);
    if (atomic_fetch_add(&pool->arrived, 1) + 1 == pool->n) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        gate_open(&pool->barrier);
    } else {
        gate_wait(&pool->barrier, seen);
    }
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    ti_pool *pool = w->pool;
    for (unsigned seen = 0;; seen++) {
        gate_wait(&pool->start, seen);
        if (pool->quit) {
            return NULL;
        }
        pool->fn(pool->ctx, w->id, pool->n);
        ti_pool_barrier(pool);
    }
}

void ti_pool_run(ti_pool *pool, ti_pool_fn fn, void *ctx)
{
    pool->fn = fn;
    pool->ctx = ctx;
    if (pool->n > 1) {
        gate_open(&pool->start);
    }
    fn(ctx, 0, pool->n);
    ti_pool_barrier(pool);
}

static void stop(ti_pool *pool, uint32_t started)
{
    pool->quit = true;
    gate_open(&pool->start);
    for (uint32_t i = 1; i < started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    gate_fini(&pool->barrier);
    gate_fini(&pool->start);
    free(pool);
}

/* Starts the threads; `started` counts them, the caller included.  Signals for the process are
 * the application's business: they are blocked here, so that they interrupt the thread that
 * expects them.  Faults stay, they belong to the thread that makes them. */
static int start_workers(ti_pool *pool, uint32_t *started)
{
    sigset_t blocked, before;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int e = 0;
    for (uint32_t i = *started; i < pool->n && e == 0; i++) {
        worker *w = &pool->workers[i];
        *w = (worker){.pool = pool, .id = i};
        e = pthread_create(&w->thread, NULL, worker_main, w);
        *started += e == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

tern_status ti_pool_create(ti_pool **out, uint32_t n, tern_err *err)
{
    if (n == 0) {
        n = ti_cpu_count();
    }
    if (n > TI_POOL_MAX_THREADS) {
        return ti_fail(err, TERN_LIMIT, "pool", TI_NO_OFFSET, "%u threads, the limit is %d", n,
                       TI_POOL_MAX_THREADS);
    }
    size_t size = (sizeof(ti_pool) + 63) & ~(size_t)63;
    ti_pool *pool = aligned_alloc(64, size);
    if (!pool) {
        return ti_fail_nomem(err, "pool", size, "a thread pool");
    }
    *pool = (ti_pool){.n = n};
    atomic_init(&pool->arrived, 0);
    if (!gate_init(&pool->start)) {
        free(pool);
        return ti_fail_nomem(err, "pool", sizeof(gate), "a lock");
    }
    if (!gate_init(&pool->barrier)) {
        gate_fini(&pool->start);
        free(pool);
        return ti_fail_nomem(err, "pool", sizeof(gate), "a lock");
    }
    uint32_t started = 1;
    int e = start_workers(pool, &started);
    if (e != 0) {
        stop(pool, started);
        return ti_fail_errno(err, e, "pool", "cannot start thread %u of %u", started, n);
    }
    *out = pool;
    return TERN_OK;
}

void ti_pool_destroy(ti_pool *pool)
{
    if (pool) {
        stop(pool, pool->n);
    }
}

uint32_t ti_pool_threads(const ti_pool *pool)
{
    return pool->n;
}

void ti_pool_share(size_t count, size_t grain, uint32_t id, uint32_t n, size_t *begin,
                   size_t *end)
{
    TI_ASSERT(grain > 0 && id < n);
    size_t grains = count / grain + (count % grain != 0);
    size_t each = grains / n, more = grains % n; /* the first `more` threads have one more */
    size_t from = each * id + (id < more ? id : more);
    size_t to = from + each + (id < more);
    *begin = from < grains ? from * grain : count;
    *end = to < grains ? to * grain : count;
}
