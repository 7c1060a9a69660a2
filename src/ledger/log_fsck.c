/* SPDX-License-Identifier: Apache-2.0 */
/* Checking everything again: keys, what was signed, what is stated; then the rest. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ledger/log_fsck.h"

void ti_fsck_fault(ti_fsck *f, const char *file, const char *what)
{
    f->report->faults++;
    if (f->fault) {
        f->fault(f->user, file, what);
    }
}

tern_status ti_fsck_note(ti_fsck *f, const char *file, tern_status status, const tern_err *why)
{
    if (status == TERN_OK || status == TERN_NOMEM) {
        return status;
    }
    ti_fsck_fault(f, file, why->message);
    return TERN_OK;
}

tern_status ti_fsck_failed(ti_fsck *f, tern_status status, const tern_err *why)
{
    if (f->err && status != TERN_OK) {
        *f->err = *why;
    }
    return status;
}

/* --- keys, state, what was signed
 * -------------------------------------------------------------- */

static tern_status check_head(ti_fsck *f, ti_checkpoint *out, bool *has, const char *file,
                              const char *path, const ti_note_key *key)
{
    ti_buf note = {0};
    tern_err why = {0};
    tern_status status = ti_log_read_signed(out, &note, f->at.io, path, key, NULL, &why);
    *has = status == TERN_OK;
    ti_buf_free(&note);
    f->report->files++;
    return ti_fsck_failed(f, ti_fsck_note(f, file, status, &why), &why);
}

static tern_status check_heads(ti_fsck *f, const ti_log_opts *opts)
{
    ti_note_key key;
    ti_note_signer signer;
    tern_err why = {0};
    char name[2 * TI_HASH_BYTES + 1];
    tern_status status = ti_log_read_vkey(&key, &f->at, &why);
    if (status != TERN_OK) {
        return ti_fsck_failed(f, ti_fsck_note(f, "vkey", status, &why), &why);
    }
    status = ti_log_read_key(&signer, &f->at, &why);
    ti_note_signer_wipe(&signer);
    TI_TRY(ti_fsck_failed(f, ti_fsck_note(f, "state/key", status, &why), &why));
    TI_TRY(check_head(f, &f->published, &f->has_published, "checkpoint",
                      ti_log_name(&f->at, "checkpoint"), &key));
    status = ti_log_store_open(&f->store, &f->at, opts, &why);
    TI_TRY(ti_fsck_failed(f, ti_fsck_note(f, "state/store", status, &why), &why));
    if (status == TERN_OK) {
        ti_log_store_name(name, key.name);
        TI_TRY(check_head(f, &f->signed_at, &f->has_signed, "lock store",
                          ti_log_name(&f->store, "%s", name), &key));
    }
    return TERN_OK;
}

static tern_status check_state(ti_fsck *f)
{
    ti_buf text = {0};
    tern_err why = {0};
    const char *path = ti_log_name(&f->at, "state/tree");
    tern_status status = ti_log_read(&text, f->at.io, path, TI_LOG_FILE_MAX, NULL, &why);
    if (status == TERN_OK) {
        status = ti_log_state_read(&f->stated, text.data ? text.data : "", text.len, &why);
    }
    ti_buf_free(&text);
    f->report->files++;
    if (status != TERN_OK && f->has_published) { /* go on with what readers go by */
        f->stated.n = f->published.size;
    }
    TI_TRY(ti_fsck_failed(f, ti_fsck_note(f, "state/tree", status, &why), &why));
    if (f->has_signed && f->signed_at.size > f->stated.n) {
        ti_fsck_fault(f, "state/tree", "more entries were signed than it has");
    }
    if (f->has_signed && f->has_published && f->published.size > f->signed_at.size) {
        ti_fsck_fault(f, "checkpoint", "it has more entries than the lock store has signed");
    }
    return TERN_OK;
}

static tern_status check_all(ti_fsck *f, const ti_log_opts *opts)
{
    f->tree = calloc(1, sizeof *f->tree);
    if (!f->tree) {
        return ti_fail_nomem(f->err, "log", sizeof *f->tree, "the tree's edge");
    }
    TI_TRY(check_heads(f, opts));
    TI_TRY(check_state(f));
    TI_TRY(ti_fsck_tree(f));
    TI_TRY(ti_fsck_wal(f));
    return ti_fsck_files(f);
}

static tern_status lock_for_fsck(int *out, ti_log_at *at, tern_err *err)
{
    const char *path = ti_log_name(at, "state/lock");
    int file = at->io->open(at->io->user, path, TI_IO_READ);
    *out = -1;
    if (file == -ENOENT) {
        return TERN_OK; /* nobody has ever written to it */
    }
    if (file < 0) {
        return ti_log_failed(err, file, "open", path);
    }
    int r = at->io->lock(at->io->user, file);
    if (r < 0) {
        (void)at->io->close(at->io->user, file);
        return ti_fail(err, TERN_UNAVAILABLE, "log", TI_NO_OFFSET, "another process has '%s'",
                       path);
    }
    *out = file;
    return TERN_OK;
}

tern_status ti_log_fsck(const char *dir, const ti_log_opts *opts, ti_log_fault_fn fault_fn,
                        void *user, ti_log_fsck_report *report, tern_err *err)
{
    static const ti_log_opts none = {0};
    ti_log_fsck_report found = {0};
    ti_fsck f = {.fault = fault_fn, .user = user, .report = &found, .err = err};
    int lock = -1;
    opts = opts ? opts : &none;
    const ti_log_io *io = opts->io ? opts->io : ti_log_io_system();
    tern_status status = ti_log_at_open(&f.at, io, dir, err);
    if (status == TERN_OK) {
        status = ti_log_at_open(&f.to, io, dir, err);
    }
    if (status == TERN_OK) {
        status = lock_for_fsck(&lock, &f.at, err);
    }
    if (status == TERN_OK) {
        status = check_all(&f, opts);
    }
    if (lock >= 0) {
        (void)io->close(io->user, lock);
    }
    free(f.tree);
    ti_log_at_close(&f.at);
    ti_log_at_close(&f.to);
    ti_log_at_close(&f.store);
    TI_TRY(status);
    *report = found;
    return found.faults == 0 ? TERN_OK
                             : ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                                       "%" PRIu64 " faults in '%s'", found.faults, dir);
}
