/* SPDX-License-Identifier: Apache-2.0 */
/* RAPL through powercap, on made-up trees: what is listed, what is counted, and what an
 * interval is worth when files fail, vanish, wrap, start again or hold rubbish.  The names of
 * the cases whose defects other tools were found to have say which. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "energy/meter.h"
#include "energy_tree.h"
#include "oom.h"

#define S UINT64_C(1000000000)
#define RANGE_CLIENT UINT64_C(262143328850)
#define RANGE_SERVER UINT64_C(65532610987)

enum { MAX_COUNTED = 16 };

/* A tree, its meters, and those that are counted, opened and followed. */
typedef struct fixture {
    energy_tree tree;
    ti_meter_env env;
    ti_meter_set set;
    ti_meter_role roles[64];
    ti_selection selection;
    ti_meter *meters[MAX_COUNTED];
    ti_track tracks[MAX_COUNTED];
    size_t n;
    uint64_t now_s;
    uint32_t last_flags; /* of all meters at the last tick */
} fixture;

static int setup(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    et_make(&f.tree);
    f.env.sysroot = f.tree.root;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < f->n; i++) {
        ti_meter_close(f->meters[i]);
    }
    ti_meter_set_free(&f->set);
    et_remove(&f->tree);
    return 0;
}

static void look(fixture *f)
{
    tern_err err;
    assert_int_equal(ti_meter_list(&f->set, &f->env, &err), TERN_OK);
    assert_in_range(f->set.n, 1, 64);
    ti_meter_select(&f->selection, f->roles, f->set.items, f->set.n, TI_BOUNDARY_OTHER);
}

static uint64_t tick(fixture *f)
{
    uint64_t energy_uj = 0;
    f->now_s++;
    f->last_flags = 0;
    for (size_t i = 0; i < f->n; i++) {
        ti_reading reading;
        ti_delta delta;
        ti_meter_read(f->meters[i], (ti_time){f->now_s * S, f->now_s * S}, &reading);
        ti_track_step(&f->tracks[i], ti_meter_of(f->meters[i]), &reading, &delta);
        energy_uj += delta.energy_uj;
        f->last_flags |= delta.flags;
    }
    return energy_uj;
}

/* Lists, opens what is counted, and reads it for the first time. */
static void start(fixture *f)
{
    look(f);
    for (size_t i = 0; i < f->set.n; i++) {
        if (f->roles[i] == TI_ROLE_COUNTED) {
            assert_true(f->n < MAX_COUNTED);
            assert_int_equal(ti_meter_open(&f->meters[f->n++], &f->set.items[i], &f->env, NULL),
                             TERN_OK);
        }
    }
    assert_int_equal(f->n, f->selection.n_counted);
    assert_int_equal(tick(f), 0);
}

static const ti_meter_info *get(const fixture *f, const char *name)
{
    const ti_meter_info *info = ti_meter_find(&f->set, name);
    assert_non_null(info);
    return info;
}

static ti_meter_role role(const fixture *f, const char *name)
{
    return f->roles[get(f, name) - f->set.items];
}

/* --- the cases of the made-up trees ------------------------------------------------------- */

static void one_package(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 5000000, RANGE_CLIENT);
    start(f);
    const ti_meter_info *info = get(f, "powercap/intel-rapl:0");
    assert_int_equal(info->boundary, TI_BOUNDARY_PACKAGE);
    assert_int_equal(info->evidence, TI_EVIDENCE_MEASURED);
    assert_int_equal(info->range_uj, RANGE_CLIENT);
    assert_string_equal(info->label, "package-0");
    assert_string_equal(info->unit, "uJ");
    assert_string_equal(info->reason, "");
    assert_int_equal(f->selection.covers, TI_COVERS_PACKAGE);
    et_energy(&f->tree, "intel-rapl:0", 20000000);
    assert_int_equal(tick(f), 15000000);
    assert_int_equal(f->last_flags, 0);
}

