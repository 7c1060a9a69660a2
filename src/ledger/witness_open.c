/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a witness's state.  It vouches for itself: each file holds the witness's own
 * signature, so a changed one is noticed here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "ledger/witness_parts.h"

static uint64_t system_clock_s(void *user)
{
    time_t now = time(NULL);
    (void)user;
    return now > 0 ? (uint64_t)now : 0;
}

/* --- the key ------------------------------------------------------------------------------ */

static tern_status new_key(ti_note_signer *out, const char *name, tern_err *err)
{
    uint8_t digest[TI_SHA256_BYTES];
    char own[64];
    TI_TRY(ti_note_signer_new(out, name ? name : "tern-witness", TI_NOTE_COSIGN_V1, err));
    if (name) {
        return TERN_OK;
    }
    ti_sha256_of(digest, out->pub.key, sizeof out->pub.key);
    int n = snprintf(own, sizeof own, "tern-witness/");
    for (int i = 0; i < 8; i++) {
        n += snprintf(own + n, sizeof own - (size_t)n, "%02x", digest[i]);
    }
    return ti_note_signer_make(out, own, TI_NOTE_COSIGN_V1, out->secret, err);
}

static tern_status make_key(ti_witness *w, const char *name, tern_err *err)
{
    char key[TI_NOTE_KEY_TEXT];
    TI_TRY(new_key(&w->signer, name, err));
    ti_note_signer_write(key, &w->signer);
    size_t len = strlen(key);
    key[len] = '\n';
    tern_status status = ti_log_replace(&w->at, "key", key, len + 1, true, err);
    memset(key, 0, sizeof key);
    return status;
}

static tern_status read_key(ti_witness *w, bool *missing, tern_err *err)
{
    ti_buf text = {0};
    tern_err why = {0};
    const char *path = ti_log_name(&w->at, "key");
    tern_status status = ti_log_read(&text, w->at.io, path, TI_LOG_FILE_MAX, missing, err);
    if (status == TERN_OK && !*missing) {
        status = ti_note_signer_read(&w->signer, text.len ? text.data : "", text.len, &why);
        if (status == TERN_OK && w->signer.pub.type != TI_NOTE_COSIGN_V1) {
            status = ti_fail(&why, TERN_CORRUPT, "witness", 0, "not a witness's key");
        }
        if (status != TERN_OK) {
            (void)ti_fail(err, status, "witness", why.offset, "'%s': %s", path, why.message);
        }
    }
    if (text.data) {
        memset(text.data, 0, text.len);
    }
    ti_buf_free(&text);
    return status;
}

static tern_status write_vkey(ti_witness *w, tern_err *err)
{
    char key[TI_NOTE_KEY_TEXT];
    ti_note_key_write(key, &w->signer.pub);
    size_t len = strlen(key);
    key[len] = '\n';
    return ti_log_replace(&w->at, "vkey", key, len + 1, false, err);
}

/* True when something was cosigned for one of the logs. */
static bool has_state(ti_witness *w)
{
    bool found = false;
    for (size_t i = 0; i < w->n_logs && !found; i++) {
        const char *path = ti_log_name(&w->at, "%s", w->logs[i].file);
        int file = w->at.io->open(w->at.io->user, path, TI_IO_READ);
        found = file >= 0;
        if (found) {
            (void)w->at.io->close(w->at.io->user, file);
        }
    }
    return found;
}

/* The key that is there, or at the first use a new one. */
static tern_status have_key(ti_witness *w, const char *name, tern_err *err)
{
    bool missing = false;
    TI_TRY(read_key(w, &missing, err));
    if (missing && has_state(w)) {
        return ti_fail(err, TERN_CORRUPT, "witness", TI_NO_OFFSET,
                       "'%s' is missing, and something was cosigned with it",
                       ti_log_name(&w->at, "key"));
    }
    if (missing) {
        TI_TRY(make_key(w, name, err));
    } else if (name && strcmp(name, w->signer.pub.name) != 0) {
        return ti_fail(err, TERN_USAGE, "witness", TI_NO_OFFSET,
                       "the key in '%s' has the name '%.80s'", ti_log_name(&w->at, "key"),
                       w->signer.pub.name);
    }
    return write_vkey(w, err);
}

/* --- what was cosigned -------------------------------------------------------------------- */

static tern_status check_state(ti_witness *w, ti_witness_log *log, tern_err *err)
{
    ti_signed_note note;
    bool valid;
    TI_TRY(ti_note_parse(&note, log->note.data ? log->note.data : "", log->note.len, err));
    TI_TRY(ti_note_check(&note, &w->signer.pub, 1, &valid, &log->time_s, err));
    TI_TRY(ti_checkpoint_read(&log->head, note.text.data, note.text.len, err));
    return strcmp(log->head.origin, log->origin) == 0
               ? TERN_OK
               : ti_fail(err, TERN_CORRUPT, "witness", 0, "it is of another log");
}

