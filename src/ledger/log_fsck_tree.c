/* SPDX-License-Identifier: Apache-2.0 */
/* Every tile again, from the entries up. */
#include <string.h>

#include "ledger/log_fsck.h"

/* Compares a tile's file with what it must hold. */
static tern_status compare_tile(ti_fsck *f, ti_tile_id id, const ti_hash *want)
{
    char name[TI_TILE_PATH];
    ti_buf bytes = {0};
    tern_err why = {0};
    size_t len = (size_t)id.width * TI_HASH_BYTES;
    ti_tile_path(name, id);
    const char *path = ti_log_name(&f->at, "%s", name);
    tern_status status = ti_log_read(&bytes, f->at.io, path, TI_TILE_BYTES, NULL, &why);
    status = ti_fsck_note(f, name, status, &why);
    if (status == TERN_OK && bytes.data &&
        (bytes.len != len || memcmp(bytes.data, want, len) != 0)) {
        ti_fsck_fault(f, name, "it does not hold the hashes of what is below it");
    }
    f->report->files++;
    f->report->bytes += bytes.len;
    ti_buf_free(&bytes);
    return ti_fsck_failed(f, status, &why);
}

/* Puts hash into level 0 of the edge; full tiles are compared and their roots go up. */
static tern_status add_leaf(ti_fsck *f, const ti_hash *leaf)
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
static void compare_heads(ti_fsck *f)
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
        ti_fsck_fault(f, "lock store", "it has signed another tree than that of the entries");
    }
    if (published_here && !ti_hash_equal(&root, &f->published.root)) {
        ti_fsck_fault(f, "checkpoint", "it is of another tree than that of the entries");
    }
    if (stated_here) {
        ti_frontier_root(&f->stated, &frontier.nodes[0]);
        if (!ti_hash_equal(&root, &frontier.nodes[0])) {
            ti_fsck_fault(f, "state/tree", "it is of another tree than that of the entries");
        }
    }
}

/* Entries and tile differ: whether the tile is what is above it, and so the right one. */
static bool tile_is_right(ti_fsck *f, uint64_t index, uint32_t width, const ti_hash *hashes)
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
static tern_status read_bundle(ti_fsck *f, ti_buf *bundle, uint64_t index, uint32_t width,
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
    TI_TRY(ti_fsck_failed(f, ti_fsck_note(f, name, status, &why), &why));
    f->report->files++;
    f->report->bytes += bundle->len;
    /* That it cannot be read is reported by compare_tile(). */
    (void)ti_log_tile_source(&f->at, hashes, (ti_tile_id){0, index, width}, NULL);
    for (uint32_t i = 0; i < width && !bad; i++) {
        ti_merkle_leaf(&leaves[i], items[i].data, items[i].len);
    }
    size_t bytes = width * sizeof leaves[0];
    if (!bad && memcmp(leaves, hashes, bytes) != 0 && tile_is_right(f, index, width, hashes)) {
        ti_fsck_fault(f, name, "an entry is not what its hash in the tile says");
        bad = true;
    }
    if (bad) {
        memcpy(leaves, hashes, bytes);
    }
    return TERN_OK;
}

static tern_status check_bundle(ti_fsck *f, ti_buf *bundle, uint64_t index, uint32_t width)
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

tern_status ti_fsck_tree(ti_fsck *f)
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
