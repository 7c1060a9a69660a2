/* SPDX-License-Identifier: Apache-2.0 */
/* Packed files: the same bits as the model they were made of, nothing copied when they are
 * opened, and what is damaged in them is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/le.h"
#include "model/load.h"
#include "model/pack_file.h"
#include "oom.h"
#include "tern/session.h"
#include "tiny.h"

enum { TOKENS = 11, MAX_VOCAB = 512 };

/* clang-format off */
#define BITNET .arch = "bitnet-b1.58", .n_layer = 2
#define LLAMA .arch = "llama", .n_layer = 1
#define QWEN3 .arch = "qwen3", .n_layer = 2
#define HEADS(n, kv, d) .n_head = n, .n_head_kv = kv, .head_dim = d
#define WIDTHS(embd, ff) .n_embd = embd, .n_ff = ff

static const struct {
    tiny_spec spec;
    bool copies; /* has rows of floats that are no whole vectors: those are copied */
} models[] = {
    {{BITNET, WIDTHS(256, 512), HEADS(4, 2, 64), .type = "tq2_0", .embd = "q6_k"}, false},
    {{BITNET, WIDTHS(128, 384), HEADS(4, 1, 32), .type = "i2_s", .embd = "f16"}, false},
    {{BITNET, WIDTHS(40, 108), HEADS(5, 5, 8), .type = "f32", .embd = "f32"}, true},
    {{LLAMA, WIDTHS(256, 256), HEADS(4, 2, 64), .type = "tq1_0", .embd = "q8_0", .head = "q6_k",
      .vary_scales = true}, false},
    {{LLAMA, WIDTHS(128, 256), HEADS(2, 1, 64), .type = "q1_0", .embd = "bf16", .head = "bf16",
      .tensor_scale = true}, false},
    {{LLAMA, WIDTHS(128, 256), HEADS(2, 2, 64), .type = "tq2_0", .embd = "q8_0",
      .types = {"pq2_0", "i2_s", "iq2_bn", "q8_0", "q4_0", "q4_1", "q6_k"}}, false},
    {{LLAMA, WIDTHS(48, 112), HEADS(3, 3, 16), .type = "f16", .embd = "f16", .norm = "f16"},
     false},
    {{QWEN3, WIDTHS(192, 448), HEADS(3, 1, 128), .type = "iq1_bn", .embd = "q4_0",
      .head = "q4_1"}, false},
    {{QWEN3, WIDTHS(256, 256), HEADS(2, 1, 128), .type = "q4_k", .embd = "q4_k"}, false},
};
/* clang-format on */

enum { N_MODELS = sizeof models / sizeof models[0] };

static void must(tern_status status, const tern_err *err)
{
    if (status != TERN_OK) {
        fail_msg("%s", err->message);
    }
}

static tern_model *open_model(const char *path, const tern_model_opts *opts)
{
    tern_model *model = NULL;
    tern_err err = {0};
    must(tern_model_open(&model, path, opts, &err), &err);
    return model;
}

static void pack(const char *in, const char *out, const tern_model_opts *opts)
{
    tern_err err = {0};
    must(ti_pack_file(in, out, opts, &err), &err);
}

/* Logits after a prompt and one more token. */
static size_t run(float *out, const tern_model *model)
{
    tern_session *s = NULL;
    tern_err err = {0};
    tern_token tokens[TOKENS];
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    assert_true(desc.n_vocab <= MAX_VOCAB);
    tiny_tokens(tokens, TOKENS, 3);
    must(tern_session_create(&s, model, &(tern_session_opts){.n_ctx = 32, .threads = 2}, &err),
         &err);
    must(tern_session_feed(s, tokens, TOKENS - 1, &err), &err);
    must(tern_session_feed(s, tokens + TOKENS - 1, 1, &err), &err);
    const float *logits = tern_session_logits(s, &err);
    assert_non_null(logits);
    memcpy(out, logits, desc.n_vocab * sizeof *logits);
    tern_session_destroy(s);
    return desc.n_vocab;
}

static void same_logits(const char *a, const tern_model_opts *a_opts, const char *b,
                        const tern_model_opts *b_opts)
{
    static float x[MAX_VOCAB], y[MAX_VOCAB];
    tern_model *first = open_model(a, a_opts), *second = open_model(b, b_opts);
    size_t n = run(x, first);
    assert_int_equal(run(y, second), n);
    if (memcmp(x, y, n * sizeof *x) != 0) {
        fail_msg("%s and %s differ", a, b);
    }
    tern_model_close(first);
    tern_model_close(second);
}

static char *read_all(const char *path, size_t *size)
{
    char *data;
    tern_err err = {0};
    must(ti_read_file(&data, size, path, 1 << 28, &err), &err);
    return data;
}

