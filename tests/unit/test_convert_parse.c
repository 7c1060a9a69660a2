/* SPDX-License-Identifier: Apache-2.0 */
/* The converters' readers against bytes that are wrong: JSON, safetensors, llama2.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/jval.h"
#include "convert/llama2c.h"
#include "convert/safetensors.h"
#include "convert_build.h"
#include "oom.h"

static void expect(tern_status got, tern_status want, const tern_err *err, const char *text)
{
    if (got != want || (want != TERN_OK && !strstr(err->message, text))) {
        fail_msg("wanted %s '%s', got %s '%s'", tern_status_name(want), text,
                 tern_status_name(got), err->message);
    }
}

/* A copy that ends where its memory ends. */
static void *exact_copy(const void *data, size_t n)
{
    void *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, data, n);
    return copy;
}

/* --- JSON -------------------------------------------------------------------------------- */

static void json_refuse(const char *text, size_t len, tern_status want, const char *message)
{
    ti_arena arena = {0};
    tern_err err = {0};
    ti_jval v, before;
    memset(&v, 0x5a, sizeof v);
    memcpy(&before, &v, sizeof v);
    char *copy = exact_copy(text, len);
    expect(ti_jval_parse(&v, &arena, copy, len, "json", &err), want, &err, message);
    assert_memory_equal(&v, &before, sizeof v);
    ti_arena_free(&arena);
    free(copy);
}

static void json_values(void **state)
{
    (void)state;
    static const char text[] =
        " {\"b\":[1, -2.5e1,true "
        ",false,null,\"a\\u00e9\\n\\\"\\\\\\/\\b\\f\\r\\t\\ud83d\\ude00\","
        "{}, []],\n\t\"a\":12345678901234567890, \"\":0, \"c\":-0,\"s\":\"plain "
        "\xc3\xa9\"}\r\n";
    ti_arena arena = {0};
    ti_jval v;
    tern_err err;
    assert_int_equal(ti_jval_parse(&v, &arena, text, sizeof text - 1, "json", &err), TERN_OK);
    assert_int_equal(v.type, TI_JOBJECT);
    assert_int_equal(v.n, 5);
    const ti_jval *b = ti_jval_get(&v, "b");
    assert_non_null(b);
    assert_int_equal(b->n, 8);
    uint64_t u = 99;
    double d = 0;
    assert_true(ti_jval_uint(&b->u.items[0], 1, &u));
    assert_int_equal(u, 1);
    assert_false(ti_jval_uint(&b->u.items[0], 0, &u));
    assert_true(ti_jval_num(&b->u.items[1], &d));
    assert_true(d == -25.0);
    assert_false(ti_jval_uint(&b->u.items[1], 100, &u));
    assert_true(b->u.items[2].u.boolean && !b->u.items[3].u.boolean);
    assert_true(ti_jval_none(&b->u.items[4]) && ti_jval_none(NULL));
    assert_true(ti_jval_is(&b->u.items[5], "a\xc3\xa9\n\"\\/\b\f\r\t\xf0\x9f\x98\x80"));
    assert_int_equal(b->u.items[6].n, 0);
    assert_int_equal(b->u.items[7].n, 0);
    assert_int_equal(ti_jval_get(&v, "a")->type, TI_JNUM);
    assert_true(ti_jval_num(ti_jval_get(&v, "a"), &d) && d == 12345678901234567890.0);
    assert_true(ti_jval_uint(ti_jval_get(&v, ""), 9, &u) && u == 0);
    assert_true(ti_jval_is(ti_jval_get(&v, "s"), "plain \xc3\xa9"));
    assert_null(ti_jval_get(&v, "none"));
    assert_null(ti_jval_get(b, "a"));
    assert_null(ti_jval_get(NULL, "a"));
    assert_false(ti_jval_is(NULL, "a") || ti_jval_is(b, "a") || ti_jval_num(b, &d));
    assert_int_equal(ti_jval_get(&v, "b")->at, 6);
    ti_arena_free(&arena);
}

