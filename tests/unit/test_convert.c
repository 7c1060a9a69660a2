/* SPDX-License-Identifier: Apache-2.0 */
/* Whole Hugging Face directories to GGUF: small random models whose every number is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convert/convert.h"
#include "convert_build.h"
#include "oom.h"

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

static void add_matrix(cb_model *m, const spec *s, uint32_t layer, const char *part,
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

static void add_norm(cb_model *m, const spec *s, uint32_t layer, const char *part, uint64_t n)
{
    char name[128];
    snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, part);
    cb_add(m, name, s->dtype, n, 0, NULL);
}

static void build(cb_model *m, const spec *s)
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

static void write_config(const char *dir, const spec *s)
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
static void write_rest(const char *dir, const spec *s)
{
    char *tokenizer = cb_tokenizer_json(CB_PRE_LLAMA3, true, false);
    write_config(dir, s);
    cb_write_text(dir, "tokenizer.json", tokenizer);
    cb_write_text(dir, "tokenizer_config.json", CB_TOKENIZER_CONFIG);
    free(tokenizer);
}

static void write_model(const char *dir, const spec *s, const cb_model *m)
{
    write_rest(dir, s);
    cb_write_safetensors(dir, "model.safetensors", m, 0, m->n);
}

/* --- running a conversion ---------------------------------------------------------------- */

static void converted(ti_gguf *g, const char *dir, const ti_convert_opts *opts)
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
static void refused(const char *dir, const ti_convert_opts *opts, tern_status want,
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

static float *decoded(const ti_gguf *g, const char *name, ti_type type, uint64_t k,
                      uint64_t rows)
{
    const ti_gguf_tensor *t = ti_gguf_tensor_find(g, name);
    if (!t) {
        fail_msg("tensor %s is not there", name);
        return NULL; /* not reached */
    }
    assert_int_equal(t->type->type, type);
    assert_int_equal(t->n_dims, rows > 1 ? 2 : 1);
    assert_int_equal(t->dims[0], k);
    assert_int_equal(t->rows, rows);
    float *out = calloc(k * rows, sizeof *out);
    for (uint64_t r = 0; r < rows; r++) {
        ti_type_to_f32(out + r * k, t->type, t->data, k, rows, r, 0, k);
    }
    return out;
}

/* The tensor must have the values of the input, changed by nothing but `scale`. */
static void same(const ti_gguf *g, const char *name, ti_type type, const cb_model *m,
                 const char *source, uint64_t rows, uint64_t k, float scale)
{
    const cb_tensor *t = cb_find(m, source);
    float *have = decoded(g, name, type, k, rows);
    for (uint64_t i = 0; i < rows * k; i++) {
        float want = t->values[i] * scale;
        if (have[i] != want) {
            fail_msg("%s[%llu]: %g, wanted %g", name, (unsigned long long)i, (double)have[i],
                     (double)want);
        }
    }
    free(have);
}

static void key_is(const ti_gguf *g, const char *key, uint32_t want)
{
    uint32_t have = 0;
    assert_int_equal(ti_gguf_get_u32(g, key, true, &have, NULL), TERN_OK);
    assert_int_equal(have, want);
}

static void text_is(const ti_gguf *g, const char *key, const char *want)
{
    ti_str have = {0};
    assert_int_equal(ti_gguf_get_str(g, key, true, &have, NULL), TERN_OK);
    assert_int_equal(have.len, strlen(want));
    assert_memory_equal(have.data, want, have.len);
}

/* --- models ------------------------------------------------------------------------------ */

/* Rotates one head the way Hugging Face defines it: (x[i], x[i + half]) by position x base. */
static void rotate_halves(float *out, const float *x, uint32_t n, double position)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        double a = position * pow(10000.0, -2.0 * i / n), c = cos(a), s = sin(a);
        out[i] = (float)((double)x[i] * c - (double)x[i + n / 2] * s);
        out[i + n / 2] = (float)((double)x[i + n / 2] * c + (double)x[i] * s);
    }
}

/* The way of GGUF's llama: neighbours. */
static void rotate_pairs(float *out, const float *x, uint32_t n, double position)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        double a = position * pow(10000.0, -2.0 * i / n), c = cos(a), s = sin(a);
        out[2 * i] = (float)((double)x[2 * i] * c - (double)x[2 * i + 1] * s);
        out[2 * i + 1] = (float)((double)x[2 * i + 1] * c + (double)x[2 * i] * s);
    }
}

static void multiply(float *out, const float *w, const float *x, uint64_t rows, uint64_t k)
{
    for (uint64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (uint64_t i = 0; i < k; i++) {
            sum += (double)w[r * k + i] * (double)x[i];
        }
        out[r] = (float)sum;
    }
}

