/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/log_index.h - finding receipts in a log without reading all of it.
 *
 * An index is a SQLite file and, beside it, FILE.sum: how many entries of which tree are in it,
 * and SHA-256 of the whole file.  It is only a short cut.  It is made anew when it is missing,
 * of another history, or not what FILE.sum says, to the bit; it is brought up to date when the
 * log grew; and what it finds is read from the log and compared again.  Losing it loses
 * nothing, so it is never synced.  FILE.lock keeps two processes apart; all three have mode
 * 0600.
 *
 * Only receipts that this version can read are found; signatures are not checked here. */
#ifndef TI_LEDGER_LOG_INDEX_H
#define TI_LEDGER_LOG_INDEX_H

#include "ledger/log.h"
#include "ledger/receipt.h"
#include "tern/model.h"

/* The first digits of a digest. */
typedef struct ti_digest_range {
    uint8_t low[TI_SHA256], high[TI_SHA256]; /* both belong to it */
} ti_digest_range;

enum {
    TI_QUERY_NO_ENERGY = 4, /* beside ti_receipt_evidence: the receipt says nothing of energy */
    TI_QUERY_ANY_ENERGY = (1 << (TI_QUERY_NO_ENERGY + 1)) - 1
};

/* What is looked for; a receipt is found when all of it holds. */
typedef struct ti_log_query {
    char id[TI_RECEIPT_ID + 1]; /* "" = any */
    ti_digest_range model, output;
    uint64_t from_unix_ms, until_unix_ms; /* when the answer ended: from <= it < until */
    uint32_t evidence;                    /* bit 1 << e for each kind that is wanted */
} ti_log_query;

/* Everything. */
void ti_log_query_all(ti_log_query *out);

/* Reads 1 to 64 hexadecimal digits.  False for anything else. */
bool ti_digest_range_read(ti_digest_range *out, const char *digits);

/* Whether a receipt is what is looked for. */
bool ti_log_query_matches(const ti_log_query *query, const ti_receipt *receipt);

typedef struct ti_log_index_opts {
    const char *file;          /* NULL = none: all entries are read, and forgotten again */
    bool rebuild;              /* even when it seems right */
    tern_progress_fn progress; /* called while entries are read; NULL = none */
    void *progress_user;
} ti_log_index_opts;

/* What there was to do. */
typedef struct ti_log_index_report {
    const char *why;   /* it was made anew, static; NULL when it was not */
    uint64_t added;    /* entries that were read to bring it up to date */
    uint64_t receipts; /* that are in it */
} ti_log_index_report;

/* Brings the index up to the checkpoint of the view.  Cost: about 0.1 ms a receipt that is new,
 * and SHA-256 of the file.
 * Errors: those of reading a log; TERN_IO when the file cannot be written; TERN_CANCELLED. */
tern_status ti_log_index_update(ti_log_view *view, const ti_log_index_opts *opts,
                                ti_log_index_report *report, tern_err *err);

/* Is given each receipt that is found, in the order of the log. */
typedef tern_status (*ti_log_found_fn)(void *user, uint64_t index, const ti_receipt *receipt,
                                       tern_err *err);

/* Updates the index and looks for receipts.  Errors: those of both, and those of `found`. */
tern_status ti_log_index_find(ti_log_view *view, const ti_log_index_opts *opts,
                              const ti_log_query *query, ti_log_found_fn found, void *user,
                              ti_log_index_report *report, tern_err *err);

#endif
