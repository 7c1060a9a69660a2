/* SPDX-License-Identifier: Apache-2.0 */
/* Ceilings: they are numbers that a machine can have, for every set that this CPU can run.  How
 * good they are cannot be tested on a machine that others use too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kern/ceiling.h"
#include "kern/ceiling_loops.h"

static void every_set(void **state)
{
    (void)state;
    for (int isa = 0; isa < TI_ISA_COUNT; isa++) {
        const ti_kern *kern = ti_kern_get((ti_isa)isa);
        if (!kern) {
            continue;
        }
        ti_ceilings c = {0};
        assert_int_equal(TERN_OK, ti_ceiling_measure(&c, 2, kern, NULL));
        print_message("%s: %.1f GB/s, %.3f T int8 MAC/s (%s)\n", kern->name,
                      c.read_bytes_per_s * 1e-9, c.int8_mac_per_s * 1e-12, c.mac_instruction);
        assert_true(c.read_bytes_per_s > 1e7 && c.read_bytes_per_s < 1e13);
        assert_true(c.int8_mac_per_s > 1e7 && c.int8_mac_per_s < 1e16);
        assert_true(strlen(c.mac_instruction) > 0);
    }
}

/* Every byte is read: changing any changes the sum. */
static void reads_all(void **state)
{
    (void)state;
    enum { BYTES = 4 * TI_CEILING_STEP };
    uint8_t *p = ti_alloc_aligned(BYTES);
    assert_non_null(p);
    for (int isa = 0; isa < TI_ISA_COUNT; isa++) {
        if (!ti_kern_get((ti_isa)isa)) {
            continue;
        }
        ti_ceiling_loops loops = ti_ceiling_loops_of((ti_isa)isa);
        memset(p, 0, BYTES);
        assert_true(loops.read(p, BYTES) == 0);
        for (size_t i = 0; i < BYTES; i++) {
            p[i] = 1;
            assert_true(loops.read(p, BYTES) == (uint64_t)1 << (i % 8 * 8));
            p[i] = 0;
        }
    }
    free(p);
}

static void too_many_threads(void **state)
{
    (void)state;
    ti_ceilings c = {1.0, 2.0, "untouched"};
    tern_err err = {0};
    assert_int_equal(TERN_LIMIT,
                     ti_ceiling_measure(&c, 100000, ti_kern_get(TI_ISA_SCALAR), &err));
    assert_int_equal(TERN_LIMIT, err.status);
    assert_true(c.read_bytes_per_s == 1.0 && c.int8_mac_per_s == 2.0);
    assert_string_equal(c.mac_instruction, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_all), cmocka_unit_test(every_set),
                                       cmocka_unit_test(too_many_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