/* Attention scores from the converted q and k must be those of the original definition. */
static void same_scores(const ti_gguf *g, const cb_model *m, uint32_t embd, uint32_t heads,
                        uint32_t kv, uint32_t head)
{
    uint64_t seed = 5, q_rows = (uint64_t)heads * head, k_rows = (uint64_t)kv * head;
    float *wq = decoded(g, "blk.1.attn_q.weight", TI_F32, embd, q_rows);
    float *wk = decoded(g, "blk.1.attn_k.weight", TI_F32, embd, k_rows);
    const float *hq = cb_find(m, "model.layers.1.self_attn.q_proj.weight")->values;
    const float *hk = cb_find(m, "model.layers.1.self_attn.k_proj.weight")->values;
    float x[512], q[512], k[512], rq[512], rk[512];
    for (uint32_t i = 0; i < embd; i++) {
        x[i] = cb_random_float(&seed);
    }
    for (uint32_t h = 0; h < heads; h++) {
        double want = 0, have = 0;
        size_t group = h / (heads / kv);
        multiply(q, hq + (size_t)h * head * embd, x, head, embd);
        multiply(k, hk + group * head * embd, x, head, embd);
        rotate_halves(rq, q, head, 11);
        rotate_halves(rk, k, head, 4);
        for (uint32_t i = 0; i < head; i++) {
            want += (double)rq[i] * (double)rk[i];
        }
        multiply(q, wq + (size_t)h * head * embd, x, head, embd);
        multiply(k, wk + group * head * embd, x, head, embd);
        rotate_pairs(rq, q, head, 11);
        rotate_pairs(rk, k, head, 4);
        for (uint32_t i = 0; i < head; i++) {
            have += (double)rq[i] * (double)rk[i];
        }
        assert_true(fabs(want) > 1e-3 && fabs(have - want) < 1e-4 * fabs(want));
    }
    free(wq);
    free(wk);
}

static void llama(void **state)
{
    (void)state;
    char dir[64];
    cb_model m;
    ti_gguf g;
    cb_folder(dir);
    build(&m, &LLAMA);
    write_model(dir, &LLAMA, &m);
    const ti_convert_opts opts = {.type = "F32", .head_type = "bf16", .name = "tiny"};
    converted(&g, dir, &opts);
    assert_int_equal(g.n_tensors, 3 + 2 * 9);
    text_is(&g, "general.architecture", "llama");
    text_is(&g, "general.name", "tiny");
    key_is(&g, "general.file_type", 0);
    key_is(&g, "general.quantization_version", 2);
    key_is(&g, "llama.vocab_size", 264);
    key_is(&g, "llama.context_length", 512);
    key_is(&g, "llama.embedding_length", 256);
    key_is(&g, "llama.block_count", 2);
    key_is(&g, "llama.feed_forward_length", 512);
    key_is(&g, "llama.attention.head_count", 4);
    key_is(&g, "llama.attention.head_count_kv", 2);
    key_is(&g, "llama.attention.key_length", 64);
    key_is(&g, "llama.attention.value_length", 64);
    key_is(&g, "llama.rope.dimension_count", 64);
    float f = 0;
    assert_int_equal(ti_gguf_get_f32(&g, "llama.rope.freq_base", true, &f, NULL), TERN_OK);
    assert_true(f == 10000.0f);
    assert_int_equal(
        ti_gguf_get_f32(&g, "llama.attention.layer_norm_rms_epsilon", true, &f, NULL), TERN_OK);
    assert_true(f == 1e-5f);
    assert_null(ti_gguf_find(&g, "tern.i2s_layout"));
    text_is(&g, "tokenizer.ggml.pre", "llama-bpe");
    key_is(&g, "tokenizer.ggml.bos_token_id", CB_BOS);
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.tokens")->n, 264);
    same(&g, "token_embd.weight", TI_BF16, &m, "model.embed_tokens.weight", 264, 256, 1);
    same(&g, "output.weight", TI_BF16, &m, "lm_head.weight", 264, 256, 1);
    same(&g, "output_norm.weight", TI_F32, &m, "model.norm.weight", 1, 256, 1);
    same(&g, "blk.0.attn_norm.weight", TI_F32, &m, "model.layers.0.input_layernorm.weight", 1,
         256, 1);
    same(&g, "blk.1.ffn_norm.weight", TI_F32, &m,
         "model.layers.1.post_attention_layernorm.weight", 1, 256, 1);
    same(&g, "blk.1.attn_v.weight", TI_F32, &m, "model.layers.1.self_attn.v_proj.weight", 128,
         256, 1);
    same(&g, "blk.1.attn_output.weight", TI_F32, &m, "model.layers.1.self_attn.o_proj.weight",
         256, 256, 1);
    same(&g, "blk.0.ffn_gate.weight", TI_F32, &m, "model.layers.0.mlp.gate_proj.weight", 512,
         256, 1);
    same(&g, "blk.0.ffn_up.weight", TI_F32, &m, "model.layers.0.mlp.up_proj.weight", 512, 256,
         1);
    same(&g, "blk.0.ffn_down.weight", TI_F32, &m, "model.layers.0.mlp.down_proj.weight", 256,
         512, 1);
    same_scores(&g, &m, 256, 4, 2, 64);
    ti_gguf_close(&g);
    cb_free(&m);
    cb_remove(dir);
}

