/* SPDX-License-Identifier: Apache-2.0 */
/* cli/checks.h - what was checked about a file, and how it came out. */
#ifndef TI_CLI_CHECKS_H
#define TI_CLI_CHECKS_H

#include "base/buf.h"
#include "base/err.h"

typedef enum ti_check_result {
    TI_CHECK_OK = 0,
    TI_CHECK_NO,
    TI_CHECK_OPEN /* could not be checked, or was not asked for */
} ti_check_result;

enum { TI_CHECKS_MAX = 64, TI_CHECK_TEXT = 320 };

typedef struct ti_check {
    const char *name; /* static */
    ti_check_result result;
    char text[TI_CHECK_TEXT];
} ti_check;

typedef struct ti_checks {
    ti_check items[TI_CHECKS_MAX];
    size_t n;
} ti_checks;

/* Adds a line.  Control characters become '?'; what is more than TI_CHECKS_MAX replaces the
 * last one, unless that says no. */
void ti_check_add(ti_checks *checks, const char *name, ti_check_result result,
                  const char *format, ...) TI_PRINTF(4, 5);

/* For a step that gave `status`: TERN_NO adds a line with err's message and returns TERN_OK;
 * everything else is returned, and the line for TERN_OK is the caller's. */
tern_status ti_check_no(ti_checks *checks, const char *name, tern_status status,
                        const tern_err *err);

/* True when something was checked and nothing said no. */
bool ti_checks_good(const ti_checks *checks);

/* Prints lines below the name of a file, or adds them to a JSON object. */
void ti_checks_print(const ti_checks *checks, const char *file);
void ti_checks_json(ti_buf *json, const ti_checks *checks);

#endif
