/* SPDX-License-Identifier: Apache-2.0 */
/* Checking everything again, from the entries up. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/log_parts.h"

typedef struct fsck {
    ti_log_at at, to, store;
    ti_log_fault_fn fault;
    void *user;
    ti_log_fsck_report *report;
    ti_log_tree *tree; /* recomputed */
    ti_frontier stated;
    ti_checkpoint signed_at, published;
    bool has_signed, has_published;
    uint64_t wal_next;
    char names[TI_TILE_PATH]; /* directory that is being walked */
    tern_status status;       /* of the walk */
    tern_err *err;
} fsck;

static void fault(fsck *f, const char *file, const char *what)
{
    f->report->faults++;
    if (f->fault) {
        f->fault(f->user, file, what);
    }
}

/* A damaged file is a fault and no failure; running out of memory, or a disk that does not
 * answer, is a failure. */
static tern_status note_fault(fsck *f, const char *file, tern_status status,
                              const tern_err *why)
{
    if (status == TERN_OK || status == TERN_NOMEM) {
        return status;
    }
    fault(f, file, why->message);
    return TERN_OK;
}

static tern_status out_of_memory(fsck *f, tern_status status, const tern_err *why)
{
    if (f->err && status != TERN_OK) {
        *f->err = *why;
    }
    return status;
}

/* Compares a tile's file with what it must hold. */
static tern_status compare_tile(fsck *f, ti_tile_id id, const ti_hash *want)
{
    char name[TI_TILE_PATH];
    ti_buf bytes = {0};
    tern_err why = {0};
    size_t len = (size_t)id.width * TI_HASH_BYTES;
    ti_tile_path(name, id);
    const char *path = ti_log_name(&f->at, "%s", name);
    tern_status status = ti_log_read(&bytes, f->at.io, path, TI_TILE_BYTES, NULL, &why);
    status = note_fault(f, name, status, &why);
    if (status == TERN_OK && bytes.data &&
        (bytes.len != len || memcmp(bytes.data, want, len) != 0)) {
        fault(f, name, "it does not hold the hashes of what is below it");
    }
    f->report->files++;
    f->report->bytes += bytes.len;
    ti_buf_free(&bytes);
    return out_of_memory(f, status, &why);
}

/* Puts hash into level 0 of the edge; full tiles are compared and their roots go up. */
static tern_status add_leaf(fsck *f, const ti_hash *leaf)
{
    ti_log_tree *t = f->tree;
    ti_hash carry = *leaf, under[TI_TILE_WIDTH];
    uint64_t index = t->size++;
    for (int level = 0; level < TI_TILE_LEVELS; level++) {
        uint32_t at = (uint32_t)(index % TI_TILE_WIDTH);
        t->edge[level][at] = carry;
        if (at + 1 < TI_TILE_WIDTH) {
            break;
        }
        index /= TI_TILE_WIDTH;
        TI_TRY(compare_tile(f, (ti_tile_id){level, index, TI_TILE_WIDTH}, t->edge[level]));
        memcpy(under, t->edge[level], sizeof under);
        ti_merkle_fold(&carry, under, TI_TILE_WIDTH);
    }
    return TERN_OK;
}

/* When the recomputed tree has the size of a signed one, it must have its root. */
static void compare_heads(fsck *f)
{
    ti_frontier frontier;
    ti_hash root;
    bool signed_here = f->has_signed && f->signed_at.size == f->tree->size;
    bool published_here = f->has_published && f->published.size == f->tree->size;
    bool stated_here = f->stated.n == f->tree->size;
    if (!signed_here && !published_here && !stated_here) {
        return;
    }
    ti_log_tree_frontier(&frontier, f->tree);
    ti_frontier_root(&frontier, &root);
    if (signed_here && !ti_hash_equal(&root, &f->signed_at.root)) {
        fault(f, "lock store", "it has signed another tree than that of the entries");
    }
    if (published_here && !ti_hash_equal(&root, &f->published.root)) {
        fault(f, "checkpoint", "it is of another tree than that of the entries");
    }
    if (stated_here) {
        ti_frontier_root(&f->stated, &frontier.nodes[0]);
        if (!ti_hash_equal(&root, &frontier.nodes[0])) {
            fault(f, "state/tree", "it is of another tree than that of the entries");
        }
    }
}

