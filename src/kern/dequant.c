/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor bytes to numbers.
 *
 * All ternary types go through one path: a function unpacks a block to codes 0, 1, 2 and the
 * table says where the scale is.  Formats: ggml (TQ1_0, TQ2_0, Q1_0, Q2_0 and the dense types),
 * bitnet.cpp (I2_S), ik_llama.cpp (IQ1_BN, IQ2_BN). */
#include <string.h>

#include "base/err.h"
#include "base/le.h"
#include "kern/dtype.h"

enum { MAX_TERNARY_BLOCK = 256 };

/* --- unpacking of ternary blocks to codes --------------------------------------------------
 * Five trits are one byte: the number q = sum of digits x powers of 3, below 243, is kept as
 * ceil(q * 256 / 243), a fraction of one.  Times 3^n modulo 256 the digit n is what sticks out
 * on top, so it is (fraction * 3) >> 8; every byte gives digits 0, 1, 2. */

static const uint8_t pow3[5] = {1, 3, 9, 27, 81};

static inline uint8_t top_trit(unsigned fraction)
{
    return (uint8_t)((fraction & 0xff) * 3 >> 8);
}

/* `runs` digits of each of n bytes; digit d of byte m is weight m + n * d. */
static void trit_runs(uint8_t *codes, const uint8_t *bytes, unsigned n, unsigned runs)
{
    for (unsigned d = 0; d < runs; d++) {
        for (unsigned m = 0; m < n; m++) {
            codes[n * d + m] = top_trit((unsigned)bytes[m] * pow3[d]);
        }
    }
}

static void unpack_tq1_0(uint8_t *codes, const uint8_t *block)
{
    trit_runs(codes, block, 32, 5);
    trit_runs(codes + 160, block + 32, 16, 5);
    trit_runs(codes + 240, block + 48, 4, 4);
}

/* Pairs of bits, lowest first; pair p of byte m is weight m + n * p. */
static void pair_runs(uint8_t *codes, const uint8_t *bytes, unsigned n)
{
    for (unsigned p = 0; p < 4; p++) {
        for (unsigned m = 0; m < n; m++) {
            codes[n * p + m] = bytes[m] >> (2 * p) & 3;
        }
    }
}

static void unpack_tq2_0(uint8_t *codes, const uint8_t *block)
{
    pair_runs(codes, block, 32);
    pair_runs(codes + 128, block + 32, 32);
}

static void unpack_iq2_bn(uint8_t *codes, const uint8_t *block)
{
    pair_runs(codes, block, 16);
}

/* Like pair_runs(), highest pair first. */
static void pair_runs_down(uint8_t *codes, const uint8_t *bytes, unsigned n)
{
    for (unsigned p = 0; p < 4; p++) {
        for (unsigned m = 0; m < n; m++) {
            codes[n * p + m] = bytes[m] >> (6 - 2 * p) & 3;
        }
    }
}

static void unpack_i2_s(uint8_t *codes, const uint8_t *block)
{
    pair_runs_down(codes, block, 32);
}

static void unpack_i2_s_arm(uint8_t *codes, const uint8_t *block)
{
    pair_runs_down(codes, block, 16);
}

static void sequential_pairs(uint8_t *codes, const uint8_t *bytes, unsigned n)
{
    for (unsigned m = 0; m < n; m++) {
        for (unsigned p = 0; p < 4; p++) {
            codes[4 * m + p] = bytes[m] >> (2 * p) & 3;
        }
    }
}

static void unpack_q2_0(uint8_t *codes, const uint8_t *block)
{
    sequential_pairs(codes, block + 2, 16);
}

static void unpack_pq2_0(uint8_t *codes, const uint8_t *block)
{
    sequential_pairs(codes, block + 2, 32);
}

static void unpack_q1_0(uint8_t *codes, const uint8_t *block)
{
    for (unsigned j = 0; j < 128; j++) {
        codes[j] = (uint8_t)((block[2 + j / 8] >> (j % 8) & 1) * 2);
    }
}

/* Four groups of 16: three bytes of five digits and one digit of the last byte.  Here the
 * first digit is the lowest, the other way round from TQ1_0. */
static void unpack_iq1_bn(uint8_t *codes, const uint8_t *block)
{
    for (unsigned group = 0; group < 4; group++) {
        for (unsigned byte = 0; byte < 3; byte++) {
            for (unsigned d = 0; d < 5; d++) {
                codes[16 * group + 5 * byte + d] =
                    top_trit((unsigned)block[3 * group + byte] * pow3[4 - d]);
            }
        }
        codes[16 * group + 15] = top_trit((unsigned)block[12] * pow3[4 - group]);
    }
}

