/* SPDX-License-Identifier: Apache-2.0 */
/* Files and batches on disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "serve/batch_parts.h"

static const char module[] = "batch";

enum { RECORD_BYTES_MAX = 1 << 16 };

void ti_batch_free(ti_batch *batch)
{
    if (batch) {
        free(batch->metadata);
        free(batch);
    }
}

char *ti_batch_path(const ti_batches *b, const char *id, const char *suffix)
{
    ti_buf path = {0};
    ti_buf_addf(&path, "%s/%s%s", b->dir, id, suffix);
    if (path.failed) {
        ti_buf_free(&path);
        return NULL;
    }
    return path.data;
}

void ti_batch_name(ti_batches *b, char out[TI_BATCH_ID + 1], const char *prefix)
{
    snprintf(out, TI_BATCH_ID + 1, "%s%016llx", prefix,
             (unsigned long long)ti_api_number(b->api));
}

/* Writes a file whole, for the owner only; it is there after a power cut. */
static tern_status write_file(const ti_batches *b, const char *id, const char *suffix,
                              const char *data, size_t len, tern_err *err)
{
    ti_out out = {0};
    char *path = ti_batch_path(b, id, suffix);
    if (!path) {
        return ti_fail_nomem(err, module, strlen(b->dir), "a path");
    }
    tern_status status = ti_out_open(&out, path, err);
    if (status == TERN_OK) {
        if (fchmod(fileno(out.stream), S_IRUSR | S_IWUSR) != 0 ||
            fwrite(data, 1, len, out.stream) != len) {
            status = ti_fail_errno(err, errno, module, "cannot write '%s'", path);
            ti_out_abandon(&out);
        } else {
            status = ti_out_commit(&out, err);
        }
    }
    if (status == TERN_OK) {
        status = ti_sync_entry(path, err);
    }
    free(path);
    return status;
}

static tern_status write_json(const ti_batches *b, const char *id, ti_buf *json, tern_err *err)
{
    ti_buf_addc(json, '\n');
    tern_status status = json->failed ? ti_fail_nomem(err, module, json->len, "a description")
                                      : write_file(b, id, ".json", json->data, json->len, err);
    ti_buf_free(json);
    return status;
}

tern_status ti_batch_save(const ti_batches *b, const ti_batch *batch, tern_err *err)
{
    ti_buf json = {0};
    ti_batch_render(&json, batch, true);
    return write_json(b, batch->id, &json, err);
}

static void remove_one(const ti_batches *b, const char *id, const char *suffix)
{
    char *path = ti_batch_path(b, id, suffix);
    if (path) {
        (void)unlink(path);
    }
    free(path);
}

tern_status ti_batch_add_file(ti_batches *b, const ti_batch_file *file, const char *data,
                              tern_err *err)
{
    ti_buf json = {0};
    if (b->n_files == TI_BATCH_FILES_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "there are %d files already; some must be deleted", TI_BATCH_FILES_MAX);
    }
    if (data) {
        TI_TRY(write_file(b, file->id, ".jsonl", data, file->bytes, err));
    }
    ti_batch_render_file(&json, file);
    tern_status status = write_json(b, file->id, &json, err);
    if (status == TERN_OK) {
        b->files[b->n_files++] = *file;
    } else if (data) {
        remove_one(b, file->id, ".jsonl");
    }
    return status;
}

void ti_batch_remove_file(ti_batches *b, size_t index)
{
    remove_one(b, b->files[index].id, ".json");
    remove_one(b, b->files[index].id, ".jsonl");
    b->n_files--;
    memmove(&b->files[index], &b->files[index + 1], (b->n_files - index) * sizeof *b->files);
}

/* Removes the oldest that is final.  False: there is none. */
static bool drop_oldest(ti_batches *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (ti_batch_is_final(b->items[i]->status)) {
            remove_one(b, b->items[i]->id, ".json");
            ti_batch_free(b->items[i]);
            b->n--;
            memmove(&b->items[i], &b->items[i + 1], (b->n - i) * sizeof(void *));
            return true;
        }
    }
    return false;
}

tern_status ti_batch_add(ti_batches *b, ti_batch *batch, tern_err *err)
{
    if (b->n == TI_BATCHES_MAX && !drop_oldest(b)) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "%d batches are under way already", TI_BATCHES_MAX);
    }
    TI_TRY(ti_batch_save(b, batch, err));
    b->items[b->n++] = batch;
    return TERN_OK;
}

ti_batch_file *ti_batch_file_get(ti_batches *b, const char *id)
{
    for (size_t i = 0; i < b->n_files; i++) {
        if (strcmp(b->files[i].id, id) == 0) {
            return &b->files[i];
        }
    }
    return NULL;
}

ti_batch *ti_batch_get(ti_batches *b, const char *id)
{
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(b->items[i]->id, id) == 0) {
            return b->items[i];
        }
    }
    return NULL;
}

/* --- reading --------------------------------------------------------------------------------
 */

