/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic models: the same bytes everywhere, the shapes that were promised, one set of
 * weights behind all ternary types, a vocabulary that works. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/gguf.h"
#include "model/synth.h"
#include "model/tok.h"
#include "oom.h"

static char directory[] = "/tmp/test_synth.XXXXXX";
static char path[64];

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/model.gguf", directory);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory); /* fails when something was left behind */
}

static void make(ti_gguf *g, const char *shape, const ti_synth_opts *opts)
{
    tern_err err = {0};
    if (ti_synth(shape, path, opts, &err) != TERN_OK ||
        ti_gguf_open(g, path, NULL, &err) != TERN_OK) {
        fail_msg("%s: %s", shape, err.message);
    }
}

/* FNV-1a */
static uint64_t hash_file(void)
{
    ti_map map;
    assert_int_equal(ti_map_open(&map, path, NULL), TERN_OK);
    uint64_t h = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < map.size; i++) {
        h = (h ^ map.data[i]) * 0x100000001b3u;
    }
    ti_map_close(&map);
    return h;
}

/* Pinned: another compiler, flag or CPU must not make another file. */
static void same_bytes_everywhere(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *type, *head;
        uint64_t seed, hash;
    } cases[] = {
        {"tiny-llama", NULL, NULL, 0, 0xbc7d239a7bb74331},
        {"tiny-bitnet", "i2_s", "f16", 1, 0xbc38d5a6c9e78587},
        {"tiny-qwen3", "q4_k", "q4_0", UINT64_MAX, 0x3bccd6602459ab49},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ti_synth_opts opts = {
            .seed = cases[i].seed, .type = cases[i].type, .head = cases[i].head};
        assert_int_equal(ti_synth(cases[i].shape, path, &opts, NULL), TERN_OK);
        uint64_t first = hash_file();
        assert_int_equal(ti_synth(cases[i].shape, path, &opts, NULL), TERN_OK);
        assert_true(hash_file() == first);
        if (first != cases[i].hash) {
            fail_msg("%s has the hash 0x%llx", cases[i].shape, (unsigned long long)first);
        }
        opts.seed ^= 1;
        assert_int_equal(ti_synth(cases[i].shape, path, &opts, NULL), TERN_OK);
        assert_true(hash_file() != first);
    }
}

static void check_tensor(const ti_gguf *g, const char *name, ti_type type, uint64_t k,
                         uint64_t rows)
{
    const ti_gguf_tensor *t = ti_gguf_tensor_find(g, name);
    if (!t) {
        fail_msg("no tensor %s", name);
        return;
    }
    assert_int_equal(t->type->type, type);
    assert_int_equal(t->dims[0], k);
    assert_int_equal(t->rows, rows);
}

static uint32_t key(const ti_gguf *g, const char *name)
{
    uint32_t value = 0;
    assert_int_equal(ti_gguf_get_u32(g, name, true, &value, NULL), TERN_OK);
    return value;
}

static void tiny_shapes(void **state)
{
    (void)state;
    ti_gguf g;
    make(&g, "tiny-bitnet", &(ti_synth_opts){.type = "tq1_0", .head = "f16"});
    assert_int_equal(g.n_tensors, 2 + 2 * 11);
    check_tensor(&g, "token_embd.weight", TI_F16, 256, 320);
    check_tensor(&g, "blk.1.attn_k.weight", TI_TQ1_0, 256, 128);
    check_tensor(&g, "blk.1.attn_output.weight", TI_TQ1_0, 256, 256);
    check_tensor(&g, "blk.1.attn_sub_norm.weight", TI_F32, 256, 1);
    check_tensor(&g, "blk.1.ffn_sub_norm.weight", TI_F32, 768, 1);
    check_tensor(&g, "blk.0.ffn_down.weight", TI_TQ1_0, 768, 256);
    assert_null(ti_gguf_tensor_find(&g, "output.weight"));
    assert_int_equal(key(&g, "bitnet-b1.58.block_count"), 2);
    assert_int_equal(key(&g, "general.file_type"), 36);
    ti_gguf_close(&g);
    make(&g, "tiny-llama", &(ti_synth_opts){.embd = "q8_0", .arch = "other"});
    assert_int_equal(g.n_tensors, 3 + 2 * 9);
    check_tensor(&g, "token_embd.weight", TI_Q8_0, 256, 320);
    check_tensor(&g, "output.weight", TI_Q6_K, 256, 320);
    check_tensor(&g, "blk.0.attn_q.weight", TI_TQ2_0, 256, 256);
    assert_int_equal(key(&g, "other.attention.head_count_kv"), 2);
    assert_null(ti_gguf_find(&g, "other.attention.key_length"));
    assert_null(ti_gguf_find(&g, TI_GGUF_KEY_I2S_LAYOUT));
    ti_gguf_close(&g);
    make(&g, "tiny-qwen3", &(ti_synth_opts){.type = "i2_s"});
    assert_int_equal(g.n_tensors, 2 + 2 * 11);
    check_tensor(&g, "blk.0.attn_q_norm.weight", TI_F32, 128, 1);
    check_tensor(&g, "blk.0.attn_q.weight", TI_I2_S, 256, 512);
    check_tensor(&g, "blk.0.attn_v.weight", TI_I2_S, 256, 256);
    check_tensor(&g, "blk.0.attn_output.weight", TI_I2_S, 512, 256);
    assert_int_equal(key(&g, "qwen3.attention.key_length"), 128);
    assert_int_equal(key(&g, "qwen3.rope.dimension_count"), 128);
    ti_gguf_close(&g);
}

