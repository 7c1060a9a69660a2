/* SPDX-License-Identifier: Apache-2.0 */
/* The GGUF reader against files that are wrong: every hole that was published for readers of
 * this format, truncation at every byte, every bit of a header flipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gguf_build.h"
#include "model/gguf.h"

/* Parses a copy that ends where its memory ends, so that an address sanitizer sees every byte
 * read too far. */
static tern_status parse(ti_gguf *out, uint8_t **copy, const void *data, size_t n,
                         const ti_gguf_opts *opts, tern_err *err)
{
    *copy = malloc(n ? n : 1);
    assert_non_null(*copy);
    if (n > 0) {
        memcpy(*copy, data, n);
    }
    return ti_gguf_parse(out, *copy, n, opts, err);
}

/* The file must be refused with that status and a message that has `text` in it, and `out` must
 * stay as it was.  Frees the file. */
static void refuse_with(ti_buf *b, const ti_gguf_opts *opts, tern_status want, const char *text)
{
    ti_gguf g, before;
    tern_err err = {0};
    uint8_t *copy;
    memset(&g, 0x5a, sizeof g);
    memcpy(&before, &g, sizeof g);
    tern_status got = parse(&g, &copy, b->data, b->len, opts, &err);
    if (got != want || !strstr(err.message, text)) {
        fail_msg("wanted %s '%s', got %s '%s'", tern_status_name(want), text,
                 tern_status_name(got), err.message);
    }
    assert_int_equal(err.status, want);
    assert_string_equal(err.module, "gguf");
    assert_memory_equal(&g, &before, sizeof g);
    free(copy);
    ti_buf_free(b);
}

static void refuse(ti_buf *b, tern_status want, const char *text)
{
    refuse_with(b, NULL, want, text);
}

