/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a log.  Nothing that comes from a file is handed on before it was checked against the
 * root that was signed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/log_parts.h"

struct ti_log_view {
    ti_log_at at;
    ti_note_key key;
    ti_checkpoint head;
    ti_buf note;
    ti_frontier edge;
    ti_tiles tiles;
};

/* The frontier that the writer keeps, when it is that of the checkpoint.  Only a short cut:
 * what it is taken for is checked against the root. */
static bool edge_from_state(ti_log_view *view)
{
    ti_buf text = {0};
    ti_frontier f;
    ti_hash root;
    const char *path = ti_log_name(&view->at, "state/tree");
    bool same = ti_log_read(&text, view->at.io, path, TI_LOG_FILE_MAX, NULL, NULL) == TERN_OK &&
                ti_log_state_read(&f, text.data ? text.data : "", text.len, NULL) == TERN_OK &&
                f.n == view->head.size;
    if (same) {
        ti_frontier_root(&f, &root);
        same = ti_hash_equal(&root, &view->head.root);
    }
    if (same) {
        view->edge = f;
    }
    ti_buf_free(&text);
    return same;
}

static tern_status load_view(ti_log_view *view, const ti_note_key *key, tern_err *err)
{
    ti_hash root;
    if (key) {
        view->key = *key;
    } else {
        TI_TRY(ti_log_read_vkey(&view->key, &view->at, err));
    }
    const char *path = ti_log_name(&view->at, "checkpoint");
    TI_TRY(
        ti_log_read_signed(&view->head, &view->note, view->at.io, path, &view->key, NULL, err));
    ti_tile_source source = {ti_log_tile_source, &view->at};
    ti_tiles_start(&view->tiles, source, view->head.size);
    if (edge_from_state(view)) {
        return TERN_OK;
    }
    ti_nodes nodes = ti_tiles_nodes(&view->tiles);
    TI_TRY(ti_merkle_frontier(&view->edge, &nodes, view->head.size, err));
    ti_frontier_root(&view->edge, &root);
    return ti_hash_equal(&root, &view->head.root)
               ? TERN_OK
               : ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                         "the tiles at the right edge do not have the root in '%s'",
                         ti_log_name(&view->at, "checkpoint"));
}

tern_status ti_log_view_open(ti_log_view **out, const char *dir, const ti_note_key *key,
                             const ti_log_io *io, tern_err *err)
{
    ti_log_view *view = calloc(1, sizeof *view);
    if (!view) {
        return ti_fail_nomem(err, "log", sizeof *view, "a view");
    }
    tern_status status = ti_log_at_open(&view->at, io ? io : ti_log_io_system(), dir, err);
    if (status == TERN_OK) {
        status = load_view(view, key, err);
    }
    if (status != TERN_OK) {
        ti_log_view_close(view);
        return status;
    }
    *out = view;
    return TERN_OK;
}

void ti_log_view_close(ti_log_view *view)
{
    if (view) {
        ti_log_at_close(&view->at);
        ti_buf_free(&view->note);
        free(view);
    }
}

const ti_checkpoint *ti_log_view_checkpoint(const ti_log_view *view)
{
    return &view->head;
}

ti_str ti_log_view_note(const ti_log_view *view)
{
    return (ti_str){view->note.data, view->note.len};
}

const ti_note_key *ti_log_view_key(const ti_log_view *view)
{
    return &view->key;
}

uint64_t ti_log_view_reads(const ti_log_view *view)
{
    return view->tiles.reads;
}

static tern_status damaged(tern_err *err, ti_tile_id id)
{
    char name[TI_TILE_PATH];
    ti_tile_path(name, id);
    return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                   "'%s' is damaged: it is not what was signed", name);
}

/* The partial tile at the right edge against the frontier. */
static bool edge_matches(const ti_log_view *view, ti_tile_id id, const ti_hash *hashes)
{
    ti_hash under[TI_TILE_WIDTH], root;
    uint32_t at = id.width;
    for (int bit = 0; bit < TI_TILE_HEIGHT; bit++) {
        uint32_t n = 1u << bit;
        if (id.width & n) {
            at -= n;
            memcpy(under, hashes + at, n * sizeof under[0]);
            ti_merkle_fold(&root, under, n);
            if (!ti_hash_equal(&root, &view->edge.nodes[id.level * TI_TILE_HEIGHT + bit])) {
                return false;
            }
        }
    }
    return true;
}