static void write_all(const char *path, const char *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void paths(char *plain, char *packed)
{
    snprintf(plain, TINY_PATH_BYTES, "%s", tiny_path("plain.gguf"));
    snprintf(packed, TINY_PATH_BYTES, "%s", tiny_path("packed.gguf"));
}

/* --- what is right ------------------------------------------------------------------------ */

static void same_bits(void **state)
{
    (void)state;
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    for (size_t i = 0; i < N_MODELS; i++) {
        tiny_write(&models[i].spec, plain);
        for (int t2 = 0; t2 < 2; t2++) {
            const tern_model_opts how = {.layout = t2 ? "t2" : "t5"};
            const tern_model_opts other = {.layout = t2 ? "t5" : "t2"};
            pack(plain, packed, &how);
            same_logits(plain, NULL, packed, NULL);
            same_logits(plain, NULL, packed, &other);
            same_logits(plain, NULL, packed,
                        &(tern_model_opts){.sparse = TERN_SPARSE_ON, .cpu = "scalar"});
        }
        pack(plain, packed, &(tern_model_opts){.sparse = TERN_SPARSE_ON, .head = "q8_0"});
        same_logits(plain, &(tern_model_opts){.head = "q8_0"}, packed, NULL);
    }
}

static void nothing_copied(void **state)
{
    (void)state;
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    for (size_t i = 0; i < N_MODELS; i++) {
        tiny_write(&models[i].spec, plain);
        pack(plain, packed, &(tern_model_opts){.layout = "t5"});
        /* whatever the kernel set would choose */
        for (int scalar = 0; scalar < 2; scalar++) {
            tern_model *m =
                open_model(packed, &(tern_model_opts){.cpu = scalar ? "scalar" : NULL});
            assert_int_equal(m->packed != NULL, models[i].copies);
            tern_model_close(m);
        }
        const bool ternary = models[i].spec.arch[0] == 'b' && models[i].spec.type[0] != 'f';
        tern_model *m = open_model(packed, &(tern_model_opts){.layout = "t2"});
        assert_true(m->packed != NULL || !ternary);
        tern_model_close(m);
        /* exact sparsity finds the columns of a packed matrix */
        m = open_model(packed, &(tern_model_opts){.sparse = TERN_SPARSE_ON});
        assert_int_equal(m->layers[0].down_t.data != NULL, ternary);
        tern_model_close(m);
    }
}

static void described_alike(void **state)
{
    (void)state;
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    for (size_t i = 0; i < N_MODELS; i++) {
        tern_model_desc a, b;
        tiny_write(&models[i].spec, plain);
        pack(plain, packed, NULL);
        tern_model *first = open_model(plain, NULL), *second = open_model(packed, NULL);
        tern_model_describe(first, &a);
        tern_model_describe(second, &b);
        assert_string_equal(a.name, b.name);
        assert_string_equal(a.layout, b.layout);
        assert_int_equal(a.bytes_per_token, b.bytes_per_token);
        assert_int_equal(a.macs_per_token, b.macs_per_token);
        if (!models[i].spec.tensor_scale) { /* those tensors are gone */
            assert_int_equal(a.n_params, b.n_params);
        }
        tern_model_close(first);
        tern_model_close(second);
    }
}

static bool same_key(const ti_gguf_kv *a, const ti_gguf_kv *b)
{
    return b && a->type == b->type && a->n == b->n && a->bytes == b->bytes &&
           memcmp(a->data, b->data, (size_t)a->bytes) == 0;
}

static void keys_and_vectors_kept(void **state)
{
    (void)state;
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    ti_gguf a, b;
    tern_err err = {0};
    tiny_write(&models[1].spec, plain);
    pack(plain, packed, NULL);
    must(ti_gguf_open(&a, plain, NULL, &err), &err);
    must(ti_gguf_open(&b, packed, NULL, &err), &err);
    assert_int_equal(b.alignment, 64);
    for (size_t i = 0; i < a.n_kv; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)a.kv[i].key.len, a.kv[i].key.data);
        if (strcmp(key, "general.alignment") != 0 &&
            !same_key(&a.kv[i], ti_gguf_find(&b, key))) {
            fail_msg("key %s", key);
        }
    }
    static const char *const kept[] = {"token_embd.weight", "blk.1.ffn_sub_norm.weight"};
    for (size_t i = 0; i < 2; i++) {
        const ti_gguf_tensor *x = ti_gguf_tensor_find(&a, kept[i]);
        const ti_gguf_tensor *y = ti_gguf_tensor_find(&b, kept[i]);
        assert_int_equal(x->type->type, y->type->type);
        assert_memory_equal(x->data, y->data, x->bytes);
    }
    assert_null(ti_gguf_tensor_find(&a, "output.weight"));
    assert_int_equal(ti_gguf_tensor_find(&b, "output.weight")->type->type, TI_PACK_G8);
    ti_gguf_close(&a);
    ti_gguf_close(&b);
}