/* Where a ternary type keeps its scale. */
typedef enum scale_place {
    BLOCK_F16_FIRST,
    BLOCK_F16_LAST,
    ROW_F16,
    ROW_F32,
    TENSOR_F32
} scale_place;

typedef struct ternary_format {
    void (*unpack)(uint8_t *codes, const uint8_t *block);
    scale_place place;
} ternary_format;

static ternary_format format_of(ti_type type)
{
    switch (type) {
    case TI_TQ1_0:
        return (ternary_format){unpack_tq1_0, BLOCK_F16_LAST};
    case TI_TQ2_0:
        return (ternary_format){unpack_tq2_0, BLOCK_F16_LAST};
    case TI_Q1_0:
        return (ternary_format){unpack_q1_0, BLOCK_F16_FIRST};
    case TI_Q2_0:
        return (ternary_format){unpack_q2_0, BLOCK_F16_FIRST};
    case TI_PQ2_0:
        return (ternary_format){unpack_pq2_0, BLOCK_F16_FIRST};
    case TI_I2_S:
        return (ternary_format){unpack_i2_s, TENSOR_F32};
    case TI_I2_S_ARM:
        return (ternary_format){unpack_i2_s_arm, TENSOR_F32};
    case TI_IQ1_BN:
        return (ternary_format){unpack_iq1_bn, ROW_F16};
    case TI_IQ2_BN:
        return (ternary_format){unpack_iq2_bn, ROW_F32};
    default:
        TI_ASSERT(!"a ternary type");
        return (ternary_format){NULL, TENSOR_F32};
    }
}

/* A row's bytes, and how many of them there are before the next row. */
static const uint8_t *row_at(const ti_type_info *info, const void *data, uint64_t k,
                             uint64_t row)
{
    return (const uint8_t *)data +
           row * (k / info->block * info->block_bytes + info->row_bytes);
}

static float scale_at(const ti_type_info *info, scale_place place, const uint8_t *row,
                      const uint8_t *block, const void *data, uint64_t k, uint64_t rows)
{
    switch (place) {
    case BLOCK_F16_FIRST:
        return ti_f16_to_f32(ti_load_u16(block));
    case BLOCK_F16_LAST:
        return ti_f16_to_f32(ti_load_u16(block + info->block_bytes - 2));
    case ROW_F16:
        return ti_f16_to_f32(ti_load_u16(row));
    case ROW_F32:
        return ti_load_f32(row);
    case TENSOR_F32:
        break;
    }
    return ti_load_f32(row_at(info, data, k, rows)); /* right behind the last row */
}

bool ti_type_to_trits(uint8_t *codes, float *scales, uint32_t *scale_run,
                      const ti_type_info *info, const void *data, uint64_t k, uint64_t rows,
                      uint64_t row, uint64_t first, uint64_t n)
{
    TI_ASSERT(info->ternary && info->decodable);
    TI_ASSERT(first % info->block == 0 && n % info->block == 0);
    TI_ASSERT(row < rows && first <= k && n <= k - first && k <= UINT32_MAX);
    ternary_format format = format_of(info->type);
    bool per_block = format.place == BLOCK_F16_FIRST || format.place == BLOCK_F16_LAST;
    const uint8_t *start = row_at(info, data, k, row);
    const uint8_t *block = start + info->row_bytes + first / info->block * info->block_bytes;
    *scale_run = per_block ? info->block : (uint32_t)k;
    if (!per_block) {
        scales[0] = scale_at(info, format.place, start, block, data, k, rows);
    }
    unsigned seen = 0;
    for (uint64_t at = 0; at < n; at += info->block) {
        if (per_block) {
            *scales++ = scale_at(info, format.place, start, block, data, k, rows);
        }
        format.unpack(codes + at, block);
        unsigned wrong = 0;
        for (uint32_t i = 0; i < info->block; i++) { /* code 3 has both bits */
            wrong |= codes[at + i] & (codes[at + i] >> 1);
        }
        seen |= wrong;
        block += info->block_bytes;
    }
    return seen == 0;
}

static void ternary_to_f32(float *out, const ti_type_info *info, const void *data, uint64_t k,
                           uint64_t rows, uint64_t row, uint64_t first, uint64_t n)
{
    ternary_format format = format_of(info->type);
    const uint8_t *start = row_at(info, data, k, row);
    const uint8_t *block = start + info->row_bytes + first / info->block * info->block_bytes;
    uint8_t codes[MAX_TERNARY_BLOCK];
    for (uint64_t at = 0; at < n; at += info->block) {
        float d = scale_at(info, format.place, start, block, data, k, rows);
        format.unpack(codes, block);
        for (uint32_t i = 0; i < info->block; i++) {
            out[at + i] = d * (float)((int)codes[i] - 1);
        }
        block += info->block_bytes;
    }
}

