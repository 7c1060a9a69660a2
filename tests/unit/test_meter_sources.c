/* SPDX-License-Identifier: Apache-2.0 */
/* perf, hwmon, batteries and graphics cards: made-up files, an injected perf_event_open(), and
 * a library that pretends to be NVIDIA's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "energy/meter.h"
#include "energy/nvml.h"
#include "energy_tree.h"

#define S UINT64_C(1000000000)
#define PMU "/sys/bus/event_source/devices/power"
#define HWMON "/sys/class/hwmon"
#define SUPPLY "/sys/class/power_supply"

typedef struct fixture {
    energy_tree tree;
    ti_meter_env env;
    ti_meter_set set;
    ti_meter_role roles[64];
    ti_selection selection;
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
    ti_meter_set_free(&f->set);
    et_remove(&f->tree);
    return 0;
}

static void look(fixture *f)
{
    tern_err err;
    ti_meter_set_free(&f->set);
    assert_int_equal(ti_meter_list(&f->set, &f->env, &err), TERN_OK);
    assert_in_range(f->set.n, 1, 64);
    ti_meter_select(&f->selection, f->roles, f->set.items, f->set.n, TI_BOUNDARY_OTHER);
}

static const ti_meter_info *get(const fixture *f, const char *name)
{
    const ti_meter_info *info = ti_meter_find(&f->set, name);
    assert_non_null(info);
    return info;
}

static ti_meter *open_meter(fixture *f, const char *name)
{
    ti_meter *meter = NULL;
    tern_err err;
    assert_int_equal(ti_meter_open(&meter, get(f, name), &f->env, &err), TERN_OK);
    return meter;
}

static ti_reading read_at(ti_meter *meter, uint64_t time_s)
{
    ti_reading r;
    memset(&r, 0xaa, sizeof r);
    ti_meter_read(meter, (ti_time){time_s * S, time_s * S}, &r);
    return r;
}

/* --- perf --------------------------------------------------------------------------------- */

typedef struct fake_perf {
    uint32_t type;
    uint64_t config;
    int cpu, error, pipe_in;
    int calls;
} fake_perf;

static int fake_open(void *ctx, uint32_t type, uint64_t config, int cpu)
{
    fake_perf *perf = ctx;
    int ends[2];
    perf->type = type;
    perf->config = config;
    perf->cpu = cpu;
    perf->calls++;
    if (perf->error) {
        return -perf->error;
    }
    assert_int_equal(pipe(ends), 0);
    if (perf->pipe_in > 0) {
        close(perf->pipe_in);
    }
    perf->pipe_in = ends[1];
    return ends[0];
}

static void make_pmu(fixture *f)
{
    et_file(&f->tree, PMU "/type", "23");
    et_file(&f->tree, PMU "/cpumask", "0,28");
    et_file(&f->tree, PMU "/events/energy-pkg", "event=0x02");
    et_file(&f->tree, PMU "/events/energy-pkg.unit", "Joules");
    et_file(&f->tree, PMU "/events/energy-pkg.scale", "2.3283064365386962890625e-10");
    et_file(&f->tree, PMU "/events/energy-ram", "event=0x03");
    et_file(&f->tree, PMU "/events/energy-ram.unit", "Joules");
    et_file(&f->tree, PMU "/events/energy-ram.scale", "2.3283064365386962890625e-10");
    et_file(&f->tree, PMU "/events/energy-cores", "event=0x01");
    et_file(&f->tree, PMU "/events/energy-cores.unit", "Joules");
    et_file(&f->tree, PMU "/events/energy-cores.scale", "2.3283064365386962890625e-10");
}

