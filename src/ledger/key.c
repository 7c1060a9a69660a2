/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static const char module[] = "key";

enum { FILE_MAX = 1024, MODE_PRIVATE = 0600, MODE_OTHERS = 077 };

/* Reads the key from an open file, after looking at who may read it. */
static tern_status read_private(ti_note_signer *out, int fd, const char *path, tern_err *err)
{
    struct stat st;
    char text[FILE_MAX];
    size_t len = 0;
    if (fstat(fd, &st) != 0) {
        return ti_fail_errno(err, errno, module, "cannot stat '%s'", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "'%s' is no regular file", path);
    }
    if (st.st_mode & MODE_OTHERS) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "others may read the private key '%s'; chmod 600 it, or make a new one",
                       path);
    }
    while (len < sizeof text) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        if (n < 0 && errno != EINTR) {
            return ti_fail_errno(err, errno, module, "cannot read '%s'", path);
        }
        if (n == 0) {
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    tern_status status = ti_note_signer_read(out, text, len, err);
    sodium_memzero(text, sizeof text);
    return status;
}

tern_status ti_key_load(ti_note_signer *out, const char *path, tern_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ti_fail_errno(err, errno, module, "cannot open '%s'", path);
    }
    tern_status status = read_private(out, fd, path, err);
    close(fd);
    return status;
}

/* Writes the text into a new file that is complete when it gets the name `path`; a file that
 * has the name already stays, and that is no failure. */
static tern_status write_private(const char *path, const char *text, tern_err *err)
{
    size_t size = strlen(path) + sizeof ".XXXXXX";
    size_t len = strlen(text);
    char *temporary = malloc(size);
    if (!temporary) {
        return ti_fail_nomem(err, module, size, "a name");
    }
    snprintf(temporary, size, "%s.XXXXXX", path);
    int fd = mkstemp(temporary); /* mode 0600 */
    if (fd < 0) {
        tern_status status = ti_fail_errno(err, errno, module, "cannot create '%s'", path);
        free(temporary);
        return status;
    }
    bool good =
        fchmod(fd, MODE_PRIVATE) == 0 && write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    good = good && (link(temporary, path) == 0 || errno == EEXIST);
    int problem = errno;
    unlink(temporary);
    free(temporary);
    return good ? TERN_OK : ti_fail_errno(err, problem, module, "cannot write '%s'", path);
}

static tern_status write_public(const char *path, const ti_note_key *key, tern_err *err)
{
    char text[TI_NOTE_KEY_TEXT];
    ti_out out = {0};
    size_t size = strlen(path) + sizeof ".pub";
    char *name = malloc(size);
    if (!name) {
        return ti_fail_nomem(err, module, size, "a name");
    }
    snprintf(name, size, "%s.pub", path);
    ti_note_key_write(text, key);
    tern_status status = ti_out_open(&out, name, err);
    if (status == TERN_OK) {
        fprintf(out.stream, "%s\n", text);
        status = ti_out_commit(&out, err);
    }
    ti_out_abandon(&out);
    free(name);
    return status;
}

tern_status ti_key_load_or_make(ti_note_signer *out, const char *path, const char *name,
                                bool *made, tern_err *err)
{
    char text[TI_NOTE_KEY_TEXT + 1];
    ti_note_signer fresh, kept;
    if (access(path, F_OK) == 0 || errno != ENOENT) {
        TI_TRY(ti_key_load(out, path, err));
        *made = false;
        return TERN_OK;
    }
    TI_TRY(ti_note_signer_new(&fresh, name, TI_NOTE_ED25519, err));
    ti_note_signer_write(text, &fresh);
    size_t len = strlen(text);
    memcpy(text + len, "\n", 2);
    tern_status status = write_private(path, text, err);
    sodium_memzero(text, sizeof text);
    /* Another process may have been first: what counts is what is in the file. */
    if (status == TERN_OK) {
        status = ti_key_load(&kept, path, err);
    }
    if (status == TERN_OK) {
        status = write_public(path, &kept.pub, err);
        if (status == TERN_OK) {
            *made = sodium_memcmp(kept.secret, fresh.secret, sizeof fresh.secret) == 0;
            *out = kept;
        }
        ti_note_signer_wipe(&kept);
    }
    ti_note_signer_wipe(&fresh);
    return status;
}

tern_status ti_key_public(ti_note_key *out, const char *text, tern_err *err)
{
    char *data;
    size_t size;
    if (strchr(text, '+')) {
        return ti_note_key_read(out, text, strlen(text), err);
    }
    TI_TRY(ti_read_file(&data, &size, text, FILE_MAX, err));
    tern_status status = ti_note_key_read(out, data, size, err);
    free(data);
    return status;
}
