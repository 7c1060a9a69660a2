/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing here guesses: a key that would change the result and is not implemented is refused
 * by name.  A model that is run wrongly answers wrongly, and nobody notices. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

#include "model/smdr.h"

static tern_status find_arch(ti_config *c, const ti_gguf *gguf, tern_err *err)
{
    static const struct {
        const char *name;
        ti_arch arch;
    } known[] = {{"llama", TI_ARCH_LLAMA},      {"bitnet-b1.58", TI_ARCH_BITNET},
                 {"bitnet-25", TI_ARCH_BITNET}, {"bitnet", TI_ARCH_BITNET},
                 {"qwen3", TI_ARCH_QWEN3},      {"smdr", TI_ARCH_SMDR}};
    ti_str name = {0};
    TI_TRY(ti_gguf_get_str(gguf, "general.architecture", true, &name, err));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (name.len == strlen(known[i].name) &&
            memcmp(name.data, known[i].name, name.len) == 0) {
            c->arch = known[i].arch;
            memcpy(c->name, known[i].name, name.len + 1);
            return TERN_OK;
        }
    }
    return ti_fail(
        err, TERN_UNSUPPORTED, "model", TI_NO_OFFSET,
        "architecture '%.*s' is not supported (llama, bitnet-b1.58, qwen3, smdr are)",
        (int)(name.len < 64 ? name.len : 64), name.data);
}

/* "<arch>.<key>" in a buffer. */
typedef struct key_name {
    char text[96];
} key_name;

static key_name key_of(const ti_config *c, const char *key)
{
    key_name k;
    snprintf(k.text, sizeof k.text, "%s.%s", c->name, key);
    return k;
}

static tern_status get_u32(const ti_config *c, const ti_gguf *gguf, const char *key,
                           bool required, uint32_t max, uint32_t *out, tern_err *err)
{
    key_name k = key_of(c, key);
    uint32_t value = *out;
    TI_TRY(ti_gguf_get_u32(gguf, k.text, required, &value, err));
    if (value < 1 || value > max) {
        return ti_fail(err, TERN_LIMIT, "model", TI_NO_OFFSET, "%s is %u, must be 1 to %u",
                       k.text, value, max);
    }
    *out = value;
    return TERN_OK;
}

static tern_status refuse_unknown(const ti_config *c, const ti_gguf *gguf, tern_err *err)
{
    /* Each of these changes the network.  Zero is the value that changes nothing. */
    static const char *const keys[] = {"expert_count",
                                       "expert_used_count",
                                       "logit_scale",
                                       "residual_scale",
                                       "embedding_scale",
                                       "attention.scale",
                                       "attention.sliding_window",
                                       "attention.logit_softcapping",
                                       "attn_logit_softcapping",
                                       "final_logit_softcapping",
                                       "attention.clamp_kqv",
                                       "attention.max_alibi_bias"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        key_name k = key_of(c, keys[i]);
        const ti_gguf_kv *kv = ti_gguf_find(gguf, k.text);
        if (!kv) {
            continue;
        }
        float f = 1.0f;
        uint32_t u = 1;
        bool zero = (ti_gguf_get_f32(gguf, k.text, true, &f, NULL) == TERN_OK && f == 0.0f) ||
                    (ti_gguf_get_u32(gguf, k.text, true, &u, NULL) == TERN_OK && u == 0);
        if (!zero) {
            return ti_fail(err, TERN_UNSUPPORTED, "model", TI_NO_OFFSET,
                           "key '%s' is not supported", k.text);
        }
    }
    return TERN_OK;
}

static tern_status read_rope(ti_config *c, const ti_gguf *gguf, tern_err *err)
{
    c->rope_base = 10000.0f;
    key_name base = key_of(c, "rope.freq_base");
    TI_TRY(ti_gguf_get_f32(gguf, base.text, false, &c->rope_base, err));
    if (!(c->rope_base >= 1.0f && c->rope_base <= 1e9f)) {
        return ti_fail(err, TERN_LIMIT, "model", TI_NO_OFFSET, "%s is out of range", base.text);
    }
    c->rope_dim = c->head_dim;
    TI_TRY(get_u32(c, gguf, "rope.dimension_count", false, c->head_dim, &c->rope_dim, err));
    if (c->rope_dim % 2 != 0) {
        return ti_fail(err, TERN_UNSUPPORTED, "model", TI_NO_OFFSET,
                       "%s.rope.dimension_count %u is odd", c->name, c->rope_dim);
    }
    key_name scaling = key_of(c, "rope.scaling.type"),
             factor = key_of(c, "rope.scaling.factor");
    ti_str kind = {"none", 4};
    TI_TRY(ti_gguf_get_str(gguf, scaling.text, false, &kind, err));
    float by = 1.0f;
    TI_TRY(ti_gguf_get_f32(gguf, factor.text, false, &by, err));
    bool none = kind.len == 4 && memcmp(kind.data, "none", 4) == 0;
    if (!none && by != 1.0f) {
        return ti_fail(err, TERN_UNSUPPORTED, "model", TI_NO_OFFSET,
                       "rope scaling '%.*s' is not supported",
                       (int)(kind.len < 64 ? kind.len : 64), kind.data);
    }
    return TERN_OK;
}

