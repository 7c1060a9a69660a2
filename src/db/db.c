/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

tern_status ti_db_failed(sqlite3 *db, int code, const char *module, const char *kind,
                         const char *name, tern_err *err)
{
    tern_status status = TERN_IO;
    switch (code & 0xff) { /* without its details */
    case SQLITE_NOMEM:
        status = TERN_NOMEM;
        break;
    case SQLITE_ERROR: /* another table than ours */
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = TERN_CORRUPT;
        break;
    default:
        break;
    }
    return ti_fail(err, status, module, TI_NO_OFFSET, "%s '%s': %s", kind, name,
                   db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

tern_status ti_db_make_private(const char *file, const char *module, const char *kind,
                               tern_err *err)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
        int problem = errno;
        if (fd >= 0) {
            close(fd);
        }
        return ti_fail_errno(err, problem, module, "cannot write the %s '%s'", kind, file);
    }
    close(fd);
    return TERN_OK;
}
