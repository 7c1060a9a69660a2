/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/ration.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/jval.h"
#include "carbon/basis.h"

enum { BYTES_MAX = 4096, EPOCH_YEAR = 1900, DAY_MAX = 99991231 };
#define USED_MAX UINT64_C(999999999999999999) /* what an integer of our JSON may have */

struct ti_ration {
    char *path;
    int lock_fd;
    ti_basis basis;
    pthread_mutex_t mutex; /* of the two below */
    uint32_t day;
    uint64_t used_ug;
};

int64_t ti_next_day_s(int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm t;
    if (!localtime_r(&now, &t)) {
        return now_s;
    }
    t.tm_mday++;
    t.tm_hour = t.tm_min = t.tm_sec = 0;
    t.tm_isdst = -1;
    time_t then = mktime(&t);
    return then > now ? (int64_t)then : now_s;
}

static uint32_t day_of(int64_t now_s)
{
    enum { YEAR = 10000, MONTH = 100 };
    time_t now = (time_t)now_s;
    struct tm t;
    if (!localtime_r(&now, &t) || t.tm_year < 0 || t.tm_year > DAY_MAX / YEAR - EPOCH_YEAR) {
        return 0;
    }
    return (uint32_t)(t.tm_year + EPOCH_YEAR) * YEAR + (uint32_t)(t.tm_mon + 1) * MONTH +
           (uint32_t)t.tm_mday;
}

/* Writes the file.  The lock is held. */
static tern_status store(const ti_ration *r, tern_err *err)
{
    char basis[TI_BASIS_TEXT];
    ti_buf json = {0};
    ti_out out = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.budget/1");
    ti_json_uint(&json, "day", r->day);
    ti_json_uint(&json, "used_ug", r->used_ug);
    ti_json_str(&json, "basis", ti_basis_text(basis, r->basis));
    ti_json_close(&json, '}');
    ti_buf_addc(&json, '\n');
    char *entry = strdup(r->path);
    tern_status status = json.failed || !entry
                             ? ti_fail_nomem(err, "budget", json.len, "a file")
                             : ti_out_open(&out, r->path, err);
    if (status == TERN_OK) {
        if (fwrite(json.data, 1, json.len, out.stream) != json.len) {
            status = ti_fail_errno(err, errno, "budget", "'%s' cannot be written", r->path);
        } else {
            status = ti_out_commit(&out, err);
        }
        status = status == TERN_OK ? ti_sync_entry(entry, err) : status;
    }
    ti_out_abandon(&out);
    free(entry);
    ti_buf_free(&json);
    return status;
}

/* A new day begins with nothing used; one before the file's is the file's. */
static void turn(ti_ration *r, int64_t now_s)
{
    uint32_t today = day_of(now_s);
    if (today > r->day) {
        r->day = today;
        r->used_ug = 0;
    }
}

static tern_status parse(ti_ration *r, const char *text, size_t len, int64_t now_s,
                         tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    uint64_t day, used;
    ti_basis basis;
    tern_status status = ti_jval_parse(&root, &arena, text, len, "budget", err);
    if (status == TERN_OK) {
        const ti_jval *b = ti_jval_get(&root, "basis");
        bool good = ti_jval_is(ti_jval_get(&root, "schema"), "tern.budget/1") &&
                    ti_jval_uint(ti_jval_get(&root, "day"), DAY_MAX, &day) &&
                    ti_jval_uint(ti_jval_get(&root, "used_ug"), USED_MAX, &used) && b &&
                    b->type == TI_JSTR && ti_basis_parse(&basis, b->u.str.data, b->u.str.len);
        if (!good) {
            status = ti_fail(err, TERN_CORRUPT, "budget", TI_NO_OFFSET,
                             "'%s' is no budget of schema tern.budget/1", r->path);
        } else if (!ti_basis_equal(basis, r->basis) && used > 0 && day >= day_of(now_s)) {
            status = ti_fail(err, TERN_USAGE, "budget", TI_NO_OFFSET,
                             "'%s' has counted on another basis today", r->path);
        } else {
            r->day = (uint32_t)day;
            r->used_ug = used;
        }
    }
    ti_arena_free(&arena);
    return status;
}

