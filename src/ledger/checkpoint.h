/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/checkpoint.h - the head of a log: which one, how many entries, which root.
 *
 *     ORIGIN\nSIZE\nBASE64(ROOT)\n [extension lines]
 *
 * Source: c2sp.org/tlog-checkpoint v1.0.0. */
#ifndef TI_LEDGER_CHECKPOINT_H
#define TI_LEDGER_CHECKPOINT_H

#include "ledger/merkle.h"
#include "ledger/note.h"

typedef struct ti_checkpoint {
    char origin[TI_NOTE_NAME_MAX + 1];
    uint64_t size;
    ti_hash root;
} ti_checkpoint;

/* Reads the text of a note.  Extension lines are allowed and skipped.
 * Errors: TERN_CORRUPT with the offset, TERN_LIMIT. */
tern_status ti_checkpoint_read(ti_checkpoint *out, const char *text, size_t len, tern_err *err);

/* Appends the three lines. */
void ti_checkpoint_write(ti_buf *out, const ti_checkpoint *checkpoint);

/* Reads a signed checkpoint: the note must be signed by `key`, whose name is the origin.
 * Errors: those of ti_note_open() and ti_checkpoint_read(); TERN_NO for another origin. */
tern_status ti_checkpoint_open(ti_checkpoint *out, const char *note, size_t len,
                               const ti_note_key *key, tern_err *err);

/* Appends the signed note. */
tern_status ti_checkpoint_sign(ti_buf *out, const ti_checkpoint *checkpoint,
                               const ti_note_signer *signer, tern_err *err);

/* Reads a number without sign and leading zero, below 2^63.  False when the text is anything
 * else. */
bool ti_decimal_read(uint64_t *out, const char *text, size_t len);

#endif
