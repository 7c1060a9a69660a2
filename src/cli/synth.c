/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/synth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "cli/models.h"
#include "cli/out.h"
#include "model/synth.h"

tern_status ti_synth_make(const char *shape, const char *path, const ti_synth_args *args,
                          tern_err *err)
{
    ti_progress progress;
    ti_synth_opts how = {
        .type = args->type,
        .head = args->head,
        .embd = args->embd,
        .arch = args->arch,
        .vary_scales = args->vary_scales,
        .smdr = args->smdr,
        .seed = args->seed,
        .progress = ti_progress_step,
        .progress_user = &progress,
    };
    ti_progress_begin(&progress, "making a model", "B");
    tern_status status = ti_synth(shape, path, &how, err);
    ti_progress_end(&progress);
    return status;
}

tern_status ti_synth_cached(char **path, const char *shape, const ti_synth_args *args,
                            tern_err *err)
{
    ti_buf below = {0};
    struct stat st;
    char *dir = NULL, *file = NULL;
    ti_buf_addf(&below, "synth/%s-%s-%s-%" PRIu64 ".gguf", shape,
                args->type ? args->type : "default", args->head ? args->head : "default",
                args->seed);
    tern_status status = below.failed ? ti_fail_nomem(err, "synth", below.len, "a path")
                                      : ti_cache_path(&dir, "synth", err);
    if (status == TERN_OK) {
        status = ti_make_directories(dir, err);
    }
    if (status == TERN_OK) {
        status = ti_cache_path(&file, below.data, err);
    }
    if (status == TERN_OK && stat(file, &st) != 0) {
        ti_note("making '%s' (once)", file);
        status = ti_synth_make(shape, file, args, err);
    }
    free(dir);
    ti_buf_free(&below);
    if (status != TERN_OK) {
        free(file);
        return status;
    }
    *path = file;
    return TERN_OK;
}