static void json_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tern_status status;
        const char *message;
    } bad[] = {
        {"", TERN_CORRUPT, "not a number"},
        {"  ", TERN_CORRUPT, "not a number"},
        {"{} {}", TERN_CORRUPT, "byte 3: something after the end"},
        {"[1,]", TERN_CORRUPT, "not a number"},
        {"[1 2]", TERN_CORRUPT, "',' or ']' expected"},
        {"{\"a\":1 \"b\":2}", TERN_CORRUPT, "',' or '}' expected"},
        {"{\"a\":1,}", TERN_CORRUPT, "name of a member expected"},
        {"{a:1}", TERN_CORRUPT, "name of a member expected"},
        {"{\"a\" 1}", TERN_CORRUPT, "':' expected"},
        {"{\"a\":1,\"b\":2,\"a\":3}", TERN_CORRUPT, "member 'a' is there twice"},
        {"[", TERN_CORRUPT, "not a number"},
        {"\"abc", TERN_CORRUPT, "string without end"},
        {"\"abc\\", TERN_CORRUPT, "string without end"},
        {"\"a\nb\"", TERN_CORRUPT, "byte 2: control character"},
        {"\"\\x41\"", TERN_CORRUPT, "unknown escape"},
        {"\"\\u12g4\"", TERN_CORRUPT, "\\u that is no character"},
        {"\"\\u12\"", TERN_CORRUPT, "\\u that is no character"},
        {"\"\\u0000\"", TERN_CORRUPT, "\\u that is no character"},
        {"\"\\ud800\"", TERN_CORRUPT, "\\u that is no character"},
        {"\"\\ud800\\u0041\"", TERN_CORRUPT, "\\u that is no character"},
        {"\"\\ud800\\n1234\"", TERN_CORRUPT, "\\u that is no character"},
        {"\"\\udc00\"", TERN_CORRUPT, "\\u that is no character"},
        {"\"\\u", TERN_CORRUPT, "string without end"},
        {"\"\xff\"", TERN_CORRUPT, "not UTF-8"},
        {"\"\xc3\"", TERN_CORRUPT, "not UTF-8"},
        {"\"\xed\xa0\x80\"", TERN_CORRUPT, "not UTF-8"},
        {"01", TERN_CORRUPT, "not a number"},
        {"-", TERN_CORRUPT, "not a number"},
        {"1.", TERN_CORRUPT, "point"},
        {".5", TERN_CORRUPT, "not a number"},
        {"1e", TERN_CORRUPT, "exponent"},
        {"1e+", TERN_CORRUPT, "exponent"},
        {"1e999", TERN_CORRUPT, "too large"},
        {"+1", TERN_CORRUPT, "not a number"},
        {"NaN", TERN_CORRUPT, "not a number"},
        {"Infinity", TERN_CORRUPT, "not a number"},
        {"tru", TERN_CORRUPT, "unknown word"},
        {"falsy", TERN_CORRUPT, "unknown word"},
        {"nul", TERN_CORRUPT, "unknown word"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_refuse(bad[i].text, strlen(bad[i].text), bad[i].status, bad[i].message);
    }
    json_refuse("[\0]", 3, TERN_CORRUPT, "byte 1: not a number");
}

