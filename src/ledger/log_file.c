/* SPDX-License-Identifier: Apache-2.0 */
/* Files through the table: names, reading whole, replacing whole; keys and checkpoints. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "ledger/log_parts.h"

tern_status ti_log_at_open(ti_log_at *out, const ti_log_io *io, const char *dir, tern_err *err)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    char *text = malloc(len + 1 + TI_LOG_NAME_MAX);
    if (!text) {
        return ti_fail_nomem(err, "log", len, "a path");
    }
    memcpy(text, dir, len);
    text[len] = '/';
    text[len + 1] = '\0';
    *out = (ti_log_at){.io = io, .text = text, .base = len + 1};
    return TERN_OK;
}

void ti_log_at_close(ti_log_at *at)
{
    free(at->text);
    *at = (ti_log_at){0};
}

const char *ti_log_name(ti_log_at *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(at->text + at->base, TI_LOG_NAME_MAX, format, args);
    va_end(args);
    TI_ASSERT(n >= 0 && n < TI_LOG_NAME_MAX);
    return at->text;
}

tern_status ti_log_failed(tern_err *err, int64_t result, const char *what, const char *path)
{
    return ti_fail_errno(err, (int)-result, "log", "cannot %s '%s'", what, path);
}

tern_status ti_log_read(ti_buf *out, const ti_log_io *io, const char *path, size_t limit,
                        bool *missing, tern_err *err)
{
    int file = io->open(io->user, path, TI_IO_READ);
    if (missing) {
        *missing = file == -ENOENT;
        if (*missing) {
            return TERN_OK;
        }
    }
    if (file < 0) {
        return ti_log_failed(err, file, "open", path);
    }
    tern_status status = TERN_OK;
    int64_t size = io->size(io->user, file);
    char *bytes = NULL;
    if (size < 0) {
        status = ti_log_failed(err, size, "look at", path);
    } else if ((uint64_t)size > limit) {
        status = ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                         "'%s' has %lld bytes, more than it can have", path, (long long)size);
    } else if (!(bytes = malloc((size_t)size + 1))) {
        status = ti_fail_nomem(err, "log", (uint64_t)size, path);
    } else {
        int64_t n = io->pread(io->user, file, bytes, (size_t)size, 0);
        if (n < 0) {
            status = ti_log_failed(err, n, "read", path);
        } else {
            ti_buf_add(out, bytes, (size_t)n);
            if (out->failed) {
                out->failed = false; /* what was in it is still there */
                status = ti_fail_nomem(err, "log", (uint64_t)n, path);
            }
        }
    }
    free(bytes);
    (void)io->close(io->user, file);
    return status;
}

tern_status ti_log_replace(ti_log_at *at, const char *name, const void *bytes, size_t len,
                           bool secret, tern_err *err)
{
    const ti_log_io *io = at->io;
    char from[TI_LOG_NAME_MAX * 4], *slash;
    const char *path = ti_log_name(at, "%s.new", name);
    size_t n = strlen(path);
    if (n >= sizeof from) {
        return ti_fail(err, TERN_LIMIT, "log", TI_NO_OFFSET, "a path of %zu bytes", n);
    }
    memcpy(from, path, n + 1);
    (void)io->unlink(io->user, from); /* left by a crash, perhaps with another mode */
    int file = io->open(io->user, from,
                        TI_IO_WRITE | TI_IO_CREATE | TI_IO_EXCL | (secret ? TI_IO_SECRET : 0));
    if (file < 0) {
        return ti_log_failed(err, file, "create", from);
    }
    int64_t r = io->pwrite(io->user, file, bytes, len, 0);
    if (r >= 0) {
        r = io->sync(io->user, file);
    }
    int closed = io->close(io->user, file);
    r = r < 0 ? r : closed;
    path = ti_log_name(at, "%s", name);
    if (r >= 0) {
        r = io->rename(io->user, from, path);
    }
    if (r >= 0) {
        slash = strrchr(from, '/');
        slash[slash == from] = '\0';
        r = io->sync_dir(io->user, from);
    }
    return r < 0 ? ti_log_failed(err, r, "write", path) : TERN_OK;
}

tern_status ti_log_take_lock(int *out, const ti_log_io *io, const char *path, tern_err *err)
{
    int file = io->open(io->user, path, TI_IO_WRITE | TI_IO_CREATE);
    if (file < 0) {
        return ti_log_failed(err, file, "open", path);
    }
    int r = io->lock(io->user, file);
    if (r < 0) {
        (void)io->close(io->user, file);
        return r == -EWOULDBLOCK ? ti_fail(err, TERN_UNAVAILABLE, "log", TI_NO_OFFSET,
                                           "another process has '%s'", path)
                                 : ti_log_failed(err, r, "lock", path);
    }
    *out = file;
    return TERN_OK;
}

/* A directory that is there may have been made by a process that died before it was durable.
 * Those that belong to somebody else and cannot be opened were there before any of ours. */
static int sync_parent(const ti_log_io *io, char *path, bool made)
{
    char *slash = strrchr(path, '/');
    if (slash) {
        slash[slash == path] = '\0';
    }
    int r = io->sync_dir(io->user, slash ? path : ".");
    return made || (r != -EACCES && r != -EPERM && r != -EROFS && r != -EINVAL) ? r : 0;
}

