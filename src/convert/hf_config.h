/* SPDX-License-Identifier: Apache-2.0 */
/* convert/hf_config.h - config.json of a Hugging Face model: what the network is.
 *
 * Only what tern can run exactly is accepted; everything that would change the network's
 * answers and is not known here is refused by the name that the file has for it. */
#ifndef TI_CONVERT_HF_CONFIG_H
#define TI_CONVERT_HF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/jval.h"

typedef enum ti_hf_arch {
    TI_HF_LLAMA = 0, /* LlamaForCausalLM */
    TI_HF_QWEN3,     /* Qwen3ForCausalLM */
    TI_HF_BITNET     /* BitNetForCausalLM */
} ti_hf_arch;

/* How the matrices inside the blocks are kept (transformers, integrations/bitnet.py). */
typedef enum ti_hf_quant {
    TI_HF_PLAIN = 0, /* floating point, used as they are */
    TI_HF_MASTER,    /* floating point, to be made ternary by their mean magnitude */
    TI_HF_TRITS_MUL, /* packed codes; linear_class "autobitlinear": scale multiplies */
    TI_HF_TRITS_DIV  /* packed codes; linear_class "bitlinear", the default: scale divides */
} ti_hf_quant;

typedef struct ti_hf_config {
    ti_hf_arch arch;
    const char *gguf_arch; /* "llama", "qwen3", "bitnet-b1.58" */
    ti_hf_quant quant;
    uint32_t n_vocab, n_ctx, n_embd, n_layer, n_ff, n_head, n_head_kv, head_dim;
    double rope_base, rms_eps;
    bool tied;        /* the head is the token embedding */
    bool rope_llama3; /* scaled frequencies, by the four values below */
    double rope_factor, rope_low, rope_high;
    uint32_t rope_old_ctx;
    int64_t bos, eos, pad; /* token ids, -1 when the file has none; eos: the first of several */
} ti_hf_config;

/* Reads the tree of a config.json.
 * Errors: TERN_CORRUPT (a value that is absent, of another kind or impossible),
 * TERN_UNSUPPORTED (architecture, activation, scaling, ... by name), TERN_LIMIT. */
tern_status ti_hf_config_read(ti_hf_config *out, const ti_jval *root, tern_err *err);

/* The name that GGUF files have for the architecture of a config.json, or NULL. */
const char *ti_hf_config_arch_name(const ti_jval *root);

/* rope_freqs.weight of GGUF: by what each of the head_dim / 2 frequencies is divided.  Only
 * with rope_llama3.  (Meta's scaling of Llama 3.1; transformers, modeling_rope_utils.py.) */
void ti_hf_config_rope_factors(const ti_hf_config *c, float *out);

#endif