/* The sizes of the large shapes, without writing them. */
static bool stop(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    *(uint64_t *)user = total;
    return false;
}

static void large_shapes(void **state)
{
    (void)state;
    /* matrices, embedding with head, float32 in norms; as engine.md and the models' cards have
     * them */
    static const struct {
        const char *name;
        uint64_t matrices, head, norms;
    } cases[] = {
        {"2b4t", 2084044800, 328335360, 30 * (3 * 2560 + 6912) + 2560},
        {"falcon3-1b", 18ull * (4096 * 2048 + 2 * 2048 * 1024 + 3 * 2048 * 8192),
         2ull * 131072 * 2048, 18 * 2 * 2048 + 2048},
        {"100m", 12ull * (4 * 768 * 768 + 3 * 768 * 2048), 2ull * 32000 * 768,
         12 * 2 * 768 + 768},
    };
    unlink(path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t total = 0;
        tern_err err;
        ti_synth_opts opts = {
            .type = "tq2_0", .head = "f16", .progress = stop, .progress_user = &total};
        assert_int_equal(ti_synth(cases[i].name, path, &opts, &err), TERN_CANCELLED);
        assert_int_equal(access(path, F_OK), -1);
        assert_true(total ==
                    cases[i].matrices / 256 * 66 + cases[i].head * 2 + cases[i].norms * 4);
    }
}

/* --- weights ----------------------------------------------------------------------------- */

enum { K = 768, ROWS = 256 };

static void read_tensor(float *out, const ti_gguf *g, const char *name)
{
    const ti_gguf_tensor *t = ti_gguf_tensor_find(g, name);
    assert_non_null(t);
    for (uint64_t r = 0; r < t->rows; r++) {
        ti_type_to_f32(out + r * t->dims[0], t->type, t->data, t->dims[0], t->rows, r, 0,
                       t->dims[0]);
    }
}

static void one_set_of_weights(void **state)
{
    (void)state;
    static const char *const names[] = {"tq2_0",  "tq1_0",  "i2_s", "q2_0",
                                        "iq1_bn", "iq2_bn", "pq2_0"};
    float *first = malloc(K * ROWS * sizeof *first), *next = malloc(K * ROWS * sizeof *next);
    assert_true(first && next);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ti_gguf g;
        make(&g, "tiny-llama", &(ti_synth_opts){.seed = 3, .type = names[i]});
        read_tensor(i ? next : first, &g, "blk.1.ffn_down.weight");
        if (i > 0) {
            assert_memory_equal(first, next, K * ROWS * sizeof *first);
        }
        ti_gguf_close(&g);
    }
    float scale = (float)(1.22 / sqrt(K));
    int count[3] = {0};
    for (int i = 0; i < K * ROWS; i++) {
        float trit = first[i] / scale;
        assert_true(first[i] == 0 || fabsf(fabsf(trit) - 1) < 0.001f);
        count[first[i] == 0 ? 1 : first[i] < 0 ? 0 : 2]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_true(abs(count[i] - K * ROWS / 3) < K * ROWS / 90);
    }
    free(first);
    free(next);
}

static void varied_scales(void **state)
{
    (void)state;
    float *block = malloc(K * ROWS * sizeof *block), *row = malloc(K * ROWS * sizeof *row);
    assert_true(block && row);
    ti_gguf g;
    make(&g, "tiny-llama", &(ti_synth_opts){.type = "tq1_0", .vary_scales = true});
    read_tensor(block, &g, "blk.0.ffn_down.weight");
    ti_gguf_close(&g);
    make(&g, "tiny-llama", &(ti_synth_opts){.type = "q2_0", .vary_scales = true});
    read_tensor(row, &g, "blk.0.ffn_down.weight");
    ti_gguf_close(&g);
    assert_memory_equal(block, row, K * ROWS * sizeof *row); /* runs of 256 in both */
    int changes = 0;
    for (int i = 1; i < K * ROWS / 256; i++) {
        float here = 0, before = 0;
        for (int j = 0; j < 256; j++) {
            here = fmaxf(here, fabsf(block[i * 256 + j]));
            before = fmaxf(before, fabsf(block[(i - 1) * 256 + j]));
        }
        changes += here != before;
    }
    assert_true(changes > K * ROWS / 256 - 10);
    make(&g, "tiny-llama", &(ti_synth_opts){.type = "iq2_bn", .vary_scales = true});
    read_tensor(row, &g, "blk.0.ffn_down.weight");
    assert_true(memcmp(block, row, K * ROWS * sizeof *row) != 0);
    ti_gguf_close(&g);
    free(block);
    free(row);
}

