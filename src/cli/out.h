/* SPDX-License-Identifier: Apache-2.0 */
/* cli/out.h - what goes where: results to stdout, everything else to stderr.
 *
 * Progress is drawn only on a terminal.  Messages are one line.  Text that came from a model
 * or a file is made harmless before a terminal sees it. */
#ifndef TI_CLI_OUT_H
#define TI_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Sets how to speak: `color` is 0 when a terminal is there and NO_COLOR is not set, 1 always,
 * 2 never; `quiet` leaves only results and errors. */
void ti_out_setup(bool quiet, uint32_t color);

/* True after ti_out_setup(true, ...). */
bool ti_out_quiet(void);

/* Makes the process exit with `code` whatever the command returns: it ran another program,
 * whose answer this is. */
void ti_exit_with(int code);

/* The code to exit with: the one given to ti_exit_with(), else `code`. */
int ti_exit_code(int code);

/* --- stdout ------------------------------------------------------------------------------- */

/* Writes text as it is.  What cannot be written is reported by ti_out_finish(). */
void ti_print(const char *text);

/* The same with a format. */
void ti_printf(const char *format, ...) TI_PRINTF(1, 2);

/* Writes text of a model and flushes.  On a terminal, control characters other than newline
 * and tab are replaced by '?': a model must not move the cursor or retitle the window. */
void ti_print_model_text(const char *text, size_t len);

/* Prints one JSON document and a newline.  Errors: TERN_NOMEM when the buffer had failed. */
tern_status ti_print_json(ti_buf *json, tern_err *err);

/* Flushes stdout; what could not be written is TERN_IO. */
tern_status ti_out_finish(tern_err *err);

/* Escape sequences for headings and names when stdout is coloured, else "". */
const char *ti_bold(void);
const char *ti_plain(void);

/* True when that stream is a terminal. */
bool ti_stdout_is_tty(void);
bool ti_stderr_is_tty(void);

/* --- stderr ------------------------------------------------------------------------------- */

/* A message; silent with --quiet. */
void ti_note(const char *format, ...) TI_PRINTF(1, 2);

/* A warning. */
void ti_warn(const char *format, ...) TI_PRINTF(1, 2);

/* Remembers what the user could do about the error that is about to be reported.  The last
 * one counts. */
void ti_hint(const char *format, ...) TI_PRINTF(1, 2);

/* Prints "tern: module: message (at offset N)" and the remembered hint. */
void ti_report(const tern_err *err);

/* --- progress ----------------------------------------------------------------------------- */

/* Nanoseconds of a clock that only goes forward. */
uint64_t ti_now_ns(void);

/* One operation whose end is known.  Nothing is drawn when stderr is no terminal, with
 * --quiet, or when it takes less than a third of a second. */
typedef struct ti_progress {
    const char *label;
    const char *unit; /* "B" prints bytes in powers of ten, anything else plain counts */
    uint64_t begun_ns, drawn_ns;
    uint64_t
        first; /* `done` of the first step: what was there before does not count as speed */
    bool started, drawn;
} ti_progress;

/* Starts.  `label` and `unit` must live as long as the progress. */
void ti_progress_begin(ti_progress *progress, const char *label, const char *unit);

/* A tern_progress_fn; `user` is the ti_progress.  Returns false when the user has pressed
 * Ctrl-C. */
bool ti_progress_step(void *user, uint64_t done, uint64_t total);

/* Removes the bar.  Must be called before anything else is printed to stderr. */
void ti_progress_end(ti_progress *progress);

/* Formats a number of bytes ("98.4 MB") into out[cap] and returns out. */
const char *ti_human_bytes(char *out, size_t cap, uint64_t bytes);

/* --- interruption ------------------------------------------------------------------------- */

/* Catches SIGINT and SIGTERM from now on: the first is remembered, a second one kills. */
void ti_interrupt_catch(void);

/* Returns the signal that has arrived, or 0. */
int ti_interrupted(void);

/* Forgets it. */
void ti_interrupt_clear(void);

#endif
