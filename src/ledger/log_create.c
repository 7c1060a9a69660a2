/* SPDX-License-Identifier: Apache-2.0 */
/* Making a log.  vkey is written last: a directory without it is none yet, and making it can be
 * tried again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "ledger/log_parts.h"

bool ti_log_exists(const char *dir)
{
    ti_log_at at;
    if (ti_log_at_open(&at, ti_log_io_system(), dir, NULL) != TERN_OK) {
        return false;
    }
    bool there = access(ti_log_name(&at, "vkey"), F_OK) == 0;
    ti_log_at_close(&at);
    return there;
}

/* A key of that name, or one that names itself. */
static tern_status new_key(ti_note_signer *out, const char *origin, tern_err *err)
{
    uint8_t digest[TI_SHA256_BYTES];
    char name[64];
    TI_TRY(ti_note_signer_new(out, origin ? origin : "tern-log", TI_NOTE_ED25519, err));
    if (origin) {
        return TERN_OK;
    }
    ti_sha256_of(digest, out->pub.key, sizeof out->pub.key);
    int n = snprintf(name, sizeof name, "tern-log/");
    for (int i = 0; i < 8; i++) {
        n += snprintf(name + n, sizeof name - (size_t)n, "%02x", digest[i]);
    }
    return ti_note_signer_make(out, name, TI_NOTE_ED25519, out->secret, err);
}

/* The key that an interrupted attempt left, or a new one, which is then in state/key. */
static tern_status have_key(ti_note_signer *out, ti_log_at *at, const char *origin,
                            tern_err *err)
{
    ti_buf text = {0};
    bool missing;
    char key[TI_NOTE_KEY_TEXT];
    const char *path = ti_log_name(at, "state/key");
    tern_status status = ti_log_read(&text, at->io, path, TI_LOG_FILE_MAX, &missing, err);
    if (status == TERN_OK && !missing) {
        status = ti_note_signer_read(out, text.data ? text.data : "", text.len, err);
    }
    if (text.data) {
        memset(text.data, 0, text.len);
    }
    ti_buf_free(&text);
    TI_TRY(status);
    if (!missing && (!origin || strcmp(origin, out->pub.name) == 0)) {
        return TERN_OK;
    }
    TI_TRY(new_key(out, origin, err));
    ti_note_signer_write(key, out);
    size_t len = strlen(key);
    key[len] = '\n';
    status = ti_log_replace(at, "state/key", key, len + 1, true, err);
    memset(key, 0, sizeof key);
    return status;
}

/* The store's directory, made, as state/store is to name it: absolute, where paths are those of
 * the real system. */
static tern_status make_store(ti_buf *out, const ti_log_io *io, const char *given,
                              tern_err *err)
{
    char *found = NULL, *absolute = NULL;
    if (!given) {
        TI_TRY(ti_log_default_store(&found, err));
        given = found;
    }
    tern_status status = ti_log_make_dirs(io, given, true, true, err);
    if (status == TERN_OK && io == ti_log_io_system() && !(absolute = realpath(given, NULL))) {
        status = ti_fail(err, TERN_IO, "log", TI_NO_OFFSET, "cannot find '%s'", given);
    }
    if (status == TERN_OK) {
        ti_buf_adds(out, absolute ? absolute : given);
        status = out->failed ? ti_fail_nomem(err, "log", strlen(given), "a path") : TERN_OK;
    }
    free(absolute);
    free(found);
    return status;
}

/* Signs the empty tree, unless an interrupted attempt has done so: then takes that. */
static tern_status first_signature(ti_buf *note, const char *store, const ti_log_io *io,
                                   const ti_note_signer *signer, tern_err *err)
{
    ti_log_at at;
    ti_checkpoint c = {0}, before = {0};
    bool missing;
    char name[2 * TI_HASH_BYTES + 1];
    memcpy(c.origin, signer->pub.name, sizeof c.origin);
    ti_merkle_empty(&c.root);
    TI_TRY(ti_log_at_open(&at, io, store, err));
    ti_log_store_name(name, signer->pub.name);
    tern_status status = ti_log_read_signed(&before, note, io, ti_log_name(&at, "%s", name),
                                            &signer->pub, &missing, NULL);
    if (status == TERN_CORRUPT || (status == TERN_OK && !missing && before.size > 0)) {
        status = ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                         "the lock store has signed for another log named '%.80s'",
                         signer->pub.name);
    } else if (status == TERN_OK && missing) {
        status = ti_checkpoint_sign(note, &c, signer, err);
        if (status == TERN_OK) {
            status = ti_log_replace(&at, name, note->data, note->len, false, err);
        }
    } else if (status != TERN_OK) {
        status =
            ti_fail(err, status, "log", TI_NO_OFFSET, "cannot read the lock store '%s'", store);
    }
    ti_log_at_close(&at);
    return status;
}