/* Entries and tile differ: whether the tile is what is above it, and so the right one. */
static bool tile_is_right(fsck *f, uint64_t index, uint32_t width, const ti_hash *hashes)
{
    ti_hash under[TI_TILE_WIDTH], above[TI_TILE_WIDTH], root;
    memcpy(under, hashes, width * sizeof under[0]);
    if (width == TI_TILE_WIDTH) {
        ti_tile_id id = {1, index / TI_TILE_WIDTH, 0};
        id.width = ti_tile_width(id.level, id.index, f->stated.n);
        ti_merkle_fold(&root, under, TI_TILE_WIDTH);
        return ti_log_tile_source(&f->at, above, id, NULL) == TERN_OK &&
               ti_hash_equal(&root, &above[index % TI_TILE_WIDTH]);
    }
    for (int bit = 0; bit < TI_TILE_HEIGHT; bit++) {
        uint32_t n = 1u << bit;
        if (width & n) {
            uint32_t first = width & ~(2 * n - 1); /* where the larger pieces end */
            ti_merkle_fold(&root, under + first, n);
            if (!ti_hash_equal(&root, &f->stated.nodes[bit])) {
                return false;
            }
        }
    }
    return true;
}

/* Reads the entries of one bundle and puts their hashes into leaves[0..width).  When it is
 * damaged, these are what its tile says, so that the rest can be checked. */
static tern_status read_bundle(fsck *f, ti_buf *bundle, uint64_t index, uint32_t width,
                               ti_hash *leaves)
{
    char name[TI_TILE_PATH];
    ti_str items[TI_TILE_WIDTH];
    ti_hash hashes[TI_TILE_WIDTH] = {{{0}}};
    tern_err why = {0};
    ti_tile_id id = {TI_TILE_ENTRIES, index, width};
    ti_tile_path(name, id);
    ti_buf_clear(bundle);
    const char *path = ti_log_name(&f->at, "%s", name);
    tern_status status = ti_log_read(bundle, f->at.io, path, TI_LOG_BUNDLE_MAX, NULL, &why);
    if (status == TERN_OK) {
        status =
            ti_bundle_read(items, width, bundle->data ? bundle->data : "", bundle->len, &why);
    }
    bool bad = status != TERN_OK;
    TI_TRY(out_of_memory(f, note_fault(f, name, status, &why), &why));
    f->report->files++;
    f->report->bytes += bundle->len;
    /* That it cannot be read is reported by compare_tile(). */
    (void)ti_log_tile_source(&f->at, hashes, (ti_tile_id){0, index, width}, NULL);
    for (uint32_t i = 0; i < width && !bad; i++) {
        ti_merkle_leaf(&leaves[i], items[i].data, items[i].len);
    }
    size_t bytes = width * sizeof leaves[0];
    if (!bad && memcmp(leaves, hashes, bytes) != 0 && tile_is_right(f, index, width, hashes)) {
        fault(f, name, "an entry is not what its hash in the tile says");
        bad = true;
    }
    if (bad) {
        memcpy(leaves, hashes, bytes);
    }
    return TERN_OK;
}

static tern_status check_bundle(fsck *f, ti_buf *bundle, uint64_t index, uint32_t width)
{
    ti_hash leaves[TI_TILE_WIDTH];
    TI_TRY(read_bundle(f, bundle, index, width, leaves));
    for (uint32_t i = 0; i < width; i++) {
        TI_TRY(add_leaf(f, &leaves[i]));
        if (f->tree->size == f->signed_at.size || f->tree->size == f->published.size ||
            f->tree->size == f->stated.n) {
            compare_heads(f);
        }
    }
    f->report->entries += width;
    return TERN_OK;
}

static tern_status check_tree(fsck *f)
{
    ti_buf bundle = {0};
    tern_status status = TERN_OK;
    if (f->stated.n == 0) {
        compare_heads(f);
    }
    for (uint64_t at = 0; at < f->stated.n && status == TERN_OK; at += TI_TILE_WIDTH) {
        uint64_t left = f->stated.n - at;
        status = check_bundle(f, &bundle, at / TI_TILE_WIDTH,
                              left < TI_TILE_WIDTH ? (uint32_t)left : TI_TILE_WIDTH);
    }
    for (int level = 0; level < TI_TILE_LEVELS && status == TERN_OK; level++) {
        uint32_t width = ti_log_edge_width(f->stated.n, level);
        uint64_t index = f->stated.n >> (level * TI_TILE_HEIGHT) >> TI_TILE_HEIGHT;
        if (width > 0) {
            status = compare_tile(f, (ti_tile_id){level, index, width}, f->tree->edge[level]);
        }
    }
    ti_buf_free(&bundle);
    return status;
}

