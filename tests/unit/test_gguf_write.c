/* SPDX-License-Identifier: Apache-2.0 */
/* The GGUF writer: what it writes the reader reads, byte for byte the same when copied; what is
 * announced wrongly is refused; no failed allocation loses anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "gguf_build.h"
#include "model/gguf.h"
#include "oom.h"

static char directory[] = "/tmp/test_gguf_write.XXXXXX";
static char file_a[64], file_b[64];

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(file_a, sizeof file_a, "%s/a.gguf", directory);
    snprintf(file_b, sizeof file_b, "%s/b.gguf", directory);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    unlink(file_a);
    unlink(file_b);
    return rmdir(directory); /* fails when a writer left a temporary file */
}

static void put_keys(ti_gguf_writer *w)
{
    static const ti_str strings[] = {{"a", 1}, {"", 0}, {"b\0c", 3}};
    static const int32_t ints[] = {INT32_MIN, -1, 7};
    static const float floats[] = {1.5f, -0.0f};
    ti_gguf_put_u32(w, "general.alignment", 64);
    ti_gguf_put_str(w, "name", "first", 5);
    ti_gguf_put_str(w, "name", "replaced", 8);
    ti_gguf_put_i32(w, "i32", -5);
    ti_gguf_put_u64(w, "u64", UINT64_MAX);
    ti_gguf_put_f32(w, "f32", 0.1f);
    ti_gguf_put_bool(w, "yes", true);
    ti_gguf_put_bool(w, "no", false);
    ti_gguf_put_strs(w, "strings", strings, 3);
    ti_gguf_put_strs(w, "none", NULL, 0);
    ti_gguf_put_i32s(w, "ints", ints, 3);
    ti_gguf_put_f32s(w, "floats", floats, 2);
}

enum { KEYS = 11 };

/* A file with keys and three tensors; returns the first failure. */
static tern_status write_all(const char *path, tern_err *err)
{
    static const uint64_t matrix[] = {32, 3}, vector[] = {5}, ternary[] = {256, 2, 1, 1};
    uint8_t bytes[132];
    ti_gguf_writer *w = NULL;
    TI_TRY(ti_gguf_writer_create(&w, path, err));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    put_keys(w);
    tern_status s = ti_gguf_add_tensor(w, "matrix", TI_Q8_0, matrix, 2, 102, err);
    s = s ? s : ti_gguf_add_tensor(w, "vector", TI_F32, vector, 1, 20, err);
    s = s ? s : ti_gguf_add_tensor(w, "ternary", TI_TQ2_0, ternary, 4, 132, err);
    s = s ? s : ti_gguf_begin_data(w, err);
    s = s ? s : ti_gguf_write_data(w, bytes, 50, err);
    s = s ? s : ti_gguf_write_data(w, bytes + 50, 52, err);
    s = s ? s : ti_gguf_write_data(w, bytes, 20, err);
    s = s ? s : ti_gguf_write_data(w, bytes, 132, err);
    s = s ? s : ti_gguf_writer_finish(w, err);
    ti_gguf_writer_destroy(w);
    return s;
}

