/* SPDX-License-Identifier: Apache-2.0 */
/* The file of what was typed in chats: what is read is what was added, within the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "cli/chat_history.h"
#include "oom.h"

enum { PATH_BYTES = 128, LARGE = 400 << 10, FILE_MAX = 8 << 20 };

static char dir[] = "/tmp/tern-history-XXXXXX", path[PATH_BYTES];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/new/history.json", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char below[PATH_BYTES];
    (void)state;
    snprintf(below, sizeof below, "%s/new", dir);
    (void)unlink(path);
    (void)rmdir(below);
    return rmdir(dir);
}

/* What ti_chat_history_read() gives, with '|' after each. */
static void collect(void *user, const char *text)
{
    ti_buf *all = user;
    ti_buf_adds(all, text);
    ti_buf_addc(all, '|');
}

static void assert_kept(const char *wanted)
{
    ti_buf all = {0};
    tern_err err;
    assert_int_equal(ti_chat_history_read(path, collect, &all, &err), TERN_OK);
    assert_string_equal(all.data ? all.data : "", wanted);
    ti_buf_free(&all);
}

static void add(const char *text)
{
    tern_err err;
    assert_int_equal(ti_chat_history_add(path, text, &err), TERN_OK);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_round_trip(void **state)
{
    struct stat st;
    (void)state;
    (void)unlink(path);
    assert_kept("");
    add("one");
    add("two\nlines, \"quoted\" \\ \t\x01 gr\xc3\xbc\xc3\x9f");
    add("two\nlines, \"quoted\" \\ \t\x01 gr\xc3\xbc\xc3\x9f"); /* the newest already */
    add("one");
    add("");
    assert_kept("one|two\nlines, \"quoted\" \\ \t\x01 gr\xc3\xbc\xc3\x9f|one|");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_number_is_limited(void **state)
{
    ti_buf file = {0};
    (void)state;
    ti_buf_adds(&file, "{\"schema\":\"tern.chat-history/1\",\"typed\":[");
    for (int i = 0; i < TI_CHAT_HISTORY_MAX; i++) {
        ti_buf_addf(&file, "%s\"%d\"", i ? "," : "", i);
    }
    ti_buf_adds(&file, "]}");
    assert_false(file.failed);
    write_file(file.data);
    add("new");
    ti_buf_clear(&file);
    for (int i = 1; i < TI_CHAT_HISTORY_MAX; i++) {
        ti_buf_addf(&file, "%d|", i);
    }
    ti_buf_adds(&file, "new|");
    assert_kept(file.data);
    ti_buf_free(&file);
}

static void test_bytes_are_limited(void **state)
{
    static char large[TI_CHAT_HISTORY_BYTES_MAX + 2];
    ti_buf all = {0};
    (void)state;
    (void)unlink(path);
    for (char c = 'a'; c <= 'c'; c++) {
        memset(large, c, LARGE);
        large[LARGE] = '\0';
        add(large);
    }
    for (char c = 'b'; c <= 'c'; c++) {
        memset(large, c, LARGE);
        collect(&all, large);
    }
    assert_kept(all.data);
    memset(large, 'x', sizeof large - 1);
    add(large); /* too long by itself: it takes no other's place */
    assert_kept(all.data);
    ti_buf_free(&all);
}

/* A file that is something else is not written over. */
static void test_other_files(void **state)
{
    static const char *const files[] = {
        "",
        "no JSON",
        "[]",
        "{\"schema\":\"tern.chat/1\",\"typed\":[]}",
        "{\"schema\":\"tern.chat-history/1\",\"typed\":{}}",
        "{\"schema\":\"tern.chat-history/1\",\"typed\":[\"a\",1]}"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        ti_buf all = {0};
        char *data;
        size_t len;
        tern_err err;
        write_file(files[i]);
        assert_int_equal(ti_chat_history_read(path, collect, &all, &err), TERN_CORRUPT);
        assert_int_equal(all.len, 0);
        assert_int_equal(ti_chat_history_add(path, "x", &err), TERN_CORRUPT);
        assert_int_equal(ti_read_file(&data, &len, path, FILE_MAX, &err), TERN_OK);
        assert_string_equal(data, files[i]);
        free(data);
    }
}

static void test_no_memory(void **state)
{
    tern_err err;
    (void)state;
    write_file("{\"schema\":\"tern.chat-history/1\",\"typed\":[\"a\\n\",\"b\"]}");
    for (long n = 0;; n++) {
        oom_fail_at(n);
        tern_status status = ti_chat_history_add(path, "c", &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            assert_true(n > 0);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
        assert_kept("a\n|b|");
    }
    assert_kept("a\n|b|c|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_number_is_limited),
        cmocka_unit_test(test_bytes_are_limited), cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
