/* SPDX-License-Identifier: Apache-2.0 */
/* The model of power: its error on 86 readings of real machines, the tables, which of the
 * sources is taken, the terms, the file of a calibration. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "energy/calibration.h"
#include "energy/power_model.h"
#include "energy/units.h"
#include "oom.h"

/* --- the readings ---------------------------------------------------------------------------
 */

enum { POINTS = 86, MACHINES = 4 };

typedef struct point {
    char cpu[96];
    bool all_cores; /* every core loaded in part; else some cores loaded wholly */
    uint32_t threads;
    double load, power_w;
} point;

static point points[POINTS];

static void read_points(void)
{
    char path[4096], line[512];
    const char *source = getenv("TERN_SOURCE");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/tests/data/energy/cpu_load.csv", source);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f)); /* header */
    size_t n = 0;
    while (fgets(line, sizeof line, f)) {
        assert_true(n < POINTS);
        point *p = &points[n++];
        char *at = strchr(line, ',');
        assert_non_null(at);
        snprintf(p->cpu, sizeof p->cpu, "%.*s", (int)(at - line), line);
        p->threads = (uint32_t)strtoul(at + 1, &at, 10);
        p->all_cores = strncmp(at, ",all_cores,", 11) == 0;
        at = strchr(at + 1, ',');
        p->load = strtod(at + 1, &at) / 100;
        double kwh = strtod(at + 1, &at), seconds = strtod(at + 1, NULL);
        p->power_w = kwh * 3.6e6 / seconds;
    }
    fclose(f);
    assert_int_equal(n, POINTS);
}

static ti_host host_of(const point *p)
{
    ti_host h = {.threads = p->threads, .packages = strstr(p->cpu, "E5-2620") ? 2 : 1};
    snprintf(h.cpu, sizeof h.cpu, "%s", p->cpu);
    ti_host_normalise(h.name, sizeof h.name, h.cpu);
    return h;
}

static double modelled_w(const ti_power_model *m, double load)
{
    return (double)ti_power_at(m, (uint64_t)(load * 1e9 + 0.5), 1000000000) / 1e6;
}

typedef ti_power_model (*maker)(const point *p, const void *with);

/* Sum of absolute errors over the sum of the readings. */
static double wape(maker make, const void *with)
{
    double wrong = 0, all = 0;
    for (size_t i = 0; i < POINTS; i++) {
        ti_power_model m = make(&points[i], with);
        wrong += fabs(modelled_w(&m, points[i].load) - points[i].power_w);
        all += points[i].power_w;
    }
    return wrong / all;
}

static ti_power_model from_table(const point *p, const void *with)
{
    ti_power_model m;
    ti_host h = host_of(p);
    ti_power_model_make(&m, &h, with, NULL, TI_COVERS_PACKAGE);
    assert_int_equal(m.source, with ? TI_POWER_TDP : TI_POWER_DEFAULT);
    return m;
}

/* Which of the two series of a machine its two readings are taken from. */
typedef struct readings {
    bool all, some;
} readings;

static ti_power_model from_two_readings(const point *p, const void *with)
{
    const readings *use = with;
    double low[2] = {0}, high[2] = {0}; /* first and last of both series */
    for (size_t i = 0; i < POINTS; i++) {
        if (strcmp(points[i].cpu, p->cpu) == 0) {
            int s = points[i].all_cores ? 0 : 1;
            low[s] = low[s] > 0 ? low[s] : points[i].power_w;
            high[s] = points[i].power_w;
        }
    }
    double n = (use->all ? 1 : 0) + (use->some ? 1 : 0);
    ti_host h = host_of(p);
    ti_calibration c = {.threads = h.threads, .covers = TI_COVERS_PACKAGE};
    memcpy(c.cpu, h.cpu, sizeof c.cpu);
    c.idle_uw = (uint64_t)(1e6 * ((use->all ? low[0] : 0) + (use->some ? low[1] : 0)) / n);
    c.full_uw = (uint64_t)(1e6 * ((use->all ? high[0] : 0) + (use->some ? high[1] : 0)) / n);
    ti_power_model m;
    ti_power_model_make(&m, &h, NULL, &c, TI_COVERS_PACKAGE);
    assert_int_equal(m.source, TI_POWER_CALIBRATED);
    return m;
}

static ti_hw_table builtin(void)
{
    ti_hw_table t;
    assert_int_equal(ti_hw_table_builtin(&t, NULL), TERN_OK);
    return t;
}

