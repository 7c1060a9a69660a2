/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler: counters that wrap, fail, vanish, start again and sleep, on a clock of our own;
 * then its thread on the real clock, and what it costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/rng.h"
#include "energy/sampler.h"
#include "energy/units.h"
#include "oom.h"

#define SECOND UINT64_C(1000000000)

/* The two ranges that exist: 2^32 - 1 steps of 61.035 and of 15.258 uJ. */
#define RANGE_LARGE UINT64_C(262143328850)
#define RANGE_SMALL UINT64_C(65532610987)

/* --- threads that cannot be had --------------------------------------------------------- */

static const char *failing;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *ctx);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *ctx);
int __real_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr);
int __real_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);

static bool fails(const char *name)
{
    return failing && strcmp(failing, name) == 0;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *ctx)
{
    return fails("create") ? 11 : __real_pthread_create(thread, attr, run, ctx);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr)
{
    return fails("mutex") ? 12 : __real_pthread_mutex_init(lock, attr);
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    return fails("cond") ? 12 : __real_pthread_cond_init(cond, attr);
}

/* --- a machine of our own -------------------------------------------------------------------
 */

enum { SOCKETS = 2 };

typedef struct fake {
    ti_meter_info info;
    uint64_t value_uj; /* of the register */
    uint32_t flags;    /* the next read fails so */
} fake;

typedef struct world {
    ti_time now;
    fake meters[SOCKETS];
    ti_meter_sampler *sampler;
    ti_interval last; /* interval */
    uint64_t intervals_uj, n_intervals;
} world;

static ti_time now_of(void *ctx)
{
    return ((const world *)ctx)->now;
}

static void read_fake(void *ctx, ti_time now, ti_reading *out)
{
    const fake *m = ctx;
    *out = (ti_reading){.time = now, .flags = m->flags, .energy_uj = m->value_uj};
}

static void keep(void *ctx, const ti_interval *interval)
{
    world *w = ctx;
    w->last = *interval;
    w->intervals_uj += interval->energy_uj;
    w->n_intervals++;
}

static void open_world(world *w, uint64_t start_uj, uint64_t range_uj, size_t n)
{
    *w = (world){.now = {.mono_ns = 5 * SECOND, .boot_ns = 6 * SECOND}};
    ti_meter_sampler_port ports[SOCKETS];
    for (size_t i = 0; i < n; i++) {
        w->meters[i] = (fake){.info = {.name = "m",
                                       .label = "package-0", /* both sockets say so */
                                       .range_uj = range_uj,
                                       .max_power_uw = 300000000},
                              .value_uj = start_uj};
        ports[i] = (ti_meter_sampler_port){
            .info = &w->meters[i].info, .read = read_fake, .ctx = &w->meters[i]};
    }
    ti_meter_sampler_opts opts = {.on_interval = keep, .ctx = w, .now = now_of, .now_ctx = w};
    assert_int_equal(ti_meter_sampler_create(&w->sampler, ports, n, &opts, NULL), TERN_OK);
}

/* Time passes, the register counts as hardware does, a sample is taken. */
static void pass(world *w, uint64_t seconds)
{
    w->now.mono_ns += seconds * SECOND;
    w->now.boot_ns += seconds * SECOND;
    ti_meter_sampler_sample(w->sampler, NULL);
}

static void close_world(world *w)
{
    ti_meter_sampler_sum sum = ti_meter_sampler_total(w->sampler);
    assert_true(sum.energy_uj == w->intervals_uj);
    assert_true(sum.n_samples == w->n_intervals + 1);
    ti_meter_sampler_destroy(w->sampler);
}

static void test_wraps(void **state)
{
    world w;
    (void)state;
    open_world(&w, 262143328000, RANGE_LARGE, 1);
    w.meters[0].value_uj = 672;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 1522);
    assert_int_equal(w.last.flags, TI_DELTA_WRAP);
    w.meters[0].value_uj += 1000;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 1000 && w.last.flags == 0 && w.last.dt_ns == SECOND);
    close_world(&w);
    open_world(&w, 65532610000, RANGE_SMALL, 1);
    w.meters[0].value_uj = 13;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 1000);
    close_world(&w);
}

