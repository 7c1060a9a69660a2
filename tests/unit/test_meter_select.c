/* SPDX-License-Identifier: Apache-2.0 */
/* Which meters are added: the machines that there are, and all subsets of a crowded one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "energy/meter.h"

enum { MAX = 16 };

static ti_meter_info meter(const char *device, ti_meter_kind kind, ti_boundary boundary,
                           uint32_t socket)
{
    return (ti_meter_info){.name = device,
                           .label = device,
                           .device = device,
                           .kind = kind,
                           .boundary = boundary,
                           .socket = socket,
                           .max_power_uw = 1};
}

/* Roles as letters: C counted, U unusable, D duplicate, P part, N not used, O other. */
static void expect_want(const ti_meter_info *infos, size_t n, ti_boundary want,
                        ti_boundary boundary, const char *letters)
{
    ti_meter_role roles[MAX];
    ti_selection s;
    char got[MAX + 1] = "";
    ti_meter_select(&s, roles, infos, n, want);
    for (size_t i = 0; i < n; i++) {
        got[i] = "CUDPNO"[roles[i]];
    }
    assert_string_equal(got, letters);
    assert_int_equal(s.boundary, boundary);
}

static void expect(const ti_meter_info *infos, size_t n, ti_boundary boundary,
                   const char *letters)
{
    expect_want(infos, n, TI_BOUNDARY_OTHER, boundary, letters);
}

static void nothing(void **state)
{
    (void)state;
    expect(NULL, 0, TI_BOUNDARY_OTHER, "");
    ti_meter_info rail = meter("ina", TI_METER_HWMON, TI_BOUNDARY_OTHER, 0);
    expect(&rail, 1, TI_BOUNDARY_OTHER, "O");
    /* Memory alone, or cores alone, are no machine. */
    ti_meter_info dram = meter("d", TI_METER_POWERCAP, TI_BOUNDARY_DRAM, 0);
    expect(&dram, 1, TI_BOUNDARY_OTHER, "N");
    ti_meter_info core = meter("c", TI_METER_POWERCAP, TI_BOUNDARY_CORE, 0);
    expect(&core, 1, TI_BOUNDARY_OTHER, "P");
}

