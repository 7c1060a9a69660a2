/* SPDX-License-Identifier: Apache-2.0 */
/* An index that is right, new, or made anew; and what is found with it. */
#include "ledger/log_index.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"
#include "base/sha256.h"
#include "ledger/dsse.h"
#include "ledger/log_index_parts.h"

/* FILE.sum: magic, u64 entries, root of the tree, SHA-256 of FILE; little-endian. */
static const char magic[] = "ternidx2"; /* 1 had no receipts of jobs */
enum {
    MAGIC = sizeof magic - 1,
    AT_ROOT = MAGIC + 8,
    AT_DIGEST = AT_ROOT + TI_HASH_BYTES,
    SUM_BYTES = AT_DIGEST + TI_SHA256_BYTES
};

typedef struct log_index {
    ti_log_view *view;
    const ti_log_index_opts *opts;
    ti_log_index_report report;
    ti_buf sum_file, lock_file; /* paths, when there is a file */
    int lock;
    ti_index_db db;
    uint64_t size; /* entries that it knows */
} log_index;

/* --- queries --------------------------------------------------------------------------------
 */

void ti_log_query_all(ti_log_query *out)
{
    *out = (ti_log_query){.until_unix_ms = UINT64_MAX, .evidence = TI_QUERY_ANY_ENERGY};
    memset(out->model.high, UINT8_MAX, TI_SHA256);
    memset(out->output.high, UINT8_MAX, TI_SHA256);
}

bool ti_digest_range_read(ti_digest_range *out, const char *digits)
{
    char low[2 * TI_SHA256 + 1], high[2 * TI_SHA256 + 1];
    ti_digest_range made;
    size_t len = strlen(digits);
    if (len == 0 || len > sizeof low - 1) {
        return false;
    }
    memset(low, '0', sizeof low);
    memset(high, 'f', sizeof high);
    memcpy(low, digits, len);
    memcpy(high, digits, len);
    if (sodium_hex2bin(made.low, TI_SHA256, low, sizeof low - 1, NULL, NULL, NULL) != 0 ||
        sodium_hex2bin(made.high, TI_SHA256, high, sizeof high - 1, NULL, NULL, NULL) != 0) {
        return false;
    }
    *out = made;
    return true;
}

/* Whether an entry is a receipt, and what it says.  Errors: TERN_NOMEM. */
static tern_status read_receipt(ti_receipt *out, bool *is, const char *entry, size_t len,
                                tern_err *err)
{
    ti_dsse envelope;
    *is = false;
    if (len == 0 || entry[0] == '\0' || !strchr("{ \t\r\n", entry[0])) {
        return TERN_OK; /* most that are none are seen by their first character */
    }
    tern_status status = ti_dsse_parse(&envelope, entry, len, err);
    if (status != TERN_OK) {
        return status == TERN_NOMEM ? status : TERN_OK;
    }
    if (strcmp(envelope.type, TI_PAYLOAD_TYPE) == 0) {
        status = ti_receipt_read(out, (const char *)envelope.payload, envelope.len, err);
        if (status == TERN_UNSUPPORTED) {
            status =
                ti_receipt_read_job(out, (const char *)envelope.payload, envelope.len, err);
        }
        *is = status == TERN_OK;
    }
    ti_dsse_free(&envelope);
    return status == TERN_NOMEM ? status : TERN_OK;
}

/* --- FILE.sum -------------------------------------------------------------------------------
 */

static bool hash_file(uint8_t digest[TI_SHA256_BYTES], const char *file)
{
    uint8_t block[1 << 14];
    ti_sha256 hash;
    ssize_t n = -1;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return false;
    }
    ti_sha256_start(&hash);
    do {
        n = read(fd, block, sizeof block);
        ti_sha256_add(&hash, block, n > 0 ? (size_t)n : 0);
    } while (n > 0 || (n < 0 && errno == EINTR));
    close(fd);
    ti_sha256_end(&hash, digest);
    return n == 0;
}