/* The file must be accepted; the caller closes `g` and frees the result.  Frees the file. */
static uint8_t *accept_with(ti_gguf *g, ti_buf *b, const ti_gguf_opts *opts)
{
    tern_err err = {0};
    uint8_t *copy;
    if (parse(g, &copy, b->data, b->len, opts, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    (void)gb_walk(g);
    ti_buf_free(b);
    return copy;
}

static void drop(ti_gguf *g, uint8_t *copy)
{
    ti_gguf_close(g);
    ti_gguf_close(g); /* twice is allowed */
    free(copy);
}

/* --- a file with one of everything ---------------------------------------------------------
 */

/* Values of each type; keys not in order.  Returns how many. */
static uint64_t all_keys(ti_buf *b)
{
    gb_kv_str(b, "z.string", "value");
    gb_kv_u32(b, "general.alignment", 64);
    static const struct {
        const char *key;
        uint32_t type, bytes;
    } numbers[] = {{"u8", TI_GGUF_U8, 1},   {"i8", TI_GGUF_I8, 1},   {"u16", TI_GGUF_U16, 2},
                   {"i16", TI_GGUF_I16, 2}, {"i32", TI_GGUF_I32, 4}, {"u64", TI_GGUF_U64, 8},
                   {"i64", TI_GGUF_I64, 8}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        gb_key(b, numbers[i].key, numbers[i].type);
        gb_fill(b, numbers[i].bytes, 0xff);
    }
    gb_key(b, "f32", TI_GGUF_F32);
    gb_u32(b, 0x3fc00000); /* 1.5 */
    gb_key(b, "f64", TI_GGUF_F64);
    gb_u64(b, 0xc004000000000000); /* -2.5 */
    gb_key(b, "bool", TI_GGUF_BOOL);
    ti_buf_addc(b, 1);
    gb_key(b, "strings", TI_GGUF_ARRAY);
    gb_u32(b, TI_GGUF_STRING);
    gb_u64(b, 3);
    gb_str(b, "a");
    gb_str(b, "");
    gb_str(b, "\xff\n"); /* values may be any bytes */
    gb_key(b, "ints", TI_GGUF_ARRAY);
    gb_u32(b, TI_GGUF_I16);
    gb_u64(b, 2);
    gb_u32(b, 0x7fff8000);
    gb_key(b, "floats", TI_GGUF_ARRAY);
    gb_u32(b, TI_GGUF_F32);
    gb_u64(b, 1);
    gb_u32(b, 0x3f800000);
    gb_key(b, "empty", TI_GGUF_ARRAY);
    gb_u32(b, TI_GGUF_STRING);
    gb_u64(b, 0);
    return 9 + 7;
}

/* Header, directory and data; *head receives the length of all but the data. */
static void whole_file(ti_buf *b, size_t *head)
{
    ti_buf keys = {0};
    uint64_t n = all_keys(&keys);
    gb_head(b, 3, 4, n);
    ti_buf_add(b, keys.data, keys.len);
    ti_buf_free(&keys);
    gb_tensor(b, "token_embd.weight", 32, 3, TI_Q8_0, 0);
    gb_tensor(b, "output_norm.weight", 32, 0, TI_F32, 128);
    gb_tensor(b, "blk.0.attn_q.weight", 256, 2, TI_TQ1_0, 256);
    gb_tensor(b, "blk.0.ffn_up.weight", 256, 1, TI_TQ2_0, 384);
    gb_pad(b, 64);
    *head = b->len;
    gb_fill(b, 384 + 66, 1);
}

static void reads_everything(void **state)
{
    (void)state;
    ti_buf b = {0};
    size_t head;
    whole_file(&b, &head);
    size_t size = b.len;
    ti_gguf g;
    uint8_t *copy = accept_with(&g, &b, NULL);
    assert_int_equal(g.version, 3);
    assert_int_equal(g.alignment, 64);
    assert_int_equal(g.size, size);
    assert_int_equal(g.n_kv, 16);
    assert_int_equal(g.n_tensors, 4);
    const ti_gguf_tensor *t = ti_gguf_tensor_find(&g, "blk.0.attn_q.weight");
    assert_ptr_equal(t, &g.tensors[2]);
    assert_int_equal(t->type->type, TI_TQ1_0);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 256);
    assert_int_equal(t->rows, 2);
    assert_int_equal(t->dims[3], 1);
    assert_int_equal(t->offset, head + 256);
    assert_ptr_equal(t->data, copy + head + 256);
    assert_int_equal(t->bytes, 108);
    assert_null(ti_gguf_tensor_find(&g, "blk.0.attn_q"));
    assert_null(ti_gguf_tensor_find(&g, ""));
    assert_null(ti_gguf_find(&g, "z.strin"));
    drop(&g, copy);
}

static void typed_values(void **state)
{
    (void)state;
    ti_buf b = {0};
    size_t head;
    whole_file(&b, &head);
    ti_gguf g;
    uint8_t *copy = accept_with(&g, &b, NULL);
    uint32_t u = 7;
    float f = 7;
    bool t = false;
    ti_str s = {0};
    tern_err err;
    assert_int_equal(ti_gguf_get_u32(&g, "u8", true, &u, NULL), TERN_OK);
    assert_int_equal(u, 255);
    assert_int_equal(ti_gguf_get_u32(&g, "u16", true, &u, NULL), TERN_OK);
    assert_int_equal(u, 65535);
    static const char *const too_big[] = {"i8", "i16", "i32", "i64", "u64"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ti_gguf_get_u32(&g, too_big[i], true, &u, &err), TERN_CORRUPT);
        assert_non_null(strstr(err.message, "out of range"));
        assert_int_equal(u, 65535);
    }
    assert_true(ti_gguf_int_at(ti_gguf_find(&g, "i8"), 0) == -1);
    assert_true(ti_gguf_int_at(ti_gguf_find(&g, "i64"), 0) == -1);
    assert_true(ti_gguf_int_at(ti_gguf_find(&g, "u64"), 0) == INT64_MAX);
    assert_int_equal(ti_gguf_get_u32(&g, "f32", true, &u, &err), TERN_CORRUPT);
    assert_int_equal(ti_gguf_get_u32(&g, "ints", false, &u, &err), TERN_CORRUPT);
    assert_int_equal(ti_gguf_get_u32(&g, "absent", false, &u, &err), TERN_OK);
    assert_int_equal(u, 65535);
    assert_int_equal(ti_gguf_get_u32(&g, "absent", true, &u, &err), TERN_CORRUPT);
    assert_string_equal(err.message, "key 'absent' is missing");
    assert_int_equal(ti_gguf_get_f32(&g, "f32", true, &f, NULL), TERN_OK);
    assert_true(f == 1.5f);
    assert_int_equal(ti_gguf_get_f32(&g, "f64", true, &f, NULL), TERN_OK);
    assert_true(f == -2.5f);
    assert_int_equal(ti_gguf_get_f32(&g, "u8", true, &f, &err), TERN_CORRUPT);
    assert_int_equal(ti_gguf_get_bool(&g, "bool", true, &t, NULL), TERN_OK);
    assert_true(t);
    assert_int_equal(ti_gguf_get_bool(&g, "u8", true, &t, NULL), TERN_CORRUPT);
    assert_int_equal(ti_gguf_get_str(&g, "z.string", true, &s, NULL), TERN_OK);
    assert_int_equal(s.len, 5);
    assert_memory_equal(s.data, "value", 5);
    assert_int_equal(ti_gguf_get_str(&g, "strings", true, &s, &err), TERN_CORRUPT);
    assert_string_equal(err.message, "key 'strings' is not a string");
    const ti_gguf_kv *ints = ti_gguf_find(&g, "ints");
    assert_true(ti_gguf_is_int_array(ints) && !ti_gguf_is_float_array(ints));
    assert_true(ti_gguf_int_at(ints, 0) == -32768 && ti_gguf_int_at(ints, 1) == 32767);
    assert_true(ti_gguf_float_at(ti_gguf_find(&g, "floats"), 0) == 1.0);
    const ti_gguf_kv *strings = ti_gguf_find(&g, "strings");
    assert_true(ti_gguf_is_str_array(strings));
    uint64_t cursor = 0;
    static const size_t lengths[] = {1, 0, 2};
    for (int i = 0; i < 3; i++) {
        assert_true(ti_gguf_next_str(strings, &cursor, &s));
        assert_int_equal(s.len, lengths[i]);
    }
    assert_false(ti_gguf_next_str(strings, &cursor, &s));
    cursor = 0;
    assert_false(ti_gguf_next_str(ti_gguf_find(&g, "empty"), &cursor, &s));
    drop(&g, copy);
}

