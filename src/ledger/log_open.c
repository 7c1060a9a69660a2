/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a log for writing: what a crash left is completed, what it cannot have left refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/log_parts.h"

enum { SEGMENT_BYTES = 64 << 20, PENDING_BYTES = 64 << 20, REWRITE_BYTES = 1 << 20 };

/* A process that died may have left names that can be read and are not yet durable.  What is
 * decided from now on rests on them.  (The WAL's entries are written again: rewrite_wal().) */
static tern_status settle_names(ti_log *log, tern_err *err)
{
    static const char *const dirs[] = {"state", "wal", ""};
    const ti_log_io *io = log->io;
    const char *path = ti_log_name(&log->store, "%s", "");
    int r = io->sync_dir(io->user, path);
    for (size_t i = 0; r >= 0 && i < sizeof dirs / sizeof *dirs; i++) {
        path = ti_log_name(&log->at, "%s", dirs[i]);
        r = io->sync_dir(io->user, path);
    }
    return r < 0 ? ti_log_failed(err, r, "sync", path) : TERN_OK;
}

static void remove_temporary(void *to, const char *name, int is_dir)
{
    ti_log *log = to;
    if (!is_dir && strlen(name) < TI_TILE_PATH) {
        (void)log->io->unlink(log->io->user, ti_log_name(&log->to, "state/tmp/%s", name));
    }
}

/* --- the WAL ------------------------------------------------------------------------------ */

static void free_chunks(ti_log_chunk *chunk)
{
    while (chunk) {
        ti_log_chunk *next = chunk->next;
        ti_log_chunk_free(chunk);
        chunk = next;
    }
}

static tern_status keep_record(void *user, ti_log_chunk **chunk, tern_err *err)
{
    ti_log *log = user;
    ti_log_chunk *c = *chunk;
    (void)err;
    if (c->first + c->count <= log->tree->size) {
        return TERN_OK; /* in tiles already */
    }
    if (log->last && log->last->first + log->last->count != c->first) {
        free_chunks(log->first); /* written again into a segment of their own: rewrite_wal() */
        log->first = log->last = NULL;
        log->pending = 0;
    }
    if (log->last) {
        log->last->next = c;
    } else {
        log->first = c;
    }
    log->last = c;
    log->pending += c->body.len - TI_WAL_RECORD_HEAD;
    *chunk = NULL;
    return TERN_OK;
}

static tern_status missing_entries(tern_err *err, uint64_t number, uint64_t from, uint64_t to)
{
    return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                   "'wal/%010" PRIu64 "' is damaged or missing: there is no entry %" PRIu64
                   " before entry %" PRIu64,
                   number, from, to);
}

/* Adds the segment that was just read to those that are known.  One before it may be torn: then
 * rewrite_wal() has put what was there into this one, or entries are missing. */
static tern_status add_segment(ti_log *log, const ti_wal *wal, uint64_t *expected,
                               uint64_t next, tern_err *err)
{
    bool follows = log->n_segments > 0 && wal->number == log->oldest + log->n_segments &&
                   wal->first == *expected;
    if (!follows && wal->first > log->tree->size) {
        return missing_entries(err, wal->number - 1,
                               log->n_segments > 0 ? *expected : log->tree->size, wal->first);
    }
    if (!follows) { /* those before it were not needed any more, and not all are gone */
        log->n_segments = 0;
        log->oldest = wal->number;
    }
    if (log->n_segments == TI_LOG_SEGMENTS) {
        return ti_fail(err, TERN_LIMIT, "log", TI_NO_OFFSET, "more than %d files in 'wal'",
                       TI_LOG_SEGMENTS);
    }
    log->segment_first[log->n_segments++] = wal->first;
    *expected = next;
    return TERN_OK;
}

static tern_status read_segments(ti_log *log, const uint64_t *numbers, size_t n, uint64_t *next,
                                 uint64_t *torn, tern_err *err)
{
    uint64_t expected = 0;
    for (size_t i = 0; i < n; i++) {
        ti_wal wal;
        TI_TRY(ti_wal_scan(&wal, &log->wal_at, numbers[i], keep_record, log, next, torn, err));
        if (log->wal.file >= 0) {
            (void)log->io->close(log->io->user, log->wal.file);
        }
        log->wal = wal;
        TI_TRY(add_segment(log, &wal, &expected, *next, err));
    }
    return TERN_OK;
}