static void perf_counts(void **state)
{
    fixture *f = *state;
    fake_perf perf = {0};
    f->env.perf_open = fake_open;
    f->env.perf_ctx = &perf;
    make_pmu(f);
    look(f);
    assert_int_equal(perf.calls, 6);
    assert_int_equal(f->selection.covers, TI_COVERS_PACKAGE | TI_COVERS_DRAM);
    assert_int_equal(f->selection.n_counted, 4);
    assert_int_equal(f->roles[get(f, "perf/energy-cores/cpu0") - f->set.items], TI_ROLE_PART);
    assert_int_equal(get(f, "perf/energy-pkg/cpu28")->socket, 1);
    assert_int_equal(get(f, "perf/energy-pkg/cpu28")->range_uj, 0);
    ti_meter *meter = open_meter(f, "perf/energy-pkg/cpu28");
    assert_int_equal(perf.type, 23);
    assert_int_equal(perf.config, 2);
    assert_int_equal(perf.cpu, 28);
    static const struct {
        uint64_t count, energy_uj;
    } values[] = {{0, 0},
                  {UINT64_C(1) << 32, 1000000},
                  {(UINT64_C(1) << 32) * 86400 * 365, UINT64_C(31536000000000)},
                  {UINT64_MAX, UINT64_C(4294967295999999)}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(write(perf.pipe_in, &values[i].count, 8), 8);
        ti_reading r = read_at(meter, i);
        assert_int_equal(r.flags, 0);
        assert_int_equal(r.energy_uj, values[i].energy_uj);
    }
    close(perf.pipe_in);
    assert_int_equal(read_at(meter, 9).flags, TI_READ_GONE); /* nothing to read any more */
    ti_meter_close(meter);
}

static void perf_denied(void **state)
{
    fixture *f = *state;
    fake_perf perf = {.error = EACCES};
    f->env.perf_open = fake_open;
    f->env.perf_ctx = &perf;
    make_pmu(f);
    look(f);
    const ti_meter_info *info = get(f, "perf/energy-pkg/cpu0");
    assert_int_equal(info->state, TI_METER_DENIED);
    assert_non_null(strstr(info->fix, "setcap cap_perfmon=ep"));
    assert_non_null(strstr(info->fix, "kernel.perf_event_paranoid=0"));
    perf.error = EINVAL;
    look(f);
    assert_int_equal(get(f, "perf/energy-pkg/cpu0")->state, TI_METER_BROKEN);
    /* The files of another machine open nothing on this one. */
    f->env.perf_open = NULL;
    look(f);
    assert_int_equal(get(f, "perf/energy-pkg/cpu0")->state, TI_METER_OFF);
    assert_int_equal(f->selection.n_counted, 0);
}

static void perf_rubbish(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *file, *text;
    } bad[] = {
        {PMU "/type", "-1"},
        {PMU "/type", "4294967296"},
        {PMU "/events/energy-pkg", "umask=2"},
        {PMU "/events/energy-pkg.unit", "Watts"},
        {PMU "/events/energy-pkg.scale", "many"},
        {PMU "/events/energy-pkg.scale", "1e9"},
    };
    fake_perf perf = {0};
    f->env.perf_open = fake_open;
    f->env.perf_ctx = &perf;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make_pmu(f);
        et_file(&f->tree, bad[i].file, "%s", bad[i].text);
        look(f);
        assert_int_equal(get(f, "perf/energy-pkg/cpu0")->state, TI_METER_BROKEN);
    }
    make_pmu(f);
    et_file(&f->tree, PMU "/cpumask", "0-");
    look(f);
    assert_int_equal(get(f, "perf")->state, TI_METER_ABSENT);
    /* What changes between listing and opening is an error, not a crash. */
    make_pmu(f);
    look(f);
    et_file(&f->tree, PMU "/events/energy-pkg", "x");
    ti_meter *meter = NULL;
    assert_int_equal(ti_meter_open(&meter, get(f, "perf/energy-pkg/cpu0"), &f->env, NULL),
                     TERN_IO);
    assert_null(meter);
    if (perf.pipe_in > 0) {
        close(perf.pipe_in);
    }
}

/* --- hwmon -------------------------------------------------------------------------------- */