static void qwen3(void **state)
{
    (void)state;
    char dir[64];
    cb_model m;
    ti_gguf g;
    cb_folder(dir);
    build(&m, &QWEN3);
    cb_add(&m, "lm_head.weight", "F32", 264, 128, NULL); /* tied: ignored by its own reader */
    write_model(dir, &QWEN3, &m);
    const ti_convert_opts opts = {.type = "f32"};
    converted(&g, dir, &opts);
    assert_int_equal(g.n_tensors, 2 + 2 * 11);
    text_is(&g, "general.architecture", "qwen3");
    text_is(&g, "general.name", dir);
    key_is(&g, "qwen3.attention.key_length", 64);
    assert_null(ti_gguf_tensor_find(&g, "output.weight"));
    same(&g, "blk.1.attn_q.weight", TI_F32, &m, "model.layers.1.self_attn.q_proj.weight", 256,
         128, 1);
    same(&g, "blk.1.attn_k.weight", TI_F32, &m, "model.layers.1.self_attn.k_proj.weight", 128,
         128, 1);
    same(&g, "blk.0.attn_q_norm.weight", TI_F32, &m, "model.layers.0.self_attn.q_norm.weight",
         1, 64, 1);
    same(&g, "blk.1.attn_k_norm.weight", TI_F32, &m, "model.layers.1.self_attn.k_norm.weight",
         1, 64, 1);
    same(&g, "blk.1.attn_output.weight", TI_F32, &m, "model.layers.1.self_attn.o_proj.weight",
         128, 256, 1);
    ti_gguf_close(&g);
    cb_free(&m);
    cb_remove(dir);
}

static void bitnet_packed(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        ti_type id;
        uint32_t file_type;
    } types[] = {{NULL, TI_I2_S, 40},
                 {"tq2_0", TI_TQ2_0, 37},
                 {"tq1_0", TI_TQ1_0, 36},
                 {"f16", TI_F16, 1}};
    char dir[64];
    cb_model m;
    ti_gguf g;
    cb_folder(dir);
    build(&m, &BITNET);
    write_model(dir, &BITNET, &m);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const ti_convert_opts opts = {.type = types[i].type};
        converted(&g, dir, &opts);
        assert_int_equal(g.n_tensors, 2 + 2 * 11);
        text_is(&g, "general.architecture", "bitnet-b1.58");
        key_is(&g, "general.file_type", types[i].file_type);
        key_is(&g, "bitnet-b1.58.attention.head_count", 4);
        assert_int_equal(ti_gguf_find(&g, "tern.i2s_layout") != NULL, i == 0);
        same(&g, "blk.0.attn_q.weight", types[i].id, &m,
             "model.layers.0.self_attn.q_proj.weight", 256, 256, 0.75f);
        same(&g, "blk.1.attn_k.weight", types[i].id, &m,
             "model.layers.1.self_attn.k_proj.weight", 128, 256, 0.75f);
        same(&g, "blk.1.ffn_down.weight", types[i].id, &m,
             "model.layers.1.mlp.down_proj.weight", 256, 512, 0.75f);
        same(&g, "blk.0.attn_sub_norm.weight", TI_F32, &m,
             "model.layers.0.self_attn.attn_sub_norm.weight", 1, 256, 1);
        same(&g, "blk.1.ffn_sub_norm.weight", TI_F32, &m,
             "model.layers.1.mlp.ffn_sub_norm.weight", 1, 512, 1);
        float *embd = decoded(&g, "token_embd.weight", TI_F16, 256, 264);
        free(embd);
        ti_gguf_close(&g);
    }
    cb_free(&m);
    cb_remove(dir);
}

/* The other class of layers divides by the scale; and a llama model has its rows permuted also
 * when they are packed. */
static void packed_dividing_llama(void **state)
{
    (void)state;
    char dir[64];
    cb_model m;
    ti_gguf g;
    spec s = LLAMA;
    s.packed = 4.0f;
    s.extra = ",\"quantization_config\":{\"quant_method\":\"bitnet\"}";
    cb_folder(dir);
    build(&m, &s);
    write_model(dir, &s, &m);
    converted(&g, dir, NULL);
    same(&g, "blk.0.ffn_up.weight", TI_I2_S, &m, "model.layers.0.mlp.up_proj.weight", 512, 256,
         0.25f);
    const float *from = cb_find(&m, "model.layers.0.self_attn.q_proj.weight")->values;
    float *have = decoded(&g, "blk.0.attn_q.weight", TI_I2_S, 256, 256);
    for (uint64_t row = 0; row < 256; row++) {
        uint64_t i = row % 64, source = row - i + i / 2 + (i % 2) * 32;
        for (uint64_t c = 0; c < 256; c++) {
            assert_true(have[row * 256 + c] == 0.25f * from[source * 256 + c]);
        }
    }
    free(have);
    ti_gguf_close(&g);
    cb_free(&m);
    cb_remove(dir);
}

