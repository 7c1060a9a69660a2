/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers to tensor bytes.
 *
 * The block formats of ggml are written byte for byte as its reference quantisers write them:
 * scale and inverse scale in float32, and each format's own rounding (Q4_0 and Q4_1 add a half
 * and cut, the others round halves away from zero), so that a file made by tern equals one made
 * elsewhere.  Values that are not finite become zero: a conversion must not have undefined
 * behaviour on the weights it is given. */
#include "kern/quantize.h"

#include <string.h>

#include "base/err.h"
#include "base/le.h"
#include "kern/dtype.h"

enum { MAX_BLOCK = 256 };

static float magnitude(float x)
{
    return x < 0 ? -x : x;
}

/* The largest magnitude of n numbers; NaN is passed over. */
static float absmax(const float *x, uint64_t n)
{
    float max = 0;
    for (uint64_t i = 0; i < n; i++) {
        float a = magnitude(x[i]);
        max = a > max ? a : max;
    }
    return max;
}

static float inverse(float d)
{
    return d != 0 ? 1.0f / d : 0.0f;
}

/* Cuts toward zero into [low, high]; NaN gives `low`. */
static int cut(double x, int low, int high)
{
    if (!(x > low)) {
        return low;
    }
    return x < high ? (int)x : high;
}

int ti_round_away(float x, int low, int high)
{
    /* In double x + 0.5 is exact for all x whose rounding is in doubt. */
    double wide = (double)x;
    if (wide != wide) {
        return 0;
    }
    return cut(wide < 0 ? wide - 0.5 : wide + 0.5, low, high);
}

/* --- Q4_0, Q4_1, Q8_0 -------------------------------------------------------------------- */

static void q4_0_block(uint8_t *out, const float *x)
{
    float max = 0;
    for (int i = 0; i < 32; i++) {
        max = magnitude(x[i]) > magnitude(max) ? x[i] : max;
    }
    float d = max / -8, id = inverse(d);
    ti_store_u16(out, ti_f32_to_f16(d));
    for (int j = 0; j < 16; j++) {
        int low = cut((double)(x[j] * id + 8.5f), 0, 15);
        int high = cut((double)(x[16 + j] * id + 8.5f), 0, 15);
        out[2 + j] = (uint8_t)(low | high << 4);
    }
}

