/* SPDX-License-Identifier: Apache-2.0 */
/* Appending and publishing.
 *
 * Group commit: who finds nobody writing the WAL takes the whole queue, writes it as one
 * record, syncs once, and wakes those whose entries were in it; meanwhile the next queue fills.
 */
#include <stdlib.h>
#include <string.h>

#include "ledger/log_parts.h"

static tern_status dead(const ti_log *log, tern_err *err)
{
    return ti_fail(err, log->why.status, "log", TI_NO_OFFSET,
                   "not usable any more, open it again: %s", log->why.message);
}

tern_status ti_log_die(ti_log *log, const tern_err *why)
{
    pthread_mutex_lock(&log->mutex);
    if (!log->dead) {
        log->dead = true;
        log->why = *why;
    }
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->mutex);
    return why->status;
}

/* A new segment when the open one is large; the old ones stay until they are not needed. */
static tern_status maybe_rotate(ti_log *log, uint64_t first, tern_err *err)
{
    if (log->wal.end < log->opts.segment_bytes) {
        return TERN_OK;
    }
    pthread_mutex_lock(&log->mutex);
    bool room = log->n_segments < TI_LOG_SEGMENTS;
    pthread_mutex_unlock(&log->mutex);
    if (!room) {
        return TERN_OK;
    }
    TI_TRY(ti_wal_begin(&log->wal, &log->wal_at, log->wal.number + 1, first, NULL, err));
    pthread_mutex_lock(&log->mutex);
    log->segment_first[log->n_segments++] = first;
    pthread_mutex_unlock(&log->mutex);
    return TERN_OK;
}

/* Writes the queue.  Called, and returns, with the mutex held. */
static void lead(ti_log *log)
{
    tern_err why = {0};
    ti_log_chunk *chunk = log->queue;
    log->queue = NULL;
    log->leading = true;
    pthread_mutex_unlock(&log->mutex);
    tern_status status = maybe_rotate(log, chunk->first, &why);
    if (status == TERN_OK) {
        status = ti_wal_write(&log->wal, &log->wal_at, chunk, &why);
    }
    if (status != TERN_OK) {
        ti_log_chunk_free(chunk);
        (void)ti_log_die(log, &why);
    }
    pthread_mutex_lock(&log->mutex);
    if (status == TERN_OK) {
        log->durable = chunk->first + chunk->count;
        if (log->last) {
            log->last->next = chunk;
        } else {
            log->first = chunk;
        }
        log->last = chunk;
    }
    log->leading = false;
    pthread_cond_broadcast(&log->changed);
}

/* Puts an entry into the queue, with the mutex held.  On failure the queue is as it was. */
static tern_status enqueue(ti_log *log, const void *entry, size_t len, uint64_t *index,
                           tern_err *err)
{
    if (log->dead) {
        return dead(log, err);
    }
    if (log->next + 1 >= TI_TREE_SIZE_MAX) {
        return ti_fail(err, TERN_LIMIT, "log", TI_NO_OFFSET, "the log is full");
    }
    if (!log->queue) {
        log->queue = ti_log_chunk_new(log->next);
    }
    ti_log_chunk *chunk = log->queue;
    if (!chunk) {
        return ti_fail_nomem(err, "log", len, "an entry");
    }
    size_t before = chunk->body.len;
    ti_bundle_add(&chunk->body, entry, len);
    if (chunk->body.failed) {
        chunk->body.failed = false;
        chunk->body.len = before;
        if (chunk->count == 0) {
            ti_log_chunk_free(chunk);
            log->queue = NULL;
        }
        return ti_fail_nomem(err, "log", len, "an entry");
    }
    chunk->count++;
    log->pending += len + 2;
    *index = log->next++;
    return TERN_OK;
}

tern_status ti_log_submit(ti_log *log, const void *entry, size_t len, uint64_t *index,
                          tern_err *err)
{
    TI_ASSERT(log->magic == TI_LOG_MAGIC);
    if (len > TI_ENTRY_MAX) {
        return ti_fail(err, TERN_LIMIT, "log", TI_NO_OFFSET,
                       "an entry of %zu bytes; the limit is %d", len, TI_ENTRY_MAX);
    }
    pthread_mutex_lock(&log->mutex);
    bool full = log->pending > log->opts.pending_bytes && !log->dead;
    uint64_t last = log->next - 1; /* there is one when entries are pending */
    pthread_mutex_unlock(&log->mutex);
    if (full) {
        TI_TRY(ti_log_wait(log, last, err));
        TI_TRY(ti_log_publish(log, err));
    }
    pthread_mutex_lock(&log->mutex);
    tern_status status = enqueue(log, entry, len, index, err);
    pthread_mutex_unlock(&log->mutex);
    return status;
}

