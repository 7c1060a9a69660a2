/* SPDX-License-Identifier: Apache-2.0 */
/* Hugging Face directories that are wrong, several files, other options, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convert_model.h"
#include "oom.h"

/* --- several files ----------------------------------------------------------------------- */

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
        cmocka_unit_test(shards),          cmocka_unit_test(too_many_shards),
        cmocka_unit_test(bad_tensors),     cmocka_unit_test(bad_numbers),
        cmocka_unit_test(bad_packed),      cmocka_unit_test(bad_options),
        cmocka_unit_test(other_tokenizer), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