/* What is looked up for one host is what the whole table has, for every name in it and for
 * names before, between and after them. */
static void test_one_host(void **state)
{
    (void)state;
    ti_hw_table all = builtin(), one;
    size_t found = 0;
    assert_true(all.n_cpus > 3000);
    for (size_t i = 0; i < all.n_cpus; i++) {
        for (int change = 0; change < 3; change++) {
            ti_host h = {.vendor = "AuthenticAMD", .family = 25, .model = 17};
            ti_str name = all.cpus[i].name;
            assert_true(name.len + 1 < sizeof h.name);
            memcpy(h.name, name.data, name.len);
            h.name[name.len] = change == 1 ? '!' : '\0';
            h.name[name.len - 1] = (char)(h.name[name.len - 1] - (change == 2));
            assert_int_equal(ti_hw_table_for(&one, &h, NULL), TERN_OK);
            const ti_hw_cpu *a = ti_hw_find_cpu(&all, &h), *b = ti_hw_find_cpu(&one, &h);
            assert_true((a == NULL) == (b == NULL));
            if (a && b) {
                found++;
                assert_memory_equal(a, b, sizeof *a);
            }
            assert_int_equal(one.n_servers, all.n_servers);
            ti_hw_table_free(&one);
        }
    }
    assert_true(found >= all.n_cpus);
    ti_hw_table_free(&all);
}

static void test_error_without_calibration(void **state)
{
    (void)state;
    ti_hw_table table = builtin();
    double known = wape(from_table, &table), unknown = wape(from_table, NULL);
    print_message("not calibrated: %.1f %% by design power, %.1f %% by watts a thread\n",
                  100 * known, 100 * unknown);
    assert_true(known <= 0.34);
    assert_true(known * 1000 <= TI_POWER_ERROR_TDP);
    assert_true(unknown * 1000 <= TI_POWER_ERROR_DEFAULT);
    ti_hw_table_free(&table);
}

/* Each machine was read twice idle and twice with all threads busy: their means are the
 * calibration.  The series alone are shown as well; both are within the band that is stated. */
static void test_error_with_two_readings(void **state)
{
    (void)state;
    double both = wape(from_two_readings, &(readings){.all = true, .some = true});
    double all = wape(from_two_readings, &(readings){.all = true});
    double some = wape(from_two_readings, &(readings){.some = true});
    print_message("calibrated: %.2f %% by means, %.2f %% and %.2f %% by one series\n",
                  100 * both, 100 * all, 100 * some);
    assert_true(both <= 0.15);
    assert_true(all * 1000 <= TI_POWER_ERROR_CALIBRATED);
    assert_true(some * 1000 <= TI_POWER_ERROR_CALIBRATED);
}

/* --- the curve -----------------------------------------------------------------------------
 */

static const ti_power_model ends = {
    .idle_uw = 10000000, .full_uw = 110000000, .psu_permille = 1000, .threads = 4};

static void test_curve(void **state)
{
    (void)state;
    assert_true(ti_power_at(&ends, 0, 1000) == 10000000);
    assert_true(ti_power_at(&ends, 1000, 1000) == 110000000);
    assert_true(ti_power_at(&ends, 5000, 1000) == 110000000);
    assert_true(ti_power_at(&ends, 5, 0) == 10000000);
    assert_true(ti_power_at(&ends, UINT64_MAX - 1, UINT64_MAX) <= 110000000);
    uint64_t last = 0;
    for (uint64_t u = 0; u <= 1000; u++) {
        uint64_t p = ti_power_at(&ends, u, 1000);
        double right = 1e7 + 1e8 * pow((double)u / 1000, 0.7);
        assert_true(p >= last);
        assert_true(fabs((double)p - right) < 1);
        last = p;
    }
    /* The same bits on every machine: half and a tenth of the load. */
    assert_true(ti_power_at(&ends, 1, 2) == 71557221);
    assert_true(ti_power_at(&ends, 1, 10) == 29952623);
}

static void test_energy(void **state)
{
    uint64_t energy, idle;
    (void)state;
    ti_power_energy(&ends, 4000000000, 1000000000, &energy, &idle);
    assert_true(energy == 100000000 && idle == 10000000);
    ti_power_energy(&ends, 2000000000, 1000000000, &energy, &idle); /* half of four threads */
    assert_true(energy == 61557221 && idle == 10000000);
    ti_power_energy(&ends, 0, 500000000, &energy, &idle);
    assert_true(energy == 0 && idle == 5000000);
    ti_power_energy(&ends, 100, 0, &energy, &idle);
    assert_true(energy == 0 && idle == 0);
    ti_power_energy(&ends, UINT64_MAX, UINT64_MAX, &energy, &idle);
    assert_true(energy > idle);
}

