/* SPDX-License-Identifier: Apache-2.0 */
/* model/arch.h - what a GGUF file says about the network, checked. */
#ifndef TI_MODEL_ARCH_H
#define TI_MODEL_ARCH_H

#include "model/gguf.h"

typedef enum ti_arch { TI_ARCH_LLAMA = 0, TI_ARCH_BITNET, TI_ARCH_QWEN3, TI_ARCH_SMDR } ti_arch;

/* Limits on shapes: far above every known model, far below where products wrap. */
enum {
    TI_MAX_EMBD = 1 << 17,
    TI_MAX_FF = 1 << 19,
    TI_MAX_LAYERS = 1024,
    TI_MAX_HEADS = 1024,
    TI_MAX_HEAD_DIM = 1024,
    TI_MAX_VOCAB = 1 << 22,
    TI_MAX_CONTEXT = 1 << 24,
    TI_MAX_TORUS_SIDE = 1 << 15
};

/* Which keys a block's queries see (docs/formats/smdr.md). */
typedef enum ti_attn_kind {
    TI_ATTN_FULL = 0,
    TI_ATTN_TORUS,
    TI_ATTN_WINDOW,
    TI_ATTN_STRIDED,
    TI_ATTN_RANDOM,
    TI_ATTN_KINDS
} ti_attn_kind;

/* All zeros: every block sees all keys. */
typedef struct ti_attn {
    uint8_t kind[TI_MAX_LAYERS]; /* ti_attn_kind of each block */
    uint32_t torus_side, torus_radius;
    uint32_t key_budget, stride, random_seed;
    uint32_t sink_tokens;
} ti_attn;

/* Block, in order (h is the residual stream):
 *   a = rms(h, attn_norm); q, k, v = Wq a, Wk a, Wv a; [qwen3: q, k = rms per head]
 *   q, k = rope(q), rope(k); o = softmax(q k / sqrt(head_dim)) v
 *   h += Wo [bitnet: rms(o, attn_sub_norm)] o
 *   f = rms(h, ffn_norm); g = act(Wgate f) * (Wup f), act = silu [bitnet: relu^2]
 *   h += Wdown [bitnet: rms(g, ffn_sub_norm)] g
 * smdr is bitnet whose softmax runs over the keys of a pattern, whose norms of o and g may be
 * absent, and whose act may be silu and may keep the top_k largest of act(Wgate f) only;
 * logits = Whead rms(h, output_norm). */
typedef struct ti_config {
    ti_arch arch;
    char name[24];    /* general.architecture as written */
    uint32_t n_vocab; /* rows of token_embd */
    uint32_t n_ctx;   /* trained context */
    uint32_t n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;
    uint32_t rope_dim; /* leading numbers of a head that are rotated */
    float rms_eps, rope_base;
    bool rope_interleaved; /* pairs (2i, 2i+1); else (i, i + rope_dim/2) */
    bool relu2;            /* else SiLU */
    bool sub_norms;        /* attn_sub_norm, ffn_sub_norm */
    bool qk_norms;         /* attn_q_norm, attn_k_norm */
    bool may_lack_norms;   /* sub_norms only where the file has them */
    uint32_t top_k;        /* gates that stay open; 0 = all */
    ti_attn attn;
} ti_config;

/* Reads and checks the metadata.  Errors: TERN_UNSUPPORTED (names architecture or key),
 * TERN_CORRUPT, TERN_LIMIT. */
tern_status ti_config_read(ti_config *out, const ti_gguf *gguf, tern_err *err);

#endif
