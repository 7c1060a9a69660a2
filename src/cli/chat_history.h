/* SPDX-License-Identifier: Apache-2.0 */
/* cli/chat_history.h - the file that keeps what was typed in chats, where the user asks for it.
 *
 * It is JSON, oldest first, one text a line, for its owner only:
 *   {"schema":"tern.chat-history/1","typed":["...", ...]} */
#ifndef TI_CLI_CHAT_HISTORY_H
#define TI_CLI_CHAT_HISTORY_H

#include <stddef.h>

#include "base/err.h"

enum {
    TI_CHAT_HISTORY_MAX = 1000,          /* texts that are kept, the newest ones */
    TI_CHAT_HISTORY_BYTES_MAX = 1 << 20, /* and together: a longer text is not kept */
};

/* Calls give(user, text) for each, oldest first; none where there is no file.
 * Errors: TERN_IO, TERN_LIMIT, TERN_CORRUPT with the offset, TERN_NOMEM. */
tern_status ti_chat_history_read(const char *path, void (*give)(void *user, const char *text),
                                 void *user, tern_err *err);

/* Appends a text (UTF-8), unless it is the newest one already, and drops the oldest beyond the
 * limits.  The file is read again, so that chats at the same time share one, and appears whole;
 * its directory is made.  Of two that append in the same moment one may be lost.
 * Errors: those of ti_chat_history_read(); then the file is as it was. */
tern_status ti_chat_history_add(const char *path, const char *text, tern_err *err);

#endif
