/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec.h - the float kernels, written once for all CPUs.
 *
 * Included by one source file for each level, which defines before it:
 *   TI_VEC_TARGET   attribute that lets the compiler use the level's instructions, or empty
 *   TI_VEC_NAME(x)  name of a function of this level
 *   TI_VEC_F16_LOAD(out, ptr)   optional: 16 halves to float32 by an instruction
 *   TI_VEC_F16_STORE(ptr, v)    optional: 16 float32 to halves by an instruction
 * A v16 is sixteen float32 lanes by the compilers' vector extension: one or more registers
 * where the CPU has them, sixteen scalars where not.  Each operation is IEEE and separately
 * rounded, so all levels give the same bits; nothing here may be reordered. */
#ifndef TI_VEC_TARGET
#error "kern/vec.h is a template: see its comment"
#endif

#include <string.h>

#include "kern/kern.h"

typedef float ti_v16 __attribute__((vector_size(64)));
typedef int32_t ti_v16i __attribute__((vector_size(64)));
typedef uint32_t ti_v16u __attribute__((vector_size(64)));
typedef uint16_t ti_v16h __attribute__((vector_size(32)));
typedef int8_t ti_v16b __attribute__((vector_size(16)));

#define TI_VEC_INLINE static inline __attribute__((always_inline)) TI_VEC_TARGET
#define TI_VEC_FN static TI_VEC_TARGET

/* Vectors go through pointers: passing 64-byte values has no ABI below AVX-512. */
TI_VEC_INLINE void load16(ti_v16 *v, const float *p)
{
    memcpy(v, p, sizeof *v);
}

TI_VEC_INLINE void store16(float *p, const ti_v16 *v)
{
    memcpy(p, v, sizeof *v);
}

/* Loads the n < 16 floats that are left, and zeros. */
TI_VEC_INLINE void load_tail(ti_v16 *v, const float *p, size_t n)
{
    *v = (ti_v16){0};
    memcpy(v, p, n * sizeof *p);
}

/* The tree of the contract: lanes l and l + 8, then + 4, + 2, + 1. */
TI_VEC_INLINE float tree16(const ti_v16 *v)
{
    ti_v16 s = *v;
    s = s + __builtin_shufflevector(s, s, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    s = s + __builtin_shufflevector(s, s, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    s = s + __builtin_shufflevector(s, s, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    return s[0] + s[1];
}

TI_VEC_INLINE void vmax(ti_v16i *a, const ti_v16i *b)
{
    ti_v16i greater = *a > *b;
    *a = (*a & greater) | (*b & ~greater);
}

TI_VEC_INLINE int32_t max16(const ti_v16i *v)
{
    int32_t s[16], max;
    memcpy(s, v, sizeof s);
    max = s[0];
    for (int l = 1; l < 16; l++) {
        max = s[l] > max ? s[l] : max;
    }
    return max;
}

/* Halves to float32.  Without an instruction: exponent and mantissa are moved into place and
 * the product with 2^112 corrects the bias, exactly, for subnormals too.  (Infinities and
 * NaNs do not occur: to_f16 saturates.) */
TI_VEC_INLINE void f16_load16(ti_v16 *v, const uint16_t *p)
{
#ifdef TI_VEC_F16_LOAD
    TI_VEC_F16_LOAD(v, p);
#else
    ti_v16h h;
    memcpy(&h, p, sizeof h);
    ti_v16u u = __builtin_convertvector(h, ti_v16u);
    ti_v16 magnitude = (ti_v16)((u & 0x7fffu) << 13) * 0x1p112f;
    *v = (ti_v16)((ti_v16u)magnitude | (u & 0x8000u) << 16);
#endif
}

TI_VEC_INLINE void i8_load16(ti_v16 *v, const int8_t *p)
{
    ti_v16b b;
    memcpy(&b, p, sizeof b);
    *v = __builtin_convertvector(b, ti_v16);
}

/* exp(x) for x <= 88, 0 below -87.3.  Cody-Waite reduction by multiples of ln 2 and the
 * polynomial of degree 6 whose coefficients minimise the relative error on +-ln(2)/2 (Cephes
 * expf; 2 ulp).  Rounding to the nearest integer by adding 1.5 * 2^23. */
TI_VEC_INLINE void exp16(ti_v16 *v)
{
    const ti_v16 x = *v;
    ti_v16 shifted = x * 1.44269504088896341f + 12582912.0f;
    ti_v16 n = shifted - 12582912.0f;
    ti_v16 r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    ti_v16 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r;
    p = p + 1.0f;
    ti_v16u exponent = ((ti_v16u)shifted - 0x4b400000u) << 23;
    ti_v16 e = (ti_v16)((ti_v16u)p + exponent);
    ti_v16i normal = x >= -87.0f;
    *v = (ti_v16)((ti_v16i)e & normal);
}

TI_VEC_FN void TI_VEC_NAME(rmsnorm)(float *y, const float *x, const float *w, size_t n,
                                    float eps)
{
    ti_v16 sum = {0}, a, b;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        load16(&a, x + i);
        sum = sum + a * a;
    }
    if (i < n) {
        load_tail(&a, x + i, n - i);
        sum = sum + a * a;
    }
    float mean = tree16(&sum) / (float)n;
    float s = 1.0f / __builtin_sqrtf(mean + eps);
    for (i = 0; i + 16 <= n; i += 16) {
        load16(&a, x + i);
        load16(&b, w + i);
        a = (a * s) * b;
        store16(y + i, &a);
    }
    for (; i < n; i++) {
        y[i] = (x[i] * s) * w[i];
    }
}

TI_VEC_FN void TI_VEC_NAME(add)(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] + y[i];
    }
}

