/* SPDX-License-Identifier: Apache-2.0 */
/* Windows' energy meters: what the decoder makes of bytes, whole, cut off and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "energy/emi.h"
#include "oom.h"

enum { MAX_BLOB = 4096 };

typedef struct blob {
    uint8_t data[MAX_BLOB];
    size_t size;
} blob;

static void add_u16(blob *b, uint16_t v)
{
    ti_store_u16(b->data + b->size, v);
    b->size += 2;
}

static void add_u32(blob *b, uint32_t v)
{
    ti_store_u32(b->data + b->size, v);
    b->size += 4;
}

static void add_u64(blob *b, uint64_t v)
{
    ti_store_u64(b->data + b->size, v);
    b->size += 8;
}

/* `units` units of UTF-16, the text and zeros. */
static void add_text(blob *b, const char *text, size_t units)
{
    for (size_t i = 0; i < units; i++) {
        add_u16(b, i < strlen(text) ? (uint8_t)text[i] : 0);
    }
}

static void add_channel(blob *b, const char *name)
{
    add_u32(b, TI_EMI_PICOWATT_HOURS);
    add_u16(b, (uint16_t)(2 * (strlen(name) + 1)));
    add_text(b, name, strlen(name) + 1);
}

static const char *const names[] = {"RAPL_Package0_PKG", "RAPL_Package0_PP0",
                                    "RAPL_Package0_PP1", "RAPL_Package0_DRAM",
                                    "RAPL_Package0_Core0_CORE"};
enum { N_NAMES = sizeof names / sizeof names[0] };

static blob version2(void)
{
    blob b = {.size = 0};
    add_text(&b, "Microsoft", 16);
    add_text(&b, "Intel RAPL 16 ch", 16); /* as long as it may be: no NUL */
    add_u16(&b, 7);
    add_u16(&b, N_NAMES);
    for (size_t i = 0; i < N_NAMES; i++) {
        add_channel(&b, names[i]);
    }
    return b;
}

static blob version1(void)
{
    blob b = {.size = 0};
    add_u32(&b, TI_EMI_PICOWATT_HOURS);
    add_text(&b, "Contoso", 16);
    add_text(&b, "Meter", 16);
    add_u16(&b, 3);
    add_u16(&b, 8);
    add_text(&b, "GPU", 4);
    return b;
}

/* A copy of exactly `size` bytes, so that the address sanitizer sees a read past its end. */
static tern_status decode(ti_emi_metadata *out, ti_arena *arena, const uint8_t *data,
                          size_t size, unsigned version, tern_err *err)
{
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, data, size);
    tern_status status = ti_emi_read_metadata(out, arena, exact, size, version, err);
    free(exact);
    return status;
}

static void reads_version2(void **state)
{
    (void)state;
    static const ti_boundary boundaries[N_NAMES] = {TI_BOUNDARY_PACKAGE, TI_BOUNDARY_CORE,
                                                    TI_BOUNDARY_UNCORE, TI_BOUNDARY_DRAM,
                                                    TI_BOUNDARY_CORE};
    blob b = version2();
    assert_int_equal(ti_load_u16(b.data + 66), N_NAMES);
    ti_emi_metadata m;
    ti_arena arena = {0};
    tern_err err;
    assert_int_equal(decode(&m, &arena, b.data, b.size, 2, &err), TERN_OK);
    assert_string_equal(m.oem, "Microsoft");
    assert_string_equal(m.model, "Intel?RAPL?16?ch");
    assert_int_equal(m.revision, 7);
    assert_int_equal(m.n, N_NAMES);
    for (size_t i = 0; i < N_NAMES; i++) {
        assert_string_equal(m.channels[i].name, names[i]);
        assert_int_equal(m.channels[i].unit, TI_EMI_PICOWATT_HOURS);
        assert_int_equal(ti_emi_boundary(m.channels[i].name), boundaries[i]);
    }
    ti_arena_free(&arena);
}

