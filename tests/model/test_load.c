/* SPDX-License-Identifier: Apache-2.0 */
/* Opening models: what is wrong with one is named, and nothing that would change its answers is
 * passed over in silence. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine.h"
#include "model/pack_file.h"

static tern_token tokens[ENGINE_CONTEXT];

static int setup(void **state)
{
    (void)state;
    tiny_tokens(tokens, ENGINE_CONTEXT, 11);
    return 0;
}

/* Opening fails so, and leaves `out` alone. */
static void open_fails(const char *path, const tern_model_opts *opts, tern_status wanted,
                       const char *text)
{
    tern_model *model = (tern_model *)&tokens;
    tern_err err;
    want_text(tern_model_open(&model, path, opts, &err), wanted, &err, text);
    assert_ptr_equal(model, &tokens);
}

static void refused(const tiny_spec *spec, tern_status wanted, const char *text)
{
    const char *path = tiny_path("refused.gguf");
    tiny_write(spec, path);
    open_fails(path, NULL, wanted, text);
}

/* --- keys ------------------------------------------------------------------------------------
 */

static void test_keys(void **state)
{
    (void)state;
    static const struct {
        tiny_key key;
        tern_status status;
        const char *text;
    } cases[] = {
        {{"general.architecture", "gpt2", 0, 0}, TERN_UNSUPPORTED, "architecture 'gpt2'"},
        {{"general.architecture", "llam", 0, 0}, TERN_UNSUPPORTED, "architecture 'llam'"},
        {{"general.architecture", NULL, 0, 3}, TERN_CORRUPT, "general.architecture"},
        {{"prism.hadamard.groups", NULL, 0, 1}, TERN_UNSUPPORTED, "Hadamard"},
        {{"*.expert_count", NULL, 0, 8}, TERN_UNSUPPORTED, "llama.expert_count"},
        {{"*.attention.sliding_window", NULL, 0, 512}, TERN_UNSUPPORTED, "sliding_window"},
        {{"*.attention.scale", NULL, 0.5f, 0}, TERN_UNSUPPORTED, "attention.scale"},
        {{"*.logit_scale", NULL, 2, 0}, TERN_UNSUPPORTED, "logit_scale"},
        {{"*.final_logit_softcapping", NULL, 30, 0}, TERN_UNSUPPORTED, "softcapping"},
        {{"*.logit_scale", "two", 0, 0}, TERN_UNSUPPORTED, "logit_scale"},
        {{"*.embedding_length", NULL, 0, 1u << 31},
         TERN_LIMIT,
         "llama.embedding_length is 2147"},
        {{"*.embedding_length", "48", 0, 0}, TERN_CORRUPT, "llama.embedding_length"},
        {{"*.block_count", NULL, 0, 100000}, TERN_LIMIT, "llama.block_count is 100000"},
        {{"*.feed_forward_length", NULL, 0, 1u << 31}, TERN_LIMIT, "feed_forward_length"},
        {{"*.context_length", NULL, 0, UINT32_MAX}, TERN_LIMIT, "context_length"},
        {{"*.attention.head_count", NULL, 0, 0}, TERN_LIMIT, "head_count is 0"},
        {{"*.attention.head_count_kv", NULL, 0, 0}, TERN_LIMIT, "head_count_kv is 0"},
        {{"*.attention.head_count_kv", NULL, 0, 2}, TERN_CORRUPT, "no multiple of 2"},
        {{"*.attention.key_length", NULL, 0, 4096}, TERN_LIMIT, "key_length is 4096"},
        {{"*.attention.key_length", NULL, 0, 17}, TERN_UNSUPPORTED, "key length 17 and value"},
        {{"*.attention.value_length", NULL, 0, 8}, TERN_UNSUPPORTED, "value length 8 differ"},
        {{"*.rope.dimension_count", NULL, 0, 18}, TERN_LIMIT, "dimension_count is 18"},
        {{"*.rope.dimension_count", NULL, 0, 7}, TERN_UNSUPPORTED, "dimension_count 7 is odd"},
        {{"*.rope.freq_base", NULL, 0.5f, 0}, TERN_LIMIT, "rope.freq_base is out of range"},
        {{"*.attention.layer_norm_rms_epsilon", NULL, 1, 0}, TERN_LIMIT, "rms_epsilon"},
        {{"*.attention.layer_norm_rms_epsilon", NULL, -1e-5f, 0}, TERN_LIMIT, "rms_epsilon"},
        {{"tern.ffn_active_fraction", "most", 0, 0}, TERN_CORRUPT, "tern.ffn_active_fraction"},
        {{"general.sampling.temp", "hot", 0, 0}, TERN_CORRUPT, "general.sampling.temp"},
        {{"general.sampling.temp", NULL, -1, 0}, TERN_CORRUPT, "temperature must be"},
        {{"general.sampling.top_p", NULL, 2, 0}, TERN_CORRUPT, "general.sampling: top_p"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tiny_spec spec = FLOATS;
        spec.keys[0] = cases[i].key;
        refused(&spec, cases[i].status, cases[i].text);
    }
}

static void test_key_pairs(void **state)
{
    (void)state;
    tiny_spec spec = FLOATS;
    spec.keys[0] = (tiny_key){"*.rope.scaling.type", "yarn", 0, 0};
    spec.keys[1] = (tiny_key){"*.rope.scaling.factor", NULL, 4, 0};
    refused(&spec, TERN_UNSUPPORTED, "rope scaling 'yarn'");
    spec.keys[0] = (tiny_key){"*.attention.key_length", NULL, 0, 17};
    spec.keys[1] = (tiny_key){"*.attention.value_length", NULL, 0, 17};
    refused(&spec, TERN_UNSUPPORTED, "head width 17");
}

/* What a file recommends is told, and used by nobody unasked. */
static void test_recommended(void **state)
{
    (void)state;
    tiny_spec spec = FLOATS;
    tern_model *model = NULL;
    tern_session *s = NULL;
    tern_sampler_opts o;
    tern_err err;
    const char *path = tiny_path("recommends.gguf");
    spec.keys[0] = (tiny_key){"general.sampling.temp", NULL, 0.75f, 0};
    spec.keys[1] = (tiny_key){"general.sampling.min_p", NULL, 0.125f, 0};
    spec.keys[2] = (tiny_key){"general.sampling.top_k", NULL, 0, 40};
    tiny_write(&spec, path);
    want(tern_model_open(&model, path, NULL, &err), TERN_OK, &err);
    tern_model_recommended_sampler(model, &o);
    assert_true(o.temperature == 0.75f && o.min_p == 0.125f && o.top_k == 40);
    assert_true(o.top_p == 0.0f && o.repeat_penalty == 0.0f && o.penalty_last_n == 0);
    want(tern_session_create(&s, model, NULL, &err), TERN_OK, &err);
    assert_true(tern_session_sampler(s)->temperature == 0.0f);
    want(tern_session_set_sampler(s, &o, &err), TERN_OK, &err);
    assert_memory_equal(tern_session_sampler(s), &o, sizeof o);
    tern_session_destroy(s);
    tern_model_close(model);
}

/* Zero is what most of these keys say in models that do not use them. */
static void test_harmless_keys(void **state)
{
    (void)state;
    tiny_spec spec = FLOATS;
    spec.keys[0] = (tiny_key){"*.expert_count", NULL, 0, 0};
    spec.keys[1] = (tiny_key){"*.attention.sliding_window", NULL, 0, 0};
    spec.keys[2] = (tiny_key){"*.rope.scaling.type", "none", 0, 0};
    spec.keys[3] = (tiny_key){"*.rope.scaling.factor", NULL, 4, 0};
    tern_model_close(open_spec(&spec, NULL));
}

/* --- tensors ---------------------------------------------------------------------------------
 */

static void test_tensors(void **state)
{
    (void)state;
    static const struct {
        tiny_edit edit;
        tern_status status;
        const char *text;
    } cases[] = {
        {{TINY_DROP, "blk.0.attn_k.weight", NULL, 0, 0},
         TERN_CORRUPT,
         "'blk.0.attn_k.weight' is missing"},
        {{TINY_DROP, "blk.0.ffn_norm.weight", NULL, 0, 0},
         TERN_CORRUPT,
         "'blk.0.ffn_norm.weight' is missing"},
        {{TINY_DROP, "output_norm.weight", NULL, 0, 0}, TERN_CORRUPT, "'output_norm.weight'"},
        {{TINY_DROP, "token_embd.weight", NULL, 0, 0}, TERN_CORRUPT, "'token_embd.weight'"},
        {{TINY_GROW, "blk.0.attn_q.weight", NULL, 0, 0},
         TERN_CORRUPT,
         "'blk.0.attn_q.weight' is 48 x 49, must be 48 x 48"},
        {{TINY_WIDEN, "blk.0.ffn_down.weight", NULL, 16, 0},
         TERN_CORRUPT,
         "'blk.0.ffn_down.weight' is 80 x 48"},
        {{TINY_WIDEN, "blk.0.attn_norm.weight", NULL, 1, 0}, TERN_CORRUPT, "49 x 1"},
        {{TINY_GROW, "token_embd.weight", NULL, 0, 0},
         TERN_CORRUPT,
         "48 x 332, must be 48 x 331"},
        {{TINY_ADD, "blk.0.attn_q.bias", NULL, 48, 0}, TERN_UNSUPPORTED, "'blk.0.attn_q.bias'"},
        {{TINY_ADD, "output_norm.bias", NULL, 48, 0}, TERN_UNSUPPORTED, "'output_norm.bias'"},
        {{TINY_ADD, "blk.0.attn_q_norm.weight", NULL, 16, 0}, TERN_UNSUPPORTED, "attn_q_norm"},
        {{TINY_ADD, "blk.0.attn_sub_norm.weight", NULL, 48, 0}, TERN_UNSUPPORTED, "sub_norm"},
        {{TINY_ADD, "blk.1.attn_norm.weight", NULL, 48, 0}, TERN_UNSUPPORTED, "'blk.1.attn_n"},
        {{TINY_ADD, "blk.00.attn_norm.weight", NULL, 48, 0}, TERN_UNSUPPORTED, "'blk.00.attn"},
        {{TINY_ADD, "blk.x.attn_norm.weight", NULL, 48, 0}, TERN_UNSUPPORTED, "'blk.x."},
        {{TINY_ADD, "blk.0.weight", NULL, 48, 0}, TERN_UNSUPPORTED, "'blk.0.weight'"},
        {{TINY_ADD, "blk.0.attn_q.lora.weight", NULL, 48, 0}, TERN_UNSUPPORTED, "lora"},
        {{TINY_ADD, "blk.0.attn_q.row_scale", NULL, 48, 0}, TERN_UNSUPPORTED, "row_scale"},
        {{TINY_ADD, "blk.0.attn_norm.scale", NULL, 1, 0}, TERN_UNSUPPORTED, "attn_norm.scale"},
        {{TINY_ADD, "token_embd.scale", NULL, 1, 0}, TERN_UNSUPPORTED, "'token_embd.scale'"},
        {{TINY_ADD, "output.scale", NULL, 1, 0}, TERN_UNSUPPORTED, "'output.scale'"},
        {{TINY_ADD, "blk.0.attn_q.scale", NULL, 2, 0},
         TERN_CORRUPT,
         "'blk.0.attn_q.scale' is 2"},
        {{TINY_ADD, "blk.0.attn_q.scale", "f16", 1, 0}, TERN_UNSUPPORTED, "must be F32"},
        {{TINY_ADD, "blk.0.attn_q.scale", NULL, 1, 0},
         TERN_UNSUPPORTED,
         "needs ternary weights"},
        {{TINY_ADD, "rope_freqs.weight", NULL, 3, 0}, TERN_CORRUPT, "3 x 1, must be 8 x 1"},
        {{TINY_ADD, "vision.weight", NULL, 3, 0}, TERN_UNSUPPORTED, "'vision.weight'"},
        {{TINY_BYTES, "blk.0.attn_norm.weight", NULL, 0x7fc0, 6},
         TERN_CORRUPT,
         "'blk.0.attn_norm.weight': element 1 is not finite"},
        {{TINY_BYTES, "blk.0.attn_v.weight", NULL, 0x7c00, 64},
         TERN_CORRUPT,
         "'blk.0.attn_v.weight' has elements that are not finite"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tiny_spec spec = FLOATS;
        spec.edits[0] = cases[i].edit;
        refused(&spec, cases[i].status, cases[i].text);
    }
}

static void test_types(void **state)
{
    (void)state;
    tiny_spec spec = BITNET;
    spec.edits[0] = (tiny_edit){TINY_TYPE, "blk.1.attn_norm.weight", "q8_0", 0, 0};
    refused(&spec, TERN_UNSUPPORTED, "'blk.1.attn_norm.weight' has type Q8_0, must be F32");
}

/* The same damage behind other types, some of which are used where they lie in the file. */
static void test_not_finite(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        uint32_t value, at;
    } cases[] = {
        {"f32", 0x7f80, 2}, {"f32", 0xffc0, 6}, {"f16", 0xfc00, 2}, {"bf16", 0x7f80, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tiny_spec spec = FLOATS;
        spec.type = cases[i].type;
        spec.edits[0] =
            (tiny_edit){TINY_BYTES, "blk.0.ffn_up.weight", NULL, cases[i].value, cases[i].at};
        refused(&spec, TERN_CORRUPT, "'blk.0.ffn_up.weight' has elements that are not finite");
    }
}

/* A scale inside a block, or a float that has to be packed first, shows at the first logits. */
static void test_not_finite_later(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *tensor;
        uint32_t width, at;
    } cases[] = {{"q4_0", "blk.0.attn_q.weight", 64, 0},
                 {"q8_0", "blk.0.ffn_up.weight", 64, 0},
                 {"q2_0", "blk.0.ffn_up.weight", 64, 0},
                 {"iq1_bn", "blk.0.attn_v.weight", 64, 0},
                 {"q4_1", "blk.0.ffn_down.weight", 64, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tiny_spec spec = FLOATS;
        spec.type = cases[i].type;
        spec.n_embd = cases[i].width;
        spec.n_head = spec.n_head_kv = 4;
        spec.edits[0] = (tiny_edit){TINY_BYTES, cases[i].tensor, NULL, 0x7e00, cases[i].at};
        const char *path = tiny_path("later.gguf");
        tiny_write(&spec, path);
        tern_model *model = NULL;
        tern_err err = {.status = TERN_OK};
        tern_status status = tern_model_open(&model, path, NULL, &err);
        if (status == TERN_OK) {
            tern_session *s = open_session(model, NULL);
            want_text(tern_session_feed(s, tokens, 3, &err), TERN_CORRUPT, &err, "not finite");
            assert_int_equal(count(s), 0);
            tern_session_destroy(s);
        } else { /* noticed even sooner */
            want_text(status, TERN_CORRUPT, &err, cases[i].tensor);
        }
        tern_model_close(model);
    }
}

static void test_mixed_inputs(void **state)
{
    (void)state;
    static const char *const text = "layer 0 mixes ternary and other quantised matrices";
    tiny_spec spec = BITNET;
    spec.types[1] = "q8_0"; /* k beside ternary q and v */
    refused(&spec, TERN_UNSUPPORTED, text);
    spec.types[1] = NULL;
    spec.types[5] = "q4_0"; /* up beside a ternary gate */
    refused(&spec, TERN_UNSUPPORTED, text);
    spec.types[4] = "q4_1"; /* both */
    tern_model_close(open_spec(&spec, NULL));
    spec.types[4] = "f16"; /* floats go with everything */
    tern_model_close(open_spec(&spec, NULL));
}

/* --- options ---------------------------------------------------------------------------------
 */

static void test_options(void **state)
{
    (void)state;
    const struct {
        tern_model_opts opts;
        tern_status status;
        const char *text;
    } cases[] = {
        {{.cpu = "z80"}, TERN_UNAVAILABLE, "kernel set 'z80' is not to be had on this CPU"},
        {{.head = "q5_0"}, TERN_USAGE, "head 'q5_0'"},
        {{.layout = "t3"}, TERN_USAGE, "layout 't3'"},
        {{.q2_0_group = 32}, TERN_USAGE, "no such value"},
        {{.i2s = (tern_i2s_layout)3}, TERN_USAGE, "no such value"},
        {{.sparse = (tern_sparse_mode)9}, TERN_USAGE, "no such value"},
        {{.act = (tern_act_mode)2}, TERN_USAGE, "no such value"},
        {{.threads = 100000}, TERN_LIMIT, ""},
    };
    const char *path = tiny_path("options.gguf");
    tiny_write(&FLOATS, path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_fails(path, &cases[i].opts, cases[i].status, cases[i].text);
    }
    open_fails(tiny_path("no.gguf"), NULL, TERN_IO, "no.gguf");
    assert_int_equal(setenv("TERN_CPU", "abacus", 1), 0);
    open_fails(path, NULL, TERN_UNAVAILABLE, "kernel set 'abacus'");
    assert_int_equal(setenv("TERN_CPU", "scalar", 1), 0);
    tern_model *model = NULL;
    tern_model_desc desc;
    tern_err err;
    want(tern_model_open(&model, path, NULL, &err), TERN_OK, &err);
    tern_model_describe(model, &desc);
    assert_string_equal(desc.kernel, "scalar");
    tern_model_close(model);
    assert_int_equal(unsetenv("TERN_CPU"), 0);
    want(tern_model_open(&model, tiny_path("no.gguf"), NULL, NULL), TERN_IO, &err);
    tern_model_close(NULL);
}

static bool cancel_at(void *user, uint64_t done, uint64_t total)
{
    uint64_t *calls = user;
    assert_in_range(done, 0, total);
    return --*calls > 0;
}

static bool count_calls(void *user, uint64_t done, uint64_t total)
{
    uint64_t *seen = user;
    assert_true(done >= seen[1] && done <= total);
    seen[0]++;
    seen[1] = done;
    seen[2] = total;
    return true;
}

static void test_progress(void **state)
{
    (void)state;
    const char *path = tiny_path("progress.gguf");
    tiny_write(&BITNET, path);
    uint64_t seen[3] = {0};
    tern_model_opts opts = {.threads = 1, .progress = count_calls, .progress_user = seen};
    tern_model *model = NULL;
    tern_err err;
    want(tern_model_open(&model, path, &opts, &err), TERN_OK, &err);
    tern_model_close(model);
    assert_true(seen[0] > 1);
    assert_int_equal(seen[1], seen[2]);
    for (uint64_t n = 1; n <= seen[0]; n++) {
        uint64_t left = n;
        opts.progress = cancel_at;
        opts.progress_user = &left;
        open_fails(path, &opts, TERN_CANCELLED, "cancelled");
    }
}

/* The output head kept at fewer bits, and a packed file, with both packings. */
static void test_heads(void **state)
{
    (void)state;
    static const char *const heads[] = {NULL, "own", "q8_0", "q4_0"};
    uint64_t bytes[4], hashes[4];
    tiny_spec spec = FLOATS;
    spec.n_embd = 64;
    spec.n_head = spec.n_head_kv = 4;
    spec.type = "q4_0";
    spec.head = "f32";
    for (size_t i = 0; i < 4; i++) {
        const tern_model_opts opts = {.head = heads[i]};
        tern_model_desc desc;
        tern_model *model = open_spec(&spec, &opts);
        tern_model_describe(model, &desc);
        bytes[i] = desc.bytes_per_token;
        hashes[i] = hash_of(model, TERN_KV_F16, tokens, 8);
        tern_model_close(model);
    }
    assert_true(bytes[1] > bytes[2] && bytes[2] > bytes[3]);
    assert_int_equal(bytes[0], bytes[2]); /* by default: int8 */
    assert_true(hashes[0] == hashes[2] && hashes[1] != hashes[2] && hashes[2] != hashes[3]);
}

/* --- description -----------------------------------------------------------------------------
 */

static void test_describe(void **state)
{
    (void)state;
    const tern_model_opts opts = {.cpu = "scalar", .layout = "t2", .head = "own"};
    tern_model_desc d;
    tern_model *model = open_spec(&BITNET, &opts);
    tern_model_describe(model, &d);
    /* q, k, v, o; gate, up, down: 64 x (64 + 32 + 32 + 64) and 3 x 64 x 128, two layers */
    const uint64_t layers = 2 * (64 * 192 + 3 * 64 * 128), head = 64 * ENGINE_VOCAB;
    const uint64_t norms = 2 * (64 + 64 + 64 + 128) + 64;
    assert_string_equal(d.name, "tiny");
    assert_string_equal(d.architecture, "bitnet-b1.58");
    assert_string_equal(d.weight_type, "IQ2_BN");
    assert_string_equal(d.layout, "t2");
    assert_string_equal(d.kernel, "scalar");
    assert_int_equal(d.n_params, layers + head + norms);
    assert_int_equal(d.macs_per_token, layers + head);
    assert_in_range(d.bytes_per_token, layers / 4 + head, 2 * layers + 2 * head);
    assert_int_equal(d.resident_bytes, d.bytes_per_token);
    assert_true(d.file_bytes > layers / 4);
    assert_int_equal(d.n_vocab, ENGINE_VOCAB);
    assert_int_equal(d.n_ctx_train, ENGINE_CONTEXT);
    assert_int_equal(d.n_embd, 64);
    assert_int_equal(d.n_layer, 2);
    assert_int_equal(d.n_head, 2);
    assert_int_equal(d.n_head_kv, 1);
    assert_int_equal(d.head_dim, 32);
    assert_int_equal(d.n_ff, 128);
    tern_model_close(model);
    /* the transposed down matrices of exact sparsity are kept beside the others */
    const tern_model_opts sparse = {.cpu = "scalar", .layout = "t2", .sparse = TERN_SPARSE_ON};
    tern_model_desc e;
    model = open_spec(&BITNET, &sparse);
    tern_model_describe(model, &e);
    assert_true(e.resident_bytes > e.bytes_per_token);
    tern_model_close(model);
}

/* A file that says how few gates open is sparse without being asked; a llama never is. */
static void test_sparse_by_itself(void **state)
{
    (void)state;
    static const float fractions[] = {0.1f, 0.9f};
    for (size_t i = 0; i < 2; i++) {
        tiny_spec spec = BITNET;
        tern_model_desc d;
        spec.keys[0] = (tiny_key){"tern.ffn_active_fraction", NULL, fractions[i], 0};
        tern_model *model = open_spec(&spec, NULL);
        tern_model_describe(model, &d);
        assert_int_equal(d.resident_bytes > d.bytes_per_token, i == 0);
        tern_model_close(model);
    }
    const tern_model_opts on = {.sparse = TERN_SPARSE_ON};
    tern_model_desc d;
    tiny_spec spec = BITNET;
    spec.arch = "llama";
    tern_model *model = open_spec(&spec, &on);
    tern_model_describe(model, &d);
    assert_int_equal(d.resident_bytes, d.bytes_per_token);
    tern_model_close(model);
}

static void test_vocab_only(void **state)
{
    (void)state;
    /* nothing but names and vocabulary is looked at: this network would be refused */
    tiny_spec spec = FLOATS;
    spec.keys[0] = (tiny_key){"*.expert_count", NULL, 0, 8};
    spec.keys[1] = (tiny_key){"general.name", "words", 0, 0};
    const tern_model_opts opts = {.vocab_only = true};
    tern_model_desc d;
    tern_model *model = open_spec(&spec, &opts);
    tern_model_describe(model, &d);
    assert_string_equal(d.name, "words");
    assert_string_equal(d.architecture, "llama");
    assert_int_equal(d.n_vocab, ENGINE_VOCAB);
    tern_token list[16];
    size_t n = 0, len = 0;
    tern_err err;
    want(tern_model_tokenize(model, list, 16, &n, "the cat", 7, 0, &err), TERN_OK, &err);
    assert_true(n > 0);
    assert_non_null(tern_model_token_bytes(model, list[0], &len));
    assert_false(tern_model_token_ends(model, list[0]));
    assert_true(tern_model_token_ends(model, 290));
    assert_false(tern_model_has_chat(model));
    const tern_message message = {"user", "hello"};
    want(tern_model_chat(model, NULL, 0, &n, &message, 1, true, &err), TERN_UNSUPPORTED, &err);
    want(tern_model_chat_tokens(model, NULL, 0, &n, &message, 1, true, &err), TERN_UNSUPPORTED,
         &err);
    tern_stream *stream = NULL;
    want(tern_stream_create(&stream, model, NULL, 0, &err), TERN_OK, &err);
    tern_stream_destroy(stream);
    tern_model_close(model);
}

/* --- files -----------------------------------------------------------------------------------
 */

/* A file that gets shorter while it is mapped is noticed before its missing end is touched. */
static void test_shrinking_file(void **state)
{
    (void)state;
    tern_model *model = open_spec(&FLOATS, NULL); /* its weights are used where they lie */
    tern_session *s = open_session(model, NULL);
    feed(s, tokens, 4);
    tern_err err;
    const char *path = tiny_path("model.gguf");
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    assert_int_equal(truncate(path, (off_t)desc.file_bytes - 1), 0);
    want_text(tern_session_feed(s, tokens, 2, &err), TERN_IO, &err, "model.gguf");
    assert_int_equal(count(s), 4);
    tern_batch *batch = NULL;
    want(tern_batch_create(&batch, model, 1, 4, &err), TERN_OK, &err);
    const tern_batch_item item = {s, tokens, 1};
    want(tern_batch_step(batch, &item, 1, &err), TERN_IO, &err);
    assert_int_equal(count(s), 4);
    tern_token token = -3;
    want(tern_session_truncate(s, 3, &err), TERN_OK, &err);
    want(tern_session_next(s, &token, &err), TERN_IO, &err);
    assert_int_equal(token, -3);
    assert_null(tern_session_logits(s, &err));
    assert_int_equal(err.status, TERN_IO);
    assert_int_equal(truncate(path, 0), 0);
    want(tern_session_feed(s, tokens, 2, &err), TERN_IO, &err);
    tern_batch_destroy(batch);
    tern_session_destroy(s);
    tern_model_close(model);
}

/* What `tern model pack` writes gives the same bits, in the packing that it has or another. */
static void test_packed(void **state)
{
    (void)state;
    static const char *const types[] = {"iq2_bn", "q2_0", "q8_0", "q4_0", "q4_1", "f16"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        tiny_spec spec = BITNET;
        spec.type = types[i];
        const char *packed = tiny_path("packed.gguf");
        tern_model *model = open_spec(&spec, NULL);
        uint64_t expected = hash_of(model, TERN_KV_F16, tokens, 9);
        tern_model_close(model);
        for (int t5 = 0; t5 < 2; t5++) {
            const tern_model_opts pack = {.layout = t5 ? "t5" : "t2"};
            tern_err err;
            want(ti_pack_file(tiny_path("model.gguf"), packed, &pack, &err), TERN_OK, &err);
            for (int how = 0; how < 4; how++) {
                const tern_model_opts opts = {.threads = 2,
                                              .layout = how == 0   ? NULL
                                                        : how == 1 ? "t2"
                                                                   : "t5",
                                              .sparse =
                                                  how == 3 ? TERN_SPARSE_ON : TERN_SPARSE_AUTO};
                want(tern_model_open(&model, packed, &opts, &err), TERN_OK, &err);
                assert_true(hash_of(model, TERN_KV_F16, tokens, 9) == expected);
                tern_session *s = open_session(model, NULL); /* one by one: sparse products */
                for (int n = 0; n < 9; n++) {
                    feed(s, tokens + n, 1);
                }
                assert_true(logits_hash(s) == expected);
                tern_session_destroy(s);
                tern_model_close(model);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),         cmocka_unit_test(test_key_pairs),
        cmocka_unit_test(test_recommended),  cmocka_unit_test(test_harmless_keys),
        cmocka_unit_test(test_tensors),      cmocka_unit_test(test_types),
        cmocka_unit_test(test_not_finite),   cmocka_unit_test(test_not_finite_later),
        cmocka_unit_test(test_mixed_inputs), cmocka_unit_test(test_options),
        cmocka_unit_test(test_progress),     cmocka_unit_test(test_heads),
        cmocka_unit_test(test_describe),     cmocka_unit_test(test_sparse_by_itself),
        cmocka_unit_test(test_vocab_only),   cmocka_unit_test(test_shrinking_file),
        cmocka_unit_test(test_packed),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