static void json_limits(void **state)
{
    (void)state;
    char deep[2 * TI_JVAL_MAX_DEPTH + 2];
    memset(deep, '[', TI_JVAL_MAX_DEPTH);
    memset(deep + TI_JVAL_MAX_DEPTH, ']', TI_JVAL_MAX_DEPTH);
    ti_arena arena = {0};
    ti_jval v;
    assert_int_equal(ti_jval_parse(&v, &arena, deep, 2 * TI_JVAL_MAX_DEPTH, "json", NULL),
                     TERN_OK);
    ti_arena_free(&arena);
    memset(deep, '[', sizeof deep);
    json_refuse(deep, sizeof deep, TERN_LIMIT, "more than 64 brackets");
    char digits[200];
    memset(digits, '1', sizeof digits);
    json_refuse(digits, sizeof digits, TERN_LIMIT, "200 characters");
    size_t many = 2 * (size_t)TI_JVAL_MAX_VALUES + 1;
    char *commas = malloc(many);
    for (size_t i = 0; i < many; i++) {
        commas[i] = i == 0 ? '[' : i % 2 ? '0' : ',';
    }
    json_refuse(commas, many, TERN_LIMIT, "more than 4194304 values");
    free(commas);
}

/* --- safetensors ------------------------------------------------------------------------- */

static void st_bytes(ti_buf *out, const char *header, size_t data_bytes)
{
    uint8_t length[8];
    ti_store_u64(length, strlen(header));
    ti_buf_add(out, length, 8);
    ti_buf_adds(out, header);
    for (size_t i = 0; i < data_bytes; i++) {
        ti_buf_addc(out, (char)i);
    }
}

static void st_refuse(const void *data, size_t size, tern_status want, const char *message)
{
    ti_safetensors st, before;
    tern_err err = {0};
    memset(&st, 0x5a, sizeof st);
    memcpy(&before, &st, sizeof st);
    uint8_t *copy = exact_copy(data, size);
    expect(ti_safetensors_parse(&st, copy, size, &err), want, &err, message);
    assert_memory_equal(&st, &before, sizeof st);
    free(copy);
}

static void st_reads(void **state)
{
    (void)state;
    static const char header[] =
        "{\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
        "\"__metadata__\":{\"format\":\"pt\"},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
        "\"e\":{\"dtype\":\"I64\",\"shape\":[3,0],\"data_offsets\":[16,16]},"
        "\"c\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[16,21]}}   ";
    ti_buf b = {0};
    ti_safetensors st;
    st_bytes(&b, header, 21);
    assert_int_equal(ti_safetensors_parse(&st, (uint8_t *)b.data, b.len, NULL), TERN_OK);
    assert_int_equal(st.n, 4);
    const ti_st_tensor *t = ti_safetensors_find(&st, "b");
    assert_non_null(t);
    assert_string_equal(t->dtype_name, "BF16");
    assert_int_equal(t->dtype, TI_ST_BF16);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->dims[2], 1);
    assert_int_equal(t->bytes, 12);
    assert_int_equal(t->offset, 8 + strlen(header) + 4);
    assert_int_equal(t->data[0], 4);
    assert_int_equal(ti_safetensors_find(&st, "a")->n_dims, 0);
    assert_int_equal(ti_safetensors_find(&st, "e")->bytes, 0);
    assert_int_equal(ti_safetensors_find(&st, "c")->dtype, TI_ST_U8);
    assert_null(ti_safetensors_find(&st, "d"));
    ti_safetensors_close(&st);
    assert_null(ti_safetensors_find(&st, "a"));
    ti_buf_free(&b);
    ti_buf empty = {0};
    st_bytes(&empty, "{}", 0);
    assert_int_equal(ti_safetensors_parse(&st, (uint8_t *)empty.data, empty.len, NULL),
                     TERN_OK);
    assert_int_equal(st.n, 0);
    ti_safetensors_close(&st);
    ti_buf_free(&empty);
}