static void reads_version1(void **state)
{
    (void)state;
    blob b = version1();
    assert_int_equal(b.size, 80);
    ti_emi_metadata m;
    ti_arena arena = {0};
    assert_int_equal(decode(&m, &arena, b.data, b.size, 1, NULL), TERN_OK);
    assert_string_equal(m.oem, "Contoso");
    assert_string_equal(m.model, "Meter");
    assert_int_equal(m.revision, 3);
    assert_int_equal(m.n, 1);
    assert_string_equal(m.channels[0].name, "GPU");
    assert_int_equal(ti_emi_boundary(m.channels[0].name), TI_BOUNDARY_OTHER);
    ti_arena_free(&arena);
}

/* Every prefix of a right answer is refused, with the place, and leaves the output alone. */
static void cut_off(void **state)
{
    (void)state;
    blob blobs[2] = {version1(), version2()};
    for (unsigned v = 1; v <= 2; v++) {
        const blob *b = &blobs[v - 1];
        for (size_t size = 0; size < b->size; size++) {
            ti_emi_metadata m = {.revision = 77};
            ti_arena arena = {0};
            tern_err err;
            assert_int_equal(decode(&m, &arena, b->data, size, v, &err), TERN_CORRUPT);
            assert_int_equal(m.revision, 77);
            assert_true(err.offset <= size);
            ti_arena_free(&arena);
        }
    }
}

static void wrong(void **state)
{
    (void)state;
    ti_emi_metadata m = {.revision = 77};
    ti_arena arena = {0};
    tern_err err;
    blob b = version2();
    ti_store_u16(b.data + 68 + 4, 0xfffe); /* a name past the end */
    assert_int_equal(decode(&m, &arena, b.data, b.size, 2, &err), TERN_CORRUPT);
    assert_int_equal(err.offset, 74);
    b = version2();
    ti_store_u16(b.data + 68 + 4, 35); /* an odd one */
    assert_int_equal(decode(&m, &arena, b.data, b.size, 2, &err), TERN_CORRUPT);
    b = version2();
    ti_store_u16(b.data + 66, N_NAMES + 1); /* more channels than there are */
    assert_int_equal(decode(&m, &arena, b.data, b.size, 2, &err), TERN_CORRUPT);
    ti_store_u16(b.data + 66, 0);
    assert_int_equal(decode(&m, &arena, b.data, b.size, 2, &err), TERN_CORRUPT);
    ti_store_u16(b.data + 66, 0xffff);
    assert_int_equal(decode(&m, &arena, b.data, b.size, 2, &err), TERN_LIMIT);
    b = version1();
    ti_store_u16(b.data + 70, 10);
    assert_int_equal(decode(&m, &arena, b.data, b.size, 1, &err), TERN_CORRUPT);
    assert_int_equal(err.offset, 72);
    assert_int_equal(decode(&m, &arena, b.data, b.size, 0, &err), TERN_UNSUPPORTED);
    assert_int_equal(decode(&m, &arena, b.data, b.size, 3, &err), TERN_UNSUPPORTED);
    assert_int_equal(m.revision, 77);
    ti_arena_free(&arena);
}

static void long_and_strange_names(void **state)
{
    (void)state;
    blob b = version2();
    b.size = 66;
    add_u16(&b, 2);
    add_u32(&b, 5);
    add_u16(&b, 600);
    for (size_t i = 0; i < 300; i++) {
        add_u16(&b, (uint16_t)(i == 3 ? 0x1b : i == 4 ? 0x20ac : 'A'));
    }
    add_u32(&b, 0);
    add_u16(&b, 0); /* no name at all */
    ti_emi_metadata m;
    ti_arena arena = {0};
    assert_int_equal(decode(&m, &arena, b.data, b.size, 2, NULL), TERN_OK);
    assert_int_equal(strlen(m.channels[0].name), TI_EMI_NAME - 1);
    assert_memory_equal(m.channels[0].name, "AAA??AAA", 8);
    assert_int_equal(m.channels[0].unit, 5);
    assert_string_equal(m.channels[1].name, "");
    ti_arena_free(&arena);
}