/* Reads the tile as it is under the checkpoint and checks it, and all above it. */
static tern_status checked_tile(ti_log_view *view, ti_hash hashes[TI_TILE_WIDTH], ti_tile_id id,
                                tern_err *err)
{
    ti_hash under[TI_TILE_WIDTH], root;
    ti_proof path;
    TI_TRY(ti_log_tile_source(&view->at, hashes, id, err));
    if (id.width < TI_TILE_WIDTH) {
        return edge_matches(view, id, hashes) ? TERN_OK : damaged(err, id);
    }
    unsigned level = (unsigned)(id.level + 1) * TI_TILE_HEIGHT;
    ti_nodes nodes = ti_tiles_nodes(&view->tiles);
    memcpy(under, hashes, sizeof under);
    ti_merkle_fold(&root, under, TI_TILE_WIDTH);
    TI_TRY(ti_merkle_path(&path, &nodes, &view->edge, level, id.index, view->head.size, err));
    if (ti_merkle_check_path(level, id.index, view->head.size, &root, path.hashes, path.n,
                             &view->head.root, NULL) == TERN_OK) {
        return TERN_OK;
    }
    /* This one, or one above it. */
    ti_tile_id above = {id.level + 1, id.index / TI_TILE_WIDTH, 0};
    above.width = above.level < TI_TILE_LEVELS
                      ? ti_tile_width(above.level, above.index, view->head.size)
                      : 0;
    if (above.width > 0) {
        TI_TRY(checked_tile(view, under, above, err));
    }
    return damaged(err, id);
}

static tern_status past_end(const ti_log_view *view, uint64_t index, tern_err *err)
{
    return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                   "there is no entry %" PRIu64 ": the log has %" PRIu64, index,
                   view->head.size);
}

tern_status ti_log_view_inclusion(ti_log_view *view, ti_proof *out, ti_hash *leaf,
                                  uint64_t index, tern_err *err)
{
    ti_nodes nodes = ti_tiles_nodes(&view->tiles);
    uint64_t size = view->head.size;
    ti_proof path;
    ti_hash hash, hashes[TI_TILE_WIDTH];
    if (index >= size) {
        return past_end(view, index, err);
    }
    TI_TRY(nodes.get(nodes.user, &hash, 0, index, err));
    TI_TRY(ti_merkle_inclusion(&path, &nodes, &view->edge, index, size, err));
    if (ti_merkle_check_inclusion(index, size, &hash, path.hashes, path.n, &view->head.root,
                                  NULL) != TERN_OK) {
        ti_tile_id id = {0, index / TI_TILE_WIDTH, 0};
        id.width = ti_tile_width(0, id.index, size);
        TI_TRY(checked_tile(view, hashes, id, err));
        return damaged(err, id); /* it was when it was read before */
    }
    *out = path;
    if (leaf) {
        *leaf = hash;
    }
    return TERN_OK;
}

tern_status ti_log_view_entry(ti_log_view *view, ti_buf *out, uint64_t index, tern_err *err)
{
    ti_proof path;
    ti_hash leaf, found;
    ti_buf bundle = {0};
    ti_str items[TI_TILE_WIDTH];
    TI_TRY(ti_log_view_inclusion(view, &path, &leaf, index, err));
    ti_tile_id id = {TI_TILE_ENTRIES, index / TI_TILE_WIDTH, 0};
    id.width = ti_tile_width(id.level, id.index, view->head.size);
    tern_status status = ti_log_read_tile(&bundle, &view->at, id, err);
    if (status == TERN_OK) {
        status = ti_bundle_read(items, id.width, bundle.data, bundle.len, err);
    }
    if (status == TERN_OK) {
        ti_str item = items[index % TI_TILE_WIDTH];
        ti_merkle_leaf(&found, item.data, item.len);
        if (!ti_hash_equal(&found, &leaf)) {
            status = damaged(err, id);
        } else {
            ti_buf_add(out, item.data, item.len);
            status = out->failed ? ti_fail_nomem(err, "log", item.len, "an entry") : TERN_OK;
        }
    }
    ti_buf_free(&bundle);
    return status;
}

tern_status ti_log_view_consistency(ti_log_view *view, ti_proof *out, ti_hash *root,
                                    uint64_t size, tern_err *err)
{
    ti_nodes nodes = ti_tiles_nodes(&view->tiles);
    ti_proof proof;
    ti_hash older;
    if (size > view->head.size) {
        return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                       "the log has %" PRIu64 " entries, not yet %" PRIu64, view->head.size,
                       size);
    }
    TI_TRY(ti_merkle_root(&older, &nodes, size, err));
    TI_TRY(ti_merkle_consistency(&proof, &nodes, &view->edge, size, view->head.size, err));
    if (size > 0 && ti_merkle_check_consistency(size, view->head.size, &older, &view->head.root,
                                                proof.hashes, proof.n, NULL) != TERN_OK) {
        return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                       "a tile is damaged: 'fsck' says which one");
    }
    *out = proof;
    if (root) {
        *root = older;
    }
    return TERN_OK;
}