#define ENTRY(dtype, shape, offsets) \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void st_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        tern_status status;
        const char *message;
    } bad[] = {
        {"", TERN_CORRUPT, "JSON at byte 0"},
        {"[]", TERN_CORRUPT, "the header is no object"},
        {"{\"x\":[]}", TERN_CORRUPT, "'x': not dtype, shape and data_offsets"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", TERN_CORRUPT, "not dtype, shape and"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"y\":0}}", TERN_CORRUPT, "no data_offsets"},
        {"{\"x\":{\"dtype\":\"F32\",\"z\":[2],\"y\":0}}", TERN_CORRUPT, "no shape"},
        {"{\"x\":{\"w\":\"F32\",\"z\":[2],\"y\":0}}", TERN_CORRUPT, "no dtype"},
        {ENTRY("7", "[2]", "[0,8]"), TERN_CORRUPT, "no dtype"},
        {ENTRY("\"Q9\"", "[2]", "[0,8]"), TERN_UNSUPPORTED, "dtype 'Q9' is unknown"},
        {ENTRY("\"F32\"", "2", "[0,8]"), TERN_CORRUPT, "no shape"},
        {ENTRY("\"F32\"", "[-2]", "[0,8]"), TERN_CORRUPT, "no count"},
        {ENTRY("\"F32\"", "[2.0]", "[0,8]"), TERN_CORRUPT, "no count"},
        {ENTRY("\"F32\"", "[\"2\"]", "[0,8]"), TERN_CORRUPT, "no count"},
        {ENTRY("\"F32\"", "[1e9]", "[0,8]"), TERN_CORRUPT, "no count"},
        {ENTRY("\"F32\"", "[100000000000000000000]", "[0,8]"), TERN_CORRUPT, "no count"},
        {ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), TERN_LIMIT, "9 dimensions"},
        {ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,8]"), TERN_CORRUPT, "too large"},
        /* 2^62 floats are 2^64 bytes: the product of shape and size wraps to zero */
        {ENTRY("\"F32\"", "[2147483648,2147483648]", "[0,0]"), TERN_CORRUPT, "another size"},
        {ENTRY("\"F32\"", "[2]", "[0,7]"), TERN_CORRUPT, "another size"},
        {ENTRY("\"F32\"", "[2]", "[8]"), TERN_CORRUPT, "no data_offsets"},
        {ENTRY("\"F32\"", "[2]", "[0,8,9]"), TERN_CORRUPT, "no data_offsets"},
        {ENTRY("\"F32\"", "[2]", "[-8,0]"), TERN_CORRUPT, "no data_offsets"},
        {ENTRY("\"F32\"", "[2]", "[8,0]"), TERN_CORRUPT, "end before they begin"},
        {ENTRY("\"F32\"", "[2]", "[1,9]"), TERN_CORRUPT, "past the end of the data (8)"},
        {ENTRY("\"F32\"", "[1]", "[4,8]"), TERN_CORRUPT, "after a gap"},
        {ENTRY("\"F32\"", "[1]", "[0,4]"), TERN_CORRUPT, "last 4 bytes of the file"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         TERN_CORRUPT, "inside the one before"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         TERN_CORRUPT, "'x' is there twice"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", TERN_LIMIT,
         "a tensor's name has 0 bytes"},
        {"{\"__metadata__\":7}", TERN_CORRUPT, "__metadata__ is not made of strings"},
        {"{\"__metadata__\":{\"a\":7}}", TERN_CORRUPT, "__metadata__ is not made of strings"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ti_buf b = {0};
        st_bytes(&b, bad[i].header, 8);
        st_refuse(b.data, b.len, bad[i].status, bad[i].message);
        ti_buf_free(&b);
    }
    ti_buf b = {0};
    ti_buf_adds(&b, "{\"");
    for (int i = 0; i < 512; i++) {
        ti_buf_addc(&b, 'n');
    }
    ti_buf_adds(&b, "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}");
    ti_buf long_name = {0};
    st_bytes(&long_name, b.data, 8);
    st_refuse(long_name.data, long_name.len, TERN_LIMIT, "name has 512 bytes");
    ti_buf_free(&long_name);
    ti_buf_free(&b);
}

