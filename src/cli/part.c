/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cli/out.h"

enum { FROM_FILE_MAX = 1024, OPEN_ATTEMPTS = 8 };

static char *joined(const char *a, const char *b)
{
    ti_buf buf = {0};
    ti_buf_adds(&buf, a);
    ti_buf_adds(&buf, b);
    if (buf.failed) {
        ti_buf_free(&buf);
    }
    return buf.data;
}

tern_status ti_part_restart(ti_part *part, tern_err *err)
{
    ti_sha256_start(&part->hash);
    part->size = part->resumed = 0;
    part->tag[0] = '\0';
    (void)unlink(part->from_path);
    if (ftruncate(part->fd, 0) != 0 || lseek(part->fd, 0, SEEK_SET) < 0) {
        return ti_fail_errno(err, errno, "pull", "cannot empty '%s'", part->part_path);
    }
    return TERN_OK;
}

/* Reads the note beside it: true when what is there came from this address.  Fills the tag. */
static bool read_from(ti_part *part)
{
    char *text;
    size_t size;
    tern_err ignored;
    bool same = false;
    if (ti_read_file(&text, &size, part->from_path, FROM_FILE_MAX, &ignored) != TERN_OK) {
        return false;
    }
    char *line_end = strchr(text, '\n');
    if (line_end) {
        *line_end = '\0';
        char *tag = line_end + 1;
        tag[strcspn(tag, "\n")] = '\0';
        same = strcmp(text, part->url_hex) == 0 && strlen(tag) < sizeof part->tag;
        if (same) {
            snprintf(part->tag, sizeof part->tag, "%s", tag);
        }
    }
    free(text);
    return same;
}

tern_status ti_part_set_tag(ti_part *part, const char *tag, tern_err *err)
{
    ti_out out = {0};
    snprintf(part->tag, sizeof part->tag, "%s", tag);
    TI_TRY(ti_out_open(&out, part->from_path, err));
    fprintf(out.stream, "%s\n%s\n", part->url_hex, part->tag);
    return ti_out_commit(&out, err);
}

static tern_status lock_it(ti_part *part, tern_err *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(part->fd, F_SETLK, &lock) == 0) {
        part->locked = true;
        return TERN_OK;
    }
    if (errno == EACCES || errno == EAGAIN) {
        ti_hint("wait for it, or choose another name with -o");
        return ti_fail(err, TERN_UNAVAILABLE, "pull", TI_NO_OFFSET,
                       "another tern is downloading '%s'", part->path);
    }
    return ti_fail_errno(err, errno, "pull", "cannot lock '%s'", part->part_path);
}

/* True when the open file still has its name: whoever had the lock before may have renamed it
 * to what it became, and that must not be touched. */
