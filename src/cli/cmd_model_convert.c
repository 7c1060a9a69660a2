/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/out.h"
#include "convert/convert.h"

typedef struct convert_args {
    const char *output, *tokenizer, *type, *head, *name, *arch;
} convert_args;

static const convert_args defaults = {0};

#define WRITABLE "f32|f16|bf16|q8_0|q4_0|q4_1|q4_k|q6_k"

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "the GGUF file to write",
     .words = TI_WORDS_FILE,
     .offset = offsetof(convert_args, output)},
    {.type = TI_OPT_STR,
     .name = "type",
     .metavar = "TYPE",
     .help = "type of the matrices",
     .fallback = "i2_s for ternary weights, f32 for llama2.c, else f16",
     .choices = WRITABLE "|tq2_0|tq1_0|i2_s",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(convert_args, type)},
    {.type = TI_OPT_STR,
     .name = "head",
     .metavar = "TYPE",
     .help = "type of token embedding and output head",
     .fallback = "as --type; f16 where that is ternary",
     .choices = WRITABLE,
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(convert_args, head)},
    {.type = TI_OPT_STR,
     .name = "tokenizer",
     .metavar = "FILE",
     .help = "where the vocabulary is: tokenizer.bin (needed for llama2.c) or tokenizer.json",
     .fallback = "in the model's directory",
     .words = TI_WORDS_FILE,
     .offset = offsetof(convert_args, tokenizer)},
    {.type = TI_OPT_STR,
     .name = "name",
     .metavar = "TEXT",
     .help = "name of the model",
     .fallback = "from the path",
     .offset = offsetof(convert_args, name)},
    {.type = TI_OPT_STR,
     .name = "arch",
     .metavar = "NAME",
     .help = "architecture that a vocabulary alone is for",
     .fallback = "from the config.json beside it",
     .offset = offsetof(convert_args, arch)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "INPUT",
     .help = "a llama2.c checkpoint, a directory with config.json and *.safetensors, or a "
             "tokenizer.json",
     .words = TI_WORDS_FILE},
    {0},
};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const convert_args *args = values;
    ti_progress progress;
    if (!args->output) {
        return ti_fail(err, TERN_USAGE, "model convert", TI_NO_OFFSET,
                       "the output is missing: -o FILE");
    }
    ti_interrupt_catch();
    ti_convert_opts how = {
        .tokenizer = args->tokenizer,
        .type = args->type,
        .head_type = args->head,
        .name = args->name,
        .arch = args->arch,
        .progress = ti_progress_step,
        .progress_user = &progress,
    };
    ti_progress_begin(&progress, "converting", "weights");
    tern_status status = ti_convert(given->items[0], args->output, &how, err);
    ti_progress_end(&progress);
    if (status == TERN_OK) {
        ti_note("'%s' is written; 'tern model verify --selftest' checks it", args->output);
    }
    return status;
}

const ti_command ti_cmd_model_convert = {
    .name = "model convert",
    .summary = "turn another format into GGUF",
    .description =
        "Reads llama2.c checkpoints, Hugging Face directories of llama, qwen3 and BitNet "
        "models "
        "(safetensors), and tokenizer.json files, and writes a GGUF file.  The output appears "
        "when it is complete.",
    .examples =
        "tern model convert stories260K.bin --tokenizer tok512.bin -o stories260K.gguf\n"
        "tern model convert bitnet-b1.58-2B-4T/ --type tq1_0 -o bitnet.gguf\n"
        "tern model convert tokenizer.json -o vocabulary.gguf",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