static void q4_1_block(uint8_t *out, const float *x)
{
    float min = x[0], max = x[0];
    for (int i = 1; i < 32; i++) {
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    float d = (max - min) / 15, id = inverse(d);
    ti_store_u16(out, ti_f32_to_f16(d));
    ti_store_u16(out + 2, ti_f32_to_f16(min));
    for (int j = 0; j < 16; j++) {
        int low = cut((double)((x[j] - min) * id + 0.5f), 0, 15);
        int high = cut((double)((x[16 + j] - min) * id + 0.5f), 0, 15);
        out[4 + j] = (uint8_t)(low | high << 4);
    }
}

static void q8_0_block(uint8_t *out, const float *x)
{
    float d = absmax(x, 32) / 127, id = inverse(d);
    ti_store_u16(out, ti_f32_to_f16(d));
    for (int j = 0; j < 32; j++) {
        out[2 + j] = (uint8_t)(int8_t)ti_round_away(x[j] * id, -127, 127);
    }
}

/* --- ternary -------------------------------------------------------------------------------
 * x / absmax rounded is -1, 0 or +1. */

static void ternary_codes(uint8_t *codes, const float *x, unsigned n, float id)
{
    for (unsigned i = 0; i < n; i++) {
        codes[i] = (uint8_t)(ti_round_away(x[i] * id, -1, 1) + 1);
    }
}

/* The byte for a number below 243 made of trits; see kern/dequant.c. */
static uint8_t trit_byte(unsigned q)
{
    return (uint8_t)((q * 256 + 242) / 243);
}

/* One byte for the digits at codes[0], codes[step], ..., the first highest, missing digits 0.
 */
static uint8_t trits_down(const uint8_t *codes, unsigned step, unsigned digits)
{
    unsigned q = 0;
    for (unsigned d = 0; d < 5; d++) {
        q = q * 3 + (d < digits ? codes[step * d] : 0u);
    }
    return trit_byte(q);
}

static void pack_tq1_0(uint8_t *out, const uint8_t *codes, float d)
{
    for (unsigned m = 0; m < 32; m++) {
        out[m] = trits_down(codes + m, 32, 5);
    }
    for (unsigned m = 0; m < 16; m++) {
        out[32 + m] = trits_down(codes + 160 + m, 16, 5);
    }
    for (unsigned j = 0; j < 4; j++) {
        out[48 + j] = trits_down(codes + 240 + j, 4, 4);
    }
    ti_store_u16(out + 52, ti_f32_to_f16(d));
}

static void pack_tq2_0(uint8_t *out, const uint8_t *codes, float d)
{
    for (unsigned i = 0; i < 64; i++) {
        const uint8_t *c = codes + i / 32 * 128 + i % 32;
        out[i] = (uint8_t)(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
    }
    ti_store_u16(out + 64, ti_f32_to_f16(d));
}

static void pack_q2_0(uint8_t *out, const uint8_t *codes, float d, unsigned n)
{
    ti_store_u16(out, ti_f32_to_f16(d));
    for (unsigned i = 0; i < n / 4; i++) {
        const uint8_t *c = codes + 4 * i;
        out[2 + i] = (uint8_t)(c[0] | c[1] << 2 | c[2] << 4 | c[3] << 6);
    }
}

static void pack_block(uint8_t *out, const ti_type_info *info, const uint8_t *codes, float d)
{
    if (info->type == TI_TQ1_0) {
        pack_tq1_0(out, codes, d);
    } else if (info->type == TI_TQ2_0) {
        pack_tq2_0(out, codes, d);
    } else {
        pack_q2_0(out, codes, d, info->block);
    }
}

static void tq_block(uint8_t *out, const ti_type_info *info, const float *x)
{
    uint8_t codes[MAX_BLOCK] = {0};
    float d = absmax(x, info->block);
    ternary_codes(codes, x, info->block, inverse(d));
    pack_block(out, info, codes, d);
}

/* One bit: the sign; the scale is the mean magnitude. */
static void q1_0_block(uint8_t *out, const float *x)
{
    float sum = 0;
    memset(out + 2, 0, 16);
    for (int j = 0; j < 128; j++) {
        sum += magnitude(x[j]);
        out[2 + j / 8] = (uint8_t)(out[2 + j / 8] | (x[j] >= 0) << (j % 8));
    }
    ti_store_u16(out, ti_f32_to_f16(sum / 128));
}

static void pack_iq1_bn(uint8_t *out, const uint8_t *codes)
{
    unsigned last = 0;
    for (unsigned group = 4; group-- > 0;) {
        const uint8_t *c = codes + 16 * group;
        for (unsigned byte = 0; byte < 3; byte++) {
            unsigned q = 0;
            for (unsigned d = 5; d-- > 0;) { /* the first digit is the lowest */
                q = q * 3 + c[5 * byte + d];
            }
            out[3 * group + byte] = trit_byte(q);
        }
        last = last * 3 + c[15];
    }
    out[12] = trit_byte(last);
}

static void pack_iq2_bn(uint8_t *out, const uint8_t *codes)
{
    for (unsigned j = 0; j < 16; j++) {
        out[j] =
            (uint8_t)(codes[j] | codes[16 + j] << 2 | codes[32 + j] << 4 | codes[48 + j] << 6);
    }
}

/* The scale of these is one for the row, in front of it. */
static uint8_t *bn_scale(uint8_t *out, const ti_type_info *info, float d)
{
    if (info->type == TI_IQ1_BN) {
        ti_store_u16(out, ti_f32_to_f16(d));
    } else {
        ti_store_f32(out, d);
    }
    return out + info->row_bytes;
}

static void bn_block(uint8_t *out, const ti_type_info *info, const uint8_t *codes)
{
    if (info->type == TI_IQ1_BN) {
        pack_iq1_bn(out, codes);
    } else {
        pack_iq2_bn(out, codes);
    }
}

static void bn_row(uint8_t *out, const ti_type_info *info, const float *x, uint64_t k)
{
    uint8_t codes[64];
    float d = absmax(x, k), id = inverse(d);
    out = bn_scale(out, info, d);
    for (uint64_t at = 0; at < k; at += 64) {
        ternary_codes(codes, x + at, 64, id);
        bn_block(out, info, codes);
        out += info->block_bytes;
    }
}

void ti_i2s_encode(uint8_t *out, const uint8_t *codes, uint64_t k, uint64_t rows, float scale)
{
    uint64_t n = k * rows;
    TI_ASSERT(k % 128 == 0);
    for (uint64_t at = 0; at < n; at += 128) {
        for (unsigned p = 0; p < 32; p++) {
            const uint8_t *c = codes + at + p;
            *out++ = (uint8_t)(c[0] << 6 | c[32] << 4 | c[64] << 2 | c[96]);
        }
    }
    memset(out, 0, 32);
    ti_store_f32(out, scale);
}

static void pack_q1_0(uint8_t *out, const uint8_t *codes, float d)
{
    ti_store_u16(out, ti_f32_to_f16(d));
    memset(out + 2, 0, 16);
    for (int j = 0; j < 128; j++) {
        out[2 + j / 8] = (uint8_t)(out[2 + j / 8] | (codes[j] != 0) << (j % 8));
    }
}

bool ti_type_from_trits(void *out, const ti_type_info *info, const uint8_t *codes,
                        const float *scales, uint64_t k)
{
    uint8_t *bytes = out;
    if (!info->ternary || info->tensor_bytes) {
        return false;
    }
    TI_ASSERT(k % info->block == 0);
    if (info->row_bytes) {
        bytes = bn_scale(bytes, info, scales[0]);
    }
    for (uint64_t at = 0; at < k; at += info->block) {
        if (info->row_bytes) {
            bn_block(bytes, info, codes + at);
        } else if (info->type == TI_Q1_0) {
            pack_q1_0(bytes, codes + at, scales[at / info->block]);
        } else {
            pack_block(bytes, info, codes + at, scales[at / info->block]);
        }
        bytes += info->block_bytes;
    }
    return true;
}

/* --- dispatch ---------------------------------------------------------------------------- */

static bool blocks_from_f32(uint8_t *out, const ti_type_info *info, const float *x, uint64_t k)
{
    for (uint64_t at = 0; at < k; at += info->block) {
        switch (info->type) {
        case TI_Q4_0:
            q4_0_block(out, x + at);
            break;
        case TI_Q4_1:
            q4_1_block(out, x + at);
            break;
        case TI_Q8_0:
            q8_0_block(out, x + at);
            break;
        case TI_Q4_K:
            ti_quantize_q4_k(out, x + at);
            break;
        case TI_Q6_K:
            ti_quantize_q6_k(out, x + at);
            break;
        case TI_Q1_0:
            q1_0_block(out, x + at);
            break;
        case TI_TQ1_0:
        case TI_TQ2_0:
        case TI_Q2_0:
        case TI_PQ2_0:
            tq_block(out, info, x + at);
            break;
        default:
            return false;
        }
        out += info->block_bytes;
    }
    return true;
}

bool ti_type_from_f32(void *out, const ti_type_info *info, const float *x, uint64_t k)
{
    uint8_t *bytes = out;
    TI_ASSERT(k % info->block == 0);
    switch (info->type) {
    case TI_F32:
        for (uint64_t i = 0; i < k; i++) {
            ti_store_f32(bytes + 4 * i, x[i]);
        }
        return true;
    case TI_F16:
        for (uint64_t i = 0; i < k; i++) {
            ti_store_u16(bytes + 2 * i, ti_f32_to_f16(x[i]));
        }
        return true;
    case TI_BF16:
        for (uint64_t i = 0; i < k; i++) {
            ti_store_u16(bytes + 2 * i, ti_f32_to_bf16(x[i]));
        }
        return true;
    case TI_IQ1_BN:
    case TI_IQ2_BN:
        bn_row(bytes, info, x, k);
        return true;
    default:
        return blocks_from_f32(bytes, info, x, k);
    }
}