TI_VEC_FN void TI_VEC_NAME(relu2_mul)(float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float product = g[i] * g[i] * u[i];
        g[i] = g[i] > 0.0f ? product : 0.0f;
    }
}

TI_VEC_INLINE void silu16(ti_v16 *a, const ti_v16 *b)
{
    /* exp(-x) of very negative x would overflow; at 87 the quotient is already 1e-36 * x. */
    const ti_v16 limit = (ti_v16){0} + 87.0f;
    ti_v16 e = -*a;
    ti_v16i over = e > limit;
    e = (ti_v16)(((ti_v16i)limit & over) | ((ti_v16i)e & ~over));
    exp16(&e);
    *a = *a / (1.0f + e) * *b;
}

TI_VEC_FN void TI_VEC_NAME(silu_mul)(float *g, const float *u, size_t n)
{
    ti_v16 a, b;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        load16(&a, g + i);
        load16(&b, u + i);
        silu16(&a, &b);
        store16(g + i, &a);
    }
    if (i < n) {
        load_tail(&a, g + i, n - i);
        load_tail(&b, u + i, n - i);
        silu16(&a, &b);
        memcpy(g + i, &a, (n - i) * sizeof *g);
    }
}

TI_VEC_FN void TI_VEC_NAME(softmax)(float *x, size_t n)
{
    if (n == 0) {
        return;
    }
    ti_v16 v, sum = {0};
    size_t i = 0;
    float max = x[0];
    ti_v16 top = (ti_v16){0} + max;
    for (; i + 16 <= n; i += 16) {
        load16(&v, x + i);
        ti_v16i greater = v > top;
        top = (ti_v16)(((ti_v16i)v & greater) | ((ti_v16i)top & ~greater));
    }
    for (int l = 0; l < 16; l++) {
        max = top[l] > max ? top[l] : max;
    }
    for (; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    for (i = 0; i + 16 <= n; i += 16) {
        load16(&v, x + i);
        v = v - max;
        exp16(&v);
        sum = sum + v;
        store16(x + i, &v);
    }
    if (i < n) {
        load_tail(&v, x + i, n - i);
        v = v - max;
        exp16(&v);
        memcpy(x + i, &v, (n - i) * sizeof *x);
        load_tail(&v, x + i, n - i);
        sum = sum + v;
    }
    float inverse = 1.0f / tree16(&sum);
    for (i = 0; i < n; i++) {
        x[i] = x[i] * inverse;
    }
}

TI_VEC_FN void TI_VEC_NAME(rope)(float *x, const float *c, const float *s, size_t n,
                                 bool interleaved)
{
    size_t half = n / 2;
    if (interleaved) {
        for (size_t i = 0; i < half; i++) {
            float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = a * c[i] - b * s[i];
            x[2 * i + 1] = a * s[i] + b * c[i];
        }
    } else {
        for (size_t i = 0; i < half; i++) {
            float a = x[i], b = x[i + half];
            x[i] = a * c[i] - b * s[i];
            x[i + half] = a * s[i] + b * c[i];
        }
    }
}

TI_VEC_FN void TI_VEC_NAME(qk_f16)(float *s, const float *q, ti_kv_view k, size_t n, size_t d,
                                   float scale)
{
    const uint16_t *row = k.data;
    size_t dp = (d + 15) & ~(size_t)15;
    for (size_t j = 0; j < n; j++, row += k.stride) {
        ti_v16 sum = {0}, a, b;
        for (size_t c = 0; c < dp; c += 16) {
            load16(&a, q + c);
            f16_load16(&b, row + c);
            sum = sum + a * b;
        }
        s[j] = tree16(&sum) * scale;
    }
}

/* Four vectors of accumulators at a time stay in registers; each walks over all values. */
TI_VEC_FN void TI_VEC_NAME(pv_f16)(float *o, const float *p, ti_kv_view v, size_t n, size_t d)
{
    size_t dp = (d + 15) & ~(size_t)15, c = 0;
    for (; c + 64 <= dp; c += 64) {
        const uint16_t *row = (const uint16_t *)v.data + c;
        ti_v16 o0 = {0}, o1 = {0}, o2 = {0}, o3 = {0}, a;
        for (size_t j = 0; j < n; j++, row += v.stride) {
            f16_load16(&a, row);
            o0 = o0 + p[j] * a;
            f16_load16(&a, row + 16);
            o1 = o1 + p[j] * a;
            f16_load16(&a, row + 32);
            o2 = o2 + p[j] * a;
            f16_load16(&a, row + 48);
            o3 = o3 + p[j] * a;
        }
        store16(o + c, &o0);
        store16(o + c + 16, &o1);
        store16(o + c + 32, &o2);
        store16(o + c + 48, &o3);
    }
    for (; c < dp; c += 16) {
        const uint16_t *row = (const uint16_t *)v.data + c;
        ti_v16 sum = {0}, a;
        for (size_t j = 0; j < n; j++, row += v.stride) {
            f16_load16(&a, row);
            sum = sum + p[j] * a;
        }
        store16(o + c, &sum);
    }
}

TI_VEC_FN void TI_VEC_NAME(pv_i8)(float *o, const float *p, ti_kv_view v, size_t n, size_t d)
{
    size_t dp = (d + 15) & ~(size_t)15;
    for (size_t c = 0; c < dp; c += 16) {
        const int8_t *row = (const int8_t *)v.data + c;
        ti_v16 sum = {0}, a;
        for (size_t j = 0; j < n; j++, row += v.stride) {
            i8_load16(&a, row);
            sum = sum + (p[j] * v.scale[j]) * a;
        }
        store16(o + c, &sum);
    }
}

TI_VEC_FN void TI_VEC_NAME(qk_i8)(float *s, const int8_t *q, float qscale, ti_kv_view k,
                                  size_t n, size_t d)
{
    const int8_t *row = k.data;
    size_t dp = (d + 15) & ~(size_t)15;
    for (size_t j = 0; j < n; j++, row += k.stride) {
        int32_t sum = 0;
        for (size_t c = 0; c < dp; c++) {
            sum += (int32_t)q[c] * row[c];
        }
        s[j] = (float)sum * (qscale * k.scale[j]);
    }
}

/* Largest magnitude of n floats.  Taken on the bits, where NaN is above infinity and infinity
 * above all numbers, so that no bad value is lost. */
TI_VEC_INLINE float max_magnitude(const float *x, size_t n)
{
    ti_v16i top = {0};
    ti_v16 v;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        load16(&v, x + i);
        ti_v16i bits = (ti_v16i)v & 0x7fffffff;
        vmax(&top, &bits);
    }
    if (i < n) {
        load_tail(&v, x + i, n - i);
        ti_v16i bits = (ti_v16i)v & 0x7fffffff;
        vmax(&top, &bits);
    }
    int32_t bits = max16(&top);
    float max;
    memcpy(&max, &bits, sizeof max);
    return max;
}

