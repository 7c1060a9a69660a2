/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/log_io.h - all that a log asks of the system, as a table.
 *
 * So that a test can be the system: keep apart what was written and what was synced, drop,
 * reorder and tear what was not, and stop the world before any of these calls.
 *
 * Every function returns 0 or more, or -errno.  Paths are those that the log was opened with,
 * with "/" between parts. */
#ifndef TI_LEDGER_LOG_IO_H
#define TI_LEDGER_LOG_IO_H

#include <stddef.h>
#include <stdint.h>

enum {
    TI_IO_READ = 0,
    TI_IO_WRITE = 1,  /* read and write */
    TI_IO_CREATE = 2, /* make it when it is not there */
    TI_IO_EXCL = 4,   /* with CREATE: it must not be there */
    TI_IO_SECRET = 8  /* with CREATE: mode 0600 instead of 0666 less the umask */
};

typedef struct ti_log_io {
    void *user;
    /* Returns a handle. */
    int (*open)(void *user, const char *path, unsigned flags);
    int (*close)(void *user, int file);
    /* Read or write all of len; reading returns fewer bytes at the end of the file. */
    int64_t (*pread)(void *user, int file, void *bytes, size_t len, uint64_t at);
    int64_t (*pwrite)(void *user, int file, const void *bytes, size_t len, uint64_t at);
    int64_t (*size)(void *user, int file);
    int (*truncate)(void *user, int file, uint64_t size);
    /* Data and size of a file are durable. */
    int (*sync)(void *user, int file);
    /* Names in a directory are durable. */
    int (*sync_dir)(void *user, const char *path);
    /* Data and names of everything on the file system of that path are durable.  NULL = not
     * available; used when many files were written. */
    int (*sync_all)(void *user, const char *path);
    int (*rename)(void *user, const char *from, const char *to);
    int (*unlink)(void *user, const char *path);
    /* -EEXIST when it is there.  `secret`: mode 0700. */
    int (*mkdir)(void *user, const char *path, int secret);
    int (*rmdir)(void *user, const char *path);
    /* Calls back for each name in a directory, in any order, but for "." and "..". */
    int (*list)(void *user, const char *path,
                void (*name)(void *to, const char *name, int is_dir), void *to);
    /* Takes the file for this process or returns -EWOULDBLOCK; given back by close. */
    int (*lock)(void *user, int file);
} ti_log_io;

/* The table of the real system.  Static. */
const ti_log_io *ti_log_io_system(void);

#endif
