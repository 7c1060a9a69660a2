/* SPDX-License-Identifier: Apache-2.0 */
/* Joules for a piece of work: counters of a made-up machine and the model, idle beside it,
 * damaged calibrations, requests from several threads, memory that is not there. */
#include <errno.h>
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

#include "energy/session.h"
#include "oom.h"

#define SECOND UINT64_C(1000000000)

/* --- a made-up machine ----------------------------------------------------------------------
 */

static char root[64];
static char calibration[96];

#define ZONE "/sys/class/powercap/intel-rapl:0"
static const char *const directories[] = {"/proc", "/sys", "/sys/class", "/sys/class/powercap",
                                          ZONE};
static const char *const files[] = {"/proc/cpuinfo",    "/proc/meminfo",
                                    ZONE "/name",       ZONE "/energy_uj",
                                    ZONE "/enabled",    ZONE "/max_energy_range_uj",
                                    "/calibration.json"};

/* Replaces by a rename, as a counter changes: no reader sees half a number. */
static void put(const char *name, const char *text)
{
    char path[256], temporary[300];
    snprintf(path, sizeof path, "%s%s", root, name);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *f = fopen(temporary, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(temporary, path), 0);
}

/* In place: the reader keeps the file open. */
static void put_in_place(const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, ZONE "/energy_uj");
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void count(uint64_t energy_uj)
{
    char text[32];
    snprintf(text, sizeof text, "%012llu\n", (unsigned long long)energy_uj);
    put_in_place(text);
}

static int make_machine(void **state)
{
    (void)state;
    char path[256];
    snprintf(root, sizeof root, "/tmp/tern-energy-XXXXXX");
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        snprintf(path, sizeof path, "%s%s", root, directories[i]);
        assert_int_equal(mkdir(path, 0777), 0);
    }
    put("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n"
                         "model\t\t: 116\nmodel name\t: AMD Ryzen 7 7840HS w/ Radeon 780M\n"
                         "stepping\t: 1\nphysical id\t: 0\nflags\t\t: fpu\n\nprocessor\t: 1\n");
    put("/proc/meminfo", "MemTotal: 1000000 kB\n");
    snprintf(calibration, sizeof calibration, "%s/calibration.json", root);
    return 0;
}

static int remove_machine(void **state)
{
    (void)state;
    char path[256];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s%s", root, files[i]);
        (void)remove(path);
    }
    for (size_t i = sizeof directories / sizeof *directories; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", root, directories[i]);
        (void)remove(path);
    }
    return remove(root);
}

static void add_counter(const char *name)
{
    put(ZONE "/name", name);
    put(ZONE "/max_energy_range_uj", "262143328850\n");
    put(ZONE "/enabled", "1\n");
    put(ZONE "/energy_uj", "000001000000\n");
}

static ti_energy *open_it(const char *file, ti_boundary want)
{
    ti_energy *e = NULL;
    tern_err err;
    ti_energy_opts opts = TI_ENERGY_OPTS_DEFAULT;
    opts.sysroot = root;
    opts.calibration = file;
    opts.want = want;
    opts.period_ns = 3600 * SECOND; /* samples only when a request begins or ends */
    tern_status status = ti_energy_open(&e, &opts, &err);
    if (status != TERN_OK) {
        print_message("%s: %s\n", err.module, err.message);
    }
    assert_int_equal(status, TERN_OK);
    return e;
}

/* --- measured -------------------------------------------------------------------------------
 */

