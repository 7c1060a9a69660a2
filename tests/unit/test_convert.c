/* SPDX-License-Identifier: Apache-2.0 */
/* Whole Hugging Face directories to GGUF: small random models whose every number is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convert_model.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama),         cmocka_unit_test(qwen3),
        cmocka_unit_test(bitnet_packed), cmocka_unit_test(packed_dividing_llama),
        cmocka_unit_test(bitnet_master), cmocka_unit_test(bitnet_empty_matrix),
        cmocka_unit_test(exact_ternary), cmocka_unit_test(quantised),
        cmocka_unit_test(scaled_rope),   cmocka_unit_test(progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
