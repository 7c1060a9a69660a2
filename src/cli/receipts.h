/* SPDX-License-Identifier: Apache-2.0 */
/* cli/receipts.h - the receipt of an answer of `tern run` or `tern chat`, and where it is.
 *
 * A receipt ID.json lies in $XDG_DATA_HOME/tern/receipts, or where --receipt says; beside it
 * FILE.private (ledger/secrets.h) and, with --trace, FILE.trace (ledger/trace.h), which only
 * the owner may read.  That directory keeps the newest ones (cli/receipt_files.h). */
#ifndef TI_CLI_RECEIPTS_H
#define TI_CLI_RECEIPTS_H

#include "cli/answer.h"
#include "cli/answer_form.h"
#include "cli/common.h"
#include "cli/model_digest.h"
#include "energy/session.h"
#include "ledger/receipt.h"
#include "ledger/trace.h"

typedef struct ti_receipt_args {
    const char *file, *zone;
    bool off, keep, trace;
} ti_receipt_args;

/* clang-format off */
#define TI_OPT_NO_RECEIPT(S, m)                                                                \
    {.type = TI_OPT_FLAG, .name = "no-receipt", .help = "write no receipt",                    \
     .offset = offsetof(S, m.off)}

#define TI_OPT_RECEIPT_ZONE(S, m)                                                              \
    {.type = TI_OPT_STR, .name = "zone", .metavar = "CODE",                                    \
     .help = "the grid that the electricity comes from, for example DE; gives grams",          \
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME; none: no grams",     \
     .offset = offsetof(S, m.zone)}

#define TI_OPTS_RECEIPT(S, m)                                                                  \
    {.type = TI_OPT_STR, .name = "receipt", .metavar = "FILE",                                 \
     .help = "write the receipt to FILE and keep what is needed to run it again",              \
     .fallback = "a new file in $XDG_DATA_HOME/tern/receipts", .words = TI_WORDS_FILE,         \
     .offset = offsetof(S, m.file)},                                                           \
    TI_OPT_NO_RECEIPT(S, m),                                                                   \
    {.type = TI_OPT_FLAG, .name = "keep-input",                                                \
     .help = "keep the prompt beside the receipt, for the owner only; --receipt does so too",  \
     .offset = offsetof(S, m.keep)},                                                           \
    {.type = TI_OPT_FLAG, .name = "trace",                                                     \
     .help = "put a root over the hashes of every layer and token into the receipt",           \
     .offset = offsetof(S, m.trace)},                                                          \
    TI_OPT_RECEIPT_ZONE(S, m)
/* clang-format on */

/* A receipt on its way. */
typedef struct ti_receipt_job {
    const ti_receipt_args *args;
    bool wanted;
    bool broken; /* a warning was given: there will be none */
    char *model_path;
    ti_file_state model_state; /* before the model was opened */
    uint8_t salt[TI_SALT];
    ti_trace trace;
    ti_energy *energy; /* NULL: there is nothing to measure or model with */
    uint32_t energy_id;
    ti_receipt receipt; /* what is known of it */
} ti_receipt_job;

/* What the answer was made with. */
typedef struct ti_receipt_facts {
    const tern_model *model;
    const tern_session *session; /* NULL: the three that follow stand for it */
    const tern_token *tokens;    /* [n_tokens]: the prompt, then the answer */
    size_t n_tokens;
    const tern_sampler_opts *sampler;
    const ti_model_args *model_args;
    const ti_session_args *session_args;
    const ti_opt_list *stops;
    const ti_answer_form *form; /* NULL = none */
    const ti_answer *answer;
    size_t n_input; /* tokens of the prompt */
    size_t n_fed;   /* of them, what was computed for this answer; the rest was held already */
    uint32_t max_tokens;
    bool chat;
    uint64_t prompt_ns;
} ti_receipt_facts;

/* Before the model is opened.  Without a receipt that was asked for by name, nothing that goes
 * wrong is an error: it ends with a warning and without a receipt.  End with
 * ti_receipt_end(). */
tern_status ti_receipt_begin(ti_receipt_job *job, const ti_receipt_args *args,
                             const ti_model_args *model, tern_err *err);

/* Between two answers of one model: a new receipt instead of the last one. */
void ti_receipt_again(ti_receipt_job *job);

/* Before the prompt is read: makes the session show what it computes, and looks at the meters.
 */
tern_status ti_receipt_watch(ti_receipt_job *job, const tern_model *model,
                             const ti_session_args *args, tern_session *session, tern_err *err);

/* The tokens of the prompt and of the answer. */
const tern_token *ti_receipt_tokens(const ti_receipt_facts *facts, size_t *n);

/* Says in a receipt what is known of an energy. */
void ti_receipt_set_energy(ti_receipt_energy *e, const ti_energy_figure *figure);

/* Everything that it says but for the signature; the first part of ti_receipt_finish(). */
tern_status ti_receipt_fill(ti_receipt_job *job, const ti_receipt_facts *facts, tern_err *err);

/* After the answer: signs the receipt and writes its files.  job->receipt.id is then its id, or
 * "" when there is none. */
tern_status ti_receipt_finish(ti_receipt_job *job, const ti_receipt_facts *facts,
                              tern_err *err);

/* Appends "42 tokens, 3.1 J (modelled +-35 %, ...), 0.12 g CO2e (...)" with dots between. */
void ti_receipt_describe(ti_buf *out, const ti_receipt *receipt);

/* Tells the user: "42 tokens, 3.1 J (modelled +-35 %, ...), receipt 01J...". */
void ti_receipt_note(const ti_receipt *receipt);

/* Frees and wipes.  A zeroed one is allowed. */
void ti_receipt_end(ti_receipt_job *job);

/* Milliseconds since 1970. */
uint64_t ti_unix_ms(void);

/* Names of settings as receipts have them; of TERN_KV_..., TERN_ACT_... and option values. */
const char *ti_receipt_kv_name(uint32_t kv);
const char *ti_receipt_act_name(uint32_t act);
const char *ti_receipt_i2s_name(uint32_t i2s);
const char *ti_receipt_group_name(uint32_t group);

#endif
