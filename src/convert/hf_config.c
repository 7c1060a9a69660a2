/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are absent have the defaults of transformers' configuration classes.  The limits
 * are far above every model there is and keep every product of two of them in 64 bits. */
#include "convert/hf_config.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/detmath.h"

static const char MODULE[] = "config.json";

enum {
    MAX_WIDTH = 1 << 20, /* of the residual stream, the feed-forward, a head */
    MAX_HEADS = 1 << 14,
    MAX_LAYERS = 1 << 12,
    MAX_VOCAB = 1 << 22,
    MAX_CONTEXT = 1 << 28
};

static const double REQUIRED = (double)NAN; /* instead of a fallback */
static const double PI = 3.14159265358979323846;

static const struct {
    const char *name, *gguf, *activation;
    double rope_base, rms_eps; /* when the file does not say */
} architectures[] = {
    [TI_HF_LLAMA] = {"LlamaForCausalLM", "llama", "silu", 1e4, 1e-6},
    [TI_HF_QWEN3] = {"Qwen3ForCausalLM", "qwen3", "silu", 1e4, 1e-6},
    [TI_HF_BITNET] = {"BitNetForCausalLM", "bitnet-b1.58", "relu2", 5e5, 1e-5},
};

static uint64_t at_of(const ti_jval *v)
{
    return v ? v->at : TI_NO_OFFSET;
}

static tern_status unsupported(const ti_jval *v, const char *key, const char *value,
                               tern_err *err)
{
    return ti_fail(err, TERN_UNSUPPORTED, MODULE, at_of(v), "%s %s is not supported", key,
                   value);
}

/* The text of a string in a message: at most `shown` bytes. */
static void show(char *to, size_t cap, const ti_jval *v)
{
    size_t n = 0;
    if (v && v->type == TI_JSTR) {
        n = v->u.str.len < cap - 3 ? v->u.str.len : cap - 3;
        memcpy(to + 1, v->u.str.data, n);
    }
    to[0] = '\'';
    to[n + 1] = '\'';
    to[n + 2] = '\0';
}

static tern_status unsupported_text(const ti_jval *v, const char *key, tern_err *err)
{
    char text[80];
    show(text, sizeof text, v);
    return unsupported(v, key, text, err);
}

/* --- single values ----------------------------------------------------------------------- */

/* A count from 1 to max.  An absent or null key is an error unless `fallback` is positive. */
static tern_status read_count(uint32_t *out, const ti_jval *root, const char *key,
                              uint32_t fallback, uint64_t max, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, key);
    uint64_t n = fallback;
    if (ti_jval_none(v) && fallback == 0) {
        return ti_fail(err, TERN_CORRUPT, MODULE, at_of(v), "%s is missing", key);
    }
    if (!ti_jval_none(v) && (!ti_jval_uint(v, UINT32_MAX, &n) || n == 0)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "%s is no count", key);
    }
    if (n > max) {
        return ti_fail(err, TERN_LIMIT, MODULE, at_of(v), "%s is %llu, the limit is %llu", key,
                       (unsigned long long)n, (unsigned long long)max);
    }
    *out = (uint32_t)n;
    return TERN_OK;
}

/* A positive number. */
static tern_status read_positive(double *out, const ti_jval *root, const char *key,
                                 double fallback, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, key);
    double d = fallback;
    if (!ti_jval_none(v) && !ti_jval_num(v, &d)) {
        d = REQUIRED;
    }
    if (!(d > 0)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, at_of(v), "%s is missing or not positive",
                       key);
    }
    *out = d;
    return TERN_OK;
}

static tern_status read_bool(bool *out, const ti_jval *root, const char *key, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, key);
    if (ti_jval_none(v)) {
        *out = false;
        return TERN_OK;
    }
    if (v->type != TI_JBOOL) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "%s is neither true nor false", key);
    }
    *out = v->u.boolean;
    return TERN_OK;
}

/* A token id, or the first of a list; -1 when there is none. */
static tern_status read_token(int64_t *out, const ti_jval *root, const char *key,
                              uint32_t n_vocab, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, key);
    uint64_t id;
    *out = -1;
    if (v && v->type == TI_JARRAY && v->n > 0) {
        v = &v->u.items[0];
    }
    if (ti_jval_none(v) || (v->type == TI_JINT && v->u.integer == -1)) {
        return TERN_OK;
    }
    if (!ti_jval_uint(v, n_vocab - 1, &id)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "%s is no token of the vocabulary",
                       key);
    }
    *out = (int64_t)id;
    return TERN_OK;
}

/* --- parts ------------------------------------------------------------------------------- */