static void check_all(const ti_gguf *g)
{
    uint32_t u;
    float f;
    bool t;
    ti_str s;
    assert_int_equal(g->n_kv, KEYS);
    assert_int_equal(g->alignment, 64);
    assert_int_equal(ti_gguf_get_str(g, "name", true, &s, NULL), TERN_OK);
    assert_int_equal(s.len, 8);
    assert_memory_equal(s.data, "replaced", 8);
    assert_true(ti_gguf_int_at(ti_gguf_find(g, "i32"), 0) == -5);
    assert_int_equal(ti_gguf_get_u32(g, "u64", true, &u, NULL), TERN_CORRUPT);
    assert_int_equal(ti_gguf_get_f32(g, "f32", true, &f, NULL), TERN_OK);
    assert_true(f == 0.1f);
    assert_int_equal(ti_gguf_get_bool(g, "yes", true, &t, NULL), TERN_OK);
    assert_true(t);
    assert_int_equal(ti_gguf_get_bool(g, "no", true, &t, NULL), TERN_OK);
    assert_false(t);
    const ti_gguf_kv *strings = ti_gguf_find(g, "strings");
    uint64_t cursor = 0;
    assert_int_equal(strings->n, 3);
    assert_true(ti_gguf_next_str(strings, &cursor, &s) && s.len == 1);
    assert_true(ti_gguf_next_str(strings, &cursor, &s) && s.len == 0);
    assert_true(ti_gguf_next_str(strings, &cursor, &s) && memcmp(s.data, "b\0c", 3) == 0);
    assert_int_equal(ti_gguf_find(g, "none")->n, 0);
    assert_true(ti_gguf_int_at(ti_gguf_find(g, "ints"), 0) == INT32_MIN);
    assert_true(ti_gguf_float_at(ti_gguf_find(g, "floats"), 0) == 1.5);
    assert_int_equal(g->n_tensors, 3);
    static const uint64_t bytes[] = {102, 20, 132};
    for (size_t i = 0; i < 3; i++) {
        const ti_gguf_tensor *tensor = &g->tensors[i];
        assert_int_equal(tensor->bytes, bytes[i]);
        assert_int_equal(tensor->offset % 64, 0);
        for (uint64_t j = 0; j < tensor->bytes; j++) {
            assert_int_equal(tensor->data[j], j);
        }
    }
    assert_int_equal(g->tensors[2].n_dims, 4);
    assert_int_equal(g->tensors[2].rows, 2);
    assert_int_equal(g->size % 64, 0); /* the last tensor is padded too */
}

