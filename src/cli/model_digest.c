/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/model_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/sha256.h"
#include "cli/models.h"
#include "cli/out.h"

/* The cache is lines of text: DIGEST DEVICE INODE BYTES MODIFIED CHANGED PATH. */
enum {
    CACHE_MAX = 1 << 20,  /* bytes; a larger one is begun anew */
    LINES_MAX = 256,      /* that are kept */
    READ_BLOCK = 1 << 18, /* bytes hashed at a time */
    DIGEST_HEX = 2 * TI_SHA256_BYTES
};

/* --- the cache ------------------------------------------------------------------------------
 */

/* What stands behind the digest in the line of a file. */
static void describe(ti_buf *out, const ti_file_state *s, const char *path)
{
    ti_buf_addf(out, " %llu %llu %llu %lld %lld %s", (unsigned long long)s->device,
                (unsigned long long)s->inode, (unsigned long long)s->bytes,
                (long long)s->modified_ns, (long long)s->changed_ns, path);
}

static bool look_up(uint8_t digest[TI_SHA256_BYTES], const char *cache, const ti_buf *wanted)
{
    for (const char *line = cache; line && *line;) {
        const char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) : strlen(line), n = 0;
        if (len == DIGEST_HEX + wanted->len &&
            memcmp(line + DIGEST_HEX, wanted->data, wanted->len) == 0 &&
            sodium_hex2bin(digest, TI_SHA256_BYTES, line, DIGEST_HEX, NULL, &n, NULL) == 0 &&
            n == TI_SHA256_BYTES) {
            return true;
        }
        line = end ? end + 1 : NULL;
    }
    return false;
}

/* Writes the new line and those of other files behind it.  Two processes that do it at once
 * may lose a line of each other, which costs time and nothing else. */
static void remember(const char *file, const char *cache, const uint8_t digest[TI_SHA256_BYTES],
                     const ti_buf *line, const char *path)
{
    char hex[DIGEST_HEX + 1];
    ti_out out = {0};
    size_t path_len = strlen(path);
    if (ti_out_open(&out, file, NULL) != TERN_OK) {
        return;
    }
    sodium_bin2hex(hex, sizeof hex, digest, TI_SHA256_BYTES);
    fprintf(out.stream, "%s%s\n", hex, line->data);
    for (int i = 1; cache && *cache && i < LINES_MAX; i++) {
        const char *end = strchr(cache, '\n');
        size_t len = end ? (size_t)(end - cache) : strlen(cache);
        bool same = len > path_len && cache[len - path_len - 1] == ' ' &&
                    memcmp(cache + len - path_len, path, path_len) == 0;
        if (!same) {
            fprintf(out.stream, "%.*s\n", (int)len, cache);
        }
        cache = end ? end + 1 : NULL;
    }
    (void)ti_out_commit(&out, NULL);
    ti_out_abandon(&out);
}

static bool make_cache(void)
{
    char *directory;
    if (ti_cache_path(&directory, "", NULL) != TERN_OK) {
        return false;
    }
    tern_status status = ti_make_directories(directory, NULL);
    free(directory);
    return status == TERN_OK;
}

/* --- hashing --------------------------------------------------------------------------------
 */

static tern_status hash_file(uint8_t digest[TI_SHA256_BYTES], uint64_t bytes, const char *path,
                             tern_err *err)
{
    ti_sha256 hash;
    ti_progress progress;
    uint8_t *block = malloc(READ_BLOCK);
    tern_status status = TERN_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (!block) {
        status = ti_fail_nomem(err, "digest", READ_BLOCK, "a block");
    } else if (fd < 0) {
        status = ti_fail_errno(err, errno, "digest", "cannot open '%s'", path);
    }
    ti_sha256_start(&hash);
    ti_progress_begin(&progress, "hashing the model, once", "B");
    for (uint64_t done = 0; done < bytes && status == TERN_OK;) {
        ssize_t n = read(fd, block, READ_BLOCK);
        if (n < 0 && errno != EINTR) {
            status = ti_fail_errno(err, errno, "digest", "cannot read '%s'", path);
        } else if (n == 0) {
            status = ti_fail(err, TERN_IO, "digest", done, "'%s' shrank", path);
        } else if (n > 0) {
            ti_sha256_add(&hash, block, (size_t)n);
            done += (uint64_t)n;
        }
        if (!ti_progress_step(&progress, done, bytes) && status == TERN_OK) {
            status = ti_fail(err, TERN_CANCELLED, "digest", TI_NO_OFFSET, "interrupted");
        }
    }
    ti_progress_end(&progress);
    if (fd >= 0) {
        close(fd);
    }
    free(block);
    if (status == TERN_OK) {
        ti_sha256_end(&hash, digest);
    }
    return status;
}

/* Hashes, and sees to it that the file stays the same meanwhile. */
static tern_status compute(uint8_t digest[TI_SHA256_BYTES], const ti_file_state *before,
                           const char *path, tern_err *err)
{
    ti_file_state after;
    TI_TRY(hash_file(digest, before->bytes, path, err));
    TI_TRY(ti_file_look(&after, path, err));
    if (!ti_file_same(before, &after)) {
        return ti_fail(err, TERN_IO, "digest", TI_NO_OFFSET, "'%s' changed while it was read",
                       path);
    }
    return TERN_OK;
}

tern_status ti_model_digest(uint8_t digest[32], ti_file_state *state, const char *path,
                            tern_err *err)
{
    ti_file_state now;
    char *file = NULL, *cache = NULL, *real = realpath(path, NULL);
    size_t size = 0;
    ti_buf line = {0};
    uint8_t found[TI_SHA256_BYTES];
    const char *name = real ? real : path;
    tern_status status = ti_file_look(&now, name, err);
    /* A name with a newline would be two lines. */
    bool cached =
        strchr(name, '\n') == NULL && ti_cache_path(&file, "digests", NULL) == TERN_OK;
    if (status == TERN_OK) {
        describe(&line, &now, name);
        if (cached) {
            (void)ti_read_file(&cache, &size, file, CACHE_MAX, NULL);
        }
        if (line.failed) {
            status = ti_fail_nomem(err, "digest", line.len, "a path");
        } else if (!cached || !look_up(found, cache, &line)) {
            status = compute(found, &now, name, err);
            if (status == TERN_OK && cached && make_cache()) {
                remember(file, cache, found, &line, name);
            }
        }
    }
    if (status == TERN_OK) {
        memcpy(digest, found, sizeof found);
        *state = now;
    }
    free(cache);
    free(file);
    free(real);
    ti_buf_free(&line);
    return status;
}