static tern_status load_state(ti_witness *w, ti_witness_log *log, tern_err *err)
{
    bool missing = false;
    tern_err why = {0};
    const char *path = ti_log_name(&w->at, "%s", log->file);
    TI_TRY(ti_log_read(&log->note, w->at.io, path, TI_LOG_FILE_MAX, &missing, err));
    if (missing) {
        return TERN_OK;
    }
    tern_status status = check_state(w, log, &why);
    if (status != TERN_OK && status != TERN_NOMEM) {
        return ti_fail(err, TERN_CORRUPT, "witness", why.offset,
                       "'%s' is damaged, or was not cosigned with this key: %s", path,
                       why.message);
    }
    log->seen = status == TERN_OK;
    return log->seen ? TERN_OK : ti_fail_nomem(err, "witness", log->note.len, path);
}

/* One entry for each origin: a log may have several keys. */
static tern_status list_logs(ti_witness *w, tern_err *err)
{
    const ti_policy *p = w->policy;
    w->logs = ti_calloc(p->n_logs + 1, sizeof *w->logs);
    if (!w->logs) {
        return ti_fail_nomem(err, "witness", p->n_logs * sizeof *w->logs, "the logs");
    }
    for (size_t i = 0; i < p->n_logs; i++) {
        const char *origin = p->logs[i].key.name;
        size_t known = 0;
        while (known < w->n_logs && strcmp(w->logs[known].origin, origin) != 0) {
            known++;
        }
        if (known == w->n_logs) {
            w->logs[w->n_logs].origin = origin;
            ti_log_store_name(w->logs[w->n_logs++].file, origin);
        }
    }
    return TERN_OK;
}

static tern_status load(ti_witness *w, const char *dir, const char *name, tern_err *err)
{
    const ti_log_io *io = w->at.io;
    TI_TRY(list_logs(w, err));
    TI_TRY(ti_log_make_dirs(io, dir, true, true, err));
    TI_TRY(ti_log_take_lock(&w->lock, io, ti_log_name(&w->at, "lock"), err));
    /* A process that died may have left a name that can be read and is not yet durable. */
    const char *path = ti_log_name(&w->at, "%s", "");
    int r = io->sync_dir(io->user, path);
    if (r < 0) {
        return ti_log_failed(err, r, "sync", path);
    }
    TI_TRY(have_key(w, name, err));
    for (size_t i = 0; i < w->n_logs; i++) {
        TI_TRY(load_state(w, &w->logs[i], err));
    }
    return TERN_OK;
}

tern_status ti_witness_open(ti_witness **out, const char *dir, const ti_policy *policy,
                            const ti_witness_opts *opts, tern_err *err)
{
    const ti_log_io *io = opts && opts->io ? opts->io : ti_log_io_system();
    const char *name = opts ? opts->name : NULL;
    if (name && !ti_note_name_valid(name, strlen(name))) {
        return ti_fail(err, TERN_USAGE, "witness", TI_NO_OFFSET,
                       "'%.80s' cannot be the name of a witness", name);
    }
    ti_witness *w = calloc(1, sizeof *w);
    if (!w) {
        return ti_fail_nomem(err, "witness", sizeof *w, "a witness");
    }
    w->magic = TI_WITNESS_MAGIC;
    w->policy = policy;
    w->clock_s = opts && opts->clock_s ? opts->clock_s : system_clock_s;
    w->clock_user = opts ? opts->clock_user : NULL;
    w->lock = -1;
    (void)pthread_mutex_init(&w->mutex, NULL); /* with NULL, glibc's and musl's cannot fail */
    tern_status status = ti_log_at_open(&w->at, io, dir, err);
    if (status == TERN_OK) {
        status = load(w, dir, name, err);
    }
    if (status != TERN_OK) {
        ti_witness_close(w);
        return status;
    }
    *out = w;
    return TERN_OK;
}

void ti_witness_close(ti_witness *witness)
{
    if (!witness) {
        return;
    }
    TI_ASSERT(witness->magic == TI_WITNESS_MAGIC);
    if (witness->lock >= 0) {
        (void)witness->at.io->close(witness->at.io->user, witness->lock);
    }
    for (size_t i = 0; i < witness->n_logs; i++) {
        ti_buf_free(&witness->logs[i].note);
    }
    free(witness->logs);
    ti_log_at_close(&witness->at);
    ti_note_signer_wipe(&witness->signer);
    (void)pthread_mutex_destroy(&witness->mutex);
    witness->magic = 0;
    free(witness);
}

const ti_note_key *ti_witness_key(const ti_witness *witness)
{
    return &witness->signer.pub;
}
