/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the small texts of sysfs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "energy/meter.h"
#include "energy/sysfs.h"
#include "energy_tree.h"

static bool u64(const char *text, uint64_t *out)
{
    return ti_sys_parse_u64(text, strlen(text), out);
}

static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"7\n", 7},
        {" 12 \n", 12},
        {"000000000000000000000000000005", 5},
        {"262143328850\n", UINT64_C(262143328850)},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "\n",
                                      "-0",
                                      "-1",
                                      "+1",
                                      "1 2",
                                      "1\n2",
                                      "0x1",
                                      "1.",
                                      "1e3",
                                      "18446744073709551616",
                                      "99999999999999999999999999999",
                                      "abc",
                                      "1a",
                                      "\xff",
                                      "1\x01"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t value = 99;
        assert_true(u64(good[i].text, &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t value = 99;
        assert_false(u64(bad[i], &value));
        assert_int_equal(value, 99);
    }
}

static void magnitudes(void **state)
{
    (void)state;
    uint64_t value = 99;
    assert_true(ti_sys_parse_magnitude("-1500\n", 6, &value));
    assert_int_equal(value, 1500);
    assert_true(ti_sys_parse_magnitude("1500", 4, &value));
    static const char *const bad[] = {"", "-", "--1", "- 1", "-\n", "-18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        value = 99;
        assert_false(ti_sys_parse_magnitude(bad[i], strlen(bad[i]), &value));
        assert_int_equal(value, 99);
    }
}

static void decimals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t digits;
        int exponent;
    } good[] = {
        {"1", 1, 0},
        {"2.5", 25, -1},
        {".5", 5, -1},
        {"5.", 5, 0},
        {"1e-6\n", 1, -6},
        {"12.50E+3", 1250, 1},
        {"2.3283064365386962890625e-10", UINT64_C(2328306436538696289), -28},
        {"12345678901234567890123", UINT64_C(1234567890123456789), 4},
    };
    static const char *const bad[] = {"",    ".",  "e5",    "1e",    "1e-", "1e1000",
                                      "1,5", "-1", "1.2.3", "1e5 x", "inf"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t digits = 0;
        int exponent = 0;
        assert_true(
            ti_sys_parse_decimal(good[i].text, strlen(good[i].text), &digits, &exponent));
        assert_int_equal(digits, good[i].digits);
        assert_int_equal(exponent, good[i].exponent);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t digits = 99;
        int exponent = 99;
        assert_false(ti_sys_parse_decimal(bad[i], strlen(bad[i]), &digits, &exponent));
        assert_int_equal(digits, 99);
        assert_int_equal(exponent, 99);
    }
}

static bool scale_of(const char *text, uint64_t *scale, unsigned *shift)
{
    return ti_sys_joule_scale(text, strlen(text), scale, shift);
}

static void scales(void **state)
{
    (void)state;
    uint64_t scale = 0;
    unsigned shift = 0;
    /* 2^-32 J = 15625 * 2^-26 uJ, exactly. */
    assert_true(scale_of("2.3283064365386962890625e-10\n", &scale, &shift));
    assert_int_equal(scale, 15625);
    assert_int_equal(shift, 26);
    assert_true(scale_of("1e-6", &scale, &shift));
    assert_int_equal(scale, 1);
    assert_int_equal(shift, 0);
    assert_true(scale_of("1", &scale, &shift));
    assert_int_equal(scale, 1000000);
    assert_int_equal(shift, 0);
    assert_true(scale_of("0.000061035", &scale, &shift));
    assert_in_range(scale * UINT64_C(1000) >> shift, 61034, 61035);
    assert_true(scale_of("1e-15", &scale, &shift));
    __extension__ unsigned __int128 kilojoule =
        (unsigned __int128)UINT64_C(1000000000000000000);
    assert_in_range((uint64_t)(kilojoule * scale >> shift), 999999999, 1000000000);
    static const char *const bad[] = {"0",      "0.0", "2", "1e3",  "1e-16",
                                      "1e-300", "",    "J", "-1e-6"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        scale = 99;
        shift = 99;
        assert_false(scale_of(bad[i], &scale, &shift));
        assert_int_equal(scale, 99);
        assert_int_equal(shift, 99);
    }
}

static void lists_of_cpus(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        uint32_t last;
    } good[] = {
        {"0\n", 1, 0}, {"0,28\n", 2, 28}, {"0-3,8", 5, 8}, {"65535", 1, 65535}, {"0-7", 8, 7}};
    static const char *const bad[] = {"",
                                      "0,",
                                      ",0",
                                      "0-",
                                      "3-1",
                                      "a",
                                      "0-8",
                                      "0 1",
                                      "65536",
                                      "0-1-2",
                                      "1,2,x",
                                      "0,1,2,3,4,5,6,7,8",
                                      "0-18446744073709551615"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t cpus[8];
        size_t n = 0;
        assert_true(ti_sys_parse_cpus(good[i].text, strlen(good[i].text), cpus, 8, &n));
        assert_int_equal(n, good[i].n);
        assert_int_equal(cpus[n - 1], good[i].last);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t cpus[8];
        size_t n = 99;
        assert_false(ti_sys_parse_cpus(bad[i], strlen(bad[i]), cpus, 8, &n));
        assert_int_equal(n, 99);
    }
}

