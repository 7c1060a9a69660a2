/* SPDX-License-Identifier: Apache-2.0 */
/* convert_model.h - whole Hugging Face directories of small random models, and their
 * conversion. */
#ifndef TESTS_CONVERT_MODEL_H
#define TESTS_CONVERT_MODEL_H

#include "convert/convert.h"
#include "convert_build.h"

/* A model that tests change before they write it. */
typedef struct spec {
    const char *arch; /* in config.json */
    uint32_t vocab, embd, ff, layers, heads, kv, head;
    const char *dtype;
    bool tied;
    float packed; /* scale of packed weights; 0 = floats */
    const char *extra;
} spec;

static const spec LLAMA = {
    "LlamaForCausalLM", 264, 256, 512, 2, 4, 2, 64, "BF16", false, 0, ""};
static const spec QWEN3 = {"Qwen3ForCausalLM", 264, 128, 256, 2, 4, 2, 64, "F32", true, 0, ""};
static const spec BITNET = {
    "BitNetForCausalLM",
    264,
    256,
    512,
    2,
    4,
    2,
    64,
    "BF16",
    true,
    0.75f,
    ",\"quantization_config\":{\"quant_method\":\"bitnet\",\"linear_class\":\"autobitlinear\","
    "\"quantization_mode\":\"offline\"}"};

static inline void add_matrix(cb_model *m, const spec *s, uint32_t layer, const char *part,
                              uint64_t rows, uint64_t k)
{
    char name[128];
    snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, part);
    if (s->packed > 0) {
        cb_add_packed(m, name, rows, k, s->packed);
    } else {
        cb_add(m, name, s->dtype, rows, k, NULL);
    }
}

static inline void add_norm(cb_model *m, const spec *s, uint32_t layer, const char *part,
                            uint64_t n)
{
    char name[128];
    snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, part);
    cb_add(m, name, s->dtype, n, 0, NULL);
}

static inline void build(cb_model *m, const spec *s)
{
    uint64_t q = (uint64_t)s->heads * s->head, kv = (uint64_t)s->kv * s->head;
    *m = (cb_model){.seed = 20};
    cb_add(m, "model.embed_tokens.weight", s->dtype, s->vocab, s->embd, NULL);
    for (uint32_t i = 0; i < s->layers; i++) {
        add_norm(m, s, i, "input_layernorm", s->embd);
        add_norm(m, s, i, "post_attention_layernorm", s->embd);
        add_matrix(m, s, i, "self_attn.q_proj", q, s->embd);
        add_matrix(m, s, i, "self_attn.k_proj", kv, s->embd);
        add_matrix(m, s, i, "self_attn.v_proj", kv, s->embd);
        add_matrix(m, s, i, "self_attn.o_proj", s->embd, q);
        add_matrix(m, s, i, "mlp.gate_proj", s->ff, s->embd);
        add_matrix(m, s, i, "mlp.up_proj", s->ff, s->embd);
        add_matrix(m, s, i, "mlp.down_proj", s->embd, s->ff);
        if (s->arch[0] == 'Q') {
            add_norm(m, s, i, "self_attn.q_norm", s->head);
            add_norm(m, s, i, "self_attn.k_norm", s->head);
        }
        if (s->arch[0] == 'B') {
            add_norm(m, s, i, "self_attn.attn_sub_norm", q);
            add_norm(m, s, i, "mlp.ffn_sub_norm", s->ff);
        }
    }
    cb_add(m, "model.norm.weight", s->dtype, s->embd, 0, NULL);
    if (!s->tied) {
        cb_add(m, "lm_head.weight", s->dtype, s->vocab, s->embd, NULL);
    }
}

static inline void write_config(const char *dir, const spec *s)
{
    ti_buf b = {0};
    ti_buf_addf(&b,
                "{\"architectures\":[\"%s\"],\"hidden_act\":\"%s\",\"vocab_size\":%u,"
                "\"max_position_embeddings\":512,\"hidden_size\":%u,\"num_hidden_layers\":%u,"
                "\"intermediate_size\":%u,\"num_attention_heads\":%u,"
                "\"num_key_value_heads\":%u,\"head_dim\":%u,\"rms_norm_eps\":1e-5,"
                "\"rope_theta\":10000.0,\"tie_word_embeddings\":%s%s}",
                s->arch, s->arch[0] == 'B' ? "relu2" : "silu", s->vocab, s->embd, s->layers,
                s->ff, s->heads, s->kv, s->head, s->tied ? "true" : "false", s->extra);
    cb_write(dir, "config.json", b.data, b.len);
    ti_buf_free(&b);
}

/* Everything but the weights. */
static inline void write_rest(const char *dir, const spec *s)
{
    char *tokenizer = cb_tokenizer_json(CB_PRE_LLAMA3, true, false);
    write_config(dir, s);
    cb_write_text(dir, "tokenizer.json", tokenizer);
    cb_write_text(dir, "tokenizer_config.json", CB_TOKENIZER_CONFIG);
    free(tokenizer);
}

static inline void write_model(const char *dir, const spec *s, const cb_model *m)
{
    write_rest(dir, s);
    cb_write_safetensors(dir, "model.safetensors", m, 0, m->n);
}

/* --- running a conversion ---------------------------------------------------------------- */

static inline void converted(ti_gguf *g, const char *dir, const ti_convert_opts *opts)
{
    char out[160];
    tern_err err = {0};
    cb_path(out, dir, "out.gguf");
    if (ti_convert(dir, out, opts, &err) != TERN_OK ||
        ti_gguf_open(g, out, NULL, &err) != TERN_OK) {
        fail_msg("%s: %s", err.module, err.message);
    }
}

/* The conversion must fail, say why, and leave nothing. */
static inline void refused(const char *dir, const ti_convert_opts *opts, tern_status want,
                           const char *message)
{
    char out[160];
    tern_err err = {0};
    size_t files = cb_count_files(dir);
    cb_path(out, dir, "out.gguf");
    tern_status got = ti_convert(dir, out, opts, &err);
    if (got != want || !strstr(err.message, message)) {
        fail_msg("wanted %s '%s', got %s '%s'", tern_status_name(want), message,
                 tern_status_name(got), err.message);
    }
    assert_int_equal(cb_count_files(dir), files);
}

static inline void write_shards(const char *dir, const cb_model *m, const char *second_name)
{
    size_t half = m->n / 2;
    ti_buf b = {0};
    cb_write_safetensors(dir, "model-00001-of-00002.safetensors", m, 0, half);
    cb_write_safetensors(dir, "model-00002-of-00002.safetensors", m, half, m->n - half);
    ti_buf_adds(&b, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (size_t i = 0; i < m->n; i++) {
        ti_json_str(&b, m->items[i].name,
                    i < half ? "model-00001-of-00002.safetensors" : second_name);
    }
    ti_buf_adds(&b, "}}");
    cb_write(dir, "model.safetensors.index.json", b.data, b.len);
    ti_buf_free(&b);
}

static inline void key_is(const ti_gguf *g, const char *key, uint32_t want)
{
    uint32_t have = 0;
    assert_int_equal(ti_gguf_get_u32(g, key, true, &have, NULL), TERN_OK);
    assert_int_equal(have, want);
}

static inline void text_is(const ti_gguf *g, const char *key, const char *want)
{
    ti_str have = {0};
    assert_int_equal(ti_gguf_get_str(g, key, true, &have, NULL), TERN_OK);
    assert_int_equal(have.len, strlen(want));
    assert_memory_equal(have.data, want, have.len);
}

#endif