/* Full-precision weights of a ternary network: the recipe's own rounding. */
static void bitnet_master(void **state)
{
    (void)state;
    char dir[64];
    cb_model m;
    ti_gguf g;
    spec s = BITNET;
    s.packed = 0;
    s.extra = ",\"quantization_config\":{\"quant_method\":\"bitnet\",\"linear_class\":"
              "\"autobitlinear\",\"quantization_mode\":\"online\"}";
    cb_folder(dir);
    build(&m, &s);
    write_model(dir, &s, &m);
    converted(&g, dir, NULL);
    const cb_tensor *t = cb_find(&m, "model.layers.1.mlp.gate_proj.weight");
    double sum = 0;
    for (size_t i = 0; i < 512 * 256; i++) {
        sum += fabs((double)t->values[i]);
    }
    float scale = (float)(sum / (512 * 256)), inverse = 1.0f / scale;
    float *have = decoded(&g, "blk.1.ffn_gate.weight", TI_I2_S, 256, 512);
    size_t zeros = 0;
    for (size_t i = 0; i < 512 * 256; i++) {
        double rounded = (double)nearbyintf(t->values[i] * inverse);
        rounded = rounded > 1 ? 1 : rounded < -1 ? -1 : rounded;
        assert_true(have[i] == scale * (float)rounded);
        zeros += rounded == 0;
    }
    assert_true(zeros > 512 * 256 / 5 && zeros < 512 * 256 / 3); /* uniform: a quarter */
    free(have);
    ti_gguf_close(&g);
    cb_free(&m);
    cb_remove(dir);
}

/* Weights that are all below the least scale become zeros, not a division by zero. */
static void bitnet_empty_matrix(void **state)
{
    (void)state;
    char dir[64];
    cb_model m;
    ti_gguf g;
    spec s = BITNET;
    s.packed = 0;
    s.extra = "";
    cb_folder(dir);
    build(&m, &s);
    cb_tensor *t = cb_find(&m, "model.layers.0.mlp.up_proj.weight");
    memset(t->data, 0, t->bytes);
    memset(t->values, 0, 512 * 256 * sizeof *t->values);
    write_model(dir, &s, &m);
    converted(&g, dir, NULL);
    same(&g, "blk.0.ffn_up.weight", TI_I2_S, &m, t->name, 512, 256, 1);
    ti_gguf_close(&g);
    cb_free(&m);
    cb_remove(dir);
}

/* Floats that are ternary already may be written so, exactly; others may not. */
static void exact_ternary(void **state)
{
    (void)state;
    static const char *const types[] = {"i2_s", "tq2_0", "tq1_0"};
    static const ti_type ids[] = {TI_I2_S, TI_TQ2_0, TI_TQ1_0};
    char dir[64];
    cb_model m;
    ti_gguf g;
    cb_folder(dir);
    build(&m, &LLAMA);
    write_model(dir, &LLAMA, &m);
    for (int i = 0; i < 3; i++) {
        const ti_convert_opts opts = {.type = types[i]};
        refused(dir, &opts, TERN_UNSUPPORTED, "row 0 is not ternary");
    }
    for (size_t i = 0; i < m.n; i++) {
        cb_tensor *t = &m.items[i];
        for (size_t j = 0; strstr(t->name, "_proj") && j < t->bytes / 2; j++) {
            float f = ti_bf16_to_f32(ti_load_u16(t->data + 2 * j));
            f = f > 0.3f ? 0.0625f : f < -0.3f ? -0.0625f : 0.0f;
            ti_store_u16(t->data + 2 * j, ti_f32_to_bf16(f));
            t->values[j] = f;
        }
    }
    cb_tensor *zero = cb_find(&m, "model.layers.0.self_attn.v_proj.weight");
    memset(zero->data, 0, zero->bytes);
    memset(zero->values, 0, zero->bytes / 2 * sizeof *zero->values);
    write_model(dir, &LLAMA, &m);
    for (int i = 0; i < 3; i++) {
        const ti_convert_opts opts = {.type = types[i]};
        converted(&g, dir, &opts);
        same(&g, "blk.0.ffn_up.weight", ids[i], &m, "model.layers.0.mlp.up_proj.weight", 512,
             256, 1);
        same(&g, "blk.0.attn_v.weight", ids[i], &m, zero->name, 128, 256, 1);
        ti_gguf_close(&g);
    }
    cb_free(&m);
    cb_remove(dir);
}