/* Whether what is there can be used; else why not, as ti_log_index_report has it. */
static tern_status look(log_index *x, tern_err *err)
{
    uint8_t sum[SUM_BYTES + 1], digest[TI_SHA256_BYTES];
    ti_proof proof;
    ti_hash root;
    uint64_t size = ti_log_view_checkpoint(x->view)->size;
    x->report.why = x->opts->file ? "there was none" : "it is not kept";
    int fd = x->opts->file ? open(x->sum_file.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0) {
        return TERN_OK;
    }
    ssize_t n = read(fd, sum, sizeof sum);
    close(fd);
    x->report.why = "it was of another version";
    if (n == SUM_BYTES && memcmp(sum, magic, MAGIC - 1) == 0 &&
        memcmp(sum, magic, MAGIC) != 0) {
        return TERN_OK;
    }
    x->report.why = "it was damaged";
    if (n != SUM_BYTES || memcmp(sum, magic, MAGIC) != 0 || !hash_file(digest, x->opts->file) ||
        memcmp(digest, sum + AT_DIGEST, sizeof digest) != 0) {
        return TERN_OK;
    }
    x->report.why = "it was of another history";
    x->size = ti_load_u64(sum + MAGIC);
    if (x->size > size) {
        return TERN_OK;
    }
    TI_TRY(ti_log_view_consistency(x->view, &proof, &root, x->size, err));
    if (memcmp(root.b, sum + AT_ROOT, TI_HASH_BYTES) == 0) {
        x->report.why = x->opts->rebuild ? "it was asked for" : NULL;
    }
    return TERN_OK;
}

static tern_status write_sum(log_index *x, tern_err *err)
{
    uint8_t sum[SUM_BYTES];
    const char *path = x->sum_file.data;
    memcpy(sum, magic, MAGIC);
    ti_store_u64(sum + MAGIC, x->size);
    memcpy(sum + AT_ROOT, ti_log_view_checkpoint(x->view)->root.b, TI_HASH_BYTES);
    if (!hash_file(sum + AT_DIGEST, x->opts->file)) {
        return ti_fail(err, TERN_IO, "log", TI_NO_OFFSET, "cannot read the index '%s'",
                       x->opts->file);
    }
    int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    ssize_t n = fd < 0 ? -1 : write(fd, sum, sizeof sum);
    int problem = errno;
    if (fd >= 0) {
        close(fd);
    }
    return n == (ssize_t)sizeof sum
               ? TERN_OK
               : ti_fail_errno(err, n < 0 ? problem : ENOSPC, "log", "cannot write '%s'", path);
}

/* --- bringing it up to date ------------------------------------------------------------------
 */

/* A ti_log_entry_fn. */
static tern_status add_entry(void *user, uint64_t index, const char *entry, size_t len,
                             tern_err *err)
{
    log_index *x = user;
    ti_receipt receipt;
    bool is;
    const ti_log_index_opts *o = x->opts;
    x->report.added++;
    if (o->progress && index % TI_TILE_WIDTH == 0 &&
        !o->progress(o->progress_user, index, ti_log_view_checkpoint(x->view)->size)) {
        return ti_fail(err, TERN_CANCELLED, "log", TI_NO_OFFSET, "interrupted");
    }
    TI_TRY(read_receipt(&receipt, &is, entry, len, err));
    return is ? ti_index_db_add(&x->db, index, &receipt, err) : TERN_OK;
}

static tern_status add_new(log_index *x, tern_err *err)
{
    uint64_t size = ti_log_view_checkpoint(x->view)->size;
    TI_TRY(ti_index_db_begin(&x->db, err));
    TI_TRY(ti_log_view_range(x->view, x->size, size, add_entry, x, err));
    TI_TRY(ti_index_db_commit(&x->db, err));
    x->size = size;
    return TERN_OK;
}

/* Opens the database with everything in it that the log has. */
static tern_status update(log_index *x, tern_err *err)
{
    const char *file = x->opts->file;
    bool anew = x->report.why != NULL;
    if (!anew && x->size == ti_log_view_checkpoint(x->view)->size) {
        return ti_index_db_open(&x->db, file, false, err);
    }
    if (file && unlink(x->sum_file.data) != 0 && errno != ENOENT) {
        return ti_fail_errno(err, errno, "log", "cannot remove '%s'", x->sum_file.data);
    }
    if (file && anew && unlink(file) != 0 && errno != ENOENT) {
        return ti_fail_errno(err, errno, "log", "cannot remove '%s'", file);
    }
    TI_TRY(ti_index_db_open(&x->db, file, true, err));
    if (anew) {
        x->size = 0;
        TI_TRY(ti_index_db_create(&x->db, err));
    }
    TI_TRY(add_new(x, err));
    if (file) { /* its last bytes are written when it is closed */
        ti_index_db_close(&x->db);
        TI_TRY(write_sum(x, err));
        TI_TRY(ti_index_db_open(&x->db, file, false, err));
    }
    return TERN_OK;
}

