/* SPDX-License-Identifier: Apache-2.0 */
/* cli/conversation.h - the messages of a chat, and the file that keeps them.
 *
 * The file is JSON, so that it can be read, edited and continued with another model:
 *   {"schema":"tern.chat/1","messages":[{"role":"user","content":"..."}, ...]} */
#ifndef TI_CLI_CONVERSATION_H
#define TI_CLI_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "tern/model.h"

typedef struct ti_conversation {
    tern_message *messages; /* strings are owned */
    size_t n, cap;
} ti_conversation;

/* Appends a copy of a message; `role` is "system", "user" or "assistant".
 * Errors: TERN_NOMEM. */
tern_status ti_conversation_add(ti_conversation *talk, const char *role, const char *content,
                                tern_err *err);

/* Removes messages [first, first + n). */
void ti_conversation_remove(ti_conversation *talk, size_t first, size_t n);

/* Frees everything and leaves it empty.  A zeroed one is valid and empty. */
void ti_conversation_free(ti_conversation *talk);

/* True when the first message is the system's. */
bool ti_conversation_has_system(const ti_conversation *talk);

/* Writes the file, whole or not at all.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_conversation_save(const ti_conversation *talk, const char *path, tern_err *err);

/* Replaces the conversation by a file's; unchanged on failure.
 * Errors: TERN_IO, TERN_LIMIT, TERN_CORRUPT with the offset, TERN_NOMEM. */
tern_status ti_conversation_load(ti_conversation *talk, const char *path, tern_err *err);

#endif