static void amd_energy(void **state)
{
    fixture *f = *state;
    et_file(&f->tree, HWMON "/hwmon2/name", "amd_energy");
    et_file(&f->tree, HWMON "/hwmon2/energy1_label", "Ecore000");
    et_file(&f->tree, HWMON "/hwmon2/energy1_input", "111");
    et_file(&f->tree, HWMON "/hwmon2/energy2_label", "Esocket0");
    et_file(&f->tree, HWMON "/hwmon2/energy2_input", "18446744073709551615");
    et_file(&f->tree, HWMON "/hwmon2/energy10_label", "Esocket1");
    et_file(&f->tree, HWMON "/hwmon2/energy10_input", "333");
    et_file(&f->tree, HWMON "/hwmon2/energy10_crit", "333");
    look(f);
    assert_int_equal(f->selection.n_counted, 2);
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_PACKAGE);
    assert_int_equal(get(f, "hwmon/hwmon2/energy10")->socket, 1);
    assert_string_equal(get(f, "hwmon/hwmon2/energy10")->label, "amd_energy Esocket1");
    assert_int_equal(get(f, "hwmon/hwmon2/energy1")->boundary, TI_BOUNDARY_CORE);
    ti_meter *meter = open_meter(f, "hwmon/hwmon2/energy2");
    assert_int_equal(read_at(meter, 1).energy_uj, UINT64_MAX);
    ti_meter_close(meter);
    et_fail("energy2_input", EACCES, -1);
    look(f);
    assert_int_equal(get(f, "hwmon/hwmon2/energy2")->state, TI_METER_DENIED);
    assert_non_null(strstr(get(f, "hwmon/hwmon2/energy2")->fix, "ATTR{name}==\"amd_energy\""));
    assert_non_null(strstr(get(f, "hwmon/hwmon2/energy2")->fix, "/sys%p/energy2_input"));
}

static void graphics(void **state)
{
    fixture *f = *state;
    et_file(&f->tree, HWMON "/hwmon0/name", "amdgpu"); /* a card of its own */
    et_file(&f->tree, HWMON "/hwmon0/power1_average", "35000000");
    et_file(&f->tree, HWMON "/hwmon0/power1_input", "40000000");
    et_file(&f->tree, HWMON "/hwmon1/name", "amdgpu"); /* inside of the processor */
    et_file(&f->tree, HWMON "/hwmon1/in1_label", "vddnb");
    et_file(&f->tree, HWMON "/hwmon1/power1_input", "12000");
    et_file(&f->tree, HWMON "/hwmon2/name", "xe");
    et_file(&f->tree, HWMON "/hwmon2/energy1_label", "card");
    et_file(&f->tree, HWMON "/hwmon2/energy1_input", "5000");
    et_file(&f->tree, HWMON "/hwmon2/energy2_label", "pkg");
    et_file(&f->tree, HWMON "/hwmon2/energy2_input", "4000");
    et_file(&f->tree, HWMON "/hwmon3/name", "i915");
    et_file(&f->tree, HWMON "/hwmon3/energy1_input", "5000");
    et_file(&f->tree, HWMON "/hwmon3/power1_input", "900000");
    look(f);
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_GPU);
    assert_int_equal(f->selection.n_counted, 3);
    assert_int_equal(get(f, "hwmon/hwmon1/power1")->boundary, TI_BOUNDARY_UNCORE);
    assert_int_equal(get(f, "hwmon/hwmon2/energy2")->boundary, TI_BOUNDARY_UNCORE);
    assert_int_equal(f->roles[get(f, "hwmon/hwmon3/power1") - f->set.items], TI_ROLE_DUPLICATE);
    ti_meter *meter = open_meter(f, "hwmon/hwmon0/power1");
    assert_int_equal(read_at(meter, 1).power_uw, 35000000); /* the average, not the sample */
    et_file(&f->tree, HWMON "/hwmon0/power1_average", "-5");
    assert_int_equal(read_at(meter, 2).flags, TI_READ_GARBAGE);
    ti_meter_close(meter);
}

