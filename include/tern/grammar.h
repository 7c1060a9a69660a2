/* SPDX-License-Identifier: Apache-2.0 */
/* tern/grammar.h - answers that have a form: JSON, a JSON Schema, or a grammar of one's own.
 *
 * A grammar says which texts may come.  A session with a grammar chooses only tokens that keep
 * its text the beginning of one of them, and a token that ends the answer only where the text
 * is whole.  Nothing else changes: the logits are the same bits, and for the same grammar,
 * sampler and tokens the answer is the same on every machine, with every number of threads and
 * in every batch.
 *
 *     tern_grammar *grammar = NULL;
 *     tern_grammar_create(&grammar, TERN_GRAMMAR_SCHEMA, schema, strlen(schema), &err);
 *     tern_session_set_grammar(session, grammar, &err);
 *     ... tern_session_feed_text(), then tern_session_next() until tern_model_token_ends()
 *     tern_session_set_grammar(session, NULL, &err);
 *     tern_grammar_destroy(grammar);
 *
 * docs/grammar.md has the languages in full. */
#ifndef TERN_GRAMMAR_H
#define TERN_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tern/session.h"
#include "tern/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable after it was created; any number of sessions, of any models, may use one at once,
 * on any threads. */
typedef struct tern_grammar tern_grammar;

/* The languages that a grammar may be written in. */
typedef enum tern_grammar_kind {
    TERN_GRAMMAR_JSON = 0, /* any JSON object (RFC 8259); takes no text */
    TERN_GRAMMAR_SCHEMA,   /* JSON Schema, draft 2020-12, the keywords of docs/grammar.md */
    TERN_GRAMMAR_GBNF      /* rules `root ::= ...` as llama.cpp has them */
} tern_grammar_kind;

/* Compiles a grammar.
 *   text  [len] bytes in the language of `kind`, at most 256 KiB; copied as far as needed
 * Cost: linear in what the text unfolds to, which has a limit.
 * Errors: TERN_CORRUPT with the offset for a text that is not in the language;
 * TERN_UNSUPPORTED for a keyword or construct that tern does not have, by its name: nothing is
 * left out silently; TERN_USAGE for a grammar that no finite text fits; TERN_LIMIT; TERN_NOMEM.
 */
TERN_API TERN_MUST_USE tern_status tern_grammar_create(tern_grammar **out,
                                                       tern_grammar_kind kind, const char *text,
                                                       size_t len, tern_err *err);

/* Frees a grammar.  No session may use it any more.  NULL is allowed. */
TERN_API void tern_grammar_destroy(tern_grammar *grammar);

/* Makes the tokens that tern_session_next() chooses from now on one text of the grammar, from
 * its first byte; NULL ends that.  Tokens that are fed are not part of it, and neither
 * tern_session_truncate() nor tern_session_load() moves it: set it again for a new answer.  The
 * grammar must outlive its use.
 *
 * Memory: some 4 MB for the session, allocated here, so that choosing a token still allocates
 * nothing; and once for a model some 30 bytes a token of the vocabulary.
 * With a grammar tern_session_next() fails with TERN_UNSUPPORTED when no token of the
 * vocabulary fits, which a vocabulary that has every single byte rules out; with TERN_USAGE
 * after a token that ended the answer; with TERN_LIMIT when a grammar is so ambiguous that its
 * readings do not fit the memory.
 * Errors: TERN_UNSUPPORTED for a model without a token that ends an answer; TERN_NOMEM.  On
 * failure the session is unchanged. */
TERN_API TERN_MUST_USE tern_status tern_session_set_grammar(tern_session *session,
                                                            const tern_grammar *grammar,
                                                            tern_err *err);

/* Returns the least number of bytes that would make the text whole, 0 when it is whole or when
 * there is no grammar. */
TERN_API uint64_t tern_session_grammar_rest(const tern_session *session);

/* Says how many tokens may still be chosen, the one that ends the answer included; UINT64_MAX
 * is any number.  They are then chosen so that the text is whole and ended in time, which is
 * certain when the vocabulary has a token for every byte and `tokens` is more than
 * tern_session_grammar_rest(); with fewer the text comes as near to its end as it can.  Counts
 * down with each token.  Without a grammar it does nothing. */
TERN_API void tern_session_grammar_limit(tern_session *session, uint64_t tokens);

/* The shortest way to the end from here: tern_session_grammar_limit() with one more than
 * tern_session_grammar_rest(). */
TERN_API void tern_session_grammar_finish(tern_session *session);

#ifdef __cplusplus
}
#endif

#endif
