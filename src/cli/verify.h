/* SPDX-License-Identifier: Apache-2.0 */
/* cli/verify.h - the parts of `tern verify`. */
#ifndef TI_CLI_VERIFY_H
#define TI_CLI_VERIFY_H

#include "cli/checks.h"
#include "cli/opt.h"
#include "cli/rerun.h"
#include "ledger/receipt.h"

typedef struct ti_verify_args {
    ti_opt_list keys; /* of receipts, or of meters */
    bool any_key, rerun, json;
    const char *output;
    const char *proof, *log, *log_key, *since, *policy;
    const char *meter;
    ti_rerun_args again;
} ti_verify_args;

/* clang-format off */
/* Whose signatures count: the members `keys` and `any_key` of S. */
#define TI_OPTS_TRUST(S)                                                                       \
    {.type = TI_OPT_LIST, .name = "key", .letter = 'k', .metavar = "KEY",                      \
     .help = "trust this public key, or the one in this file; may be repeated",                \
     .fallback = "your own", .words = TI_WORDS_FILE, .offset = offsetof(S, keys)},             \
    {.type = TI_OPT_FLAG, .name = "any-key",                                                   \
     .help = "accept receipts whoever signed them, and say who",                               \
     .offset = offsetof(S, any_key)}
/* clang-format on */

/* What is summed over all receipts of a call. */
typedef struct ti_verify_sum {
    uint64_t energy_uj; /* given to answers and idle */
    size_t n;           /* receipts with energy */
    size_t n_without;
} ti_verify_sum;

/* Checks an envelope and what is in it; *receipt is filled when it could be read.  What a
 * receipt does not show is a line; what is no receipt is an error.
 *   file  for what lies beside it */
tern_status ti_verify_receipt(ti_checks *checks, ti_receipt *receipt, const char *text,
                              size_t len, const char *file, const ti_verify_args *args,
                              tern_err *err);

/* Reads and checks a receipt's signature and statement only: the first part of it. */
tern_status ti_verify_signature(ti_checks *checks, ti_receipt *receipt, const char *text,
                                size_t len, const ti_opt_list *keys, bool any_key,
                                tern_err *err);

/* What can be checked of a job's receipt, whose signature is checked: what it wrote, its
 * command, and its grams, by what lies beside `file`. */
tern_status ti_verify_job(ti_checks *checks, const ti_receipt *receipt, const char *file,
                          const ti_verify_args *args, tern_err *err);

/* The entry is in a log: by a proof in a file, or in a directory. */
tern_status ti_verify_logged(ti_checks *checks, const char *entry, size_t len,
                             const ti_verify_args *args, tern_err *err);

/* Checks the signed records of a meter. */
tern_status ti_verify_meter(ti_checks *checks, const char *text, size_t len,
                            const ti_verify_args *args, tern_err *err);

/* Checks signed readings of a device, and their order. */
tern_status ti_verify_reading(ti_checks *checks, const char *text, size_t len,
                              const ti_verify_args *args, tern_err *err);

/* What receipts gave out against what the meter in the file args->meter counted. */
tern_status ti_verify_sum_check(ti_checks *checks, const ti_verify_sum *sum,
                                const ti_verify_args *args, tern_err *err);

#endif