static void boards(void **state)
{
    fixture *f = *state;
    et_file(&f->tree, HWMON "/hwmon0/name", "ina226");
    et_file(&f->tree, HWMON "/hwmon0/power1_input", "5000000");
    et_file(&f->tree, HWMON "/hwmon0/power2_input", "5000000");
    et_file(&f->tree, HWMON "/hwmon0/power2_enable", "0");
    et_file(&f->tree, HWMON "/hwmon1/name", "power_meter");
    et_file(&f->tree, HWMON "/hwmon1/power1_average", "230000000");
    et_file(&f->tree, HWMON "/hwmon1/power1_average_interval", "1000");
    et_file(&f->tree, HWMON "/hwmon2/name", "BAT0");
    et_file(&f->tree, HWMON "/hwmon2/device/type", "Battery");
    et_file(&f->tree, HWMON "/hwmon2/power1_input", "9000000");
    et_file(&f->tree, HWMON "/hwmon3/name", "coretemp");
    et_file(&f->tree, HWMON "/hwmon3/temp1_input", "45000");
    look(f);
    assert_int_equal(get(f, "hwmon/hwmon0/power1")->boundary, TI_BOUNDARY_OTHER);
    assert_int_equal(get(f, "hwmon/hwmon0/power2")->state, TI_METER_OFF);
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_SYSTEM);
    assert_true(f->selection.covers & TI_COVERS_PSU);
    assert_null(ti_meter_find(&f->set, "hwmon/hwmon2/power1"));
    assert_null(ti_meter_find(&f->set, "hwmon"));
}

/* --- batteries ---------------------------------------------------------------------------- */

static void make_battery(fixture *f, const char *status)
{
    et_file(&f->tree, SUPPLY "/BAT0/type", "Battery");
    et_file(&f->tree, SUPPLY "/BAT0/present", "1");
    et_file(&f->tree, SUPPLY "/BAT0/status", "%s", status);
    et_file(&f->tree, SUPPLY "/AC/type", "Mains");
}

static void battery_power(void **state)
{
    fixture *f = *state;
    make_battery(f, "Discharging");
    et_file(&f->tree, SUPPLY "/BAT0/power_now", "-11530000"); /* some drivers sign it */
    look(f);
    const ti_meter_info *info = get(f, "battery/BAT0");
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_BATTERY);
    assert_true(info->is_power);
    ti_meter *meter = open_meter(f, "battery/BAT0");
    ti_reading a = read_at(meter, 1);
    assert_int_equal(a.flags, 0);
    assert_int_equal(a.power_uw, 11530000);
    et_file(&f->tree, SUPPLY "/BAT0/status", "Charging");
    assert_int_equal(read_at(meter, 2).flags, TI_READ_OFF);
    et_file(&f->tree, SUPPLY "/BAT0/status", "Discharging");
    et_file(&f->tree, SUPPLY "/BAT0/power_now", "x");
    assert_int_equal(read_at(meter, 3).flags, TI_READ_GARBAGE);
    ti_meter_close(meter);
}

static void battery_is_charging(void **state)
{
    fixture *f = *state;
    static const char *const others[] = {"Charging", "Full", "Not charging", "Unknown", ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        make_battery(f, others[i]);
        et_file(&f->tree, SUPPLY "/BAT0/power_now", "11530000");
        look(f);
        assert_int_equal(get(f, "battery/BAT0")->state, TI_METER_OFF);
        assert_non_null(strstr(get(f, "battery/BAT0")->reason, others[i]));
        assert_int_equal(f->selection.n_counted, 0);
    }
}

static void battery_current(void **state)
{
    fixture *f = *state;
    make_battery(f, "Discharging");
    et_file(&f->tree, SUPPLY "/BAT0/current_now", "-1500000");
    et_file(&f->tree, SUPPLY "/BAT0/voltage_now", "15400000");
    et_file(&f->tree, SUPPLY "/BAT0/charge_now", "3000000");
    look(f);
    ti_meter *meter = open_meter(f, "battery/BAT0");
    assert_int_equal(read_at(meter, 1).power_uw, 23100000); /* 1.5 A * 15.4 V */
    /* The voltage is as necessary as the current. */
    et_fail("voltage_now", EIO, 1);
    assert_int_equal(read_at(meter, 2).flags, TI_READ_IO);
    et_file(&f->tree, SUPPLY "/BAT0/current_now", "18446744073709551615");
    et_file(&f->tree, SUPPLY "/BAT0/voltage_now", "18446744073709551615");
    assert_int_equal(read_at(meter, 3).power_uw,
                     UINT64_MAX); /* no overflow; delta refuses it */
    ti_meter_close(meter);
}