/* q = x * factor, half to even (by adding 1.5 * 2^23), and the sum of the sixteen. */
TI_VEC_INLINE int32_t quant16(int8_t *q, const ti_v16 *x, float factor)
{
    ti_v16 shifted = *x * factor + 12582912.0f;
    ti_v16i whole = (ti_v16i)shifted - 0x4b400000;
    ti_v16b bytes = __builtin_convertvector(whole, ti_v16b);
    memcpy(q, &bytes, sizeof bytes);
    int32_t lanes[16], sum = 0;
    memcpy(lanes, &whole, sizeof lanes);
    for (int l = 0; l < 16; l++) {
        sum += lanes[l];
    }
    return sum;
}

/* Quantises n floats with one scale, which it returns.  A vector whose magnitude is not a
 * normal number gives zeros: with scale 0 when it is tiny (its inverse would overflow), with
 * scale NaN when it is not finite, so that the outputs show it. */
TI_VEC_INLINE float quant_run(int8_t *q, int32_t *half_sum, const float *f, size_t n)
{
    float max = max_magnitude(f, n);
    if (!(max >= 0x1p-120f && max <= 0x1p+120f)) {
        memset(q, 0, (n + 15) & ~(size_t)15);
        memset(half_sum, 0, (n + 15) / 16 * sizeof *half_sum);
        return max < 1.0f ? 0.0f : __builtin_nanf("");
    }
    float factor = 127.0f / max;
    ti_v16 v;
    size_t c = 0;
    for (; c + 16 <= n; c += 16) {
        load16(&v, f + c);
        half_sum[c / 16] = quant16(q + c, &v, factor);
    }
    if (c < n) {
        load_tail(&v, f + c, n - c);
        half_sum[c / 16] = quant16(q + c, &v, factor);
    }
    return max / 127.0f;
}