/* --- files that the tree does not need -------------------------------------------------------
 */

/* An older partial file must be the beginning of what is there now. */
static tern_status compare_partial(fsck *f, const char *name, ti_tile_id id)
{
    ti_buf old = {0}, now = {0};
    tern_err why = {0};
    ti_tile_id current = id;
    current.width = ti_tile_width(id.level, id.index, f->stated.n);
    tern_status status = ti_log_read(&old, f->to.io, ti_log_name(&f->to, "%s", name),
                                     TI_LOG_BUNDLE_MAX, NULL, &why);
    if (status == TERN_OK) {
        status = ti_log_read_tile(&now, &f->to, current, &why);
    }
    status = note_fault(f, name, status, &why);
    ti_str items[TI_TILE_WIDTH];
    bool good = true;
    if (now.data) { /* else it has been reported */
        good = old.len <= now.len && memcmp(old.data, now.data, old.len) == 0;
        good =
            good && (id.level == TI_TILE_ENTRIES
                         ? ti_bundle_read(items, id.width, old.data, old.len, NULL) == TERN_OK
                         : old.len == (size_t)id.width * TI_HASH_BYTES);
    }
    if (!good) {
        fault(f, name, "it is not the beginning of the tile that is there now");
    }
    f->report->files++;
    f->report->bytes += old.len;
    ti_buf_free(&old);
    ti_buf_free(&now);
    return out_of_memory(f, status, &why);
}

static void walk(fsck *f);

static void walk_one(void *to, const char *name, int is_dir)
{
    fsck *f = to;
    size_t before = strlen(f->names);
    ti_tile_id id;
    if (f->status != TERN_OK) {
        return;
    }
    int n = snprintf(f->names + before, sizeof f->names - before, "/%s", name);
    bool fits = n >= 0 && (size_t)n < sizeof f->names - before;
    if (fits && is_dir) {
        walk(f);
    } else if (!fits || !ti_tile_path_read(&id, f->names, before + (size_t)n)) {
        fault(f, f->names, "not a file of a log");
    } else {
        uint32_t now = ti_tile_width(id.level, id.index, f->stated.n);
        if (id.width > now && f->wal_next == f->stated.n) {
            fault(f, f->names, "the tree does not reach so far");
        } else if (id.width < now) {
            f->status = compare_partial(f, f->names, id);
        } /* equal: compared from below; beyond: a crash left it, and opening completes it */
    }
    f->names[before] = '\0';
}

static void walk(fsck *f)
{
    /* A name of its own: walk_one() uses the others while this directory is being listed. */
    ti_log_at here;
    ti_log_name(&f->at, "%s", "");
    f->status = ti_log_at_open(&here, f->at.io, f->at.text, f->err);
    if (f->status != TERN_OK) {
        return;
    }
    const char *path = ti_log_name(&here, "%s", f->names);
    int r = here.io->list(here.io->user, path, walk_one, f);
    if (r < 0 && f->status == TERN_OK) {
        fault(f, f->names, "cannot be listed");
    }
    ti_log_at_close(&here);
}

/* --- the WAL ---------------------------------------------------------------------------------
 */

/* Entries that are in tiles too must be the same ones. */
static tern_status check_record(void *user, ti_log_chunk **chunk, tern_err *err)
{
    fsck *f = user;
    const unsigned char *b = (const unsigned char *)(*chunk)->body.data + TI_WAL_RECORD_HEAD;
    ti_hash leaf, hashes[TI_TILE_WIDTH];
    uint64_t loaded = UINT64_MAX, first = (*chunk)->first;
    for (uint64_t i = first; i < first + (*chunk)->count && i < f->stated.n; i++) {
        size_t len = (size_t)b[0] << 8 | b[1];
        ti_tile_id id = {0, i / TI_TILE_WIDTH, 0};
        if (id.index != loaded) {
            id.width = ti_tile_width(0, id.index, f->stated.n);
            if (ti_log_tile_source(&f->to, hashes, id, NULL) != TERN_OK) {
                return TERN_OK; /* reported */
            }
            loaded = id.index;
        }
        ti_merkle_leaf(&leaf, b + 2, len);
        if (!ti_hash_equal(&leaf, &hashes[i % TI_TILE_WIDTH])) {
            return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                           "entry %" PRIu64 " is another one than in the tiles", i);
        }
        b += 2 + len;
    }
    return TERN_OK;
}