/* At its maximum power, sampled as seldom as the period allows: every wrap is seen. */
static void test_period_is_short_enough(void **state)
{
    world w;
    (void)state;
    open_world(&w, 7, RANGE_SMALL, 1);
    assert_true(ti_meter_sampler_period_ns(w.sampler) == SECOND); /* 109 s would do */
    uint64_t period_s = ti_meter_period_ns(&w.meters[0].info) / SECOND;
    assert_true(period_s == 109);
    uint64_t truth = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t d = period_s * w.meters[0].info.max_power_uw;
        truth += d;
        w.meters[0].value_uj += d;
        w.meters[0].value_uj -= w.meters[0].value_uj > RANGE_SMALL ? RANGE_SMALL : 0;
        pass(&w, period_s);
        assert_false(w.last.flags & TI_DELTA_LOST);
    }
    assert_true(ti_meter_sampler_total(w.sampler).energy_uj == truth);
    close_world(&w);
    /* A small counter shortens the period; a power meter is never left for long. */
    ti_meter_info small = {.range_uj = 2000000, .max_power_uw = 10000000};
    ti_meter_info power = {.is_power = true, .max_power_uw = 10000000};
    ti_meter_sampler_opts opts = {.period_ns = 3600 * SECOND, .now = now_of, .now_ctx = &w};
    ti_meter_sampler_port port = {.info = &small, .read = read_fake, .ctx = &w.meters[0]};
    ti_meter_sampler *s = NULL;
    assert_int_equal(ti_meter_sampler_create(&s, &port, 1, &opts, NULL), TERN_OK);
    assert_true(ti_meter_sampler_period_ns(s) == SECOND / 10);
    ti_meter_sampler_destroy(s);
    port.info = &power;
    assert_int_equal(ti_meter_sampler_create(&s, &port, 1, &opts, NULL), TERN_OK);
    assert_true(ti_meter_sampler_period_ns(s) == TI_POWER_GAP_NS / 2);
    ti_meter_sampler_destroy(s);
    assert_int_equal(ti_meter_sampler_create(&s, NULL, 0, &opts, NULL), TERN_USAGE);
    ti_meter_sampler_destroy(NULL);
}

/* A read error is not a wrap, and the next read is not the whole counter. */
static void test_read_error(void **state)
{
    world w;
    (void)state;
    open_world(&w, 1000000, RANGE_LARGE, 1);
    w.meters[0].value_uj += 100;
    w.meters[0].flags = TI_READ_IO;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 0 && w.last.flags == TI_DELTA_FAILED);
    w.meters[0].value_uj += 100;
    w.meters[0].flags = 0;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 200 && w.last.flags == TI_DELTA_GAP);
    pass(&w, 1);
    assert_true(w.last.energy_uj == 0 && w.last.flags == 0);
    assert_true(ti_meter_sampler_total(w.sampler).n_flagged == 1);
    ti_meter_sampler_sum sum;
    ti_meter_sampler_sample(w.sampler, &sum);
    assert_true((sum.recent_flags & ~(uint32_t)TI_DELTA_CLOCK) ==
                (TI_DELTA_FAILED | TI_DELTA_GAP));
    pass(&w, 1);
    assert_true(ti_meter_sampler_total(w.sampler).recent_flags == 0);
    assert_true(sum.flags & TI_DELTA_FAILED);
    close_world(&w);
}

/* One socket fails: the other's energy of that interval is not lost with it.  Both have the
 * same name, and both count. */