static void test_measured(void **state)
{
    (void)state;
    ti_energy_figure f;
    uint32_t id;
    char words[64];
    add_counter("package-0");
    ti_energy *e = open_it(NULL, TI_BOUNDARY_OTHER);
    const ti_energy_source *s = ti_energy_of(e);
    assert_int_equal(s->evidence, TI_EVIDENCE_MEASURED);
    assert_string_equal(s->meter, "powercap package-0");
    assert_true(s->covers == TI_COVERS_PACKAGE && s->error_permille == 0);
    assert_true(s->idle_known && s->idle_uw == 5400000);
    assert_string_equal(s->idle_by, "tdp");
    assert_int_equal(ti_energy_begin(e, &id, NULL), TERN_OK);
    usleep(20000);
    count(3000000);
    ti_energy_work(e, id, 10, 5);
    ti_energy_end(e, id, &f);
    assert_true(f.energy_uj + f.idle_uj == 2000000);
    assert_true(f.idle_uj >= 5400 * 20 && f.idle_uj < 2000000); /* 5.4 W for 20 ms or more */
    assert_true(f.time_ns >= 20000000 && f.flags == 0);
    assert_string_equal(f.meter, "powercap package-0");
    count(3500000); /* nobody's */
    ti_meter_sampler_sum sampled;
    ti_attribution_sum sum = ti_energy_total(e, &sampled);
    assert_true(sum.metered_uj == 2500000 && sampled.energy_uj == 2500000);
    assert_true(sum.requests_uj + sum.idle_uj == 2500000 && sum.waiting_uj == 0);
    ti_energy_close(e);
    assert_string_equal(ti_energy_flags_text(words, sizeof words, 0), "");
    assert_string_equal(
        ti_energy_flags_text(words, sizeof words, TI_DELTA_GAP | TI_ENERGY_NO_IDLE),
        "gap, no-idle");
    assert_string_equal(ti_energy_flags_text(words, sizeof words, TI_ENERGY_SHORT), "short");
    assert_string_equal(ti_energy_flags_text(words, 8, UINT32_MAX), "wrap");
}

/* A read error in the middle: flagged, and nothing is lost or invented. */
static void test_measured_with_an_error(void **state)
{
    (void)state;
    ti_energy_figure f;
    uint32_t id;
    add_counter("package-0");
    ti_energy *e = open_it(NULL, TI_BOUNDARY_OTHER);
    assert_int_equal(ti_energy_begin(e, &id, NULL), TERN_OK);
    usleep(2000);
    put_in_place("-1          \n");
    (void)ti_energy_total(e, NULL);
    usleep(2000);
    count(1600000);
    ti_energy_end(e, id, &f);
    assert_true(f.energy_uj + f.idle_uj == 600000);
    assert_true((f.flags & ~(uint32_t)TI_ENERGY_SHORT) == (TI_DELTA_FAILED | TI_DELTA_GAP));
    ti_energy_close(e);
}

/* The platform's meter holds more than any model of the processor: then nothing is said about
 * idle. */
static void test_idle_that_is_not_known(void **state)
{
    (void)state;
    ti_energy_figure f;
    uint32_t id;
    add_counter("psys");
    ti_energy *e = open_it(NULL, TI_BOUNDARY_PSYS);
    assert_false(ti_energy_of(e)->idle_known);
    assert_string_equal(ti_energy_of(e)->idle_by, "none");
    assert_int_equal(ti_energy_begin(e, &id, NULL), TERN_OK);
    usleep(2000);
    count(1000100);
    ti_energy_end(e, id, &f);
    assert_true(f.energy_uj == 100 && f.idle_uj == 0 && (f.flags & TI_ENERGY_NO_IDLE));
    /* A calibration of just that knows it. */
    uint32_t covers = ti_energy_of(e)->covers;
    ti_energy_close(e);
    ti_calibration c = {.cpu = "AMD Ryzen 7 7840HS w/ Radeon 780M",
                        .threads = 2,
                        .idle_uw = 7000000,
                        .full_uw = 50000000,
                        .covers = covers,
                        .meter = "powercap psys"};
    assert_int_equal(ti_calibration_store(&c, calibration, NULL), TERN_OK);
    e = open_it(calibration, TI_BOUNDARY_PSYS);
    assert_true(ti_energy_of(e)->idle_known && ti_energy_of(e)->idle_uw == 7000000);
    assert_string_equal(ti_energy_of(e)->idle_by, "calibrated");
    ti_energy_close(e);
}

/* --- modelled -------------------------------------------------------------------------------
 */

static _Atomic uint64_t cpu_used_ns;

static uint64_t cpu_of_test(void *ctx)
{
    (void)ctx;
    return atomic_load(&cpu_used_ns);
}

static ti_energy *open_model(const char *file)
{
    ti_energy *e = NULL;
    ti_energy_opts opts = TI_ENERGY_OPTS_DEFAULT;
    opts.sysroot = root;
    opts.calibration = file;
    opts.model_covers = 0;
    opts.period_ns = 3600 * SECOND;
    opts.cpu_ns = cpu_of_test;
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_OK);
    return e;
}

