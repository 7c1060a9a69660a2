/* SPDX-License-Identifier: Apache-2.0 */
/* The right edge of the tree: state/tree, and the tiles it is loaded from. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "ledger/base64.h"
#include "ledger/log_parts.h"

void ti_log_tree_frontier(ti_frontier *out, const ti_log_tree *tree)
{
    ti_hash under[TI_TILE_WIDTH];
    *out = (ti_frontier){.n = tree->size};
    for (int level = 0; level < TI_TILE_LEVELS; level++) {
        uint32_t width = ti_log_edge_width(tree->size, level), at = width;
        for (int bit = 0; bit < TI_TILE_HEIGHT; bit++) {
            uint32_t n = 1u << bit;
            if (!(width & n)) {
                continue;
            }
            at -= n;
            memcpy(under, &tree->edge[level][at], n * sizeof under[0]);
            ti_merkle_fold(&out->nodes[level * TI_TILE_HEIGHT + bit], under, n);
        }
    }
}

static const char state_header[] = "tern log tree 1\n";
enum { SUM_HEX = 2 * TI_SHA256_BYTES };

static void hex_sum(char out[SUM_HEX + 1], const char *text, size_t len)
{
    uint8_t digest[TI_SHA256_BYTES];
    ti_sha256_of(digest, text, len);
    for (int i = 0; i < TI_SHA256_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
}

void ti_log_state_write(ti_buf *out, const ti_frontier *frontier)
{
    char sum[SUM_HEX + 1];
    size_t start = out->len;
    ti_hash root;
    ti_frontier_root(frontier, &root);
    ti_buf_addf(out, "%s%" PRIu64 "\n", state_header, frontier->n);
    ti_base64_write(out, root.b, sizeof root.b);
    ti_buf_addc(out, '\n');
    for (int level = 0; level < TI_TREE_LEVELS; level++) {
        if (frontier->n >> level & 1) {
            ti_base64_write(out, frontier->nodes[level].b, TI_HASH_BYTES);
            ti_buf_addc(out, '\n');
        }
    }
    if (!out->failed) {
        hex_sum(sum, out->data + start, out->len - start);
        ti_buf_addf(out, "sum %s\n", sum);
    }
}

static tern_status bad_state(tern_err *err, size_t at)
{
    return ti_fail(err, TERN_CORRUPT, "log", at, "state/tree is damaged");
}

static bool state_line(ti_str *line, const char *text, size_t len, size_t *at)
{
    const char *end = *at < len ? memchr(text + *at, '\n', len - *at) : NULL;
    if (end) {
        *line = (ti_str){text + *at, (size_t)(end - (text + *at))};
        *at += line->len + 1;
    }
    return end != NULL;
}

tern_status ti_log_state_read(ti_frontier *out, const char *text, size_t len, tern_err *err)
{
    char sum[SUM_HEX + 1];
    ti_frontier f = {0};
    ti_hash stated, root;
    ti_str line;
    size_t tail = sizeof "sum \n" - 1 + SUM_HEX, at = sizeof state_header - 1;
    if (len < tail + at || memcmp(text, state_header, at) != 0) {
        return bad_state(err, 0);
    }
    len -= tail;
    hex_sum(sum, text, len);
    if (memcmp(text + len, "sum ", 4) != 0 || memcmp(text + len + 4, sum, SUM_HEX) != 0 ||
        text[len + tail - 1] != '\n') {
        return bad_state(err, len);
    }
    if (!state_line(&line, text, len, &at) || !ti_decimal_read(&f.n, line.data, line.len) ||
        !state_line(&line, text, len, &at) ||
        !ti_base64_read(stated.b, TI_HASH_BYTES, line.data, line.len)) {
        return bad_state(err, at);
    }
    for (int level = 0; level < TI_TREE_LEVELS; level++) {
        if ((f.n >> level & 1) &&
            (!state_line(&line, text, len, &at) ||
             !ti_base64_read(f.nodes[level].b, TI_HASH_BYTES, line.data, line.len))) {
            return bad_state(err, at);
        }
    }
    ti_frontier_root(&f, &root);
    if (at != len || !ti_hash_equal(&root, &stated)) {
        return bad_state(err, at);
    }
    *out = f;
    return TERN_OK;
}

/* Length of the first n entries of a bundle; 0 < n.  False when there are fewer. */
static bool bundle_prefix(size_t *out, const char *data, size_t len, uint32_t n)
{
    const unsigned char *b = (const unsigned char *)data;
    size_t at = 0;
    for (; n > 0; n--) {
        if (len - at < 2 || len - at - 2 < ((size_t)b[at] << 8 | b[at + 1])) {
            return false;
        }
        at += 2 + ((size_t)b[at] << 8 | b[at + 1]);
    }
    *out = at;
    return true;
}

