/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cosign.h - asking the witnesses of a policy about a log's head. */
#ifndef TI_CLI_COSIGN_H
#define TI_CLI_COSIGN_H

#include "ledger/log.h"
#include "ledger/policy.h"

/* What a witness said. */
typedef struct ti_cosigned {
    const ti_policy_node *witness;
    bool has;        /* its cosignature is there */
    bool kept;       /* from before: there is no new one */
    bool refused;    /* it has seen more of this log, or something else */
    uint64_t time_s; /* in it */
    char why[200];   /* why there is none, or no new one */
} ti_cosigned;

typedef struct ti_cosigning {
    const char *dir; /* the log's */
    const ti_policy *policy;
    bool need_quorum; /* publish only what enough witnesses have cosigned */

    ti_cosigned *said; /* [n]: of the last time, in the policy's order */
    size_t n, has;
    bool asked, reached; /* the quorum */
} ti_cosigning;

/* Prepares.  The policy must live as long.  Free with ti_cosigning_free().
 * Errors: TERN_USAGE when the policy names no witness with an address; TERN_NOMEM. */
tern_status ti_cosigning_start(ti_cosigning *out, const char *dir, const ti_policy *policy,
                               bool need_quorum, tern_err *err);

/* Zeroed is allowed. */
void ti_cosigning_free(ti_cosigning *cosigning);

/* A ti_log_cosign_fn; `user` is the ti_cosigning.  Each witness with an address is asked, one
 * after the other; what a witness said before about the same head stays when it does not answer
 * now.  Errors: TERN_UNAVAILABLE when need_quorum and the quorum is not reached;
 * TERN_CANCELLED, TERN_NOMEM. */
tern_status ti_cosign_ask(void *user, ti_log *log, ti_buf *note, ti_str text, tern_err *err);

#endif