/* Another tool drops the whole interval. */
static void one_wrap(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 262143328000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:1", "package-1", 65532610000, RANGE_SERVER);
    start(f);
    et_energy(&f->tree, "intel-rapl:0", 672);
    assert_int_equal(tick(f), 1522);
    assert_int_equal(f->last_flags, TI_DELTA_WRAP);
    et_energy(&f->tree, "intel-rapl:1", 13);
    assert_int_equal(tick(f), 1000);
    assert_int_equal(f->last_flags, TI_DELTA_WRAP);
}

static void denied(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 5000000, RANGE_CLIENT);
    et_fail("/energy_uj", EACCES, -1);
    look(f);
    const ti_meter_info *info = get(f, "powercap/intel-rapl:0");
    assert_int_equal(info->state, TI_METER_DENIED);
    assert_non_null(strstr(info->reason, "intel-rapl:0/energy_uj"));
    assert_non_null(strstr(info->fix, "SUBSYSTEM==\"powercap\""));
    assert_non_null(strstr(info->fix, "KERNEL==\"*-rapl*:*\""));
    assert_non_null(strstr(info->fix, "chmod 0440 /sys%p/energy_uj"));
    assert_int_equal(f->selection.n_counted, 0);
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_OTHER);
    ti_meter *meter = (ti_meter *)f;
    tern_err err;
    assert_int_equal(ti_meter_open(&meter, info, &f->env, &err), TERN_UNAVAILABLE);
    assert_ptr_equal(meter, f);
    assert_non_null(strstr(err.message, "denied"));
}

/* Another tool takes the failure for a reading of zero: up to 262 kJ appear, and the next good
 * reading adds the whole counter. */
static void eio_once(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 100000000000, RANGE_CLIENT);
    start(f);
    et_energy(&f->tree, "intel-rapl:0", 100010000000);
    et_fail("/energy_uj", EIO, 1);
    assert_int_equal(tick(f), 0);
    assert_int_equal(f->last_flags, TI_DELTA_FAILED);
    et_energy(&f->tree, "intel-rapl:0", 100020000000);
    assert_int_equal(tick(f), 20000000);
    assert_int_equal(f->last_flags, TI_DELTA_GAP);
    et_energy(&f->tree, "intel-rapl:0", 100030000000);
    assert_int_equal(tick(f), 10000000);
    assert_int_equal(f->last_flags, 0);
}

static void two_sockets(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:1", "package-1", 2000, RANGE_SERVER);
    start(f);
    assert_int_equal(get(f, "powercap/intel-rapl:1")->socket, 1);
    et_energy(&f->tree, "intel-rapl:0", 1010);
    et_energy(&f->tree, "intel-rapl:1", 2200);
    assert_int_equal(tick(f), 210);
}

static void msr_and_mmio(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:0:0", "core", 100, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl-mmio:0", "package-0", 990, RANGE_CLIENT);
    start(f);
    assert_int_equal(f->n, 1);
    assert_int_equal(role(f, "powercap/intel-rapl:0"), TI_ROLE_COUNTED);
    assert_int_equal(role(f, "powercap/intel-rapl-mmio:0"), TI_ROLE_DUPLICATE);
    et_energy(&f->tree, "intel-rapl:0", 1500);
    et_energy(&f->tree, "intel-rapl-mmio:0", 1490);
    assert_int_equal(tick(f), 500);
}

/* The copy is better than nothing where the first way is closed. */
static void mmio_alone(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl-mmio:0", "package-0", 990, RANGE_CLIENT);
    et_fail("intel-rapl:0/energy_uj", EACCES, -1);
    start(f);
    assert_int_equal(role(f, "powercap/intel-rapl-mmio:0"), TI_ROLE_COUNTED);
    et_energy(&f->tree, "intel-rapl-mmio:0", 1490);
    assert_int_equal(tick(f), 500);
}

/* Another tool recognises copies by their names alone: two sockets with one name become one. */
static void equal_names(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:1", "package-0", 2000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl-mmio:0", "package-0", 1000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl-mmio:1", "package-0", 2000, RANGE_SERVER);
    start(f);
    assert_int_equal(f->n, 2);
    et_energy(&f->tree, "intel-rapl:0", 1010);
    et_energy(&f->tree, "intel-rapl:1", 2200);
    assert_int_equal(tick(f), 210);
}

