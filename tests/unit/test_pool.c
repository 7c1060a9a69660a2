/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool: every thread does its part once, barriers order memory, idle costs nothing,
 * and what cannot be created is cleaned up.  Also run under the thread sanitizer. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "base/pool.h"
#include "oom.h"

enum { MAX_THREADS = 8 };

static const uint32_t sizes[] = {1, 2, 3, 4, 5, MAX_THREADS};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static ti_pool *create(uint32_t n)
{
    ti_pool *pool = NULL;
    tern_err err;
    assert_int_equal(ti_pool_create(&pool, n, &err), TERN_OK);
    return pool;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* --- what a job sees -------------------------------------------------------------------- */

/* Plain integers: if two threads had the same id, or run() returned early, the thread
 * sanitizer and the sums would show it. */
typedef struct tally {
    long runs[MAX_THREADS];
    uint32_t n;
} tally;

static void count_run(void *ctx, uint32_t id, uint32_t n)
{
    tally *t = ctx;
    t->runs[id]++;
    if (id == 0) {
        t->n = n;
    }
}

static void every_thread_once(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SIZES; s++) {
        ti_pool *pool = create(sizes[s]);
        assert_int_equal(ti_pool_threads(pool), sizes[s]);
        tally t = {0};
        enum { RUNS = 2000 };
        for (long i = 1; i <= RUNS; i++) {
            ti_pool_run(pool, count_run, &t);
            for (uint32_t id = 0; id < MAX_THREADS; id++) {
                assert_int_equal(t.runs[id], id < sizes[s] ? i : 0);
            }
        }
        assert_int_equal(t.n, sizes[s]);
        ti_pool_destroy(pool);
    }
}

/* Workers that have gone to sleep are woken; those that still spin are not lost. */
static void sleeping_and_spinning(void **state)
{
    (void)state;
    ti_pool *pool = create(4);
    tally t = {0};
    for (long i = 1; i <= 100; i++) {
        if (i % 3 == 0) {
            sleep_ms(1);
        } else if (i % 3 == 1) {
            for (volatile int spin = 0; spin < (int)(i * 97 % 5000); spin++) {
            }
        }
        ti_pool_run(pool, count_run, &t);
        assert_int_equal(t.runs[3], i);
    }
    ti_pool_destroy(pool);
    for (int i = 0; i < 50; i++) { /* destroyed before its threads had slept, or even begun */
        pool = create(1 + (uint32_t)i % 5);
        ti_pool_destroy(pool);
    }
    ti_pool_destroy(NULL);
}

/* --- barriers --------------------------------------------------------------------------- */

enum { PHASES = 500 };

typedef struct storm {
    ti_pool *pool;
    int cell[2][MAX_THREADS]; /* written in one phase, read by the neighbour in the next */
    atomic_int wrong;
} storm;

/* Each phase, a thread writes the phase's number into its cell and reads its neighbour's of
 * the phase before. */
static void storm_job(void *ctx, uint32_t id, uint32_t n)
{
    storm *s = ctx;
    for (int phase = 1; phase <= PHASES; phase++) {
        if (phase > 1 && s->cell[(phase + 1) % 2][(id + 1) % n] != phase - 1) {
            atomic_fetch_add(&s->wrong, 1);
        }
        s->cell[phase % 2][id] = phase;
        if ((uint32_t)phase % (2 * n) == id) {
            for (volatile int spin = 0; spin < 3000; spin++) { /* be late in turn */
            }
        }
        ti_pool_barrier(s->pool);
    }
}

static void barrier_storm(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIZES; i++) {
        storm s = {.pool = create(sizes[i])};
        for (int round = 0; round < 5; round++) {
            memset(s.cell, 0, sizeof s.cell);
            ti_pool_run(s.pool, storm_job, &s);
        }
        assert_int_equal(s.wrong, 0);
        ti_pool_destroy(s.pool);
    }
}

/* Two requests at once: each has a pool of its own. */
static void *storm_thread(void *arg)
{
    storm *s = arg;
    for (int round = 0; round < 5; round++) {
        memset(s->cell, 0, sizeof s->cell);
        ti_pool_run(s->pool, storm_job, s);
    }
    return NULL;
}

