/* SPDX-License-Identifier: Apache-2.0 */
/* model/embed.h - what servers want of an embedder beside tern/embed.h. */
#ifndef TI_MODEL_EMBED_H
#define TI_MODEL_EMBED_H

#include <stdbool.h>

#include "tern/embed.h"

/* Has `go_on` called after each piece of a text, 256 tokens at most, with the number of tokens
 * that were read since the last call; once it returns false, tern_embedder_text() ends with
 * TERN_CANCELLED.  NULL = nobody. */
void ti_embedder_watch(tern_embedder *embedder, bool (*go_on)(void *user, size_t n_tokens),
                       void *user);

#endif
