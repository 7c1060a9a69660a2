/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor types.  Three oracles: vectors made by the Python package gguf
 * (tests/data/make_dtype_vectors.py) for the types that it knows; for the others one formula a
 * weight, written here from the formats' descriptions and deliberately slow; and the float
 * conversions against arithmetic in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "kern/dtype.h"

static uint32_t random_state = 1;

static uint32_t rnd(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static float rnd_float(void)
{
    return ((float)(rnd() % 20001) - 10000.0f) / 7000.0f;
}

/* --- the table ------------------------------------------------------------------------- */

static void table(void **state)
{
    (void)state;
    static const uint32_t known[] = {0,  1,  2,  3,  8,  12, 14, 24,  25,  26, 27,
                                     28, 30, 34, 35, 36, 41, 42, 134, 135, 142};
    size_t n = 0;
    for (uint32_t id = 0; id < 0x7d00; id++) {
        const ti_type_info *info = ti_type_info_of(id);
        if (info) {
            assert_true(n < sizeof known / sizeof known[0]);
            assert_int_equal(id, known[n++]);
            assert_int_equal(info->type, id);
            assert_ptr_equal(ti_type_by_name(info->name), info);
        }
    }
    assert_int_equal(n, sizeof known / sizeof known[0]);
    assert_null(ti_type_info_of(UINT32_MAX));
    assert_null(ti_type_by_name("Q4_2"));
    assert_null(ti_type_by_name(""));
    assert_ptr_equal(ti_type_by_name("q4_k"), ti_type_info_of(TI_Q4_K));
    for (uint32_t id = TI_PACK_FIRST; id <= TI_PACK_G2; id++) {
        const ti_type_info *info = ti_type_info_of(id);
        uint64_t bytes = 7;
        assert_non_null(info);
        assert_false(info->decodable);
        assert_false(ti_type_tensor_bytes(info, 256, 1, &bytes));
        assert_int_equal(bytes, 7);
    }
}

static uint64_t bytes_of(ti_type type, uint64_t k, uint64_t rows)
{
    uint64_t bytes = 0;
    assert_true(ti_type_tensor_bytes(ti_type_info_of(type), k, rows, &bytes));
    return bytes;
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(bytes_of(TI_F32, 7, 3), 84);
    assert_int_equal(bytes_of(TI_Q4_0, 64, 2), 72);
    assert_int_equal(bytes_of(TI_Q6_K, 512, 3), 1260);
    assert_int_equal(bytes_of(TI_TQ1_0, 2560, 1), 540);
    assert_int_equal(bytes_of(TI_TQ2_0, 2560, 1), 660);
    assert_int_equal(bytes_of(TI_I2_S, 2560, 4), 2592);
    assert_int_equal(bytes_of(TI_I2_S_ARM, 2560, 4), 2592);
    assert_int_equal(bytes_of(TI_IQ1_BN, 128, 3), 84);
    assert_int_equal(bytes_of(TI_IQ2_BN, 128, 3), 108);
    assert_int_equal(bytes_of(TI_Q2_0, 128, 3), 108);
    assert_int_equal(bytes_of(TI_PQ2_0, 128, 3), 102);
    uint64_t bytes = 7;
    const ti_type_info *f32 = ti_type_info_of(TI_F32), *q4 = ti_type_info_of(TI_Q4_0);
    const ti_type_info *i2s = ti_type_info_of(TI_I2_S);
    assert_false(ti_type_tensor_bytes(q4, 33, 1, &bytes));
    assert_false(ti_type_tensor_bytes(f32, UINT64_MAX / 4 + 1, 1, &bytes));
    assert_false(ti_type_tensor_bytes(f32, UINT64_MAX / 8, 3, &bytes));
    assert_false(ti_type_tensor_bytes(i2s, 128, UINT64_MAX / 32, &bytes));
    assert_int_equal(bytes, 7);
}

/* --- half precision -------------------------------------------------------------------- */

static void every_f16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h <= UINT16_MAX; h++) {
        int sign = h >> 15 ? -1 : 1, exponent = h >> 10 & 31;
        double fraction = h & 1023;
        float f = ti_f16_to_f32((uint16_t)h);
        if (exponent == 31 && fraction != 0) {
            assert_true(isnan(f));
            assert_true(isnan(ti_f16_to_f32(ti_f32_to_f16(f))));
            continue;
        }
        double want = exponent == 31  ? HUGE_VAL
                      : exponent == 0 ? ldexp(fraction, -24)
                                      : ldexp(1024 + fraction, exponent - 25);
        assert_true((double)f == sign * want);
        assert_int_equal(ti_float_bits(f) >> 31, h >> 15);
        assert_int_equal(ti_f32_to_f16(f), h);
    }
}

