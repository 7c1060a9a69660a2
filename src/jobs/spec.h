/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/spec.h - what a keeper needs to start a command: its words, environment and directory.
 *
 * Names of files and values of variables are bytes, not text; so the file is a row of strings
 * that end with NUL, not JSON (docs/formats/jobs.md). */
#ifndef TI_JOBS_SPEC_H
#define TI_JOBS_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { TI_SPEC_MAX = 1 << 23 };

typedef struct ti_job_spec {
    const char *cwd; /* absolute */
    uint32_t umask;
    char **argv; /* [argc], then NULL; argc > 0 */
    size_t argc;
    char **envp; /* [n_env], then NULL */
    size_t n_env;
    ti_arena arena; /* what ti_job_spec_read() allocated */
} ti_job_spec;

/* Appends it.  Errors: TERN_NOMEM, TERN_LIMIT (more than TI_SPEC_MAX bytes). */
tern_status ti_job_spec_write(ti_buf *out, const ti_job_spec *spec, tern_err *err);

/* Reads it; strings are copied.  Errors: TERN_CORRUPT with the offset, TERN_NOMEM. */
tern_status ti_job_spec_read(ti_job_spec *out, const char *text, size_t len, tern_err *err);

/* Zeroed is allowed. */
void ti_job_spec_free(ti_job_spec *spec);

#endif