static void values(void **state)
{
    (void)state;
    blob b = {.size = 0};
    add_u64(&b, 277777778);
    add_u64(&b, 10000000);
    add_u64(&b, UINT64_MAX);
    add_u64(&b, 20000000);
    ti_emi_value v[3] = {{7, 7}, {7, 7}, {7, 7}};
    tern_err err;
    assert_int_equal(ti_emi_read_values(v, 2, b.data, b.size, &err), TERN_OK);
    assert_int_equal(v[0].energy_pwh, 277777778);
    assert_int_equal(v[0].time_100ns, 10000000);
    assert_int_equal(v[1].energy_pwh, UINT64_MAX);
    assert_int_equal(v[1].time_100ns, 20000000);
    v[0].energy_pwh = 7;
    assert_int_equal(ti_emi_read_values(v, 3, b.data, b.size, &err), TERN_CORRUPT);
    assert_int_equal(ti_emi_read_values(v, 2, b.data, b.size - 1, &err), TERN_CORRUPT);
    assert_int_equal(ti_emi_read_values(v, SIZE_MAX, b.data, b.size, &err), TERN_CORRUPT);
    assert_int_equal(v[0].energy_pwh, 7);
}

static void units(void **state)
{
    (void)state;
    /* 1 Wh = 10^12 pWh = 3600 J. */
    assert_int_equal(ti_emi_energy_uj(UINT64_C(1000000000000)), UINT64_C(3600000000));
    assert_int_equal(ti_emi_energy_uj(277777778), 1000000); /* 1.0000000008 J */
    assert_int_equal(ti_emi_energy_uj(277), 0);
    assert_int_equal(ti_emi_energy_uj(278), 1);
    assert_int_equal(ti_emi_energy_uj(UINT64_MAX), UINT64_C(66408278665354385));
}

static void boundaries(void **state)
{
    (void)state;
    assert_int_equal(ti_emi_boundary("RAPL_Package1_PKG"), TI_BOUNDARY_PACKAGE);
    assert_int_equal(ti_emi_boundary("RAPL_PSYS"), TI_BOUNDARY_PSYS);
    assert_int_equal(ti_emi_boundary("PKG"), TI_BOUNDARY_PACKAGE);
    assert_int_equal(ti_emi_boundary(""), TI_BOUNDARY_OTHER);
    assert_int_equal(ti_emi_boundary("PKG_"), TI_BOUNDARY_OTHER);
    assert_int_equal(ti_emi_boundary("RAPL_PKG_Core1_CORE"), TI_BOUNDARY_CORE);
}

static void mirrors(void **state)
{
    (void)state;
    assert_true(ti_emi_is_mirror(5000000000, 5000000000));
    assert_true(ti_emi_is_mirror(5000000000, 5000005000));
    assert_true(ti_emi_is_mirror(5000005000, 5000000000));
    assert_false(ti_emi_is_mirror(5000000000, 5000006000));
    assert_false(ti_emi_is_mirror(0, 0)); /* two that stand still prove nothing */
    assert_false(ti_emi_is_mirror(0, 5));
    assert_true(ti_emi_is_mirror(UINT64_MAX, UINT64_MAX - 1));
}

static void no_memory(void **state)
{
    (void)state;
    blob b = version2();
    ti_emi_metadata m = {.revision = 77};
    ti_arena arena = {0};
    oom_fail_at(0);
    tern_status status = ti_emi_read_metadata(&m, &arena, b.data, b.size, 2, NULL);
    assert_true(oom_disarm());
    assert_int_equal(status, TERN_NOMEM);
    assert_int_equal(m.revision, 77);
    ti_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_version2),
        cmocka_unit_test(reads_version1),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(wrong),
        cmocka_unit_test(long_and_strange_names),
        cmocka_unit_test(values),
        cmocka_unit_test(units),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(mirrors),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
