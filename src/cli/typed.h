/* SPDX-License-Identifier: Apache-2.0 */
/* cli/typed.h - the messages of a chat as a person types them, or a script sends them.
 *
 * A message is a line of standard input; one that ends in a backslash goes on in the next.  On
 * a terminal lines are edited (cli/editor.h), and messages are remembered. */
#ifndef TI_CLI_TYPED_H
#define TI_CLI_TYPED_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/editor.h"

typedef struct ti_typed {
    bool interactive;  /* there is a prompt */
    ti_editor *editor; /* or NULL: lines come as they are */
    char *kept;        /* the file of the history, or NULL */
    char *line;        /* without an editor */
    size_t cap;
    ti_buf said;
} ti_typed;

/* Begins; for `words` see ti_editor_open().  `keep`: where lines are edited, what was typed
 * before is read from the user's file and what is typed now goes there.
 * Errors: TERN_NOMEM, TERN_UNAVAILABLE, those of ti_chat_history_read(). */
tern_status ti_typed_open(ti_typed *out, const char *const *words, bool keep, tern_err *err);

/* Reads the next message into *message, which is the caller's to change and lives until the
 * next call; NULL when there is none any more.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_typed_next(ti_typed *typed, char **message, tern_err *err);

/* Frees.  A zeroed one is allowed. */
void ti_typed_close(ti_typed *typed);

#endif