static void psys_is_not_added(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:0:0", "dram", 10, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:1", "psys", 5000, RANGE_CLIENT);
    start(f);
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_PSYS);
    assert_int_equal(role(f, "powercap/intel-rapl:0"), TI_ROLE_PART);
    assert_int_equal(role(f, "powercap/intel-rapl:0:0"), TI_ROLE_PART);
    et_energy(&f->tree, "intel-rapl:0", 2000);
    et_energy(&f->tree, "intel-rapl:0:0", 20);
    et_energy(&f->tree, "intel-rapl:1", 8000);
    assert_int_equal(tick(f), 3000);
    /* Or the other way round, when that is asked for. */
    ti_meter_select(&f->selection, f->roles, f->set.items, f->set.n, TI_BOUNDARY_PACKAGE);
    assert_int_equal(f->selection.n_counted, 2);
    assert_int_equal(role(f, "powercap/intel-rapl:1"), TI_ROLE_UNUSED);
}

static void empty_psys(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:1", "psys", 0, RANGE_CLIENT);
    look(f);
    assert_int_equal(get(f, "powercap/intel-rapl:1")->state, TI_METER_BROKEN);
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_PACKAGE);
}

/* Memory belongs to the package that it lies under, whatever the zones' numbers are. */
static void numbers_of_sockets(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:1", "package-3", 1000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:1:0", "dram", 100, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:2", "psys", 0, RANGE_SERVER);
    look(f);
    assert_int_equal(get(f, "powercap/intel-rapl:1")->socket, 3);
    assert_int_equal(get(f, "powercap/intel-rapl:1:0")->socket, 3);
    assert_int_equal(get(f, "powercap/intel-rapl:2")->socket, 2);
}

/* Another tool never adds memory, and skips it below packages as counted twice: a package does
 * not hold it. */
static void dram_is_added(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:0:0", "dram", 100, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:1", "package-1", 1000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:1:0", "dram", 100, RANGE_SERVER);
    start(f);
    assert_int_equal(f->selection.covers, TI_COVERS_PACKAGE | TI_COVERS_DRAM);
    assert_int_equal(get(f, "powercap/intel-rapl:1:0")->socket, 1);
    et_energy(&f->tree, "intel-rapl:0", 2000);
    et_energy(&f->tree, "intel-rapl:0:0", 130);
    et_energy(&f->tree, "intel-rapl:1:0", 107);
    assert_int_equal(tick(f), 1037);
}

static void parts_are_not_added(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:0:0", "core", 500, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:0:1", "uncore", 300, RANGE_CLIENT);
    start(f);
    assert_int_equal(role(f, "powercap/intel-rapl:0:0"), TI_ROLE_PART);
    assert_int_equal(role(f, "powercap/intel-rapl:0:1"), TI_ROLE_PART);
    et_energy(&f->tree, "intel-rapl:0", 2000);
    et_energy(&f->tree, "intel-rapl:0:0", 1200);
    et_energy(&f->tree, "intel-rapl:0:1", 400);
    assert_int_equal(tick(f), 1000);
}

/* Another tool knows of one wrap only and takes two for it. */
static void too_long(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_SERVER);
    start(f);
    const ti_meter_info *info = get(f, "powercap/intel-rapl:0");
    uint64_t period_ns = ti_meter_period_ns(info);
    assert_in_range(period_ns, 10 * S, 60 * S);
    et_energy(&f->tree, "intel-rapl:0", 5000);
    f->now_s += 2 * period_ns / S + 1;
    assert_int_equal(tick(f), 0);
    assert_int_equal(f->last_flags, TI_DELTA_WRAPS);
    et_energy(&f->tree, "intel-rapl:0", 6000);
    assert_int_equal(tick(f), 1000);
}

/* A limit of more than what is believed anyway is believed: reads come sooner. */
static void limits_of_the_zone(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_SERVER);
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw",
            "270000000");
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/constraint_1_power_limit_uw",
            "2000000000");
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/constraint_1_max_power_uw",
            "18446744073709551615");
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/constraint_2_max_power_uw", "?");
    look(f);
    assert_int_equal(get(f, "powercap/intel-rapl:0")->max_power_uw, UINT64_C(4000000000));
}