static tern_status read_heads(ti_config *c, const ti_gguf *gguf, tern_err *err)
{
    TI_TRY(get_u32(c, gguf, "attention.head_count", true, TI_MAX_HEADS, &c->n_head, err));
    c->n_head_kv = c->n_head;
    TI_TRY(
        get_u32(c, gguf, "attention.head_count_kv", false, TI_MAX_HEADS, &c->n_head_kv, err));
    if (c->n_head % c->n_head_kv != 0) {
        return ti_fail(err, TERN_CORRUPT, "model", TI_NO_OFFSET,
                       "%u attention heads are no multiple of %u key/value heads", c->n_head,
                       c->n_head_kv);
    }
    if (ti_gguf_find(gguf, key_of(c, "attention.key_length").text)) {
        uint32_t value_dim = 0;
        TI_TRY(
            get_u32(c, gguf, "attention.key_length", true, TI_MAX_HEAD_DIM, &c->head_dim, err));
        value_dim = c->head_dim;
        TI_TRY(get_u32(c, gguf, "attention.value_length", false, TI_MAX_HEAD_DIM, &value_dim,
                       err));
        if (value_dim != c->head_dim) {
            return ti_fail(err, TERN_UNSUPPORTED, "model", TI_NO_OFFSET,
                           "key length %u and value length %u differ", c->head_dim, value_dim);
        }
    } else if (c->n_embd % c->n_head != 0) {
        return ti_fail(err, TERN_CORRUPT, "model", TI_NO_OFFSET,
                       "width %u is no multiple of %u heads", c->n_embd, c->n_head);
    } else {
        c->head_dim = c->n_embd / c->n_head;
    }
    if (c->head_dim > TI_MAX_HEAD_DIM || c->head_dim % 2 != 0) {
        return ti_fail(err, TERN_UNSUPPORTED, "model", TI_NO_OFFSET, "head width %u",
                       c->head_dim);
    }
    return TERN_OK;
}

tern_status ti_config_read(ti_config *out, const ti_gguf *gguf, tern_err *err)
{
    ti_config c = {0};
    TI_TRY(find_arch(&c, gguf, err));
    for (size_t i = 0; i < gguf->n_kv; i++) {
        ti_str key = gguf->kv[i].key;
        if (key.len >= 15 && memcmp(key.data, "prism.hadamard.", 15) == 0) {
            return ti_fail(
                err, TERN_UNSUPPORTED, "model", TI_NO_OFFSET,
                "the file's weights expect Hadamard-rotated activations (%.*s), which "
                "are not supported",
                (int)(key.len < 64 ? key.len : 64), key.data);
        }
    }
    TI_TRY(refuse_unknown(&c, gguf, err));
    TI_TRY(get_u32(&c, gguf, "embedding_length", true, TI_MAX_EMBD, &c.n_embd, err));
    TI_TRY(get_u32(&c, gguf, "block_count", true, TI_MAX_LAYERS, &c.n_layer, err));
    TI_TRY(get_u32(&c, gguf, "feed_forward_length", true, TI_MAX_FF, &c.n_ff, err));
    c.n_ctx = 2048;
    TI_TRY(get_u32(&c, gguf, "context_length", false, TI_MAX_CONTEXT, &c.n_ctx, err));
    TI_TRY(read_heads(&c, gguf, err));
    TI_TRY(read_rope(&c, gguf, err));
    c.rms_eps = 1e-5f;
    key_name eps = key_of(&c, "attention.layer_norm_rms_epsilon");
    TI_TRY(ti_gguf_get_f32(gguf, eps.text, false, &c.rms_eps, err));
    if (!(c.rms_eps > 0.0f && c.rms_eps < 1.0f)) {
        return ti_fail(err, TERN_LIMIT, "model", TI_NO_OFFSET, "%s is out of range", eps.text);
    }
    c.rope_interleaved = c.arch == TI_ARCH_LLAMA;
    c.relu2 = c.sub_norms = c.arch == TI_ARCH_BITNET;
    c.qk_norms = c.arch == TI_ARCH_QWEN3;
    if (c.arch == TI_ARCH_SMDR) {
        c.sub_norms = c.may_lack_norms = true;
        TI_TRY(ti_smdr_read(&c, gguf, err));
    }
    *out = c;
    return TERN_OK;
}