static void round_trip(void **state)
{
    (void)state;
    tern_err err = {0};
    ti_gguf g;
    if (write_all(file_a, &err) != TERN_OK || ti_gguf_open(&g, file_a, NULL, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    check_all(&g);
    ti_gguf_close(&g);
}

/* Keys copied from one file to the next keep their bytes. */
static void copies(void **state)
{
    (void)state;
    ti_gguf g, h;
    ti_gguf_writer *w = NULL;
    assert_int_equal(write_all(file_a, NULL), TERN_OK);
    assert_int_equal(ti_gguf_open(&g, file_a, NULL, NULL), TERN_OK);
    assert_int_equal(ti_gguf_writer_create(&w, file_b, NULL), TERN_OK);
    for (size_t i = 0; i < g.n_kv; i++) {
        ti_gguf_put_copy(w, &g.kv[i]);
    }
    for (size_t i = 0; i < g.n_tensors; i++) {
        const ti_gguf_tensor *t = &g.tensors[i];
        assert_int_equal(
            ti_gguf_add_tensor(w, t->name, t->type->type, t->dims, t->n_dims, t->bytes, NULL),
            TERN_OK);
    }
    assert_int_equal(ti_gguf_begin_data(w, NULL), TERN_OK);
    for (size_t i = 0; i < g.n_tensors; i++) {
        assert_int_equal(ti_gguf_write_data(w, g.tensors[i].data, g.tensors[i].bytes, NULL),
                         TERN_OK);
    }
    assert_int_equal(ti_gguf_writer_finish(w, NULL), TERN_OK);
    ti_gguf_writer_destroy(w);
    assert_int_equal(ti_gguf_open(&h, file_b, NULL, NULL), TERN_OK);
    check_all(&h);
    assert_int_equal(g.size, h.size);
    ti_gguf_close(&g);
    ti_gguf_close(&h);
}

static void nothing_in_it(void **state)
{
    (void)state;
    ti_gguf g;
    ti_gguf_writer *w = NULL;
    assert_int_equal(ti_gguf_writer_create(&w, file_b, NULL), TERN_OK);
    assert_int_equal(ti_gguf_begin_data(w, NULL), TERN_OK);
    assert_int_equal(ti_gguf_writer_finish(w, NULL), TERN_OK);
    ti_gguf_writer_destroy(w);
    assert_int_equal(ti_gguf_open(&g, file_b, NULL, NULL), TERN_OK);
    assert_int_equal(g.n_kv + g.n_tensors, 0);
    ti_gguf_close(&g);
}

/* --- what is wrong -------------------------------------------------------------------------
 */

static void wrong_tensors(void **state)
{
    (void)state;
    static const uint64_t dims[] = {256, 2, 1, 1, 1}, zero[] = {256, 0};
    static const uint64_t huge[] = {256, UINT64_MAX / 8, 8};
    ti_gguf_writer *w = NULL;
    tern_err err;
    assert_int_equal(ti_gguf_writer_create(&w, file_b, NULL), TERN_OK);
    static const struct {
        const char *name;
        uint32_t type;
        const uint64_t *dims;
        uint32_t n_dims;
        uint64_t bytes;
    } cases[] = {
        {"x", TI_TQ2_0, dims, 2, 131},    {"x", TI_TQ2_0, dims, 5, 132},
        {"x", TI_TQ2_0, dims, 0, 132},    {"x", TI_TQ2_0, zero, 2, 0},
        {"x", TI_F32, huge, 3, 0},        {"", TI_TQ2_0, dims, 2, 132},
        {"a\tb", TI_TQ2_0, dims, 2, 132}, {"x", 9999, dims, 2, 132},
        {"x", TI_I2_S_ARM, dims, 2, 160}, {"x", TI_PACK_T2, dims, 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ti_gguf_add_tensor(w, cases[i].name, cases[i].type, cases[i].dims,
                                            cases[i].n_dims, cases[i].bytes, &err),
                         TERN_USAGE);
    }
    assert_int_equal(ti_gguf_add_tensor(w, "x", TI_TQ2_0, dims, 2, 132, &err), TERN_OK);
    assert_int_equal(ti_gguf_add_tensor(w, "p", TI_PACK_T2, dims, 2, 77, &err), TERN_OK);
    assert_int_equal(
        ti_gguf_add_tensor(w, "q", TI_PACK_T2, dims, 2, (uint64_t)INT64_MAX - 1000, &err),
        TERN_LIMIT);
    assert_int_equal(ti_gguf_add_tensor(w, "x", TI_TQ2_0, dims, 2, 132, &err), TERN_OK);
    assert_int_equal(ti_gguf_begin_data(w, &err), TERN_USAGE);
    assert_string_equal(err.message, "tensor 'x' was added twice");
    ti_gguf_writer_destroy(w);
    assert_int_equal(ti_gguf_writer_create(&w, "no/such/place/x", &err), TERN_IO);
    ti_gguf_writer_destroy(NULL);
}

static void wrong_data(void **state)
{
    (void)state;
    static const uint64_t dims[] = {4};
    static const uint8_t bytes[64] = {0};
    ti_gguf_writer *w = NULL;
    tern_err err;
    unlink(file_b);
    assert_int_equal(ti_gguf_writer_create(&w, file_b, NULL), TERN_OK);
    assert_int_equal(ti_gguf_add_tensor(w, "x", TI_F32, dims, 1, 16, NULL), TERN_OK);
    assert_int_equal(ti_gguf_begin_data(w, NULL), TERN_OK);
    assert_int_equal(ti_gguf_write_data(w, bytes, 17, &err), TERN_USAGE);
    assert_int_equal(ti_gguf_write_data(w, bytes, 15, &err), TERN_OK);
    assert_int_equal(ti_gguf_writer_finish(w, &err), TERN_USAGE);
    assert_string_equal(err.message, "tensor 'x' has 15 of its 16 bytes");
    assert_int_equal(ti_gguf_write_data(w, bytes, 1, &err), TERN_OK);
    assert_int_equal(ti_gguf_write_data(w, bytes, 1, &err), TERN_USAGE);
    assert_int_equal(access(file_b, F_OK), -1); /* has no name before finish */
    ti_gguf_writer_destroy(w);
    assert_int_equal(access(file_b, F_OK), -1);
}

static void wrong_alignment(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t values[] = {0, 48, 1u << 21};
        ti_gguf_writer *w = NULL;
        assert_int_equal(ti_gguf_writer_create(&w, file_b, NULL), TERN_OK);
        ti_gguf_put_u32(w, "general.alignment", values[i]);
        assert_int_equal(ti_gguf_begin_data(w, NULL), TERN_USAGE);
        ti_gguf_writer_destroy(w);
    }
    ti_gguf_writer *w = NULL;
    assert_int_equal(ti_gguf_writer_create(&w, file_b, NULL), TERN_OK);
    ti_gguf_put_u64(w, "general.alignment", 32);
    assert_int_equal(ti_gguf_begin_data(w, NULL), TERN_USAGE);
    ti_gguf_writer_destroy(w);
}

static void full_disk(void **state)
{
    (void)state;
    static const uint64_t dims[] = {1 << 20};
    tern_err err = {0};
    ti_gguf_writer *w = NULL;
    if (access("/dev/full", W_OK) != 0) {
        print_message("SKIPPED: no /dev/full\n");
        skip();
    }
    /* The writer makes its file beside the name, so the stream is redirected. */
    assert_int_equal(ti_gguf_writer_create(&w, file_b, NULL), TERN_OK);
    assert_int_equal(ti_gguf_add_tensor(w, "x", TI_F32, dims, 1, 4 << 20, NULL), TERN_OK);
    ti_out *out = (ti_out *)w; /* first member of the writer */
    assert_non_null(freopen("/dev/full", "wb", out->stream));
    uint8_t *bytes = calloc(1, 4 << 20);
    assert_non_null(bytes);
    tern_status s = ti_gguf_begin_data(w, &err);
    s = s ? s : ti_gguf_write_data(w, bytes, 4 << 20, &err);
    assert_int_equal(s, TERN_IO);
    assert_non_null(strstr(err.message, "No space left"));
    free(bytes);
    ti_gguf_writer_destroy(w);
}

/* --- memory --------------------------------------------------------------------------------
 */

static void writing_without_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        tern_err err = {0};
        unlink(file_b);
        oom_fail_at(n);
        tern_status s = write_all(file_b, &err);
        if (!oom_disarm()) {
            assert_int_equal(s, TERN_OK);
            assert_true(n > 20);
            break;
        }
        assert_int_equal(s, TERN_NOMEM);
        assert_int_equal(err.status, TERN_NOMEM);
        assert_int_equal(access(file_b, F_OK), -1);
    }
}

static void reading_without_memory(void **state)
{
    (void)state;
    assert_int_equal(write_all(file_a, NULL), TERN_OK);
    for (long n = 0;; n++) {
        ti_gguf g, before;
        tern_err err = {0};
        memset(&g, 0x5a, sizeof g);
        memcpy(&before, &g, sizeof g);
        oom_fail_at(n);
        tern_status s = ti_gguf_open(&g, file_a, NULL, &err);
        if (!oom_disarm()) {
            assert_int_equal(s, TERN_OK);
            assert_true(n >= 3);
            check_all(&g);
            ti_gguf_close(&g);
            break;
        }
        assert_int_equal(s, TERN_NOMEM);
        assert_memory_equal(&g, &before, sizeof g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(copies),
        cmocka_unit_test(nothing_in_it),
        cmocka_unit_test(wrong_tensors),
        cmocka_unit_test(wrong_data),
        cmocka_unit_test(wrong_alignment),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(writing_without_memory),
        cmocka_unit_test(reading_without_memory),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