static void dense_types(void **state)
{
    (void)state;
    static const char *const names[] = {"f32",  "f16",  "bf16", "q4_0",
                                        "q4_1", "q8_0", "q4_k", "q6_k"};
    float *first = malloc(K * ROWS * sizeof *first), *next = malloc(K * ROWS * sizeof *next);
    assert_true(first && next);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ti_gguf g;
        make(&g, "tiny-bitnet", &(ti_synth_opts){.type = names[i], .head = names[i]});
        read_tensor(i ? next : first, &g, "blk.1.ffn_down.weight");
        double power = 0, error = 0;
        for (int j = 0; j < K * ROWS && i > 0; j++) {
            power += (double)first[j] * (double)first[j];
            error += (double)(first[j] - next[j]) * (double)(first[j] - next[j]);
        }
        if (i > 0) {
            assert_true(fabs(power / ROWS - 1) < 0.05); /* deviation 1/sqrt(K) */
            assert_true(error < power * 0.015);
        }
        ti_gguf_close(&g);
    }
    free(first);
    free(next);
}

static void one_bit(void **state)
{
    (void)state;
    float *x = malloc(K * ROWS * sizeof *x);
    assert_non_null(x);
    ti_gguf g;
    make(&g, "tiny-llama", &(ti_synth_opts){.type = "q1_0"});
    read_tensor(x, &g, "blk.0.ffn_down.weight");
    for (int i = 0; i < K * ROWS; i++) {
        assert_true(fabsf(x[i]) == fabsf(x[0]) && x[i] != 0);
    }
    ti_gguf_close(&g);
    free(x);
}

/* --- vocabulary -------------------------------------------------------------------------- */

static void vocabulary(void **state)
{
    (void)state;
    static const char *const names[] = {"tiny-bitnet", "tiny-llama", "tiny-qwen3"};
    for (size_t i = 0; i < 3; i++) {
        ti_gguf g;
        ti_vocab *vocab = NULL;
        tern_err err = {0};
        make(&g, names[i], NULL);
        if (ti_vocab_create(&vocab, &g, &err) != TERN_OK) {
            fail_msg("%s", err.message);
        }
        ti_gguf_close(&g);
        assert_int_equal(ti_vocab_size(vocab), 320);
        static const char text[] = "in the garden\n\xc3\xa9\x01 \xf0\x9f\x8c\xb1";
        tern_token tokens[64];
        size_t n = 0;
        assert_int_equal(
            ti_vocab_tokenize(vocab, tokens, 64, &n, text, sizeof text - 1, 0, NULL), TERN_OK);
        assert_int_equal(tokens[0], 256 + 3); /* "in" is the fourth merge */
        assert_int_equal(tokens[1], 256 + 6); /* " the" */
        assert_true(n < sizeof text - 1);
        char back[128];
        size_t at = 0;
        for (size_t t = 0; t < n; t++) {
            size_t len;
            const char *bytes = ti_vocab_bytes(vocab, tokens[t], &len);
            memcpy(back + at, bytes, len);
            at += len;
        }
        assert_int_equal(at, sizeof text - 1);
        assert_memory_equal(back, text, at);
        assert_int_equal(ti_vocab_bos(vocab), 288);
        assert_true(ti_vocab_ends(vocab, 289));
        assert_false(ti_vocab_ends(vocab, 42));
        ti_vocab_destroy(vocab);
    }
}

/* --- failures ---------------------------------------------------------------------------- */

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        ti_synth_opts opts;
        const char *text;
    } cases[] = {
        {"3b", {0}, "there is no shape '3b'"},
        {"tiny-llama", {.type = "q9"}, "no matrix can be made of type 'q9'"},
        {"tiny-llama", {.type = "i32"}, "no matrix can be made of type 'i32'"},
        {"tiny-llama", {.type = "i2_s_arm"}, "no matrix can be made"},
        {"tiny-llama", {.type = "t5"}, "no matrix can be made"},
        {"tiny-llama", {.head = "i2_s"}, "no embedding can be made of type 'i2_s'"},
        {"tiny-llama", {.embd = "nonsense"}, "no embedding can be made"},
        {"tiny-llama", {.arch = ""}, "no architecture is named ''"},
    };
    unlink(path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tern_err err = {0};
        assert_int_equal(ti_synth(cases[i].shape, path, &cases[i].opts, &err), TERN_USAGE);
        assert_non_null(strstr(err.message, cases[i].text));
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_int_equal(ti_synth("tiny-llama", "no/such/place", NULL, NULL), TERN_IO);
}

static void without_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        tern_err err = {0};
        unlink(path);
        oom_fail_at(n);
        tern_status s = ti_synth("tiny-bitnet", path, NULL, &err);
        if (!oom_disarm()) {
            assert_int_equal(s, TERN_OK);
            break;
        }
        assert_int_equal(s, TERN_NOMEM);
        assert_int_equal(access(path, F_OK), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(tiny_shapes),
        cmocka_unit_test(large_shapes),
        cmocka_unit_test(one_set_of_weights),
        cmocka_unit_test(varied_scales),
        cmocka_unit_test(dense_types),
        cmocka_unit_test(one_bit),
        cmocka_unit_test(vocabulary),
        cmocka_unit_test(refused),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
