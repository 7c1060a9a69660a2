/* SPDX-License-Identifier: Apache-2.0 */
/* cli/call.h - a command line that grows, and running it: systemctl, sbatch and their kind. */
#ifndef TI_CLI_CALL_H
#define TI_CLI_CALL_H

#include <stdbool.h>

#include "cli/capture.h"

enum { TI_WORDS_MAX = 96, TI_CALL_PATIENCE_S = 30 };

/* Zeroed: nothing yet.  What does not fit is noticed by ti_call(). */
typedef struct ti_call_words {
    char *items[TI_WORDS_MAX]; /* owned; then NULL */
    size_t n;
    bool failed;
} ti_call_words;

/* Adds a word. */
void ti_call_add(ti_call_words *words, const char *format, ...) TI_PRINTF(2, 3);

/* Runs it, for at most TI_CALL_PATIENCE_S, and frees the words.  With `must`, that it fails is
 * an error, with what it said. Errors: those of ti_capture(), TERN_LIMIT, TERN_UNAVAILABLE. */
tern_status ti_call(ti_captured *out, ti_call_words *words, bool must, tern_err *err);

/* The path of this program.  Errors: TERN_IO. */
tern_status ti_own_path(char *out, size_t cap, tern_err *err);

#endif
