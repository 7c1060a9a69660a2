/* SPDX-License-Identifier: Apache-2.0 */
/* A log in a real directory: group commit by threads, many shapes, memory that runs out. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
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

#include "ledger/log.h"
#include "oom.h"

static char folder[256], dir[300], store[300];

static int setup(void **state)
{
    /* In memory where that is possible: hundreds of syncs are not what is tested here. */
    bool memory = access("/dev/shm", W_OK) == 0;
    (void)state;
    snprintf(folder, sizeof folder, "%s/tern-log-XXXXXX", memory ? "/dev/shm" : P_tmpdir);
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(dir, sizeof dir, "%s/log", folder);
    snprintf(store, sizeof store, "%s/a/b/store", folder);
    return 0;
}

static void remove_all(const char *path)
{
    DIR *d = opendir(path);
    if (d) {
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
            char below[1024];
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
                snprintf(below, sizeof below, "%s/%s", path, e->d_name);
                remove_all(below);
            }
        }
        closedir(d);
    }
    (void)remove(path);
}

static int teardown(void **state)
{
    (void)state;
    remove_all(folder);
    return 0;
}

static mode_t mode_of(const char *name)
{
    char path[1024];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void create(void)
{
    ti_log_opts opts = {.store = store};
    tern_err err;
    if (ti_log_create(dir, "example.com/test", &opts, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
}

static void test_create(void **state)
{
    ti_log *log;
    ti_log_opts opts = {.store = store};
    tern_err err;
    (void)state;
    assert_false(ti_log_exists(dir));
    create();
    assert_true(ti_log_exists(dir));
    assert_int_equal(mode_of("state/key"), 0600);
    assert_int_equal(mode_of("state"), 0700);
    assert_int_equal(ti_log_create(dir, NULL, &opts, &err), TERN_USAGE);
    assert_int_equal(ti_log_open(&log, dir, NULL, &err), TERN_OK); /* finds the store itself */
    assert_int_equal(ti_log_published(log), 0);
    ti_log_close(log);
    assert_int_equal(ti_log_open(&log, folder, NULL, &err), TERN_IO);
    assert_int_equal(ti_log_create(folder, "a b", &opts, &err), TERN_USAGE);
    /* A second log of the same name would sign against the first one's lock. */
    char other[400];
    snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(ti_log_create(other, "example.com/test", &opts, &err), TERN_NO);
}

static void check(uint64_t size)
{
    ti_log_view *view;
    ti_log_fsck_report report;
    tern_err err = {0};
    if (ti_log_fsck(dir, NULL, NULL, NULL, &report, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(report.entries, size);
    assert_int_equal(ti_log_view_open(&view, dir, NULL, NULL, &err), TERN_OK);
    assert_int_equal(ti_log_view_checkpoint(view)->size, size);
    for (uint64_t i = 0; i < size; i += size / 50 + 1) {
        ti_buf proof = {0}, entry = {0};
        uint64_t index;
        assert_int_equal(ti_log_view_entry(view, &entry, i, &err), TERN_OK);
        assert_int_equal(ti_log_view_proof(view, &proof, i, &err), TERN_OK);
        assert_int_equal(ti_tlog_proof_check(proof.data, proof.len, entry.data, entry.len,
                                             ti_log_view_key(view), NULL, &index, &err),
                         TERN_OK);
        assert_int_equal(index, i);
        assert_int_equal(ti_log_view_find(view, &index, entry.data, entry.len, &err), TERN_OK);
        ti_buf_free(&proof);
        ti_buf_free(&entry);
    }
    for (uint64_t m = 0; m <= size; m += size / 20 + 1) {
        ti_proof proof;
        assert_int_equal(ti_log_view_consistency(view, &proof, NULL, m, &err), TERN_OK);
    }
    ti_log_view_close(view);
}

enum { THREADS = 8, EACH = 300 };

typedef struct appender {
    ti_log *log;
    int id;
    uint64_t at[EACH];
    pthread_t thread;
} appender;

static void *append_all(void *arg)
{
    appender *a = arg;
    for (int i = 0; i < EACH; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "%d:%d", a->id, i);
        if (ti_log_append(a->log, text, (size_t)n, &a->at[i], NULL) != TERN_OK ||
            (i % 100 == a->id && ti_log_publish(a->log, NULL) != TERN_OK)) {
            return a;
        }
    }
    return NULL;
}

/* Many threads append, some of them publish meanwhile: every index is given once, in each
 * thread's order, and leads to its entry. */
static void test_threads(void **state)
{
    static appender appenders[THREADS];
    ti_log *log;
    ti_log_view *view;
    tern_err err;
    (void)state;
    create();
    assert_int_equal(ti_log_open(&log, dir, NULL, &err), TERN_OK);
    for (int t = 0; t < THREADS; t++) {
        appenders[t].log = log;
        appenders[t].id = t;
        assert_int_equal(pthread_create(&appenders[t].thread, NULL, append_all, &appenders[t]),
                         0);
    }
    for (int t = 0; t < THREADS; t++) {
        void *failed;
        pthread_join(appenders[t].thread, &failed);
        assert_null(failed);
    }
    assert_int_equal(ti_log_durable(log), THREADS * EACH);
    assert_int_equal(ti_log_publish(log, &err), TERN_OK);
    assert_int_equal(ti_log_published(log), THREADS * EACH);
    ti_log_close(log);
    check(THREADS * EACH);
    assert_int_equal(ti_log_view_open(&view, dir, NULL, NULL, &err), TERN_OK);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < EACH; i++) {
            char text[64];
            ti_buf entry = {0};
            snprintf(text, sizeof text, "%d:%d", t, i);
            assert_true(i == 0 || appenders[t].at[i] > appenders[t].at[i - 1]);
            assert_int_equal(ti_log_view_entry(view, &entry, appenders[t].at[i], &err),
                             TERN_OK);
            assert_string_equal(entry.data, text);
            ti_buf_free(&entry);
        }
    }
    ti_log_view_close(view);
}

/* Sizes around whole tiles and bundles, the smallest and the largest entry, reopening between.
 */
static void test_shapes(void **state)
{
    static const uint64_t sizes[] = {1, 2, 255, 256, 257, 511, 512, 800, 66000};
    ti_log_opts opts = {.segment_bytes = 100000, .pending_bytes = 200000};
    char *largest = calloc(1, TI_ENTRY_MAX + 1);
    uint64_t index = 0, n = 0;
    tern_err err;
    (void)state;
    assert_non_null(largest);
    create();
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        ti_log *log;
        assert_int_equal(ti_log_open(&log, dir, &opts, &err), TERN_OK);
        for (; n < sizes[s]; n++) {
            char text[32];
            int len = n == 0 ? 0 : snprintf(text, sizeof text, "entry %d", (int)n);
            bool big = n == 300;
            assert_int_equal(ti_log_submit(log, big ? largest : text,
                                           big ? TI_ENTRY_MAX : (size_t)len, &index, &err),
                             TERN_OK);
            assert_int_equal(index, n);
        }
        assert_int_equal(ti_log_wait(log, index, &err), TERN_OK);
        assert_int_equal(ti_log_wait(log, index + 1, &err), TERN_USAGE);
        assert_int_equal(ti_log_submit(log, largest, TI_ENTRY_MAX + 1, &index, &err),
                         TERN_LIMIT);
        assert_int_equal(ti_log_publish(log, &err), TERN_OK);
        ti_log_close(log);
        check(sizes[s]);
    }
    free(largest);
}

/* Every request for memory fails once: TERN_NOMEM, and the log goes on or opens again. */
static void test_out_of_memory(void **state)
{
    ti_log_opts opts = {.segment_bytes = 200}; /* or there would be more to read each time */
    uint64_t index;
    tern_err err = {0};
    (void)state;
    create();
    for (long n = 0;; n++) {
        ti_log *log = NULL;
        ti_log_view *view = NULL;
        ti_buf out = {0};
        oom_fail_at(n);
        tern_status status = ti_log_open(&log, dir, &opts, &err);
        if (status == TERN_OK) {
            status = ti_log_append(log, "entry", 5, &index, &err);
        }
        if (status == TERN_OK) {
            status = ti_log_publish(log, &err);
        }
        if (status == TERN_OK) {
            status = ti_log_view_open(&view, dir, NULL, NULL, &err);
        }
        if (status == TERN_OK) {
            status = ti_log_view_proof(view, &out, index, &err);
        }
        bool failed = oom_disarm();
        if (failed && status != TERN_NOMEM && status != TERN_OK) {
            fail_msg("request %ld: %s", n, err.message);
        }
        assert_true(failed || status == TERN_OK);
        if (log) { /* and it goes on */
            assert_int_equal(ti_log_append(log, "more", 4, &index, &err), TERN_OK);
            assert_int_equal(ti_log_publish(log, &err), TERN_OK);
        }
        ti_log_view_close(view);
        ti_buf_free(&out);
        ti_log_close(log);
        if (!failed) {
            break;
        }
    }
    ti_log_fsck_report report;
    for (long n = 0;; n += n / 16 + 1) {
        oom_fail_at(n);
        tern_status status = ti_log_fsck(dir, NULL, NULL, NULL, &report, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_true(status == TERN_NOMEM || status == TERN_OK);
    }
}

/* What a server may hand out: the files of the log, checked, and no others. */
static void test_served_files(void **state)
{
    static const char *const not_there[] = {
        "state/key",         "vkey",           "tile/0/001",       "tile/0/000.p/21",
        "tile/../state/key", "wal/0000000001", "tile/entries/001", "",
        "checkpoint/"};
    ti_log *log;
    ti_log_view *view;
    uint64_t index = 0;
    ti_buf out = {0};
    tern_err err;
    (void)state;
    create();
    assert_int_equal(ti_log_open(&log, dir, NULL, &err), TERN_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ti_log_append(log, "x", 1, &index, &err), TERN_OK);
    }
    assert_int_equal(ti_log_publish(log, &err), TERN_OK);
    ti_log_close(log);
    assert_int_equal(ti_log_view_open(&view, dir, NULL, NULL, &err), TERN_OK);
    for (size_t i = 0; i < sizeof not_there / sizeof *not_there; i++) {
        assert_int_equal(ti_log_view_file(view, &out, not_there[i], strlen(not_there[i]), &err),
                         TERN_NO);
    }
    assert_int_equal(ti_log_view_file(view, &out, "tile/0/000.p/20", 15, &err), TERN_OK);
    assert_int_equal(out.len, 20 * 32);
    ti_buf_clear(&out);
    assert_int_equal(ti_log_view_file(view, &out, "tile/entries/000.p/7", 20, &err), TERN_OK);
    assert_int_equal(out.len, 7 * 3);
    ti_buf_free(&out);
    ti_log_view_close(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_served_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
