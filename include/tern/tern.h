/* SPDX-License-Identifier: Apache-2.0 */
/* tern/tern.h - the whole public interface of libtern.
 *
 * Two nouns carry it.  A *model* (tern/model.h) is a file that was loaded: weights,
 * vocabulary, chat template; it is immutable and shared by any number of threads.  A
 * *session* (tern/session.h) is one conversation with a model: its tokens and their
 * key/value cache; it is used by one thread at a time.  A program is:
 *
 *     tern_model *model = NULL;
 *     tern_session *session = NULL;
 *     tern_err err;
 *     if (tern_model_open(&model, "model.gguf", NULL, &err) != TERN_OK) ...
 *     if (tern_session_create(&session, model, NULL, &err) != TERN_OK) ...
 *     tern_session_feed_text(session, "Once upon a time", &err);
 *     while (tern_session_next(session, &token, &err) == TERN_OK && !tern_token_ends(...))
 *         ...
 *
 * (examples/hello.c is that program, complete.)  The same model file and the same tokens
 * give the same logits, bit for bit, on every CPU, with every number of threads, in every
 * batch and with every division of the prompt into pieces. */
#ifndef TERN_TERN_H
#define TERN_TERN_H

#include "tern/embed.h"
#include "tern/grammar.h"
#include "tern/model.h"
#include "tern/session.h"
#include "tern/status.h"
#include "tern/version.h"

#endif