static tern_status recover_wal(ti_log *log, uint64_t *torn, tern_err *err)
{
    uint64_t *numbers = NULL, next = 0;
    size_t n = 0;
    TI_TRY(ti_wal_list(&numbers, &n, &log->wal_at, err));
    tern_status status = n == 0 ? ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                                          "'%s' is empty", ti_log_name(&log->wal_at, "wal"))
                                : read_segments(log, numbers, n, &next, torn, err);
    for (size_t i = 0; i < n && status == TERN_OK && numbers[i] < log->oldest; i++) {
        const char *path = ti_log_name(&log->wal_at, "wal/%010" PRIu64, numbers[i]);
        (void)log->io->unlink(log->io->user, path);
    }
    free(numbers);
    TI_TRY(status);
    if (next < log->tree->size) {
        return ti_fail(err, TERN_CORRUPT, "log", log->wal.end,
                       "'wal/%010" PRIu64 "' is damaged or cut: it ends before entry %" PRIu64
                       ", and %" PRIu64 " were in it",
                       log->wal.number, next, log->tree->size);
    }
    log->durable = log->next = next;
    return TERN_OK;
}

static tern_status cut_tail(ti_log *log, tern_err *err)
{
    int r = log->io->truncate(log->io->user, log->wal.file, log->wal.end);
    if (r >= 0) {
        r = log->io->sync(log->io->user, log->wal.file);
    }
    return r < 0 ? ti_log_failed(err, r, "cut",
                                 ti_log_name(&log->wal_at, "wal/%010" PRIu64, log->wal.number))
                 : TERN_OK;
}

/* A new file of the WAL when the old one would be long to read at the next opening.
 *
 * Entries that are only in the WAL are written again, into that file.  What was read may be
 * what a sync had failed to write: it is in memory, counts as clean, and no other sync would
 * write it (https://wiki.postgresql.org/wiki/Fsync_Errors). */
static tern_status rewrite_wal(ti_log *log, tern_err *err)
{
    uint64_t most =
        log->opts.segment_bytes < REWRITE_BYTES ? log->opts.segment_bytes : REWRITE_BYTES;
    if (!log->first && log->wal.end < most) {
        return TERN_OK;
    }
    if (log->n_segments == TI_LOG_SEGMENTS) {
        return ti_fail(err, TERN_LIMIT, "log", TI_NO_OFFSET, "more than %d files in 'wal'",
                       TI_LOG_SEGMENTS);
    }
    uint64_t first = log->first ? log->first->first : log->durable;
    TI_TRY(ti_wal_begin(&log->wal, &log->wal_at, log->wal.number + 1, first, log->first, err));
    log->segment_first[log->n_segments++] = first;
    return TERN_OK;
}

/* --- what was signed ------------------------------------------------------------------------
 */

static tern_status root_at(ti_hash *out, ti_log *log, uint64_t size, tern_err *err)
{
    ti_tiles *tiles = malloc(sizeof *tiles);
    if (!tiles) {
        return ti_fail_nomem(err, "log", sizeof *tiles, "tiles");
    }
    ti_tile_source source = {ti_log_tile_source, &log->at};
    ti_tiles_start(tiles, source, log->tree->size);
    ti_nodes nodes = ti_tiles_nodes(tiles);
    tern_status status = ti_merkle_root(out, &nodes, size, err);
    free(tiles);
    return status;
}

/* This log must continue what was signed, or it may not sign. */
static tern_status check_signed(ti_log *log, const char *store, tern_err *err)
{
    const ti_checkpoint *c = &log->signed_at;
    ti_hash root;
    if (c->size > log->durable) {
        return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                       "an old copy: %" PRIu64 " entries were signed, %" PRIu64
                       " are here (lock store '%s')",
                       c->size, log->durable, store);
    }
    if (c->size > log->tree->size) {
        return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                       "state/tree is older than what was signed: %" PRIu64
                       " entries, not %" PRIu64,
                       log->tree->size, c->size);
    }
    TI_TRY(root_at(&root, log, c->size, err));
    if (!ti_hash_equal(&root, &c->root)) {
        return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                       "another history: the tree of %" PRIu64
                       " entries that was signed is not this one (lock store '%s')",
                       c->size, store);
    }
    return TERN_OK;
}

static tern_status check_published(ti_log *log, tern_err *err)
{
    ti_checkpoint c;
    ti_buf note = {0};
    bool missing;
    const char *path = ti_log_name(&log->at, "checkpoint");
    tern_status status =
        ti_log_read_signed(&c, &note, log->io, path, &log->signer.pub, &missing, err);
    ti_buf_free(&note);
    TI_TRY(status);
    log->published = UINT64_MAX; /* so that publishing does something */
    if (missing) {
        return TERN_OK;
    }
    if (c.size > log->signed_at.size ||
        (c.size == log->signed_at.size && !ti_hash_equal(&c.root, &log->signed_at.root))) {
        return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                       "'%s' is not what the lock store has signed", path);
    }
    log->published = c.size;
    return TERN_OK;
}

static tern_status open_store(ti_log *log, tern_err *err)
{
    bool missing;
    TI_TRY(ti_log_store_open(&log->store, &log->at, &log->opts, err));
    ti_log_store_name(log->store_name, log->signer.pub.name);
    const char *path = ti_log_name(&log->store, "%s.lock", log->store_name);
    TI_TRY(ti_log_take_lock(&log->store_lock, log->io, path, err));
    TI_TRY(settle_names(log, err));
    path = ti_log_name(&log->store, "%s", log->store_name);
    TI_TRY(ti_log_read_signed(&log->signed_at, &log->signed_note, log->io, path,
                              &log->signer.pub, &missing, err));
    return missing ? ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                             "the lock store '%s' does not know this log", path)
                   : TERN_OK;
}

