/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif
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

int ti_db_set_journal(sqlite3 *db, const char *mode, int wait_ms)
{
    enum { STEP_MS = 10 };
    char sql[48];
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", mode);
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    for (int waited = 0; (code & 0xff) == SQLITE_BUSY && waited < wait_ms; waited += STEP_MS) {
        (void)sqlite3_sleep(STEP_MS);
        code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    }
    return code;
}

bool ti_db_is_shared_type(uint32_t type)
{
    /* statfs(2) and linux/magic.h; FUSE may be anything, sshfs too. */
    static const uint32_t shared[] = {
        0x6969,     /* NFS */
        0x517b,     /* SMB */
        0xff534d42, /* CIFS */
        0xfe534d42, /* SMB2 */
        0x65735546, /* FUSE */
        0x01021997, /* 9P */
        0x5346414f, /* AFS */
        0x00c36400, /* Ceph */
        0x0bd00bd0, /* Lustre */
        0x47504653, /* GPFS */
        0x19830326, /* BeeGFS */
        0x73757245, /* Coda */
        0x7461636f, /* OCFS2 */
        0x01161970, /* GFS2 */
    };
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        if (shared[i] == type) {
            return true;
        }
    }
    return false;
}

bool ti_db_is_shared(const char *path)
{
#ifdef __linux__
    struct statfs fs;
    return statfs(path, &fs) == 0 && ti_db_is_shared_type((uint32_t)fs.f_type);
#else
    (void)path;
    return false;
#endif
}
