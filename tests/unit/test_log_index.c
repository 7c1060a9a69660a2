/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a log: what it finds is what reading everything finds, whatever was done to its
 * files and however the log grew. */
#define _XOPEN_SOURCE 700 /* nftw() */
#include <fcntl.h>
#include <ftw.h>
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

#include "ledger/dsse.h"
#include "ledger/log_index.h"
#include "oom.h"

enum { MODELS = 3, MAX = 2000, HOUR_MS = 3600000 };

static char folder[256], dir[300], store[300], file[300], sum[310];
static ti_receipt receipts[MAX]; /* by the index of their entry; id "" = another entry */
static uint64_t n_entries;
static ti_note_signer signer;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void delete_all(void)
{
    assert_int_equal(remove_tree(dir), 0);
    assert_int_equal(remove_tree(store), 0);
}

static void create(void)
{
    ti_log_opts opts = {.store = store};
    assert_int_equal(ti_log_create(dir, "example.com/index", &opts, NULL), TERN_OK);
    n_entries = 0;
}

static int setup(void **state)
{
    bool memory = access("/dev/shm", W_OK) == 0;
    (void)state;
    snprintf(folder, sizeof folder, "%s/tern-index-XXXXXX", memory ? "/dev/shm" : P_tmpdir);
    if (!mkdtemp(folder) ||
        ti_note_signer_new(&signer, "tern-receipt", TI_NOTE_ED25519, NULL) != TERN_OK) {
        return -1;
    }
    snprintf(dir, sizeof dir, "%s/log", folder);
    snprintf(store, sizeof store, "%s/store", folder);
    snprintf(file, sizeof file, "%s/index", folder);
    snprintf(sum, sizeof sum, "%s.sum", file);
    create();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return remove_tree(folder);
}

#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

static ti_receipt made(uint64_t i)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    ti_receipt r = {.tern_version = "0.1.0"};
    SET(r.id, "01ARZ3NDEKTSV4RRFFQ69G0000");
    for (int d = TI_RECEIPT_ID - 1, left = (int)i; left > 0; d--, left /= 32) {
        r.id[d] = digits[left % 32];
    }
    memset(r.model.sha256, (int)(i % MODELS) * 77, TI_SHA256);
    memset(r.output.sha256, (int)(i % 251), TI_SHA256);
    r.output.sha256[1] = (uint8_t)(i / 251);
    SET(r.model.name, "m");
    SET(r.model.architecture, "llama");
    SET(r.input.mode, "raw");
    SET(r.stop_reason, "end");
    SET(r.engine.kv, "f16");
    SET(r.engine.act, "16");
    SET(r.engine.head, "auto");
    SET(r.engine.i2s, "auto");
    SET(r.engine.q2_0_group, "auto");
    SET(r.machine.arch, "x86_64");
    SET(r.machine.kernel, "avx2");
    r.has_energy = i % 5 != 4;
    r.energy.evidence = (ti_receipt_evidence)(i % 5 == 4 ? 0 : i % 5);
    r.time.ended_unix_ms = 1700000000000 + (i * 7919 % 100) * HOUR_MS;
    return r;
}

static void append_one(ti_log *log, uint64_t i)
{
    uint64_t index;
    ti_buf statement = {0}, entry = {0};
    receipts[i] = (ti_receipt){.id = ""};
    if (i % 4 == 3) {
        ti_buf_adds(&entry, i % 8 == 3 ? "{\"payload\":" : "some other entry");
    } else {
        receipts[i] = made(i);
        assert_int_equal(ti_receipt_write(&statement, &receipts[i], NULL), TERN_OK);
        assert_int_equal(
            ti_dsse_sign(&entry, TI_PAYLOAD_TYPE, statement.data, statement.len, &signer, NULL),
            TERN_OK);
    }
    assert_int_equal(ti_log_submit(log, entry.data, entry.len, &index, NULL), TERN_OK);
    assert_int_equal(index, i);
    ti_buf_free(&statement);
    ti_buf_free(&entry);
}

static void grow(uint64_t n)
{
    ti_log *log;
    assert_int_equal(ti_log_open(&log, dir, NULL, NULL), TERN_OK);
    for (uint64_t i = 0; i < n; i++) {
        append_one(log, n_entries++);
    }
    assert_int_equal(ti_log_wait(log, n_entries - 1, NULL), TERN_OK);
    assert_int_equal(ti_log_publish(log, NULL), TERN_OK);
    ti_log_close(log);
}