static tern_status load(ti_ration *r, int64_t now_s, tern_err *err)
{
    ti_buf lock = {0};
    char *text;
    size_t len;
    ti_buf_addf(&lock, "%s.lock", r->path);
    if (lock.failed) {
        return ti_fail_nomem(err, "budget", lock.len, "a path");
    }
    r->lock_fd = open(lock.data, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    ti_buf_free(&lock);
    if (r->lock_fd < 0) {
        return ti_fail_errno(err, errno, "budget", "cannot lock '%s'", r->path);
    }
    if (flock(r->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return ti_fail(err, TERN_UNAVAILABLE, "budget", TI_NO_OFFSET,
                       "another process counts in '%s'", r->path);
    }
    if (access(r->path, F_OK) != 0 && errno == ENOENT) {
        turn(r, now_s);
        return store(r, err); /* a folder that cannot be written is an error now */
    }
    TI_TRY(ti_read_file(&text, &len, r->path, BYTES_MAX, err));
    tern_status status = parse(r, text, len, now_s, err);
    free(text);
    return status;
}

tern_status ti_ration_open(ti_ration **out, const char *path, ti_basis basis, int64_t now_s,
                           tern_err *err)
{
    ti_ration *r = ti_calloc(1, sizeof *r);
    if (!r || pthread_mutex_init(&r->mutex, NULL) != 0) {
        free(r);
        return ti_fail_nomem(err, "budget", sizeof *r, "a budget");
    }
    r->lock_fd = -1;
    r->basis = basis;
    r->path = strdup(path);
    tern_status status =
        r->path ? load(r, now_s, err) : ti_fail_nomem(err, "budget", strlen(path), "a path");
    if (status != TERN_OK) {
        ti_ration_close(r);
        return status;
    }
    *out = r;
    return TERN_OK;
}

void ti_ration_look(ti_ration *r, int64_t now_s, uint64_t *used_ug, int64_t *renews_s)
{
    pthread_mutex_lock(&r->mutex);
    turn(r, now_s);
    *used_ug = r->used_ug;
    pthread_mutex_unlock(&r->mutex);
    *renews_s = ti_next_day_s(now_s);
}

tern_status ti_ration_take(ti_ration *r, ti_ration_share *out, int64_t now_s, uint64_t ug,
                           tern_err *err)
{
    pthread_mutex_lock(&r->mutex);
    turn(r, now_s);
    uint64_t before = r->used_ug;
    r->used_ug = ug < USED_MAX - before ? before + ug : USED_MAX;
    tern_status status = ug > 0 ? store(r, err) : TERN_OK;
    if (status != TERN_OK) {
        r->used_ug = before;
    } else {
        *out = (ti_ration_share){.ug = r->used_ug - before, .day = r->day};
    }
    pthread_mutex_unlock(&r->mutex);
    return status;
}

tern_status ti_ration_settle(ti_ration *r, ti_ration_share *share, uint64_t ug, tern_err *err)
{
    tern_status status = TERN_OK;
    pthread_mutex_lock(&r->mutex);
    if (share->day == r->day && share->ug != ug) {
        uint64_t rest = r->used_ug > share->ug ? r->used_ug - share->ug : 0;
        r->used_ug = ug < USED_MAX - rest ? rest + ug : USED_MAX;
        status = store(r, err);
    }
    pthread_mutex_unlock(&r->mutex);
    share->ug = ug;
    return status;
}

void ti_ration_close(ti_ration *r)
{
    if (!r) {
        return;
    }
    if (r->lock_fd >= 0) {
        (void)close(r->lock_fd); /* which unlocks */
    }
    pthread_mutex_destroy(&r->mutex);
    free(r->path);
    free(r);
}