/* Quantised types: the errors that their steps allow. */
static void quantised(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        ti_type id;
        double error; /* of weights in (-1, 1) */
        uint32_t file_type;
    } types[] = {{NULL, TI_F16, 0.0005, 1},   {"bf16", TI_BF16, 0, 32},
                 {"q8_0", TI_Q8_0, 0.005, 7}, {"q4_0", TI_Q4_0, 0.13, 2},
                 {"q4_1", TI_Q4_1, 0.08, 3},  {"Q4_K", TI_Q4_K, 0.15, 14},
                 {"q6_k", TI_Q6_K, 0.04, 18}};
    char dir[64];
    cb_model m;
    ti_gguf g;
    cb_folder(dir);
    build(&m, &LLAMA);
    write_model(dir, &LLAMA, &m);
    const float *want = cb_find(&m, "model.layers.0.mlp.up_proj.weight")->values;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const ti_convert_opts opts = {.type = types[i].type};
        converted(&g, dir, &opts);
        key_is(&g, "general.file_type", types[i].file_type);
        float *have = decoded(&g, "blk.0.ffn_up.weight", types[i].id, 256, 512);
        for (size_t j = 0; j < 512 * 256; j++) {
            double error = fabs((double)(have[j] - want[j]));
            if (error > types[i].error) {
                fail_msg("%s: an error of %g", types[i].type, error);
            }
        }
        free(have);
        assert_int_equal(ti_gguf_tensor_find(&g, "token_embd.weight")->type->type, types[i].id);
        assert_int_equal(ti_gguf_tensor_find(&g, "output_norm.weight")->type->type, TI_F32);
        ti_gguf_close(&g);
    }
    cb_free(&m);
    cb_remove(dir);
}