/* --- dense types ----------------------------------------------------------------------- */

static void q4_0_block(float *out, const uint8_t *b)
{
    float d = ti_f16_to_f32(ti_load_u16(b));
    for (int j = 0; j < 16; j++) {
        out[j] = d * (float)((b[2 + j] & 15) - 8);
        out[16 + j] = d * (float)((b[2 + j] >> 4) - 8);
    }
}

static void q4_1_block(float *out, const uint8_t *b)
{
    float d = ti_f16_to_f32(ti_load_u16(b)), m = ti_f16_to_f32(ti_load_u16(b + 2));
    for (int j = 0; j < 16; j++) {
        out[j] = d * (float)(b[4 + j] & 15) + m;
        out[16 + j] = d * (float)(b[4 + j] >> 4) + m;
    }
}

static void q8_0_block(float *out, const uint8_t *b)
{
    float d = ti_f16_to_f32(ti_load_u16(b));
    for (int j = 0; j < 32; j++) {
        out[j] = d * (float)(int8_t)b[2 + j];
    }
}

/* The 6-bit scale and minimum of sub-block s (0..7) of Q4_K.  The first four lie in the low
 * six bits of bytes 0-3 and 4-7; the last four have their low nibbles together in bytes 8-11
 * and their high pairs in the top bits of the first eight. */
static void q4_k_scale(const uint8_t *p, int s, unsigned *scale, unsigned *min)
{
    if (s < 4) {
        *scale = p[s] & 63;
        *min = p[4 + s] & 63;
    } else {
        *scale = (p[4 + s] & 15) | (p[s - 4] >> 6) << 4;
        *min = p[4 + s] >> 4 | (p[s] >> 6) << 4;
    }
}

static void q4_k_block(float *out, const uint8_t *b)
{
    float d = ti_f16_to_f32(ti_load_u16(b)), dmin = ti_f16_to_f32(ti_load_u16(b + 2));
    for (int s = 0; s < 8; s++) {
        unsigned scale, min;
        q4_k_scale(b + 4, s, &scale, &min);
        const uint8_t *q = b + 16 + s / 2 * 32;
        float ds = d * (float)scale, dm = dmin * (float)min;
        for (int j = 0; j < 32; j++) {
            unsigned nibble = s % 2 ? q[j] >> 4 : q[j] & 15u;
            out[32 * s + j] = ds * (float)nibble - dm;
        }
    }
}

static void q6_k_block(float *out, const uint8_t *b)
{
    float d = ti_f16_to_f32(ti_load_u16(b + 208));
    for (int i = 0; i < 256; i++) {
        int half = i / 128, run = i % 128 / 32, j = i % 32;
        unsigned low = b[64 * half + 32 * (run % 2) + j] >> (run < 2 ? 0 : 4) & 15u;
        unsigned high = b[128 + 32 * half + j] >> (2 * run) & 3u;
        float scaled = d * (float)(int8_t)b[192 + i / 16];
        out[i] = scaled * (float)((int)(low | high << 4) - 32);
    }
}

void ti_type_to_f32(float *out, const ti_type_info *info, const void *data, uint64_t k,
                    uint64_t rows, uint64_t row, uint64_t first, uint64_t n)
{
    TI_ASSERT(info->decodable);
    TI_ASSERT(first % info->block == 0 && n % info->block == 0);
    TI_ASSERT(row < rows && first <= k && n <= k - first);
    if (info->ternary) {
        ternary_to_f32(out, info, data, k, rows, row, first, n);
        return;
    }
    void (*decode)(float *, const uint8_t *) = NULL;
    const uint8_t *b = row_at(info, data, k, row) + first / info->block * info->block_bytes;
    switch (info->type) {
    case TI_F32:
        for (uint64_t i = 0; i < n; i++) {
            out[i] = ti_load_f32(b + 4 * i);
        }
        return;
    case TI_F16:
        for (uint64_t i = 0; i < n; i++) {
            out[i] = ti_f16_to_f32(ti_load_u16(b + 2 * i));
        }
        return;
    case TI_BF16:
        for (uint64_t i = 0; i < n; i++) {
            out[i] = ti_bf16_to_f32(ti_load_u16(b + 2 * i));
        }
        return;
    case TI_Q4_0:
        decode = q4_0_block;
        break;
    case TI_Q4_1:
        decode = q4_1_block;
        break;
    case TI_Q8_0:
        decode = q8_0_block;
        break;
    case TI_Q4_K:
        decode = q4_k_block;
        break;
    case TI_Q6_K:
        decode = q6_k_block;
        break;
    default:
        break;
    }
    TI_ASSERT(decode);
    for (uint64_t at = 0; at < n; at += info->block) {
        decode(out + at, b);
        b += info->block_bytes;
    }
}
