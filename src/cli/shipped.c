/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/shipped.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/out.h"

/* Relative to the program's folder. */
static const char *const folders[] = {"../share/tern/models", "models"};

/* Length of the path of the program's folder, with its last slash; 0 when it is not known. */
static size_t program_folder(char path[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
    size_t n = len > 0 && len < PATH_MAX ? (size_t)len : 0;
    while (n > 0 && path[n - 1] != '/') {
        n--;
    }
    return n;
}

tern_status ti_shipped_path(char **out, const char *file, tern_err *err)
{
    char program[PATH_MAX];
    size_t n = program_folder(program);
    for (size_t i = 0; n > 0 && i < sizeof folders / sizeof *folders; i++) {
        ti_buf path = {0};
        ti_buf_add(&path, program, n);
        ti_buf_addf(&path, "%s/%s", folders[i], file);
        if (path.failed) {
            ti_buf_free(&path);
            return ti_fail_nomem(err, "models", PATH_MAX, "a path");
        }
        if (access(path.data, R_OK) == 0) {
            *out = path.data;
            return TERN_OK;
        }
        ti_buf_free(&path);
    }
    *out = NULL;
    return TERN_OK;
}

tern_status ti_classifier_open(ti_thin *out, const char *path, tern_err *err)
{
    char *shipped = NULL;
    if (path) {
        return ti_thin_open(out, path, err);
    }
    TI_TRY(ti_shipped_path(&shipped, "tern-thin.gguf", err));
    if (!shipped) {
        ti_hint("--classifier FILE names it");
        return ti_fail(err, TERN_UNAVAILABLE, "route", TI_NO_OFFSET,
                       "tern-thin.gguf is not beside this program");
    }
    tern_status status = ti_thin_open(out, shipped, err);
    free(shipped);
    return status;
}