/* --- which source, which terms --------------------------------------------------------------
 */

static const ti_host laptop = {
    .cpu = "AMD Ryzen 7 7840HS w/ Radeon 780M Graphics",
    .name = "amd ryzen 7 7840hs",
    .vendor = "amd",
    .family = 25,
    .model = 116,
    .threads = 16,
    .packages = 1,
    .memory_bytes = UINT64_C(32000000000),
};

static void test_sources(void **state)
{
    (void)state;
    ti_power_model m;
    ti_hw_table table = builtin();
    ti_power_model_make(&m, &laptop, &table, NULL, 0);
    assert_int_equal(m.source, TI_POWER_TDP);
    assert_true(m.full_uw == 54000000 && m.idle_uw == 5400000);
    assert_int_equal(m.error_permille, 350);
    assert_string_equal(m.label, "cpu-time u^0.7, 54 W design power (amd ryzen 7 7840hs)");
    /* A guest: the name says nothing about its part; a server's family does. */
    ti_host guest = laptop;
    guest.virtual_machine = true;
    ti_power_model_make(&m, &guest, &table, NULL, 0);
    assert_int_equal(m.source, TI_POWER_DEFAULT);
    assert_true(m.full_uw == 64000000 && m.error_permille == 500);
    guest.model = 17;
    guest.threads = 2;
    ti_power_model_make(&m, &guest, &table, NULL, TI_COVERS_DRAM | TI_COVERS_PSU);
    assert_int_equal(m.source, TI_POWER_SERVER);
    assert_true(m.full_uw == 2 * 2282155 && m.memory_uw == 0 && m.psu_permille == 1000);
    /* A calibration of this machine goes before all; one of another machine does not. */
    ti_calibration c = {.threads = 16, .idle_uw = 7, .full_uw = 9, .covers = TI_COVERS_PACKAGE};
    memcpy(c.cpu, laptop.cpu, sizeof c.cpu);
    ti_power_model_make(&m, &laptop, &table, &c, 0);
    assert_int_equal(m.source, TI_POWER_CALIBRATED);
    c.threads = 8;
    ti_power_model_make(&m, &laptop, &table, &c, 0);
    assert_int_equal(m.source, TI_POWER_TDP);
    ti_hw_table_free(&table);
}

static void test_terms(void **state)
{
    (void)state;
    ti_power_model m;
    ti_hw_table table = builtin();
    ti_power_model_make(&m, &laptop, &table, NULL, TI_COVERS_DRAM);
    assert_true(m.memory_uw == 32 * 392000);
    assert_true(m.covers == (TI_COVERS_PACKAGE | TI_COVERS_DRAM));
    assert_true(ti_power_at(&m, 0, 1) == 5400000 + 32 * 392000);
    ti_power_model_make(&m, &laptop, &table, NULL, TI_COVERS_PSU);
    assert_true(ti_power_at(&m, 1, 1) == 61016949); /* 54 W / 0.885 */
    assert_int_equal(m.error_permille, 390);
    /* The plug has it all. */
    ti_calibration c = {.threads = 16,
                        .idle_uw = 20000000,
                        .full_uw = 80000000,
                        .covers = TI_COVERS_PACKAGE | TI_COVERS_DRAM | TI_COVERS_PLATFORM |
                                  TI_COVERS_PSU};
    memcpy(c.cpu, laptop.cpu, sizeof c.cpu);
    ti_power_model_make(&m, &laptop, &table, &c, TI_COVERS_DRAM | TI_COVERS_PSU);
    assert_true(m.memory_uw == 0 && m.psu_permille == 1000);
    assert_true(ti_power_at(&m, 1, 1) == 80000000);
    ti_hw_table_free(&table);
}

/* --- the processor --------------------------------------------------------------------------
 */