tern_status ti_log_view_proof(ti_log_view *view, ti_buf *out, uint64_t index, tern_err *err)
{
    ti_tlog_proof proof = {.index = index};
    TI_TRY(ti_log_view_inclusion(view, &proof.path, NULL, index, err));
    proof.checkpoint = ti_log_view_note(view);
    ti_tlog_proof_write(out, &proof);
    return out->failed ? ti_fail_nomem(err, "log", 1, "a proof") : TERN_OK;
}

tern_status ti_log_view_find(ti_log_view *view, uint64_t *index, const void *entry, size_t len,
                             tern_err *err)
{
    ti_hash leaf, hashes[TI_TILE_WIDTH];
    ti_proof path;
    ti_merkle_leaf(&leaf, entry, len);
    uint64_t tiles = view->head.size / TI_TILE_WIDTH + (view->head.size % TI_TILE_WIDTH > 0);
    for (uint64_t t = tiles; t > 0; t--) {
        ti_tile_id id = {0, t - 1, ti_tile_width(0, t - 1, view->head.size)};
        TI_TRY(ti_log_tile_source(&view->at, hashes, id, err));
        for (uint32_t i = id.width; i > 0; i--) {
            if (ti_hash_equal(&hashes[i - 1], &leaf)) {
                uint64_t found = id.index * TI_TILE_WIDTH + i - 1;
                TI_TRY(ti_log_view_inclusion(view, &path, NULL, found, err));
                *index = found;
                return TERN_OK;
            }
        }
    }
    return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET, "there is no such entry among %" PRIu64,
                   view->head.size);
}

/* Bytes of the first id.width entries of a bundle, checked. */
static tern_status add_bundle(ti_log_view *view, ti_buf *out, ti_tile_id id, tern_err *err)
{
    ti_buf bundle = {0};
    ti_str items[TI_TILE_WIDTH];
    ti_hash hashes[TI_TILE_WIDTH], leaf;
    ti_tile_id tile = {0, id.index, ti_tile_width(0, id.index, view->head.size)};
    ti_tile_id now = {id.level, id.index, tile.width};
    TI_TRY(checked_tile(view, hashes, tile, err));
    tern_status status = ti_log_read_tile(&bundle, &view->at, now, err);
    if (status == TERN_OK) {
        status = ti_bundle_read(items, now.width, bundle.data, bundle.len, err);
    }
    size_t len = 0;
    for (uint32_t i = 0; status == TERN_OK && i < id.width; i++) {
        ti_merkle_leaf(&leaf, items[i].data, items[i].len);
        status = ti_hash_equal(&leaf, &hashes[i]) ? TERN_OK : damaged(err, now);
        len += 2 + items[i].len;
    }
    if (status == TERN_OK) {
        ti_buf_add(out, bundle.data, len);
        status = out->failed ? ti_fail_nomem(err, "log", len, "a bundle") : TERN_OK;
    }
    ti_buf_free(&bundle);
    return status;
}

tern_status ti_log_view_file(ti_log_view *view, ti_buf *out, const char *path, size_t len,
                             tern_err *err)
{
    static const char checkpoint[] = "checkpoint";
    ti_tile_id id;
    ti_hash hashes[TI_TILE_WIDTH];
    if (len == sizeof checkpoint - 1 && memcmp(path, checkpoint, len) == 0) {
        ti_buf_add(out, view->note.data, view->note.len);
        return out->failed ? ti_fail_nomem(err, "log", view->note.len, "a note") : TERN_OK;
    }
    bool there = ti_tile_path_read(&id, path, len);
    uint32_t width = there ? ti_tile_width(id.level, id.index, view->head.size) : 0;
    if (!there || id.width > width) {
        return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET, "there is no '%.*s'",
                       len < 80 ? (int)len : 80, path);
    }
    if (id.level == TI_TILE_ENTRIES) {
        return add_bundle(view, out, id, err);
    }
    TI_TRY(checked_tile(view, hashes, (ti_tile_id){id.level, id.index, width}, err));
    ti_buf_add(out, hashes, (size_t)id.width * TI_HASH_BYTES);
    return out->failed ? ti_fail_nomem(err, "log", TI_TILE_BYTES, "a tile") : TERN_OK;
}