static void floats_out_of_range(void **state)
{
    (void)state;
    static const uint64_t bits[] = {0x7ff0000000000000, 0x7ff8000000000000, 0x47f0000000000000};
    for (int i = 0; i < 3; i++) { /* infinity, NaN, 2^128 */
        ti_buf b = {0};
        gb_head(&b, 2, 0, 1);
        gb_key(&b, "x", TI_GGUF_F64);
        gb_u64(&b, bits[i]);
        ti_gguf g;
        uint8_t *copy = accept_with(&g, &b, NULL);
        float f = 7;
        assert_int_equal(ti_gguf_get_f32(&g, "x", true, &f, NULL), TERN_CORRUPT);
        assert_true(f == 7);
        drop(&g, copy);
    }
}

/* --- truncated and damaged -----------------------------------------------------------------
 */

static void truncated_at_every_byte(void **state)
{
    (void)state;
    ti_buf b = {0};
    size_t head;
    whole_file(&b, &head);
    ti_gguf_opts directory_only = {.directory_only = true};
    size_t directory = head; /* without padding */
    while (b.data[directory - 1] == 0) {
        directory--;
    }
    for (size_t n = 0; n < b.len; n++) {
        ti_gguf g = {0};
        tern_err err = {0};
        uint8_t *copy;
        assert_int_equal(parse(&g, &copy, b.data, n, NULL, &err), TERN_CORRUPT);
        assert_true(err.message[0] != '\0');
        free(copy);
        /* The last number of the directory ends with zero bytes: count from there on. */
        tern_status status = parse(&g, &copy, b.data, n, &directory_only, &err);
        if (n < directory) {
            assert_int_equal(status, TERN_CORRUPT);
        } else if (n >= head) {
            assert_int_equal(status, TERN_OK);
            (void)gb_walk(&g);
        }
        ti_gguf_close(&g);
        free(copy);
    }
    ti_buf_free(&b);
}

/* What a flipped bit makes of the file is not known; that nothing breaks is tested, and that
 * what is accepted can be used. */
static void every_bit_flipped(void **state)
{
    (void)state;
    ti_buf b = {0};
    size_t head;
    whole_file(&b, &head);
    for (size_t bit = 0; bit < head * 8; bit++) {
        ti_gguf g = {0};
        tern_err err;
        uint8_t *copy;
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
        if (parse(&g, &copy, b.data, b.len, NULL, &err) == TERN_OK) {
            (void)gb_walk(&g);
        }
        ti_gguf_close(&g);
        free(copy);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
    }
    ti_buf_free(&b);
}

