/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/log.h - a C2SP tiled log in a directory: one writer, any number of readers.
 *
 *     DIR/checkpoint, DIR/tile/...    what readers and static web servers need
 *     DIR/vkey                        the public key
 *     DIR/wal/NNNNNNNNNN              entries that are durable, before they are in tiles
 *     DIR/state/{lock,tree,store}     the writer's; state/key is the secret key, 0600
 *     STORE/<hex SHA-256(origin)>     the last checkpoint signed: the lock store
 *
 * The lock store lies outside DIR and must not be restored from a backup: it is what keeps an
 * old copy of DIR from signing a second history.  The order that never changes:
 * entries durable in the WAL, bundles and tiles durable, state/tree, sign, lock store, then
 * publish `checkpoint`.  Any failed write or sync is fatal to the handle: open it again.
 * docs/formats/log.md has the formats. */
#ifndef TI_LEDGER_LOG_H
#define TI_LEDGER_LOG_H

#include "ledger/checkpoint.h"
#include "ledger/log_io.h"
#include "ledger/proof.h"
#include "ledger/tile.h"

typedef struct ti_log ti_log;

/* Asks witnesses about a new head: *note is the signed note that is about to be published, with
 * `text` as its text; signature lines may be appended to it.  ti_log_growth() gives the proofs.
 * A failure stops the publication (what is durable stays so). */
typedef tern_status (*ti_log_cosign_fn)(void *user, ti_log *log, ti_buf *note, ti_str text,
                                        tern_err *err);

typedef struct ti_log_opts {
    const ti_log_io *io; /* NULL = the system's */
    const char *store;   /* directory of the lock store; NULL = the one noted in DIR (open), or
                            ti_log_default_store() (create) */
    ti_log_cosign_fn cosign;
    void *cosign_user;
    uint64_t segment_bytes; /* a new WAL file after so many; 0 = 64 MiB */
    uint64_t pending_bytes; /* appenders publish when so many wait; 0 = 64 MiB */
} ti_log_opts;

/* $TERN_STATE/locks, $XDG_STATE_HOME/tern/locks or ~/.local/state/tern/locks, made by
 * ti_log_create() when it is used.  Free with free().  Errors: TERN_UNAVAILABLE when none of
 * the variables is set, TERN_NOMEM. */
tern_status ti_log_default_store(char **out, tern_err *err);

/* --- writing -------------------------------------------------------------------------------
 */

/* Makes an empty log with a new key and signs its empty checkpoint.
 *   origin  name of the log and of its key; NULL = tern-log/<16 hex digits of the key's hash>
 * Errors: TERN_USAGE (there is one already, or the name cannot be one), TERN_IO, TERN_NOMEM. */
tern_status ti_log_create(const char *dir, const char *origin, const ti_log_opts *opts,
                          tern_err *err);

/* True when the directory holds a log (has a vkey). */
bool ti_log_exists(const char *dir);

/* Takes a log for writing: locks it, recovers what a crash left (a torn tail of the WAL is
 * cut), and publishes what was durable and not yet published (unless cosigning it fails: then
 * that is left to the next publication).  Errors: TERN_UNAVAILABLE when
 * another process has it; TERN_CORRUPT naming the damaged file; TERN_NO when the lock store has
 * signed more or something else than is here. */
tern_status ti_log_open(ti_log **out, const char *dir, const ti_log_opts *opts, tern_err *err);

/* Gives it back.  What was not published stays durable and is published at the next opening.
 * NULL is allowed; no other thread may be using it. */
void ti_log_close(ti_log *log);

/* Appends an entry; returns when it is durable.  Entries of all threads that come while a sync
 * is under way share the next one.  Thread-safe.
 *   index  receives where it stands
 * Errors: TERN_LIMIT over TI_ENTRY_MAX bytes, TERN_NOMEM, TERN_IO (fatal). */
tern_status ti_log_append(ti_log *log, const void *entry, size_t len, uint64_t *index,
                          tern_err *err);

/* The two halves: takes a place in the queue; waits until the entry at `index` is durable.
 * An entry is not acknowledged before the second has returned.  Thread-safe. */
tern_status ti_log_submit(ti_log *log, const void *entry, size_t len, uint64_t *index,
                          tern_err *err);
tern_status ti_log_wait(ti_log *log, uint64_t index, tern_err *err);

/* Puts all durable entries into tiles, signs and publishes the checkpoint.  Does nothing when
 * nothing is new.  Thread-safe; appending goes on meanwhile.
 * Errors: TERN_IO and TERN_NO (fatal), TERN_NOMEM, TERN_UNAVAILABLE when cosign failed. */
tern_status ti_log_publish(ti_log *log, tern_err *err);

/* Asks the witnesses again about the head that was signed last, and publishes it with what they
 * say now.  Thread-safe.  Errors: those of ti_log_publish(). */
tern_status ti_log_cosign(ti_log *log, tern_err *err);