static void test_one_of_two_fails(void **state)
{
    world w;
    (void)state;
    open_world(&w, 0, RANGE_LARGE, 2);
    w.meters[0].value_uj += 10;
    w.meters[1].value_uj += 20;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 30);
    w.meters[0].value_uj += 10;
    w.meters[1].value_uj += 20;
    w.meters[0].flags = TI_READ_IO;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 20 && w.last.flags == TI_DELTA_FAILED);
    w.meters[0].flags = 0;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 10 && w.last.flags == TI_DELTA_GAP);
    /* Gone for good: flagged from now on, the other goes on. */
    w.meters[1].flags = TI_READ_GONE;
    for (int i = 0; i < 5; i++) {
        w.meters[0].value_uj += 10;
        pass(&w, 1);
        assert_true(w.last.energy_uj == 10 && w.last.flags == TI_DELTA_FAILED);
    }
    close_world(&w);
}

/* So long that it may have wrapped twice: nobody knows, so nothing is counted. */
static void test_too_long(void **state)
{
    world w;
    (void)state;
    open_world(&w, 0, RANGE_SMALL, 1);
    w.meters[0].value_uj = 12345678;
    pass(&w, 400);
    assert_true(w.last.energy_uj == 0 && (w.last.flags & TI_DELTA_WRAPS));
    w.meters[0].value_uj += 5;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 5);
    close_world(&w);
}

static void test_reset_and_sleep(void **state)
{
    world w;
    (void)state;
    open_world(&w, 5000000000, RANGE_LARGE, 1);
    /* The machine sleeps for an hour, and its counter starts again. */
    w.now.boot_ns += 3600 * SECOND;
    w.meters[0].value_uj = 40;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 0);
    assert_true((w.last.flags & TI_DELTA_RESET) && (w.last.flags & TI_DELTA_SLEPT));
    assert_true(w.last.slept_ns == 3600 * SECOND && w.last.dt_ns == SECOND);
    w.meters[0].value_uj = 140;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 100 && w.last.slept_ns == 0);
    /* It sleeps again; this time the counter was kept. */
    w.now.boot_ns += 3600 * SECOND;
    w.meters[0].value_uj = 340;
    pass(&w, 1);
    assert_true(w.last.energy_uj == 200 && w.last.flags == TI_DELTA_SLEPT);
    /* Time that goes back is another boot. */
    w.now.boot_ns = SECOND;
    w.now.mono_ns = SECOND;
    w.meters[0].value_uj = 50;
    ti_meter_sampler_sample(w.sampler, NULL);
    assert_true(w.last.energy_uj == 0 && (w.last.flags & TI_DELTA_RESET));
    assert_true(w.last.dt_ns == 0);
    close_world(&w);
}

/* Random power, failures and wraps: after a good read the sum is what the hardware spent. */
static void test_no_phantom_joules(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        ti_rng rng;
        world w;
        uint64_t truth = 0;
        ti_rng_seed(&rng, seed);
        uint64_t range = seed % 2 ? RANGE_LARGE : RANGE_SMALL;
        open_world(&w, ti_rng_next(&rng) % range, range, SOCKETS);
        for (int i = 0; i < 50; i++) {
            uint64_t seconds = 1 + ti_rng_next(&rng) % 20;
            for (size_t m = 0; m < SOCKETS; m++) {
                uint64_t d = seconds * (ti_rng_next(&rng) % w.meters[m].info.max_power_uw);
                bool last = i == 49;
                truth += d;
                w.meters[m].value_uj += d;
                w.meters[m].value_uj -= w.meters[m].value_uj > range ? range : 0;
                bool bad = !last && !w.meters[m].flags && ti_rng_next(&rng) % 4 == 0;
                w.meters[m].flags = bad ? TI_READ_IO : 0;
            }
            pass(&w, seconds);
            assert_true(ti_meter_sampler_total(w.sampler).energy_uj <= truth);
        }
        assert_true(ti_meter_sampler_total(w.sampler).energy_uj == truth);
        close_world(&w);
    }
}

/* --- the thread -----------------------------------------------------------------------------
 */

static _Atomic uint64_t counter_uj, n_reads;

static void read_counter(void *ctx, ti_time now, ti_reading *out)
{
    (void)ctx;
    atomic_fetch_add(&n_reads, 1);
    *out = (ti_reading){.time = now, .energy_uj = atomic_fetch_add(&counter_uj, 3) + 3};
}

