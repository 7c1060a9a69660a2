/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static tern_status open_regular(int *out, struct stat *st, const char *path, tern_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
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

tern_status ti_out_open(ti_out *out, const char *path, tern_err *err)
{
    size_t len = strlen(path);
    char *name = malloc(len + 1);
    char *temporary = malloc(len + sizeof ".XXXXXX");
    if (!name || !temporary) {
        free(name);
        free(temporary);
        return ti_fail_nomem(err, "file", len, "a path");
    }
    memcpy(name, path, len + 1);
    memcpy(temporary, path, len);
    memcpy(temporary + len, ".XXXXXX", sizeof ".XXXXXX");
    int fd = mkstemp(temporary);
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
    (void)fchmod(fd, 0644);
    *out = (ti_out){.stream = stream, .path = name, .temporary = temporary};
    return TERN_OK;
}

/* The rename itself must survive a power cut: that takes a sync of the directory. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!dir) {
        return;
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
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
    sync_directory(out->path);
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