/* --- queries --------------------------------------------------------------------------------
 */

typedef struct answer {
    const ti_log_query *query;
    uint64_t next, n; /* entries below next were decided */
} answer;

/* Every entry that is passed over must be one that is not wanted. */
static void pass_over(answer *a, uint64_t end)
{
    for (; a->next < end; a->next++) {
        const ti_receipt *r = &receipts[a->next];
        assert_false(r->id[0] && ti_log_query_matches(a->query, r));
    }
}

static tern_status found(void *user, uint64_t index, const ti_receipt *r, tern_err *err)
{
    answer *a = user;
    (void)err;
    pass_over(a, index);
    assert_string_equal(r->id, receipts[index].id);
    assert_true(ti_log_query_matches(a->query, &receipts[index]));
    a->next++;
    a->n++;
    return TERN_OK;
}

static uint64_t ask(const ti_log_query *query, const char *index_file,
                    ti_log_index_report *report)
{
    ti_log_view *view;
    tern_err err = {0};
    ti_log_index_opts opts = {.file = index_file};
    answer a = {.query = query};
    assert_int_equal(ti_log_view_open(&view, dir, NULL, NULL, NULL), TERN_OK);
    if (ti_log_index_find(view, &opts, query, found, &a, report, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    pass_over(&a, n_entries);
    ti_log_view_close(view);
    return a.n;
}

/* All kinds of questions; `why` and `added` are what the first one must find to do. */
static void check(const char *why, uint64_t added)
{
    ti_log_query q;
    ti_log_index_report report;
    ti_log_query_all(&q);
    uint64_t all = ask(&q, file, &report);
    if (why) {
        assert_non_null(report.why);
        assert_string_equal(report.why, why);
    } else {
        assert_null(report.why);
    }
    assert_int_equal(report.added, added);
    assert_int_equal(report.receipts, all);
    assert_int_equal(all, n_entries - n_entries / 4);
    for (uint64_t i = 0; i < n_entries; i += n_entries / 2 + 1) {
        ti_log_query_all(&q);
        memcpy(q.id, receipts[i].id, sizeof q.id);
        assert_int_equal(ask(&q, file, &report), q.id[0] ? 1 : all);
        assert_null(report.why);
        assert_int_equal(report.added, 0);
        ti_log_query_all(&q);
        assert_true(ti_digest_range_read(&q.output, "0"));
        assert_true(ask(&q, file, &report) <= all);
        assert_true(ti_digest_range_read(&q.model, "4d"));
        (void)ask(&q, file, &report);
        ti_log_query_all(&q);
        q.from_unix_ms = 1700000000000 + i % 100 * HOUR_MS;
        (void)ask(&q, file, &report);
        q.until_unix_ms = q.from_unix_ms + 20 * (uint64_t)HOUR_MS;
        (void)ask(&q, file, &report);
        q.evidence = 1u << (i % 5);
        assert_int_equal(ask(&q, file, &report), ask(&q, NULL, &report));
    }
}

static void test_grow(void **state)
{
    struct stat st;
    (void)state;
    delete_all();
    create();
    (void)unlink(sum);
    check("there was none", 0); /* an empty log has an index too */
    const uint64_t steps[] = {1, 254, 1, 1, 255};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        grow(steps[i]);
        check(NULL, steps[i]);
    }
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(sum, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* --- damage ---------------------------------------------------------------------------------
 */

static long size_of(const char *name)
{
    struct stat st;
    assert_int_equal(stat(name, &st), 0);
    return (long)st.st_size;
}

static void flip(const char *name, long at, uint8_t mask)
{
    uint8_t byte;
    int fd = open(name, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= mask;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* A changed bit is always noticed, and every answer is right. */
static void test_damage(void **state)
{
    ti_log_query q;
    ti_log_index_report report;
    (void)state;
    delete_all();
    create();
    (void)unlink(sum);
    grow(270);
    check("there was none", 270);
    ti_log_query_all(&q);
    assert_true(ti_digest_range_read(&q.model, "4D4"));
    long size = size_of(file);
    for (long at = 0; at < size; at += size / 12 + 1) {
        flip(file, at, (uint8_t)(1 << (at % 8)));
        (void)ask(&q, file, &report);
        assert_string_equal(report.why, "it was damaged");
        assert_int_equal(report.added, 270);
        (void)ask(&q, file, &report);
        assert_null(report.why);
    }
    size = size_of(sum);
    for (long at = 0; at < size; at += 7) {
        flip(sum, at, 1);
        (void)ask(&q, file, &report);
        assert_non_null(report.why);
    }
    assert_int_equal(truncate(file, 5000), 0);
    check("it was damaged", 270);
    assert_int_equal(truncate(sum, 40), 0);
    check("it was damaged", 270);
    assert_int_equal(truncate(file, 0), 0);
    check("it was damaged", 270);
    assert_int_equal(unlink(file), 0);
    check("it was damaged", 270);
    assert_int_equal(unlink(sum), 0); /* as when a process died while it wrote */
    check("there was none", 270);
}

/* The file is sound, but of a log that was here before. */
static void test_other_history(void **state)
{
    (void)state;
    delete_all();
    create();
    (void)unlink(sum);
    grow(100);
    check("there was none", 100);
    delete_all();
    create();
    n_entries = 1; /* so that all receipts differ */
    ti_log *log;
    assert_int_equal(ti_log_open(&log, dir, NULL, NULL), TERN_OK);
    uint64_t index;
    receipts[0] = (ti_receipt){.id = ""};
    assert_int_equal(ti_log_append(log, "other", 5, &index, NULL), TERN_OK);
    assert_int_equal(ti_log_publish(log, NULL), TERN_OK);
    ti_log_close(log);
    ti_log_query q;
    ti_log_index_report report;
    ti_log_query_all(&q);
    assert_int_equal(ask(&q, file, &report), 0); /* it was longer */
    assert_string_equal(report.why, "it was of another history");
    grow(150);
    assert_true(ask(&q, file, &report) > 0);
    assert_null(report.why);
    assert_int_equal(report.added, 150);
}

/* --- the rest -------------------------------------------------------------------------------
 */

static void test_ranges(void **state)
{
    ti_digest_range r, same;
    (void)state;
    memset(&r, 5, sizeof r);
    same = r;
    assert_false(ti_digest_range_read(&r, ""));
    assert_false(ti_digest_range_read(&r, "0g"));
    assert_false(ti_digest_range_read(&r,
                                      "00000000000000000000000000000000000000000000000000000"
                                      "000000000000"));
    assert_memory_equal(&r, &same, sizeof r);
    assert_true(ti_digest_range_read(&r, "aBc"));
    assert_int_equal(r.low[0], 0xab);
    assert_int_equal(r.low[1], 0xc0);
    assert_int_equal(r.high[1], 0xcf);
    assert_int_equal(r.low[31], 0);
    assert_int_equal(r.high[31], 0xff);
}

static void test_cannot_write(void **state)
{
    ti_log_view *view;
    ti_log_query q;
    ti_log_index_report report;
    answer a = {.query = &q};
    (void)state;
    ti_log_query_all(&q);
    assert_int_equal(ti_log_view_open(&view, dir, NULL, NULL, NULL), TERN_OK);
    ti_log_index_opts opts = {.file = "/nowhere/at/all/index"};
    assert_int_equal(ti_log_index_find(view, &opts, &q, found, &a, &report, NULL), TERN_IO);
    ti_log_view_close(view);
}

static tern_status count(void *user, uint64_t index, const ti_receipt *r, tern_err *err)
{
    (void)index;
    (void)r;
    (void)err;
    ++*(uint64_t *)user;
    return TERN_OK;
}

static void test_no_memory(void **state)
{
    ti_log_query q;
    (void)state;
    delete_all();
    create();
    grow(9);
    ti_log_query_all(&q);
    q.from_unix_ms = 1;
    for (int kept = 0; kept < 2; kept++) {
        for (long n = 0;; n++) {
            ti_log_view *view;
            ti_log_index_report report;
            ti_log_index_opts opts = {.file = kept ? file : NULL};
            uint64_t seen = 0;
            (void)unlink(sum);
            assert_int_equal(ti_log_view_open(&view, dir, NULL, NULL, NULL), TERN_OK);
            oom_fail_at(n);
            tern_status status =
                ti_log_index_find(view, &opts, &q, count, &seen, &report, NULL);
            bool failed = oom_disarm();
            ti_log_view_close(view);
            assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
            if (!failed) {
                assert_int_equal(seen, 7);
                break;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),          cmocka_unit_test(test_damage),
        cmocka_unit_test(test_other_history), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_cannot_write),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
