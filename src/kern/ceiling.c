/* SPDX-License-Identifier: Apache-2.0 */
/* Time is taken by thread 0 between two barriers inside one job, so that waking the threads is
 * not part of it; the best of a few passes is the one that nothing else disturbed. */
#include "kern/ceiling.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "kern/ceiling_loops.h"

static const char module[] = "ceiling";

enum {
    PASSES = 5,
    MAX_BYTES = 512 << 20, /* far over most last-level caches */
    FIRST_ROUNDS = 1000
};

static const double enough_seconds = 0.005; /* of one pass over registers */
static const double pass_seconds = 0.15;    /* of all passes together, about */

typedef struct job {
    ti_pool *pool;
    ti_ceiling_loops loops;
    uint8_t *memory;
    size_t bytes;
    uint64_t rounds;
    double seconds;                     /* of the last pass */
    uint64_t sums[TI_POOL_MAX_THREADS]; /* keep the loads from being optimised away */
} job;

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Writes memory, so that it is not all one shared page of zeros. */
static void touch(void *ctx, uint32_t id, uint32_t n)
{
    const job *j = ctx;
    size_t begin, end;
    ti_pool_share(j->bytes, TI_CEILING_STEP, id, n, &begin, &end);
    memset(j->memory + begin, 1, end - begin);
}

static void read_pass(void *ctx, uint32_t id, uint32_t n)
{
    job *j = ctx;
    size_t begin, end;
    ti_pool_share(j->bytes, TI_CEILING_STEP, id, n, &begin, &end);
    ti_pool_barrier(j->pool);
    double start = now();
    j->sums[id] = j->loops.read(j->memory + begin, end - begin);
    ti_pool_barrier(j->pool);
    if (id == 0) {
        j->seconds = now() - start;
    }
}

static void mac_pass(void *ctx, uint32_t id, uint32_t n)
{
    job *j = ctx;
    (void)n;
    ti_pool_barrier(j->pool);
    double start = now();
    j->loops.mac(j->rounds);
    ti_pool_barrier(j->pool);
    if (id == 0) {
        j->seconds = now() - start;
    }
}

/* Seconds of the fastest pass: of PASSES, and of more while there is time. */
static double best_of(job *j, ti_pool_fn pass)
{
    double best = 0, start = now();
    for (int i = 0; i < PASSES || now() - start < pass_seconds; i++) {
        ti_pool_run(j->pool, pass, j);
        if (i == 0 || j->seconds < best) {
            best = j->seconds;
        }
    }
    return best > 0 ? best : 1e-9; /* a clock that stood still */
}

/* How much memory to read: MAX_BYTES, or a quarter of a small machine's. */
static size_t read_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t all;
    if (pages <= 0 || page <= 0 || !ti_mul_u64((uint64_t)pages, (uint64_t)page, &all) ||
        all / 4 >= MAX_BYTES) {
        return MAX_BYTES;
    }
    return (size_t)(all / 4) & ~(size_t)(TI_CEILING_STEP - 1);
}

static tern_status measure_read(double *bytes_per_s, job *j, tern_err *err)
{
    size_t bytes = read_bytes();
    j->memory = ti_alloc_pages(bytes);
    if (!j->memory) {
        return ti_fail_nomem(err, module, bytes, "measuring memory bandwidth");
    }
    j->bytes = bytes;
    ti_pool_run(j->pool, touch, j);
    *bytes_per_s = (double)bytes / best_of(j, read_pass);
    ti_free_pages(j->memory, bytes);
    return TERN_OK;
}

static double measure_macs(job *j)
{
    for (j->rounds = FIRST_ROUNDS;; j->rounds *= 2) {
        ti_pool_run(j->pool, mac_pass, j);
        if (j->seconds >= enough_seconds || j->rounds > UINT64_MAX / 4) {
            break;
        }
    }
    double all = (double)j->rounds * (double)j->loops.macs * ti_pool_threads(j->pool);
    return all / best_of(j, mac_pass);
}

tern_status ti_ceiling_measure(ti_ceilings *out, uint32_t threads, const ti_kern *kern,
                               tern_err *err)
{
    job j = {.loops = ti_ceiling_loops_of(kern->isa)};
    ti_ceilings made = {.mac_instruction = j.loops.instruction};
    TI_TRY(ti_pool_create(&j.pool, threads, err));
    tern_status status = measure_read(&made.read_bytes_per_s, &j, err);
    if (status == TERN_OK) {
        made.int8_mac_per_s = measure_macs(&j);
        *out = made;
    }
    ti_pool_destroy(j.pool);
    return status;
}
