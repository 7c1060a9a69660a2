/* SPDX-License-Identifier: Apache-2.0 */
/* Entries become bundles and tiles.
 *
 * Files are written under names of their own in state/tmp, synced, and renamed into place;
 * which ones follows from the two sizes alone, so that no list of them is kept. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/log_parts.h"

/* More new files than this are synced by one call for the whole file system, where there is
 * one, instead of one each. */
enum { SYNC_EACH_MAX = 8 };

typedef struct step {
    ti_log *log;
    uint64_t from, to; /* sizes of the tree */
    bool each;         /* every file is synced by itself */
} step;

static uint64_t nodes_at(uint64_t size, int level)
{
    return level == TI_TILE_ENTRIES ? size : size >> (level * TI_TILE_HEIGHT);
}

typedef tern_status (*file_fn)(step *s, ti_tile_id id, tern_err *err);

/* Every file that the tree of s->to entries has and that of s->from has not: bundles first,
 * then tiles bottom-up. */
static tern_status each_file(step *s, file_fn act, tern_err *err)
{
    for (int level = TI_TILE_ENTRIES; level < TI_TILE_LEVELS; level++) {
        uint64_t before = nodes_at(s->from, level), after = nodes_at(s->to, level);
        for (uint64_t i = before / TI_TILE_WIDTH; before < after && i * TI_TILE_WIDTH < after;
             i++) {
            uint32_t width = ti_tile_width(level, i, s->to);
            TI_TRY(act(s, (ti_tile_id){level, i, width}, err));
        }
    }
    return TERN_OK;
}

static uint64_t count_files(uint64_t from, uint64_t to)
{
    uint64_t n = 0;
    for (int level = TI_TILE_ENTRIES; level < TI_TILE_LEVELS; level++) {
        uint64_t before = nodes_at(from, level), after = nodes_at(to, level);
        if (before < after) {
            n += (after + TI_TILE_WIDTH - 1) / TI_TILE_WIDTH - before / TI_TILE_WIDTH;
        }
    }
    return n;
}

/* "state/tmp/e-INDEX" or "state/tmp/LEVEL-INDEX" */
static const char *temporary(ti_log *log, ti_tile_id id)
{
    char level = (char)(id.level == TI_TILE_ENTRIES ? 'e' : '0' + id.level);
    return ti_log_name(&log->at, "state/tmp/%c-%" PRIu64, level, id.index);
}

static tern_status put(step *s, ti_tile_id id, const void *bytes, size_t len, tern_err *err)
{
    const ti_log_io *io = s->log->io;
    const char *path = temporary(s->log, id);
    int file = io->open(io->user, path, TI_IO_WRITE | TI_IO_CREATE | TI_IO_EXCL);
    if (file == -EEXIST) { /* of a publication that ran out of memory */
        int r = io->unlink(io->user, path);
        file = r < 0 ? r : io->open(io->user, path, TI_IO_WRITE | TI_IO_CREATE | TI_IO_EXCL);
    }
    if (file < 0) {
        return ti_log_failed(err, file, "create", path);
    }
    int64_t r = io->pwrite(io->user, file, bytes, len, 0);
    if (r >= 0 && s->each) {
        r = io->sync(io->user, file);
    }
    int closed = io->close(io->user, file);
    r = r < 0 ? r : closed;
    return r < 0 ? ti_log_failed(err, r, "write", path) : TERN_OK;
}

static tern_status put_tile(step *s, int level, uint64_t index, const ti_hash *hashes,
                            uint32_t width, tern_err *err)
{
    ti_tile_id id = {level, index, width};
    return put(s, id, hashes, (size_t)width * TI_HASH_BYTES, err);
}

/* Adds the entries of one chunk that are not yet in the tree to bundles, and their hashes to
 * leaves[0..]. */
