/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: what is read from it and what is refused, by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convert/hf_config.h"
#include "convert_build.h"

static const char LLAMA[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_act\":\"silu\",\"vocab_size\":100,"
    "\"max_position_embeddings\":2048,\"hidden_size\":64,\"num_hidden_layers\":2,"
    "\"intermediate_size\":96,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"rms_norm_eps\":1e-5,\"rope_theta\":500000.0,\"tie_word_embeddings\":true,"
    "\"bos_token_id\":1,\"eos_token_id\":[2,3],\"rope_scaling\":null}";

static tern_status read_config(ti_hf_config *c, const char *text, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval v;
    tern_status status = ti_jval_parse(&v, &arena, text, strlen(text), "config.json", err);
    if (status == TERN_OK) {
        status = ti_hf_config_read(c, &v, err);
    }
    ti_arena_free(&arena);
    return status;
}

/* The Llama config with one part replaced. */
static void with(const char *from, const char *to, tern_status want, const char *message)
{
    ti_hf_config c, before;
    tern_err err = {0};
    memset(&c, 0x5a, sizeof c);
    memcpy(&before, &c, sizeof c);
    char *text = cb_replace(strdup(LLAMA), from, to);
    tern_status got = read_config(&c, text, &err);
    if (got != want || (want != TERN_OK && !strstr(err.message, message))) {
        fail_msg("'%s': wanted %s '%s', got %s '%s'", to, tern_status_name(want), message,
                 tern_status_name(got), err.message);
    }
    if (want != TERN_OK) {
        assert_memory_equal(&c, &before, sizeof c);
    }
    free(text);
}

static void read_llama(void **state)
{
    (void)state;
    ti_hf_config c;
    assert_int_equal(read_config(&c, LLAMA, NULL), TERN_OK);
    assert_int_equal(c.arch, TI_HF_LLAMA);
    assert_string_equal(c.gguf_arch, "llama");
    assert_int_equal(c.quant, TI_HF_PLAIN);
    assert_int_equal(c.n_vocab, 100);
    assert_int_equal(c.n_ctx, 2048);
    assert_int_equal(c.n_embd, 64);
    assert_int_equal(c.n_layer, 2);
    assert_int_equal(c.n_ff, 96);
    assert_int_equal(c.n_head, 4);
    assert_int_equal(c.n_head_kv, 2);
    assert_int_equal(c.head_dim, 16);
    assert_true(c.rope_base == 500000.0 && c.rms_eps == 1e-5 && c.tied && !c.rope_llama3);
    assert_int_equal(c.bos, 1);
    assert_int_equal(c.eos, 2);
    assert_int_equal(c.pad, -1);
}

/* Absent keys have the defaults of transformers' classes. */
static void defaults(void **state)
{
    (void)state;
    static const char sizes[] = "\"vocab_size\":100,\"max_position_embeddings\":8,"
                                "\"hidden_size\":64,\"num_hidden_layers\":1,"
                                "\"intermediate_size\":9,\"num_attention_heads\":4}";
    static const struct {
        const char *name;
        uint32_t head_dim;
        double rope_base, rms_eps;
        ti_hf_quant quant;
    } want[] = {
        {"LlamaForCausalLM", 16, 1e4, 1e-6, TI_HF_PLAIN},
        {"Qwen3ForCausalLM", 128, 1e4, 1e-6, TI_HF_PLAIN},
        {"BitNetForCausalLM", 16, 5e5, 1e-5, TI_HF_MASTER},
    };
    for (size_t i = 0; i < 3; i++) {
        char text[400];
        ti_hf_config c;
        snprintf(text, sizeof text, "{\"architectures\":[\"%s\"],%s", want[i].name, sizes);
        assert_int_equal(read_config(&c, text, NULL), TERN_OK);
        assert_int_equal(c.n_head_kv, 4);
        assert_int_equal(c.head_dim, want[i].head_dim);
        assert_true(c.rope_base == want[i].rope_base && c.rms_eps == want[i].rms_eps);
        assert_int_equal(c.quant, want[i].quant);
        assert_false(c.tied);
        assert_int_equal(c.bos, -1);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        tern_status status;
        const char *message;
    } bad[] = {
        {"LlamaForCausalLM", "MixtralForCausalLM", TERN_UNSUPPORTED,
         "architecture 'MixtralForCausalLM'"},
        {"[\"LlamaForCausalLM\"]", "[\"LlamaForCausalLM\",\"X\"]", TERN_CORRUPT,
         "architectures"},
        {"[\"LlamaForCausalLM\"]", "7", TERN_CORRUPT, "architectures"},
        {"[\"LlamaForCausalLM\"]", "[7]", TERN_UNSUPPORTED, "architecture ''"},
        {"\"silu\"", "\"gelu\"", TERN_UNSUPPORTED, "hidden_act 'gelu'"},
        {"\"silu\"", "\"relu2\"", TERN_UNSUPPORTED, "hidden_act 'relu2'"},
        {"\"silu\"", "7", TERN_UNSUPPORTED, "hidden_act ''"},
        {"\"vocab_size\":100,", "", TERN_CORRUPT, "vocab_size is missing"},
        {"\"vocab_size\":100,", "\"vocab_size\":null,", TERN_CORRUPT, "vocab_size is missing"},
        {"\"vocab_size\":100", "\"vocab_size\":-1", TERN_CORRUPT, "vocab_size is no count"},
        {"\"vocab_size\":100", "\"vocab_size\":0", TERN_CORRUPT, "vocab_size is no count"},
        {"\"vocab_size\":100", "\"vocab_size\":1.5", TERN_CORRUPT, "vocab_size is no count"},
        {"\"vocab_size\":100", "\"vocab_size\":5000000", TERN_LIMIT, "vocab_size is 5000000"},
        {"\"vocab_size\":100", "\"vocab_size\":5000000000", TERN_CORRUPT, "is no count"},
        {":2048", ":1000000000", TERN_LIMIT, "max_position_embeddings"},
        {"\"hidden_size\":64", "\"hidden_size\":2097152", TERN_LIMIT, "hidden_size"},
        {"\"num_hidden_layers\":2", "\"num_hidden_layers\":5000", TERN_LIMIT, "layers is 5000"},
        {"\"intermediate_size\":96", "\"intermediate_size\":{}", TERN_CORRUPT, "is no count"},
        {"\"num_attention_heads\":4", "\"num_attention_heads\":65", TERN_CORRUPT,
         "cannot share"},
        {"\"num_key_value_heads\":2", "\"num_key_value_heads\":3", TERN_CORRUPT,
         "4 heads cannot share 3"},
        {"\"num_key_value_heads\":2", "\"head_dim\":15", TERN_CORRUPT, "4 heads of width 15"},
        {"\"num_key_value_heads\":2", "\"head_dim\":1000000", TERN_CORRUPT,
         "4 heads of width 1000000"},
        {"\"bos_token_id\":1", "\"bos_token_id\":100", TERN_CORRUPT,
         "bos_token_id is no token"},
        {"\"bos_token_id\":1", "\"bos_token_id\":-2", TERN_CORRUPT, "bos_token_id is no token"},
        {"\"eos_token_id\":[2,3]", "\"eos_token_id\":[]", TERN_CORRUPT, "eos_token_id"},
        {"\"eos_token_id\":[2,3]", "\"eos_token_id\":\"x\"", TERN_CORRUPT, "eos_token_id"},
        {"\"tie_word_embeddings\":true", "\"tie_word_embeddings\":1", TERN_CORRUPT,
         "tie_word_embeddings is neither true nor false"},
        {"1e-5", "0", TERN_CORRUPT, "rms_norm_eps is missing or not positive"},
        {"1e-5", "\"1e-5\"", TERN_CORRUPT, "rms_norm_eps is missing or not positive"},
        {"1e-5", "2", TERN_CORRUPT, "rms_norm_eps is impossible"},
        {"1e-5", "1e-60", TERN_CORRUPT, "rms_norm_eps is impossible"},
        {"500000.0", "-1", TERN_CORRUPT, "rope_theta is missing or not positive"},
        {"500000.0", "0.5", TERN_CORRUPT, "rope_theta is impossible"},
        {"500000.0", "1e30", TERN_CORRUPT, "rope_theta is impossible"},
        {"null}", "null,\"attention_bias\":true}", TERN_UNSUPPORTED, "attention_bias true"},
        {"null}", "null,\"mlp_bias\":true}", TERN_UNSUPPORTED, "mlp_bias true"},
        {"null}", "null,\"use_sliding_window\":true}", TERN_UNSUPPORTED, "use_sliding_window"},
        {"null}", "null,\"partial_rotary_factor\":0.5}", TERN_UNSUPPORTED,
         "partial_rotary_factor"},
        {"null}", "null,\"layer_types\":[\"full_attention\",\"sliding_attention\"]}",
         TERN_UNSUPPORTED, "layer type 'sliding_attention'"},
        {"null}", "{\"type\":\"linear\",\"factor\":2}}", TERN_UNSUPPORTED,
         "rope_scaling 'linear'"},
        {"null}", "{\"rope_type\":\"yarn\",\"factor\":2}}", TERN_UNSUPPORTED,
         "rope_scaling 'yarn'"},
        {"null}", "{\"rope_type\":\"dynamic\",\"factor\":2}}", TERN_UNSUPPORTED,
         "rope_scaling 'dynamic'"},
        {"null}", "{\"factor\":2}}", TERN_UNSUPPORTED, "rope_scaling ''"},
        {"null}", "[]}", TERN_CORRUPT, "rope_scaling is no object"},
        {"null}", "{\"rope_type\":\"llama3\",\"factor\":8}}", TERN_CORRUPT,
         "low_freq_factor is missing"},
        {"null}",
         "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4,"
         "\"original_max_position_embeddings\":8192}}",
         TERN_CORRUPT, "rope_scaling has impossible factors"},
        {"null}", "null,\"quantization_config\":{\"quant_method\":\"gptq\"}}", TERN_UNSUPPORTED,
         "quant_method 'gptq'"},
        {"null}", "null,\"quantization_config\":7}", TERN_UNSUPPORTED, "quant_method ''"},
        {"null}",
         "null,\"quantization_config\":{\"quant_method\":\"bitnet\",\"use_rms_norm\":true}}",
         TERN_UNSUPPORTED, "use_rms_norm"},
        {"null}",
         "null,\"quantization_config\":{\"quant_method\":\"bitnet\","
         "\"modules_to_not_convert\":[\"lm_head\",\"mlp\"]}}",
         TERN_UNSUPPORTED, "modules_to_not_convert 'mlp'"},
        {"null}",
         "null,\"quantization_config\":{\"quant_method\":\"bitnet\",\"linear_class\":\"x\"}}",
         TERN_UNSUPPORTED, "linear_class 'x'"},
        {"null}",
         "null,\"quantization_config\":{\"quant_method\":\"bitnet\","
         "\"quantization_mode\":\"online\"}}",
         TERN_UNSUPPORTED, "quantization_mode 'online'"},
        {"null}",
         "null,\"quantization_config\":{\"quant_method\":\"bitnet\","
         "\"linear_class\":\"autobitlinear\",\"quantization_mode\":\"half\"}}",
         TERN_UNSUPPORTED, "quantization_mode 'half'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        with(bad[i].from, bad[i].to, bad[i].status, bad[i].message);
    }
    tern_err err;
    ti_hf_config c;
    assert_int_equal(read_config(&c, "[]", &err), TERN_CORRUPT);
    with("\"bos_token_id\":1", "\"bos_token_id\":-1", TERN_OK, "");
    with("\"silu\"", "null", TERN_OK, "");
    with("null}", "null,\"partial_rotary_factor\":1.0}", TERN_OK, "");
    with("null}", "null,\"layer_types\":[\"full_attention\"]}", TERN_OK, "");
}

/* The same keys in the older and the newer form. */
static void rope_forms(void **state)
{
    (void)state;
    ti_hf_config c;
    char *text = cb_replace(strdup(LLAMA), "null}", "{\"type\":\"default\"}}");
    assert_int_equal(read_config(&c, text, NULL), TERN_OK);
    assert_true(c.rope_base == 500000.0 && !c.rope_llama3);
    free(text);
    text = cb_replace(strdup(LLAMA), "\"rope_theta\":500000.0,",
                      "\"rope_parameters\":{\"rope_theta\":1234.0,\"rope_type\":\"default\"},");
    assert_int_equal(read_config(&c, text, NULL), TERN_OK);
    assert_true(c.rope_base == 1234.0);
    free(text);
    text = cb_replace(strdup(LLAMA), "\"rope_theta\":500000.0,",
                      "\"rope_parameters\":{\"rope_theta\":1234.0,\"rope_type\":\"yarn\"},");
    assert_int_equal(read_config(&c, text, NULL), TERN_UNSUPPORTED);
    free(text);
}

/* Llama 3.1's own numbers: fast frequencies keep their pace, slow ones are divided by 8. */
static void rope_factors(void **state)
{
    (void)state;
    static const char scaling[] =
        "{\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
        "\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"}}";
    ti_hf_config c;
    float factors[64];
    char *text = cb_replace(strdup(LLAMA), "null}", scaling);
    text = cb_replace(text, "\"num_key_value_heads\":2", "\"head_dim\":128");
    assert_int_equal(read_config(&c, text, NULL), TERN_OK);
    assert_true(c.rope_llama3);
    ti_hf_config_rope_factors(&c, factors);
    for (int i = 0; i < 64; i++) {
        double wave = 2 * 3.14159265358979 * pow(500000.0, 2.0 * i / 128);
        double smooth = (8192 / wave - 1) / (4 - 1);
        double want = wave < 8192.0 / 4 ? 1
                      : wave > 8192.0   ? 8
                                        : 1 / ((1 - smooth) / 8 + smooth);
        assert_true(fabs((double)factors[i] - want) < 1e-6 * want);
    }
    assert_true(factors[28] == 1.0f && factors[29] > 1.0f && factors[63] == 8.0f);
    free(text);
    text = cb_replace(strdup(LLAMA), "null}", scaling);
    text = cb_replace(text, "LlamaForCausalLM", "Qwen3ForCausalLM");
    tern_err err;
    assert_int_equal(read_config(&c, text, &err), TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'llama3' of qwen3"));
    free(text);
}

/* How the scale of packed weights is used depends on the class of the layer. */
static void quantization(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ti_hf_quant quant;
    } forms[] = {
        {"{\"quant_method\":\"bitnet\"}}", TI_HF_TRITS_DIV},
        {"{\"quant_method\":\"bitnet\",\"linear_class\":\"bitlinear\"}}", TI_HF_TRITS_DIV},
        {"{\"quant_method\":\"bitnet\",\"linear_class\":\"autobitlinear\","
         "\"quantization_mode\":\"offline\"}}",
         TI_HF_TRITS_MUL},
        {"{\"quant_method\":\"bitnet\",\"linear_class\":\"autobitlinear\"}}", TI_HF_TRITS_MUL},
        {"{\"quant_method\":\"bitnet\",\"linear_class\":\"autobitlinear\","
         "\"quantization_mode\":\"online\"}}",
         TI_HF_MASTER},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        ti_hf_config c;
        char *text = cb_replace(strdup(LLAMA), "null}", "null,\"quantization_config\":@");
        text = cb_replace(text, "@", forms[i].text);
        assert_int_equal(read_config(&c, text, NULL), TERN_OK);
        assert_int_equal(c.quant, forms[i].quant);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_llama),   cmocka_unit_test(defaults),
        cmocka_unit_test(refuses),      cmocka_unit_test(rope_forms),
        cmocka_unit_test(rope_factors), cmocka_unit_test(quantization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