static void counter_reset(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 200000000000, RANGE_CLIENT);
    f->now_s = 100000;
    start(f);
    et_energy(&f->tree, "intel-rapl:0", 4000);
    f->now_s = 10; /* of the uptime: another boot */
    assert_int_equal(tick(f), 0);
    assert_int_equal(f->last_flags, TI_DELTA_RESET);
    et_energy(&f->tree, "intel-rapl:0", 5000);
    assert_int_equal(tick(f), 1000);
    assert_int_equal(f->tracks[0].energy_uj, 1000);
}

/* `enabled` speaks of the power limit: a counter that counts is believed, one at zero is not.
 */
static void disabled(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:0:0", "dram", 50, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:1", "package-1", 0, RANGE_CLIENT);
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:0:0/enabled", "0");
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:1/enabled", "0");
    start(f);
    assert_int_equal(get(f, "powercap/intel-rapl:0:0")->state, TI_METER_WORKS);
    assert_int_equal(get(f, "powercap/intel-rapl:1")->state, TI_METER_OFF);
    assert_int_equal(role(f, "powercap/intel-rapl:1"), TI_ROLE_UNUSABLE);
    et_energy(&f->tree, "intel-rapl:0", 1100);
    et_energy(&f->tree, "intel-rapl:0:0", 60);
    et_energy(&f->tree, "intel-rapl:1", 999);
    assert_int_equal(tick(f), 110);
    /* Frozen while we watch: no energy, and none invented. */
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/enabled", "0");
    assert_int_equal(tick(f), 0);
    assert_int_equal(f->last_flags, 0);
}

static const char *const rubbish[] = {
    "",
    "-1",
    "123456789012345678901234567890",
    "18446744073709551616",
    "12 13",
    "0x10",
    "1e5",
    "1.5",
    "+7",
    "nan",
    "262143328851", /* one past the range */
    ("                                                                                       "
     "                                                                           1"),
};

static void rubbish_in_the_counter(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    start(f);
    uint64_t energy_uj = 1000;
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/energy_uj", "%s", rubbish[i]);
        assert_int_equal(tick(f), 0);
        assert_int_equal(f->last_flags, TI_DELTA_FAILED);
        energy_uj += 500;
        et_energy(&f->tree, "intel-rapl:0", energy_uj);
        assert_int_equal(tick(f), 500);
        assert_int_equal(f->last_flags, TI_DELTA_GAP);
    }
    static const char with_nul[] = "12\0"
                                   "3\n";
    et_bytes(&f->tree, "/sys/class/powercap/intel-rapl:0/energy_uj", with_nul, 5);
    assert_int_equal(tick(f), 0);
    assert_int_equal(f->last_flags, TI_DELTA_FAILED);
    assert_int_equal(f->tracks[0].energy_uj, energy_uj - 1000);
}

static void rubbish_at_the_start(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
        et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/energy_uj", "%s", rubbish[i]);
        look(f);
        assert_int_equal(get(f, "powercap/intel-rapl:0")->state, TI_METER_BROKEN);
        assert_true(*get(f, "powercap/intel-rapl:0")->reason);
        assert_int_equal(f->selection.n_counted, 0);
        ti_meter_set_free(&f->set);
    }
    /* A range that is none: a smaller value then is a reset, not a wrap. */
    et_zone(&f->tree, "intel-rapl:0", "package-0", 262143328000, RANGE_CLIENT);
    et_file(&f->tree, "/sys/class/powercap/intel-rapl:0/max_energy_range_uj", "much");
    start(f);
    et_energy(&f->tree, "intel-rapl:0", 672);
    assert_int_equal(tick(f), 0);
    assert_int_equal(f->last_flags, TI_DELTA_RESET);
}