static void test_modelled(void **state)
{
    (void)state;
    ti_energy_figure f;
    uint32_t id;
    ti_energy *e = open_model(calibration); /* which is not there */
    const ti_energy_source *s = ti_energy_of(e);
    assert_int_equal(s->evidence, TI_EVIDENCE_MODELLED);
    assert_string_equal(s->meter, "cpu-time u^0.7, 54 W design power (amd ryzen 7 7840hs)");
    assert_true(s->error_permille == 350 && s->n_meters == 0);
    assert_int_equal(ti_energy_begin(e, &id, NULL), TERN_OK);
    usleep(50000);
    atomic_fetch_add(&cpu_used_ns, 3600 * SECOND); /* all threads, all the time */
    ti_energy_end(e, id, &f);
    /* 48.6 W above 5.4 W for the time between the two samples. */
    double seconds = (double)(f.idle_uj) / 5.4e6;
    assert_true(seconds >= 0.05 && seconds < 30);
    assert_true((double)f.energy_uj > 48.6e6 * seconds - 10);
    assert_true((double)f.energy_uj < 48.6e6 * seconds + 10);
    assert_int_equal(f.flags, 0);
    assert_int_equal(ti_energy_begin(e, &id, NULL), TERN_OK);
    usleep(1000);
    ti_energy_end(e, id, &f); /* nothing was done */
    assert_true(f.energy_uj == 0 && f.idle_uj > 0);
    ti_energy_close(e);
}

static int perf_denied(void *ctx, uint32_t type, uint64_t config, int cpu)
{
    (void)ctx;
    (void)type;
    (void)config;
    (void)cpu;
    return -EACCES;
}

/* A meter that is there, but not for this user: modelled, and said so. */
static void test_denied(void **state)
{
    (void)state;
    static const char *const above[] = {
        "/sys/bus", "/sys/bus/event_source", "/sys/bus/event_source/devices",
        "/sys/bus/event_source/devices/power", "/sys/bus/event_source/devices/power/events"};
    static const char *const texts[][2] = {
        {"/type", "20\n"},
        {"/cpumask", "0\n"},
        {"/events/energy-pkg", "event=0x02\n"},
        {"/events/energy-pkg.scale", "2.3283064365386962890625e-10\n"},
        {"/events/energy-pkg.unit", "Joules\n"},
    };
    char path[256];
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s%s", root, above[i]);
        assert_int_equal(mkdir(path, 0777), 0);
    }
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "/sys/bus/event_source/devices/power%s", texts[i][0]);
        put(path, texts[i][1]);
    }
    ti_energy *e = NULL;
    ti_meter_env env = {.sysroot = root, .perf_open = perf_denied};
    ti_energy_opts opts = TI_ENERGY_OPTS_DEFAULT;
    opts.env = &env;
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_OK);
    assert_int_equal(ti_energy_of(e)->evidence, TI_EVIDENCE_MODELLED);
    assert_int_equal(ti_energy_of(e)->n_denied, 1);
    assert_non_null(ti_energy_model(e));
    ti_energy_close(e);
    opts.want = TI_BOUNDARY_PACKAGE;
    e = NULL;
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_UNAVAILABLE);
    for (size_t i = 5; i-- > 0;) {
        snprintf(path, sizeof path, "%s/sys/bus/event_source/devices/power%s", root,
                 texts[i][0]);
        (void)remove(path);
    }
    for (size_t i = 5; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", root, above[i]);
        (void)remove(path);
    }
}

static void test_json(void **state)
{
    (void)state;
    ti_buf json = {0};
    ti_energy_figure f = {.energy_uj = 5,
                          .idle_uj = 6,
                          .time_ns = 7,
                          .evidence = TI_EVIDENCE_MODELLED,
                          .meter = "m",
                          .error_permille = 350,
                          .covers = TI_COVERS_DRAM,
                          .flags = TI_DELTA_SLEPT};
    ti_json_energy(&json, NULL, &f);
    assert_string_equal(
        json.data, "{\"energy_uj\":5,\"idle_uj\":6,\"time_ns\":7,\"evidence\":\"modelled\","
                   "\"meter\":\"m\",\"error_permille\":350,\"covers\":[\"dram\"],"
                   "\"flags\":[\"slept\"]}");
    ti_buf_free(&json);
}