static void packing_again_changes_nothing(void **state)
{
    (void)state;
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    for (size_t i = 0; i < N_MODELS; i++) {
        size_t n, m;
        tiny_write(&models[i].spec, plain);
        pack(plain, packed, NULL);
        char *once = read_all(packed, &n);
        pack(packed, packed, NULL);
        char *twice = read_all(packed, &m);
        assert_int_equal(n, m);
        assert_memory_equal(once, twice, n);
        free(once);
        free(twice);
    }
}

/* --- what is wrong ------------------------------------------------------------------------ */

/* Packs the first model as T2, and as `change` has it. */
static tern_status open_changed(const char *tensor, size_t at, uint32_t value,
                                const tern_model_opts *opts, tern_err *err)
{
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    tiny_write(&models[0].spec, plain);
    pack(plain, packed, &(tern_model_opts){.layout = "t2"});
    size_t size;
    char *data = read_all(packed, &size);
    ti_gguf gguf;
    must(ti_gguf_parse(&gguf, data, size, NULL, err), err);
    size_t offset = at;
    if (tensor[0] == 'b') {
        offset += (size_t)ti_gguf_tensor_find(&gguf, tensor)->offset;
    } else {
        offset = (size_t)((const char *)ti_gguf_find(&gguf, tensor)->data - data);
    }
    ti_gguf_close(&gguf);
    ti_store_u32(data + offset, value);
    write_all(packed, data, size);
    free(data);
    tern_model *model = NULL;
    tern_status status = tern_model_open(&model, packed, opts, err);
    tern_model_close(model);
    return status;
}

static void damage_refused(void **state)
{
    (void)state;
    tern_err err = {0};
    assert_int_equal(open_changed("tern.pack.version", 0, 2, NULL, &err), TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tern.pack.version"));
    assert_int_equal(open_changed("blk.0.ffn_up.row_scale", 4, 0x7fc00000, NULL, &err),
                     TERN_CORRUPT);
    assert_non_null(strstr(err.message, "blk.0.ffn_up.row_scale"));
    const tern_model_opts t5 = {.layout = "t5"};
    assert_int_equal(open_changed("blk.0.ffn_down.weight", 64, 0xffffffff, &t5, &err),
                     TERN_CORRUPT);
    assert_non_null(strstr(err.message, "blk.0.ffn_down.weight"));
    const tern_model_opts sparse = {.sparse = TERN_SPARSE_ON};
    assert_int_equal(open_changed("blk.0.ffn_down.weight", 64, 0xffffffff, &sparse, &err),
                     TERN_CORRUPT);
    const tern_model_opts head = {.head = "q4_0"};
    assert_int_equal(open_changed("tern.pack.version", 0, 1, &head, &err), TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "output.weight"));
    assert_int_equal(open_changed("tern.pack.version", 0, 1, NULL, &err), TERN_OK);
}

static bool stop_late(void *user, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    *(uint64_t *)user = done;
    return done < total / 4 * 3;
}

static void cancelled(void **state)
{
    (void)state;
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    unlink(packed);
    uint64_t seen = 0;
    tern_err err = {0};
    tiny_write(&models[0].spec, plain);
    const tern_model_opts how = {.progress = stop_late, .progress_user = &seen};
    assert_int_equal(ti_pack_file(plain, packed, &how, &err), TERN_CANCELLED);
    assert_true(seen > 0);
    assert_int_equal(access(packed, F_OK), -1);
    assert_int_equal(ti_pack_file(plain, packed, &(tern_model_opts){.vocab_only = true}, &err),
                     TERN_USAGE);
    assert_int_equal(ti_pack_file(packed, plain, NULL, &err), TERN_IO);
    assert_int_equal(ti_pack_file(plain, tiny_path("no/where"), NULL, &err), TERN_IO);
}

static void no_memory(void **state)
{
    (void)state;
    char plain[TINY_PATH_BYTES], packed[TINY_PATH_BYTES];
    paths(plain, packed);
    tiny_write(&models[4].spec, plain);
    pack(plain, packed, NULL);
    size_t n, m;
    char *right = read_all(packed, &n);
    const tern_model_opts how = {.threads = 1};
    /* The vocabulary asks for a thousand small things; tests of its own try each of them. */
    enum { STEP = 7 };
    for (long at = 0;; at += STEP) {
        tern_err err = {0};
        unlink(packed);
        oom_fail_at(at);
        tern_status status = ti_pack_file(plain, packed, &how, &err);
        bool failed = oom_disarm();
        if (!failed) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        if (status == TERN_OK) { /* what failed was not needed */
            continue;
        }
        assert_int_equal(status, TERN_NOMEM);
        assert_int_equal(access(packed, F_OK), -1);
    }
    char *again = read_all(packed, &m);
    assert_int_equal(n, m);
    assert_memory_equal(right, again, n);
    free(right);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits),
        cmocka_unit_test(nothing_copied),
        cmocka_unit_test(described_alike),
        cmocka_unit_test(keys_and_vectors_kept),
        cmocka_unit_test(packing_again_changes_nothing),
        cmocka_unit_test(damage_refused),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
