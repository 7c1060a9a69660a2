/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/secrets.h - what stays with the owner of a receipt: the file RECEIPT.private.
 *
 * A receipt only has a salted commitment of the prompt.  Who wants to show later what the
 * prompt was needs the salt, and for running the model again the prompt itself.  The file is
 * JSON, mode 0600:
 *   {"schema":"tern.receipt-private/1","receipt_id":ID,"salt":HEX,
 *    "input_tokens":[...],"stops":[...],"grammar":TEXT,"output_tokens":[...]}
 * The last four are only there when the input is kept, the grammar only when there was one. */
#ifndef TI_LEDGER_SECRETS_H
#define TI_LEDGER_SECRETS_H

#include "base/mem.h"
#include "ledger/receipt.h"

enum { TI_SECRETS_MAX = 64 << 20 };

typedef struct ti_secrets {
    char id[TI_RECEIPT_ID + 1];
    uint8_t salt[TI_SALT];
    bool has_input;           /* the members below are known */
    const tern_token *input;  /* [n_input] */
    const tern_token *output; /* [n_output] */
    const char *const *stops; /* [n_stops] */
    const char *grammar;      /* or NULL */
    size_t n_input, n_output, n_stops;
    ti_arena arena; /* of one that was read: holds the arrays */
} ti_secrets;

/* Appends the file's text.  Errors: TERN_NOMEM. */
tern_status ti_secrets_write(ti_buf *out, const ti_secrets *secrets, tern_err *err);

/* Reads it.  Free with ti_secrets_free().  Errors: TERN_CORRUPT with the offset,
 * TERN_UNSUPPORTED for another schema, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_secrets_parse(ti_secrets *out, const char *text, size_t len, tern_err *err);

/* Frees and wipes one that was read.  A zeroed one is allowed. */
void ti_secrets_free(ti_secrets *secrets);

#endif