static void rubbish_in_names(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:1", "\x1b[31mpackage", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:2", "", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:\x1b[2J", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "dtpm:0", "package", 1000, RANGE_CLIENT);
    look(f);
    assert_string_equal(get(f, "powercap/intel-rapl:1")->label, "?[31mpackage");
    assert_int_equal(role(f, "powercap/intel-rapl:1"), TI_ROLE_OTHER);
    assert_int_equal(role(f, "powercap/intel-rapl:2"), TI_ROLE_OTHER);
    assert_null(ti_meter_find(&f->set, "powercap/dtpm:0"));
    assert_int_equal(f->selection.n_counted, 1);
}

/* Another tool loses the energy of all sockets when the reading of one fails. */
static void one_socket_fails(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:1", "package-1", 2000, RANGE_SERVER);
    et_zone(&f->tree, "intel-rapl:2", "package-2", 3000, RANGE_SERVER);
    start(f);
    et_energy(&f->tree, "intel-rapl:0", 1100);
    et_energy(&f->tree, "intel-rapl:1", 2200);
    et_energy(&f->tree, "intel-rapl:2", 3400);
    et_fail("intel-rapl:1/energy_uj", EIO, 1);
    assert_int_equal(tick(f), 500);
    assert_int_equal(f->last_flags, TI_DELTA_FAILED);
    et_energy(&f->tree, "intel-rapl:1", 2300);
    assert_int_equal(tick(f), 300);
    assert_int_equal(f->last_flags, TI_DELTA_GAP);
}

/* A zone that goes and comes back (a module is loaded again) is found again. */
static void vanished(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 50000000, RANGE_CLIENT);
    start(f);
    et_unlink(&f->tree, "/sys/class/powercap/intel-rapl:0/energy_uj");
    et_fail("energy_uj (deleted)", ENODEV, 1); /* what sysfs says to who has it open */
    assert_int_equal(tick(f), 0);
    assert_int_equal(f->last_flags, TI_DELTA_FAILED);
    assert_int_equal(tick(f), 0); /* now it is looked for, and not there */
    assert_int_equal(f->last_flags, TI_DELTA_FAILED);
    et_energy(&f->tree, "intel-rapl:0", 50000700);
    assert_int_equal(tick(f), 700);
    assert_int_equal(f->last_flags, TI_DELTA_GAP);
}

/* Containers mask what the links of /sys/class point to. */
static void hidden_by_a_container(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_unlink(&f->tree, "/sys/class/powercap/intel-rapl:0/energy_uj");
    look(f);
    const ti_meter_info *info = get(f, "powercap/intel-rapl:0");
    assert_int_equal(info->state, TI_METER_BROKEN);
    assert_non_null(strstr(info->reason, "hidden"));
    assert_non_null(strstr(info->fix, "container"));
}

static void nothing_there(void **state)
{
    fixture *f = *state;
    look(f);
    static const char *const kinds[] = {"powercap", "perf", "hwmon", "nvml", "battery"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(get(f, kinds[i])->state, TI_METER_ABSENT);
        assert_true(*get(f, kinds[i])->reason);
    }
    assert_int_equal(f->set.n, 5);
    assert_non_null(strstr(get(f, "powercap")->fix, "modprobe intel_rapl_msr"));
    ti_meter_set_free(&f->set);
    et_file(&f->tree, "/proc/cpuinfo", "flags\t\t: fpu avx2 hypervisor lahf_lm");
    look(f);
    assert_non_null(strstr(get(f, "powercap")->reason, "virtual machine"));
    assert_string_equal(get(f, "powercap")->fix, "");
}

/* The tenth zone comes after the second, and a socket's number is its own. */
static void many_sockets(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 12; i++) {
        char zone[32], name[32];
        snprintf(zone, sizeof zone, "intel-rapl:%d", i);
        snprintf(name, sizeof name, "package-%d", i);
        et_zone(&f->tree, zone, name, 1000, RANGE_SERVER);
    }
    start(f);
    assert_int_equal(f->n, 12);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(f->set.items[i].socket, i);
    }
}

