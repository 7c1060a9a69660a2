/* SPDX-License-Identifier: Apache-2.0 */
/* cli/answer.h - reading a prompt and writing an answer, as `run` and `chat` both do. */
#ifndef TI_CLI_ANSWER_H
#define TI_CLI_ANSWER_H

#include "base/buf.h"
#include "cli/opt.h"
#include "tern/tern.h"

typedef enum ti_stop {
    TI_STOP_END = 0,     /* the model ended its answer */
    TI_STOP_SEQUENCE,    /* a stop sequence was found */
    TI_STOP_LENGTH,      /* as many tokens as were asked for */
    TI_STOP_CONTEXT,     /* the context is full */
    TI_STOP_INTERRUPTED, /* Ctrl-C */
} ti_stop;

typedef struct ti_answer {
    struct ti_live *live; /* shows how it goes (cli/live.h); NULL: nobody does */
    ti_buf text;          /* whole UTF-8, without stop sequence */
    size_t first;         /* where the answer begins among the session's tokens */
    size_t n_tokens;      /* how many were chosen, a token that ends the answer included */
    ti_stop stop;
    uint64_t first_ns;    /* from the call to the first token */
    uint64_t generate_ns; /* from the first token to the last */
} ti_answer;

/* "end", "stop", "length", "context", "interrupted" */
const char *ti_stop_name(ti_stop stop);

/* Feeds tokens in pieces of `chunk` (0 = 512), with a progress bar; interrupted:
 * TERN_CANCELLED.  *ns receives the time that it took. */
tern_status ti_answer_feed(tern_session *session, const tern_token *tokens, size_t n,
                           uint32_t chunk, uint64_t *ns, tern_err *err);

/* Lets the session answer, printing the text as it comes when `show` is set.  `out` is
 * zero-initialised by the caller but for `live`, who frees out->text, also after a failure.
 *   max_tokens  0 = until something else ends it */
tern_status ti_answer_make(ti_answer *out, const tern_model *model, tern_session *session,
                           const ti_opt_list *stops, size_t max_tokens, bool show,
                           tern_err *err);

/* Tells a person: "42 tokens, 14.2 tokens/s; prompt 9 tokens, 80.1 tokens/s; ended by: end". */
void ti_answer_note(const ti_answer *answer, size_t n_prompt, uint64_t prompt_ns);

/* Tokens a second, or 0 when there is nothing to divide by. */
double ti_rate(size_t n, uint64_t ns);

/* Tokens of the answer after the first, and the time for them, as a rate: the first token
 * belongs to the prompt. */
double ti_answer_rate(const ti_answer *answer);

#endif