static tern_status fill(ti_log_at *at, const ti_note_signer *signer, ti_buf *store,
                        tern_err *err)
{
    ti_buf note = {0}, state = {0};
    ti_frontier empty = {0};
    ti_wal wal = {.file = -1};
    char key[TI_NOTE_KEY_TEXT];
    ti_log_state_write(&state, &empty);
    tern_status status =
        state.failed ? ti_fail_nomem(err, "log", 1, "state/tree")
                     : ti_log_replace(at, "state/tree", state.data, state.len, false, err);
    if (status == TERN_OK) {
        status = ti_wal_begin(&wal, at, 1, 0, NULL, err);
    }
    if (wal.file >= 0) {
        (void)at->io->close(at->io->user, wal.file);
    }
    if (status == TERN_OK) {
        status = first_signature(&note, store->data, at->io, signer, err);
    }
    if (status == TERN_OK) {
        status = ti_log_replace(at, "checkpoint", note.data, note.len, false, err);
    }
    if (status == TERN_OK) {
        ti_buf_addc(store, '\n');
        status = store->failed
                     ? ti_fail_nomem(err, "log", store->len, "a path")
                     : ti_log_replace(at, "state/store", store->data, store->len, false, err);
    }
    if (status == TERN_OK) {
        ti_note_key_write(key, &signer->pub);
        size_t len = strlen(key);
        key[len] = '\n';
        status = ti_log_replace(at, "vkey", key, len + 1, false, err);
    }
    ti_buf_free(&note);
    ti_buf_free(&state);
    return status;
}

static tern_status make_places(ti_log_at *at, tern_err *err)
{
    static const char *const dirs[] = {"", "tile/entries", "tile/0", "wal"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        const char *path = ti_log_name(at, "%s", dirs[i]);
        if (!*dirs[i]) { /* without the '/' at its end */
            at->text[at->base - 1] = '\0';
        }
        tern_status status = ti_log_make_dirs(at->io, path, false, true, err);
        at->text[at->base - 1] = '/';
        TI_TRY(status);
    }
    TI_TRY(ti_log_make_dirs(at->io, ti_log_name(at, "state"), true, true, err));
    return ti_log_make_dirs(at->io, ti_log_name(at, "state/tmp"), false, true, err);
}

tern_status ti_log_create(const char *dir, const char *origin, const ti_log_opts *opts,
                          tern_err *err)
{
    const ti_log_io *io = opts && opts->io ? opts->io : ti_log_io_system();
    ti_log_at at;
    ti_buf store = {0};
    ti_note_signer signer = {0};
    if (origin && !ti_note_name_valid(origin, strlen(origin))) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET,
                       "'%.80s' cannot be the name of a log", origin);
    }
    TI_TRY(ti_log_at_open(&at, io, dir, err));
    const char *path = ti_log_name(&at, "vkey");
    int file = io->open(io->user, path, TI_IO_READ);
    tern_status status = TERN_OK;
    if (file >= 0) {
        (void)io->close(io->user, file);
        status = ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET, "'%s' is a log already", dir);
    }
    if (status == TERN_OK) {
        status = make_places(&at, err);
    }
    if (status == TERN_OK) {
        status = make_store(&store, io, opts ? opts->store : NULL, err);
    }
    if (status == TERN_OK) {
        status = have_key(&signer, &at, origin, err);
    }
    if (status == TERN_OK) {
        status = fill(&at, &signer, &store, err);
    }
    ti_note_signer_wipe(&signer);
    ti_buf_free(&store);
    ti_log_at_close(&at);
    return status;
}