/* For a ti_log_cosign_fn, while it is called: the proof that the tree of the new head begins
 * with that of the first `size` entries.
 * Errors: TERN_USAGE for a larger size, TERN_CORRUPT naming a damaged file, TERN_IO,
 * TERN_NOMEM. */
tern_status ti_log_growth(ti_log *log, ti_proof *out, uint64_t size, tern_err *err);

/* Entries that are durable, and entries under the published checkpoint. */
uint64_t ti_log_durable(ti_log *log);
uint64_t ti_log_published(ti_log *log);

/* The public key; valid as long as the log. */
const ti_note_key *ti_log_key(const ti_log *log);

/* --- reading: no lock, also while another process writes -------------------------------------
 */

typedef struct ti_log_view ti_log_view;

/* Opens a log at its published checkpoint and checks its signature.
 *   key  NULL = the one in DIR/vkey
 * Errors: TERN_IO, TERN_CORRUPT, TERN_NO. */
tern_status ti_log_view_open(ti_log_view **out, const char *dir, const ti_note_key *key,
                             const ti_log_io *io, tern_err *err);

/* NULL is allowed. */
void ti_log_view_close(ti_log_view *view);

/* What the view was opened at: the checkpoint, its signed note, the key.  Valid as long as the
 * view. */
const ti_checkpoint *ti_log_view_checkpoint(const ti_log_view *view);
ti_str ti_log_view_note(const ti_log_view *view);
const ti_note_key *ti_log_view_key(const ti_log_view *view);

/* Appends the entry at `index` to *out, after checking that it is in the tree.
 * Errors: TERN_NO past the end, TERN_CORRUPT naming the damaged file, TERN_IO, TERN_NOMEM. */
tern_status ti_log_view_entry(ti_log_view *view, ti_buf *out, uint64_t index, tern_err *err);

/* Is given an entry, valid during the call.  What it returns ends the reading unless it is
 * TERN_OK. */
typedef tern_status (*ti_log_entry_fn)(void *user, uint64_t index, const char *entry,
                                       size_t len, tern_err *err);

/* Reads the entries [first, end), or those at the n indexes (in ascending order each bundle is
 * read once), checked as ti_log_view_entry() does.  Errors: its, and those of `entry`. */
tern_status ti_log_view_range(ti_log_view *view, uint64_t first, uint64_t end,
                              ti_log_entry_fn entry, void *user, tern_err *err);
tern_status ti_log_view_these(ti_log_view *view, const uint64_t *indexes, size_t n,
                              ti_log_entry_fn entry, void *user, tern_err *err);

/* The path of an entry to the view's root, checked.  Reads at most one tile for each 8 levels
 * of the tree.  *leaf (NULL allowed) receives the entry's hash. */
tern_status ti_log_view_inclusion(ti_log_view *view, ti_proof *out, ti_hash *leaf,
                                  uint64_t index, tern_err *err);

/* Proof from the tree of the first `size` entries to the view's, checked; *root (NULL allowed)
 * receives the older root. */
tern_status ti_log_view_consistency(ti_log_view *view, ti_proof *out, ti_hash *root,
                                    uint64_t size, tern_err *err);

/* Appends a whole tlog-proof of an entry. */
tern_status ti_log_view_proof(ti_log_view *view, ti_buf *out, uint64_t index, tern_err *err);

/* Finds an entry with these bytes, newest first: *index.  Reads all tiles in the worst case.
 * Errors: TERN_NO when there is none. */
tern_status ti_log_view_find(ti_log_view *view, uint64_t *index, const void *entry, size_t len,
                             tern_err *err);

/* Appends the bytes of "checkpoint" or "tile/..." after checking them against the root: what a
 * server may send.  Errors: TERN_NO when there is no such thing under the checkpoint,
 * TERN_CORRUPT when it is damaged. */
tern_status ti_log_view_file(ti_log_view *view, ti_buf *out, const char *path, size_t len,
                             tern_err *err);

/* Tiles that were read so far. */
uint64_t ti_log_view_reads(const ti_log_view *view);

/* --- checking everything
 * ---------------------------------------------------------------------- */

typedef struct ti_log_fsck_report {
    uint64_t entries; /* hashed again */
    uint64_t files;   /* read */
    uint64_t bytes;
    uint64_t faults; /* damaged, missing or foreign files */
} ti_log_fsck_report;

/* Is told of each fault: the file, relative to DIR, and what is wrong with it. */
typedef void (*ti_log_fault_fn)(void *user, const char *file, const char *what);

/* Recomputes every tile from the entries, compares each file in DIR and the lock store, and
 * checks all signatures.  Locks the log for as long; `store` as in ti_log_opts.
 * Errors: TERN_NO when there were faults (the report is filled); TERN_UNAVAILABLE when it is
 * being written; TERN_IO, TERN_NOMEM. */
tern_status ti_log_fsck(const char *dir, const ti_log_opts *opts, ti_log_fault_fn fault,
                        void *user, ti_log_fsck_report *report, tern_err *err);

#endif