static void battery_energy(void **state)
{
    fixture *f = *state;
    make_battery(f, "Discharging");
    et_file(&f->tree, SUPPLY "/BAT0/energy_now", "50000000");
    look(f);
    const ti_meter_info *info = get(f, "battery/BAT0");
    assert_false(info->is_power);
    ti_meter *meter = open_meter(f, "battery/BAT0");
    ti_reading a = read_at(meter, 10);
    et_file(&f->tree, SUPPLY "/BAT0/energy_now", "49990000"); /* 10 mWh = 36 J less */
    ti_reading b = read_at(meter, 13);
    ti_delta d;
    ti_meter_delta(&d, info, &a, &b);
    assert_int_equal(d.flags, 0);
    assert_int_equal(d.energy_uj, 36000000);
    /* More than before means that it was charged. */
    et_file(&f->tree, SUPPLY "/BAT0/energy_now", "50010000");
    ti_reading c = read_at(meter, 16);
    ti_meter_delta(&d, info, &b, &c);
    assert_int_equal(d.flags, TI_DELTA_RESET);
    assert_int_equal(d.energy_uj, 0);
    et_file(&f->tree, SUPPLY "/BAT0/energy_now", "18446744073709551615");
    assert_int_equal(read_at(meter, 17).flags, TI_READ_GARBAGE);
    ti_meter_close(meter);
}

static void battery_charge(void **state)
{
    fixture *f = *state;
    make_battery(f, "Discharging");
    et_file(&f->tree, SUPPLY "/BAT0/charge_now", "3000000");
    et_file(&f->tree, SUPPLY "/BAT0/voltage_now", "12345678");
    look(f);
    assert_int_equal(get(f, "battery/BAT0")->state, TI_METER_BROKEN); /* no nominal voltage */
    et_file(&f->tree, SUPPLY "/BAT0/voltage_min_design", "15000000");
    look(f);
    ti_meter *meter = open_meter(f, "battery/BAT0");
    ti_reading a = read_at(meter, 10);
    et_file(&f->tree, SUPPLY "/BAT0/charge_now", "2999000"); /* 1 mAh at 15 V = 54 J */
    ti_reading b = read_at(meter, 13);
    assert_int_equal(a.flags | b.flags, 0);
    assert_int_equal(b.energy_uj - a.energy_uj, 54000000);
    ti_meter_close(meter);
}

static void other_batteries(void **state)
{
    fixture *f = *state;
    et_file(&f->tree, SUPPLY "/hidpp_battery_0/type", "Battery");
    et_file(&f->tree, SUPPLY "/hidpp_battery_0/scope", "Device");
    et_file(&f->tree, SUPPLY "/hidpp_battery_0/power_now", "5");
    make_battery(f, "Discharging");
    et_file(&f->tree, SUPPLY "/BAT0/present", "0");
    look(f);
    assert_int_equal(get(f, "battery")->state, TI_METER_ABSENT);
}

/* --- graphics cards through NVML ------------------------------------------------------------
 */

static unsigned long long fake_energy_mj = 1000;
static int fake_result, fake_init_result, fake_running;

static int fake_init(void)
{
    fake_running += fake_init_result == 0;
    return fake_init_result;
}

static int fake_shutdown(void)
{
    fake_running--;
    return 0;
}

static int fake_count(unsigned *n)
{
    *n = 3;
    return 0;
}

static int fake_by_index(unsigned index, void **gpu)
{
    static int gpus[3] = {0, 1, 2};
    *gpu = &gpus[index];
    return 0;
}

static int fake_name(void *gpu, char *text, unsigned size)
{
    (void)gpu;
    return snprintf(text, size, "NVIDIA H100") > 0 ? 0 : 999;
}

/* The second card is older and only knows its power; the third one knows nothing. */
static int fake_energy(void *gpu, unsigned long long *energy_mj)
{
    *energy_mj = fake_energy_mj;
    return *(int *)gpu == 0 ? fake_result : TI_NVML_NOT_SUPPORTED;
}

static int fake_power(void *gpu, unsigned *power_mw)
{
    *power_mw = 70123;
    return *(int *)gpu == 1 ? fake_result : TI_NVML_NOT_SUPPORTED;
}

