/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipt_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/places.h"
#include "ledger/receipt.h"

/* --- places ---------------------------------------------------------------------------------
 */

tern_status ti_receipt_beside(char **out, const char *file, const char *suffix, tern_err *err)
{
    ti_buf path = {0};
    ti_buf_addf(&path, "%s%s", file, suffix);
    if (path.failed) {
        ti_buf_free(&path);
        return ti_fail_nomem(err, "receipt", strlen(file), "a path");
    }
    *out = path.data;
    return TERN_OK;
}

tern_status ti_receipt_in(char **out, const char *directory, const char *id, tern_err *err)
{
    ti_buf path = {0};
    ti_buf_addf(&path, "%s/%s.json", directory, id);
    if (path.failed) {
        ti_buf_free(&path);
        return ti_fail_nomem(err, "receipt", strlen(directory), "a path");
    }
    *out = path.data;
    return TERN_OK;
}

tern_status ti_receipt_kept(char **out, const char *id, bool make, tern_err *err)
{
    char *directory;
    TI_TRY(ti_place_path(&directory, TI_PLACE_DATA, "receipts", err));
    tern_status status = make ? ti_make_private_directory(directory, err) : TERN_OK;
    if (status == TERN_OK) {
        status = ti_receipt_in(out, directory, id, err);
    }
    free(directory);
    return status;
}

/* How many characters of an id a text begins with. */
static size_t id_digits(const char *text)
{
    return strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ");
}

tern_status ti_receipt_file(char **out, const char *name, tern_err *err)
{
    bool id = strlen(name) == TI_RECEIPT_ID && id_digits(name) == TI_RECEIPT_ID;
    if (id && access(name, F_OK) != 0) {
        return ti_receipt_kept(out, name, false, err);
    }
    return ti_receipt_beside(out, name, "", err);
}

tern_status ti_receipt_key_file(char **out, bool make, tern_err *err)
{
    char *directory;
    TI_TRY(ti_place_path(&directory, TI_PLACE_CONFIG, "", err));
    tern_status status = make ? ti_make_private_directory(directory, err) : TERN_OK;
    if (status == TERN_OK) {
        status = ti_receipt_beside(out, directory, "/receipt.key", err);
    }
    free(directory);
    return status;
}

/* --- the oldest are removed -----------------------------------------------------------------
 */

/* What belongs to a receipt; the receipt itself last, so that none of it is forgotten when a
 * process ends in between. */
static const char *const suffixes[] = {".json.trace", ".json.private", ".json"};
enum { SUFFIXES = sizeof suffixes / sizeof *suffixes };

/* Ids, each with its NUL, in no order and more than once. */
typedef struct id_list {
    char (*items)[TI_RECEIPT_ID + 1];
    size_t n, cap;
} id_list;

static bool add_id(id_list *list, const char *name)
{
    size_t kind = 0;
    while (kind < SUFFIXES && strcmp(name + TI_RECEIPT_ID, suffixes[kind]) != 0) {
        kind++;
    }
    if (kind == SUFFIXES) {
        return true;
    }
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 256;
        void *more = realloc(list->items, cap * sizeof *list->items);
        if (!more) {
            return false;
        }
        list->items = more;
        list->cap = cap;
    }
    memcpy(list->items[list->n], name, TI_RECEIPT_ID);
    list->items[list->n++][TI_RECEIPT_ID] = '\0';
    return true;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(b, a); /* an id begins with its time */
}

static bool list_ids(id_list *list, DIR *directory)
{
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (id_digits(entry->d_name) == TI_RECEIPT_ID && !add_id(list, entry->d_name)) {
            return false;
        }
    }
    if (list->n > 0) {
        qsort(list->items, list->n, sizeof *list->items, newest_first);
    }
    return true;
}

static void remove_receipt(int directory, const char *id)
{
    for (size_t i = 0; i < SUFFIXES; i++) {
        ti_buf name = {0};
        ti_buf_addf(&name, "%s%s", id, suffixes[i]);
        if (!name.failed) {
            (void)unlinkat(directory, name.data, 0);
        }
        ti_buf_free(&name);
    }
}

static void remove_oldest(DIR *directory, size_t keep, const char *but)
{
    id_list list = {0};
    size_t seen = 0;
    if (list_ids(&list, directory)) {
        for (size_t i = 0; i < list.n; i++) {
            const char *id = list.items[i];
            seen += i == 0 || strcmp(id, list.items[i - 1]) != 0;
            if (seen > keep && strcmp(id, but) != 0) {
                remove_receipt(dirfd(directory), id);
            }
        }
    }
    free(list.items);
}

/* The number to be kept; 0 = all, as for what is no number. */
static uint32_t how_many(void)
{
    enum { MOST = 100000000 };
    const char *said = getenv("TERN_RECEIPTS");
    uint32_t n = 0;
    if (!said || !*said) {
        return TI_RECEIPTS_KEPT;
    }
    for (; *said >= '0' && *said <= '9' && n < MOST; said++) {
        n = 10 * n + (uint32_t)(*said - '0');
    }
    return *said ? 0 : n;
}

void ti_receipts_prune(const char *but)
{
    enum { SHARE = 64 };
    char *path;
    uint32_t keep = how_many();
    if (keep == 0 || randombytes_uniform(keep / SHARE + 1) != 0 ||
        ti_place_path(&path, TI_PLACE_DATA, "receipts", NULL) != TERN_OK) {
        return;
    }
    DIR *directory = opendir(path);
    if (directory) {
        remove_oldest(directory, keep, but);
        closedir(directory);
    }
    free(path);
}

/* --- files ----------------------------------------------------------------------------------
 */

/* It is not synced: a receipt that a power cut takes with it takes nothing else along, and
 * syncing would cost more time than all the rest. */
tern_status ti_receipt_write_file(const char *path, const char *data, size_t len, bool secret,
                                  tern_err *err)
{
    mode_t mode = secret ? S_IRUSR | S_IWUSR : 0666;
    if (unlink(path) != 0 && errno != ENOENT) {
        return ti_fail_errno(err, errno, "receipt", "cannot replace '%s'", path);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return ti_fail_errno(err, errno, "receipt", "cannot create '%s'", path);
    }
    int problem = 0;
    bool good = true;
    for (size_t done = 0; done < len && good;) {
        ssize_t n = write(fd, data + done, len - done);
        good = n >= 0 || errno == EINTR;
        problem = good ? 0 : errno;
        done += n > 0 ? (size_t)n : 0;
    }
    if (close(fd) != 0 && good) {
        problem = errno;
        good = false;
    }
    if (!good) {
        unlink(path);
        return ti_fail_errno(err, problem, "receipt", "cannot write '%s'", path);
    }
    return TERN_OK;
}
