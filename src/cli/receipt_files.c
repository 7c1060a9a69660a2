/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipt_files.h"

#include <errno.h>
#include <fcntl.h>
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

tern_status ti_receipt_file(char **out, const char *name, tern_err *err)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    bool id = strlen(name) == TI_RECEIPT_ID && strspn(name, digits) == TI_RECEIPT_ID;
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
