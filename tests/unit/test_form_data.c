/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of multipart/form-data: as clients write them, and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/form_data.h"

static const char type[] = "multipart/form-data; boundary=xyz";
static const char body[] =
    "preamble\r\n"
    "--xyz\r\n"
    "Content-Disposition: form-data; name=\"purpose\"\r\n\r\n"
    "batch\r\n"
    "--xyz\r\n"
    "content-type: text/plain\r\n"
    "CONTENT-disposition: form-data; filename=\"a b.jsonl\"; name=\"file\"\r\n"
    "\r\n"
    "one\r\n--xy\n\r\ntwo\r\n"
    "--xyz\r\n"
    "Content-Disposition: form-data; name=\"empty\"\r\n\r\n"
    "\r\n"
    "--xyz--\r\nepilogue";

static bool read(ti_form_part *parts, size_t cap, size_t *n, const char *content_type,
                 const char *text, size_t len)
{
    return ti_form_data_read(parts, cap, n, content_type, (ti_str){text, len});
}

static void is(ti_str s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.data, text, s.len);
}

static void what_it_says(void **state)
{
    ti_form_part parts[4];
    size_t n;
    (void)state;
    assert_true(read(parts, 4, &n, type, body, sizeof body - 1));
    assert_int_equal(n, 3);
    is(parts[0].name, "purpose");
    is(parts[0].filename, "");
    is(parts[0].data, "batch");
    const ti_form_part *file = ti_form_data_get(parts, n, "file");
    assert_ptr_equal(file, &parts[1]);
    is(file->filename, "a b.jsonl");
    is(file->data, "one\r\n--xy\n\r\ntwo");
    is(parts[2].data, "");
    assert_null(ti_form_data_get(parts, n, "files"));
    assert_false(
        read(parts, 2, &n, type, body, sizeof body - 1)); /* more than there is room for */
    assert_true(read(parts, 4, &n, "Multipart/Form-Data; charset=x; boundary=\"xyz\"", body,
                     sizeof body - 1));
}

static void what_is_refused(void **state)
{
    static const char *const types[] = {
        "application/json", "multipart/form-data",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=other",
        "multipart/form-data; boundary=\"\""};
    char longest[200] = "multipart/form-data; boundary=";
    ti_form_part parts[4];
    size_t n;
    (void)state;
    assert_false(read(parts, 4, &n, NULL, body, sizeof body - 1));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_false(read(parts, 4, &n, types[i], body, sizeof body - 1));
    }
    memset(longest + strlen(longest), 'x', 71);
    assert_false(read(parts, 4, &n, longest, body, sizeof body - 1));
}

/* On the heap, so that a byte beyond the end is seen. */
static void cut_anywhere(void **state)
{
    const size_t whole = sizeof body - 1 - strlen("\r\nepilogue");
    (void)state;
    for (size_t len = 0; len < sizeof body - 1; len++) {
        ti_form_part parts[4];
        size_t n;
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, body, len);
        char *exact = realloc(copy, len > 0 ? len : 1);
        assert_non_null(exact);
        assert_int_equal(read(parts, 4, &n, type, exact, len), len >= whole);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