static void test_names(void **state)
{
    static const char *const cases[][2] = {
        {"Intel(R) Xeon(R) CPU E3-1240 V2 @ 3.40GHz", "intel xeon e3-1240 v2"},
        {"AMD EPYC 8024P 8-Core Processor", "amd epyc 8024p"},
        {"AMD Ryzen 7 7840HS w/ Radeon 780M Graphics", "amd ryzen 7 7840hs"},
        {"AMD Ryzen 5 3400G with Radeon Vega Graphics", "amd ryzen 5 3400g"},
        {"13th Gen Intel(R) Core(TM) i7-13700K", "intel core i7-13700k"},
        {"Intel(R) Core(TM) Ultra 7 155H", "intel core ultra 7 155h"},
        {"AMD Ryzen Threadripper 1950X 16-Core Processor", "amd ryzen threadripper 1950x"},
        {"", ""},
        {"(R)(TM) CPU @", ""},
    };
    (void)state;
    char out[TI_HOST_NAME_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_host_normalise(out, sizeof out, cases[i][0]);
        assert_string_equal(out, cases[i][1]);
    }
    ti_host_normalise(out, 12, "Intel(R) Xeon(R) Platinum 8592+"); /* cut between words */
    assert_string_equal(out, "intel xeon");
    char longest[4 * TI_HOST_NAME_MAX];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ti_host_normalise(out, sizeof out, longest);
    assert_string_equal(out, "");
}

static char root[64];

