/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/tile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/checkpoint.h"

size_t ti_tile_path(char out[TI_TILE_PATH], ti_tile_id id)
{
    TI_ASSERT(id.level < TI_TILE_LEVELS && id.width >= 1 && id.width <= TI_TILE_WIDTH);
    int n = id.level == TI_TILE_ENTRIES ? snprintf(out, TI_TILE_PATH, "tile/entries/")
                                        : snprintf(out, TI_TILE_PATH, "tile/%d/", id.level);
    uint64_t unit = 1;
    while (id.index / unit >= 1000) {
        unit *= 1000;
    }
    for (; unit > 0; unit /= 1000) {
        unsigned group = (unsigned)(id.index / unit % 1000);
        n += snprintf(out + n, TI_TILE_PATH - (size_t)n, unit > 1 ? "x%03u/" : "%03u", group);
    }
    if (id.width < TI_TILE_WIDTH) {
        n += snprintf(out + n, TI_TILE_PATH - (size_t)n, ".p/%" PRIu32, id.width);
    }
    TI_ASSERT(n < TI_TILE_PATH);
    return (size_t)n;
}

/* Three digits; false when they are none. */
static bool group_of(unsigned *out, const char *text)
{
    unsigned value = 0;
    for (int i = 0; i < 3; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *out = value;
    return true;
}

/* The path is read loosely, and written again to see whether it is the one form. */
bool ti_tile_path_read(ti_tile_id *out, const char *path, size_t len)
{
    static const char entries[] = "tile/entries/";
    ti_tile_id id = {.width = TI_TILE_WIDTH};
    size_t at;
    if (len > sizeof entries - 1 && memcmp(path, entries, sizeof entries - 1) == 0) {
        id.level = TI_TILE_ENTRIES;
        at = sizeof entries - 1;
    } else if (len > 7 && memcmp(path, "tile/", 5) == 0 && path[5] >= '0' &&
               path[5] < '0' + TI_TILE_LEVELS && path[6] == '/') {
        id.level = path[5] - '0';
        at = 7;
    } else {
        return false;
    }
    bool last = false;
    unsigned group;
    for (int groups = 0; !last; groups++) {
        last = at < len && path[at] != 'x';
        at += last ? 0 : 1;
        if (groups > 6 || len - at < 3 || at > len || !group_of(&group, path + at)) {
            return false; /* 1000^6 = 10^18 is below 2^63, 1000^7 is above */
        }
        if (!ti_mul_u64(id.index, 1000, &id.index) || !ti_add_u64(id.index, group, &id.index)) {
            return false;
        }
        at += 3;
        if (!last && (at >= len || path[at++] != '/')) {
            return false;
        }
    }
    uint64_t width;
    if (at < len) {
        if (len - at < 4 || memcmp(path + at, ".p/", 3) != 0 ||
            !ti_decimal_read(&width, path + at + 3, len - at - 3) || width < 1 ||
            width >= TI_TILE_WIDTH) {
            return false;
        }
        id.width = (uint32_t)width;
    }
    char again[TI_TILE_PATH];
    if (ti_tile_path(again, id) != len || memcmp(again, path, len) != 0) {
        return false;
    }
    *out = id;
    return true;
}

uint32_t ti_tile_width(int level, uint64_t index, uint64_t size)
{
    unsigned shift = level == TI_TILE_ENTRIES ? 0 : (unsigned)level * TI_TILE_HEIGHT;
    uint64_t nodes = size >> shift;
    if (index >= TI_TREE_SIZE_MAX / TI_TILE_WIDTH || nodes <= index * TI_TILE_WIDTH) {
        return 0;
    }
    uint64_t left = nodes - index * TI_TILE_WIDTH;
    return left < TI_TILE_WIDTH ? (uint32_t)left : TI_TILE_WIDTH;
}

void ti_bundle_add(ti_buf *bundle, const void *entry, size_t len)
{
    TI_ASSERT(len <= TI_ENTRY_MAX);
    char prefix[2] = {(char)(unsigned char)(len >> 8), (char)(unsigned char)len};
    ti_buf_add(bundle, prefix, sizeof prefix);
    ti_buf_add(bundle, entry, len);
}

tern_status ti_bundle_read(ti_str *items, uint32_t n, const void *bundle, size_t len,
                           tern_err *err)
{
    const unsigned char *b = bundle;
    ti_str found[TI_TILE_WIDTH];
    size_t at = 0;
    TI_ASSERT(n <= TI_TILE_WIDTH);
    for (uint32_t i = 0; i < n; i++) {
        if (len - at < 2) {
            return ti_fail(err, TERN_CORRUPT, "bundle", at, "it ends after %u of %u entries", i,
                           n);
        }
        size_t size = (size_t)b[at] << 8 | b[at + 1];
        if (len - at - 2 < size) {
            return ti_fail(err, TERN_CORRUPT, "bundle", at,
                           "entry %u has %zu bytes, %zu are left", i, size, len - at - 2);
        }
        found[i] = (ti_str){(const char *)b + at + 2, size};
        at += 2 + size;
    }
    if (at != len) {
        return ti_fail(err, TERN_CORRUPT, "bundle", at, "%zu bytes after %u entries", len - at,
                       n);
    }
    memcpy(items, found, n * sizeof found[0]);
    return TERN_OK;
}

void ti_tiles_start(ti_tiles *tiles, ti_tile_source source, uint64_t size)
{
    tiles->source = source;
    tiles->size = size;
    tiles->reads = 0;
    tiles->next = 0;
    memset(tiles->ids, 0, sizeof tiles->ids);
}

/* Finds the tile among those that are kept, or reads it in place of the oldest one. */
static tern_status load(const ti_hash **out, ti_tiles *tiles, ti_tile_id id, tern_err *err)
{
    for (int i = 0; i < TI_TILE_CACHE; i++) {
        const ti_tile_id *have = &tiles->ids[i];
        if (have->width == id.width && have->level == id.level && have->index == id.index) {
            *out = tiles->hashes[i];
            return TERN_OK;
        }
    }
    uint32_t slot = tiles->next;
    tiles->ids[slot].width = 0;
    tiles->reads++;
    TI_TRY(tiles->source.read(tiles->source.user, tiles->hashes[slot], id, err));
    tiles->ids[slot] = id;
    tiles->next = (slot + 1) % TI_TILE_CACHE;
    *out = tiles->hashes[slot];
    return TERN_OK;
}

/* A node is in the tile of the multiple of eight below it, under 2^(rest) of its hashes. */
static tern_status get_node(void *user, ti_hash *out, unsigned level, uint64_t index,
                            tern_err *err)
{
    ti_tiles *tiles = user;
    unsigned rest = level % TI_TILE_HEIGHT, shift = TI_TILE_HEIGHT - rest;
    ti_tile_id id = {.level = (int)(level / TI_TILE_HEIGHT), .index = index >> shift};
    size_t width = (size_t)1 << rest;
    size_t first = (size_t)(index & ((UINT64_C(1) << shift) - 1)) << rest;
    const ti_hash *hashes;
    ti_hash under[TI_TILE_WIDTH / 2];
    id.width = ti_tile_width(id.level, id.index, tiles->size);
    TI_ASSERT(first + width <= id.width); /* who asks knows the size of the tree */
    TI_TRY(load(&hashes, tiles, id, err));
    memcpy(under, hashes + first, width * sizeof under[0]);
    ti_merkle_fold(out, under, width);
    return TERN_OK;
}

ti_nodes ti_tiles_nodes(ti_tiles *tiles)
{
    return (ti_nodes){get_node, tiles};
}
