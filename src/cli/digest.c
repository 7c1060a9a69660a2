/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/out.h"

enum { READ_BLOCK = 1 << 16 };

bool ti_is_sha256(const char *text)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    return n == TI_SHA256_HEX && text[n] == '\0';
}

tern_status ti_sha256_add_file(ti_sha256 *hash, int fd, uint64_t bytes, const char *path,
                               tern_err *err)
{
    ti_progress progress;
    tern_status status = TERN_OK;
    unsigned char *block = malloc(READ_BLOCK);
    if (!block) {
        return ti_fail_nomem(err, "digest", READ_BLOCK, "a block");
    }
    ti_progress_begin(&progress, "checking what is there", "B");
    for (uint64_t done = 0; done < bytes && status == TERN_OK;) {
        size_t want = bytes - done < READ_BLOCK ? (size_t)(bytes - done) : READ_BLOCK;
        ssize_t n = pread(fd, block, want, (off_t)done);
        if (n < 0 && errno != EINTR) {
            status = ti_fail_errno(err, errno, "digest", "cannot read '%s'", path);
        } else if (n == 0) {
            status =
                ti_fail(err, TERN_IO, "digest", done, "'%s' shrank while it was read", path);
        } else if (n > 0) {
            ti_sha256_add(hash, block, (size_t)n);
            done += (uint64_t)n;
        }
        if (status == TERN_OK && !ti_progress_step(&progress, done, bytes)) {
            status = ti_fail(err, TERN_CANCELLED, "digest", TI_NO_OFFSET, "interrupted");
        }
    }
    ti_progress_end(&progress);
    free(block);
    return status;
}

void ti_sha256_hex(char hex[TI_SHA256_HEX + 1], const ti_sha256 *hash)
{
    unsigned char digest[TI_SHA256_BYTES];
    ti_sha256 copy = *hash;
    ti_sha256_end(&copy, digest);
    sodium_bin2hex(hex, TI_SHA256_HEX + 1, digest, sizeof digest);
}

void ti_sha256_text(char hex[TI_SHA256_HEX + 1], const char *text)
{
    ti_sha256 hash;
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, text, strlen(text));
    ti_sha256_hex(hex, &hash);
}

tern_status ti_sha256_file(char hex[TI_SHA256_HEX + 1], const char *path, tern_err *err)
{
    ti_sha256 hash;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ti_fail_errno(err, errno, "digest", "cannot open '%s'", path);
    }
    tern_status status = TERN_OK;
    if (fstat(fd, &st) != 0) {
        status = ti_fail_errno(err, errno, "digest", "cannot stat '%s'", path);
    }
    ti_sha256_start(&hash);
    if (status == TERN_OK) {
        status = ti_sha256_add_file(&hash, fd, (uint64_t)st.st_size, path, err);
    }
    close(fd);
    TI_TRY(status);
    ti_sha256_hex(hex, &hash);
    return TERN_OK;
}