static void make_tree(void)
{
    char proc[96];
    snprintf(root, sizeof root, "/tmp/tern-power-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(proc, sizeof proc, "%s/proc", root);
    assert_int_equal(mkdir(proc, 0777), 0);
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void remove_tree(void)
{
    static const char *const names[] = {"proc/cpuinfo", "proc/meminfo", "c.json", "proc", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", root, names[i]);
        (void)remove(path);
    }
}

static void test_host(void **state)
{
    ti_host h;
    (void)state;
    make_tree();
    ti_host_read(&h, root); /* nothing there */
    assert_true(h.threads == 1 && h.packages == 1 && h.memory_bytes == 0 && !h.virtual_machine);
    assert_string_equal(h.name, "");
    put("proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n"
        "model\t\t: 63\nmodel name\t: Intel(R) Xeon(R) CPU E5-2620 v3 @ 2.40GHz\n"
        "stepping\t: 2\nphysical id\t: 0\nflags\t\t: fpu hypervisor\n\n"
        "processor\t: 1\nphysical id\t: 1\nmodel name\t: other\n");
    put("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
    ti_host_read(&h, root);
    assert_string_equal(h.name, "intel xeon e5-2620 v3");
    assert_string_equal(h.vendor, "intel");
    assert_true(h.family == 6 && h.model == 63 && h.stepping == 2);
    assert_true(h.threads == 2 && h.packages == 2 && h.virtual_machine);
    assert_true(h.memory_bytes == 16384 * 1024);
    put("proc/cpuinfo", "processor\nmodel : x\ncpu family : 99999999999999999999\n\n:\n:::");
    put("proc/meminfo", "MemTotal: 99999999999999999999 kB");
    ti_host_read(&h, root);
    assert_true(h.threads == 1 && h.model == 0 && h.family == UINT32_MAX);
    assert_true(h.memory_bytes == 0);
    remove_tree();
}

/* --- the tables -----------------------------------------------------------------------------
 */

#define HEAD "name,tdp_mw,source,year\n"
#define SHEAD                                             \
    "vendor,family,model,stepping_min,stepping_max,name," \
    "idle_uw_per_thread,full_uw_per_thread,source,year\n"

static tern_status parse(const char *cpus, const char *servers, tern_err *err)
{
    ti_hw_table t, before;
    memset(&t, 0x5a, sizeof t);
    before = t;
    tern_status status =
        ti_hw_table_parse(&t, cpus, strlen(cpus), servers, strlen(servers), err);
    if (status == TERN_OK) {
        ti_hw_table_free(&t);
    } else {
        assert_memory_equal(&t, &before, sizeof t);
    }
    return status;
}

static void test_tables_are_read_strictly(void **state)
{
    static const char *const bad[] = {
        "",
        "name,tdp_mw,source\n",
        "name,tdp_mw,source,year",
        HEAD "a,1,s,2020",
        HEAD "a,1,s,2020,\n",
        HEAD "a,1,s\n",
        HEAD "a,,s,2020\n",
        HEAD ",1,s,2020\n",
        HEAD "a,-1,s,2020\n",
        HEAD "a,+1,s,2020\n",
        HEAD "a, 1,s,2020\n",
        HEAD "a,01,s,2020\n",
        HEAD "a,0,s,2020\n",
        HEAD "a,1.5,s,2020\n",
        HEAD "a,99999999999999999999999999,s,2020\n",
        HEAD "a,1,s,1999\n",
        HEAD "a,1,s,20200\n",
        HEAD "a,1,s,2020\r\n",
        HEAD "a\tb,1,s,2020\n",
        HEAD "b,1,s,2020\na,1,s,2020\n",
        HEAD "a,1,s,2020\na,2,s,2020\n",
        HEAD "\n",
        HEAD "\"a\",1,\"s,t\",2020\n",
    };
    static const char *const bad_servers[] = {
        SHEAD "amd,23,1,0,15,n,5,5,s,2020\n",
        SHEAD "amd,23,1,5,4,n,4,5,s,2020\n",
        SHEAD "amd,256,1,0,15,n,4,5,s,2020\n",
        SHEAD "amd,23,1,0,15,n,4,5,s\n",
    };
    tern_err err;
    (void)state;
    assert_int_equal(parse(HEAD, SHEAD, NULL), TERN_OK);
    assert_int_equal(
        parse(HEAD "a,1,s,2020\nb,1,s,2020\n", SHEAD "amd,23,1,0,15,n,4,5,s,2020\n", NULL),
        TERN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(bad[i], SHEAD, &err), TERN_CORRUPT);
        assert_true(err.offset <= strlen(bad[i]));
    }
    for (size_t i = 0; i < sizeof bad_servers / sizeof *bad_servers; i++) {
        assert_int_equal(parse(HEAD, bad_servers[i], &err), TERN_CORRUPT);
    }
    assert_int_equal(parse(HEAD "a,1,s,2020\nb,2\n", SHEAD, &err), TERN_CORRUPT);
    assert_true(err.offset == strlen(HEAD "a,1,s,2020\n")); /* of the row */
}

static void test_tables_that_are_built_in(void **state)
{
    (void)state;
    ti_hw_table t = builtin();
    ti_host h = {.name = "intel xeon platinum 8592+"};
    assert_true(t.n_cpus > 3000 && t.n_servers > 10);
    assert_non_null(ti_hw_find_cpu(&t, &h));
    assert_int_equal(ti_hw_find_cpu(&t, &h)->tdp_mw, 350000);
    for (size_t i = 0; i < t.n_cpus; i++) { /* each is found, and its name is normal */
        char name[TI_HOST_NAME_MAX];
        snprintf(h.name, sizeof h.name, "%.*s", (int)t.cpus[i].name.len, t.cpus[i].name.data);
        assert_ptr_equal(ti_hw_find_cpu(&t, &h), &t.cpus[i]);
        ti_host_normalise(name, sizeof name, h.name);
        assert_string_equal(name, h.name);
    }
    h = (ti_host){.vendor = "intel", .family = 6, .model = 85, .stepping = 7};
    assert_memory_equal(ti_hw_find_server(&t, &h)->name.data, "Cascade Lake", 12);
    h.stepping = 4;
    assert_memory_equal(ti_hw_find_server(&t, &h)->name.data, "Skylake", 7);
    h.stepping = 11;
    assert_null(ti_hw_find_server(&t, &h));
    memcpy(h.name, "a", 2);
    assert_null(ti_hw_find_cpu(&t, &h));
    ti_hw_table_free(&t);
}

/* --- the calibration's file -----------------------------------------------------------------
 */

static const ti_calibration good = {.cpu = "Some \"CPU\"",
                                    .threads = 8,
                                    .idle_uw = 4500000,
                                    .full_uw = 61000000,
                                    .covers = TI_COVERS_PACKAGE | TI_COVERS_PSU,
                                    .evidence = TI_EVIDENCE_DECLARED,
                                    .meter = "wall plug",
                                    .time_s = 1790000000};

#define CALIBRATION(schema, idle, covers, evidence, more)                                 \
    "{\"schema\":\"" schema "\",\"cpu\":\"x\",\"threads\":4,\"idle_uw\":" idle            \
    ",\"full_uw\":9,\"covers\":" covers ",\"evidence\":\"" evidence "\",\"meter\":\"m\"," \
    "\"time_s\":5" more "}"

static void test_calibration_is_kept(void **state)
{
    char path[128];
    ti_calibration back;
    tern_err err;
    (void)state;
    make_tree();
    snprintf(path, sizeof path, "%s/c.json", root);
    assert_int_equal(ti_calibration_load(&back, path, &err), TERN_UNAVAILABLE);
    assert_int_equal(ti_calibration_store(&good, path, NULL), TERN_OK);
    memset(&back, 0x5a, sizeof back);
    assert_int_equal(ti_calibration_load(&back, path, NULL), TERN_OK);
    assert_string_equal(back.cpu, good.cpu);
    assert_string_equal(back.meter, good.meter);
    assert_true(back.threads == 8 && back.idle_uw == 4500000 && back.full_uw == 61000000);
    assert_true(back.covers == good.covers && back.evidence == good.evidence);
    assert_true(back.time_s == good.time_s);
    ti_calibration senseless = good;
    senseless.idle_uw = senseless.full_uw;
    assert_int_equal(ti_calibration_store(&senseless, path, NULL), TERN_USAGE);
    assert_int_equal(ti_calibration_load(&back, path, NULL), TERN_OK); /* still there */
    snprintf(path, sizeof path, "%s/none/c.json", root);
    assert_int_equal(ti_calibration_store(&good, path, NULL), TERN_IO);
    remove_tree();
}

static void test_calibration_that_is_damaged(void **state)
{
    static const struct {
        const char *text;
        tern_status status;
    } cases[] = {
        {CALIBRATION("tern.calibration/1", "4", "[\"dram\"]", "measured", ""), TERN_OK},
        {"", TERN_CORRUPT},
        {"{}", TERN_CORRUPT},
        {"[]", TERN_CORRUPT},
        {"{\"schema\":\"tern.calibration/1\"}", TERN_CORRUPT},
        {CALIBRATION("tern.calibration/2", "4", "[\"dram\"]", "measured", ""),
         TERN_UNSUPPORTED},
        {CALIBRATION("tern.calibration/1", "9", "[\"dram\"]", "measured", ""), TERN_CORRUPT},
        {CALIBRATION("tern.calibration/1", "-1", "[\"dram\"]", "measured", ""), TERN_CORRUPT},
        {CALIBRATION("tern.calibration/1", "4.0", "[\"dram\"]", "measured", ""), TERN_CORRUPT},
        {CALIBRATION("tern.calibration/1", "\"4\"", "[\"dram\"]", "measured", ""),
         TERN_CORRUPT},
        {CALIBRATION("tern.calibration/1", "4", "[]", "measured", ""), TERN_CORRUPT},
        {CALIBRATION("tern.calibration/1", "4", "[\"moon\"]", "measured", ""), TERN_CORRUPT},
        {CALIBRATION("tern.calibration/1", "4", "[\"dram\"]", "guessed", ""), TERN_CORRUPT},
        {CALIBRATION("tern.calibration/1", "4", "[\"dram\"]", "measured", ",\"cpu\":\"y\""),
         TERN_CORRUPT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_calibration c = good;
        tern_status status =
            ti_calibration_parse(&c, cases[i].text, strlen(cases[i].text), NULL);
        assert_int_equal(status, cases[i].status);
        assert_true(status == TERN_OK || memcmp(&c, &good, sizeof c) == 0);
    }
    /* Cut at every byte. */
    const char *whole = cases[0].text;
    for (size_t n = 0; n < strlen(whole); n++) {
        ti_calibration c = good;
        assert_int_equal(ti_calibration_parse(&c, whole, n, NULL), TERN_CORRUPT);
        assert_memory_equal(&c, &good, sizeof c);
    }
}

static void test_memory_that_is_not_there(void **state)
{
    char path[128];
    (void)state;
    make_tree();
    snprintf(path, sizeof path, "%s/c.json", root);
    for (long n = 0;; n++) {
        ti_hw_table t = {0};
        ti_calibration c = {0};
        oom_fail_at(n);
        tern_status a = ti_hw_table_builtin(&t, NULL);
        tern_status b = ti_calibration_store(&good, path, NULL);
        tern_status d = ti_calibration_load(&c, path, NULL);
        bool failed = oom_disarm();
        assert_true(failed == (a == TERN_NOMEM || b == TERN_NOMEM || d == TERN_NOMEM));
        ti_hw_table_free(&t);
        if (!failed) {
            assert_true(a == TERN_OK && b == TERN_OK && d == TERN_OK);
            break;
        }
    }
    remove_tree();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_host),
        cmocka_unit_test(test_error_without_calibration),
        cmocka_unit_test(test_error_with_two_readings),
        cmocka_unit_test(test_curve),
        cmocka_unit_test(test_energy),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_tables_are_read_strictly),
        cmocka_unit_test(test_tables_that_are_built_in),
        cmocka_unit_test(test_calibration_is_kept),
        cmocka_unit_test(test_calibration_that_is_damaged),
        cmocka_unit_test(test_memory_that_is_not_there),
    };
    read_points();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
