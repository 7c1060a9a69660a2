/* SPDX-License-Identifier: Apache-2.0 */
/* cli/editor.h - lines that a person types at a terminal: editing, and what was typed before.
 *
 * libedit does the editing; this adds UTF-8 whatever the locale, text that is pasted in one
 * piece, with its lines (bracketed paste; source: XTerm Control Sequences, "Bracketed Paste
 * Mode"), Ctrl-C, Ctrl-Z, and windows that change their size.  The terminal has its own modes
 * back whenever no line is being read.  ~/.editrc is not read. */
#ifndef TI_CLI_EDITOR_H
#define TI_CLI_EDITOR_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct ti_editor ti_editor;

enum { TI_EDITOR_PAST = 1000 }; /* how many texts are remembered */

/* How a line ended. */
typedef enum ti_typed_end {
    TI_TYPED_LINE = 0, /* with Return */
    TI_TYPED_DROPPED,  /* Ctrl-C: what was typed is not wanted */
    TI_TYPED_NO_MORE   /* Ctrl-D, or ti_interrupted() */
} ti_typed_end;

/* True where lines can be edited: standard input and output are terminals, and TERM names one
 * that can move its cursor. */
bool ti_editor_able(void);

/* Begins.  `words`, ended by NULL and not copied, are completed with Tab at the beginning of a
 * line.  One at a time in a process.  Sets the locale of characters.  *out is NULL without an
 * error where the terminal or the system will not do.  Errors: TERN_NOMEM.  Close with
 * ti_editor_close(). */
tern_status ti_editor_open(ti_editor **out, const char *const *words, tern_err *err);

/* Reads one line, which may have newlines in it, without the one at its end; appends it to
 * `line` as UTF-8.  `inside`: it belongs to what was read before, so Ctrl-C drops it also when
 * it is empty.  `prompt` is ASCII and not copied.
 * Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_editor_read(ti_editor *editor, ti_buf *line, ti_typed_end *end,
                           const char *prompt, bool inside, tern_err *err);

/* Makes a text one that the arrow keys and Ctrl-R find; not kept on disk. */
void ti_editor_remember(ti_editor *editor, const char *text);

/* Frees.  NULL is allowed. */
void ti_editor_close(ti_editor *editor);

#endif