tern_status ti_log_read_tile(ti_buf *out, ti_log_at *at, ti_tile_id id, tern_err *err)
{
    char name[TI_TILE_PATH];
    size_t before = out->len, want = (size_t)id.width * TI_HASH_BYTES;
    bool missing = false, entries = id.level == TI_TILE_ENTRIES, whole = true;
    ti_tile_path(name, id);
    const char *path = ti_log_name(at, "%s", name);
    size_t limit = entries ? TI_LOG_BUNDLE_MAX : TI_TILE_BYTES;
    TI_TRY(
        ti_log_read(out, at->io, path, limit, id.width < TI_TILE_WIDTH ? &missing : NULL, err));
    if (missing) { /* the tile has become full since */
        ti_tile_path(name, (ti_tile_id){id.level, id.index, TI_TILE_WIDTH});
        path = ti_log_name(at, "%s", name);
        TI_TRY(ti_log_read(out, at->io, path, limit, NULL, err));
        whole = false;
    }
    size_t len = out->len - before;
    bool good = entries
                    ? bundle_prefix(&want, out->data ? out->data + before : "", len, id.width)
                    : len >= want;
    if (!good || (whole && len != want)) {
        out->len = before;
        return ti_fail(err, TERN_CORRUPT, "log", len, "'%s' is damaged: its size is wrong",
                       path);
    }
    out->len = before + want;
    return TERN_OK;
}

tern_status ti_log_tile_source(void *user, ti_hash *hashes, ti_tile_id id, tern_err *err)
{
    ti_buf bytes = {0};
    tern_status status = ti_log_read_tile(&bytes, user, id, err);
    if (status == TERN_OK) {
        memcpy(hashes, bytes.data, bytes.len);
    }
    ti_buf_free(&bytes);
    return status;
}

static tern_status damaged(tern_err *err, ti_tile_id id, const char *what)
{
    char name[TI_TILE_PATH];
    ti_tile_path(name, id);
    return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET, "'%s' is damaged: %s", name, what);
}

static tern_status load_edge(ti_log_tree *tree, ti_log_at *at, const ti_frontier *frontier,
                             tern_err *err)
{
    ti_frontier found;
    for (int level = 0; level < TI_TILE_LEVELS; level++) {
        uint32_t width = ti_log_edge_width(tree->size, level);
        uint64_t index = tree->size >> (level * TI_TILE_HEIGHT) >> TI_TILE_HEIGHT;
        if (width > 0) {
            TI_TRY(ti_log_tile_source(at, tree->edge[level], (ti_tile_id){level, index, width},
                                      err));
        }
    }
    ti_log_tree_frontier(&found, tree);
    for (int level = 0; level < TI_TREE_LEVELS; level++) {
        if ((tree->size >> level & 1) &&
            !ti_hash_equal(&found.nodes[level], &frontier->nodes[level])) {
            int tile = level / TI_TILE_HEIGHT;
            uint64_t index = tree->size >> (tile * TI_TILE_HEIGHT) >> TI_TILE_HEIGHT;
            return damaged(err, (ti_tile_id){tile, index, ti_log_edge_width(tree->size, tile)},
                           "it is not what state/tree says");
        }
    }
    return TERN_OK;
}

tern_status ti_log_tree_load(ti_log_tree *out, ti_log_at *at, const ti_frontier *frontier,
                             tern_err *err)
{
    ti_str items[TI_TILE_WIDTH];
    ti_hash leaf;
    uint32_t width = ti_log_edge_width(frontier->n, 0);
    ti_tile_id id = {TI_TILE_ENTRIES, frontier->n / TI_TILE_WIDTH, width};
    out->size = frontier->n;
    TI_TRY(load_edge(out, at, frontier, err));
    ti_buf_clear(&out->bundle);
    if (width == 0) {
        return TERN_OK;
    }
    TI_TRY(ti_log_read_tile(&out->bundle, at, id, err));
    TI_TRY(ti_bundle_read(items, width, out->bundle.data, out->bundle.len, err));
    for (uint32_t i = 0; i < width; i++) {
        ti_merkle_leaf(&leaf, items[i].data, items[i].len);
        if (!ti_hash_equal(&leaf, &out->edge[0][i])) {
            return damaged(err, id, "an entry is not what its hash says");
        }
    }
    return TERN_OK;
}
