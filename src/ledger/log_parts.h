/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/log_parts.h - what the files of the log share: log_file.c, wal.c, log_tree.c,
 * log_open.c, log_write.c, log_view.c, log_fsck*.c; the files and locks also of the witness. */
#ifndef TI_LEDGER_LOG_PARTS_H
#define TI_LEDGER_LOG_PARTS_H

#include <pthread.h>

#include "ledger/log.h"

/* --- files (log_file.c) ---------------------------------------------------------------------
 */

/* A directory, and room behind its path for the name of a file in it: making a name needs no
 * memory. */
typedef struct ti_log_at {
    const ti_log_io *io;
    char *text;
    size_t base; /* length of "DIR/" */
} ti_log_at;

enum {
    TI_LOG_NAME_MAX = 160,
    TI_LOG_FILE_MAX = 1 << 20,                             /* of files that are not tiles */
    TI_LOG_BUNDLE_MAX = TI_TILE_WIDTH * (2 + TI_ENTRY_MAX) /* bytes of the largest bundle */
};

/* Errors: TERN_NOMEM. */
tern_status ti_log_at_open(ti_log_at *out, const ti_log_io *io, const char *dir, tern_err *err);
void ti_log_at_close(ti_log_at *at);

/* "DIR/NAME"; valid until the next call with the same `at`.  "" is DIR itself. */
const char *ti_log_name(ti_log_at *at, const char *format, ...) TI_PRINTF(2, 3);

/* ti_fail() for a negative result of the table: "cannot WHAT 'path': ..." */
tern_status ti_log_failed(tern_err *err, int64_t result, const char *what, const char *path);

/* Appends a file of at most `limit` bytes to *out.  When it is not there: *missing (then
 * TERN_OK) or, when missing is NULL, TERN_IO. */
tern_status ti_log_read(ti_buf *out, const ti_log_io *io, const char *path, size_t limit,
                        bool *missing, tern_err *err);

/* Makes the file at->text durable under its name, in one step for whoever looks: NAME.new,
 * sync, rename, sync of the directory.  `name` is in `at`'s directory itself. */
tern_status ti_log_replace(ti_log_at *at, const char *name, const void *bytes, size_t len,
                           bool secret, tern_err *err);

/* Takes a file, which is made, for this process; closing *out gives it back.
 * Errors: TERN_UNAVAILABLE when another process has it; TERN_IO. */
tern_status ti_log_take_lock(int *out, const ti_log_io *io, const char *path, tern_err *err);

/* Makes a directory and those above it; `durable`: and their names. */
tern_status ti_log_make_dirs(const ti_log_io *io, const char *path, bool secret, bool durable,
                             tern_err *err);

/* --- state/tree (log_tree.c) -----------------------------------------------------------------
 */

/* The tree as the writer holds it: the right edge of tiles and bundles. */
typedef struct ti_log_tree {
    uint64_t size;
    ti_hash edge[TI_TILE_LEVELS][TI_TILE_WIDTH]; /* partial tile of each level */
    ti_buf bundle;                               /* partial bundle */
} ti_log_tree;

/* How many hashes of edge[level] there are. */
static inline uint32_t ti_log_edge_width(uint64_t size, int level)
{
    return (uint32_t)(size >> (level * TI_TILE_HEIGHT)) % TI_TILE_WIDTH;
}

/* The frontier that the edge amounts to. */
void ti_log_tree_frontier(ti_frontier *out, const ti_log_tree *tree);

/* The text of state/tree, with its sum, and back.  Errors: TERN_CORRUPT. */
void ti_log_state_write(ti_buf *out, const ti_frontier *frontier);
tern_status ti_log_state_read(ti_frontier *out, const char *text, size_t len, tern_err *err);

/* Appends a tile or bundle to *out as a tree of more entries may have it: the partial file, or
 * as many hashes or entries of the full one.  The bundle's or tile's size is checked.
 * Errors: TERN_CORRUPT naming the file, TERN_IO. */
tern_status ti_log_read_tile(ti_buf *out, ti_log_at *at, ti_tile_id id, tern_err *err);

/* A ti_tile_source's read; `user` is a ti_log_at. */
tern_status ti_log_tile_source(void *user, ti_hash *hashes, ti_tile_id id, tern_err *err);

/* Loads the edge of a tree from its files and checks it against the frontier and the entries.
 * Errors: TERN_CORRUPT naming the file. */
tern_status ti_log_tree_load(ti_log_tree *out, ti_log_at *at, const ti_frontier *frontier,
                             tern_err *err);

/* --- the WAL (wal.c)
 * -------------------------------------------------------------------------- A segment: magic
 * "ternwal1", u64 index of its first entry, nonce[16], sum[16]. A record: magic "tREC", u32
 * bytes, u32 entries, u64 index of the first, sum of the entries[16], sum of nonce and what
 * stands before[12]; then the entries as in a bundle.  Numbers are big endian, sums the first
 * bytes of SHA-256. */