/* Every aligned or unaligned 8 bytes replaced by numbers that overflow something. */
static void every_number_replaced(void **state)
{
    (void)state;
    static const uint64_t odd[] = {0,          UINT64_MAX,     INT64_MAX,
                                   1ull << 63, UINT32_MAX,     0x7fffffff,
                                   1ull << 32, UINT64_MAX - 7, 0x2000000000000001};
    ti_buf b = {0};
    size_t head;
    whole_file(&b, &head);
    for (size_t at = 0; at + 8 <= head; at++) {
        uint64_t old = ti_load_u64(b.data + at);
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            ti_gguf g = {0};
            tern_err err;
            uint8_t *copy;
            ti_store_u64(b.data + at, odd[i]);
            if (parse(&g, &copy, b.data, b.len, NULL, &err) == TERN_OK) {
                (void)gb_walk(&g);
            }
            ti_gguf_close(&g);
            free(copy);
        }
        ti_store_u64(b.data + at, old);
    }
    ti_buf_free(&b);
}

/* --- header --------------------------------------------------------------------------------
 */

static void headers(void **state)
{
    (void)state;
    ti_buf b = {0};
    refuse(&b, TERN_CORRUPT, "too short");
    ti_buf_adds(&b, "GGUF");
    refuse(&b, TERN_CORRUPT, "file of 4 bytes is too short");
    ti_buf_adds(&b, "version https://git-lfs.github.com/spec/v1");
    refuse(&b, TERN_CORRUPT, "begins with 'vers'");
    gb_head(&b, 1, 0, 0);
    refuse(&b, TERN_UNSUPPORTED, "version 1 ");
    gb_head(&b, 4, 0, 0);
    refuse(&b, TERN_UNSUPPORTED, "version 4 ");
    gb_head(&b, 3u << 24, 0, 0);
    refuse(&b, TERN_UNSUPPORTED, "big-endian");
    /* counts: CVE-2024-21825 and its kin multiplied them */
    gb_head(&b, 3, 0, UINT64_MAX);
    refuse(&b, TERN_LIMIT, "keys, the limit is 65536");
    gb_head(&b, 3, UINT64_MAX, 0);
    refuse(&b, TERN_LIMIT, "tensors, the limit is 65536");
    gb_head(&b, 3, 0, 60000);
    refuse(&b, TERN_CORRUPT, "60000 keys do not fit");
    gb_head(&b, 3, 60000, 0);
    refuse(&b, TERN_CORRUPT, "60000 tensors do not fit");
    gb_head(&b, 3, 0, 0);
    ti_gguf g;
    uint8_t *copy = accept_with(&g, &b, NULL);
    assert_null(ti_gguf_find(&g, "x"));
    assert_null(ti_gguf_tensor_find(&g, "x"));
    drop(&g, copy);
    tern_err err;
    ti_gguf_opts bad = {.i2s = 3};
    assert_int_equal(ti_gguf_parse(&g, "", 0, &bad, &err), TERN_USAGE);
    bad = (ti_gguf_opts){.q2_0_group = 32};
    assert_int_equal(ti_gguf_parse(&g, "", 0, &bad, &err), TERN_USAGE);
}

/* --- keys ----------------------------------------------------------------------------------
 */

static void keys(void **state)
{
    (void)state;
    ti_buf b = {0};
    gb_head(&b, 3, 0, 1);
    gb_u64(&b, 1ull << 62); /* CVE-2024-23496: a string length near the wrap */
    gb_fill(&b, 32, 'k');
    refuse(&b, TERN_CORRUPT, "key at offset 32 is past end of file");
    gb_head(&b, 3, 0, 1);
    gb_u64(&b, 70000);
    gb_fill(&b, 70016, 'k');
    refuse(&b, TERN_LIMIT, "the limit is 65535");
    gb_head(&b, 3, 0, 1);
    gb_kv_u32(&b, "", 1);
    refuse(&b, TERN_CORRUPT, "is empty");
    gb_head(&b, 3, 0, 1);
    gb_kv_u32(&b, "a\x1b[2Jb", 1); /* would clear a terminal */
    refuse(&b, TERN_CORRUPT, "key 'a?[2Jb' is empty, no UTF-8, or has control");
    gb_head(&b, 3, 0, 1);
    gb_kv_u32(&b, "a\xc0\x80", 1);
    refuse(&b, TERN_CORRUPT, "no UTF-8");
    gb_head(&b, 3, 0, 1);
    gb_key(&b, "x", 13);
    gb_u64(&b, 0);
    refuse(&b, TERN_CORRUPT, "key 'x': value type 13 does not exist");
    gb_head(&b, 3, 0, 3);
    gb_kv_u32(&b, "same", 1);
    gb_kv_u32(&b, "other", 1);
    gb_kv_u32(&b, "same", 1);
    refuse(&b, TERN_CORRUPT, "key 'same' appears twice");
    gb_head(&b, 3, 0, 1);
    gb_key(&b, "flag", TI_GGUF_BOOL);
    ti_buf_addc(&b, 2);
    refuse(&b, TERN_CORRUPT, "key 'flag': a truth value is 2");
    gb_head(&b, 3, 0, 1);
    gb_kv_u32(&b, "prism.hadamard.seed", 1);
    refuse(&b, TERN_UNSUPPORTED, "Hadamard-rotated activations");
}