TI_VEC_FN void TI_VEC_NAME(quant_token)(ti_act *x, size_t i, const float *f)
{
    int8_t *q = x->q + i * x->stride;
    int32_t *half_sum = x->half_sum + i * (x->stride / 16);
    float *block_scale = x->block_scale + i * (x->stride / 32);
    size_t used = (x->k + 15) & ~(size_t)15;
    float scale = quant_run(q, half_sum, f, x->k);
    memset(q + used, 0, x->stride - used);
    memset(half_sum + used / 16, 0, (x->stride - used) / 16 * sizeof *half_sum);
    int32_t sum = 0;
    for (size_t h = 0; h < used / 16; h++) {
        sum += half_sum[h];
    }
    for (size_t b = 0; b < x->stride / 32; b++) {
        block_scale[b] = scale;
    }
    x->row_scale[i] = scale;
    x->row_sum[i] = sum;
}

/* Zeroes what follows the used columns of row i, and says where the row is. */
typedef struct TI_VEC_NAME(act_row) {
    int8_t *q;
    int32_t *half_sum;
    float *block_scale;
} TI_VEC_NAME(act_row);

TI_VEC_INLINE TI_VEC_NAME(act_row) clear_row(ti_act *x, size_t i)
{
    TI_VEC_NAME(act_row)
    row = {.q = x->q + i * x->stride,
           .half_sum = x->half_sum + i * (x->stride / 16),
           .block_scale = x->block_scale + i * (x->stride / 32)};
    size_t whole = x->k & ~(size_t)31;
    memset(row.q + whole, 0, x->stride - whole);
    memset(row.half_sum + whole / 16, 0, (x->stride - whole) / 16 * sizeof *row.half_sum);
    memset(row.block_scale + whole / 32, 0, (x->stride - whole) / 32 * sizeof *row.block_scale);
    return row;
}