static void two_pools_at_once(void **state)
{
    (void)state;
    storm a = {.pool = create(3)}, b = {.pool = create(2)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, storm_thread, &b), 0);
    storm_thread(&a);
    pthread_join(thread, NULL);
    assert_int_equal(a.wrong, 0);
    assert_int_equal(b.wrong, 0);
    ti_pool_destroy(a.pool);
    ti_pool_destroy(b.pool);
}

/* A job may use another pool. */
typedef struct outer {
    ti_pool *inner[MAX_THREADS];
    tally tallies[MAX_THREADS];
} outer;

static void outer_job(void *ctx, uint32_t id, uint32_t n)
{
    (void)n;
    outer *o = ctx;
    ti_pool_run(o->inner[id], count_run, &o->tallies[id]);
}

static void pools_in_pools(void **state)
{
    (void)state;
    outer o = {0};
    for (int i = 0; i < 3; i++) {
        o.inner[i] = create(2);
    }
    ti_pool *pool = create(3);
    for (int i = 0; i < 100; i++) {
        ti_pool_run(pool, outer_job, &o);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o.tallies[i].runs[0], 100);
        assert_int_equal(o.tallies[i].runs[1], 100);
        ti_pool_destroy(o.inner[i]);
    }
    ti_pool_destroy(pool);
}

/* --- what it costs to have a pool ------------------------------------------------------- */

static long cpu_us(void)
{
    struct rusage u;
    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

static void idle_costs_nothing(void **state)
{
    (void)state;
    ti_pool *pool = create(4);
    tally t = {0};
    ti_pool_run(pool, count_run, &t);
    sleep_ms(20); /* the spinning after a job is bounded: over by now */
    long before = cpu_us();
    sleep_ms(300);
    long used = cpu_us() - before;
    ti_pool_destroy(pool);
    /* Four spinning threads would use up to 1,200,000 us; 3,000 is 1 % of one CPU. */
    assert_in_range(used, 0, 3000);
}

/* A late thread is waited for asleep: three threads that wait 200 ms for the fourth. */
static void late_job(void *ctx, uint32_t id, uint32_t n)
{
    (void)ctx;
    if (id == n - 1) {
        sleep_ms(200);
    }
}

static void waiting_costs_little(void **state)
{
    (void)state;
    ti_pool *pool = create(4);
    long before = cpu_us();
    ti_pool_run(pool, late_job, NULL);
    long used = cpu_us() - before;
    ti_pool_destroy(pool);
    assert_in_range(used, 0, 20000);
}

static void see_signals(void *ctx, uint32_t id, uint32_t n)
{
    (void)n;
    int *blocked = ctx;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    blocked[id] = sigismember(&set, SIGINT) + 2 * sigismember(&set, SIGBUS);
}

static void signals_go_to_the_caller(void **state)
{
    (void)state;
    int blocked[MAX_THREADS] = {0};
    ti_pool *pool = create(3);
    ti_pool_run(pool, see_signals, blocked);
    ti_pool_destroy(pool);
    assert_int_equal(blocked[0], 0);
    assert_int_equal(blocked[1], 1);
    assert_int_equal(blocked[2], 1);
}

/* --- how many --------------------------------------------------------------------------- */

static void counts(void **state)
{
    (void)state;
    uint32_t cpus = ti_cpu_count();
    assert_in_range(cpus, 1, TI_POOL_MAX_THREADS);
    ti_pool *pool = create(0);
    assert_int_equal(ti_pool_threads(pool), cpus);
    ti_pool_destroy(pool);

    ti_pool *none = NULL;
    tern_err err;
    assert_int_equal(ti_pool_create(&none, TI_POOL_MAX_THREADS + 1, &err), TERN_LIMIT);
    assert_null(none);

    assert_int_equal(ti_cpu_quota("max 100000\n", 8), 8);
    assert_int_equal(ti_cpu_quota("200000 100000\n", 8), 2);
    assert_int_equal(ti_cpu_quota("250000 100000\n", 8), 3);
    assert_int_equal(ti_cpu_quota("1000 100000\n", 8), 1);
    assert_int_equal(ti_cpu_quota("6400000 100000\n", 8), 8);
    static const char *const strange[] = {
        "", "\n", "100000", "0 100000", "100000 0", "-5 x", "9999999999999999999999 1", "x y",
    };
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        assert_int_equal(ti_cpu_quota(strange[i], 8), 8);
    }
}