static void arrays(void **state)
{
    (void)state;
    ti_buf b = {0};
    gb_head(&b, 3, 0, 1);
    gb_key(&b, "x", TI_GGUF_ARRAY);
    gb_u32(&b, TI_GGUF_U64);
    gb_u64(&b, 1ull << 61); /* times 8 wraps to 0 */
    refuse(&b, TERN_LIMIT, "key 'x': array of 2305843009213693952 items");
    gb_head(&b, 3, 0, 1);
    gb_key(&b, "x", TI_GGUF_ARRAY);
    gb_u32(&b, TI_GGUF_U64);
    gb_u64(&b, 1 << 20);
    gb_fill(&b, 64, 0);
    refuse(&b, TERN_CORRUPT, "'x': value at offset 49 is past end of file");
    gb_head(&b, 3, 0, 1);
    gb_key(&b, "x", TI_GGUF_ARRAY);
    gb_u32(&b, TI_GGUF_STRING);
    gb_u64(&b, 3);
    gb_str(&b, "one");
    gb_u64(&b, 100);
    gb_fill(&b, 50, 0);
    refuse(&b, TERN_CORRUPT, "'x': array item at offset");
    gb_head(&b, 3, 0, 1);
    gb_key(&b, "x", TI_GGUF_ARRAY);
    gb_u32(&b, 77);
    gb_u64(&b, 0);
    refuse(&b, TERN_CORRUPT, "key 'x': value type 77");
    /* arrays in arrays, to exhaust a recursive reader's stack */
    gb_head(&b, 3, 0, 1);
    gb_key(&b, "x", TI_GGUF_ARRAY);
    for (int i = 0; i < 100000; i++) {
        gb_u32(&b, TI_GGUF_ARRAY);
        gb_u64(&b, 1);
    }
    refuse(&b, TERN_UNSUPPORTED, "arrays of arrays");
}

static void alignments(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        tern_status status;
        const char *text;
    } cases[] = {{0, TERN_CORRUPT, "general.alignment 0 is not a power of two"},
                 {24, TERN_CORRUPT, "general.alignment 24 is not a power of two"},
                 {1u << 31, TERN_LIMIT, "the limit is 1048576"}};
    for (int i = 0; i < 3; i++) {
        ti_buf b = {0};
        gb_head(&b, 3, 0, 1);
        gb_kv_u32(&b, "general.alignment", cases[i].value);
        refuse(&b, cases[i].status, cases[i].text);
    }
    ti_buf b = {0};
    gb_head(&b, 3, 0, 1);
    gb_kv_str(&b, "general.alignment", "32");
    refuse(&b, TERN_CORRUPT, "key 'general.alignment' is not an integer");
}

/* --- tensors -------------------------------------------------------------------------------
 */

/* A file with one tensor that the caller describes, its data's place, and `bytes` of data. */
static void one(ti_buf *b, const char *name, uint64_t k, uint64_t rows, uint32_t type,
                uint64_t offset, size_t bytes)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, name, k, rows, type, offset);
    gb_pad(b, 32);
    gb_fill(b, bytes, 0);
}

