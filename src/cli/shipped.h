/* SPDX-License-Identifier: Apache-2.0 */
/* cli/shipped.h - models that came with the program. */
#ifndef TI_CLI_SHIPPED_H
#define TI_CLI_SHIPPED_H

#include "base/err.h"
#include "model/thin.h"

/* Finds a model by its file's name in the folders that belong to the running program, with P
 * for the folder where it lies: P/../share/tern/models (installed), P/models (built, or
 * unpacked from an archive).  Writes its path into a new string, free with free(); NULL when
 * none has it.  Errors: TERN_NOMEM. */
tern_status ti_shipped_path(char **out, const char *file, tern_err *err);

/* Opens the classifier of routing: `path`, or NULL for tern-thin.gguf, which comes with tern.
 * Errors: TERN_UNAVAILABLE with a hint where that is not there; those of ti_thin_open(). */
tern_status ti_classifier_open(ti_thin *out, const char *path, tern_err *err);

#endif
