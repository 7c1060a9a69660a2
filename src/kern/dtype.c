/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tensor types, and half precision.
 *
 * The ids of files are sparse, so the table is searched; it is short and nothing that is fast
 * looks into it.  Half precision is converted in integers, so that every machine gets the same
 * bits, subnormals and ties included. */
#include "kern/dtype.h"

#include <strings.h>

#include "base/le.h"
#include "base/mem.h"

/* clang-format off */
static const ti_type_info types[] = {
    /* type        name       block bytes row tail ternary decodable */
    {TI_F32,      "F32",        1,   4,  0,  0, false, true},
    {TI_F16,      "F16",        1,   2,  0,  0, false, true},
    {TI_Q4_0,     "Q4_0",      32,  18,  0,  0, false, true},
    {TI_Q4_1,     "Q4_1",      32,  20,  0,  0, false, true},
    {TI_Q8_0,     "Q8_0",      32,  34,  0,  0, false, true},
    {TI_Q4_K,     "Q4_K",     256, 144,  0,  0, false, true},
    {TI_Q6_K,     "Q6_K",     256, 210,  0,  0, false, true},
    {TI_I8,       "I8",         1,   1,  0,  0, false, false},
    {TI_I16,      "I16",        1,   2,  0,  0, false, false},
    {TI_I32,      "I32",        1,   4,  0,  0, false, false},
    {TI_I64,      "I64",        1,   8,  0,  0, false, false},
    {TI_F64,      "F64",        1,   8,  0,  0, false, false},
    {TI_BF16,     "BF16",       1,   2,  0,  0, false, true},
    {TI_TQ1_0,    "TQ1_0",    256,  54,  0,  0, true,  true},
    {TI_TQ2_0,    "TQ2_0",    256,  66,  0,  0, true,  true},
    {TI_I2_S,     "I2_S",     128,  32,  0, 32, true,  true},
    {TI_Q1_0,     "Q1_0",     128,  18,  0,  0, true,  true},
    {TI_Q2_0,     "Q2_0",      64,  18,  0,  0, true,  true},
    {TI_IQ1_BN,   "IQ1_BN",    64,  13,  2,  0, true,  true},
    {TI_IQ2_BN,   "IQ2_BN",    64,  16,  4,  0, true,  true},
    {TI_PQ2_0,    "PQ2_0",    128,  34,  0,  0, true,  true},
    {TI_I2_S_ARM, "I2_S_ARM",  64,  16,  0, 32, true,  true},
    {TI_PACK_T2,  "T2",         1,   0,  0,  0, false, false},
    {TI_PACK_T5,  "T5",         1,   0,  0,  0, false, false},
    {TI_PACK_G8,  "G8",         1,   0,  0,  0, false, false},
    {TI_PACK_G4,  "G4",         1,   0,  0,  0, false, false},
    {TI_PACK_G4M, "G4M",        1,   0,  0,  0, false, false},
    {TI_PACK_K4,  "K4",         1,   0,  0,  0, false, false},
    {TI_PACK_K6,  "K6",         1,   0,  0,  0, false, false},
    {TI_PACK_G2,  "G2",         1,   0,  0,  0, false, false},
};
/* clang-format on */

static const size_t n_types = sizeof types / sizeof types[0];

const ti_type_info *ti_type_info_of(uint32_t type)
{
    for (size_t i = 0; i < n_types; i++) {
        if ((uint32_t)types[i].type == type) {
            return &types[i];
        }
    }
    return NULL;
}