static tern_status read_file(ti_batches *b, const char *text, size_t len, tern_err *err)
{
    if (b->n_files == TI_BATCH_FILES_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET, "there are more than %d files",
                       TI_BATCH_FILES_MAX);
    }
    TI_TRY(ti_batch_parse_file(&b->files[b->n_files], text, len, err));
    b->n_files++;
    return TERN_OK;
}

static tern_status read_batch(ti_batches *b, const char *text, size_t len, tern_err *err)
{
    if (b->n == TI_BATCHES_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET, "there are more than %d batches",
                       TI_BATCHES_MAX);
    }
    ti_batch *batch = ti_calloc(1, sizeof *batch);
    if (!batch) {
        return ti_fail_nomem(err, module, sizeof *batch, "a batch");
    }
    tern_status status = ti_batch_parse(batch, text, len, err);
    if (status != TERN_OK) {
        free(batch);
        return status;
    }
    b->items[b->n++] = batch;
    return TERN_OK;
}

/* One description.  Others' files are left alone. */
static tern_status read_one(ti_batches *b, const char *name, tern_err *err)
{
    char *text = NULL;
    size_t len, n = strlen(name), suffix = sizeof ".json" - 1;
    bool batch = strncmp(name, "batch_", 6) == 0, file = strncmp(name, "file-", 5) == 0;
    if (n <= suffix || strcmp(name + n - suffix, ".json") != 0 || (!batch && !file)) {
        return TERN_OK;
    }
    char *path = ti_batch_path(b, name, "");
    if (!path) {
        return ti_fail_nomem(err, module, n, "a path");
    }
    tern_status status = ti_read_file(&text, &len, path, RECORD_BYTES_MAX, err);
    if (status == TERN_OK) {
        status = batch ? read_batch(b, text, len, err) : read_file(b, text, len, err);
    }
    if (status == TERN_CORRUPT) {
        ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET, "'%s' is damaged", path);
    }
    free(text);
    free(path);
    return status;
}

static int by_time(const void *a, const void *b)
{
    const ti_batch *x = *(ti_batch *const *)a, *y = *(ti_batch *const *)b;
    return x->created_s != y->created_s
               ? (x->created_s > y->created_s) - (x->created_s < y->created_s)
               : strcmp(x->id, y->id);
}

static int files_by_time(const void *a, const void *b)
{
    const ti_batch_file *x = a, *y = b;
    return x->created_s != y->created_s
               ? (x->created_s > y->created_s) - (x->created_s < y->created_s)
               : strcmp(x->id, y->id);
}

static tern_status read_all(ti_batches *b, tern_err *err)
{
    tern_status status = TERN_OK;
    DIR *dir = opendir(b->dir);
    if (!dir) {
        return ti_fail_errno(err, errno, module, "cannot read '%s'", b->dir);
    }
    for (const struct dirent *e; status == TERN_OK && (e = readdir(dir));) {
        status = read_one(b, e->d_name, err);
    }
    closedir(dir);
    qsort(b->items, b->n, sizeof(void *), by_time);
    qsort(b->files, b->n_files, sizeof *b->files, files_by_time);
    return status;
}

static tern_status lock(ti_batches *b, tern_err *err)
{
    char *path = ti_batch_path(b, "lock", "");
    if (!path) {
        return ti_fail_nomem(err, module, strlen(b->dir), "a path");
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    tern_status status = TERN_OK;
    if (fd < 0) {
        status = ti_fail_errno(err, errno, module, "cannot make '%s'", path);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        status = ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET,
                         "another server has the batches in '%s'", b->dir);
    } else {
        b->lock_fd = fd;
    }
    free(path);
    return status;
}

/* Makes the directory and those above it, for the owner only. */
static tern_status make_directory(const char *dir, tern_err *err)
{
    char *path = strdup(dir);
    if (!path) {
        return ti_fail_nomem(err, module, strlen(dir), "a path");
    }
    for (char *at = path + 1;; at++) {
        if (*at == '/' || *at == '\0') {
            char end = *at;
            *at = '\0';
            if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
                tern_status status =
                    ti_fail_errno(err, errno, module, "cannot make '%s'", path);
                free(path);
                return status;
            }
            *at = end;
            if (end == '\0') {
                break;
            }
        }
    }
    free(path);
    return TERN_OK;
}

tern_status ti_batch_store_open(ti_batches *b, bool make, tern_err *err)
{
    if (b->lock_fd >= 0 || (!make && access(b->dir, F_OK) != 0)) {
        return TERN_OK;
    }
    TI_TRY(make_directory(b->dir, err));
    TI_TRY(lock(b, err));
    tern_status status = read_all(b, err);
    if (status != TERN_OK) {
        close(b->lock_fd);
        b->lock_fd = -1;
        for (size_t i = 0; i < b->n; i++) {
            ti_batch_free(b->items[i]);
        }
        b->n = b->n_files = 0;
    }
    pthread_cond_broadcast(&b->wake); /* there may be something to do */
    return status;
}
