/* SPDX-License-Identifier: Apache-2.0 */
/* cli/index_file.h - where the index of a log is, for `tern log index` and `tern log query`. */
#ifndef TI_CLI_INDEX_FILE_H
#define TI_CLI_INDEX_FILE_H

#include "cli/out.h"
#include "ledger/log_index.h"

/* Fills *opts: the file that was given, else DIR/state/index, else, where that cannot be
 * written, none.  *path holds it, free with free(); `progress` is begun.
 * Errors: TERN_NOMEM. */
tern_status ti_index_opts(ti_log_index_opts *opts, char **path, ti_progress *progress,
                          const char *dir, const char *given, tern_err *err);

#endif