static void no_memory(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl-mmio:0", "package-0", 1000, RANGE_CLIENT);
    et_zone(&f->tree, "intel-rapl:0:0", "dram", 1000, RANGE_CLIENT);
    et_file(&f->tree, "/sys/class/power_supply/BAT0/type", "Battery");
    et_file(&f->tree, "/sys/class/power_supply/BAT0/status", "Discharging");
    et_file(&f->tree, "/sys/class/power_supply/BAT0/current_now", "1000000");
    et_file(&f->tree, "/sys/class/power_supply/BAT0/voltage_now", "12000000");
    et_file(&f->tree, "/sys/class/hwmon/hwmon0/name", "amdgpu");
    et_file(&f->tree, "/sys/class/hwmon/hwmon0/power1_average", "1000");
    et_file(&f->tree, "/sys/bus/event_source/devices/power/cpumask", "0");
    et_file(&f->tree, "/sys/bus/event_source/devices/power/type", "9");
    et_file(&f->tree, "/sys/bus/event_source/devices/power/events/energy-pkg", "event=0x02");
    long failures = 0;
    for (long n = 0;; n++) {
        ti_meter_set set = {.n = 77};
        ti_meter *meters[4] = {0};
        size_t opened = 0;
        tern_err err;
        oom_fail_at(n);
        tern_status status = ti_meter_list(&set, &f->env, &err);
        for (size_t i = 0; status == TERN_OK && i < set.n; i++) {
            if (set.items[i].state == TI_METER_WORKS && opened < 4) {
                status = ti_meter_open(&meters[opened], &set.items[i], &f->env, &err);
                opened += status == TERN_OK;
            }
        }
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        for (size_t i = 0; i < opened; i++) {
            ti_meter_close(meters[i]);
        }
        if (set.n == 77) {
            assert_true(failed);
        } else {
            ti_meter_set_free(&set);
        }
        failures += failed;
        if (!failed) {
            break;
        }
    }
    assert_true(failures > 5);
    ti_meter_close(NULL);
}

static void reading_allocates_nothing(void **state)
{
    fixture *f = *state;
    et_zone(&f->tree, "intel-rapl:0", "package-0", 1000, RANGE_CLIENT);
    start(f);
    oom_fail_at(0);
    ti_reading reading;
    ti_meter_read(f->meters[0], ti_time_now(), &reading);
    assert_false(oom_disarm());
    assert_int_equal(oom_count(), 0);
    assert_int_equal(reading.flags, 0);
    assert_int_equal(reading.energy_uj, 1000);
}

static void the_clock_goes_on(void **state)
{
    (void)state;
    ti_time a = ti_time_now(), b = ti_time_now();
    assert_true(a.mono_ns > 0 && b.mono_ns >= a.mono_ns && b.boot_ns >= a.boot_ns);
    assert_true(a.boot_ns + 1000000 >= a.mono_ns);
}

static void words(void **state)
{
    (void)state;
    for (int i = -1; i <= TI_METER_KINDS + 20; i++) {
        assert_true(*ti_meter_kind_name((ti_meter_kind)i) &&
                    *ti_boundary_name((ti_boundary)i) &&
                    *ti_meter_state_name((ti_meter_state)i) &&
                    *ti_meter_role_name((ti_meter_role)i) && *ti_evidence_name((ti_evidence)i));
    }
    assert_string_equal(ti_meter_kind_name(TI_METER_BATTERY), "battery");
    assert_string_equal(ti_boundary_name(TI_BOUNDARY_OTHER), "other");
    assert_string_equal(ti_meter_state_name(TI_METER_BROKEN), "broken");
    assert_string_equal(ti_meter_role_name(TI_ROLE_OTHER), "other");
    assert_string_equal(ti_evidence_name(TI_EVIDENCE_REPLAYED), "replayed");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_package),
        CASE(one_wrap),
        CASE(denied),
        CASE(eio_once),
        CASE(two_sockets),
        CASE(msr_and_mmio),
        CASE(mmio_alone),
        CASE(equal_names),
        CASE(psys_is_not_added),
        CASE(empty_psys),
        CASE(numbers_of_sockets),
        CASE(dram_is_added),
        CASE(parts_are_not_added),
        CASE(too_long),
        CASE(limits_of_the_zone),
        CASE(counter_reset),
        CASE(disabled),
        CASE(rubbish_in_the_counter),
        CASE(rubbish_at_the_start),
        CASE(rubbish_in_names),
        CASE(one_socket_fails),
        CASE(vanished),
        CASE(hidden_by_a_container),
        CASE(nothing_there),
        CASE(many_sockets),
        CASE(no_memory),
        CASE(reading_allocates_nothing),
        CASE(the_clock_goes_on),
        CASE(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