/* --- refused --------------------------------------------------------------------------------
 */

static void test_refused(void **state)
{
    (void)state;
    ti_energy *e = NULL;
    ti_energy_opts opts = TI_ENERGY_OPTS_DEFAULT;
    opts.sysroot = root;
    opts.calibration = calibration;
    put("/calibration.json", "{\"schema\":\"tern.calibration/1\"}");
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_CORRUPT);
    put("/calibration.json", "{\"schema\":\"tern.calibration/9\"}");
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_UNSUPPORTED);
    opts.calibration = NULL;
    opts.want = TI_BOUNDARY_PSYS;
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_UNAVAILABLE);
    opts = TI_ENERGY_OPTS_DEFAULT;
    opts.sysroot = root;
    opts.weights.prefill = 1;
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_USAGE);
    assert_null(e);
    ti_energy_close(NULL);
}

/* --- threads --------------------------------------------------------------------------------
 */

enum { THREADS = 4, ROUNDS = 50 };

typedef struct worker {
    ti_energy *e;
    uint64_t energy_uj, idle_uj;
} worker;

static void *work(void *ctx)
{
    worker *w = ctx;
    for (int i = 0; i < ROUNDS; i++) {
        ti_energy_figure f;
        uint32_t id;
        if (ti_energy_begin(w->e, &id, NULL) != TERN_OK) {
            return NULL;
        }
        atomic_fetch_add(&cpu_used_ns, 1000000);
        ti_energy_work(w->e, id, (uint64_t)i, 1);
        ti_energy_end(w->e, id, &f);
        w->energy_uj += f.energy_uj;
        w->idle_uj += f.idle_uj;
    }
    return w;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    worker workers[THREADS];
    ti_energy *e = NULL;
    ti_energy_opts opts = TI_ENERGY_OPTS_DEFAULT;
    opts.sysroot = root;
    opts.period_ns = SECOND / 1000;
    opts.cpu_ns = cpu_of_test;
    assert_int_equal(ti_energy_open(&e, &opts, NULL), TERN_OK);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.e = e};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    uint64_t energy = 0, idle = 0;
    for (size_t i = 0; i < THREADS; i++) {
        void *done = NULL;
        pthread_join(threads[i], &done);
        assert_ptr_equal(done, &workers[i]);
        energy += workers[i].energy_uj;
        idle += workers[i].idle_uj;
    }
    ti_meter_sampler_sum sampled;
    ti_attribution_sum sum = ti_energy_total(e, &sampled);
    assert_true(sum.requests_uj == energy && energy > 0);
    assert_true(sum.idle_uj >= idle && sum.waiting_uj == 0);
    assert_true(sum.metered_uj == sum.requests_uj + sum.idle_uj);
    assert_true(sampled.energy_uj >= sum.metered_uj - sum.idle_uj);
    ti_energy_close(e);
}

static void test_memory_that_is_not_there(void **state)
{
    (void)state;
    add_counter("package-0");
    for (long n = 0;; n++) {
        ti_energy *e = NULL;
        uint32_t id = 7;
        ti_energy_opts opts = TI_ENERGY_OPTS_DEFAULT;
        opts.sysroot = root;
        oom_fail_at(n);
        tern_status status = ti_energy_open(&e, &opts, NULL);
        if (status == TERN_OK) {
            status = ti_energy_begin(e, &id, NULL);
        }
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        assert_true(!failed || id == 7);
        ti_energy_close(e);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
#define ON_A_MACHINE(f) cmocka_unit_test_setup_teardown(f, make_machine, remove_machine)
    const struct CMUnitTest tests[] = {
        ON_A_MACHINE(test_measured),
        ON_A_MACHINE(test_measured_with_an_error),
        ON_A_MACHINE(test_idle_that_is_not_known),
        ON_A_MACHINE(test_modelled),
        ON_A_MACHINE(test_denied),
        cmocka_unit_test(test_json),
        ON_A_MACHINE(test_refused),
        ON_A_MACHINE(test_threads),
        ON_A_MACHINE(test_memory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
