/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/tile.h - a tree cut into tiles of 256 hashes, entries into bundles of 256.
 *
 * Tile (L, N) has the hashes of the nodes (8L, 256N) to (8L, 256N + 255), or fewer at the right
 * edge.  Files: tile/<L>/<N>[.p/<W>], tile/entries/<N>[.p/<W>], with N in groups of three
 * digits (1234067 is x001/x234/067).  A bundle is (u16 big endian, entry) repeated. Source:
 * c2sp.org/tlog-tiles v0.1.0. */
#ifndef TI_LEDGER_TILE_H
#define TI_LEDGER_TILE_H

#include "base/buf.h"
#include "base/str.h"
#include "ledger/merkle.h"

enum {
    TI_TILE_HEIGHT = 8,
    TI_TILE_WIDTH = 256,
    TI_TILE_BYTES = TI_TILE_WIDTH * TI_HASH_BYTES,
    TI_TILE_LEVELS = 8,   /* levels of tiles that a tree below 2^63 can have */
    TI_TILE_ENTRIES = -1, /* "level" of the bundles */
    TI_TILE_PATH = 64,    /* room for a path, with its NUL */
    TI_ENTRY_MAX = 65535  /* bytes of an entry */
};

typedef struct ti_tile_id {
    int level; /* 0.. or TI_TILE_ENTRIES */
    uint64_t index;
    uint32_t width; /* 1..256 */
} ti_tile_id;

/* Writes "tile/0/x001/x234/067.p/112" and returns its length. */
size_t ti_tile_path(char out[TI_TILE_PATH], ti_tile_id id);

/* Reads such a path; false when it is anything else (other zeros, widths, levels). */
bool ti_tile_path_read(ti_tile_id *out, const char *path, size_t len);

/* Width of tile (level, index) in a tree of that size: 0 when there is none. */
uint32_t ti_tile_width(int level, uint64_t index, uint64_t size);

/* Appends one entry to a bundle.  len is at most TI_ENTRY_MAX. */
void ti_bundle_add(ti_buf *bundle, const void *entry, size_t len);

/* Finds the entries of a bundle: items[0..n), which point into it.
 * Errors: TERN_CORRUPT when there are not exactly n (at most 256), with the offset. */
tern_status ti_bundle_read(ti_str *items, uint32_t n, const void *bundle, size_t len,
                           tern_err *err);

/* --- nodes from tiles ----------------------------------------------------------------------
 */

/* Where tiles come from: writes the first `width` hashes of tile (level, index). */
typedef struct ti_tile_source {
    tern_status (*read)(void *user, ti_hash *hashes, ti_tile_id id, tern_err *err);
    void *user;
} ti_tile_source;

enum { TI_TILE_CACHE = 8 };

/* A ti_nodes over tiles of a tree of `size` leaves; keeps the last few tiles. */
typedef struct ti_tiles {
    ti_tile_source source;
    uint64_t size;
    uint64_t reads; /* tiles asked of the source so far */
    uint32_t next;
    ti_tile_id ids[TI_TILE_CACHE]; /* width 0 = empty */
    ti_hash hashes[TI_TILE_CACHE][TI_TILE_WIDTH];
} ti_tiles;

/* Starts with an empty cache. */
void ti_tiles_start(ti_tiles *tiles, ti_tile_source source, uint64_t size);

/* The nodes; valid as long as `tiles`. */
ti_nodes ti_tiles_nodes(ti_tiles *tiles);

#endif