const ti_type_info *ti_type_by_name(const char *name)
{
    for (size_t i = 0; i < n_types; i++) {
        if (strcasecmp(types[i].name, name) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

bool ti_type_tensor_bytes(const ti_type_info *info, uint64_t k, uint64_t rows, uint64_t *bytes)
{
    uint64_t row, all;
    if (info->block_bytes == 0 || k % info->block != 0 ||
        !ti_mul_u64(k / info->block, info->block_bytes, &row) ||
        !ti_add_u64(row, info->row_bytes, &row) || !ti_mul_u64(row, rows, &all) ||
        !ti_add_u64(all, info->tensor_bytes, &all)) {
        return false;
    }
    *bytes = all;
    return true;
}

/* --- half precision ----------------------------------------------------------------------
 * IEEE 754: binary16 has 5 exponent bits with bias 15 and 10 fraction bits, binary32 has 8
 * with bias 127 and 23. */
enum {
    F16_SIGN = 0x8000,
    F16_INF = 0x7c00,
    F16_QUIET_NAN = 0x7e00,
    F16_FRACTION = 0x3ff,
    FRACTION_SHIFT = 23 - 10,
    F32_HIDDEN_BIT = 0x800000,
    F32_FRACTION = 0x7fffff,
    F32_INF = 0x7f800000,
    F32_REBIAS = (127 - 15) << 23,
    F32_OVERFLOW = 0x477ff000,   /* 65520, from where binary16 rounds to infinity */
    F32_MIN_NORMAL = 0x38800000, /* 2^-14, the smallest normal binary16 */
    F32_UNDERFLOW = 0x33000000   /* 2^-25, half of the smallest subnormal: ties to zero */
};

float ti_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & F16_SIGN) << 16;
    uint32_t magnitude = h & (F16_INF | F16_FRACTION);
    if (magnitude >= F16_INF) {
        return ti_bits_float(sign | F32_INF | (magnitude & F16_FRACTION) << FRACTION_SHIFT);
    }
    if (magnitude > F16_FRACTION) {
        return ti_bits_float(sign | ((magnitude << FRACTION_SHIFT) + F32_REBIAS));
    }
    if (magnitude == 0) {
        return ti_bits_float(sign);
    }
    /* Subnormal: move the highest set bit to where the hidden bit is. */
    uint32_t shift = 0;
    while (!(magnitude & (F16_FRACTION + 1))) {
        magnitude <<= 1;
        shift++;
    }
    uint32_t exponent = 127 - 15 + 1 - shift;
    return ti_bits_float(sign | exponent << 23 | (magnitude & F16_FRACTION) << FRACTION_SHIFT);
}

uint16_t ti_f32_to_f16(float f)
{
    uint32_t bits = ti_float_bits(f);
    uint32_t sign = bits >> 16 & F16_SIGN;
    uint32_t a = bits & 0x7fffffff;
    if (a > F32_INF) {
        return (uint16_t)(sign | F16_QUIET_NAN | (a >> FRACTION_SHIFT & F16_FRACTION));
    }
    if (a >= F32_OVERFLOW) {
        return (uint16_t)(sign | F16_INF);
    }
    if (a <= F32_UNDERFLOW) {
        return (uint16_t)sign;
    }
    if (a >= F32_MIN_NORMAL) {
        a -= F32_REBIAS;
        a += (1u << (FRACTION_SHIFT - 1)) - 1 + (a >> FRACTION_SHIFT & 1);
        return (uint16_t)(sign | a >> FRACTION_SHIFT);
    }
    /* Subnormal: the significand in units of 2^-24, to nearest even. */
    uint32_t shift = 126 - (a >> 23);
    uint32_t significand = (a & F32_FRACTION) | F32_HIDDEN_BIT;
    uint32_t half = 1u << (shift - 1);
    uint32_t r = significand >> shift;
    uint32_t rest = significand & (2 * half - 1);
    r += rest > half || (rest == half && (r & 1));
    return (uint16_t)(sign | r);
}

float ti_bf16_to_f32(uint16_t b)
{
    return ti_bits_float((uint32_t)b << 16);
}

uint16_t ti_f32_to_bf16(float f)
{
    enum { BF16_QUIET = 0x40 };
    uint32_t bits = ti_float_bits(f);
    if ((bits & 0x7fffffff) > F32_INF) {
        return (uint16_t)(bits >> 16 | BF16_QUIET);
    }
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