TI_VEC_FN void TI_VEC_NAME(quant_block)(ti_act *x, size_t i, const float *f)
{
    TI_VEC_NAME(act_row) row = clear_row(x, i);
    for (size_t c = 0; c < x->k; c += 32) {
        size_t n = x->k - c < 32 ? x->k - c : 32;
        row.block_scale[c / 32] = quant_run(row.q + c, row.half_sum + c / 16, f + c, n);
    }
}

/* Sixteen numbers of 16 bits, split.  v is at most 32384 = 254 * 127 + 126: one more
 * would round to 128 * 254. */
TI_VEC_INLINE void split16(TI_VEC_NAME(act_row) high, TI_VEC_NAME(act_row) low, size_t c,
                           const ti_v16 *x, float factor)
{
    ti_v16 v = (*x * factor + 12582912.0f) - 12582912.0f;
    ti_v16 h = (v * (1.0f / 254.0f) + 12582912.0f) - 12582912.0f;
    ti_v16 l = v - h * 254.0f;
    high.half_sum[c / 16] = quant16(high.q + c, &h, 1.0f);
    low.half_sum[c / 16] = quant16(low.q + c, &l, 1.0f);
}

TI_VEC_FN void TI_VEC_NAME(quant_block16)(ti_act *x, size_t i, const float *f)
{
    TI_VEC_NAME(act_row) high = clear_row(x, 2 * i), low = clear_row(x, 2 * i + 1);
    ti_v16 v;
    for (size_t c = 0; c < x->k; c += 32) {
        size_t n = x->k - c < 32 ? x->k - c : 32;
        float max = max_magnitude(f + c, n);
        if (!(max >= 0x1p-110f && max <= 0x1p+120f)) {
            memset(high.q + c, 0, 32);
            memset(low.q + c, 0, 32);
            memset(high.half_sum + c / 16, 0, 2 * sizeof *high.half_sum);
            memset(low.half_sum + c / 16, 0, 2 * sizeof *low.half_sum);
            low.block_scale[c / 32] = max < 1.0f ? 0.0f : __builtin_nanf("");
            high.block_scale[c / 32] = low.block_scale[c / 32];
            continue;
        }
        float factor = 32384.0f / max;
        for (size_t h = 0; h < n; h += 16) {
            if (n - h >= 16) {
                load16(&v, f + c + h);
            } else {
                load_tail(&v, f + c + h, n - h);
            }
            split16(high, low, c + h, &v, factor);
        }
        low.block_scale[c / 32] = max / 32384.0f;
        high.block_scale[c / 32] = low.block_scale[c / 32] * 254.0f;
    }
}

#ifndef TI_VEC_F16_STORE
/* Round to nearest even by integers: the bits that are dropped decide. */
TI_VEC_INLINE uint16_t half_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    uint32_t sign = u >> 16 & 0x8000u, m = u & 0x7fffffffu;
    if (m < 0x38800000u) { /* below 2^-14: subnormal half; 0.5 puts its unit at bit 0 */
        float magnitude;
        memcpy(&magnitude, &m, sizeof magnitude);
        magnitude = magnitude + 0.5f;
        memcpy(&m, &magnitude, sizeof m);
        return (uint16_t)(sign | (m - 0x3f000000u));
    }
    m = m + 0xfffu + (m >> 13 & 1u) - 0x38000000u;
    return (uint16_t)(sign | m >> 13);
}
#endif