static void scaled_rope(void **state)
{
    (void)state;
    char dir[64];
    cb_model m;
    ti_gguf g;
    spec s = LLAMA;
    s.extra = ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":32.0,"
              "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
              "\"original_max_position_embeddings\":256}";
    cb_folder(dir);
    build(&m, &s);
    cb_add(&m, "model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 32, 0, NULL);
    write_model(dir, &s, &m);
    converted(&g, dir, NULL);
    float *factors = decoded(&g, "rope_freqs.weight", TI_F32, 32, 1);
    assert_true(factors[0] == 1.0f && factors[31] == 32.0f);
    free(factors);
    ti_gguf_close(&g);
    cb_free(&m);
    cb_remove(dir);
}

/* --- several files ----------------------------------------------------------------------- */

static void write_shards(const char *dir, const cb_model *m, const char *second_name)
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

static void shards(void **state)
{
    (void)state;
    static const char second[] = "model-00002-of-00002.safetensors";
    char dir[64];
    cb_model m;
    ti_gguf g;
    cb_folder(dir);
    build(&m, &QWEN3);
    write_rest(dir, &QWEN3);
    write_shards(dir, &m, second);
    converted(&g, dir, NULL);
    assert_int_equal(g.n_tensors, m.n);
    ti_gguf_close(&g);
    cb_unlink(dir, "out.gguf");
    static const char *const names[] = {"../x.safetensors", "/x.safetensors", ".x.safetensors",
                                        "x.bin", "a\\b.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        write_shards(dir, &m, names[i]);
        refused(dir, NULL, TERN_CORRUPT, "is in no file of this directory");
    }
    write_shards(dir, &m, "model-00003-of-00002.safetensors");
    refused(dir, NULL, TERN_IO, "model-00003-of-00002.safetensors");
    write_shards(dir, &m, "model-00001-of-00002.safetensors");
    refused(dir, NULL, TERN_CORRUPT, "is not in 'model-00001-of-00002.safetensors'");
    write_shards(dir, &m, second);
    /* a tensor more than the index knows */
    cb_add(&m, "model.layers.7.extra.weight", "F32", 2, 2, NULL);
    cb_write_safetensors(dir, second, &m, (m.n - 1) / 2, m.n - (m.n - 1) / 2);
    refused(dir, NULL, TERN_CORRUPT, "the files have 25 tensors");
    cb_write_text(dir, "model.safetensors.index.json", "{\"weight_map\":[]}");
    refused(dir, NULL, TERN_CORRUPT, "has no weight_map");
    cb_write_text(dir, "model.safetensors.index.json", "{");
    refused(dir, NULL, TERN_CORRUPT, "JSON at byte");
    cb_write_text(dir, "model.safetensors.index.json", "{\"weight_map\":{\"a\":7}}");
    refused(dir, NULL, TERN_CORRUPT, "tensor 'a' is in no file");
    cb_free(&m);
    cb_remove(dir);
}

static void too_many_shards(void **state)
{
    (void)state;
    char dir[64];
    cb_model m = {.seed = 1};
    ti_buf b = {0};
    cb_folder(dir);
    write_rest(dir, &LLAMA);
    ti_buf_adds(&b, "{\"weight_map\":{");
    for (int i = 0; i < 513; i++) {
        char tensor[16], file[32];
        snprintf(tensor, sizeof tensor, "t%d", i);
        snprintf(file, sizeof file, "%d.safetensors", i);
        cb_add(&m, tensor, "F32", 1, 0, NULL);
        cb_write_safetensors(dir, file, &m, (size_t)i, 1);
        ti_json_str(&b, tensor, file);
    }
    ti_buf_adds(&b, "}}");
    cb_write(dir, "model.safetensors.index.json", b.data, b.len);
    refused(dir, NULL, TERN_LIMIT, "more than 512 files");
    ti_buf_free(&b);
    cb_free(&m);
    cb_remove(dir);
}

/* --- refusals ---------------------------------------------------------------------------- */

/* Writes a changed model, expects a refusal, frees it. */
static void refuse_model(cb_model *m, const spec *s, const ti_convert_opts *opts,
                         tern_status want, const char *message)
{
    char dir[64];
    cb_folder(dir);
    write_model(dir, s, m);
    refused(dir, opts, want, message);
    cb_free(m);
    cb_remove(dir);
}

static void bad_tensors(void **state)
{
    (void)state;
    cb_model m;
    build(&m, &LLAMA);
    cb_drop(&m, "model.layers.1.mlp.up_proj.weight");
    refuse_model(&m, &LLAMA, NULL, TERN_CORRUPT,
                 "tensor 'model.layers.1.mlp.up_proj.weight' is missing");
    build(&m, &LLAMA);
    cb_drop(&m, "lm_head.weight");
    refuse_model(&m, &LLAMA, NULL, TERN_CORRUPT, "tensor 'lm_head.weight' is missing");
    build(&m, &LLAMA);
    cb_add(&m, "model.layers.0.self_attn.q_proj.bias", "BF16", 256, 0, NULL);
    refuse_model(&m, &LLAMA, NULL, TERN_UNSUPPORTED,
                 "'model.layers.0.self_attn.q_proj.bias' has no place in llama");
    build(&m, &LLAMA);
    cb_drop(&m, "model.norm.weight");
    cb_add(&m, "model.norm.weight", "BF16", 255, 0, NULL);
    refuse_model(&m, &LLAMA, NULL, TERN_CORRUPT, "255 x 1; 256 x 1 were expected");
    build(&m, &LLAMA);
    cb_drop(&m, "model.norm.weight");
    cb_add(&m, "model.norm.weight", "BF16", 256, 1, NULL);
    refuse_model(&m, &LLAMA, NULL, TERN_CORRUPT, "2 dimensions, 256 x 1");
    build(&m, &LLAMA);
    cb_drop(&m, "model.embed_tokens.weight");
    cb_add(&m, "model.embed_tokens.weight", "BF16", 263, 256, NULL);
    refuse_model(&m, &LLAMA, NULL, TERN_CORRUPT, "263 x 256; 264 x 256 were expected");
    build(&m, &LLAMA);
    cb_drop(&m, "model.norm.weight");
    (void)cb_new(&m, "model.norm.weight", "I32", 256, 0, 4);
    refuse_model(&m, &LLAMA, NULL, TERN_UNSUPPORTED, "numbers of type I32");
    build(&m, &LLAMA);
    cb_drop(&m, "model.layers.0.mlp.up_proj.weight");
    (void)cb_new(&m, "model.layers.0.mlp.up_proj.weight", "U8", 512, 256, 1);
    refuse_model(&m, &LLAMA, NULL, TERN_UNSUPPORTED, "numbers of type U8");
}

/* Changes element i of a tensor. */
static void poke(cb_model *m, const char *name, size_t i, float f)
{
    cb_tensor *t = cb_find(m, name);
    ti_store_u16(t->data + 2 * i, ti_f32_to_bf16(f));
}

static void bad_numbers(void **state)
{
    (void)state;
    cb_model m;
    const ti_convert_opts f32 = {.type = "f32"}, bf16 = {.type = "bf16"};
    build(&m, &LLAMA);
    poke(&m, "model.layers.1.mlp.down_proj.weight", 3 * 512 + 5, NAN);
    refuse_model(
        &m, &LLAMA, &f32, TERN_CORRUPT,
        "'model.layers.1.mlp.down_proj.weight': row 3 has a number that is not finite");
    build(&m, &LLAMA);
    poke(&m, "model.norm.weight", 9, -INFINITY);
    refuse_model(&m, &LLAMA, &f32, TERN_CORRUPT, "'model.norm.weight': row 0 has a number");
    build(&m, &LLAMA);
    poke(&m, "lm_head.weight", 0, 70000.0f);
    refuse_model(&m, &LLAMA, NULL, TERN_UNSUPPORTED, "70144 is too large for F16");
    spec s = LLAMA;
    s.dtype = "F32";
    build(&m, &s);
    ti_store_f32(cb_find(&m, "lm_head.weight")->data, 3.4e38f);
    refuse_model(&m, &s, &bf16, TERN_UNSUPPORTED, "too large for BF16");
}

static void bad_packed(void **state)
{
    (void)state;
    static const char scale[] = "model.layers.0.mlp.up_proj.weight_scale";
    cb_model m;
    build(&m, &BITNET);
    cb_find(&m, "model.layers.0.mlp.up_proj.weight")->data[5 * 256 + 3] |= 0x0c; /* row 133 */
    refuse_model(&m, &BITNET, NULL, TERN_CORRUPT,
                 "'model.layers.0.mlp.up_proj.weight': row 133 has a code that is not");
    build(&m, &BITNET);
    cb_drop(&m, scale);
    refuse_model(&m, &BITNET, NULL, TERN_CORRUPT, "weight_scale' is missing");
    static const float wrong[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        build(&m, &BITNET);
        poke(&m, scale, 0, wrong[i]);
        refuse_model(&m, &BITNET, NULL, TERN_CORRUPT, "not a positive, finite scale");
    }
    build(&m, &BITNET);
    cb_drop(&m, scale);
    cb_add(&m, scale, "BF16", 2, 0, NULL);
    refuse_model(&m, &BITNET, NULL, TERN_CORRUPT, "not one number");
    build(&m, &BITNET);
    cb_drop(&m, scale);
    (void)cb_new(&m, scale, "I64", 1, 0, 8);
    refuse_model(&m, &BITNET, NULL, TERN_UNSUPPORTED, "numbers of type I64");
    build(&m, &BITNET);
    cb_drop(&m, "model.layers.0.mlp.up_proj.weight");
    cb_add(&m, "model.layers.0.mlp.up_proj.weight", "BF16", 512, 256, NULL);
    refuse_model(&m, &BITNET, NULL, TERN_UNSUPPORTED, "BF16 where packed weights (U8)");
    spec odd = BITNET;
    odd.ff = 254;
    build(&m, &odd);
    refuse_model(&m, &odd, NULL, TERN_CORRUPT, "its rows cannot be packed by four");
    spec small = BITNET;
    small.packed = 1e-5f;
    const ti_convert_opts tq = {.type = "tq2_0"};
    build(&m, &small);
    refuse_model(&m, &small, &tq, TERN_UNSUPPORTED, "too small for TQ2_0; choose i2_s");
}

static void bad_options(void **state)
{
    (void)state;
    char dir[64], path[160];
    cb_model m;
    tern_err err = {0};
    cb_folder(dir);
    spec s = LLAMA;
    s.embd = 72; /* no multiple of 32, 128 or 256 */
    build(&m, &s);
    write_model(dir, &s, &m);
    const ti_convert_opts none = {.type = "q5_0"}, packed = {.type = "T2"},
                          head = {.head_type = "tq2_0"}, q8 = {.type = "q8_0"},
                          i2s = {.type = "i2_s"};
    refused(dir, &none, TERN_USAGE, "'q5_0' is no type");
    refused(dir, &packed, TERN_USAGE, "'T2' is no type");
    refused(dir, &head, TERN_USAGE, "'tq2_0' is no type for embedding");
    refused(dir, &q8, TERN_UNSUPPORTED, "rows of 72 weights cannot be Q8_0");
    refused(dir, &i2s, TERN_UNSUPPORTED, "rows of 72 weights cannot be I2_S");
    cb_path(path, dir, "model.safetensors");
    assert_int_equal(ti_convert(path, "x.gguf", NULL, &err), TERN_USAGE);
    assert_non_null(strstr(err.message, "give the directory"));
    assert_int_equal(ti_convert("no/such/thing", "x.gguf", NULL, &err), TERN_IO);
    assert_int_equal(ti_convert(dir, "no/such/folder/x.gguf", NULL, &err), TERN_IO);
    assert_int_equal(ti_convert(dir, dir, NULL, &err), TERN_USAGE);
    assert_non_null(strstr(err.message, "both input and output"));
    cb_write_text(dir, "a.gguf", "GGUF0123");
    cb_path(path, dir, "a.gguf");
    assert_int_equal(ti_convert(path, "x.gguf", NULL, &err), TERN_USAGE);
    assert_non_null(strstr(err.message, "GGUF file already"));
    cb_write_text(dir, "tokenizer.model", "\n\x0e");
    cb_path(path, dir, "tokenizer.model");
    assert_int_equal(ti_convert(path, "x.gguf", NULL, &err), TERN_UNSUPPORTED);
    cb_unlink(dir, "tokenizer.json");
    refused(dir, NULL, TERN_UNSUPPORTED, "only a tokenizer.model (SentencePiece)");
    cb_unlink(dir, "tokenizer.model");
    refused(dir, NULL, TERN_IO, "has no tokenizer.json");
    cb_unlink(dir, "model.safetensors");
    refused(dir, NULL, TERN_IO, "has neither model.safetensors nor");
    cb_write_text(dir, "pytorch_model.bin", "PK");
    refused(dir, NULL, TERN_UNSUPPORTED, "pytorch_model.bin can run code");
    cb_write_text(dir, "config.json", "{\"a\":}");
    refused(dir, NULL, TERN_CORRUPT, "JSON at byte 5");
    cb_unlink(dir, "config.json");
    refused(dir, NULL, TERN_IO, "has no config.json");
    cb_free(&m);
    cb_remove(dir);
}

/* A tokenizer elsewhere, as file and as directory; one that has more tokens than the model. */
static void other_tokenizer(void **state)
{
    (void)state;
    char dir[64], path[160], elsewhere[64];
    cb_model m;
    ti_gguf g;
    spec s = QWEN3;
    cb_folder(dir);
    cb_folder(elsewhere);
    build(&m, &s);
    write_model(dir, &s, &m);
    cb_unlink(dir, "tokenizer.json");
    cb_unlink(dir, "tokenizer_config.json");
    char *text = cb_tokenizer_json(CB_PRE_QWEN2, false, true);
    cb_write_text(elsewhere, "tokenizer.json", text);
    cb_write_text(elsewhere, "chat_template.jinja", "{{ y }}");
    free(text);
    cb_path(path, elsewhere, "tokenizer.json");
    const ti_convert_opts by_file = {.tokenizer = path}, by_dir = {.tokenizer = elsewhere};
    converted(&g, dir, &by_file);
    text_is(&g, "tokenizer.ggml.pre", "qwen2");
    text_is(&g, "tokenizer.chat_template", "{{ y }}");
    ti_gguf_close(&g);
    converted(&g, dir, &by_dir);
    text_is(&g, "tokenizer.ggml.pre", "qwen2");
    ti_gguf_close(&g);
    cb_unlink(dir, "out.gguf");
    cb_free(&m);
    s.vocab = 260;
    build(&m, &s);
    write_model(dir, &s, &m);
    refused(dir, &by_dir, TERN_CORRUPT, "token 260 of a model that has 260 tokens");
    cb_free(&m);
    cb_remove(dir);
    cb_remove(elsewhere);
}

/* --- progress, memory -------------------------------------------------------------------- */

typedef struct counter {
    uint64_t calls, stop_at, done, total;
} counter;

static bool count(void *user, uint64_t done, uint64_t total)
{
    counter *c = user;
    assert_true(done >= c->done && done <= total && (c->total == 0 || c->total == total));
    c->done = done;
    c->total = total;
    return ++c->calls != c->stop_at;
}

static void progress(void **state)
{
    (void)state;
    char dir[64];
    cb_model m;
    ti_gguf g;
    counter c = {0};
    cb_folder(dir);
    build(&m, &QWEN3);
    write_model(dir, &QWEN3, &m);
    ti_convert_opts opts = {.progress = count, .progress_user = &c};
    converted(&g, dir, &opts);
    ti_gguf_close(&g);
    cb_unlink(dir, "out.gguf");
    assert_true(c.calls > 20 && c.done == c.total);
    uint64_t weights = 0;
    for (size_t i = 0; i < m.n; i++) {
        weights += m.items[i].bytes / 4;
    }
    assert_int_equal(c.total, weights);
    for (uint64_t stop = 1; stop <= c.calls; stop += c.calls - 1) { /* the first, the last */
        counter again = {.stop_at = stop};
        opts.progress_user = &again;
        refused(dir, &opts, TERN_CANCELLED, "cancelled");
    }
    cb_free(&m);
    cb_remove(dir);
}

static void out_of_memory(void **state)
{
    (void)state;
    char dir[64], out[160];
    cb_model m;
    spec s = BITNET;
    s.layers = 1;
    s.embd = s.ff = 128;
    s.heads = s.kv = 2;
    cb_folder(dir);
    build(&m, &s);
    write_rest(dir, &s);
    write_shards(dir, &m, "model-00002-of-00002.safetensors");
    cb_path(out, dir, "out.gguf");
    size_t files = cb_count_files(dir);
    for (long n = 0;; n++) {
        tern_err err = {0};
        oom_fail_at(n);
        tern_status status = ti_convert(dir, out, NULL, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            assert_true(n > 20);
            break;
        }
        if (status != TERN_NOMEM) {
            fail_msg("request %ld failed: %s '%s'", n, tern_status_name(status), err.message);
        }
        assert_int_equal(cb_count_files(dir), files);
    }
    cb_free(&m);
    cb_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama),           cmocka_unit_test(qwen3),
        cmocka_unit_test(bitnet_packed),   cmocka_unit_test(packed_dividing_llama),
        cmocka_unit_test(bitnet_master),   cmocka_unit_test(bitnet_empty_matrix),
        cmocka_unit_test(exact_ternary),   cmocka_unit_test(quantised),
        cmocka_unit_test(scaled_rope),     cmocka_unit_test(shards),
        cmocka_unit_test(too_many_shards), cmocka_unit_test(bad_tensors),
        cmocka_unit_test(bad_numbers),     cmocka_unit_test(bad_packed),
        cmocka_unit_test(bad_options),     cmocka_unit_test(other_tokenizer),
        cmocka_unit_test(progress),        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
