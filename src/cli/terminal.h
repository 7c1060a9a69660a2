/* SPDX-License-Identifier: Apache-2.0 */
/* cli/terminal.h - what the terminal must get back, whichever way the program ends.
 *
 * Who changes the terminal for a while says here how that is undone.  A signal that ends the
 * program (SIGHUP, SIGQUIT, a second SIGINT or SIGTERM) or stops it (SIGTSTP) undoes it first.
 * SIGKILL cannot be caught: after it, `reset` helps. */
#ifndef TI_CLI_TERMINAL_H
#define TI_CLI_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

/* From now on `undo` (under 64 bytes) is to be written to standard output, and `modes` set for
 * standard input (NULL: they are as they were).  Takes the place of what was held before. */
void ti_terminal_hold(const char *undo, const struct termios *modes);

/* Nothing is to be undone any more: the caller has done it. */
void ti_terminal_release(void);

/* Sets the modes of standard input, unless somebody else is using the terminal now.  May be
 * called in the handler of a signal. */
void ti_terminal_set(const struct termios *modes);

/* Undoes what is held.  May be called in the handler of a signal. */
void ti_terminal_undo(void);

/* True once after the program was stopped and continued: what is held was undone, and is to be
 * made again. */
bool ti_terminal_resumed(void);

#endif
