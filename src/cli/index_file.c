/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/index_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

tern_status ti_index_opts(ti_log_index_opts *opts, char **path, ti_progress *progress,
                          const char *dir, const char *given, tern_err *err)
{
    ti_buf file = {0};
    ti_buf_addf(&file, "%s", given ? given : dir);
    ti_buf_adds(&file, given ? "" : "/state");
    bool kept = given || (!file.failed && access(file.data, W_OK | X_OK) == 0);
    ti_buf_adds(&file, given ? "" : "/index");
    if (file.failed) {
        ti_buf_free(&file);
        return ti_fail_nomem(err, "log", strlen(dir), "a path");
    }
    ti_progress_begin(progress, "reading the log", "entries");
    *path = file.data;
    *opts = (ti_log_index_opts){.file = kept ? file.data : NULL,
                                .progress = ti_progress_step,
                                .progress_user = progress};
    return TERN_OK;
}