static tern_status add_entries(step *s, ti_log_tree *tree, const ti_log_chunk *chunk,
                               ti_hash *leaves, tern_err *err)
{
    const unsigned char *b = (const unsigned char *)chunk->body.data + TI_WAL_RECORD_HEAD;
    for (uint64_t index = chunk->first; index < chunk->first + chunk->count; index++) {
        size_t len = (size_t)b[0] << 8 | b[1];
        if (index >= tree->size) {
            ti_merkle_leaf(&leaves[index - s->from], b + 2, len);
            ti_bundle_add(&tree->bundle, b + 2, len);
            if (tree->bundle.failed) {
                return ti_fail_nomem(err, "log", len, "a bundle");
            }
            tree->size++;
            if (tree->size % TI_TILE_WIDTH == 0) {
                ti_tile_id id = {TI_TILE_ENTRIES, index / TI_TILE_WIDTH, TI_TILE_WIDTH};
                TI_TRY(put(s, id, tree->bundle.data, tree->bundle.len, err));
                ti_buf_clear(&tree->bundle);
            }
        }
        b += 2 + len;
    }
    return TERN_OK;
}

/* Adds n hashes to the edge of a level, writes its tiles, and leaves the roots of the full ones
 * in hashes[0..*n). */
static tern_status add_level(step *s, ti_log_tree *tree, int level, ti_hash *hashes, size_t *n,
                             tern_err *err)
{
    ti_hash *edge = tree->edge[level], under[TI_TILE_WIDTH];
    uint32_t width = ti_log_edge_width(s->from, level);
    uint64_t index = nodes_at(s->from, level) / TI_TILE_WIDTH;
    size_t roots = 0;
    for (size_t done = 0; done < *n;) {
        size_t take = TI_TILE_WIDTH - width;
        take = take < *n - done ? take : *n - done;
        memcpy(edge + width, hashes + done, take * sizeof *edge);
        width += (uint32_t)take;
        done += take;
        if (width == TI_TILE_WIDTH) {
            TI_TRY(put_tile(s, level, index++, edge, width, err));
            memcpy(under, edge, sizeof under);
            ti_merkle_fold(&hashes[roots++], under, TI_TILE_WIDTH); /* roots < done */
            width = 0;
        }
    }
    if (*n > 0 && width > 0) {
        TI_TRY(put_tile(s, level, index, edge, width, err));
    }
    *n = roots;
    return TERN_OK;
}

static tern_status write_all(step *s, ti_log_tree *tree, ti_hash *hashes, tern_err *err)
{
    /* Chunks up to s->to are there and complete: only this thread removes any. */
    pthread_mutex_lock(&s->log->mutex);
    const ti_log_chunk *chunk = s->log->first;
    pthread_mutex_unlock(&s->log->mutex);
    while (tree->size < s->to) {
        TI_ASSERT(chunk && chunk->first <= tree->size);
        TI_TRY(add_entries(s, tree, chunk, hashes, err));
        if (tree->size < s->to) {
            pthread_mutex_lock(&s->log->mutex); /* the newest one's `next` may be being set */
            chunk = chunk->next;
            pthread_mutex_unlock(&s->log->mutex);
        }
    }
    TI_ASSERT(tree->size == s->to);
    uint32_t width = ti_log_edge_width(s->to, 0);
    if (width > 0) {
        ti_tile_id id = {TI_TILE_ENTRIES, s->to / TI_TILE_WIDTH, width};
        TI_TRY(put(s, id, tree->bundle.data, tree->bundle.len, err));
    }
    size_t n = (size_t)(s->to - s->from);
    for (int level = 0; level < TI_TILE_LEVELS && n > 0; level++) {
        TI_TRY(add_level(s, tree, level, hashes, &n, err));
    }
    return TERN_OK;
}

/* Length of the path up to its last '/'. */
static size_t parent_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

/* Renames one file into place; makes the directories it needs. */
static tern_status place(step *s, ti_tile_id id, tern_err *err)
{
    const ti_log_io *io = s->log->io;
    char name[TI_TILE_PATH];
    ti_log_at *to = &s->log->to;
    (void)ti_tile_path(name, id);
    const char *from = temporary(s->log, id), *path = ti_log_name(to, "%s", name);
    int r = io->rename(io->user, from, path);
    if (r == -ENOENT) {
        size_t len = parent_len(path);
        to->text[len] = '\0';
        TI_TRY(ti_log_make_dirs(io, to->text, false, false, err));
        to->text[len] = '/';
        r = io->rename(io->user, from, path);
    }
    return r < 0 ? ti_log_failed(err, r, "write", path) : TERN_OK;
}

