/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_K and Q6_K: blocks of 256 with scales that are themselves quantised.
 *
 * For given integer codes the best scale (and minimum) is a least-squares problem with a closed
 * solution; the codes come from rounding with a trial scale.  So: try a handful of trial scales
 * around the obvious one, solve, keep the pair with the smallest error.  Then the scales are
 * quantised and the codes are rounded once more, with the scales as a reader will see them.
 *
 * Everything is float32 in a fixed order, in loops that compilers turn into vector code. */
#include "kern/quantize.h"

#include <string.h>

#include "base/le.h"
#include "kern/dtype.h"

enum { BLOCK = 256, Q4_SUB = 32, Q4_SUBS = 8, Q6_SUB = 16, Q6_SUBS = 16, LANES = 4 };

/* Below this a block is zero: its scale would be far below the smallest half. */
static const float tiny = 1e-30f;

static inline float clamp(float v, float low, float high)
{
    v = v > low ? v : low; /* NaN becomes low */
    return v < high ? v : high;
}

/* Nearest integer, ties to even, in [low, high], both below 2^22: the addition pushes the
 * fraction out of the significand. */
static inline float nearest(float v, float low, float high)
{
    const float push = 12582912.0f; /* 1.5 * 2^23 */
    return (clamp(v, low, high) + push) - push;
}

static inline float magnitude(float x)
{
    return x < 0 ? -x : x;
}

/* Copies a block with infinities and NaNs as zero. */
static void take_finite(float *v, const float *x)
{
    for (int i = 0; i < BLOCK; i++) {
        v[i] = x[i] - x[i] == 0 ? x[i] : 0;
    }
}

static float sum_lanes(const float *lanes)
{
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/* --- Q4_K: x ~ scale * q - min, q in 0..15, scale and min not negative -------------------- */

typedef struct affine {
    float scale, min, error;
} affine;

/* What least squares needs to know of 32 numbers and their codes. */
typedef struct sums {
    float q, qq, x, xq, xx;
} sums;

static sums sums_of(const float *x, float low, float per_code)
{
    float q[LANES] = {0}, qq[LANES] = {0}, sx[LANES] = {0}, xq[LANES] = {0}, xx[LANES] = {0};
    for (int i = 0; i < Q4_SUB; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float v = x[i + j], code = nearest((v - low) * per_code, 0, 15);
            q[j] += code;
            qq[j] += code * code;
            sx[j] += v;
            xq[j] += v * code;
            xx[j] += v * v;
        }
    }
    return (sums){sum_lanes(q), sum_lanes(qq), sum_lanes(sx), sum_lanes(xq), sum_lanes(xx)};
}

/* Solves for scale and min with the codes that a trial scale gives. */
static affine fit_affine(const float *x, float low, float per_code)
{
    sums s = sums_of(x, low, per_code);
    float n = Q4_SUB, det = n * s.qq - s.q * s.q;
    affine a = {0, 0, s.xx};
    if (det > 0) {
        a.scale = (n * s.xq - s.x * s.q) / det;
        a.min = (s.q * s.xq - s.qq * s.x) / det;
    }
    if (a.min < 0 || det <= 0) { /* a minimum above zero cannot be stored: pin it to zero */
        a.min = 0;
        a.scale = s.qq > 0 ? s.xq / s.qq : 0;
    }
    if (a.scale < 0) {
        a.scale = 0;
    }
    /* sum (x - scale q + min)^2 */
    a.error = s.xx + a.scale * a.scale * s.qq + n * a.min * a.min - 2 * a.scale * s.xq +
              2 * a.min * s.x - 2 * a.scale * a.min * s.q;
    return a;
}

