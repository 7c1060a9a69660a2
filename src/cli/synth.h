/* SPDX-License-Identifier: Apache-2.0 */
/* cli/synth.h - models with random weights: their options, and where `bench` keeps them. */
#ifndef TI_CLI_SYNTH_H
#define TI_CLI_SYNTH_H

#include "cli/opt.h"
#include "model/synth.h"

#define TI_SYNTH_SHAPES \
    "2b4t|falcon3-1b|100m|smdr-5m|tiny-bitnet|tiny-llama|tiny-qwen3|tiny-smdr"
#define TI_SYNTH_SHAPES_TEXT                                                             \
    "2b4t (BitNet b1.58 2B-4T), falcon3-1b, 100m, smdr-5m, or tiny-bitnet, tiny-llama, " \
    "tiny-qwen3, tiny-smdr for tests"

typedef struct ti_synth_args {
    const char *type, *head, *embd, *arch;
    uint64_t seed;
    bool vary_scales;
    ti_synth_smdr smdr;
} ti_synth_args;

/* The names are given because `bench` has other options of the short ones. */
/* clang-format off */
#define TI_OPTS_SYNTH(S, m, type_name, head_name, seed_name)                                   \
    {.type = TI_OPT_STR, .name = type_name, .metavar = "TYPE",                                 \
     .help = "type of the matrices of a model with random weights", .fallback = "tq2_0",       \
     .offset = offsetof(S, m.type)},                                                           \
    {.type = TI_OPT_STR, .name = head_name, .metavar = "TYPE",                                 \
     .help = "type of its output head and token embedding", .fallback = "q6_k",                \
     .offset = offsetof(S, m.head)},                                                           \
    {.type = TI_OPT_U64, .name = seed_name, .metavar = "N",                                    \
     .help = "start of its random sequence", .offset = offsetof(S, m.seed)}
/* clang-format on */

/* Writes a synthetic model, with a progress bar.  Interrupted: TERN_CANCELLED. */
tern_status ti_synth_make(const char *shape, const char *path, const ti_synth_args *args,
                          tern_err *err);

/* Finds the synthetic model <cache>/synth/<shape>-<type>-<head>-<seed>.gguf, making it when it
 * is not there; free *path with free(). */
tern_status ti_synth_cached(char **path, const char *shape, const ti_synth_args *args,
                            tern_err *err);

#endif
