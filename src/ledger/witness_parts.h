/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/witness_parts.h - what witness.c (answering) and witness_open.c (opening) share. */
#ifndef TI_LEDGER_WITNESS_PARTS_H
#define TI_LEDGER_WITNESS_PARTS_H

#include <pthread.h>

#include "ledger/log_parts.h"
#include "ledger/witness.h"

enum { TI_WITNESS_MAGIC = 0x7769746e };

/* What was cosigned last for a log. */
typedef struct ti_witness_log {
    char file[2 * TI_HASH_BYTES + 1]; /* its name in DIR */
    const char *origin;               /* in the policy */
    bool seen;                        /* has anything been cosigned? */
    ti_checkpoint head;               /* if so, what */
    uint64_t time_s;                  /* of the cosignature */
    ti_buf note;                      /* the file's bytes */
} ti_witness_log;

struct ti_witness {
    uint32_t magic;
    const ti_policy *policy;
    uint64_t (*clock_s)(void *user);
    void *clock_user;
    ti_log_at at;
    int lock;
    ti_note_signer signer;

    pthread_mutex_t mutex; /* guards from here, and `at` */
    ti_witness_log *logs;  /* one for each origin in the policy */
    size_t n_logs;
    bool dead;
    tern_err why; /* of dead */
};

#endif