static void tensor_shapes(void **state)
{
    (void)state;
    ti_buf b = {0};
    one(&b, "x", 0, 4, TI_F32, 0, 64);
    refuse(&b, TERN_CORRUPT, "tensor 'x': dimension 0 is 0");
    one(&b, "x", 4, 1ull << 62, TI_F32, 0, 64);
    refuse(&b, TERN_CORRUPT, "tensor 'x' has more than 2^63 weights");
    one(&b, "x", 1ull << 32, 1ull << 32, TI_F32, 0, 64); /* product wraps to 0 */
    refuse(&b, TERN_CORRUPT, "tensor 'x' has more than 2^63 weights");
    one(&b, "x", 1ull << 62, 1, TI_F32, 0, 64); /* bytes wrap to 0 */
    refuse(&b, TERN_CORRUPT, "tensor 'x' has more than 2^64 bytes");
    one(&b, "x", 1ull << 61, 1, TI_F32, 0, 64);
    refuse(&b, TERN_CORRUPT, "past end of file");
    one(&b, "x", 100, 1, TI_Q4_0, 0, 64);
    refuse(&b, TERN_CORRUPT, "rows of 100 weights are no multiple of Q4_0's block of 32");
    one(&b, "x", 32, 1, TI_I2_S, 0, 64);
    refuse(&b, TERN_CORRUPT, "rows of 32 weights are no multiple of I2_S's block");
    for (uint32_t n = 0; n < 7; n++) {
        gb_head(&b, 3, 1, 0);
        gb_str(&b, "x");
        gb_u32(&b, n < 6 ? n : UINT32_MAX);
        for (int i = 0; i < 5; i++) {
            gb_u64(&b, 1);
        }
        gb_u32(&b, TI_F32);
        gb_u64(&b, 0);
        gb_fill(&b, 64, 0);
        if (n == 0 || n > 4) {
            refuse(&b, TERN_CORRUPT, "1 to 4 are possible");
        }
        ti_buf_free(&b);
    }
}

static void tensor_names(void **state)
{
    (void)state;
    ti_buf b = {0};
    one(&b, "", 4, 1, TI_F32, 0, 64);
    refuse(&b, TERN_CORRUPT, "tensor name '' is empty");
    one(&b, "a\nb", 4, 1, TI_F32, 0, 64);
    refuse(&b, TERN_CORRUPT, "control characters");
    one(&b, "a\xc2\x9bzb", 4, 1, TI_F32, 0, 64); /* C1: CSI */
    refuse(&b, TERN_CORRUPT, "control characters");
    one(&b, "a\xff", 4, 1, TI_F32, 0, 64);
    refuse(&b, TERN_CORRUPT, "no UTF-8");
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    one(&b, name, 4, 1, TI_F32, 0, 64);
    refuse(&b, TERN_LIMIT, "tensor name has 256 bytes, the limit is 255");
    name[255] = '\0';
    one(&b, name, 4, 1, TI_F32, 0, 64);
    ti_gguf g;
    uint8_t *copy = accept_with(&g, &b, NULL);
    assert_string_equal(g.tensors[0].name, name);
    drop(&g, copy);
    gb_head(&b, 3, 2, 0);
    gb_tensor(&b, "same", 4, 1, TI_F32, 0);
    gb_tensor(&b, "same", 4, 1, TI_F32, 32);
    gb_fill(&b, 128, 0);
    refuse(&b, TERN_CORRUPT, "tensor 'same' appears twice");
}

static void tensor_types(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        const char *text;
    } cases[] = {{4, "which is not known"},
                 {6, "Q5_0: not supported"},
                 {13, "Q5_K"},
                 {31, "which is not known"},
                 {37, "I8_S of bitnet.cpp"},
                 {38, "TL1 of bitnet.cpp"},
                 {39, "TL2 of bitnet.cpp or MXFP4 of ggml"},
                 {40, "NVFP4"},
                 {43, "type 43, which is not known"},
                 {143, "Hadamard-rotated"},
                 {335, "IQ2_BN_R4"},
                 {TI_I2_S_ARM, "which is not known"},
                 {TI_PACK_G2 + 1, "which is not known"},
                 {UINT32_MAX, "type 4294967295, which is not known"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ti_buf b = {0};
        one(&b, "x", 256, 1, cases[i].type, 0, 4096);
        refuse(&b, TERN_UNSUPPORTED, cases[i].text);
    }
}