static tern_status check_segment(fsck *f, uint64_t number, uint64_t *next)
{
    char name[64], what[96];
    tern_err why = {0};
    ti_wal wal = {.file = -1};
    uint64_t torn = 0, before = *next;
    snprintf(name, sizeof name, "wal/%010" PRIu64, number);
    tern_status status = ti_wal_scan(&wal, &f->at, number, check_record, f, next, &torn, &why);
    if (status == TERN_OK && torn > 0) {
        snprintf(what, sizeof what,
                 "%" PRIu64 " bytes at offset %" PRIu64 " are no whole record", torn, wal.end);
        fault(f, name, what);
    }
    if (status == TERN_OK && before != UINT64_MAX && wal.first != before) {
        fault(f, name, "it does not begin where the one before it ends");
    }
    f->report->bytes += wal.end;
    f->report->files++;
    if (wal.file >= 0) {
        (void)f->at.io->close(f->at.io->user, wal.file);
    }
    return out_of_memory(f, note_fault(f, name, status, &why), &why);
}

static tern_status check_wal(fsck *f)
{
    uint64_t *numbers = NULL, next = UINT64_MAX;
    size_t n = 0;
    tern_err why = {0};
    tern_status status = ti_wal_list(&numbers, &n, &f->at, &why);
    TI_TRY(out_of_memory(f, note_fault(f, "wal", status, &why), &why));
    if (n == 0) {
        fault(f, "wal", "it is empty");
    }
    status = TERN_OK;
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        status = check_segment(f, numbers[i], &next);
    }
    free(numbers);
    if (n > 0 && (next == UINT64_MAX || next < f->stated.n)) {
        fault(f, "wal", "it ends before the tree does");
    }
    f->wal_next = next;
    return status;
}

/* --- keys, state, what was signed
 * -------------------------------------------------------------- */

static tern_status check_head(fsck *f, ti_checkpoint *out, bool *has, const char *file,
                              const char *path, const ti_note_key *key)
{
    ti_buf note = {0};
    tern_err why = {0};
    tern_status status = ti_log_read_signed(out, &note, f->at.io, path, key, NULL, &why);
    *has = status == TERN_OK;
    ti_buf_free(&note);
    f->report->files++;
    return out_of_memory(f, note_fault(f, file, status, &why), &why);
}

static tern_status check_heads(fsck *f, const ti_log_opts *opts)
{
    ti_note_key key;
    ti_note_signer signer;
    tern_err why = {0};
    char name[2 * TI_HASH_BYTES + 1];
    tern_status status = ti_log_read_vkey(&key, &f->at, &why);
    if (status != TERN_OK) {
        return out_of_memory(f, note_fault(f, "vkey", status, &why), &why);
    }
    status = ti_log_read_key(&signer, &f->at, &why);
    ti_note_signer_wipe(&signer);
    TI_TRY(out_of_memory(f, note_fault(f, "state/key", status, &why), &why));
    TI_TRY(check_head(f, &f->published, &f->has_published, "checkpoint",
                      ti_log_name(&f->at, "checkpoint"), &key));
    status = ti_log_store_open(&f->store, &f->at, opts, &why);
    TI_TRY(out_of_memory(f, note_fault(f, "state/store", status, &why), &why));
    if (status == TERN_OK) {
        ti_log_store_name(name, key.name);
        TI_TRY(check_head(f, &f->signed_at, &f->has_signed, "lock store",
                          ti_log_name(&f->store, "%s", name), &key));
    }
    return TERN_OK;
}

static tern_status check_state(fsck *f)
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
    TI_TRY(out_of_memory(f, note_fault(f, "state/tree", status, &why), &why));
    if (f->has_signed && f->signed_at.size > f->stated.n) {
        fault(f, "state/tree", "more entries were signed than it has");
    }
    if (f->has_signed && f->has_published && f->published.size > f->signed_at.size) {
        fault(f, "checkpoint", "it has more entries than the lock store has signed");
    }
    return TERN_OK;
}

static tern_status check_all(fsck *f, const ti_log_opts *opts)
{
    f->tree = calloc(1, sizeof *f->tree);
    if (!f->tree) {
        return ti_fail_nomem(f->err, "log", sizeof *f->tree, "the tree's edge");
    }
    TI_TRY(check_heads(f, opts));
    TI_TRY(check_state(f));
    TI_TRY(check_tree(f));
    TI_TRY(check_wal(f));
    snprintf(f->names, sizeof f->names, "tile");
    walk(f);
    return f->status;
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
    fsck f = {.fault = fault_fn, .user = user, .report = &found, .err = err};
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