TI_VEC_FN void TI_VEC_NAME(to_f16)(uint16_t *out, const float *x, size_t n)
{
    size_t i = 0;
#ifdef TI_VEC_F16_STORE
    const ti_v16 top = (ti_v16){0} + 65504.0f, bottom = -top;
    for (; i < n; i += 16) {
        size_t m = n - i < 16 ? n - i : 16;
        ti_v16 v;
        uint16_t halves[16];
        load_tail(&v, x + i, m);
        ti_v16i over = v > top, under = v < bottom;
        v = (ti_v16)(((ti_v16i)top & over) | ((ti_v16i)bottom & under) |
                     ((ti_v16i)v & ~over & ~under));
        TI_VEC_F16_STORE(halves, &v);
        memcpy(out + i, halves, m * sizeof *out);
    }
#else
    for (; i < n; i++) {
        float f = x[i] > 65504.0f ? 65504.0f : x[i] < -65504.0f ? -65504.0f : x[i];
        out[i] = half_of(f);
    }
#endif
}

/* The dense float32 products: rows of float32, halves or bfloat16, one output at a time. */
TI_VEC_INLINE void weights16(ti_v16 *v, const void *row, size_t c, ti_layout layout)
{
    if (layout == TI_L_F32) {
        load16(v, (const float *)row + c);
    } else if (layout == TI_L_F16) {
        f16_load16(v, (const uint16_t *)row + c);
    } else {
        ti_v16h h;
        memcpy(&h, (const uint16_t *)row + c, sizeof h);
        *v = (ti_v16)(__builtin_convertvector(h, ti_v16u) << 16);
    }
}

TI_VEC_INLINE void matmul_float(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                size_t r0, size_t r1, ti_layout layout)
{
    size_t width = layout == TI_L_F32 ? 4 : 2;
    for (size_t r = r0; r < r1; r++) {
        const char *row = (const char *)w->data + r * w->kp * width;
        for (size_t i = 0; i < x->m; i++) {
            const float *f = x->f + i * x->stride;
            ti_v16 sum = {0}, a, b;
            for (size_t c = 0; c < w->kp; c += 16) {
                weights16(&a, row, c, layout);
                load16(&b, f + c);
                sum = sum + a * b;
            }
            y[i * ldy + r] = tree16(&sum);
        }
    }
}

TI_VEC_FN void TI_VEC_NAME(matmul_f32)(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                       size_t r0, size_t r1, void *scratch)
{
    (void)scratch;
    matmul_float(y, ldy, w, x, r0, r1, TI_L_F32);
}

TI_VEC_FN void TI_VEC_NAME(matmul_f16)(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                       size_t r0, size_t r1, void *scratch)
{
    (void)scratch;
    matmul_float(y, ldy, w, x, r0, r1, TI_L_F16);
}

TI_VEC_FN void TI_VEC_NAME(matmul_bf16)(float *y, size_t ldy, const ti_mat *w, const ti_act *x,
                                        size_t r0, size_t r1, void *scratch)
{
    (void)scratch;
    matmul_float(y, ldy, w, x, r0, r1, TI_L_BF16);
}

TI_VEC_FN void TI_VEC_NAME(vec_init)(ti_kern *k)
{
    k->matmul[TI_L_F32] = TI_VEC_NAME(matmul_f32);
    k->matmul[TI_L_F16] = TI_VEC_NAME(matmul_f16);
    k->matmul[TI_L_BF16] = TI_VEC_NAME(matmul_bf16);
    k->quant_token = TI_VEC_NAME(quant_token);
    k->quant_block = TI_VEC_NAME(quant_block);
    k->quant_block16 = TI_VEC_NAME(quant_block16);
    k->rmsnorm = TI_VEC_NAME(rmsnorm);
    k->add = TI_VEC_NAME(add);
    k->relu2_mul = TI_VEC_NAME(relu2_mul);
    k->silu_mul = TI_VEC_NAME(silu_mul);
    k->softmax = TI_VEC_NAME(softmax);
    k->rope = TI_VEC_NAME(rope);
    k->to_f16 = TI_VEC_NAME(to_f16);
    k->qk_f16 = TI_VEC_NAME(qk_f16);
    k->qk_i8 = TI_VEC_NAME(qk_i8);
    k->pv_f16 = TI_VEC_NAME(pv_f16);
    k->pv_i8 = TI_VEC_NAME(pv_i8);
}