static bool still_there(const ti_part *part)
{
    struct stat open_one, named;
    return fstat(part->fd, &open_one) == 0 && stat(part->part_path, &named) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

static tern_status open_locked(ti_part *part, tern_err *err)
{
    for (int i = 0; i < OPEN_ATTEMPTS; i++) {
        part->fd = open(part->part_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (part->fd < 0) {
            return ti_fail_errno(err, errno, "pull", "cannot create '%s'", part->part_path);
        }
        TI_TRY(lock_it(part, err));
        if (still_there(part)) {
            return TERN_OK;
        }
        part->locked = false;
        close(part->fd);
        part->fd = -1;
    }
    return ti_fail(err, TERN_UNAVAILABLE, "pull", TI_NO_OFFSET,
                   "'%s' is being replaced by others all the time", part->part_path);
}

tern_status ti_part_open(ti_part *part, const ti_fetch_opts *opts, tern_err *err)
{
    *part = (ti_part){.fd = -1};
    part->path = joined(opts->path, "");
    part->part_path = joined(opts->path, ".part");
    part->from_path = joined(opts->path, ".part.from");
    if (!part->path || !part->part_path || !part->from_path) {
        return ti_fail_nomem(err, "pull", strlen(opts->path), "a path");
    }
    ti_sha256_text(part->url_hex, opts->url);
    TI_TRY(open_locked(part, err));
    off_t end = lseek(part->fd, 0, SEEK_END);
    uint64_t size = end > 0 ? (uint64_t)end : 0;
    bool usable = size > 0 && read_from(part) && (part->tag[0] || opts->sha256);
    usable = usable && (!opts->bytes || size <= opts->bytes);
    if (!usable) {
        return ti_part_restart(part, err);
    }
    ti_sha256_start(&part->hash);
    part->size = part->resumed = size; /* set first: an interruption must not remove it */
    return ti_sha256_add_file(&part->hash, part->fd, size, part->part_path, err);
}

tern_status ti_part_check_space(const ti_part *part, uint64_t more, tern_err *err)
{
    struct statvfs fs;
    if (fstatvfs(part->fd, &fs) != 0) {
        return TERN_OK; /* then the write will tell */
    }
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (more > free_bytes) {
        char need[32], have[32];
        ti_hint("free some space, or choose another place with -o or TERN_CACHE");
        return ti_fail(err, TERN_IO, "pull", TI_NO_OFFSET,
                       "'%s' needs %s more, and its disk has %s", part->path,
                       ti_human_bytes(need, sizeof need, more),
                       ti_human_bytes(have, sizeof have, free_bytes));
    }
    return TERN_OK;
}

tern_status ti_part_write(ti_part *part, const char *data, size_t len, tern_err *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(part->fd, data + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int e = errno;
            if (e == ENOSPC || e == EDQUOT) {
                ti_hint("free some space and call again: it continues where it stopped");
            }
            return ti_fail_errno(err, e, "pull", "cannot write '%s'", part->part_path);
        }
        ti_sha256_add(&part->hash, data + done, (size_t)n);
        done += (size_t)n;
        part->size += (uint64_t)n;
    }
    return TERN_OK;
}

/* Compares what arrived with what was expected. */
static tern_status check(const ti_part *part, const ti_fetch_opts *opts, const char *hex,
                         tern_err *err)
{
    if (part->size == 0) {
        return ti_fail(err, TERN_CORRUPT, "pull", TI_NO_OFFSET,
                       "the server sent an empty file");
    }
    if (opts->bytes && part->size != opts->bytes) {
        return ti_fail(err, TERN_CORRUPT, "pull", TI_NO_OFFSET,
                       "%" PRIu64 " bytes arrived, and %" PRIu64 " were expected", part->size,
                       opts->bytes);
    }
    if (opts->sha256 && strcasecmp(opts->sha256, hex) != 0) {
        ti_hint("the file at that address is not the one that was expected; nothing was kept");
        return ti_fail(err, TERN_CORRUPT, "pull", TI_NO_OFFSET,
                       "SHA-256 differs: expected %.64s, got %s", opts->sha256, hex);
    }
    return TERN_OK;
}

tern_status ti_part_finish(ti_part *part, const ti_fetch_opts *opts,
                           char hex[TI_SHA256_HEX + 1], tern_err *err)
{
    ti_sha256_hex(hex, &part->hash);
    tern_status status = check(part, opts, hex, err);
    if (status != TERN_OK) {
        ti_part_discard(part);
        return status;
    }
    if (fsync(part->fd) != 0) {
        return ti_fail_errno(err, errno, "pull", "cannot write '%s'", part->part_path);
    }
    if (rename(part->part_path, part->path) != 0) {
        return ti_fail_errno(err, errno, "pull", "cannot rename '%s'", part->part_path);
    }
    (void)unlink(part->from_path);
    part->locked = false;
    ti_sync_directory(part->part_path); /* needed no more */
    return TERN_OK;
}

void ti_part_discard(ti_part *part)
{
    if (part->locked) {
        (void)unlink(part->part_path);
        (void)unlink(part->from_path);
    }
}

void ti_part_close(ti_part *part)
{
    if (part->size == 0) {
        ti_part_discard(part);
    }
    if (part->fd >= 0) {
        close(part->fd);
    }
    free(part->path);
    free(part->part_path);
    free(part->from_path);
    *part = (ti_part){.fd = -1};
}
