/* SPDX-License-Identifier: Apache-2.0 */
/* cli/audit_list.h - the receipts that a sample is drawn from, and where its seed comes from.
 */
#ifndef TI_CLI_AUDIT_LIST_H
#define TI_CLI_AUDIT_LIST_H

#include "base/buf.h"
#include "cli/opt.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"

/* A receipt as it was signed. */
typedef struct ti_audit_item {
    ti_hash leaf; /* of its bytes, as an entry of a log */
    ti_buf text;
    char *file;     /* where it was, or NULL: in a log */
    uint64_t index; /* in the log */
} ti_audit_item;

typedef struct ti_audit_list {
    ti_audit_item *items;
    size_t n, cap;
    ti_hash root; /* RFC 6962 root over them, in their order */
    bool of_log;
    ti_checkpoint head; /* of the log */
} ti_audit_list;

/* Receipts in files, in ascending order of their hashes, each once.
 * Errors: TERN_IO, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_audit_list_files(ti_audit_list *out, const ti_operands *files, tern_err *err);

/* Those entries of a log that are receipts, in its order.  Errors: those of reading a log. */
tern_status ti_audit_list_log(ti_audit_list *out, const char *directory, tern_err *err);

/* Frees it.  A zeroed one is allowed. */
void ti_audit_list_free(ti_audit_list *list);

/* One thing that goes into the seed. */
typedef struct ti_audit_source {
    const char *kind; /* "file", "hex", "text", "random" */
    ti_buf bytes;
} ti_audit_source;

enum { TI_AUDIT_SOURCE_MAX = 4096 }; /* bytes: all of it stands in the report */

/* Reads "file:PATH", "hex:DIGITS", "text:WORDS" or "random".
 * Errors: TERN_USAGE, TERN_IO, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_audit_source_read(ti_audit_source *out, const char *spec, tern_err *err);

#endif
