/* SPDX-License-Identifier: Apache-2.0 */
/* convert/convert.h - other people's model files to GGUF.
 *
 * What is read:
 *   - a llama2.c checkpoint of version 0 and its tokenizer.bin
 *   - a Hugging Face directory: config.json, *.safetensors, tokenizer.json; architectures
 *     LlamaForCausalLM, Qwen3ForCausalLM, BitNetForCausalLM, also with BitNet's packed weights
 *   - a tokenizer.json alone, which becomes a file with a vocabulary and no tensors
 *
 * Nothing in these files is believed before it was checked, and whatever tern could not run
 * exactly is refused by its name.  Weights are read from a mapping and written row by row:
 * memory does not grow with the model.  The output appears when it is complete, or not at
 * all. */
#ifndef TI_CONVERT_CONVERT_H
#define TI_CONVERT_CONVERT_H

#include "base/err.h"
#include "model/gguf.h"
#include "tern/model.h"

/* Zero-initialise; every zero is the default. */
typedef struct ti_convert_opts {
    const char *tokenizer; /* llama2.c: the tokenizer's .bin, required; Hugging Face: a
                              directory with, or the path of, a tokenizer.json; NULL = in the
                              model's directory */
    const char *type;      /* of matrices: "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q4_k",
                              "q6_k", "tq2_0", "tq1_0", "i2_s"; NULL = i2_s for weights that are
                              ternary by their config.json, f32 for llama2.c, else f16 */
    const char *head_type; /* of embedding and output head, not ternary; NULL = as `type`, f16
                              where that is ternary */
    const char *name;      /* general.name; NULL = from the path */
    const char *arch;      /* of a vocabulary alone: general.architecture; NULL = from the
                              config.json beside it, else llama, or qwen3 for its expression */
    tern_progress_fn progress; /* counts weights; NULL = none */
    void *progress_user;       /* its first argument */
} ti_convert_opts;

/* Converts `in` to the GGUF file `out`; recognises what `in` is.  opts may be NULL.
 * Errors: TERN_USAGE (an option, or `out` is `in`), TERN_IO, TERN_CORRUPT and TERN_UNSUPPORTED
 * (with the name of the tensor, key or token), TERN_LIMIT, TERN_NOMEM, TERN_CANCELLED.  On
 * failure nothing is written. */
tern_status ti_convert(const char *in, const char *out, const ti_convert_opts *opts,
                       tern_err *err);

#endif