static tern_status load_tree(ti_log *log, tern_err *err)
{
    ti_buf text = {0};
    ti_frontier frontier;
    log->tree = calloc(1, sizeof *log->tree);
    log->scratch = calloc(1, sizeof *log->scratch);
    if (!log->tree || !log->scratch) {
        return ti_fail_nomem(err, "log", sizeof *log->tree, "the tree's edge");
    }
    const char *path = ti_log_name(&log->at, "state/tree");
    tern_status status = ti_log_read(&text, log->io, path, TI_LOG_FILE_MAX, NULL, err);
    if (status == TERN_OK) {
        status = ti_log_state_read(&frontier, text.data ? text.data : "", text.len, err);
    }
    ti_buf_free(&text);
    TI_TRY(status);
    return ti_log_tree_load(log->tree, &log->at, &frontier, err);
}

static tern_status recover(ti_log *log, tern_err *err)
{
    uint64_t torn = 0;
    TI_TRY(ti_log_take_lock(&log->lock, log->io, ti_log_name(&log->at, "state/lock"), err));
    TI_TRY(ti_log_read_key(&log->signer, &log->at, err));
    TI_TRY(open_store(log, err));
    TI_TRY(load_tree(log, err));
    TI_TRY(recover_wal(log, &torn, err));
    TI_TRY(check_signed(log, ti_log_name(&log->store, "%s", log->store_name), err));
    TI_TRY(check_published(log, err));
    const char *tmp = ti_log_name(&log->at, "state/tmp");
    (void)log->io->list(log->io->user, tmp, remove_temporary, log);
    if (torn > 0) {
        TI_TRY(cut_tail(log, err));
    }
    TI_TRY(rewrite_wal(log, err));
    ti_log_settle(log, log->tree->size);
    tern_status status = ti_log_publish(log, err);
    /* Witnesses who do not answer keep nobody from appending. */
    return status == TERN_UNAVAILABLE && log->opts.cosign ? TERN_OK : status;
}

static tern_status open_names(ti_log *log, const char *dir, tern_err *err)
{
    TI_TRY(ti_log_at_open(&log->at, log->io, dir, err));
    TI_TRY(ti_log_at_open(&log->to, log->io, dir, err));
    return ti_log_at_open(&log->wal_at, log->io, dir, err);
}

tern_status ti_log_open(ti_log **out, const char *dir, const ti_log_opts *opts, tern_err *err)
{
    ti_log *log = calloc(1, sizeof *log);
    if (!log) {
        return ti_fail_nomem(err, "log", sizeof *log, "a log");
    }
    log->magic = TI_LOG_MAGIC;
    log->opts = opts ? *opts : (ti_log_opts){0};
    log->io = log->opts.io ? log->opts.io : ti_log_io_system();
    log->opts.segment_bytes = log->opts.segment_bytes ? log->opts.segment_bytes : SEGMENT_BYTES;
    log->opts.pending_bytes = log->opts.pending_bytes ? log->opts.pending_bytes : PENDING_BYTES;
    log->lock = log->store_lock = log->wal.file = -1;
    (void)pthread_mutex_init(&log->mutex, NULL); /* with NULL, glibc's and musl's cannot fail */
    (void)pthread_mutex_init(&log->publishing, NULL);
    (void)pthread_cond_init(&log->changed, NULL);
    tern_status status = open_names(log, dir, err);
    if (status == TERN_OK) {
        status = recover(log, err);
    }
    if (status != TERN_OK) {
        ti_log_close(log);
        return status;
    }
    *out = log;
    return TERN_OK;
}

static void free_tree(ti_log_tree *tree)
{
    if (tree) {
        ti_buf_free(&tree->bundle);
        free(tree);
    }
}

void ti_log_close(ti_log *log)
{
    if (!log) {
        return;
    }
    TI_ASSERT(log->magic == TI_LOG_MAGIC && !log->leading);
    int files[] = {log->wal.file, log->store_lock, log->lock};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] >= 0) {
            (void)log->io->close(log->io->user, files[i]);
        }
    }
    free_chunks(log->first);
    free_chunks(log->queue);
    free_tree(log->tree);
    free_tree(log->scratch);
    ti_buf_free(&log->signed_note);
    ti_log_at_close(&log->at);
    ti_log_at_close(&log->to);
    ti_log_at_close(&log->wal_at);
    ti_log_at_close(&log->store);
    ti_note_signer_wipe(&log->signer);
    (void)pthread_cond_destroy(&log->changed);
    (void)pthread_mutex_destroy(&log->publishing);
    (void)pthread_mutex_destroy(&log->mutex);
    log->magic = 0;
    free(log);
}