/* powercap, perf and amd_energy are three ways to the same counters. */
static void one_kind_for_one_thing(void **state)
{
    (void)state;
    ti_meter_info m[] = {
        meter("a", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("b", TI_METER_PERF, TI_BOUNDARY_PACKAGE, 0),
        meter("c", TI_METER_HWMON, TI_BOUNDARY_PACKAGE, 0),
        meter("d", TI_METER_PERF, TI_BOUNDARY_DRAM, 0),
        meter("e", TI_METER_HWMON, TI_BOUNDARY_CORE, 0),
    };
    expect(m, 5, TI_BOUNDARY_PACKAGE, "CDDCP");
    m[0].state = TI_METER_DENIED;
    expect(m, 5, TI_BOUNDARY_PACKAGE, "UCDCP");
    m[1].state = TI_METER_BROKEN;
    expect(m, 5, TI_BOUNDARY_PACKAGE, "UUCCP");
    m[2].state = TI_METER_OFF;
    expect(m, 5, TI_BOUNDARY_OTHER, "UUUNP");
}

/* The kind that sees both sockets is better than the one that sees one of them. */
static void the_kind_that_sees_most(void **state)
{
    (void)state;
    ti_meter_info m[] = {
        meter("a", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("b", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 1),
        meter("c", TI_METER_PERF, TI_BOUNDARY_PACKAGE, 0),
        meter("d", TI_METER_PERF, TI_BOUNDARY_PACKAGE, 1),
    };
    expect(m, 4, TI_BOUNDARY_PACKAGE, "CCDD");
    m[1].state = TI_METER_DENIED;
    expect(m, 4, TI_BOUNDARY_PACKAGE, "DUCC");
}

static void twins(void **state)
{
    (void)state;
    ti_meter_info m[] = {
        meter("mmio:0", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("mmio:0:0", TI_METER_POWERCAP, TI_BOUNDARY_DRAM, 0),
        meter("msr:0", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
    };
    m[0].is_twin = m[1].is_twin = true;
    /* Memory is there through MMIO only: that one counts. */
    expect(m, 3, TI_BOUNDARY_PACKAGE, "DCC");
    m[2].socket = 1; /* another package: no copies */
    expect(m, 3, TI_BOUNDARY_PACKAGE, "CCC");
}

/* Two sockets with one name: the first copy belongs to the first, which is closed. */
static void twins_of_equal_names(void **state)
{
    (void)state;
    ti_meter_info m[] = {
        meter("mmio:0", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("mmio:1", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("msr:0", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("msr:1", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
    };
    m[0].is_twin = m[1].is_twin = true;
    expect(m, 4, TI_BOUNDARY_PACKAGE, "DDCC");
    m[2].state = TI_METER_DENIED;
    expect(m, 4, TI_BOUNDARY_PACKAGE, "CDUC");
}

static void cards(void **state)
{
    (void)state;
    ti_meter_info m[] = {
        meter("cpu", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("gpu0", TI_METER_NVML, TI_BOUNDARY_GPU, 0),
        meter("gpu1", TI_METER_NVML, TI_BOUNDARY_GPU, 1),
        meter("hwmon2", TI_METER_HWMON, TI_BOUNDARY_GPU, 0), /* energy and power of one card */
        meter("hwmon2", TI_METER_HWMON, TI_BOUNDARY_GPU, 0),
        meter("hwmon3", TI_METER_HWMON, TI_BOUNDARY_GPU, 0), /* two powers of another */
        meter("hwmon3", TI_METER_HWMON, TI_BOUNDARY_GPU, 0),
    };
    m[3].is_power = m[5].is_power = m[6].is_power = true;
    expect(m, 7, TI_BOUNDARY_PACKAGE, "CCCDCCD");
    m[0].state = TI_METER_DENIED;
    expect(m, 7, TI_BOUNDARY_GPU, "UCCDCCD");
    m[0].state = TI_METER_WORKS;
    expect_want(m, 7, TI_BOUNDARY_GPU, TI_BOUNDARY_GPU, "NCCDCCD");
}

static void wider_and_narrower(void **state)
{
    (void)state;
    ti_meter_info m[] = {
        meter("cpu", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("mem", TI_METER_POWERCAP, TI_BOUNDARY_DRAM, 0),
        meter("gpu", TI_METER_NVML, TI_BOUNDARY_GPU, 0),
        meter("psys", TI_METER_POWERCAP, TI_BOUNDARY_PSYS, 0),
        meter("acpi", TI_METER_HWMON, TI_BOUNDARY_SYSTEM, 0),
        meter("acpi2", TI_METER_HWMON, TI_BOUNDARY_SYSTEM, 0),
        meter("BAT0", TI_METER_BATTERY, TI_BOUNDARY_BATTERY, 0),
        meter("BAT1", TI_METER_BATTERY, TI_BOUNDARY_BATTERY, 1),
    };
    m[4].is_power = m[5].is_power = m[6].is_power = m[7].is_power = true;
    expect(m, 8, TI_BOUNDARY_PSYS, "PPPCNDNN");
    expect_want(m, 8, TI_BOUNDARY_PACKAGE, TI_BOUNDARY_PACKAGE, "CCCNNDNN");
    expect_want(m, 8, TI_BOUNDARY_SYSTEM, TI_BOUNDARY_SYSTEM, "PPPPCDNN");
    expect_want(m, 8, TI_BOUNDARY_BATTERY, TI_BOUNDARY_BATTERY, "PPPPNDCC");
    m[3].state = TI_METER_BROKEN;
    expect(m, 8, TI_BOUNDARY_PACKAGE, "CCCUNDNN");
    m[0].state = TI_METER_DENIED;
    expect(m, 8, TI_BOUNDARY_SYSTEM, "UPPUCDNN");
    m[4].state = m[5].state = TI_METER_OFF;
    expect(m, 8, TI_BOUNDARY_BATTERY, "UPPUUUCC");
    expect_want(m, 8, TI_BOUNDARY_PSYS, TI_BOUNDARY_OTHER, "UNNUUUNN");
}

static void covers(void **state)
{
    (void)state;
    static const struct {
        ti_boundary boundary;
        uint32_t covers;
    } cases[] = {
        {TI_BOUNDARY_PACKAGE, TI_COVERS_PACKAGE},
        {TI_BOUNDARY_PSYS,
         TI_COVERS_PACKAGE | TI_COVERS_DRAM | TI_COVERS_GPU | TI_COVERS_PLATFORM},
        {TI_BOUNDARY_BATTERY,
         TI_COVERS_PACKAGE | TI_COVERS_DRAM | TI_COVERS_GPU | TI_COVERS_PLATFORM},
        {TI_BOUNDARY_SYSTEM, TI_COVERS_PACKAGE | TI_COVERS_DRAM | TI_COVERS_GPU |
                                 TI_COVERS_PLATFORM | TI_COVERS_PSU},
        {TI_BOUNDARY_GPU, TI_COVERS_GPU},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ti_meter_info m = meter("m", TI_METER_HWMON, cases[i].boundary, 0);
        ti_meter_role role;
        ti_selection s;
        ti_meter_select(&s, &role, &m, 1, TI_BOUNDARY_OTHER);
        assert_int_equal(s.covers, cases[i].covers);
        assert_int_equal(s.n_counted, 1);
    }
}

/* Windows shows a package in two devices under one name. */
static void emi_names(void **state)
{
    (void)state;
    ti_meter_info m[] = {
        meter("emi0", TI_METER_EMI, TI_BOUNDARY_PACKAGE, 0),
        meter("emi1", TI_METER_EMI, TI_BOUNDARY_PACKAGE, 0),
        meter("emi1", TI_METER_EMI, TI_BOUNDARY_PACKAGE, 1),
    };
    m[0].label = m[1].label = "RAPL_Package0_PKG";
    m[2].label = "RAPL_Package1_PKG";
    expect(m, 3, TI_BOUNDARY_PACKAGE, "CDC");
}

/* Every subset of a crowded machine that works, in both orders: what is counted never holds
 * anything else that is counted, and never the same thing twice. */
static void no_subset_counts_twice(void **state)
{
    (void)state;
    ti_meter_info all[] = {
        meter("msr:0", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("mmio:0", TI_METER_POWERCAP, TI_BOUNDARY_PACKAGE, 0),
        meter("perf:0", TI_METER_PERF, TI_BOUNDARY_PACKAGE, 0),
        meter("hwmon0", TI_METER_HWMON, TI_BOUNDARY_PACKAGE, 0),
        meter("msr:0:0", TI_METER_POWERCAP, TI_BOUNDARY_DRAM, 0),
        meter("perf-ram", TI_METER_PERF, TI_BOUNDARY_DRAM, 0),
        meter("msr:0:1", TI_METER_POWERCAP, TI_BOUNDARY_CORE, 0),
        meter("psys", TI_METER_POWERCAP, TI_BOUNDARY_PSYS, 0),
        meter("perf-psys", TI_METER_PERF, TI_BOUNDARY_PSYS, 0),
        meter("gpu0", TI_METER_NVML, TI_BOUNDARY_GPU, 0),
        meter("hwmon1", TI_METER_HWMON, TI_BOUNDARY_SYSTEM, 0),
        meter("BAT0", TI_METER_BATTERY, TI_BOUNDARY_BATTERY, 0),
    };
    enum { N = sizeof all / sizeof all[0] };
    all[1].is_twin = true;
    for (unsigned bits = 0; bits < 2u << N; bits++) {
        ti_meter_info m[N];
        for (size_t i = 0; i < N; i++) {
            m[i] = all[bits >> N ? N - 1 - i : i];
            m[i].state = bits >> i & 1 ? TI_METER_WORKS : TI_METER_DENIED;
        }
        ti_meter_role roles[N];
        ti_selection s;
        ti_meter_select(&s, roles, m, N, TI_BOUNDARY_OTHER);
        size_t counts[TI_BOUNDARIES] = {0}, n = 0, inside = 0, whole = 0, works = 0;
        for (size_t i = 0; i < N; i++) {
            if (roles[i] == TI_ROLE_COUNTED) {
                assert_int_equal(m[i].state, TI_METER_WORKS);
                counts[m[i].boundary]++;
                n++;
            }
            works += m[i].state == TI_METER_WORKS && m[i].boundary != TI_BOUNDARY_CORE &&
                     m[i].boundary != TI_BOUNDARY_DRAM;
        }
        for (size_t b = 0; b < TI_BOUNDARIES; b++) {
            assert_true(counts[b] <= 1); /* one socket, one card */
            bool is_inside =
                b == TI_BOUNDARY_PACKAGE || b == TI_BOUNDARY_DRAM || b == TI_BOUNDARY_GPU;
            *(is_inside ? &inside : &whole) += counts[b];
        }
        assert_int_equal(counts[TI_BOUNDARY_CORE], 0);
        assert_true(whole <= 1 && (whole == 0 || inside == 0));
        assert_int_equal(n, s.n_counted);
        assert_int_equal(n > 0, works > 0);
        assert_int_equal(n > 0, s.boundary != TI_BOUNDARY_OTHER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(one_kind_for_one_thing),
        cmocka_unit_test(the_kind_that_sees_most),
        cmocka_unit_test(twins),
        cmocka_unit_test(twins_of_equal_names),
        cmocka_unit_test(cards),
        cmocka_unit_test(wider_and_narrower),
        cmocka_unit_test(covers),
        cmocka_unit_test(emi_names),
        cmocka_unit_test(no_subset_counts_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
