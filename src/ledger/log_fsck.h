/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/log_fsck.h - what the files of fsck share: log_fsck.c, log_fsck_tree.c,
 * log_fsck_files.c. */
#ifndef TI_LEDGER_LOG_FSCK_H
#define TI_LEDGER_LOG_FSCK_H

#include "ledger/log_parts.h"

typedef struct ti_fsck {
    ti_log_at at, to, store;
    ti_log_fault_fn fault;
    void *user;
    ti_log_fsck_report *report;
    ti_log_tree *tree; /* recomputed */
    ti_frontier stated;
    ti_checkpoint signed_at, published;
    bool has_signed, has_published;
    uint64_t wal_next;        /* index after the last entry of the WAL */
    char names[TI_TILE_PATH]; /* directory that is being walked */
    tern_status status;       /* of the walk */
    tern_err *err;
} ti_fsck;

/* Counts a fault and tells of it. */
void ti_fsck_fault(ti_fsck *f, const char *file, const char *what);

/* A damaged file is a fault and no failure (TERN_OK); running out of memory is one. */
tern_status ti_fsck_note(ti_fsck *f, const char *file, tern_status status, const tern_err *why);

/* Hands on the failure that ti_fsck_note() has left. */
tern_status ti_fsck_failed(ti_fsck *f, tern_status status, const tern_err *why);

/* Hashes all entries, and compares the tiles and what was signed.  Needs `stated`, and the
 * heads.  Errors: TERN_NOMEM. */
tern_status ti_fsck_tree(ti_fsck *f);

/* Compares the WAL with the tiles.  Errors: TERN_NOMEM. */
tern_status ti_fsck_wal(ti_fsck *f);

/* Walks tile/ for older partial files and for what does not belong there.  Needs wal_next.
 * Errors: TERN_NOMEM. */
tern_status ti_fsck_files(ti_fsck *f);

#endif