/* Numbers between two halves: below, on and above the middle, for all neighbours. */
static void f16_rounding(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        double low = (double)ti_f16_to_f32((uint16_t)h);
        double high = (double)ti_f16_to_f32((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2);
        uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
        assert_int_equal(ti_f32_to_f16(middle), even);
        assert_int_equal(ti_f32_to_f16(-middle), even | 0x8000);
        assert_int_equal(ti_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(ti_f32_to_f16(nextafterf(middle, 1e9f)), h + 1);
    }
    assert_int_equal(ti_f32_to_f16(65504), 0x7bff);
    assert_int_equal(ti_f32_to_f16(nextafterf(65520, 0)), 0x7bff);
    assert_int_equal(ti_f32_to_f16(65520), 0x7c00);
    assert_int_equal(ti_f32_to_f16(-3e38f), 0xfc00);
    assert_int_equal(ti_f32_to_f16(-0.0f), 0x8000);
    assert_int_equal(ti_f32_to_f16(ti_bits_float(1)), 0);
}

static void bf16_rounding(void **state)
{
    (void)state;
    for (uint32_t h = 0; h <= UINT16_MAX; h++) {
        float f = ti_bf16_to_f32((uint16_t)h);
        assert_int_equal(ti_float_bits(f), h << 16);
        if (isnan(f)) {
            assert_true(isnan(ti_bf16_to_f32(ti_f32_to_bf16(f))));
            continue;
        }
        assert_int_equal(ti_f32_to_bf16(f), h);
        if (!isinf(f)) {
            assert_int_equal(ti_f32_to_bf16(ti_bits_float(h << 16 | 0x7fff)), h);
            assert_int_equal(ti_f32_to_bf16(ti_bits_float(h << 16 | 0x8000)), h + (h & 1));
            assert_int_equal(ti_f32_to_bf16(ti_bits_float(h << 16 | 0x8001)), h + 1);
        }
    }
    /* A NaN whose payload lies only in the bits that are cut off stays a NaN. */
    assert_true(isnan(ti_bf16_to_f32(ti_f32_to_bf16(ti_bits_float(0x7f800001)))));
    assert_true(isnan(ti_f16_to_f32(ti_f32_to_f16(ti_bits_float(0x7f800001)))));
}

/* --- vectors --------------------------------------------------------------------------- */

static uint8_t *unhex(const char *text, size_t *n)
{
    *n = strcspn(text, "\n") / 2;
    uint8_t *out = malloc(*n + 1);
    assert_non_null(out);
    for (size_t i = 0; i < *n; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return out;
}

static void check_decode(const ti_type_info *info, const uint8_t *data, size_t bytes,
                         const float *want, size_t n)
{
    float *got = malloc(n * sizeof *got);
    assert_non_null(got);
    assert_int_equal(bytes_of(info->type, n, 1), bytes);
    ti_type_to_f32(got, info, data, n, 1, 0, 0, n);
    assert_memory_equal(got, want, n * sizeof *got);
    /* as rows of one block, and block by block */
    for (size_t at = 0; at < n; at += info->block) {
        memset(got, 0xff, info->block * sizeof *got);
        ti_type_to_f32(got, info, data, info->block, n / info->block, at / info->block, 0,
                       info->block);
        assert_memory_equal(got, want + at, info->block * sizeof *got);
        memset(got, 0xff, info->block * sizeof *got);
        ti_type_to_f32(got, info, data, n, 1, 0, at, info->block);
        assert_memory_equal(got, want + at, info->block * sizeof *got);
    }
    free(got);
}

static void vectors(void **state)
{
    (void)state;
    const char *source = getenv("TERN_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/data/dtype_vectors.txt", source ? source : ".");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    static char head[64], first[1 << 15], second[1 << 15];
    int records = 0;
    while (fgets(head, sizeof head, f)) {
        assert_non_null(fgets(first, sizeof first, f));
        assert_non_null(fgets(second, sizeof second, f));
        char *name = strchr(head, ' ') + 1;
        name[strcspn(name, "\n")] = '\0';
        const ti_type_info *info = ti_type_by_name(name);
        assert_non_null(info);
        size_t bytes, n;
        uint8_t *data = unhex(first, &bytes), *digits = unhex(second, &n);
        n /= 4;
        float *values = malloc(n * sizeof *values);
        assert_non_null(values);
        for (size_t i = 0; i < n; i++) { /* written highest digit first */
            const uint8_t *d = digits + 4 * i;
            values[i] = ti_bits_float((uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 |
                                      (uint32_t)d[2] << 8 | d[3]);
        }
        if (head[0] == 'd') {
            check_decode(info, data, bytes, values, n);
        } else {
            uint8_t *got = malloc(bytes);
            assert_non_null(got);
            assert_true(ti_type_from_f32(got, info, values, n));
            assert_memory_equal(got, data, bytes);
            free(got);
        }
        free(values);
        free(digits);
        free(data);
        records++;
    }
    fclose(f);
    assert_int_equal(records, 14);
}

/* --- ternary layouts, one weight at a time ----------------------------------------------- */

static int digit(unsigned byte, unsigned n) /* n = 0: the highest of five */
{
    /* the number that was kept as ceil(q * 256 / 243) */
    unsigned q = byte * 243 / 256;
    static const unsigned pow3[5] = {81, 27, 9, 3, 1};
    return (int)(q / pow3[n] % 3);
}

static int code_tq1_0(const uint8_t *b, unsigned i)
{
    if (i < 160) {
        return digit(b[i % 32], i / 32);
    }
    if (i < 240) {
        return digit(b[32 + (i - 160) % 16], (i - 160) / 16);
    }
    return digit(b[48 + (i - 240) % 4], (i - 240) / 4);
}

static int code_iq1_bn(const uint8_t *b, unsigned i)
{
    unsigned group = i / 16, in = i % 16;
    return in == 15 ? digit(b[12], 4 - group) : digit(b[3 * group + in / 5], 4 - in % 5);
}

static int code_at(ti_type type, const uint8_t *row, unsigned i)
{
    switch (type) {
    case TI_TQ1_0:
        return code_tq1_0(row + i / 256 * 54, i % 256);
    case TI_TQ2_0:
        return row[i / 256 * 66 + i % 256 / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
    case TI_I2_S:
        return row[i / 128 * 32 + i % 32] >> (6 - 2 * (i % 128 / 32)) & 3;
    case TI_I2_S_ARM:
        return row[i / 64 * 16 + i % 16] >> (6 - 2 * (i % 64 / 16)) & 3;
    case TI_Q1_0:
        return (row[i / 128 * 18 + 2 + i % 128 / 8] >> (i % 8) & 1) * 2;
    case TI_Q2_0:
        return row[i / 64 * 18 + 2 + i % 64 / 4] >> (2 * (i % 4)) & 3;
    case TI_PQ2_0:
        return row[i / 128 * 34 + 2 + i % 128 / 4] >> (2 * (i % 4)) & 3;
    case TI_IQ1_BN:
        return code_iq1_bn(row + 2 + i / 64 * 13, i % 64);
    case TI_IQ2_BN:
        return row[4 + i / 64 * 16 + i % 16] >> (2 * (i % 64 / 16)) & 3;
    default:
        fail();
        return 0;
    }
}

static float scale_of(ti_type type, const uint8_t *tensor, const uint8_t *row, unsigned i,
                      unsigned total)
{
    switch (type) {
    case TI_TQ1_0:
        return ti_f16_to_f32(ti_load_u16(row + i / 256 * 54 + 52));
    case TI_TQ2_0:
        return ti_f16_to_f32(ti_load_u16(row + i / 256 * 66 + 64));
    case TI_Q1_0:
        return ti_f16_to_f32(ti_load_u16(row + i / 128 * 18));
    case TI_Q2_0:
        return ti_f16_to_f32(ti_load_u16(row + i / 64 * 18));
    case TI_PQ2_0:
        return ti_f16_to_f32(ti_load_u16(row + i / 128 * 34));
    case TI_IQ1_BN:
        return ti_f16_to_f32(ti_load_u16(row));
    case TI_IQ2_BN:
        return ti_load_f32(row);
    default:
        return ti_load_f32(tensor + total / 4);
    }
}

static const ti_type ternary_types[] = {TI_TQ1_0, TI_TQ2_0,  TI_I2_S,   TI_I2_S_ARM, TI_Q1_0,
                                        TI_Q2_0,  TI_IQ1_BN, TI_IQ2_BN, TI_PQ2_0};
enum { N_TERNARY = sizeof ternary_types / sizeof ternary_types[0], K = 768, ROWS = 3 };

/* Random bytes with finite scales. */
static void fill_random(ti_type type, uint8_t *data, uint64_t bytes)
{
    const ti_type_info *info = ti_type_info_of(type);
    for (uint64_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)rnd();
    }
    uint64_t row = K / info->block * info->block_bytes + info->row_bytes;
    for (uint64_t r = 0; r < ROWS; r++) {
        for (uint64_t b = 0; b < K / info->block && info->row_bytes == 0; b++) {
            uint8_t *block = data + r * row + b * info->block_bytes;
            bool last = type == TI_TQ1_0 || type == TI_TQ2_0;
            if (info->tensor_bytes == 0) {
                ti_store_u16(block + (last ? info->block_bytes - 2 : 0),
                             ti_f32_to_f16(rnd_float()));
            }
        }
        if (type == TI_IQ1_BN) {
            ti_store_u16(data + r * row, ti_f32_to_f16(rnd_float()));
        } else if (type == TI_IQ2_BN) {
            ti_store_f32(data + r * row, rnd_float());
        }
    }
    if (info->tensor_bytes) {
        ti_store_f32(data + bytes - info->tensor_bytes, rnd_float());
    }
}

static void ternary_layouts(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TERNARY; t++) {
        ti_type type = ternary_types[t];
        const ti_type_info *info = ti_type_info_of(type);
        uint64_t bytes = bytes_of(type, K, ROWS);
        uint64_t row_bytes = K / info->block * info->block_bytes + info->row_bytes;
        uint8_t *data = malloc(bytes);
        assert_non_null(data);
        fill_random(type, data, bytes);
        for (unsigned r = 0; r < ROWS; r++) {
            float out[K], scales[K];
            uint8_t codes[K];
            uint32_t run = 0;
            bool three = false;
            ti_type_to_f32(out, info, data, K, ROWS, r, 0, K);
            bool ok = ti_type_to_trits(codes, scales, &run, info, data, K, ROWS, r, 0, K);
            const uint8_t *row = data + r * row_bytes;
            for (unsigned i = 0; i < K; i++) {
                int code = code_at(type, row, i);
                float scale = scale_of(type, data, row, i, K * ROWS);
                three = three || code == 3;
                assert_int_equal(codes[i], code);
                assert_true(scales[i / run] == scale);
                assert_true(out[i] == scale * (float)(code - 1));
            }
            assert_true(ok == !three);
            /* a part of the row */
            uint8_t part[256];
            float part_out[256];
            (void)ti_type_to_trits(part, scales, &run, info, data, K, ROWS, r, 256, 256);
            ti_type_to_f32(part_out, info, data, K, ROWS, r, 256, 256);
            assert_memory_equal(part, codes + 256, 256);
            assert_memory_equal(part_out, out + 256, sizeof part_out);
            assert_true(scales[0] == scale_of(type, data, row, 256, K * ROWS));
        }
        free(data);
    }
}

/* Digit order, spelled out once by hand: weight 0 alone, then weight 1 alone. */
static void digit_order(void **state)
{
    (void)state;
    float x[256] = {0};
    uint8_t out[64];
    x[0] = 1; /* codes: 2 at weight 0, 1 elsewhere */
    assert_true(ti_type_from_f32(out, ti_type_info_of(TI_TQ1_0), x, 256));
    /* TQ1_0: first digit highest: 2*81 + 27+9+3+1 = 202 -> ceil(202*256/243) = 213 */
    assert_int_equal(out[0], 213);
    assert_int_equal(out[1], 128);  /* 121 = 11111 base 3 -> 128 */
    assert_int_equal(out[48], 127); /* four digits: 11110 base 3 = 120 -> 127 */
    x[0] = 0;
    x[32] = -1; /* second digit of byte 0: 121 - 27 = 94 -> 100 */
    assert_true(ti_type_from_f32(out, ti_type_info_of(TI_TQ1_0), x, 256));
    assert_int_equal(out[0], 100);
    memset(x, 0, sizeof x);
    x[0] = 1; /* IQ1_BN: first digit lowest: 121 + 1 = 122 -> 129 */
    assert_true(ti_type_from_f32(out, ti_type_info_of(TI_IQ1_BN), x, 64));
    assert_int_equal(out[2], 129);
    assert_int_equal(out[2 + 12], 43); /* 1+3+9+27 = 40 -> ceil(42.14) */
    x[31] = 1; /* weight 15 of group 1 is the second digit of the last byte: 43 -> 46 */
    assert_true(ti_type_from_f32(out, ti_type_info_of(TI_IQ1_BN), x, 64));
    assert_int_equal(out[2 + 12], 46);
}

/* What was encoded from trits comes back, whatever the scale. */
static void ternary_round_trip(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TERNARY; t++) {
        ti_type type = ternary_types[t];
        const ti_type_info *info = ti_type_info_of(type);
        if (info->tensor_bytes) {
            continue; /* I2_S: below */
        }
        float x[K], back[K];
        uint8_t data[K * 2];
        for (int i = 0; i < K; i++) {
            int trit = type == TI_Q1_0 ? (int)(rnd() % 2) * 2 - 1 : (int)(rnd() % 3) - 1;
            x[i] = 0.375f * (float)trit;
        }
        assert_true(ti_type_from_f32(data, info, x, K));
        ti_type_to_f32(back, info, data, K, 1, 0, 0, K);
        for (int i = 0; i < K; i++) {
            assert_true(back[i] == x[i]);
        }
    }
}

static void i2_s_round_trip(void **state)
{
    (void)state;
    uint8_t codes[ROWS * K], back[K];
    uint8_t *data = malloc(ROWS * K / 4 + 32);
    assert_non_null(data);
    for (int i = 0; i < ROWS * K; i++) {
        codes[i] = (uint8_t)(rnd() % 3);
    }
    ti_i2s_encode(data, codes, K, ROWS, 0.1f);
    const ti_type_info *info = ti_type_info_of(TI_I2_S);
    for (unsigned r = 0; r < ROWS; r++) {
        float scale = 0;
        uint32_t run = 0;
        assert_true(ti_type_to_trits(back, &scale, &run, info, data, K, ROWS, r, 0, K));
        assert_memory_equal(back, codes + r * K, K);
        assert_true(scale == 0.1f);
        assert_int_equal(run, K);
    }
    free(data);
}

/* --- encoding error ---------------------------------------------------------------------- */

/* Largest error of a dense type relative to the block's largest magnitude. */
static void dense_error(ti_type type, double bound, double rms_bound)
{
    const ti_type_info *info = ti_type_info_of(type);
    uint64_t bytes = bytes_of(type, K, 1);
    uint8_t *data = malloc(bytes);
    assert_non_null(data);
    double sum = 0, power = 0;
    for (int round = 0; round < 50; round++) {
        float x[K], back[K];
        for (int i = 0; i < K; i++) {
            x[i] = rnd_float() * rnd_float() * rnd_float();
        }
        assert_true(ti_type_from_f32(data, info, x, K));
        ti_type_to_f32(back, info, data, K, 1, 0, 0, K);
        for (int at = 0; at < K; at += 256) {
            double max = 0;
            for (int i = at; i < at + 256; i++) {
                max = fabs((double)x[i]) > max ? fabs((double)x[i]) : max;
            }
            for (int i = at; i < at + 256; i++) {
                double e = (double)x[i] - (double)back[i];
                assert_true(fabs(e) <= bound * max);
                sum += e * e;
                power += (double)x[i] * (double)x[i];
            }
        }
    }
    assert_true(sqrt(sum / power) <= rms_bound);
    free(data);
}

static void encoding_errors(void **state)
{
    (void)state;
    dense_error(TI_F32, 0, 0);
    dense_error(TI_F16, 1.0 / 2048, 1.0 / 2048);
    dense_error(TI_BF16, 1.0 / 256, 1.0 / 256);
    dense_error(TI_Q8_0, 0.6 / 127, 0.01);
    dense_error(TI_Q4_0, 1.02 / 8, 0.12); /* the far end of the scale is clipped by one step */
    dense_error(TI_Q4_1, 1.05 / 15, 0.1);
    dense_error(TI_Q4_K, 0.16, 0.1);
    dense_error(TI_Q6_K, 0.035, 0.025);
}

/* Weights that a conversion may meet: nothing may trap, and what is finite stays finite. */
static void odd_values(void **state)
{
    (void)state;
    static const float odd[] = {0,      -0.0f,   INFINITY, -INFINITY, NAN,
                                1e-45f, -1e-40f, 3.4e38f,  -3.4e38f,  6e4f};
    enum { N_ODD = sizeof odd / sizeof odd[0] };
    for (uint32_t id = 0; id < 256; id++) {
        const ti_type_info *info = ti_type_info_of(id);
        if (!info || !info->decodable || info->tensor_bytes) {
            continue;
        }
        uint8_t data[K * 4];
        float x[K], back[K];
        for (size_t which = 0; which <= N_ODD; which++) {
            for (int i = 0; i < K; i++) {
                x[i] = which < N_ODD ? odd[which] : odd[rnd() % N_ODD];
            }
            assert_true(ti_type_from_f32(data, info, x, K));
            ti_type_to_f32(back, info, data, K, 1, 0, 0, K);
            for (int i = 0; i < K && (which < 2 || which == 5 || which == 6); i++) {
                assert_true(fabsf(back[i]) <= 1e-38f);
            }
        }
    }
    float x[256] = {0};
    uint8_t data[1024];
    assert_false(ti_type_from_f32(data, ti_type_info_of(TI_I2_S), x, 256));
    assert_false(ti_type_from_f32(data, ti_type_info_of(TI_I32), x, 256));
    assert_false(ti_type_from_f32(data, ti_type_info_of(TI_PACK_T2), x, 256));
}

/* A block of equal numbers is kept well by the K types: their scale search may not lose it. */
static void constant_blocks(void **state)
{
    (void)state;
    static const float values[] = {1, -1, 0.25f, -123};
    static const ti_type k_types[] = {TI_Q4_K, TI_Q6_K};
    for (int t = 0; t < 2; t++) {
        for (int v = 0; v < 4; v++) {
            float x[256], back[256];
            uint8_t data[256];
            for (int i = 0; i < 256; i++) {
                x[i] = values[v];
            }
            const ti_type_info *info = ti_type_info_of(k_types[t]);
            assert_true(ti_type_from_f32(data, info, x, 256));
            ti_type_to_f32(back, info, data, 256, 1, 0, 0, 256);
            for (int i = 0; i < 256; i++) {
                assert_true(fabsf(back[i] - x[i]) <= 0.002f * fabsf(x[i]));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(sizes),
        cmocka_unit_test(every_f16),
        cmocka_unit_test(f16_rounding),
        cmocka_unit_test(bf16_rounding),
        cmocka_unit_test(vectors),
        cmocka_unit_test(ternary_layouts),
        cmocka_unit_test(digit_order),
        cmocka_unit_test(ternary_round_trip),
        cmocka_unit_test(i2_s_round_trip),
        cmocka_unit_test(encoding_errors),
        cmocka_unit_test(odd_values),
        cmocka_unit_test(constant_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