static void tensor_places(void **state)
{
    (void)state;
    ti_buf b = {0};
    one(&b, "blk.3.ffn_up", 4, 1, TI_F32, 4096, 64);
    refuse(&b, TERN_CORRUPT, "tensor 'blk.3.ffn_up': offset 4192 is past end of file (160)");
    one(&b, "x", 64, 1, TI_F32, 0, 255);
    refuse(&b, TERN_CORRUPT, "256 bytes at offset 96 end past end of file (351)");
    one(&b, "x", 4, 1, TI_F32, 8, 64);
    refuse(&b, TERN_CORRUPT, "tensor 'x': offset 8 is not a multiple of 32");
    one(&b, "x", 4, 1, TI_F32, UINT64_MAX - 31, 64);
    refuse(&b, TERN_CORRUPT, "is past end of file");
    one(&b, "x", 4, 1, TI_F32, 1ull << 63, 64);
    refuse(&b, TERN_CORRUPT, "is past end of file");
    /* overlap, also when the directory's order is not that of the offsets */
    gb_head(&b, 3, 3, 0);
    gb_tensor(&b, "c", 16, 1, TI_F32, 96);
    gb_tensor(&b, "a", 16, 1, TI_F32, 0);
    gb_tensor(&b, "b", 16, 1, TI_F32, 64);
    gb_pad(&b, 32);
    gb_fill(&b, 160, 0);
    refuse(&b, TERN_CORRUPT, "tensors 'b' and 'c' overlap");
    gb_head(&b, 3, 2, 0);
    gb_tensor(&b, "a", 16, 1, TI_F32, 0);
    gb_tensor(&b, "b", 4, 1, TI_F32, 0);
    gb_pad(&b, 32);
    gb_fill(&b, 64, 0);
    refuse(&b, TERN_CORRUPT, "tensors 'a' and 'b' overlap");
}

static void packed_tensors(void **state)
{
    (void)state;
    ti_buf b = {0};
    gb_head(&b, 3, 2, 0);
    gb_tensor(&b, "first", 100, 7, TI_PACK_T5, 0);
    gb_tensor(&b, "last", 100, 7, TI_PACK_G8, 96);
    gb_pad(&b, 32);
    gb_fill(&b, 96 + 50, 0);
    ti_gguf g;
    uint8_t *copy = accept_with(&g, &b, NULL);
    assert_int_equal(g.tensors[0].bytes, 96);
    assert_int_equal(g.tensors[1].bytes, 50);
    drop(&g, copy);
    one(&b, "x", 100, 7, TI_PACK_T2, 64, 64);
    refuse(&b, TERN_CORRUPT, "is past end of file");
    gb_head(&b, 3, 2, 0);
    gb_tensor(&b, "a", 4, 1, TI_PACK_T2, 0);
    gb_tensor(&b, "b", 4, 1, TI_PACK_T2, 0);
    gb_pad(&b, 32);
    gb_fill(&b, 64, 0);
    refuse(&b, TERN_CORRUPT, "overlap");
}

/* --- type 42 -------------------------------------------------------------------------------
 */

/* Two tensors of type 42 whose data takes `group` weights a block, and a norm behind them. */
static void q2_0_file(ti_buf *b, uint64_t k, uint64_t rows, uint32_t group, size_t extra)
{
    uint64_t bytes = rows * (k / group) * (2 + group / 4);
    uint64_t padded = (bytes + 31) / 32 * 32 + extra;
    gb_head(b, 3, 3, 0);
    gb_tensor(b, "one", k, rows, TI_Q2_0, 0);
    gb_tensor(b, "two", k, rows, TI_Q2_0, padded);
    gb_tensor(b, "norm", 8, 0, TI_F32, 2 * padded);
    gb_pad(b, 32);
    gb_fill(b, 2 * padded + 32, 0);
}