static void st_header_length(void **state)
{
    (void)state;
    uint8_t data[16] = {0};
    st_refuse(data, 0, TERN_CORRUPT, "does not fit into a file of 0");
    st_refuse(data, 7, TERN_CORRUPT, "does not fit into a file of 7");
    ti_store_u64(data, 9);
    st_refuse(data, 16, TERN_CORRUPT, "a header of 9 bytes does not fit into a file of 16");
    ti_store_u64(data, UINT64_MAX);
    st_refuse(data, 16, TERN_CORRUPT, "does not fit");
    ti_store_u64(data, UINT64_MAX - 7);
    st_refuse(data, 16, TERN_CORRUPT, "does not fit");
    /* The limit is looked at before the bytes are: only the first eight are touched. */
    ti_safetensors st;
    tern_err err;
    ti_store_u64(data, TI_ST_MAX_HEADER_BYTES + 1u);
    expect(ti_safetensors_parse(&st, data, UINT64_C(1) << 40, &err), TERN_LIMIT, &err,
           "the limit is 100000000");
}

static void st_too_many(void **state)
{
    (void)state;
    ti_buf header = {0}, b = {0};
    ti_buf_addc(&header, '{');
    for (unsigned i = 0; i <= TI_ST_MAX_TENSORS; i++) {
        ti_buf_addf(&header, "%s\"%u\":0", i ? "," : "", i);
    }
    ti_buf_addc(&header, '}');
    st_bytes(&b, header.data, 0);
    st_refuse(b.data, b.len, TERN_LIMIT, "262145 tensors, the limit is 262144");
    ti_buf_free(&header);
    ti_buf_free(&b);
}

/* A real file of three tensors: every truncation is refused, every flipped bit of the header is
 * refused or gives a directory that stays inside the file. */
static void st_damage(void **state)
{
    (void)state;
    cb_model m = {.seed = 7};
    ti_buf b = {0};
    ti_safetensors st;
    tern_err err;
    cb_add(&m, "a", "F32", 2, 3, NULL);
    cb_add(&m, "b", "BF16", 4, 0, NULL);
    cb_add(&m, "c", "F16", 1, 5, NULL);
    cb_safetensors(&b, &m, 0, m.n);
    size_t header = 8 + (size_t)ti_load_u64(b.data);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *copy = exact_copy(b.data, n);
        assert_int_equal(ti_safetensors_parse(&st, copy, n, &err), TERN_CORRUPT);
        free(copy);
    }
    size_t accepted = 0;
    for (size_t bit = 0; bit < 8 * header; bit++) {
        uint8_t *copy = exact_copy(b.data, b.len);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (ti_safetensors_parse(&st, copy, b.len, &err) == TERN_OK) {
            accepted++;
            for (size_t i = 0; i < st.n; i++) {
                const ti_st_tensor *t = &st.tensors[i];
                assert_true(t->offset >= header && t->offset + t->bytes <= b.len);
                assert_ptr_equal(t->data, copy + t->offset);
            }
            ti_safetensors_close(&st);
        }
        free(copy);
    }
    /* letters of names, of metadata, F16 <-> BF16 never: most bits are noticed */
    assert_true(accepted > 0 && accepted < 8 * header / 4);
    ti_buf_free(&b);
    cb_free(&m);
}

static void st_out_of_memory(void **state)
{
    (void)state;
    cb_model m = {.seed = 8};
    ti_buf b = {0};
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "tensor\t%d", i); /* an escape: a string is copied */
        cb_add(&m, name, "F32", 1, 1, NULL);
    }
    cb_safetensors(&b, &m, 0, m.n);
    for (long n = 0;; n++) {
        ti_safetensors st = {0};
        tern_err err = {0};
        oom_fail_at(n);
        tern_status status = ti_safetensors_parse(&st, (uint8_t *)b.data, b.len, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            assert_true(n > 3);
            ti_safetensors_close(&st);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
        assert_int_equal(err.status, TERN_NOMEM);
        assert_int_equal(st.n, 0);
    }
    ti_buf_free(&b);
    cb_free(&m);
}

/* --- llama2.c ---------------------------------------------------------------------------- */

