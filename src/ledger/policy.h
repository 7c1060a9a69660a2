/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/policy.h - which logs are known, which witnesses, and how many of them are enough.
 *
 *     log VKEY [URL]
 *     witness NAME VKEY [URL]
 *     group NAME all|any|K MEMBER...
 *     quorum NAME|none
 *
 * A group or quorum names witnesses and groups of lines before its own, so that no group can
 * contain itself; a name is a member once at most, so that no witness counts twice.  Exactly
 * one line says the quorum.  Empty lines and lines that begin with '#' are skipped.  Source:
 * c2sp.org/tlog-policy. */
#ifndef TI_LEDGER_POLICY_H
#define TI_LEDGER_POLICY_H

#include "ledger/checkpoint.h"

enum {
    TI_POLICY_BYTES = 1 << 20,
    TI_POLICY_LOGS = 4096,
    TI_POLICY_NODES = 1024, /* witnesses and groups */
    TI_POLICY_NONE = -1     /* the quorum that everything reaches */
};

typedef struct ti_policy_log {
    ti_note_key key; /* TI_NOTE_ED25519; its name is the log's origin */
    ti_str url;      /* empty = none */
} ti_policy_log;

/* A witness or a group.  Members of a group stand before it. */
typedef struct ti_policy_node {
    ti_str name;
    bool group;
    ti_note_key key;    /* of a witness: TI_NOTE_COSIGN_V1 */
    ti_str url;         /* of a witness; empty = none */
    uint32_t threshold; /* of a group: so many members are enough */
    uint32_t first, n;  /* of a group: members[first .. first + n) */
    bool is_member;
} ti_policy_node;

typedef struct ti_policy {
    char *text; /* what the ti_strs point into */
    ti_policy_log *logs;
    ti_policy_node *nodes; /* in the order of their lines */
    uint32_t *members;     /* indexes into nodes */
    size_t n_logs, n_nodes, n_members;
    int quorum; /* index into nodes, or TI_POLICY_NONE */
} ti_policy;

/* Reads a policy; the text is copied.  Free with ti_policy_free().
 * Errors: TERN_CORRUPT, TERN_UNSUPPORTED (a key of another type) and TERN_LIMIT with the line
 * in the message; TERN_NOMEM. */
tern_status ti_policy_read(ti_policy *out, const char *text, size_t len, tern_err *err);

/* The same from a file, which messages name.  Errors: also TERN_IO. */
tern_status ti_policy_load(ti_policy *out, const char *path, tern_err *err);

/* A zeroed one is allowed. */
void ti_policy_free(ti_policy *policy);

/* True when the nodes in `valid` ([n_nodes], looked at for witnesses) reach the quorum.
 * Thread-safe. */
bool ti_policy_reached(const ti_policy *policy, const bool *valid);

/* What a check found. */
typedef struct ti_policy_found {
    ti_checkpoint checkpoint;
    ti_note_key log;       /* whose checkpoint it is */
    uint32_t witnesses;    /* that have cosigned */
    uint64_t first_time_s; /* the earliest time in their cosignatures; 0 without any */
    ti_buf names;          /* of these witnesses in the policy, "a, b"; may be empty */
} ti_policy_found;

/* Checks a signed checkpoint: one of the policy's logs has signed it, whose name is its origin,
 * and enough witnesses have cosigned it.  Free out->names with ti_buf_free().
 *   log  for a policy without logs: the key of the log, known from elsewhere; else NULL
 * Errors: TERN_NO when it is not so; TERN_CORRUPT, TERN_LIMIT for what is no checkpoint;
 * TERN_USAGE when no log is known; TERN_NOMEM. */
tern_status ti_policy_check(ti_policy_found *out, const ti_policy *policy,
                            const ti_note_key *log, const char *note, size_t len,
                            tern_err *err);

#endif