static void type_42(void **state)
{
    (void)state;
    ti_buf b = {0};
    ti_gguf g;
    q2_0_file(&b, 1024, 8, 64, 0);
    uint8_t *copy = accept_with(&g, &b, NULL);
    assert_int_equal(g.tensors[1].type->type, TI_Q2_0);
    assert_int_equal(g.tensors[1].bytes, 8 * 16 * 18);
    drop(&g, copy);
    q2_0_file(&b, 1024, 8, 128, 0);
    copy = accept_with(&g, &b, NULL);
    assert_int_equal(g.tensors[1].type->type, TI_PQ2_0);
    assert_int_equal(g.tensors[1].bytes, 8 * 8 * 34);
    drop(&g, copy);
    q2_0_file(&b, 64, 3, 64, 0); /* no multiple of 128 */
    copy = accept_with(&g, &b, NULL);
    assert_int_equal(g.tensors[0].type->type, TI_Q2_0);
    drop(&g, copy);
    /* so small that both end in the same padding */
    q2_0_file(&b, 128, 1, 128, 0);
    refuse(&b, TERN_UNSUPPORTED, "either fits this file: choose with --q2-0-group 64 or 128");
    /* a gap after each tensor: the room tells nothing */
    q2_0_file(&b, 1024, 8, 64, 1024);
    refuse(&b, TERN_UNSUPPORTED, "neither fits this file");
    for (uint32_t group = 64; group <= 128; group += 64) {
        ti_gguf_opts opts = {.q2_0_group = group};
        q2_0_file(&b, 128, 1, 128, 0);
        copy = accept_with(&g, &b, &opts);
        assert_int_equal(g.tensors[0].type->type, group == 64 ? TI_Q2_0 : TI_PQ2_0);
        drop(&g, copy);
    }
    ti_gguf_opts opts = {.q2_0_group = 64}; /* told wrongly: does not fit */
    q2_0_file(&b, 1024, 8, 128, 0);
    refuse_with(&b, &opts, TERN_CORRUPT, "tensors 'one' and 'two' overlap");
    opts = (ti_gguf_opts){.directory_only = true};
    q2_0_file(&b, 128, 1, 128, 0);
    copy = accept_with(&g, &b, &opts);
    assert_int_equal(g.tensors[0].type->type, TI_Q2_0);
    drop(&g, copy);
}

/* --- files ---------------------------------------------------------------------------------
 */

static void real_vocabularies(void **state)
{
    (void)state;
    static const char *const names[] = {"deepseek-llm", "falcon", "gpt-2",    "llama-spm",
                                        "phi-3",        "refact", "starcoder"};
    const char *data = getenv("TERN_DATA");
    char path[4096];
    snprintf(path, sizeof path, "%s/tok/vectors/ggml-vocab-gpt-2.gguf", data ? data : "");
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("SKIPPED: no %s\n", path);
        skip();
    }
    fclose(f);
    ti_gguf_opts opts = {.directory_only = true};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ti_gguf g;
        tern_err err;
        snprintf(path, sizeof path, "%s/tok/vectors/ggml-vocab-%s.gguf", data, names[i]);
        if (ti_gguf_open(&g, path, &opts, &err) != TERN_OK) {
            fail_msg("%s: %s", path, err.message);
        }
        const ti_gguf_kv *tokens = ti_gguf_find(&g, "tokenizer.ggml.tokens");
        assert_non_null(tokens);
        assert_true(ti_gguf_is_str_array(tokens));
        uint64_t cursor = 0, n = 0;
        ti_str s;
        while (ti_gguf_next_str(tokens, &cursor, &s)) {
            n++;
        }
        assert_true(n == tokens->n && n > 30000);
        (void)gb_walk(&g);
        ti_gguf_close(&g);
    }
}

static void files(void **state)
{
    (void)state;
    ti_gguf g;
    tern_err err;
    assert_int_equal(ti_gguf_open(&g, "no/such/file.gguf", NULL, &err), TERN_IO);
    assert_int_equal(ti_gguf_open(&g, ".", NULL, &err), TERN_UNSUPPORTED);
    char name[] = "test_gguf.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(ti_gguf_open(&g, name, NULL, &err), TERN_CORRUPT);
    assert_non_null(strstr(err.message, "file of 0 bytes"));
    FILE *f = fdopen(fd, "wb");
    assert_non_null(f);
    ti_buf b = {0};
    size_t head;
    whole_file(&b, &head);
    assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
    fclose(f);
    assert_int_equal(ti_gguf_open(&g, name, NULL, &err), TERN_OK);
    assert_int_equal(g.n_tensors, 4);
    assert_memory_equal(g.data, b.data, b.len);
    ti_gguf_close(&g);
    remove(name);
    ti_buf_free(&b);
    ti_gguf zero = {0};
    ti_gguf_close(&zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(typed_values),
        cmocka_unit_test(floats_out_of_range),
        cmocka_unit_test(truncated_at_every_byte),
        cmocka_unit_test(every_bit_flipped),
        cmocka_unit_test(every_number_replaced),
        cmocka_unit_test(headers),
        cmocka_unit_test(keys),
        cmocka_unit_test(arrays),
        cmocka_unit_test(alignments),
        cmocka_unit_test(tensor_shapes),
        cmocka_unit_test(tensor_names),
        cmocka_unit_test(tensor_types),
        cmocka_unit_test(tensor_places),
        cmocka_unit_test(packed_tensors),
        cmocka_unit_test(type_42),
        cmocka_unit_test(real_vocabularies),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
