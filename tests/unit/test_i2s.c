/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of I2_S: told by a key, told by an option, found from weights that have the
 * structure of trained ones, and asked for when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gguf_build.h"
#include "model/gguf.h"
#include "model/i2s.h"

enum { EMBD = 512, FF = 1024 };

static uint64_t random_state;

static double rnd(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 40) / (double)(1 << 24);
}

/* A tensor [rows][k] with non-zero weights where the row's and the column's shares say. */
static void add_i2s(ti_buf *data, const double *row_share, const double *column_share,
                    uint64_t rows, uint64_t k, int layout)
{
    uint64_t group = layout == TI_I2S_ARM ? 64 : 128, lane = group / 4;
    uint8_t *bytes = calloc(rows * k / 4 + 32, 1);
    assert_non_null(bytes);
    for (uint64_t r = 0; r < rows; r++) {
        for (uint64_t c = 0; c < k; c++) {
            double share = row_share[r] * column_share[c];
            unsigned code = rnd() < share ? (rnd() < 0.5 ? 0 : 2) : 1;
            uint64_t byte = r * k / 4 + c / group * lane + c % lane;
            bytes[byte] = (uint8_t)(bytes[byte] | code << (6 - 2 * (c % group / lane)));
        }
    }
    ti_store_f32(bytes + rows * k / 4, 0.02f);
    ti_buf_add(data, bytes, rows * k / 4 + 32);
    gb_pad(data, 32);
    free(bytes);
}

/* Shares of channels around 0.8: `spread` 0 = all the same, as random weights have them. */
static void shares(double *out, int n, double spread)
{
    for (int i = 0; i < n; i++) {
        out[i] = 0.8 + spread * (rnd() - 0.5);
    }
}

/* One layer's feed-forward; `key` may be NULL. */
static void layer_file(ti_buf *b, double spread, int layout, const char *key)
{
    double embd[EMBD], ff[FF];
    ti_buf data = {0};
    shares(embd, EMBD, spread);
    shares(ff, FF, spread);
    gb_head(b, 3, 4, key ? 1 : 0);
    if (key) {
        gb_kv_str(b, TI_GGUF_KEY_I2S_LAYOUT, key);
    }
    gb_tensor(b, "blk.0.ffn_gate.weight", EMBD, FF, TI_I2_S, data.len);
    add_i2s(&data, ff, embd, FF, EMBD, layout);
    gb_tensor(b, "blk.0.ffn_up.weight", EMBD, FF, TI_I2_S, data.len);
    add_i2s(&data, ff, embd, FF, EMBD, layout);
    gb_tensor(b, "blk.0.ffn_down.weight", FF, EMBD, TI_I2_S, data.len);
    add_i2s(&data, embd, ff, EMBD, FF, layout);
    gb_tensor(b, "blk.0.ffn_norm.weight", EMBD, 0, TI_F32, data.len);
    for (int i = 0; i < EMBD; i++) {
        gb_u32(&data, spread > 0 ? ti_float_bits((float)embd[i]) : 0x7fc00000); /* NaN */
    }
    gb_pad(b, 32);
    ti_buf_add(b, data.data, data.len);
    assert_false(b->failed);
    ti_buf_free(&data);
}

/* The type that the tensors get, or 0 and the message. */
static uint32_t layout_of(double spread, int layout, const char *key, int option, tern_err *err)
{
    ti_buf b = {0};
    ti_gguf g;
    ti_gguf_opts opts = {.i2s = option};
    layer_file(&b, spread, layout, key);
    uint32_t type = 0;
    if (ti_gguf_parse(&g, b.data, b.len, &opts, err) == TERN_OK) {
        type = g.tensors[0].type->type;
        for (int i = 1; i < 3; i++) {
            assert_int_equal(g.tensors[i].type->type, type);
        }
        ti_gguf_close(&g);
    }
    ti_buf_free(&b);
    return type;
}

static void told(void **state)
{
    (void)state;
    tern_err err;
    assert_int_equal(layout_of(0, TI_I2S_X86, "x86", 0, &err), TI_I2_S);
    assert_int_equal(layout_of(0, TI_I2S_X86, "arm", 0, &err), TI_I2_S_ARM);
    assert_int_equal(layout_of(0, TI_I2S_X86, NULL, TI_I2S_X86, &err), TI_I2_S);
    assert_int_equal(layout_of(0, TI_I2S_X86, NULL, TI_I2S_ARM, &err), TI_I2_S_ARM);
    /* the option is stronger than the key, so that a wrong key can be overruled */
    assert_int_equal(layout_of(0, TI_I2S_X86, "arm", TI_I2S_X86, &err), TI_I2_S);
    assert_int_equal(layout_of(0, TI_I2S_X86, "mips", 0, &err), 0);
    assert_int_equal(err.status, TERN_CORRUPT);
    assert_non_null(strstr(err.message, "'mips', neither x86 nor arm"));
}

static void random_weights_are_asked_for(void **state)
{
    (void)state;
    for (random_state = 1; random_state < 20; random_state += 7) {
        tern_err err = {0};
        assert_int_equal(layout_of(0, TI_I2S_X86, NULL, 0, &err), 0);
        assert_int_equal(err.status, TERN_UNSUPPORTED);
        assert_string_equal(err.message,
                            "tensor 'blk.0.ffn_gate.weight' is I2_S, written in one layout on "
                            "x86 and in another on ARM, and its weights do not tell which: "
                            "choose with --i2s x86 or --i2s arm");
    }
}

static void structure_is_found(void **state)
{
    (void)state;
    tern_err err;
    static const double spreads[] = {0.1, 0.4};
    for (int i = 0; i < 2; i++) {
        random_state = 5 + (uint64_t)i;
        assert_int_equal(layout_of(spreads[i], TI_I2S_X86, NULL, 0, &err), TI_I2_S);
        assert_int_equal(layout_of(spreads[i], TI_I2S_ARM, NULL, 0, &err), TI_I2_S_ARM);
    }
}

/* Rows that only ARM's groups of 64 divide. */
static void narrow_rows(void **state)
{
    (void)state;
    ti_buf b = {0};
    gb_head(&b, 3, 1, 0);
    gb_tensor(&b, "x", 192, 2, TI_I2_S, 0);
    gb_pad(&b, 32);
    gb_fill(&b, 192 * 2 / 4 + 32, 0);
    ti_gguf g;
    tern_err err;
    ti_gguf_opts opts = {.i2s = TI_I2S_ARM};
    assert_int_equal(ti_gguf_parse(&g, b.data, b.len, &opts, &err), TERN_OK);
    assert_int_equal(g.tensors[0].bytes, 128);
    ti_gguf_close(&g);
    opts.i2s = TI_I2S_X86;
    assert_int_equal(ti_gguf_parse(&g, b.data, b.len, &opts, &err), TERN_CORRUPT);
    assert_non_null(strstr(err.message, "no multiple of 128"));
    assert_int_equal(ti_gguf_parse(&g, b.data, b.len, NULL, &err), TERN_UNSUPPORTED);
    opts = (ti_gguf_opts){.directory_only = true};
    assert_int_equal(ti_gguf_parse(&g, b.data, b.len, &opts, &err), TERN_OK);
    assert_int_equal(g.tensors[0].type->type, TI_I2_S);
    ti_gguf_close(&g);
    ti_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told),
        cmocka_unit_test(random_weights_are_asked_for),
        cmocka_unit_test(structure_is_found),
        cmocka_unit_test(narrow_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