static void events(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t config;
    } good[] = {{"event=0x02\n", 2},
                {"event=0xff,umask=0x1", 255},
                {"event=0xFFFFFFFFFFFFFFFF", UINT64_MAX},
                {"event=12", 12}};
    static const char *const bad[] = {
        "",           "event",     "event=",  "event=0x",
        "event=0xg",  "event=x",   "umask=1", "event=0x10000000000000000",
        "event=0x,1", "event=1 2", "event=-1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t config = 0;
        assert_true(ti_sys_parse_event(good[i].text, strlen(good[i].text), &config));
        assert_int_equal(config, good[i].config);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t config = 99;
        assert_false(ti_sys_parse_event(bad[i], strlen(bad[i]), &config));
        assert_int_equal(config, 99);
    }
}

static void numbers_in_names(void **state)
{
    (void)state;
    assert_int_equal(ti_sys_number_in("package-12-die-1", 7), 12);
    assert_int_equal(ti_sys_number_in("psys", 7), 7);
    assert_int_equal(ti_sys_number_in("", 7), 7);
    assert_int_equal(ti_sys_number_in("x99999999999", 7), 7);
}

static void files(void **state)
{
    (void)state;
    energy_tree tree;
    char path[512], text[TI_SYS_TEXT], longest[TI_SYS_TEXT + 1];
    size_t len = 77;
    uint64_t value = 77;
    et_make(&tree);
    snprintf(path, sizeof path, "%s/value", tree.root);
    et_file(&tree, "/value", "41");
    ti_sys_file file = {.path = path, .fd = -1};
    assert_int_equal(ti_sys_file_read(&file, text, &len), 0);
    assert_string_equal(text, "41");
    et_file(&tree, "/value", "42");
    assert_int_equal(ti_sys_file_read(&file, text, &len), 0);
    assert_string_equal(text, "42");
    assert_int_equal(len, 2);
    et_fail("/value", EIO, 1);
    assert_int_equal(ti_sys_file_read(&file, text, &len), EIO);
    assert_int_equal(file.fd, -1);
    assert_int_equal(ti_sys_file_read(&file, text, &len), 0);
    et_fail("/value", EINTR, 1); /* a signal is no failure */
    assert_int_equal(ti_sys_file_read(&file, text, &len), 0);
    ti_sys_file_close(&file);
    ti_sys_file_close(&file);

    memset(longest, '1', sizeof longest);
    et_bytes(&tree, "/value", longest, TI_SYS_TEXT - 2);
    assert_int_equal(ti_sys_read(path, text, &len), 0);
    assert_int_equal(len, TI_SYS_TEXT - 2);
    et_bytes(&tree, "/value", longest, TI_SYS_TEXT - 1);
    assert_int_equal(ti_sys_read(path, text, &len), EFBIG);
    et_bytes(&tree, "/value", longest, 0);
    assert_int_equal(ti_sys_read_u64(path, &value), EBADMSG);
    assert_int_equal(ti_sys_read_u64(tree.root, &value), EISDIR);
    assert_int_equal(ti_sys_read_u64("/no/such/file", &value), ENOENT);
    assert_int_equal(ti_sys_read_u64(NULL, &value), ENOMEM);
    assert_int_equal(value, 77);
    et_remove(&tree);
}

static void names(void **state)
{
    (void)state;
    energy_tree tree;
    ti_arena arena = {0};
    const char **found = NULL;
    size_t n = 0;
    int errnum = -1;
    et_make(&tree);
    static const char *const made[] = {"/a10", "/a2", "/b1", "/a2:10", "/a2:9", "/.a", "/a 1"};
    static const char *const wanted[] = {"a2", "a2:9", "a2:10", "a10"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        et_file(&tree, made[i], "x");
    }
    assert_int_equal(ti_sys_names(&found, &n, &errnum, &arena, tree.root, "a", NULL), TERN_OK);
    assert_int_equal(errnum, 0);
    assert_int_equal(n, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(found[i], wanted[i]);
    }
    assert_int_equal(ti_sys_names(&found, &n, &errnum, &arena, "/no/such", "", NULL), TERN_OK);
    assert_int_equal(errnum, ENOENT);
    assert_int_equal(n, 0);
    ti_arena_free(&arena);
    et_remove(&tree);
}

static void flags(void **state)
{
    (void)state;
    assert_int_equal(ti_sys_flags(0), 0);
    assert_int_equal(ti_sys_flags(EACCES), TI_READ_DENIED);
    assert_int_equal(ti_sys_flags(EPERM), TI_READ_DENIED);
    assert_int_equal(ti_sys_flags(ENODEV), TI_READ_GONE);
    assert_int_equal(ti_sys_flags(ENOENT), TI_READ_GONE);
    assert_int_equal(ti_sys_flags(EFBIG), TI_READ_GARBAGE);
    assert_int_equal(ti_sys_flags(ENODATA), TI_READ_IO);
    assert_int_equal(ti_sys_flags(EIO), TI_READ_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(magnitudes),
        cmocka_unit_test(decimals),
        cmocka_unit_test(scales),
        cmocka_unit_test(lists_of_cpus),
        cmocka_unit_test(events),
        cmocka_unit_test(numbers_in_names),
        cmocka_unit_test(files),
        cmocka_unit_test(names),
        cmocka_unit_test(flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