tern_status ti_log_make_dirs(const ti_log_io *io, const char *path, bool secret, bool durable,
                             tern_err *err)
{
    char part[TI_LOG_NAME_MAX * 4];
    size_t len = strlen(path);
    if (len >= sizeof part) {
        return ti_fail(err, TERN_LIMIT, "log", TI_NO_OFFSET, "a path of %zu bytes", len);
    }
    for (size_t at = 1; at <= len; at++) {
        if (path[at] != '/' && path[at] != '\0') {
            continue;
        }
        memcpy(part, path, at);
        part[at] = '\0';
        int r = io->mkdir(io->user, part, secret && at == len);
        bool made = r >= 0;
        r = r == -EEXIST ? 0 : r;
        if (r >= 0 && durable) {
            r = sync_parent(io, part, made);
        }
        if (r < 0) {
            return ti_log_failed(err, r, "make", path);
        }
    }
    return TERN_OK;
}

void ti_log_store_name(char out[2 * TI_HASH_BYTES + 1], const char *origin)
{
    uint8_t digest[TI_SHA256_BYTES];
    ti_sha256_of(digest, origin, strlen(origin));
    for (int i = 0; i < TI_SHA256_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
}

tern_status ti_log_default_store(char **out, tern_err *err)
{
    const char *own = getenv("TERN_STATE"), *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    ti_buf path = {0};
    if (own && *own) {
        ti_buf_addf(&path, "%s/locks", own);
    } else if (xdg && *xdg == '/') { /* a relative one is to be ignored */
        ti_buf_addf(&path, "%s/tern/locks", xdg);
    } else if (home && *home) {
        ti_buf_addf(&path, "%s/.local/state/tern/locks", home);
    } else {
        return ti_fail(err, TERN_UNAVAILABLE, "log", TI_NO_OFFSET,
                       "neither TERN_STATE nor HOME is set: where is the lock store?");
    }
    if (path.failed) {
        ti_buf_free(&path);
        return ti_fail_nomem(err, "log", 1, "a path");
    }
    *out = path.data;
    return TERN_OK;
}

tern_status ti_log_store_open(ti_log_at *out, ti_log_at *at, const ti_log_opts *opts,
                              tern_err *err)
{
    ti_buf text = {0};
    tern_status status = TERN_OK;
    if (opts->store) {
        return ti_log_at_open(out, at->io, opts->store, err);
    }
    const char *path = ti_log_name(at, "state/store");
    status = ti_log_read(&text, at->io, path, TI_LOG_FILE_MAX, NULL, err);
    if (status == TERN_OK &&
        (text.len < 2 || text.data[text.len - 1] != '\n' || strlen(text.data) != text.len)) {
        status =
            ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET, "'%s' names no directory", path);
    }
    if (status == TERN_OK) {
        text.data[text.len - 1] = '\0';
        status = ti_log_at_open(out, at->io, text.data, err);
    }
    ti_buf_free(&text);
    return status;
}

/* Puts the file's name in front of what is wrong with it. */
static tern_status in_file(tern_err *err, tern_status status, const char *path)
{
    if (!err || status == TERN_NOMEM) {
        return status;
    }
    char what[sizeof err->message];
    memcpy(what, err->message, sizeof what);
    return ti_status_of(status,
                        ti_fail(err, status, "log", err->offset, "'%s': %s", path, what));
}

tern_status ti_log_read_vkey(ti_note_key *out, ti_log_at *at, tern_err *err)
{
    ti_buf text = {0};
    const char *path = ti_log_name(at, "vkey");
    tern_status status = ti_log_read(&text, at->io, path, TI_LOG_FILE_MAX, NULL, err);
    if (status == TERN_OK) {
        status = ti_note_key_read(out, text.len ? text.data : "", text.len, err);
        status = status == TERN_OK ? status : in_file(err, status, path);
    }
    ti_buf_free(&text);
    return status;
}

tern_status ti_log_read_key(ti_note_signer *out, ti_log_at *at, tern_err *err)
{
    ti_buf text = {0};
    ti_note_key pub;
    ti_note_signer signer;
    TI_TRY(ti_log_read_vkey(&pub, at, err));
    const char *path = ti_log_name(at, "state/key");
    tern_status status = ti_log_read(&text, at->io, path, TI_LOG_FILE_MAX, NULL, err);
    if (status == TERN_OK) {
        status = ti_note_signer_read(&signer, text.len ? text.data : "", text.len, err);
        status = status == TERN_OK ? status : in_file(err, status, path);
    }
    if (status == TERN_OK && (strcmp(signer.pub.name, pub.name) != 0 ||
                              memcmp(signer.pub.key, pub.key, sizeof pub.key) != 0)) {
        status = ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                         "'%s' is not the secret of the key in vkey", path);
    }
    if (status == TERN_OK) {
        *out = signer;
    }
    ti_note_signer_wipe(&signer);
    if (text.data) {
        memset(text.data, 0, text.len);
    }
    ti_buf_free(&text);
    return status;
}

tern_status ti_log_read_signed(ti_checkpoint *out, ti_buf *note, const ti_log_io *io,
                               const char *path, const ti_note_key *key, bool *missing,
                               tern_err *err)
{
    size_t before = note->len;
    bool absent = false;
    TI_TRY(ti_log_read(note, io, path, TI_LOG_FILE_MAX, missing ? &absent : NULL, err));
    if (missing) {
        *missing = absent;
        if (absent) {
            return TERN_OK;
        }
    }
    tern_status status = ti_checkpoint_open(out, note->data ? note->data + before : "",
                                            note->len - before, key, err);
    if (status == TERN_OK) {
        return status;
    }
    status = status == TERN_NO ? TERN_CORRUPT : status; /* our own file */
    return in_file(err, status, path);
}
