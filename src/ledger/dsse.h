/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/dsse.h - DSSE envelopes: a payload, its type, and signatures over both.
 *
 * The format is DSSE v1.0 (secure-systems-lab/dsse): JSON with payloadType, payload (base64)
 * and signatures [{keyid, sig (base64)}]; signed is the "pre-authentication encoding"
 *   "DSSEv1" SP len(type) SP type SP len(payload) SP payload
 * with lengths in decimal.  Nothing in an envelope may be believed before a signature was
 * checked with a key that is trusted for another reason than that the envelope names it. */
#ifndef TI_LEDGER_DSSE_H
#define TI_LEDGER_DSSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "ledger/note.h"

enum {
    TI_DSSE_MAX = 1 << 20, /* bytes of an envelope */
    TI_DSSE_SIGS_MAX = 16  /* signatures in one */
};

typedef struct ti_dsse_sig {
    char *keyid;  /* a hint, "" when absent */
    uint8_t *sig; /* [len] */
    size_t len;
} ti_dsse_sig;

/* An envelope that was read.  Free with ti_dsse_free(). */
typedef struct ti_dsse {
    char *type;       /* payloadType */
    uint8_t *payload; /* [len], with a NUL after it */
    size_t len;
    ti_dsse_sig *sigs; /* [n_sigs], at least one */
    size_t n_sigs;
    ti_arena arena;
} ti_dsse;

/* Appends what is signed: the pre-authentication encoding. */
void ti_dsse_pae(ti_buf *out, const char *type, const void *payload, size_t len);

/* Signs a payload with one key and appends the envelope, in one line without newline.  keyid is
 * the public key as text.  Errors: TERN_NOMEM. */
tern_status ti_dsse_sign(ti_buf *out, const char *type, const void *payload, size_t len,
                         const ti_note_signer *key, tern_err *err);

/* Reads an envelope.  Base64 is strict: padded, no white space, no bits left over; the
 * alphabets of RFC 4648 sections 4 and 5 are both accepted, as DSSE asks.  Unknown members are
 * ignored, as DSSE asks.  Errors: TERN_CORRUPT with the offset, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_dsse_parse(ti_dsse *out, const char *text, size_t len, tern_err *err);

/* Frees it.  A zeroed envelope is allowed. */
void ti_dsse_free(ti_dsse *envelope);

/* Looks for a signature that one of the n keys made; *which receives the index of that key.
 * Key ids are not looked at.  Errors: TERN_NO when there is none, TERN_NOMEM. */
tern_status ti_dsse_verify(const ti_dsse *envelope, const ti_note_key *keys, size_t n,
                           size_t *which, tern_err *err);

#endif