static uint64_t random_state = 1;

static uint64_t rnd(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 20;
}

static void check_shares(size_t count, size_t grain, uint32_t n)
{
    size_t at = 0, least = SIZE_MAX, most = 0;
    for (uint32_t id = 0; id < n; id++) {
        size_t begin = 1, end = 0;
        ti_pool_share(count, grain, id, n, &begin, &end);
        assert_int_equal(begin, at); /* in order, without gap or overlap */
        assert_true(begin <= end && end <= count);
        assert_true(begin % grain == 0 || begin == count);
        size_t grains = (end - begin) / grain + ((end - begin) % grain != 0);
        least = grains < least ? grains : least;
        most = grains > most ? grains : most;
        at = end;
    }
    assert_int_equal(at, count);
    assert_true(most - least <= 1);
}

static void shares(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        check_shares(rnd() % 5000, 1 + rnd() % 70, 1 + (uint32_t)(rnd() % 20));
    }
    for (uint32_t n = 1; n <= TI_POOL_MAX_THREADS; n += 5) { /* nothing in it can overflow */
        check_shares(SIZE_MAX, 1, n);
        check_shares(SIZE_MAX, 64, n);
        check_shares(SIZE_MAX - 1, SIZE_MAX / 2, n);
        check_shares(0, SIZE_MAX, n);
        check_shares(1, SIZE_MAX, n);
    }
}

/* --- when it cannot be had -------------------------------------------------------------- */

static atomic_int calls_left = -1; /* of pthread_..., until one fails; -1 = all succeed */

static bool fails(void)
{
    int left = atomic_load(&calls_left);
    if (left < 0) {
        return false;
    }
    atomic_store(&calls_left, left - 1);
    return left == 0;
}

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *p);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *p);
int __real_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a);
int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a);
int __real_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a);
int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *p)
{
    return fails() ? EAGAIN : __real_pthread_create(t, a, f, p);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
    return fails() ? ENOMEM : __real_pthread_mutex_init(m, a);
}

int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a)
{
    return fails() ? ENOMEM : __real_pthread_cond_init(c, a);
}

static void creation_fails_cleanly(void **state)
{
    (void)state;
    enum { LOCKS = 4, N = 5 };
    for (int k = 0; k < LOCKS + N - 1; k++) {
        ti_pool *pool = NULL;
        tern_err err;
        atomic_store(&calls_left, k);
        tern_status status = ti_pool_create(&pool, N, &err);
        atomic_store(&calls_left, -1);
        assert_int_equal(status, k < LOCKS ? TERN_NOMEM : TERN_IO);
        assert_null(pool);
        if (k >= LOCKS) {
            char want[64];
            snprintf(want, sizeof want, "cannot start thread %d of %d", k - LOCKS + 1, N);
            assert_non_null(strstr(err.message, want));
        }
    }
    ti_pool *pool = NULL;
    oom_fail_at(0);
    assert_int_equal(ti_pool_create(&pool, 2, NULL), TERN_NOMEM);
    oom_disarm();
    assert_null(pool);
}

/* Running a job allocates nothing. */
static void running_allocates_nothing(void **state)
{
    (void)state;
    ti_pool *pool = create(3);
    tally t = {0};
    oom_fail_at(0);
    for (int i = 0; i < 10; i++) {
        ti_pool_run(pool, count_run, &t);
    }
    assert_int_equal(oom_count(), 0);
    oom_disarm();
    ti_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_once),
        cmocka_unit_test(sleeping_and_spinning),
        cmocka_unit_test(barrier_storm),
        cmocka_unit_test(two_pools_at_once),
        cmocka_unit_test(pools_in_pools),
        cmocka_unit_test(idle_costs_nothing),
        cmocka_unit_test(waiting_costs_little),
        cmocka_unit_test(signals_go_to_the_caller),
        cmocka_unit_test(counts),
        cmocka_unit_test(shares),
        cmocka_unit_test(creation_fails_cleanly),
        cmocka_unit_test(running_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
