/* SPDX-License-Identifier: Apache-2.0 */
/* model/weights.h - a model in memory: tensors bound by name, matrices packed. */
#ifndef TI_MODEL_WEIGHTS_H
#define TI_MODEL_WEIGHTS_H

#include "base/mem.h"
#include "base/pool.h"
#include "kern/kern.h"
#include "kern/pack.h"
#include "model/arch.h"
#include "model/gguf.h"
#include "model/smdr.h"
#include "model/tok.h"
#include "tern/session.h"

typedef struct ti_layer {
    const float *attn_norm, *ffn_norm;         /* [n_embd] */
    const float *attn_sub_norm, *ffn_sub_norm; /* [n_head * head_dim], [n_ff]; or NULL */
    const float *q_norm, *k_norm;              /* [head_dim]; or NULL */
    ti_mat q, k, v, o;                         /* attention */
    ti_mat gate, up, down;                     /* feed-forward */
    ti_mat down_t; /* transpose of down for exact sparsity; data NULL when not kept */
} ti_layer;

struct tern_model {
    ti_gguf gguf;
    char *path;
    ti_config config;
    ti_vocab *vocab;
    const ti_kern *kern;
    ti_layer *layers;                 /* [n_layer] */
    const float *output_norm;         /* [n_embd] */
    const float *rope_factors;        /* [rope_dim / 2] divisors of the frequencies, or NULL */
    const ti_gguf_tensor *token_embd; /* rows are read from the file as they are needed */
    ti_mat head;
    ti_pattern patterns[TI_ATTN_KINDS]; /* of the kinds that occur */
    uint32_t most_listed;               /* keys that a query of a pattern can see; 0 = none */
    tern_act_mode act;
    bool vocab_only;
    bool sparse;           /* up and down are kept for exact sparsity */
    uint32_t sparse_limit; /* open gates from which on the dense products are faster */
    tern_model_desc desc;
    tern_sampler_opts recommended;
    uint64_t digest; /* identifies file and weights for saved sessions */
    ti_arena arena;
    void *packed; /* all packed matrices; NULL when they are in the file */
    size_t packed_bytes;
};

/* Binds and packs all tensors: fills layers, norms, head.  The model has gguf, config and kern.
 * Errors: TERN_CORRUPT and TERN_UNSUPPORTED with the tensor's name, TERN_NOMEM,
 * TERN_CANCELLED. */
tern_status ti_weights_load(tern_model *model, const tern_model_opts *opts, tern_err *err);

/* Reads what a model's file recommends; what it is silent about is 0.
 * Errors: TERN_CORRUPT, when a key has a wrong type or a value that ti_sampler_init() refuses.
 */
tern_status ti_recommended_sampler(tern_sampler_opts *out, const ti_gguf *gguf, tern_err *err);

/* The pattern of a layer. */
static inline const ti_pattern *ti_pattern_of(const tern_model *model, size_t layer)
{
    return &model->patterns[model->config.attn.kind[layer]];
}

/* Calls fn for each matrix: its tensor name and where it lies in the model. */
typedef struct ti_mat_slot {
    char name[64]; /* "blk.3.ffn_up.weight" */
    ti_mat *mat;
} ti_mat_slot;

/* Fills slots[0 .. 7 * n_layer] with every matrix of the model, the head last; returns the
 * number, 7 * n_layer + 1. */
size_t ti_weights_slots(tern_model *model, ti_mat_slot *slots);

#endif