tern_status ti_log_wait(ti_log *log, uint64_t index, tern_err *err)
{
    tern_status status = TERN_OK;
    TI_ASSERT(log->magic == TI_LOG_MAGIC);
    pthread_mutex_lock(&log->mutex);
    if (index >= log->next) {
        status = ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET, "nothing was submitted as %llu",
                         (unsigned long long)index);
    }
    while (status == TERN_OK && log->durable <= index) {
        if (log->dead) {
            status = dead(log, err);
        } else if (log->leading) {
            pthread_cond_wait(&log->changed, &log->mutex);
        } else {
            lead(log);
        }
    }
    pthread_mutex_unlock(&log->mutex);
    return status;
}

tern_status ti_log_append(ti_log *log, const void *entry, size_t len, uint64_t *index,
                          tern_err *err)
{
    uint64_t at = 0;
    TI_TRY(ti_log_submit(log, entry, len, &at, err));
    TI_TRY(ti_log_wait(log, at, err));
    *index = at;
    return TERN_OK;
}

/* Removes segments whose entries are all in tiles.  That one could not be removed is no
 * failure: it will be found superfluous at the next opening. */
static void drop_segments(ti_log *log, uint64_t size)
{
    for (;;) {
        pthread_mutex_lock(&log->mutex);
        bool drop = log->n_segments > 1 && log->segment_first[1] <= size;
        uint64_t number = log->oldest;
        if (drop) {
            log->n_segments--;
            log->oldest++;
            memmove(log->segment_first, log->segment_first + 1,
                    log->n_segments * sizeof log->segment_first[0]);
        }
        pthread_mutex_unlock(&log->mutex);
        if (!drop) {
            return;
        }
        (void)log->io->unlink(log->io->user,
                              ti_log_name(&log->at, "wal/%010llu", (unsigned long long)number));
    }
}

void ti_log_settle(ti_log *log, uint64_t size)
{
    ti_log_chunk *done = NULL;
    pthread_mutex_lock(&log->mutex);
    while (log->first && log->first->first + log->first->count <= size) {
        ti_log_chunk *chunk = log->first;
        log->first = chunk->next;
        log->last = log->first ? log->last : NULL;
        log->pending -= chunk->body.len - TI_WAL_RECORD_HEAD;
        chunk->next = done;
        done = chunk;
    }
    pthread_mutex_unlock(&log->mutex);
    while (done) {
        ti_log_chunk *next = done->next;
        ti_log_chunk_free(done);
        done = next;
    }
    drop_segments(log, size);
}

/* The lock store must hold what this handle put there: nobody else signs for this origin. */
static tern_status check_store(ti_log *log, tern_err *err)
{
    ti_buf now = {0};
    const char *path = ti_log_name(&log->store, "%s", log->store_name);
    tern_status status = ti_log_read(&now, log->io, path, TI_LOG_FILE_MAX, NULL, err);
    if (status == TERN_OK && (now.len != log->signed_note.len ||
                              memcmp(now.data, log->signed_note.data, now.len) != 0)) {
        status = ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                         "somebody else has signed for this log: '%s' has changed", path);
    }
    ti_buf_free(&now);
    return status;
}

/* Publishes what was signed last, with what the witnesses say of it. */
static tern_status put_checkpoint(ti_log *log, tern_err *err)
{
    ti_buf public = {0};
    ti_buf_add(&public, log->signed_note.data, log->signed_note.len);
    tern_status status = public.failed ? ti_fail_nomem(err, "log", 1, "a checkpoint") : TERN_OK;
    if (status == TERN_OK && log->opts.cosign) {
        const char *end = strstr(log->signed_note.data, "\n\n");
        ti_str text = {log->signed_note.data, (size_t)(end + 1 - log->signed_note.data)};
        status = log->opts.cosign(log->opts.cosign_user, log, &public, text, err);
        if (status != TERN_OK && status != TERN_NOMEM) {
            status = TERN_UNAVAILABLE; /* not fatal: nothing of ours has failed */
        }
    }
    if (status == TERN_OK) {
        status = ti_log_replace(&log->at, "checkpoint", public.data, public.len, false, err);
    }
    ti_buf_free(&public);
    return status;
}

