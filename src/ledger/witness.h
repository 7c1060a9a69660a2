/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/witness.h - a witness: says of a log's checkpoint that it continues what was seen of
 * that log before, and never says so of two that contradict each other.
 *
 *     DIR/key, DIR/vkey          the secret key (0600) and the public one
 *     DIR/lock                   who has the state
 *     DIR/<hex SHA-256(origin)>  the last checkpoint cosigned for a log, with the signatures
 *
 * The state is durable before a cosignature leaves.  It must not be restored from a backup: an
 * older state would cosign another history.  Any failed write or sync is fatal to the handle.
 * Source: c2sp.org/tlog-witness (main at 5ba5ee8), c2sp.org/tlog-cosignature v1.0.1. */
#ifndef TI_LEDGER_WITNESS_H
#define TI_LEDGER_WITNESS_H

#include "ledger/log_io.h"
#include "ledger/policy.h"

/* --- the request (witness_request.c) -------------------------------------------------------
 *     old SIZE\n  BASE64(HASH)\n ...  \n  CHECKPOINT NOTE */

enum { TI_WITNESS_PROOF_MAX = 63, TI_WITNESS_REQUEST_MAX = 128 << 10 };

typedef struct ti_witness_request {
    uint64_t old_size;
    ti_proof proof;
    ti_str note;
} ti_witness_request;

/* Takes a request apart; `out` points into `text`.  Errors: TERN_CORRUPT with the offset,
 * TERN_LIMIT for more than TI_WITNESS_PROOF_MAX hashes. */
tern_status ti_witness_request_read(ti_witness_request *out, const char *text, size_t len,
                                    tern_err *err);

/* Appends the text. */
void ti_witness_request_write(ti_buf *out, const ti_witness_request *request);

/* Takes the witness's cosignature of `text` out of its answer, which is signature lines, and
 * appends its line to *lines.  Those of other keys are left out.
 * Errors: TERN_NO when it has not signed, or wrongly; TERN_CORRUPT, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_witness_answer_read(ti_buf *lines, const ti_note_key *witness, ti_str text,
                                   const char *answer, size_t len, tern_err *err);

/* --- the witness -------------------------------------------------------------------------- */

typedef struct ti_witness ti_witness;

typedef struct ti_witness_opts {
    const ti_log_io *io;             /* NULL = the system's */
    uint64_t (*clock_s)(void *user); /* seconds since 1970, 0 = unknown; NULL = the system's */
    void *clock_user;
    const char *name; /* of the witness and its key; NULL = the name that the key has, or
                         tern-witness/<16 hex digits of the key's hash> */
} ti_witness_opts;

/* Opens the state for the logs of a policy, which must live as long; makes directory and key
 * where there are none.
 * Errors: TERN_UNAVAILABLE when another process has it; TERN_CORRUPT naming the damaged file;
 * TERN_USAGE when the key has another name; TERN_IO, TERN_NOMEM. */
tern_status ti_witness_open(ti_witness **out, const char *dir, const ti_policy *policy,
                            const ti_witness_opts *opts, tern_err *err);

/* NULL is allowed; no other thread may be using it. */
void ti_witness_close(ti_witness *witness);

/* The public key; valid as long as the witness. */
const ti_note_key *ti_witness_key(const ti_witness *witness);

/* What is to be answered over HTTP. */
typedef struct ti_witness_answer {
    unsigned code;    /* 200, 400, 403, 404, 409 or 422 */
    const char *type; /* Content-Type; static */
    ti_buf body;      /* free with ti_buf_free() */
} ti_witness_answer;

/* POST add-checkpoint.  The answer 200 comes when the new state is durable.  Thread-safe.
 * Errors (no answer is filled; 500): TERN_IO (fatal), TERN_NOMEM, TERN_UNAVAILABLE when there
 * is no time. */
tern_status ti_witness_add(ti_witness *witness, ti_witness_answer *out, const char *body,
                           size_t len, tern_err *err);

/* GET <hex SHA-256(origin)>/checkpoint: the last checkpoint that was cosigned, 200 or 404.
 *   hash  what stands before "/checkpoint"
 * Thread-safe.  Errors: TERN_NOMEM. */
tern_status ti_witness_latest(ti_witness *witness, ti_witness_answer *out, const char *hash,
                              size_t len, tern_err *err);

/* False once a write has failed: nothing is cosigned any more. */
bool ti_witness_alive(ti_witness *witness);

#endif
