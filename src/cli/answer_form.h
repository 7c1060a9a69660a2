/* SPDX-License-Identifier: Apache-2.0 */
/* cli/answer_form.h - the form that an answer must have: options, file, grammar, receipt. */
#ifndef TI_CLI_ANSWER_FORM_H
#define TI_CLI_ANSWER_FORM_H

#include "cli/opt.h"
#include "ledger/receipt.h"
#include "ledger/secrets.h"
#include "tern/grammar.h"

typedef struct ti_answer_form_args {
    bool json_object;
    const char *schema, *rules; /* files; "-" = stdin */
} ti_answer_form_args;

/* clang-format off */
/* `more` is what follows the name of a file in help. */
#define TI_FORM_OR_STDIN "; - reads standard input"
#define TI_OPTS_FORM(S, m, more)                                                               \
    {.type = TI_OPT_FLAG, .name = "json-object", .help = "let the answer be a JSON object",    \
     .offset = offsetof(S, m.json_object)},                                                    \
    {.type = TI_OPT_STR, .name = "json-schema", .metavar = "FILE",                             \
     .help = "let the answer be JSON that fits this JSON Schema" more,                         \
     .words = TI_WORDS_FILE, .offset = offsetof(S, m.schema)},                                 \
    {.type = TI_OPT_STR, .name = "grammar", .metavar = "FILE",                                 \
     .help = "let the answer fit these rules (GBNF)" more,                                     \
     .words = TI_WORDS_FILE, .offset = offsetof(S, m.rules)}
/* clang-format on */

/* A form; all zero: none is wanted. */
typedef struct ti_answer_form {
    tern_grammar *grammar; /* NULL = none */
    tern_grammar_kind kind;
    char *text; /* [len], what it was made from */
    size_t len;
} ti_answer_form;

/* True when the text of the form comes from standard input. */
bool ti_answer_form_reads_stdin(const ti_answer_form_args *args);

/* Reads and compiles what the options ask for.  Errors: TERN_USAGE for two of them; those of
 * reading a file and of tern_grammar_create(), with the file's name. */
tern_status ti_answer_form_open(ti_answer_form *out, const ti_answer_form_args *args,
                                tern_err *err);

/* Compiles the form that a receipt names, from the file `path`, from what was kept in `secrets`
 * when `path` is NULL, or from nothing where there is no text.  A receipt without a form gives
 * none.  Errors: TERN_UNAVAILABLE when there is no text; TERN_USAGE when it is another. */
tern_status ti_answer_form_again(ti_answer_form *out, const ti_receipt *receipt,
                                 const ti_secrets *secrets, const char *path, tern_err *err);

/* Makes the next answer of a session one of this form, which ends within `max_tokens` (0 = any
 * number) and before the context of `n_ctx` tokens is full.  Without a form it does nothing. */
tern_status ti_answer_form_begin(const ti_answer_form *form, tern_session *session,
                                 uint64_t max_tokens, uint32_t n_ctx, tern_err *err);

/* Says in a receipt which form it was; NULL or none: says nothing. */
void ti_answer_form_receipt(ti_receipt *receipt, const ti_answer_form *form);

/* Frees what it has.  A zeroed one is allowed. */
void ti_answer_form_close(ti_answer_form *form);

#endif