static int find_architecture(const ti_jval *root, const ti_jval **named)
{
    const ti_jval *list = ti_jval_get(root, "architectures");
    *named = list && list->type == TI_JARRAY && list->n == 1 ? &list->u.items[0] : NULL;
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++) {
        if (ti_jval_is(*named, architectures[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

const char *ti_hf_config_arch_name(const ti_jval *root)
{
    const ti_jval *named;
    int i = find_architecture(root, &named);
    return i < 0 ? NULL : architectures[i].gguf;
}

static tern_status read_arch(ti_hf_config *c, const ti_jval *root, tern_err *err)
{
    const ti_jval *named;
    int i = find_architecture(root, &named);
    if (i < 0) {
        return named ? unsupported_text(named, "architecture", err)
                     : ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                               "architectures does not name one architecture");
    }
    c->arch = (ti_hf_arch)i;
    c->gguf_arch = architectures[i].gguf;
    const ti_jval *act = ti_jval_get(root, "hidden_act");
    const char *wanted = architectures[i].activation;
    /* BitNet's class defaults to relu2, the others to silu: an absent key is the right one. */
    if (!ti_jval_none(act) && !ti_jval_is(act, wanted)) {
        return unsupported_text(act, "hidden_act", err);
    }
    return TERN_OK;
}

static tern_status read_sizes(ti_hf_config *c, const ti_jval *root, tern_err *err)
{
    TI_TRY(read_count(&c->n_vocab, root, "vocab_size", 0, MAX_VOCAB, err));
    TI_TRY(read_count(&c->n_ctx, root, "max_position_embeddings", 0, MAX_CONTEXT, err));
    TI_TRY(read_count(&c->n_embd, root, "hidden_size", 0, MAX_WIDTH, err));
    TI_TRY(read_count(&c->n_layer, root, "num_hidden_layers", 0, MAX_LAYERS, err));
    TI_TRY(read_count(&c->n_ff, root, "intermediate_size", 0, MAX_WIDTH, err));
    TI_TRY(read_count(&c->n_head, root, "num_attention_heads", 0, MAX_HEADS, err));
    TI_TRY(read_count(&c->n_head_kv, root, "num_key_value_heads", c->n_head, MAX_HEADS, err));
    /* Qwen3's class has heads of 128 whatever the other sizes are. */
    uint32_t head = c->arch == TI_HF_QWEN3 ? 128 : c->n_embd / c->n_head;
    TI_TRY(read_count(&c->head_dim, root, "head_dim", head ? head : 1, MAX_WIDTH, err));
    if (c->n_head % c->n_head_kv != 0) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                       "%u heads cannot share %u key/value heads", c->n_head, c->n_head_kv);
    }
    if (c->head_dim % 2 != 0 || (uint64_t)c->head_dim * c->n_head > MAX_WIDTH) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "%u heads of width %u",
                       c->n_head, c->head_dim);
    }
    return TERN_OK;
}

/* Keys that change the network when they are true. */
static tern_status refuse_true(const ti_jval *root, tern_err *err)
{
    static const char *const keys[] = {"attention_bias", "mlp_bias", "use_sliding_window"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        bool on = false;
        TI_TRY(read_bool(&on, root, keys[i], err));
        if (on) {
            return unsupported(ti_jval_get(root, keys[i]), keys[i], "true", err);
        }
    }
    double rotated = 1;
    const ti_jval *partial = ti_jval_get(root, "partial_rotary_factor");
    if (!ti_jval_none(partial) && (!ti_jval_num(partial, &rotated) || rotated != 1)) {
        return unsupported(partial, "partial_rotary_factor", "other than 1", err);
    }
    const ti_jval *layers = ti_jval_get(root, "layer_types");
    for (uint32_t i = 0; layers && layers->type == TI_JARRAY && i < layers->n; i++) {
        if (!ti_jval_is(&layers->u.items[i], "full_attention")) {
            return unsupported_text(&layers->u.items[i], "layer type", err);
        }
    }
    return TERN_OK;
}

static tern_status read_llama3(ti_hf_config *c, const ti_jval *v, tern_err *err)
{
    if (c->arch != TI_HF_LLAMA) {
        return unsupported(v, "rope_scaling 'llama3' of", c->gguf_arch, err);
    }
    TI_TRY(read_positive(&c->rope_factor, v, "factor", REQUIRED, err));
    TI_TRY(read_positive(&c->rope_low, v, "low_freq_factor", REQUIRED, err));
    TI_TRY(read_positive(&c->rope_high, v, "high_freq_factor", REQUIRED, err));
    TI_TRY(read_count(&c->rope_old_ctx, v, "original_max_position_embeddings", 0, MAX_CONTEXT,
                      err));
    if (c->rope_high <= c->rope_low || c->rope_factor < 1 || c->rope_factor > 1e6 ||
        c->rope_high > 1e6) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "rope_scaling has impossible factors");
    }
    c->rope_llama3 = true;
    return TERN_OK;
}

