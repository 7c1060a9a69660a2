/* SPDX-License-Identifier: Apache-2.0 */
/* cli/rerun.h - running a model again to see whether a receipt's output comes out. */
#ifndef TI_CLI_RERUN_H
#define TI_CLI_RERUN_H

#include "cli/checks.h"
#include "cli/opt.h"
#include "ledger/receipt.h"

typedef struct ti_rerun_args {
    const char *model;  /* NULL = look for the receipt's among the models in the cache */
    const char *prompt; /* file with the prompt, "-" = stdin; NULL = from FILE.private */
    const char *system;
    ti_opt_list stops;
    const char *grammar; /* file; NULL = from FILE.private */
    uint32_t threads;
    const char *cpu;
} ti_rerun_args;

/* clang-format off */
#define TI_OPT_RERUN_MODEL(S, m)                                                               \
    {.type = TI_OPT_STR, .name = "model", .letter = 'm', .metavar = "MODEL",                   \
     .help = "the receipt's model: a GGUF file, or the name of one that is in the cache",      \
     .fallback = "the one in the cache that has the receipt's digest",                         \
     .words = TI_WORDS_MODEL, .offset = offsetof(S, m.model)}
/* clang-format on */

/* Adds the lines "model", "input", "rerun" and "trace".
 *   file  the receipt's, beside which its private part and trace are looked for
 * Errors: TERN_UNAVAILABLE when the model or the prompt is not there; those of opening and
 * running a model. */
tern_status ti_rerun(ti_checks *checks, const ti_receipt *receipt, const char *file,
                     const ti_rerun_args *args, tern_err *err);

#endif