/* Makes the names above one file durable: its directory and those up to DIR/tile. */
static tern_status sync_above(step *s, ti_tile_id id, tern_err *err)
{
    const ti_log_io *io = s->log->io;
    ti_log_at *at = &s->log->to;
    char name[TI_TILE_PATH];
    (void)ti_tile_path(name, id);
    (void)ti_log_name(at, "%s", name);
    for (size_t len = parent_len(at->text); len > at->base; len = parent_len(at->text)) {
        at->text[len] = '\0';
        int r = io->sync_dir(io->user, at->text);
        if (r < 0) {
            return ti_log_failed(err, r, "sync", at->text);
        }
    }
    return TERN_OK;
}

static tern_status sync_everything(step *s, tern_err *err)
{
    const char *path = ti_log_name(&s->log->at, "%s", "");
    int r = s->log->io->sync_all(s->log->io->user, path);
    return r < 0 ? ti_log_failed(err, r, "sync", path) : TERN_OK;
}

typedef struct sweep {
    ti_log *log;
    char dir[TI_TILE_PATH];
} sweep;

static void remove_one(void *to, const char *name, int is_dir)
{
    const sweep *s = to;
    if (!is_dir && strlen(name) < 8) {
        const char *path = ti_log_name(&s->log->at, "%s/%s", s->dir, name);
        (void)s->log->io->unlink(s->log->io->user, path);
    }
}

/* The partial files of a tile that has become full are not needed any more.  That they could
 * not be removed is no failure: they are right, only superfluous. */
static void remove_partials(step *s)
{
    sweep sw = {.log = s->log};
    for (int level = TI_TILE_ENTRIES; level < TI_TILE_LEVELS; level++) {
        uint64_t before = nodes_at(s->from, level), after = nodes_at(s->to, level);
        uint64_t index = before / TI_TILE_WIDTH;
        if (before % TI_TILE_WIDTH == 0 || index == after / TI_TILE_WIDTH) {
            continue;
        }
        (void)ti_tile_path(sw.dir, (ti_tile_id){level, index, 1});
        sw.dir[parent_len(sw.dir)] = '\0';
        const char *path = ti_log_name(&s->log->to, "%s", sw.dir);
        (void)s->log->io->list(s->log->io->user, path, remove_one, &sw);
        (void)s->log->io->rmdir(s->log->io->user, path);
    }
}

/* Steps 2 and 3 of the order in log.h. */
static tern_status make_durable(step *s, const ti_log_tree *tree, tern_err *err)
{
    ti_frontier frontier;
    ti_buf state = {0};
    if (!s->each) {
        TI_TRY(sync_everything(s, err));
    }
    TI_TRY(each_file(s, place, err));
    TI_TRY(s->each ? each_file(s, sync_above, err) : sync_everything(s, err));
    ti_log_tree_frontier(&frontier, tree);
    ti_log_state_write(&state, &frontier);
    tern_status status = state.failed ? ti_fail_nomem(err, "log", 1, "state/tree")
                                      : ti_log_replace(&s->log->at, "state/tree", state.data,
                                                       state.len, false, err);
    ti_buf_free(&state);
    return status;
}

tern_status ti_log_integrate(ti_log *log, uint64_t size, tern_err *err)
{
    ti_log_tree *tree = log->scratch;
    step s = {.log = log, .from = log->tree->size, .to = size};
    if (size == s.from) {
        return TERN_OK;
    }
    s.each = !log->io->sync_all || count_files(s.from, s.to) <= SYNC_EACH_MAX;
    ti_hash *hashes = calloc((size_t)(size - s.from), sizeof *hashes);
    if (!hashes) {
        return ti_fail_nomem(err, "log", (size - s.from) * sizeof *hashes, "hashes");
    }
    tree->size = s.from;
    memcpy(tree->edge, log->tree->edge, sizeof tree->edge);
    ti_buf_clear(&tree->bundle);
    tree->bundle.failed = false;
    ti_buf_add(&tree->bundle, log->tree->bundle.data, log->tree->bundle.len);
    tern_status status = tree->bundle.failed
                             ? ti_fail_nomem(err, "log", log->tree->bundle.len, "a bundle")
                             : write_all(&s, tree, hashes, err);
    free(hashes);
    TI_TRY(status);
    TI_TRY(make_durable(&s, tree, err));
    log->scratch = log->tree;
    log->tree = tree;
    remove_partials(&s);
    return TERN_OK;
}