/* Older files have rope_theta and rope_scaling, newer ones both inside rope_parameters. */
static tern_status read_rope(ti_hf_config *c, const ti_jval *root, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, "rope_parameters");
    bool newer = v && v->type == TI_JOBJECT;
    if (!newer) {
        v = ti_jval_get(root, "rope_scaling");
    }
    TI_TRY(read_positive(&c->rope_base, newer && ti_jval_get(v, "rope_theta") ? v : root,
                         "rope_theta", architectures[c->arch].rope_base, err));
    if (c->rope_base < 1 || c->rope_base > 1e12) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "rope_theta is impossible");
    }
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    if (v->type != TI_JOBJECT) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "rope_scaling is no object");
    }
    const ti_jval *type = ti_jval_get(v, "rope_type");
    type = type ? type : ti_jval_get(v, "type");
    if (ti_jval_is(type, "default") || (newer && ti_jval_none(type))) {
        return TERN_OK;
    }
    return ti_jval_is(type, "llama3") ? read_llama3(c, v, err)
                                      : unsupported_text(type, "rope_scaling", err);
}

/* quantization_config: only BitNet's, whose two layer classes use the scale in opposite ways.
 */
static tern_status read_quant(ti_hf_config *c, const ti_jval *root, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, "quantization_config");
    c->quant = c->arch == TI_HF_BITNET ? TI_HF_MASTER : TI_HF_PLAIN;
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    const ti_jval *method = ti_jval_get(v, "quant_method");
    if (!ti_jval_is(method, "bitnet")) {
        return unsupported_text(method, "quantization_config: quant_method", err);
    }
    bool norm = false;
    TI_TRY(read_bool(&norm, v, "use_rms_norm", err));
    if (norm) {
        return unsupported(v, "quantization_config: use_rms_norm", "true", err);
    }
    /* The head is never ternary; any other exception would have to be looked for. */
    const ti_jval *kept = ti_jval_get(v, "modules_to_not_convert");
    for (uint32_t i = 0; kept && kept->type == TI_JARRAY && i < kept->n; i++) {
        if (!ti_jval_is(&kept->u.items[i], "lm_head")) {
            return unsupported_text(&kept->u.items[i], "modules_to_not_convert", err);
        }
    }
    const ti_jval *cls = ti_jval_get(v, "linear_class");
    const ti_jval *mode = ti_jval_get(v, "quantization_mode");
    bool automatic = ti_jval_is(cls, "autobitlinear");
    if (!ti_jval_none(cls) && !automatic && !ti_jval_is(cls, "bitlinear")) {
        return unsupported_text(cls, "quantization_config: linear_class", err);
    }
    if (ti_jval_is(mode, "online") && automatic) {
        c->quant = TI_HF_MASTER;
        return TERN_OK;
    }
    if (!ti_jval_none(mode) && !ti_jval_is(mode, "offline")) {
        return unsupported_text(mode, "quantization_config: quantization_mode", err);
    }
    c->quant = automatic ? TI_HF_TRITS_MUL : TI_HF_TRITS_DIV;
    return TERN_OK;
}

tern_status ti_hf_config_read(ti_hf_config *out, const ti_jval *root, tern_err *err)
{
    ti_hf_config c = {0};
    if (root->type != TI_JOBJECT) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 0, "not an object");
    }
    TI_TRY(read_arch(&c, root, err));
    TI_TRY(read_sizes(&c, root, err));
    TI_TRY(refuse_true(root, err));
    TI_TRY(read_rope(&c, root, err));
    TI_TRY(read_quant(&c, root, err));
    TI_TRY(read_positive(&c.rms_eps, root, "rms_norm_eps", architectures[c.arch].rms_eps, err));
    if (c.rms_eps < 1e-12 || c.rms_eps > 1) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "rms_norm_eps is impossible");
    }
    TI_TRY(read_bool(&c.tied, root, "tie_word_embeddings", err));
    TI_TRY(read_token(&c.bos, root, "bos_token_id", c.n_vocab, err));
    TI_TRY(read_token(&c.eos, root, "eos_token_id", c.n_vocab, err));
    TI_TRY(read_token(&c.pad, root, "pad_token_id", c.n_vocab, err));
    *out = c;
    return TERN_OK;
}

void ti_hf_config_rope_factors(const ti_hf_config *c, float *out)
{
    double longest = c->rope_old_ctx / c->rope_low, shortest = c->rope_old_ctx / c->rope_high;
    for (uint32_t i = 0; i < c->head_dim / 2; i++) {
        double wave = 2 * PI * ti_exp(ti_log(c->rope_base) * (2.0 * i / c->head_dim));
        double keep = (c->rope_old_ctx / wave - c->rope_low) / (c->rope_high - c->rope_low);
        double factor = 1 / ((1 - keep) / c->rope_factor + keep);
        out[i] = (float)(wave < shortest ? 1 : wave > longest ? c->rope_factor : factor);
    }
}
