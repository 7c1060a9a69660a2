/* SPDX-License-Identifier: Apache-2.0 */
/* The real system's table. */
#define _GNU_SOURCE /* syncfs */
#include "ledger/log_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int result_of(int r)
{
    return r < 0 ? -errno : r;
}

static int open_file(void *user, const char *path, unsigned flags)
{
    int how = (flags & TI_IO_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    how |= flags & TI_IO_CREATE ? O_CREAT : 0;
    how |= flags & TI_IO_EXCL ? O_EXCL : 0;
    (void)user;
    int file = open(path, how, flags & TI_IO_SECRET ? 0600 : 0666);
    struct stat st;
    if (file >= 0 && (fstat(file, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(file); /* a pipe or a device in the place of a file */
        return -EINVAL;
    }
    return result_of(file);
}

static int close_file(void *user, int file)
{
    (void)user;
    return result_of(close(file));
}

static int64_t read_at(void *user, int file, void *bytes, size_t len, uint64_t at)
{
    size_t done = 0;
    (void)user;
    while (done < len) {
        ssize_t n = pread(file, (char *)bytes + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    return (int64_t)done;
}

static int64_t write_at(void *user, int file, const void *bytes, size_t len, uint64_t at)
{
    size_t done = 0;
    (void)user;
    while (done < len) {
        ssize_t n = pwrite(file, (const char *)bytes + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        done += (size_t)n;
    }
    return (int64_t)done;
}

static int64_t size_of(void *user, int file)
{
    struct stat st;
    (void)user;
    return fstat(file, &st) == 0 ? (int64_t)st.st_size : -errno;
}

static int truncate_file(void *user, int file, uint64_t size)
{
    (void)user;
    return result_of(ftruncate(file, (off_t)size));
}

static int sync_file(void *user, int file)
{
    (void)user;
#if defined(__APPLE__)
    return result_of(fcntl(file, F_FULLFSYNC));
#else
    return result_of(fdatasync(file));
#endif
}

/* Opens a directory, hands it to `act`, closes it. */
static int with_dir(const char *path, int (*act)(int))
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return -errno;
    }
    int r = result_of(act(dir));
    (void)close(dir);
    return r;
}

static int sync_dir(void *user, const char *path)
{
    (void)user;
    return with_dir(path, fsync);
}

#if defined(__linux__)
/* Since Linux 5.8 it reports what could not be written back. */
static int sync_all(void *user, const char *path)
{
    (void)user;
    return with_dir(path, syncfs);
}
#endif

static int rename_file(void *user, const char *from, const char *to)
{
    (void)user;
    return result_of(rename(from, to));
}

static int unlink_file(void *user, const char *path)
{
    (void)user;
    return result_of(unlink(path));
}

static int make_dir(void *user, const char *path, int secret)
{
    (void)user;
    return result_of(mkdir(path, secret ? 0700 : 0777));
}

static int remove_dir(void *user, const char *path)
{
    (void)user;
    return result_of(rmdir(path));
}

static bool entry_is_dir(DIR *dir, const struct dirent *e)
{
    struct stat st;
    return fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int list_dir(void *user, const char *path,
                    void (*name)(void *to, const char *name, int is_dir), void *to)
{
    DIR *dir = opendir(path);
    (void)user;
    if (!dir) {
        return -errno;
    }
    int e = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            e = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            name(to, entry->d_name, entry_is_dir(dir, entry));
        }
    }
    closedir(dir);
    return -e;
}

static int lock_file(void *user, int file)
{
    (void)user;
    return result_of(flock(file, LOCK_EX | LOCK_NB));
}

static const ti_log_io system_io = {
    .open = open_file,
    .close = close_file,
    .pread = read_at,
    .pwrite = write_at,
    .size = size_of,
    .truncate = truncate_file,
    .sync = sync_file,
    .sync_dir = sync_dir,
#if defined(__linux__)
    .sync_all = sync_all,
#endif
    .rename = rename_file,
    .unlink = unlink_file,
    .mkdir = make_dir,
    .rmdir = remove_dir,
    .list = list_dir,
    .lock = lock_file,
};

const ti_log_io *ti_log_io_system(void)
{
    return &system_io;
}