/* The bytes that a header asks for, by the run.c of llama2.c. */
static size_t l2c_bytes(const int32_t h[7])
{
    size_t vocab = (size_t)(h[5] < 0 ? -h[5] : h[5]), d = (size_t)h[0], ff = (size_t)h[1];
    size_t n = (size_t)h[2], head = d / (size_t)h[3], kv = head * (size_t)h[4];
    size_t floats = vocab * d + n * (d + d * d + 2 * kv * d + d * d + d + 3 * ff * d) + d +
                    (size_t)h[6] * head;
    return 28 + 4 * (floats + (h[5] < 0 ? vocab * d : 0));
}

static void l2c_refuse(const int32_t h[7], size_t size, tern_status want, const char *message)
{
    uint8_t *data = calloc(size ? size : 1, 1);
    ti_llama2c m, before;
    tern_err err = {0};
    for (size_t i = 0; i < 7 && 4 * i + 4 <= size; i++) {
        ti_store_u32(data + 4 * i, (uint32_t)h[i]);
    }
    memset(&m, 0x5a, sizeof m);
    memcpy(&before, &m, sizeof m);
    expect(ti_llama2c_parse(&m, data, size, &err), want, &err, message);
    assert_memory_equal(&m, &before, sizeof m);
    free(data);
}