/* Steps 4 to 6 of the order in log.h. */
static tern_status sign_and_publish(ti_log *log, const ti_checkpoint *head, ti_buf *note,
                                    tern_err *err)
{
    TI_ASSERT(head->size >= log->signed_at.size);
    if (head->size > log->signed_at.size) {
        TI_TRY(check_store(log, err));
        TI_TRY(ti_log_replace(&log->store, log->store_name, note->data, note->len, false, err));
        ti_buf swap = log->signed_note;
        log->signed_note = *note;
        *note = swap;
        log->signed_at = *head;
    }
    return put_checkpoint(log, err);
}

tern_status ti_log_growth(ti_log *log, ti_proof *out, uint64_t size, tern_err *err)
{
    ti_tiles *tiles = malloc(sizeof *tiles);
    if (!tiles) {
        return ti_fail_nomem(err, "log", sizeof *tiles, "tiles");
    }
    ti_tile_source source = {ti_log_tile_source, &log->at};
    ti_tiles_start(tiles, source, log->tree->size);
    ti_nodes nodes = ti_tiles_nodes(tiles);
    tern_status status =
        ti_merkle_consistency(out, &nodes, NULL, size, log->signed_at.size, err);
    free(tiles);
    return status;
}

/* Everything that publication does, with log->publishing held. */
static tern_status publish(ti_log *log, uint64_t size, tern_err *err)
{
    ti_checkpoint head = {0};
    ti_frontier frontier;
    ti_buf note = {0};
    TI_TRY(ti_log_integrate(log, size, err));
    ti_log_settle(log, size);
    ti_log_tree_frontier(&frontier, log->tree);
    memcpy(head.origin, log->signer.pub.name, sizeof head.origin);
    head.size = frontier.n;
    ti_frontier_root(&frontier, &head.root);
    tern_status status = ti_checkpoint_sign(&note, &head, &log->signer, err);
    if (status == TERN_OK) {
        status = sign_and_publish(log, &head, &note, err);
    }
    ti_buf_free(&note);
    return status;
}

/* Notes what became of a publication up to `size`. */
static tern_status published(ti_log *log, tern_status status, uint64_t size,
                             const tern_err *why)
{
    if (status == TERN_OK) {
        pthread_mutex_lock(&log->mutex);
        log->published = size;
        pthread_mutex_unlock(&log->mutex);
    } else if (status == TERN_IO || status == TERN_NO) {
        (void)ti_log_die(log, why);
    }
    return status;
}

tern_status ti_log_publish(ti_log *log, tern_err *err)
{
    tern_err why = {0};
    TI_ASSERT(log->magic == TI_LOG_MAGIC);
    pthread_mutex_lock(&log->publishing);
    pthread_mutex_lock(&log->mutex);
    tern_status status = log->dead ? dead(log, &why) : TERN_OK;
    uint64_t size = log->durable;
    bool old = size == log->published;
    pthread_mutex_unlock(&log->mutex);
    if (status == TERN_OK && !old) {
        status = published(log, publish(log, size, &why), size, &why);
    }
    pthread_mutex_unlock(&log->publishing);
    if (status != TERN_OK && err) {
        *err = why;
    }
    return status;
}

tern_status ti_log_cosign(ti_log *log, tern_err *err)
{
    tern_err why = {0};
    TI_ASSERT(log->magic == TI_LOG_MAGIC);
    pthread_mutex_lock(&log->publishing);
    pthread_mutex_lock(&log->mutex);
    tern_status status = log->dead ? dead(log, &why) : TERN_OK;
    pthread_mutex_unlock(&log->mutex);
    if (status == TERN_OK) {
        status = published(log, put_checkpoint(log, &why), log->signed_at.size, &why);
    }
    pthread_mutex_unlock(&log->publishing);
    if (status != TERN_OK && err) {
        *err = why;
    }
    return status;
}

uint64_t ti_log_durable(ti_log *log)
{
    pthread_mutex_lock(&log->mutex);
    uint64_t n = log->durable;
    pthread_mutex_unlock(&log->mutex);
    return n;
}

uint64_t ti_log_published(ti_log *log)
{
    pthread_mutex_lock(&log->mutex);
    uint64_t n = log->published == UINT64_MAX ? 0 : log->published; /* no checkpoint yet */
    pthread_mutex_unlock(&log->mutex);
    return n;
}

const ti_note_key *ti_log_key(const ti_log *log)
{
    return &log->signer.pub;
}
