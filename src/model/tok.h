/* SPDX-License-Identifier: Apache-2.0 */
/* model/tok.h - vocabulary: text to tokens, tokens to bytes, chat templates.
 *
 * Two algorithms cover the supported models: byte-level BPE ("gpt2": ranked merges inside the
 * pieces that a regular expression cuts) and SentencePiece BPE ("llama": scores, byte
 * fallback).  Immutable after creation, safe for any number of threads. */
#ifndef TI_MODEL_TOK_H
#define TI_MODEL_TOK_H

#include "model/gguf.h"
#include "tern/model.h"

typedef struct ti_vocab ti_vocab;

/* Builds the vocabulary from tokenizer.ggml.* keys (rules for damaged files: vocab.c).  Copies
 * what it needs: the gguf may be closed afterwards.  A chat template that tern does not know is
 * no error here.  Errors: TERN_CORRUPT, TERN_UNSUPPORTED (names model or pre), TERN_LIMIT,
 * TERN_NOMEM. */
tern_status ti_vocab_create(ti_vocab **out, const ti_gguf *gguf, tern_err *err);

/* Frees a vocabulary.  NULL is allowed. */
void ti_vocab_destroy(ti_vocab *vocab);

/* Returns the number of tokens. */
uint32_t ti_vocab_size(const ti_vocab *vocab);

/* Returns the token that begins a text, or TERN_TOKEN_NONE. */
tern_token ti_vocab_bos(const ti_vocab *vocab);

/* Returns the token that the file names as the end of a text, or TERN_TOKEN_NONE.  Others may
 * end an answer as well: ti_vocab_ends(). */
tern_token ti_vocab_eos(const ti_vocab *vocab);

/* As tern_model_tokenize(), _token_bytes(), _token_ends(), _has_chat(), _chat(). */
tern_status ti_vocab_tokenize(const ti_vocab *vocab, tern_token *out, size_t cap, size_t *n,
                              const char *text, size_t len, uint32_t flags, tern_err *err);
const char *ti_vocab_bytes(const ti_vocab *vocab, tern_token token, size_t *len);
bool ti_vocab_ends(const ti_vocab *vocab, tern_token token);
bool ti_vocab_has_chat(const ti_vocab *vocab);
tern_status ti_vocab_chat(const ti_vocab *vocab, char *out, size_t cap, size_t *len,
                          const tern_message *messages, size_t n, bool answer, tern_err *err);

/* As tern_model_chat_tokens(). */
tern_status ti_vocab_chat_tokens(const ti_vocab *vocab, tern_token *out, size_t cap, size_t *n,
                                 const tern_message *messages, size_t n_messages, bool answer,
                                 tern_err *err);

/* The stream of tern/model.h over a bare vocabulary. */
tern_status ti_stream_create(tern_stream **out, const ti_vocab *vocab, const char *const *stops,
                             size_t n_stops, tern_err *err);

#endif