enum { TI_WAL_HEAD = 48, TI_WAL_RECORD_HEAD = 48, TI_WAL_NONCE = 16 };

/* Entries on their way: one record of the WAL.  body has room for its head in front. */
typedef struct ti_log_chunk {
    struct ti_log_chunk *next;
    uint64_t first;
    uint32_t count;
    ti_buf body;
} ti_log_chunk;

/* NULL when there is no memory. */
ti_log_chunk *ti_log_chunk_new(uint64_t first);
void ti_log_chunk_free(ti_log_chunk *chunk);

typedef struct ti_wal {
    int file;        /* -1 = none */
    uint64_t number; /* of the segment */
    uint64_t first;  /* entry it begins with */
    uint64_t end;    /* where the next record goes */
    uint8_t nonce[TI_WAL_NONCE];
} ti_wal;

/* Makes a new segment and opens it in place of the one that is open.  It holds `chunks` (a
 * list, or NULL) from the moment it exists.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_wal_begin(ti_wal *wal, ti_log_at *at, uint64_t number, uint64_t first,
                         ti_log_chunk *chunks, tern_err *err);

/* Writes a chunk as a record and syncs it.  Errors: TERN_IO. */
tern_status ti_wal_write(ti_wal *wal, ti_log_at *at, ti_log_chunk *chunk, tern_err *err);

/* Is given each whole record, in order.  May keep the chunk by setting *chunk to NULL. */
typedef tern_status (*ti_wal_record_fn)(void *user, ti_log_chunk **chunk, tern_err *err);

/* Reads a segment: *wal is open at the end of its last whole record, *next is the index after
 * it.  *torn says how many bytes follow that are no whole record, as a crash leaves them.
 * Errors: TERN_CORRUPT naming the file when a whole record follows such bytes, or the head is
 * damaged. */
tern_status ti_wal_scan(ti_wal *wal, ti_log_at *at, uint64_t number, ti_wal_record_fn record,
                        void *user, uint64_t *next, uint64_t *torn, tern_err *err);

/* The numbers of the segments there are, ascending; free with free(). */
tern_status ti_wal_list(uint64_t **out, size_t *n, ti_log_at *at, tern_err *err);

/* --- the log itself
 * ----------------------------------------------------------------------------- */

enum { TI_LOG_MAGIC = 0x7465726c, TI_LOG_SEGMENTS = 64 };

struct ti_log {
    uint32_t magic;
    const ti_log_io *io;
    ti_log_opts opts;
    ti_log_at wal_at, at, to; /* the leader's, the publisher's two */
    ti_log_at store;
    char store_name[2 * TI_HASH_BYTES + 1];
    int lock, store_lock; /* files */
    ti_note_signer signer;

    pthread_mutex_t mutex; /* guards from here */
    pthread_cond_t changed;
    ti_log_chunk *queue;        /* not yet durable, and not yet being written */
    ti_log_chunk *first, *last; /* durable, not yet in tiles */
    uint64_t next, durable;     /* index of the next entry, of the first that is not durable */
    uint64_t pending;           /* bytes in first..last and queue */
    bool leading;               /* somebody writes the WAL */
    bool dead;
    tern_err why; /* of dead */
    uint64_t published;
    uint64_t segment_first[TI_LOG_SEGMENTS]; /* of the segments that are there, oldest first */
    uint64_t oldest;                         /* number of the first of them */
    uint32_t n_segments;

    ti_wal wal; /* the leader's */

    pthread_mutex_t publishing; /* guards from here; taken before `mutex` */
    ti_log_tree *tree, *scratch;
    ti_checkpoint signed_at; /* what the lock store has */
    ti_buf signed_note;
};

/* Notes that the handle is dead and returns the failure. */
tern_status ti_log_die(ti_log *log, const tern_err *why);

/* Marks all durable entries up to `size` as being in tiles, removes what is not needed. */
void ti_log_settle(ti_log *log, uint64_t size);

/* Puts the entries [tree->size, size) into bundles and tiles, durable, and into state/tree;
 * log->tree is then of that size (log_tree_write.c). */
tern_status ti_log_integrate(ti_log *log, uint64_t size, tern_err *err);

/* Name of the lock of an origin in its store. */
void ti_log_store_name(char out[2 * TI_HASH_BYTES + 1], const char *origin);

/* Reads the store's path noted in DIR, or takes the one of the options. */
tern_status ti_log_store_open(ti_log_at *out, ti_log_at *at, const ti_log_opts *opts,
                              tern_err *err);

/* Reads the public and the secret key; they must be a pair. */
tern_status ti_log_read_vkey(ti_note_key *out, ti_log_at *at, tern_err *err);
tern_status ti_log_read_key(ti_note_signer *out, ti_log_at *at, tern_err *err);

/* Reads a signed checkpoint file: the note is appended to *note. */
tern_status ti_log_read_signed(ti_checkpoint *out, ti_buf *note, const ti_log_io *io,
                               const char *path, const ti_note_key *key, bool *missing,
                               tern_err *err);

#endif
