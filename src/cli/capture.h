/* SPDX-License-Identifier: Apache-2.0 */
/* cli/capture.h - runs another program for what it prints. */
#ifndef TI_CLI_CAPTURE_H
#define TI_CLI_CAPTURE_H

#include "base/buf.h"
#include "base/err.h"

enum { TI_CAPTURE_MAX = 1 << 24 };

typedef struct ti_captured {
    ti_buf out;     /* its standard output, NUL-terminated; free with ti_captured_free() */
    char said[200]; /* the beginning of its standard error, one line */
    int exit_code;  /* 128 + signal when a signal ended it */
} ti_captured;

/* Runs argv[0] (looked for in PATH) with no input and waits at most `seconds`.
 * Errors: TERN_UNAVAILABLE when it cannot be run or does not end; TERN_LIMIT, TERN_IO,
 * TERN_NOMEM.  That it fails is none. */
tern_status ti_capture(ti_captured *out, char *const *argv, unsigned seconds, tern_err *err);

/* Zeroed is allowed. */
void ti_captured_free(ti_captured *captured);

#endif
