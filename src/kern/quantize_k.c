/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_K and Q6_K: blocks of 256 with scales that are themselves quantised.
 *
 * For given integer codes the best scale (and minimum) is a least-squares problem with a closed
 * solution; the codes come from rounding with a trial scale.  So: try a handful of trial scales
 * around the obvious one, solve, keep the pair with the smallest error.  Then the scales are
 * quantised and the codes are rounded once more, with the scales as a reader will see them. */
#include "kern/quantize.h"

#include <string.h>

#include "base/le.h"
#include "kern/dtype.h"

enum { Q4_SUB = 32, Q4_SUBS = 8, Q6_SUB = 16, Q6_SUBS = 16 };

static double finite(float x)
{
    double d = (double)x;
    return d - d == 0 ? d : 0; /* infinity and NaN have no difference to themselves */
}

static int round_in(double x, int low, int high)
{
    return ti_round_away((float)x, low, high);
}

/* --- Q4_K: x ~ scale * q - min, q in 0..15, scale and min not negative -------------------- */

typedef struct affine {
    double scale, min, error;
} affine;

/* Solves for scale and min with the codes that a trial scale gives. */
static affine fit_affine(const double *x, double low, double per_code)
{
    double n = Q4_SUB, sq = 0, sqq = 0, sx = 0, sxq = 0, sxx = 0;
    for (int i = 0; i < Q4_SUB; i++) {
        double q = round_in((x[i] - low) * per_code, 0, 15);
        sq += q;
        sqq += q * q;
        sx += x[i];
        sxq += x[i] * q;
        sxx += x[i] * x[i];
    }
    affine a = {0, 0, sxx};
    double det = n * sqq - sq * sq;
    if (det > 0) {
        a.scale = (n * sxq - sx * sq) / det;
        a.min = (sq * sxq - sqq * sx) / det;
    }
    if (a.min < 0 || det <= 0) { /* a minimum above zero cannot be stored: pin it to zero */
        a.min = 0;
        a.scale = sqq > 0 ? sxq / sqq : 0;
    }
    if (a.scale < 0) {
        a.scale = 0;
    }
    /* sum (x - scale q + min)^2 */
    a.error = sxx + a.scale * a.scale * sqq + n * a.min * a.min - 2 * a.scale * sxq +
              2 * a.min * sx - 2 * a.scale * a.min * sq;
    return a;
}

static affine best_affine(const double *x)
{
    double low = 0, high = x[0];
    for (int i = 0; i < Q4_SUB; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (high <= low) { /* all equal: all zero, or one negative number */
        return (affine){0, -low, 0};
    }
    affine best = {0, 0, 0};
    for (int trial = 0; trial <= 20; trial++) {
        double steps = 14.0 + 0.1 * trial; /* 14 to 16 steps over the range instead of 15 */
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
    double v[Q4_SUB * Q4_SUBS], max_scale = 0, max_min = 0;
    affine subs[Q4_SUBS];
    for (int i = 0; i < Q4_SUB * Q4_SUBS; i++) {
        v[i] = finite(x[i]);
    }
    for (int s = 0; s < Q4_SUBS; s++) {
        subs[s] = best_affine(v + Q4_SUB * s);
        max_scale = subs[s].scale > max_scale ? subs[s].scale : max_scale;
        max_min = subs[s].min > max_min ? subs[s].min : max_min;
    }
    uint16_t d16 = ti_f32_to_f16((float)(max_scale / 63));
    uint16_t m16 = ti_f32_to_f16((float)(max_min / 63));
    double d = (double)ti_f16_to_f32(d16), dmin = (double)ti_f16_to_f32(m16);
    int scales[Q4_SUBS], mins[Q4_SUBS];
    memset(out, 0, 144);
    ti_store_u16(out, d16);
    ti_store_u16(out + 2, m16);
    for (int s = 0; s < Q4_SUBS; s++) {
        scales[s] = d > 0 ? round_in(subs[s].scale / d, 0, 63) : 0;
        mins[s] = dmin > 0 ? round_in(subs[s].min / dmin, 0, 63) : 0;
        double scale = d * scales[s], min = dmin * mins[s];
        for (int i = 0; i < Q4_SUB; i++) {
            int q = scale > 0 ? round_in((v[Q4_SUB * s + i] + min) / scale, 0, 15) : 0;
            uint8_t *byte = out + 16 + s / 2 * Q4_SUB + i;
            *byte = (uint8_t)(*byte | q << (s % 2 * 4));
        }
    }
    put_q4_k_scales(out + 4, scales, mins);
}

/* --- Q6_K: x ~ scale * q, q in -32..31, scale of either sign --------------------------------
 */

static double best_scale(const double *x)
{
    double peak = 0;
    for (int i = 0; i < Q6_SUB; i++) {
        double a = x[i] < 0 ? -x[i] : x[i];
        if (a > (peak < 0 ? -peak : peak)) {
            peak = x[i];
        }
    }
    double best = 0, best_gain = 0;
    for (int trial = 0; peak != 0 && trial <= 18; trial++) {
        double per_code = -(32.9 - 0.1 * trial) / peak; /* the peak becomes -32.9 to -31.1 */
        double sxq = 0, sqq = 0;
        for (int i = 0; i < Q6_SUB; i++) {
            double q = round_in(x[i] * per_code, -32, 31);
            sxq += x[i] * q;
            sqq += q * q;
        }
        double gain = sqq > 0 ? sxq * sxq / sqq : 0; /* what the squared error falls by */
        if (gain > best_gain) {
            best_gain = gain;
            best = sxq / sqq;
        }
    }
    return best;
}

void ti_quantize_q6_k(uint8_t *out, const float *x)
{
    double v[Q6_SUB * Q6_SUBS], scales[Q6_SUBS], peak = 0;
    for (int i = 0; i < Q6_SUB * Q6_SUBS; i++) {
        v[i] = finite(x[i]);
    }
    for (int s = 0; s < Q6_SUBS; s++) {
        scales[s] = best_scale(v + Q6_SUB * s);
        double a = scales[s] < 0 ? -scales[s] : scales[s];
        if (a > (peak < 0 ? -peak : peak)) {
            peak = scales[s];
        }
    }
    uint16_t d16 = ti_f32_to_f16((float)(peak / -128));
    double d = (double)ti_f16_to_f32(d16);
    memset(out, 0, 210);
    ti_store_u16(out + 208, d16);
    for (int i = 0; i < Q6_SUB * Q6_SUBS; i++) {
        int s = i / Q6_SUB;
        int scale = d != 0 ? round_in(scales[s] / d, -128, 127) : 0;
        int q = scale != 0 ? round_in(v[i] / (d * scale), -32, 31) : 0;
        unsigned code = (unsigned)(q + 32);
        int half = i / 128, run = i % 128 / 32, j = i % 32;
        uint8_t *low = out + 64 * half + 32 * (run % 2) + j;
        uint8_t *high = out + 128 + 32 * half + j;
        *low = (uint8_t)(*low | (code & 15) << (run < 2 ? 0 : 4));
        *high = (uint8_t)(*high | code >> 4 << (2 * run));
        out[192 + s] = (uint8_t)(int8_t)scale;
    }
}
