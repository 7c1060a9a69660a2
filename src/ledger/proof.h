/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/proof.h - a proof that travels: index, path, signed checkpoint in one text.
 *
 *     c2sp.org/tlog-proof@v1\n[extra BASE64\n]index N\nBASE64(HASH)\n...\nCHECKPOINT NOTE
 *
 * Source: c2sp.org/tlog-proof.  Files end in .tlog-proof. */
#ifndef TI_LEDGER_PROOF_H
#define TI_LEDGER_PROOF_H

#include "ledger/checkpoint.h"

enum { TI_TLOG_EXTRA_MAX = 1 << 16 };

typedef struct ti_tlog_proof {
    uint64_t index;
    ti_proof path;
    ti_str extra;      /* base64 as it stands in the text; empty when there is none */
    ti_str checkpoint; /* the signed note */
} ti_tlog_proof;

/* Takes a proof apart; `out` points into `text`.  Errors: TERN_CORRUPT with the offset,
 * TERN_LIMIT. */
tern_status ti_tlog_proof_read(ti_tlog_proof *out, const char *text, size_t len, tern_err *err);

/* Appends the text. */
void ti_tlog_proof_write(ti_buf *out, const ti_tlog_proof *proof);

/* The whole check: the checkpoint is signed by `key`, and the entry stands at the proof's
 * index. *checkpoint and *index (NULL allowed) receive what was shown. Errors: TERN_NO when it
 * is not so, TERN_CORRUPT when the text is none. */
tern_status ti_tlog_proof_check(const char *text, size_t len, const void *entry,
                                size_t entry_len, const ti_note_key *key,
                                ti_checkpoint *checkpoint, uint64_t *index, tern_err *err);

#endif