static affine best_affine(const float *x)
{
    float low = 0, high = x[0];
    for (int i = 0; i < Q4_SUB; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (high - low < tiny) { /* all equal: all zero, or one negative number */
        return (affine){0, -low, 0};
    }
    affine best = {0, 0, 0};
    for (int trial = 0; trial <= 10; trial++) {
        float steps = 14.0f + 0.2f * (float)trial; /* 14 to 16 over the range instead of 15 */
        affine a = fit_affine(x, low, steps / (high - low));
        if (trial == 0 || a.error < best.error) {
            best = a;
        }
    }
    return best;
}

/* The 6-bit fields as kern/dequant.c reads them. */
static void put_q4_k_scales(uint8_t *p, const int *scales, const int *mins)
{
    for (int s = 0; s < 4; s++) {
        p[s] = (uint8_t)(scales[s] | scales[4 + s] >> 4 << 6);
        p[4 + s] = (uint8_t)(mins[s] | mins[4 + s] >> 4 << 6);
        p[8 + s] = (uint8_t)((scales[4 + s] & 15) | (mins[4 + s] & 15) << 4);
    }
}

void ti_quantize_q4_k(uint8_t *out, const float *x)
{
    float v[BLOCK], max_scale = 0, max_min = 0;
    affine subs[Q4_SUBS];
    take_finite(v, x);
    for (int s = 0; s < Q4_SUBS; s++) {
        subs[s] = best_affine(v + Q4_SUB * s);
        max_scale = subs[s].scale > max_scale ? subs[s].scale : max_scale;
        max_min = subs[s].min > max_min ? subs[s].min : max_min;
    }
    uint16_t d16 = ti_f32_to_f16(max_scale / 63), m16 = ti_f32_to_f16(max_min / 63);
    float d = ti_f16_to_f32(d16), dmin = ti_f16_to_f32(m16);
    int scales[Q4_SUBS], mins[Q4_SUBS];
    memset(out, 0, 144);
    ti_store_u16(out, d16);
    ti_store_u16(out + 2, m16);
    for (int s = 0; s < Q4_SUBS; s++) {
        scales[s] = d > 0 ? (int)nearest(subs[s].scale / d, 0, 63) : 0;
        mins[s] = dmin > 0 ? (int)nearest(subs[s].min / dmin, 0, 63) : 0;
        float scale = d * (float)scales[s], min = dmin * (float)mins[s];
        for (int i = 0; i < Q4_SUB && scales[s] > 0; i++) {
            int q = (int)nearest((v[Q4_SUB * s + i] + min) / scale, 0, 15);
            uint8_t *byte = out + 16 + s / 2 * Q4_SUB + i;
            *byte = (uint8_t)(*byte | q << (s % 2 * 4));
        }
    }
    put_q4_k_scales(out + 4, scales, mins);
}

/* --- Q6_K: x ~ scale * q, q in -32..31, scale of either sign --------------------------------
 */

static float peak_of(const float *x, int n)
{
    float peak = 0;
    for (int i = 0; i < n; i++) {
        peak = magnitude(x[i]) > magnitude(peak) ? x[i] : peak;
    }
    return peak;
}

static float best_scale(const float *x)
{
    float peak = peak_of(x, Q6_SUB), best = 0, best_gain = 0;
    if (magnitude(peak) < tiny) {
        return 0;
    }
    for (int trial = 0; trial <= 12; trial++) {
        float per_code = -(32.9f - 0.15f * (float)trial) / peak; /* the peak: -32.9 to -31.1 */
        float xq[LANES] = {0}, qq[LANES] = {0};
        for (int i = 0; i < Q6_SUB; i += LANES) {
            for (int j = 0; j < LANES; j++) {
                float q = nearest(x[i + j] * per_code, -32, 31);
                xq[j] += x[i + j] * q;
                qq[j] += q * q;
            }
        }
        float sxq = sum_lanes(xq), sqq = sum_lanes(qq);
        float gain = sqq > 0 ? sxq / sqq * sxq : 0; /* what the squared error falls by */
        if (gain > best_gain) {
            best_gain = gain;
            best = sxq / sqq;
        }
    }
    return best;
}

void ti_quantize_q6_k(uint8_t *out, const float *x)
{
    float v[BLOCK], scales[Q6_SUBS];
    take_finite(v, x);
    for (int s = 0; s < Q6_SUBS; s++) {
        scales[s] = best_scale(v + Q6_SUB * s);
    }
    uint16_t d16 = ti_f32_to_f16(peak_of(scales, Q6_SUBS) / -128);
    float d = ti_f16_to_f32(d16);
    memset(out, 0, 210);
    ti_store_u16(out + 208, d16);
    for (int s = 0; s < Q6_SUBS; s++) {
        float scale = d != 0 ? nearest(scales[s] / d, -128, 127) : 0, step = d * scale;
        out[192 + s] = (uint8_t)(int8_t)scale;
        for (int i = Q6_SUB * s; i < Q6_SUB * (s + 1); i++) {
            int q = scale != 0 ? (int)nearest(v[i] / step, -32, 31) : 0;
            unsigned code = (unsigned)(q + 32);
            int half = i / 128, run = i % 128 / 32, j = i % 32;
            uint8_t *low = out + 64 * half + 32 * (run % 2) + j;
            uint8_t *high = out + 128 + 32 * half + j;
            *low = (uint8_t)(*low | (code & 15) << (run < 2 ? 0 : 4));
            *high = (uint8_t)(*high | code >> 4 << (2 * run));
        }
    }
}