/* --- the whole ------------------------------------------------------------------------------
 */

/* Whoever waits for another process can be asked to stop waiting: by a signal. */
static tern_status wait_for_lock(const log_index *x, tern_err *err)
{
    const ti_log_index_opts *o = x->opts;
    while (flock(x->lock, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return ti_fail_errno(err, errno, "log", "cannot lock '%s'", x->lock_file.data);
        }
        if (o->progress &&
            !o->progress(o->progress_user, 0, ti_log_view_checkpoint(x->view)->size)) {
            return ti_fail(err, TERN_CANCELLED, "log", TI_NO_OFFSET, "interrupted");
        }
    }
    return TERN_OK;
}

static tern_status lock(log_index *x, tern_err *err)
{
    const char *path = x->lock_file.data;
    if (!x->opts->file) {
        return TERN_OK;
    }
    x->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    return x->lock >= 0 ? wait_for_lock(x, err)
                        : ti_fail_errno(err, errno, "log", "cannot lock '%s'", path);
}

static tern_status open_index(log_index *x, ti_log_view *view, const ti_log_index_opts *opts,
                              tern_err *err)
{
    *x = (log_index){.view = view, .opts = opts, .lock = -1};
    if (opts->file) {
        ti_buf_addf(&x->sum_file, "%s.sum", opts->file);
        ti_buf_addf(&x->lock_file, "%s.lock", opts->file);
        if (x->sum_file.failed || x->lock_file.failed) {
            return ti_fail_nomem(err, "log", strlen(opts->file), "a path");
        }
    }
    TI_TRY(lock(x, err));
    TI_TRY(look(x, err));
    return update(x, err);
}

static void close_index(log_index *x)
{
    ti_index_db_close(&x->db);
    ti_buf_free(&x->sum_file);
    ti_buf_free(&x->lock_file);
    if (x->lock >= 0) {
        close(x->lock);
    }
}

tern_status ti_log_index_update(ti_log_view *view, const ti_log_index_opts *opts,
                                ti_log_index_report *report, tern_err *err)
{
    log_index x;
    tern_status status = open_index(&x, view, opts, err);
    if (status == TERN_OK) {
        status = ti_index_db_count(&x.db, &x.report.receipts, err);
    }
    close_index(&x);
    if (status == TERN_OK) {
        *report = x.report;
    }
    return status;
}

typedef struct finding {
    const ti_log_query *query;
    ti_log_found_fn found;
    void *user;
} finding;

/* A ti_log_entry_fn: what the index says is compared with the entry itself. */
static tern_status hand_over(void *user, uint64_t index, const char *entry, size_t len,
                             tern_err *err)
{
    const finding *f = user;
    ti_receipt receipt;
    bool is;
    TI_TRY(read_receipt(&receipt, &is, entry, len, err));
    if (!is || !ti_log_query_matches(f->query, &receipt)) {
        return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                       "the index is wrong about entry %llu: 'tern log index --rebuild'",
                       (unsigned long long)index);
    }
    return f->found(f->user, index, &receipt, err);
}

tern_status ti_log_index_find(ti_log_view *view, const ti_log_index_opts *opts,
                              const ti_log_query *query, ti_log_found_fn found, void *user,
                              ti_log_index_report *report, tern_err *err)
{
    log_index x;
    uint64_t *indexes = NULL;
    size_t n = 0;
    finding f = {.query = query, .found = found, .user = user};
    tern_status status = open_index(&x, view, opts, err);
    if (status == TERN_OK) {
        status = ti_index_db_count(&x.db, &x.report.receipts, err);
    }
    if (status == TERN_OK) {
        status = ti_index_db_select(&x.db, query, &indexes, &n, err);
    }
    close_index(&x); /* before what may take long: others wait for the lock */
    if (status == TERN_OK) {
        *report = x.report;
        status = ti_log_view_these(view, indexes, n, hand_over, &f, err);
    }
    free(indexes);
    return status;
}