static const ti_meter_info plain = {.name = "m", .max_power_uw = 1000000000};

static void *sample_often(void *ctx)
{
    for (int i = 0; i < 200; i++) {
        ti_meter_sampler_sample(ctx, NULL);
    }
    return NULL;
}

static void test_thread(void **state)
{
    (void)state;
    ti_meter_sampler *s = NULL;
    world w = {0};
    ti_meter_sampler_port port = {.info = &plain, .read = read_counter};
    ti_meter_sampler_opts opts = {.period_ns = SECOND / 500, .on_interval = keep, .ctx = &w};
    pthread_t others[3];
    atomic_store(&counter_uj, 0);
    assert_int_equal(ti_meter_sampler_create(&s, &port, 1, &opts, NULL), TERN_OK);
    assert_int_equal(ti_meter_sampler_start(s, NULL), TERN_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(__real_pthread_create(&others[i], NULL, sample_often, s), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(others[i], NULL);
    }
    usleep(100000);
    ti_meter_sampler_sum sum;
    ti_meter_sampler_sample(s, &sum);
    ti_meter_sampler_destroy(s);
    assert_true(sum.n_samples > 602); /* the thread's own among them */
    assert_true(w.n_intervals + 1 >= sum.n_samples);
    assert_true(w.intervals_uj == 3 * w.n_intervals);
}

/* An end does not wait for the period. */
static void test_ends_at_once(void **state)
{
    (void)state;
    ti_meter_sampler *s = NULL;
    ti_meter_sampler_port port = {.info = &plain, .read = read_counter};
    ti_meter_sampler_opts opts = {.period_ns = 3600 * SECOND};
    assert_int_equal(ti_meter_sampler_create(&s, &port, 1, &opts, NULL), TERN_OK);
    assert_int_equal(ti_meter_sampler_start(s, NULL), TERN_OK);
    uint64_t before = ti_time_now().mono_ns, reads = atomic_load(&n_reads);
    ti_meter_sampler_destroy(s);
    assert_true(ti_time_now().mono_ns - before < 5 * SECOND);
    assert_true(atomic_load(&n_reads) == reads);
}

/* --- what it costs --------------------------------------------------------------------------
 */

static void put(const char *directory, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Two packages with memory: four files, as on a server with two sockets. */
static void make_zones(char root[64])
{
    static const char *const above[] = {"/sys", "/sys/class", "/sys/class/powercap"};
    static const char *const zones[][2] = {{"intel-rapl:0", "package-0"},
                                           {"intel-rapl:0:0", "dram"},
                                           {"intel-rapl:1", "package-1"},
                                           {"intel-rapl:1:0", "dram"}};
    char path[128];
    snprintf(root, 64, "/tmp/tern-sampler-XXXXXX");
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", root, above[i]);
        assert_int_equal(mkdir(path, 0777), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/sys/class/powercap/%s", root, zones[i][0]);
        assert_int_equal(mkdir(path, 0777), 0);
        put(path, "name", zones[i][1]);
        put(path, "energy_uj", "123456789\n");
        put(path, "max_energy_range_uj", "262143328850\n");
        put(path, "enabled", "1\n");
    }
}

static void remove_zones(const char *root)
{

    static const char *const names[] = {"name", "energy_uj", "max_energy_range_uj", "enabled",
                                        ""};
    static const char *const zones[] = {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1",
                                        "intel-rapl:1:0"};
    char path[256];
    for (size_t z = 0; z < 4; z++) {
        for (size_t i = 0; i < 5; i++) {
            snprintf(path, sizeof path, "%s/sys/class/powercap/%s/%s", root, zones[z],
                     names[i]);
            (void)remove(path);
        }
    }
    static const char *const above[] = {"/sys/class/powercap", "/sys/class", "/sys", ""};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", root, above[i]);
        (void)remove(path);
    }
}

enum { OPEN_MAX_METERS = 8 };

/* Samples of real files, many of them, so that the clock's steps do not matter; at one a second
 * the share of a core is a sample's CPU time over a second. */
static void test_cost(void **state)
{
    (void)state;
    char root[64];
    ti_meter_set set;
    ti_meter_role roles[64];
    ti_selection selection;
    ti_meter *meters[OPEN_MAX_METERS];
    ti_meter_sampler_port ports[OPEN_MAX_METERS];
    size_t n = 0;
    make_zones(root);
    ti_meter_env env = {.sysroot = root};
    assert_int_equal(ti_meter_list(&set, &env, NULL), TERN_OK);
    assert_true(set.n <= 64);
    ti_meter_select(&selection, roles, set.items, set.n, TI_BOUNDARY_OTHER);
    for (size_t i = 0; i < set.n && n < OPEN_MAX_METERS; i++) {
        if (roles[i] == TI_ROLE_COUNTED) {
            assert_int_equal(ti_meter_open(&meters[n], &set.items[i], &env, NULL), TERN_OK);
            ports[n] = ti_meter_sampler_port_of(meters[n]);
            n++;
        }
    }
    assert_int_equal(n, 4);
    ti_meter_sampler *s = NULL;
    ti_meter_sampler_opts opts = {.period_ns = SECOND / 200};
    assert_int_equal(ti_meter_sampler_create(&s, ports, n, &opts, NULL), TERN_OK);
    assert_true(ti_meter_sampler_cost_ns(s) == 0);
    assert_int_equal(ti_meter_sampler_start(s, NULL), TERN_OK);
    usleep(1500000);
    uint64_t cost_ns = ti_meter_sampler_cost_ns(s);
    uint64_t samples = ti_meter_sampler_total(s).n_samples;
    ti_meter_sampler_destroy(s);
    assert_true(samples > 20);
    double share = (double)cost_ns / (double)(samples - 1) / 1e9;
    print_message("a sample of %zu meters: %.1f us, at 1 Hz %.4f %% of a core\n", n,
                  (double)cost_ns / (double)(samples - 1) / 1e3, 100 * share);
    assert_true(cost_ns > 0);
    assert_true(share < 0.001);
    for (size_t i = 0; i < n; i++) {
        ti_meter_close(meters[i]);
    }
    ti_meter_set_free(&set);
    remove_zones(root);
}

/* --- what cannot be had --------------------------------------------------------------------
 */

static void test_failures(void **state)
{
    (void)state;
    ti_meter_sampler_port port = {.info = &plain, .read = read_counter};
    static const char *const makes[] = {"mutex", "cond"};
    for (size_t i = 0; i < 2; i++) {
        ti_meter_sampler *s = NULL;
        failing = makes[i];
        assert_int_equal(ti_meter_sampler_create(&s, &port, 1, NULL, NULL), TERN_IO);
        failing = NULL;
        assert_null(s);
    }
    ti_meter_sampler *s = NULL;
    assert_int_equal(ti_meter_sampler_create(&s, &port, 1, NULL, NULL), TERN_OK);
    failing = "create";
    assert_int_equal(ti_meter_sampler_start(s, NULL), TERN_IO);
    failing = NULL;
    ti_meter_sampler_sample(s, NULL); /* it can be sampled all the same */
    ti_meter_sampler_destroy(s);
    for (long n = 0;; n++) {
        s = NULL;
        oom_fail_at(n);
        tern_status status = ti_meter_sampler_create(&s, &port, 1, NULL, NULL);
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        assert_true(failed == (s == NULL));
        if (s) {
            oom_fail_at(0);
            ti_meter_sampler_sample(s, NULL); /* allocates nothing */
            assert_false(oom_disarm());
        }
        ti_meter_sampler_destroy(s);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wraps),
        cmocka_unit_test(test_period_is_short_enough),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_one_of_two_fails),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_reset_and_sleep),
        cmocka_unit_test(test_no_phantom_joules),
        cmocka_unit_test(test_thread),
        cmocka_unit_test(test_ends_at_once),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