static const ti_nvml fake = {NULL,          fake_init, fake_shutdown, fake_count,
                             fake_by_index, fake_name, fake_energy,   fake_power};

static void nvml_table(void **state)
{
    fixture *f = *state;
    f->env.nvml = &fake;
    look(f);
    assert_int_equal(fake_running, 0);
    assert_int_equal(f->selection.boundary, TI_BOUNDARY_GPU);
    assert_int_equal(f->selection.n_counted, 2);
    assert_string_equal(get(f, "nvml/0")->label, "NVIDIA H100");
    assert_int_equal(get(f, "nvml/2")->state, TI_METER_BROKEN);
    ti_meter *a = open_meter(f, "nvml/0"), *b = open_meter(f, "nvml/1");
    assert_int_equal(fake_running, 2);
    assert_int_equal(read_at(a, 1).energy_uj, 1000000);
    assert_int_equal(read_at(b, 1).power_uw, 70123000);
    fake_result = TI_NVML_GPU_LOST;
    assert_int_equal(read_at(a, 2).flags, TI_READ_GONE);
    assert_int_equal(read_at(b, 2).flags, TI_READ_GONE);
    assert_int_equal(read_at(b, 2).power_uw, 0);
    fake_result = 999;
    assert_int_equal(read_at(a, 3).flags, TI_READ_IO);
    fake_result = 0;
    fake_energy_mj = UINT64_MAX / 1000 + 1;
    assert_int_equal(read_at(a, 4).flags, TI_READ_GARBAGE);
    fake_energy_mj = 2000;
    assert_int_equal(read_at(a, 5).energy_uj, 2000000);
    ti_meter_close(a);
    ti_meter_close(b);
    assert_int_equal(fake_running, 0);
    fake_result = TI_NVML_NO_PERMISSION;
    look(f);
    assert_int_equal(get(f, "nvml/0")->state, TI_METER_DENIED);
    fake_result = 0;
    fake_init_result = 9; /* the library is there, its driver is not */
    look(f);
    assert_int_equal(get(f, "nvml")->state, TI_METER_ABSENT);
    assert_non_null(strstr(get(f, "nvml")->reason, "9"));
    fake_init_result = 0;
}

/* A real library, found by the loader: FAKE_NVML is built from fake_nvml.c. */
static void nvml_library(void **state)
{
    (void)state;
    ti_nvml nvml = {.library = (void *)state};
    tern_err err;
    assert_int_equal(ti_nvml_load(&nvml, "libno-such-library.so.1", &err), TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "libno-such-library"));
    assert_int_equal(ti_nvml_load(&nvml, "libc.so.6", &err), TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "lacks"));
    assert_ptr_equal(nvml.library, state); /* untouched */
    assert_int_equal(ti_nvml_load(&nvml, FAKE_NVML, &err), TERN_OK);
    unsigned n = 0, power_mw = 0;
    unsigned long long energy_mj = 0;
    void *gpu = NULL;
    char name[TI_NVML_NAME];
    assert_int_equal(nvml.init(), 0);
    assert_int_equal(nvml.count(&n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(nvml.by_index(0, &gpu), 0);
    assert_int_equal(nvml.name(gpu, name, sizeof name), 0);
    assert_string_equal(name, "made up");
    assert_int_equal(nvml.energy_mj(gpu, &energy_mj), 0);
    assert_int_equal(energy_mj, 123456);
    assert_int_equal(nvml.power_mw(gpu, &power_mw), 0);
    assert_int_equal(power_mw, 789);
    assert_int_equal(nvml.shutdown(), 0);
    ti_nvml_unload(&nvml);
    ti_nvml_unload(&nvml);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(perf_counts),     CASE(perf_denied),
        CASE(perf_rubbish),    CASE(amd_energy),
        CASE(graphics),        CASE(boards),
        CASE(battery_power),   CASE(battery_is_charging),
        CASE(battery_current), CASE(battery_energy),
        CASE(battery_charge),  CASE(other_batteries),
        CASE(nvml_table),      CASE(nvml_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
