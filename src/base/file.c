/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many writers of one process to one path at once are believed to be one too many. */
enum { MAX_TEMPORARIES = 1000 };

static tern_status open_regular(int *out, struct stat *st, const char *path, tern_err *err)
{
    /* O_NONBLOCK: a pipe without a writer would be waited for before it could be refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return ti_fail_errno(err, errno, "file", "cannot open '%s'", path);
    }
    if (fstat(fd, st) != 0) {
        int e = errno;
        close(fd);
        return ti_fail_errno(err, e, "file", "cannot stat '%s'", path);
    }
    if (!S_ISREG(st->st_mode)) {
        close(fd);
        return ti_fail(err, TERN_UNSUPPORTED, "file", TI_NO_OFFSET,
                       "'%s' is not a regular file", path);
    }
    *out = fd;
    return TERN_OK;
}

tern_status ti_map_open(ti_map *out, const char *path, tern_err *err)
{
    struct stat st;
    int fd;
    TI_TRY(open_regular(&fd, &st, path, err));
    if ((uint64_t)st.st_size > SIZE_MAX) {
        close(fd);
        return ti_fail(err, TERN_LIMIT, "file", TI_NO_OFFSET,
                       "'%s' does not fit into the address space", path);
    }
    ti_map map = {.size = (uint64_t)st.st_size, .fd = fd};
    if (map.size > 0) {
        void *p = mmap(NULL, map.size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            int e = errno;
            close(fd);
            return ti_fail_errno(err, e, "file", "cannot map '%s'", path);
        }
        map.data = p;
    }
    *out = map;
    return TERN_OK;
}

void ti_map_close(ti_map *map)
{
    if (map->data) {
        /* The mapping was made read-only; munmap wants a pointer without const. */
        (void)munmap((void *)(uintptr_t)map->data, map->size);
    }
    if (map->data || map->fd > 0) {
        close(map->fd);
    }
    *map = (ti_map){.fd = -1};
}

tern_status ti_map_check(const ti_map *map, const char *path, tern_err *err)
{
    struct stat st;
    if (fstat(map->fd, &st) != 0) {
        return ti_fail_errno(err, errno, "file", "cannot stat '%s'", path);
    }
    if ((uint64_t)st.st_size < map->size) {
        return ti_fail(err, TERN_IO, "file", (uint64_t)st.st_size,
                       "'%s' shrank from %llu to %llu bytes while it was in use", path,
                       (unsigned long long)map->size, (unsigned long long)st.st_size);
    }
    return TERN_OK;
}

tern_status ti_file_look(ti_file_state *out, const char *path, tern_err *err)
{
    struct stat st;
    const int64_t ns_per_s = 1000000000;
    if (stat(path, &st) != 0) {
        return ti_fail_errno(err, errno, "file", "cannot stat '%s'", path);
    }
    *out = (ti_file_state){
        .device = (uint64_t)st.st_dev,
        .inode = (uint64_t)st.st_ino,
        .bytes = (uint64_t)st.st_size,
        .modified_ns = (int64_t)st.st_mtim.tv_sec * ns_per_s + st.st_mtim.tv_nsec,
        .changed_ns = (int64_t)st.st_ctim.tv_sec * ns_per_s + st.st_ctim.tv_nsec,
    };
    return TERN_OK;
}

bool ti_file_same(const ti_file_state *a, const ti_file_state *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

/* Creates a file beside `path` that no other writer has.  Not mkstemp(): its file is closed to
 * everybody else, and what the umask allows cannot be asked without changing it. */
static int create_beside(char *temporary, size_t size, const char *path)
{
    for (unsigned i = 0; i < MAX_TEMPORARIES; i++) {
        snprintf(temporary, size, "%s.%ld-%u.tmp", path, (long)getpid(), i);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

tern_status ti_out_open(ti_out *out, const char *path, tern_err *err)
{
    size_t len = strlen(path);
    size_t size = len + sizeof ".-9223372036854775807-4294967295.tmp";
    char *name = malloc(len + 1);
    char *temporary = malloc(size);
    if (!name || !temporary) {
        free(name);
        free(temporary);
        return ti_fail_nomem(err, "file", size, "a path");
    }
    memcpy(name, path, len + 1);
    int fd = create_beside(temporary, size, path);
    FILE *stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!stream) {
        int e = errno;
        if (fd >= 0) {
            close(fd);
            unlink(temporary);
        }
        free(name);
        free(temporary);
        return ti_fail_errno(err, e, "file", "cannot create a file beside '%s'", path);
    }
    *out = (ti_out){.stream = stream, .path = name, .temporary = temporary};
    return TERN_OK;
}

tern_status ti_sync_entry(char *path, tern_err *err)
{
    char *slash = strrchr(path, '/');
    if (slash) {
        slash[1] = '\0';
    }
    const char *dir = slash ? path : ".";
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int e = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
        /* POSIX leaves it open whether a directory can be synced; these say that it cannot. */
        e = e == EINVAL || e == ENOTSUP || e == ENOSYS || e == EROFS ? 0 : e;
    }
    return e ? ti_fail_errno(err, e, "file", "cannot sync '%s'", dir) : TERN_OK;
}

void ti_sync_directory(char *path)
{
    (void)ti_sync_entry(path, NULL);
}

tern_status ti_out_commit(ti_out *out, tern_err *err)
{
    TI_ASSERT(out->stream);
    int e = 0;
    if (ferror(out->stream)) {
        e = EIO;
    }
    if (fflush(out->stream) != 0 || fsync(fileno(out->stream)) != 0) {
        e = e ? e : errno;
    }
    if (fclose(out->stream) != 0) {
        e = e ? e : errno;
    }
    out->stream = NULL;
    if (!e && rename(out->temporary, out->path) != 0) {
        e = errno;
    }
    if (e) {
        tern_status status = ti_fail_errno(err, e, "file", "cannot write '%s'", out->path);
        ti_out_abandon(out);
        return status;
    }
    ti_sync_directory(out->temporary);
    free(out->path);
    free(out->temporary);
    *out = (ti_out){0};
    return TERN_OK;
}

void ti_out_abandon(ti_out *out)
{
    if (out->stream) {
        fclose(out->stream);
    }
    if (out->temporary) {
        unlink(out->temporary);
    }
    free(out->path);
    free(out->temporary);
    *out = (ti_out){0};
}

tern_status ti_read_file(char **data, size_t *size, const char *path, size_t limit,
                         tern_err *err)
{
    struct stat st;
    int fd;
    TI_TRY(open_regular(&fd, &st, path, err));
    if ((uint64_t)st.st_size > limit) {
        close(fd);
        return ti_fail(err, TERN_LIMIT, "file", TI_NO_OFFSET,
                       "'%s' has %llu bytes, the limit is %zu", path,
                       (unsigned long long)st.st_size, limit);
    }
    size_t want = (size_t)st.st_size;
    char *text = malloc(want + 1);
    if (!text) {
        close(fd);
        return ti_fail_nomem(err, "file", want, path);
    }
    size_t got = 0;
    while (got < want) {
        ssize_t n = read(fd, text + got, want - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int e = errno;
            close(fd);
            free(text);
            return ti_fail_errno(err, e, "file", "cannot read '%s'", path);
        }
        if (n == 0) {
            break; /* it shrank: what is there is what there is */
        }
        got += (size_t)n;
    }
    close(fd);
    text[got] = '\0';
    *data = text;
    *size = got;
    return TERN_OK;
}
