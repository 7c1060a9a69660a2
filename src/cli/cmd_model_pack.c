/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/models.h"
#include "cli/out.h"
#include "model/pack_file.h"

typedef struct pack_args {
    ti_model_args model;
    const char *output;
} pack_args;

static const pack_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "the file to write",
     .words = TI_WORDS_FILE,
     .offset = offsetof(pack_args, output)},
    TI_OPTS_ENGINE(pack_args, model),
    TI_OPTS_READING(pack_args, model),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "MODEL",
     .help = "a GGUF file, or the name of a model",
     .words = TI_WORDS_MODEL},
    {0},
};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const pack_args *args = values;
    tern_model_opts how;
    ti_progress progress;
    char *path;
    if (!args->output) {
        return ti_fail(err, TERN_USAGE, "model pack", TI_NO_OFFSET,
                       "the output is missing: -o FILE");
    }
    ti_interrupt_catch();
    TI_TRY(ti_model_path(&path, given->items[0], err));
    ti_model_opts(&how, &args->model);
    how.progress = ti_progress_step;
    how.progress_user = &progress;
    ti_progress_begin(&progress, "packing", "");
    tern_status status = ti_pack_file(path, args->output, &how, err);
    ti_progress_end(&progress);
    free(path);
    if (status == TERN_OK) {
        ti_note("'%s' is written; 'tern model verify' checks it", args->output);
    }
    return status;
}

const ti_command ti_cmd_model_pack = {
    .name = "model pack",
    .summary = "write a model as the kernels read it, so that it opens at once",
    .description =
        "Writes the model with its weights packed for the kernels.  Such a file is "
        "mapped, not copied: it opens in no time and processes share its memory.  Only "
        "tern reads it.",
    .examples = "tern model pack bitnet.gguf --layout t5 -o bitnet.tern.gguf",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