static void l2c_header(void **state)
{
    (void)state;
    const int32_t good[7] = {8, 12, 2, 4, 2, -5, 3};
    size_t size = l2c_bytes(good);
    uint8_t *data = calloc(size, 1);
    ti_llama2c m;
    for (size_t i = 0; i < 7; i++) {
        ti_store_u32(data + 4 * i, (uint32_t)good[i]);
    }
    assert_int_equal(ti_llama2c_parse(&m, data, size, NULL), TERN_OK);
    assert_int_equal(m.n_vocab, 5);
    assert_int_equal(m.embedding, 28);
    assert_int_equal(m.rms_att, 28 + 4 * 5 * 8);
    assert_int_equal(m.head, size - 4 * 5 * 8);
    for (size_t n = 0; n < size; n++) {
        uint8_t *copy = exact_copy(data, n);
        assert_int_equal(ti_llama2c_parse(&m, copy, n, NULL), TERN_CORRUPT);
        free(copy);
    }
    free(data);
    l2c_refuse(good, size + 1, TERN_CORRUPT, "the header asks for a file of");
    static const struct {
        int index;
        int32_t value;
        tern_status status;
        const char *message;
    } bad[] = {
        {0, 0, TERN_CORRUPT, "dim is 0"},
        {0, -8, TERN_CORRUPT, "dim is -8"},
        {0, INT32_MAX, TERN_LIMIT, "dim is 2147483647"},
        {1, 0, TERN_CORRUPT, "hidden_dim is 0"},
        {1, 1 << 30, TERN_LIMIT, "hidden_dim is"},
        {2, -1, TERN_CORRUPT, "n_layers is -1"},
        {2, 5000, TERN_LIMIT, "n_layers is 5000"},
        {3, 0, TERN_CORRUPT, "n_heads is 0"},
        {3, 3, TERN_CORRUPT, "cannot be shared by 3 heads"},
        {3, 8, TERN_CORRUPT, "cannot be shared by 8 heads"}, /* heads of one element */
        {4, 3, TERN_CORRUPT, "with 3 key/value heads"},
        {4, 0, TERN_CORRUPT, "n_kv_heads is 0"},
        {5, 0, TERN_CORRUPT, "vocab_size is 0"},
        {5, INT32_MIN, TERN_LIMIT, "vocab_size is 2147483648"},
        {6, 0, TERN_CORRUPT, "seq_len is 0"},
        {6, INT32_MAX, TERN_LIMIT, "seq_len is"},
        {0, 0x616b3432, TERN_UNSUPPORTED, "version 1 or 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int32_t h[7];
        memcpy(h, good, sizeof h);
        h[bad[i].index] = bad[i].value;
        l2c_refuse(h, 64, bad[i].status, bad[i].message);
    }
    /* everything at its limit: the products must not wrap */
    const int32_t huge[7] = {1 << 20, 1 << 20, 1 << 12, 2, 2, -(1 << 22), 1 << 28};
    l2c_refuse(huge, 64, TERN_CORRUPT, "asks for a file of");
}

static void tok_bytes(ti_buf *b, const char *const *texts, size_t n)
{
    uint8_t word[4];
    ti_store_u32(word, 9);
    ti_buf_add(b, word, 4);
    for (size_t i = 0; i < n; i++) {
        ti_store_f32(word, -(float)i);
        ti_buf_add(b, word, 4);
        ti_store_u32(word, (uint32_t)strlen(texts[i]));
        ti_buf_add(b, word, 4);
        ti_buf_adds(b, texts[i]);
    }
}

static void l2c_tokenizer(void **state)
{
    (void)state;
    static const char *const texts[] = {"<unk>", "\n<s>\n", "\n</s>\n", "<0x0A>",
                                        " a",    "<0xG1>",  "<0x1a>",   "b"};
    ti_buf b = {0};
    ti_arena arena = {0};
    ti_llama2c_tok t, before;
    tern_err err = {0};
    tok_bytes(&b, texts, 8);
    assert_int_equal(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, 8, &err),
                     TERN_OK);
    static const char *const want[] = {"<unk>", "<s>", "</s>", "<0x0A>", "\xE2\x96\x81\x61"};
    static const int32_t types[] = {2, 3, 3, 6, 1, 1, 1, 1};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(t.types[i], types[i]);
        assert_true(t.scores[i] == -(float)i);
        if (i < 5) {
            assert_int_equal(t.tokens[i].len, strlen(want[i]));
            assert_memory_equal(t.tokens[i].data, want[i], strlen(want[i]));
        }
    }
    memset(&t, 0x5a, sizeof t);
    memcpy(&before, &t, sizeof t);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *copy = exact_copy(b.data, n);
        assert_int_equal(ti_llama2c_tok_parse(&t, &arena, copy, n, 8, &err), TERN_CORRUPT);
        free(copy);
    }
    expect(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, 7, &err), TERN_CORRUPT,
           &err, "9 bytes follow the last of 7 tokens");
    expect(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, 9, &err), TERN_CORRUPT,
           &err, "the tokenizer ends before token 8");
    expect(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, 2, &err), TERN_CORRUPT,
           &err, "no tokenizer of 2 tokens");
    expect(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, UINT32_MAX, &err),
           TERN_CORRUPT, &err, "no tokenizer of");
    ti_store_u32(b.data + 8, UINT32_MAX); /* the length of token 0 */
    expect(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, 8, &err), TERN_CORRUPT,
           &err, "token 0 has 4294967295 bytes");
    ti_store_u32(b.data + 8, 0);
    expect(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, 8, &err), TERN_CORRUPT,
           &err, "token 0 has 0 bytes");
    ti_store_u32(b.data + 8, 5);
    ti_store_u32(b.data + 4, 0x7fc00000); /* its score: not a number */
    expect(ti_llama2c_tok_parse(&t, &arena, (uint8_t *)b.data, b.len, 8, &err), TERN_CORRUPT,
           &err, "score of token 0 is not finite");
    assert_memory_equal(&t, &before, sizeof t);
    ti_arena_free(&arena);
    ti_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_values),      cmocka_unit_test(json_refuses),
        cmocka_unit_test(json_limits),      cmocka_unit_test(st_reads),
        cmocka_unit_test(st_refuses),       cmocka_unit_test(st_header_length),
        cmocka_unit_test(st_too_many),      cmocka_unit_test(st_damage),
        cmocka_unit_test(st_out_of_memory), cmocka_unit_test(l2c_header),
        cmocka_unit_test(l2c_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
