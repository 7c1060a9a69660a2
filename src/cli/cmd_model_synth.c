/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/synth.h"

typedef struct synth_args {
    const char *output;
    ti_synth_args synth;
} synth_args;

static const synth_args defaults = {.synth = {.seed = 1}};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "the GGUF file to write",
     .words = TI_WORDS_FILE,
     .offset = offsetof(synth_args, output)},
    TI_OPTS_SYNTH(synth_args, synth, "type", "head", "seed"),
    {.type = TI_OPT_STR,
     .name = "embd",
     .metavar = "TYPE",
     .help = "type of the token embedding",
     .fallback = "as the head",
     .offset = offsetof(synth_args, synth.embd)},
    {.type = TI_OPT_STR,
     .name = "arch",
     .metavar = "NAME",
     .help = "architecture to name in the file",
     .fallback = "the shape's own",
     .offset = offsetof(synth_args, synth.arch)},
    {.type = TI_OPT_FLAG,
     .name = "vary-scales",
     .help = "give each 256 weights another scale, or each row or tensor where the type has no "
             "more",
     .offset = offsetof(synth_args, synth.vary_scales)},
    {.type = TI_OPT_STR,
     .name = "pattern",
     .metavar = "KINDS",
     .help =
         "smdr shapes: attention of the blocks, of full, torus, window, strided and random, "
         "with commas between them; repeated until all blocks have one",
     .fallback = "torus",
     .offset = offsetof(synth_args, synth.smdr.kinds)},
    {.type = TI_OPT_U32,
     .name = "radius",
     .metavar = "N",
     .help = "smdr shapes: radius of the torus' neighbourhood; the other patterns see as many "
             "keys",
     .fallback = "3",
     .offset = offsetof(synth_args, synth.smdr.radius)},
    {.type = TI_OPT_U32,
     .name = "context",
     .metavar = "N",
     .help = "smdr shapes: length of the context",
     .fallback = "1024",
     .offset = offsetof(synth_args, synth.smdr.n_ctx)},
    {.type = TI_OPT_U32,
     .name = "top-k",
     .metavar = "N",
     .help = "smdr shapes: gates of the feed-forward that stay open",
     .fallback = "all",
     .offset = offsetof(synth_args, synth.smdr.top_k)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "SHAPE",
     .help = "shape of a known model: " TI_SYNTH_SHAPES_TEXT,
     .choices = TI_SYNTH_SHAPES,
     .words = TI_WORDS_CHOICES},
    {0},
};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const synth_args *args = values;
    if (!args->output) {
        return ti_fail(err, TERN_USAGE, "model synth", TI_NO_OFFSET,
                       "the output is missing: -o FILE");
    }
    ti_interrupt_catch();
    return ti_synth_make(given->items[0], args->output, &args->synth, err);
}

const ti_command ti_cmd_model_synth = {
    .name = "model synth",
    .summary = "write a model with random weights, for measuring and testing",
    .description =
        "Writes a model of a known shape with seeded random ternary weights.  It says "
        "nothing sensible, as fast as the real one.  The same seed gives the same "
        "file everywhere.",
    .examples = "tern model synth 100m -o 100m.gguf\n"
                "tern model synth tiny-llama --seed 7 -o tiny.gguf\n"
                "tern model synth smdr-5m --pattern torus,full --top-k 77 -o smdr.gguf",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
